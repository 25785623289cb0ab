/*
 * http.c - a request enters and leaves; the one user of libmicrohttpd.
 *
 * The daemon runs in external epoll mode: the loop watches its epoll descriptor and calls MHD_run(); nothing here runs
 * on another thread but mm_call_ready().  Errors known at the headers are answered before the body, the rest when the
 * body has been read (libmicrohttpd takes no answer in between).
 */
#include "server/http.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "server/access.h"
#include "server/admission.h"
#include "server/body.h"
#include "server/config.h"
#include "server/connections.h"
#include "server/http_check.h"
#include "server/log.h"
#include "server/stats.h"
#include "server/tls.h"
#include "server/visitors.h"

#define ID_BYTES      16
#define REFUSING      16 /* connections beyond the limit, so that the library accepts, and we refuse, what is too much */
#define STUCK_MS      5
#define RUNS_PER_TURN 32 /* of the daemon, before others get the loop */
#define UNSENT_MOST   131072
#define SILENT_S      90 /* then the parser closes by itself what connections.c has missed */
#define ACCEPT_POST   "application/x-safetensors, application/octet-stream"

/* Where a request stands; see on_request(). */
typedef enum stage { AT_HEADERS, IN_BODY, WAITING, ANSWERED } stage;

typedef struct request {
    mm_call call; /* first: a handler's mm_call is the request */
    mm_post ready;
    mm_http *http;
    mm_connection *connection;
    struct MHD_Connection *mhd;
    stage stage;
    int64_t began, body_began; /* ns */
    mm_heads heads;
    mm_token token;   /* call.token, once it is known */
    int cross_origin; /* from a page of the origin that may */

    mm_body body;
    mm_claim claim; /* of the memory budget; opened when the first is wanted */
    char target[];  /* as the client sent it */
} request;

struct mm_http {
    mm_server *server;
    struct MHD_Daemon *daemon;
    mm_connections *connections;
    mm_visitors *visitors;
    const mm_networks *trusted;
    mm_tls *tls;     /* NULL: plain */
    int listen_fd;   /* the daemon's; -1: it accepts no more */
    mm_watch *watch; /* on the daemon's epoll descriptor */
    int resting;     /* the watch does, until the next tick */
    mm_timer *timer; /* for the daemon's own timeouts */
    mm_timer *tick;  /* for the connections */
    mm_head_rules rules;
    int pending;   /* the daemon must run at the end of this turn */
    mm_post again; /* run_again() */
    int posted;    /* it is on its way */
    int moved;     /* requests were asked about since is_stuck() */
    size_t in_flight;
    void (*idle)(void *context); /* set by mm_http_quiesce() */
    void *idle_context;
    unsigned char random[ID_BYTES * 16];
    size_t random_left;
};

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ------------------------------------------------------------ what calls may do */

static void run_ready(mm_post *post);

void mm_call_ready(mm_call *call)
{
    request *r = (request *)(void *)call;

    mm_loop_post(call->server->loop, &r->ready);
}

int mm_call_left(const mm_call *call)
{
    return atomic_load_explicit(call->left, memory_order_relaxed);
}

/* Whose the memory is: of the token, or of whoever is at that address. */
static mm_claim *claim_of(request *r)
{
    if (r->claim.admission == NULL)
        mm_claim_open(&r->claim, r->call.server->admission,
                      r->call.token != NULL ? r->call.token->id : r->call.address);
    return &r->claim;
}

int mm_call_reserve(mm_call *call, size_t bytes)
{
    return mm_admission_reserve(call->server->admission, claim_of((request *)(void *)call), bytes) == MM_OK;
}

uint64_t *mm_call_turn(mm_call *call)
{
    return mm_claim_turn(claim_of((request *)(void *)call));
}

/* ------------------------------------------------------------------ beginning */

