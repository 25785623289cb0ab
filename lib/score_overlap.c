/*
 * score_overlap.c - losses from the soft overlap of each class: Dice, Jaccard, Tversky, their logarithms and powers.
 *
 * All are made of the score (k TP + n0) / max(k TP + a FP + b FN + d0, eps), most often subtracted from 1.
 */
#include "lib/score_overlap.h"

#include <math.h>

/* -------------------------------------------------------------- parameters */

enum { OVERLAP = MM_AFTER_SMOOTH };                     /* Dice, Jaccard */
enum { EPS = OVERLAP + 1, POWER };                      /* their logarithms */
enum { ALPHA = MM_AFTER_SMOOTH, BETA, PRICED_OVERLAP }; /* Tversky */
enum { GAMMA = BETA + 1 };                              /* focal Tversky, after alpha and beta */
enum { ASYMMETRY = MM_AFTER_SMOOTH };                   /* asymmetric similarity */
enum { DELTA = MM_AFTER_SMOOTH, ASYMMETRIC_GAMMA };     /* asymmetric focal Tversky */

/* clang-format off */
#define OVERLAP_PARAM {"overlap", MM_WORD, "product", 0, 0, "product|square|l1", \
                   "how overlap is measured: p g; p g over p^2 and g^2; or (P + G - |p - g|) / 2, right for soft labels"}
#define PRICE_PARAMS \
    [ALPHA]     = {"alpha", MM_NUMBER, "0.3", 0, 1e6, NULL, "price of a false positive"}, \
    [BETA]      = {"beta",  MM_NUMBER, "0.7", 0, 1e6, NULL, "price of a false negative"}

static const mm_param smooth_params[] = {MM_SMOOTH_PARAMS};
static const mm_param dice_params[] = {MM_SMOOTH_PARAMS, [OVERLAP] = OVERLAP_PARAM};
static const mm_param log_params[] = {MM_SMOOTH_PARAMS, [OVERLAP] = OVERLAP_PARAM,
    [EPS]       = {"eps",   MM_NUMBER, "1e-7", 1e-300, 1, NULL, "the logarithm is of max(score, eps)"},
    [POWER]     = {"gamma", MM_NUMBER, "1", 0, 100, NULL, "power of each class' logarithm"}};
static const mm_param tversky_params[] = {MM_SMOOTH_PARAMS, PRICE_PARAMS, [PRICED_OVERLAP] = OVERLAP_PARAM};
static const mm_param focal_params[] = {MM_SMOOTH_PARAMS, PRICE_PARAMS,
    [GAMMA]     = {"gamma", MM_NUMBER, "0.75", 0, 100, NULL, "power of each class' Tversky loss"}};
static const mm_param similarity_params[] = {MM_SMOOTH_PARAMS,
    [ASYMMETRY] = {"b",     MM_NUMBER, "1.5", 0, 1e3, NULL,
                   "a false negative costs B^2/(1+B^2), a false positive 1/(1+B^2)"}};
static const mm_param asymmetric_params[] = {MM_SMOOTH_PARAMS,
    [DELTA]     = {"delta", MM_NUMBER, "0.7", 0, 1, NULL, "price of a false negative; 1 - delta of a false positive"},
    [ASYMMETRIC_GAMMA] = {"gamma", MM_NUMBER, "0.75", 0, 1, NULL, "the losses of classes 1, 2 ... have the power 1 - gamma"}};
/* clang-format on */

mm_overlap mm_smoothed(const mm_args *args, double k, double a, double b)
{
    const mm_arg *nr = &args->own[MM_SMOOTH_NR], *dr = &args->own[MM_SMOOTH_DR];
    const double smooth = args->own[MM_SMOOTH].number;

    return (mm_overlap){
        .k = k, .a = a, .b = b, .n0 = nr->word < 0 ? nr->number : smooth, .d0 = dr->word < 0 ? dr->number : smooth};
}

