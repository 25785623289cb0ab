/*
 * peer_monai_entropy.c - MONAI's focal losses, and its compounds of Dice with cross-entropy or focal loss.
 *
 * The entropy parts apply their own sigmoid or softmax to pred as it was sent, whatever the Dice part does.
 */
#include "lib/peer_monai.h"

/* sum over (n,c) of w_c times what `term` gives, over sum over n of scored voxels times the classes; or with `sum` the
 * sum of w_c times the mean over the voxels of an image. */
typedef double (*cell_term)(const mm_group *x, const mm_args *args);

static mm_value voxel_mean(const mm_cells *cells, const mm_args *args, const mm_monai_mean *mean, cell_term term)
{
    mm_exact above = {.count = 0};
    double voxels = 0.0;

    for (size_t n = 0; n < cells->images->count; n++)
        for (size_t c = mean->first; c < args->classes; c++) {
            const mm_group x = mm_cell(cells, n, c);
            const double weighted = mm_monai_weight(mean, c, args) * term(&x, args);

            if (mean->reduction == MM_MONAI_SUM && x.scored == 0)
                return mm_undefined(MM_NO_VOXELS);
            mm_exact_add(&above, mean->reduction == MM_MONAI_SUM ? weighted / (double)x.scored : weighted);
            voxels += (double)x.scored;
        }
    if (mean->reduction == MM_MONAI_SUM)
        return mm_defined(mm_exact_round(&above));
    return mm_ratio(mm_exact_round(&above), voxels, MM_NO_VOXELS);
}

/* ------------------------------------------------------------- cross-entropy */

enum { CE_LAMBDA_DICE = MM_MONAI_DICE_OWN, CE_LAMBDA_CE, CE_SMOOTHING };
/* Places after the columns of Dice.  OTHER: NEG of one class, else -log p of every voxel. */
enum { CE_POS, CE_OTHER, CE_INDEX, CE_COLUMNS };

static size_t dice_columns(const mm_args *args, mm_stat *stats)
{
    return mm_soft_stats(mm_monai_dice_overlap(args, 0), mm_monai_form(args), stats);
}

static size_t dice_ce_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const size_t count = dice_columns(args, stats);
    const unsigned form = args->classes == 1 ? MM_FORM_SIGMOID : MM_FORM_SOFTMAX;

    stats[count + CE_POS] = (mm_stat){.kind = MM_SUM_POS, .form = form};
    stats[count + CE_OTHER] = (mm_stat){.kind = args->classes == 1 ? MM_SUM_NEG : MM_SUM_LOGP, .form = form};
    stats[count + CE_INDEX] = (mm_stat){.kind = MM_SUM_INDEX};
    return count + CE_COLUMNS;
}

static const char *dice_ce_check(const mm_args *args)
{
    const mm_arg *weight = &args->own[MM_MONAI_WEIGHT];
    const char *wrong = mm_monai_check(args);

    if (wrong != NULL)
        return wrong;
    return mm_is_word(weight) || (weight->list == NULL ? 1 : weight->count) == args->classes
               ? NULL
               : "weight takes one number for each class, also when include_background=false";
}

static double ce_weight(const mm_args *args, size_t c)
{
    const mm_arg *weight = &args->own[MM_MONAI_WEIGHT];

    return mm_is_word(weight) ? 1.0 : mm_number_of_class(weight, c);
}

/* The terms of class c over all images. */
static double ce_terms(const mm_cells *cells, const mm_args *args, size_t c)
{
    const size_t at = cells->need_count - CE_COLUMNS;
    const double w = ce_weight(args, c), e = args->own[CE_SMOOTHING].number;
    const mm_group x = mm_cell_pooled(cells, c);

    if (args->classes == 1)
        return w * x.sum[at + CE_POS] + x.sum[at + CE_OTHER];
    return w * ((1.0 - e) * x.sum[at + CE_POS] + (e > 0.0 ? e / (double)args->classes * x.sum[at + CE_OTHER] : 0.0));
}

