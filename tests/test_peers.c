/*
 * test_peers.c - peers' functions on small groups, against the peers' formulas written out over voxels, and the
 * machinery that every peer's row uses.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/peer.h"
#include "lib/scores.h"
#include "tests/score_tools.h"

#define SMOOTH 1e-5

static double clip(double p)
{
    return fmin(fmax(p, 1e-5), 1.0 - 1e-5);
}

static void check(const data *d, const char *expression, double expected)
{
    const double value = value_of(d, expression, NULL);

    if (!close_to(value, expected)) {
        printf("\n    %s: %.17g instead of %.17g\n", expression, value, expected);
        CU_FAIL("value");
    }
}

/* Sums of one (image, class). */
static double sum_pg(const data *d, size_t n, size_t c)
{
    double sum = 0.0;

    for (size_t v = 0; v < d->voxels; v++)
        sum += p_at(d, n, c, v) * g_at(d, n, c, v);
    return sum;
}

static double sum_p(const data *d, size_t n, size_t c)
{
    double sum = 0.0;

    for (size_t v = 0; v < d->voxels; v++)
        sum += p_at(d, n, c, v);
    return sum;
}

static double sum_g(const data *d, size_t n, size_t c)
{
    double sum = 0.0;

    for (size_t v = 0; v < d->voxels; v++)
        sum += g_at(d, n, c, v);
    return sum;
}

/* -g (1-q)^gamma log q over space, q = p over its sum over the classes, clipped. */
static double sum_log(const data *d, size_t n, size_t c, double gamma)
{
    double sum = 0.0;

    for (size_t v = 0; v < d->voxels; v++) {
        double total = 0.0;

        for (size_t k = 0; k < d->classes; k++)
            total += p_at(d, n, k, v);
        const double q = clip(p_at(d, n, c, v) / total);
        sum -= g_at(d, n, c, v) * pow(1.0 - q, gamma) * log(q);
    }
    return sum;
}

static double dice(const data *d, size_t n, size_t c)
{
    return 2.0 * (sum_pg(d, n, c) + SMOOTH) / (sum_p(d, n, c) + sum_g(d, n, c) + SMOOTH);
}

static double tversky(const data *d, size_t n, size_t c, double beta)
{
    double fp = 0.0, fn = 0.0;

    for (size_t v = 0; v < d->voxels; v++) {
        fp += p_at(d, n, c, v) * (1.0 - g_at(d, n, c, v));
        fn += (1.0 - p_at(d, n, c, v)) * g_at(d, n, c, v);
    }
    return (sum_pg(d, n, c) + SMOOTH) / (sum_pg(d, n, c) + beta * fp + (1.0 - beta) * fn + SMOOTH);
}

/* ------------------------------------------------------------------- seed */

static const double weight[] = {0.5, 1.2, 1.9};

static void test_seed_overlap(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 21);
    double plain = 0.0, weighted = 0.0, by_beta = 0.0, above = SMOOTH, below = SMOOTH;

    for (size_t c = 0; c < 3; c++) {
        double i = 0.0, p = 0.0, g = 0.0;

        for (size_t n = 0; n < 2; n++) {
            plain += dice(&d, n, c) / 6.0;
            weighted += weight[c] * dice(&d, n, c) / 6.0;
            by_beta += weight[c] * tversky(&d, n, c, 0.3) / 6.0;
            i += sum_pg(&d, n, c);
            p += sum_p(&d, n, c);
            g += sum_g(&d, n, c);
        }
        above += i / (g * g + SMOOTH);
        below += (p + g) / (g * g + SMOOTH);
    }
    check(&d, "seed.categorical_dice", -plain);
    check(&d, "seed.categorical_dice(weight_loss=[0.5,1.2,1.9])", -weighted);
    check(&d, "seed.categorical_tversky(beta=0.3,weight_loss=[0.5,1.2,1.9])", -by_beta);
    check(&d, "seed.generalized_dice_loss_w()", -2.0 * above / below);
    data_free(&d);
}

