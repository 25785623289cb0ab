/*
 * test_score_border.c - scores weighted by distances from borders, of bands and of regions, by name and by definition.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/border_tools.h"
#include "tests/image_tools.h"

/* ------------------------------------------------------------------- data */

/* Axes and spacings: distances in losses are in voxels all the same. */
typedef struct form {
    unsigned rank;
    size_t dim[3];
    double spacing[3];
} form;

static const form forms[] = {
    {1, {30}, {0}}, {1, {9}, {0.7}}, {2, {9, 12}, {2.0, 0.5}}, {3, {5, 6, 7}, {3.3, 0.58594, 0.58594}}};

#define FORMS (sizeof forms / sizeof forms[0])

/* soft: labels between 0 and 1; independent masks from almost empty to almost full. */
static data data_of(const form *f, mm_task task, size_t images, size_t classes, int soft, unsigned seed)
{
    size_t voxels = 1;

    for (unsigned axis = 0; axis < f->rank; axis++)
        voxels *= f->dim[axis];
    data d = data_random(task, images, classes, voxels, seed);

    d.spatial_rank = f->rank;
    memcpy(d.spatial, f->dim, sizeof d.spatial);
    memcpy(d.spacing, f->spacing, sizeof d.spacing);
    for (size_t i = 0; i < images * classes * voxels; i++) {
        const double bias = task == MM_MULTILABEL ? 0.4 * ((double)(i / voxels % 3) - 1.0) : 0.0;

        d.p[i] = fmin(fmax(d.p[i] + bias, 0.0), 1.0);
        d.g[i] = i % 5 == 0 && bias != 0.0 ? bias > 0.0 : d.g[i];
        d.g[i] = soft ? 0.75 * d.g[i] + 0.25 / (double)classes : d.g[i];
    }
    return d;
}

static double near_log(double p)
{
    return -log(fmax(p, 1e-7));
}

/* -------------------------------------------------------- of each (image, class) */

/* F of both masks, prediction and label above one half. */
static double field_at(const data *d, size_t n, size_t c, size_t v, int of_label)
{
    const places all = places_in_voxels(d);
    unsigned char mask[MOST_PLACES];

    for (size_t w = 0; w < d->voxels; w++)
        mask[w] = (of_label ? g_at(d, n, c, w) : p_at(d, n, c, w)) > 0.5;
    const double distance = to_other_side(&all, mask, v);

    return distance < INFINITY ? distance : 0.0;
}

static double hausdorff(const data *d, size_t n, size_t c, double alpha)
{
    double sum = 0.0;

    for (size_t v = 0; v < d->voxels; v++) {
        const double error = p_at(d, n, c, v) - g_at(d, n, c, v);

        sum += error * error * (pow(field_at(d, n, c, v, 0), alpha) + pow(field_at(d, n, c, v, 1), alpha));
    }
    return sum / (double)d->voxels;
}

static double hausdorff_2(const data *d, size_t n, size_t c)
{
    return hausdorff(d, n, c, 2.0);
}

static double hausdorff_half(const data *d, size_t n, size_t c)
{
    return hausdorff(d, n, c, 0.5);
}

static double log_hausdorff(const data *d, size_t n, size_t c)
{
    return log(1.0 + hausdorff(d, n, c, 2.0));
}

static int in_label(const data *d, size_t n, size_t c)
{
    for (size_t v = 0; v < d->voxels; v++)
        if (hard_g(d, n, c, v))
            return 1;
    return 0;
}

static double boundary(const data *d, size_t n, size_t c)
{
    const places all = places_in_voxels(d);
    unsigned char label[MOST_PLACES];
    double sum = 0.0;

    label_mask(d, n, c, label);
    for (size_t v = 0; v < d->voxels; v++) {
        const double distance = to_other_side(&all, label, v);

        if (distance < INFINITY)
            sum += p_at(d, n, c, v) * (label[v] ? 1.0 - distance : distance);
    }
    return in_label(d, n, c) ? sum / (double)d->voxels : (double)NAN;
}

