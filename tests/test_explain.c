/*
 * test_explain.c - what a score was made of: the numbers of the records, added exactly, each once, and no more.
 */
#include "tests/suites.h"

#include <math.h>
#include <string.h>

#include "lib/record.h"
#include "tests/score_tools.h"

#define COUNTS 4

static const char *const counts[COUNTS] = {"scored voxels", "voxels of the label", "voxels of the hard prediction",
                                           "voxels of both"};

/* Explains expression `index` of the plan; fails the test when that is not possible. */
static mm_explanation *explained(const mm_images *images, const mm_plan *plan, size_t index)
{
    mm_explanation *explanation = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_images_explain(&explanation, images, plan, index), MM_OK);
    CU_ASSERT_PTR_NOT_NULL_FATAL(explanation);
    return explanation;
}

/* The entry of that text; NULL when there is none.  Fails the test when there are two. */
static const mm_used *used_of(const mm_explanation *explanation, const char *what)
{
    const mm_used *found = NULL;

    for (size_t i = 0; i < mm_explanation_count(explanation); i++) {
        const mm_used *used = mm_explanation_at(explanation, i);

        if (strcmp(used->what, what) != 0)
            continue;
        CU_ASSERT_PTR_NULL(found);
        found = used;
    }
    return found;
}

/* ------------------------------------------------------------------- counts */

static void test_counts(void)
{
    data d = data_random(MM_MULTICLASS, 3, 4, 50, 3);
    scored s = score(&d, "dice", NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    mm_explanation *e = explained(s.images, s.plan, 0);

    CU_ASSERT_EQUAL_FATAL(mm_explanation_count(e), COUNTS);
    for (size_t i = 0; i < COUNTS; i++) {
        CU_ASSERT_STRING_EQUAL(mm_explanation_at(e, i)->what, counts[i]);
        CU_ASSERT_EQUAL_FATAL(mm_explanation_at(e, i)->width, 1);
    }
    for (size_t c = 0; c < d.classes; c++) {
        double whole[COUNTS] = {0};

        for (size_t n = 0; n < d.images; n++) {
            double image[COUNTS] = {(double)d.voxels};

            for (size_t v = 0; v < d.voxels; v++) {
                image[1] += hard_g(&d, n, c, v);
                image[2] += hard_p(&d, n, c, v);
                image[3] += hard_g(&d, n, c, v) && hard_p(&d, n, c, v);
            }
            for (size_t i = 0; i < COUNTS; i++) {
                CU_ASSERT_EQUAL(mm_explanation_at(e, i)->per_image[n * d.classes + c], image[i]);
                whole[i] += image[i];
            }
        }
        for (size_t i = 0; i < COUNTS; i++)
            CU_ASSERT_EQUAL(mm_explanation_at(e, i)->pooled[c], whole[i]);
    }
    mm_explanation_free(e);
    scored_free(&s);
    data_free(&d);
}

/* --------------------------------------------------------------------- sums */

/* Every entry behind the counts holds the bits of the records' column, and their exact sum. */
static void check_columns(const mm_images *images, const mm_explanation *e)
{
    size_t found = 0;

    for (size_t s = 0; s < images->records[0].stat_count; s++) {
        const mm_stat *stat = &images->records[0].stats[s];
        const size_t size = mm_stat_width(stat, images->classes) * images->classes;
        const size_t at = mm_stats_offset(images->records[0].stats, s, images->classes);
        char what[160];

        mm_stat_describe(stat, what, sizeof what);
        const mm_used *used = used_of(e, what);

        if (used == NULL)
            continue;
        found++;
        CU_ASSERT_EQUAL_FATAL(used->width * images->classes, size);
        for (size_t i = 0; i < size; i++) {
            mm_exact sum = {.count = 0};

            for (size_t n = 0; n < images->count; n++) {
                CU_ASSERT_EQUAL(used->per_image[n * size + i], images->records[n].sums[at + i]);
                mm_exact_add(&sum, images->records[n].sums[at + i]);
            }
            CU_ASSERT_EQUAL(used->pooled[i], mm_exact_round(&sum));
        }
    }
    CU_ASSERT_EQUAL(found + COUNTS, mm_explanation_count(e));
}

/* Also beside other scores, whose sums are not this one's. */
static void test_sums_of_records(void)
{
    static const char *const texts[] = {"dice_loss", "cross_entropy", "focal_loss(gamma=1.5),dice_loss",
                                        "auroc,dice_loss,expected_calibration_error", "mcc_loss(over=pooled)"};
    data d = data_random(MM_MULTICLASS, 4, 3, 80, 5);

    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
        scored s = score(&d, texts[t], NULL);

        CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
        for (size_t i = 0; i < mm_plan_count(s.plan); i++) {
            mm_explanation *e = explained(s.images, s.plan, i);

            CU_ASSERT(mm_explanation_count(e) > COUNTS);
            check_columns(s.images, e);
            mm_explanation_free(e);
        }
        scored_free(&s);
    }
    data_free(&d);
}

