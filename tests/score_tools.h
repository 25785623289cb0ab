/*
 * score_tools.h - small images made by hand, their sums added naively, and scores of them.
 */
#ifndef MM_SCORE_TOOLS_H
#define MM_SCORE_TOOLS_H

#include "lib/plan.h"

/* Predictions and labels, [images][classes][voxels] each. */
typedef struct data {
    mm_task task;
    size_t images, classes, voxels;
    double *p, *g;
    mm_pred_kind pred_kind; /* what p is said to be: MM_LOGITS, else probabilities */
    unsigned spatial_rank;  /* 0: one axis of all voxels */
    size_t spatial[3];      /* else these, whose product `voxels` is */
    double spacing[3];      /* of them, as the request says; the first 0: it does not */
} data;

/* Random ones: exclusive classes (rows of p sum to 1, g one-hot) or independent masks.  Never fails: exits. */
data data_random(mm_task task, size_t images, size_t classes, size_t voxels, unsigned seed);
/* From `values`: p, then g. */
data data_given(mm_task task, size_t images, size_t classes, size_t voxels, const double *values);
void data_free(data *d);

double p_at(const data *d, size_t n, size_t c, size_t v);
double g_at(const data *d, size_t n, size_t c, size_t v);
/* The hard masks: first greatest of exclusive classes, or above one half (logits: above 0). */
int hard_p(const data *d, size_t n, size_t c, size_t v);
int hard_g(const data *d, size_t n, size_t c, size_t v);

/* An expression, bound, over images that hold its sums. */
typedef struct scored {
    mm_plan *plan;
    mm_images *images;
    mm_results *results;
    const mm_result *first; /* of the first expression */
} scored;

/* A plan that is bound to the data; NULL when it does not parse or bind. */
mm_plan *bound_plan(const data *d, const char *expressions);
/* Why it does not parse or bind; MM_OK when it does. */
mm_status refusal_of(const data *d, const char *expressions, mm_problem *problem);
/* Expressions that are refused, and a part of what the refusal says. */
typedef struct refusal {
    const char *text, *part;
} refusal;
void check_refusals(const data *d, const refusal *bad, size_t count);
/* Images `from` to `to` - 1 of the data with the plan's sums, named "0/n".  With kinds that see images as a whole the
 * engine gathers them, else they are added naively. */
mm_images *images_of(const data *d, const mm_plan *plan, size_t from, size_t to);
/* The same from the engine, the labels sent as indices of the (exclusive) classes. */
mm_images *indexed_images_of(const data *d, const mm_plan *plan, size_t from, size_t to);
/* All of it; `first` is NULL when something failed.  Release with scored_free(). */
scored score(const data *d, const char *expressions, const double *weights);
void scored_free(scored *s);

/* The value of one expression; NAN when it is not defined or something failed. */
double value_of(const data *d, const char *expression, const double *weights);
mm_reason reason_of(const data *d, const char *expression);
int close_to(double a, double b); /* 1e-12 relative or absolute */

/* name(arguments,more), without what is empty. */
const char *expression_of(char *text, size_t size, const char *name, const char *arguments, const char *more);
/* Fails the test, and says what it was, when the value or that of class c is another. */
void check_value(const data *d, const char *expression, const double *weights, double expected);
void check_class(const data *d, const char *expression, size_t c, mm_reason reason, double value);

#endif
