/*
 * test_score_confusion.c - metrics of hard masks, one class against the rest or all in a table, and calibration,
 * against their formulas over voxels.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/score_tools.h"

/* ------------------------------------------------------------------- counts */

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

typedef double (*count_formula)(counts x);

static double dice(counts x)
{
    return 2.0 * x.tp / (2.0 * x.tp + x.fp + x.fn);
}
static double iou(counts x)
{
    return x.tp / (x.tp + x.fp + x.fn);
}
static double f2(counts x)
{
    return 5.0 * x.tp / (5.0 * x.tp + 4.0 * x.fn + x.fp);
}
static double tversky(counts x)
{
    return x.tp / (x.tp + 0.9 * x.fp + 0.2 * x.fn);
}
static double ppv(counts x)
{
    return x.tp / (x.tp + x.fp);
}
static double fdr(counts x)
{
    return x.fp / (x.tp + x.fp);
}
static double tpr(counts x)
{
    return x.tp / (x.tp + x.fn);
}
static double fnr(counts x)
{
    return x.fn / (x.tp + x.fn);
}
static double tnr(counts x)
{
    return x.tn / (x.tn + x.fp);
}
static double fpr(counts x)
{
    return x.fp / (x.tn + x.fp);
}
static double npv(counts x)
{
    return x.tn / (x.tn + x.fn);
}
static double omission(counts x)
{
    return x.fn / (x.tn + x.fn);
}
static double accuracy(counts x)
{
    return (x.tp + x.tn) / (x.tp + x.fp + x.fn + x.tn);
}
static double hamming(counts x)
{
    return 1.0 - accuracy(x);
}
static double balanced(counts x)
{
    return (tpr(x) + tnr(x)) / 2.0;
}
static double informed(counts x)
{
    return tpr(x) + tnr(x) - 1.0;
}
static double marked(counts x)
{
    return ppv(x) + npv(x) - 1.0;
}
static double prevalence(counts x)
{
    return (sqrt(tpr(x) * (1.0 - tnr(x))) + tnr(x) - 1.0) / (tpr(x) + tnr(x) - 1.0);
}
static double fowlkes(counts x)
{
    return sqrt(ppv(x) * tpr(x));
}
static double mcc(counts x)
{
    return (x.tp * x.tn - x.fp * x.fn) /
           (sqrt(x.tp + x.fp) * sqrt(x.tp + x.fn) * sqrt(x.tn + x.fp) * sqrt(x.tn + x.fn));
}
static double positive_ratio(counts x)
{
    return tpr(x) / fpr(x);
}
static double negative_ratio(counts x)
{
    return fnr(x) / tnr(x);
}
static double similarity(counts x)
{
    return 1.0 - fabs(x.fp - x.fn) / (2.0 * x.tp + x.fp + x.fn);
}
static double difference(counts x)
{
    return (x.fp - x.fn) / (x.tp + x.fn);
}
static double tp(counts x)
{
    return x.tp;
}
static double fp(counts x)
{
    return x.fp;
}
static double fn(counts x)
{
    return x.fn;
}
static double tn(counts x)
{
    return x.tn;
}

