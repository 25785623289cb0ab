/*
 * test_history_sqlite_tokens.c - tokens in the history: written in order, read back as they were, gone with the right
 * one.
 */
#include "tests/history_help.h"
#include "tests/suites.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mm_token example(unsigned number)
{
    mm_token token = {.scopes = MM_SCOPE_READ | MM_SCOPE_ADMIN,
                      .project = "liver \xE2\x9C\x93",
                      .label = "it's \"mine\"",
                      .created = 1000 + number,
                      .expires = INT64_MAX,
                      .used = 7};

    (void)snprintf(token.id, sizeof token.id, "mm_%08u", number);
    for (size_t i = 0; i < sizeof token.digest; i++)
        token.digest[i] = (unsigned char)(i * 31 + number);
    return token;
}

static void stored(mm_store_token *item)
{
    sem_post(item->context);
}

static mm_store_status put(mm_history *history, const mm_token *token, const char *removed)
{
    sem_t done;
    mm_store_token item = {.token = *token, .done = stored, .context = &done};

    (void)snprintf(item.removed, sizeof item.removed, "%s", removed);
    sem_init(&done, 0, 0);
    mm_history_put_token(history, &item);
    while (sem_wait(&done) != 0)
        continue;
    sem_destroy(&done);
    return item.status;
}

static size_t list(mm_history *history, mm_token **tokens)
{
    size_t count = 99;
    mm_problem problem = {0};

    *tokens = NULL;
    CU_ASSERT_EQUAL_FATAL(mm_history_tokens(history, tokens, &count, &problem), MM_STORE_OK);
    return count;
}

static void check_equal(const mm_token *a, const mm_token *b)
{
    CU_ASSERT_STRING_EQUAL(a->id, b->id);
    CU_ASSERT_EQUAL(memcmp(a->digest, b->digest, sizeof a->digest), 0);
    CU_ASSERT_EQUAL(a->scopes, b->scopes);
    CU_ASSERT_STRING_EQUAL(a->project, b->project);
    CU_ASSERT_STRING_EQUAL(a->label, b->label);
    CU_ASSERT_EQUAL(a->created, b->created);
    CU_ASSERT_EQUAL(a->expires, b->expires);
    CU_ASSERT_EQUAL(a->revoked, b->revoked);
    CU_ASSERT_EQUAL(a->used, b->used);
}

static void test_tokens_come_back(void)
{
    char path[64];
    mm_token first = example(2), second = example(1), *tokens;

    help_directory(path);
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL(list(history, &tokens), 0);
    second.created = 2000;
    memset(second.project, 'p', MM_TOKEN_NAME);
    CU_ASSERT_EQUAL(put(history, &first, ""), MM_STORE_OK);
    CU_ASSERT_EQUAL(put(history, &second, ""), MM_STORE_OK);
    mm_history_close(history);
    history = help_open(path);
    CU_ASSERT_EQUAL_FATAL(list(history, &tokens), 2);
    check_equal(&tokens[0], &first);
    check_equal(&tokens[1], &second);
    free(tokens);

    first.revoked = 3000;
    first.used = 2999;
    CU_ASSERT_EQUAL(put(history, &first, ""), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(list(history, &tokens), 2);
    check_equal(&tokens[0], &first);
    free(tokens);

    const mm_token third = example(3);

    CU_ASSERT_EQUAL(put(history, &third, first.id), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(list(history, &tokens), 2);
    check_equal(&tokens[0], &third);
    check_equal(&tokens[1], &second);
    free(tokens);
    mm_history_close(history);
    help_remove(path);
}

/* Somebody wrote to the file: the server must not start with half a table. */
static void test_damaged_rows_are_refused(void)
{
    static const char *const damage[] = {
        "UPDATE tokens SET digest = x'00'",
        "UPDATE tokens SET id = 'mm_1'",
        "UPDATE tokens SET project = printf('%.*c', 300, 'x')",
    };

    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        const mm_token token = example(1);
        mm_token *tokens = NULL;
        mm_problem problem = {0};
        size_t count;
        char path[64];

        help_directory(path);
        mm_history *history = help_open(path);

        CU_ASSERT_EQUAL(put(history, &token, ""), MM_STORE_OK);
        help_sql(path, damage[i]);
        CU_ASSERT_EQUAL(mm_history_tokens(history, &tokens, &count, &problem), MM_STORE_FATAL);
        CU_ASSERT_PTR_NULL(tokens);
        mm_history_close(history);
        help_remove(path);
    }
}

static CU_TestInfo tests[] = {
    {"tokens come back", test_tokens_come_back},
    {"damaged rows are refused", test_damaged_rows_are_refused},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_history_sqlite_tokens = {"history_sqlite_tokens", tests};
