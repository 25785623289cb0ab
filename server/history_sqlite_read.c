/*
 * history_sqlite_read.c - reads of the SQLite history, each in one snapshot
 */
#include "server/history_sqlite.h"

#include <stdlib.h>
#include <string.h>

#include "server/history_rows.h"

/* Reads return an SQLite code, or one of these: there is nothing of that name; there is no room for it. */
#define ABSENT  (-1)
#define NO_ROOM (-2)

#define TOO_MUCH (SIZE_MAX / 8) /* bytes: for any budget, and a few of it still add up */

/* Returns the reader and says how the read ended. */
static mm_store_status finish(mm_store *store, mm_connection *reader, int code, const char *what, mm_problem *problem)
{
    mm_store_status status = MM_STORE_NOT_FOUND;

    if (code == ABSENT) {
        mm_store_explain(problem, what, "there is no such %s", what);
    } else if (code == NO_ROOM) {
        mm_store_explain(problem, "", "the records of this %s take more memory than is free at the moment", what);
        status = MM_STORE_BUSY;
    } else {
        status = mm_sql_status(reader, code, problem);
    }
    mm_reader_return(store, reader);
    return status;
}

static int find_run(mm_connection *reader, const char *project, const char *run, int64_t *out)
{
    sqlite3_stmt *statement = mm_sql(reader, "SELECT id FROM runs WHERE project = ? AND name = ?", "tt", project, run);
    const int code = mm_sql_step(reader, statement);

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? ABSENT : code;
    *out = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return SQLITE_OK;
}

/* -------------------------------------------------------------- evaluation */

