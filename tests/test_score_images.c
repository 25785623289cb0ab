/*
 * test_score_images.c - natural scores of whole images: made of their columns as they say, averaged, undefined, merged.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/scores.h"
#include "tests/image_tools.h"

/* ---------------------------------------------------------- from the columns */

/* What a score is made of: values w of the column (1 ...), sums of p g, p and g, and whether label and prediction are
 * there; NAN: not defined. */
typedef struct cell {
    const double *w;
    double pg, p, g;
    size_t label, pred, scored;
} cell;

static double whole(const cell *x)
{
    return x->w[1];
}

static double in_label(const cell *x)
{
    return x->label == 0 ? (double)NAN : x->w[1];
}

static double one_minus_whole(const cell *x)
{
    return 1.0 - x->w[1];
}

static double both_sides(const cell *x)
{
    return x->label == 0 || x->label == x->scored ? (double)NAN : x->w[1];
}

static double scales(const cell *x)
{
    static const double weight[] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
    double product = 1.0;

    for (size_t s = 0; s < 5; s++)
        product *= pow(fmax(s < 4 ? x->w[1 + s] : x->w[10], 0.0), weight[s]);
    return product;
}

static double one_minus_scales(const cell *x)
{
    return 1.0 - scales(x);
}

static double quotient(const cell *x)
{
    return x->w[1] / x->w[2];
}

static double soft_cldice(const cell *x, double s)
{
    const double tprec = (x->w[1] + s) / (x->w[2] + s), tsens = (x->w[3] + s) / (x->w[4] + s);

    return 1.0 - 2.0 * tprec * tsens / (tprec + tsens);
}

static double cldice_loss(const cell *x)
{
    return soft_cldice(x, 1.0);
}

static double mixed(const cell *x)
{
    return 0.7 * (1.0 - (2.0 * x->pg + 0.5) / (x->p + x->g + 0.5)) + 0.3 * soft_cldice(x, 0.5);
}

static double hard_cldice(const cell *x)
{
    if (x->w[2] == 0.0 || x->w[4] == 0.0)
        return (double)NAN;
    const double tprec = x->w[1] / x->w[2], tsens = x->w[3] / x->w[4];
    return tprec + tsens > 0.0 ? 2.0 * tprec * tsens / (tprec + tsens) : 0.0;
}

static double panoptic(const cell *x)
{
    return x->w[1] / (x->w[2] + 0.5 * x->w[3] + 0.5 * x->w[4]);
}

static double segmentation(const cell *x)
{
    return x->w[1] / x->w[2];
}

static double recognition(const cell *x)
{
    return x->w[2] / (x->w[2] + 0.5 * x->w[3] + 0.5 * x->w[4]);
}

static const struct {
    const char *text;
    mm_stat stat;
    double (*of)(const cell *x);
    int logits;
} scores[] = {
    {"lovasz_softmax_loss(present=false)", {.kind = MM_IMAGE_LOVASZ}, whole, 0},
    {"lovasz_softmax_loss", {.kind = MM_IMAGE_LOVASZ}, in_label, 0},
    {"lovasz_hinge_loss", {.kind = MM_IMAGE_LOVASZ, .form = MM_FORM_SENT, .gamma = 1}, whole, 1},
    {"auroc", {.kind = MM_IMAGE_AUROC}, both_sides, 0},
    {"average_precision", {.kind = MM_IMAGE_AVERAGE_PRECISION}, both_sides, 0},
    {"ssim(window=3,sigma=1,k1=.1,k2=.2,range=2,kernel=uniform)",
     {.kind = MM_IMAGE_SSIM, .more = {3, 1, .1, .2, 2, 1}},
     whole,
     0},
    {"ssim", {.kind = MM_IMAGE_SSIM, .more = {11, 1.5, .01, .03, 1, 0}}, whole, 0},
    {"ssim_loss(window=2)", {.kind = MM_IMAGE_SSIM, .more = {2, 1.5, .01, .03, 1, 0}}, one_minus_whole, 0},
    {"ms_ssim(window=1)", {.kind = MM_IMAGE_MS_SSIM, .more = {1, 1.5, .01, .03, 1, 0}}, scales, 0},
    {"ms_ssim_loss(window=1)", {.kind = MM_IMAGE_MS_SSIM, .more = {1, 1.5, .01, .03, 1, 0}}, one_minus_scales, 0},
    {"ms_ssim", {.kind = MM_IMAGE_MS_SSIM, .more = {11, 1.5, .01, .03, 1, 0}}, scales, 0},
    {"correlation_ssim_loss(beta=.3,c=.02,window=5,sigma=2)",
     {.kind = MM_IMAGE_CORRELATION, .eps = 1e-7, .more = {.3, .02, 5, 2}},
     quotient,
     0},
    {"cldice", {.kind = MM_IMAGE_CLDICE_HARD}, hard_cldice, 0},
    {"cldice_loss", {.kind = MM_IMAGE_CLDICE, .more = {3}}, cldice_loss, 0},
    {"dice_cldice_loss(alpha=.3,smooth=.5,iterations=1)", {.kind = MM_IMAGE_CLDICE, .more = {1}}, mixed, 0},
    {"panoptic_quality", {.kind = MM_IMAGE_PANOPTIC, .more = {.5, 1}}, panoptic, 0},
    {"segmentation_quality(iou=.2,connectivity=2)", {.kind = MM_IMAGE_PANOPTIC, .more = {.2, 2}}, segmentation, 0},
    {"recognition_quality(iou=.1,connectivity=3)", {.kind = MM_IMAGE_PANOPTIC, .more = {.1, 3}}, recognition, 0},
};

