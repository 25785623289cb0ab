/*
 * test_image_distance.c - columns of distances between surfaces against the lists between the masks.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/surface.h"
#include "tests/image_tools.h"

enum { MOST = 400 };

static void label_of(const scene *s, size_t n, size_t c, unsigned char *mask)
{
    for (size_t v = 0; v < s->voxels; v++)
        mask[v] = scene_g(s, n, c, v) > 0.5;
}

static const size_t shapes[][3] = {{1}, {30}, {9, 12}, {1, 11}, {4, 5, 6}};
static const unsigned ranks[] = {1, 1, 2, 2, 3};

/* The three kinds of columns of surfaces, with one spacing. */
enum { SURFACE, PERCENTILE, WITHIN, KINDS };
static const mm_stat surface_stats[KINDS] = {
    {.kind = MM_IMAGE_SURFACE, .more = {2.0, 0.5, 1.5, 0.0, MM_EUCLIDEAN}},
    {.kind = MM_IMAGE_SURFACE_PERCENTILE, .more = {2.0, 0.5, 1.5, 80.0, MM_EUCLIDEAN}},
    {.kind = MM_IMAGE_SURFACE_WITHIN, .more = {2.0, 0.5, 1.5, 1.0, MM_EUCLIDEAN}},
};

static mm_reason emptiness(const mm_directed lists[2])
{
    if (lists[0].count > 0 && lists[1].count > 0)
        return MM_DEFINED;
    return lists[0].count > 0 ? MM_EMPTY_LABEL : lists[1].count > 0 ? MM_EMPTY_PREDICTION : MM_ABSENT_IN_BOTH;
}

/* The values of one (image, class) against the lists between its masks. */
static void compare_surfaces(const scene *s, double *const columns[KINDS], size_t n, size_t c,
                             const mm_directed lists[2])
{
    const mm_reason reason = emptiness(lists);

    for (size_t kind = 0; kind < KINDS; kind++)
        CU_ASSERT_EQUAL(scene_value(s, &surface_stats[kind], columns[kind], n, MM_SURFACE_REASON, c), (double)reason);
    for (size_t side = 0; side < 2; side++) {
        CU_ASSERT_EQUAL(scene_value(s, &surface_stats[SURFACE], columns[SURFACE], n, MM_SURFACE_SIZE_A + side, c),
                        (double)lists[side].count);
        if (reason != MM_DEFINED)
            continue;
        CU_ASSERT_DOUBLE_EQUAL(scene_value(s, &surface_stats[SURFACE], columns[SURFACE], n, MM_SURFACE_SUM_A + side, c),
                               mm_directed_sum(&lists[side]), 1e-12 * mm_directed_sum(&lists[side]));
        CU_ASSERT_EQUAL(
            scene_value(s, &surface_stats[PERCENTILE], columns[PERCENTILE], n, MM_SURFACE_PERCENTILE_A + side, c),
            mm_directed_percentile(&lists[side], MM_SURFACE_VOXEL, 80.0));
        CU_ASSERT_EQUAL(scene_value(s, &surface_stats[WITHIN], columns[WITHIN], n, MM_SURFACE_WITHIN_A + side, c),
                        mm_directed_within(&lists[side], 1.0));
    }
}

/* The masks that are compared, and which side is which. */
static void check_surfaces(const scene *s)
{
    mm_array array = {.rank = s->rank, .spacing = {2.0, 0.5, 1.5}};
    unsigned char masks[2][MOST];
    double *columns[KINDS];
    mm_directed lists[2];

    for (size_t kind = 0; kind < KINDS; kind++) {
        columns[kind] = scene_column(s, &surface_stats[kind]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(columns[kind]);
    }
    memcpy(array.dim, s->spatial, s->rank * sizeof *array.dim);
    for (size_t n = 0; n < s->images; n++)
        for (size_t c = 0; c < s->classes; c++) {
            for (size_t v = 0; v < s->voxels; v++)
                masks[0][v] = scene_hard(s, n, c, v) == 1;
            label_of(s, n, c, masks[1]);
            CU_ASSERT_FATAL(mm_surface_distances(masks[0], masks[1], &array, MM_SURFACE_VOXEL, MM_EUCLIDEAN, lists));
            compare_surfaces(s, columns, n, c, lists);
            mm_directed_free(&lists[0]);
            mm_directed_free(&lists[1]);
        }
    for (size_t kind = 0; kind < KINDS; kind++)
        free(columns[kind]);
}

static void test_surfaces(void)
{
    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned k = 0; k <= 8; k++) {
            scene s = scene_random(k & 1 ? MM_MULTICLASS : MM_MULTILABEL, k & 2 ? MM_MASKS : MM_PROBS, 2, 3, ranks[i],
                                   shapes[i], (scene_kind){2 * k, k & 2 ? 16 : 15, k & 4 ? 50 : 2}, 5 * i + k);

            check_surfaces(&s);
            scene_free(&s);
        }
}

static CU_TestInfo tests[] = {
    {"surfaces", test_surfaces},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_image_distance;
const mm_suite mm_suite_image_distance = {"image_distance", tests};
