/*
 * maskmeter.h - score predicted segmentations against their labels.
 *
 * The only header of lib/ that proto/, server/ and tests of other layers see.
 *
 * Errors.     What can fail returns mm_status; on failure outputs are untouched
 *             and `problem`, where given, says what to tell the client.
 * Ownership.  T **out: you own *out, release it with the function named beside
 *             it.  A returned const T * is borrowed from its first argument.
 *             Views (mm_tensor, mm_input) never own.
 * Threads.    The registry is constant.  Distinct objects share nothing.
 *             Distinct tasks of one mm_eval may run on distinct threads.
 * Exactness.  The same images give the same bits, whatever the threads, the CPU
 *             level, the layout, or the parts they came in.
 * Flow.       tensors -> mm_eval (tasks) -> mm_images (sums per image and class)
 *             -> mm_result (scores).  mm_images are what is stored and merged.
 */
#ifndef MASKMETER_H
#define MASKMETER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MM_VERSION "0.1.0"

/* ------------------------------------------------------------------ errors */

/* X(name, number, message).  Numbers are stored and sent: append, never renumber. */
#define MM_STATUS_LIST(X)                                                                                              \
    X(OK, 0, "ok")                                                                                                     \
    X(NO_MEMORY, 1, "out of memory")                                                                                   \
    X(BAD_EXPRESSION, 2, "expression does not follow the grammar")                                                     \
    X(UNKNOWN_SCORE, 3, "no score has that name")                                                                      \
    X(BAD_PARAM, 4, "parameter is unknown or outside its range")                                                       \
    X(BAD_SHAPE, 5, "tensor shapes do not fit together")                                                               \
    X(BAD_VALUE, 6, "a tensor holds a value that makes no sense")                                                      \
    X(CONFLICT, 7, "the parts do not belong together")                                                                 \
    X(NO_BACKEND, 8, "the requested backend is not available")                                                         \
    X(BAD_RECORD, 9, "not an image record that this version reads")                                                    \
    X(UNSUITABLE, 10, "the input cannot give that score")                                                              \
    X(TOO_LARGE, 11, "it takes more memory than there is for one request")

typedef enum mm_status {
#define X(name, number, message) MM_##name = number,
    MM_STATUS_LIST(X)
#undef X
} mm_status;

const char *mm_status_text(mm_status status);

/* What went wrong, for a client to read.  Empty strings where nothing applies. */
typedef struct mm_problem {
    char param[64];  /* offending parameter */
    char tensor[64]; /* offending tensor */
    int has_index;   /* is `index` meaningful? */
    uint64_t index;  /* first offending element of the tensor, flat, C order as sent */
    char text[256];  /* one sentence; never echoes unchecked bytes of the client */
} mm_problem;

/* ----------------------------------------------------------------- tensors */

typedef enum mm_dtype {
    MM_BOOL,
    MM_U8,
    MM_I8,
    MM_U16,
    MM_I16,
    MM_U32,
    MM_I32,
    MM_U64,
    MM_I64,
    MM_F16,
    MM_BF16,
    MM_F32,
    MM_F64
} mm_dtype;

#define MM_DTYPE_COUNT 13
#define MM_MAX_RANK    5

/* A view, never an owner.  C order, little endian, any alignment.  data NULL: no tensor. */
typedef struct mm_tensor {
    const void *data;
    mm_dtype dtype;
    unsigned rank; /* 0 .. MM_MAX_RANK */
    size_t dim[MM_MAX_RANK];
} mm_tensor;

size_t mm_dtype_size(mm_dtype dtype);                 /* bytes of one element */
const char *mm_dtype_name(mm_dtype dtype);            /* "F32", as safetensors spells it */
int mm_dtype_find(const char *name, mm_dtype *dtype); /* 1 when known */
/* MM_BAD_SHAPE when elements or bytes overflow size_t. */
mm_status mm_tensor_bytes(const mm_tensor *tensor, size_t *bytes);

/* ------------------------------------------------------------------- input */

