/*
 * image_border.c - kinds that weigh voxels by their distance from the border of a mask, in voxels.
 *
 * Voxels that are not scored lie outside every mask.
 */
#include "lib/image_kinds.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/crop.h"
#include "lib/tensor.h"

/* Planes of one image, or of all its classes one after the other. */
typedef struct planes {
    mm_array array; /* all spacings 1 */
    size_t voxels;
    double *p, *g, *field;       /* g: only where it was asked for */
    unsigned char *mask, *other; /* of the label, of the prediction */
} planes;

static int planes_new(planes *of, const mm_field *field, size_t classes, int with_g)
{
    const mm_shape *shape = &field->pass->shape;
    size_t bytes;

    *of = (planes){.array = {.rank = shape->spatial_rank}};
    for (unsigned axis = 0; axis < shape->spatial_rank; axis++) {
        of->array.dim[axis] = shape->spatial[axis];
        of->array.spacing[axis] = 1.0;
    }
    if (!mm_multiply(classes, field->voxels, &of->voxels) || !mm_multiply(of->voxels, sizeof(double), &bytes))
        return 0;
    of->p = malloc(bytes);
    of->g = with_g ? malloc(bytes) : NULL;
    of->field = malloc(bytes);
    of->mask = malloc(of->voxels);
    of->other = malloc(of->voxels);
    return of->p != NULL && (of->g != NULL || !with_g) && of->field != NULL && of->mask != NULL && of->other != NULL;
}

static void planes_free(planes *of)
{
    free(of->p);
    free(of->g);
    free(of->field);
    free(of->mask);
    free(of->other);
}

static double sum_of_p(const mm_field *field, const planes *of)
{
    return mm_plane_sum(field->pass->k, of->p, of->voxels);
}

/* ---------------------------------------------------------- Hausdorff by DT */

enum { ALPHA };

/* The distances of a full mask: none; or of all classes together, those to the place before the first voxel. */
static void fill_full(planes *of, int joint)
{
    for (size_t v = 0; v < of->voxels; v++) {
        double squared = 0.0;

        for (size_t left = v, axis = of->array.rank; joint && axis-- > 0; left /= of->array.dim[axis]) {
            const double steps = (double)(left % of->array.dim[axis]) + (axis == 0 ? 1.0 : 0.0);

            squared += steps * steps;
        }
        of->field[v] = squared;
    }
}

/* g += F^alpha, F how far each voxel is from the other side of the mask; 0 when there is no other side. */
static int add_distances(planes *of, const unsigned char *mask, double alpha, int joint)
{
    size_t inside = 0;

    for (size_t v = 0; v < of->voxels; v++)
        inside += mask[v];
    for (unsigned char side = 0; side < 2; side++) {
        if (side == 1 && inside == of->voxels)
            fill_full(of, joint);
        else if (inside == 0 || inside == of->voxels)
            continue;
        else if (!mm_distance_of_mask(mask, side, &of->array, MM_EUCLIDEAN, of->field))
            return 0;
        for (size_t v = 0; v < of->voxels; v++)
            if (mask[v] == side)
                of->g[v] += mm_pow(sqrt(of->field[v]), alpha);
    }
    return 1;
}

/* sum (p-g)^2 (F(p)^alpha + F(g)^alpha), masks p, g > 1/2 */
static int weigh_errors(const mm_field *field, planes *of, double alpha, int joint, double *sum)
{
    for (size_t v = 0; v < of->voxels; v++) {
        const double error = of->p[v] - of->g[v];

        of->mask[v] = of->g[v] > 0.5;
        of->other[v] = of->p[v] > 0.5;
        of->p[v] = error * error;
        of->g[v] = 0.0;
    }
    if (!add_distances(of, of->other, alpha, joint) || !add_distances(of, of->mask, alpha, joint))
        return 0;
    for (size_t v = 0; v < of->voxels; v++)
        of->p[v] *= of->g[v];
    *sum = sum_of_p(field, of);
    return 1;
}