/* The trace id that the client sent, or a random one. */
static void set_request_id(request *r)
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
    http->random_left -= ID_BYTES;
    bytes = http->random + http->random_left;
    for (size_t i = 0; i < ID_BYTES; i++) {
        r->call.request_id[2 * i] = hex[bytes[i] >> 4];
        r->call.request_id[2 * i + 1] = hex[bytes[i] & 15];
    }
}

/* The parser of 0.9.75 goes on to split the query, although nobody asks it to.  When its memory does not hold the
 * pieces it answers, forgets that it did, and leaves the connection for dead.  So it is shown none; the text is its
 * own. */
static void hide_query(const char *target)
{
    char *query = strchr(target, '?');

    if (query != NULL)
        query[1] = '\0';
}

/* The request line is there.  What is returned becomes the context of on_request(); NULL: out of memory. */
static void *on_target(void *context, const char *target, struct MHD_Connection *mhd)
{
    mm_http *http = context;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    const size_t size = strlen(target) + 1;
    request *r;

    if (info == NULL || info->socket_context == NULL)
        return NULL;
    r = calloc(1, sizeof *r + size);
    if (r == NULL)
        return NULL;
    memcpy(r->target, target, size);
    if (http->rules.adjacent)
        hide_query(target);
    r->http = http;
    r->call.server = http->server;
    r->call.accept = "";
    r->call.method = "other"; /* until the headers are whole */
    r->call.project = MM_DEFAULT_PROJECT;
    r->ready.run = run_ready;
    r->mhd = mhd;
    r->connection = info->socket_context;
    r->call.left = &r->connection->gone;
    r->began = now_ns();
    mm_ip_text(&r->connection->address, r->call.address);
    mm_connection_phase(r->connection, MM_PHASE_HEADER);
    r->connection->request = r;
    http->in_flight++;
    mm_stats_inflight(http->server->stats, 1);
    return r;
}

/* ------------------------------------------------------------------ admission */

static int refuse(request *r, int status, const mm_problem *problem)
{
    (void)mm_call_problem(&r->call, status, problem);
    return 0;
}

static int refuse_text(request *r, int status, const char *text)
{
    mm_problem problem = {0};

    (void)snprintf(problem.text, sizeof problem.text, "%s", text);
    return refuse(r, status, &problem);
}

