/*
 * score.h - the private half of a score's row: what it needs, how it is computed, and the general forms.
 */
#ifndef MM_SCORE_H
#define MM_SCORE_H

#include "lib/record.h"

#define MM_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --------------------------------------------------------------- arguments */

/* A checked value of one parameter.
 *
 *   MM_NUMBER, MM_BOOLEAN  number (0 or 1 for a boolean)
 *   MM_WORD                word: which of the choices
 *   MM_LIST                list of numbers
 *   MM_NUMBER_OR_LIST      number, or list of numbers
 *   MM_WORD_OR_LIST        word, or list of numbers
 *   MM_NUMBERS             number, or list of numbers of any length: the row's check says how many
 *   MM_MATRIX              list of classes x classes numbers, row by row
 *
 * A number, a list or a matrix also accepts the choices of its parameter as words (as "none"). */
typedef struct mm_arg {
    int word; /* index among the choices; -1: a number or a list */
    double number;
    double *list; /* owned; NULL: no list */
    size_t count; /* of the list */
} mm_arg;

typedef enum mm_average { MM_MACRO, MM_MICRO, MM_WEIGHTED, MM_SUPPORT, MM_VOXEL } mm_average;
typedef enum mm_stat_of { MM_MEAN, MM_MIN, MM_MAX, MM_P5, MM_P25, MM_P50, MM_P75, MM_P95 } mm_stat_of;
typedef enum mm_chosen { MM_ALL, MM_FOREGROUND, MM_LISTED } mm_chosen;

/* The common parameters of natural scores, resolved. */
typedef struct mm_common {
    int pooled;    /* over=pooled */
    int absent;    /* value of an absent class: 0 or 1; -1: skip it */
    int normalize; /* divide by the sum of the weights, not by their number */
    mm_average average;
    mm_stat_of stat; /* over the images */
    mm_chosen chosen;
    const double *class_list; /* MM_LISTED: class_count indices */
    size_t class_count;
} mm_common;

/* What one score of a plan was asked with.  classes and task are known once the plan is bound. */
typedef struct mm_args {
    mm_arg *own; /* in the order of the row's params */
    mm_common common;
    mm_task task;
    size_t classes;
    unsigned spatial_rank;    /* 0: not known, as in a merged evaluation */
    mm_label_kind label_kind; /* MM_LABEL_AUTO: not known */
} mm_args;

/* The number of class c: its own in a list, else the one number. */
double mm_arg_of_class(const mm_arg *arg, size_t c);
/* Was class c chosen?  MM_FOREGROUND: all but class 0, when there are others. */
int mm_class_chosen(const mm_common *common, size_t c, size_t classes);

/* ------------------------------------------------------------------ groups */

#define MM_ROW_STATS 12 /* sums of one row */

/* Counts and sums of one group: an (image, class), or several added up. */
typedef struct mm_group {
    uint64_t scored;                  /* voxels */
    uint64_t ignored;                 /* voxels with the ignored label, which are not scored */
    uint64_t label, pred, both;       /* hard counts: label, prediction, both (TP) */
    double support;                   /* sum of g where the row needs it, else the label count */
    double sum[MM_ROW_STATS];         /* in the order of the row's stats; of several values the first */
    const double *wide[MM_ROW_STATS]; /* all values of a column: mm_wide(); NULL in a group of several classes */
    size_t step;                      /* from one of them to the next */
    const uint64_t *row;              /* voxels of this label by predicted class, where the row needs the table */
    size_t index;                     /* the class; of several classes the first */
} mm_group;

/* Value w of the i-th column of the row's stats. */
double mm_wide(const mm_group *x, size_t i, size_t w);
/* The i-th column is of an image as a whole (image_kinds.h): why it has no values, or MM_DEFINED. */
mm_reason mm_whole_reason(const mm_group *x, size_t i);

/* The groups of one score over one set of images. */
typedef struct mm_cells {
    const mm_images *images;
    size_t need_count;
    size_t support;             /* which need is the sum of g; need_count: none */
    size_t width[MM_ROW_STATS]; /* values of each need */
    int batch[MM_ROW_STATS];    /* is it of all images as one? */
    size_t *column;             /* images x need_count: where the values of the record begin */
    size_t values;              /* of all needs together */
    double *pooled;             /* room for them, per class and for classes added up */
    uint64_t *table;            /* room for a table of pairs of classes; NULL: not needed */
    mm_group *groups;           /* room for one per class */
} mm_cells;

mm_group mm_cell(const mm_cells *cells, size_t image, size_t c);
/* Class c over all images: added exactly, rounded once. */
mm_group mm_cell_pooled(const mm_cells *cells, size_t c);
#define MM_ALL_IMAGES SIZE_MAX
/* All classes of an image, or of MM_ALL_IMAGES: in cells->groups, until the next call. */
const mm_group *mm_cells_of(const mm_cells *cells, size_t image);

/* ------------------------------------------------------------------ values */

