/*
 * chunk.c - one chunk of voxels: reads labels and predictions, counts, and has the columns added up.
 *
 * A chunk is read in one of four ways (mm_way).  All give the same bits where more than one could serve; the fast ones
 * are there for speed alone.
 */
#include "lib/place.h"

#include <string.h>

/* ------------------------------------------------------------------- counts */

static size_t table_size(const mm_pass *pass)
{
    return pass->confusion_classes * pass->confusion_classes + 1;
}

/* Up to MM_CONFUSION_ALWAYS classes: four tables in turn, since adding to the cell just added to is slow. */
static size_t table_count(const mm_pass *pass)
{
    return pass->confusion_classes <= MM_CONFUSION_ALWAYS ? 4 : 1;
}

static void count_margins(const mm_pass *pass, mm_scratch *s)
{
    uint32_t *label = s->table, *pred = label + pass->shape.classes, *both = pred + pass->shape.classes;

    for (size_t i = 0; i < s->length; i++)
        if (s->label[i] >= 0.0f) {
            label[(size_t)s->label[i]]++;
            pred[(size_t)s->pred[i]]++;
            both[(size_t)s->label[i]] += s->label[i] == s->pred[i];
        }
}

/* Counts the pairs (label, pred) of the planes of that name, and keeps them where maps are asked for. */
static void count_pairs(const mm_place *here)
{
    const mm_pass *pass = here->pass;
    mm_scratch *s = here->s;

    mm_place_map_classes(here);
    s->task_scored += s->scored_count;
    if (pass->confusion_classes == 0) {
        count_margins(pass, s);
        return;
    }
    if (pass->confusion_classes <= MM_FEW_PAIRS) {
        pass->k->count_few_pairs(s->label, s->pred, (unsigned)pass->confusion_classes, s->table, s->length);
        return;
    }
    const size_t size = table_size(pass), next = table_count(pass) == 4 ? size : 0;

    pass->k->pairs(s->label, s->pred, (unsigned)pass->confusion_classes, s->pair, s->length);
    for (size_t i = 0; i < s->length; i += 4) {
        s->table[s->pair[i]]++;
        s->table[next + s->pair[i + 1]]++;
        s->table[2 * next + s->pair[i + 2]]++;
        s->table[3 * next + s->pair[i + 3]]++;
    }
}

static void add_margin(mm_pass *pass, size_t image, unsigned which, size_t c, uint64_t count)
{
    const size_t classes = pass->shape.classes;

    if (count != 0)
        atomic_fetch_add_explicit(&pass->counts[(image * 3 + which) * classes + c], count, memory_order_relaxed);
}

static void end_pairs(mm_pass *pass, size_t image, const mm_scratch *s)
{
    const size_t classes = pass->confusion_classes, tables = table_count(pass), size = table_size(pass);

    for (size_t cell = 0; cell + 1 < size; cell++) {
        uint64_t count = 0;

        for (size_t t = 0; t < tables; t++)
            count += s->table[t * size + cell];
        if (count == 0)
            continue;
        const size_t label = cell / classes, pred = cell % classes;

        add_margin(pass, image, 0, label, count);
        add_margin(pass, image, 1, pred, count);
        if (label == pred)
            add_margin(pass, image, 2, label, count);
        if (pass->confusion != NULL)
            atomic_fetch_add_explicit(&pass->confusion[image * classes * classes + cell], count, memory_order_relaxed);
    }
}

void mm_chunk_begin(const mm_pass *pass, mm_scratch *s)
{
    const size_t cells = pass->confusion_classes == 0 ? 3 * pass->shape.classes : table_count(pass) * table_size(pass);

    memset(s->table, 0, cells * sizeof *s->table);
    s->task_scored = s->task_unmasked = 0;
}

void mm_chunk_end(mm_pass *pass, size_t image, mm_scratch *s)
{
    const size_t classes = pass->shape.classes;

    atomic_fetch_add_explicit(&pass->scored[image], s->task_scored, memory_order_relaxed);
    atomic_fetch_add_explicit(&pass->unmasked[image], s->task_unmasked, memory_order_relaxed);
    if (pass->confusion_classes != 0) {
        end_pairs(pass, image, s);
        return;
    }
    for (unsigned which = 0; which < 3; which++)
        for (size_t c = 0; c < classes; c++)
            add_margin(pass, image, which, c, s->table[which * classes + c]);
}

