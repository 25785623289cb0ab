/*
 * kernels_surface.h - inner loops over maps, masks and surface elements: one table per CPU level.  Private to lib/.
 *
 * A mask has a byte per voxel that holds both sides: bit 0 (MM_PRED_BIT) the prediction, bit 1 (MM_LABEL_BIT) the
 * label.  Elements have a byte per place and side: 0 where there is none, else what it weighs by (surface.h).
 */
#ifndef MM_KERNELS_SURFACE_H
#define MM_KERNELS_SURFACE_H

#include "lib/kernels.h"

#define MM_NO_CLASS  UINT16_MAX /* of a voxel that is not scored */
#define MM_PRED_BIT  1
#define MM_LABEL_BIT 2
#define MM_FAR_STEPS 255 /* of steps: that many or more */

/* The rows around a place of an array, as distances in bytes: of `wide` ones three places count, of `narrow` ones the
 * middle. */
typedef struct mm_rows_around {
    ptrdiff_t wide[9], narrow[4];
    size_t wide_count, narrow_count;
} mm_rows_around;

typedef struct mm_surface_kernels {
    /* Classes of a chunk as floats (label -1: not scored) into maps. */
    void (*map_classes)(uint16_t *label_map, uint16_t *pred_map, const float *label, const float *pred, size_t n);
    /* p > threshold and g > 1/2 as a mask. */
    void (*map_masks)(unsigned char *mask, const double *p, double threshold, const double *g, size_t n);
    /* The mask of bytes that are 0 or 1. */
    void (*mask_of_bytes)(unsigned char *mask, const unsigned char *p, const unsigned char *g, size_t n);
    /* The mask of one class. */
    void (*mask_of_class)(unsigned char *mask, const uint16_t *label, const uint16_t *pred, unsigned c, size_t n);
    /* 1 where the mask is set and some neighbour is not. */
    void (*voxel_elements)(unsigned char *pred, unsigned char *label, const unsigned char *mask,
                           const mm_rows_around *around, size_t n);
    /* The code of the block whose first voxel is here, from two voxels of each of `count` rows, the first row in the
     * top bits; 0 where none or all are set. */
    void (*surfel_elements)(unsigned char *pred, unsigned char *label, const unsigned char *mask, const ptrdiff_t *rows,
                            size_t count, size_t n);
    size_t (*count)(const unsigned char *elements, size_t n); /* those that are not 0 */
    /* n columns side by side, each of `length` places `stride` apart: steps to the nearest element of the column. */
    void (*steps)(unsigned char *steps, const unsigned char *elements, size_t length, size_t stride, size_t n);
    /* Of squared distances. */
    void (*roots)(double *out, const double *squared, size_t n);
    double (*greatest)(const double *squared, size_t n); /* 0 when there are none */
    size_t (*count_within)(const double *squared, double limit, size_t n);
} mm_surface_kernels;

MM_AT_EACH_LEVEL(mm_surface_kernels);

#endif
