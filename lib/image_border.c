/*
 * image_border.c - kinds that weigh voxels by their distance from the border of a mask, in voxels.
 *
 * Voxels that are not scored lie outside every mask.
 */
#include "lib/image_kinds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/surface.h"
#include "lib/tensor.h"

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

/* ---------------------------------------------------------- Hausdorff by DT */

enum { ALPHA };

/* Planes of one image, or of all its classes one after the other. */
typedef struct planes {
    mm_array array;
    size_t voxels;
    double *p, *g, *field, *weight;
    unsigned char *mask;
} planes;

static int planes_new(planes *of, const mm_field *field, size_t classes)
{
    size_t bytes;

    *of = (planes){.array = array_of(field)};
    if (!mm_multiply(classes, field->voxels, &of->voxels) || !mm_multiply(of->voxels, sizeof(double), &bytes))
        return 0;
    of->p = malloc(bytes);
    of->g = malloc(bytes);
    of->field = malloc(bytes);
    of->weight = calloc(of->voxels, sizeof *of->weight);
    of->mask = malloc(of->voxels);
    return of->p != NULL && of->g != NULL && of->field != NULL && of->weight != NULL && of->mask != NULL;
}

static void planes_free(planes *of)
{
    free(of->p);
    free(of->g);
    free(of->field);
    free(of->weight);
    free(of->mask);
}

/* The distances of a full mask: none; or of all classes together, those to the place before the first voxel. */
static void fill_full(planes *of, int joint)
{
    for (size_t v = 0; v < of->voxels; v++) {
        double squared = 0.0;

        for (size_t left = v, axis = of->array.rank; axis-- > 0; left /= of->array.dim[axis]) {
            const double steps = (double)(left % of->array.dim[axis]) + (axis == 0 ? 1.0 : 0.0);

            squared += steps * steps;
        }
        of->field[v] = joint ? squared : 0.0;
    }
}

/* weight += F^alpha, F how far each voxel is from the other side of the mask x > 1/2; 0 when there is no other side. */
static int add_distances(planes *of, const double *x, double alpha, int joint)
{
    size_t inside = 0;

    for (size_t v = 0; v < of->voxels; v++)
        inside += of->mask[v] = x[v] > 0.5;
    for (unsigned char side = 0; side < 2; side++) {
        if (side == 1 && inside == of->voxels)
            fill_full(of, joint);
        else if (inside == 0 || inside == of->voxels)
            continue;
        else if (!mm_distance_of_mask(of->mask, side, &of->array, MM_EUCLIDEAN, of->field))
            return 0;
        for (size_t v = 0; v < of->voxels; v++)
            if (of->mask[v] == side)
                of->weight[v] += mm_pow(sqrt(of->field[v]), alpha);
    }
    return 1;
}

/* sum (p-g)^2 (F(p)^alpha + F(g)^alpha) */
static int weigh_errors(const mm_field *field, planes *of, double alpha, int joint, double *sum)
{
    if (!add_distances(of, of->p, alpha, joint) || !add_distances(of, of->g, alpha, joint))
        return 0;
    for (size_t v = 0; v < of->voxels; v++)
        of->field[v] = (of->p[v] - of->g[v]) * (of->p[v] - of->g[v]) * of->weight[v];
    *sum = mm_plane_sum(field->pass->k, of->field, of->voxels);
    return 1;
}

static int hausdorff(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    planes of;
    int fine = planes_new(&of, field, 1);

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
    int fine = planes_new(&of, field, classes);

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

/* A distance that is there. */
static double finite_or_0(double squared)
{
    return squared < INFINITY ? sqrt(squared) : 0.0;
}

/* sum p phi, phi = distance to the label outside, 1 - distance to the outside inside; 0 where there is no border. */
static int boundary(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    planes of;
    int fine = planes_new(&of, field, 1) && mm_field_masks(field, 0, class_index, of.mask, NULL);

    (void)stat;
    for (size_t v = 0; fine && v < of.voxels; v++)
        of.mask[v] = of.mask[v] == 1;
    if (fine)
        mm_field_planes(field, 0, class_index, of.p, of.g, NULL);
    for (unsigned char side = 0; fine && side < 2; side++) {
        fine = mm_distance_of_mask(of.mask, side, &of.array, MM_EUCLIDEAN, of.field);
        for (size_t v = 0; fine && v < of.voxels; v++)
            if (of.mask[v] == side && of.field[v] < INFINITY)
                of.weight[v] = side ? 1.0 - sqrt(of.field[v]) : sqrt(of.field[v]);
    }
    if (fine) {
        for (size_t v = 0; v < of.voxels; v++)
            of.weight[v] *= of.p[v];
        values[1] = mm_plane_sum(field->pass->k, of.weight, of.voxels);
    }
    planes_free(&of);
    return fine;
}

/* ---------------------------------------------------------------- near */

/* weight = 1 + f inside the label, 0 outside; f = (max d - d) / max (max d - d), d the distance to the outside; 0 when
 * all are as far, or there is no outside.  spread: max (max d - d). */
static int weigh_label(const mm_field *field, planes *of, size_t class_index, double *spread)
{
    double most = 0.0, least = INFINITY;

    if (!mm_field_masks(field, 0, class_index, of->mask, NULL) ||
        !mm_distance_of_mask(of->mask, 1, &of->array, MM_EUCLIDEAN, of->field))
        return 0;
    for (size_t v = 0; v < of->voxels; v++)
        if (of->mask[v] == 1) {
            most = fmax(most, finite_or_0(of->field[v]));
            least = fmin(least, finite_or_0(of->field[v]));
        }
    *spread = most > least ? most - least : 0.0;
    for (size_t v = 0; v < of->voxels; v++)
        if (of->mask[v] == 1)
            of->weight[v] = 1.0 + (*spread > 0.0 ? (most - finite_or_0(of->field[v])) / *spread : 0.0);
    return 1;
}

/* Of the cross-entropy, or of p. */
static int near_border(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    planes of;
    const int fine = planes_new(&of, field, 1) && weigh_label(field, &of, class_index, &values[2]);

    if (fine) {
        if (stat->kind == MM_IMAGE_NEAR_ENTROPY)
            mm_field_cross_entropy(field, 0, stat->eps, of.p, of.g);
        else
            mm_field_planes(field, 0, class_index, of.p, NULL, NULL);
        for (size_t v = 0; v < of.voxels; v++)
            of.weight[v] *= of.p[v];
        values[1] = mm_plane_sum(field->pass->k, of.weight, of.voxels);
    }
    planes_free(&of);
    return fine;
}

/* clang-format off */
const mm_image_kind mm_image_border[] = {
    {.kind = MM_IMAGE_HAUSDORFF_DT, .words = "errors by their distance from the border", .values = 1, .planes = 5,
     .compute = hausdorff},
    {.kind = MM_IMAGE_HAUSDORFF_DT_JOINT, .words = "errors by their distance from the border, all classes together",
     .joint = 1, .values = 1, .class_planes = 5, .compute = hausdorff_joint},
    {.kind = MM_IMAGE_BOUNDARY, .words = "predictions by their signed distance from the label", .values = 1, .planes = 5,
     .compute = boundary},
    {.kind = MM_IMAGE_NEAR_ENTROPY, .words = "cross-entropy by nearness to the border", .needs_probs = 1, .values = 2,
     .planes = 5, .compute = near_border},
    {.kind = MM_IMAGE_NEAR_OVERLAP, .words = "overlap by nearness to the border", .values = 2, .planes = 5,
     .compute = near_border},
    {.kind = 0},
};
/* clang-format on */
