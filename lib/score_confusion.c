/*
 * score_confusion.c - metrics from the counts of hard masks, one class against the rest.
 */
#include "lib/scores.h"

#include <math.h>

/* ------------------------------------------------------------------ counts */

static double tp_of(const mm_group *x)
{
    return (double)x->both;
}

static double fp_of(const mm_group *x)
{
    return (double)(x->pred - x->both);
}

static double fn_of(const mm_group *x)
{
    return (double)(x->label - x->both);
}

static double tn_of(const mm_group *x)
{
    return (double)(x->scored - x->pred - (x->label - x->both));
}

static mm_value tp(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_defined(tp_of(x));
}

static mm_value fp(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_defined(fp_of(x));
}

static mm_value fn(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_defined(fn_of(x));
}

static mm_value tn(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_defined(tn_of(x));
}

/* ----------------------------------------------------------------- overlap */

static mm_value overlap(const mm_group *x, double k, double a, double b)
{
    return mm_overlap_score(tp_of(x), fp_of(x), fn_of(x), &(mm_overlap){.k = k, .a = a, .b = b});
}

/* 2 TP / (2 TP + FP + FN) */
static mm_value dice(const mm_group *x, const mm_args *args)
{
    (void)args;
    return overlap(x, 2.0, 1.0, 1.0);
}

/* TP / (TP + FP + FN) */
static mm_value iou(const mm_group *x, const mm_args *args)
{
    (void)args;
    return overlap(x, 1.0, 1.0, 1.0);
}

enum { F_BETA };                      /* parameter of fbeta */
enum { TVERSKY_ALPHA, TVERSKY_BETA }; /* parameters of tversky */

/* (1 + B^2) TP / ((1 + B^2) TP + B^2 FN + FP) */
static mm_value fbeta(const mm_group *x, const mm_args *args)
{
    const double square = args->own[F_BETA].number * args->own[F_BETA].number;

    return overlap(x, 1.0 + square, 1.0, square);
}

/* TP / (TP + alpha FP + beta FN) */
static mm_value tversky(const mm_group *x, const mm_args *args)
{
    return overlap(x, 1.0, args->own[TVERSKY_ALPHA].number, args->own[TVERSKY_BETA].number);
}

/* 1 - |FP - FN| / (2 TP + FP + FN) */
static mm_value volume_similarity(const mm_group *x, const mm_args *args)
{
    mm_value apart = mm_ratio(fabs(fp_of(x) - fn_of(x)), 2.0 * tp_of(x) + fp_of(x) + fn_of(x), MM_ZERO_DENOMINATOR);

    (void)args;
    apart.value = 1.0 - apart.value;
    return apart;
}

/* (FP - FN) / (TP + FN) */
static mm_value relative_volume_difference(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(fp_of(x) - fn_of(x), tp_of(x) + fn_of(x), MM_ABSENT_IN_LABEL);
}

/* ------------------------------------------------------------------- rates */

static mm_value ppv_of(const mm_group *x)
{
    return mm_ratio(tp_of(x), tp_of(x) + fp_of(x), MM_ABSENT_IN_PREDICTION);
}

static mm_value tpr_of(const mm_group *x)
{
    return mm_ratio(tp_of(x), tp_of(x) + fn_of(x), MM_ABSENT_IN_LABEL);
}

static mm_value tnr_of(const mm_group *x)
{
    return mm_ratio(tn_of(x), tn_of(x) + fp_of(x), MM_ZERO_DENOMINATOR);
}

static mm_value npv_of(const mm_group *x)
{
    return mm_ratio(tn_of(x), tn_of(x) + fn_of(x), MM_ZERO_DENOMINATOR);
}

/* Undefined as the first of a and b that is; else `value`. */
static mm_value from_two(mm_value a, mm_value b, double value)
{
    if (a.reason != MM_DEFINED || b.reason != MM_DEFINED)
        return a.reason != MM_DEFINED ? a : b;
    return mm_defined(value);
}

/* TP / (TP + FP) */
static mm_value precision(const mm_group *x, const mm_args *args)
{
    (void)args;
    return ppv_of(x);
}

/* FP / (TP + FP) */
static mm_value false_discovery_rate(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(fp_of(x), tp_of(x) + fp_of(x), MM_ABSENT_IN_PREDICTION);
}

/* TP / (TP + FN) */
static mm_value recall(const mm_group *x, const mm_args *args)
{
    (void)args;
    return tpr_of(x);
}

/* FN / (TP + FN) */
static mm_value miss_rate(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(fn_of(x), tp_of(x) + fn_of(x), MM_ABSENT_IN_LABEL);
}

