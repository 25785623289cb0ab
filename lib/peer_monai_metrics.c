/*
 * peer_monai_metrics.c - MONAI's metrics of hard masks: Dice, IoU, generalized Dice, and the confusion counts' rates.
 *
 * The masks are those that were sent, or the hard prediction (the class of the greatest p, or p over the threshold).
 */
#include "lib/peer_monai.h"

/* --------------------------------------------------------------- reductions */

/* choices of `reduction` */
enum { R_NONE, R_MEAN, R_SUM, R_MEAN_BATCH, R_SUM_BATCH, R_MEAN_CHANNEL, R_SUM_CHANNEL };

#define QUIRK "nothing is defined where the value is 0: the peer gives 0 there"

/* Means and sums over what is defined; *nothing is set when that is nothing, which gives 0. */
static mm_value over(const mm_mean *mean, int sum, int *nothing)
{
    *nothing |= mean->count == 0;
    if (mean->count == 0)
        return mm_defined(0.0);
    return sum ? mm_mean_sum(mean) : mm_mean_value(mean);
}

/* The value of image n and class c; what `value` makes of the group. */
static mm_value value_at(const mm_cells *cells, const mm_args *args, mm_cell_value value, size_t n, size_t c)
{
    const mm_group x = mm_cell(cells, n, c);

    return value(&x, args);
}

/* Over the classes of image n, from `first` on. */
static mm_mean of_image(const mm_cells *cells, const mm_args *args, mm_cell_value value, size_t n, size_t first)
{
    mm_mean mean = {.count = 0};

    for (size_t c = first; c < cells->images->classes; c++)
        mm_mean_add(&mean, value_at(cells, args, value, n, c), 1.0);
    return mean;
}

/* Over the images, of class c. */
static mm_mean of_class(const mm_cells *cells, const mm_args *args, mm_cell_value value, size_t c)
{
    mm_mean mean = {.count = 0};

    for (size_t n = 0; n < cells->images->count; n++)
        mm_mean_add(&mean, value_at(cells, args, value, n, c), 1.0);
    return mean;
}

/* One number: mean over the classes of each image, then over the images that have any; or the sum of everything. */
static mm_value to_number(const mm_cells *cells, const mm_args *args, mm_cell_value value, size_t first, int sum,
                          int *nothing)
{
    mm_mean all = {.count = 0};

    for (size_t n = 0; n < cells->images->count; n++) {
        const mm_mean image = of_image(cells, args, value, n, first);

        mm_mean_add(&all, sum ? mm_mean_sum(&image) : mm_mean_value(&image), 1.0);
    }
    return over(&all, sum, nothing);
}

/* The values of all (image, class), reduced into the list; 1 when somewhere nothing was defined. */
static int reduce(const mm_cells *cells, const mm_args *args, mm_cell_value value, size_t first, int reduction,
                  mm_value *list)
{
    const int sum = reduction == R_SUM || reduction == R_SUM_BATCH || reduction == R_SUM_CHANNEL;
    const size_t images = cells->images->count, classes = cells->images->classes - first;
    int nothing = 0;

    if (reduction == R_MEAN || reduction == R_SUM)
        *list = to_number(cells, args, value, first, sum, &nothing);
    for (size_t n = 0; reduction == R_NONE && n < images; n++)
        for (size_t c = 0; c < classes; c++)
            list[n * classes + c] = value_at(cells, args, value, n, first + c);
    for (size_t n = 0; (reduction == R_MEAN_CHANNEL || reduction == R_SUM_CHANNEL) && n < images; n++) {
        const mm_mean mean = of_image(cells, args, value, n, first);

        list[n] = over(&mean, sum, &nothing);
    }
    for (size_t c = 0; (reduction == R_MEAN_BATCH || reduction == R_SUM_BATCH) && c < classes; c++) {
        const mm_mean mean = of_class(cells, args, value, first + c);

        list[c] = over(&mean, sum, &nothing);
    }
    return nothing;
}

/* Of a reduction over [images][classes]. */
static unsigned reduced_shape(size_t images, size_t classes, int reduction, size_t dim[3])
{
    switch (reduction) {
    case R_NONE:
        dim[0] = images;
        dim[1] = classes;
        return 2;
    case R_MEAN_BATCH:
    case R_SUM_BATCH:
        dim[0] = classes;
        return 1;
    case R_MEAN_CHANNEL:
    case R_SUM_CHANNEL:
        dim[0] = images;
        return 1;
    default:
        return 0;
    }
}

