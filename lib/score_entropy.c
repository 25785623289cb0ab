/*
 * score_entropy.c - cross-entropy, binary cross-entropy and its weighted forms, focal loss.
 *
 * A row gives what one class adds: the sum of its terms and the number of voxels that they are averaged over.  With
 * exclusive classes a voxel belongs to the class of its label; with independent masks every voxel belongs to each.
 */
#include "lib/scores.h"

/* ------------------------------------------------------------------- terms */

enum { POS, G_OR_NEG, LOGP, LOGQ };        /* places in mm_group.sum */
enum { EPS, LABEL_SMOOTHING, POS_WEIGHT }; /* parameters of the cross-entropies */
enum { GAMMA = 1, ALPHA };                 /* parameters of the focal loss, after EPS */

static int exclusive(const mm_args *args)
{
    return args->task == MM_MULTICLASS;
}

static size_t entropy_stats(mm_stat stats[MM_ROW_STATS], double gamma, double eps, int binary, int smoothed)
{
    stats[POS] = (mm_stat){.kind = MM_SUM_POS, .gamma = gamma, .eps = eps};
    stats[G_OR_NEG] = binary ? (mm_stat){.kind = MM_SUM_NEG, .gamma = gamma, .eps = eps} : (mm_stat){.kind = MM_SUM_G};
    if (!smoothed)
        return 2;
    stats[LOGP] = (mm_stat){.kind = MM_SUM_LOGP, .eps = eps};
    if (!binary)
        return 3;
    stats[LOGQ] = (mm_stat){.kind = MM_SUM_LOGQ, .eps = eps};
    return 4;
}

/* -[pw t log p + (1-t) log(1-p)], t = g (1-e) + (1-g) e, summed over every voxel: with A = (1-2e),
 * t = A g + e and 1-t = A (1-g) + e. */
static mm_terms binary_terms(const mm_group *x, double e, double pos_weight)
{
    const double a = 1.0 - 2.0 * e;
    double positive = a * x->sum[POS], negative = a * x->sum[G_OR_NEG];

    if (e > 0.0) {
        positive += e * x->sum[LOGP];
        negative += e * x->sum[LOGQ];
    }
    return (mm_terms){.sum = pos_weight * positive + negative, .voxels = (double)x->scored};
}

/* ---------------------------------------------------------------- formulas */

static size_t cross_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return entropy_stats(stats, 0.0, args->own[EPS].number, !exclusive(args), args->own[LABEL_SMOOTHING].number > 0.0);
}

/* exclusive classes: -t log p, t = (1-e) g + e/C; independent masks: as binary_cross_entropy */
static mm_terms cross_entropy(const mm_group *x, const mm_args *args)
{
    const double e = args->own[LABEL_SMOOTHING].number;
    double sum = (1.0 - e) * x->sum[POS];

    if (!exclusive(args))
        return binary_terms(x, e, 1.0);
    if (e > 0.0)
        sum += e / (double)args->classes * x->sum[LOGP];
    return (mm_terms){.sum = sum, .voxels = x->sum[G_OR_NEG], .partition = 1};
}

/* Smoothed labels spread a voxel's term over all classes, so the sums do not say which label it came from. */
static const char *cross_check(const mm_args *args)
{
    if (!exclusive(args) || args->own[LABEL_SMOOTHING].number == 0.0)
        return NULL;
    for (size_t c = 0; c < args->classes; c++)
        if (!mm_class_chosen(&args->common, c, args->classes))
            return "label_smoothing needs all classes: leave classes out";
    return NULL;
}

static size_t binary_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return entropy_stats(stats, 0.0, args->own[EPS].number, 1, args->own[LABEL_SMOOTHING].number > 0.0);
}

/* -[pos_weight t log p + (1-t) log(1-p)] */
static mm_terms binary_cross_entropy(const mm_group *x, const mm_args *args)
{
    return binary_terms(x, args->own[LABEL_SMOOTHING].number, mm_arg_of_class(&args->own[POS_WEIGHT], x->index));
}

enum { WEIGHT = EPS + 1 }; /* parameter of the weighted forms, after EPS */