/* What the terms of image n are divided by: its voxels; where the labels were sent as indices, their weights. */
static double ce_voxels(const mm_cells *cells, const mm_args *args, size_t n)
{
    const mm_group *x = mm_cells_of(cells, n);
    double weights = 0.0;

    if (args->classes == 1 || x[0].sum[cells->need_count - CE_COLUMNS + CE_INDEX] == 0.0)
        return (double)x[0].scored;
    for (size_t c = 0; c < args->classes; c++)
        weights += ce_weight(args, c) * (double)x[c].label;
    return weights;
}

static mm_value cross_entropy(const mm_cells *cells, const mm_args *args)
{
    double above = 0.0, below = 0.0;

    for (size_t c = 0; c < args->classes; c++)
        above += ce_terms(cells, args, c);
    for (size_t n = 0; n < cells->images->count; n++)
        below += ce_voxels(cells, args, n);
    return args->own[MM_MONAI_REDUCTION].word == MM_MONAI_SUM ? mm_defined(above)
                                                              : mm_ratio(above, below, MM_NO_VOXELS);
}

static void dice_ce_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_monai_mean mean = mm_monai_mean_of(args, &args->own[MM_MONAI_WEIGHT]);
    mm_value dice;

    mm_monai_losses(cells, args, &mean, mm_monai_dice_cell, &dice);
    *list = mm_mix(args->own[CE_LAMBDA_DICE].number, dice, args->own[CE_LAMBDA_CE].number, cross_entropy(cells, args));
}

/* --------------------------------------------------------------- focal loss */

/* One class against the rest: the columns of label voxels and of others. */
static size_t sigmoid_focal_stats(double gamma, mm_stat *stats)
{
    stats[0] = (mm_stat){.kind = MM_SUM_BCE_IN, .form = MM_FORM_SIGMOID, .gamma = gamma, .more = {0.0, 1.0}};
    stats[1] = (mm_stat){.kind = MM_SUM_BCE_OUT, .form = MM_FORM_SIGMOID, .gamma = gamma, .more = {0.0, 1.0}};
    return 2;
}

/* alpha of label voxels, 1 - alpha of others; "none": 1 */
static double sigmoid_focal(const double *sums, const mm_arg *alpha)
{
    if (mm_is_word(alpha))
        return sums[0] + sums[1];
    return alpha->number * sums[0] + (1.0 - alpha->number) * sums[1];
}

enum { FOCAL_BACKGROUND, FOCAL_ONEHOT, FOCAL_GAMMA, FOCAL_ALPHA, FOCAL_WEIGHT, FOCAL_REDUCTION, FOCAL_SOFTMAX };

static size_t focal_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const double gamma = args->own[FOCAL_GAMMA].number;
    const int all = mm_monai_first(&args->own[FOCAL_BACKGROUND], args) == 0;

    if (args->own[FOCAL_SOFTMAX].number == 0.0)
        return sigmoid_focal_stats(gamma, stats);
    stats[0] = (mm_stat){.kind = MM_SUM_POS, .form = all ? MM_FORM_SOFTMAX : MM_FORM_SOFTMAX_REST, .gamma = gamma};
    return 1;
}

/* Without background there is no alpha; a single class has softmax 1, and no loss. */
static double softmax_focal_term(const mm_group *x, const mm_args *args)
{
    const mm_arg *alpha = &args->own[FOCAL_ALPHA];

    if (args->classes == 1)
        return 0.0;
    if (mm_is_word(alpha) || args->own[FOCAL_BACKGROUND].number == 0.0)
        return x->sum[0];
    return (x->index == 0 ? 1.0 - alpha->number : alpha->number) * x->sum[0];
}

static double focal_term(const mm_group *x, const mm_args *args)
{
    return args->own[FOCAL_SOFTMAX].number != 0.0 ? softmax_focal_term(x, args)
                                                  : sigmoid_focal(x->sum, &args->own[FOCAL_ALPHA]);
}

static const char *focal_check(const mm_args *args)
{
    const char *wrong = mm_monai_check_onehot(&args->own[FOCAL_ONEHOT], args);
    const size_t first = mm_monai_first(&args->own[FOCAL_BACKGROUND], args);

    return wrong != NULL ? wrong : mm_monai_check_weight(&args->own[FOCAL_WEIGHT], first, args);
}