/* Name or alias, arguments or "". */
static const struct {
    const char *name, *arguments;
    count_formula formula;
} metrics[] = {
    {"dice", "", dice},
    {"f1", "", dice},
    {"iou", "", iou},
    {"jaccard", "", iou},
    {"threat_score", "", iou},
    {"fbeta", "", dice},
    {"fbeta", "beta=2", f2},
    {"tversky", "alpha=0.9,beta=0.2", tversky},
    {"tversky", "alpha=1,beta=1", iou},
    {"precision", "", ppv},
    {"ppv", "", ppv},
    {"false_discovery_rate", "", fdr},
    {"recall", "", tpr},
    {"sensitivity", "", tpr},
    {"tpr", "", tpr},
    {"miss_rate", "", fnr},
    {"fnr", "", fnr},
    {"specificity", "", tnr},
    {"tnr", "", tnr},
    {"fall_out", "", fpr},
    {"fpr", "", fpr},
    {"npv", "", npv},
    {"false_omission_rate", "", omission},
    {"accuracy", "", accuracy},
    {"hamming_distance", "", hamming},
    {"balanced_accuracy", "", balanced},
    {"informedness", "", informed},
    {"markedness", "", marked},
    {"prevalence_threshold", "", prevalence},
    {"fowlkes_mallows", "", fowlkes},
    {"mcc", "", mcc},
    {"positive_likelihood_ratio", "", positive_ratio},
    {"negative_likelihood_ratio", "", negative_ratio},
    {"volume_similarity", "", similarity},
    {"relative_volume_difference", "", difference},
    {"tp", "", tp},
    {"fp", "", fp},
    {"fn", "", fn},
    {"tn", "", tn},
};

static counts counts_plus(counts a, counts b)
{
    return (counts){a.tp + b.tp, a.fp + b.fp, a.fn + b.fn, a.tn + b.tn};
}

/* Metrics have the plain mean over classes, whatever the weights; average=weighted takes them. */
static void check_metric(const data *d, const char *name, const char *arguments, count_formula formula)
{
    static const double weights[] = {1.0, 0.0, 3.0};
    const double images = (double)d->images, classes = (double)d->classes;
    double plain = 0.0, weighted = 0.0, pooled = 0.0, support = 0.0, voxels = 0.0, micro = 0.0, weight = 0.0;
    char text[96];

    for (size_t c = 0; c < d->classes; c++) {
        counts all = {0};
        double mean = 0.0;

        for (size_t n = 0; n < d->images; n++) {
            mean += formula(counts_of(d, n, c)) / images;
            all = counts_plus(all, counts_of(d, n, c));
        }
        plain += mean / classes;
        weighted += weights[c] * mean;
        weight += weights[c];
        pooled += formula(all) / classes;
        support += (all.tp + all.fn) * mean;
        voxels += all.tp + all.fn;
    }
    for (size_t n = 0; n < d->images; n++) {
        counts all = {0};

        for (size_t c = 0; c < d->classes; c++)
            all = counts_plus(all, counts_of(d, n, c));
        micro += formula(all) / images;
    }
    check_value(d, expression_of(text, sizeof text, name, arguments, ""), weights, plain);
    check_value(d, expression_of(text, sizeof text, name, arguments, "average=weighted"), weights, weighted / weight);
    check_value(d, expression_of(text, sizeof text, name, arguments, "over=pooled"), weights, pooled);
    check_value(d, expression_of(text, sizeof text, name, arguments, "average=support"), weights, support / voxels);
    check_value(d, expression_of(text, sizeof text, name, arguments, "average=micro"), weights, micro);
}

static void test_metrics(void)
{
    data exclusive = data_random(MM_MULTICLASS, 3, 3, 160, 8), masks = data_random(MM_MULTILABEL, 2, 2, 50, 50);

    for (size_t v = 0; v < 160; v += 8) /* every pair of label and prediction in every image */
        for (size_t n = 0; n < 3; n++) {
            double *g = exclusive.g + n * 3 * 160 + v, first = g[0];

            g[0] = g[160];
            g[160] = g[320];
            g[320] = first;
        }

    for (size_t i = 0; i < MM_COUNT(metrics); i++) {
        check_metric(&exclusive, metrics[i].name, metrics[i].arguments, metrics[i].formula);
        check_metric(&masks, metrics[i].name, metrics[i].arguments, metrics[i].formula);
    }
    data_free(&exclusive);
    data_free(&masks);
}

