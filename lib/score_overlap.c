/*
 * score_overlap.c - losses from soft overlap: Dice, Jaccard, Tversky, their powers, generalized Dice.
 *
 * All are (k TP + n0) / max(k TP + a FP + b FN + d0, eps), subtracted from 1.
 */
#include "lib/scores.h"

#include <math.h>

/* ------------------------------------------------------------------- terms */

/* Soft true positives, false positives and false negatives of a group. */
typedef struct soft {
    double tp, fp, fn;
} soft;

enum { PRODUCT, SQUARE, L1 };          /* choices of `overlap` */
enum { SUM_G, SUM_P, SUM_PG, SUM_GG }; /* places in mm_group.sum; P is P2 with square, PG is A with l1 */

static size_t overlap_stats(int overlap, mm_stat stats[MM_ROW_STATS])
{
    stats[SUM_G] = (mm_stat){.kind = MM_SUM_G};
    stats[SUM_P] = (mm_stat){.kind = overlap == SQUARE ? MM_SUM_PP : MM_SUM_P};
    stats[SUM_PG] = (mm_stat){.kind = overlap == L1 ? MM_SUM_AD : MM_SUM_PG};
    stats[SUM_GG] = (mm_stat){.kind = MM_SUM_GG};
    return overlap == SQUARE ? 4 : 3;
}

/* product: TP = I, FP = P - I, FN = G - I; square: P2 and G2 in place of P and G; l1: TP = (P + G - A) / 2. */
static soft overlap_terms(const mm_group *x, int overlap)
{
    const double p = x->sum[SUM_P], g = overlap == SQUARE ? x->sum[SUM_GG] : x->sum[SUM_G];
    const double tp = overlap == L1 ? (p + g - x->sum[SUM_PG]) / 2.0 : x->sum[SUM_PG];

    return (soft){.tp = tp, .fp = p - tp, .fn = g - tp};
}

static mm_value one_minus(mm_value score)
{
    return score.reason == MM_DEFINED ? mm_defined(1.0 - score.value) : score;
}

/* -------------------------------------------------------------- parameters */

/* Every row here begins with the smoothing; what follows differs. */
enum { SMOOTH, SMOOTH_NR, SMOOTH_DR, FOURTH };
enum { OVERLAP = FOURTH };                     /* Dice, Jaccard */
enum { ALPHA = FOURTH, BETA, PRICED_OVERLAP }; /* Tversky */
enum { GAMMA = BETA + 1 };                     /* focal Tversky, after alpha and beta */
enum { WEIGHT = FOURTH };                      /* generalized Dice */

/* clang-format off */
#define SMOOTH_PARAMS \
    [SMOOTH]    = {"smooth",    MM_NUMBER, "0",      0, 1e6, NULL,     "added to numerator and denominator"}, \
    [SMOOTH_NR] = {"smooth_nr", MM_NUMBER, "smooth", 0, 1e6, "smooth", "added to the numerator"}, \
    [SMOOTH_DR] = {"smooth_dr", MM_NUMBER, "smooth", 0, 1e6, "smooth", "added to the denominator"}
#define OVERLAP_PARAM {"overlap", MM_WORD, "product", 0, 0, "product|square|l1", \
                   "how overlap is measured: p g; p g over p^2 and g^2; or (P + G - |p - g|) / 2, right for soft labels"}
#define PRICE_PARAMS \
    [ALPHA]     = {"alpha", MM_NUMBER, "0.3", 0, 1e6, NULL, "price of a false positive"}, \
    [BETA]      = {"beta",  MM_NUMBER, "0.7", 0, 1e6, NULL, "price of a false negative"}

static const mm_param dice_params[] = {SMOOTH_PARAMS, [OVERLAP] = OVERLAP_PARAM};
static const mm_param tversky_params[] = {SMOOTH_PARAMS, PRICE_PARAMS, [PRICED_OVERLAP] = OVERLAP_PARAM};
static const mm_param focal_params[] = {SMOOTH_PARAMS, PRICE_PARAMS,
    [GAMMA]     = {"gamma", MM_NUMBER, "0.75", 0, 100, NULL, "power of each class' Tversky loss"}};
