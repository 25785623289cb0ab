/*
 * test_kernels_surface.c - rows of maps, masks and surface elements against one place at a time.
 */
#include "tests/suites.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/kernels_surface.h"

/* A mask of three rows, of which the middle one is looked at, with room around them. */
enum { ROW = 200, AROUND = 80, SIZE = 3 * ROW + 2 * AROUND };

static const mm_surface_kernels *kernels(void)
{
    return mm_kernels_chosen()->surfaces;
}

/* Mostly set, so that voxels inside are found; always so when `holes` is 0. */
static void fill(unsigned char mask[SIZE], int holes)
{
    for (size_t i = 0; i < SIZE; i++)
        mask[i] = (unsigned char)(lrand48() % 20 < holes ? lrand48() % 4 : 3);
}

/* 1 where the side's bit is set and that of a neighbour is not: in rows of three places, or of one. */
static int is_open(const unsigned char *mask, const mm_rows_around *around, unsigned bit)
{
    int all = 1;

    for (size_t k = 0; k < around->wide_count; k++)
        for (ptrdiff_t i = -1; i <= 1; i++)
            all = all && (mask[around->wide[k] + i] & bit) != 0;
    for (size_t k = 0; k < around->narrow_count; k++)
        all = all && (mask[around->narrow[k]] & bit) != 0;
    return (*mask & bit) != 0 && !all;
}

static void voxels(void)
{
    static const mm_rows_around around[] = {{.wide = {0}, .wide_count = 1},
                                            {.wide = {0}, .narrow = {-ROW, ROW}, .wide_count = 1, .narrow_count = 2},
                                            {.wide = {-ROW, 0, ROW}, .wide_count = 3}};
    unsigned char mask[SIZE], pred[ROW + 1], label[ROW + 1];

    for (int round = 0; round < 90; round++) {
        const unsigned char *row = mask + AROUND + ROW;
        const mm_rows_around *near = &around[round % 3];
        const size_t n = (size_t)(1 + lrand48() % 190);
        int right = 1;

        fill(mask, round % 7);
        pred[n] = label[n] = 99;
        kernels()->voxel_elements(pred, label, row, near, n);
        for (size_t i = 0; i < n; i++)
            right = right && pred[i] == is_open(row + i, near, MM_PRED_BIT) &&
                    label[i] == is_open(row + i, near, MM_LABEL_BIT);
        CU_ASSERT(right);
        CU_ASSERT(pred[n] == 99 && label[n] == 99);
    }
}

/* Two voxels of each row as bits, the first row on top; none and all are no surface. */
static unsigned code_of(const unsigned char *mask, const ptrdiff_t *rows, size_t count, unsigned bit)
{
    const unsigned all = (1u << 2 * count) - 1;
    unsigned code = 0;

    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < 2; i++)
            code = 2 * code + ((mask[rows[k] + (ptrdiff_t)i] & bit) != 0);
    return code == all ? 0 : code;
}

static void surfels(void)
{
    static const ptrdiff_t rows[] = {0, ROW, -ROW, ROW + 20};
    unsigned char mask[SIZE], pred[ROW + 1], label[ROW + 1];

    for (int round = 0; round < 90; round++) {
        const unsigned char *row = mask + AROUND + ROW;
        const size_t n = (size_t)(1 + lrand48() % 190), count = (size_t)1 << round % 3;
        int right = 1;

        fill(mask, 3 * (round % 7));
        pred[n] = label[n] = 99;
        kernels()->surfel_elements(pred, label, row, rows, count, n);
        for (size_t i = 0; i < n; i++)
            right = right && pred[i] == code_of(row + i, rows, count, MM_PRED_BIT) &&
                    label[i] == code_of(row + i, rows, count, MM_LABEL_BIT);
        CU_ASSERT(right);
        CU_ASSERT(pred[n] == 99 && label[n] == 99);
    }
}

