/*
 * client.c - uploads one body again and again, to several servers in turn, from memory that is warm.
 *
 * usage: client BODY CONNECTIONS SECONDS ROUNDS URL...
 *
 * In each round every URL (http://HOST:PORT/TARGET) gets its turn: CONNECTIONS connections that are kept alive send the
 * body and wait for the answer, over and over until SECONDS have passed; with 0 seconds each does so once.  One more
 * round, number 0, warms up, in a quarter of the time.  An answer other than 200 ends everything.  Prints a line per
 * round and URL: the round, the number of the URL, how many answers came, and in how many seconds; at the end the last
 * answer of each URL.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_CONNECTIONS 64
#define MOST_URLS        8
#define MOST_HEAD        2048
#define MOST_ANSWER      ((size_t)64 << 10)

typedef struct endpoint {
    char *request; /* owned: head and body */
    size_t size;
    struct pollfd connections[MOST_CONNECTIONS];
    char *answers; /* owned: MOST_ANSWER per connection */
    size_t filled[MOST_CONNECTIONS];
} endpoint;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "client: %s: %s\n", what, why);
    return 0;
}

/* ------------------------------------------------------------------ making */

static int connect_all(endpoint *e, const char *host, const char *port, size_t count)
{
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const int yes = 1;
    int fine = getaddrinfo(host, port, &hints, &found) == 0;

    for (size_t i = 0; i < count && fine; i++) {
        const int connection = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        fine = connection >= 0 && connect(connection, found->ai_addr, found->ai_addrlen) == 0;
        if (fine)
            setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        e->connections[i] = (struct pollfd){.fd = connection, .events = POLLIN};
    }
    if (found != NULL)
        freeaddrinfo(found);
    return fine || fail(host, strerror(errno));
}

static int prepare(endpoint *e, const char *url, const char *body, size_t body_size, size_t count)
{
    char host[256], port[8];
    int used = 0;

    e->request = malloc(MOST_HEAD + body_size);
    e->answers = malloc(count * MOST_ANSWER);
    if (e->request == NULL || e->answers == NULL)
        return fail(url, "out of memory");
    if (sscanf(url, "http://%255[^:]:%7[0-9]%n", host, port, &used) != 2 || url[used] != '/' || strlen(url) > 1024)
        return fail(url, "is not http://HOST:PORT/TARGET");
    e->size = (size_t)snprintf(e->request, MOST_HEAD,
                               "POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/x-safetensors\r\n"
                               "Content-Length: %zu\r\n\r\n",
                               url + used, host, port, body_size);
    memcpy(e->request + e->size, body, body_size);
    e->size += body_size;
    return connect_all(e, host, port, count);
}

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    long length = -1;

    if (file != NULL && fseek(file, 0, SEEK_END) == 0 && (length = ftell(file)) > 0) {
        rewind(file);
        bytes = malloc((size_t)length);
    }
    if (bytes == NULL || fread(bytes, 1, (size_t)length, file) != (size_t)length) {
        (void)fail(path, "cannot be read");
        free(bytes);
        bytes = NULL;
    }
    if (file != NULL)
        fclose(file);
    *size = (size_t)length;
    return bytes;
}

/* --------------------------------------------------------------- exchanging */

static int send_request(const endpoint *e, size_t i)
{
    for (size_t sent = 0; sent < e->size;) {
        const ssize_t now_sent = send(e->connections[i].fd, e->request + sent, e->size - sent, MSG_NOSIGNAL);

        if (now_sent < 0 && errno == EINTR)
            continue;
        if (now_sent <= 0)
            return fail("send", strerror(errno));
        sent += (size_t)now_sent;
    }
    return 1;
}

/* Bytes of the whole answer that begins with these, 0: its head is not complete. */
static size_t answer_size(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "\r\ncontent-length:");

    if (end == NULL)
        return 0;
    return (size_t)(end + 4 - answer) + (length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0);
}

/* 1: the answer is whole and good; 0: more to come; -1: it is over. */
static int receive(endpoint *e, size_t i)
{
    char *answer = e->answers + i * MOST_ANSWER;
    const ssize_t got = recv(e->connections[i].fd, answer + e->filled[i], MOST_ANSWER - 1 - e->filled[i], MSG_DONTWAIT);
    size_t size;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0) {
        (void)fail("recv", got == 0 ? "the server has closed, or says too much" : strerror(errno));
        return -1;
    }
    e->filled[i] += (size_t)got;
    answer[e->filled[i]] = '\0';
    size = answer_size(answer);
    if (size == 0 || e->filled[i] < size)
        return 0;
    e->filled[i] = 0;
    if (strncmp(answer, "HTTP/1.1 200", 12) == 0)
        return 1;
    (void)fail("answer", answer);
    return -1;
}

/* One turn: *count answers.  0: it failed. */
static int exchange(endpoint *e, size_t connections, double seconds, size_t *count)
{
    const double end = now() + seconds;
    size_t waiting = connections;

    *count = 0;
    for (size_t i = 0; i < connections; i++)
        if (!send_request(e, i))
            return 0;
    while (waiting > 0) {
        if (poll(e->connections, connections, 120000) <= 0)
            return fail("poll", "no answer within two minutes");
        for (size_t i = 0; i < connections; i++) {
            const int got = e->connections[i].revents != 0 ? receive(e, i) : 0;

            if (got < 0)
                return 0;
            if (got == 0)
                continue;
            ++*count;
            if (seconds == 0.0 || now() >= end)
                waiting--;
            else if (!send_request(e, i))
                return 0;
        }
    }
    return 1;
}

static int run(endpoint *endpoints, size_t urls, size_t connections, double seconds, size_t rounds)
{
    for (size_t round = 0; round <= rounds; round++)
        for (size_t u = 0; u < urls; u++) {
            const double since = now();
            size_t count;

            if (!exchange(&endpoints[u], connections, round == 0 ? 0.25 * seconds : seconds, &count))
                return 0;
            printf("%zu %zu %zu %.9f\n", round, u, count, now() - since);
        }
    return 1;
}

/* The body of the last answer on the first connection, which is one line of JSON or nothing. */
static void print_answer(const endpoint *e)
{
    const char *body = strstr(e->answers, "\r\n\r\n");

    printf("%.*s\n", (int)strcspn(body + 4, "\n"), body + 4);
}

int main(int argc, char **argv)
{
    static endpoint endpoints[MOST_URLS];
    const size_t urls = argc > 5 ? (size_t)argc - 5 : 0;
    const size_t connections = urls > 0 ? strtoul(argv[2], NULL, 10) : 0;
    size_t size = 0;
    char *body;
    int fine;

    if (urls == 0 || urls > MOST_URLS || connections == 0 || connections > MOST_CONNECTIONS) {
        fputs("usage: client BODY CONNECTIONS SECONDS ROUNDS URL...\n", stderr);
        return 2;
    }
    body = read_file(argv[1], &size);
    fine = body != NULL;
    for (size_t u = 0; u < urls && fine; u++)
        fine = prepare(&endpoints[u], argv[5 + u], body, size, connections);
    fine = fine && run(endpoints, urls, connections, strtod(argv[3], NULL), strtoul(argv[4], NULL, 10));
    for (size_t u = 0; u < urls && fine; u++)
        print_answer(&endpoints[u]);
    for (size_t u = 0; u < urls; u++) {
        free(endpoints[u].request);
        free(endpoints[u].answers);
    }
    free(body);
    return !fine;
}
