/*
 * check.c - finds the first element of a chunk that makes no sense, once a kernel has said that there is one.
 */
#include <math.h>
#include <string.h>

#include "lib/chunk.h"

void mm_atomic_lower(_Atomic uint64_t *least, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(least, memory_order_relaxed);

    while (value < seen &&
           !atomic_compare_exchange_weak_explicit(least, &seen, value, memory_order_relaxed, memory_order_relaxed))
        continue;
}

static int pred_is_good(const mm_shape *shape, double value)
{
    switch (shape->pred_kind) {
    case MM_LOGITS:
        return isfinite(value);
    case MM_PROBS_U8:
        return 1;
    case MM_MASKS:
        return value == 0.0 || value == 1.0;
    case MM_LABELS:
        return value >= 0.0 && value < (double)(shape->classes == 1 ? 2 : shape->classes);
    default:
        return value >= 0.0 && value <= 1.0;
    }
}

static uint64_t flat_index(const mm_axes *axes, size_t image, size_t class_index, size_t voxel)
{
    return (uint64_t)(image * axes->image_stride + class_index * axes->class_stride + voxel * axes->voxel_stride);
}

static void load_plane(const mm_pass *pass, const mm_axes *axes, size_t image, size_t class_index, size_t chunk,
                       double *plane)
{
    pass->k->load_f64(plane, mm_axes_at(axes, image, class_index, mm_chunk_first(chunk)), axes->dtype,
                      axes->voxel_stride, mm_chunk_length(pass, chunk));
}

void mm_chunk_find_bad_pred(mm_pass *pass, size_t image, size_t chunk, const float *label)
{
    const size_t n = mm_chunk_length(pass, chunk), first = mm_chunk_first(chunk);
    const size_t planes = pass->shape.pred_has_classes ? pass->shape.classes : 1;
    double plane[MM_CHUNK];

    for (size_t c = 0; c < planes; c++) {
        load_plane(pass, &pass->pred, image, c, chunk, plane);
        for (size_t i = 0; i < n; i++)
            if (label[i] >= 0.0f && !pred_is_good(&pass->shape, plane[i]))
                mm_atomic_lower(&pass->bad_pred, flat_index(&pass->pred, image, c, first + i));
    }
}

static int is_masked(const mm_pass *pass, size_t image, size_t voxel)
{
    return pass->has_mask && *mm_axes_at(&pass->mask, image, 0, voxel) == 0;
}

static void find_bad_index(mm_pass *pass, size_t image, size_t chunk)
{
    const size_t n = mm_chunk_length(pass, chunk), first = mm_chunk_first(chunk);
    double plane[MM_CHUNK];

    load_plane(pass, &pass->label, image, 0, chunk, plane);
    for (size_t i = 0; i < n; i++) {
        const int is_class = plane[i] >= 0.0 && plane[i] < (double)pass->shape.classes;
        const int is_ignored = pass->has_ignore && plane[i] == (double)pass->ignore;

        if (!is_class && !is_ignored && !is_masked(pass, image, first + i))
            mm_atomic_lower(&pass->bad_label, flat_index(&pass->label, image, 0, first + i));
    }
}

void mm_chunk_find_bad_label(mm_pass *pass, size_t image, size_t chunk, const float *label)
{
    const size_t n = mm_chunk_length(pass, chunk), first = mm_chunk_first(chunk);
    double plane[MM_CHUNK];

    if (pass->shape.label_kind == MM_INDEX) {
        find_bad_index(pass, image, chunk);
        return;
    }
    for (size_t c = 0; c < pass->shape.classes; c++) {
        load_plane(pass, &pass->label, image, c, chunk, plane);
        for (size_t i = 0; i < n; i++)
            if (label[i] >= 0.0f && !(plane[i] >= 0.0 && plane[i] <= 1.0))
                mm_atomic_lower(&pass->bad_label, flat_index(&pass->label, image, c, first + i));
    }
}

double mm_axes_value(const mm_axes *axes, uint64_t index)
{
    double plane[MM_CHUNK];

    mm_kernels_chosen()->load_f64(plane, axes->base + axes->size * (size_t)index, axes->dtype, 1, 1);
    return plane[0];
}
