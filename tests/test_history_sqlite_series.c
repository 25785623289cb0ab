/*
 * test_history_sqlite_series.c - curves: order, filters, thinning, classes that change
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/history_query.h"
#include "tests/history_help.h"
#include "tests/suites.h"

/* Stores one image's scores of `run` at `step` and `time`; its dice values follow from the seed. */
static void store_at(mm_history *history, const char *run, const char *split, int64_t step, int64_t time,
                     const char *classes, unsigned seed)
{
    mm_store_part part = {.run = run, .split = split, .step = step, .time = time, .definition.classes = classes};

    CU_ASSERT_EQUAL_FATAL(help_store_at(history, &part, seed), MM_STORE_OK);
}

static mm_series_query query_of(char **runs, size_t run_count)
{
    return (mm_series_query){.project = "default",
                             .runs = runs,
                             .run_count = run_count,
                             .split = "val",
                             .score = "dice",
                             .filter = MM_ALL_EVALUATIONS,
                             .per_class = 1,
                             .max_points = 1000,
                             .max_values = 100000};
}

static mm_series_list *read_series(mm_history *history, const mm_series_query *query)
{
    mm_series_list *list = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_history_series(history, query, &list, NULL), MM_STORE_OK);
    return list;
}

/* The value is the one that the listing of evaluations shows. */
static void test_values_are_those_stored(void)
{
    char path[64], unet[] = "unet", *runs[] = {unet};

    help_directory(path);
    mm_history *history = help_open(path);
    const mm_series_query query = query_of(runs, 1);

    store_at(history, "unet", "val", 1, 1000, "a,b,c", 3);
    mm_series_list *list = read_series(history, &query);
    mm_evaluation_list *listed = help_listed(history);

    CU_ASSERT_EQUAL_FATAL(list->series_count, 1);
    CU_ASSERT_EQUAL_FATAL(list->point_count, 1);
    CU_ASSERT_EQUAL(list->series[0].better, MM_HIGHER);
    CU_ASSERT_EQUAL(list->points[0].time, 1000);
    CU_ASSERT_EQUAL(list->points[0].value.value, listed->rows[0].scores[0].value.value);
    CU_ASSERT_EQUAL_FATAL(list->value_count, 3);
    double sum = 0.0;

    for (size_t c = 0; c < 3; c++) {
        CU_ASSERT_EQUAL(list->values[c].class_index, c);
        CU_ASSERT_FALSE(list->values[c].has_voxels);
        sum += list->values[c].value.value;
    }
    CU_ASSERT_DOUBLE_EQUAL(sum / 3.0, list->points[0].value.value, 1e-12);
    mm_evaluation_list_free(listed);
    mm_series_list_free(list);
    mm_history_close(history);
    help_remove(path);
}

/* Steps that go back: by time they come as they were made, by step in order. */
static void test_order_and_filters(void)
{
    static const int64_t steps[] = {10, 20, 5, 30}, times[] = {1000, 2000, 3000, 4000};
    char path[64], unet[] = "unet", b[] = "b", *runs[] = {unet}, *classes[] = {b};

    help_directory(path);
    mm_history *history = help_open(path);
    mm_series_query query = query_of(runs, 1);

    for (int i = 0; i < 4; i++)
        store_at(history, "unet", "val", steps[i], times[i], "a,b,c", (unsigned)i);
    store_at(history, "unet", "test", 1, 1, "a,b,c", 9);
    mm_series_list *list = read_series(history, &query);

    CU_ASSERT_EQUAL_FATAL(list->point_count, 4);
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(list->points[i].step, steps[i]);
    mm_series_list_free(list);
    query.by_step = 1;
    query.filter.from = 1000;
    query.filter.to = 3000; /* both inclusive */
    query.classes = classes;
    query.class_count = 1;
    list = read_series(history, &query);
    CU_ASSERT_EQUAL_FATAL(list->point_count, 3);
    CU_ASSERT_EQUAL(list->points[0].step, 5);
    CU_ASSERT_EQUAL(list->points[2].step, 20);
    CU_ASSERT_EQUAL(list->value_count, 3);
    CU_ASSERT_EQUAL_FATAL(list->class_count, 1);
    CU_ASSERT_STRING_EQUAL(list->classes[0], "b");
    mm_series_list_free(list);
    query.filter.first_step = 10;
    query.filter.last_step = 10;
    query.split = NULL;
    list = read_series(history, &query);
    CU_ASSERT_EQUAL(list->point_count, 1);
    CU_ASSERT_EQUAL(list->series_count, 1); /* that of the other split has no such point */
    mm_series_list_free(list);
    mm_history_close(history);
    help_remove(path);
}

