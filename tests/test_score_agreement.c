/*
 * test_score_agreement.c - losses of agreement inside and outside the label against plain loops over the voxels.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>

#include "lib/scores.h"
#include "tests/score_tools.h"

/* Brosch et al. 2015: the mean squared error over the label, and over the rest, mixed. */
static double squared_errors(const data *d, size_t n, size_t c, double r, double s)
{
    double inside = 0.0, outside = 0.0, label = 0.0;

    for (size_t v = 0; v < d->voxels; v++) {
        const double g = g_at(d, n, c, v), error = g - p_at(d, n, c, v);

        label += g;
        inside += error * error * g;
        outside += error * error * (1.0 - g);
    }
    return r * inside / (label + s) + (1.0 - r) * outside / ((double)d->voxels - label + s);
}

/* One minus the correlation of p and g, from the four soft counts. */
static double one_minus_mcc(const data *d, size_t n, size_t c, double s)
{
    double tp = s, fp = s, fn = s, tn = s;

    for (size_t v = 0; v < d->voxels; v++) {
        const double p = p_at(d, n, c, v), g = g_at(d, n, c, v);

        tp += p * g;
        fp += p * (1.0 - g);
        fn += (1.0 - p) * g;
        tn += (1.0 - p) * (1.0 - g);
    }
    return 1.0 - (tp * tn - fp * fn) / sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn));
}

static void check_both(const data *d)
{
    double errors = 0.0, smoothed = 0.0, mcc = 0.0, smoothed_mcc = 0.0;
    const double cells = (double)(d->images * d->classes);

    for (size_t n = 0; n < d->images; n++)
        for (size_t c = 0; c < d->classes; c++) {
            errors += squared_errors(d, n, c, 0.1, 0.0) / cells;
            smoothed += squared_errors(d, n, c, 0.7, 2.5) / cells;
            mcc += one_minus_mcc(d, n, c, 0.0) / cells;
            smoothed_mcc += one_minus_mcc(d, n, c, 1.5) / cells;
        }
    check_value(d, "sensitivity_specificity_loss", NULL, errors);
    check_value(d, "sensitivity_specificity_loss(r=0.7,smooth=2.5)", NULL, smoothed);
    check_value(d, "mcc_loss", NULL, mcc);
    check_value(d, "mcc_loss(smooth=1.5)", NULL, smoothed_mcc);
}

static void test_against_voxels(void)
{
    for (unsigned seed = 1; seed <= 6; seed++) {
        data exclusive = data_random(MM_MULTICLASS, 1 + seed % 3, 2 + seed % 4, 60 + 7 * seed, seed);
        data masks = data_random(MM_MULTILABEL, 1 + seed % 2, 1 + seed % 3, 50 + 9 * seed, seed);

        check_both(&exclusive);
        check_both(&masks);
        data_free(&exclusive);
        data_free(&masks);
    }
}

/* A perfect mask loses nothing, its opposite everything. */
static void test_ends(void)
{
    static const double right[] = {1, 0, 1, 0, /* p */ 1, 0, 1, 0 /* g */};
    static const double wrong[] = {0, 1, 0, 1, /* p */ 1, 0, 1, 0 /* g */};
    data good = data_given(MM_MULTILABEL, 1, 1, 4, right), bad = data_given(MM_MULTILABEL, 1, 1, 4, wrong);

    check_value(&good, "sensitivity_specificity_loss", NULL, 0.0);
    check_value(&bad, "sensitivity_specificity_loss", NULL, 1.0);
    check_value(&good, "mcc_loss", NULL, 0.0);
    check_value(&bad, "mcc_loss", NULL, 2.0);
    data_free(&good);
    data_free(&bad);
}

/* Without a voxel inside, or outside, there is no mean; a constant mask has no correlation.  Smoothing mends both. */
static void test_undefined(void)
{
    static const double values[] = {.75, .75, .75, .5, .5, .5, /* p */ 0, 0, 0, 1, 1, 1 /* g */};
    data d = data_given(MM_MULTILABEL, 1, 2, 3, values);

    check_class(&d, "sensitivity_specificity_loss", 0, MM_ABSENT_IN_LABEL, 0.0);
    check_class(&d, "sensitivity_specificity_loss", 1, MM_ZERO_DENOMINATOR, 0.0);
    check_class(&d, "mcc_loss", 1, MM_ZERO_DENOMINATOR, 0.0);
    check_class(&d, "sensitivity_specificity_loss(smooth=1)", 1, MM_DEFINED, 0.1 * 0.75 / 4.0);
    check_class(&d, "mcc_loss(smooth=1)", 1, MM_DEFINED, one_minus_mcc(&d, 0, 1, 1.0));
    data_free(&d);
}

static CU_TestInfo tests[] = {{"against voxels", test_against_voxels},
                              {"perfect and opposite masks", test_ends},
                              {"undefined", test_undefined},
                              CU_TEST_INFO_NULL};

extern const mm_suite mm_suite_score_agreement;
const mm_suite mm_suite_score_agreement = {"score_agreement", tests};
