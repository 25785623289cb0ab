/*
 * test_tokens.c - the form of tokens against texts made elsewhere, and the table's verdicts and bounds.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <string.h>

#include "server/tokens.h"
#include "tests/failing.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define NOW INT64_C(1800000000000)

/* ------------------------------------------------------------------- form */

/* Made with Python's base64, zlib.crc32 and hashlib. */
static const struct {
    const char *text, *id, *digest;
} vectors[] = {
    {"mm_00000000AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA3XYCut", "mm_00000000",
     "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"},
    {"mm_aZ09bY18AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh83tDi5v", "mm_aZ09bY18",
     "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd"},
    {"mm_zzzzzzzz__________________________________________84aUJql", "mm_zzzzzzzz",
     "af9613760f72635fbdb44a5a0a63c39f12af30f950a6ee5c971be188e89c4051"},
    {"mm_AAAAAAAACzBVep_E6Q4zWH2ix-wRNluApcrvFDleg6jN8hc8YYY4UkQQx", "mm_AAAAAAAA",
     "83b7a8ed859053c81d818870fab1f8b1ae44d06a98a9665d369a8fd7d2838ded"},
};

static void test_vectors(void)
{
    for (size_t i = 0; i < COUNT(vectors); i++) {
        mm_token token = {.scopes = 0};
        char hex[65];

        CU_ASSERT_EQUAL_FATAL(mm_token_read(&token, vectors[i].text, strlen(vectors[i].text)), MM_OK);
        CU_ASSERT_STRING_EQUAL(token.id, vectors[i].id);
        for (size_t b = 0; b < sizeof token.digest; b++)
            (void)snprintf(hex + 2 * b, 3, "%02x", token.digest[b]);
        CU_ASSERT_STRING_EQUAL(hex, vectors[i].digest);
    }
}

static void test_every_change_is_noticed(void)
{
    for (size_t i = 0; i < COUNT(vectors); i++)
        for (size_t at = 0; at < MM_TOKEN_SIZE; at++)
            for (int c = 0; c < 256; c++) {
                char text[MM_TOKEN_SIZE + 1];
                mm_token token;

                memcpy(text, vectors[i].text, sizeof text);
                text[at] = (char)c;
                if (text[at] != vectors[i].text[at])
                    CU_ASSERT_EQUAL(mm_token_read(&token, text, MM_TOKEN_SIZE), MM_BAD_PARAM);
            }
}

static void test_other_lengths(void)
{
    char text[2 * MM_TOKEN_SIZE];
    mm_token token;

    (void)snprintf(text, sizeof text, "%s%s", vectors[1].text, "AAAA");
    for (size_t size = 0; size < MM_TOKEN_SIZE + 4; size++)
        CU_ASSERT_EQUAL(mm_token_read(&token, text, size), size == MM_TOKEN_SIZE ? MM_OK : MM_BAD_PARAM);
}

/* The sum is right, but the last character of the secret says more than 256 bits, or the id holds a '-'. */
static void test_right_sum_wrong_form(void)
{
    static const char *const texts[] = {
        "mm_00000000AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB1cIoBB",
        "mm_0000-000AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA0CC8PA",
        "mm_00000000AAAAAAAAAA+AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA2DumXv",
    };
    mm_token token;

    for (size_t i = 0; i < COUNT(texts); i++)
        CU_ASSERT_EQUAL(mm_token_read(&token, texts[i], strlen(texts[i])), MM_BAD_PARAM);
}

static void test_made_tokens_read_back(void)
{
    char before[MM_TOKEN_SIZE + 1] = "";

    for (int i = 0; i < 1000; i++) {
        char text[MM_TOKEN_SIZE + 1];
        mm_token made = {.scopes = 0}, read = {.scopes = 0};

        CU_ASSERT_EQUAL_FATAL(mm_token_make(&made, text), MM_OK);
        CU_ASSERT_EQUAL(strlen(text), MM_TOKEN_SIZE);
        CU_ASSERT_EQUAL_FATAL(mm_token_read(&read, text, MM_TOKEN_SIZE), MM_OK);
        CU_ASSERT_STRING_EQUAL(made.id, read.id);
        CU_ASSERT_EQUAL(memcmp(made.digest, read.digest, sizeof made.digest), 0);
        CU_ASSERT_STRING_NOT_EQUAL(text, before);
        memcpy(before, text, sizeof before);
    }
}

