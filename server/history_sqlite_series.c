/*
 * history_sqlite_series.c - curves out of the SQLite history: a series lies together, in order of time
 */
#include "server/history_sqlite_choose.h"

#include <stdlib.h>
#include <string.h>

#include "server/history_rows.h"

/* ------------------------------------------------------------------- points */

/* A point on its way: what is needed to look up its classes. */
typedef struct raw_point {
    mm_point point;
    int64_t evaluation, position;
} raw_point;

/* The points of one series, thinned while they come: memory for twice the most, whatever there is. */
typedef struct thinner {
    raw_point *points;
    size_t count, room, most;
    size_t stride;   /* of the points that came, every stride-th is kept */
    size_t arrivals; /* points that were candidates so far */
    raw_point last;  /* the newest; kept in any case */
    int has_last;
    int64_t interval, bucket; /* of `last` */
    size_t found;
} thinner;

static int64_t bucket_of(int64_t time, int64_t interval)
{
    return time >= 0 ? time / interval : -1 - (-1 - time) / interval;
}

/* Every second one goes. */
static void halve(thinner *t)
{
    size_t kept = 0;

    for (size_t i = 0; i < t->count; i += 2)
        t->points[kept++] = t->points[i];
    t->count = kept;
    t->stride *= 2;
}

static void commit(thinner *t)
{
    if (t->arrivals++ % t->stride != 0)
        return;
    if (t->count == t->room) {
        halve(t);
        if ((t->arrivals - 1) % t->stride != 0)
            return;
    }
    t->points[t->count++] = t->last;
}

static void offer(thinner *t, const raw_point *point)
{
    const int64_t bucket = bucket_of(point->point.time, t->interval);

    if (t->has_last && bucket != t->bucket)
        commit(t);
    t->last = *point;
    t->bucket = bucket;
    t->has_last = 1;
    t->found++;
}

/* The last point is always there. */
static void end_thinning(thinner *t)
{
    if (!t->has_last)
        return;
    commit(t);
    if (t->count > t->most)
        halve(t);
    if (t->points[t->count - 1].evaluation != t->last.evaluation) {
        if (t->count == t->most)
            t->count--;
        t->points[t->count++] = t->last;
    }
}

static int by_step(const void *a, const void *b)
{
    const int64_t left = ((const raw_point *)a)->point.step, right = ((const raw_point *)b)->point.step;

    return left < right ? -1 : left > right;
}

#define POINT_ROW                                                                                                      \
    "SELECT time, step, value, reason, evaluation, position FROM scores"                                               \
    " WHERE series = ? AND time BETWEEN ? AND ? AND step BETWEEN ? AND ?"

static sqlite3_stmt *select_points(mm_connection *reader, const mm_series_query *query, int64_t series)
{
    const mm_evaluation_filter *f = &query->filter;
    const char *sql = query->newest ? POINT_ROW " ORDER BY time DESC, evaluation DESC LIMIT 1"
                                    : POINT_ROW " ORDER BY time, evaluation";

    return mm_sql(reader, sql, "iiiii", series, f->from, f->to, f->first_step, f->last_step);
}

