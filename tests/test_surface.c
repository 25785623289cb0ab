/*
 * test_surface.c - surfaces and their distances: areas from geometry, cases by hand, random masks against all pairs.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdint.h>

#include "lib/surface.h"
#include "lib/surfel.h"

enum { MOST = 1000 };

/* ------------------------------------------------------------------ surfels */

static void test_areas(void)
{
    static const double unit[] = {1, 1, 1}, doubled[] = {2, 2, 2};
    static const struct {
        unsigned code;
        double area;
    } known[] = {{1, 0.2165},  {3, 0.7071},  {6, 0.4330},  {7, 1.1495},   {15, 1.0},
                 {22, 0.6495}, {23, 1.2990}, {27, 1.5731}, {105, 0.8660}, {255, 0.0}};
    double size[MM_SURFEL_CODES], larger[MM_SURFEL_CODES], sum = 0.0;

    mm_surfel_sizes(3, unit, size);
    mm_surfel_sizes(3, doubled, larger);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        CU_ASSERT_DOUBLE_EQUAL(size[known[i].code], known[i].area, 6e-5);
    for (unsigned code = 0; code < MM_SURFEL_CODES; code++) {
        CU_ASSERT_EQUAL(size[code], size[255 - code]);
        CU_ASSERT_DOUBLE_EQUAL(larger[code], 4.0 * size[code], 1e-14);
        sum += size[code];
    }
    CU_ASSERT_DOUBLE_EQUAL(sum, 241.343139705537, 1e-11);
}

/* A face across each axis has the area of that face; an edge, that of its slope. */
static void test_spacing(void)
{
    static const double spacing[] = {3.0, 0.5, 2.0};
    double size[MM_SURFEL_CODES];

    mm_surfel_sizes(3, spacing, size);
    CU_ASSERT_DOUBLE_EQUAL(size[0xf0], 0.5 * 2.0, 1e-14); /* (0, ., .) set */
    CU_ASSERT_DOUBLE_EQUAL(size[0xcc], 3.0 * 2.0, 1e-14); /* (., 0, .) */
    CU_ASSERT_DOUBLE_EQUAL(size[0xaa], 3.0 * 0.5, 1e-14); /* (., ., 0) */
    CU_ASSERT_DOUBLE_EQUAL(size[0xc0], 0.5 * sqrt(9.0 + 0.25) * 2.0, 1e-14);
    mm_surfel_sizes(2, spacing, size);
    CU_ASSERT_EQUAL(size[3], 0.5);
    CU_ASSERT_EQUAL(size[5], 3.0);
    CU_ASSERT_EQUAL(size[1], 0.5 * sqrt(9.25));
    CU_ASSERT_EQUAL(size[9], sqrt(9.25));
    mm_surfel_sizes(1, spacing, size);
    CU_ASSERT(size[0] == 0.0 && size[1] == 1.0 && size[2] == 1.0 && size[3] == 0.0);
}

/* ------------------------------------------------------------ cases by hand */

/* Boxes, half-open; `hole` is taken out of the prediction. */
typedef struct half {
    size_t low[3], high[3];
} half;

typedef struct by_hand {
    mm_array array;
    half pred, hole, label;
    /* distance, directed percentile, pooled percentile, mean of both sides, surface Dice at 1; of voxels, of surfels */
    double voxel[5], surfel[5];
} by_hand;

static int is_in(const mm_array *array, const half *box, size_t v)
{
    int in = 1;

    for (unsigned axis = array->rank; axis-- > 0; v /= array->dim[axis])
        in = in && v % array->dim[axis] >= box->low[axis] && v % array->dim[axis] < box->high[axis];
    return in;
}

static void reduce(const mm_directed of[2], mm_surface surface, double out[5])
{
    mm_directed all;

    CU_ASSERT_FATAL(mm_directed_join(of, &all));
    out[0] = all.elements[all.count - 1].distance;
    out[1] = fmax(mm_directed_percentile(&of[0], surface, 95.0), mm_directed_percentile(&of[1], surface, 95.0));
    out[2] = mm_directed_percentile(&all, surface, 95.0);
    out[3] = mm_directed_sum(&all) / mm_directed_weight(&all);
    out[4] = mm_directed_within(&all, 1.0) / mm_directed_weight(&all);
    mm_directed_free(&all);
}

