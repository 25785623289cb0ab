/*
 * peer_seed.c - the functions of "A summary of common losses for multi-class semantic segmentation" (2021).
 *
 * Probabilities and one-hot labels; no activation is applied.  smooth and epsilon are 1e-5.  Class weights multiply,
 * then a plain mean over the classes follows.  I = sum p g, P = sum p, G = sum g of an (image, class).
 */
#include "lib/peer_seed.h"

/* --------------------------------------------------------------- reductions */

typedef double (*cell_term)(const mm_group *x, const mm_args *args);

enum { MEAN_OVER_IMAGES, SUM_OVER_IMAGES, MEAN_OVER_VOXELS };

/* mean_c w_c r_c, where r_c is the terms of class c over all images, summed or averaged; undefined without voxels to
 * average over.  weights NULL: all 1. */
static mm_value mean_over_classes(const mm_cells *cells, const mm_args *args, const mm_arg *weights, cell_term term,
                                  int over)
{
    const size_t images = cells->images->count, classes = cells->images->classes;
    double total = 0.0;

    for (size_t c = 0; c < classes; c++) {
        mm_exact sum = {0};
        uint64_t voxels = 0;

        for (size_t n = 0; n < images; n++) {
            const mm_group x = mm_cell(cells, n, c);

            mm_exact_add(&sum, term(&x, args));
            voxels += x.scored;
        }
        const double below = over == SUM_OVER_IMAGES ? 1.0 : over == MEAN_OVER_IMAGES ? (double)images : (double)voxels;
        if (below == 0.0)
            return mm_undefined(MM_NO_VOXELS);
        total += (weights == NULL ? 1.0 : mm_arg_of_class(weights, c)) * (mm_exact_round(&sum) / below);
    }
    return mm_defined(total / (double)classes);
}

static mm_value negative(mm_value x)
{
    x.value = -x.value;
    return x;
}

/* ------------------------------------------------------------------ overlap */

enum { SUM_PG, SUM_P, SUM_G, SUM_LOG }; /* places in mm_group.sum; SUM_LOG only in the mixes */

static size_t overlap_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[SUM_PG] = (mm_stat){.kind = MM_SUM_PG};
    stats[SUM_P] = (mm_stat){.kind = MM_SUM_P};
    stats[SUM_G] = (mm_stat){.kind = MM_SUM_G};
    return 3;
}

static double overlap(const mm_group *x, const mm_overlap *form)
{
    const double tp = x->sum[SUM_PG];

    return mm_overlap_score(tp, x->sum[SUM_P] - tp, x->sum[SUM_G] - tp, form).value;
}

const mm_overlap mm_seed_dice = {.k = 2.0, .a = 1.0, .b = 1.0, .n0 = 2.0 * MM_SEED_SMOOTH, .d0 = MM_SEED_SMOOTH};

mm_overlap mm_seed_tversky(double beta)
{
    return (mm_overlap){.k = 1.0, .a = beta, .b = 1.0 - beta, .n0 = MM_SEED_SMOOTH, .d0 = MM_SEED_SMOOTH};
}

static double dice_term(const mm_group *x, const mm_args *args)
{
    (void)args;
    return overlap(x, &mm_seed_dice);
}

enum { WEIGHT_LOSS };                   /* categorical_dice */
enum { TVERSKY_BETA, TVERSKY_WEIGHTS }; /* categorical_tversky */

/* -mean_c w_c mean_n 2 (I + s) / (P + G + s) */
static void categorical_dice(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = negative(mean_over_classes(cells, args, &args->own[WEIGHT_LOSS], dice_term, MEAN_OVER_IMAGES));
}

static double tversky_term(const mm_group *x, const mm_args *args)
{
    const mm_overlap form = mm_seed_tversky(args->own[TVERSKY_BETA].number);

    return overlap(x, &form);
}

static void categorical_tversky(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = negative(mean_over_classes(cells, args, &args->own[TVERSKY_WEIGHTS], tversky_term, MEAN_OVER_IMAGES));
}

/* -2 (sum_c w I + s) / (sum_c w (P + G) + s), sums over all images, w = 1 / (G^2 + s) */
static void generalized_dice_loss_w(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    double tp = 0.0, fp = 0.0, fn = 0.0;

    (void)args;
    for (size_t c = 0; c < cells->images->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);
        const double w = 1.0 / (x.sum[SUM_G] * x.sum[SUM_G] + MM_SEED_SMOOTH);

        tp += w * x.sum[SUM_PG];
        fp += w * (x.sum[SUM_P] - x.sum[SUM_PG]);
        fn += w * (x.sum[SUM_G] - x.sum[SUM_PG]);
    }
    *list = negative(mm_overlap_score(tp, fp, fn, &mm_seed_dice));
}

