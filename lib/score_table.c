/*
 * score_table.c - metrics of all classes together, from hard masks: shares of right voxels, agreement, the table
 * itself.
 *
 * The table of exclusive classes has a row per label and a column per prediction; of independent masks it is, for each
 * class, 2 x 2 (0: not of the class, 1: of it), and joint scores take the sum of these.
 */
#include "lib/confusion.h"
#include "lib/overlap.h"
#include "lib/scores.h"

#include <math.h>

static int exclusive(const mm_args *args)
{
    return args->task == MM_MULTICLASS;
}

/* ------------------------------------------------------------ right voxels */

static size_t right_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = (mm_stat){.kind = MM_SUM_ALL_RIGHT};
    return exclusive(args) ? 0 : 1;
}

/* Voxels that are right over voxels; exclusive classes: of those whose label is chosen. */
static mm_value pixel_accuracy(const mm_group *x, size_t count, const mm_args *args)
{
    double right = 0.0, voxels = 0.0;

    if (!exclusive(args))
        return mm_ratio(x[0].sum[0], (double)x[0].scored, MM_NO_VOXELS);
    for (size_t i = 0; i < count; i++) {
        right += (double)x[i].both;
        voxels += (double)x[i].label;
    }
    return mm_ratio(right, voxels, MM_ABSENT_IN_LABEL);
}

static const char *pixel_check(const mm_args *args)
{
    for (size_t c = 0; c < args->classes && !exclusive(args); c++)
        if (!mm_class_chosen(&args->common, c, args->classes))
            return "of independent masks all must be right: leave classes out";
    return NULL;
}

/* 1 where every voxel is right about every chosen class. */
static mm_value exact_match(const mm_group *x, size_t count, const mm_args *args)
{
    int right = 1;

    (void)args;
    for (size_t i = 0; i < count; i++)
        right = right && x[i].both == x[i].label && x[i].both == x[i].pred;
    return mm_defined((double)right);
}

/* -------------------------------------------------------- generalized Dice */

enum { WEIGHT };

/* 2 sum_c w TP / sum_c w (2 TP + FP + FN) */
static mm_value generalized_dice(const mm_group *x, size_t count, const mm_args *args)
{
    const mm_overlap form = {.k = 2.0, .a = 1.0, .b = 1.0};
    const mm_value score =
        mm_generalized_score(x, count, (mm_by_volume)args->own[WEIGHT].word, mm_soft_of_counts, &form);

    return score.reason == MM_DEFINED ? score : mm_undefined(MM_ABSENT_IN_BOTH);
}

/* --------------------------------------------------------------- agreement */

/* The table of the chosen classes. */
static void read_table(mm_table *table, const mm_group *x, size_t count, const mm_args *args)
{
    *table = (mm_table){.count = 0};
    for (size_t i = 0; i < count; i++) {
        if (exclusive(args))
            mm_table_add_class(table, &x[i]);
        else
            mm_table_add_mask(table, &x[i]);
    }
    mm_table_close(table);
}

enum { WEIGHTS };

static mm_value kappa(const mm_group *x, size_t count, const mm_args *args)
{
    mm_table table;

    read_table(&table, x, count, args);
    return mm_table_kappa(&table, (mm_cost)args->own[WEIGHTS].word);
}

static mm_value mcc_multiclass(const mm_group *x, size_t count, const mm_args *args)
{
    mm_table table;

    read_table(&table, x, count, args);
    return mm_table_mcc(&table);
}

/* --------------------------------------------------------------- the table */

enum { NORMALIZE };

/* An image without voxels has counts of 0, and no shares. */
static mm_value share(const mm_table *table, size_t row, size_t column, const mm_args *args)
{
    const mm_share_of by = (mm_share_of)args->own[NORMALIZE].word;

    if (by != MM_SHARE_NONE && table->total == 0.0)
        return mm_undefined(MM_NO_VOXELS);
    return mm_defined(mm_table_share(table, row, column, by));
}

/* Cells of the classes that were not chosen stay as they are. */
static void confusion_matrix(const mm_group *x, size_t count, const mm_args *args, mm_value *list)
{
    mm_table table;

    if (exclusive(args)) {
        read_table(&table, x, count, args);
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < count; j++)
                list[x[i].index * args->classes + x[j].index] = share(&table, i, j, args);
        return;
    }
    for (size_t c = 0; c < count; c++) {
        read_table(&table, &x[c], 1, args);
        for (size_t i = 0; i < 4; i++)
            list[4 * x[c].index + i] = share(&table, i / 2, i % 2, args);
    }
}

