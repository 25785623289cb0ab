/*
 * history_sqlite_check.h - is a file ours, of a version that we read, and undamaged?
 *
 * Looking for damage reads the whole file.  A small one is looked through before anything else; a large one on a thread
 * beside the work, so that a server is back soon after a crash.
 */
#ifndef MM_HISTORY_SQLITE_CHECK_H
#define MM_HISTORY_SQLITE_CHECK_H

#include "server/history_sqlite.h"

/* First column of the first row of `sql` as text in `out`; "" when there is none. */
int mm_sqlite_ask(sqlite3 *db, const char *sql, char *out, size_t size);

/* Is the file empty or ours, and not newer than we are?  `name` is what problem->text calls it.  An SQLite code;
 * SQLITE_MISUSE with a problem when the file is sound but not for us. */
int mm_sqlite_check_kind(sqlite3 *db, const char *name, long *version, mm_problem *problem);
/* Runs "quick_check" or "integrity_check": SQLITE_CORRUPT when it finds something. */
int mm_sqlite_check_pages(sqlite3 *db, const char *pragma);

/* Small enough to be looked through while everyone waits? */
#define MM_SQLITE_CHECKED_AT_ONCE ((int64_t)32 << 20)
int64_t mm_sqlite_file_size(const char *file);

/* Looks for damage on a thread of its own; store->check says how far it is.  A thread that cannot be started is a
 * failure: MM_STORE_BUSY. */
mm_store_status mm_sqlite_check_start(mm_store *store, mm_problem *problem);
/* Ends it, now if need be.  Before the store's readers are closed. */
void mm_sqlite_check_stop(mm_store *store);

#endif
