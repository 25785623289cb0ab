/*
 * test_peer_segloss.c - functions of SegLossOdyssey against their formulas written out over voxels, their parameters,
 * shapes and errors, and merged evaluations.
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

/* Softmax over the classes of what was sent. */
static double softmax(const data *d, size_t n, size_t c, size_t v)
{
    double total = 0.0;

    for (size_t k = 0; k < d->classes; k++)
        total += exp(p_at(d, n, k, v));
    return exp(p_at(d, n, c, v)) / total;
}

static double sent(const data *d, size_t n, size_t c, size_t v)
{
    return p_at(d, n, c, v);
}

typedef double (*prediction)(const data *d, size_t n, size_t c, size_t v);

/* ------------------------------------------------------------------ overlap */

/* Soft counts. */
typedef struct soft {
    double tp, fp, fn, p, g;
} soft;

static double power_if(double x, int square)
{
    return square ? x * x : x;
}

/* Of images `from` to `to` - 1. */
static soft soft_of(const data *d, prediction of, size_t from, size_t to, size_t c, int square)
{
    soft all = {0};

    for (size_t n = from; n < to; n++)
        for (size_t v = 0; v < d->voxels; v++) {
            const double p = of(d, n, c, v), g = g_at(d, n, c, v);

            all.tp += power_if(p * g, square);
            all.fp += power_if(p * (1.0 - g), square);
            all.fn += power_if((1.0 - p) * g, square);
            all.p += p;
            all.g += g;
        }
    return all;
}

static double score_of(soft x, double k, double a, double b, double s)
{
    return (k * x.tp + s) / (k * x.tp + a * x.fp + b * x.fn + s);
}

/* The mean over images and classes. */
static double mean_score(const data *d, prediction of, int square, double k, double a, double b)
{
    double sum = 0.0;

    for (size_t n = 0; n < d->images; n++)
        for (size_t c = 0; c < d->classes; c++)
            sum += score_of(soft_of(d, of, n, n + 1, c, square), k, a, b, 1.0);
    return sum / (double)(d->images * d->classes);
}

static void test_overlap(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 51);
    const double w = 2.25 / 3.25, tversky = mean_score(&d, softmax, 0, 1.0, 0.3, 0.7);

    check(&d, "segloss.SoftDiceLoss", -mean_score(&d, softmax, 0, 2.0, 1.0, 1.0));
    check(&d, "segloss.SoftDiceLoss(softmax=false)", -mean_score(&d, sent, 0, 2.0, 1.0, 1.0));
    check(&d, "segloss.SoftDiceLoss(square=true)", -mean_score(&d, softmax, 1, 2.0, 1.0, 1.0));
    check(&d, "segloss.IoULoss", -mean_score(&d, softmax, 0, 1.0, 1.0, 1.0));
    check(&d, "segloss.TverskyLoss", -tversky);
    check(&d, "segloss.TverskyLoss(softmax=false,square=true)", -mean_score(&d, sent, 1, 1.0, 0.3, 0.7));
    check(&d, "segloss.AsymLoss", -mean_score(&d, softmax, 0, 1.0, 1.0 - w, w));
    check(&d, "segloss.FocalTversky_loss", pow(1.0 - tversky, 0.75));
    check(&d, "segloss.FocalTversky_loss(gamma=1.5,alpha=0.3,beta=0.7)", pow(1.0 - tversky, 1.5));
    check(&d, "segloss.FocalTversky_loss(gamma=1)", 1.0 - tversky);
    data_free(&d);
}

/* batch_dice adds up the images first; do_bg=false leaves class 0 out. */
static void test_batch_and_background(void)
{
    data d = data_random(MM_MULTICLASS, 3, 3, 30, 52);
    double pooled = 0.0, foreground = 0.0;

    for (size_t c = 0; c < 3; c++)
        pooled += score_of(soft_of(&d, softmax, 0, 3, c, 0), 1.0, 1.0, 1.0, 0.5) / 3.0;
    for (size_t c = 1; c < 3; c++)
        for (size_t n = 0; n < 3; n++)
            foreground += score_of(soft_of(&d, softmax, n, n + 1, c, 0), 1.0, 1.0, 1.0, 1.0) / 6.0;
    check(&d, "segloss.IoULoss(batch_dice=true,smooth=0.5)", -pooled);
    check(&d, "segloss.IoULoss(do_bg=false)", -foreground);
    data_free(&d);
}