#define MANY 300

/* Whatever is asked: no more points than that, the first and the last among them, in order. */
static void test_thinning(void)
{
    static const size_t most[] = {2, 3, 7, 100, 299, 300, 5000};
    char path[64], unet[] = "unet", *runs[] = {unet};

    help_directory(path);
    mm_history *history = help_open(path);
    mm_series_query query = query_of(runs, 1);

    for (int i = 0; i < MANY; i++)
        store_at(history, "unet", "val", i, 1000 + 10 * i, "a,b,c", (unsigned)i);
    for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
        query.max_points = most[i];
        mm_series_list *list = read_series(history, &query);

        CU_ASSERT_FATAL(list->point_count >= 2 && list->point_count <= most[i]);
        CU_ASSERT(list->point_count >= (most[i] < MANY ? most[i] / 2 : MANY));
        CU_ASSERT_EQUAL(list->truncated, most[i] < MANY);
        CU_ASSERT_EQUAL(list->series[0].found, MANY);
        CU_ASSERT_EQUAL(list->points[0].step, 0);
        CU_ASSERT_EQUAL(list->points[list->point_count - 1].step, MANY - 1);
        for (size_t k = 1; k < list->point_count; k++)
            CU_ASSERT(list->points[k].time > list->points[k - 1].time);
        mm_series_list_free(list);
    }
    query.max_points = 1000;
    query.max_values = 30; /* with three classes: ten points */
    mm_series_list *list = read_series(history, &query);

    CU_ASSERT(list->value_count <= 30 && list->value_count >= 15);
    CU_ASSERT(list->truncated);
    mm_series_list_free(list);
    query.max_values = 100000;
    query.interval = 100; /* ten points are in each: the last one stays */
    list = read_series(history, &query);
    CU_ASSERT_EQUAL_FATAL(list->point_count, MANY / 10);
    CU_ASSERT_FALSE(list->truncated);
    for (size_t k = 0; k < list->point_count; k++)
        CU_ASSERT_EQUAL(list->points[k].step, (int64_t)(10 * k + 9));
    mm_series_list_free(list);
    mm_history_close(history);
    help_remove(path);
}

/* Two evaluations of the same millisecond: the one that was stored last. */
static void test_same_time(void)
{
    char path[64], unet[] = "unet", *runs[] = {unet};

    help_directory(path);
    mm_history *history = help_open(path);
    const mm_series_query query = query_of(runs, 1);

    store_at(history, "unet", "val", 7, -5, "a,b,c", 1);
    store_at(history, "unet", "val", 3, -5, "a,b,c", 2);
    store_at(history, "unet", "val", 9, -4, "a,b,c", 2);
    mm_series_list *list = read_series(history, &query);

    CU_ASSERT_EQUAL_FATAL(list->point_count, 2);
    CU_ASSERT_EQUAL(list->points[0].step, 3);
    mm_series_list_free(list);
    mm_history_close(history);
    help_remove(path);
}

