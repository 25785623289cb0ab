/*
 * peer_torchmetrics_classification.c - torchmetrics' rates of hard masks: accuracy, precision, recall, specificity,
 * F-beta, negative predictive value, Hamming distance.
 *
 * Counts are of all images together, or of each (multidim_average=samplewise).  A binary function takes the classes of
 * independent masks as one.
 */
#include <math.h>

#include "lib/peer_torchmetrics.h"

/* The parameters from mm_tm_own() on; binary functions have no average. */
static size_t average_at(mm_tm_task task)
{
    return mm_tm_own(task);
}

static size_t multidim_at(mm_tm_task task)
{
    return mm_tm_own(task) + (task != MM_TM_BINARY);
}

static size_t zero_at(mm_tm_task task)
{
    return multidim_at(task) + 1;
}

static size_t beta_at(mm_tm_task task)
{
    return zero_at(task) + 1;
}

static int average_of(const mm_args *args, mm_tm_task task)
{
    return task == MM_TM_BINARY ? MM_TM_MICRO : args->own[average_at(task)].word;
}

enum { GLOBAL, SAMPLEWISE };

static int samplewise(const mm_args *args, mm_tm_task task)
{
    return args->own[multidim_at(task)].word == SAMPLEWISE;
}

/* --------------------------------------------------------------------- rates */

/* What a function makes of counts. */
typedef struct rating {
    mm_tm_task task;
    mm_rate rate;
    double beta, zero; /* of MM_RATE_FBETA; what 0/0 is */
    int distance;      /* 1 minus the rate */
} rating;

static double rate_of(const rating *r, const mm_counts *x)
{
    const double rate = mm_rate_of(r->rate, x, r->beta), safe = isnan(rate) ? r->zero : rate;

    return r->distance ? 1.0 - safe : safe;
}

/* 0 for what a mean over classes leaves out: exclusive classes that are in neither label nor prediction. */
static double weight_of(const mm_counts *x, mm_tm_task task, int average)
{
    if (average == MM_TM_WEIGHTED)
        return x->tp + x->fn;
    return task != MM_TM_MULTICLASS || x->tp + x->fp + x->fn > 0.0 ? 1.0 : 0.0;
}

/* Without any weight: 0. */
static mm_value averaged(const rating *r, const mm_group *x, size_t classes, int average)
{
    mm_mean mean = {.count = 0};
    mm_value value;

    if (average == MM_TM_MICRO) {
        const mm_counts all = mm_tm_total(x, classes, r->task);

        return mm_defined(rate_of(r, &all));
    }
    for (size_t c = 0; c < classes; c++) {
        const mm_counts counts = mm_tm_counts(&x[c], r->task);

        mm_mean_add(&mean, mm_defined(rate_of(r, &counts)), weight_of(&counts, r->task, average));
    }
    value = mm_mean_value(&mean);
    return value.reason == MM_DEFINED ? value : mm_defined(0.0);
}

static void rated(const mm_cells *cells, const mm_args *args, const rating *r, mm_value *list)
{
    const int average = average_of(args, r->task), by_image = samplewise(args, r->task);

    for (size_t n = 0; n < (by_image ? cells->images->count : 1); n++) {
        const mm_group *x = mm_cells_of(cells, by_image ? n : MM_ALL_IMAGES);

        for (size_t c = 0; average == MM_TM_NONE && c < args->classes; c++) {
            const mm_counts counts = mm_tm_counts(&x[c], r->task);

            list[n * args->classes + c] = mm_defined(rate_of(r, &counts));
        }
        if (average != MM_TM_NONE)
            list[n] = averaged(r, x, args->classes, average);
    }
}

static unsigned rated_shape(const mm_args *args, size_t images, mm_tm_task task, size_t dim[3])
{
    unsigned rank = 0;

    if (samplewise(args, task))
        dim[rank++] = images;
    if (average_of(args, task) == MM_TM_NONE)
        dim[rank++] = args->classes;
    return rank;
}

static unsigned binary_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return rated_shape(args, images, MM_TM_BINARY, dim);
}

static unsigned multiclass_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return rated_shape(args, images, MM_TM_MULTICLASS, dim);
}

static unsigned multilabel_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return rated_shape(args, images, MM_TM_MULTILABEL, dim);
}

/* Of 0/0 nothing else is offered by the peer. */
static const char *check_zero(const mm_args *args, mm_tm_task task)
{
    const double zero = args->own[zero_at(task)].number;

    if (zero != 0.0 && zero != 1.0)
        return "zero_division is 0 or 1";
    return task == MM_TM_BINARY ? NULL : mm_tm_check_num(args);
}

