/*
 * test_peer_survey.c - functions of Jadon's survey against their formulas written out over all voxels, their shapes and
 * errors, and merged evaluations.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/score_tools.h"

static void check(const data *d, const char *expression, double expected)
{
    const double value = value_of(d, expression, NULL);

    if (!close_to(value, expected)) {
        printf("\n    %s: %.17g instead of %.17g\n", expression, value, expected);
        CU_FAIL("value");
    }
}

/* The i-th of the values of a list, NAN when it is not defined or not there. */
static double item_of(const data *d, const char *expression, size_t i, size_t count)
{
    scored s = score(d, expression, NULL);
    const int there = s.first != NULL && s.first->rank == 1 && s.first->dim[0] == count;
    const double value = there && s.first->list[i].reason == MM_DEFINED ? s.first->list[i].value : (double)NAN;

    scored_free(&s);
    return value;
}

/* Everything as one list. */
typedef struct flat {
    size_t count;
    double i, p, g;
} flat;

static flat flat_of(const data *d)
{
    flat all = {.count = d->images * d->classes * d->voxels};

    for (size_t k = 0; k < all.count; k++) {
        all.i += d->p[k] * d->g[k];
        all.p += d->p[k];
        all.g += d->g[k];
    }
    return all;
}

static data two_axes(unsigned seed)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 13 * 12, seed);

    d.spatial_rank = 2;
    d.spatial[0] = 13;
    d.spatial[1] = 12;
    return d;
}

static void test_overlap(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 81);
    const flat x = flat_of(&d);
    const double loss = 1.0 - (2.0 * x.i + 1.0) / (x.p + x.g + 1.0);
    const double tversky = (x.i + 1.0) / (x.i + 0.7 * (x.g - x.i) + 0.3 * (x.p - x.i) + 1.0);

    check(&d, "survey.dice_coef", (2.0 * x.i + 1e-7) / (x.p + x.g + 1e-7));
    check(&d, "survey.dice_loss()", loss);
    check(&d, "survey.log_cosh_dice_loss", log(cosh(loss)));
    check(&d, "survey.tversky_index", tversky);
    check(&d, "survey.tversky_loss", 1.0 - tversky);
    check(&d, "survey.focal_tversky", pow(1.0 - tversky, 0.75));
    check(&d, "survey.jacard_similarity", x.i / (x.p + x.g - x.i));
    check(&d, "survey.jacard_loss", 1.0 - x.i / (x.p + x.g - x.i));
    CU_ASSERT(close_to(item_of(&d, "survey.confusion", 0, 2), (x.i + 1.0) / (x.p + 1.0)));
    CU_ASSERT(close_to(item_of(&d, "survey.confusion", 1, 2), (x.i + 1.0) / (x.g + 1.0)));
    data_free(&d);
}

/* Half to even: round(0.5) = 0, round(1.5) = 2. */
static void test_rounding(void)
{
    data d = data_random(MM_MULTILABEL, 2, 2, 40, 82);
    double tp = 0.0, tn = 0.0, above_tp = 1.0, above_tn = 1.0, g = 0.0, n = 0.0;

    d.p[0] = d.p[1] = d.p[2] = d.p[3] = 0.5;
    d.g[0] = d.g[1] = 1.0;
    d.g[2] = d.g[3] = 0.0;
    for (size_t k = 0; k < 160; k++) {
        tp += nearbyint(d.p[k] * d.g[k]);
        tn += nearbyint((1.0 - d.p[k]) * (1.0 - d.g[k]));
        above_tp += d.g[k] * nearbyint(d.p[k]);
        above_tn += (1.0 - d.g[k]) * (1.0 - nearbyint(d.p[k]));
        g += d.g[k];
        n += 1.0 - d.g[k];
    }
    check(&d, "survey.sensitivity", tp / (g + 1e-7));
    check(&d, "survey.specificity", tn / (n + 1e-7));
    check(&d, "survey.true_positive", above_tp / (g + 1.0));
    check(&d, "survey.true_negative", above_tn / (n + 1.0));
    data_free(&d);
}

static double clip(double p)
{
    return fmin(fmax(p, 1e-7), 1.0 - 1e-7);
}

/* The mean over elements `from` to `to` - 1 of a g (1-p)^gamma (-log p) + b (1-g) p^gamma (-log(1-p)) */
static double entropy(const data *d, size_t from, size_t to, double a, double b, double gamma)
{
    double sum = 0.0;

    for (size_t k = from; k < to; k++) {
        const double p = clip(d->p[k]), g = d->g[k];

        sum -= a * g * pow(1.0 - p, gamma) * log(p) + b * (1.0 - g) * pow(p, gamma) * log(1.0 - p);
    }
    return sum / (double)(to - from);
}