static void check_by_hand(const by_hand *of, mm_surface surface, const double *expected)
{
    unsigned char pred[MOST], label[MOST];
    mm_directed lists[2];
    double values[5];

    for (size_t v = 0; v < mm_array_voxels(&of->array); v++) {
        pred[v] = is_in(&of->array, &of->pred, v) && !is_in(&of->array, &of->hole, v);
        label[v] = (unsigned char)is_in(&of->array, &of->label, v);
    }
    CU_ASSERT_FATAL(mm_surface_distances(pred, label, &of->array, surface, MM_EUCLIDEAN, lists));
    reduce(lists, surface, values);
    for (size_t i = 0; i < 5; i++)
        if (surface == MM_SURFACE_VOXEL || i != 2)
            CU_ASSERT_DOUBLE_EQUAL(values[i], expected[i], 6e-6);
    mm_directed_free(&lists[0]);
    mm_directed_free(&lists[1]);
}

static void test_by_hand(void)
{
    static const by_hand cases[] = {
        {{2, {10, 10}, {1, 1}}, {{2, 2}, {6, 6}}, {{0}, {0}}, {{2, 3}, {6, 7}}, {1, 1, 1, 0.5, 1}, {1, 1, 0, 0.5, 1}},
        {{2, {10, 10}, {2, 0.5}},
         {{2, 2}, {6, 6}},
         {{0}, {0}},
         {{2, 3}, {6, 7}},
         {0.5, 0.5, 0.5, 0.25, 1},
         {0.5, 0.5, 0, 0.367659, 1}},
        {{2, {12, 12}, {1, 1}},
         {{2, 2}, {9, 9}},
         {{4, 4}, {7, 7}},
         {{2, 2}, {9, 9}},
         {1, 1, 1, 0.2, 1},
         {2, 2, 0, 0.335842, 0.832079}},
        {{2, {6, 8}, {1, 1}},
         {{0, 0}, {6, 8}},
         {{0}, {0}},
         {{1, 1}, {5, 7}},
         {1.414214, 1.414214, 1.414214, 1.041421, 0.9},
         {1.414214, 1.414214, 0, 1.02566, 0.938050}},
        {{2, {8, 8}, {1, 1}},
         {{2, 2}, {4, 6}},
         {{0}, {0}},
         {{4, 2}, {6, 6}},
         {2, 2, 2, 1.5, 0.5},
         {2, 2, 0, 1, 0.592350}},
        {{3, {8, 10, 10}, {3, 1, 1}},
         {{2, 2, 2}, {5, 6, 6}},
         {{0}, {0}},
         {{3, 2, 2}, {6, 6, 6}},
         {3, 3, 3, 1.181818, 0.636364},
         {3, 3, 0, 0.672974, 0.791306}},
        {{3, {5, 6, 7}, {1, 1, 1}},
         {{1, 2, 2}, {2, 3, 3}},
         {{0}, {0}},
         {{2, 3, 4}, {3, 4, 5}},
         {2.449490, 2.449490, 2.449490, 2.449490, 0},
         {2.449490, 2.449490, 0, 1.81026, 0.125}},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_by_hand(&cases[i], MM_SURFACE_VOXEL, cases[i].voxel);
        check_by_hand(&cases[i], MM_SURFACE_SURFEL, cases[i].surfel);
    }
}

/* -------------------------------------------------------------- random masks */

static uint64_t state = 3;

static unsigned draw(unsigned below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % below;
}

/* Is the voxel set, with a face neighbour that is not, or is outside? */
static int on_surface(const unsigned char *mask, const mm_array *array, size_t v)
{
    size_t step = 1;

    for (unsigned axis = array->rank; axis-- > 0; step *= array->dim[axis]) {
        const size_t at = v / step % array->dim[axis];

        if (mask[v] && (at == 0 || at + 1 == array->dim[axis] || !mask[v - step] || !mask[v + step]))
            return 1;
    }
    return 0;
}

static double apart(const mm_array *array, size_t v, size_t w, mm_metric metric)
{
    double all = 0.0;

    for (unsigned axis = array->rank; axis-- > 0; v /= array->dim[axis], w /= array->dim[axis]) {
        const double steps = fabs((double)(v % array->dim[axis]) - (double)(w % array->dim[axis]));

        if (metric == MM_EUCLIDEAN)
            all += array->spacing[axis] * array->spacing[axis] * steps * steps;
        else
            all = metric == MM_TAXICAB ? all + steps : fmax(all, steps);
    }
    return metric == MM_EUCLIDEAN ? sqrt(all) : all;
}

