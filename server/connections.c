/*
 * connections.c - deadlines, clients that left, and a patient close.
 */
#include "server/connections.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/tls.h"

#define LINGERING             64 /* refused uploads that may be on their way out at a time */
#define LINGER_MS             2000
#define IDLE_MS               60000
#define HEADER_MS             10000
#define ANSWER_MS             30000
#define ANSWER_BYTES          131072 /* of an answer that a client takes in that time, or it is cut */
#define BODY_MS               10000
#define BODY_BYTES_PER_SECOND 16384
#define ASK_TICKS             4 /* idle connections are asked for received bytes once a second, in turn */

/* A descriptor of our own on a connection whose owner has closed it. */
typedef struct lingering {
    int fd;
    int64_t until;
} lingering;

struct mm_connections {
    mm_connection *first;
    size_t count;
    unsigned ticks;
    lingering leaving[LINGERING];
    size_t leaving_count;
};

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

mm_status mm_connections_new(mm_connections **out)
{
    mm_connections *connections = calloc(1, sizeof *connections);

    if (connections == NULL)
        return MM_NO_MEMORY;
    *out = connections;
    return MM_OK;
}

void mm_connections_free(mm_connections *connections)
{
    if (connections == NULL)
        return;
    while (connections->leaving_count > 0)
        (void)close(connections->leaving[--connections->leaving_count].fd);
    free(connections);
}

size_t mm_connections_count(const mm_connections *connections)
{
    return connections->count;
}

mm_status mm_connections_add(mm_connection **out, mm_connections *connections, int fd)
{
    mm_connection *connection = calloc(1, sizeof *connection);

    if (connection == NULL)
        return MM_NO_MEMORY;
    connection->fd = fd;
    connection->since = now_ms();
    connection->asked = 1; /* nothing was received yet */
    connection->next = connections->first;
    if (connection->next != NULL)
        connection->next->previous = connection;
    connections->first = connection;
    connections->count++;
    *out = connection;
    return MM_OK;
}

void mm_connection_phase(mm_connection *connection, mm_phase phase)
{
    connection->phase = phase;
    connection->since = now_ms();
    connection->received = 0;
    connection->asked = phase == MM_PHASE_IDLE && connection->tls == NULL;
    connection->bytes = connection->consumed;
}

/* ------------------------------------------------------------- patient close */

/* Reads and drops what has arrived.  1 when the client is done or gone. */
static int discard(int fd)
{
    char bytes[16384];
    size_t total = 0;
    ssize_t size;

    do {
        size = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        total += size > 0 ? (size_t)size : 0;
    } while (size > 0 && total < (16U << 20));
    return size == 0;
}

/* Closing a socket with unread bytes resets the connection, and the reset may overtake the answer that says why the
 * body was refused.  So the end of our side is sent, and what the client still sends is dropped for a while. */
static void linger(mm_connections *connections, int fd)
{
    int own;

    if (connections->leaving_count == LINGERING)
        return;
    own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return;
    (void)shutdown(own, SHUT_WR);
    if (discard(own))
        (void)close(own);
    else
        connections->leaving[connections->leaving_count++] = (lingering){own, now_ms() + LINGER_MS};
}

static void tick_lingering(mm_connections *connections, int64_t now)
{
    for (size_t i = 0; i < connections->leaving_count;) {
        if (!discard(connections->leaving[i].fd) && now < connections->leaving[i].until) {
            i++;
            continue;
        }
        (void)close(connections->leaving[i].fd);
        connections->leaving[i] = connections->leaving[--connections->leaving_count];
    }
}

static int has_unread(const mm_connection *connection)
{
    int unread = 0;

    return (ioctl(connection->fd, FIONREAD, &unread) == 0 && unread > 0) ||
           (connection->tls != NULL && mm_tls_pending(connection->tls) > 0);
}

void mm_connections_remove(mm_connections *connections, mm_connection *connection)
{
    if (connection->patient || has_unread(connection))
        linger(connections, connection->fd);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        connections->first = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    connections->count--;
    free(connection);
}

/* ---------------------------------------------------------------- deadlines */

