/*
 * score_focal.c - relatives of the focal loss: each class against the rest, normalised, reduced, asymmetric; and the
 * entropy part of the exponential-logarithmic loss.
 *
 * As in score_entropy.c, a row gives what one class adds: the sum of its terms, and what it is divided by.
 */
#include "lib/scores.h"

#include <math.h>

/* --------------------------------------------------- one class against the rest */

enum { EPS, GAMMA, ALPHA, THRESHOLD }; /* parameters */
enum { INSIDE, OUTSIDE, FACTORS };     /* places in mm_group.sum */

static mm_stat apart_stat(const mm_args *args, unsigned kind, double threshold)
{
    return (mm_stat){.kind = kind,
                     .form = MM_FORM_APART,
                     .gamma = args->own[GAMMA].number,
                     .eps = args->own[EPS].number,
                     .more = {threshold}};
}

static size_t focal_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[INSIDE] = apart_stat(args, MM_SUM_BCE_IN, 0.0);
    stats[OUTSIDE] = apart_stat(args, MM_SUM_BCE_OUT, 0.0);
    return 2;
}

static size_t normalized_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[FACTORS] = apart_stat(args, MM_SUM_BCE_FACTOR, 0.0);
    return focal_stats(args, stats) + 1;
}

static size_t reduced_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[INSIDE] = apart_stat(args, MM_SUM_BCE_IN, args->own[THRESHOLD].number);
    stats[OUTSIDE] = apart_stat(args, MM_SUM_BCE_OUT, args->own[THRESHOLD].number);
    return 2;
}

/* sum of alpha_t f BCE, alpha_t = alpha g + (1-alpha) (1-g), or 1 without alpha */
static double weighted_sum(const mm_group *x, const mm_args *args)
{
    const mm_arg *alpha = &args->own[ALPHA];
    const double a = alpha->word < 0 ? mm_arg_of_class(alpha, x->index) : 1.0;

    return a * x->sum[INSIDE] + (alpha->word < 0 ? 1.0 - a : 1.0) * x->sum[OUTSIDE];
}

/* Also the reduced form, whose factors differ. */
static mm_terms sigmoid_focal_loss(const mm_group *x, const mm_args *args)
{
    return (mm_terms){.sum = weighted_sum(x, args), .voxels = (double)x->scored};
}

/* sum of alpha_t f BCE / max(sum f, 1e-6) */
static mm_terms normalized_focal_loss(const mm_group *x, const mm_args *args)
{
    return (mm_terms){.sum = weighted_sum(x, args), .voxels = fmax(x->sum[FACTORS], 1e-6)};
}

/* ---------------------------------------------------------------- asymmetric */

enum { DELTA = GAMMA + 1 }; /* after EPS and GAMMA */
enum { POS, LABEL };        /* places in mm_group.sum */

/* Class 0 alone has the focal factor, but a column is of all classes. */
static size_t asymmetric_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[POS] = (mm_stat){.kind = MM_SUM_POS, .eps = args->own[EPS].number};
    stats[LABEL] = (mm_stat){.kind = MM_SUM_G};
    stats[2] = (mm_stat){.kind = MM_SUM_POS, .gamma = args->own[GAMMA].number, .eps = args->own[EPS].number};
    return args->own[GAMMA].number == 0.0 ? 2 : 3;
}

/* class 0: (1-delta) g (1-p)^gamma (-log p); others: delta g (-log p); over the voxels */
static mm_terms asymmetric_focal_loss(const mm_group *x, const mm_args *args)
{
    const double delta = args->own[DELTA].number, focal = x->sum[args->own[GAMMA].number == 0.0 ? POS : 2];

    return (mm_terms){
        .sum = x->index == 0 ? (1.0 - delta) * focal : delta * x->sum[POS], .voxels = x->sum[LABEL], .partition = 1};
}

/* ------------------------------------------------------ exponential-logarithmic */

static size_t exp_log_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const double gamma = args->own[GAMMA].number, eps = args->own[EPS].number;

    stats[POS] = (mm_stat){.kind = MM_SUM_LOG_POWER, .gamma = gamma, .eps = eps};
    stats[LABEL] = (mm_stat){.kind = MM_SUM_G};
    stats[2] = (mm_stat){.kind = MM_SUM_LOG_POWER_REST, .gamma = gamma, .eps = eps};
    return args->task == MM_MULTICLASS ? 2 : 3;
}

/* sqrt(all / part) sum: what a part of the voxels adds; an empty part adds nothing. */
static double balanced(double sum, double part, double all)
{
    return part > 0.0 ? sqrt(all / part) * sum : 0.0;
}