/* Masks of one image of 4 voxels each: absent in both, only predicted, only in the label, both full, right. */
static void test_undefined(void)
{
    enum { ABSENT, PREDICTED, MISSED, FULL, RIGHT, CLASSES };
    static const double values[] = {
        0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, /* p */
        0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, /* g */
    };
    static const struct {
        const char *name;
        size_t c;
        mm_reason reason;
        double value;
    } cases[] = {
        {"dice", PREDICTED, MM_DEFINED, 0.0},
        {"fbeta", MISSED, MM_DEFINED, 0.0},
        {"tversky(alpha=0)", PREDICTED, MM_ZERO_DENOMINATOR, 0.0},
        {"precision", PREDICTED, MM_DEFINED, 0.0},
        {"precision", MISSED, MM_ABSENT_IN_PREDICTION, 0.0},
        {"false_discovery_rate", PREDICTED, MM_DEFINED, 1.0},
        {"false_discovery_rate", MISSED, MM_ABSENT_IN_PREDICTION, 0.0},
        {"miss_rate", PREDICTED, MM_ABSENT_IN_LABEL, 0.0},
        {"miss_rate", MISSED, MM_DEFINED, 1.0},
        {"fall_out", FULL, MM_ZERO_DENOMINATOR, 0.0},
        {"fall_out", PREDICTED, MM_DEFINED, 0.25},
        {"npv", FULL, MM_ZERO_DENOMINATOR, 0.0},
        {"false_omission_rate", FULL, MM_ZERO_DENOMINATOR, 0.0},
        {"false_omission_rate", MISSED, MM_DEFINED, 0.25},
        {"balanced_accuracy", PREDICTED, MM_ABSENT_IN_LABEL, 0.0},
        {"balanced_accuracy", FULL, MM_ZERO_DENOMINATOR, 0.0},
        {"informedness", PREDICTED, MM_ABSENT_IN_LABEL, 0.0},
        {"informedness", MISSED, MM_DEFINED, 0.0},
        {"markedness", MISSED, MM_ABSENT_IN_PREDICTION, 0.0},
        {"markedness", FULL, MM_ZERO_DENOMINATOR, 0.0},
        {"prevalence_threshold", PREDICTED, MM_ABSENT_IN_LABEL, 0.0},
        {"prevalence_threshold", MISSED, MM_ZERO_DENOMINATOR, 0.0}, /* tpr 0, tnr 1 */
        {"prevalence_threshold", RIGHT, MM_DEFINED, 0.0},
        {"fowlkes_mallows", PREDICTED, MM_ABSENT_IN_LABEL, 0.0},
        {"fowlkes_mallows", MISSED, MM_ABSENT_IN_PREDICTION, 0.0},
        {"mcc", PREDICTED, MM_ZERO_DENOMINATOR, 0.0},
        {"mcc", FULL, MM_ZERO_DENOMINATOR, 0.0},
        {"mcc", RIGHT, MM_DEFINED, 1.0},
        {"positive_likelihood_ratio", RIGHT, MM_ZERO_DENOMINATOR, 0.0},
        {"positive_likelihood_ratio", PREDICTED, MM_ABSENT_IN_LABEL, 0.0},
        {"negative_likelihood_ratio", RIGHT, MM_DEFINED, 0.0},
        {"negative_likelihood_ratio", FULL, MM_ZERO_DENOMINATOR, 0.0},
        {"volume_similarity", PREDICTED, MM_DEFINED, 0.0},
        {"relative_volume_difference", PREDICTED, MM_ABSENT_IN_LABEL, 0.0},
        {"relative_volume_difference", MISSED, MM_DEFINED, -1.0},
        {"hamming_distance", MISSED, MM_DEFINED, 0.25},
    };
    data d = data_given(MM_MULTILABEL, 1, CLASSES, 4, values);

    for (size_t i = 0; i < MM_COUNT(cases); i++)
        check_class(&d, cases[i].name, cases[i].c, cases[i].reason, cases[i].value);
    for (size_t i = 0; i + 4 < MM_COUNT(metrics); i++) /* all but the counts */
        check_class(&d, metrics[i].name, ABSENT, MM_ABSENT_IN_BOTH, 0.0);
    check_class(&d, "tn", ABSENT, MM_DEFINED, 4.0);
    data_free(&d);
}

