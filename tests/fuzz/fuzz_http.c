/*
 * fuzz_http.c - libFuzzer: any bytes on a connection to the whole server, in pieces of any size.
 *
 * The server runs on a thread of its own, with a history in memory and no log.  What comes back is a row of whole
 * answers, at most one for each head that was sent, and afterwards the server still says that it is well.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/address.h"
#include "server/admission.h"
#include "server/compute.h"
#include "server/config.h"
#include "server/history.h"
#include "server/http.h"
#include "server/ip.h"
#include "server/plans.h"
#include "server/stats.h"
#include "tests/fuzz/target.h"
#include "tests/wire_tools.h"

#define ANSWER_BYTES ((size_t)4 << 20) /* more is not read */
#define MOST_PIECES  8
#define PATIENCE_MS  20000
#define SILENCE_MS   50 /* libmicrohttpd 0.9.75 misses some clients' ends, so the answers' end is not always seen */
#define MAX_ROUTES   64

static struct sockaddr_in server_address;
static char folder[] = "/dev/shm/maskmeter-fuzz-XXXXXX";
static char answer[ANSWER_BYTES + 1];

/* ------------------------------------------------------------------- server */

static void remove_folder(void)
{
    char command[sizeof folder + 16];

    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    demand(system(command) == 0);
}

static void *run_loop(void *loop)
{
    mm_loop_run(loop);
    return NULL;
}

static mm_config *configure(void)
{
    static char name[] = "maskmeter", memory[] = "--memory=64MiB", requests[] = "--log-requests=false";
    char *arguments[] = {name, memory, requests, NULL}, *environment[] = {NULL}, text[512];
    mm_config *config = NULL;

    demand(mm_config_read(&config, 3, arguments, environment, text, sizeof text) == MM_OK);
    return config;
}

static void start_parts(mm_server *server)
{
    static const char *names[MAX_ROUTES];
    const mm_config *config = configure();

    for (size_t i = 0; i < mm_route_count && i < MAX_ROUTES; i++)
        names[i] = mm_routes[i].pattern;
    server->config = config;
    server->loop_scratch = aligned_alloc(64, MM_SCRATCH_BYTES);
    server->plans = mm_plans_new();
    demand(server->loop_scratch != NULL && server->plans != NULL && mkdtemp(folder) != NULL);
    (void)atexit(remove_folder);
    demand(mm_loop_new(&server->loop) == MM_OK && mm_tokens_new(&server->tokens) == MM_OK);
    demand(mm_history_open(&server->history, folder, NULL) == MM_STORE_OK);
    demand(mm_stats_new(&server->stats, names, mm_route_count) == MM_OK);
    demand(mm_admission_new(&server->admission, (size_t)config->memory) == MM_OK);
    demand(mm_compute_start(&server->compute, 1) == MM_OK);
}

/* Once: it runs until the process ends. */
static void start_server(void)
{
    static mm_server server;
    static mm_http *http;
    mm_networks *trusted = NULL;
    mm_problem problem;
    socklen_t size = sizeof server_address;
    const mm_status known = mm_networks_new(&trusted, "127.0.0.1", &problem);
    const int fd = mm_address_listen("127.0.0.1:0", &problem);
    const mm_http_options options = {.listen_fd = fd,
                                     .local_address = "127.0.0.1",
                                     .max_connections = 64,
                                     .max_per_address = 64,
                                     .trusted = trusted};
    pthread_t thread;

    (void)signal(SIGPIPE, SIG_IGN);
    demand(fd >= 0 && known == MM_OK && getsockname(fd, (struct sockaddr *)&server_address, &size) == 0);
    start_parts(&server);
    demand(mm_http_new(&http, &server, &options) == MM_OK);
    demand(pthread_create(&thread, NULL, run_loop, server.loop) == 0);
}

/* ------------------------------------------------------------------- client */