typedef enum mm_task { MM_TASK_AUTO, MM_MULTICLASS, MM_MULTILABEL } mm_task;
typedef enum mm_pred_kind { MM_PRED_AUTO, MM_PROBS, MM_LOGITS, MM_LABELS, MM_MASKS, MM_PROBS_U8 } mm_pred_kind;
typedef enum mm_label_kind { MM_LABEL_AUTO, MM_INDEX, MM_ONEHOT } mm_label_kind;

/* Of spacing, in mm: within them no square of a distance overflows or vanishes. */
#define MM_SPACING_LEAST 1e-6
#define MM_SPACING_MOST  1e6

/* One upload.  Zero-initialised means: every parameter as API.md section 3 has it by default,
 * but threshold, which the caller sets (0.5). */
typedef struct mm_input {
    mm_tensor pred;  /* [N,C,spatial] or [N,spatial] */
    mm_tensor label; /* [N,spatial], [N,1,spatial] or [N,C,spatial] */
    mm_tensor mask;  /* [N,spatial]; data NULL: every voxel is scored */
    mm_task task;
    mm_pred_kind pred_kind;
    mm_label_kind label_kind;
    int channels_last;
    size_t classes;     /* 0: the class axis of pred says */
    size_t max_classes; /* at most 4096; 0: 4096 */
    int has_ignore;
    int64_t ignore_index;
    double threshold;
    const double *spacing; /* spacing_count numbers in mm, array order; NULL: all 1 */
    size_t spacing_count;
} mm_input;

/* What an input turned out to be. */
typedef struct mm_shape {
    size_t images, classes;
    unsigned spatial_rank; /* 1 .. 3 */
    size_t spatial[3];
    size_t voxels;            /* of one image */
    mm_task task;             /* never AUTO */
    mm_pred_kind pred_kind;   /* never AUTO */
    mm_label_kind label_kind; /* never AUTO; with one class: MM_ONEHOT */
    int pred_has_classes;     /* has pred a class axis? */
    int label_has_classes;    /* has label a class axis (also of length 1)? */
} mm_shape;

/* Fits shapes, dtypes and parameters together without reading a voxel.
 * MM_BAD_SHAPE, MM_BAD_PARAM or MM_BAD_VALUE name the tensor or the parameter. */
mm_status mm_input_shape(const mm_input *input, mm_shape *shape, mm_problem *problem);

/* ---------------------------------------------------------------- registry */

typedef enum mm_kind { MM_LOSS, MM_METRIC, MM_COUNT_KIND } mm_kind; /* counts are neither better high nor low */
typedef enum mm_better { MM_LOWER, MM_HIGHER, MM_NEITHER } mm_better;
/* Lists have one number per class; MM_NUMBERS has as many as the score says; MM_MATRIX is classes lists of classes
 * numbers.  Append, never reorder. */
typedef enum mm_type {
    MM_NUMBER,
    MM_WORD,
    MM_BOOLEAN,
    MM_LIST,
    MM_NUMBER_OR_LIST,
    MM_WORD_OR_LIST,
    MM_NUMBERS,
    MM_MATRIX
} mm_type;

/* A parameter of a score: one row says all that help, checks and OpenAPI need. */
typedef struct mm_param {
    const char *name;
    mm_type type;
    const char *standard; /* default, as one would write it; NULL: required */
    double min, max;      /* inclusive range of numbers and list members */
    const char *choices;  /* words separated by '|', or NULL */
    const char *meaning;  /* one sentence */
} mm_param;

/* What anyone may know about a score. */
typedef struct mm_score_info {
    const char *name;    /* stable: "dice", "seed.categorical_dice" */
    const char *aliases; /* other names, comma separated, or NULL */
    const char *summary; /* one sentence for people */
    const char *formula;
    const char *source;    /* paper, peer, or textbook name */
    const char *undefined; /* when the value is null */
    mm_kind kind;
    mm_better better;
    const mm_param *params; /* own parameters */
    size_t param_count;
    const mm_param *common; /* over, classes, absent, average ... ; NULL for peers */
    size_t common_count;
} mm_score_info;

const mm_score_info *mm_score_at(size_t index);       /* in listing order; NULL past the end */
const mm_score_info *mm_score_find(const char *name); /* also by alias; NULL if unknown */
const char *mm_score_nearest(const char *name);       /* closest known name; NULL if none is close */

