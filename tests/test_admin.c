/*
 * test_admin.c - guests of admin.sock: what they are answered, whatever they send and however slowly they read.
 */
#include "tests/suites.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/admin.h"
#include "server/log.h"
#include "server/token_work.h"
#include "tests/failing.h"
#include "tests/history_help.h"
#include "tests/sqlite_shim.h"

#define ANSWER_BYTES ((size_t)4 << 20)
#define MOST_GUESTS  8

/* The parts of a server that the socket needs, and the log that it writes. */
typedef struct house {
    char path[64];
    mm_server server;
    mm_admin *admin;
    int log_fd;
} house;

static void open_house(house *h)
{
    mm_problem problem;

    *h = (house){.log_fd = -1};
    help_directory(h->path);
    h->log_fd = memfd_create("log", MFD_CLOEXEC);
    h->server.history = help_open(h->path);
    CU_ASSERT_EQUAL_FATAL(mm_loop_new(&h->server.loop), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_tokens_new(&h->server.tokens), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_log_new(&h->server.log, h->log_fd, MM_LOG_INFO), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_admin_new(&h->admin, &h->server, h->path, &problem), MM_OK);
}

static void close_house(house *h)
{
    mm_history_close(h->server.history);
    mm_admin_free(h->admin);
    CU_ASSERT_NOT_EQUAL(access(help_file(h->path, "admin.sock"), F_OK), 0);
    mm_loop_free(h->server.loop);
    mm_log_free(h->server.log);
    (void)close(h->log_fd);
    mm_tokens_free(h->server.tokens);
    help_remove(h->path);
}

/* ------------------------------------------------------------------- guests */

/* Somebody who says something, from a thread of their own, and listens until the end; then the loop stops. */
typedef struct guest {
    mm_post left; /* first */
    house *house;
    const char *says;
    size_t size, piece; /* bytes; of each send, 0: all at once */
    int hangs_up;       /* says no more, and shows it */
    long waits;         /* ms between the answer's begin and listening: what comes in between fills the socket */
    char *answer;
    size_t filled;
} guest;

static void on_left(mm_post *post)
{
    mm_loop_stop(((guest *)(void *)post)->house->server.loop);
}

static void *visit(void *context)
{
    guest *g = context;
    const int fd = mm_admin_connect(g->house->path);
    ssize_t got = 1;

    for (size_t at = 0, step; fd >= 0 && at < g->size; at += step) {
        step = g->piece > 0 && g->piece < g->size - at ? g->piece : g->size - at;
        (void)send(fd, g->says + at, step, MSG_NOSIGNAL);
        if (g->piece > 0)
            help_nap(1); /* so that it arrives by itself */
    }
    if (g->hangs_up)
        (void)shutdown(fd, SHUT_WR);
    if (g->waits > 0) {
        (void)poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1);
        help_nap(g->waits);
    }
    while (fd >= 0 && got > 0 && g->filled < ANSWER_BYTES) {
        got = recv(fd, g->answer + g->filled, ANSWER_BYTES - g->filled, 0);
        g->filled += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0)
        (void)close(fd);
    g->left.run = on_left;
    mm_loop_post(g->house->server.loop, &g->left);
    return NULL;
}

/* The whole answer; free().  The loop runs on this thread meanwhile. */
static char *hear(house *h, guest g)
{
    pthread_t thread;

    g.house = h;
    g.answer = calloc(1, ANSWER_BYTES + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(g.answer);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, visit, &g), 0);
    mm_loop_run(h->server.loop);
    CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
    return g.answer;
}

static char *say(house *h, const char *line)
{
    return hear(h, (guest){.says = line, .size = strlen(line)});
}

/* The answer to `line` begins with that, and ends there when it is "". */
static void check_answer(house *h, guest g, const char *expected)
{
    char *answer = hear(h, g);

    if (expected[0] == '\0' ? answer[0] != '\0' : strncmp(answer, expected, strlen(expected)) != 0) {
        printf("\n    %.60s: %.100s\n", g.says, answer);
        CU_FAIL("answer");
    }
    free(answer);
}

/* ------------------------------------------------------------------ requests */

