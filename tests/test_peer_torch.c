/*
 * test_peer_torch.c - losses of torch.nn.functional against their formulas written out over voxels.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/score_tools.h"

#define CLASSES 3

static const double weight[CLASSES] = {0.5, 1.2, 1.9};

static void check(const data *d, const char *expression, double expected)
{
    const double value = value_of(d, expression, NULL);

    if (!close_to(value, expected)) {
        printf("\n    %s: %.17g instead of %.17g\n", expression, value, expected);
        CU_FAIL("value");
    }
}

/* -log softmax of what was sent */
static double nll(const data *d, size_t n, size_t c, size_t v)
{
    double total = 0.0;

    for (size_t k = 0; k < d->classes; k++)
        total += exp(p_at(d, n, k, v));
    return log(total) - p_at(d, n, c, v);
}

/* Weighted sums over everything: of the label's term, of all terms, and of the label's weights. */
typedef struct entropy {
    double label, all, weights;
} entropy;

static entropy entropy_of(const data *d, size_t from, size_t to)
{
    entropy sums = {0.0, 0.0, 0.0};

    for (size_t n = from; n < to; n++)
        for (size_t v = 0; v < d->voxels; v++)
            for (size_t c = 0; c < CLASSES; c++) {
                sums.label += weight[c] * g_at(d, n, c, v) * nll(d, n, c, v);
                sums.all += weight[c] * nll(d, n, c, v);
                sums.weights += weight[c] * g_at(d, n, c, v);
            }
    return sums;
}

/* A label for each class: the mean is over the voxels, whatever the weights. */
static void test_cross_entropy(void)
{
    data d = data_random(MM_MULTICLASS, 2, CLASSES, 40, 51);
    const entropy sums = entropy_of(&d, 0, 2);
    double plain = 0.0;

    for (size_t n = 0; n < 2; n++)
        for (size_t v = 0; v < 40; v++)
            for (size_t c = 0; c < 3; c++)
                plain += g_at(&d, n, c, v) * nll(&d, n, c, v) / 80.0;
    check(&d, "torch.cross_entropy", plain);
    check(&d, "torch.cross_entropy(weight=[0.5,1.2,1.9])", sums.label / 80.0);
    check(&d, "torch.cross_entropy(weight=[0.5,1.2,1.9],label_smoothing=0.1)",
          (0.9 * sums.label + 0.1 / 3.0 * sums.all) / 80.0);
    check(&d, "torch.cross_entropy(weight=[0.5,1.2,1.9],reduction=sum,ignore_index=255)", sums.label);
    data_free(&d);
}

/* An index map through the engine: the weighted mean is over the weights of the labels.  What kind the label was is
 * kept with the sums, so parts of both kinds merge. */
static void test_index(void)
{
    data d = data_random(MM_MULTICLASS, 2, CLASSES, 40, 52);
    const entropy first = entropy_of(&d, 0, 1), second = entropy_of(&d, 1, 2);
    mm_plan *plan = bound_plan(&d, "torch.cross_entropy(weight=[0.5,1.2,1.9])");
    mm_images *into, *part;
    mm_results *results = NULL;

    CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
    into = indexed_images_of(&d, plan, 0, 1);
    part = images_of(&d, plan, 1, 2);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, into, plan, NULL, NULL), MM_OK);
    CU_ASSERT(close_to(mm_results_at(results, 0)->value.value, first.label / first.weights));
    mm_results_free(results);
    results = NULL;
    CU_ASSERT_EQUAL_FATAL(mm_images_merge(into, part, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, into, plan, NULL, NULL), MM_OK);
    CU_ASSERT(close_to(mm_results_at(results, 0)->value.value, (first.label + second.label) / (first.weights + 40.0)));
    mm_results_free(results);
    mm_images_free(into);
    mm_images_free(part);
    mm_plan_free(plan);
    data_free(&d);
}

