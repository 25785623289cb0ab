/*
 * test_peer_torchmetrics.c - torchmetrics' functions of hard masks against counts of voxels, numbers worked out by
 * hand, their shapes, notes and errors, ignored voxels and thresholds, and merged evaluations.
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

/* `count` values in a list of the given rank (0: a number), NAN for what is not defined. */
static void check_list(const data *d, const char *expression, unsigned rank, size_t count, const double *expected)
{
    scored s = score(d, expression, NULL);
    size_t there = 1;

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    CU_ASSERT_EQUAL_FATAL(s.first->rank, rank);
    for (unsigned i = 0; i < rank; i++)
        there *= s.first->dim[i];
    CU_ASSERT_EQUAL_FATAL(there, count);
    for (size_t i = 0; i < count; i++) {
        const mm_value x = rank == 0 ? s.first->value : s.first->list[i];
        const double value = x.reason == MM_DEFINED ? x.value : (double)NAN;

        if (isnan(expected[i]) ? !isnan(value) : !close_to(value, expected[i])) {
            printf("\n    %s: %.17g at %zu instead of %.17g\n", expression, value, i, expected[i]);
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

/* ------------------------------------------------------------------- counts */

enum { IMAGES = 2, CLASSES = 4, VOXELS = 25 };

/* Random images whose last class is in neither label nor prediction. */
static data with_absent_class(mm_task task, unsigned seed)
{
    data d = data_random(task, IMAGES, CLASSES, VOXELS, seed);

    for (size_t n = 0; n < IMAGES; n++)
        for (size_t v = 0; v < VOXELS; v++) {
            const size_t first = n * CLASSES * VOXELS + v, last = first + (CLASSES - 1) * VOXELS;

            if (task == MM_MULTICLASS && d.g[last] == 1.0)
                d.g[first] = 1.0;
            d.p[first] += task == MM_MULTICLASS ? d.p[last] : 0.0;
            d.p[last] = d.g[last] = 0.0;
        }
    return d;
}

typedef struct counts {
    double tp, fp, fn, tn;
} counts;

enum { ARGMAX = -1 }; /* in place of a threshold */

static counts counts_of(const data *d, size_t n, size_t c, double threshold)
{
    counts x = {0};

    for (size_t v = 0; v < d->voxels; v++) {
        const int p = threshold < 0.0 ? hard_p(d, n, c, v) : p_at(d, n, c, v) > threshold, g = hard_g(d, n, c, v);

        x.tp += p && g;
        x.fp += p && !g;
        x.fn += !p && g;
        x.tn += !p && !g;
    }
    return x;
}

static counts add(counts a, counts b)
{
    return (counts){a.tp + b.tp, a.fp + b.fp, a.fn + b.fn, a.tn + b.tn};
}

/* Of one image, or of all (n = IMAGES). */
static counts counts_of_class(const data *d, size_t n, size_t c, double threshold)
{
    counts all = {0};

    for (size_t k = 0; k < d->images; k++)
        if (n == IMAGES || k == n)
            all = add(all, counts_of(d, k, c, threshold));
    return all;
}

/* --------------------------------------------------------------------- rates */

static double ratio(double above, double below)
{
    return below == 0.0 ? 0.0 : above / below;
}

static double right(counts x)
{
    return ratio(x.tp + x.tn, x.tp + x.tn + x.fp + x.fn);
}

static double recall(counts x)
{
    return ratio(x.tp, x.tp + x.fn);
}

static double precision(counts x)
{
    return ratio(x.tp, x.tp + x.fp);
}

static double specificity(counts x)
{
    return ratio(x.tn, x.tn + x.fp);
}

static double npv(counts x)
{
    return ratio(x.tn, x.tn + x.fn);
}

static double f1(counts x)
{
    return ratio(2.0 * x.tp, 2.0 * x.tp + x.fp + x.fn);
}

static double f2(counts x)
{
    return ratio(5.0 * x.tp, 5.0 * x.tp + x.fp + 4.0 * x.fn);
}

static double missed(counts x)
{
    return 1.0 - recall(x);
}

static double iou(counts x)
{
    return ratio(x.tp, x.tp + x.fp + x.fn);
}

typedef double (*rate)(counts x);

/* A function of torchmetrics, and what it makes of the counts of exclusive classes and of masks (NULL: not offered). */
static const struct {
    const char *name, *more;
    rate exclusive, masks;
    int samplewise; /* is multidim_average offered? */
} functions[] = {
    {"accuracy", "", recall, right, 1},
    {"recall", "", recall, recall, 1},
    {"precision", "", precision, precision, 1},
    {"specificity", "", specificity, specificity, 1},
    {"negative_predictive_value", "", npv, npv, 1},
    {"f1_score", "", f1, f1, 1},
    {"fbeta_score", "beta=2,", f2, f2, 1},
    {"hamming_distance", "", missed, NULL, 1},
    {"jaccard_index", "", iou, iou, 0},
};

enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

/* Of one image, or of all (n = IMAGES): by the name of the average. */
static double averaged(const data *d, size_t n, rate of, const char *average, double threshold)
{
    double above = 0.0, below = 0.0;
    counts all = {0};

    for (size_t c = 0; c < d->classes; c++) {
        const counts x = counts_of_class(d, n, c, threshold);
        const double there = threshold >= 0.0 || x.tp + x.fp + x.fn > 0.0 ? 1.0 : 0.0;
        const double w = strcmp(average, "weighted") == 0 ? x.tp + x.fn : there;

        above += w * of(x);
        below += w;
        all = add(all, x);
    }
    return strcmp(average, "micro") == 0 ? of(all) : ratio(above, below);
}

/* All averages of torchmetrics.TASK_NAME, of all images and of each. */
static void check_averages(const data *d, const char *task, size_t i, rate of, double threshold)
{
    static const char *const averages[] = {"micro", "macro", "weighted"};
    char text[160];
    double list[IMAGES * CLASSES];

    for (size_t k = 0; k < 3; k++) {
        snprintf(text, sizeof text, "torchmetrics.%s_%s(%saverage=%s)", task, functions[i].name, functions[i].more,
                 averages[k]);
        check(d, text, averaged(d, IMAGES, of, averages[k], threshold));
        snprintf(text, sizeof text, "torchmetrics.%s_%s(%saverage=%s,multidim_average=samplewise)", task,
                 functions[i].name, functions[i].more, averages[k]);
        for (size_t n = 0; n < IMAGES; n++)
            list[n] = averaged(d, n, of, averages[k], threshold);
        if (functions[i].samplewise)
            check_list(d, text, 1, IMAGES, list);
    }
    for (size_t c = 0; c < CLASSES; c++)
        list[c] = of(counts_of_class(d, IMAGES, c, threshold));
    snprintf(text, sizeof text, "torchmetrics.%s_%s(%saverage=none)", task, functions[i].name, functions[i].more);
    check_list(d, text, 1, CLASSES, list);
    for (size_t j = 0; j < IMAGES * CLASSES; j++)
        list[j] = of(counts_of(d, j / CLASSES, j % CLASSES, threshold));
    snprintf(text, sizeof text, "torchmetrics.%s_%s(%smultidim_average=samplewise,average=none)", task,
             functions[i].name, functions[i].more);
    if (functions[i].samplewise)
        check_list(d, text, 2, IMAGES * CLASSES, list);
}

static void test_exclusive_rates(void)
{
    data d = with_absent_class(MM_MULTICLASS, 81);

    for (size_t i = 0; i < FUNCTIONS; i++)
        check_averages(&d, "multiclass", i, functions[i].exclusive, ARGMAX);
    check(&d, "torchmetrics.multiclass_recall", averaged(&d, IMAGES, recall, "macro", ARGMAX));
    check(&d, "torchmetrics.multiclass_jaccard_index(validate_args=false,num_classes=4)",
          averaged(&d, IMAGES, iou, "macro", ARGMAX));
    data_free(&d);
}

static void test_mask_rates(void)
{
    data d = with_absent_class(MM_MULTILABEL, 82);

    for (size_t i = 0; i < FUNCTIONS; i++)
        if (functions[i].masks != NULL)
            check_averages(&d, "multilabel", i, functions[i].masks, 0.5);
    check(&d, "torchmetrics.multilabel_f1_score(num_labels=4)", averaged(&d, IMAGES, f1, "macro", 0.5));
    check(&d, "torchmetrics.multilabel_f1_score(threshold=0.3)", averaged(&d, IMAGES, f1, "macro", 0.3));
    check(&d, "torchmetrics.multilabel_jaccard_index(threshold=0.7,average=weighted)",
          averaged(&d, IMAGES, iou, "weighted", 0.7));
    data_free(&d);
}

/* All classes are one list of voxels, whatever the task. */
static void test_binary_rates(void)
{
    static const mm_task tasks[] = {MM_MULTILABEL, MM_MULTICLASS};
    char text[160];

    for (size_t t = 0; t < 2; t++) {
        data d = with_absent_class(tasks[t], 83);

        for (size_t i = 0; i < FUNCTIONS; i++) {
            const rate of = functions[i].masks;

            if (of == NULL)
                continue;
            const double by_image[] = {averaged(&d, 0, of, "micro", 0.5), averaged(&d, 1, of, "micro", 0.5)};
            snprintf(text, sizeof text, "torchmetrics.binary_%s(%sthreshold=0.4)", functions[i].name,
                     functions[i].more);
            check(&d, text, averaged(&d, IMAGES, of, "micro", 0.4));
            snprintf(text, sizeof text, "torchmetrics.binary_%s(%smultidim_average=samplewise)", functions[i].name,
                     functions[i].more);
            if (functions[i].samplewise)
                check_list(&d, text, 1, IMAGES, by_image);
        }
        data_free(&d);
    }
}

/* 0/0 of the class that is nowhere; means of exclusive classes leave it out, those of masks do not. */
static void test_zero_division(void)
{
    data exclusive = with_absent_class(MM_MULTICLASS, 84), masks = with_absent_class(MM_MULTILABEL, 84);
    const double one = averaged(&masks, IMAGES, precision, "macro", 0.5) + 1.0 / CLASSES;
    const double others = averaged(&exclusive, IMAGES, precision, "macro", ARGMAX);
    static const double nothing[] = {0, 0, 0, 0};
    data empty = data_given(MM_MULTILABEL, 1, 1, 2, nothing);

    check(&masks, "torchmetrics.multilabel_precision(zero_division=1)", one);
    check(&exclusive, "torchmetrics.multiclass_precision(zero_division=1)", others);
    check(&empty, "torchmetrics.binary_jaccard_index(zero_division=0.25)", 0.25);
    check(&empty, "torchmetrics.multilabel_jaccard_index(average=micro)", 0.0);
    CU_ASSERT_EQUAL(reason_of(&empty, "torchmetrics.multilabel_jaccard_index(average=weighted)"), MM_ZERO_DENOMINATOR);
    check(&empty, "torchmetrics.multilabel_recall(average=weighted)", 0.0);
    check(&empty, "torchmetrics.binary_recall(zero_division=1)", 1.0);
    check(&empty, "torchmetrics.binary_accuracy", 1.0);
    data_free(&exclusive);
    data_free(&masks);
    data_free(&empty);
}

/* -------------------------------------------------------------- segmentation */

/* Image 0: labels 0 0 1 1, predictions 0 1 1 0; image 1: labels 0 0 0 0, predictions 0 0 0 2; class 2 has no label. */
static const double three[] = {
    1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, /* p of image 0 */
    1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, /* p of image 1 */
    1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, /* g of image 0 */
    1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, /* g of image 1 */
};

static data three_classes(void)
{
    return data_given(MM_MULTICLASS, 2, 3, 4, three);
}

#define NOT ((double)NAN)

static void test_dice_score(void)
{
    static const double each[] = {0.5, 0.5, NOT, 6.0 / 7.0, NOT, 0.0}, mean[] = {0.5, 3.0 / 7.0};
    static const double foreground[] = {0.5, NOT, NOT, 0.0}, front[] = {0.5, 0.0};
    static const double sums[] = {0.5, 0.75}, weighted[] = {0.5, 6.0 / 7.0}, none[] = {0.5, 0.0};
    static const double all[] = {8.0 / 11.0, 0.5, 0.0}, all_mean = (8.0 / 11.0 + 0.5) / 3.0;
    static const double all_weighted = (6.0 * 8.0 / 11.0 + 2.0 * 0.5) / 8.0, all_sums = 10.0 / 16.0;
    data d = three_classes();

    check_list(&d, "torchmetrics.dice_score(average=none)", 2, 6, each);
    check_list(&d, "torchmetrics.dice_score", 1, 2, mean);
    check_list(&d, "torchmetrics.dice_score(average=none,include_background=false)", 2, 4, foreground);
    check_list(&d, "torchmetrics.dice_score(include_background=false)", 1, 2, front);
    check_list(&d, "torchmetrics.dice_score(average=micro,input_format=one-hot)", 1, 2, sums);
    check_list(&d, "torchmetrics.dice_score(average=weighted)", 1, 2, weighted);
    check_list(&d, "torchmetrics.dice_score(average=weighted,include_background=false)", 1, 2, none);
    check_list(&d, "torchmetrics.dice_score(average=none,aggregation_level=global)", 2, 3, all);
    check_list(&d, "torchmetrics.dice_score(aggregation_level=global)", 1, 1, &all_mean);
    check_list(&d, "torchmetrics.dice_score(aggregation_level=global,average=weighted)", 1, 1, &all_weighted);
    check_list(&d, "torchmetrics.dice_score(aggregation_level=global,average=micro,input_format=mixed)", 1, 1,
               &all_sums);
    data_free(&d);
}

static void test_mean_iou(void)
{
    static const double mean[] = {1.0 / 3.0, 0.375}, each[] = {1.0 / 3.0, 1.0 / 3.0, -1.0, 0.75, -1.0, 0.0};
    static const double foreground[] = {1.0 / 3.0, 0.0};
    static const double nothing[] = {1, 1, 0, 0, 1, 1, 0, 0};
    const double undefined = NOT;
    data d = three_classes(), empty = data_given(MM_MULTICLASS, 1, 2, 2, nothing);

    check_list(&d, "torchmetrics.mean_iou(num_classes=3)", 1, 2, mean);
    check_list(&d, "torchmetrics.mean_iou(per_class=true)", 2, 6, each);
    check_list(&d, "torchmetrics.mean_iou(include_background=false)", 1, 2, foreground);
    check_list(&empty, "torchmetrics.mean_iou(include_background=false)", 1, 1, &undefined);
    data_free(&d);
    data_free(&empty);
}

/* Image 1: weights 1/16, and as greatest 1/16 for classes 1 and 2, of which one is predicted. */
static void test_generalized_dice(void)
{
    static const double square[] = {0.5, 6.0 / 8.0}, linear[] = {0.5, 6.0 / 8.0};
    static const double foreground[] = {0.5, 0.0}, each[] = {0.5, 0.5, 0.0, 6.0 / 7.0, 0.0, 0.0};
    data d = three_classes();

    check_list(&d, "torchmetrics.generalized_dice_score", 1, 2, square);
    check_list(&d, "torchmetrics.generalized_dice_score(weight_type=simple)", 1, 2, square);
    check_list(&d, "torchmetrics.generalized_dice_score(weight_type=linear)", 1, 2, linear);
    check_list(&d, "torchmetrics.generalized_dice_score(include_background=false)", 1, 2, foreground);
    check_list(&d, "torchmetrics.generalized_dice_score(per_class=true)", 2, 6, each);
    CU_ASSERT(has_note(&d, "torchmetrics.generalized_dice_score"));
    CU_ASSERT(!has_note(&d, "torchmetrics.generalized_dice_score(per_class=true)"));
    CU_ASSERT(!has_note(&d, "torchmetrics.generalized_dice_score(weight_type=linear)"));
    data_free(&d);
    d = data_random(MM_MULTICLASS, 2, 2, 30, 85);
    CU_ASSERT(!has_note(&d, "torchmetrics.generalized_dice_score"));
    data_free(&d);
}

/* -------------------------------------------------------- counts and matrices */

/* Of the three classes together: class 0 TP 4 FP 1 FN 2 TN 1, class 1 TP 1 FP 1 FN 1 TN 5, class 2 FP 1 TN 7. */
static void test_stat_scores(void)
{
    static const double each[] = {4, 1, 1, 2, 6, 1, 1, 5, 1, 2, 0, 1, 7, 0, 0}, sums[] = {5, 3, 13, 3, 8};
    static const double mean[] = {5.0 / 3.0, 1, 13.0 / 3.0, 1, 8.0 / 3.0};
    static const double weighted[] = {3.25, 1, 2, 1.75, 5};
    static const double by_image[] = {2, 2, 6, 2, 4, 3, 1, 7, 1, 4};
    data d = three_classes();

    check_list(&d, "torchmetrics.multiclass_stat_scores(average=none)", 2, 15, each);
    check_list(&d, "torchmetrics.multiclass_stat_scores(average=micro)", 1, 5, sums);
    check_list(&d, "torchmetrics.multiclass_stat_scores", 1, 5, mean);
    check_list(&d, "torchmetrics.multiclass_stat_scores(average=weighted)", 1, 5, weighted);
    check_list(&d, "torchmetrics.multiclass_stat_scores(average=micro,multidim_average=samplewise)", 2, 10, by_image);
    scored s = score(&d, "torchmetrics.multiclass_stat_scores(average=none,multidim_average=samplewise)", NULL);
    CU_ASSERT_EQUAL(s.first->rank, 3);
    CU_ASSERT(s.first->dim[0] == 2 && s.first->dim[1] == 3 && s.first->dim[2] == 5);
    scored_free(&s);
    data_free(&d);
}

static void test_exact_match(void)
{
    static const double values[] = {1, 0, 0, 1, 1, 0, 0, 1, /* p */ 1, 0, 0, 1, 1, 1, 0, 0 /* g */};
    static const double by_image[] = {1, 0};
    data d = data_given(MM_MULTICLASS, 2, 2, 2, values);

    check(&d, "torchmetrics.multiclass_exact_match", 0.5);
    check_list(&d, "torchmetrics.multiclass_exact_match(multidim_average=samplewise)", 1, 2, by_image);
    data_free(&d);
}

static void test_matrices(void)
{
    static const double voxels[] = {4, 1, 1, 1, 1, 0, 0, 0, 0}, all[] = {.5, .125, .125, .125, .125, 0, 0, 0, 0};
    static const double by_label[] = {4.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0, 0.5, 0.5, 0, 0, 0, 0};
    static const double by_prediction[] = {0.8, 0.5, 1, 0.2, 0.5, 0, 0, 0, 0};
    static const double masks[] = {1, 1, 2, 4, 5, 1, 1, 1, 7, 1, 0, 0};
    static const double one[] = {13, 3, 3, 5}, shares[] = {13.0 / 16.0, 3.0 / 16.0, 3.0 / 8.0, 5.0 / 8.0};
    data d = three_classes();

    check_list(&d, "torchmetrics.multiclass_confusion_matrix", 2, 9, voxels);
    check_list(&d, "torchmetrics.multiclass_confusion_matrix(normalize=true)", 2, 9, by_label);
    check_list(&d, "torchmetrics.multiclass_confusion_matrix(normalize=pred)", 2, 9, by_prediction);
    check_list(&d, "torchmetrics.multiclass_confusion_matrix(normalize=all)", 2, 9, all);
    check_list(&d, "torchmetrics.multilabel_confusion_matrix", 3, 12, masks);
    check_list(&d, "torchmetrics.binary_confusion_matrix", 2, 4, one);
    check_list(&d, "torchmetrics.binary_confusion_matrix(normalize=true)", 2, 4, shares);
    data_free(&d);
}

/* sum w M / sum w E of the table above: E = row sum x column sum / 8, rows 6 2 0, columns 5 2 1. */
static void test_kappa(void)
{
    static const double alike[] = {1, 1, 0, 0, 1, 1, 0, 0};
    data d = three_classes(), same = data_given(MM_MULTICLASS, 1, 2, 2, alike);
    const double linear = (1 + 2 * 1 + 1) / ((6 * 2 + 2 * 6 * 1 + 2 * 5 + 2 * 1) / 8.0);
    const double quadratic = (1 + 4 * 1 + 1) / ((6 * 2 + 4 * 6 * 1 + 2 * 5 + 2 * 1) / 8.0);

    check(&d, "torchmetrics.multiclass_cohen_kappa", 1.0 - 3.0 / ((6 * 2 + 6 * 1 + 2 * 5 + 2 * 1) / 8.0));
    check(&d, "torchmetrics.multiclass_cohen_kappa(weights=linear)", 1.0 - linear);
    check(&d, "torchmetrics.multiclass_cohen_kappa(weights=quadratic)", 1.0 - quadratic);
    CU_ASSERT_EQUAL(reason_of(&same, "torchmetrics.multiclass_cohen_kappa"), MM_ZERO_DENOMINATOR);
    data_free(&d);
    data_free(&same);
}

/* Four voxels of two classes: labels and predictions of class 1. */
static data two_classes(const double *label, const double *pred)
{
    double values[16];

    for (size_t v = 0; v < 4; v++) {
        values[v] = 1.0 - pred[v];
        values[4 + v] = pred[v];
        values[8 + v] = 1.0 - label[v];
        values[12 + v] = label[v];
    }
    return data_given(MM_MULTICLASS, 1, 2, 4, values);
}

/* c S - sum t p = 5 * 8 - 34, S^2 - sum p^2 = 34, S^2 - sum t^2 = 24; with two classes the odd cases of the peer. */
static void test_correlation(void)
{
    static const double some[] = {0, 0, 0, 1}, none[] = {0, 0, 0, 0}, all[] = {1, 1, 1, 1}, half[] = {0, 0, 1, 1};
    static const double nothing[] = {1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0};
    static const struct {
        const double *label, *pred;
        double expected;
    } odd[] = {
        {some, some, 1.0},
        {none, none, 1.0},
        {none, all, -1.0},
        {none, some, 2.0 / 3.4641016151377544 /* (3 - 1) / sqrt(1 * 3 * 4) */},
        {some, none, 2.0 / 3.4641016151377544},
        {some, all, -2.0 / 3.4641016151377544},
        {half, all, 0.0},
    };
    data d = three_classes(), constant = data_given(MM_MULTICLASS, 1, 3, 2, nothing);

    check(&d, "torchmetrics.multiclass_matthews_corrcoef", (5.0 * 8.0 - 34.0) / sqrt(34.0 * 24.0));
    check(&constant, "torchmetrics.multiclass_matthews_corrcoef", 0.0);
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        data two = two_classes(odd[i].label, odd[i].pred);

        CU_ASSERT_DOUBLE_EQUAL(value_of(&two, "torchmetrics.multiclass_matthews_corrcoef", NULL), odd[i].expected,
                               1e-6);
        data_free(&two);
    }
    data_free(&d);
    data_free(&constant);
}

/* --------------------------------------------------- ignored voxels, thresholds */

/* One image of four voxels, evaluated as a request would. */
static mm_status evaluate(const mm_input *input, const char *expression, double *values, size_t count)
{
    const char *const ids[] = {"0/0"};
    void *scratch = aligned_alloc(64, MM_SCRATCH_BYTES);
    mm_problem problem = {.text = ""};
    mm_results *results = NULL;
    mm_images *images = NULL;
    mm_plan *plan = NULL;
    mm_eval *eval = NULL;
    mm_shape shape;

    CU_ASSERT_PTR_NOT_NULL_FATAL(scratch);
    CU_ASSERT_EQUAL_FATAL(mm_plan_new(&plan, expression, &problem), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_input_shape(input, &shape, &problem), MM_OK);
    mm_status status = mm_plan_bind(plan, &shape, &problem);
    if (status == MM_OK)
        status = mm_eval_new(&eval, input, plan, 0, &problem);
    if (status == MM_OK) {
        mm_eval_run(eval, scratch, 1);
        status = mm_eval_finish(eval, ids, &images, &problem);
    }
    if (status == MM_OK)
        status = mm_images_score(&results, images, plan, NULL, &problem);
    for (size_t i = 0; status == MM_OK && i < count; i++) {
        const mm_result *first = mm_results_at(results, 0);

        values[i] = first->rank == 0 ? first->value.value : first->list[i].value;
    }
    mm_results_free(results);
    mm_images_free(images);
    mm_eval_free(eval);
    mm_plan_free(plan);
    free(scratch);
    return status;
}

static mm_input labelled(const void *pred, mm_dtype dtype, const int32_t *label, size_t classes)
{
    return (mm_input){.pred = {.data = pred, .dtype = dtype, .rank = 2, .dim = {1, 4}},
                      .label = {.data = label, .dtype = MM_I32, .rank = 2, .dim = {1, 4}},
                      .classes = classes,
                      .threshold = 0.5};
}

/* A void label leaves everything; a class that is ignored is no class of a mean any more, but may be predicted. */
static void test_ignored(void)
{
    static const int32_t pred[] = {0, 1, 2, 1}, label[] = {0, 1, 255, 255}, classes[] = {0, 1, 2, 0};
    mm_input input = labelled(pred, MM_I32, label, 3);
    double value, list[3];

    input.pred_kind = MM_LABELS;
    input.has_ignore = 1;
    input.ignore_index = 255;
    CU_ASSERT_EQUAL(evaluate(&input, "torchmetrics.multiclass_jaccard_index(ignore_index=255,average=none)", list, 3),
                    MM_OK);
    CU_ASSERT(list[0] == 1.0 && list[1] == 1.0 && list[2] == 0.0);
    CU_ASSERT_EQUAL(evaluate(&input, "torchmetrics.multiclass_exact_match(ignore_index=255)", &value, 1), MM_OK);
    CU_ASSERT_EQUAL(value, 1.0);

    /* left of labels 1 2 0: predictions 1 2 1 */
    input.label.data = classes;
    input.ignore_index = 0;
    CU_ASSERT_EQUAL(evaluate(&input, "torchmetrics.multiclass_jaccard_index(ignore_index=0)", &value, 1), MM_OK);
    CU_ASSERT_EQUAL(value, 1.0);
    input.ignore_index = 1;
    /* left of labels 0 2 0: predictions 0 2 1 */
    CU_ASSERT_EQUAL(evaluate(&input, "torchmetrics.multiclass_jaccard_index(ignore_index=1)", &value, 1), MM_OK);
    CU_ASSERT_EQUAL(value, 0.75);
    CU_ASSERT_EQUAL(evaluate(&input, "torchmetrics.multiclass_jaccard_index(ignore_index=1,average=micro)", &value, 1),
                    MM_OK);
    CU_ASSERT_EQUAL(value, 2.0 / 3.0);
    CU_ASSERT_EQUAL(evaluate(&input, "torchmetrics.multiclass_recall(ignore_index=1)", &value, 1), MM_OK);
    CU_ASSERT_EQUAL(value, (0.5 + 0.0 + 1.0) / 3.0);
}

/* The function's threshold counts, not the request's; logits become probabilities first. */
static void test_thresholds(void)
{
    static const float p[] = {0.9f, 0.4f, 0.2f, 0.5f}, x[] = {2.0f, -0.5f, -2.0f, 0.0f};
    static const int32_t label[] = {1, 1, 0, 0};
    mm_input input = labelled(p, MM_F32, label, 1);
    double value;

    input.pred.rank = 3;
    input.pred.dim[1] = 1;
    input.pred.dim[2] = 4;
    for (int logits = 0; logits < 2; logits++) {
        input.pred.data = logits ? x : p;
        input.pred_kind = logits ? MM_LOGITS : MM_PROBS;
        input.threshold = 0.05;
        CU_ASSERT_EQUAL(evaluate(&input, "torchmetrics.binary_jaccard_index", &value, 1), MM_OK);
        CU_ASSERT_EQUAL(value, 0.5);
        CU_ASSERT_EQUAL(evaluate(&input, "torchmetrics.multilabel_recall(threshold=0.3)", &value, 1), MM_OK);
        CU_ASSERT_EQUAL(value, 1.0);
    }
}

/* -------------------------------------------------------------------- errors */

static void test_errors(void)
{
    static const struct {
        const char *expression, *says;
    } exclusive[] = {
        {"torchmetrics.multiclass_recall(num_classes=5)", "num_classes"},
        {"torchmetrics.dice_score(num_classes=2)", "num_classes"},
        {"torchmetrics.dice_score(input_format=index)", "input_format"},
        {"torchmetrics.dice_score(average=mean)", "average"},
        {"torchmetrics.mean_iou(per_class=1)", "per_class"},
        {"torchmetrics.generalized_dice_score(weight_type=uniform)", "weight_type"},
        {"torchmetrics.multiclass_accuracy(top_k=2)", "top_k"},
        {"torchmetrics.multiclass_accuracy(zero_division=1)", "zero_division"},
        {"torchmetrics.multiclass_precision(zero_division=0.5)", "zero_division"},
        {"torchmetrics.multiclass_precision(multidim_average=local)", "multidim_average"},
        {"torchmetrics.multiclass_fbeta_score", "beta"},
        {"torchmetrics.multiclass_fbeta_score(beta=0)", "beta"},
        {"torchmetrics.binary_accuracy(threshold=1.5)", "threshold"},
        {"torchmetrics.binary_accuracy(average=macro)", "average"},
        {"torchmetrics.multilabel_accuracy(num_labels=2)", "num_labels"},
        {"torchmetrics.multiclass_confusion_matrix(normalize=label)", "normalize"},
        {"torchmetrics.multiclass_cohen_kappa(weights=[1,2,3])", "weights"},
        {"torchmetrics.multiclass_jaccard_index(ignore_index=void)", "ignore_index"},
    };
    data d = three_classes(), masks = data_random(MM_MULTILABEL, 1, 3, 4, 86);
    mm_problem problem;

    for (size_t i = 0; i < sizeof exclusive / sizeof exclusive[0]; i++) {
        problem = (mm_problem){.text = ""};
        CU_ASSERT_EQUAL(refusal_of(&d, exclusive[i].expression, &problem), MM_BAD_PARAM);
        if (strstr(problem.text, exclusive[i].says) == NULL) {
            printf("\n    %s: %s\n", exclusive[i].expression, problem.text);
            CU_FAIL("the text names the parameter");
        }
    }
    CU_ASSERT_EQUAL(refusal_of(&masks, "torchmetrics.multiclass_accuracy", &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "exclusive classes"));
    CU_ASSERT_EQUAL(refusal_of(&masks, "torchmetrics.multiclass_cohen_kappa", &problem), MM_BAD_PARAM);
    data_free(&d);
    data_free(&masks);
}

/* ------------------------------------------------------------------- merging */

static int same_value(mm_value a, mm_value b)
{
    return a.reason == b.reason && (a.reason != MM_DEFINED || a.value == b.value);
}

/* Three parts of an image each give the bits of one upload. */
static void test_merged(void)
{
    static const char expressions[] =
        "torchmetrics.dice_score(average=none),torchmetrics.mean_iou,torchmetrics.generalized_dice_score,"
        "torchmetrics.multiclass_f1_score,torchmetrics.multilabel_f1_score(threshold=0.3),"
        "torchmetrics.binary_accuracy(multidim_average=samplewise),torchmetrics.multiclass_jaccard_index,"
        "torchmetrics.multiclass_stat_scores,torchmetrics.multiclass_exact_match,"
        "torchmetrics.multiclass_confusion_matrix,torchmetrics.multiclass_cohen_kappa,"
        "torchmetrics.multiclass_matthews_corrcoef";
    data d = data_random(MM_MULTICLASS, 3, 3, 30, 87);
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
        const mm_result *one = mm_results_at(whole.results, i), *merged = mm_results_at(results, i);
        size_t count = one->rank == 0 ? 0 : 1;

        CU_ASSERT(same_value(one->value, merged->value));
        for (unsigned axis = 0; axis < one->rank; axis++) {
            CU_ASSERT_EQUAL(one->dim[axis], merged->dim[axis]);
            count *= one->dim[axis];
        }
        for (size_t k = 0; k < count; k++)
            CU_ASSERT(same_value(one->list[k], merged->list[k]));
    }
    mm_results_free(results);
    mm_images_free(into);
    scored_free(&whole);
    data_free(&d);
}

static CU_TestInfo tests[] = {
    {"rates of exclusive classes against voxels", test_exclusive_rates},
    {"rates of masks against voxels", test_mask_rates},
    {"binary rates against voxels", test_binary_rates},
    {"0/0", test_zero_division},
    {"dice_score by hand", test_dice_score},
    {"mean_iou by hand", test_mean_iou},
    {"generalized_dice_score by hand, and its note", test_generalized_dice},
    {"stat_scores by hand", test_stat_scores},
    {"exact match", test_exact_match},
    {"confusion matrices by hand", test_matrices},
    {"kappa by hand", test_kappa},
    {"correlation, and its odd cases", test_correlation},
    {"ignored voxels", test_ignored},
    {"thresholds", test_thresholds},
    {"refusals name the parameter", test_errors},
    {"merged evaluations", test_merged},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_peer_torchmetrics = {"peer_torchmetrics", tests};
