/*
 * test_scores.c - every row of the registry, its properties, and the policies of means.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arguments.h"
#include "lib/scores.h"
#include "tests/score_tools.h"

/* ------------------------------------------------------------------- rows */

static int filled(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* Everything that a listing shows is there, and the default of every parameter is a value that it accepts. */
static void check_params(const mm_param *params, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mm_cursor cursor = {params[i].standard, 0};
        mm_arg arg = {0};
        char expected[128];

        CU_ASSERT(filled(params[i].name) && filled(params[i].meaning));
        CU_ASSERT(params[i].min <= params[i].max);
        CU_ASSERT(params[i].type != MM_WORD || filled(params[i].choices));
        for (size_t j = 0; j < i; j++)
            CU_ASSERT_STRING_NOT_EQUAL(params[i].name, params[j].name);
        if (params[i].standard == NULL)
            continue;
        CU_ASSERT_EQUAL(mm_read_value(&cursor, &params[i], &arg, expected, sizeof expected), MM_OK);
        CU_ASSERT_EQUAL(cursor.text[cursor.at], '\0');
        free(arg.list);
    }
}

static void test_rows_are_complete(void)
{
    const mm_score *row;
    size_t i;

    for (i = 0; (row = mm_row_at(i)) != NULL; i++) {
        const mm_score_info *info = &row->info;

        CU_ASSERT(filled(info->name) && filled(info->summary) && filled(info->formula) && filled(info->source) &&
                  filled(info->undefined));
        CU_ASSERT_EQUAL(info->summary[strlen(info->summary) - 1], '.');
        CU_ASSERT_EQUAL((row->per_class != NULL) + (row->joint != NULL) + (row->entropy != NULL) + (row->list != NULL) +
                            (row->parts != NULL) + (row->peer != NULL),
                        row->apart != NULL ? 2 : 1);
        CU_ASSERT_EQUAL(info->common == NULL, row->peer != NULL);
        CU_ASSERT_EQUAL(strchr(info->name, '.') != NULL, row->peer != NULL);
        CU_ASSERT(info->kind != MM_LOSS || info->better == MM_LOWER);
        CU_ASSERT(info->kind != MM_COUNT_KIND || info->better == MM_NEITHER);
        check_params(info->params, info->param_count);
        check_params(info->common, info->common_count);
        CU_ASSERT_PTR_EQUAL(mm_score_at(i), info);
        CU_ASSERT_PTR_EQUAL(mm_score_find(info->name), info);
    }
    CU_ASSERT(i >= 30);
    CU_ASSERT_PTR_NULL(mm_score_at(i));
    CU_ASSERT_PTR_NULL(mm_score_at((size_t)-1));
}

/* Every name and every alias is found, and leads to its own row: none is used twice. */
static void test_names_are_unique(void)
{
    for (size_t i = 0; mm_score_at(i) != NULL; i++) {
        const mm_score_info *info = mm_score_at(i);
        char list[256], *rest = list;

        snprintf(list, sizeof list, "%s%s%s", info->name, info->aliases != NULL ? "," : "",
                 info->aliases != NULL ? info->aliases : "");
        while (rest != NULL) {
            char *end = strchr(rest, ',');

            if (end != NULL)
                *end = '\0';
            CU_ASSERT_PTR_EQUAL(mm_score_find(rest), info);
            rest = end != NULL ? end + 1 : NULL;
        }
    }
}

static void test_find_and_nearest(void)
{
    CU_ASSERT_STRING_EQUAL(mm_score_find("f1")->name, "dice");
    CU_ASSERT_STRING_EQUAL(mm_score_find("threat_score")->name, "iou");
    CU_ASSERT_STRING_EQUAL(mm_score_find("sensitivity")->name, "recall");
    CU_ASSERT_PTR_NULL(mm_score_find("Dice"));
    CU_ASSERT_PTR_NULL(mm_score_find(""));
    CU_ASSERT_PTR_NULL(mm_score_find("jaccard,threat_score"));
    CU_ASSERT_PTR_NULL(mm_score_nearest("zzzzzzzz"));
    CU_ASSERT_PTR_NULL(mm_score_nearest(""));
    for (size_t i = 0; mm_score_at(i) != NULL; i++) {
        char typo[64];
        const char *name = mm_score_at(i)->name;

        CU_ASSERT_PTR_EQUAL(mm_score_nearest(name), name);
        snprintf(typo, sizeof typo, "%sx", name);
        if (strlen(name) > 3) /* "tpx" is as near to others */
            CU_ASSERT_PTR_EQUAL(mm_score_nearest(typo), name);
    }
}