/* 1 - (2 sum p g w + nr) / (P + G + dr), w the weights inside the label, 1 outside */
static double dice(const data *d, size_t n, size_t c, int weighted, double nr, double dr)
{
    const places all = places_in_voxels(d);
    unsigned char label[MOST_PLACES];
    double weight[MOST_PLACES], both = 0.0, all_of_them = 0.0;

    label_mask(d, n, c, label);
    nearness_of(&all, label, weight);
    for (size_t v = 0; v < d->voxels; v++) {
        both += p_at(d, n, c, v) * g_at(d, n, c, v) * (weighted && label[v] ? weight[v] : 1.0);
        all_of_them += p_at(d, n, c, v) + g_at(d, n, c, v);
    }
    return in_label(d, n, c) || !weighted ? 1.0 - (2.0 * both + nr) / (all_of_them + dr) : (double)NAN;
}

static double weighted_dice(const data *d, size_t n, size_t c)
{
    return dice(d, n, c, 1, 0.0, 0.0);
}

static double smooth_dice(const data *d, size_t n, size_t c)
{
    return dice(d, n, c, 1, 0.5, 3.0);
}

static double dice_and_boundary(const data *d, size_t n, size_t c)
{
    return dice(d, n, c, 0, 0.0, 0.0) + 0.25 * boundary(d, n, c);
}

/* IoU of what `depth` erosions take off both masks. */
static double eroded_iou(const data *d, size_t n, size_t c, unsigned depth)
{
    const places all = places_in_voxels(d);
    unsigned char mask[2][MOST_PLACES], left[2][MOST_PLACES], next[MOST_PLACES];
    double both = 0.0, either = 0.0;

    pred_mask(d, n, c, mask[0]);
    label_mask(d, n, c, mask[1]);
    for (size_t side = 0; side < 2; side++) {
        memcpy(left[side], mask[side], d->voxels);
        for (unsigned k = 0; k < depth; k++) {
            erode(&all, left[side], next);
            memcpy(left[side], next, d->voxels);
        }
    }
    for (size_t v = 0; v < d->voxels; v++) {
        const int p = mask[0][v] && !left[0][v], g = mask[1][v] && !left[1][v];

        both += p && g;
        either += p || g;
    }
    return both / either;
}

/* By the ratio 0.02 all of these images have bands of one voxel. */
static double thin_iou(const data *d, size_t n, size_t c)
{
    return eroded_iou(d, n, c, 1);
}

static double thick_iou(const data *d, size_t n, size_t c)
{
    return eroded_iou(d, n, c, 2);
}

static double round_iou(const data *d, size_t n, size_t c)
{
    const places all = places_in_voxels(d);
    unsigned char mask[MOST_PLACES], band[2][MOST_PLACES];
    double both = 0.0, either = 0.0;

    pred_mask(d, n, c, mask);
    band_of(&all, mask, MM_EUCLIDEAN, 1.5, band[0]);
    label_mask(d, n, c, mask);
    band_of(&all, mask, MM_EUCLIDEAN, 1.5, band[1]);
    for (size_t v = 0; v < d->voxels; v++) {
        both += band[0][v] && band[1][v];
        either += band[0][v] || band[1][v];
    }
    return both / either;
}

/* Regions are by the spacing. */
static double regions(const data *d, size_t n, size_t c, unsigned connectivity)
{
    const places all = places_of(d);
    unsigned char label[MOST_PLACES], pred[MOST_PLACES];

    label_mask(d, n, c, label);
    pred_mask(d, n, c, pred);
    return dice_of_regions(&all, label, pred, connectivity);
}

static double regions_1(const data *d, size_t n, size_t c)
{
    return regions(d, n, c, 1);
}

static double regions_3(const data *d, size_t n, size_t c)
{
    return regions(d, n, c, 3);
}