static int hausdorff(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    planes of;
    int fine = planes_new(&of, field, 1, 1);

    if (fine) {
        mm_field_planes(field, 0, class_index, of.p, of.g, NULL);
        fine = weigh_errors(field, &of, stat->more[ALPHA], 0, &values[1]);
    }
    planes_free(&of);
    return fine;
}

static int hausdorff_joint(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    const size_t classes = field->pass->shape.classes;
    planes of;
    int fine = planes_new(&of, field, classes, 1);

    (void)class_index;
    if (fine) {
        for (size_t c = 0; c < classes; c++)
            mm_field_planes(field, 0, c, of.p + c * field->voxels, of.g + c * field->voxels, NULL);
        memmove(of.array.dim + 1, of.array.dim, of.array.rank * sizeof *of.array.dim);
        of.array.dim[0] = classes;
        of.array.spacing[of.array.rank++] = 1.0;
        fine = weigh_errors(field, &of, stat->more[ALPHA], 1, &values[1]);
    }
    planes_free(&of);
    return fine;
}

/* ----------------------------------------------------------------- boundary */

/* sum p phi, phi = distance to the label outside, 1 - distance to the outside inside; 0 where there is no border. */
static int boundary(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    planes of;
    int fine = planes_new(&of, field, 1, 0) && mm_field_masks(field, 0, class_index, of.mask, NULL);

    (void)stat;
    for (size_t v = 0; fine && v < of.voxels; v++)
        of.mask[v] = of.mask[v] == 1;
    if (fine)
        mm_field_planes(field, 0, class_index, of.p, NULL, NULL);
    for (unsigned char side = 0; fine && side < 2; side++) {
        fine = mm_distance_of_mask(of.mask, side, &of.array, MM_EUCLIDEAN, of.field);
        for (size_t v = 0; fine && v < of.voxels; v++)
            if (of.mask[v] == side)
                of.p[v] *= of.field[v] == INFINITY ? 0.0 : side ? 1.0 - sqrt(of.field[v]) : sqrt(of.field[v]);
    }
    if (fine)
        values[1] = sum_of_p(field, &of);
    planes_free(&of);
    return fine;
}

/* ----------------------------------------------------------------- entropy */

static int exclusive(const mm_field *field)
{
    return field->pass->shape.task == MM_MULTICLASS;
}

/* p = the cross-entropy of each voxel, 0 where its label is another class; independent masks: the binary one.  Hard
 * labels need the probabilities of their own class alone.  The field is left with anything in it. */
static void load_entropy(const mm_field *field, const mm_stat *stat, size_t class_index, planes *of)
{
    const int soft = exclusive(field) && field->pass->shape.label_kind != MM_INDEX;

    if (soft)
        mm_field_cross_entropy(field, 0, stat->eps, of->p, NULL);
    else
        mm_field_binary_entropy(field, 0, class_index, stat->eps, of->p, of->field);
    for (size_t v = 0; exclusive(field) && v < of->voxels; v++)
        if (of->mask[v] != 1)
            of->p[v] = 0.0;
}

/* The sum of the cross-entropy, and of that where the hard prediction differs from the label. */
static int wrong_entropy(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    planes of;
    const int fine = planes_new(&of, field, 1, 0) && mm_field_masks(field, 0, class_index, of.mask, of.other);

    if (fine) {
        load_entropy(field, stat, class_index, &of);
        values[1] = sum_of_p(field, &of);
        for (size_t v = 0; v < of.voxels; v++)
            if (of.mask[v] == of.other[v])
                of.p[v] = 0.0;
        values[2] = sum_of_p(field, &of);
    }
    planes_free(&of);
    return fine;
}

/* --------------------------------------------------------------------- near */

/* A distance that is there. */
static double finite_or_0(double squared)
{
    return squared < INFINITY ? sqrt(squared) : 0.0;
}

/* max d and min d of one side of a mask, d = distances whose squares are in the field. */
static void range_of(const double *field, const unsigned char *mask, unsigned char side, size_t voxels, double range[2])
{
    range[0] = INFINITY;
    range[1] = 0.0;
    for (size_t v = 0; v < voxels; v++)
        if (mask[v] == side) {
            range[0] = fmin(range[0], field[v]);
            range[1] = fmax(range[1], field[v]);
        }
    range[0] = finite_or_0(range[0]);
    range[1] = finite_or_0(range[1]);
}