/* -------------------------------------------------------------------- plan */

/* A checked list of expressions: what to compute. */
typedef struct mm_plan mm_plan;

#define MM_MAX_EXPRESSIONS     256   /* in one plan, terms of sums counted */
#define MM_MAX_EXPRESSION_TEXT 16384 /* bytes of the whole list */

/* Parses `expressions` (grammar: API.md section 4).  NULL or "": the default set, from which
 * mm_plan_bind() later drops what the input cannot give.
 * MM_BAD_EXPRESSION, MM_UNKNOWN_SCORE, MM_BAD_PARAM: problem.param is "scores", the text says where and
 * names the nearest known word. */
mm_status mm_plan_new(mm_plan **out, const char *expressions, mm_problem *problem);

/* Checks what depends on the data: lists of one number per class, class indices, and whether the input
 * can give the score at all (MM_UNSUITABLE).  Call once, before mm_eval_new() or mm_images_score(). */
mm_status mm_plan_bind(mm_plan *plan, const mm_shape *shape, mm_problem *problem);

size_t mm_plan_count(const mm_plan *plan);
const char *mm_plan_name(const mm_plan *plan, size_t index);       /* alias, or the expression as written */
const char *mm_plan_expression(const mm_plan *plan, size_t index); /* blanks removed, without alias */
mm_kind mm_plan_kind(const mm_plan *plan, size_t index);
mm_better mm_plan_better(const mm_plan *plan, size_t index);
const char *mm_plan_text(const mm_plan *plan); /* the whole list; mm_plan_new() reads it back to an equal plan */
/* Whether results keep their per_image (they do, unless told otherwise): images x classes values per expression. */
void mm_plan_keep_images(mm_plan *plan, int keep);
void mm_plan_free(mm_plan *plan); /* NULL is fine */

/* -------------------------------------------------------------- evaluation */

typedef struct mm_eval mm_eval;     /* one upload, being scored: independent tasks, then finish */
typedef struct mm_images mm_images; /* a set of image records */

/* Work space of one worker thread, for any task of any evaluation. */
#define MM_SCRATCH_BYTES ((size_t)3 << 19)

#define MM_P_BINS 256 /* of the histogram that MM_KEEP_HISTOGRAM keeps */

enum mm_keep {
    MM_KEEP_CONFUSION = 1, /* the classes x classes table, also where it is not kept anyway */
    MM_KEEP_DEFAULTS = 2,  /* the sums of the default scores, also when they were not asked for */
    MM_KEEP_HISTOGRAM = 4  /* voxels by p, of the label and of others */
};

/* Bytes that mm_eval_new() and mm_eval_finish() will allocate together, for admission. */
mm_status mm_eval_size(const mm_input *input, const mm_plan *plan, unsigned keep, size_t *bytes, mm_problem *problem);

/* Borrows the tensors of input, which must not change, until mm_eval_finish(); copies the rest. */
mm_status mm_eval_new(mm_eval **out, const mm_input *input, const mm_plan *plan, unsigned keep, mm_problem *problem);
/* Tasks come in stages.  Call it before the first task, and again when all tasks of a stage have run: begins the next
 * stage and returns the number of its tasks, 0 when nothing is left.  No task may run at the same time. */
size_t mm_eval_stage(mm_eval *eval);
/* Task 0 .. count - 1 of the stage: a few ms at most.  scratch: MM_SCRATCH_BYTES, aligned to 64, one per thread.  Each
 * task runs once, in any order. */
void mm_eval_task(mm_eval *eval, size_t task, void *scratch);
/* All stages on the calling thread's team.  scratch: threads times MM_SCRATCH_BYTES. */
void mm_eval_run(mm_eval *eval, void *scratch, unsigned threads);
/* Are there more stages than one?  Such an evaluation is long, however few its voxels. */
int mm_eval_is_long(const mm_eval *eval);
/* After the last stage.  image_ids: one per image.  MM_BAD_VALUE: a tensor held a value that makes no sense;
 * tensor, index and text name the first. */
mm_status mm_eval_finish(mm_eval *eval, const char *const *image_ids, mm_images **out, mm_problem *problem);
void mm_eval_free(mm_eval *eval); /* NULL is fine */

