/*
 * chunk.c - one chunk of voxels: reads labels and predictions, counts, and has the columns added up.
 *
 * A chunk is read in one of four ways (mm_way).  All give the same bits where more than one could serve; the fast ones
 * are there for speed alone.
 */
#include "lib/image_kinds.h"

#include <float.h>
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

/* Where a chunk is: passed down as one. */
typedef struct place {
    mm_pass *pass;
    mm_scratch *s;
    size_t image, chunk, n; /* n voxels of it are in the image */
    double *sums;           /* [column][class] */
} place;

static const unsigned char *at(const place *here, const mm_axes *axes, size_t class_index)
{
    return mm_axes_at(axes, here->image, class_index, mm_chunk_first(here->chunk));
}

static void set_all(float *plane, size_t n, float value)
{
    for (size_t i = 0; i < mm_plane_length(n); i++)
        plane[i] = i < n ? value : -1.0f;
}

/* ------------------------------------------------------------------- labels */

static void drop_masked(const place *here)
{
    size_t unmasked = here->n;

    if (here->pass->has_mask) {
        const unsigned char *mask = at(here, &here->pass->mask, 0);

        unmasked = 0;
        for (size_t i = 0; i < here->n; i++)
            unmasked += mask[i] != 0;
    }
    here->s->task_unmasked += unmasked;
    if (here->pass->has_mask)
        here->pass->k->keep_masked(here->s->label, at(here, &here->pass->mask, 0), here->n);
}

static void load_label_plane(const place *here, size_t c, double *out)
{
    const mm_axes *axes = &here->pass->label;

    here->pass->k->load_f64(out, at(here, axes, c), axes->dtype, axes->voxel_stride, here->n);
}

/* A voxel is dropped for all classes when one of its channels holds the ignored value. */
static void drop_ignored_channels(const place *here)
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
static void find_scored(const place *here)
{
    set_all(here->s->label, here->n, 0.0f);
    drop_masked(here);
    drop_ignored_channels(here);
    here->s->scored_count = here->pass->k->scored_of(here->s->scored, here->s->label, here->s->length);
}