/* p *= 1 + f on one side of the mask in a box of the image, f = (max d - d) / (max d - min d), d the distance to the
 * other side; 0 when all are as far, or there is no other side.  spread: max d - min d.  mask: of the box. */
static int weigh_side(planes *of, const mm_crop *box, unsigned char side, double *spread)
{
    double range[2];
    size_t v = 0;

    *spread = 0.0;
    if (box->voxels == 0)
        return 1;
    if (!mm_distance_of_mask(of->mask, side, &box->array, MM_EUCLIDEAN, of->field))
        return 0;
    range_of(of->field, of->mask, side, box->voxels, range);
    *spread = range[1] > range[0] ? range[1] - range[0] : 0.0;
    for (size_t i = 0; *spread > 0.0 && i < box->dim[0]; i++)
        for (size_t j = 0; j < box->dim[1]; j++) {
            double *p = of->p + mm_crop_row(box, i, j);

            for (size_t k = 0; k < box->dim[2]; k++, v++)
                p[k] *= of->mask[v] == side ? 1.0 + (range[1] - sqrt(of->field[v])) / *spread : 1.0;
        }
    return 1;
}

/* The same inside the mask, from the box of the mask alone, one voxel of the outside around it.  The mask is cut. */
static int weigh_inside(planes *of, double *spread)
{
    const mm_grid image = mm_grid_of(of->array.rank, of->array.dim);
    const mm_crop box = mm_crop_of(&image, of->mask, NULL, 1);

    mm_crop_take(&box, of->mask);
    return weigh_side(of, &box, 1, spread);
}

/* The same outside, in the whole image. */
static int weigh_outside(planes *of)
{
    const mm_grid image = mm_grid_of(of->array.rank, of->array.dim);
    mm_crop whole = {.image = image, .voxels = of->voxels, .array = of->array};
    double spread;

    memcpy(whole.dim, image.dim, sizeof whole.dim);
    return weigh_side(of, &whole, 0, &spread);
}

static int near_entropy(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    planes of;
    int fine = planes_new(&of, field, 1, 0) && mm_field_masks(field, 0, class_index, of.mask, NULL);

    if (fine) {
        load_entropy(field, stat, class_index, &of);
        fine = (exclusive(field) || weigh_outside(&of)) && weigh_inside(&of, &values[2]);
    }
    if (fine)
        values[1] = sum_of_p(field, &of);
    planes_free(&of);
    return fine;
}

static int near_overlap(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    planes of;
    int fine = planes_new(&of, field, 1, 0) && mm_field_masks(field, 0, class_index, of.mask, NULL);

    (void)stat;
    if (fine) {
        mm_field_planes(field, 0, class_index, of.p, of.field, NULL);
        for (size_t v = 0; v < of.voxels; v++)
            of.p[v] *= of.field[v];
        fine = weigh_inside(&of, &values[2]);
    }
    if (fine)
        values[1] = sum_of_p(field, &of);
    planes_free(&of);
    return fine;
}

/* -------------------------------------------------------------------- bands */

enum { RATIO, DISTANCE, METRIC };            /* places in more */
enum { REASON, IN_LABEL, IN_PRED, IN_BOTH }; /* values */

/* How deep a band is: as asked for, or a share of the diagonal in voxels, rounded, at least 1. */
static double depth_of(const mm_array *array, const mm_stat *stat)
{
    double squares = 0.0;

    if (stat->more[DISTANCE] > 0.0)
        return stat->more[DISTANCE];
    for (unsigned axis = 0; axis < array->rank; axis++)
        squares += (double)array->dim[axis] * (double)array->dim[axis];
    return fmax(1.0, rint(stat->more[RATIO] * sqrt(squares)));
}

