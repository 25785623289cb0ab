/*
 * peer_torch.c - losses of torch.nn.functional.
 *
 * cross_entropy and binary_cross_entropy_with_logits take logits, nll_loss log-probabilities, binary_cross_entropy
 * probabilities: `pred` as sent.
 */
#include "lib/peer_common.h"

enum { MEAN, SUM };                              /* choices of `reduction` */
enum { WEIGHT, REDUCTION, FOURTH };              /* every row begins with these */
enum { IGNORE_INDEX = FOURTH, LABEL_SMOOTHING }; /* cross_entropy; nll_loss without smoothing */
enum { POS_WEIGHT = FOURTH };                    /* binary_cross_entropy_with_logits */

#define LEAST 3.720075976020836e-44 /* e^-100: binary_cross_entropy clamps logarithms at -100 */

static double weight_of(const mm_args *args, size_t c)
{
    return mm_weight_of_class(&args->own[WEIGHT], c);
}

static mm_value reduced(const mm_args *args, double sum, double below)
{
    return args->own[REDUCTION].word == SUM ? mm_defined(sum) : mm_ratio(sum, below, MM_NO_VOXELS);
}

static const char *check_exclusive(const mm_args *args)
{
    return args->task == MM_MULTICLASS ? NULL : "needs exclusive classes (task=multiclass)";
}

/* ------------------------------------------------------------ cross-entropy */

enum { POS, SUM_G, INDEXED, LOGP }; /* places in mm_group.sum */

static size_t cross_entropy_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[POS] = (mm_stat){.kind = MM_SUM_POS, .form = MM_FORM_SOFTMAX};
    stats[SUM_G] = (mm_stat){.kind = MM_SUM_G, .form = MM_FORM_SOFTMAX};
    stats[INDEXED] = (mm_stat){.kind = MM_SUM_INDEX, .form = MM_FORM_SOFTMAX};
    stats[LOGP] = (mm_stat){.kind = MM_SUM_LOGP, .form = MM_FORM_SOFTMAX};
    return args->own[LABEL_SMOOTHING].number == 0.0 ? 3 : 4;
}

/* sum_c w_c [(1-e) sum g (-log p) + (e/C) sum -log p], over sum_c w_c G_c in the voxels whose label is an index, and
 * over the number of voxels in those with a label for each class */
static void cross_entropy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const double e = args->own[LABEL_SMOOTHING].number;
    double sum = 0.0, below = 0.0;

    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);
        const double smoothed = e == 0.0 ? 0.0 : e / (double)args->classes * x.sum[LOGP];

        sum += weight_of(args, c) * ((1.0 - e) * x.sum[POS] + smoothed);
    }
    for (size_t n = 0; n < cells->images->count; n++) {
        const mm_group first = mm_cell(cells, n, 0);

        below += (double)first.scored - first.sum[INDEXED];
        for (size_t c = 0; first.sum[INDEXED] > 0.0 && c < args->classes; c++)
            below += weight_of(args, c) * mm_cell(cells, n, c).sum[SUM_G];
    }
    *list = reduced(args, sum, below);
}

enum { SUM_XG, NLL_SUM_G };

static size_t nll_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[SUM_XG] = (mm_stat){.kind = MM_SUM_PG, .form = MM_FORM_SENT};
    stats[NLL_SUM_G] = (mm_stat){.kind = MM_SUM_G, .form = MM_FORM_SENT};
    return 2;
}

/* sum_v -w_y x_y / sum_v w_y, x log-probabilities */
static void nll_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    double sum = 0.0, below = 0.0;

    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);

        sum -= weight_of(args, c) * x.sum[SUM_XG];
        below += weight_of(args, c) * x.sum[NLL_SUM_G];
    }
    *list = reduced(args, sum, below);
}

/* ----------------------------------------------------- binary cross-entropy */

enum { BINARY_POS, BINARY_NEG };

static size_t binary_stats_of(mm_stat stats[MM_ROW_STATS], unsigned form, double eps)
{
    stats[BINARY_POS] = (mm_stat){.kind = MM_SUM_POS, .form = form, .eps = eps};
    stats[BINARY_NEG] = (mm_stat){.kind = MM_SUM_NEG, .form = form, .eps = eps};
    return 2;
}

static size_t binary_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return binary_stats_of(stats, MM_FORM_SENT, LEAST);
}

static size_t with_logits_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return binary_stats_of(stats, MM_FORM_SIGMOID, 0.0);
}

static const char *check_binary(const mm_args *args)
{
    return mm_check_per_class(&args->own[WEIGHT], args);
}

