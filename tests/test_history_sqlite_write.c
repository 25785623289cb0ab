/*
 * test_history_sqlite_write.c - what a put sets, replaces, merges and refuses, and what a delete removes
 */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/history_help.h"
#include "tests/suites.h"

/* ------------------------------------------------------------- definitions */

static void test_other_definition_conflicts(void)
{
    char path[64];

    help_directory(path);
    mm_history *history = help_open(path);
    mm_images *images = help_images("1", 1, 3, 1);
    mm_store_part first = help_part("0", images);

    first.definition.parts = 2;
    CU_ASSERT_EQUAL(help_put(history, &first), MM_STORE_OK);

    static const char *const params[] = {"classes", "task", "threshold", "ignore_index", "parts"};

    for (size_t i = 0; i < 5; i++) {
        mm_store_part part = help_part("1", images);

        part.definition.classes = i == 0 ? "a,b,d" : part.definition.classes;
        part.definition.task = i == 1 ? MM_MULTILABEL : MM_MULTICLASS;
        part.definition.threshold = i == 2 ? 0.25 : 0.5;
        part.definition.has_ignore = i == 3;
        part.definition.parts = i == 4 ? 3 : 2;
        CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_CONFLICT);
        CU_ASSERT_STRING_EQUAL(part.problem.param, params[i]);
        CU_ASSERT_PTR_NOT_NULL(strstr(part.problem.text, params[i]));
    }
    mm_evaluation_list *list = help_listed(history);

    CU_ASSERT_EQUAL(list->rows[0].parts_received, 1);
    CU_ASSERT_EQUAL(list->rows[0].images, 1);
    mm_evaluation_list_free(list);
    mm_images_free(images);
    mm_history_close(history);
    help_remove(path);
}

static void test_ignore_index_values_conflict(void)
{
    char path[64];

    help_directory(path);
    mm_history *history = help_open(path);
    mm_images *images = help_images("0", 1, 3, 1), *more = help_images("1", 1, 3, 1);
    mm_store_part part = help_part("0", images), other = help_part("1", more);

    part.definition.has_ignore = other.definition.has_ignore = 1;
    part.definition.ignore_index = 255;
    other.definition.ignore_index = 254;
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_put(history, &other), MM_STORE_CONFLICT);
    CU_ASSERT_STRING_EQUAL(other.problem.param, "ignore_index");
    other.definition.ignore_index = 255;
    CU_ASSERT_EQUAL(help_put(history, &other), MM_STORE_OK);
    mm_images_free(images);
    mm_images_free(more);
    mm_history_close(history);
    help_remove(path);
}

/* Whoever announces the number of parts first sets it; who says nothing never conflicts.  Scores and weights are those
 * of the first part, other ones no conflict. */
static void test_parts_scores_weights(void)
{
    static const struct {
        int64_t parts, expected;
        mm_store_status status;
    } steps[] = {{-1, -1, MM_STORE_OK}, {3, 3, MM_STORE_OK}, {-1, 3, MM_STORE_OK}, {4, 0, MM_STORE_CONFLICT}};
    char path[64], name[8];
    mm_stored_evaluation *read = NULL;

    help_directory(path);
    mm_history *history = help_open(path);

    for (size_t i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%zu", i);
        mm_images *images = help_images(name, 1, 3, 1);
        mm_store_part part = help_part(name, images);

        part.definition.parts = steps[i].parts;
        part.definition.scores = i == 0 ? "dice" : "iou";
        part.definition.weights = i == 0 ? "1,2,3" : "3,2,1";
        CU_ASSERT_EQUAL(help_put(history, &part), steps[i].status);
        if (steps[i].status == MM_STORE_OK) {
            CU_ASSERT_EQUAL(part.parts_expected, steps[i].expected);
            CU_ASSERT_EQUAL(part.parts_received, (int64_t)i + 1);
        }
        mm_images_free(images);
    }
    CU_ASSERT_EQUAL_FATAL(mm_history_evaluation(history, "default", "unet", "val", 1, &read, NULL), MM_STORE_OK);
    CU_ASSERT_STRING_EQUAL(read->definition.scores, "dice");
    CU_ASSERT_STRING_EQUAL(read->definition.weights, "1,2,3");
    mm_stored_evaluation_free(read);
    mm_history_close(history);
    help_remove(path);
}

