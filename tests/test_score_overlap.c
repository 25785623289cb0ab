/*
 * test_score_overlap.c - overlap losses, of each class and of all together, against their formulas over voxels.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/score_tools.h"

/* Soft overlap of one (image, class), voxel by voxel. */
typedef struct soft {
    double i, p, g, pp, gg, ad;
    double in, out; /* squared errors inside and outside the label */
    double v;       /* voxels */
} soft;

static soft soft_of(const data *d, size_t n, size_t c)
{
    soft s = {0};

    for (size_t v = 0; v < d->voxels; v++) {
        const double p = p_at(d, n, c, v), g = g_at(d, n, c, v);

        s.i += p * g;
        s.p += p;
        s.g += g;
        s.pp += p * p;
        s.gg += g * g;
        s.ad += fabs(p - g);
        s.in += (g - p) * (g - p) * g;
        s.out += (g - p) * (g - p) * (1.0 - g);
        s.v += 1.0;
    }
    return s;
}

static soft soft_plus(soft a, soft b)
{
    return (soft){a.i + b.i,   a.p + b.p,   a.g + b.g,     a.pp + b.pp, a.gg + b.gg,
                  a.ad + b.ad, a.in + b.in, a.out + b.out, a.v + b.v};
}

typedef double (*soft_formula)(soft s);

static double dice_of(soft s)
{
    return 1.0 - 2.0 * s.i / (s.p + s.g);
}
static double dice_smooth(soft s)
{
    return 1.0 - (2.0 * s.i + 0.3) / (s.p + s.g + 0.3);
}
static double dice_apart(soft s)
{
    return 1.0 - (2.0 * s.i + 0.2) / (s.p + s.g + 0.7);
}
static double dice_square(soft s)
{
    return 1.0 - 2.0 * s.i / (s.pp + s.gg);
}
static double dice_l1(soft s)
{
    return 1.0 - (s.p + s.g - s.ad) / (s.p + s.g);
}
static double jaccard_of(soft s)
{
    return 1.0 - s.i / (s.p + s.g - s.i);
}
static double jaccard_square(soft s)
{
    return 1.0 - (s.i + 1.0) / (s.pp + s.gg - s.i + 1.0);
}
static double tversky_of(soft s)
{
    return 1.0 - s.i / (s.i + 0.3 * (s.p - s.i) + 0.7 * (s.g - s.i));
}
static double tversky_other(soft s)
{
    return 1.0 - (s.i + 0.5) / (s.i + 0.9 * (s.p - s.i) + 0.2 * (s.g - s.i) + 0.5);
}
static double focal_tversky_of(soft s)
{
    return pow(tversky_of(s), 0.75);
}
static double focal_tversky_other(soft s)
{
    return pow(tversky_of(s), 1.5);
}

static double log_dice(soft s)
{
    return -log(2.0 * s.i / (s.p + s.g));
}
static double log_dice_power(soft s)
{
    return pow(-log(fmax((s.p + s.g - s.ad) / (s.p + s.g), 0.55)), 0.5);
}
static double log_jaccard(soft s)
{
    return -log((s.i + 0.5) / (s.p + s.g - s.i + 0.5));
}
static double log_cosh_dice(soft s)
{
    return log(cosh(dice_smooth(s)));
}
static double log1p_dice(soft s)
{
    return log1p(dice_of(s));
}
static double negative_dice(soft s)
{
    return dice_apart(s) - 1.0;
}
static double similarity(soft s)
{
    const double square = 1.5 * 1.5;

    return 1.0 - s.i / (s.i + ((s.p - s.i) + square * (s.g - s.i)) / (1.0 + square));
}
static double similarity_other(soft s)
{
    const double square = 0.7 * 0.7;

    return 1.0 - (s.i + 2.0) / (s.i + ((s.p - s.i) + square * (s.g - s.i)) / (1.0 + square) + 2.0);
}
static double sides(soft s)
{
    return 0.1 * s.in / s.g + 0.9 * s.out / (s.v - s.g);
}
static double sides_other(soft s)
{
    return 0.6 * s.in / (s.g + 0.2) + 0.4 * s.out / (s.v - s.g + 0.2);
}
static double correlation(soft s, double smooth)
{
    const double tp = s.i + smooth, fp = s.p - s.i + smooth, fn = s.g - s.i + smooth;
    const double tn = s.v - s.p - s.g + s.i + smooth;

    return 1.0 - (tp * tn - fp * fn) / (sqrt(tp + fp) * sqrt(tp + fn) * sqrt(tn + fp) * sqrt(tn + fn));
}
static double mcc(soft s)
{
    return correlation(s, 0.0);
}
static double mcc_smooth(soft s)
{
    return correlation(s, 0.5);
}

