/*
 * test_peer_monai_metrics.c - MONAI's metrics of hard masks, windows, instances and ranks: against formulas written
 * out, their reductions, shapes, notes and errors, and merged evaluations.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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

/* A list of `count` values in the given shape, NAN for what is not defined; rank 0: one number. */
static void check_list(const data *d, const char *expression, unsigned rank, const size_t *dim, const double *expected)
{
    scored s = score(d, expression, NULL);
    size_t count = 1;

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    CU_ASSERT_EQUAL_FATAL(s.first->rank, rank);
    for (unsigned i = 0; i < rank; i++) {
        CU_ASSERT_EQUAL_FATAL(s.first->dim[i], dim[i]);
        count *= dim[i];
    }
    for (size_t i = 0; i < count; i++) {
        const mm_value x = rank == 0 ? s.first->value : s.first->list[i];
        const int fits =
            isnan(expected[i]) ? x.reason != MM_DEFINED : x.reason == MM_DEFINED && close_to(x.value, expected[i]);

        if (!fits) {
            printf("\n    %s: %.17g (reason %d) at %zu instead of %.17g\n", expression, x.value, (int)x.reason, i,
                   expected[i]);
            CU_FAIL("list");
        }
    }
    scored_free(&s);
}

static int has_note(const data *d, const char *expression)
{
    scored s = score(d, expression, NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    const int there = s.first->note != NULL;
    scored_free(&s);
    return there;
}

/* Two images of three masks and four voxels.  Image 0: class 0 TP 2 FP 1 FN 0 TN 1, class 1 nothing at all, class 2 FP
 * 1 TN 3.  Image 1: class 0 TP 1 FP 0 FN 2 TN 1, class 1 nothing at all, class 2 TP 1 TN 3. */
static const double small[] = {
    .9, .8, .7, .1, 0, 0, 0, 0, .9, 0, 0, 0, /* p of image 0 */
    .9, 0,  0,  0,  0, 0, 0, 0, 0,  1, 0, 0, /* p of image 1 */
    1,  1,  0,  0,  0, 0, 0, 0, 0,  0, 0, 0, /* g of image 0 */
    1,  1,  1,  0,  0, 0, 0, 0, 0,  1, 0, 0, /* g of image 1 */
};

static const size_t by_both[] = {2, 3}, by_class[] = {3}, by_image[] = {2};

static data small_masks(void)
{
    return data_given(MM_MULTILABEL, 2, 3, 4, small);
}

/* ---------------------------------------------------------------- Dice, IoU */

/* An empty label is left out, or with ignore_empty=false 1 or 0. */
static void test_overlap(void)
{
    static const double dice[] = {0.8, (double)NAN, (double)NAN, 0.5, (double)NAN, 1.0};
    static const double iou[] = {2.0 / 3.0, 1.0, 0.0, 1.0 / 3.0, 1.0, 1.0};
    static const double foreground[] = {(double)NAN, (double)NAN, (double)NAN, 1.0};
    data d = small_masks();

    check_list(&d, "monai.compute_dice", 2, by_both, dice);
    check_list(&d, "monai.compute_iou(ignore_empty=false,num_classes=3)", 2, by_both, iou);
    check_list(&d, "monai.compute_dice(include_background=false)", 2, (const size_t[]){2, 2}, foreground);
    data_free(&d);
}

/* Why an entry is left out. */
static void test_reasons(void)
{
    data d = small_masks();
    scored s = score(&d, "monai.compute_dice", NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    CU_ASSERT_EQUAL(s.first->list[1].reason, MM_ABSENT_IN_BOTH);
    CU_ASSERT_EQUAL(s.first->list[2].reason, MM_ABSENT_IN_LABEL);
    CU_ASSERT_EQUAL(s.first->omitted[MM_ABSENT_IN_BOTH], 2);
    CU_ASSERT_EQUAL(s.first->omitted[MM_ABSENT_IN_LABEL], 1);
    scored_free(&s);
    data_free(&d);
}

/* What is not defined is left out; where nothing is, 0 and a note. */
static void test_reductions(void)
{
    static const double dice[] = {0.8, (double)NAN, (double)NAN, 0.5, (double)NAN, 1.0};
    static const double mean = (0.8 + 0.75) / 2.0, sum = 2.3;
    static const double means[] = {0.65, 0.0, 1.0}, sums[] = {1.3, 0.0, 1.0}, channel[] = {0.8, 0.75};
    static const double channel_sums[] = {0.8, 1.5};
    data d = small_masks();

    check_list(&d, "monai.DiceMetric", 0, NULL, &mean);
    check_list(&d, "monai.DiceMetric(reduction=none)", 2, by_both, dice);
    check_list(&d, "monai.DiceMetric(reduction=sum)", 0, NULL, &sum);
    check_list(&d, "monai.DiceMetric(reduction=mean_batch)", 1, by_class, means);
    check_list(&d, "monai.DiceMetric(reduction=sum_batch)", 1, by_class, sums);
    check_list(&d, "monai.DiceMetric(reduction=mean_channel)", 1, by_image, channel);
    check_list(&d, "monai.DiceMetric(reduction=sum_channel)", 1, by_image, channel_sums);
    check(&d, "monai.MeanIoU(ignore_empty=false)", ((2.0 / 3.0 + 1.0 + 0.0) / 3.0 + (1.0 / 3.0 + 2.0) / 3.0) / 2.0);
    CU_ASSERT(!has_note(&d, "monai.DiceMetric"));
    CU_ASSERT(!has_note(&d, "monai.DiceMetric(reduction=none)"));
    CU_ASSERT(!has_note(&d, "monai.DiceMetric(reduction=mean_channel)"));
    CU_ASSERT(!has_note(&d, "monai.DiceMetric(reduction=mean_batch,ignore_empty=false)"));
    CU_ASSERT(has_note(&d, "monai.DiceMetric(reduction=mean_batch)"));
    CU_ASSERT(has_note(&d, "monai.MeanIoU(reduction=sum_batch)"));
    CU_ASSERT(has_note(&d, "monai.DiceMetric(reduction=mean_channel,include_background=false)"));
    data_free(&d);
}

/* Nothing is defined at all. */
static void test_nothing_defined(void)
{
    static const double empty[] = {0, 1, 0, 0};
    data d = data_given(MM_MULTILABEL, 1, 1, 2, empty);

    check(&d, "monai.DiceMetric", 0.0);
    check(&d, "monai.MeanIoU(reduction=sum)", 0.0);
    CU_ASSERT(has_note(&d, "monai.DiceMetric"));
    CU_ASSERT(has_note(&d, "monai.MeanIoU(reduction=sum)"));
    data_free(&d);
}

/* Image 0: label of class 0 only, so its weight holds for all; image 1: weights 1/9 and 1. */
static void test_generalized_dice(void)
{
    static const double square[] = {4.0 / 6.0, (2.0 / 9.0 + 2.0) / (4.0 / 9.0 + 2.0)};
    static const double uniform[] = {4.0 / 6.0, 4.0 / 6.0};
    static const double each[] = {0.8, 1.0, 0.0, 0.5, 1.0, 1.0};
    static const double foreground[] = {0.0, 1.0}; /* no label: all weights are 0 */
    data d = small_masks();

    check_list(&d, "monai.compute_generalized_dice(sum_over_classes=true)", 1, by_image, square);
    check_list(&d, "monai.compute_generalized_dice(sum_over_classes=true,weight_type=uniform)", 1, by_image, uniform);
    check_list(&d, "monai.compute_generalized_dice", 2, by_both, each);
    check_list(&d, "monai.compute_generalized_dice(include_background=false,sum_over_classes=true)", 1, by_image,
               foreground);
    data_free(&d);
}

/* ----------------------------------------------------------- confusion counts */

static void test_confusion_matrix(void)
{
    static const double counts[] = {2, 1, 1, 0, 0, 0, 4, 0, 0, 1, 3, 0, 1, 0, 1, 2, 0, 0, 4, 0, 1, 0, 3, 0};
    data d = small_masks();

    check_list(&d, "monai.get_confusion_matrix", 3, (const size_t[]){2, 3, 4}, counts);
    data_free(&d);
}

/* Counts of class 0: 3 TP, 1 FP, 2 FN, 2 TN; every name of every rate. */
static void test_rates(void)
{
    static const struct {
        const char *name;
        double value;
    } rates[] = {
        {"hit_rate", 0.6},
        {"sensitivity", 0.6},
        {"recall", 0.6},
        {"true_positive_rate", 0.6},
        {"tpr", 0.6},
        {"specificity", 2.0 / 3.0},
        {"selectivity", 2.0 / 3.0},
        {"true_negative_rate", 2.0 / 3.0},
        {"tnr", 2.0 / 3.0},
        {"precision", 0.75},
        {"positive_predictive_value", 0.75},
        {"ppv", 0.75},
        {"negative_predictive_value", 0.5},
        {"npv", 0.5},
        {"miss_rate", 0.4},
        {"false_negative_rate", 0.4},
        {"fnr", 0.4},
        {"fall_out", 1.0 / 3.0},
        {"false_positive_rate", 1.0 / 3.0},
        {"fpr", 1.0 / 3.0},
        {"false_discovery_rate", 0.25},
        {"fdr", 0.25},
        {"false_omission_rate", 0.5},
        {"for", 0.5},
        {"threat_score", 0.5},
        {"critical_success_index", 0.5},
        {"ts", 0.5},
        {"csi", 0.5},
        {"accuracy", 0.625},
        {"acc", 0.625},
        {"balanced_accuracy", (0.6 + 2.0 / 3.0) / 2.0},
        {"ba", (0.6 + 2.0 / 3.0) / 2.0},
        {"f1_score", 2.0 / 3.0},
        {"f1", 2.0 / 3.0},
        {"informedness", 0.6 + 2.0 / 3.0 - 1.0},
        {"bookmaker_informedness", 0.6 + 2.0 / 3.0 - 1.0},
        {"bm", 0.6 + 2.0 / 3.0 - 1.0},
        {"youden_index", 0.6 + 2.0 / 3.0 - 1.0},
        {"youden", 0.6 + 2.0 / 3.0 - 1.0},
        {"prevalence_threshold", 0.42705098312484230},
        {"pt", 0.42705098312484230}, /* (sqrt(1/5) - 1/3) / (4/15) */
        {"matthews_correlation_coefficient", 0.25819888974716115},
        {"mcc", 0.25819888974716115}, /* 4 / sqrt(240) */
        {"fowlkes_mallows_index", 0.67082039324993692},
        {"fm", 0.67082039324993692}, /* sqrt(0.45) */
        {"markedness", 0.25},
        {"deltap", 0.25},
        {"mk", 0.25},
    };
    data d = small_masks();
    char text[128];

    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        scored s;

        snprintf(text, sizeof text, "monai.ConfusionMatrixMetric(reduction=mean_batch,metric_name=%s)", rates[i].name);
        s = score(&d, text, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
        if (!close_to(s.first->list[0].value, rates[i].value)) {
            printf("\n    %s: %.17g\n", text, s.first->list[0].value);
            CU_FAIL("rate");
        }
        scored_free(&s);
    }
    data_free(&d);
}

/* compute_sample: the rate first, then the mean of what is defined; else the counts first. */
static void test_confusion_metric(void)
{
    static const double samples[] = {(1.0 + 1.0 / 3.0) / 2.0, 0.0, 1.0}, pooled[] = {0.6, (double)NAN, 1.0};
    static const double each[] = {1.0, (double)NAN, (double)NAN, 1.0 / 3.0, (double)NAN, 1.0};
    static const double images[] = {1.0, 0.5}, everything = 4.0 / 6.0;
    data d = small_masks();

    check_list(&d, "monai.ConfusionMatrixMetric(compute_sample=true,reduction=mean_batch)", 1, by_class, samples);
    check_list(&d, "monai.ConfusionMatrixMetric(reduction=mean_batch)", 1, by_class, pooled);
    check_list(&d, "monai.ConfusionMatrixMetric(reduction=sum_batch)", 1, by_class, pooled);
    check_list(&d, "monai.ConfusionMatrixMetric(reduction=none)", 2, by_both, each);
    check_list(&d, "monai.ConfusionMatrixMetric(compute_sample=true,reduction=none)", 2, by_both, each);
    check_list(&d, "monai.ConfusionMatrixMetric(reduction=mean_channel)", 1, by_image, images);
    check_list(&d, "monai.ConfusionMatrixMetric", 0, NULL, &everything);
    check_list(&d, "monai.ConfusionMatrixMetric(reduction=sum)", 0, NULL, &everything);
    CU_ASSERT(has_note(&d, "monai.ConfusionMatrixMetric(compute_sample=true,reduction=mean_batch)"));
    CU_ASSERT(!has_note(&d, "monai.ConfusionMatrixMetric(reduction=mean_batch)"));
    data_free(&d);
}

static void test_fbeta(void)
{
    static const double pooled[] = {15.0 / 24.0, (double)NAN, 5.0 / 6.0};
    data d = small_masks();

    check_list(&d, "monai.FBetaScore(beta=2,reduction=mean_batch)", 1, by_class, pooled);
    check(&d, "monai.FBetaScore", 8.0 / 12.0);
    check(&d, "monai.FBetaScore(include_background=false)", 2.0 / 3.0);
    data_free(&d);
}

/* -------------------------------------------------------------------- windows */

/* A third of each voxel of a window of three. */
static double third(long off)
{
    return labs(off) <= 1 ? 1.0 / 3.0 : 0.0;
}

/* The integral of a Gaussian over the voxel, within four sigma, sigma 0.8. */
static double gaussian(long off)
{
    const double scale = 1.0 / (0.8 * sqrt(2.0));

    return labs(off) <= 3 ? 0.5 * (erf(((double)off + 0.5) * scale) - erf(((double)off - 0.5) * scale)) : 0.0;
}

/* Images of one axis; a window of these weights. */
static double nacl(const data *d, double power, double (*weight)(long off))
{
    double entropy = 0.0, penalty = 0.0;

    for (size_t n = 0; n < d->images; n++)
        for (size_t v = 0; v < d->voxels; v++) {
            double total = 0.0;

            for (size_t c = 0; c < d->classes; c++)
                total += exp(p_at(d, n, c, v));
            for (size_t c = 0; c < d->classes; c++) {
                double u = 0.0;

                for (size_t w = 0; w < d->voxels; w++)
                    u += weight((long)w - (long)v) * g_at(d, n, c, w);
                entropy -= g_at(d, n, c, v) * log(exp(p_at(d, n, c, v)) / total);
                penalty += pow(fabs(u - p_at(d, n, c, v)), power);
            }
        }
    entropy /= (double)(d->images * d->voxels);
    return entropy + 0.2 * penalty / (double)(d->images * d->voxels * d->classes);
}

static void test_nacl(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 71);

    check(&d, "monai.NACLLoss(classes=3,dim=1,alpha=0.2)", nacl(&d, 1.0, third));
    check(&d, "monai.NACLLoss(distance_type=l2,alpha=0.2)", nacl(&d, 2.0, third));
    check(&d, "monai.NACLLoss(kernel_ops=gaussian,sigma=0.8,alpha=0.2)", nacl(&d, 1.0, gaussian));
    check(&d, "monai.NACLLoss(kernel_ops=gaussian,sigma=0.8,kernel_size=5,distance_type=l2,alpha=0.2)",
          nacl(&d, 2.0, gaussian));
    data_free(&d);
}

/* The similarity of windows of three in one class; weights of the window all equal. */
static double similarity(const data *d, size_t n, size_t c)
{
    const double c1 = 0.02 * 0.02, c2 = 0.06 * 0.06; /* of range 2 */
    double sum = 0.0;

    for (size_t v = 0; v + 2 < d->voxels; v++) {
        double x = 0.0, y = 0.0, xx = 0.0, yy = 0.0, xy = 0.0;

        for (size_t k = v; k < v + 3; k++) {
            x += p_at(d, n, c, k) / 3.0;
            y += g_at(d, n, c, k) / 3.0;
            xx += p_at(d, n, c, k) * p_at(d, n, c, k) / 3.0;
            yy += g_at(d, n, c, k) * g_at(d, n, c, k) / 3.0;
            xy += p_at(d, n, c, k) * g_at(d, n, c, k) / 3.0;
        }
        sum += (2.0 * x * y + c1) / (x * x + y * y + c1) * (2.0 * (xy - x * y) + c2) / (xx - x * x + yy - y * y + c2);
    }
    return sum / (double)(d->voxels - 2);
}

#define WINDOW "data_range=2,kernel_type=uniform"

static void test_ssim(void)
{
    data d = data_random(MM_MULTICLASS, 2, 2, 30, 72);
    const double first = (similarity(&d, 0, 0) + similarity(&d, 0, 1)) / 2.0;
    const double second = (similarity(&d, 1, 0) + similarity(&d, 1, 1)) / 2.0;
    const double losses[] = {1.0 - first, 1.0 - second}, values[] = {first, second};
    const double scale[] = {fmax(first, 0.0), fmax(second, 0.0)};

    check(&d, "monai.SSIMLoss(spatial_dims=1,win_size=3," WINDOW ")", (losses[0] + losses[1]) / 2.0);
    check(&d, "monai.SSIMLoss(win_size=3,reduction=sum," WINDOW ")", losses[0] + losses[1]);
    check_list(&d, "monai.SSIMLoss(win_size=3,reduction=none," WINDOW ")", 1, by_image, losses);
    check_list(&d, "monai.SSIMMetric(win_size=3," WINDOW ")", 2, (const size_t[]){2, 1}, values);
    check(&d, "monai.SSIMMetric(win_size=3,reduction=mean," WINDOW ")", (first + second) / 2.0);
    check_list(&d, "monai.MultiScaleSSIMMetric(kernel_size=3,weights=[1]," WINDOW ")", 2, (const size_t[]){2, 1},
               scale);
    CU_ASSERT_EQUAL(reason_of(&d, "monai.SSIMLoss(win_size=31)"), MM_TOO_SMALL);
    CU_ASSERT_EQUAL(reason_of(&d, "monai.MultiScaleSSIMMetric(reduction=sum)"), MM_TOO_SMALL);
    data_free(&d);
}

/* Equal images: 1 at every scale. */
static void test_ms_ssim(void)
{
    data d = data_random(MM_MULTICLASS, 1, 2, 200, 73);

    memcpy(d.p, d.g, 400 * sizeof *d.p);
    check(&d, "monai.MultiScaleSSIMMetric(reduction=mean)", 1.0);
    check(&d, "monai.SSIMLoss", 0.0);
    data_free(&d);
}

/* --------------------------------------------------------------- center lines */

/* The skeleton of masks of one axis, zero iterations: what opening takes away. */
static double skeleton(const data *d, const double *plane, size_t n, size_t c, size_t v)
{
    const double *x = plane + (n * d->classes + c) * d->voxels;
    double opened = 0.0;

    for (size_t k = v > 0 ? v - 1 : 0; k <= v + 1 && k < d->voxels; k++) {
        double eroded = x[k];

        if (k > 0)
            eroded = fmin(eroded, x[k - 1]);
        if (k + 1 < d->voxels)
            eroded = fmin(eroded, x[k + 1]);
        opened = fmax(opened, eroded);
    }
    return fmax(x[v] - opened, 0.0);
}

static void test_center_lines(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 74), one = data_random(MM_MULTILABEL, 1, 1, 30, 75);
    double of_p = 2.0, of_g = 2.0, p_in_g = 2.0, g_in_p = 2.0, above = 2.0, below = 2.0;

    for (size_t n = 0; n < 2; n++)
        for (size_t c = 1; c < 3; c++)
            for (size_t v = 0; v < 30; v++) {
                const double p = p_at(&d, n, c, v), g = g_at(&d, n, c, v);

                of_p += skeleton(&d, d.p, n, c, v);
                of_g += skeleton(&d, d.g, n, c, v);
                p_in_g += skeleton(&d, d.p, n, c, v) * g;
                g_in_p += skeleton(&d, d.g, n, c, v) * p;
                above += 2.0 * p * g;
                below += p + g;
            }
    const double a = p_in_g / of_p, b = g_in_p / of_g, loss = 1.0 - 2.0 * a * b / (a + b);

    check(&d, "monai.SoftclDiceLoss(iter_=0,smooth=2)", loss);
    check(&d, "monai.SoftDiceclDiceLoss(iter_=0,smooth=2,alpha=0.3)", 0.7 * (1.0 - above / below) + 0.3 * loss);
    CU_ASSERT_EQUAL(reason_of(&one, "monai.SoftclDiceLoss"), MM_NO_VOXELS);
    CU_ASSERT_EQUAL(reason_of(&one, "monai.SoftDiceclDiceLoss"), MM_NO_VOXELS);
    data_free(&d);
    data_free(&one);
}