/* ------------------------------------------------------------------- tables */

#define MOST 4

/* Pairs of images `from` to `to` - 1: exclusive classes, rows the label's; or the sum of the masks' 2 x 2. */
static size_t table_of(const data *d, size_t from, size_t to, double table[MOST][MOST])
{
    memset(table, 0, MOST * sizeof table[0]);
    for (size_t n = from; n < to; n++)
        for (size_t i = 0; i < d->classes; i++)
            for (size_t v = 0; v < d->voxels; v++)
                if (d->task == MM_MULTILABEL)
                    table[hard_g(d, n, i, v)][hard_p(d, n, i, v)] += 1.0;
                else
                    for (size_t j = 0; j < d->classes; j++)
                        table[i][j] += hard_g(d, n, i, v) && hard_p(d, n, j, v);
    return d->task == MM_MULTILABEL ? 2 : d->classes;
}

/* weights: 0 none, 1 linear, 2 quadratic */
static double kappa_of(const data *d, size_t from, size_t to, int weights)
{
    double table[MOST][MOST], seen = 0.0, expected = 0.0, total = 0.0;
    const size_t count = table_of(d, from, to, table);

    for (size_t i = 0; i < count * count; i++)
        total += table[i / count][i % count];
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            const double w = i == j ? 0.0 : pow(fabs((double)i - (double)j), weights);
            double row = 0.0, column = 0.0;

            for (size_t k = 0; k < count; k++) {
                row += table[i][k];
                column += table[k][j];
            }
            seen += w * table[i][j];
            expected += w * row * column / total;
        }
    return 1.0 - seen / expected;
}

static double mcc_of(const data *d, size_t from, size_t to)
{
    double table[MOST][MOST], right = 0.0, total = 0.0, products = 0.0, labels = 0.0, preds = 0.0;
    const size_t count = table_of(d, from, to, table);

    for (size_t k = 0; k < count; k++) {
        double row = 0.0, column = 0.0;

        for (size_t i = 0; i < count; i++) {
            row += table[k][i];
            column += table[i][k];
        }
        right += table[k][k];
        total += row;
        products += row * column;
        labels += row * row;
        preds += column * column;
    }
    return (right * total - products) / (sqrt(total * total - preds) * sqrt(total * total - labels));
}

static void test_agreement(void)
{
    static const char *const names[] = {"none", "linear", "quadratic"};
    data exclusive = data_random(MM_MULTICLASS, 2, 4, 60, 51), masks = data_random(MM_MULTILABEL, 2, 3, 50, 52);
    const data *both[] = {&exclusive, &masks};

    for (size_t k = 0; k < 2; k++) {
        const data *d = both[k];

        for (int w = 0; w < 3; w++) {
            char text[64], pooled[64];

            snprintf(text, sizeof text, "kappa(weights=%s)", names[w]);
            snprintf(pooled, sizeof pooled, "kappa(weights=%s,over=pooled)", names[w]);
            check_value(d, text, NULL, (kappa_of(d, 0, 1, w) + kappa_of(d, 1, 2, w)) / 2.0);
            check_value(d, pooled, NULL, kappa_of(d, 0, 2, w));
        }
        check_value(d, "mcc_multiclass", NULL, (mcc_of(d, 0, 1) + mcc_of(d, 1, 2)) / 2.0);
        check_value(d, "mcc_multiclass(over=pooled)", NULL, mcc_of(d, 0, 2));
    }
    check_value(&masks, "mcc_multiclass(classes=[1])", NULL, value_of(&masks, "mcc(classes=[1])", NULL));
    data_free(&exclusive);
    data_free(&masks);
}