static void test_entropy(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 83);
    double dice;

    d.p[0] = 0.0;
    d.p[1] = 1.0;
    check(&d, "survey.weighted_cross_entropyloss", entropy(&d, 0, 240, 1.0 / 3.0, 1.0, 0.0));
    check(&d, "survey.focal_loss", entropy(&d, 0, 240, 0.25, 0.75, 2.0));
    d.p[0] = d.p[1] = 0.25;
    dice = value_of(&d, "survey.dice_loss", NULL);
    for (size_t n = 0; n < 2; n++)
        CU_ASSERT(close_to(item_of(&d, "survey.bce_dice_loss", n, 2),
                           (entropy(&d, n * 120, n * 120 + 120, 1.0, 1.0, 0.0) + dice) / 2.0));
    data_free(&d);
}

/* Each image's windows, and two numbers of everything. */
static void test_hybrids(void)
{
    data d = two_axes(84);
    const double jaccard = value_of(&d, "survey.jacard_loss", NULL), focal = value_of(&d, "survey.focal_loss", NULL);
    const size_t count = 2 * 3 * 13 * 12;

    for (size_t n = 0; n < 2; n++) {
        const double windows = item_of(&d, "survey.ssim_loss", n, 2);

        CU_ASSERT(close_to(item_of(&d, "survey.unet3p_hybrid_loss", n, 2), focal + windows + jaccard));
        CU_ASSERT(close_to(item_of(&d, "survey.basnet_hybrid_loss", n, 2),
                           entropy(&d, 0, count, 1.0, 1.0, 0.0) + windows + jaccard));
    }
    CU_ASSERT_NOT_EQUAL(item_of(&d, "survey.ssim_loss", 0, 2), item_of(&d, "survey.ssim_loss", 1, 2));
    data_free(&d);
}

/* Nothing in label and prediction: only what has no smoothing is undefined. */
static void test_empty(void)
{
    data d = two_axes(85);

    for (size_t k = 0; k < 2 * 3 * 13 * 12; k++)
        d.p[k] = d.g[k] = 0.0;
    d.task = MM_MULTILABEL;
    check(&d, "survey.dice_coef", 1.0);
    check(&d, "survey.dice_loss", 0.0);
    check(&d, "survey.log_cosh_dice_loss", 0.0);
    check(&d, "survey.focal_tversky", 0.0);
    check(&d, "survey.sensitivity", 0.0);
    CU_ASSERT_EQUAL(reason_of(&d, "survey.jacard_similarity"), MM_ZERO_DENOMINATOR);
    CU_ASSERT_EQUAL(reason_of(&d, "survey.jacard_loss"), MM_ZERO_DENOMINATOR);
    CU_ASSERT(close_to(item_of(&d, "survey.ssim_loss", 1, 2), 0.0));
    CU_ASSERT(isnan(item_of(&d, "survey.basnet_hybrid_loss", 0, 2)));
    data_free(&d);
}

static void test_refusals(void)
{
    data d = data_random(MM_MULTICLASS, 1, 3, 10, 86);
    mm_problem problem = {.text = ""};

    CU_ASSERT_EQUAL(refusal_of(&d, "survey.tversky_index(alpha=0.5)", &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "has no parameters"));
    CU_ASSERT_EQUAL(refusal_of(&d, "survey.dice_coef(smooth=1)", &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(refusal_of(&d, "survey.basnet_hybrid_loss", &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "two spatial axes"));
    CU_ASSERT_EQUAL(refusal_of(&d, "survey.jaccard_loss", &problem), MM_UNKNOWN_SCORE);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "survey.jacard_loss"));
    data_free(&d);
}

static void check_list(const mm_result *a, const mm_result *b)
{
    CU_ASSERT_EQUAL_FATAL(a->rank, b->rank);
    for (size_t i = 0; a->rank == 1 && i < a->dim[0]; i++)
        CU_ASSERT_EQUAL(a->list[i].value, b->list[i].value);
    CU_ASSERT_EQUAL(a->value.value, b->value.value);
}

/* Everything is recomputed over the union of the images. */
static void test_merged(void)
{
    static const char expressions[] =
        "survey.dice_coef,survey.confusion,survey.specificity,survey.focal_loss,survey.bce_dice_loss,"
        "survey.unet3p_hybrid_loss,seed.ssim2d_loss,seed.binary_dice_ce(lamda=0.5),seed.mean_iou";
    data d = two_axes(87);
    scored whole = score(&d, expressions, NULL);
    mm_results *results = NULL;
    mm_images *into = images_of(&d, whole.plan, 0, 1), *part = images_of(&d, whole.plan, 1, 2);

    CU_ASSERT_PTR_NOT_NULL_FATAL(whole.first);
    CU_ASSERT_EQUAL_FATAL(mm_images_merge(into, part, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, into, whole.plan, NULL, NULL), MM_OK);
    for (size_t i = 0; i < 9; i++)
        check_list(mm_results_at(results, i), mm_results_at(whole.results, i));
    mm_results_free(results);
    mm_images_free(into);
    mm_images_free(part);
    scored_free(&whole);
    data_free(&d);
}

static CU_TestInfo tests[] = {
    {"overlap against voxels", test_overlap},
    {"rounded sums against voxels", test_rounding},
    {"entropy against voxels", test_entropy},
    {"hybrids", test_hybrids},
    {"nothing in label and prediction", test_empty},
    {"refusals", test_refusals},
    {"merged evaluations", test_merged},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_peer_survey = {"peer_survey", tests};