/* ------------------------------------------------------------------ instances */

/* Label 1 1 0 1 1 1 0 1, prediction 1 1 0 1 0 0 1 1: IoU 1 and 1/3 and 1/2 of the three instances; the second and the
 * third are found at 0.3, the first alone above 0.5. */
static void test_panoptic(void)
{
    static const double values[] = {1, 1, 0, 1, 0, 0, 1, 1, /* p */ 1, 1, 0, 1, 1, 1, 0, 1 /* g */};
    static const double pq[] = {1.0 / (1.0 + 1.0 + 1.0 + 1e-6)}, sq[] = {1.0 / (1.0 + 1e-6)},
                        rq[] = {1.0 / (3.0 + 1e-6)};
    static const double loose[] = {(1.0 + 1.0 / 3.0 + 0.5) / 3.0};
    data d = data_given(MM_MULTILABEL, 1, 1, 8, values);

    check_list(&d, "monai.compute_panoptic_quality(of_class=0)", 1, (const size_t[]){1}, pq);
    check_list(&d, "monai.compute_panoptic_quality(of_class=0,metric_name=sq)", 1, (const size_t[]){1}, sq);
    check_list(&d, "monai.compute_panoptic_quality(of_class=0,metric_name=recognition_quality)", 1, (const size_t[]){1},
               rq);
    check_list(&d, "monai.compute_panoptic_quality(of_class=0,match_iou_threshold=0.3,smooth_numerator=0)", 1,
               (const size_t[]){1}, loose);
    data_free(&d);
}

