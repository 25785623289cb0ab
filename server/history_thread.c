/*
 * history_thread.c - the one writer: takes all that waits into one transaction, then tells everyone
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/history_ops.h"
#include "server/history_rows.h"

#define GROUP_MAX    256        /* items in one transaction */
#define TEND_SECONDS 1          /* of quiet, before housekeeping */
#define STACK_BYTES  (4u << 20) /* scoring needs some */

struct mm_history {
    const mm_store_ops *ops;
    mm_store *store;
    pthread_t thread;

    pthread_mutex_t guard; /* of what follows */
    pthread_cond_t changed;
    mm_lines waiting;
    mm_lines refused; /* come when the queue was full: told by the writer, not by the caller's thread */
    size_t writing;
    int closing;
    int more; /* deleted rows are there still */
    mm_store_status health;
};

/* ------------------------------------------------------------------- queue */

static int is_full(const mm_history *history, const mm_line *line)
{
    return history->waiting.waiting >= MM_HISTORY_QUEUE || (line != NULL && line->waiting >= MM_HISTORY_QUEUE / 2);
}

static void submit(mm_history *history, mm_store_item *item, mm_line *line)
{
    pthread_mutex_lock(&history->guard);
    if (history->closing || is_full(history, line))
        mm_lines_add(&history->refused, NULL, &item->waiter);
    else
        mm_lines_add(&history->waiting, line, &item->waiter);
    pthread_cond_signal(&history->changed);
    pthread_mutex_unlock(&history->guard);
}

void mm_history_put(mm_history *history, mm_store_part *part)
{
    part->status = MM_STORE_OK;
    part->problem = (mm_problem){0};
    part->item = (mm_store_item){.part = part};
    submit(history, &part->item, part->line);
}

void mm_history_expire(mm_history *history, mm_store_expiry *expiry)
{
    expiry->status = MM_STORE_OK;
    expiry->problem = (mm_problem){0};
    expiry->removed = 0;
    expiry->more = 0;
    expiry->item = (mm_store_item){.expiry = expiry};
    submit(history, &expiry->item, NULL);
}

void mm_history_put_token(mm_history *history, mm_store_token *token)
{
    token->status = MM_STORE_OK;
    token->problem = (mm_problem){0};
    token->item = (mm_store_item){.token = token};
    submit(history, &token->item, NULL);
}

void mm_history_delete(mm_history *history, mm_store_delete *removal)
{
    removal->status = MM_STORE_OK;
    removal->problem = (mm_problem){0};
    removal->item = (mm_store_item){.removal = removal};
    submit(history, &removal->item, removal->line);
}

/* ------------------------------------------------------------------ writer */

static void set_status(mm_store_item *item, mm_store_status status, const char *text)
{
    mm_problem problem;

    mm_store_explain(&problem, "", "%s", text);
    mm_store_item_fail(item, status, &problem);
}

/* The item belongs to its owner again: it is not touched afterwards. */
static void tell(mm_store_item *item)
{
    if (item->part != NULL)
        item->part->done(item->part);
    else if (item->removal != NULL)
        item->removal->done(item->removal);
    else if (item->expiry != NULL)
        item->expiry->done(item->expiry);
    else
        item->token->done(item->token);
}

/* With the guard held, but not while they are told. */
static void tell_refused(mm_history *history)
{
    for (mm_waiter *waiter; (waiter = mm_lines_take(&history->refused, SIZE_MAX)) != NULL;) {
        mm_store_item *item = (mm_store_item *)(void *)waiter;

        pthread_mutex_unlock(&history->guard);
        set_status(item, MM_STORE_BUSY, "too much waits to be written");
        tell(item);
        pthread_mutex_lock(&history->guard);
    }
}

/* Writes what it can of the group and tells its owners; returns how many. */
static size_t write_group(mm_history *history, mm_store_item **items, size_t count, mm_store_status *health)
{
    size_t taken = count;

    if (*health == MM_STORE_FATAL) /* nothing is written on top of what may be lost */
        for (size_t i = 0; i < count; i++)
            set_status(items[i], MM_STORE_FATAL, "the history has failed");
    else
        *health = history->ops->write(history->store, items, count, &taken);
    return taken;
}

