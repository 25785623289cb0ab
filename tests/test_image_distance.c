/*
 * test_image_distance.c - sums weighted by distances against the nearest of all voxels; peers' arguments and notes.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/surface.h"
#include "tests/image_tools.h"
#include "tests/score_tools.h"

enum { MOST = 400 };

/* ------------------------------------------------------------- by all pairs */

/* Places in an array: the spatial axes, or the channels before them. */
typedef struct grid {
    unsigned rank;
    size_t dim[4], voxels;
} grid;

static grid grid_of(const scene *s, int channels)
{
    grid g = {.voxels = channels ? s->classes * s->voxels : s->voxels};

    if (channels)
        g.dim[g.rank++] = s->classes;
    for (unsigned axis = 0; axis < s->rank; axis++)
        g.dim[g.rank++] = s->spatial[axis];
    return g;
}

static double apart(const grid *g, size_t v, size_t w)
{
    double sum = 0.0;

    for (unsigned axis = g->rank; axis-- > 0; v /= g->dim[axis], w /= g->dim[axis]) {
        const double steps = (double)(v % g->dim[axis]) - (double)(w % g->dim[axis]);

        sum += steps * steps;
    }
    return sqrt(sum);
}

/* To the nearest place whose mask differs; INFINITY: there is none. */
static double to_other_side(const grid *g, const unsigned char *mask, size_t v)
{
    double nearest = INFINITY;

    for (size_t w = 0; w < g->voxels; w++)
        if (mask[w] != mask[v])
            nearest = fmin(nearest, apart(g, v, w));
    return nearest;
}

/* To the place one step before the first along the first axis. */
static double to_before_first(const grid *g, size_t v)
{
    double sum = 0.0;

    for (unsigned axis = g->rank; axis-- > 0; v /= g->dim[axis]) {
        const double steps = (double)(v % g->dim[axis]) + (axis == 0 ? 1.0 : 0.0);

        sum += steps * steps;
    }
    return sqrt(sum);
}

/* F of voxel v: in one class's image, or (channels) in all of an image's. */
static double field_at(const grid *g, const unsigned char *mask, size_t v, int channels)
{
    const double distance = to_other_side(g, mask, v);

    if (distance < INFINITY)
        return distance;
    return channels && mask[v] ? to_before_first(g, v) : 0.0;
}

/* sum (p-g)^2 (F(p)^alpha + F(g)^alpha) over `places` from class c on. */
static double weighted_errors(const scene *s, size_t n, size_t c, double alpha, int channels)
{
    const grid g = grid_of(s, channels);
    unsigned char masks[2][MOST];
    double sum = 0.0;

    for (size_t i = 0; i < g.voxels; i++) {
        masks[0][i] = scene_p(s, n, c + i / s->voxels, i % s->voxels) > 0.5;
        masks[1][i] = scene_g(s, n, c + i / s->voxels, i % s->voxels) > 0.5;
    }
    for (size_t i = 0; i < g.voxels; i++) {
        const double error =
            scene_p(s, n, c + i / s->voxels, i % s->voxels) - scene_g(s, n, c + i / s->voxels, i % s->voxels);

        if (error != 0.0)
            sum += error * error *
                   (pow(field_at(&g, masks[0], i, channels), alpha) + pow(field_at(&g, masks[1], i, channels), alpha));
    }
    return sum;
}

static void label_of(const scene *s, size_t n, size_t c, unsigned char *mask)
{
    for (size_t v = 0; v < s->voxels; v++)
        mask[v] = scene_g(s, n, c, v) > 0.5;
}

/* sum p phi */
static double boundary(const scene *s, size_t n, size_t c)
{
    const grid g = grid_of(s, 0);
    unsigned char mask[MOST];
    double sum = 0.0;

    label_of(s, n, c, mask);
    for (size_t v = 0; v < s->voxels; v++) {
        const double distance = to_other_side(&g, mask, v);

        if (distance < INFINITY)
            sum += scene_p(s, n, c, v) * (mask[v] ? 1.0 - distance : distance);
    }
    return sum;
}

