/*
 * connections.h - the live connections: deadlines, clients that left, and a patient close.
 *
 * libmicrohttpd 0.9.75 knows only a time of inactivity and misses some clients that leave in the middle of an upload,
 * so all of that is done here, on the descriptors, by a timer of the loop.
 */
#ifndef MM_CONNECTIONS_H
#define MM_CONNECTIONS_H

#include <stdatomic.h>

#include "server/ip.h"

/* What a connection is doing; each has its deadline. */
typedef enum mm_phase {
    MM_PHASE_IDLE,     /* between requests: 60 s */
    MM_PHASE_HEADER,   /* a request has begun: 10 s */
    MM_PHASE_BODY,     /* 10 s and 1 s for each 16 KiB that arrived */
    MM_PHASE_WORKING,  /* ours: none */
    MM_PHASE_ANSWERING /* 30 s for each 128 KiB that the client takes */
} mm_phase;

typedef struct mm_connection {
    struct mm_connection *next, *previous;
    struct mm_tls_end *tls; /* NULL: plain */
    mm_ip address;          /* of the other end */
    int fd;
    void *request; /* the owner's: what is going on here, or NULL */
    mm_phase phase;
    int64_t since;     /* ms, when the phase began */
    uint64_t received; /* bytes of the body so far */
    uint64_t consumed; /* bytes of all requests so far, as the parser tells */
    uint64_t bytes;    /* what TCP had received (idle), or the client had taken (answering), when it was last asked */
    int asked;         /* `bytes` is valid */
    int patient;       /* refused before its body was read: close so that the answer arrives */
    atomic_int gone;   /* the client has left while we were working; read by any thread */
} mm_connection;

typedef struct mm_connections mm_connections;

#define MM_CONNECTIONS_TICK 250 /* ms between calls of mm_connections_tick() */

mm_status mm_connections_new(mm_connections **out);
void mm_connections_free(mm_connections *connections); /* NULL is fine */
size_t mm_connections_count(const mm_connections *connections);

mm_status mm_connections_add(mm_connection **out, mm_connections *connections, int fd);
/* Before the descriptor is closed by its owner. */
void mm_connections_remove(mm_connections *connections, mm_connection *connection);
void mm_connection_phase(mm_connection *connection, mm_phase phase);
/* Cuts what is late, and who left in the middle of an upload. */
void mm_connections_tick(mm_connections *connections);
/* Cuts every connection in that phase. */
void mm_connections_cut(mm_connections *connections, mm_phase phase);

#endif
