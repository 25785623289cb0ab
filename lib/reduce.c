/*
 * reduce.c - from the groups of one score to its numbers: per image, per class, and one value.
 *
 * Every sum over images or classes is exact and rounded once, so order and grouping change nothing.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/score.h"

/* What the reductions of one score share. */
typedef struct work {
    const mm_score *row;
    const mm_args *args;
    const double *weights; /* one per class, or NULL */
    mm_cells cells;
    size_t images, classes;
    unsigned char *chosen; /* one per class */
    size_t chosen_count;
    mm_group *groups; /* the classes of one image, or pooled */
    double *sorted;   /* room for one value per image */
    mm_scored *out;
} work;

/* Does the score put the chosen classes of an image together? */
static int is_joint(const work *w)
{
    return w->row->joint != NULL && (w->row->apart == NULL || !w->row->apart(w->args));
}

/* Has it a value per class? */
static int has_classes(const work *w)
{
    return w->row->entropy != NULL || (w->row->per_class != NULL && !is_joint(w));
}

static double weight_of(const work *w, size_t c)
{
    return w->weights == NULL ? 1.0 : w->weights[c];
}

/* -------------------------------------------------------------- summaries */

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Linear percentile of sorted values: at q (n - 1) between its neighbours. */
static double percentile(const double *sorted, size_t count, double q)
{
    const double at = q * (double)(count - 1), below = floor(at);
    const size_t i = (size_t)below;

    return i + 1 < count ? sorted[i] + (at - below) * (sorted[i + 1] - sorted[i]) : sorted[i];
}

static double summary_of(double *values, size_t count, mm_stat_of stat)
{
    static const double quantile[] = {[MM_MIN] = 0.0, [MM_MAX] = 1.0,  [MM_P5] = 0.05, [MM_P25] = 0.25,
                                      [MM_P50] = 0.5, [MM_P75] = 0.75, [MM_P95] = 0.95};
    mm_exact sum = {0};

    if (count == 1)
        return values[0];
    if (stat != MM_MEAN) {
        qsort(values, count, sizeof *values, compare_doubles);
        return percentile(values, count, quantile[stat]);
    }
    for (size_t i = 0; i < count; i++)
        mm_exact_add(&sum, values[i]);
    return mm_exact_round(&sum) / (double)count;
}

/* Of reasons that differ, the one with the lowest number speaks for all. */
static mm_reason first_reason(mm_reason a, mm_reason b)
{
    if (a == MM_DEFINED || b == MM_DEFINED)
        return a == MM_DEFINED ? b : a;
    return a < b ? a : b;
}

/* Mean (or what `stat` says) over the images of values[0], values[step] ...; what is undefined is left out. */
static mm_value over_images(const work *w, const mm_value *values, size_t step)
{
    mm_reason reason = MM_DEFINED;
    size_t count = 0;

    for (size_t n = 0; n < w->images; n++) {
        const mm_value x = values[n * step];

        if (x.reason == MM_DEFINED)
            w->sorted[count++] = x.value;
        else
            reason = first_reason(reason, x.reason);
    }
    return count == 0 ? mm_undefined(reason) : mm_defined(summary_of(w->sorted, count, w->args->common.stat));
}

/* ------------------------------------------------------------ one group */

/* Is the class in neither label nor prediction? */
static int absent(const mm_group *x)
{
    return x->label == 0 && x->pred == 0 && x->support == 0.0;
}

/* What the policies say before the formula is looked at; MM_DEFINED: nothing. */
static mm_reason policy(const work *w, const mm_group *x)
{
    if (w->row->always)
        return MM_DEFINED;
    if (x->scored == 0)
        return MM_NO_VOXELS;
    return absent(x) ? MM_ABSENT_IN_BOTH : MM_DEFINED;
}

/* absent=0 and absent=1 */
static mm_value absent_value(const work *w)
{
    return w->args->common.absent < 0 ? mm_undefined(MM_ABSENT_IN_BOTH) : mm_defined((double)w->args->common.absent);
}

/* Entropy scores are not bound by the policy on absent classes: what counts is the label. */
static mm_value entropy_of_class(const work *w, const mm_group *x, mm_reason reason)
{
    const mm_terms terms = w->row->entropy(x, w->args);

    if (reason == MM_ABSENT_IN_BOTH && w->args->common.absent >= 0)
        return absent_value(w);
    return mm_ratio(terms.sum, terms.voxels, MM_ABSENT_IN_LABEL);
}