/* -------------------------------------------------------------- Dice and IoU */

/* Every row here begins with the background. */
enum { BACKGROUND, IGNORE_EMPTY, CLASSES, DICE_REDUCTION };

static size_t first_of(const mm_args *args)
{
    return mm_monai_first(&args->own[BACKGROUND], args);
}

/* The label is empty: left out, or 1 when the prediction is, too, and 0 when it is not. */
static mm_value overlap_of(const mm_group *x, const mm_args *args, const mm_overlap *form)
{
    const mm_counts counts = mm_counts_of(x);

    if (x->label > 0)
        return mm_overlap_score(counts.tp, counts.fp, counts.fn, form);
    if (args->own[IGNORE_EMPTY].number != 0.0)
        return mm_undefined(x->pred == 0 ? MM_ABSENT_IN_BOTH : MM_ABSENT_IN_LABEL);
    return mm_defined(x->pred == 0 ? 1.0 : 0.0);
}

static mm_value dice_of(const mm_group *x, const mm_args *args)
{
    return overlap_of(x, args, &(mm_overlap){.k = 2.0, .a = 1.0, .b = 1.0});
}

static mm_value iou_of(const mm_group *x, const mm_args *args)
{
    return overlap_of(x, args, &(mm_overlap){.k = 1.0, .a = 1.0, .b = 1.0});
}

static const char *overlap_check(const mm_args *args)
{
    return mm_check_classes(&args->own[CLASSES], args);
}

static void compute_dice(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduce(cells, args, dice_of, first_of(args), R_NONE, list);
}

static void compute_iou(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduce(cells, args, iou_of, first_of(args), R_NONE, list);
}

static unsigned images_by_classes(const mm_args *args, size_t images, size_t dim[3])
{
    return reduced_shape(images, args->classes - first_of(args), R_NONE, dim);
}

static void dice_metric(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduce(cells, args, dice_of, first_of(args), args->own[DICE_REDUCTION].word, list);
}

static void mean_iou(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    reduce(cells, args, iou_of, first_of(args), args->own[DICE_REDUCTION].word, list);
}

static unsigned dice_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return reduced_shape(images, args->classes - first_of(args), args->own[DICE_REDUCTION].word, dim);
}

/* Where a mean has nothing to average: found as the reduction found it, for every shape. */
static int nothing_in(const mm_cells *cells, const mm_args *args, mm_cell_value value, int reduction)
{
    const size_t first = first_of(args);
    int by_image = 0, by_class = 0, any = 0;

    for (size_t n = 0; n < cells->images->count; n++) {
        const mm_mean mean = of_image(cells, args, value, n, first);

        by_image |= mean.count == 0;
        any |= mean.count > 0;
    }
    for (size_t c = first; c < cells->images->classes; c++)
        by_class |= of_class(cells, args, value, c).count == 0;
    switch (reduction) {
    case R_NONE:
        return 0;
    case R_MEAN_BATCH:
    case R_SUM_BATCH:
        return by_class;
    case R_MEAN_CHANNEL:
    case R_SUM_CHANNEL:
        return by_image;
    default:
        return !any;
    }
}

/* Label and prediction decide for both what is defined. */
static const char *dice_note(const mm_cells *cells, const mm_args *args, const mm_value *list)
{
    (void)list;
    return nothing_in(cells, args, dice_of, args->own[DICE_REDUCTION].word) ? QUIRK : NULL;
}

/* ----------------------------------------------------------- generalized Dice */

enum { WEIGHT_TYPE = BACKGROUND + 1, SUM_OVER_CLASSES };

/* A zero denominator gives 1 when nothing is predicted, else 0. */
static mm_value generalized_of(const mm_group *x, size_t count, mm_by_volume weight)
{
    const mm_value score =
        mm_generalized_score(x, count, weight, mm_soft_of_counts, &(mm_overlap){.k = 2.0, .a = 1.0, .b = 1.0});
    uint64_t pred = 0;

    for (size_t i = 0; i < count; i++)
        pred += x[i].pred;
    return score.reason == MM_DEFINED ? score : mm_defined(pred == 0 ? 1.0 : 0.0);
}

/* Voxels of the label in all the classes. */
static uint64_t label_voxels(const mm_group *x, size_t count)
{
    uint64_t voxels = 0;

    for (size_t i = 0; i < count; i++)
        voxels += x[i].label;
    return voxels;
}

