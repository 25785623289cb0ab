/*
 * peer_smp_metrics.c - get_stats of segmentation_models_pytorch, after 0.5.0, and the metrics of its four counts.
 *
 * A metric is a rate of TP, FP, FN, TN of hard masks.  0/0 becomes zero_division, x/0 stays infinite (undefined here).
 */
#include <math.h>

#include "lib/peer_smp.h"

enum { MODE, IGNORE_INDEX, THRESHOLD, NUM_CLASSES, REDUCTION, CLASS_WEIGHTS, ZERO_DIVISION, METRIC_BETA };
enum { MODE_OF_DATA = 3 }; /* the choice behind the modes */

static mm_smp_mode mode_of(const mm_args *args)
{
    if (args->own[MODE].word == MODE_OF_DATA)
        return args->task == MM_MULTICLASS ? MM_SMP_MULTICLASS : MM_SMP_MULTILABEL;
    return (mm_smp_mode)args->own[MODE].word;
}

static const char *check_stats(const mm_args *args)
{
    const mm_arg *ignore = &args->own[IGNORE_INDEX];
    const int exclusive = mode_of(args) == MM_SMP_MULTICLASS;
    const char *wrong = mm_smp_check_mode(mode_of(args), args);

    if (wrong == NULL)
        wrong = mm_check_classes(&args->own[NUM_CLASSES], args);
    if (wrong == NULL && exclusive && !mm_is_word(&args->own[THRESHOLD]))
        wrong = "threshold is not supported with mode=multiclass";
    if (wrong == NULL && !exclusive && !mm_is_word(ignore))
        wrong = "ignore_index is only supported with mode=multiclass";
    if (wrong == NULL && !mm_is_word(ignore) && ignore->number >= 0.0 && ignore->number < (double)args->classes)
        wrong = "ignore_index must be outside the range of the classes";
    return wrong;
}

static size_t counts_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const mm_arg *threshold = &args->own[THRESHOLD];

    return mm_is_word(threshold) ? 0 : mm_over_stats(threshold->number, 0, stats);
}

/* With the request's threshold, or p >= a threshold of its own. */
static mm_counts counts_of(const mm_group *x, const mm_args *args)
{
    return mm_is_word(&args->own[THRESHOLD]) ? mm_counts_of(x) : mm_counts_over(x);
}

static mm_counts counts_at(const mm_cells *cells, const mm_args *args, size_t image, size_t c)
{
    const mm_group x = mm_cell(cells, image, c);

    return counts_of(&x, args);
}

/* tp, fp, fn, tn: four lists of images x classes. */
static void get_stats(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const size_t classes = args->classes, step = cells->images->count * classes;

    for (size_t n = 0; n < cells->images->count; n++)
        for (size_t c = 0; c < classes; c++) {
            const mm_counts x = counts_at(cells, args, n, c);
            mm_value *at = list + n * classes + c;

            at[0] = mm_defined(x.tp);
            at[step] = mm_defined(x.fp);
            at[2 * step] = mm_defined(x.fn);
            at[3 * step] = mm_defined(x.tn);
        }
}

static unsigned get_stats_shape(const mm_args *args, size_t images, size_t dim[3])
{
    dim[0] = 4;
    dim[1] = images;
    dim[2] = args->classes;
    return 3;
}

/* ---------------------------------------------------------------- reductions */

enum { NONE, MICRO, MACRO, WEIGHTED, MICRO_IMAGEWISE, MACRO_IMAGEWISE, WEIGHTED_IMAGEWISE };

static const char *check_metric(const mm_args *args)
{
    const int reduction = args->own[REDUCTION].word;
    const char *wrong = check_stats(args);

    if (wrong == NULL && (reduction == WEIGHTED || reduction == WEIGHTED_IMAGEWISE) &&
        mm_is_word(&args->own[CLASS_WEIGHTS]))
        wrong = "class_weights are needed for a weighted reduction";
    return wrong;
}

static unsigned metric_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return args->own[REDUCTION].word == NONE ? mm_shape_images_classes(args, images, dim) : 0;
}

/* What a metric is reduced with. */
typedef struct metric {
    const mm_cells *cells;
    const mm_args *args;
    mm_rate rate;
    double beta;
} metric;