static void test_edit_distance(void)
{
    static const struct {
        const char *a, *b;
        size_t limit, distance;
    } cases[] = {
        {"", "", 3, 0},
        {"a", "", 3, 1},
        {"kitten", "sitting", 9, 3},
        {"dice", "idce", 3, 1},
        {"DICE", "dice", 3, 0},
        {"ca", "abc", 9, 3},
        {"kitten", "sitting", 2, 3},
        {"abcdefgh", "x", 3, 4},
        {"precision", "recall", 20, 6},
    };
    char longest[80];

    for (size_t i = 0; i < MM_COUNT(cases); i++) {
        CU_ASSERT_EQUAL(mm_edit_distance(cases[i].a, cases[i].b, cases[i].limit), cases[i].distance);
        CU_ASSERT_EQUAL(mm_edit_distance(cases[i].b, cases[i].a, cases[i].limit), cases[i].distance);
    }
    memset(longest, 'a', sizeof longest);
    longest[79] = '\0';
    CU_ASSERT_EQUAL(mm_edit_distance(longest, longest, 5), 6); /* too long to compare */
    longest[64] = '\0';
    CU_ASSERT_EQUAL(mm_edit_distance(longest, longest, 5), 0);
}

/* p = 1 .5 .5 0, g = 1 1 0 0: values that a person can check in the head.  NAN: not defined there, or a list. */
static void test_witness(void)
{
    static const double mask[] = {1.0, 0.5, 0.5, 0.0, 1.0, 1.0, 0.0, 0.0};
    static const double pair[] = {1, .5, .5, 0, 0, .5, .5, 1, /* p */ 1, 1, 0, 0, 0, 0, 1, 1 /* g */};
    data one = data_given(MM_MULTILABEL, 1, 1, 4, mask), two = data_given(MM_MULTICLASS, 1, 2, 4, pair);

    for (size_t i = 0; mm_row_at(i) != NULL; i++) {
        const mm_score *row = mm_row_at(i);
        const char *text = row->example != NULL ? row->example : row->info.name;

        if (row->peer != NULL || row->list != NULL)
            continue;
        one.pred_kind = row->logits ? MM_LOGITS : MM_PROBS;
        const double value = value_of(row->exclusive ? &two : &one, text, NULL);
        if (isnan(row->witness) ? !isnan(value) : !close_to(value, row->witness)) {
            printf("\n    %s: %.17g\n", text, value);
            CU_FAIL("witness");
        }
    }
    data_free(&one);
    data_free(&two);
}

/* 2 TP / (2 TP + FP + FN) of one (image, class) */
static double dice_of(const data *d, size_t n, size_t c)
{
    double both = 0.0, all = 0.0;

    for (size_t v = 0; v < d->voxels; v++) {
        both += hard_p(d, n, c, v) && hard_g(d, n, c, v);
        all += hard_p(d, n, c, v) + hard_g(d, n, c, v);
    }
    return 2.0 * both / all;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Linear percentiles, as numpy's: at q (n - 1) of the sorted values. */
static void test_stat(void)
{
    data d = data_random(MM_MULTICLASS, 5, 2, 30, 9);
    double x[5];

    for (size_t n = 0; n < 5; n++)
        x[n] = dice_of(&d, n, 1);
    qsort(x, 5, sizeof x[0], by_value);
    check_value(&d, "dice(classes=[1],stat=min)", NULL, x[0]);
    check_value(&d, "dice(classes=[1],stat=max)", NULL, x[4]);
    check_value(&d, "dice(classes=[1],stat=p50)", NULL, x[2]);
    check_value(&d, "dice(classes=[1],stat=p25)", NULL, x[1]);
    check_value(&d, "dice(classes=[1],stat=p75)", NULL, x[3]);
    check_value(&d, "dice(classes=[1],stat=p5)", NULL, x[0] + 0.2 * (x[1] - x[0]));
    check_value(&d, "dice(classes=[1],stat=p95)", NULL, x[3] + 0.8 * (x[4] - x[3]));
    CU_ASSERT(value_of(&d, "cross_entropy(stat=max)", NULL) > value_of(&d, "cross_entropy(stat=p50)", NULL));
    CU_ASSERT(value_of(&d, "generalized_dice_loss(stat=max)", NULL) > value_of(&d, "generalized_dice_loss", NULL));
    data_free(&d);
}

/* -------------------------------------------------------------- properties */

/* Values at p = g that are neither the least of a loss nor the greatest of a metric; -INFINITY: as far below 0 as the
 * shapes let them. */
static double perfect_value(const mm_score_info *info)
{
    static const struct {
        const char *name;
        double value;
    } others[] = {{"negative_dice_loss", -1.0},
                  {"combo_loss", -0.5},
                  {"positive_likelihood_ratio", (double)NAN},
                  {"correlation_ssim_loss", (double)NAN},
                  {"ms_ssim", (double)NAN},
                  {"ms_ssim_loss", (double)NAN},
                  {"boundary_loss", -(double)INFINITY},
                  {"dice_boundary_loss", -(double)INFINITY},
                  {"distance_weighted_dice_loss", -(double)INFINITY}};

    for (size_t i = 0; i < MM_COUNT(others); i++)
        if (strcmp(info->name, others[i].name) == 0)
            return others[i].value;
    return info->better == MM_HIGHER ? 1.0 : 0.0;
}

/* p = g: losses of overlap 0, metrics 1, entropy almost 0. */
static void test_perfect(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 10);

    memcpy(d.p, d.g, d.images * d.classes * d.voxels * sizeof *d.p);
    for (size_t i = 0; mm_row_at(i) != NULL; i++) {
        const mm_score *row = mm_row_at(i);

        if (row->peer != NULL || row->info.kind == MM_COUNT_KIND || row->logits)
            continue;
        const double value = value_of(&d, row->info.name, NULL), best = perfect_value(&row->info);
        const int fine = isnan(best) ? isnan(value) : isinf(best) ? value < 0.0 : fabs(value - best) < 1e-6;
        if (!fine) {
            printf("\n    %s: %.17g\n", row->info.name, value);
            CU_FAIL("perfect");
        }
    }
    data_free(&d);
}

