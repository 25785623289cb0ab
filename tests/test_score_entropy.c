/*
 * test_score_entropy.c - entropy and focal losses against their formulas over voxels, and named sums against their
 * terms.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/scores.h"
#include "tests/score_tools.h"

/* ------------------------------------------------------------- cross-entropy */

static double log_of(double p)
{
    return log(fmax(p, 1e-7));
}

/* Weighted cross-entropy of one image, voxel by voxel, over voxels whose label is chosen. */
static void cross_entropy_of(const data *d, size_t n, double e, const double *w, const int *chosen, double *above,
                             double *below)
{
    for (size_t v = 0; v < d->voxels; v++) {
        double term = 0.0;
        size_t y = 0;

        for (size_t c = 0; c < d->classes; c++) {
            const double t = (1.0 - e) * g_at(d, n, c, v) + e / (double)d->classes;

            term -= w[c] * t * log_of(p_at(d, n, c, v));
            y = g_at(d, n, c, v) == 1.0 ? c : y;
        }
        if (!chosen[y])
            continue;
        *above += term;
        *below += w[y];
    }
}

static void check_cross_entropy(const data *d, const char *arguments, double e, const double *w, const int *chosen)
{
    double mean = 0.0, above = 0.0, below = 0.0, unweighted = 0.0;
    char text[128];

    for (size_t n = 0; n < d->images; n++) {
        double a = 0.0, b = 0.0, number = 0.0;

        cross_entropy_of(d, n, e, w, chosen, &a, &b);
        for (size_t v = 0; v < d->voxels; v++)
            for (size_t c = 0; c < d->classes; c++)
                number += chosen[c] * g_at(d, n, c, v);
        mean += a / b / (double)d->images;
        unweighted += a / number / (double)d->images;
        above += a;
        below += b;
    }
    check_value(d, expression_of(text, sizeof text, "cross_entropy", arguments, ""), w, mean);
    check_value(d, expression_of(text, sizeof text, "cross_entropy", arguments, "over=pooled"), w, above / below);
    check_value(d, expression_of(text, sizeof text, "cross_entropy", arguments, "normalize_weights=false"), w,
                unweighted);
}

static void test_cross_entropy(void)
{
    static const double ones[] = {1, 1, 1}, weights[] = {0.5, 2, 3};
    static const int all[] = {1, 1, 1}, foreground[] = {0, 1, 1};
    data d = data_random(MM_MULTICLASS, 3, 3, 40, 4);

    check_cross_entropy(&d, "", 0.0, ones, all);
    check_cross_entropy(&d, "", 0.0, weights, all);
    check_cross_entropy(&d, "label_smoothing=0.2", 0.2, ones, all);
    check_cross_entropy(&d, "label_smoothing=0.2", 0.2, weights, all);
    check_cross_entropy(&d, "classes=foreground", 0.0, ones, foreground);
    check_cross_entropy(&d, "classes=[2,1]", 0.0, weights, foreground);
    data_free(&d);
}

/* Soft labels that do not sum to 1: without weights the sum is divided by the number of voxels. */
static void test_soft_labels(void)
{
    static const double values[] = {0.5, 0.25, 0.5, 0.75, /* p */ 0.5, 0.0, 0.25, 1.0 /* g */};
    static const double twos[] = {2.0, 2.0};
    data d = data_given(MM_MULTICLASS, 1, 2, 2, values);
    const double sum = -(0.5 * log(0.5) + 0.25 * log(0.5) + 1.0 * log(0.75));

    check_value(&d, "cross_entropy", NULL, sum / 2.0);
    check_value(&d, "cross_entropy", twos, sum / 1.75);
    check_value(&d, "cross_entropy(classes=[1])", NULL, -(0.25 * log(0.5) + log(0.75)) / 1.25);
    data_free(&d);
}