/* With the guard held: everything that waits, up to a group. */
static size_t take_group(mm_history *history, mm_store_item **items)
{
    size_t count = 0;
    mm_waiter *waiter;

    while (count < GROUP_MAX && (waiter = mm_lines_take(&history->waiting, SIZE_MAX)) != NULL)
        items[count++] = (mm_store_item *)(void *)waiter;
    history->writing = count;
    return count;
}

/* With the guard held: those for which the group had no room are the next, in the same order. */
static void end_group(mm_history *history, mm_store_item *const *items, size_t count, size_t taken)
{
    history->writing = 0;
    for (size_t i = count; i > taken; i--)
        mm_lines_put_back(&history->waiting, &items[i - 1]->waiter);
    for (size_t i = 0; i < taken; i++)
        mm_lines_end(&items[i]->waiter);
}

/* With the guard held: waits for work; 0 after a quiet while, or at once when there is sweeping to do. */
static int wait_for_work(mm_history *history)
{
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += history->more ? 0 : TEND_SECONDS;
    while (history->waiting.waiting == 0 && history->refused.waiting == 0 && !history->closing)
        if (pthread_cond_timedwait(&history->changed, &history->guard, &end) == ETIMEDOUT)
            return 0;
    return 1;
}

static void *writer(void *context)
{
    mm_history *history = context;
    mm_store_item *items[GROUP_MAX];

    pthread_mutex_lock(&history->guard);
    for (;;) {
        const int work = wait_for_work(history);
        mm_store_status health = history->health;
        const size_t count = take_group(history, items);
        size_t taken = 0;
        int more = history->more;

        if (work && count == 0 && history->refused.waiting == 0)
            break; /* closing, and nothing is left */
        tell_refused(history);
        pthread_mutex_unlock(&history->guard);
        if (count > 0)
            taken = write_group(history, items, count, &health);
        else if (!work && !more && health != MM_STORE_FATAL)
            health = history->ops->tend(history->store, health);

        pthread_mutex_lock(&history->guard);
        history->health = health;
        end_group(history, items, count, taken);
        pthread_mutex_unlock(&history->guard);
        for (size_t i = 0; i < taken; i++)
            tell(items[i]);
        more = 0;
        if (health != MM_STORE_FATAL) {
            const mm_store_status swept = history->ops->sweep(history->store, &more);

            health = swept == MM_STORE_OK ? health : swept;
        }
        pthread_mutex_lock(&history->guard);
        history->health = health;
        history->more = more && !history->closing;
    }
    pthread_mutex_unlock(&history->guard);
    return NULL;
}

/* ------------------------------------------------------------ open and close */

static int init_waiting(mm_history *history)
{
    pthread_condattr_t clock;

    if (pthread_condattr_init(&clock) != 0)
        return 0;
    int made =
        pthread_condattr_setclock(&clock, CLOCK_MONOTONIC) == 0 && pthread_cond_init(&history->changed, &clock) == 0;

    pthread_condattr_destroy(&clock);
    if (made && pthread_mutex_init(&history->guard, NULL) != 0) {
        pthread_cond_destroy(&history->changed);
        made = 0;
    }
    return made;
}

