/*
 * score_border.c - scores that weigh voxels by their distance from a border, and of what lies along or around it.
 *
 * Distances inside losses are in voxels, whatever the spacing.
 */
#include "lib/score_overlap.h"

#include <math.h>

#include "lib/image_kinds.h"

/* ---------------------------------------------------------------- Hausdorff */

enum { ALPHA, EROSIONS }; /* parameters, and places in mm_stat.more */

static size_t hausdorff_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = (mm_stat){.kind = MM_IMAGE_HAUSDORFF_DT, .more = {args->own[ALPHA].number}};
    return 1;
}

/* mean_v (p-g)^2 (F(p)^alpha + F(g)^alpha) */
static mm_value hausdorff_dt_loss(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(mm_wide(x, 0, 1), (double)x->scored, MM_NO_VOXELS);
}

/* log(1 + that) */
static mm_value log_hausdorff_dt_loss(const mm_group *x, const mm_args *args)
{
    const mm_value loss = hausdorff_dt_loss(x, args);

    return loss.reason == MM_DEFINED ? mm_defined(mm_log1p(loss.value)) : loss;
}

static size_t erosion_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = (mm_stat){.kind = MM_IMAGE_EROSION_JOINT, .more = {args->own[ALPHA].number, args->own[EROSIONS].number}};
    return 1;
}

static const char *erosion_check(const mm_args *args)
{
    for (size_t c = 0; c < args->classes; c++)
        if (!mm_class_chosen(&args->common, c, args->classes))
            return "errors are rescaled over all classes of an image: leave classes out";
    return args->own[EROSIONS].number == floor(args->own[EROSIONS].number) ? NULL : "erosions is a whole number";
}

/* mean over classes and voxels of sum_k b_k k^alpha */
static mm_value hausdorff_er_loss(const mm_group *x, size_t count, const mm_args *args)
{
    (void)args;
    return mm_ratio(mm_wide(&x[0], 0, 1), (double)x[0].scored * (double)count, MM_NO_VOXELS);
}

/* ------------------------------------------------------------- signed distance */

static size_t boundary_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = (mm_stat){.kind = MM_IMAGE_BOUNDARY};
    return 1;
}

/* mean_v p phi */
static mm_value boundary_loss(const mm_group *x, const mm_args *args)
{
    (void)args;
    return x->label == 0 ? mm_undefined(MM_ABSENT_IN_LABEL)
                         : mm_ratio(mm_wide(x, 0, 1), (double)x->scored, MM_NO_VOXELS);
}

/* ------------------------------------------------------------------- nearness */

enum { EPS }; /* parameter of those with a logarithm */

static size_t penalized_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = (mm_stat){.kind = MM_IMAGE_NEAR_ENTROPY, .eps = args->own[EPS].number};
    return 1;
}

/* (1 + f) CE; voxels are of the class of their hard label, as f is */
static mm_terms distance_penalized_cross_entropy(const mm_group *x, const mm_args *args)
{
    const int partition = args->task == MM_MULTICLASS;

    return (mm_terms){
        .sum = mm_wide(x, 0, 1), .voxels = (double)(partition ? x->label : x->scored), .partition = partition};
}

enum { NEAR, SUM_P, SUM_G }; /* columns */

static size_t weighted_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[NEAR] = (mm_stat){.kind = MM_IMAGE_NEAR_OVERLAP};
    stats[SUM_P] = (mm_stat){.kind = MM_SUM_P};
    stats[SUM_G] = (mm_stat){.kind = MM_SUM_G};
    return 3;
}

/* 1 - (2 sum p g (1 + f) + s) / (P + G + s) */
static mm_value distance_weighted_dice_loss(const mm_group *x, const mm_args *args)
{
    const mm_overlap smooth = mm_smoothed(args, 2.0, 1.0, 1.0);
    const double below = x->sum[SUM_P] + x->sum[SUM_G] + smooth.d0;

    return x->label == 0 ? mm_undefined(MM_ABSENT_IN_LABEL)
                         : mm_defined(1.0 - (2.0 * mm_wide(x, NEAR, 1) + smooth.n0) / below);
}

