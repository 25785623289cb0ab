/*
 * test_history_sqlite_check.c - damage in a large file is found while the server works
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/history_sqlite_check.h"
#include "tests/history_help.h"
#include "tests/suites.h"

/* A file that is too large to be looked through at the start: few large records, and rows after them. */
static void make_large(const char *path)
{
    mm_history *history = help_open(path);
    mm_images *images = help_images("0", 8000, 100, 1); /* about 20 MB */
    char name[16];

    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "large%d", i);
        mm_store_part part = help_part("0", images);

        part.run = name;
        part.definition.class_count = 100;
        CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    }
    for (int64_t step = 0; step < 200; step++)
        CU_ASSERT_EQUAL(help_store(history, "unet", step, "0", 1), MM_STORE_OK);
    mm_history_close(history);
    mm_images_free(images);
}

static mm_store_check wait_for_check(mm_history *history)
{
    for (int i = 0; i < 1000 && mm_history_check(history) == MM_CHECK_RUNNING; i++)
        help_nap(20);
    return mm_history_check(history);
}

static void test_large_file(void)
{
    char path[64];
    struct stat info;

    help_directory(path);
    make_large(path);
    CU_ASSERT_EQUAL_FATAL(stat(help_file(path, "maskmeter.db"), &info), 0);
    CU_ASSERT_FATAL(info.st_size > MM_SQLITE_CHECKED_AT_ONCE);
    for (int i = 0; i < 5; i++) /* closed before the look has ended, or even begun */
        mm_history_close(help_open(path));
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL(help_store(history, "unet", 1000, "0", 1), MM_STORE_OK); /* nobody waits for it */
    CU_ASSERT_EQUAL(wait_for_check(history), MM_CHECK_ENDED);
    CU_ASSERT_EQUAL(mm_history_health(history), MM_STORE_OK);
    mm_history_close(history);
    help_remove(path);
}

/* A page of the parts of the last run becomes nonsense: the server starts, says so soon, and writes nothing more. */
static void test_damaged_large_file(void)
{
    char path[64];
    static const unsigned char nonsense[4096] = {0xA5};

    help_directory(path);
    make_large(path);
    const int64_t page =
        help_sql(path, "SELECT max(pageno) FROM dbstat WHERE name = 'class_scores' AND pagetype = 'leaf'");

    CU_ASSERT_FATAL(page > 1);
    FILE *file = fopen(help_file(path, "maskmeter.db"), "r+b");

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fseek(file, (long)(page - 1) * 4096, SEEK_SET);
    CU_ASSERT_EQUAL(fwrite(nonsense, 1, sizeof nonsense, file), sizeof nonsense);
    fclose(file);
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL(wait_for_check(history), MM_CHECK_DAMAGED);
    for (int i = 0; i < 200 && mm_history_health(history) != MM_STORE_FATAL; i++)
        help_nap(20);
    CU_ASSERT_EQUAL(mm_history_health(history), MM_STORE_FATAL);
    CU_ASSERT_EQUAL(help_store(history, "unet", 1000, "0", 1), MM_STORE_FATAL);
    mm_history_close(history);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM evaluations WHERE step = 1000"), 0);
    help_remove(path);
}

static CU_TestInfo tests[] = {
    {"a large file is looked through beside the work", test_large_file},
    {"damage in a large file", test_damaged_large_file},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_history_sqlite_check;
const mm_suite mm_suite_history_sqlite_check = {"history_sqlite_check", tests};