/* Class 1 of 4 is in neither, 2 only in the prediction, 3 only in the label. */
static data absent_data(void)
{
    static const double values[] = {
        0.9, 0.8, 0.1, 0.9, 0.0, 0.0, 0.0, 0.0, 0.1, 0.2, 0.9, 0.1, 0.0, 0.0, 0.0, 0.0, /* p */
        1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, /* g */
    };

    return data_given(MM_MULTICLASS, 1, 4, 4, values);
}

static void test_absent(void)
{
    data d = absent_data();

    check_class(&d, "dice", 1, MM_ABSENT_IN_BOTH, 0);
    check_class(&d, "dice", 2, MM_DEFINED, 0.0);
    check_class(&d, "dice", 3, MM_DEFINED, 0.0);
    check_class(&d, "dice(absent=0)", 1, MM_DEFINED, 0.0);
    check_class(&d, "dice(absent=1)", 1, MM_DEFINED, 1.0);
    check_class(&d, "dice(absent=1,over=pooled)", 1, MM_DEFINED, 1.0);
    check_class(&d, "dice(over=pooled)", 1, MM_ABSENT_IN_BOTH, 0);
    check_class(&d, "dice_loss(smooth=1)", 1, MM_ABSENT_IN_BOTH, 0);
    check_class(&d, "dice_loss(absent=0)", 1, MM_DEFINED, 0.0);
    check_class(&d, "iou", 2, MM_DEFINED, 0.0);
    check_class(&d, "precision", 2, MM_DEFINED, 0.0);
    check_class(&d, "precision", 3, MM_ABSENT_IN_PREDICTION, 0);
    check_class(&d, "precision", 1, MM_ABSENT_IN_BOTH, 0);
    check_class(&d, "recall", 2, MM_ABSENT_IN_LABEL, 0);
    check_class(&d, "recall", 3, MM_DEFINED, 0.0);
    check_class(&d, "specificity", 1, MM_ABSENT_IN_BOTH, 0);
    check_class(&d, "accuracy", 1, MM_ABSENT_IN_BOTH, 0);
    check_class(&d, "tn", 1, MM_DEFINED, 4.0);
    check_class(&d, "tp", 1, MM_DEFINED, 0.0);
    check_class(&d, "cross_entropy", 1, MM_ABSENT_IN_LABEL, 0);
    check_class(&d, "cross_entropy", 2, MM_ABSENT_IN_LABEL, 0);
    check_class(&d, "cross_entropy(absent=0)", 1, MM_DEFINED, 0.0);
    check_class(&d, "cross_entropy(absent=0)", 2, MM_ABSENT_IN_LABEL, 0);
    check_class(&d, "cross_entropy", 3, MM_DEFINED, -log(1e-7));
    check_class(&d, "dice(classes=foreground)", 0, MM_NOT_CHOSEN, 0);
    check_value(&d, "dice", NULL, value_of(&d, "dice(classes=[0])", NULL) / 3.0);
    CU_ASSERT_EQUAL(reason_of(&d, "dice(classes=[1])"), MM_ABSENT_IN_BOTH);
    CU_ASSERT_EQUAL(reason_of(&d, "dice(classes=[1],average=micro)"), MM_ABSENT_IN_BOTH);
    CU_ASSERT_EQUAL(reason_of(&d, "recall(classes=[1,2])"), MM_ABSENT_IN_BOTH);
    CU_ASSERT_EQUAL(reason_of(&d, "cross_entropy(classes=[1,2])"), MM_ABSENT_IN_LABEL);
    CU_ASSERT_EQUAL(reason_of(&d, "generalized_dice_loss(classes=[1])"), MM_ABSENT_IN_BOTH);
    check_value(&d, "generalized_dice_loss(classes=[1],absent=1)", NULL, 1.0);
    data_free(&d);
}

