/*
 * score_distance.c - distances between the surfaces of hard masks, in the units of the request's spacing.
 *
 * a is the list of distances from the prediction's surface elements to the label's, b the list back; w their weights,
 * which are all 1 for surface voxels.
 */
#include "lib/scores.h"

#include <math.h>

#include "lib/image_kinds.h"

/* Every row begins with these; then hausdorff_percentile has q, surface_dice a tolerance, and so on. */
enum { SURFACE, METRIC, OWN };
enum { OF = OWN, Q };
enum { TOLERANCE = OWN };
enum { DIRECTED, POOLED }; /* choices of `of` */

#define HD95 95.0

/* A column of the kind, with q or the tolerance as `number`. */
static mm_stat stat_of(const mm_args *args, unsigned kind, double number)
{
    const int options = args->own[METRIC].word | (args->own[SURFACE].word ? MM_SURFACE_SURFELS : 0);

    return (mm_stat){.kind = kind, .more = {0.0, 0.0, 0.0, number, (double)options}};
}

static size_t stats(const mm_args *args, mm_stat list[MM_ROW_STATS])
{
    list[0] = stat_of(args, MM_IMAGE_SURFACE, 0.0);
    return 1;
}

static size_t hd95_stats(const mm_args *args, mm_stat list[MM_ROW_STATS])
{
    list[0] = stat_of(args, MM_IMAGE_SURFACE_PERCENTILE, HD95);
    return 1;
}

static size_t percentile_stats(const mm_args *args, mm_stat list[MM_ROW_STATS])
{
    list[0] = stat_of(args, MM_IMAGE_SURFACE_PERCENTILE, args->own[Q].number);
    return 1;
}

static size_t dice_stats(const mm_args *args, mm_stat list[MM_ROW_STATS])
{
    list[0] = stat_of(args, MM_IMAGE_SURFACE, 0.0);
    list[1] = stat_of(args, MM_IMAGE_SURFACE_WITHIN, args->own[TOLERANCE].number);
    return 2;
}

static const char *percentile_check(const mm_args *args)
{
    return args->own[OF].word == POOLED && args->own[SURFACE].word != 0 ? "of=pooled goes with surface=voxel" : NULL;
}

/* Value `w` of the column, or why there is none. */
static double value(const mm_group *x, size_t w)
{
    return mm_wide(x, 0, w);
}

static mm_value defined(const mm_group *x, double number)
{
    const mm_reason reason = mm_whole_reason(x, 0);

    return reason == MM_DEFINED ? mm_defined(number) : mm_undefined(reason);
}

static mm_value hausdorff(const mm_group *x, const mm_args *args)
{
    (void)args;
    return defined(x, fmax(value(x, MM_SURFACE_MOST_A), value(x, MM_SURFACE_MOST_B)));
}

static mm_value hausdorff_directed(const mm_group *x, const mm_args *args)
{
    (void)args;
    return defined(x, value(x, MM_SURFACE_MOST_A));
}

static mm_value percentile(const mm_group *x, const mm_args *args)
{
    return defined(x, args->own[OF].word == POOLED
                          ? value(x, MM_SURFACE_PERCENTILE)
                          : fmax(value(x, MM_SURFACE_PERCENTILE_A), value(x, MM_SURFACE_PERCENTILE_B)));
}

static mm_value average_surface_distance(const mm_group *x, const mm_args *args)
{
    (void)args;
    return defined(x, value(x, MM_SURFACE_SUM_A) / value(x, MM_SURFACE_SIZE_A));
}

/* Weight of both surfaces. */
static double size_of(const mm_group *x)
{
    return value(x, MM_SURFACE_SIZE_A) + value(x, MM_SURFACE_SIZE_B);
}

static mm_value assd(const mm_group *x, const mm_args *args)
{
    (void)args;
    return defined(x, (value(x, MM_SURFACE_SUM_A) + value(x, MM_SURFACE_SUM_B)) / size_of(x));
}

static mm_value masd(const mm_group *x, const mm_args *args)
{
    (void)args;
    return defined(x, 0.5 * (value(x, MM_SURFACE_SUM_A) / value(x, MM_SURFACE_SIZE_A) +
                             value(x, MM_SURFACE_SUM_B) / value(x, MM_SURFACE_SIZE_B)));
}

static mm_value rms_surface_distance(const mm_group *x, const mm_args *args)
{
    (void)args;
    return defined(x, sqrt((value(x, MM_SURFACE_SQUARES_A) + value(x, MM_SURFACE_SQUARES_B)) / size_of(x)));
}

