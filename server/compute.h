/*
 * compute.h - one thread that owns the one OpenMP team and works on all waiting evaluations in rounds that are fair to
 * who sent them, and between those of one.
 */
#ifndef MM_COMPUTE_H
#define MM_COMPUTE_H

#include <stdatomic.h>

#include "lib/maskmeter.h"

typedef struct mm_compute mm_compute;

/* One evaluation to be computed.  The caller owns it until finish() is called. */
typedef struct mm_job {
    mm_eval *eval;
    /* On the compute thread, when every task has run or the job was abandoned: mm_eval_finish(), mm_images_score(),
     * then tell the loop. */
    void (*finish)(struct mm_job *job);
    void *context;
    uint64_t *turn;         /* of whom it is, compute.c's own while jobs of theirs are here; NULL: of nobody else's */
    const atomic_int *left; /* not 0 once nobody waits for the scores: no more tasks are run; NULL: never */
    int abandoned;          /* for finish(): tasks were left out, the evaluation is good for nothing */
    /* Seconds on the monotonic clock, for finish(): when it was submitted, when its first task began. */
    double submitted, started;
    /* compute.c's own: */
    size_t task_count, next_task, planned_task;
    int served;
    struct mm_job *next;
} mm_job;

mm_status mm_compute_start(mm_compute **out, unsigned threads);
void mm_compute_stop(mm_compute *compute);                /* finishes what was submitted; NULL is fine */
void mm_compute_submit(mm_compute *compute, mm_job *job); /* from any thread */
size_t mm_compute_waiting(const mm_compute *compute);     /* jobs submitted and not yet finished */
unsigned mm_compute_threads(const mm_compute *compute);
double mm_compute_clock(void); /* seconds on the monotonic clock */

#endif