/* A class that soft labels touch is in the label, though no voxel is mostly of it. */
static void test_soft_label_is_not_absent(void)
{
    static const double values[] = {0.8, 0.8, 0.2, 0.2, /* p */ 0.7, 0.7, 0.3, 0.3 /* g */};
    data d = data_given(MM_MULTICLASS, 1, 2, 2, values);

    check_class(&d, "dice_loss", 1, MM_DEFINED, 1.0 - 2.0 * 0.12 / 1.0);
    check_class(&d, "dice", 1, MM_ABSENT_IN_BOTH, 0);
    data_free(&d);
}

/* Other denominators of 0: everything predicted as class 0 without any probability. */
static void test_zero_denominators(void)
{
    static const double values[] = {0, 0, 0, 0, /* p */ 0, 0, 1, 1 /* g */};
    static const double zero[] = {1.0, 0.0};
    data d = data_given(MM_MULTICLASS, 1, 2, 2, values);

    check_class(&d, "dice_loss", 0, MM_ZERO_DENOMINATOR, 0);
    check_class(&d, "dice_loss(smooth_nr=1)", 0, MM_ZERO_DENOMINATOR, 0);
    check_class(&d, "dice_loss(smooth=1)", 0, MM_DEFINED, 0.0);
    check_class(&d, "specificity", 1, MM_ZERO_DENOMINATOR, 0);
    scored s = score(&d, "cross_entropy,dice_loss(classes=[1]),dice(average=weighted,classes=[1])", zero);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    for (size_t i = 0; i < 3; i++) /* the only class with a value has weight 0 */
        CU_ASSERT_EQUAL(mm_results_at(s.results, i)->value.reason, MM_ZERO_DENOMINATOR);
    scored_free(&s);
    CU_ASSERT_EQUAL(reason_of(&d, "generalized_dice_loss(classes=[0])"), MM_ZERO_DENOMINATOR);
    data_free(&d);
}

/* What the means left out is counted by reason; entries that were not chosen are no omission. */
static void test_omitted(void)
{
    data d = absent_data();
    scored s =
        score(&d, "precision,precision(over=pooled),precision(classes=[0,3]),recall,generalized_dice_loss", NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    for (size_t i = 0; i < 2; i++) {
        const mm_result *r = mm_results_at(s.results, i);

        CU_ASSERT_EQUAL(r->omitted[MM_ABSENT_IN_BOTH], 1);
        CU_ASSERT_EQUAL(r->omitted[MM_ABSENT_IN_PREDICTION], 1);
        CU_ASSERT_EQUAL(r->per_image == NULL, i == 1);
    }
    CU_ASSERT_EQUAL(mm_results_at(s.results, 2)->omitted[MM_ABSENT_IN_PREDICTION], 1);
    CU_ASSERT_EQUAL(mm_results_at(s.results, 2)->omitted[MM_NOT_CHOSEN], 0);
    CU_ASSERT_EQUAL(mm_results_at(s.results, 3)->omitted[MM_ABSENT_IN_LABEL], 1);
    CU_ASSERT_EQUAL(s.first->columns, 4);
    CU_ASSERT_PTR_NULL(mm_results_at(s.results, 4)->per_class); /* joint: one column, no classes */
    CU_ASSERT_EQUAL(mm_results_at(s.results, 4)->columns, 1);
    CU_ASSERT_PTR_NOT_NULL(mm_results_at(s.results, 4)->per_image);
    scored_free(&s);
    data_free(&d);
}

#define EVERYTHING                                                                                                     \
    "dice,iou(over=pooled),precision(average=micro),recall(average=support,over=pooled),accuracy,specificity,tp,"      \
    "dice_loss,jaccard_loss(over=pooled,overlap=l1),tversky_loss(average=micro,over=pooled),focal_tversky_loss,"       \
    "generalized_dice_loss,generalized_dice_loss(over=pooled),cross_entropy,cross_entropy(over=pooled),"               \
    "cross_entropy(average=macro),binary_cross_entropy(over=pooled),focal_loss,dice(stat=p5),"                         \
    "sum(0.5*dice_loss,0.5*cross_entropy),seed.categorical_dice,seed.categorical_dicePcrossentroy(lamda=0.3),"         \
    "seed.binary_focal,seed.generalized_dice_loss_w"

/* No image: nothing is defined, by reason no_voxels.  An image without scored voxels is left out. */
static void test_no_voxels(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 11);
    mm_plan *plan = bound_plan(&d, EVERYTHING);
    mm_images *none, *two;
    mm_results *results = NULL, *alone = NULL;

    CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
    none = images_of(&d, plan, 0, 0);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, none, plan, NULL, NULL), MM_OK);
    for (size_t i = 0; i < mm_plan_count(plan); i++)
        CU_ASSERT_EQUAL(mm_results_at(results, i)->value.reason, MM_NO_VOXELS);
    CU_ASSERT_EQUAL(mm_results_at(results, 0)->per_class[2].reason, MM_NO_VOXELS);
    mm_results_free(results);

    two = images_of(&d, plan, 0, 1);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&alone, two, plan, NULL, NULL), MM_OK);
    mm_stat stats[MM_MAX_STATS];
    mm_record *empty = mm_images_append(two, "0/9", stats, mm_plan_stats(plan, stats), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(empty);
    empty->voxels = 30;
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, two, plan, NULL, NULL), MM_OK);
    for (size_t i = 0; i < mm_plan_count(plan); i++)
        if (mm_results_at(results, i)->per_class != NULL && i != 6) /* tp: its mean counts the empty image */
            CU_ASSERT_EQUAL(memcmp(&mm_results_at(results, i)->value, &mm_results_at(alone, i)->value, sizeof(double)),
                            0);
    CU_ASSERT_EQUAL(mm_results_at(results, 0)->omitted[MM_NO_VOXELS], 3);
    mm_results_free(results);
    mm_results_free(alone);
    mm_images_free(none);
    mm_images_free(two);
    mm_plan_free(plan);
    data_free(&d);
}

