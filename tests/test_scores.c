/*
 * test_scores.c - every row of the registry, the formulas against brute force over voxels, and the policies of means.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arguments.h"
#include "lib/scores.h"
#include "tests/score_tools.h"

/* ------------------------------------------------------------------- rows */

static int filled(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* Everything that a listing shows is there, and the default of every parameter is a value that it accepts. */
static void check_params(const mm_param *params, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mm_cursor cursor = {params[i].standard, 0};
        mm_arg arg = {0};
        char expected[128];

        CU_ASSERT(filled(params[i].name) && filled(params[i].meaning));
        CU_ASSERT(params[i].min <= params[i].max);
        CU_ASSERT(params[i].type != MM_WORD || filled(params[i].choices));
        for (size_t j = 0; j < i; j++)
            CU_ASSERT_STRING_NOT_EQUAL(params[i].name, params[j].name);
        if (params[i].standard == NULL)
            continue;
        CU_ASSERT_EQUAL(mm_read_value(&cursor, &params[i], &arg, expected, sizeof expected), MM_OK);
        CU_ASSERT_EQUAL(cursor.text[cursor.at], '\0');
        free(arg.list);
    }
}

static void test_rows_are_complete(void)
{
    const mm_score *row;
    size_t i;

    for (i = 0; (row = mm_row_at(i)) != NULL; i++) {
        const mm_score_info *info = &row->info;

        CU_ASSERT(filled(info->name) && filled(info->summary) && filled(info->formula) && filled(info->source) &&
                  filled(info->undefined));
        CU_ASSERT_EQUAL(info->summary[strlen(info->summary) - 1], '.');
        CU_ASSERT_EQUAL((row->per_class != NULL) + (row->joint != NULL) + (row->entropy != NULL) + (row->list != NULL) +
                            (row->parts != NULL) + (row->peer != NULL),
                        row->apart != NULL ? 2 : 1);
        CU_ASSERT_EQUAL(info->common == NULL, row->peer != NULL);
        CU_ASSERT_EQUAL(strchr(info->name, '.') != NULL, row->peer != NULL);
        CU_ASSERT(info->kind != MM_LOSS || info->better == MM_LOWER);
        CU_ASSERT(info->kind != MM_COUNT_KIND || info->better == MM_NEITHER);
        check_params(info->params, info->param_count);
        check_params(info->common, info->common_count);
        CU_ASSERT_PTR_EQUAL(mm_score_at(i), info);
        CU_ASSERT_PTR_EQUAL(mm_score_find(info->name), info);
    }
    CU_ASSERT(i >= 30);
    CU_ASSERT_PTR_NULL(mm_score_at(i));
    CU_ASSERT_PTR_NULL(mm_score_at((size_t)-1));
}

/* No name and no alias is used twice. */
static void test_names_are_unique(void)
{
    char names[4096] = ",";

    for (size_t i = 0; mm_score_at(i) != NULL; i++) {
        const mm_score_info *info = mm_score_at(i);
        char list[256], *rest = list;

        snprintf(list, sizeof list, "%s%s%s", info->name, info->aliases != NULL ? "," : "",
                 info->aliases != NULL ? info->aliases : "");
        while (rest != NULL) {
            char *end = strchr(rest, ','), wrapped[300];

            if (end != NULL)
                *end = '\0';
            snprintf(wrapped, sizeof wrapped, ",%s,", rest);
            CU_ASSERT_PTR_NULL(strstr(names, wrapped));
            CU_ASSERT_PTR_EQUAL(mm_score_find(rest), info);
            strncat(names, wrapped + 1, sizeof names - strlen(names) - 1);
            rest = end != NULL ? end + 1 : NULL;
        }
    }
}

static void test_find_and_nearest(void)
{
    CU_ASSERT_STRING_EQUAL(mm_score_find("f1")->name, "dice");
    CU_ASSERT_STRING_EQUAL(mm_score_find("threat_score")->name, "iou");
    CU_ASSERT_STRING_EQUAL(mm_score_find("sensitivity")->name, "recall");
    CU_ASSERT_PTR_NULL(mm_score_find("Dice"));
    CU_ASSERT_PTR_NULL(mm_score_find(""));
    CU_ASSERT_PTR_NULL(mm_score_find("jaccard,threat_score"));
    CU_ASSERT_PTR_NULL(mm_score_nearest("zzzzzzzz"));
    CU_ASSERT_PTR_NULL(mm_score_nearest(""));
    for (size_t i = 0; mm_score_at(i) != NULL; i++) {
        char typo[64];
        const char *name = mm_score_at(i)->name;

        CU_ASSERT_PTR_EQUAL(mm_score_nearest(name), name);
        snprintf(typo, sizeof typo, "%sx", name);
        if (strlen(name) > 3) /* "tpx" is as near to others */
            CU_ASSERT_PTR_EQUAL(mm_score_nearest(typo), name);
    }
}

