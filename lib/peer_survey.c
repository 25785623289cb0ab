/*
 * peer_survey.c - the functions of the code of Jadon's survey of loss functions (2020).
 *
 * Probabilities and one-hot labels; no activation is applied.  Everything is flat: one sum over all images, classes and
 * voxels.  Windows and bce_dice_loss give one value for each image.
 */
#include "lib/peer_common.h"
#include "lib/similarity.h"

#include <math.h>

#define EPSILON 1e-7 /* of Keras: least and (below 1) greatest probability, and what is added to some denominators */

/* ------------------------------------------------------------------- groups */

/* Places in mm_group.sum: the overlap (by product) comes first, then entropies, then windows. */
enum { POS = 3, NEG, AFTER_ENTROPY };

/* All images and classes as one group; scored counts voxels and classes. */
static mm_group flat_of(const mm_cells *cells)
{
    mm_group all = {.scored = 0};

    for (size_t c = 0; c < cells->images->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);

        all.scored += x.scored;
        for (size_t i = 0; i < cells->need_count; i++)
            all.sum[i] += x.sum[i];
    }
    return all;
}

static void entropy_stats(double gamma, mm_stat stats[2])
{
    stats[0] = (mm_stat){.kind = MM_SUM_POS, .flags = MM_STAT_CLIP, .gamma = gamma, .eps = EPSILON};
    stats[1] = (mm_stat){.kind = MM_SUM_NEG, .flags = MM_STAT_CLIP, .gamma = gamma, .eps = EPSILON};
}

/* ------------------------------------------------------------------ overlap */

static size_t overlap_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return mm_soft_stats(MM_BY_PRODUCT, MM_FORM_NATURAL, stats);
}

static mm_value score_of(const mm_cells *cells, const mm_overlap *form)
{
    const mm_group all = flat_of(cells);
    const mm_soft soft = mm_soft_of(&all, MM_BY_PRODUCT);

    return mm_soft_score(&soft, form);
}

/* (2 I + s) / (P + G + s) */
static mm_value dice(const mm_cells *cells, double smooth)
{
    return score_of(cells, &(mm_overlap){.k = 2.0, .a = 1.0, .b = 1.0, .n0 = smooth, .d0 = smooth});
}

/* I / (P + G - I) */
static mm_value jaccard(const mm_cells *cells)
{
    return score_of(cells, &(mm_overlap){.k = 1.0, .a = 1.0, .b = 1.0});
}

/* (I + 1) / (I + 0.7 FN + 0.3 FP + 1) */
static mm_value tversky(const mm_cells *cells)
{
    return score_of(cells, &(mm_overlap){.k = 1.0, .a = 0.3, .b = 0.7, .n0 = 1.0, .d0 = 1.0});
}

static void dice_coef(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    *list = dice(cells, EPSILON);
}

static void dice_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    *list = mm_one_minus(dice(cells, 1.0));
}

static void log_cosh_dice_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    *list = mm_defined(mm_log_cosh(1.0 - dice(cells, 1.0).value));
}

static void tversky_index(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    *list = tversky(cells);
}

static void tversky_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    *list = mm_one_minus(tversky(cells));
}

/* (1 - T)^0.75 */
static void focal_tversky(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    *list = mm_defined(mm_pow(mm_one_minus(tversky(cells)).value, 0.75));
}

static void jaccard_similarity(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    *list = jaccard(cells);
}

static void jaccard_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    *list = mm_one_minus(jaccard(cells));
}

/* precision (I + 1) / (P + 1) and recall (I + 1) / (G + 1) */
static void confusion(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    list[0] = score_of(cells, &(mm_overlap){.k = 1.0, .a = 1.0, .n0 = 1.0, .d0 = 1.0});
    list[1] = score_of(cells, &(mm_overlap){.k = 1.0, .b = 1.0, .n0 = 1.0, .d0 = 1.0});
}

static unsigned shape_of_two(const mm_args *args, size_t images, size_t dim[3])
{
    (void)args;
    (void)images;
    dim[0] = 2;
    return 1;
}

/* ----------------------------------------------------------------- rounding */