static int same_values(const mm_value *a, const mm_value *b, size_t count)
{
    for (size_t i = 0; i < count && a != NULL; i++)
        if (a[i].reason != b[i].reason || memcmp(&a[i].value, &b[i].value, sizeof(double)) != 0)
            return 0;
    return 1;
}

static int same_bits(const mm_results *a, const mm_results *b, const mm_plan *plan, size_t classes)
{
    for (size_t i = 0; i < mm_plan_count(plan); i++) {
        const mm_result *x = mm_results_at(a, i), *y = mm_results_at(b, i);
        size_t count = 1;

        for (unsigned axis = 0; axis < x->rank; axis++)
            count *= x->dim[axis];
        if (!same_values(&x->value, &y->value, 1) || !same_values(x->per_class, y->per_class, classes) ||
            !same_values(x->list, y->list, count) || memcmp(x->omitted, y->omitted, sizeof x->omitted) != 0)
            return 0;
    }
    return 1;
}

/* Merged from parts in several groupings, the images in another order: the same bits. */
static void check_merged(const data *d, const char *expressions)
{
    static const size_t cuts[][3] = {{0, 1, 7}, {0, 3, 7}, {0, 6, 7}};
    static const double weights[] = {0.1, 1.7, 2.3};
    scored whole = score(d, expressions, weights);

    CU_ASSERT_PTR_NOT_NULL_FATAL(whole.first);
    for (size_t k = 0; k < MM_COUNT(cuts); k++) {
        /* the later part first: the order of the images changes, too */
        mm_images *into = images_of(d, whole.plan, cuts[k][1], cuts[k][2]);
        mm_images *part = images_of(d, whole.plan, cuts[k][0], cuts[k][1]);
        mm_results *results = NULL;

        CU_ASSERT_EQUAL_FATAL(mm_images_merge(into, part, NULL), MM_OK);
        CU_ASSERT_EQUAL_FATAL(mm_images_merge(into, part, NULL), MM_OK); /* sent again */
        CU_ASSERT_EQUAL(mm_images_count(into), 7);
        CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, into, whole.plan, weights, NULL), MM_OK);
        if (!same_bits(whole.results, results, whole.plan, d->classes)) {
            printf("\n    %s\n", expressions);
            CU_FAIL("bits");
        }
        mm_results_free(results);
        mm_images_free(into);
        mm_images_free(part);
    }
    scored_free(&whole);
}

static void test_order_and_grouping(void)
{
    data d = data_random(MM_MULTICLASS, 7, 3, 33, 12);

    check_merged(&d, EVERYTHING);
    data_free(&d);
}

/* ------------------------------------------------------------ of every row */

/* A natural row that these tests can ask of the data. */
static int asks(const mm_score *row, const data *d)
{
    return row->peer == NULL && !row->logits && !(row->exclusive && d->task == MM_MULTILABEL);
}

/* Does the row have that common parameter, and choice? */
static int takes(const mm_score *row, const char *name, const char *choice)
{
    for (size_t i = 0; i < row->info.common_count; i++)
        if (strcmp(row->info.common[i].name, name) == 0)
            return choice == NULL || strstr(row->info.common[i].choices, choice) != NULL;
    return 0;
}

/* The row with further arguments. */
static const char *text_of(char *text, size_t size, const mm_score *row, const char *more)
{
    if (row->example == NULL)
        snprintf(text, size, "%s(%s)", row->info.name, more);
    else /* NAME(ARGUMENTS), without the last bracket */
        snprintf(text, size, "%.*s%s%s)", (int)strlen(row->example) - 1, row->example, more[0] != '\0' ? "," : "",
                 more);
    return text;
}

static void test_every_row_merged(void)
{
    data exclusive = data_random(MM_MULTICLASS, 7, 3, 33, 70), masks = data_random(MM_MULTILABEL, 7, 2, 33, 71);
    const data *both[] = {&exclusive, &masks};
    char text[160];

    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; mm_row_at(i) != NULL; i++) {
            const mm_score *row = mm_row_at(i);

            if (!asks(row, both[k]))
                continue;
            check_merged(both[k], text_of(text, sizeof text, row, ""));
            if (takes(row, "over", "pooled"))
                check_merged(both[k], text_of(text, sizeof text, row, "over=pooled"));
        }
    data_free(&exclusive);
    data_free(&masks);
}