/* A class that is in neither: its score is 2, as the doubled smoothing has it. */
static void test_seed_empty_class(void)
{
    static const double values[] = {1, 1, 0, 0, /* p */ 1, 1, 0, 0 /* g */};
    data d = data_given(MM_MULTICLASS, 1, 2, 2, values);

    check(&d, "seed.categorical_dice", -(2.0 * (2.0 + SMOOTH) / (4.0 + SMOOTH) + 2.0) / 2.0);
    check(&d, "seed.categorical_tversky(beta=0.7)", -1.0);
    data_free(&d);
}

static void test_seed_logs(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 22);
    double plain = 0.0, weighted = 0.0, focal = 0.0;

    for (size_t n = 0; n < 2; n++)
        for (size_t c = 0; c < 3; c++) {
            plain += sum_log(&d, n, c, 0.0) / 6.0;
            weighted += weight[c] * sum_log(&d, n, c, 0.0) / 6.0;
            focal += weight[c] * sum_log(&d, n, c, 1.5) / 6.0;
        }
    check(&d, "seed.categorical_crossentropy", plain);
    check(&d, "seed.weighted_categorical_crossentropy", plain);
    check(&d, "seed.weighted_categorical_crossentropy(weight_loss=[0.5,1.2,1.9])", weighted);
    check(&d, "seed.categorical_focal_loss(gamma=1.5,alpha=[0.5,1.2,1.9])", focal);
    data_free(&d);
}

/* The Dice part is summed over the images: two images are not the mean of one and one. */
static void test_seed_mixes(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 23);
    double overlap = 0.0, entropy = 0.0, focal = 0.0;

    for (size_t n = 0; n < 2; n++)
        for (size_t c = 0; c < 3; c++) {
            overlap += weight[c] * dice(&d, n, c) / 3.0;
            entropy += weight[c] * sum_log(&d, n, c, 0.0) / 80.0 / 3.0;
            focal += weight[c] * sum_log(&d, n, c, 2.0) / 80.0 / 3.0;
        }
    check(&d, "seed.categorical_dicePcrossentroy(weight_loss=[0.5,1.2,1.9],lamda=0.2)",
          0.8 * (1.0 - overlap) + 0.2 * entropy);
    check(&d, "seed.categorical_dicePfocalloss(alpha=[0.5,1.2,1.9],lamda=0.2,gamma=2)",
          0.8 * (1.0 - overlap) + 0.2 * focal);
    data_free(&d);
}

static void test_seed_binary(void)
{
    data d = data_random(MM_MULTILABEL, 2, 2, 40, 24);
    double positive = 0.0, negative = 0.0, focal = 0.0;

    for (size_t i = 0; i < 160; i++) {
        const double p = clip(d.p[i]), g = d.g[i];

        positive -= g * log(p) / 160.0;
        negative -= (1.0 - g) * log(1.0 - p) / 160.0;
        focal -= 0.3 * g * pow(1.0 - p, 1.5) * log(p) + 0.7 * (1.0 - g) * pow(p, 1.5) * log(1.0 - p);
    }
    check(&d, "seed.binary_crossentropy", positive + negative);
    check(&d, "seed.weighted_binary_crossentropy(beta=3)", 3.0 * positive + negative);
    check(&d, "seed.balanced_binary_crossentropy(beta=0.7)", 0.7 * positive + 0.3 * negative);
    check(&d, "seed.binary_focal(alpha=0.3,gamma=1.5)", focal);
    check(&d, "seed.binary_focal", value_of(&d, "seed.binary_focal(alpha=0.25,gamma=2)", NULL));
    data_free(&d);
}

/* All classes of an image together, p clipped; the mean over images. */
static void test_seed_images(void)
{
    data d = data_random(MM_MULTILABEL, 2, 2, 40, 27);
    double overlap = 0.0, priced = 0.0, entropy = 0.0;

    d.p[3] = 0.0;
    d.p[4] = 1.0;
    for (size_t n = 0; n < 2; n++) {
        double i = SMOOTH, fp = 0.0, fn = 0.0, volume = SMOOTH;

        for (size_t k = n * 80; k < n * 80 + 80; k++) {
            const double p = clip(d.p[k]), g = d.g[k];

            i += p * g;
            fp += p * (1.0 - g);
            fn += (1.0 - p) * g;
            volume += p + g;
            entropy -= (g * log(p) + (1.0 - g) * log(1.0 - p)) / 160.0;
        }
        overlap += i / volume; /* 2 i / volume over two images */
        priced += i / (i + 0.3 * fp + 0.7 * fn) / 2.0;
    }
    check(&d, "seed.binary_dice", 1.0 - overlap);
    check(&d, "seed.binary_tversky(beta=0.3)", 1.0 - priced);
    check(&d, "seed.binary_dice_ce(lamda=0.2)", 0.2 * entropy + log(2.0 - overlap));
    data_free(&d);
}