mm_value mm_defined(double value); /* what JSON cannot say becomes MM_ZERO_DENOMINATOR */
mm_value mm_undefined(mm_reason reason);
mm_value mm_ratio(double above, double below, mm_reason when_zero);

/* score = (k TP + n0) / max(k TP + a FP + b FN + d0, eps): every overlap score (eps 0: no clamp).
 * Undefined (zero_denominator) when the denominator is 0. */
typedef struct mm_overlap {
    double k, a, b, n0, d0, eps;
} mm_overlap;

mm_value mm_overlap_score(double tp, double fp, double fn, const mm_overlap *form);

/* What one class adds to an entropy score: the sum of its terms, and how many voxels they are averaged over.
 * partition: the voxels of all classes together are those of the image (exclusive classes). */
typedef struct mm_terms {
    double sum, voxels;
    int partition;
} mm_terms;

/* -------------------------------------------------------------------- rows */

/* One score.  Exactly one of per_class, joint, entropy, list, peer and parts is set; or per_class and joint, and
 * `apart` says which one is meant. */
typedef struct mm_score {
    mm_score_info info;
    /* The sums it needs, in the order of mm_group.sum; NULL: the counts are enough. */
    size_t (*stats)(const mm_args *args, mm_stat stats[MM_ROW_STATS]);
    /* What is wrong with arguments that are fine one by one, in a sentence, or NULL.  Called when the plan is bound. */
    const char *(*check)(const mm_args *args);
    mm_value (*per_class)(const mm_group *x, const mm_args *args);
    mm_value (*joint)(const mm_group *x, size_t count, const mm_args *args); /* the chosen classes of an image */
    mm_terms (*entropy)(const mm_group *x, const mm_args *args);
    int (*apart)(const mm_args *args); /* per class? */
    /* Fills list (as many values as shape says, MM_NOT_CHOSEN before) from the chosen classes of an image, or pooled.
     */
    void (*list)(const mm_group *x, size_t count, const mm_args *args, mm_value *list);
    /* A named sum(): its terms as text, in which {name} stands for the value of an own parameter, {1-name} for 1 minus
     * it, and {common} for the common parameters, which the scores of all terms must have. */
    const char *parts;
    /* Fills list (one value, or as many as shape says) from all images in stored order, all classes. */
    void (*peer)(const mm_cells *cells, const mm_args *args, mm_value *list);
    unsigned (*shape)(const mm_args *args, size_t images, size_t dim[3]); /* rank of a list; NULL: a number */
    /* A remark on what `peer` gave (where the peer itself is wrong or odd), or NULL. */
    const char *(*note)(const mm_cells *cells, const mm_args *args, const mm_value *list);
    int always;          /* defined where the class is absent, too: counts, and joint scores that take any image */
    int by_image;        /* joint: over=pooled is the mean over images, too */
    int table;           /* needs the table of pairs of exclusive classes (independent masks: the counts are enough) */
    int exclusive;       /* needs exclusive classes */
    int probs;           /* needs probabilities, also where hard masks could give its sums */
    int logits;          /* needs pred_kind=logits */
    const char *example; /* with what it requires; NULL: the name alone */
    double witness;      /* value of the example on p = 1 .5 .5 0, g = 1 1 0 0, one class; where only
                          * exclusive classes will do: two, p and 1 - p, g and 1 - g */
} mm_score;

/* The rows of one file. */
typedef struct mm_score_family {
    const mm_score *rows;
    size_t count;
} mm_score_family;

/* Common parameters: of class scores, of counts (never absent), of joint scores, of joint scores that take any image,
 * of entropy scores, of named sums and of entropy scores that are averaged over classes. */
extern const mm_param mm_common_class[6];
extern const mm_param mm_common_count[5];
extern const mm_param mm_common_joint[4];
extern const mm_param mm_common_whole[3];
extern const mm_param mm_common_entropy[6];
extern const mm_param mm_common_sum[5];
/* Of scores that see an image as a whole (image_kinds.h), which have no pooled sums: of each class, or joint. */
extern const mm_param mm_common_image[6];
extern const mm_param mm_common_image_joint[3];
extern const mm_param mm_common_image_sum[5]; /* of named sums with such a term */
extern const mm_param mm_common_image_entropy[6];

/* The common parameters of `info`, resolved from values in the order of its `common` (lists stay borrowed).
 * A sentence when they do not go together, else NULL. */
const char *mm_common_resolve(mm_common *common, const mm_score_info *info, const mm_arg *values);

/* ----------------------------------------------------------------- scoring */

/* A result with the arrays that it owns. */
typedef struct mm_scored {
    mm_result result;
    mm_value *per_class, *per_image, *list;
    char note[256];
} mm_scored;

/* One row over a set of images.  weights: one per class, or NULL.  On failure `out` holds nothing. */
mm_status mm_score_images(mm_scored *out, const mm_score *row, const mm_args *args, const mm_images *images,
                          const double *weights);
void mm_scored_clear(mm_scored *scored);

#endif
