/*
 * http_request.h - a request as http.c and http_head.c know it: what both need, and nobody else.
 */
#ifndef MM_HTTP_REQUEST_H
#define MM_HTTP_REQUEST_H

#include <microhttpd.h>

#include "server/admission.h"
#include "server/body.h"
#include "server/connections.h"
#include "server/http.h"
#include "server/http_check.h"
#include "server/tls.h"
#include "server/visitors.h"

#define MM_ID_BYTES 16

/* Where a request stands; see on_request(). */
typedef enum mm_http_stage { MM_AT_HEADERS, MM_IN_BODY, MM_WAITING, MM_ANSWERED } mm_http_stage;

typedef struct mm_http_request {
    mm_call call; /* first: a handler's mm_call is the mm_http_request */
    mm_post ready;
    mm_http *http;
    mm_connection *connection;
    struct MHD_Connection *mhd;
    mm_http_stage stage;
    int64_t began, body_began; /* ns */
    mm_heads heads;
    mm_token token;   /* call.token, once it is known */
    int cross_origin; /* from a page of the origin that may */

    mm_body body;
    mm_claim claim; /* of the memory budget; opened when the first is wanted */
    char target[];  /* as the client sent it */
} mm_http_request;

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
    unsigned char random[MM_ID_BYTES * 16];
    size_t random_left;
};

/* Everything that can be known before the body: headers, route, token, parameters, and room for the body.
 * 0: call.answer is set. */
int mm_http_admit(mm_http_request *r, const char *method, const char *version);
/* Whose the memory is: of the token, or of whoever is at that address. */
mm_claim *mm_http_claim(mm_http_request *r);

#endif
