/*
 * peer_monai_images.c - MONAI's functions of whole images: center lines, windows, instances, and ranks.
 *
 * Columns of images (image_kinds.h): value 0 is the reason why the others are not there.
 */
#include "lib/peer_monai.h"

#include <math.h>

#include "lib/image_kinds.h"
#include "lib/window.h"

static mm_reason reason_of(const mm_group *x, size_t column)
{
    return (mm_reason)mm_wide(x, column, 0);
}

static const char *check_axes(const mm_arg *axes, const mm_args *args)
{
    return mm_is_word(axes) || args->spatial_rank == 0 || axes->number == (double)args->spatial_rank
               ? NULL
               : "the number of spatial axes must be that of the data";
}

static int is_whole(double number)
{
    return number == floor(number);
}

/* ------------------------------------------------------------- center lines */

enum { ITERATIONS, SMOOTH, ALPHA };                     /* parameters */
enum { CENTER, PRODUCT };                               /* columns; those of the product only with Dice */
enum { PRED_IN_LABEL = 1, PRED, LABEL_IN_PRED, LABEL }; /* values of CENTER: sums of skeletons */

static size_t center_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[CENTER] = (mm_stat){.kind = MM_IMAGE_CLDICE, .form = MM_FORM_SENT, .more = {args->own[ITERATIONS].number}};
    return 1;
}

static size_t center_dice_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    center_stats(args, stats);
    return PRODUCT + mm_soft_stats(MM_BY_PRODUCT, MM_FORM_SENT, stats + PRODUCT);
}

/* Sums over all images, and over all classes but 0. */
typedef struct center_sums {
    double skeleton[LABEL + 1], i, p, g;
    mm_reason reason;
} center_sums;

static center_sums add_up(const mm_cells *cells)
{
    center_sums all = {.reason = cells->images->classes > 1 ? MM_DEFINED : MM_NO_VOXELS};

    for (size_t c = 1; c < cells->images->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);

        for (size_t n = 0; n < cells->images->count; n++) {
            const mm_group cell = mm_cell(cells, n, c);

            if (reason_of(&cell, CENTER) != MM_DEFINED)
                all.reason = reason_of(&cell, CENTER);
        }
        for (size_t k = PRED_IN_LABEL; k <= LABEL; k++)
            all.skeleton[k] += mm_wide(&x, CENTER, k);
        if (cells->need_count > 1) {
            const mm_group product = {.sum = {x.sum[PRODUCT], x.sum[PRODUCT + 1], x.sum[PRODUCT + 2]}};
            const mm_soft soft = mm_soft_of(&product, MM_BY_PRODUCT);

            all.i += soft.tp;
            all.p += soft.tp + soft.fp;
            all.g += soft.g;
        }
    }
    return all;
}

/* 1 - 2 a b / (a + b), a = (sum S(p) g + s) / (sum S(p) + s), b = (sum S(g) p + s) / (sum S(g) + s) */
static mm_value center_loss(const center_sums *x, double s)
{
    const double a = (x->skeleton[PRED_IN_LABEL] + s) / (x->skeleton[PRED] + s);
    const double b = (x->skeleton[LABEL_IN_PRED] + s) / (x->skeleton[LABEL] + s);

    return x->reason == MM_DEFINED ? mm_defined(1.0 - 2.0 * a * b / (a + b)) : mm_undefined(x->reason);
}

static void soft_cldice(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const center_sums sums = add_up(cells);

    *list = center_loss(&sums, args->own[SMOOTH].number);
}

/* (1-alpha) (1 - (2 I + s) / (P + G + s)) + alpha clDice */
static void soft_dice_cldice(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const center_sums sums = add_up(cells);
    const double s = args->own[SMOOTH].number, alpha = args->own[ALPHA].number;
    const mm_value dice = mm_overlap_score(sums.i, sums.p - sums.i, sums.g - sums.i,
                                           &(mm_overlap){.k = 2.0, .a = 1.0, .b = 1.0, .n0 = s, .d0 = s});

    *list = mm_mix(1.0 - alpha, mm_one_minus(dice), alpha, center_loss(&sums, s));
}