/* ------------------------------------------------------------------ scores */

static mm_value soft_score(const mm_group *x, const mm_args *args, mm_overlap_of how, double k, double a, double b)
{
    const mm_soft soft = mm_soft_of(x, how);
    const mm_overlap form = mm_smoothed(args, k, a, b);

    return mm_soft_score(&soft, &form);
}

/* (2 TP + s) / (2 TP + FP + FN + s) */
static mm_value dice(const mm_group *x, const mm_args *args, mm_overlap_of how)
{
    return soft_score(x, args, how, 2.0, 1.0, 1.0);
}

/* (TP + s) / (TP + FP + FN + s) */
static mm_value jaccard(const mm_group *x, const mm_args *args, mm_overlap_of how)
{
    return soft_score(x, args, how, 1.0, 1.0, 1.0);
}

/* (TP + s) / (TP + alpha FP + beta FN + s) */
static mm_value tversky(const mm_group *x, const mm_args *args, mm_overlap_of how)
{
    return soft_score(x, args, how, 1.0, args->own[ALPHA].number, args->own[BETA].number);
}

static mm_overlap_of chosen(const mm_args *args, int place)
{
    return (mm_overlap_of)args->own[place].word;
}

static size_t plain_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return mm_soft_stats(chosen(args, OVERLAP), MM_FORM_NATURAL, stats);
}

static size_t priced_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return mm_soft_stats(chosen(args, PRICED_OVERLAP), MM_FORM_NATURAL, stats);
}

static size_t product_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return mm_soft_stats(MM_BY_PRODUCT, MM_FORM_NATURAL, stats);
}

static size_t square_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return mm_soft_stats(MM_BY_SQUARE, MM_FORM_NATURAL, stats);
}

static size_t l1_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return mm_soft_stats(MM_BY_L1, MM_FORM_NATURAL, stats);
}

/* ------------------------------------------------------------- transforms */

/* x^gamma; smooth_nr above smooth_dr can make x negative, which counts as 0 here. */
static mm_value power_of(mm_value x, double gamma)
{
    if (x.reason != MM_DEFINED || gamma == 1.0)
        return x;
    return mm_defined(mm_pow(x.value > 0.0 ? x.value : 0.0, gamma));
}

/* (-log max(score, eps))^gamma */
static mm_value negative_log(mm_value score, const mm_args *args)
{
    const double eps = args->own[EPS].number;

    if (score.reason != MM_DEFINED)
        return score;
    return power_of(mm_defined(0.0 - mm_log(score.value > eps ? score.value : eps)), args->own[POWER].number);
}

/* ------------------------------------------------------------------- losses */

static mm_value dice_loss(const mm_group *x, const mm_args *args)
{
    return mm_one_minus(dice(x, args, chosen(args, OVERLAP)));
}

static mm_value squared_dice_loss(const mm_group *x, const mm_args *args)
{
    return mm_one_minus(dice(x, args, MM_BY_SQUARE));
}

static mm_value soft_dice_loss(const mm_group *x, const mm_args *args)
{
    return mm_one_minus(dice(x, args, MM_BY_L1));
}

static mm_value jaccard_loss(const mm_group *x, const mm_args *args)
{
    return mm_one_minus(jaccard(x, args, chosen(args, OVERLAP)));
}

static mm_value squared_jaccard_loss(const mm_group *x, const mm_args *args)
{
    return mm_one_minus(jaccard(x, args, MM_BY_SQUARE));
}

static mm_value log_dice_loss(const mm_group *x, const mm_args *args)
{
    return negative_log(dice(x, args, chosen(args, OVERLAP)), args);
}

static mm_value log_jaccard_loss(const mm_group *x, const mm_args *args)
{
    return negative_log(jaccard(x, args, chosen(args, OVERLAP)), args);
}

