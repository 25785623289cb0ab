/*
 * history_sqlite_choose.h - which runs and series of the SQLite history a query is about
 */
#ifndef MM_HISTORY_SQLITE_CHOOSE_H
#define MM_HISTORY_SQLITE_CHOOSE_H

#include "server/history_sqlite.h"

/* A run that the query is about. */
typedef struct mm_chosen_run {
    int64_t id, updated;
    char *name;
} mm_chosen_run;

typedef struct mm_chosen_runs {
    mm_chosen_run *rows;
    size_t count;
    int more; /* than most_runs */
} mm_chosen_runs;

/* A series that the query is about. */
typedef struct mm_chosen_series {
    int64_t id;
    size_t run; /* in mm_chosen_runs */
    char *split, *score;
    mm_better better;
} mm_chosen_series;

typedef struct mm_selection {
    mm_chosen_runs runs;
    mm_chosen_series *series;
    size_t count;
    int truncated; /* there are more runs, or more series than max_values */
} mm_selection;

/* Both leave what they have when they fail: an SQLite code. */
int mm_choose_runs(mm_connection *reader, const mm_series_query *query, mm_chosen_runs *runs);
int mm_choose_series(mm_connection *reader, const mm_series_query *query, mm_selection *chosen);
void mm_chosen_runs_free(mm_chosen_runs *runs);
void mm_selection_free(mm_selection *chosen);

/* Returns the reader and says how the read ended. */
mm_store_status mm_finish_read(mm_store *store, mm_connection *reader, int code, mm_problem *problem);

#endif
