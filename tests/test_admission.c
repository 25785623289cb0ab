/*
 * test_admission.c - the memory budget is kept, and touched memory is used again.
 */
#include "tests/suites.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/admission.h"

#define MIB ((size_t)1 << 20)

static mm_admission *new_admission(size_t budget)
{
    mm_admission *admission = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_admission_new(&admission, budget), MM_OK);
    CU_ASSERT_EQUAL(mm_admission_limit(admission), budget);
    return admission;
}

/* NULL when it is refused. */
static mm_buffer *take(mm_admission *admission, size_t room)
{
    mm_buffer *buffer = NULL;

    if (mm_buffer_take(&buffer, admission, NULL, room) != MM_OK)
        return NULL;
    CU_ASSERT_EQUAL(buffer->room, room);
    return buffer;
}

static size_t resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fscanf(file, "%*u %lu", &pages), 1);
    (void)fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void test_small(void)
{
    mm_admission *a = new_admission(MIB);
    mm_buffer *empty = take(a, 0), *small = take(a, MM_SMALL_BODY);

    CU_ASSERT_PTR_NOT_NULL_FATAL(empty);
    CU_ASSERT_PTR_NOT_NULL_FATAL(small);
    memset(small->data, 1, small->room);
    CU_ASSERT_EQUAL(mm_admission_used(a), MM_SMALL_BODY);
    mm_buffer_give(a, small, MM_SMALL_BODY);
    mm_buffer_give(a, empty, 0);
    mm_buffer_give(a, NULL, 0);
    CU_ASSERT_EQUAL(mm_admission_used(a), 0);
    CU_ASSERT_EQUAL(mm_admission_idle(a), 0); /* small ones are not kept */
    mm_admission_free(a);
    mm_admission_free(NULL);
}

static void test_budget(void)
{
    mm_admission *a = new_admission(10 * MIB);
    mm_buffer *first = take(a, 6 * MIB);

    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT_PTR_NULL(take(a, 5 * MIB));
    CU_ASSERT_PTR_NULL(take(a, 11 * MIB));
    CU_ASSERT_PTR_NULL(take(a, SIZE_MAX));
    CU_ASSERT_PTR_NULL(take(a, SIZE_MAX - 100));
    CU_ASSERT_EQUAL(mm_admission_used(a), 6 * MIB);
    CU_ASSERT_EQUAL(mm_admission_reserve(a, NULL, 4 * MIB), MM_OK);
    CU_ASSERT_EQUAL(mm_admission_reserve(a, NULL, 1), MM_NO_MEMORY);
    CU_ASSERT_EQUAL(mm_admission_reserve(a, NULL, SIZE_MAX), MM_NO_MEMORY);
    CU_ASSERT_PTR_NULL(take(a, 1));
    mm_admission_release(a, NULL, 4 * MIB);
    mm_buffer_give(a, first, 0);
    CU_ASSERT_EQUAL(mm_admission_used(a), 0);
    mm_admission_free(a);
}

/* The next body gets the pages of the last one, and the memory of the process does not grow. */
static void test_reuse(void)
{
    mm_admission *a = new_admission(64 * MIB);
    const unsigned char *data = NULL;
    size_t before = 0;

    for (int i = 0; i < 20; i++) {
        mm_buffer *buffer = take(a, 32 * MIB);

        CU_ASSERT_PTR_NOT_NULL_FATAL(buffer);
        if (data != NULL)
            CU_ASSERT_PTR_EQUAL(buffer->data, data);
        data = buffer->data;
        memset(buffer->data, i, buffer->room);
        if (i == 0)
            before = resident();
        mm_buffer_give(a, buffer, buffer->room);
        CU_ASSERT_EQUAL(mm_admission_idle(a), 32 * MIB);
        CU_ASSERT_EQUAL(mm_admission_used(a), 0);
    }
    CU_ASSERT_TRUE(resident() < before + 4 * MIB);
    mm_admission_free(a);
}

