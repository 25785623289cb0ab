/*
 * routes.h - the table of routes, and mm_call: what a handler sees of a request.
 */
#ifndef MM_ROUTES_H
#define MM_ROUTES_H

#include <stdatomic.h>

#include "lib/maskmeter.h"
#include "proto/wire.h"
#include "server/loop.h"
#include "server/query.h"
#include "server/tokens.h"

struct mm_history;
struct mm_compute;
struct mm_stats;
struct mm_config;
struct mm_log;
struct mm_admission;

/* What the handlers share; owned by cmd_serve.c. */
typedef struct mm_server {
    const struct mm_config *config;
    mm_loop *loop;
    struct mm_history *history;
    struct mm_compute *compute;
    struct mm_stats *stats;
    struct mm_log *log;
    struct mm_admission *admission;
    mm_tokens *tokens; /* with none in it everybody may do everything */
    struct mm_failures *failures;
    struct mm_plans *plans; /* parsed expressions, kept for reuse */
    void *loop_scratch;     /* MM_SCRATCH_BYTES for evaluations scored on the loop */
    int draining;           /* SIGTERM was seen: /readyz says 503 */
    size_t connections;     /* open now */
} mm_server;

/* What the handler decided. */
typedef enum mm_next {
    MM_DONE, /* call->answer is set: send it */
    MM_WAIT  /* somebody will call mm_call_ready(); call->step then runs on the loop */
} mm_next;

/* The answer: exactly one.  bytes are malloc'ed and handed over, unless they are constant; NULL with size 0 for no
 * body. */
typedef struct mm_answer {
    int status;               /* 0: not set yet */
    const char *content_type; /* static */
    char *bytes;
    size_t size;
    int constant;               /* bytes live as long as the program */
    const char *allow;          /* 405 */
    const char *accept_post;    /* 415 for the media type */
    const char *accept_coding;  /* 415 for the content coding */
    int retry_after;            /* seconds; 0: no header */
    char tag[48];               /* ETag, quoted; "": none.  With one go Cache-Control and Vary */
    int gzip;                   /* bytes are gzip */
    const char *const *headers; /* further ones: name, value, ..., NULL; static; NULL: none */
    int close;                  /* close the connection afterwards */
} mm_answer;

typedef struct mm_call mm_call;

typedef struct mm_route {
    const char *method;  /* "GET" (HEAD comes with it), "POST", "DELETE" */
    const char *pattern; /* "/v1/runs/{run}/evaluations": at most one variable segment */
    unsigned scopes;     /* bits of mm_scope: a token that has one of them may; 0: everybody may, also without one */
    const char *params;  /* allowed query parameters, '|'-separated; "" none.  Others are 400 */
    int has_body;        /* takes a safetensors body: media type, length, coding are checked at the headers */
    /* Optional: further checks at the headers, before the body.  MM_DONE with an error answer refuses the call. */
    mm_next (*admit)(mm_call *call);
    /* When the body is whole (or there is none). */
    mm_next (*handle)(mm_call *call);
} mm_route;

struct mm_call {
    mm_server *server;
    const mm_route *route;
    char request_id[33];   /* 32 hex digits: the trace id, or random */
    const char *method;    /* "GET", "HEAD", ... static */
    char address[46];      /* of the client, which a trusted proxy may have named */
    const char *project;   /* the name space of runs: of the token, or MM_DEFAULT_PROJECT */
    const mm_token *token; /* what the client has shown, without its digest; NULL: nothing, or nobody asked */
    mm_query query;        /* without what the metadata of the file says */
    char *variable;        /* the decoded {segment}, or NULL */
    const char *accept;    /* Accept header or "" */
    char *if_none_match;   /* that header, or NULL */
    int accepts_gzip;

    /* The body, whole when handle() runs, when route->has_body. */
    const unsigned char *body;
    size_t body_size;    /* decoded */
    uint64_t body_bytes; /* on the wire */
    mm_wire *wire;       /* fed and ended without error, or handle() is not called */
    double receive_ms;   /* from the first to the last byte of the body */