static void test_edit_distance(void)
{
    static const struct {
        const char *a, *b;
        size_t limit, distance;
    } cases[] = {
        {"", "", 3, 0},
        {"a", "", 3, 1},
        {"kitten", "sitting", 9, 3},
        {"dice", "idce", 3, 1},
        {"DICE", "dice", 3, 0},
        {"ca", "abc", 9, 3},
        {"kitten", "sitting", 2, 3},
        {"abcdefgh", "x", 3, 4},
        {"precision", "recall", 20, 6},
    };
    char longest[80];

    for (size_t i = 0; i < MM_COUNT(cases); i++) {
        CU_ASSERT_EQUAL(mm_edit_distance(cases[i].a, cases[i].b, cases[i].limit), cases[i].distance);
        CU_ASSERT_EQUAL(mm_edit_distance(cases[i].b, cases[i].a, cases[i].limit), cases[i].distance);
    }
    memset(longest, 'a', sizeof longest);
    longest[79] = '\0';
    CU_ASSERT_EQUAL(mm_edit_distance(longest, longest, 5), 6); /* too long to compare */
    longest[64] = '\0';
    CU_ASSERT_EQUAL(mm_edit_distance(longest, longest, 5), 0);
}

/* p = 1 .5 .5 0, g = 1 1 0 0: values that a person can check in the head.  NAN: not defined there, or a list. */
static void test_witness(void)
{
    static const double mask[] = {1.0, 0.5, 0.5, 0.0, 1.0, 1.0, 0.0, 0.0};
    static const double pair[] = {1, .5, .5, 0, 0, .5, .5, 1, /* p */ 1, 1, 0, 0, 0, 0, 1, 1 /* g */};
    data one = data_given(MM_MULTILABEL, 1, 1, 4, mask), two = data_given(MM_MULTICLASS, 1, 2, 4, pair);

    for (size_t i = 0; mm_row_at(i) != NULL; i++) {
        const mm_score *row = mm_row_at(i);
        const char *text = row->example != NULL ? row->example : row->info.name;

        if (row->peer != NULL || row->list != NULL)
            continue;
        one.pred_kind = row->logits ? MM_LOGITS : MM_PROBS;
        const double value = value_of(row->exclusive ? &two : &one, text, NULL);
        if (isnan(row->witness) ? !isnan(value) : !close_to(value, row->witness)) {
            printf("\n    %s: %.17g\n", text, value);
            CU_FAIL("witness");
        }
    }
    data_free(&one);
    data_free(&two);
}

/* ------------------------------------------------------------- brute force */

/* Soft overlap of one (image, class), voxel by voxel. */
typedef struct soft {
    double i, p, g, pp, gg, ad;
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
    }
    return s;
}

static soft soft_plus(soft a, soft b)
{
    return (soft){a.i + b.i, a.p + b.p, a.g + b.g, a.pp + b.pp, a.gg + b.gg, a.ad + b.ad};
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
    {"jaccard_loss", "", jaccard_of},
    {"jaccard_loss", "overlap=square,smooth=1", jaccard_square},
    {"tversky_loss", "", tversky_of},
    {"tversky_loss", "alpha=0.9,beta=0.2,smooth=0.5", tversky_other},
    {"tversky_loss", "overlap=l1,alpha=.5,beta=.5", dice_l1},
    {"focal_tversky_loss", "", focal_tversky_of},
    {"focal_tversky_loss", "gamma=1.5", focal_tversky_other},
};

/* name(arguments,more), without what is empty. */
static const char *expression_of(char *text, size_t size, const char *name, const char *arguments, const char *more)
{
    snprintf(text, size, "%s(%s%s%s)", name, arguments, arguments[0] != '\0' && more[0] != '\0' ? "," : "", more);
    return text;
}

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
        double mean = 0.0;

        for (size_t n = 0; n < d.images; n++) {
            double w[3], greatest = 0.0, above = 0.0, below = 0.0;

            for (size_t c = 0; c < 3; c++) {
                const double g = soft_of(&d, n, c).g;

                w[c] = kind == 2 ? 1.0 : g == 0.0 ? 0.0 : kind == 1 ? 1.0 / g : 1.0 / g / g;
                greatest = fmax(greatest, w[c]);
            }
            for (size_t c = 0; c < 3; c++) {
                const soft s = soft_of(&d, n, c);
                const double weight = w[c] > 0.0 ? w[c] : greatest;

                above += 2.0 * weight * s.i;
                below += weight * (s.p + s.g);
            }
            mean += (1.0 - (above + 0.1) / (below + 0.1)) / 2.0;
        }
        snprintf(text, sizeof text, "generalized_dice_loss(weight=%s,smooth=0.1)", names[kind]);
        check_value(&d, text, NULL, mean);
    }
    data_free(&d);
}

