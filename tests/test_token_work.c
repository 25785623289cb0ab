/*
 * test_token_work.c - the operator's requests about tokens: what each line answers and changes, and the bootstrap file.
 */
#include "tests/suites.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/token_work.h"
#include "tests/failing.h"
#include "tests/history_help.h"
#include "tests/sqlite_shim.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define NOW          INT64_C(1800000000000) /* 2027-01-15T08:00:00Z */

static mm_tokens *new_table(void)
{
    mm_tokens *tokens = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_tokens_new(&tokens), MM_OK);
    return tokens;
}

/* The answer to a line; release with cJSON_Delete(). */
static cJSON *answer_to(mm_token_work *work, mm_tokens *tokens, const char *line)
{
    cJSON *answer;

    mm_token_work_begin(work, tokens, line, NOW);
    CU_ASSERT_PTR_NOT_NULL_FATAL(work->answer);
    CU_ASSERT_EQUAL(strlen(work->answer), work->answer_size);
    answer = cJSON_Parse(work->answer);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    return answer;
}

/* A member's text; "" when it is none. */
static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

    return text != NULL ? text : "";
}

static int is_null(const cJSON *object, const char *name)
{
    return cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* Makes one; its text is in text[], its id is returned, in a static buffer. */
static const char *create(mm_tokens *tokens, const char *line, char text[MM_TOKEN_SIZE + 1])
{
    static char id[MM_TOKEN_ID_SIZE + 1];
    mm_token_work work;
    cJSON *answer = answer_to(&work, tokens, line);

    (void)snprintf(text, MM_TOKEN_SIZE + 1, "%s", text_of(answer, "token"));
    (void)snprintf(id, sizeof id, "%s", text_of(answer, "id"));
    CU_ASSERT_EQUAL(strlen(text), MM_TOKEN_SIZE);
    cJSON_Delete(answer);
    mm_token_work_free(&work);
    return id;
}

/* ------------------------------------------------------------------ creation */

static void test_create(void)
{
    mm_tokens *tokens = new_table();
    mm_token_work work;
    mm_verdict verdict;
    mm_token token = {.scopes = 0};
    cJSON *answer =
        answer_to(&work, tokens, "/create?scope=read,ingest&project=liver%20CT&label=night+run&expires=90d");

    CU_ASSERT(work.stores && work.creates);
    CU_ASSERT_STRING_EQUAL(work.text, text_of(answer, "token"));
    CU_ASSERT_STRING_EQUAL(text_of(answer, "scopes"), "ingest,read");
    CU_ASSERT_STRING_EQUAL(text_of(answer, "project"), "liver CT");
    CU_ASSERT_STRING_EQUAL(text_of(answer, "label"), "night run");
    CU_ASSERT_STRING_EQUAL(text_of(answer, "state"), "live");
    CU_ASSERT_STRING_EQUAL(text_of(answer, "created"), "2027-01-15T08:00:00.000Z");
    CU_ASSERT_STRING_EQUAL(text_of(answer, "expires"), "2027-04-15T08:00:00.000Z");
    CU_ASSERT(is_null(answer, "revoked") && is_null(answer, "used"));
    CU_ASSERT_EQUAL(mm_tokens_check(tokens, work.text, MM_TOKEN_SIZE, NOW, &verdict, &token), MM_OK);
    CU_ASSERT_EQUAL(verdict, MM_TOKEN_GOOD);
    CU_ASSERT_STRING_EQUAL(token.id, text_of(answer, "id"));
    CU_ASSERT_STRING_EQUAL(work.store.token.id, token.id);
    CU_ASSERT_STRING_EQUAL(work.store.removed, "");
    cJSON_Delete(answer);
    mm_token_work_free(&work);
    CU_ASSERT_PTR_NULL(work.answer);
    CU_ASSERT_STRING_EQUAL(work.text, "");

    answer = answer_to(&work, tokens, "/create?scope=admin&label=");
    CU_ASSERT_STRING_EQUAL(text_of(answer, "project"), "default");
    CU_ASSERT_STRING_EQUAL(text_of(answer, "label"), "");
    CU_ASSERT(is_null(answer, "expires"));
    cJSON_Delete(answer);
    mm_token_work_free(&work);
    CU_ASSERT_EQUAL(mm_tokens_count(tokens), 2);
    mm_tokens_free(tokens);
}

static void test_expiry(void)
{
    static const struct {
        const char *text, *expires; /* NULL: refused */
    } cases[] = {
        {"30m", "2027-01-15T08:30:00.000Z"},
        {"12h", "2027-01-15T20:00:00.000Z"},
        {"1d", "2027-01-16T08:00:00.000Z"},
        {"8w", "2027-03-12T08:00:00.000Z"},
        {"999999w", "21192-05-15T08:00:00.000Z"},
        {"2030-01-31T12:00:00Z", "2030-01-31T12:00:00.000Z"},
        {"2027-01-15T09:00:00.001%2B01:00", "2027-01-15T08:00:00.001Z"},
        {"2027-01-15T08:00:00Z", NULL},
        {"2020-01-01T00:00:00Z", NULL},
        {"0d", NULL},
        {"d", NULL},
        {"1", NULL},
        {"", NULL},
        {"-1d", NULL},
        {"1000000d", NULL},
        {"1y", NULL},
        {"1dd", NULL},
        {"tomorrow", NULL},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        mm_tokens *tokens = new_table();
        mm_token_work work;
        char line[128];
        cJSON *answer;

        (void)snprintf(line, sizeof line, "/create?scope=read&expires=%s", cases[i].text);
        answer = answer_to(&work, tokens, line);
        if (cases[i].expires != NULL)
            CU_ASSERT_STRING_EQUAL(text_of(answer, "expires"), cases[i].expires);
        CU_ASSERT_EQUAL(strncmp(text_of(answer, "error"), "expires: must ", 14) == 0, cases[i].expires == NULL);
        CU_ASSERT_EQUAL(mm_tokens_count(tokens), cases[i].expires != NULL);
        CU_ASSERT_EQUAL(work.stores, cases[i].expires != NULL);
        cJSON_Delete(answer);
        mm_token_work_free(&work);
        mm_tokens_free(tokens);
    }
}

/* What is refused changes nothing, and the answer repeats no secret. */
static void test_refused(void)
{
    static const char *const cases[][2] = {
        {"", "the request must be /create, /list or /revoke"},
        {"?", "the request must be /create, /list or /revoke"},
        {"create?scope=read", "the request must be"},
        {"/creat?scope=read", "the request must be"},
        {"/create/?scope=read", "the request must be"},
        {"/LIST", "the request must be"},
        {"/list?a=1&a=1", "a: the parameter is given more than once"},
        {"/create", "scope: must be one or more of ingest,read,admin"},
        {"/create?scope=", "scope: must be one or more"},
        {"/create?scope=write", "scope: must be one or more"},
        {"/create?scope=read&scope=read", "scope: the parameter is given more than once"},
        {"/create?scope=%zz", "scope: the value holds a broken percent-escape"},
        {"/create?scope=read&project=a%2Cb", "project: must be 1 to 256 bytes without comma"},
        {"/create?scope=read&project=", "project: must be 1 to 256 bytes"},
        {"/create?scope=read&label=%01", "label: the value holds a control character"},
        {"/create?scope=read&label=%2C", "label: must be 1 to 256 bytes"},
        {"/create?scope=read&scopes=read", "scopes: no such parameter here; did you mean scope?"},
        {"/create?scope=read&mm_aZ09bY18AAEC=1", "mm_aZ09bY18****: no such parameter here"},
        {"/revoke", "id: there is no such token"},
        {"/revoke?id=mm_12345678", "id: there is no such token"},
        {"/revoke?id=", "id: there is no such token"},
        {"/revoke?id=mm_12345678&force=1", "force: no such parameter here"},
    };
    mm_tokens *tokens = new_table();

    for (size_t i = 0; i < COUNT(cases); i++) {
        mm_token_work work;
        cJSON *answer = answer_to(&work, tokens, cases[i][0]);

        if (strstr(text_of(answer, "error"), cases[i][1]) != text_of(answer, "error"))
            CU_FAIL(cases[i][0]);
        CU_ASSERT_EQUAL(cJSON_GetArraySize(answer), 1);
        CU_ASSERT(!work.stores && !work.creates);
        CU_ASSERT_EQUAL(mm_tokens_count(tokens), 0);
        cJSON_Delete(answer);
        mm_token_work_free(&work);
    }
    mm_tokens_free(tokens);
}

/* --------------------------------------------------------- listing, revoking */

static void test_list_and_revoke(void)
{
    static const char *const states[] = {"live", "revoked", "expired"};
    mm_tokens *tokens = new_table();
    mm_token_work work;
    char text[3][MM_TOKEN_SIZE + 1], line[64], id[MM_TOKEN_ID_SIZE + 1];
    cJSON *answer;

    (void)create(tokens, "/create?scope=read", text[0]);
    (void)snprintf(id, sizeof id, "%s", create(tokens, "/create?scope=ingest", text[1]));
    mm_tokens_find(tokens, create(tokens, "/create?scope=admin", text[2]))->expires = NOW - 1;
    (void)snprintf(line, sizeof line, "/revoke?id=%s", id);
    answer = answer_to(&work, tokens, line);
    CU_ASSERT(work.stores && !work.creates);
    CU_ASSERT_STRING_EQUAL(text_of(answer, "id"), id);
    CU_ASSERT_STRING_EQUAL(text_of(answer, "revoked"), "2027-01-15T08:00:00.000Z");
    CU_ASSERT_PTR_NULL(cJSON_GetObjectItemCaseSensitive(answer, "token"));
    CU_ASSERT_EQUAL(work.store.token.revoked, NOW);
    cJSON_Delete(answer);
    mm_token_work_free(&work);
    mm_tokens_find(tokens, id)->revoked = NOW - 5; /* once more: the first time stays */
    answer = answer_to(&work, tokens, line);
    CU_ASSERT_EQUAL(work.store.token.revoked, NOW - 5);
    cJSON_Delete(answer);
    mm_token_work_free(&work);

    answer = answer_to(&work, tokens, "/list");
    CU_ASSERT(!work.stores);
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(answer, "tokens");

    CU_ASSERT_EQUAL_FATAL(cJSON_GetArraySize(rows), 3);
    for (int i = 0; i < 3; i++) {
        const cJSON *row = cJSON_GetArrayItem(rows, i);

        CU_ASSERT_EQUAL(strncmp(text_of(row, "id"), text[i], MM_TOKEN_ID_SIZE), 0);
        CU_ASSERT_STRING_EQUAL(text_of(row, "state"), states[i]);
        CU_ASSERT_PTR_NULL(strstr(work.answer, text[i] + MM_TOKEN_ID_SIZE));
    }
    cJSON_Delete(answer);
    mm_token_work_free(&work);
    mm_tokens_free(tokens);
}

/* ------------------------------------------------------------------- storing */

static const char *error_after(mm_token_work *work, mm_tokens *tokens, mm_store_status status)
{
    static char error[256];
    cJSON *answer;

    work->store.status = status;
    mm_token_work_end(work, tokens);
    answer = cJSON_Parse(work->answer);
    (void)snprintf(error, sizeof error, "%s", text_of(answer, "error"));
    cJSON_Delete(answer);
    return error;
}

/* What could not be stored: a new token is none then, a revoked one stays so. */
static void test_not_stored(void)
{
    mm_tokens *tokens = new_table();
    mm_token_work work;
    char text[MM_TOKEN_SIZE + 1], line[64];
    const char *id = create(tokens, "/create?scope=read", text);

    mm_token_work_begin(&work, tokens, "/create?scope=read", NOW);
    CU_ASSERT_STRING_EQUAL(error_after(&work, tokens, MM_STORE_OK), "");
    CU_ASSERT_EQUAL(mm_tokens_count(tokens), 2);
    mm_token_work_free(&work);
    mm_token_work_begin(&work, tokens, "/create?scope=read", NOW);
    CU_ASSERT_EQUAL(mm_tokens_count(tokens), 3);
    CU_ASSERT_STRING_EQUAL(error_after(&work, tokens, MM_STORE_FULL),
                           "the token could not be stored, so there is none");
    CU_ASSERT_EQUAL(mm_tokens_count(tokens), 2);
    CU_ASSERT_PTR_NULL(mm_tokens_find(tokens, work.store.token.id));
    CU_ASSERT_PTR_NULL(strstr(work.answer, work.text));
    mm_token_work_free(&work);
    (void)snprintf(line, sizeof line, "/revoke?id=%s", id);
    mm_token_work_begin(&work, tokens, line, NOW);
    CU_ASSERT_PTR_NOT_NULL(strstr(error_after(&work, tokens, MM_STORE_FULL), "revoke it again"));
    CU_ASSERT_EQUAL(mm_tokens_find(tokens, id)->revoked, NOW);
    mm_token_work_free(&work);
    mm_tokens_free(tokens);
}

/* With live ones: mm_00000000 and so on. */
static void fill_table(mm_tokens *tokens)
{
    char removed[MM_TOKEN_ID_SIZE + 1];

    for (unsigned i = 0; i < MM_TOKENS_MAX; i++) {
        mm_token token = {.scopes = MM_SCOPE_READ};

        (void)snprintf(token.id, sizeof token.id, "mm_%08u", i);
        CU_ASSERT_EQUAL(mm_tokens_add(tokens, &token, NOW, removed), MM_OK);
    }
}

/* A table full of live tokens, and no random bytes. */
static void test_no_room(void)
{
    mm_tokens *tokens = new_table();
    mm_token_work work;
    cJSON *answer;

    fail_begin(FAIL_RANDOM, 0, 1);
    mm_token_work_begin(&work, tokens, "/create?scope=read", NOW);
    CU_ASSERT_EQUAL(fail_end(), 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(work.answer);
    CU_ASSERT_PTR_NOT_NULL(strstr(work.answer, "no random bytes can be had"));
    CU_ASSERT_EQUAL(mm_tokens_count(tokens), 0);
    mm_token_work_free(&work);
    fill_table(tokens);
    answer = answer_to(&work, tokens, "/create?scope=read");
    CU_ASSERT_PTR_NOT_NULL(strstr(text_of(answer, "error"), "revoke some first"));
    CU_ASSERT(!work.stores);
    cJSON_Delete(answer);
    mm_token_work_free(&work);
    mm_tokens_find(tokens, "mm_00000007")->revoked = NOW - 5;
    answer = answer_to(&work, tokens, "/create?scope=read");
    CU_ASSERT_STRING_EQUAL(work.store.removed, "mm_00000007");
    cJSON_Delete(answer);
    mm_token_work_free(&work);
    mm_tokens_free(tokens);
}

/* Whichever allocation fails: no answer or one that says so, and all is given back. */
static void test_out_of_memory(void)
{
    static const char *const lines[] = {"/create?scope=read&label=x", "/list", "/list?a=1&b", "/nothing"};
    mm_tokens *tokens = new_table();
    const long blocks = fail_blocks();
    char text[MM_TOKEN_SIZE + 1];

    (void)create(tokens, "/create?scope=read", text);
    for (size_t i = 0; i < COUNT(lines); i++) {
        size_t skip = 0, failed;

        do {
            mm_token_work work;

            fail_begin(FAIL_MEMORY, skip, skip % 2 == 0);
            mm_token_work_begin(&work, tokens, lines[i], NOW);
            failed = fail_end();
            CU_ASSERT(failed == 0 || work.answer == NULL ||
                      strstr(work.answer, "{\"error\":\"out of memory\"}") != NULL);
            CU_ASSERT(failed > 0 || work.answer != NULL);
            mm_token_work_free(&work);
            skip++;
        } while (failed > 0);
        CU_ASSERT(skip > 1);
    }
    CU_ASSERT_EQUAL(fail_blocks(), blocks);
    mm_tokens_free(tokens);
}

/* -------------------------------------------------------------------- start */

static void check_same(const mm_token *a, const mm_token *b)
{
    CU_ASSERT_STRING_EQUAL(a->id, b->id);
    CU_ASSERT_EQUAL(memcmp(a->digest, b->digest, sizeof a->digest), 0);
    CU_ASSERT_EQUAL(a->scopes, b->scopes);
    CU_ASSERT_STRING_EQUAL(a->project, b->project);
    CU_ASSERT_STRING_EQUAL(a->label, b->label);
    CU_ASSERT(a->created == b->created && a->expires == b->expires && a->revoked == b->revoked && a->used == b->used);
}

/* What was stored is the table of the next start. */
static void test_load(void)
{
    char path[64], text[MM_TOKEN_SIZE + 1];
    mm_tokens *tokens = new_table(), *loaded = NULL;
    mm_token_work work;
    mm_problem problem = {.text = ""};
    mm_history *history;

    help_directory(path);
    history = help_open(path);
    mm_token_work_begin(&work, tokens, "/create?scope=read,admin&project=liver&label=x&expires=1d", NOW);
    mm_token_store_now(history, &work.store);
    CU_ASSERT_EQUAL(work.store.status, MM_STORE_OK);
    mm_token_work_end(&work, tokens);
    memcpy(text, work.text, sizeof text);
    mm_token_work_free(&work);
    mm_history_close(history);
    history = help_open(path);
    CU_ASSERT_EQUAL_FATAL(mm_tokens_load(&loaded, history, &problem), 1);
    CU_ASSERT_EQUAL_FATAL(mm_tokens_count(loaded), 1);
    check_same(mm_tokens_at(loaded, 0), mm_tokens_at(tokens, 0));
    mm_tokens_free(loaded);
    loaded = NULL;
    fail_begin(FAIL_RANDOM, 0, 0);
    CU_ASSERT_EQUAL(mm_tokens_load(&loaded, history, &problem), 0);
    CU_ASSERT_EQUAL(fail_end(), 1);
    CU_ASSERT_STRING_EQUAL(problem.text, "out of memory");
    CU_ASSERT_PTR_NULL(loaded);
    mm_history_close(history);
    help_remove(path);
    mm_tokens_free(tokens);
}

/* A history that no server has written: too many tokens, and none to be read. */
static void test_bad_histories(void)
{
    static const char fill[] = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 4096) "
                               "INSERT INTO tokens SELECT printf('mm_%08d', i), zeroblob(32), 2, 'p', '', 1, 0, 0, 0 "
                               "FROM n RETURNING 1";
    char path[64];
    mm_tokens *loaded = NULL;
    mm_problem problem = {.text = ""};
    mm_history *history;

    help_directory(path);
    mm_history_close(help_open(path));
    CU_ASSERT_EQUAL(help_sql(path, fill), 1);
    CU_ASSERT_EQUAL_FATAL(help_sql(path, "SELECT count(*) FROM tokens"), MM_TOKENS_MAX + 1);
    history = help_open(path);
    CU_ASSERT_EQUAL(mm_tokens_load(&loaded, history, &problem), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "more tokens than 4096"));
    (void)help_sql(path, "DROP TABLE tokens");
    problem.text[0] = '\0';
    CU_ASSERT_EQUAL(mm_tokens_load(&loaded, history, &problem), 0);
    CU_ASSERT(problem.text[0] != '\0');
    CU_ASSERT_PTR_NULL(loaded);
    mm_history_close(history);
    help_remove(path);
}

