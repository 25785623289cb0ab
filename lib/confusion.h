/*
 * confusion.h - the table of pairs of classes (row: label, column: prediction), and agreement computed of it.
 * Private to lib/.
 */
#ifndef MM_CONFUSION_H
#define MM_CONFUSION_H

#include "lib/score.h"

/* Of exclusive classes a row and a column for each class added; of independent masks 2 x 2 (0: not of the class, 1: of
 * it), added up over the classes.  Start from a zeroed struct. */
typedef struct mm_table {
    size_t count;                             /* rows and columns */
    const uint64_t *pairs[MM_CONFUSION_MOST]; /* borrowed: of row i by predicted class; NULL: masks */
    size_t index[MM_CONFUSION_MOST];          /* the class of row and column i */
    double square[2][2];                      /* of masks */
    double row[MM_CONFUSION_MOST], column[MM_CONFUSION_MOST], total; /* sums, once mm_table_close() is called */
} mm_table;

void mm_table_add_class(mm_table *table, const mm_group *x); /* of exclusive classes; at most MM_CONFUSION_MOST */
void mm_table_add_mask(mm_table *table, const mm_group *x);  /* its hard counts */
void mm_table_add_counts(mm_table *table, double tp, double fp, double fn, double tn);
void mm_table_close(mm_table *table);

double mm_table_cell(const mm_table *table, size_t row, size_t column);

/* Choices of a parameter that normalizes. */
typedef enum mm_share_of { MM_SHARE_NONE, MM_SHARE_LABEL, MM_SHARE_PREDICTION, MM_SHARE_ALL } mm_share_of;
/* A cell over the sum of its row, of its column, or of all; 0 where that is 0. */
double mm_table_share(const mm_table *table, size_t row, size_t column, mm_share_of by);

/* What it costs to take class i for class j: 1[i != j], |i - j|, (i - j)^2.  Choices of a parameter `weights`. */
typedef enum mm_cost { MM_COST_EQUAL, MM_COST_LINEAR, MM_COST_QUADRATIC } mm_cost;
/* 1 - sum w M / sum w E, E = row sum x column sum / total */
mm_value mm_table_kappa(const mm_table *table, mm_cost cost);
/* (c S - sum t_k p_k) / sqrt((S^2 - sum p_k^2) (S^2 - sum t_k^2)); c trace, S total, t row sums, p column sums */
mm_value mm_table_mcc(const mm_table *table);

#endif