static void test_nll(void)
{
    data d = data_random(MM_MULTICLASS, 2, CLASSES, 40, 53);
    double plain = 0.0, weighted = 0.0;

    for (size_t n = 0; n < 2; n++)
        for (size_t v = 0; v < 40; v++)
            for (size_t c = 0; c < 3; c++) {
                plain -= g_at(&d, n, c, v) * p_at(&d, n, c, v);
                weighted -= weight[c] * g_at(&d, n, c, v) * p_at(&d, n, c, v);
            }
    check(&d, "torch.nll_loss", plain / 80.0);
    check(&d, "torch.nll_loss(weight=[0.5,1.2,1.9])", weighted / entropy_of(&d, 0, 2).weights);
    check(&d, "torch.nll_loss(reduction=sum)", plain);
    data_free(&d);
}

/* Logarithms of probabilities are clamped at -100. */
static void test_binary(void)
{
    static const double sure[] = {0.0, 1.0, 0.5, 1.0, 0.0, 0.0};
    data d = data_random(MM_MULTILABEL, 2, 2, 40, 54);
    double plain = 0.0, priced = 0.0;

    for (size_t n = 0; n < 2; n++)
        for (size_t v = 0; v < 40; v++)
            for (size_t c = 0; c < 2; c++) {
                const double x = p_at(&d, n, c, v), g = g_at(&d, n, c, v), p = 1.0 / (1.0 + exp(-x));

                plain -= weight[c] * (g * log(x) + (1.0 - g) * log(1.0 - x));
                priced -= weight[c] * ((c == 0 ? 3.0 : 4.0) * g * log(p) + (1.0 - g) * log(1.0 - p));
            }
    check(&d, "torch.binary_cross_entropy(weight=[0.5,1.2])", plain / 160.0);
    check(&d, "torch.binary_cross_entropy_with_logits(weight=[0.5,1.2],pos_weight=[3,4])", priced / 160.0);
    check(&d, "torch.binary_cross_entropy_with_logits(weight=[0.5,1.2],pos_weight=[3,4],reduction=sum)", priced);
    data_free(&d);
    d = data_given(MM_MULTILABEL, 1, 1, 3, sure);
    check(&d, "torch.binary_cross_entropy", (100.0 + 100.0 + log(2.0)) / 3.0);
    check(&d, "torch.binary_cross_entropy(weight=2,reduction=sum)", 2.0 * (200.0 + log(2.0)));
    data_free(&d);
}

static void refused(const data *d, const char *expression, const char *part)
{
    mm_problem problem = {.text = ""};

    CU_ASSERT_EQUAL(refusal_of(d, expression, &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, part));
}

static void test_errors(void)
{
    data exclusive = data_random(MM_MULTICLASS, 1, 3, 8, 55), masks = data_random(MM_MULTILABEL, 1, 2, 8, 56);

    refused(&masks, "torch.cross_entropy", "exclusive classes");
    refused(&masks, "torch.nll_loss", "exclusive classes");
    refused(&exclusive, "torch.cross_entropy(weight=[1,2])", "weight");
    refused(&exclusive, "torch.cross_entropy(reduction=none)", "mean");
    refused(&exclusive, "torch.cross_entropy(label_smoothing=2)", "label_smoothing");
    refused(&masks, "torch.binary_cross_entropy(weight=[1,2,3])", "one for each class");
    refused(&masks, "torch.binary_cross_entropy_with_logits(pos_weight=[1,2,3])", "one for each class");
    refused(&masks, "torch.binary_cross_entropy(pos_weight=2)", "pos_weight");
    data_free(&exclusive);
    data_free(&masks);
}

static CU_TestInfo tests[] = {
    {"cross-entropy against voxels", test_cross_entropy},
    {"index labels, merged with others", test_index},
    {"nll_loss", test_nll},
    {"binary cross-entropies", test_binary},
    {"refusals name the parameter", test_errors},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_peer_torch = {"peer_torch", tests};