/* TN / (TN + FP) */
static mm_value specificity(const mm_group *x, const mm_args *args)
{
    (void)args;
    return tnr_of(x);
}

/* FP / (TN + FP) */
static mm_value fall_out(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(fp_of(x), tn_of(x) + fp_of(x), MM_ZERO_DENOMINATOR);
}

/* TN / (TN + FN) */
static mm_value npv(const mm_group *x, const mm_args *args)
{
    (void)args;
    return npv_of(x);
}

/* FN / (TN + FN) */
static mm_value false_omission_rate(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(fn_of(x), tn_of(x) + fn_of(x), MM_ZERO_DENOMINATOR);
}

/* (TP + TN) / V */
static mm_value accuracy(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(tp_of(x) + tn_of(x), (double)x->scored, MM_NO_VOXELS);
}

/* 1 - accuracy */
static mm_value hamming_distance(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(fp_of(x) + fn_of(x), (double)x->scored, MM_NO_VOXELS);
}

/* (tpr + tnr) / 2 */
static mm_value balanced_accuracy(const mm_group *x, const mm_args *args)
{
    const mm_value tpr = tpr_of(x), tnr = tnr_of(x);

    (void)args;
    return from_two(tpr, tnr, (tpr.value + tnr.value) / 2.0);
}

/* tpr + tnr - 1 */
static mm_value informedness(const mm_group *x, const mm_args *args)
{
    const mm_value tpr = tpr_of(x), tnr = tnr_of(x);

    (void)args;
    return from_two(tpr, tnr, tpr.value + tnr.value - 1.0);
}

/* ppv + npv - 1 */
static mm_value markedness(const mm_group *x, const mm_args *args)
{
    const mm_value ppv = ppv_of(x), negative = npv_of(x);

    (void)args;
    return from_two(ppv, negative, ppv.value + negative.value - 1.0);
}

/* (sqrt(tpr (1 - tnr)) + tnr - 1) / (tpr + tnr - 1); the denominator is 0 where TP TN = FP FN, which is exact. */
static mm_value prevalence_threshold(const mm_group *x, const mm_args *args)
{
    const mm_value tpr = tpr_of(x), tnr = tnr_of(x);

    (void)args;
    if (tpr.reason == MM_DEFINED && tnr.reason == MM_DEFINED && tp_of(x) * tn_of(x) == fp_of(x) * fn_of(x))
        return mm_undefined(MM_ZERO_DENOMINATOR);
    return from_two(tpr, tnr, (sqrt(tpr.value * (1.0 - tnr.value)) + tnr.value - 1.0) / (tpr.value + tnr.value - 1.0));
}

/* sqrt(ppv tpr) */
static mm_value fowlkes_mallows(const mm_group *x, const mm_args *args)
{
    const mm_value ppv = ppv_of(x), tpr = tpr_of(x);

    (void)args;
    return from_two(ppv, tpr, sqrt(ppv.value * tpr.value));
}

/* (TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)) */
static mm_value mcc(const mm_group *x, const mm_args *args)
{
    const double t = tp_of(x), f = fp_of(x), m = fn_of(x), n = tn_of(x);

    (void)args;
    return mm_ratio(t * n - f * m, sqrt((t + f) * (t + m) * (n + f) * (n + m)), MM_ZERO_DENOMINATOR);
}

/* tpr / fpr */
static mm_value positive_likelihood_ratio(const mm_group *x, const mm_args *args)
{
    const mm_value tpr = tpr_of(x), fpr = fall_out(x, args);

    if (tpr.reason != MM_DEFINED || fpr.reason != MM_DEFINED)
        return from_two(tpr, fpr, 0.0);
    return mm_ratio(tpr.value, fpr.value, MM_ZERO_DENOMINATOR);
}