/* sum of p, or of the cross-entropy, times 1 + f over the label; and max (max d - d) */
static double near(const scene *s, size_t n, size_t c, int entropy, double *spread)
{
    const grid g = grid_of(s, 0);
    unsigned char mask[MOST];
    double distance[MOST], most = 0.0, least = INFINITY, sum = 0.0;

    label_of(s, n, c, mask);
    for (size_t v = 0; v < s->voxels; v++)
        if (mask[v]) {
            distance[v] = to_other_side(&g, mask, v);
            distance[v] = distance[v] < INFINITY ? distance[v] : 0.0;
            most = fmax(most, distance[v]);
            least = fmin(least, distance[v]);
        }
    *spread = most > least ? most - least : 0.0;
    for (size_t v = 0; v < s->voxels; v++)
        if (mask[v]) {
            const double p = scene_p(s, n, c, v);

            sum += (entropy ? -log(fmax(p, 1e-7)) : p) * (*spread > 0.0 ? 1.0 + (most - distance[v]) / *spread : 1.0);
        }
    return sum;
}

/* ------------------------------------------------------------------- kinds */

/* What a kind gives for one (image, class). */
static void expected_of(const scene *s, const mm_stat *stat, size_t n, size_t c, double values[2])
{
    values[1] = NAN;
    if (stat->kind == MM_IMAGE_BOUNDARY)
        values[0] = boundary(s, n, c);
    else if (stat->kind == MM_IMAGE_HAUSDORFF_DT)
        values[0] = weighted_errors(s, n, c, stat->more[0], 0);
    else if (stat->kind == MM_IMAGE_HAUSDORFF_DT_JOINT)
        values[0] = weighted_errors(s, n, 0, stat->more[0], 1);
    else
        values[0] = near(s, n, c, stat->kind == MM_IMAGE_NEAR_ENTROPY, &values[1]);
}

static void check_kind(const scene *s, mm_stat stat)
{
    const size_t classes = stat.kind == MM_IMAGE_HAUSDORFF_DT_JOINT ? 1 : s->classes;
    double *column = scene_column(s, &stat), values[2];

    for (size_t n = 0; column != NULL && n < s->images; n++)
        for (size_t c = 0; c < classes; c++) {
            expected_of(s, &stat, n, c, values);
            CU_ASSERT(scene_close(scene_value(s, &stat, column, n, 1, c), values[0]));
            if (!isnan(values[1]))
                CU_ASSERT(scene_close(scene_value(s, &stat, column, n, 2, c), values[1]));
        }
    CU_ASSERT_PTR_NOT_NULL(column);
    free(column);
}

static const size_t shapes[][3] = {{1}, {30}, {9, 12}, {1, 11}, {4, 5, 6}};
static const unsigned ranks[] = {1, 1, 2, 2, 3};

static void test_kinds(void)
{
    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned k = 0; k <= 8; k++) {
            const int exclusive = k & 1;
            scene s = scene_random(exclusive ? MM_MULTICLASS : MM_MULTILABEL, MM_PROBS, 2, 2, ranks[i], shapes[i],
                                   (scene_kind){2 * k, k & 2 ? 16 : 15, k & 4 ? 50 : 4}, 7 * i + k);

            check_kind(&s, (mm_stat){.kind = MM_IMAGE_HAUSDORFF_DT, .more = {k % 3 + 0.5}});
            check_kind(&s, (mm_stat){.kind = MM_IMAGE_HAUSDORFF_DT_JOINT, .more = {2.0}});
            check_kind(&s, (mm_stat){.kind = MM_IMAGE_BOUNDARY});
            check_kind(&s, (mm_stat){.kind = MM_IMAGE_NEAR_OVERLAP});
            if (exclusive)
                check_kind(&s, (mm_stat){.kind = MM_IMAGE_NEAR_ENTROPY, .eps = 1e-7});
            scene_free(&s);
        }
}