/* Names that come and go: the newest lead, and each value lies at its own name. */
static void test_classes_change(void)
{
    char path[64], unet[] = "unet", *runs[] = {unet};

    help_directory(path);
    mm_history *history = help_open(path);
    const mm_series_query query = query_of(runs, 1);

    store_at(history, "unet", "val", 1, 1, "old,b,c", 1);
    store_at(history, "unet", "val", 2, 2, "c,new,b", 1);
    mm_series_list *list = read_series(history, &query);

    CU_ASSERT_EQUAL_FATAL(list->class_count, 4);
    CU_ASSERT_STRING_EQUAL(list->classes[0], "c");
    CU_ASSERT_STRING_EQUAL(list->classes[1], "new");
    CU_ASSERT_STRING_EQUAL(list->classes[2], "b");
    CU_ASSERT_STRING_EQUAL(list->classes[3], "old");
    CU_ASSERT_EQUAL_FATAL(list->value_count, 6);
    CU_ASSERT_EQUAL(list->values[0].class_index, 3);
    CU_ASSERT_EQUAL(list->values[1].class_index, 2);
    /* the same seed: the second class is "b" first, and "new" then */
    CU_ASSERT_EQUAL(list->values[4].class_index, 1);
    CU_ASSERT_EQUAL(list->values[1].value.value, list->values[4].value.value);
    mm_series_list_free(list);
    mm_history_close(history);
    help_remove(path);
}

static void test_newest(void)
{
    char path[64], unet[] = "unet", other[] = "other", *runs[] = {other, unet, other};

    help_directory(path);
    mm_history *history = help_open(path);
    mm_series_query query = query_of(runs, 3);

    store_at(history, "unet", "val", 1, 100, "a,b,c", 1);
    store_at(history, "unet", "val", 2, 50, "a,b,c", 2);
    store_at(history, "unet", "test", 9, 300, "a,b,c", 2);
    store_at(history, "other", "val", 4, 10, "a,b,c", 5);
    query.newest = 1;
    mm_series_list *list = read_series(history, &query);

    CU_ASSERT_EQUAL_FATAL(list->series_count, 2);
    CU_ASSERT_STRING_EQUAL(list->series[0].run, "other");
    const mm_series *second = &list->series[1];

    CU_ASSERT_EQUAL(list->points[second->first].step, 1);
    const mm_class_value *value = &list->values[list->points[second->first].first];

    CU_ASSERT_EQUAL(list->points[second->first].value_count, 3);
    CU_ASSERT_TRUE(value->has_voxels);
    CU_ASSERT_EQUAL(value->label_voxels, (double)(help_count(1, 0, 0, HELP_LABEL) + help_count(1, 1, 0, HELP_LABEL)));
    mm_series_list_free(list);
    query.split = NULL;
    list = read_series(history, &query);
    CU_ASSERT_EQUAL_FATAL(list->series_count, 2);
    CU_ASSERT_STRING_EQUAL(list->series[1].split, "test");
    CU_ASSERT_EQUAL(list->points[list->series[1].first].step, 9);
    mm_series_list_free(list);
    mm_history_close(history);
    help_remove(path);
}

static void test_most_runs(void)
{
    char path[64], name[16];

    help_directory(path);
    mm_history *history = help_open(path);
    mm_series_query query = query_of(NULL, 0);

    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "run%d", i);
        help_nap(3);
        store_at(history, name, "val", 1, 10, "a,b,c", (unsigned)i);
    }
    query.most_runs = 4;
    mm_series_list *list = read_series(history, &query);

    CU_ASSERT_EQUAL_FATAL(list->series_count, 4);
    CU_ASSERT_STRING_EQUAL(list->series[0].run, "run5");
    CU_ASSERT_TRUE(list->truncated);
    mm_series_list_free(list);
    query.most_runs = 6;
    list = read_series(history, &query);
    CU_ASSERT_EQUAL(list->series_count, 6);
    CU_ASSERT_FALSE(list->truncated);
    mm_series_list_free(list);
    query.project = "another";
    list = read_series(history, &query);
    CU_ASSERT_EQUAL(list->series_count, 0);
    mm_series_list_free(list);
    mm_series_list_free(NULL);
    mm_history_close(history);
    help_remove(path);
}

