/*
 * image_regions.c - the kind of regions: the voxels nearest to each connected component of the label.
 */
#include "lib/image_kinds.h"

#include <stdlib.h>
#include <string.h>

#include "lib/components.h"
#include "lib/nearest.h"
#include "lib/tensor.h"

enum { CONNECTIVITY };         /* place in more */
enum { REASON, SUM, REGIONS }; /* values */

/* Both masks of one class, and the box that they lie in. */
typedef struct scene {
    mm_grid grid;
    size_t low[3], size[3], voxels; /* of the box */
    unsigned char *label, *pred;    /* of the image, then of the box */
    uint32_t *ids;                  /* of the box: the region of each voxel */
} scene;

static void scene_free(scene *s)
{
    free(s->label);
    free(s->pred);
    free(s->ids);
}

/* The box of all voxels that are set; no voxels when there are none. */
static void find_box(scene *s)
{
    size_t high[3] = {0, 0, 0}, at[3], v = 0;

    memcpy(s->low, s->grid.dim, sizeof s->low);
    for (at[0] = 0; at[0] < s->grid.dim[0]; at[0]++)
        for (at[1] = 0; at[1] < s->grid.dim[1]; at[1]++)
            for (at[2] = 0; at[2] < s->grid.dim[2]; at[2]++, v++)
                for (unsigned axis = 0; (s->label[v] == 1 || s->pred[v] == 1) && axis < 3; axis++) {
                    s->low[axis] = at[axis] < s->low[axis] ? at[axis] : s->low[axis];
                    high[axis] = at[axis] + 1 > high[axis] ? at[axis] + 1 : high[axis];
                }
    for (unsigned axis = 0; axis < 3; axis++)
        s->size[axis] = high[axis] > s->low[axis] ? high[axis] - s->low[axis] : 0;
    s->voxels = s->size[0] * s->size[1] * s->size[2];
}

/* Moves the box to the front of a mask: every voxel to its place or before it. */
static void crop(const scene *s, unsigned char *mask)
{
    size_t to = 0;

    for (size_t i = 0; i < s->size[0]; i++)
        for (size_t j = 0; j < s->size[1]; j++, to += s->size[2])
            memmove(mask + to,
                    mask + (s->low[0] + i) * s->grid.stride[0] + (s->low[1] + j) * s->grid.stride[1] + s->low[2],
                    s->size[2]);
}

/* How many components the label has; ids: the nearest of each voxel of the box.  0: out of memory. */
static int find_regions(scene *s, const mm_field *field, const mm_stat *stat, uint32_t *count)
{
    const unsigned first = s->grid.first, connectivity = (unsigned)stat->more[CONNECTIVITY];
    const mm_grid box = mm_grid_of(3 - first, s->size + first);
    mm_array array = {.rank = 3 - first};

    for (unsigned axis = first; axis < 3; axis++) {
        array.dim[axis - first] = s->size[axis];
        array.spacing[axis - first] = field->pass->spacing[axis - first];
    }
    s->ids = malloc(s->voxels * sizeof *s->ids);
    if (s->ids == NULL)
        return 0;
    *count = mm_components(s->label, &box, connectivity, s->ids);
    return mm_nearest(s->ids, &array);
}

/* The sum of 2 TP / (label + prediction) of the regions. */
static int sum_dice(const scene *s, uint32_t count, double *sum)
{
    uint32_t *both = calloc((size_t)count + 1, sizeof *both), *all = calloc((size_t)count + 1, sizeof *all);
    const int fine = both != NULL && all != NULL;

    for (size_t v = 0; fine && v < s->voxels; v++) {
        both[s->ids[v]] += s->label[v] == 1 && s->pred[v] == 1;
        all[s->ids[v]] += (uint32_t)(s->label[v] == 1) + (s->pred[v] == 1);
    }
    for (uint32_t id = 1; fine && id <= count; id++)
        *sum += 2.0 * (double)both[id] / (double)all[id];
    free(both);
    free(all);
    return fine;
}

static int regions(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    scene s = {.grid = mm_grid_of(field->pass->shape.spatial_rank, field->pass->shape.spatial),
               .label = malloc(field->voxels),
               .pred = malloc(field->voxels)};
    uint32_t count = 0;
    int fine = field->voxels < UINT32_MAX / 2 && s.label != NULL && s.pred != NULL &&
               mm_field_masks(field, 0, class_index, s.label, s.pred);

    if (fine) {
        find_box(&s);
        crop(&s, s.label);
        crop(&s, s.pred);
    }
    if (fine && s.voxels > 0)
        fine = find_regions(&s, field, stat, &count) && sum_dice(&s, count, &values[SUM]);
    values[REGIONS] = (double)count;
    scene_free(&s);
    return fine;
}

/* clang-format off */
const mm_image_kind mm_image_regions[] = {
    {.kind = MM_IMAGE_REGIONS, .words = "regions around the label's components", .values = 2, .planes = 4,
     .compute = regions},
    {.kind = 0},
};
/* clang-format on */