static void load_index_labels(const place *here)
{
    mm_pass *pass = here->pass;
    const mm_axes *axes = &pass->label;
    const int bad = pass->k->load_index(here->s->label, at(here, axes, 0), axes->dtype, axes->voxel_stride, here->n,
                                        (unsigned)pass->shape.classes, pass->has_ignore, pass->ignore);

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
static void load_g(const place *here, size_t c)
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
static void load_onehot_labels(const place *here)
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
        load_g(here, c);
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

static void load_labels(const place *here)
{
    if (here->pass->shape.label_kind == MM_INDEX)
        load_index_labels(here);
    else if (here->pass->way == MM_WAY_MASKS)
        find_scored(here);
    else
        load_onehot_labels(here);
}

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

/* Counts the pairs (label, pred) of the planes of that name. */
static void count_pairs(const place *here)
{
    const mm_pass *pass = here->pass;
    mm_scratch *s = here->s;

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

/* A label map as a prediction, into the plane map; a value that is no class is an error where the voxel is scored. */
static void load_pred_map(const place *here)
{
    mm_pass *pass = here->pass;
    mm_scratch *s = here->s;
    const mm_axes *axes = &pass->pred;
    const int bad = pass->k->load_index(s->map, at(here, axes, 0), axes->dtype, axes->voxel_stride, here->n,
                                        (unsigned)pass->shape.classes, 0, 0);

    if (bad)
        mm_chunk_find_bad_pred(pass, here->image, here->chunk, s->label);
    for (size_t i = 0; i < s->length; i++) /* counting needs a class, also where nothing is scored */
        s->map[i] = s->map[i] < 0.0f ? 0.0f : s->map[i];
}

static void run_maps(const place *here)
{
    mm_scratch *s = here->s;

    load_labels(here);
    load_pred_map(here);
    memcpy(s->pred, s->map, s->length * sizeof *s->pred);
    count_pairs(here);
}

/* ---------------------------------------------------------------- fast rows */

/* Planes of all classes as floats: in place where they can be, else copies.  *stride: from one class to the next. */
static const float *float_rows(const place *here, size_t *stride)
{
    const mm_pass *pass = here->pass;
    mm_scratch *s = here->s;
    const unsigned char *first = at(here, &pass->pred, 0);
    float *rows = (float *)s->rows;

    if (pass->pred.dtype == MM_F32 && pass->pred.voxel_stride == 1 && s->scored_count == s->length &&
        (uintptr_t)first % sizeof(float) == 0) {
        *stride = pass->pred.class_stride;
        return (const float *)(const void *)first;
    }
    for (size_t c = 0; c < pass->shape.classes; c++) {
        pass->k->load_f32(rows + c * MM_CHUNK, at(here, &pass->pred, c), pass->pred.dtype, pass->pred.voxel_stride,
                          here->n);
        if (s->scored_count < s->length)
            pass->k->blank(rows + c * MM_CHUNK, s->label, s->length);
    }
    *stride = MM_CHUNK;
    return rows;
}

/* Notes `count` voxels of this chunk whose probabilities do not add up to 1; the first is looked for in the plane
 * row_total. */
static void note_off_one(const place *here, size_t count)
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
static void add_rows(const place *here, const float *rows, size_t stride)
{
    mm_scratch *s = here->s;

    memset(s->row_total, 0, s->length * sizeof *s->row_total);
    for (size_t c = 0; c < here->pass->shape.classes; c++)
        for (size_t i = 0; i < s->length; i++)
            s->row_total[i] += rows[c * stride + i];
}

/* Sums of the label alone, where it has a class axis; of an index map the counts say them. */
static void label_only_columns(const place *here)
{
    const mm_columns *columns = &here->pass->columns;
    const int places[] = {columns->g, columns->gg};

    for (size_t i = 0; i < 2; i++)
        if (places[i] >= 0)
            here->pass->k->class_sums(here->s->scored, here->s->wide_label, here->pass->shape.classes, here->s->rows,
                                      here->sums + columns->offset[places[i]], here->s->length);
}

static void put(const place *here, int column, size_t c, double value)
{
    if (column >= 0)
        here->sums[here->pass->columns.offset[column] + c] = value;
}

static void run_rows(const place *here);

static void run_fast(const place *here)
{
    mm_pass *pass = here->pass;
    const mm_kernels *k = pass->k;
    const mm_columns *columns = &pass->columns;
    mm_scratch *s = here->s;
    size_t stride, off_one;

    load_labels(here);
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

/* ------------------------------------------------------------------ general */

/* What pred holds for class c, as sent (bytes scaled, maps as masks), 0 where not scored. */
static void load_pred_plane(const place *here, size_t c, double *out)
{
    const mm_pass *pass = here->pass;
    const mm_axes *axes = &pass->pred;
    mm_scratch *s = here->s;

    if (pass->shape.pred_kind == MM_LABELS && pass->shape.classes > 1) {
        pass->k->equals(out, s->map, (float)c, s->length);
    } else {
        pass->k->load_f64(out, at(here, axes, c), axes->dtype, axes->voxel_stride, here->n);
        if (pass->shape.pred_kind == MM_PROBS_U8)
            pass->k->scale_bytes(out, s->length);
    }
    if (s->scored_count < s->length)
        pass->k->select(out, s->scored, s->length);
}

static void check_pred_plane(const place *here, const double *plane)
{
    const mm_kernels *k = here->pass->k;
    const size_t n = here->s->length;
    int good;

    switch (here->pass->shape.pred_kind) {
    case MM_LOGITS: good = k->finite(plane, n); break;
    case MM_MASKS:
    case MM_LABELS: good = k->is_binary(plane, n); break;
    default: good = k->in_range(plane, n); break;
    }
    if (!good)
        mm_chunk_find_bad_pred(here->pass, here->image, here->chunk, here->s->label);
}

/* Greatest value over the classes from `first` on, its class, and the sum: planes max, best, total. */
static void walk_maximum(const place *here, size_t first, int check)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;

    memset(s->best, 0, s->length * sizeof *s->best);
    memset(s->total, 0, s->length * sizeof *s->total);
    for (size_t i = 0; i < s->length; i++)
        s->max[i] = -DBL_MAX;
    s->walked = first == 0;
    for (size_t c = first; c < here->pass->shape.classes; c++) {
        load_pred_plane(here, c, s->x);
        if (check)
            check_pred_plane(here, s->x);
        k->track_max(s->x, (double)c, s->max, s->best, s->length);
        k->add(s->total, s->x, s->length);
    }
}

/* exp(x - max) of class c: kept in rows where there is room for all classes, else made again. */
static double *exponentials(const place *here, size_t c, int again)
{
    mm_scratch *s = here->s;
    const int kept = here->pass->shape.classes <= MM_DOUBLE_ROWS;
    double *out = kept ? s->rows + c * MM_CHUNK : s->term;

    if (again && kept)
        return out;
    load_pred_plane(here, c, out);
    here->pass->k->logit_exp(out, s->max, s->length);
    return out;
}

static size_t first_class(unsigned form)
{
    return form == MM_FORM_SOFTMAX_REST ? 1 : 0;
}

static int is_softmax(unsigned form)
{
    return form == MM_FORM_SOFTMAX || form == MM_FORM_SOFTMAX_REST;
}

/* The softmax denominator, 1 + rest, from the planes max and best. */
static void walk_softmax(const place *here, unsigned form)
{
    mm_scratch *s = here->s;

    memset(s->rest, 0, s->length * sizeof *s->rest);
    for (size_t c = first_class(form); c < here->pass->shape.classes; c++)
        here->pass->k->logit_rest(exponentials(here, c, 0), (double)c, s->best, s->rest, s->length);
}

static void load_softmax(const place *here, size_t c)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;

    k->softmax(s->p, s->q, exponentials(here, c, 1), (double)c, s->best, s->rest, s->length);
    load_pred_plane(here, c, s->x);
    k->log_softmax(s->exact_p, s->x, s->max, s->rest, s->length);
    if (here->pass->columns.negative)
        k->neglog(s->exact_q, s->q, DBL_MIN, s->length);
}

/* p, q (and exact_p, exact_q) of class c in that form; p is 0 where not scored. */
static void load_class(const place *here, unsigned form, size_t c)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;

    if (form == MM_FORM_SENT) {
        load_pred_plane(here, c, s->p);
        k->complement(s->q, s->p, s->length);
        return;
    }
    if (form == MM_FORM_SIGMOID) {
        load_pred_plane(here, c, s->x);
        k->sigmoid(s->p, s->q, s->exact_p, s->exact_q, s->x, s->length);
    } else {
        load_softmax(here, c);
    }
    if (s->scored_count < s->length)
        k->select(s->p, s->scored, s->length);
}

