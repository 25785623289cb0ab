/*
 * plan.h - a checked list of expressions, and what it asks of the pass over the voxels.  Private to lib/.
 */
#ifndef MM_PLAN_H
#define MM_PLAN_H

#include "lib/score.h"

#define MM_MAX_SUM_DEPTH 8 /* sum() inside sum(); the terms of a named sum may be one deeper */

/* A score or a sum, written as sum() or named (row->parts).  The terms of a sum follow it, up to `end`; those of its
 * own are one deeper. */
typedef struct mm_node {
    const mm_score *row; /* NULL: sum() */
    double factor;       /* in the sum around it */
    unsigned depth;      /* sums around it */
    size_t end;          /* index past its last term */
    mm_arg *values;      /* the row's params, then its common ones; NULL when it has none */
    mm_args args;        /* own borrows `values` */
} mm_node;

/* One expression of the list. */
typedef struct mm_item {
    char *alias;      /* NULL: none */
    char *expression; /* blanks removed */
    size_t node;
    mm_better better;
} mm_item;

struct mm_plan {
    mm_node *nodes;
    size_t node_count, node_room;
    mm_item *items;
    size_t item_count;
    char *text;      /* the whole list */
    int standard;    /* the default set: what the input cannot give is dropped */
    int drop_images; /* results keep no per_image */
    size_t classes;  /* 0: not bound */
    mm_task task;
    mm_stat stats[MM_MAX_STATS]; /* once bound */
    size_t stat_count;
};

/* The distinct sums that the bound plan needs, at most MM_MAX_STATS of them; returns their number. */
size_t mm_plan_stats(const mm_plan *plan, mm_stat stats[MM_MAX_STATS]);

/* Does a score of the bound plan need the table of pairs of classes? */
int mm_plan_needs_table(const mm_plan *plan);

/* Fills problem (NULL is fine) with param "scores" and a formatted text; returns status. */
mm_status mm_plan_fault(mm_problem *problem, mm_status status, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;
/* Writes plan->text anew from the items. */
mm_status mm_plan_write(mm_plan *plan);

#endif
