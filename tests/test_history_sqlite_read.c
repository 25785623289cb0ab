/*
 * test_history_sqlite_read.c - a part comes back as it was sent; lists, their order and their pages
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/history_help.h"
#include "tests/suites.h"

/* -------------------------------------------------------------- one part */

/* Names with what SQL, paths and terminals might trip over, and after closing and opening again. */
static void test_part_comes_back(void)
{
    static const char *const names[] = {"'; DROP TABLE runs; --", "\"%s%n\\", "\xf0\x9f\xa7\xa0 \xd7\x90\xd7\x91",
                                        "a/../b?c=d", "?1"};
    char path[64];
    mm_stored_evaluation *read = NULL;

    help_directory(path);
    mm_history *history = help_open(path);
    mm_images *images = help_images(names[2], 3, 3, 1);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mm_store_part part = help_part(names[i], images);

        part.project = part.run = part.split = names[i];
        part.step = INT64_MAX - (int64_t)i;
        part.definition.classes = "a,'b\",c";
        part.definition.weights = "1,2,.5";
        part.definition.task = MM_MULTICLASS;
        part.definition.threshold = 0.1;
        part.definition.has_ignore = 1;
        part.definition.ignore_index = INT64_MIN;
        part.definition.parts = 4;
        part.has_time = 1;
        part.time = -1700000000123;
        CU_ASSERT_EQUAL_FATAL(help_put(history, &part), MM_STORE_OK);
        CU_ASSERT_EQUAL(part.parts_received, 1);
        CU_ASSERT_EQUAL(part.parts_expected, 4);
        mm_history_close(history);
        history = help_open(path);
        CU_ASSERT_EQUAL_FATAL(mm_history_evaluation(history, names[i], names[i], names[i], part.step, &read, NULL),
                              MM_STORE_OK);
        help_check_definition(&read->definition, &part.definition);
        CU_ASSERT_EQUAL(read->time, part.time);
        CU_ASSERT_EQUAL_FATAL(read->part_count, 1);
        CU_ASSERT_STRING_EQUAL(read->parts[0].name, names[i]);
        help_check_record(&read->parts[0], images);
        mm_stored_evaluation_free(read);
    }
    mm_images_free(images);
    mm_history_close(history);
    help_remove(path);
}