/* By class the weights cancel: that of a class without label is the greatest of the others, and 0 without any. */
static void compute_generalized_dice(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const size_t first = first_of(args), classes = args->classes - first;
    const mm_by_volume weight = (mm_by_volume)args->own[WEIGHT_TYPE].word;

    for (size_t n = 0; n < cells->images->count; n++) {
        const mm_group *x = mm_cells_of(cells, n) + first;
        const mm_by_volume alone = label_voxels(x, classes) > 0 ? MM_VOLUME_UNIFORM : weight;

        for (size_t c = 0; args->own[SUM_OVER_CLASSES].number == 0.0 && c < classes; c++)
            list[n * classes + c] = generalized_of(&x[c], 1, alone);
        if (args->own[SUM_OVER_CLASSES].number != 0.0)
            list[n] = generalized_of(x, classes, weight);
    }
}

static unsigned generalized_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return reduced_shape(images, args->classes - first_of(args),
                         args->own[SUM_OVER_CLASSES].number != 0.0 ? R_MEAN_CHANNEL : R_NONE, dim);
}

/* ------------------------------------------------------------ confusion counts */

enum { METRIC = BACKGROUND + 1, COMPUTE_SAMPLE, CONFUSION_REDUCTION }; /* ConfusionMatrixMetric */
enum { BETA = BACKGROUND + 1, BETA_REDUCTION };                        /* FBetaScore */

/* clang-format off */
/* Names of rates and what they are. */
#define RATE_NAMES(FIRST, X) \
    FIRST("hit_rate", SENSITIVITY) X("sensitivity", SENSITIVITY) X("recall", SENSITIVITY) \
    X("true_positive_rate", SENSITIVITY) X("tpr", SENSITIVITY) \
    X("specificity", SPECIFICITY) X("selectivity", SPECIFICITY) X("true_negative_rate", SPECIFICITY) \
    X("tnr", SPECIFICITY) \
    X("precision", PRECISION) X("positive_predictive_value", PRECISION) X("ppv", PRECISION) \
    X("negative_predictive_value", NPV) X("npv", NPV) \
    X("miss_rate", MISS) X("false_negative_rate", MISS) X("fnr", MISS) \
    X("fall_out", FALL_OUT) X("false_positive_rate", FALL_OUT) X("fpr", FALL_OUT) \
    X("false_discovery_rate", FALSE_DISCOVERY) X("fdr", FALSE_DISCOVERY) \
    X("false_omission_rate", FALSE_OMISSION) X("for", FALSE_OMISSION) \
    X("prevalence_threshold", PREVALENCE_THRESHOLD) X("pt", PREVALENCE_THRESHOLD) \
    X("threat_score", IOU) X("critical_success_index", IOU) X("ts", IOU) X("csi", IOU) \
    X("accuracy", ACCURACY) X("acc", ACCURACY) \
    X("balanced_accuracy", BALANCED_ACCURACY) X("ba", BALANCED_ACCURACY) \
    X("f1_score", FBETA) X("f1", FBETA) \
    X("matthews_correlation_coefficient", MCC) X("mcc", MCC) \
    X("fowlkes_mallows_index", FOWLKES_MALLOWS) X("fm", FOWLKES_MALLOWS) \
    X("informedness", INFORMEDNESS) X("bookmaker_informedness", INFORMEDNESS) X("bm", INFORMEDNESS) \
    X("youden_index", INFORMEDNESS) X("youden", INFORMEDNESS) \
    X("markedness", MARKEDNESS) X("deltap", MARKEDNESS) X("mk", MARKEDNESS)
/* clang-format on */

#define FIRST_NAME(name, rate) name
#define NEXT_NAME(name, rate)  "|" name
#define RATE_OF(name, rate)    MM_RATE_##rate,

static const mm_rate rate_of_name[] = {RATE_NAMES(RATE_OF, RATE_OF)};

/* tp, fp, tn, fn */
static void get_confusion_matrix(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    for (size_t n = 0; n < cells->images->count; n++)
        for (size_t c = first_of(args); c < args->classes; c++) {
            const mm_group x = mm_cell(cells, n, c);
            const mm_counts counts = mm_counts_of(&x);

            *list++ = mm_defined(counts.tp);
            *list++ = mm_defined(counts.fp);
            *list++ = mm_defined(counts.tn);
            *list++ = mm_defined(counts.fn);
        }
}

