/*
 * plans.h - plans that are used again: a training job asks for the same scores of the same shapes all day long.
 *
 * Parsing and fitting the default scores takes a third of the time of a small evaluation.  A plan serves one evaluation
 * at a time and comes back when that is over.  Everything here belongs to one thread.
 */
#ifndef MM_PLANS_H
#define MM_PLANS_H

#include "lib/maskmeter.h"

typedef struct mm_plans mm_plans;

/* A plan, and what it was made for.  Zero-initialised: none. */
typedef struct mm_ready {
    mm_plan *plan;
    char *scores; /* the expressions; NULL: the default set */
    int bound;    /* to `shape` */
    mm_shape shape;
} mm_ready;

mm_plans *mm_plans_new(void);        /* NULL: out of memory */
void mm_plans_free(mm_plans *plans); /* NULL is fine */

/* A plan of these expressions, parsed now unless one waits in plans (NULL: nowhere to look). */
mm_status mm_plans_take(mm_ready *ready, mm_plans *plans, const char *scores, mm_problem *problem);
/* Fits it to the shape, unless it is. */
mm_status mm_plans_bind(mm_ready *ready, const mm_shape *shape, mm_problem *problem);
/* Keeps it for the next one when it is bound and plans is not NULL; else frees it.  *ready is zero afterwards. */
void mm_plans_give(mm_ready *ready, mm_plans *plans);

#endif
