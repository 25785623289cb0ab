/*
 * chunk.h - from tensors to the sums of one chunk of voxels.  Private to lib/.
 */
#ifndef MM_CHUNK_H
#define MM_CHUNK_H

#include <stdatomic.h>

#include "lib/kernels.h"

#define MM_MAX_CLASSES 4096 /* class indices are exact in float, and the scratch has room */

/* Where the elements of a tensor lie; strides in elements. */
typedef struct mm_axes {
    const unsigned char *base;
    mm_dtype dtype;
    size_t size; /* bytes of an element */
    size_t image_stride, class_stride, voxel_stride;
} mm_axes;

/* The sums that the pass gathers. */
typedef struct mm_columns {
    mm_stat stats[MM_MAX_STATS];
    unsigned form[MM_MAX_STATS];  /* resolved: never MM_FORM_NATURAL */
    size_t offset[MM_MAX_STATS];  /* of a column among the values of a chunk */
    size_t count, values;         /* columns, and values of a chunk */
    int form_used[MM_FORM_COUNT]; /* has some column that form? */
    int p, pp, pg, g, gg;         /* place of the plain sums of what was sent, or -1 */
    int fast;                     /* nothing but what run_fast() gathers */
    int normalize;                /* some column needs the sum of p over the classes */
    int negative;                 /* some column takes -log(1-q) */
    int joint;                    /* some column is of all classes together */
    int all_right;                /* some column counts voxels that are right in every class */
} mm_columns;

/* How pred and label are read. */
typedef enum mm_way {
    MM_WAY_MAPS, /* two label maps: counts say all */
    MM_WAY_FAST, /* exclusive classes, float probabilities: float planes where the labels are hard */
    MM_WAY_ROWS, /* exclusive classes, anything else */
    MM_WAY_MASKS /* independent masks */
} mm_way;

/* Hard classes and masks of each voxel, for kinds that compare masks; NULL: not asked for. */
typedef struct mm_maps {
    uint16_t *label, *pred; /* [image][voxel]: class, MM_NO_CLASS where not scored; exclusive classes */
    unsigned char *masks;   /* [image][class][voxel]: kernels_surface.h; independent masks, or channels by themselves */
} mm_maps;

/* What all chunks of an evaluation share, and what they add to without order. */
typedef struct mm_pass {
    const mm_kernels *k;
    mm_way way;
    unsigned natural; /* mm_form: what MM_FORM_NATURAL means for this input */
    mm_shape shape;
    mm_axes pred, label, mask;
    int has_mask, has_ignore;
    int bytes; /* masks of bytes on both sides, of which only counts are needed: MM_WAY_MASKS can take them as they are
                */
    int64_t ignore;
    double threshold;
    double spacing[3]; /* of the spatial axes */
    mm_columns columns;
    size_t chunks;            /* of one image */
    mm_maps maps;             /* borrowed */
    double *partials;         /* [image][chunk][value][class] */
    size_t confusion_classes; /* classes when pairs are counted, 0 when only the margins are */

    _Atomic uint64_t *scored, *unmasked;  /* [image] */
    _Atomic uint64_t *counts;             /* [image][label, pred, both][class] */
    _Atomic uint64_t *confusion;          /* [image][class][class], or NULL */
    _Atomic uint64_t bad_pred, bad_label; /* flat index of the first offender; UINT64_MAX: none */
    _Atomic uint64_t off_one_count, off_one_first;
} mm_pass;

/* Counters of a task: pairs (up to four tables of classes^2 + 1), or margins (three rows of classes). */
#define MM_TABLE_CELLS (MM_CONFUSION_MOST * MM_CONFUSION_MOST + 1)
/* Rows: float planes of 128 classes, double planes of 64, or the lanes of all classes. */
#define MM_ROW_DOUBLES (MM_MAX_CLASSES * MM_LANES)
#define MM_FLOAT_ROWS  (MM_ROW_DOUBLES * 2 / MM_CHUNK)
#define MM_DOUBLE_ROWS (MM_ROW_DOUBLES / MM_CHUNK)

