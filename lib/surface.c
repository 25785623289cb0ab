/*
 * surface.c - surface elements of two masks in their joint box, and the distances between them.
 */
#include "lib/surface.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/surfel.h"
#include "lib/tensor.h"

#define AXES 3

/* ---------------------------------------------------------------------- box */

/* What part of the array both masks lie in: half-open. */
typedef struct box {
    size_t low[AXES], high[AXES];
    int empty;
} box;

static box box_of(const unsigned char *a, const unsigned char *b, const mm_array *array)
{
    const size_t voxels = mm_array_voxels(array);
    box of = {.empty = 1};

    for (size_t v = 0; v < voxels; v++) {
        if (a[v] != 1 && b[v] != 1)
            continue;
        for (size_t left = v, axis = array->rank; axis-- > 0; left /= array->dim[axis]) {
            const size_t at = left % array->dim[axis];

            of.low[axis] = of.empty || at < of.low[axis] ? at : of.low[axis];
            of.high[axis] = of.empty || at >= of.high[axis] ? at + 1 : of.high[axis];
        }
        of.empty = 0;
    }
    return of;
}

/* Is the voxel at a place of the box set?  Outside the box (below 0, too) nothing is. */
static int is_set(const unsigned char *mask, const mm_array *array, const box *of, const ptrdiff_t *at)
{
    size_t v = 0;

    for (unsigned axis = 0; axis < array->rank; axis++) {
        if (at[axis] < 0 || (size_t)at[axis] >= of->high[axis] - of->low[axis])
            return 0;
        v = v * array->dim[axis] + of->low[axis] + (size_t)at[axis];
    }
    return mask[v] == 1;
}

/* ----------------------------------------------------------------- elements */

/* The elements of one mask: weights over a grid, 0 where there is none. */
typedef struct elements {
    mm_array grid;
    double *weight, *field; /* owned; field: room for a transform */
    size_t places, count;
} elements;

static void elements_free(elements *of)
{
    free(of->weight);
    free(of->field);
}

/* A grid of the voxels of the box, or of the corners between them. */
static int elements_new(elements *of, const mm_array *array, const box *within, mm_surface surface)
{
    size_t bytes = sizeof(double);

    *of = (elements){.grid = *array, .places = 1};
    for (unsigned axis = 0; axis < array->rank; axis++) {
        const size_t length = within->high[axis] - within->low[axis];

        of->grid.dim[axis] = surface == MM_SURFACE_SURFEL ? length + 1 : length;
        if (!mm_multiply(bytes, of->grid.dim[axis], &bytes))
            return 0;
        of->places *= of->grid.dim[axis];
    }
    of->weight = malloc(bytes);
    of->field = malloc(bytes);
    return of->weight != NULL && of->field != NULL;
}

/* Set, with a neighbour along an axis that is not. */
static int is_voxel_element(const unsigned char *mask, const mm_array *array, const box *within, ptrdiff_t *at)
{
    int open = 0;

    if (!is_set(mask, array, within, at))
        return 0;
    for (unsigned axis = 0; !open && axis < array->rank; axis++)
        for (int step = -1; !open && step <= 1; step += 2) {
            at[axis] += step;
            open = !is_set(mask, array, within, at);
            at[axis] -= step;
        }
    return open;
}

/* Which voxels around the corner are set: the one at `at` has the highest index on every axis. */
static unsigned code_at(const unsigned char *mask, const mm_array *array, const box *within, const ptrdiff_t *at)
{
    const unsigned blocks = 1u << array->rank;
    unsigned code = 0;

    for (unsigned corner = 0; corner < blocks; corner++) {
        ptrdiff_t voxel[AXES];

        for (unsigned axis = 0; axis < array->rank; axis++)
            voxel[axis] = at[axis] - (corner >> (array->rank - 1 - axis) & 1 ? 0 : 1);
        code = code << 1 | (unsigned)is_set(mask, array, within, voxel);
    }
    return code;
}

static void find_elements(elements *of, const unsigned char *mask, const mm_array *array, const box *within,
                          mm_surface surface)
{
    double size[MM_SURFEL_CODES];
    ptrdiff_t at[AXES];

    if (surface == MM_SURFACE_SURFEL)
        mm_surfel_sizes(array->rank, array->spacing, size);
    of->count = 0;
    for (size_t v = 0; v < of->places; v++) {
        for (size_t left = v, axis = array->rank; axis-- > 0; left /= of->grid.dim[axis])
            at[axis] = (ptrdiff_t)(left % of->grid.dim[axis]);
        of->weight[v] = surface == MM_SURFACE_SURFEL ? size[code_at(mask, array, within, at)]
                                                     : (double)is_voxel_element(mask, array, within, at);
        of->count += of->weight[v] > 0.0;
    }
}

/* ---------------------------------------------------------------- distances */