/* --------------------------------------------------------------------- maps */

static void run_maps(const mm_place *here)
{
    mm_scratch *s = here->s;

    mm_place_labels(here);
    mm_place_pred_map(here);
    memcpy(s->pred, s->map, s->length * sizeof *s->pred);
    count_pairs(here);
}

/* ---------------------------------------------------------------- fast rows */

/* Planes of all classes as floats: in place where they can be, else copies.  *stride: from one class to the next. */
static const float *float_rows(const mm_place *here, size_t *stride)
{
    const mm_pass *pass = here->pass;
    mm_scratch *s = here->s;
    const unsigned char *first = mm_place_at(here, &pass->pred, 0);
    float *rows = (float *)s->rows;

    if (pass->pred.dtype == MM_F32 && pass->pred.voxel_stride == 1 && s->scored_count == s->length &&
        (uintptr_t)first % sizeof(float) == 0) {
        *stride = pass->pred.class_stride;
        return (const float *)(const void *)first;
    }
    for (size_t c = 0; c < pass->shape.classes; c++) {
        pass->k->load_f32(rows + c * MM_CHUNK, mm_place_at(here, &pass->pred, c), pass->pred.dtype,
                          pass->pred.voxel_stride, here->n);
        if (s->scored_count < s->length)
            pass->k->blank(rows + c * MM_CHUNK, s->label, s->length);
    }
    *stride = MM_CHUNK;
    return rows;
}

/* Notes `count` voxels of this chunk whose probabilities do not add up to 1; the first is looked for in the plane
 * row_total. */
static void note_off_one(const mm_place *here, size_t count)
{
    mm_pass *pass = here->pass;
    const mm_scratch *s = here->s;

    if (pass->shape.pred_kind != MM_PROBS || count == 0)
        return;
    atomic_fetch_add_explicit(&pass->off_one_count, count, memory_order_relaxed);
    for (size_t i = 0; i < here->n; i++) {
        const float off = s->row_total[i] - 1.0f;

        if (s->label[i] >= 0.0f && (off > MM_SUM_TOLERANCE || off < -MM_SUM_TOLERANCE)) {
            const size_t voxel = mm_chunk_first(here->chunk) + i;

            mm_atomic_lower(&pass->off_one_first,
                            here->image * pass->pred.image_stride + voxel * pass->pred.voxel_stride);
            return;
        }
    }
}

/* The plane row_total of float rows, in the order of scan(). */
static void add_rows(const mm_place *here, const float *rows, size_t stride)
{
    mm_scratch *s = here->s;

    memset(s->row_total, 0, s->length * sizeof *s->row_total);
    for (size_t c = 0; c < here->pass->shape.classes; c++)
        for (size_t i = 0; i < s->length; i++)
            s->row_total[i] += rows[c * stride + i];
}

/* Sums of the label alone, where it has a class axis; of an index map the counts say them. */
static void label_only_columns(const mm_place *here)
{
    const mm_columns *columns = &here->pass->columns;
    const int places[] = {columns->g, columns->gg};

    for (size_t i = 0; i < 2; i++)
        if (places[i] >= 0)
            here->pass->k->class_sums(here->s->scored, here->s->wide_label, here->pass->shape.classes, here->s->rows,
                                      here->sums + columns->offset[places[i]], here->s->length);
}

static void put(const mm_place *here, int column, size_t c, double value)
{
    if (column >= 0)
        here->sums[here->pass->columns.offset[column] + c] = value;
}

static void run_rows(const mm_place *here);

