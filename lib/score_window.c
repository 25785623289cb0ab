/*
 * score_window.c - scores of windows: structural similarity, labels that agree with their neighbourhood (NACL), and
 * correlation-maximised structural similarity.
 */
#include "lib/scores.h"

#include <math.h>

#include "lib/image_kinds.h"
#include "lib/overlap.h"
#include "lib/similarity.h"
#include "lib/window.h"

/* --------------------------------------------------------------------- SSIM */

enum { WINDOW, SIGMA, K1, K2, RANGE, KERNEL }; /* parameters, and places in mm_stat.more */

static mm_stat ssim_stat(unsigned kind, const mm_args *args)
{
    mm_stat stat = {.kind = kind};

    for (size_t i = WINDOW; i < KERNEL; i++)
        stat.more[i] = args->own[i].number;
    stat.more[KERNEL] = args->own[KERNEL].word;
    return stat;
}

static size_t ssim_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = ssim_stat(MM_IMAGE_SSIM, args);
    return 1;
}

static size_t ms_ssim_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = ssim_stat(MM_IMAGE_MS_SSIM, args);
    return 1;
}

enum { TOO_SMALL = KERNEL + 1 }; /* parameter of ms_ssim_loss */
enum { SCALES, ONE_SCALE };      /* columns */

static size_t ms_ssim_loss_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[SCALES] = ssim_stat(MM_IMAGE_MS_SSIM, args);
    stats[ONE_SCALE] = ssim_stat(MM_IMAGE_SSIM, args);
    return args->own[TOO_SMALL].word == 0 ? 1 : 2;
}

static const char *ssim_check(const mm_args *args)
{
    const double window = args->own[WINDOW].number;

    return window == floor(window) ? NULL : "window is a whole number";
}

static mm_value ssim(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_similarity(x, 0);
}

static mm_value ssim_loss(const mm_group *x, const mm_args *args)
{
    return mm_one_minus(ssim(x, args));
}

static mm_value ms_ssim(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_similarity_of_scales(x, 0);
}

/* Of an image that is too small for five scales, 1 - ssim where that is asked for. */
static mm_value ms_ssim_loss(const mm_group *x, const mm_args *args)
{
    const mm_value score = mm_similarity_of_scales(x, SCALES);
    const int small = score.reason == MM_TOO_SMALL && args->own[TOO_SMALL].word != 0;

    return mm_one_minus(small ? mm_similarity(x, ONE_SCALE) : score);
}

/* --------------------------------------------------------------------- NACL */

enum { NACL_ALPHA, NACL_SIZE, NACL_NORM, NACL_KERNEL, NACL_SIGMA }; /* parameters */
enum { DISTANCE, POS, G_OR_NEG };                                   /* columns */

static int exclusive(const mm_args *args)
{
    return args->task == MM_MULTICLASS;
}

static size_t nacl_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[DISTANCE] =
        (mm_stat){.kind = MM_IMAGE_NACL,
                  .form = MM_FORM_SENT,
                  .gamma = 1.0 + args->own[NACL_NORM].word,
                  .more = {args->own[NACL_SIZE].number, args->own[NACL_KERNEL].word, args->own[NACL_SIGMA].number}};
    stats[POS] = (mm_stat){.kind = MM_SUM_POS, .eps = 1e-7};
    stats[G_OR_NEG] = exclusive(args) ? (mm_stat){.kind = MM_SUM_G} : (mm_stat){.kind = MM_SUM_NEG, .eps = 1e-7};
    return 3;
}

static const char *odd_check(double size)
{
    return size == 2.0 * floor(size / 2.0) + 1.0 ? NULL : "windows have a voxel in the middle: an odd number";
}

static const char *nacl_check(const mm_args *args)
{
    return odd_check(args->own[NACL_SIZE].number);
}

/* Cross-entropy of the chosen classes' voxels, or of each class against the rest, and alpha mean |u - x|^norm. */
static mm_value nacl_loss(const mm_group *x, size_t count, const mm_args *args)
{
    const int whole = count == args->classes;
    double entropy = 0.0, voxels = 0.0, distance = 0.0, terms = 0.0;

    for (size_t i = 0; i < count; i++) {
        const mm_reason reason = mm_whole_reason(&x[i], DISTANCE);

        if (reason != MM_DEFINED)
            return mm_undefined(reason);
        distance += mm_wide(&x[i], DISTANCE, 1);
        terms += mm_wide(&x[i], DISTANCE, 2);
        entropy += x[i].sum[POS] + (exclusive(args) ? 0.0 : x[i].sum[G_OR_NEG]);
        voxels += exclusive(args) ? x[i].sum[G_OR_NEG] : (double)x[i].scored;
    }
    if (exclusive(args) && whole)
        voxels = (double)x[0].scored;
    return voxels == 0.0 ? mm_undefined(MM_ABSENT_IN_LABEL)
                         : mm_defined(entropy / voxels + args->own[NACL_ALPHA].number * (distance / terms));
}

