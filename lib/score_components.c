/*
 * score_components.c - objects found: connected components of label and prediction that match.
 */
#include "lib/scores.h"

#include <math.h>

#include "lib/image_kinds.h"

enum { IOU, CONNECTIVITY };       /* parameters, and places in mm_stat.more */
enum { REASON, SUM, TP, FP, FN }; /* values of the column: sum of IoU, matches, and what is left over */

static size_t panoptic_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = (mm_stat){.kind = MM_IMAGE_PANOPTIC, .more = {args->own[IOU].number, args->own[CONNECTIVITY].number}};
    return 1;
}

static const char *panoptic_check(const mm_args *args)
{
    const double connectivity = args->own[CONNECTIVITY].number;

    return connectivity == floor(connectivity) ? NULL : "connectivity is 1, 2 or 3";
}

/* value / (TP + FP/2 + FN/2) */
static mm_value per_object(const mm_group *x, double value)
{
    return mm_ratio(value, mm_wide(x, 0, TP) + mm_wide(x, 0, FP) / 2.0 + mm_wide(x, 0, FN) / 2.0, MM_ABSENT_IN_BOTH);
}

/* sum IoU / (TP + FP/2 + FN/2) */
static mm_value panoptic_quality(const mm_group *x, const mm_args *args)
{
    (void)args;
    return per_object(x, mm_wide(x, 0, SUM));
}

/* sum IoU / TP */
static mm_value segmentation_quality(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(mm_wide(x, 0, SUM), mm_wide(x, 0, TP), MM_ZERO_DENOMINATOR);
}

/* TP / (TP + FP/2 + FN/2) */
static mm_value recognition_quality(const mm_group *x, const mm_args *args)
{
    (void)args;
    return per_object(x, mm_wide(x, 0, TP));
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
static const mm_param panoptic_params[] = {
    [IOU]          = {"iou", MM_NUMBER, "0.5", 0, 1, NULL,
                      "components match above this IoU; below 0.5 only those of the assignment of greatest total IoU"},
    [CONNECTIVITY] = {"connectivity", MM_NUMBER, "1", 1, 3, NULL,
                      "along how many axes neighbours of one component may differ: 1 faces, 2 edges, 3 corners"}};

#define ROW(NAME, SUMMARY, FORMULA, UNDEFINED) \
    .info = {.name = NAME, .summary = SUMMARY, \
             .formula = FORMULA ", over connected components of the hard masks that match at IoU > iou", \
             .source = "Kirillov et al. 2019", .undefined = UNDEFINED, .kind = MM_METRIC, .better = MM_HIGHER, \
             .params = panoptic_params, .param_count = MM_COUNT(panoptic_params), \
             .common = mm_common_image, .common_count = MM_COUNT(mm_common_image)}, \
    .stats = panoptic_stats, .check = panoptic_check

/* The witness: {1, 2} in the label, {1} predicted: IoU 1/2. */
static const mm_score rows[] = {
    {ROW("panoptic_quality", "How many objects were found, and how well they overlap.", "sum IoU / (TP + FP/2 + FN/2)",
         "the class is in neither label nor prediction"),
     .per_class = panoptic_quality, .example = "panoptic_quality(iou=0.4)", .witness = 0.5},
    {ROW("segmentation_quality", "How well the objects overlap that were found.", "sum IoU / TP",
         "the class is in neither label nor prediction, or nothing matches"),
     .per_class = segmentation_quality, .example = "segmentation_quality(iou=0.4)", .witness = 0.5},
    {ROW("recognition_quality", "How many objects were found.", "TP / (TP + FP/2 + FN/2)",
         "the class is in neither label nor prediction"),
     .per_class = recognition_quality, .example = "recognition_quality(iou=0.4)", .witness = 1.0},
};
/* clang-format on */

const mm_score_family mm_scores_components = {rows, MM_COUNT(rows)};
