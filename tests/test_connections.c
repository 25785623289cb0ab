/*
 * test_connections.c - clients that left, clients that dawdle, and the patient close.
 */
#include "tests/suites.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/address.h"
#include "server/connections.h"

/* Both ends of a TCP connection, the server's in a table. */
typedef struct ends {
    mm_connections *table;
    mm_connection *connection;
    int client, server;
} ends;

static void open_ends(ends *e)
{
    mm_problem problem;
    char text[64];
    const int listener = mm_address_listen("127.0.0.1:0", &problem);
    struct pollfd wait = {listener, POLLIN, 0};

    *e = (ends){0};
    CU_ASSERT_TRUE_FATAL(listener >= 0);
    mm_address_text(listener, text);
    e->client = mm_address_connect(text, 5, &problem);
    CU_ASSERT_TRUE_FATAL(e->client >= 0);
    CU_ASSERT_EQUAL(poll(&wait, 1, 5000), 1);
    e->server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    CU_ASSERT_TRUE_FATAL(e->server >= 0);
    (void)close(listener);
    CU_ASSERT_EQUAL_FATAL(mm_connections_new(&e->table), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_connections_add(&e->connection, e->table, e->server), MM_OK);
    CU_ASSERT_EQUAL(mm_connections_count(e->table), 1);
}

/* What a daemon does when it closes a connection. */
static void close_server(ends *e)
{
    mm_connections_remove(e->table, e->connection);
    (void)close(e->server);
    CU_ASSERT_EQUAL(mm_connections_count(e->table), 0);
}

static void close_ends(ends *e)
{
    if (e->client >= 0)
        (void)close(e->client);
    mm_connections_free(e->table);
}

/* Has the server's end been shut down, so that its owner reads the end? */
static int is_cut(const ends *e)
{
    struct pollfd one = {e->server, POLLRDHUP, 0};

    return poll(&one, 1, 0) == 1 && (one.revents & POLLHUP) != 0;
}

/* What arrives at the client until the end, or an error. */
static ssize_t receive(ends *e, char *text, size_t size)
{
    size_t filled = 0;
    ssize_t n;

    while (filled < size - 1 && (n = recv(e->client, text + filled, size - 1 - filled, 0)) != 0) {
        if (n < 0)
            return -1;
        filled += (size_t)n;
    }
    text[filled] = '\0';
    return (ssize_t)filled;
}

static void wait_for_end(const ends *e)
{
    struct pollfd one = {e->server, POLLRDHUP, 0};

    CU_ASSERT_EQUAL(poll(&one, 1, 5000), 1);
}

/* A client that leaves in the middle of a request is cut, but not before its last bytes have been read. */
static void test_leaver_in(mm_phase phase)
{
    ends e;
    char bytes[16];

    open_ends(&e);
    mm_connection_phase(e.connection, phase);
    mm_connections_tick(e.table);
    CU_ASSERT_FALSE(is_cut(&e));
    CU_ASSERT_EQUAL(send(e.client, "abc", 3, 0), 3);
    (void)close(e.client);
    e.client = -1;
    wait_for_end(&e);
    mm_connections_tick(e.table);
    CU_ASSERT_FALSE(is_cut(&e));
    CU_ASSERT_EQUAL(recv(e.server, bytes, sizeof bytes, 0), 3);
    mm_connections_tick(e.table);
    CU_ASSERT_TRUE(is_cut(&e));
    close_server(&e);
    close_ends(&e);
}

static void test_leaver(void)
{
    test_leaver_in(MM_PHASE_HEADER);
    test_leaver_in(MM_PHASE_BODY);
}

/* A client that ends its side, or resets, is gone; it is told to whoever works, and stays so. */
static void test_leaving_while_working(void)
{
    static const struct linger ways[] = {{0, 0}, {1, 0}};

    for (size_t i = 0; i < 2; i++) {
        ends e;

        open_ends(&e);
        mm_connection_phase(e.connection, MM_PHASE_WORKING);
        CU_ASSERT_EQUAL(send(e.client, "GET", 3, 0), 3); /* of the next request */
        mm_connections_tick(e.table);
        CU_ASSERT_FALSE(atomic_load(&e.connection->gone));
        CU_ASSERT_EQUAL(setsockopt(e.client, SOL_SOCKET, SO_LINGER, &ways[i], sizeof ways[i]), 0);
        (void)close(e.client);
        e.client = -1;
        wait_for_end(&e);
        mm_connections_tick(e.table);
        CU_ASSERT_TRUE(atomic_load(&e.connection->gone));
        CU_ASSERT_FALSE(is_cut(&e) && i == 0); /* its owner closes it, with the answer that nobody reads */
        mm_connections_tick(e.table);
        CU_ASSERT_TRUE(atomic_load(&e.connection->gone));
        close_server(&e);
        close_ends(&e);
    }
}

