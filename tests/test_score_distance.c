/*
 * test_score_distance.c - distances between surfaces by name, against the lists of all pairs of surface voxels.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/tolerances.h"
#include "tests/border_tools.h"

/* ------------------------------------------------------------- by all pairs */

/* How far each surface voxel of one mask is from the nearest of the other, ascending. */
typedef struct list {
    double distance[MOST_PLACES];
    size_t count;
} list;

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void measure(const places *all, mm_metric metric, const unsigned char *from, const unsigned char *to, list *out)
{
    out->count = 0;
    for (size_t v = 0; v < all->count; v++) {
        double nearest = INFINITY;

        for (size_t w = 0; from[v] && w < all->count; w++)
            if (to[w])
                nearest = fmin(nearest, apart(all, metric, v, w));
        if (from[v])
            out->distance[out->count++] = nearest;
    }
    qsort(out->distance, out->count, sizeof *out->distance, ascending);
}

/* Which surfaces: the text of the parameters, and what they say. */
typedef struct kind {
    const char *text;
    unsigned connectivity;
    mm_metric metric;
} kind;

/* out[0] from the prediction, out[1] from the label. */
static void lists_of(const data *d, const kind *k, size_t n, size_t c, list out[2])
{
    const places all = places_of(d);
    unsigned char mask[MOST_PLACES], surface[2][MOST_PLACES];

    pred_mask(d, n, c, mask);
    surface_of(&all, mask, k->connectivity, surface[0]);
    label_mask(d, n, c, mask);
    surface_of(&all, mask, k->connectivity, surface[1]);
    measure(&all, k->metric, surface[0], surface[1], &out[0]);
    measure(&all, k->metric, surface[1], surface[0], &out[1]);
}

static double mean(const list *of, int squared)
{
    double sum = 0.0;

    for (size_t i = 0; i < of->count; i++)
        sum += squared ? of->distance[i] * of->distance[i] : of->distance[i];
    return sum / (double)of->count;
}

static void join(const list from[2], list *both)
{
    both->count = 0;
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < from[side].count; i++)
            both->distance[both->count++] = from[side].distance[i];
    qsort(both->distance, both->count, sizeof *both->distance, ascending);
}

static double percentile(const list *of, double q)
{
    const double place = (double)(of->count - 1) * q / 100.0;
    const size_t below = (size_t)floor(place), above = below + 1 < of->count ? below + 1 : below;

    return of->distance[below] + (place - (double)below) * (of->distance[above] - of->distance[below]);
}

static double near_enough(const list *of, double tolerance)
{
    double count = 0.0;

    for (size_t i = 0; i < of->count; i++)
        count += of->distance[i] <= tolerance * (1.0 + 1e-10);
    return count;
}

/* -------------------------------------------------------------- the scores */

static double greatest(const list of[2])
{
    return fmax(of[0].distance[of[0].count - 1], of[1].distance[of[1].count - 1]);
}

static double from_pred(const list of[2])
{
    return of[0].distance[of[0].count - 1];
}

static double from_label(const list of[2])
{
    return of[1].distance[of[1].count - 1];
}

static double hd95(const list of[2])
{
    return fmax(percentile(&of[0], 95.0), percentile(&of[1], 95.0));
}

static double hd95_pooled(const list of[2])
{
    list both;

    join(of, &both);
    return percentile(&both, 95.0);
}

static double median(const list of[2])
{
    return fmax(percentile(&of[0], 50.0), percentile(&of[1], 50.0));
}

static double tenth_of_pred(const list of[2])
{
    return percentile(&of[0], 10.0);
}

static double tenth_of_label(const list of[2])
{
    return percentile(&of[1], 10.0);
}

static double mean_from_pred(const list of[2])
{
    return mean(&of[0], 0);
}

static double mean_from_label(const list of[2])
{
    return mean(&of[1], 0);
}

static double assd(const list of[2])
{
    list both;

    join(of, &both);
    return mean(&both, 0);
}

static double masd(const list of[2])
{
    return (mean(&of[0], 0) + mean(&of[1], 0)) / 2.0;
}

