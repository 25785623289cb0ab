/*
 * test_loop.c - posts from other threads, work, timers, a watched descriptor, signals.
 */
#include "tests/suites.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "server/loop.h"

static mm_loop *new_loop(void)
{
    mm_loop *loop = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_loop_new(&loop), MM_OK);
    return loop;
}

/* ------------------------------------------------------------------- posts */

#define THREADS 4
#define POSTS   5000

typedef struct counted {
    mm_post post; /* first */
    struct tally *tally;
    int thread, number;
} counted;

typedef struct tally {
    mm_loop *loop;
    pthread_t loop_thread;
    int next[THREADS]; /* number expected of each thread */
    int wrong, total;
} tally;

static void count_post(mm_post *post)
{
    counted *c = (counted *)(void *)post;
    tally *t = c->tally;

    t->wrong += c->number != t->next[c->thread] || !pthread_equal(pthread_self(), t->loop_thread);
    t->next[c->thread] = c->number + 1;
    free(c);
    if (++t->total == THREADS * POSTS)
        mm_loop_stop(t->loop);
}

typedef struct poster {
    tally *tally;
    int thread;
} poster;

static void *post_many(void *context)
{
    const poster *p = context;

    for (int i = 0; i < POSTS; i++) {
        counted *c = malloc(sizeof *c);

        if (c == NULL)
            return NULL;
        *c = (counted){{count_post, NULL}, p->tally, p->thread, i};
        mm_loop_post(p->tally->loop, &c->post);
    }
    return NULL;
}

/* Each thread's posts run once, on the loop, in the order of that thread. */
static void test_posts(void)
{
    tally t = {.loop = new_loop(), .loop_thread = pthread_self()};
    poster posters[THREADS];
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        posters[i] = (poster){&t, i};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    mm_loop_run(t.loop);
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(t.total, THREADS * POSTS);
    CU_ASSERT_EQUAL(t.wrong, 0);
    mm_loop_free(t.loop);
}

typedef struct chain {
    mm_post post; /* first */
    mm_loop *loop;
    int left;
} chain;

static void post_again(mm_post *post)
{
    chain *c = (chain *)(void *)post;

    if (--c->left == 0)
        mm_loop_stop(c->loop);
    else
        mm_loop_post(c->loop, post);
}

/* A post may post itself: it comes again in a later turn. */
static void test_post_from_a_post(void)
{
    chain c = {{post_again, NULL}, new_loop(), 100};

    mm_loop_post(c.loop, &c.post);
    mm_loop_run(c.loop);
    CU_ASSERT_EQUAL(c.left, 0);
    mm_loop_free(c.loop);
}

/* -------------------------------------------------------------- work, timers */

typedef struct record {
    mm_loop *loop;
    pthread_t worker;
    int worked, done, fired, turns, read_fd, events, signal;
} record;

static void work(void *context)
{
    record *r = context;

    r->worker = pthread_self();
    r->worked++;
}

static void done(void *context)
{
    record *r = context;

    r->done = r->worked;
    mm_loop_stop(r->loop);
}

static void test_work(void)
{
    record r = {.loop = new_loop()};

    CU_ASSERT_EQUAL(mm_loop_work(r.loop, NULL, work, done, &r), MM_OK);
    mm_loop_run(r.loop);
    CU_ASSERT_EQUAL(r.done, 1);
    CU_ASSERT_FALSE(pthread_equal(r.worker, pthread_self()));
    mm_loop_free(r.loop);
}

#define SLOW 20

/* Work that goes on until another client's is done. */
typedef struct slow {
    mm_loop *loop;
    sem_t *end;
    atomic_int *begun;
    int *ended, *quick_at;
} slow;

static void work_slowly(void *context)
{
    const slow *s = context;
    struct timespec until;

    atomic_fetch_add(s->begun, 1);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    (void)sem_timedwait(s->end, &until);
}

static void end_slowly(void *context)
{
    const slow *s = context;

    if (++*s->ended == SLOW)
        mm_loop_stop(s->loop);
}

static void work_quickly(void *context)
{
    (void)context;
}

static void end_quickly(void *context)
{
    const slow *s = context;

    *s->quick_at = *s->ended;
    for (int i = 0; i < SLOW; i++)
        (void)sem_post(s->end);
}

/* What one client asks for does not wait until twenty others of another client are done, which keep all threads that
 * they may have. */
