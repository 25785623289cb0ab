/*
 * test_history_thread.c - the one writer: groups, order, limits, readers beside it, and what a crash leaves behind
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/history_help.h"
#include "tests/sqlite_shim.h"
#include "tests/suites.h"

/* ------------------------------------------------------------------ a gate */

/* Holds the writer at its next sync until it is opened. */
typedef struct gate {
    sem_t reached, open;
    atomic_int closed;
} gate;

static void at_gate(void *context)
{
    gate *g = context;

    if (atomic_exchange(&g->closed, 0)) {
        sem_post(&g->reached);
        while (sem_wait(&g->open) != 0)
            continue;
    }
}

/* What the done() of many puts counts. */
typedef struct tally {
    atomic_int count[MM_STORE_BAD_CURSOR + 1], all;
    pthread_t told_on;
    atomic_int elsewhere; /* told on another thread than the first */
} tally;

static void count_one(tally *t, mm_store_status status)
{
    if (atomic_load(&t->all) == 0)
        t->told_on = pthread_self();
    else if (!pthread_equal(t->told_on, pthread_self()))
        atomic_fetch_add(&t->elsewhere, 1);
    atomic_fetch_add(&t->count[status], 1);
    atomic_fetch_add(&t->all, 1);
}

static void count_part(mm_store_part *part)
{
    count_one(part->context, part->status);
}

static void count_delete(mm_store_delete *removal)
{
    count_one(removal->context, removal->status);
}

/* Opens a history whose writer stands at the gate, in the middle of storing part "gate" of run "gate". */
typedef struct held {
    char path[64];
    mm_history *history;
    gate gate;
    tally tally;
    mm_images *images;
    mm_store_part first;
} held;

static void hold(held *h)
{
    memset(h, 0, sizeof *h);
    help_directory(h->path);
    shim_install();
    h->history = help_open(h->path);
    sem_init(&h->gate.reached, 0, 0);
    sem_init(&h->gate.open, 0, 0);
    shim_on_sync(at_gate, &h->gate);
    h->images = help_images("gate", 1, 3, 1);
    h->first = help_part("gate", h->images);
    h->first.run = "gate";
    h->first.done = count_part;
    h->first.context = &h->tally;
    atomic_store(&h->gate.closed, 1);
    mm_history_put(h->history, &h->first);
    while (sem_wait(&h->gate.reached) != 0)
        continue;
}

static void release(held *h)
{
    sem_post(&h->gate.open);
    mm_history_close(h->history);
    shim_remove();
    sem_destroy(&h->gate.reached);
    sem_destroy(&h->gate.open);
    mm_images_free(h->images);
    help_remove(h->path);
}

/* ------------------------------------------------------------------ groups */

#define GROUP 100

/* What has arrived meanwhile is one transaction: one sync of the log. One part's conflict is its own. */
static void test_group_commit(void)
{
    static char names[GROUP][16];
    static mm_store_part parts[GROUP];
    static mm_images *images[GROUP];
    held h;

    hold(&h);
    for (int i = 0; i < GROUP; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        images[i] = help_images(names[i], 1, 3, (unsigned)i);
        parts[i] = help_part(names[i], images[i]);
        if (i == 50)
            parts[i].definition.classes = "a,b,x";
        parts[i].done = count_part;
        parts[i].context = &h.tally;
        mm_history_put(h.history, &parts[i]);
    }
    CU_ASSERT_EQUAL(mm_history_waiting(h.history), GROUP + 1);
    const int before = shim_syncs(); /* the one at the gate is not counted yet */

    sem_post(&h.gate.open);
    while (atomic_load(&h.tally.all) < GROUP + 1)
        help_nap(1);
    CU_ASSERT_EQUAL(shim_syncs() - before, 2);
    CU_ASSERT_EQUAL(h.tally.count[MM_STORE_OK], GROUP);
    CU_ASSERT_EQUAL(h.tally.count[MM_STORE_CONFLICT], 1);
    CU_ASSERT_EQUAL(parts[50].status, MM_STORE_CONFLICT);
    CU_ASSERT_EQUAL(parts[GROUP - 1].parts_received, GROUP - 1);
    CU_ASSERT_EQUAL(h.tally.elsewhere, 0);
    CU_ASSERT_EQUAL(mm_history_waiting(h.history), 0);
    CU_ASSERT_EQUAL(help_sql(h.path, "SELECT count(*) FROM parts"), GROUP);
    CU_ASSERT_EQUAL(help_sql(h.path, "SELECT images FROM evaluations WHERE images > 1"), GROUP - 1);
    release(&h);
    for (int i = 0; i < GROUP; i++)
        mm_images_free(images[i]);
}

