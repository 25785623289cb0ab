/*
 * loop.c - the one user of libuv.
 */
#include "server/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <uv.h>

#define SIGNALS 3
#define WORKERS 4 /* of libuv, unless the environment says otherwise */

struct mm_loop {
    uv_loop_t uv;

    uv_work_t nothing; /* the pool's first */
    mm_lines waiting;  /* work for the pool */
    unsigned working;
    uv_async_t wake;
    pthread_mutex_t lock; /* of first, last */
    mm_post *first, *last;

    uv_check_t check;
    void (*turn)(void *context);
    void *turn_context;

    uv_signal_t signals[SIGNALS];
    void (*on_signal)(void *context, int signal);
    void *signal_context;
};

struct mm_timer {
    uv_timer_t uv;
    void (*fire)(void *context);
    void *context;
};

struct mm_watch {
    uv_poll_t uv;
    void (*ready)(void *context);
    void *context;
};

struct work {
    mm_waiter waiter; /* first */
    mm_loop *loop;
    uv_work_t uv;
    void (*work)(void *context);
    void (*done)(void *context);
    void *context;
};

/* ------------------------------------------------------------------- posts */

/* A wake-up stands for any number of posts: take them all.  What they post in turn waits for the next wake-up. */
static void drain(uv_async_t *wake)
{
    mm_loop *loop = wake->data;
    mm_post *post;

    pthread_mutex_lock(&loop->lock);
    post = loop->first;
    loop->first = loop->last = NULL;
    pthread_mutex_unlock(&loop->lock);
    while (post != NULL) {
        mm_post *next = post->next; /* run() may free the node */

        post->run(post);
        post = next;
    }
}

void mm_loop_post(mm_loop *loop, mm_post *post)
{
    int was_empty;

    post->next = NULL;
    pthread_mutex_lock(&loop->lock);
    was_empty = loop->first == NULL;
    if (was_empty)
        loop->first = post;
    else
        loop->last->next = post;
    loop->last = post;
    /* Under the lock: the loop that has drained this post may be freed by it. */
    if (was_empty)
        (void)uv_async_send(&loop->wake);
    pthread_mutex_unlock(&loop->lock);
}

static void run_work(uv_work_t *uv)
{
    struct work *work = uv->data;

    work->work(work->context);
}

static void end_work(uv_work_t *uv, int status);

/* The pool's own queue is first come, first served: it gets no more than it works on. */
static void feed_pool(mm_loop *loop)
{
    mm_waiter *waiter;

    while (loop->working < WORKERS && (waiter = mm_lines_take(&loop->waiting, WORKERS - 1)) != NULL) {
        struct work *work = (struct work *)(void *)waiter;

        loop->working++;
        (void)uv_queue_work(&loop->uv, &work->uv, run_work, end_work); /* cannot fail */
    }
}

static void end_work(uv_work_t *uv, int status)
{
    struct work *work = uv->data;
    mm_loop *loop = work->loop;

    (void)status; /* nothing here is ever cancelled */
    loop->working--;
    mm_lines_end(&work->waiter);
    work->done(work->context);
    free(work);
    feed_pool(loop);
}

mm_status mm_loop_work(mm_loop *loop, mm_line *line, void (*work)(void *context), void (*done)(void *context),
                       void *context)
{
    struct work *item = malloc(sizeof *item);

    if (item == NULL)
        return MM_NO_MEMORY;
    *item = (struct work){.loop = loop, .work = work, .done = done, .context = context};
    item->uv.data = item;
    mm_lines_add(&loop->waiting, line, &item->waiter);
    feed_pool(loop);
    return MM_OK;
}

/* ------------------------------------------------------------------ timers */

static void free_handle(uv_handle_t *handle)
{
    free(handle->data);
}

static void fire(uv_timer_t *uv)
{
    mm_timer *timer = uv->data;

    timer->fire(timer->context);
}

mm_status mm_timer_new(mm_timer **out, mm_loop *loop, void (*on_fire)(void *context), void *context)
{
    mm_timer *timer = malloc(sizeof *timer);

    if (timer == NULL)
        return MM_NO_MEMORY;
    timer->fire = on_fire;
    timer->context = context;
    (void)uv_timer_init(&loop->uv, &timer->uv); /* cannot fail */
    timer->uv.data = timer;
    *out = timer;
    return MM_OK;
}