static double rms(const list of[2])
{
    list both;

    join(of, &both);
    return sqrt(mean(&both, 1));
}

static double dice_1(const list of[2])
{
    return (near_enough(&of[0], 1.0) + near_enough(&of[1], 1.0)) / (double)(of[0].count + of[1].count);
}

static double dice_0(const list of[2])
{
    return (near_enough(&of[0], 0.0) + near_enough(&of[1], 0.0)) / (double)(of[0].count + of[1].count);
}

static double overlap_of_pred(const list of[2])
{
    return near_enough(&of[0], 1.4) / (double)of[0].count;
}

static double overlap_of_label(const list of[2])
{
    return near_enough(&of[1], 1.4) / (double)of[1].count;
}

static const struct {
    const char *name, *arguments;
    double (*of)(const list of[2]);
} scores[] = {
    {"hausdorff", "", greatest},
    {"hausdorff_directed", "", from_pred},
    {"hausdorff_directed", "from=label", from_label},
    {"hd95", "", hd95},
    {"hd95", "of=pooled", hd95_pooled},
    {"hausdorff_percentile", "", hd95},
    {"hausdorff_percentile", "q=50", median},
    {"hausdorff_percentile", "q=10,of=prediction", tenth_of_pred},
    {"hausdorff_percentile", "q=10,of=label", tenth_of_label},
    {"average_surface_distance", "", mean_from_pred},
    {"average_surface_distance", "from=label", mean_from_label},
    {"assd", "", assd},
    {"masd", "", masd},
    {"rms_surface_distance", "", rms},
    {"surface_dice", "", dice_1},
    {"nsd", "tolerance=0", dice_0},
    {"surface_overlap", "tolerance=1.4", overlap_of_pred},
    {"surface_overlap", "tolerance=1.4,side=label", overlap_of_label},
};

#define SCORES (sizeof scores / sizeof scores[0])

static const kind kinds[] = {
    {"", 1, MM_EUCLIDEAN},
    {"metric=chessboard", 1, MM_CHESSBOARD},
    {"metric=taxicab", 1, MM_TAXICAB},
    {"connectivity=2", 2, MM_EUCLIDEAN},
    {"connectivity=3,metric=euclidean", 3, MM_EUCLIDEAN},
};

/* Arrays: axes, and spacings of those that have them. */
typedef struct form {
    unsigned rank;
    size_t dim[3];
    double spacing[3];
} form;

static const form forms[] = {
    {1, {30}, {0}},          {1, {17}, {0.7}},    {2, {9, 12}, {0}},
    {2, {7, 8}, {2.0, 0.5}}, {3, {5, 6, 7}, {0}}, {3, {4, 5, 4}, {3.3, 0.58594, 0.58594}},
};

#define FORMS (sizeof forms / sizeof forms[0])

/* Random masks of that form: with few, half or most of the voxels set. */
static data data_of(const form *f, mm_task task, size_t images, size_t classes, unsigned seed)
{
    size_t voxels = 1;

    for (unsigned axis = 0; axis < f->rank; axis++)
        voxels *= f->dim[axis];
    data d = data_random(task, images, classes, voxels, seed);

    d.spatial_rank = f->rank;
    memcpy(d.spatial, f->dim, sizeof d.spatial);
    memcpy(d.spacing, f->spacing, sizeof d.spacing);
    for (size_t i = 0; task == MM_MULTILABEL && i < images * classes * voxels; i++) {
        const double bias = 0.35 * ((double)(i / voxels % 3) - 1.0);

        d.p[i] = fmin(fmax(d.p[i] + bias, 0.0), 1.0);
        d.g[i] = i % 7 == 0 && bias != 0.0 ? bias > 0.0 : d.g[i];
    }
    return d;
}

static void check_image(const data *d, const char *text, const mm_result *result, const kind *k, size_t which)
{
    for (size_t n = 0; n < d->images; n++)
        for (size_t c = 0; c < d->classes; c++) {
            const mm_value value = result->per_image[n * d->classes + c];
            list of[2];

            lists_of(d, k, n, c, of);
            if (of[0].count == 0 || of[1].count == 0) {
                CU_ASSERT(value.reason != MM_DEFINED || value.value == 0.0);
                continue;
            }
            if (value.reason != MM_DEFINED || !close_to(value.value, scores[which].of(of))) {
                printf("\n    %s of image %zu, class %zu: %.17g, not %.17g\n", text, n, c, value.value,
                       scores[which].of(of));
                CU_FAIL("distance");
            }
        }
}

