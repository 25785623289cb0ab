/*
 * test_history_sqlite_remove.c - deleting what is large: gone at once for readers, swept away while uploads go on
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/history_schema.h"
#include "tests/history_help.h"
#include "tests/sqlite_shim.h"
#include "tests/suites.h"

#define STEPS 400 /* far more than one sweep takes */

/* A run of so many evaluations; closed and opened again, so that nothing of it is cached. */
static mm_history *with_large_run(const char *path)
{
    mm_history *history = help_open(path);

    for (int64_t step = 0; step < STEPS; step++)
        CU_ASSERT_EQUAL(help_store(history, "large", step, "0", 1), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_store(history, "other", 1, "0", 1), MM_STORE_OK);
    mm_history_close(history);
    return help_open(path);
}

static int64_t evaluations(const char *path)
{
    return help_sql(path, "SELECT count(*) FROM evaluations");
}

/* Until sweeping has come to its end. */
static void wait_for_runs(const char *path, int64_t count)
{
    for (int i = 0; i < 400 && help_sql(path, "SELECT count(*) FROM runs") > count; i++)
        help_nap(25);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM runs"), count);
}

static void check_gone(mm_history *history)
{
    mm_run_list *runs = NULL;
    mm_evaluation_list *list = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_history_runs(history, "default", NULL, 10, &runs, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL(runs->count, 1);
    CU_ASSERT_STRING_EQUAL(runs->rows[0].run, "other");
    mm_run_list_free(runs);
    CU_ASSERT_EQUAL(mm_history_evaluations(history, "default", "large", NULL, NULL, 1, &list, NULL),
                    MM_STORE_NOT_FOUND);
    CU_ASSERT_EQUAL(help_delete(history, "default", "large"), MM_STORE_NOT_FOUND);
}

static void check_only_other_is_left(const char *path)
{
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM runs"), 1);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM parts"), 1);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM splits"), 1);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(DISTINCT evaluation) FROM scores"), 1);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(DISTINCT evaluation) FROM class_scores"), 1);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
}

/* The name is free at once, also while the rows of the old run are still there. */
static void test_gone_at_once(void)
{
    char path[64];

    help_directory(path);
    mm_history *history = with_large_run(path);

    CU_ASSERT_EQUAL(help_delete(history, "default", "large"), MM_STORE_OK);
    check_gone(history);
    CU_ASSERT_EQUAL(help_store(history, "large", 1, "new", 2), MM_STORE_OK);
    wait_for_runs(path, 2);
    CU_ASSERT_EQUAL(evaluations(path), 2);
    CU_ASSERT_EQUAL(help_delete(history, "default", "large"), MM_STORE_OK);
    mm_history_close(history);
    check_only_other_is_left(path);
    help_remove(path);
}

static void slow_disk(void *context)
{
    (void)context;
    help_nap(50);
}

/* Sweeping holds the writer up for a bounded number of rows: uploads come in between.  An end in the middle is no harm:
 * the next start goes on. */
static void test_goes_on_after_an_end(void)
{
    char path[64];

    help_directory(path);
    shim_install();
    mm_history *history = with_large_run(path);

    shim_on_sync(slow_disk, NULL);
    CU_ASSERT_EQUAL(help_delete(history, "default", "large"), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_store(history, "other", 2, "0", 1), MM_STORE_OK);
    CU_ASSERT(evaluations(path) > 2);
    mm_history_close(history);
    shim_remove();
    CU_ASSERT(evaluations(path) > 2 && evaluations(path) < STEPS);
    history = help_open(path);
    check_gone(history);
    wait_for_runs(path, 1);
    mm_history_close(history);
    CU_ASSERT_EQUAL(evaluations(path), 2);
    help_remove(path);
}

/* No room for a sweep: it says so, and goes on once there is. */
static void test_no_room_to_sweep(void)
{
    char path[64];

    help_directory(path);
    shim_install();
    mm_history *history = with_large_run(path);

    CU_ASSERT_EQUAL(help_delete(history, "default", "large"), MM_STORE_OK);
    shim_fail_write("-wal", 0);
    for (int i = 0; i < 100 && mm_history_health(history) == MM_STORE_OK; i++)
        help_nap(20);
    CU_ASSERT_EQUAL(mm_history_health(history), MM_STORE_FULL);
    check_gone(history);
    shim_fail_write(NULL, 0);
    wait_for_runs(path, 1);
    for (int i = 0; i < 100 && mm_history_health(history) != MM_STORE_OK; i++)
        help_nap(50);
    CU_ASSERT_EQUAL(mm_history_health(history), MM_STORE_OK);
    mm_history_close(history);
    shim_remove();
    check_only_other_is_left(path);
    help_remove(path);
}

static CU_TestInfo tests[] = {
    {"a large run is gone at once", test_gone_at_once},
    {"sweeping goes on after an end", test_goes_on_after_an_end},
    {"no room to sweep", test_no_room_to_sweep},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_history_sqlite_remove;
const mm_suite mm_suite_history_sqlite_remove = {"history_sqlite_remove", tests};