/* clang-format on */

/* smooth_nr or smooth_dr; `smooth` where it was not set apart. */
static double smoothing(const mm_args *args, int which)
{
    return args->own[which].word < 0 ? args->own[which].number : args->own[SMOOTH].number;
}

/* 1 - (k TP + smooth_nr) / (k TP + a FP + b FN + smooth_dr) */
static mm_value overlap_loss(const mm_group *x, const mm_args *args, int overlap, double k, double a, double b)
{
    const soft terms = overlap_terms(x, overlap);
    const mm_overlap form = {
        .k = k, .a = a, .b = b, .n0 = smoothing(args, SMOOTH_NR), .d0 = smoothing(args, SMOOTH_DR)};

    return one_minus(mm_overlap_score(terms.tp, terms.fp, terms.fn, &form));
}

static size_t plain_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return overlap_stats(args->own[OVERLAP].word, stats);
}

static size_t priced_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return overlap_stats(args->own[PRICED_OVERLAP].word, stats);
}

static size_t product_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return overlap_stats(PRODUCT, stats);
}

/* ---------------------------------------------------------------- formulas */

/* 1 - (2 TP + s) / (2 TP + FP + FN + s) */
static mm_value dice_loss(const mm_group *x, const mm_args *args)
{
    return overlap_loss(x, args, args->own[OVERLAP].word, 2.0, 1.0, 1.0);
}

/* 1 - (TP + s) / (TP + FP + FN + s) */
static mm_value jaccard_loss(const mm_group *x, const mm_args *args)
{
    return overlap_loss(x, args, args->own[OVERLAP].word, 1.0, 1.0, 1.0);
}

/* 1 - (TP + s) / (TP + alpha FP + beta FN + s) */
static mm_value priced_loss(const mm_group *x, const mm_args *args, int overlap)
{
    return overlap_loss(x, args, overlap, 1.0, args->own[ALPHA].number, args->own[BETA].number);
}

static mm_value tversky_loss(const mm_group *x, const mm_args *args)
{
    return priced_loss(x, args, args->own[PRICED_OVERLAP].word);
}

/* tversky_loss^gamma; smooth_nr above smooth_dr can make the loss negative, which counts as 0 here. */
static mm_value focal_tversky_loss(const mm_group *x, const mm_args *args)
{
    const mm_value loss = priced_loss(x, args, PRODUCT);

    if (loss.reason != MM_DEFINED)
        return loss;
    return mm_defined(mm_pow(loss.value > 0.0 ? loss.value : 0.0, args->own[GAMMA].number));
}

/* ------------------------------------------------------- generalized Dice */

enum { W_SQUARE, W_SIMPLE, W_UNIFORM }; /* choices of `weight` */

/* clang-format off */
static const mm_param generalized_params[] = {SMOOTH_PARAMS,
    [WEIGHT] = {"weight", MM_WORD, "square", 0, 0, "square|simple|uniform",
                "class weight: 1/G^2, 1/G or 1, G the label's sum; a class without label takes the greatest of the others"}};
/* clang-format on */

/* Class weight from the label's sum; 0 when it would be infinite. */
static double weight_of(double g, int choice)
{
    const double below = choice == W_UNIFORM ? 1.0 : choice == W_SIMPLE ? g : g * g;
    const double w = below > 0.0 ? 1.0 / below : 0.0;

    return isfinite(w) ? w : 0.0;
}

/* 1 - (2 sum_c w I + s) / (sum_c w (P + G) + s) */
static mm_value generalized_dice_loss(const mm_group *x, size_t count, const mm_args *args)
{
    const mm_overlap form = {
        .k = 2.0, .a = 1.0, .b = 1.0, .n0 = smoothing(args, SMOOTH_NR), .d0 = smoothing(args, SMOOTH_DR)};
    const int choice = args->own[WEIGHT].word;
    double greatest = 0.0;
    soft all = {0.0, 0.0, 0.0};

    for (size_t i = 0; i < count; i++) {
        const double w = weight_of(x[i].sum[SUM_G], choice);

        greatest = w > greatest ? w : greatest;
    }
    for (size_t i = 0; i < count; i++) {
        const soft terms = overlap_terms(&x[i], PRODUCT);
        const double own = weight_of(x[i].sum[SUM_G], choice), w = own > 0.0 ? own : greatest;

        all.tp += w * terms.tp;
        all.fp += w * terms.fp;
        all.fn += w * terms.fn;
    }
    return one_minus(mm_overlap_score(all.tp, all.fp, all.fn, &form));
}

