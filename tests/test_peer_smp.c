/*
 * test_peer_smp.c - functions of segmentation_models_pytorch against their formulas written out over voxels, their
 * parameters, shapes and errors, and merged evaluations.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/score_tools.h"

static const double weight[] = {0.5, 1.2, 1.9};

static void check(const data *d, const char *expression, double expected)
{
    const double value = value_of(d, expression, NULL);

    if (!close_to(value, expected)) {
        printf("\n    %s: %.17g instead of %.17g\n", expression, value, expected);
        CU_FAIL("value");
    }
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* Softmax over the classes of what was sent. */
static double softmax(const data *d, size_t n, size_t c, size_t v)
{
    double total = 0.0;

    for (size_t k = 0; k < d->classes; k++)
        total += exp(p_at(d, n, k, v));
    return exp(p_at(d, n, c, v)) / total;
}

/* What the losses see with from_logits=true. */
static double activated(const data *d, size_t n, size_t c, size_t v)
{
    return d->task == MM_MULTICLASS ? softmax(d, n, c, v) : sigmoid(p_at(d, n, c, v));
}

/* ------------------------------------------------------------------ overlap */

/* Soft counts of one class over all images, with TP = (P + G - sum |p-g|) / 2. */
typedef struct soft {
    double tp, fp, fn, g;
} soft;

static soft soft_of(const data *d, size_t c)
{
    double p = 0.0, g = 0.0, apart = 0.0;

    for (size_t n = 0; n < d->images; n++)
        for (size_t v = 0; v < d->voxels; v++) {
            p += activated(d, n, c, v);
            g += g_at(d, n, c, v);
            apart += fabs(activated(d, n, c, v) - g_at(d, n, c, v));
        }
    return (soft){(p + g - apart) / 2.0, (p - g + apart) / 2.0, (g - p + apart) / 2.0, g};
}

static double tversky(const data *d, size_t c, double a, double b, double smooth)
{
    const soft x = soft_of(d, c);

    return (x.tp + smooth) / (x.tp + a * x.fp + b * x.fn + smooth);
}

static void test_overlap(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 31);
    double dice = 0.0, weighted = 0.0, logs = 0.0, jaccard = 0.0, by_price = 0.0, two = 0.0;

    for (size_t c = 0; c < 3; c++) {
        dice += (1.0 - tversky(&d, c, 0.5, 0.5, 0.0)) / 3.0;
        weighted += weight[c] * (1.0 - tversky(&d, c, 0.5, 0.5, 2.0)) / 3.6;
        logs -= log(tversky(&d, c, 0.5, 0.5, 0.0)) / 3.0;
        jaccard += (1.0 - tversky(&d, c, 1.0, 1.0, 0.0)) / 3.0;
        by_price += (1.0 - tversky(&d, c, 0.3, 0.8, 0.0)) / 3.0;
        two += c == 0 ? 0.0 : weight[c] * (1.0 - tversky(&d, c, 1.0, 1.0, 0.0)) / 3.1;
    }
    check(&d, "smp.DiceLoss(mode=multiclass)", dice);
    check(&d, "smp.DiceLoss(mode=multiclass,smooth=2,class_weights=[0.5,1.2,1.9])", weighted);
    check(&d, "smp.DiceLoss(mode=multiclass,log_loss=true)", logs);
    check(&d, "smp.JaccardLoss(mode=multiclass,ignore_index=none)", jaccard);
    check(&d, "smp.JaccardLoss(mode=multiclass,class_weights=[0.5,1.2,1.9],classes=[1,2])", two);
    check(&d, "smp.JaccardLoss(mode=multiclass,class_weights=[0.5,1.2,1.9],classes=[2,1])", two);
    check(&d, "smp.DiceLoss(mode=multiclass,classes=1)", 1.0 - tversky(&d, 1, 0.5, 0.5, 0.0));
    check(&d, "smp.TverskyLoss(mode=multiclass)", dice);
    check(&d, "smp.TverskyLoss(mode=multiclass,alpha=0.3,beta=0.8,gamma=1.7)", pow(by_price, 1.7));
    data_free(&d);
}

