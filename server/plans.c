/*
 * plans.c - a few bound plans, the oldest replaced first.
 */
#include "server/plans.h"

#include <stdlib.h>
#include <string.h>

#define KEPT 16

struct mm_plans {
    mm_ready kept[KEPT];
    size_t oldest;
};

mm_plans *mm_plans_new(void)
{
    return calloc(1, sizeof(mm_plans));
}

static void drop(mm_ready *ready)
{
    mm_plan_free(ready->plan);
    free(ready->scores);
    *ready = (mm_ready){.plan = NULL};
}

void mm_plans_free(mm_plans *plans)
{
    for (size_t i = 0; plans != NULL && i < KEPT; i++)
        drop(&plans->kept[i]);
    free(plans);
}

static int same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static mm_status parse(mm_ready *ready, const char *scores, mm_problem *problem)
{
    *ready = (mm_ready){.scores = scores != NULL ? strdup(scores) : NULL};
    if (scores != NULL && ready->scores == NULL)
        return MM_NO_MEMORY;
    return mm_plan_new(&ready->plan, scores, problem);
}

mm_status mm_plans_take(mm_ready *ready, mm_plans *plans, const char *scores, mm_problem *problem)
{
    for (size_t i = 0; plans != NULL && i < KEPT; i++) {
        mm_ready *kept = &plans->kept[i];

        if (kept->plan == NULL || !same_text(kept->scores, scores))
            continue;
        *ready = *kept;
        *kept = (mm_ready){.plan = NULL};
        return MM_OK;
    }
    return parse(ready, scores, problem);
}

static int same_shape(const mm_shape *a, const mm_shape *b)
{
    return a->images == b->images && a->classes == b->classes && a->spatial_rank == b->spatial_rank &&
           memcmp(a->spatial, b->spatial, sizeof a->spatial) == 0 && a->task == b->task &&
           a->pred_kind == b->pred_kind && a->label_kind == b->label_kind &&
           a->pred_has_classes == b->pred_has_classes && a->label_has_classes == b->label_has_classes;
}

mm_status mm_plans_bind(mm_ready *ready, const mm_shape *shape, mm_problem *problem)
{
    mm_status status = MM_OK;

    if (ready->bound && same_shape(&ready->shape, shape))
        return MM_OK;
    if (ready->bound) { /* a plan is bound once */
        mm_plan_free(ready->plan);
        ready->plan = NULL;
        ready->bound = 0;
        status = mm_plan_new(&ready->plan, ready->scores, problem);
    }
    if (status == MM_OK)
        status = mm_plan_bind(ready->plan, shape, problem);
    ready->bound = status == MM_OK;
    ready->shape = *shape;
    return status;
}

void mm_plans_give(mm_ready *ready, mm_plans *plans)
{
    size_t free_place = 0;

    if (plans == NULL || !ready->bound) {
        drop(ready);
        return;
    }
    while (free_place < KEPT && plans->kept[free_place].plan != NULL)
        free_place++;
    if (free_place == KEPT) {
        free_place = plans->oldest;
        plans->oldest = (plans->oldest + 1) % KEPT;
        drop(&plans->kept[free_place]);
    }
    plans->kept[free_place] = *ready;
    *ready = (mm_ready){.plan = NULL};
}
