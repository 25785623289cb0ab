/*
 * test_record_bytes.c - records read back as they were; damaged, cut and newer ones are refused.
 */
#include "tests/suites.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/record.h"

enum { CLASSES = 2 };

static const mm_stat stats[] = {{.kind = MM_SUM_P},
                                {.kind = MM_SUM_POS, .flags = MM_STAT_CLIP, .gamma = 2.0, .eps = 1e-7}};

static mm_images *sample(void)
{
    mm_images *images = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_images_new(&images, MM_MULTICLASS, CLASSES), MM_OK);
    for (unsigned i = 0; i < 3; i++) {
        mm_record *record = mm_images_append(images, i == 0 ? "a" : i == 1 ? "\xc3\xa4/0" : "", stats, 2, i == 1);

        CU_ASSERT_PTR_NOT_NULL_FATAL(record);
        record->voxels = (uint64_t)1 << (i * 20);
        record->scored = record->unmasked = record->voxels;
        record->label_count[1] = record->scored / 2;
        if (record->confusion != NULL)
            record->confusion[3] = 7;
        for (size_t j = 0; j < 2 * CLASSES; j++)
            record->sums[j] = 0.1 * (double)(i + 1) + (double)j;
    }
    return images;
}

static void round_trip(void)
{
    mm_images *a = sample(), *b = NULL;
    unsigned char *bytes = NULL, *again = NULL;
    size_t size = 0, size_again = 0;

    CU_ASSERT_EQUAL_FATAL(mm_images_save(a, &bytes, &size), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_images_load(&b, bytes, size), MM_OK);
    CU_ASSERT_EQUAL(b->count, 3);
    CU_ASSERT_EQUAL(mm_images_task(b), MM_MULTICLASS);
    CU_ASSERT_EQUAL(mm_images_classes(b), CLASSES);
    CU_ASSERT_STRING_EQUAL(mm_images_id(b, 1), "\xc3\xa4/0");
    CU_ASSERT_EQUAL(mm_images_merge(a, b, NULL), MM_OK); /* equal records, or this is a conflict */
    CU_ASSERT_EQUAL(a->count, 3);
    CU_ASSERT(mm_stat_equal(&b->records[0].stats[1], &stats[1]));
    CU_ASSERT_EQUAL_FATAL(mm_images_save(b, &again, &size_again), MM_OK);
    CU_ASSERT_EQUAL(size, size_again);
    CU_ASSERT_EQUAL(memcmp(bytes, again, size), 0);
    mm_images_free(a);
    mm_images_free(b);
    free(bytes);
    free(again);
}

static void refused(const unsigned char *bytes, size_t size)
{
    mm_images *images = NULL;

    CU_ASSERT_EQUAL(mm_images_load(&images, bytes, size), MM_BAD_RECORD);
    CU_ASSERT_PTR_NULL(images);
}

/* Cut at every byte (in a block of just that size, so that reading past it is seen), every bit flipped. */
static void damage(void)
{
    mm_images *a = sample();
    unsigned char *bytes = NULL;
    size_t size = 0;

    CU_ASSERT_EQUAL_FATAL(mm_images_save(a, &bytes, &size), MM_OK);
    for (size_t cut = 0; cut < size; cut++) {
        unsigned char *part = malloc(cut + 1);

        CU_ASSERT_PTR_NOT_NULL_FATAL(part);
        memcpy(part, bytes, cut);
        refused(part, cut);
        free(part);
    }
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        refused(bytes, size);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    mm_images_free(a);
    free(bytes);
}

static uint32_t crc_of(const unsigned char *bytes, size_t size)
{
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < size; i++)
        for (int bit = 0; bit < 8; bit++) {
            const uint32_t in = (crc ^ ((uint32_t)bytes[i] >> bit)) & 1u;

            crc = (crc >> 1) ^ (in ? 0xedb88320u : 0u);
        }
    return ~crc;
}

/* Mends the checksum. */
static void seal(unsigned char *bytes, size_t size)
{
    const uint32_t crc = crc_of(bytes, size - 4);

    for (size_t i = 0; i < 4; i++)
        bytes[size - 4 + i] = (unsigned char)(crc >> (8 * i));
}

/* Changes one byte of a sound file and mends the checksum: what is left are the rules themselves. */
static void with_byte(size_t at, unsigned char value, mm_status right)
{
    mm_images *a = sample(), *b = NULL;
    unsigned char *bytes = NULL;
    size_t size = 0;

    CU_ASSERT_EQUAL_FATAL(mm_images_save(a, &bytes, &size), MM_OK);
    bytes[at] = value;
    seal(bytes, size);
    CU_ASSERT_EQUAL(mm_images_load(&b, bytes, size), right);
    mm_images_free(a);
    mm_images_free(b);
    free(bytes);
}