static void test_overlap_of_masks(void)
{
    data d = data_random(MM_MULTILABEL, 3, 2, 30, 32);

    check(&d, "smp.DiceLoss(mode=multilabel)",
          1.0 - (tversky(&d, 0, 0.5, 0.5, 0.0) + tversky(&d, 1, 0.5, 0.5, 0.0)) / 2.0);
    data_free(&d);
}

/* A class without label voxels adds 0 but counts; the clamp keeps an empty denominator from dividing. */
static void test_overlap_without_label(void)
{
    static const double absent[] = {1, 1, 1, 0, 0, 0, 0, 0, 0, /* p */ 1, 1, 0, 0, 0, 1, 0, 0, 0 /* g */};
    static const double empty[] = {0, 0, 0, /* p */ 0, 0, 0 /* g */};
    data d = data_given(MM_MULTICLASS, 1, 3, 3, absent);

    check(&d, "smp.DiceLoss(mode=multiclass,from_logits=false)", (1.0 - 2.0 / 2.5 + 1.0) / 3.0);
    check(&d, "smp.DiceLoss(mode=multiclass,from_logits=false,log_loss=true)", (-log(0.8) - log(1e-7)) / 3.0);
    data_free(&d);
    d = data_given(MM_MULTILABEL, 1, 1, 3, empty);
    check(&d, "smp.JaccardLoss(mode=binary,from_logits=false)", 0.0);
    data_free(&d);
}

/* -------------------------------------------------------------------- focal */

typedef struct focal {
    double alpha, gamma, threshold; /* alpha < 0: none; threshold 0: none */
    double sum, factors;            /* results */
} focal;

/* Adds the terms of class c, x logits. */
static void add_focal(focal *f, const data *d, size_t c, double (*logit)(const data *d, size_t n, size_t c, size_t v))
{
    for (size_t n = 0; n < d->images; n++)
        for (size_t v = 0; v < d->voxels; v++) {
            const double x = logit(d, n, c, v), g = g_at(d, n, c, v);
            const double bce = fmax(x, 0.0) + log1p(exp(-fabs(x))) - x * g, p_t = exp(-bce);
            const double a = f->alpha < 0.0 ? 1.0 : f->alpha * g + (1.0 - f->alpha) * (1.0 - g);
            double factor = pow(1.0 - p_t, f->gamma);

            if (f->threshold > 0.0)
                factor = p_t < f->threshold ? 1.0 : pow((1.0 - p_t) / f->threshold, f->gamma);
            f->sum += a * factor * bce;
            f->factors += factor;
        }
}

static double clipped(const data *d, size_t n, size_t c, size_t v)
{
    return fmin(fmax(p_at(d, n, c, v), 1e-7), 1.0 - 1e-7);
}

static double log_p(const data *d, size_t n, size_t c, size_t v)
{
    return log(clipped(d, n, c, v));
}

static double log_odds(const data *d, size_t n, size_t c, size_t v)
{
    return log(clipped(d, n, c, v) / (1.0 - clipped(d, n, c, v)));
}

static focal focal_of(const data *d, size_t c, double alpha, double gamma, double threshold)
{
    focal f = {.alpha = alpha, .gamma = gamma, .threshold = threshold};

    add_focal(&f, d, c, p_at);
    return f;
}

static void test_focal(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 33);
    double plain = 0.0, weighted = 0.0, normalized = 0.0, reduced = 0.0, given = 0.0;

    for (size_t c = 0; c < 3; c++) {
        const focal f = focal_of(&d, c, 0.3, 1.5, 0.0);
        focal from_p = {.alpha = -1.0, .gamma = 2.0};

        plain += focal_of(&d, c, -1.0, 2.0, 0.0).sum / 80.0 / 3.0;
        weighted += weight[c] * f.sum / 80.0 / 3.6;
        normalized += f.sum / f.factors / 80.0 / 3.0;
        reduced += focal_of(&d, c, -1.0, 2.0, 0.6).sum / 3.0;
        add_focal(&from_p, &d, c, log_p);
        given += from_p.sum / 80.0 / 3.0;
    }
    check(&d, "smp.FocalLoss(mode=multiclass)", plain);
    check(&d, "smp.FocalLoss(mode=multiclass,alpha=0.3,gamma=1.5,class_weights=[0.5,1.2,1.9])", weighted);
    check(&d, "smp.FocalLoss(mode=multiclass,alpha=0.3,gamma=1.5,normalized=true)", normalized);
    check(&d, "smp.FocalLoss(mode=multiclass,reduced_threshold=0.6,reduction=sum)", reduced);
    check(&d, "smp.FocalLoss(mode=multiclass,from_logits=false)", given);
    data_free(&d);
}