static void test_only_part_defines_again(void)
{
    char path[64];
    mm_stored_evaluation *read = NULL;

    help_directory(path);
    mm_history *history = help_open(path);
    mm_images *three = help_images("0", 1, 3, 1), *four = help_images("0", 1, 4, 1);
    mm_store_part first = help_part("0", three), again = help_part("0", four), twin = help_part("1", three);

    again.definition.classes = "a,b,c,d";
    again.definition.class_count = 4;
    again.definition.scores = "iou";
    CU_ASSERT_EQUAL(help_put(history, &first), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_put(history, &again), MM_STORE_OK);
    CU_ASSERT_EQUAL(again.parts_received, 1);
    CU_ASSERT_EQUAL_FATAL(mm_history_evaluation(history, "default", "unet", "val", 1, &read, NULL), MM_STORE_OK);
    help_check_definition(&read->definition, &again.definition);
    mm_stored_evaluation_free(read);
    mm_evaluation_list *list = help_listed(history);

    CU_ASSERT_EQUAL_FATAL(list->rows[0].score_count, 1);
    CU_ASSERT_STRING_EQUAL(list->rows[0].scores[0].name, "iou");
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM class_scores"), 4);
    mm_evaluation_list_free(list);
    CU_ASSERT_EQUAL(help_put(history, &twin), MM_STORE_CONFLICT); /* three classes are the wrong ones now */
    again.definition.scores = "dice";                             /* the same record, other scores */
    CU_ASSERT_EQUAL(help_put(history, &again), MM_STORE_OK);
    list = help_listed(history);
    CU_ASSERT_STRING_EQUAL(list->rows[0].scores[0].name, "dice");
    mm_evaluation_list_free(list);
    mm_images_free(three);
    mm_images_free(four);
    mm_history_close(history);
    help_remove(path);
}

static void test_time(void)
{
    char path[64];

    help_directory(path);
    mm_history *history = help_open(path);
    const int64_t before = (int64_t)time(NULL) * 1000;

    CU_ASSERT_EQUAL(help_store_images(history, "0", "0", 1, 1), MM_STORE_OK);
    mm_evaluation_list *list = help_listed(history);
    const int64_t first = list->rows[0].time;

    CU_ASSERT(first >= before && first <= before + 60000);
    mm_evaluation_list_free(list);
    CU_ASSERT_EQUAL(help_store_images(history, "1", "1", 1, 1), MM_STORE_OK);
    list = help_listed(history);
    CU_ASSERT_EQUAL(list->rows[0].time, first); /* that of the first part */
    mm_evaluation_list_free(list);

    mm_images *images = help_images("1", 1, 3, 1);
    mm_store_part part = help_part("1", images);

    part.has_time = 1;
    part.time = 42;
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    list = help_listed(history);
    CU_ASSERT_EQUAL(list->rows[0].time, 42);
    mm_evaluation_list_free(list);
    mm_images_free(images);
    mm_history_close(history);
    help_remove(path);
}

/* ------------------------------------------------------------- replacement */

