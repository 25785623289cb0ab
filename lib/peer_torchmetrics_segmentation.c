/*
 * peer_torchmetrics_segmentation.c - torchmetrics' segmentation metrics: Dice, IoU and generalized Dice of hard masks,
 * image by image.
 *
 * The masks are those that were sent, or the hard prediction (the class of the greatest p, or p over the threshold).
 */
#include "lib/peer_torchmetrics.h"

/* Every row here begins with these. */
enum { NUM, BACKGROUND, FORMAT, OWN };

/* The first scored class: 1 without background, unless there is one class only. */
static size_t first_of(const mm_args *args)
{
    return args->own[BACKGROUND].number == 0.0 && args->classes > 1;
}

enum { ANY_FORMAT, ONE_HOT, INDEX }; /* choices of input_format, then mixed */

static const char *check(const mm_args *args)
{
    const int format = args->own[FORMAT].word;

    if (format == ONE_HOT && args->label_kind == MM_INDEX)
        return "input_format=one-hot, but the label holds class indices";
    if (format == INDEX && args->label_kind == MM_ONEHOT && args->classes > 1)
        return "input_format=index, but the label has a class axis";
    return mm_check_classes(&args->own[NUM], args);
}

/* Of images x classes, or of images. */
static unsigned shape_of(const mm_args *args, size_t images, int by_class, size_t dim[3])
{
    dim[0] = images;
    dim[1] = args->classes - first_of(args);
    return by_class ? 2 : 1;
}

/* The score of a class' hard counts; undefined where it is in neither label nor prediction. */
static mm_value score_of(const mm_counts *x, const mm_overlap *form)
{
    const mm_value score = mm_overlap_score(x->tp, x->fp, x->fn, form);

    return score.reason == MM_DEFINED ? score : mm_undefined(MM_ABSENT_IN_BOTH);
}

/* --------------------------------------------------------------------- Dice */

enum { AVERAGE = OWN, AGGREGATION };
enum { SAMPLEWISE, GLOBAL };

static mm_value dice_of(const mm_counts *x)
{
    return score_of(x, &(mm_overlap){.k = 2.0, .a = 1.0, .b = 1.0});
}

/* The mean over the classes where it is defined; weighted by the label without any label: 0. */
static mm_value mean_dice(const mm_group *x, size_t count, int weighted)
{
    mm_mean mean = {.count = 0};

    for (size_t i = 0; i < count; i++) {
        const mm_counts counts = mm_counts_of(&x[i]);

        mm_mean_add(&mean, dice_of(&counts), weighted ? (double)x[i].label : 1.0);
    }
    return mean.count > 0 && mm_exact_round(&mean.below) == 0.0 ? mm_defined(0.0) : mm_mean_value(&mean);
}

static mm_value averaged_dice(const mm_group *x, size_t count, int average)
{
    if (average != MM_TM_MICRO)
        return mean_dice(x, count, average == MM_TM_WEIGHTED);
    const mm_counts all = mm_tm_total(x, count, MM_TM_MULTICLASS);

    return dice_of(&all);
}

/* Of each image, or of the counts of all images. */
static void dice_score(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const int average = args->own[AVERAGE].word, global = args->own[AGGREGATION].word == GLOBAL;
    const size_t first = first_of(args), count = args->classes - first;

    for (size_t n = 0; n < (global ? 1 : cells->images->count); n++) {
        const mm_group *x = mm_cells_of(cells, global ? MM_ALL_IMAGES : n) + first;

        for (size_t i = 0; average == MM_TM_NONE && i < count; i++) {
            const mm_counts counts = mm_counts_of(&x[i]);

            list[n * count + i] = dice_of(&counts);
        }
        if (average != MM_TM_NONE)
            list[n] = averaged_dice(x, count, average);
    }
}

static unsigned dice_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return shape_of(args, args->own[AGGREGATION].word == GLOBAL ? 1 : images, args->own[AVERAGE].word == MM_TM_NONE,
                    dim);
}

/* ---------------------------------------------------------------------- IoU */

enum { PER_CLASS = OWN };

static mm_value iou_of(const mm_group *x)
{
    const mm_counts counts = mm_counts_of(x);

    return score_of(&counts, &(mm_overlap){.k = 1.0, .a = 1.0, .b = 1.0});
}

/* Of each class, -1 where it is in neither label nor prediction; or the mean over the others. */
static void mean_iou(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const size_t first = first_of(args), count = args->classes - first;

    for (size_t n = 0; n < cells->images->count; n++) {
        mm_mean mean = {.count = 0};

        for (size_t i = 0; i < count; i++) {
            const mm_group x = mm_cell(cells, n, first + i);
            const mm_value iou = iou_of(&x);

            mm_mean_add(&mean, iou, 1.0);
            if (args->own[PER_CLASS].number != 0.0)
                list[n * count + i] = iou.reason == MM_DEFINED ? iou : mm_defined(-1.0);
        }
        if (args->own[PER_CLASS].number == 0.0)
            list[n] = mm_mean_value(&mean);
    }
}

