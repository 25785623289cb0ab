/*
 * http.c - a request enters and leaves; with http_head.c the one user of libmicrohttpd.
 *
 * The daemon runs in external epoll mode: the loop watches its epoll descriptor and calls MHD_run(); nothing here runs
 * on another thread but mm_call_ready().  Errors known at the headers are answered before the body, the rest when the
 * body has been read (libmicrohttpd takes no answer in between).
 */
#include "server/http_request.h"

#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/config.h"
#include "server/log.h"
#include "server/stats.h"

#define REFUSING      16 /* connections beyond the limit, so that the library accepts, and we refuse, what is too much */
#define STUCK_MS      5
#define RUNS_PER_TURN 32 /* of the daemon, before others get the loop */
#define UNSENT_MOST   131072
#define SILENT_S      90 /* then the parser closes by itself what connections.c has missed */

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
    mm_http_request *r = (mm_http_request *)(void *)call;

    mm_loop_post(call->server->loop, &r->ready);
}

int mm_call_left(const mm_call *call)
{
    return atomic_load_explicit(call->left, memory_order_relaxed);
}

mm_status mm_call_reserve(mm_call *call, size_t bytes, const char *what, mm_problem *problem)
{
    mm_claim *claim = mm_http_claim((mm_http_request *)(void *)call);
    const size_t most = mm_claim_most(claim), held = claim->held;

    if (bytes > most) {
        snprintf(problem->text, sizeof problem->text,
                 "%s takes %zu bytes, of which the server's whole budget leaves %zu beside %zu that it has", what,
                 bytes, most, held);
        return MM_TOO_LARGE;
    }
    if (mm_admission_reserve(call->server->admission, claim, bytes) == MM_OK)
        return MM_OK;
    snprintf(problem->text, sizeof problem->text, "%s takes %zu bytes, which are not free at the moment", what, bytes);
    return MM_NO_MEMORY;
}

size_t mm_call_held(mm_call *call)
{
    return mm_http_claim((mm_http_request *)(void *)call)->held;
}

uint64_t *mm_call_turn(mm_call *call)
{
    return mm_claim_turn(mm_http_claim((mm_http_request *)(void *)call));
}

mm_line *mm_call_store_line(mm_call *call)
{
    return mm_claim_store_line(mm_http_claim((mm_http_request *)(void *)call));
}

mm_status mm_call_work(mm_call *call, void (*work)(void *context), void (*done)(void *context), void *context)
{
    mm_line *line = mm_claim_work_line(mm_http_claim((mm_http_request *)(void *)call));

    return mm_loop_work(call->server->loop, line, work, done, context);
}

/* ------------------------------------------------------------------ beginning */

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
    mm_http_request *r;

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

/* ----------------------------------------------------------------------- body */

static void receive(mm_http_request *r, const char *bytes, size_t size)
{
    if (r->call.body_bytes == 0)
        r->body_began = now_ns();
    r->call.body_bytes += size;
    r->connection->received += size;
    r->connection->consumed += size;
    mm_body_receive(&r->body, bytes, size);
}

/* The body has ended.  0: the answer is set. */
static int end_body(mm_http_request *r)
{
    mm_call *call = &r->call;
    const int fault = mm_body_end(&r->body);

    mm_stats_body(call->server->stats, call->body_bytes);
    if (fault != 0) {
        call->answer.retry_after = fault == 503;
        (void)mm_call_problem(call, fault, &r->body.problem);
        return 0;
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
static int spread(const mm_http_request *r, int seconds)
{
    const size_t last = strlen(r->call.request_id);

    return last < 8 ? seconds
                    : seconds + (int)(strtoul(r->call.request_id + last - 8, NULL, 16) % (unsigned)(seconds + 2));
}

/* 0: some are missing, and without them the answer would mean something else. */
static int add_headers(const mm_http_request *r, struct MHD_Response *response)
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
static enum MHD_Result answer(mm_http_request *r)
{
    mm_answer *a = &r->call.answer;
    struct MHD_Response *response;
    enum MHD_Result result;

    r->stage = MM_ANSWERED;
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
static enum MHD_Result proceed(mm_http_request *r, mm_next next)
{
    if (next == MM_DONE)
        return answer(r);
    r->stage = MM_WAITING;
    MHD_suspend_connection(r->mhd);
    return MHD_YES;
}

/* On the loop.  The answer is queued when the daemon asks again, which the run at the end of this turn makes it do. */
static void run_ready(mm_post *post)
{
    mm_http_request *r = (mm_http_request *)(void *)((char *)post - offsetof(mm_http_request, ready));

    if (!mm_call_left(&r->call) && r->call.step(&r->call) == MM_WAIT)
        return;
    MHD_resume_connection(r->mhd);
    r->http->pending = 1;
}

/* ----------------------------------------------------------- a request's life */

static size_t head_size(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return info != NULL ? info->header_size : 0;
}

static enum MHD_Result at_headers(mm_http_request *r, const char *method, const char *version)
{
    const int fine = mm_http_admit(r, method, version);
    const int has_body = r->heads.length > 0 || r->heads.has_transfer_encoding;

    r->connection->consumed += head_size(r->mhd);
    r->stage = MM_IN_BODY;
    mm_connection_phase(r->connection, fine && has_body ? MM_PHASE_BODY : MM_PHASE_WORKING);
    if (fine || (!has_body && !r->call.answer.close))
        return MHD_YES; /* an answer that is set already waits for the next call, so that the connection stays */
    r->connection->patient = has_body;
    return answer(r);
}

static enum MHD_Result at_end(mm_http_request *r)
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
    mm_http_request *r = *state;

    ((mm_http *)context)->moved = 1;
    (void)mhd;
    (void)url; /* decoded by rules that are not ours: see on_target() */
    if (r == NULL)
        return MHD_NO;
    if (r->stage == MM_AT_HEADERS)
        return at_headers(r, method, version);
    if (r->stage == MM_IN_BODY && *size > 0) {
        receive(r, piece, *size);
        *size = 0;
        return MHD_YES;
    }
    return r->stage == MM_IN_BODY ? at_end(r) : answer(r);
}

/* NULL: nobody's, on a server that wants to know whose. */
static const char *project_of(const mm_call *call)
{
    if (call->token != NULL)
        return mm_token_project(call->token);
    return mm_tokens_count(call->server->tokens) == 0 ? MM_DEFAULT_PROJECT : NULL;
}

static void log_request(const mm_http_request *r, double seconds, int left)
{
    const mm_call *call = &r->call;
    const char *const token = call->token != NULL ? call->token->id : "none";
    const mm_field fields[] = {
        {"request_id", call->request_id, 0.0},
        {"address", call->address, 0.0},
        {"token", token, 0.0},
        {"project", project_of(call), NAN},
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

static void count_request(const mm_http_request *r, int left)
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

static void free_request(mm_http_request *r)
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

static void end_request(mm_http_request *r, int left)
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