/* A history, a table, and the bootstrap file beside them. */
typedef struct start {
    char path[64], file[128];
    mm_history *history;
    mm_tokens *tokens;
    mm_problem problem;
} start;

static void begin(start *s)
{
    *s = (start){.tokens = new_table()};
    help_directory(s->path);
    s->history = help_open(s->path);
    (void)snprintf(s->file, sizeof s->file, "%s/first-token", s->path);
}

static void finish(start *s)
{
    mm_history_close(s->history);
    mm_tokens_free(s->tokens);
    help_remove(s->path);
}

static int bootstrap(start *s)
{
    s->problem = (mm_problem){.text = ""};
    return mm_token_bootstrap(s->file, s->tokens, s->history, NOW, &s->problem);
}

static void put_file(const start *s, const char *text, mode_t mode)
{
    FILE *file = fopen(s->file, "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT(fputs(text, file) >= 0);
    CU_ASSERT_EQUAL(fclose(file), 0);
    CU_ASSERT_EQUAL(chmod(s->file, mode), 0);
}

static void get_file(const start *s, char text[128])
{
    FILE *file = fopen(s->file, "r");
    size_t size;

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size = fread(text, 1, 127, file);
    text[size] = '\0';
    CU_ASSERT_EQUAL(fclose(file), 0);
}

/* The first start makes the file and its token, later ones find both, and one without a history of its own takes the
 * file's. */
static void test_bootstrap(void)
{
    start s, other;
    struct stat about;
    char text[128];
    mm_verdict verdict;
    mm_token token = {.scopes = 0};

    begin(&s);
    CU_ASSERT_EQUAL_FATAL(bootstrap(&s), 1);
    CU_ASSERT_EQUAL(stat(s.file, &about), 0);
    CU_ASSERT_EQUAL(about.st_mode & 07777, 0600);
    get_file(&s, text);
    CU_ASSERT_EQUAL_FATAL(strlen(text), MM_TOKEN_SIZE + 1);
    CU_ASSERT_EQUAL(mm_tokens_check(s.tokens, text, MM_TOKEN_SIZE, NOW, &verdict, &token), MM_OK);
    CU_ASSERT_EQUAL(verdict, MM_TOKEN_GOOD);
    CU_ASSERT_EQUAL(token.scopes, MM_SCOPE_ANY);
    CU_ASSERT_STRING_EQUAL(token.label, "bootstrap");
    CU_ASSERT_EQUAL(bootstrap(&s), 1);
    CU_ASSERT_EQUAL(mm_tokens_count(s.tokens), 1);
    CU_ASSERT_EQUAL(help_sql(s.path, "SELECT count(*) FROM tokens"), 1);
    begin(&other);
    (void)snprintf(other.file, sizeof other.file, "%s", s.file);
    CU_ASSERT_EQUAL(bootstrap(&other), 1);
    CU_ASSERT_STRING_EQUAL(mm_tokens_at(other.tokens, 0)->id, token.id);
    finish(&other);
    mm_tokens_find(s.tokens, token.id)->digest[0] ^= 1; /* its id, another secret */
    CU_ASSERT_EQUAL(bootstrap(&s), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.problem.text, "there is another token mm_"));
    put_file(&s, " \n", 0600); /* as good as none */
    CU_ASSERT_EQUAL(bootstrap(&s), 1);
    CU_ASSERT_EQUAL(mm_tokens_count(s.tokens), 2);
    finish(&s);
}