static void test_clients_take_turns(void)
{
    mm_loop *loop = new_loop();
    mm_line lines[2] = {{0}, {0}};
    sem_t end;
    atomic_int begun = 0;
    int ended = 0, quick_at = -1;
    slow all = {loop, &end, &begun, &ended, &quick_at};

    CU_ASSERT_EQUAL_FATAL(sem_init(&end, 0, 0), 0);
    for (int i = 0; i < SLOW; i++)
        CU_ASSERT_EQUAL(mm_loop_work(loop, &lines[0], work_slowly, end_slowly, &all), MM_OK);
    CU_ASSERT_EQUAL(mm_loop_work(loop, &lines[1], work_quickly, end_quickly, &all), MM_OK);
    mm_loop_run(loop);
    CU_ASSERT_EQUAL(quick_at, 0);
    CU_ASSERT_EQUAL(begun, SLOW);
    CU_ASSERT_EQUAL(ended, SLOW);
    mm_loop_free(loop);
    sem_destroy(&end);
}

static void fire(void *context)
{
    record *r = context;

    if (++r->fired == 3)
        mm_loop_stop(r->loop);
}

static void turn(void *context)
{
    record *r = context;

    r->turns++;
}

static void test_timers(void)
{
    record r = {.loop = new_loop()}, never = {.loop = r.loop};
    mm_timer *timer = NULL, *stopped = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_timer_new(&timer, r.loop, fire, &r), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_timer_new(&stopped, r.loop, fire, &never), MM_OK);
    CU_ASSERT_EQUAL(mm_loop_every_turn(r.loop, turn, &r), MM_OK);
    mm_timer_start(timer, 1, 1);
    mm_timer_start(stopped, 2, 0);
    mm_timer_stop(stopped);
    mm_loop_run(r.loop);
    CU_ASSERT_EQUAL(r.fired, 3);
    CU_ASSERT_EQUAL(never.fired, 0);
    CU_ASSERT_TRUE(r.turns >= 1);
    mm_timer_free(timer);
    mm_timer_free(stopped);
    mm_timer_free(NULL);
    mm_loop_free(r.loop);
    mm_loop_free(NULL);
}

/* ------------------------------------------------------- descriptor, signals */

static void ready(void *context)
{
    record *r = context;
    char byte;

    if (read(r->read_fd, &byte, 1) == 1)
        r->events++;
    mm_loop_stop(r->loop);
}

static void stop_loop(void *context)
{
    mm_loop_stop(context);
}

/* For a little longer than a watch needs to notice. */
static void run_shortly(mm_loop *loop)
{
    mm_timer *timer;

    CU_ASSERT_EQUAL_FATAL(mm_timer_new(&timer, loop, stop_loop, loop), MM_OK);
    mm_timer_start(timer, 20, 0);
    mm_loop_run(loop);
    mm_timer_free(timer);
}

/* An epoll descriptor in place of a plain one: that is what http.c watches. */
static void test_watch(void)
{
    record r = {.loop = new_loop()};
    mm_watch *watch;
    struct epoll_event event = {.events = EPOLLIN};
    int pipes[2], epoll = epoll_create1(0);

    CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
    r.read_fd = pipes[0];
    CU_ASSERT_EQUAL(epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event), 0);
    CU_ASSERT_EQUAL_FATAL(mm_watch_new(&watch, r.loop, epoll, ready, &r), MM_OK);
    CU_ASSERT_EQUAL(write(pipes[1], "x", 1), 1);
    mm_loop_run(r.loop);
    CU_ASSERT_EQUAL(r.events, 1);
    mm_watch_for(watch, 0);
    CU_ASSERT_EQUAL(write(pipes[1], "x", 1), 1);
    run_shortly(r.loop);
    CU_ASSERT_EQUAL(r.events, 1);
    mm_watch_for(watch, MM_WATCH_READ);
    mm_loop_run(r.loop);
    CU_ASSERT_EQUAL(r.events, 2);
    mm_watch_free(watch);
    mm_watch_free(NULL);
    mm_loop_free(r.loop);
    (void)close(epoll);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
}

static void on_signal(void *context, int number)
{
    record *r = context;

    r->signal = number;
    mm_loop_stop(r->loop);
}

static void test_signals(void)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
    record r = {.loop = new_loop()};

    CU_ASSERT_EQUAL_FATAL(mm_loop_signals(r.loop, on_signal, &r), MM_OK);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(raise(numbers[i]), 0);
        mm_loop_run(r.loop);
        CU_ASSERT_EQUAL(r.signal, numbers[i]);
    }
    mm_loop_free(r.loop);
}

static CU_TestInfo tests[] = {
    {"posts of several threads", test_posts},
    {"a post from a post", test_post_from_a_post},
    {"work", test_work},
    {"clients take turns", test_clients_take_turns},
    {"timers and turns", test_timers},
    {"a watched descriptor", test_watch},
    {"signals", test_signals},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_loop = {"loop", tests};
