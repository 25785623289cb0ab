/*
 * test_peer_monai.c - MONAI's losses against their formulas written out over voxels, their parameters, shapes, notes
 * and errors, and merged evaluations.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
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

/* A list of the given shape; dim[1] = 0: of rank 1. */
static void check_list(const data *d, const char *expression, const size_t dim[2], const double *expected)
{
    scored s = score(d, expression, NULL);
    const size_t count = dim[0] * (dim[1] > 0 ? dim[1] : 1);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    CU_ASSERT_EQUAL_FATAL(s.first->rank, dim[1] > 0 ? 2 : 1);
    CU_ASSERT_EQUAL_FATAL(s.first->dim[0], dim[0]);
    CU_ASSERT(dim[1] == 0 || s.first->dim[1] == dim[1]);
    for (size_t i = 0; i < count; i++)
        if (s.first->list[i].reason != MM_DEFINED || !close_to(s.first->list[i].value, expected[i])) {
            printf("\n    %s: %.17g at %zu instead of %.17g\n", expression, s.first->list[i].value, i, expected[i]);
            CU_FAIL("list");
        }
    scored_free(&s);
}

/* -------------------------------------------------------------- activations */

enum { SENT, SIGMOID, SOFTMAX };

static double activated(const data *d, int activation, size_t n, size_t c, size_t v)
{
    double total = 0.0;

    if (activation == SIGMOID)
        return 1.0 / (1.0 + exp(-p_at(d, n, c, v)));
    if (activation == SENT || d->classes == 1)
        return p_at(d, n, c, v);
    for (size_t k = 0; k < d->classes; k++)
        total += exp(p_at(d, n, k, v));
    return exp(p_at(d, n, c, v)) / total;
}

/* ------------------------------------------------------------------ overlap */

/* Sums of one (image, class), by p and g, their squares, and their distance. */
typedef struct overlap {
    double i, p, g, pp, gg, ad;
} overlap;

static void add_overlap(overlap *x, const data *d, int activation, size_t n, size_t c)
{
    for (size_t v = 0; v < d->voxels; v++) {
        const double p = activated(d, activation, n, c, v), g = g_at(d, n, c, v);

        x->i += p * g;
        x->p += p;
        x->g += g;
        x->pp += p * p;
        x->gg += g * g;
        x->ad += fabs(p - g);
    }
}

static overlap overlap_of(const data *d, int activation, size_t n, size_t c)
{
    overlap x = {0};

    add_overlap(&x, d, activation, n, c);
    return x;
}

static double dice_of(const overlap *x, double nr, double dr)
{
    return 1.0 - (2.0 * x->i + nr) / (x->p + x->g + dr);
}

static void test_dice(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 51);
    double soft = 0.0, sigmoid = 0.0, squared = 0.0, jaccard = 0.0, weighted = 0.0, l1 = 0.0, foreground = 0.0;

    for (size_t n = 0; n < 2; n++)
        for (size_t c = 0; c < 3; c++) {
            const overlap x = overlap_of(&d, SOFTMAX, n, c), s = overlap_of(&d, SIGMOID, n, c);
            const double tp = (x.p + x.g - x.ad) / 2.0;

            soft += dice_of(&x, 1e-5, 1e-5) / 6.0;
            sigmoid += dice_of(&s, 1e-5, 1e-5) / 6.0;
            squared += (1.0 - (2.0 * x.i + 0.5) / (x.pp + x.gg + 2.0)) / 6.0;
            jaccard += (1.0 - (2.0 * x.i + 1e-5) / (2.0 * (x.p + x.g - x.i) + 1e-5)) / 6.0;
            weighted += weight[c] * dice_of(&x, 1e-5, 1e-5) / 6.0;
            l1 += (1.0 - (2.0 * tp + 1e-5) / (x.p + x.g + 1e-5)) / 6.0;
            foreground += c > 0 ? weight[c] * dice_of(&x, 1e-5, 1e-5) : 0.0;
        }
    check(&d, "monai.DiceLoss(softmax=true)", soft);
    check(&d, "monai.DiceLoss(sigmoid=true)", sigmoid);
    check(&d, "monai.DiceLoss(softmax=true,squared_pred=true,smooth_nr=0.5,smooth_dr=2)", squared);
    check(&d, "monai.DiceLoss(softmax=true,jaccard=true)", jaccard);
    check(&d, "monai.DiceLoss(softmax=true,weight=[0.5,1.2,1.9])", weighted);
    check(&d, "monai.DiceLoss(softmax=true,weight=2)", 2.0 * soft);
    check(&d, "monai.DiceLoss(softmax=true,soft_label=true)", l1);
    check(&d, "monai.DiceLoss(softmax=true,include_background=false,weight=[1.2,1.9],reduction=sum)", foreground);
    data_free(&d);
}