/* Made, stored, logged without its secret; listed; revoked. */
static void test_life_of_a_token(void)
{
    house h;
    char *answer, *end, text[MM_TOKEN_SIZE + 1] = "", line[64], log[4096] = "";
    mm_token token = {.scopes = 0};
    mm_verdict verdict;

    open_house(&h);
    answer = say(&h, "/create?scope=read&project=liver&label=x\n");
    CU_ASSERT_EQUAL(strncmp(answer, "{\"token\":\"mm_", 13), 0);
    memcpy(text, answer + 10, MM_TOKEN_SIZE);
    free(answer);
    CU_ASSERT_EQUAL(mm_tokens_check(h.server.tokens, text, MM_TOKEN_SIZE, 1, &verdict, &token), MM_OK);
    CU_ASSERT_EQUAL(verdict, MM_TOKEN_GOOD);
    CU_ASSERT_EQUAL(help_sql(h.path, "SELECT count(*) FROM tokens WHERE revoked = 0"), 1);
    answer = say(&h, "/list\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, token.id));
    CU_ASSERT_PTR_NULL(strstr(answer, text + MM_TOKEN_ID_SIZE));
    free(answer);
    (void)snprintf(line, sizeof line, "/revoke?id=%s\n", token.id);
    answer = say(&h, line);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\"state\":\"revoked\""));
    free(answer);
    CU_ASSERT_EQUAL(mm_tokens_check(h.server.tokens, text, MM_TOKEN_SIZE, 1, &verdict, &token), MM_OK);
    CU_ASSERT_EQUAL(verdict, MM_TOKEN_REVOKED);
    CU_ASSERT_EQUAL(help_sql(h.path, "SELECT count(*) FROM tokens WHERE revoked = 0"), 0);
    CU_ASSERT(pread(h.log_fd, log, sizeof log - 1, 0) > 0);
    CU_ASSERT_PTR_NULL(strstr(log, text + MM_TOKEN_ID_SIZE));
    end = strstr(log, "\"event\":\"token_created\"");
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    CU_ASSERT_PTR_NOT_NULL(strstr(end, token.id));
    CU_ASSERT_PTR_NOT_NULL(strstr(end, "\"event\":\"token_revoked\""));
    close_house(&h);
}

/* One line, in one piece or many; what follows it is not looked at. */
static void test_lines(void)
{
    static char longest[MM_TOKEN_REQUEST_MAX + 1], endless[MM_TOKEN_REQUEST_MAX + 1];
    static const char nothing[] = "{\"error\":\"the request must be", empty[] = "{\"tokens\":[]}";
    house h;

    memset(longest, 'x', MM_TOKEN_REQUEST_MAX - 1);
    longest[MM_TOKEN_REQUEST_MAX - 1] = '\n';
    memset(endless, 'x', MM_TOKEN_REQUEST_MAX);
    open_house(&h);
    check_answer(&h, (guest){.says = "/list\n", .size = 6}, empty);
    check_answer(&h, (guest){.says = "/list\n", .size = 6, .piece = 1}, empty);
    check_answer(&h, (guest){.says = "/list\n/create?scope=read\n", .size = 25}, empty);
    check_answer(&h, (guest){.says = "/list\0?x\n", .size = 9}, empty); /* a NUL ends a line, too */
    check_answer(&h, (guest){.says = "\n", .size = 1}, nothing);
    check_answer(&h, (guest){.says = "\r\n", .size = 2}, nothing);
    check_answer(&h, (guest){.says = longest, .size = MM_TOKEN_REQUEST_MAX}, nothing);
    check_answer(&h, (guest){.says = endless, .size = MM_TOKEN_REQUEST_MAX}, "");
    check_answer(&h, (guest){.says = "/list", .size = 5, .hangs_up = 1}, "");
    check_answer(&h, (guest){.says = "", .size = 0, .hangs_up = 1}, "");
    CU_ASSERT_EQUAL(mm_tokens_count(h.server.tokens), 0);
    close_house(&h);
}

/* More than the socket takes at once: the rest waits until there is room. */
static void test_large_answers(void)
{
    house h;
    mm_token token = {.scopes = MM_SCOPE_READ};
    char removed[MM_TOKEN_ID_SIZE + 1], *answer;

    open_house(&h);
    memset(token.label, 'l', MM_TOKEN_NAME);
    for (unsigned i = 0; i < MM_TOKENS_MAX; i++) {
        (void)snprintf(token.id, sizeof token.id, "mm_%08u", i);
        CU_ASSERT_EQUAL(mm_tokens_add(h.server.tokens, &token, 1, removed), MM_OK);
    }
    answer = hear(&h, (guest){.says = "/list\n", .size = 6, .waits = 50});
    CU_ASSERT(strlen(answer) > (size_t)MM_TOKENS_MAX * MM_TOKEN_NAME);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, token.id));
    CU_ASSERT_STRING_EQUAL(answer + strlen(answer) - 3, "}]}");
    free(answer);
    close_house(&h);
}

/* A full disk: the token is none, and that is said. */
static void test_full_disk(void)
{
    house h;

    shim_install();
    open_house(&h);
    shim_fail_write("-wal", 0);
    check_answer(&h, (guest){.says = "/create?scope=read\n", .size = 19}, "{\"error\":\"the token could not be stored");
    CU_ASSERT_EQUAL(mm_tokens_count(h.server.tokens), 0);
    shim_fail_write(NULL, 0);
    check_answer(&h, (guest){.says = "/create?scope=read\n", .size = 19}, "{\"token\":\"mm_");
    CU_ASSERT_EQUAL(mm_tokens_count(h.server.tokens), 1);
    close_house(&h);
    shim_remove();
}

/* --------------------------------------------------------------- connections */

static void stop(void *loop)
{
    mm_loop_stop(loop);
}

