/*
 * nearest.c - which of several sets is nearest to each place: squared distances and ids, one axis after the other.
 *
 * What is best for a place is the least pair (squared distance, id), by distance first.  Adding the square of a step to
 * all distances of a place keeps their order, so that the best of a line of places is found from the best of each
 * (Felzenszwalb and Huttenlocher 2012, the search for the first place by Meijster et al. 2000).
 */
#include "lib/nearest.h"

#include <math.h>
#include <stdlib.h>

#include "lib/tensor.h"

/* One line of places, and the sources that are best somewhere on it, each from place `from` on. */
typedef struct line {
    size_t length, count;
    double step; /* squared */
    double *squared;
    uint32_t *ids;
    size_t *source, *from;
} line;

static int line_new(line *of, size_t length)
{
    size_t bytes;

    *of = (line){.length = length};
    if (!mm_multiply(length, sizeof(double), &bytes))
        return 0;
    of->squared = malloc(bytes);
    of->ids = malloc(length * sizeof *of->ids);
    of->source = malloc(length * sizeof *of->source);
    of->from = malloc(length * sizeof *of->from);
    return of->squared != NULL && of->ids != NULL && of->source != NULL && of->from != NULL;
}

static void line_free(line *of)
{
    free(of->squared);
    free(of->ids);
    free(of->source);
    free(of->from);
}

static double cost(const line *of, size_t source, size_t at)
{
    const double steps = (double)at - (double)source;

    return of->step * (steps * steps) + of->squared[source];
}

/* Is source a better than b at a place? */
static int is_better(const line *of, size_t a, size_t b, size_t at)
{
    const double x = cost(of, a, at), y = cost(of, b, at);

    return x < y || (x == y && of->ids[a] < of->ids[b]);
}

/* The first place at which a source is better than one before it, or `length`; past `after`, where it is not. */
static size_t first_place(const line *of, size_t source, size_t before, size_t after)
{
    const double a = (double)before, b = (double)source;
    const double even = ((of->squared[source] - of->squared[before]) / of->step + b * b - a * a) / (2.0 * (b - a));

    if (!(even < (double)of->length))
        return of->length;
    size_t place = even > (double)after ? (size_t)even : after;

    if (place > after && is_better(of, source, before, place)) /* as near, and of a lower id */
        return place;
    return place + 1;
}

/* The sources that are best somewhere. */
static void find_sources(line *of)
{
    of->count = 0;
    for (size_t s = 0; s < of->length; s++) {
        if (of->ids[s] == 0)
            continue;
        while (of->count > 0 && is_better(of, s, of->source[of->count - 1], of->from[of->count - 1]))
            of->count--;
        const size_t from = of->count == 0 ? 0 : first_place(of, s, of->source[of->count - 1], of->from[of->count - 1]);

        if (from < of->length) {
            of->source[of->count] = s;
            of->from[of->count++] = from;
        }
    }
}

/* Replaces one line by what is best for each of its places. */
static void run_line(line *of, double *squared, uint32_t *ids, size_t stride)
{
    size_t best = 0;

    for (size_t i = 0; i < of->length; i++) {
        of->squared[i] = squared[i * stride];
        of->ids[i] = ids[i * stride];
    }
    find_sources(of);
    for (size_t i = 0; of->count > 0 && i < of->length; i++) {
        while (best + 1 < of->count && of->from[best + 1] <= i)
            best++;
        squared[i * stride] = cost(of, of->source[best], i);
        ids[i * stride] = of->ids[of->source[best]];
    }
}

/* Of an axis of the array; with one spacing for all axes that are longer than a voxel: 1, so that nothing is rounded.
 */
static double step_of(const mm_array *array, unsigned axis)
{
    const double own = array->spacing[axis];
    int equal = 1;

    for (unsigned other = 0; other < array->rank; other++)
        equal = equal && (array->dim[other] == 1 || array->spacing[other] == own);
    return equal ? 1.0 : own;
}

static int run_axis(double *squared, uint32_t *ids, const mm_array *array, unsigned axis)
{
    const size_t length = array->dim[axis], lines = mm_array_voxels(array) / length;
    const double step = step_of(array, axis);
    size_t stride = 1;
    line of;
    const int fine = line_new(&of, length);

    for (unsigned after = axis + 1; after < array->rank; after++)
        stride *= array->dim[after];
    of.step = step * step;
    for (size_t i = 0; fine && i < lines; i++) {
        const size_t first = i / stride * stride * length + i % stride;

        run_line(&of, squared + first, ids + first, stride);
    }
    line_free(&of);
    return fine;
}

int mm_nearest(uint32_t *ids, const mm_array *array)
{
    double *squared = calloc(mm_array_voxels(array), sizeof *squared);
    int fine = squared != NULL;

    for (unsigned axis = array->rank; fine && axis-- > 0;)
        fine = run_axis(squared, ids, array, axis);
    free(squared);
    return fine;
}
