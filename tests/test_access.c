/*
 * test_access.c - what a request with each kind of token may do, and what it is told when it may not.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/access.h"
#include "server/failures.h"
#include "server/stats.h"
#include "tests/failing.h"
#include "tests/history_help.h"

/* A server with a table of tokens and a history, and the route that is asked for. */
typedef struct house {
    char path[64];
    mm_server server;
    mm_route route;
    char text[MM_TOKEN_SIZE + 1];
} house;

static void open_house(house *h)
{
    *h = (house){.route = {.method = "GET", .pattern = "/", .scopes = MM_SCOPE_READ}};
    help_directory(h->path);
    h->server.history = help_open(h->path);
    CU_ASSERT_EQUAL_FATAL(mm_tokens_new(&h->server.tokens), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_failures_new(&h->server.failures), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_stats_new(&h->server.stats, NULL, 0), MM_OK);
}

static void close_house(house *h)
{
    mm_history_close(h->server.history);
    help_remove(h->path);
    mm_tokens_free(h->server.tokens);
    mm_failures_free(h->server.failures);
    mm_stats_free(h->server.stats);
}

/* A new token like that one; its text is in h->text. */
static void add_token(house *h, mm_token token)
{
    char removed[MM_TOKEN_ID_SIZE + 1];

    CU_ASSERT_EQUAL_FATAL(mm_token_make(&token, h->text), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_tokens_add(h->server.tokens, &token, 0, removed), MM_OK);
}

typedef struct asked {
    mm_call call;
    mm_token token;
    int may;
    char text[512]; /* of the answer */
} asked;

/* What becomes of a request with that header (NULL: none) from that address; until the next one. */
static const asked *ask(house *h, const char *address, const char *authorization)
{
    static asked a;

    a = (asked){.call = {.server = &h->server, .route = &h->route}};
    (void)snprintf(a.call.address, sizeof a.call.address, "%s", address);
    a.may = mm_access(&a.call, authorization, &a.token);
    if (a.call.answer.bytes != NULL)
        (void)snprintf(a.text, sizeof a.text, "%.*s", (int)a.call.answer.size, a.call.answer.bytes);
    free(a.call.answer.bytes);
    a.call.answer.bytes = NULL;
    return &a;
}

static const asked *ask_with(house *h, const char *address, const char *text)
{
    char header[128];

    (void)snprintf(header, sizeof header, "Bearer %s", text);
    return ask(h, address, header);
}

static void check_refusal(const asked *a, int status, const char *words)
{
    CU_ASSERT_EQUAL(a->may, 0);
    CU_ASSERT_EQUAL(a->call.answer.status, status);
    CU_ASSERT_PTR_NOT_NULL(strstr(a->text, words));
    CU_ASSERT_EQUAL(a->call.answer.headers != NULL, status == 401);
    if (status == 401)
        CU_ASSERT_STRING_EQUAL(a->call.answer.headers[0], "WWW-Authenticate");
}

static int64_t refusals(house *h, const char *reason)
{
    const mm_gauges gauges = {.cpu = "scalar"};
    char line[128], *text, *found;
    size_t size;
    int64_t count = -1;

    (void)snprintf(line, sizeof line, "maskmeter_auth_failures_total{reason=\"%s\"} ", reason);
    text = mm_stats_text(h->server.stats, &gauges, MM_STATS_PROMETHEUS, &size);
    found = text != NULL ? strstr(text, line) : NULL;
    if (found != NULL)
        count = strtoll(found + strlen(line), NULL, 10);
    free(text);
    return count;
}

/* A server that has no token takes whatever comes, and looks at none. */
static void test_open(void)
{
    house h;
    const asked *a;

    open_house(&h);
    a = ask(&h, "192.0.2.1", NULL);
    CU_ASSERT(a->may);
    CU_ASSERT_STRING_EQUAL(a->call.project, "default");
    CU_ASSERT(ask(&h, "192.0.2.1", "Bearer nonsense")->may);
    add_token(&h, (mm_token){.scopes = MM_SCOPE_ADMIN});
    h.route.scopes = 0; /* for everybody, still */
    CU_ASSERT(ask(&h, "192.0.2.1", NULL)->may);
    a = ask_with(&h, "192.0.2.1", h.text);
    CU_ASSERT(a->may);
    CU_ASSERT_PTR_NULL(a->call.token);
    close_house(&h);
}