/* The three kinds of columns of surfaces, with one spacing. */
enum { SURFACE, PERCENTILE, WITHIN, KINDS };
static const mm_stat surface_stats[KINDS] = {
    {.kind = MM_IMAGE_SURFACE, .more = {2.0, 0.5, 1.5, 0.0, MM_EUCLIDEAN}},
    {.kind = MM_IMAGE_SURFACE_PERCENTILE, .more = {2.0, 0.5, 1.5, 80.0, MM_EUCLIDEAN}},
    {.kind = MM_IMAGE_SURFACE_WITHIN, .more = {2.0, 0.5, 1.5, 1.0, MM_EUCLIDEAN}},
};

static mm_reason emptiness(const mm_directed lists[2])
{
    if (lists[0].count > 0 && lists[1].count > 0)
        return MM_DEFINED;
    return lists[0].count > 0 ? MM_EMPTY_LABEL : lists[1].count > 0 ? MM_EMPTY_PREDICTION : MM_ABSENT_IN_BOTH;
}

/* The values of one (image, class) against the lists between its masks. */
static void compare_surfaces(const scene *s, double *const columns[KINDS], size_t n, size_t c,
                             const mm_directed lists[2])
{
    const mm_reason reason = emptiness(lists);

    for (size_t kind = 0; kind < KINDS; kind++)
        CU_ASSERT_EQUAL(scene_value(s, &surface_stats[kind], columns[kind], n, MM_SURFACE_REASON, c), (double)reason);
    for (size_t side = 0; side < 2; side++) {
        CU_ASSERT_EQUAL(scene_value(s, &surface_stats[SURFACE], columns[SURFACE], n, MM_SURFACE_SIZE_A + side, c),
                        (double)lists[side].count);
        if (reason != MM_DEFINED)
            continue;
        CU_ASSERT_DOUBLE_EQUAL(scene_value(s, &surface_stats[SURFACE], columns[SURFACE], n, MM_SURFACE_SUM_A + side, c),
                               mm_directed_sum(&lists[side]), 1e-12 * mm_directed_sum(&lists[side]));
        CU_ASSERT_EQUAL(
            scene_value(s, &surface_stats[PERCENTILE], columns[PERCENTILE], n, MM_SURFACE_PERCENTILE_A + side, c),
            mm_directed_percentile(&lists[side], MM_SURFACE_VOXEL, 80.0));
        CU_ASSERT_EQUAL(scene_value(s, &surface_stats[WITHIN], columns[WITHIN], n, MM_SURFACE_WITHIN_A + side, c),
                        mm_directed_within(&lists[side], 1.0));
    }
}

/* The masks that are compared, and which side is which. */
static void check_surfaces(const scene *s)
{
    mm_array array = {.rank = s->rank, .spacing = {2.0, 0.5, 1.5}};
    unsigned char masks[2][MOST];
    double *columns[KINDS];
    mm_directed lists[2];

    for (size_t kind = 0; kind < KINDS; kind++) {
        columns[kind] = scene_column(s, &surface_stats[kind]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(columns[kind]);
    }
    memcpy(array.dim, s->spatial, s->rank * sizeof *array.dim);
    for (size_t n = 0; n < s->images; n++)
        for (size_t c = 0; c < s->classes; c++) {
            for (size_t v = 0; v < s->voxels; v++)
                masks[0][v] = scene_hard(s, n, c, v) == 1;
            label_of(s, n, c, masks[1]);
            CU_ASSERT_FATAL(mm_surface_distances(masks[0], masks[1], &array, MM_SURFACE_VOXEL, MM_EUCLIDEAN, lists));
            compare_surfaces(s, columns, n, c, lists);
            mm_directed_free(&lists[0]);
            mm_directed_free(&lists[1]);
        }
    for (size_t kind = 0; kind < KINDS; kind++)
        free(columns[kind]);
}

static void test_surfaces(void)
{
    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned k = 0; k <= 8; k++) {
            scene s = scene_random(k & 1 ? MM_MULTICLASS : MM_MULTILABEL, k & 2 ? MM_MASKS : MM_PROBS, 2, 3, ranks[i],
                                   shapes[i], (scene_kind){2 * k, k & 2 ? 16 : 15, k & 4 ? 50 : 2}, 5 * i + k);

            check_surfaces(&s);
            scene_free(&s);
        }
}

