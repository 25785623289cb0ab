/*
 * eval.c - one upload, being scored: what to sum, tasks over blocks of chunks, and the image records at the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/plan.h"
#include "lib/record.h"
#include "lib/surfaces.h"
#include "lib/tensor.h"

#define TASK_BYTES  ((size_t)1 << 20) /* of pred: a fraction of a millisecond */
#define TASK_CHUNKS 64                /* at most: counters of a task hold 32 bits */

struct mm_eval {
    mm_pass pass;
    mm_stat stats[MM_MAX_STATS]; /* of the records */
    size_t stat_count;
    size_t task_chunks, tasks_of_image;
    size_t stage; /* stages begun */
    int keep_confusion;
    _Atomic uint64_t *counters; /* one block: scored, unmasked, counts, confusion */
    mm_wholes images, batch;    /* columns of whole images, and of all of them as one */
    mm_surfaces surfaces;       /* those of `images` that come of distances between surfaces */
};

/* ---------------------------------------------------------------- what to do */

/* What a request comes to before anything is allocated. */
typedef struct layout {
    mm_shape shape;
    mm_stat stats[MM_MAX_STATS]; /* of the records, and of the batch */
    size_t stat_count;
    mm_columns columns;
    size_t chunks;
    int keep_confusion;
    size_t partials, counters;      /* elements */
    size_t records, work, surfaces; /* bytes, about */
} layout;

static void add_stat(mm_stat *stats, size_t *count, mm_stat stat)
{
    if (*count < MM_MAX_STATS && mm_stat_find(stats, *count, &stat) == *count)
        stats[(*count)++] = stat;
}

/* The columns of the records: what the plan needs; the plain sums, which cost next to nothing; and, for a record that
 * will be asked again, what the default scores need. */
static size_t choose_stats(const mm_plan *plan, const mm_shape *shape, unsigned keep, mm_stat stats[MM_MAX_STATS])
{
    const int hard = shape->pred_kind == MM_LABELS || shape->pred_kind == MM_MASKS;
    const double eps = 1e-7;
    size_t count = mm_plan_stats(plan, stats);

    for (unsigned kind = MM_SUM_P; kind <= MM_SUM_GG; kind++)
        add_stat(stats, &count, (mm_stat){.kind = kind});
    if (!hard && (keep & MM_KEEP_HISTOGRAM))
        add_stat(stats, &count, (mm_stat){.kind = MM_HISTOGRAM_P, .more = {MM_P_BINS}});
    if (hard || !(keep & MM_KEEP_DEFAULTS))
        return count;
    for (unsigned gamma = 0; gamma <= 2; gamma++) {
        add_stat(stats, &count, (mm_stat){.kind = MM_SUM_POS, .gamma = gamma, .eps = eps});
        if (shape->task == MM_MULTILABEL)
            add_stat(stats, &count, (mm_stat){.kind = MM_SUM_NEG, .gamma = gamma, .eps = eps});
    }
    return count;
}

static int float_holds(mm_dtype dtype)
{
    return dtype == MM_F32 || dtype == MM_F16 || dtype == MM_BF16 || dtype == MM_U8 || dtype == MM_BOOL;
}

static mm_way choose_way(const mm_shape *shape, mm_dtype pred, const mm_columns *columns)
{
    if (shape->pred_kind == MM_LABELS && shape->label_kind == MM_INDEX)
        return MM_WAY_MAPS;
    if (shape->task == MM_MULTILABEL)
        return MM_WAY_MASKS;
    if ((shape->pred_kind == MM_PROBS || shape->pred_kind == MM_MASKS) && float_holds(pred) &&
        shape->classes <= MM_FLOAT_ROWS && columns->fast)
        return MM_WAY_FAST;
    return MM_WAY_ROWS;
}

static int is_byte(mm_dtype dtype)
{
    return dtype == MM_U8 || dtype == MM_BOOL;
}