static int connect_to_server(unsigned patience_ms)
{
    const struct timeval patience = {patience_ms / 1000, patience_ms % 1000 * 1000};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    demand(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    demand(connect(fd, (const struct sockaddr *)&server_address, sizeof server_address) == 0);
    return fd;
}

/* In up to MOST_PIECES pieces; the server may close before it has read all. */
static void send_pieces(int fd, const uint8_t *data, size_t size, uint64_t seed)
{
    for (unsigned pieces = 1 + wire_random(&seed) % MOST_PIECES; size > 0; pieces--) {
        const size_t step = pieces <= 1 ? size : 1 + wire_random(&seed) % size;

        if (send(fd, data, step, MSG_NOSIGNAL) != (ssize_t)step)
            return;
        data += step;
        size -= step;
    }
}

/* Everything up to the end, or to a silence.  No trace of the connection is left to wait for. */
static size_t receive_all(int fd)
{
    const struct linger at_once = {1, 0};
    size_t size = 0;
    ssize_t got;

    do {
        got = recv(fd, answer + size, ANSWER_BYTES - size, 0);
        size += got > 0 ? (size_t)got : 0;
    } while (size < ANSWER_BYTES && (got > 0 || (got < 0 && errno == EINTR))); /* libFuzzer's clock interrupts */
    demand(got >= 0 || errno == ECONNRESET || errno == EPIPE || errno == EAGAIN);
    answer[size] = '\0';
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)close(fd);
    return size;
}

/* ------------------------------------------------------------------- judging */

/* Ends of lines that are followed by an empty one: no request is without. */
static size_t count_heads(const uint8_t *data, size_t size)
{
    size_t count = 0;

    for (size_t i = 0; i + 1 < size; i++)
        count += data[i] == '\n' && (data[i + 1] == '\n' || data[i + 1] == ':' ||
                                     (data[i + 1] == '\r' && i + 2 < size && data[i + 2] == '\n'));
    return count;
}

/* The number behind a field's name, within a head that ends with NUL. */
static size_t number_of(const char *head, const char *field)
{
    const char *at = strcasestr(head, field);

    return at != NULL ? strtoul(at + strlen(field), NULL, 10) : 0;
}

/* Passes one whole answer; its status, 0 when the connection was cut inside it. */
static int pass_answer(char **at, const char *end, int has_body)
{
    char *stop = strstr(*at, "\r\n\r\n");
    const int status = strncmp(*at, "HTTP/1.1 ", 9) == 0 || strncmp(*at, "HTTP/1.0 ", 9) == 0 ? atoi(*at + 9) : 0;
    size_t length;

    demand(status >= 100 && status <= 599);
    if (stop == NULL)
        return 0;
    *stop = '\0';
    length = has_body && status >= 200 && status != 204 && status != 304 ? number_of(*at, "\r\nContent-Length:") : 0;
    stop += 4;
    if (length > (size_t)(end - stop))
        return 0;
    *at = stop + length;
    return status;
}

/* Whole answers and perhaps a cut one, for at most so many heads.  What HEAD asks for comes without its body, and the
 * library itself may send the head of a malformed Content-Length's 400 twice: after one of these nothing is judged. */
static void check_answers(char *at, const char *end, size_t heads, int judged)
{
    size_t count = 0;

    while (judged && at < end) {
        const int status = pass_answer(&at, end, 1);

        count += status >= 200;
        if (status == 0 || status == 400)
            break;
    }
    demand(count <= heads + 1); /* one head may be refused before its end */
}

static void check_health(void)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    const int fd = connect_to_server(PATIENCE_MS);

    demand(send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1);
    demand(receive_all(fd) > 0 && strncmp(answer, "HTTP/1.1 200 ", 13) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int started = 0;
    size_t got;
    int fd;

    if (!started)
        start_server();
    started = 1;
    fd = connect_to_server(SILENCE_MS);
    send_pieces(fd, data, size, fuzz_hash(data, size) | 1);
    (void)shutdown(fd, SHUT_WR);
    got = receive_all(fd);
    check_answers(answer, answer + got, count_heads(data, size), memmem(data, size, "HEAD", 4) == NULL);
    check_health();
    return 0;
}

/* ------------------------------------------------------------------- mutator */

/* Makes the first Content-Length, where it has digits enough, the number of bytes behind the first head. */
static void repair_length(uint8_t *data, size_t size)
{
    static const char field[] = "Content-Length: ";
    uint8_t *at = memmem(data, size, field, sizeof field - 1), *end = memmem(data, size, "\r\n\r\n", 4);
    size_t digits = 0, length;

    if (at == NULL || end == NULL || at > end)
        return;
    at += sizeof field - 1;
    while (at + digits < end && at[digits] >= '0' && at[digits] <= '9')
        digits++;
    length = (size_t)(data + size - end) - 4;
    while (digits > 0) {
        at[--digits] = (uint8_t)('0' + length % 10);
        length /= 10;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 8 != 0)
        repair_length(data, size);
    return size;
}
