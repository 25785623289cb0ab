/*
 * peer_torchmetrics_rank.c - torchmetrics' metrics of probabilities: calibration error, area under the receiver
 * operating characteristic, average precision.  All images of an upload are one list of voxels; binary functions put
 * all classes into it, each class against the rest.
 */
#include <math.h>

#include "lib/calibration.h"
#include "lib/image_kinds.h"
#include "lib/peer_torchmetrics.h"

/* --------------------------------------------------------------- calibration */

enum { N_BINS = MM_TM_OWN, NORM, CALIBRATION_CLASSES }; /* the number of classes not of the binary function */
enum { L1, L2 };                                        /* choices of `norm`, then max */

static mm_stat histogram_of(const mm_args *args, unsigned kind, unsigned form)
{
    return (mm_stat){.kind = kind, .form = form, .more = {args->own[N_BINS].number, 1.0}};
}

static size_t binary_calibration_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = histogram_of(args, MM_HISTOGRAM_CLASS, MM_FORM_APART);
    return 1;
}

static size_t multiclass_calibration_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = histogram_of(args, MM_HISTOGRAM_TOP, MM_FORM_NATURAL);
    return 1;
}

static const char *check_bins(const mm_args *args)
{
    return args->own[N_BINS].number == floor(args->own[N_BINS].number) ? NULL : "n_bins is a whole number";
}

static const char *check_multiclass_bins(const mm_args *args)
{
    const char *wrong = check_bins(args);

    return wrong != NULL ? wrong : mm_check_classes(&args->own[CALIBRATION_CLASSES], args);
}

/* Value w of the histograms of `count` classes. */
static double added(const mm_group *x, size_t count, size_t w)
{
    double sum = 0.0;

    for (size_t i = 0; i < count; i++)
        sum += mm_wide(&x[i], 0, w);
    return sum;
}

/* From the histograms of the first `count` classes, added up; the peer has one bin more, for p = 1. */
static mm_value calibration_error(const mm_group *x, size_t count, const mm_args *args)
{
    const size_t bins = (size_t)args->own[N_BINS].number + 1;
    mm_gaps gaps = {.voxels = 0.0};

    for (size_t b = 0; b < bins; b++)
        mm_gaps_add(&gaps, added(x, count, b), added(x, count, bins + b), added(x, count, 2 * bins + b));
    switch (args->own[NORM].word) {
    case L1:
        return mm_gaps_mean(&gaps);
    case L2:
        return mm_gaps_root(&gaps);
    default:
        return mm_gaps_greatest(&gaps);
    }
}

static void binary_calibration_error(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = calibration_error(mm_cells_of(cells, MM_ALL_IMAGES), args->classes, args);
}

/* The histogram of the greatest p is kept at class 0. */
static void multiclass_calibration_error(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    *list = calibration_error(mm_cells_of(cells, MM_ALL_IMAGES), 1, args);
}

/* --------------------------------------------------------------------- ranks */

enum { THRESHOLDS = MM_TM_OWN, RANK_CLASSES, AVERAGE }; /* binary functions: thresholds only */
enum { MACRO, WEIGHTED, NONE };                         /* choices of `average` */

/* Of all images of an upload. */
static size_t rank_stats(unsigned kind, unsigned form, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = (mm_stat){.kind = kind, .flags = MM_STAT_BATCH, .form = form};
    return 1;
}

static size_t binary_auroc_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return rank_stats(MM_IMAGE_AUROC_JOINT, MM_FORM_APART, stats);
}

static size_t binary_precision_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return rank_stats(MM_IMAGE_AVERAGE_PRECISION_JOINT, MM_FORM_APART, stats);
}

static size_t multiclass_auroc_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return rank_stats(MM_IMAGE_AUROC, MM_FORM_NATURAL, stats);
}

static size_t multiclass_precision_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    return rank_stats(MM_IMAGE_AVERAGE_PRECISION, MM_FORM_NATURAL, stats);
}

