/*
 * compute.c - one thread, one OpenMP team, rounds over all waiting evaluations.
 *
 * A round is one mm_parallel(): the threads pull slots (one task of one evaluation each) from a common counter.  The
 * slots are dealt out in turn, one to each client, and of a client's to the evaluation that has waited longest, so
 * small evaluations are done within a round, and one client's hundred do not hold up another's one.  When something new
 * arrives the round ends early: what was not pulled is dealt out again.  So a lone large evaluation gets long rounds,
 * and whoever comes after it waits for one task only.
 */
#include "server/compute.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define STACK_BYTES      ((size_t)1 << 20)
#define SLOTS_PER_THREAD 8    /* of a shared round: with tasks of 1 ms it takes 8 ms */
#define SLOTS_ALONE      4096 /* of a round for one evaluation */
#define SCRATCH_ALIGN    64

typedef struct slot {
    mm_job *job;
    size_t task;
} slot;

struct mm_compute {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t arrival, team_made;
    unsigned threads;

    /* under the lock */
    mm_job *first, *last; /* submitted, not yet seen by the compute thread */
    int stopping;
    int has_team;

    atomic_int arrived; /* is `first` set? */
    atomic_size_t waiting;

    /* the compute thread's own */
    mm_job *active, **active_end; /* in the order of their turn */
    uint64_t turn;                /* of dealing; counts on for ever */
    slot *slots;
    size_t slot_count;
    atomic_size_t cursor; /* next slot to pull */
    unsigned char *scratch;
};

double mm_compute_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ------------------------------------------------------------------ rounds */

/* Takes over what was submitted; waits when there is nothing to do.  0: the end. */
static int take_arrivals(mm_compute *compute)
{
    int stop;

    pthread_mutex_lock(&compute->lock);
    while (compute->active == NULL && compute->first == NULL && !compute->stopping)
        pthread_cond_wait(&compute->arrival, &compute->lock);
    if (compute->first != NULL) {
        *compute->active_end = compute->first;
        compute->active_end = &compute->last->next;
        compute->first = compute->last = NULL;
    }
    atomic_store(&compute->arrived, 0);
    stop = compute->active == NULL;
    pthread_mutex_unlock(&compute->lock);
    return !stop;
}

static int is_dealt(const mm_job *job)
{
    return job->planned_task >= job->task_count;
}

/* One task of the first evaluation of each client; those evaluations go behind the others.  Returns how many. */
static size_t deal_turn(mm_compute *compute, size_t most)
{
    mm_job *job = compute->active, *next, *given = NULL, **rest_end = &compute->active, **given_end = &given;
    size_t count = 0;

    compute->turn++;
    for (; job != NULL && count < most; job = next) {
        next = job->next;
        if (is_dealt(job) || (job->turn != NULL && *job->turn == compute->turn)) {
            *rest_end = job;
            rest_end = &job->next;
            continue;
        }
        if (job->turn != NULL)
            *job->turn = compute->turn;
        compute->slots[compute->slot_count + count++] = (slot){.job = job, .task = job->planned_task++};
        *given_end = job;
        given_end = &job->next;
    }
    *given_end = NULL;
    *rest_end = job;
    if (job != NULL) /* the round is full: nobody looked at those from here on */
        rest_end = compute->active_end;
    *rest_end = given;
    compute->active_end = given != NULL ? given_end : rest_end;
    return count;
}

/* Turn by turn, until the round is full or nobody has more. */
static void deal(mm_compute *compute)
{
    const int alone = compute->active->next == NULL;
    const size_t most = alone ? SLOTS_ALONE : (size_t)compute->threads * SLOTS_PER_THREAD;
    size_t count = 1;

    compute->slot_count = 0;
    while (count > 0 && compute->slot_count < most) {
        count = deal_turn(compute, most - compute->slot_count);
        compute->slot_count += count;
    }
}

static int is_unwanted(const mm_job *job)
{
    return job->left != NULL && atomic_load_explicit(job->left, memory_order_relaxed);
}

/* One thread of the team: pulls slots until there is none, or somebody new is waiting. */
static void pull(void *context, size_t i, unsigned worker)
{
    mm_compute *compute = context;
    void *scratch = compute->scratch + (size_t)worker * MM_SCRATCH_BYTES;

    (void)i;
    do {
        const size_t at = atomic_fetch_add(&compute->cursor, 1);

        if (at >= compute->slot_count)
            return;
        if (!is_unwanted(compute->slots[at].job))
            mm_eval_task(compute->slots[at].job->eval, compute->slots[at].task, scratch);
    } while (!atomic_load_explicit(&compute->arrived, memory_order_relaxed));
}

static void run_round(mm_compute *compute)
{
    const double now = mm_compute_clock();
    size_t done;

    deal(compute);
    for (mm_job *job = compute->active; job != NULL; job = job->next)
        if (job->started == 0.0 && job->planned_task > 0)
            job->started = now;
    atomic_store(&compute->cursor, 0);
    if (compute->slot_count > 0) /* a single task needs no team */
        mm_parallel(pull, compute, compute->threads, compute->slot_count == 1 ? 1 : compute->threads);
    done = atomic_load(&compute->cursor);
    for (size_t i = 0; i < compute->slot_count && i < done; i++) {
        compute->slots[i].job->next_task = compute->slots[i].task + 1;
        compute->slots[i].job->served = 1;
    }
}