/* Per class and over everything: every voxel belongs to every class. */
static void test_binary_cross_entropy(void)
{
    static const double weights[] = {0.5, 2.0}, pos_weight[] = {3.0, 0.5};
    data d = data_random(MM_MULTILABEL, 3, 2, 30, 5);
    double by_class[2] = {0}, plain = 0.0;

    for (size_t n = 0; n < 3; n++)
        for (size_t c = 0; c < 2; c++)
            for (size_t v = 0; v < 30; v++) {
                const double p = p_at(&d, n, c, v), g = g_at(&d, n, c, v), t = g * 0.9 + (1.0 - g) * 0.1;

                by_class[c] -= (pos_weight[c] * t * log_of(p) + (1.0 - t) * log_of(1.0 - p)) / 90.0;
                plain -= (g * log_of(p) + (1.0 - g) * log_of(1.0 - p)) / 180.0;
            }
    scored s = score(&d, "binary_cross_entropy(pos_weight=[3,.5],label_smoothing=.1)", weights);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    CU_ASSERT(close_to(s.first->per_class[0].value, by_class[0]));
    CU_ASSERT(close_to(s.first->per_class[1].value, by_class[1]));
    CU_ASSERT(close_to(s.first->value.value, (0.5 * by_class[0] + 2.0 * by_class[1]) / 2.5));
    scored_free(&s);
    check_value(&d, "binary_cross_entropy", NULL, plain);
    check_value(&d, "cross_entropy", NULL, plain); /* independent masks: the same */
    check_value(&d, "binary_cross_entropy(over=pooled)", NULL, plain);
    check_value(&d, "binary_cross_entropy(pos_weight=[3,.5],label_smoothing=.1,average=macro)", NULL,
                (by_class[0] + by_class[1]) / 2.0);
    check_value(&d, "binary_cross_entropy(pos_weight=[3,.5],label_smoothing=.1,classes=[1])", NULL, by_class[1]);
    data_free(&d);
}

static void test_focal_loss(void)
{
    static const double alpha[] = {0.2, 0.9, 3.0};
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 6), masks = data_random(MM_MULTILABEL, 2, 2, 40, 7);
    double plain = 0.0, listed = 0.0, number = 0.0, binary = 0.0, balanced = 0.0;

    for (size_t n = 0; n < 2; n++)
        for (size_t v = 0; v < 40; v++) {
            for (size_t c = 0; c < 3; c++) {
                const double p = p_at(&d, n, c, v), g = g_at(&d, n, c, v);

                plain -= g * pow(1.0 - p, 2.0) * log_of(p) / 80.0;
                listed -= alpha[c] * g * pow(1.0 - p, 1.5) * log_of(p) / 80.0;
                number -= (c == 0 ? 0.75 : 0.25) * g * pow(1.0 - p, 2.0) * log_of(p) / 80.0;
            }
            for (size_t c = 0; c < 2; c++) {
                const double p = p_at(&masks, n, c, v), g = g_at(&masks, n, c, v);
                const double positive = -g * pow(1.0 - p, 2.0) * log_of(p) / 160.0;
                const double negative = -(1.0 - g) * pow(p, 2.0) * log_of(1.0 - p) / 160.0;

                binary += positive + negative;
                balanced += 0.25 * positive + 0.75 * negative;
            }
        }
    check_value(&d, "focal_loss", NULL, plain);
    check_value(&d, "focal_loss(over=pooled)", NULL, plain);
    check_value(&d, "focal_loss(gamma=1.5,alpha=[.2,.9,3])", NULL, listed);
    check_value(&d, "focal_loss(alpha=.25)", NULL, number);
    check_value(&masks, "focal_loss", NULL, binary);
    check_value(&masks, "focal_loss(alpha=.25)", NULL, balanced);
    check_value(&d, "focal_loss(gamma=0)", NULL, value_of(&d, "cross_entropy", NULL));
    data_free(&d);
    data_free(&masks);
}

static void test_weighted_forms(void)
{
    static const double beta[] = {0.3, 0.8};
    data d = data_random(MM_MULTILABEL, 3, 2, 30, 33);
    double weighted = 0.0, balanced = 0.0, listed = 0.0;

    for (size_t n = 0; n < 3; n++)
        for (size_t c = 0; c < 2; c++)
            for (size_t v = 0; v < 30; v++) {
                const double p = p_at(&d, n, c, v), g = g_at(&d, n, c, v);
                const double inside = -g * log_of(p) / 180.0, outside = -(1.0 - g) * log_of(1.0 - p) / 180.0;

                weighted += 2.0 * inside + outside;
                balanced += 0.5 * inside + 0.5 * outside;
                listed += beta[c] * inside + (1.0 - beta[c]) * outside;
            }
    check_value(&d, "weighted_binary_cross_entropy", NULL, weighted);
    check_value(&d, "weighted_binary_cross_entropy(beta=5)", NULL,
                value_of(&d, "binary_cross_entropy(pos_weight=5)", NULL));
    check_value(&d, "balanced_binary_cross_entropy", NULL, balanced);
    check_value(&d, "balanced_binary_cross_entropy(beta=[.3,.8],over=pooled)", NULL, listed);
    data_free(&d);
}