/* ------------------------------------------------------------------ entropy */

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

/* ----------------------------------------------------------------- counts */

typedef struct counts {
    double tp, fp, fn, tn;
} counts;

static counts counts_of(const data *d, size_t n, size_t c)
{
    counts x = {0};

    for (size_t v = 0; v < d->voxels; v++) {
        const int p = hard_p(d, n, c, v), g = hard_g(d, n, c, v);

        x.tp += p && g;
        x.fp += p && !g;
        x.fn += !p && g;
        x.tn += !p && !g;
    }
    return x;
}

static double count_score(counts x, int which)
{
    switch (which) {
    case 0:
        return 2.0 * x.tp / (2.0 * x.tp + x.fp + x.fn);
    case 1:
        return x.tp / (x.tp + x.fp + x.fn);
    case 2:
        return x.tp / (x.tp + x.fp);
    case 3:
        return x.tp / (x.tp + x.fn);
    case 4:
        return x.tn / (x.tn + x.fp);
    case 5:
        return (x.tp + x.tn) / (x.tp + x.fp + x.fn + x.tn);
    case 6:
        return x.tp;
    case 7:
        return x.fp;
    case 8:
        return x.fn;
    default:
        return x.tn;
    }
}

/* Metrics have the plain mean over classes, whatever the weights; average=weighted takes them. */
static void test_count_scores(void)
{
    static const char *const names[] = {"dice",     "iou", "precision", "recall", "specificity",
                                        "accuracy", "tp",  "fp",        "fn",     "tn"};
    static const double weights[] = {1.0, 0.0, 3.0};
    data d = data_random(MM_MULTICLASS, 3, 3, 60, 8);
    char text[96];

    for (int which = 0; which < 10; which++) {
        double plain = 0.0, weighted = 0.0, pooled = 0.0, support = 0.0, micro = 0.0;

        for (size_t c = 0; c < 3; c++) {
            counts all = {0};
            double mean = 0.0;

            for (size_t n = 0; n < 3; n++) {
                const counts x = counts_of(&d, n, c);

                mean += count_score(x, which) / 3.0;
                all = (counts){all.tp + x.tp, all.fp + x.fp, all.fn + x.fn, all.tn + x.tn};
            }
            plain += mean / 3.0;
            weighted += weights[c] * mean / 4.0;
            pooled += count_score(all, which) / 3.0;
            support += (all.tp + all.fn) * mean / 180.0;
        }
        for (size_t n = 0; n < 3; n++) {
            counts all = {0};

            for (size_t c = 0; c < 3; c++) {
                const counts x = counts_of(&d, n, c);

                all = (counts){all.tp + x.tp, all.fp + x.fp, all.fn + x.fn, all.tn + x.tn};
            }
            micro += count_score(all, which) / 3.0;
        }
        check_value(&d, names[which], weights, plain);
        check_value(&d, expression_of(text, sizeof text, names[which], "", "average=weighted"), weights, weighted);
        check_value(&d, expression_of(text, sizeof text, names[which], "", "over=pooled"), weights, pooled);
        check_value(&d, expression_of(text, sizeof text, names[which], "", "average=support"), weights, support);
        check_value(&d, expression_of(text, sizeof text, names[which], "", "average=micro"), weights, micro);
    }
    data_free(&d);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Linear percentiles, as numpy's: at q (n - 1) of the sorted values. */
static void test_stat(void)
{
    data d = data_random(MM_MULTICLASS, 5, 2, 30, 9);
    double x[5];

    for (size_t n = 0; n < 5; n++)
        x[n] = count_score(counts_of(&d, n, 1), 0);
    qsort(x, 5, sizeof x[0], by_value);
    check_value(&d, "dice(classes=[1],stat=min)", NULL, x[0]);
    check_value(&d, "dice(classes=[1],stat=max)", NULL, x[4]);
    check_value(&d, "dice(classes=[1],stat=p50)", NULL, x[2]);
    check_value(&d, "dice(classes=[1],stat=p25)", NULL, x[1]);
    check_value(&d, "dice(classes=[1],stat=p75)", NULL, x[3]);
    check_value(&d, "dice(classes=[1],stat=p5)", NULL, x[0] + 0.2 * (x[1] - x[0]));
    check_value(&d, "dice(classes=[1],stat=p95)", NULL, x[3] + 0.8 * (x[4] - x[3]));
    CU_ASSERT(value_of(&d, "cross_entropy(stat=max)", NULL) > value_of(&d, "cross_entropy(stat=p50)", NULL));
    CU_ASSERT(value_of(&d, "generalized_dice_loss(stat=max)", NULL) > value_of(&d, "generalized_dice_loss", NULL));
    data_free(&d);
}

/* -------------------------------------------------------------- properties */

/* Values at p = g that are neither the least of a loss nor the greatest of a metric. */
static double perfect_value(const mm_score_info *info)
{
    static const struct {
        const char *name;
        double value;
    } others[] = {
        {"negative_dice_loss", -1.0},           {"combo_loss", -0.5},     {"positive_likelihood_ratio", (double)NAN},
        {"correlation_ssim_loss", (double)NAN}, {"ms_ssim", (double)NAN}, {"ms_ssim_loss", (double)NAN}};

    for (size_t i = 0; i < MM_COUNT(others); i++)
        if (strcmp(info->name, others[i].name) == 0)
            return others[i].value;
    return info->better == MM_HIGHER ? 1.0 : 0.0;
}

/* p = g: losses of overlap 0, metrics 1, entropy almost 0. */
static void test_perfect(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 10);

    memcpy(d.p, d.g, d.images * d.classes * d.voxels * sizeof *d.p);
    for (size_t i = 0; mm_row_at(i) != NULL; i++) {
        const mm_score *row = mm_row_at(i);

        if (row->peer != NULL || row->info.kind == MM_COUNT_KIND || row->logits)
            continue;
        const double value = value_of(&d, row->info.name, NULL), best = perfect_value(&row->info);
        if (isnan(best) ? !isnan(value) : !(fabs(value - best) < 1e-6)) {
            printf("\n    %s: %.17g\n", row->info.name, value);
            CU_FAIL("perfect");
        }
    }
    data_free(&d);
}

