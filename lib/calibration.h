/*
 * calibration.h - how far confidence is from the share of right voxels, bin by bin.  Private to lib/.
 */
#ifndef MM_CALIBRATION_H
#define MM_CALIBRATION_H

#include "lib/score.h"

/* The gap of a bin: |share of right voxels - mean confidence|.  Start from a zeroed struct. */
typedef struct mm_gaps {
    double voxels, sum, squares; /* of the bins: gaps and their squares, times the bin's voxels */
    double greatest;
} mm_gaps;

/* Adds a bin: its voxels, the sum of their confidence, how many are right.  An empty one adds nothing. */
void mm_gaps_add(mm_gaps *gaps, double voxels, double confidence, double right);
/* Undefined (no_voxels) when all bins are empty. */
mm_value mm_gaps_mean(const mm_gaps *gaps);     /* sum_b n_b/N gap_b */
mm_value mm_gaps_root(const mm_gaps *gaps);     /* sqrt(sum_b n_b/N gap_b^2) */
mm_value mm_gaps_greatest(const mm_gaps *gaps); /* max_b gap_b */

#endif
