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

/* What is kept of one (image, class).  p prediction, g label, both in [0,1].  Sums run over the scored voxels.
 * Numbers are stored: append, never renumber. */
typedef enum mm_stat_kind {
    MM_SUM_P = 1,     /* p */
    MM_SUM_PP = 2,    /* p^2 */
    MM_SUM_PG = 3,    /* p g */
    MM_SUM_G = 4,     /* g */
    MM_SUM_GG = 5,    /* g^2 */
    MM_SUM_AD = 6,    /* |p - g| */
    MM_SUM_POS = 7,   /* g (1-q)^gamma (-log q): cross-entropy with gamma = 0, else focal */
    MM_SUM_NEG = 8,   /* (1-g) q^gamma (-log(1-q)) */
    MM_SUM_LOGP = 9,  /* -log q, every voxel */
    MM_SUM_LOGQ = 10, /* -log(1-q), every voxel */

    MM_SUM_SQUARED_TP = 11, /* (p g)^2 */
    MM_SUM_SQUARED_FP = 12, /* (p (1-g))^2 */
    MM_SUM_SQUARED_FN = 13, /* ((1-p) g)^2 */
    MM_SUM_ERROR_IN = 14,   /* (g-p)^2 g */
    MM_SUM_ERROR_OUT = 15,  /* (g-p)^2 (1-g) */

    /* One class against the rest: BCE = -(g log q + (1-g) log(1-q)), p_t = exp(-BCE), f = (1-p_t)^gamma; with
     * more[0] = t > 0: f = 1 where p_t < t, else ((1-p_t)/t)^gamma; with more[1] = 1: p_t = sigmoid(x (2 g - 1)), x the
     * logit of q, which differs where g is neither 0 nor 1. */
    MM_SUM_BCE_IN = 16,     /* g f BCE */
    MM_SUM_BCE_OUT = 17,    /* (1-g) f BCE */
    MM_SUM_BCE_FACTOR = 18, /* f */

    MM_SUM_LOG_POWER = 19, /* g (-log q)^gamma */
    /* With s = eps: p_t = (1-s) p_y + s/(C-1) sum_{c != y} p_c + s, over the voxels of label y = the class:
     * (1-p_t)^gamma (-log p_t). */
    MM_SUM_SMOOTH_FOCAL = 20,
    /* classes values, value j: p over the voxels whose (hard) label is j */
    MM_SUM_BY_LABEL = 21,

    /* Histograms over more[0] = bins: bins counts, bins sums of confidence, bins sums of being right; q = 1 falls in
     * the last bin.  more[1] = 1: as torchmetrics, one bin more, index (number of edges linspace(0,1,bins+1) <= q) - 1,
     * in float32. */
    MM_HISTOGRAM_CLASS = 22, /* confidence p, right g */
    MM_HISTOGRAM_TOP = 23, /* of an image, at class 0: confidence the greatest p, right where its class is the label */
    MM_HISTOGRAM_P = 24,   /* more[0] = bins: voxels of the label by p, then all others by p; q = 1 in the last */

    /* round() is half to even */
    MM_SUM_ROUND_PG = 25,  /* round(p g) */
    MM_SUM_ROUND_G = 26,   /* round(g) */
    MM_SUM_ROUND_QN = 27,  /* round((1-p)(1-g)) */
    MM_SUM_ROUND_N = 28,   /* round(1-g) */
    MM_SUM_G_ROUND_P = 29, /* g round(p) */
    MM_SUM_N_ROUND_Q = 30, /* (1-g)(1-round(p)) */
    MM_SUM_ALL_RIGHT = 31, /* of an image, at class 0: voxels where every hard mask is the label's */

    /* Thresholds of their own: p >= more[0], or with more[1] = 1: p > more[0] */
    MM_SUM_OVER = 32,           /* voxels of which that is so */
    MM_SUM_OVER_G = 33,         /* g of those voxels */
    MM_SUM_INDEX = 34,          /* voxels whose label was sent as an index */
    MM_SUM_LOG_POWER_REST = 35, /* (1-g) (-log(1-q))^gamma */

    /* From here on the voxels of an image are seen together (image_kinds.h): not sums, but kept and merged alike. */
    MM_IMAGE_KINDS = 64
} mm_stat_kind;

