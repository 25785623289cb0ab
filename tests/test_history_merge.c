/*
 * test_history_merge.c - definitions that agree, what is kept of merged images, and their scores
 */
#include <stdlib.h>
#include <string.h>

#include "server/history_merge.h"
#include "tests/history_help.h"
#include "tests/suites.h"

/* ------------------------------------------------------------------- cache */

static mm_cache_slot slot(int64_t run, int64_t evaluation, size_t bytes)
{
    return (mm_cache_slot){
        .run = run, .evaluation = evaluation, .bytes = bytes, .images = help_images("0", 1, 2, (unsigned)evaluation)};
}

/* Takes, frees, and says whether there was something. */
static int has(mm_cache *cache, int64_t evaluation)
{
    mm_cache_slot taken = mm_cache_take(cache, evaluation);
    const int found = taken.images != NULL;

    CU_ASSERT_EQUAL(taken.evaluation, evaluation);
    mm_cache_slot_empty(cache, &taken);
    return found;
}

static void test_cache_gives_back(void)
{
    mm_cache *cache = calloc(1, sizeof *cache);

    CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
    mm_cache_keep(cache, slot(1, 10, 100));
    mm_cache_keep(cache, slot(1, 11, 50));
    mm_cache_slot taken = mm_cache_take(cache, 10);

    CU_ASSERT_PTR_NOT_NULL(taken.images);
    CU_ASSERT_EQUAL(taken.bytes, 100);
    CU_ASSERT_EQUAL(cache->bytes, 50);
    CU_ASSERT_FALSE(has(cache, 10)); /* it is the taker's now */
    mm_cache_keep(cache, taken);
    CU_ASSERT_TRUE(has(cache, 10));
    CU_ASSERT_TRUE(has(cache, 11));
    CU_ASSERT_EQUAL(cache->bytes, 0);
    mm_cache_keep(cache, (mm_cache_slot){.evaluation = 12}); /* nothing to keep */
    CU_ASSERT_FALSE(has(cache, 12));
    mm_cache_clear(cache);
    free(cache);
}

/* The longest unused leave first, by bytes and by number. */
static void test_cache_is_bounded(void)
{
    mm_cache *cache = calloc(1, sizeof *cache);

    CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
    for (int64_t i = 1; i <= 4; i++)
        mm_cache_keep(cache, slot(1, i, MM_CACHE_BYTES / 4));
    mm_cache_keep(cache, mm_cache_take(cache, 1)); /* used again: 2 is the oldest */
    mm_cache_keep(cache, slot(1, 5, 1));
    CU_ASSERT(cache->bytes <= MM_CACHE_BYTES);
    CU_ASSERT_FALSE(has(cache, 2));
    CU_ASSERT_TRUE(has(cache, 1));
    CU_ASSERT_TRUE(has(cache, 3));
    mm_cache_clear(cache);
    for (int64_t i = 1; i <= MM_CACHE_SLOTS + 1; i++)
        mm_cache_keep(cache, slot(1, i, 1));
    CU_ASSERT_EQUAL(cache->bytes, MM_CACHE_SLOTS);
    CU_ASSERT_FALSE(has(cache, 1));
    CU_ASSERT_TRUE(has(cache, 2));
    CU_ASSERT_TRUE(has(cache, MM_CACHE_SLOTS + 1));
    mm_cache_clear(cache);
    free(cache);
}

/* What is larger than the bound stays while it is in use, alone, and goes with the trim. */
static void test_cache_of_one_giant(void)
{
    mm_cache *cache = calloc(1, sizeof *cache);

    CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
    mm_cache_keep(cache, slot(1, 1, 10));
    mm_cache_keep(cache, slot(1, 2, MM_CACHE_BYTES + 1));
    CU_ASSERT_FALSE(has(cache, 1));
    mm_cache_keep(cache, mm_cache_take(cache, 2));
    mm_cache_trim(cache);
    CU_ASSERT_FALSE(has(cache, 2));
    CU_ASSERT_EQUAL(cache->bytes, 0);
    free(cache);
}

static void test_cache_forgets_runs(void)
{
    mm_cache *cache = calloc(1, sizeof *cache);

    CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
    mm_cache_keep(cache, slot(1, 1, 10));
    mm_cache_keep(cache, slot(2, 2, 20));
    mm_cache_keep(cache, slot(1, 3, 30));
    mm_cache_drop_run(cache, 1);
    CU_ASSERT_EQUAL(cache->bytes, 20);
    CU_ASSERT_FALSE(has(cache, 1));
    CU_ASSERT_TRUE(has(cache, 2));
    CU_ASSERT_FALSE(has(cache, 3));
    free(cache);
}

/* ------------------------------------------------------------------ scores */

static mm_scored scored(const char *scores, const char *weights, const mm_images *images)
{
    const mm_definition definition = {
        .class_count = mm_images_classes(images), .task = MM_MULTICLASS, .scores = scores, .weights = weights};
    mm_scored out = {0};

    CU_ASSERT_EQUAL_FATAL(mm_scored_new(&out, &definition, images), MM_OK);
    return out;
}

static void test_scores(void)
{
    mm_images *images = help_images("0", 2, 3, 4);
    mm_scored s = scored("tp(over=pooled),cross_entropy", "", images);
    const mm_value *classes = mm_scored_classes(&s, 0, 3);

    CU_ASSERT_EQUAL_FATAL(mm_scored_count(&s), 2);
    CU_ASSERT_PTR_NOT_NULL_FATAL(classes);
    for (size_t c = 0; c < 3; c++)
        CU_ASSERT_EQUAL(classes[c].value, (double)(help_count(4, 0, c, HELP_BOTH) + help_count(4, 1, c, HELP_BOTH)));
    CU_ASSERT_EQUAL(mm_scored_value(&s, 1).reason, MM_NOT_IN_SUMS);
    mm_scored_free(&s);
    mm_images_free(images);
}

