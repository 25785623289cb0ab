/*
 * test_record.c - the union of image records: once per id, any order, conflicts named, totals.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/record.h"

enum { CLASSES = 3 };

static const mm_stat p = {.kind = MM_SUM_P}, pp = {.kind = MM_SUM_PP};

/* A record whose numbers follow from `seed`. */
static void add(mm_images *images, const char *id, unsigned seed, const mm_stat *stats, size_t count, int confusion)
{
    mm_record *record = mm_images_append(images, id, stats, count, confusion);

    CU_ASSERT_PTR_NOT_NULL_FATAL(record);
    record->voxels = 100 + seed;
    record->scored = 90 + seed;
    record->unmasked = record->scored;
    for (size_t c = 0; c < CLASSES; c++) {
        record->label_count[c] = 20 + seed + c;
        record->pred_count[c] = 21 + seed + c;
        record->both_count[c] = 10 + seed + c;
    }
    for (size_t i = 0; confusion && i < CLASSES * CLASSES; i++)
        record->confusion[i] = seed + i;
    for (size_t s = 0; s < count; s++)
        for (size_t c = 0; c < CLASSES; c++)
            record->sums[s * CLASSES + c] = (double)stats[s].kind + 0.1 * (double)(seed + c);
}

static mm_images *new_set(void)
{
    mm_images *images = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_images_new(&images, MM_MULTICLASS, CLASSES), MM_OK);
    return images;
}

static void unions(void)
{
    mm_images *a = new_set(), *b = new_set(), *empty = new_set();

    add(a, "one", 1, &p, 1, 1);
    add(a, "two", 2, &p, 1, 1);
    add(b, "two", 2, &p, 1, 1);
    add(b, "three", 3, &p, 1, 1);
    CU_ASSERT_EQUAL(mm_images_merge(a, b, NULL), MM_OK);
    CU_ASSERT_EQUAL(mm_images_count(a), 3);
    CU_ASSERT_STRING_EQUAL(mm_images_id(a, 2), "three");
    CU_ASSERT_EQUAL(mm_images_merge(a, b, NULL), MM_OK); /* again: nothing changes */
    CU_ASSERT_EQUAL(mm_images_count(a), 3);
    CU_ASSERT_EQUAL(mm_images_merge(a, empty, NULL), MM_OK);
    CU_ASSERT_EQUAL(mm_images_merge(empty, a, NULL), MM_OK);
    CU_ASSERT_EQUAL(mm_images_count(empty), 3);
    CU_ASSERT_EQUAL(mm_images_voxels(a), 306);
    CU_ASSERT_EQUAL(mm_images_scored(a), 276);
    CU_ASSERT_EQUAL(mm_images_label_voxels(a, 1), 3 * 21 + 6.0);
    CU_ASSERT_EQUAL(mm_images_pred_voxels(a, 1), 3 * 22 + 6.0);
    mm_images_free(a);
    mm_images_free(b);
    mm_images_free(empty);
    mm_images_free(NULL);
}

/* The same image, asked for other sums by another part: one record that holds both. */
static void columns_united(void)
{
    mm_images *a = new_set(), *b = new_set();

    add(a, "one", 1, &p, 1, 0);
    add(b, "one", 1, &pp, 1, 1);
    CU_ASSERT_EQUAL(mm_images_merge(a, b, NULL), MM_OK);
    CU_ASSERT_EQUAL(a->count, 1);
    CU_ASSERT_EQUAL(a->records[0].stat_count, 2);
    CU_ASSERT_EQUAL(a->records[0].sums[CLASSES], 2.0 + 0.1);
    CU_ASSERT_PTR_NOT_NULL(a->records[0].confusion);
    mm_images_free(a);
    mm_images_free(b);
}

static void conflict(mm_images *a, const mm_images *b, const char *param)
{
    mm_problem problem = {.text = ""};
    const size_t before = mm_images_count(a);

    CU_ASSERT_EQUAL(mm_images_merge(a, b, &problem), MM_CONFLICT);
    CU_ASSERT_STRING_EQUAL(problem.param, param);
    CU_ASSERT_EQUAL(mm_images_count(a), before);
}

