/*
 * test_body.c - bodies as they arrive: whole, coded, bad, too large, and over the budget.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "server/body.h"

#define MIB ((size_t)1 << 20)

/* A file with one tensor of `size` bytes that hardly compress; free() it. */
static unsigned char *make_file(size_t size, size_t *file_size)
{
    unsigned char *data = malloc(size), *file = NULL;
    mm_wire_item item = {"pred", {.dtype = MM_U8, .rank = 1, .dim = {size}}};
    unsigned seed = 3;

    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)rand_r(&seed);
    item.tensor.data = data;
    CU_ASSERT_EQUAL_FATAL(mm_wire_write(&file, file_size, &item, 1, NULL, 0, NULL), MM_WIRE_OK);
    free(data);
    return file;
}

static unsigned char *compress_file(const unsigned char *file, size_t size, size_t *packed_size)
{
    const size_t room = ZSTD_compressBound(size);
    unsigned char *packed = malloc(room);

    CU_ASSERT_PTR_NOT_NULL_FATAL(packed);
    *packed_size = ZSTD_compress(packed, room, file, size, 1);
    CU_ASSERT_FALSE_FATAL(ZSTD_isError(*packed_size));
    return packed;
}

/* Sends it in pieces; the fault of the whole. */
static int send(mm_body *body, const unsigned char *bytes, size_t size, size_t piece)
{
    for (size_t at = 0; at < size; at += piece)
        mm_body_receive(body, bytes + at, size - at < piece ? size - at : piece);
    return mm_body_end(body);
}

static mm_admission *budget(size_t bytes)
{
    mm_admission *admission = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_admission_new(&admission, bytes), MM_OK);
    return admission;
}

/* Nothing is held any more. */
static void finish(mm_body *body, mm_admission *admission)
{
    mm_body_close(body);
    mm_body_close(body);
    CU_ASSERT_EQUAL(mm_admission_used(admission), 0);
    mm_admission_free(admission);
}

