/*
 * score_compound.c - sums of other scores that have a name of their own.
 *
 * A row is a text: the terms of a sum(), with {name} for its own parameters and {common} for the common ones.  Values
 * per class and per image, and what is undefined, follow from the terms.
 */
#include "lib/scores.h"

#include <math.h>

/* clang-format off */
#define FACTOR(NAME, STANDARD, OF) {NAME, MM_NUMBER, STANDARD, 0, 1e6, NULL, "factor of the " OF}
#define SHARE(NAME, STANDARD, OF)  {NAME, MM_NUMBER, STANDARD, 0, 1, NULL, "share of the " OF}
#define GAMMA_PARAM {"gamma", MM_NUMBER, "2", 0, 100, NULL, "how strongly easy voxels are played down"}
#define ALPHA_PARAM {"alpha", MM_NUMBER_OR_LIST, "none", 0, 1e6, "none", "weights of the focal part, as focal_loss has them"}

static const mm_param dice_ce_params[] = {
    FACTOR("lambda_dice", "1", "Dice part"), FACTOR("lambda_ce", "1", "cross-entropy")};
static const mm_param dice_bce_params[] = {
    FACTOR("lambda_bce", "0.5", "binary cross-entropy"), FACTOR("lambda_dice", "0.5", "Dice part")};
static const mm_param dice_focal_params[] = {
    FACTOR("lambda_dice", "1", "Dice part"), FACTOR("lambda_focal", "1", "focal part"), GAMMA_PARAM, ALPHA_PARAM};
static const mm_param generalized_params[] = {
    FACTOR("lambda_gdl", "1", "generalized Dice part"), FACTOR("lambda_focal", "1", "focal part"), GAMMA_PARAM, ALPHA_PARAM};
static const mm_param unified_params[] = {
    SHARE("weight", "0.5", "focal part"),
    {"gamma", MM_NUMBER, "0.5", 0, 1, NULL, "power of the focal factor of class 0, and of the Tversky loss of others 1 - gamma"},
    {"delta", MM_NUMBER, "0.7", 0, 1, NULL, "weight of classes 1, 2 ..., and price of a false negative"}};
static const mm_param combo_params[] = {
    SHARE("alpha", "0.5", "entropy part"),
    {"beta", MM_NUMBER, "0.5", 0, 1, NULL, "weight of label voxels in the entropy part; 1 - beta is the weight of others"}};
static const mm_param exp_log_params[] = {
    FACTOR("wd", "0.8", "Dice part"), FACTOR("wc", "0.2", "entropy part"),
    {"gamma", MM_NUMBER, "0.3", 0, 100, NULL, "power of both logarithms"}};
static const mm_param topk_params[] = {{"k", MM_NUMBER, "10", 1e-9, 100, NULL, "how many of the voxels count, in percent"}};
static const mm_param log1p_params[] = {FACTOR("lambda", "0.5", "binary cross-entropy")};

#define SUM(NAME, SUMMARY, FORMULA, SOURCE, PARAMS, COMMON) \
    .info = {.name = NAME, .summary = SUMMARY, .formula = FORMULA, .source = SOURCE, \
             .undefined = "one of its terms is", .kind = MM_LOSS, .better = MM_LOWER, \
             .params = PARAMS, .param_count = MM_COUNT(PARAMS), .common = COMMON, .common_count = MM_COUNT(COMMON)}

#define SUM_OF_DEFAULTS(NAME, SUMMARY, FORMULA, SOURCE) \
    .info = {.name = NAME, .summary = SUMMARY, .formula = FORMULA, .source = SOURCE, \
             .undefined = "one of its terms is", .kind = MM_LOSS, .better = MM_LOWER, \
             .common = mm_common_image_sum, .common_count = MM_COUNT(mm_common_image_sum)}

