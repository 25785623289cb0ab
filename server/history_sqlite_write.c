/*
 * history_sqlite_write.c - one transaction per group: parts, and the merged scores of what the group has touched
 */
#include "server/history_sqlite.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/history_rows.h"

#define GROUP_BYTES      ((size_t)64 << 20)  /* of records in one transaction */
#define RECORD_BYTES_MAX ((size_t)900 << 20) /* SQLite takes values of up to 10^9 bytes */

/* A part on its way in. */
typedef struct incoming {
    mm_store *store;
    mm_store_part *part;
    unsigned char *record;
    size_t size;
    int64_t now;
    int64_t run, evaluation, row; /* row of parts; 0: not there yet */
    int replaces, same;           /* is there one of that name, and is its record equal? */
    int renames;                  /* the classes of the evaluation had other names */
    int64_t received;             /* parts of the evaluation so far */
    int64_t time;                 /* of the evaluation, when it is there */
    mm_definition definition;     /* of the evaluation; strings belong to the statement */
} incoming;

static int64_t now_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* ------------------------------------------------------------ one part, in */

static int find_or_add_run(incoming *in)
{
    mm_connection *writer = &in->store->writer;
    sqlite3_stmt *statement =
        mm_sql(writer,
               "INSERT INTO runs (project, name, created, updated) VALUES (?1, ?2, ?3, ?3)"
               " ON CONFLICT (project, name) DO UPDATE SET updated = max(updated, excluded.updated) RETURNING id",
               "tti", in->part->project, in->part->run, in->now);
    const int code = mm_sql_step(writer, statement);

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
    in->run = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return SQLITE_OK;
}

/* How many tags the run has now: more than MM_RUN_TAGS are refused. */
static int count_tags(incoming *in)
{
    mm_connection *writer = &in->store->writer;
    sqlite3_stmt *statement = mm_sql(writer, "SELECT count(*) FROM tags WHERE run = ?", "i", in->run);
    const int code = mm_sql_step(writer, statement);

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
    if (sqlite3_column_int64(statement, 0) > MM_RUN_TAGS) {
        in->part->status = MM_STORE_CONFLICT;
        mm_store_explain(&in->part->problem, "tags", "with these the run would have more than %d tags", MM_RUN_TAGS);
    }
    sqlite3_reset(statement);
    return SQLITE_OK;
}

static int store_tags(incoming *in)
{
    int code = SQLITE_OK;

    for (size_t i = 0; i < in->part->tag_count && code == SQLITE_OK; i++)
        code = mm_sql_run(&in->store->writer,
                          "INSERT INTO tags (run, name, value) VALUES (?, ?, ?)"
                          " ON CONFLICT (run, name) DO UPDATE SET value = excluded.value",
                          "itt", in->run, in->part->tags[i].name, in->part->tags[i].value);
    return code == SQLITE_OK && in->part->tag_count > 0 ? count_tags(in) : code;
}

static int note_classes(incoming *in)
{
    return mm_sql_run(&in->store->writer, "INSERT OR IGNORE INTO class_lists (run, split, classes) VALUES (?, ?, ?)",
                      "itt", in->run, in->part->split, in->part->definition.classes);
}

static int add_evaluation(incoming *in)
{
    mm_connection *writer = &in->store->writer;
    const mm_store_part *part = in->part;
    const mm_definition *d = &part->definition;
    int code = mm_sql_run(writer,
                          "INSERT INTO evaluations (run, split, step, time, classes, class_count, task, threshold,"
                          " ignore_index, scores, weights, parts_expected) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                          "itiitiidotto", in->run, part->split, part->step, part->has_time ? part->time : in->now,
                          d->classes, (int64_t)d->class_count, (int64_t)d->task, d->threshold, d->has_ignore,
                          d->ignore_index, d->scores, d->weights, d->parts != -1, d->parts);

    in->evaluation = sqlite3_last_insert_rowid(writer->db);
    if (code == SQLITE_OK)
        code = note_classes(in);
    if (code == SQLITE_OK)
        code =
            mm_sql_run(writer,
                       "INSERT INTO splits (run, name, evaluations, first_step, last_step) VALUES (?1, ?2, 1, ?3, ?3)"
                       " ON CONFLICT (run, name) DO UPDATE SET evaluations = evaluations + 1,"
                       " first_step = min(first_step, excluded.first_step),"
                       " last_step = max(last_step, excluded.last_step)",
                       "iti", in->run, part->split, part->step);
    return code;
}

