/*
 * peer_monai_overlap.c - MONAI's losses of soft overlap: Dice, generalized Dice, Tversky, generalized Wasserstein Dice.
 *
 * `pred` is used as it was sent: without sigmoid or softmax it must already hold probabilities.
 */
#include "lib/peer_monai.h"
#include "lib/wasserstein.h"

/* --------------------------------------------------------------------- Dice */

enum { SOFT_LABEL = MM_MONAI_DICE_OWN }; /* DiceLoss */

mm_overlap_of mm_monai_dice_overlap(const mm_args *args, int soft_label)
{
    if (args->own[MM_MONAI_SQUARED].number != 0.0)
        return MM_BY_SQUARE;
    return soft_label ? MM_BY_L1 : MM_BY_PRODUCT;
}

/* 1 - (2 TP + nr) / (2 TP + FP + FN + dr); jaccard: twice FP and FN */
static mm_value dice_of(const mm_group *x, const mm_args *args, mm_overlap_of how)
{
    const double price = args->own[MM_MONAI_JACCARD].number != 0.0 ? 2.0 : 1.0;
    const mm_overlap form = {.k = 2.0,
                             .a = price,
                             .b = price,
                             .n0 = args->own[MM_MONAI_SMOOTH_NR].number,
                             .d0 = args->own[MM_MONAI_SMOOTH_DR].number};
    const mm_soft soft = mm_soft_of(x, how);

    return mm_one_minus(mm_soft_score(&soft, &form));
}

mm_value mm_monai_dice_cell(const mm_group *x, const mm_args *args)
{
    return dice_of(x, args, mm_monai_dice_overlap(args, 0));
}

static mm_overlap_of dice_overlap(const mm_args *args)
{
    return mm_monai_dice_overlap(args, args->own[SOFT_LABEL].number != 0.0);
}

static mm_value dice_cell(const mm_group *x, const mm_args *args)
{
    return dice_of(x, args, dice_overlap(args));
}

static size_t dice_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return mm_soft_stats(dice_overlap(args), mm_monai_form(args), stats);
}

static const char *dice_check(const mm_args *args)
{
    const char *wrong = mm_monai_check(args);
    const size_t first = mm_monai_first(&args->own[MM_MONAI_BACKGROUND], args);

    return wrong != NULL ? wrong : mm_monai_check_weight(&args->own[MM_MONAI_WEIGHT], first, args);
}

static void dice_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_monai_mean mean = mm_monai_mean_of(args, &args->own[MM_MONAI_WEIGHT]);

    mm_monai_losses(cells, args, &mean, dice_cell, list);
}

/* Only where the peer's number differs: it multiplies by the mask before the activation. */
static const char *masked_note(const mm_cells *cells, const mm_args *args, const mm_value *list)
{
    int masked = 0;

    (void)list;
    for (size_t n = 0; n < cells->images->count; n++)
        masked |= cells->images->records[n].unmasked < cells->images->records[n].voxels;
    return masked && mm_monai_form(args) != MM_FORM_SENT ? "the peer multiplies by the mask before the activation "
                                                           "(MONAI #657, #4193), so that masked voxels take "
                                                           "part; here they are left out"
                                                         : NULL;
}

/* --------------------------------------------------------- generalized Dice */

enum { W_TYPE = MM_MONAI_OWN, GENERALIZED_SOFT_LABEL };

static mm_overlap_of generalized_overlap(const mm_args *args)
{
    return args->own[GENERALIZED_SOFT_LABEL].number != 0.0 ? MM_BY_L1 : MM_BY_PRODUCT;
}

static size_t generalized_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return mm_soft_stats(generalized_overlap(args), mm_monai_form(args), stats);
}

static mm_soft by_product(const mm_group *x)
{
    return mm_soft_of(x, MM_BY_PRODUCT);
}

static mm_soft by_l1(const mm_group *x)
{
    return mm_soft_of(x, MM_BY_L1);
}

void mm_monai_generalized_losses(const mm_cells *cells, const mm_args *args, mm_by_volume w_type, int soft_label,
                                 mm_value *list)
{
    const mm_monai_mean mean = mm_monai_mean_of(args, NULL);
    const size_t rows = mean.batch ? 1 : cells->images->count;
    const mm_overlap form = {.k = 2.0,
                             .a = 1.0,
                             .b = 1.0,
                             .n0 = args->own[MM_MONAI_SMOOTH_NR].number,
                             .d0 = args->own[MM_MONAI_SMOOTH_DR].number};
    mm_mean all = {.count = 0};

    for (size_t n = 0; n < rows; n++) {
        const mm_group *x = mm_cells_of(cells, mean.batch ? MM_ALL_IMAGES : n);
        const mm_value loss = mm_one_minus(mm_generalized_score(x + mean.first, args->classes - mean.first, w_type,
                                                                soft_label ? by_l1 : by_product, &form));

        mm_mean_add(&all, loss, 1.0);
        if (mean.reduction == MM_MONAI_NONE)
            list[n] = loss;
    }
    if (mean.reduction != MM_MONAI_NONE)
        *list = mm_monai_reduced(&all, mean.reduction);
}