/* ------------------------------------------------------------------ shape aware */

enum { WRONG, SURFACES }; /* columns */

static size_t shape_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[WRONG] = (mm_stat){.kind = MM_IMAGE_WRONG_ENTROPY, .eps = args->own[EPS].number};
    stats[SURFACES] = (mm_stat){.kind = MM_IMAGE_SURFACE, .more = {1.0, 1.0, 1.0}};
    return 2;
}

/* Mean over the classes that have both surfaces of the mean distance between them, in voxels. */
static mm_value mean_distance(const mm_group *x, size_t count)
{
    mm_exact sum = {.count = 0};
    mm_reason reason = MM_REASON_COUNT;
    size_t defined = 0;

    for (size_t c = 0; c < count; c++) {
        const mm_reason of_class = mm_whole_reason(&x[c], SURFACES);

        if (of_class != MM_DEFINED) {
            reason = of_class < reason ? of_class : reason;
            continue;
        }
        mm_exact_add(&sum,
                     (mm_wide(&x[c], SURFACES, MM_SURFACE_SUM_A) + mm_wide(&x[c], SURFACES, MM_SURFACE_SUM_B)) /
                         (mm_wide(&x[c], SURFACES, MM_SURFACE_SIZE_A) + mm_wide(&x[c], SURFACES, MM_SURFACE_SIZE_B)));
        defined++;
    }
    return defined == 0 ? mm_undefined(reason) : mm_defined(mm_exact_round(&sum) / (double)defined);
}

/* mean_v CE (1 + E [hard prediction is wrong]) */
static mm_value shape_aware_loss(const mm_group *x, size_t count, const mm_args *args)
{
    const mm_value distance = mean_distance(x, count);
    mm_exact all = {.count = 0}, wrong = {.count = 0};
    double voxels = 0.0;

    if (distance.reason != MM_DEFINED)
        return distance;
    for (size_t c = 0; c < count; c++) {
        mm_exact_add(&all, mm_wide(&x[c], WRONG, 1));
        mm_exact_add(&wrong, mm_wide(&x[c], WRONG, 2));
        voxels += (double)(args->task == MM_MULTICLASS ? x[c].label : x[c].scored);
    }
    return mm_ratio(mm_exact_round(&all) + distance.value * mm_exact_round(&wrong), voxels, MM_ABSENT_IN_LABEL);
}

/* ------------------------------------------------------------------------ bands */

enum { RATIO, DISTANCE, METRIC };                           /* parameters, and places in mm_stat.more */
enum { REASON, BAND_OF_LABEL, BAND_OF_PRED, BAND_OF_BOTH }; /* values */

static size_t band_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    const int by_ratio = args->own[DISTANCE].word >= 0;

    stats[0] = (mm_stat){.kind = MM_IMAGE_BANDS,
                         .more = {by_ratio ? args->own[RATIO].number : 0.0, by_ratio ? 0.0 : args->own[DISTANCE].number,
                                  (double)args->own[METRIC].word}};
    return 1;
}

/* both / (label + prediction - both) */
static mm_value boundary_iou(const mm_group *x, const mm_args *args)
{
    const double both = mm_wide(x, 0, BAND_OF_BOTH);

    (void)args;
    return mm_ratio(both, mm_wide(x, 0, BAND_OF_LABEL) + mm_wide(x, 0, BAND_OF_PRED) - both, MM_ABSENT_IN_BOTH);
}

/* ---------------------------------------------------------------------- regions */

enum { CONNECTIVITY };             /* parameter, and place in mm_stat.more */
enum { SUM_OF_DICE = 1, REGIONS }; /* values */

static size_t region_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    stats[0] = (mm_stat){.kind = MM_IMAGE_REGIONS, .more = {args->own[CONNECTIVITY].number}};
    return 1;
}

static const char *region_check(const mm_args *args)
{
    const double connectivity = args->own[CONNECTIVITY].number;

    return connectivity == floor(connectivity) ? NULL : "connectivity is 1, 2 or 3";
}