static mm_value log_cosh_dice_loss(const mm_group *x, const mm_args *args)
{
    const mm_value loss = mm_one_minus(dice(x, args, MM_BY_PRODUCT));

    return loss.reason == MM_DEFINED ? mm_defined(mm_log_cosh(loss.value)) : loss;
}

/* log(1 + loss); a loss below 0 counts as 0. */
static mm_value log1p_dice_loss(const mm_group *x, const mm_args *args)
{
    const mm_value loss = mm_one_minus(dice(x, args, MM_BY_PRODUCT));

    return loss.reason == MM_DEFINED ? mm_defined(mm_log1p(loss.value > 0.0 ? loss.value : 0.0)) : loss;
}

static mm_value negative_dice_loss(const mm_group *x, const mm_args *args)
{
    mm_value score = dice(x, args, MM_BY_PRODUCT);

    score.value = 0.0 - score.value;
    return score;
}

static mm_value tversky_loss(const mm_group *x, const mm_args *args)
{
    return mm_one_minus(tversky(x, args, chosen(args, PRICED_OVERLAP)));
}

static mm_value focal_tversky_loss(const mm_group *x, const mm_args *args)
{
    return power_of(mm_one_minus(tversky(x, args, MM_BY_PRODUCT)), args->own[GAMMA].number);
}

/* Tversky with beta = B^2 / (1 + B^2), alpha = 1 - beta */
static mm_value asymmetric_similarity_loss(const mm_group *x, const mm_args *args)
{
    const double square = args->own[ASYMMETRY].number * args->own[ASYMMETRY].number, beta = square / (1.0 + square);

    return mm_one_minus(soft_score(x, args, MM_BY_PRODUCT, 1.0, 1.0 - beta, beta));
}

