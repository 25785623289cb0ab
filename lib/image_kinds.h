/*
 * image_kinds.h - what is computed of an image as a whole (order, windows, components), and kept like sums.
 *
 * A kind is a row: it gets the planes of whole images through mm_field and gives its values for one (image, class), or
 * for an image (joint).  Adding one touches its file and the list in image_kinds.c.
 */
#ifndef MM_IMAGE_KINDS_H
#define MM_IMAGE_KINDS_H

#include "lib/chunk.h"

/* Numbers are stored: append, never renumber.  Value 0 of each is an mm_reason; the values proper follow. */
enum {
    MM_IMAGE_LOVASZ = MM_IMAGE_KINDS, /* gamma 0: errors |g - p|, of a class; gamma 1: hinge, errors 1 - p (2g - 1) */
    MM_IMAGE_LOVASZ_JOINT = 65,       /* the same over all classes in one list */
    MM_IMAGE_TOPK = 66,               /* mean of the floor(V more[0] / 100), at least 1, largest cross-entropies;
                                         independent masks: of the binary ones of all voxels and classes */
    MM_IMAGE_CLDICE = 67,             /* more[0] = iterations: sums S(p) g, S(p), S(g) p, S(g) */
    MM_IMAGE_SSIM = 68,     /* more = window, sigma, k1, k2, range, kernel (0 gaussian, 1 uniform): mean ssim */
    MM_IMAGE_MS_SSIM = 69,  /* the same, gamma scales (0: MM_SCALES), kernel 2: gaussian, and what is odd is paired
                               with itself in halving (tf.image): MM_SCALES means of cs, as many of ssim */
    MM_IMAGE_NACL = 70,     /* |u - x|^gamma (gamma 1 or 2) where the window is scored: its sum, their number;
                               more = size (odd), kernel (0 mean, 1 gaussian), sigma */
    MM_IMAGE_PANOPTIC = 71, /* more = iou, connectivity (1 to 3 axes): sum of IoU, TP, FP, FN */
    MM_IMAGE_AUROC = 72,
    MM_IMAGE_AVERAGE_PRECISION = 73,
    MM_IMAGE_AUROC_JOINT = 77, /* of all classes in one list */
    MM_IMAGE_AVERAGE_PRECISION_JOINT = 78,
    MM_IMAGE_CORRELATION = 74,   /* more = beta, c, window (odd), sigma; eps: sum e f BCE, sum f */
    MM_IMAGE_CLDICE_HARD = 75,   /* the same sums of hard masks, skeletons until nothing is left */
    MM_IMAGE_EROSION_JOINT = 76, /* more = alpha, erosions: sum over all classes of sum_k b_k k^alpha, b = (p-g)^2, b_k
                                   = relu(mean of a voxel and its face neighbours in b - 1/2), rescaled to [0,1] */
    /* Distances between the surfaces of hard masks (surface.h).  more = spacing of three axes (0: the request's), q or
     * tolerance, and mm_surface_options: columns that agree in spacing and options come of the same lists. */
    MM_IMAGE_SURFACE = 79,            /* mm_surface_values */
    MM_IMAGE_SURFACE_PERCENTILE = 80, /* more[3] = q: mm_surface_percentiles */
    MM_IMAGE_SURFACE_WITHIN = 81,     /* more[3] = tolerance: mm_surface_within */
    MM_IMAGE_HAUSDORFF_DT = 82,       /* more[0] = alpha: sum (p-g)^2 (F(p)^alpha + F(g)^alpha), masks p, g > 1/2 */
    MM_IMAGE_HAUSDORFF_DT_JOINT = 83, /* the same, all classes as one array of one axis more */
    MM_IMAGE_BOUNDARY = 84,           /* sum p phi, phi > 0 outside the label, <= 0 inside */
    MM_IMAGE_NEAR_ENTROPY = 85,       /* voxels whose label is the class: sum (1 + f) CE, f = (max d - d) / max
                                         (max d - d), d = distance to the outside; and that last maximum.  Independent
                                         masks: all voxels and the binary CE, f of the side on which a voxel is */
    MM_IMAGE_NEAR_OVERLAP = 86,       /* sum p g (1 + f), the same f in the label's mask, 0 outside; the maximum */
    MM_IMAGE_BANDS = 87, /* more = ratio of the diagonal, distance (0: by the ratio), metric: voxels of the inner bands
                            of label and prediction, of both; inner band: at most that far from the outside */
    MM_IMAGE_WRONG_ENTROPY = 88, /* voxels whose label is the class (independent masks: all): sum CE (the binary one),
                                    and that of those where the hard prediction differs */
    MM_IMAGE_REGIONS = 89 /* more = connectivity: each component of the label owns the voxels nearest to it (with the
                             request's spacing; as near: the first); sum of the Dice of the regions, their number */
};

/* Places in more of the three kinds of surfaces. */
enum { MM_SURFACE_SPACING, MM_SURFACE_Q = 3, MM_SURFACE_TOLERANCE = 3, MM_SURFACE_OPTIONS };