/* The sum of p over the classes, where a column asks for it. */
static void walk_total(const place *here, unsigned form)
{
    mm_scratch *s = here->s;

    memset(s->total, 0, s->length * sizeof *s->total);
    for (size_t c = first_class(form); c < here->pass->shape.classes; c++) {
        load_class(here, form, c);
        here->pass->k->add(s->total, s->p, s->length);
    }
}

/* Everything that load_class() needs. */
static void begin_form(const place *here, unsigned form)
{
    here->s->exact = form != MM_FORM_SENT;
    if (is_softmax(form)) {
        if (form == MM_FORM_SOFTMAX_REST || !here->s->walked)
            walk_maximum(here, first_class(form), 0);
        walk_softmax(here, form);
    }
    if (here->pass->columns.normalize)
        walk_total(here, form);
}

static void pick_label_planes(const place *here, size_t c)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;

    k->pick(s->at_p, s->p, s->label, (float)c, s->length);
    k->pick(s->at_q, s->q, s->label, (float)c, s->length);
    if (s->exact)
        k->pick(s->at_exact, s->exact_p, s->label, (float)c, s->length);
}

static void label_columns(const place *here, unsigned form)
{
    mm_scratch *s = here->s;

    memcpy(s->p, s->at_p, s->length * sizeof *s->p);
    memcpy(s->q, s->at_q, s->length * sizeof *s->q);
    memcpy(s->exact_p, s->at_exact, s->length * sizeof *s->exact_p);
    mm_columns_label(here->pass, s, form, here->sums);
}

/* Columns of all classes together: the greatest p, and where all is right. */
static void joint_columns(const place *here, unsigned form)
{
    mm_scratch *s = here->s;
    const int exclusive = here->pass->shape.task == MM_MULTICLASS;

    memcpy(s->p, s->greatest, s->length * sizeof *s->p);
    for (size_t i = 0; exclusive && i < s->length; i++)
        s->ones[i] = s->scored[i] != 0.0 && s->label[i] == s->pred[i] ? 1.0 : 0.0;
    mm_columns_joint(here->pass, s, form, here->sums);
}