static cell cell_of(const scene *s, size_t n, size_t c)
{
    cell x = {.w = NULL};

    for (size_t v = 0; v < s->voxels; v++) {
        const double p = scene_p(s, n, c, v), g = scene_g(s, n, c, v);

        x.pg += p * g;
        x.p += p;
        x.g += g;
        x.label += g == 1.0;
        x.pred += (size_t)scene_hard(s, n, c, v);
        x.scored += (size_t)scene_scored(s, n, v);
    }
    return x;
}

/* The value of one image and class; NAN: not defined. */
static double expected(const scene *s, size_t which, const double *column, size_t n, size_t c)
{
    const mm_stat *stat = &scores[which].stat;
    double values[12];
    cell x = cell_of(s, n, c);

    for (size_t w = 0; w < mm_stat_width(stat, s->classes); w++)
        values[w] = scene_value(s, stat, column, n, w, c);
    x.w = values;
    if ((x.label == 0 && x.pred == 0) || values[0] != MM_DEFINED)
        return (double)NAN;
    return scores[which].of(&x);
}

/* per_image, and the means of what is defined: over images, then over classes. */
static void check(const scene *s, size_t which)
{
    double *column = scene_column(s, &scores[which].stat), total = 0.0, classes = 0.0;
    scene_scores got = scene_score(s, scores[which].text, NULL, 0, s->images);

    if (got.first == NULL)
        printf("\n    %s: %s\n", scores[which].text, got.problem.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got.first);
    for (size_t c = 0; c < s->classes; c++) {
        double sum = 0.0, count = 0.0;

        for (size_t n = 0; n < s->images; n++) {
            const mm_value value = got.first->per_image[n * s->classes + c];
            const double want = expected(s, which, column, n, c);

            CU_ASSERT_EQUAL(value.reason == MM_DEFINED, isfinite(want));
            CU_ASSERT(!isfinite(want) || scene_close(value.value, want));
            sum += isfinite(want) ? want : 0.0;
            count += isfinite(want);
        }
        CU_ASSERT_EQUAL(got.first->per_class[c].reason == MM_DEFINED, count > 0.0);
        CU_ASSERT(count == 0.0 || scene_close(got.first->per_class[c].value, sum / count));
        total += count > 0.0 ? sum / count : 0.0;
        classes += count > 0.0;
    }
    CU_ASSERT_EQUAL(got.first->value.reason == MM_DEFINED, classes > 0.0);
    CU_ASSERT(classes == 0.0 || scene_close(got.first->value.value, total / classes));
    scene_drop(&got);
    free(column);
}