static void rules(void)
{
    with_byte(8, 1, MM_OK);            /* the version as it is: the mended checksum is right */
    with_byte(8, 2, MM_BAD_RECORD);    /* a newer version */
    with_byte(10, 0, MM_BAD_RECORD);   /* no task */
    with_byte(12, 0, MM_BAD_RECORD);   /* no classes */
    with_byte(15, 255, MM_BAD_RECORD); /* four thousand million classes */
    with_byte(16, 4, MM_BAD_RECORD);   /* one record more than there is */
    with_byte(16, 2, MM_BAD_RECORD);   /* one less: bytes left over */
    with_byte(19, 255, MM_BAD_RECORD);
    with_byte(20, 2, MM_BAD_RECORD);    /* a list of columns more than there is */
    with_byte(22, 255, MM_BAD_RECORD);  /* more columns than bytes */
    with_byte(23, 63, MM_BAD_RECORD);   /* a kind that this version does not have */
    with_byte(25, 9, MM_BAD_RECORD);    /* a form that it does not have */
    with_byte(157, 255, MM_BAD_RECORD); /* an id past the end */
    with_byte(160, 1, MM_BAD_RECORD);   /* a list that is not there */
    with_byte(162, 2, MM_BAD_RECORD);   /* neither with nor without a confusion table */
    with_byte(163, 0, MM_BAD_RECORD);   /* more scored than there are */
    with_byte(164, 2, MM_BAD_RECORD);   /* more scored than are not masked */
}

/* Two columns of a list that say the same could not be told apart. */
static void column_twice(void)
{
    enum { FIRST = 23, SECOND = 90, COLUMN = 67 };
    mm_images *a = sample();
    unsigned char *bytes = NULL;
    size_t size = 0;

    CU_ASSERT_EQUAL_FATAL(mm_images_save(a, &bytes, &size), MM_OK);
    memcpy(bytes + SECOND, bytes + FIRST, COLUMN);
    seal(bytes, size);
    refused(bytes, size);
    mm_images_free(a);
    free(bytes);
}

/* Any bytes behind a right checksum: never a crash, never more memory than the bytes can mean. */
static void noise(void)
{
    mm_images *a = sample();
    unsigned char *bytes = NULL;
    size_t size = 0;

    CU_ASSERT_EQUAL_FATAL(mm_images_save(a, &bytes, &size), MM_OK);
    srand48(3);
    for (int round = 0; round < 20000; round++) {
        mm_images *b = NULL;
        const size_t at = 10 + (size_t)(drand48() * (double)(size - 14));
        const unsigned char was = bytes[at];

        bytes[at] = (unsigned char)(drand48() * 256.0);
        seal(bytes, size);
        const mm_status status = mm_images_load(&b, bytes, size);

        CU_ASSERT(status == MM_OK || status == MM_BAD_RECORD);
        mm_images_free(b);
        bytes[at] = was;
    }
    mm_images_free(a);
    free(bytes);
}

/* What the C library has handed out, by its own count; 0 with an allocator that does not count. */
static size_t allocated(void)
{
    const struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* Of a set of that shape, once it has been saved: what loading it takes, and what was foretold. */
static void foretell(size_t count, size_t classes, size_t columns, int confusion)
{
    mm_images *images = NULL, *loaded = NULL;
    unsigned char *bytes = NULL;
    size_t size = 0, before, taken;
    char id[32];

    CU_ASSERT_EQUAL_FATAL(mm_images_new(&images, MM_MULTICLASS, classes), MM_OK);
    for (size_t i = 0; i < count; i++) {
        snprintf(id, sizeof id, "%zu", i);
        CU_ASSERT_PTR_NOT_NULL_FATAL(mm_images_append(images, id, stats, columns, confusion));
    }
    CU_ASSERT_EQUAL_FATAL(mm_images_save(images, &bytes, &size), MM_OK);
    mm_images_free(images);
    before = allocated();
    CU_ASSERT_EQUAL_FATAL(mm_images_load(&loaded, bytes, size), MM_OK);
    taken = allocated() - before;
    CU_ASSERT(taken <= mm_images_memory(loaded));
    CU_ASSERT(taken == 0 || mm_images_memory(loaded) < 3 * taken + 8192);
    CU_ASSERT(mm_images_memory(loaded) <= mm_images_bound(count, classes, size));
    CU_ASSERT(taken == 0 || mm_images_bound(count, classes, size) < 6 * taken + 8192);
    mm_images_free(loaded);
    free(bytes);
}

/* The bound holds, and is no more than a few times what is taken, whatever the bytes are spent on. */
static void bound(void)
{
    foretell(0, 1, 0, 0);
    foretell(1, 1, 0, 0);
    foretell(100000, 1, 0, 0); /* mostly tables and blocks */
    foretell(65537, 1, 1, 0);  /* tables that have just doubled */
    foretell(1000, 1, sizeof stats / sizeof stats[0], 0);
    foretell(20, 4096, 0, 0);
    foretell(20, 500, 1, 0);
    foretell(2, 2000, 0, 1); /* counts of one byte: eight times their bytes */
    foretell(500, 19, 1, 1);
    CU_ASSERT_EQUAL(mm_images_bound(SIZE_MAX / 2, 4096, 1000), SIZE_MAX);
    CU_ASSERT_EQUAL(mm_images_bound(1000, SIZE_MAX / 2, 1000), SIZE_MAX);
}

static CU_TestInfo tests[] = {
    {"how much they can take", bound},
    {"round trip", round_trip},
    {"cut and flipped", damage},
    {"one rule broken at a time", rules},
    {"a column twice", column_twice},
    {"noise behind a right checksum", noise},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_record_bytes = {"record_bytes", tests};
