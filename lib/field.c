/*
 * field.c - planes of whole images, for kinds that see an image at once; image_kinds.h says what each gives.
 */
#include "lib/image_kinds.h"
#include "lib/place.h"

#include <float.h>
#include <string.h>

/* Loads labels and whatever else a chunk of a field needs. */
static void begin_chunk(const mm_place *here)
{
    mm_scratch *s = here->s;

    mm_place_labels(here);
    s->scored_count =
        here->pass->k->scored_of(s->scored, s->label, s->length); /* the fast way leaves the plane alone */
    if (here->pass->way == MM_WAY_MASKS)
        here->s->labels_hard = 0;
    if (here->pass->shape.pred_kind == MM_LABELS && here->pass->shape.classes > 1)
        mm_place_pred_map(here);
}

static mm_place place_in(const mm_field *field, size_t n, size_t chunk)
{
    const mm_place here = {.pass = field->pass,
                           .s = field->scratch,
                           .image = field->image + n,
                           .chunk = chunk,
                           .n = mm_chunk_length(field->pass, chunk)};

    field->scratch->length = mm_plane_length(here.n);
    field->scratch->walked = 0;
    return here;
}

void mm_field_planes(const mm_field *field, size_t n, size_t class_index, double *p, double *g, double *scored)
{
    mm_scratch *s = field->scratch;

    for (size_t chunk = 0; chunk < field->pass->chunks; chunk++) {
        const mm_place here = place_in(field, n, chunk);
        const size_t first = mm_chunk_first(chunk), bytes = here.n * sizeof(double);

        begin_chunk(&here);
        if (p != NULL && class_index >= mm_form_first_class(field->form)) {
            mm_place_begin_form(&here, field->form);
            mm_place_class(&here, field->form, class_index);
            memcpy(p + first, s->p, bytes);
        } else if (p != NULL) {
            memset(p + first, 0, bytes);
        }
        if (g != NULL) {
            mm_place_g(&here, class_index);
            memcpy(g + first, s->g, bytes);
        }
        if (scored != NULL)
            memcpy(scored + first, s->scored, bytes);
    }
}

void mm_field_cross_entropy(const mm_field *field, size_t n, double eps, double *ce, double *scored)
{
    const mm_kernels *k = field->pass->k;
    mm_scratch *s = field->scratch;

    for (size_t chunk = 0; chunk < field->pass->chunks; chunk++) {
        const mm_place here = place_in(field, n, chunk);
        const size_t first = mm_chunk_first(chunk), bytes = here.n * sizeof(double);

        begin_chunk(&here);
        mm_place_begin_form(&here, field->form);
        memset(s->at_exact, 0, s->length * sizeof *s->at_exact);
        for (size_t c = mm_form_first_class(field->form); c < field->pass->shape.classes; c++) {
            mm_place_class(&here, field->form, c);
            mm_place_g(&here, c);
            if (!s->exact)
                k->neglog(s->exact_p, s->p, eps, s->length);
            k->multiply(s->exact_p, s->exact_p, s->g, s->length);
            k->add(s->at_exact, s->exact_p, s->length);
        }
        memcpy(ce + first, s->at_exact, bytes);
        if (scored != NULL)
            memcpy(scored + first, s->scored, bytes);
    }
}

void mm_field_binary_entropy(const mm_field *field, size_t n, size_t class_index, double eps, double *entropy,
                             double *scored)
{
    const mm_kernels *k = field->pass->k;
    mm_scratch *s = field->scratch;

    for (size_t chunk = 0; chunk < field->pass->chunks; chunk++) {
        const mm_place here = place_in(field, n, chunk);
        const size_t first = mm_chunk_first(chunk);

        begin_chunk(&here);
        mm_place_begin_form(&here, field->form);
        mm_place_class(&here, field->form, class_index);
        mm_place_g(&here, class_index);
        if (!s->exact)
            k->neglog(s->exact_p, s->p, eps, s->length);
        if (!s->exact || mm_form_is_softmax(field->form))
            k->neglog(s->exact_q, s->q, s->exact ? DBL_MIN : eps, s->length);
        for (size_t i = 0; i < here.n; i++)
            entropy[first + i] = s->scored[i] == 0.0 ? 0.0 : s->g[i] * s->exact_p[i] + (1.0 - s->g[i]) * s->exact_q[i];
        memcpy(scored + first, s->scored, here.n * sizeof(double));
    }
}

void mm_field_classes(const mm_field *field, size_t n, float *label, float *pred)
{
    mm_scratch *s = field->scratch;

    for (size_t chunk = 0; chunk < field->pass->chunks; chunk++) {
        const mm_place here = place_in(field, n, chunk);
        const size_t first = mm_chunk_first(chunk), bytes = here.n * sizeof(float);

        begin_chunk(&here);
        mm_place_maximum(&here, 0, 0);
        field->pass->k->narrow(s->pred, s->best, s->length);
        for (size_t i = 0; i < s->length; i++)
            s->pred[i] = s->label[i] < 0.0f ? -1.0f : s->pred[i];
        memcpy(label + first, s->label, bytes);
        memcpy(pred + first, s->pred, bytes);
    }
}