static const struct {
    const char *text;
    double (*of)(const data *d, size_t n, size_t c); /* NAN: not defined */
} scores[] = {
    {"hausdorff_dt_loss", hausdorff_2},
    {"hausdorff_dt_loss(alpha=0.5)", hausdorff_half},
    {"log_hausdorff_dt_loss", log_hausdorff},
    {"boundary_loss", boundary},
    {"distance_weighted_dice_loss", weighted_dice},
    {"distance_weighted_dice_loss(smooth_nr=0.5,smooth_dr=3)", smooth_dice},
    {"dice_boundary_loss(lambda=0.25)", dice_and_boundary},
    {"boundary_iou", thin_iou},
    {"boundary_iou(distance=2)", thick_iou},
    {"boundary_iou(distance=1.5,metric=euclidean)", round_iou},
    {"component_dice", regions_1},
    {"component_dice(connectivity=3)", regions_3},
};

#define SCORES (sizeof scores / sizeof scores[0])

static void check_cell(const data *d, size_t which, mm_value value, size_t n, size_t c)
{
    const double expected = scores[which].of(d, n, c);

    if (isnan(expected) ? value.reason == MM_DEFINED
                        : value.reason != MM_DEFINED || fabs(value.value - expected) > 1e-11 * fmax(1.0, expected)) {
        printf("\n    %s of image %zu, class %zu: %.17g, not %.17g\n", scores[which].text, n, c, value.value, expected);
        CU_FAIL("score");
    }
}

static void check_classes(const data *d)
{
    static char text[2048];
    size_t used = 0;

    for (size_t i = 0; i < SCORES; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? "," : "", scores[i].text);
    scored s = score(d, text, NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    for (size_t i = 0; i < SCORES; i++)
        for (size_t n = 0; n < d->images; n++)
            for (size_t c = 0; c < d->classes; c++) {
                const mm_value value = mm_results_at(s.results, i)->per_image[n * d->classes + c];

                if (value.reason != MM_ABSENT_IN_BOTH)
                    check_cell(d, i, value, n, c);
            }
    scored_free(&s);
}

static void test_classes(void)
{
    for (size_t f = 0; f < FORMS; f++)
        for (unsigned k = 0; k < 4; k++) {
            data d = data_of(&forms[f], k & 1 ? MM_MULTICLASS : MM_MULTILABEL, 2, 3, k & 2, 20 + k);

            check_classes(&d);
            data_free(&d);
        }
}

/* ------------------------------------------------------------------ entropy */

static double entropy_at(const data *d, size_t n, size_t c, size_t v)
{
    double sum = 0.0;

    if (d->task == MM_MULTILABEL)
        return g_at(d, n, c, v) * near_log(p_at(d, n, c, v)) +
               (1.0 - g_at(d, n, c, v)) * near_log(1.0 - p_at(d, n, c, v));
    for (size_t k = 0; k < d->classes; k++)
        sum += g_at(d, n, k, v) * near_log(p_at(d, n, k, v));
    return sum;
}

/* The sum over voxels of a class of (1 + f) CE, and how many there are; independent masks: over all voxels. */
static double penalized(const data *d, size_t n, size_t c, double *voxels)
{
    const places all = places_in_voxels(d);
    unsigned char side[MOST_PLACES];
    double weight[MOST_PLACES], sum = 0.0;

    *voxels = 0.0;
    for (int inside = d->task == MM_MULTICLASS; inside < 2; inside++) {
        for (size_t v = 0; v < d->voxels; v++)
            side[v] = hard_g(d, n, c, v) == inside;
        nearness_of(&all, side, weight);
        for (size_t v = 0; v < d->voxels; v++)
            if (side[v]) {
                sum += weight[v] * entropy_at(d, n, c, v);
                *voxels += 1.0;
            }
    }
    return sum;
}

/* Mean over the images of sum w_y l / sum w_y. */
static double mean_penalized(const data *d, const double *weights)
{
    double mean = 0.0;

    for (size_t n = 0; n < d->images; n++) {
        double above = 0.0, below = 0.0, voxels;

        for (size_t c = 0; c < d->classes; c++) {
            above += weights[c] * penalized(d, n, c, &voxels);
            below += weights[c] * voxels;
        }
        mean += above / below / (double)d->images;
    }
    return mean;
}

static void test_penalized(void)
{
    static const double weights[] = {1.0, 2.0, 4.0}, ones[] = {1.0, 1.0, 1.0};
    double voxels;

    for (size_t f = 0; f < FORMS; f++)
        for (unsigned k = 0; k < 4; k++) {
            data d = data_of(&forms[f], k & 1 ? MM_MULTICLASS : MM_MULTILABEL, 2, 3, k & 2, 30 + k);
            const double sum = penalized(&d, 0, 1, &voxels);
            scored s = score(&d, "distance_penalized_cross_entropy", NULL);

            CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
            CU_ASSERT(voxels == 0.0 || close_to(s.first->per_image[1].value, sum / voxels));
            check_value(&d, "distance_penalized_cross_entropy", NULL, mean_penalized(&d, ones));
            check_value(&d, "distance_penalized_cross_entropy", weights, mean_penalized(&d, weights));
            scored_free(&s);
            data_free(&d);
        }
}

/* One mask is the second of two classes. */
static void test_one_mask(void)
{
    data one = data_of(&forms[2], MM_MULTILABEL, 2, 1, 0, 40), two = data_of(&forms[2], MM_MULTICLASS, 2, 2, 0, 41);

    for (size_t n = 0; n < 2; n++)
        for (size_t v = 0; v < one.voxels; v++) {
            two.p[(2 * n + 1) * one.voxels + v] = p_at(&one, n, 0, v);
            two.p[2 * n * one.voxels + v] = 1.0 - p_at(&one, n, 0, v);
            two.g[(2 * n + 1) * one.voxels + v] = g_at(&one, n, 0, v);
            two.g[2 * n * one.voxels + v] = 1.0 - g_at(&one, n, 0, v);
        }
    check_value(&one, "distance_penalized_cross_entropy", NULL,
                value_of(&two, "distance_penalized_cross_entropy", NULL));
    check_value(&one, "boundary_loss", NULL, value_of(&two, "boundary_loss(classes=[1])", NULL));
    data_free(&one);
    data_free(&two);
}

/* Labels sent as indices take a shorter way: the same bits. */
static void test_indices(void)
{
    data d = data_of(&forms[3], MM_MULTICLASS, 2, 3, 0, 42);
    scored s = score(&d, "distance_penalized_cross_entropy,shape_aware_loss,boundary_loss", NULL);
    mm_images *indexed = s.plan == NULL ? NULL : indexed_images_of(&d, s.plan, 0, 2);
    mm_results *results = NULL;

    CU_ASSERT_FATAL(s.first != NULL && indexed != NULL);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, indexed, s.plan, NULL, NULL), MM_OK);
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(mm_results_at(results, i)->value.value, mm_results_at(s.results, i)->value.value);
    mm_results_free(results);
    mm_images_free(indexed);
    scored_free(&s);
    data_free(&d);
}

