/*
 * score_table.c - metrics of all classes together, from hard masks: shares of right voxels, agreement, the table
 * itself.
 *
 * The table of exclusive classes has a row per label and a column per prediction; of independent masks it is, for each
 * class, 2 x 2 (0: not of the class, 1: of it), and joint scores take the sum of these.
 */
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

static mm_soft hard_of(const mm_group *x)
{
    return (mm_soft){.tp = (double)x->both,
                     .fp = (double)(x->pred - x->both),
                     .fn = (double)(x->label - x->both),
                     .g = (double)x->label};
}

/* 2 sum_c w TP / sum_c w (2 TP + FP + FN) */
static mm_value generalized_dice(const mm_group *x, size_t count, const mm_args *args)
{
    const mm_overlap form = {.k = 2.0, .a = 1.0, .b = 1.0};
    const mm_value score = mm_generalized_score(x, count, (mm_by_volume)args->own[WEIGHT].word, hard_of, &form);

    return score.reason == MM_DEFINED ? score : mm_undefined(MM_ABSENT_IN_BOTH);
}

/* --------------------------------------------------------------- agreement */

/* The table of the chosen classes. */
typedef struct table {
    const mm_group *x;
    size_t count; /* rows and columns */
    size_t masks; /* 2 x 2, added over so many classes; 0: exclusive classes */
    double row[MM_CONFUSION_MOST], column[MM_CONFUSION_MOST], total; /* sums */
} table;

static double mask_cell(const mm_group *x, size_t row, size_t column)
{
    const uint64_t in_label = column == 1 ? x->both : x->label - x->both;
    const uint64_t of_prediction = column == 1 ? x->pred : x->scored - x->pred;

    return (double)(row == 1 ? in_label : of_prediction - in_label);
}

static double cell(const table *t, size_t row, size_t column)
{
    double sum = 0.0;

    if (t->masks == 0)
        return (double)t->x[row].row[t->x[column].index];
    for (size_t i = 0; i < t->masks; i++)
        sum += mask_cell(&t->x[i], row, column);
    return sum;
}

/* The class of row and column i. */
static size_t class_of(const table *t, size_t i)
{
    return t->masks == 0 ? t->x[i].index : i;
}

static void read_table(table *t, const mm_group *x, size_t count, const mm_args *args)
{
    *t = (table){.x = x, .count = exclusive(args) ? count : 2, .masks = exclusive(args) ? 0 : count};
    for (size_t i = 0; i < t->count; i++)
        for (size_t j = 0; j < t->count; j++) {
            t->row[i] += cell(t, i, j);
            t->column[j] += cell(t, i, j);
        }
    for (size_t i = 0; i < t->count; i++)
        t->total += t->row[i];
}

enum { WEIGHTS };
enum { NONE, LINEAR }; /* choices of `weights`, then quadratic */

/* What it costs to take class i for class j. */
static double cost_of(size_t i, size_t j, int weights)
{
    const double steps = i > j ? (double)(i - j) : (double)(j - i);

    return weights == NONE ? (double)(i != j) : weights == LINEAR ? steps : steps * steps;
}

/* 1 - sum w M / sum w E, E = row sum x column sum / total */
static mm_value kappa(const mm_group *x, size_t count, const mm_args *args)
{
    double seen = 0.0, expected = 0.0;
    mm_value disagreement;
    table t;

    read_table(&t, x, count, args);
    for (size_t i = 0; i < t.count; i++)
        for (size_t j = 0; j < t.count; j++) {
            const double cost = cost_of(class_of(&t, i), class_of(&t, j), args->own[WEIGHTS].word);

            seen += cost * cell(&t, i, j);
            expected += cost * t.row[i] * t.column[j];
        }
    disagreement = mm_ratio(seen * t.total, expected, MM_ZERO_DENOMINATOR);
    return disagreement.reason == MM_DEFINED ? mm_defined(1.0 - disagreement.value) : disagreement;
}

/* (c S - sum t_k p_k) / sqrt((S^2 - sum p_k^2) (S^2 - sum t_k^2)), written without differences of large numbers: above,
 * the sum of TP TN - FP FN over the classes; below, sums of p_k (S - p_k) and t_k (S - t_k). */
static mm_value mcc_multiclass(const mm_group *x, size_t count, const mm_args *args)
{
    double above = 0.0, labels = 0.0, preds = 0.0;
    table t;

    read_table(&t, x, count, args);
    for (size_t k = 0; k < t.count; k++) {
        const double right = cell(&t, k, k), fn = t.row[k] - right, fp = t.column[k] - right;

        above += right * (t.total - right - fn - fp) - fp * fn;
        labels += t.row[k] * (t.total - t.row[k]);
        preds += t.column[k] * (t.total - t.column[k]);
    }
    return mm_ratio(above, sqrt(labels * preds), MM_ZERO_DENOMINATOR);
}

/* --------------------------------------------------------------- the table */

enum { NORMALIZE };
enum { BY_NOTHING, BY_LABEL, BY_PREDICTION }; /* choices of `normalize`, then all */

/* One cell, over what `normalize` says; an empty row or column gives 0. */
static mm_value normalized_cell(const table *t, size_t row, size_t column, int normalize)
{
    const double below = normalize == BY_NOTHING      ? 1.0
                         : normalize == BY_LABEL      ? t->row[row]
                         : normalize == BY_PREDICTION ? t->column[column]
                                                      : t->total;

    if (normalize != BY_NOTHING && t->x[0].scored == 0)
        return mm_undefined(MM_NO_VOXELS);
    return mm_defined(below > 0.0 ? cell(t, row, column) / below : 0.0);
}

/* Cells of the classes that were not chosen stay as they are. */
static void confusion_matrix(const mm_group *x, size_t count, const mm_args *args, mm_value *list)
{
    const int normalize = args->own[NORMALIZE].word;
    table t;

    if (exclusive(args)) {
        read_table(&t, x, count, args);
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < count; j++)
                list[x[i].index * args->classes + x[j].index] = normalized_cell(&t, i, j, normalize);
        return;
    }
    for (size_t c = 0; c < count; c++) {
        read_table(&t, &x[c], 1, args);
        for (size_t i = 0; i < 4; i++)
            list[4 * x[c].index + i] = normalized_cell(&t, i / 2, i % 2, normalize);
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
