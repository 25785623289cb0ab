/*
 * surface_tools.h - surfaces of small masks as plain geometry has them: every element, every pair of elements.
 */
#ifndef MM_SURFACE_TOOLS_H
#define MM_SURFACE_TOOLS_H

#include "lib/distance.h"

#define MASKS_MOST 4000 /* voxels */

/* Both masks of an array: 1 or 0. */
typedef struct masks {
    unsigned rank;
    size_t dim[3], voxels;
    double spacing[3];
    unsigned char pred[MASKS_MOST], label[MASKS_MOST];
} masks;

size_t masks_voxels(const masks *of);

/* A voxel, or the corner before it; which voxels around it are set (surfel.h), or 1. */
typedef struct element {
    long at[3];
    unsigned char code;
} element;

/* Elements in the order of places; options: mm_surface_options.  list: room for twice MASKS_MOST. */
size_t masks_elements(const masks *of, const unsigned char *mask, unsigned options, element *list);
/* The squared distance to the nearest of `to`; INFINITY: there is none. */
double squared_nearest(const masks *of, const element *from, const element *to, size_t count, mm_metric metric);

#endif