static const char *check_classes(const mm_args *args)
{
    return mm_check_classes(&args->own[RANK_CLASSES], args);
}

static mm_value rank_of(const mm_group *x)
{
    const mm_reason reason = (mm_reason)mm_wide(x, 0, 0);

    return reason == MM_DEFINED ? mm_defined(mm_wide(x, 0, 1)) : mm_undefined(reason);
}

/* Where label or rest has no voxel, 0. */
static mm_value zero_of_one(mm_value rank)
{
    return rank.reason == MM_SINGLE_CLASS ? mm_defined(0.0) : rank;
}

static void binary_rank(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_group x = mm_cell_pooled(cells, 0);

    (void)args;
    *list = zero_of_one(rank_of(&x));
}

/* The values of the classes, or the mean of those that are defined; weighted by the label's voxels. */
static void averaged(const mm_cells *cells, const mm_args *args, mm_value *list, mm_value (*of)(const mm_group *x))
{
    const int average = args->own[AVERAGE].word;
    const mm_group *x = mm_cells_of(cells, MM_ALL_IMAGES);
    mm_mean mean = {.count = 0};

    for (size_t c = 0; c < args->classes; c++) {
        const mm_value value = of(&x[c]);

        mm_mean_add(&mean, value, average == WEIGHTED ? (double)x[c].label : 1.0);
        if (average == NONE)
            list[c] = value;
    }
    if (average != NONE)
        *list = mm_mean_value(&mean);
}

static mm_value auroc_of(const mm_group *x)
{
    return zero_of_one(rank_of(x));
}

static void multiclass_auroc(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    averaged(cells, args, list, auroc_of);
}

/* Undefined for a class without label, but 0 where the whole label is class 0. */
static void multiclass_average_precision(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_group first = mm_cell_pooled(cells, 0);

    averaged(cells, args, list, first.label == first.scored ? auroc_of : rank_of);
}

static unsigned rank_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return args->own[AVERAGE].word == NONE ? mm_shape_classes(args, images, dim) : 0;
}

/* Some of the first `count` classes has only label voxels, or none. */
static int single_class(const mm_cells *cells, size_t count)
{
    for (size_t c = 0; c < count; c++) {
        const mm_group x = mm_cell_pooled(cells, c);

        if (rank_of(&x).reason == MM_SINGLE_CLASS)
            return 1;
    }
    return 0;
}

#define QUIRK "label voxels and others are both needed for a rank; without them the peer gives 0"

static const char *binary_note(const mm_cells *cells, const mm_args *args, const mm_value *list)
{
    (void)args;
    (void)list;
    return single_class(cells, 1) ? QUIRK : NULL;
}

static const char *auroc_note(const mm_cells *cells, const mm_args *args, const mm_value *list)
{
    (void)list;
    return single_class(cells, args->classes) ? QUIRK : NULL;
}

