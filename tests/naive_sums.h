/*
 * naive_sums.h - what one voxel adds to a column, written as plainly as can be.
 */
#ifndef MM_NAIVE_SUMS_H
#define MM_NAIVE_SUMS_H

#include "tests/score_tools.h"

/* Adds the terms of voxel v of image n to the column's values: value w of class c is at w * classes + c.  Not of kinds
 * that see an image as a whole. */
void naive_voxel(double *values, const mm_stat *stat, const data *d, size_t n, size_t v);

#endif