/* Masks of bytes, one after the other, all scored, of which nothing but the plain sums is asked: see run_bytes(). */
static int is_of_bytes(const mm_pass *pass)
{
    const mm_columns *columns = &pass->columns;
    const int places[] = {columns->p, columns->pp, columns->pg, columns->g, columns->gg};
    const int hard =
        pass->shape.pred_kind == MM_MASKS || (pass->shape.pred_kind == MM_LABELS && pass->shape.classes == 1);
    size_t plain = 0;

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        plain += places[i] >= 0;
    return pass->way == MM_WAY_MASKS && hard && pass->shape.label_kind == MM_ONEHOT && is_byte(pass->pred.dtype) &&
           is_byte(pass->label.dtype) && pass->pred.voxel_stride == 1 && pass->label.voxel_stride == 1 &&
           !pass->has_mask && !pass->has_ignore && columns->count == plain;
}

/* What the natural form of this input is. */
static unsigned natural_form(const mm_shape *shape)
{
    if (shape->pred_kind != MM_LOGITS)
        return MM_FORM_SENT;
    return shape->task == MM_MULTICLASS ? MM_FORM_SOFTMAX : MM_FORM_SIGMOID;
}

static unsigned resolve_form(unsigned form, unsigned natural, size_t classes)
{
    if (form == MM_FORM_NATURAL)
        return natural;
    if (form == MM_FORM_APART)
        return natural == MM_FORM_SENT ? MM_FORM_SENT : MM_FORM_SIGMOID;
    return (form == MM_FORM_SOFTMAX || form == MM_FORM_SOFTMAX_REST) && classes == 1 ? MM_FORM_SENT : form;
}

unsigned mm_pass_form(const mm_pass *pass, unsigned form)
{
    return resolve_form(form, pass->natural, pass->shape.classes);
}

/* Columns that the counts say exactly need no pass over the voxels. */
static int said_by_counts(const mm_shape *shape, const mm_stat *stat)
{
    if (shape->label_kind != MM_INDEX)
        return 0;
    if (shape->pred_kind == MM_LABELS)
        return 1;
    return stat->kind == MM_SUM_G || stat->kind == MM_SUM_GG;
}

/* The column that the pass sums for one of the records: forms that come to the same of this input are one. */
static mm_stat summed_as(const mm_stat *stat, const mm_shape *shape)
{
    mm_stat own = *stat;

    own.form = resolve_form(stat->form, natural_form(shape), shape->classes);
    return own;
}

/* Sorts the columns: those of whole images, and those that the pass sums; the counts say the rest. */
static void choose_columns(layout *l)
{
    mm_stat summed[MM_MAX_STATS];
    unsigned forms[MM_MAX_STATS];
    size_t kept = 0;

    for (size_t i = 0; i < l->stat_count; i++) {
        const mm_stat *stat = &l->stats[i];

        if (stat->kind < MM_IMAGE_KINDS && !said_by_counts(&l->shape, stat))
            add_stat(summed, &kept, summed_as(stat, &l->shape));
    }
    for (size_t i = 0; i < kept; i++)
        forms[i] = summed[i].form;
    mm_columns_sort(&l->columns, summed, forms, kept, l->shape.classes);
}

static mm_axes axes_of(const mm_tensor *tensor, size_t classes, size_t voxels, int channels_last)
{
    mm_axes axes = {.base = tensor->data, .dtype = tensor->dtype, .size = mm_dtype_size(tensor->dtype)};

    axes.image_stride = classes * voxels;
    axes.class_stride = channels_last ? 1 : voxels;
    axes.voxel_stride = channels_last ? classes : 1;
    return axes;
}

static mm_status too_large(mm_problem *problem)
{
    if (problem != NULL)
        *problem =
            (mm_problem){.tensor = "pred", .text = "the sums of so many voxels and classes do not fit in memory"};
    return MM_NO_MEMORY;
}

