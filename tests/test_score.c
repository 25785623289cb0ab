/*
 * test_score.c - groups of counts and sums by hand, and where the general overlap form is not defined.
 */
#include "tests/suites.h"

#include <float.h>
#include <math.h>

#include "lib/score.h"
#include "tests/score_tools.h"

/* (k TP + n0) / max(k TP + a FP + b FN + d0, eps), each coefficient another. */
static void overlap_form(void)
{
    mm_overlap form = {.k = 2.0, .a = 0.5, .b = 4.0, .n0 = 0.25, .d0 = 1.0};
    mm_value x = mm_overlap_score(3.0, 8.0, 0.5, &form); /* (6 + .25) / (6 + 4 + 2 + 1) */

    CU_ASSERT(x.reason == MM_DEFINED && fabs(x.value - 6.25 / 13.0) < 1e-15);
    form.eps = 12.5;
    CU_ASSERT(fabs(mm_overlap_score(3.0, 8.0, 0.5, &form).value - 6.25 / 13.0) < 1e-15);
    form.eps = 25.0;
    CU_ASSERT_EQUAL(mm_overlap_score(3.0, 8.0, 0.5, &form).value, 0.25);
}

/* Without eps a denominator of 0 is no number, one below 0 stays; with eps both become eps. */
static void overlap_of_nothing(void)
{
    mm_overlap form = {.k = 1.0, .a = 1.0, .b = 1.0};

    CU_ASSERT_EQUAL(mm_overlap_score(0.0, 0.0, 0.0, &form).reason, MM_ZERO_DENOMINATOR);
    CU_ASSERT_EQUAL(mm_overlap_score(1.0, -3.0, 0.0, &form).value, -0.5);
    form.eps = 0x1p-20;
    CU_ASSERT(mm_overlap_score(0.0, 0.0, 0.0, &form).reason == MM_DEFINED);
    CU_ASSERT_EQUAL(mm_overlap_score(0.0, 0.0, 0.0, &form).value, 0.0);
    CU_ASSERT_EQUAL(mm_overlap_score(1.0, -3.0, 0.0, &form).value, 0x1p20);
}

/* Two images of two classes, their sum of p g in the only column. */
static void fill(mm_images *images)
{
    const mm_stat stat = {.kind = MM_SUM_PG};

    for (size_t n = 0; n < 2; n++) {
        mm_record *record = mm_images_append(images, n == 0 ? "a" : "b", &stat, 1, 1);

        CU_ASSERT_PTR_NOT_NULL_FATAL(record);
        record->voxels = 100;
        record->unmasked = n == 0 ? 90 : 70;
        record->scored = n == 0 ? 80 : 50;
        for (size_t c = 0; c < 2; c++) {
            record->label_count[c] = 10 + n + 5 * c;
            record->pred_count[c] = 20 + n + 5 * c;
            record->both_count[c] = 3 + n + 5 * c;
            record->sums[c] = n == 0 ? 0x1p53 : 1.0 + (double)c;
            for (size_t j = 0; j < 2; j++)
                record->confusion[c * 2 + j] = 100 * n + 10 * c + j;
        }
    }
}

/* One group of an image, and the same class of both: 2^53 + 2 is a double, 2^53 + 1 is none. */
static void groups(void)
{
    mm_images *images = NULL;
    size_t column[2] = {0, 0};
    double pooled[3];
    uint64_t table[4];
    mm_group room[2];
    mm_cells cells = {
        .groups = room, .need_count = 1, .support = 1, .width = {1}, .column = column, .values = 1, .pooled = pooled};

    CU_ASSERT_EQUAL_FATAL(mm_images_new(&images, MM_MULTICLASS, 2), MM_OK);
    fill(images);
    cells.images = images;
    cells.table = table;
    const mm_group one = mm_cell(&cells, 1, 1), all = mm_cell_pooled(&cells, 1);

    CU_ASSERT(one.scored == 50 && one.ignored == 20 && one.index == 1);
    CU_ASSERT(one.label == 16 && one.pred == 26 && one.both == 9 && one.support == 16.0);
    CU_ASSERT(one.sum[0] == 2.0 && one.row[0] == 110 && one.row[1] == 111);
    CU_ASSERT(all.scored == 130 && all.ignored == 30 && all.index == 1);
    CU_ASSERT(all.label == 31 && all.pred == 51 && all.both == 17 && all.support == 31.0);
    CU_ASSERT(mm_cells_of(&cells, 0)[1].label == 15 && mm_cells_of(&cells, MM_ALL_IMAGES)[0].label == 21);
    CU_ASSERT(all.sum[0] == 0x1p53 + 2.0 && all.row[0] == 120 && all.row[1] == 122);
    mm_images_free(images);
}

/* A list of classes is told what is wrong with it, wherever that stands. */
static void class_lists(void)
{
    static const refusal bad[] = {
        {"dice_loss(classes=[0.5])", "whole numbers"},      {"dice_loss(classes=[0.5,1])", "whole numbers"},
        {"dice_loss(classes=[1,0.5])", "whole numbers"},    {"dice_loss(classes=[0,0])", "names a class twice"},
        {"dice_loss(classes=[2,1,2])", "a class twice"},    {"dice_loss(classes=[2,1,1])", "a class twice"},
        {"dice_loss(over=pooled,stat=max)", "over=pooled"},
    };
    data d = data_random(MM_MULTICLASS, 1, 3, 10, 41);
    mm_problem problem;

    check_refusals(&d, bad, MM_COUNT(bad));
    CU_ASSERT_EQUAL(refusal_of(&d, "dice_loss(classes=[2,0,1])", &problem), MM_OK);
    data_free(&d);
}

static CU_TestInfo tests[] = {
    {"the overlap form", overlap_form},
    {"the overlap form of nothing", overlap_of_nothing},
    {"groups by hand", groups},
    {"lists of classes", class_lists},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_score = {"score", tests};