static int read_definition(mm_connection *reader, const char *project, const char *run, const char *split, int64_t step,
                           mm_stored_evaluation *evaluation, int64_t *id)
{
    sqlite3_stmt *statement =
        mm_sql(reader,
               "SELECT e.id, e.time, e.classes, e.class_count, e.task, e.threshold, e.ignore_index, e.parts_expected,"
               " e.scores, e.weights FROM runs r JOIN evaluations e ON e.run = r.id"
               " WHERE r.project = ? AND r.name = ? AND e.split = ? AND e.step = ?",
               "ttti", project, run, split, step);
    const int code = mm_sql_step(reader, statement);
    mm_definition *d = &evaluation->definition;

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? ABSENT : code;
    *id = sqlite3_column_int64(statement, 0);
    evaluation->time = sqlite3_column_int64(statement, 1);
    d->classes = mm_sql_text(statement, 2);
    d->class_count = (size_t)sqlite3_column_int64(statement, 3);
    d->task = (mm_task)sqlite3_column_int(statement, 4);
    d->threshold = sqlite3_column_double(statement, 5);
    d->has_ignore = sqlite3_column_type(statement, 6) != SQLITE_NULL;
    d->ignore_index = sqlite3_column_int64(statement, 6);
    d->parts = sqlite3_column_type(statement, 7) != SQLITE_NULL ? sqlite3_column_int64(statement, 7) : -1;
    d->scores = mm_sql_text(statement, 8);
    d->weights = mm_sql_text(statement, 9);
    sqlite3_reset(statement);
    return d->classes == NULL || d->scores == NULL || d->weights == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

int mm_sqlite_foresee(mm_connection *connection, int64_t evaluation, int64_t except, size_t classes, size_t *all,
                      size_t *part)
{
    sqlite3_stmt *statement =
        mm_sql(connection, "SELECT length(record), images FROM parts WHERE evaluation = ? AND id <> ?", "ii",
               evaluation, except);
    int code;

    *all = *part = 0;
    while ((code = mm_sql_step(connection, statement)) == SQLITE_ROW) {
        const size_t bytes = (size_t)sqlite3_column_int64(statement, 0);
        size_t bound = mm_images_bound((size_t)sqlite3_column_int64(statement, 1), classes, bytes);

        if (bound > TOO_MUCH)
            bound = TOO_MUCH;
        *all = bound > TOO_MUCH - *all ? TOO_MUCH : *all + bound;
        if (bytes + bound > *part)
            *part = bytes + bound;
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* For all records, which are not read for it. */
static int make_room(mm_connection *reader, int64_t id, size_t classes, const mm_room *room)
{
    sqlite3_stmt *statement =
        mm_sql(reader, "SELECT ifnull(sum(length(record)), 0) FROM parts WHERE evaluation = ?", "i", id);
    int code = mm_sql_step(reader, statement);
    size_t bytes, all, part;

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
    bytes = (size_t)sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    code = mm_sqlite_foresee(reader, id, 0, classes, &all, &part);
    if (code != SQLITE_OK)
        return code;
    return room->take(room->context, bytes + all + part) ? SQLITE_OK : NO_ROOM;
}

static int read_part(sqlite3_stmt *statement, mm_stored_evaluation *evaluation)
{
    mm_stored_part *part = mm_store_grow(&evaluation->parts, &evaluation->part_count, sizeof *part);

    if (part == NULL)
        return SQLITE_NOMEM;
    part->name = mm_sql_text(statement, 0);
    const void *bytes = sqlite3_column_blob(statement, 1);

    part->size = (size_t)sqlite3_column_bytes(statement, 1);
    part->record = malloc(part->size + 1);
    if (part->name == NULL || part->record == NULL || bytes == NULL)
        return SQLITE_NOMEM;
    memcpy(part->record, bytes, part->size);
    return SQLITE_OK;
}

static int read_parts(mm_connection *reader, int64_t id, mm_stored_evaluation *evaluation)
{
    sqlite3_stmt *statement = mm_sql(reader, "SELECT name, record FROM parts WHERE evaluation = ?", "i", id);
    int code;

    while ((code = mm_sql_step(reader, statement)) == SQLITE_ROW)
        if (read_part(statement, evaluation) != SQLITE_OK) {
            sqlite3_reset(statement);
            return SQLITE_NOMEM;
        }
    if (code != SQLITE_DONE)
        return code;
    if (evaluation->part_count > 0)
        qsort(evaluation->parts, evaluation->part_count, sizeof *evaluation->parts, mm_part_order);
    return SQLITE_OK;
}

mm_store_status mm_sqlite_evaluation(mm_store *store, const char *project, const char *run, const char *split,
                                     int64_t step, const mm_room *room, mm_stored_evaluation **out, mm_problem *problem)
{
    mm_connection *reader;
    int64_t id = 0;
    mm_store_status status = mm_store_reader_take(store, &reader, problem);

    if (status != MM_STORE_OK)
        return status;
    mm_stored_evaluation *evaluation = calloc(1, sizeof *evaluation);
    int code = SQLITE_NOMEM;

    if (evaluation != NULL)
        code = read_definition(reader, project, run, split, step, evaluation, &id);
    if (code == SQLITE_OK && room != NULL)
        code = make_room(reader, id, evaluation->definition.class_count, room);
    if (code == SQLITE_OK)
        code = read_parts(reader, id, evaluation);
    status = finish(store, reader, code, "evaluation", problem);
    if (status == MM_STORE_OK)
        *out = evaluation;
    else
        mm_stored_evaluation_free(evaluation);
    return status;
}

/* ------------------------------------------------------------------- lists */

/* What a row of the result takes in memory: a struct of that size, and each text a block. */
static size_t row_bytes(sqlite3_stmt *statement, size_t size)
{
    for (int i = 0; i < sqlite3_column_count(statement); i++)
        if (sqlite3_column_type(statement, i) == SQLITE_TEXT)
            size += (size_t)sqlite3_column_bytes(statement, i) + 2 * sizeof(void *);
    return size;
}

/* -------------------------------------------------------------------- runs */

static int read_splits(mm_connection *reader, int64_t run, mm_run_row *row, size_t *bytes)
{
    sqlite3_stmt *statement = mm_sql(
        reader, "SELECT name, evaluations, first_step, last_step FROM splits WHERE run = ? ORDER BY name", "i", run);
    int code;

    while ((code = mm_sql_step(reader, statement)) == SQLITE_ROW) {
        const int64_t first = sqlite3_column_int64(statement, 2), last = sqlite3_column_int64(statement, 3);

        if (row->split_count == 0 || first < row->first_step)
            row->first_step = first;
        if (row->split_count == 0 || last > row->last_step)
            row->last_step = last;
        row->evaluations += sqlite3_column_int64(statement, 1);
        char **split = mm_store_grow(&row->splits, &row->split_count, sizeof *split);

        *bytes += row_bytes(statement, sizeof *split);
        if (split != NULL)
            *split = mm_sql_text(statement, 0);
        if (split == NULL || *split == NULL) {
            sqlite3_reset(statement);
            return SQLITE_NOMEM;
        }
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int read_tags(mm_connection *reader, int64_t run, mm_run_row *row, size_t *bytes)
{
    sqlite3_stmt *statement = mm_sql(reader, "SELECT name, value FROM tags WHERE run = ? ORDER BY name", "i", run);
    int code;

    while ((code = mm_sql_step(reader, statement)) == SQLITE_ROW) {
        mm_tag *tag = mm_store_grow(&row->tags, &row->tag_count, sizeof *tag);

        *bytes += row_bytes(statement, sizeof *tag);
        if (tag != NULL)
            *tag = (mm_tag){mm_sql_text(statement, 0), mm_sql_text(statement, 1)};
        if (tag == NULL || tag->name == NULL || tag->value == NULL) {
            sqlite3_reset(statement);
            return SQLITE_NOMEM;
        }
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Columns: id, name, created, updated. */
static int read_run(mm_connection *reader, sqlite3_stmt *statement, mm_run_list *list, mm_cursor *place)
{
    mm_run_row *row = mm_store_grow(&list->rows, &list->count, sizeof *row);

    list->bytes += row_bytes(statement, sizeof *row);
    if (row == NULL)
        return SQLITE_NOMEM;
    row->run = mm_sql_text(statement, 1);
    row->created = sqlite3_column_int64(statement, 2);
    row->updated = sqlite3_column_int64(statement, 3);
    *place = (mm_cursor){row->created, sqlite3_column_int64(statement, 0)};
    const int code = row->run == NULL ? SQLITE_NOMEM : read_splits(reader, place->second, row, &list->bytes);

    return code == SQLITE_OK ? read_tags(reader, place->second, row, &list->bytes) : code;
}

/* Up to `limit` rows, and a cursor when there are more. */
static int read_runs(mm_connection *reader, sqlite3_stmt *statement, size_t limit, mm_run_list *list)
{
    mm_cursor place = {0};
    int code;

    while ((code = mm_sql_step(reader, statement)) == SQLITE_ROW) {
        if (list->count < limit && list->bytes < MM_PAGE_BYTES) {
            code = read_run(reader, statement, list, &place);
        } else {
            list->next = mm_cursor_text('r', &place);
            code = list->next == NULL ? SQLITE_NOMEM : SQLITE_DONE;
        }
        if (code != SQLITE_OK) {
            sqlite3_reset(statement);
            break;
        }
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static mm_store_status finish_runs(mm_store *store, mm_connection *reader, int code, mm_run_list *list,
                                   mm_run_list **out, mm_problem *problem)
{
    const mm_store_status status = finish(store, reader, code, "run", problem);

    if (status == MM_STORE_OK)
        *out = list;
    else
        mm_run_list_free(list);
    return status;
}

mm_store_status mm_sqlite_runs(mm_store *store, const char *project, const char *cursor, size_t limit,
                               mm_run_list **out, mm_problem *problem)
{
    mm_connection *reader;
    mm_cursor from;

    if (!mm_cursor_read(cursor, 'r', &from, problem))
        return MM_STORE_BAD_CURSOR;
    const mm_store_status status = mm_store_reader_take(store, &reader, problem);

    if (status != MM_STORE_OK)
        return status;
    mm_run_list *list = calloc(1, sizeof *list);
    int code = SQLITE_NOMEM;

    if (list != NULL)
        code = read_runs(reader,
                         mm_sql(reader,
                                "SELECT id, name, created, updated FROM runs WHERE project = ?"
                                " AND (created, id) < (?, ?) ORDER BY created DESC, id DESC",
                                "tii", project, from.first, from.second),
                         limit, list);
    return finish_runs(store, reader, code, list, out, problem);
}

mm_store_status mm_sqlite_run_row(mm_store *store, const char *project, const char *run, mm_run_list **out,
                                  mm_problem *problem)
{
    mm_connection *reader;
    const mm_store_status status = mm_store_reader_take(store, &reader, problem);

    if (status != MM_STORE_OK)
        return status;
    mm_run_list *list = calloc(1, sizeof *list);
    int code = SQLITE_NOMEM;

    if (list != NULL)
        code = read_runs(reader,
                         mm_sql(reader, "SELECT id, name, created, updated FROM runs WHERE project = ? AND name = ?",
                                "tt", project, run),
                         1, list);
    if (code == SQLITE_OK && list->count == 0)
        code = ABSENT;
    return finish_runs(store, reader, code, list, out, problem);
}

/* ------------------------------------------------------------- evaluations */

static int read_scores(mm_connection *reader, int64_t evaluation, mm_evaluation_row *row, size_t *bytes)
{
    sqlite3_stmt *statement =
        mm_sql(reader,
               "SELECT r.name, s.value, s.reason FROM scores s JOIN series r ON r.id = s.series WHERE s.evaluation = ?"
               " ORDER BY s.position",
               "i", evaluation);
    int code;

    while ((code = mm_sql_step(reader, statement)) == SQLITE_ROW) {
        mm_score_row *score = mm_store_grow(&row->scores, &row->score_count, sizeof *score);

        *bytes += row_bytes(statement, sizeof *score);
        if (score != NULL)
            score->name = mm_sql_text(statement, 0);
        if (score == NULL || score->name == NULL) {
            sqlite3_reset(statement);
            return SQLITE_NOMEM;
        }
        score->value = (mm_value){sqlite3_column_double(statement, 1), (mm_reason)sqlite3_column_int(statement, 2)};
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Columns: id, time, split, step, images, parts_received, parts_expected or -1. */
static int read_evaluation_row(mm_connection *reader, sqlite3_stmt *statement, mm_evaluation_list *list,
                               mm_cursor *place)
{
    mm_evaluation_row *row = mm_store_grow(&list->rows, &list->count, sizeof *row);

    list->bytes += row_bytes(statement, sizeof *row);
    if (row == NULL)
        return SQLITE_NOMEM;
    *place = (mm_cursor){sqlite3_column_int64(statement, 1), sqlite3_column_int64(statement, 0)};
    row->time = place->first;
    row->split = mm_sql_text(statement, 2);
    row->step = sqlite3_column_int64(statement, 3);
    row->images = sqlite3_column_int64(statement, 4);
    row->parts_received = sqlite3_column_int64(statement, 5);
    row->parts_expected = sqlite3_column_int64(statement, 6);
    return row->split == NULL ? SQLITE_NOMEM : read_scores(reader, place->second, row, &list->bytes);
}

#define EVALUATION_ROW                                                                                                 \
    "SELECT id, time, split, step, images, parts_received, ifnull(parts_expected, -1) FROM evaluations"                \
    " WHERE run = ? AND (time, id) < (?, ?) AND time BETWEEN ? AND ? AND step BETWEEN ? AND ?"
#define NEWEST_FIRST " ORDER BY time DESC, id DESC"

/* Two statements, so that each has its index. */
static sqlite3_stmt *select_evaluations(mm_connection *reader, int64_t run, const mm_evaluation_filter *filter,
                                        const mm_cursor *from)
{
    const mm_evaluation_filter all = MM_ALL_EVALUATIONS, *f = filter != NULL ? filter : &all;

    if (f->split == NULL)
        return mm_sql(reader, EVALUATION_ROW NEWEST_FIRST, "iiiiiii", run, from->first, from->second, f->from, f->to,
                      f->first_step, f->last_step);
    return mm_sql(reader, EVALUATION_ROW " AND split = ?" NEWEST_FIRST, "iiiiiiit", run, from->first, from->second,
                  f->from, f->to, f->first_step, f->last_step, f->split);
}

static int read_evaluations(mm_connection *reader, sqlite3_stmt *statement, size_t limit, mm_evaluation_list *list)
{
    mm_cursor place = {0};
    int code;

    while ((code = mm_sql_step(reader, statement)) == SQLITE_ROW) {
        if (list->count < limit && list->bytes < MM_PAGE_BYTES) {
            code = read_evaluation_row(reader, statement, list, &place);
        } else {
            list->next = mm_cursor_text('e', &place);
            code = list->next == NULL ? SQLITE_NOMEM : SQLITE_DONE;
        }
        if (code != SQLITE_OK) {
            sqlite3_reset(statement);
            break;
        }
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

mm_store_status mm_sqlite_evaluations(mm_store *store, const char *project, const char *run,
                                      const mm_evaluation_filter *filter, const char *cursor, size_t limit,
                                      mm_evaluation_list **out, mm_problem *problem)
{
    mm_connection *reader;
    mm_cursor from;
    int64_t id = 0;

    if (!mm_cursor_read(cursor, 'e', &from, problem))
        return MM_STORE_BAD_CURSOR;
    mm_store_status status = mm_store_reader_take(store, &reader, problem);

    if (status != MM_STORE_OK)
        return status;
    mm_evaluation_list *list = calloc(1, sizeof *list);
    int code = SQLITE_NOMEM;

    if (list != NULL)
        code = find_run(reader, project, run, &id);
    if (code == SQLITE_OK)
        code = read_evaluations(reader, select_evaluations(reader, id, filter, &from), limit, list);
    status = finish(store, reader, code, "run", problem);
    if (status == MM_STORE_OK)
        *out = list;
    else
        mm_evaluation_list_free(list);
    return status;
}