/* (I + s) / (P + G - I + s), and with `twice` 2 (I + s) / (P + G + s). */
static double hard_score(double i, double p, double g, int twice)
{
    return twice ? 2.0 * (i + SMOOTH) / (p + g + SMOOTH) : (i + SMOOTH) / (p + g - i + SMOOTH);
}

/* Masks over a threshold of their own, p > prob. */
static double over(const data *d, double prob, size_t n, size_t c, int twice)
{
    double i = 0.0, p = 0.0;

    for (size_t v = 0; v < d->voxels; v++) {
        p += p_at(d, n, c, v) > prob;
        i += p_at(d, n, c, v) > prob && g_at(d, n, c, v) > 0.5;
    }
    return hard_score(i, p, sum_g(d, n, c), twice);
}

static void test_seed_hard(void)
{
    data masks = data_random(MM_MULTILABEL, 2, 2, 40, 28), one = data_random(MM_MULTILABEL, 3, 1, 40, 29);
    double iou = 0.0, dice = 0.0, single = 0.0;

    for (size_t n = 0; n < 2; n++)
        for (size_t c = 0; c < 2; c++) {
            iou += over(&masks, 0.3, n, c, 0) / 4.0;
            dice += over(&masks, 0.5, n, c, 1) / 4.0;
        }
    for (size_t n = 0; n < 3; n++)
        single += over(&one, 0.4, n, 0, 0) / 3.0;
    check(&masks, "seed.mean_iou(prob=0.3)", iou);
    check(&masks, "seed.mean_dice", dice);
    check(&one, "seed.binary_iou(prob=0.4)", single);
    check(&one, "seed.mean_iou(prob=0.4)", single);
    data_free(&masks);
    data_free(&one);
}

/* The greatest p, without class 0; a class in neither has an intersection over union of 1 and a Dice of 2. */
static void test_seed_hard_classes(void)
{
    static const double values[] = {0.6, 0.2, 0.3, 0.4, 0.5, 0.4, 0, 0.3, 0.3, /* p, class by class */
                                    1,   0,   1,   0,   1,   0,   0, 0,   0 /* g */};
    data d = data_given(MM_MULTICLASS, 1, 3, 3, values);

    check(&d, "seed.mean_iou(prob=0.9)", ((1.0 + SMOOTH) / (2.0 + SMOOTH) + 1.0) / 2.0);
    check(&d, "seed.mean_dice", (2.0 * (1.0 + SMOOTH) / (3.0 + SMOOTH) + 2.0) / 2.0);
    check(&d, "seed.binary_iou(prob=0.45)", (2.0 + SMOOTH) / (3.0 + SMOOTH));
    data_free(&d);
}

static void test_seed_refusals(void)
{
    data d = data_random(MM_MULTILABEL, 1, 1, 10, 30);
    mm_problem problem = {.text = ""};

    CU_ASSERT_EQUAL(refusal_of(&d, "seed.binary_tversky", &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "beta"));
    CU_ASSERT_EQUAL(refusal_of(&d, "seed.binary_dice_ce(lamda=2)", &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "lamda"));
    CU_ASSERT_EQUAL(refusal_of(&d, "seed.binary_iou(threshold=0.5)", &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "threshold"));
    data_free(&d);
}