/* One class and no background leaves nothing; so does a denominator of 0. */
static void test_nothing_left(void)
{
    static const double values[] = {0, 0, 0, 1, /* p */ 0, 0, 0, 1 /* g */};
    data one = data_random(MM_MULTILABEL, 1, 1, 10, 53), empty = data_given(MM_MULTILABEL, 2, 1, 2, values);

    CU_ASSERT_EQUAL(reason_of(&one, "segloss.SoftDiceLoss(do_bg=false)"), MM_ZERO_DENOMINATOR);
    CU_ASSERT_EQUAL(reason_of(&empty, "segloss.SoftDiceLoss(softmax=false,smooth=0)"), MM_ZERO_DENOMINATOR);
    check(&empty, "segloss.SoftDiceLoss(softmax=false,smooth=0,batch_dice=true)", -1.0);
    check(&empty, "segloss.SoftDiceLoss(softmax=false)", -1.0);
    CU_ASSERT_EQUAL(reason_of(&empty, "segloss.SSLoss(smooth=0)"), MM_ABSENT_IN_LABEL);
    data_free(&one);
    data_free(&empty);
}

static void test_errors_of_sides(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 54);
    double expected = 0.0;

    for (size_t n = 0; n < 2; n++)
        for (size_t c = 0; c < 3; c++) {
            double in = 0.0, out = 0.0, g = 0.0;

            for (size_t v = 0; v < 40; v++) {
                const double error = pow(g_at(&d, n, c, v) - softmax(&d, n, c, v), 2.0);

                in += error * g_at(&d, n, c, v);
                out += error * (1.0 - g_at(&d, n, c, v));
                g += g_at(&d, n, c, v);
            }
            expected += (0.1 * in / (g + 1.0) + 0.9 * out / (40.0 - g + 1.0)) / 6.0;
        }
    check(&d, "segloss.SSLoss", expected);
    check(&d, "segloss.SSLoss(square=true)", expected);
    data_free(&d);
}

/* -2 (sum_c w I + s) / (sum_c w (P + G) + s) of one image */
static double generalized(const data *d, size_t n, double s)
{
    double above = s, below = s;

    for (size_t c = 0; c < d->classes; c++) {
        const soft x = soft_of(d, softmax, n, n + 1, c, 0);
        const double w = 1.0 / pow(x.g + 1e-10, 2.0);

        above += w * x.tp;
        below += w * (x.p + x.g);
    }
    return -2.0 * above / below;
}

static void test_generalized(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 55);
    const double loss = (generalized(&d, 0, 1e-5) + generalized(&d, 1, 1e-5)) / 2.0;
    double above = 0.0, below = 0.0;

    for (size_t c = 0; c < 3; c++) {
        const soft x = soft_of(&d, softmax, 0, 2, c, 0);

        above += x.tp / (x.g * x.g);
        below += (x.p + x.g) / (x.g * x.g);
    }
    check(&d, "segloss.GDiceLoss", loss);
    check(&d, "segloss.GDiceLoss(smooth=2)", (generalized(&d, 0, 2.0) + generalized(&d, 1, 2.0)) / 2.0);
    check(&d, "segloss.PenaltyGDiceLoss", loss / (1.0 + 2.5 * (1.0 - loss)));
    check(&d, "segloss.PenaltyGDiceLoss(k=1)", loss / (2.0 - loss));
    check(&d, "segloss.GDiceLossV2", -2.0 * above / below);
    data_free(&d);
}

/* A class without label has w = 1e20 in GDiceLoss, which leaves nothing of the others, and 1e5 in GDiceLossV2. */
static void test_generalized_absent(void)
{
    static const double values[] = {0.75, 0.5, 0.25, 0.5, /* p */ 1, 1, 0, 0 /* g */};
    data d = data_given(MM_MULTICLASS, 1, 2, 2, values);
    const double w0 = 1.0 / 4.0, w1 = 1e5;

    check(&d, "segloss.GDiceLoss(softmax=false)", -2.0 * (1.25 / 4.0 + 1e-5) / (1e20 * 0.75));
    check(&d, "segloss.GDiceLossV2(softmax=false)", -2.0 * w0 * 1.25 / (w0 * 3.25 + w1 * 0.75));
    data_free(&d);
}

