/*
 * crop.h - the box of an image in which masks lie, and masks cut down to it.  Private to lib/.
 */
#ifndef MM_CROP_H
#define MM_CROP_H

#include "lib/distance.h"
#include "lib/window.h"

/* A box of an image: `array` has its axes (spacing 1), without the axes of length 1 that a grid has in front. */
typedef struct mm_crop {
    mm_grid image;
    size_t low[3], dim[3], voxels; /* axes as those of the grid; no voxels: nothing is set */
    mm_array array;
} mm_crop;

/* The box of all places where a or b (NULL: none) is 1, and `margin` voxels around it as far as there are any. */
mm_crop mm_crop_of(const mm_grid *image, const unsigned char *a, const unsigned char *b, size_t margin);
/* Moves what is in the box to the front of a mask of the image. */
void mm_crop_take(const mm_crop *crop, unsigned char *mask);
/* The voxel of the image at place (i, j, 0) of the box; the row goes on from there. */
size_t mm_crop_row(const mm_crop *crop, size_t i, size_t j);

#endif