/* -------------------------------------------------------- categorical logs */

enum { FOCAL_GAMMA, FOCAL_ALPHA };          /* categorical_focal_loss */
enum { MIX_WEIGHTS, MIX_LAMDA, MIX_GAMMA }; /* the mixes; gamma only with the focal one */

/* sum of -g (1-q)^gamma log q, q = p over its sum over the classes, clipped to [epsilon, 1 - epsilon] */
static mm_stat categorical_stat(double gamma)
{
    return (mm_stat){
        .kind = MM_SUM_POS, .flags = MM_STAT_CLIP | MM_STAT_NORMALIZE, .gamma = gamma, .eps = MM_SEED_EPSILON};
}

static size_t crossentropy_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = categorical_stat(0.0);
    return 1;
}

static size_t focal_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = categorical_stat(args->own[FOCAL_GAMMA].number);
    return 1;
}

static double first_sum(const mm_group *x, const mm_args *args)
{
    (void)args;
    return x->sum[0];
}

/* mean_c mean_n sum_v -g log p */
static void categorical_crossentropy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = mean_over_classes(cells, args, NULL, first_sum, MEAN_OVER_IMAGES);
}

static void weighted_categorical_crossentropy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = mean_over_classes(cells, args, &args->own[WEIGHT_LOSS], first_sum, MEAN_OVER_IMAGES);
}

/* mean_c alpha_c mean_n sum_v -g (1-p)^gamma log p */
static void categorical_focal_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = mean_over_classes(cells, args, &args->own[FOCAL_ALPHA], first_sum, MEAN_OVER_IMAGES);
}

static size_t dice_crossentropy_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    overlap_stats(args, stats);
    stats[SUM_LOG] = categorical_stat(0.0);
    return 4;
}

static size_t dice_focal_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    overlap_stats(args, stats);
    stats[SUM_LOG] = categorical_stat(args->own[MIX_GAMMA].number);
    return 4;
}

static double log_term(const mm_group *x, const mm_args *args)
{
    (void)args;
    return x->sum[SUM_LOG];
}

/* (1-lamda) (1 - mean_c w_c sum_n 2 (I + s)/(P + G + s)) + lamda mean_c w_c mean_{n,v} of the log terms */
static void dice_mix(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_arg *weights = &args->own[MIX_WEIGHTS];
    const double lamda = args->own[MIX_LAMDA].number;
    const mm_value overlap_part = mm_one_minus(mean_over_classes(cells, args, weights, dice_term, SUM_OVER_IMAGES));

    *list =
        mm_mix(1.0 - lamda, overlap_part, lamda, mean_over_classes(cells, args, weights, log_term, MEAN_OVER_VOXELS));
}

/* ------------------------------------------------------------- binary logs */

enum { SUM_POS, SUM_NEG };           /* places in mm_group.sum */
enum { BINARY_BETA };                /* weighted and balanced */
enum { BINARY_ALPHA, BINARY_GAMMA }; /* binary_focal */

static size_t binary_stats_of(double gamma, mm_stat stats[MM_ROW_STATS])
{
    stats[SUM_POS] = (mm_stat){.kind = MM_SUM_POS, .flags = MM_STAT_CLIP, .gamma = gamma, .eps = MM_SEED_EPSILON};
    stats[SUM_NEG] = (mm_stat){.kind = MM_SUM_NEG, .flags = MM_STAT_CLIP, .gamma = gamma, .eps = MM_SEED_EPSILON};
    return 2;
}

size_t mm_seed_entropy_stats(mm_stat stats[MM_ROW_STATS])
{
    return binary_stats_of(0.0, stats);
}

static size_t binary_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return mm_seed_entropy_stats(stats);
}

static size_t binary_focal_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return binary_stats_of(args->own[BINARY_GAMMA].number, stats);
}

static double plain_term(const mm_group *x, const mm_args *args)
{
    (void)args;
    return x->sum[SUM_POS] + x->sum[SUM_NEG];
}

static double weighted_term(const mm_group *x, const mm_args *args)
{
    return args->own[BINARY_BETA].number * x->sum[SUM_POS] + x->sum[SUM_NEG];
}