static mm_value score_group(const work *w, const mm_group *x)
{
    const mm_reason reason = policy(w, x);

    if (reason == MM_NO_VOXELS)
        return mm_undefined(reason);
    if (w->row->entropy != NULL)
        return entropy_of_class(w, x, reason);
    return reason == MM_ABSENT_IN_BOTH ? absent_value(w) : w->row->per_class(x, w->args);
}

/* ----------------------------------------------------- all classes together */

/* Value v of the i-th column of the chosen classes of w->groups, added up. */
static double add_values(const work *w, size_t i, size_t v)
{
    mm_exact exact = {.count = 0};

    for (size_t c = 0; c < w->classes; c++)
        if (w->chosen[c])
            mm_exact_add(&exact, mm_wide(&w->groups[c], i, v));
    return mm_exact_round(&exact);
}

/* The chosen classes of w->groups added into one; its columns lie behind those of the classes. */
static mm_group add_classes(const work *w)
{
    double *values = w->cells.pooled + w->classes * w->cells.values;
    mm_exact support = {.count = 0};
    mm_group all = {.step = 1};

    for (size_t c = 0; c < w->classes; c++) {
        const mm_group *x = &w->groups[c];

        if (!w->chosen[c])
            continue;
        all.scored += x->scored;
        all.ignored += x->ignored;
        all.label += x->label;
        all.pred += x->pred;
        all.both += x->both;
        mm_exact_add(&support, x->support);
    }
    for (size_t i = 0; i < w->cells.need_count; i++) {
        for (size_t v = 0; v < w->cells.width[i]; v++)
            values[v] = add_values(w, i, v);
        all.wide[i] = values;
        all.sum[i] = values[0];
        values += w->cells.width[i];
    }
    all.support = mm_exact_round(&support);
    return all;
}

/* sum_c w (terms) / sum_c w (voxels) over the chosen classes of w->groups.  Exclusive classes without weights divide
 * by the number of voxels, which soft labels need not sum to. */
static mm_value voxel_mean(const work *w)
{
    double above = 0.0, below = 0.0, voxels = 0.0;
    int whole = w->chosen_count == w->classes, equal = 1;

    for (size_t c = 0; c < w->classes; c++) {
        if (!w->chosen[c])
            continue;
        const mm_terms terms = w->row->entropy(&w->groups[c], w->args);

        above += weight_of(w, c) * terms.sum;
        below += weight_of(w, c) * terms.voxels;
        voxels += terms.voxels;
        whole = whole && terms.partition;
        equal = equal && weight_of(w, c) == 1.0;
    }
    if (w->groups[0].scored == 0)
        return mm_undefined(MM_NO_VOXELS);
    equal = equal || !w->args->common.normalize;
    if (voxels == 0.0 && !(whole && equal))
        return mm_undefined(MM_ABSENT_IN_LABEL);
    if (equal)
        below = whole ? (double)w->groups[0].scored : voxels;
    return mm_ratio(above, below, MM_ZERO_DENOMINATOR);
}

/* Moves the chosen classes to the front of w->groups; returns their number. */
static size_t pack_chosen(const work *w)
{
    size_t count = 0;

    for (size_t c = 0; c < w->classes; c++)
        if (w->chosen[c])
            w->groups[count++] = w->groups[c];
    return count;
}

/* The joint score of the chosen classes. */
static mm_value joint_of(const work *w)
{
    const size_t scored = w->groups[0].scored != 0, count = pack_chosen(w);
    int all_absent = 1;

    for (size_t i = 0; i < count; i++)
        all_absent = all_absent && absent(&w->groups[i]);
    if (!scored)
        return mm_undefined(MM_NO_VOXELS);
    return all_absent && !w->row->always ? absent_value(w) : w->row->joint(w->groups, count, w->args);
}

/* One value from w->groups: joint, over voxels, or micro-averaged. */
static mm_value together(const work *w)
{
    if (is_joint(w))
        return joint_of(w);
    if (w->row->entropy != NULL)
        return voxel_mean(w);
    const mm_group all = add_classes(w);
    return score_group(w, &all);
}

static void load_image(const work *w, size_t n)
{
    for (size_t c = 0; c < w->classes; c++)
        w->groups[c] = mm_cell(&w->cells, n, c);
}

static void load_pooled(const work *w)
{
    for (size_t c = 0; c < w->classes; c++)
        w->groups[c] = mm_cell_pooled(&w->cells, c);
}