/* ---------------------------------------------------------------------- ranks */

/* The share of pairs (voxel of the class, other voxel) that are in order; equal ones count half. */
static double pairs_in_order(const data *d, size_t c)
{
    double in_order = 0.0, pairs = 0.0;

    for (size_t i = 0; i < d->images * d->voxels; i++)
        for (size_t j = 0; j < d->images * d->voxels; j++) {
            const size_t n = i / d->voxels, v = i % d->voxels, m = j / d->voxels, w = j % d->voxels;
            const double above = p_at(d, n, c, v) - p_at(d, m, c, w);

            if (g_at(d, n, c, v) == 0.0 || g_at(d, m, c, w) != 0.0)
                continue;
            in_order += above > 0.0 ? 1.0 : above == 0.0 ? 0.5 : 0.0;
            pairs += 1.0;
        }
    return in_order / pairs;
}

static void test_ranks(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 76);
    double each[3], label[3] = {0.0, 0.0, 0.0};

    for (size_t c = 0; c < 3; c++) {
        each[c] = pairs_in_order(&d, c);
        for (size_t i = 0; i < 60; i++)
            label[c] += g_at(&d, i / 30, c, i % 30) / 60.0;
    }
    check(&d, "monai.ROCAUCMetric", (each[0] + each[1] + each[2]) / 3.0);
    check(&d, "monai.ROCAUCMetric(average=weighted)", each[0] * label[0] + each[1] * label[1] + each[2] * label[2]);
    check_list(&d, "monai.ROCAUCMetric(average=none)", 1, by_class, each);
    data_free(&d);
}