static void run_fast(const mm_place *here)
{
    mm_pass *pass = here->pass;
    const mm_kernels *k = pass->k;
    const mm_columns *columns = &pass->columns;
    mm_scratch *s = here->s;
    size_t stride, off_one;

    mm_place_labels(here);
    if (!s->labels_hard) {
        run_rows(here);
        return;
    }
    const float *rows = float_rows(here, &stride);

    if (k->scan(rows, stride, pass->shape.classes, s->label, s->pred, s->at_label, &off_one, s->length))
        mm_chunk_find_bad_pred(pass, here->image, here->chunk, s->label);
    if (off_one > 0)
        add_rows(here, rows, stride);
    note_off_one(here, off_one);
    count_pairs(here);
    for (size_t c = 0; c < pass->shape.classes && (columns->p >= 0 || columns->pp >= 0 || columns->pg >= 0); c++) {
        double sums[3];

        k->overlap(rows + c * stride, s->wide_label, (double)c, sums, s->length);
        put(here, columns->p, c, sums[0]);
        put(here, columns->pp, c, sums[1]);
        put(here, columns->pg, c, sums[2]);
    }
    label_only_columns(here);
    if (!mm_columns_have_label(columns, MM_FORM_SENT))
        return;
    k->widen(s->p, s->at_label, s->length);
    k->complement(s->q, s->p, s->length);
    s->exact = 0;
    mm_columns_label(pass, s, MM_FORM_SENT, here->sums);
}

/* -------------------------------------------------------------------- forms */

static void pick_label_planes(const mm_place *here, size_t c)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;

    k->pick(s->at_p, s->p, s->label, (float)c, s->length);
    k->pick(s->at_q, s->q, s->label, (float)c, s->length);
    if (s->exact)
        k->pick(s->at_exact, s->exact_p, s->label, (float)c, s->length);
}

static void label_columns(const mm_place *here, unsigned form)
{
    mm_scratch *s = here->s;

    memcpy(s->p, s->at_p, s->length * sizeof *s->p);
    memcpy(s->q, s->at_q, s->length * sizeof *s->q);
    memcpy(s->exact_p, s->at_exact, s->length * sizeof *s->exact_p);
    mm_columns_label(here->pass, s, form, here->sums);
}

/* Columns of all classes together: the greatest p, and where all is right. */
static void joint_columns(const mm_place *here, unsigned form)
{
    mm_scratch *s = here->s;
    const int exclusive = here->pass->shape.task == MM_MULTICLASS;

    memcpy(s->p, s->greatest, s->length * sizeof *s->p);
    for (size_t i = 0; exclusive && i < s->length; i++)
        s->ones[i] = s->scored[i] != 0.0 && s->label[i] == s->pred[i] ? 1.0 : 0.0;
    mm_columns_joint(here->pass, s, form, here->sums);
}

/* All columns of one form. */
static void run_form(const mm_place *here, unsigned form)
{
    mm_scratch *s = here->s;
    const int at_label = s->labels_hard && mm_columns_have_label(&here->pass->columns, form);

    mm_place_begin_form(here, form);
    memset(s->at_p, 0, s->length * sizeof *s->at_p);
    memset(s->at_q, 0, s->length * sizeof *s->at_q);
    memset(s->at_exact, 0, s->length * sizeof *s->at_exact);
    memset(s->greatest, 0, s->length * sizeof *s->greatest);
    for (size_t c = mm_form_first_class(form); c < here->pass->shape.classes; c++) {
        mm_place_class(here, form, c);
        mm_place_g(here, c);
        if (at_label)
            pick_label_planes(here, c);
        for (size_t i = 0; here->pass->columns.joint && i < s->length; i++)
            s->greatest[i] = s->p[i] > s->greatest[i] ? s->p[i] : s->greatest[i];
        mm_columns_class(here->pass, s, form, c, here->sums);
    }
    if (at_label)
        label_columns(here, form);
    if (here->pass->columns.joint)
        joint_columns(here, form);
}

static void run_forms(const mm_place *here)
{
    for (unsigned form = 0; form < MM_FORM_COUNT; form++)
        if (here->pass->columns.form_used[form])
            run_form(here, form);
}

/* Labels are loaded; exclusive classes, any kind of prediction. */
static void run_rows(const mm_place *here)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;

    if (here->pass->shape.pred_kind == MM_LABELS)
        mm_place_pred_map(here);
    mm_place_maximum(here, 0, 1);
    k->narrow(s->pred, s->best, s->length);
    k->narrow(s->row_total, s->total, s->length);
    note_off_one(here, k->off_one(s->row_total, s->label, MM_SUM_TOLERANCE, s->length));
    count_pairs(here);
    run_forms(here);
}

