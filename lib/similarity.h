/*
 * similarity.h - structural similarity of a class from the columns of its windows (image_window.c).  Private to lib/.
 */
#ifndef MM_SIMILARITY_H
#define MM_SIMILARITY_H

#include "lib/score.h"

/* What halving does with an axis of odd length: the last voxel is dropped, or paired with itself as in tf.image. */
typedef enum mm_halving { MM_HALVE_DROP, MM_HALVE_PAIR } mm_halving;

/* Gaussian windows of 11 voxels, sigma 1.5, k1 0.01, k2 0.03; range: of the values that are compared. */
mm_stat mm_similarity_stat(double range);
mm_stat mm_similarity_scales_stat(double range, mm_halving halving);

/* Of the i-th column of the row's stats, MM_IMAGE_SSIM: the mean over its windows. */
mm_value mm_similarity(const mm_group *x, size_t i);
/* MM_IMAGE_MS_SSIM: the product over the scales of relu(mean cs)^w, of the last of relu(mean ssim)^w. */
mm_value mm_similarity_of_scales(const mm_group *x, size_t i);

/* Means over the classes of an image, undefined when one is; of the i-th column. */
mm_value mm_similarity_of_image(const mm_cells *cells, size_t image, size_t i);
mm_value mm_similarity_of_image_scales(const mm_cells *cells, size_t image, size_t i);

#endif