/* -------------------------------------------------------------- shape aware */

/* Mean of the distances between both surfaces; NAN: one is empty. */
static double mean_distance(const data *d, size_t n, size_t c)
{
    const places all = places_in_voxels(d);
    unsigned char mask[MOST_PLACES], surface[2][MOST_PLACES];
    double sum = 0.0, count = 0.0;

    pred_mask(d, n, c, mask);
    surface_of(&all, mask, 1, surface[0]);
    label_mask(d, n, c, mask);
    surface_of(&all, mask, 1, surface[1]);
    for (size_t side = 0; side < 2; side++)
        for (size_t v = 0; v < all.count; v++) {
            double nearest = INFINITY;

            for (size_t w = 0; surface[side][v] && w < all.count; w++)
                if (surface[1 - side][w])
                    nearest = fmin(nearest, apart(&all, MM_EUCLIDEAN, v, w));
            sum += surface[side][v] ? nearest : 0.0;
            count += surface[side][v];
        }
    return sum < INFINITY ? sum / count : (double)NAN;
}

/* mean_v CE (1 + E [wrong]); NAN: E is not defined. */
static double shape_aware(const data *d, size_t n)
{
    double distance = 0.0, defined = 0.0, sum = 0.0, voxels = 0.0;

    for (size_t c = 0; c < d->classes; c++) {
        const double of_class = mean_distance(d, n, c);

        distance += isnan(of_class) ? 0.0 : of_class;
        defined += !isnan(of_class);
    }
    distance /= defined;
    for (size_t c = 0; c < d->classes; c++)
        for (size_t v = 0; v < d->voxels; v++)
            if (d->task == MM_MULTILABEL || hard_g(d, n, c, v)) {
                const int wrong = hard_p(d, n, c, v) != hard_g(d, n, c, v);

                sum += entropy_at(d, n, c, v) * (wrong ? 1.0 + distance : 1.0);
                voxels += 1.0;
            }
    return sum / voxels;
}

