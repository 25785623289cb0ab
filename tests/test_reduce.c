/*
 * test_reduce.c - from groups to numbers, with rows of our own whose values say what they were given.
 */
#include "tests/suites.h"

#include <math.h>
#include <string.h>

#include "lib/score.h"

enum { CLASSES = 3, IMAGES = 2 };

/* Counts that differ everywhere: class c of image n. */
static uint64_t label_at(size_t n, size_t c)
{
    return 1 + n + 3 * c;
}

/* Class 2 is in neither label nor prediction of image 0; nothing of image 1 is masked. */
static mm_images *two_images(void)
{
    mm_images *images = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_images_new(&images, MM_MULTICLASS, CLASSES), MM_OK);
    for (size_t n = 0; n < IMAGES; n++) {
        mm_record *record = mm_images_append(images, n == 0 ? "a" : "b", NULL, 0, 0);

        CU_ASSERT_PTR_NOT_NULL_FATAL(record);
        record->voxels = 50;
        record->unmasked = n == 0 ? 40 : 50;
        record->scored = n == 0 ? 30 : 45;
        for (size_t c = 0; c < CLASSES; c++) {
            const int here = n == 1 || c < 2;

            record->label_count[c] = here ? label_at(n, c) : 0;
            record->pred_count[c] = here ? 20 + label_at(n, c) : 0;
            record->both_count[c] = here ? 1 : 0;
        }
    }
    return images;
}

static mm_value label_count(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_defined((double)x->label);
}

/* All counts of a group in one number. */
static mm_value all_counts(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_defined((double)x->scored + 1e3 * (double)x->ignored + 1e6 * (double)x->label + 1e9 * (double)x->pred +
                      1e12 * (double)x->both);
}

static mm_scored scored_with(const mm_score *row, mm_common common, const double *weights)
{
    const mm_args args = {.common = common, .task = MM_MULTICLASS, .classes = CLASSES};
    mm_images *images = two_images();
    mm_scored out;

    CU_ASSERT_EQUAL(mm_score_images(&out, row, &args, images, weights), MM_OK);
    mm_images_free(images);
    return out;
}

static double value_with(const mm_score *row, mm_common common, const double *weights)
{
    mm_scored out = scored_with(row, common, weights);
    const mm_value value = out.result.value;

    mm_scored_clear(&out);
    CU_ASSERT_EQUAL(value.reason, MM_DEFINED);
    return value.value;
}

/* Means of the classes: 1.5 = (1 + 2) / 2, 4.5, and 8 of image 1 alone; 3 + 9 + 8 = 20 voxels of labels. */
static void classes_averaged(void)
{
    static const double weights[CLASSES] = {0.5, 2.0, 1.5};
    const mm_score score = {.info = {.kind = MM_METRIC}, .per_class = label_count};
    const mm_score loss = {.info = {.kind = MM_LOSS}, .per_class = label_count};
    const double weighted = 0.5 * 1.5 + 2.0 * 4.5 + 1.5 * 8.0;
    mm_common common = {.absent = -1, .normalize = 1};

    CU_ASSERT_EQUAL(value_with(&score, common, weights), 14.0 / 3.0);
    CU_ASSERT_EQUAL(value_with(&loss, common, NULL), 14.0 / 3.0);
    CU_ASSERT_EQUAL(value_with(&loss, common, weights), weighted / 4.0);
    common.normalize = 0;
    CU_ASSERT_EQUAL(value_with(&loss, common, weights), weighted / 3.0);
    common.average = MM_WEIGHTED;
    CU_ASSERT_EQUAL(value_with(&score, common, weights), weighted / 3.0);
    common.average = MM_SUPPORT;
    CU_ASSERT_EQUAL(value_with(&loss, common, weights), (3.0 * 1.5 + 9.0 * 4.5 + 8.0 * 8.0) / 20.0);
}

/* Class 1 has 4 voxels in one image and 5 in the other: a percentile lies between them as q between 0 and 1. */
static void images_summarised(void)
{
    static const double list[] = {1.0};
    static const struct {
        mm_stat_of stat;
        double value;
    } cases[] = {{MM_MEAN, 4.5}, {MM_MIN, 4.0},  {MM_P5, 4.05},  {MM_P25, 4.25},
                 {MM_P50, 4.5},  {MM_P75, 4.75}, {MM_P95, 4.95}, {MM_MAX, 5.0}};
    const mm_score score = {.info = {.kind = MM_METRIC}, .per_class = label_count};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const mm_common common = {.absent = -1,
                                  .normalize = 1,
                                  .stat = cases[i].stat,
                                  .chosen = MM_LISTED,
                                  .class_list = list,
                                  .class_count = 1};

        CU_ASSERT_DOUBLE_EQUAL(value_with(&score, common, NULL), cases[i].value, 1e-15);
    }
}

