/*
 * history_copy.h - the history copied into one file, and back.
 */
#ifndef MM_HISTORY_COPY_H
#define MM_HISTORY_COPY_H

#include "server/history.h"

/* What a copy holds. */
typedef struct mm_copy_facts {
    int64_t bytes, runs, parts;
    long version; /* of the schema */
} mm_copy_facts;

typedef struct mm_copy_options {
    const char *directory, *file;
    int force; /* replace what is there */
    /* Called now and then; 0: stop, leaving nothing behind.  NULL: none. */
    int (*progress)(void *context, int64_t done, int64_t total);
    void *context;
} mm_copy_options;

/* Writes the history of the directory, as it is at one moment, to a file of its own; a server may be at work on it.
 * The file has mode 0600, is looked through, and has its name only once it is whole and on disk. */
mm_store_status mm_history_backup(const mm_copy_options *options, mm_copy_facts *facts, mm_problem *problem);

/* Puts such a file in the place of the directory's history, once it is known to be ours, of a version that we read, and
 * undamaged.  No server may be at work there.  With `force` a history that is there is kept beside the new one, and
 * `kept` (of `size` bytes) names it; else "". */
mm_store_status mm_history_restore(const mm_copy_options *options, mm_copy_facts *facts, char *kept, size_t size,
                                   mm_problem *problem);

#endif