/* 1 - (2 sum_c w TP + nr) / (sum_c w (2 TP + FP + FN) + dr) */
static void generalized_dice_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    mm_monai_generalized_losses(cells, args, (mm_by_volume)args->own[W_TYPE].word,
                                args->own[GENERALIZED_SOFT_LABEL].number != 0.0, list);
}

static unsigned generalized_shape(const mm_args *args, size_t images, size_t dim[3])
{
    const mm_monai_mean mean = mm_monai_mean_of(args, NULL);

    if (mean.reduction != MM_MONAI_NONE)
        return 0;
    dim[0] = mean.batch ? 1 : images;
    return 1;
}

/* ------------------------------------------------------------------ Tversky */

enum { ALPHA = MM_MONAI_OWN, BETA, TVERSKY_SOFT_LABEL };

static mm_overlap_of tversky_overlap(const mm_args *args)
{
    return args->own[TVERSKY_SOFT_LABEL].number != 0.0 ? MM_BY_L1 : MM_BY_PRODUCT;
}

static size_t tversky_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return mm_soft_stats(tversky_overlap(args), mm_monai_form(args), stats);
}

/* 1 - (TP + nr) / (TP + alpha FP + beta FN + dr) */
static mm_value tversky_cell(const mm_group *x, const mm_args *args)
{
    const mm_overlap form = {.k = 1.0,
                             .a = args->own[ALPHA].number,
                             .b = args->own[BETA].number,
                             .n0 = args->own[MM_MONAI_SMOOTH_NR].number,
                             .d0 = args->own[MM_MONAI_SMOOTH_DR].number};
    const mm_soft soft = mm_soft_of(x, tversky_overlap(args));

    return mm_one_minus(mm_soft_score(&soft, &form));
}

static void tversky_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_monai_mean mean = mm_monai_mean_of(args, NULL);

    mm_monai_losses(cells, args, &mean, tversky_cell, list);
}

/* -------------------------------------------------------------- Wasserstein */

enum { DISTANCES, MODE, WASSERSTEIN_REDUCTION, WASSERSTEIN_NR, WASSERSTEIN_DR };

static size_t wasserstein_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = (mm_stat){.kind = MM_SUM_BY_LABEL, .form = MM_FORM_SOFTMAX};
    return 1;
}

/* The peer divides by the greatest distance. */
static const char *wasserstein_check(const mm_args *args)
{
    const mm_arg *distances = &args->own[DISTANCES];

    if (args->classes > MM_WASSERSTEIN_CLASSES)
        return "there are too many classes for a table of label by class";
    if (args->task == MM_MULTILABEL)
        return "a cost between classes needs exclusive classes";
    for (size_t i = 0; i < distances->count; i++)
        if (distances->list[i] > 0.0)
            return NULL;
    return "dist_matrix needs a distance above 0";
}

static void wasserstein_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_wasserstein form = {.distance = args->own[DISTANCES].list,
                                 .classes = args->classes,
                                 .by_volume = args->own[MODE].word == 1,
                                 .smooth_nr = args->own[WASSERSTEIN_NR].number,
                                 .smooth_dr = args->own[WASSERSTEIN_DR].number};
    const int reduction = args->own[WASSERSTEIN_REDUCTION].word;
    mm_mean all = {.count = 0};

    for (size_t n = 0; n < cells->images->count; n++) {
        const mm_value loss = mm_wasserstein_loss(mm_cells_of(cells, n), args->classes, 0, &form);

        mm_mean_add(&all, loss, 1.0);
        if (reduction == MM_MONAI_NONE)
            list[n] = loss;
    }
    if (reduction != MM_MONAI_NONE)
        *list = mm_monai_reduced(&all, reduction);
}

static unsigned wasserstein_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return args->own[WASSERSTEIN_REDUCTION].word == MM_MONAI_NONE ? mm_shape_images(args, images, dim) : 0;
}

