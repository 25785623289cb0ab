/*
 * test_overlap.c - the general overlap form: log cosh everywhere, and classes weighted by volume.
 */
#include "tests/suites.h"

#include <float.h>
#include <math.h>

#include "lib/overlap.h"

/* Against long double, on both sides of where the way of computing changes, and far from it. */
static void log_cosh(void)
{
    double worst = 0.0;

    for (int i = 1; i <= 4000; i++) {
        const double x = i * 0.005;
        const long double square = sinhl(x / 2.0L) * sinhl(x / 2.0L); /* cosh x - 1, halved */
        const double right = (double)log1pl(2.0L * square);

        worst = fmax(worst, fabs(mm_log_cosh(x) / right - 1.0));
        CU_ASSERT_EQUAL(mm_log_cosh(-x), mm_log_cosh(x));
    }
    CU_ASSERT(worst < 1e-14);
    CU_ASSERT_EQUAL(mm_log_cosh(0.0), 0.0);
    CU_ASSERT(fabs(mm_log_cosh(1000.0) - (1000.0 - log(2.0))) < 1e-12);
}

/* Columns of a group: its label's volume, that of the prediction, and what they share. */
static mm_group group_of(double g, double p, double pg)
{
    return (mm_group){.sum = {g, p, pg}};
}

static mm_soft by_product(const mm_group *x)
{
    return mm_soft_of(x, MM_BY_PRODUCT);
}

static double generalized(const mm_group *x, size_t count, mm_by_volume weight)
{
    const mm_overlap dice = {.k = 2.0, .a = 1.0, .b = 1.0};
    const mm_value value = mm_generalized_score(x, count, weight, by_product, &dice);

    CU_ASSERT_EQUAL(value.reason, MM_DEFINED);
    return value.value;
}

/* 2 sum w I / sum w (P + G), by hand: the class without label weighs as much as the greatest of the others. */
static void generalized_by_hand(void)
{
    const mm_group x[] = {group_of(4.0, 5.0, 3.0), group_of(0.0, 2.0, 0.0), group_of(2.0, 1.0, 0.5)};
    const double square = 2.0 * (3.0 / 16.0 + 0.5 / 4.0) / (9.0 / 16.0 + 2.0 / 4.0 + 3.0 / 4.0);
    const double simple = 2.0 * (3.0 / 4.0 + 0.5 / 2.0) / (9.0 / 4.0 + 2.0 / 2.0 + 3.0 / 2.0);

    CU_ASSERT_DOUBLE_EQUAL(generalized(x, 3, MM_VOLUME_SQUARE), square, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(generalized(x, 3, MM_VOLUME_SIMPLE), simple, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(generalized(x, 3, MM_VOLUME_UNIFORM), 2.0 * 3.5 / (9.0 + 2.0 + 3.0), 1e-15);
}

/* A volume whose square is 0 as a double has no finite weight: it counts as no label. */
static void generalized_of_the_smallest(void)
{
    const mm_group x[] = {group_of(DBL_MIN, 1.0, 0.0), group_of(2.0, 2.0, 2.0)};

    CU_ASSERT_DOUBLE_EQUAL(generalized(x, 2, MM_VOLUME_SQUARE), 2.0 * 2.0 / (1.0 + 4.0), 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(generalized((mm_group[]){group_of(0x1p-1070, 1.0, 0.0), x[1]}, 2, MM_VOLUME_SIMPLE),
                           2.0 * 2.0 / (1.0 + 4.0), 1e-15);
}

/* Images of p = .8 .4, g = 1 .25: TP, FP and FN of each way of measuring. */
static void four_measures(void)
{
    const double p[] = {0.8, 0.4}, g[] = {1.0, 0.25};
    const mm_soft product = mm_soft_of(&(mm_group){.sum = {1.25, 1.2, 0.9}}, MM_BY_PRODUCT);
    const mm_soft square = mm_soft_of(&(mm_group){.sum = {1.25, 0.8, 0.9, 1.0625}}, MM_BY_SQUARE);
    const mm_soft l1 = mm_soft_of(&(mm_group){.sum = {1.25, 1.2, 0.35}}, MM_BY_L1);
    double least = 0.0;

    for (int i = 0; i < 2; i++)
        least += fmin(p[i], g[i]); /* (p + g - |p - g|) / 2 */
    CU_ASSERT_DOUBLE_EQUAL(product.tp, 0.9, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(product.fp, 0.8 * 0.0 + 0.4 * 0.75, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(product.fn, 0.2 * 1.0 + 0.6 * 0.25, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(square.fp, 0.8 - 0.9, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(square.fn, 1.0625 - 0.9, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(l1.tp, least, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(l1.fp, 1.2 - least, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(l1.fn, 1.25 - least, 1e-15);
    CU_ASSERT(product.g == 1.25 && square.g == 1.25 && l1.g == 1.25);
}

static CU_TestInfo tests[] = {
    {"log cosh against long double", log_cosh},
    {"generalized Dice by hand", generalized_by_hand},
    {"generalized Dice where a weight would be infinite", generalized_of_the_smallest},
    {"four ways of measuring", four_measures},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_overlap = {"overlap", tests};