/* One class only has no rank. */
static void test_single_class(void)
{
    static const double values[] = {.9, .2, .3, .1, .8, .7, /* p */ 1, 0, 1, 1, 0, 0 /* g */};
    static const double each[] = {1.0, (double)NAN};
    data d = data_given(MM_MULTILABEL, 1, 2, 2, (const double[]){.9, .2, .3, .1, 1, 0, 0, 0});
    data steps = data_given(MM_MULTILABEL, 1, 1, 6, values);

    check_list(&d, "monai.ROCAUCMetric(average=none)", 1, (const size_t[]){2}, each);
    CU_ASSERT_EQUAL(reason_of(&d, "monai.ROCAUCMetric"), MM_SINGLE_CLASS);
    CU_ASSERT_EQUAL(reason_of(&d, "monai.AveragePrecisionMetric"), MM_SINGLE_CLASS);
    check(&steps, "monai.AveragePrecisionMetric", (1.0 + 2.0 / 4.0 + 3.0 / 6.0) / 3.0);
    for (size_t v = 0; v < steps.voxels; v++)
        steps.g[v] = 1.0;
    CU_ASSERT_EQUAL(reason_of(&steps, "monai.AveragePrecisionMetric"), MM_SINGLE_CLASS);
    data_free(&d);
    data_free(&steps);
}