static void test_focal_of_masks(void)
{
    data d = data_random(MM_MULTILABEL, 2, 2, 40, 34);
    focal f = {.alpha = 0.25, .gamma = 2.0};

    add_focal(&f, &d, 0, log_odds);
    add_focal(&f, &d, 1, log_odds);
    check(&d, "smp.FocalLoss(mode=multilabel,alpha=0.25,from_logits=false)", f.sum / 160.0);
    data_free(&d);
}

/* ------------------------------------------------------------------- Lovasz */

typedef struct error {
    double size, g;
} error;

static int descending(const void *a, const void *b)
{
    const double x = ((const error *)a)->size, y = ((const error *)b)->size;

    return (x < y) - (x > y);
}

/* sum_k e_k (J_k - J_(k-1)) of a list, which is sorted on the way. */
static double lovasz(error *list, size_t count)
{
    double label = 0.0, tp = 0.0, fp = 0.0, before = 0.0, loss = 0.0;

    for (size_t i = 0; i < count; i++)
        label += list[i].g;
    qsort(list, count, sizeof *list, descending);
    for (size_t i = 0; i < count; i++) {
        tp += list[i].g;
        fp += 1.0 - list[i].g;
        const double j = 1.0 - (label - tp) / (label + fp);

        loss += fmax(list[i].size, 0.0) * (j - before);
        before = j;
    }
    return loss;
}

/* Mean over the classes with label voxels, of the softmax of images `from` to `to` - 1. */
static double lovasz_softmax(const data *d, size_t from, size_t to)
{
    error list[256];
    double sum = 0.0, present = 0.0;

    for (size_t c = 0; c < d->classes; c++) {
        size_t count = 0;
        double label = 0.0;

        for (size_t n = from; n < to; n++)
            for (size_t v = 0; v < d->voxels; v++) {
                list[count++] = (error){fabs(g_at(d, n, c, v) - softmax(d, n, c, v)), g_at(d, n, c, v)};
                label += g_at(d, n, c, v);
            }
        sum += label > 0.0 ? lovasz(list, count) : 0.0;
        present += label > 0.0;
    }
    return sum / present;
}

/* The hinge of all classes of images `from` to `to` - 1 in one list. */
static double lovasz_hinge(const data *d, size_t from, size_t to)
{
    error list[256];
    size_t count = 0;

    for (size_t n = from; n < to; n++)
        for (size_t c = 0; c < d->classes; c++)
            for (size_t v = 0; v < d->voxels; v++)
                list[count++] = (error){1.0 - p_at(d, n, c, v) * (2.0 * g_at(d, n, c, v) - 1.0), g_at(d, n, c, v)};
    return lovasz(list, count);
}

static void test_lovasz(void)
{
    data exclusive = data_random(MM_MULTICLASS, 2, 3, 30, 35), masks = data_random(MM_MULTILABEL, 2, 2, 30, 36);

    for (size_t v = 0; v < 30; v++) /* class 2 is missing from the label of image 0 */
        if (g_at(&exclusive, 0, 2, v) > 0.0) {
            exclusive.g[60 + v] = 0.0;
            exclusive.g[v] = 1.0;
        }
    check(&exclusive, "smp.LovaszLoss(mode=multiclass)", lovasz_softmax(&exclusive, 0, 2));
    check(&exclusive, "smp.LovaszLoss(mode=multiclass,per_image=true)",
          (lovasz_softmax(&exclusive, 0, 1) + lovasz_softmax(&exclusive, 1, 2)) / 2.0);
    check(&masks, "smp.LovaszLoss(mode=multilabel)", lovasz_hinge(&masks, 0, 2));
    check(&masks, "smp.LovaszLoss(mode=multilabel,per_image=true)",
          (lovasz_hinge(&masks, 0, 1) + lovasz_hinge(&masks, 1, 2)) / 2.0);
    data_free(&exclusive);
    data_free(&masks);
}