static void test_hide(void)
{
    static const struct {
        const char *text, *hidden;
    } cases[] = {
        {"nothing", "nothing"},
        {"mm_", "mm_"},
        {"mm_short", "mm_short"},
        {"param mm_aZ09bY18AAEC is cut", "param mm_aZ09bY18**** is cut"},
        {"mm_aZ09bY18AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh83tDi5v",
         "mm_aZ09bY18*************************************************"},
        {"mm_aZ09bY18", "mm_aZ09bY18"},
        {"a=mm_aZ09bY18AAEC&b=mm_zzzzzzzz__-_,", "a=mm_aZ09bY18****&b=mm_zzzzzzzz****,"},
        {"mm_mm_aZ09bY18AAEC", "mm_mm_aZ09bY18****"},
        {"t=mm_abcdmm_aZ09bY18AAEC", "t=mm_abcdmm_aZ09bY18****"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[128];

        (void)snprintf(text, sizeof text, "%s", cases[i].text);
        mm_token_hide(text);
        CU_ASSERT_STRING_EQUAL(text, cases[i].hidden);
    }
}

static void test_scopes(void)
{
    static const struct {
        const char *text;
        unsigned scopes;
    } cases[] = {
        {"ingest", MM_SCOPE_INGEST},
        {"read", MM_SCOPE_READ},
        {"admin", MM_SCOPE_ADMIN},
        {"admin,ingest,read", MM_SCOPE_ANY},
        {"read,read", MM_SCOPE_READ},
        {"", 0},
        {"read,", 0},
        {",read", 0},
        {"reads", 0},
        {"rea", 0},
        {"READ", 0},
        {"read, ingest", 0},
        {"all", 0},
    };
    char text[32];

    for (size_t i = 0; i < COUNT(cases); i++)
        CU_ASSERT_EQUAL(mm_scopes_read(cases[i].text), cases[i].scopes);
    mm_scopes_text(MM_SCOPE_ANY, text);
    CU_ASSERT_STRING_EQUAL(text, "ingest,read,admin");
    mm_scopes_text(MM_SCOPE_ADMIN, text);
    CU_ASSERT_STRING_EQUAL(text, "admin");
    mm_scopes_text(0, text);
    CU_ASSERT_STRING_EQUAL(text, "");
}

/* ------------------------------------------------------------------ table */

static mm_tokens *new_table(void)
{
    mm_tokens *tokens = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_tokens_new(&tokens), MM_OK);
    return tokens;
}

/* Adds vector `i` and returns what the table makes of it later. */
static void add_vector(mm_tokens *tokens, size_t i, const mm_token *like)
{
    mm_token token = *like, read;
    char removed[MM_TOKEN_ID_SIZE + 1];

    CU_ASSERT_EQUAL_FATAL(mm_token_read(&read, vectors[i].text, MM_TOKEN_SIZE), MM_OK);
    memcpy(token.id, read.id, sizeof token.id);
    memcpy(token.digest, read.digest, sizeof token.digest);
    CU_ASSERT_EQUAL(mm_tokens_add(tokens, &token, NOW, removed), MM_OK);
    CU_ASSERT_STRING_EQUAL(removed, "");
}

static mm_verdict check(mm_tokens *tokens, const char *text, int64_t now, mm_token *token)
{
    mm_verdict verdict = MM_TOKEN_GOOD;

    *token = (mm_token){.scopes = 0};
    CU_ASSERT_EQUAL(mm_tokens_check(tokens, text, strlen(text), now, &verdict, token), MM_OK);
    return verdict;
}

