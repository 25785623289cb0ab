/*
 * grafana.h - what the routes under /v1/grafana/ share: their parameters, and the life of a request
 */
#ifndef MM_GRAFANA_H
#define MM_GRAFANA_H

#include "server/history_query.h"
#include "server/pack.h"
#include "server/reply_grafana.h"
#include "server/routes.h"

#define MM_CHART_RUNS   100   /* most runs of one answer, unless they are named: those last updated */
#define MM_CHART_VALUES 20000 /* most values of one answer: what a panel can show, and about 1 MB */

/* A request for rows.  The work on the pool's thread leaves its answer in `packed`, or says what is wrong. */
typedef struct mm_rows {
    mm_call *call;
    mm_series_query query;
    mm_chart chart;
    char **runs, **classes; /* one block each */
    const char *order;      /* of images: "worst" or "best" */
    int64_t limit;
    int nothing; /* no row can match: from > to, or no score was chosen */
    mm_store_status found;
    mm_status status;
    mm_problem problem;
    mm_packed packed;
} mm_rows;

/* Reads the parameters, then runs `work` on a thread of the pool. */
mm_next mm_rows_start(mm_call *call, void (*work)(mm_rows *rows));
/* For the work: takes over the text. */
void mm_rows_give(mm_rows *rows, char *text, size_t size);

#endif
