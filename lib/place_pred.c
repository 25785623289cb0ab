/*
 * place_pred.c - the predictions of one chunk, class by class: as sent, as a sigmoid, or as a softmax.
 */
#include "lib/place.h"

#include <float.h>
#include <string.h>

/* A label map as a prediction, into the plane map; a value that is no class is an error where the voxel is scored. */
void mm_place_pred_map(const mm_place *here)
{
    mm_pass *pass = here->pass;
    mm_scratch *s = here->s;
    const mm_axes *axes = &pass->pred;
    const int bad = pass->k->load_index(s->map, mm_place_at(here, axes, 0), axes->dtype, axes->voxel_stride, here->n,
                                        (unsigned)pass->shape.classes, 0, 0);

    if (bad)
        mm_chunk_find_bad_pred(pass, here->image, here->chunk, s->label);
    for (size_t i = 0; i < s->length; i++) /* counting needs a class, also where nothing is scored */
        s->map[i] = s->map[i] < 0.0f ? 0.0f : s->map[i];
}

/* What pred holds for class c, as sent (bytes scaled, maps as masks), 0 where not scored. */
void mm_place_pred_plane(const mm_place *here, size_t c, double *out)
{
    const mm_pass *pass = here->pass;
    const mm_axes *axes = &pass->pred;
    mm_scratch *s = here->s;

    if (pass->shape.pred_kind == MM_LABELS && pass->shape.classes > 1) {
        pass->k->equals(out, s->map, (float)c, s->length);
    } else {
        pass->k->load_f64(out, mm_place_at(here, axes, c), axes->dtype, axes->voxel_stride, here->n);
        if (pass->shape.pred_kind == MM_PROBS_U8)
            pass->k->scale_bytes(out, s->length);
    }
    if (s->scored_count < s->length)
        pass->k->select(out, s->scored, s->length);
}

void mm_place_check_pred(const mm_place *here, const double *plane)
{
    const mm_kernels *k = here->pass->k;
    const size_t n = here->s->length;
    int good;

    switch (here->pass->shape.pred_kind) {
    case MM_LOGITS:
        good = k->finite(plane, n);
        break;
    case MM_MASKS:
    case MM_LABELS:
        good = k->is_binary(plane, n);
        break;
    default:
        good = k->in_range(plane, n);
        break;
    }
    if (!good)
        mm_chunk_find_bad_pred(here->pass, here->image, here->chunk, here->s->label);
}

/* Greatest value over the classes from `first` on, its class, and the sum: planes max, best, total. */
void mm_place_maximum(const mm_place *here, size_t first, int check)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;

    memset(s->best, 0, s->length * sizeof *s->best);
    memset(s->total, 0, s->length * sizeof *s->total);
    for (size_t i = 0; i < s->length; i++)
        s->max[i] = -DBL_MAX;
    s->walked = first == 0;
    for (size_t c = first; c < here->pass->shape.classes; c++) {
        mm_place_pred_plane(here, c, s->x);
        if (check)
            mm_place_check_pred(here, s->x);
        k->track_max(s->x, (double)c, s->max, s->best, s->length);
        k->add(s->total, s->x, s->length);
    }
}

/* exp(x - max) of class c: kept in rows where there is room for all classes, else made again. */
static double *exponentials(const mm_place *here, size_t c, int again)
{
    mm_scratch *s = here->s;
    const int kept = here->pass->shape.classes <= MM_DOUBLE_ROWS;
    double *out = kept ? s->rows + c * MM_CHUNK : s->term;

    if (again && kept)
        return out;
    mm_place_pred_plane(here, c, out);
    here->pass->k->logit_exp(out, s->max, s->length);
    return out;
}

size_t mm_form_first_class(unsigned form)
{
    return form == MM_FORM_SOFTMAX_REST ? 1 : 0;
}

int mm_form_is_softmax(unsigned form)
{
    return form == MM_FORM_SOFTMAX || form == MM_FORM_SOFTMAX_REST;
}

/* The softmax denominator, 1 + rest, from the planes max and best. */
static void walk_softmax(const mm_place *here, unsigned form)
{
    mm_scratch *s = here->s;

    memset(s->rest, 0, s->length * sizeof *s->rest);
    for (size_t c = mm_form_first_class(form); c < here->pass->shape.classes; c++)
        here->pass->k->logit_rest(exponentials(here, c, 0), (double)c, s->best, s->rest, s->length);
}

static void load_softmax(const mm_place *here, size_t c)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;

    k->softmax(s->p, s->q, exponentials(here, c, 1), (double)c, s->best, s->rest, s->length);
    mm_place_pred_plane(here, c, s->x);
    k->log_softmax(s->exact_p, s->x, s->max, s->rest, s->length);
    if (here->pass->columns.negative)
        k->neglog(s->exact_q, s->q, DBL_MIN, s->length);
}

/* p, q (and exact_p, exact_q) of class c in that form; p is 0 where not scored. */
void mm_place_class(const mm_place *here, unsigned form, size_t c)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;

    if (form == MM_FORM_SENT) {
        mm_place_pred_plane(here, c, s->p);
        k->complement(s->q, s->p, s->length);
        return;
    }
    if (form == MM_FORM_SIGMOID) {
        mm_place_pred_plane(here, c, s->x);
        k->sigmoid(s->p, s->q, s->exact_p, s->exact_q, s->x, s->length);
    } else {
        load_softmax(here, c);
    }
    if (s->scored_count < s->length)
        k->select(s->p, s->scored, s->length);
}

/* The sum of p over the classes, where a column asks for it. */
static void walk_total(const mm_place *here, unsigned form)
{
    mm_scratch *s = here->s;

    memset(s->total, 0, s->length * sizeof *s->total);
    for (size_t c = mm_form_first_class(form); c < here->pass->shape.classes; c++) {
        mm_place_class(here, form, c);
        here->pass->k->add(s->total, s->p, s->length);
    }
}

/* Everything that mm_place_class() needs. */
void mm_place_begin_form(const mm_place *here, unsigned form)
{
    here->s->exact = form != MM_FORM_SENT;
    if (mm_form_is_softmax(form)) {
        if (form == MM_FORM_SOFTMAX_REST || !here->s->walked)
            mm_place_maximum(here, mm_form_first_class(form), 0);
        walk_softmax(here, form);
    }
    if (here->pass->columns.normalize)
        walk_total(here, form);
}