/* -------------------------------------------------------------------- peers */

/* Two images of two classes: boxes that differ by one row. */
static data boxes(void)
{
    data d = data_random(MM_MULTICLASS, 2, 2, 30, 4);

    d.spatial_rank = 2;
    memcpy(d.spatial, (size_t[]){5, 6, 1}, sizeof d.spatial);
    for (size_t n = 0; n < 2; n++)
        for (size_t v = 0; v < 30; v++) {
            const double p = v / 6 >= 1 && v / 6 < 3, g = v / 6 >= 1 && v / 6 < 4;

            d.p[(n * 2 + 1) * 30 + v] = p;
            d.p[n * 2 * 30 + v] = 1.0 - p;
            d.g[(n * 2 + 1) * 30 + v] = n == 0 ? g : 0.0;
            d.g[n * 2 * 30 + v] = 1.0 - (n == 0 ? g : 0.0);
        }
    return d;
}

static void check_list(const data *d, const char *expression, mm_value first, mm_value second, int note)
{
    scored s = score(d, expression, NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first->list);
    CU_ASSERT(s.first->list[0].reason == first.reason && close_to(s.first->list[0].value, first.value));
    CU_ASSERT(s.first->list[1].reason == second.reason && close_to(s.first->list[1].value, second.value));
    CU_ASSERT_EQUAL(s.first->note != NULL && s.first->note[0] != '\0', note);
    scored_free(&s);
}

/* Rows 1 and 2 of the prediction are the surface, rows 1 to 3 (2 but its middle) of the label. */
static void test_peers(void)
{
    const mm_value empty = mm_undefined(MM_EMPTY_LABEL), zero = mm_defined(0.0);
    data d = boxes();

    check_list(&d, "monai.compute_hausdorff_distance", mm_defined(1.0), empty, 0);
    check_list(&d, "monai.compute_hausdorff_distance(percentile=0,spacing=[3,1])", mm_defined(3.0), empty, 0);
    check_list(&d, "monai.compute_hausdorff_distance(percentile=100,spacing=[3,1])", mm_defined(3.0), empty, 1);
    check_list(&d, "monai.compute_hausdorff_distance(directed=true)", mm_defined(1.0), empty, 0);
    check_list(&d, "monai.compute_hausdorff_distance(spacing=2.5,distance_metric=taxicab)", mm_defined(1.0), empty, 0);
    check_list(&d, "monai.compute_average_surface_distance(spacing=3)", mm_defined(4.0 / 12.0 * 3.0), empty, 0);
    check_list(&d, "monai.compute_average_surface_distance(symmetric=true)", mm_defined((4.0 + 6.0) / 26.0), empty, 0);
    check_list(&d, "monai.compute_surface_dice(class_thresholds=[1])", mm_defined(1.0), zero, 0);
    check_list(&d, "monai.compute_surface_dice(class_thresholds=[0.5])", mm_defined(16.0 / 26.0), zero, 0);
    check_list(&d, "torchmetrics.hausdorff_distance(spacing=[3,1])", mm_defined(3.0), empty, 1);
    data_free(&d);
}

