/*
 * kernels.h - the inner loops over one chunk of voxels: one table per CPU level, whole, the same bits.
 *
 * A plane holds one number for each voxel of a chunk: n of them, MM_CHUNK or, in a chunk that the image does not fill,
 * fewer, rounded up to whole lanes (mm_plane_length).  A voxel that is not scored, or lies past the end of the image,
 * has 0 in planes of p and g, and -1 in planes of class indices ("label", "arg"; floats, since those compare side by
 * side with p).  Kernels never allocate and never thread; planes do not overlap.
 */
#ifndef MM_KERNELS_H
#define MM_KERNELS_H

#include "lib/sums.h"

/* Tables exist once per CPU level, named after their type: mm_kernels_scalar, mm_kernels_v3, mm_kernels_v4.  A further
 * family of inner loops is a table type in kernels_<family>.h and a file kernels_<family>.c, which is compiled once per
 * level, MM_LEVEL set to its name; mm_kernels points at the table of its own level. */
#ifdef __x86_64__
#define MM_AT_EACH_LEVEL(type) extern const type type##_scalar, type##_v3, type##_v4
#else
#define MM_AT_EACH_LEVEL(type) extern const type type##_scalar
#endif

/* For those files: the table of this level, and the level as text. */
#define MM_LEVEL_JOIN(type, level)   type##_##level
#define MM_LEVEL_EXPAND(type, level) MM_LEVEL_JOIN(type, level)
#define MM_LEVEL_QUOTE(level)        #level
#define MM_LEVEL_TEXT(level)         MM_LEVEL_QUOTE(level)
#define MM_THIS_LEVEL(type)          MM_LEVEL_EXPAND(type, MM_LEVEL)
#define MM_LEVEL_NAME                MM_LEVEL_TEXT(MM_LEVEL)

/* n voxels, rounded up to whole lanes. */
static inline size_t mm_plane_length(size_t n)
{
    return (n + MM_LANES - 1) / MM_LANES * MM_LANES;
}

#define MM_SUM_TOLERANCE 1e-3f /* how far from 1 the probabilities of a voxel may add up before a warning */
#define MM_FEW_PAIRS     6     /* classes up to which counting pairs class by class is faster than one by one */