static void test_shape_aware(void)
{
    for (size_t f = 0; f < FORMS; f++)
        for (unsigned k = 0; k < 4; k++) {
            data d = data_of(&forms[f], k & 1 ? MM_MULTICLASS : MM_MULTILABEL, 2, 3, k & 2, 50 + k);
            scored s = score(&d, "shape_aware_loss", NULL);

            CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
            for (size_t n = 0; n < 2; n++) {
                const double expected = shape_aware(&d, n);

                CU_ASSERT_EQUAL(s.first->per_image[n].reason == MM_DEFINED, !isnan(expected));
                CU_ASSERT(isnan(expected) || close_to(s.first->per_image[n].value, expected));
            }
            scored_free(&s);
            data_free(&d);
        }
}

/* ----------------------------------------------------------------- erosions */

/* b = relu(K * b - 1/2), K the mean over a voxel and its neighbours along each axis */
static void erode_errors(const data *d, double *b)
{
    const places all = places_in_voxels(d);
    double left[MOST_PLACES];

    for (size_t v = 0; v < all.count; v++) {
        left[v] = 0.0;
        for (size_t w = 0; w < all.count; w++)
            left[v] += apart(&all, MM_TAXICAB, v, w) <= 1.0 ? b[w] / (2.0 * all.rank + 1.0) : 0.0;
    }
    for (size_t v = 0; v < all.count; v++)
        b[v] = fmax(left[v] - 0.5, 0.0);
}

static double eroded(const data *d, size_t n, unsigned erosions, double alpha)
{
    double b[3][MOST_PLACES], sum = 0.0;

    for (size_t c = 0; c < d->classes; c++)
        for (size_t v = 0; v < d->voxels; v++)
            b[c][v] = pow(p_at(d, n, c, v) - g_at(d, n, c, v), 2.0);
    for (unsigned k = 1; k <= erosions; k++) {
        double least = 1.0, most = 0.0;

        for (size_t c = 0; c < d->classes; c++) {
            erode_errors(d, b[c]);
            for (size_t v = 0; v < d->voxels; v++) {
                least = fmin(least, b[c][v]);
                most = fmax(most, b[c][v]);
            }
        }
        for (size_t c = 0; c < d->classes; c++)
            for (size_t v = 0; v < d->voxels; v++) {
                b[c][v] = most > least ? (b[c][v] - least) / (most - least) : b[c][v];
                sum += b[c][v] * pow(k, alpha);
            }
    }
    return sum / (double)(d->classes * d->voxels);
}

/* Errors of whole blocks, so that something is left. */
static data blocks(const form *f)
{
    data d = data_of(f, MM_MULTILABEL, 2, 3, 0, 60);

    for (size_t i = 0; i < d.images * d.classes * d.voxels; i++) {
        d.p[i] = i % d.voxels < d.voxels / 2 ? 1.0 - 0.1 * d.p[i] : 0.1 * d.p[i];
        d.g[i] = i % d.voxels >= d.voxels / 4;
    }
    return d;
}

static void test_erosions(void)
{
    for (size_t f = 0; f < FORMS; f++) {
        data d = blocks(&forms[f]);

        CU_ASSERT(eroded(&d, 0, 10, 2.0) > 0.0);
        check_value(&d, "hausdorff_er_loss", NULL, (eroded(&d, 0, 10, 2.0) + eroded(&d, 1, 10, 2.0)) / 2.0);
        check_value(&d, "hausdorff_er_loss(erosions=1,alpha=1)", NULL,
                    (eroded(&d, 0, 1, 1.0) + eroded(&d, 1, 1, 1.0)) / 2.0);
        data_free(&d);
    }
}