    const atomic_int *left; /* not 0 once the client has left; see mm_call_left() */
    mm_answer answer;
    mm_next (*step)(mm_call *call); /* what mm_call_ready() leads to; set before returning MM_WAIT */
    void *state;                    /* the handler's own; state_free(state) when the call ends */
    void (*state_free)(void *state);
};

extern const mm_route mm_routes[];
extern const size_t mm_route_count;

/* From any thread, once per MM_WAIT: call->step(call) will run on the loop, unless the client has left.  The caller
 * must not touch the call after this.  The call stays valid until then even when the client has left. */
void mm_call_ready(mm_call *call);
/* From any thread, before long work: nobody waits for the answer any more.  Once so, always so. */
int mm_call_left(const mm_call *call);

/* Extra memory of a call (scratch of an evaluation), within the one budget, until the call ends.  On the loop, or on
 * the one thread that works for the call.  MM_TOO_LARGE, 413: more than the budget will ever have for it;
 * MM_NO_MEMORY, 503: it is not free now.  The problem says of `what`. */
mm_status mm_call_reserve(mm_call *call, size_t bytes, const char *what, mm_problem *problem);

size_t mm_call_held(mm_call *call); /* bytes of the budget that it has */

/* Whose turn it is when the call's evaluation is computed: the same for all calls of a token or an address; in whose
 * line it stands at the history; and mm_loop_work() in that line. */
uint64_t *mm_call_turn(mm_call *call);
mm_line *mm_call_store_line(mm_call *call);
mm_status mm_call_work(mm_call *call, void (*work)(void *context), void (*done)(void *context), void *context);

/* Sets the answer to a problem document (reply.h), for handlers and for what http.c refuses itself.
 * problem may be NULL.  Returns MM_DONE. */
mm_next mm_call_problem(mm_call *call, int status, const mm_problem *problem);

/* The route of a path, or NULL.  *variable, *size: its raw {segment}, if it has one.  Of the routes of a path, the
 * method decides; when none takes it, *allow lists the methods that it has, and it stays NULL for an unknown path. */
const mm_route *mm_route_find(const char *path, size_t path_size, const char *method, const char **variable,
                              size_t *size, const char **allow);

/* Handlers, each in the file named after it. */
mm_next mm_admit_evaluation(mm_call *call); /* handle_evaluations.c */
mm_next mm_post_evaluation(mm_call *call);
mm_next mm_get_evaluation(mm_call *call);
mm_next mm_get_scores(mm_call *call); /* handle_scores.c */
mm_next mm_get_runs(mm_call *call);   /* handle_runs.c */
mm_next mm_get_run(mm_call *call);
mm_next mm_delete_run(mm_call *call);
mm_next mm_get_run_evaluations(mm_call *call);
mm_next mm_get_compare(mm_call *call);        /* handle_compare.c */
mm_next mm_get_grafana_series(mm_call *call); /* handle_grafana.c */
mm_next mm_get_grafana_latest(mm_call *call);
mm_next mm_get_grafana_best(mm_call *call);
mm_next mm_get_grafana_annotations(mm_call *call);
mm_next mm_get_grafana_runs(mm_call *call);
mm_next mm_get_grafana_splits(mm_call *call);
mm_next mm_get_grafana_classes(mm_call *call);
mm_next mm_get_grafana_scores(mm_call *call);
mm_next mm_get_grafana_confusion(mm_call *call); /* handle_grafana_images.c */
mm_next mm_get_grafana_images(mm_call *call);
mm_next mm_get_grafana_percentiles(mm_call *call);
mm_next mm_get_healthz(mm_call *call); /* handle_health.c; also /livez */
mm_next mm_get_readyz(mm_call *call);
mm_next mm_get_metrics(mm_call *call);
mm_next mm_get_version(mm_call *call);
mm_next mm_get_openapi(mm_call *call);
mm_next mm_get_page(mm_call *call); /* handle_page.c */
mm_next mm_get_page_file(mm_call *call);

#endif