/* Without a scored voxel a mean over voxels is not defined; sums over space are. */
static void test_seed_without_voxels(void)
{
    data d = data_random(MM_MULTICLASS, 1, 2, 10, 25);
    mm_plan *plan =
        bound_plan(&d, "seed.binary_crossentropy,seed.categorical_dicePcrossentroy(lamda=.5),seed.binary_focal");
    mm_stat stats[MM_MAX_STATS];
    mm_images *images;
    mm_results *results = NULL;

    CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
    images = images_of(&d, plan, 0, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(mm_images_append(images, "0/0", stats, mm_plan_stats(plan, stats), 0));
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, images, plan, NULL, NULL), MM_OK);
    CU_ASSERT_EQUAL(mm_results_at(results, 0)->value.reason, MM_NO_VOXELS);
    CU_ASSERT_EQUAL(mm_results_at(results, 1)->value.reason, MM_NO_VOXELS);
    CU_ASSERT_EQUAL(mm_results_at(results, 2)->value.reason, MM_DEFINED);
    mm_results_free(results);
    mm_images_free(images);
    mm_plan_free(plan);
    data_free(&d);
}

/* -------------------------------------------------------------- machinery */

/* Is it accepted, and defined, with one class? */
static int fits(const data *one, const char *text, mm_problem *problem)
{
    return refusal_of(one, text, problem) == MM_OK && reason_of(one, text) == MM_DEFINED;
}

static void test_witness(void)
{
    static const double mask[] = {1.0, 0.5, 0.5, 0.0, 1.0, 1.0, 0.0, 0.0};
    static const double pair[] = {1.0, 0.5, 0.5, 0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0};
    data one = data_given(MM_MULTILABEL, 1, 1, 4, mask), two = data_given(MM_MULTICLASS, 1, 2, 4, pair);
    mm_problem problem;

    for (size_t i = 0; mm_row_at(i) != NULL; i++) {
        const mm_score *row = mm_row_at(i);
        const char *text = row->example != NULL ? row->example : row->info.name;

        if (row->peer == NULL)
            continue;
        if (isnan(row->witness)) { /* of images with two axes, which these are not */
            CU_ASSERT_NOT_EQUAL(refusal_of(&two, text, &problem), MM_OK);
        } else {
            check(fits(&one, text, &problem) ? &one : &two, text, row->witness);
        }
    }
    data_free(&one);
    data_free(&two);
}

/* Rows are named after their peer; all families are in the listing. */
static void test_families(void)
{
    size_t listed = 0, rows = 0;

    for (size_t i = 0; mm_row_at(i) != NULL; i++)
        listed += mm_row_at(i)->peer != NULL;
    for (size_t f = 0; f < mm_peer_count; f++) {
        const char *dot = strchr(mm_peers[f]->rows[0].info.name, '.');
        const size_t length = (size_t)(dot - mm_peers[f]->rows[0].info.name) + 1;

        for (size_t i = 0; i < mm_peers[f]->count; i++)
            CU_ASSERT_EQUAL(strncmp(mm_peers[f]->rows[i].info.name, mm_peers[f]->rows[0].info.name, length), 0);
        rows += mm_peers[f]->count;
    }
    CU_ASSERT_EQUAL(listed, rows);
    CU_ASSERT(rows >= 12);
}

/* The request's weights do not change a peer. */
static void test_request_does_not_matter(void)
{
    static const double weights[] = {1.0, 5.0, 9.0};
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 26);
    mm_problem problem;

    for (size_t i = 0; mm_row_at(i) != NULL; i++)
        if (mm_row_at(i)->peer != NULL && refusal_of(&d, mm_row_at(i)->info.name, &problem) == MM_OK)
            CU_ASSERT_EQUAL(value_of(&d, mm_row_at(i)->info.name, weights),
                            value_of(&d, mm_row_at(i)->info.name, NULL));
    data_free(&d);
}

/* A made-up peer whose value is a list [images][classes] of label voxels, undefined where there are none. */
static void label_voxels(const mm_cells *cells, const mm_args *args, mm_value *list)
{
    for (size_t n = 0; n < cells->images->count; n++)
        for (size_t c = 0; c < args->classes; c++) {
            const mm_group x = mm_cell(cells, n, c);

            list[n * args->classes + c] = x.label == 0 ? mm_undefined(MM_ABSENT_IN_LABEL) : mm_defined((double)x.label);
        }
}