/* A class in neither label nor prediction: left out, or the value that `absent` says. */
static void test_every_row_absent(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 72);
    char text[160];

    for (size_t v = 0; v < 2 * 40; v++) { /* what is of class 1 goes to class 0 */
        const size_t n = v / 40, zero = n * 3 * 40 + v % 40, one = zero + 40;

        d.p[zero] += d.p[one];
        d.g[zero] += d.g[one];
        d.p[one] = d.g[one] = 0.0;
    }
    for (size_t i = 0; mm_row_at(i) != NULL; i++) {
        const mm_score *row = mm_row_at(i);

        if (!asks(row, &d) || row->per_class == NULL || row->always || row->apart != NULL)
            continue;
        check_class(&d, text_of(text, sizeof text, row, ""), 1, MM_ABSENT_IN_BOTH, 0.0);
        check_class(&d, text_of(text, sizeof text, row, "absent=0"), 1, MM_DEFINED, 0.0);
        check_class(&d, text_of(text, sizeof text, row, "absent=1"), 1, MM_DEFINED, 1.0);
    }
    data_free(&d);
}

/* An image of which no voxel is scored: undefined, by reason no_voxels, but for counts. */
static void test_every_row_without_voxels(void)
{
    data d = data_random(MM_MULTICLASS, 1, 3, 40, 73);
    char text[160];

    for (size_t i = 0; mm_row_at(i) != NULL; i++) {
        const mm_score *row = mm_row_at(i);
        mm_stat stats[MM_MAX_STATS];
        mm_images *images = NULL;
        mm_results *results = NULL;

        if (!asks(row, &d) || row->info.kind == MM_COUNT_KIND)
            continue;
        mm_plan *plan = bound_plan(&d, text_of(text, sizeof text, row, ""));
        CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
        CU_ASSERT_EQUAL_FATAL(mm_images_new(&images, MM_MULTICLASS, 3), MM_OK);
        mm_record *record = mm_images_append(images, "0/0", stats, mm_plan_stats(plan, stats), 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(record);
        record->voxels = record->unmasked = 40;
        CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, images, plan, NULL, NULL), MM_OK);
        if (mm_results_at(results, 0)->value.reason != MM_NO_VOXELS) {
            printf("\n    %s: %s\n", text, mm_reason_text(mm_results_at(results, 0)->value.reason));
            CU_FAIL("reason");
        }
        mm_results_free(results);
        mm_images_free(images);
        mm_plan_free(plan);
    }
    data_free(&d);
}

/* The classes turned by one. */
static data turned_of(const data *d)
{
    data turned = data_random(d->task, d->images, d->classes, d->voxels, 1);

    for (size_t n = 0; n < d->images; n++)
        for (size_t c = 0; c < d->classes; c++)
            for (size_t v = 0; v < d->voxels; v++) {
                const size_t to = (n * d->classes + (c + 1) % d->classes) * d->voxels + v;

                turned.p[to] = p_at(d, n, c, v);
                turned.g[to] = g_at(d, n, c, v);
            }
    return turned;
}

static void check_turned(const data *d, const data *turned, const char *text)
{
    scored a = score(d, text, NULL), b = score(turned, text, NULL);

    CU_ASSERT_FATAL(a.first != NULL && b.first != NULL);
    const mm_value x = a.first->value, y = b.first->value;
    int same = x.reason == y.reason && (x.reason != MM_DEFINED || close_to(x.value, y.value));

    for (size_t c = 0; c < d->classes && a.first->per_class != NULL; c++)
        same = same && same_values(&a.first->per_class[c], &b.first->per_class[(c + 1) % d->classes], 1);
    if (!same) {
        printf("\n    %s: %.17g and %.17g\n", text, x.value, y.value);
        CU_FAIL("order of classes");
    }
    scored_free(&a);
    scored_free(&b);
}

/* Classes in another order: per class the same bits, the value too; but for scores in which class 0 is another. */
static void test_class_permutation(void)
{
    static const char *const texts[] = {"dice_loss(over=pooled)", "cross_entropy(average=macro)",
                                        "recall(average=support)", "iou(average=micro)"};
    static const char *const uneven = "asymmetric_focal_loss,asymmetric_focal_tversky_loss,unified_focal_loss";
    data d = data_random(MM_MULTILABEL, 2, 3, 30, 13), turned = turned_of(&d);
    char text[160];

    for (size_t i = 0; i < MM_COUNT(texts); i++)
        check_turned(&d, &turned, texts[i]);
    for (size_t i = 0; mm_row_at(i) != NULL; i++) {
        const mm_score *row = mm_row_at(i);

        if (asks(row, &d) && row->list == NULL && strstr(uneven, row->info.name) == NULL)
            check_turned(&d, &turned, text_of(text, sizeof text, row, ""));
    }
    data_free(&d);
    data_free(&turned);
}