/* Class 1 of 4 is in neither, 2 only in the prediction, 3 only in the label. */
static data absent_data(void)
{
    static const double values[] = {
        0.9, 0.8, 0.1, 0.9, 0.0, 0.0, 0.0, 0.0, 0.1, 0.2, 0.9, 0.1, 0.0, 0.0, 0.0, 0.0, /* p */
        1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, /* g */
    };

    return data_given(MM_MULTICLASS, 1, 4, 4, values);
}

static void test_absent(void)
{
    data d = absent_data();

    check_class(&d, "dice", 1, MM_ABSENT_IN_BOTH, 0);
    check_class(&d, "dice", 2, MM_DEFINED, 0.0);
    check_class(&d, "dice", 3, MM_DEFINED, 0.0);
    check_class(&d, "dice(absent=0)", 1, MM_DEFINED, 0.0);
    check_class(&d, "dice(absent=1)", 1, MM_DEFINED, 1.0);
    check_class(&d, "dice(absent=1,over=pooled)", 1, MM_DEFINED, 1.0);
    check_class(&d, "dice(over=pooled)", 1, MM_ABSENT_IN_BOTH, 0);
    check_class(&d, "dice_loss(smooth=1)", 1, MM_ABSENT_IN_BOTH, 0);
    check_class(&d, "dice_loss(absent=0)", 1, MM_DEFINED, 0.0);
    check_class(&d, "iou", 2, MM_DEFINED, 0.0);
    check_class(&d, "precision", 2, MM_DEFINED, 0.0);
    check_class(&d, "precision", 3, MM_ABSENT_IN_PREDICTION, 0);
    check_class(&d, "precision", 1, MM_ABSENT_IN_BOTH, 0);
    check_class(&d, "recall", 2, MM_ABSENT_IN_LABEL, 0);
    check_class(&d, "recall", 3, MM_DEFINED, 0.0);
    check_class(&d, "specificity", 1, MM_ABSENT_IN_BOTH, 0);
    check_class(&d, "accuracy", 1, MM_ABSENT_IN_BOTH, 0);
    check_class(&d, "tn", 1, MM_DEFINED, 4.0);
    check_class(&d, "tp", 1, MM_DEFINED, 0.0);
    check_class(&d, "cross_entropy", 1, MM_ABSENT_IN_LABEL, 0);
    check_class(&d, "cross_entropy", 2, MM_ABSENT_IN_LABEL, 0);
    check_class(&d, "cross_entropy(absent=0)", 1, MM_DEFINED, 0.0);
    check_class(&d, "cross_entropy(absent=0)", 2, MM_ABSENT_IN_LABEL, 0);
    check_class(&d, "cross_entropy", 3, MM_DEFINED, -log(1e-7));
    check_class(&d, "dice(classes=foreground)", 0, MM_NOT_CHOSEN, 0);
    check_value(&d, "dice", NULL, value_of(&d, "dice(classes=[0])", NULL) / 3.0);
    CU_ASSERT_EQUAL(reason_of(&d, "dice(classes=[1])"), MM_ABSENT_IN_BOTH);
    CU_ASSERT_EQUAL(reason_of(&d, "dice(classes=[1],average=micro)"), MM_ABSENT_IN_BOTH);
    CU_ASSERT_EQUAL(reason_of(&d, "recall(classes=[1,2])"), MM_ABSENT_IN_BOTH);
    CU_ASSERT_EQUAL(reason_of(&d, "cross_entropy(classes=[1,2])"), MM_ABSENT_IN_LABEL);
    CU_ASSERT_EQUAL(reason_of(&d, "generalized_dice_loss(classes=[1])"), MM_ABSENT_IN_BOTH);
    check_value(&d, "generalized_dice_loss(classes=[1],absent=1)", NULL, 1.0);
    data_free(&d);
}