/* Goes on to the next stage, where there is one. */
static int is_done(mm_job *job)
{
    job->abandoned = is_unwanted(job);
    if (job->abandoned)
        return 1;
    if (job->next_task < job->task_count)
        return 0;
    job->task_count = mm_eval_stage(job->eval);
    job->next_task = 0;
    return job->task_count == 0;
}

/* Finishes what is done; the others queue up again behind those that got nothing in this round. */
static void settle(mm_compute *compute)
{
    mm_job *job = compute->active, *next;
    mm_job *idle = NULL, **idle_end = &idle, *served = NULL, **served_end = &served;

    for (; job != NULL; job = next) {
        next = job->next;
        job->next = NULL;
        if (is_done(job)) {
            if (job->started == 0.0)
                job->started = mm_compute_clock();
            job->finish(job); /* the job is gone now */
            atomic_fetch_sub(&compute->waiting, 1);
        } else if (!job->served) {
            *idle_end = job;
            idle_end = &job->next;
        } else {
            *served_end = job;
            served_end = &job->next;
        }
    }
    *idle_end = served;
    compute->active = idle;
    compute->active_end = served != NULL ? served_end : idle_end;
    if (compute->active == NULL)
        compute->active_end = &compute->active;
}

static void *work(void *context)
{
    mm_compute *compute = context;

    mm_parallel(pull, compute, compute->threads, compute->threads); /* nothing to do yet: makes the team */
    pthread_mutex_lock(&compute->lock);
    compute->has_team = 1;
    pthread_cond_signal(&compute->team_made);
    pthread_mutex_unlock(&compute->lock);
    while (take_arrivals(compute)) {
        for (mm_job *job = compute->active; job != NULL; job = job->next) {
            job->planned_task = job->next_task;
            job->served = 0;
        }
        run_round(compute);
        settle(compute);
    }
    return NULL;
}

/* -------------------------------------------------------------------- life */

static void destroy(mm_compute *compute)
{
    pthread_cond_destroy(&compute->arrival);
    pthread_cond_destroy(&compute->team_made);
    pthread_mutex_destroy(&compute->lock);
    free(compute->scratch);
    free(compute->slots);
    free(compute);
}

/* The thread takes no signals: they belong to the loop. */
static int start_thread(mm_compute *compute)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int failed;

    if (pthread_attr_init(&attributes) != 0)
        return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_attr_setstacksize(&attributes, STACK_BYTES) != 0 ||
             pthread_create(&compute->thread, &attributes, work, compute) != 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (!failed)
        pthread_setname_np(compute->thread, "compute");
    return !failed;
}

/* OpenMP ends the process when it cannot start its threads: not after the server has said that it serves. */
static void wait_for_team(mm_compute *compute)
{
    pthread_mutex_lock(&compute->lock);
    while (!compute->has_team)
        pthread_cond_wait(&compute->team_made, &compute->lock);
    pthread_mutex_unlock(&compute->lock);
}

mm_status mm_compute_start(mm_compute **out, unsigned threads)
{
    mm_compute *compute = calloc(1, sizeof *compute);
    const size_t shared = (size_t)threads * SLOTS_PER_THREAD;

    if (compute == NULL)
        return MM_NO_MEMORY;
    pthread_mutex_init(&compute->lock, NULL);
    pthread_cond_init(&compute->arrival, NULL);
    pthread_cond_init(&compute->team_made, NULL);
    compute->threads = threads;
    compute->active_end = &compute->active;
    compute->slots = calloc(shared > SLOTS_ALONE ? shared : SLOTS_ALONE, sizeof *compute->slots);
    compute->scratch = aligned_alloc(SCRATCH_ALIGN, (size_t)threads * MM_SCRATCH_BYTES);
    if (compute->slots == NULL || compute->scratch == NULL || !start_thread(compute)) {
        destroy(compute);
        return MM_NO_MEMORY;
    }
    wait_for_team(compute);
    *out = compute;
    return MM_OK;
}

void mm_compute_stop(mm_compute *compute)
{
    if (compute == NULL)
        return;
    pthread_mutex_lock(&compute->lock);
    compute->stopping = 1;
    pthread_cond_signal(&compute->arrival);
    pthread_mutex_unlock(&compute->lock);
    pthread_join(compute->thread, NULL);
    destroy(compute);
}

void mm_compute_submit(mm_compute *compute, mm_job *job)
{
    job->submitted = mm_compute_clock();
    job->started = 0.0;
    job->task_count = mm_eval_stage(job->eval);
    job->next_task = job->planned_task = 0;
    job->next = NULL;
    atomic_fetch_add(&compute->waiting, 1);
    pthread_mutex_lock(&compute->lock);
    if (compute->last != NULL)
        compute->last->next = job;
    else
        compute->first = job;
    compute->last = job;
    atomic_store(&compute->arrived, 1);
    pthread_cond_signal(&compute->arrival);
    pthread_mutex_unlock(&compute->lock);
}

size_t mm_compute_waiting(const mm_compute *compute)
{
    return atomic_load(&compute->waiting);
}

unsigned mm_compute_threads(const mm_compute *compute)
{
    return compute->threads;
}