/* class 0: 1 - T; others: (1 - T)^(1-gamma); T = (TP + s) / (TP + delta FN + (1-delta) FP + s) */
static mm_value asymmetric_focal_tversky_loss(const mm_group *x, const mm_args *args)
{
    const double delta = args->own[DELTA].number;
    const mm_value loss = mm_one_minus(soft_score(x, args, MM_BY_PRODUCT, 1.0, 1.0 - delta, delta));

    return x->index == 0 ? loss : power_of(loss, 1.0 - args->own[ASYMMETRIC_GAMMA].number);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define LOSS(NAME, SUMMARY, FORMULA, SOURCE, PARAMS) \
    .info = {.name = NAME, .summary = SUMMARY, .formula = FORMULA, .source = SOURCE, \
             .undefined = "the class is in neither label nor prediction, or the denominator is 0", \
             .kind = MM_LOSS, .better = MM_LOWER, .params = PARAMS, .param_count = MM_COUNT(PARAMS), \
             .common = mm_common_class, .common_count = MM_COUNT(mm_common_class)}

static const mm_score rows[] = {
    {LOSS("dice_loss", "One minus the soft Dice coefficient of each class.", "1 - (2 TP + s) / (2 TP + FP + FN + s)",
          "Milletari et al. 2016 (V-Net), without smoothing", dice_params),
     .stats = plain_stats, .per_class = dice_loss, .witness = 0.25},
    {LOSS("squared_dice_loss", "Dice loss over sums of squares: dice_loss(overlap=square).",
          "1 - (2 I + s) / (sum p^2 + sum g^2 + s)", "Milletari et al. 2016 (V-Net)", smooth_params),
     .stats = square_stats, .per_class = squared_dice_loss, .witness = 1.0 / 7.0},
    {LOSS("soft_dice_loss", "Dice loss that is 0 when soft labels are met exactly: dice_loss(overlap=l1).",
          "1 - (P + G - sum |p - g| + s) / (P + G + s)", "Wang et al. 2023 (Dice semimetric losses)", smooth_params),
     .stats = l1_stats, .per_class = soft_dice_loss, .witness = 0.25},
    {LOSS("jaccard_loss", "One minus the soft intersection over union of each class.",
          "1 - (TP + s) / (TP + FP + FN + s)", "Rahman and Wang 2016", dice_params),
     .stats = plain_stats, .per_class = jaccard_loss, .witness = 0.4},
    {LOSS("squared_jaccard_loss", "Jaccard loss over sums of squares: jaccard_loss(overlap=square).",
          "1 - (I + s) / (sum p^2 + sum g^2 - I + s)", "Rahman and Wang 2016, with squares", smooth_params),
     .stats = square_stats, .per_class = squared_jaccard_loss, .witness = 0.25},
    {LOSS("log_dice_loss", "Minus the logarithm of the soft Dice coefficient of each class.",
          "(-log max((2 TP + s) / (2 TP + FP + FN + s), eps))^gamma", "Wong et al. 2018", log_params),
     .stats = plain_stats, .per_class = log_dice_loss, .witness = 0.28768207245178096 /* ln 4/3 */},
    {LOSS("log_jaccard_loss", "Minus the logarithm of the soft intersection over union of each class.",
          "(-log max((TP + s) / (TP + FP + FN + s), eps))^gamma", "Iglovikov and Shvets 2018 (TernausNet)", log_params),
     .stats = plain_stats, .per_class = log_jaccard_loss, .witness = 0.51082562376599072 /* ln 5/3 */},
    {LOSS("log_cosh_dice_loss", "Dice loss of each class, smoothed near 0.", "log cosh(1 - (2 TP + s) / (2 TP + FP + FN + s))",
          "Jadon 2020", smooth_params),
     .stats = product_stats, .per_class = log_cosh_dice_loss, .witness = 0.030929803620161386 /* log cosh 1/4 */},
    {LOSS("log1p_dice_loss", "Logarithm of one plus the Dice loss of each class.",
          "log(1 + 1 - (2 TP + s) / (2 TP + FP + FN + s))", "the Dice part of log1p_dice_bce_loss", smooth_params),
     .stats = product_stats, .per_class = log1p_dice_loss, .witness = 0.22314355131420976 /* ln 5/4 */},
    {LOSS("negative_dice_loss", "Minus the soft Dice coefficient of each class: dice_loss - 1.",
          "-(2 TP + s) / (2 TP + FP + FN + s)", "the Dice part of combo_loss", smooth_params),
     .stats = product_stats, .per_class = negative_dice_loss, .witness = -0.75},
    {LOSS("tversky_loss", "Dice loss with false positives and false negatives priced apart.",
          "1 - (TP + s) / (TP + alpha FP + beta FN + s)", "Salehi et al. 2017", tversky_params),
     .stats = priced_stats, .per_class = tversky_loss, .witness = 0.25},
    {LOSS("focal_tversky_loss", "Tversky loss of each class, raised to a power.",
          "(1 - (TP + s) / (TP + alpha FP + beta FN + s))^gamma", "Abraham and Khan 2019", focal_params),
     .stats = product_stats, .per_class = focal_tversky_loss, .witness = 0.35355339059327379 /* 0.25^0.75 = 2^-1.5 */},
    {LOSS("asymmetric_similarity_loss", "Tversky loss whose prices follow from one number, as in the F-measure.",
          "1 - (TP + s) / (TP + (FP + B^2 FN) / (1 + B^2) + s)", "Hashemi et al. 2018", similarity_params),
     .stats = product_stats, .per_class = asymmetric_similarity_loss, .witness = 0.25},
    {LOSS("asymmetric_focal_tversky_loss", "Tversky loss in which hard classes other than class 0 count more.",
          "class 0: 1 - T; others: (1 - T)^(1-gamma); T = (TP + s) / (TP + delta FN + (1-delta) FP + s)",
          "Yeung et al. 2022", asymmetric_params),
     .stats = product_stats, .per_class = asymmetric_focal_tversky_loss, .witness = 0.25},
};
/* clang-format on */

const mm_score_family mm_scores_overlap = {rows, MM_COUNT(rows)};