static void test_verdicts(void)
{
    mm_tokens *tokens = new_table();
    mm_token token;
    char forged[MM_TOKEN_SIZE + 1];

    CU_ASSERT_EQUAL(mm_tokens_count(NULL), 0);
    CU_ASSERT_EQUAL(mm_tokens_count(tokens), 0);
    CU_ASSERT_EQUAL(check(tokens, vectors[0].text, NOW, &token), MM_TOKEN_UNKNOWN);
    add_vector(tokens, 0, &(mm_token){.scopes = MM_SCOPE_READ, .project = "p", .label = "l"});
    add_vector(tokens, 1, &(mm_token){.scopes = MM_SCOPE_READ, .project = "q", .expires = NOW + 1});
    add_vector(tokens, 2, &(mm_token){.scopes = MM_SCOPE_READ, .project = "q", .revoked = NOW});
    CU_ASSERT_EQUAL(mm_tokens_count(tokens), 3);

    CU_ASSERT_EQUAL(check(tokens, vectors[0].text, NOW, &token), MM_TOKEN_GOOD);
    CU_ASSERT_STRING_EQUAL(token.id, vectors[0].id);
    CU_ASSERT_STRING_EQUAL(token.project, "p");
    CU_ASSERT_EQUAL(token.scopes, MM_SCOPE_READ);
    for (size_t i = 0; i < sizeof token.digest; i++)
        CU_ASSERT_EQUAL(token.digest[i], 0);

    CU_ASSERT_EQUAL(check(tokens, vectors[1].text, NOW, &token), MM_TOKEN_GOOD);
    CU_ASSERT_EQUAL(check(tokens, vectors[1].text, NOW + 1, &token), MM_TOKEN_EXPIRED);
    CU_ASSERT_STRING_EQUAL(token.id, vectors[1].id);
    CU_ASSERT_EQUAL(check(tokens, vectors[2].text, NOW, &token), MM_TOKEN_REVOKED);
    CU_ASSERT_EQUAL(check(tokens, vectors[3].text, NOW, &token), MM_TOKEN_UNKNOWN);
    CU_ASSERT_STRING_EQUAL(token.id, "");
    CU_ASSERT_EQUAL(check(tokens, "", NOW, &token), MM_TOKEN_MALFORMED);

    /* The id of one with the secret of another. */
    CU_ASSERT_EQUAL_FATAL(mm_token_make(&token, forged), MM_OK);
    add_vector(tokens, 3, &(mm_token){.scopes = MM_SCOPE_READ, .project = "p"});
    mm_tokens_find(tokens, vectors[3].id)->digest[31] ^= 1;
    CU_ASSERT_EQUAL(check(tokens, vectors[3].text, NOW, &token), MM_TOKEN_UNKNOWN);
    mm_tokens_free(tokens);
}