/* ------------------------------------------------------------ focal family */

/* One class against the rest, from its probability: alpha_t f BCE, and f. */
static double apart(double p, double g, double gamma, double alpha, double threshold, double *factor)
{
    const double bce = -(g * log_of(p) + (1.0 - g) * log_of(1.0 - p)), p_t = exp(-bce);

    *factor = threshold == 0.0 ? pow(1.0 - p_t, gamma) : p_t < threshold ? 1.0 : pow((1.0 - p_t) / threshold, gamma);
    return (alpha < 0.0 ? 1.0 : alpha * g + (1.0 - alpha) * (1.0 - g)) * *factor * bce;
}

/* sum alpha_t f BCE of one (image, class), and the sum of f. */
static double apart_sum(const data *d, size_t n, size_t c, double gamma, double alpha, double threshold,
                        double *factors)
{
    double sum = 0.0, factor;

    *factors = 0.0;
    for (size_t v = 0; v < d->voxels; v++) {
        double p = p_at(d, n, c, v);

        if (d->pred_kind == MM_LOGITS)
            p = 1.0 / (1.0 + exp(-p));
        sum += apart(p, g_at(d, n, c, v), gamma, alpha, threshold, &factor);
        *factors += factor;
    }
    return sum;
}

static void check_apart(const data *d)
{
    const double cells = (double)(d->images * d->classes), voxels = (double)d->voxels;
    double plain = 0.0, weighed = 0.0, listed = 0.0, normalized = 0.0, reduced = 0.0, factors, by_class[3] = {0};

    for (size_t n = 0; n < d->images; n++)
        for (size_t c = 0; c < d->classes; c++) {
            plain += apart_sum(d, n, c, 2.0, -1.0, 0.0, &factors) / cells / voxels;
            weighed += apart_sum(d, n, c, 1.5, 0.25, 0.0, &factors) / cells / voxels;
            listed += apart_sum(d, n, c, 2.0, 0.2 * (double)(c + 1), 0.0, &factors) / cells / voxels;
            reduced += apart_sum(d, n, c, 2.0, 0.25, 0.5, &factors) / cells / voxels;
            const double sum = apart_sum(d, n, c, 2.0, -1.0, 0.0, &factors);

            normalized += sum / fmax(factors, 1e-6) / cells;
            by_class[c] += sum / voxels / (double)d->images;
        }
    check_value(d, "sigmoid_focal_loss", NULL, plain);
    check_value(d, "sigmoid_focal_loss(gamma=1.5,alpha=.25,over=pooled)", NULL, weighed);
    check_value(d, d->classes == 3 ? "sigmoid_focal_loss(alpha=[.2,.4,.6])" : "sigmoid_focal_loss(alpha=[.2,.4])", NULL,
                listed);
    check_value(d, "normalized_focal_loss", NULL, normalized);
    check_value(d, "reduced_focal_loss(alpha=.25)", NULL, reduced);
    check_class(d, "sigmoid_focal_loss", 1, MM_DEFINED, by_class[1]);
}

static void test_apart(void)
{
    data exclusive = data_random(MM_MULTICLASS, 2, 3, 40, 34), masks = data_random(MM_MULTILABEL, 3, 2, 30, 35);

    check_apart(&exclusive);
    check_apart(&masks);
    exclusive.pred_kind = MM_LOGITS; /* one class against the rest, also of exclusive classes */
    check_apart(&exclusive);
    check_value(&masks, "sigmoid_focal_loss(alpha=.25)", NULL, value_of(&masks, "focal_loss(alpha=.25)", NULL));
    check_value(&masks, "reduced_focal_loss(gamma=0)", NULL, value_of(&masks, "binary_cross_entropy", NULL));
    data_free(&exclusive);
    data_free(&masks);
}