/* A class that soft labels touch is in the label, though no voxel is mostly of it. */
static void test_soft_label_is_not_absent(void)
{
    static const double values[] = {0.8, 0.8, 0.2, 0.2, /* p */ 0.7, 0.7, 0.3, 0.3 /* g */};
    data d = data_given(MM_MULTICLASS, 1, 2, 2, values);

    check_class(&d, "dice_loss", 1, MM_DEFINED, 1.0 - 2.0 * 0.12 / 1.0);
    check_class(&d, "dice", 1, MM_ABSENT_IN_BOTH, 0);
    data_free(&d);
}

/* Other denominators of 0: everything predicted as class 0 without any probability. */
static void test_zero_denominators(void)
{
    static const double values[] = {0, 0, 0, 0, /* p */ 0, 0, 1, 1 /* g */};
    static const double zero[] = {1.0, 0.0};
    data d = data_given(MM_MULTICLASS, 1, 2, 2, values);

    check_class(&d, "dice_loss", 0, MM_ZERO_DENOMINATOR, 0);
    check_class(&d, "dice_loss(smooth_nr=1)", 0, MM_ZERO_DENOMINATOR, 0);
    check_class(&d, "dice_loss(smooth=1)", 0, MM_DEFINED, 0.0);
    check_class(&d, "specificity", 1, MM_ZERO_DENOMINATOR, 0);
    scored s = score(&d, "cross_entropy,dice_loss(classes=[1]),dice(average=weighted,classes=[1])", zero);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    for (size_t i = 0; i < 3; i++) /* the only class with a value has weight 0 */
        CU_ASSERT_EQUAL(mm_results_at(s.results, i)->value.reason, MM_ZERO_DENOMINATOR);
    scored_free(&s);
    CU_ASSERT_EQUAL(reason_of(&d, "generalized_dice_loss(classes=[0])"), MM_ZERO_DENOMINATOR);
    data_free(&d);
}

/* What the means left out is counted by reason; entries that were not chosen are no omission. */
static void test_omitted(void)
{
    data d = absent_data();
    scored s =
        score(&d, "precision,precision(over=pooled),precision(classes=[0,3]),recall,generalized_dice_loss", NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    for (size_t i = 0; i < 2; i++) {
        const mm_result *r = mm_results_at(s.results, i);

        CU_ASSERT_EQUAL(r->omitted[MM_ABSENT_IN_BOTH], 1);
        CU_ASSERT_EQUAL(r->omitted[MM_ABSENT_IN_PREDICTION], 1);
        CU_ASSERT_EQUAL(r->per_image == NULL, i == 1);
    }
    CU_ASSERT_EQUAL(mm_results_at(s.results, 2)->omitted[MM_ABSENT_IN_PREDICTION], 1);
    CU_ASSERT_EQUAL(mm_results_at(s.results, 2)->omitted[MM_NOT_CHOSEN], 0);
    CU_ASSERT_EQUAL(mm_results_at(s.results, 3)->omitted[MM_ABSENT_IN_LABEL], 1);
    CU_ASSERT_EQUAL(s.first->columns, 4);
    CU_ASSERT_PTR_NULL(mm_results_at(s.results, 4)->per_class); /* joint: one column, no classes */
    CU_ASSERT_EQUAL(mm_results_at(s.results, 4)->columns, 1);
    CU_ASSERT_PTR_NOT_NULL(mm_results_at(s.results, 4)->per_image);
    scored_free(&s);
    data_free(&d);
}

#define EVERYTHING                                                                                                     \
    "dice,iou(over=pooled),precision(average=micro),recall(average=support,over=pooled),accuracy,specificity,tp,"      \
    "dice_loss,jaccard_loss(over=pooled,overlap=l1),tversky_loss(average=micro,over=pooled),focal_tversky_loss,"       \
    "generalized_dice_loss,generalized_dice_loss(over=pooled),cross_entropy,cross_entropy(over=pooled),"               \
    "cross_entropy(average=macro),binary_cross_entropy(over=pooled),focal_loss,dice(stat=p5),"                         \
    "sum(0.5*dice_loss,0.5*cross_entropy),seed.categorical_dice,seed.categorical_dicePcrossentroy(lamda=0.3),"         \
    "seed.binary_focal,seed.generalized_dice_loss_w"

/* No image: nothing is defined, by reason no_voxels.  An image without scored voxels is left out. */
static void test_no_voxels(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 11);
    mm_plan *plan = bound_plan(&d, EVERYTHING);
    mm_images *none, *two;
    mm_results *results = NULL, *alone = NULL;

    CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
    none = images_of(&d, plan, 0, 0);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, none, plan, NULL, NULL), MM_OK);
    for (size_t i = 0; i < mm_plan_count(plan); i++)
        CU_ASSERT_EQUAL(mm_results_at(results, i)->value.reason, MM_NO_VOXELS);
    CU_ASSERT_EQUAL(mm_results_at(results, 0)->per_class[2].reason, MM_NO_VOXELS);
    mm_results_free(results);

    two = images_of(&d, plan, 0, 1);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&alone, two, plan, NULL, NULL), MM_OK);
    mm_stat stats[MM_MAX_STATS];
    mm_record *empty = mm_images_append(two, "0/9", stats, mm_plan_stats(plan, stats), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(empty);
    empty->voxels = 30;
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, two, plan, NULL, NULL), MM_OK);
    for (size_t i = 0; i < mm_plan_count(plan); i++)
        if (mm_results_at(results, i)->per_class != NULL && i != 6) /* tp: its mean counts the empty image */
            CU_ASSERT_EQUAL(memcmp(&mm_results_at(results, i)->value, &mm_results_at(alone, i)->value, sizeof(double)),
                            0);
    CU_ASSERT_EQUAL(mm_results_at(results, 0)->omitted[MM_NO_VOXELS], 3);
    mm_results_free(results);
    mm_results_free(alone);
    mm_images_free(none);
    mm_images_free(two);
    mm_plan_free(plan);
    data_free(&d);
}

