/*
 * image_distance.c - kinds made of distances between the surfaces of hard masks: computed in stages (surfaces.h).
 *
 * Voxels that are not scored lie outside every mask.
 */
#include "lib/image_kinds.h"

const mm_image_kind mm_image_distance[] = {
    {.kind = MM_IMAGE_SURFACE, .words = "distances between surfaces", .values = MM_SURFACE_VALUES - 1},
    {.kind = MM_IMAGE_SURFACE_PERCENTILE,
     .words = "a percentile of distances between surfaces",
     .values = MM_SURFACE_PERCENTILES - 1},
    {.kind = MM_IMAGE_SURFACE_WITHIN, .words = "surfaces within a tolerance", .values = MM_SURFACE_WITHINS - 1},
    {.kind = 0},
};