static mm_status no_pairs(mm_problem *problem)
{
    if (problem != NULL) {
        *problem = (mm_problem){.param = "scores"};
        snprintf(problem->text, sizeof problem->text,
                 "a score over pairs of classes needs exclusive classes, at most %d", MM_CONFUSION_ALWAYS);
    }
    return MM_BAD_PARAM;
}

static mm_status plan_confusion(layout *plan, unsigned keep, int needed, mm_problem *problem)
{
    const size_t classes = plan->shape.classes;
    const int asked = (keep & MM_KEEP_CONFUSION) != 0;

    if (plan->shape.task == MM_MULTILABEL)
        return MM_OK;
    if ((asked || needed) && classes > MM_CONFUSION_MOST) {
        if (problem != NULL) {
            *problem = (mm_problem){.text = ""};
            snprintf(problem->param, sizeof problem->param, "%s", asked ? "include" : "scores");
            snprintf(problem->text, sizeof problem->text, "the confusion table is kept for at most %d classes",
                     MM_CONFUSION_MOST);
        }
        return MM_BAD_PARAM;
    }
    plan->keep_confusion = classes <= MM_CONFUSION_ALWAYS || asked || needed;
    return MM_OK;
}

/* Doubles per voxel of one image that the columns of whole images work with at most, on all threads together. */
static size_t planes_at_work(const layout *l)
{
    const unsigned threads = mm_threads_available();
    size_t most = 0, count = 0;

    for (size_t i = 0; i < l->stat_count; i++) {
        const mm_image_kind *kind = l->stats[i].kind < MM_IMAGE_KINDS ? NULL : mm_image_kind_find(l->stats[i].kind);

        if (kind == NULL || kind->compute == NULL)
            continue;
        const int batch = (l->stats[i].flags & MM_STAT_BATCH) != 0;
        const size_t planes = (kind->planes + kind->class_planes * l->shape.classes) * (batch ? l->shape.images : 1);

        most = planes > most ? planes : most;
        count += (kind->joint ? 1 : l->shape.classes) * (batch ? 1 : l->shape.images);
    }
    return most * (count < threads ? count : threads);
}

static mm_status plan_layout(const mm_input *input, const mm_plan *plan, unsigned keep, layout *out,
                             mm_problem *problem)
{
    mm_status status = mm_input_shape(input, &out->shape, problem);

    if (status == MM_OK)
        status = plan_confusion(out, keep, mm_plan_needs_table(plan), problem);
    if (status != MM_OK)
        return status;
    const size_t classes = out->shape.classes, images = out->shape.images;

    out->stat_count = choose_stats(plan, &out->shape, keep, out->stats);
    for (size_t i = 0; i < out->stat_count; i++)
        if (out->stats[i].kind == MM_SUM_BY_LABEL &&
            (classes > MM_CONFUSION_ALWAYS || out->shape.task == MM_MULTILABEL))
            return no_pairs(problem);
    choose_columns(out);
    out->chunks = (out->shape.voxels + MM_CHUNK - 1) / MM_CHUNK;
    const size_t cells = out->keep_confusion ? classes * classes : 0;
    const size_t values = mm_stats_offset(out->stats, out->stat_count, classes);
    const size_t record = (3 * classes + cells + values) * 8 + 512;

    if (!mm_multiply(images, out->chunks, &out->partials) ||
        !mm_multiply(out->partials, out->columns.values, &out->partials) ||
        !mm_multiply(images, 2 + 3 * classes + cells, &out->counters) || !mm_multiply(images, record, &out->records) ||
        !mm_multiply(planes_at_work(out) * sizeof(double), out->shape.voxels, &out->work) ||
        !mm_surfaces_bytes(&out->shape, out->stats, out->stat_count, &out->surfaces) || out->surfaces > SIZE_MAX / 4 ||
        out->partials > SIZE_MAX / 32 || out->counters > SIZE_MAX / 32 || out->records > SIZE_MAX / 4 ||
        out->work > SIZE_MAX / 4)
        return too_large(problem);
    return MM_OK;
}