/* ---------------------------------------------------------------- undefined */

/* Classes: in both, in the prediction only, in the label only, in neither. */
static data half_empty(void)
{
    const form f = {2, {5, 6}, {0}};
    data d = data_of(&f, MM_MULTILABEL, 1, 4, 0, 3);

    for (size_t v = 0; v < d.voxels; v++)
        for (size_t c = 0; c < 4; c++) {
            d.p[c * d.voxels + v] = c < 2 && v == 7;
            d.g[c * d.voxels + v] = (c == 0 || c == 2) && v == 8;
        }
    return d;
}

static void test_undefined(void)
{
    static const char *const of_label[] = {"boundary_loss", "distance_weighted_dice_loss", "component_dice"};
    data d = half_empty();

    for (size_t i = 0; i < 3; i++) {
        check_class(&d, of_label[i], 1, MM_ABSENT_IN_LABEL, 0);
        check_class(&d, of_label[i], 3, MM_ABSENT_IN_BOTH, 0);
    }
    check_class(&d, "dice_boundary_loss", 1, MM_ABSENT_IN_LABEL, 0);
    check_class(&d, "component_dice", 0, MM_DEFINED, 0.0);
    check_class(&d, "component_dice", 2, MM_DEFINED, 0.0);
    check_class(&d, "boundary_iou", 1, MM_DEFINED, 0.0);
    check_class(&d, "boundary_iou", 2, MM_DEFINED, 0.0);
    check_class(&d, "boundary_iou", 3, MM_ABSENT_IN_BOTH, 0);
    check_class(&d, "boundary_iou(absent=1)", 3, MM_DEFINED, 1.0);
    check_class(&d, "hausdorff_dt_loss", 3, MM_ABSENT_IN_BOTH, 0);
    CU_ASSERT_EQUAL(reason_of(&d, "shape_aware_loss(classes=[1,2])"), MM_EMPTY_PREDICTION);
    CU_ASSERT_EQUAL(reason_of(&d, "shape_aware_loss(classes=[3])"), MM_ABSENT_IN_BOTH);
    CU_ASSERT_EQUAL(reason_of(&d, "shape_aware_loss"), MM_DEFINED);
    data_free(&d);
}

/* A mask that fills the image has no border: 0; its band is along the edge of the image. */
static void test_full(void)
{
    const form f = {2, {6, 7}, {0}};
    data d = data_of(&f, MM_MULTILABEL, 1, 1, 0, 4);

    for (size_t v = 0; v < d.voxels; v++)
        d.p[v] = d.g[v] = 1.0;
    check_value(&d, "boundary_loss", NULL, 0.0);
    check_value(&d, "distance_weighted_dice_loss", NULL, 0.0);
    check_value(&d, "boundary_iou(distance=2)", NULL, 1.0);
    d.p[2 * 7 + 3] = 0.4; /* in the middle: not in the label's band */
    check_value(&d, "boundary_iou", NULL, eroded_iou(&d, 0, 0, 1));
    check_value(&d, "hausdorff_dt_loss", NULL, hausdorff(&d, 0, 0, 2.0));
    data_free(&d);
}

/* A record that lacks a column: the note says which, with its numbers; and an explanation what it holds. */
static void test_words(void)
{
    static const char asked[] = "hausdorff_dt_loss(alpha=3),boundary_iou(distance=2),component_dice(connectivity=2),"
                                "hausdorff_er_loss,boundary_loss";
    static const char *const words[] = {
        "errors by their distance from the border (alpha 3): reason; sum",
        "bands along the inside of the borders (ratio 0, distance 2, metric 1): reason; voxels of the label's, of the",
        "regions around the label's components (connectivity 2): reason; sum of their",
        "all classes together (alpha 2, erosions 10): reason; sum",
        "predictions by their signed distance from the label: reason; sum",
    };
    data d = half_empty();
    scored had = score(&d, "dice", NULL), has = score(&d, asked, NULL);
    mm_results *results = NULL;

    CU_ASSERT_FATAL(had.first != NULL && has.first != NULL);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, had.images, has.plan, NULL, NULL), MM_OK);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        mm_explanation *explanation = NULL;

        CU_ASSERT_EQUAL(mm_results_at(results, i)->value.reason, MM_NOT_IN_SUMS);
        CU_ASSERT_PTR_NOT_NULL_FATAL(mm_results_at(results, i)->note);
        CU_ASSERT_PTR_NOT_NULL(strstr(mm_results_at(results, i)->note, words[i]));
        CU_ASSERT_EQUAL_FATAL(mm_images_explain(&explanation, has.images, has.plan, i), MM_OK);
        CU_ASSERT_EQUAL_FATAL(mm_explanation_count(explanation), 5);
        CU_ASSERT_PTR_NOT_NULL(strstr(mm_explanation_at(explanation, 4)->what, words[i]));
        mm_explanation_free(explanation);
    }
    mm_results_free(results);
    scored_free(&had);
    scored_free(&has);
    data_free(&d);
}

