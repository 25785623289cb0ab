/*
 * peer_torchmetrics_distance.c - torchmetrics' distance between surfaces.
 */
#include "lib/peer_distance.h"
#include "lib/peer_torchmetrics.h"

#include <math.h>

enum { NUM, BACKGROUND, METRIC, SPACING, DIRECTED };

static size_t first_of(const mm_args *args)
{
    return args->own[BACKGROUND].number == 0.0 && args->classes > 1;
}

static size_t stats_of(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const mm_surface_args surface = {.metric = &args->own[METRIC], .spacing = &args->own[SPACING]};

    stats[0] = mm_surface_stat(&surface, MM_IMAGE_SURFACE, 0.0);
    return 1;
}

static const char *check(const mm_args *args)
{
    const char *wrong = mm_check_spacing(&args->own[SPACING], args);

    if (wrong != NULL)
        return wrong;
    if (args->spatial_rank != 0 && args->spatial_rank != 2)
        return "needs images of two spatial axes";
    if (args->own[METRIC].word != 0 && !mm_is_word(&args->own[SPACING]))
        return "spacing goes with distance_metric=euclidean";
    return mm_check_classes(&args->own[NUM], args);
}

static unsigned shape(const mm_args *args, size_t images, size_t dim[3])
{
    dim[0] = images;
    dim[1] = args->classes - first_of(args);
    return 2;
}

static void hausdorff(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const size_t first = first_of(args);

    for (size_t n = 0; n < cells->images->count; n++)
        for (size_t c = first; c < args->classes; c++) {
            const mm_group x = mm_cell(cells, n, c);

            *list++ = mm_surface_greatest(&x, 0, MM_SURFACE_MOST_A, args->own[DIRECTED].number != 0.0);
        }
}

static const char *note(const mm_cells *cells, const mm_args *args, const mm_value *list)
{
    (void)cells;
    (void)args;
    (void)list;
    return "the distance as it is defined; the peer's is another for images that are not square, and it fails when "
           "both "
           "masks are empty (torchmetrics issue 3300)";
}

/* clang-format off */
static const mm_param params[] = {
    [NUM]        = MM_PARAM_NUM_CLASSES,
    [BACKGROUND] = {"include_background", MM_BOOLEAN, "false", 0, 0, NULL,
                    "score class 0, too; with one class it is always scored"},
    [METRIC]     = MM_PARAM_METRIC,
    [SPACING]    = MM_PARAM_SPACING,
    [DIRECTED]   = {"directed", MM_BOOLEAN, "false", 0, 0, NULL, "from the prediction to the label only"}};

static const mm_score rows[] = {
    {.info = {MM_TM_INFO("hausdorff_distance", "Hausdorff distance between surfaces of images of two axes.",
                         "max(max d(pred, label), max d(label, pred)) over surface voxels; masks are those sent (a channel "
                         "each), or the hard prediction", "a mask is empty", MM_METRIC, MM_LOWER),
              MM_TM_PARAMS(params)},
     .stats = stats_of, .check = check, .peer = hausdorff, .shape = shape, .note = note, .witness = NAN},
};
/* clang-format on */

const mm_score_family mm_peers_torchmetrics_distance = {rows, MM_COUNT(rows)};