/* mean over the label's components of the Dice coefficient around each */
static mm_value component_dice(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(mm_wide(x, 0, SUM_OF_DICE), mm_wide(x, 0, REGIONS), MM_ABSENT_IN_LABEL);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define ALPHA_PARAM [ALPHA] = {"alpha", MM_NUMBER, "2", 0.001, 10, NULL, "power of the distances"}
#define EPS_PARAM   [EPS]   = {"eps", MM_NUMBER, "1e-7", 1e-300, 0.5, NULL, \
                               "logarithms are of max(p, eps) and max(1-p, eps); input given as logits needs no clamp"}

static const mm_param hausdorff_params[] = {ALPHA_PARAM};
static const mm_param erosion_params[] = {
    [ALPHA]        = {"alpha", MM_NUMBER, "2", 0.001, 10, NULL, "power of the number of the erosion"},
    [EROSIONS]     = {"erosions", MM_NUMBER, "10", 1, 100, NULL, "how many times the errors are eroded"}};
static const mm_param entropy_params[] = {EPS_PARAM};
static const mm_param smooth_params[] = {MM_SMOOTH_PARAMS};
static const mm_param dice_boundary_params[] = {
    {"lambda", MM_NUMBER, "1", 0, 1e6, NULL, "factor of the boundary part"}};
static const mm_param band_params[] = {
    [RATIO]        = {"ratio", MM_NUMBER, "0.02", 0, 1, NULL,
                      "depth of the bands as a share of the image's diagonal in voxels, rounded, at least 1"},
    [DISTANCE]     = {"distance", MM_NUMBER, "ratio", 1, 1e6, "ratio", "depth of the bands in voxels, in place of the ratio"},
    [METRIC]       = {"metric", MM_WORD, "chessboard", 0, 0, "euclidean|chessboard|taxicab",
                      "how depth is measured; chessboard: as eroding the mask `distance` times by 3 voxels along each axis"}};
static const mm_param region_params[] = {
    [CONNECTIVITY] = {"connectivity", MM_NUMBER, "1", 1, 3, NULL,
                      "along how many axes neighbours of one component may differ: 1 faces, 2 edges, 3 corners"}};

#define WITH(PARAMS) .params = PARAMS, .param_count = MM_COUNT(PARAMS)
#define WITHOUT      .params = NULL, .param_count = 0
#define INFO(NAME, SUMMARY, FORMULA, SOURCE, UNDEFINED, COMMON) \
    .name = NAME, .summary = SUMMARY, .formula = FORMULA, .source = SOURCE, .undefined = UNDEFINED, \
    .common = COMMON, .common_count = MM_COUNT(COMMON)
#define LOSS(NAME, SUMMARY, FORMULA, SOURCE, UNDEFINED, PARAMS, COMMON) \
    .info = {INFO(NAME, SUMMARY, FORMULA, SOURCE, UNDEFINED, COMMON), PARAMS, .kind = MM_LOSS, .better = MM_LOWER}, .probs = 1
#define SHARE(NAME, SUMMARY, FORMULA, SOURCE, UNDEFINED, PARAMS) \
    .info = {INFO(NAME, SUMMARY, FORMULA, SOURCE, UNDEFINED, mm_common_image), PARAMS, .kind = MM_METRIC, .better = MM_HIGHER}

#define ABSENT "the class is in neither label nor prediction"
#define FIELD "F = distance of a voxel to the other side of the mask (p or g) > 1/2, 0 where there is none"
#define NEARNESS "f = (max d - d) / (max d - min d), d = distance to the outside of the label's mask, f = 0 where all are as far"
#define SIGNED "phi = distance to the label outside, 1 - distance to the outside inside, 0 where the label fills the image"