static void test_part_is_replaced(void)
{
    char path[64];
    mm_stored_evaluation *read = NULL;

    help_directory(path);
    mm_history *history = help_open(path);
    mm_images *old = help_images("x", 5, 3, 1), *new = help_images("x", 2, 3, 9), *other = help_images("y", 3, 3, 4);
    mm_store_part first = help_part("0", old), second = help_part("1", other), again = help_part("0", new);

    CU_ASSERT_EQUAL(help_put(history, &first), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_put(history, &second), MM_STORE_OK);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(help_put(history, &again), MM_STORE_OK);
        CU_ASSERT_EQUAL(again.parts_received, 2);
    }
    CU_ASSERT_EQUAL_FATAL(mm_history_evaluation(history, "default", "unet", "val", 1, &read, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(read->part_count, 2);
    help_check_record(&read->parts[0], new);
    help_check_record(&read->parts[1], other);
    mm_stored_evaluation_free(read);
    mm_evaluation_list *list = help_listed(history);

    CU_ASSERT_EQUAL(list->rows[0].images, 5);
    mm_evaluation_list_free(list);
    mm_images_free(old);
    mm_images_free(new);
    mm_images_free(other);
    mm_history_close(history);
    help_remove(path);
}

static void test_same_image_in_two_parts(void)
{
    char path[64];

    help_directory(path);
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL(help_store_images(history, "0", "scan", 3, 1), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_store_images(history, "1", "scan", 2, 1),
                    MM_STORE_OK); /* equal: scan/0 and scan/1 count once */
    mm_evaluation_list *list = help_listed(history);

    CU_ASSERT_EQUAL(list->rows[0].images, 3);
    CU_ASSERT_EQUAL(list->rows[0].parts_received, 2);
    mm_evaluation_list_free(list);

    mm_images *images = help_images("scan", 1, 3, 2);
    mm_store_part part = help_part("2", images);

    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_CONFLICT);
    CU_ASSERT_STRING_EQUAL(part.problem.param, "image_ids");
    CU_ASSERT_PTR_NOT_NULL(strstr(part.problem.text, "scan/0"));
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM parts"), 2);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT images FROM evaluations"), 3);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT parts_received FROM evaluations"), 2);
    part.part = "1"; /* replaces one holder, still differs from the other */
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_CONFLICT);
    mm_history_close(history); /* likewise when nothing is remembered */
    history = help_open(path);
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_CONFLICT);
    part.part = "2";
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_CONFLICT);
    CU_ASSERT_EQUAL(help_store_images(history, "0", "scan", 2, 1), MM_STORE_OK); /* both are as they were */
    CU_ASSERT_EQUAL(help_store_images(history, "3", "scan", 1, 1), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT images FROM evaluations"), 2);
    part.step = 2; /* another evaluation is another matter */
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    mm_images_free(images);
    mm_history_close(history);
    help_remove(path);
}

/* A part that was refused leaves the part that it should have replaced in the merged images too. */
static void test_refused_replacement(void)
{
    char path[64];

    help_directory(path);
    mm_history *history = help_open(path);
    mm_images *images = help_images("x", 1, 3, 2);
    mm_store_part part = help_part("1", images);

    CU_ASSERT_EQUAL(help_store_images(history, "0", "x", 1, 1), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_store_images(history, "1", "y", 3, 1), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_CONFLICT);
    CU_ASSERT_EQUAL(help_store_images(history, "2", "z", 1, 1), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT images FROM evaluations"), 5);
    CU_ASSERT_EQUAL(help_store_images(history, "0", "y", 1, 2), MM_STORE_CONFLICT); /* the same the other way round */
    CU_ASSERT_EQUAL(help_store_images(history, "3", "w", 1, 1), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT images FROM evaluations"), 6);
    mm_images_free(images);
    mm_history_close(history);
    help_remove(path);
}

/* A first part that does not fit its own definition leaves nothing behind, neither in the file nor in memory. */
static void test_refused_first_part(void)
{
    char path[64];

    help_directory(path);
    mm_history *history = help_open(path);
    mm_images *four = help_images("0", 1, 4, 1);
    mm_store_part part = help_part("0", four);

    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_CONFLICT);
    CU_ASSERT_STRING_EQUAL(part.problem.param, "classes");
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM runs"), 0);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM splits"), 0);
    part.definition.classes = "a,b,c,d";
    part.definition.class_count = 4;
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT images FROM evaluations"), 1);
    mm_images_free(four);
    mm_history_close(history);
    help_remove(path);
}

/* ----------------------------------------------------------- merged scores */

/* Mean over classes of the mean over images of 2 TP / (label + prediction). */
typedef struct dice_sum {
    double sum[3];
    size_t images;
} dice_sum;

static void add_dice(dice_sum *dice, unsigned seed, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < 3; c++)
            dice->sum[c] += 2.0 * (double)help_count(seed, i, c, HELP_BOTH) /
                            (double)(help_count(seed, i, c, HELP_LABEL) + help_count(seed, i, c, HELP_PRED));
    dice->images += count;
}