static size_t weighted_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return entropy_stats(stats, 0.0, args->own[EPS].number, 1, 0);
}

/* -[beta g log p + (1-g) log(1-p)] */
static mm_terms weighted_binary_cross_entropy(const mm_group *x, const mm_args *args)
{
    return binary_terms(x, 0.0, mm_arg_of_class(&args->own[WEIGHT], x->index));
}

/* -[beta g log p + (1-beta) (1-g) log(1-p)] */
static mm_terms balanced_binary_cross_entropy(const mm_group *x, const mm_args *args)
{
    const double beta = mm_arg_of_class(&args->own[WEIGHT], x->index);

    return (mm_terms){.sum = beta * x->sum[POS] + (1.0 - beta) * x->sum[G_OR_NEG], .voxels = (double)x->scored};
}

static size_t focal_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return entropy_stats(stats, args->own[GAMMA].number, args->own[EPS].number, !exclusive(args), 0);
}

/* exclusive classes: -g alpha_c (1-p)^gamma log p, a number alpha standing for 1-alpha of class 0 and alpha of others;
 * independent masks: -[alpha g (1-p)^gamma log p + (1-alpha) (1-g) p^gamma log(1-p)] */
static mm_terms focal_loss(const mm_group *x, const mm_args *args)
{
    const mm_arg *alpha = &args->own[ALPHA];
    const int weighted = alpha->word < 0;
    double a = weighted ? mm_arg_of_class(alpha, x->index) : 1.0;

    if (!exclusive(args))
        return (mm_terms){.sum = a * x->sum[POS] + (weighted ? 1.0 - a : 1.0) * x->sum[G_OR_NEG],
                          .voxels = (double)x->scored};
    if (weighted && alpha->list == NULL && x->index == 0)
        a = 1.0 - a;
    return (mm_terms){.sum = a * x->sum[POS], .voxels = x->sum[G_OR_NEG], .partition = 1};
}

