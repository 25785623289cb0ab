/*
 * test_history_sqlite_choose.c - best steps, names of what is there, where the newest evaluation is
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/history_query.h"
#include "tests/history_help.h"
#include "tests/suites.h"

static void store_at(mm_history *history, const char *run, const char *split, int64_t step, int64_t time,
                     const char *scores, unsigned seed)
{
    mm_store_part part = {.run = run, .split = split, .step = step, .time = time, .definition.scores = scores};

    CU_ASSERT_EQUAL_FATAL(help_store_at(history, &part, seed), MM_STORE_OK);
}

static const mm_series_query everything = {
    .project = "default", .filter = {.first_step = 0, .last_step = INT64_MAX, .from = INT64_MIN, .to = INT64_MAX}};

/* Brute force over the listing: the best of each score, and the next. */
static void test_best(void)
{
    char path[64];
    mm_evaluation_list *listed = NULL;
    mm_best_list *list = NULL;

    help_directory(path);
    mm_history *history = help_open(path);

    for (int i = 0; i < 40; i++) /* from 20 on the values come again: the first step counts */
        store_at(history, "unet", "val", i, 1000 - i, "dice,dice_loss,tp", (unsigned)(i % 20));
    CU_ASSERT_EQUAL_FATAL(mm_history_evaluations(history, "default", "unet", NULL, NULL, 100, &listed, NULL),
                          MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(mm_history_bests(history, &everything, &list, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(list->count, 2); /* a count is neither good nor bad */
    for (size_t s = 0; s < 2; s++) {
        const mm_best *best = &list->rows[s];
        const double sign = s == 0 ? 1.0 : -1.0;
        int64_t step = INT64_MAX;

        CU_ASSERT_EQUAL(best->better, s == 0 ? MM_HIGHER : MM_LOWER);
        CU_ASSERT_STRING_EQUAL(best->score, s == 0 ? "dice" : "dice_loss");
        for (size_t i = 0; i < listed->count; i++) {
            const double value = listed->rows[i].scores[s].value.value;

            CU_ASSERT(sign * value <= sign * best->value);
            if (value == best->value && listed->rows[i].step < step)
                step = listed->rows[i].step;
        }
        CU_ASSERT_EQUAL(best->step, step);
        CU_ASSERT_EQUAL(best->time, 1000 - step);
        CU_ASSERT_EQUAL(best->next.reason, MM_DEFINED);
        CU_ASSERT_EQUAL(best->next.value, best->value);
    }
    mm_evaluation_list_free(listed);
    mm_best_list_free(list);
    mm_best_list_free(NULL);
    mm_history_close(history);
    help_remove(path);
}

static void test_best_alone(void)
{
    char path[64];
    mm_best_list *list = NULL;
    mm_series_query query = everything;

    help_directory(path);
    mm_history *history = help_open(path);

    store_at(history, "unet", "val", 1, 1, "d:dice", 1);
    query.score = "d";
    CU_ASSERT_EQUAL_FATAL(mm_history_bests(history, &query, &list, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(list->count, 1);
    CU_ASSERT_EQUAL(list->rows[0].next.reason, MM_NOT_CHOSEN);
    mm_best_list_free(list);
    query.score = "dice";
    CU_ASSERT_EQUAL_FATAL(mm_history_bests(history, &query, &list, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL(list->count, 0);
    mm_best_list_free(list);
    mm_history_close(history);
    help_remove(path);
}

static void check_names(mm_history *history, mm_name_kind kind, const mm_series_query *query, const char *const *names,
                        size_t count)
{
    mm_name_list *list = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_history_names(history, kind, query, &list, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL(list->count, count);
    for (size_t i = 0; i < count && i < list->count; i++)
        CU_ASSERT_STRING_EQUAL(list->rows[i].text, names[i]);
    mm_name_list_free(list);
}

static void test_names(void)
{
    static const char *const runs[] = {"new", "old"}, *const scores[] = {"iou", "d", "dice"};
    static const char *const splits[] = {"val", "test"}, *const classes[] = {"a", "b", "c"};
    char path[64], old[] = "old", nobody[] = "nobody", *one[] = {old}, *none[] = {nobody};
    mm_series_query query = everything;

    help_directory(path);
    mm_history *history = help_open(path);

    store_at(history, "old", "val", 1, 1, "d:dice,iou", 1);
    store_at(history, "old", "test", 1, 1, "dice", 1);
    help_nap(5);
    store_at(history, "new", "val", 1, 1, "iou,d:dice", 1);
    check_names(history, MM_NAMES_RUNS, &everything, runs, 2);
    check_names(history, MM_NAMES_SCORES, &everything, scores, 3);
    check_names(history, MM_NAMES_SPLITS, &everything, splits, 2);
    check_names(history, MM_NAMES_CLASSES, &everything, classes, 3);
    query.runs = one;
    query.run_count = 1;
    check_names(history, MM_NAMES_RUNS, &query, runs + 1, 1);
    check_names(history, MM_NAMES_SCORES, &query, (const char *const[]){"d", "iou", "dice"}, 3);
    query.runs = none;
    check_names(history, MM_NAMES_SCORES, &query, NULL, 0);
    mm_name_list_free(NULL);
    mm_history_close(history);
    help_remove(path);
}

/* A score that nobody has any more is no name any more. */
static void test_names_are_forgotten(void)
{
    static const char *const scores[] = {"iou"};
    char path[64];

    help_directory(path);
    mm_history *history = help_open(path);

    store_at(history, "unet", "val", 1, 1, "dice,iou", 1);
    store_at(history, "unet", "val", 1, 1, "iou", 1); /* the only part defines anew */
    check_names(history, MM_NAMES_SCORES, &everything, scores, 1);
    CU_ASSERT_EQUAL(help_delete(history, "default", "unet"), MM_STORE_OK);
    check_names(history, MM_NAMES_SCORES, &everything, NULL, 0);
    check_names(history, MM_NAMES_CLASSES, &everything, NULL, 0);
    check_names(history, MM_NAMES_RUNS, &everything, NULL, 0);
    mm_history_close(history);
    help_remove(path);
}

static void check_place(mm_history *history, const mm_series_query *query, const char *run, const char *split,
                        int64_t step)
{
    mm_place place = {0};

    CU_ASSERT_EQUAL_FATAL(mm_history_place(history, query, &place, NULL), MM_STORE_OK);
    if (run == NULL) {
        CU_ASSERT_PTR_NULL(place.run);
        return;
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(place.run);
    CU_ASSERT_STRING_EQUAL(place.run, run);
    CU_ASSERT_STRING_EQUAL(place.split, split);
    CU_ASSERT_EQUAL(place.step, step);
    mm_place_free(&place);
}

static void test_place(void)
{
    char path[64], b[] = "b", *runs[] = {b};
    mm_series_query query = everything;

    help_directory(path);
    mm_history *history = help_open(path);

    check_place(history, &everything, NULL, NULL, 0);
    store_at(history, "a", "val", 9, 100, "dice", 1);
    store_at(history, "a", "val", 10, 50, "dice", 1);
    store_at(history, "b", "val", 3, 90, "dice", 1);
    store_at(history, "b", "test", 2, 95, "dice", 1);
    check_place(history, &everything, "a", "val", 9);
    query.by_step = 1;
    check_place(history, &query, "a", "val", 10);
    query.by_step = 0;
    query.runs = runs;
    query.run_count = 1;
    check_place(history, &query, "b", "test", 2);
    query.split = "val";
    check_place(history, &query, "b", "val", 3);
    query.filter.to = 89;
    check_place(history, &query, NULL, NULL, 0);
    mm_history_close(history);
    help_remove(path);
}

/* Neither best points nor names nor runs are more than asked for. */
static void test_most(void)
{
    char path[64], name[16], classes[64];
    mm_series_query query = everything;
    mm_best_list *best = NULL;
    mm_name_list *names = NULL;

    help_directory(path);
    mm_history *history = help_open(path);

    for (int i = 0; i < 12; i++) {
        mm_images *images = help_images("i", 1, 3, (unsigned)i);
        mm_store_part part = help_part("0", images);

        snprintf(name, sizeof name, "run%d", i);
        snprintf(classes, sizeof classes, "a%d,b%d,c", i, i);
        part.run = name;
        part.definition.classes = classes;
        part.definition.scores = "dice,iou,dice_loss";
        CU_ASSERT_EQUAL_FATAL(help_put(history, &part), MM_STORE_OK);
        mm_images_free(images);
        help_nap(2);
    }
    query.max_values = 5;
    CU_ASSERT_EQUAL_FATAL(mm_history_bests(history, &query, &best, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL(best->count, 5);
    CU_ASSERT_TRUE(best->truncated);
    mm_best_list_free(best);
    CU_ASSERT_EQUAL_FATAL(mm_history_names(history, MM_NAMES_CLASSES, &query, &names, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(names->count, 5);
    CU_ASSERT_STRING_EQUAL(names->rows[0].text, "a11"); /* of the newest run, c among them once */
    CU_ASSERT_STRING_EQUAL(names->rows[2].text, "c");
    CU_ASSERT_STRING_EQUAL(names->rows[3].text, "a10");
    mm_name_list_free(names);
    query.max_values = 25; /* 12 * 2 + 1: all there are */
    CU_ASSERT_EQUAL_FATAL(mm_history_names(history, MM_NAMES_CLASSES, &query, &names, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL(names->count, 25);
    mm_name_list_free(names);
    query.most_runs = 4;
    CU_ASSERT_EQUAL_FATAL(mm_history_names(history, MM_NAMES_RUNS, &query, &names, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(names->count, 4);
    CU_ASSERT_STRING_EQUAL(names->rows[3].text, "run8");
    mm_name_list_free(names);
    mm_history_close(history);
    help_remove(path);
}

static CU_TestInfo tests[] = {
    {"the best step of each score", test_best},
    {"the best of one", test_best_alone},
    {"names, those of the newest run first", test_names},
    {"names that nobody has any more", test_names_are_forgotten},
    {"where the newest evaluation is", test_place},
    {"no more than asked for", test_most},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_history_sqlite_choose;
const mm_suite mm_suite_history_sqlite_choose = {"history_sqlite_choose", tests};