/* -------------------------------------------------------------- correlation */

enum { BETA, SMALL, CORRELATION_WINDOW, CORRELATION_SIGMA, EPS }; /* parameters; but EPS, places in mm_stat.more */

static size_t correlation_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = (mm_stat){.kind = MM_IMAGE_CORRELATION, .eps = args->own[EPS].number};
    for (size_t i = BETA; i < EPS; i++)
        stats[0].more[i] = args->own[i].number;
    return 1;
}

static const char *correlation_check(const mm_args *args)
{
    return odd_check(args->own[CORRELATION_WINDOW].number);
}

/* sum e f BCE / sum f */
static mm_value correlation_ssim_loss(const mm_group *x, const mm_args *args)
{
    const mm_reason reason = mm_whole_reason(x, 0);

    (void)args;
    if (reason != MM_DEFINED)
        return mm_undefined(reason);
    return mm_ratio(mm_wide(x, 0, 1), mm_wide(x, 0, 2), MM_ZERO_DENOMINATOR);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define SSIM_PARAMS \
    [WINDOW] = {"window", MM_NUMBER, "11",   1,    MM_MAX_WINDOW, NULL, "voxels of a window along each axis"}, \
    [SIGMA]  = {"sigma",  MM_NUMBER, "1.5",  1e-3, 1e6, NULL, "spread of the Gaussian window, in voxels"}, \
    [K1]     = {"k1",     MM_NUMBER, "0.01", 1e-6, 1,   NULL, "steadies the means: c1 = (k1 range)^2"}, \
    [K2]     = {"k2",     MM_NUMBER, "0.03", 1e-6, 1,   NULL, "steadies the variances: c2 = (k2 range)^2"}, \
    [RANGE]  = {"range",  MM_NUMBER, "1",    1e-6, 1e6, NULL, "range of the values"}, \
    [KERNEL] = {"kernel", MM_WORD,   "gaussian", 0, 0, "gaussian|uniform", "weights of the voxels of a window"}

static const mm_param ssim_params[] = {SSIM_PARAMS};
static const mm_param ms_ssim_loss_params[] = {SSIM_PARAMS,
    [TOO_SMALL] = {"too_small", MM_WORD, "undefined", 0, 0, "undefined|ssim",
                   "an image that is too small for five scales: not defined, or its ssim_loss"}};
static const mm_param nacl_params[] = {
    [NACL_ALPHA]  = {"alpha",  MM_NUMBER, "0.1",  0, 1e6, NULL, "weight of the distance"},
    [NACL_SIZE]   = {"size",   MM_NUMBER, "3",    1, MM_MAX_WINDOW, NULL, "voxels of a window along each axis, odd"},
    [NACL_NORM]   = {"norm",   MM_WORD,   "l1",   0, 0, "l1|l2", "distance |u - x|, or its square"},
    [NACL_KERNEL] = {"kernel", MM_WORD,   "mean", 0, 0, "mean|gaussian", "weights of the voxels of a window"},
    [NACL_SIGMA]  = {"sigma",  MM_NUMBER, "1",    1e-3, 1e6, NULL, "spread of the Gaussian kernel, in voxels"}};
static const mm_param correlation_params[] = {
    [BETA]               = {"beta",   MM_NUMBER, "0.1",  0, 1, NULL, "windows below this share of the greatest difference are left out"},
    [SMALL]              = {"c",      MM_NUMBER, "0.01", 1e-9, 1e6, NULL, "steadies the division by the deviation"},
    [CORRELATION_WINDOW] = {"window", MM_NUMBER, "3",    1, MM_MAX_WINDOW, NULL, "voxels of a window along each axis, odd"},
    [CORRELATION_SIGMA]  = {"sigma",  MM_NUMBER, "1.5",  1e-3, 1e6, NULL, "spread of the Gaussian window, in voxels"},
    [EPS]                = {"eps",    MM_NUMBER, "1e-7", 1e-300, 0.5, NULL,
                            "logarithms are of max(p, eps) and max(1-p, eps); input given as logits needs no clamp"}};

#define WANG    "Wang et al. 2004"
#define WANG_MS "Wang et al. 2003"
#define SSIM    "mean over the windows of (2 mu_p mu_g + c1) (2 s_pg + c2) / ((mu_p^2 + mu_g^2 + c1) (s_pp + s_gg + c2)), " \
                "s_pg = mean p g - mu_p mu_g, c1 = (k1 range)^2, c2 = (k2 range)^2"
#define MS_SSIM "prod_s relu(mean cs_s)^w_s over four scales, each half the one before, times relu(mean ssim)^w of the fifth; " \
                "w = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333; cs = (2 s_pg + c2) / (s_pp + s_gg + c2)"
#define SMALL_IMAGE    "the class is in neither label nor prediction, or no window fits among the scored voxels"
#define SMALL_MS_IMAGE SMALL_IMAGE ", at every scale"
#define ROW(NAME, SUMMARY, FORMULA, SOURCE, UNDEFINED, KIND, BETTER, PARAMS) \
    .info = {.name = NAME, .summary = SUMMARY, .formula = FORMULA, .source = SOURCE, .undefined = UNDEFINED, .kind = KIND, \
             .better = BETTER, .params = PARAMS, .param_count = MM_COUNT(PARAMS), \
             .common = mm_common_image, .common_count = MM_COUNT(mm_common_image)}

static const mm_score rows[] = {
    {ROW("ssim", "Structural similarity of prediction and label in windows.", SSIM, WANG, SMALL_IMAGE,
         MM_METRIC, MM_HIGHER, ssim_params),
     .stats = ssim_stats, .check = ssim_check, .per_class = ssim,
     .example = "ssim(window=4,kernel=uniform)", .witness = 2509.0 / 3759.0}, /* means 1/2, variances 1/8, 1/4, 1/8 */
    {ROW("ssim_loss", "One minus the structural similarity.", "1 - " SSIM, WANG, SMALL_IMAGE,
         MM_LOSS, MM_LOWER, ssim_params),
     .stats = ssim_stats, .check = ssim_check, .per_class = ssim_loss,
     .example = "ssim_loss(window=4,kernel=uniform)", .witness = 1250.0 / 3759.0},
    {ROW("ms_ssim", "Structural similarity in windows at five scales.", MS_SSIM, WANG_MS, SMALL_MS_IMAGE,
         MM_METRIC, MM_HIGHER, ssim_params),
     .stats = ms_ssim_stats, .check = ssim_check, .per_class = ms_ssim, .witness = NAN}, /* too small */
    {ROW("ms_ssim_loss", "One minus the structural similarity at five scales.", "1 - " MS_SSIM, WANG_MS, SMALL_MS_IMAGE,
         MM_LOSS, MM_LOWER, ms_ssim_loss_params),
     .stats = ms_ssim_loss_stats, .check = ssim_check, .per_class = ms_ssim_loss,
     .example = "ms_ssim_loss(window=4,kernel=uniform,too_small=ssim)", .witness = 1250.0 / 3759.0},
    {ROW("correlation_ssim_loss", "Cross-entropy of the voxels whose surroundings differ most, weighted by how much.",
         "sum e f BCE / sum f, e = |(g - mu_g + c) / (s_g + c) - (p - mu_p + c) / (s_p + c)| with the mean and deviation of "
         "the window around, f = 1[e > beta max e]; whole windows only", "Zhao et al. 2019 (SSL)",
         SMALL_IMAGE "; they differ nowhere", MM_LOSS, MM_LOWER, correlation_params),
     .stats = correlation_stats, .check = correlation_check, .per_class = correlation_ssim_loss,
     .witness = 0.8954357113812297}, /* ln 2 times the mean difference of the two windows */
    {.info = {.name = "nacl_loss", .summary = "Cross-entropy, and logits that are like the labels around them.",
              .formula = "CE + alpha mean_(v,c) |u - x|, u the mean of the label in the window around, 0 outside the image, "
                         "x the logit; norm=l2: (u - x)^2",
              .source = "Murugesan et al. 2023", .undefined = "no window lies among the scored voxels",
              .kind = MM_LOSS, .better = MM_LOWER, .params = nacl_params, .param_count = MM_COUNT(nacl_params),
              .common = mm_common_image_joint, .common_count = MM_COUNT(mm_common_image_joint)},
     .stats = nacl_stats, .check = nacl_check, .joint = nacl_loss, .logits = 1, .always = 1,
     .witness = 0.6303073757762621}, /* distances 1/3, 1/6, 1/6, 0 */
};
/* clang-format on */

const mm_score_family mm_scores_window = {rows, MM_COUNT(rows)};
