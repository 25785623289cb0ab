/*
 * peer_segloss_overlap.c - overlap losses of SegLossOdyssey.  All but SSLoss are negative scores.
 *
 * `pred` is used as sent, through a softmax unless softmax=false.  Scores of each image and class, or (batch_dice) of
 * each class over all images, then a plain mean.
 */
#include "lib/peer_segloss.h"

#include <math.h>

unsigned mm_segloss_form(const mm_arg *softmax)
{
    return softmax->number != 0.0 ? MM_FORM_SOFTMAX : MM_FORM_SENT;
}

static mm_value negative(mm_value x)
{
    x.value = -x.value;
    return x;
}

/* ------------------------------------------------------------------ overlap */

enum { SOFTMAX = MM_SEGLOSS_OWN, GAMMA, ALPHA, BETA }; /* FocalTversky_loss has all of them */

static mm_overlap_of overlap_of(const mm_args *args)
{
    return args->own[MM_SEGLOSS_SQUARE].number != 0.0 ? MM_BY_SQUARED_MAP : MM_BY_PRODUCT;
}

size_t mm_segloss_dice_stats(const mm_args *args, unsigned form, mm_stat stats[MM_ROW_STATS])
{
    return mm_soft_stats(overlap_of(args), form, stats);
}

static size_t overlap_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return mm_segloss_dice_stats(args, mm_segloss_form(&args->own[SOFTMAX]), stats);
}

/* The mean over images and classes, or with batch_dice over the classes of all images; undefined when one value is. */
static mm_value mean_of(const mm_cells *cells, const mm_args *args, mm_cell_value value)
{
    const int batch = args->own[MM_SEGLOSS_BATCH_DICE].number != 0.0;
    const size_t rows = batch ? 1 : cells->images->count, first = args->own[MM_SEGLOSS_DO_BG].number != 0.0 ? 0 : 1;
    mm_mean mean = {.count = 0};

    if (first == args->classes)
        return mm_undefined(MM_ZERO_DENOMINATOR);
    for (size_t n = 0; n < rows; n++)
        for (size_t c = first; c < args->classes; c++) {
            const mm_group x = batch ? mm_cell_pooled(cells, c) : mm_cell(cells, n, c);

            mm_mean_add(&mean, value(&x, args), 1.0);
        }
    return mm_mean_complete(&mean);
}

/* (k TP + s) / (k TP + a FP + b FN + s) */
static mm_value score_of(const mm_group *x, const mm_args *args, double k, double a, double b)
{
    const double smooth = args->own[MM_SEGLOSS_SMOOTH].number;
    const mm_overlap form = {.k = k, .a = a, .b = b, .n0 = smooth, .d0 = smooth};
    const mm_soft soft = mm_soft_of(x, overlap_of(args));

    return mm_soft_score(&soft, &form);
}

static mm_value dice_cell(const mm_group *x, const mm_args *args)
{
    return score_of(x, args, 2.0, 1.0, 1.0);
}

mm_value mm_segloss_dice(const mm_cells *cells, const mm_args *args)
{
    return negative(mean_of(cells, args, dice_cell));
}

static void dice_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = mm_segloss_dice(cells, args);
}

static mm_value iou_cell(const mm_group *x, const mm_args *args)
{
    return score_of(x, args, 1.0, 1.0, 1.0);
}

static void iou_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = negative(mean_of(cells, args, iou_cell));
}

static mm_value tversky_cell(const mm_group *x, const mm_args *args)
{
    return score_of(x, args, 1.0, 0.3, 0.7);
}

static void tversky_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = negative(mean_of(cells, args, tversky_cell));
}

/* (1 - mean)^gamma */
static void focal_tversky_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_value loss = mm_one_minus(mean_of(cells, args, tversky_cell));
    const double gamma = args->own[GAMMA].number;

    if (loss.reason != MM_DEFINED || gamma == 1.0)
        *list = loss;
    else
        *list = loss.value < 0.0 ? mm_undefined(MM_ZERO_DENOMINATOR) : mm_defined(mm_pow(loss.value, gamma));
}

/* False negatives cost B^2/(1+B^2), false positives the rest, B = 1.5. */
static mm_value asymmetric_cell(const mm_group *x, const mm_args *args)
{
    const double weight = 1.5 * 1.5 / (1.0 + 1.5 * 1.5);

    return score_of(x, args, 1.0, 1.0 - weight, weight);
}

static void asymmetric_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = negative(mean_of(cells, args, asymmetric_cell));
}

/* ------------------------------------------------ sensitivity, specificity */

enum { SHARE = SOFTMAX + 1 };
enum { ERROR_IN, ERROR_OUT, SUM_G }; /* places in mm_group.sum */