/* fnr / tnr */
static mm_value negative_likelihood_ratio(const mm_group *x, const mm_args *args)
{
    const mm_value fnr = miss_rate(x, args), tnr = tnr_of(x);

    if (fnr.reason != MM_DEFINED || tnr.reason != MM_DEFINED)
        return from_two(fnr, tnr, 0.0);
    return mm_ratio(fnr.value, tnr.value, MM_ZERO_DENOMINATOR);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
static const mm_param fbeta_params[] = {
    [F_BETA] = {"beta", MM_NUMBER, "1", 0, 1e3, NULL, "recall counts beta times as much as precision"}};
static const mm_param tversky_params[] = {
    [TVERSKY_ALPHA] = {"alpha", MM_NUMBER, "0.3", 0, 1e6, NULL, "price of a false positive"},
    [TVERSKY_BETA]  = {"beta",  MM_NUMBER, "0.7", 0, 1e6, NULL, "price of a false negative"}};

#define COUNT(NAME, SUMMARY, FORMULA) \
    .info = {.name = NAME, .summary = SUMMARY, .formula = FORMULA, .source = "confusion counts", \
             .undefined = "never", .kind = MM_COUNT_KIND, .better = MM_NEITHER, \
             .common = mm_common_count, .common_count = MM_COUNT(mm_common_count)}, .always = 1
#define METRIC(NAME, ALIASES, BETTER, SUMMARY, FORMULA, SOURCE, UNDEFINED) \
    .info = {.name = NAME, .aliases = ALIASES, .summary = SUMMARY, .formula = FORMULA, .source = SOURCE, \
             .undefined = UNDEFINED, .kind = MM_METRIC, .better = BETTER, \
             .common = mm_common_class, .common_count = MM_COUNT(mm_common_class)}
#define METRIC_OF(PARAMS, NAME, SUMMARY, FORMULA, SOURCE, UNDEFINED) \
    .info = {.name = NAME, .summary = SUMMARY, .formula = FORMULA, .source = SOURCE, \
             .undefined = UNDEFINED, .kind = MM_METRIC, .better = MM_HIGHER, .params = PARAMS, .param_count = MM_COUNT(PARAMS), \
             .common = mm_common_class, .common_count = MM_COUNT(mm_common_class)}
#define ABSENT    "the class is in neither label nor prediction"
#define NO_LABEL  "the class is not in the label"
#define NO_VOXELS "the class is in neither label nor prediction, or no voxel is scored"
#define NO_SIDE   "the class is not in the label, or fills it"

static const mm_score rows[] = {
    {METRIC("dice", "f1", MM_HIGHER, "Overlap of two masks: twice the common part over the sum of both.",
            "2 TP / (2 TP + FP + FN)", "Dice 1945, Sorensen 1948", ABSENT),
     .per_class = dice, .witness = 2.0 / 3.0},
    {METRIC("iou", "jaccard,threat_score", MM_HIGHER, "Intersection of two masks over their union.", "TP / (TP + FP + FN)",
            "Jaccard 1901", ABSENT),
     .per_class = iou, .witness = 0.5},
    {METRIC_OF(fbeta_params, "fbeta", "Weighted harmonic mean of precision and recall.",
               "(1 + B^2) TP / ((1 + B^2) TP + B^2 FN + FP)", "van Rijsbergen 1979", ABSENT),
     .per_class = fbeta, .witness = 2.0 / 3.0},
    {METRIC_OF(tversky_params, "tversky", "Overlap with false positives and false negatives priced apart.",
               "TP / (TP + alpha FP + beta FN)", "Tversky 1977", ABSENT ", or the denominator is 0"),
     .per_class = tversky, .witness = 1.0 / 1.7},
    {METRIC("precision", "ppv", MM_HIGHER, "Share of the predicted voxels that are right.", "TP / (TP + FP)",
            "positive predictive value", "the class is not predicted"),
     .per_class = precision, .witness = 1.0},
    {METRIC("recall", "sensitivity,tpr", MM_HIGHER, "Share of the label's voxels that were found.", "TP / (TP + FN)",
            "true positive rate", NO_LABEL),
     .per_class = recall, .witness = 0.5},
    {METRIC("specificity", "tnr", MM_HIGHER, "Share of the other voxels that were left alone.", "TN / (TN + FP)",
            "true negative rate", "the class is in neither label nor prediction, or fills the label"),
     .per_class = specificity, .witness = 1.0},
    {METRIC("accuracy", NULL, MM_HIGHER, "Share of the voxels that are right about this class.", "(TP + TN) / V",
            "share of agreement", NO_VOXELS),
     .per_class = accuracy, .witness = 0.75},
    {METRIC("false_discovery_rate", NULL, MM_LOWER, "Share of the predicted voxels that are wrong.", "FP / (TP + FP)",
            "1 - precision", "the class is not predicted"),
     .per_class = false_discovery_rate, .witness = 0.0},
    {METRIC("miss_rate", "fnr", MM_LOWER, "Share of the label's voxels that were missed.", "FN / (TP + FN)",
            "false negative rate", NO_LABEL),
     .per_class = miss_rate, .witness = 0.5},
    {METRIC("fall_out", "fpr", MM_LOWER, "Share of the other voxels that were taken for this class.", "FP / (TN + FP)",
            "false positive rate", "the class is in neither label nor prediction, or fills the label"),
     .per_class = fall_out, .witness = 0.0},
    {METRIC("npv", NULL, MM_HIGHER, "Share of the voxels predicted as other that are.", "TN / (TN + FN)",
            "negative predictive value", "the class is in neither label nor prediction, or fills the prediction"),
     .per_class = npv, .witness = 2.0 / 3.0},
    {METRIC("false_omission_rate", NULL, MM_LOWER, "Share of the voxels predicted as other that are this class.",
            "FN / (TN + FN)", "1 - npv", "the class is in neither label nor prediction, or fills the prediction"),
     .per_class = false_omission_rate, .witness = 1.0 / 3.0},
    {METRIC("balanced_accuracy", NULL, MM_HIGHER, "Mean of recall and specificity.", "(tpr + tnr) / 2",
            "textbook", NO_SIDE),
     .per_class = balanced_accuracy, .witness = 0.75},
    {METRIC("informedness", NULL, MM_HIGHER, "How much better than chance the prediction is, given the label.", "tpr + tnr - 1",
            "Youden 1950", NO_SIDE),
     .per_class = informedness, .witness = 0.5},
    {METRIC("markedness", NULL, MM_HIGHER, "How much better than chance the label is, given the prediction.", "ppv + npv - 1",
            "Powers 2011", "the class is not predicted, or fills the prediction"),
     .per_class = markedness, .witness = 2.0 / 3.0},
    {METRIC("prevalence_threshold", NULL, MM_LOWER, "Prevalence below which a positive prediction is more often wrong than not.",
            "(sqrt(tpr (1 - tnr)) + tnr - 1) / (tpr + tnr - 1)", "Balayla 2020", NO_SIDE ", or tpr + tnr = 1"),
     .per_class = prevalence_threshold, .witness = 0.0},
    {METRIC("fowlkes_mallows", NULL, MM_HIGHER, "Geometric mean of precision and recall.", "sqrt(ppv tpr)",
            "Fowlkes and Mallows 1983", "the class is not in the label, or not predicted"),
     .per_class = fowlkes_mallows, .witness = 0.70710678118654752 /* sqrt 1/2 */},
    {METRIC("mcc", NULL, MM_HIGHER, "Correlation of two masks.",
            "(TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN))", "Matthews 1975",
            "a factor of the denominator is 0: label or prediction is empty or full"),
     .per_class = mcc, .witness = 0.57735026918962576 /* 2 / sqrt 12 */},
    {METRIC("positive_likelihood_ratio", NULL, MM_HIGHER, "How much more often the class is predicted where it is than elsewhere.",
            "tpr / fpr", "textbook", NO_SIDE ", or fpr = 0"),
     .per_class = positive_likelihood_ratio, .witness = (double)NAN},
    {METRIC("negative_likelihood_ratio", NULL, MM_LOWER, "How much more often the class is missed where it is than left out elsewhere.",
            "fnr / tnr", "textbook", NO_SIDE ", or tnr = 0"),
     .per_class = negative_likelihood_ratio, .witness = 0.5},
    {METRIC("volume_similarity", NULL, MM_HIGHER, "How near the volumes of two masks are, wherever they lie.",
            "1 - |FP - FN| / (2 TP + FP + FN)", "Taha and Hanbury 2015", ABSENT),
     .per_class = volume_similarity, .witness = 2.0 / 3.0},
    {METRIC("relative_volume_difference", NULL, MM_NEITHER, "How much larger the predicted volume is than the label's.",
            "(FP - FN) / (TP + FN)", "textbook", NO_LABEL),
     .per_class = relative_volume_difference, .witness = -0.5},
    {METRIC("hamming_distance", NULL, MM_LOWER, "Share of the voxels that are wrong about this class.", "(FP + FN) / V",
            "1 - accuracy", NO_VOXELS),
     .per_class = hamming_distance, .witness = 0.25},
    {COUNT("tp", "True positives: mean per image, or their total with over=pooled.", "TP"), .per_class = tp, .witness = 1.0},
    {COUNT("fp", "False positives: mean per image, or their total with over=pooled.", "FP"), .per_class = fp, .witness = 0.0},
    {COUNT("fn", "False negatives: mean per image, or their total with over=pooled.", "FN"), .per_class = fn, .witness = 1.0},
    {COUNT("tn", "True negatives: mean per image, or their total with over=pooled.", "TN"), .per_class = tn, .witness = 2.0},
};
/* clang-format on */

const mm_score_family mm_scores_confusion = {rows, MM_COUNT(rows)};