/* A buffer that is too small grows rather than that a second one is touched. */
static void test_reuse_grows(void)
{
    mm_admission *a = new_admission(64 * MIB);
    mm_buffer *buffer = take(a, 8 * MIB);

    CU_ASSERT_PTR_NOT_NULL_FATAL(buffer);
    memset(buffer->data, 1, buffer->room);
    mm_buffer_give(a, buffer, buffer->room);
    buffer = take(a, 40 * MIB);
    CU_ASSERT_PTR_NOT_NULL_FATAL(buffer);
    CU_ASSERT_EQUAL(mm_admission_idle(a), 0);
    CU_ASSERT_EQUAL(mm_admission_used(a), 40 * MIB);
    memset(buffer->data, 2, buffer->room);
    mm_buffer_give(a, buffer, 10 * MIB);
    CU_ASSERT_EQUAL(mm_admission_idle(a), 10 * MIB); /* what was written, not what was admitted */
    mm_admission_free(a);
}

/* Of several idle buffers, the one that fits best; a huge one is not spent on a small body. */
static void test_choice(void)
{
    static const size_t sizes[] = {4 * MIB, 16 * MIB, 8 * MIB};
    mm_admission *a = new_admission(128 * MIB);
    mm_buffer *buffers[3], *taken;
    const unsigned char *data[3];

    for (size_t i = 0; i < 3; i++) {
        buffers[i] = take(a, sizes[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(buffers[i]);
        data[i] = buffers[i]->data;
    }
    for (size_t i = 0; i < 3; i++)
        mm_buffer_give(a, buffers[i], sizes[i]);
    taken = take(a, 7 * MIB);
    CU_ASSERT_PTR_NOT_NULL_FATAL(taken);
    CU_ASSERT_PTR_EQUAL(taken->data, data[2]);
    CU_ASSERT_EQUAL(mm_admission_used(a), 8 * MIB); /* with the pages that it brings */
    mm_buffer_give(a, taken, 7 * MIB);
    taken = take(a, 100000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(taken);
    CU_ASSERT_TRUE(taken->data != data[0] && taken->data != data[1] && taken->data != data[2]);
    mm_buffer_give(a, taken, 100000);
    mm_admission_free(a);
}

/* Idle pages give way to whoever needs the room. */
static void test_idle_gives_way(void)
{
    mm_admission *a = new_admission(32 * MIB);
    mm_buffer *first = take(a, 8 * MIB), *second = take(a, 16 * MIB);

    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT_PTR_NOT_NULL_FATAL(second);
    mm_buffer_give(a, first, 8 * MIB);
    mm_buffer_give(a, second, 16 * MIB);
    CU_ASSERT_EQUAL(mm_admission_idle(a), 24 * MIB);
    CU_ASSERT_EQUAL(mm_admission_reserve(a, NULL, 12 * MIB), MM_OK);
    CU_ASSERT_EQUAL(mm_admission_idle(a), 16 * MIB);
    first = take(a, 20 * MIB);
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT_EQUAL(mm_admission_used(a), 32 * MIB);
    CU_ASSERT_EQUAL(mm_admission_idle(a), 0);
    mm_buffer_give(a, first, 20 * MIB);
    CU_ASSERT_EQUAL(mm_admission_reserve(a, NULL, 20 * MIB), MM_OK);
    CU_ASSERT_EQUAL(mm_admission_idle(a), 0);
    mm_admission_release(a, NULL, 32 * MIB);
    mm_admission_free(a);
}

/* What was written stays through all kinds of growth. */
static void test_grow(void)
{
    mm_admission *a = new_admission(32 * MIB);
    mm_buffer *buffer = take(a, 100);
    static const size_t rooms[] = {1000, 65536, 65537, 3 * MIB, 20 * MIB};
    size_t filled = 100;

    CU_ASSERT_PTR_NOT_NULL_FATAL(buffer);
    for (size_t i = 0; i < filled; i++)
        buffer->data[i] = (unsigned char)(i % 251);
    for (size_t r = 0; r < sizeof rooms / sizeof rooms[0]; r++) {
        size_t wrong = 0;

        CU_ASSERT_EQUAL(mm_buffer_grow(a, buffer, rooms[r]), MM_OK);
        CU_ASSERT_EQUAL(buffer->room, rooms[r]);
        for (size_t i = 0; i < filled; i++)
            wrong += buffer->data[i] != (unsigned char)(i % 251);
        CU_ASSERT_EQUAL(wrong, 0);
        for (; filled < rooms[r]; filled++)
            buffer->data[filled] = (unsigned char)(filled % 251);
    }
    CU_ASSERT_EQUAL(mm_buffer_grow(a, buffer, 33 * MIB), MM_NO_MEMORY);
    CU_ASSERT_EQUAL(buffer->room, 20 * MIB);
    CU_ASSERT_EQUAL(mm_buffer_grow(a, buffer, 5), MM_OK); /* it never shrinks */
    CU_ASSERT_EQUAL(buffer->room, 20 * MIB);
    CU_ASSERT_EQUAL(mm_admission_used(a), 20 * MIB);
    mm_buffer_give(a, buffer, filled);
    CU_ASSERT_EQUAL(mm_admission_used(a), 0);
    mm_admission_free(a);
}

typedef struct shared {
    mm_admission *admission;
    pthread_mutex_t lock;
    size_t refused;
} shared;

static void *take_and_give(void *context)
{
    shared *s = context;
    unsigned seed = (unsigned)(size_t)pthread_self();

    for (int i = 0; i < 300; i++) {
        const size_t room = (size_t)rand_r(&seed) % (3 * MIB);
        mm_buffer *buffer = NULL;

        if (mm_buffer_take(&buffer, s->admission, NULL, room) != MM_OK) {
            pthread_mutex_lock(&s->lock);
            s->refused++;
            pthread_mutex_unlock(&s->lock);
            continue;
        }
        if (room > 0)
            buffer->data[room - 1] = 1;
        (void)mm_buffer_grow(s->admission, buffer, room + 5000);
        mm_buffer_give(s->admission, buffer, room);
    }
    return NULL;
}

static void test_threads(void)
{
    shared s = {.admission = new_admission(6 * MIB), .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[4];

    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, take_and_give, &s), 0);
    for (size_t i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(mm_admission_used(s.admission), 0);
    CU_ASSERT_TRUE(mm_admission_idle(s.admission) <= 6 * MIB);
    CU_ASSERT_TRUE(s.refused < 1200);
    mm_admission_free(s.admission);
}

/* ------------------------------------------------------------------ fairness */

/* A request of somebody, with its body. */
typedef struct upload {
    mm_claim claim;
    mm_buffer *buffer; /* NULL: it was refused */
} upload;

static upload *begin(mm_admission *a, const char *identity, size_t room)
{
    upload *up = calloc(1, sizeof *up);

    CU_ASSERT_PTR_NOT_NULL_FATAL(up);
    mm_claim_open(&up->claim, a, identity);
    if (mm_buffer_take(&up->buffer, a, &up->claim, room) != MM_OK)
        up->buffer = NULL;
    return up;
}

static int end(mm_admission *a, upload *up)
{
    const int had = up->buffer != NULL;

    mm_buffer_give(a, up->buffer, 0);
    mm_claim_close(&up->claim);
    free(up);
    return had;
}

/* As many uploads of one identity as it gets, up to `most`; how many. */
static size_t flood(mm_admission *a, upload **ups, size_t most, const char *identity, size_t room)
{
    size_t count = 0;

    while (count < most) {
        ups[count] = begin(a, identity, room);
        if (ups[count]->buffer == NULL) {
            (void)end(a, ups[count]);
            break;
        }
        count++;
    }
    return count;
}

/* Alone one identity fills all that bodies may have, and what it has let in can still be scored. */
static void test_alone(void)
{
    mm_admission *a = new_admission(64 * MIB);
    upload *ups[100];
    const size_t count = flood(a, ups, 100, "one", MIB);

    CU_ASSERT_EQUAL(count, 56);
    CU_ASSERT_EQUAL(mm_admission_reserve(a, &ups[0]->claim, 6 * MIB), MM_OK);
    CU_ASSERT_EQUAL(ups[0]->claim.held, 7 * MIB);
    CU_ASSERT_EQUAL(mm_admission_reserve(a, &ups[1]->claim, MIB), MM_NO_MEMORY); /* the rest is for small ones */
    for (size_t i = 0; i < count; i++)
        (void)end(a, ups[i]);
    CU_ASSERT_EQUAL(mm_admission_used(a), 0);
    CU_ASSERT_EQUAL(mm_admission_count(a).admitted, 56);
    CU_ASSERT_EQUAL(mm_admission_count(a).no_room, 2);
    mm_admission_free(a);
}

/* Small requests of all go through while large ones fill the rest; but not so many of one that no other's do. */
static void test_small_part(void)
{
    mm_admission *a = new_admission(64 * MIB);
    upload *ups[100], *small[100];
    const size_t large = flood(a, ups, 100, "one", MIB);
    size_t count;

    CU_ASSERT_EQUAL(mm_admission_reserve(a, &ups[0]->claim, 6 * MIB), MM_OK);
    count = flood(a, small, 100, "one", MM_SMALL_BODY);
    CU_ASSERT_EQUAL(count, MIB / MM_SMALL_BODY);
    CU_ASSERT_EQUAL(flood(a, small + count, 8, "two", MM_SMALL_BODY), 8);
    for (size_t i = 0; i < count + 8; i++)
        (void)end(a, small[i]);
    for (size_t i = 0; i < large; i++)
        (void)end(a, ups[i]);
    CU_ASSERT_EQUAL(mm_admission_used(a), 0);
    mm_admission_free(a);
}

/* One fills everything; another asks and is refused.  From then on the first gets no more than its half, so that the
 * other is let in as soon as one of the first has ended. */
static void test_shares(void)
{
    mm_admission *a = new_admission(64 * MIB);
    upload *ups[100], *others[100];
    size_t count = flood(a, ups, 100, "flood", MIB), other = 0;

    CU_ASSERT_FALSE(end(a, begin(a, "other", 4 * MIB)));
    for (int i = 0; i < 4; i++) {
        (void)end(a, ups[--count]);
        CU_ASSERT_FALSE(end(a, begin(a, "flood", MIB)));
    }
    others[other++] = begin(a, "other", 4 * MIB);
    CU_ASSERT_PTR_NOT_NULL(others[0]->buffer);
    CU_ASSERT_TRUE(mm_admission_count(a).over_share >= 4);
    while (count > 20)
        (void)end(a, ups[--count]);
    count += flood(a, ups + count, 100 - count, "flood", MIB);
    CU_ASSERT_EQUAL(count, 28);
    other += flood(a, others + other, 99, "other", 4 * MIB);
    CU_ASSERT_EQUAL(other, 7);
    for (size_t i = 0; i < count; i++)
        (void)end(a, ups[i]);
    for (size_t i = 0; i < other; i++)
        (void)end(a, others[i]);
    CU_ASSERT_EQUAL(mm_admission_used(a), 0);
    mm_admission_free(a);
}

/* A large body between small ones of the same identity: what it needs is kept free as it becomes free. */
static void test_promise(void)
{
    mm_admission *a = new_admission(64 * MIB);
    upload *ups[100], *large = NULL;
    size_t count = flood(a, ups, 100, "one", MIB), tries = 0;

    while (large == NULL && count > 0) {
        large = begin(a, "one", 40 * MIB);
        if (large->buffer != NULL)
            break;
        (void)end(a, large);
        large = NULL;
        (void)end(a, ups[--count]);
        CU_ASSERT_FALSE(end(a, begin(a, "one", MIB))); /* the flood goes on, but the room is promised */
        tries++;
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(large);
    CU_ASSERT_EQUAL(tries, 40);
    CU_ASSERT_EQUAL(mm_admission_used(a), 56 * MIB);
    (void)end(a, large);
    CU_ASSERT_TRUE(end(a, begin(a, "one", MIB))); /* it was used: nothing is promised any more */
    while (count > 0)
        (void)end(a, ups[--count]);
    CU_ASSERT_EQUAL(mm_admission_used(a), 0);
    mm_admission_free(a);
}

/* What the server keeps, in pieces of 10 MiB. */
typedef struct keeper {
    size_t pieces, asked;
} keeper;

static size_t let_go(void *context, size_t bytes)
{
    keeper *k = context;
    size_t freed = 0;

    k->asked = bytes;
    for (; freed < bytes && k->pieces > 0; k->pieces--)
        freed += 10 * MIB;
    return freed;
}

/* What is kept counts as idle and makes way for whoever needs the room; idle buffers go first. */
static void test_kept(void)
{
    mm_admission *a = new_admission(100 * MIB);
    keeper k = {.pieces = 6};
    mm_buffer *buffer = take(a, 20 * MIB);

    mm_admission_set_keeper(a, let_go, &k);
    CU_ASSERT_PTR_NOT_NULL_FATAL(buffer);
    mm_buffer_give(a, buffer, 20 * MIB);
    CU_ASSERT_EQUAL(mm_admission_reserve(a, NULL, 60 * MIB), MM_OK);
    mm_admission_keep(a, 60 * MIB);
    CU_ASSERT_EQUAL(mm_admission_used(a), 0);
    CU_ASSERT_EQUAL(mm_admission_idle(a), 80 * MIB);
    CU_ASSERT_EQUAL(mm_admission_reserve(a, NULL, 30 * MIB), MM_OK);
    CU_ASSERT_EQUAL(k.pieces, 6);
    CU_ASSERT_EQUAL(mm_admission_reserve(a, NULL, 25 * MIB), MM_OK);
    CU_ASSERT_EQUAL(k.asked, 15 * MIB);
    CU_ASSERT_EQUAL(mm_admission_idle(a), 40 * MIB);
    k.pieces--; /* one is on its way to be used */
    CU_ASSERT_EQUAL(mm_admission_reserve(a, NULL, 45 * MIB), MM_NO_MEMORY);
    CU_ASSERT_EQUAL(mm_admission_used(a), 55 * MIB);
    CU_ASSERT_EQUAL(mm_admission_idle(a), 10 * MIB);
    mm_admission_use(a, 10 * MIB);
    CU_ASSERT_EQUAL(mm_admission_used(a), 65 * MIB);
    CU_ASSERT_EQUAL(mm_admission_reserve(a, NULL, 35 * MIB), MM_OK);
    mm_admission_release(a, NULL, 100 * MIB);
    mm_admission_free(a);
}

/* A buffer whose room is not there after all goes back to the pool. */
static void test_kept_on_its_way(void)
{
    mm_admission *a = new_admission(100 * MIB);
    keeper k = {.pieces = 0};
    mm_buffer *buffer = take(a, 10 * MIB);

    mm_admission_set_keeper(a, let_go, &k);
    CU_ASSERT_PTR_NOT_NULL_FATAL(buffer);
    mm_buffer_give(a, buffer, 10 * MIB);
    CU_ASSERT_EQUAL(mm_admission_reserve(a, NULL, 60 * MIB), MM_OK);
    mm_admission_keep(a, 60 * MIB);
    CU_ASSERT_PTR_NULL(take(a, 50 * MIB));
    CU_ASSERT_EQUAL(mm_admission_used(a), 0);
    CU_ASSERT_EQUAL(mm_admission_idle(a), 70 * MIB);
    mm_admission_use(a, 60 * MIB);
    mm_admission_release(a, NULL, 60 * MIB);
    buffer = take(a, 50 * MIB);
    CU_ASSERT_PTR_NOT_NULL(buffer);
    mm_buffer_give(a, buffer, 0);
    mm_admission_free(a);
}

static CU_TestInfo tests[] = {
    {"what the server keeps makes way", test_kept},
    {"what it keeps is on its way", test_kept_on_its_way},
    {"one alone has everything", test_alone},
    {"small ones go through", test_small_part},
    {"shares", test_shares},
    {"a large one between others", test_promise},
    {"small bodies", test_small},
    {"the budget", test_budget},
    {"pages are used again", test_reuse},
    {"a kept buffer grows", test_reuse_grows},
    {"the best of several", test_choice},
    {"idle pages give way", test_idle_gives_way},
    {"growth keeps what was written", test_grow},
    {"threads", test_threads},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_admission = {"admission", tests};