/* The file comes out as it was, whatever the pieces and the coding. */
static void test_whole(void)
{
    static const size_t sizes[] = {10, 5000, 65536, 3000000}, pieces[] = {7, 32768, 10000000};
    size_t wrong = 0;

    for (size_t s = 0; s < 4; s++) {
        size_t size, packed_size;
        unsigned char *file = make_file(sizes[s], &size), *packed = compress_file(file, size, &packed_size);

        for (size_t p = s == 3; p < 3; p++)
            for (int coded = 0; coded < 2; coded++) {
                mm_admission *admission = budget(64 * MIB);
                mm_body body = {0};
                const size_t length = coded ? packed_size : size;

                CU_ASSERT_EQUAL(mm_body_open(&body, admission, NULL, 32 * MIB, length, coded ? "zstd" : NULL), MM_OK);
                CU_ASSERT_EQUAL(send(&body, coded ? packed : file, length, pieces[p]), 0);
                wrong += body.filled != size || memcmp(body.buffer->data, file, size) != 0 ||
                         mm_wire_find(body.wire, "pred") == NULL;
                finish(&body, admission);
            }
        free(packed);
        free(file);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* A bad file is known at once, its room given back, and the rest ignored. */
static void test_fault_drops_the_room(void)
{
    static const unsigned char bad[16] = {255, 255, 255, 255, 255, 255, 255, 255};
    mm_admission *admission = budget(64 * MIB);
    mm_body body = {0};

    CU_ASSERT_EQUAL(mm_body_open(&body, admission, NULL, 32 * MIB, 20 * MIB, NULL), MM_OK);
    CU_ASSERT_EQUAL(mm_admission_used(admission), 20 * MIB);
    mm_body_receive(&body, bad, sizeof bad);
    CU_ASSERT_EQUAL(body.fault, 400);
    CU_ASSERT_EQUAL(mm_admission_used(admission), 0);
    mm_body_receive(&body, bad, sizeof bad);
    CU_ASSERT_EQUAL(mm_body_end(&body), 400);
    CU_ASSERT_NOT_EQUAL(body.problem.text[0], '\0');
    finish(&body, admission);
}

static void test_statuses(void)
{
    static const char bad_dtype[] =
        "\x3a\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}    \0\0\0\0";
    static const unsigned char garbage[] = "this is not zstd at all";
    mm_admission *admission = budget(64 * MIB);
    mm_body body = {0};

    CU_ASSERT_EQUAL(mm_body_open(&body, admission, NULL, MIB, sizeof bad_dtype - 1, NULL), MM_OK);
    CU_ASSERT_EQUAL(send(&body, (const unsigned char *)bad_dtype, sizeof bad_dtype - 1, 9), 422);
    mm_body_close(&body);
    CU_ASSERT_EQUAL(mm_body_open(&body, admission, NULL, MIB, sizeof garbage, "zstd"), MM_OK);
    CU_ASSERT_EQUAL(send(&body, garbage, sizeof garbage, 5), 400);
    mm_body_close(&body);
    CU_ASSERT_EQUAL(mm_body_open(&body, admission, NULL, MIB, 0, NULL), MM_OK);
    CU_ASSERT_EQUAL(mm_body_end(&body), 400); /* empty */
    mm_body_close(&body);
    CU_ASSERT_EQUAL(mm_body_open(&body, admission, NULL, MIB, 3, NULL), MM_OK);
    mm_body_receive(&body, "abcd", 4); /* more than was announced */
    CU_ASSERT_EQUAL(body.fault, 413);
    finish(&body, admission);
}

static void test_truncated(void)
{
    size_t size, packed_size;
    unsigned char *file = make_file(1000, &size), *packed = compress_file(file, size, &packed_size);
    mm_admission *admission = budget(64 * MIB);
    mm_body body = {0};

    CU_ASSERT_EQUAL(mm_body_open(&body, admission, NULL, MIB, size - 1, NULL), MM_OK);
    CU_ASSERT_EQUAL(send(&body, file, size - 1, 100), 400);
    mm_body_close(&body);
    CU_ASSERT_EQUAL(mm_body_open(&body, admission, NULL, MIB, packed_size - 1, "zstd"), MM_OK);
    CU_ASSERT_EQUAL(send(&body, packed, packed_size - 1, 100), 400);
    finish(&body, admission);
    free(packed);
    free(file);
}

/* A coded body beyond the limit is 413: told by the file's own header when that is true, by its length when not. */
static void test_too_large(void)
{
    size_t size, packed_size;
    unsigned char *file = make_file(3 * MIB, &size), *packed = compress_file(file, size, &packed_size);
    mm_admission *admission = budget(64 * MIB);
    mm_body body = {0};

    CU_ASSERT_EQUAL(mm_body_open(&body, admission, NULL, 2 * MIB, 100, "zstd"), MM_OK);
    for (size_t at = 0; at < packed_size && body.fault == 0; at += 65536)
        mm_body_receive(&body, packed + at, packed_size - at < 65536 ? packed_size - at : 65536);
    CU_ASSERT_TRUE(body.filled <= 65536); /* long before the end */
    CU_ASSERT_EQUAL(mm_body_end(&body), 413);
    CU_ASSERT_PTR_NOT_NULL(strstr(body.problem.text, "2097152 bytes"));
    mm_body_close(&body);
    CU_ASSERT_EQUAL(mm_body_open(&body, admission, NULL, 1000, 10, "zstd"), MM_OK);
    CU_ASSERT_EQUAL(body.buffer->room, 1000);
    CU_ASSERT_EQUAL(send(&body, packed, packed_size, packed_size), 413);
    finish(&body, admission);
    free(packed);
    free(file);
}

static void test_over_budget(void)
{
    size_t size, packed_size;
    unsigned char *file = make_file(8 * MIB, &size), *packed = compress_file(file, size, &packed_size);
    const size_t decoder = mm_coding_memory("zstd");
    mm_admission *admission = budget(decoder + 12 * MIB);
    mm_body body = {0};

    CU_ASSERT_EQUAL(mm_body_open(&body, admission, NULL, 64 * MIB, decoder + 13 * MIB, NULL), MM_NO_MEMORY);
    mm_body_close(&body);
    CU_ASSERT_EQUAL(mm_admission_reserve(admission, NULL, 12 * MIB + 1), MM_OK);
    CU_ASSERT_EQUAL(mm_body_open(&body, admission, NULL, 64 * MIB, 100, "zstd"), MM_NO_MEMORY);
    mm_body_close(&body);
    mm_admission_release(admission, NULL, 12 * MIB + 1);
    /* the guess fits, what comes out does not */
    CU_ASSERT_EQUAL(mm_admission_reserve(admission, NULL, 8 * MIB), MM_OK);
    CU_ASSERT_EQUAL(mm_body_open(&body, admission, NULL, 64 * MIB, 100, "zstd"), MM_OK);
    CU_ASSERT_EQUAL(send(&body, packed, packed_size, 65536), 503);
    CU_ASSERT_EQUAL(mm_admission_used(admission), 8 * MIB + decoder);
    mm_body_close(&body);
    mm_admission_release(admission, NULL, 8 * MIB);
    /* the file's header spares the last doubling */
    CU_ASSERT_EQUAL(mm_body_open(&body, admission, NULL, 64 * MIB, 5 * MIB, "zstd"), MM_OK);
    CU_ASSERT_EQUAL(send(&body, packed, packed_size, 65536), 0);
    CU_ASSERT_EQUAL(body.buffer->room, size);
    finish(&body, admission);
    free(packed);
    free(file);
}

static CU_TestInfo tests[] = {
    {"whole files", test_whole},
    {"a fault drops the room", test_fault_drops_the_room},
    {"statuses", test_statuses},
    {"truncated", test_truncated},
    {"too large", test_too_large},
    {"over the budget", test_over_budget},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_body = {"body", tests};