/* classes x classes, or classes x 2 x 2 */
static unsigned table_shape(const mm_args *args, size_t images, size_t dim[3])
{
    (void)images;
    dim[0] = args->classes;
    dim[1] = exclusive(args) ? args->classes : 2;
    dim[2] = 2;
    return exclusive(args) ? 2 : 3;
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
static const mm_param generalized_params[] = {[WEIGHT] =
    {"weight", MM_WORD, "square", 0, 0, "square|simple|uniform",
     "class weight: 1/G^2, 1/G or 1, G the label's voxels; a class without label takes the greatest of the others"}};
static const mm_param kappa_params[] = {[WEIGHTS] =
    {"weights", MM_WORD, "none", 0, 0, "none|linear|quadratic",
     "what it costs to be wrong: 1, the distance between the indices of the classes, or its square"}};
static const mm_param matrix_params[] = {[NORMALIZE] =
    {"normalize", MM_WORD, "none", 0, 0, "none|label|prediction|all",
     "counts, or shares of each label, of each prediction, or of all voxels"}};

#define WHOLE(NAME, SUMMARY, FORMULA, SOURCE, UNDEFINED) \
    .name = NAME, .summary = SUMMARY, .formula = FORMULA, .source = SOURCE, .undefined = UNDEFINED, \
    .kind = MM_METRIC, .better = MM_HIGHER
#define PARAMS(LIST) .params = LIST, .param_count = MM_COUNT(LIST)
#define COMMON(LIST) .common = LIST, .common_count = MM_COUNT(LIST)

static const mm_score rows[] = {
    {.info = {WHOLE("pixel_accuracy", "Share of the voxels that are right; of independent masks: in every mask.",
                    "right voxels / V", "textbook", "no voxel is scored"), COMMON(mm_common_whole)},
     .stats = right_stats, .check = pixel_check, .joint = pixel_accuracy, .always = 1, .witness = 0.75},
    {.info = {WHOLE("exact_match", "Share of the images in which every voxel is right.", "images with FP = FN = 0 / images",
                    "textbook", "no voxel is scored"), COMMON(mm_common_whole)},
     .joint = exact_match, .always = 1, .by_image = 1, .witness = 0.0},
    {.info = {WHOLE("generalized_dice", "One Dice coefficient over all chosen classes, each weighted by the inverse of its volume.",
                    "2 sum_c w TP / sum_c w (2 TP + FP + FN)", "Crum et al. 2006",
                    "all chosen classes are in neither label nor prediction"),
              PARAMS(generalized_params), COMMON(mm_common_joint)},
     .joint = generalized_dice, .witness = 2.0 / 3.0},
    {.info = {WHOLE("kappa", "Agreement of label and prediction beyond chance.",
                    "1 - sum w M / sum w E, E = row sum x column sum / total; w = 1[i != j], |i-j| or (i-j)^2",
                    "Cohen 1960, 1968", "label and prediction are all of one class"),
              PARAMS(kappa_params), COMMON(mm_common_whole)},
     .joint = kappa, .always = 1, .table = 1, .witness = 0.5},
    {.info = {WHOLE("mcc_multiclass", "Correlation of label and prediction over all classes.",
                    "(c S - sum_k t_k p_k) / sqrt((S^2 - sum_k p_k^2) (S^2 - sum_k t_k^2)), c right voxels, t and p of label and prediction",
                    "Gorodkin 2004", "the label or the prediction is all of one class"), COMMON(mm_common_whole)},
     .joint = mcc_multiclass, .always = 1, .table = 1, .witness = 0.57735026918962576 /* 2 / sqrt 12 */},
    {.info = {.name = "confusion_matrix", .summary = "Voxels by label (rows) and prediction (columns).",
              .formula = "C x C counts; independent masks: C x 2 x 2; over=image: mean over the images, over=pooled: totals",
              .source = "confusion counts", .undefined = "never", .kind = MM_COUNT_KIND, .better = MM_NEITHER,
              PARAMS(matrix_params), COMMON(mm_common_whole)},
     .list = confusion_matrix, .shape = table_shape, .table = 1, .witness = (double)NAN},
};
/* clang-format on */

const mm_score_family mm_scores_table = {rows, MM_COUNT(rows)};