/* Arguments, or "". */
static const struct {
    const char *name, *arguments;
    soft_formula formula;
} overlaps[] = {
    {"dice_loss", "", dice_of},
    {"dice_loss", "smooth=0.3", dice_smooth},
    {"dice_loss", "smooth=9,smooth_nr=.2,smooth_dr=.7", dice_apart},
    {"dice_loss", "overlap=square", dice_square},
    {"dice_loss", "overlap=l1", dice_l1},
    {"squared_dice_loss", "", dice_square},
    {"soft_dice_loss", "", dice_l1},
    {"jaccard_loss", "", jaccard_of},
    {"jaccard_loss", "overlap=square,smooth=1", jaccard_square},
    {"squared_jaccard_loss", "smooth=1", jaccard_square},
    {"log_dice_loss", "", log_dice},
    {"log_dice_loss", "eps=0.55,gamma=0.5,overlap=l1", log_dice_power},
    {"log_jaccard_loss", "smooth=0.5", log_jaccard},
    {"log_cosh_dice_loss", "smooth=0.3", log_cosh_dice},
    {"log1p_dice_loss", "", log1p_dice},
    {"negative_dice_loss", "smooth_nr=.2,smooth_dr=.7", negative_dice},
    {"tversky_loss", "", tversky_of},
    {"tversky_loss", "alpha=0.9,beta=0.2,smooth=0.5", tversky_other},
    {"tversky_loss", "overlap=l1,alpha=.5,beta=.5", dice_l1},
    {"focal_tversky_loss", "", focal_tversky_of},
    {"focal_tversky_loss", "gamma=1.5", focal_tversky_other},
    {"asymmetric_similarity_loss", "", similarity},
    {"asymmetric_similarity_loss", "b=0.7,smooth=2", similarity_other},
    {"sensitivity_specificity_loss", "", sides},
    {"sensitivity_specificity_loss", "r=0.6,smooth=0.2", sides_other},
    {"mcc_loss", "", mcc},
    {"mcc_loss", "smooth=0.5", mcc_smooth},
};

/* Mean over classes (with weights) of the means over images; of the pooled sums; of the classes added first. */
static void check_overlap(const data *d, const char *name, const char *arguments, soft_formula formula)
{
    static const double weights[] = {0.5, 2.0, 3.5, 1.0};
    double plain = 0.0, weighted = 0.0, weight = 0.0, pooled = 0.0, micro = 0.0, support = 0.0, voxels = 0.0;
    soft everything = {0};
    char text[160];

    for (size_t c = 0; c < d->classes; c++) {
        soft all = {0};
        double mean = 0.0;

        for (size_t n = 0; n < d->images; n++) {
            mean += formula(soft_of(d, n, c)) / (double)d->images;
            all = soft_plus(all, soft_of(d, n, c));
        }
        plain += mean / (double)d->classes;
        weighted += weights[c] * mean;
        weight += weights[c];
        pooled += formula(all) / (double)d->classes;
        support += all.g * mean;
        voxels += all.g;
        everything = soft_plus(everything, all);
    }
    for (size_t n = 0; n < d->images; n++) {
        soft image = {0};

        for (size_t c = 0; c < d->classes; c++)
            image = soft_plus(image, soft_of(d, n, c));
        micro += formula(image) / (double)d->images;
    }
    check_value(d, expression_of(text, sizeof text, name, arguments, ""), NULL, plain);
    check_value(d, text, weights, weighted / weight);
    check_value(d, expression_of(text, sizeof text, name, arguments, "normalize_weights=false"), weights,
                weighted / (double)d->classes);
    check_value(d, expression_of(text, sizeof text, name, arguments, "average=weighted"), weights, weighted / weight);
    check_value(d, expression_of(text, sizeof text, name, arguments, "over=pooled"), NULL, pooled);
    check_value(d, expression_of(text, sizeof text, name, arguments, "average=micro"), weights, micro);
    check_value(d, expression_of(text, sizeof text, name, arguments, "average=support"), weights, support / voxels);
    check_value(d, expression_of(text, sizeof text, name, arguments, "average=micro,over=pooled"), NULL,
                formula(everything));
}