mm_status mm_eval_size(const mm_input *input, const mm_plan *plan, unsigned keep, size_t *bytes, mm_problem *problem)
{
    layout l = {.chunks = 0};
    mm_status status = plan_layout(input, plan, keep, &l, problem);

    if (status == MM_OK)
        *bytes = sizeof(mm_eval) + (l.partials + l.counters) * 8 + 2 * l.records + l.work + l.surfaces;
    return status;
}

/* -------------------------------------------------------------------- tasks */

static void set_tasks(mm_eval *eval)
{
    const mm_pass *pass = &eval->pass;
    const size_t classes = pass->shape.pred_has_classes ? pass->shape.classes : 1;
    size_t chunk_bytes = MM_CHUNK;

    if (!mm_multiply(chunk_bytes, classes * pass->pred.size, &chunk_bytes))
        chunk_bytes = TASK_BYTES;
    eval->task_chunks = TASK_BYTES / chunk_bytes;
    if (eval->task_chunks < 1)
        eval->task_chunks = 1;
    if (eval->task_chunks > TASK_CHUNKS)
        eval->task_chunks = TASK_CHUNKS;
    eval->tasks_of_image = (pass->chunks + eval->task_chunks - 1) / eval->task_chunks;
}

static void set_pass(mm_eval *eval, const mm_input *input, const layout *l)
{
    mm_pass *pass = &eval->pass;
    const size_t classes = l->shape.classes, voxels = l->shape.voxels, images = l->shape.images;

    pass->k = mm_kernels_chosen();
    pass->shape = l->shape;
    pass->natural = natural_form(&l->shape);
    pass->way = choose_way(&l->shape, input->pred.dtype, &l->columns);
    pass->pred = axes_of(&input->pred, l->shape.pred_has_classes ? classes : 1, voxels, input->channels_last);
    pass->label = axes_of(&input->label, l->shape.label_kind == MM_ONEHOT ? classes : 1, voxels, input->channels_last);
    pass->has_mask = input->mask.data != NULL;
    if (pass->has_mask)
        pass->mask = axes_of(&input->mask, 1, voxels, 0);
    pass->has_ignore = input->has_ignore;
    pass->ignore = input->ignore_index;
    pass->threshold = input->threshold;
    for (unsigned axis = 0; axis < l->shape.spatial_rank; axis++)
        pass->spacing[axis] = input->spacing == NULL ? 1.0 : input->spacing[axis];
    pass->columns = l->columns;
    pass->bytes = is_of_bytes(pass);
    pass->chunks = l->chunks;
    pass->confusion_classes = l->keep_confusion ? classes : 0;
    pass->scored = eval->counters;
    pass->unmasked = eval->counters + images;
    pass->counts = eval->counters + 2 * images;
    pass->confusion = l->keep_confusion ? pass->counts + 3 * images * classes : NULL;
    atomic_init(&pass->bad_pred, UINT64_MAX);
    atomic_init(&pass->bad_label, UINT64_MAX);
    atomic_init(&pass->off_one_first, UINT64_MAX);
}