/* Every score with every kind of surface, all in one request. */
static void check_data(const data *d)
{
    static char text[8192];
    size_t used = 0, which = 0;
    char one[160];

    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (size_t i = 0; i < SCORES; i++)
            used +=
                (size_t)snprintf(text + used, sizeof text - used, "%s%s", used > 0 ? "," : "",
                                 expression_of(one, sizeof one, scores[i].name, scores[i].arguments, kinds[k].text));
    scored s = score(d, text, NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (size_t i = 0; i < SCORES; i++, which++)
            check_image(d, mm_plan_expression(s.plan, which), mm_results_at(s.results, which), &kinds[k], i);
    scored_free(&s);
}

static void test_random(void)
{
    for (size_t f = 0; f < FORMS; f++)
        for (unsigned seed = 0; seed < 2; seed++) {
            data masks = data_of(&forms[f], MM_MULTILABEL, 2, 3, 40 + seed),
                 exclusive = data_of(&forms[f], MM_MULTICLASS, 1, 3, 50 + seed);

            check_data(&masks);
            check_data(&exclusive);
            data_free(&masks);
            data_free(&exclusive);
        }
}

/* -------------------------------------------------------------- a known table */

/* Boxes, half-open: prediction and label without their holes. */
typedef struct pair {
    form form;
    size_t pred[2][3], label[2][3]; /* low, high */
    size_t hole[2][3];              /* of the prediction */
    double voxel[5], surfel[4];     /* HD, HD95 directed, pooled, ASSD, NSD; HD, HD95, ASSD, NSD: tolerance 1 */
} pair;

/* clang-format off */
static const pair table[] = {
    {{2, {10, 10}, {0}}, {{2, 2}, {6, 6}}, {{2, 3}, {6, 7}}, {{0}}, {1, 1, 1, .5, 1}, {1, 1, .5, 1}},
    {{2, {10, 10}, {2, .5}}, {{2, 2}, {6, 6}}, {{2, 3}, {6, 7}}, {{0}}, {.5, .5, .5, .25, 1}, {.5, .5, .367659, 1}},
    {{2, {12, 12}, {0}}, {{2, 2}, {9, 9}}, {{2, 2}, {9, 9}}, {{4, 4}, {7, 7}}, {1, 1, 1, .2, 1}, {2, 2, .335842, .832079}},
    {{2, {6, 8}, {0}}, {{0, 0}, {6, 8}}, {{1, 1}, {5, 7}}, {{0}}, {1.41421, 1.41421, 1.41421, 1.04142, .9},
     {1.41421, 1.41421, 1.02566, .938050}},
    {{2, {8, 8}, {0}}, {{2, 2}, {4, 6}}, {{4, 2}, {6, 6}}, {{0}}, {2, 2, 2, 1.5, .5}, {2, 2, 1, .592350}},
    {{3, {8, 10, 10}, {3, 1, 1}}, {{2, 2, 2}, {5, 6, 6}}, {{3, 2, 2}, {6, 6, 6}}, {{0}}, {3, 3, 3, 1.18182, .636364},
     {3, 3, .672974, .791306}},
    {{3, {5, 6, 7}, {0}}, {{1, 2, 2}, {2, 3, 3}}, {{2, 3, 4}, {3, 4, 5}}, {{0}}, {2.44949, 2.44949, 2.44949, 2.44949, 0},
     {2.44949, 2.44949, 1.81026, .125}},
};
/* clang-format on */

static int inside(const form *f, const size_t corner[2][3], size_t v)
{
    for (unsigned axis = f->rank; axis-- > 0; v /= f->dim[axis])
        if (v % f->dim[axis] < corner[0][axis] || v % f->dim[axis] >= corner[1][axis])
            return 0;
    return 1;
}

static data boxes_of(const pair *of)
{
    data d = data_of(&of->form, MM_MULTILABEL, 1, 1, 1);

    for (size_t v = 0; v < d.voxels; v++) {
        d.p[v] = inside(&of->form, of->pred, v) && !inside(&of->form, of->hole, v);
        d.g[v] = inside(&of->form, of->label, v);
    }
    return d;
}

static void check_near(const data *d, const char *expression, double expected)
{
    const double value = value_of(d, expression, NULL);

    if (!(fabs(value - expected) <= 5e-6 * fmax(1.0, expected))) {
        printf("\n    %s: %.9g, not %.9g\n", expression, value, expected);
        CU_FAIL("table");
    }
}

static void test_table(void)
{
    static const char *const voxel[] = {"hausdorff", "hd95", "hd95(of=pooled)", "assd", "surface_dice(tolerance=1)"};
    static const char *const surfel[] = {"hausdorff(surface=surfel)", "hd95(surface=surfel)", "assd(surface=surfel)",
                                         "nsd(surface=surfel)"};

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        data d = boxes_of(&table[i]);

        for (size_t k = 0; k < 5; k++)
            check_near(&d, voxel[k], table[i].voxel[k]);
        for (size_t k = 0; k < 4; k++)
            check_near(&d, surfel[k], table[i].surfel[k]);
        data_free(&d);
    }
}