/* ------------------------------------------------------------ cross-entropy */

/* Scores with `ignored` more voxels in each image, which are not scored. */
static double with_ignored(const data *d, const char *expression, uint64_t ignored, const char **note)
{
    mm_plan *plan = bound_plan(d, expression);
    mm_images *images;
    mm_results *results = NULL;
    double value;

    CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
    images = images_of(d, plan, 0, d->images);
    for (size_t n = 0; n < d->images; n++)
        images->records[n].unmasked += ignored;
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, images, plan, NULL, NULL), MM_OK);
    CU_ASSERT_EQUAL(mm_results_at(results, 0)->value.reason, MM_DEFINED);
    value = mm_results_at(results, 0)->value.value;
    *note = mm_results_at(results, 0)->note; /* a string that outlives the results */
    mm_results_free(results);
    mm_images_free(images);
    mm_plan_free(plan);
    return value;
}

/* Ignored voxels add nothing but count; without a smoothing factor the peer fails and the note says so. */
static void test_soft_cross_entropy(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 37);
    double nll = 0.0, all = 0.0;
    const char *note;

    for (size_t n = 0; n < 2; n++)
        for (size_t v = 0; v < 40; v++)
            for (size_t c = 0; c < 3; c++) {
                nll -= g_at(&d, n, c, v) * log(softmax(&d, n, c, v));
                all -= log(softmax(&d, n, c, v));
            }
    check(&d, "smp.SoftCrossEntropyLoss", nll / 80.0);
    check(&d, "smp.SoftCrossEntropyLoss(smooth_factor=0.2)", (0.8 * nll + 0.2 / 3.0 * all) / 80.0);
    check(&d, "smp.SoftCrossEntropyLoss(smooth_factor=0.2,reduction=sum,dim=1)", 0.8 * nll + 0.2 / 3.0 * all);
    CU_ASSERT(close_to(with_ignored(&d, "smp.SoftCrossEntropyLoss(smooth_factor=0)", 5, &note), nll / 90.0));
    CU_ASSERT_PTR_NULL(note);
    CU_ASSERT(close_to(with_ignored(&d, "smp.SoftCrossEntropyLoss", 5, &note), nll / 90.0));
    CU_ASSERT_PTR_NOT_NULL_FATAL(note);
    CU_ASSERT_PTR_NOT_NULL(strstr(note, "smooth_factor"));
    data_free(&d);
}

static void test_soft_bce(void)
{
    data d = data_random(MM_MULTILABEL, 2, 2, 40, 38);
    double plain = 0.0, smoothed = 0.0;
    const char *note;

    for (size_t n = 0; n < 2; n++)
        for (size_t v = 0; v < 40; v++)
            for (size_t c = 0; c < 2; c++) {
                const double p = sigmoid(p_at(&d, n, c, v)), g = g_at(&d, n, c, v), t = 0.9 * g + 0.1 * (1.0 - g);

                plain -= g * log(p) + (1.0 - g) * log(1.0 - p);
                smoothed -= (c == 0 ? 2.0 : 0.5) * ((c == 0 ? 3.0 : 4.0) * t * log(p) + (1.0 - t) * log(1.0 - p));
            }
    check(&d, "smp.SoftBCEWithLogitsLoss", plain / 160.0);
    check(&d, "smp.SoftBCEWithLogitsLoss(reduction=sum,weight=[2],pos_weight=1)", 2.0 * plain);
    check(&d, "smp.SoftBCEWithLogitsLoss(smooth_factor=0.1,pos_weight=[3,4],weight=[2,0.5])", smoothed / 160.0);
    CU_ASSERT(close_to(with_ignored(&d, "smp.SoftBCEWithLogitsLoss", 5, &note), plain / 180.0));
    data_free(&d);
}

