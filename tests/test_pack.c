/*
 * test_pack.c - tags that name bytes, 304 for what the client has, gzip for those that take it
 */
#include "tests/suites.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "server/pack.h"

/* `size` bytes that repeat, so that they can be compressed. */
static char *some_bytes(size_t size, char first)
{
    char *bytes = malloc(size + 1);

    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)('a' + i % 7);
    bytes[0] = first;
    return bytes;
}

static mm_packed pack(const mm_call *call, size_t size, char first, size_t tagged)
{
    mm_packed packed;

    mm_pack(&packed, call, some_bytes(size, first), size, tagged);
    return packed;
}

static void test_tags(void)
{
    mm_call call = {.accepts_gzip = 0};
    mm_packed one = pack(&call, 5000, 'x', 5000), same = pack(&call, 5000, 'x', 5000);
    mm_packed other = pack(&call, 5000, 'y', 5000), shorter = pack(&call, 4999, 'x', 4999);

    CU_ASSERT_EQUAL(one.status, 200);
    CU_ASSERT_EQUAL(one.size, 5000);
    CU_ASSERT_EQUAL(one.tag[0], '"');
    CU_ASSERT_STRING_EQUAL(one.tag, same.tag);
    CU_ASSERT_STRING_NOT_EQUAL(one.tag, other.tag);
    CU_ASSERT_STRING_NOT_EQUAL(one.tag, shorter.tag);
    mm_packed_free(&one);
    mm_packed_free(&same);
    mm_packed_free(&other);
    mm_packed_free(&shorter);
}

/* What is not tagged does not matter; the tag says that it may differ. */
static void test_weak_tags(void)
{
    mm_call call = {.accepts_gzip = 0};
    mm_packed one = pack(&call, 100, 'x', 50), longer = pack(&call, 200, 'x', 50);

    CU_ASSERT_EQUAL(strncmp(one.tag, "W/\"", 3), 0);
    CU_ASSERT_STRING_EQUAL(one.tag, longer.tag);
    mm_packed_free(&one);
    mm_packed_free(&longer);
}

static void test_not_modified(void)
{
    mm_call call = {.accepts_gzip = 1};
    mm_packed first = pack(&call, 5000, 'x', 5000);
    char list[128] = "\"other\", W/";

    strcat(list, first.tag);
    call.if_none_match = list;
    mm_packed second = pack(&call, 5000, 'x', 5000), changed = pack(&call, 5000, 'y', 5000);

    CU_ASSERT_EQUAL(second.status, 304);
    CU_ASSERT_PTR_NULL(second.bytes);
    CU_ASSERT_STRING_EQUAL(second.tag, first.tag);
    CU_ASSERT_EQUAL(changed.status, 200);
    call.accepts_gzip = 0; /* it asks for the other coding, and has this one */
    mm_packed third = pack(&call, 5000, 'x', 5000);

    CU_ASSERT_EQUAL(third.status, 304);
    mm_packed_free(&first);
    mm_packed_free(&second);
    mm_packed_free(&changed);
    mm_packed_free(&third);
}

static void test_gzip(void)
{
    mm_call call = {.accepts_gzip = 1};
    mm_packed small = pack(&call, MM_PACK_LEAST - 1, 'x', MM_PACK_LEAST - 1), large = pack(&call, 50000, 'x', 50000);
    unsigned char out[50000];
    z_stream stream = {.next_in = (unsigned char *)large.bytes,
                       .avail_in = (unsigned)large.size,
                       .next_out = out,
                       .avail_out = sizeof out};
    char *expected = some_bytes(50000, 'x');

    CU_ASSERT_FALSE(small.gzip);
    CU_ASSERT_TRUE_FATAL(large.gzip);
    CU_ASSERT(large.size < 5000);
    CU_ASSERT_EQUAL(inflateInit2(&stream, 15 + 16), Z_OK);
    CU_ASSERT_EQUAL(inflate(&stream, Z_FINISH), Z_STREAM_END);
    CU_ASSERT_EQUAL(stream.total_out, 50000);
    CU_ASSERT_EQUAL(memcmp(out, expected, sizeof out), 0);
    inflateEnd(&stream);
    call.accepts_gzip = 0;
    mm_packed plain = pack(&call, 50000, 'x', 50000);

    CU_ASSERT_STRING_NOT_EQUAL(plain.tag, large.tag); /* other bytes, another tag */
    free(expected);
    mm_packed_free(&small);
    mm_packed_free(&large);
    mm_packed_free(&plain);
}

static void test_no_memory(void)
{
    mm_call call = {.accepts_gzip = 1};
    mm_packed packed;

    mm_pack(&packed, &call, NULL, 0, 0);
    CU_ASSERT_EQUAL(packed.status, 0);
    CU_ASSERT_EQUAL(mm_answer_packed(&call, &packed, "application/json"), MM_DONE);
    CU_ASSERT_EQUAL(call.answer.status, 503);
    free(call.answer.bytes);
}

static CU_TestInfo tests[] = {
    {"the same bytes have the same tag", test_tags},
    {"tags of a part", test_weak_tags},
    {"304 for what the client has", test_not_modified},
    {"gzip for what is large enough", test_gzip},
    {"no memory is 503", test_no_memory},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_pack;
const mm_suite mm_suite_pack = {"pack", tests};