/* ------------------------------------------------------------------ entropy */

static size_t label_of(const data *d, size_t n, size_t v)
{
    size_t c = 0;

    while (!hard_g(d, n, c, v))
        c++;
    return c;
}

/* -log p_y of the softmax at each voxel of each image, into `losses`; weighted by class when w is given. */
static double entropy(const data *d, const double *w, double *losses)
{
    double sum = 0.0, below = 0.0;

    for (size_t n = 0; n < d->images; n++)
        for (size_t v = 0; v < d->voxels; v++) {
            const size_t y = label_of(d, n, v);
            const double loss = -log(softmax(d, n, y, v)), own = w == NULL ? 1.0 : w[y];

            sum += own * loss;
            below += own;
            if (losses != NULL)
                losses[n * d->voxels + v] = loss;
        }
    return sum / below;
}

static void test_cross_entropy(void)
{
    static const double w[] = {0.5, 1.2, 1.9};
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 56);

    check(&d, "segloss.CrossentropyND", entropy(&d, NULL, NULL));
    check(&d, "segloss.WeightedCrossEntropyLoss", entropy(&d, NULL, NULL));
    check(&d, "segloss.WeightedCrossEntropyLoss(weight=[0.5,1.2,1.9])", entropy(&d, w, NULL));
    CU_ASSERT_EQUAL(reason_of(&d, "segloss.WeightedCrossEntropyLoss(weight=[0,0,0])"), MM_NO_VOXELS);
    data_free(&d);
}

static int descending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x < y) - (x > y);
}

/* Over both images at once: 80 voxels. */
static void test_topk(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 57);
    const double dice = mean_score(&d, softmax, 0, 2.0, 1.0, 1.0);
    double losses[80], tenth = 0.0, third = 0.0;

    entropy(&d, NULL, losses);
    qsort(losses, 80, sizeof *losses, descending);
    for (size_t i = 0; i < 8; i++)
        tenth += losses[i] / 8.0;
    for (size_t i = 0; i < 26; i++)
        third += losses[i] / 26.0;
    check(&d, "segloss.TopKLoss", tenth);
    check(&d, "segloss.TopKLoss(k=33)", third); /* 26.4 voxels */
    check(&d, "segloss.TopKLoss(k=1.25)", losses[0]);
    CU_ASSERT_EQUAL(reason_of(&d, "segloss.TopKLoss(k=1)"), MM_ZERO_DENOMINATOR); /* 0.8 voxels */
    check(&d, "segloss.DC_and_topk_loss", tenth - dice);
    check(&d, "segloss.DC_and_topk_loss(k=33,aggregate=sum)", third - dice);
    data_free(&d);
}

static void test_compounds(void)
{
    static const double w[] = {0.5, 1.2, 1.9};
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 58);
    const double dice = mean_score(&d, softmax, 0, 2.0, 1.0, 1.0), squared = mean_score(&d, softmax, 1, 2.0, 1.0, 1.0);

    check(&d, "segloss.DC_and_CE_loss", entropy(&d, NULL, NULL) - dice);
    check(&d, "segloss.DC_and_CE_loss(square=true)", entropy(&d, NULL, NULL) - squared);
    check(&d, "segloss.ExpLog_loss", 0.8 * pow(-log(dice), 0.3) + 0.2 * entropy(&d, NULL, NULL));
    check(&d, "segloss.ExpLog_loss(gamma=2,weight=[0.5,1.2,1.9])",
          0.8 * pow(-log(dice), 2.0) + 0.2 * entropy(&d, w, NULL));
    data_free(&d);
}