/* Chosen classes: the table of voxels whose label and prediction are both chosen. */
static void test_agreement_of_some(void)
{
    data d = data_random(MM_MULTICLASS, 1, 4, 200, 53);
    double table[MOST][MOST];

    table_of(&d, 0, 1, table);
    const double a = table[1][1], b = table[1][3], c = table[3][1], e = table[3][3], n = a + b + c + e;
    check_value(&d, "kappa(classes=[1,3])", NULL, 1.0 - (b + c) / ((a + b) * (b + e) / n + (c + e) * (a + c) / n));
    check_value(&d, "kappa(classes=[3,1],weights=quadratic)", NULL, value_of(&d, "kappa(classes=[1,3])", NULL));
    data_free(&d);
}

static void test_right_voxels(void)
{
    data exclusive = data_random(MM_MULTICLASS, 2, 3, 60, 54), masks = data_random(MM_MULTILABEL, 2, 2, 50, 55);
    double right = 0.0, of_class[2] = {0}, labels[2] = {0}, all = 0.0;

    for (size_t n = 0; n < 2; n++) {
        for (size_t c = 0; c < 3; c++)
            right += counts_of(&exclusive, n, c).tp / 120.0;
        for (size_t c = 1; c < 3; c++) {
            of_class[n] += counts_of(&exclusive, n, c).tp;
            labels[n] += counts_of(&exclusive, n, c).tp + counts_of(&exclusive, n, c).fn;
        }
        for (size_t v = 0; v < 50; v++)
            all += (hard_p(&masks, n, 0, v) == hard_g(&masks, n, 0, v) &&
                    hard_p(&masks, n, 1, v) == hard_g(&masks, n, 1, v)) /
                   100.0;
    }
    check_value(&exclusive, "pixel_accuracy", NULL, right);
    check_value(&exclusive, "pixel_accuracy(over=pooled)", NULL, right);
    check_value(&exclusive, "pixel_accuracy(classes=foreground)", NULL,
                (of_class[0] / labels[0] + of_class[1] / labels[1]) / 2.0);
    check_value(&exclusive, "pixel_accuracy(classes=[2,1],over=pooled)", NULL,
                (of_class[0] + of_class[1]) / (labels[0] + labels[1]));
    check_value(&masks, "pixel_accuracy", NULL, all);
    mm_problem problem;
    CU_ASSERT_EQUAL(refusal_of(&masks, "pixel_accuracy(classes=[1])", &problem), MM_BAD_PARAM);
    data_free(&exclusive);
    data_free(&masks);
}

/* Three images: all right, one voxel wrong, all right about class 2 alone; empty masks are right, too. */
static void test_exact_match(void)
{
    data d = data_random(MM_MULTICLASS, 3, 3, 40, 56), masks = data_random(MM_MULTILABEL, 1, 2, 10, 57);

    memcpy(d.p, d.g, 3 * 3 * 40 * sizeof *d.p);
    d.p[120] = 1.0 - d.p[120]; /* voxel 0 of image 1: class 0 or 1 */
    d.p[160] = 1.0 - d.p[160];
    d.p[200] = 0.0;
    for (size_t c = 0; c < 3; c++)
        d.g[120 + 40 * c] = c == 1;
    d.p[120] = 1.0;
    d.p[160] = 0.0;
    check_value(&d, "exact_match", NULL, 2.0 / 3.0);
    check_value(&d, "exact_match(over=pooled)", NULL, 2.0 / 3.0);
    check_value(&d, "exact_match(classes=[2])", NULL, 1.0);
    check_value(&d, "exact_match(stat=min)", NULL, 0.0);
    memset(masks.p, 0, 20 * sizeof *masks.p);
    memset(masks.g, 0, 20 * sizeof *masks.g);
    check_value(&masks, "exact_match", NULL, 1.0);
    check_value(&masks, "pixel_accuracy", NULL, 1.0);
    CU_ASSERT_EQUAL(reason_of(&masks, "kappa"), MM_ZERO_DENOMINATOR);
    CU_ASSERT_EQUAL(reason_of(&masks, "mcc_multiclass"), MM_ZERO_DENOMINATOR);
    CU_ASSERT_EQUAL(reason_of(&masks, "generalized_dice"), MM_ABSENT_IN_BOTH);
    data_free(&d);
    data_free(&masks);
}

