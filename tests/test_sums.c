/*
 * test_sums.c - exact sums do not depend on order; elementary functions are right to 1e-14.
 */
#include "tests/suites.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/image_kinds.h"
#include "lib/sums.h"

static double sum_of(const double *terms, size_t count)
{
    mm_exact sum = {.count = 0};

    for (size_t i = 0; i < count; i++)
        mm_exact_add(&sum, terms[i]);
    return mm_exact_round(&sum);
}

/* Cases whose right answer is plain, among them those that Python documents for math.fsum. */
static void exact_known(void)
{
    const double cancel[] = {1e100, 1.0, -1e100, 1e-100, 1e50, -1.0, -1e50};
    const double tenth[] = {.1, .1, .1, .1, .1, .1, .1, .1, .1, .1};
    const double half_up[] = {1.0, 0x1p-53, 0x1p-106};
    const double half_even[] = {1.0, 0x1p-53};
    const double half_down[] = {1.0, 0x1p-53, -0x1p-106};

    CU_ASSERT_EQUAL(sum_of(NULL, 0), 0.0);
    CU_ASSERT_EQUAL(sum_of(cancel, 7), 1e-100);
    CU_ASSERT_EQUAL(sum_of(tenth, 10), 1.0);
    CU_ASSERT_EQUAL(sum_of(half_up, 3), 1.0 + 0x1p-52);
    CU_ASSERT_EQUAL(sum_of(half_even, 2), 1.0);
    CU_ASSERT_EQUAL(sum_of(half_down, 3), 1.0);
}

static double any_double(void)
{
    return ldexp(drand48() - 0.5, (int)(drand48() * 2000.0) - 1000);
}

/* The same terms in any order give the same bits, and with each term's opposite added they give 0. */
static void exact_any_order(void)
{
    enum { COUNT = 400 };
    double terms[2 * COUNT];

    srand48(1);
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < COUNT; i++)
            terms[i] = any_double();
        const double first = sum_of(terms, COUNT);

        for (size_t i = COUNT - 1; i > 0; i--) {
            const size_t j = (size_t)(drand48() * (double)(i + 1));
            const double swap = terms[i];

            terms[i] = terms[j];
            terms[j] = swap;
        }
        CU_ASSERT_EQUAL(sum_of(terms, COUNT), first);
        for (size_t i = 0; i < COUNT; i++)
            terms[COUNT + i] = -terms[i];
        CU_ASSERT_EQUAL(sum_of(terms, 2 * COUNT), 0.0);
    }
}

static double relative(double value, long double right)
{
    return right == 0.0L ? fabs(value) : (double)fabsl((value - right) / right);
}

static void elementary_accuracy(void)
{
    double exp_error = 0.0, log_error = 0.0, log1p_error = 0.0, pow_error = 0.0;

    srand48(2);
    for (int i = 0; i < 300000; i++) {
        const double x = (drand48() - 0.5) * 1400.0, near = 1.0 + (drand48() - 0.5) * 1e-3;
        const double wide = ldexp(0.5 + drand48(), (int)(drand48() * 1000.0) - 500), unit = drand48();
        const double y = i % 3 == 0 ? near : wide, small = ldexp(1.0, -(int)(drand48() * 60.0)) * unit;

        exp_error = fmax(exp_error, relative(mm_exp(x), expl(x)));
        log_error = fmax(log_error, relative(mm_log(y), logl(y)));
        log1p_error = fmax(log1p_error, relative(mm_log1p(small), log1pl(small)));
        pow_error = fmax(pow_error, relative(mm_pow(unit, 0.75), powl(unit, 0.75L)));
    }
    CU_ASSERT(exp_error < 1e-14);
    CU_ASSERT(log_error < 1e-14);
    CU_ASSERT(log1p_error < 1e-14);
    CU_ASSERT(pow_error < 1e-14);
}

static void elementary_edges(void)
{
    CU_ASSERT_EQUAL(mm_exp(0.0), 1.0);
    CU_ASSERT_EQUAL(mm_exp(-709.0), 0.0);
    CU_ASSERT_EQUAL(mm_exp(-1e308), 0.0);
    CU_ASSERT_EQUAL(mm_exp(1e308), mm_exp(709.0));
    CU_ASSERT(isfinite(mm_exp(709.0)));
    CU_ASSERT_EQUAL(mm_log(1.0), 0.0);
    CU_ASSERT_EQUAL(mm_log(0.0), -INFINITY);
    CU_ASSERT(fabs(mm_log(DBL_MIN) / (double)logl(DBL_MIN) - 1.0) < 1e-14);
    CU_ASSERT_EQUAL(mm_log1p(0.0), 0.0);
    CU_ASSERT_EQUAL(mm_log1p(1e-300), 1e-300);
    CU_ASSERT_EQUAL(mm_pow(0.0, 0.0), 1.0);
    CU_ASSERT_EQUAL(mm_pow(0.0, 2.5), 0.0);
    CU_ASSERT_EQUAL(mm_pow(0.3, 1.0), 0.3);
    CU_ASSERT_EQUAL(mm_pow(0.3, 2.0), 0.3 * 0.3);
}