static const mm_score rows[] = {
    {SUM("dice_ce_loss", "Dice loss and cross-entropy.", "lambda_dice dice_loss + lambda_ce cross_entropy",
         "Isensee et al. 2021 (nnU-Net)", dice_ce_params, mm_common_sum),
     .parts = "{lambda_dice}*dice_loss({common}),{lambda_ce}*cross_entropy({common})",
     .witness = 0.59657359027997264},
    {SUM("dice_bce_loss", "Binary cross-entropy and Dice loss.", "lambda_bce binary_cross_entropy + lambda_dice dice_loss",
         "Jadon 2020", dice_bce_params, mm_common_sum),
     .parts = "{lambda_bce}*binary_cross_entropy({common}),{lambda_dice}*dice_loss({common})",
     .witness = 0.29828679513998632},
    {SUM("dice_focal_loss", "Dice loss and focal loss.", "lambda_dice dice_loss + lambda_focal focal_loss",
         "Zhu et al. 2019 (AnatomyNet)", dice_focal_params, mm_common_sum),
     .parts = "{lambda_dice}*dice_loss({common}),{lambda_focal}*focal_loss(gamma={gamma},alpha={alpha},{common})",
     .witness = 0.33664339756999316},
    {SUM("generalized_dice_focal_loss", "Generalized Dice loss and focal loss.",
         "lambda_gdl generalized_dice_loss + lambda_focal focal_loss", "MONAI", generalized_params, mm_common_joint),
     .parts = "{lambda_gdl}*generalized_dice_loss({common}),{lambda_focal}*focal_loss(gamma={gamma},alpha={alpha},{common})",
     .witness = 0.33664339756999316},
    {SUM("unified_focal_loss", "Asymmetric focal loss and asymmetric focal Tversky loss.",
         "weight asymmetric_focal_loss + (1-weight) asymmetric_focal_tversky_loss", "Yeung et al. 2022",
         unified_params, mm_common_sum),
     .parts = "{weight}*asymmetric_focal_loss(gamma={gamma},delta={delta},{common}),"
              "{1-weight}*asymmetric_focal_tversky_loss(gamma={gamma},delta={delta},{common})",
     .witness = 0.14337984019003525},
    {SUM("combo_loss", "Balanced binary cross-entropy less the Dice coefficient.",
         "alpha balanced_binary_cross_entropy - (1-alpha) (1 - dice_loss)", "Taghanaki et al. 2019",
         combo_params, mm_common_sum),
     .parts = "{alpha}*balanced_binary_cross_entropy(beta={beta},{common}),{1-alpha}*negative_dice_loss({common})",
     .witness = -0.28835660243000684},
    {SUM("exp_log_loss", "Powers of the logarithms of Dice coefficient and probability.",
         "wd mean_c (-log max(dice_c, 1e-6))^gamma + wc mean_v w_y (-log p_y)^gamma, w_y = sqrt(V / G_y)", "Wong et al. 2018",
         exp_log_params, mm_common_sum),
     .parts = "{wd}*log_dice_loss(eps=1e-6,gamma={gamma},{common}),{wc}*exp_log_cross_entropy(gamma={gamma},{common})",
     .witness = 0.6772041654082214},
    {SUM("log1p_dice_bce_loss", "Binary cross-entropy and the logarithm of one plus the Dice loss.",
         "lambda binary_cross_entropy + log(1 + dice_loss)", "A summary of common losses for multi-class semantic segmentation (2021)",
         log1p_params, mm_common_sum),
     .parts = "{lambda}*binary_cross_entropy({common}),log1p_dice_loss({common})",
     .witness = 0.39643034645419609},
    {SUM("dice_topk_loss", "Dice loss and the cross-entropy of the voxels where it is largest.", "dice_loss + topk_cross_entropy",
         "Ma et al. 2021 (SegLossOdyssey)", topk_params, mm_common_image_joint),
     .parts = "dice_loss({common}),topk_cross_entropy(k={k},{common})",
     .witness = 0.94314718055994531},
    {SUM_OF_DEFAULTS("unet3p_loss", "Focal loss, structural similarity at five scales and Jaccard loss.",
         "focal_loss + ms_ssim_loss (ssim_loss where an image is too small) + jaccard_loss", "Huang et al. 2020 (UNet 3+)"),
     .parts = "focal_loss({common}),ms_ssim_loss(too_small=ssim,{common}),jaccard_loss({common})",
     .witness = (double)NAN /* too small for one window */},
    {SUM_OF_DEFAULTS("basnet_loss", "Binary cross-entropy, structural similarity and Jaccard loss.",
         "binary_cross_entropy + ssim_loss + jaccard_loss", "Qin et al. 2019 (BASNet)"),
     .parts = "binary_cross_entropy({common}),ssim_loss({common}),jaccard_loss({common})",
     .witness = (double)NAN},
};
/* clang-format on */

const mm_score_family mm_scores_compound = {rows, MM_COUNT(rows)};