static void test_values(void)
{
    static const size_t shapes[][3] = {{40}, {17, 16}, {5, 6, 7}};

    for (unsigned rank = 1; rank <= 3; rank++)
        for (unsigned k = 0; k < 6; k++) {
            const scene_kind kind = {k == 2 ? 0 : k == 3 ? 16 : 6, k & 1 ? 15 : 16, k == 4 ? 1 : 40};

            for (size_t which = 0; which < MM_COUNT(scores); which++) {
                scene s =
                    scene_random(k & 1 ? MM_MULTICLASS : MM_MULTILABEL, scores[which].logits ? MM_LOGITS : MM_PROBS, 2,
                                 3, rank, shapes[rank - 1], kind, rank * 10 + k);

                check(&s, which);
                scene_free(&s);
            }
        }
}

/* ----------------------------------------------------------------- by hand */

static void check_value(const scene *s, const char *text, const double *weights, double value)
{
    scene_scores got = scene_score(s, text, weights, 0, s->images);

    CU_ASSERT_PTR_NOT_NULL_FATAL(got.first);
    if (!scene_close(got.first->value.value, value)) {
        printf("\n    %s: %.17g instead of %.17g\n", text, got.first->value.value, value);
        CU_FAIL("value");
    }
    scene_drop(&got);
}

/* Cross-entropy where it is largest, and with the distance of logits from the labels around. */
static void test_joint(void)
{
    static const size_t shape[] = {4};
    static const double logits[] = {2, 0, -1, 0.5, /* class 0 */ 0, 0, 1, 0 /* class 1 */};
    static const double labels[] = {1, 1, 0, 0, 0, 0, 1, 1};
    scene s = scene_random(MM_MULTICLASS, MM_LOGITS, 1, 2, 1, shape, (scene_kind){8, 16, 3}, 1);

    memcpy(s.p, logits, sizeof logits);
    memcpy(s.g, labels, sizeof labels);
    const double ce[] = {log1p(exp(-2.0)), log(2.0), log1p(exp(-2.0)), log1p(exp(0.5))};
    const double mean = (ce[0] + ce[1] + ce[2] + ce[3]) / 4.0;
    /* means around: 2/3 2/3 1/3 0 and 0 1/3 2/3 2/3 */
    const double distance = (4.0 / 3 + 2.0 / 3 + 4.0 / 3 + 1.0 / 2 + 0.0 + 1.0 / 3 + 1.0 / 3 + 2.0 / 3) / 8.0;
    const double squares = (16.0 / 9 + 4.0 / 9 + 16.0 / 9 + 1.0 / 4 + 0.0 + 1.0 / 9 + 1.0 / 9 + 4.0 / 9) / 8.0;

    check_value(&s, "topk_cross_entropy", NULL, ce[3]);
    check_value(&s, "topk_cross_entropy(k=74.9)", NULL, (ce[3] + ce[1]) / 2.0);
    check_value(&s, "topk_cross_entropy(k=75)", NULL, (ce[3] + ce[1] + ce[0]) / 3.0);
    check_value(&s, "topk_cross_entropy(k=100)", NULL, mean);
    check_value(&s, "nacl_loss", NULL, mean + 0.1 * distance);
    check_value(&s, "nacl_loss(alpha=2,norm=l2)", NULL, mean + 2.0 * squares);
    check_value(&s, "nacl_loss(size=1,alpha=0)", NULL, mean);
    check_value(&s, "nacl_loss(classes=[1])", NULL,
                (ce[2] + ce[3]) / 2.0 + 0.1 * (0.0 + 1.0 / 3 + 1.0 / 3 + 2.0 / 3) / 4.0);
    scene_free(&s);
}

/* Independent masks: binary cross-entropy of every class. */
static void test_joint_masks(void)
{
    static const size_t shape[] = {3};
    static const double logits[] = {1, 0, -2, 3, -1, 0}, labels[] = {1, 0, 0, 0, 1, 1};
    scene s = scene_random(MM_MULTILABEL, MM_LOGITS, 1, 2, 1, shape, (scene_kind){8, 16, 3}, 1);
    double sum = 0.0;

    memcpy(s.p, logits, sizeof logits);
    memcpy(s.g, labels, sizeof labels);
    for (size_t i = 0; i < 6; i++)
        sum += log1p(exp(labels[i] == 1.0 ? -logits[i] : logits[i]));
    check_value(&s, "topk_cross_entropy", NULL, log1p(exp(3.0)));
    check_value(&s, "topk_cross_entropy(k=40)", NULL, (log1p(exp(3.0)) + log1p(exp(1.0))) / 2.0);
    check_value(&s, "nacl_loss(size=1)", NULL, sum / 6.0 + 0.1 * (0.0 + 0.0 + 2.0 + 3.0 + 2.0 + 1.0) / 6.0);
    s.pred_kind = MM_PROBS; /* clamped at eps, and 1 */
    for (size_t i = 0; i < 6; i++)
        s.p[i] = labels[i] == 1.0 ? 1.0 : 0.0;
    s.p[3] = 1.0;
    check_value(&s, "topk_cross_entropy(eps=1e-3)", NULL, -log(1e-3));
    check_value(&s, "topk_cross_entropy(k=100)", NULL, -log(1e-7) / 6.0);
    scene_free(&s);
}