/* class 0: (1-delta) (1-p)^gamma CE, others: delta CE; over the voxels, whether classes exclude each other or not */
static double asymmetric_of(const data *d, size_t n, double delta, double gamma)
{
    double sum = 0.0;

    for (size_t c = 0; c < d->classes; c++)
        for (size_t v = 0; v < d->voxels; v++) {
            const double p = p_at(d, n, c, v), ce = -g_at(d, n, c, v) * log_of(p);

            sum += c == 0 ? (1.0 - delta) * pow(1.0 - p, gamma) * ce : delta * ce;
        }
    return sum / (double)d->voxels;
}

static void test_asymmetric(void)
{
    data exclusive = data_random(MM_MULTICLASS, 2, 3, 40, 36), masks = data_random(MM_MULTILABEL, 2, 2, 40, 37);

    check_value(&exclusive, "asymmetric_focal_loss", NULL,
                (asymmetric_of(&exclusive, 0, 0.7, 2.0) + asymmetric_of(&exclusive, 1, 0.7, 2.0)) / 2.0);
    check_value(&exclusive, "asymmetric_focal_loss(delta=.4,gamma=0)", NULL,
                (asymmetric_of(&exclusive, 0, 0.4, 0.0) + asymmetric_of(&exclusive, 1, 0.4, 0.0)) / 2.0);
    memset(masks.g, 0, 80 * sizeof *masks.g); /* nothing in the label of image 0: nothing to be wrong about */
    check_value(&masks, "asymmetric_focal_loss", NULL, asymmetric_of(&masks, 1, 0.7, 2.0) / 2.0);
    check_class(&masks, "asymmetric_focal_loss", 0, MM_DEFINED,
                value_of(&masks, "asymmetric_focal_loss(classes=[0])", NULL));
    data_free(&exclusive);
    data_free(&masks);
}

/* ---------------------------------------------------- exponential-logarithmic */

/* mean_v w_y (-log p_y)^gamma of one image; of masks: of each mask and its rest. */
static double exp_log_entropy_of(const data *d, size_t n, double gamma)
{
    double sum = 0.0;

    for (size_t c = 0; c < d->classes; c++) {
        double label = 0.0, inside = 0.0, outside = 0.0;

        for (size_t v = 0; v < d->voxels; v++) {
            label += g_at(d, n, c, v);
            inside += g_at(d, n, c, v) * pow(-log_of(p_at(d, n, c, v)), gamma);
            outside += (1.0 - g_at(d, n, c, v)) * pow(-log_of(1.0 - p_at(d, n, c, v)), gamma);
        }
        sum += sqrt((double)d->voxels / label) * inside;
        if (d->task == MM_MULTILABEL)
            sum += sqrt((double)d->voxels / ((double)d->voxels - label)) * outside;
    }
    return sum / (double)d->voxels / (d->task == MM_MULTILABEL ? (double)d->classes : 1.0);
}

static double exp_log_dice_of(const data *d, size_t n, double gamma)
{
    double sum = 0.0;

    for (size_t c = 0; c < d->classes; c++) {
        double both = 0.0, all = 0.0;

        for (size_t v = 0; v < d->voxels; v++) {
            both += p_at(d, n, c, v) * g_at(d, n, c, v);
            all += p_at(d, n, c, v) + g_at(d, n, c, v);
        }
        sum += pow(-log(2.0 * both / all), gamma) / (double)d->classes;
    }
    return sum;
}

static void test_exp_log(void)
{
    data exclusive = data_random(MM_MULTICLASS, 2, 3, 40, 38), masks = data_random(MM_MULTILABEL, 2, 2, 40, 39);
    const data *both[] = {&exclusive, &masks};

    for (size_t i = 0; i < 2; i++) {
        double entropy = 0.0, dice = 0.0;

        for (size_t n = 0; n < 2; n++) {
            entropy += exp_log_entropy_of(both[i], n, 0.3) / 2.0;
            dice += exp_log_dice_of(both[i], n, 0.3) / 2.0;
        }
        check_value(both[i], "exp_log_cross_entropy", NULL, entropy);
        check_value(both[i], "exp_log_loss", NULL, 0.8 * dice + 0.2 * entropy);
        check_value(both[i], "exp_log_loss(wd=2,wc=3)", NULL, 2.0 * dice + 3.0 * entropy);
    }
    check_value(&exclusive, "exp_log_loss(gamma=1.5,wd=0,wc=1)", NULL,
                (exp_log_entropy_of(&exclusive, 0, 1.5) + exp_log_entropy_of(&exclusive, 1, 1.5)) / 2.0);
    data_free(&exclusive);
    data_free(&masks);
}

