/*
 * distance.h - exact distance transforms: how far each voxel is from the nearest site.  Private to lib/.
 */
#ifndef MM_DISTANCE_H
#define MM_DISTANCE_H

#include <stddef.h>

#define MM_DISTANCE_AXES 4

typedef enum mm_metric {
    MM_EUCLIDEAN,  /* squared distances, with spacing */
    MM_CHESSBOARD, /* the greatest of the steps along the axes; spacing is not used */
    MM_TAXICAB     /* the sum of the steps along the axes; spacing is not used */
} mm_metric;

/* A row-major array of up to MM_DISTANCE_AXES axes. */
typedef struct mm_array {
    unsigned rank;
    size_t dim[MM_DISTANCE_AXES];
    double spacing[MM_DISTANCE_AXES]; /* > 0 */
} mm_array;

size_t mm_array_voxels(const mm_array *array);

/* field: 0 at the sites, INFINITY elsewhere; becomes the distance to the nearest site, or INFINITY everywhere when
 * there is none.  Whole numbers, without rounding, when all spacings are 1.  0: out of memory. */
int mm_distance_transform(double *field, const mm_array *array, mm_metric metric);

/* field: how far each voxel with mask[v] == inside is from the nearest other one, 0 at those; INFINITY everywhere when
 * there is no other one. */
int mm_distance_of_mask(const unsigned char *mask, unsigned char inside, const mm_array *array, mm_metric metric,
                        double *field);

#endif