/* reduction=none gives images x classes, with batch classes; without background one less. */
static void test_dice_lists(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 52);
    double each[4], batch[3];

    for (size_t c = 0; c < 3; c++) {
        overlap all = {0};

        for (size_t n = 0; n < 2; n++) {
            const overlap x = overlap_of(&d, SENT, n, c);

            add_overlap(&all, &d, SENT, n, c);
            if (c > 0)
                each[n * 2 + c - 1] = dice_of(&x, 1e-5, 1e-5);
        }
        batch[c] = dice_of(&all, 1e-5, 1e-5);
    }
    check_list(&d, "monai.DiceLoss(include_background=false,reduction=none)", (const size_t[]){2, 2}, each);
    check_list(&d, "monai.DiceLoss(batch=true,reduction=none)", (const size_t[]){3, 0}, batch);
    check(&d, "monai.DiceLoss(batch=true)", (batch[0] + batch[1] + batch[2]) / 3.0);
    data_free(&d);
}

/* One class has no softmax, no background to leave out and no weight. */
static void test_dice_of_one_class(void)
{
    data d = data_random(MM_MULTILABEL, 1, 1, 30, 53);
    const overlap x = overlap_of(&d, SENT, 0, 0);

    check(&d, "monai.DiceLoss", dice_of(&x, 1e-5, 1e-5));
    check(&d, "monai.DiceLoss(softmax=true,include_background=false,weight=[7])", dice_of(&x, 1e-5, 1e-5));
    check(&d, "monai.DiceLoss(weight=7)", dice_of(&x, 1e-5, 1e-5));
    data_free(&d);
}

/* Both empty: 0; 0/0 is not defined. */
static void test_dice_of_nothing(void)
{
    static const double nothing[] = {0, 0, 0, 0};
    data d = data_given(MM_MULTILABEL, 1, 1, 2, nothing);

    check(&d, "monai.DiceLoss", 0.0);
    CU_ASSERT_EQUAL(reason_of(&d, "monai.DiceLoss(smooth_nr=0,smooth_dr=0)"), MM_ZERO_DENOMINATOR);
    data_free(&d);
}

static void test_tversky(void)
{
    data d = data_random(MM_MULTILABEL, 2, 2, 30, 54);
    double plain = 0.0, l1 = 0.0;

    for (size_t n = 0; n < 2; n++)
        for (size_t c = 0; c < 2; c++) {
            const overlap x = overlap_of(&d, SIGMOID, n, c);
            const double tp = (x.p + x.g - x.ad) / 2.0;

            plain += 1.0 - (x.i + 1e-5) / (x.i + 0.3 * (x.p - x.i) + 0.7 * (x.g - x.i) + 1e-5);
            l1 += (1.0 - (tp + 1e-5) / (tp + 0.5 * (x.p - tp) + 0.5 * (x.g - tp) + 1e-5)) / 4.0;
        }
    check(&d, "monai.TverskyLoss(sigmoid=true,alpha=0.3,beta=0.7,reduction=sum)", plain);
    check(&d, "monai.TverskyLoss(sigmoid=true,soft_label=true)", l1);
    data_free(&d);
}

/* Moves the label of class 2 to class 0 in image 0. */
static void take_class_2(data *d)
{
    for (size_t v = 0; v < d->voxels; v++)
        if (g_at(d, 0, 2, v) > 0.0) {
            d->g[2 * d->voxels + v] = 0.0;
            d->g[v] = 1.0;
        }
}

/* 1/g, or the power of it; the greatest of the others where g is 0. */
static double generalized(const overlap x[3], size_t first, double power)
{
    double greatest = 0.0, above = 1e-5, below = 1e-5;

    for (size_t c = first; c < 3; c++)
        greatest = x[c].g > 0.0 ? fmax(greatest, pow(x[c].g, -power)) : greatest;
    for (size_t c = first; c < 3; c++) {
        const double w = x[c].g > 0.0 ? pow(x[c].g, -power) : greatest;

        above += 2.0 * w * x[c].i;
        below += w * (x[c].p + x[c].g);
    }
    return 1.0 - above / below;
}