/* w_y (-log p_y)^gamma over the voxels, w_y = sqrt(V / G_y); independent masks: of the label and of the rest */
static mm_terms exp_log_cross_entropy(const mm_group *x, const mm_args *args)
{
    const double all = (double)x->scored, label = x->sum[LABEL];

    if (args->task == MM_MULTICLASS)
        return (mm_terms){.sum = balanced(x->sum[POS], label, all), .voxels = label, .partition = 1};
    return (mm_terms){.sum = balanced(x->sum[POS], label, all) + balanced(x->sum[2], all - label, all), .voxels = all};
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define EPS_PARAM \
    [EPS]       = {"eps", MM_NUMBER, "1e-7", 1e-300, 0.5, NULL, \
                   "logarithms are of max(p, eps) and max(1-p, eps); input given as logits needs no clamp"}
#define GAMMA_PARAM(STANDARD) \
    [GAMMA]     = {"gamma", MM_NUMBER, STANDARD, 0, 100, NULL, "how strongly easy voxels are played down"}
#define ALPHA_PARAM \
    [ALPHA]     = {"alpha", MM_NUMBER_OR_LIST, "none", 0, 1, "none", \
                   "weight of label voxels, one or one per class; 1 - alpha is the weight of others"}

static const mm_param focal_params[] = {EPS_PARAM, GAMMA_PARAM("2"), ALPHA_PARAM};
static const mm_param reduced_params[] = {EPS_PARAM, GAMMA_PARAM("2"), ALPHA_PARAM,
    [THRESHOLD] = {"threshold", MM_NUMBER, "0.5", 1e-6, 1, NULL, "p_t below which a voxel counts in full"}};
static const mm_param asymmetric_params[] = {EPS_PARAM, GAMMA_PARAM("2"),
    [DELTA]     = {"delta", MM_NUMBER, "0.7", 0, 1, NULL, "weight of classes 1, 2 ...; 1 - delta is the weight of class 0"}};
static const mm_param exp_log_params[] = {EPS_PARAM,
    [GAMMA]     = {"gamma", MM_NUMBER, "0.3", 0, 100, NULL, "power of the logarithm"}};

#define LOSS(NAME, SUMMARY, FORMULA, SOURCE, UNDEFINED, PARAMS, COMMON) \
    .info = {.name = NAME, .summary = SUMMARY, .formula = FORMULA, .source = SOURCE, .undefined = UNDEFINED, \
             .kind = MM_LOSS, .better = MM_LOWER, .params = PARAMS, .param_count = MM_COUNT(PARAMS), \
             .common = COMMON, .common_count = MM_COUNT(COMMON)}
#define NO_VOXELS "no voxel is scored"
#define NO_LABEL  "no voxel is scored; a class that the label does not have"

static const mm_score rows[] = {
    {LOSS("sigmoid_focal_loss", "Focal loss of each class against the rest, over voxels and classes; of logits the sigmoid is taken.",
          "mean of alpha_t (1-p_t)^gamma BCE, p_t = exp(-BCE), alpha_t = alpha g + (1-alpha) (1-g)", "Lin et al. 2017",
          NO_VOXELS, focal_params, mm_common_entropy),
     .stats = focal_stats, .entropy = sigmoid_focal_loss, .witness = 0.08664339756999316 /* 2 (1/4) ln 2 / 4 */},
    {LOSS("normalized_focal_loss", "Sigmoid focal loss of each class, divided by the sum of its focal factors.",
          "sum alpha_t (1-p_t)^gamma BCE / max(sum (1-p_t)^gamma, 1e-6)", "Sofiiuk et al. 2019 (AdaptIS)",
          NO_VOXELS, focal_params, mm_common_sum),
     .stats = normalized_stats, .entropy = normalized_focal_loss, .witness = 0.69314718055994531 /* ln 2 */},
    {LOSS("reduced_focal_loss", "Sigmoid focal loss in which only voxels that are nearly right count less.",
          "mean of alpha_t f BCE, f = 1 where p_t < t, else ((1-p_t)/t)^gamma", "Sergievskiy and Ponamarev 2019",
          NO_VOXELS, reduced_params, mm_common_entropy),
     .stats = reduced_stats, .entropy = sigmoid_focal_loss, .witness = 0.34657359027997264 /* 2 ln 2 / 4 */},
    {LOSS("asymmetric_focal_loss", "Cross-entropy in which easy voxels of class 0 count less.",
          "mean over voxels of (1-delta) g_0 (1-p_0)^gamma (-log p_0) + sum_{c > 0} delta g_c (-log p_c)", "Yeung et al. 2022",
          NO_LABEL, asymmetric_params, mm_common_entropy),
     .stats = asymmetric_stats, .entropy = asymmetric_focal_loss, .witness = 0.012996509635498975 /* 0.3 (1/4) ln 2 / 4 */},
    {LOSS("exp_log_cross_entropy", "The entropy part of exp_log_loss: a power of the logarithm, rare classes weighing more.",
          "mean over voxels of w_y (-log p_y)^gamma, w_y = sqrt(V / G_y); independent masks: of each mask and its rest",
          "Wong et al. 2018", NO_LABEL, exp_log_params, mm_common_entropy),
     .stats = exp_log_stats, .entropy = exp_log_cross_entropy, .witness = 0.6334796097157148 /* 2 sqrt 2 (ln 2)^0.3 / 4 */},
};
/* clang-format on */

const mm_score_family mm_scores_focal = {rows, MM_COUNT(rows)};