/* Fits between a status of lib/ and HTTP: what the caller can mend is 400. */
static int refuse_status(request *r, mm_status status, const mm_problem *problem)
{
    if (status == MM_NO_MEMORY) {
        r->call.answer.retry_after = 1;
        return refuse_text(r, 503, "out of memory; try again");
    }
    return refuse(r, 400, problem);
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
static void find_address(request *r, const header_list *list)
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

static int check_head(request *r, const char *version)
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
static int answer_preflight(request *r)
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

/* Where in the target what is decoded once the request may be: the query, and the variable segment or NULL. */
typedef struct target {
    const char *query, *variable;
    size_t variable_size;
} target;

static int find_route(request *r, target *parts)
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

static int read_target(request *r, const target *parts)
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

static int refuse_memory(request *r)
{
    r->call.answer.retry_after = 1;
    return refuse_text(r, 503, "no memory is left for this body; try again");
}

static int refuse_rate(request *r, double wait)
{
    r->call.answer.retry_after = wait < 3600.0 ? (int)wait + 1 : 3600;
    return refuse_text(r, 429,
                       "you have sent more uploads, or more bytes, than this server takes from you in a second");
}

static int check_body_headers(request *r, const char **coding)
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

static int check_body(request *r)
{
    mm_call *call = &r->call;
    mm_claim *claim = claim_of(r);
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

/* Everything that can be known before the body.  0: the answer is set. */
static int check_and_admit(request *r, const char *method, const char *version)
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

/* ----------------------------------------------------------------------- body */

static void receive(request *r, const char *bytes, size_t size)
{
    if (r->call.body_bytes == 0)
        r->body_began = now_ns();
    r->call.body_bytes += size;
    r->connection->received += size;
    mm_body_receive(&r->body, bytes, size);
}

/* The body has ended.  0: the answer is set. */
static int end_body(request *r)
{
    mm_call *call = &r->call;
    const int fault = mm_body_end(&r->body);

    mm_stats_body(call->server->stats, call->body_bytes);
    if (fault != 0) {
        call->answer.retry_after = fault == 503;
        return refuse(r, fault, &r->body.problem);
    }
    call->wire = r->body.wire;
    call->body = r->body.buffer->data;
    call->body_size = r->body.filled;
    call->receive_ms = call->body_bytes > 0 ? (double)(now_ns() - r->body_began) * 1e-6 : 0.0;
    return 1;
}

/* --------------------------------------------------------------------- answer */

/* *fine becomes 0 when memory is out. */
static void add_header(struct MHD_Response *response, const char *name, const char *value, int *fine)
{
    if (value != NULL && value[0] != '\0' && MHD_add_response_header(response, name, value) != MHD_YES)
        *fine = 0;
}

/* Up to twice as long and a second more, by what is random of the request: those who are refused together shall not
 * come again together. */
static int spread(const request *r, int seconds)
{
    const size_t last = strlen(r->call.request_id);

    return last < 8 ? seconds
                    : seconds + (int)(strtoul(r->call.request_id + last - 8, NULL, 16) % (unsigned)(seconds + 2));
}

/* 0: some are missing, and without them the answer would mean something else. */
static int add_headers(const request *r, struct MHD_Response *response)
{
    const mm_answer *answer = &r->call.answer;
    char seconds[16];
    int fine = 1;

    add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->size > 0 ? answer->content_type : NULL, &fine);
    add_header(response, "X-Request-Id", r->call.request_id, &fine);
    add_header(response, "Strict-Transport-Security", r->http->tls != NULL ? "max-age=31536000" : NULL, &fine);
    add_header(response, MHD_HTTP_HEADER_ALLOW, answer->allow, &fine);
    add_header(response, "Accept-Post", answer->accept_post, &fine);
    add_header(response, MHD_HTTP_HEADER_ACCEPT_ENCODING, answer->accept_coding, &fine);
    if (answer->retry_after > 0) {
        (void)snprintf(seconds, sizeof seconds, "%d", spread(r, answer->retry_after));
        add_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds, &fine);
    }
    if (answer->tag[0] != '\0') {
        add_header(response, MHD_HTTP_HEADER_ETAG, answer->tag, &fine);
        if (answer->headers == NULL) /* which say for themselves how long */
            add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "private, max-age=0", &fine);
        add_header(response, MHD_HTTP_HEADER_VARY, "Accept-Encoding", &fine);
        add_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, answer->gzip ? "gzip" : NULL, &fine);
    }
    if (r->call.server->config->cors_origin[0] != '\0')
        add_header(response, MHD_HTTP_HEADER_VARY, "Origin", &fine);
    if (r->cross_origin) {
        add_header(response, "Access-Control-Allow-Origin", r->call.server->config->cors_origin, &fine);
        add_header(response, "Access-Control-Expose-Headers", "ETag, Retry-After, X-Request-Id, WWW-Authenticate",
                   &fine);
    }
    for (const char *const *pair = answer->headers; pair != NULL && *pair != NULL; pair += 2)
        add_header(response, pair[0], pair[1], &fine);
    if (answer->close || r->http->server->draining)
        add_header(response, MHD_HTTP_HEADER_CONNECTION, "close", &fine);
    return fine;
}

/* Hands the answer over.  MHD_NO closes the connection. */
static enum MHD_Result answer(request *r)
{
    mm_answer *a = &r->call.answer;
    struct MHD_Response *response;
    enum MHD_Result result;

