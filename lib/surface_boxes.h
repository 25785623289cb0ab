/*
 * surface_boxes.h - what part of each image the masks of a class lie in.  Private to lib/.
 */
#ifndef MM_SURFACE_BOXES_H
#define MM_SURFACE_BOXES_H

#include "lib/chunk.h"
#include "lib/surface.h"

/* Both masks of a class together, along the axes of the grid: half-open. */
typedef struct mm_box {
    size_t low[MM_SURFACE_AXES], high[MM_SURFACE_AXES];
} mm_box;

typedef struct mm_boxes {
    const mm_pass *pass;
    int of_masks;                /* of pass->maps.masks, else of label and pred */
    size_t dim[MM_SURFACE_AXES]; /* of an image, along the axes of the grid */
    size_t rows, rows_of_task;   /* of an image */
    size_t tasks_of_plane;       /* of an image, or of a class of it */
    _Atomic uint64_t *edges;     /* [image][class][axis, then axis]: the least place, then the least of ~place */
} mm_boxes;

/* Release with mm_boxes_clear().  dim: along the axes of the grid.  0: out of memory. */
int mm_boxes_init(mm_boxes *boxes, const mm_pass *pass, int of_masks, const size_t dim[MM_SURFACE_AXES]);
void mm_boxes_clear(mm_boxes *boxes);
/* Bytes for so many images and classes. */
size_t mm_boxes_bytes(const mm_shape *shape);
size_t mm_boxes_task_count(const mm_boxes *boxes);
/* When the maps are written.  scratch: a worker's. */
void mm_boxes_task(mm_boxes *boxes, size_t task, mm_scratch *scratch);
/* 0: both masks are empty. */
int mm_boxes_get(const mm_boxes *boxes, size_t image, size_t class_index, mm_box *box);

#endif