/* together() of each image into values[0], values[1] ... */
static void together_by_image(const work *w, mm_value *values)
{
    for (size_t n = 0; n < w->images; n++) {
        load_image(w, n);
        values[n] = together(w);
    }
}

/* ----------------------------------------------------------- over classes */

static double class_weight(const work *w, size_t c)
{
    const mm_average average = w->args->common.average;

    if (average == MM_SUPPORT) {
        const mm_group x = mm_cell_pooled(&w->cells, c);

        return x.support;
    }
    return average == MM_WEIGHTED || w->row->info.kind == MM_LOSS ? weight_of(w, c) : 1.0;
}

/* sum_c w x / sum_c w over the chosen, defined classes; or divided by their number. */
static mm_value over_classes(const work *w, const mm_value *per_class)
{
    const int plain = !w->args->common.normalize && w->args->common.average != MM_SUPPORT;
    mm_exact above = {0}, below = {0};
    mm_reason reason = MM_DEFINED;
    size_t count = 0;

    for (size_t c = 0; c < w->classes; c++) {
        if (!w->chosen[c])
            continue;
        if (per_class[c].reason != MM_DEFINED) {
            reason = first_reason(reason, per_class[c].reason);
            continue;
        }
        const double weight = class_weight(w, c);

        mm_exact_add(&above, weight * per_class[c].value);
        mm_exact_add(&below, plain ? 1.0 : weight);
        count++;
    }
    if (count == 0)
        return mm_undefined(reason);
    return mm_ratio(mm_exact_round(&above), mm_exact_round(&below), MM_ZERO_DENOMINATOR);
}

/* -------------------------------------------------------------- the whole */

static void count_omitted(mm_scored *out, const mm_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i].reason != MM_DEFINED && values[i].reason != MM_NOT_CHOSEN)
            out->result.omitted[values[i].reason]++;
}

/* Rows and columns of values, zeroed; NULL: out of memory. */
static mm_value *new_values(size_t rows, size_t columns)
{
    if (columns != 0 && rows > SIZE_MAX / sizeof(mm_value) / columns)
        return NULL;
    return calloc(rows * columns == 0 ? 1 : rows * columns, sizeof(mm_value));
}

/* per_image and per_class of scores that have a value per class. */
static mm_status score_classes(work *w)
{
    mm_scored *out = w->out;

    out->per_class = new_values(w->classes, 1);
    if (!w->args->common.pooled)
        out->per_image = new_values(w->images, w->classes);
    if (out->per_class == NULL || (out->per_image == NULL && !w->args->common.pooled))
        return MM_NO_MEMORY;
    for (size_t n = 0; n < w->images && out->per_image != NULL; n++)
        for (size_t c = 0; c < w->classes; c++) {
            const mm_group x = mm_cell(&w->cells, n, c);

            out->per_image[n * w->classes + c] = w->chosen[c] ? score_group(w, &x) : mm_undefined(MM_NOT_CHOSEN);
        }
    for (size_t c = 0; c < w->classes; c++) {
        if (!w->chosen[c]) {
            out->per_class[c] = mm_undefined(MM_NOT_CHOSEN);
        } else if (out->per_image != NULL) {
            out->per_class[c] = over_images(w, out->per_image + c, w->classes);
        } else {
            const mm_group x = mm_cell_pooled(&w->cells, c);

            out->per_class[c] = score_group(w, &x);
        }
    }
    out->result.columns = w->classes;
    return MM_OK;
}

/* The value of scores that put all classes together: of the pooled sums, or of each image and then over the images. */
static mm_status value_together(work *w)
{
    if (w->args->common.pooled && !w->row->by_image) {
        load_pooled(w);
        w->out->result.value = together(w);
        return MM_OK;
    }
    mm_value *by_image = new_values(w->images, 1);
    if (by_image == NULL)
        return MM_NO_MEMORY;
    together_by_image(w, by_image);
    w->out->result.value = over_images(w, by_image, 1);
    if (is_joint(w) && !w->args->common.pooled) {
        w->out->per_image = by_image;
        w->out->result.columns = 1;
    } else {
        free(by_image);
    }
    return MM_OK;
}

static mm_status score_natural(work *w)
{
    const mm_average average = w->args->common.average;
    mm_scored *out = w->out;
    mm_status status = has_classes(w) ? score_classes(w) : MM_OK;

    if (status != MM_OK)
        return status;
    if (is_joint(w) || average == MM_VOXEL || average == MM_MICRO)
        status = value_together(w);
    else
        out->result.value = over_classes(w, out->per_class);
    if (out->per_image != NULL)
        count_omitted(out, out->per_image, w->images * out->result.columns);
    else if (out->per_class != NULL)
        count_omitted(out, out->per_class, w->classes);
    else
        count_omitted(out, &out->result.value, 1);
    return status;
}

