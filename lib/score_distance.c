/*
 * score_distance.c - distances between the surfaces of hard masks, in the units of the request's spacing.
 *
 * a is the list of distances from the prediction's surface elements to the label's, b the list back; w their weights,
 * which are all 1 for surface voxels.
 */
#include "lib/scores.h"

#include <math.h>

#include "lib/image_kinds.h"
#include "lib/tolerances.h"

/* Every row begins with these; what follows differs. */
enum { SURFACE, CONNECTIVITY, METRIC, OWN };
enum { EMPTY = OWN, AFTER_EMPTY };            /* of all distances */
enum { FROM = AFTER_EMPTY };                  /* of one direction */
enum { OF = AFTER_EMPTY, Q };                 /* of percentiles */
enum { TOLERANCE = OWN, SIDE };               /* of shares within a tolerance */
enum { DIAGONAL = 1 };                        /* choice of `empty` */
enum { DIRECTED, POOLED, PREDICTION, LABEL }; /* choices of `of` */
enum { SIZES, WITHIN };                       /* columns of shares; one more for each further tolerance */

#define HD95 95.0

/* A column of the kind, with q or the tolerance as `number`. */
static mm_stat stat_of(const mm_args *args, unsigned kind, double number)
{
    const int connectivity = (int)args->own[CONNECTIVITY].number;
    const int options = args->own[METRIC].word | (args->own[SURFACE].word ? MM_SURFACE_SURFELS : 0) |
                        (connectivity > 1 ? connectivity * MM_SURFACE_CONNECTIVITY : 0);

    return (mm_stat){.kind = kind, .more = {0.0, 0.0, 0.0, number, (double)options}};
}

static const char *surface_check(const mm_args *args)
{
    const double connectivity = args->own[CONNECTIVITY].number;

    if (connectivity != floor(connectivity))
        return "connectivity is 1, 2 or 3";
    return args->own[SURFACE].word != 0 && connectivity > 1.0 ? "connectivity goes with surface=voxel" : NULL;
}

/* ---------------------------------------------------------------- distances */

static size_t stats(const mm_args *args, mm_stat list[MM_ROW_STATS])
{
    list[0] = stat_of(args, MM_IMAGE_SURFACE, 0.0);
    return 1;
}

/* The diagonal is in the column of sums. */
static size_t stats_of_percentile(const mm_args *args, double q, mm_stat list[MM_ROW_STATS])
{
    list[0] = stat_of(args, MM_IMAGE_SURFACE_PERCENTILE, q);
    list[1] = stat_of(args, MM_IMAGE_SURFACE, 0.0);
    return args->own[EMPTY].word == DIAGONAL ? 2 : 1;
}

static size_t hd95_stats(const mm_args *args, mm_stat list[MM_ROW_STATS])
{
    return stats_of_percentile(args, HD95, list);
}

static size_t percentile_stats(const mm_args *args, mm_stat list[MM_ROW_STATS])
{
    return stats_of_percentile(args, args->own[Q].number, list);
}

static const char *percentile_check(const mm_args *args)
{
    return args->own[OF].word == POOLED && args->own[SURFACE].word != 0 ? "of=pooled goes with surface=voxel"
                                                                        : surface_check(args);
}

/* Value `w` of the first column. */
static double value(const mm_group *x, size_t w)
{
    return mm_wide(x, 0, w);
}

/* The distance, or what stands for an infinite one; the diagonal is in column `sums`. */
static mm_value distance(const mm_group *x, const mm_args *args, size_t sums, double number)
{
    const mm_reason reason = mm_whole_reason(x, 0);

    if (args->own[EMPTY].word == DIAGONAL && (reason == MM_EMPTY_PREDICTION || reason == MM_EMPTY_LABEL))
        return mm_defined(mm_wide(x, sums, MM_SURFACE_DIAGONAL));
    return reason == MM_DEFINED ? mm_defined(number) : mm_undefined(reason);
}

static mm_value hausdorff(const mm_group *x, const mm_args *args)
{
    return distance(x, args, 0, fmax(value(x, MM_SURFACE_MOST_A), value(x, MM_SURFACE_MOST_B)));
}

/* 0 from the prediction, 1 from the label: of two values that follow each other. */
static size_t side_of(const mm_args *args, size_t param)
{
    return (size_t)args->own[param].word;
}

static mm_value hausdorff_directed(const mm_group *x, const mm_args *args)
{
    return distance(x, args, 0, value(x, MM_SURFACE_MOST_A + side_of(args, FROM)));
}

static mm_value percentile(const mm_group *x, const mm_args *args)
{
    const double a = value(x, MM_SURFACE_PERCENTILE_A), b = value(x, MM_SURFACE_PERCENTILE_B);
    const double of[] = {
        [DIRECTED] = fmax(a, b), [POOLED] = value(x, MM_SURFACE_PERCENTILE), [PREDICTION] = a, [LABEL] = b};

    return distance(x, args, 1, of[args->own[OF].word]);
}