static void test_mcc(void)
{
    data d = data_random(MM_MULTILABEL, 2, 1, 40, 39);
    double tp = 0.1, fp = 0.1, fn = 0.1, tn = 0.1;

    for (size_t i = 0; i < 80; i++) {
        tp += d.p[i] * d.g[i];
        fp += d.p[i] * (1.0 - d.g[i]);
        fn += (1.0 - d.p[i]) * d.g[i];
        tn += (1.0 - d.p[i]) * (1.0 - d.g[i]);
    }
    check(&d, "smp.MCCLoss(eps=0.1)", 1.0 - (tp * tn - fp * fn) / sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)));
    data_free(&d);
}

/* ------------------------------------------------------------------- metrics */

/* Two images of two masks and four voxels.  Over 0.5: image 0 has TP 1 FP 1 FN 1 TN 1 and, in class 1, only TN; image 1
 * has TP 2 FP 1 FN 0 TN 1 and, in class 1, FP 1 TN 3. */
/* clang-format off */
static const double four[] = {
    .9, .9, .1, .1,   .1, .1, .2, .5, /* p of image 0 */
    .9, .9, .6, .3,   .9, .1, .1, .1,
    1,  0,  1,  0,    0,  0,  0,  0,  /* g of image 0 */
    1,  1,  0,  0,    0,  0,  0,  0,
};
/* clang-format on */

/* p >= 0.5 counts the voxel at one half, the request's p > 0.5 does not. */
static void test_get_stats(void)
{
    static const double over[] = {1, 0, 2, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 4, 1, 3};
    data d = data_given(MM_MULTILABEL, 2, 2, 4, four);
    scored plain = score(&d, "smp.get_stats(mode=multilabel)", NULL);
    scored at_least = score(&d, "smp.get_stats(mode=multilabel,threshold=0.5,num_classes=2)", NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(plain.first);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at_least.first);
    CU_ASSERT_EQUAL(plain.first->rank, 3);
    CU_ASSERT(plain.first->dim[0] == 4 && plain.first->dim[1] == 2 && plain.first->dim[2] == 2);
    for (size_t i = 0; i < 16; i++) {
        const double more = i == 5 ? 1.0 : i == 13 ? -1.0 : 0.0; /* FP and TN of class 1 of image 0 */

        CU_ASSERT_EQUAL(plain.first->list[i].value, over[i]);
        CU_ASSERT_EQUAL(at_least.first->list[i].value, over[i] + more);
    }
    scored_free(&plain);
    scored_free(&at_least);
    data_free(&d);
}

static void test_reductions(void)
{
    data d = data_given(MM_MULTILABEL, 2, 2, 4, four);

    /* pooled: class 0 TP 3 FP 2 FN 1, class 1 FP 1 */
    check(&d, "smp.iou_score(reduction=micro)", 3.0 / 7.0);
    check(&d, "smp.iou_score(reduction=macro)", (0.5 + 0.0) / 2.0);
    check(&d, "smp.iou_score(reduction=macro,class_weights=[3,1])", 0.75 * 0.5 / 2.0);
    check(&d, "smp.iou_score(reduction=weighted,class_weights=[3,1])", 0.75 * 0.5);
    check(&d, "smp.iou_score(reduction=micro-imagewise)", (1.0 / 3.0 + 0.5) / 2.0);
    check(&d, "smp.iou_score(reduction=macro-imagewise)", ((1.0 / 3.0 + 2.0 / 3.0) / 2.0 + (1.0 + 0.0) / 2.0) / 2.0);
    check(&d, "smp.iou_score(reduction=macro-imagewise,zero_division=0.4)", (0.5 + 0.4 / 2.0) / 2.0);
    check(&d, "smp.iou_score(reduction=macro-imagewise,zero_division=warn)", 0.5 / 2.0);
    check(&d, "smp.iou_score(reduction=weighted-imagewise,class_weights=[3,1])", (0.75 * 0.5 + 0.25 * 0.5) / 2.0);
    data_free(&d);
}