/* All columns of one form. */
static void run_form(const place *here, unsigned form)
{
    mm_scratch *s = here->s;
    const int at_label = s->labels_hard && mm_columns_have_label(&here->pass->columns, form);

    begin_form(here, form);
    memset(s->at_p, 0, s->length * sizeof *s->at_p);
    memset(s->at_q, 0, s->length * sizeof *s->at_q);
    memset(s->at_exact, 0, s->length * sizeof *s->at_exact);
    memset(s->greatest, 0, s->length * sizeof *s->greatest);
    for (size_t c = first_class(form); c < here->pass->shape.classes; c++) {
        load_class(here, form, c);
        load_g(here, c);
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

static void run_forms(const place *here)
{
    for (unsigned form = 0; form < MM_FORM_COUNT; form++)
        if (here->pass->columns.form_used[form])
            run_form(here, form);
}

/* Labels are loaded; exclusive classes, any kind of prediction. */
static void run_rows(const place *here)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;

    if (here->pass->shape.pred_kind == MM_LABELS)
        load_pred_map(here);
    walk_maximum(here, 0, 1);
    k->narrow(s->pred, s->best, s->length);
    k->narrow(s->row_total, s->total, s->length);
    note_off_one(here, k->off_one(s->row_total, s->label, MM_SUM_TOLERANCE, s->length));
    count_pairs(here);
    run_forms(here);
}

/* Hard masks of each class: counts, checks, and where all of them are right (plane ones). */
static void count_masks(const place *here)
{
    mm_pass *pass = here->pass;
    mm_scratch *s = here->s;
    const int hard = pass->shape.pred_kind == MM_MASKS || pass->shape.pred_kind == MM_LABELS;
    const double threshold = hard ? 0.5 : pass->threshold;

    memcpy(s->right, s->scored, s->length * sizeof *s->right);
    for (size_t c = 0; c < pass->shape.classes; c++) {
        uint64_t counts[3];

        load_pred_plane(here, c, s->x);
        check_pred_plane(here, s->x);
        load_class(here, pass->natural, c);
        load_g(here, c);
        pass->k->count_masks(s->p, threshold, s->g, s->scored, counts, s->length);
        for (unsigned which = 0; which < 3; which++)
            s->table[which * pass->shape.classes + c] += (uint32_t)counts[which];
        for (size_t i = 0; pass->columns.all_right && i < s->length; i++)
            if ((s->p[i] > threshold) != (s->g[i] > 0.5))
                s->right[i] = 0.0;
    }
}

static void run_masks(const place *here)
{
    mm_scratch *s = here->s;

    load_labels(here);
    s->labels_hard = 0; /* every class has its own mask */
    s->task_scored += s->scored_count;
    if (here->pass->shape.pred_kind == MM_LABELS && here->pass->shape.classes > 1)
        load_pred_map(here);
    count_masks(here);
    memcpy(s->ones, s->right, s->length * sizeof *s->ones);
    run_forms(here);
}

void mm_chunk_run(mm_pass *pass, size_t image, size_t chunk, mm_scratch *scratch)
{
    const place here = {
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
    case MM_WAY_MAPS: run_maps(&here); break;
    case MM_WAY_FAST: run_fast(&here); break;
    case MM_WAY_ROWS:
        load_labels(&here);
        run_rows(&here);
        break;
    case MM_WAY_MASKS: run_masks(&here); break;
    }
}

/* -------------------------------------------------------------- whole images */

/* Loads labels and whatever else a chunk of a field needs. */
static void begin_chunk(const place *here)
{
    mm_scratch *s = here->s;

    load_labels(here);
    s->scored_count = here->pass->k->scored_of(s->scored, s->label, s->length); /* the fast way leaves the plane alone */
    if (here->pass->way == MM_WAY_MASKS)
        here->s->labels_hard = 0;
    if (here->pass->shape.pred_kind == MM_LABELS && here->pass->shape.classes > 1)
        load_pred_map(here);
}

static place place_in(const mm_field *field, size_t n, size_t chunk)
{
    const place here = {.pass = field->pass,
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
        const place here = place_in(field, n, chunk);
        const size_t first = mm_chunk_first(chunk), bytes = here.n * sizeof(double);

        begin_chunk(&here);
        if (p != NULL && class_index >= first_class(field->form)) {
            begin_form(&here, field->form);
            load_class(&here, field->form, class_index);
            memcpy(p + first, s->p, bytes);
        } else if (p != NULL) {
            memset(p + first, 0, bytes);
        }
        if (g != NULL) {
            load_g(&here, class_index);
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
        const place here = place_in(field, n, chunk);
        const size_t first = mm_chunk_first(chunk), bytes = here.n * sizeof(double);

        begin_chunk(&here);
        begin_form(&here, field->form);
        memset(s->at_exact, 0, s->length * sizeof *s->at_exact);
        for (size_t c = first_class(field->form); c < field->pass->shape.classes; c++) {
            load_class(&here, field->form, c);
            load_g(&here, c);
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
        const place here = place_in(field, n, chunk);
        const size_t first = mm_chunk_first(chunk);

        begin_chunk(&here);
        begin_form(&here, field->form);
        load_class(&here, field->form, class_index);
        load_g(&here, class_index);
        if (!s->exact)
            k->neglog(s->exact_p, s->p, eps, s->length);
        if (!s->exact || is_softmax(field->form))
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
        const place here = place_in(field, n, chunk);
        const size_t first = mm_chunk_first(chunk), bytes = here.n * sizeof(float);

        begin_chunk(&here);
        walk_maximum(&here, 0, 0);
        field->pass->k->narrow(s->pred, s->best, s->length);
        for (size_t i = 0; i < s->length; i++)
            s->pred[i] = s->label[i] < 0.0f ? -1.0f : s->pred[i];
        memcpy(label + first, s->label, bytes);
        memcpy(pred + first, s->pred, bytes);
    }
}
