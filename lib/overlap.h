/*
 * overlap.h - soft overlap of a group in its four measures, and classes weighted by volume.  Private to lib/.
 */
#ifndef MM_OVERLAP_H
#define MM_OVERLAP_H

#include "lib/score.h"

/* How overlap is measured: TP and what is left of prediction and label.  PRODUCT: TP = sum p g of P = sum p and G = sum
 * g; SQUARE: of sum p^2 and sum g^2; L1: TP = (P + G - sum |p - g|) / 2; SQUARED_MAP: TP = sum (p g)^2, FP = sum
 * (p (1-g))^2, FN = sum ((1-p) g)^2.  The first three are the choices of the parameter `overlap`. */
typedef enum mm_overlap_of { MM_BY_PRODUCT, MM_BY_SQUARE, MM_BY_L1, MM_BY_SQUARED_MAP } mm_overlap_of;

/* Soft TP, FP, FN, and the sum of g of the group. */
typedef struct mm_soft {
    double tp, fp, fn, g;
} mm_soft;

/* Writes the columns to stats[0], stats[1] ...; returns their number, at most MM_SOFT_STATS.  The rows' further columns
 * follow. */
#define MM_SOFT_STATS 4
size_t mm_soft_stats(mm_overlap_of how, unsigned form, mm_stat *stats);
/* From the group's sum[0], sum[1] ... */
mm_soft mm_soft_of(const mm_group *x, mm_overlap_of how);
/* Of hard masks: from the group's counts. */
mm_soft mm_soft_of_counts(const mm_group *x);
/* a + w b, as generalized Dice and flat sums need it. */
mm_soft mm_soft_add(mm_soft a, double w, mm_soft b);
mm_value mm_soft_score(const mm_soft *x, const mm_overlap *form);

mm_value mm_one_minus(mm_value score);
double mm_log_cosh(double x);

/* Class weight from the label's sum: 1/G^2, 1/G, 1.  Choices of the parameter `weight`. */
typedef enum mm_by_volume { MM_VOLUME_SQUARE, MM_VOLUME_SIMPLE, MM_VOLUME_UNIFORM } mm_by_volume;

/* The score of the weighted sums of `of` over count groups; a class without label takes the greatest weight of the
 * others. */
mm_value mm_generalized_score(const mm_group *x, size_t count, mm_by_volume weight, mm_soft (*of)(const mm_group *x),
                              const mm_overlap *form);

#endif