/* ---------------------------------------------------------------- arguments */

static void test_refused(void)
{
    static const refusal bad[] = {
        {"boundary_iou(ratio=-0.1)", "ratio"},
        {"boundary_iou(ratio=2)", "ratio"},
        {"boundary_iou(distance=0.5)", "distance"},
        {"boundary_iou(metric=manhattan)", "taxicab"},
        {"component_dice(connectivity=1.5)", "connectivity is 1, 2 or 3"},
        {"component_dice(connectivity=4)", "connectivity"},
        {"hausdorff_dt_loss(alpha=0)", "alpha"},
        {"hausdorff_dt_loss(over=pooled)", "over"},
        {"hausdorff_er_loss(erosions=1.5)", "erosions is a whole number"},
        {"hausdorff_er_loss(erosions=0)", "erosions"},
        {"hausdorff_er_loss(classes=[0])", "leave classes out"},
        {"distance_penalized_cross_entropy(over=pooled)", "over"},
        {"distance_penalized_cross_entropy(average=micro)", "voxel|macro"},
        {"distance_weighted_dice_loss(smooth=-1)", "smooth"},
        {"dice_boundary_loss(lambda=-1)", "lambda"},
        {"boundary_loss(alpha=1)", "alpha"},
    };
    data d = half_empty();

    check_refusals(&d, bad, sizeof bad / sizeof bad[0]);
    data_free(&d);
}

/* Losses need probabilities; bands and regions are of hard masks. */
static void test_hard_masks(void)
{
    static const char *const losses[] = {"hausdorff_dt_loss",           "log_hausdorff_dt_loss",
                                         "hausdorff_er_loss",           "boundary_loss",
                                         "dice_boundary_loss",          "shape_aware_loss",
                                         "distance_weighted_dice_loss", "distance_penalized_cross_entropy"};
    static const size_t spatial[] = {6, 7};
    scene s = scene_random(MM_MULTILABEL, MM_MASKS, 1, 2, 2, spatial, (scene_kind){8, 16, 1}, 5);

    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        scene_scores refused = scene_score(&s, losses[i], NULL, 0, 1);

        CU_ASSERT_EQUAL(refused.status, MM_UNSUITABLE);
        CU_ASSERT_PTR_NOT_NULL(strstr(refused.problem.text, "needs probabilities or logits"));
        scene_drop(&refused);
    }
    scene_scores fine = scene_score(&s, "boundary_iou,component_dice,monai.HausdorffDTLoss", NULL, 0, 1);

    CU_ASSERT_EQUAL(fine.status, MM_OK);
    scene_drop(&fine);
    scene_free(&s);
}

static CU_TestInfo tests[] = {
    {"of each class", test_classes},
    {"penalized cross-entropy", test_penalized},
    {"one mask, or two classes", test_one_mask},
    {"labels as indices", test_indices},
    {"shape aware", test_shape_aware},
    {"erosions", test_erosions},
    {"undefined", test_undefined},
    {"full masks", test_full},
    {"columns in words", test_words},
    {"arguments that are refused", test_refused},
    {"hard masks", test_hard_masks},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_score_border;
const mm_suite mm_suite_score_border = {"score_border", tests};