    r->stage = ANSWERED;
    mm_connection_phase(r->connection, MM_PHASE_ANSWERING);
    if (mm_call_left(&r->call))
        return MHD_NO;
    if (a->bytes != NULL)
        response = MHD_create_response_from_buffer(a->size, a->bytes,
                                                   a->constant ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
    else
        response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    a->bytes = NULL; /* the response's now */
    result = add_headers(r, response) ? MHD_queue_response(r->mhd, (unsigned)a->status, response) : MHD_NO;
    MHD_destroy_response(response);
    return result;
}

/* Waits for mm_call_ready(), or answers. */
static enum MHD_Result proceed(request *r, mm_next next)
{
    if (next == MM_DONE)
        return answer(r);
    r->stage = WAITING;
    MHD_suspend_connection(r->mhd);
    return MHD_YES;
}

/* On the loop.  The answer is queued when the daemon asks again, which the run at the end of this turn makes it do. */
static void run_ready(mm_post *post)
{
    request *r = (request *)(void *)((char *)post - offsetof(request, ready));

    if (!mm_call_left(&r->call) && r->call.step(&r->call) == MM_WAIT)
        return;
    MHD_resume_connection(r->mhd);
    r->http->pending = 1;
}

/* ----------------------------------------------------------- a request's life */

static enum MHD_Result at_headers(request *r, const char *method, const char *version)
{
    const int fine = check_and_admit(r, method, version);
    const int has_body = r->heads.length > 0 || r->heads.has_transfer_encoding;

    r->stage = IN_BODY;
    mm_connection_phase(r->connection, fine && has_body ? MM_PHASE_BODY : MM_PHASE_WORKING);
    if (fine || (!has_body && !r->call.answer.close))
        return MHD_YES; /* an answer that is set already waits for the next call, so that the connection stays */
    r->connection->patient = has_body;
    return answer(r);
}

static enum MHD_Result at_end(request *r)
{
    mm_connection_phase(r->connection, MM_PHASE_WORKING);
    if (r->call.answer.status != 0 || (r->call.route->has_body && !end_body(r)))
        return answer(r);
    return proceed(r, r->call.route->handle(&r->call));
}

/* Called at the headers, per piece of the body, at its end, and after a resume. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *piece, size_t *size, void **state)
{
    request *r = *state;

    ((mm_http *)context)->moved = 1;
    (void)mhd;
    (void)url; /* decoded by rules that are not ours: see on_target() */
    if (r == NULL)
        return MHD_NO;
    if (r->stage == AT_HEADERS)
        return at_headers(r, method, version);
    if (r->stage == IN_BODY && *size > 0) {
        receive(r, piece, *size);
        *size = 0;
        return MHD_YES;
    }
    return r->stage == IN_BODY ? at_end(r) : answer(r);
}

static void log_request(const request *r, double seconds, int left)
{
    const mm_call *call = &r->call;
    const char *const token = call->token != NULL ? call->token->id : "none";
    const mm_field fields[] = {
        {"request_id", call->request_id, 0.0},
        {"address", call->address, 0.0},
        {"token", token, 0.0},
        {"project", call->project, 0.0},
        {"method", call->method, 0.0},
        {"route", call->route != NULL ? call->route->pattern : "none", 0.0},
        {"status", NULL, left ? 0.0 : (double)call->answer.status},
        {"ms", NULL, seconds * 1e3},
        {"bytes_in", NULL, (double)call->body_bytes},
        {"bytes_out", NULL, (double)call->answer.size},
        {"outcome", "client left", 0.0},
    };
    const size_t count = sizeof fields / sizeof fields[0];

    mm_log_line(call->server->log, MM_LOG_INFO, "request", fields, left ? count : count - 1);
}

static void count_request(const request *r, int left)
{
    const mm_call *call = &r->call;
    const double seconds = (double)(now_ns() - r->began) * 1e-9;
    const size_t route = call->route != NULL ? (size_t)(call->route - mm_routes) : mm_route_count;
    const int status = left ? 0 : call->answer.status;

    mm_stats_inflight(call->server->stats, -1);
    mm_stats_request(call->server->stats, call->method, route, status, seconds);
    if (call->route != NULL && call->route->has_body && (status == 0 || status >= 400))
        mm_stats_rejected(call->server->stats, status);
    if (call->server->config->log_requests)
        log_request(r, seconds, left);
}