/* An absent class is left out and counted, or is the value asked for. */
static void absent_classes(void)
{
    const mm_score score = {.info = {.kind = MM_METRIC}, .per_class = label_count};
    mm_common common = {.absent = -1, .normalize = 1};
    mm_scored out = scored_with(&score, common, NULL);

    CU_ASSERT_EQUAL(out.result.columns, CLASSES);
    CU_ASSERT_EQUAL(out.result.omitted[MM_ABSENT_IN_BOTH], 1);
    CU_ASSERT_EQUAL(out.per_image[2].reason, MM_ABSENT_IN_BOTH);
    CU_ASSERT_EQUAL(out.per_class[2].value, 8.0);
    mm_scored_clear(&out);
    common.absent = 1;
    out = scored_with(&score, common, NULL);
    CU_ASSERT_EQUAL(out.result.omitted[MM_ABSENT_IN_BOTH], 0);
    CU_ASSERT_EQUAL(out.per_class[2].value, (1.0 + 8.0) / 2.0);
    mm_scored_clear(&out);
}

/* Classes 0 and 2 of both images added into one group: every voxel is scored once for each class. */
static void classes_added(void)
{
    static const double list[] = {0.0, 2.0};
    const mm_score score = {.info = {.kind = MM_METRIC}, .per_class = all_counts};
    const mm_common common = {
        .pooled = 1, .absent = -1, .average = MM_MICRO, .chosen = MM_LISTED, .class_list = list, .class_count = 2};
    const double label = 1 + 2 + 8, pred = 21 + 22 + 28, both = 3;

    CU_ASSERT_EQUAL(value_with(&score, common, NULL),
                    2 * (30 + 45) + 1e3 * 2 * (10 + 5) + 1e6 * label + 1e9 * pred + 1e12 * both);
}

/* As many columns as a row may have: 1 + i times the class. */
static size_t most_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    for (unsigned i = 0; i < MM_ROW_STATS; i++)
        stats[i] = (mm_stat){.kind = MM_SUM_P, .gamma = i};
    return MM_ROW_STATS;
}

static mm_value weighted_columns(const mm_group *x, const mm_args *args)
{
    double sum = 0.0;

    (void)args;
    for (size_t i = 0; i < MM_ROW_STATS; i++)
        sum += mm_wide(x, i, 0) == x->sum[i] ? (double)(1 + i) * x->sum[i] : (double)NAN;
    return mm_defined(sum);
}

/* All columns of all classes added: sum over c and i of (1 + i) (10 c + i). */
static void columns_added(void)
{
    const mm_score row = {.info = {.kind = MM_METRIC}, .stats = most_stats, .per_class = weighted_columns, .always = 1};
    const mm_args args = {.common = {.pooled = 1, .absent = -1, .average = MM_MICRO}, .classes = CLASSES};
    mm_stat stats[MM_ROW_STATS];
    mm_images *images = NULL;
    mm_scored out;
    double right = 0.0;

    CU_ASSERT_EQUAL_FATAL(mm_images_new(&images, MM_MULTICLASS, CLASSES), MM_OK);
    mm_record *record = mm_images_append(images, "a", stats, most_stats(&args, stats), 0);

    CU_ASSERT_PTR_NOT_NULL_FATAL(record);
    for (size_t i = 0; i < MM_ROW_STATS; i++)
        for (size_t c = 0; c < CLASSES; c++) {
            record->sums[i * CLASSES + c] = (double)(10 * c + i);
            right += (double)((1 + i) * (10 * c + i));
        }
    CU_ASSERT_EQUAL(mm_score_images(&out, &row, &args, images, NULL), MM_OK);
    CU_ASSERT_EQUAL(out.result.value.value, right);
    mm_scored_clear(&out);
    mm_images_free(images);
}

/* ------------------------------------------------------------------- lists */

/* As many values as asked for, of which only the first is defined. */
static unsigned two_by(const mm_args *args, size_t images, size_t dim[3])
{
    dim[0] = images;
    dim[1] = args->classes - CLASSES; /* so that a test can ask for any number */
    return 2;
}

