/*
 * history_sqlite_remove.c - deleted runs, and what retention takes
 *
 * A run that is deleted gets another project, which no client can name: in one small step it is gone for every reader,
 * and its name is free again.  Its rows are swept away afterwards, a bounded amount at a time.  After a crash the
 * sweeping goes on.
 */
#include "server/history_sqlite.h"

#include <stdlib.h>
#include <string.h>

#include "server/history_rows.h"

/* ------------------------------------------------------------------ sweeping */

#define DELETED      "\x01" /* the project of deleted runs: names hold no control characters */
#define SWEEP_COST   100    /* of one sweep: some milliseconds */
#define SMALL_COST   4      /* where there is hardly room for the log of it */
#define COST_BYTES   262144 /* of a record: as much work as a row with all that hangs on it */
#define COST_CLASSES 64     /* of an evaluation */

/* The first column of the first row, and the second; *first 0: there is no row. */
static int first_row(mm_connection *writer, sqlite3_stmt *statement, int64_t *first, int64_t *second)
{
    const int code = mm_sql_step(writer, statement);

    *first = 0;
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_OK : code;
    *first = sqlite3_column_int64(statement, 0);
    *second = sqlite3_column_int64(statement, 1);
    sqlite3_reset(statement);
    return SQLITE_OK;
}

/* One part of the run, else an evaluation that has none, else the run itself. */
static int sweep_step(mm_connection *writer, int64_t run, int64_t *cost)
{
    int64_t evaluation, part, classes = 0, size = 0;
    int code =
        first_row(writer, mm_sql(writer, "SELECT id, class_count FROM evaluations WHERE run = ? LIMIT 1", "i", run),
                  &evaluation, &classes);

    if (code != SQLITE_OK)
        return code;
    if (evaluation == 0) {
        ++*cost;
        return mm_sql_run(writer, "DELETE FROM runs WHERE id = ?", "i", run);
    }
    code = first_row(
        writer, mm_sql(writer, "SELECT id, length(record) FROM parts WHERE evaluation = ? LIMIT 1", "i", evaluation),
        &part, &size);
    if (code != SQLITE_OK)
        return code;
    *cost += 1 + (part != 0 ? size / COST_BYTES : classes / COST_CLASSES);
    if (part != 0)
        return mm_sql_run(writer, "DELETE FROM parts WHERE id = ?", "i", part);
    return mm_sql_run(writer, "DELETE FROM evaluations WHERE id = ?", "i", evaluation);
}

int mm_sqlite_sweep(mm_store *store)
{
    mm_connection *writer = &store->writer;
    int64_t run = 1, none = 0;
    int code = SQLITE_OK;

    const int64_t most = store->full ? SMALL_COST : SWEEP_COST;

    for (int64_t cost = 0; cost < most && code == SQLITE_OK;) {
        code = first_row(
            writer,
            mm_sql(writer, "SELECT id, 0 FROM runs WHERE project = ? ORDER BY created, id LIMIT 1", "t", DELETED), &run,
            &none);
        if (code == SQLITE_OK && run == 0)
            break;
        if (code == SQLITE_OK)
            code = sweep_step(writer, run, &cost);
    }
    store->removing = code != SQLITE_OK || run != 0;
    return code;
}

int mm_sqlite_remove_run(mm_store *store, mm_store_delete *removal, int64_t *run)
{
    mm_connection *writer = &store->writer;
    int64_t none;
    const int code = first_row(
        writer,
        mm_sql(writer,
               "UPDATE runs SET project = ?, name = CAST(id AS TEXT) WHERE project = ? AND name = ? RETURNING id, 0",
               "ttt", DELETED, removal->project, removal->run),
        run, &none);

    removal->status = MM_STORE_OK;
    if (code != SQLITE_OK)
        return code;
    if (*run != 0) {
        store->removing = 1;
        return store->full ? SQLITE_OK : mm_sqlite_sweep(store); /* most are small and gone with this */
    }
    removal->status = MM_STORE_NOT_FOUND;
    mm_store_explain(&removal->problem, "run", "there is no such run");
    return SQLITE_OK;
}

/* --------------------------------------------------------------- retention */

#define EXPIRE_AT_ONCE 20 /* evaluations: some milliseconds */

int mm_sqlite_forget_classes(mm_connection *writer, int64_t run, const char *split)
{
    return mm_sql_run(writer,
                      "DELETE FROM class_lists WHERE run = ?1 AND split = ?2"
                      " AND classes NOT IN (SELECT e.classes FROM evaluations e WHERE e.run = ?1 AND e.split = ?2)",
                      "it", run, split);
}

