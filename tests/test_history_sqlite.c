/*
 * test_history_sqlite.c - which files are opened and which refused; full disks, failing disks, the log
 */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/history_query.h"
#include "server/history_schema.h"
#include "tests/history_help.h"
#include "tests/sqlite_shim.h"
#include "tests/suites.h"

/* ----------------------------------------------------------------- opening */

static void refused(const char *path, const char *words)
{
    mm_history *history = NULL;
    mm_problem problem = {0};

    CU_ASSERT_NOT_EQUAL(mm_history_open(&history, path, &problem), MM_STORE_OK);
    CU_ASSERT_PTR_NULL(history);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, words));
    if (strstr(problem.text, words) == NULL)
        fprintf(stderr, "said: %s\n", problem.text);
}

static void test_second_server_is_refused(void)
{
    char path[64];

    help_directory(path);
    mm_history *history = help_open(path);

    refused(path, "another server");
    CU_ASSERT_EQUAL(help_store(history, "unet", 1, "0", 1), MM_STORE_OK);
    mm_history_close(history);
    history = help_open(path); /* the lock goes with its holder */
    mm_history_close(history);
    help_remove(path);
}

static void test_files_are_private(void)
{
    static const char *const files[] = {"maskmeter.db", "maskmeter.db-wal", "maskmeter.db-shm", "maskmeter.lock"};
    char path[64], inner[80];
    struct stat info;

    help_directory(path);
    snprintf(inner, sizeof inner, "%s/data", path);
    const mode_t before = umask(0);
    mm_history *history = help_open(inner);

    CU_ASSERT_EQUAL(help_store(history, "unet", 1, "0", 1), MM_STORE_OK);
    umask(before);
    CU_ASSERT_EQUAL(stat(inner, &info), 0);
    CU_ASSERT_EQUAL(info.st_mode & 0777, 0700);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(stat(help_file(inner, files[i]), &info), 0);
        CU_ASSERT_EQUAL(info.st_mode & 0777, 0600);
    }
    mm_history_close(history);
    CU_ASSERT_NOT_EQUAL(stat(help_file(inner, "maskmeter.db-wal"), &info), 0); /* all is in the one file */
    help_remove(inner);
    help_remove(path);
}

static void test_bad_directories(void)
{
    char path[64], inner[80];

    help_directory(path);
    FILE *file = fopen(help_file(path, "file"), "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fclose(file);
    snprintf(inner, sizeof inner, "%s/file", path);
    refused(inner, "not a directory");
    snprintf(inner, sizeof inner, "%s/no/such", path);
    refused(inner, "cannot make the data directory");
    help_remove(path);
}

static void test_newer_file_is_refused(void)
{
    char path[64];

    help_directory(path);
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL(help_store(history, "unet", 1, "0", 1), MM_STORE_OK);
    mm_history_close(history);
    CU_ASSERT_EQUAL(help_sql(path, "PRAGMA application_id"), 0x4d4d7472);
    const int64_t version = help_sql(path, "PRAGMA user_version");

    CU_ASSERT(version > 0);
    help_sql(path, "PRAGMA user_version = 1000");
    refused(path, "newer version");
    CU_ASSERT_EQUAL(help_sql(path, "PRAGMA user_version"), 1000); /* and left alone */
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM parts"), 1);
    help_remove(path);
}

/* A file of schema 1 with what its server would have put there: two steps of two scores, one of them undefined once. */
static void make_first_version(const char *path)
{
    static const char *const rows =
        "INSERT INTO runs VALUES (7, 'default', 'unet', 1000, 2000);"
        "INSERT INTO splits VALUES (7, 'val', 2, 10, 20);"
        "INSERT INTO evaluations VALUES"
        " (3, 7, 'val', 10, 1500, 'a,b,c', 3, 1, 0.5, NULL, 'dice,x:dice_loss', '', NULL, 1, 2),"
        " (4, 7, 'val', 20, 1600, 'a,b,c', 3, 1, 0.5, NULL, 'dice,x:dice_loss', '', NULL, 0, 2);"
        "INSERT INTO scores VALUES (3, 0, 'dice', 0.5, 0), (3, 1, 'x', 0.5, 0), (4, 0, 'dice', 0.75, 0),"
        " (4, 1, 'x', NULL, 1);"
        "INSERT INTO class_scores VALUES (3, 0, 0, 0.25, 0), (3, 0, 1, 0.75, 0), (3, 0, 2, NULL, 1), (4, 0, 0, 0.7, 0);"
        "PRAGMA application_id = 1296921714; PRAGMA user_version = 1";
    mm_images *images = help_images("0", 2, 3, 1);
    unsigned char *record = NULL;
    size_t size = 0;
    sqlite3 *db = NULL;
    sqlite3_stmt *part = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_images_save(images, &record, &size), MM_OK);
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(help_file(path, "maskmeter.db"), &db), SQLITE_OK);
    CU_ASSERT_EQUAL_FATAL(sqlite3_exec(db, mm_sqlite_migrations[0], NULL, NULL, NULL), SQLITE_OK);
    CU_ASSERT_EQUAL_FATAL(sqlite3_exec(db, rows, NULL, NULL, NULL), SQLITE_OK);
    CU_ASSERT_EQUAL_FATAL(sqlite3_prepare_v2(db, "INSERT INTO parts VALUES (1, 3, '0', 2, 1700, ?)", -1, &part, NULL),
                          SQLITE_OK);
    sqlite3_bind_blob64(part, 1, record, size, SQLITE_STATIC);
    CU_ASSERT_EQUAL(sqlite3_step(part), SQLITE_DONE);
    sqlite3_finalize(part);
    sqlite3_close(db);
    free(record);
    mm_images_free(images);
}