static size_t error_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const unsigned form = mm_segloss_form(&args->own[SOFTMAX]);

    stats[ERROR_IN] = (mm_stat){.kind = MM_SUM_ERROR_IN, .form = form};
    stats[ERROR_OUT] = (mm_stat){.kind = MM_SUM_ERROR_OUT, .form = form};
    stats[SUM_G] = (mm_stat){.kind = MM_SUM_G, .form = form};
    return 3;
}

/* r sum (g-p)^2 g / (G + s) + (1-r) sum (g-p)^2 (1-g) / (V - G + s) */
static mm_value error_cell(const mm_group *x, const mm_args *args)
{
    const double r = args->own[SHARE].number, smooth = args->own[MM_SEGLOSS_SMOOTH].number;
    const mm_value in = mm_ratio(x->sum[ERROR_IN], x->sum[SUM_G] + smooth, MM_ABSENT_IN_LABEL);
    const mm_value out = mm_ratio(x->sum[ERROR_OUT], (double)x->scored - x->sum[SUM_G] + smooth, MM_ZERO_DENOMINATOR);

    if (in.reason != MM_DEFINED || out.reason != MM_DEFINED)
        return in.reason != MM_DEFINED ? in : out;
    return mm_defined(r * in.value + (1.0 - r) * out.value);
}

static void error_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = mean_of(cells, args, error_cell);
}

/* --------------------------------------------------------- generalized Dice */

enum { GENERALIZED_SOFTMAX, GENERALIZED_SMOOTH, PENALTY_K };

static size_t generalized_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return mm_soft_stats(MM_BY_PRODUCT, mm_segloss_form(&args->own[GENERALIZED_SOFTMAX]), stats);
}

/* The classes of an image added up with w = 1 / (G + 1e-10)^2: a class without label has 1e20, and decides alone. */
static mm_soft weighted_image(const mm_cells *cells, const mm_args *args, size_t n)
{
    mm_soft all = {0.0, 0.0, 0.0, 0.0};

    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = mm_cell(cells, n, c);
        const mm_soft soft = mm_soft_of(&x, MM_BY_PRODUCT);
        const double root = soft.g + 1e-10;

        all = mm_soft_add(all, 1.0 / (root * root), soft);
    }
    return all;
}

/* mean_n -2 (sum_c w I + s) / (sum_c w (P + G) + s) */
static mm_value generalized_dice(const mm_cells *cells, const mm_args *args)
{
    const double smooth = args->own[GENERALIZED_SMOOTH].number;
    const mm_overlap form = {.k = 2.0, .a = 1.0, .b = 1.0, .n0 = 2.0 * smooth, .d0 = smooth};
    mm_mean mean = {.count = 0};

    for (size_t n = 0; n < cells->images->count; n++) {
        const mm_soft all = weighted_image(cells, args, n);

        mm_mean_add(&mean, mm_soft_score(&all, &form), 1.0);
    }
    return negative(mm_mean_complete(&mean));
}

static void generalized_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = generalized_dice(cells, args);
}

/* L / (1 + k (1 - L)) */
static void penalty_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_value loss = generalized_dice(cells, args);

    *list = loss.reason != MM_DEFINED
                ? loss
                : mm_ratio(loss.value, 1.0 + args->own[PENALTY_K].number * (1.0 - loss.value), MM_ZERO_DENOMINATOR);
}

/* -2 sum_c w I / max(sum_c w (P + G), s) over all images, w = 1 / max(G^2, s) */
static void generalized_loss_v2(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const double smooth = args->own[GENERALIZED_SMOOTH].number;
    const mm_overlap form = {.k = 2.0, .a = 1.0, .b = 1.0, .eps = smooth};
    mm_soft all = {0.0, 0.0, 0.0, 0.0};

    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);
        const mm_soft soft = mm_soft_of(&x, MM_BY_PRODUCT);

        all = mm_soft_add(all, 1.0 / fmax(soft.g * soft.g, smooth), soft);
    }
    *list = negative(mm_soft_score(&all, &form));
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define OVERLAP_PARAMS MM_SEGLOSS_DICE_PARAMS, [SOFTMAX] = MM_SEGLOSS_SOFTMAX_PARAM
#define GENERALIZED_PARAMS [GENERALIZED_SOFTMAX] = MM_SEGLOSS_SOFTMAX_PARAM

static const mm_param overlap_params[] = {OVERLAP_PARAMS};
static const mm_param focal_params[] = {OVERLAP_PARAMS,
    [GAMMA] = {"gamma", MM_NUMBER, "0.75", 0, 100, NULL, "power of the mean"},
    [ALPHA] = {"alpha", MM_NUMBER, "0.3", 0.3, 0.3, NULL, "price of a false positive, fixed in the peer"},
    [BETA]  = {"beta", MM_NUMBER, "0.7", 0.7, 0.7, NULL, "price of a false negative, fixed in the peer"}};
static const mm_param error_params[] = {OVERLAP_PARAMS,
    [SHARE] = {"r", MM_NUMBER, "0.1", 0, 1, NULL, "share of the errors on label voxels"}};