static void first_only(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const size_t count = cells->images->count * (args->classes - CLASSES);

    for (size_t i = 0; i < count; i++)
        list[i] = i == 0 ? mm_defined(7.0) : mm_undefined(i % 2 ? MM_ABSENT_IN_LABEL : MM_NOT_CHOSEN);
}

/* The list's shape, and what is undefined in it; an empty one; one that no memory holds. */
static void lists_of_peers(void)
{
    static const size_t widths[] = {3, 1, 0};
    const mm_score row = {.shape = two_by, .peer = first_only};
    mm_args args = {.common = {.absent = -1}, .classes = CLASSES};
    mm_images *images = two_images();
    mm_scored out;

    for (size_t i = 0; i < 3; i++) {
        args.classes = CLASSES + widths[i];
        CU_ASSERT_EQUAL_FATAL(mm_score_images(&out, &row, &args, images, NULL), MM_OK);
        CU_ASSERT(out.result.rank == 2 && out.result.dim[0] == IMAGES && out.result.dim[1] == widths[i]);
        CU_ASSERT_EQUAL(out.result.omitted[MM_ABSENT_IN_LABEL], widths[i]); /* every other one of twice as many */
        CU_ASSERT(widths[i] == 0 || out.result.list[0].value == 7.0);
        mm_scored_clear(&out);
    }
    args.classes = CLASSES + SIZE_MAX / sizeof(mm_value) / 2 + 1;
    CU_ASSERT_EQUAL(mm_score_images(&out, &row, &args, images, NULL), MM_NO_MEMORY);
    CU_ASSERT(out.list == NULL && out.result.list == NULL);
    mm_images_free(images);
}

static unsigned one_by_class(const mm_args *args, size_t images, size_t dim[3])
{
    (void)images;
    dim[0] = args->classes;
    return 1;
}

/* Of each chosen class its label count; of one that the label does not have, why there is none. */
static void label_counts(const mm_group *x, size_t count, const mm_args *args, mm_value *list)
{
    (void)args;
    for (size_t i = 0; i < count; i++)
        list[x[i].index] = x[i].label > 0 ? mm_defined((double)x[i].label) : mm_undefined(MM_ABSENT_IN_LABEL);
}

/* Classes 1 and 2 of each image, then over the images: class 2 is there in the second alone; or of both at once. */
static void lists_of_classes(void)
{
    const mm_score row = {.shape = one_by_class, .list = label_counts};
    mm_common common = {.absent = -1, .chosen = MM_FOREGROUND};
    mm_scored out = scored_with(&row, common, NULL);

    CU_ASSERT(out.result.rank == 1 && out.result.dim[0] == CLASSES);
    CU_ASSERT_EQUAL(out.result.list[0].reason, MM_NOT_CHOSEN);
    CU_ASSERT(out.result.list[1].value == 4.5 && out.result.list[2].value == 8.0);
    CU_ASSERT_EQUAL(out.result.omitted[MM_ABSENT_IN_LABEL], 0);
    mm_scored_clear(&out);
    common.pooled = 1;
    out = scored_with(&row, common, NULL);
    CU_ASSERT(out.result.list[1].value == 9.0 && out.result.list[2].value == 8.0);
    mm_scored_clear(&out);
}

/* A list whose last value no image has. */
static void not_in_any_image(const mm_group *x, size_t count, const mm_args *args, mm_value *list)
{
    label_counts(x, count, args, list);
    list[CLASSES - 1] = mm_undefined(MM_ABSENT_IN_LABEL);
}

static void lists_with_gaps(void)
{
    const mm_score row = {.shape = one_by_class, .list = not_in_any_image};
    mm_scored out = scored_with(&row, (mm_common){.absent = -1}, NULL);

    CU_ASSERT_EQUAL(out.result.list[CLASSES - 1].reason, MM_ABSENT_IN_LABEL);
    CU_ASSERT_EQUAL(out.result.omitted[MM_ABSENT_IN_LABEL], 1);
    mm_scored_clear(&out);
}

static CU_TestInfo tests[] = {
    {"classes averaged by hand", classes_averaged},
    {"images summarised", images_summarised},
    {"absent classes", absent_classes},
    {"classes added by hand", classes_added},
    {"columns added by hand", columns_added},
    {"lists of peers", lists_of_peers},
    {"lists of classes", lists_of_classes},
    {"lists with gaps", lists_with_gaps},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_reduce = {"reduce", tests};