static int same_bits(const mm_results *a, const mm_results *b, const mm_plan *plan, size_t classes)
{
    for (size_t i = 0; i < mm_plan_count(plan); i++) {
        const mm_result *x = mm_results_at(a, i), *y = mm_results_at(b, i);

        if (x->value.reason != y->value.reason || memcmp(&x->value.value, &y->value.value, sizeof(double)) != 0 ||
            memcmp(x->omitted, y->omitted, sizeof x->omitted) != 0)
            return 0;
        for (size_t c = 0; c < classes && x->per_class != NULL; c++)
            if (x->per_class[c].reason != y->per_class[c].reason ||
                memcmp(&x->per_class[c].value, &y->per_class[c].value, sizeof(double)) != 0)
                return 0;
    }
    return 1;
}

/* Images in another order, and merged from parts in several groupings: the same bits of every score. */
static void test_order_and_grouping(void)
{
    enum { IMAGES = 7, CLASSES = 3 };
    static const size_t cuts[][3] = {{0, 1, 7}, {0, 3, 7}, {0, 6, 7}};
    static const double weights[] = {0.1, 1.7, 2.3};
    data d = data_random(MM_MULTICLASS, IMAGES, CLASSES, 33, 12);
    scored whole = score(&d, EVERYTHING, weights);

    CU_ASSERT_PTR_NOT_NULL_FATAL(whole.first);
    for (size_t k = 0; k < MM_COUNT(cuts); k++) {
        /* the later part first: the order of the images changes, too */
        mm_images *into = images_of(&d, whole.plan, cuts[k][1], cuts[k][2]);
        mm_images *part = images_of(&d, whole.plan, cuts[k][0], cuts[k][1]);
        mm_results *results = NULL;

        CU_ASSERT_EQUAL_FATAL(mm_images_merge(into, part, NULL), MM_OK);
        CU_ASSERT_EQUAL_FATAL(mm_images_merge(into, part, NULL), MM_OK); /* sent again */
        CU_ASSERT_EQUAL(mm_images_count(into), IMAGES);
        CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, into, whole.plan, weights, NULL), MM_OK);
        CU_ASSERT(same_bits(whole.results, results, whole.plan, CLASSES));
        mm_results_free(results);
        mm_images_free(into);
        mm_images_free(part);
    }
    scored_free(&whole);
    data_free(&d);
}

