/*
 * history_sqlite.h - what the SQLite files share: connections, statements, what an error code means.
 *
 * history_sqlite.c opens, tends and closes; the others do what their names say.
 */
#ifndef MM_HISTORY_SQLITE_H
#define MM_HISTORY_SQLITE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "server/history_merge.h"
#include "server/history_ops.h"

/* ------------------------------------------------------------- connections */

#define MM_SQL_STATEMENTS 64 /* more than one connection ever prepares */

/* A connection, used by one thread at a time, with the statements that it has prepared so far. */
typedef struct mm_connection {
    sqlite3 *db;
    struct {
        const char *sql;
        sqlite3_stmt *statement;
    } prepared[MM_SQL_STATEMENTS];
    struct mm_connection *next; /* in the list of idle readers */
} mm_connection;

/* The look for damage that goes on beside the work; reader NULL: there is none. */
typedef struct mm_sqlite_check {
    pthread_t thread;
    mm_connection *reader;
    atomic_int state; /* mm_store_check */
} mm_sqlite_check;

struct mm_store {
    char *file;
    int lock; /* descriptor that holds the lock file */
    mm_connection writer;
    mm_cache cache;
    int wal_pages; /* in the log since it was last emptied */
    int broken;    /* a write is in doubt, or the file is damaged: touch it no more */
    int full;      /* there was no room; until all that is deleted has been swept away, sweeps are small */
    int removing;  /* there may be runs that are deleted but not yet gone */
    mm_sqlite_check check;

    pthread_mutex_t guard; /* of what follows */
    pthread_cond_t returned;
    mm_connection *idle;
    int readers; /* opened */
};

/* A reader of its own for the caller, in a snapshot, until mm_reader_return(). */
mm_store_status mm_store_reader_take(mm_store *store, mm_connection **out, mm_problem *problem);
void mm_reader_return(mm_store *store, mm_connection *reader);

/* -------------------------------------------------------------- statements */

/* The statement of `sql` with its parameters bound, one per letter of `types`: i int64_t, d double, t const char *,
 * b const void * with size_t, o int with int64_t: NULL when the int is 0.  v mm_value: its value, or NULL.
 * Bound text and bytes are borrowed until the statement is run.  NULL: sqlite3_errcode() says why. */
sqlite3_stmt *mm_sql(mm_connection *connection, const char *sql, const char *types, ...);
/* SQLITE_ROW, SQLITE_DONE, or an extended error code.  After SQLITE_ROW the caller reads the columns and calls again,
 * or sqlite3_reset(); after all else it is reset. */
int mm_sql_step(mm_connection *connection, sqlite3_stmt *statement);
/* For statements without rows: SQLITE_OK or an extended error code. */
int mm_sql_run(mm_connection *connection, const char *sql, const char *types, ...);

/* Ends the transaction, if one is open, without what it has changed. */
int mm_sql_roll_back(mm_connection *connection);

/* A column as a string of its own: free().  NULL: out of memory. */
char *mm_sql_text(sqlite3_stmt *statement, int column);

/* What an extended error code of the connection means for the store; problem NULL is fine. */
mm_store_status mm_sql_status(mm_connection *connection, int code, mm_problem *problem);

/* ------------------------------------------------------------ the other files */

/* Forgets lists of class names that no evaluation of the split has any more. */
int mm_sqlite_forget_classes(mm_connection *writer, int64_t run, const char *split);

/* Stores the token, and forgets the one that goes for it. */
int mm_sqlite_put_token(mm_connection *writer, const mm_store_token *item);
mm_store_status mm_sqlite_tokens(mm_store *store, mm_token **out, size_t *count, mm_problem *problem);

/* Forgets names of scores that no evaluation of the split has any more. */
int mm_sqlite_forget_series(mm_connection *writer, int64_t run, const char *split);

/* What one item of the group has changed; evaluation 0: nothing that the merged scores would show. */
typedef struct mm_effect {
    int64_t run, evaluation;
} mm_effect;

/* These are for the writer, in its transaction.  *run 0: there is none of that name. */
int mm_sqlite_remove_run(mm_store *store, mm_store_delete *removal, int64_t *run);
/* Also takes back the effects, `count` so far, on what it removes. */
int mm_sqlite_expire(mm_store *store, mm_store_expiry *expiry, mm_effect *effects, size_t count);
/* Takes away a bounded amount of deleted runs; store->removing: is there more? */
int mm_sqlite_sweep(mm_store *store);

/* What merging the stored parts of an evaluation takes, all but one (0: all): memory of all their images, and of the
 * part that is being read. */
int mm_sqlite_foresee(mm_connection *connection, int64_t evaluation, int64_t except, size_t classes, size_t *all,
                      size_t *part);

/* Is there room for a record of that size, and for what must be possible after it? */
int mm_sqlite_has_room(mm_store *store, size_t record);

/* MM_STORE_FULL with all items done: a part was refused for lack of room, the others stand. */
mm_store_status mm_sqlite_write(mm_store *store, mm_store_item *const *items, size_t count, size_t *taken);

mm_store_status mm_sqlite_evaluation(mm_store *store, const char *project, const char *run, const char *split,
                                     int64_t step, const mm_room *room, mm_stored_evaluation **out,
                                     mm_problem *problem);
mm_store_status mm_sqlite_runs(mm_store *store, const char *project, const char *cursor, size_t limit,
                               mm_run_list **out, mm_problem *problem);
mm_store_status mm_sqlite_evaluations(mm_store *store, const char *project, const char *run,
                                      const mm_evaluation_filter *filter, const char *cursor, size_t limit,
                                      mm_evaluation_list **out, mm_problem *problem);
mm_store_status mm_sqlite_run_row(mm_store *store, const char *project, const char *run, mm_run_list **out,
                                  mm_problem *problem);

mm_store_status mm_sqlite_series(mm_store *store, const mm_series_query *query, mm_series_list **out,
                                 mm_problem *problem);
mm_store_status mm_sqlite_bests(mm_store *store, const mm_series_query *query, mm_best_list **out, mm_problem *problem);
mm_store_status mm_sqlite_names(mm_store *store, mm_name_kind kind, const mm_series_query *query, mm_name_list **out,
                                mm_problem *problem);
mm_store_status mm_sqlite_place(mm_store *store, const mm_series_query *query, mm_place *out, mm_problem *problem);

#endif
