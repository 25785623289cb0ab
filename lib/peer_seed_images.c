/*
 * peer_seed_images.c - the functions of the TensorFlow post that see an image as one: similarity of windows, overlap of
 * all channels together, and overlap of hard masks.
 */
#include "lib/peer_seed.h"
#include "lib/similarity.h"

#include <math.h>

/* --------------------------------------------------------------- similarity */

enum { MAX_VAL };

static const char *check_windows(const mm_args *args)
{
    return args->spatial_rank == 0 || args->spatial_rank == 2 ? NULL : "needs images of two spatial axes";
}

static size_t ssim_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = mm_similarity_stat(args->own[MAX_VAL].number);
    return 1;
}

static void ssim_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    for (size_t n = 0; n < cells->images->count; n++)
        list[n] = mm_one_minus(mm_similarity_of_image(cells, n, 0));
}

static size_t scales_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = mm_similarity_scales_stat(args->own[MAX_VAL].number, MM_HALVE_PAIR);
    return 1;
}

static void scales_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    for (size_t n = 0; n < cells->images->count; n++)
        list[n] = mm_one_minus(mm_similarity_of_image_scales(cells, n, 0));
}

/* ------------------------------------------------------ all channels as one */

enum { BETA };              /* binary_tversky */
enum { LAMDA };             /* binary_dice_ce */
enum { AFTER_ENTROPY = 2 }; /* columns of binary_dice_ce */

/* Sums of the clipped p, by product. */
static size_t clipped_stats(mm_stat *stats)
{
    const size_t count = mm_soft_stats(MM_BY_PRODUCT, MM_FORM_NATURAL, stats);

    for (size_t i = 0; i < count; i++)
        if (stats[i].kind != MM_SUM_G) {
            stats[i].flags = MM_STAT_CLIP;
            stats[i].eps = MM_SEED_EPSILON;
        }
    return count;
}

static size_t overlap_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return clipped_stats(stats);
}

/* Mean over images of the score of all channels and voxels; the columns of the overlap begin at `first`. */
static mm_value mean_of_images(const mm_cells *cells, size_t first, const mm_overlap *form)
{
    mm_mean mean = {.count = 0};

    for (size_t n = 0; n < cells->images->count; n++) {
        mm_soft all = {0.0, 0.0, 0.0, 0.0};

        for (size_t c = 0; c < cells->images->classes; c++) {
            mm_group x = mm_cell(cells, n, c);

            for (size_t i = first; i < cells->need_count; i++)
                x.sum[i - first] = x.sum[i];
            all = mm_soft_add(all, 1.0, mm_soft_of(&x, MM_BY_PRODUCT));
        }
        mm_mean_add(&mean, mm_soft_score(&all, form), 1.0);
    }
    return mm_mean_complete(&mean);
}

static void binary_dice(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    (void)args;
    *list = mm_one_minus(mean_of_images(cells, 0, &mm_seed_dice));
}

static void binary_tversky(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_overlap form = mm_seed_tversky(args->own[BETA].number);

    *list = mm_one_minus(mean_of_images(cells, 0, &form));
}

static size_t dice_entropy_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    mm_seed_entropy_stats(stats);
    return AFTER_ENTROPY + clipped_stats(stats + AFTER_ENTROPY);
}

/* lamda BCE + log(1 + 1 - dice): a clipped p keeps dice at 1 or less where there are voxels, and an image without any
 * counts as 1, too */
static void binary_dice_entropy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    mm_value loss = mm_one_minus(mean_of_images(cells, AFTER_ENTROPY, &mm_seed_dice));

    if (loss.reason == MM_DEFINED)
        loss = mm_defined(mm_log1p(fmax(loss.value, 0.0)));
    *list = mm_mix(args->own[LAMDA].number, mm_seed_entropy(cells, args), 1.0, loss);
}

/* --------------------------------------------------------------- hard masks */

enum { PROB };

static size_t hard_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return mm_over_stats(args->own[PROB].number, 1, stats);
}

static mm_value score_of(const mm_counts *x, const mm_overlap *form)
{
    return mm_overlap_score(x->tp, x->fp, x->fn, form);
}

static const mm_overlap iou_form = {.k = 1.0, .a = 1.0, .b = 1.0, .n0 = MM_SEED_SMOOTH, .d0 = MM_SEED_SMOOTH};

static void binary_iou(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    mm_mean mean = {.count = 0};

    for (size_t n = 0; n < cells->images->count; n++) {
        mm_counts all = {.tp = 0.0};

        for (size_t c = 0; c < args->classes; c++) {
            const mm_group x = mm_cell(cells, n, c);

            all = mm_counts_add(all, mm_counts_over(&x));
        }
        mm_mean_add(&mean, score_of(&all, &iou_form), 1.0);
    }
    *list = mm_mean_complete(&mean);
}

