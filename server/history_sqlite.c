/*
 * history_sqlite.c - the history in one SQLite file: opening, connections, statements, the log
 *
 * One connection writes and does all checkpoints: SQLite before 3.51.3 may lose committed rows when a checkpoint races
 * a write of another connection.  Readers are read-only and never checkpoint, not even when they close.
 */
#include "server/history_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/history_rows.h"
#include "server/history_schema.h"
#include "server/history_sqlite_check.h"

#define READERS_MAX   4
#define BUSY_MS       5000
#define LOG_PAGES     4096 /* 16 MiB: time for a checkpoint */
#define PAGE_BYTES    4096
#define RESERVE_BYTES ((int64_t)512 << 10) /* of the disk: no part takes them */

/* -------------------------------------------------------------- statements */

/* The slot of `sql`, prepared now when it was not yet.  The address of the text is its key. */
static sqlite3_stmt *prepared(mm_connection *connection, const char *sql)
{
    for (size_t i = 0; i < MM_SQL_STATEMENTS; i++) {
        if (connection->prepared[i].sql == sql)
            return connection->prepared[i].statement;
        if (connection->prepared[i].sql != NULL)
            continue;
        sqlite3_stmt *statement = NULL;

        if (sqlite3_prepare_v3(connection->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
            return NULL;
        connection->prepared[i].sql = sql;
        connection->prepared[i].statement = statement;
        return statement;
    }
    return NULL;
}

static int bind_one(sqlite3_stmt *statement, int place, char type, va_list *list)
{
    switch (type) {
    case 'i':
        return sqlite3_bind_int64(statement, place, va_arg(*list, int64_t));
    case 'd':
        return sqlite3_bind_double(statement, place, va_arg(*list, double));
    case 't':
        return sqlite3_bind_text(statement, place, va_arg(*list, const char *), -1, SQLITE_STATIC);
    case 'b': {
        const void *bytes = va_arg(*list, const void *);

        return sqlite3_bind_blob64(statement, place, bytes, va_arg(*list, size_t), SQLITE_STATIC);
    }
    case 'o': {
        const int present = va_arg(*list, int);
        const int64_t number = va_arg(*list, int64_t);

        return present ? sqlite3_bind_int64(statement, place, number) : sqlite3_bind_null(statement, place);
    }
    case 'v': {
        const mm_value value = va_arg(*list, mm_value);

        return value.reason == MM_DEFINED ? sqlite3_bind_double(statement, place, value.value)
                                          : sqlite3_bind_null(statement, place);
    }
    default:
        return SQLITE_MISUSE;
    }
}

static sqlite3_stmt *bind_all(mm_connection *connection, const char *sql, const char *types, va_list *list)
{
    sqlite3_stmt *statement = prepared(connection, sql);

    if (statement == NULL)
        return NULL;
    for (int i = 0; types[i] != '\0'; i++)
        if (bind_one(statement, i + 1, types[i], list) != SQLITE_OK)
            return NULL;
    return statement;
}

sqlite3_stmt *mm_sql(mm_connection *connection, const char *sql, const char *types, ...)
{
    va_list list;

    va_start(list, types);
    sqlite3_stmt *statement = bind_all(connection, sql, types, &list);
    va_end(list);
    return statement;
}

/* The code of the last failure; never a success. */
static int failure(mm_connection *connection)
{
    const int code = sqlite3_extended_errcode(connection->db);

    return code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_MISUSE : code;
}

int mm_sql_step(mm_connection *connection, sqlite3_stmt *statement)
{
    if (statement == NULL)
        return failure(connection);
    int code = sqlite3_step(statement);

    if (code == SQLITE_ROW)
        return code;
    if (code != SQLITE_DONE)
        code = failure(connection);
    sqlite3_reset(statement);
    return code;
}

int mm_sql_run(mm_connection *connection, const char *sql, const char *types, ...)
{
    va_list list;

    va_start(list, types);
    sqlite3_stmt *statement = bind_all(connection, sql, types, &list);
    va_end(list);
    const int code = mm_sql_step(connection, statement);

    if (code == SQLITE_ROW) { /* a statement that should have none */
        sqlite3_reset(statement);
        return SQLITE_MISUSE;
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

int mm_sql_roll_back(mm_connection *connection)
{
    return sqlite3_get_autocommit(connection->db) ? SQLITE_OK : mm_sql_run(connection, "ROLLBACK", "");
}

char *mm_sql_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);

    return text == NULL ? NULL : strdup((const char *)text);
}

/* The system's own number for the last failure on a file; 0: none yet. */
static int last_errno(sqlite3_file *file)
{
    int error = 0;

    if (file != NULL && file->pMethods != NULL)
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error);
    return error;
}

/* Did the system refuse more bytes, rather than fail?  ENOSPC is SQLITE_FULL already; a quota or a limit is not. */
static int out_of_space(sqlite3 *db)
{
    sqlite3_file *file = NULL, *log = NULL;

    sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    const int error = last_errno(log) != 0 ? last_errno(log) : last_errno(file);

    return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

/* A failed sync may have dropped pages that the kernel had promised to write: nothing may be built on them. */
static mm_store_status input_output_status(sqlite3 *db, int code)
{
    switch (code) {
    case SQLITE_IOERR_NOMEM:
        return MM_STORE_BUSY;
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC:
    case SQLITE_IOERR_CLOSE:
        return MM_STORE_FATAL;
    case SQLITE_IOERR_SHMSIZE: /* the index of the log could not grow */
        return MM_STORE_FULL;
    default:
        return out_of_space(db) ? MM_STORE_FULL : MM_STORE_FATAL;
    }
}

mm_store_status mm_sql_status(mm_connection *connection, int code, mm_problem *problem)
{
    mm_store_status status = MM_STORE_FATAL;

    switch (code & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return MM_STORE_OK;
    case SQLITE_FULL:
    case SQLITE_TOOBIG:
        status = MM_STORE_FULL;
        break;
    case SQLITE_NOMEM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
        status = MM_STORE_BUSY;
        break;
    case SQLITE_CANTOPEN:
        status = sqlite3_system_errno(connection->db) == EMFILE ? MM_STORE_BUSY : MM_STORE_FATAL;
        break;
    case SQLITE_IOERR:
        status = input_output_status(connection->db, code);
        break;
    default:
        break;
    }
    if (status == MM_STORE_FULL)
        mm_store_explain(problem, "", "the history has no space left");
    else if (status == MM_STORE_BUSY)
        mm_store_explain(problem, "", "the history is busy or out of memory: %s", sqlite3_errstr(code));
    else
        mm_store_explain(problem, "", "the history failed: %s", sqlite3_errstr(code));
    return status;
}

/* ------------------------------------------------------------- connections */

static void close_connection(mm_connection *connection)
{
    for (size_t i = 0; i < MM_SQL_STATEMENTS; i++)
        sqlite3_finalize(connection->prepared[i].statement);
    sqlite3_close(connection->db);
    *connection = (mm_connection){0};
}

/* A setting is made and read back: SQLite ignores what it does not know. */
typedef struct setting {
    const char *name, *value, *reads;
} setting;

/* temp_store: a container's root is read-only, so that there may be no folder for temporary files. */
static const setting reader_settings[] = {
    {"mmap_size", "0", "0"},        {"temp_store", "MEMORY", "2"}, {"wal_autocheckpoint", "0", "0"},
    {"trusted_schema", "OFF", "0"}, {"query_only", "ON", "1"},
};

static const setting writer_settings[] = {
    {"mmap_size", "0", "0"},     {"temp_store", "MEMORY", "2"},  {"trusted_schema", "OFF", "0"},
    {"foreign_keys", "ON", "1"}, {"cell_size_check", "ON", "1"},
};

/* These change the file, so they come once we know that it is ours. */
static const setting log_settings[] = {
    {"journal_mode", "WAL", "wal"},
    {"synchronous", "FULL", "2"},
    {"wal_autocheckpoint", "0", "0"}, /* we do it ourselves, between transactions */
    {"journal_size_limit", "67108864", "67108864"},
};

static int configure(sqlite3 *db, const setting *settings, size_t count, mm_problem *problem)
{
    char sql[96], answer[32];

    for (size_t i = 0; i < count; i++) {
        const setting *s = &settings[i];

        snprintf(sql, sizeof sql, "PRAGMA %s = %s", s->name, s->value);
        int code = sqlite3_exec(db, sql, NULL, NULL, NULL);

        snprintf(sql, sizeof sql, "PRAGMA %s", s->name);
        if (code == SQLITE_OK)
            code = mm_sqlite_ask(db, sql, answer, sizeof answer);
        if (code != SQLITE_OK)
            return sqlite3_extended_errcode(db);
        /* A build without memory mapping answers nothing to mmap_size: as good as 0. */
        if (strcmp(answer, s->reads) != 0 && !(answer[0] == '\0' && strcmp(s->name, "mmap_size") == 0)) {
            mm_store_explain(problem, "", "SQLite refuses the setting %s = %s", s->name, s->value);
            return SQLITE_MISUSE;
        }
    }
    return SQLITE_OK;
}

static int open_connection(mm_connection *connection, const char *file, int flags, const setting *settings,
                           size_t count, mm_problem *problem)
{
    int code = sqlite3_open_v2(file, &connection->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    if (connection->db == NULL)
        return SQLITE_NOMEM;
    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(connection->db, BUSY_MS);
    if (code == SQLITE_OK)
        code = sqlite3_db_config(connection->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (code == SQLITE_OK)
        code = configure(connection->db, settings, count, problem);
    return code;
}

/* ----------------------------------------------------------------- readers */

static mm_store_status new_reader(mm_store *store, mm_connection **out, mm_problem *problem)
{
    mm_connection *reader = calloc(1, sizeof *reader);

    if (reader == NULL) {
        mm_store_explain(problem, "", "out of memory");
        return MM_STORE_BUSY;
    }
    int code = open_connection(reader, store->file, SQLITE_OPEN_READONLY, reader_settings,
                               sizeof reader_settings / sizeof reader_settings[0], problem);

    if (code == SQLITE_OK)
        code = sqlite3_db_config(reader->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (code != SQLITE_OK) {
        const mm_store_status status = mm_sql_status(reader, code, problem);

        close_connection(reader);
        free(reader);
        return status;
    }
    *out = reader;
    return MM_STORE_OK;
}

/* An idle reader, or the right to open one (NULL), once there are fewer than READERS_MAX. */
static mm_connection *idle_reader(mm_store *store)
{
    pthread_mutex_lock(&store->guard);
    while (store->idle == NULL && store->readers == READERS_MAX)
        pthread_cond_wait(&store->returned, &store->guard);
    mm_connection *reader = store->idle;

    if (reader != NULL)
        store->idle = reader->next;
    else
        store->readers++;
    pthread_mutex_unlock(&store->guard);
    return reader;
}

mm_store_status mm_store_reader_take(mm_store *store, mm_connection **out, mm_problem *problem)
{
    mm_connection *reader = idle_reader(store);
    mm_store_status status = MM_STORE_OK;

    if (reader == NULL)
        status = new_reader(store, &reader, problem);
    if (status == MM_STORE_OK) {
        const int code = mm_sql_run(reader, "BEGIN DEFERRED", "");

        if (code == SQLITE_OK) {
            *out = reader;
            return MM_STORE_OK;
        }
        status = mm_sql_status(reader, code, problem);
        close_connection(reader);
        free(reader);
    }
    pthread_mutex_lock(&store->guard);
    store->readers--;
    pthread_cond_signal(&store->returned);
    pthread_mutex_unlock(&store->guard);
    return status;
}

void mm_reader_return(mm_store *store, mm_connection *reader)
{
    mm_sql_roll_back(reader); /* only ends the snapshot */
    pthread_mutex_lock(&store->guard);
    reader->next = store->idle;
    store->idle = reader;
    pthread_cond_signal(&store->returned);
    pthread_mutex_unlock(&store->guard);
}

/* ----------------------------------------------------------------- opening */

/* Makes the directory (not its parents) and the file, private to this user. */
static int make_files(const char *directory, const char *file, mm_problem *problem)
{
    struct stat info;

    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        mm_store_explain(problem, "data", "cannot make the data directory: %s", strerror(errno));
        return 0;
    }
    if (stat(directory, &info) != 0 || !S_ISDIR(info.st_mode)) {
        mm_store_explain(problem, "data", "the data directory is not a directory");
        return 0;
    }
    const int descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (descriptor < 0) {
        mm_store_explain(problem, "data", "cannot write to the data directory: %s", strerror(errno));
        return 0;
    }
    close(descriptor);
    return 1;
}

static int take_lock(mm_store *store, const char *path, mm_problem *problem)
{
    store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock < 0) {
        mm_store_explain(problem, "data", "cannot make maskmeter.lock: %s", strerror(errno));
        return 0;
    }
    if (flock(store->lock, LOCK_EX | LOCK_NB) == 0)
        return 1;
    if (errno == EWOULDBLOCK)
        mm_store_explain(problem, "data", "another server uses this data directory (it holds maskmeter.lock)");
    else
        mm_store_explain(problem, "data", "cannot lock maskmeter.lock: %s", strerror(errno));
    return 0;
}

/* mm_better(scores, position) of the migrations: a plan that this version does not read says nothing of its order. */
static void sql_better(sqlite3_context *context, int count, sqlite3_value **values)
{
    const char *text = (const char *)sqlite3_value_text(values[0]);
    const sqlite3_int64 position = sqlite3_value_int64(values[1]);
    mm_better better = MM_NEITHER;
    mm_plan *plan = NULL;

    (void)count;
    if (text != NULL && mm_plan_new(&plan, text, NULL) == MM_OK && position >= 0 &&
        (uint64_t)position < mm_plan_count(plan))
        better = mm_plan_better(plan, (size_t)position);
    mm_plan_free(plan);
    sqlite3_result_int(context, (int)better);
}

/* Each migration and its number in one transaction. */
static int migrate(sqlite3 *db, long version)
{
    char sql[96];
    int code = sqlite3_create_function_v2(db, "mm_better", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
                                          NULL, sql_better, NULL, NULL, NULL);

    for (long i = version; i < MM_SQLITE_VERSION && code == SQLITE_OK; i++) {
        snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %ld; COMMIT",
                 MM_SQLITE_APPLICATION, i + 1);
        code = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        if (code == SQLITE_OK)
            code = sqlite3_exec(db, mm_sqlite_migrations[i], NULL, NULL, NULL);
        if (code == SQLITE_OK)
            code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    }
    return code;
}

static int on_commit(void *context, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((mm_store *)context)->wal_pages = pages;
    return SQLITE_OK;
}

/* SQLITE_ERROR from here on: the file does not hold what its version says. */
static int check_file(mm_store *store, long *version, mm_problem *problem)
{
    const int code = mm_sqlite_check_kind(store->writer.db, "maskmeter.db", version, problem);

    if (code != SQLITE_OK || mm_sqlite_file_size(store->file) > MM_SQLITE_CHECKED_AT_ONCE)
        return code;
    return mm_sqlite_check_pages(store->writer.db, "quick_check");
}

static mm_store_status open_writer(mm_store *store, mm_problem *problem)
{
    mm_problem reason = {0};
    long version = 0;
    int code = open_connection(&store->writer, store->file, SQLITE_OPEN_READWRITE, writer_settings,
                               sizeof writer_settings / sizeof writer_settings[0], &reason);

    if (code == SQLITE_OK)
        code = check_file(store, &version, &reason);
    if (code == SQLITE_OK)
        code = configure(store->writer.db, log_settings, sizeof log_settings / sizeof log_settings[0], &reason);
    if (code == SQLITE_OK)
        code = migrate(store->writer.db, version);
    if (code == SQLITE_OK) {
        store->removing = 1; /* what a crash may have left; sweep() and tend() will see */
        store->wal_pages = 1;
        sqlite3_wal_hook(store->writer.db, on_commit, store);
        return MM_STORE_OK;
    }
    const mm_store_status status = mm_sql_status(&store->writer, code, problem);

    store->broken = 1; /* a file that is refused is left as it is */
    if (reason.text[0] != '\0' && problem != NULL)
        *problem = reason;
    else if ((code & 0xFF) == SQLITE_CORRUPT || (code & 0xFF) == SQLITE_NOTADB || (code & 0xFF) == SQLITE_ERROR)
        mm_store_explain(problem, "data", "maskmeter.db is damaged: restore it from a backup, or move it away");
    return status;
}

static void close_store(mm_store *store)
{
    if (store == NULL)
        return;
    mm_sqlite_check_stop(store);
    for (mm_connection *reader = store->idle, *next; reader != NULL; reader = next) {
        next = reader->next;
        close_connection(reader);
        free(reader);
    }
    if (store->writer.db != NULL && store->broken)
        sqlite3_db_config(store->writer.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    close_connection(&store->writer); /* the last one: empties the log into the file */
    mm_cache_clear(&store->cache);
    if (store->lock >= 0)
        close(store->lock);
    pthread_mutex_destroy(&store->guard);
    pthread_cond_destroy(&store->returned);
    free(store->file);
    free(store);
}

static mm_store *new_store(void)
{
    mm_store *store = calloc(1, sizeof *store);

    if (store == NULL)
        return NULL;
    store->lock = -1;
    if (pthread_mutex_init(&store->guard, NULL) != 0) {
        free(store);
        return NULL;
    }
    if (pthread_cond_init(&store->returned, NULL) != 0) {
        pthread_mutex_destroy(&store->guard);
        free(store);
        return NULL;
    }
    return store;
}

static mm_store_status open_store(mm_store **out, const char *directory, mm_problem *problem)
{
    mm_store *store = new_store();
    char *lock = NULL;
    mm_store_status status = MM_STORE_BUSY;

    mm_store_explain(problem, "", "out of memory");
    if (store == NULL || asprintf(&lock, "%s/maskmeter.lock", directory) < 0) {
        lock = NULL;
        goto done;
    }
    if (asprintf(&store->file, "%s/maskmeter.db", directory) < 0) {
        store->file = NULL;
        goto done;
    }
    status = MM_STORE_FATAL;
    if (!make_files(directory, store->file, problem) || !take_lock(store, lock, problem))
        goto done;
    status = open_writer(store, problem);
    if (status == MM_STORE_OK && mm_sqlite_file_size(store->file) > MM_SQLITE_CHECKED_AT_ONCE)
        status = mm_sqlite_check_start(store, problem);
done:
    free(lock);
    if (status == MM_STORE_OK)
        *out = store;
    else
        close_store(store);
    return status;
}

/* ----------------------------------------------------------------- tending */

/* Moves the log into the file.  Readers are not waited for: what they still need stays. */
static mm_store_status checkpoint(mm_store *store, int mode)
{
    int pages = 0, moved = 0;

    sqlite3_busy_timeout(store->writer.db, 0);
    const int code = sqlite3_wal_checkpoint_v2(store->writer.db, NULL, mode, &pages, &moved);
    sqlite3_busy_timeout(store->writer.db, BUSY_MS);

    if (code == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE)
        store->wal_pages = 0;
    if (code == SQLITE_OK || code == SQLITE_BUSY)
        return MM_STORE_OK;
    return mm_sql_status(&store->writer, code, NULL);
}

/* What others may still write to the disk; INT64_MAX when it does not say. */
static int64_t disk_room(const mm_store *store)
{
    struct statvfs disk;

    return statvfs(store->file, &disk) == 0 ? (int64_t)(disk.f_bavail * disk.f_frsize) : INT64_MAX;
}

/* A record goes to the log and from there to the file, into pages that are free or into new ones.  What is kept lets
 * the log be emptied and runs be deleted. */
int mm_sqlite_has_room(mm_store *store, size_t record)
{
    const int64_t disk = disk_room(store), needed = (int64_t)record + (int64_t)record / 4;
    char pages[32];

    if (disk < RESERVE_BYTES / 2 + needed)
        return 0;
    if (disk >= RESERVE_BYTES + 2 * needed)
        return 1;
    return mm_sqlite_ask(store->writer.db, "PRAGMA freelist_count", pages, sizeof pages) == SQLITE_OK &&
           disk + strtoll(pages, NULL, 10) * PAGE_BYTES >= RESERVE_BYTES + 2 * needed;
}

/* Emptying the log takes as much room in the file as the log has: it must not be put off until there is none. */
static int is_tight(const mm_store *store)
{
    return disk_room(store) < 2 * (RESERVE_BYTES + (int64_t)store->wal_pages * PAGE_BYTES);
}

/* Between groups: the log is kept short, and shorter where there is little room. */
static mm_store_status shorten_log(mm_store *store)
{
    if (store->wal_pages > LOG_PAGES)
        return checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
    return store->wal_pages > 0 && is_tight(store) ? checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE) : MM_STORE_OK;
}

/* Writes a page and commits it: is there room? */
static mm_store_status try_to_write(mm_store *store)
{
    char sql[64];

    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", MM_SQLITE_VERSION);
    if (mm_sql_roll_back(&store->writer) != SQLITE_OK ||
        sqlite3_exec(store->writer.db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return mm_sql_status(&store->writer, failure(&store->writer), NULL);
    return MM_STORE_OK;
}

static mm_store_check check_store(mm_store *store)
{
    return (mm_store_check)atomic_load(&store->check.state);
}

/* May the file be written? */
static int is_sound(mm_store *store)
{
    if (check_store(store) == MM_CHECK_DAMAGED)
        store->broken = 1;
    return !store->broken;
}

static mm_store_status tend_store(mm_store *store, mm_store_status last)
{
    mm_store_status status = MM_STORE_OK;

    if (!is_sound(store))
        return MM_STORE_FATAL;
    if (store->wal_pages > 0)
        status = checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE);
    if (last != MM_STORE_OK && status != MM_STORE_FATAL)
        status = try_to_write(store); /* into the room that the log had */
    if (last == MM_STORE_FULL && status == MM_STORE_OK && !mm_sqlite_has_room(store, 0))
        status = MM_STORE_FULL;
    if (status == MM_STORE_FATAL)
        store->broken = 1;
    return status;
}

/* One transaction's worth of what was deleted. */
static mm_store_status remove_some(mm_store *store)
{
    mm_store_status status = MM_STORE_OK;
    int code = mm_sql_run(&store->writer, "BEGIN IMMEDIATE", "");

    if (code == SQLITE_OK)
        code = mm_sqlite_sweep(store);
    if (code == SQLITE_OK)
        code = mm_sql_run(&store->writer, "COMMIT", "");
    if (code != SQLITE_OK) {
        status = mm_sql_status(&store->writer, code, NULL);
        mm_sql_roll_back(&store->writer);
    }
    store->full = status == MM_STORE_FULL || (store->full && store->removing);
    return status;
}

/* The log is seen to here, not in write_store(): who waits for an answer need not wait for it. */
static mm_store_status sweep_store(mm_store *store, int *more)
{
    mm_store_status status = MM_STORE_OK;

    if (!is_sound(store))
        return MM_STORE_FATAL;
    if (store->removing)
        status = remove_some(store);
    if (status == MM_STORE_OK && shorten_log(store) == MM_STORE_FATAL)
        status = MM_STORE_FATAL;
    if (status == MM_STORE_FATAL)
        store->broken = 1;
    *more = store->removing && status == MM_STORE_OK;
    return status;
}

static mm_store_status write_store(mm_store *store, mm_store_item *const *items, size_t count, size_t *taken)
{
    (void)is_sound(store);
    const mm_store_status status = mm_sqlite_write(store, items, count, taken);

    if (status == MM_STORE_FATAL)
        store->broken = 1;
    store->full = store->full || status == MM_STORE_FULL;
    return status;
}

static void set_memory(mm_store *store, const mm_store_memory *memory)
{
    store->cache.memory = *memory;
}

static size_t let_go(mm_store *store, size_t bytes)
{
    return mm_cache_let_go(&store->cache, bytes);
}

const mm_store_ops mm_store_sqlite = {
    .open = open_store,
    .close = close_store,
    .set_memory = set_memory,
    .let_go = let_go,
    .write = write_store,
    .tend = tend_store,
    .sweep = sweep_store,
    .check = check_store,
    .room = disk_room,
    .evaluation = mm_sqlite_evaluation,
    .runs = mm_sqlite_runs,
    .evaluations = mm_sqlite_evaluations,
    .run_row = mm_sqlite_run_row,
    .tokens = mm_sqlite_tokens,
    .series = mm_sqlite_series,
    .bests = mm_sqlite_bests,
    .names = mm_sqlite_names,
    .place = mm_sqlite_place,
};
