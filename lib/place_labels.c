/*
 * place_labels.c - the labels of one chunk: index maps and planes with a class axis, masks, ignored values.
 */
#include "lib/place.h"

#include <string.h>

size_t mm_chunk_first(size_t chunk)
{
    return chunk * MM_CHUNK;
}

size_t mm_chunk_length(const mm_pass *pass, size_t chunk)
{
    const size_t left = pass->shape.voxels - mm_chunk_first(chunk);

    return left < MM_CHUNK ? left : MM_CHUNK;
}

const unsigned char *mm_axes_at(const mm_axes *axes, size_t image, size_t class_index, size_t voxel)
{
    return axes->base +
           axes->size * (image * axes->image_stride + class_index * axes->class_stride + voxel * axes->voxel_stride);
}

const unsigned char *mm_place_at(const mm_place *here, const mm_axes *axes, size_t class_index)
{
    return mm_axes_at(axes, here->image, class_index, mm_chunk_first(here->chunk));
}

static void set_all(float *plane, size_t n, float value)
{
    for (size_t i = 0; i < mm_plane_length(n); i++)
        plane[i] = i < n ? value : -1.0f;
}
static void drop_masked(const mm_place *here)
{
    size_t unmasked = here->n;

    if (here->pass->has_mask) {
        const unsigned char *mask = mm_place_at(here, &here->pass->mask, 0);

        unmasked = 0;
        for (size_t i = 0; i < here->n; i++)
            unmasked += mask[i] != 0;
    }
    here->s->task_unmasked += unmasked;
    if (here->pass->has_mask)
        here->pass->k->keep_masked(here->s->label, mm_place_at(here, &here->pass->mask, 0), here->n);
}

static void load_label_plane(const mm_place *here, size_t c, double *out)
{
    const mm_axes *axes = &here->pass->label;

    here->pass->k->load_f64(out, mm_place_at(here, axes, c), axes->dtype, axes->voxel_stride, here->n);
}

/* A voxel is dropped for all classes when one of its channels holds the ignored value. */
static void drop_ignored_channels(const mm_place *here)
{
    const mm_pass *pass = here->pass;
    mm_scratch *s = here->s;

    for (size_t c = 0; pass->has_ignore && c < pass->shape.classes; c++) {
        load_label_plane(here, c, s->x);
        for (size_t i = 0; i < here->n; i++)
            if (s->x[i] == (double)pass->ignore)
                s->label[i] = -1.0f;
    }
}

/* label 0 where a voxel is scored: all that labels with a class axis say before their planes are read. */
static void find_scored(const mm_place *here)
{
    set_all(here->s->label, here->n, 0.0f);
    drop_masked(here);
    drop_ignored_channels(here);
    here->s->scored_count = here->pass->k->scored_of(here->s->scored, here->s->label, here->s->length);
}

static void load_index_labels(const mm_place *here)
{
    mm_pass *pass = here->pass;
    const mm_axes *axes = &pass->label;
    const int bad = pass->k->load_index(here->s->label, mm_place_at(here, axes, 0), axes->dtype, axes->voxel_stride,
                                        here->n, (unsigned)pass->shape.classes, pass->has_ignore, pass->ignore);

    drop_masked(here);
    if (bad)
        mm_chunk_find_bad_label(pass, here->image, here->chunk, here->s->label);
    here->s->labels_hard = 1;
    pass->k->widen(here->s->wide_label, here->s->label, here->s->length);
    if (pass->way == MM_WAY_FAST && !bad && !pass->has_mask && !pass->has_ignore && here->n == here->s->length)
        here->s->scored_count = here->n; /* all of them: nobody will look at the plane */
    else
        here->s->scored_count = pass->k->scored_of(here->s->scored, here->s->label, here->s->length);
}

/* The plane g of class c, checked, 0 where not scored. */
void mm_place_g(const mm_place *here, size_t c)
{
    mm_pass *pass = here->pass;
    mm_scratch *s = here->s;

    if (pass->shape.label_kind == MM_INDEX) {
        pass->k->equals(s->g, s->label, (float)c, s->length);
        return;
    }
    load_label_plane(here, c, s->g);
    if (s->scored_count < s->length)
        pass->k->select(s->g, s->scored, s->length);
    if (!pass->k->in_range(s->g, s->length))
        mm_chunk_find_bad_label(pass, here->image, here->chunk, here->s->label);
}

/* Exclusive classes with a class axis: are the labels of this chunk hard, exactly one 1 in each scored voxel?  Then
 * `label` gets the class; else the class of the greatest g, the first one where several are. */
static void load_onehot_labels(const mm_place *here)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;
    int soft = 0;

    find_scored(here);
    memset(s->ones, 0, s->length * sizeof *s->ones);
    memset(s->rest, 0, s->length * sizeof *s->rest);
    for (size_t i = 0; i < s->length; i++)
        s->max[i] = -1.0;
    for (size_t c = 0; c < here->pass->shape.classes; c++) {
        mm_place_g(here, c);
        soft |= k->onehot(s->g, (float)c, s->label, s->ones, s->length);
        k->track_max(s->g, (double)c, s->max, s->rest, s->length);
    }
    for (size_t i = 0; i < s->length; i++) {
        soft |= s->scored[i] != 0.0 && s->ones[i] != 1.0;
        s->label[i] = s->scored[i] != 0.0 ? (float)s->rest[i] : -1.0f;
    }
    s->labels_hard = !soft;
    k->widen(s->wide_label, s->label, s->length);
}

void mm_place_labels(const mm_place *here)
{
    if (here->pass->shape.label_kind == MM_INDEX)
        load_index_labels(here);
    else if (here->pass->way == MM_WAY_MASKS)
        find_scored(here);
    else
        load_onehot_labels(here);
}