static void test_generalized_dice(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 60, 58);
    double by_square = 0.0, by_volume = 0.0;

    for (size_t n = 0; n < 2; n++) {
        double above[2] = {0}, below[2] = {0};

        for (size_t c = 0; c < 3; c++) {
            const counts x = counts_of(&d, n, c);
            const double g = x.tp + x.fn;

            for (int k = 0; k < 2; k++) {
                const double w = k == 0 ? 1.0 / (g * g) : 1.0 / g;

                above[k] += 2.0 * w * x.tp;
                below[k] += w * (2.0 * x.tp + x.fp + x.fn);
            }
        }
        by_square += above[0] / below[0] / 2.0;
        by_volume += above[1] / below[1] / 2.0;
    }
    check_value(&d, "generalized_dice", NULL, by_square);
    check_value(&d, "generalized_dice(weight=simple)", NULL, by_volume);
    data_free(&d);
}

/* A list of rank 2 or 3 against `expected`; NAN: not chosen. */
static void check_list(const data *d, const char *expression, unsigned rank, const double *expected)
{
    scored s = score(d, expression, NULL);
    size_t count = 1;

    CU_ASSERT_FATAL(s.first != NULL && s.first->rank == rank && s.first->list != NULL);
    for (unsigned i = 0; i < rank; i++)
        count *= s.first->dim[i];
    CU_ASSERT_EQUAL(count, rank == 2 ? d->classes * d->classes : d->classes * 4);
    for (size_t i = 0; i < count; i++) {
        const mm_value x = s.first->list[i];

        if (isnan(expected[i]) ? x.reason != MM_NOT_CHOSEN
                               : x.reason != MM_DEFINED || !close_to(x.value, expected[i])) {
            printf("\n    %s, value %zu: %.17g instead of %.17g\n", expression, i, x.value, expected[i]);
            CU_FAIL("list");
        }
    }
    CU_ASSERT(s.first->per_class == NULL && s.first->per_image == NULL);
    scored_free(&s);
}

static void test_confusion_matrix(void)
{
    static const char *const by[] = {"none", "label", "prediction", "all"};
    data d = data_random(MM_MULTICLASS, 2, 3, 60, 59), masks = data_random(MM_MULTILABEL, 1, 2, 50, 60);
    double first[MOST][MOST], second[MOST][MOST], pooled[MOST][MOST];

    table_of(&d, 0, 1, first);
    table_of(&d, 1, 2, second);
    table_of(&d, 0, 2, pooled);
    for (int k = 0; k < 4; k++) {
        double mean[9], totals[9], some[9];
        char text[96];

        for (size_t i = 0; i < 9; i++) {
            double below[3] = {k == 0, k == 0, k == 0};

            for (size_t j = 0; j < 9; j++) {
                const int in = k == 1 ? j / 3 == i / 3 : k == 2 ? j % 3 == i % 3 : k == 3;

                below[0] += in * first[j / 3][j % 3];
                below[1] += in * second[j / 3][j % 3];
                below[2] += in * pooled[j / 3][j % 3];
            }
            mean[i] = (first[i / 3][i % 3] / below[0] + second[i / 3][i % 3] / below[1]) / 2.0;
            totals[i] = pooled[i / 3][i % 3] / below[2];
            some[i] = i / 3 == 1 || i % 3 == 1 ? (double)NAN : pooled[i / 3][i % 3];
        }
        snprintf(text, sizeof text, "confusion_matrix(normalize=%s)", by[k]);
        check_list(&d, text, 2, mean);
        snprintf(text, sizeof text, "confusion_matrix(normalize=%s,over=pooled)", by[k]);
        check_list(&d, text, 2, totals);
        if (k == 0)
            check_list(&d, "confusion_matrix(classes=[0,2],over=pooled)", 2, some);
    }
    double pairs[8];
    for (size_t c = 0; c < 2; c++) {
        const counts x = counts_of(&masks, 0, c);
        const double own[] = {x.tn, x.fp, x.fn, x.tp};

        memcpy(pairs + 4 * c, own, sizeof own);
    }
    check_list(&masks, "confusion_matrix", 3, pairs);
    for (size_t i = 0; i < 8; i++)
        pairs[i] /= 50.0;
    check_list(&masks, "confusion_matrix(normalize=all)", 3, pairs);
    data_free(&d);
    data_free(&masks);
}