/* The rate; 0/0 is zero_division ("warn": 0). */
static double rate_of(const metric *m, const mm_counts *x)
{
    const mm_arg *zero = &m->args->own[ZERO_DIVISION];
    const double rate = mm_rate_of(m->rate, x, m->beta);

    return !isnan(rate) ? rate : mm_is_word(zero) ? 0.0 : zero->number;
}

static mm_counts counts_of_class(const metric *m, size_t c)
{
    const mm_group x = mm_cell_pooled(m->cells, c);

    return counts_of(&x, m->args);
}

static mm_counts counts_of_image(const metric *m, size_t image)
{
    mm_counts all = {0};

    for (size_t c = 0; c < m->args->classes; c++)
        all = mm_counts_add(all, counts_at(m->cells, m->args, image, c));
    return all;
}

/* class_weights over their sum; without any 1 */
static double weight_of(const metric *m, size_t c)
{
    const mm_arg *weights = &m->args->own[CLASS_WEIGHTS];
    double sum = 0.0;

    if (mm_is_word(weights))
        return 1.0;
    for (size_t k = 0; k < weights->count; k++)
        sum += weights->list[k];
    return weights->list[c] / sum;
}

/* All counts added up; no zero_division here. */
static double micro(const metric *m)
{
    mm_counts all = {0};

    for (size_t c = 0; c < m->args->classes; c++)
        all = mm_counts_add(all, counts_of_class(m, c));
    return mm_rate_of(m->rate, &all, m->beta);
}

/* sum_c w s of the counts over all images */
static double pooled(const metric *m)
{
    double sum = 0.0;

    for (size_t c = 0; c < m->args->classes; c++) {
        const mm_counts x = counts_of_class(m, c);

        sum += weight_of(m, c) * rate_of(m, &x);
    }
    return sum;
}

/* The mean over the images of the counts of all classes. */
static double micro_imagewise(const metric *m)
{
    double sum = 0.0;

    for (size_t n = 0; n < m->cells->images->count; n++) {
        const mm_counts x = counts_of_image(m, n);

        sum += rate_of(m, &x);
    }
    return sum / (double)m->cells->images->count;
}

/* sum_c w mean_n s */
static double imagewise(const metric *m)
{
    double sum = 0.0;

    for (size_t c = 0; c < m->args->classes; c++) {
        double of_class = 0.0;

        for (size_t n = 0; n < m->cells->images->count; n++) {
            const mm_counts x = counts_at(m->cells, m->args, n, c);

            of_class += rate_of(m, &x);
        }
        sum += weight_of(m, c) * (of_class / (double)m->cells->images->count);
    }
    return sum;
}

/* The class-wise forms but weighted take a mean over the classes of what is weighted already: they divide by C once
 * more, as the peer does. */
static void reduce(const metric *m, mm_value *list)
{
    const double classes = (double)m->args->classes;

    switch (m->args->own[REDUCTION].word) {
    case MICRO:
        *list = mm_defined(micro(m));
        break;
    case MACRO:
        *list = mm_defined(pooled(m) / classes);
        break;
    case WEIGHTED:
        *list = mm_defined(pooled(m));
        break;
    case MICRO_IMAGEWISE:
        *list = mm_defined(micro_imagewise(m));
        break;
    default:
        *list = mm_defined(imagewise(m) / classes);
        break;
    }
}

static void reduced_rate(const mm_cells *cells, const mm_args *args, mm_value *list, mm_rate rate, double beta)
{
    const metric m = {.cells = cells, .args = args, .rate = rate, .beta = beta};

    if (args->own[REDUCTION].word != NONE) {
        reduce(&m, list);
        return;
    }
    for (size_t n = 0; n < cells->images->count; n++)
        for (size_t c = 0; c < args->classes; c++) {
            const mm_counts x = counts_at(cells, args, n, c);

            list[n * args->classes + c] = mm_defined(rate_of(&m, &x));
        }
}

/* ------------------------------------------------------------------- metrics */

static void fbeta_score(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduced_rate(cells, args, list, MM_RATE_FBETA, args->own[METRIC_BETA].number);
}

static void f1_score(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduced_rate(cells, args, list, MM_RATE_FBETA, 1.0);
}

static void iou_score(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduced_rate(cells, args, list, MM_RATE_IOU, 1.0);
}

static void accuracy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduced_rate(cells, args, list, MM_RATE_ACCURACY, 1.0);
}

static void precision(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduced_rate(cells, args, list, MM_RATE_PRECISION, 1.0);
}

static void recall(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduced_rate(cells, args, list, MM_RATE_SENSITIVITY, 1.0);
}