/* Every metric of the pooled counts TP 3 FP 3 FN 1 TN 9. */
static void test_metrics(void)
{
    data d = data_given(MM_MULTILABEL, 2, 2, 4, four);

    check(&d, "smp.fbeta_score(reduction=micro,beta=2)", 15.0 / 22.0);
    check(&d, "smp.f1_score(reduction=micro)", 6.0 / 10.0);
    check(&d, "smp.accuracy(reduction=micro)", 12.0 / 16.0);
    check(&d, "smp.precision(reduction=micro)", 0.5);
    check(&d, "smp.positive_predictive_value(reduction=micro)", 0.5);
    check(&d, "smp.recall(reduction=micro)", 0.75);
    check(&d, "smp.sensitivity(reduction=micro,threshold=0.4)", 0.75);
    check(&d, "smp.specificity(reduction=micro)", 0.75);
    check(&d, "smp.balanced_accuracy(reduction=micro)", 0.75);
    check(&d, "smp.negative_predictive_value(reduction=micro)", 0.9);
    check(&d, "smp.false_negative_rate(reduction=micro)", 0.25);
    check(&d, "smp.false_positive_rate(reduction=micro)", 0.25);
    check(&d, "smp.false_discovery_rate(reduction=micro)", 0.5);
    check(&d, "smp.false_omission_rate(reduction=micro)", 0.1);
    check(&d, "smp.positive_likelihood_ratio(reduction=micro)", 3.0);
    check(&d, "smp.negative_likelihood_ratio(reduction=micro)", 1.0 / 3.0);
    data_free(&d);
}

/* A list of images x classes; 0/0 is zero_division, x/0 is not defined, and 0/0 of all counts together is not either.
 */
static void test_zero_division(void)
{
    static const double empty[] = {0, 0, 0, 0};
    data d = data_given(MM_MULTILABEL, 2, 2, 4, four), nothing = data_given(MM_MULTILABEL, 1, 1, 2, empty);
    scored s = score(&d, "smp.positive_likelihood_ratio(zero_division=7)", NULL);

    if (s.first == NULL) {
        CU_FAIL_FATAL("score");
        return;
    }
    CU_ASSERT_EQUAL(s.first->rank, 2);
    CU_ASSERT_EQUAL(s.first->list[0].value, 1.0);
    CU_ASSERT_EQUAL(s.first->list[1].value, 7.0);
    CU_ASSERT_EQUAL(s.first->list[2].value, 2.0);
    CU_ASSERT_EQUAL(s.first->list[3].value, 7.0);
    scored_free(&s);
    check(&nothing, "smp.iou_score(reduction=macro)", 1.0);
    CU_ASSERT_EQUAL(reason_of(&nothing, "smp.iou_score(reduction=micro)"), MM_ZERO_DENOMINATOR);
    data_free(&d);
    d = data_given(MM_MULTILABEL, 1, 1, 2, (const double[]){1, 0, 1, 0});
    CU_ASSERT_EQUAL(reason_of(&d, "smp.positive_likelihood_ratio(reduction=macro)"), MM_ZERO_DENOMINATOR);
    data_free(&d);
    data_free(&nothing);
}