static const char *precision_note(const mm_cells *cells, const mm_args *args, const mm_value *list)
{
    const mm_group first = mm_cell_pooled(cells, 0);

    return first.label == first.scored ? auroc_note(cells, args, list) : NULL;
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define FIRST_PARAMS \
    [MM_TM_IGNORE_INDEX] = MM_TM_IGNORE_PARAM, \
    [MM_TM_VALIDATE]     = MM_TM_VALIDATE_PARAM
#define CALIBRATION_PARAMS FIRST_PARAMS, \
    [N_BINS] = {"n_bins", MM_NUMBER, "15", 1, MM_MAX_BINS, NULL, \
                "bins of equal width over [0,1]; p = 1 has one of its own"}, \
    [NORM]   = {"norm", MM_WORD, "l1", 0, 0, "l1|l2|max", \
                "mean of the gaps, root of their mean square, or the greatest"}
#define RANK_PARAMS FIRST_PARAMS, \
    [THRESHOLDS] = {"thresholds", MM_WORD, "none", 0, 0, "none", "every value of p is a threshold"}

static const mm_param binary_calibration_params[] = {CALIBRATION_PARAMS};
static const mm_param multiclass_calibration_params[] = {CALIBRATION_PARAMS,
                                                         [CALIBRATION_CLASSES] = MM_PARAM_NUM_CLASSES};
static const mm_param binary_rank_params[] = {RANK_PARAMS};
static const mm_param multiclass_rank_params[] = {RANK_PARAMS,
    [RANK_CLASSES] = MM_PARAM_NUM_CLASSES,
    [AVERAGE]      = {"average", MM_WORD, "macro", 0, 0, "macro|weighted|none",
                      "mean over classes; weighted by label voxels; a value for each class"}};

#define CALIBRATION(NAME, SUMMARY, PARAMS) \
    .info = {MM_TM_INFO(NAME, SUMMARY, \
                        "gap_b = |right_b - confidence_b|; l1: sum_b n_b/N gap_b; l2: sqrt(sum_b n_b/N gap_b^2); " \
                        "max: max_b gap_b", \
                        "no voxel is scored", MM_METRIC, MM_LOWER), MM_TM_PARAMS(PARAMS)}
#define AUROC      "trapezoids of TPR over FPR, all thresholds; 0 where only one of label and rest is there"
#define PRECISION  "sum_k (recall_k - recall_(k-1)) precision_k, all thresholds"

static const mm_score rows[] = {
    {CALIBRATION("binary_calibration_error",
                 "Gap between p and share of the label, all voxels of independent masks together.",
                 binary_calibration_params),
     .stats = binary_calibration_stats, .check = check_bins, .peer = binary_calibration_error, .witness = 0.0},
    {CALIBRATION("multiclass_calibration_error",
                 "Gap between the greatest p and share of right voxels, exclusive classes.",
                 multiclass_calibration_params),
     .stats = multiclass_calibration_stats, .check = check_multiclass_bins, .peer = multiclass_calibration_error,
     .exclusive = 1, .witness = 0.0},
    {.info = {MM_TM_INFO("binary_auroc",
                         "Chance that a label voxel has a greater p than another, all voxels of independent masks "
                         "together.",
                         AUROC, "no voxel is scored", MM_METRIC, MM_HIGHER), MM_TM_PARAMS(binary_rank_params)},
     .stats = binary_auroc_stats, .peer = binary_rank, .note = binary_note, .witness = 0.875},
    {.info = {MM_TM_INFO("multiclass_auroc",
                         "Chance that a label voxel has a greater p than another, each class against the rest.",
                         AUROC, "no voxel is scored", MM_METRIC, MM_HIGHER), MM_TM_PARAMS(multiclass_rank_params)},
     .stats = multiclass_auroc_stats, .check = check_classes, .peer = multiclass_auroc, .shape = rank_shape,
     .note = auroc_note, .exclusive = 1, .witness = 0.875},
    {.info = {MM_TM_INFO("binary_average_precision",
                         "Mean precision over recall, all voxels of independent masks together.",
                         PRECISION "; 0 without label", "no voxel is scored", MM_METRIC, MM_HIGHER),
              MM_TM_PARAMS(binary_rank_params)},
     .stats = binary_precision_stats, .peer = binary_rank, .note = binary_note, .witness = 5.0 / 6.0},
    {.info = {MM_TM_INFO("multiclass_average_precision", "Mean precision over recall, each class against the rest.",
                         PRECISION "; 0 for the other classes where the whole label is class 0",
                         "a class is not in the label; no voxel is scored", MM_METRIC, MM_HIGHER),
              MM_TM_PARAMS(multiclass_rank_params)},
     .stats = multiclass_precision_stats, .check = check_classes, .peer = multiclass_average_precision,
     .shape = rank_shape, .note = precision_note, .exclusive = 1, .witness = 5.0 / 6.0},
};
/* clang-format on */

const mm_score_family mm_peers_torchmetrics_rank = {rows, MM_COUNT(rows)};