/* 1e16 + 1 - 1e16: a plain sum loses the 1. */
static void test_pooled_is_exact(void)
{
    static const double terms[] = {1e16, 1.0, -1e16};
    data d = data_random(MM_MULTILABEL, 3, 1, 8, 1);
    scored s = score(&d, "dice_loss", NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    for (size_t n = 0; n < 3; n++)
        for (size_t i = 0; i < s.images->records[n].stat_count; i++)
            s.images->records[n].sums[i] = terms[n];
    mm_explanation *e = explained(s.images, s.plan, 0);

    CU_ASSERT_PTR_NOT_NULL_FATAL(used_of(e, "the sum of p g"));
    CU_ASSERT_EQUAL(used_of(e, "the sum of p g")->pooled[0], 1.0);
    mm_explanation_free(e);
    scored_free(&s);
    data_free(&d);
}

/* The score itself follows from what is told. */
static void test_by_hand(void)
{
    data d = data_random(MM_MULTICLASS, 3, 3, 40, 11);
    scored s = score(&d, "dice_loss(over=pooled)", NULL);
    double mean = 0.0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    mm_explanation *e = explained(s.images, s.plan, 0);
    const mm_used *both = used_of(e, "the sum of p g"), *p = used_of(e, "the sum of p"),
                  *g = used_of(e, "the sum of g");

    CU_ASSERT_FATAL(both != NULL && p != NULL && g != NULL);
    for (size_t c = 0; c < d.classes; c++)
        mean += (1.0 - 2.0 * both->pooled[c] / (p->pooled[c] + g->pooled[c])) / (double)d.classes;
    CU_ASSERT(close_to(s.first->value.value, mean));
    mm_explanation_free(e);
    scored_free(&s);
    data_free(&d);
}

/* The table of exclusive classes, for scores that need it. */
static void test_table(void)
{
    data d = data_random(MM_MULTICLASS, 3, 4, 40, 12);
    scored s = score(&d, "kappa(over=pooled),dice", NULL);
    double right = 0.0, chance = 0.0, all = 3.0 * 40.0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    mm_explanation *e = explained(s.images, s.plan, 0), *plain = explained(s.images, s.plan, 1);
    const mm_used *table = used_of(e, "voxels of the label by predicted class");

    CU_ASSERT_PTR_NULL(used_of(plain, "voxels of the label by predicted class"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(table);
    CU_ASSERT_EQUAL_FATAL(table->width, d.classes);
    for (size_t c = 0; c < d.classes; c++) {
        double row = 0.0, column = 0.0;

        for (size_t w = 0; w < d.classes; w++) {
            double voxels = 0.0;

            for (size_t i = 0; i < d.images * d.voxels; i++)
                voxels += hard_g(&d, i / d.voxels, c, i % d.voxels) && hard_p(&d, i / d.voxels, w, i % d.voxels);
            CU_ASSERT_EQUAL(table->pooled[w * d.classes + c], voxels);
            row += table->pooled[w * d.classes + c];
            column += table->pooled[c * d.classes + w];
        }
        right += table->pooled[c * d.classes + c];
        chance += row * column / all;
    }
    CU_ASSERT(close_to(s.first->value.value, (right - chance) / (all - chance)));
    CU_ASSERT(mm_explanation_numbers(s.plan) == (2 * COUNTS + d.classes) * d.classes);
    mm_explanation_free(plain);
    mm_explanation_free(e);
    scored_free(&s);
    data_free(&d);
}

/* ------------------------------------------------------------------ compounds */

/* A compound uses what its terms use, each sum once. */
static void test_compounds(void)
{
    static const char text[] = "sum(0.5*dice_loss,2*sum(1*tversky_loss,1*cross_entropy)),dice_loss,tversky_loss,"
                               "cross_entropy";
    data d = data_random(MM_MULTICLASS, 2, 3, 30, 2);
    scored s = score(&d, text, NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    mm_explanation *whole = explained(s.images, s.plan, 0);

    check_columns(s.images, whole);
    for (size_t i = 1; i < mm_plan_count(s.plan); i++) {
        mm_explanation *term = explained(s.images, s.plan, i);

        for (size_t k = 0; k < mm_explanation_count(term); k++)
            CU_ASSERT_PTR_NOT_NULL(used_of(whole, mm_explanation_at(term, k)->what));
        CU_ASSERT(mm_explanation_count(term) < mm_explanation_count(whole));
        mm_explanation_free(term);
    }
    mm_explanation_free(whole);
    scored_free(&s);
    data_free(&d);
}

/* --------------------------------------------------------------- what is lacking */

/* What some record lacks is left out, also when others have it; the rest stays. */
static void test_left_out(void)
{
    data d = data_random(MM_MULTICLASS, 2, 2, 20, 17);
    scored has = score(&d, "dice_loss", NULL);
    mm_plan *few = bound_plan(&d, "dice"), *asked = bound_plan(&d, "dice_loss,cross_entropy");
    mm_images *mixed = NULL;

    CU_ASSERT_FATAL(has.first != NULL && few != NULL && asked != NULL);
    mm_explanation *e = explained(has.images, asked, 1);

    CU_ASSERT_PTR_NOT_NULL(used_of(e, "the sum of g"));
    CU_ASSERT_EQUAL(mm_explanation_count(e), COUNTS + 1);
    mm_explanation_free(e);
    mixed = images_of(&d, asked, 0, 1);
    mm_images *second = images_of(&d, few, 1, 2);

    CU_ASSERT_EQUAL_FATAL(mm_images_merge(mixed, second, NULL), MM_OK);
    for (size_t i = 0; i < 2; i++) {
        e = explained(mixed, asked, i);
        CU_ASSERT_PTR_NULL(used_of(e, "the sum of p g"));
        CU_ASSERT_PTR_NOT_NULL(used_of(e, "scored voxels"));
        mm_explanation_free(e);
    }
    mm_images_free(second);
    mm_images_free(mixed);
    mm_plan_free(few);
    mm_plan_free(asked);
    scored_free(&has);
    data_free(&d);
}

/* Room for admission: at least what one explanation holds, and more with more images. */
static void test_size(void)
{
    data d = data_random(MM_MULTICLASS, 2, 3, 20, 4);
    mm_plan *plan = bound_plan(&d, "dice,focal_loss,auroc");
    mm_plan *counts_only = bound_plan(&d, "dice");

    CU_ASSERT_FATAL(plan != NULL && counts_only != NULL);
    CU_ASSERT(mm_explanation_size(counts_only, 2) >= COUNTS * 3 * 3 * sizeof(double));
    CU_ASSERT(mm_explanation_size(plan, 2) > mm_explanation_size(counts_only, 2));
    CU_ASSERT(mm_explanation_size(plan, 5) > mm_explanation_size(plan, 2));
    CU_ASSERT_EQUAL(mm_explanation_numbers(counts_only), COUNTS * 3);
    CU_ASSERT(mm_explanation_numbers(plan) * sizeof(double) > mm_explanation_size(plan, 0));
    mm_explanation_free(NULL);
    mm_plan_free(counts_only);
    mm_plan_free(plan);
    data_free(&d);
}

static CU_TestInfo tests[] = {{"counts", test_counts},
                              {"sums of records", test_sums_of_records},
                              {"pooled is exact", test_pooled_is_exact},
                              {"a score by hand", test_by_hand},
                              {"the table of exclusive classes", test_table},
                              {"compounds", test_compounds},
                              {"what is lacking is left out", test_left_out},
                              {"size", test_size},
                              CU_TEST_INFO_NULL};

extern const mm_suite mm_suite_explain;
const mm_suite mm_suite_explain = {"explain", tests};
