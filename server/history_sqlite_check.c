/*
 * history_sqlite_check.c - is a file ours, of a version that we read, and undamaged?
 */
#include "server/history_sqlite_check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "server/history_rows.h"
#include "server/history_schema.h"

#define STOP_NAP_NS 2000000

int mm_sqlite_ask(sqlite3 *db, const char *sql, char *out, size_t size)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

    out[0] = '\0';
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(statement, 0);

        if (text != NULL)
            snprintf(out, size, "%s", (const char *)text);
        else if (sqlite3_errcode(db) == SQLITE_NOMEM)
            code = SQLITE_NOMEM;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int number(sqlite3 *db, const char *sql, long *out)
{
    char answer[32];
    const int code = mm_sqlite_ask(db, sql, answer, sizeof answer);

    *out = strtol(answer, NULL, 10);
    return code;
}

int mm_sqlite_check_kind(sqlite3 *db, const char *name, long *version, mm_problem *problem)
{
    long application, tables;
    int code = number(db, "PRAGMA application_id", &application);

    if (code == SQLITE_OK)
        code = number(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (code == SQLITE_OK)
        code = number(db, "PRAGMA user_version", version);
    if (code != SQLITE_OK)
        return code;
    if (application != MM_SQLITE_APPLICATION && (application != 0 || tables != 0)) {
        mm_store_explain(problem, "data", "%s belongs to another program", name);
        return SQLITE_MISUSE;
    }
    if (*version > MM_SQLITE_VERSION || *version < 0) {
        mm_store_explain(problem, "data", "%s was written by a newer version (schema %ld, this one reads %d)", name,
                         *version, MM_SQLITE_VERSION);
        return SQLITE_MISUSE;
    }
    return *version == 0 && tables != 0 ? SQLITE_CORRUPT : SQLITE_OK;
}

int mm_sqlite_check_pages(sqlite3 *db, const char *pragma)
{
    char sql[48], answer[64];

    snprintf(sql, sizeof sql, "PRAGMA %s(1)", pragma);
    const int code = mm_sqlite_ask(db, sql, answer, sizeof answer);

    return code == SQLITE_OK && strcmp(answer, "ok") != 0 ? SQLITE_CORRUPT : code;
}

int64_t mm_sqlite_file_size(const char *file)
{
    struct stat info;

    return stat(file, &info) == 0 ? (int64_t)info.st_size : 0;
}

/* -------------------------------------------------------- beside the work */

/* A failure to read is none of the file's damage, but it leaves in doubt what was asked: what it hits will say so. */
static void *look_through(void *context)
{
    mm_store *store = context;
    const int code = mm_sqlite_check_pages(store->check.reader->db, "quick_check") & 0xFF;
    const int damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;

    atomic_store(&store->check.state, damaged ? MM_CHECK_DAMAGED : MM_CHECK_ENDED);
    return NULL;
}

mm_store_status mm_sqlite_check_start(mm_store *store, mm_problem *problem)
{
    sigset_t all, before;
    mm_store_status status = mm_store_reader_take(store, &store->check.reader, problem);

    if (status != MM_STORE_OK)
        return status;
    atomic_store(&store->check.state, MM_CHECK_RUNNING);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&store->check.thread, NULL, look_through, store) != 0) {
        mm_store_explain(problem, "", "cannot start the thread that looks for damage");
        mm_reader_return(store, store->check.reader);
        store->check.reader = NULL;
        status = MM_STORE_BUSY;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

/* An interruption that comes before SQLite's first step is lost, so it is said until it is heard. */
void mm_sqlite_check_stop(mm_store *store)
{
    const struct timespec nap = {.tv_nsec = STOP_NAP_NS};

    if (store->check.reader == NULL)
        return;
    while (atomic_load(&store->check.state) == MM_CHECK_RUNNING) {
        sqlite3_interrupt(store->check.reader->db);
        nanosleep(&nap, NULL);
    }
    pthread_join(store->check.thread, NULL);
    mm_reader_return(store, store->check.reader);
    store->check.reader = NULL;
}