/* Also the focal form: alpha has beta's place. */
static double balanced_term(const mm_group *x, const mm_args *args)
{
    const double share = args->own[BINARY_BETA].number;

    return share * x->sum[SUM_POS] + (1.0 - share) * x->sum[SUM_NEG];
}

/* mean of -(g log p + (1-g) log(1-p)) */
mm_value mm_seed_entropy(const mm_cells *cells, const mm_args *args)
{
    return mean_over_classes(cells, args, NULL, plain_term, MEAN_OVER_VOXELS);
}

static void binary_crossentropy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = mm_seed_entropy(cells, args);
}

/* mean of -(beta g log p + (1-g) log(1-p)) */
static void weighted_binary_crossentropy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = mean_over_classes(cells, args, NULL, weighted_term, MEAN_OVER_VOXELS);
}

/* mean of -(beta g log p + (1-beta) (1-g) log(1-p)) */
static void balanced_binary_crossentropy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = mean_over_classes(cells, args, NULL, balanced_term, MEAN_OVER_VOXELS);
}

/* sum of -(alpha g (1-p)^gamma log p + (1-alpha) (1-g) p^gamma log(1-p)) over everything */
static void binary_focal(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = mean_over_classes(cells, args, NULL, balanced_term, SUM_OVER_IMAGES);
    list->value *= (double)cells->images->classes;
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define WEIGHTS_PARAM {"weight_loss", MM_NUMBER_OR_LIST, "1", 0, 1e6, NULL, "class weights, not normalised"}
#define GAMMA_PARAM   {"gamma", MM_NUMBER, NULL, 0, 100, NULL, "how strongly easy voxels are played down"}
#define ALPHA_PARAM   {"alpha", MM_LIST, NULL, 0, 1e6, NULL, "class weights, not normalised"}

static const mm_param dice_params[] = {[WEIGHT_LOSS] = WEIGHTS_PARAM};
static const mm_param tversky_params[] = {
    [TVERSKY_BETA] = {"beta", MM_NUMBER, NULL, 0, 1, NULL, "price of a false positive; 1 - beta of a false negative"},
    [TVERSKY_WEIGHTS] = WEIGHTS_PARAM};
static const mm_param focal_params[] = {[FOCAL_GAMMA] = GAMMA_PARAM, [FOCAL_ALPHA] = ALPHA_PARAM};
static const mm_param dice_crossentropy_params[] = {[MIX_WEIGHTS] = WEIGHTS_PARAM, [MIX_LAMDA] = MM_SEED_LAMDA_PARAM};
static const mm_param dice_focal_params[] = {[MIX_WEIGHTS] = ALPHA_PARAM, [MIX_LAMDA] = MM_SEED_LAMDA_PARAM, [MIX_GAMMA] = GAMMA_PARAM};
static const mm_param weighted_params[] = {
    [BINARY_BETA] = {"beta", MM_NUMBER, NULL, 0, 1e6, NULL, "weight of label voxels"}};
static const mm_param balanced_params[] = {
    [BINARY_BETA] = {"beta", MM_NUMBER, NULL, 0, 1, NULL, "weight of label voxels; 1 - beta of others"}};
static const mm_param binary_focal_params[] = {
    [BINARY_ALPHA] = {"alpha", MM_NUMBER, "0.25", 0, 1, NULL, "weight of label voxels; 1 - alpha of others"},
    [BINARY_GAMMA] = {"gamma", MM_NUMBER, "2", 0, 100, NULL, "how strongly easy voxels are played down"}};

static const mm_score rows[] = {
    {.info = {MM_SEED_LOSS("categorical_dice",
                           "Minus the weighted mean of soft Dice; smoothing doubled above, so it can exceed 1.",
                           "-mean_c w_c mean_n 2 (I + s) / (P + G + s), s = 1e-5", "never"), MM_PARAMS(dice_params)},
     .stats = overlap_stats, .peer = categorical_dice, .witness = -0.7500031249921876},
    {.info = {MM_SEED_LOSS("categorical_tversky", "Minus the weighted mean of the soft Tversky index; beta on false positives.",
                           "-mean_c w_c mean_n (I + s) / (I + beta sum p(1-g) + (1-beta) sum (1-p)g + s), s = 1e-5", "never"),
              MM_PARAMS(tversky_params)},
     .stats = overlap_stats, .peer = categorical_tversky, .example = "seed.categorical_tversky(beta=0.3)",
     .witness = -0.7500012499937501},
    {.info = {MM_SEED_LOSS("generalized_dice_loss_w", "Minus the generalized Dice over all images, classes weighted by volume.",
                           "-2 (sum_c w I + s) / (sum_c w (P + G) + s), w = 1 / (G^2 + s), s = 1e-5, pooled", "never")},
     .stats = overlap_stats, .peer = generalized_dice_loss_w, .witness = -0.7500124999062507},
    {.info = {MM_SEED_LOSS("categorical_crossentropy", "Cross-entropy summed over space, averaged over images and classes.",
                           "mean_c mean_n sum_v -g log p, p divided by its sum over the classes and clipped to [1e-5, 1 - 1e-5]",
                           "never")},
     .stats = crossentropy_stats, .peer = categorical_crossentropy, .witness = 2.000010000057565e-05},
    {.info = {MM_SEED_LOSS("weighted_categorical_crossentropy", "The same with class weights.",
                           "mean_c w_c mean_n sum_v -g log p, p as in categorical_crossentropy", "never"), MM_PARAMS(dice_params)},
     .stats = crossentropy_stats, .peer = weighted_categorical_crossentropy, .witness = 2.000010000057565e-05},
    {.info = {MM_SEED_LOSS("categorical_focal_loss", "Focal loss summed over space, averaged over images and classes.",
                           "mean_c alpha_c mean_n sum_v -g (1-p)^gamma log p, p as in categorical_crossentropy", "never"),
              MM_PARAMS(focal_params)},
     .stats = focal_stats, .peer = categorical_focal_loss, .example = "seed.categorical_focal_loss(gamma=2,alpha=[0.5])",
     .witness = 1.0000050000196803e-15},
    {.info = {MM_SEED_LOSS("categorical_dicePcrossentroy", "Dice and cross-entropy; the Dice part is summed over the images.",
                           "(1-lamda) (1 - mean_c w_c sum_n 2 (I + s) / (P + G + s)) + lamda mean_c w_c mean_nv (-g log p)",
                           "no voxel is scored"), MM_PARAMS(dice_crossentropy_params)},
     .stats = dice_crossentropy_stats, .peer = dice_mix, .example = "seed.categorical_dicePcrossentroy(lamda=0.5)",
     .witness = 0.12500093751640629},
    {.info = {MM_SEED_LOSS("categorical_dicePfocalloss", "Dice and focal loss; the Dice part is summed over the images.",
                           "(1-lamda) (1 - mean_c a_c sum_n 2 (I + s) / (P + G + s)) + lamda mean_c a_c mean_nv (-g (1-p)^gamma log p)",
                           "no voxel is scored"), MM_PARAMS(dice_focal_params)},
     .stats = dice_focal_stats, .peer = dice_mix,
     .example = "seed.categorical_dicePfocalloss(alpha=[1],lamda=0.5,gamma=2)", .witness = 0.12499843750390646},
    {.info = {MM_SEED_LOSS("binary_crossentropy", "Mean binary cross-entropy.",
                           "mean of -(g log p + (1-g) log(1-p)), p clipped to [1e-5, 1 - 1e-5]", "no voxel is scored")},
     .stats = binary_stats, .peer = binary_crossentropy, .witness = 0.3465785903049728},
    {.info = {MM_SEED_LOSS("weighted_binary_crossentropy", "Binary cross-entropy with a weight on label voxels.",
                           "mean of -(beta g log p + (1-g) log(1-p)), p clipped", "no voxel is scored"), MM_PARAMS(weighted_params)},
     .stats = binary_stats, .peer = weighted_binary_crossentropy, .example = "seed.weighted_binary_crossentropy(beta=2)",
     .witness = 0.5198678854574592},
    {.info = {MM_SEED_LOSS("balanced_binary_crossentropy", "Binary cross-entropy with beta on label voxels, 1 - beta on others.",
                           "mean of -(beta g log p + (1-beta) (1-g) log(1-p)), p clipped", "no voxel is scored"),
              MM_PARAMS(balanced_params)},
     .stats = binary_stats, .peer = balanced_binary_crossentropy, .example = "seed.balanced_binary_crossentropy(beta=0.7)",
     .witness = 0.1732892951524864},
    {.info = {MM_SEED_LOSS("binary_focal", "Focal loss, summed over everything.",
                           "sum of -(alpha g (1-p)^gamma log p + (1-alpha) (1-g) p^gamma log(1-p)), p clipped", "never"),
              MM_PARAMS(binary_focal_params)},
     .stats = binary_focal_stats, .peer = binary_focal, .witness = 0.17328679513998732},
};
/* clang-format on */

const mm_score_family mm_peers_seed = {rows, MM_COUNT(rows)};
