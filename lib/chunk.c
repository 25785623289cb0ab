/*
 * chunk.c - one chunk of voxels: reads labels and predictions, counts, and has the columns added up.
 *
 * A chunk is read in one of four ways (mm_way).  All give the same bits where more than one could serve; the fast ones
 * are there for speed alone.
 */
#include "lib/chunk.h"

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
    s->task_scored = 0;
}

void mm_chunk_end(mm_pass *pass, size_t image, mm_scratch *s)
{
    const size_t classes = pass->shape.classes;

    atomic_fetch_add_explicit(&pass->scored[image], s->task_scored, memory_order_relaxed);
    if (pass->confusion_classes != 0) {
        end_pairs(pass, image, s);
        return;
    }
    for (unsigned which = 0; which < 3; which++)
        for (size_t c = 0; c < classes; c++)
            add_margin(pass, image, which, c, s->table[which * classes + c]);
}

/* --------------------------------------------------------------------- maps */

/* A label map as a prediction; a value that is no class is an error where the voxel is scored. */
static void load_pred_map(const place *here)
{
    mm_pass *pass = here->pass;
    mm_scratch *s = here->s;
    const mm_axes *axes = &pass->pred;
    const int bad = pass->k->load_index(s->pred, at(here, axes, 0), axes->dtype, axes->voxel_stride, here->n,
                                        (unsigned)pass->shape.classes, 0, 0);

    if (!bad)
        return;
    mm_chunk_find_bad_pred(pass, here->image, here->chunk, s->label);
    for (size_t i = 0; i < s->length; i++) /* counting needs a class, also where nothing is scored */
        s->pred[i] = s->pred[i] < 0.0f ? 0.0f : s->pred[i];
}

static void run_maps(const place *here)
{
    load_index_labels(here);
    load_pred_map(here);
    for (size_t i = here->n; i < here->s->length; i++)
        here->s->pred[i] = 0.0f;
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
    const mm_pass *pass = here->pass;
    const size_t classes = pass->shape.classes;
    const int columns[] = {pass->columns.g, pass->columns.gg};

    for (size_t i = 0; i < 2; i++)
        if (columns[i] >= 0)
            pass->k->class_sums(here->s->scored, here->s->wide_label, classes, here->s->rows,
                                here->sums + (size_t)columns[i] * classes, here->s->length);
}

static void put(const place *here, int column, size_t c, double value)
{
    if (column >= 0)
        here->sums[(size_t)column * here->pass->shape.classes + c] = value;
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
    if (columns->at_label_count == 0)
        return;
    k->widen(s->p, s->at_label, s->length);
    k->complement(s->q, s->p, s->length);
    mm_columns_label(pass, s, here->sums);
}

/* --------------------------------------------------------------------- rows */

/* What pred holds for class c, as sent (bytes scaled, maps as masks), 0 where not scored. */
static void load_pred_plane(const place *here, size_t c, double *out)
{
    const mm_pass *pass = here->pass;
    const mm_axes *axes = &pass->pred;

    if (pass->shape.pred_kind == MM_LABELS && pass->shape.classes > 1) {
        pass->k->equals(out, here->s->pred, (float)c, here->s->length);
    } else {
        pass->k->load_f64(out, at(here, axes, c), axes->dtype, axes->voxel_stride, here->n);
        if (pass->shape.pred_kind == MM_PROBS_U8)
            pass->k->scale_bytes(out, here->s->length);
    }
    if (here->s->scored_count < here->s->length)
        pass->k->select(out, here->s->scored, here->s->length);
}

static void check_pred_plane(const place *here, const double *plane)
{
    const mm_kernels *k = here->pass->k;
    int good;

    switch (here->pass->shape.pred_kind) {
    case MM_LOGITS:
        good = k->finite(plane, here->s->length);
        break;
    case MM_MASKS:
    case MM_LABELS:
        good = k->is_binary(plane, here->s->length);
        break;
    default:
        good = k->in_range(plane, here->s->length);
        break;
    }
    if (!good)
        mm_chunk_find_bad_pred(here->pass, here->image, here->chunk, here->s->label);
}

/* First walk over the classes: checks, greatest value and its class, sum. */
static void walk_maximum(const place *here)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;

    memset(s->best, 0, s->length * sizeof *s->best);
    memset(s->total, 0, s->length * sizeof *s->total);
    for (size_t i = 0; i < s->length; i++)
        s->max[i] = -DBL_MAX;
    for (size_t c = 0; c < here->pass->shape.classes; c++) {
        load_pred_plane(here, c, s->x);
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

/* Second walk, for logits: the softmax denominator. */
static void walk_softmax(const place *here)
{
    mm_scratch *s = here->s;

    memset(s->rest, 0, s->length * sizeof *s->rest);
    for (size_t c = 0; c < here->pass->shape.classes; c++)
        here->pass->k->logit_rest(exponentials(here, c, 0), (double)c, s->best, s->rest, s->length);
}

/* p, q (and exact_p, exact_q) of class c. */
static void load_class(const place *here, size_t c)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;

    if (here->pass->shape.pred_kind != MM_LOGITS) {
        load_pred_plane(here, c, s->p);
        k->complement(s->q, s->p, s->length);
        return;
    }
    k->softmax(s->p, s->q, exponentials(here, c, 1), (double)c, s->best, s->rest, s->length);
    load_pred_plane(here, c, s->x);
    k->log_softmax(s->exact_p, s->x, s->max, s->rest, s->length);
    k->neglog(s->exact_q, s->q, DBL_MIN, s->length);
    if (s->scored_count < s->length)
        k->select(s->p, s->scored, s->length);
}