#define FLOOD 600 /* more than two groups */

/* A client's two parts are stored with the next group, however many another has sent before; each client's parts are
 * stored in its order. */
static void test_clients_take_turns(void)
{
    static char names[FLOOD + 2][16];
    static mm_store_part parts[FLOOD + 2];
    mm_line lines[2] = {{0}, {0}};
    held h;

    hold(&h);
    mm_images *images = help_images("0", 1, 3, 1);

    for (int i = 0; i < FLOOD + 2; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        parts[i] = help_part("0", images);
        parts[i].run = names[i];
        parts[i].line = &lines[i >= FLOOD];
        parts[i].done = count_part;
        parts[i].context = &h.tally;
        mm_history_put(h.history, &parts[i]);
    }
    sem_post(&h.gate.open);
    while (atomic_load(&h.tally.all) < FLOOD + 3)
        help_nap(1);
    CU_ASSERT_EQUAL(h.tally.count[MM_STORE_OK], FLOOD + 3);
    CU_ASSERT_EQUAL(help_sql(h.path, "SELECT count(*) FROM runs WHERE id < (SELECT id FROM runs WHERE name = '601')"),
                    1 + 2 + 1); /* the one at the gate, two of the flood, its own first */
    CU_ASSERT_EQUAL(help_sql(h.path, "SELECT count(*) FROM runs a JOIN runs b ON a.id < b.id WHERE a.name <> 'gate' AND"
                                     " CAST(a.name AS INTEGER) > CAST(b.name AS INTEGER) AND a.name < 600"),
                    0);
    release(&h);
    mm_images_free(images);
}

/* One client fills no more than half of the queue: another is still let in. */
static void test_half_a_queue(void)
{
    mm_store_delete *removals = calloc(MM_HISTORY_QUEUE / 2 + 2, sizeof *removals);
    mm_line lines[2] = {{0}, {0}};
    held h;

    CU_ASSERT_PTR_NOT_NULL_FATAL(removals);
    hold(&h);
    for (int i = 0; i < MM_HISTORY_QUEUE / 2 + 2; i++) {
        removals[i] = (mm_store_delete){.project = "p",
                                        .run = "r",
                                        .line = &lines[i > MM_HISTORY_QUEUE / 2],
                                        .done = count_delete,
                                        .context = &h.tally};
        mm_history_delete(h.history, &removals[i]);
    }
    sem_post(&h.gate.open);
    while (atomic_load(&h.tally.all) < MM_HISTORY_QUEUE / 2 + 3)
        help_nap(1);
    CU_ASSERT_EQUAL(h.tally.count[MM_STORE_BUSY], 1);
    CU_ASSERT_EQUAL(removals[MM_HISTORY_QUEUE / 2].status, MM_STORE_BUSY);
    CU_ASSERT_EQUAL(removals[MM_HISTORY_QUEUE / 2 + 1].status, MM_STORE_NOT_FOUND);
    release(&h);
    free(removals);
}