static void test_overlap(void)
{
    data exclusive = data_random(MM_MULTICLASS, 3, 4, 50, 1), masks = data_random(MM_MULTILABEL, 2, 2, 37, 2);

    for (size_t i = 0; i < MM_COUNT(overlaps); i++) {
        check_overlap(&exclusive, overlaps[i].name, overlaps[i].arguments, overlaps[i].formula);
        check_overlap(&masks, overlaps[i].name, overlaps[i].arguments, overlaps[i].formula);
    }
    data_free(&exclusive);
    data_free(&masks);
}

/* 1/G^2, 1/G or 1 of each class; a class without label takes the greatest of the others. */
static double generalized_dice_of(const data *d, size_t n, int kind, double smooth)
{
    double w[3], greatest = 0.0, above = smooth, below = smooth;

    for (size_t c = 0; c < 3; c++) {
        const double g = soft_of(d, n, c).g;

        w[c] = kind == 2 ? 1.0 : g == 0.0 ? 0.0 : kind == 1 ? 1.0 / g : 1.0 / g / g;
        greatest = fmax(greatest, w[c]);
    }
    for (size_t c = 0; c < 3; c++) {
        const soft s = soft_of(d, n, c);
        const double weight = w[c] > 0.0 ? w[c] : greatest;

        above += 2.0 * weight * s.i;
        below += weight * (s.p + s.g);
    }
    return 1.0 - above / below;
}

/* Class 2 has no label in image 0: it takes the greatest weight of the others, there and only there. */
static void test_generalized_dice(void)
{
    static const char *const names[] = {"square", "simple", "uniform"};
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 3);
    char text[96];

    for (size_t v = 0; v < d.voxels; v++)
        if (d.g[2 * d.voxels + v] == 1.0) {
            d.g[2 * d.voxels + v] = 0.0;
            d.g[v] = 1.0;
        }
    for (int kind = 0; kind < 3; kind++) {
        double mean = 0.0, pressed = 0.0;

        for (size_t n = 0; n < d.images; n++) {
            const double loss = generalized_dice_of(&d, n, kind, 0.1), plain = generalized_dice_of(&d, n, kind, 0.0);

            mean += loss / 2.0;
            pressed += plain / (1.0 + 1.5 * (1.0 - plain)) / 2.0;
        }
        snprintf(text, sizeof text, "generalized_dice_loss(weight=%s,smooth=0.1)", names[kind]);
        check_value(&d, text, NULL, mean);
        snprintf(text, sizeof text, "penalty_generalized_dice_loss(weight=%s,k=1.5)", names[kind]);
        check_value(&d, text, NULL, pressed);
    }
    data_free(&d);
}

/* class 0: 1 - T; others: (1 - T)^(1-gamma) */
static double asymmetric_of(soft s, size_t c, double delta, double gamma, double smooth)
{
    const double t = (s.i + smooth) / (s.i + delta * (s.g - s.i) + (1.0 - delta) * (s.p - s.i) + smooth);

    return c == 0 ? 1.0 - t : pow(1.0 - t, 1.0 - gamma);
}