static const char *check_binary_zero(const mm_args *args)
{
    return check_zero(args, MM_TM_BINARY);
}

static const char *check_multiclass_zero(const mm_args *args)
{
    return check_zero(args, MM_TM_MULTICLASS);
}

static const char *check_multilabel_zero(const mm_args *args)
{
    return check_zero(args, MM_TM_MULTILABEL);
}

/* ------------------------------------------- functions without zero_division */

static void binary_accuracy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated(cells, args, &(rating){.task = MM_TM_BINARY, .rate = MM_RATE_ACCURACY}, list);
}

static void multiclass_accuracy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated(cells, args, &(rating){.task = MM_TM_MULTICLASS, .rate = MM_RATE_SENSITIVITY}, list);
}

static void multilabel_accuracy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated(cells, args, &(rating){.task = MM_TM_MULTILABEL, .rate = MM_RATE_ACCURACY}, list);
}

static void multiclass_hamming_distance(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated(cells, args, &(rating){.task = MM_TM_MULTICLASS, .rate = MM_RATE_SENSITIVITY, .distance = 1}, list);
}

static void binary_specificity(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated(cells, args, &(rating){.task = MM_TM_BINARY, .rate = MM_RATE_SPECIFICITY}, list);
}

static void multiclass_specificity(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated(cells, args, &(rating){.task = MM_TM_MULTICLASS, .rate = MM_RATE_SPECIFICITY}, list);
}

static void multilabel_specificity(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated(cells, args, &(rating){.task = MM_TM_MULTILABEL, .rate = MM_RATE_SPECIFICITY}, list);
}

/* ---------------------------------------------- functions with zero_division */

static void rated_zero(const mm_cells *cells, const mm_args *args, mm_value *list, mm_tm_task task, mm_rate rate,
                       double beta)
{
    rated(cells, args, &(rating){.task = task, .rate = rate, .beta = beta, .zero = args->own[zero_at(task)].number},
          list);
}

static void binary_precision(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated_zero(cells, args, list, MM_TM_BINARY, MM_RATE_PRECISION, 1.0);
}

static void multiclass_precision(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated_zero(cells, args, list, MM_TM_MULTICLASS, MM_RATE_PRECISION, 1.0);
}

static void multilabel_precision(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated_zero(cells, args, list, MM_TM_MULTILABEL, MM_RATE_PRECISION, 1.0);
}

static void binary_recall(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated_zero(cells, args, list, MM_TM_BINARY, MM_RATE_SENSITIVITY, 1.0);
}

static void multiclass_recall(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated_zero(cells, args, list, MM_TM_MULTICLASS, MM_RATE_SENSITIVITY, 1.0);
}

static void multilabel_recall(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated_zero(cells, args, list, MM_TM_MULTILABEL, MM_RATE_SENSITIVITY, 1.0);
}

static void binary_negative_predictive_value(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated_zero(cells, args, list, MM_TM_BINARY, MM_RATE_NPV, 1.0);
}

static void multiclass_negative_predictive_value(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated_zero(cells, args, list, MM_TM_MULTICLASS, MM_RATE_NPV, 1.0);
}

static void multilabel_negative_predictive_value(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated_zero(cells, args, list, MM_TM_MULTILABEL, MM_RATE_NPV, 1.0);
}

static void binary_f1_score(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated_zero(cells, args, list, MM_TM_BINARY, MM_RATE_FBETA, 1.0);
}

static void multiclass_f1_score(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated_zero(cells, args, list, MM_TM_MULTICLASS, MM_RATE_FBETA, 1.0);
}

static void multilabel_f1_score(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated_zero(cells, args, list, MM_TM_MULTILABEL, MM_RATE_FBETA, 1.0);
}

static void binary_fbeta_score(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated_zero(cells, args, list, MM_TM_BINARY, MM_RATE_FBETA, args->own[beta_at(MM_TM_BINARY)].number);
}

static void multiclass_fbeta_score(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated_zero(cells, args, list, MM_TM_MULTICLASS, MM_RATE_FBETA, args->own[beta_at(MM_TM_MULTICLASS)].number);
}