/* ---------------------------------------------------------------- compounds */

/* A named sum, and the same written out. */
static const struct {
    const char *named, *written;
} compounds[] = {
    {"dice_ce_loss", "sum(dice_loss,cross_entropy)"},
    {"dice_ce_loss(lambda_dice=.3,lambda_ce=2,over=pooled,normalize_weights=false)",
     "sum(.3*dice_loss(over=pooled,normalize_weights=false),2*cross_entropy(over=pooled,normalize_weights=false))"},
    {"dice_bce_loss(classes=[2,1],absent=0)",
     "sum(.5*binary_cross_entropy(classes=[2,1],absent=0),.5*dice_loss(classes=[2,1],absent=0))"},
    {"dice_focal_loss(gamma=1.5,alpha=[.1,.2,.3],stat=max)",
     "sum(dice_loss(stat=max),focal_loss(gamma=1.5,alpha=[.1,.2,.3],stat=max))"},
    {"dice_focal_loss(alpha=.25,lambda_focal=0.1)", "sum(dice_loss,.1*focal_loss(alpha=.25))"},
    {"generalized_dice_focal_loss(lambda_gdl=2)", "sum(2*generalized_dice_loss,focal_loss)"},
    {"unified_focal_loss", "sum(.5*asymmetric_focal_loss(gamma=.5),.5*asymmetric_focal_tversky_loss(gamma=.5))"},
    {"unified_focal_loss(weight=.25,gamma=.3,delta=.6)",
     "sum(.25*asymmetric_focal_loss(gamma=.3,delta=.6),.75*asymmetric_focal_tversky_loss(gamma=.3,delta=.6))"},
    {"combo_loss(alpha=.25,beta=.75)", "sum(.25*balanced_binary_cross_entropy(beta=.75),.75*negative_dice_loss)"},
    {"log1p_dice_bce_loss(lambda=2)", "sum(2*binary_cross_entropy,log1p_dice_loss)"},
    {"dice_topk_loss(k=25)", "sum(dice_loss,topk_cross_entropy(k=25))"},
    {"unet3p_loss", "sum(focal_loss,ssim_loss,jaccard_loss)"}, /* 40 voxels are too few for five scales */
    {"basnet_loss(classes=foreground)",
     "sum(binary_cross_entropy(classes=foreground),ssim_loss(classes=foreground),jaccard_loss(classes=foreground))"},
    {"sum(2*dice_ce_loss,iou)", "sum(2*sum(dice_loss,cross_entropy),iou)"},
};

static int same_values(const mm_value *a, const mm_value *b, size_t count)
{
    for (size_t i = 0; i < count && a != NULL && b != NULL; i++)
        if (a[i].reason != b[i].reason || a[i].value != b[i].value)
            return 0;
    return (a == NULL) == (b == NULL);
}

static void test_compounds(void)
{
    static const double weights[] = {0.5, 2.0, 3.0};
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 40);

    for (size_t i = 0; i < MM_COUNT(compounds); i++) {
        scored named = score(&d, compounds[i].named, weights), written = score(&d, compounds[i].written, weights);

        CU_ASSERT_FATAL(named.first != NULL && written.first != NULL);
        const mm_result *a = named.first, *b = written.first;
        if (!same_values(&a->value, &b->value, 1) || !same_values(a->per_class, b->per_class, 3) ||
            a->columns != b->columns || !same_values(a->per_image, b->per_image, 2 * a->columns) ||
            memcmp(a->omitted, b->omitted, sizeof a->omitted) != 0) {
            printf("\n    %s: %.17g instead of %.17g\n", compounds[i].named, a->value.value, b->value.value);
            CU_FAIL("compound");
        }
        CU_ASSERT_EQUAL(a->value.reason, MM_DEFINED);
        CU_ASSERT_EQUAL(mm_plan_better(named.plan, 0), i + 1 < MM_COUNT(compounds) ? MM_LOWER : MM_NEITHER);
        scored_free(&named);
        scored_free(&written);
    }
    data_free(&d);
}