static void pick_label_planes(const place *here, size_t c)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;

    if (!s->labels_hard || here->pass->columns.at_label_count == 0)
        return;
    k->pick(s->at_p, s->p, s->label, (float)c, s->length);
    k->pick(s->at_q, s->q, s->label, (float)c, s->length);
    if (here->pass->shape.pred_kind == MM_LOGITS)
        k->pick(s->at_exact, s->exact_p, s->label, (float)c, s->length);
}

static void run_label_columns(const place *here)
{
    mm_scratch *s = here->s;

    if (!s->labels_hard || here->pass->columns.at_label_count == 0)
        return;
    memcpy(s->p, s->at_p, s->length * sizeof *s->p);
    memcpy(s->q, s->at_q, s->length * sizeof *s->q);
    memcpy(s->exact_p, s->at_exact, s->length * sizeof *s->exact_p);
    mm_columns_label(here->pass, s, here->sums);
}

/* Labels are loaded; any kind of prediction of exclusive classes. */
static void run_rows(const place *here)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;

    if (here->pass->shape.pred_kind == MM_LABELS)
        load_pred_map(here);
    walk_maximum(here);
    k->narrow(s->pred, s->best, s->length);
    k->narrow(s->row_total, s->total, s->length);
    note_off_one(here, k->off_one(s->row_total, s->label, MM_SUM_TOLERANCE, s->length));
    count_pairs(here);
    if (here->pass->columns.count == 0)
        return;
    if (here->pass->shape.pred_kind == MM_LOGITS)
        walk_softmax(here);
    memset(s->at_p, 0, s->length * sizeof *s->at_p);
    memset(s->at_q, 0, s->length * sizeof *s->at_q);
    memset(s->at_exact, 0, s->length * sizeof *s->at_exact);
    for (size_t c = 0; c < here->pass->shape.classes; c++) {
        load_class(here, c);
        load_g(here, c);
        mm_columns_class(here->pass, s, c, here->sums);
        pick_label_planes(here, c);
    }
    run_label_columns(here);
}

/* -------------------------------------------------------------------- masks */

/* p and 1 - p of class c, and their logarithms where pred is logits. */
static void load_mask_class(const place *here, size_t c)
{
    const mm_kernels *k = here->pass->k;
    mm_scratch *s = here->s;

    load_pred_plane(here, c, s->x);
    check_pred_plane(here, s->x);
    if (here->pass->shape.pred_kind == MM_LOGITS) {
        k->sigmoid(s->p, s->q, s->exact_p, s->exact_q, s->x, s->length);
        if (s->scored_count < s->length)
            k->select(s->p, s->scored, s->length);
    } else {
        memcpy(s->p, s->x, s->length * sizeof *s->p);
        k->complement(s->q, s->p, s->length);
    }
}

static void run_masks(const place *here)
{
    mm_pass *pass = here->pass;
    const mm_kernels *k = pass->k;
    mm_scratch *s = here->s;
    const double threshold =
        pass->shape.pred_kind == MM_MASKS || pass->shape.pred_kind == MM_LABELS ? 0.5 : pass->threshold;

    load_labels(here);
    s->labels_hard = 0; /* every class has its own mask */
    s->task_scored += s->scored_count;
    if (pass->shape.pred_kind == MM_LABELS && pass->shape.classes > 1)
        load_pred_map(here);
    memset(s->total, 0, s->length * sizeof *s->total);
    for (size_t c = 0; pass->columns.normalize && c < pass->shape.classes; c++) {
        load_mask_class(here, c);
        k->add(s->total, s->p, s->length);
    }
    for (size_t c = 0; c < pass->shape.classes; c++) {
        uint64_t counts[3];

        load_mask_class(here, c);
        load_g(here, c);
        k->count_masks(s->p, threshold, s->g, s->scored, counts, s->length);
        for (unsigned which = 0; which < 3; which++)
            s->table[which * pass->shape.classes + c] += (uint32_t)counts[which];
        mm_columns_class(pass, s, c, here->sums);
    }
}

void mm_chunk_run(mm_pass *pass, size_t image, size_t chunk, mm_scratch *scratch)
{
    const place here = {
        .pass = pass,
        .s = scratch,
        .image = image,
        .chunk = chunk,
        .n = mm_chunk_length(pass, chunk),
        .sums = pass->partials + (image * pass->chunks + chunk) * pass->columns.count * pass->shape.classes,
    };

    scratch->length = mm_plane_length(here.n);
    switch (pass->way) {
    case MM_WAY_MAPS:
        run_maps(&here);
        break;
    case MM_WAY_FAST:
        run_fast(&here);
        break;
    case MM_WAY_ROWS:
        load_labels(&here);
        run_rows(&here);
        break;
    case MM_WAY_MASKS:
        run_masks(&here);
        break;
    }
}