/* -------------------------------------------------------------------- errors */

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
    data exclusive = data_random(MM_MULTICLASS, 1, 3, 8, 41), masks = data_random(MM_MULTILABEL, 1, 2, 8, 42);
    data one = data_random(MM_MULTILABEL, 1, 1, 8, 43);

    refused(&exclusive, "smp.DiceLoss", "mode");
    refused(&exclusive, "smp.DiceLoss(mode=binary)", "one class");
    refused(&exclusive, "smp.LovaszLoss(mode=multilabel)", "independent masks");
    refused(&masks, "smp.FocalLoss(mode=multiclass)", "exclusive classes");
    refused(&one, "smp.DiceLoss(mode=binary,class_weights=[1])", "class_weights");
    refused(&one, "smp.FocalLoss(mode=binary,class_weights=[1])", "class_weights");
    refused(&one, "smp.DiceLoss(mode=binary,classes=[0])", "classes are not supported");
    refused(&exclusive, "smp.DiceLoss(mode=multiclass,classes=[1,3])", "indices of classes");
    refused(&exclusive, "smp.DiceLoss(mode=multiclass,classes=[0.5])", "indices of classes");
    refused(&exclusive, "smp.DiceLoss(mode=multiclass,class_weights=[1,2])", "class_weights");
    refused(&exclusive, "smp.DiceLoss(mode=multiclass,gamma=2)", "gamma");
    refused(&masks, "smp.SoftCrossEntropyLoss", "exclusive classes");
    refused(&exclusive, "smp.SoftCrossEntropyLoss(dim=2)", "dim");
    refused(&masks, "smp.SoftBCEWithLogitsLoss(pos_weight=[1,2,3])", "one for each class");
    refused(&masks, "smp.SoftBCEWithLogitsLoss(weight=[1,2,3])", "one for each class");
    refused(&masks, "smp.MCCLoss", "one class");
    refused(&exclusive, "smp.get_stats", "mode");
    refused(&exclusive, "smp.get_stats(mode=multiclass,threshold=0.5)", "threshold");
    refused(&masks, "smp.get_stats(mode=multilabel,ignore_index=255)", "ignore_index");
    refused(&exclusive, "smp.get_stats(mode=multiclass,ignore_index=2)", "outside the range");
    refused(&exclusive, "smp.get_stats(mode=multiclass,num_classes=4)", "num_classes");
    refused(&masks, "smp.iou_score(reduction=weighted)", "class_weights");
    refused(&masks, "smp.iou_score(reduction=weighted-imagewise)", "class_weights");
    refused(&masks, "smp.iou_score(mode=multiclass)", "exclusive classes");
    refused(&masks, "smp.iou_score(reduction=mean)", "micro-imagewise");
    data_free(&exclusive);
    data_free(&masks);
    data_free(&one);
}

/* ------------------------------------------------------------------- merging */

/* Two parts give what one upload gives, but for what pools the order of voxels over an upload. */
static void test_merged(void)
{
    static const char expressions[] =
        "smp.DiceLoss(mode=multiclass),smp.FocalLoss(mode=multiclass,normalized=true),smp.SoftCrossEntropyLoss,"
        "smp.iou_score(reduction=macro-imagewise),smp.LovaszLoss(mode=multiclass,per_image=true),"
        "smp.LovaszLoss(mode=multiclass)";
    data d = data_random(MM_MULTICLASS, 3, 3, 30, 44);
    scored whole = score(&d, expressions, NULL);
    mm_results *results = NULL;
    mm_images *into = images_of(&d, whole.plan, 0, 1), *part = images_of(&d, whole.plan, 1, 3);

    CU_ASSERT_PTR_NOT_NULL_FATAL(whole.first);
    CU_ASSERT_EQUAL_FATAL(mm_images_merge(into, part, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, into, whole.plan, NULL, NULL), MM_OK);
    for (size_t i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(mm_results_at(results, i)->value.value, mm_results_at(whole.results, i)->value.value);
    CU_ASSERT_EQUAL(mm_results_at(whole.results, 5)->value.reason, MM_DEFINED);
    CU_ASSERT_EQUAL(mm_results_at(results, 5)->value.reason, MM_NOT_IN_SUMS);
    CU_ASSERT_PTR_NOT_NULL(mm_results_at(results, 5)->note);
    mm_results_free(results);
    mm_images_free(into);
    mm_images_free(part);
    scored_free(&whole);
    data_free(&d);
}

static CU_TestInfo tests[] = {
    {"overlap against voxels", test_overlap},
    {"overlap of masks", test_overlap_of_masks},
    {"overlap without label", test_overlap_without_label},
    {"focal loss against voxels", test_focal},
    {"focal loss of masks", test_focal_of_masks},
    {"Lovasz against sorted errors", test_lovasz},
    {"soft cross-entropy", test_soft_cross_entropy},
    {"soft binary cross-entropy", test_soft_bce},
    {"Matthews coefficient", test_mcc},
    {"get_stats", test_get_stats},
    {"reductions by hand", test_reductions},
    {"metrics by hand", test_metrics},
    {"zero division", test_zero_division},
    {"refusals name the parameter", test_errors},
    {"merged evaluations", test_merged},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_peer_smp = {"peer_smp", tests};
