/*
 * image_components.c - panoptic sums: connected components of label and prediction, and which of them match.
 */
#include "lib/image_kinds.h"

#include <stdlib.h>

#include "lib/assignment.h"
#include "lib/components.h"
#include "lib/sort.h"

/* Components of one image and class. */
typedef struct scene {
    mm_grid grid;
    unsigned char *label_mask, *pred_mask;
    uint32_t *label, *pred; /* their numbers, voxel by voxel */
    uint32_t labels, preds; /* how many there are */
    uint32_t *label_size, *pred_size;
    mm_pair *pairs; /* those that overlap, by label and then prediction; the weight is their IoU */
    size_t count;
} scene;

static void scene_free(scene *s)
{
    free(s->label_mask);
    free(s->pred_mask);
    free(s->label);
    free(s->pred);
    free(s->label_size);
    free(s->pred_size);
    free(s->pairs);
}

static int find_components(scene *s, const mm_field *field, size_t class_index, unsigned connectivity)
{
    s->label_mask = malloc(field->voxels);
    s->pred_mask = malloc(field->voxels);
    s->label = malloc(field->voxels * sizeof *s->label);
    s->pred = malloc(field->voxels * sizeof *s->pred);
    if (s->label_mask == NULL || s->pred_mask == NULL || s->label == NULL || s->pred == NULL ||
        !mm_field_masks(field, 0, class_index, s->label_mask, s->pred_mask))
        return 0;
    s->labels = mm_components(s->label_mask, &s->grid, connectivity, s->label);
    s->preds = mm_components(s->pred_mask, &s->grid, connectivity, s->pred);
    return 1;
}

/* Sizes of the components, numbered from 0 as in pairs. */
static int count_sizes(scene *s)
{
    s->label_size = calloc((size_t)s->labels + 1, sizeof *s->label_size);
    s->pred_size = calloc((size_t)s->preds + 1, sizeof *s->pred_size);
    if (s->label_size == NULL || s->pred_size == NULL)
        return 0;
    for (size_t v = 0; v < s->grid.voxels; v++) {
        if (s->label[v] > 0)
            s->label_size[s->label[v] - 1]++;
        if (s->pred[v] > 0)
            s->pred_size[s->pred[v] - 1]++;
    }
    return 1;
}

/* The end of the run of equal keys that begins at `from`. */
static size_t run_end(const uint64_t *keys, size_t from, size_t count)
{
    size_t end = from + 1;

    while (end < count && keys[end] == keys[from])
        end++;
    return end;
}

/* Pairs from the sorted (label, prediction) of every voxel in both. */
static int count_pairs(scene *s, const uint64_t *keys, size_t count)
{
    size_t distinct = 0;

    for (size_t i = 0; i < count; i = run_end(keys, i, count))
        distinct++;
    s->pairs = calloc(distinct + 1, sizeof *s->pairs);
    if (s->pairs == NULL)
        return 0;
    for (size_t i = 0; i < count;) {
        const size_t end = run_end(keys, i, count);
        const uint32_t label = (uint32_t)(keys[i] >> 32), pred = (uint32_t)keys[i];
        const double both = (double)(end - i);
        const double either = (double)s->label_size[label] + (double)s->pred_size[pred] - both;

        s->pairs[s->count++] = (mm_pair){.row = label, .column = pred, .weight = both / either};
        i = end;
    }
    return 1;
}

static int find_pairs(scene *s)
{
    size_t count = 0;
    uint64_t *keys, *spare;
    int fine;

    for (size_t v = 0; v < s->grid.voxels; v++)
        count += s->label[v] > 0 && s->pred[v] > 0;
    keys = malloc((count + 1) * sizeof *keys);
    spare = malloc((count + 1) * sizeof *spare);
    fine = keys != NULL && spare != NULL;
    count = 0;
    for (size_t v = 0; fine && v < s->grid.voxels; v++)
        if (s->label[v] > 0 && s->pred[v] > 0)
            keys[count++] = (uint64_t)(s->label[v] - 1) << 32 | (s->pred[v] - 1);
    if (fine) {
        mm_sort_keys(keys, spare, count);
        fine = count_pairs(s, keys, count);
    }
    free(keys);
    free(spare);
    return fine;
}

/* Pairs above one half exclude each other; below, those of greatest total IoU are chosen first. */
static int match(const scene *s, double threshold, double *values)
{
    size_t *chosen = NULL, matched = 0;
    double sum = 0.0;

    if (threshold < 0.5) {
        chosen = malloc(((size_t)s->labels + 1) * sizeof *chosen);
        if (chosen == NULL || !mm_assign(s->pairs, s->count, s->labels, s->preds, chosen)) {
            free(chosen);
            return 0;
        }
    }
    for (size_t i = 0; i < s->count; i++)
        if (s->pairs[i].weight > threshold && (chosen == NULL || chosen[s->pairs[i].row] == i)) {
            sum += s->pairs[i].weight;
            matched++;
        }
    free(chosen);
    values[1] = sum;
    values[2] = (double)matched;
    values[3] = (double)(s->preds - matched);
    values[4] = (double)(s->labels - matched);
    return 1;
}

static int panoptic(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    const unsigned connectivity = stat->more[1] >= 3.0 ? 3 : stat->more[1] >= 2.0 ? 2 : 1;
    scene s = {.grid = mm_grid_of(field->pass->shape.spatial_rank, field->pass->shape.spatial)};
    const int fine = field->voxels < UINT32_MAX && find_components(&s, field, class_index, connectivity) &&
                     count_sizes(&s) && find_pairs(&s) && match(&s, stat->more[0], values);

    scene_free(&s);
    return fine;
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
const mm_image_kind mm_image_components[] = {
    {.kind = MM_IMAGE_PANOPTIC, .words = "matches of each class' connected components", .values = 4, .planes = 12,
     .compute = panoptic},
    {.kind = 0},
};
/* clang-format on */