/* Put, delete, put of one run in one group: as one after the other. */
static void test_order_within_a_group(void)
{
    held h;

    hold(&h);
    mm_images *first = help_images("0", 2, 3, 1), *second = help_images("0", 3, 3, 2);
    mm_store_part a = help_part("0", first), b = help_part("1", second);
    mm_store_delete gone = {.project = "default", .run = "unet", .done = count_delete, .context = &h.tally};
    mm_store_delete none = {.project = "default", .run = "none", .done = count_delete, .context = &h.tally};

    a.done = b.done = count_part;
    a.context = b.context = &h.tally;
    mm_history_put(h.history, &a);
    mm_history_delete(h.history, &gone);
    mm_history_put(h.history, &b); /* holds image 0/0 too, but the other is gone */
    mm_history_delete(h.history, &none);
    sem_post(&h.gate.open);
    while (atomic_load(&h.tally.all) < 5)
        help_nap(1);
    CU_ASSERT_EQUAL(a.status, MM_STORE_OK);
    CU_ASSERT_EQUAL(gone.status, MM_STORE_OK);
    CU_ASSERT_EQUAL(b.status, MM_STORE_OK);
    CU_ASSERT_EQUAL(none.status, MM_STORE_NOT_FOUND);
    CU_ASSERT_EQUAL(b.parts_received, 1);
    CU_ASSERT_EQUAL(help_sql(h.path, "SELECT sum(images) FROM evaluations"), 4);
    CU_ASSERT_EQUAL(help_sql(h.path, "SELECT count(*) FROM parts"), 2);
    release(&h);
    mm_images_free(first);
    mm_images_free(second);
}

/* The same part, replaced twice within one group: the last one stands. */
static void test_replaced_within_a_group(void)
{
    held h;

    hold(&h);
    mm_images *images[3];
    mm_store_part parts[3];

    for (unsigned i = 0; i < 3; i++) {
        images[i] = help_images("0", 1 + i, 3, i);
        parts[i] = help_part("0", images[i]);
        parts[i].done = count_part;
        parts[i].context = &h.tally;
        mm_history_put(h.history, &parts[i]);
    }
    sem_post(&h.gate.open);
    while (atomic_load(&h.tally.all) < 4)
        help_nap(1);
    CU_ASSERT_EQUAL(h.tally.count[MM_STORE_OK], 4);
    CU_ASSERT_EQUAL(parts[2].parts_received, 1);
    CU_ASSERT_EQUAL(help_sql(h.path, "SELECT max(images) FROM evaluations"), 3);
    release(&h);
    for (unsigned i = 0; i < 3; i++)
        mm_images_free(images[i]);
}

#define TOO_MANY (MM_HISTORY_QUEUE + 7)

static void test_queue_is_bounded(void)
{
    mm_store_delete *removals = calloc(TOO_MANY, sizeof *removals);
    held h;

    CU_ASSERT_PTR_NOT_NULL_FATAL(removals);
    hold(&h);
    for (int i = 0; i < TOO_MANY; i++) {
        removals[i] = (mm_store_delete){.project = "p", .run = "r", .done = count_delete, .context = &h.tally};
        mm_history_delete(h.history, &removals[i]);
    }
    CU_ASSERT_EQUAL(mm_history_waiting(h.history), MM_HISTORY_QUEUE + 1);
    sem_post(&h.gate.open);
    while (atomic_load(&h.tally.all) < TOO_MANY + 1)
        help_nap(1);
    CU_ASSERT_EQUAL(h.tally.count[MM_STORE_BUSY], 7);
    CU_ASSERT_EQUAL(h.tally.count[MM_STORE_NOT_FOUND], MM_HISTORY_QUEUE);
    CU_ASSERT_EQUAL(removals[TOO_MANY - 1].status, MM_STORE_BUSY);
    CU_ASSERT_EQUAL(h.tally.elsewhere, 0);
    CU_ASSERT_EQUAL(mm_history_health(h.history), MM_STORE_OK); /* a full queue is no fault of the disk */
    release(&h);
    free(removals);
}