/* Neither in a table full of live tokens nor on a full disk. */
static void test_bootstrap_without_room(void)
{
    start s;

    shim_install();
    begin(&s);
    shim_fail_write("-wal", 0);
    CU_ASSERT_EQUAL(bootstrap(&s), 0);
    CU_ASSERT(s.problem.text[0] != '\0');
    shim_fail_write(NULL, 0);
    CU_ASSERT_EQUAL(help_sql(s.path, "SELECT count(*) FROM tokens"), 0);
    mm_tokens_free(s.tokens); /* as after a start that was refused */
    s.tokens = new_table();
    fill_table(s.tokens);
    CU_ASSERT_EQUAL(bootstrap(&s), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.problem.text, "as many live tokens as can be"));
    mm_tokens_find(s.tokens, "mm_00000007")->revoked = NOW - 5;
    CU_ASSERT_EQUAL(bootstrap(&s), 1);
    CU_ASSERT_EQUAL(help_sql(s.path, "SELECT count(*) FROM tokens"), 1);
    finish(&s);
    shim_remove();
}

static void test_bad_bootstrap_files(void)
{
    start s;
    char text[MM_TOKEN_SIZE + 1];
    mm_token token;

    begin(&s);
    put_file(&s, "nonsense\n", 0600);
    CU_ASSERT_EQUAL(bootstrap(&s), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.problem.text, "does not hold one token"));
    CU_ASSERT_EQUAL_FATAL(mm_token_make(&token, text), MM_OK);
    put_file(&s, text, 0640);
    CU_ASSERT_EQUAL(bootstrap(&s), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.problem.text, "its mode is 0640"));
    text[MM_TOKEN_SIZE - 1] = text[MM_TOKEN_SIZE - 1] == 'a' ? 'b' : 'a';
    put_file(&s, text, 0600);
    CU_ASSERT_EQUAL(bootstrap(&s), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.problem.text, "mistyped"));
    CU_ASSERT_PTR_NULL(strstr(s.problem.text, text + MM_TOKEN_ID_SIZE));
    (void)snprintf(s.file, sizeof s.file, "%s", s.path);
    CU_ASSERT_EQUAL(bootstrap(&s), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.problem.text, "it is not a file"));
    (void)snprintf(s.file, sizeof s.file, "%s/no/such/folder", s.path);
    CU_ASSERT_EQUAL(bootstrap(&s), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.problem.text, "cannot write it"));
    (void)snprintf(s.file, sizeof s.file, "%s/maskmeter.db/x", s.path);
    CU_ASSERT_EQUAL(bootstrap(&s), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.problem.text, "cannot read it"));
    (void)snprintf(s.file, sizeof s.file, "%s/other", s.path);
    fail_begin(FAIL_RANDOM, 0, 1);
    CU_ASSERT_EQUAL(bootstrap(&s), 0);
    CU_ASSERT_EQUAL(fail_end(), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.problem.text, "no random bytes"));
    CU_ASSERT_NOT_EQUAL(access(s.file, F_OK), 0);
    CU_ASSERT_EQUAL(mm_tokens_count(s.tokens), 0);
    finish(&s);
}

static CU_TestInfo tests[] = {
    {"create", test_create},
    {"when it ends", test_expiry},
    {"what is refused", test_refused},
    {"list, revoke", test_list_and_revoke},
    {"what is not stored", test_not_stored},
    {"no room, no random bytes", test_no_room},
    {"out of memory", test_out_of_memory},
    {"the table of a start", test_load},
    {"histories that no server has written", test_bad_histories},
    {"the bootstrap file", test_bootstrap},
    {"a bootstrap token that finds no room", test_bootstrap_without_room},
    {"bootstrap files that must not be used", test_bad_bootstrap_files},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_token_work = {"token_work", tests};
