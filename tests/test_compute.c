/*
 * test_compute.c - the compute thread: the same records as serial work, every job finished once, small ones not kept
 * waiting by a large one.
 */
#include "tests/suites.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/compute.h"
#include "tests/wire_tools.h"

#define CLASSES 3

/* One evaluation of label maps of `voxels` voxels, and what came of it. */
typedef struct sample {
    unsigned char *pred, *label;
    size_t voxels;
    mm_plan *plan;
    mm_eval *eval;
    mm_job job;
    unsigned char *record; /* mm_images_save() of the result */
    size_t size;
    atomic_int *clock; /* counts finished jobs */
    int place;         /* the how-many-th to finish, from 1; 0: not yet */
} sample;

static void prepare_scores(sample *s, const char *scores, size_t voxels, uint64_t seed, atomic_int *clock)
{
    mm_input input = {.classes = CLASSES, .threshold = 0.5};
    mm_shape shape;

    *s = (sample){.voxels = voxels, .clock = clock, .pred = malloc(voxels), .label = malloc(voxels)};
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->pred);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->label);
    for (size_t v = 0; v < voxels; v++) {
        const uint64_t bits = v % 16 == 0 || voxels < 4096 ? wire_random(&seed) : seed + v;

        s->pred[v] = (unsigned char)(bits % CLASSES);
        s->label[v] = (unsigned char)((bits >> 8) % CLASSES);
    }
    input.pred = (mm_tensor){.data = s->pred, .dtype = MM_U8, .rank = 2, .dim = {1, voxels}};
    input.label = (mm_tensor){.data = s->label, .dtype = MM_U8, .rank = 2, .dim = {1, voxels}};
    CU_ASSERT_EQUAL_FATAL(mm_input_shape(&input, &shape, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_plan_new(&s->plan, scores, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_plan_bind(s->plan, &shape, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_eval_new(&s->eval, &input, s->plan, MM_KEEP_CONFUSION, NULL), MM_OK);
}

/* With the default scores, which take one stage. */
static void prepare(sample *s, size_t voxels, uint64_t seed, atomic_int *clock)
{
    prepare_scores(s, NULL, voxels, seed, clock);
}

static void finish(sample *s)
{
    const char *id = "0/0";
    mm_images *images = NULL;

    if (mm_eval_finish(s->eval, &id, &images, NULL) == MM_OK)
        (void)mm_images_save(images, &s->record, &s->size);
    mm_images_free(images);
    s->place = atomic_fetch_add(s->clock, 1) + 1;
}

static void on_finish(mm_job *job)
{
    finish(job->context);
}

static void submit(mm_compute *compute, sample *s)
{
    s->job = (mm_job){.eval = s->eval, .finish = on_finish, .context = s};
    mm_compute_submit(compute, &s->job);
}

static void drop(sample *s)
{
    mm_eval_free(s->eval);
    mm_plan_free(s->plan);
    free(s->pred);
    free(s->label);
    free(s->record);
}

/* ------------------------------------------------------------------- tests */

/* Sizes around the chunks of the library, by 1, 2 and 3 threads, against the same by one thread on the spot. */
static void same_records(void)
{
    static const size_t sizes[] = {1, 7, 1024, 1025, 40000, 3000001};
    void *scratch = aligned_alloc(64, MM_SCRATCH_BYTES);
    atomic_int clock = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(scratch);
    for (unsigned threads = 1; threads <= 3; threads++) {
        mm_compute *compute = NULL;
        sample inside[6], outside[6];

        CU_ASSERT_EQUAL_FATAL(mm_compute_start(&compute, threads), MM_OK);
        CU_ASSERT_EQUAL(mm_compute_threads(compute), threads);
        for (size_t i = 0; i < 6; i++) {
            prepare(&inside[i], sizes[i], i + 1, &clock);
            prepare(&outside[i], sizes[i], i + 1, &clock);
            mm_eval_run(outside[i].eval, scratch, 1);
            finish(&outside[i]);
            submit(compute, &inside[i]);
        }
        mm_compute_stop(compute); /* finishes what was submitted */
        for (size_t i = 0; i < 6; i++) {
            CU_ASSERT(inside[i].place > 0);
            CU_ASSERT_PTR_NOT_NULL(inside[i].record);
            CU_ASSERT_EQUAL(inside[i].size, outside[i].size);
            CU_ASSERT(inside[i].record != NULL && memcmp(inside[i].record, outside[i].record, inside[i].size) == 0);
            CU_ASSERT(inside[i].job.submitted > 0.0);
            CU_ASSERT(inside[i].job.started >= inside[i].job.submitted);
            drop(&inside[i]);
            drop(&outside[i]);
        }
    }
    free(scratch);
}

/* Several evaluations of many stages at once, each stage of which begins when the one before has ended. */
static void stages(void)
{
    static const size_t sizes[] = {1, 900, 40000, 700001, 300, 400000};
    void *scratch = aligned_alloc(64, MM_SCRATCH_BYTES);
    atomic_int clock = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(scratch);
    for (unsigned threads = 1; threads <= 2; threads++) {
        mm_compute *compute = NULL;
        sample inside[6], outside[6];

        CU_ASSERT_EQUAL_FATAL(mm_compute_start(&compute, threads), MM_OK);
        for (size_t i = 0; i < 6; i++) {
            const char *scores = i == 4 ? "dice" : "hd95,assd,surface_dice(surface=surfel),dice";

            prepare_scores(&inside[i], scores, sizes[i], i + 1, &clock);
            prepare_scores(&outside[i], scores, sizes[i], i + 1, &clock);
            CU_ASSERT_EQUAL(mm_eval_is_long(inside[i].eval), i != 4);
            mm_eval_run(outside[i].eval, scratch, 1);
            finish(&outside[i]);
            submit(compute, &inside[i]);
        }
        mm_compute_stop(compute);
        for (size_t i = 0; i < 6; i++) {
            CU_ASSERT(inside[i].place > 0 && inside[i].record != NULL);
            CU_ASSERT(inside[i].size == outside[i].size &&
                      memcmp(inside[i].record, outside[i].record, inside[i].size) == 0);
            drop(&inside[i]);
            drop(&outside[i]);
        }
    }
    free(scratch);
}

/* A job that keeps the compute thread until everything that a test is about has been submitted. */
typedef struct gate {
    sample sample;
    sem_t reached, open;
} gate;

static void wait_at_gate(mm_job *job)
{
    gate *g = job->context;

    finish(&g->sample);
    sem_post(&g->reached);
    sem_wait(&g->open);
}

static void close_gate(gate *g, mm_compute *compute, atomic_int *clock)
{
    prepare(&g->sample, 10, 1, clock);
    CU_ASSERT_EQUAL_FATAL(sem_init(&g->reached, 0, 0), 0);
    CU_ASSERT_EQUAL_FATAL(sem_init(&g->open, 0, 0), 0);
    g->sample.job = (mm_job){.eval = g->sample.eval, .finish = wait_at_gate, .context = g};
    mm_compute_submit(compute, &g->sample.job);
    sem_wait(&g->reached);
}

static void drop_gate(gate *g)
{
    sem_destroy(&g->reached);
    sem_destroy(&g->open);
    drop(&g->sample);
}

/* Small evaluations that came after a large one are done before it. */
static void small_overtakes_large(void)
{
    mm_compute *compute = NULL;
    gate hold;
    sample large, small[8];
    atomic_int clock = 0;

    CU_ASSERT_EQUAL_FATAL(mm_compute_start(&compute, 2), MM_OK);
    close_gate(&hold, compute, &clock);
    prepare(&large, (size_t)16 << 20, 1, &clock);
    submit(compute, &large);
    CU_ASSERT(large.job.task_count > 16); /* more than fits into a shared round beside the small ones */
    for (size_t i = 0; i < 8; i++) {
        prepare(&small[i], 1000, i, &clock);
        submit(compute, &small[i]);
    }
    CU_ASSERT(mm_compute_waiting(compute) >= 9);
    sem_post(&hold.open);
    mm_compute_stop(compute);
    CU_ASSERT_EQUAL(large.place, 10);
    for (size_t i = 0; i < 8; i++) {
        CU_ASSERT(small[i].place >= 2 && small[i].place <= 9);
        drop(&small[i]);
    }
    drop(&large);
    drop_gate(&hold);
}

/* They do not wait for distances either: all of them are done between two stages of those. */
static void small_overtakes_distances(void)
{
    mm_compute *compute = NULL;
    gate hold;
    sample distances, small[8];
    atomic_int clock = 0;

    CU_ASSERT_EQUAL_FATAL(mm_compute_start(&compute, 2), MM_OK);
    close_gate(&hold, compute, &clock);
    prepare_scores(&distances, "hd95", 600000, 1, &clock);
    submit(compute, &distances);
    for (size_t i = 0; i < 8; i++) {
        prepare(&small[i], 1000, i, &clock);
        submit(compute, &small[i]);
    }
    sem_post(&hold.open);
    mm_compute_stop(compute);
    CU_ASSERT_EQUAL(distances.place, 10);
    for (size_t i = 0; i < 8; i++) {
        CU_ASSERT(small[i].place >= 2 && small[i].place <= 9);
        drop(&small[i]);
    }
    drop(&distances);
    drop_gate(&hold);
}

/* Several large ones are begun in one round. */
static void large_ones_share(void)
{
    mm_compute *compute = NULL;
    gate hold;
    sample large[3];
    atomic_int clock = 0;

    CU_ASSERT_EQUAL_FATAL(mm_compute_start(&compute, 2), MM_OK);
    close_gate(&hold, compute, &clock);
    for (size_t i = 0; i < 3; i++) {
        prepare(&large[i], (size_t)4 << 20, i, &clock);
        submit(compute, &large[i]);
    }
    sem_post(&hold.open);
    mm_compute_stop(compute);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT(large[i].place > 1);
        CU_ASSERT_EQUAL(large[i].job.started, large[0].job.started);
        drop(&large[i]);
    }
    drop_gate(&hold);
}

/* A large one that is alone makes way for what comes while it runs.  This thread may sleep until the large one is done,
 * but hardly every time. */
static void large_makes_way(void)
{
    int first = 0;

    for (int attempt = 0; attempt < 10 && !first; attempt++) {
        mm_compute *compute = NULL;
        sample large, small;
        atomic_int clock = 0;

        CU_ASSERT_EQUAL_FATAL(mm_compute_start(&compute, 2), MM_OK);
        prepare(&large, (size_t)32 << 20, 1, &clock);
        prepare(&small, 1000, 2, &clock);
        submit(compute, &large);
        submit(compute, &small);
        mm_compute_stop(compute);
        CU_ASSERT(large.place > 0);
        first = small.place == 1;
        drop(&large);
        drop(&small);
    }
    CU_ASSERT(first);
}

#define SENDERS 4
#define EACH    50

typedef struct sender {
    pthread_t thread;
    mm_compute *compute;
    sample samples[EACH];
} sender;

static void *send_all(void *context)
{
    sender *from = context;

    for (size_t i = 0; i < EACH; i++)
        submit(from->compute, &from->samples[i]);
    return NULL;
}

static void many_senders(void)
{
    sender *senders = calloc(SENDERS, sizeof *senders);
    mm_compute *compute = NULL;
    atomic_int clock = 0;
    char seen[SENDERS * EACH + 1] = {0};

    CU_ASSERT_PTR_NOT_NULL_FATAL(senders);
    CU_ASSERT_EQUAL_FATAL(mm_compute_start(&compute, 2), MM_OK);
    for (size_t t = 0; t < SENDERS; t++) {
        senders[t].compute = compute;
        for (size_t i = 0; i < EACH; i++)
            prepare(&senders[t].samples[i], 1 + 37 * i, i, &clock);
    }
    for (size_t t = 0; t < SENDERS; t++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&senders[t].thread, NULL, send_all, &senders[t]), 0);
    for (size_t t = 0; t < SENDERS; t++)
        pthread_join(senders[t].thread, NULL);
    mm_compute_stop(compute);
    CU_ASSERT_EQUAL(clock, SENDERS * EACH);
    for (size_t t = 0; t < SENDERS; t++)
        for (size_t i = 0; i < EACH; i++) {
            sample *s = &senders[t].samples[i];

            CU_ASSERT(s->place >= 1 && s->place <= SENDERS * EACH && !seen[s->place]);
            seen[s->place] = 1;
            /* every sender sent the same evaluations */
            CU_ASSERT(s->size == senders[0].samples[i].size &&
                      memcmp(s->record, senders[0].samples[i].record, s->size) == 0);
        }
    for (size_t t = 0; t < SENDERS; t++)
        for (size_t i = 0; i < EACH; i++)
            drop(&senders[t].samples[i]);
    free(senders);
}