/* Number, sum and greatest of the distances, from all pairs. */
static void check_pairs(const unsigned char *a, const unsigned char *b, const mm_array *array, mm_metric metric,
                        const mm_directed *list)
{
    double sum = 0.0, most = 0.0;
    size_t count = 0;

    for (size_t v = 0; v < mm_array_voxels(array); v++) {
        double nearest = INFINITY;

        if (!on_surface(a, array, v))
            continue;
        for (size_t w = 0; w < mm_array_voxels(array); w++)
            if (on_surface(b, array, w))
                nearest = fmin(nearest, apart(array, v, w, metric));
        sum += nearest;
        most = fmax(most, nearest);
        count++;
    }
    CU_ASSERT_EQUAL(list->count, count);
    CU_ASSERT_EQUAL(mm_directed_weight(list), (double)count);
    if (count > 0 && count == list->count) {
        const double last = list->elements[count - 1].distance;

        CU_ASSERT(last == most || fabs(last - most) <= 1e-13 * most);
        CU_ASSERT(sum == mm_directed_sum(list) || fabs(mm_directed_sum(list) - sum) <= 1e-12 * sum);
    }
}

static void test_pairs(void)
{
    static const mm_array arrays[] = {{1, {30}, {0.5}},
                                      {2, {9, 12}, {1, 1}},
                                      {2, {10, 7}, {0.5, 2}},
                                      {3, {5, 6, 7}, {1, 1, 1}},
                                      {3, {6, 5, 4}, {2.5, 0.8, 1.2}},
                                      {3, {1, 9, 9}, {1, 1, 1}}};
    unsigned char masks[2][MOST];
    mm_directed lists[2];

    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        for (unsigned k = 0; k < 25; k++) { /* none, few, many or all voxels of either mask */
            const unsigned metric = (unsigned)(i + k) % 3;

            for (size_t v = 0; v < mm_array_voxels(&arrays[i]); v++) {
                masks[0][v] = draw(4) < k % 5;
                masks[1][v] = draw(4) < k / 5;
            }
            CU_ASSERT_FATAL(
                mm_surface_distances(masks[0], masks[1], &arrays[i], MM_SURFACE_VOXEL, (mm_metric)metric, lists));
            check_pairs(masks[0], masks[1], &arrays[i], (mm_metric)metric, &lists[0]);
            check_pairs(masks[1], masks[0], &arrays[i], (mm_metric)metric, &lists[1]);
            mm_directed_free(&lists[0]);
            mm_directed_free(&lists[1]);
        }
}

/* --------------------------------------------------------------- reductions */

static void test_reductions(void)
{
    mm_element elements[] = {{0.0, 2.0}, {1.0, 1.0}, {2.0, 1.0}, {10.0, 4.0}};
    const mm_directed list = {elements, 4}, one = {elements + 3, 1};

    CU_ASSERT_EQUAL(mm_directed_percentile(&list, MM_SURFACE_VOXEL, 0.0), 0.0);
    CU_ASSERT_EQUAL(mm_directed_percentile(&list, MM_SURFACE_VOXEL, 50.0), 1.5);
    CU_ASSERT_EQUAL(mm_directed_percentile(&list, MM_SURFACE_VOXEL, 100.0), 10.0);
    CU_ASSERT_EQUAL(mm_directed_percentile(&list, MM_SURFACE_SURFEL, 25.0), 0.0);
    CU_ASSERT_EQUAL(mm_directed_percentile(&list, MM_SURFACE_SURFEL, 26.0), 1.0);
    CU_ASSERT_EQUAL(mm_directed_percentile(&list, MM_SURFACE_SURFEL, 50.0), 2.0);
    CU_ASSERT_EQUAL(mm_directed_percentile(&list, MM_SURFACE_SURFEL, 100.0), 10.0);
    CU_ASSERT_EQUAL(mm_directed_percentile(&one, MM_SURFACE_VOXEL, 95.0), 10.0);
    CU_ASSERT_EQUAL(mm_directed_within(&list, 1.0), 3.0);
    CU_ASSERT_EQUAL(mm_directed_within(&list, 0.999), 2.0);
    CU_ASSERT_EQUAL(mm_directed_sum(&list), 43.0);
    CU_ASSERT_EQUAL(mm_directed_square_sum(&list), 405.0);
}

static CU_TestInfo tests[] = {
    {"areas of surfels", test_areas}, {"spacing of surfels", test_spacing},
    {"cases by hand", test_by_hand},  {"random masks against all pairs", test_pairs},
    {"reductions", test_reductions},  CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_surface;
const mm_suite mm_suite_surface = {"surface", tests};
