/*
 * image_skeleton.c - kinds made of skeletons: sums of soft ones, and of those of hard masks.
 *
 * Erosion takes the least value of a voxel and its neighbours along the axes, dilation the greatest of all voxels
 * around; outside the image there is nothing that could win.  What is not scored is 0.
 */
#include "lib/image_kinds.h"

#include <stdlib.h>
#include <string.h>

#include "lib/window.h"

/* Planes of one image. */
enum { PRED, LABEL, THIN, ERODED, OPENED, ROOM, SKELETON, PLANES };

typedef struct planes {
    mm_grid grid;
    double *block;
} planes;

static int planes_new(planes *of, const mm_field *field)
{
    of->grid = mm_grid_of(field->pass->shape.spatial_rank, field->pass->shape.spatial);
    of->block = calloc(PLANES, of->grid.voxels * sizeof *of->block);
    return of->block != NULL;
}

static double *plane(const planes *of, size_t index)
{
    return of->block + index * of->grid.voxels;
}

static void copy(const planes *of, size_t to, size_t from)
{
    memcpy(plane(of, to), plane(of, from), of->grid.voxels * sizeof(double));
}

/* -------------------------------------------------------------- neighbours */

static void keep_least(double *to, const double *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = from[i] < to[i] ? from[i] : to[i];
}

static void keep_greatest(double *to, const double *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = from[i] > to[i] ? from[i] : to[i];
}

/* Brings both neighbours along one axis to each voxel. */
static void look_along(double *to, const double *from, const mm_grid *grid, unsigned axis,
                       void (*keep)(double *to, const double *from, size_t count))
{
    const size_t length = grid->dim[2], stride = grid->stride[axis];
    size_t at[2];

    for (at[0] = 0; at[0] < grid->dim[0]; at[0]++)
        for (at[1] = 0; at[1] < grid->dim[1]; at[1]++) {
            const size_t row = at[0] * grid->stride[0] + at[1] * grid->stride[1];

            if (axis == 2) {
                keep(to + row + 1, from + row, length - 1);
                keep(to + row, from + row + 1, length - 1);
                continue;
            }
            if (at[axis] > 0)
                keep(to + row, from + row - stride, length);
            if (at[axis] + 1 < grid->dim[axis])
                keep(to + row, from + row + stride, length);
        }
}

static void erode(const planes *of, size_t to, size_t from)
{
    copy(of, to, from);
    for (unsigned axis = of->grid.first; axis < 3; axis++)
        look_along(plane(of, to), plane(of, from), &of->grid, axis, keep_least);
}

/* One axis after the other, in turn into `to` and ROOM so that the last one ends in `to`. */
static void dilate(const planes *of, size_t to, size_t from)
{
    for (unsigned axis = of->grid.first; axis < 3; axis++) {
        const size_t next = (2 - axis) % 2 == 0 ? to : (size_t)ROOM;

        copy(of, next, from);
        look_along(plane(of, next), plane(of, from), &of->grid, axis, keep_greatest);
        from = next;
    }
}

/* ------------------------------------------------------------ soft skeletons */

static double positive(double x)
{
    return x > 0.0 ? x : 0.0;
}

/* SKELETON of plane `of_what`: S = relu(x - open x); again and again x = erode x, d = relu(x - open x),
 * S = S + relu(d - S d). */
static void soft_skeleton(const planes *of, size_t of_what, size_t iterations)
{
    const size_t bytes = of->grid.voxels * sizeof(double);
    double *skeleton = plane(of, SKELETON);
    size_t thin = THIN, eroded = ERODED;

    memset(skeleton, 0, bytes);
    copy(of, THIN, of_what);
    for (size_t i = 0; i <= iterations; i++) {
        const double *x = plane(of, thin), *opened = plane(of, OPENED);
        const size_t swap = thin;

        erode(of, eroded, thin);
        dilate(of, OPENED, eroded);
        for (size_t v = 0; v < of->grid.voxels; v++) {
            const double d = positive(x[v] - opened[v]);

            skeleton[v] += positive(d - skeleton[v] * d);
        }
        if (memcmp(plane(of, eroded), x, bytes) == 0) /* nothing more to erode: what is left has no skeleton */
            break;
        thin = eroded;
        eroded = swap;
    }
}

