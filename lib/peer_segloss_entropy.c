/*
 * peer_segloss_entropy.c - entropy, focal and Lovasz losses of SegLossOdyssey, and its compounds with soft Dice.
 *
 * Labels are class indices.  Cross-entropy and the compounds put a softmax on `pred` as sent.
 */
#include "lib/image_kinds.h"
#include "lib/peer_segloss.h"

#include <math.h>

/* ------------------------------------------------------------ cross-entropy */

static mm_stat entropy_stat(void)
{
    return (mm_stat){.kind = MM_SUM_POS, .form = MM_FORM_SOFTMAX};
}

/* sum_v w_y (-log p_y) / sum_v w_y over all images; column `at` is entropy_stat().  A word (or NULL) for weights:
 * all 1.
 */
static mm_value cross_entropy(const mm_cells *cells, const mm_args *args, size_t at, const mm_arg *weight)
{
    const int plain = weight == NULL || mm_is_word(weight);
    double sum = 0.0, below = 0.0;

    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);
        const double w = plain ? 1.0 : mm_number_of_class(weight, c);

        sum += w * x.sum[at];
        below = plain ? (double)x.scored : below + w * x.support;
    }
    return mm_ratio(sum, below, MM_NO_VOXELS);
}

static size_t cross_entropy_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = entropy_stat();
    return 1;
}

static void cross_entropy_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = cross_entropy(cells, args, 0, NULL);
}

enum { WEIGHT };

static size_t weighted_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = entropy_stat();
    stats[1] = (mm_stat){.kind = MM_SUM_G, .form = MM_FORM_SOFTMAX};
    return 2;
}

static void weighted_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = cross_entropy(cells, args, 0, &args->own[WEIGHT]);
}

/* -------------------------------------------------------------------- top-k */

enum { K };

static mm_stat topk_stat(double k)
{
    return (mm_stat){.kind = MM_IMAGE_TOPK, .flags = MM_STAT_BATCH, .form = MM_FORM_SOFTMAX, .more = {k}};
}

/* Column `at` is topk_stat(k).  The peer takes the mean of nothing when k % of the voxels is less than one. */
static mm_value topk(const mm_cells *cells, double k, size_t at)
{
    const mm_group x = mm_cell_pooled(cells, 0);
    const mm_reason reason = mm_whole_reason(&x, at);

    if (reason != MM_DEFINED)
        return mm_undefined(reason);
    return floor((double)x.scored * k / 100.0) < 1.0 ? mm_undefined(MM_ZERO_DENOMINATOR)
                                                     : mm_defined(mm_wide(&x, at, 1));
}

static size_t topk_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = topk_stat(args->own[K].number);
    return 1;
}

static void topk_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = topk(cells, args->own[K].number, 0);
}

/* -------------------------------------------------------------------- focal */

enum { FOCAL_SOFTMAX, ALPHA, GAMMA, BALANCE_INDEX, SMOOTH, SIZE_AVERAGE };

static const char *check_focal(const mm_args *args)
{
    const double balance = args->own[BALANCE_INDEX].number;

    return balance == floor(balance) && balance < (double)args->classes
               ? NULL
               : "balance_index takes the index of a class, counted from 0";
}

static size_t focal_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = (mm_stat){.kind = MM_SUM_SMOOTH_FOCAL,
                         .form = mm_segloss_form(&args->own[FOCAL_SOFTMAX]),
                         .gamma = args->own[GAMMA].number,
                         .eps = args->own[SMOOTH].number};
    return 1;
}

/* A list is divided by its sum; a number is that of the balance class, 1 minus it that of all others. */
static mm_value alpha_of(const mm_args *args, size_t c)
{
    const mm_arg *alpha = &args->own[ALPHA];
    double sum = 0.0;

    if (mm_is_word(alpha))
        return mm_defined(1.0);
    if (alpha->list == NULL)
        return mm_defined((double)c == args->own[BALANCE_INDEX].number ? alpha->number : 1.0 - alpha->number);
    for (size_t i = 0; i < alpha->count; i++)
        sum += alpha->list[i];
    return mm_ratio(alpha->list[c], sum, MM_ZERO_DENOMINATOR);
}

