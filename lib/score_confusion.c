/*
 * score_confusion.c - metrics from the counts of hard masks, one class against the rest.
 */
#include "lib/scores.h"

/* ---------------------------------------------------------------- formulas */

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

/* 2 TP / (2 TP + FP + FN) */
static mm_value dice(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_overlap_score(tp_of(x), fp_of(x), fn_of(x), &(mm_overlap){.k = 2.0, .a = 1.0, .b = 1.0});
}

/* TP / (TP + FP + FN) */
static mm_value iou(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_overlap_score(tp_of(x), fp_of(x), fn_of(x), &(mm_overlap){.k = 1.0, .a = 1.0, .b = 1.0});
}

/* TP / (TP + FP) */
static mm_value precision(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(tp_of(x), tp_of(x) + fp_of(x), MM_ABSENT_IN_PREDICTION);
}

/* TP / (TP + FN) */
static mm_value recall(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(tp_of(x), tp_of(x) + fn_of(x), MM_ABSENT_IN_LABEL);
}

/* TN / (TN + FP) */
static mm_value specificity(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(tn_of(x), tn_of(x) + fp_of(x), MM_ZERO_DENOMINATOR);
}

/* (TP + TN) / V */
static mm_value accuracy(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(tp_of(x) + tn_of(x), (double)x->scored, MM_NO_VOXELS);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define COUNT(NAME, SUMMARY, FORMULA) \
    .info = {.name = NAME, .summary = SUMMARY, .formula = FORMULA, .source = "confusion counts", \
             .undefined = "never", .kind = MM_COUNT_KIND, .better = MM_NEITHER, \
             .common = mm_common_count, .common_count = MM_COUNT(mm_common_count)}, .always = 1
#define METRIC(NAME, ALIASES, SUMMARY, FORMULA, SOURCE, UNDEFINED) \
    .info = {.name = NAME, .aliases = ALIASES, .summary = SUMMARY, .formula = FORMULA, .source = SOURCE, \
             .undefined = UNDEFINED, .kind = MM_METRIC, .better = MM_HIGHER, \
             .common = mm_common_class, .common_count = MM_COUNT(mm_common_class)}

static const mm_score rows[] = {
    {METRIC("dice", "f1", "Overlap of two masks: twice the common part over the sum of both.", "2 TP / (2 TP + FP + FN)",
            "Dice 1945, Sorensen 1948", "the class is in neither label nor prediction"),
     .per_class = dice, .witness = 2.0 / 3.0},
    {METRIC("iou", "jaccard,threat_score", "Intersection of two masks over their union.", "TP / (TP + FP + FN)",
            "Jaccard 1901", "the class is in neither label nor prediction"),
     .per_class = iou, .witness = 0.5},
    {METRIC("precision", NULL, "Share of the predicted voxels that are right.", "TP / (TP + FP)",
            "positive predictive value", "the class is not predicted"),
     .per_class = precision, .witness = 1.0},
    {METRIC("recall", "sensitivity", "Share of the label's voxels that were found.", "TP / (TP + FN)",
            "true positive rate", "the class is not in the label"),
     .per_class = recall, .witness = 0.5},
    {METRIC("specificity", NULL, "Share of the other voxels that were left alone.", "TN / (TN + FP)",
            "true negative rate", "the class is in neither label nor prediction, or fills the label"),
     .per_class = specificity, .witness = 1.0},
    {METRIC("accuracy", NULL, "Share of the voxels that are right about this class.", "(TP + TN) / V",
            "share of agreement", "the class is in neither label nor prediction, or no voxel is scored"),
     .per_class = accuracy, .witness = 0.75},
    {COUNT("tp", "True positives: mean per image, or their total with over=pooled.", "TP"), .per_class = tp, .witness = 1.0},
    {COUNT("fp", "False positives: mean per image, or their total with over=pooled.", "FP"), .per_class = fp, .witness = 0.0},
    {COUNT("fn", "False negatives: mean per image, or their total with over=pooled.", "FN"), .per_class = fn, .witness = 1.0},
    {COUNT("tn", "True negatives: mean per image, or their total with over=pooled.", "TN"), .per_class = tn, .witness = 2.0},
};
/* clang-format on */

const mm_score_family mm_scores_confusion = {rows, MM_COUNT(rows)};
