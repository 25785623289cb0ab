/*
 * place_maps.c - what the pass keeps of each voxel for kinds that compare masks: hard classes, or masks of each class.
 */
#include "lib/place.h"

#include "lib/kernels_surface.h"

/* Exclusive classes: from the planes label and pred. */
void mm_place_map_classes(const mm_place *here)
{
    const mm_maps *maps = &here->pass->maps;
    const size_t at = here->image * here->pass->shape.voxels + mm_chunk_first(here->chunk);

    if (maps->label != NULL)
        here->pass->k->surfaces->map_classes(maps->label + at, maps->pred + at, here->s->label, here->s->pred, here->n);
}

static unsigned char *mask_at(const mm_place *here, size_t c)
{
    const mm_shape *shape = &here->pass->shape;
    const size_t plane = here->image * shape->classes + c;

    return here->pass->maps.masks + plane * shape->voxels + mm_chunk_first(here->chunk);
}

/* The masks of a class: p over the threshold, g over 1/2, where scored: a p of 0 may be over the threshold, too. */
void mm_place_map_masks(const mm_place *here, size_t c, const double *p, double threshold, const double *g)
{
    const mm_scratch *s = here->s;

    if (here->pass->maps.masks == NULL)
        return;
    unsigned char *mask = mask_at(here, c);

    here->pass->k->surfaces->map_masks(mask, p, threshold, g, here->n);
    for (size_t i = 0; s->scored_count < s->length && i < here->n; i++)
        mask[i] = s->scored[i] != 0.0 ? mask[i] : 0;
}

/* The same from bytes that are 0 or 1. */
void mm_place_map_bytes(const mm_place *here, size_t c, const unsigned char *p, const unsigned char *g)
{
    if (here->pass->maps.masks != NULL)
        here->pass->k->surfaces->mask_of_bytes(mask_at(here, c), p, g, here->n);
}

/* Exclusive classes whose prediction is masks: each channel by itself, when the rest of the chunk is done. */
void mm_place_map_channels(const mm_place *here)
{
    mm_scratch *s = here->s;

    for (size_t c = 0; here->pass->maps.masks != NULL && c < here->pass->shape.classes; c++) {
        mm_place_pred_plane(here, c, s->x);
        mm_place_g(here, c);
        mm_place_map_masks(here, c, s->x, 0.5, s->g);
    }
}