/* The first part defines the evaluation; so does the only one, sent again. */
static int define_again(incoming *in)
{
    const mm_definition *d = &in->part->definition;
    int code =
        mm_sql_run(&in->store->writer,
                   "UPDATE evaluations SET classes = ?, class_count = ?, task = ?, threshold = ?, ignore_index = ?,"
                   " scores = ?, weights = ?, parts_expected = ? WHERE id = ?",
                   "tiidottoi", d->classes, (int64_t)d->class_count, (int64_t)d->task, d->threshold, d->has_ignore,
                   d->ignore_index, d->scores, d->weights, d->parts != -1, d->parts, in->evaluation);

    if (code == SQLITE_OK && in->renames)
        code = note_classes(in);
    if (code == SQLITE_OK && in->renames)
        code = mm_sqlite_forget_classes(&in->store->writer, in->run, in->part->split);
    return code;
}

static void read_definition(sqlite3_stmt *statement, mm_definition *d)
{
    d->classes = (const char *)sqlite3_column_text(statement, 2);
    d->class_count = (size_t)sqlite3_column_int64(statement, 3);
    d->task = (mm_task)sqlite3_column_int(statement, 4);
    d->threshold = sqlite3_column_double(statement, 5);
    d->has_ignore = sqlite3_column_type(statement, 6) != SQLITE_NULL;
    d->ignore_index = sqlite3_column_int64(statement, 6);
    d->parts = sqlite3_column_type(statement, 7) != SQLITE_NULL ? sqlite3_column_int64(statement, 7) : -1;
}

static int find_part(incoming *in)
{
    mm_connection *writer = &in->store->writer;
    sqlite3_stmt *statement = mm_sql(writer, "SELECT id, record = ? FROM parts WHERE evaluation = ? AND name = ?",
                                     "bit", (const void *)in->record, in->size, in->evaluation, in->part->part);
    const int code = mm_sql_step(writer, statement);

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_OK : code;
    in->row = sqlite3_column_int64(statement, 0);
    in->replaces = 1;
    in->same = sqlite3_column_int(statement, 1);
    sqlite3_reset(statement);
    return SQLITE_OK;
}

/* Finds the evaluation and the part of the same name, and checks that the new part belongs there. */
static int place_part(incoming *in, mm_effect *out)
{
    mm_connection *writer = &in->store->writer;
    mm_store_part *part = in->part;
    sqlite3_stmt *statement = mm_sql(writer,
                                     "SELECT id, parts_received, classes, class_count, task, threshold, ignore_index,"
                                     " parts_expected, time FROM evaluations WHERE run = ? AND split = ? AND step = ?",
                                     "iti", in->run, part->split, part->step);
    int code = mm_sql_step(writer, statement);

    if (code == SQLITE_DONE)
        return add_evaluation(in);
    if (code != SQLITE_ROW)
        return code;
    in->evaluation = sqlite3_column_int64(statement, 0);
    in->received = sqlite3_column_int64(statement, 1);
    read_definition(statement, &in->definition);
    in->time = sqlite3_column_int64(statement, 8);
    code = in->definition.classes == NULL ? SQLITE_NOMEM : find_part(in);
    in->renames = code == SQLITE_OK && strcmp(in->definition.classes, part->definition.classes) != 0;
    if (part->has_time && part->time != in->time)
        out->evaluation = in->evaluation; /* its scores lie at its time */
    const int only = in->replaces && in->received == 1;

    if (code == SQLITE_OK && !only && !mm_definition_agrees(&in->definition, &part->definition, &part->problem))
        part->status = MM_STORE_CONFLICT;
    sqlite3_reset(statement);
    if (code != SQLITE_OK || !only)
        return code;
    out->evaluation = in->evaluation; /* other scores may be asked for */
    return define_again(in);
}