static double mean_dice(const dice_sum *dice, double w0, double w1, double w2)
{
    return (w0 * dice->sum[0] + w1 * dice->sum[1] + w2 * dice->sum[2]) / (w0 + w1 + w2) / (double)dice->images;
}

static double first_score(mm_history *history)
{
    mm_evaluation_list *list = help_listed(history);
    const mm_value value = list->rows[0].scores[0].value;

    CU_ASSERT_STRING_EQUAL(list->rows[0].scores[0].name, "dice");
    CU_ASSERT_EQUAL(value.reason, MM_DEFINED);
    mm_evaluation_list_free(list);
    return value.value;
}

/* After each part, after a replacement, with and without what is kept in memory. */
static void test_merged_scores(void)
{
    static const char *const names[] = {"0", "1", "2", "3"};
    char path[64];
    dice_sum dice = {0};

    help_directory(path);
    mm_history *history = help_open(path);

    for (unsigned i = 0; i < 4; i++) {
        if (i == 2) { /* what was merged is forgotten */
            mm_history_close(history);
            history = help_open(path);
        }
        CU_ASSERT_EQUAL(help_store_images(history, names[i], names[i], 1 + i, i), MM_STORE_OK);
        add_dice(&dice, i, 1 + i);
        CU_ASSERT_DOUBLE_EQUAL(first_score(history), mean_dice(&dice, 1, 1, 1), 1e-12);
    }
    CU_ASSERT_EQUAL(help_store_images(history, "1", "1", 7, 100), MM_STORE_OK);
    dice = (dice_sum){0};
    add_dice(&dice, 0, 1);
    add_dice(&dice, 100, 7);
    add_dice(&dice, 2, 3);
    add_dice(&dice, 3, 4);
    CU_ASSERT_DOUBLE_EQUAL(first_score(history), mean_dice(&dice, 1, 1, 1), 1e-12);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM scores"), 2);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM class_scores WHERE reason = 0"), 6);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT images FROM evaluations"), 15);
    mm_history_close(history);
    help_remove(path);
}

static void test_weights_enter_the_value(void)
{
    char path[64];
    dice_sum dice = {0};

    help_directory(path);
    mm_history *history = help_open(path);
    mm_images *images = help_images("0", 3, 3, 5);
    mm_store_part part = help_part("0", images);

    part.definition.scores = "dice:dice(average=weighted)";
    part.definition.weights = "1,2.5,.5";
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    add_dice(&dice, 5, 3);
    CU_ASSERT_DOUBLE_EQUAL(first_score(history), mean_dice(&dice, 1, 2.5, .5), 1e-12);
    mm_images_free(images);
    mm_history_close(history);
    help_remove(path);
}

/* Any order of parts gives the same bits. */
static void test_order_of_parts(void)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    char path[64];
    double value[2];

    for (int backwards = 0; backwards < 2; backwards++) {
        help_directory(path);
        mm_history *history = help_open(path);

        for (unsigned i = 0; i < 5; i++) {
            const unsigned k = backwards ? 4 - i : i;

            CU_ASSERT_EQUAL(help_store_images(history, names[k], names[k], 3, k), MM_STORE_OK);
        }
        value[backwards] = first_score(history);
        mm_history_close(history);
        help_remove(path);
    }
    CU_ASSERT_EQUAL(memcmp(&value[0], &value[1], sizeof value[0]), 0);
}

/* What the sums cannot give is null with its reason; text of a later version gives no scores, and loses no part. */
static void test_scores_that_cannot_be(void)
{
    char path[64];

    help_directory(path);
    mm_history *history = help_open(path);
    mm_images *images = help_images("0", 1, 3, 1);
    mm_store_part part = help_part("0", images);

    part.definition.scores = "cross_entropy,d:dice(classes=[1])";
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    mm_evaluation_list *list = help_listed(history);

    CU_ASSERT_EQUAL_FATAL(list->rows[0].score_count, 2);
    CU_ASSERT_STRING_EQUAL(list->rows[0].scores[0].name, "cross_entropy");
    CU_ASSERT_EQUAL(list->rows[0].scores[0].value.reason, MM_NOT_IN_SUMS);
    CU_ASSERT_STRING_EQUAL(list->rows[0].scores[1].name, "d");
    CU_ASSERT_EQUAL(list->rows[0].scores[1].value.reason, MM_DEFINED);
    mm_evaluation_list_free(list);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM scores WHERE value IS NULL AND reason = 10"), 1);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM class_scores WHERE position = 1 AND class = 1"), 1);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM class_scores WHERE position = 1"), 1);
    part.definition.scores = "score_of_tomorrow";
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    list = help_listed(history);
    CU_ASSERT_EQUAL(list->rows[0].score_count, 0);
    CU_ASSERT_EQUAL(list->rows[0].images, 1);
    mm_evaluation_list_free(list);
    mm_images_free(images);
    mm_history_close(history);
    help_remove(path);
}

