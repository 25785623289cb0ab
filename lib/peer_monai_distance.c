/*
 * peer_monai_distance.c - MONAI's distances between surfaces, and its losses by distance from the border.
 */
#include "lib/peer_distance.h"
#include "lib/peer_monai.h"

#include <math.h>

#include "lib/tolerances.h"

/* Every metric begins with these. */
enum { BACKGROUND, METRIC, SPACING, OWN };

static unsigned shape(const mm_args *args, size_t images, size_t dim[3])
{
    dim[0] = images;
    dim[1] = args->classes - mm_monai_first(&args->own[BACKGROUND], args);
    return 2;
}

/* Each image and scored class. */
static void each_cell(const mm_cells *cells, const mm_args *args, mm_cell_value value, mm_value *list)
{
    const size_t first = mm_monai_first(&args->own[BACKGROUND], args), classes = args->classes - first;

    for (size_t n = 0; n < cells->images->count; n++)
        for (size_t c = 0; c < classes; c++) {
            const mm_group x = mm_cell(cells, n, first + c);

            list[n * classes + c] = value(&x, args);
        }
}

static mm_surface_args surface_args(const mm_args *args)
{
    return (mm_surface_args){.metric = &args->own[METRIC], .spacing = &args->own[SPACING]};
}

static const char *check_axes(const mm_args *args)
{
    return args->spatial_rank == 1 ? "needs images of two or three spatial axes"
                                   : mm_check_spacing(&args->own[SPACING], args);
}

/* ---------------------------------------------------------------- Hausdorff */

enum { PERCENTILE = OWN, DIRECTED };

/* 0 and none: the greatest distance. */
static int has_percentile(const mm_args *args)
{
    return !mm_is_word(&args->own[PERCENTILE]) && args->own[PERCENTILE].number > 0.0;
}

static size_t hausdorff_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const mm_surface_args surface = surface_args(args);

    stats[0] = has_percentile(args)
                   ? mm_surface_stat(&surface, MM_IMAGE_SURFACE_PERCENTILE, args->own[PERCENTILE].number)
                   : mm_surface_stat(&surface, MM_IMAGE_SURFACE, 0.0);
    return 1;
}

static mm_value hausdorff_cell(const mm_group *x, const mm_args *args)
{
    return mm_surface_greatest(x, 0, has_percentile(args) ? (size_t)MM_SURFACE_PERCENTILE_A : (size_t)MM_SURFACE_MOST_A,
                               args->own[DIRECTED].number != 0.0);
}

static void hausdorff(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    each_cell(cells, args, hausdorff_cell, list);
}

static const char *hausdorff_note(const mm_cells *cells, const mm_args *args, const mm_value *list)
{
    size_t dim[3];

    shape(args, cells->images->count, dim);
    for (size_t i = 0; has_percentile(args) && i < dim[0] * dim[1]; i++)
        if (list[i].reason == MM_EMPTY_LABEL || list[i].reason == MM_EMPTY_PREDICTION)
            return "one mask is empty: the distance is infinite; the peer's percentile is nan (MONAI issue 9095)";
    return NULL;
}

/* ------------------------------------------------------------------ average */

enum { SYMMETRIC = OWN };

static size_t average_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const mm_surface_args surface = surface_args(args);

    stats[0] = mm_surface_stat(&surface, MM_IMAGE_SURFACE, 0.0);
    return 1;
}

static mm_value average_cell(const mm_group *x, const mm_args *args)
{
    const int both = args->own[SYMMETRIC].number != 0.0;
    const double sum = mm_wide(x, 0, MM_SURFACE_SUM_A) + (both ? mm_wide(x, 0, MM_SURFACE_SUM_B) : 0.0);
    const double size = mm_wide(x, 0, MM_SURFACE_SIZE_A) + (both ? mm_wide(x, 0, MM_SURFACE_SIZE_B) : 0.0);
    const mm_reason reason = mm_whole_reason(x, 0);

    return reason == MM_DEFINED ? mm_defined(sum / size) : mm_undefined(reason);
}