enum { ABOVE, BELOW }; /* places in mm_group.sum: of a ratio of two sums */

static size_t ratio_stats(unsigned above, unsigned below, mm_stat stats[MM_ROW_STATS])
{
    stats[ABOVE] = (mm_stat){.kind = above};
    stats[BELOW] = (mm_stat){.kind = below};
    return 2;
}

static size_t sensitivity_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return ratio_stats(MM_SUM_ROUND_PG, MM_SUM_ROUND_G, stats);
}

static size_t specificity_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return ratio_stats(MM_SUM_ROUND_QN, MM_SUM_ROUND_N, stats);
}

/* Of rounded products over rounded labels. */
static void rounded_ratio(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_group all = flat_of(cells);

    (void)args;
    *list = mm_defined(all.sum[ABOVE] / (all.sum[BELOW] + EPSILON));
}

static size_t positive_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return ratio_stats(MM_SUM_G_ROUND_P, MM_SUM_G, stats);
}

/* (sum g round(p) + 1) / (sum g + 1) */
static void true_positive(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_group all = flat_of(cells);

    (void)args;
    *list = mm_defined((all.sum[ABOVE] + 1.0) / (all.sum[BELOW] + 1.0));
}

static size_t negative_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return ratio_stats(MM_SUM_N_ROUND_Q, MM_SUM_G, stats);
}

/* (sum (1-g) (1-round(p)) + 1) / (sum (1-g) + 1) */
static void true_negative(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_group all = flat_of(cells);

    (void)args;
    *list = mm_defined((all.sum[ABOVE] + 1.0) / ((double)all.scored - all.sum[BELOW] + 1.0));
}

/* ------------------------------------------------------------------ entropy */

/* a POS + b NEG over the number of voxels and classes; POS and NEG are columns `at` and at + 1. */
static mm_value entropy_of(const mm_group *x, size_t at, double a, double b)
{
    return mm_ratio(a * x->sum[at] + b * x->sum[at + 1], (double)x->scored, MM_NO_VOXELS);
}

static size_t plain_entropy_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    entropy_stats(0.0, stats);
    return 2;
}

static size_t focal_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    entropy_stats(2.0, stats);
    return 2;
}

/* beta / (1 - beta) on the label, beta = 0.25 */
static void weighted_entropy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_group all = flat_of(cells);

    (void)args;
    *list = entropy_of(&all, 0, 0.25 / 0.75, 1.0);
}

static void focal_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_group all = flat_of(cells);

    (void)args;
    *list = entropy_of(&all, 0, 0.25, 0.75);
}

/* All classes of an image as one group. */
static mm_group image_of(const mm_cells *cells, size_t n)
{
    mm_group all = {.scored = 0};

    for (size_t c = 0; c < cells->images->classes; c++) {
        const mm_group x = mm_cell(cells, n, c);

        all.scored += x.scored;
        for (size_t i = 0; i < cells->need_count; i++)
            all.sum[i] += x.sum[i];
    }
    return all;
}

static size_t overlap_entropy_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    overlap_stats(args, stats);
    entropy_stats(0.0, stats + POS);
    return AFTER_ENTROPY;
}

/* Of each image: (its mean entropy + the Dice loss of everything) / 2 */
static void entropy_dice_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_value loss = mm_one_minus(dice(cells, 1.0));

    (void)args;
    for (size_t n = 0; n < cells->images->count; n++) {
        const mm_group image = image_of(cells, n);

        list[n] = mm_mix(0.5, entropy_of(&image, POS, 1.0, 1.0), 0.5, loss);
    }
}

/* ------------------------------------------------------------------ windows */

static const char *check_windows(const mm_args *args)
{
    return args->spatial_rank == 0 || args->spatial_rank == 2 ? NULL : "needs images of two spatial axes";
}

static size_t window_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = mm_similarity_stat(1.0);
    return 1;
}

static size_t basnet_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    overlap_entropy_stats(args, stats);
    stats[AFTER_ENTROPY] = mm_similarity_stat(1.0);
    return AFTER_ENTROPY + 1;
}

static size_t unet3p_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    basnet_stats(args, stats);
    entropy_stats(2.0, stats + POS);
    return AFTER_ENTROPY + 1;
}