/* --------------------------------------------------------------------- errors */

static void refused(const data *d, const char *expression, const char *part)
{
    mm_problem problem = {.text = ""};
    const mm_status status = refusal_of(d, expression, &problem);

    CU_ASSERT_EQUAL(status, MM_BAD_PARAM);
    if (status != MM_BAD_PARAM || strstr(problem.text, part) == NULL) {
        printf("\n    %s: \"%s\" lacks \"%s\"\n", expression, problem.text, part);
        CU_FAIL("refusal");
    }
}

static void test_errors(void)
{
    data d = data_random(MM_MULTICLASS, 1, 3, 8, 77), one = data_random(MM_MULTILABEL, 1, 1, 8, 78);

    refused(&d, "monai.compute_dice(num_classes=4)", "num_classes");
    refused(&d, "monai.DiceMetric(reduction=median)", "mean_batch");
    refused(&d, "monai.DiceMetric(get_not_nans=true)", "get_not_nans");
    refused(&d, "monai.ConfusionMatrixMetric(metric_name=dice)", "metric_name");
    refused(&d, "monai.compute_generalized_dice(weight_type=cubic)", "square|simple|uniform");
    refused(&d, "monai.SoftclDiceLoss(iter_=1.5)", "iter_");
    refused(&d, "monai.NACLLoss(classes=2)", "classes");
    refused(&d, "monai.NACLLoss(dim=3)", "spatial axes");
    refused(&d, "monai.NACLLoss(kernel_size=4)", "odd");
    refused(&d, "monai.NACLLoss(kernel_ops=gaussian,sigma=13)", "sigma is at most");
    refused(&one, "monai.NACLLoss", "two or more");
    refused(&d, "monai.SSIMLoss(spatial_dims=2)", "spatial axes");
    refused(&d, "monai.SSIMMetric(win_size=2.5)", "whole");
    refused(&d, "monai.MultiScaleSSIMMetric(weights=[1,1,1,1,1,1])", "at most 5");
    refused(&d, "monai.compute_panoptic_quality", "of_class");
    refused(&d, "monai.compute_panoptic_quality(of_class=3)", "of_class");
    refused(&d, "monai.compute_panoptic_quality(of_class=0.5)", "of_class");
    refused(&d, "monai.ROCAUCMetric(average=micro)", "macro|weighted|none");
    data_free(&d);
    data_free(&one);
}

