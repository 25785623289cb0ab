/*
 * score_skeleton.c - scores of skeletons: centerline Dice.
 *
 * tprec is the share of the prediction's skeleton that lies in the label, tsens the share of the label's skeleton that
 * lies in the prediction; the score is their harmonic mean.
 */
#include "lib/scores.h"

#include <math.h>

#include "lib/image_kinds.h"

enum { ITERATIONS, SMOOTH, ALPHA };                         /* parameters */
enum { REASON, PRED_IN_LABEL, PRED, LABEL_IN_PRED, LABEL }; /* values of the column */

static size_t hard_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = (mm_stat){.kind = MM_IMAGE_CLDICE_HARD};
    return 1;
}

static size_t soft_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = (mm_stat){.kind = MM_IMAGE_CLDICE, .more = {args->own[ITERATIONS].number}};
    return 1;
}

static const char *soft_check(const mm_args *args)
{
    const double iterations = args->own[ITERATIONS].number;

    return iterations == floor(iterations) ? NULL : "iterations is a whole number";
}

/* 2 a b / (a + b); nothing in common is 0 */
static double harmonic_mean(double a, double b)
{
    return a + b > 0.0 ? 2.0 * a * b / (a + b) : 0.0;
}

/* 2 tp ts / (tp + ts), tp = sum S(p) g / sum S(p), ts = sum S(g) p / sum S(g) */
static mm_value cldice(const mm_group *x, const mm_args *args)
{
    const double pred = mm_wide(x, 0, PRED), label = mm_wide(x, 0, LABEL);

    (void)args;
    if (pred == 0.0 && x->pred == 0)
        return mm_undefined(MM_ABSENT_IN_PREDICTION);
    if (label == 0.0 && x->label == 0)
        return mm_undefined(MM_ABSENT_IN_LABEL);
    if (pred == 0.0 || label == 0.0) /* a mask that fills the image */
        return mm_undefined(MM_ZERO_DENOMINATOR);
    return mm_defined(harmonic_mean(mm_wide(x, 0, PRED_IN_LABEL) / pred, mm_wide(x, 0, LABEL_IN_PRED) / label));
}

/* 1 - 2 tp ts / (tp + ts), tp = (sum S(p) g + s) / (sum S(p) + s), ts = (sum S(g) p + s) / (sum S(g) + s) */
static mm_value cldice_loss(const mm_group *x, const mm_args *args)
{
    const double s = args->own[SMOOTH].number;
    const double pred = mm_wide(x, 0, PRED) + s, label = mm_wide(x, 0, LABEL) + s;

    if (pred == 0.0 || label == 0.0)
        return mm_undefined(MM_ZERO_DENOMINATOR);
    return mm_defined(
        1.0 - harmonic_mean((mm_wide(x, 0, PRED_IN_LABEL) + s) / pred, (mm_wide(x, 0, LABEL_IN_PRED) + s) / label));
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define SOFT_PARAMS \
    [ITERATIONS] = {"iterations", MM_NUMBER, "3", 0, 100, NULL, "how often the skeleton is thinned"}, \
    [SMOOTH]     = {"smooth",     MM_NUMBER, "1", 0, 1e6, NULL, "added to numerators and denominators"}

static const mm_param soft_params[] = {SOFT_PARAMS};
static const mm_param mixed_params[] = {SOFT_PARAMS,
    [ALPHA]      = {"alpha", MM_NUMBER, "0.5", 0, 1, NULL, "weight of cldice_loss; dice_loss has the rest"}};
/* clang-format on */

#define SOURCE "Shit et al. 2021"
#define SOFT_SKELETON                                                                                                  \
    "soft skeletons S: relu(x - open x), then as often as iterations says x = erode x, S + relu(d - S d) with "        \
    "d = relu(x - open x)"

static const mm_score rows[] = {
    {
        .info = {.name = "cldice",
                 .summary = "How well the skeletons of two masks lie in the other mask.",
                 .formula =
                     "2 tp ts / (tp + ts), tp = sum S(p) g / sum S(p), ts = sum S(g) p / sum S(g) of hard masks; S: "
                     "what opening takes off the mask and off each of its erosions, until nothing is left",
                 .source = SOURCE,
                 .undefined = "a mask, or its skeleton, is empty (one that fills the image has none)",
                 .kind = MM_METRIC,
                 .better = MM_HIGHER,
                 .common = mm_common_image,
                 .common_count = MM_COUNT(mm_common_image)},
        .stats = hard_stats,
        .per_class = cldice,
        .witness = 1.0, /* both skeletons are the first voxel */
    },
    {
        .info = {.name = "cldice_loss",
                 .summary = "One minus the overlap of soft skeletons with the other side.",
                 .formula = "1 - 2 tp ts / (tp + ts), tp = (sum S(p) g + s) / (sum S(p) + s), "
                            "ts = (sum S(g) p + s) / (sum S(g) + s); " SOFT_SKELETON,
                 .source = SOURCE,
                 .undefined = "the class is in neither label nor prediction; with smooth=0: a skeleton is empty",
                 .kind = MM_LOSS,
                 .better = MM_LOWER,
                 .params = soft_params,
                 .param_count = MM_COUNT(soft_params),
                 .common = mm_common_image,
                 .common_count = MM_COUNT(mm_common_image)},
        .stats = soft_stats,
        .check = soft_check,
        .per_class = cldice_loss,
        .witness = 0.0, /* both skeletons are in the first voxel */
    },
    {
        .info = {.name = "dice_cldice_loss",
                 .summary = "Dice loss and centerline Dice loss.",
                 .formula = "(1 - alpha) dice_loss + alpha cldice_loss",
                 .source = SOURCE,
                 .undefined = "one of its parts is",
                 .kind = MM_LOSS,
                 .better = MM_LOWER,
                 .params = mixed_params,
                 .param_count = MM_COUNT(mixed_params),
                 .common = mm_common_image,
                 .common_count = MM_COUNT(mm_common_image)},
        .parts = "{1-alpha}*dice_loss(smooth={smooth},{common}),"
                 "{alpha}*cldice_loss(iterations={iterations},smooth={smooth},{common})",
        .witness = 0.1, /* half of 1 - 4/5 */
    },
};

const mm_score_family mm_scores_skeleton = {rows, MM_COUNT(rows)};