/* What the two evaluations answer, whatever version they were stored by. */
static void check_first_rows(mm_history *history)
{
    mm_evaluation_list *listed = NULL;
    mm_stored_evaluation *evaluation = NULL;
    mm_series_list *curve = NULL;
    mm_best_list *best = NULL;
    mm_series_query query = {.project = "default",
                             .filter = MM_ALL_EVALUATIONS,
                             .per_class = 1,
                             .score = "dice",
                             .max_points = 100,
                             .max_values = 100};
    mm_images *images = help_images("0", 2, 3, 1);

    CU_ASSERT_EQUAL_FATAL(mm_history_evaluations(history, "default", "unet", NULL, NULL, 9, &listed, NULL),
                          MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(listed->count, 2);
    CU_ASSERT_EQUAL_FATAL(listed->rows[0].score_count, 2);
    CU_ASSERT_STRING_EQUAL(listed->rows[0].scores[1].name, "x");
    CU_ASSERT_EQUAL(listed->rows[0].scores[1].value.reason, MM_ABSENT_IN_BOTH);
    CU_ASSERT_EQUAL(listed->rows[1].scores[0].value.value, 0.5);
    mm_evaluation_list_free(listed);
    CU_ASSERT_EQUAL_FATAL(mm_history_evaluation(history, "default", "unet", "val", 10, &evaluation, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(evaluation->part_count, 1);
    help_check_record(&evaluation->parts[0], images);
    mm_stored_evaluation_free(evaluation);
    CU_ASSERT_EQUAL_FATAL(mm_history_series(history, &query, &curve, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(curve->point_count, 2);
    CU_ASSERT_EQUAL(curve->points[1].time, 1600);
    CU_ASSERT_EQUAL(curve->points[1].value.value, 0.75);
    CU_ASSERT_EQUAL_FATAL(curve->value_count, 4);
    CU_ASSERT_EQUAL(curve->values[2].value.reason, MM_ABSENT_IN_BOTH);
    mm_series_list_free(curve);
    query.score = NULL;
    CU_ASSERT_EQUAL_FATAL(mm_history_bests(history, &query, &best, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(best->count, 2); /* what is better is read from the expressions */
    CU_ASSERT_EQUAL(best->rows[0].better, MM_HIGHER);
    CU_ASSERT_EQUAL(best->rows[0].step, 20);
    CU_ASSERT_EQUAL(best->rows[1].better, MM_LOWER);
    CU_ASSERT_EQUAL(best->rows[1].step, 10);
    mm_best_list_free(best);
    mm_images_free(images);
}

/* Takes back each migration after the second, newest first; one that changes more than this can takes a dump instead.
 */
static const char *const undo[] = {"DROP TABLE tokens"};

static void make_version(const char *path, int version)
{
    char sql[64];

    CU_ASSERT_EQUAL_FATAL(sizeof undo / sizeof undo[0], MM_SQLITE_VERSION - 2);
    make_first_version(path);
    if (version == 1)
        return;
    mm_history_close(help_open(path));
    for (int v = MM_SQLITE_VERSION; v > version; v--)
        help_sql(path, undo[v - 3]);
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", version);
    help_sql(path, sql);
}

/* Everything of the older file is there, in the new tables too, and the file can be written. */
static void test_older_files_are_migrated(void)
{
    char path[64];

    for (int version = 1; version <= MM_SQLITE_VERSION; version++) {
        help_directory(path);
        make_version(path, version);
        CU_ASSERT_EQUAL(help_sql(path, "PRAGMA user_version"), version);
        mm_history *history = help_open(path);

        CU_ASSERT_EQUAL(help_sql(path, "PRAGMA user_version"), MM_SQLITE_VERSION);
        check_first_rows(history);
        CU_ASSERT_EQUAL(help_sql(path, "SELECT updated FROM evaluations WHERE id = 3"), 1700);
        CU_ASSERT_EQUAL(help_sql(path, "SELECT updated FROM evaluations WHERE id = 4"), 1600);
        CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM class_lists"), 1);
        CU_ASSERT_EQUAL(help_store(history, "unet", 30, "0", 1), MM_STORE_OK);
        CU_ASSERT_EQUAL(help_delete(history, "default", "unet"), MM_STORE_OK);
        mm_history_close(history);
        CU_ASSERT_EQUAL(help_sql(path, "PRAGMA user_version"), MM_SQLITE_VERSION);
        CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'scores_1%'"), 0);
        CU_ASSERT_EQUAL(help_sql(path, "SELECT (SELECT count(*) FROM scores) + (SELECT count(*) FROM series)"
                                       " + (SELECT count(*) FROM class_voxels) + (SELECT count(*) FROM class_scores)"),
                        0);
        help_remove(path);
    }
}

static void test_foreign_file_is_refused(void)
{
    char path[64];

    help_directory(path);
    fclose(fopen(help_file(path, "maskmeter.db"), "w"));
    help_sql(path, "CREATE TABLE theirs (x)");
    refused(path, "another program");
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM theirs"), 0);
    help_remove(path);
}

/* Bytes of the file at `offset` become 0xA5, or those of `text`. */
static void damage(const char *path, long offset, const char *text, size_t size)
{
    FILE *file = fopen(help_file(path, "maskmeter.db"), "r+b");

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fseek(file, offset, SEEK_SET);
    for (size_t i = 0; i < size; i++)
        fputc(text != NULL ? text[i] : 0xA5, file);
    fclose(file);
}

static void test_damaged_file_is_refused(void)
{
    char path[64];

    for (int kind = 0; kind < 3; kind++) {
        help_directory(path);
        mm_history *history = help_open(path);

        for (int64_t i = 0; i < 20; i++)
            CU_ASSERT_EQUAL(help_store(history, "unet", i, "0", 1), MM_STORE_OK);
        mm_history_close(history);
        if (kind == 0)
            damage(path, 0, "This is not a database at all", 29);
        else if (kind == 1)
            damage(path, 4096, NULL, 3 * 4096); /* the first pages of tables */
        else
            CU_ASSERT_EQUAL(truncate(help_file(path, "maskmeter.db"), 3 * 4096 + 100), 0);
        refused(path, "damaged");
        help_remove(path);
    }
}

/* --------------------------------------------------------------- full, broken */

/* The n-th write of a commit finds no space, for each n until none is left: an answer that says so, nothing stored, all
 * that was there still readable, and storing again once there is room. */
static void test_disk_full(void)
{
    char path[64], name[16];
    mm_evaluation_list *list = NULL;
    mm_store_status status = MM_STORE_FULL;
    int skip = 0;

    help_directory(path);
    shim_install();
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL(help_store(history, "before", 1, "0", 1), MM_STORE_OK);
    for (; status != MM_STORE_OK && skip < 100; skip++) {
        snprintf(name, sizeof name, "%d", skip); /* what has failed must not count later */
        shim_fail_write("-wal", skip);
        status = help_store(history, "unet", 1, name, 1);
        shim_fail_write(NULL, 0);
        if (status == MM_STORE_OK)
            break;
        CU_ASSERT_EQUAL(status, MM_STORE_FULL);
        CU_ASSERT_EQUAL(mm_history_health(history), MM_STORE_FULL);
        CU_ASSERT_EQUAL(mm_history_evaluations(history, "default", "unet", NULL, NULL, 1, &list, NULL),
                        MM_STORE_NOT_FOUND);
        CU_ASSERT_EQUAL(mm_history_evaluations(history, "default", "before", NULL, NULL, 1, &list, NULL), MM_STORE_OK);
        mm_evaluation_list_free(list);
    }
    CU_ASSERT(skip > 5 && skip < 100);
    CU_ASSERT_EQUAL(mm_history_health(history), MM_STORE_OK);
    mm_history_close(history);
    shim_remove();
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM parts"), 2);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT max(images) FROM evaluations"), 2);
    help_remove(path);
}

/* The same with the system's own limit instead of ours; and health comes back although nobody writes. */
static void test_file_size_limit(void)
{
    char path[64];
    struct rlimit before, limit;
    struct stat info;

    help_directory(path);
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL(help_store(history, "before", 1, "0", 1), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(stat(help_file(path, "maskmeter.db-wal"), &info), 0);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)info.st_size + 3000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const mm_store_status status = help_store(history, "unet", 1, "0", 1);
    const mm_store_status health = mm_history_health(history);

    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    CU_ASSERT_EQUAL(status, MM_STORE_FULL);
    CU_ASSERT_EQUAL(health, MM_STORE_FULL);
    for (int i = 0; i < 50 && mm_history_health(history) != MM_STORE_OK; i++)
        help_nap(100);
    CU_ASSERT_EQUAL(mm_history_health(history), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_store(history, "unet", 1, "0", 1), MM_STORE_OK);
    mm_history_close(history);
    help_remove(path);
}

/* A failed sync: everyone in the group and after it hears so, nothing is tried again; a restart finds what was
 * acknowledged. */
static void test_failed_sync_is_final(void)
{
    char path[64];
    mm_problem problem = {0};
    mm_evaluation_list *list = NULL;

    help_directory(path);
    shim_install();
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL(help_store(history, "before", 1, "0", 1), MM_STORE_OK);
    shim_fail_sync("-wal", 0);
    CU_ASSERT_EQUAL(help_store(history, "lost", 1, "0", 1), MM_STORE_FATAL);
    CU_ASSERT_EQUAL(mm_history_health(history), MM_STORE_FATAL);
    shim_fail_sync(NULL, 0);
    const int syncs = shim_syncs();

    CU_ASSERT_EQUAL(help_store(history, "after", 1, "0", 1), MM_STORE_FATAL);
    CU_ASSERT_EQUAL(help_delete(history, "default", "before"), MM_STORE_FATAL);
    help_nap(1200); /* long enough for housekeeping, which must not touch the file */
    CU_ASSERT_EQUAL(mm_history_health(history), MM_STORE_FATAL);
    CU_ASSERT_EQUAL(mm_history_evaluations(history, "default", "before", NULL, NULL, 1, &list, &problem), MM_STORE_OK);
    mm_evaluation_list_free(list);
    mm_history_close(history);
    CU_ASSERT_EQUAL(shim_syncs(), syncs);
    shim_remove();
    history = help_open(path);
    CU_ASSERT_EQUAL(mm_history_health(history), MM_STORE_OK);
    CU_ASSERT_EQUAL(mm_history_evaluations(history, "default", "before", NULL, NULL, 1, &list, NULL), MM_STORE_OK);
    mm_evaluation_list_free(list);
    CU_ASSERT_EQUAL(mm_history_evaluations(history, "default", "after", NULL, NULL, 1, &list, NULL),
                    MM_STORE_NOT_FOUND);
    CU_ASSERT_EQUAL(help_store(history, "after", 1, "0", 1), MM_STORE_OK);
    mm_history_close(history);
    help_remove(path);
}

/* A sync that fails when the log is emptied into the file: what was acknowledged is in the log still. */
static void test_failed_checkpoint(void)
{
    char path[64];

    help_directory(path);
    shim_install();
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL(help_store(history, "unet", 1, "0", 1), MM_STORE_OK);
    shim_fail_sync(".db", 0);
    for (int i = 0; i < 50 && mm_history_health(history) != MM_STORE_FATAL; i++)
        help_nap(100);
    CU_ASSERT_EQUAL(mm_history_health(history), MM_STORE_FATAL);
    CU_ASSERT_EQUAL(help_store(history, "unet", 2, "0", 1), MM_STORE_FATAL);
    mm_history_close(history);
    shim_remove();
    history = help_open(path);
    CU_ASSERT_EQUAL(help_store(history, "unet", 3, "0", 1), MM_STORE_OK);
    mm_history_close(history);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM parts"), 2);
    help_remove(path);
}

/* The same in the middle of work, when the log has grown: the part that made it grow is safe, the next is refused. */
static void test_failed_checkpoint_of_a_long_log(void)
{
    char path[64];

    help_directory(path);
    shim_install();
    mm_history *history = help_open(path);
    mm_images *images = help_images("0", 8000, 100, 1); /* about 20 MB */
    mm_store_part part = help_part("0", images);

    part.definition.class_count = 100;
    shim_fail_sync(".db", 0);
    CU_ASSERT_EQUAL(help_put(history, &part), MM_STORE_OK);
    CU_ASSERT_EQUAL(help_store(history, "after", 1, "0", 1), MM_STORE_FATAL);
    CU_ASSERT_EQUAL(mm_history_health(history), MM_STORE_FATAL);
    mm_history_close(history);
    shim_remove();
    history = help_open(path);
    mm_history_close(history);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM parts"), 1);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT images FROM evaluations"), 8000);
    CU_ASSERT(help_sql(path, "SELECT length(record) FROM parts") > 4096 * 4096);
    mm_images_free(images);
    help_remove(path);
}

/* Once quiet, the log is emptied into the file. */
static void test_log_is_emptied(void)
{
    char path[64];
    struct stat info = {.st_size = 1};

    help_directory(path);
    mm_history *history = help_open(path);

    CU_ASSERT_EQUAL(help_store(history, "unet", 1, "0", 1), MM_STORE_OK);
    CU_ASSERT_EQUAL(stat(help_file(path, "maskmeter.db-wal"), &info), 0);
    CU_ASSERT(info.st_size > 0);
    for (int i = 0; i < 50 && info.st_size > 0; i++) {
        help_nap(100);
        CU_ASSERT_EQUAL(stat(help_file(path, "maskmeter.db-wal"), &info), 0);
    }
    CU_ASSERT_EQUAL(info.st_size, 0);
    mm_history_close(history);
    help_remove(path);
}

static CU_TestInfo tests[] = {
    {"a second server is refused", test_second_server_is_refused},
    {"files are private", test_files_are_private},
    {"bad directories", test_bad_directories},
    {"files of each earlier version are brought up to date", test_older_files_are_migrated},
    {"a newer file is refused", test_newer_file_is_refused},
    {"another program's file is refused", test_foreign_file_is_refused},
    {"a damaged file is refused", test_damaged_file_is_refused},
    {"disk full at every write", test_disk_full},
    {"file size limit", test_file_size_limit},
    {"a failed sync is final", test_failed_sync_is_final},
    {"a failed checkpoint", test_failed_checkpoint},
    {"a failed checkpoint of a long log", test_failed_checkpoint_of_a_long_log},
    {"the log is emptied", test_log_is_emptied},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_history_sqlite;
const mm_suite mm_suite_history_sqlite = {"history_sqlite", tests};