/* Classes in another order: per class the same bits, the value too. */
static void test_class_permutation(void)
{
    static const char *const texts[] = {"dice",
                                        "dice_loss(over=pooled)",
                                        "tversky_loss",
                                        "cross_entropy(average=macro)",
                                        "generalized_dice_loss",
                                        "recall(average=support)",
                                        "iou(average=micro)"};
    data d = data_random(MM_MULTILABEL, 2, 3, 30, 13), turned = data_random(MM_MULTILABEL, 2, 3, 30, 13);

    for (size_t n = 0; n < 2; n++)
        for (size_t c = 0; c < 3; c++)
            for (size_t v = 0; v < 30; v++) {
                turned.p[(n * 3 + (c + 1) % 3) * 30 + v] = p_at(&d, n, c, v);
                turned.g[(n * 3 + (c + 1) % 3) * 30 + v] = g_at(&d, n, c, v);
            }
    for (size_t i = 0; i < MM_COUNT(texts); i++) {
        scored a = score(&d, texts[i], NULL), b = score(&turned, texts[i], NULL);

        CU_ASSERT_FATAL(a.first != NULL && b.first != NULL);
        CU_ASSERT(close_to(a.first->value.value, b.first->value.value));
        for (size_t c = 0; c < 3 && a.first->per_class != NULL; c++)
            CU_ASSERT_EQUAL(a.first->per_class[c].value, b.first->per_class[(c + 1) % 3].value);
        scored_free(&a);
        scored_free(&b);
    }
    data_free(&d);
    data_free(&turned);
}

/* Weights enter the value only, and their scale does not matter. */
static void test_weights(void)
{
    static const double weights[] = {1.0, 2.0, 4.0}, scaled[] = {8.0, 16.0, 32.0};
    static const char *const texts[] = {"dice_loss", "cross_entropy", "focal_loss", "tversky_loss(over=pooled)"};
    data d = data_random(MM_MULTICLASS, 3, 3, 30, 14);

    for (size_t i = 0; i < MM_COUNT(texts); i++) {
        scored plain = score(&d, texts[i], NULL), weighted = score(&d, texts[i], weights);

        CU_ASSERT_FATAL(plain.first != NULL && weighted.first != NULL);
        CU_ASSERT(plain.first->value.value != weighted.first->value.value);
        for (size_t c = 0; c < 3; c++)
            CU_ASSERT_EQUAL(plain.first->per_class[c].value, weighted.first->per_class[c].value);
        CU_ASSERT(close_to(value_of(&d, texts[i], scaled), weighted.first->value.value));
        scored_free(&plain);
        scored_free(&weighted);
    }
    data_free(&d);
}

static void test_bad_weights(void)
{
    static const double bad[][3] = {{1.0, -1.0, 1.0}, {1.0, (double)NAN, 1.0}, {1.0, (double)INFINITY, 1.0}};
    data d = data_random(MM_MULTICLASS, 1, 3, 10, 15), two = data_random(MM_MULTICLASS, 1, 2, 10, 15);
    scored s = score(&d, "dice_loss", NULL), other = score(&two, "dice_loss", NULL);
    mm_results *results = NULL;
    mm_problem problem;

    for (size_t i = 0; i < MM_COUNT(bad); i++) {
        CU_ASSERT_EQUAL(mm_images_score(&results, s.images, s.plan, bad[i], &problem), MM_BAD_PARAM);
        CU_ASSERT_STRING_EQUAL(problem.param, "weights");
        CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "class 1"));
        CU_ASSERT_EQUAL(mm_images_score(&results, s.images, s.plan, bad[i], NULL), MM_BAD_PARAM);
    }
    CU_ASSERT_EQUAL(mm_images_score(&results, other.images, s.plan, NULL, &problem), MM_CONFLICT);
    CU_ASSERT_PTR_NULL(results);
    scored_free(&s);
    scored_free(&other);
    data_free(&d);
    data_free(&two);
}

/* sum k_i value_i, per class and per image where every term has them; the reason of an undefined term is passed on. */
static void test_sum(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 16), holes = absent_data();
    scored s = score(&d,
                     "sum(0.5*dice_loss,2*cross_entropy,-1*sum(dice,iou)),dice_loss,cross_entropy,dice,iou,"
                     "sum(dice,generalized_dice_loss),generalized_dice_loss,sum(dice,iou(over=pooled)),"
                     "sum(seed.categorical_dice,dice)",
                     NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    const mm_result *r[9];
    for (size_t i = 0; i < 9; i++)
        r[i] = mm_results_at(s.results, i);
    CU_ASSERT(close_to(r[0]->value.value,
                       0.5 * r[1]->value.value + 2.0 * r[2]->value.value - r[3]->value.value - r[4]->value.value));
    for (size_t i = 0; i < 6; i++)
        CU_ASSERT(close_to(r[0]->per_image[i].value, 0.5 * r[1]->per_image[i].value + 2.0 * r[2]->per_image[i].value -
                                                         r[3]->per_image[i].value - r[4]->per_image[i].value));
    for (size_t c = 0; c < 3; c++)
        CU_ASSERT(close_to(r[0]->per_class[c].value, 0.5 * r[1]->per_class[c].value + 2.0 * r[2]->per_class[c].value -
                                                         r[3]->per_class[c].value - r[4]->per_class[c].value));
    CU_ASSERT_EQUAL(r[0]->columns, 3);
    CU_ASSERT(close_to(r[5]->value.value, r[3]->value.value + r[6]->value.value));
    CU_ASSERT_PTR_NULL(r[5]->per_class); /* a joint term has none */
    CU_ASSERT_PTR_NULL(r[5]->per_image);
    CU_ASSERT_PTR_NOT_NULL(r[7]->per_class);
    CU_ASSERT_PTR_NULL(r[7]->per_image); /* a pooled term has none */
    CU_ASSERT_PTR_NULL(r[8]->per_class);
    CU_ASSERT_EQUAL(r[8]->value.reason, MM_DEFINED);
    scored_free(&s);
    check_class(&holes, "sum(dice,recall)", 2, MM_ABSENT_IN_LABEL, 0);
    check_class(&holes, "sum(dice,recall)", 1, MM_ABSENT_IN_BOTH, 0);
    CU_ASSERT_EQUAL(reason_of(&holes, "sum(2*dice,recall(classes=[2]))"), MM_ABSENT_IN_LABEL);
    data_free(&d);
    data_free(&holes);
}