/* Takes `size` bytes of an answer that is sent now, until they are acknowledged. */
static void take(ends *e, size_t size)
{
    static char bytes[65536];
    size_t taken = 0;
    ssize_t n;

    while (taken < size) {
        CU_ASSERT_TRUE_FATAL(send(e->server, bytes, sizeof bytes, 0) > 0);
        n = recv(e->client, bytes, sizeof bytes, MSG_WAITALL);
        CU_ASSERT_TRUE_FATAL(n > 0);
        taken += (size_t)n;
    }
}

/* A client that takes 128 KiB in each 30 s may take as long as it likes; one that takes less is cut. */
static void test_slow_reader(void)
{
    ends e;

    open_ends(&e);
    mm_connection_phase(e.connection, MM_PHASE_ANSWERING);
    mm_connections_tick(e.table);
    for (int i = 0; i < 4; i++) {
        take(&e, 196608);
        e.connection->since -= 30500;
        mm_connections_tick(e.table);
        CU_ASSERT_FALSE(is_cut(&e));
    }
    take(&e, 65536);
    mm_connections_tick(e.table);
    CU_ASSERT_FALSE(is_cut(&e));
    e.connection->since -= 30500;
    mm_connections_tick(e.table);
    CU_ASSERT_TRUE(is_cut(&e));
    close_server(&e);
    close_ends(&e);
}

/* Under TLS nothing is written that the library has not encrypted. */
static void test_sealed(void)
{
    char text[16];
    ends e;

    open_ends(&e);
    e.connection->tls = (void *)&e; /* any */
    mm_connection_phase(e.connection, MM_PHASE_HEADER);
    e.connection->since -= 10500;
    mm_connections_tick(e.table);
    CU_ASSERT_TRUE(is_cut(&e));
    CU_ASSERT_EQUAL(receive(&e, text, sizeof text), 0);
    e.connection->tls = NULL;
    close_server(&e);
    close_ends(&e);
}

/* Each phase has its deadline; the clock is turned back by moving the phase's beginning. */
static void test_deadlines(void)
{
    static const struct {
        mm_phase phase;
        int64_t seconds;
        int answers_408;
    } cases[] = {{MM_PHASE_IDLE, 60, 0}, {MM_PHASE_HEADER, 10, 1}, {MM_PHASE_BODY, 10, 1}, {MM_PHASE_ANSWERING, 30, 0}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        ends e;

        open_ends(&e);
        mm_connection_phase(e.connection, cases[i].phase);
        mm_connections_tick(e.table);
        e.connection->since -= cases[i].seconds * 1000 - 500;
        mm_connections_tick(e.table);
        CU_ASSERT_FALSE(is_cut(&e));
        e.connection->since -= 1000;
        mm_connections_tick(e.table);
        CU_ASSERT_TRUE(receive(&e, text, sizeof text) >= 0);
        CU_ASSERT_EQUAL(strncmp(text, "HTTP/1.1 408 ", 13) == 0, cases[i].answers_408);
        if (cases[i].answers_408) {
            const char *length = strstr(text, "Content-Length: "), *body = strstr(text, "\r\n\r\n");

            CU_ASSERT_TRUE(length != NULL && body != NULL && strlen(body + 4) == strtoul(length + 16, NULL, 10));
        }
        close_server(&e);
        close_ends(&e);
    }
}

/* 16 KiB a second keep an upload alive, and working has no deadline. */
static void test_rates(void)
{
    ends e;

    open_ends(&e);
    mm_connection_phase(e.connection, MM_PHASE_BODY);
    e.connection->since -= 100000;
    e.connection->received = 91 * 16384;
    mm_connections_tick(e.table);
    CU_ASSERT_FALSE(is_cut(&e));
    mm_connection_phase(e.connection, MM_PHASE_WORKING);
    CU_ASSERT_EQUAL(e.connection->received, 0);
    e.connection->since -= 10000000;
    mm_connections_tick(e.table);
    CU_ASSERT_FALSE(is_cut(&e));
    mm_connection_phase(e.connection, MM_PHASE_BODY);
    e.connection->since -= 100000;
    e.connection->received = 89 * 16384;
    mm_connections_tick(e.table);
    CU_ASSERT_TRUE(is_cut(&e));
    close_server(&e);
    close_ends(&e);
}