/* The time of an evaluation is moved by a later part, and its point with it. */
static void test_time_moves(void)
{
    char path[64], unet[] = "unet", *runs[] = {unet};

    help_directory(path);
    mm_history *history = help_open(path);
    const mm_series_query query = query_of(runs, 1);

    store_at(history, "unet", "val", 1, 100, "a,b,c", 1);
    store_at(history, "unet", "val", 1, 900, "a,b,c", 1); /* the same record again */
    mm_series_list *list = read_series(history, &query);

    CU_ASSERT_EQUAL_FATAL(list->point_count, 1);
    CU_ASSERT_EQUAL(list->points[0].time, 900);
    mm_series_list_free(list);
    mm_history_close(history);
    help_remove(path);
}

/* `count` classes named PREFIX0, PREFIX1, ... */
static void store_wide(mm_history *history, const char *run, int64_t step, const char *prefix, size_t count)
{
    char names[4096] = "";
    size_t used = 0;
    mm_images *images = help_images("i", 1, count, (unsigned)step);
    mm_store_part part = help_part("0", images);

    for (size_t c = 0; c < count; c++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s%zu", c > 0 ? "," : "", prefix, c);
    part.run = run;
    part.step = step;
    part.definition.classes = names;
    part.definition.class_count = count;
    CU_ASSERT_EQUAL_FATAL(help_put(history, &part), MM_STORE_OK);
    mm_images_free(images);
}

/* What the newest evaluation of the first run has does not say how much the others hold. */
static void test_most_values(void)
{
    char path[64], name[16];

    help_directory(path);
    mm_history *history = help_open(path);
    mm_series_query query = query_of(NULL, 0);

    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "run%d", i);
        store_wide(history, name, 1, "c", 100);
        store_wide(history, name, 2, "c", 100);
    }
    help_nap(3);
    store_wide(history, "narrow", 1, "c", 2);
    query.max_values = 600;
    mm_series_list *list = read_series(history, &query);

    CU_ASSERT_TRUE(list->truncated);
    CU_ASSERT(list->value_count > 200 && list->value_count <= query.max_values);
    mm_series_list_free(list);
    query.newest = 1;
    query.max_values = 500;
    list = read_series(history, &query);
    CU_ASSERT_TRUE(list->truncated);
    CU_ASSERT(list->value_count >= query.max_values && list->value_count < query.max_values + 100);
    for (size_t i = 0; i < list->series_count; i++)
        CU_ASSERT(list->series[i].first < list->point_count);
    mm_series_list_free(list);
    mm_history_close(history);
    help_remove(path);
}

/* Nor does the newest evaluation of a run say how wide the earlier ones were. */
static void test_most_values_of_one_run(void)
{
    char path[64], unet[] = "unet", *runs[] = {unet};

    help_directory(path);
    mm_history *history = help_open(path);
    mm_series_query query = query_of(runs, 1);

    for (int step = 1; step <= 30; step++)
        store_wide(history, "unet", step, "c", step < 30 ? 50 : 2);
    query.max_values = 500;
    mm_series_list *list = read_series(history, &query);

    CU_ASSERT_TRUE(list->truncated);
    CU_ASSERT_EQUAL_FATAL(list->series_count, 1);
    CU_ASSERT_EQUAL(list->series[0].found, 30);
    CU_ASSERT(list->value_count >= query.max_values && list->value_count < query.max_values + 50);
    CU_ASSERT_EQUAL(list->point_count, list->series[0].point_count);
    mm_series_list_free(list);
    mm_history_close(history);
    help_remove(path);
}

static CU_TestInfo tests[] = {
    {"values are those of the listing", test_values_are_those_stored},
    {"order and filters", test_order_and_filters},
    {"no more points than asked for", test_thinning},
    {"two evaluations of one moment", test_same_time},
    {"classes that change", test_classes_change},
    {"the newest of each run", test_newest},
    {"the newest runs", test_most_runs},
    {"a point moves with its evaluation", test_time_moves},
    {"no more values than asked for", test_most_values},
    {"classes that were many once", test_most_values_of_one_run},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_history_sqlite_series;
const mm_suite mm_suite_history_sqlite_series = {"history_sqlite_series", tests};