static void conflicts(void)
{
    mm_images *a = new_set(), *b = new_set(), *c = new_set(), *d = NULL, *e = NULL;
    mm_problem problem;

    CU_ASSERT_EQUAL_FATAL(mm_images_new(&d, MM_MULTICLASS, CLASSES + 1), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_images_new(&e, MM_MULTILABEL, CLASSES), MM_OK);
    add(a, "one", 1, &p, 1, 1);
    add(b, "new", 5, &p, 1, 1);
    add(b, "one", 2, &p, 1, 1);
    add(c, "one", 1, &p, 1, 1);
    c->records[0].sums[2] += 1e-9;
    conflict(a, b, "image_ids");
    conflict(a, c, "image_ids");
    conflict(a, d, "classes");
    conflict(a, e, "task");
    CU_ASSERT_EQUAL(mm_images_merge(a, b, &problem), MM_CONFLICT);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "\"one\""));
    mm_images_free(a);
    mm_images_free(b);
    mm_images_free(c);
    mm_images_free(d);
    mm_images_free(e);
}

static void many(void)
{
    mm_images *a = new_set();
    char id[32];

    for (unsigned i = 0; i < 5000; i++) {
        snprintf(id, sizeof id, "image %u", i);
        add(a, id, i, &p, 1, 0);
    }
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(id, sizeof id, "image %u", i);
        CU_ASSERT_EQUAL(mm_images_find(a, id), i);
    }
    CU_ASSERT_EQUAL(mm_images_find(a, "image 5000"), 5000);
    mm_images_free(a);
}

static void confusion_tables(void)
{
    mm_images *a = new_set(), *masks = NULL;
    uint64_t table[CLASSES * 4];

    add(a, "one", 1, &p, 1, 1);
    add(a, "two", 2, &p, 1, 1);
    CU_ASSERT_EQUAL(mm_images_confusion(a, table), 1);
    CU_ASSERT_EQUAL(table[4], (1 + 4) + (2 + 4));
    add(a, "three", 3, &p, 1, 0);
    CU_ASSERT_EQUAL(mm_images_confusion(a, table), 0);
    CU_ASSERT_EQUAL_FATAL(mm_images_new(&masks, MM_MULTILABEL, CLASSES), MM_OK);
    add(masks, "one", 0, &p, 1, 0); /* label 20, pred 21, both 10 of 90 */
    CU_ASSERT_EQUAL(mm_images_confusion(masks, table), 1);
    CU_ASSERT_EQUAL(table[0], 90 - 20 - 21 + 10);
    CU_ASSERT_EQUAL(table[1], 11);
    CU_ASSERT_EQUAL(table[2], 10);
    CU_ASSERT_EQUAL(table[3], 10);
    mm_images_free(a);
    mm_images_free(masks);
}

/* The label's sum is found behind a column that holds several values per class. */
static void label_behind_wide_columns(void)
{
    const mm_stat stats[] = {{.kind = MM_HISTOGRAM_P, .more = {MM_P_BINS}}, {.kind = MM_SUM_G}};
    mm_images *images = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_images_new(&images, MM_MULTICLASS, 2), MM_OK);
    mm_record *record = mm_images_append(images, "a", stats, 2, 0);

    CU_ASSERT_PTR_NOT_NULL_FATAL(record);
    for (size_t i = 0; i < mm_stats_offset(stats, 1, 2); i++)
        record->sums[i] = -1.0;
    record->sums[mm_stats_offset(stats, 1, 2)] = 2.5;
    record->sums[mm_stats_offset(stats, 1, 2) + 1] = 4.25;
    CU_ASSERT_EQUAL(mm_images_label_voxels(images, 0), 2.5);
    CU_ASSERT_EQUAL(mm_images_label_voxels(images, 1), 4.25);
    mm_images_free(images);
}

static CU_TestInfo tests[] = {
    {"unions", unions},
    {"label sums behind wide columns", label_behind_wide_columns},
    {"columns are united", columns_united},
    {"conflicts", conflicts},
    {"thousands of records", many},
    {"confusion tables", confusion_tables},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_record = {"record", tests};