static void free_request(request *r)
{
    mm_call *call = &r->call;

    if (call->state_free != NULL)
        call->state_free(call->state);
    mm_body_close(&r->body);
    mm_claim_close(&r->claim);
    mm_query_free(&call->query);
    free(call->variable);
    free(call->if_none_match);
    if (!call->answer.constant)
        free(call->answer.bytes);
    free(r);
}

static void end_request(request *r, int left)
{
    r->http->in_flight--;
    r->connection->request = NULL;
    mm_connection_phase(r->connection, MM_PHASE_IDLE);
    count_request(r, left);
    free_request(r);
}

/* The answer was sent, or the connection broke.  Never while the connection is suspended. */
static void on_completed(void *context, struct MHD_Connection *mhd, void **state,
                         enum MHD_RequestTerminationCode reason)
{
    (void)context;
    (void)mhd;
    if (*state != NULL)
        end_request(*state, reason != MHD_REQUEST_TERMINATED_COMPLETED_OK);
    *state = NULL;
}

static mm_tls_end *begin_tls(mm_http *http, struct MHD_Connection *mhd, int fd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    return info != NULL ? mm_tls_attach(http->tls, info->tls_session, fd) : NULL;
}

/* What the library's union says holds until it is asked again.  NULL: on_target() refuses. */
static mm_connection *begin_connection(mm_http *http, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    const int fd = info != NULL ? info->connect_fd : -1;
    mm_tls_end *tls = http->tls != NULL ? begin_tls(http, mhd, fd) : NULL;
    mm_connection *connection = NULL;
    mm_ip ip;

    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (fd < 0 || info == NULL || info->client_addr == NULL || !mm_ip_of(info->client_addr, &ip) ||
        mm_visitors_enter(http->visitors, &ip) != MM_OK)
        goto done;
    if (mm_connections_add(&connection, http->connections, fd) != MM_OK) {
        mm_visitors_leave(http->visitors, &ip);
        goto done;
    }
    connection->address = ip;
    connection->tls = tls;
    tls = NULL;
done:
    mm_tls_detach(tls);
    return connection;
}

/* A parser that runs into a second error while it answers the first does not tell that the request is over. */
static void end_connection(mm_http *http, mm_connection *connection)
{
    mm_tls_end *tls = connection->tls;

    if (connection->request != NULL)
        end_request(connection->request, 1);
    mm_visitors_leave(http->visitors, &connection->address);
    mm_connections_remove(http->connections, connection);
    mm_tls_detach(tls);
}

/* Before anything is done or kept for a connection.  MHD_NO closes it. */
static enum MHD_Result on_accept(void *context, const struct sockaddr *address, socklen_t size)
{
    mm_http *http = context;
    mm_welcome welcome;
    mm_ip ip;

    (void)size;
    if (!mm_ip_of(address, &ip))
        return MHD_NO;
    welcome = mm_visitors_ask(http->visitors, &ip);
    if (welcome != MM_WELCOME)
        mm_stats_turned_away(http->server->stats, welcome == MM_FULL_FOR_ADDRESS);
    return welcome == MM_WELCOME ? MHD_YES : MHD_NO;
}

static void on_connection(void *context, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    mm_http *http = context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *socket_context = begin_connection(http, mhd);
    } else {
        if (*socket_context != NULL)
            end_connection(http, *socket_context);
        *socket_context = NULL;
        http->pending = 1; /* at the limit of connections, only another run accepts again */
    }
    http->server->connections = mm_connections_count(http->connections);
}

/* --------------------------------------------------------------------- daemon */

/* At once, but after the timers and posts of the loop: a timer of no time would keep them waiting. */
static void run_again(mm_http *http)
{
    if (!http->posted)
        mm_loop_post(http->server->loop, &http->again);
    http->posted = 1;
}