/* mean of -alpha_y (1-p_t)^gamma log p_t */
static void focal_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    double sum = 0.0, voxels = 0.0;

    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);
        const mm_value alpha = alpha_of(args, c);

        if (alpha.reason != MM_DEFINED) {
            *list = alpha;
            return;
        }
        sum += alpha.value * x.sum[0];
        voxels = (double)x.scored;
    }
    *list = args->own[SIZE_AVERAGE].number == 0.0 ? mm_defined(sum) : mm_ratio(sum, voxels, MM_NO_VOXELS);
}

/* ------------------------------------------------------------------- Lovasz */

enum { REDUCTION, CLASSES };
enum { MEAN, SUM, NONE }; /* choices of `reduction` */

static size_t lovasz_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = (mm_stat){.kind = MM_IMAGE_LOVASZ, .flags = MM_STAT_BATCH};
    return 1;
}

static mm_value lovasz_cell(const mm_group *x, const mm_args *args)
{
    const mm_reason reason = mm_whole_reason(x, 0);

    (void)args;
    return reason == MM_DEFINED ? mm_defined(mm_wide(x, 0, 1)) : mm_undefined(reason);
}

/* All classes, also those without a label voxel. */
static void lovasz_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    mm_mean mean = {.count = 0};

    if (args->own[REDUCTION].word == NONE) {
        mm_list_pooled(cells, args, lovasz_cell, list);
        return;
    }
    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);

        mm_mean_add(&mean, lovasz_cell(&x, args), 1.0);
    }
    *list = args->own[REDUCTION].word == SUM ? mm_mean_sum(&mean) : mm_mean_complete(&mean);
}

static unsigned lovasz_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return args->own[REDUCTION].word == NONE ? mm_shape_classes(args, images, dim) : 0;
}

/* ---------------------------------------------------------------- compounds */

enum { AGGREGATE = MM_SEGLOSS_OWN, DICE_K };             /* DC_and_CE_loss; DC_and_topk_loss goes on with k */
enum { EXP_LOG_GAMMA = MM_SEGLOSS_OWN, EXP_LOG_WEIGHT }; /* ExpLog_loss */

#define LEAST_DICE 1e-6 /* of which ExpLog_loss takes the logarithm */

/* The columns of soft Dice, then one more: the last of the row. */
static size_t dice_stats_and(const mm_args *args, mm_stat more, mm_stat stats[MM_ROW_STATS])
{
    const size_t count = mm_segloss_dice_stats(args, MM_FORM_SOFTMAX, stats);

    stats[count] = more;
    return count + 1;
}

static size_t dice_entropy_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return dice_stats_and(args, entropy_stat(), stats);
}

static size_t dice_topk_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return dice_stats_and(args, topk_stat(args->own[DICE_K].number), stats);
}

static void dice_and_entropy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = mm_mix(1.0, mm_segloss_dice(cells, args), 1.0, cross_entropy(cells, args, cells->need_count - 1, NULL));
}

static void dice_and_topk(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list =
        mm_mix(1.0, mm_segloss_dice(cells, args), 1.0, topk(cells, args->own[DICE_K].number, cells->need_count - 1));
}

/* 0.8 (-log max(dice, 1e-6))^gamma + 0.2 CE, dice the mean of SoftDiceLoss; the cross-entropy has no power */
static void exp_log_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_value entropy = cross_entropy(cells, args, cells->need_count - 1, &args->own[EXP_LOG_WEIGHT]);
    mm_value dice = mm_segloss_dice(cells, args);

    if (dice.reason == MM_DEFINED) {
        const double log_dice = mm_log(fmax(-dice.value, LEAST_DICE));

        dice = mm_defined(mm_pow(log_dice < 0.0 ? -log_dice : 0.0, args->own[EXP_LOG_GAMMA].number));
    }
    *list = mm_mix(0.8, dice, 0.2, entropy);
}

/* ------------------------------------------------------- Hausdorff by erosion */

enum { ER_ALPHA, EROSIONS };

static const char *check_erosion(const mm_args *args)
{
    const double erosions = args->own[EROSIONS].number;

    return erosions == floor(erosions) ? NULL : "erosions takes a whole number";
}

static size_t erosion_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] =
        (mm_stat){.kind = MM_IMAGE_EROSION_JOINT, .more = {args->own[ER_ALPHA].number, args->own[EROSIONS].number}};
    return 1;
}