/* Why there is no value. */
static void test_reasons(void)
{
    static const size_t shape[] = {12};
    static const struct {
        const char *text;
        double label, pred;
        mm_reason reason;
    } cases[] = {{"lovasz_softmax_loss", 0, 1, MM_ABSENT_IN_LABEL},
                 {"lovasz_softmax_loss", 0, 0, MM_ABSENT_IN_BOTH},
                 {"lovasz_softmax_loss(present=false)", 0, 1, MM_DEFINED},
                 {"auroc", 0, 1, MM_SINGLE_CLASS},
                 {"auroc", 1, 0, MM_SINGLE_CLASS},
                 {"average_precision", 0, 1, MM_SINGLE_CLASS},
                 {"average_precision", 1, 1, MM_SINGLE_CLASS},
                 {"ssim(window=13)", 1, 1, MM_TOO_SMALL},
                 {"ms_ssim_loss(window=1)", 1, 1, MM_TOO_SMALL},
                 {"correlation_ssim_loss", 1, 1, MM_ZERO_DENOMINATOR},
                 {"cldice", 0, 1, MM_ABSENT_IN_LABEL},
                 {"cldice", 1, 0, MM_ABSENT_IN_PREDICTION},
                 {"cldice", 1, 1, MM_ZERO_DENOMINATOR},
                 {"cldice_loss(smooth=0)", 1, 0, MM_ZERO_DENOMINATOR},
                 {"panoptic_quality", 0, 0, MM_ABSENT_IN_BOTH},
                 {"panoptic_quality", 0, 1, MM_DEFINED},
                 {"segmentation_quality", 0, 1, MM_ZERO_DENOMINATOR}};

    for (size_t i = 0; i < MM_COUNT(cases); i++) {
        scene s = scene_random(MM_MULTILABEL, MM_PROBS, 1, 1, 1, shape, (scene_kind){8, 16, 3}, 1);

        for (size_t v = 0; v < s.voxels; v++) {
            s.g[v] = cases[i].label;
            s.p[v] = cases[i].pred;
        }
        scene_scores got = scene_score(&s, cases[i].text, NULL, 0, 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(got.first);
        if (got.first->value.reason != cases[i].reason)
            printf("\n    %s: %s\n", cases[i].text, mm_reason_text(got.first->value.reason));
        CU_ASSERT_EQUAL(got.first->value.reason, cases[i].reason);
        CU_ASSERT_EQUAL(got.first->per_class[0].reason, cases[i].reason);
        scene_drop(&got);
        memset(s.scored, 0, s.voxels);
        got = scene_score(&s, cases[i].text, NULL, 0, 1);
        CU_ASSERT_EQUAL(got.first->value.reason, MM_NO_VOXELS);
        scene_drop(&got);
        scene_free(&s);
    }
}

static void test_refused(void)
{
    static const size_t shape[] = {12};
    static const struct {
        const char *text;
        mm_pred_kind pred_kind;
        mm_status status;
        const char *word;
    } cases[] = {{"lovasz_hinge_loss", MM_PROBS, MM_UNSUITABLE, "needs logits"},
                 {"nacl_loss", MM_PROBS, MM_UNSUITABLE, "needs logits"},
                 {"sum(dice,nacl_loss)", MM_MASKS, MM_UNSUITABLE, "needs logits"},
                 {"auroc", MM_MASKS, MM_UNSUITABLE, "needs probabilities"},
                 {"ssim", MM_MASKS, MM_UNSUITABLE, "needs probabilities"},
                 {"lovasz_softmax_loss", MM_MASKS, MM_UNSUITABLE, "needs probabilities"},
                 {"cldice_loss", MM_MASKS, MM_UNSUITABLE, "needs probabilities"},
                 {"dice_cldice_loss", MM_MASKS, MM_UNSUITABLE, "needs probabilities"},
                 {"panoptic_quality,cldice", MM_MASKS, MM_OK, ""},
                 {"auroc(over=pooled)", MM_PROBS, MM_BAD_PARAM, "must be image"},
                 {"topk_cross_entropy(over=pooled)", MM_PROBS, MM_BAD_PARAM, "must be image"},
                 {"dice_cldice_loss(over=pooled)", MM_PROBS, MM_BAD_PARAM, "must be image"},
                 {"ssim(average=micro)", MM_PROBS, MM_BAD_PARAM, "macro"},
                 {"ssim(window=2.5)", MM_PROBS, MM_BAD_PARAM, "whole"},
                 {"ssim(window=0)", MM_PROBS, MM_BAD_PARAM, "window"},
                 {"ssim(window=102)", MM_PROBS, MM_BAD_PARAM, "window"},
                 {"nacl_loss(size=4)", MM_LOGITS, MM_BAD_PARAM, "odd"},
                 {"correlation_ssim_loss(window=2)", MM_PROBS, MM_BAD_PARAM, "odd"},
                 {"cldice_loss(iterations=1.5)", MM_PROBS, MM_BAD_PARAM, "whole"},
                 {"panoptic_quality(connectivity=1.5)", MM_PROBS, MM_BAD_PARAM, "1, 2 or 3"},
                 {"panoptic_quality(connectivity=4)", MM_PROBS, MM_BAD_PARAM, "connectivity"},
                 {"topk_cross_entropy(k=0)", MM_PROBS, MM_BAD_PARAM, "k"},
                 {"topk_cross_entropy(classes=[1])", MM_PROBS, MM_BAD_PARAM, "classes"}};

    for (size_t i = 0; i < MM_COUNT(cases); i++) {
        scene s = scene_random(MM_MULTILABEL, cases[i].pred_kind, 1, 2, 1, shape, (scene_kind){8, 16, 3}, 1);
        scene_scores got = scene_score(&s, cases[i].text, NULL, 0, 1);

        CU_ASSERT_EQUAL(got.status, cases[i].status);
        CU_ASSERT(got.status == MM_OK || strstr(got.problem.text, cases[i].word) != NULL);
        scene_drop(&got);
        scene_free(&s);
    }
}

/* -------------------------------------------------------------- properties */

#define EVERYTHING                                                                                                     \
    "lovasz_softmax_loss,topk_cross_entropy,auroc,average_precision(average=support),ssim(window=3),ms_ssim(window=1)" \
    ","                                                                                                                \
    "correlation_ssim_loss,cldice,cldice_loss,dice_cldice_loss,panoptic_quality(iou=.3),recognition_quality,"          \
    "lovasz_hinge_loss,nacl_loss"

static int same_value(mm_value a, mm_value b)
{
    return a.reason == b.reason && (a.reason != MM_DEFINED || memcmp(&a.value, &b.value, sizeof a.value) == 0);
}

/* Sent in parts and merged in another order: the same bits. */
static void test_parts(void)
{
    static const size_t shape[] = {17, 16};
    static const double weights[] = {0.3, 1.7, 2.0};
    scene s = scene_random(MM_MULTICLASS, MM_LOGITS, 4, 3, 2, shape, (scene_kind){8, 15, 50}, 5);
    scene_scores all = scene_score(&s, EVERYTHING, weights, 0, 4), front = scene_score(&s, EVERYTHING, NULL, 0, 1);
    scene_scores back = scene_score(&s, EVERYTHING, NULL, 1, 3);
    mm_results *merged = NULL;

    CU_ASSERT_FATAL(all.first != NULL && front.first != NULL && back.first != NULL);
    CU_ASSERT_EQUAL_FATAL(mm_images_merge(back.images, front.images, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&merged, back.images, all.plan, weights, NULL), MM_OK);
    for (size_t i = 0; i < mm_plan_count(all.plan); i++) {
        const mm_result *a = mm_results_at(all.results, i), *b = mm_results_at(merged, i);

        CU_ASSERT(same_value(a->value, b->value));
        for (size_t c = 0; a->per_class != NULL && c < 3; c++)
            CU_ASSERT(same_value(a->per_class[c], b->per_class[c]));
    }
    mm_results_free(merged);
    scene_drop(&all);
    scene_drop(&front);
    scene_drop(&back);
    scene_free(&s);
}

/* Classes in another order: the same value of each. */
static void test_class_permutation(void)
{
    static const size_t shape[] = {17, 16};
    scene s = scene_random(MM_MULTILABEL, MM_LOGITS, 2, 3, 2, shape, (scene_kind){6, 15, 50}, 6);
    scene turned = scene_random(MM_MULTILABEL, MM_LOGITS, 2, 3, 2, shape, (scene_kind){6, 15, 50}, 6);

    for (size_t n = 0; n < 2; n++)
        for (size_t c = 0; c < 3; c++)
            for (size_t v = 0; v < s.voxels; v++) {
                turned.p[scene_place(&s, n, (c + 1) % 3, v)] = s.p[scene_place(&s, n, c, v)];
                turned.g[scene_place(&s, n, (c + 1) % 3, v)] = s.g[scene_place(&s, n, c, v)];
            }
    scene_scores a = scene_score(&s, EVERYTHING, NULL, 0, 2), b = scene_score(&turned, EVERYTHING, NULL, 0, 2);
    CU_ASSERT_FATAL(a.first != NULL && b.first != NULL);
    for (size_t i = 0; i < mm_plan_count(a.plan); i++) {
        const mm_result *x = mm_results_at(a.results, i), *y = mm_results_at(b.results, i);

        CU_ASSERT(scene_close(x->value.value, y->value.value));
        for (size_t c = 0; x->per_class != NULL && c < 3; c++)
            CU_ASSERT(same_value(x->per_class[c], y->per_class[(c + 1) % 3]));
    }
    scene_drop(&a);
    scene_drop(&b);
    scene_free(&s);
    scene_free(&turned);
}

/* Losses take the request's weights, metrics only when asked; the scale of the weights does not matter. */
static void test_weights(void)
{
    static const size_t shape[] = {40};
    static const double weights[] = {1.0, 3.0}, scaled[] = {0.25, 0.75};
    scene s = scene_random(MM_MULTILABEL, MM_PROBS, 1, 2, 1, shape, (scene_kind){6, 16, 50}, 7);
    scene_scores got = scene_score(&s, "lovasz_softmax_loss,auroc", NULL, 0, 1);

    CU_ASSERT_PTR_NOT_NULL_FATAL(got.first);
    const mm_value *loss = mm_results_at(got.results, 0)->per_class, *metric = mm_results_at(got.results, 1)->per_class;
    check_value(&s, "lovasz_softmax_loss", weights, (loss[0].value + 3.0 * loss[1].value) / 4.0);
    check_value(&s, "lovasz_softmax_loss", scaled, (loss[0].value + 3.0 * loss[1].value) / 4.0);
    check_value(&s, "lovasz_softmax_loss(normalize_weights=false)", weights,
                (loss[0].value + 3.0 * loss[1].value) / 2.0);
    check_value(&s, "auroc", weights, (metric[0].value + metric[1].value) / 2.0);
    check_value(&s, "auroc(average=weighted)", weights, (metric[0].value + 3.0 * metric[1].value) / 4.0);
    check_value(&s, "auroc(classes=[1])", NULL, metric[1].value);
    const cell a = cell_of(&s, 0, 0), b = cell_of(&s, 0, 1);
    check_value(&s, "auroc(average=support)", NULL, (a.g * metric[0].value + b.g * metric[1].value) / (a.g + b.g));
    scene_drop(&got);
    scene_free(&s);
}

static CU_TestInfo tests[] = {
    {"values from their columns", test_values},
    {"joint, exclusive classes", test_joint},
    {"joint, independent masks", test_joint_masks},
    {"reasons", test_reasons},
    {"refused", test_refused},
    {"parts", test_parts},
    {"class permutation", test_class_permutation},
    {"weights", test_weights},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_score_images;
const mm_suite mm_suite_score_images = {"score_images", tests};