/* Weights that this version cannot read are as none, and so is a text of scores. */
static void test_texts_that_cannot_be_read(void)
{
    static const char *const weights[] = {"1,2", "1,2,x", ",,", "x"};
    mm_images *images = help_images("0", 2, 3, 4);
    mm_scored plain = scored("dice(average=weighted)", "", images);

    for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++) {
        mm_scored s = scored("dice(average=weighted)", weights[i], images);

        CU_ASSERT_EQUAL(mm_scored_value(&s, 0).value, mm_scored_value(&plain, 0).value);
        mm_scored_free(&s);
    }
    mm_scored other = scored("dice(average=weighted)", "9,1,1", images);

    CU_ASSERT_NOT_EQUAL(mm_scored_value(&other, 0).value, mm_scored_value(&plain, 0).value);
    mm_scored_free(&other);
    mm_scored_free(&plain);
    mm_scored none = scored("score_of_tomorrow", "", images);

    CU_ASSERT_EQUAL(mm_scored_count(&none), 0);
    mm_scored_free(&none);
    /* Known, but not for so many classes: each has its reason. */
    mm_scored unfit = scored("dice(classes=[7]),iou", "", images);

    CU_ASSERT_EQUAL(mm_scored_count(&unfit), 2);
    CU_ASSERT_EQUAL(mm_scored_value(&unfit, 0).reason, MM_NOT_IN_SUMS);
    CU_ASSERT_PTR_NULL(mm_scored_classes(&unfit, 0, 3));
    mm_scored_free(&unfit);
    mm_images_free(images);
}

/* Counts as admission does. */
typedef struct counted {
    size_t used, kept, most, held;
} counted;

static mm_store_status take_bytes(void *context, size_t bytes, size_t held, mm_problem *problem)
{
    counted *c = context;

    (void)problem;
    c->held = held;
    if (c->used + bytes > c->most)
        return MM_STORE_BUSY;
    c->used += bytes;
    return MM_STORE_OK;
}

static void give_bytes(void *context, size_t bytes)
{
    ((counted *)context)->used -= bytes;
}

static void keep_bytes(void *context, size_t bytes)
{
    counted *c = context;

    c->used -= bytes;
    c->kept += bytes;
}

static void use_bytes(void *context, size_t bytes)
{
    counted *c = context;

    c->kept -= bytes;
    c->used += bytes;
}

/* An evaluation's images in hand, for which so much was taken. */
static mm_cache_slot grown(mm_cache *cache, int64_t evaluation, size_t bytes)
{
    mm_cache_slot made = slot(1, evaluation, 0);

    CU_ASSERT_EQUAL(mm_cache_grow(cache, &made, bytes, 7, NULL), MM_STORE_OK);
    return made;
}

/* What images take is counted once, whether they are in hand, kept, dropped or let go. */
static void test_memory_is_counted(void)
{
    mm_cache *cache = calloc(1, sizeof *cache);
    counted c = {.most = MM_CACHE_BYTES};

    CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
    cache->memory = (mm_store_memory){take_bytes, give_bytes, keep_bytes, use_bytes, &c};
    mm_cache_keep(cache, grown(cache, 1, 100));
    mm_cache_keep(cache, grown(cache, 2, 200));
    mm_cache_keep(cache, grown(cache, 3, 300));
    CU_ASSERT(c.used == 0 && c.kept == 600);
    mm_cache_slot taken = mm_cache_take(cache, 2);

    CU_ASSERT(c.used == 200 && c.kept == 400);
    CU_ASSERT_EQUAL(mm_cache_grow(cache, &taken, MM_CACHE_BYTES, 7, NULL), MM_STORE_BUSY);
    CU_ASSERT_EQUAL(c.held, 207); /* what it has already is no more to be had */
    CU_ASSERT_EQUAL(taken.bytes, 200);
    mm_cache_shrink(cache, &taken, 50);
    mm_cache_keep(cache, taken);
    CU_ASSERT(c.used == 0 && c.kept == 550);
    c.kept -= mm_cache_let_go(cache, 101); /* the longest unused: 1, then 3 */
    CU_ASSERT(c.kept == 150 && !has(cache, 1) && !has(cache, 3));
    mm_cache_keep(cache, grown(cache, 4, MM_CACHE_BYTES)); /* 2 is dropped for it */
    CU_ASSERT(c.used == 0 && c.kept == MM_CACHE_BYTES);
    mm_cache_clear(cache);
    CU_ASSERT(c.used == 0 && c.kept == 0);
    CU_ASSERT_EQUAL(mm_cache_let_go(cache, 1), 0);
    free(cache);
}

static CU_TestInfo tests[] = {
    {"memory is counted", test_memory_is_counted},
    {"what is kept is given back", test_cache_gives_back},
    {"what is kept is bounded", test_cache_is_bounded},
    {"one giant at a time", test_cache_of_one_giant},
    {"runs are forgotten", test_cache_forgets_runs},
    {"scores of merged images", test_scores},
    {"texts that cannot be read", test_texts_that_cannot_be_read},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_history_merge;
const mm_suite mm_suite_history_merge = {"history_merge", tests};