static void average_distance(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    each_cell(cells, args, average_cell, list);
}

/* --------------------------------------------------------------------- Dice */

enum { SUBVOXELS = OWN, THRESHOLDS };

static double threshold_of(const mm_args *args, size_t c)
{
    const size_t first = mm_monai_first(&args->own[BACKGROUND], args);

    return c < first ? -1.0 : args->own[THRESHOLDS].list[c - first];
}

static size_t dice_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    mm_surface_args surface = surface_args(args);
    double thresholds[MM_MOST_TOLERANCES];
    const size_t count = mm_tolerances(args, threshold_of, thresholds);

    surface.surfels = args->own[SUBVOXELS].number != 0.0;
    stats[0] = mm_surface_stat(&surface, MM_IMAGE_SURFACE, 0.0);
    for (size_t i = 0; i < count; i++)
        stats[1 + i] = mm_surface_stat(&surface, MM_IMAGE_SURFACE_WITHIN, thresholds[i]);
    return 1 + count;
}

static const char *dice_check(const mm_args *args)
{
    double thresholds[MM_MOST_TOLERANCES];

    if (args->own[THRESHOLDS].list == NULL ||
        args->own[THRESHOLDS].count != args->classes - mm_monai_first(&args->own[BACKGROUND], args))
        return "class_thresholds takes a list of one number for each scored class (class 0 is not with "
               "include_background=false)";
    if (mm_tolerances(args, threshold_of, thresholds) > MM_MOST_TOLERANCES)
        return "class_thresholds takes at most 11 different numbers";
    if (args->own[SUBVOXELS].number != 0.0 && args->own[METRIC].word != 0)
        return "use_subvoxels=true takes distance_metric=euclidean";
    return check_axes(args);
}

/* (size of a within the threshold + size of b within it) / (both sizes) */
static mm_value dice_cell(const mm_group *x, const mm_args *args)
{
    const size_t within = 1 + mm_tolerance_place(args, threshold_of, x->index);
    const mm_reason reason = mm_whole_reason(x, 0);

    if (reason == MM_EMPTY_LABEL || reason == MM_EMPTY_PREDICTION)
        return mm_defined(0.0);
    if (reason != MM_DEFINED)
        return mm_undefined(reason);
    return mm_ratio(mm_wide(x, within, MM_SURFACE_WITHIN_A) + mm_wide(x, within, MM_SURFACE_WITHIN_B),
                    mm_wide(x, 0, MM_SURFACE_SIZE_A) + mm_wide(x, 0, MM_SURFACE_SIZE_B), MM_ABSENT_IN_BOTH);
}

static void surface_dice(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    each_cell(cells, args, dice_cell, list);
}

/* ------------------------------------------------------------------- losses */

enum { ALPHA = MM_MONAI_BATCH + 1 };

static size_t loss_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = (mm_stat){.kind = MM_IMAGE_HAUSDORFF_DT, .form = mm_monai_form(args), .more = {args->own[ALPHA].number}};
    return 1;
}

static mm_value loss_cell(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(mm_wide(x, 0, 1), (double)x->scored, MM_NO_VOXELS);
}

static void hausdorff_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const mm_monai_mean mean = mm_monai_mean_of(args, NULL);

    mm_monai_losses(cells, args, &mean, loss_cell, list);
}

/* log(1 + loss), of each value where they are not reduced */
static void log_hausdorff_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    size_t dim[3] = {1, 1, 1}, values = 1;
    const unsigned rank = mm_monai_shape(args, cells->images->count, dim);

    for (unsigned axis = 0; axis < rank; axis++)
        values *= dim[axis];
    hausdorff_loss(cells, args, list);
    for (size_t i = 0; i < values; i++)
        if (list[i].reason == MM_DEFINED)
            list[i] = mm_defined(mm_log1p(list[i].value));
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define SURFACE_PARAMS \
    [BACKGROUND] = MM_MONAI_BACKGROUND_PARAM("false"), \
    [METRIC]     = MM_PARAM_METRIC, \
    [SPACING]    = MM_PARAM_SPACING

