/*
 * handle_grafana_images.c - rows for dashboards out of the records of one evaluation: confusion, images, percentiles
 *
 * The evaluation is the newest one that the parameters leave.
 */
#include <stdlib.h>
#include <string.h>

#include "server/answer.h"
#include "server/grafana.h"
#include "server/request.h"
#include "server/stored.h"

/* The evaluation that is shown. */
typedef struct shown {
    mm_place place; /* run NULL: there is none */
    mm_stored stored;
    mm_better better;
    char *expression;
} shown;

static void close_shown(shown *s)
{
    mm_place_free(&s->place);
    mm_stored_free(&s->stored);
    free(s->expression);
}

/* 1: place is set, its run NULL when there is none; an evaluation that was deleted since is none. */
static int open_shown(shown *s, mm_rows *rows)
{
    mm_call *call = rows->call;

    rows->query.by_step = 0;
    if (rows->nothing)
        return 1;
    rows->found = mm_history_place(call->server->history, &rows->query, &s->place, &rows->problem);
    if (rows->found != MM_STORE_OK || s->place.run == NULL ||
        mm_stored_read(&s->stored, call, s->place.run, s->place.split, s->place.step))
        return rows->found == MM_STORE_OK;
    if (s->stored.found == MM_STORE_NOT_FOUND) {
        mm_place_free(&s->place);
        return 1;
    }
    rows->found = s->stored.found;
    rows->status = s->stored.status;
    rows->problem = s->stored.problem;
    return 0;
}

/* ---------------------------------------------------------------- confusion */

static void work_confusion(mm_rows *rows)
{
    shown s = {0};
    size_t size = 0;

    if (open_shown(&s, rows)) {
        char *text = mm_reply_confusion(s.stored.images, s.stored.class_names, &s.place, &size);

        mm_rows_give(rows, text, size);
    }
    close_shown(&s);
}

mm_next mm_get_grafana_confusion(mm_call *call)
{
    return mm_rows_start(call, work_confusion);
}

/* ------------------------------------------------------------------- images */

/* The score's result, or NULL when there are no values per image: then there is no row, or rows->status says why. */
static const mm_result *score_shown(shown *s, mm_rows *rows)
{
    const mm_result *result;

    if (s->place.run == NULL || rows->query.score == NULL)
        return NULL;
    s->expression = mm_stored_expression(&s->stored.evaluation->definition, rows->query.score);
    if (s->expression == NULL) {
        rows->status = MM_NO_MEMORY;
        return NULL;
    }
    if (!mm_stored_score(&s->stored, rows->call, s->expression, NULL, MM_INCLUDE_IMAGES)) {
        rows->status = s->stored.status == MM_NO_MEMORY ? MM_NO_MEMORY : MM_OK; /* no such score: no rows */
        rows->problem = s->stored.problem;
        return NULL;
    }
    if (mm_plan_count(s->stored.plan) != 1)
        return NULL;
    s->better = mm_plan_better(s->stored.plan, 0);
    result = mm_results_at(s->stored.results, 0);
    return result->per_image != NULL ? result : NULL;
}

/* A joint score has one column, which has no class. */
static const char *column_name(const shown *s, const mm_result *result, size_t column)
{
    return result->columns == mm_images_classes(s->stored.images) && result->per_class != NULL
               ? s->stored.class_names[column]
               : NULL;
}

static int is_asked_for(const mm_rows *rows, const char *class_name)
{
    for (size_t i = 0; i < rows->query.class_count; i++)
        if (class_name != NULL && strcmp(rows->query.classes[i], class_name) == 0)
            return 1;
    return rows->query.class_count == 0;
}

static int by_id(const mm_image_value *left, const mm_image_value *right)
{
    const int order = strcmp(left->image, right->image);

    if (order != 0 || left->class_name == NULL || right->class_name == NULL)
        return order;
    return strcmp(left->class_name, right->class_name);
}

/* Lowest first; what is not defined comes last. */
static int lowest_first(const void *a, const void *b)
{
    const mm_image_value *left = a, *right = b;
    const int left_set = left->value.reason == MM_DEFINED, right_set = right->value.reason == MM_DEFINED;

    if (left_set != right_set)
        return left_set ? -1 : 1;
    if (left_set && (left->value.value < right->value.value || left->value.value > right->value.value))
        return left->value.value < right->value.value ? -1 : 1;
    return by_id(left, right);
}

