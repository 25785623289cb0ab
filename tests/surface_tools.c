/*
 * surface_tools.c - surfaces of small masks as plain geometry has them: every element, every pair of elements.
 */
#include "tests/surface_tools.h"

#include <math.h>

#include "lib/image_kinds.h"

size_t masks_voxels(const masks *of)
{
    size_t voxels = 1;

    for (unsigned axis = 0; axis < of->rank; axis++)
        voxels *= of->dim[axis];
    return voxels;
}

/* Is a voxel set?  Those outside the array are not. */
static int is_set(const masks *of, const unsigned char *mask, const long at[3])
{
    size_t v = 0;

    for (unsigned axis = 0; axis < of->rank; axis++) {
        if (at[axis] < 0 || at[axis] >= (long)of->dim[axis])
            return 0;
        v = v * of->dim[axis] + (size_t)at[axis];
    }
    return mask[v];
}

/* The place of number i in a cube of 3^rank, or 2^rank, around 0 or from 0 on. */
static void place_in_cube(unsigned rank, unsigned i, unsigned width, long from, long at[3])
{
    for (unsigned axis = rank; axis-- > 0; i /= width)
        at[axis] = (long)(i % width) + from;
}

static unsigned power(unsigned base, unsigned rank)
{
    return rank == 0 ? 1 : base * power(base, rank - 1);
}

/* 1 where set, with a neighbour that is not and differs along up to `connectivity` axes. */
static unsigned voxel_code(const masks *of, const unsigned char *mask, const long at[3], unsigned connectivity)
{
    if (!is_set(of, mask, at))
        return 0;
    for (unsigned i = 0; i < power(3, of->rank); i++) {
        long by[3], to[3];
        unsigned axes = 0;

        place_in_cube(of->rank, i, 3, -1, by);
        for (unsigned axis = 0; axis < of->rank; axis++) {
            axes += by[axis] != 0;
            to[axis] = at[axis] + by[axis];
        }
        if (axes <= connectivity && !is_set(of, mask, to))
            return 1;
    }
    return 0;
}

static unsigned surfel_code(const masks *of, const unsigned char *mask, const long at[3])
{
    const unsigned corners = power(2, of->rank);
    unsigned code = 0;

    for (unsigned i = 0; i < corners; i++) {
        long to[3];

        place_in_cube(of->rank, i, 2, -1, to);
        for (unsigned axis = 0; axis < of->rank; axis++)
            to[axis] += at[axis];
        code = code << 1 | (unsigned)is_set(of, mask, to);
    }
    return code == (1u << corners) - 1 ? 0 : code;
}

size_t masks_elements(const masks *of, const unsigned char *mask, unsigned options, element *list)
{
    const unsigned surfels = options & MM_SURFACE_SURFELS, asked = options / MM_SURFACE_CONNECTIVITY;
    size_t places = 1, count = 0;

    for (unsigned axis = 0; axis < of->rank; axis++)
        places *= of->dim[axis] + (surfels ? 1 : 0);
    for (size_t i = 0; i < places; i++) {
        element *e = &list[count];
        size_t left = i;

        for (unsigned axis = of->rank; axis-- > 0;) {
            const size_t length = of->dim[axis] + (surfels ? 1 : 0);

            e->at[axis] = (long)(left % length);
            left /= length;
        }
        e->code = (unsigned char)(surfels ? surfel_code(of, mask, e->at)
                                          : voxel_code(of, mask, e->at, asked == 0 ? 1 : asked));
        count += e->code != 0;
    }
    return count;
}

static double squared_apart(const masks *of, const element *a, const element *b, mm_metric metric)
{
    double all = 0.0;

    for (unsigned axis = 0; axis < of->rank; axis++) {
        const double steps = fabs((double)(a->at[axis] - b->at[axis]));

        if (metric == MM_EUCLIDEAN)
            all += of->spacing[axis] * steps * (of->spacing[axis] * steps);
        else
            all = metric == MM_TAXICAB ? all + steps : fmax(all, steps);
    }
    return metric == MM_EUCLIDEAN ? all : all * all;
}

double squared_nearest(const masks *of, const element *from, const element *to, size_t count, mm_metric metric)
{
    double nearest = INFINITY;

    for (size_t i = 0; i < count; i++)
        nearest = fmin(nearest, squared_apart(of, from, &to[i], metric));
    return nearest;
}
