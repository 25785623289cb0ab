/*
 * test_image_border.c - columns that weigh voxels by distances, bands and regions, against all pairs of voxels.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/border_tools.h"
#include "tests/image_tools.h"

/* The spatial axes, or the channels before them. */
static places places_of_scene(const scene *s, int channels)
{
    places all = {.count = channels ? s->classes * s->voxels : s->voxels, .spacing = {1.0, 1.0, 1.0, 1.0}};

    if (channels)
        all.dim[all.rank++] = s->classes;
    for (unsigned axis = 0; axis < s->rank; axis++)
        all.dim[all.rank++] = s->spatial[axis];
    return all;
}

/* To the place one step before the first along the first axis. */
static double to_before_first(const places *all, size_t v)
{
    double sum = 0.0;

    for (unsigned axis = all->rank; axis-- > 0; v /= all->dim[axis]) {
        const double steps = (double)(v % all->dim[axis]) + (axis == 0 ? 1.0 : 0.0);

        sum += steps * steps;
    }
    return sqrt(sum);
}

/* F of voxel v: in one class's image, or (channels) in all of an image's. */
static double field_at(const places *all, const unsigned char *mask, size_t v, int channels)
{
    const double distance = to_other_side(all, mask, v);

    if (distance < INFINITY)
        return distance;
    return channels && mask[v] ? to_before_first(all, v) : 0.0;
}

/* sum (p-g)^2 (F(p)^alpha + F(g)^alpha) over the voxels of class c, or (channels) of all from it on. */
static double weighted_errors(const scene *s, size_t n, size_t c, double alpha, int channels)
{
    const places all = places_of_scene(s, channels);
    unsigned char masks[2][MOST_PLACES];
    double sum = 0.0;

    for (size_t i = 0; i < all.count; i++) {
        masks[0][i] = scene_p(s, n, c + i / s->voxels, i % s->voxels) > 0.5;
        masks[1][i] = scene_g(s, n, c + i / s->voxels, i % s->voxels) > 0.5;
    }
    for (size_t i = 0; i < all.count; i++) {
        const double error =
            scene_p(s, n, c + i / s->voxels, i % s->voxels) - scene_g(s, n, c + i / s->voxels, i % s->voxels);

        if (error != 0.0)
            sum +=
                error * error *
                (pow(field_at(&all, masks[0], i, channels), alpha) + pow(field_at(&all, masks[1], i, channels), alpha));
    }
    return sum;
}

/* Both masks of one class; what is not scored is in none. */
static void masks_of(const scene *s, size_t n, size_t c, unsigned char *label, unsigned char *pred)
{
    for (size_t v = 0; v < s->voxels; v++) {
        label[v] = scene_g(s, n, c, v) > 0.5;
        pred[v] = scene_hard(s, n, c, v) != 0;
    }
}

/* sum p phi */
static double boundary(const scene *s, size_t n, size_t c)
{
    const places all = places_of_scene(s, 0);
    unsigned char label[MOST_PLACES], pred[MOST_PLACES];
    double sum = 0.0;

    masks_of(s, n, c, label, pred);
    for (size_t v = 0; v < s->voxels; v++) {
        const double distance = to_other_side(&all, label, v);

        if (distance < INFINITY)
            sum += scene_p(s, n, c, v) * (label[v] ? 1.0 - distance : distance);
    }
    return sum;
}

/* max d - min d, d = distance to the outside, over the label's voxels */
static double spread_of(const places *all, const unsigned char *label)
{
    double most = 0.0, least = INFINITY;

    for (size_t v = 0; v < all->count; v++) {
        const double distance = label[v] ? to_other_side(all, label, v) : NAN;

        if (label[v] && distance < INFINITY) {
            most = fmax(most, distance);
            least = fmin(least, distance);
        }
    }
    return most > least ? most - least : 0.0;
}

/* The cross-entropy of one voxel whose label is the class; independent masks: the binary one. */
static double entropy_at(const scene *s, size_t n, size_t c, size_t v)
{
    const double p = scene_p(s, n, c, v), g = scene_g(s, n, c, v);

    return -(g * log(fmax(p, 1e-7)) + (s->task == MM_MULTILABEL ? (1.0 - g) * log(fmax(1.0 - p, 1e-7)) : 0.0));
}