/* Tolerances that are a distance, of spacings that are not exact. */
static void test_ties(void)
{
    static const double spacings[] = {0.1, 0.7, 0.58594, 1.0 / 3.0, 3.3};

    for (size_t i = 0; i < sizeof spacings / sizeof spacings[0]; i++)
        for (size_t steps = 1; steps <= 3; steps++) {
            const form f = {2, {12, 12}, {spacings[i], 100.0}};
            pair of = {.form = f, .pred = {{2, 2}, {6, 6}}, .label = {{2 + steps, 2}, {6 + steps, 6}}};
            data d = boxes_of(&of);
            char text[80];

            snprintf(text, sizeof text, "nsd(tolerance=%.17g)", (double)steps * spacings[i]);
            check_value(&d, text, NULL, 1.0);
            snprintf(text, sizeof text, "nsd(surface=surfel,tolerance=%.17g)", (double)steps * spacings[i]);
            check_value(&d, text, NULL, 1.0);
            snprintf(text, sizeof text, "nsd(tolerance=%.17g)", (double)steps * spacings[i] * (1.0 - 1e-6));
            CU_ASSERT(value_of(&d, text, NULL) < 1.0);
            data_free(&d);
        }
}

/* ------------------------------------------------------------- empty masks */

/* Classes: in both, in the prediction only, in the label only, in neither. */
static data half_empty(void)
{
    const form f = {2, {4, 6}, {3.0, 0.5}};
    data d = data_of(&f, MM_MULTILABEL, 1, 4, 3);

    for (size_t v = 0; v < d.voxels; v++)
        for (size_t c = 0; c < 4; c++) {
            d.p[c * d.voxels + v] = c < 2 && v == 7;
            d.g[c * d.voxels + v] = (c == 0 || c == 2) && v == 8;
        }
    return d;
}