/* Closing stores what was accepted. */
static void test_close_drains(void)
{
    static char names[600][16];
    static mm_store_part parts[600];
    char path[64];
    tally told = {0};

    help_directory(path);
    mm_history *history = help_open(path);
    mm_images *images = help_images("0", 1, 3, 1);

    for (int i = 0; i < 600; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        parts[i] = help_part("0", images);
        parts[i].run = names[i];
        parts[i].done = count_part;
        parts[i].context = &told;
        mm_history_put(history, &parts[i]);
    }
    mm_history_close(history);
    CU_ASSERT_EQUAL(told.count[MM_STORE_OK], 600);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM runs"), 600);
    mm_images_free(images);
    help_remove(path);
}

/* ------------------------------------------------------- many at the same time */

#define WRITERS    8
#define PARTS_EACH 25

typedef struct crowd {
    mm_history *history;
    unsigned number;
    atomic_int *stop, *bad;
} crowd;

static void *write_parts(void *context)
{
    const crowd *c = context;
    char name[16];

    for (unsigned i = 0; i < PARTS_EACH; i++) {
        snprintf(name, sizeof name, "%u", c->number * PARTS_EACH + i);
        mm_images *images = help_images(name, 2, 3, 77);
        mm_store_part part = help_part(name, images);

        part.definition.scores = "tp(over=pooled)";
        if (help_put(c->history, &part) != MM_STORE_OK)
            atomic_fetch_add(c->bad, 1);
        mm_images_free(images);
    }
    return NULL;
}

/* One listing is one snapshot: counts, images and scores belong together. */
static int consistent(mm_history *history, double per_part)
{
    mm_evaluation_list *list = NULL;
    const mm_store_status status = mm_history_evaluations(history, "default", "unet", NULL, NULL, 5, &list, NULL);

    if (status != MM_STORE_OK)
        return status == MM_STORE_NOT_FOUND; /* nothing is stored yet */
    const mm_evaluation_row *row = &list->rows[0];
    const double parts = (double)row->parts_received, value = row->scores[0].value.value;
    const int good =
        row->images == 2 * row->parts_received && value > parts * per_part - 1e-6 && value < parts * per_part + 1e-6;

    mm_evaluation_list_free(list);
    return good;
}

/* All parts of an evaluation that is read are whole. */
static int loadable(mm_history *history)
{
    mm_stored_evaluation *evaluation = NULL;
    int good = 1;

    if (mm_history_evaluation(history, "default", "unet", "val", 1, &evaluation, NULL) != MM_STORE_OK)
        return 1;
    for (size_t i = 0; i < evaluation->part_count; i++) {
        mm_images *images = NULL;

        good &= mm_images_load(&images, evaluation->parts[i].record, evaluation->parts[i].size) == MM_OK;
        good = good && mm_images_count(images) == 2;
        mm_images_free(images);
    }
    mm_stored_evaluation_free(evaluation);
    return good;
}

static double tp_of_one_part(void)
{
    double sum = 0;

    for (size_t i = 0; i < 2; i++)
        for (size_t c = 0; c < 3; c++)
            sum += (double)help_count(77, i, c, HELP_BOTH);
    return sum / 3; /* the value is the mean over classes */
}

static void *read_always(void *context)
{
    const crowd *c = context;
    const double per_part = tp_of_one_part();

    while (!atomic_load(c->stop)) {
        if (!consistent(c->history, per_part) || !loadable(c->history))
            atomic_fetch_add(c->bad, 1);
        help_nap(1); /* readers that never rest may starve the writers where threads take turns */
    }
    return NULL;
}

/* Eight writers and more readers than there are connections. */
static void test_writers_and_readers(void)
{
    char path[64];
    pthread_t writers[WRITERS], readers[6];
    crowd crowds[WRITERS];
    atomic_int stop = 0, bad = 0;

    help_directory(path);
    mm_history *history = help_open(path);

    for (unsigned i = 0; i < WRITERS; i++) {
        crowds[i] = (crowd){history, i, &stop, &bad};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&writers[i], NULL, write_parts, &crowds[i]), 0);
    }
    for (int i = 0; i < 6; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&readers[i], NULL, read_always, &crowds[i]), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&stop, 1);
    for (int i = 0; i < 6; i++)
        pthread_join(readers[i], NULL);
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT(consistent(history, tp_of_one_part()));
    mm_history_close(history);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM parts"), WRITERS * PARTS_EACH);
    help_remove(path);
}

