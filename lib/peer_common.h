/*
 * peer_common.h - what the peers' files share: hard counts and rates, means, checks of arguments.
 */
#ifndef MM_PEER_COMMON_H
#define MM_PEER_COMMON_H

#include "lib/overlap.h"
#include "lib/peer.h"

/* ------------------------------------------------------------- hard counts */

/* Voxels of one class against the rest. */
typedef struct mm_counts {
    double tp, fp, fn, tn;
} mm_counts;

mm_counts mm_counts_of(const mm_group *x);
mm_counts mm_counts_add(mm_counts a, mm_counts b);
/* All classes of an image added up. */
mm_counts mm_counts_of_image(const mm_cells *cells, size_t image);

/* The same with a threshold that is not the request's: two columns, stats[0] and stats[1], and what they say.
 * strictly: p > threshold, else p >= threshold. */
#define MM_OVER_STATS 2
size_t mm_over_stats(double threshold, int strictly, mm_stat *stats);
mm_counts mm_counts_over(const mm_group *x);

typedef enum mm_rate {
    MM_RATE_SENSITIVITY,          /* TP / (TP + FN) */
    MM_RATE_SPECIFICITY,          /* TN / (TN + FP) */
    MM_RATE_PRECISION,            /* TP / (TP + FP) */
    MM_RATE_NPV,                  /* TN / (TN + FN) */
    MM_RATE_MISS,                 /* FN / (TP + FN) */
    MM_RATE_FALL_OUT,             /* FP / (TN + FP) */
    MM_RATE_FALSE_DISCOVERY,      /* FP / (TP + FP) */
    MM_RATE_FALSE_OMISSION,       /* FN / (TN + FN) */
    MM_RATE_PREVALENCE_THRESHOLD, /* (sqrt(tpr fpr) - fpr) / (tpr - fpr) */
    MM_RATE_IOU,                  /* TP / (TP + FP + FN) */
    MM_RATE_ACCURACY,             /* (TP + TN) / all */
    MM_RATE_BALANCED_ACCURACY,    /* (tpr + tnr) / 2 */
    MM_RATE_FBETA,                /* (1 + B^2) TP / ((1 + B^2) TP + B^2 FN + FP) */
    MM_RATE_MCC,                  /* (TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)) */
    MM_RATE_FOWLKES_MALLOWS,      /* sqrt(ppv tpr) */
    MM_RATE_INFORMEDNESS,         /* tpr + tnr - 1 */
    MM_RATE_MARKEDNESS,           /* ppv + npv - 1 */
    MM_RATE_POSITIVE_LIKELIHOOD,  /* tpr / fpr */
    MM_RATE_NEGATIVE_LIKELIHOOD   /* fnr / tnr */
} mm_rate;

/* IEEE arithmetic: 0/0 is NAN, x/0 infinite; mm_defined() makes both undefined.  beta: of MM_RATE_FBETA. */
double mm_rate_of(mm_rate rate, const mm_counts *x, double beta);

/* -------------------------------------------------------------------- means */

/* sum w x and sum w over the defined values; undefined ones are left out. */
typedef struct mm_mean {
    mm_exact above, below;
    size_t count;     /* defined values */
    mm_reason reason; /* of those left out: the one with the lowest number */
} mm_mean;

void mm_mean_add(mm_mean *mean, mm_value x, double weight); /* start from a zeroed struct */
/* sum w x / sum w; the reason when nothing is defined (no value at all: MM_NO_VOXELS). */
mm_value mm_mean_value(const mm_mean *mean);
mm_value mm_mean_sum(const mm_mean *mean); /* sum w x, the same way */
/* The mean, undefined when one value is. */
mm_value mm_mean_complete(const mm_mean *mean);
/* a x + b y, undefined when one of them is. */
mm_value mm_mix(double a, mm_value x, double b, mm_value y);

/* What a peer makes of one (image, class), or of one class over all images. */
typedef mm_value (*mm_cell_value)(const mm_group *x, const mm_args *args);

/* list[c], of the sums over all images. */
void mm_list_pooled(const mm_cells *cells, const mm_args *args, mm_cell_value value, mm_value *list);
/* Shapes of lists, for mm_score.shape and for functions that choose one. */
unsigned mm_shape_images_classes(const mm_args *args, size_t images, size_t dim[3]);
unsigned mm_shape_images(const mm_args *args, size_t images, size_t dim[3]);
unsigned mm_shape_classes(const mm_args *args, size_t images, size_t dim[3]);

/* --------------------------------------------------------------- arguments */

/* Was a word given (most often "none") where a number or a list could be? */
int mm_is_word(const mm_arg *arg);
/* The number of class c: its own in a list, the only one of a list, or the one number. */
double mm_number_of_class(const mm_arg *arg, size_t c);
/* The same of a weight: 1 when a word was given. */
double mm_weight_of_class(const mm_arg *arg, size_t c);
/* NULL when a count that the peer takes agrees with the data, or was left out ("none"). */
const char *mm_check_classes(const mm_arg *arg, const mm_args *args);
/* NULL when a list is a word, a number, one number, or one per class. */
const char *mm_check_per_class(const mm_arg *arg, const mm_args *args);

/* clang-format off */
#define MM_PARAMS(LIST) .params = LIST, .param_count = MM_COUNT(LIST)
#define MM_PARAM_NUM_CLASSES {"num_classes", MM_NUMBER, "none", 1, 4096, "none", "accepted when it is the number of classes of the data"}
/* The peer's own rule for ignored voxels: `standard` is its default. */
#define MM_PARAM_IGNORE_INDEX(standard) {"ignore_index", MM_NUMBER, standard, -2147483648.0, 2147483647.0, "none", \
    "label that is not scored; name the same value as the request's ignore_index"}
/* clang-format on */

#endif
