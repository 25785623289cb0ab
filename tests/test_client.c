/*
 * test_client.c - the small HTTP client against a server that says what each test wants, byte by byte.
 */
#include "tests/suites.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/client.h"

/* --------------------------------------------------------------- addresses */

static void urls(void)
{
    static const struct {
        const char *text, *host, *port, *prefix; /* host NULL: refused */
    } cases[] = {
        {"http://127.0.0.1:8080", "127.0.0.1", "8080", ""},
        {"HTTP://localhost/", "localhost", "80", ""},
        {"http://[::1]:81/a/b//", "::1", "81", "/a/b"},
        {"http://h/metrics", "h", "80", "/metrics"},
        {"https://h", NULL, NULL, NULL},
        {"h:80", NULL, NULL, NULL},
        {"http://", NULL, NULL, NULL},
        {"http://:80", NULL, NULL, NULL},
        {"http://h:", NULL, NULL, NULL},
        {"http://h:x", NULL, NULL, NULL},
        {"http://h:123456789", NULL, NULL, NULL},
        {"http://h?x", NULL, NULL, NULL},
        {"http://h/a?x", NULL, NULL, NULL},
        {"http://[::1", NULL, NULL, NULL},
        {"http://[::1]x", NULL, NULL, NULL},
    };
    char text[256];
    mm_url url;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(mm_url_parse(&url, cases[i].text, text, sizeof text), cases[i].host != NULL);
        if (cases[i].host == NULL)
            continue;
        CU_ASSERT_STRING_EQUAL(url.host, cases[i].host);
        CU_ASSERT_STRING_EQUAL(url.port, cases[i].port);
        CU_ASSERT_STRING_EQUAL(url.prefix, cases[i].prefix);
    }
}

/* What is escaped comes back from the server's own decoder. */
static void targets(void)
{
    mm_url url = {.prefix = "/p"};
    mm_query query = {.count = 0}, back = {.count = 0};
    char *target;

    CU_ASSERT_EQUAL(mm_query_add(&query, "run", "a b&c=d+e%/\xC3\xA4?#", NULL), MM_OK);
    CU_ASSERT_EQUAL(mm_query_add(&query, "scores", "d:dice(classes=[1,2]),sum(.5*iou)", NULL), MM_OK);
    target = mm_client_target(&url, "/v1/x", &query);
    CU_ASSERT_PTR_NOT_NULL_FATAL(target);
    CU_ASSERT_EQUAL(strncmp(target, "/p/v1/x?", 8), 0);
    CU_ASSERT_EQUAL(mm_query_parse(&back, target + 8, strlen(target + 8), NULL), MM_OK);
    CU_ASSERT_EQUAL(back.count, 2);
    for (size_t i = 0; i < back.count; i++) {
        CU_ASSERT_STRING_EQUAL(back.pairs[i].name, query.pairs[i].name);
        CU_ASSERT_STRING_EQUAL(back.pairs[i].value, query.pairs[i].value);
    }
    free(target);
    mm_query_free(&query);
    mm_query_free(&back);
}

/* ------------------------------------------------------------------ server */

/* Takes one connection, reads a head, says `early`, reads the rest of `expect` bytes, says `late`, closes. */
typedef struct server {
    pthread_t thread;
    int listener;
    const char *early, *late;
    size_t expect; /* bytes of the body to wait for */
    char *got;
    size_t got_size;
    mm_url url;
} server;

static void say(int connection, const char *text)
{
    if (text != NULL)
        (void)send(connection, text, strlen(text), MSG_NOSIGNAL);
}

static void *serve(void *context)
{
    server *s = context;
    const int connection = accept(s->listener, NULL, NULL);
    size_t room = s->expect + 4096, need = SIZE_MAX;
    ssize_t got = 1;

    s->got = calloc(1, room + 1);
    while (s->got != NULL && got > 0 && s->got_size < need && s->got_size < room) {
        const char *end;

        got = recv(connection, s->got + s->got_size, room - s->got_size, 0);
        s->got_size += got > 0 ? (size_t)got : 0;
        end = strstr(s->got, "\r\n\r\n");
        if (end != NULL && need == SIZE_MAX) {
            need = (size_t)(end - s->got) + 4 + s->expect;
            say(connection, s->early);
        }
    }
    say(connection, s->late);
    close(connection);
    return NULL;
}