/* sum of p g, or of the cross-entropy, times 1 + f, over the scored voxels on one side of the label's mask. */
static double near_side(const scene *s, size_t n, size_t c, int inside, int entropy)
{
    const places all = places_of_scene(s, 0);
    unsigned char side[MOST_PLACES];
    double weight[MOST_PLACES], sum = 0.0;

    for (size_t v = 0; v < s->voxels; v++)
        side[v] = scene_scored(s, n, v) && (scene_g(s, n, c, v) > 0.5) == inside;
    nearness_of(&all, side, weight);
    for (size_t v = 0; v < s->voxels; v++)
        if (side[v])
            sum += weight[v] * (entropy ? entropy_at(s, n, c, v) : scene_p(s, n, c, v));
    return sum;
}

static double near(const scene *s, size_t n, size_t c, int entropy, double *spread)
{
    const places all = places_of_scene(s, 0);
    unsigned char label[MOST_PLACES], pred[MOST_PLACES];
    const double inside = near_side(s, n, c, 1, entropy);

    masks_of(s, n, c, label, pred);
    *spread = spread_of(&all, label);
    return entropy && s->task == MM_MULTILABEL ? inside + near_side(s, n, c, 0, 1) : inside;
}

static void wrong(const scene *s, size_t n, size_t c, double values[2])
{
    unsigned char label[MOST_PLACES], pred[MOST_PLACES];

    masks_of(s, n, c, label, pred);
    values[0] = values[1] = 0.0;
    for (size_t v = 0; v < s->voxels; v++)
        if (scene_scored(s, n, v) && (label[v] || s->task == MM_MULTILABEL)) {
            values[0] += entropy_at(s, n, c, v);
            values[1] += label[v] != pred[v] ? entropy_at(s, n, c, v) : 0.0;
        }
}

static void bands(const scene *s, const mm_stat *stat, size_t n, size_t c, double values[3])
{
    const places all = places_of_scene(s, 0);
    unsigned char label[MOST_PLACES], pred[MOST_PLACES], bands[2][MOST_PLACES];
    double squares = 0.0, depth = stat->more[1];

    for (unsigned axis = 0; axis < all.rank; axis++)
        squares += (double)(all.dim[axis] * all.dim[axis]);
    if (depth == 0.0)
        depth = fmax(1.0, nearbyint(stat->more[0] * sqrt(squares)));
    masks_of(s, n, c, label, pred);
    band_of(&all, label, (mm_metric)stat->more[2], depth, bands[0]);
    band_of(&all, pred, (mm_metric)stat->more[2], depth, bands[1]);
    values[0] = values[1] = values[2] = 0.0;
    for (size_t v = 0; v < all.count; v++) {
        values[0] += bands[0][v];
        values[1] += bands[1][v];
        values[2] += bands[0][v] && bands[1][v];
    }
}

/* The sum of the Dice of the regions, and how many there are. */
static void regions(const scene *s, const mm_stat *stat, size_t n, size_t c, double values[2])
{
    const places all = places_of_scene(s, 0);
    unsigned char label[MOST_PLACES], pred[MOST_PLACES];
    size_t component[MOST_PLACES];
    const unsigned connectivity = (unsigned)stat->more[0];

    masks_of(s, n, c, label, pred);
    values[1] = (double)components_of(&all, label, connectivity, component);
    values[0] = values[1] == 0.0 ? 0.0 : values[1] * dice_of_regions(&all, label, pred, connectivity);
}

/* ------------------------------------------------------------------- kinds */

/* What a kind gives for one (image, class), after the reason; what it does not have is NAN. */
static void expected_of(const scene *s, const mm_stat *stat, size_t n, size_t c, double values[3])
{
    values[0] = values[1] = values[2] = NAN;
    if (stat->kind == MM_IMAGE_BOUNDARY)
        values[0] = boundary(s, n, c);
    else if (stat->kind == MM_IMAGE_HAUSDORFF_DT)
        values[0] = weighted_errors(s, n, c, stat->more[0], 0);
    else if (stat->kind == MM_IMAGE_HAUSDORFF_DT_JOINT)
        values[0] = weighted_errors(s, n, 0, stat->more[0], 1);
    else if (stat->kind == MM_IMAGE_BANDS)
        bands(s, stat, n, c, values);
    else if (stat->kind == MM_IMAGE_REGIONS)
        regions(s, stat, n, c, values);
    else if (stat->kind == MM_IMAGE_WRONG_ENTROPY)
        wrong(s, n, c, values);
    else
        values[0] = near(s, n, c, stat->kind == MM_IMAGE_NEAR_ENTROPY, &values[1]);
}

