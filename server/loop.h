/*
 * loop.h - the one libuv loop: posts from other threads, timers, signals, and the poll of descriptors.
 *
 * Everything but mm_loop_post() belongs to the thread that runs the loop.
 */
#ifndef MM_LOOP_H
#define MM_LOOP_H

#include "lib/maskmeter.h"
#include "server/lines.h"

typedef struct mm_loop mm_loop;
typedef struct mm_timer mm_timer;
typedef struct mm_watch mm_watch;

/* Work for the loop, made by any thread.  The caller owns the node until run() is called. */
typedef struct mm_post {
    void (*run)(struct mm_post *post);
    struct mm_post *next;
} mm_post;

mm_status mm_loop_new(mm_loop **out);
void mm_loop_free(mm_loop *loop); /* NULL is fine; closes what is still open */
void mm_loop_run(mm_loop *loop);  /* until mm_loop_stop() */
void mm_loop_stop(mm_loop *loop);
/* From any thread; never fails, keeps order; run() is called once, on the loop. */
void mm_loop_post(mm_loop *loop, mm_post *post);
/* Runs work(context) on a thread of the pool, then done(context) on the loop.  line: of whom it is, served in turn, and
 * never by all threads; NULL: of nobody. */
mm_status mm_loop_work(mm_loop *loop, mm_line *line, void (*work)(void *context), void (*done)(void *context),
                       void *context);
/* Calls ready(context) when fd is readable (an epoll descriptor is when it has events), or with MM_WATCH_WRITE
 * writable; 0 rests. */
enum { MM_WATCH_READ = 1, MM_WATCH_WRITE = 2 };
mm_status mm_watch_new(mm_watch **out, mm_loop *loop, int fd, void (*ready)(void *context), void *context);
void mm_watch_for(mm_watch *watch, int what);
void mm_watch_free(mm_watch *watch); /* NULL is fine; before the descriptor is closed and mm_loop_free() */
/* Calls turn(context) in every turn of the loop, after its posts and descriptors were served. */
mm_status mm_loop_every_turn(mm_loop *loop, void (*turn)(void *context), void *context);
mm_status mm_timer_new(mm_timer **out, mm_loop *loop, void (*fire)(void *context), void *context);
void mm_timer_start(mm_timer *timer, uint64_t milliseconds, uint64_t repeat);
void mm_timer_stop(mm_timer *timer);
void mm_timer_free(mm_timer *timer); /* NULL is fine; before mm_loop_free() */
/* SIGTERM, SIGINT, SIGHUP: handler(context, signal) on the loop. */
mm_status mm_loop_signals(mm_loop *loop, void (*handler)(void *context, int signal), void *context);

#endif