/* An empty row gives 0; a list is no term of a sum; records without the table say so. */
static void test_tables_apart(void)
{
    static const double values[] = {.9, .2, .9, .1, .8, .1, /* p */ 1, 1, 1, 0, 0, 0 /* g */};
    static const double by_label[] = {2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0};
    data d = data_given(MM_MULTICLASS, 1, 2, 3, values);
    mm_plan *plan = bound_plan(&d, "kappa,confusion_matrix,mcc_multiclass,pixel_accuracy");
    mm_images *images = NULL;
    mm_results *results = NULL;
    mm_problem problem;
    mm_stat stats[MM_MAX_STATS];

    check_list(&d, "confusion_matrix(normalize=label)", 2, by_label);
    CU_ASSERT_EQUAL(refusal_of(&d, "sum(confusion_matrix)", &problem), MM_BAD_EXPRESSION);
    CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
    CU_ASSERT_EQUAL_FATAL(mm_images_new(&images, MM_MULTICLASS, 2), MM_OK);
    mm_record *record = mm_images_append(images, "0/0", stats, mm_plan_stats(plan, stats), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(record);
    record->voxels = record->scored = record->unmasked = 3;
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, images, plan, NULL, NULL), MM_OK);
    for (size_t i = 0; i < 3; i++) {
        const mm_result *r = mm_results_at(results, i);

        CU_ASSERT_EQUAL(r->value.reason, MM_NOT_IN_SUMS);
        CU_ASSERT(r->note != NULL && strstr(r->note, "needs the confusion table") != NULL);
        CU_ASSERT_EQUAL(r->rank, 0);
    }
    CU_ASSERT_NOT_EQUAL(mm_results_at(results, 3)->value.reason, MM_NOT_IN_SUMS);
    mm_results_free(results);
    mm_images_free(images);
    mm_plan_free(plan);
    data_free(&d);
}

/* -------------------------------------------------------------- calibration */

/* Bins of confidence of one (image, class), of an image's greatest p, or of several added. */
typedef struct bins {
    double voxels[20], q[20], right[20];
} bins;

static void add_bin(bins *b, size_t count, double q, double right)
{
    const size_t i = q >= 1.0 ? count - 1 : (size_t)(q * (double)count);

    b->voxels[i] += 1.0;
    b->q[i] += q;
    b->right[i] += right;
}

static void add_class(bins *b, const data *d, size_t count, size_t n, size_t c)
{
    for (size_t v = 0; v < d->voxels; v++)
        add_bin(b, count, p_at(d, n, c, v), g_at(d, n, c, v));
}

static void add_top(bins *b, const data *d, size_t count, size_t n)
{
    for (size_t v = 0; v < d->voxels; v++)
        for (size_t c = 0; c < d->classes; c++)
            if (hard_p(d, n, c, v))
                add_bin(b, count, p_at(d, n, c, v), hard_g(d, n, c, v));
}

