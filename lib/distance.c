/*
 * distance.c - exact distance transforms, one axis after the other (Euclidean, taxicab) or in two scans (chessboard).
 */
#include "lib/distance.h"

#include <math.h>
#include <stdlib.h>

size_t mm_array_voxels(const mm_array *array)
{
    size_t voxels = 1;

    for (unsigned axis = 0; axis < array->rank; axis++)
        voxels *= array->dim[axis];
    return voxels;
}

/* ---------------------------------------------------------------- Euclidean */

/* A parabola of the lower envelope of a line: f(at) + w^2 (x - at)^2, the lowest from x = from on. */
typedef struct parabola {
    double at, value, from;
} parabola;

/* The first whole x at which the parabola of b, to the right of a, is below that of a.
 * With spacing 1 the quotient has a denominator below 2^16: rounding it does not take it across a whole number. */
static double overtakes(const parabola *a, const parabola *b, double squared_spacing)
{
    const double gap = b->at - a->at;

    return floor(((b->value - a->value) / squared_spacing + gap * (a->at + b->at)) / (2.0 * gap)) + 1.0;
}

/* line[x] = min over i of line[i] + w^2 (x - i)^2 (Felzenszwalb and Huttenlocher 2012) */
static void lower_envelope(double *line, size_t length, double spacing, parabola *envelope)
{
    const double squared = spacing * spacing;
    size_t count = 0, k = 0;

    for (size_t x = 0; x < length; x++) {
        parabola next = {.at = (double)x, .value = line[x], .from = 0.0};

        if (next.value == INFINITY)
            continue;
        while (count > 0 && (next.from = overtakes(&envelope[count - 1], &next, squared)) <= envelope[count - 1].from)
            count--;
        if (count == 0)
            next.from = 0.0;
        if (next.from < (double)length)
            envelope[count++] = next;
    }
    for (size_t x = 0; count > 0 && x < length; x++) {
        while (k + 1 < count && envelope[k + 1].from <= (double)x)
            k++;
        const double gap = (double)x - envelope[k].at;

        line[x] = envelope[k].value + squared * (gap * gap);
    }
}

/* ------------------------------------------------------------------ taxicab */

/* line[x] = min over i of line[i] + |x - i| */
static void nearest_steps(double *line, size_t length)
{
    for (size_t x = 1; x < length; x++)
        line[x] = fmin(line[x], line[x - 1] + 1.0);
    for (size_t x = length; x-- > 1;)
        line[x - 1] = fmin(line[x - 1], line[x] + 1.0);
}

/* -------------------------------------------------------------- line by line */

/* Room for one line and its envelope. */
typedef struct line_room {
    double *line;
    parabola *envelope;
} line_room;

static void transform_axis(double *field, const mm_array *array, unsigned axis, mm_metric metric, line_room *room)
{
    const size_t length = array->dim[axis], voxels = mm_array_voxels(array);
    size_t step = 1;

    for (unsigned later = axis + 1; later < array->rank; later++)
        step *= array->dim[later];
    for (size_t i = 0; i < voxels / length; i++) {
        double *first = field + i / step * step * length + i % step;

        for (size_t x = 0; x < length; x++)
            room->line[x] = first[x * step];
        if (metric == MM_EUCLIDEAN)
            lower_envelope(room->line, length, array->spacing[axis], room->envelope);
        else
            nearest_steps(room->line, length);
        for (size_t x = 0; x < length; x++)
            first[x * step] = room->line[x];
    }
}

static int transform_lines(double *field, const mm_array *array, mm_metric metric)
{
    size_t longest = 1;

    for (unsigned axis = 0; axis < array->rank; axis++)
        longest = array->dim[axis] > longest ? array->dim[axis] : longest;
    line_room room = {.line = calloc(longest, sizeof *room.line), .envelope = calloc(longest, sizeof *room.envelope)};
    const int fine = room.line != NULL && room.envelope != NULL;

    for (unsigned axis = array->rank; fine && axis-- > 0;)
        if (array->dim[axis] > 1)
            transform_axis(field, array, axis, metric, &room);
    free(room.line);
    free(room.envelope);
    return fine;
}

/* --------------------------------------------------------------- chessboard */

#define NEIGHBOURS 40 /* (3^4 - 1) / 2: those before a voxel, row by row */

/* One of them: steps along the axes, -1 to 1, and all together in voxels (backwards). */
typedef struct neighbour {
    int step[MM_DISTANCE_AXES];
    size_t back;
} neighbour;

/* The neighbours before a voxel; returns their number. */
static size_t find_neighbours(const mm_array *array, neighbour list[NEIGHBOURS])
{
    size_t all = 1, count = 0;

    for (unsigned axis = 0; axis < array->rank; axis++)
        all *= 3;
    for (size_t number = 0; number < all / 2; number++) { /* those below the middle, which is the voxel itself */
        ptrdiff_t to = 0, stride = 1;
        size_t digits = number;

        for (unsigned axis = array->rank; axis-- > 0; digits /= 3) {
            list[count].step[axis] = (int)(digits % 3) - 1;
            to += list[count].step[axis] * stride;
            stride *= (ptrdiff_t)array->dim[axis];
        }
        list[count++].back = (size_t)-to;
    }
    return count;
}

/* Is the neighbour (direction -1: the opposite one) inside the array? */
static int is_inside(const mm_array *array, const size_t *at, const neighbour *of, int direction)
{
    for (unsigned axis = 0; axis < array->rank; axis++) {
        const int step = of->step[axis] * direction;

        if ((step < 0 && at[axis] == 0) || (step > 0 && at[axis] + 1 == array->dim[axis]))
            return 0;
    }
    return 1;
}

/* One scan, forwards (1) or backwards (-1): a voxel is one step farther than its nearest neighbour that came before.
 * Two are exact: a shortest path can take its steps forwards first. */
static void scan(double *field, const mm_array *array, const neighbour *list, size_t count, int direction)
{
    const size_t voxels = mm_array_voxels(array);
    size_t at[MM_DISTANCE_AXES];

    for (size_t i = 0; i < voxels; i++) {
        const size_t v = direction > 0 ? i : voxels - 1 - i;

        for (size_t left = v, axis = array->rank; axis-- > 0; left /= array->dim[axis])
            at[axis] = left % array->dim[axis];
        for (size_t k = 0; k < count; k++)
            if (field[v] > 0.0 && is_inside(array, at, &list[k], direction))
                field[v] = fmin(field[v], field[direction > 0 ? v - list[k].back : v + list[k].back] + 1.0);
    }
}

static void transform_scans(double *field, const mm_array *array)
{
    neighbour list[NEIGHBOURS];
    const size_t count = find_neighbours(array, list);

    scan(field, array, list, count, 1);
    scan(field, array, list, count, -1);
}

/* ------------------------------------------------------------------- either */

int mm_distance_transform(double *field, const mm_array *array, mm_metric metric)
{
    if (metric != MM_CHESSBOARD)
        return transform_lines(field, array, metric);
    transform_scans(field, array);
    return 1;
}

int mm_distance_of_mask(const unsigned char *mask, unsigned char inside, const mm_array *array, mm_metric metric,
                        double *field)
{
    const size_t voxels = mm_array_voxels(array);

    for (size_t v = 0; v < voxels; v++)
        field[v] = mask[v] == inside ? INFINITY : 0.0;
    return mm_distance_transform(field, array, metric);
}