typedef struct retry {
    mm_history *history;
    atomic_int *bad;
} retry;

static void *store_and_delete(void *context)
{
    const retry *r = context;

    for (int i = 0; i < 100; i++)
        if (help_store(r->history, "unet", 1, "0", 3) != MM_STORE_OK ||
            help_delete(r->history, "default", "unet") != MM_STORE_OK)
            atomic_fetch_add(r->bad, 1);
    atomic_fetch_add(r->bad, 1000); /* the end */
    return NULL;
}

/* An evaluation that is read is there with its part, or not there: never half of it. */
static void test_reading_while_deleting(void)
{
    char path[64];
    pthread_t thread;
    atomic_int bad = 0;
    mm_stored_evaluation *read = NULL;

    help_directory(path);
    retry r = {help_open(path), &bad};

    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, store_and_delete, &r), 0);
    while (atomic_load(&bad) < 1000) {
        const mm_store_status status = mm_history_evaluation(r.history, "default", "unet", "val", 1, &read, NULL);

        if (status == MM_STORE_OK) {
            CU_ASSERT_EQUAL(read->part_count, 1);
            mm_stored_evaluation_free(read);
        } else
            CU_ASSERT_EQUAL(status, MM_STORE_NOT_FOUND);
        help_nap(1);
    }
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(bad, 1000);
    mm_history_close(r.history);
    help_remove(path);
}

static void *send_the_same(void *context)
{
    const retry *r = context;

    for (int i = 0; i < 30; i++)
        if (help_store(r->history, "unet", 1, "0", 3) != MM_STORE_OK)
            atomic_fetch_add(r->bad, 1);
    return NULL;
}

/* The same part from many clients is one part. */
static void test_retries(void)
{
    char path[64];
    pthread_t threads[WRITERS];
    atomic_int bad = 0;

    help_directory(path);
    retry r = {help_open(path), &bad};

    for (int i = 0; i < WRITERS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, send_the_same, &r), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    mm_history_close(r.history);
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM parts"), 1);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT parts_received FROM evaluations"), 1);
    CU_ASSERT_EQUAL(help_sql(path, "SELECT images FROM evaluations"), 2);
    help_remove(path);
}

/* ----------------------------------------------------------------- crashes */

#define LOSSES       500
#define LOSSES_SHORT 60

static int is_short(void)
{
    const char *text = getenv("MASKMETER_TEST_SHORT");

    return text != NULL && text[0] != '\0';
}

/* Pictures of the disk at moments when the power might go, with what was acknowledged by then. */
typedef struct losses {
    char path[64];
    int count;
    atomic_int acknowledged;
    int expected[LOSSES];
} losses;

static void lose_power(void *context)
{
    losses *l = context;
    const int most = is_short() ? LOSSES_SHORT : LOSSES, each = is_short() ? 2 : 10;
    char directory[96];

    for (int i = 0; i < each && l->count < most; i++) {
        snprintf(directory, sizeof directory, "%s/%d", l->path, l->count);
        l->expected[l->count] = atomic_load(&l->acknowledged);
        shim_power_loss(directory, (unsigned)l->count);
        l->count++;
    }
}

/* Opens a picture: sound, and every acknowledged part is whole.  Parts "0" .. are acknowledged in order. */
static void check_picture(const char *path, int expected)
{
    mm_history *history = help_open(path);
    mm_stored_evaluation *read = NULL;
    int found = 0;

    for (int step = 0; step * 10 < expected; step++) {
        if (mm_history_evaluation(history, "default", "unet", "val", step, &read, NULL) != MM_STORE_OK)
            continue;
        for (size_t i = 0; i < read->part_count; i++) {
            mm_images *images = NULL;

            CU_ASSERT_EQUAL(mm_images_load(&images, read->parts[i].record, read->parts[i].size), MM_OK);
            found += atoi(read->parts[i].name) < expected;
            mm_images_free(images);
        }
        mm_stored_evaluation_free(read);
    }
    CU_ASSERT_EQUAL(found, expected);
    CU_ASSERT_EQUAL(help_store(history, "later", 1, "0", 1), MM_STORE_OK);
    mm_history_close(history);
}

