/*
 * test_peer_common.c - what the peers share: rates of hard counts, counts over a threshold, means, checks.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/peer_common.h"
#include "tests/score_tools.h"

/* ------------------------------------------------------------------- rates */

/* TP 6 FP 2 FN 4 TN 8: worked out by hand. */
static void test_rates(void)
{
    static const mm_counts x = {.tp = 6, .fp = 2, .fn = 4, .tn = 8};
    static const struct {
        mm_rate rate;
        double value;
    } expected[] = {
        {MM_RATE_SENSITIVITY, 0.6},
        {MM_RATE_SPECIFICITY, 0.8},
        {MM_RATE_PRECISION, 0.75},
        {MM_RATE_NPV, 8.0 / 12.0},
        {MM_RATE_MISS, 0.4},
        {MM_RATE_FALL_OUT, 0.2},
        {MM_RATE_FALSE_DISCOVERY, 0.25},
        {MM_RATE_FALSE_OMISSION, 4.0 / 12.0},
        {MM_RATE_PREVALENCE_THRESHOLD, 0.36602540378443865}, /* (sqrt(3) - 1) / 2 */
        {MM_RATE_IOU, 0.5},
        {MM_RATE_ACCURACY, 0.7},
        {MM_RATE_BALANCED_ACCURACY, 0.7},
        {MM_RATE_FBETA, 30.0 / 48.0},                   /* beta 2 */
        {MM_RATE_MCC, 0.40824829046386302},             /* 40 / sqrt(9600) = 1 / sqrt(6) */
        {MM_RATE_FOWLKES_MALLOWS, 0.67082039324993691}, /* sqrt(0.45) */
        {MM_RATE_INFORMEDNESS, 0.4},
        {MM_RATE_MARKEDNESS, 0.75 + 8.0 / 12.0 - 1.0},
        {MM_RATE_POSITIVE_LIKELIHOOD, 3.0},
        {MM_RATE_NEGATIVE_LIKELIHOOD, 0.5},
    };

    for (size_t i = 0; i < MM_COUNT(expected); i++)
        CU_ASSERT(close_to(mm_rate_of(expected[i].rate, &x, 2.0), expected[i].value));
}

/* Nothing over nothing is no number, something over nothing is infinite. */
static void test_empty_rates(void)
{
    static const mm_counts none = {0}, no_fp = {.tp = 1, .fn = 1, .tn = 1};

    for (mm_rate rate = MM_RATE_SENSITIVITY; rate <= MM_RATE_NEGATIVE_LIKELIHOOD; rate++)
        CU_ASSERT(isnan(mm_rate_of(rate, &none, 1.0)));
    CU_ASSERT(isinf(mm_rate_of(MM_RATE_POSITIVE_LIKELIHOOD, &no_fp, 1.0)));
}

/* ------------------------------------------------------------------ counts */

/* Voxels at 0.2 0.5 0.5 0.9 with labels 0 1 0 1: at least 0.5, more than 0.5, and more than the request's 0.5. */
static void test_counts(void)
{
    static const double values[] = {0.2, 0.5, 0.5, 0.9, 0.0, 1.0, 0.0, 1.0};
    data d = data_given(MM_MULTILABEL, 1, 1, 4, values);
    mm_plan *plan = bound_plan(&d, "dice");
    mm_stat stats[2 * MM_OVER_STATS];
    size_t column[2] = {0, 1};
    mm_images *images;

    if (plan == NULL) {
        CU_FAIL_FATAL("plan");
        return;
    }
    CU_ASSERT_EQUAL(mm_over_stats(0.5, 0, stats), MM_OVER_STATS);
    CU_ASSERT_EQUAL(mm_over_stats(0.5, 1, stats + MM_OVER_STATS), MM_OVER_STATS);
    plan->stat_count = sizeof stats / sizeof stats[0];
    memcpy(plan->stats, stats, sizeof stats);
    images = images_of(&d, plan, 0, 1);
    for (int strictly = 0; strictly < 2; strictly++) {
        mm_cells cells = {.images = images, .need_count = 2, .support = 2, .width = {1, 1}, .column = column};

        column[0] = strictly ? 2 : 0;
        column[1] = column[0] + 1;
        const mm_group x = mm_cell(&cells, 0, 0);
        const mm_counts over = mm_counts_over(&x), plain = mm_counts_of(&x), all = mm_counts_of_image(&cells, 0);

        CU_ASSERT(plain.tp == 1.0 && plain.fp == 0.0 && plain.fn == 1.0 && plain.tn == 2.0);
        CU_ASSERT(all.tp == 1.0 && all.fp == 0.0 && all.fn == 1.0 && all.tn == 2.0);
        CU_ASSERT(over.tp == (strictly ? 1.0 : 2.0) && over.fp == (strictly ? 0.0 : 1.0));
        CU_ASSERT(over.fn == (strictly ? 1.0 : 0.0) && over.tn == (strictly ? 2.0 : 1.0));
    }
    mm_images_free(images);
    mm_plan_free(plan);
    data_free(&d);
}

