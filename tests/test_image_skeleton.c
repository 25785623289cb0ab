/*
 * test_image_skeleton.c - sums of soft and hard skeletons against erosion and opening voxel by voxel.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/image_tools.h"

/* The least (greatest: the greatest) of a voxel and those around it: along the axes, or all. */
static double extreme(const scene *s, const double *x, size_t v, int greatest)
{
    double best = x[v];

    for (int code = 0; code < 27; code++) {
        const int step[3] = {code % 3 - 1, code / 3 % 3 - 1, code / 9 - 1};
        const int axes = abs(step[0]) + abs(step[1]) + abs(step[2]);
        const int beyond = (s->rank < 2 && step[1] != 0) || (s->rank < 3 && step[2] != 0);
        const size_t at = beyond || (!greatest && axes > 1) ? SIZE_MAX : scene_step(s, v, step);

        if (at != SIZE_MAX)
            best = greatest ? fmax(best, x[at]) : fmin(best, x[at]);
    }
    return best;
}

static void erode(const scene *s, double *to, const double *x)
{
    for (size_t v = 0; v < s->voxels; v++)
        to[v] = extreme(s, x, v, 0);
}

/* The skeleton of x, which is thinned; iterations -1: until it is the same as before. */
static void skeleton_of(const scene *s, double *x, int iterations, double *skeleton)
{
    double *eroded = malloc(s->voxels * sizeof *eroded);
    int same = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(eroded);
    memset(skeleton, 0, s->voxels * sizeof *skeleton);
    for (int k = 0; (iterations < 0 || k <= iterations) && !same; k++) {
        erode(s, eroded, x);
        for (size_t v = 0; v < s->voxels; v++) {
            const double d = fmax(x[v] - extreme(s, eroded, v, 1), 0.0);

            skeleton[v] += fmax(d - skeleton[v] * d, 0.0);
        }
        same = iterations < 0 && memcmp(x, eroded, s->voxels * sizeof *x) == 0;
        memcpy(x, eroded, s->voxels * sizeof *x);
    }
    free(eroded);
}

static void check(const scene *s, const mm_stat *stat)
{
    const int hard = stat->kind == MM_IMAGE_CLDICE_HARD;
    double *column = scene_column(s, stat), *plane[2], *thin, *skeleton;

    plane[0] = malloc(s->voxels * sizeof(double));
    plane[1] = malloc(s->voxels * sizeof(double));
    thin = malloc(s->voxels * sizeof *thin);
    skeleton = malloc(s->voxels * sizeof *skeleton);
    CU_ASSERT_FATAL(plane[0] != NULL && plane[1] != NULL && thin != NULL && skeleton != NULL);
    for (size_t n = 0; n < s->images; n++)
        for (size_t c = 0; c < s->classes; c++) {
            for (size_t v = 0; v < s->voxels; v++) {
                plane[0][v] = hard ? scene_hard(s, n, c, v) : scene_p(s, n, c, v);
                plane[1][v] = scene_g(s, n, c, v);
            }
            CU_ASSERT_EQUAL(scene_value(s, stat, column, n, 0, c), (double)MM_DEFINED);
            for (size_t side = 0; side < 2; side++) {
                double with_other = 0.0, alone = 0.0;

                memcpy(thin, plane[side], s->voxels * sizeof *thin);
                skeleton_of(s, thin, hard ? -1 : (int)stat->more[0], skeleton);
                for (size_t v = 0; v < s->voxels; v++) {
                    with_other += skeleton[v] * plane[1 - side][v];
                    alone += skeleton[v];
                }
                CU_ASSERT(scene_close(scene_value(s, stat, column, n, 1 + 2 * side, c), with_other));
                CU_ASSERT(scene_close(scene_value(s, stat, column, n, 2 + 2 * side, c), alone));
            }
        }
    free(plane[0]);
    free(plane[1]);
    free(thin);
    free(skeleton);
    free(column);
}

static const size_t shapes[][3] = {{1}, {40}, {12, 9}, {1, 11}, {6, 7, 5}, {2, 3, 9}};
static const unsigned ranks[] = {1, 1, 2, 2, 3, 3};

static void test_soft(void)
{
    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned k = 0; k < 6; k++) {
            scene s = scene_random(k & 1 ? MM_MULTICLASS : MM_MULTILABEL, MM_PROBS, 2, 2, ranks[i], shapes[i],
                                   (scene_kind){3 * k, k & 2 ? 16 : 15, k & 4 ? 50 : 4}, i + k);

            check(&s, &(mm_stat){.kind = MM_IMAGE_CLDICE, .more = {k}});
            scene_free(&s);
        }
}

/* Sparse and dense masks, none and all, and some without a hole. */
static void test_hard(void)
{
    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned k = 0; k <= 16; k += 2) {
            scene s = scene_random(k % 4 ? MM_MULTICLASS : MM_MULTILABEL, k % 8 ? MM_PROBS : MM_MASKS, 2, 2, ranks[i],
                                   shapes[i], (scene_kind){k, k < 8 ? 16 : 15, k & 4 ? 50 : 3}, i + k);

            check(&s, &(mm_stat){.kind = MM_IMAGE_CLDICE_HARD});
            scene_free(&s);
        }
}

/* A long bar that is eroded from one end only: as many rounds as it has voxels. */
static void test_long_bar(void)
{
    static const size_t shape[] = {200000};
    scene s = scene_random(MM_MULTILABEL, MM_PROBS, 1, 1, 1, shape, (scene_kind){16, 16, 1}, 1);
    const mm_stat stat = {.kind = MM_IMAGE_CLDICE_HARD};

    for (size_t v = 0; v < s.voxels; v++) {
        s.g[v] = v > 0;
        s.p[v] = v < s.voxels - 1;
    }
    double *column = scene_column(&s, &stat);
    const double skeletons[] = {MM_DEFINED, 0, 1, 0, 1}; /* the voxels at the ends, which the other side lacks */
    for (size_t w = 0; w < 5; w++)
        CU_ASSERT_EQUAL(column[w], skeletons[w]);
    free(column);
    scene_free(&s);
}

static CU_TestInfo tests[] = {
    {"soft skeletons", test_soft},
    {"hard skeletons", test_hard},
    {"a long bar", test_long_bar},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_image_skeleton;
const mm_suite mm_suite_image_skeleton = {"image_skeleton", tests};