static const char *center_check(const mm_args *args)
{
    return is_whole(args->own[ITERATIONS].number) ? NULL : "iter_ is a whole number";
}

/* --------------------------------------------------------------------- NACL */

enum { N_CLASSES, N_DIM, N_SIZE, N_KERNEL, N_DISTANCE, N_ALPHA, N_SIGMA };
enum { N_CE, N_PENALTY };
enum { NACL_INTEGRAL = 2 }; /* kernel of MM_IMAGE_NACL */

/* The peer's Gaussian kernel reaches four sigma, whatever kernel_size says. */
static double gaussian_size(const mm_args *args)
{
    return 2.0 * floor(fmax(4.0 * args->own[N_SIGMA].number, 0.5) + 0.5) + 1.0;
}

static size_t nacl_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const int gaussian = args->own[N_KERNEL].word == 1;

    stats[N_CE] = (mm_stat){.kind = MM_SUM_POS, .form = MM_FORM_SOFTMAX};
    stats[N_PENALTY] = (mm_stat){.kind = MM_IMAGE_NACL,
                                 .form = MM_FORM_SENT,
                                 .gamma = args->own[N_DISTANCE].word == 1 ? 2.0 : 1.0,
                                 .more = {gaussian ? gaussian_size(args) : args->own[N_SIZE].number,
                                          gaussian ? NACL_INTEGRAL : 0.0, gaussian ? args->own[N_SIGMA].number : 0.0}};
    return 2;
}

static const char *nacl_check(const mm_args *args)
{
    const char *wrong = mm_check_classes(&args->own[N_CLASSES], args);
    const double size = args->own[N_SIZE].number;

    if (wrong != NULL)
        return "classes must be the number of classes of the data";
    if (args->classes == 1)
        return "cross-entropy over the classes needs two or more";
    if (!is_whole(size) || fmod(size, 2.0) == 0.0)
        return "kernel_size is an odd whole number";
    if (args->own[N_KERNEL].word == 1 && gaussian_size(args) > MM_MAX_WINDOW)
        return "sigma is at most 12.6: the window, which reaches four sigma, would exceed 101 voxels";
    return check_axes(&args->own[N_DIM], args);
}

/* mean over voxels of CE + alpha times the mean of |u - x| or (u - x)^2 */
static void nacl_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    double entropy = 0.0, penalty = 0.0, voxels = 0.0, terms = 0.0;

    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);

        entropy += x.sum[N_CE];
        penalty += mm_wide(&x, N_PENALTY, 1);
        terms += mm_wide(&x, N_PENALTY, 2);
        voxels = (double)x.scored;
    }
    *list = mm_mix(1.0, mm_ratio(entropy, voxels, MM_NO_VOXELS), args->own[N_ALPHA].number,
                   mm_ratio(penalty, terms, voxels > 0.0 ? MM_TOO_SMALL : MM_NO_VOXELS));
}

/* --------------------------------------------------------------------- SSIM */

enum { S_AXES, S_RANGE, S_KERNEL, S_SIZE, S_SIGMA, S_K1, S_K2, S_REDUCTION, S_WEIGHTS };
enum { S_METRIC_NONE, S_METRIC_MEAN, S_METRIC_SUM }; /* choices of the metrics' reduction */

static mm_stat ssim_stat(const mm_args *args, unsigned kind)
{
    const int uniform = args->own[S_KERNEL].word == 1;

    return (mm_stat){.kind = kind,
                     .form = MM_FORM_SENT,
                     .more = {args->own[S_SIZE].number, uniform ? 0.0 : args->own[S_SIGMA].number,
                              args->own[S_K1].number, args->own[S_K2].number, args->own[S_RANGE].number, uniform}};
}

static size_t ssim_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = ssim_stat(args, MM_IMAGE_SSIM);
    return 1;
}

