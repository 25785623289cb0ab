/*
 * history_help.c - directories, images with known counts and puts that wait, for the tests of the history
 */
#include "tests/history_help.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/record.h"

void help_directory(char *path)
{
    const char *base = getenv("TMPDIR");

    snprintf(path, 64, "%.40s/mm-test-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(path) == NULL)
        CU_FAIL_FATAL("no temporary directory");
}

void help_remove(const char *path)
{
    DIR *directory = opendir(path);

    if (directory == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(path);
}

const char *help_file(const char *path, const char *name)
{
    static char file[128];

    snprintf(file, sizeof file, "%s/%s", path, name);
    return file;
}

mm_history *help_open(const char *path)
{
    mm_history *history = NULL;
    mm_problem problem = {0};

    CU_ASSERT_EQUAL_FATAL(mm_history_open(&history, path, &problem), MM_STORE_OK);
    return history;
}

/* ------------------------------------------------------------------ images */

uint64_t help_count(unsigned seed, size_t image, size_t class_index, help_which which)
{
    const uint64_t both = 1 + (seed * 7 + image * 13 + class_index * 29) % 101;

    switch (which) {
    case HELP_LABEL:
        return both + (seed + image * 3 + class_index) % 17;
    case HELP_PRED:
        return both + (seed * 5 + image + class_index * 11) % 19;
    default:
        return both;
    }
}

/* Also used off the test's own thread and process, where CUnit must not be called. */
static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static mm_images *no_images(size_t classes)
{
    mm_images *images = NULL;

    if (mm_images_new(&images, MM_MULTICLASS, classes) != MM_OK)
        abort();
    return images;
}

static void append_image(mm_images *images, const char *id, unsigned seed, size_t image)
{
    static const mm_stat stats[] = {{.kind = MM_SUM_P}, {.kind = MM_SUM_PG}, {.kind = MM_SUM_G}};
    const size_t classes = mm_images_classes(images);
    mm_record *record = must(mm_images_append(images, id, stats, 3, 0));

    for (size_t c = 0; c < classes; c++) {
        record->label_count[c] = help_count(seed, image, c, HELP_LABEL);
        record->pred_count[c] = help_count(seed, image, c, HELP_PRED);
        record->both_count[c] = help_count(seed, image, c, HELP_BOTH);
        record->sums[0 * classes + c] = (double)record->pred_count[c];
        record->sums[1 * classes + c] = (double)record->both_count[c];
        record->sums[2 * classes + c] = (double)record->label_count[c];
        record->voxels += record->label_count[c];
    }
    record->scored = record->unmasked = record->voxels;
}

mm_images *help_images(const char *prefix, size_t count, size_t classes, unsigned seed)
{
    mm_images *images = no_images(classes);
    char id[300];

    for (size_t i = 0; i < count; i++) {
        snprintf(id, sizeof id, "%s/%zu", prefix, i);
        append_image(images, id, seed, i);
    }
    return images;
}

/* -------------------------------------------------------------------- puts */

static void part_done(mm_store_part *part)
{
    sem_post(part->context);
}

static void delete_done(mm_store_delete *removal)
{
    sem_post(removal->context);
}

mm_store_part help_part(const char *name, const mm_images *images)
{
    return (mm_store_part){.project = "default",
                           .run = "unet",
                           .split = "val",
                           .part = name,
                           .step = 1,
                           .definition = {.classes = "a,b,c",
                                          .class_count = 3,
                                          .task = MM_MULTICLASS,
                                          .threshold = 0.5,
                                          .parts = -1,
                                          .scores = "dice,iou",
                                          .weights = ""},
                           .images = images};
}

mm_store_status help_put(mm_history *history, mm_store_part *part)
{
    sem_t done;

    sem_init(&done, 0, 0);
    part->context = &done;
    part->done = part_done;
    mm_history_put(history, part);
    while (sem_wait(&done) != 0)
        continue;
    sem_destroy(&done);
    return part->status;
}

mm_store_status help_delete(mm_history *history, const char *project, const char *run)
{
    sem_t done;
    mm_store_delete removal = {.project = project, .run = run, .done = delete_done, .context = &done};

    sem_init(&done, 0, 0);
    mm_history_delete(history, &removal);
    while (sem_wait(&done) != 0)
        continue;
    sem_destroy(&done);
    return removal.status;
}

mm_store_status help_store(mm_history *history, const char *run, int64_t step, const char *name, unsigned seed)
{
    mm_images *images = help_images(name, 2, 3, seed);
    mm_store_part part = help_part(name, images);

    part.run = run;
    part.step = step;
    const mm_store_status status = help_put(history, &part);

    mm_images_free(images);
    return status;
}

mm_store_status help_store_at(mm_history *history, const mm_store_part *where, unsigned seed)
{
    mm_images *images = help_images("i", 2, 3, seed);
    mm_store_part part = help_part("0", images);

    part.run = where->run;
    part.split = where->split;
    part.step = where->step;
    part.has_time = 1;
    part.time = where->time;
    if (where->definition.scores != NULL)
        part.definition.scores = where->definition.scores;
    if (where->definition.classes != NULL)
        part.definition.classes = where->definition.classes;
    const mm_store_status status = help_put(history, &part);

    mm_images_free(images);
    return status;
}

mm_store_status help_store_images(mm_history *history, const char *name, const char *prefix, size_t count,
                                  unsigned seed)
{
    mm_images *images = help_images(prefix, count, 3, seed);
    mm_store_part part = help_part(name, images);
    const mm_store_status status = help_put(history, &part);

    mm_images_free(images);
    return status;
}

mm_evaluation_list *help_listed(mm_history *history)
{
    mm_evaluation_list *list = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_history_evaluations(history, "default", "unet", NULL, NULL, 10, &list, NULL), MM_STORE_OK);
    CU_ASSERT_EQUAL_FATAL(list->count, 1);
    return list;
}

void help_check_definition(const mm_definition *read, const mm_definition *sent)
{
    CU_ASSERT_STRING_EQUAL(read->classes, sent->classes);
    CU_ASSERT_STRING_EQUAL(read->scores, sent->scores);
    CU_ASSERT_STRING_EQUAL(read->weights, sent->weights);
    CU_ASSERT_EQUAL(read->class_count, sent->class_count);
    CU_ASSERT_EQUAL(read->task, sent->task);
    CU_ASSERT_EQUAL(read->threshold, sent->threshold);
    CU_ASSERT_EQUAL(read->has_ignore, sent->has_ignore);
    CU_ASSERT_EQUAL(read->ignore_index, sent->ignore_index);
    CU_ASSERT_EQUAL(read->parts, sent->parts);
}

void help_check_record(const mm_stored_part *part, const mm_images *images)
{
    unsigned char *bytes = NULL;
    size_t size = 0;

    CU_ASSERT_EQUAL_FATAL(mm_images_save(images, &bytes, &size), MM_OK);
    CU_ASSERT_EQUAL_FATAL(part->size, size);
    CU_ASSERT_EQUAL(memcmp(part->record, bytes, size), 0);
    free(bytes);
}

void help_nap(long milliseconds)
{
    nanosleep(&(struct timespec){.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000}, NULL);
}

int64_t help_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;

    if (sqlite3_open_v2(help_file(path, "maskmeter.db"), &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(db, 5000) == SQLITE_OK && sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

/* ------------------------------------------------------------ own processes */

int help_writer(const char *path, int out)
{
    mm_history *history = NULL;
    char name[32];

    if (mm_history_open(&history, path, NULL) != MM_STORE_OK)
        return 1;
    for (unsigned i = 0;; i++) {
        snprintf(name, sizeof name, "%u\n", i);
        name[strcspn(name, "\n")] = '\0';
        if (help_store(history, "killed", i / 10, name, i) != MM_STORE_OK)
            return 1;
        name[strlen(name)] = '\n';
        if (write(out, name, strlen(name)) < 0)
            return 1;
    }
}
