/*
 * surface.h - how far the surface of one mask is from that of another, element by element.  Private to lib/.
 *
 * Two definitions of a surface.  Voxels: those of the mask with a neighbour that is unset or outside the array, each of
 * weight 1.  Surfels: the corners between voxels of which some are set (those outside the array are not), each with the
 * size of the surface around it (surfel.h).
 *
 * A pair works on a grid of three axes: the box that both masks lie in and, along each axis that the array has, one
 * place more on either side.  An array of two axes has the first and the last of them, one of one axis the last; places
 * side by side along the last axis are side by side in memory.  The steps of the work, each for some planes (places of
 * the first axis) or columns, may run on several threads; nothing depends on how they are cut.
 */
#ifndef MM_SURFACE_H
#define MM_SURFACE_H

#include <stdatomic.h>

#include "lib/directed.h"
#include "lib/distance.h"
#include "lib/kernels_surface.h"

#define MM_SURFACE_AXES 3

/* What surfaces are, and how distances are measured. */
typedef struct mm_geometry {
    double spacing[MM_SURFACE_AXES]; /* of the grid */
    int there[MM_SURFACE_AXES];      /* has the array that axis? */
    mm_metric metric;
    unsigned options; /* mm_surface_options */
    mm_sizes sizes;   /* of elements by their code */
    /* (spacing k)^2 of k steps along an axis; MM_FAR_STEPS along the first are no distance. */
    double square[MM_SURFACE_AXES][MM_FAR_STEPS + 1]; /* in unit^2 */
    double reach[MM_SURFACE_AXES];                    /* the square of MM_FAR_STEPS */
    double unit;                                      /* the spacing, where all axes have the same; else 1 */
} mm_geometry;

/* spacing: of `rank` axes of the array, 1 to 3. */
void mm_geometry_set(mm_geometry *geometry, unsigned rank, const double *spacing, unsigned options);
/* Only what sizes depend on. */
void mm_geometry_set_shape(mm_geometry *geometry, unsigned rank, const double *spacing, unsigned options);
int mm_geometry_is_surfels(const mm_geometry *geometry);
/* The axes of the array as axes of the grid; 1 where there is none. */
void mm_geometry_axes(const mm_geometry *geometry, const size_t *array, size_t grid[MM_SURFACE_AXES]);

/* Two masks of one box.  Side 0 is the prediction, side 1 the label. */
typedef struct mm_pair {
    const mm_geometry *geometry;
    const mm_surface_kernels *k;
    size_t box[MM_SURFACE_AXES], dim[MM_SURFACE_AXES]; /* voxels of the box; places of the grid */
    size_t plane, places;                              /* of one place of the first axis, and of all */
    size_t band_rows, bands;                           /* rows of a band but the last */
    unsigned char *mask;                               /* kernels_surface.h */
    unsigned char *element[2];                         /* by place: code, 0 where there is none */
    unsigned char *steps[2];                           /* by place: along the first axis to the nearest element */
    mm_transform transform;
    void *field;            /* of the transform: where mask and steps are */
    void *scratch;          /* NULL: that of a worker is enough for the transform */
    size_t *first[2];       /* by band: how many elements; then, once laid, where the list has the first of them */
    unsigned char *open[2]; /* by band: were not all distances found? */
    int again;              /* open bands are searched once more */
    mm_directed list[2];    /* from side 0 to side 1, and back: in the order of places */
    atomic_int far;         /* distances are left to a transform */
} mm_pair;

/* Bytes that a pair works in.  most: of elements of either side.  0: too many. */
int mm_pair_bytes(const mm_geometry *geometry, const size_t box[MM_SURFACE_AXES], const size_t most[2], size_t *bytes);
/* memory: so many bytes, aligned to 64, borrowed. */
void mm_pair_begin(mm_pair *pair, const mm_geometry *geometry, const mm_kernels *k, const size_t box[MM_SURFACE_AXES],
                   const size_t most[2], unsigned char *memory);

/* 1. Masks, to be filled in row by row: bands made empty; then a row of a plane of the grid, from its first voxel on,
 * or NULL where the box has none. */
void mm_pair_clear(mm_pair *pair, size_t first_band, size_t end_band);
unsigned char *mm_pair_row(const mm_pair *pair, size_t plane, size_t row);
/* 2. When all masks are there: elements. */
void mm_pair_elements(mm_pair *pair, size_t first_band, size_t end_band);
/* 3. When all elements are there: steps of columns (places of one plane). */
void mm_pair_steps(mm_pair *pair, size_t first_column, size_t end_column);
/* Once, after 2: where the lists are, and each band in them. */
void mm_pair_lay(mm_pair *pair);
int mm_pair_has_both(const mm_pair *pair); /* then: have both masks elements? */
/* 4. Distances that a search finds; once, when all bands have been searched: what is to be done about the others,
 * `again` or `far`; the former: searched for once more, and longer. */
void mm_pair_near(mm_pair *pair, size_t first_band, size_t end_band);
void mm_pair_judge(mm_pair *pair);
void mm_pair_near_again(mm_pair *pair, size_t first_band, size_t end_band);
/* 5. Where `far` is set, or the metric wants it: distances of one side by the steps of a transform, each of so many
 * tasks (scratch: MM_SCRATCH_BYTES, a worker's), which are then read; then those of the other side. */
int mm_pair_wants_far(const mm_pair *pair);
size_t mm_pair_far_tasks(const mm_pair *pair, size_t step);
void mm_pair_far_task(mm_pair *pair, unsigned side, size_t step, size_t task, void *scratch);
void mm_pair_read_far(mm_pair *pair, unsigned side, size_t first_band, size_t end_band);
/* 2 to 5 at once. */
void mm_pair_run(mm_pair *pair, void *scratch);
/* Room for sorting the list of that side, when all distances are there. */
void *mm_pair_room(const mm_pair *pair, unsigned side);
/* The first element of a row from x on, or `length`. */
size_t mm_next_element(const unsigned char *row, size_t x, size_t length);

#endif
