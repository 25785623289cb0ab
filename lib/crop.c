/*
 * crop.c - the box of an image in which masks lie, and masks cut down to it.
 */
#include "lib/crop.h"

#include <string.h>

static void grow(mm_crop *of, size_t high[3], const size_t at[3])
{
    for (unsigned axis = 0; axis < 3; axis++) {
        of->low[axis] = at[axis] < of->low[axis] ? at[axis] : of->low[axis];
        high[axis] = at[axis] + 1 > high[axis] ? at[axis] + 1 : high[axis];
    }
}

/* The least box of all that is set: half-open. */
static void find_box(mm_crop *of, size_t high[3], const unsigned char *a, const unsigned char *b)
{
    size_t at[3], v = 0;

    memcpy(of->low, of->image.dim, sizeof of->low);
    for (at[0] = 0; at[0] < of->image.dim[0]; at[0]++)
        for (at[1] = 0; at[1] < of->image.dim[1]; at[1]++)
            for (at[2] = 0; at[2] < of->image.dim[2]; at[2]++, v++)
                if (a[v] == 1 || (b != NULL && b[v] == 1))
                    grow(of, high, at);
}

mm_crop mm_crop_of(const mm_grid *image, const unsigned char *a, const unsigned char *b, size_t margin)
{
    mm_crop of = {.image = *image, .voxels = 1, .array = {.rank = 3 - image->first}};
    size_t high[3] = {0, 0, 0};

    find_box(&of, high, a, b);
    if (high[0] == 0) { /* nothing is set */
        of.voxels = 0;
        return of;
    }
    for (unsigned axis = 0; axis < 3; axis++) {
        of.low[axis] = of.low[axis] > margin ? of.low[axis] - margin : 0;
        high[axis] = image->dim[axis] - high[axis] > margin ? high[axis] + margin : image->dim[axis];
        of.dim[axis] = high[axis] - of.low[axis];
        of.voxels *= of.dim[axis];
        if (axis >= image->first) {
            of.array.dim[axis - image->first] = of.dim[axis];
            of.array.spacing[axis - image->first] = 1.0;
        }
    }
    return of;
}

size_t mm_crop_row(const mm_crop *crop, size_t i, size_t j)
{
    return (crop->low[0] + i) * crop->image.stride[0] + (crop->low[1] + j) * crop->image.stride[1] + crop->low[2];
}

void mm_crop_take(const mm_crop *crop, unsigned char *mask)
{
    size_t to = 0;

    /* Every voxel goes to its own place or to one before it. */
    for (size_t i = 0; i < crop->dim[0]; i++)
        for (size_t j = 0; j < crop->dim[1]; j++, to += crop->dim[2])
            memmove(mask + to, mask + mm_crop_row(crop, i, j), crop->dim[2]);
}
