/*
 * image_distance.c - kinds made of distances between the surfaces of hard masks.
 *
 * Voxels that are not scored lie outside every mask.
 */
#include "lib/image_kinds.h"

#include <math.h>
#include <stdlib.h>

#include "lib/surface.h"

/* The voxels of an image, all spacings 1. */
static mm_array array_of(const mm_field *field)
{
    const mm_shape *shape = &field->pass->shape;
    mm_array array = {.rank = shape->spatial_rank};

    for (unsigned axis = 0; axis < shape->spatial_rank; axis++) {
        array.dim[axis] = shape->spatial[axis];
        array.spacing[axis] = 1.0;
    }
    return array;
}

/* ----------------------------------------------------------------- surfaces */

/* Both masks of one class, each channel by itself. */
static int masks_of_channels(const mm_field *field, size_t class_index, unsigned char *label, unsigned char *pred)
{
    double *p = malloc(field->voxels * sizeof *p), *g = malloc(field->voxels * sizeof *g);
    const int fine = p != NULL && g != NULL;

    if (fine)
        mm_field_planes(field, 0, class_index, p, g, NULL);
    for (size_t v = 0; fine && v < field->voxels; v++) {
        label[v] = g[v] > 0.5;
        pred[v] = p[v] > 0.5;
    }
    free(p);
    free(g);
    return fine;
}

static void reduce_all(const mm_directed of[2], double *values)
{
    for (size_t side = 0; side < 2; side++) {
        values[MM_SURFACE_SUM_A + side] = mm_directed_sum(&of[side]);
        values[MM_SURFACE_SQUARES_A + side] = mm_directed_square_sum(&of[side]);
        values[MM_SURFACE_MOST_A + side] = of[side].elements[of[side].count - 1].distance;
    }
}

static int reduce_percentiles(const mm_directed of[2], mm_surface surface, double q, double *values)
{
    mm_directed joined;
    const int fine = mm_directed_join(of, &joined);

    for (size_t side = 0; side < 2; side++)
        values[MM_SURFACE_PERCENTILE_A + side] = mm_directed_percentile(&of[side], surface, q);
    if (fine)
        values[MM_SURFACE_PERCENTILE] = mm_directed_percentile(&joined, surface, q);
    mm_directed_free(&joined);
    return fine;
}

/* From edge to edge, by the metric. */
static double diagonal(const mm_array *array, mm_metric metric)
{
    double squares = 0.0, steps = 0.0, most = 0.0;

    for (unsigned axis = 0; axis < array->rank; axis++) {
        const double length = (double)array->dim[axis], size = length * array->spacing[axis];

        squares += size * size;
        steps += length;
        most = fmax(most, length);
    }
    return metric == MM_EUCLIDEAN ? sqrt(squares) : metric == MM_TAXICAB ? steps : most;
}

static int reduce(const mm_directed of[2], const mm_array *array, const mm_stat *stat, mm_surface surface,
                  double *values)
{
    const int some = of[0].count > 0 && of[1].count > 0;

    values[MM_SURFACE_REASON] = some              ? MM_DEFINED
                                : of[0].count > 0 ? MM_EMPTY_LABEL
                                : of[1].count > 0 ? MM_EMPTY_PREDICTION
                                                  : MM_ABSENT_IN_BOTH;
    if (stat->kind == MM_IMAGE_SURFACE) {
        values[MM_SURFACE_SIZE_A] = mm_directed_weight(&of[0]);
        values[MM_SURFACE_SIZE_B] = mm_directed_weight(&of[1]);
        values[MM_SURFACE_DIAGONAL] =
            diagonal(array, (mm_metric)((unsigned)stat->more[MM_SURFACE_OPTIONS] & MM_SURFACE_METRIC));
        if (some)
            reduce_all(of, values);
    } else if (stat->kind == MM_IMAGE_SURFACE_WITHIN) {
        for (size_t side = 0; some && side < 2; side++)
            values[MM_SURFACE_WITHIN_A + side] = mm_directed_within(&of[side], stat->more[MM_SURFACE_TOLERANCE]);
    } else if (some) {
        return reduce_percentiles(of, surface, stat->more[MM_SURFACE_Q], values);
    }
    return 1;
}

static int compare(const unsigned char *pred, const unsigned char *label, const mm_array *array, const mm_stat *stat,
                   double *values)
{
    const unsigned options = (unsigned)stat->more[MM_SURFACE_OPTIONS];
    const mm_surface surface = options & MM_SURFACE_SURFELS ? MM_SURFACE_SURFEL : MM_SURFACE_VOXEL;
    mm_directed of[2];

    if (!mm_surface_distances(pred, label, array, surface, (mm_metric)(options & MM_SURFACE_METRIC), of))
        return 0;
    const int fine = reduce(of, array, stat, surface, values);

    mm_directed_free(&of[0]);
    mm_directed_free(&of[1]);
    return fine;
}

static int surfaces(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    const int channels = field->pass->shape.pred_kind == MM_MASKS &&
                         ((unsigned)stat->more[MM_SURFACE_OPTIONS] & MM_SURFACE_CHANNELS) != 0;
    unsigned char *label = malloc(field->voxels), *pred = malloc(field->voxels);
    mm_array array = array_of(field);
    int fine = label != NULL && pred != NULL;

    for (unsigned axis = 0; axis < array.rank; axis++)
        array.spacing[axis] = stat->more[MM_SURFACE_SPACING + axis] > 0.0 ? stat->more[MM_SURFACE_SPACING + axis]
                                                                          : field->pass->spacing[axis];
    if (fine)
        fine = channels ? masks_of_channels(field, class_index, label, pred)
                        : mm_field_masks(field, 0, class_index, label, pred);
    if (fine)
        fine = compare(pred, label, &array, stat, values);
    free(label);
    free(pred);
    return fine;
}

/* clang-format off */
const mm_image_kind mm_image_distance[] = {
    {.kind = MM_IMAGE_SURFACE, .words = "distances between surfaces", .values = MM_SURFACE_VALUES - 1, .planes = 12,
     .compute = surfaces},
    {.kind = MM_IMAGE_SURFACE_PERCENTILE, .words = "a percentile of distances between surfaces",
     .values = MM_SURFACE_PERCENTILES - 1, .planes = 12, .compute = surfaces},
    {.kind = MM_IMAGE_SURFACE_WITHIN, .words = "surfaces within a tolerance", .values = MM_SURFACE_WITHINS - 1, .planes = 12,
     .compute = surfaces},
    {.kind = 0},
};
/* clang-format on */
