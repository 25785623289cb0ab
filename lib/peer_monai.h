/*
 * peer_monai.h - what the files of MONAI 1.5's functions share: the common parameters of its losses, and its means.
 */
#ifndef MM_PEER_MONAI_H
#define MM_PEER_MONAI_H

#include "lib/overlap.h"
#include "lib/peer_common.h"

/* -------------------------------------------------------------- parameters */

/* The overlap losses begin with these; what follows differs. */
enum {
    MM_MONAI_BACKGROUND,
    MM_MONAI_ONEHOT,
    MM_MONAI_SIGMOID,
    MM_MONAI_SOFTMAX,
    MM_MONAI_REDUCTION,
    MM_MONAI_BATCH,
    MM_MONAI_SMOOTH_NR,
    MM_MONAI_SMOOTH_DR,
    MM_MONAI_OWN
};

/* DiceLoss and its compounds go on with these. */
enum { MM_MONAI_WEIGHT = MM_MONAI_OWN, MM_MONAI_SQUARED, MM_MONAI_JACCARD, MM_MONAI_DICE_OWN };

enum { MM_MONAI_MEAN, MM_MONAI_SUM, MM_MONAI_NONE }; /* choices of `reduction` */

/* clang-format off */
#define MM_MONAI_BACKGROUND_PARAM(standard) {"include_background", MM_BOOLEAN, standard, 0, 0, NULL, \
    "score class 0, too; with one class it is always scored"}
#define MM_MONAI_ONEHOT_PARAM {"to_onehot_y", MM_BOOLEAN, "false", 0, 0, NULL, \
    "true: the label holds class indices, as it may anyway"}
#define MM_MONAI_REDUCTION_PARAM(choices) {"reduction", MM_WORD, "mean", 0, 0, choices, "mean, sum, or all values"}
#define MM_MONAI_FORM_PARAMS(background, reductions) \
    [MM_MONAI_BACKGROUND] = MM_MONAI_BACKGROUND_PARAM(background), \
    [MM_MONAI_ONEHOT]     = MM_MONAI_ONEHOT_PARAM, \
    [MM_MONAI_SIGMOID]    = {"sigmoid", MM_BOOLEAN, "false", 0, 0, NULL, "apply a sigmoid to pred as it was sent"}, \
    [MM_MONAI_SOFTMAX]    = {"softmax", MM_BOOLEAN, "false", 0, 0, NULL, \
                             "apply a softmax over the classes to pred as it was sent; not with one class"}, \
    [MM_MONAI_REDUCTION]  = MM_MONAI_REDUCTION_PARAM(reductions), \
    [MM_MONAI_BATCH]      = {"batch", MM_BOOLEAN, "false", 0, 0, NULL, "add up all images before the score"}
#define MM_MONAI_COMMON_PARAMS(reductions) \
    MM_MONAI_FORM_PARAMS("true", reductions), \
    [MM_MONAI_SMOOTH_NR]  = {"smooth_nr", MM_NUMBER, "1e-5", 0, 1e6, NULL, "added to the numerator"}, \
    [MM_MONAI_SMOOTH_DR]  = {"smooth_dr", MM_NUMBER, "1e-5", 0, 1e6, NULL, "added to the denominator"}
#define MM_MONAI_DICE_PARAMS(reductions) \
    MM_MONAI_COMMON_PARAMS(reductions), \
    [MM_MONAI_WEIGHT]     = MM_MONAI_WEIGHT_PARAM, \
    [MM_MONAI_SQUARED]    = {"squared_pred", MM_BOOLEAN, "false", 0, 0, NULL, "p^2 and g^2 in the denominator"}, \
    [MM_MONAI_JACCARD]    = {"jaccard", MM_BOOLEAN, "false", 0, 0, NULL, "intersection over union in place of Dice"}
#define MM_MONAI_WEIGHT_PARAM {"weight", MM_NUMBERS, "none", 0, 1e6, "none", \
    "one number, or one for each scored class; multiplies the loss of the class, without normalisation"}
#define MM_MONAI_SOFT_PARAM {"soft_label", MM_BOOLEAN, "false", 0, 0, NULL, "overlap by |p - g|, right for soft labels"}
#define MM_MONAI_W_TYPE_PARAM(name) {name, MM_WORD, "square", 0, 0, "square|simple|uniform", \
    "class weight: 1/G^2, 1/G or 1; a class without label takes the greatest of the others"}
#define MM_MONAI_LAMBDA_PARAM(name) {name, MM_NUMBER, "1", 0, 1e6, NULL, "factor of this part"}
#define MM_MONAI_GAMMA_PARAM {"gamma", MM_NUMBER, "2", 0, 100, NULL, "how strongly easy voxels are played down"}

#define MM_MONAI_INFO(NAME, SUMMARY, FORMULA, UNDEFINED, KIND, BETTER) \
    .name = "monai." NAME, .summary = SUMMARY, .formula = FORMULA, .source = "MONAI 1.5.0", .undefined = UNDEFINED, \
    .kind = KIND, .better = BETTER
#define MM_MONAI_LOSS(NAME, SUMMARY, FORMULA, UNDEFINED) MM_MONAI_INFO(NAME, SUMMARY, FORMULA, UNDEFINED, MM_LOSS, MM_LOWER)
/* clang-format on */

/* The first scored class: 1 without background, unless there is one class only. */
size_t mm_monai_first(const mm_arg *include_background, const mm_args *args);
/* What p is made of, after sigmoid and softmax of the common parameters. */
unsigned mm_monai_form(const mm_args *args);
/* The common parameters agree with each other and with the data. */
const char *mm_monai_check(const mm_args *args);
const char *mm_monai_check_onehot(const mm_arg *to_onehot, const mm_args *args);
/* A list of weights has one number for each class from `first` on. */
const char *mm_monai_check_weight(const mm_arg *weight, size_t first, const mm_args *args);

/* ------------------------------------------------------------------- losses */

/* What is averaged, and how. */
typedef struct mm_monai_mean {
    size_t first; /* class */
    int batch;    /* values of the sums over all images */
    int reduction;
    const mm_arg *weight; /* of the classes, or NULL; not used for a single class */
} mm_monai_mean;

mm_monai_mean mm_monai_mean_of(const mm_args *args, const mm_arg *weight); /* as the common parameters say */
/* 1 without weights. */
double mm_monai_weight(const mm_monai_mean *mean, size_t c, const mm_args *args);
/* w times the values of all (image, class), into list[0], or with MM_MONAI_NONE all of them.  Like the peer's, means
 * and sums are undefined when one value is. */
void mm_monai_losses(const mm_cells *cells, const mm_args *args, const mm_monai_mean *mean, mm_cell_value value,
                     mm_value *list);
/* The mean or the sum, undefined when one value is. */
mm_value mm_monai_reduced(const mm_mean *all, int reduction);
unsigned mm_monai_shape(const mm_args *args, size_t images, size_t dim[3]); /* of the common parameters */

/* ------------------------------------------------ parts of compound losses */

/* Dice of one group, without soft_label, whose columns come first. */
mm_value mm_monai_dice_cell(const mm_group *x, const mm_args *args);
mm_overlap_of mm_monai_dice_overlap(const mm_args *args, int soft_label);
/* The generalized Dice losses of images (or of all), reduced as the common parameters say. */
void mm_monai_generalized_losses(const mm_cells *cells, const mm_args *args, mm_by_volume w_type, int soft_label,
                                 mm_value *list);

#endif