static void multilabel_fbeta_score(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rated_zero(cells, args, list, MM_TM_MULTILABEL, MM_RATE_FBETA, args->own[beta_at(MM_TM_MULTILABEL)].number);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define MULTIDIM {"multidim_average", MM_WORD, "global", 0, 0, "global|samplewise", \
                  "all images together, or each by itself"}
#define ZERO     {"zero_division", MM_NUMBER, "0", 0, 1, NULL, "what 0/0 is: 0 or 1"}
#define BETA     {"beta", MM_NUMBER, NULL, 1e-6, 1e6, NULL, "how much more recall weighs than precision"}

#define BINARY     MM_TM_BINARY_PARAMS, [MM_TM_BINARY_OWN] = MULTIDIM
#define MULTICLASS MM_TM_MULTICLASS_PARAMS, [MM_TM_MULTICLASS_OWN] = MM_TM_AVERAGE_PARAM, \
    [MM_TM_MULTICLASS_OWN + 1] = MULTIDIM
#define MULTILABEL MM_TM_MULTILABEL_PARAMS, [MM_TM_MULTILABEL_OWN] = MM_TM_AVERAGE_PARAM, \
    [MM_TM_MULTILABEL_OWN + 1] = MULTIDIM

static const mm_param binary_params[] = {BINARY}, binary_zero_params[] = {BINARY, ZERO},
    binary_beta_params[] = {BINARY, ZERO, BETA};
static const mm_param multiclass_params[] = {MULTICLASS}, multiclass_zero_params[] = {MULTICLASS, ZERO},
    multiclass_beta_params[] = {MULTICLASS, ZERO, BETA};
static const mm_param multilabel_params[] = {MULTILABEL}, multilabel_zero_params[] = {MULTILABEL, ZERO},
    multilabel_beta_params[] = {MULTILABEL, ZERO, BETA};

#define RATE(NAME, SUMMARY, FORMULA, BETTER, PARAMS) \
    .info = {MM_TM_INFO(NAME, SUMMARY, FORMULA, "never: 0/0 has a value", MM_METRIC, BETTER), MM_TM_PARAMS(PARAMS)}
#define OF_BINARY     .stats = mm_tm_binary_stats, .shape = binary_shape
#define OF_MULTICLASS .shape = multiclass_shape, .exclusive = 1
#define OF_MULTILABEL .stats = mm_tm_multilabel_stats, .shape = multilabel_shape

#define FBETA  "(1+B^2) TP / ((1+B^2) TP + B^2 FN + FP)"
#define ONE    "all voxels of independent masks together"
#define EACH   "exclusive classes"
#define MASKS  "each of independent masks"

static const mm_score rows[] = {
    {RATE("binary_accuracy", "Share of voxels that are right, " ONE ".", "(TP + TN) / V", MM_HIGHER, binary_params),
     OF_BINARY, .peer = binary_accuracy, .witness = 0.75},
    {RATE("multiclass_accuracy", "Share of the label's voxels that are right, " EACH ".", "TP / (TP + FN)", MM_HIGHER,
          multiclass_params),
     OF_MULTICLASS, .check = mm_tm_check_num, .peer = multiclass_accuracy, .witness = 0.75},
    {RATE("multilabel_accuracy", "Share of voxels that are right, " MASKS ".", "(TP + TN) / V", MM_HIGHER,
          multilabel_params),
     OF_MULTILABEL, .check = mm_tm_check_num, .peer = multilabel_accuracy, .witness = 0.75},
    {RATE("multiclass_hamming_distance", "Share of the label's voxels that are wrong, " EACH ".", "1 - TP / (TP + FN)",
          MM_LOWER, multiclass_params),
     OF_MULTICLASS, .check = mm_tm_check_num, .peer = multiclass_hamming_distance, .witness = 0.25},
    {RATE("binary_specificity", "Share of the other voxels that are not predicted, " ONE ".", "TN / (TN + FP)",
          MM_HIGHER, binary_params),
     OF_BINARY, .peer = binary_specificity, .witness = 1},
    {RATE("multiclass_specificity", "Share of the other voxels that are not predicted, " EACH ".", "TN / (TN + FP)",
          MM_HIGHER, multiclass_params),
     OF_MULTICLASS, .check = mm_tm_check_num, .peer = multiclass_specificity, .witness = 0.75},
    {RATE("multilabel_specificity", "Share of the other voxels that are not predicted, " MASKS ".", "TN / (TN + FP)",
          MM_HIGHER, multilabel_params),
     OF_MULTILABEL, .check = mm_tm_check_num, .peer = multilabel_specificity, .witness = 1},

    {RATE("binary_precision", "Share of predicted voxels that are right, " ONE ".", "TP / (TP + FP)", MM_HIGHER,
          binary_zero_params),
     OF_BINARY, .check = check_binary_zero, .peer = binary_precision, .witness = 1},
    {RATE("multiclass_precision", "Share of predicted voxels that are right, " EACH ".", "TP / (TP + FP)", MM_HIGHER,
          multiclass_zero_params),
     OF_MULTICLASS, .check = check_multiclass_zero, .peer = multiclass_precision, .witness = 5.0 / 6.0},
    {RATE("multilabel_precision", "Share of predicted voxels that are right, " MASKS ".", "TP / (TP + FP)", MM_HIGHER,
          multilabel_zero_params),
     OF_MULTILABEL, .check = check_multilabel_zero, .peer = multilabel_precision, .witness = 1},
    {RATE("binary_recall", "Share of label voxels that are predicted, " ONE ".", "TP / (TP + FN)", MM_HIGHER,
          binary_zero_params),
     OF_BINARY, .check = check_binary_zero, .peer = binary_recall, .witness = 0.5},
    {RATE("multiclass_recall", "Share of label voxels that are predicted, " EACH ".", "TP / (TP + FN)", MM_HIGHER,
          multiclass_zero_params),
     OF_MULTICLASS, .check = check_multiclass_zero, .peer = multiclass_recall, .witness = 0.75},
    {RATE("multilabel_recall", "Share of label voxels that are predicted, " MASKS ".", "TP / (TP + FN)", MM_HIGHER,
          multilabel_zero_params),
     OF_MULTILABEL, .check = check_multilabel_zero, .peer = multilabel_recall, .witness = 0.5},
    {RATE("binary_negative_predictive_value", "Share of voxels not predicted that should not be, " ONE ".",
          "TN / (TN + FN)", MM_HIGHER, binary_zero_params),
     OF_BINARY, .check = check_binary_zero, .peer = binary_negative_predictive_value, .witness = 2.0 / 3.0},
    {RATE("multiclass_negative_predictive_value", "Share of voxels not predicted that should not be, " EACH ".",
          "TN / (TN + FN)", MM_HIGHER, multiclass_zero_params),
     OF_MULTICLASS, .check = check_multiclass_zero, .peer = multiclass_negative_predictive_value, .witness = 5.0 / 6.0},
    {RATE("multilabel_negative_predictive_value", "Share of voxels not predicted that should not be, " MASKS ".",
          "TN / (TN + FN)", MM_HIGHER, multilabel_zero_params),
     OF_MULTILABEL, .check = check_multilabel_zero, .peer = multilabel_negative_predictive_value, .witness = 2.0 / 3.0},

    {RATE("binary_f1_score", "Dice, " ONE ".", "2 TP / (2 TP + FN + FP)", MM_HIGHER, binary_zero_params),
     OF_BINARY, .check = check_binary_zero, .peer = binary_f1_score, .witness = 2.0 / 3.0},
    {RATE("multiclass_f1_score", "Dice, " EACH ".", "2 TP / (2 TP + FN + FP)", MM_HIGHER, multiclass_zero_params),
     OF_MULTICLASS, .check = check_multiclass_zero, .peer = multiclass_f1_score, .witness = 11.0 / 15.0},
    {RATE("multilabel_f1_score", "Dice, " MASKS ".", "2 TP / (2 TP + FN + FP)", MM_HIGHER, multilabel_zero_params),
     OF_MULTILABEL, .check = check_multilabel_zero, .peer = multilabel_f1_score, .witness = 2.0 / 3.0},
    {RATE("binary_fbeta_score", "F-beta, " ONE ".", FBETA, MM_HIGHER, binary_beta_params),
     OF_BINARY, .check = check_binary_zero, .peer = binary_fbeta_score,
     .example = "torchmetrics.binary_fbeta_score(beta=2)", .witness = 5.0 / 9.0},
    {RATE("multiclass_fbeta_score", "F-beta, " EACH ".", FBETA, MM_HIGHER, multiclass_beta_params),
     OF_MULTICLASS, .check = check_multiclass_zero, .peer = multiclass_fbeta_score,
     .example = "torchmetrics.multiclass_fbeta_score(beta=2)", .witness = (10.0 / 11.0 + 5.0 / 9.0) / 2.0},
    {RATE("multilabel_fbeta_score", "F-beta, " MASKS ".", FBETA, MM_HIGHER, multilabel_beta_params),
     OF_MULTILABEL, .check = check_multilabel_zero, .peer = multilabel_fbeta_score,
     .example = "torchmetrics.multilabel_fbeta_score(beta=2)", .witness = 5.0 / 9.0},
};
/* clang-format on */

const mm_score_family mm_peers_torchmetrics_classification = {rows, MM_COUNT(rows)};
