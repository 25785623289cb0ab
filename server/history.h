/*
 * history.h - what is stored, and the one table of functions that a database implements.
 *
 * Writes go through one thread (history_thread.c), which groups what has arrived into one transaction.  Reads may
 * come from any thread; each takes a read-only connection of its own from a pool.
 */
#ifndef MM_HISTORY_H
#define MM_HISTORY_H

#include "lib/maskmeter.h"
#include "server/lines.h"
#include "server/tokens.h"

typedef struct mm_history mm_history;

typedef enum mm_store_status {
    MM_STORE_OK = 0,
    MM_STORE_NOT_FOUND, /* 404 */
    MM_STORE_CONFLICT,  /* 409: `problem` names the parameter or the image id */
    MM_STORE_FULL,      /* 507: no space; nothing was changed */
    MM_STORE_BUSY,      /* 503: down, draining or out of memory; try again */
    MM_STORE_FATAL,     /* 500: corrupt or failing to sync; the process must stop */
    MM_STORE_TOO_LARGE, /* 413: more than the writer's memory will ever hold */
    MM_STORE_BAD_CURSOR /* 400: problem.param is "cursor"; reads only */
} mm_store_status;

/* What belongs to an evaluation as a whole: set by its first part, equal in all others (another value is a conflict,
 * problem.param says of what).  `parts` may be left out by any part: the first that announces it sets it.  `scores` and
 * `weights` are kept as the first part sent them, and are never a conflict.  Sending the only part of an evaluation
 * again sets all of it anew, so that a mistake in the first upload can be mended. */
typedef struct mm_definition {
    const char *classes; /* names, comma separated */
    size_t class_count;
    mm_task task;
    double threshold;
    int has_ignore;
    int64_t ignore_index;
    int64_t parts;       /* how many the client announced; -1: it did not */
    const char *scores;  /* mm_plan_text() of the first part */
    const char *weights; /* numbers, comma separated as they were sent; "" when none: of the first part */
} mm_definition;

/* The writer's own place in its queue: exactly one of the four is set. */
typedef struct mm_store_item {
    mm_waiter waiter; /* first */
    struct mm_store_part *part;
    struct mm_store_delete *removal;
    struct mm_store_expiry *expiry;
    struct mm_store_token *token;
} mm_store_item;

/* What clients say of a run: `name=value`.  A later value of the same name replaces the one before.  A part that would
 * give its run more than so many is refused: MM_STORE_CONFLICT, problem.param "tags". */
#define MM_RUN_TAGS 64
typedef struct mm_tag {
    char *name, *value;
} mm_tag;

/* One part to store.  The caller owns everything and leaves it alone until done() is called.  All strings are valid
 * UTF-8.  A part of the same name is replaced.  An image that another part of the evaluation holds too counts once when
 * the records are equal; else the part is refused: MM_STORE_CONFLICT naming the image, problem as mm_images_merge()
 * sets it.  Within one part the ids are distinct: the caller has seen to that. */
typedef struct mm_store_part {
    const char *project, *run, *split, *part;
    int64_t step;
    int has_time;
    int64_t time; /* ms since 1970; without one: now, for a new evaluation */
    mm_definition definition;
    const mm_images *images;
    const mm_tag *tags; /* of the run */
    size_t tag_count;
    mm_line *line; /* of whom it is; NULL: of nobody */
    size_t held;   /* bytes of the memory's budget that its request holds until done() */
    /* filled before done() */
    mm_store_status status;
    mm_problem problem;
    int64_t parts_received, parts_expected; /* of the evaluation, this part included; expected -1: unknown */
    /* done() is called on the history thread once the part is on disk, or has failed. */
    void (*done)(struct mm_store_part *part);
    void *context;
    mm_store_item item; /* history's own */
} mm_store_part;

/* A run to delete with everything of it, under the same rules.  MM_STORE_NOT_FOUND: there is none.  Once it is done no
 * reader sees the run; of a large one the space comes back little by little, so that uploads need not wait. */
