/*
 * history_ops.h - what a database does for the history: the one table of functions that each of them fills.
 *
 * write(), tend(), sweep() and close() are called by the writer thread alone; the reads by any thread at any time
 * between open() and close().
 */
#ifndef MM_HISTORY_OPS_H
#define MM_HISTORY_OPS_H

#include "server/history_query.h"

typedef struct mm_store mm_store; /* each database has its own */

typedef struct mm_store_ops {
    mm_store_status (*open)(mm_store **out, const char *where, mm_problem *problem);
    void (*close)(mm_store *store);

    void (*set_memory)(mm_store *store, const mm_store_memory *memory);
    size_t (*let_go)(mm_store *store, size_t bytes);

    /* Carries out the first *taken of the items, at least one, in order, in one transaction, and sets their status.
     * One item's conflict, or its lack of room, does not hurt the others; what fails the transaction becomes the status
     * of all of them.  What is returned is the store's health.  `scores` of the touched evaluations are written by the
     * same transaction. */
    mm_store_status (*write)(mm_store *store, mm_store_item *const *items, size_t count, size_t *taken);
    /* Nothing waits: housekeeping, and proof that writing works where the last write found no space. */
    mm_store_status (*tend)(mm_store *store, mm_store_status last);
    /* Between groups: takes away a bounded amount of what was deleted, *more: that was not all; keeps the log short. */
    mm_store_status (*sweep)(mm_store *store, int *more);
    /* Any thread: how far is the look for damage? */
    mm_store_check (*check)(mm_store *store);
    /* Any thread: bytes that the disk still takes; INT64_MAX when it does not say. */
    int64_t (*room)(const mm_store *store);

    mm_store_status (*evaluation)(mm_store *store, const char *project, const char *run, const char *split,
                                  int64_t step, const mm_room *room, mm_stored_evaluation **out, mm_problem *problem);
    mm_store_status (*runs)(mm_store *store, const char *project, const char *cursor, size_t limit, mm_run_list **out,
                            mm_problem *problem);
    mm_store_status (*evaluations)(mm_store *store, const char *project, const char *run,
                                   const mm_evaluation_filter *filter, const char *cursor, size_t limit,
                                   mm_evaluation_list **out, mm_problem *problem);
    mm_store_status (*run_row)(mm_store *store, const char *project, const char *run, mm_run_list **out,
                               mm_problem *problem);
    mm_store_status (*tokens)(mm_store *store, mm_token **out, size_t *count, mm_problem *problem);

    mm_store_status (*series)(mm_store *store, const mm_series_query *query, mm_series_list **out, mm_problem *problem);
    mm_store_status (*bests)(mm_store *store, const mm_series_query *query, mm_best_list **out, mm_problem *problem);
    mm_store_status (*names)(mm_store *store, mm_name_kind kind, const mm_series_query *query, mm_name_list **out,
                             mm_problem *problem);
    mm_store_status (*place)(mm_store *store, const mm_series_query *query, mm_place *out, mm_problem *problem);
} mm_store_ops;

extern const mm_store_ops mm_store_sqlite;

#endif
