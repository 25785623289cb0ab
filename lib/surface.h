/*
 * surface.h - how far the surface of one mask is from that of another, element by element.  Private to lib/.
 *
 * Two definitions of a surface.  VOXEL: the voxels of the mask with a face neighbour that is unset or outside the
 * array, each of weight 1.  SURFEL: the corners between voxels of which some are set (those outside the array are not),
 * each with the size of the surface around it (surfel.h).
 */
#ifndef MM_SURFACE_H
#define MM_SURFACE_H

#include "lib/distance.h"

typedef enum mm_surface { MM_SURFACE_VOXEL, MM_SURFACE_SURFEL } mm_surface;

/* An element of one mask: how far the nearest of the other is (INFINITY: it has none), and the size. */
typedef struct mm_element {
    double distance, weight;
} mm_element;

/* All elements of one mask, sorted by distance, then weight. */
typedef struct mm_directed {
    mm_element *elements; /* owned; NULL when there are none */
    size_t count;
} mm_directed;

/* Masks of one array of up to 3 axes: set where the byte is 1.  out[0] from a to b, out[1] from b to a.
 * 0: out of memory, and nothing to free. */
int mm_surface_distances(const unsigned char *a, const unsigned char *b, const mm_array *array, mm_surface surface,
                         mm_metric metric, mm_directed out[2]);
/* Both lists in one, sorted.  0: out of memory. */
int mm_directed_join(const mm_directed lists[2], mm_directed *out);
void mm_directed_free(mm_directed *list);

/* Of a list that is not empty: linear between the elements (VOXEL), or the first one at which the share of the weight
 * up to it reaches q percent (SURFEL). */
double mm_directed_percentile(const mm_directed *list, mm_surface surface, double q);
double mm_directed_weight(const mm_directed *list); /* of all elements */
/* Weight of the elements at most `tolerance` away; rounding of distances does not count. */
double mm_directed_within(const mm_directed *list, double tolerance);
/* Sum of w d, and of w d^2. */
double mm_directed_sum(const mm_directed *list);
double mm_directed_square_sum(const mm_directed *list);

#endif