static unsigned images_by_classes(const mm_args *args, size_t images, size_t dim[3])
{
    dim[0] = images;
    dim[1] = args->classes;
    return 2;
}

/* Lists have the shape that the row says, hold images in stored order, and count what is undefined. */
static void test_lists(void)
{
    static const double values[] = {1, 1, 0, 0, 1, 0, 0, 1, /* p */ 1, 1, 0, 0, 1, 0, 0, 1 /* g */};
    static const double expected[] = {2, 0, 1, 1};
    const mm_score row = {.info = {.name = "test.label_voxels"}, .peer = label_voxels, .shape = images_by_classes};
    const mm_args args = {.task = MM_MULTICLASS, .classes = 2};
    data d = data_given(MM_MULTICLASS, 2, 2, 2, values);
    scored s = score(&d, "dice", NULL);
    mm_scored out;

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    CU_ASSERT_EQUAL_FATAL(mm_score_images(&out, &row, &args, s.images, NULL), MM_OK);
    CU_ASSERT_EQUAL(out.result.rank, 2);
    CU_ASSERT_EQUAL(out.result.dim[0], 2);
    CU_ASSERT_EQUAL(out.result.dim[1], 2);
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(out.result.list[i].reason, expected[i] == 0.0 ? MM_ABSENT_IN_LABEL : MM_DEFINED);
        CU_ASSERT_EQUAL(out.result.list[i].value, expected[i]);
    }
    CU_ASSERT_EQUAL(out.result.omitted[MM_ABSENT_IN_LABEL], 1);
    CU_ASSERT_PTR_NULL(out.result.per_class);
    CU_ASSERT_PTR_NULL(out.result.per_image);
    mm_scored_clear(&out);
    CU_ASSERT_PTR_NULL(out.list);
    scored_free(&s);
    data_free(&d);
}

/* What JSON cannot say is null. */
static void test_not_finite(void)
{
    CU_ASSERT_EQUAL(mm_defined((double)NAN).reason, MM_ZERO_DENOMINATOR);
    CU_ASSERT_EQUAL(mm_defined((double)INFINITY).reason, MM_ZERO_DENOMINATOR);
    CU_ASSERT_EQUAL(mm_defined(-0.5).reason, MM_DEFINED);
    CU_ASSERT_EQUAL(mm_ratio(1.0, 0.0, MM_EMPTY_LABEL).reason, MM_EMPTY_LABEL);
}

/* The general form, its clamp included. */
static void test_general_form(void)
{
    const mm_overlap clamped = {.k = 1.0, .a = 0.5, .b = 0.5, .eps = 1e-7}, plain = {.k = 2.0, .a = 1.0, .b = 1.0};

    CU_ASSERT_EQUAL(mm_overlap_score(0.0, 0.0, 0.0, &clamped).value, 0.0);
    CU_ASSERT_EQUAL(mm_overlap_score(0.0, 0.0, 0.0, &clamped).reason, MM_DEFINED);
    CU_ASSERT_EQUAL(mm_overlap_score(0.0, 0.0, 0.0, &plain).reason, MM_ZERO_DENOMINATOR);
    CU_ASSERT_EQUAL(mm_overlap_score(3.0, 1.0, 1.0, &plain).value, 0.75);
}

static CU_TestInfo tests[] = {
    {"seed: overlap against voxels", test_seed_overlap},
    {"seed: a class in neither", test_seed_empty_class},
    {"seed: entropy against voxels", test_seed_logs},
    {"seed: mixes against voxels", test_seed_mixes},
    {"seed: binary against voxels", test_seed_binary},
    {"seed: images against voxels", test_seed_images},
    {"seed: hard masks against voxels", test_seed_hard},
    {"seed: hard classes", test_seed_hard_classes},
    {"seed: refusals", test_seed_refusals},
    {"seed: no voxels", test_seed_without_voxels},
    {"witnesses", test_witness},
    {"families", test_families},
    {"the request's weights do not matter", test_request_does_not_matter},
    {"lists", test_lists},
    {"what JSON cannot say", test_not_finite},
    {"the general form", test_general_form},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_peers = {"peers", tests};