/* A class without label takes the greatest weight of its own image. */
static void test_generalized_dice(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 55);
    overlap x[2][3], all[3] = {{0}};
    double each[2];

    take_class_2(&d);
    for (size_t n = 0; n < 2; n++)
        for (size_t c = 0; c < 3; c++) {
            x[n][c] = overlap_of(&d, SOFTMAX, n, c);
            add_overlap(&all[c], &d, SOFTMAX, n, c);
        }
    for (size_t n = 0; n < 2; n++)
        each[n] = generalized(x[n], 0, 2.0);
    check(&d, "monai.GeneralizedDiceLoss(softmax=true)", (each[0] + each[1]) / 2.0);
    check_list(&d, "monai.GeneralizedDiceLoss(softmax=true,reduction=none)", (const size_t[]){2, 0}, each);
    each[0] = generalized(all, 1, 1.0);
    check_list(
        &d, "monai.GeneralizedDiceLoss(softmax=true,batch=true,reduction=none,w_type=simple,include_background=false)",
        (const size_t[]){1, 0}, each);
    check(&d, "monai.GeneralizedDiceLoss(softmax=true,w_type=uniform,reduction=sum)",
          generalized(x[0], 0, 0.0) + generalized(x[1], 0, 0.0));
    data_free(&d);
}

/* ---------------------------------------------------------------- Wasserstein */

static const double cost[3][3] = {{0.0, 1.0, 2.0}, {1.0, 0.0, 0.5}, {2.0, 0.5, 0.0}};

static double wasserstein(const data *d, size_t n, int by_volume)
{
    double above = 0.0, below = 0.0, volume[3] = {0.0, 0.0, 0.0};

    for (size_t v = 0; v < d->voxels; v++)
        for (size_t c = 0; c < 3; c++)
            volume[c] += g_at(d, n, c, v);
    for (size_t v = 0; v < d->voxels; v++) {
        const size_t y = g_at(d, n, 0, v) > 0.0 ? 0 : g_at(d, n, 1, v) > 0.0 ? 1 : 2;
        const double alpha = by_volume ? 1.0 / (volume[y] + 1.0) : (double)(y > 0);
        double w = 0.0;

        for (size_t c = 0; c < 3; c++)
            w += cost[y][c] / 2.0 * activated(d, SOFTMAX, n, c, v);
        above += 2.0 * alpha * (1.0 - w);
        below += by_volume ? alpha * (2.0 - w) : 2.0 * alpha * (1.0 - w) + w;
    }
    return 1.0 - (above + 1e-5) / (below + 1e-5);
}

#define DISTANCES "dist_matrix=[[0,1,2],[1,0,0.5],[2,0.5,0]]"

/* The matrix is divided by its maximum; the value is the mean over the images, and says where the peer's differs. */
static void test_wasserstein(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 56), one = data_random(MM_MULTICLASS, 1, 3, 30, 56);
    const double each[] = {wasserstein(&d, 0, 0), wasserstein(&d, 1, 0)};
    scored two = score(&d, "monai.GeneralizedWassersteinDiceLoss(" DISTANCES ")", NULL);
    scored single = score(&one, "monai.GeneralizedWassersteinDiceLoss(" DISTANCES ")", NULL);

    check(&d, "monai.GeneralizedWassersteinDiceLoss(" DISTANCES ")", (each[0] + each[1]) / 2.0);
    check_list(&d, "monai.GeneralizedWassersteinDiceLoss(" DISTANCES ",reduction=none)", (const size_t[]){2, 0}, each);
    check(&d, "monai.GeneralizedWassersteinDiceLoss(" DISTANCES ",weighting_mode=GDL,reduction=sum)",
          wasserstein(&d, 0, 1) + wasserstein(&d, 1, 1));
    CU_ASSERT_PTR_NOT_NULL_FATAL(two.first);
    CU_ASSERT_PTR_NOT_NULL_FATAL(single.first);
    CU_ASSERT_PTR_NOT_NULL_FATAL(two.first->note);
    CU_ASSERT_PTR_NOT_NULL(strstr(two.first->note, "#4650"));
    CU_ASSERT_PTR_NULL(single.first->note);
    scored_free(&two);
    scored_free(&single);
    data_free(&d);
    data_free(&one);
}

