/*
 * test_image_components.c - components by spreading numbers, assignments by trying all, and the panoptic sums of both.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/assignment.h"
#include "lib/components.h"
#include "tests/image_tools.h"

/* --------------------------------------------------------------- components */

/* Numbers of the components: every voxel takes the least index around it until nothing changes.  Returns how many. */
static size_t spread(const scene *s, const unsigned char *mask, unsigned connectivity, size_t *ids)
{
    size_t count = 0;
    int changed = 1;

    for (size_t v = 0; v < s->voxels; v++)
        ids[v] = mask[v] == 1 ? v + 1 : 0;
    while (changed) {
        changed = 0;
        for (size_t v = 0; v < s->voxels; v++)
            for (int code = 0; code < 27 && ids[v] > 0; code++) {
                const int step[3] = {code % 3 - 1, code / 3 % 3 - 1, code / 9 - 1};
                const unsigned axes = (unsigned)(abs(step[0]) + abs(step[1]) + abs(step[2]));
                const int beyond = (s->rank < 2 && step[1] != 0) || (s->rank < 3 && step[2] != 0);
                const size_t at = beyond || axes > connectivity ? SIZE_MAX : scene_step(s, v, step);

                if (at != SIZE_MAX && ids[at] > 0 && ids[at] < ids[v]) {
                    ids[v] = ids[at];
                    changed = 1;
                }
            }
    }
    for (size_t v = 0; v < s->voxels; v++)
        ids[v] = ids[v] == 0 ? 0 : ids[v] == v + 1 ? ++count : ids[ids[v] - 1];
    return count;
}

static const size_t shapes[][3] = {{1}, {50}, {9, 11}, {1, 20}, {20, 1}, {5, 4, 6}, {2, 1, 9}};
static const unsigned ranks[] = {1, 1, 2, 2, 2, 3, 3};

static void test_components(void)
{
    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned k = 0; k <= 16; k += 2) {
            scene s = scene_random(MM_MULTILABEL, MM_MASKS, 1, 1, ranks[i], shapes[i], (scene_kind){k, 15, 1}, i + k);
            const mm_grid grid = mm_grid_of(s.rank, s.spatial);
            unsigned char *mask = malloc(s.voxels);
            uint32_t *ids = malloc(s.voxels * sizeof *ids);
            size_t *numbers = malloc(s.voxels * sizeof *numbers);

            CU_ASSERT_FATAL(mask != NULL && ids != NULL && numbers != NULL);
            for (size_t v = 0; v < s.voxels; v++)
                mask[v] = s.scored[v] ? s.g[v] == 1.0 : MM_NOT_SCORED;
            for (unsigned connectivity = 1; connectivity <= 3; connectivity++) {
                CU_ASSERT_EQUAL(mm_components(mask, &grid, connectivity, ids), spread(&s, mask, connectivity, numbers));
                for (size_t v = 0; v < s.voxels; v++)
                    CU_ASSERT_EQUAL(ids[v], numbers[v]);
            }
            free(mask);
            free(ids);
            free(numbers);
            scene_free(&s);
        }
}

/* --------------------------------------------------------------- assignment */

enum { MOST = 9 };

/* The most that rows and columns can be worth together, trying every set of columns for the rows so far. */
static double best_of(double weight[MOST][MOST], size_t rows, size_t columns)
{
    static double best[2][1 << MOST];
    double most = 0.0;

    memset(best, 0, sizeof best);
    for (size_t row = 0; row < rows; row++)
        for (size_t used = 0; used < (size_t)1 << columns; used++) {
            const double *before = best[row % 2];
            double *now = best[(row + 1) % 2];

            now[used] = before[used];
            for (size_t c = 0; c < columns; c++)
                if (used >> c & 1)
                    now[used] = fmax(now[used], before[used & ~((size_t)1 << c)] + weight[row][c]);
        }
    for (size_t used = 0; used < (size_t)1 << columns; used++)
        most = fmax(most, best[rows % 2][used]);
    return most;
}

static void test_assignment(void)
{
    unsigned seed = 1;

    for (int trial = 0; trial < 600; trial++) {
        double weight[MOST][MOST] = {{0.0}}, sum = 0.0;
        mm_pair pairs[MOST * MOST];
        size_t chosen[MOST], count = 0, used = 0;
        const size_t rows = 1 + (size_t)trial % MOST, columns = 1 + (size_t)trial / 7 % MOST;
        const unsigned share = 1 + (unsigned)trial % 4, values = trial % 3 ? 1000 : 3;

        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < columns; c++) {
                seed = seed * 1664525u + 1013904223u;
                if ((seed >> 10) % 4 >= share)
                    continue;
                weight[r][c] = (double)(1 + (seed >> 14) % values) / (double)values;
                pairs[count++] = (mm_pair){(uint32_t)r, (uint32_t)c, weight[r][c]};
            }
        CU_ASSERT_FATAL(mm_assign(pairs, count, rows, columns, chosen));
        for (size_t r = 0; r < rows; r++) {
            if (chosen[r] == MM_NO_PAIR)
                continue;
            CU_ASSERT_EQUAL(pairs[chosen[r]].row, r);
            CU_ASSERT((used >> pairs[chosen[r]].column & 1) == 0);
            used |= (size_t)1 << pairs[chosen[r]].column;
            sum += pairs[chosen[r]].weight;
        }
        CU_ASSERT(scene_close(sum, best_of(weight, rows, columns)));
    }
}

