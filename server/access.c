/*
 * access.c - tokens and scopes of requests.
 */
#include "server/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "server/failures.h"
#include "server/history.h"
#include "server/stats.h"

static const char *const challenge[] = {"WWW-Authenticate", "Bearer realm=\"maskmeter\"", NULL};

static int64_t now_ms(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int refuse(mm_call *call, int status, mm_refusal reason, const char *text)
{
    mm_problem problem = {.has_index = 0};

    mm_stats_refused(call->server->stats, reason);
    (void)snprintf(problem.text, sizeof problem.text, "%s", text);
    (void)mm_call_problem(call, status, &problem);
    call->answer.headers = status == 401 ? challenge : NULL;
    return 0;
}

static int refuse_verdict(mm_call *call, mm_verdict verdict)
{
    switch (verdict) {
    case MM_TOKEN_EXPIRED:
        return refuse(call, 401, MM_REFUSED_EXPIRED, "the token has expired");
    case MM_TOKEN_REVOKED:
        return refuse(call, 401, MM_REFUSED_REVOKED, "the token was revoked");
    case MM_TOKEN_UNKNOWN:
        return refuse(call, 401, MM_REFUSED_UNKNOWN, "the token is not one of this server");
    default:
        return refuse(call, 401, MM_REFUSED_MALFORMED,
                      "the header authorization must be `Bearer` and a token, which is cut or mistyped here");
    }
}

/* What follows "Bearer "; NULL: something else. */
static const char *bearer(const char *authorization)
{
    static const char scheme[] = "Bearer ";

    return strncasecmp(authorization, scheme, sizeof scheme - 1) == 0 ? authorization + sizeof scheme - 1 : NULL;
}

/* ------------------------------------------------------------------- uses */

/* On the writer's thread.  The next use tries again, should this one not be stored. */
static void on_stored(mm_store_token *item)
{
    free(item);
}

static void note_use(mm_server *server, const char *id, uint64_t address, int64_t now)
{
    mm_store_token *item;

    if (!mm_tokens_used(server->tokens, id, address, now))
        return;
    item = calloc(1, sizeof *item);
    if (item == NULL)
        return;
    item->token = *mm_tokens_find(server->tokens, id);
    item->done = on_stored;
    mm_history_put_token(server->history, item);
}

/* --------------------------------------------------------------- decision */

/* An address that has sent too many bad tokens is not listened to for a while, but for those that have come from there
 * before: whoever shares it goes on working.  That gives nothing away.  The secret of such a token may then be guessed
 * without a limit, all 256 bits of it; what the limit is for, trying a list of found tokens, stays shut. */
static int is_welcome(mm_call *call, const char *text, uint64_t address)
{
    mm_server *server = call->server;
    const int wait = mm_failures_wait(server->failures, address, now_ms(CLOCK_MONOTONIC));

    if (wait == 0 || (text != NULL && mm_tokens_came_from(server->tokens, text, strlen(text), address)))
        return 1;
    (void)refuse(call, 429, MM_REFUSED_LIMITED, "too many bad tokens came from this address; try again later");
    call->answer.retry_after = wait;
    return 0;
}

static int check_token(mm_call *call, const char *text, mm_token *token)
{
    mm_server *server = call->server;
    const int64_t now = now_ms(CLOCK_REALTIME);
    const uint64_t address = mm_address_key(call->address);
    mm_verdict verdict = MM_TOKEN_MALFORMED;
    mm_status status = MM_OK;

    if (!is_welcome(call, text, address))
        return 0;

    if (text != NULL)
        status = mm_tokens_check(server->tokens, text, strlen(text), now, &verdict, token);
    if (status != MM_OK) {
        call->answer.retry_after = 1;
        (void)mm_call_problem(call, 503, NULL);
        return 0;
    }
    if (token->id[0] != '\0')
        call->token = token;
    if (verdict != MM_TOKEN_GOOD) {
        mm_failures_note(server->failures, address, now_ms(CLOCK_MONOTONIC));
        return refuse_verdict(call, verdict);
    }
    note_use(server, token->id, address, now);
    return 1;
}

int mm_access(mm_call *call, const char *authorization, mm_token *token)
{
    char text[160], scopes[32];

    call->project = MM_DEFAULT_PROJECT;
    if (call->route->scopes == 0 || mm_tokens_count(call->server->tokens) == 0)
        return 1;
    if (authorization == NULL)
        return refuse(call, 401, MM_REFUSED_MISSING,
                      "this takes a token: send the header `Authorization: Bearer mm_…`");
    if (!check_token(call, bearer(authorization), token))
        return 0;
    call->project = mm_token_project(token);
    if (token->scopes & call->route->scopes)
        return 1;
    mm_scopes_text(call->route->scopes, scopes);
    (void)snprintf(text, sizeof text, "the token lacks the scope %s", scopes);
    return refuse(call, 403, MM_REFUSED_SCOPE, text);
}