/* Bits rot: the rest of the evaluation lives on, and sending the part again heals it. */
static void test_damaged_record(void)
{
    char path[64];

    help_directory(path);
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL(help_store_images(history, "0", "scan", 2, 1), MM_STORE_OK);
    mm_history_close(history);
    CU_ASSERT_EQUAL(help_sql(path, "UPDATE parts SET record = zeroblob(length(record)) RETURNING id"), 1);
    history = help_open(path);
    CU_ASSERT_EQUAL(help_store_images(history, "1", "other", 2, 1), MM_STORE_OK);
    mm_evaluation_list *list = help_listed(history);

    CU_ASSERT_EQUAL(list->rows[0].images, 2);
    mm_evaluation_list_free(list);
    CU_ASSERT_EQUAL(help_store_images(history, "0", "scan", 2, 1), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_store_images(history, "2", "scan", 2, 1), MM_STORE_OK);
    list = help_listed(history);
    CU_ASSERT_EQUAL(list->rows[0].images, 4);
    mm_evaluation_list_free(list);
    mm_history_close(history);
    help_remove(path);
}

/* ----------------------------------------------------------------- removal */

static void test_delete(void)
{
    char path[64];
    mm_run_list *list = NULL;

    help_directory(path);
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL(help_store(history, "unet", 1, "0", 1), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_store(history, "unet", 1, "1", 2), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_store(history, "unet", 2, "0", 3), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_store(history, "keep", 1, "0", 4), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_delete(history, "other", "unet"), MM_STORE_NOT_FOUND);
    CU_ASSERT_EQUAL(help_delete(history, "default", "unet"), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_delete(history, "default", "unet"), MM_STORE_NOT_FOUND);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM runs"), 1);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM splits"), 1);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM evaluations"), 1);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM parts"), 1);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM scores"), 2);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM class_scores"), 6);
    /* The name is free again, and what was merged is not remembered. */
    CU_ASSERT_EQUAL(help_store(history, "unet", 1, "1", 5), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(mm_history_run_row(history, "default", "unet", &list, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL(list->rows[0].evaluations, 1);
    mm_run_list_free(list);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT sum(images) FROM evaluations"), 4);
    mm_history_close(history);
    help_remove(path);
}

/* --------------------------------------------------------------- retention */

static void expired(mm_store_expiry *expiry)
{
    sem_post(expiry->context);
}

static mm_store_expiry expire(mm_history *history, int64_t before)
{
    sem_t done;
    mm_store_expiry expiry = {.before = before, .done = expired, .context = &done};

    sem_init(&done, 0, 0);
    mm_history_expire(history, &expiry);
    while (sem_wait(&done) != 0)
        continue;
    sem_destroy(&done);
    return expiry;
}

/* Oldest first, a bounded number at once; splits and runs go with their last evaluation. */
static void test_expire(void)
{
    char path[64], sql[128];
    size_t removed = 0, rounds = 0;
    mm_run_list *list = NULL;

    help_directory(path);
    mm_history *history = help_open(path);

    for (int i = 0; i < 50; i++)
        CU_ASSERT_EQUAL_FATAL(help_store(history, i % 2 ? "long" : "short", i, "0", (unsigned)i), MM_STORE_OK);
    mm_history_close(history);
    for (int i = 0; i < 50; i++) { /* each came when its step says, "short" before 48 */
        snprintf(sql, sizeof sql, "UPDATE evaluations SET updated = %d WHERE step = %d RETURNING id", i, i);
        CU_ASSERT(help_sql(path, sql) > 0);
    }
    history = help_open(path);
    CU_ASSERT_EQUAL(expire(history, 0).removed, 0);
    for (mm_store_expiry expiry = {.more = 1}; expiry.more; rounds++) {
        expiry = expire(history, 49);
        CU_ASSERT_EQUAL(expiry.status, MM_STORE_OK);
        CU_ASSERT(expiry.removed <= 20);
        removed += expiry.removed;
    }
    CU_ASSERT_EQUAL(removed, 49);
    CU_ASSERT_EQUAL(rounds, 3);
    CU_ASSERT_EQUAL_FATAL(mm_history_runs(history, "default", NULL, 9, &list, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(list->count, 1);
    CU_ASSERT_STRING_EQUAL(list->rows[0].run, "long");
    CU_ASSERT_EQUAL(list->rows[0].evaluations, 1);
    CU_ASSERT_EQUAL(list->rows[0].first_step, 49);
    mm_run_list_free(list);
    mm_history_close(history);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM parts"), 1);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM scores"), 2);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM class_voxels"), 3);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM series"), 2);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM class_lists"), 1);
    help_remove(path);
}

