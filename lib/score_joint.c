/*
 * score_joint.c - overlap losses of all classes together: generalized Dice, its penalised form, Wasserstein Dice.
 */
#include "lib/score_overlap.h"
#include "lib/wasserstein.h"

/* -------------------------------------------------------------- parameters */

enum { WEIGHT = MM_AFTER_SMOOTH, PENALTY }; /* generalized Dice, and its penalised form */
enum { MATRIX = MM_AFTER_SMOOTH, MODE };    /* Wasserstein */

/* clang-format off */
static const mm_param generalized_params[] = {MM_SMOOTH_PARAMS, [WEIGHT] = MM_WEIGHT_PARAM};
static const mm_param penalty_params[] = {MM_SMOOTH_PARAMS, [WEIGHT] = MM_WEIGHT_PARAM,
    [PENALTY] = {"k", MM_NUMBER, "2.5", 0, 1e6, NULL, "how strongly small losses are pressed down"}};
static const mm_param wasserstein_params[] = {MM_SMOOTH_PARAMS,
    [MATRIX]  = {"matrix", MM_MATRIX, "equal", 0, 1e6, "equal",
                 "what it costs to take a class (row: the label) for another (column), divided by the greatest; equal: all the same"},
    [MODE]    = {"mode", MM_WORD, "default", 0, 0, "default|gdl", "count label voxels but those of class 0, or weigh each by 1/(G_y+1)"}};
/* clang-format on */

/* ---------------------------------------------------------------- formulas */

static size_t product_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return mm_soft_stats(MM_BY_PRODUCT, MM_FORM_NATURAL, stats);
}

static mm_soft product_of(const mm_group *x)
{
    return mm_soft_of(x, MM_BY_PRODUCT);
}

/* 1 - (2 sum_c w I + s) / (sum_c w (P + G) + s) */
static mm_value generalized_dice_loss(const mm_group *x, size_t count, const mm_args *args)
{
    const mm_overlap form = mm_smoothed(args, 2.0, 1.0, 1.0);

    return mm_one_minus(mm_generalized_score(x, count, (mm_by_volume)args->own[WEIGHT].word, product_of, &form));
}

/* L / (1 + k (1 - L)) */
static mm_value penalty_generalized_dice_loss(const mm_group *x, size_t count, const mm_args *args)
{
    const mm_value loss = generalized_dice_loss(x, count, args);

    if (loss.reason != MM_DEFINED)
        return loss;
    return mm_ratio(loss.value, 1.0 + args->own[PENALTY].number * (1.0 - loss.value), MM_ZERO_DENOMINATOR);
}

static size_t by_label_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = (mm_stat){.kind = MM_SUM_BY_LABEL};
    return 1;
}

/* W_v = sum_c M[y_v,c] p_c */
static mm_value wasserstein_dice_loss(const mm_group *x, size_t count, const mm_args *args)
{
    const mm_overlap smoothing = mm_smoothed(args, 2.0, 1.0, 1.0);
    const mm_wasserstein form = {.distance = args->own[MATRIX].list,
                                 .classes = args->classes,
                                 .by_volume = args->own[MODE].word == 1,
                                 .smooth_nr = smoothing.n0,
                                 .smooth_dr = smoothing.d0};

    return mm_wasserstein_loss(x, count, 0, &form);
}

/* A voxel's cost counts the probabilities of all classes. */
static const char *wasserstein_check(const mm_args *args)
{
    const mm_arg *matrix = &args->own[MATRIX];
    int any = matrix->list == NULL;

    for (size_t i = 0; i < matrix->count; i++)
        any = any || matrix->list[i] > 0.0;
    for (size_t c = 0; c < args->classes; c++)
        if (!mm_class_chosen(&args->common, c, args->classes))
            return "the cost of an error takes all classes: leave classes out";
    return any ? NULL : "matrix must have a number above 0";
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define JOINT(NAME, SUMMARY, FORMULA, SOURCE, PARAMS) \
    .info = {.name = NAME, .summary = SUMMARY, .formula = FORMULA, .source = SOURCE, \
             .undefined = "all chosen classes are in neither label nor prediction, or the denominator is 0", \
             .kind = MM_LOSS, .better = MM_LOWER, .params = PARAMS, .param_count = MM_COUNT(PARAMS), \
             .common = mm_common_joint, .common_count = MM_COUNT(mm_common_joint)}

static const mm_score rows[] = {
    {JOINT("generalized_dice_loss", "One Dice loss over all chosen classes, each weighted by the inverse of its volume.",
           "1 - (2 sum_c w I + s) / (sum_c w (P + G) + s)", "Sudre et al. 2017", generalized_params),
     .stats = product_stats, .joint = generalized_dice_loss, .witness = 0.25},
    {JOINT("penalty_generalized_dice_loss", "Generalized Dice loss L, pressed down where it is small.",
           "L / (1 + k (1 - L)), L = 1 - (2 sum_c w I + s) / (sum_c w (P + G) + s)", "Yang et al. 2019", penalty_params),
     .stats = product_stats, .joint = penalty_generalized_dice_loss, .witness = 0.25 / 2.875},
    {JOINT("generalized_wasserstein_dice_loss", "Dice loss in which errors between near classes cost less.",
           "1 - (2 T + s) / (2 T + sum W + s), T = sum_{y != 0} (1 - W), W = sum_c M[y,c] p_c; gdl: T = sum a (1 - W), "
           "a = 1/(G_y+1), 1 - (2 T + s) / (sum a (2 - W) + s)", "Fidon et al. 2017", wasserstein_params),
     .stats = by_label_stats, .check = wasserstein_check, .joint = wasserstein_dice_loss, .exclusive = 1,
     .witness = 0.25},
};
/* clang-format on */

const mm_score_family mm_scores_joint = {rows, MM_COUNT(rows)};