/* Room for the list that the row gives, *count values; a number is a list of one. */
static mm_status new_list(work *w, size_t *count)
{
    mm_result *result = &w->out->result;

    *count = 1;
    if (w->row->shape != NULL)
        result->rank = w->row->shape(w->args, w->images, result->dim);
    for (unsigned i = 0; i < result->rank; i++) {
        if (result->dim[i] != 0 && *count > SIZE_MAX / sizeof(mm_value) / result->dim[i])
            return MM_NO_MEMORY;
        *count *= result->dim[i];
    }
    w->out->list = new_values(*count, 1);
    return w->out->list == NULL ? MM_NO_MEMORY : MM_OK;
}

/* The natural list of w->groups. */
static void list_of(const work *w, mm_value *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        list[i] = mm_undefined(MM_NOT_CHOSEN);
    w->row->list(w->groups, pack_chosen(w), w->args, list);
}

/* A natural list: of the pooled sums, or each of its values over the images. */
static mm_status score_list(work *w)
{
    mm_value *by_image;
    size_t count;
    mm_status status = new_list(w, &count);

    if (status != MM_OK)
        return status;
    if (w->args->common.pooled) {
        load_pooled(w);
        list_of(w, w->out->list, count);
    } else {
        by_image = new_values(w->images, count);
        if (by_image == NULL)
            return MM_NO_MEMORY;
        for (size_t n = 0; n < w->images; n++) {
            load_image(w, n);
            list_of(w, by_image + n * count, count);
        }
        for (size_t i = 0; i < count; i++)
            w->out->list[i] = over_images(w, by_image + i, count);
        free(by_image);
    }
    count_omitted(w->out, w->out->list, count);
    return MM_OK;
}

static mm_status score_peer(work *w)
{
    mm_result *result = &w->out->result;
    size_t count;
    const mm_status status = new_list(w, &count);

    if (status != MM_OK)
        return status;
    w->row->peer(&w->cells, w->args, w->out->list);
    if (result->rank == 0)
        result->value = w->out->list[0];
    if (w->row->note != NULL)
        result->note = w->row->note(&w->cells, w->args, w->out->list);
    count_omitted(w->out, w->out->list, count);
    return MM_OK;
}

/* ------------------------------------------------------- what there must be */

/* Every value is MM_NOT_IN_SUMS, and the note says what would have been needed; stat NULL: the table of pairs. */
static mm_status not_in_sums(work *w, const mm_stat *stat)
{
    mm_scored *out = w->out;
    char sum[192] = "the confusion table";

    if (stat != NULL)
        mm_stat_describe(stat, sum, sizeof sum);
    snprintf(out->note, sizeof out->note, "needs %s, which was not gathered for every image", sum);
    out->result.note = out->note;
    out->result.value = mm_undefined(MM_NOT_IN_SUMS);
    out->result.omitted[MM_NOT_IN_SUMS] = w->images;
    if (!has_classes(w))
        return MM_OK;
    out->per_class = new_values(w->classes, 1);
    if (out->per_class == NULL)
        return MM_NO_MEMORY;
    for (size_t c = 0; c < w->classes; c++)
        out->per_class[c] = mm_undefined(w->chosen[c] ? MM_NOT_IN_SUMS : MM_NOT_CHOSEN);
    return MM_OK;
}

/* What the row needs, and room to pool it. */
static mm_status note_needs(mm_cells *cells, const mm_stat *need)
{
    cells->values = 0;
    cells->support = cells->need_count;
    for (size_t i = 0; i < cells->need_count; i++) {
        if (need[i].kind == MM_SUM_G)
            cells->support = i;
        cells->width[i] = mm_stat_width(&need[i], cells->images->classes);
        cells->batch[i] = (need[i].flags & MM_STAT_BATCH) != 0;
        cells->values += cells->width[i];
    }
    cells->pooled = calloc(cells->images->classes + 1, (cells->values + 1) * sizeof *cells->pooled);
    return cells->pooled == NULL ? MM_NO_MEMORY : MM_OK;
}