mm_status mm_eval_new(mm_eval **out, const mm_input *input, const mm_plan *plan, unsigned keep, mm_problem *problem)
{
    layout l = {.chunks = 0};
    mm_status status = plan_layout(input, plan, keep, &l, problem);

    if (status != MM_OK)
        return status;
    mm_eval *eval = calloc(1, sizeof *eval);
    if (eval == NULL)
        return too_large(problem);
    eval->pass.partials = calloc(l.partials + 1, sizeof(double));
    eval->counters = calloc(l.counters, sizeof *eval->counters);
    if (eval->pass.partials == NULL || eval->counters == NULL ||
        mm_wholes_init(&eval->images, &l.shape, l.stats, l.stat_count, 0) != MM_OK ||
        mm_wholes_init(&eval->batch, &l.shape, l.stats, l.stat_count, 1) != MM_OK) {
        mm_eval_free(eval);
        return too_large(problem);
    }
    for (size_t i = 0; i < l.stat_count; i++)
        if (!(l.stats[i].flags & MM_STAT_BATCH))
            eval->stats[eval->stat_count++] = l.stats[i];
    eval->keep_confusion = l.keep_confusion;
    set_pass(eval, input, &l);
    set_tasks(eval);
    if (!mm_surfaces_init(&eval->surfaces, &eval->pass, &eval->images)) {
        mm_eval_free(eval);
        return too_large(problem);
    }
    *out = eval;
    return MM_OK;
}

static size_t voxel_tasks(const mm_eval *eval)
{
    return eval->pass.shape.images * eval->tasks_of_image;
}

/* Of the first stage, the longest first: whole batches, whole images, then blocks of voxels. */
static size_t first_tasks(const mm_eval *eval)
{
    return mm_wholes_task_count(&eval->batch) + mm_wholes_task_count(&eval->images) + voxel_tasks(eval);
}

/* Has a value been found that makes no sense? */
static int is_bad(const mm_pass *pass)
{
    return atomic_load(&pass->bad_pred) != UINT64_MAX || atomic_load(&pass->bad_label) != UINT64_MAX;
}

size_t mm_eval_stage(mm_eval *eval)
{
    if (eval->stage++ == 0)
        return first_tasks(eval);
    return is_bad(&eval->pass) ? 0 : mm_surfaces_stage(&eval->surfaces);
}

int mm_eval_is_long(const mm_eval *eval)
{
    return eval->surfaces.geometry_count > 0;
}

static void run_block(mm_eval *eval, size_t task, mm_scratch *scratch)
{
    const size_t image = task / eval->tasks_of_image;
    const size_t first = task % eval->tasks_of_image * eval->task_chunks;
    size_t end = first + eval->task_chunks;

    if (end > eval->pass.chunks)
        end = eval->pass.chunks;
    mm_chunk_begin(&eval->pass, scratch);
    for (size_t chunk = first; chunk < end; chunk++)
        mm_chunk_run(&eval->pass, image, chunk, scratch);
    mm_chunk_end(&eval->pass, image, scratch);
}

void mm_eval_task(mm_eval *eval, size_t task, void *scratch)
{
    const size_t batch = mm_wholes_task_count(&eval->batch), images = mm_wholes_task_count(&eval->images);

    if (eval->stage > 1)
        mm_surfaces_task(&eval->surfaces, task, scratch);
    else if (task < batch)
        mm_wholes_task(&eval->batch, &eval->pass, task, scratch);
    else if (task < batch + images)
        mm_wholes_task(&eval->images, &eval->pass, task - batch, scratch);
    else
        run_block(eval, task - batch - images, scratch);
}

typedef struct team {
    mm_eval *eval;
    unsigned char *scratch;
} team;

static void run_of_team(void *context, size_t task, unsigned worker)
{
    const team *all = context;

    mm_eval_task(all->eval, task, all->scratch + (size_t)worker * MM_SCRATCH_BYTES);
}

void mm_eval_run(mm_eval *eval, void *scratch, unsigned threads)
{
    team all = {.eval = eval, .scratch = scratch};
    size_t count;

    while ((count = mm_eval_stage(eval)) > 0)
        mm_parallel(run_of_team, &all, count, threads);
}

/* ------------------------------------------------------------------- finish */