static void check_kind(const scene *s, mm_stat stat)
{
    const size_t classes = stat.kind == MM_IMAGE_HAUSDORFF_DT_JOINT ? 1 : s->classes;
    double *column = scene_column(s, &stat), values[3];

    for (size_t n = 0; column != NULL && n < s->images; n++)
        for (size_t c = 0; c < classes; c++) {
            expected_of(s, &stat, n, c, values);
            for (size_t w = 0; w < 3 && !isnan(values[w]); w++)
                CU_ASSERT(scene_close(scene_value(s, &stat, column, n, 1 + w, c), values[w]));
        }
    CU_ASSERT_PTR_NOT_NULL(column);
    free(column);
}

static const size_t shapes[][3] = {{1}, {30}, {9, 12}, {1, 11}, {4, 5, 6}};
static const unsigned ranks[] = {1, 1, 2, 2, 3};

/* Images from empty to full masks, of few or many steps, with and without voxels that are not scored. */
static scene scene_of(unsigned i, unsigned k)
{
    return scene_random(k & 1 ? MM_MULTICLASS : MM_MULTILABEL, MM_PROBS, 2, 2, ranks[i], shapes[i],
                        (scene_kind){2 * k, k & 2 ? 16 : 15, k & 4 ? 50 : 4}, 7 * i + k);
}

static void test_weights(void)
{
    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned k = 0; k <= 8; k++) {
            scene s = scene_of(i, k);

            check_kind(&s, (mm_stat){.kind = MM_IMAGE_HAUSDORFF_DT, .more = {k % 3 + 0.5}});
            check_kind(&s, (mm_stat){.kind = MM_IMAGE_HAUSDORFF_DT_JOINT, .more = {2.0}});
            check_kind(&s, (mm_stat){.kind = MM_IMAGE_BOUNDARY});
            check_kind(&s, (mm_stat){.kind = MM_IMAGE_NEAR_OVERLAP});
            check_kind(&s, (mm_stat){.kind = MM_IMAGE_NEAR_ENTROPY, .eps = 1e-7});
            check_kind(&s, (mm_stat){.kind = MM_IMAGE_WRONG_ENTROPY, .eps = 1e-7});
            scene_free(&s);
        }
}

static void test_bands(void)
{
    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned k = 0; k <= 8; k++) {
            const double metric = k % 3;
            scene s = scene_of(i, k);

            check_kind(&s, (mm_stat){.kind = MM_IMAGE_BANDS, .more = {0.02, 0.0, metric}});
            check_kind(&s, (mm_stat){.kind = MM_IMAGE_BANDS, .more = {0.2, 0.0, metric}});
            check_kind(&s, (mm_stat){.kind = MM_IMAGE_BANDS, .more = {0.0, 1.5, metric}});
            check_kind(&s, (mm_stat){.kind = MM_IMAGE_BANDS, .more = {0.0, 2.0, metric}});
            scene_free(&s);
        }
}

/* Few voxels are set, so that there are many components, and places that are as near to several. */
static void test_regions(void)
{
    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned k = 0; k <= 8; k++) {
            scene s = scene_random(MM_MULTILABEL, MM_MASKS, 2, 2, ranks[i], shapes[i],
                                   (scene_kind){k < 5 ? k : 2 * k, k & 2 ? 16 : 15, 1}, 11 * i + k);

            check_kind(&s, (mm_stat){.kind = MM_IMAGE_REGIONS, .more = {1.0 + k % 3}});
            scene_free(&s);
        }
}

static CU_TestInfo tests[] = {
    {"sums by distance", test_weights},
    {"bands inside borders", test_bands},
    {"regions around components", test_regions},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_image_border;
const mm_suite mm_suite_image_border = {"image_border", tests};