/* Room for the table of pairs, where the row needs it; *lacks_table when an image does not have one. */
static mm_status find_table(work *w, int *lacks_table)
{
    if (!w->row->table || w->cells.images->task == MM_MULTILABEL)
        return MM_OK;
    for (size_t n = 0; n < w->images; n++)
        *lacks_table = *lacks_table || w->cells.images->records[n].confusion == NULL || w->classes > MM_CONFUSION_MOST;
    if (*lacks_table)
        return MM_OK;
    w->cells.table = calloc(w->classes * w->classes + 1, sizeof *w->cells.table);
    return w->cells.table == NULL ? MM_NO_MEMORY : MM_OK;
}

/* Where each record keeps the values that the row needs; *lacking is the first that one does not have. */
static mm_status find_columns(work *w, const mm_stat *need, const mm_stat **lacking)
{
    mm_cells *cells = &w->cells;

    cells->column = calloc(w->images == 0 ? 1 : w->images, MM_ROW_STATS * sizeof *cells->column);
    if (cells->column == NULL || note_needs(cells, need) != MM_OK)
        return MM_NO_MEMORY;
    for (size_t n = 0; n < w->images; n++)
        for (size_t i = 0; i < cells->need_count; i++) {
            const mm_record *record = cells->batch[i] ? &cells->images->batch : &cells->images->records[n];
            const size_t at = mm_stat_find(record->stats, record->stat_count, &need[i]);

            cells->column[n * cells->need_count + i] = mm_stats_offset(record->stats, at, w->classes);
            if (at == record->stat_count && *lacking == NULL)
                *lacking = &need[i];
        }
    return MM_OK;
}

static mm_status choose_classes(work *w)
{
    w->chosen = calloc(w->classes == 0 ? 1 : w->classes, 1);
    w->groups = calloc(w->classes == 0 ? 1 : w->classes, sizeof *w->groups);
    w->sorted = calloc(w->images == 0 ? 1 : w->images, sizeof *w->sorted);
    if (w->chosen == NULL || w->groups == NULL || w->sorted == NULL)
        return MM_NO_MEMORY;
    for (size_t c = 0; c < w->classes; c++) {
        w->chosen[c] = (unsigned char)mm_class_chosen(&w->args->common, c, w->classes);
        w->chosen_count += w->chosen[c];
    }
    return MM_OK;
}

/* No image: nothing is defined, nothing was left out. */
static mm_status score_nothing(work *w)
{
    w->out->result.value = mm_undefined(MM_NO_VOXELS);
    if (!has_classes(w))
        return MM_OK;
    w->out->per_class = new_values(w->classes, 1);
    if (w->out->per_class == NULL)
        return MM_NO_MEMORY;
    for (size_t c = 0; c < w->classes; c++)
        w->out->per_class[c] = mm_undefined(w->chosen[c] ? MM_NO_VOXELS : MM_NOT_CHOSEN);
    return MM_OK;
}

mm_status mm_score_images(mm_scored *out, const mm_score *row, const mm_args *args, const mm_images *images,
                          const double *weights)
{
    work w = {.row = row,
              .args = args,
              .weights = weights,
              .cells = {.images = images},
              .images = images->count,
              .classes = images->classes,
              .out = out};
    mm_stat need[MM_ROW_STATS];
    const mm_stat *lacking = NULL;
    int lacks_table = 0;
    mm_status status;

    *out = (mm_scored){.result = {.value = {0.0, MM_DEFINED}}};
    w.cells.need_count = row->stats == NULL ? 0 : row->stats(args, need);
    status = choose_classes(&w);
    w.cells.groups = w.groups;
    if (status == MM_OK)
        status = find_columns(&w, need, &lacking);
    if (status == MM_OK)
        status = find_table(&w, &lacks_table);
    if (status == MM_OK) {
        if (w.images == 0)
            status = score_nothing(&w);
        else if (lacking != NULL || lacks_table)
            status = not_in_sums(&w, lacking);
        else
            status = row->peer != NULL ? score_peer(&w) : row->list != NULL ? score_list(&w) : score_natural(&w);
    }
    out->result.per_class = out->per_class;
    out->result.per_image = out->per_image;
    out->result.list = out->list;
    free(w.chosen);
    free(w.groups);
    free(w.sorted);
    free(w.cells.column);
    free(w.cells.pooled);
    free(w.cells.table);
    if (status != MM_OK)
        mm_scored_clear(out);
    return status;
}

void mm_scored_clear(mm_scored *scored)
{
    free(scored->per_class);
    free(scored->per_image);
    free(scored->list);
    *scored = (mm_scored){0};
}