/* ------------------------------------------------------------- cross-entropy */

/* sum of -w_c t_c log softmax, t = (1-e) g + e/3, onto *terms; the labels' weights onto *labels. */
static void cross_entropy(const data *d, const double *w, double e, double *terms, double *labels)
{
    for (size_t n = 0; n < d->images; n++)
        for (size_t v = 0; v < d->voxels; v++)
            for (size_t c = 0; c < 3; c++) {
                const double g = g_at(d, n, c, v), t = (1.0 - e) * g + e / 3.0;

                *terms -= w[c] * t * log(activated(d, SOFTMAX, n, c, v));
                *labels += w[c] * g;
            }
}

/* A label with a class axis divides by the voxels, one of indices by their weights. */
static void test_dice_ce(void)
{
    static const double ones[] = {1.0, 1.0, 1.0};
    static const char by_index[] = "monai.DiceCELoss(softmax=true,weight=[0.5,1.2,1.9],lambda_dice=0)";
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 57);
    double plain = 0.0, weighted = 0.0, smoothed = 0.0, labels = 0.0, unused = 0.0;
    mm_plan *plan = bound_plan(&d, by_index);
    mm_images *images = indexed_images_of(&d, plan, 0, 2);
    mm_results *results = NULL;
    const double dice = value_of(&d, "monai.DiceLoss(softmax=true,include_background=false,weight=[1.2,1.9])", NULL);

    cross_entropy(&d, ones, 0.0, &plain, &unused);
    cross_entropy(&d, ones, 0.1, &smoothed, &unused);
    cross_entropy(&d, weight, 0.0, &weighted, &labels);
    check(&d, "monai.DiceCELoss(softmax=true,lambda_dice=0)", plain / 60.0);
    check(&d, "monai.DiceCELoss(lambda_dice=0,label_smoothing=0.1)", smoothed / 60.0);
    check(&d, "monai.DiceCELoss(lambda_dice=0,weight=[0.5,1.2,1.9],reduction=sum)", weighted);
    check(&d, "monai.DiceCELoss(softmax=true,include_background=false,weight=[0.5,1.2,1.9],lambda_dice=3,lambda_ce=2)",
          3.0 * dice + 2.0 * weighted / 60.0);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, images, plan, NULL, NULL), MM_OK);
    CU_ASSERT(close_to(mm_results_at(results, 0)->value.value, weighted / labels));
    mm_results_free(results);
    mm_images_free(images);
    mm_plan_free(plan);
    data_free(&d);
}

/* One class: binary cross-entropy of the sigmoid, the weight on label voxels. */
static void test_dice_ce_of_one_class(void)
{
    data d = data_random(MM_MULTILABEL, 2, 1, 30, 58);
    double plain = 0.0, weighted = 0.0;

    for (size_t n = 0; n < 2; n++)
        for (size_t v = 0; v < 30; v++) {
            const double p = activated(&d, SIGMOID, n, 0, v), g = g_at(&d, n, 0, v);

            plain -= (g * log(p) + (1.0 - g) * log(1.0 - p)) / 60.0;
            weighted -= (3.0 * g * log(p) + (1.0 - g) * log(1.0 - p)) / 60.0;
        }
    check(&d, "monai.DiceCELoss(sigmoid=true,lambda_dice=0,label_smoothing=0.3)", plain);
    check(&d, "monai.DiceCELoss(sigmoid=true,lambda_dice=0,weight=[3])", weighted);
    data_free(&d);
}

/* --------------------------------------------------------------- focal losses */

/* sum over space of (1-p_t)^gamma BCE of the sigmoid, alpha on label voxels and 1 - alpha on others. */
static double sigmoid_focal(const data *d, size_t n, size_t c, double gamma, double in, double out)
{
    double sum = 0.0;

    for (size_t v = 0; v < d->voxels; v++) {
        const double p = activated(d, SIGMOID, n, c, v), g = g_at(d, n, c, v), p_t = g > 0.0 ? p : 1.0 - p;

        sum -= (g > 0.0 ? in : out) * pow(1.0 - p_t, gamma) * log(p_t);
    }
    return sum;
}