/* The mean of -alpha_y (1-p_t)^gamma log p_t, p_t = sum_c o_c p_c + s, o the label between s/(C-1) and 1 - s */
static double focal(const data *d, prediction of, const double *alpha, double gamma, double s)
{
    const double least = s / (double)(d->classes - 1);
    double sum = 0.0;

    for (size_t n = 0; n < d->images; n++)
        for (size_t v = 0; v < d->voxels; v++) {
            double p_t = s;

            for (size_t c = 0; c < d->classes; c++)
                p_t += fmin(fmax(g_at(d, n, c, v), least), 1.0 - s) * of(d, n, c, v);
            sum -= alpha[label_of(d, n, v)] * pow(1.0 - p_t, gamma) * log(p_t);
        }
    return sum / (double)(d->images * d->voxels);
}

static void test_focal(void)
{
    static const double none[] = {1, 1, 1}, list[] = {0.2, 0.3, 0.5}, second[] = {0.25, 0.75, 0.25};
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 59);

    check(&d, "segloss.FocalLoss", focal(&d, softmax, none, 2.0, 1e-5));
    check(&d, "segloss.FocalLoss(gamma=1.5,smooth=0.1)", focal(&d, softmax, none, 1.5, 0.1));
    check(&d, "segloss.FocalLoss(softmax=false)", focal(&d, sent, none, 2.0, 1e-5));
    check(&d, "segloss.FocalLoss(alpha=[2,3,5])", focal(&d, softmax, list, 2.0, 1e-5));
    check(&d, "segloss.FocalLoss(alpha=0.75,balance_index=1)", focal(&d, softmax, second, 2.0, 1e-5));
    check(&d, "segloss.FocalLoss(size_average=false)", 80.0 * focal(&d, softmax, none, 2.0, 1e-5));
    CU_ASSERT_EQUAL(reason_of(&d, "segloss.FocalLoss(alpha=[0,0,0])"), MM_ZERO_DENOMINATOR);
    data_free(&d);
}

/* ------------------------------------------------------------------- Lovasz */

typedef struct error {
    double size;
    int in_label;
} error;

static int compare_errors(const void *a, const void *b)
{
    const double x = ((const error *)a)->size, y = ((const error *)b)->size;

    return (x < y) - (x > y);
}

/* sum_k e_k (J_k - J_(k-1)) of class c over all images */
static double lovasz(const data *d, size_t c)
{
    error errors[128];
    const size_t count = d->images * d->voxels;
    double label = 0.0, loss = 0.0, before = 0.0, tp = 0.0, fp = 0.0;

    for (size_t i = 0; i < count; i++) {
        const size_t n = i / d->voxels, v = i % d->voxels;

        errors[i] = (error){fabs(g_at(d, n, c, v) - p_at(d, n, c, v)), hard_g(d, n, c, v)};
        label += errors[i].in_label;
    }
    qsort(errors, count, sizeof *errors, compare_errors);
    for (size_t i = 0; i < count; i++) {
        tp += errors[i].in_label;
        fp += !errors[i].in_label;
        const double jaccard = 1.0 - (label - tp) / (label + fp);

        loss += errors[i].size * (jaccard - before);
        before = jaccard;
    }
    return loss;
}

/* A class without label counts with its greatest error. */
static void test_lovasz(void)
{
    static const double values[] = {0.75, 0.5, 0.25, 0.5, /* p */ 1, 1, 0, 0 /* g */};
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 60), absent = data_given(MM_MULTICLASS, 1, 2, 2, values);
    scored s = score(&d, "segloss.LovaszSoftmax(reduction=none)", NULL);
    const double sum = lovasz(&d, 0) + lovasz(&d, 1) + lovasz(&d, 2);

    check(&d, "segloss.LovaszSoftmax", sum / 3.0);
    check(&d, "segloss.LovaszSoftmax(reduction=sum,classes=all)", sum);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    CU_ASSERT_EQUAL(s.first->rank, 1);
    CU_ASSERT_EQUAL_FATAL(s.first->dim[0], 3);
    for (size_t c = 0; c < 3; c++)
        CU_ASSERT(close_to(s.first->list[c].value, lovasz(&d, c)));
    check(&absent, "segloss.LovaszSoftmax", (0.5 * 0.5 + 0.25 * 0.5 + 0.5) / 2.0);
    scored_free(&s);
    data_free(&d);
    data_free(&absent);
}

/* ------------------------------------------------------------------ erosion */

