/*
 * test_paired.c - quantiles, and the bootstrap of paired differences against values that NumPy has computed
 */
#include "tests/suites.h"

#include "lib/maskmeter.h"

static void test_quantiles(void)
{
    static const double some[] = {1.0, 2.0, 4.0, 8.0, 16.0};
    static const double one[] = {3.0};

    CU_ASSERT_EQUAL(mm_quantile(some, 5, 0.0), 1.0);
    CU_ASSERT_EQUAL(mm_quantile(some, 5, 0.25), 2.0);
    CU_ASSERT_EQUAL(mm_quantile(some, 5, 0.5), 4.0);
    CU_ASSERT_DOUBLE_EQUAL(mm_quantile(some, 5, 0.9), 12.8, 1e-12);
    CU_ASSERT_EQUAL(mm_quantile(some, 5, 1.0), 16.0);
    CU_ASSERT_EQUAL(mm_quantile(one, 1, 0.5), 3.0);
}

/* Means and counts by hand; an interval that must hold what it is about. */
static void test_compare(void)
{
    static const double base[] = {0.5, 0.6, 0.7, 0.8}, head[] = {0.6, 0.6, 0.6, 0.9};
    mm_paired up, down, again;

    CU_ASSERT_EQUAL(mm_paired_compare(&up, base, head, 4, MM_HIGHER), MM_OK);
    CU_ASSERT_EQUAL(up.pairs, 4);
    CU_ASSERT_DOUBLE_EQUAL(up.base, 0.65, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(up.head, 0.675, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(up.difference, 0.025, 1e-15);
    CU_ASSERT(up.low <= up.difference && up.difference <= up.high);
    CU_ASSERT(up.low >= -0.1 - 1e-12 && up.high <= 0.1 + 1e-12);
    CU_ASSERT_EQUAL(up.wins, 2);
    CU_ASSERT_EQUAL(up.losses, 1);
    CU_ASSERT_EQUAL(mm_paired_compare(&down, base, head, 4, MM_LOWER), MM_OK);
    CU_ASSERT_EQUAL(down.wins, 1);
    CU_ASSERT_EQUAL(down.losses, 2);
    CU_ASSERT_EQUAL(down.low, up.low);
    CU_ASSERT_EQUAL(mm_paired_compare(&again, base, head, 4, MM_HIGHER), MM_OK);
    CU_ASSERT(again.low == up.low && again.high == up.high);
}

static void test_edges(void)
{
    static const double base[] = {0.25}, head[] = {0.75};
    mm_paired out = {.pairs = 7};

    CU_ASSERT_EQUAL(mm_paired_compare(&out, base, head, 0, MM_HIGHER), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(out.pairs, 7);
    CU_ASSERT_EQUAL(mm_paired_compare(&out, base, head, 1, MM_NEITHER), MM_OK);
    CU_ASSERT(out.low == 0.5 && out.high == 0.5 && out.wins == 1 && out.losses == 0);
    CU_ASSERT_EQUAL(mm_paired_compare(&out, base, base, 1, MM_HIGHER), MM_OK);
    CU_ASSERT(out.difference == 0.0 && out.wins == 0 && out.losses == 0);
}

/* Differences i^2 mod 7 - 3 of 11 images, resampled in Python with the generator that paired.c describes. */
static void test_interval(void)
{
    double base[11] = {0}, head[11];
    mm_paired out;

    for (int i = 0; i < 11; i++)
        head[i] = i * i % 7 - 3;
    CU_ASSERT_EQUAL(mm_paired_compare(&out, base, head, 11, MM_HIGHER), MM_OK);
    CU_ASSERT_DOUBLE_EQUAL(out.low, -1.9090909090909092, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(out.high, -0.18181818181818182, 1e-12);
}

static CU_TestInfo tests[] = {
    {"quantiles", test_quantiles},
    {"two predictions of four images", test_compare},
    {"one image, none, no difference", test_edges},
    {"the interval against Python's", test_interval},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_paired;
const mm_suite mm_suite_paired = {"paired", tests};