static const mm_param hausdorff_params[] = {SURFACE_PARAMS,
    [PERCENTILE] = {"percentile", MM_NUMBER, "none", 0, 100, "none",
                    "of the distances in each direction, linear between them; none and 0: the greatest"},
    [DIRECTED]   = {"directed", MM_BOOLEAN, "false", 0, 0, NULL, "from the prediction to the label only"}};
static const mm_param average_params[] = {SURFACE_PARAMS,
    [SYMMETRIC]  = {"symmetric", MM_BOOLEAN, "false", 0, 0, NULL, "mean over the distances of both directions together"}};
static const mm_param dice_params[] = {SURFACE_PARAMS,
    [SUBVOXELS]  = {"use_subvoxels", MM_BOOLEAN, "false", 0, 0, NULL,
                    "surface elements between voxels, by their area (or length), in place of voxels"},
    [THRESHOLDS] = {"class_thresholds", MM_NUMBERS, NULL, 0, 1e6, NULL, "tolerated distance, a list of one for each scored class"}};
static const mm_param loss_params[] = {MM_MONAI_FORM_PARAMS("false", "mean|sum|none"),
    [ALPHA]      = {"alpha", MM_NUMBER, "2", 0.001, 10, NULL, "power of the distances"}};

#define EMPTY "a mask is empty"
#define MASKS "; masks are those sent (a channel each), or the hard prediction"

static const mm_score rows[] = {
    {.info = {MM_MONAI_INFO("compute_hausdorff_distance", "Hausdorff distance between surfaces, or a percentile of it.",
                            "max(P(d(pred, label)), P(d(label, pred))) over surface voxels" MASKS, EMPTY, MM_METRIC, MM_LOWER),
              MM_PARAMS(hausdorff_params)},
     .stats = hausdorff_stats, .check = check_axes, .peer = hausdorff, .shape = shape, .note = hausdorff_note,
     .example = "monai.compute_hausdorff_distance(percentile=95)", .witness = NAN},
    {.info = {MM_MONAI_INFO("compute_average_surface_distance", "Mean distance from the prediction's surface to the label's.",
                            "mean d(pred, label), or of both directions together, over surface voxels" MASKS, EMPTY, MM_METRIC,
                            MM_LOWER), MM_PARAMS(average_params)},
     .stats = average_stats, .check = check_axes, .peer = average_distance, .shape = shape, .witness = NAN},
    {.info = {MM_MONAI_INFO("compute_surface_dice", "Share of both surfaces that lies within a tolerance of the other.",
                            "(|d(pred, label) <= t| + |d(label, pred) <= t|) / (both surfaces)" MASKS,
                            "both masks are empty", MM_METRIC, MM_HIGHER), MM_PARAMS(dice_params)},
     .stats = dice_stats, .check = dice_check, .peer = surface_dice, .shape = shape,
     .example = "monai.compute_surface_dice(include_background=true,class_thresholds=[1])", .witness = NAN},
    {.info = {MM_MONAI_LOSS("HausdorffDTLoss", "Squared errors, weighted by the distance from the border.",
                            "mean of (p-g)^2 (F(p)^alpha + F(g)^alpha), F = distance to the other side of the mask (p or g) > 1/2; "
                            "0 where there is no other side", "no voxel is scored"), MM_PARAMS(loss_params)},
     .stats = loss_stats, .check = mm_monai_check, .peer = hausdorff_loss, .shape = mm_monai_shape, .witness = 0.4375},
    {.info = {MM_MONAI_LOSS("LogHausdorffDTLoss", "Logarithm of one plus monai.HausdorffDTLoss.", "log(1 + monai.HausdorffDTLoss)",
                            "no voxel is scored"), MM_PARAMS(loss_params)},
     .stats = loss_stats, .check = mm_monai_check, .peer = log_hausdorff_loss, .shape = mm_monai_shape,
     .witness = 0.36290549368936859},
};
/* clang-format on */

const mm_score_family mm_peers_monai_distance = {rows, MM_COUNT(rows)};