/* One mask empty: nothing is near, 0. */
static mm_value surface_dice(const mm_group *x, const mm_args *args)
{
    (void)args;
    return mm_ratio(mm_wide(x, 1, MM_SURFACE_WITHIN_A) + mm_wide(x, 1, MM_SURFACE_WITHIN_B), size_of(x),
                    MM_ABSENT_IN_BOTH);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
#define SURFACE_PARAMS \
    [SURFACE]   = {"surface", MM_WORD, "voxel", 0, 0, "voxel|surfel", \
                   "voxel: set voxels with a face neighbour that is not; surfel: corners between set and unset voxels, by " \
                   "the area (or length) of the surface there"}, \
    [METRIC]    = {"metric", MM_WORD, "euclidean", 0, 0, "euclidean|chessboard|taxicab", \
                   "how distances are measured; chessboard and taxicab count voxels"}
#define OF_PARAM {"of", MM_WORD, "directed", 0, 0, "directed|pooled", \
                  "the greater percentile of the two directions, or that of all distances together"}

static const mm_param surface_params[] = {SURFACE_PARAMS};
static const mm_param hd95_params[] = {SURFACE_PARAMS, [OF] = OF_PARAM};
static const mm_param percentile_params[] = {SURFACE_PARAMS, [OF] = OF_PARAM,
    [Q]         = {"q", MM_NUMBER, "95", 0, 100, NULL, "percentile; linear between the distances of surface voxels"}};
static const mm_param dice_params[] = {SURFACE_PARAMS,
    [TOLERANCE] = {"tolerance", MM_NUMBER, "1", 0, 1e6, NULL, "distance that is near enough"}};

#define INFO(NAME, SUMMARY, FORMULA, SOURCE, PARAMS) \
    .name = NAME, .summary = SUMMARY, .formula = FORMULA ", a = distances from the prediction's surface to the label's, b back", \
    .source = SOURCE, .kind = MM_METRIC, .params = PARAMS, .param_count = MM_COUNT(PARAMS), \
    .common = mm_common_image, .common_count = MM_COUNT(mm_common_image)
#define DISTANCE .better = MM_LOWER, .undefined = "the prediction or the label of the class is empty"

/* The witness: surface {1} predicted, {1, 2} in the label: a = 0, b = 0 1. */
static const mm_score rows[] = {
    {.info = {INFO("hausdorff", "The greatest distance between two surfaces.", "max(max a, max b)", "Huttenlocher et al. 1993",
                   surface_params), DISTANCE},
     .stats = stats, .per_class = hausdorff, .witness = 1.0},
    {.info = {INFO("hausdorff_directed", "The greatest distance of the prediction's surface from the label's.", "max a",
                   "Huttenlocher et al. 1993", surface_params), DISTANCE},
     .stats = stats, .per_class = hausdorff_directed, .witness = 0.0},
    {.info = {INFO("hausdorff_percentile", "A percentile of the distances between two surfaces.", "max(P_q a, P_q b); "
                   "of=pooled: P_q of both", "Maier-Hein et al. 2024", percentile_params), DISTANCE},
     .stats = percentile_stats, .check = percentile_check, .per_class = percentile, .example = "hausdorff_percentile(q=50)",
     .witness = 0.5},
    {.info = {INFO("hd95", "The 95th percentile of the distances between two surfaces.", "max(P_95 a, P_95 b); of=pooled: "
                   "P_95 of both", "Maier-Hein et al. 2024", hd95_params), DISTANCE},
     .stats = hd95_stats, .check = percentile_check, .per_class = percentile, .witness = 0.95},
    {.info = {INFO("average_surface_distance", "Mean distance of the prediction's surface from the label's.",
                   "sum w a / sum w", "Heimann et al. 2009", surface_params), DISTANCE},
     .stats = stats, .per_class = average_surface_distance, .witness = 0.0},
    {.info = {INFO("assd", "Mean distance between two surfaces, both directions together.", "(sum w a + sum w b) / sum w",
                   "Heimann et al. 2009", surface_params), DISTANCE},
     .stats = stats, .per_class = assd, .witness = 1.0 / 3.0},
    {.info = {INFO("masd", "Mean distance between two surfaces, averaged over the directions.",
                   "(sum w a / sum w + sum w b / sum w) / 2", "Maier-Hein et al. 2024", surface_params), DISTANCE},
     .stats = stats, .per_class = masd, .witness = 0.25},
    {.info = {INFO("rms_surface_distance", "Root of the mean squared distance between two surfaces.",
                   "sqrt((sum w a^2 + sum w b^2) / sum w)", "Heimann et al. 2009", surface_params), DISTANCE},
     .stats = stats, .per_class = rms_surface_distance, .witness = 0.57735026918962573},
    {.info = {INFO("surface_dice", "Share of both surfaces that lies within a tolerance of the other.",
                   "(sum w of a <= t + sum w of b <= t) / sum w", "Nikolov et al. 2018", dice_params),
              .aliases = "nsd", .better = MM_HIGHER, .undefined = "the class is in neither label nor prediction"},
     .stats = dice_stats, .per_class = surface_dice, .example = "surface_dice(tolerance=0.5)", .witness = 2.0 / 3.0},
};
/* clang-format on */

const mm_score_family mm_scores_distance = {rows, MM_COUNT(rows)};
