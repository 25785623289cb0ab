/*
 * history_sqlite_choose.c - runs, series, their best points and their names out of the SQLite history
 */
#include "server/history_sqlite_choose.h"

#include <stdlib.h>
#include <string.h>

#include "server/history_rows.h"

/* ------------------------------------------------------------ runs and series */

void mm_chosen_runs_free(mm_chosen_runs *runs)
{
    for (size_t i = 0; i < runs->count; i++)
        free(runs->rows[i].name);
    free(runs->rows);
}

/* Columns: id, name, updated.  All rows, or the first of a statement that has one. */
static int add_runs(mm_connection *reader, sqlite3_stmt *statement, mm_chosen_runs *runs)
{
    int code;

    while ((code = mm_sql_step(reader, statement)) == SQLITE_ROW) {
        mm_chosen_run *run = mm_store_grow(&runs->rows, &runs->count, sizeof *run);

        if (run != NULL)
            *run = (mm_chosen_run){.id = sqlite3_column_int64(statement, 0),
                                   .updated = sqlite3_column_int64(statement, 2),
                                   .name = mm_sql_text(statement, 1)};
        if (run == NULL || run->name == NULL) {
            sqlite3_reset(statement);
            return SQLITE_NOMEM;
        }
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* A name that is asked for twice counts once. */
static int is_repeated(const mm_series_query *query, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(query->runs[i], query->runs[index]) == 0)
            return 1;
    return 0;
}

int mm_choose_runs(mm_connection *reader, const mm_series_query *query, mm_chosen_runs *runs)
{
    int code = SQLITE_OK;

    if (query->run_count == 0) {
        code = add_runs(reader,
                        mm_sql(reader,
                               "SELECT id, name, updated FROM runs WHERE project = ? ORDER BY updated DESC, id DESC"
                               " LIMIT ?",
                               "ti", query->project, query->most_runs > 0 ? (int64_t)query->most_runs + 1 : -1),
                        runs);
        if (query->most_runs > 0 && runs->count > query->most_runs) {
            free(runs->rows[--runs->count].name);
            runs->more = 1;
        }
        return code;
    }
    for (size_t i = 0; i < query->run_count && code == SQLITE_OK; i++)
        if (!is_repeated(query, i))
            code = add_runs(reader,
                            mm_sql(reader, "SELECT id, name, updated FROM runs WHERE project = ? AND name = ?", "tt",
                                   query->project, query->runs[i]),
                            runs);
    return code;
}

void mm_selection_free(mm_selection *chosen)
{
    mm_chosen_runs_free(&chosen->runs);
    for (size_t i = 0; i < chosen->count; i++) {
        free(chosen->series[i].split);
        free(chosen->series[i].score);
    }
    free(chosen->series);
}

#define SERIES_ROW "SELECT id, split, name, better FROM series WHERE run = ?"
#define IN_ORDER   " ORDER BY split, id"

/* The index is (run, split, name). */
static sqlite3_stmt *select_series(mm_connection *reader, const mm_series_query *query, int64_t run)
{
    if (query->split != NULL && query->score != NULL)
        return mm_sql(reader, SERIES_ROW " AND split = ? AND name = ?", "itt", run, query->split, query->score);
    if (query->split != NULL)
        return mm_sql(reader, SERIES_ROW " AND split = ?" IN_ORDER, "it", run, query->split);
    if (query->score != NULL)
        return mm_sql(reader, SERIES_ROW " AND name = ?" IN_ORDER, "it", run, query->score);
    return mm_sql(reader, SERIES_ROW IN_ORDER, "i", run);
}

static int add_series(mm_connection *reader, const mm_series_query *query, mm_selection *chosen, size_t run)
{
    sqlite3_stmt *statement = select_series(reader, query, chosen->runs.rows[run].id);
    int code;

    while ((code = mm_sql_step(reader, statement)) == SQLITE_ROW) {
        if (query->max_values > 0 && chosen->count == query->max_values) {
            chosen->truncated = 1;
            sqlite3_reset(statement);
            return SQLITE_OK;
        }
        mm_chosen_series *one = mm_store_grow(&chosen->series, &chosen->count, sizeof *one);

        if (one != NULL)
            *one = (mm_chosen_series){.id = sqlite3_column_int64(statement, 0),
                                      .run = run,
                                      .split = mm_sql_text(statement, 1),
                                      .score = mm_sql_text(statement, 2),
                                      .better = (mm_better)sqlite3_column_int(statement, 3)};
        if (one == NULL || one->split == NULL || one->score == NULL) {
            sqlite3_reset(statement);
            return SQLITE_NOMEM;
        }
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

int mm_choose_series(mm_connection *reader, const mm_series_query *query, mm_selection *chosen)
{
    int code = mm_choose_runs(reader, query, &chosen->runs);

    chosen->truncated = chosen->runs.more;
    for (size_t run = 0; run < chosen->runs.count && code == SQLITE_OK; run++)
        code = add_series(reader, query, chosen, run);
    return code;
}

mm_store_status mm_finish_read(mm_store *store, mm_connection *reader, int code, mm_problem *problem)
{
    const mm_store_status status = mm_sql_status(reader, code, problem);

    mm_reader_return(store, reader);
    return status;
}

/* --------------------------------------------------------------------- best */

/* Two values of a series from its better end: the index (series, value) has them at hand. */
static int read_best_values(mm_connection *reader, const mm_chosen_series *from, double values[2], size_t *count)
{
    sqlite3_stmt *statement =
        mm_sql(reader,
               from->better == MM_LOWER
                   ? "SELECT value FROM scores WHERE series = ? AND value IS NOT NULL ORDER BY value LIMIT 2"
                   : "SELECT value FROM scores WHERE series = ? AND value IS NOT NULL ORDER BY value DESC LIMIT 2",
               "i", from->id);
    int code;

    *count = 0;
    while ((code = mm_sql_step(reader, statement)) == SQLITE_ROW)
        values[(*count)++] = sqlite3_column_double(statement, 0);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int read_best(mm_connection *reader, const mm_selection *chosen, size_t which, mm_best_list *list)
{
    const mm_chosen_series *from = &chosen->series[which];
    double values[2] = {0};
    size_t count;
    int code = read_best_values(reader, from, values, &count);

    if (code != SQLITE_OK || count == 0)
        return code;
    sqlite3_stmt *statement = mm_sql(
        reader,
        "SELECT step, time FROM scores INDEXED BY scores_best WHERE series = ? AND value = ? ORDER BY step LIMIT 1",
        "id", from->id, values[0]);

    code = mm_sql_step(reader, statement);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
    mm_best *best = mm_store_grow(&list->rows, &list->count, sizeof *best);

    if (best != NULL)
        *best = (mm_best){.run = strdup(chosen->runs.rows[from->run].name),
                          .split = strdup(from->split),
                          .score = strdup(from->score),
                          .better = from->better,
                          .value = values[0],
                          .step = sqlite3_column_int64(statement, 0),
                          .time = sqlite3_column_int64(statement, 1),
                          .next = {values[1], count > 1 ? MM_DEFINED : MM_NOT_CHOSEN}};
    sqlite3_reset(statement);
    return best == NULL || best->run == NULL || best->split == NULL || best->score == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

mm_store_status mm_sqlite_bests(mm_store *store, const mm_series_query *query, mm_best_list **out, mm_problem *problem)
{
    mm_selection chosen = {0};
    mm_connection *reader;
    mm_store_status status = mm_store_reader_take(store, &reader, problem);

    if (status != MM_STORE_OK)
        return status;
    mm_best_list *list = calloc(1, sizeof *list);
    int code = list == NULL ? SQLITE_NOMEM : mm_choose_series(reader, query, &chosen);

    for (size_t i = 0; i < chosen.count && code == SQLITE_OK; i++)
        if (chosen.series[i].better != MM_NEITHER)
            code = read_best(reader, &chosen, i, list);
    if (list != NULL)
        list->truncated = chosen.truncated;
    mm_selection_free(&chosen);
    status = mm_finish_read(store, reader, code, problem);
    if (status == MM_STORE_OK)
        *out = list;
    else
        mm_best_list_free(list);
    return status;
}

/* -------------------------------------------------------------------- names */

/* Runs mostly have the same names: so many times the names that are wanted are read before they are sorted. */
#define REPEATED 4

static int add_name(mm_name_list *list, const char *text, size_t size, int64_t updated)
{
    mm_name *name = mm_store_grow(&list->rows, &list->count, sizeof *name);

    if (name != NULL)
        *name = (mm_name){strndup(text, size), updated};
    return name == NULL || name->text == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

static int by_text_and_place(const void *a, const void *b)
{
    const mm_name *left = *(mm_name *const *)a, *right = *(mm_name *const *)b;
    const int order = strcmp(left->text, right->text);

    return order != 0 ? order : (left > right) - (left < right);
}

/* Of equal names the first stays. */
static int drop_repeated(mm_name_list *list)
{
    mm_name **sorted = malloc((list->count + 1) * sizeof(mm_name *));
    size_t kept = 0;

    if (sorted == NULL)
        return SQLITE_NOMEM;
    for (size_t i = 0; i < list->count; i++)
        sorted[i] = &list->rows[i];
    qsort(sorted, list->count, sizeof(mm_name *), by_text_and_place);
    for (size_t i = 0, first = 0; i < list->count; i++) {
        if (i > first && strcmp(sorted[first]->text, sorted[i]->text) == 0) {
            sorted[i]->updated = INT64_MIN; /* goes below */
            continue;
        }
        first = i;
    }
    for (size_t i = 0; i < list->count; i++)
        if (list->rows[i].updated != INT64_MIN)
            list->rows[kept++] = list->rows[i];
        else
            free(list->rows[i].text);
    list->count = kept;
    free(sorted);
    return SQLITE_OK;
}

/* SQLITE_DONE when there are as many names as are wanted.  Memory is for a few times as many, whatever there is. */
static int look_for_more(const mm_series_query *query, mm_name_list *list)
{
    if (query->max_values == 0 || list->count < REPEATED * query->max_values)
        return SQLITE_OK;
    const int code = drop_repeated(list);

    return code == SQLITE_OK && list->count >= query->max_values ? SQLITE_DONE : code;
}

/* Each row holds a name, or a list of them.  SQLITE_DONE: there are enough. */
static int add_names(mm_connection *reader, const mm_series_query *query, const char *sql, const mm_chosen_run *run,
                     int lists, mm_name_list *list)
{
    sqlite3_stmt *statement = mm_sql(reader, sql, "i", run->id);
    int code;

    while ((code = mm_sql_step(reader, statement)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        int added = text == NULL ? SQLITE_NOMEM : SQLITE_OK;

        for (int more = 1; more && added == SQLITE_OK;) {
            const size_t size = lists ? strcspn(text, ",") : strlen(text);

            added = add_name(list, text, size, run->updated);
            more = text[size] != '\0';
            text += size + 1;
        }
        if (added == SQLITE_OK)
            added = look_for_more(query, list);
        if (added != SQLITE_OK) {
            sqlite3_reset(statement);
            return added;
        }
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* The first of them, when there are more than are wanted. */
static void cut_names(mm_name_list *list, size_t most)
{
    while (list->count > most)
        free(list->rows[--list->count].text);
}

static int read_names(mm_connection *reader, mm_name_kind kind, const mm_series_query *query,
                      const mm_chosen_runs *runs, mm_name_list *list)
{
    static const char *const sql[] = {
        [MM_NAMES_SPLITS] = "SELECT name FROM splits WHERE run = ? ORDER BY name",
        [MM_NAMES_CLASSES] = "SELECT classes FROM class_lists WHERE run = ? ORDER BY split, classes",
        [MM_NAMES_SCORES] = "SELECT name FROM series WHERE run = ? ORDER BY id",
    };
    int code = SQLITE_OK;

    for (size_t i = 0; i < runs->count && code == SQLITE_OK; i++)
        code = kind == MM_NAMES_RUNS
                   ? add_name(list, runs->rows[i].name, strlen(runs->rows[i].name), runs->rows[i].updated)
                   : add_names(reader, query, sql[kind], &runs->rows[i], kind == MM_NAMES_CLASSES, list);
    if (code == SQLITE_OK || code == SQLITE_DONE)
        code = drop_repeated(list);
    if (query->max_values > 0)
        cut_names(list, query->max_values);
    return code;
}

mm_store_status mm_sqlite_names(mm_store *store, mm_name_kind kind, const mm_series_query *query, mm_name_list **out,
                                mm_problem *problem)
{
    mm_chosen_runs runs = {0};
    mm_connection *reader;
    mm_store_status status = mm_store_reader_take(store, &reader, problem);

    if (status != MM_STORE_OK)
        return status;
    mm_name_list *list = calloc(1, sizeof *list);
    int code = list == NULL ? SQLITE_NOMEM : mm_choose_runs(reader, query, &runs);

    if (code == SQLITE_OK)
        code = read_names(reader, kind, query, &runs, list);
    mm_chosen_runs_free(&runs);
    status = mm_finish_read(store, reader, code, problem);
    if (status == MM_STORE_OK)
        *out = list;
    else
        mm_name_list_free(list);
    return status;
}

/* -------------------------------------------------------------------- place */

#define PLACE_ROW                                                                                                      \
    "SELECT split, step, time FROM evaluations WHERE run = ? AND time BETWEEN ? AND ? AND step BETWEEN ? AND ?"
#define BY_TIME " ORDER BY time DESC, id DESC LIMIT 1"
#define BY_STEP " ORDER BY step DESC, id DESC LIMIT 1"

static sqlite3_stmt *select_place(mm_connection *reader, const mm_series_query *query, int64_t run)
{
    const mm_evaluation_filter *f = &query->filter;
    const char *any = query->by_step ? PLACE_ROW BY_STEP : PLACE_ROW BY_TIME;
    const char *of_split = query->by_step ? PLACE_ROW " AND split = ?" BY_STEP : PLACE_ROW " AND split = ?" BY_TIME;

    if (query->split == NULL)
        return mm_sql(reader, any, "iiiii", run, f->from, f->to, f->first_step, f->last_step);
    return mm_sql(reader, of_split, "iiiiit", run, f->from, f->to, f->first_step, f->last_step, query->split);
}

static int read_place(mm_connection *reader, const mm_series_query *query, const mm_chosen_run *run, mm_place *out)
{
    sqlite3_stmt *statement = select_place(reader, query, run->id);
    const int code = mm_sql_step(reader, statement);
    mm_place place;

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_OK : code;
    place = (mm_place){.run = strdup(run->name),
                       .split = mm_sql_text(statement, 0),
                       .step = sqlite3_column_int64(statement, 1),
                       .time = sqlite3_column_int64(statement, 2)};
    sqlite3_reset(statement);
    if (out->run == NULL || (query->by_step ? place.step > out->step : place.time > out->time)) {
        const mm_place old = *out;

        *out = place;
        place = old;
    }
    mm_place_free(&place);
    return out->run == NULL || out->split == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

mm_store_status mm_sqlite_place(mm_store *store, const mm_series_query *query, mm_place *out, mm_problem *problem)
{
    mm_chosen_runs runs = {0};
    mm_place place = {0};
    mm_connection *reader;
    mm_store_status status = mm_store_reader_take(store, &reader, problem);

    if (status != MM_STORE_OK)
        return status;
    int code = mm_choose_runs(reader, query, &runs);

    for (size_t i = 0; i < runs.count && code == SQLITE_OK; i++)
        code = read_place(reader, query, &runs.rows[i], &place);
    mm_chosen_runs_free(&runs);
    status = mm_finish_read(store, reader, code, problem);
    if (status == MM_STORE_OK)
        *out = place;
    else
        mm_place_free(&place);
    return status;
}
