/*
 * peer_distance.h - what the peers' files share of distances between surfaces: parameters, columns, reductions.
 *
 * The peers' names and choices are MONAI's; torchmetrics has taken them over.
 */
#ifndef MM_PEER_DISTANCE_H
#define MM_PEER_DISTANCE_H

#include "lib/image_kinds.h"
#include "lib/peer_common.h"

/* What surfaces are compared: the parameters that say it, NULL: not offered. */
typedef struct mm_surface_args {
    const mm_arg *metric, *spacing; /* MM_PARAM_METRIC, MM_PARAM_SPACING */
    int surfels;
} mm_surface_args;

/* A column of kind MM_IMAGE_SURFACE, or of _PERCENTILE or _WITHIN with q or the tolerance as `number`. */
mm_stat mm_surface_stat(const mm_surface_args *args, unsigned kind, double number);
/* NULL when a list of spacings has a positive number for each axis. */
const char *mm_check_spacing(const mm_arg *spacing, const mm_args *args);
/* The greater of the two directed values from `value` on (MM_SURFACE_MOST_A or _PERCENTILE_A), or the first of them. */
mm_value mm_surface_greatest(const mm_group *x, size_t column, size_t value, int directed);

/* clang-format off */
#define MM_PARAM_METRIC {"distance_metric", MM_WORD, "euclidean", 0, 0, "euclidean|chessboard|taxicab", \
    "how distances are measured; chessboard and taxicab ignore the spacing"}
#define MM_PARAM_SPACING {"spacing", MM_NUMBERS, "none", 1e-6, 1e6, "none", \
    "size of a voxel, one number or one for each spatial axis in array order; none: 1"}
/* clang-format on */

#endif