/* sum over space of -g (1-p)^gamma log p of the softmax over the classes from `first` on. */
static double softmax_focal(const data *d, size_t n, size_t c, size_t first, double gamma)
{
    double sum = 0.0;

    for (size_t v = 0; v < d->voxels; v++) {
        double total = 0.0;

        for (size_t k = first; k < d->classes; k++)
            total += exp(p_at(d, n, k, v));
        const double p = exp(p_at(d, n, c, v)) / total;

        sum -= g_at(d, n, c, v) * pow(1.0 - p, gamma) * log(p);
    }
    return sum;
}

static void test_focal(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 59);
    double plain = 0.0, weighted = 0.0, priced = 0.0, soft = 0.0, soft_priced = 0.0, rest = 0.0;

    for (size_t n = 0; n < 2; n++)
        for (size_t c = 0; c < 3; c++) {
            plain += sigmoid_focal(&d, n, c, 2.0, 1.0, 1.0);
            priced += sigmoid_focal(&d, n, c, 1.5, 0.25, 0.75);
            weighted += weight[c] * sigmoid_focal(&d, n, c, 2.0, 1.0, 1.0);
            soft += softmax_focal(&d, n, c, 0, 2.0);
            soft_priced += (c == 0 ? 0.75 : 0.25) * softmax_focal(&d, n, c, 0, 2.0);
            rest += c > 0 ? softmax_focal(&d, n, c, 1, 2.0) : 0.0;
        }
    check(&d, "monai.FocalLoss", plain / 180.0);
    check(&d, "monai.FocalLoss(gamma=1.5,alpha=0.25,reduction=sum)", priced / 30.0);
    check(&d, "monai.FocalLoss(weight=[0.5,1.2,1.9])", weighted / 180.0);
    check(&d, "monai.FocalLoss(use_softmax=true)", soft / 180.0);
    check(&d, "monai.FocalLoss(use_softmax=true,alpha=0.25)", soft_priced / 180.0);
    check(&d, "monai.FocalLoss(use_softmax=true,include_background=false,alpha=0.25)", rest / 120.0);
    data_free(&d);
    d = data_random(MM_MULTILABEL, 1, 1, 30, 60);
    check(&d, "monai.FocalLoss(use_softmax=true)", 0.0); /* the softmax of one class is 1 */
    data_free(&d);
}

/* The factor of a soft label is sigmoid(-x (2 g - 1))^gamma, not (1 - exp(-BCE))^gamma. */
static void test_focal_soft_labels(void)
{
    data d = data_random(MM_MULTILABEL, 2, 2, 30, 62);
    double plain = 0.0, priced = 0.0;

    for (size_t i = 0; i < 120; i++) {
        const double x = 6.0 * (d.p[i] - 0.5), g = 0.1 + 0.7 * d.g[i] + 0.1 * d.p[i];
        const double left = 1.0 / (1.0 + exp(x * (2.0 * g - 1.0))), bce = x - x * g + log1p(exp(-x));

        d.p[i] = x;
        d.g[i] = g;
        plain += left * left * bce;
        priced += pow(left, 1.5) * bce * (0.25 * g + 0.75 * (1.0 - g));
    }
    check(&d, "monai.FocalLoss", plain / 120.0);
    check(&d, "monai.FocalLoss(gamma=1.5,alpha=0.25)", priced / 120.0);
    check(&d, "monai.DiceFocalLoss(sigmoid=true,lambda_dice=0,gamma=1.5,alpha=0.25)", priced / 120.0);
    check(&d, "monai.GeneralizedDiceFocalLoss(sigmoid=true,lambda_gdl=0)", plain / 120.0);
    data_free(&d);
}

/* Predictions without an activation may be anything, as in the peer: denominators below 0 divide, too. */
static void test_as_sent(void)
{
    static const double values[] = {-4.0, 1.0, -2.0, 0.5, /* p */ 1.0, 1.0, 0.0, 0.0 /* g */};
    data d = data_given(MM_MULTILABEL, 1, 1, 4, values);

    check(&d, "monai.DiceLoss", 1.0 - (-6.0 + 1e-5) / (-4.5 + 2.0 + 1e-5));
    check(&d, "monai.TverskyLoss(alpha=0.3,beta=0.7)",
          1.0 - (-3.0 + 1e-5) / (-3.0 + 0.3 * -1.5 + 0.7 * (2.0 + 3.0) + 1e-5));
    check(&d, "monai.GeneralizedDiceLoss(w_type=simple)", 1.0 - (-3.0 + 1e-5) / (-2.5 / 2.0 + 1e-5));
    data_free(&d);
}