typedef struct mm_store_delete {
    const char *project, *run;
    mm_line *line; /* of whom it is; NULL: of nobody */
    mm_store_status status;
    mm_problem problem;
    void (*done)(struct mm_store_delete *item);
    void *context;
    mm_store_item item; /* history's own */
} mm_store_delete;

/* Retention, under the same rules: evaluations whose last part came before `before`, oldest first, and the runs that
 * have none left.  A bounded number at once, so that uploads need not wait: send it again while `more` is set. */
typedef struct mm_store_expiry {
    int64_t before; /* ms since 1970 */
    mm_store_status status;
    mm_problem problem;
    size_t removed; /* evaluations */
    int more;       /* there are others */
    int64_t newest; /* ms since 1970: when the last of all parts came; INT64_MIN: there is none */
    void (*done)(struct mm_store_expiry *expiry);
    void *context;
    mm_store_item item; /* history's own */
} mm_store_expiry;

/* A token as it is to be from now on, under the same rules: added, or in place of the one with its id. */
typedef struct mm_store_token {
    mm_token token;
    char removed[MM_TOKEN_ID_SIZE + 1]; /* the id of one that goes for it, or "" */
    mm_store_status status;
    mm_problem problem;
    void (*done)(struct mm_store_token *item);
    void *context;
    mm_store_item item; /* history's own */
} mm_store_token;

typedef struct mm_stored_part {
    char *name;
    unsigned char *record; /* mm_images_save() bytes */
    size_t size;
} mm_stored_part;

/* An evaluation as read back.  Parts are in order: names of digits alone come first, as numbers, then the others, by
 * their bytes.  One snapshot: what one moment's commit had left. */
typedef struct mm_stored_evaluation {
    mm_definition definition; /* strings owned by this struct */
    int64_t time;
    mm_stored_part *parts;
    size_t part_count;
} mm_stored_evaluation;

/* One line of GET /v1/runs. */
typedef struct mm_run_row {
    char *run;
    int64_t created, updated; /* ms since 1970: when its first and its last part were stored */
    char **splits;
    size_t split_count;
    int64_t evaluations, first_step, last_step;
    mm_tag *tags; /* by name */
    size_t tag_count;
} mm_run_row;

/* One merged score value of an evaluation, as the listing shows it.  A peer score that is a list has no single value:
 * MM_NOT_CHOSEN. */
typedef struct mm_score_row {
    char *name;
    mm_value value;
} mm_score_row;

/* One line of GET /v1/runs/{run}/evaluations. */
typedef struct mm_evaluation_row {
    char *split;
    int64_t step, time, images, parts_received, parts_expected;
    mm_score_row *scores;
    size_t score_count;
} mm_evaluation_row;

/* Which evaluations of a run: all bounds are inclusive. */
typedef struct mm_evaluation_filter {
    const char *split; /* NULL: any */
    int64_t first_step, last_step, from, to;
} mm_evaluation_filter;

#define MM_ALL_EVALUATIONS                                                                                             \
    ((mm_evaluation_filter){.first_step = 0, .last_step = INT64_MAX, .from = INT64_MIN, .to = INT64_MAX})

/* A page of a list ends with the row that fills it. */
#define MM_PAGE_BYTES ((size_t)8 << 20)

typedef struct mm_run_list {
    mm_run_row *rows;
    size_t count;
    size_t bytes; /* of names and values, and what holds them */
    char *next;   /* opaque cursor, or NULL at the end */
} mm_run_list;

typedef struct mm_evaluation_list {
    mm_evaluation_row *rows;
    size_t count;
    size_t bytes;
    char *next;
} mm_evaluation_list;

/* Whose memory it is in which the writer merges parts; called on its thread.  take: MM_STORE_BUSY when it is not free,
 * MM_STORE_TOO_LARGE when it will never be beside what `held` bytes are taken for; problem says so.  keep: what was
 * taken holds merged images for the part that comes next, and may be let go at any time; use: it is taken again. */
typedef struct mm_store_memory {
    mm_store_status (*take)(void *context, size_t bytes, size_t held, mm_problem *problem);
    void (*give)(void *context, size_t bytes);
    void (*keep)(void *context, size_t bytes);
    void (*use)(void *context, size_t bytes);
    void *context;
} mm_store_memory;