/* Rows of probabilities that do not sum to 1 within 1e-3 (softmax input): how many, and the first voxel's
 * flat index in pred (its class 0).  Valid after mm_eval_finish(). */
typedef struct mm_warning {
    size_t count;
    uint64_t index;
} mm_warning;
mm_warning mm_eval_warning(const mm_eval *eval);

/* Runs task(context, 0 .. count - 1, worker) on the calling thread's one OpenMP team of `threads`; worker is
 * 0 .. threads - 1.  Returns when all are done.  threads 1: no parallel region at all. */
void mm_parallel(void (*task)(void *context, size_t i, unsigned worker), void *context, size_t count, unsigned threads);
unsigned mm_threads_available(void);
const char *mm_cpu_level(void); /* "scalar", "x86-64-v3", "x86-64-v4": chosen at start, lowered by MM_CPU */
/* What MM_CPU asks for and this machine cannot do; NULL when nothing.  Such a level is never replaced silently. */
const char *mm_cpu_refused(void);

/* ----------------------------------------------------------------- records */

/* Union of image records: any order, any grouping, the same scores.  An image that both hold is kept once when the
 * records agree; MM_CONFLICT names an id whose records differ, or parts of other classes or task. */
mm_status mm_images_merge(mm_images *into, const mm_images *part, mm_problem *problem);
mm_status mm_images_new(mm_images **out, mm_task task, size_t classes);                 /* the empty set */
mm_status mm_images_save(const mm_images *images, unsigned char **bytes, size_t *size); /* free(*bytes) */
/* MM_BAD_RECORD: damaged, truncated, or written by a newer version. */
mm_status mm_images_load(mm_images **out, const unsigned char *bytes, size_t size);
/* The memory that images take, and the most that they can, which may be many times the bytes that they are loaded from:
 * `images` images of one upload, whose records have `saved` bytes together.  SIZE_MAX when that is no number. */
size_t mm_images_memory(const mm_images *images);
size_t mm_images_bound(size_t images, size_t classes, size_t saved);
void mm_images_free(mm_images *images); /* NULL is fine */

size_t mm_images_count(const mm_images *images);
size_t mm_images_classes(const mm_images *images);
mm_task mm_images_task(const mm_images *images);
const char *mm_images_id(const mm_images *images, size_t image);
uint64_t mm_images_voxels(const mm_images *images);                         /* all images, scored or not */
uint64_t mm_images_scored(const mm_images *images);                         /* those that were scored */
double mm_images_label_voxels(const mm_images *images, size_t class_index); /* sum of g, correctly rounded */
double mm_images_pred_voxels(const mm_images *images, size_t class_index);  /* hard prediction */
/* Pooled confusion counts, row = label, column = prediction: classes x classes numbers into `table`
 * (multilabel: classes x 2 x 2, rows and columns: 0 = not in the class, 1 = in it).  Returns 0 when an image lacks
 * them. */
int mm_images_confusion(const mm_images *images, uint64_t *table);

/* classes x 2 x MM_P_BINS counts of all images: voxels of the label by p, then others.  0 when an image lacks them. */
int mm_images_histogram(const mm_images *images, double *bins);

/* ------------------------------------------------------------------ scores */

/* Why a value is not defined.  Numbers are stored: append, never renumber. */
#define MM_REASON_LIST(X)                                                                                              \
    X(DEFINED, 0, "defined")                                                                                           \
    X(ABSENT_IN_BOTH, 1, "absent_in_both")                                                                             \
    X(ABSENT_IN_LABEL, 2, "absent_in_label")                                                                           \
    X(ABSENT_IN_PREDICTION, 3, "absent_in_prediction")                                                                 \
    X(EMPTY_PREDICTION, 4, "empty_prediction")                                                                         \
    X(EMPTY_LABEL, 5, "empty_label")                                                                                   \
    X(ZERO_DENOMINATOR, 6, "zero_denominator")                                                                         \
    X(SINGLE_CLASS, 7, "single_class")                                                                                 \
    X(NO_VOXELS, 8, "no_voxels")                                                                                       \
    X(TOO_SMALL, 9, "too_small")                                                                                       \
    X(NOT_IN_SUMS, 10, "not_in_sums")                                                                                  \
    X(NOT_CHOSEN, 11, "not_chosen")