/* 1 - alpha must not be negative where it is used. */
static const char *focal_check(const mm_args *args)
{
    const mm_arg *alpha = &args->own[ALPHA];

    if (alpha->word >= 0 || (exclusive(args) && alpha->list != NULL))
        return NULL;
    for (size_t c = 0; c < args->classes; c++)
        if (mm_arg_of_class(alpha, c) > 1.0)
            return "alpha is at most 1, since 1 - alpha weighs the other side";
    return NULL;
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define EPS_PARAM \
    [EPS]             = {"eps", MM_NUMBER, "1e-7", 1e-300, 0.5, NULL, \
                         "logarithms are of max(p, eps) and max(1-p, eps); input given as logits needs no clamp"}
#define SMOOTHING_PARAM \
    [LABEL_SMOOTHING] = {"label_smoothing", MM_NUMBER, "0", 0, 1, NULL, "share of each label spread over the classes"}

static const mm_param cross_params[] = {EPS_PARAM, SMOOTHING_PARAM};
static const mm_param binary_params[] = {EPS_PARAM, SMOOTHING_PARAM,
    [POS_WEIGHT]      = {"pos_weight", MM_NUMBER_OR_LIST, "1", 0, 1e6, NULL, "weight of label voxels, one or one per class"}};
static const mm_param weighted_params[] = {EPS_PARAM,
    [WEIGHT]          = {"beta", MM_NUMBER_OR_LIST, "2", 0, 1e6, NULL, "weight of label voxels, one or one per class"}};
static const mm_param balanced_params[] = {EPS_PARAM,
    [WEIGHT]          = {"beta", MM_NUMBER_OR_LIST, "0.5", 0, 1, NULL,
                         "weight of label voxels, one or one per class; 1 - beta is the weight of others"}};
static const mm_param focal_params[] = {EPS_PARAM,
    [GAMMA]           = {"gamma", MM_NUMBER, "2", 0, 100, NULL, "how strongly easy voxels are played down"},
    [ALPHA]           = {"alpha", MM_NUMBER_OR_LIST, "none", 0, 1e6, "none",
                         "weights: one per class; or a number: 1-alpha for class 0 and alpha for others, "
                         "or with independent masks alpha for label voxels and 1-alpha for others"}};
/* clang-format on */

#define UNDEFINED "no voxel is scored; a class that the label does not have"

static const mm_score rows[] = {
    {
        .info = {.name = "cross_entropy",
                 .summary = "Mean over the voxels of minus the logarithm of the label's probability.",
                 .formula = "sum_v w_y (-sum_c t_c log p_c) / sum_v w_y, t = (1-e) g + e/C; "
                            "independent masks: as binary_cross_entropy",
                 .source = "textbook",
                 .undefined = UNDEFINED,
                 .kind = MM_LOSS,
                 .better = MM_LOWER,
                 .params = cross_params,
                 .param_count = MM_COUNT(cross_params),
                 .common = mm_common_entropy,
                 .common_count = MM_COUNT(mm_common_entropy)},
        .stats = cross_stats,
        .check = cross_check,
        .entropy = cross_entropy,
        .witness = 0.34657359027997264, /* 2 ln 2 / 4 */
    },
    {
        .info = {.name = "binary_cross_entropy",
                 .summary = "Cross-entropy of each class against the rest, over voxels and classes.",
                 .formula = "mean of -(pos_weight t log p + (1-t) log(1-p)), t = g (1-e) + (1-g) e",
                 .source = "textbook",
                 .undefined = "no voxel is scored",
                 .kind = MM_LOSS,
                 .better = MM_LOWER,
                 .params = binary_params,
                 .param_count = MM_COUNT(binary_params),
                 .common = mm_common_entropy,
                 .common_count = MM_COUNT(mm_common_entropy)},
        .stats = binary_stats,
        .entropy = binary_cross_entropy,
        .witness = 0.34657359027997264,
    },
    {
        .info = {.name = "weighted_binary_cross_entropy",
                 .summary = "Binary cross-entropy with a weight on label voxels.",
                 .formula = "mean of -(beta g log p + (1-g) log(1-p))",
                 .source = "Pihur et al. 2007",
                 .undefined = "no voxel is scored",
                 .kind = MM_LOSS,
                 .better = MM_LOWER,
                 .params = weighted_params,
                 .param_count = MM_COUNT(weighted_params),
                 .common = mm_common_entropy,
                 .common_count = MM_COUNT(mm_common_entropy)},
        .stats = weighted_stats,
        .entropy = weighted_binary_cross_entropy,
        .witness = 0.51986038541995897, /* 3 ln 2 / 4 */
    },
    {
        .info = {.name = "balanced_binary_cross_entropy",
                 .summary = "Binary cross-entropy with beta on label voxels, 1 - beta on others.",
                 .formula = "mean of -(beta g log p + (1-beta) (1-g) log(1-p))",
                 .source = "Xie and Tu 2015",
                 .undefined = "no voxel is scored",
                 .kind = MM_LOSS,
                 .better = MM_LOWER,
                 .params = balanced_params,
                 .param_count = MM_COUNT(balanced_params),
                 .common = mm_common_entropy,
                 .common_count = MM_COUNT(mm_common_entropy)},
        .stats = weighted_stats,
        .entropy = balanced_binary_cross_entropy,
        .witness = 0.17328679513998632, /* ln 2 / 4 */
    },
    {
        .info = {.name = "focal_loss",
                 .summary = "Cross-entropy in which easy voxels count less.",
                 .formula = "sum_v w_y (-alpha_y (1-p_y)^gamma log p_y) / sum_v w_y; independent masks: mean of "
                            "-(alpha g (1-p)^gamma log p + (1-alpha) (1-g) p^gamma log(1-p))",
                 .source = "Lin et al. 2017",
                 .undefined = UNDEFINED,
                 .kind = MM_LOSS,
                 .better = MM_LOWER,
                 .params = focal_params,
                 .param_count = MM_COUNT(focal_params),
                 .common = mm_common_entropy,
                 .common_count = MM_COUNT(mm_common_entropy)},
        .stats = focal_stats,
        .check = focal_check,
        .entropy = focal_loss,
        .witness = 0.08664339756999316, /* 2 (1/4) ln 2 / 4 */
    },
};

const mm_score_family mm_scores_entropy = {rows, MM_COUNT(rows)};