static void on_end(mm_job *job)
{
    sample *s = job->context;

    if (job->abandoned)
        s->place = -1;
    else
        finish(s);
    atomic_fetch_add(s->clock, 1);
}

/* An evaluation that nobody wants any more ends without a task; others are finished as ever. */
static void abandoned(void)
{
    mm_compute *compute = NULL;
    atomic_int clock = 0, left = 1;
    sample all[3] = {0};

    CU_ASSERT_EQUAL_FATAL(mm_compute_start(&compute, 2), MM_OK);
    for (size_t i = 0; i < 3; i++) {
        prepare(&all[i], i == 1 ? 64 : (size_t)1 << 22, i, &clock);
        all[i].job = (mm_job){.eval = all[i].eval, .finish = on_end, .context = &all[i], .left = i != 1 ? &left : NULL};
        mm_compute_submit(compute, &all[i].job);
    }
    mm_compute_stop(compute);
    CU_ASSERT_TRUE(all[0].place == -1 && all[2].place == -1);
    CU_ASSERT_TRUE(all[1].place > 0 && all[1].size > 0);
    for (size_t i = 0; i < 3; i++)
        drop(&all[i]);
}

static void idle(void)
{
    mm_compute *compute = NULL;

    mm_compute_stop(NULL);
    CU_ASSERT_EQUAL_FATAL(mm_compute_start(&compute, 2), MM_OK);
    CU_ASSERT_EQUAL(mm_compute_waiting(compute), 0);
    mm_compute_stop(compute);
}