static size_t scales_of(const mm_args *args)
{
    return args->own[S_WEIGHTS].list == NULL ? 1 : args->own[S_WEIGHTS].count;
}

static size_t ms_ssim_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const size_t scales = scales_of(args);

    stats[0] = ssim_stat(args, MM_IMAGE_MS_SSIM);
    stats[0].gamma = scales == MM_SCALES ? 0.0 : (double)scales;
    return 1;
}

static const char *ssim_check(const mm_args *args)
{
    return is_whole(args->own[S_SIZE].number) ? check_axes(&args->own[S_AXES], args) : "the window has a whole size";
}

static const char *ms_ssim_check(const mm_args *args)
{
    return scales_of(args) > MM_SCALES ? "weights takes one number for each scale, at most 5" : ssim_check(args);
}

/* Value w of the column, averaged over the classes of image n. */
static mm_value class_mean(const mm_cells *cells, size_t n, size_t w)
{
    double sum = 0.0;

    for (size_t c = 0; c < cells->images->classes; c++) {
        const mm_group x = mm_cell(cells, n, c);

        if (reason_of(&x, 0) != MM_DEFINED)
            return mm_undefined(reason_of(&x, 0));
        sum += mm_wide(&x, 0, w);
    }
    return mm_defined(sum / (double)cells->images->classes);
}

static mm_value ssim_of_image(const mm_cells *cells, const mm_args *args, size_t n)
{
    (void)args;
    return class_mean(cells, n, 1);
}

/* prod relu(mean cs)^w over the scales but the last, times relu(mean ssim)^w of the last. */
static mm_value ms_ssim_of_image(const mm_cells *cells, const mm_args *args, size_t n)
{
    const size_t scales = scales_of(args);
    double product = 1.0;

    for (size_t s = 0; s < scales; s++) {
        const mm_value mean = class_mean(cells, n, s + 1 < scales ? 1 + s : 1 + MM_SCALES + s);

        if (mean.reason != MM_DEFINED)
            return mean;
        product *= mm_pow(fmax(mean.value, 0.0), mm_number_of_class(&args->own[S_WEIGHTS], s));
    }
    return mm_defined(product);
}

typedef mm_value (*image_value)(const mm_cells *cells, const mm_args *args, size_t n);

/* All images, or their mean or sum; `loss`: of 1 minus the value. */
static void over_images(const mm_cells *cells, const mm_args *args, image_value value, int loss, int all, int sum,
                        mm_value *list)
{
    mm_mean mean = {.count = 0};

    for (size_t n = 0; n < cells->images->count; n++) {
        mm_value x = value(cells, args, n);

        if (loss)
            x.value = 1.0 - x.value;
        mm_mean_add(&mean, x, 1.0);
        if (all)
            list[n] = x;
    }
    if (!all)
        *list = mm_monai_reduced(&mean, sum ? MM_MONAI_SUM : MM_MONAI_MEAN);
}

static void ssim_loss(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const int reduction = args->own[S_REDUCTION].word;

    over_images(cells, args, ssim_of_image, 1, reduction == MM_MONAI_NONE, reduction == MM_MONAI_SUM, list);
}

static void ssim_metric(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const int reduction = args->own[S_REDUCTION].word;

    over_images(cells, args, ssim_of_image, 0, reduction == S_METRIC_NONE, reduction == S_METRIC_SUM, list);
}

static void ms_ssim_metric(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const int reduction = args->own[S_REDUCTION].word;

    over_images(cells, args, ms_ssim_of_image, 0, reduction == S_METRIC_NONE, reduction == S_METRIC_SUM, list);
}

static unsigned ssim_loss_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return args->own[S_REDUCTION].word == MM_MONAI_NONE ? mm_shape_images(args, images, dim) : 0;
}

static unsigned ssim_metric_shape(const mm_args *args, size_t images, size_t dim[3])
{
    if (args->own[S_REDUCTION].word != S_METRIC_NONE)
        return 0;
    dim[0] = images;
    dim[1] = 1;
    return 2;
}

