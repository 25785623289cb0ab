/*
 * surface_boxes.c - boxes of all classes from one pass over the maps, row by row.
 */
#include "lib/surface_boxes.h"

#include <stdlib.h>
#include <string.h>

#define TASK_VOXELS ((size_t)1 << 18)
#define EDGES       (2 * MM_SURFACE_AXES)
#define NOWHERE     UINT64_MAX

/* Edges of one class that a task has seen; all NOWHERE: none. */
typedef struct seen {
    uint64_t edge[EDGES];
} seen;

_Static_assert(MM_MAX_CLASSES * sizeof(seen) <= sizeof(mm_scratch), "the edges of a task fit in a worker's scratch");

size_t mm_boxes_bytes(const mm_shape *shape)
{
    return shape->images * shape->classes * EDGES * sizeof(uint64_t);
}

int mm_boxes_init(mm_boxes *boxes, const mm_pass *pass, int of_masks, const size_t dim[MM_SURFACE_AXES])
{
    const size_t edges = pass->shape.images * pass->shape.classes * EDGES;

    *boxes = (mm_boxes){.pass = pass, .of_masks = of_masks, .rows = dim[0] * dim[1]};
    memcpy(boxes->dim, dim, sizeof boxes->dim);
    boxes->rows_of_task = dim[2] < TASK_VOXELS ? TASK_VOXELS / dim[2] : 1;
    boxes->tasks_of_plane = (boxes->rows + boxes->rows_of_task - 1) / boxes->rows_of_task;
    boxes->edges = malloc(edges * sizeof *boxes->edges);
    for (size_t i = 0; boxes->edges != NULL && i < edges; i++)
        atomic_init(&boxes->edges[i], NOWHERE);
    return boxes->edges != NULL;
}

void mm_boxes_clear(mm_boxes *boxes)
{
    free(boxes->edges);
    boxes->edges = NULL;
}

size_t mm_boxes_task_count(const mm_boxes *boxes)
{
    const mm_shape *shape = &boxes->pass->shape;

    return boxes->tasks_of_plane * shape->images * (boxes->of_masks ? shape->classes : 1);
}

static void lower(uint64_t *least, uint64_t value)
{
    *least = value < *least ? value : *least;
}

/* Places `first` to `last` of a row belong to the class. */
static void see(seen *of, const mm_boxes *boxes, size_t row, size_t first, size_t last)
{
    const uint64_t low[MM_SURFACE_AXES] = {row / boxes->dim[1], row % boxes->dim[1], first};
    const uint64_t high[MM_SURFACE_AXES] = {low[0], low[1], last};

    for (unsigned axis = 0; axis < MM_SURFACE_AXES; axis++) {
        lower(&of->edge[axis], low[axis]);
        lower(&of->edge[MM_SURFACE_AXES + axis], ~high[axis]);
    }
}

/* The end of the run of equal classes that begins at x. */
static size_t run_end(const uint16_t *row, size_t x, size_t length)
{
    const uint64_t four = row[x] * (uint64_t)0x0001000100010001;
    uint64_t next;

    for (; x + 4 <= length; x += 4) {
        memcpy(&next, row + x, sizeof next);
        if (next != four)
            break;
    }
    for (const uint16_t c = (uint16_t)four; x < length && row[x] == c;)
        x++;
    return x;
}

static void see_classes(const mm_boxes *boxes, seen *all, const uint16_t *map, size_t row)
{
    const size_t length = boxes->dim[2];

    for (size_t x = 0, end; x < length; x = end) {
        end = run_end(map, x, length);
        if (map[x] != MM_NO_CLASS)
            see(&all[map[x]], boxes, row, x, end - 1);
    }
}

static void see_mask(const mm_boxes *boxes, seen *of, const unsigned char *mask, size_t row)
{
    size_t first = mm_next_element(mask, 0, boxes->dim[2]), last = boxes->dim[2];

    if (first == boxes->dim[2])
        return;
    while (mask[last - 1] == 0)
        last--;
    see(of, boxes, row, first, last - 1);
}

/* Adds what a task has seen of classes from `first` on to the boxes of all. */
static void merge(mm_boxes *boxes, const seen *all, size_t plane, size_t classes)
{
    for (size_t c = 0; c < classes; c++)
        for (size_t i = 0; all[c].edge[0] != NOWHERE && i < EDGES; i++)
            mm_atomic_lower(&boxes->edges[(plane + c) * EDGES + i], all[c].edge[i]);
}

void mm_boxes_task(mm_boxes *boxes, size_t task, mm_scratch *scratch)
{
    const size_t classes = boxes->of_masks ? 1 : boxes->pass->shape.classes;
    const size_t plane = task / boxes->tasks_of_plane, first = task % boxes->tasks_of_plane * boxes->rows_of_task;
    const size_t voxels = boxes->pass->shape.voxels, length = boxes->dim[2];
    const size_t end = boxes->rows - first < boxes->rows_of_task ? boxes->rows : first + boxes->rows_of_task;
    const mm_maps *maps = &boxes->pass->maps;
    seen *all = (seen *)(void *)scratch;

    memset(all, 0xff, classes * sizeof *all);
    for (size_t row = first; row < end; row++) {
        const size_t at = plane * voxels + row * length;

        if (boxes->of_masks) {
            see_mask(boxes, all, maps->masks + at, row);
        } else {
            see_classes(boxes, all, maps->label + at, row);
            see_classes(boxes, all, maps->pred + at, row);
        }
    }
    merge(boxes, all, plane * classes, classes);
}

int mm_boxes_get(const mm_boxes *boxes, size_t image, size_t class_index, mm_box *box)
{
    const _Atomic uint64_t *edge = boxes->edges + (image * boxes->pass->shape.classes + class_index) * EDGES;

    if (atomic_load_explicit(&edge[0], memory_order_relaxed) == NOWHERE)
        return 0;
    for (unsigned axis = 0; axis < MM_SURFACE_AXES; axis++) {
        box->low[axis] = (size_t)atomic_load_explicit(&edge[axis], memory_order_relaxed);
        box->high[axis] = (size_t)~atomic_load_explicit(&edge[MM_SURFACE_AXES + axis], memory_order_relaxed) + 1;
    }
    return 1;
}