/* Of each image 1 - the mean of its classes' similarity, column `at`, plus `more`. */
static void window_losses(const mm_cells *cells, size_t at, mm_value more, mm_value *list)
{
    for (size_t n = 0; n < cells->images->count; n++)
        list[n] = mm_mix(1.0, mm_one_minus(mm_similarity_of_image(cells, n, at)), 1.0, more);
}

static void window_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    window_losses(cells, 0, mm_defined(0.0), list);
}

/* a and b: of POS and NEG */
static void hybrid_losses(const mm_cells *cells, double a, double b, mm_value *list)
{
    const mm_group all = flat_of(cells);
    const mm_value more = mm_mix(1.0, entropy_of(&all, POS, a, b), 1.0, mm_one_minus(jaccard(cells)));

    window_losses(cells, AFTER_ENTROPY, more, list);
}

static void unet3p_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    hybrid_losses(cells, 0.25, 0.75, list);
}

static void basnet_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    hybrid_losses(cells, 1.0, 1.0, list);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define SURVEY(NAME, SUMMARY, FORMULA, UNDEFINED) \
    .name = "survey." NAME, .summary = SUMMARY, .formula = FORMULA, \
    .source = "Jadon, A survey of loss functions for semantic segmentation, 2020; its code at commit 00d3335", \
    .undefined = UNDEFINED
#define LOSS   .kind = MM_LOSS, .better = MM_LOWER
#define METRIC .kind = MM_METRIC, .better = MM_HIGHER
#define NO_VOXELS "no voxel is scored"
#define NO_WINDOW "an image is smaller than the window"