static void test_good_tokens(void)
{
    house h;
    const asked *a;
    char lower[128];

    open_house(&h);
    add_token(&h, (mm_token){.scopes = MM_SCOPE_READ | MM_SCOPE_INGEST, .project = "liver"});
    a = ask_with(&h, "192.0.2.1", h.text);
    CU_ASSERT(a->may);
    CU_ASSERT_STRING_EQUAL(a->call.project, "liver");
    CU_ASSERT_STRING_EQUAL(a->token.project, "liver");
    (void)snprintf(lower, sizeof lower, "bEARER %s", h.text);
    CU_ASSERT(ask(&h, "192.0.2.1", lower)->may);
    h.route.scopes = MM_SCOPE_INGEST;
    CU_ASSERT(ask_with(&h, "192.0.2.1", h.text)->may);
    h.route.scopes = MM_SCOPE_ADMIN;
    a = ask_with(&h, "192.0.2.1", h.text);
    check_refusal(a, 403, "the token lacks the scope admin");
    h.route.scopes = MM_SCOPE_ANY;
    CU_ASSERT(ask_with(&h, "192.0.2.1", h.text)->may);
    add_token(&h, (mm_token){.scopes = MM_SCOPE_ADMIN, .project = MM_OPERATOR_PROJECT});
    a = ask_with(&h, "192.0.2.1", h.text);
    CU_ASSERT(a->may);
    CU_ASSERT_STRING_EQUAL(a->call.project, "default");
    CU_ASSERT_EQUAL(refusals(&h, "scope"), 1);
    close_house(&h);
}

static void test_bad_tokens(void)
{
    house h;
    const asked *a;
    mm_token other;
    char text[MM_TOKEN_SIZE + 1];

    open_house(&h);
    add_token(&h, (mm_token){.scopes = MM_SCOPE_READ, .expires = 1});
    a = ask_with(&h, "192.0.2.1", h.text);
    check_refusal(a, 401, "has expired");
    CU_ASSERT_STRING_EQUAL(a->call.token->id, a->token.id); /* for the log: the secret was right */
    add_token(&h, (mm_token){.scopes = MM_SCOPE_READ, .revoked = 1});
    a = ask_with(&h, "192.0.2.1", h.text);
    check_refusal(a, 401, "was revoked");
    CU_ASSERT_EQUAL_FATAL(mm_token_make(&other, text), MM_OK);
    a = ask_with(&h, "192.0.2.1", text);
    check_refusal(a, 401, "not one of this server");
    CU_ASSERT_PTR_NULL(a->call.token);
    a = ask(&h, "192.0.2.1", NULL);
    check_refusal(a, 401, "this takes a token");
    a = ask(&h, "192.0.2.1", "Basic bWU6bWU=");
    check_refusal(a, 401, "must be `Bearer` and a token");
    a = ask(&h, "192.0.2.1", "Bearer ");
    check_refusal(a, 401, "must be `Bearer` and a token");
    h.text[20] ^= 1;
    a = ask_with(&h, "192.0.2.1", h.text);
    check_refusal(a, 401, "must be `Bearer` and a token");
    CU_ASSERT_PTR_NULL(strstr(a->text, h.text + MM_TOKEN_ID_SIZE));
    CU_ASSERT_EQUAL(refusals(&h, "expired"), 1);
    CU_ASSERT_EQUAL(refusals(&h, "revoked"), 1);
    CU_ASSERT_EQUAL(refusals(&h, "unknown"), 1);
    CU_ASSERT_EQUAL(refusals(&h, "missing"), 1);
    CU_ASSERT_EQUAL(refusals(&h, "malformed"), 3);
    close_house(&h);
}

