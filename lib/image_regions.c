/*
 * image_regions.c - the kind of regions: the voxels nearest to each connected component of the label.
 */
#include "lib/image_kinds.h"

#include <stdlib.h>
#include <string.h>

#include "lib/components.h"
#include "lib/crop.h"
#include "lib/nearest.h"

enum { CONNECTIVITY };         /* place in more */
enum { REASON, SUM, REGIONS }; /* values */

/* Both masks of one class, cut down to the box that they lie in. */
typedef struct scene {
    mm_crop box;
    unsigned char *label, *pred;
    uint32_t *ids; /* the region of each voxel */
} scene;

static void scene_free(scene *s)
{
    free(s->label);
    free(s->pred);
    free(s->ids);
}

static void cut(scene *s, const mm_field *field)
{
    const mm_grid image = mm_grid_of(field->pass->shape.spatial_rank, field->pass->shape.spatial);

    s->box = mm_crop_of(&image, s->label, s->pred, 0);
    mm_crop_take(&s->box, s->label);
    mm_crop_take(&s->box, s->pred);
}

/* How many components the label has; ids: the nearest of each voxel of the box.  0: out of memory. */
static int find_regions(scene *s, const mm_field *field, const mm_stat *stat, uint32_t *count)
{
    const mm_grid grid = mm_grid_of(s->box.array.rank, s->box.array.dim);
    mm_array array = s->box.array;

    memcpy(array.spacing, field->pass->spacing, array.rank * sizeof *array.spacing);
    s->ids = malloc(s->box.voxels * sizeof *s->ids);
    if (s->ids == NULL)
        return 0;
    *count = mm_components(s->label, &grid, (unsigned)stat->more[CONNECTIVITY], s->ids);
    return mm_nearest(s->ids, &array);
}

/* The sum of 2 TP / (label + prediction) of the regions. */
static int sum_dice(const scene *s, uint32_t count, double *sum)
{
    uint32_t *both = calloc((size_t)count + 1, sizeof *both), *all = calloc((size_t)count + 1, sizeof *all);
    const int fine = both != NULL && all != NULL;

    for (size_t v = 0; fine && v < s->box.voxels; v++) {
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
    scene s = {.label = malloc(field->voxels), .pred = malloc(field->voxels)};
    uint32_t count = 0;
    int fine = field->voxels < UINT32_MAX / 2 && s.label != NULL && s.pred != NULL &&
               mm_field_masks(field, 0, class_index, s.label, s.pred);

    if (fine)
        cut(&s, field);
    if (fine && s.box.voxels > 0)
        fine = find_regions(&s, field, stat, &count) && sum_dice(&s, count, &values[SUM]);
    values[REGIONS] = (double)count;
    scene_free(&s);
    return fine;
}

/* clang-format off */
const mm_image_kind mm_image_regions[] = {
    {.kind = MM_IMAGE_REGIONS, .words = "regions around the label's components", .numbers = {"connectivity"},
     .holds = "sum of their Dice coefficients, their number", .values = 2, .planes = 4,
     .compute = regions},
    {.kind = 0},
};
/* clang-format on */
