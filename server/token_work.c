/*
 * token_work.c - tokens are made, listed and revoked.
 */
#include "server/token_work.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/json.h"
#include "server/query.h"

#define BOOTSTRAP_LABEL "bootstrap"

/* ------------------------------------------------------------------ answers */

static void answer_error(mm_token_work *work, const char *param, const char *text)
{
    mm_json json;
    char sentence[512];

    (void)snprintf(sentence, sizeof sentence, "%s%s%s", param, param[0] != '\0' ? ": " : "", text);
    mm_token_hide(sentence);
    mm_json_begin(&json, 256);
    mm_json_open(&json, '{');
    MM_JSON_NAME(&json, "error");
    mm_json_string(&json, sentence);
    mm_json_close(&json, '}');
    free(work->answer);
    work->answer = mm_json_end(&json, &work->answer_size);
}

static void put_moment(mm_json *json, int64_t time)
{
    if (time != 0)
        mm_json_time(json, time);
    else
        mm_json_string(json, NULL);
}

/* The members of a token, but for its secret. */
static void put_token(mm_json *json, const mm_token *token, int64_t now)
{
    char scopes[32];

    mm_scopes_text(token->scopes, scopes);
    MM_JSON_NAME(json, "id");
    mm_json_string(json, token->id);
    MM_JSON_NAME(json, "scopes");
    mm_json_string(json, scopes);
    MM_JSON_NAME(json, "project");
    mm_json_string(json, token->project);
    MM_JSON_NAME(json, "label");
    mm_json_string(json, token->label);
    MM_JSON_NAME(json, "state");
    mm_json_string(json, token->revoked != 0 ? "revoked" : mm_token_is_live(token, now) ? "live" : "expired");
    MM_JSON_NAME(json, "created");
    put_moment(json, token->created);
    MM_JSON_NAME(json, "expires");
    put_moment(json, token->expires);
    MM_JSON_NAME(json, "revoked");
    put_moment(json, token->revoked);
    MM_JSON_NAME(json, "used");
    put_moment(json, token->used);
}

/* One token; `text` is its secret form, or NULL. */
static void answer_token(mm_token_work *work, const mm_token *token, const char *text, int64_t now)
{
    mm_json json;

    mm_json_begin(&json, 512);
    mm_json_open(&json, '{');
    if (text != NULL) {
        MM_JSON_NAME(&json, "token");
        mm_json_string(&json, text);
    }
    put_token(&json, token, now);
    mm_json_close(&json, '}');
    work->answer = mm_json_end(&json, &work->answer_size);
}

static void list(mm_token_work *work, const mm_tokens *tokens, int64_t now)
{
    mm_json json;

    mm_json_begin(&json, 1024);
    mm_json_open(&json, '{');
    MM_JSON_NAME(&json, "tokens");
    mm_json_open(&json, '[');
    for (size_t i = 0; i < mm_tokens_count(tokens); i++) {
        mm_json_open(&json, '{');
        put_token(&json, mm_tokens_at(tokens, i), now);
        mm_json_close(&json, '}');
    }
    mm_json_close(&json, ']');
    mm_json_close(&json, '}');
    work->answer = mm_json_end(&json, &work->answer_size);
}

/* ------------------------------------------------------------------- create */

static mm_status bad(mm_problem *problem, const char *param, const char *text)
{
    *problem = (mm_problem){.has_index = 0};
    (void)snprintf(problem->param, sizeof problem->param, "%s", param);
    (void)snprintf(problem->text, sizeof problem->text, "%s", text);
    return MM_BAD_PARAM;
}

/* 30m, 12h, 90d, 8w from now on; or a moment. */
static mm_status read_expiry(const mm_query *query, int64_t now, int64_t *expires, mm_problem *problem)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"w", 604800000}};
    const char *text = mm_query_get(query, "expires");
    const size_t digits = text != NULL ? strspn(text, "0123456789") : 0;
    mm_status status;

    for (size_t i = 0; text != NULL && i < sizeof units / sizeof units[0]; i++)
        if (digits > 0 && digits <= 6 && strcmp(text + digits, units[i].unit) == 0) {
            *expires = now + strtoll(text, NULL, 10) * units[i].ms;
            return *expires > now ? MM_OK : bad(problem, "expires", "must lie in the future");
        }
    status = mm_query_time(query, "expires", expires, problem);
    if (status != MM_OK)
        return bad(problem, "expires", "must be like 90d, 12h, 30m, 8w, or a time like 2030-01-31T12:00:00Z");
    return text == NULL || *expires > now ? MM_OK : bad(problem, "expires", "must lie in the future");
}

static mm_status read_name(const mm_query *query, const char *name, char out[MM_TOKEN_NAME + 1], mm_problem *problem)
{
    const char *text = out;
    const mm_status status = mm_query_name(query, name, &text, problem);

    if (status == MM_OK && text != out)
        (void)snprintf(out, MM_TOKEN_NAME + 1, "%s", text);
    return status;
}