static unsigned confusion_shape(const mm_args *args, size_t images, size_t dim[3])
{
    reduced_shape(images, args->classes - first_of(args), R_NONE, dim);
    dim[2] = 4;
    return 3;
}

static mm_value rate_of_cell(const mm_group *x, const mm_args *args)
{
    const mm_counts counts = mm_counts_of(x);

    return mm_defined(mm_rate_of(rate_of_name[args->own[METRIC].word], &counts, 1.0));
}

/* Counts of the images [from, to) and classes [first, last) added up. */
static mm_counts counts_of(const mm_cells *cells, size_t from, size_t to, size_t first, size_t last)
{
    mm_counts all = {0.0, 0.0, 0.0, 0.0};

    for (size_t n = from; n < to; n++)
        for (size_t c = first; c < last; c++) {
            const mm_group x = mm_cell(cells, n, c);

            all = mm_counts_add(all, mm_counts_of(&x));
        }
    return all;
}

/* The rates of reduced counts: each of its counts is a mean or a sum of as many, which no rate can tell apart. */
static void rates_of_counts(const mm_cells *cells, const mm_args *args, int reduction, mm_rate rate, double beta,
                            mm_value *list)
{
    const size_t first = first_of(args), images = cells->images->count;
    size_t dim[3] = {1, 1, 1};
    const unsigned rank = reduced_shape(images, args->classes - first, reduction, dim);
    const size_t count = rank == 0 ? 1 : rank == 1 ? dim[0] : dim[0] * dim[1];
    const int batch = reduction == R_MEAN_BATCH || reduction == R_SUM_BATCH;

    for (size_t i = 0; i < count; i++) {
        const size_t n = rank == 2 ? i / dim[1] : i, c = first + (rank == 2 ? i % dim[1] : i);
        const int all_images = rank == 0 || batch, all_classes = rank == 0 || (rank == 1 && !batch);
        const mm_counts counts = counts_of(cells, all_images ? 0 : n, all_images ? images : n + 1,
                                           all_classes ? first : c, all_classes ? args->classes : c + 1);

        list[i] = mm_defined(mm_rate_of(rate, &counts, beta));
    }
}

static void confusion_metric(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const int reduction = args->own[CONFUSION_REDUCTION].word;

    if (args->own[COMPUTE_SAMPLE].number != 0.0)
        reduce(cells, args, rate_of_cell, first_of(args), reduction, list);
    else
        rates_of_counts(cells, args, reduction, rate_of_name[args->own[METRIC].word], 1.0, list);
}

static unsigned confusion_metric_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return reduced_shape(images, args->classes - first_of(args), args->own[CONFUSION_REDUCTION].word, dim);
}

static const char *confusion_note(const mm_cells *cells, const mm_args *args, const mm_value *list)
{
    (void)list;
    return args->own[COMPUTE_SAMPLE].number != 0.0 &&
                   nothing_in(cells, args, rate_of_cell, args->own[CONFUSION_REDUCTION].word)
               ? QUIRK
               : NULL;
}

static void fbeta_score(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    rates_of_counts(cells, args, args->own[BETA_REDUCTION].word, MM_RATE_FBETA, args->own[BETA].number, list);
}

static unsigned fbeta_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return reduced_shape(images, args->classes - first_of(args), args->own[BETA_REDUCTION].word, dim);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define REDUCTIONS "none|mean|sum|mean_batch|sum_batch|mean_channel|sum_channel"
#define REDUCTION_PARAM {"reduction", MM_WORD, "mean", 0, 0, REDUCTIONS, \
    "all values; mean over the classes of each image, then over images; sum; over the images (batch); over the classes (channel)"}
#define OVERLAP_PARAMS \
    [BACKGROUND]   = MM_MONAI_BACKGROUND_PARAM("true"), \
    [IGNORE_EMPTY] = {"ignore_empty", MM_BOOLEAN, "true", 0, 0, NULL, \
                      "leave out classes that the label does not have; false: 1 when not predicted either, else 0"}, \
    [CLASSES]      = MM_PARAM_NUM_CLASSES

static const mm_param overlap_params[] = {OVERLAP_PARAMS};
static const mm_param dice_params[] = {OVERLAP_PARAMS, [DICE_REDUCTION] = REDUCTION_PARAM};
static const mm_param generalized_params[] = {
    [BACKGROUND]       = MM_MONAI_BACKGROUND_PARAM("true"),
    [WEIGHT_TYPE]      = MM_MONAI_W_TYPE_PARAM("weight_type"),
    [SUM_OVER_CLASSES] = {"sum_over_classes", MM_BOOLEAN, "false", 0, 0, NULL, "one value per image"}};