/* ------------------------------------------------------------------- means */

/* What is undefined is left out; the reason with the lowest number speaks when nothing is left. */
static void test_means(void)
{
    mm_mean mean = {.count = 0};

    CU_ASSERT_EQUAL(mm_mean_value(&mean).reason, MM_NO_VOXELS);
    mm_mean_add(&mean, mm_undefined(MM_ZERO_DENOMINATOR), 1.0);
    mm_mean_add(&mean, mm_undefined(MM_ABSENT_IN_BOTH), 1.0);
    mm_mean_add(&mean, mm_undefined(MM_SINGLE_CLASS), 1.0);
    CU_ASSERT_EQUAL(mm_mean_value(&mean).reason, MM_ABSENT_IN_BOTH);
    CU_ASSERT_EQUAL(mm_mean_sum(&mean).reason, MM_ABSENT_IN_BOTH);
    mm_mean_add(&mean, mm_defined(2.0), 3.0);
    mm_mean_add(&mean, mm_defined(6.0), 1.0);
    CU_ASSERT_EQUAL(mm_mean_value(&mean).value, 3.0);
    CU_ASSERT_EQUAL(mm_mean_sum(&mean).value, 12.0);
    CU_ASSERT_EQUAL(mean.count, 2);
    CU_ASSERT_EQUAL(mm_mean_complete(&mean).reason, MM_ABSENT_IN_BOTH);
}

static void test_mix(void)
{
    CU_ASSERT_EQUAL(mm_mix(2.0, mm_defined(3.0), -1.0, mm_defined(4.0)).value, 2.0);
    CU_ASSERT_EQUAL(mm_mix(2.0, mm_defined(3.0), 1.0, mm_undefined(MM_NO_VOXELS)).reason, MM_NO_VOXELS);
}

static void test_weights_of_nothing(void)
{
    mm_mean mean = {.count = 0};

    mm_mean_add(&mean, mm_defined(2.0), 0.0);
    CU_ASSERT_EQUAL(mm_mean_value(&mean).reason, MM_ZERO_DENOMINATOR);
}

/* --------------------------------------------------------------- arguments */

static void test_arguments(void)
{
    double three[] = {1.0, 2.0, 3.0};
    const mm_args args = {.classes = 3};
    const mm_arg none = {.word = 0}, number = {.word = -1, .number = 3.0}, four = {.word = -1, .number = 4.0};
    const mm_arg list = {.word = -1, .list = three, .count = 3}, one = {.word = -1, .list = three, .count = 1};
    const mm_arg two = {.word = -1, .list = three, .count = 2};

    CU_ASSERT(mm_is_word(&none) && !mm_is_word(&number) && !mm_is_word(&list));
    CU_ASSERT_EQUAL(mm_number_of_class(&number, 2), 3.0);
    CU_ASSERT_EQUAL(mm_number_of_class(&list, 1), 2.0);
    CU_ASSERT_EQUAL(mm_number_of_class(&one, 2), 1.0);
    CU_ASSERT_EQUAL(mm_weight_of_class(&none, 2), 1.0);
    CU_ASSERT_EQUAL(mm_weight_of_class(&list, 2), 3.0);
    CU_ASSERT_PTR_NULL(mm_check_classes(&none, &args));
    CU_ASSERT_PTR_NULL(mm_check_classes(&number, &args));
    CU_ASSERT_PTR_NOT_NULL(mm_check_classes(&four, &args));
    CU_ASSERT_PTR_NULL(mm_check_per_class(&none, &args));
    CU_ASSERT_PTR_NULL(mm_check_per_class(&number, &args));
    CU_ASSERT_PTR_NULL(mm_check_per_class(&list, &args));
    CU_ASSERT_PTR_NULL(mm_check_per_class(&one, &args));
    CU_ASSERT_PTR_NOT_NULL(mm_check_per_class(&two, &args));
}

static void test_shapes(void)
{
    const mm_args args = {.classes = 3};
    size_t dim[3] = {0};

    CU_ASSERT_EQUAL(mm_shape_images_classes(&args, 5, dim), 2);
    CU_ASSERT(dim[0] == 5 && dim[1] == 3);
    CU_ASSERT_EQUAL(mm_shape_images(&args, 5, dim), 1);
    CU_ASSERT_EQUAL(dim[0], 5);
    CU_ASSERT_EQUAL(mm_shape_classes(&args, 5, dim), 1);
    CU_ASSERT_EQUAL(dim[0], 3);
}

static CU_TestInfo tests[] = {
    {"rates by hand", test_rates},
    {"rates of nothing", test_empty_rates},
    {"counts over a threshold", test_counts},
    {"means leave out what is undefined", test_means},
    {"mixes", test_mix},
    {"weights of nothing", test_weights_of_nothing},
    {"arguments", test_arguments},
    {"shapes of lists", test_shapes},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_peer_common = {"peer_common", tests};