static void specificity(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduced_rate(cells, args, list, MM_RATE_SPECIFICITY, 1.0);
}

static void balanced_accuracy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduced_rate(cells, args, list, MM_RATE_BALANCED_ACCURACY, 1.0);
}

static void negative_predictive_value(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduced_rate(cells, args, list, MM_RATE_NPV, 1.0);
}

static void false_negative_rate(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduced_rate(cells, args, list, MM_RATE_MISS, 1.0);
}

static void false_positive_rate(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduced_rate(cells, args, list, MM_RATE_FALL_OUT, 1.0);
}

static void false_discovery_rate(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduced_rate(cells, args, list, MM_RATE_FALSE_DISCOVERY, 1.0);
}

static void false_omission_rate(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduced_rate(cells, args, list, MM_RATE_FALSE_OMISSION, 1.0);
}

static void positive_likelihood_ratio(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduced_rate(cells, args, list, MM_RATE_POSITIVE_LIKELIHOOD, 1.0);
}

static void negative_likelihood_ratio(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduced_rate(cells, args, list, MM_RATE_NEGATIVE_LIKELIHOOD, 1.0);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define COUNT_PARAMS(STANDARD, CHOICES) \
    [MODE]         = {"mode", MM_WORD, STANDARD, 0, 0, CHOICES, "one mask, exclusive classes, or independent masks; none: as the data"}, \
    [IGNORE_INDEX] = MM_PARAM_IGNORE_INDEX("none"), \
    [THRESHOLD]    = {"threshold", MM_NUMBER, "none", 0, 1, "none", "a mask is p >= threshold; none: the request's threshold, or masks as sent"}, \
    [NUM_CLASSES]  = MM_PARAM_NUM_CLASSES
#define METRIC_PARAMS \
    COUNT_PARAMS("none", MM_SMP_MODES "|none"), \
    [REDUCTION]     = {"reduction", MM_WORD, "none", 0, 0, "none|micro|macro|weighted|micro-imagewise|macro-imagewise|weighted-imagewise", \
                       "images x classes; all counts added; classes averaged; the same of each image, then the mean"}, \
    [CLASS_WEIGHTS] = {"class_weights", MM_WORD_OR_LIST, "none", 0, 1e6, "none", "one weight per class, divided by their sum"}, \
    [ZERO_DIVISION] = {"zero_division", MM_NUMBER, "1.0", -1e6, 1e6, "warn", "what 0/0 is; warn: 0"}

static const mm_param stats_params[] = {COUNT_PARAMS(NULL, MM_SMP_MODES)};
static const mm_param metric_params[] = {METRIC_PARAMS};
static const mm_param fbeta_params[] = {METRIC_PARAMS,
    [METRIC_BETA] = {"beta", MM_NUMBER, "1", 0, 1e6, NULL, "how much more recall counts than precision"}};

#define METRIC(NAME, ALIASES, SUMMARY, FORMULA, BETTER, PARAMS) \
    .name = "smp." NAME, .aliases = (ALIASES), .summary = (SUMMARY), .formula = (FORMULA), .source = MM_SMP_SOURCE, \
    .undefined = "the result is infinite; 0/0 with reduction=micro; all class_weights are 0", \
    .kind = MM_METRIC, .better = (BETTER), .params = (PARAMS), .param_count = MM_COUNT(PARAMS)
#define REDUCED .stats = counts_stats, .check = check_metric, .shape = metric_shape
#define WITH_MICRO(NAME) .example = "smp." NAME "(reduction=micro)"

static const mm_score rows[] = {
    {.info = {.name = "smp.get_stats", .summary = "Voxels counted as TP, FP, FN, TN: four lists of images x classes.",
              .formula = "[tp, fp, fn, tn]; a mask is p >= threshold", .source = MM_SMP_SOURCE, .undefined = "never",
              .kind = MM_COUNT_KIND, .better = MM_NEITHER, .params = stats_params, .param_count = MM_COUNT(stats_params)},
     .stats = counts_stats, .check = check_stats, .peer = get_stats, .shape = get_stats_shape,
     .example = "smp.get_stats(mode=binary,threshold=0.5)"},
    {.info = {METRIC("fbeta_score", NULL, "F-beta of hard masks.", "(1+B^2) TP / ((1+B^2) TP + B^2 FN + FP)", MM_HIGHER, fbeta_params)},
     REDUCED, .peer = fbeta_score, WITH_MICRO("fbeta_score"), .witness = 2.0 / 3.0},
    {.info = {METRIC("f1_score", NULL, "Dice of hard masks.", "2 TP / (2 TP + FN + FP)", MM_HIGHER, metric_params)},
     REDUCED, .peer = f1_score, WITH_MICRO("f1_score"), .witness = 2.0 / 3.0},
    {.info = {METRIC("iou_score", NULL, "Intersection over union of hard masks.", "TP / (TP + FP + FN)", MM_HIGHER, metric_params)},
     REDUCED, .peer = iou_score, WITH_MICRO("iou_score"), .witness = 0.5},
    {.info = {METRIC("accuracy", NULL, "Share of voxels that are right, class against rest.", "(TP + TN) / (TP + FP + FN + TN)", MM_HIGHER, metric_params)},
     REDUCED, .peer = accuracy, WITH_MICRO("accuracy"), .witness = 0.75},
    {.info = {METRIC("precision", "smp.positive_predictive_value", "Share of predicted voxels that are right.", "TP / (TP + FP)", MM_HIGHER, metric_params)},
     REDUCED, .peer = precision, WITH_MICRO("precision"), .witness = 1.0},
    {.info = {METRIC("recall", "smp.sensitivity", "Share of label voxels that are predicted.", "TP / (TP + FN)", MM_HIGHER, metric_params)},
     REDUCED, .peer = recall, WITH_MICRO("recall"), .witness = 0.5},
    {.info = {METRIC("specificity", NULL, "Share of the other voxels that are not predicted.", "TN / (TN + FP)", MM_HIGHER, metric_params)},
     REDUCED, .peer = specificity, WITH_MICRO("specificity"), .witness = 1.0},
    {.info = {METRIC("balanced_accuracy", NULL, "Mean of recall and specificity.", "(TP / (TP + FN) + TN / (TN + FP)) / 2", MM_HIGHER, metric_params)},
     REDUCED, .peer = balanced_accuracy, WITH_MICRO("balanced_accuracy"), .witness = 0.75},
    {.info = {METRIC("negative_predictive_value", NULL, "Share of voxels that are not predicted and should not be.", "TN / (TN + FN)", MM_HIGHER, metric_params)},
     REDUCED, .peer = negative_predictive_value, WITH_MICRO("negative_predictive_value"), .witness = 2.0 / 3.0},
    {.info = {METRIC("false_negative_rate", NULL, "Share of label voxels that are missed.", "FN / (TP + FN)", MM_LOWER, metric_params)},
     REDUCED, .peer = false_negative_rate, WITH_MICRO("false_negative_rate"), .witness = 0.5},
    {.info = {METRIC("false_positive_rate", NULL, "Share of the other voxels that are predicted.", "FP / (TN + FP)", MM_LOWER, metric_params)},
     REDUCED, .peer = false_positive_rate, WITH_MICRO("false_positive_rate"), .witness = 0.0},
    {.info = {METRIC("false_discovery_rate", NULL, "Share of predicted voxels that are wrong.", "FP / (TP + FP)", MM_LOWER, metric_params)},
     REDUCED, .peer = false_discovery_rate, WITH_MICRO("false_discovery_rate"), .witness = 0.0},
    {.info = {METRIC("false_omission_rate", NULL, "Share of voxels that are not predicted but should be.", "FN / (TN + FN)", MM_LOWER, metric_params)},
     REDUCED, .peer = false_omission_rate, WITH_MICRO("false_omission_rate"), .witness = 1.0 / 3.0},
    {.info = {METRIC("positive_likelihood_ratio", NULL, "Recall over the false positive rate.", "TP / (TP + FN) / (FP / (TN + FP))", MM_HIGHER, metric_params)},
     REDUCED, .peer = positive_likelihood_ratio, .example = "smp.positive_likelihood_ratio(threshold=0.5,reduction=micro)", .witness = 2.0},
    {.info = {METRIC("negative_likelihood_ratio", NULL, "The false negative rate over specificity.", "FN / (TP + FN) / (TN / (TN + FP))", MM_LOWER, metric_params)},
     REDUCED, .peer = negative_likelihood_ratio, WITH_MICRO("negative_likelihood_ratio"), .witness = 0.5},
};
/* clang-format on */

const mm_score_family mm_peers_smp_metrics = {rows, MM_COUNT(rows)};