/* Opens (and creates or migrates) DIR/maskmeter.db and starts the writer. `problem->text` says what is wrong:
 * not a directory, locked by another server, corrupt, or written by a newer version.  A large file is looked through
 * for damage afterwards, beside the work: see mm_history_check(). */
mm_store_status mm_history_open(mm_history **out, const char *directory, mm_problem *problem);
/* Before the first part; without it memory is not counted.  It is copied. */
void mm_history_set_memory(mm_history *history, const mm_store_memory *memory);
/* From any thread: frees merged images that are kept, so many bytes or all; returns how many. */
size_t mm_history_let_go(mm_history *history, size_t bytes);
/* Stores everything accepted so far, then closes.  NULL is fine. */
void mm_history_close(mm_history *history);

/* From any thread; those of one line are carried out in the order of the calls, the lines in turn.  With
 * MM_HISTORY_QUEUE of them waiting, or half as many of one line that is somebody's: MM_STORE_BUSY. */
#define MM_HISTORY_QUEUE 10000
void mm_history_put(mm_history *history, mm_store_part *part);
void mm_history_delete(mm_history *history, mm_store_delete *removal);
void mm_history_expire(mm_history *history, mm_store_expiry *expiry);
void mm_history_put_token(mm_history *history, mm_store_token *token);

/* Reads: any thread; they may wait for the disk.  MM_STORE_NOT_FOUND where there is no such evaluation or run.
 * Runs come newest first: by `created`, then by the order in which they were stored.  Evaluations come newest first by
 * `time`, then likewise.  cursor NULL: from the start; else the `next` of the page before.  limit: at least 1; rows
 * that are large end a page earlier. */
mm_store_status mm_history_evaluation(mm_history *history, const char *project, const char *run, const char *split,
                                      int64_t step, mm_stored_evaluation **out, mm_problem *problem);
mm_store_status mm_history_runs(mm_history *history, const char *project, const char *cursor, size_t limit,
                                mm_run_list **out, mm_problem *problem);
mm_store_status mm_history_evaluations(mm_history *history, const char *project, const char *run,
                                       const mm_evaluation_filter *filter, const char *cursor, size_t limit,
                                       mm_evaluation_list **out, mm_problem *problem);
mm_store_status mm_history_run_row(mm_history *history, const char *project, const char *run, mm_run_list **out,
                                   mm_problem *problem);
/* The same, once take() has agreed to the memory in which all its records are read, taken apart and merged; 0:
 * MM_STORE_BUSY, and none is read. */
typedef struct mm_room {
    int (*take)(void *context, size_t bytes);
    void *context;
} mm_room;
mm_store_status mm_history_evaluation_within(mm_history *history, const char *project, const char *run,
                                             const char *split, int64_t step, const mm_room *room,
                                             mm_stored_evaluation **out, mm_problem *problem);
/* All tokens, oldest first: free(*out). */
mm_store_status mm_history_tokens(mm_history *history, mm_token **out, size_t *count, mm_problem *problem);
void mm_stored_evaluation_free(mm_stored_evaluation *evaluation);
void mm_run_list_free(mm_run_list *list);
void mm_tags_free(mm_tag *tags, size_t count); /* with names and values */
void mm_evaluation_list_free(mm_evaluation_list *list);

/* For /readyz and /metrics: does the last write stand, and how many writes wait?  After MM_STORE_FULL the writer keeps
 * looking whether there is room again.  MM_STORE_FATAL stays: stop the process. */
mm_store_status mm_history_health(mm_history *history);
size_t mm_history_waiting(mm_history *history);

/* The look for damage.  When it finds some, the history takes no more writes: its health becomes MM_STORE_FATAL. */
typedef enum mm_store_check { MM_CHECK_ENDED, MM_CHECK_RUNNING, MM_CHECK_DAMAGED } mm_store_check;
mm_store_check mm_history_check(mm_history *history);

/* Is there less room left on the disk than the log may take at most?  Parts are taken until there is none for them. */
#define MM_HISTORY_LOW ((int64_t)64 << 20)
int mm_history_disk_is_low(mm_history *history);

#endif
