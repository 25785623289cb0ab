/*
 * test_distance.c - distance transforms against the nearest of all sites, one by one.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/distance.h"

enum { MOST = 700 };

static uint64_t state = 1;

static unsigned draw(unsigned below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % below;
}

static double between(const mm_array *array, size_t v, size_t w, mm_metric metric)
{
    double all = 0.0;

    for (unsigned axis = array->rank; axis-- > 0; v /= array->dim[axis], w /= array->dim[axis]) {
        const double steps = fabs((double)(v % array->dim[axis]) - (double)(w % array->dim[axis]));

        if (metric == MM_EUCLIDEAN)
            all += array->spacing[axis] * array->spacing[axis] * steps * steps;
        else
            all = metric == MM_TAXICAB ? all + steps : fmax(all, steps);
    }
    return all;
}

static void check(const double *sites, const mm_array *array, mm_metric metric, double tolerance)
{
    const size_t voxels = mm_array_voxels(array);
    double field[MOST];
    size_t wrong = 0;

    for (size_t v = 0; v < voxels; v++)
        field[v] = sites[v];
    CU_ASSERT(mm_distance_transform(field, array, metric));
    for (size_t v = 0; v < voxels; v++) {
        double nearest = INFINITY;

        for (size_t w = 0; w < voxels; w++)
            if (sites[w] == 0.0)
                nearest = fmin(nearest, between(array, v, w, metric));
        wrong += !(field[v] == nearest || fabs(field[v] - nearest) <= tolerance * nearest);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static const mm_array arrays[] = {
    {1, {1}, {1}},
    {1, {17}, {1}},
    {1, {40}, {0.7}},
    {2, {9, 13}, {1, 1}},
    {2, {1, 30}, {1, 1}},
    {2, {12, 7}, {0.5, 2.25}},
    {3, {5, 6, 7}, {1, 1, 1}},
    {3, {7, 9, 6}, {3, 0.8, 1.2}},
    {3, {2, 1, 21}, {1, 10, 0.1}},
    {4, {3, 4, 5, 6}, {1, 1, 1, 1}},
    {4, {2, 5, 3, 4}, {0.3, 1, 2, 5}},
};

/* From no site to all voxels; exact where all spacings are 1. */
static void test_random(void)
{
    static const unsigned of_100[] = {0, 1, 5, 50, 95, 100};
    double sites[MOST];

    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        for (size_t k = 0; k < 3 * sizeof of_100 / sizeof of_100[0]; k++) {
            const mm_array *array = &arrays[i];
            int unit = 1;

            for (unsigned axis = 0; axis < array->rank; axis++)
                unit = unit && array->spacing[axis] == 1.0;
            for (size_t v = 0; v < mm_array_voxels(array); v++)
                sites[v] = draw(100) < of_100[k / 3] ? 0.0 : INFINITY;
            check(sites, array, MM_EUCLIDEAN, unit ? 0.0 : 1e-14);
            check(sites, array, MM_CHESSBOARD, 0.0);
            check(sites, array, MM_TAXICAB, 0.0);
        }
}

/* One site anywhere: every voxel is at its distance. */
static void test_single(void)
{
    double sites[MOST];

    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        const size_t voxels = mm_array_voxels(&arrays[i]), site = draw((unsigned)voxels);

        for (size_t v = 0; v < voxels; v++)
            sites[v] = v == site ? 0.0 : INFINITY;
        for (unsigned metric = MM_EUCLIDEAN; metric <= MM_TAXICAB; metric++)
            check(sites, &arrays[i], (mm_metric)metric, 1e-14);
    }
}

/* The squares of long distances do not fit in 32 bits. */
static void test_long(void)
{
    const mm_array array = {2, {3, 100000}, {1, 1}};
    const size_t voxels = mm_array_voxels(&array);
    double *field = malloc(voxels * sizeof *field);

    CU_ASSERT_PTR_NOT_NULL_FATAL(field);
    for (size_t v = 0; v < voxels; v++)
        field[v] = v == 0 ? 0.0 : INFINITY;
    CU_ASSERT(mm_distance_transform(field, &array, MM_EUCLIDEAN));
    CU_ASSERT_EQUAL(field[voxels - 1], 99999.0 * 99999.0 + 4.0);
    CU_ASSERT_EQUAL(field[99998], 99998.0 * 99998.0);
    free(field);
}

static void test_mask(void)
{
    static const unsigned char mask[] = {0, 1, 1, 1, 0, 0, 1, 2}, full[] = {1, 1, 1};
    static const double inside[] = {0, 1, 4, 1, 0, 0, 1, 0}, outside[] = {1, 0, 0, 0, 1, 1, 0, 0};
    const mm_array array = {1, {8}, {1}}, small = {1, {3}, {1}};
    double field[8];

    CU_ASSERT(mm_distance_of_mask(mask, 1, &array, MM_EUCLIDEAN, field));
    for (size_t v = 0; v < 8; v++)
        CU_ASSERT_EQUAL(field[v], inside[v]);
    CU_ASSERT(mm_distance_of_mask(mask, 0, &array, MM_TAXICAB, field));
    for (size_t v = 0; v < 8; v++)
        CU_ASSERT_EQUAL(field[v], outside[v]);
    CU_ASSERT(mm_distance_of_mask(full, 1, &small, MM_EUCLIDEAN, field));
    CU_ASSERT_EQUAL(field[2], INFINITY);
}

static CU_TestInfo tests[] = {
    {"random sites, all metrics, one to four axes", test_random},
    {"a single site", test_single},
    {"long axes", test_long},
    {"masks", test_mask},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_distance;
const mm_suite mm_suite_distance = {"distance", tests};