#define MOST 512 /* voxels of an image times classes */

/* The cross of one voxel, outside the image 0. */
static double cross(const data *d, const double *b, size_t v)
{
    double sum = b[v];
    size_t step = 1;

    for (unsigned axis = d->spatial_rank; axis-- > 0;) {
        const size_t at = v / step % d->spatial[axis];

        sum += (at > 0 ? b[v - step] : 0.0) + (at + 1 < d->spatial[axis] ? b[v + step] : 0.0);
        step *= d->spatial[axis];
    }
    return sum / (2.0 * d->spatial_rank + 1.0);
}

/* One erosion of all classes of an image, rescaled; kept: voxels that count. */
static void erode(const data *d, double *b, const unsigned char *kept)
{
    double eroded[MOST], least = INFINITY, greatest = -INFINITY;

    for (size_t i = 0; i < d->classes * d->voxels; i++) {
        const size_t v = i % d->voxels;

        eroded[i] = kept[v] ? fmax(cross(d, b + (i - v), v) - 0.5, 0.0) : 0.0;
        if (kept[v]) {
            least = fmin(least, eroded[i]);
            greatest = fmax(greatest, eroded[i]);
        }
    }
    for (size_t i = 0; i < d->classes * d->voxels; i++)
        b[i] = kept[i % d->voxels] && greatest > least ? (eroded[i] - least) / (greatest - least) : eroded[i];
}

static double erosion(const data *d, double alpha, int erosions, const unsigned char *kept)
{
    double sum = 0.0, count = 0.0;

    for (size_t n = 0; n < d->images; n++) {
        double b[MOST];

        for (size_t i = 0; i < d->classes * d->voxels; i++) {
            const size_t c = i / d->voxels, v = i % d->voxels;

            b[i] = kept[v] ? pow(p_at(d, n, c, v) - g_at(d, n, c, v), 2.0) : 0.0;
            count += kept[v];
        }
        for (int k = 1; k <= erosions; k++) {
            erode(d, b, kept);
            for (size_t i = 0; i < d->classes * d->voxels; i++)
                sum += b[i] * pow(k, alpha);
        }
    }
    return sum / count;
}

/* Large errors in a block: something is left after several erosions. */
static data blocks(unsigned rank, size_t a, size_t b, size_t c)
{
    data d = data_random(MM_MULTILABEL, 2, 2, a * b * c, 61);

    d.spatial_rank = rank;
    memcpy(d.spatial, (size_t[]){a, b, c}, sizeof d.spatial);
    for (size_t i = 0; i < d.images * d.classes * d.voxels; i++) {
        const size_t v = i % d.voxels;

        if (v > d.voxels / 8 && v < d.voxels - d.voxels / 8)
            d.p[i] = 0.95 * (1.0 - d.g[i]) + 0.05 * d.p[i];
    }
    return d;
}

static void test_erosion(void)
{
    static unsigned char all[MOST];
    data flat = blocks(2, 12, 11, 1), deep = blocks(3, 5, 6, 8);
    scored s;

    memset(all, 1, sizeof all);
    CU_ASSERT(erosion(&flat, 2.0, 3, all) > erosion(&flat, 2.0, 2, all));
    check(&flat, "segloss.HausdorffERLoss", erosion(&flat, 2.0, 10, all));
    check(&flat, "segloss.HausdorffERLoss(alpha=1.5,erosions=2)", erosion(&flat, 1.5, 2, all));
    check(&deep, "segloss.HausdorffERLoss", erosion(&deep, 2.0, 10, all));
    check(&deep, "segloss.HausdorffERLoss(erosions=1)", erosion(&deep, 2.0, 1, all));
    s = score(&deep, "segloss.HausdorffERLoss", NULL);
    CU_ASSERT_PTR_NOT_NULL(s.first != NULL ? s.first->note : NULL);
    scored_free(&s);
    s = score(&flat, "segloss.HausdorffERLoss", NULL);
    CU_ASSERT_PTR_NULL(s.first != NULL ? s.first->note : "not scored");
    scored_free(&s);
    data_free(&flat);
    data_free(&deep);
}

