/*
 * history_query.h - what dashboards ask of the history: curves, the newest and the best of them, names, one evaluation.
 *
 * A series is one score of one split of one run, under the name by which it is stored.  Reads: any thread, one snapshot
 * each.  What nobody has stored gives nothing: these reads know no MM_STORE_NOT_FOUND.
 */
#ifndef MM_HISTORY_QUERY_H
#define MM_HISTORY_QUERY_H

#include "server/history.h"

/* Which series, and which of their points.  NULL and 0 mean: all of them. */
typedef struct mm_series_query {
    const char *project;
    char *const *runs;           /* names; by default all runs, last updated first */
    size_t run_count, most_runs; /* most_runs: of those that were not named; 0: all */
    const char *split, *score;
    char *const *classes; /* names */
    size_t class_count;
    mm_evaluation_filter filter; /* its split is not read */
    int per_class;               /* also the values per class */
    int newest;                  /* of each run only the newest point by time */
    int by_step;                 /* points in order of step, not of time */
    int64_t interval;            /* ms: of each such interval the last point only; 1 or less: of each millisecond */
    size_t max_points;           /* of each series, at least 2: every second point is left out until they fit */
    size_t max_values;           /* of all series, classes counted: lowers max_points, then leaves out series; of best
                                  * points and of names: the most, 0: all */
} mm_series_query;

/* A value of one class at one point. */
typedef struct mm_class_value {
    size_t class_index; /* in mm_series_list.classes */
    mm_value value;
    int has_voxels;
    double label_voxels, pred_voxels;
} mm_class_value;

typedef struct mm_point {
    int64_t time, step;
    mm_value value;            /* the score's own */
    size_t first, value_count; /* in mm_series_list.values */
} mm_point;

typedef struct mm_series {
    char *run, *split, *score;
    mm_better better;
    size_t first, point_count; /* in mm_series_list.points */
    size_t found;              /* points before any were left out */
} mm_series;

typedef struct mm_series_list {
    mm_series *series; /* runs as asked for, or last updated first; then splits by name, scores as first stored */
    size_t series_count;
    mm_point *points;
    size_t point_count;
    mm_class_value *values;
    size_t value_count;
    char **classes; /* in order of first appearance, the newest evaluations first */
    size_t class_count;
    int truncated; /* points, series or runs were left out, other than for `interval` */
} mm_series_list;

/* The best point of a series: the highest, or the lowest value, and of equal ones that of the lowest step. */
typedef struct mm_best {
    char *run, *split, *score;
    mm_better better; /* never MM_NEITHER */
    double value;
    int64_t time, step;
    mm_value next; /* the best of the other points; MM_NOT_CHOSEN when there is none */
} mm_best;

typedef struct mm_best_list {
    mm_best *rows;
    size_t count;
    int truncated; /* there are more runs than most_runs, or more series than max_values */
} mm_best_list;

typedef enum mm_name_kind { MM_NAMES_RUNS, MM_NAMES_SPLITS, MM_NAMES_CLASSES, MM_NAMES_SCORES } mm_name_kind;

typedef struct mm_name {
    char *text;
    int64_t updated; /* of the newest run that has it; names come in this order */
} mm_name;

typedef struct mm_name_list {
    mm_name *rows;
    size_t count;
} mm_name_list;

/* Where an evaluation is: what mm_history_evaluation() asks for. */
typedef struct mm_place {
    char *run, *split;
    int64_t step, time;
} mm_place;

/* query: project, runs, split, score, and for series the rest. */
mm_store_status mm_history_series(mm_history *history, const mm_series_query *query, mm_series_list **out,
                                  mm_problem *problem);
mm_store_status mm_history_bests(mm_history *history, const mm_series_query *query, mm_best_list **out,
                                 mm_problem *problem);
/* query: project, runs, max_values. */
mm_store_status mm_history_names(mm_history *history, mm_name_kind kind, const mm_series_query *query,
                                 mm_name_list **out, mm_problem *problem);
/* The newest evaluation, by time, or with `by_step` the one of the highest step.  query: project, runs, split, filter.
 * run NULL when there is none. */
mm_store_status mm_history_place(mm_history *history, const mm_series_query *query, mm_place *out, mm_problem *problem);

void mm_series_list_free(mm_series_list *list); /* NULL is fine, here and below */
void mm_best_list_free(mm_best_list *list);
void mm_name_list_free(mm_name_list *list);
void mm_place_free(mm_place *place); /* its strings */

#endif
