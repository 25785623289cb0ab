/*
 * components.h - connected components of a mask.  Private to lib/.
 */
#ifndef MM_COMPONENTS_H
#define MM_COMPONENTS_H

#include <stdint.h>

#include "lib/window.h"

/* Numbers the components of the voxels where mask is 1, in the order of their first voxel: ids are 1, 2 ..., 0 outside.
 * Voxels are neighbours when they differ by one step along at most `connectivity` axes.  Fewer than UINT32_MAX voxels.
 * Returns how many components there are. */
uint32_t mm_components(const unsigned char *mask, const mm_grid *grid, unsigned connectivity, uint32_t *ids);

#endif