/* The mean over images, classes and voxels. */
static void erosion_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    double sum = 0.0, voxels = 0.0;

    for (size_t n = 0; n < cells->images->count; n++) {
        const mm_group x = mm_cell(cells, n, 0);

        sum += mm_wide(&x, 0, 1);
        voxels += (double)x.scored;
    }
    *list = mm_ratio(sum, voxels * (double)args->classes, MM_NO_VOXELS);
}

static const char *erosion_note(const mm_cells *cells, const mm_args *args, const mm_value *list)
{
    (void)cells;
    (void)list;
    return args->spatial_rank == 3
               ? "in 3D the peer's cross lies across the channels instead of along the depth; here it "
                 "has all three axes"
               : NULL;
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
static const mm_param weighted_params[] = {
    [WEIGHT] = {"weight", MM_WORD_OR_LIST, "none", 0, 1e6, "none", "one weight per class; the mean is divided by those of the labels"}};
#define K_PARAM {"k", MM_NUMBER, "10", 0, 100, NULL, "per cent of the voxels that count"}
static const mm_param topk_params[] = {[K] = K_PARAM};
static const mm_param focal_params[] = {
    [FOCAL_SOFTMAX] = MM_SEGLOSS_SOFTMAX_PARAM,
    [ALPHA]         = {"alpha", MM_NUMBER_OR_LIST, "none", 0, 1e6, "none",
                       "weights of the classes, divided by their sum; or that of the balance class, 1 minus it that of others"},
    [GAMMA]         = {"gamma", MM_NUMBER, "2", 0, 100, NULL, "how strongly easy voxels are played down"},
    [BALANCE_INDEX] = {"balance_index", MM_NUMBER, "0", 0, 4095, NULL, "the class whose weight alpha is"},
    [SMOOTH]        = {"smooth", MM_NUMBER, "1e-5", 0, 0.5, NULL, "share of the label that the other classes have, and added to p_t"},
    [SIZE_AVERAGE]  = {"size_average", MM_BOOLEAN, "true", 0, 0, NULL, "mean over voxels, else their sum"}};
static const mm_param lovasz_params[] = {
    [REDUCTION] = {"reduction", MM_WORD, "mean", 0, 0, "mean|sum|none", "mean or sum over the classes, or all of them"},
    [CLASSES]   = {"classes", MM_WORD, "all", 0, 0, "all", "the peer takes all classes"}};
#define AGGREGATE_PARAM {"aggregate", MM_WORD, "sum", 0, 0, "sum", "how the two are put together"}
static const mm_param dice_entropy_params[] = {MM_SEGLOSS_DICE_PARAMS, [AGGREGATE] = AGGREGATE_PARAM};
static const mm_param dice_topk_params[] = {MM_SEGLOSS_DICE_PARAMS, [AGGREGATE] = AGGREGATE_PARAM, [DICE_K] = K_PARAM};
static const mm_param exp_log_params[] = {MM_SEGLOSS_DICE_PARAMS,
    [EXP_LOG_GAMMA]  = {"gamma", MM_NUMBER, "0.3", 0, 100, NULL, "power of the logarithm of Dice"},
    [EXP_LOG_WEIGHT] = {"weight", MM_WORD_OR_LIST, "none", 0, 1e6, "none", "one weight per class, of the cross-entropy"}};
static const mm_param erosion_params[] = {
    [ER_ALPHA] = {"alpha", MM_NUMBER, "2", 0, 100, NULL, "power of the number of the erosion"},
    [EROSIONS] = {"erosions", MM_NUMBER, "10", 1, 100, NULL, "how often is eroded"}};

#define NO_VOXELS "no voxel is scored"
#define TOPK_MERGED "; a merged evaluation does not have it"

static const mm_score rows[] = {
    {.info = {MM_SEGLOSS_LOSS("CrossentropyND", "Cross-entropy of the softmax of pred, averaged over all voxels of the batch.",
                              "mean_nv of -log p_y", NO_VOXELS)},
     .stats = cross_entropy_stats, .exclusive = 1, .peer = cross_entropy_loss, .witness = 0.50320443403908399},
    {.info = {MM_SEGLOSS_LOSS("WeightedCrossEntropyLoss", "Cross-entropy with class weights, averaged by them.",
                              "sum_nv w_y (-log p_y) / sum_nv w_y", NO_VOXELS ", or all weights are 0"), MM_PARAMS(weighted_params)},
     .stats = weighted_stats, .exclusive = 1, .peer = weighted_loss, .witness = 0.50320443403908399},
    {.info = {MM_SEGLOSS_LOSS("TopKLoss", "Mean of the greatest cross-entropies among the voxels of an upload.",
                              "mean of the floor(k/100 N) greatest of -log p_y, N voxels",
                              NO_VOXELS ", or k % of them is less than one" TOPK_MERGED), MM_PARAMS(topk_params)},
     .stats = topk_stats, .exclusive = 1, .peer = topk_loss, .example = "segloss.TopKLoss(k=50)",
     .witness = 0.69314718055994529 /* ln 2 */},
    {.info = {MM_SEGLOSS_LOSS("FocalLoss", "Focal loss of smoothed labels, averaged over all voxels of the batch.",
                              "mean_nv of -alpha_y (1-p_t)^gamma log p_t, p_t = (1-s) p_y + s/(C-1) sum_(c != y) p_c + s", NO_VOXELS
                              ", or all weights are 0"), MM_PARAMS(focal_params)},
     .stats = focal_stats, .check = check_focal, .exclusive = 1, .peer = focal_loss, .witness = 0.097965741517665933},
    {.info = {MM_SEGLOSS_LOSS("LovaszSoftmax",
                              "Lovasz extension of the Jaccard loss of probabilities, over all classes and the whole upload.",
                              "mean_c sum_k e_k (J_k - J_(k-1)), e = |g - p| descending", NO_VOXELS TOPK_MERGED),
              MM_PARAMS(lovasz_params)},
     .stats = lovasz_stats, .exclusive = 1, .peer = lovasz_loss, .shape = lovasz_shape, .witness = 1.0 / 3.0},
    {.info = {MM_SEGLOSS_LOSS("DC_and_CE_loss", "segloss.SoftDiceLoss plus segloss.CrossentropyND.",
                              "-mean (2 TP + s) / (2 TP + FP + FN + s) + mean_nv of -log p_y", NO_VOXELS ", or a denominator is 0"),
              MM_PARAMS(dice_entropy_params)},
     .stats = dice_entropy_stats, .exclusive = 1, .peer = dice_and_entropy, .witness = -0.18921899741291792},
    {.info = {MM_SEGLOSS_LOSS("DC_and_topk_loss", "segloss.SoftDiceLoss plus segloss.TopKLoss.",
                              "-mean (2 TP + s) / (2 TP + FP + FN + s) + mean of the floor(k/100 N) greatest of -log p_y",
                              "as segloss.TopKLoss, or a denominator is 0"), MM_PARAMS(dice_topk_params)},
     .stats = dice_topk_stats, .exclusive = 1, .peer = dice_and_topk, .example = "segloss.DC_and_topk_loss(k=50)",
     .witness = 0.00072374910794337222},
    {.info = {MM_SEGLOSS_LOSS("ExpLog_loss", "Logarithm of soft Dice to a power, plus cross-entropy.",
                              "0.8 (-log max(D, 1e-6))^gamma + 0.2 sum_nv w_y (-log p_y) / sum_nv w_y, "
                              "D the mean of (2 TP + s) / (2 TP + FP + FN + s)",
                              NO_VOXELS ", or a denominator is 0"), MM_PARAMS(exp_log_params)},
     .stats = dice_entropy_stats, .exclusive = 1, .peer = exp_log_loss, .witness = 0.69313987706972913},
    {.info = {MM_SEGLOSS_LOSS("HausdorffERLoss", "Errors of probabilities that survive erosions, the later the dearer.",
                              "mean of sum_(k=1..erosions) b_k k^alpha, b = (p-g)^2, b_k = relu(K * b - 1/2), rescaled to [0,1] over "
                              "an image; K the mean over a voxel and its face neighbours", NO_VOXELS), MM_PARAMS(erosion_params)},
     .stats = erosion_stats, .check = check_erosion, .peer = erosion_loss, .note = erosion_note, .witness = 0},
};
/* clang-format on */

const mm_score_family mm_peers_segloss_entropy = {rows, MM_COUNT(rows)};