/* A chain in which every new row pushes all before it one column on. */
static void test_long_chain(void)
{
    enum { ROWS = 20000 };
    mm_pair *pairs = malloc(2 * ROWS * sizeof *pairs);
    size_t *chosen = malloc(ROWS * sizeof *chosen), count = 0;

    CU_ASSERT_FATAL(pairs != NULL && chosen != NULL);
    for (size_t r = 0; r < ROWS; r++) {
        pairs[count++] = (mm_pair){(uint32_t)r, (uint32_t)r, 0.5};
        pairs[count++] = (mm_pair){(uint32_t)r, (uint32_t)r + 1, 0.4};
    }
    CU_ASSERT_FATAL(mm_assign(pairs, count, ROWS, ROWS + 1, chosen));
    for (size_t r = 0; r < ROWS; r++)
        CU_ASSERT_EQUAL(chosen[r], 2 * r);
    free(pairs);
    free(chosen);
}

/* ----------------------------------------------------------------- panoptic */

static void mask_of(const scene *s, size_t n, size_t c, int label, unsigned char *mask)
{
    for (size_t v = 0; v < s->voxels; v++)
        mask[v] = (unsigned char)(label ? scene_g(s, n, c, v) == 1.0 : scene_hard(s, n, c, v));
}

/* Sum of IoU, TP, FP, FN at a threshold of at least one half. */
static void check_class(const scene *s, const mm_stat *stat, const double *column, size_t n, size_t c)
{
    unsigned char *mask = malloc(s->voxels);
    size_t *label = malloc(s->voxels * sizeof *label), *pred = malloc(s->voxels * sizeof *pred);
    double sum = 0.0, matched = 0.0;

    CU_ASSERT_FATAL(mask != NULL && label != NULL && pred != NULL);
    mask_of(s, n, c, 1, mask);
    const size_t labels = spread(s, mask, (unsigned)stat->more[1], label);
    mask_of(s, n, c, 0, mask);
    const size_t preds = spread(s, mask, (unsigned)stat->more[1], pred);
    for (size_t i = 1; i <= labels; i++)
        for (size_t j = 1; j <= preds; j++) {
            double both = 0.0, either = 0.0;

            for (size_t v = 0; v < s->voxels; v++) {
                both += label[v] == i && pred[v] == j;
                either += label[v] == i || pred[v] == j;
            }
            if (both / either > stat->more[0]) {
                sum += both / either;
                matched += 1.0;
            }
        }
    CU_ASSERT(scene_close(scene_value(s, stat, column, n, 1, c), sum));
    CU_ASSERT_EQUAL(scene_value(s, stat, column, n, 2, c), matched);
    CU_ASSERT_EQUAL(scene_value(s, stat, column, n, 3, c), (double)preds - matched);
    CU_ASSERT_EQUAL(scene_value(s, stat, column, n, 4, c), (double)labels - matched);
    free(mask);
    free(label);
    free(pred);
}

static void test_panoptic(void)
{
    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned k = 0; k < 12; k++) {
            const mm_stat stat = {.kind = MM_IMAGE_PANOPTIC, .more = {k & 1 ? 0.5 : 0.7, 1 + k % 3}};
            scene s = scene_random(k & 2 ? MM_MULTICLASS : MM_MULTILABEL, k & 4 ? MM_LOGITS : MM_PROBS, 2, 2, ranks[i],
                                   shapes[i], (scene_kind){2 + k, k & 1 ? 16 : 15, 9}, i + k);

            for (size_t j = 0; j < s.images * s.classes * s.voxels && !(k & 2); j++) /* mostly right */
                s.p[j] = j % 5 != 0 ? (s.g[j] == 1.0 ? 1.0 : s.pred_kind == MM_LOGITS ? -1.0 : 0.0) : s.p[j];
            double *column = scene_column(&s, &stat);
            for (size_t n = 0; n < s.images; n++)
                for (size_t c = 0; c < s.classes; c++)
                    check_class(&s, &stat, column, n, c);
            free(column);
            scene_free(&s);
        }
}

/* Two label components under one prediction and another: at 0.3 each may match once, the greatest total wins.
 *
 *   label       1 1 1 . 2 2 2 2 2 2
 *   prediction  1 1 1 1 1 1 . 2 2 2
 *
 * IoU (1,1) = 3/6, (2,1) = 2/10, (2,2) = 3/6. */
static void test_low_threshold(void)
{
    static const size_t shape[] = {10};
    static const double label[] = {1, 1, 1, 0, 1, 1, 1, 1, 1, 1}, pred[] = {1, 1, 1, 1, 1, 1, 0, 1, 1, 1};
    static const struct {
        double iou, values[4];
    } cases[] = {{0.3, {1.0, 2, 0, 0}}, {0.0, {1.0, 2, 0, 0}}, {0.5, {0.0, 0, 2, 2}}, {0.49, {1.0, 2, 0, 0}}};
    scene s = scene_random(MM_MULTILABEL, MM_MASKS, 1, 1, 1, shape, (scene_kind){8, 16, 1}, 1);

    memcpy(s.p, pred, sizeof pred);
    memcpy(s.g, label, sizeof label);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double *column = scene_column(&s, &(mm_stat){.kind = MM_IMAGE_PANOPTIC, .more = {cases[i].iou, 1}});

        for (size_t w = 0; w < 4; w++)
            CU_ASSERT_EQUAL(column[1 + w], cases[i].values[w]);
        free(column);
    }
    scene_free(&s);
}

static CU_TestInfo tests[] = {
    {"components", test_components},
    {"assignment", test_assignment},
    {"a long chain", test_long_chain},
    {"panoptic sums", test_panoptic},
    {"matches below one half", test_low_threshold},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_image_components;
const mm_suite mm_suite_image_components = {"image_components", tests};