/* Also where each evaluation has named its classes anew: a few at once, so that uploads need not wait. */
static void test_expire_many_lists(void)
{
    char path[64];

    help_directory(path);
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL_FATAL(help_store(history, "unet", 5000, "0", 1), MM_STORE_OK);
    mm_history_close(history);
    CU_ASSERT(help_sql(path,
                       "INSERT INTO evaluations (run, split, step, time, classes, class_count, task, threshold,"
                       " scores, weights, updated) SELECT e.run, e.split, n.value, n.value, 'a,b,c' || n.value, 3,"
                       " e.task, e.threshold, e.scores, e.weights, n.value FROM evaluations e JOIN"
                       " (WITH RECURSIVE s (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM s"
                       " WHERE value < 4000) SELECT value FROM s) n RETURNING id") > 0);
    CU_ASSERT(help_sql(path, "INSERT INTO class_lists SELECT DISTINCT run, split, classes FROM evaluations WHERE"
                             " step < 5000 RETURNING run") > 0);
    history = help_open(path);
    const mm_store_expiry expiry = expire(history, 1000000);

    CU_ASSERT_EQUAL(expiry.removed, 20);
    CU_ASSERT_TRUE(expiry.more);
    mm_history_close(history);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM class_lists"), 3981);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT evaluations FROM splits"), 3981);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT first_step FROM splits"), 21);
    help_remove(path);
}

/* A part that is sent again keeps its evaluation. */
static void test_expire_spares_what_came_again(void)
{
    char path[64];

    help_directory(path);
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL(help_store(history, "unet", 1, "0", 1), MM_STORE_OK);
    mm_history_close(history);
    help_sql(path, "UPDATE evaluations SET updated = 5 RETURNING id");
    history = help_open(path);
    CU_ASSERT_EQUAL(help_store(history, "unet", 1, "0", 1), MM_STORE_OK);
    CU_ASSERT_EQUAL(expire(history, 1000).removed, 0);
    CU_ASSERT_EQUAL(help_store(history, "unet", 2, "0", 1), MM_STORE_OK);
    CU_ASSERT_EQUAL(expire(history, INT64_MAX).removed, 2);
    CU_ASSERT_EQUAL(help_store(history, "unet", 2, "1", 2), MM_STORE_OK); /* as if it had never been */
    mm_evaluation_list *list = help_listed(history);

    CU_ASSERT_EQUAL(list->rows[0].images, 2);
    mm_evaluation_list_free(list);
    mm_history_close(history);
    help_remove(path);
}

/* -------------------------------------------------------------------- tags */

