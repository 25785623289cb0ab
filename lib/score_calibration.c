/*
 * score_calibration.c - how well confidence says how often a prediction is right, from histograms of confidence.
 *
 * Bins of equal width over [0,1], q = 1 in the last one.  Of each: its voxels, the sum of confidence, the sum of being
 * right.  Of exclusive classes the confidence is the greatest p (one value for all classes), or p of each class.
 */
#include "lib/calibration.h"
#include "lib/scores.h"

#include <math.h>

enum { BINS, OF };
enum { OF_AUTO, OF_TOP, OF_CLASS }; /* choices of `of` */

/* Each class by itself? */
static int apart(const mm_args *args)
{
    const int of = args->own[OF].word;

    return of == OF_CLASS || (of == OF_AUTO && args->task != MM_MULTICLASS);
}

static const char *check(const mm_args *args)
{
    if (args->own[BINS].number != floor(args->own[BINS].number))
        return "bins is a whole number";
    if (args->own[OF].word == OF_TOP && args->task != MM_MULTICLASS)
        return "of=top1 needs exclusive classes; these are independent masks";
    for (size_t c = 0; c < args->classes && !apart(args); c++)
        if (!mm_class_chosen(&args->common, c, args->classes))
            return "of=top1 takes all classes together: leave classes out";
    return NULL;
}

static size_t stats(const mm_args *args, mm_stat out[MM_ROW_STATS])
{
    out[0] = (mm_stat){.kind = apart(args) ? MM_HISTOGRAM_CLASS : MM_HISTOGRAM_TOP, .more = {args->own[BINS].number}};
    return 1;
}

static mm_gaps gaps_of(const mm_group *x, const mm_args *args)
{
    const size_t bins = (size_t)args->own[BINS].number;
    mm_gaps gaps = {.voxels = 0.0};

    for (size_t b = 0; b < bins; b++)
        mm_gaps_add(&gaps, mm_wide(x, 0, b), mm_wide(x, 0, bins + b), mm_wide(x, 0, 2 * bins + b));
    return gaps;
}

static mm_value expected_error(const mm_group *x, const mm_args *args)
{
    const mm_gaps gaps = gaps_of(x, args);

    return mm_gaps_mean(&gaps);
}

static mm_value rms_error(const mm_group *x, const mm_args *args)
{
    const mm_gaps gaps = gaps_of(x, args);

    return mm_gaps_root(&gaps);
}

static mm_value max_error(const mm_group *x, const mm_args *args)
{
    const mm_gaps gaps = gaps_of(x, args);

    return mm_gaps_greatest(&gaps);
}

/* The histogram of the greatest p is kept at class 0. */
static mm_value expected_error_of_top(const mm_group *x, size_t count, const mm_args *args)
{
    (void)count;
    return expected_error(&x[0], args);
}

static mm_value rms_error_of_top(const mm_group *x, size_t count, const mm_args *args)
{
    (void)count;
    return rms_error(&x[0], args);
}

static mm_value max_error_of_top(const mm_group *x, size_t count, const mm_args *args)
{
    (void)count;
    return max_error(&x[0], args);
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
static const mm_param params[] = {
    [BINS] = {"bins", MM_NUMBER, "15", 1, MM_MAX_BINS, NULL, "bins of equal width over [0,1]"},
    [OF]   = {"of", MM_WORD, "auto", 0, 0, "auto|top1|class",
              "confidence: the greatest p, right where it is the label's; or p of each class; auto: top1 of exclusive classes, else class"}};

#define METRIC(NAME, SUMMARY, FORMULA, SOURCE) \
    .info = {.name = NAME, .summary = SUMMARY, .formula = FORMULA, .source = SOURCE, .kind = MM_METRIC, .better = MM_LOWER, \
             .undefined = "no voxel is scored; of=class: the class is in neither label nor prediction", \
             .params = params, .param_count = MM_COUNT(params), .common = mm_common_class, .common_count = MM_COUNT(mm_common_class)}, \
    .stats = stats, .check = check, .apart = apart

static const mm_score rows[] = {
    {METRIC("expected_calibration_error", "Mean distance between confidence and share of right voxels.",
            "sum_b n_b/N |right_b - confidence_b|", "Naeini et al. 2015"),
     .per_class = expected_error, .joint = expected_error_of_top, .witness = 0.0},
    {METRIC("rms_calibration_error", "Root mean square distance between confidence and share of right voxels.",
            "sqrt(sum_b n_b/N (right_b - confidence_b)^2)", "Hendrycks et al. 2019"),
     .per_class = rms_error, .joint = rms_error_of_top, .witness = 0.0},
    {METRIC("max_calibration_error", "Greatest distance between confidence and share of right voxels in a bin.",
            "max_b |right_b - confidence_b|", "Naeini et al. 2015"),
     .per_class = max_error, .joint = max_error_of_top, .witness = 0.0},
};
/* clang-format on */

const mm_score_family mm_scores_calibration = {rows, MM_COUNT(rows)};
