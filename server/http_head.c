/*
 * http_head.c - what is decided at the headers, before the body: whether the request is one, which route takes it, who
 * may, and whether there is room.
 */
#include "server/http_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "server/access.h"
#include "server/config.h"

#define ACCEPT_POST "application/x-safetensors, application/octet-stream"

static int refuse(mm_http_request *r, int status, const mm_problem *problem)
{
    (void)mm_call_problem(&r->call, status, problem);
    return 0;
}

static int refuse_text(mm_http_request *r, int status, const char *text)
{
    mm_problem problem = {0};

    (void)snprintf(problem.text, sizeof problem.text, "%s", text);
    return refuse(r, status, &problem);
}

/* Fits between a status of lib/ and HTTP: what the caller can mend is 400. */
static int refuse_status(mm_http_request *r, mm_status status, const mm_problem *problem)
{
    if (status == MM_NO_MEMORY) {
        r->call.answer.retry_after = 1;
        return refuse_text(r, 503, "out of memory; try again");
    }
    return refuse(r, 400, problem);
}

/* ------------------------------------------------------------------- headers */

/* The trace id that the client sent, or a random one. */
static void set_request_id(mm_http_request *r)
{
    static const char hex[] = "0123456789abcdef";
    mm_http *http = r->http;
    const unsigned char *bytes;

    if (r->heads.traceparent != NULL && mm_trace_id(r->heads.traceparent, r->call.request_id))
        return;
    if (http->random_left == 0) {
        if (getrandom(http->random, sizeof http->random, 0) != (ssize_t)sizeof http->random)
            return; /* no name is better than one that is not unique */
        http->random_left = sizeof http->random;
    }
    http->random_left -= MM_ID_BYTES;
    bytes = http->random + http->random_left;
    for (size_t i = 0; i < MM_ID_BYTES; i++) {
        r->call.request_id[2 * i] = hex[bytes[i] >> 4];
        r->call.request_id[2 * i + 1] = hex[bytes[i] & 15];
    }
}

typedef struct header_list {
    mm_header headers[MM_MAX_HEADERS + 1];
    size_t count;
} header_list;

static enum MHD_Result collect_header(void *context, enum MHD_ValueKind kind, const char *name, size_t name_size,
                                      const char *value, size_t value_size)
{
    header_list *list = context;

    (void)kind;
    list->headers[list->count++] = (mm_header){name, value != NULL ? value : "", name_size, value_size};
    return list->count <= MM_MAX_HEADERS ? MHD_YES : MHD_NO;
}

/* Proxies add at the end: of the value, or as another header behind the others. */
static void find_address(mm_http_request *r, const header_list *list)
{
    static const char name[] = "X-Forwarded-For";
    mm_ip ip = r->connection->address;
    int more = 1;

    for (size_t i = list->count; i > 0 && more; i--) {
        const mm_header *h = &list->headers[i - 1];

        if (h->name_size == sizeof name - 1 && strncasecmp(h->name, name, h->name_size) == 0)
            more = mm_ip_forwarded(&ip, h->value, h->value_size, r->http->trusted);
    }
    mm_ip_text(&ip, r->call.address);
}

static int check_head(mm_http_request *r, const char *version)
{
    header_list list = {.count = 0};
    mm_head_rules rules = r->http->rules;
    mm_problem problem;
    int status;

    rules.local_only = rules.local_only && mm_tokens_count(r->http->server->tokens) == 0;
    rules.http10 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
    (void)MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, collect_header, &list);
    find_address(r, &list);
    status = mm_check_headers(list.headers, list.count, &rules, &r->heads, &problem);
    set_request_id(r);
    if (status != 0) {
        r->call.answer.close = 1; /* who knows what follows */
        return refuse(r, status, &problem);
    }
    if (strlen(r->target) > MM_MAX_TARGET) {
        r->call.answer.close = 1;
        return refuse_text(r, 414, "the target is longer than 64 KiB");
    }
    if (r->heads.accept != NULL)
        r->call.accept = r->heads.accept;
    if (r->heads.if_none_match != NULL)
        r->call.if_none_match = strdup(r->heads.if_none_match); /* without memory: as if it were not there */
    r->call.accepts_gzip = mm_accepts_gzip(r->heads.accept_encoding);
    return 1;
}

/* The parser's text lives no longer than the request's headers. */
static const char *static_method(const char *method)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i], method) == 0)
            return known[i];
    return "other";
}

/* A page of the configured origin may read answers.  Its browser asks beforehand what the page may send; of others, and
 * without that setting, such a question is a method that no route takes. */
