/*
 * test_peer_torchmetrics_rank.c - torchmetrics' calibration errors, AUROC and average precision against pairs and bins
 * of voxels, their odd cases, notes and errors, and merged evaluations.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
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

enum { CLASSES = 3 };

/* One value per class, NAN for what is not defined. */
static void check_classes(const data *d, const char *expression, const double expected[CLASSES])
{
    scored s = score(d, expression, NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    CU_ASSERT_EQUAL_FATAL(s.first->rank, 1);
    CU_ASSERT_EQUAL_FATAL(s.first->dim[0], CLASSES);
    for (size_t c = 0; c < CLASSES; c++) {
        const mm_value x = s.first->list[c];

        if (isnan(expected[c]) ? x.reason != MM_SINGLE_CLASS
                               : x.reason != MM_DEFINED || !close_to(x.value, expected[c])) {
            printf("\n    %s: %.17g (reason %d) of class %zu instead of %.17g\n", expression, x.value, (int)x.reason, c,
                   expected[c]);
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

/* --------------------------------------------------------------------- ranks */

enum { MOST = 512 };

/* A list of voxels: p, and whether it is in the label. */
typedef struct voxels {
    double p[MOST];
    int label[MOST];
    size_t count;
} voxels;

static void add_class(voxels *to, const data *d, size_t c)
{
    for (size_t n = 0; n < d->images; n++)
        for (size_t v = 0; v < d->voxels; v++) {
            to->p[to->count] = p_at(d, n, c, v);
            to->label[to->count++] = hard_g(d, n, c, v);
        }
}

/* Share of the pairs of a label voxel and another in which p is greater; equal ones count half. */
static double pairs_in_order(const voxels *x)
{
    double right = 0.0, pairs = 0.0;

    for (size_t i = 0; i < x->count; i++)
        for (size_t j = 0; j < x->count; j++)
            if (x->label[i] && !x->label[j]) {
                right += x->p[i] > x->p[j] ? 1.0 : x->p[i] == x->p[j] ? 0.5 : 0.0;
                pairs += 1.0;
            }
    return right / pairs;
}

/* Mean over the label's voxels of the precision among those with at least their p: steps of equal p count once for
 * each of their label voxels. */
static double mean_precision(const voxels *x)
{
    double sum = 0.0, label = 0.0;

    for (size_t i = 0; i < x->count; i++) {
        double above = 0.0, right = 0.0;

        for (size_t j = 0; j < x->count; j++) {
            above += x->p[j] >= x->p[i];
            right += x->p[j] >= x->p[i] && x->label[j];
        }
        sum += x->label[i] ? right / above : 0.0;
        label += x->label[i];
    }
    return sum / label;
}

/* Probabilities of a coarse grid, so that some are equal. */
static data coarse(mm_task task, unsigned seed)
{
    data d = data_random(task, 2, 3, 40, seed);

    for (size_t i = 0; i < 2 * 3 * 40; i++)
        d.p[i] = floor(d.p[i] * 16.0) / 16.0;
    for (size_t n = 0; n < 2 && task == MM_MULTICLASS; n++)
        for (size_t v = 0; v < 40; v++) /* rows sum to 1 */
            d.p[n * 120 + v] = 1.0 - d.p[n * 120 + 40 + v] - d.p[n * 120 + 80 + v];
    return d;
}

static void test_multiclass_ranks(void)
{
    data d = coarse(MM_MULTICLASS, 91);
    double area[CLASSES], precision[CLASSES], label[CLASSES], all = 0.0;

    for (size_t c = 0; c < CLASSES; c++) {
        voxels x = {.count = 0};

        add_class(&x, &d, c);
        area[c] = pairs_in_order(&x);
        precision[c] = mean_precision(&x);
        label[c] = 0.0;
        for (size_t i = 0; i < x.count; i++)
            label[c] += x.label[i];
        all += label[c];
    }
    check_classes(&d, "torchmetrics.multiclass_auroc(average=none,thresholds=none)", area);
    check(&d, "torchmetrics.multiclass_auroc", (area[0] + area[1] + area[2]) / 3.0);
    check(&d, "torchmetrics.multiclass_auroc(average=weighted,num_classes=3)",
          (area[0] * label[0] + area[1] * label[1] + area[2] * label[2]) / all);
    check_classes(&d, "torchmetrics.multiclass_average_precision(average=none)", precision);
    check(&d, "torchmetrics.multiclass_average_precision", (precision[0] + precision[1] + precision[2]) / 3.0);
    check(&d, "torchmetrics.multiclass_average_precision(average=weighted)",
          (precision[0] * label[0] + precision[1] * label[1] + precision[2] * label[2]) / all);
    CU_ASSERT(!has_note(&d, "torchmetrics.multiclass_auroc"));
    data_free(&d);
}

/* All classes in one list, whatever the task. */
static void test_binary_ranks(void)
{
    static const mm_task tasks[] = {MM_MULTILABEL, MM_MULTICLASS};

    for (size_t t = 0; t < 2; t++) {
        data d = coarse(tasks[t], 92);
        voxels x = {.count = 0};

        for (size_t c = 0; c < 3; c++)
            add_class(&x, &d, c);
        check(&d, "torchmetrics.binary_auroc", pairs_in_order(&x));
        check(&d, "torchmetrics.binary_average_precision", mean_precision(&x));
        CU_ASSERT(!has_note(&d, "torchmetrics.binary_auroc"));
        data_free(&d);
    }
}

/* Where only one of label and rest is there: 0, or not defined. */
static void test_single_class(void)
{
    static const double first[] = {.5, .7, .3, .2, .2, .1, /* p */ 1, 1, 0, 0, 0, 0 /* g */};
    static const double second[] = {.5, .7, .3, .2, .2, .1, /* p */ 0, 0, 1, 1, 0, 0 /* g */};
    static const double mask[] = {.5, .7, /* p */ 0, 0 /* g */}, full[] = {.5, .7, /* p */ 1, 1 /* g */};
    static const double nothing[] = {0, 0, 0}, of_first[] = {1, 0, 0};
    static const double of_second[] = {(double)NAN, 1, (double)NAN};
    data a = data_given(MM_MULTICLASS, 1, 3, 2, first), b = data_given(MM_MULTICLASS, 1, 3, 2, second);
    data empty = data_given(MM_MULTILABEL, 1, 1, 2, mask), whole = data_given(MM_MULTILABEL, 1, 1, 2, full);

    check_classes(&a, "torchmetrics.multiclass_auroc(average=none)", nothing);
    check_classes(&a, "torchmetrics.multiclass_average_precision(average=none)", of_first);
    check(&a, "torchmetrics.multiclass_average_precision", 1.0 / 3.0);
    check_classes(&b, "torchmetrics.multiclass_average_precision(average=none)", of_second);
    check(&b, "torchmetrics.multiclass_average_precision", 1.0);
    check(&empty, "torchmetrics.binary_auroc", 0.0);
    check(&empty, "torchmetrics.binary_average_precision", 0.0);
    check(&whole, "torchmetrics.binary_auroc", 0.0);
    check(&whole, "torchmetrics.binary_average_precision", 1.0);
    CU_ASSERT(has_note(&a, "torchmetrics.multiclass_auroc"));
    CU_ASSERT(has_note(&a, "torchmetrics.multiclass_average_precision"));
    CU_ASSERT(!has_note(&b, "torchmetrics.multiclass_average_precision"));
    CU_ASSERT(has_note(&whole, "torchmetrics.binary_auroc"));
    CU_ASSERT(!has_note(&whole, "torchmetrics.binary_average_precision"));
    data_free(&a);
    data_free(&b);
    data_free(&empty);
    data_free(&whole);
}

/* --------------------------------------------------------------- calibration */

enum { BINS = 4 };

/* Gaps of bins; p = 1 has the last one for itself. */
typedef struct bins {
    double count[BINS + 1], confidence[BINS + 1], right[BINS + 1], all;
} bins;

static void put(bins *to, double p, double right)
{
    const size_t bin = (size_t)(p * BINS); /* quarters are exact */

    to->count[bin] += 1.0;
    to->confidence[bin] += p;
    to->right[bin] += right;
    to->all += 1.0;
}

enum { L1, L2, MAX };

static double gap(const bins *x, int norm)
{
    double sum = 0.0, most = 0.0;

    for (size_t b = 0; b <= BINS; b++) {
        const double off = x->count[b] == 0.0 ? 0.0 : fabs(x->right[b] - x->confidence[b]) / x->count[b];

        sum += (norm == L2 ? off * off : off) * x->count[b] / x->all;
        most = fmax(most, off);
    }
    return norm == MAX ? most : norm == L2 ? sqrt(sum) : sum;
}

/* Sixteenths are exact in float, too. */
static void test_calibration(void)
{
    data d = coarse(MM_MULTICLASS, 93), masks = coarse(MM_MULTILABEL, 93);
    bins top = {.all = 0.0}, one = {.all = 0.0};

    d.p[0] = 1.0;
    d.p[40] = d.p[80] = 0.0;
    masks.p[7] = 1.0;
    for (size_t n = 0; n < 2; n++)
        for (size_t v = 0; v < 40; v++) {
            double greatest = 0.0, right = 0.0;

            for (size_t c = 0; c < 3; c++) {
                greatest = fmax(greatest, p_at(&d, n, c, v));
                right += hard_p(&d, n, c, v) && hard_g(&d, n, c, v);
                put(&one, p_at(&masks, n, c, v), g_at(&masks, n, c, v));
            }
            put(&top, greatest, right);
        }
    check(&d, "torchmetrics.multiclass_calibration_error(n_bins=4)", gap(&top, L1));
    check(&d, "torchmetrics.multiclass_calibration_error(n_bins=4,norm=l2)", gap(&top, L2));
    check(&d, "torchmetrics.multiclass_calibration_error(n_bins=4,norm=max,num_classes=3)", gap(&top, MAX));
    check(&masks, "torchmetrics.binary_calibration_error(n_bins=4)", gap(&one, L1));
    check(&masks, "torchmetrics.binary_calibration_error(n_bins=4,norm=l2)", gap(&one, L2));
    check(&masks, "torchmetrics.binary_calibration_error(n_bins=4,norm=max)", gap(&one, MAX));
    CU_ASSERT_EQUAL(value_of(&d, "torchmetrics.multiclass_calibration_error", NULL),
                    value_of(&d, "torchmetrics.multiclass_calibration_error(n_bins=15,norm=l1)", NULL));
    data_free(&d);
    data_free(&masks);
}

/* Two wrong voxels of p = 1, two right ones of p = 3/4: two bins, not one. */
static void test_last_bin(void)
{
    static const double values[] = {1, 1, .75, .75, /* p */ 0, 0, 1, 1 /* g */};
    data d = data_given(MM_MULTILABEL, 1, 1, 4, values);

    check(&d, "torchmetrics.binary_calibration_error(n_bins=2)", 0.5 * 1.0 + 0.5 * 0.25);
    check(&d, "torchmetrics.binary_calibration_error(n_bins=2,norm=max)", 1.0);
    data_free(&d);
}

/* -------------------------------------------------------------------- errors */

static void test_errors(void)
{
    static const struct {
        const char *expression, *says;
    } wrong[] = {
        {"torchmetrics.multiclass_calibration_error(n_bins=2.5)", "n_bins"},
        {"torchmetrics.multiclass_calibration_error(n_bins=0)", "n_bins"},
        {"torchmetrics.binary_calibration_error(n_bins=1.5)", "n_bins"},
        {"torchmetrics.binary_calibration_error(norm=l3)", "norm"},
        {"torchmetrics.multiclass_calibration_error(num_classes=2)", "num_classes"},
        {"torchmetrics.multiclass_auroc(num_classes=2)", "num_classes"},
        {"torchmetrics.multiclass_auroc(average=micro)", "average"},
        {"torchmetrics.multiclass_auroc(thresholds=5)", "thresholds"},
        {"torchmetrics.binary_auroc(max_fpr=0.5)", "max_fpr"},
    };
    data d = coarse(MM_MULTICLASS, 94), masks = coarse(MM_MULTILABEL, 94);
    mm_problem problem;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        problem = (mm_problem){.text = ""};
        CU_ASSERT_EQUAL(refusal_of(&d, wrong[i].expression, &problem), MM_BAD_PARAM);
        if (strstr(problem.text, wrong[i].says) == NULL) {
            printf("\n    %s: %s\n", wrong[i].expression, problem.text);
            CU_FAIL("the text names the parameter");
        }
    }
    CU_ASSERT_EQUAL(refusal_of(&masks, "torchmetrics.multiclass_auroc", &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(refusal_of(&masks, "torchmetrics.multiclass_calibration_error", &problem), MM_BAD_PARAM);
    d.pred_kind = MM_MASKS;
    CU_ASSERT_EQUAL(refusal_of(&d, "torchmetrics.multiclass_auroc", &problem), MM_UNSUITABLE);
    CU_ASSERT_EQUAL(refusal_of(&d, "torchmetrics.binary_calibration_error", &problem), MM_UNSUITABLE);
    data_free(&d);
    data_free(&masks);
}

/* ------------------------------------------------------------------- merging */

/* Bins are added; the order of the voxels of two uploads is not known. */
static void test_merged(void)
{
    static const char expressions[] =
        "torchmetrics.multiclass_calibration_error,torchmetrics.binary_calibration_error(norm=l2),"
        "torchmetrics.multiclass_auroc,torchmetrics.binary_average_precision";
    data d = coarse(MM_MULTICLASS, 95);
    scored whole = score(&d, expressions, NULL);
    mm_results *results = NULL;

    CU_ASSERT_PTR_NOT_NULL_FATAL(whole.first);
    mm_images *into = images_of(&d, whole.plan, 0, 1), *part = images_of(&d, whole.plan, 1, 2);
    CU_ASSERT_EQUAL_FATAL(mm_images_merge(into, part, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, into, whole.plan, NULL, NULL), MM_OK);
    for (size_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(mm_results_at(results, i)->value.value, mm_results_at(whole.results, i)->value.value);
    for (size_t i = 2; i < 4; i++) {
        CU_ASSERT_EQUAL(mm_results_at(whole.results, i)->value.reason, MM_DEFINED);
        CU_ASSERT_EQUAL(mm_results_at(results, i)->value.reason, MM_NOT_IN_SUMS);
        CU_ASSERT_PTR_NOT_NULL(mm_results_at(results, i)->note);
    }
    mm_results_free(results);
    mm_images_free(into);
    mm_images_free(part);
    scored_free(&whole);
    data_free(&d);
}

static CU_TestInfo tests[] = {
    {"ranks of exclusive classes against pairs of voxels", test_multiclass_ranks},
    {"ranks of all voxels against pairs", test_binary_ranks},
    {"ranks where only one class is there", test_single_class},
    {"calibration against bins of voxels", test_calibration},
    {"the bin of p = 1", test_last_bin},
    {"refusals name the parameter", test_errors},
    {"merged evaluations", test_merged},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_peer_torchmetrics_rank = {"peer_torchmetrics_rank", tests};
