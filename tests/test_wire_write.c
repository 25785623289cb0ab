/*
 * test_wire_write.c - what is written is read back as it was, and what could not be read is not written.
 */
#include "tests/suites.h"

#include <stdlib.h>
#include <string.h>

#include "proto/writer.h"
#include "tests/wire_tools.h"

/* Sizes as the safetensors format has them, not as the library says. */
static const struct {
    mm_dtype dtype;
    const char *name;
    size_t size;
} dtypes[] = {
    {MM_BOOL, "BOOL", 1}, {MM_U8, "U8", 1},   {MM_I8, "I8", 1},   {MM_U16, "U16", 2}, {MM_I16, "I16", 2},
    {MM_U32, "U32", 4},   {MM_I32, "I32", 4}, {MM_U64, "U64", 8}, {MM_I64, "I64", 8}, {MM_F16, "F16", 2},
    {MM_BF16, "BF16", 2}, {MM_F32, "F32", 4}, {MM_F64, "F64", 8},
};

#define DTYPES (sizeof dtypes / sizeof dtypes[0])

static unsigned char values[4096];

static void fill_values(void)
{
    uint64_t random = 7;

    for (size_t i = 0; i < sizeof values; i++)
        values[i] = (unsigned char)wire_random(&random);
}

/* Every dtype at every rank, at odd addresses. */
static void test_round_trip(void)
{
    static const mm_wire_meta meta[] = {
        {"maskmeter.run", "unet"}, {"", ""}, {"\"\\/\b\f\n\r\t\x01\x1f\x7f", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"}};

    CU_ASSERT_EQUAL(DTYPES, MM_DTYPE_COUNT);
    fill_values();
    for (unsigned rank = 0; rank <= MM_MAX_RANK; rank++) {
        mm_wire_item items[DTYPES];
        unsigned char *bytes = NULL;
        size_t size = 0, data = 0;
        mm_wire *wire;
        mm_problem problem = {0};

        for (size_t i = 0; i < DTYPES; i++) {
            items[i] = (mm_wire_item){dtypes[i].name, {.data = values + i, .dtype = dtypes[i].dtype, .rank = rank}};
            for (unsigned k = 0; k < rank; k++)
                items[i].tensor.dim[k] = 1 + (i + k) % 3;
        }
        CU_ASSERT_EQUAL_FATAL(mm_wire_write(&bytes, &size, items, DTYPES, meta, 3, &problem), MM_WIRE_OK);
        CU_ASSERT_EQUAL_FATAL(wire_read(&wire, bytes, size, &problem), MM_WIRE_OK);
        CU_ASSERT_PTR_NULL(wire_check(wire, bytes, size));
        CU_ASSERT_EQUAL(mm_wire_count(wire), DTYPES);
        for (size_t i = 0; i < DTYPES; i++) {
            const mm_tensor *tensor = mm_wire_tensor(wire, i);
            size_t span = dtypes[i].size;

            CU_ASSERT_STRING_EQUAL(mm_wire_name(wire, i), dtypes[i].name);
            CU_ASSERT_EQUAL(tensor->dtype, dtypes[i].dtype);
            CU_ASSERT_EQUAL(tensor->rank, rank);
            for (unsigned k = 0; k < rank; k++) {
                CU_ASSERT_EQUAL(tensor->dim[k], items[i].tensor.dim[k]);
                span *= items[i].tensor.dim[k];
            }
            CU_ASSERT_EQUAL(memcmp(tensor->data, values + i, span), 0);
            data += span;
        }
        CU_ASSERT_EQUAL((size - data) % 8, 0); /* the data begin at a multiple of 8 */
        CU_ASSERT_EQUAL(mm_wire_meta_count(wire), 3);
        for (size_t i = 0; i < 3; i++) {
            CU_ASSERT_STRING_EQUAL(mm_wire_meta_key(wire, i), meta[i].key);
            CU_ASSERT_STRING_EQUAL(mm_wire_meta_value(wire, i), meta[i].value);
        }
        mm_wire_free(wire);
        free(bytes);
    }
}

/* The bytes themselves, once. */
static void test_bytes(void)
{
    static const char expected[] = "\x68\0\0\0\0\0\0\0"
                                   "{\"__metadata__\":{\"k\":\"\\\"\\u000a\"},"
                                   "\"a\":{\"dtype\":\"U16\",\"shape\":[2,0],\"data_offsets\":[0,0]},"
                                   "\"b\":{\"dtype\":\"I8\",\"shape\":[],\"data_offsets\":[0,1]}}";
    static const mm_wire_meta meta = {"k", "\"\n"};
    const mm_wire_item items[] = {{"a", {.data = NULL, .dtype = MM_U16, .rank = 2, .dim = {2, 0}}},
                                  {"b", {.data = "x", .dtype = MM_I8}}};
    const size_t front = sizeof expected - 1;
    unsigned char *bytes = NULL;
    size_t size = 0;

    CU_ASSERT_EQUAL_FATAL(mm_wire_write(&bytes, &size, items, 2, &meta, 1, NULL), MM_WIRE_OK);
    CU_ASSERT_EQUAL(size, (front + 7) / 8 * 8 + 1);
    CU_ASSERT_EQUAL(bytes[0], (front + 7) / 8 * 8 - 8);
    CU_ASSERT_EQUAL(memcmp(bytes + 8, expected + 8, front - 8), 0);
    for (size_t i = front; i < size - 1; i++)
        CU_ASSERT_EQUAL(bytes[i], ' ');
    CU_ASSERT_EQUAL(bytes[size - 1], 'x');
    free(bytes);
    CU_ASSERT_EQUAL_FATAL(mm_wire_write(&bytes, &size, NULL, 0, NULL, 0, NULL), MM_WIRE_OK);
    CU_ASSERT_EQUAL(size, 16);
    CU_ASSERT_EQUAL(memcmp(bytes, "\x08\0\0\0\0\0\0\0{}      ", 16), 0);
    free(bytes);
}

static void refused(const mm_wire_item *items, size_t count, const mm_wire_meta *meta, size_t meta_count,
                    mm_wire_status status, const char *words)
{
    unsigned char *bytes = values; /* must stay as it is */
    size_t size = 1;
    mm_problem problem = {0};

    CU_ASSERT_EQUAL(mm_wire_write(&bytes, &size, items, count, meta, meta_count, &problem), status);
    CU_ASSERT(wire_says(problem.text, words));
    CU_ASSERT_PTR_EQUAL(bytes, values);
    CU_ASSERT_EQUAL(size, 1);
}

static void test_refused_items(void)
{
    const mm_tensor one = {.data = values, .dtype = MM_U8, .rank = 1, .dim = {1}};
    mm_wire_item items[MM_WIRE_MAX_TENSORS + 1];
    mm_wire_item twice[] = {{"pred", one}, {"pred", one}};
    mm_wire_item item = {"pred", one};
    char name[MM_WIRE_MAX_NAME + 2];

    for (size_t i = 0; i <= MM_WIRE_MAX_TENSORS; i++)
        items[i] = item;
    refused(items, MM_WIRE_MAX_TENSORS + 1, NULL, 0, MM_WIRE_BAD_FILE, "more than 64");
    refused(twice, 2, NULL, 0, MM_WIRE_BAD_TENSOR, "two tensors");
    item.name = "__metadata__";
    refused(&item, 1, NULL, 0, MM_WIRE_BAD_TENSOR, "this name");
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    item.name = name;
    refused(&item, 1, NULL, 0, MM_WIRE_BAD_TENSOR, "256");
    item.name = "\xff";
    refused(&item, 1, NULL, 0, MM_WIRE_BAD_FILE, "UTF-8");
    item = (mm_wire_item){"pred", one};
    item.tensor.rank = MM_MAX_RANK + 1;
    refused(&item, 1, NULL, 0, MM_WIRE_BAD_TENSOR, "rank");
    item.tensor = one;
    item.tensor.dtype = (mm_dtype)MM_DTYPE_COUNT;
    refused(&item, 1, NULL, 0, MM_WIRE_BAD_TENSOR, "dtype");
    item.tensor = one;
    item.tensor.data = NULL;
    refused(&item, 1, NULL, 0, MM_WIRE_BAD_TENSOR, "no data");
    item.tensor = one;
    item.tensor.rank = 2;
    item.tensor.dim[0] = item.tensor.dim[1] = (size_t)1 << 33;
    refused(&item, 1, NULL, 0, MM_WIRE_BAD_TENSOR, "64 bits");
    item.tensor.rank = 1;
    item.tensor.dim[0] = (size_t)1 << 63;
    refused(&item, 1, NULL, 0, MM_WIRE_TOO_LARGE, "larger than any file");
}

static void test_refused_metadata(void)
{
    static char text[MM_WIRE_MAX_HEADER];
    const mm_wire_meta twice[] = {{"k", "v"}, {"l", "v"}, {"k", "w"}};
    mm_wire_meta meta = {"k", "\x80"};

    refused(NULL, 0, twice, 3, MM_WIRE_BAD_FILE, "twice");
    refused(NULL, 0, &meta, 1, MM_WIRE_BAD_FILE, "UTF-8");
    memset(text, 'n', sizeof text - 1);
    meta = (mm_wire_meta){"k", text};
    refused(NULL, 0, &meta, 1, MM_WIRE_BAD_FILE, "header is longer");
    meta = (mm_wire_meta){text, "v"};
    refused(NULL, 0, &meta, 1, MM_WIRE_BAD_FILE, "256");
}

/* The builder under it: numbers, and an error that stays. */
static void test_writer(void)
{
    mm_writer writer = {0};

    mm_writer_number(&writer, 0);
    mm_writer_text(&writer, ",");
    mm_writer_number(&writer, UINT64_MAX);
    mm_writer_u64(&writer, 0x0807060504030201);
    CU_ASSERT_EQUAL_FATAL(writer.size, 30);
    CU_ASSERT_EQUAL(memcmp(writer.bytes, "0,18446744073709551615\1\2\3\4\5\6\7\x08", 30), 0);
    CU_ASSERT_EQUAL(mm_writer_failed(&writer), 0);
    mm_writer_string(&writer, "a\xc3");
    CU_ASSERT(mm_writer_failed(&writer) && writer.not_utf8);
    mm_writer_text(&writer, "more");
    mm_writer_reserve(&writer, 1000);
    CU_ASSERT_EQUAL(writer.size, 32); /* the quotation mark and the a */
    free(writer.bytes);
    writer = (mm_writer){0};
    mm_writer_reserve(&writer, SIZE_MAX / 2 + 1); /* larger than any block */
    CU_ASSERT(mm_writer_failed(&writer) && writer.no_memory);
    mm_writer_text(&writer, "more");
    CU_ASSERT_EQUAL(writer.size, 0);
    CU_ASSERT_PTR_NULL(writer.bytes);
}

static CU_TestInfo tests[] = {
    {"round trip of every dtype and rank", test_round_trip},
    {"the bytes", test_bytes},
    {"tensors that are refused", test_refused_items},
    {"metadata that are refused", test_refused_metadata},
    {"the sticky writer", test_writer},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_wire_write = {"wire_write", tests};