static mm_value average_surface_distance(const mm_group *x, const mm_args *args)
{
    const size_t side = side_of(args, FROM);

    return distance(x, args, 0, value(x, MM_SURFACE_SUM_A + side) / value(x, MM_SURFACE_SIZE_A + side));
}

/* Weight of both surfaces. */
static double size_of(const mm_group *x)
{
    return value(x, MM_SURFACE_SIZE_A) + value(x, MM_SURFACE_SIZE_B);
}

static mm_value assd(const mm_group *x, const mm_args *args)
{
    return distance(x, args, 0, (value(x, MM_SURFACE_SUM_A) + value(x, MM_SURFACE_SUM_B)) / size_of(x));
}

static mm_value masd(const mm_group *x, const mm_args *args)
{
    return distance(x, args, 0,
                    0.5 * (value(x, MM_SURFACE_SUM_A) / value(x, MM_SURFACE_SIZE_A) +
                           value(x, MM_SURFACE_SUM_B) / value(x, MM_SURFACE_SIZE_B)));
}

static mm_value rms_surface_distance(const mm_group *x, const mm_args *args)
{
    return distance(x, args, 0, sqrt((value(x, MM_SURFACE_SQUARES_A) + value(x, MM_SURFACE_SQUARES_B)) / size_of(x)));
}

/* ---------------------------------------------------- shares within a tolerance */

static double tolerance_of(const mm_args *args, size_t c)
{
    return mm_class_chosen(&args->common, c, args->classes) ? mm_arg_of_class(&args->own[TOLERANCE], c) : -1.0;
}

static size_t within_stats(const mm_args *args, mm_stat list[MM_ROW_STATS])
{
    double different[MM_MOST_TOLERANCES];
    const size_t count = mm_tolerances(args, tolerance_of, different);

    list[SIZES] = stat_of(args, MM_IMAGE_SURFACE, 0.0);
    for (size_t i = 0; i < count; i++)
        list[WITHIN + i] = stat_of(args, MM_IMAGE_SURFACE_WITHIN, different[i]);
    return WITHIN + count;
}

static const char *within_check(const mm_args *args)
{
    double different[MM_MOST_TOLERANCES];

    return mm_tolerances(args, tolerance_of, different) > MM_MOST_TOLERANCES
               ? "tolerance takes at most 11 different numbers for the chosen classes; ask for some classes at a time"
               : surface_check(args);
}

/* Size of the elements of one side that are near enough. */
static double within(const mm_group *x, const mm_args *args, size_t side)
{
    return mm_wide(x, WITHIN + mm_tolerance_place(args, tolerance_of, x->index), MM_SURFACE_WITHIN_A + side);
}

/* One mask empty: nothing is near, 0. */
static mm_value surface_dice(const mm_group *x, const mm_args *args)
{
    return mm_ratio(within(x, args, 0) + within(x, args, 1), size_of(x), MM_ABSENT_IN_BOTH);
}