static int thin_series(mm_connection *reader, const mm_series_query *query, int64_t series, thinner *t)
{
    sqlite3_stmt *statement = select_points(reader, query, series);
    int code;

    while ((code = mm_sql_step(reader, statement)) == SQLITE_ROW) {
        const raw_point point = {
            .point = {.time = sqlite3_column_int64(statement, 0),
                      .step = sqlite3_column_int64(statement, 1),
                      .value = {sqlite3_column_double(statement, 2), (mm_reason)sqlite3_column_int(statement, 3)}},
            .evaluation = sqlite3_column_int64(statement, 4),
            .position = sqlite3_column_int64(statement, 5)};

        offer(t, &point);
    }
    end_thinning(t);
    if (query->by_step && t->count > 1)
        qsort(t->points, t->count, sizeof *t->points, by_step);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* ------------------------------------------------------------------ classes */

/* From the class indices of an evaluation to those of the list; kept while evaluations have the same names. */
typedef struct class_map {
    char *text;     /* "a,b,c" */
    size_t *places; /* in mm_series_list.classes; SIZE_MAX: not asked for */
    size_t count;
} class_map;

static int is_chosen(const mm_series_query *query, const char *name, size_t size)
{
    for (size_t i = 0; i < query->class_count; i++)
        if (strlen(query->classes[i]) == size && memcmp(query->classes[i], name, size) == 0)
            return 1;
    return query->class_count == 0;
}

/* The place of a name in the list, added when it is new.  hint: where it is likely to be. */
static int find_class(mm_series_list *list, const char *name, size_t size, size_t hint, size_t *out)
{
    for (size_t i = 0; i < list->class_count; i++) {
        const size_t at = (hint + i) % list->class_count;

        if (strncmp(list->classes[at], name, size) == 0 && list->classes[at][size] == '\0') {
            *out = at;
            return SQLITE_OK;
        }
    }
    *out = list->class_count;
    char **place = mm_store_grow(&list->classes, &list->class_count, sizeof *place);

    if (place == NULL || (*place = strndup(name, size)) == NULL)
        return SQLITE_NOMEM;
    return SQLITE_OK;
}

static int map_classes(const mm_series_query *query, mm_series_list *list, class_map *map, const char *text)
{
    size_t count = 1, hint = 0;

    if (text == NULL)
        return SQLITE_NOMEM;
    if (map->text != NULL && strcmp(map->text, text) == 0)
        return SQLITE_OK;
    for (const char *c = text; *c != '\0'; c++)
        count += *c == ',';
    free(map->text);
    free(map->places);
    map->text = strdup(text);
    map->places = calloc(count, sizeof *map->places);
    map->count = count;
    if (map->text == NULL || map->places == NULL)
        return SQLITE_NOMEM;
    for (size_t i = 0; i < count; i++) {
        const size_t size = strcspn(text, ",");

        map->places[i] = SIZE_MAX;
        if (is_chosen(query, text, size) && find_class(list, text, size, hint, &map->places[i]) != SQLITE_OK)
            return SQLITE_NOMEM;
        if (map->places[i] != SIZE_MAX)
            hint = map->places[i] + 1;
        text += size + 1;
    }
    return SQLITE_OK;
}

static int read_map(mm_connection *reader, const mm_series_query *query, mm_series_list *list, class_map *map,
                    int64_t evaluation)
{
    sqlite3_stmt *statement = mm_sql(reader, "SELECT classes FROM evaluations WHERE id = ?", "i", evaluation);
    int code = mm_sql_step(reader, statement);

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
    code = map_classes(query, list, map, (const char *)sqlite3_column_text(statement, 0));
    sqlite3_reset(statement);
    return code;
}

/* The sizes of classes are of use where one point is shown; elsewhere they are not looked up. */
static sqlite3_stmt *select_values(mm_connection *reader, const mm_series_query *query, const raw_point *raw)
{
    return mm_sql(reader,
                  query->newest ? "SELECT c.class, c.value, c.reason, v.label, v.pred FROM class_scores c"
                                  " LEFT JOIN class_voxels v ON v.evaluation = c.evaluation AND v.class = c.class"
                                  " WHERE c.evaluation = ? AND c.position = ? ORDER BY c.class"
                                : "SELECT class, value, reason FROM class_scores"
                                  " WHERE evaluation = ? AND position = ? ORDER BY class",
                  "ii", raw->evaluation, raw->position);
}

static int read_values(mm_connection *reader, const mm_series_query *query, const class_map *map, raw_point *raw,
                       mm_series_list *list)
{
    sqlite3_stmt *statement = select_values(reader, query, raw);
    int code;

    raw->point.first = list->value_count;
    while ((code = mm_sql_step(reader, statement)) == SQLITE_ROW) {
        const int64_t index = sqlite3_column_int64(statement, 0);

        if (index < 0 || (uint64_t)index >= map->count || map->places[index] == SIZE_MAX)
            continue;
        mm_class_value *value = mm_store_grow(&list->values, &list->value_count, sizeof *value);

        if (value == NULL) {
            sqlite3_reset(statement);
            return SQLITE_NOMEM;
        }
        *value = (mm_class_value){
            .class_index = map->places[index],
            .value = {sqlite3_column_double(statement, 1), (mm_reason)sqlite3_column_int(statement, 2)}};
        if (query->newest && sqlite3_column_type(statement, 3) != SQLITE_NULL) {
            value->has_voxels = 1;
            value->label_voxels = sqlite3_column_double(statement, 3);
            value->pred_voxels = sqlite3_column_double(statement, 4);
        }
    }
    raw->point.value_count = list->value_count - raw->point.first;
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* ------------------------------------------------------------------- series */

static int add_point(mm_connection *reader, const mm_series_query *query, class_map *map, raw_point *raw,
                     mm_series_list *list)
{
    int code = SQLITE_OK;

    if (query->per_class)
        code = read_map(reader, query, list, map, raw->evaluation);
    if (code == SQLITE_OK && query->per_class)
        code = read_values(reader, query, map, raw, list);
    mm_point *point = code == SQLITE_OK ? mm_store_grow(&list->points, &list->point_count, sizeof *point) : NULL;

    if (code == SQLITE_OK && point == NULL)
        return SQLITE_NOMEM;
    if (code == SQLITE_OK)
        *point = raw->point;
    return code;
}

/* The classes of the newest point come first in the list, so that names of long ago do not lead. */
static int read_newest_map(mm_connection *reader, const mm_series_query *query, const thinner *t, class_map *map,
                           mm_series_list *list)
{
    return query->per_class && t->count > 0 ? read_map(reader, query, list, map, t->last.evaluation) : SQLITE_OK;
}

/* Earlier evaluations may have more classes than the newest, by which the values were shared out. */
static int is_full(const mm_series_query *query, const mm_series_list *list)
{
    return list->value_count >= query->max_values;
}

static int read_series(mm_connection *reader, const mm_series_query *query, const mm_selection *chosen, size_t which,
                       thinner *t, class_map *map, mm_series_list *list)
{
    const mm_chosen_series *from = &chosen->series[which];
    int code = thin_series(reader, query, from->id, t);

    if (code == SQLITE_OK)
        code = read_newest_map(reader, query, t, map, list);
    if (code != SQLITE_OK || t->count == 0)
        return code;
    mm_series *series = mm_store_grow(&list->series, &list->series_count, sizeof *series);

    if (series == NULL)
        return SQLITE_NOMEM;
    *series = (mm_series){.run = strdup(chosen->runs.rows[from->run].name),
                          .split = strdup(from->split),
                          .score = strdup(from->score),
                          .better = from->better,
                          .first = list->point_count,
                          .point_count = t->count,
                          .found = t->found};
    if (series->run == NULL || series->split == NULL || series->score == NULL)
        return SQLITE_NOMEM;
    list->truncated |= t->stride > 1;
    for (size_t i = 0; i < t->count && code == SQLITE_OK; i++) {
        if (is_full(query, list)) {
            series->point_count = i;
            list->truncated = 1;
            break;
        }
        code = add_point(reader, query, map, &t->points[i], list);
    }
    return code;
}

/* How many values the newest point of a series has. */
static int newest_width(mm_connection *reader, const mm_series_query *query, int64_t series, size_t *out)
{
    sqlite3_stmt *statement = mm_sql(reader,
                                     "SELECT e.class_count FROM scores s JOIN evaluations e ON e.id = s.evaluation"
                                     " WHERE s.series = ? ORDER BY s.time DESC, s.evaluation DESC LIMIT 1",
                                     "i", series);
    const int code = mm_sql_step(reader, statement);

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_OK : code;
    const size_t classes = (size_t)sqlite3_column_int64(statement, 0);

    *out = query->class_count > 0 && query->class_count < classes ? query->class_count : classes;
    sqlite3_reset(statement);
    return SQLITE_OK;
}

/* How many values a point has: the classes asked for, or the most of any series' newest evaluation. */
static int width_of(mm_connection *reader, const mm_series_query *query, const mm_selection *chosen, size_t *out)
{
    int code = SQLITE_OK;

    *out = 1;
    for (size_t i = 0; query->per_class && i < chosen->count && code == SQLITE_OK; i++) {
        size_t width = 0;

        code = newest_width(reader, query, chosen->series[i].id, &width);
        if (width > *out)
            *out = width;
    }
    return code;
}

/* Of each run the newest point of all its series: the others leave. */
static void keep_newest(mm_series_list *list)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->series_count; i++) {
        mm_series *now = &list->series[i], *before = kept > 0 ? &list->series[kept - 1] : NULL;

        if (before == NULL || strcmp(before->run, now->run) != 0) {
            list->series[kept++] = *now;
            continue;
        }
        if (list->points[now->first].time > list->points[before->first].time) {
            const mm_series other = *before;

            *before = *now;
            *now = other;
        }
        free(now->run);
        free(now->split);
        free(now->score);
    }
    list->series_count = kept;
}