static const char *check_with_logits(const mm_args *args)
{
    const char *wrong = check_binary(args);

    return wrong != NULL ? wrong : mm_check_per_class(&args->own[POS_WEIGHT], args);
}

/* w (-pw g log p - (1-g) log(1-p)), summed or averaged over all voxels and classes */
static void binary(const mm_cells *cells, const mm_args *args, const mm_arg *pos_weight, mm_value *list)
{
    double sum = 0.0, elements = 0.0;

    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);

        sum += weight_of(args, c) * (mm_weight_of_class(pos_weight, c) * x.sum[BINARY_POS] + x.sum[BINARY_NEG]);
        elements += (double)x.scored;
    }
    *list = reduced(args, sum, elements);
}

static void binary_cross_entropy(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    static const mm_arg none = {.word = 0};

    binary(cells, args, &none, list);
}

static void binary_cross_entropy_with_logits(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    binary(cells, args, &args->own[POS_WEIGHT], list);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define REDUCTION_PARAM {"reduction", MM_WORD, "mean", 0, 0, "mean|sum", "mean or sum"}
#define CLASS_WEIGHT    {"weight", MM_WORD_OR_LIST, "none", 0, 1e6, "none", "one weight per class"}
#define ANY_WEIGHT      {"weight", MM_NUMBERS, "none", 0, 1e6, "none", "weight of the whole term; one number, or one for each class"}

static const mm_param cross_entropy_params[] = {
    [WEIGHT] = CLASS_WEIGHT, [REDUCTION] = REDUCTION_PARAM, [IGNORE_INDEX] = MM_PARAM_IGNORE_INDEX("-100"),
    [LABEL_SMOOTHING] = {"label_smoothing", MM_NUMBER, "0", 0, 1, NULL, "share of the label that is spread over all classes"}};
static const mm_param nll_params[] = {
    [WEIGHT] = CLASS_WEIGHT, [REDUCTION] = REDUCTION_PARAM, [IGNORE_INDEX] = MM_PARAM_IGNORE_INDEX("-100")};
static const mm_param binary_params[] = {[WEIGHT] = ANY_WEIGHT, [REDUCTION] = REDUCTION_PARAM};
static const mm_param with_logits_params[] = {
    [WEIGHT] = ANY_WEIGHT, [REDUCTION] = REDUCTION_PARAM,
    [POS_WEIGHT] = {"pos_weight", MM_NUMBERS, "none", 0, 1e6, "none", "weight of the label's term; one number, or one for each class"}};

#define LOSS(NAME, SUMMARY, FORMULA, UNDEFINED, PARAMS) \
    .name = "torch." NAME, .summary = (SUMMARY), .formula = (FORMULA), .source = "torch.nn.functional (PyTorch)", \
    .undefined = (UNDEFINED), .kind = MM_LOSS, .better = MM_LOWER, .params = (PARAMS), .param_count = MM_COUNT(PARAMS)

static const mm_score rows[] = {
    {.info = {LOSS("cross_entropy", "Cross-entropy of the softmax of pred, averaged over all voxels of the batch.",
          "sum_v [(1-e) w_y (-log p_y) + (e/C) sum_c w_c (-log p_c)] / sum_v w_y; with a label for each class over the number of voxels",
          "no voxel is scored, or all weights are 0", cross_entropy_params)},
     .stats = cross_entropy_stats, .check = check_exclusive, .peer = cross_entropy, .witness = 0.503204434039084},
    {.info = {LOSS("nll_loss", "Minus the weighted mean of the label's log-probability; pred is log-probabilities.",
          "sum_v -w_y x_y / sum_v w_y", "no voxel is scored, or all weights are 0", nll_params)},
     .stats = nll_stats, .check = check_exclusive, .peer = nll_loss, .witness = -0.75},
    {.info = {LOSS("binary_cross_entropy", "Mean binary cross-entropy of probabilities, logarithms clamped at -100.",
          "mean of w (-g max(log p, -100) - (1-g) max(log(1-p), -100))", "no voxel is scored", binary_params)},
     .stats = binary_stats, .check = check_binary, .peer = binary_cross_entropy, .witness = 0.34657359027997264},
    {.info = {LOSS("binary_cross_entropy_with_logits", "Mean binary cross-entropy of the sigmoid of pred.",
          "mean of w (-pos_weight g log p - (1-g) log(1-p)), p = sigmoid of pred", "no voxel is scored", with_logits_params)},
     .stats = with_logits_stats, .check = check_with_logits, .peer = binary_cross_entropy_with_logits, .witness = 0.6136407091095953},
};
/* clang-format on */

const mm_score_family mm_peers_torch = {rows, MM_COUNT(rows)};