/* Steps along columns to the nearest element, 255 where they are more or there is none. */
static void steps(void)
{
    enum { LENGTH = 300, STRIDE = 77, COLUMNS = 70 };
    static unsigned char elements[LENGTH * STRIDE], found[LENGTH * STRIDE];

    for (int rare = 1; rare < 2000; rare *= 3) {
        int right = 1;

        for (size_t i = 0; i < sizeof elements; i++)
            elements[i] = lrand48() % rare == 0 ? (unsigned char)(1 + lrand48() % 255) : 0;
        kernels()->steps(found, elements, LENGTH, STRIDE, COLUMNS);
        for (int i = 0; i < LENGTH * COLUMNS; i++) {
            const int z = i / COLUMNS, column = i % COLUMNS;
            int least = 255;

            for (int y = 0; y < LENGTH; y++)
                if (elements[y * STRIDE + column] != 0 && abs(y - z) < least)
                    least = abs(y - z);
            right = right && found[z * STRIDE + column] == least;
        }
        CU_ASSERT(right);
    }
}

/* Counts and the greatest, in rows of any length; all of 100,000 elements in one lane or spread. */
static void counted(void)
{
    static unsigned char elements[100000];
    double squared[100];

    memset(elements, 200, sizeof elements);
    CU_ASSERT_EQUAL(kernels()->count(elements, sizeof elements), sizeof elements);
    for (size_t n = 0; n <= 100; n++) {
        size_t within = 0, some = 0;
        double most = 0.0;

        for (size_t i = 0; i < n; i++) {
            squared[i] = (double)(lrand48() % 9);
            elements[i] = (unsigned char)(squared[i] * 31.0);
            within += squared[i] <= 4.0;
            some += squared[i] != 0.0;
            most = fmax(most, squared[i]);
        }
        CU_ASSERT_EQUAL(kernels()->count(elements, n), some);
        CU_ASSERT_EQUAL(kernels()->count_within(squared, 4.0, n), within);
        CU_ASSERT_EQUAL(kernels()->greatest(squared, n), most);
        kernels()->roots(squared, (double[]){0.0, 2.25, INFINITY, DBL_MAX}, 4);
        CU_ASSERT(squared[0] == 0.0 && squared[1] == 1.5 && isinf(squared[2]) && squared[3] == sqrt(DBL_MAX));
    }
}

/* Each class and none; what lies on a threshold is below it. */
static void maps(void)
{
    const float label[] = {-1.0f, 0.0f, 3.0f, 4095.0f}, pred[] = {7.0f, 3.0f, 0.0f, 3.0f};
    const double p[] = {0.25, 0.5, 1.0, 0.26}, g[] = {0.5, 0.51, 1.0, 0.0};
    uint16_t labels[4], preds[4];
    unsigned char mask[4];

    kernels()->map_classes(labels, preds, label, pred, 4);
    CU_ASSERT(labels[0] == MM_NO_CLASS && labels[1] == 0 && labels[2] == 3 && labels[3] == 4095);
    CU_ASSERT(preds[0] == MM_NO_CLASS && preds[1] == 3 && preds[2] == 0 && preds[3] == 3);
    kernels()->mask_of_class(mask, labels, preds, 3, 4);
    CU_ASSERT(mask[0] == 0 && mask[1] == MM_PRED_BIT && mask[2] == MM_LABEL_BIT && mask[3] == MM_PRED_BIT);
    kernels()->map_masks(mask, p, 0.25, g, 4);
    CU_ASSERT(mask[0] == 0 && mask[1] == 3 && mask[2] == 3 && mask[3] == MM_PRED_BIT);
    kernels()->mask_of_bytes(mask, (const unsigned char[]){0, 1, 0, 1}, (const unsigned char[]){0, 0, 1, 1}, 4);
    CU_ASSERT(mask[0] == 0 && mask[1] == MM_PRED_BIT && mask[2] == MM_LABEL_BIT && mask[3] == 3);
}

static CU_TestInfo tests[] = {
    {"voxels of a surface", voxels},      {"codes of surfels", surfels}, {"steps along columns", steps},
    {"counts and the greatest", counted}, {"maps and masks", maps},      CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_kernels_surface = {"kernels_surface", tests};