/* Eight at once; who comes when they are there is turned away, and who comes when one has left is let in. */
static void test_crowd(void)
{
    house h;
    int guests[MOST_GUESTS + 1];
    mm_timer *timer = NULL;
    char byte;

    open_house(&h);
    CU_ASSERT_EQUAL_FATAL(mm_timer_new(&timer, h.server.loop, stop, h.server.loop), MM_OK);
    for (size_t i = 0; i <= MOST_GUESTS; i++) {
        guests[i] = mm_admin_connect(h.path);
        CU_ASSERT_FATAL(guests[i] >= 0);
        mm_timer_start(timer, 1, 0);
        mm_loop_run(h.server.loop);
    }
    CU_ASSERT_EQUAL(recv(guests[MOST_GUESTS], &byte, 1, MSG_DONTWAIT), 0);
    CU_ASSERT_EQUAL(recv(guests[0], &byte, 1, MSG_DONTWAIT), -1);
    CU_ASSERT_EQUAL(errno, EAGAIN);
    (void)close(guests[0]);
    mm_timer_start(timer, 1, 0);
    mm_loop_run(h.server.loop);
    check_answer(&h, (guest){.says = "/list\n", .size = 6}, "{\"tokens\":[]}");
    for (size_t i = 1; i <= MOST_GUESTS; i++)
        (void)close(guests[i]);
    mm_timer_free(timer);
    close_house(&h); /* with seven guests that are still there */
}

/* Whatever cannot be allocated for a guest: they are let go, and the next one is served. */
static void test_out_of_memory(void)
{
    static const char line[] = "/list\n";
    house h;
    size_t skip = 0, failed;

    open_house(&h);
    do {
        guest g = {.house = &h, .says = line, .size = sizeof line - 1};
        pthread_t thread;

        g.answer = calloc(1, ANSWER_BYTES + 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(g.answer);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, visit, &g), 0);
        fail_begin(FAIL_MEMORY, skip++, 0);
        mm_loop_run(h.server.loop);
        failed = fail_end();
        CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
        CU_ASSERT_STRING_EQUAL(g.answer, failed > 0 ? "" : "{\"tokens\":[]}");
        free(g.answer);
    } while (failed > 0);
    CU_ASSERT(skip > 4); /* the guest, their timer, their watch, the answer */
    check_answer(&h, (guest){.says = line, .size = sizeof line - 1}, "{\"tokens\":[]}");
    close_house(&h);
}

/* -------------------------------------------------------------------- socket */

static void test_socket(void)
{
    house h;
    struct stat about;
    mm_admin *second = NULL;
    mm_problem problem;
    char path[64];

    help_directory(path);
    CU_ASSERT_EQUAL(mm_admin_connect(path), -1);
    CU_ASSERT_EQUAL(errno, ENOENT);
    help_remove(path);
    open_house(&h);
    CU_ASSERT_EQUAL(stat(help_file(h.path, "admin.sock"), &about), 0);
    CU_ASSERT(S_ISSOCK(about.st_mode) && (about.st_mode & 07777) == 0600);
    CU_ASSERT_EQUAL(mm_admin_new(&second, &h.server, "/no/such/folder", &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NULL(second);
    CU_ASSERT_EQUAL(strncmp(problem.text, "cannot make admin.sock: ", 24), 0);
    fail_begin(FAIL_MEMORY, 0, 1);
    CU_ASSERT_EQUAL(mm_admin_new(&second, &h.server, h.path, &problem), MM_NO_MEMORY);
    CU_ASSERT_EQUAL(fail_end(), 1);
    CU_ASSERT_EQUAL(mm_admin_new(&second, &h.server, h.path, &problem), MM_OK); /* in place of the first */
    mm_admin_free(h.admin);
    h.admin = second;
    mm_admin_free(NULL);
    close_house(&h);
}

/* A folder whose path is longer than a socket's address may be. */
static void test_long_path(void)
{
    house h;
    mm_admin *admin = NULL;
    mm_problem problem;
    char folder[200];
    int fd;

    open_house(&h);
    (void)snprintf(folder, sizeof folder, "%s/%0120d", h.path, 0);
    CU_ASSERT_EQUAL(mm_admin_connect(folder), -1);
    CU_ASSERT_EQUAL(errno, ENOENT);
    CU_ASSERT_EQUAL(mm_admin_new(&admin, &h.server, folder, &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL_FATAL(mkdir(folder, 0700), 0);
    CU_ASSERT_EQUAL_FATAL(mm_admin_new(&admin, &h.server, folder, &problem), MM_OK);
    fd = mm_admin_connect(folder);
    CU_ASSERT(fd >= 0);
    (void)close(fd);
    mm_admin_free(admin);
    CU_ASSERT_EQUAL(mm_admin_connect(folder), -1);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
    close_house(&h);
}

static CU_TestInfo tests[] = {
    {"the life of a token", test_life_of_a_token},
    {"lines", test_lines},
    {"large answers", test_large_answers},
    {"a full disk", test_full_disk},
    {"more guests than are let in", test_crowd},
    {"out of memory", test_out_of_memory},
    {"the socket", test_socket},
    {"a long path", test_long_path},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_admin = {"admin", tests};