static void test_empty(void)
{
    static const char *const names[] = {"hausdorff", "hausdorff_directed",       "hausdorff_percentile",
                                        "hd95",      "average_surface_distance", "assd",
                                        "masd",      "rms_surface_distance"};
    static const char *const kinds_of_surface[] = {"", "surface=surfel"};
    const double diagonal = sqrt(12.0 * 12.0 + 3.0 * 3.0);
    data d = half_empty();

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (size_t k = 0; k < 2; k++) {
            char text[96];

            expression_of(text, sizeof text, names[i], "", kinds_of_surface[k]);
            check_class(&d, text, 1, MM_EMPTY_LABEL, 0);
            check_class(&d, text, 2, MM_EMPTY_PREDICTION, 0);
            check_class(&d, text, 3, MM_ABSENT_IN_BOTH, 0);
            expression_of(text, sizeof text, names[i], "empty=diagonal", kinds_of_surface[k]);
            check_class(&d, text, 1, MM_DEFINED, diagonal);
            check_class(&d, text, 2, MM_DEFINED, diagonal);
            check_class(&d, text, 3, MM_ABSENT_IN_BOTH, 0);
            expression_of(text, sizeof text, names[i], "empty=diagonal,absent=0", kinds_of_surface[k]);
            check_class(&d, text, 3, MM_DEFINED, 0.0);
        }
    check_class(&d, "hausdorff(empty=diagonal)", 0, MM_DEFINED, 0.5);
    check_value(&d, "hausdorff", NULL, 0.5);
    check_value(&d, "hausdorff(empty=diagonal)", NULL, (0.5 + 2.0 * diagonal) / 3.0);
    check_class(&d, "hausdorff(empty=diagonal,metric=chessboard)", 1, MM_DEFINED, 6.0);
    check_class(&d, "hausdorff(empty=diagonal,metric=taxicab)", 1, MM_DEFINED, 10.0);
    check_class(&d, "nsd", 1, MM_DEFINED, 0.0);
    check_class(&d, "nsd", 2, MM_DEFINED, 0.0);
    check_class(&d, "nsd", 3, MM_ABSENT_IN_BOTH, 0);
    check_class(&d, "nsd(absent=1)", 3, MM_DEFINED, 1.0);
    check_class(&d, "surface_overlap", 1, MM_DEFINED, 0.0);
    check_class(&d, "surface_overlap", 2, MM_ABSENT_IN_PREDICTION, 0);
    check_class(&d, "surface_overlap(side=label)", 1, MM_ABSENT_IN_LABEL, 0);
    check_class(&d, "surface_overlap(side=label)", 2, MM_DEFINED, 0.0);
    check_class(&d, "surface_overlap(side=label)", 3, MM_ABSENT_IN_BOTH, 0);
    data_free(&d);
}

/* -------------------------------------------------------------- tolerances */

/* A list gives each class what the number alone gives it. */
static void test_tolerance_per_class(void)
{
    data d = data_of(&forms[3], MM_MULTILABEL, 2, 3, 60);
    scored all = score(&d, "nsd(tolerance=[0.5,2,0.5]),nsd(tolerance=0.5),nsd(tolerance=2)", NULL);
    mm_stat columns[MM_MAX_STATS];

    CU_ASSERT_PTR_NOT_NULL_FATAL(all.first);
    for (size_t c = 0; c < 3; c++) {
        const mm_result *alone = mm_results_at(all.results, c == 1 ? 2 : 1);

        CU_ASSERT_EQUAL(all.first->per_class[c].reason, MM_DEFINED);
        CU_ASSERT_EQUAL(all.first->per_class[c].value, alone->per_class[c].value);
    }
    CU_ASSERT_EQUAL(mm_plan_stats(all.plan, columns), 3); /* sizes, and two tolerances */
    scored_free(&all);
    data_free(&d);
}

/* As many as there are columns; more when the classes are asked in turn. */
static void test_many_tolerances(void)
{
    static const char most[] = "tolerance=[0,1,2,3,4,5,6,7,8,9,10,10]",
                      more[] = "tolerance=[0,1,2,3,4,5,6,7,8,9,10,11]";
    data d = data_of(&forms[1], MM_MULTILABEL, 1, 12, 61);
    mm_problem problem = {.text = ""};
    char text[160];

    CU_ASSERT_EQUAL(refusal_of(&d, expression_of(text, sizeof text, "nsd", most, ""), &problem), MM_OK);
    CU_ASSERT_EQUAL(refusal_of(&d, expression_of(text, sizeof text, "nsd", more, ""), &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "tolerance takes at most 11"));
    CU_ASSERT_EQUAL(MM_MOST_TOLERANCES, 11);
    check_value(&d, expression_of(text, sizeof text, "nsd", more, "classes=[11]"), NULL,
                value_of(&d, "nsd(tolerance=11,classes=[11])", NULL));
    data_free(&d);
}

/* -------------------------------------------------------------- summaries */

