/*
 * explain.c - what a score was made of: the counts and the sums of each class, for a person to check a number by hand.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/plan.h"

enum { SCORED, LABEL, PRED, BOTH, COUNTS, TABLE = COUNTS }; /* what is not a column */

struct mm_explanation {
    mm_used *used; /* count of them */
    size_t count;
    char (*what)[192];
    double *values; /* of all of them: pooled, then per image */
};

/* The distinct columns that the expression needs. */
static size_t needs_of(const mm_plan *plan, const mm_item *item, mm_stat stats[MM_MAX_STATS])
{
    size_t count = 0;

    for (size_t k = item->node; k < plan->nodes[item->node].end; k++) {
        const mm_node *node = &plan->nodes[k];
        mm_stat need[MM_ROW_STATS];
        const size_t needed = node->row == NULL || node->row->stats == NULL ? 0 : node->row->stats(&node->args, need);

        for (size_t i = 0; i < needed; i++)
            if (count < MM_MAX_STATS && mm_stat_find(stats, count, &need[i]) == count)
                stats[count++] = need[i];
    }
    return count;
}

/* Does it need the voxels of each label by predicted class?  Of independent masks the counts say it. */
static int needs_table(const mm_plan *plan, const mm_item *item)
{
    for (size_t k = item->node; k < plan->nodes[item->node].end; k++)
        if (plan->nodes[k].row != NULL && plan->nodes[k].row->table && plan->nodes[k].args.task == MM_MULTICLASS)
            return 1;
    return 0;
}

static int every_image_has_table(const mm_images *images)
{
    for (size_t n = 0; n < images->count; n++)
        if (images->records[n].confusion == NULL)
            return 0;
    return 1;
}

/* Where the values of the column are; NULL when the record lacks it. */
static const double *column_of(const mm_images *images, size_t n, const mm_stat *stat)
{
    const mm_record *record = stat->flags & MM_STAT_BATCH ? &images->batch : &images->records[n];
    const size_t at = mm_stat_find(record->stats, record->stat_count, stat);

    return at == record->stat_count ? NULL : record->sums + mm_stats_offset(record->stats, at, images->classes);
}

static int every_image_has(const mm_images *images, const mm_stat *stat)
{
    for (size_t n = 0; n < images->count; n++)
        if (column_of(images, n, stat) == NULL)
            return 0;
    return 1;
}

/* Value w of the class: of the table, its voxels that are predicted as class w. */
static double count_of(const mm_record *record, size_t which, size_t classes, size_t c, size_t w)
{
    switch (which) {
    case SCORED:
        return (double)record->scored;
    case LABEL:
        return (double)record->label_count[c];
    case PRED:
        return (double)record->pred_count[c];
    case BOTH:
        return (double)record->both_count[c];
    default:
        return (double)record->confusion[c * classes + w];
    }
}

/* Sums each place over the images, exactly, into `pooled`. */
static void pool(const double *per_image, size_t images, size_t values, double *pooled)
{
    for (size_t i = 0; i < values; i++) {
        mm_exact sum = {.count = 0};

        for (size_t n = 0; n < images; n++)
            mm_exact_add(&sum, per_image[n * values + i]);
        pooled[i] = mm_exact_round(&sum);
    }
}

/* Fills the next entry; `values` is where its numbers go.  stat NULL: the counts `which`. */
static double *explain_one(mm_explanation *e, const mm_images *images, const mm_stat *stat, size_t which,
                           double *values)
{
    static const char *const counts[] = {"scored voxels", "voxels of the label", "voxels of the hard prediction",
                                         "voxels of both", "voxels of the label by predicted class"};
    const size_t classes = images->classes, own = which == TABLE ? classes : 1;
    const size_t width = stat == NULL ? own : mm_stat_width(stat, classes), size = width * classes;
    const int batch = stat != NULL && (stat->flags & MM_STAT_BATCH) != 0;
    double *per_image = values + size;
    mm_used *used = &e->used[e->count];

    for (size_t n = 0; n < images->count; n++) {
        if (stat != NULL)
            memcpy(per_image + n * size, column_of(images, n, stat), size * sizeof *values);
        for (size_t i = 0; stat == NULL && i < size; i++)
            per_image[n * size + i] = count_of(&images->records[n], which, classes, i % classes, i / classes);
    }
    if (batch && images->count > 0)
        memcpy(values, per_image, size * sizeof *values);
    else
        pool(per_image, images->count, size, values);
    if (stat == NULL)
        snprintf(e->what[e->count], sizeof e->what[0], "%s", counts[which]);
    else
        mm_stat_describe(stat, e->what[e->count], sizeof e->what[0]);
    *used = (mm_used){e->what[e->count], width, values, batch ? NULL : per_image};
    e->count++;
    return per_image + images->count * size;
}

/* Numbers of one image that a score of the bound plan is explained with at most. */
static size_t numbers_of(const mm_plan *plan, size_t index)
{
    mm_stat needs[MM_MAX_STATS];
    const size_t count = needs_of(plan, &plan->items[index], needs);

    return (COUNTS + (needs_table(plan, &plan->items[index]) ? plan->classes : 0)) * plan->classes +
           mm_stats_offset(needs, count, plan->classes);
}

size_t mm_explanation_numbers(const mm_plan *plan)
{
    size_t all = 0;

    for (size_t i = 0; i < plan->item_count; i++)
        all += numbers_of(plan, i);
    return all;
}

size_t mm_explanation_size(const mm_plan *plan, size_t images)
{
    size_t most = 0;

    for (size_t i = 0; i < plan->item_count; i++) {
        const size_t values = numbers_of(plan, i);

        most = values > most ? values : most;
    }
    return most * (images + 1) * sizeof(double);
}

mm_status mm_images_explain(mm_explanation **out, const mm_images *images, const mm_plan *plan, size_t index)
{
    mm_stat needs[MM_MAX_STATS];
    const size_t count = needs_of(plan, &plan->items[index], needs);
    const int table = needs_table(plan, &plan->items[index]) && every_image_has_table(images);
    const size_t entries = COUNTS + (table ? 1u : 0u) + count;
    const size_t values =
        (COUNTS + (table ? images->classes : 0)) * images->classes + mm_stats_offset(needs, count, images->classes);
    mm_explanation *e = calloc(1, sizeof *e);

    if (e == NULL)
        return MM_NO_MEMORY;
    e->used = calloc(entries, sizeof *e->used);
    e->what = calloc(entries, sizeof *e->what);
    e->values = calloc(values, (images->count + 1) * sizeof *e->values);
    if (e->used == NULL || e->what == NULL || e->values == NULL) {
        mm_explanation_free(e);
        return MM_NO_MEMORY;
    }
    double *next = e->values;

    for (size_t which = SCORED; which < COUNTS + (table ? 1u : 0u); which++)
        next = explain_one(e, images, NULL, which, next);
    for (size_t i = 0; i < count; i++)
        if (every_image_has(images, &needs[i]))
            next = explain_one(e, images, &needs[i], 0, next);
    *out = e;
    return MM_OK;
}

size_t mm_explanation_count(const mm_explanation *explanation)
{
    return explanation->count;
}

const mm_used *mm_explanation_at(const mm_explanation *explanation, size_t index)
{
    return &explanation->used[index];
}

void mm_explanation_free(mm_explanation *explanation)
{
    if (explanation == NULL)
        return;
    free(explanation->used);
    free(explanation->what);
    free(explanation->values);
    free(explanation);
}
