/*
 * test_service_manager.c - notices arrive; the watchdog hears of a loop that turns, and nothing of one that is stuck.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/service_manager.h"

static void forget(void)
{
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

/* The manager's end, in the abstract name space: no file is left behind. */
static int listen_for_notices(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    const int size = snprintf(name, sizeof name, "@maskmeter-test-%ld", (long)getpid());

    memcpy(address.sun_path, name, (size_t)size);
    address.sun_path[0] = '\0';
    CU_ASSERT_EQUAL_FATAL(
        bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)size)), 0);
    CU_ASSERT_EQUAL_FATAL(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static int pings(int fd)
{
    char text[64];
    int count = 0;
    ssize_t size;

    while ((size = recv(fd, text, sizeof text, 0)) > 0)
        count += size == 10 && memcmp(text, "WATCHDOG=1", 10) == 0;
    return count;
}

typedef struct watched {
    mm_post post; /* first */
    mm_loop *loop;
    int fd, before, during;
} watched;

/* As work that does not end would: twenty pings long. */
static void get_stuck(mm_post *post)
{
    watched *w = (watched *)(void *)post;

    w->before = pings(w->fd);
    usleep(200 * 1000);
    w->during = pings(w->fd);
}

static void post_it(void *context)
{
    watched *w = context;

    mm_loop_post(w->loop, &w->post);
}

static void stop(void *context)
{
    watched *w = context;

    mm_loop_stop(w->loop);
}

/* Runs a loop under the watchdog: it turns, is stuck, turns again. */
static watched run_watched(mm_manager *manager, int fd)
{
    watched w = {.post.run = get_stuck, .fd = fd};
    mm_timer *stick = NULL, *end = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_loop_new(&w.loop), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_timer_new(&stick, w.loop, post_it, &w), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_timer_new(&end, w.loop, stop, &w), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_manager_watch(manager, w.loop), MM_OK);
    mm_timer_start(stick, 100, 0);
    mm_timer_start(end, 400, 0);
    mm_loop_run(w.loop);
    mm_timer_free(stick);
    mm_timer_free(end);
    mm_manager_unwatch(manager);
    mm_loop_free(w.loop);
    return w;
}

static void a_stuck_loop_is_silent(void)
{
    const int fd = listen_for_notices();
    mm_manager *manager = NULL;
    watched w;

    (void)setenv("WATCHDOG_USEC", "20000", 1);
    CU_ASSERT_EQUAL_FATAL(mm_manager_new(&manager), MM_OK);
    w = run_watched(manager, fd);
    CU_ASSERT_TRUE(w.before >= 2);
    CU_ASSERT_EQUAL(w.during, 0);
    CU_ASSERT_TRUE(pings(fd) >= 2);
    mm_manager_free(manager);
    (void)close(fd);
    forget();
}

/* How many pings a loop of 60 ms sends. */
static int pings_for(const char *limit, const char *pid)
{
    const int fd = listen_for_notices();
    mm_manager *manager = NULL;
    mm_timer *end = NULL;
    watched w = {0};
    int count;

    (void)setenv("WATCHDOG_USEC", limit, 1);
    (void)setenv("WATCHDOG_PID", pid, 1);
    CU_ASSERT_EQUAL_FATAL(mm_manager_new(&manager), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_loop_new(&w.loop), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_timer_new(&end, w.loop, stop, &w), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_manager_watch(manager, w.loop), MM_OK);
    mm_timer_start(end, 60, 0);
    mm_loop_run(w.loop);
    mm_timer_free(end);
    mm_manager_unwatch(manager);
    mm_loop_free(w.loop);
    count = pings(fd);
    mm_manager_free(manager);
    (void)close(fd);
    forget();
    return count;
}

/* Not asked for, not a number, or asked of another process. */
static void a_watchdog_that_is_not_for_us(void)
{
    static const char *const limits[] = {"", "0", "-5", "20000x", "99999999999999999999"};
    char own[24];

    (void)snprintf(own, sizeof own, "%ld", (long)getpid());
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        CU_ASSERT_EQUAL(pings_for(limits[i], own), 0);
    CU_ASSERT_EQUAL(pings_for("20000", "1"), 0);
    CU_ASSERT_TRUE(pings_for("20000", own) >= 2);
}

static void notices_arrive_whole(void)
{
    const int fd = listen_for_notices();
    mm_manager *manager = NULL;
    char text[64] = "";

    mm_manager_ready(NULL, "here");
    CU_ASSERT_EQUAL_FATAL(mm_manager_new(&manager), MM_OK);
    mm_manager_ready(manager, "here");
    CU_ASSERT_EQUAL(recv(fd, text, sizeof text - 1, 0), 30);
    CU_ASSERT_STRING_EQUAL(text, "READY=1\nSTATUS=serving on here");
    (void)close(fd);
    mm_manager_stopping(manager, 1); /* to nobody: no signal, no error */
    mm_manager_free(manager);
    mm_manager_free(NULL);
    forget();
}

static CU_TestInfo tests[] = {
    {"notices arrive whole", notices_arrive_whole},
    {"a stuck loop is silent", a_stuck_loop_is_silent},
    {"a watchdog that is not for us", a_watchdog_that_is_not_for_us},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_service_manager = {"service_manager", tests};