/* The same surfaces.  With spacing 3, 1 what lies inside row 2 of the label is nearest to the ends of that row. */
static void test_natural(void)
{
    const struct {
        const char *text;
        double plain, spaced; /* of class 1 of the first image; spacing 3, 1 */
    } cases[] = {
        {"hausdorff", 1.0, 3.0},
        {"hausdorff(metric=taxicab)", 1.0, 1.0},
        {"hausdorff(surface=surfel)", 1.0, 3.0},
        {"hausdorff_directed", 1.0, 2.0},
        {"hausdorff_percentile(q=0)", 0.0, 0.0},
        {"hausdorff_percentile(q=100)", 1.0, 3.0},
        {"hd95(of=pooled)", 1.0, 3.0},
        {"average_surface_distance", 4.0 / 12.0, 6.0 / 12.0},
        {"assd", 10.0 / 26.0, 24.0 / 26.0},
        {"masd", (4.0 / 12.0 + 6.0 / 14.0) / 2.0, (6.0 / 12.0 + 18.0 / 14.0) / 2.0},
        {"rms_surface_distance", sqrt(10.0 / 26.0), sqrt((10.0 + 54.0) / 26.0)},
        {"surface_dice", 1.0, 18.0 / 26.0},
        {"nsd(tolerance=2.9)", 1.0, 20.0 / 26.0},
        {"nsd(tolerance=3)", 1.0, 1.0},
    };
    mm_problem problem;
    data d = boxes();

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int spaced = 0; spaced < 2; spaced++) {
            char text[96];

            memcpy(d.spacing, spaced ? (double[]){3.0, 1.0, 0.0} : (double[]){0.0, 0.0, 0.0}, sizeof d.spacing);
            snprintf(text, sizeof text, "%s", cases[i].text);
            scored s = score(&d, text, NULL);

            CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
            if (!close_to(s.first->per_image[1].value, spaced ? cases[i].spaced : cases[i].plain)) {
                printf("\n    %s: %.17g\n", text, s.first->per_image[1].value);
                CU_FAIL("value");
            }
            scored_free(&s);
        }
    scored empty = score(&d, "hausdorff,surface_dice", NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(empty.first);
    CU_ASSERT_EQUAL(empty.first->per_image[3].reason, MM_EMPTY_LABEL);
    scored_free(&empty);
    CU_ASSERT_NOT_EQUAL(refusal_of(&d, "hd95(of=pooled,surface=surfel)", &problem), MM_OK);
    CU_ASSERT_NOT_EQUAL(refusal_of(&d, "hausdorff(over=pooled)", &problem), MM_OK);
    data_free(&d);
}

static void test_refused(void)
{
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"monai.compute_hausdorff_distance(spacing=[1,2,3])", "spacing"},
        {"monai.compute_hausdorff_distance(spacing=0)", "spacing"},
        {"monai.compute_hausdorff_distance(percentile=101)", "percentile"},
        {"monai.compute_hausdorff_distance(distance_metric=manhattan)", "taxicab"},
        {"monai.compute_surface_dice", "class_thresholds"},
        {"monai.compute_surface_dice(class_thresholds=[1,1])", "class_thresholds"},
        {"monai.compute_surface_dice(class_thresholds=[-1])", "class_thresholds"},
        {"monai.compute_surface_dice(class_thresholds=[1],use_subvoxels=true,distance_metric=taxicab)",
         "use_subvoxels"},
        {"monai.HausdorffDTLoss(sigmoid=true,softmax=true)", "softmax"},
        {"torchmetrics.hausdorff_distance(distance_metric=taxicab,spacing=2)", "spacing"},
        {"torchmetrics.hausdorff_distance(num_classes=3)", "num_classes"},
    };
    data d = boxes();

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mm_problem problem = {.text = ""};

        CU_ASSERT_NOT_EQUAL(refusal_of(&d, bad[i].text, &problem), MM_OK);
        if (strstr(problem.text, bad[i].part) == NULL) {
            printf("\n    %s: %s\n", bad[i].text, problem.text);
            CU_FAIL("message");
        }
    }
    data_free(&d);
}

static CU_TestInfo tests[] = {
    {"sums by distance", test_kinds},
    {"surfaces", test_surfaces},
    {"peers", test_peers},
    {"natural scores", test_natural},
    {"arguments that are refused", test_refused},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_image_distance;
const mm_suite mm_suite_image_distance = {"image_distance", tests};