static void focal_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_monai_mean mean = {.first = mm_monai_first(&args->own[FOCAL_BACKGROUND], args),
                                .reduction = args->own[FOCAL_REDUCTION].word,
                                .weight = &args->own[FOCAL_WEIGHT]};

    *list = voxel_mean(cells, args, &mean, focal_term);
}

/* ------------------------------------------------- compounds with focal loss */

enum { DF_LAMBDA_DICE = MM_MONAI_DICE_OWN, DF_LAMBDA_FOCAL, DF_GAMMA, DF_ALPHA };

static size_t dice_focal_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const size_t count = dice_columns(args, stats);

    return count + sigmoid_focal_stats(args->own[DF_GAMMA].number, stats + count);
}

static double dice_focal_term(const mm_group *x, const mm_args *args)
{
    return sigmoid_focal(x->sum + (mm_monai_dice_overlap(args, 0) == MM_BY_SQUARE ? 4 : 3), &args->own[DF_ALPHA]);
}

static const char *dice_focal_check(const mm_args *args)
{
    const char *wrong = mm_monai_check(args);
    const size_t first = mm_monai_first(&args->own[MM_MONAI_BACKGROUND], args);

    return wrong != NULL ? wrong : mm_monai_check_weight(&args->own[MM_MONAI_WEIGHT], first, args);
}

static void dice_focal_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_monai_mean mean = mm_monai_mean_of(args, &args->own[MM_MONAI_WEIGHT]);
    mm_value dice;

    mm_monai_losses(cells, args, &mean, mm_monai_dice_cell, &dice);
    *list = mm_mix(args->own[DF_LAMBDA_DICE].number, dice, args->own[DF_LAMBDA_FOCAL].number,
                   voxel_mean(cells, args, &mean, dice_focal_term));
}

enum { GDF_WEIGHT = MM_MONAI_OWN, GDF_W_TYPE, GDF_LAMBDA_GDL, GDF_LAMBDA_FOCAL, GDF_GAMMA };
enum { GDF_FOCAL = 3 }; /* after the columns of generalized Dice */

static size_t gdl_focal_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    mm_soft_stats(MM_BY_PRODUCT, mm_monai_form(args), stats);
    return GDF_FOCAL + sigmoid_focal_stats(args->own[GDF_GAMMA].number, stats + GDF_FOCAL);
}

static double gdl_focal_term(const mm_group *x, const mm_args *args)
{
    (void)args;
    return x->sum[GDF_FOCAL] + x->sum[GDF_FOCAL + 1];
}

static void gdl_focal_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_monai_mean mean = mm_monai_mean_of(args, &args->own[GDF_WEIGHT]);
    mm_value dice;

    mm_monai_generalized_losses(cells, args, (mm_by_volume)args->own[GDF_W_TYPE].word, 0, &dice);
    *list = mm_mix(args->own[GDF_LAMBDA_GDL].number, dice, args->own[GDF_LAMBDA_FOCAL].number,
                   voxel_mean(cells, args, &mean, gdl_focal_term));
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define ALPHA_PARAM(meaning) {"alpha", MM_NUMBER, "none", 0, 1, "none", meaning}

static const mm_param dice_ce_params[] = {MM_MONAI_DICE_PARAMS("mean|sum"),
    [CE_LAMBDA_DICE]  = MM_MONAI_LAMBDA_PARAM("lambda_dice"),
    [CE_LAMBDA_CE]    = MM_MONAI_LAMBDA_PARAM("lambda_ce"),
    [CE_SMOOTHING]    = {"label_smoothing", MM_NUMBER, "0", 0, 1, NULL, "share of each label spread over the classes"}};