static int read_all_series(mm_connection *reader, const mm_series_query *query, const mm_selection *chosen,
                           mm_series_list *list)
{
    class_map map = {0};
    thinner t = {0};
    size_t width = 1, series = chosen->count;
    int code = width_of(reader, query, chosen, &width);
    const size_t values = query->max_values / width;
    size_t most = query->newest ? 2 : query->max_points;

    if (series > 0 && values / series < most)
        most = values / series;
    if (most < 2 && !query->newest) {
        most = 2;
        if (series > values / 2) {
            series = values / 2 > 0 ? values / 2 : 1;
            list->truncated = 1;
        }
    }
    if (most < 2)
        most = 2;
    t.points = calloc(2 * most, sizeof *t.points);
    if (t.points == NULL)
        code = SQLITE_NOMEM;
    for (size_t i = 0; i < series && code == SQLITE_OK; i++) {
        if (is_full(query, list)) {
            list->truncated = 1;
            break;
        }
        t = (thinner){.points = t.points,
                      .room = 2 * most,
                      .most = most,
                      .stride = 1,
                      .interval = query->interval > 1 ? query->interval : 1};
        code = read_series(reader, query, chosen, i, &t, &map, list);
    }
    free(t.points);
    free(map.text);
    free(map.places);
    if (code == SQLITE_OK && query->newest)
        keep_newest(list);
    return code;
}

mm_store_status mm_sqlite_series(mm_store *store, const mm_series_query *query, mm_series_list **out,
                                 mm_problem *problem)
{
    mm_selection chosen = {0};
    mm_connection *reader;
    mm_store_status status = mm_store_reader_take(store, &reader, problem);

    if (status != MM_STORE_OK)
        return status;
    mm_series_list *list = calloc(1, sizeof *list);
    int code = list == NULL ? SQLITE_NOMEM : mm_choose_series(reader, query, &chosen);

    if (code == SQLITE_OK)
        code = read_all_series(reader, query, &chosen, list);
    if (code == SQLITE_OK)
        list->truncated |= chosen.truncated;
    mm_selection_free(&chosen);
    status = mm_finish_read(store, reader, code, problem);
    if (status == MM_STORE_OK)
        *out = list;
    else
        mm_series_list_free(list);
    return status;
}