/* ----------------------------------------------------------------- panoptic */

enum { P_METRIC, P_IOU, P_SMOOTH, P_CLASS };
enum { P_SUM = 1, P_TP, P_FP, P_FN }; /* values of the column */

static size_t panoptic_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = (mm_stat){.kind = MM_IMAGE_PANOPTIC, .more = {args->own[P_IOU].number, 1.0}};
    return 1;
}

static const char *panoptic_check(const mm_args *args)
{
    const double c = args->own[P_CLASS].number;

    return is_whole(c) && c < (double)args->classes ? NULL : "of_class is the index of a class, counted from 0";
}

/* pq: sum IoU / (TP + FP/2 + FN/2 + s); sq: sum IoU / (TP + s); rq: TP / (TP + FP/2 + FN/2 + s) */
static void panoptic_quality(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const double s = args->own[P_SMOOTH].number;
    const int metric = args->own[P_METRIC].word % 3;

    for (size_t n = 0; n < cells->images->count; n++) {
        const mm_group x = mm_cell(cells, n, (size_t)args->own[P_CLASS].number);
        const double sum = mm_wide(&x, 0, P_SUM), tp = mm_wide(&x, 0, P_TP);
        const double all = tp + mm_wide(&x, 0, P_FP) / 2.0 + mm_wide(&x, 0, P_FN) / 2.0;

        list[n] = mm_ratio(metric == 2 ? tp : sum, (metric == 1 ? tp : all) + s, MM_ZERO_DENOMINATOR);
    }
}

/* -------------------------------------------------------------------- ranks */

enum { R_AVERAGE };
enum { MACRO, WEIGHTED, EACH }; /* choices of `average` */

static size_t auroc_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = (mm_stat){.kind = MM_IMAGE_AUROC, .flags = MM_STAT_BATCH, .form = MM_FORM_SENT};
    return 1;
}

static size_t precision_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = (mm_stat){.kind = MM_IMAGE_AVERAGE_PRECISION, .flags = MM_STAT_BATCH, .form = MM_FORM_SENT};
    return 1;
}

/* Of each class, or their mean, which is undefined when one is. */
static void rank_metric(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    const int average = args->own[R_AVERAGE].word;
    mm_mean all = {.count = 0};

    for (size_t c = 0; c < args->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);
        const mm_reason reason = x.label == x.scored && x.scored > 0 ? MM_SINGLE_CLASS : reason_of(&x, 0);
        const mm_value value = reason == MM_DEFINED ? mm_defined(mm_wide(&x, 0, 1)) : mm_undefined(reason);

        mm_mean_add(&all, value, average == WEIGHTED ? (double)x.label : 1.0);
        if (average == EACH)
            list[c] = value;
    }
    if (average != EACH)
        *list = mm_monai_reduced(&all, MM_MONAI_MEAN);
}

static unsigned rank_shape(const mm_args *args, size_t images, size_t dim[3])
{
    return args->own[R_AVERAGE].word == EACH ? mm_shape_classes(args, images, dim) : 0;
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define CENTER_PARAMS(smooth) \
    [ITERATIONS] = {"iter_", MM_NUMBER, "3", 0, 1000, NULL, "erosions of the soft skeleton"}, \
    [SMOOTH]     = {"smooth", MM_NUMBER, "1", 0, 1e6, NULL, smooth}
#define AXES_PARAM(name) {name, MM_NUMBER, "none", 1, 3, "none", "accepted when it is the number of spatial axes of the data"}
#define SSIM_PARAMS(size, reduction) \
    [S_AXES]      = AXES_PARAM("spatial_dims"), \
    [S_RANGE]     = {"data_range", MM_NUMBER, "1", 1e-6, 1e6, NULL, "how far apart two values can be"}, \
    [S_KERNEL]    = {"kernel_type", MM_WORD, "gaussian", 0, 0, "gaussian|uniform", "weights of the window"}, \
    [S_SIZE]      = {size, MM_NUMBER, "11", 1, 255, NULL, "voxels along each axis of the window"}, \
    [S_SIGMA]     = {"kernel_sigma", MM_NUMBER, "1.5", 1e-3, 1e3, NULL, "of a gaussian window, in voxels"}, \
    [S_K1]        = {"k1", MM_NUMBER, "0.01", 1e-9, 1, NULL, "stabilises the means"}, \
    [S_K2]        = {"k2", MM_NUMBER, "0.03", 1e-9, 1, NULL, "stabilises the variances"}, \
    [S_REDUCTION] = reduction
#define METRIC_REDUCTION {"reduction", MM_WORD, "none", 0, 0, "none|mean|sum", \
    "one value per image, as calling the metric gives; or what aggregate() gives"}