static int answer_preflight(mm_http_request *r)
{
    static const char *const headers[] = {
        "Access-Control-Allow-Methods",
        "GET, HEAD, POST, DELETE",
        "Access-Control-Allow-Headers",
        "Authorization, Content-Type, Content-Encoding, If-None-Match, Traceparent",
        "Access-Control-Max-Age",
        "600",
        NULL,
    };
    const char *allowed = r->call.server->config->cors_origin;

    r->cross_origin = allowed[0] != '\0' && r->heads.origin != NULL && strcmp(r->heads.origin, allowed) == 0;
    if (!r->cross_origin || r->heads.request_method == NULL || strcmp(r->call.method, "OPTIONS") != 0)
        return 0;
    r->call.answer = (mm_answer){.status = 204, .headers = headers};
    return 1;
}

/* -------------------------------------------------------------------- target */

/* Where in the target what is decoded once the request may be: the query, and the variable segment or NULL. */
typedef struct target {
    const char *query, *variable;
    size_t variable_size;
} target;

static int find_route(mm_http_request *r, target *parts)
{
    mm_call *call = &r->call;
    mm_problem problem = {0};
    const char *allow;
    size_t path_size;
    mm_status status = mm_target_split(r->target, &path_size, &parts->query, &problem);

    if (status != MM_OK) {
        call->answer.close = 1;
        return refuse_status(r, status, &problem);
    }
    call->route = mm_route_find(r->target, path_size, call->method, &parts->variable, &parts->variable_size, &allow);
    if (call->route == NULL && allow == NULL)
        return refuse_text(r, 404, "there is no such route");
    if (call->route == NULL) {
        call->answer.allow = allow;
        return refuse_text(r, 405, "this route does not take that method");
    }
    return 1;
}

static int read_target(mm_http_request *r, const target *parts)
{
    mm_call *call = &r->call;
    mm_problem problem = {0};
    mm_status status = MM_OK;

    if (parts->variable != NULL)
        status = mm_path_decode(parts->variable, parts->variable_size, &call->variable, &problem);
    if (status == MM_OK)
        status = mm_query_parse(&call->query, parts->query, strlen(parts->query), &problem);
    call->answer.close = status != MM_OK;
    if (status == MM_OK)
        status = mm_query_only(&call->query, call->route->params, &problem);
    return status == MM_OK ? 1 : refuse_status(r, status, &problem);
}

/* ------------------------------------------------------------------ admission */

mm_claim *mm_http_claim(mm_http_request *r)
{
    if (r->claim.admission == NULL)
        mm_claim_open(&r->claim, r->call.server->admission,
                      r->call.token != NULL ? r->call.token->id : r->call.address);
    return &r->claim;
}

static int refuse_memory(mm_http_request *r)
{
    r->call.answer.retry_after = 1;
    return refuse_text(r, 503, "no memory is left for this body; try again");
}

static int refuse_rate(mm_http_request *r, double wait)
{
    r->call.answer.retry_after = wait < 3600.0 ? (int)wait + 1 : 3600;
    return refuse_text(r, 429,
                       "you have sent more uploads, or more bytes, than this server takes from you in a second");
}

static int check_body_headers(mm_http_request *r, const char **coding)
{
    const uint64_t limit = (uint64_t)r->call.server->config->max_body;
    mm_problem problem;
    int status = mm_check_length(&r->heads, limit, &problem);

    if (status == 0) {
        status = mm_check_media(&r->heads, &problem);
        r->call.answer.accept_post = status != 0 ? ACCEPT_POST : NULL;
    }
    if (status == 0) {
        status = mm_check_coding(&r->heads, coding, &problem);
        r->call.answer.accept_coding = status != 0 ? mm_coding_names() : NULL;
    }
    return status == 0 ? 1 : refuse(r, status, &problem);
}

static int check_body(mm_http_request *r)
{
    mm_call *call = &r->call;
    mm_claim *claim = mm_http_claim(r);
    const char *coding;
    double wait;

    if (!check_body_headers(r, &coding))
        return 0;
    if (call->server->draining) {
        call->answer.retry_after = 5;
        return refuse_text(r, 503, "the server is shutting down; try again");
    }
    if (call->route->admit != NULL) {
        (void)call->route->admit(call);
        if (call->answer.status != 0)
            return 0;
    }
    wait = mm_claim_wait(claim);
    if (wait > 0.0)
        return refuse_rate(r, wait);
    if (mm_body_open(&r->body, call->server->admission, claim, (size_t)call->server->config->max_body, r->heads.length,
                     coding) != MM_OK)
        return refuse_memory(r);
    mm_claim_count(claim, r->heads.length);
    return 1;
}

int mm_http_admit(mm_http_request *r, const char *method, const char *version)
{
    mm_problem problem;
    target parts;

    r->call.method = static_method(method);
    if (!check_head(r, version) || answer_preflight(r) || !find_route(r, &parts) ||
        !mm_access(&r->call, r->heads.authorization, &r->token) || !read_target(r, &parts))
        return 0;
    if (r->call.route->has_body)
        return check_body(r);
    return mm_check_no_body(&r->heads, &problem) == 0 ? 1 : refuse(r, 400, &problem);
}