static const mm_param generalized_params[] = {GENERALIZED_PARAMS,
    [GENERALIZED_SMOOTH] = {"smooth", MM_NUMBER, "1e-5", 0, 1e6, NULL, "added to the overlap and to the volume"}};
static const mm_param penalty_params[] = {GENERALIZED_PARAMS,
    [GENERALIZED_SMOOTH] = {"smooth", MM_NUMBER, "1e-5", 0, 1e6, NULL, "added to the overlap and to the volume"},
    [PENALTY_K]          = {"k", MM_NUMBER, "2.5", 0, 1e6, NULL, "how strongly a poor overlap is played down"}};
static const mm_param v2_params[] = {GENERALIZED_PARAMS,
    [GENERALIZED_SMOOTH] = {"smooth", MM_NUMBER, "1e-5", 1e-300, 1e6, NULL, "least squared volume, least denominator"}};

#define UNDEFINED "a denominator is 0, which takes smooth=0; no class is left with do_bg=false"

static const mm_score rows[] = {
    {.info = {MM_SEGLOSS_LOSS("SoftDiceLoss", "Minus the mean of soft Dice over images and classes.",
                              "-mean (2 TP + s) / (2 TP + FP + FN + s)", UNDEFINED), MM_PARAMS(overlap_params)},
     .stats = overlap_stats, .peer = dice_loss, .witness = -0.8},
    {.info = {MM_SEGLOSS_LOSS("IoULoss", "Minus the mean of soft intersection over union over images and classes.",
                              "-mean (TP + s) / (TP + FP + FN + s)", UNDEFINED), MM_PARAMS(overlap_params)},
     .stats = overlap_stats, .peer = iou_loss, .witness = -2.5 / 3.5},
    {.info = {MM_SEGLOSS_LOSS("TverskyLoss",
                              "Minus the mean of the soft Tversky index, 0.3 on false positives, 0.7 on false negatives.",
                              "-mean (TP + s) / (TP + 0.3 FP + 0.7 FN + s)", UNDEFINED), MM_PARAMS(overlap_params)},
     .stats = overlap_stats, .peer = tversky_loss, .witness = -2.5 / 3.0},
    {.info = {MM_SEGLOSS_LOSS("FocalTversky_loss", "One minus the mean of the soft Tversky index, raised to gamma.",
                              "(1 - mean (TP + s) / (TP + 0.3 FP + 0.7 FN + s))^gamma", UNDEFINED "; a power of a negative number"),
              MM_PARAMS(focal_params)},
     .stats = overlap_stats, .peer = focal_tversky_loss, .example = "segloss.FocalTversky_loss(gamma=2)", .witness = 1.0 / 36.0},
    {.info = {MM_SEGLOSS_LOSS("AsymLoss", "Minus the mean of the asymmetric similarity, B = 1.5.",
                              "-mean (TP + s) / (TP + (FP + B^2 FN) / (1 + B^2) + s), B = 1.5", UNDEFINED), MM_PARAMS(overlap_params)},
     .stats = overlap_stats, .peer = asymmetric_loss, .witness = -2.5 / 3.0},
    {.info = {MM_SEGLOSS_LOSS("SSLoss", "Squared errors on label voxels and on others, each as a share of those voxels.",
                              "mean of r sum (g-p)^2 g / (G + s) + (1-r) sum (g-p)^2 (1-g) / (V - G + s)", UNDEFINED),
              MM_PARAMS(error_params)},
     .stats = error_stats, .peer = error_loss, .witness = 0.25 / 3.0},
    {.info = {MM_SEGLOSS_LOSS("GDiceLoss", "Minus the mean of generalized Dice over images; a class without label decides alone.",
                              "mean_n of -2 (sum_c w I + s) / (sum_c w (P + G) + s), w = 1 / (G + 1e-10)^2",
                              "a denominator is 0, which takes smooth=0"), MM_PARAMS(generalized_params)},
     .stats = generalized_stats, .peer = generalized_loss, .witness = -0.75001249987500251},
    {.info = {MM_SEGLOSS_LOSS("PenaltyGDiceLoss", "segloss.GDiceLoss, the better the more it counts.",
                              "L / (1 + k (1 - L)), L = segloss.GDiceLoss", "as segloss.GDiceLoss"), MM_PARAMS(penalty_params)},
     .stats = generalized_stats, .peer = penalty_loss, .witness = -0.13953639802905457},
    {.info = {MM_SEGLOSS_LOSS("GDiceLossV2", "Minus the generalized Dice of all images together.",
                              "-2 sum_c w I / max(sum_c w (P + G), s), w = 1 / max(G^2, s), pooled", "never"), MM_PARAMS(v2_params)},
     .stats = generalized_stats, .peer = generalized_loss_v2, .witness = -0.75},
};
/* clang-format on */

const mm_score_family mm_peers_segloss_overlap = {rows, MM_COUNT(rows)};