/* The loss with a mask, or NAN. */
static double masked_value(const data *d, unsigned char *mask)
{
    const mm_tensor pred = {d->p, MM_F64, 4, {d->images, d->classes, d->spatial[0], d->spatial[1]}};
    const mm_tensor label = {d->g, MM_F64, 4, {d->images, d->classes, d->spatial[0], d->spatial[1]}};
    const mm_input input = {.pred = pred,
                            .label = label,
                            .mask = {mask, MM_U8, 3, {d->images, d->spatial[0], d->spatial[1]}},
                            .task = d->task,
                            .pred_kind = MM_PROBS,
                            .label_kind = MM_ONEHOT,
                            .threshold = 0.5};
    const char *ids[] = {"0/0", "0/1"};
    void *scratch = aligned_alloc(64, MM_SCRATCH_BYTES);
    mm_plan *plan = bound_plan(d, "segloss.HausdorffERLoss");
    mm_eval *eval = NULL;
    mm_images *images = NULL;
    mm_results *results = NULL;
    double value = (double)NAN;

    if (scratch != NULL && mm_eval_new(&eval, &input, plan, 0, NULL) == MM_OK) {
        mm_eval_run(eval, scratch, 1);
        if (mm_eval_finish(eval, ids, &images, NULL) == MM_OK &&
            mm_images_score(&results, images, plan, NULL, NULL) == MM_OK &&
            mm_results_at(results, 0)->value.reason == MM_DEFINED)
            value = mm_results_at(results, 0)->value.value;
    }
    mm_results_free(results);
    mm_images_free(images);
    mm_eval_free(eval);
    mm_plan_free(plan);
    free(scratch);
    return value;
}

/* Masked voxels are as if they lay outside the image, and do not count. */
static void test_erosion_with_mask(void)
{
    data d = blocks(2, 12, 11, 1);
    unsigned char mask[2 * 132];

    for (size_t v = 0; v < sizeof mask; v++)
        mask[v] = v % 132 % 11 < 8 && v % 132 / 11 != 0;
    CU_ASSERT(close_to(masked_value(&d, mask), erosion(&d, 2.0, 10, mask)));
    CU_ASSERT(erosion(&d, 2.0, 10, mask) > 0.0);
    memset(mask, 0, sizeof mask);
    CU_ASSERT(isnan(masked_value(&d, mask)));
    data_free(&d);
}

/* ---------------------------------------------------------------- machinery */

static void refused(const data *d, const char *expression, const char *word)
{
    mm_problem problem = {.text = ""};

    CU_ASSERT_EQUAL(refusal_of(d, expression, &problem), MM_BAD_PARAM);
    if (strstr(problem.text, word) == NULL) {
        printf("\n    %s: \"%s\" does not say \"%s\"\n", expression, problem.text, word);
        CU_FAIL("text");
    }
}

static void test_refusals(void)
{
    data classes = data_random(MM_MULTICLASS, 1, 3, 10, 62), masks = data_random(MM_MULTILABEL, 1, 3, 10, 63);

    refused(&classes, "segloss.SoftDiceLoss(weight=[1,2,3])", "weight");
    refused(&classes, "segloss.TverskyLoss(alpha=0.5)", "alpha");
    refused(&classes, "segloss.FocalTversky_loss(alpha=0.5)", "alpha");
    refused(&classes, "segloss.FocalTversky_loss(beta=0.5)", "beta");
    refused(&classes, "segloss.SoftDiceLoss(smooth=-1)", "smooth");
    refused(&classes, "segloss.SoftDiceLoss(do_bg=1)", "do_bg");
    refused(&classes, "segloss.WeightedCrossEntropyLoss(weight=[1,2])", "weight");
    refused(&classes, "segloss.ExpLog_loss(weight=2)", "weight");
    refused(&classes, "segloss.TopKLoss(k=101)", "k");
    refused(&classes, "segloss.FocalLoss(alpha=[1,2])", "alpha");
    refused(&classes, "segloss.FocalLoss(balance_index=3)", "balance_index");
    refused(&classes, "segloss.FocalLoss(balance_index=0.5)", "balance_index");
    refused(&classes, "segloss.FocalLoss(smooth=0.9)", "smooth");
    refused(&classes, "segloss.LovaszSoftmax(classes=present)", "classes");
    refused(&classes, "segloss.DC_and_CE_loss(aggregate=mean)", "aggregate");
    refused(&classes, "segloss.HausdorffERLoss(erosions=1.5)", "erosions");
    refused(&masks, "segloss.CrossentropyND", "exclusive");
    refused(&masks, "segloss.DC_and_CE_loss", "exclusive");
    refused(&masks, "segloss.LovaszSoftmax", "exclusive");
    data_free(&classes);
    data_free(&masks);
}