/* The focal part is of the sigmoid, whatever the Dice part does. */
static void test_focal_compounds(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 61);
    double all = 0.0, fore = 0.0;
    const double dice = value_of(&d, "monai.DiceLoss(softmax=true,squared_pred=true,weight=3)", NULL);
    const double generalized_dice =
        value_of(&d, "monai.GeneralizedDiceLoss(softmax=true,include_background=false)", NULL);

    for (size_t n = 0; n < 2; n++)
        for (size_t c = 0; c < 3; c++) {
            all += 3.0 * sigmoid_focal(&d, n, c, 1.5, 0.25, 0.75) / 180.0;
            fore += c > 0 ? weight[c] * sigmoid_focal(&d, n, c, 2.0, 1.0, 1.0) / 120.0 : 0.0;
        }
    check(&d,
          "monai.DiceFocalLoss(softmax=true,squared_pred=true,gamma=1.5,alpha=0.25,weight=3,lambda_dice=0.5,lambda_"
          "focal=2)",
          0.5 * dice + 2.0 * all);
    check(&d, "monai.GeneralizedDiceFocalLoss(softmax=true,include_background=false,weight=[1.2,1.9],lambda_gdl=0.5)",
          0.5 * generalized_dice + fore);
    data_free(&d);
}

/* ----------------------------------------------------------- asymmetric losses */

/* The channel of p and g: of a single class, 0 is what is left. */
static double channel(const data *d, const double *plane, size_t n, size_t c, size_t v)
{
    if (d->classes == 1)
        return c == 1 ? plane[n * d->voxels + v] : 1.0 - plane[n * d->voxels + v];
    return plane[(n * d->classes + c) * d->voxels + v];
}

static double clamped(double p)
{
    return fmin(fmax(p, 1e-7), 1.0 - 1e-7);
}

static double asymmetric_focal(const data *d, double delta, double gamma)
{
    double sum = 0.0;

    for (size_t n = 0; n < d->images; n++)
        for (size_t v = 0; v < d->voxels; v++) {
            const double p0 = clamped(channel(d, d->p, n, 0, v)), p1 = clamped(channel(d, d->p, n, 1, v));

            sum -= (1.0 - delta) * pow(1.0 - p0, gamma) * channel(d, d->g, n, 0, v) * log(p0) +
                   delta * channel(d, d->g, n, 1, v) * log(p1);
        }
    return sum / (double)(d->images * d->voxels);
}

static double asymmetric_tversky(const data *d, double delta, double gamma)
{
    double sum = 0.0;

    for (size_t n = 0; n < d->images; n++)
        for (size_t c = 0; c < 2; c++) {
            double tp = 0.0, fp = 0.0, fn = 0.0;

            for (size_t v = 0; v < d->voxels; v++) {
                const double p = clamped(channel(d, d->p, n, c, v)), g = channel(d, d->g, n, c, v);

                tp += p * g;
                fp += p * (1.0 - g);
                fn += (1.0 - p) * g;
            }
            const double loss = 1.0 - (tp + 1e-7) / (tp + delta * fn + (1.0 - delta) * fp + 1e-7);
            sum += c == 0 ? loss : pow(loss, 1.0 - gamma);
        }
    return sum / (double)(2 * d->images);
}

/* The third class is left out. */
static void test_asymmetric(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 62);

    d.p[0] = 1.0; /* both are clamped */
    d.p[30] = d.p[60] = 0.0;
    check(&d, "monai.AsymmetricFocalLoss", asymmetric_focal(&d, 0.7, 2.0));
    check(&d, "monai.AsymmetricFocalTverskyLoss(delta=0.6,gamma=0.5,reduction=sum)", asymmetric_tversky(&d, 0.6, 0.5));
    check(&d, "monai.AsymmetricUnifiedFocalLoss(weight=0.3,gamma=0.2,delta=0.6)",
          0.3 * asymmetric_focal(&d, 0.6, 0.2) + 0.7 * asymmetric_tversky(&d, 0.6, 0.2));
    data_free(&d);
}