/* sum of SKELETON and of its product with another plane */
static void sum_skeleton(const planes *of, const mm_kernels *k, size_t other, double *with_other, double *alone)
{
    const double *skeleton = plane(of, SKELETON), *factor = plane(of, other);
    double *product = plane(of, OPENED);

    for (size_t v = 0; v < of->grid.voxels; v++)
        product[v] = skeleton[v] * factor[v];
    *with_other = mm_plane_sum(k, product, of->grid.voxels);
    *alone = mm_plane_sum(k, skeleton, of->grid.voxels);
}

static int cldice(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    const mm_kernels *k = field->pass->k;
    const size_t iterations = stat->more[0] >= 1.0 && stat->more[0] <= 1e6 ? (size_t)stat->more[0] : 0;
    planes of;

    if (!planes_new(&of, field))
        return 0;
    mm_field_planes(field, 0, class_index, plane(&of, PRED), plane(&of, LABEL), NULL);
    soft_skeleton(&of, PRED, iterations);
    sum_skeleton(&of, k, LABEL, &values[1], &values[2]);
    soft_skeleton(&of, LABEL, iterations);
    sum_skeleton(&of, k, PRED, &values[3], &values[4]);
    free(of.block);
    return 1;
}

/* ------------------------------------------------------------ hard skeletons */

#define FAR 1e300 /* no voxel outside the mask: it never erodes */

/* Steps along the axes from each voxel of a mask to the nearest one outside it, both passes along one axis. */
static void step_along(double *distance, const mm_grid *grid, unsigned axis)
{
    const size_t stride = grid->stride[axis], length = grid->dim[axis];

    for (size_t v = 0; v < grid->voxels; v++)
        if (v / stride % length > 0 && distance[v - stride] + 1.0 < distance[v])
            distance[v] = distance[v - stride] + 1.0;
    for (size_t v = grid->voxels; v-- > 0;)
        if (v / stride % length + 1 < length && distance[v + stride] + 1.0 < distance[v])
            distance[v] = distance[v + stride] + 1.0;
}

/* SKELETON of a mask, as the soft one without end would be.  What is left after k erosions are the voxels more than k
 * steps inside, so a voxel d steps inside is in it when none around it lies deeper: it is there at k = d - 1, and
 * opening takes it away. */
static void hard_skeleton(const planes *of, const unsigned char *mask)
{
    double *depth = plane(of, THIN), *skeleton = plane(of, SKELETON);
    const double *around = plane(of, OPENED);

    for (size_t v = 0; v < of->grid.voxels; v++)
        depth[v] = mask[v] == 1 ? FAR : 0.0;
    for (unsigned axis = of->grid.first; axis < 3; axis++)
        step_along(depth, &of->grid, axis);
    dilate(of, OPENED, THIN);
    for (size_t v = 0; v < of->grid.voxels; v++)
        skeleton[v] = depth[v] > 0.0 && depth[v] < FAR && depth[v] == around[v] ? 1.0 : 0.0;
}

static void set_plane(const planes *of, size_t to, const unsigned char *mask)
{
    for (size_t v = 0; v < of->grid.voxels; v++)
        plane(of, to)[v] = mask[v] == 1 ? 1.0 : 0.0;
}

static int cldice_hard(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    unsigned char *label = malloc(field->voxels), *pred = malloc(field->voxels);
    planes of = {.block = NULL};
    const int fine =
        label != NULL && pred != NULL && mm_field_masks(field, 0, class_index, label, pred) && planes_new(&of, field);

    (void)stat;
    if (fine) {
        set_plane(&of, PRED, pred);
        set_plane(&of, LABEL, label);
        hard_skeleton(&of, pred);
        sum_skeleton(&of, field->pass->k, LABEL, &values[1], &values[2]);
        hard_skeleton(&of, label);
        sum_skeleton(&of, field->pass->k, PRED, &values[3], &values[4]);
    }
    free(of.block);
    free(label);
    free(pred);
    return fine;
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
const mm_image_kind mm_image_skeleton[] = {
    {.kind = MM_IMAGE_CLDICE, .words = "soft skeletons of each class", .needs_probs = 1, .values = 4, .planes = PLANES,
     .compute = cldice},
    {.kind = MM_IMAGE_CLDICE_HARD, .words = "skeletons of each class' masks", .values = 4, .planes = PLANES + 1,
     .compute = cldice_hard},
    {.kind = 0},
};
/* clang-format on */