/* Errors and notes speak of the sum by its name, or of the term that does not fit. */
static void test_compounds_refused(void)
{
    static const struct {
        const char *text, *words;
        mm_status status;
    } cases[] = {
        {"dice_ce_loss", "dice_ce_loss needs probabilities", MM_UNSUITABLE},
        {"sum(iou,dice_ce_loss)", "dice_ce_loss needs probabilities", MM_UNSUITABLE},
        {"dice_focal_loss(alpha=[1,2])", "parameter \"alpha\" of dice_focal_loss has 2 numbers", MM_BAD_PARAM},
        {"dice_ce_loss(classes=[7])", "names class 7", MM_BAD_PARAM},
        {"dice_ce_loss(average=micro)", "no parameter \"average\"", MM_BAD_PARAM},
        {"combo_loss(alpha=2)", "parameter \"alpha\" of combo_loss must be a number from 0 to 1", MM_BAD_PARAM},
        {"dice_ce_loss(over=pooled,stat=max)", "dice_ce_loss: stat", MM_BAD_PARAM},
    };
    data d = data_random(MM_MULTICLASS, 1, 3, 10, 41);
    mm_problem problem;

    d.pred_kind = MM_MASKS;
    for (size_t i = 0; i < MM_COUNT(cases); i++) {
        CU_ASSERT_EQUAL(refusal_of(&d, cases[i].text, &problem), cases[i].status);
        if (strstr(problem.text, cases[i].words) == NULL) {
            printf("\n    %s: %s\n", cases[i].text, problem.text);
            CU_FAIL("words");
        }
    }
    data_free(&d);
}

/* The terms of named sums count as expressions: 256 are too many, and a sum that deep is fine. */
static void test_compounds_limits(void)
{
    data d = data_random(MM_MULTICLASS, 1, 3, 10, 42);
    mm_problem problem;
    char text[4096] = "";

    for (int i = 0; i < 86; i++) {
        char one[64];

        snprintf(one, sizeof one, "%sa%d:dice_ce_loss(lambda_ce=%d)", i > 0 ? "," : "", i, i);
        strcat(text, one);
        if (i == 84)
            CU_ASSERT_EQUAL(refusal_of(&d, text, &problem), MM_OK);
    }
    CU_ASSERT_EQUAL(refusal_of(&d, text, &problem), MM_BAD_EXPRESSION);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "more than 256 expressions"));
    check_value(&d, "sum(sum(sum(sum(sum(sum(sum(sum(dice_ce_loss))))))))", NULL, value_of(&d, "dice_ce_loss", NULL));
    data_free(&d);
}

/* Every row's parts are known scores, take the common parameters and what stands for their own. */
static void test_parts_are_whole(void)
{
    for (size_t i = 0; mm_row_at(i) != NULL; i++) {
        const mm_score *row = mm_row_at(i);

        if (row->parts == NULL)
            continue;
        for (size_t k = 0; k < row->info.param_count; k++) {
            char place[72], rest[72];

            snprintf(place, sizeof place, "{%s}", row->info.params[k].name);
            snprintf(rest, sizeof rest, "{1-%s}", row->info.params[k].name);
            CU_ASSERT(strstr(row->parts, place) != NULL || strstr(row->parts, rest) != NULL);
        }
        CU_ASSERT_PTR_NOT_NULL(strstr(row->parts, "{common}"));
        CU_ASSERT(row->stats == NULL && row->check == NULL);
    }
}

static CU_TestInfo tests[] = {
    {"cross-entropy against voxels", test_cross_entropy},
    {"soft labels", test_soft_labels},
    {"binary cross-entropy against voxels", test_binary_cross_entropy},
    {"its weighted forms against voxels", test_weighted_forms},
    {"focal loss against voxels", test_focal_loss},
    {"one class against the rest, against voxels", test_apart},
    {"asymmetric focal loss against voxels", test_asymmetric},
    {"exponential-logarithmic loss against voxels", test_exp_log},
    {"named sums", test_compounds},
    {"named sums refused", test_compounds_refused},
    {"named sums and limits", test_compounds_limits},
    {"parts of named sums", test_parts_are_whole},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_score_entropy = {"score_entropy", tests};