static unsigned per_class_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return shape_of(args, images, args->own[PER_CLASS].number != 0.0, dim);
}

/* ---------------------------------------------------------- generalized Dice */

enum { WEIGHT_TYPE = PER_CLASS + 1 }; /* the choices of mm_by_volume */

/* 0/0 is 0 */
static mm_value generalized_of(const mm_group *x, size_t count, mm_by_volume weight)
{
    const mm_value score =
        mm_generalized_score(x, count, weight, mm_soft_of_counts, &(mm_overlap){.k = 2.0, .a = 1.0, .b = 1.0});

    return score.reason == MM_DEFINED ? score : mm_defined(0.0);
}

/* By class the weights cancel: where one would be 0, so is the overlap. */
static void generalized_dice_score(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const size_t first = first_of(args), count = args->classes - first;

    for (size_t n = 0; n < cells->images->count; n++) {
        const mm_group *x = mm_cells_of(cells, n) + first;

        for (size_t i = 0; args->own[PER_CLASS].number != 0.0 && i < count; i++)
            list[n * count + i] = generalized_of(&x[i], 1, MM_VOLUME_UNIFORM);
        if (args->own[PER_CLASS].number == 0.0)
            list[n] = generalized_of(x, count, (mm_by_volume)args->own[WEIGHT_TYPE].word);
    }
}

/* Where a weight is infinite, the peer takes another image's. */
static const char *generalized_note(const mm_cells *cells, const mm_args *args, const mm_value *list)
{
    (void)list;
    if (args->own[PER_CLASS].number != 0.0 || args->own[WEIGHT_TYPE].word == MM_VOLUME_UNIFORM)
        return NULL;
    for (size_t n = 0; n < cells->images->count; n++)
        for (size_t c = first_of(args); c < args->classes; c++)
            if (mm_cell(cells, n, c).label == 0)
                return "a class that an image's label lacks has the greatest weight of that image; the peer takes one "
                       "of another image (torchmetrics issue 2846)";
    return NULL;
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define SEGMENTATION_PARAMS \
    [NUM]        = MM_PARAM_NUM_CLASSES, \
    [BACKGROUND] = {"include_background", MM_BOOLEAN, "true", 0, 0, NULL, \
                    "score class 0, too; with one class it is always scored"}, \
    [FORMAT]     = {"input_format", MM_WORD, "none", 0, 0, "none|one-hot|index|mixed", \
                    "accepted when the label is like that; none: as the data"}

static const mm_param dice_params[] = {SEGMENTATION_PARAMS,
    [AVERAGE]     = MM_TM_AVERAGE_PARAM,
    [AGGREGATION] = {"aggregation_level", MM_WORD, "samplewise", 0, 0, "samplewise|global",
                     "each image, or the counts of all images added"}};
static const mm_param iou_params[] = {SEGMENTATION_PARAMS,
    [PER_CLASS]   = {"per_class", MM_BOOLEAN, "false", 0, 0, NULL, "images x classes; absent classes are -1"}};
static const mm_param generalized_params[] = {SEGMENTATION_PARAMS,
    [PER_CLASS]   = {"per_class", MM_BOOLEAN, "false", 0, 0, NULL, "images x classes"},
    [WEIGHT_TYPE] = {"weight_type", MM_WORD, "square", 0, 0, "square|simple|linear",
                     "class weight: 1/G^2, 1/G or 1; a class without label takes the greatest of the others"}};

static const mm_score rows[] = {
    {.info = {MM_TM_INFO("dice_score", "Dice of hard masks: of each image, or of all images together.",
                         "2 TP / (2 TP + FP + FN)", "the classes are in neither label nor prediction",
                         MM_METRIC, MM_HIGHER),
              MM_TM_PARAMS(dice_params)},
     .check = check, .peer = dice_score, .shape = dice_shape, .witness = 0},
    {.info = {MM_TM_INFO("mean_iou", "IoU of hard masks: of each image, mean over its classes.", "TP / (TP + FP + FN)",
                         "per_class=false: the classes are in neither label nor prediction", MM_METRIC, MM_HIGHER),
              MM_TM_PARAMS(iou_params)},
     .check = check, .peer = mean_iou, .shape = per_class_shape, .witness = 0},
    {.info = {MM_TM_INFO("generalized_dice_score", "Dice of each image with classes weighted by inverse volume.",
                         "2 sum_c w TP / sum_c w (2 TP + FP + FN); 0/0 is 0", "never", MM_METRIC, MM_HIGHER),
              MM_TM_PARAMS(generalized_params)},
     .check = check, .peer = generalized_dice_score, .shape = per_class_shape, .note = generalized_note, .witness = 0},
};
/* clang-format on */

const mm_score_family mm_peers_torchmetrics_segmentation = {rows, MM_COUNT(rows)};
