/*
 * handle_grafana.c - rows for dashboards out of the tables of scores: curves, newest and best values, names
 *
 * What nobody has stored is no error here: a panel that is opened before the first upload draws "No data".
 */
#include "server/grafana.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------- series */

/* A wide table has one run, or one split of each run: which one, nobody has said. */
static int is_ambiguous(mm_rows *rows, const mm_series_list *list)
{
    const mm_chart_shape shape = rows->chart.shape;
    const char *param = NULL;

    if (shape != MM_SHAPE_WIDE && shape != MM_SHAPE_WIDE_RUNS)
        return 0;
    for (size_t i = 1; i < list->series_count && param == NULL; i++) {
        const int same_run = strcmp(list->series[i - 1].run, list->series[i].run) == 0;

        if (same_run)
            param = "split";
        else if (shape == MM_SHAPE_WIDE)
            param = "run";
    }
    if (param == NULL)
        return 0;
    rows->status = MM_BAD_PARAM;
    snprintf(rows->problem.param, sizeof rows->problem.param, "%s", param);
    snprintf(rows->problem.text, sizeof rows->problem.text, "this shape shows one %s; name it", param);
    return 1;
}

static void work_series(mm_rows *rows)
{
    mm_series_list none = {0}, *list = NULL;
    size_t size = 0;

    if (!rows->nothing && rows->query.score != NULL)
        rows->found = mm_history_series(rows->call->server->history, &rows->query, &list, &rows->problem);
    if (rows->found == MM_STORE_OK && !(list != NULL && is_ambiguous(rows, list))) {
        char *text = mm_reply_series(list != NULL ? list : &none, &rows->chart, &size);

        mm_rows_give(rows, text, size);
    }
    mm_series_list_free(list);
}

mm_next mm_get_grafana_series(mm_call *call)
{
    return mm_rows_start(call, work_series);
}

/* ------------------------------------------------------------------- latest */

static void work_latest(mm_rows *rows)
{
    mm_series_list none = {0}, *list = NULL;
    size_t size = 0;

    rows->query.newest = 1;
    if (!rows->nothing && rows->query.score != NULL)
        rows->found = mm_history_series(rows->call->server->history, &rows->query, &list, &rows->problem);
    if (rows->found == MM_STORE_OK) {
        char *text = mm_reply_latest(list != NULL ? list : &none, &rows->chart, &size);

        mm_rows_give(rows, text, size);
    }
    mm_series_list_free(list);
}

mm_next mm_get_grafana_latest(mm_call *call)
{
    return mm_rows_start(call, work_latest);
}

/* --------------------------------------------------------------------- best */

static void work_best(mm_rows *rows)
{
    mm_best_list *list = NULL;
    size_t size = 0;

    rows->found = mm_history_bests(rows->call->server->history, &rows->query, &list, &rows->problem);
    if (rows->found == MM_STORE_OK) {
        char *text = mm_reply_best(list, &size);

        mm_rows_give(rows, text, size);
    }
    mm_best_list_free(list);
}

mm_next mm_get_grafana_best(mm_call *call)
{
    return mm_rows_start(call, work_best);
}

static void work_annotations(mm_rows *rows)
{
    mm_best_list *list = NULL;
    size_t size = 0;

    rows->found = mm_history_bests(rows->call->server->history, &rows->query, &list, &rows->problem);
    if (rows->found == MM_STORE_OK) {
        const mm_evaluation_filter *filter = &rows->query.filter;
        char *text = mm_reply_annotations(list, &rows->chart, filter->from, filter->to, &size);

        mm_rows_give(rows, text, size);
    }
    mm_best_list_free(list);
}

mm_next mm_get_grafana_annotations(mm_call *call)
{
    return mm_rows_start(call, work_annotations);
}

/* -------------------------------------------------------------------- names */

static void give_names(mm_rows *rows, mm_name_kind kind)
{
    mm_name_list *list = NULL;
    size_t size = 0;

    rows->found = mm_history_names(rows->call->server->history, kind, &rows->query, &list, &rows->problem);
    if (rows->found == MM_STORE_OK) {
        char *text = mm_reply_names(list, kind == MM_NAMES_RUNS, &size);

        mm_rows_give(rows, text, size);
    }
    mm_name_list_free(list);
}

/* Any run can be chosen, not only those that a chart shows when none is. */
static void work_runs(mm_rows *rows)
{
    rows->query.most_runs = MM_CHART_VALUES;
    give_names(rows, MM_NAMES_RUNS);
}

static void work_splits(mm_rows *rows)
{
    give_names(rows, MM_NAMES_SPLITS);
}

static void work_classes(mm_rows *rows)
{
    give_names(rows, MM_NAMES_CLASSES);
}

static void work_scores(mm_rows *rows)
{
    give_names(rows, MM_NAMES_SCORES);
}

mm_next mm_get_grafana_runs(mm_call *call)
{
    return mm_rows_start(call, work_runs);
}

mm_next mm_get_grafana_splits(mm_call *call)
{
    return mm_rows_start(call, work_splits);
}

mm_next mm_get_grafana_classes(mm_call *call)
{
    return mm_rows_start(call, work_classes);
}

mm_next mm_get_grafana_scores(mm_call *call)
{
    return mm_rows_start(call, work_scores);
}