/* stat= over the images, as numpy's linear percentiles. */
static void test_stat(void)
{
    data d = data_of(&forms[2], MM_MULTICLASS, 5, 2, 62);
    double x[5];

    for (size_t n = 0; n < 5; n++) {
        list of[2];

        lists_of(&d, &kinds[0], n, 0, of);
        x[n] = assd(of);
    }
    qsort(x, 5, sizeof x[0], ascending);
    check_value(&d, "assd(classes=[0],stat=min)", NULL, x[0]);
    check_value(&d, "assd(classes=[0],stat=p5)", NULL, x[0] + 0.2 * (x[1] - x[0]));
    check_value(&d, "assd(classes=[0],stat=p25)", NULL, x[1]);
    check_value(&d, "assd(classes=[0],stat=p50)", NULL, x[2]);
    check_value(&d, "assd(classes=[0],stat=p75)", NULL, x[3]);
    check_value(&d, "assd(classes=[0],stat=p95)", NULL, x[3] + 0.8 * (x[4] - x[3]));
    check_value(&d, "assd(classes=[0],stat=max)", NULL, x[4]);
    data_free(&d);
}

/* Parts that are merged give the same bits as one upload. */
static void test_merged(void)
{
    static const char text[] =
        "hausdorff(empty=diagonal),hd95(of=pooled),nsd(tolerance=[0,1,2]),"
        "surface_overlap(surface=surfel,side=label),assd(surface=surfel,stat=p75),"
        "average_surface_distance(connectivity=2,from=label),rms_surface_distance(metric=taxicab)";
    data d = data_of(&forms[5], MM_MULTILABEL, 3, 3, 63);
    scored whole = score(&d, text, NULL);
    mm_images *first = images_of(&d, whole.plan, 0, 1), *rest = images_of(&d, whole.plan, 1, 3);
    mm_results *results = NULL;

    CU_ASSERT_FATAL(whole.first != NULL && first != NULL && rest != NULL);
    CU_ASSERT_EQUAL_FATAL(mm_images_merge(rest, first, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, rest, whole.plan, NULL, NULL), MM_OK);
    for (size_t i = 0; i < mm_plan_count(whole.plan); i++) {
        const mm_result *a = mm_results_at(whole.results, i), *b = mm_results_at(results, i);

        CU_ASSERT_EQUAL(a->value.reason, b->value.reason);
        CU_ASSERT_EQUAL(memcmp(&a->value.value, &b->value.value, sizeof a->value.value), 0);
        CU_ASSERT_EQUAL(a->value.reason, MM_DEFINED);
    }
    mm_results_free(results);
    mm_images_free(first);
    mm_images_free(rest);
    scored_free(&whole);
    data_free(&d);
}

/* ------------------------------------------------------------------- words */

/* A record that lacks a column: the note says which, with its number and its surfaces. */
static void test_not_in_sums(void)
{
    static const char asked[] = "hd95(surface=surfel),hausdorff(metric=taxicab,connectivity=2),nsd(tolerance=[1,2.5])";
    static const char *const notes[] = {"percentile 95 of the distances between surfaces (surfels, euclidean)",
                                        "distances between surfaces (voxels of connectivity 2, taxicab)",
                                        "surfaces within 2.5 of each other (voxels of connectivity 1, euclidean)"};
    data d = data_of(&forms[2], MM_MULTILABEL, 1, 2, 64);
    scored had = score(&d, "hausdorff,nsd(tolerance=1)", NULL);
    mm_plan *plan = bound_plan(&d, asked);
    mm_results *results = NULL;

    CU_ASSERT_FATAL(had.first != NULL && plan != NULL);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, had.images, plan, NULL, NULL), MM_OK);
    for (size_t i = 0; i < 3; i++) {
        const mm_result *r = mm_results_at(results, i);

        CU_ASSERT_EQUAL(r->value.reason, MM_NOT_IN_SUMS);
        CU_ASSERT_PTR_NOT_NULL_FATAL(r->note);
        CU_ASSERT_PTR_NOT_NULL(strstr(r->note, notes[i]));
        CU_ASSERT_PTR_NOT_NULL(strstr(r->note, "not gathered for every image"));
    }
    mm_results_free(results);
    mm_plan_free(plan);
    scored_free(&had);
    data_free(&d);
}

