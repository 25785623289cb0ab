/*
 * reply_grafana.h - answers of /v1/grafana/ as JSON: {"rows":[...],"meta":{...}}, one row after the other.
 */
#ifndef MM_REPLY_GRAFANA_H
#define MM_REPLY_GRAFANA_H

#include "server/history_query.h"

typedef enum mm_chart_shape { MM_SHAPE_LONG, MM_SHAPE_VALUE, MM_SHAPE_WIDE, MM_SHAPE_WIDE_RUNS } mm_chart_shape;

/* How rows name what they show. */
typedef struct mm_chart {
    const char *score; /* or NULL */
    mm_chart_shape shape;
    int by_step;              /* x is "step", not "Time" */
    int show_run, show_split; /* the query did not fix them */
} mm_chart;

/* A value of one image and class, for the list of the worst ones. */
typedef struct mm_image_value {
    const char *image, *class_name; /* class_name NULL: the score is a joint one */
    mm_value value;
} mm_image_value;

/* Of one class (or of the joint score): percentiles over the images where it is defined. */
#define MM_PERCENTILES 7
extern const double mm_percentiles[MM_PERCENTILES]; /* 0, 5, 25, 50, 75, 95, 100 */

typedef struct mm_distribution {
    const char *class_name;
    size_t images; /* of which it is defined; 0: the rest is not set */
    double mean, at[MM_PERCENTILES];
} mm_distribution;

/* All of these return malloc'ed JSON text and its size; NULL: out of memory. */
char *mm_reply_series(const mm_series_list *list, const mm_chart *chart, size_t *size);
char *mm_reply_latest(const mm_series_list *list, const mm_chart *chart, size_t *size);
char *mm_reply_best(const mm_best_list *list, size_t *size);
/* Only those of from <= time <= to. */
char *mm_reply_annotations(const mm_best_list *list, const mm_chart *chart, int64_t from, int64_t to, size_t *size);
char *mm_reply_names(const mm_name_list *list, int with_day, size_t *size);
/* images NULL or without the counts: no rows.  place: the evaluation that is shown, for meta, here and below; run NULL:
 * none. */
char *mm_reply_confusion(const mm_images *images, char *const *class_names, const mm_place *place, size_t *size);
char *mm_reply_worst(const mm_image_value *values, size_t count, size_t found, const char *score, const mm_place *place,
                     size_t *size);
char *mm_reply_distributions(const mm_distribution *rows, size_t count, const char *score, const mm_place *place,
                             size_t *size);

#endif
