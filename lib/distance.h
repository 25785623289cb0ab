/*
 * distance.h - exact distance transforms: how far each voxel is from the nearest site.  Private to lib/.
 *
 * A transform runs in steps of tasks, which threads can share: all tasks of a step are independent of each other, and
 * a step begins when all of the one before have run.  Nothing is allocated on the way; how work is cut into tasks
 * depends on the shape of the array alone, and what decides between algorithms is the data, so that bits do not depend
 * on threads or CPU.
 */
#ifndef MM_DISTANCE_H
#define MM_DISTANCE_H

#include <stddef.h>

#define MM_DISTANCE_AXES   4
#define MM_DISTANCE_LENGTH 0x3fffffff /* of all axes together, at most */

typedef enum mm_metric {
    MM_EUCLIDEAN,  /* with spacing */
    MM_CHESSBOARD, /* the greatest of the steps along the axes; spacing is not used */
    MM_TAXICAB     /* the sum of the steps along the axes; spacing is not used */
} mm_metric;

/* A row-major array of up to MM_DISTANCE_AXES axes, none of them empty. */
typedef struct mm_array {
    unsigned rank;
    size_t dim[MM_DISTANCE_AXES];
    double spacing[MM_DISTANCE_AXES]; /* > 0 and finite */
} mm_array;

size_t mm_array_voxels(const mm_array *array);

/* One byte per voxel: a site where it is `value`, or, with others, where it is anything else. */
typedef struct mm_sites {
    const unsigned char *bytes;
    unsigned char value;
    int others;
} mm_sites;

/* How the lines of an axis are taken: side by side, or, when those of the last axis are long, along each of them. */
typedef struct mm_grouping {
    size_t length, step;    /* of a line; voxels from one of its places to the next */
    size_t side, lane_step; /* lines that lie side by side; voxels from one to the next */
    size_t lanes;           /* lines that are done at once; along: places of one */
    size_t blocks, units;   /* groups in `side` lines; in all */
    size_t squares;         /* of ways along this axis: where they are in scratch memory */
    int along;
} mm_grouping;

/* Some axes from `first` on, done piece by piece. */
typedef struct mm_distance_step {
    unsigned first, last;
    size_t pieces, tasks;
} mm_distance_step;

/* What is to be done for arrays of one shape.  To be read: field_bytes, scratch_bytes, steps; the rest is private. */
typedef struct mm_transform {
    size_t field_bytes;   /* of the distances: room that the caller has */
    size_t scratch_bytes; /* of the room that each worker has for itself */
    size_t steps;

    const struct mm_distance_kernels *k;
    mm_metric metric;
    int whole;     /* the field is of int32_t, MM_FAR where there is no site; else of double */
    unsigned rank; /* of the axes longer than one voxel; at least one */
    size_t voxels, dim[MM_DISTANCE_AXES];
    double squared[MM_DISTANCE_AXES]; /* spacing^2, in unit^2 */
    size_t in, out, row, line, seams; /* where they are in scratch memory */
    double unit;                      /* of what the field holds: squares of distances in it, or steps */
    mm_grouping grouping[MM_DISTANCE_AXES];
    mm_distance_step step[MM_DISTANCE_AXES];
} mm_transform;

/* 0: sizes are too large for this machine, axes longer than MM_DISTANCE_LENGTH, or one is empty. */
int mm_transform_plan(mm_transform *transform, const mm_array *array, mm_metric metric);
size_t mm_transform_tasks(const mm_transform *transform, size_t step);
/* field and scratch: aligned as malloc does it; what they hold before the first step does not matter. */
void mm_transform_task(const mm_transform *transform, const mm_sites *sites, void *field, void *scratch, size_t step,
                       size_t task);
/* All of them, one after the other. */
void mm_transform_run(const mm_transform *transform, const mm_sites *sites, void *field, void *scratch);

/* The distance of voxel v from the nearest site, or (Euclidean) its square; INFINITY when there is none.
 * All spacings are 1: squares are whole numbers, without rounding below 2^53.
 * They are all the same: those whole numbers times spacing^2.
 * Else: of all sites, the least (w0^2 k0^2 + w1^2 k1^2) + w2^2 k2^2, with k steps along the axes, each operation
 * rounded as it is written; within 1e-15 of the true minimum.  Where values are more than 2^49 times w^2, which of two
 * sites that are equally far to within 1e-15 is taken may differ from that. Squares too large for a double are
 * INFINITY; of spacings more than 1e150 times as small as another they are 0. */
double mm_transform_distance(const mm_transform *transform, const void *field, size_t v);
double mm_transform_square(const mm_transform *transform, const void *field, size_t v);

/* field: how far (Euclidean: squared) each voxel with mask[v] == inside is from the nearest other one, 0 at those;
 * INFINITY everywhere when there is no other one.  0: out of memory. */
int mm_distance_of_mask(const unsigned char *mask, unsigned char inside, const mm_array *array, mm_metric metric,
                        double *field);

#endif