int mm_sqlite_forget_series(mm_connection *writer, int64_t run, const char *split)
{
    return mm_sql_run(writer,
                      "DELETE FROM series WHERE run = ? AND split = ?"
                      " AND NOT EXISTS (SELECT 1 FROM scores s WHERE s.series = series.id)",
                      "it", run, split);
}

/* What the lists say of a split that has lost evaluations; the split and the run go with their last one. */
static int recount(mm_connection *writer, int64_t run, const char *split)
{
    int code = mm_sql_run(writer, "DELETE FROM splits WHERE run = ? AND name = ?", "it", run, split);

    if (code == SQLITE_OK)
        code =
            mm_sql_run(writer,
                       "INSERT INTO splits (run, name, evaluations, first_step, last_step)"
                       " SELECT run, split, count(*), min(step), max(step) FROM evaluations WHERE run = ? AND split = ?"
                       " GROUP BY run, split",
                       "it", run, split);
    if (code == SQLITE_OK)
        code = mm_sqlite_forget_series(writer, run, split);
    if (code == SQLITE_OK)
        code = mm_sqlite_forget_classes(writer, run, split);
    if (code == SQLITE_OK)
        code = mm_sql_run(writer, "DELETE FROM runs WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM splits WHERE run = ?1)",
                          "i", run);
    return code;
}

/* An evaluation that retention takes. */
typedef struct expired {
    int64_t evaluation, run;
    char *split;
} expired;

static int find_newest(mm_connection *writer, int64_t *newest)
{
    sqlite3_stmt *statement = mm_sql(writer, "SELECT max(updated) FROM evaluations", "");
    const int code = mm_sql_step(writer, statement);

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
    *newest = sqlite3_column_type(statement, 0) == SQLITE_NULL ? INT64_MIN : sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return SQLITE_OK;
}

static int find_expired(mm_connection *writer, mm_store_expiry *expiry, expired *found, size_t *count)
{
    sqlite3_stmt *statement = mm_sql(
        writer, "SELECT id, run, split FROM evaluations WHERE updated < ? ORDER BY updated, id", "i", expiry->before);
    int code;

    while ((code = mm_sql_step(writer, statement)) == SQLITE_ROW) {
        if (*count == EXPIRE_AT_ONCE) {
            expiry->more = 1;
            sqlite3_reset(statement);
            return SQLITE_OK;
        }
        found[*count] = (expired){.evaluation = sqlite3_column_int64(statement, 0),
                                  .run = sqlite3_column_int64(statement, 1),
                                  .split = mm_sql_text(statement, 2)};
        if (found[(*count)++].split == NULL) {
            sqlite3_reset(statement);
            return SQLITE_NOMEM;
        }
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Also forgets what earlier items of the group have to score of it. */
static int remove_expired(mm_store *store, const expired *old, mm_effect *effects, size_t count)
{
    mm_cache_slot slot = mm_cache_take(&store->cache, old->evaluation);

    mm_cache_slot_empty(&store->cache, &slot);
    for (size_t i = 0; i < count; i++)
        if (effects[i].evaluation == old->evaluation)
            effects[i].evaluation = 0;
    return mm_sql_run(&store->writer, "DELETE FROM evaluations WHERE id = ?", "i", old->evaluation);
}

/* Each split once. */
static int recount_all(mm_connection *writer, const expired *old, size_t count)
{
    int code = SQLITE_OK;

    for (size_t i = 0; i < count && code == SQLITE_OK; i++) {
        size_t first = 0;

        while (old[first].run != old[i].run || strcmp(old[first].split, old[i].split) != 0)
            first++;
        if (first == i)
            code = recount(writer, old[i].run, old[i].split);
    }
    return code;
}

int mm_sqlite_expire(mm_store *store, mm_store_expiry *expiry, mm_effect *effects, size_t count)
{
    expired found[EXPIRE_AT_ONCE];
    size_t found_count = 0;
    int code;

    expiry->status = MM_STORE_OK;
    expiry->more = 0;
    code = find_newest(&store->writer, &expiry->newest);
    if (code == SQLITE_OK)
        code = find_expired(&store->writer, expiry, found, &found_count);
    for (size_t i = 0; i < found_count && code == SQLITE_OK; i++)
        code = remove_expired(store, &found[i], effects, count);
    if (code == SQLITE_OK)
        code = recount_all(&store->writer, found, found_count);
    for (size_t i = 0; i < found_count; i++)
        free(found[i].split);
    expiry->removed = found_count;
    return code;
}