/* Bytes that begin a request start its deadline, although no parser has reported them. */
static void test_first_bytes(void)
{
    struct pollfd one;
    ends e;

    open_ends(&e);
    for (int i = 0; i < 8; i++)
        mm_connections_tick(e.table);
    CU_ASSERT_EQUAL(e.connection->phase, MM_PHASE_IDLE);
    CU_ASSERT_EQUAL(send(e.client, "GE", 2, 0), 2);
    one = (struct pollfd){e.server, POLLIN, 0};
    CU_ASSERT_EQUAL(poll(&one, 1, 5000), 1);
    for (int i = 0; i < 8; i++)
        mm_connections_tick(e.table);
    CU_ASSERT_EQUAL(e.connection->phase, MM_PHASE_HEADER);
    close_server(&e);
    close_ends(&e);
}

/* So do those that came together with the request before, of which the parser has read the rest. */
static void test_leftover(void)
{
    for (uint64_t consumed = 3; consumed <= 4; consumed++) {
        struct pollfd one;
        ends e;

        open_ends(&e);
        CU_ASSERT_EQUAL(send(e.client, "ABCD", 4, 0), 4);
        one = (struct pollfd){e.server, POLLIN, 0};
        CU_ASSERT_EQUAL(poll(&one, 1, 5000), 1);
        e.connection->consumed = consumed;
        mm_connection_phase(e.connection, MM_PHASE_IDLE);
        for (int i = 0; i < 8; i++)
            mm_connections_tick(e.table);
        CU_ASSERT_EQUAL(e.connection->phase, consumed == 4 ? MM_PHASE_IDLE : MM_PHASE_HEADER);
        close_server(&e);
        close_ends(&e);
    }
}

/* The answer to a refused upload arrives although the client is still sending. */
static void test_patient_close(void)
{
    static char bytes[100000];
    char text[64];
    ends e;

    open_ends(&e);
    CU_ASSERT_EQUAL(send(e.client, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    CU_ASSERT_EQUAL(send(e.server, "refused", 7, 0), 7);
    e.connection->patient = 1;
    close_server(&e);
    CU_ASSERT_EQUAL(send(e.client, bytes, sizeof bytes, MSG_NOSIGNAL), (ssize_t)sizeof bytes);
    mm_connections_tick(e.table);
    CU_ASSERT_EQUAL(receive(&e, text, sizeof text), 7);
    CU_ASSERT_STRING_EQUAL(text, "refused");
    close_ends(&e);
}

static void test_cut_phase(void)
{
    ends e;

    open_ends(&e);
    mm_connections_cut(e.table, MM_PHASE_BODY);
    CU_ASSERT_FALSE(is_cut(&e));
    mm_connections_cut(e.table, MM_PHASE_IDLE);
    CU_ASSERT_TRUE(is_cut(&e));
    close_server(&e);
    close_ends(&e);
    mm_connections_free(NULL);
}

static void test_list(void)
{
    mm_connections *table = NULL;
    mm_connection *all[3];

    CU_ASSERT_EQUAL_FATAL(mm_connections_new(&table), MM_OK);
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL_FATAL(mm_connections_add(&all[i], table, -1), MM_OK);
    mm_connections_remove(table, all[1]);
    mm_connections_remove(table, all[2]);
    CU_ASSERT_EQUAL(mm_connections_count(table), 1);
    mm_connections_tick(table);
    mm_connections_remove(table, all[0]);
    CU_ASSERT_EQUAL(mm_connections_count(table), 0);
    mm_connections_free(table);
}

static CU_TestInfo tests[] = {
    {"a client that leaves mid-upload", test_leaver},
    {"a client that leaves while we work", test_leaving_while_working},
    {"deadlines", test_deadlines},
    {"slow readers", test_slow_reader},
    {"nothing in clear under TLS", test_sealed},
    {"slow uploads", test_rates},
    {"the first bytes of a request", test_first_bytes},
    {"what is left of a request", test_leftover},
    {"a patient close", test_patient_close},
    {"cutting a phase", test_cut_phase},
    {"the list", test_list},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_connections = {"connections", tests};