static mm_value surface_overlap(const mm_group *x, const mm_args *args)
{
    const size_t side = side_of(args, SIDE);

    return mm_ratio(within(x, args, side), value(x, MM_SURFACE_SIZE_A + side),
                    side == 0 ? MM_ABSENT_IN_PREDICTION : MM_ABSENT_IN_LABEL);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define SURFACE_PARAMS \
    [SURFACE]      = {"surface", MM_WORD, "voxel", 0, 0, "voxel|surfel", \
                      "voxel: set voxels with a neighbour that is not, or none; surfel: corners between set and unset " \
                      "voxels, by the area (or length) of the surface there"}, \
    [CONNECTIVITY] = {"connectivity", MM_NUMBER, "1", 1, 3, NULL, \
                      "along how many axes the neighbours of a surface voxel may differ: 1 faces, 2 edges, 3 corners"}, \
    [METRIC]       = {"metric", MM_WORD, "euclidean", 0, 0, "euclidean|chessboard|taxicab", \
                      "how distances are measured; chessboard and taxicab count voxels"}
#define DISTANCE_PARAMS SURFACE_PARAMS, \
    [EMPTY]        = {"empty", MM_WORD, "none", 0, 0, "none|diagonal", \
                      "where one of the two masks is empty: not defined, or the diagonal of the image"}
#define OF_PARAM \
    [OF]           = {"of", MM_WORD, "directed", 0, 0, "directed|pooled|prediction|label", \
                      "the greater percentile of the two directions; that of all distances together; " \
                      "that from the prediction's surface; that from the label's"}
#define FROM_PARAM \
    [FROM]         = {"from", MM_WORD, "prediction", 0, 0, "prediction|label", "from whose surface to the other's"}
#define TOLERANCE_PARAM \
    [TOLERANCE]    = {"tolerance", MM_NUMBER_OR_LIST, "1", 0, 1e6, NULL, \
                      "distance that is near enough, in the units of the spacing; one, or one per class"}

static const mm_param distance_params[] = {DISTANCE_PARAMS};
static const mm_param directed_params[] = {DISTANCE_PARAMS, FROM_PARAM};
static const mm_param hd95_params[] = {DISTANCE_PARAMS, OF_PARAM};
static const mm_param percentile_params[] = {DISTANCE_PARAMS, OF_PARAM,
    [Q]            = {"q", MM_NUMBER, "95", 0, 100, NULL,
                      "percentile: linear between the distances of voxels; of surfels the first at which their share " \
                      "reaches it"}};
static const mm_param dice_params[] = {SURFACE_PARAMS, TOLERANCE_PARAM};
static const mm_param overlap_params[] = {SURFACE_PARAMS, TOLERANCE_PARAM,
    [SIDE]         = {"side", MM_WORD, "prediction", 0, 0, "prediction|label", "whose surface the share is of"}};

#define INFO(NAME, SUMMARY, FORMULA, SOURCE, PARAMS) \
    .name = NAME, .summary = SUMMARY, \
    .formula = FORMULA ", a = distances from the prediction's surface to the label's, b back, w their weights (1 of voxels)", \
    .source = SOURCE, .kind = MM_METRIC, .params = PARAMS, .param_count = MM_COUNT(PARAMS), \
    .common = mm_common_image, .common_count = MM_COUNT(mm_common_image)
#define DISTANCE .better = MM_LOWER, \
    .undefined = "the prediction or the label of the class is empty; with empty=diagonal: both are"

/* The witness: surface {1} predicted, {1, 2} in the label: a = 0, b = 0 1. */
static const mm_score rows[] = {
    {.info = {INFO("hausdorff", "The greatest distance between two surfaces.", "max(max a, max b)", "Huttenlocher et al. 1993",
                   distance_params), DISTANCE},
     .stats = stats, .check = surface_check, .per_class = hausdorff, .witness = 1.0},
    {.info = {INFO("hausdorff_directed", "The greatest distance of the prediction's surface from the label's, or the other way.",
                   "max a; from=label: max b", "Huttenlocher et al. 1993", directed_params), DISTANCE},
     .stats = stats, .check = surface_check, .per_class = hausdorff_directed, .witness = 0.0},
    {.info = {INFO("hausdorff_percentile", "A percentile of the distances between two surfaces.", "max(P_q a, P_q b); "
                   "of=pooled: P_q of both; of=prediction: P_q a; of=label: P_q b", "Maier-Hein et al. 2024", percentile_params),
              DISTANCE},
     .stats = percentile_stats, .check = percentile_check, .per_class = percentile, .example = "hausdorff_percentile(q=50)",
     .witness = 0.5},
    {.info = {INFO("hd95", "The 95th percentile of the distances between two surfaces.", "max(P_95 a, P_95 b); of=pooled: "
                   "P_95 of both; of=prediction: P_95 a; of=label: P_95 b", "Maier-Hein et al. 2024", hd95_params), DISTANCE},
     .stats = hd95_stats, .check = percentile_check, .per_class = percentile, .witness = 0.95},
    {.info = {INFO("average_surface_distance", "Mean distance of the prediction's surface from the label's, or the other way.",
                   "sum w a / sum w; from=label: sum w b / sum w", "Heimann et al. 2009", directed_params), DISTANCE},
     .stats = stats, .check = surface_check, .per_class = average_surface_distance, .witness = 0.0},
    {.info = {INFO("assd", "Mean distance between two surfaces, both directions together.", "(sum w a + sum w b) / sum w",
                   "Heimann et al. 2009", distance_params), DISTANCE},
     .stats = stats, .check = surface_check, .per_class = assd, .witness = 1.0 / 3.0},
    {.info = {INFO("masd", "Mean distance between two surfaces, averaged over the directions.",
                   "(sum w a / sum w + sum w b / sum w) / 2", "Maier-Hein et al. 2024", distance_params), DISTANCE},
     .stats = stats, .check = surface_check, .per_class = masd, .witness = 0.25},
    {.info = {INFO("rms_surface_distance", "Root of the mean squared distance between two surfaces.",
                   "sqrt((sum w a^2 + sum w b^2) / sum w)", "Heimann et al. 2009", distance_params), DISTANCE},
     .stats = stats, .check = surface_check, .per_class = rms_surface_distance, .witness = 0.57735026918962573},
    {.info = {INFO("surface_dice", "Share of both surfaces that lies within a tolerance of the other.",
                   "(sum w of a <= t + sum w of b <= t) / sum w", "Nikolov et al. 2018", dice_params),
              .aliases = "nsd", .better = MM_HIGHER, .undefined = "the class is in neither label nor prediction"},
     .stats = within_stats, .check = within_check, .per_class = surface_dice, .example = "surface_dice(tolerance=0.5)",
     .witness = 2.0 / 3.0},
    {.info = {INFO("surface_overlap", "Share of the prediction's surface, or of the label's, that lies within a tolerance of the other.",
                   "sum w of a <= t / sum w; side=label: sum w of b <= t / sum w", "Nikolov et al. 2018", overlap_params),
              .better = MM_HIGHER, .undefined = "the side of which the share is has none of the class"},
     .stats = within_stats, .check = within_check, .per_class = surface_overlap,
     .example = "surface_overlap(tolerance=0.5,side=label)", .witness = 0.5},
};
/* clang-format on */

const mm_score_family mm_scores_distance = {rows, MM_COUNT(rows)};