static const mm_param focal_params[] = {
    [FOCAL_BACKGROUND] = MM_MONAI_BACKGROUND_PARAM("true"),
    [FOCAL_ONEHOT]    = MM_MONAI_ONEHOT_PARAM,
    [FOCAL_GAMMA]     = MM_MONAI_GAMMA_PARAM,
    [FOCAL_ALPHA]     = ALPHA_PARAM("weight of label voxels, 1 - alpha of others; softmax: of all classes but 0, 1 - alpha of class 0"),
    [FOCAL_WEIGHT]    = MM_MONAI_WEIGHT_PARAM,
    [FOCAL_REDUCTION] = {"reduction", MM_WORD, "mean", 0, 0, "mean|sum",
                         "mean over everything; or sum over images and classes of the mean over the voxels"},
    [FOCAL_SOFTMAX]   = {"use_softmax", MM_BOOLEAN, "false", 0, 0, NULL, "softmax over the classes in place of a sigmoid"}};
static const mm_param dice_focal_params[] = {MM_MONAI_DICE_PARAMS("mean|sum"),
    [DF_LAMBDA_DICE]  = MM_MONAI_LAMBDA_PARAM("lambda_dice"),
    [DF_LAMBDA_FOCAL] = MM_MONAI_LAMBDA_PARAM("lambda_focal"),
    [DF_GAMMA]        = MM_MONAI_GAMMA_PARAM,
    [DF_ALPHA]        = ALPHA_PARAM("weight of label voxels, 1 - alpha of others")};
static const mm_param gdl_focal_params[] = {MM_MONAI_COMMON_PARAMS("mean|sum"),
    [GDF_WEIGHT]      = MM_MONAI_WEIGHT_PARAM,
    [GDF_W_TYPE]      = MM_MONAI_W_TYPE_PARAM("w_type"),
    [GDF_LAMBDA_GDL]  = MM_MONAI_LAMBDA_PARAM("lambda_gdl"),
    [GDF_LAMBDA_FOCAL] = MM_MONAI_LAMBDA_PARAM("lambda_focal"),
    [GDF_GAMMA]       = MM_MONAI_GAMMA_PARAM};

#define UNDEFINED "no voxel is scored, or a denominator is 0"

static const mm_score rows[] = {
    {.info = {MM_MONAI_LOSS("DiceCELoss", "Dice loss and cross-entropy.",
                            "lambda_dice DiceLoss + lambda_ce CE; CE = mean over voxels of -sum_c w_c t_c log softmax(pred)_c, "
                            "t = (1-e) g + e/C; labels sent as indices: over their weights; one class: binary cross-entropy of "
                            "sigmoid(pred), weight on label voxels", UNDEFINED), MM_PARAMS(dice_ce_params)},
     .stats = dice_ce_stats, .check = dice_ce_check, .peer = dice_ce_loss, .witness = 0.86364008411115789},
    {.info = {MM_MONAI_LOSS("FocalLoss", "Focal loss, averaged over images, classes and voxels.",
                            "mean of (1-p_t)^gamma BCE, p_t = sigmoid(pred (2 g - 1)), BCE of sigmoid(pred); use_softmax: mean of "
                            "-g (1-p)^gamma log p, p = softmax(pred)", "no voxel is scored"), MM_PARAMS(focal_params)},
     .stats = focal_stats, .check = focal_check, .peer = focal_loss, .witness = 0.16023248600634177},
    {.info = {MM_MONAI_LOSS("DiceFocalLoss", "Dice loss and the sigmoid focal loss.",
                            "lambda_dice DiceLoss + lambda_focal FocalLoss; the focal part is of sigmoid(pred) also with "
                            "softmax=true", UNDEFINED), MM_PARAMS(dice_focal_params)},
     .stats = dice_focal_stats, .check = dice_focal_check, .peer = dice_focal_loss, .witness = 0.4102318610079042},
    {.info = {MM_MONAI_LOSS("GeneralizedDiceFocalLoss", "Generalized Dice loss and the sigmoid focal loss.",
                            "lambda_gdl GeneralizedDiceLoss + lambda_focal FocalLoss", UNDEFINED),
              MM_PARAMS(gdl_focal_params)},
     .stats = gdl_focal_stats, .check = dice_focal_check, .peer = gdl_focal_loss, .witness = 0.41022998603134164},
};
/* clang-format on */

const mm_score_family mm_peers_monai_entropy = {rows, MM_COUNT(rows)};