#define RANK_PARAM {"average", MM_WORD, "macro", 0, 0, "macro|weighted|none", \
    "mean over classes; mean by label voxels; one value per class"}

static const mm_param center_params[] = {CENTER_PARAMS("added to every sum")};
static const mm_param center_dice_params[] = {CENTER_PARAMS("added to every sum"),
    [ALPHA]      = {"alpha", MM_NUMBER, "0.5", 0, 1, NULL, "share of the center lines"}};
static const mm_param nacl_params[] = {
    [N_CLASSES]  = {"classes", MM_NUMBER, "none", 1, 4096, "none", "accepted when it is the number of classes of the data"},
    [N_DIM]      = AXES_PARAM("dim"),
    [N_SIZE]     = {"kernel_size", MM_NUMBER, "3", 1, 255, NULL, "voxels along each axis of the window of the mean, an odd number; a gaussian window reaches four sigma"},
    [N_KERNEL]   = {"kernel_ops", MM_WORD, "mean", 0, 0, "mean|gaussian", "weights of the window"},
    [N_DISTANCE] = {"distance_type", MM_WORD, "l1", 0, 0, "l1|l2", "|u - x| or (u - x)^2"},
    [N_ALPHA]    = {"alpha", MM_NUMBER, "0.1", 0, 1e6, NULL, "factor of the penalty"},
    [N_SIGMA]    = {"sigma", MM_NUMBER, "1", 1e-3, 1e3, NULL, "of a gaussian window, in voxels"}};
static const mm_param ssim_loss_params[] = {SSIM_PARAMS("win_size", MM_MONAI_REDUCTION_PARAM("mean|sum|none"))};
static const mm_param ssim_params[] = {SSIM_PARAMS("win_size", METRIC_REDUCTION)};
static const mm_param ms_ssim_params[] = {SSIM_PARAMS("kernel_size", METRIC_REDUCTION),
    [S_WEIGHTS]  = {"weights", MM_NUMBERS, "[0.0448,0.2856,0.3001,0.2363,0.1333]", 0, 100, NULL, "power of each scale"}};
static const mm_param panoptic_params[] = {
    [P_METRIC]   = {"metric_name", MM_WORD, "pq", 0, 0, "pq|sq|rq|panoptic_quality|segmentation_quality|recognition_quality",
                    "panoptic, segmentation or recognition quality"},
    [P_IOU]      = {"match_iou_threshold", MM_NUMBER, "0.5", 0, 1, NULL, "instances match when their IoU is above"},
    [P_SMOOTH]   = {"smooth_numerator", MM_NUMBER, "1e-6", 0, 1e6, NULL, "added to the denominator, as in the peer"},
    [P_CLASS]    = {"of_class", MM_NUMBER, NULL, 0, 4095, NULL, "the class whose face-connected components are the instances"}};
static const mm_param rank_params[] = {[R_AVERAGE] = RANK_PARAM};

#define METRIC_INFO(NAME, SUMMARY, FORMULA, UNDEFINED) MM_MONAI_INFO(NAME, SUMMARY, FORMULA, UNDEFINED, MM_METRIC, MM_HIGHER)
#define SMALL "an image is smaller than the window"