/* -------------------------------------------------------------------- merging */

/* Three parts of an image each give the bits of one upload; what pools the order of voxels is not in the sums. */
static void test_merged(void)
{
    static const char expressions[] =
        "monai.DiceMetric,monai.MeanIoU,monai.ConfusionMatrixMetric(compute_sample=true),monai.FBetaScore,"
        "monai.SoftDiceclDiceLoss,monai.NACLLoss,monai.SSIMLoss,monai.SSIMMetric(reduction=mean),monai.ROCAUCMetric";
    data d = data_random(MM_MULTICLASS, 3, 3, 30, 79);
    scored whole = score(&d, expressions, NULL);
    mm_results *results = NULL;

    CU_ASSERT_PTR_NOT_NULL_FATAL(whole.first);
    const size_t last = mm_plan_count(whole.plan) - 1;
    mm_images *into = images_of(&d, whole.plan, 0, 1);
    for (size_t n = 1; n < 3; n++) {
        mm_images *part = images_of(&d, whole.plan, n, n + 1);

        CU_ASSERT_EQUAL_FATAL(mm_images_merge(into, part, NULL), MM_OK);
        mm_images_free(part);
    }
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, into, whole.plan, NULL, NULL), MM_OK);
    for (size_t i = 0; i < last; i++) {
        CU_ASSERT_EQUAL(mm_results_at(whole.results, i)->value.reason, MM_DEFINED);
        CU_ASSERT_EQUAL(mm_results_at(results, i)->value.value, mm_results_at(whole.results, i)->value.value);
    }
    CU_ASSERT_EQUAL(mm_results_at(whole.results, last)->value.reason, MM_DEFINED);
    CU_ASSERT_EQUAL(mm_results_at(results, last)->value.reason, MM_NOT_IN_SUMS);
    mm_results_free(results);
    mm_images_free(into);
    scored_free(&whole);
    data_free(&d);
}

static CU_TestInfo tests[] = {
    {"Dice and IoU", test_overlap},
    {"reasons", test_reasons},
    {"reductions", test_reductions},
    {"nothing defined", test_nothing_defined},
    {"generalized Dice", test_generalized_dice},
    {"counts", test_confusion_matrix},
    {"rates by every name", test_rates},
    {"ConfusionMatrixMetric", test_confusion_metric},
    {"FBetaScore", test_fbeta},
    {"NACLLoss against voxels", test_nacl},
    {"SSIM against windows", test_ssim},
    {"SSIM of equal images", test_ms_ssim},
    {"center lines against voxels", test_center_lines},
    {"instances by hand", test_panoptic},
    {"ROC against pairs", test_ranks},
    {"ranks of a single class", test_single_class},
    {"refusals name the parameter", test_errors},
    {"merged evaluations", test_merged},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_peer_monai_metrics = {"peer_monai_metrics", tests};