void mm_timer_start(mm_timer *timer, uint64_t milliseconds, uint64_t repeat)
{
    (void)uv_timer_start(&timer->uv, fire, milliseconds, repeat);
}

void mm_timer_stop(mm_timer *timer)
{
    (void)uv_timer_stop(&timer->uv);
}

void mm_timer_free(mm_timer *timer)
{
    if (timer != NULL)
        uv_close((uv_handle_t *)&timer->uv, free_handle);
}

/* ------------------------------------------------ descriptors, turns, signals */

static void on_watch(uv_poll_t *uv, int status, int events)
{
    mm_watch *watch = uv->data;

    (void)status; /* an error shows when the descriptor is used */
    (void)events;
    watch->ready(watch->context);
}

mm_status mm_watch_new(mm_watch **out, mm_loop *loop, int fd, void (*ready)(void *context), void *context)
{
    mm_watch *watch = malloc(sizeof *watch);

    if (watch == NULL)
        return MM_NO_MEMORY;
    watch->ready = ready;
    watch->context = context;
    if (uv_poll_init(&loop->uv, &watch->uv, fd) != 0) {
        free(watch);
        return MM_NO_MEMORY;
    }
    watch->uv.data = watch;
    mm_watch_for(watch, MM_WATCH_READ);
    *out = watch;
    return MM_OK;
}

void mm_watch_for(mm_watch *watch, int what)
{
    if (what == 0)
        (void)uv_poll_stop(&watch->uv);
    else
        (void)uv_poll_start(&watch->uv, what == MM_WATCH_WRITE ? UV_WRITABLE : UV_READABLE, on_watch);
}

void mm_watch_free(mm_watch *watch)
{
    if (watch != NULL)
        uv_close((uv_handle_t *)&watch->uv, free_handle);
}

static void on_check(uv_check_t *check)
{
    mm_loop *loop = check->data;

    loop->turn(loop->turn_context);
}

mm_status mm_loop_every_turn(mm_loop *loop, void (*turn)(void *context), void *context)
{
    loop->turn = turn;
    loop->turn_context = context;
    return uv_check_start(&loop->check, on_check) == 0 ? MM_OK : MM_NO_MEMORY;
}

static void on_signal(uv_signal_t *uv, int number)
{
    mm_loop *loop = uv->data;

    loop->on_signal(loop->signal_context, number);
}

mm_status mm_loop_signals(mm_loop *loop, void (*handler)(void *context, int signal), void *context)
{
    static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};

    loop->on_signal = handler;
    loop->signal_context = context;
    for (size_t i = 0; i < SIGNALS; i++) {
        if (uv_signal_init(&loop->uv, &loop->signals[i]) != 0)
            return MM_NO_MEMORY;
        loop->signals[i].data = loop;
        if (uv_signal_start(&loop->signals[i], on_signal, numbers[i]) != 0)
            return MM_NO_MEMORY;
    }
    return MM_OK;
}

/* ---------------------------------------------------------------- the loop */

static void do_nothing(uv_work_t *uv)
{
    (void)uv;
}

mm_status mm_loop_new(mm_loop **out)
{
    mm_loop *loop = calloc(1, sizeof *loop);
    mm_status status = MM_NO_MEMORY;

    if (loop == NULL)
        return MM_NO_MEMORY;
    if (uv_loop_init(&loop->uv) != 0)
        goto done;
    (void)pthread_mutex_init(&loop->lock, NULL); /* cannot fail with these attributes */
    if (uv_async_init(&loop->uv, &loop->wake, drain) != 0) {
        (void)uv_loop_close(&loop->uv);
        goto done;
    }
    loop->wake.data = loop;
    (void)uv_check_init(&loop->uv, &loop->check); /* cannot fail */
    /* Now, since libuv aborts when it cannot start the threads of its pool. */
    (void)uv_queue_work(&loop->uv, &loop->nothing, do_nothing, NULL); /* cannot fail */
    loop->check.data = loop;
    *out = loop;
    loop = NULL;
    status = MM_OK;
done:
    free(loop);
    return status;
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void mm_loop_free(mm_loop *loop)
{
    if (loop == NULL)
        return;
    uv_walk(&loop->uv, close_handle, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT); /* closes the handles, ends the work */
    (void)uv_loop_close(&loop->uv);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

void mm_loop_run(mm_loop *loop)
{
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void mm_loop_stop(mm_loop *loop)
{
    uv_stop(&loop->uv);
}