/* 0 expected, 1 rms, 2 max */
static double error_of(const bins *b, size_t count, int which)
{
    double voxels = 0.0, sum = 0.0, greatest = 0.0;

    for (size_t i = 0; i < count; i++)
        voxels += b->voxels[i];
    for (size_t i = 0; i < count; i++) {
        if (b->voxels[i] == 0.0)
            continue;
        const double gap = fabs(b->right[i] / b->voxels[i] - b->q[i] / b->voxels[i]);

        sum += (which == 1 ? gap * gap : gap) * b->voxels[i] / voxels;
        greatest = fmax(greatest, gap);
    }
    return which == 0 ? sum : which == 1 ? sqrt(sum) : greatest;
}

static void check_calibration(const data *d, int which, const char *name)
{
    double top = 0.0, by_class = 0.0, pooled, micro = 0.0;
    bins all = {{0}, {0}, {0}};
    char text[96];

    for (size_t n = 0; n < d->images; n++) {
        bins one = {{0}, {0}, {0}}, every = {{0}, {0}, {0}};

        for (size_t c = 0; c < d->classes; c++) {
            bins own = {{0}, {0}, {0}};

            add_class(&own, d, 15, n, c);
            add_class(&every, d, 15, n, c);
            by_class += error_of(&own, 15, which) / (double)(d->images * d->classes);
        }
        micro += error_of(&every, 15, which) / (double)d->images;
        if (d->task == MM_MULTICLASS) {
            add_top(&one, d, 7, n);
            add_top(&all, d, 7, n);
            top += error_of(&one, 7, which) / (double)d->images;
        }
    }
    pooled = error_of(&all, 7, which);
    check_value(d, expression_of(text, sizeof text, name, "of=class", ""), NULL, by_class);
    check_value(d, expression_of(text, sizeof text, name, "of=class", "average=micro"), NULL, micro);
    if (d->task == MM_MULTICLASS) {
        check_value(d, expression_of(text, sizeof text, name, "bins=7", ""), NULL, top);
        check_value(d, expression_of(text, sizeof text, name, "bins=7,of=top1", "over=pooled"), NULL, pooled);
    } else {
        check_value(d, name, NULL, by_class);
    }
}

static void test_calibration(void)
{
    static const char *const names[] = {"expected_calibration_error", "rms_calibration_error", "max_calibration_error"};
    data exclusive = data_random(MM_MULTICLASS, 2, 3, 80, 61), masks = data_random(MM_MULTILABEL, 2, 2, 80, 62);
    mm_problem problem;

    masks.p[3] = 1.0;
    masks.p[4] = 0.0;
    for (int which = 0; which < 3; which++) {
        check_calibration(&exclusive, which, names[which]);
        check_calibration(&masks, which, names[which]);
    }
    scored s = score(&exclusive, "expected_calibration_error,expected_calibration_error(of=class)", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    CU_ASSERT(s.first->per_class == NULL && s.first->columns == 1);
    CU_ASSERT(mm_results_at(s.results, 1)->per_class != NULL && mm_results_at(s.results, 1)->columns == 3);
    scored_free(&s);
    CU_ASSERT_EQUAL(refusal_of(&masks, "max_calibration_error(of=top1)", &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(refusal_of(&exclusive, "max_calibration_error(classes=[1])", &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(refusal_of(&exclusive, "max_calibration_error(bins=2.5)", &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(refusal_of(&exclusive, "max_calibration_error(classes=[1],of=class)", &problem), MM_OK);
    data_free(&exclusive);
    data_free(&masks);
}

static CU_TestInfo tests[] = {
    {"rates against voxels", test_metrics},
    {"what is not defined", test_undefined},
    {"agreement against voxels", test_agreement},
    {"agreement of some classes", test_agreement_of_some},
    {"right voxels", test_right_voxels},
    {"exact match", test_exact_match},
    {"generalized Dice against voxels", test_generalized_dice},
    {"confusion matrix against voxels", test_confusion_matrix},
    {"tables: empty rows, sums, records without", test_tables_apart},
    {"calibration against voxels", test_calibration},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_score_confusion = {"score_confusion", tests};