/* Signals are for the other threads. */
static int start_thread(mm_history *history)
{
    pthread_attr_t attributes;
    sigset_t all, before;

    if (pthread_attr_init(&attributes) != 0)
        return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int started = pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0 &&
                        pthread_create(&history->thread, &attributes, writer, history) == 0;

    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

mm_store_status mm_history_open(mm_history **out, const char *directory, mm_problem *problem)
{
    mm_history *history = calloc(1, sizeof *history);

    if (history == NULL || !init_waiting(history)) {
        mm_store_explain(problem, "", "out of memory");
        free(history);
        return MM_STORE_BUSY;
    }
    history->ops = &mm_store_sqlite;
    mm_store_status status = history->ops->open(&history->store, directory, problem);

    if (status == MM_STORE_OK && start_thread(history)) {
        *out = history;
        return MM_STORE_OK;
    }
    if (status == MM_STORE_OK) {
        mm_store_explain(problem, "", "cannot start the history's thread");
        status = MM_STORE_BUSY;
        history->ops->close(history->store);
    }
    pthread_mutex_destroy(&history->guard);
    pthread_cond_destroy(&history->changed);
    free(history);
    return status;
}

void mm_history_close(mm_history *history)
{
    if (history == NULL)
        return;
    pthread_mutex_lock(&history->guard);
    history->closing = 1;
    pthread_cond_signal(&history->changed);
    pthread_mutex_unlock(&history->guard);
    pthread_join(history->thread, NULL);
    history->ops->close(history->store);
    pthread_mutex_destroy(&history->guard);
    pthread_cond_destroy(&history->changed);
    free(history);
}

void mm_history_set_memory(mm_history *history, const mm_store_memory *memory)
{
    history->ops->set_memory(history->store, memory);
}

size_t mm_history_let_go(mm_history *history, size_t bytes)
{
    return history->ops->let_go(history->store, bytes);
}

mm_store_status mm_history_health(mm_history *history)
{
    pthread_mutex_lock(&history->guard);
    const mm_store_status health = history->health;

    pthread_mutex_unlock(&history->guard);
    return health;
}

mm_store_check mm_history_check(mm_history *history)
{
    return history->ops->check(history->store);
}

int mm_history_disk_is_low(mm_history *history)
{
    return history->ops->room(history->store) < MM_HISTORY_LOW;
}

size_t mm_history_waiting(mm_history *history)
{
    pthread_mutex_lock(&history->guard);
    const size_t waiting = history->waiting.waiting + history->writing;

    pthread_mutex_unlock(&history->guard);
    return waiting;
}

/* ------------------------------------------------------------------- reads */

mm_store_status mm_history_evaluation(mm_history *history, const char *project, const char *run, const char *split,
                                      int64_t step, mm_stored_evaluation **out, mm_problem *problem)
{
    return mm_history_evaluation_within(history, project, run, split, step, NULL, out, problem);
}

mm_store_status mm_history_evaluation_within(mm_history *history, const char *project, const char *run,
                                             const char *split, int64_t step, const mm_room *room,
                                             mm_stored_evaluation **out, mm_problem *problem)
{
    return history->ops->evaluation(history->store, project, run, split, step, room, out, problem);
}

mm_store_status mm_history_runs(mm_history *history, const char *project, const char *cursor, size_t limit,
                                mm_run_list **out, mm_problem *problem)
{
    return history->ops->runs(history->store, project, cursor, limit > 0 ? limit : 1, out, problem);
}

mm_store_status mm_history_evaluations(mm_history *history, const char *project, const char *run,
                                       const mm_evaluation_filter *filter, const char *cursor, size_t limit,
                                       mm_evaluation_list **out, mm_problem *problem)
{
    return history->ops->evaluations(history->store, project, run, filter, cursor, limit > 0 ? limit : 1, out, problem);
}

mm_store_status mm_history_run_row(mm_history *history, const char *project, const char *run, mm_run_list **out,
                                   mm_problem *problem)
{
    return history->ops->run_row(history->store, project, run, out, problem);
}

mm_store_status mm_history_tokens(mm_history *history, mm_token **out, size_t *count, mm_problem *problem)
{
    return history->ops->tokens(history->store, out, count, problem);
}

mm_store_status mm_history_series(mm_history *history, const mm_series_query *query, mm_series_list **out,
                                  mm_problem *problem)
{
    return history->ops->series(history->store, query, out, problem);
}

mm_store_status mm_history_bests(mm_history *history, const mm_series_query *query, mm_best_list **out,
                                 mm_problem *problem)
{
    return history->ops->bests(history->store, query, out, problem);
}

mm_store_status mm_history_names(mm_history *history, mm_name_kind kind, const mm_series_query *query,
                                 mm_name_list **out, mm_problem *problem)
{
    return history->ops->names(history->store, kind, query, out, problem);
}

mm_store_status mm_history_place(mm_history *history, const mm_series_query *query, mm_place *out, mm_problem *problem)
{
    return history->ops->place(history->store, query, out, problem);
}