/* A score whose sums were not gathered says which; others are not touched. */
static void test_not_in_sums(void)
{
    static const char texts[] = "dice,dice_loss(overlap=l1),focal_loss(gamma=3),cross_entropy(label_smoothing=.1),"
                                "generalized_dice_loss,seed.binary_focal,sum(dice,dice_loss),focal_loss(classes=[1])";
    static const char *const notes[] = {NULL,
                                        "needs the sum of g, ",
                                        "needs the sum of g (1-q)^gamma (-log q) with gamma 3, eps 1e-07, ",
                                        "needs the sum of g (1-q)^gamma (-log q) with gamma 0, eps 1e-07, ",
                                        "needs the sum of g, ",
                                        "(-log q) with gamma 2, eps 1e-05, p clipped, ",
                                        "needs the sum of g, ",
                                        "gamma 2"};
    data d = data_random(MM_MULTICLASS, 2, 2, 20, 17);
    scored counts_only = score(&d, "dice", NULL);
    mm_plan *plan = bound_plan(&d, texts);
    mm_results *results = NULL;

    CU_ASSERT_FATAL(counts_only.first != NULL && plan != NULL);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, counts_only.images, plan, NULL, NULL), MM_OK);
    CU_ASSERT_EQUAL(mm_results_at(results, 0)->value.reason, MM_DEFINED);
    CU_ASSERT_PTR_NULL(mm_results_at(results, 0)->note);
    for (size_t i = 1; i < mm_plan_count(plan); i++) {
        const mm_result *r = mm_results_at(results, i);

        CU_ASSERT_EQUAL(r->value.reason, MM_NOT_IN_SUMS);
        CU_ASSERT_PTR_NOT_NULL_FATAL(r->note);
        if (strstr(r->note, notes[i]) == NULL) {
            printf("\n    %s\n", r->note);
            CU_FAIL("note");
        }
        CU_ASSERT_PTR_NULL(r->per_image);
    }
    CU_ASSERT_EQUAL(mm_results_at(results, 7)->per_class[1].reason, MM_NOT_IN_SUMS);
    CU_ASSERT_EQUAL(mm_results_at(results, 7)->per_class[0].reason, MM_NOT_CHOSEN);
    mm_results_free(results);
    mm_results_free(NULL);
    mm_plan_free(plan);
    scored_free(&counts_only);
    data_free(&d);
}

static CU_TestInfo tests[] = {
    {"rows are complete", test_rows_are_complete},
    {"names are unique", test_names_are_unique},
    {"finding, and the nearest name", test_find_and_nearest},
    {"edit distance", test_edit_distance},
    {"witnesses", test_witness},
    {"overlap losses against voxels", test_overlap},
    {"generalized Dice against voxels", test_generalized_dice},
    {"cross-entropy against voxels", test_cross_entropy},
    {"soft labels", test_soft_labels},
    {"binary cross-entropy against voxels", test_binary_cross_entropy},
    {"focal loss against voxels", test_focal_loss},
    {"count scores against voxels", test_count_scores},
    {"summaries over images", test_stat},
    {"a perfect prediction", test_perfect},
    {"absent classes", test_absent},
    {"a class that soft labels touch", test_soft_label_is_not_absent},
    {"denominators of 0", test_zero_denominators},
    {"what means leave out", test_omitted},
    {"no images, no voxels", test_no_voxels},
    {"order and grouping of images", test_order_and_grouping},
    {"order of classes", test_class_permutation},
    {"weights", test_weights},
    {"weights that make no sense", test_bad_weights},
    {"sum()", test_sum},
    {"sums that were not gathered", test_not_in_sums},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_scores = {"scores", tests};