/* Writes that no sync has made safe are lost, torn or kept at random: nothing acknowledged is missing. */
static void test_power_loss(void)
{
    losses l = {.count = 0};
    char path[64], name[16], directory[96];

    help_directory(path);
    help_directory(l.path);
    shim_install();
    mm_history *history = help_open(path);

    shim_on_sync(lose_power, &l);
    for (int i = 0; i < 45; i++) {
        snprintf(name, sizeof name, "%d", i);
        CU_ASSERT_EQUAL(help_store(history, "unet", i / 10, name, (unsigned)i), MM_STORE_OK);
        atomic_store(&l.acknowledged, i + 1);
        if (i % 15 == 14) { /* closing empties the log into the file, which is a moment too */
            mm_history_close(history);
            history = help_open(path);
        }
    }
    mm_history_close(history);
    shim_remove();
    CU_ASSERT_EQUAL(l.count, is_short() ? LOSSES_SHORT : LOSSES);
    for (int i = 0; i < l.count; i++) {
        snprintf(directory, sizeof directory, "%s/%d", l.path, i);
        check_picture(directory, l.expected[i]);
        help_remove(directory);
    }
    help_remove(l.path);
    help_remove(path);
}

/* Runs this program as a writer, kills it after a while, and returns how many parts it had acknowledged since 0. */
static int kill_writer(const char *path, long milliseconds)
{
    static const char *const option = "--history-writer";
    char program[4096];
    int ends[2], last = -1;
    pid_t child;
    posix_spawn_file_actions_t actions;
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);

    CU_ASSERT_FATAL(length > 0);
    program[length] = '\0';
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    char *const arguments[] = {program, (char *)option, (char *)path, NULL};

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    const int spawned = posix_spawn(&child, program, &actions, NULL, arguments, environ);

    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    CU_ASSERT_EQUAL_FATAL(spawned, 0);
    help_nap(milliseconds);
    kill(child, SIGKILL);
    FILE *said = fdopen(ends[0], "r");

    CU_ASSERT_PTR_NOT_NULL_FATAL(said);
    for (int part; fscanf(said, "%d", &part) == 1;)
        last = part;
    fclose(said);
    waitpid(child, NULL, 0);
    return last + 1;
}

static void test_kill(void)
{
    char path[64];

    for (int i = 0; i < 10; i++) {
        help_directory(path);
        const int acknowledged = kill_writer(path, 40 + i * 23);
        mm_history *history = help_open(path);

        mm_history_close(history);
        const int64_t stored = help_sql(path, "SELECT count(*) FROM parts");

        CU_ASSERT(stored >= acknowledged && stored <= acknowledged + 1); /* one may have been on its way */
        CU_ASSERT_EQUAL(help_sql(path, "SELECT count(DISTINCT name) FROM parts"), stored);
        CU_ASSERT_EQUAL(help_sql(path, "SELECT ifnull(sum(images), 0) FROM evaluations"), stored * 2);
        CU_ASSERT_EQUAL(help_sql(path, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
        help_remove(path);
    }
}

static CU_TestInfo tests[] = {
    {"what waits is one transaction", test_group_commit},
    {"clients take turns", test_clients_take_turns},
    {"one client fills half of the queue", test_half_a_queue},
    {"order within a group", test_order_within_a_group},
    {"a part replaced within a group", test_replaced_within_a_group},
    {"the queue is bounded", test_queue_is_bounded},
    {"closing stores what was accepted", test_close_drains},
    {"writers and readers", test_writers_and_readers},
    {"reading while deleting", test_reading_while_deleting},
    {"retries from many clients", test_retries},
    {"power loss", test_power_loss},
    {"kill -9", test_kill},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_history_thread;
const mm_suite mm_suite_history_thread = {"history_thread", tests};
