/*
 * sums.h - the sums that every score is made of, and the one order in which they are added.
 *
 * Why ranks and threads give the same bits:
 *
 *   Within an image, voxel v (row-major spatial index, whatever the layout) belongs to lane v mod 16 of chunk
 *   v div 1024.  A chunk adds its 64 terms per lane in order, in double, then folds its 16 lanes pairwise
 *   (8 + i onto i, then 4, 2, 1).  Chunks are added in order of index.  A voxel that is not scored adds 0.
 *   Terms are made of plain additions, multiplications and divisions (no contraction, no library function but
 *   sqrt, fabs, floor), so they are the same bits on every machine.
 *
 *   Across images, per-image sums are added exactly and rounded once (mm_exact), so the result does not depend on
 *   order or grouping.
 *
 * Counts are integers and need no order.
 */
#ifndef MM_SUMS_H
#define MM_SUMS_H

#include "lib/maskmeter.h"

#define MM_LANES 16
#define MM_CHUNK 1024 /* voxels; a multiple of MM_LANES */

/* What is summed over the scored voxels of one (image, class).  p prediction, g label, both in [0,1].
 * Numbers are stored: append, never renumber. */
typedef enum mm_stat_kind {
    MM_SUM_P = 1,    /* p */
    MM_SUM_PP = 2,   /* p^2 */
    MM_SUM_PG = 3,   /* p g */
    MM_SUM_G = 4,    /* g */
    MM_SUM_GG = 5,   /* g^2 */
    MM_SUM_AD = 6,   /* |p - g| */
    MM_SUM_POS = 7,  /* g (1-q)^gamma (-log q): cross-entropy with gamma = 0, else focal */
    MM_SUM_NEG = 8,  /* (1-g) q^gamma (-log(1-q)) */
    MM_SUM_LOGP = 9, /* -log q, every voxel */
    MM_SUM_LOGQ = 10 /* -log(1-q), every voxel */
} mm_stat_kind;

/* Kinds MM_SUM_POS .. MM_SUM_LOGQ:
 * without flags, q is p and only the logarithms are clamped: log max(p, eps), log max(1-p, eps); input given as
 * logits needs no clamp and gets none (log-softmax, softplus).
 * MM_STAT_CLIP: q = p clipped to [eps, 1-eps] everywhere.  MM_STAT_NORMALIZE: p is first divided by its sum over the
 * classes. */
enum mm_stat_flags { MM_STAT_CLIP = 1, MM_STAT_NORMALIZE = 2 };

/* One column of an image record.  Kinds 1 .. 6 have flags, gamma and eps 0. */
typedef struct mm_stat {
    unsigned kind;  /* mm_stat_kind */
    unsigned flags; /* mm_stat_flags */
    double gamma;   /* >= 0 */
    double eps;     /* > 0 where logarithms are clamped */
} mm_stat;

#define MM_MAX_STATS 64 /* of one plan */

int mm_stat_equal(const mm_stat *a, const mm_stat *b);
/* Index of `stat` in `list`, or count when it is not there. */
size_t mm_stat_find(const mm_stat *list, size_t count, const mm_stat *stat);
/* Can hard label maps or masks give it (kinds 1 .. 6), or does it need probabilities? */
int mm_stat_needs_probs(const mm_stat *stat);

#define MM_EXACT_PARTIALS 48 /* packed, 41 cover the whole range of double; a few more save packing */

/* An exact sum of doubles (Shewchuk 1997, as Python's fsum): partials that do not overlap, in increasing magnitude.
 * All terms finite.  The rounded sum does not depend on the order of the terms. */
typedef struct mm_exact {
    double   partial[MM_EXACT_PARTIALS];
    unsigned count;
} mm_exact;

void mm_exact_add(mm_exact *sum, double term); /* start from a zeroed struct */
double mm_exact_round(const mm_exact *sum);    /* half to even, as fsum */

/* Elementary functions of plain operations: the same bits everywhere; relative error below 1e-14. */
double mm_exp(double x);           /* 0 below -708; e^709 above 709 */
double mm_log(double x);           /* x >= 0, not subnormal; log 0 is -infinity */
double mm_pow(double x, double y); /* x >= 0, y >= 0; pow(0, 0) = 1; exact for y = 0, 1, 2 */
double mm_log1p(double x);         /* x >= 0 */

#endif