static mm_status read_token(mm_token *token, const mm_query *query, int64_t now, mm_problem *problem)
{
    const char *scope = mm_query_get(query, "scope");
    mm_status status = mm_query_only(query, "scope|project|label|expires", problem);

    if (status != MM_OK)
        return status;
    token->scopes = scope != NULL ? mm_scopes_read(scope) : 0;
    if (token->scopes == 0)
        return bad(problem, "scope", "must be one or more of ingest,read,admin");
    (void)snprintf(token->project, sizeof token->project, "%s", MM_DEFAULT_PROJECT);
    token->created = now;
    status = read_name(query, "project", token->project, problem);
    if (status == MM_OK && mm_query_get(query, "label") != NULL && mm_query_get(query, "label")[0] != '\0')
        status = read_name(query, "label", token->label, problem);
    return status == MM_OK ? read_expiry(query, now, &token->expires, problem) : status;
}

static mm_status add_new(mm_token_work *work, mm_tokens *tokens, int64_t now, mm_problem *problem)
{
    mm_token *token = &work->store.token;
    mm_status status = mm_token_make(token, work->text);

    if (status == MM_OK)
        status = mm_tokens_add(tokens, token, now, work->store.removed);
    if (status == MM_TOO_LARGE)
        return bad(problem, "", "there are as many live tokens as can be; revoke some first");
    return status == MM_OK ? status : bad(problem, "", "no random bytes can be had; try again");
}

static mm_status make_one(mm_token_work *work, mm_tokens *tokens, const mm_query *query, int64_t now,
                          mm_problem *problem)
{
    mm_status status = read_token(&work->store.token, query, now, problem);

    if (status == MM_OK)
        status = add_new(work, tokens, now, problem);
    if (status != MM_OK)
        return status;
    work->stores = work->creates = 1;
    answer_token(work, &work->store.token, work->text, now);
    return MM_OK;
}

/* ------------------------------------------------------------------- revoke */

/* In the table it holds at once, whatever the store says. */
static mm_status end_one(mm_token_work *work, mm_tokens *tokens, const mm_query *query, int64_t now,
                         mm_problem *problem)
{
    const char *id = mm_query_get(query, "id");
    const mm_status status = mm_query_only(query, "id", problem);
    mm_token *token;

    if (status != MM_OK)
        return status;
    token = id != NULL ? mm_tokens_find(tokens, id) : NULL;
    if (token == NULL)
        return bad(problem, "id", "there is no such token; `maskmeter token list` shows them");
    if (token->revoked == 0)
        token->revoked = now;
    work->store.token = *token;
    work->stores = 1;
    answer_token(work, token, NULL, now);
    return MM_OK;
}

/* --------------------------------------------------------------------- verbs */

static int is_verb(const char *line, size_t size, const char *verb)
{
    return strlen(verb) == size && strncmp(line, verb, size) == 0;
}

static mm_status act(mm_token_work *work, mm_tokens *tokens, const char *line, const mm_query *query, int64_t now,
                     mm_problem *problem)
{
    const size_t size = strcspn(line, "?");

    if (is_verb(line, size, "/create"))
        return make_one(work, tokens, query, now, problem);
    if (is_verb(line, size, "/revoke"))
        return end_one(work, tokens, query, now, problem);
    if (!is_verb(line, size, "/list"))
        return bad(problem, "", "the request must be /create, /list or /revoke");
    list(work, tokens, now);
    return MM_OK;
}

void mm_token_work_begin(mm_token_work *work, mm_tokens *tokens, const char *line, int64_t now)
{
    const char *parameters = strchr(line, '?');
    mm_query query = {.count = 0};
    mm_problem problem = {.has_index = 0};
    mm_status status = MM_OK;

    *work = (mm_token_work){.stores = 0};
    if (parameters != NULL)
        status = mm_query_parse(&query, parameters + 1, strlen(parameters + 1), &problem);
    if (status == MM_OK)
        status = act(work, tokens, line, &query, now, &problem);
    if (status != MM_OK)
        answer_error(work, problem.param, problem.text[0] != '\0' ? problem.text : mm_status_text(status));
    mm_query_free(&query);
}

void mm_token_work_end(mm_token_work *work, mm_tokens *tokens)
{
    if (work->store.status == MM_STORE_OK)
        return;
    if (work->creates)
        mm_tokens_remove(tokens, work->store.token.id);
    answer_error(work, "",
                 work->creates ? "the token could not be stored, so there is none"
                               : "the token is refused from now on, but that could not be stored: revoke it again");
}

void mm_token_work_free(mm_token_work *work)
{
    explicit_bzero(work->text, sizeof work->text);
    if (work->answer != NULL)
        explicit_bzero(work->answer, work->answer_size);
    free(work->answer);
    work->answer = NULL;
}

/* -------------------------------------------------------------- before a loop */