static void test_absent(void)
{
    char path[64];
    mm_stored_evaluation *evaluation = NULL;
    mm_evaluation_list *evaluations = NULL;
    mm_run_list *runs = NULL;
    mm_problem problem = {0};

    help_directory(path);
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL(help_store(history, "unet", 1, "0", 1), MM_STORE_OK);
    CU_ASSERT_EQUAL(mm_history_evaluation(history, "default", "unet", "val", 2, &evaluation, &problem),
                    MM_STORE_NOT_FOUND);
    CU_ASSERT_NOT_EQUAL(problem.text[0], '\0');
    CU_ASSERT_EQUAL(mm_history_evaluation(history, "default", "unet", "test", 1, &evaluation, NULL),
                    MM_STORE_NOT_FOUND);
    CU_ASSERT_EQUAL(mm_history_evaluation(history, "other", "unet", "val", 1, &evaluation, NULL), MM_STORE_NOT_FOUND);
    CU_ASSERT_EQUAL(mm_history_evaluations(history, "default", "u", NULL, NULL, 1, &evaluations, NULL),
                    MM_STORE_NOT_FOUND);
    CU_ASSERT_EQUAL(mm_history_evaluations(history, "other", "unet", NULL, NULL, 1, &evaluations, NULL),
                    MM_STORE_NOT_FOUND);
    CU_ASSERT_EQUAL(mm_history_run_row(history, "other", "unet", &runs, NULL), MM_STORE_NOT_FOUND);
    CU_ASSERT_PTR_NULL(evaluation);
    CU_ASSERT_PTR_NULL(evaluations);
    CU_ASSERT_PTR_NULL(runs);
    CU_ASSERT_EQUAL(mm_history_runs(history, "other", NULL, 1, &runs, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(runs->count, 0);
    CU_ASSERT_PTR_NULL(runs->next);
    mm_run_list_free(runs);
    mm_run_list_free(NULL);
    mm_evaluation_list_free(NULL);
    mm_stored_evaluation_free(NULL);
    mm_history_close(history);
    mm_history_close(NULL);
    help_remove(path);
}

/* ------------------------------------------------------------------- lists */

static void test_run_row(void)
{
    char path[64];
    mm_run_list *list = NULL;

    help_directory(path);
    mm_history *history = help_open(path);
    mm_images *images = help_images("0", 1, 3, 1);
    mm_store_part part = help_part("0", images);
    static const char *const splits[] = {"val", "test", "val", "val"};
    static const int64_t steps[] = {100, 50, 1200, 20};

    for (int i = 0; i < 4; i++) {
        part.split = splits[i];
        part.step = steps[i];
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
        CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    }
    CU_ASSERT_EQUAL_FATAL(mm_history_run_row(history, "default", "unet", &list, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(list->count, 1);
    const mm_run_row *row = &list->rows[0];

    CU_ASSERT_STRING_EQUAL(row->run, "unet");
    CU_ASSERT_EQUAL(row->evaluations, 4);
    CU_ASSERT_EQUAL(row->first_step, 20);
    CU_ASSERT_EQUAL(row->last_step, 1200);
    CU_ASSERT(row->created < row->updated && row->created > 0);
    CU_ASSERT_EQUAL_FATAL(row->split_count, 2);
    CU_ASSERT_STRING_EQUAL(row->splits[0], "test");
    CU_ASSERT_STRING_EQUAL(row->splits[1], "val");
    mm_run_list_free(list);
    mm_images_free(images);
    mm_history_close(history);
    help_remove(path);
}

#define MANY 250

/* All pages together are all runs, once each, newest first; runs that come meanwhile do not disturb. */
static void test_pages_of_runs(void)
{
    char path[64], name[16], expected[16];
    mm_run_list *page = NULL;
    char *cursor = NULL;
    size_t seen = 0;

    help_directory(path);
    mm_history *history = help_open(path);

    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "run%d", i);
        CU_ASSERT_EQUAL(help_store(history, name, i, "0", (unsigned)i), MM_STORE_OK);
    }
    do {
        CU_ASSERT_EQUAL_FATAL(mm_history_runs(history, "default", cursor, 50, &page, NULL), MM_STORE_OK);
        CU_ASSERT_EQUAL(page->count, 50);
        for (size_t i = 0; i < page->count; i++, seen++) {
            snprintf(expected, sizeof expected, "run%zu", MANY - 1 - seen);
            CU_ASSERT_STRING_EQUAL(page->rows[i].run, expected);
        }
        free(cursor);
        cursor = page->next == NULL ? NULL : strdup(page->next);
        mm_run_list_free(page);
        snprintf(name, sizeof name, "late%zu", seen);
        CU_ASSERT_EQUAL(help_store(history, name, 1, "0", 1), MM_STORE_OK);
    } while (cursor != NULL && seen < 2 * MANY);
    CU_ASSERT_EQUAL(seen, MANY);
    CU_ASSERT_EQUAL_FATAL(mm_history_runs(history, "default", NULL, 0, &page, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL(page->count, 1); /* the least that a page holds */
    mm_run_list_free(page);
    mm_history_close(history);
    help_remove(path);
}

/* Newest by time, whatever the order of arrival; equal times by arrival. */
static void test_pages_of_evaluations(void)
{
    char path[64];
    mm_evaluation_list *page = NULL;
    char *cursor = NULL;
    int64_t time = INT64_MAX, step = INT64_MAX;
    size_t seen = 0;

    help_directory(path);
    mm_history *history = help_open(path);
    mm_images *images = help_images("0", 1, 3, 1);

    for (int i = 0; i < MANY; i++) {
        mm_store_part part = help_part("0", images);

        part.step = i;
        part.has_time = 1;
        part.time = i * 37 % 100;
        CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    }
    do {
        CU_ASSERT_EQUAL_FATAL(mm_history_evaluations(history, "default", "unet", NULL, cursor, 7, &page, NULL),
                              MM_STORE_OK);
        for (size_t i = 0; i < page->count; i++, seen++) {
            const mm_evaluation_row *row = &page->rows[i];

            CU_ASSERT(row->time < time || (row->time == time && row->step < step));
            CU_ASSERT_EQUAL(row->time, row->step * 37 % 100);
            CU_ASSERT_EQUAL(row->score_count, 2);
            time = row->time;
            step = row->step;
        }
        free(cursor);
        cursor = page->next == NULL ? NULL : strdup(page->next);
        mm_evaluation_list_free(page);
    } while (cursor != NULL && seen < 2 * MANY);
    CU_ASSERT_EQUAL(seen, MANY);
    mm_images_free(images);
    mm_history_close(history);
    help_remove(path);
}

/* Filters meet pages: all that fit, once each, and nothing else. */
static void test_filtered_evaluations(void)
{
    char path[64], *cursor = NULL;
    mm_evaluation_list *page = NULL;
    mm_evaluation_filter filter = MM_ALL_EVALUATIONS;
    size_t seen = 0;

    help_directory(path);
    mm_history *history = help_open(path);
    mm_images *images = help_images("0", 1, 3, 1);

    for (int i = 0; i < 60; i++) {
        mm_store_part part = help_part("0", images);

        part.split = i % 2 ? "val" : "test";
        part.step = i;
        part.has_time = 1;
        part.time = 1000 + i;
        CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    }
    filter.split = "val";
    filter.first_step = 10;
    filter.last_step = 49;
    filter.from = 1021;
    filter.to = 1047;
    do {
        CU_ASSERT_EQUAL_FATAL(mm_history_evaluations(history, "default", "unet", &filter, cursor, 4, &page, NULL),
                              MM_STORE_OK);
        for (size_t i = 0; i < page->count; i++, seen++) {
            CU_ASSERT_STRING_EQUAL(page->rows[i].split, "val");
            CU_ASSERT_EQUAL(page->rows[i].step, 47 - 2 * (int64_t)seen);
        }
        free(cursor);
        cursor = page->next == NULL ? NULL : strdup(page->next);
        mm_evaluation_list_free(page);
    } while (cursor != NULL && seen < 100);
    CU_ASSERT_EQUAL(seen, 14); /* 21, 23, ..., 47 */
    filter.split = NULL;
    filter.first_step = 30;
    CU_ASSERT_EQUAL_FATAL(mm_history_evaluations(history, "default", "unet", &filter, NULL, 100, &page, NULL),
                          MM_STORE_OK);
    CU_ASSERT_EQUAL(page->count, 18);
    mm_evaluation_list_free(page);
    filter.from = filter.to + 1;
    CU_ASSERT_EQUAL_FATAL(mm_history_evaluations(history, "default", "unet", &filter, NULL, 100, &page, NULL),
                          MM_STORE_OK);
    CU_ASSERT_EQUAL(page->count, 0);
    mm_evaluation_list_free(page);
    mm_images_free(images);
    mm_history_close(history);
    help_remove(path);
}

/* A page of large rows ends before its limit, and the next goes on there. */
static void test_pages_of_large_rows(void)
{
    char path[64], *cursor = NULL;
    mm_run_list *runs = NULL;
    mm_evaluation_list *page = NULL;
    size_t seen = 0, pages = 0;

    help_directory(path);
    mm_history *history = help_open(path);

    for (int i = 0; i < 7; i++)
        CU_ASSERT_EQUAL(help_store(history, "unet", i, "0", (unsigned)i), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_store(history, "other", 0, "0", 1), MM_STORE_OK);
    mm_history_close(history);
    /* 3 MB for each evaluation: of a page of 8 MiB the third is the last */
    help_sql(path, "UPDATE series SET name = printf('%.*c', 3000000, 'x') WHERE id = (SELECT min(series) FROM scores)");
    help_sql(path, "INSERT INTO tags SELECT id, 'tag', printf('%.*c', 9000000, 'x') FROM runs");
    history = help_open(path);
    do {
        CU_ASSERT_EQUAL_FATAL(mm_history_evaluations(history, "default", "unet", NULL, cursor, 50, &page, NULL),
                              MM_STORE_OK);
        CU_ASSERT_EQUAL(page->count, pages < 2 ? 3 : 1);
        for (size_t i = 0; i < page->count; i++, seen++)
            CU_ASSERT_EQUAL(page->rows[i].step, 6 - (int64_t)seen);
        free(cursor);
        cursor = page->next == NULL ? NULL : strdup(page->next);
        mm_evaluation_list_free(page);
    } while (cursor != NULL && ++pages < 7);
    CU_ASSERT_EQUAL(seen, 7);
    CU_ASSERT_EQUAL_FATAL(mm_history_runs(history, "default", NULL, 50, &runs, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL(runs->count, 1);
    CU_ASSERT_PTR_NOT_NULL(runs->next);
    mm_run_list_free(runs);
    mm_history_close(history);
    help_remove(path);
}

static void test_bad_cursors(void)
{
    static const char *const bad[] = {"",
                                      "r",
                                      "x",
                                      "r0000000000000000000000000000000",
                                      "r000000000000000000000000000000000",
                                      "r0000000000000000000000000000000G",
                                      "r0000000000000000000000000000000A",
                                      "e00000000000000000000000000000000",
                                      "' OR 1=1 --"};
    char path[64];
    mm_run_list *runs = NULL;
    mm_evaluation_list *evaluations = NULL;
    mm_problem problem;

    help_directory(path);
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL(help_store(history, "unet", 1, "0", 1), MM_STORE_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        problem = (mm_problem){0};
        CU_ASSERT_EQUAL(mm_history_runs(history, "default", bad[i], 9, &runs, &problem), MM_STORE_BAD_CURSOR);
        CU_ASSERT_STRING_EQUAL(problem.param, "cursor");
    }
    CU_ASSERT_EQUAL(mm_history_evaluations(history, "default", "unet", NULL, "r00000000000000000000000000000000", 9,
                                           &evaluations, &problem),
                    MM_STORE_BAD_CURSOR);
    CU_ASSERT_EQUAL(mm_history_runs(history, "default", "r00000000000000000000000000000000", 9, &runs, NULL),
                    MM_STORE_OK);
    CU_ASSERT_EQUAL(runs->count, 0); /* nothing is older than 1970 */
    mm_run_list_free(runs);
    mm_history_close(history);
    help_remove(path);
}

static void test_parts_are_read_in_order(void)
{
    static const char *const sent[] = {"10", "rank-1", "9", "1"}, *const read_as[] = {"1", "9", "10", "rank-1"};
    char path[64];
    mm_stored_evaluation *read = NULL;

    help_directory(path);
    mm_history *history = help_open(path);

    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(help_store_images(history, sent[i], sent[i], 1, 1), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(mm_history_evaluation(history, "default", "unet", "val", 1, &read, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(read->part_count, 4);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_STRING_EQUAL(read->parts[i].name, read_as[i]);
    mm_stored_evaluation_free(read);
    mm_history_close(history);
    help_remove(path);
}

/* What is asked of a caller's budget. */
typedef struct budget {
    size_t most, asked, calls;
} budget;

static int take_room(void *context, size_t bytes)
{
    budget *b = context;

    b->asked = bytes;
    b->calls++;
    return bytes <= b->most;
}

/* The memory of reading all records and merging them is known before one of them is read. */
static void test_within(void)
{
    char path[64];
    budget b = {.most = SIZE_MAX};
    const mm_room room = {take_room, &b};
    mm_stored_evaluation *read = NULL;
    mm_problem problem = {0};
    size_t bytes = 0, part = 0;

    help_directory(path);
    mm_history *history = help_open(path);

    for (size_t i = 0; i < 5; i++) {
        char name[2] = {(char)('a' + i), '\0'};

        CU_ASSERT_EQUAL_FATAL(help_store_images(history, name, name, 100 * (i + 1), 1), MM_STORE_OK);
    }
    CU_ASSERT_EQUAL_FATAL(mm_history_evaluation_within(history, "default", "unet", "val", 1, &room, &read, &problem),
                          MM_STORE_OK);
    for (size_t i = 0; i < read->part_count; i++) {
        const size_t size = read->parts[i].size;

        part = size + mm_images_bound(100 * (i + 1), 3, size);
        bytes += part;
    }
    CU_ASSERT_EQUAL(b.asked, bytes + part); /* the last is the largest */
    mm_stored_evaluation_free(read);
    read = NULL;
    b.most = b.asked - 1;
    CU_ASSERT_EQUAL(mm_history_evaluation_within(history, "default", "unet", "val", 1, &room, &read, &problem),
                    MM_STORE_BUSY);
    CU_ASSERT_PTR_NULL(read);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "memory"));
    CU_ASSERT_EQUAL(b.calls, 2);
    CU_ASSERT_EQUAL(mm_history_evaluation_within(history, "default", "unet", "val", 2, &room, &read, &problem),
                    MM_STORE_NOT_FOUND);
    CU_ASSERT_EQUAL(b.calls, 2);
    CU_ASSERT_EQUAL(mm_history_health(history), MM_STORE_OK);
    mm_history_close(history);
    help_remove(path);
}

static CU_TestInfo tests[] = {
    {"a part comes back as it was sent", test_part_comes_back},
    {"what is not there is not found", test_absent},
    {"what the list says of a run", test_run_row},
    {"pages of runs", test_pages_of_runs},
    {"pages of evaluations", test_pages_of_evaluations},
    {"evaluations by split, step and time", test_filtered_evaluations},
    {"pages of large rows", test_pages_of_large_rows},
    {"bad cursors", test_bad_cursors},
    {"parts are read in order", test_parts_are_read_in_order},
    {"no more than there is room for", test_within},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_history_sqlite_read;
const mm_suite mm_suite_history_sqlite_read = {"history_sqlite_read", tests};