static void cut(mm_connection *connection)
{
    (void)shutdown(connection->fd, SHUT_RDWR);
}

/* The parser has no way to answer here; nothing else was written for this request.  Under TLS plain bytes would be
 * noise: the connection just ends. */
static void cut_with_408(mm_connection *connection)
{
    static const char text[] = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
                               "Content-Type: application/problem+json\r\nContent-Length: 107\r\n\r\n"
                               "{\"type\":\"about:blank\",\"title\":\"Request Timeout\",\"status\":408,"
                               "\"detail\":\"the request did not arrive in time\"}";

    if (connection->tls == NULL)
        (void)send(connection->fd, text, sizeof text - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    cut(connection);
}

static int ask_tcp(const mm_connection *connection, struct tcp_info *info)
{
    socklen_t size = sizeof *info;

    return getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0;
}

/* The first bytes of a request do not show otherwise: the parser reports a whole request line.  They may have come with
 * the request before; under TLS, where what TCP has received cannot be compared with what the parser has read, such a
 * beginning counts as idle until more of it comes. */
static void ask_idle(mm_connection *connection, int64_t now)
{
    struct tcp_info info = {0};

    if (!ask_tcp(connection, &info))
        return;
    if (connection->asked && info.tcpi_bytes_received > connection->bytes) {
        connection->phase = MM_PHASE_HEADER;
        connection->since = now;
    }
    connection->bytes = info.tcpi_bytes_received;
    connection->asked = 1;
}

/* Has the client, since it was last asked, taken too little?  What counts is what it has acknowledged. */
static int is_stuck(mm_connection *connection, int64_t now)
{
    const int late = now - connection->since > ANSWER_MS;
    struct tcp_info info = {0};

    if ((connection->asked && !late) || !ask_tcp(connection, &info))
        return 0;
    if (connection->asked && info.tcpi_bytes_acked - connection->bytes < ANSWER_BYTES)
        return 1;
    if (late)
        connection->since = now;
    connection->bytes = info.tcpi_bytes_acked;
    connection->asked = 1;
    return 0;
}

/* The client's end has come, or a reset.  TCP does not tell a client that is gone from one that only says that it sends
 * no more; since nearly all are gone, nobody waits for the answer. */
static int has_ended(const mm_connection *connection)
{
    struct pollfd poll_one = {connection->fd, POLLRDHUP, 0};

    return poll(&poll_one, 1, 0) > 0;
}

/* Left with half a request: no unread byte, here or in TLS, could complete it. */
static int has_left(const mm_connection *connection)
{
    return has_ended(connection) && !has_unread(connection);
}

static void tick_one(mm_connection *connection, int64_t now, int ask)
{
    const int64_t age = now - connection->since;

    switch (connection->phase) {
    case MM_PHASE_IDLE:
        if (age > IDLE_MS || (ask && has_left(connection)))
            cut(connection);
        else if (ask)
            ask_idle(connection, now);
        break;
    case MM_PHASE_HEADER:
        if (has_left(connection))
            cut(connection);
        else if (age > HEADER_MS)
            cut_with_408(connection);
        break;
    case MM_PHASE_BODY:
        if (has_left(connection))
            cut(connection);
        else if (age > BODY_MS + (int64_t)(connection->received * 1000 / BODY_BYTES_PER_SECOND))
            cut_with_408(connection);
        break;
    case MM_PHASE_WORKING:
        if (!atomic_load(&connection->gone) && has_ended(connection))
            atomic_store(&connection->gone, 1);
        break;
    case MM_PHASE_ANSWERING:
        if (is_stuck(connection, now))
            cut(connection);
        break;
    }
}

void mm_connections_tick(mm_connections *connections)
{
    const int64_t now = now_ms();
    const unsigned turn = ++connections->ticks % ASK_TICKS;

    for (mm_connection *c = connections->first; c != NULL; c = c->next)
        tick_one(c, now, (unsigned)c->fd % ASK_TICKS == turn);
    tick_lingering(connections, now);
}

void mm_connections_cut(mm_connections *connections, mm_phase phase)
{
    for (mm_connection *c = connections->first; c != NULL; c = c->next)
        if (c->phase == phase)
            cut(c);
}