/* An empty foreground that is predicted nowhere: the clamp of 0 keeps the foreground's loss near 1. */
static void test_clamped_overlap(void)
{
    static const double values[] = {1, 1, 0, 0, /* p */ 1, 1, 0, 0 /* g */};
    data d = data_given(MM_MULTICLASS, 1, 2, 2, values);

    check(&d, "monai.AsymmetricFocalTverskyLoss(gamma=0)", asymmetric_tversky(&d, 0.7, 0.0));
    CU_ASSERT(value_of(&d, "monai.AsymmetricFocalTverskyLoss(gamma=0)", NULL) > 0.1);
    data_free(&d);
}

/* With one class the background is 1 - p, and the note says that the peer does otherwise. */
static void test_unified_of_one_class(void)
{
    data one = data_random(MM_MULTILABEL, 2, 1, 30, 63), two = data_random(MM_MULTICLASS, 1, 2, 30, 64);
    scored of_one = score(&one, "monai.AsymmetricUnifiedFocalLoss", NULL);
    scored of_two = score(&two, "monai.AsymmetricUnifiedFocalLoss", NULL);

    check(&one, "monai.AsymmetricUnifiedFocalLoss",
          0.5 * asymmetric_focal(&one, 0.7, 0.5) + 0.5 * asymmetric_tversky(&one, 0.7, 0.5));
    CU_ASSERT_PTR_NOT_NULL_FATAL(of_one.first);
    CU_ASSERT_PTR_NOT_NULL_FATAL(of_two.first);
    CU_ASSERT_PTR_NOT_NULL(of_one.first->note);
    CU_ASSERT_PTR_NULL(of_two.first->note);
    scored_free(&of_one);
    scored_free(&of_two);
    data_free(&one);
    data_free(&two);
}

/* ---------------------------------------------------------------------- notes */

/* The note on a score of images of which `masked` voxels each were left out by the mask. */
static int has_note(const data *d, const char *expression, uint64_t masked)
{
    mm_plan *plan = bound_plan(d, expression);
    mm_images *images = images_of(d, plan, 0, d->images);
    mm_results *results = NULL;

    for (size_t n = 0; n < d->images; n++)
        images->records[n].voxels += masked;
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, images, plan, NULL, NULL), MM_OK);
    const char *note = mm_results_at(results, 0)->note;
    const int there = note != NULL && strstr(note, "#657") != NULL;

    mm_results_free(results);
    mm_images_free(images);
    mm_plan_free(plan);
    return there;
}

/* MaskedDiceLoss is DiceLoss of what is left, and says so where the peer's number differs. */
static void test_masked_dice(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 65);

    check(&d, "monai.MaskedDiceLoss(softmax=true)", value_of(&d, "monai.DiceLoss(softmax=true)", NULL));
    CU_ASSERT(has_note(&d, "monai.MaskedDiceLoss(softmax=true)", 5));
    CU_ASSERT(!has_note(&d, "monai.MaskedDiceLoss(softmax=true)", 0));
    CU_ASSERT(!has_note(&d, "monai.MaskedDiceLoss", 5));
    CU_ASSERT(!has_note(&d, "monai.DiceLoss(softmax=true)", 5));
    data_free(&d);
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
    data exclusive = data_random(MM_MULTICLASS, 1, 3, 8, 66), masks = data_random(MM_MULTILABEL, 1, 2, 8, 67);
    data one = data_random(MM_MULTILABEL, 1, 1, 8, 68);

    refused(&exclusive, "monai.DiceLoss(sigmoid=true,softmax=true)", "exclude each other");
    refused(&exclusive, "monai.DiceLoss(to_onehot_y=true)", "to_onehot_y");
    refused(&exclusive, "monai.FocalLoss(to_onehot_y=true)", "to_onehot_y");
    refused(&exclusive, "monai.DiceLoss(weight=[1,2])", "each scored class");
    refused(&exclusive, "monai.DiceLoss(weight=[1,2,3],include_background=false)", "each scored class");
    refused(&exclusive, "monai.DiceFocalLoss(weight=[1,2])", "each scored class");
    refused(&exclusive, "monai.FocalLoss(weight=[1,2])", "each scored class");
    refused(&exclusive, "monai.DiceCELoss(weight=[1,2],include_background=false)", "for each class");
    refused(&exclusive, "monai.DiceCELoss(weight=2)", "for each class");
    refused(&exclusive, "monai.DiceCELoss(reduction=none)", "mean|sum");
    refused(&exclusive, "monai.FocalLoss(reduction=none)", "mean|sum");
    refused(&exclusive, "monai.DiceLoss(other_act=tanh)", "other_act");
    refused(&exclusive, "monai.TverskyLoss(weight=[1,2,3])", "weight");
    refused(&exclusive, "monai.GeneralizedWassersteinDiceLoss", "dist_matrix");
    refused(&exclusive, "monai.GeneralizedWassersteinDiceLoss(dist_matrix=[[0,1],[1,0]])", "dist_matrix");
    refused(&exclusive, "monai.GeneralizedWassersteinDiceLoss(dist_matrix=[[0,0,0],[0,0,0],[0,0,0]])", "above 0");
    refused(&masks, "monai.GeneralizedWassersteinDiceLoss(dist_matrix=[[0,1],[1,0]])", "exclusive");
    refused(&one, "monai.AsymmetricFocalLoss", "background and a foreground");
    refused(&one, "monai.AsymmetricFocalTverskyLoss", "background and a foreground");
    refused(&exclusive, "monai.AsymmetricFocalTverskyLoss(gamma=2)", "gamma");
    data_free(&exclusive);
    data_free(&masks);
    data_free(&one);
}