/* Sums are recomputed over the union of the images; what orders the voxels of an upload exists only in its answer. */
static void test_merged(void)
{
    static const char expressions[] =
        "segloss.SoftDiceLoss(batch_dice=true),segloss.SSLoss,segloss.GDiceLossV2,segloss.FocalLoss(alpha=[1,2,3]),"
        "segloss.ExpLog_loss,segloss.HausdorffERLoss,segloss.TopKLoss,segloss.LovaszSoftmax";
    data d = data_random(MM_MULTICLASS, 3, 3, 30, 64);
    scored whole = score(&d, expressions, NULL);
    mm_results *results = NULL;
    mm_images *into = images_of(&d, whole.plan, 0, 1), *part = images_of(&d, whole.plan, 1, 3);

    CU_ASSERT_PTR_NOT_NULL_FATAL(whole.first);
    CU_ASSERT_EQUAL_FATAL(mm_images_merge(into, part, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, into, whole.plan, NULL, NULL), MM_OK);
    for (size_t i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(mm_results_at(whole.results, i)->value.reason, MM_DEFINED);
        CU_ASSERT_EQUAL(mm_results_at(results, i)->value.reason, i < 6 ? MM_DEFINED : MM_NOT_IN_SUMS);
        if (i < 6)
            CU_ASSERT_EQUAL(mm_results_at(results, i)->value.value, mm_results_at(whole.results, i)->value.value);
    }
    mm_results_free(results);
    mm_images_free(into);
    mm_images_free(part);
    scored_free(&whole);
    data_free(&d);
}

/* The mean over class 1's voxels of p phi: phi is 0 on the border's voxels, -1 one step inside, and so on; outside the
 * distance to the mask.  Two classes, images of one axis, probabilities in place of logits: softmax by hand. */
static void test_boundary(void)
{
    static const double phi[] = {2, 1, 0, -1, 0, 1, 2, 3};
    data d = data_random(MM_MULTICLASS, 1, 2, 8, 90);
    double mean = 0.0;

    for (size_t v = 0; v < 8; v++) {
        d.g[8 + v] = phi[v] <= 0.0;
        d.g[v] = 1.0 - d.g[8 + v];
        mean += phi[v] * exp(d.p[8 + v]) / (exp(d.p[v]) + exp(d.p[8 + v])) / 8.0;
    }
    check(&d, "segloss.BDLoss", mean);
    check(&d, "segloss.DC_and_BD_loss", value_of(&d, "segloss.SoftDiceLoss", NULL) + mean);
    check(&d, "segloss.DC_and_BD_loss(smooth=0.1,do_bg=false)",
          value_of(&d, "segloss.SoftDiceLoss(smooth=0.1,do_bg=false)", NULL) + mean);
    data_free(&d);
}

static CU_TestInfo tests[] = {
    {"BDLoss, and with Dice, against voxels", test_boundary},
    {"overlap against voxels", test_overlap},
    {"batch_dice and do_bg", test_batch_and_background},
    {"nothing is left", test_nothing_left},
    {"sensitivity and specificity", test_errors_of_sides},
    {"generalized Dice", test_generalized},
    {"generalized Dice, absent class", test_generalized_absent},
    {"cross-entropy", test_cross_entropy},
    {"top-k over the upload", test_topk},
    {"compounds", test_compounds},
    {"focal loss", test_focal},
    {"Lovasz against sorted errors", test_lovasz},
    {"erosion in 2D and 3D", test_erosion},
    {"erosion with a mask", test_erosion_with_mask},
    {"refusals name the parameter", test_refusals},
    {"merged evaluations", test_merged},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_peer_segloss = {"peer_segloss", tests};
