/*
 * test_plans.c - plans that come back are used again, for the same words and shape only.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/plans.h"

static const mm_shape shape = {.images = 2,
                               .classes = 3,
                               .spatial_rank = 1,
                               .spatial = {8},
                               .voxels = 8,
                               .task = MM_MULTICLASS,
                               .pred_kind = MM_PROBS,
                               .label_kind = MM_INDEX,
                               .pred_has_classes = 1};

static mm_ready take(mm_plans *plans, const char *scores, const mm_shape *fit)
{
    mm_ready ready = {.plan = NULL};

    CU_ASSERT_EQUAL_FATAL(mm_plans_take(&ready, plans, scores, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_plans_bind(&ready, fit, NULL), MM_OK);
    return ready;
}

static void used_again(void)
{
    mm_plans *plans = mm_plans_new();
    mm_ready ready = take(plans, "dice,iou", &shape), other;
    const mm_plan *first = ready.plan;

    mm_plans_give(&ready, plans);
    CU_ASSERT_PTR_NULL(ready.plan);
    ready = take(plans, "dice,iou", &shape);
    CU_ASSERT_PTR_EQUAL(ready.plan, first);
    other = take(plans, "dice,iou", &shape); /* the first is in use: a second one */
    CU_ASSERT_PTR_NOT_EQUAL(other.plan, first);
    mm_plans_give(&ready, plans);
    mm_plans_give(&other, plans);
    ready = take(plans, "dice", &shape);
    CU_ASSERT_EQUAL(mm_plan_count(ready.plan), 1);
    mm_plans_give(&ready, plans);
    mm_plans_free(plans);
}

/* The default set is fitted to each kind of prediction anew: labels have no cross entropy. */
static void fitted_anew(void)
{
    mm_plans *plans = mm_plans_new();
    mm_shape labels = shape;
    mm_ready ready = take(plans, NULL, &shape);
    size_t all = mm_plan_count(ready.plan);

    labels.pred_kind = MM_LABELS;
    labels.pred_has_classes = 0;
    mm_plans_give(&ready, plans);
    ready = take(plans, NULL, &labels);
    CU_ASSERT(mm_plan_count(ready.plan) < all);
    mm_plans_give(&ready, plans);
    ready = take(plans, NULL, &shape);
    CU_ASSERT_EQUAL(mm_plan_count(ready.plan), all);
    mm_plans_give(&ready, plans);
    mm_plans_free(plans);
}

static void faults(void)
{
    mm_plans *plans = mm_plans_new();
    mm_ready ready = {.plan = NULL};
    mm_problem problem;

    CU_ASSERT_EQUAL(mm_plans_take(&ready, plans, "dise", &problem), MM_UNKNOWN_SCORE);
    mm_plans_give(&ready, plans);
    CU_ASSERT_EQUAL(mm_plans_take(&ready, plans, "dice(classes=[7])", &problem), MM_OK);
    CU_ASSERT_EQUAL(mm_plans_bind(&ready, &shape, &problem), MM_BAD_PARAM);
    mm_plans_give(&ready, plans); /* not fit to be kept */
    CU_ASSERT_EQUAL(mm_plans_take(&ready, plans, "dice(classes=[7])", &problem), MM_OK);
    CU_ASSERT_EQUAL(ready.bound, 0);
    mm_plans_give(&ready, plans);
    mm_plans_free(plans);
    mm_plans_free(NULL);
}

/* Without a place to keep them, and with more than fit into it. */
static void none_and_many(void)
{
    mm_plans *plans = mm_plans_new();
    mm_ready ready = take(NULL, "dice", &shape);
    char scores[32];

    mm_plans_give(&ready, NULL);
    CU_ASSERT_PTR_NULL(ready.plan);
    for (int i = 0; i < 100; i++) {
        snprintf(scores, sizeof scores, "d%d:dice", i);
        ready = take(plans, scores, &shape);
        CU_ASSERT_STRING_EQUAL(mm_plan_text(ready.plan), scores);
        mm_plans_give(&ready, plans);
    }
    mm_plans_free(plans);
}

static CU_TestInfo tests[] = {{"used again", used_again},
                              {"fitted to another shape", fitted_anew},
                              {"faults", faults},
                              {"none and many", none_and_many},
                              CU_TEST_INFO_NULL};

const mm_suite mm_suite_plans = {"plans", tests};