static void on_again(mm_post *post)
{
    mm_http *http = (mm_http *)(void *)((char *)post - offsetof(mm_http, again));

    http->posted = 0;
    http->pending = 1;
}

/* In the middle of a handshake the library asks to run again at once although nothing has come. */
static int is_stuck(mm_http *http)
{
    const int moved = http->moved;

    http->moved = 0;
    return http->tls != NULL && !(mm_tls_moved(http->tls) | moved);
}

/* Runs the daemon until it has nothing more to do, or others must have their turn. */
static void run(mm_http *http)
{
    MHD_UNSIGNED_LONG_LONG wait = 0;

    for (int i = 0; i < RUNS_PER_TURN; i++) {
        http->pending = 0;
        (void)MHD_run(http->daemon);
        if (http->pending)
            continue;
        if (MHD_get_timeout(http->daemon, &wait) != MHD_YES) {
            mm_timer_stop(http->timer);
            return;
        }
        if (wait == 0 && is_stuck(http))
            wait = STUCK_MS;
        if (wait > 0) {
            mm_timer_start(http->timer, wait, 0);
            return;
        }
    }
    run_again(http);
}

/* A client waits, and no descriptor is left to accept it with.  While there are connections the library then asks for
 * no more clients until one of them has closed; without any it asks at once again, for ever. */
static int accepts_in_vain(mm_http *http)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    struct pollfd listening = {.fd = http->listen_fd, .events = POLLIN};
    int spare;

    if (info == NULL || info->num_connections > 0 || poll(&listening, 1, 0) <= 0)
        return 0;
    spare = dup(http->listen_fd);
    if (spare >= 0)
        (void)close(spare);
    return spare < 0;
}

/* Or stops: there is nothing else that the daemon could be told of when it accepts in vain. */
static void watch(mm_http *http, int resting)
{
    http->resting = resting;
    mm_watch_for(http->watch, resting ? 0 : MM_WATCH_READ);
}

static void serve(mm_http *http)
{
    void (*idle)(void *) = http->idle;

    if (http->pending) {
        run(http);
        if (accepts_in_vain(http))
            watch(http, 1);
    }
    if (idle != NULL && http->in_flight == 0) {
        http->idle = NULL;
        idle(http->idle_context);
    }
    mm_log_flush(http->server->log);
}

static void on_events(void *context)
{
    mm_http *http = context;

    http->pending = 1;
}

/* The end of a turn of the loop: everything that asked for the daemon is served by one run. */
static void on_turn(void *context)
{
    serve(context);
}

static void on_timeout(void *context)
{
    mm_http *http = context;

    http->pending = 1;
    serve(http);
}

static void on_tick(void *context)
{
    mm_http *http = context;

    mm_connections_tick(http->connections);
    if (http->resting)
        watch(http, 0);
    serve(http);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *context, const char *format, va_list arguments)
{
    mm_http *http = context;
    char text[256];

    (void)vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    mm_token_hide(text);
    mm_log_text(http->server->log, MM_LOG_DEBUG, "libmicrohttpd", text);
}

/* The parser of 0.9.75 needs the look at folded lines; later ones unfold correctly, and elsewhere in memory. */
static int leaves_values_adjacent(void)
{
    return strcmp(MHD_get_version(), "0.9.75") == 0;
}

/* The oldest libraries know strictness as on or off; off leaves a missing Host to us, on answers it twice. */
#if MHD_VERSION >= 0x00097701
#define STRICTNESS MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1
#else
#define STRICTNESS MHD_OPTION_STRICT_FOR_CLIENT, 0
#endif

