/*
 * history_help.h - what the tests of the history share: directories, images with known counts, puts that wait.
 */
#ifndef MM_HISTORY_HELP_H
#define MM_HISTORY_HELP_H

#include "server/history.h"

/* A new empty directory, and its end with all that is in it.  path holds 64 bytes. */
void help_directory(char *path);
void help_remove(const char *path);
/* PATH/NAME in a static buffer. */
const char *help_file(const char *path, const char *name);

/* Opens; a failure fails the test and returns NULL. */
mm_history *help_open(const char *path);

/* `count` images "PREFIX/0" ..., with hard counts made from seed, image and class, by help_count(). */
typedef enum help_which { HELP_LABEL, HELP_PRED, HELP_BOTH } help_which;
uint64_t help_count(unsigned seed, size_t image, size_t class_index, help_which which);
mm_images *help_images(const char *prefix, size_t count, size_t classes, unsigned seed);

/* A part of run "unet", split "val", step 1 with 3 classes; change what the test is about. */
mm_store_part help_part(const char *name, const mm_images *images);
/* Puts (or deletes) and waits until it is done. */
mm_store_status help_put(mm_history *history, mm_store_part *part);
/* Stores two images of three classes by that seed under the run, split, step and time of `where`, and its scores or
 * classes where it has some. */
mm_store_status help_store_at(mm_history *history, const mm_store_part *where, unsigned seed);
mm_store_status help_delete(mm_history *history, const char *project, const char *run);
/* All at once: images made of `prefix` and seed, stored as part `name` of run `run` at `step`. */
mm_store_status help_store(mm_history *history, const char *run, int64_t step, const char *name, unsigned seed);

/* Stores help_images(prefix, count, 3, seed) as part `name` of help_part()'s evaluation. */
mm_store_status help_store_images(mm_history *history, const char *name, const char *prefix, size_t count,
                                  unsigned seed);

/* The only evaluation of run "unet", as the listing shows it. */
mm_evaluation_list *help_listed(mm_history *history);
/* Two definitions are equal in all. */
void help_check_definition(const mm_definition *read, const mm_definition *sent);
/* The record is that of the images, byte for byte. */
void help_check_record(const mm_stored_part *part, const mm_images *images);

void help_nap(long milliseconds);

/* SQL on the file itself, beside the server: the first number of the answer, or -1. */
int64_t help_sql(const char *path, const char *sql);

/* Run by run_tests as a process of its own: stores part after part, and writes each name to `out` once it is safe. */
int help_writer(const char *path, int out);

#endif