/* A client with one evaluation does not wait for the forty that another has sent before: it has a turn of its own. */
static void clients_take_turns(void)
{
    mm_compute *compute = NULL;
    gate hold;
    sample many[40], one;
    uint64_t turns[2] = {0, 0};
    atomic_int clock = 0;
    int last = 0;

    CU_ASSERT_EQUAL_FATAL(mm_compute_start(&compute, 2), MM_OK);
    close_gate(&hold, compute, &clock);
    for (size_t i = 0; i < 40; i++) {
        prepare(&many[i], (size_t)1 << 20, i, &clock);
        many[i].job = (mm_job){.eval = many[i].eval, .finish = on_finish, .context = &many[i], .turn = &turns[0]};
        mm_compute_submit(compute, &many[i].job);
    }
    CU_ASSERT(many[0].job.task_count > 1);
    prepare(&one, (size_t)1 << 20, 7, &clock);
    one.job = (mm_job){.eval = one.eval, .finish = on_finish, .context = &one, .turn = &turns[1]};
    mm_compute_submit(compute, &one.job);
    sem_post(&hold.open);
    mm_compute_stop(compute);
    CU_ASSERT(one.place >= 2 && one.place <= 20); /* among equals it would be the last */
    for (size_t i = 0; i < 40; i++) {
        last = many[i].place > last ? many[i].place : last;
        drop(&many[i]);
    }
    CU_ASSERT_EQUAL(last, 42);
    drop(&one);
    drop_gate(&hold);
}

static CU_TestInfo tests[] = {{"clients take turns", clients_take_turns},
                              {"the same records as serial work", same_records},
                              {"stages", stages},
                              {"small evaluations overtake a large one", small_overtakes_large},
                              {"small evaluations overtake distances", small_overtakes_distances},
                              {"large evaluations take turns", large_ones_share},
                              {"a large evaluation makes way", large_makes_way},
                              {"many senders", many_senders},
                              {"nothing to do", idle},
                              {"an evaluation that nobody waits for", abandoned},
                              CU_TEST_INFO_NULL};

const mm_suite mm_suite_compute = {"compute", tests};