static void test_asymmetric_focal_tversky(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 30);
    double plain = 0.0, other = 0.0, pooled = 0.0;

    for (size_t c = 0; c < 3; c++) {
        for (size_t n = 0; n < 2; n++) {
            plain += asymmetric_of(soft_of(&d, n, c), c, 0.7, 0.75, 0.0) / 6.0;
            other += asymmetric_of(soft_of(&d, n, c), c, 0.4, 0.2, 0.5) / 6.0;
        }
        pooled += asymmetric_of(soft_plus(soft_of(&d, 0, c), soft_of(&d, 1, c)), c, 0.7, 0.75, 0.0) / 3.0;
    }
    check_value(&d, "asymmetric_focal_tversky_loss", NULL, plain);
    check_value(&d, "asymmetric_focal_tversky_loss(delta=.4,gamma=.2,smooth=.5)", NULL, other);
    check_value(&d, "asymmetric_focal_tversky_loss(over=pooled)", NULL, pooled);
    data_free(&d);
}

/* Cost sums of one image, or of both, voxel by voxel. */
static double wasserstein_of(const data *d, size_t from, size_t to, const double *matrix, int gdl, double smooth)
{
    double greatest = 0.0, labels[3] = {0}, right = 0.0, wrong = 0.0;

    for (size_t i = 0; i < 9; i++)
        greatest = fmax(greatest, matrix[i]);
    for (size_t n = from; n < to; n++)
        for (size_t c = 0; c < 3; c++)
            labels[c] += soft_of(d, n, c).g;
    for (size_t n = from; n < to; n++)
        for (size_t v = 0; v < d->voxels; v++) {
            double w = 0.0;
            size_t y = 0;

            while (g_at(d, n, y, v) == 0.0)
                y++;
            for (size_t c = 0; c < 3; c++)
                w += matrix[y * 3 + c] / greatest * p_at(d, n, c, v);
            const double alpha = gdl ? 1.0 / (labels[y] + 1.0) : y == 0 ? 0.0 : 1.0;

            right += alpha * (1.0 - w);
            wrong += gdl ? alpha * (2.0 - w) : w;
        }
    return 1.0 - (2.0 * right + smooth) / ((gdl ? 0.0 : 2.0 * right) + wrong + smooth);
}

static void test_wasserstein(void)
{
    static const double equal[] = {0, 1, 1, 1, 0, 1, 1, 1, 0}, uneven[] = {0, 1, 2, 1, 0, .5, 2, .25, 0};
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 31);

    check_value(&d, "generalized_wasserstein_dice_loss", NULL,
                (wasserstein_of(&d, 0, 1, equal, 0, 0.0) + wasserstein_of(&d, 1, 2, equal, 0, 0.0)) / 2.0);
    check_value(&d, "generalized_wasserstein_dice_loss(matrix=[[0,1,2],[1,0,.5],[2,.25,0]],smooth=.5)", NULL,
                (wasserstein_of(&d, 0, 1, uneven, 0, 0.5) + wasserstein_of(&d, 1, 2, uneven, 0, 0.5)) / 2.0);
    check_value(&d, "generalized_wasserstein_dice_loss(matrix=[[0,1,2],[1,0,.5],[2,.25,0]],mode=gdl)", NULL,
                (wasserstein_of(&d, 0, 1, uneven, 1, 0.0) + wasserstein_of(&d, 1, 2, uneven, 1, 0.0)) / 2.0);
    check_value(&d, "generalized_wasserstein_dice_loss(mode=gdl,over=pooled)", NULL,
                wasserstein_of(&d, 0, 2, equal, 1, 0.0));
    data_free(&d);
}