static int highest_first(const void *a, const void *b)
{
    const mm_image_value *left = a, *right = b;

    if (left->value.reason != MM_DEFINED || right->value.reason != MM_DEFINED)
        return lowest_first(a, b);
    if (left->value.value < right->value.value || left->value.value > right->value.value)
        return left->value.value > right->value.value ? -1 : 1;
    return by_id(left, right);
}

/* All values of the classes asked for; classes that the score leaves out have none. */
static mm_image_value *collect(const shown *s, const mm_rows *rows, const mm_result *result, size_t *count)
{
    const size_t images = result != NULL ? mm_images_count(s->stored.images) : 0;
    mm_image_value *values = calloc(images * (result != NULL ? result->columns : 0) + 1, sizeof *values);

    *count = 0;
    for (size_t c = 0; values != NULL && result != NULL && c < result->columns; c++) {
        const char *name = column_name(s, result, c);
        const size_t wanted = is_asked_for(rows, name) ? images : 0;

        for (size_t n = 0; n < wanted; n++) {
            const mm_value value = result->per_image[n * result->columns + c];

            if (value.reason != MM_NOT_CHOSEN)
                values[(*count)++] = (mm_image_value){mm_images_id(s->stored.images, n), name, value};
        }
    }
    return values;
}

static void give_images(mm_rows *rows, const shown *s, const mm_result *result)
{
    const int best = strcmp(rows->order, "best") == 0, lower = s->better == MM_LOWER;
    size_t found = 0, size = 0;
    mm_image_value *values = collect(s, rows, result, &found);
    char *text = NULL;

    if (values != NULL) {
        qsort(values, found, sizeof *values, best == lower ? lowest_first : highest_first);
        text = mm_reply_worst(values, found < (size_t)rows->limit ? found : (size_t)rows->limit, found,
                              rows->query.score, &s->place, &size);
    }
    mm_rows_give(rows, text, size);
    free(values);
}

static void work_images(mm_rows *rows)
{
    shown s = {0};

    if (open_shown(&s, rows)) {
        const mm_result *result = score_shown(&s, rows);

        if (rows->status == MM_OK)
            give_images(rows, &s, result);
    }
    close_shown(&s);
}

mm_next mm_get_grafana_images(mm_call *call)
{
    return mm_rows_start(call, work_images);
}

/* -------------------------------------------------------------- percentiles */

static int ascending(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static void distribute(mm_distribution *row, double *values)
{
    double sum = 0.0;

    if (row->images == 0)
        return;
    for (size_t i = 0; i < row->images; i++)
        sum += values[i];
    row->mean = sum / (double)row->images;
    qsort(values, row->images, sizeof *values, ascending);
    for (size_t i = 0; i < MM_PERCENTILES; i++)
        row->at[i] = mm_quantile(values, row->images, mm_percentiles[i] / 100.0);
}

/* One row per class asked for. */
static size_t fill_distributions(mm_distribution *out, double *values, const shown *s, const mm_rows *rows,
                                 const mm_result *result)
{
    const size_t images = mm_images_count(s->stored.images);
    size_t count = 0;

    for (size_t c = 0; c < result->columns; c++) {
        mm_distribution row = {.class_name = column_name(s, result, c)};
        size_t chosen = 0;

        for (size_t n = 0; n < images; n++) {
            const mm_value value = result->per_image[n * result->columns + c];

            chosen += value.reason != MM_NOT_CHOSEN;
            if (value.reason == MM_DEFINED)
                values[row.images++] = value.value;
        }
        if (chosen == 0 || !is_asked_for(rows, row.class_name))
            continue;
        distribute(&row, values);
        out[count++] = row;
    }
    return count;
}

static void give_percentiles(mm_rows *rows, const shown *s, const mm_result *result)
{
    mm_distribution *out = calloc((result != NULL ? result->columns : 0) + 1, sizeof *out);
    double *values = calloc((result != NULL ? mm_images_count(s->stored.images) : 0) + 1, sizeof *values);
    size_t count = 0, size = 0;
    char *text = NULL;

    if (out != NULL && values != NULL) {
        if (result != NULL)
            count = fill_distributions(out, values, s, rows, result);
        text = mm_reply_distributions(out, count, rows->query.score, &s->place, &size);
    }
    mm_rows_give(rows, text, size);
    free(out);
    free(values);
}

static void work_percentiles(mm_rows *rows)
{
    shown s = {0};

    if (open_shown(&s, rows)) {
        const mm_result *result = score_shown(&s, rows);

        if (rows->status == MM_OK)
            give_percentiles(rows, &s, result);
    }
    close_shown(&s);
}

mm_next mm_get_grafana_percentiles(mm_call *call)
{
    return mm_rows_start(call, work_percentiles);
}
