/*
 * score_agreement.c - losses of agreement inside and outside the label: squared errors on both sides, soft correlation.
 */
#include "lib/scores.h"

#include <math.h>

enum { SMOOTH, SHARE };                  /* parameters; SHARE of sensitivity_specificity_loss only */
enum { LABEL, INSIDE, OUTSIDE };         /* sums of sensitivity_specificity_loss */
enum { TOTAL_G = LABEL, TOTAL_P, BOTH }; /* sums of mcc_loss */

static size_t error_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[LABEL] = (mm_stat){.kind = MM_SUM_G};
    stats[INSIDE] = (mm_stat){.kind = MM_SUM_ERROR_IN};
    stats[OUTSIDE] = (mm_stat){.kind = MM_SUM_ERROR_OUT};
    return 3;
}

/* r sum (g-p)^2 g / (G + s) + (1-r) sum (g-p)^2 (1-g) / (V - G + s) */
static mm_value sensitivity_specificity_loss(const mm_group *x, const mm_args *args)
{
    const double s = args->own[SMOOTH].number, r = args->own[SHARE].number, g = x->sum[LABEL];
    const mm_value inside = mm_ratio(x->sum[INSIDE], g + s, MM_ABSENT_IN_LABEL);
    const mm_value outside = mm_ratio(x->sum[OUTSIDE], (double)x->scored - g + s, MM_ZERO_DENOMINATOR);

    if (inside.reason != MM_DEFINED || outside.reason != MM_DEFINED)
        return inside.reason != MM_DEFINED ? inside : outside;
    return mm_defined(r * inside.value + (1.0 - r) * outside.value);
}

static size_t product_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[TOTAL_G] = (mm_stat){.kind = MM_SUM_G};
    stats[TOTAL_P] = (mm_stat){.kind = MM_SUM_P};
    stats[BOTH] = (mm_stat){.kind = MM_SUM_PG};
    return 3;
}

/* A difference of sums, which rounding may push below 0. */
static double at_least_zero(double x)
{
    return x > 0.0 ? x : 0.0;
}

/* 1 - (TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)), each of TP, TN, FP, FN soft and + s */
static mm_value mcc_loss(const mm_group *x, const mm_args *args)
{
    const double s = args->own[SMOOTH].number, p = x->sum[TOTAL_P], g = x->sum[TOTAL_G], both = x->sum[BOTH];
    const double tp = both + s, fp = at_least_zero(p - both) + s, fn = at_least_zero(g - both) + s;
    const double tn = at_least_zero((double)x->scored - p - g + both) + s;
    const mm_value mcc =
        mm_ratio(tp * tn - fp * fn, sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)), MM_ZERO_DENOMINATOR);

    return mcc.reason == MM_DEFINED ? mm_defined(1.0 - mcc.value) : mcc;
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
static const mm_param error_params[] = {
    [SMOOTH] = {"smooth", MM_NUMBER, "0", 0, 1e6, NULL, "added to both denominators"},
    [SHARE]  = {"r", MM_NUMBER, "0.1", 0, 1, NULL, "share of the errors inside the label"}};
static const mm_param mcc_params[] = {
    [SMOOTH] = {"smooth", MM_NUMBER, "0", 0, 1e6, NULL, "added to each of TP, TN, FP and FN"}};

#define LOSS(NAME, SUMMARY, FORMULA, SOURCE, UNDEFINED, PARAMS) \
    .info = {.name = NAME, .summary = SUMMARY, .formula = FORMULA, .source = SOURCE, .undefined = UNDEFINED, \
             .kind = MM_LOSS, .better = MM_LOWER, .params = PARAMS, .param_count = MM_COUNT(PARAMS), \
             .common = mm_common_class, .common_count = MM_COUNT(mm_common_class)}

static const mm_score rows[] = {
    {LOSS("sensitivity_specificity_loss", "Squared errors inside the label and outside of it, each over its own volume.",
          "r sum (g-p)^2 g / (G + s) + (1-r) sum (g-p)^2 (1-g) / (V - G + s)", "Brosch et al. 2015",
          "the class is not in the label, or fills it", error_params),
     .stats = error_stats, .per_class = sensitivity_specificity_loss, .witness = 0.125},
    {LOSS("mcc_loss", "One minus the soft Matthews correlation of each class.",
          "1 - (TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)), TP = I + s, FP = P - I + s, FN = G - I + s, TN = V - P - G + I + s",
          "Abhishek and Hamarneh 2021",
          "the class is in neither label nor prediction, or a factor of the denominator is 0", mcc_params),
     .stats = product_stats, .per_class = mcc_loss, .witness = 0.5},
};
/* clang-format on */

const mm_score_family mm_scores_agreement = {rows, MM_COUNT(rows)};