/* After too many bad ones an address is not listened to, but for a token that has come from there before. */
static void test_limit(void)
{
    house h;
    const asked *a;
    char known[MM_TOKEN_SIZE + 1];

    open_house(&h);
    add_token(&h, (mm_token){.scopes = MM_SCOPE_READ});
    memcpy(known, h.text, sizeof known);
    CU_ASSERT(ask_with(&h, "192.0.2.1", known)->may);
    for (int i = 0; i < MM_FAILURES_MAX; i++) {
        a = ask_with(&h, "192.0.2.1", "mm_");
        check_refusal(a, 401, "must be `Bearer` and a token");
    }
    a = ask_with(&h, "192.0.2.1", "mm_");
    check_refusal(a, 429, "too many bad tokens came from this address");
    CU_ASSERT(a->call.answer.retry_after > 0 && a->call.answer.retry_after <= MM_FAILURES_WINDOW / 1000);
    a = ask(&h, "192.0.2.1", "Basic bWU6bWU=");
    check_refusal(a, 429, "too many bad tokens");
    CU_ASSERT(ask_with(&h, "192.0.2.1", known)->may);
    add_token(&h, (mm_token){.scopes = MM_SCOPE_READ}); /* good, but new there */
    a = ask_with(&h, "192.0.2.1", h.text);
    check_refusal(a, 429, "too many bad tokens");
    CU_ASSERT(ask_with(&h, "192.0.2.2", h.text)->may);
    CU_ASSERT_EQUAL(refusals(&h, "limited"), 3);
    close_house(&h);
}

static int64_t stored_uses(house *h)
{
    mm_history *history;

    mm_history_close(h->server.history); /* all that was put is stored then */
    const int64_t used = help_sql(h->path, "SELECT count(*) FROM tokens WHERE used > 0");

    history = help_open(h->path);
    h->server.history = history;
    return used;
}

/* The first use is stored; when there is no memory for that it is not, and the request is served all the same. */
static void test_uses(void)
{
    house h;
    long blocks;

    open_house(&h);
    add_token(&h, (mm_token){.scopes = MM_SCOPE_READ});
    blocks = fail_blocks();
    fail_begin(FAIL_MEMORY, 0, 0);
    CU_ASSERT(ask_with(&h, "192.0.2.1", h.text)->may);
    CU_ASSERT_EQUAL(fail_end(), 1);
    CU_ASSERT_EQUAL(fail_blocks(), blocks);
    CU_ASSERT_EQUAL(stored_uses(&h), 0);
    add_token(&h, (mm_token){.scopes = MM_SCOPE_READ});
    CU_ASSERT(ask_with(&h, "192.0.2.1", h.text)->may);
    CU_ASSERT_EQUAL(stored_uses(&h), 1);
    CU_ASSERT(ask_with(&h, "192.0.2.1", h.text)->may); /* too soon to be stored again */
    CU_ASSERT_EQUAL(stored_uses(&h), 1);
    close_house(&h);
}

/* A token that cannot be looked at is neither good nor bad. */
static void test_no_digest(void)
{
    house h;
    const asked *a;

    open_house(&h);
    add_token(&h, (mm_token){.scopes = MM_SCOPE_READ});
    fail_begin(FAIL_DIGEST, 0, 0);
    a = ask_with(&h, "192.0.2.1", h.text);
    CU_ASSERT_EQUAL(fail_end(), 1);
    CU_ASSERT_EQUAL(a->may, 0);
    CU_ASSERT_EQUAL(a->call.answer.status, 503);
    CU_ASSERT(a->call.answer.retry_after > 0);
    CU_ASSERT_EQUAL(mm_failures_wait(h.server.failures, mm_address_key("192.0.2.1"), 0), 0);
    CU_ASSERT(ask_with(&h, "192.0.2.1", h.text)->may);
    close_house(&h);
}

static CU_TestInfo tests[] = {
    {"a server without tokens, a route for everybody", test_open},
    {"good tokens", test_good_tokens},
    {"bad tokens", test_bad_tokens},
    {"too many bad ones", test_limit},
    {"uses are stored", test_uses},
    {"no digest to be had", test_no_digest},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_access = {"access", tests};