static int by_distance(const void *x, const void *y)
{
    const mm_element *a = x, *b = y;

    if (a->distance != b->distance)
        return a->distance < b->distance ? -1 : 1;
    return (a->weight > b->weight) - (a->weight < b->weight);
}

static int directed_new(mm_directed *list, size_t count)
{
    *list = (mm_directed){.count = count};
    if (count > 0 && count <= SIZE_MAX / sizeof *list->elements)
        list->elements = malloc(count * sizeof *list->elements);
    return count == 0 || list->elements != NULL;
}

static void directed_sort(mm_directed *list)
{
    if (list->count > 0)
        qsort(list->elements, list->count, sizeof *list->elements, by_distance);
}

void mm_directed_free(mm_directed *list)
{
    free(list->elements);
    *list = (mm_directed){.count = 0};
}

/* Reads a transform of where `to` has none at each element of `from`. */
static int measure(const elements *from, const elements *to, mm_metric metric, mm_directed *list)
{
    size_t count = 0;

    for (size_t v = 0; v < to->places; v++)
        to->field[v] = to->weight[v] > 0.0 ? 0.0 : INFINITY;
    if (!mm_distance_transform(to->field, &to->grid, metric) || !directed_new(list, from->count))
        return 0;
    for (size_t v = 0; v < from->places; v++)
        if (from->weight[v] > 0.0)
            list->elements[count++] = (mm_element){
                .distance = metric == MM_EUCLIDEAN ? sqrt(to->field[v]) : to->field[v], .weight = from->weight[v]};
    directed_sort(list);
    return 1;
}

static int measure_both(const elements of[2], mm_metric metric, mm_directed out[2])
{
    const int fine = measure(&of[0], &of[1], metric, &out[0]) && measure(&of[1], &of[0], metric, &out[1]);

    if (!fine) {
        mm_directed_free(&out[0]);
        mm_directed_free(&out[1]);
    }
    return fine;
}

int mm_surface_distances(const unsigned char *a, const unsigned char *b, const mm_array *array, mm_surface surface,
                         mm_metric metric, mm_directed out[2])
{
    const box within = box_of(a, b, array);
    elements of[2] = {{.weight = NULL}, {.weight = NULL}};
    int fine;

    out[0] = out[1] = (mm_directed){.count = 0};
    if (within.empty)
        return 1;
    fine = elements_new(&of[0], array, &within, surface) && elements_new(&of[1], array, &within, surface);
    if (fine) {
        find_elements(&of[0], a, array, &within, surface);
        find_elements(&of[1], b, array, &within, surface);
        fine = measure_both(of, metric, out);
    }
    elements_free(&of[0]);
    elements_free(&of[1]);
    return fine;
}

/* --------------------------------------------------------------- reductions */

int mm_directed_join(const mm_directed lists[2], mm_directed *out)
{
    if (!directed_new(out, lists[0].count + lists[1].count))
        return 0;
    for (size_t i = 0; i < out->count; i++)
        out->elements[i] = i < lists[0].count ? lists[0].elements[i] : lists[1].elements[i - lists[0].count];
    directed_sort(out);
    return 1;
}

double mm_directed_weight(const mm_directed *list)
{
    double sum = 0.0;

    for (size_t i = 0; i < list->count; i++)
        sum += list->elements[i].weight;
    return sum;
}

static double linear_percentile(const mm_directed *list, double q)
{
    const double place = (double)(list->count - 1) * q / 100.0;
    const size_t below = (size_t)place, above = below + 1 < list->count ? below + 1 : below;
    const double low = list->elements[below].distance, high = list->elements[above].distance;

    return low == high ? low : low + (place - (double)below) * (high - low);
}

double mm_directed_percentile(const mm_directed *list, mm_surface surface, double q)
{
    const double all = mm_directed_weight(list);
    double sum = 0.0;
    size_t i = 0;

    if (surface == MM_SURFACE_VOXEL)
        return linear_percentile(list, q);
    for (; i + 1 < list->count; i++) {
        sum += list->elements[i].weight;
        if (sum / all >= q / 100.0)
            break;
    }
    return list->elements[i].distance;
}

double mm_directed_within(const mm_directed *list, double tolerance)
{
    const double limit = tolerance * tolerance * (1.0 + 1e-9);
    double sum = 0.0;

    for (size_t i = 0; i < list->count && list->elements[i].distance * list->elements[i].distance <= limit; i++)
        sum += list->elements[i].weight;
    return sum;
}

double mm_directed_sum(const mm_directed *list)
{
    double sum = 0.0;

    for (size_t i = 0; i < list->count; i++)
        sum += list->elements[i].weight * list->elements[i].distance;
    return sum;
}

double mm_directed_square_sum(const mm_directed *list)
{
    double sum = 0.0;

    for (size_t i = 0; i < list->count; i++)
        sum += list->elements[i].weight * (list->elements[i].distance * list->elements[i].distance);
    return sum;
}