static const mm_score rows[] = {
    {LOSS("hausdorff_dt_loss", "Squared errors, weighted by their distance from both borders.",
          "mean_v (p-g)^2 (F(p)^alpha + F(g)^alpha), " FIELD, "Karimi and Salcudean 2020", ABSENT, WITH(hausdorff_params), mm_common_image),
     .stats = hausdorff_stats, .per_class = hausdorff_dt_loss, .witness = 0.4375},
    {LOSS("log_hausdorff_dt_loss", "Logarithm of one plus hausdorff_dt_loss.", "log(1 + mean_v (p-g)^2 (F(p)^alpha + F(g)^alpha)), " FIELD,
          "MONAI", ABSENT, WITH(hausdorff_params), mm_common_image),
     .stats = hausdorff_stats, .per_class = log_hausdorff_dt_loss, .witness = 0.36290549368936859},
    {LOSS("hausdorff_er_loss", "What is left of the squared errors after each of several erosions, later ones weighing more.",
          "mean over classes and voxels of sum_k b_k k^alpha, b_0 = (p-g)^2, b_k = relu(mean of a voxel and its face neighbours in "
          "b_(k-1) - 1/2), rescaled to [0,1] over the image", "Karimi and Salcudean 2020", "no voxel is scored", WITH(erosion_params),
          mm_common_image_joint),
     .stats = erosion_stats, .check = erosion_check, .joint = hausdorff_er_loss, .always = 1, .witness = 0.0},
    {LOSS("boundary_loss", "Predictions, weighted by the signed distance from the label's border.", "mean_v p phi, " SIGNED,
          "Kervadec et al. 2019", "the class is not in the label", WITHOUT, mm_common_image),
     .stats = boundary_stats, .per_class = boundary_loss, .witness = -0.125},
    {LOSS("distance_penalized_cross_entropy", "Cross-entropy, voxels next to a border counted up to twice.",
          "sum_v w_y (1 + f) CE / sum_v w_y, " NEARNESS "; independent masks: the binary CE, f of the side of the mask on which a voxel is",
          "Caliva et al. 2019", "no voxel is scored; a class that the label does not have", WITH(entropy_params), mm_common_image_entropy),
     .stats = penalized_stats, .entropy = distance_penalized_cross_entropy, .witness = 0.6931471805599453},
    {LOSS("distance_weighted_dice_loss", "Dice loss, overlap next to a border counted up to twice: it can be negative.",
          "1 - (2 sum p g (1 + f) + s) / (P + G + s), " NEARNESS, "Ma et al. 2021 (SegLossOdyssey)",
          "the class is not in the label", WITH(smooth_params), mm_common_image),
     .stats = weighted_stats, .per_class = distance_weighted_dice_loss, .witness = 0.0},
    {LOSS("shape_aware_loss", "Cross-entropy, that of wrong voxels raised by the distance between the surfaces.",
          "mean_v CE (1 + E [the hard prediction is wrong]), E = mean over the classes of assd in voxels", "Hayder et al. 2017",
          "in no class both masks have a voxel", WITH(entropy_params), mm_common_image_joint),
     .stats = shape_stats, .joint = shape_aware_loss, .witness = 0.40433585532663476},
    {LOSS("dice_boundary_loss", "Dice loss and boundary loss.", "dice_loss + lambda boundary_loss", "Kervadec et al. 2019",
          "one of its terms is", WITH(dice_boundary_params), mm_common_image),
     .parts = "dice_loss({common}),{lambda}*boundary_loss({common})", .witness = 0.125},
    {SHARE("boundary_iou", "Intersection over union of the bands along the inside of both borders.",
               "|bands of both| / |either band|, band = voxels of the mask at most the distance from its outside; outside the image "
               "nothing is set", "Cheng et al. 2021", ABSENT, WITH(band_params)),
     .stats = band_stats, .per_class = boundary_iou, .witness = 0.5},
    {SHARE("component_dice", "Mean Dice coefficient around each connected component of the label.",
               "mean over the label's components of 2 TP / (2 TP + FP + FN) of the voxels nearest to it (by the spacing; as near: to "
               "the first component)", "Jaus et al. 2025 (CC-Metrics)", "the class is not in the label", WITH(region_params)),
     .stats = region_stats, .check = region_check, .per_class = component_dice, .witness = 2.0 / 3.0},
};
/* clang-format on */

const mm_score_family mm_scores_border = {rows, MM_COUNT(rows)};