/* more[MM_SURFACE_OPTIONS]: an mm_metric, and these. */
enum mm_surface_options {
    MM_SURFACE_METRIC = 3,       /* the bits of the metric */
    MM_SURFACE_SURFELS = 4,      /* else voxels */
    MM_SURFACE_CHANNELS = 8,     /* masks of the prediction: each > 1/2 by itself, also where classes are exclusive */
    MM_SURFACE_CONNECTIVITY = 16 /* times 0 (as 1), 1, 2 or 3: by which neighbours a voxel is surface */
};

/* a: from the prediction's elements to the label's, b: back.  With one mask empty the reason says so; sizes and
 * diagonal are there, and nothing is within any tolerance. */
enum mm_surface_values {
    MM_SURFACE_REASON,
    MM_SURFACE_SIZE_A, /* number or size of the elements */
    MM_SURFACE_SIZE_B,
    MM_SURFACE_SUM_A, /* of their distances */
    MM_SURFACE_SUM_B,
    MM_SURFACE_SQUARES_A,
    MM_SURFACE_SQUARES_B,
    MM_SURFACE_MOST_A,
    MM_SURFACE_MOST_B,
    MM_SURFACE_DIAGONAL, /* of the image, from edge to edge, by the metric */
    MM_SURFACE_VALUES
};
/* After the reason. */
enum mm_surface_percentiles {
    MM_SURFACE_PERCENTILE_A = 1,
    MM_SURFACE_PERCENTILE_B,
    MM_SURFACE_PERCENTILE, /* of both lists together; voxels only */
    MM_SURFACE_PERCENTILES
};
enum mm_surface_within {
    MM_SURFACE_WITHIN_A = 1, /* size of the elements within the tolerance */
    MM_SURFACE_WITHIN_B,
    MM_SURFACE_WITHINS
};

#define MM_SCALES 5 /* of MS-SSIM */

/* One image, or with MM_STAT_BATCH all of an upload, as a kind sees it. */
typedef struct mm_field {
    mm_pass *pass;
    mm_scratch *scratch; /* one worker's */
    size_t image;        /* the first */
    size_t images;       /* 1, or all */
    size_t voxels;       /* of one image; spatial axes: pass->shape */
    unsigned form;       /* mm_form, resolved: never MM_FORM_NATURAL */
} mm_field;

typedef struct mm_image_kind {
    unsigned kind;
    const char *words;      /* "Lovasz extension of the errors": for the note of not_in_sums, and explanations */
    const char *numbers[3]; /* names of the first places in more that people should know; NULL: no more of them */
    const char *holds;      /* what the proper values are, where the words do not say it; or NULL */
    int joint;              /* one result for all classes, at class 0 */
    int needs_probs;        /* hard label maps or masks cannot give it */
    size_t values;          /* proper values, without the reason */
    size_t planes;          /* doubles per voxel and image of the field that it works with at most */
    size_t class_planes;    /* and per class besides */
    /* values[0] is the reason, the others follow.  0: out of memory.  NULL: computed in stages (surfaces.h). */
    int (*compute)(const mm_field *field, const mm_stat *stat, size_t class_index, double *values);
} mm_image_kind;

/* The families: rows that end with kind 0. */
extern const mm_image_kind mm_image_order[], mm_image_window[], mm_image_skeleton[], mm_image_components[],
    mm_image_erosion[], mm_image_distance[], mm_image_border[], mm_image_regions[];

/* NULL when there is none of that number. */
const mm_image_kind *mm_image_kind_find(unsigned kind);
/* What a column of such a kind holds, in words. */
void mm_image_kind_describe(const mm_stat *stat, char *text, size_t size);

/* Planes of image `n` of the field (0 .. images - 1) for one class, `voxels` numbers each, row-major: prediction in the
 * field's form, label, and 1 where scored, else 0 (p and g are 0 there).  NULL planes are left out. */
void mm_field_planes(const mm_field *field, size_t n, size_t class_index, double *p, double *g, double *scored);
/* -sum_c g_c log p_c of each voxel, 0 where not scored; logarithms clamped at eps unless the form is softmax. */
void mm_field_cross_entropy(const mm_field *field, size_t n, double eps, double *ce, double *scored);
/* -(g log p + (1-g) log(1-p)) of each voxel for one class; logarithms clamped at eps when p is as sent. */
void mm_field_binary_entropy(const mm_field *field, size_t n, size_t class_index, double eps, double *entropy,
                             double *scored);
/* Hard classes (exclusive classes): of the label and of the prediction, -1 where not scored. */
void mm_field_classes(const mm_field *field, size_t n, float *label, float *pred);

/* Hard masks of one class, as the counts have them: 1, 0, or MM_NOT_SCORED.  pred NULL: left out.
 * Works with up to 3 doubles per voxel; 0: out of memory. */
#define MM_NOT_SCORED 2
int mm_field_masks(const mm_field *field, size_t n, size_t class_index, unsigned char *label, unsigned char *pred);
/* The sum of a plane in the one order of sums.h. */
double mm_plane_sum(const mm_kernels *k, const double *plane, size_t count);

#endif