/* What p is made of. */
typedef enum mm_form {
    MM_FORM_NATURAL,      /* probabilities: as sent; logits: softmax (exclusive classes) or sigmoid */
    MM_FORM_SENT,         /* as sent, whatever it is */
    MM_FORM_SIGMOID,      /* of what was sent */
    MM_FORM_SOFTMAX,      /* of what was sent, over the classes; one class: as sent */
    MM_FORM_SOFTMAX_REST, /* over the classes but 0, whose p, and sums, are 0 */
    MM_FORM_APART         /* each class against the rest: probabilities: as sent; logits: sigmoid */
} mm_form;

#define MM_FORM_COUNT 6

/* Kinds that take logarithms: without flags, q is p and only the logarithms are clamped: log max(p, eps),
 * log max(1-p, eps); softmax and sigmoid need no clamp and get none (log-softmax, softplus).
 * MM_STAT_CLIP: q = p clipped to [eps, 1-eps] everywhere, also in the sums of p, p^2, p g and |p - g|.
 * MM_STAT_NORMALIZE: p is first divided by its sum over the classes.  MM_STAT_ODDS: then q / (1 + q), the sigmoid of
 * log q.  MM_STAT_BATCH (image kinds): all images of the upload as one; not kept in records. */
enum mm_stat_flags { MM_STAT_CLIP = 1, MM_STAT_NORMALIZE = 2, MM_STAT_BATCH = 4, MM_STAT_ODDS = 8 };

#define MM_STAT_MORE 6
#define MM_MAX_BINS  1000 /* of a histogram, and classes of a table by label */

/* One column of an image record.  What a kind does not use is 0. */
typedef struct mm_stat {
    unsigned kind;             /* mm_stat_kind, or one of image_kinds.h */
    unsigned flags;            /* mm_stat_flags */
    unsigned form;             /* mm_form */
    double gamma;              /* >= 0 */
    double eps;                /* > 0 where logarithms are clamped */
    double more[MM_STAT_MORE]; /* as the kind says */
} mm_stat;

#define MM_MAX_STATS 64 /* of one plan */

#define MM_CONFUSION_ALWAYS 64  /* classes up to which the confusion table is kept unasked */
#define MM_CONFUSION_MOST   256 /* classes up to which it is kept at all */

int mm_stat_equal(const mm_stat *a, const mm_stat *b);
/* Index of `stat` in `list`, or count when it is not there. */
size_t mm_stat_find(const mm_stat *list, size_t count, const mm_stat *stat);
/* Can hard label maps or masks give it, or does it need probabilities? */
int mm_stat_needs_probs(const mm_stat *stat);
/* Is it of a kind, form and size that this version has? */
int mm_stat_known(const mm_stat *stat);
/* How many values it holds per class; kinds "of an image" leave those of other classes than 0 at 0. */
size_t mm_stat_width(const mm_stat *stat, size_t classes);
/* Where column `index` begins among the values of a record: value w of class c is at offset + w * classes + c.
 * With index = count: how many values there are. */
size_t mm_stats_offset(const mm_stat *stats, size_t index, size_t classes);
/* "the sum of g (1-q)^gamma (-log q) with gamma 2": for the note on a score that records cannot give. */
void mm_stat_describe(const mm_stat *stat, char *text, size_t size);

#define MM_EXACT_PARTIALS 48 /* packed, 41 cover the whole range of double; a few more save packing */

/* An exact sum of doubles (Shewchuk 1997, as Python's fsum): partials that do not overlap, in increasing magnitude.
 * All terms finite.  The rounded sum does not depend on the order of the terms. */
typedef struct mm_exact {
    double partial[MM_EXACT_PARTIALS];
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