static const char *wasserstein_note(const mm_cells *cells, const mm_args *args, const mm_value *list)
{
    (void)args;
    (void)list;
    return cells->images->count > 1
               ? "the peer mixes the images of a batch (MONAI #4650); here every image is scored by itself"
               : NULL;
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
static const mm_param dice_params[] = {MM_MONAI_DICE_PARAMS("mean|sum|none"), [SOFT_LABEL] = MM_MONAI_SOFT_PARAM};
static const mm_param generalized_params[] = {MM_MONAI_COMMON_PARAMS("mean|sum|none"),
    [W_TYPE] = MM_MONAI_W_TYPE_PARAM("w_type"), [GENERALIZED_SOFT_LABEL] = MM_MONAI_SOFT_PARAM};
static const mm_param tversky_params[] = {MM_MONAI_COMMON_PARAMS("mean|sum|none"),
    [ALPHA] = {"alpha", MM_NUMBER, "0.5", 0, 1e6, NULL, "price of a false positive"},
    [BETA] = {"beta", MM_NUMBER, "0.5", 0, 1e6, NULL, "price of a false negative"},
    [TVERSKY_SOFT_LABEL] = MM_MONAI_SOFT_PARAM};
static const mm_param wasserstein_params[] = {
    [DISTANCES] = {"dist_matrix", MM_MATRIX, NULL, 0, 1e6, NULL,
                   "cost of predicting the column's class where the label is the row's; divided by its maximum"},
    [MODE] = {"weighting_mode", MM_WORD, "default", 0, 0, "default|GDL",
              "weight of the voxels of a class: 1, and 0 for class 0; or 1/(G+1)"},
    [WASSERSTEIN_REDUCTION] = MM_MONAI_REDUCTION_PARAM("mean|sum|none"),
    [WASSERSTEIN_NR] = {"smooth_nr", MM_NUMBER, "1e-5", 0, 1e6, NULL, "added to the numerator"},
    [WASSERSTEIN_DR] = {"smooth_dr", MM_NUMBER, "1e-5", 0, 1e6, NULL, "added to the denominator"}};

#define UNDEFINED "the denominator is 0, which takes smooth_dr=0"

static const mm_score rows[] = {
    {.info = {MM_MONAI_LOSS("DiceLoss", "Soft Dice loss of each image and class, averaged.",
                            "1 - (2 TP + nr) / (2 TP + FP + FN + dr); jaccard: 1 - (2 TP + nr) / (2 (TP + FP + FN) + dr)",
                            UNDEFINED), MM_PARAMS(dice_params)},
     .stats = dice_stats, .check = dice_check, .peer = dice_loss, .shape = mm_monai_shape, .witness = 0.24999937500156244},
    {.info = {MM_MONAI_LOSS("MaskedDiceLoss", "DiceLoss of the voxels that the request's mask keeps.",
                            "as DiceLoss; masked voxels are in neither prediction nor label", UNDEFINED),
              MM_PARAMS(dice_params)},
     .stats = dice_stats, .check = dice_check, .peer = dice_loss, .shape = mm_monai_shape, .note = masked_note,
     .witness = 0.24999937500156244},
    {.info = {MM_MONAI_LOSS("GeneralizedDiceLoss", "One Dice loss over the classes of an image, weighted by inverse volume.",
                            "1 - (2 sum_c w TP + nr) / (sum_c w (2 TP + FP + FN) + dr)", UNDEFINED),
              MM_PARAMS(generalized_params)},
     .stats = generalized_stats, .check = mm_monai_check, .peer = generalized_dice_loss, .shape = generalized_shape,
     .witness = 0.24999750002499987},
    {.info = {MM_MONAI_LOSS("TverskyLoss", "Dice loss with false positives and false negatives priced apart.",
                            "1 - (TP + nr) / (TP + alpha FP + beta FN + dr)", UNDEFINED), MM_PARAMS(tversky_params)},
     .stats = tversky_stats, .check = mm_monai_check, .peer = tversky_loss, .shape = mm_monai_shape,
     .witness = 0.24999875000624994},
    {.info = {MM_MONAI_LOSS("GeneralizedWassersteinDiceLoss",
                            "Dice loss in which errors between near classes cost less; softmax of pred as sent.",
                            "W = sum_c M[y,c] p_c, T = sum alpha (1 - W): 1 - (2 T + nr) / (2 T + sum W + dr); "
                            "GDL: 1 - (2 T + nr) / (sum alpha (2 - W) + dr); mean over images", UNDEFINED),
              MM_PARAMS(wasserstein_params)},
     .stats = wasserstein_stats, .check = wasserstein_check, .peer = wasserstein_loss, .shape = wasserstein_shape,
     .note = wasserstein_note, .example = "monai.GeneralizedWassersteinDiceLoss(dist_matrix=[[0,1],[1,0]])", .witness = 0.38446974951062374},
};
/* clang-format on */

const mm_score_family mm_peers_monai_overlap = {rows, MM_COUNT(rows)};