static mm_status bad_value(const mm_axes *axes, const char *tensor, uint64_t index, const char *what,
                           mm_problem *problem)
{
    if (problem != NULL) {
        *problem = (mm_problem){.has_index = 1, .index = index};
        snprintf(problem->tensor, sizeof problem->tensor, "%s", tensor);
        snprintf(problem->text, sizeof problem->text, "%s[%llu] is %.9g: %s", tensor, (unsigned long long)index,
                 mm_axes_value(axes, index), what);
    }
    return MM_BAD_VALUE;
}

static const char *pred_rule(mm_pred_kind kind)
{
    switch (kind) {
    case MM_LOGITS:
        return "logits must be finite";
    case MM_MASKS:
        return "a mask holds 0 and 1";
    case MM_LABELS:
        return "not a class";
    default:
        return "a probability lies between 0 and 1";
    }
}

static mm_status check_values(const mm_eval *eval, mm_problem *problem)
{
    const mm_pass *pass = &eval->pass;
    const uint64_t pred = atomic_load(&pass->bad_pred), label = atomic_load(&pass->bad_label);

    if (pred != UINT64_MAX)
        return bad_value(&pass->pred, "pred", pred, pred_rule(pass->shape.pred_kind), problem);
    if (label != UINT64_MAX)
        return bad_value(&pass->label, "label", label,
                         pass->shape.label_kind == MM_INDEX ? "not a class" : "a label lies between 0 and 1", problem);
    return MM_OK;
}

/* Adds the chunks of one image in order of index: `values` of them from the offset on. */
static void add_chunks(const mm_pass *pass, size_t image, size_t offset, size_t values, double *sums)
{
    const size_t step = pass->columns.values;
    const double *from = pass->partials + image * pass->chunks * step + offset;

    for (size_t chunk = 0; chunk < pass->chunks; chunk++)
        for (size_t i = 0; i < values; i++)
            sums[i] += from[chunk * step + i];
}

/* A sum that the counts of one class say: p and g are 0 or 1. */
static uint64_t count_of(unsigned kind, uint64_t scored, uint64_t label, uint64_t pred, uint64_t both)
{
    switch (kind) {
    case MM_SUM_P:
    case MM_SUM_PP:
    case MM_SUM_OVER:
        return pred; /* no threshold outside 0 to 1 makes sense */
    case MM_SUM_PG:
    case MM_SUM_SQUARED_TP:
    case MM_SUM_ROUND_PG:
    case MM_SUM_ALL_RIGHT:
    case MM_SUM_OVER_G:
    case MM_SUM_G_ROUND_P:
        return both;
    case MM_SUM_AD:
        return label + pred - 2 * both;
    case MM_SUM_SQUARED_FP:
    case MM_SUM_ERROR_OUT:
        return pred - both;
    case MM_SUM_SQUARED_FN:
    case MM_SUM_ERROR_IN:
        return label - both;
    case MM_SUM_INDEX:
        return scored;
    case MM_SUM_ROUND_N:
        return scored - label;
    case MM_SUM_ROUND_QN:
    case MM_SUM_N_ROUND_Q:
        return scored + both - label - pred;
    default:
        return label; /* G, GG, ROUND_G */
    }
}

static void from_counts(const mm_record *record, const mm_stat *stat, size_t classes, double *sums)
{
    for (size_t j = 0; stat->kind == MM_SUM_BY_LABEL && j < classes * classes; j++)
        sums[j] = (double)record->confusion[j];
    for (size_t c = 0; stat->kind != MM_SUM_BY_LABEL && c < classes; c++) {
        const size_t to = stat->kind == MM_SUM_ALL_RIGHT ? 0 : c;

        sums[to] += (double)count_of(stat->kind, record->scored, record->label_count[c], record->pred_count[c],
                                     record->both_count[c]);
    }
}

/* Is it of a softmax that leaves class 0 out?  Then that class has no sums, however the label was sent; columns of all
 * classes together are kept in its place. */
