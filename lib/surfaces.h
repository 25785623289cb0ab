/*
 * surfaces.h - the stages of an evaluation that measure distances between surfaces: all columns of those kinds, all
 * images and classes.  Private to lib/.
 *
 * Stage by stage: the boxes of all classes; then group by group as many pairs of masks (surface.h) as fit into one
 * block of memory, small ones in a task each, large ones step by step in slabs.  Columns that agree in spacing and
 * options come of the same two lists.
 */
#ifndef MM_SURFACES_H
#define MM_SURFACES_H

#include "lib/surface.h"
#include "lib/surface_boxes.h"
#include "lib/wholes.h"

/* One pair of a group. */
typedef struct mm_surface_item {
    size_t image, class_index, geometry;
    mm_box box;
    size_t bytes;             /* of the pair */
    size_t first_task, tasks; /* of the stage */
    int large;
    mm_pair pair;
} mm_surface_item;

typedef struct mm_surfaces {
    mm_pass *pass;
    mm_wholes *wholes;                /* whose columns are filled */
    size_t geometry_of[MM_MAX_STATS]; /* of a column of wholes; MM_MAX_STATS: it is of another kind */
    mm_geometry *geometries;          /* owned, as is the rest */
    size_t geometry_count;            /* 0: nothing to do */
    uint16_t *classes;                /* the maps of pass */
    unsigned char *masks;
    mm_boxes boxes[2]; /* of class maps, of masks: those there are */

    int phase;              /* of the group, or one before the first */
    size_t next, all;       /* pairs: index of the first of the next group, number */
    mm_surface_item *items; /* of the group */
    size_t item_count, item_most;
    unsigned char *room; /* the block of memory, as large as the largest group so far */
    size_t room_bytes;
    int failed; /* out of memory */
} mm_surfaces;

/* Bytes, about, that columns of surfaces take; 0 when there are none.  0: too many to count. */
int mm_surfaces_bytes(const mm_shape *shape, const mm_stat *stats, size_t count, size_t *bytes);
/* For the columns of wholes, when pass is set; sets its maps.  Release with mm_surfaces_clear(), also after a failure.
 * 0: out of memory. */
int mm_surfaces_init(mm_surfaces *surfaces, mm_pass *pass, mm_wholes *wholes);
void mm_surfaces_clear(mm_surfaces *surfaces);
/* As mm_eval_stage() and mm_eval_task(), when the pass over all voxels is done. */
size_t mm_surfaces_stage(mm_surfaces *surfaces);
void mm_surfaces_task(mm_surfaces *surfaces, size_t task, mm_scratch *scratch);

#endif