static const mm_param matrix_params[] = {[BACKGROUND] = MM_MONAI_BACKGROUND_PARAM("true")};
static const mm_param confusion_params[] = {
    [BACKGROUND]          = MM_MONAI_BACKGROUND_PARAM("true"),
    [METRIC]              = {"metric_name", MM_WORD, "hit_rate", 0, 0, RATE_NAMES(FIRST_NAME, NEXT_NAME), "which rate"},
    [COMPUTE_SAMPLE]      = {"compute_sample", MM_BOOLEAN, "false", 0, 0, NULL,
                             "rate of each image and class, then reduced; false: counts reduced, then the rate"},
    [CONFUSION_REDUCTION] = REDUCTION_PARAM};
static const mm_param fbeta_params[] = {
    [BACKGROUND]     = MM_MONAI_BACKGROUND_PARAM("true"),
    [BETA]           = {"beta", MM_NUMBER, "1", 0, 1e6, NULL, "how much more recall weighs than precision"},
    [BETA_REDUCTION] = REDUCTION_PARAM};

#define METRIC_INFO(NAME, SUMMARY, FORMULA, UNDEFINED) MM_MONAI_INFO(NAME, SUMMARY, FORMULA, UNDEFINED, MM_METRIC, MM_HIGHER)
#define EMPTY_LABEL "the label is empty and ignore_empty=true"

static const mm_score rows[] = {
    {.info = {METRIC_INFO("compute_dice", "Dice of each image and class.", "2 TP / (2 TP + FP + FN)", EMPTY_LABEL),
              MM_PARAMS(overlap_params)},
     .check = overlap_check, .peer = compute_dice, .shape = images_by_classes, .witness = 0},
    {.info = {METRIC_INFO("compute_iou", "IoU of each image and class.", "TP / (TP + FP + FN)", EMPTY_LABEL),
              MM_PARAMS(overlap_params)},
     .check = overlap_check, .peer = compute_iou, .shape = images_by_classes, .witness = 0},
    {.info = {METRIC_INFO("DiceMetric", "Dice of each image and class, reduced; 0 where nothing is defined.",
                          "2 TP / (2 TP + FP + FN)", "reduction=none: " EMPTY_LABEL), MM_PARAMS(dice_params)},
     .check = overlap_check, .peer = dice_metric, .shape = dice_shape, .note = dice_note, .witness = 2.0 / 3.0},
    {.info = {METRIC_INFO("MeanIoU", "IoU of each image and class, reduced; 0 where nothing is defined.",
                          "TP / (TP + FP + FN)", "reduction=none: " EMPTY_LABEL), MM_PARAMS(dice_params)},
     .check = overlap_check, .peer = mean_iou, .shape = dice_shape, .note = dice_note, .witness = 0.5},
    {.info = {METRIC_INFO("compute_generalized_dice", "Dice of each image with classes weighted by inverse volume.",
                          "2 sum_c w TP / sum_c w (2 TP + FP + FN); by class: the weights cancel", "never"),
              MM_PARAMS(generalized_params)},
     .peer = compute_generalized_dice, .shape = generalized_shape, .witness = 0},
    {.info = {MM_MONAI_INFO("get_confusion_matrix", "Counts of each image and class: tp, fp, tn, fn.", "TP, FP, TN, FN",
                            "never", MM_COUNT_KIND, MM_NEITHER), MM_PARAMS(matrix_params)},
     .peer = get_confusion_matrix, .shape = confusion_shape, .witness = 0},
    {.info = {MM_MONAI_INFO("ConfusionMatrixMetric", "A rate of the confusion counts.", "as metric_name says",
                            "a denominator is 0", MM_COUNT_KIND, MM_NEITHER), MM_PARAMS(confusion_params)},
     .peer = confusion_metric, .shape = confusion_metric_shape, .note = confusion_note, .witness = 0.5},
    {.info = {METRIC_INFO("FBetaScore", "F-beta of the reduced confusion counts.",
                          "(1+B^2) TP / ((1+B^2) TP + B^2 FN + FP)", "neither label nor prediction have voxels"),
              MM_PARAMS(fbeta_params)},
     .peer = fbeta_score, .shape = fbeta_shape, .witness = 2.0 / 3.0},
};
/* clang-format on */

const mm_score_family mm_peers_monai_metrics = {rows, MM_COUNT(rows)};