/* What a matrix must be, and when the score can be had at all. */
static void test_wasserstein_refused(void)
{
    static const struct {
        const char *arguments, *words;
    } cases[] = {
        {"matrix=[[0,1],[1,0]]", "has 2 rows; there are 3 classes"},
        {"matrix=[[0,1,1],[1,0,1]]", "a square list of lists of numbers from 0 to 1e+06, or equal"},
        {"matrix=[[0,1,1],[1,0],[1,1,0]]", "a square list"},
        {"matrix=[0,1,1]", "a square list"},
        {"matrix=[[0,1,1],[1,0,1],[1,-1,0]]", "a square list"},
        {"matrix=[[0,1,1],[1,0,1],[1,1,0]", "a square list"},
        {"matrix=2", "a square list"},
        {"matrix=[[0,0,0],[0,0,0],[0,0,0]]", "above 0"},
        {"classes=[1,2]", "leave classes out"},
    };
    data d = data_random(MM_MULTICLASS, 1, 3, 10, 32), masks = data_random(MM_MULTILABEL, 1, 3, 10, 32);
    mm_problem problem;
    char text[128];

    for (size_t i = 0; i < MM_COUNT(cases); i++) {
        expression_of(text, sizeof text, "generalized_wasserstein_dice_loss", cases[i].arguments, "");
        CU_ASSERT_EQUAL(refusal_of(&d, text, &problem), MM_BAD_PARAM);
        if (strstr(problem.text, cases[i].words) == NULL) {
            printf("\n    %s: %s\n", text, problem.text);
            CU_FAIL("words");
        }
    }
    CU_ASSERT_EQUAL(refusal_of(&masks, "generalized_wasserstein_dice_loss", &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "needs exclusive classes"));
    data_free(&d);
    data_free(&masks);
}

/* Class 1 of 3 is in neither, class 2 only in the prediction. */
static void test_undefined(void)
{
    static const double values[] = {
        0.9, 0.8, 0.1, 0.9, 0.0, 0.0, 0.0, 0.0, 0.1, 0.2, 0.9, 0.1, /* p */
        1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, /* g */
    };
    data d = data_given(MM_MULTICLASS, 1, 3, 4, values);

    for (size_t i = 0; i < MM_COUNT(overlaps); i++) {
        char text[128];

        expression_of(text, sizeof text, overlaps[i].name, overlaps[i].arguments, "");
        check_class(&d, text, 1, MM_ABSENT_IN_BOTH, 0.0);
        expression_of(text, sizeof text, overlaps[i].name, overlaps[i].arguments, "absent=1");
        check_class(&d, text, 1, MM_DEFINED, 1.0);
    }
    check_class(&d, "log_dice_loss", 2, MM_DEFINED, -log(1e-7));
    check_class(&d, "sensitivity_specificity_loss", 2, MM_ABSENT_IN_LABEL, 0.0);
    check_class(&d, "sensitivity_specificity_loss", 0, MM_ZERO_DENOMINATOR, 0.0);
    check_class(&d, "sensitivity_specificity_loss(smooth=1)", 2, MM_DEFINED, 0.9 * 0.87 / 5.0);
    check_class(&d, "mcc_loss", 0, MM_ZERO_DENOMINATOR, 0.0);
    check_class(&d, "mcc_loss", 2, MM_ZERO_DENOMINATOR, 0.0);
    CU_ASSERT_EQUAL(reason_of(&d, "penalty_generalized_dice_loss(classes=[1])"), MM_ABSENT_IN_BOTH);
    data_free(&d);
}

/* log cosh keeps its digits where the loss is small. */
static void test_small_losses(void)
{
    static const double near[] = {1.0, 1.0, 1.0 - 1e-6, 0.0, /* p */ 1.0, 1.0, 1.0, 0.0 /* g */};
    data d = data_given(MM_MULTILABEL, 1, 1, 4, near);
    const double loss = value_of(&d, "dice_loss", NULL), value = value_of(&d, "log_cosh_dice_loss", NULL);

    CU_ASSERT(loss > 1e-7 && loss < 1e-6);
    CU_ASSERT(fabs(value / (loss * loss / 2.0) - 1.0) < 1e-12);
    data_free(&d);
}

static CU_TestInfo tests[] = {
    {"each class against voxels", test_overlap},
    {"generalized Dice against voxels", test_generalized_dice},
    {"asymmetric focal Tversky against voxels", test_asymmetric_focal_tversky},
    {"Wasserstein Dice against voxels", test_wasserstein},
    {"Wasserstein Dice refused", test_wasserstein_refused},
    {"what is not defined", test_undefined},
    {"small losses", test_small_losses},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_score_overlap = {"score_overlap", tests};