static const mm_score rows[] = {
    {.info = {SURVEY("dice_coef", "Soft Dice of everything together.", "(2 I + e) / (P + G + e), e = 1e-7", "never"), METRIC},
     .stats = overlap_stats, .peer = dice_coef, .witness = 0.75000000624999984},
    {.info = {SURVEY("dice_loss", "One minus soft Dice of everything together.", "1 - (2 I + 1) / (P + G + 1)", "never"), LOSS},
     .stats = overlap_stats, .peer = dice_loss, .witness = 0.2},
    {.info = {SURVEY("log_cosh_dice_loss", "survey.dice_loss, smoothed near 0.", "log cosh(1 - (2 I + 1) / (P + G + 1))",
                     "never"), LOSS},
     .stats = overlap_stats, .peer = log_cosh_dice_loss, .witness = 0.019868071840007304},
    {.info = {SURVEY("tversky_index", "Soft Tversky index of everything together, alpha = 0.7 on false negatives.",
                     "(I + 1) / (I + 0.7 FN + 0.3 FP + 1)", "never"), METRIC},
     .stats = overlap_stats, .peer = tversky_index, .witness = 2.5 / 3.0},
    {.info = {SURVEY("tversky_loss", "One minus survey.tversky_index.", "1 - (I + 1) / (I + 0.7 FN + 0.3 FP + 1)", "never"),
              LOSS},
     .stats = overlap_stats, .peer = tversky_loss, .witness = 0.5 / 3.0},
    {.info = {SURVEY("focal_tversky", "survey.tversky_loss to the power 0.75.", "(1 - (I + 1) / (I + 0.7 FN + 0.3 FP + 1))^0.75",
                     "never"), LOSS},
     .stats = overlap_stats, .peer = focal_tversky, .witness = 0.26084743001221455 /* 6^-0.75 */},
    {.info = {SURVEY("jacard_similarity", "Soft intersection over union of everything together, without smoothing.",
                     "I / (P + G - I)", "neither label nor prediction hold anything"), METRIC},
     .stats = overlap_stats, .peer = jaccard_similarity, .witness = 0.6},
    {.info = {SURVEY("jacard_loss", "One minus survey.jacard_similarity.", "1 - I / (P + G - I)",
                     "neither label nor prediction hold anything"), LOSS},
     .stats = overlap_stats, .peer = jaccard_loss, .witness = 0.4},
    {.info = {SURVEY("confusion", "Soft precision and recall of everything together.", "[(I + 1) / (P + 1), (I + 1) / (G + 1)]",
                     "never"), METRIC},
     .stats = overlap_stats, .peer = confusion, .shape = shape_of_two},
    {.info = {SURVEY("sensitivity", "Label voxels that are predicted, by rounded products.",
                     "sum round(p g) / (sum round(g) + 1e-7), rounding half to even", "never"), METRIC},
     .stats = sensitivity_stats, .peer = rounded_ratio, .witness = 0.49999997500000125},
    {.info = {SURVEY("specificity", "Other voxels that are predicted as such, by rounded products.",
                     "sum round((1-p)(1-g)) / (sum round(1-g) + 1e-7), rounding half to even", "never"), METRIC},
     .stats = specificity_stats, .peer = rounded_ratio, .witness = 0.49999997500000125},
    {.info = {SURVEY("true_positive", "Label voxels whose rounded prediction is 1.",
                     "(sum g round(p) + 1) / (sum g + 1), rounding half to even",
                     "never"), METRIC},
     .stats = positive_stats, .peer = true_positive, .witness = 2.0 / 3.0},
    {.info = {SURVEY("true_negative", "Other voxels whose rounded prediction is 0.",
                     "(sum (1-g)(1-round(p)) + 1) / (sum (1-g) + 1), rounding half to even", "never"), METRIC},
     .stats = negative_stats, .peer = true_negative, .witness = 1.0},
    {.info = {SURVEY("weighted_cross_entropyloss", "Mean binary cross-entropy, a third of the weight on label voxels.",
                     "mean of -(w g log p + (1-g) log(1-p)), w = beta/(1-beta), beta = 0.25; p clipped to [1e-7, 1 - 1e-7]",
                     NO_VOXELS), LOSS},
     .stats = plain_entropy_stats, .peer = weighted_entropy, .witness = 0.2310490935199834 /* ln 2 / 3 */},
    {.info = {SURVEY("focal_loss", "Mean focal loss, alpha = 0.25, gamma = 2.",
                     "mean of -(0.25 (1-p)^2 g log p + 0.75 p^2 (1-g) log(1-p)), p clipped to [1e-7, 1 - 1e-7]", NO_VOXELS),
              LOSS},
     .stats = focal_stats, .peer = focal_loss, .witness = 0.04332169878499658 /* ln 2 / 16 */},
    {.info = {SURVEY("bce_dice_loss", "Half of each image's mean binary cross-entropy and half of survey.dice_loss.",
                     "[N]: (mean of -(g log p + (1-g) log(1-p)) + dice_loss) / 2, p clipped to [1e-7, 1 - 1e-7]", NO_VOXELS),
              LOSS},
     .stats = overlap_entropy_stats, .peer = entropy_dice_loss, .shape = mm_shape_images},
    {.info = {SURVEY("ssim_loss", "One minus the structural similarity of each image.",
                     "[N]: 1 - mean over classes and windows of SSIM, 11 x 11 voxels, sigma 1.5", NO_WINDOW), LOSS},
     .stats = window_stats, .check = check_windows, .peer = window_loss, .shape = mm_shape_images, .witness = NAN},
    {.info = {SURVEY("unet3p_hybrid_loss", "survey.focal_loss, survey.ssim_loss and survey.jacard_loss added up.",
                     "[N]: focal_loss + ssim_loss + jacard_loss", NO_WINDOW ", or a term is"), LOSS},
     .stats = unet3p_stats, .check = check_windows, .peer = unet3p_loss, .shape = mm_shape_images, .witness = NAN},
    {.info = {SURVEY("basnet_hybrid_loss", "Mean binary cross-entropy, survey.ssim_loss and survey.jacard_loss added up.",
                     "[N]: mean of -(g log p + (1-g) log(1-p)) + ssim_loss + jacard_loss, p clipped to [1e-7, 1 - 1e-7]",
                     NO_WINDOW ", or a term is"), LOSS},
     .stats = basnet_stats, .check = check_windows, .peer = basnet_loss, .shape = mm_shape_images, .witness = NAN},
};
/* clang-format on */

const mm_score_family mm_peers_survey = {rows, MM_COUNT(rows)};