static void stored(mm_store_token *item)
{
    (void)sem_post(item->context);
}

void mm_token_store_now(mm_history *history, mm_store_token *item)
{
    sem_t done;

    (void)sem_init(&done, 0, 0);
    item->done = stored;
    item->context = &done;
    mm_history_put_token(history, item);
    while (sem_wait(&done) != 0)
        continue;
    (void)sem_destroy(&done);
}

__attribute__((format(printf, 2, 3))) static int fail(mm_problem *problem, const char *format, ...)
{
    va_list arguments;

    *problem = (mm_problem){.has_index = 0};
    va_start(arguments, format);
    (void)vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
    return 0;
}

int mm_tokens_load(mm_tokens **out, mm_history *history, mm_problem *problem)
{
    mm_tokens *tokens = NULL;
    mm_token *rows = NULL;
    char removed[MM_TOKEN_ID_SIZE + 1];
    size_t count = 0;
    int fine = 0;

    if (mm_tokens_new(&tokens) != MM_OK)
        return fail(problem, "out of memory");
    if (mm_history_tokens(history, &rows, &count, problem) != MM_STORE_OK)
        goto done;
    for (size_t i = 0; i < count; i++)
        if (mm_tokens_add(tokens, &rows[i], 0, removed) != MM_OK) {
            fail(problem, "the history holds more tokens than %d", MM_TOKENS_MAX);
            goto done;
        }
    *out = tokens;
    tokens = NULL;
    fine = 1;
done:
    free(rows);
    mm_tokens_free(tokens);
    return fine;
}

/* ------------------------------------------------------------------ bootstrap */

/* What the file holds, without blanks at its ends; "" for none.  0: it must not be used. */
static int read_file(const char *path, char text[128], mm_problem *problem)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat about;
    ssize_t size = -1;

    text[0] = '\0';
    if (file < 0)
        return errno == ENOENT || fail(problem, "bootstrap-token-file: cannot read it: %s", strerror(errno));
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode))
        fail(problem, "bootstrap-token-file: it is not a file");
    else if ((about.st_mode & 077) != 0)
        fail(problem, "bootstrap-token-file: its mode is %04o, so that others may use it; make that 0600",
             (unsigned)about.st_mode & 07777);
    else if ((size = read(file, text, 127)) < 0)
        fail(problem, "bootstrap-token-file: cannot read it: %s", strerror(errno));
    (void)close(file);
    if (size < 0)
        return 0;
    text[size] = '\0';
    memmove(text, text + strspn(text, " \t\r\n"), (size_t)size - strspn(text, " \t\r\n") + 1);
    text[strcspn(text, " \t\r\n")] = '\0';
    return 1;
}

/* Durable before the token is: whatever is in the file will be taken by the next start. */
static int write_file(const char *path, const char *text, mm_problem *problem)
{
    const int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int fine = file >= 0 && dprintf(file, "%s\n", text) == MM_TOKEN_SIZE + 1 && fsync(file) == 0;

    if (!fine)
        fail(problem, "bootstrap-token-file: cannot write it: %s", strerror(errno));
    if (file >= 0 && close(file) != 0)
        fine = fail(problem, "bootstrap-token-file: cannot write it: %s", strerror(errno));
    return fine;
}

/* 1: it is in the table already. */
static int is_known(mm_tokens *tokens, const mm_token *token, mm_problem *problem, int *fine)
{
    const mm_token *known = mm_tokens_find(tokens, token->id);

    *fine = known == NULL || memcmp(known->digest, token->digest, sizeof token->digest) == 0 ||
            fail(problem, "bootstrap-token-file: there is another token %s", token->id);
    return known != NULL;
}

int mm_token_bootstrap(const char *path, mm_tokens *tokens, mm_history *history, int64_t now, mm_problem *problem)
{
    mm_store_token item = {
        .token = {.scopes = MM_SCOPE_ANY, .project = MM_DEFAULT_PROJECT, .label = BOOTSTRAP_LABEL, .created = now}};
    char text[128];
    int fine = read_file(path, text, problem);

    if (!fine)
        return 0;
    if (text[0] == '\0') {
        fine = mm_token_make(&item.token, text) == MM_OK || fail(problem, "no random bytes can be had");
        fine = fine && write_file(path, text, problem);
    } else if (mm_token_read(&item.token, text, strlen(text)) != MM_OK) {
        fine = fail(problem, "bootstrap-token-file: it does not hold one token, or a mistyped one");
    }
    explicit_bzero(text, sizeof text);
    if (!fine || is_known(tokens, &item.token, problem, &fine))
        return fine;
    if (mm_tokens_add(tokens, &item.token, now, item.removed) != MM_OK)
        return fail(problem, "bootstrap-token-file: there are as many live tokens as can be");
    mm_token_store_now(history, &item);
    if (item.status != MM_STORE_OK)
        *problem = item.problem;
    return item.status == MM_STORE_OK;
}