static void stats_found(void)
{
    const mm_stat list[] = {{.kind = MM_SUM_P},
                            {.kind = MM_SUM_POS, .gamma = 2.0, .eps = 1e-7},
                            {.kind = MM_SUM_POS, .flags = MM_STAT_CLIP, .gamma = 2.0, .eps = 1e-7}};
    const mm_stat other = {.kind = MM_SUM_POS, .gamma = 1.0, .eps = 1e-7};

    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(mm_stat_find(list, 3, &list[i]), i);
    CU_ASSERT_EQUAL(mm_stat_find(list, 3, &other), 3);
}

/* Logarithms, bins, activations and what is done to p first: hard masks cannot give them. */
static void stats_of_probs(void)
{
    static const mm_stat hard[] = {{.kind = MM_SUM_P},
                                   {.kind = MM_SUM_AD, .form = MM_FORM_SENT},
                                   {.kind = MM_SUM_P, .form = MM_FORM_APART},
                                   {.kind = MM_SUM_OVER, .more = {0.5}},
                                   {.kind = MM_IMAGE_SURFACE}};
    static const mm_stat soft[] = {{.kind = MM_SUM_P, .form = MM_FORM_SIGMOID},
                                   {.kind = MM_SUM_P, .form = MM_FORM_SOFTMAX_REST},
                                   {.kind = MM_SUM_P, .flags = MM_STAT_CLIP, .eps = 1e-7},
                                   {.kind = MM_SUM_P, .flags = MM_STAT_NORMALIZE},
                                   {.kind = MM_SUM_POS},
                                   {.kind = MM_SUM_LOG_POWER_REST},
                                   {.kind = MM_HISTOGRAM_P, .more = {10.0}},
                                   {.kind = MM_IMAGE_LOVASZ}};

    for (size_t i = 0; i < 5; i++)
        CU_ASSERT(!mm_stat_needs_probs(&hard[i]));
    for (size_t i = 0; i < 8; i++)
        CU_ASSERT(mm_stat_needs_probs(&soft[i]));
}

/* The least and the greatest of kinds, forms and bins, and what lies beside them. */
static void stats_known(void)
{
    static const unsigned known[] = {MM_SUM_P, MM_SUM_LOG_POWER_REST, MM_IMAGE_LOVASZ, MM_IMAGE_REGIONS};
    static const unsigned unknown[] = {0, MM_SUM_LOG_POWER_REST + 1, MM_IMAGE_KINDS - 1, MM_IMAGE_REGIONS + 1,
                                       UINT_MAX};
    static const unsigned histograms[] = {MM_HISTOGRAM_CLASS, MM_HISTOGRAM_TOP, MM_HISTOGRAM_P};
    static const double bins[] = {1.0, 1000.0}, no_bins[] = {0.0, 0.99, 1000.5, 1001.0, -1.0, NAN};

    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT(mm_stat_known(&(mm_stat){.kind = known[i]}));
        CU_ASSERT(mm_stat_known(&(mm_stat){.kind = known[i], .form = MM_FORM_APART}));
        CU_ASSERT(!mm_stat_known(&(mm_stat){.kind = known[i], .form = MM_FORM_APART + 1}));
    }
    for (size_t i = 0; i < 5; i++)
        CU_ASSERT(!mm_stat_known(&(mm_stat){.kind = unknown[i]}));
    for (size_t h = 0; h < 3; h++) {
        for (size_t i = 0; i < 2; i++)
            CU_ASSERT(mm_stat_known(&(mm_stat){.kind = histograms[h], .more = {bins[i]}}));
        for (size_t i = 0; i < 6; i++)
            CU_ASSERT(!mm_stat_known(&(mm_stat){.kind = histograms[h], .more = {no_bins[i]}}));
    }
}

/* Values of each column, as sums.h and image_kinds.h count them, for 4 classes; and where each begins. */
static void stats_placed(void)
{
    static const struct {
        mm_stat stat;
        size_t width;
    } columns[] = {
        {{.kind = MM_SUM_P}, 1},
        {{.kind = MM_SUM_BY_LABEL}, 4},
        {{.kind = MM_HISTOGRAM_CLASS, .more = {10.0}}, 3 * 10},
        {{.kind = MM_HISTOGRAM_TOP, .more = {10.0, 1.0}}, 3 * 11},
        {{.kind = MM_HISTOGRAM_P, .more = {7.0}}, 2 * 7},
        {{.kind = MM_IMAGE_PANOPTIC}, 1 + 4},
        {{.kind = MM_IMAGE_SURFACE}, MM_SURFACE_VALUES},
        {{.kind = MM_SUM_G}, 1},
    };
    mm_stat stats[8];
    size_t offset = 0;

    for (size_t i = 0; i < 8; i++)
        stats[i] = columns[i].stat;
    for (size_t i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(mm_stat_width(&stats[i], 4), columns[i].width);
        CU_ASSERT_EQUAL(mm_stats_offset(stats, i, 4), offset);
        offset += 4 * columns[i].width;
    }
    CU_ASSERT_EQUAL(mm_stats_offset(stats, 8, 4), offset);
}

static CU_TestInfo tests[] = {
    {"known exact sums", exact_known},
    {"exact sums in any order", exact_any_order},
    {"elementary functions against long double", elementary_accuracy},
    {"elementary functions at their edges", elementary_edges},
    {"columns are found", stats_found},
    {"columns that need probabilities", stats_of_probs},
    {"columns that are known", stats_known},
    {"columns have their places", stats_placed},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_sums = {"sums", tests};