/* Hard masks of each class: counts, checks, and where all of them are right (plane ones). */
static void count_masks(const mm_place *here)
{
    mm_pass *pass = here->pass;
    mm_scratch *s = here->s;
    const int hard = pass->shape.pred_kind == MM_MASKS || pass->shape.pred_kind == MM_LABELS;
    const double threshold = hard ? 0.5 : pass->threshold;

    memcpy(s->right, s->scored, s->length * sizeof *s->right);
    for (size_t c = 0; c < pass->shape.classes; c++) {
        uint64_t counts[3];

        mm_place_pred_plane(here, c, s->x);
        mm_place_check_pred(here, s->x);
        mm_place_class(here, pass->natural, c);
        mm_place_g(here, c);
        pass->k->count_masks(s->p, threshold, s->g, s->scored, counts, s->length);
        mm_place_map_masks(here, c, s->p, threshold, s->g);
        for (unsigned which = 0; which < 3; which++)
            s->table[which * pass->shape.classes + c] += (uint32_t)counts[which];
        for (size_t i = 0; pass->columns.all_right && i < s->length; i++)
            if ((s->p[i] > threshold) != (s->g[i] > 0.5))
                s->right[i] = 0.0;
    }
}

/* Masks as bytes.  0: there are other values than 0 and 1, and nothing was counted of the chunk. */
static int run_bytes(const mm_place *here)
{
    mm_pass *pass = here->pass;
    const mm_columns *columns = &pass->columns;
    const size_t classes = pass->shape.classes;
    uint64_t counts[3];

    for (size_t c = 0; c < classes; c++)
        if (!pass->k->count_bytes(mm_place_at(here, &pass->pred, c), mm_place_at(here, &pass->label, c), counts,
                                  here->n))
            return 0;
    for (size_t c = 0; c < classes; c++) {
        const unsigned char *p = mm_place_at(here, &pass->pred, c), *g = mm_place_at(here, &pass->label, c);

        (void)pass->k->count_bytes(p, g, counts, here->n);
        mm_place_map_bytes(here, c, p, g);
        for (unsigned which = 0; which < 3; which++)
            here->s->table[which * classes + c] += (uint32_t)counts[which];
        put(here, columns->g, c, (double)counts[0]);
        put(here, columns->gg, c, (double)counts[0]);
        put(here, columns->p, c, (double)counts[1]);
        put(here, columns->pp, c, (double)counts[1]);
        put(here, columns->pg, c, (double)counts[2]);
    }
    here->s->task_scored += here->n;
    here->s->task_unmasked += here->n;
    return 1;
}

static void run_masks(const mm_place *here)
{
    mm_scratch *s = here->s;

    if (here->pass->bytes && run_bytes(here))
        return;
    mm_place_labels(here);
    s->labels_hard = 0; /* every class has its own mask */
    s->task_scored += s->scored_count;
    if (here->pass->shape.pred_kind == MM_LABELS && here->pass->shape.classes > 1)
        mm_place_pred_map(here);
    count_masks(here);
    memcpy(s->ones, s->right, s->length * sizeof *s->ones);
    run_forms(here);
}

void mm_chunk_run(mm_pass *pass, size_t image, size_t chunk, mm_scratch *scratch)
{
    const mm_place here = {
        .pass = pass,
        .s = scratch,
        .image = image,
        .chunk = chunk,
        .n = mm_chunk_length(pass, chunk),
        .sums = pass->partials + (image * pass->chunks + chunk) * pass->columns.values,
    };

    scratch->length = mm_plane_length(here.n);
    scratch->walked = 0;
    switch (pass->way) {
    case MM_WAY_MAPS:
        run_maps(&here);
        break;
    case MM_WAY_FAST:
        run_fast(&here);
        break;
    case MM_WAY_ROWS:
        mm_place_labels(&here);
        run_rows(&here);
        break;
    case MM_WAY_MASKS:
        run_masks(&here);
        return;
    }
    mm_place_map_channels(&here);
}