static const mm_score rows[] = {
    {.info = {MM_MONAI_LOSS("SoftclDiceLoss", "Overlap of soft center lines, over all images and all classes but 0.",
                            "1 - 2 a b / (a + b), a = (sum S(p) g + s) / (sum S(p) + s), b = (sum S(g) p + s) / (sum S(g) + s)",
                            "there is one class only"), MM_PARAMS(center_params)},
     .stats = center_stats, .check = center_check, .peer = soft_cldice},
    {.info = {MM_MONAI_LOSS("SoftDiceclDiceLoss", "Dice loss and the loss of soft center lines, over all images and all classes but 0.",
                            "(1-alpha) (1 - (2 I + s) / (P + G + s)) + alpha SoftclDiceLoss", "there is one class only"),
              MM_PARAMS(center_dice_params)},
     .stats = center_dice_stats, .check = center_check, .peer = soft_dice_cldice, .witness = 0.1},
    {.info = {MM_MONAI_LOSS("NACLLoss", "Cross-entropy, and how far logits are from the labels around them.",
                            "mean CE + alpha mean |u - x|, u = mean of the one-hot label in the window, 0 outside the image",
                            "no voxel is scored"), MM_PARAMS(nacl_params)},
     .stats = nacl_stats, .check = nacl_check, .peer = nacl_loss, .witness = 0.5198711007057508},
    {.info = {MM_MONAI_LOSS("SSIMLoss", "One minus the structural similarity of prediction and label.",
                            "mean over images of 1 - mean over classes and windows of SSIM", SMALL),
              MM_PARAMS(ssim_loss_params)},
     .stats = ssim_stats, .check = ssim_check, .peer = ssim_loss, .shape = ssim_loss_shape,
     .example = "monai.SSIMLoss(win_size=3)", .witness = 0.6436049987844141},
    {.info = {METRIC_INFO("SSIMMetric", "Structural similarity of prediction and label.",
                          "mean over classes and windows of SSIM, for each image", SMALL), MM_PARAMS(ssim_params)},
     .stats = ssim_stats, .check = ssim_check, .peer = ssim_metric, .shape = ssim_metric_shape},
    {.info = {METRIC_INFO("MultiScaleSSIMMetric", "Structural similarity at several scales.",
                          "prod over scales of relu(mean cs)^w, of the last relu(mean ssim)^w, for each image", SMALL),
              MM_PARAMS(ms_ssim_params)},
     .stats = ms_ssim_stats, .check = ms_ssim_check, .peer = ms_ssim_metric, .shape = ssim_metric_shape},
    {.info = {METRIC_INFO("compute_panoptic_quality", "Matched instances of a class, for each image.",
                          "pq: sum IoU / (TP + FP/2 + FN/2 + s); sq: sum IoU / (TP + s); rq: TP / (TP + FP/2 + FN/2 + s)",
                          "the denominator is 0, which takes smooth_numerator=0"), MM_PARAMS(panoptic_params)},
     .stats = panoptic_stats, .check = panoptic_check, .peer = panoptic_quality, .shape = mm_shape_images,
     .example = "monai.compute_panoptic_quality(of_class=0)"},
    {.info = {METRIC_INFO("ROCAUCMetric", "Area under the ROC curve of all voxels of all images.",
                          "trapezoids of the true positive rate over the false positive rate",
                          "a class is everywhere or nowhere in the label"), MM_PARAMS(rank_params)},
     .stats = auroc_stats, .peer = rank_metric, .shape = rank_shape, .witness = 0.875},
    {.info = {METRIC_INFO("AveragePrecisionMetric", "Average precision of all voxels of all images.",
                          "sum_k (recall_k - recall_k-1) precision_k", "a class is everywhere or nowhere in the label"),
              MM_PARAMS(rank_params)},
     .stats = precision_stats, .peer = rank_metric, .shape = rank_shape, .witness = 5.0 / 6.0},
};
/* clang-format on */

const mm_score_family mm_peers_monai_images = {rows, MM_COUNT(rows)};