static int store_record(incoming *in)
{
    mm_connection *writer = &in->store->writer;
    const int64_t images = (int64_t)mm_images_count(in->part->images);

    if (in->replaces)
        return mm_sql_run(writer, "UPDATE parts SET images = ?, received = ?, record = ? WHERE id = ?", "iibi", images,
                          in->now, (const void *)in->record, in->size, in->row);
    const int code =
        mm_sql_run(writer, "INSERT INTO parts (evaluation, name, images, received, record) VALUES (?,?,?,?,?)", "itiib",
                   in->evaluation, in->part->part, images, in->now, (const void *)in->record, in->size);

    in->row = sqlite3_last_insert_rowid(writer->db);
    in->received++;
    return code;
}

/* Merges the stored parts of slot->evaluation but one.  A damaged record is left out: its part can be sent again. */
static int merge_stored(mm_connection *writer, mm_task task, size_t classes, int64_t except, mm_cache_slot *slot)
{
    sqlite3_stmt *statement =
        mm_sql(writer, "SELECT record FROM parts WHERE evaluation = ? AND id <> ?", "ii", slot->evaluation, except);
    int code = SQLITE_NOMEM;

    if (mm_images_new(&slot->images, task, classes) != MM_OK)
        return code;
    while ((code = mm_sql_step(writer, statement)) == SQLITE_ROW) {
        const void *bytes = sqlite3_column_blob(statement, 0);
        const size_t size = (size_t)sqlite3_column_bytes(statement, 0);
        mm_images *part = NULL;
        mm_status status = bytes == NULL ? MM_NO_MEMORY : mm_images_load(&part, bytes, size);

        if (status == MM_OK)
            status = mm_images_merge(slot->images, part, NULL);
        mm_images_free(part);
        if (status == MM_NO_MEMORY) {
            sqlite3_reset(statement);
            return SQLITE_NOMEM;
        }
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Merges the stored parts, once there is memory for it; *status says when there is not. */
static int fill_slot(mm_store *store, const mm_definition *definition, int64_t except, size_t held, mm_cache_slot *slot,
                     mm_store_status *status, mm_problem *problem)
{
    mm_connection *writer = &store->writer;
    size_t all = 0, part = 0;
    int code = mm_sqlite_foresee(writer, slot->evaluation, except, definition->class_count, &all, &part);

    if (code == SQLITE_OK)
        *status = mm_cache_grow(&store->cache, slot, all + part, held, problem);
    if (code != SQLITE_OK || *status != MM_STORE_OK)
        return code;
    code = merge_stored(writer, definition->task, definition->class_count, except, slot);
    const size_t taken = code == SQLITE_OK ? mm_images_memory(slot->images) : 0;

    if (taken < all + part)
        mm_cache_shrink(&store->cache, slot, all + part - taken);
    return code;
}

/* Adds the part to the merged images of all others; an image that two of them hold with different records is a
 * conflict. */
static int merge_part(incoming *in)
{
    mm_store_part *part = in->part;
    mm_cache *cache = &in->store->cache;
    mm_cache_slot slot = mm_cache_take(cache, in->evaluation);
    int code = SQLITE_OK;

    const size_t own = mm_images_memory(part->images);

    if (in->replaces)
        mm_cache_slot_empty(cache, &slot);
    slot.run = in->run;
    if (slot.images == NULL)
        code = fill_slot(in->store, &part->definition, in->row, part->held, &slot, &part->status, &part->problem);
    if (code == SQLITE_OK && part->status == MM_STORE_OK)
        part->status = mm_cache_grow(cache, &slot, own, part->held, &part->problem);
    if (code == SQLITE_OK && part->status == MM_STORE_OK) {
        const mm_status merged = mm_images_merge(slot.images, part->images, &part->problem);

        if (merged == MM_NO_MEMORY)
            code = SQLITE_NOMEM;
        else if (merged != MM_OK)
            part->status = MM_STORE_CONFLICT;
        if (part->status != MM_STORE_OK)
            mm_cache_shrink(cache, &slot, own);
    }
    /* After a conflict the old part stays, or the evaluation goes and its number is given to another. */
    if (code != SQLITE_OK || (part->status != MM_STORE_OK && (in->replaces || in->received == 1)))
        mm_cache_slot_empty(cache, &slot);
    mm_cache_keep(cache, slot);
    return code;
}

static int update_evaluation(incoming *in)
{
    mm_store_part *part = in->part;
    mm_connection *writer = &in->store->writer;
    sqlite3_stmt *statement =
        mm_sql(writer,
               "UPDATE evaluations SET parts_received = ?, parts_expected = ifnull(parts_expected, ?),"
               " time = ifnull(?, time), updated = max(updated, ?) WHERE id = ? RETURNING ifnull(parts_expected, -1)",
               "iooii", in->received, part->definition.parts != -1, part->definition.parts, part->has_time, part->time,
               in->now, in->evaluation);
    const int code = mm_sql_step(writer, statement);

    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
    part->parts_received = in->received;
    part->parts_expected = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return SQLITE_OK;
}

/* SQLITE_OK with part->status CONFLICT: the part is refused, the group goes on. */
static int store_part(incoming *in, mm_effect *out)
{
    int code = find_or_add_run(in);

    if (code == SQLITE_OK)
        code = store_tags(in); /* before the merged images are touched, which know no savepoint */
    if (code == SQLITE_OK && in->part->status == MM_STORE_OK)
        code = place_part(in, out);
    if (code != SQLITE_OK || in->part->status != MM_STORE_OK)
        return code;
    if (!in->same) {
        code = store_record(in);
        if (code == SQLITE_OK)
            code = merge_part(in);
        out->evaluation = in->evaluation;
    }
    if (code == SQLITE_OK && in->part->status == MM_STORE_OK)
        code = update_evaluation(in);
    out->run = in->run;
    return code;
}

/* ------------------------------------------------------------------- items */

/* A part in a savepoint of its own.  Its own failures are its status; what is returned fails the group. */
static int write_part(mm_store *store, mm_store_part *part, mm_effect *out, size_t *bytes)
{
    mm_connection *writer = &store->writer;
    incoming in = {.store = store, .part = part, .now = now_ms()};

    part->status = MM_STORE_OK;
    if (mm_images_save(part->images, &in.record, &in.size) != MM_OK) {
        part->status = MM_STORE_BUSY;
        mm_store_explain(&part->problem, "", "out of memory");
        return SQLITE_OK;
    }
    int code = SQLITE_OK;

    if (in.size > RECORD_BYTES_MAX) {
        part->status = MM_STORE_FULL;
        mm_store_explain(&part->problem, "", "the part's record is larger than the history takes");
        goto done;
    }
    if (!mm_sqlite_has_room(store, *bytes + in.size)) {
        part->status = MM_STORE_FULL;
        mm_store_explain(&part->problem, "", "the history has no space left");
        goto done;
    }
    code = mm_sql_run(writer, "SAVEPOINT item", "");
    if (code == SQLITE_OK)
        code = store_part(&in, out);
    if (code == SQLITE_OK && part->status != MM_STORE_OK) {
        code = mm_sql_run(writer, "ROLLBACK TO item", "");
        out->evaluation = 0;
    }
    if (code == SQLITE_OK)
        code = mm_sql_run(writer, "RELEASE item", "");
done:
    free(in.record);
    *bytes += in.size;
    return code;
}

/* ------------------------------------------------------------ merged scores */

/* The evaluation whose scores are written anew. */
typedef struct scoring {
    mm_connection *writer;
    int64_t run, evaluation, time, step;
    const char *split; /* belongs to a statement */
    mm_definition definition;
} scoring;

static int find_or_add_series(const scoring *to, const char *name, mm_better better, int64_t *out)
{
    sqlite3_stmt *statement =
        mm_sql(to->writer, "SELECT id, better FROM series WHERE run = ? AND split = ? AND name = ?", "itt", to->run,
               to->split, name);
    int code = mm_sql_step(to->writer, statement);

    if (code == SQLITE_ROW) {
        const int same = sqlite3_column_int(statement, 1) == (int)better;

        *out = sqlite3_column_int64(statement, 0);
        sqlite3_reset(statement);
        return same ? SQLITE_OK
                    : mm_sql_run(to->writer, "UPDATE series SET better = ? WHERE id = ?", "ii", (int64_t)better, *out);
    }
    if (code != SQLITE_DONE)
        return code;
    code = mm_sql_run(to->writer, "INSERT INTO series (run, split, name, better) VALUES (?, ?, ?, ?)", "itti", to->run,
                      to->split, name, (int64_t)better);
    *out = sqlite3_last_insert_rowid(to->writer->db);
    return code;
}

static int write_score(const scoring *to, const mm_scored *scored, size_t index)
{
    const size_t classes = to->definition.class_count;
    const mm_value value = mm_scored_value(scored, index);
    const mm_value *per_class = mm_scored_classes(scored, index, classes);
    int64_t series = 0;
    int code = find_or_add_series(to, mm_plan_name(scored->plan, index), mm_plan_better(scored->plan, index), &series);

    if (code == SQLITE_OK)
        code = mm_sql_run(to->writer,
                          "INSERT INTO scores (series, time, evaluation, step, position, value, reason)"
                          " VALUES (?,?,?,?,?,?,?)",
                          "iiiiivi", series, to->time, to->evaluation, to->step, (int64_t)index, value,
                          (int64_t)value.reason);
    for (size_t c = 0; per_class != NULL && c < classes && code == SQLITE_OK; c++)
        if (per_class[c].reason != MM_NOT_CHOSEN)
            code = mm_sql_run(
                to->writer, "INSERT INTO class_scores (evaluation, position, class, value, reason) VALUES (?,?,?,?,?)",
                "iiivi", to->evaluation, (int64_t)index, (int64_t)c, per_class[c], (int64_t)per_class[c].reason);
    return code;
}

static int write_voxels(const scoring *to, const mm_images *images)
{
    int code = mm_sql_run(to->writer, "DELETE FROM class_voxels WHERE evaluation = ?", "i", to->evaluation);

    for (size_t c = 0; c < to->definition.class_count && code == SQLITE_OK; c++)
        code =
            mm_sql_run(to->writer, "INSERT INTO class_voxels (evaluation, class, label, pred) VALUES (?,?,?,?)", "iidd",
                       to->evaluation, (int64_t)c, mm_images_label_voxels(images, c), mm_images_pred_voxels(images, c));
    return code;
}

static int write_scores(const scoring *to, const mm_scored *scored)
{
    int code = mm_sql_run(to->writer, "DELETE FROM class_scores WHERE evaluation = ?", "i", to->evaluation);

    if (code == SQLITE_OK)
        code = mm_sql_run(to->writer, "DELETE FROM scores WHERE evaluation = ?", "i", to->evaluation);
    for (size_t i = 0; i < mm_scored_count(scored) && code == SQLITE_OK; i++)
        code = write_score(to, scored, i);
    return code == SQLITE_OK ? mm_sqlite_forget_series(to->writer, to->run, to->split) : code;
}

/* Writes scores and counts of the merged images. */
static int score_evaluation(const scoring *to, const mm_images *images)
{
    mm_scored scored;

    if (mm_scored_new(&scored, &to->definition, images) != MM_OK)
        return SQLITE_NOMEM;
    int code = write_scores(to, &scored);

    mm_scored_free(&scored);
    if (code == SQLITE_OK)
        code = write_voxels(to, images);
    if (code == SQLITE_OK)
        code = mm_sql_run(to->writer, "UPDATE evaluations SET images = ? WHERE id = ?", "ii",
                          (int64_t)mm_images_count(images), to->evaluation);
    return code;
}

/* What the cache could not keep until now; there was memory for it a moment ago. */
static int fill_again(mm_store *store, const mm_definition *definition, mm_cache_slot *slot)
{
    mm_store_status status = MM_STORE_OK;
    mm_problem problem;
    const int code = fill_slot(store, definition, 0, 0, slot, &status, &problem);

    return code == SQLITE_OK && status != MM_STORE_OK ? SQLITE_NOMEM : code;
}

static int score_touched(mm_store *store, const mm_effect *touched)
{
    mm_connection *writer = &store->writer;
    mm_cache_slot slot = mm_cache_take(&store->cache, touched->evaluation);
    sqlite3_stmt *statement = mm_sql(
        writer, "SELECT class_count, task, scores, weights, run, time, step, split FROM evaluations WHERE id = ?", "i",
        slot.evaluation);
    int code = mm_sql_step(writer, statement);

    slot.run = touched->run;
    if (code == SQLITE_ROW) {
        const scoring to = {.writer = writer,
                            .run = sqlite3_column_int64(statement, 4),
                            .evaluation = slot.evaluation,
                            .time = sqlite3_column_int64(statement, 5),
                            .step = sqlite3_column_int64(statement, 6),
                            .split = (const char *)sqlite3_column_text(statement, 7),
                            .definition = {.class_count = (size_t)sqlite3_column_int64(statement, 0),
                                           .task = (mm_task)sqlite3_column_int(statement, 1),
                                           .scores = (const char *)sqlite3_column_text(statement, 2),
                                           .weights = (const char *)sqlite3_column_text(statement, 3)}};
        const mm_definition *definition = &to.definition;

        code = definition->scores == NULL || definition->weights == NULL || to.split == NULL ? SQLITE_NOMEM : SQLITE_OK;
        if (code == SQLITE_OK && slot.images == NULL)
            code = fill_again(store, definition, &slot);
        if (code == SQLITE_OK)
            code = score_evaluation(&to, slot.images);
        sqlite3_reset(statement);
    } else if (code == SQLITE_DONE)
        code = SQLITE_CORRUPT;
    mm_cache_keep(&store->cache, slot);
    return code;
}

/* Each touched evaluation once. */
static int score_all_touched(mm_store *store, mm_effect *effects, size_t count)
{
    int code = SQLITE_OK;

    for (size_t i = 0; i < count && code == SQLITE_OK; i++) {
        const int64_t evaluation = effects[i].evaluation;

        if (evaluation == 0)
            continue;
        code = score_touched(store, &effects[i]);
        for (size_t k = i; k < count; k++)
            if (effects[k].evaluation == evaluation)
                effects[k].evaluation = 0;
    }
    return code;
}

/* ------------------------------------------------------------------- group */

static int write_items(mm_store *store, mm_store_item *const *items, size_t count, mm_effect *effects, size_t *taken)
{
    size_t bytes = 0;
    int code = SQLITE_OK;

    for (*taken = 0; *taken < count && bytes < GROUP_BYTES && code == SQLITE_OK; ++*taken) {
        mm_effect *now = &effects[*taken];
        int64_t run = 0;

        if (items[*taken]->part != NULL) {
            code = write_part(store, items[*taken]->part, now, &bytes);
            continue;
        }
        if (items[*taken]->expiry != NULL) {
            code = mm_sqlite_expire(store, items[*taken]->expiry, effects, *taken);
            continue;
        }
        if (items[*taken]->token != NULL) {
            items[*taken]->token->status = MM_STORE_OK;
            code = mm_sqlite_put_token(&store->writer, items[*taken]->token);
            continue;
        }
        code = mm_sqlite_remove_run(store, items[*taken]->removal, &run);
        for (size_t i = 0; i < *taken; i++)
            if (effects[i].run == run)
                effects[i].evaluation = 0;
        if (run != 0)
            mm_cache_drop_run(&store->cache, run);
    }
    return code;
}

/* The group has failed: nothing of it is in the file, and no verdict on any item stands. */
static mm_store_status fail_group(mm_store *store, mm_store_item *const *items, size_t count, int code)
{
    mm_problem problem = {0};
    const mm_store_status status = mm_sql_status(&store->writer, code, &problem);

    mm_cache_clear(&store->cache);
    mm_sql_roll_back(&store->writer);
    for (size_t i = 0; i < count; i++)
        mm_store_item_fail(items[i], status, &problem);
    return status;
}

mm_store_status mm_sqlite_write(mm_store *store, mm_store_item *const *items, size_t count, size_t *taken)
{
    mm_effect *effects = calloc(count, sizeof *effects);
    int code = effects == NULL ? SQLITE_NOMEM : SQLITE_OK;

    *taken = count;
    if (store->broken)
        code = SQLITE_IOERR_FSYNC; /* since a checkpoint */
    if (code == SQLITE_OK)
        code = mm_sql_roll_back(&store->writer); /* what lacked the memory to be ended */
    if (code == SQLITE_OK)
        code = mm_sql_run(&store->writer, "BEGIN IMMEDIATE", "");
    if (code == SQLITE_OK)
        code = write_items(store, items, count, effects, taken);
    if (code == SQLITE_OK)
        code = score_all_touched(store, effects, *taken);
    if (code == SQLITE_OK)
        code = mm_sql_run(&store->writer, "COMMIT", "");
    free(effects);
    mm_cache_trim(&store->cache);
    if (code != SQLITE_OK)
        return fail_group(store, items, *taken, code);
    for (size_t i = 0; i < *taken; i++)
        if (items[i]->part != NULL && items[i]->part->status == MM_STORE_FULL)
            return MM_STORE_FULL;
    return MM_STORE_OK;
}