static struct MHD_Daemon *start_daemon(mm_http *http, const mm_http_options *options)
{
    /* Turbo leaves out the end of TLS, by which a client knows that nothing was cut off. */
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                           (http->tls != NULL ? MHD_USE_TLS : MHD_USE_TURBO);
    static char priorities[] = MM_TLS_PRIORITIES;
    const struct MHD_OptionItem with_tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, mm_tls_retrieve()},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, priorities},
        {MHD_OPTION_END, 0, NULL},
    };
    /* clang-format off */
    const struct MHD_OptionItem with_context[] = {
        {MHD_OPTION_URI_LOG_CALLBACK,  (intptr_t)on_target,     http},
        {MHD_OPTION_NOTIFY_COMPLETED,  (intptr_t)on_completed,  http},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, http},
        {MHD_OPTION_END,               0,                       NULL},
    };
    /* clang-format on */

    /* The logger comes first: it hears about the other options. */
    return MHD_start_daemon(flags, 0, on_accept, http, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, http,
                            MHD_OPTION_LISTEN_SOCKET, (MHD_socket)options->listen_fd, STRICTNESS,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, MM_CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT,
                            options->max_connections + REFUSING, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENT_S,
                            MHD_OPTION_ARRAY, with_context, MHD_OPTION_ARRAY,
                            http->tls != NULL ? with_tls : with_tls + 2, MHD_OPTION_END);
}

/* The kernel would take megabytes of answers for a client that reads none, and the request would be over: no deadline
 * for answers would see that client.  Connections inherit this from the listening socket. */
static void limit_unsent(int listen_fd)
{
    static const int most = UNSENT_MOST;

    (void)setsockopt(listen_fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof most);
}

mm_status mm_http_new(mm_http **out, mm_server *server, const mm_http_options *options)
{
    mm_http *http = calloc(1, sizeof *http);
    const union MHD_DaemonInfo *info;
    mm_status status = MM_NO_MEMORY;

    if (http == NULL) {
        (void)close(options->listen_fd);
        return MM_NO_MEMORY;
    }
    http->server = server;
    http->listen_fd = options->listen_fd;
    http->again.run = on_again;
    http->rules = (mm_head_rules){.local_only = options->local_address != NULL,
                                  .local_address = options->local_address,
                                  .adjacent = leaves_values_adjacent()};
    http->trusted = options->trusted;
    http->tls = options->tls;
    if (mm_visitors_new(&http->visitors, options->max_connections, options->max_per_address, options->trusted) !=
            MM_OK ||
        mm_connections_new(&http->connections) != MM_OK ||
        mm_timer_new(&http->timer, server->loop, on_timeout, http) != MM_OK ||
        mm_timer_new(&http->tick, server->loop, on_tick, http) != MM_OK)
        goto done;
    limit_unsent(options->listen_fd);
    http->daemon = start_daemon(http, options);
    info = http->daemon != NULL ? MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (info == NULL || mm_watch_new(&http->watch, server->loop, info->epoll_fd, on_events, http) != MM_OK ||
        mm_loop_every_turn(server->loop, on_turn, http) != MM_OK)
        goto done;
    mm_timer_start(http->tick, MM_CONNECTIONS_TICK, MM_CONNECTIONS_TICK);
    *out = http;
    http = NULL;
    status = MM_OK;
done:
    if (http != NULL && http->daemon == NULL)
        (void)close(options->listen_fd);
    mm_http_free(http);
    return status;
}

void mm_http_quiesce(mm_http *http, void (*done)(void *context), void *context)
{
    const MHD_socket fd = MHD_quiesce_daemon(http->daemon);

    if (fd != MHD_INVALID_SOCKET)
        (void)close(fd);
    http->listen_fd = -1;
    http->idle = done;
    http->idle_context = context;
}

void mm_http_hurry(mm_http *http)
{
    mm_connections_cut(http->connections, MM_PHASE_HEADER);
    mm_connections_cut(http->connections, MM_PHASE_BODY);
    mm_connections_cut(http->connections, MM_PHASE_ANSWERING);
}

void mm_http_free(mm_http *http)
{
    if (http == NULL)
        return;
    mm_watch_free(http->watch);
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    mm_timer_free(http->timer);
    mm_timer_free(http->tick);
    mm_connections_free(http->connections);
    mm_visitors_free(http->visitors);
    free(http);
}