static void start(server *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;

    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(bind(s->listener, (struct sockaddr *)&address, sizeof address), 0);
    CU_ASSERT_EQUAL_FATAL(listen(s->listener, 1), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(s->listener, (struct sockaddr *)&address, &size), 0);
    s->url = (mm_url){.host = "127.0.0.1"};
    snprintf(s->url.port, sizeof s->url.port, "%u", (unsigned)ntohs(address.sin_port));
    CU_ASSERT_EQUAL_FATAL(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(server *s)
{
    pthread_join(s->thread, NULL);
    close(s->listener);
    free(s->got);
}

/* A file of `size` bytes that ends with "end". */
static int some_file(size_t size)
{
    const int file = memfd_create("upload", MFD_CLOEXEC);

    CU_ASSERT_FATAL(file >= 0 && ftruncate(file, (off_t)size) == 0);
    CU_ASSERT_EQUAL_FATAL(pwrite(file, "end", 3, (off_t)size - 3), 3);
    return file;
}

/* ----------------------------------------------------------------- answers */

static void get(void)
{
    server s = {.late = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello and more"};
    mm_response response;
    char text[256] = "";

    start(&s);
    CU_ASSERT_EQUAL(mm_client_send(&response, &s.url, "/v1/x?a=b", NULL, text, sizeof text), 1);
    CU_ASSERT_EQUAL(response.status, 200);
    CU_ASSERT_EQUAL(response.retry_after, -1);
    CU_ASSERT_EQUAL(response.size, 5);
    CU_ASSERT_STRING_EQUAL(response.body, "hello");
    mm_response_free(&response);
    pthread_join(s.thread, NULL);
    CU_ASSERT_EQUAL(strncmp(s.got, "GET /v1/x?a=b HTTP/1.1\r\nHost: 127.0.0.1:", 40), 0);
    close(s.listener);
    free(s.got);
}

/* A small body goes out at once, with its length and coding; the answer ends with the connection. */
static void small_upload(void)
{
    const mm_upload_file upload = {.file = some_file(1000), .size = 1000, .coding = "zstd"};
    server s = {.expect = 1000, .late = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\n\r\nlater"};
    mm_response response;
    char text[256] = "";

    start(&s);
    CU_ASSERT_EQUAL(mm_client_send(&response, &s.url, "/v1/x", &upload, text, sizeof text), 1);
    CU_ASSERT_EQUAL(response.status, 503);
    CU_ASSERT_EQUAL(response.retry_after, 7);
    CU_ASSERT_STRING_EQUAL(response.body, "later");
    mm_response_free(&response);
    pthread_join(s.thread, NULL);
    CU_ASSERT_EQUAL(strncmp(s.got, "POST /v1/x HTTP/1.1\r\n", 21), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.got, "\r\nContent-Length: 1000\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.got, "\r\nContent-Encoding: zstd\r\n"));
    CU_ASSERT_PTR_NULL(strstr(s.got, "Expect"));
    CU_ASSERT_EQUAL(memcmp(s.got + s.got_size - 3, "end", 3), 0);
    close(s.listener);
    free(s.got);
    close(upload.file);
}

#define LARGE ((size_t)3 << 20)

/* A large one asks first. */
static void large_upload(void)
{
    const mm_upload_file upload = {.file = some_file(LARGE), .size = LARGE};
    server s = {.expect = LARGE,
                .early = "HTTP/1.1 100 Continue\r\n\r\n",
                .late = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"};
    mm_response response;
    char text[256] = "";

    start(&s);
    CU_ASSERT_EQUAL(mm_client_send(&response, &s.url, "/v1/x", &upload, text, sizeof text), 1);
    CU_ASSERT_EQUAL(response.status, 200);
    mm_response_free(&response);
    pthread_join(s.thread, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.got, "\r\nExpect: 100-continue\r\n"));
    CU_ASSERT(s.got_size > LARGE);
    CU_ASSERT_EQUAL(memcmp(s.got + s.got_size - 3, "end", 3), 0);
    close(s.listener);
    free(s.got);
    close(upload.file);
}

/* Refused at the headers: the body stays where it is. */
static void refused_upload(void)
{
    const mm_upload_file upload = {.file = some_file(LARGE), .size = LARGE};
    server s = {.early = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"};
    mm_response response;
    char text[256] = "";

    start(&s);
    CU_ASSERT_EQUAL(mm_client_send(&response, &s.url, "/v1/x", &upload, text, sizeof text), 1);
    CU_ASSERT_EQUAL(response.status, 413);
    CU_ASSERT_STRING_EQUAL(response.body, "big");
    CU_ASSERT_EQUAL(lseek(upload.file, 0, SEEK_CUR), 0);
    mm_response_free(&response);
    stop(&s);
    close(upload.file);
}

static void no_answer(void)
{
    static const char *const bad[] = {NULL, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "HTTP/1.1 200",
                                      "SSH-2.0-x\r\n\r\n"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        server s = {.late = bad[i]};
        mm_response response;
        char text[256] = "";

        start(&s);
        CU_ASSERT_EQUAL(mm_client_send(&response, &s.url, "/", NULL, text, sizeof text), 0);
        CU_ASSERT_NOT_EQUAL(text[0], '\0');
        mm_response_free(&response);
        stop(&s);
    }
}

/* Nobody listens on a port that was just closed. */
static void nobody_there(void)
{
    server s = {.late = NULL};
    mm_response response;
    char text[256] = "";

    start(&s);
    CU_ASSERT_EQUAL(mm_client_send(&response, &s.url, "/", NULL, text, sizeof text), 0);
    stop(&s);
    CU_ASSERT_EQUAL(mm_client_send(&response, &s.url, "/", NULL, text, sizeof text), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "refused"));
}

static void file_in_memory(void)
{
    static unsigned char bytes[100000], again[100000];
    int file;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 256);
    file = mm_client_memory(bytes, sizeof bytes);
    CU_ASSERT_FATAL(file >= 0);
    CU_ASSERT_EQUAL(read(file, again, sizeof again), (ssize_t)sizeof again);
    CU_ASSERT_EQUAL(memcmp(bytes, again, sizeof again), 0);
    CU_ASSERT_EQUAL(read(file, again, 1), 0);
    close(file);
}

static CU_TestInfo tests[] = {{"urls", urls},
                              {"targets", targets},
                              {"a GET", get},
                              {"a small upload", small_upload},
                              {"a large upload", large_upload},
                              {"a refused upload", refused_upload},
                              {"no answer", no_answer},
                              {"nobody there", nobody_there},
                              {"a file in memory", file_in_memory},
                              CU_TEST_INFO_NULL};

const mm_suite mm_suite_client = {"client", tests};
