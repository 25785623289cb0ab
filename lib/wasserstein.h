/*
 * wasserstein.h - generalized Wasserstein Dice: errors between near classes cost less.  Private to lib/.
 */
#ifndef MM_WASSERSTEIN_H
#define MM_WASSERSTEIN_H

#include "lib/score.h"

#define MM_WASSERSTEIN_CLASSES 64 /* at most: up to here tables of label by class are kept */

typedef struct mm_wasserstein {
    const double *distance; /* classes x classes, row = label; NULL: 1 between any two classes */
    size_t classes;
    int by_volume; /* alpha = 1 / (G + 1) of each label, also on the errors; else 1, and 0 for class 0 */
    double smooth_nr, smooth_dr;
} mm_wasserstein;

/* 1 - (2 T + nr) / (2 T + E + dr).  W_v = sum_c M[y_v,c] p_c with M the distance over its maximum; T = sum alpha (1 -
 * W); E = sum W, or by volume sum alpha W.  x: the classes of one image, whose column `by_label` is MM_SUM_BY_LABEL. */
mm_value mm_wasserstein_loss(const mm_group *x, size_t count, size_t by_label, const mm_wasserstein *form);

#endif