/* Weights change the value of losses alone, never per class, and their scale does not matter. */
static void test_every_row_weighted(void)
{
    static const double weights[] = {1.0, 2.0, 4.0}, scaled[] = {8.0, 16.0, 32.0};
    data d = data_random(MM_MULTICLASS, 2, 3, 40, 74);
    char text[160];

    for (size_t i = 0; mm_row_at(i) != NULL; i++) {
        const mm_score *row = mm_row_at(i);

        if (!asks(row, &d) || row->list != NULL)
            continue;
        text_of(text, sizeof text, row, "");
        scored plain = score(&d, text, NULL), weighted = score(&d, text, weights), times = score(&d, text, scaled);
        CU_ASSERT_FATAL(plain.first != NULL && weighted.first != NULL && times.first != NULL);
        const double a = plain.first->value.value, b = weighted.first->value.value, c = times.first->value.value;

        if (!close_to(b, c) || (row->info.kind != MM_LOSS && a != b) ||
            !same_values(plain.first->per_class, weighted.first->per_class, 3)) {
            printf("\n    %s: %.17g, %.17g, %.17g\n", text, a, b, c);
            CU_FAIL("weights");
        }
        scored_free(&plain);
        scored_free(&weighted);
        scored_free(&times);
    }
    data_free(&d);
}

/* Weights enter the value only, and their scale does not matter. */
static void test_weights(void)
{
    static const double weights[] = {1.0, 2.0, 4.0}, scaled[] = {8.0, 16.0, 32.0};
    static const char *const texts[] = {"dice_loss", "cross_entropy", "focal_loss", "tversky_loss(over=pooled)"};
    data d = data_random(MM_MULTICLASS, 3, 3, 30, 14);

    for (size_t i = 0; i < MM_COUNT(texts); i++) {
        scored plain = score(&d, texts[i], NULL), weighted = score(&d, texts[i], weights);

        CU_ASSERT_FATAL(plain.first != NULL && weighted.first != NULL);
        CU_ASSERT(plain.first->value.value != weighted.first->value.value);
        for (size_t c = 0; c < 3; c++)
            CU_ASSERT_EQUAL(plain.first->per_class[c].value, weighted.first->per_class[c].value);
        CU_ASSERT(close_to(value_of(&d, texts[i], scaled), weighted.first->value.value));
        scored_free(&plain);
        scored_free(&weighted);
    }
    data_free(&d);
}

static void test_bad_weights(void)
{
    static const double bad[][3] = {{1.0, -1.0, 1.0}, {1.0, (double)NAN, 1.0}, {1.0, (double)INFINITY, 1.0}};
    data d = data_random(MM_MULTICLASS, 1, 3, 10, 15), two = data_random(MM_MULTICLASS, 1, 2, 10, 15);
    scored s = score(&d, "dice_loss", NULL), other = score(&two, "dice_loss", NULL);
    mm_results *results = NULL;
    mm_problem problem;

    for (size_t i = 0; i < MM_COUNT(bad); i++) {
        CU_ASSERT_EQUAL(mm_images_score(&results, s.images, s.plan, bad[i], &problem), MM_BAD_PARAM);
        CU_ASSERT_STRING_EQUAL(problem.param, "weights");
        CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "class 1"));
        CU_ASSERT_EQUAL(mm_images_score(&results, s.images, s.plan, bad[i], NULL), MM_BAD_PARAM);
    }
    CU_ASSERT_EQUAL(mm_images_score(&results, other.images, s.plan, NULL, &problem), MM_CONFLICT);
    CU_ASSERT_PTR_NULL(results);
    scored_free(&s);
    scored_free(&other);
    data_free(&d);
    data_free(&two);
}