/* Exclusive classes: by argmax, without class 0 where there are others; independent masks: p > prob, all of them. */
static void mean_of_classes(const mm_cells *cells, const mm_args *args, const mm_overlap *form, mm_value *list)
{
    const int exclusive = args->task == MM_MULTICLASS && args->classes > 1;
    mm_mean mean = {.count = 0};

    for (size_t c = exclusive ? 1 : 0; c < args->classes; c++)
        for (size_t n = 0; n < cells->images->count; n++) {
            const mm_group x = mm_cell(cells, n, c);
            const mm_counts counts = exclusive ? mm_counts_of(&x) : mm_counts_over(&x);

            mm_mean_add(&mean, score_of(&counts, form), 1.0);
        }
    *list = mm_mean_complete(&mean);
}

static void mean_iou(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    mean_of_classes(cells, args, &iou_form, list);
}

static void mean_dice(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    mean_of_classes(cells, args, &mm_seed_dice, list);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
static const mm_param ssim_params[] = {
    [MAX_VAL] = {"max_val", MM_NUMBER, "1", 1e-6, 1e6, NULL, "range of the values that are compared"}};
static const mm_param tversky_params[] = {
    [BETA] = {"beta", MM_NUMBER, NULL, 0, 1, NULL, "price of a false positive; 1 - beta of a false negative"}};
static const mm_param dice_entropy_params[] = {[LAMDA] = MM_SEED_LAMDA_PARAM};
static const mm_param hard_params[] = {
    [PROB] = {"prob", MM_NUMBER, "0.5", 0, 1, NULL, "a mask is p > prob; exclusive classes of a mean are chosen by the greatest p"}};

#define METRIC .kind = MM_METRIC, .better = MM_HIGHER

static const mm_score rows[] = {
    {.info = {MM_SEED_LOSS("ssim2d_loss", "One minus the structural similarity of each image.",
                           "[N]: 1 - mean over classes and windows of SSIM, 11 x 11 voxels, sigma 1.5",
                           "an image is smaller than the window"),
              MM_PARAMS(ssim_params)},
     .stats = ssim_stats, .check = check_windows, .peer = ssim_loss, .shape = mm_shape_images, .witness = NAN},
    {.info = {MM_SEED_LOSS("multiscalessim2d_loss", "One minus the structural similarity of each image at five scales.",
                           "[N]: 1 - mean over classes of prod relu(mean cs)^w over four scales times relu(mean ssim)^w "
                           "of the fifth",
                           "an image has less than 161 voxels along an axis"), MM_PARAMS(ssim_params)},
     .stats = scales_stats, .check = check_windows, .peer = scales_loss, .shape = mm_shape_images, .witness = NAN},
    {.info = {MM_SEED_LOSS("binary_dice", "One minus the mean of soft Dice over images, all channels together.",
                           "1 - mean_n 2 (I + s) / (P + G + s), s = 1e-5, p clipped to [1e-5, 1 - 1e-5]", "never")},
     .stats = overlap_stats, .peer = binary_dice, .witness = 0.25000187499531246},
    {.info = {MM_SEED_LOSS("binary_tversky", "One minus the mean of the soft Tversky index over images, all channels together.",
                           "1 - mean_n (I + s) / (I + beta FP + (1-beta) FN + s), s = 1e-5, p clipped to [1e-5, 1 - 1e-5]",
                           "never"),
              MM_PARAMS(tversky_params)},
     .stats = overlap_stats, .peer = binary_tversky, .example = "seed.binary_tversky(beta=0.3)", .witness = 0.25000374998124997},
    {.info = {MM_SEED_LOSS("binary_dice_ce", "Binary cross-entropy and the logarithm of one plus seed.binary_dice.",
                           "lamda mean of -(g log p + (1-g) log(1-p)) + log(1 + 1 - mean_n 2 (I + s) / (P + G + s)), p clipped",
                           "no voxel is scored"), MM_PARAMS(dice_entropy_params)},
     .stats = dice_entropy_stats, .peer = binary_dice_entropy, .example = "seed.binary_dice_ce(lamda=0.5)",
     .witness = 0.39643434646182113},
    {.info = {MM_SEED_INFO("binary_iou", "Intersection over union of hard masks, all channels together, averaged over images.",
                           "mean_n (I + s) / (P + G - I + s), s = 1e-5", "never"), METRIC, MM_PARAMS(hard_params)},
     .stats = hard_stats, .peer = binary_iou, .witness = 0.50000249998750013},
    {.info = {MM_SEED_INFO("mean_iou", "Intersection over union of hard classes without the background, averaged over images "
                           "and classes.",
                           "mean_c mean_n (I + s) / (P + G - I + s), s = 1e-5", "never"), METRIC, MM_PARAMS(hard_params)},
     .stats = hard_stats, .peer = mean_iou, .witness = 0.50000249998750013},
    {.info = {MM_SEED_INFO("mean_dice", "Dice of hard classes without the background, smoothing doubled above, averaged over "
                           "images and classes.",
                           "mean_c mean_n 2 (I + s) / (P + G + s), s = 1e-5: 2 where both are empty", "never"), METRIC,
              MM_PARAMS(hard_params)},
     .stats = hard_stats, .peer = mean_dice, .witness = 0.6666711110962964},
};
/* clang-format on */

const mm_score_family mm_peers_seed_images = {rows, MM_COUNT(rows)};
