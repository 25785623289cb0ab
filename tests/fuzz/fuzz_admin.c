/*
 * fuzz_admin.c - libFuzzer: any line as a request of admin.sock: tokens to be made, listed, revoked.
 *
 * The first byte says whether what is made can be stored.  Every answer is one JSON document, which shows no secret but
 * that of a token it has just made; and the table changes by what the line asks for, or not at all.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "server/token_work.h"
#include "tests/fuzz/target.h"

#define NOW INT64_C(1800000000000)

/* A token that is always there, by an id that inputs can name. */
static const char *const known_text = "mm_aZ09bY18AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh83tDi5v";

static mm_tokens *new_table(void)
{
    mm_tokens *tokens = NULL;
    mm_token token = {.scopes = MM_SCOPE_READ, .project = "p", .label = "l", .created = 1};
    char removed[MM_TOKEN_ID_SIZE + 1];

    demand(mm_tokens_new(&tokens) == MM_OK && mm_token_read(&token, known_text, MM_TOKEN_SIZE) == MM_OK);
    demand(mm_tokens_add(tokens, &token, NOW, removed) == MM_OK);
    return tokens;
}

static int has(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name) != NULL;
}

/* What was made is what the table holds, and is well formed. */
static void check_made(const mm_token_work *work, mm_tokens *tokens, const cJSON *answer)
{
    const mm_token *token = mm_tokens_find(tokens, work->store.token.id);
    mm_verdict verdict;
    mm_token found = {.scopes = 0};

    demand(work->stores && token != NULL && mm_tokens_count(tokens) == 2 && has(answer, "token"));
    demand(mm_tokens_check(tokens, work->text, MM_TOKEN_SIZE, NOW, &verdict, &found) == MM_OK);
    demand(verdict == MM_TOKEN_GOOD && token->scopes != 0 && (token->scopes & ~(unsigned)MM_SCOPE_ANY) == 0);
    demand(token->expires == 0 || token->expires > NOW);
    demand(token->project[0] != '\0' && fuzz_is_clean(token->project) && fuzz_is_clean(token->label));
    demand(strchr(token->project, ',') == NULL && strchr(token->label, ',') == NULL);
}

/* There is nothing left in it to be hidden. */
static void check_hidden(const char *answer)
{
    char *copy = fuzz_text((const uint8_t *)answer, strlen(answer));

    mm_token_hide(copy);
    demand(strcmp(copy, answer) == 0);
    free(copy);
}

static void check_answer(const mm_token_work *work, mm_tokens *tokens, const char *line)
{
    const mm_token *known = mm_tokens_find(tokens, "mm_aZ09bY18");
    cJSON *answer = work->answer != NULL ? cJSON_ParseWithLength(work->answer, work->answer_size) : NULL;

    demand(answer != NULL && cJSON_IsObject(answer) && fuzz_is_clean(work->answer) && known != NULL);
    if (!work->creates)
        check_hidden(work->answer);
    demand(work->creates == (strncmp(line, "/create?", 8) == 0 && !has(answer, "error")));
    demand(known->revoked == 0 || (known->revoked == NOW && strncmp(line, "/revoke?", 8) == 0));
    if (work->creates)
        check_made(work, tokens, answer);
    else
        demand(mm_tokens_count(tokens) == 1 && !has(answer, "token") && work->text[0] == '\0');
    demand(has(answer, "error") ? !work->stores && cJSON_GetArraySize(answer) == 1
                                : has(answer, "id") || has(answer, "tokens"));
    cJSON_Delete(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static mm_tokens *tokens;
    const size_t most = size > MM_TOKEN_REQUEST_MAX ? MM_TOKEN_REQUEST_MAX : size;
    char *line = fuzz_text(data + (size > 0), most > 0 ? most - 1 : 0);
    mm_token_work work;

    if (tokens == NULL)
        tokens = new_table();
    mm_token_work_begin(&work, tokens, line, NOW);
    check_answer(&work, tokens, line);
    if (work.stores) {
        work.store.status = size > 0 && (data[0] & 1) ? MM_STORE_FULL : MM_STORE_OK;
        mm_token_work_end(&work, tokens);
        demand((strstr(work.answer, "{\"error\":") == work.answer) == (work.store.status != MM_STORE_OK));
        demand(mm_tokens_count(tokens) == (work.creates && work.store.status == MM_STORE_OK ? 2 : 1));
        if (work.creates && work.store.status == MM_STORE_OK)
            mm_tokens_remove(tokens, work.store.token.id);
    }
    mm_tokens_find(tokens, "mm_aZ09bY18")->revoked = 0;
    mm_token_work_free(&work);
    free(line);
    return 0;
}