/* What a distance was made of: sizes and sums of both directions, by which it can be checked. */
static void test_explained(void)
{
    data d = data_of(&forms[2], MM_MULTICLASS, 1, 2, 65);
    scored s = score(&d, "assd", NULL);
    mm_explanation *explanation = NULL;
    list of[2];

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    lists_of(&d, &kinds[0], 0, 0, of);
    CU_ASSERT_EQUAL_FATAL(mm_images_explain(&explanation, s.images, s.plan, 0), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_explanation_count(explanation), 5);
    const mm_used *used = mm_explanation_at(explanation, 4);

    CU_ASSERT_PTR_NOT_NULL(strstr(used->what,
                                  "distances between surfaces (voxels of connectivity 1, euclidean): reason; "
                                  "size, sum, sum of squares and greatest"));
    CU_ASSERT_PTR_NOT_NULL(strstr(used->what, "diagonal"));
    for (size_t side = 0; side < 2; side++) {
        CU_ASSERT_EQUAL(used->pooled[2 * (1 + side)], (double)of[side].count);
        CU_ASSERT(close_to(used->pooled[2 * (3 + side)], mean(&of[side], 0) * (double)of[side].count));
        CU_ASSERT(close_to(used->pooled[2 * (5 + side)], mean(&of[side], 1) * (double)of[side].count));
        CU_ASSERT(close_to(used->pooled[2 * (7 + side)], of[side].distance[of[side].count - 1]));
    }
    CU_ASSERT(close_to(used->pooled[2 * 9], 15.0));
    mm_explanation_free(explanation);
    scored_free(&s);
    data_free(&d);
}

/* -------------------------------------------------------------------- boxes */

/* Boxes that differ by a row.  With spacing 3, 1 what lies inside row 2 of the label is nearest to the ends of that
 * row. */
static void test_boxes(void)
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
    data d = rows_apart();

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
    data_free(&d);
}

static void test_refused(void)
{
    static const refusal bad[] = {
        {"nsd(tolerance=-1)", "tolerance"},
        {"nsd(tolerance=NaN)", "tolerance"},
        {"nsd(tolerance=[1,inf])", "tolerance"},
        {"nsd(tolerance=[1,2,3])", "parameter \"tolerance\" of surface_dice has 3 numbers; there are 2 classes"},
        {"surface_overlap(side=both)", "prediction|label"},
        {"hausdorff_percentile(q=100.5)", "\"q\""},
        {"hausdorff_percentile(q=-1)", "\"q\""},
        {"hausdorff_percentile(q=nan)", "\"q\""},
        {"hd95(q=90)", "\"q\""},
        {"hd95(connectivity=2,surface=surfel)", "connectivity goes with surface=voxel"},
        {"nsd(connectivity=3,surface=surfel)", "connectivity goes with surface=voxel"},
        {"assd(connectivity=1.5)", "connectivity is 1, 2 or 3"},
        {"assd(connectivity=4)", "connectivity"},
        {"hd95(of=pooled,surface=surfel)", "of=pooled goes with surface=voxel"},
        {"hd95(of=both)", "directed|pooled"},
        {"hausdorff(surface=mesh)", "voxel|surfel"},
        {"hausdorff(metric=manhattan)", "taxicab"},
        {"hausdorff(empty=inf)", "none|diagonal"},
        {"hausdorff(over=pooled)", "over"},
        {"hausdorff_directed(from=both)", "prediction|label"},
    };
    data d = rows_apart();

    check_refusals(&d, bad, sizeof bad / sizeof bad[0]);
    data_free(&d);
}

static CU_TestInfo tests[] = {
    {"random masks", test_random},
    {"a known table", test_table},
    {"tolerances that are a distance", test_ties},
    {"empty masks", test_empty},
    {"a tolerance per class", test_tolerance_per_class},
    {"many tolerances", test_many_tolerances},
    {"summaries over images", test_stat},
    {"merged parts", test_merged},
    {"columns that a record lacks", test_not_in_sums},
    {"what was used", test_explained},
    {"boxes", test_boxes},
    {"arguments that are refused", test_refused},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_score_distance;
const mm_suite mm_suite_score_distance = {"score_distance", tests};