/* How many steps a voxel of the box is from the nearest place outside the image. */
static double to_edge(const mm_crop *box, const size_t at[3])
{
    size_t least = SIZE_MAX;

    for (unsigned axis = box->image.first; axis < 3; axis++) {
        const size_t before = box->low[axis] + at[axis] + 1, after = box->image.dim[axis] + 1 - before;

        least = before < least ? before : least;
        least = after < least ? after : least;
    }
    return (double)least;
}

/* mask: 1 where it is 1 and the outside, or the image's edge, is at most `depth` away, else 0. */
static int keep_band(double *field, unsigned char *mask, const mm_crop *box, mm_metric metric, double depth)
{
    const double limit = metric == MM_EUCLIDEAN ? depth * depth : depth;
    size_t at[3], v = 0;

    if (!mm_distance_of_mask(mask, 1, &box->array, metric, field))
        return 0;
    for (at[0] = 0; at[0] < box->dim[0]; at[0]++)
        for (at[1] = 0; at[1] < box->dim[1]; at[1]++)
            for (at[2] = 0; at[2] < box->dim[2]; at[2]++, v++)
                mask[v] = mask[v] == 1 && (field[v] <= limit || to_edge(box, at) <= depth);
    return 1;
}

/* Of the box of both masks alone, one voxel of the outside around them. */
static int bands(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    const mm_metric metric = (mm_metric)stat->more[METRIC];
    planes of;
    int fine = planes_new(&of, field, 1, 0) && mm_field_masks(field, 0, class_index, of.mask, of.other);
    mm_crop box = {.voxels = 0};

    if (fine) {
        const mm_grid image = mm_grid_of(of.array.rank, of.array.dim);

        box = mm_crop_of(&image, of.mask, of.other, 1);
        mm_crop_take(&box, of.mask);
        mm_crop_take(&box, of.other);
    }
    if (fine && box.voxels > 0) {
        const double depth = depth_of(&of.array, stat);

        fine = keep_band(of.field, of.mask, &box, metric, depth) && keep_band(of.field, of.other, &box, metric, depth);
    }
    for (size_t v = 0; fine && v < box.voxels; v++) {
        values[IN_LABEL] += of.mask[v];
        values[IN_PRED] += of.other[v];
        values[IN_BOTH] += of.mask[v] && of.other[v];
    }
    planes_free(&of);
    return fine;
}

/* clang-format off */
const mm_image_kind mm_image_border[] = {
    {.kind = MM_IMAGE_HAUSDORFF_DT, .words = "errors by their distance from the border", .numbers = {"alpha"}, .holds = "sum",
     .values = 1, .planes = 5, .compute = hausdorff},
    {.kind = MM_IMAGE_HAUSDORFF_DT_JOINT, .words = "errors by their distance from the border, all classes together",
     .numbers = {"alpha"}, .holds = "sum", .joint = 1, .values = 1, .class_planes = 5, .compute = hausdorff_joint},
    {.kind = MM_IMAGE_BOUNDARY, .words = "predictions by their signed distance from the label", .holds = "sum", .values = 1,
     .planes = 6, .compute = boundary},
    {.kind = MM_IMAGE_NEAR_ENTROPY, .words = "cross-entropy by nearness to the border", .holds = "sum, range of the distances",
     .needs_probs = 1, .values = 2, .planes = 6, .compute = near_entropy},
    {.kind = MM_IMAGE_NEAR_OVERLAP, .words = "overlap by nearness to the border", .holds = "sum, range of the distances",
     .values = 2, .planes = 6, .compute = near_overlap},
    {.kind = MM_IMAGE_BANDS, .words = "bands along the inside of the borders", .numbers = {"ratio", "distance", "metric"},
     .holds = "voxels of the label's, of the prediction's, of both", .values = 3, .planes = 6, .compute = bands},
    {.kind = MM_IMAGE_WRONG_ENTROPY, .words = "cross-entropy where the hard prediction is wrong", .holds = "sum of all, of the wrong",
     .needs_probs = 1, .values = 2, .planes = 6, .compute = wrong_entropy},
    {.kind = 0},
};
/* clang-format on */