/* What changes in the table holds for the next check. */
static void test_changes(void)
{
    mm_tokens *tokens = new_table();
    mm_token token;

    add_vector(tokens, 0, &(mm_token){.project = "p"});
    CU_ASSERT_PTR_NULL(mm_tokens_find(tokens, "mm_1234567"));
    CU_ASSERT_PTR_NULL(mm_tokens_find(tokens, "mm_12345678"));
    CU_ASSERT_PTR_NULL(mm_tokens_find(tokens, "xx_00000000"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(mm_tokens_find(tokens, vectors[0].id));
    mm_tokens_find(tokens, vectors[0].id)->revoked = NOW;
    CU_ASSERT_EQUAL(check(tokens, vectors[0].text, NOW, &token), MM_TOKEN_REVOKED);
    add_vector(tokens, 0, &(mm_token){.project = "p2"});
    CU_ASSERT_EQUAL(mm_tokens_count(tokens), 1);
    CU_ASSERT_EQUAL(check(tokens, vectors[0].text, NOW, &token), MM_TOKEN_GOOD);
    CU_ASSERT_STRING_EQUAL(token.project, "p2");
    mm_tokens_free(tokens);
}

/* The first use is stored, then one in five minutes; a clock that was set back does not end that. */
static void test_uses(void)
{
    mm_tokens *tokens = new_table();

    add_vector(tokens, 0, &(mm_token){.project = "p"});
    CU_ASSERT(mm_tokens_used(tokens, vectors[0].id, 5, NOW));
    CU_ASSERT(!mm_tokens_used(tokens, vectors[0].id, 5, NOW + 1));
    CU_ASSERT(!mm_tokens_used(tokens, vectors[0].id, 5, NOW + MM_TOKEN_USED_MS - 1));
    CU_ASSERT_EQUAL(mm_tokens_at(tokens, 0)->used, NOW + MM_TOKEN_USED_MS - 1);
    CU_ASSERT(mm_tokens_used(tokens, vectors[0].id, 5, NOW + MM_TOKEN_USED_MS));
    CU_ASSERT(mm_tokens_used(tokens, vectors[0].id, 5, NOW));
    CU_ASSERT(!mm_tokens_used(tokens, vectors[1].id, 5, NOW));
    mm_tokens_free(tokens);
}

/* What is removed is gone, and the others stay what they were, also in when their use was stored. */
static void test_removal(void)
{
    mm_tokens *tokens = new_table();
    mm_token token;

    for (size_t i = 0; i < 3; i++)
        add_vector(tokens, i, &(mm_token){.scopes = MM_SCOPE_READ, .project = "p", .created = (int64_t)i});
    CU_ASSERT(mm_tokens_used(tokens, vectors[2].id, 5, NOW));
    mm_tokens_remove(tokens, vectors[3].id);
    CU_ASSERT_EQUAL(mm_tokens_count(tokens), 3);
    mm_tokens_remove(tokens, vectors[0].id);
    CU_ASSERT_EQUAL(mm_tokens_count(tokens), 2);
    CU_ASSERT(!mm_tokens_used(tokens, vectors[2].id, 5, NOW + 1));
    CU_ASSERT(mm_tokens_used(tokens, vectors[1].id, 5, NOW + 1));
    CU_ASSERT_EQUAL(check(tokens, vectors[0].text, NOW, &token), MM_TOKEN_UNKNOWN);
    for (size_t i = 1; i < 3; i++) {
        CU_ASSERT_EQUAL(check(tokens, vectors[i].text, NOW, &token), MM_TOKEN_GOOD);
        CU_ASSERT_EQUAL(token.created, (int64_t)i);
    }
    mm_tokens_remove(tokens, vectors[1].id); /* the last one in the table, now */
    CU_ASSERT_EQUAL(check(tokens, vectors[2].text, NOW, &token), MM_TOKEN_GOOD);
    mm_tokens_remove(tokens, vectors[2].id);
    CU_ASSERT_EQUAL(mm_tokens_count(tokens), 0);
    CU_ASSERT_EQUAL(check(tokens, vectors[2].text, NOW, &token), MM_TOKEN_UNKNOWN);
    mm_tokens_free(tokens);
}

/* Whence a token came is known for as many addresses as there are places, and of tokens of the table only. */
static void test_addresses(void)
{
    mm_tokens *tokens = new_table();
    char text[MM_TOKEN_SIZE + 1];

    add_vector(tokens, 0, &(mm_token){.project = "p"});
    CU_ASSERT(!mm_tokens_came_from(tokens, vectors[0].text, MM_TOKEN_SIZE, 5));
    CU_ASSERT(mm_tokens_used(tokens, vectors[0].id, 5, NOW));
    CU_ASSERT(mm_tokens_came_from(tokens, vectors[0].text, MM_TOKEN_SIZE, 5));
    CU_ASSERT(!mm_tokens_came_from(tokens, vectors[0].text, MM_TOKEN_SIZE, 6));
    CU_ASSERT(!mm_tokens_came_from(tokens, vectors[1].text, MM_TOKEN_SIZE, 5));
    CU_ASSERT(!mm_tokens_came_from(tokens, vectors[0].text, MM_TOKEN_SIZE - 1, 5));
    memcpy(text, vectors[0].text, sizeof text);
    text[0] = 'M';
    CU_ASSERT(!mm_tokens_came_from(tokens, text, MM_TOKEN_SIZE, 5));
    CU_ASSERT(!mm_tokens_used(tokens, vectors[0].id, 5 + 64, NOW + 1)); /* the same place */
    CU_ASSERT(!mm_tokens_came_from(tokens, vectors[0].text, MM_TOKEN_SIZE, 5));
    CU_ASSERT(mm_tokens_came_from(tokens, vectors[0].text, MM_TOKEN_SIZE, 5 + 64));
    mm_tokens_free(tokens);
}

/* ------------------------------------------------------ nothing to be had */

/* One random number after the other is not to be had: there is no token then, and no table. */
static void test_no_random_bytes(void)
{
    mm_tokens *tokens = NULL;
    char text[MM_TOKEN_SIZE + 1];
    mm_token token;
    mm_status status;
    size_t skip = 0, failed, whole = 0;

    do {
        fail_begin(FAIL_RANDOM, skip, skip % 2 == 0);
        status = mm_token_make(&token, text);
        failed = fail_end();
        CU_ASSERT_EQUAL(status, failed > 0 ? MM_NO_MEMORY : MM_OK);
        skip++;
    } while (failed > 0);
    CU_ASSERT(skip > 9);            /* eight characters of the id, and the secret */
    for (int i = 0; i < 100; i++) { /* the ninth is for the secret, when no character was drawn again */
        memset(text, '\0', sizeof text);
        fail_begin(FAIL_RANDOM, 8, 0);
        CU_ASSERT_EQUAL(mm_token_make(&token, text), MM_NO_MEMORY);
        CU_ASSERT_EQUAL(fail_end(), 1);
        whole += text[MM_TOKEN_ID_SIZE - 1] != '\0';
    }
    CU_ASSERT(whole > 0);
    fail_begin(FAIL_RANDOM, 0, 0);
    CU_ASSERT_EQUAL(mm_tokens_new(&tokens), MM_NO_MEMORY);
    CU_ASSERT_EQUAL(fail_end(), 1);
    CU_ASSERT_PTR_NULL(tokens);
}

/* A token that cannot be looked at is not let in, and is not called a bad one. */
static void test_no_memory(void)
{
    const long blocks = fail_blocks();
    mm_tokens *tokens = NULL;
    mm_verdict verdict = MM_TOKEN_GOOD;
    mm_token token = {.scopes = 0};
    char text[MM_TOKEN_SIZE + 1];

    fail_begin(FAIL_MEMORY, 0, 0);
    CU_ASSERT_EQUAL(mm_tokens_new(&tokens), MM_NO_MEMORY);
    CU_ASSERT_EQUAL(fail_end(), 1);
    CU_ASSERT_PTR_NULL(tokens);
    tokens = new_table();
    add_vector(tokens, 0, &(mm_token){.scopes = MM_SCOPE_READ, .project = "p"});
    fail_begin(FAIL_DIGEST, 0, 1);
    CU_ASSERT_EQUAL(mm_token_make(&token, text), MM_NO_MEMORY);
    CU_ASSERT_EQUAL(mm_token_read(&token, vectors[0].text, MM_TOKEN_SIZE), MM_NO_MEMORY);
    token = (mm_token){.scopes = 0};
    CU_ASSERT_EQUAL(mm_tokens_check(tokens, vectors[0].text, MM_TOKEN_SIZE, NOW, &verdict, &token), MM_NO_MEMORY);
    CU_ASSERT_EQUAL(fail_end(), 3);
    CU_ASSERT_NOT_EQUAL(verdict, MM_TOKEN_GOOD);
    CU_ASSERT_EQUAL(token.scopes, 0);
    mm_tokens_free(tokens);
    CU_ASSERT_EQUAL(fail_blocks(), blocks);
}

static mm_token numbered(unsigned number)
{
    mm_token token = {.scopes = MM_SCOPE_READ, .project = "p"};

    (void)snprintf(token.id, sizeof token.id, "mm_%08u", number);
    return token;
}

/* Full of live ones it takes no more; what has ended makes room, the one that ended first before the others. */
static void test_bounds(void)
{
    mm_tokens *tokens = new_table();
    mm_token token;
    char removed[MM_TOKEN_ID_SIZE + 1];

    for (unsigned i = 0; i < MM_TOKENS_MAX; i++) {
        token = numbered(i);
        CU_ASSERT_EQUAL(mm_tokens_add(tokens, &token, NOW, removed), MM_OK);
    }
    token = numbered(MM_TOKENS_MAX);
    CU_ASSERT_EQUAL(mm_tokens_add(tokens, &token, NOW, removed), MM_TOO_LARGE);
    CU_ASSERT_EQUAL(mm_tokens_count(tokens), MM_TOKENS_MAX);
    CU_ASSERT_PTR_NULL(mm_tokens_find(tokens, token.id));
    token = numbered(MM_TOKENS_MAX - 1);
    CU_ASSERT_EQUAL(mm_tokens_add(tokens, &token, NOW, removed), MM_OK); /* it is there already */

    mm_tokens_find(tokens, "mm_00000007")->revoked = NOW - 5;
    mm_tokens_find(tokens, "mm_00000009")->expires = NOW - 6;
    mm_tokens_find(tokens, "mm_00000011")->revoked = NOW - 4;
    token = numbered(MM_TOKENS_MAX);
    CU_ASSERT_EQUAL(mm_tokens_add(tokens, &token, NOW, removed), MM_OK);
    CU_ASSERT_STRING_EQUAL(removed, "mm_00000009");
    CU_ASSERT_PTR_NULL(mm_tokens_find(tokens, "mm_00000009"));
    CU_ASSERT_PTR_NOT_NULL(mm_tokens_find(tokens, token.id));
    CU_ASSERT_EQUAL(mm_tokens_count(tokens), MM_TOKENS_MAX);
    mm_tokens_free(tokens);
}

static void test_live_and_projects(void)
{
    mm_tokens *tokens = new_table();
    mm_token token = numbered(1);

    CU_ASSERT(mm_token_is_live(&token, NOW));
    CU_ASSERT(!mm_tokens_any_live(tokens, NOW));
    add_vector(tokens, 0, &(mm_token){.expires = NOW});
    CU_ASSERT(!mm_tokens_any_live(tokens, NOW));
    add_vector(tokens, 1, &(mm_token){.expires = NOW + 1});
    CU_ASSERT(mm_tokens_any_live(tokens, NOW));
    CU_ASSERT(!mm_tokens_any_live(tokens, NOW + 1));
    mm_tokens_free(tokens);
    token.expires = NOW;
    CU_ASSERT(!mm_token_is_live(&token, NOW));
    CU_ASSERT(mm_token_is_live(&token, NOW - 1));
    token.revoked = NOW - 2;
    CU_ASSERT(!mm_token_is_live(&token, NOW - 1));
    CU_ASSERT_STRING_EQUAL(mm_token_project(&token), "p");
    (void)snprintf(token.project, sizeof token.project, "*");
    CU_ASSERT_STRING_EQUAL(mm_token_project(&token), "default");
}

static CU_TestInfo tests[] = {
    {"texts made elsewhere", test_vectors},
    {"every change of one character is noticed", test_every_change_is_noticed},
    {"other lengths", test_other_lengths},
    {"a right sum over a wrong form", test_right_sum_wrong_form},
    {"what is made reads back", test_made_tokens_read_back},
    {"secrets are hidden", test_hide},
    {"scopes", test_scopes},
    {"verdicts", test_verdicts},
    {"changes hold at once", test_changes},
    {"uses to be stored", test_uses},
    {"removal", test_removal},
    {"addresses that tokens came from", test_addresses},
    {"no random bytes", test_no_random_bytes},
    {"no memory", test_no_memory},
    {"bounds", test_bounds},
    {"live, projects", test_live_and_projects},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_tokens = {"tokens", tests};