/* -------------------------------------------------------------------- merging */

/* Three parts of an image each give the bits of one upload. */
static void test_merged(void)
{
    static const char expressions[] =
        "monai.DiceLoss(softmax=true,batch=true),monai.GeneralizedDiceLoss(softmax=true),monai.TverskyLoss,"
        "monai.GeneralizedWassersteinDiceLoss(" DISTANCES "),monai.DiceCELoss(softmax=true),"
        "monai.FocalLoss(use_softmax=true),monai.DiceFocalLoss,monai.GeneralizedDiceFocalLoss,"
        "monai.AsymmetricUnifiedFocalLoss";
    data d = data_random(MM_MULTICLASS, 3, 3, 30, 69);
    scored whole = score(&d, expressions, NULL);
    mm_results *results = NULL;

    CU_ASSERT_PTR_NOT_NULL_FATAL(whole.first);
    mm_images *into = images_of(&d, whole.plan, 0, 1);
    for (size_t n = 1; n < 3; n++) {
        mm_images *part = images_of(&d, whole.plan, n, n + 1);

        CU_ASSERT_EQUAL_FATAL(mm_images_merge(into, part, NULL), MM_OK);
        mm_images_free(part);
    }
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, into, whole.plan, NULL, NULL), MM_OK);
    for (size_t i = 0; i < mm_plan_count(whole.plan); i++) {
        CU_ASSERT_EQUAL(mm_results_at(whole.results, i)->value.reason, MM_DEFINED);
        CU_ASSERT_EQUAL(mm_results_at(results, i)->value.value, mm_results_at(whole.results, i)->value.value);
    }
    mm_results_free(results);
    mm_images_free(into);
    scored_free(&whole);
    data_free(&d);
}

static CU_TestInfo tests[] = {
    {"DiceLoss against voxels", test_dice},
    {"DiceLoss: lists", test_dice_lists},
    {"DiceLoss of one class", test_dice_of_one_class},
    {"DiceLoss of nothing", test_dice_of_nothing},
    {"TverskyLoss against voxels", test_tversky},
    {"GeneralizedDiceLoss against voxels", test_generalized_dice},
    {"GeneralizedWassersteinDiceLoss against voxels", test_wasserstein},
    {"DiceCELoss against voxels", test_dice_ce},
    {"DiceCELoss of one class", test_dice_ce_of_one_class},
    {"FocalLoss against voxels", test_focal},
    {"FocalLoss of soft labels", test_focal_soft_labels},
    {"denominators below 0", test_as_sent},
    {"compounds with focal loss", test_focal_compounds},
    {"asymmetric losses against voxels", test_asymmetric},
    {"overlap of clamped probabilities", test_clamped_overlap},
    {"AsymmetricUnifiedFocalLoss of one class", test_unified_of_one_class},
    {"MaskedDiceLoss and its note", test_masked_dice},
    {"refusals name the parameter", test_errors},
    {"merged evaluations", test_merged},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_peer_monai = {"peer_monai", tests};