/* -------------------------------------------------------------------- rows */

#define UNDEFINED "the class is in neither label nor prediction, or the denominator is 0"

static const mm_score rows[] = {
    {
        .info = {.name = "dice_loss",
                 .summary = "One minus the soft Dice coefficient of each class.",
                 .formula = "1 - (2 TP + s) / (2 TP + FP + FN + s)",
                 .source = "Milletari et al. 2016 (V-Net), without smoothing",
                 .undefined = UNDEFINED,
                 .kind = MM_LOSS,
                 .better = MM_LOWER,
                 .params = dice_params,
                 .param_count = MM_COUNT(dice_params),
                 .common = mm_common_class,
                 .common_count = MM_COUNT(mm_common_class)},
        .stats = plain_stats,
        .per_class = dice_loss,
        .witness = 0.25,
    },
    {
        .info = {.name = "jaccard_loss",
                 .summary = "One minus the soft intersection over union of each class.",
                 .formula = "1 - (TP + s) / (TP + FP + FN + s)",
                 .source = "Rahman and Wang 2016",
                 .undefined = UNDEFINED,
                 .kind = MM_LOSS,
                 .better = MM_LOWER,
                 .params = dice_params,
                 .param_count = MM_COUNT(dice_params),
                 .common = mm_common_class,
                 .common_count = MM_COUNT(mm_common_class)},
        .stats = plain_stats,
        .per_class = jaccard_loss,
        .witness = 0.4,
    },
    {
        .info = {.name = "tversky_loss",
                 .summary = "Dice loss with false positives and false negatives priced apart.",
                 .formula = "1 - (TP + s) / (TP + alpha FP + beta FN + s)",
                 .source = "Salehi et al. 2017",
                 .undefined = UNDEFINED,
                 .kind = MM_LOSS,
                 .better = MM_LOWER,
                 .params = tversky_params,
                 .param_count = MM_COUNT(tversky_params),
                 .common = mm_common_class,
                 .common_count = MM_COUNT(mm_common_class)},
        .stats = priced_stats,
        .per_class = tversky_loss,
        .witness = 0.25,
    },
    {
        .info = {.name = "focal_tversky_loss",
                 .summary = "Tversky loss of each class, raised to a power.",
                 .formula = "(1 - (TP + s) / (TP + alpha FP + beta FN + s))^gamma",
                 .source = "Abraham and Khan 2019",
                 .undefined = UNDEFINED,
                 .kind = MM_LOSS,
                 .better = MM_LOWER,
                 .params = focal_params,
                 .param_count = MM_COUNT(focal_params),
                 .common = mm_common_class,
                 .common_count = MM_COUNT(mm_common_class)},
        .stats = product_stats,
        .per_class = focal_tversky_loss,
        .witness = 0.35355339059327379, /* 0.25^0.75 = 2^-1.5 */
    },
    {
        .info = {.name = "generalized_dice_loss",
                 .summary = "One Dice loss over all chosen classes, each weighted by the inverse of its volume.",
                 .formula = "1 - (2 sum_c w I + s) / (sum_c w (P + G) + s)",
                 .source = "Sudre et al. 2017",
                 .undefined = "all chosen classes are in neither label nor prediction, or the denominator is 0",
                 .kind = MM_LOSS,
                 .better = MM_LOWER,
                 .params = generalized_params,
                 .param_count = MM_COUNT(generalized_params),
                 .common = mm_common_joint,
                 .common_count = MM_COUNT(mm_common_joint)},
        .stats = product_stats,
        .joint = generalized_dice_loss,
        .witness = 0.25,
    },
};

const mm_score_family mm_scores_overlap = {rows, MM_COUNT(rows)};