/* sum k_i value_i, per class and per image where every term has them; the reason of an undefined term is passed on. */
static void test_sum(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 16), holes = absent_data();
    scored s = score(&d,
                     "sum(0.5*dice_loss,2*cross_entropy,-1*sum(dice,iou)),dice_loss,cross_entropy,dice,iou,"
                     "sum(dice,generalized_dice_loss),generalized_dice_loss,sum(dice,iou(over=pooled)),"
                     "sum(seed.categorical_dice,dice)",
                     NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    const mm_result *r[9];
    for (size_t i = 0; i < 9; i++)
        r[i] = mm_results_at(s.results, i);
    CU_ASSERT(close_to(r[0]->value.value,
                       0.5 * r[1]->value.value + 2.0 * r[2]->value.value - r[3]->value.value - r[4]->value.value));
    for (size_t i = 0; i < 6; i++)
        CU_ASSERT(close_to(r[0]->per_image[i].value, 0.5 * r[1]->per_image[i].value + 2.0 * r[2]->per_image[i].value -
                                                         r[3]->per_image[i].value - r[4]->per_image[i].value));
    for (size_t c = 0; c < 3; c++)
        CU_ASSERT(close_to(r[0]->per_class[c].value, 0.5 * r[1]->per_class[c].value + 2.0 * r[2]->per_class[c].value -
                                                         r[3]->per_class[c].value - r[4]->per_class[c].value));
    CU_ASSERT_EQUAL(r[0]->columns, 3);
    CU_ASSERT(close_to(r[5]->value.value, r[3]->value.value + r[6]->value.value));
    CU_ASSERT_PTR_NULL(r[5]->per_class); /* a joint term has none */
    CU_ASSERT_PTR_NULL(r[5]->per_image);
    CU_ASSERT_PTR_NOT_NULL(r[7]->per_class);
    CU_ASSERT_PTR_NULL(r[7]->per_image); /* a pooled term has none */
    CU_ASSERT_PTR_NULL(r[8]->per_class);
    CU_ASSERT_EQUAL(r[8]->value.reason, MM_DEFINED);
    scored_free(&s);
    check_class(&holes, "sum(dice,recall)", 2, MM_ABSENT_IN_LABEL, 0);
    check_class(&holes, "sum(dice,recall)", 1, MM_ABSENT_IN_BOTH, 0);
    CU_ASSERT_EQUAL(reason_of(&holes, "sum(2*dice,recall(classes=[2]))"), MM_ABSENT_IN_LABEL);
    data_free(&d);
    data_free(&holes);
}

/* A score whose sums were not gathered says which; others are not touched. */
static void test_not_in_sums(void)
{
    static const char texts[] = "dice,dice_loss(overlap=l1),focal_loss(gamma=3),cross_entropy(label_smoothing=.1),"
                                "generalized_dice_loss,seed.binary_focal,sum(dice,dice_loss),focal_loss(classes=[1])";
    static const char *const notes[] = {NULL,
                                        "needs the sum of g, ",
                                        "needs the sum of g (1-q)^gamma (-log q) with gamma 3, eps 1e-07, ",
                                        "needs the sum of g (1-q)^gamma (-log q) with gamma 0, eps 1e-07, ",
                                        "needs the sum of g, ",
                                        "(-log q) with gamma 2, eps 1e-05, p clipped, ",
                                        "needs the sum of g, ",
                                        "gamma 2"};
    data d = data_random(MM_MULTICLASS, 2, 2, 20, 17);
    scored counts_only = score(&d, "dice", NULL);
    mm_plan *plan = bound_plan(&d, texts);
    mm_results *results = NULL;

    CU_ASSERT_FATAL(counts_only.first != NULL && plan != NULL);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&results, counts_only.images, plan, NULL, NULL), MM_OK);
    CU_ASSERT_EQUAL(mm_results_at(results, 0)->value.reason, MM_DEFINED);
    CU_ASSERT_PTR_NULL(mm_results_at(results, 0)->note);
    for (size_t i = 1; i < mm_plan_count(plan); i++) {
        const mm_result *r = mm_results_at(results, i);

        CU_ASSERT_EQUAL(r->value.reason, MM_NOT_IN_SUMS);
        CU_ASSERT_PTR_NOT_NULL_FATAL(r->note);
        if (strstr(r->note, notes[i]) == NULL) {
            printf("\n    %s\n", r->note);
            CU_FAIL("note");
        }
        CU_ASSERT_PTR_NULL(r->per_image);
    }
    CU_ASSERT_EQUAL(mm_results_at(results, 7)->per_class[1].reason, MM_NOT_IN_SUMS);
    CU_ASSERT_EQUAL(mm_results_at(results, 7)->per_class[0].reason, MM_NOT_CHOSEN);
    mm_results_free(results);
    mm_results_free(NULL);
    mm_plan_free(plan);
    scored_free(&counts_only);
    data_free(&d);
}

static CU_TestInfo tests[] = {
    {"rows are complete", test_rows_are_complete},
    {"names are unique", test_names_are_unique},
    {"finding, and the nearest name", test_find_and_nearest},
    {"edit distance", test_edit_distance},
    {"witnesses", test_witness},
    {"summaries over images", test_stat},
    {"a perfect prediction", test_perfect},
    {"absent classes", test_absent},
    {"a class that soft labels touch", test_soft_label_is_not_absent},
    {"denominators of 0", test_zero_denominators},
    {"what means leave out", test_omitted},
    {"no images, no voxels", test_no_voxels},
    {"order and grouping of images", test_order_and_grouping},
    {"every row: merged in parts", test_every_row_merged},
    {"every row: an absent class", test_every_row_absent},
    {"every row: no voxels", test_every_row_without_voxels},
    {"every row: order of classes", test_class_permutation},
    {"every row: weights", test_every_row_weighted},
    {"weights", test_weights},
    {"weights that make no sense", test_bad_weights},
    {"sum()", test_sum},
    {"sums that were not gathered", test_not_in_sums},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_scores = {"scores", tests};
