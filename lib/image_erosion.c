/*
 * image_erosion.c - kinds that erode: the errors of an image that are left after each of several soft erosions.
 */
#include "lib/image_kinds.h"

#include <stdlib.h>
#include <string.h>

#include "lib/tensor.h"
#include "lib/window.h"

enum { ALPHA, EROSIONS }; /* places in mm_stat.more */

/* Planes of one image: the errors of each class, whether a voxel is scored, and room for one more. */
typedef struct errors {
    mm_grid grid;
    size_t classes;
    double *b, *scored, *room;
} errors;

static int errors_new(errors *of, const mm_field *field)
{
    const mm_shape *shape = &field->pass->shape;
    size_t count, bytes;

    *of = (errors){.grid = mm_grid_of(shape->spatial_rank, shape->spatial), .classes = shape->classes};
    if (!mm_multiply(shape->classes, field->voxels, &count) || !mm_multiply(count, sizeof *of->b, &bytes))
        return 0;
    of->b = malloc(bytes);
    of->scored = malloc(field->voxels * sizeof *of->scored);
    of->room = malloc(field->voxels * sizeof *of->room);
    return of->b != NULL && of->scored != NULL && of->room != NULL;
}

static void errors_free(errors *of)
{
    free(of->b);
    free(of->scored);
    free(of->room);
}

/* b = (p - g)^2, 0 where not scored */
static void load(errors *of, const mm_field *field)
{
    for (size_t c = 0; c < of->classes; c++) {
        double *b = of->b + c * of->grid.voxels;

        mm_field_planes(field, 0, c, b, of->room, of->scored);
        for (size_t v = 0; v < of->grid.voxels; v++)
            b[v] = (b[v] - of->room[v]) * (b[v] - of->room[v]);
    }
}

/* Adds the two neighbours of each voxel along one axis; outside the image there is 0. */
static void add_neighbours(double *to, const double *from, const mm_grid *grid, unsigned axis)
{
    const size_t step = grid->stride[axis], length = grid->dim[axis];

    for (size_t v = 0; v < grid->voxels; v++) {
        const size_t at = v / step % length;

        to[v] += (at > 0 ? from[v - step] : 0.0) + (at + 1 < length ? from[v + step] : 0.0);
    }
}

/* b = relu(K * b - 1/2), K the mean over a voxel and its neighbours along each axis; 0 where not scored */
static void erode(const errors *of, double *b)
{
    const mm_grid *grid = &of->grid;
    const double weight = 1.0 / (double)(2 * (3 - grid->first) + 1);

    memcpy(of->room, b, grid->voxels * sizeof *b);
    for (unsigned axis = grid->first; axis < 3; axis++)
        add_neighbours(of->room, b, grid, axis);
    for (size_t v = 0; v < grid->voxels; v++) {
        const double left = weight * of->room[v] - 0.5;

        b[v] = left > 0.0 && of->scored[v] != 0.0 ? left : 0.0;
    }
}

/* (b - least) / (greatest - least) over the scored voxels of all classes, unless all are the same */
static void rescale(const errors *of)
{
    const size_t voxels = of->grid.voxels;
    double least = 1.0, greatest = 0.0;

    for (size_t i = 0; i < of->classes * voxels; i++)
        if (of->scored[i % voxels] != 0.0) {
            least = of->b[i] < least ? of->b[i] : least;
            greatest = of->b[i] > greatest ? of->b[i] : greatest;
        }
    for (size_t i = 0; greatest > least && i < of->classes * voxels; i++)
        if (of->scored[i % voxels] != 0.0)
            of->b[i] = (of->b[i] - least) / (greatest - least);
}

/* sum over voxels and classes of sum_k b_k k^alpha */
static int erosion(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    errors of;
    const int fine = errors_new(&of, field);

    (void)class_index;
    if (fine)
        load(&of, field);
    for (size_t k = 1; fine && k <= (size_t)stat->more[EROSIONS]; k++) {
        for (size_t c = 0; c < of.classes; c++)
            erode(&of, of.b + c * of.grid.voxels);
        rescale(&of);
        const double left = mm_plane_sum(field->pass->k, of.b, of.classes * of.grid.voxels);

        values[1] += left * mm_pow((double)k, stat->more[ALPHA]);
        if (left == 0.0)
            break;
    }
    errors_free(&of);
    return fine;
}

/* clang-format off */
const mm_image_kind mm_image_erosion[] = {
    {.kind = MM_IMAGE_EROSION_JOINT, .words = "errors left after erosions, all classes together",
     .numbers = {"alpha", "erosions"}, .holds = "sum", .joint = 1,
     .needs_probs = 0, .values = 1, .planes = 2, .class_planes = 1, .compute = erosion},
    {.kind = 0},
};
/* clang-format on */