typedef enum mm_reason {
#define X(name, number, text) MM_##name = number,
    MM_REASON_LIST(X)
#undef X
} mm_reason;

#define MM_REASON_COUNT 12

const char *mm_reason_text(mm_reason reason);

/* Not promised: value when reason is not MM_DEFINED.  MM_NOT_CHOSEN: the class was not asked for. */
typedef struct mm_value {
    double value;
    mm_reason reason;
} mm_value;

/* One score over one set of images.  Arrays are owned by the mm_results. */
typedef struct mm_result {
    mm_value value; /* when rank is 0 */
    unsigned rank;  /* peers may return lists: rank 1 .. 3, `dim` long, in `list` */
    size_t dim[3];
    const mm_value *list;
    const mm_value *per_class;       /* one per class; NULL: a joint score */
    const mm_value *per_image;       /* images x columns; NULL with over=pooled and for peers */
    size_t columns;                  /* classes, or 1 for a joint score */
    size_t omitted[MM_REASON_COUNT]; /* entries that the means left out, by reason */
    const char *note;                /* a remark for the client, or NULL */
} mm_result;

typedef struct mm_results mm_results;

/* Scores of a bound plan.  weights: one per class, or NULL for all 1.  A score that the records cannot give is
 * MM_NOT_IN_SUMS, not an error.  Borrows plan. */
mm_status mm_images_score(mm_results **out, const mm_images *images, const mm_plan *plan, const double *weights,
                          mm_problem *problem);
/* Bytes that scoring so many images with a bound plan takes at most, for admission. */
size_t mm_results_size(const mm_plan *plan, size_t images);
const mm_result *mm_results_at(const mm_results *results, size_t index); /* in the order of the plan */
void mm_results_free(mm_results *results);                               /* NULL is fine */

/* ------------------------------------------------------------ explanations */

/* What a score was made of, for a person to check it by hand. */
typedef struct mm_explanation mm_explanation;

/* One count or sum.  Of kinds with several values, the values follow each other, classes innermost. */
typedef struct mm_used {
    const char *what;        /* "the sum of p g" */
    size_t width;            /* values per class; 1 for a sum */
    const double *pooled;    /* width x classes: of all images, added exactly */
    const double *per_image; /* images x width x classes; NULL: there is only the whole */
} mm_used;

/* Bytes that explaining one score of a bound plan takes at most, for admission. */
size_t mm_explanation_size(const mm_plan *plan, size_t images);
/* How many numbers, of one image, the explanations of all its scores hold at most. */
size_t mm_explanation_numbers(const mm_plan *plan);
/* Of score number `index` of a bound plan; what a record lacks is left out.  Release with mm_explanation_free(). */
mm_status mm_images_explain(mm_explanation **out, const mm_images *images, const mm_plan *plan, size_t index);
size_t mm_explanation_count(const mm_explanation *explanation);
const mm_used *mm_explanation_at(const mm_explanation *explanation, size_t index);
void mm_explanation_free(mm_explanation *explanation); /* NULL is fine */

/* ------------------------------------------------------- values of many images */

/* The q-th quantile, 0 <= q <= 1, of `count` >= 1 ascending numbers: between the two that are nearest, linearly (type
 * 7, which is what most programs do). */
double mm_quantile(const double *sorted, size_t count, double q);

#define MM_RESAMPLES 2000

/* The same images under two predictions. */
typedef struct mm_paired {
    size_t pairs;
    double base, head, difference; /* means; difference = mean of head - base */
    double low, high;              /* 95 % bootstrap interval of the difference: percentiles of MM_RESAMPLES means */
    size_t wins, losses;           /* images where head is better, where base is */
} mm_paired;

/* base[i] and head[i] belong to one image; count >= 1.  The same numbers in the same order give the same bits, always:
 * the resamples are drawn by a generator of our own that starts from a fixed seed.  better MM_NEITHER: larger wins. */
mm_status mm_paired_compare(mm_paired *out, const double *base, const double *head, size_t count, mm_better better);

#ifdef __cplusplus
}
#endif
#endif
