/*
 * http.h - requests in and answers out: libmicrohttpd, driven by the loop.
 *
 * Everything here belongs to the thread of the loop.
 */
#ifndef MM_HTTP_H
#define MM_HTTP_H

#include "server/routes.h"

typedef struct mm_http mm_http;

/* What the parser of a connection may hold: headers, then pieces of the body of half of it.  Measured: an upload of
 * 272 MiB runs at 2.75 GB/s with 128 KiB and more, at 1.9 with 64, while a small request pays 2 us for clearing it. */
#define MM_CONNECTION_MEMORY ((size_t)128 << 10)

typedef struct mm_http_options {
    int listen_fd;             /* taken over, also on failure */
    const char *local_address; /* as a Host header spells it, when bound to loopback; else NULL */
    unsigned max_connections, max_per_address;
    const struct mm_networks *trusted; /* proxies whose X-Forwarded-For counts; stays */
    struct mm_tls *tls;                /* NULL: plain; stays */
} mm_http_options;

mm_status mm_http_new(mm_http **out, mm_server *server, const mm_http_options *options);
/* No request may be in flight (mm_http_quiesce).  NULL is fine. */
void mm_http_free(mm_http *http);

/* Accepts no more.  Calls done(context), once, when no request is in flight. */
void mm_http_quiesce(mm_http *http, void (*done)(void *context), void *context);
/* Cuts the connections that are still receiving a request or an answer; what is being computed ends by itself. */
void mm_http_hurry(mm_http *http);

#endif