typedef struct mm_kernels {
    const char *level;

    /* Loading: n elements that lie `stride` elements apart, any alignment.  The rest of the plane is 0 (label: -1).
     * load_f32 takes F32, F16, BF16, U8 and BOOL, which float holds exactly; load_f64 takes every type. */
    void (*load_f32)(float *out, const unsigned char *in, mm_dtype dtype, size_t stride, size_t n);
    void (*load_f64)(double *out, const unsigned char *in, mm_dtype dtype, size_t stride, size_t n);
    /* -1 for the ignored value; 1 when a value is neither a class nor ignored (it reads as -1 too). */
    int (*load_index)(float *label, const unsigned char *in, mm_dtype dtype, size_t stride, size_t n, unsigned classes,
                      int has_ignore, int64_t ignore);

    /* Which voxels are scored, and labels with a class axis. */
    void (*keep_masked)(float *label, const unsigned char *mask, size_t n); /* -1 where the mask is 0 */
    size_t (*scored_of)(double *scored, const float *label, size_t n);      /* 1 where label >= 0, else 0; how many */
    /* Where g is 1 the label becomes c and one is added to ones; 1 when a g is neither 0 nor 1. */
    int (*onehot)(const double *g, float c, float *label, double *ones, size_t n);
    void (*equals)(double *out, const float *label, float c, size_t n); /* 1 where the label is c */

    /* Float planes of all classes, `stride` apart: class of the greatest value (the first one wins), value at the
     * label's class, and how many scored voxels have values that do not add up to 1 within MM_SUM_TOLERANCE.
     * 1 when a value may be NaN or outside [0,1] (-0 may be meant). */
    int (*scan)(const float *rows, size_t stride, size_t classes, const float *label, float *arg, float *at_label,
                size_t *off_one, size_t n);
    void (*overlap)(const float *p, const double *label, double c, double sums[3],
                    size_t n);                             /* p, p^2, p [label = c] */
    void (*blank)(float *p, const float *label, size_t n); /* 0 where label is -1 */
    void (*widen)(double *out, const float *in, size_t n);
    void (*narrow)(float *out, const double *in, size_t n);
    /* label * classes + pred; classes^2 where label is -1. */
    void (*pairs)(const float *label, const float *pred, unsigned classes, unsigned *out, size_t n);
    /* table[label * classes + pred] += 1 for each scored voxel; at most MM_FEW_PAIRS classes. */
    void (*count_few_pairs)(const float *label, const float *pred, unsigned classes, uint32_t *table, size_t n);
    size_t (*off_one)(const float *total, const float *label, float tolerance,
                      size_t n); /* scored voxels with |total-1| above */

    /* The one order of sums: 16 lanes, folded pairwise. */
    double (*sum)(const double *terms, size_t n);
    /* The same over the voxels of each class: out[0 .. classes).  lanes: room for classes * MM_LANES. */
    void (*class_sums)(const double *terms, const double *label, size_t classes, double *lanes, double *out, size_t n);
    /* Scored voxels with g > 1/2, with p > threshold, with both. */
    void (*count_masks)(const double *p, double threshold, const double *g, const double *scored, uint64_t counts[3],
                        size_t n);

    /* Bytes that are 0 or 1: g, p, both; 0 when there is another. */
    int (*count_bytes)(const unsigned char *p, const unsigned char *g, uint64_t counts[3], size_t n);

    /* Checks of all values of a plane. */
    int (*in_range)(const double *p, size_t n);  /* in [0,1] */
    int (*is_binary)(const double *p, size_t n); /* 0 or 1 */
    int (*finite)(const double *x, size_t n);

    /* Arithmetic on planes. */
    void (*scale_bytes)(double *inout, size_t n);                  /* /255 */
    void (*select)(double *inout, const double *scored, size_t n); /* 0 where not scored */
    void (*add)(double *inout, const double *a, size_t n);
    void (*pick)(double *inout, const double *a, const float *label, float c, size_t n); /* a where the label is c */
    void (*track_max)(const double *x, double c, double *max, double *arg,
                      size_t n); /* running maximum and its class */
    void (*square)(double *out, const double *a, size_t n);
    void (*multiply)(double *out, const double *a, const double *b, size_t n);
    void (*distance)(double *out, const double *a, const double *b, size_t n); /* |a - b| */
    void (*power)(double *inout, const double *base, double gamma, size_t n);  /* inout *= base^gamma, base in [0,1] */
    void (*complement)(double *out, const double *a, size_t n);                /* 1 - a */
    void (*neglog)(double *out, const double *a, double least, size_t n);      /* -log max(a, least) */
    void (*clip)(double *inout, double least, size_t n);                       /* to [least, 1 - least] */
    void (*divide)(double *inout, const double *by, size_t n);                 /* 0 where by is 0 */

    /* Logits.  Softmax over classes with maximum `max` at class `arg`: e = exp(x - max), denominator 1 + rest with
     * rest = sum of e over the other classes, so that what is small is not rounded away. */
    void (*logit_exp)(double *inout, const double *max, size_t n);
    void (*logit_rest)(const double *e, double c, const double *arg, double *rest,
                       size_t n); /* rest += e unless c is arg */
    void (*softmax)(double *p, double *complement, const double *e, double c, const double *arg, const double *rest,
                    size_t n);
    void (*log_softmax)(double *out, const double *x, const double *max, const double *rest, size_t n); /* -log p */
    void (*sigmoid)(double *p, double *complement, double *neglog_p, double *neglog_complement, const double *x,
                    size_t n);

    const struct mm_distance_kernels *distances; /* kernels_distance.h */
    const struct mm_surface_kernels *surfaces;   /* kernels_surface.h */
} mm_kernels;

/* The table of the level that cpu.c chose. */
const mm_kernels *mm_kernels_chosen(void);

MM_AT_EACH_LEVEL(mm_kernels);

#endif