static int lacks_first_class(const mm_pass *pass, const mm_stat *stat)
{
    return mm_pass_form(pass, stat->form) == MM_FORM_SOFTMAX_REST && stat->kind < MM_IMAGE_KINDS &&
           stat->kind != MM_HISTOGRAM_TOP && stat->kind != MM_SUM_ALL_RIGHT;
}

/* Where the column is found: summed by the pass, computed of the whole image, or said by the counts. */
static void fill_column(const mm_eval *eval, size_t image, const mm_record *record, const mm_stat *stat, double *sums)
{
    const mm_pass *pass = &eval->pass;
    const mm_wholes *wholes = &eval->images;
    const size_t classes = pass->shape.classes, values = mm_stat_width(stat, classes) * classes;
    const mm_stat summed = summed_as(stat, &pass->shape);
    const size_t column = mm_stat_find(pass->columns.stats, pass->columns.count, &summed);
    const size_t whole = mm_stat_find(wholes->stats, wholes->count, stat);

    if (column < pass->columns.count)
        add_chunks(pass, image, pass->columns.offset[column], values, sums);
    else if (whole < wholes->count)
        memcpy(sums, wholes->results + image * wholes->values + mm_stats_offset(wholes->stats, whole, classes),
               values * sizeof *sums);
    else
        from_counts(record, stat, classes, sums);
    for (size_t i = 0; lacks_first_class(pass, stat) && i < values; i += classes)
        sums[i] = 0.0;
}

static void fill_record(const mm_eval *eval, size_t image, mm_record *record)
{
    const mm_pass *pass = &eval->pass;
    const size_t classes = pass->shape.classes;

    record->voxels = pass->shape.voxels;
    record->scored = atomic_load(&pass->scored[image]);
    record->unmasked = atomic_load(&pass->unmasked[image]);
    for (size_t i = 0; i < 3 * classes; i++)
        record->label_count[i] = atomic_load(&pass->counts[image * 3 * classes + i]);
    for (size_t i = 0; record->confusion != NULL && i < classes * classes; i++)
        record->confusion[i] = atomic_load(&pass->confusion[image * classes * classes + i]);
    for (size_t i = 0; i < eval->stat_count; i++)
        fill_column(eval, image, record, &eval->stats[i], record->sums + mm_stats_offset(eval->stats, i, classes));
}

mm_status mm_eval_finish(mm_eval *eval, const char *const *image_ids, mm_images **out, mm_problem *problem)
{
    mm_images *images = NULL;
    mm_status status = check_values(eval, problem);

    if (status == MM_OK &&
        (eval->surfaces.failed || atomic_load(&eval->images.no_memory) || atomic_load(&eval->batch.no_memory)))
        status = too_large(problem);
    if (status == MM_OK && mm_images_new(&images, eval->pass.shape.task, eval->pass.shape.classes) != MM_OK)
        status = too_large(problem);
    for (size_t i = 0; status == MM_OK && i < eval->pass.shape.images; i++) {
        mm_record *record = mm_images_append(images, image_ids[i], eval->stats, eval->stat_count, eval->keep_confusion);

        if (record == NULL)
            status = too_large(problem);
        else
            fill_record(eval, i, record);
    }
    if (status == MM_OK && eval->batch.count > 0)
        status = mm_images_set_batch(images, eval->batch.stats, eval->batch.count, eval->batch.results);
    if (status != MM_OK) {
        mm_images_free(images);
        return status;
    }
    *out = images;
    return MM_OK;
}

mm_warning mm_eval_warning(const mm_eval *eval)
{
    return (mm_warning){.count = (size_t)atomic_load(&eval->pass.off_one_count),
                        .index = atomic_load(&eval->pass.off_one_first)};
}

void mm_eval_free(mm_eval *eval)
{
    if (eval == NULL)
        return;
    free(eval->pass.partials);
    free(eval->counters);
    mm_surfaces_clear(&eval->surfaces);
    mm_wholes_clear(&eval->images);
    mm_wholes_clear(&eval->batch);
    free(eval);
}