static void test_tags(void)
{
    char model[] = "model", lr[] = "lr", unet[] = "u=n\"e't", small[] = "1e-3", smaller[] = "1e-4", path[64];
    const mm_tag first[] = {{model, unet}, {lr, small}}, second[] = {{lr, smaller}};
    mm_images *images = help_images("0", 1, 3, 1);
    mm_store_part part = help_part("0", images);
    mm_run_list *list = NULL;

    help_directory(path);
    mm_history *history = help_open(path);

    part.tags = first;
    part.tag_count = 2;
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    part.tags = second;
    part.tag_count = 1; /* the same record: only the tag is new */
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    part.definition.task = MM_MULTILABEL;
    part.part = "1";
    part.tags = first;
    part.tag_count = 2;
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_CONFLICT); /* a part that is refused says nothing of the run */
    CU_ASSERT_EQUAL_FATAL(mm_history_run_row(history, "default", "unet", &list, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(list->rows[0].tag_count, 2);
    CU_ASSERT_STRING_EQUAL(list->rows[0].tags[0].name, "lr");
    CU_ASSERT_STRING_EQUAL(list->rows[0].tags[0].value, "1e-4");
    CU_ASSERT_STRING_EQUAL(list->rows[0].tags[1].value, unet);
    mm_run_list_free(list);
    mm_images_free(images);
    CU_ASSERT_EQUAL(help_delete(history, "default", "unet"), MM_STORE_OK);
    mm_history_close(history);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM tags"), 0);
    help_remove(path);
}

/* A run does not gather names without end, and a part that is refused for them leaves nothing behind. */
static void test_most_tags(void)
{
    char path[64], names[MM_RUN_TAGS + 1][8], value[] = "v";
    mm_tag tags[MM_RUN_TAGS + 1];
    mm_run_list *list = NULL;
    mm_images *images = help_images("0", 1, 3, 1);
    mm_store_part part = help_part("0", images);

    help_directory(path);
    mm_history *history = help_open(path);

    for (int i = 0; i <= MM_RUN_TAGS; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i);
        tags[i] = (mm_tag){names[i], value};
    }
    part.tags = tags;
    part.tag_count = MM_RUN_TAGS;
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_store_images(history, "1", "1", 1, 2), MM_STORE_OK);
    mm_images *others = help_images("2", 1, 3, 3);

    part = help_part("2", others);
    part.tags = &tags[MM_RUN_TAGS];
    part.tag_count = 1;
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_CONFLICT);
    CU_ASSERT_STRING_EQUAL(part.problem.param, "tags");
    part.tags = tags; /* those that it has may change */
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(mm_history_run_row(history, "default", "unet", &list, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL(list->rows[0].tag_count, MM_RUN_TAGS);
    mm_run_list_free(list);
    mm_evaluation_list *listed = help_listed(history);

    CU_ASSERT_EQUAL(listed->rows[0].images, 3);
    CU_ASSERT_EQUAL(listed->rows[0].parts_received, 3);
    mm_evaluation_list_free(listed);
    mm_images_free(images);
    mm_images_free(others);
    mm_history_close(history);
    help_remove(path);
}

static CU_TestInfo tests[] = {
    {"another definition is a conflict", test_other_definition_conflicts},
    {"another ignore_index is a conflict", test_ignore_index_values_conflict},
    {"parts, scores and weights of later parts", test_parts_scores_weights},
    {"the only part defines again", test_only_part_defines_again},
    {"time of an evaluation", test_time},
    {"a part sent again replaces", test_part_is_replaced},
    {"the same image in two parts", test_same_image_in_two_parts},
    {"a replacement that is refused", test_refused_replacement},
    {"a first part that is refused", test_refused_first_part},
    {"merged scores against brute force", test_merged_scores},
    {"weights enter the value", test_weights_enter_the_value},
    {"the order of parts changes no bit", test_order_of_parts},
    {"scores that cannot be", test_scores_that_cannot_be},
    {"a damaged record", test_damaged_record},
    {"a run is deleted with all of it", test_delete},
    {"what is too old goes, a little at a time", test_expire},
    {"what is too old goes at once, whatever its classes", test_expire_many_lists},
    {"what came again stays", test_expire_spares_what_came_again},
    {"tags of a run", test_tags},
    {"no more tags than that", test_most_tags},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_history_sqlite_write;
const mm_suite mm_suite_history_sqlite_write = {"history_sqlite_write", tests};