/* One worker's planes (kernels.h). */
typedef struct mm_scratch {
    double rows[MM_ROW_DOUBLES];

    double scored[MM_CHUNK]; /* 1 or 0 */
    /* One class at a time, or, for columns of the label's class, the class of each voxel's label. */
    double p[MM_CHUNK], q[MM_CHUNK];             /* prediction and 1 - prediction */
    double g[MM_CHUNK];                          /* label */
    double exact_p[MM_CHUNK], exact_q[MM_CHUNK]; /* logits: -log p and -log(1-p), not clamped */
    /* As the columns that take logarithms want them; see prepare() in columns.c. */
    double clipped_p[MM_CHUNK], clipped_q[MM_CHUNK], neglog_p[MM_CHUNK], neglog_q[MM_CHUNK];
    double term[MM_CHUNK];
    double x[MM_CHUNK]; /* logits, or whatever is in the making */
    double max[MM_CHUNK], best[MM_CHUNK], rest[MM_CHUNK], total[MM_CHUNK], ones[MM_CHUNK];
    double at_p[MM_CHUNK], at_q[MM_CHUNK], at_exact[MM_CHUNK]; /* p, q, exact_p of the label's class */
    double greatest[MM_CHUNK];                                 /* p over the classes */
    double right[MM_CHUNK];                                    /* 1 where every mask is right */

    float label[MM_CHUNK];       /* class of the label, -1: not scored */
    double wide_label[MM_CHUNK]; /* the same */
    float pred[MM_CHUNK];        /* class of the prediction */
    float at_label[MM_CHUNK], row_total[MM_CHUNK];
    unsigned pair[MM_CHUNK];

    float map[MM_CHUNK];                        /* pred, where it is a label map */
    double bin[MM_CHUNK];                       /* of histograms, -1: none */
    double lanes[(MM_MAX_BINS + 1) * MM_LANES]; /* of sums by bin or by label */

    size_t length;       /* of the planes: mm_plane_length() of the voxels of this chunk */
    size_t scored_count; /* voxels scored in this chunk */
    int labels_hard;     /* `label` says all of the labels of this chunk */
    int walked;          /* max and best are of what was sent, over all classes */
    int exact;           /* exact_p and exact_q are there: p is a softmax or sigmoid */
    int prepared;        /* neglog_p and the like are those of the next two, for the planes p and q */
    unsigned prepared_flags;
    double prepared_eps;

    uint64_t task_unmasked;
    uint64_t task_scored;
    uint32_t table[MM_TABLE_CELLS];
} mm_scratch;

_Static_assert(sizeof(mm_scratch) <= MM_SCRATCH_BYTES, "a worker's planes fit in its scratch");
_Static_assert(4 * (MM_CONFUSION_ALWAYS * MM_CONFUSION_ALWAYS + 1) <= MM_TABLE_CELLS, "four small tables fit");
_Static_assert(3 * MM_MAX_CLASSES <= MM_TABLE_CELLS, "the margins fit");

/* columns.c: adds up the columns of one chunk.  `sums` are the chunk's values. */
void mm_columns_sort(mm_columns *columns, const mm_stat *stats, const unsigned *forms, size_t count, size_t classes);
/* All columns of a form and class c from the planes p, q, g (and exact_p, exact_q); those of the label's class only
 * where labels are soft. */
void mm_columns_class(const mm_pass *pass, mm_scratch *scratch, unsigned form, size_t class_index, double *sums);
/* Columns of the label's class, of all classes at once, from the planes p, q (and exact_p) of the label's class. */
void mm_columns_label(const mm_pass *pass, mm_scratch *scratch, unsigned form, double *sums);
int mm_columns_have_label(const mm_columns *columns, unsigned form);
/* Columns of all classes together, from the planes p (the greatest) and ones (1 where all is right). */
void mm_columns_joint(const mm_pass *pass, mm_scratch *scratch, unsigned form, double *sums);

/* The form of a column for this input: never MM_FORM_NATURAL. */
unsigned mm_pass_form(const mm_pass *pass, unsigned form);

/* Empties the counters of a task; then its chunks; then adds the counters to the image's. */
void mm_chunk_begin(const mm_pass *pass, mm_scratch *scratch);
void mm_chunk_run(mm_pass *pass, size_t image, size_t chunk, mm_scratch *scratch);
void mm_chunk_end(mm_pass *pass, size_t image, mm_scratch *scratch);

/* First voxel of the chunk, and how many of it are in the image. */
size_t mm_chunk_first(size_t chunk);
size_t mm_chunk_length(const mm_pass *pass, size_t chunk);
const unsigned char *mm_axes_at(const mm_axes *axes, size_t image, size_t class_index, size_t voxel);

/* check.c: slow and exact: the first element of a chunk that makes no sense, lowered into pass->bad_pred or bad_label.
 * label: at least 0 where a voxel is scored (index maps are read anew, since a bad label reads as -1). */
void mm_chunk_find_bad_pred(mm_pass *pass, size_t image, size_t chunk, const float *label);
void mm_chunk_find_bad_label(mm_pass *pass, size_t image, size_t chunk, const float *label);
void mm_atomic_lower(_Atomic uint64_t *least, uint64_t value);
/* The element at a flat index as a number, for the message. */
double mm_axes_value(const mm_axes *axes, uint64_t index);

#endif
