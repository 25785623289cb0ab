/*
 * test_header.c - the safetensors header: every rule kept, and every rule broken in turn.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/fault.h"
#include "proto/header.h"
#include "tests/wire_tools.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* An object of one tensor of 4 bytes, between which a case puts its own text. */
#define T(name, begin, end) "\"" name "\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[" #begin "," #end "]}"
#define A                   T("a", 0, 4)
#define B                   T("b", 4, 8)
#define META(text)          "{\"__metadata__\":" text "," A "}"
#define SHAPED(dtype, shape, begin, end)                                                                               \
    "{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}}"

/* clang-format off */
static const struct {
    const char *json;
    size_t      tensors, metadata, data_size;
} sound[] = {
    {"{}",                                                0, 0, 0},
    {"{}      ",                                          0, 0, 0},
    {"{" A "}",                                           1, 0, 4},
    {"{" B "," A "}",                                     2, 0, 8},
    {"{\n" A "\t,\r" B " } ",                             2, 0, 8},
    {"{ \"a\" : { \"dtype\" : \"U8\" , \"shape\" : [ 4 ] , \"data_offsets\" : [ 0 , 4 ] } }", 1, 0, 4},
    {META("{}"),                                          1, 0, 4},
    {META("{\"k\":\"v\",\"l\":\"\"}"),                    1, 2, 4},
    {"{" A ",\"__metadata__\":{\"k\":\"v\"}}",            1, 1, 4},
    {"{" A ",\"__m\\u0065tadata__\":{\"k\":\"v\"}}",      1, 1, 4},
    {"{" T("", 0, 4) "}",                                 1, 0, 4},
    {"{\"a\":{\"shape\":[4],\"data_offsets\":[0,4],\"dtyp\\u0065\":\"\\u00558\"}}", 1, 0, 4},
    {SHAPED("F64", "[]", 0, 8),                           1, 0, 8},
    {SHAPED("F64", "[1,1,1,1,1]", 0, 8),                  1, 0, 8},
    {SHAPED("U8", "[0]", 0, 0),                           1, 0, 0},
    {SHAPED("U8", "[18446744073709551615,0]", 0, 0),      1, 0, 0},
    {SHAPED("F16", "[ 2 , 3 ]", 0, 12),                   1, 0, 12},
    {"{" A ",\"z\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 2, 0, 4},
    {"{" A ",\"z\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[4,4]}," B "}", 3, 0, 8},
};

static const struct {
    const char    *json;
    mm_wire_status status;
    const char    *tensor; /* that the problem names */
    const char    *words;  /* of the problem's text */
} broken[] = {
    /* the object */
    {"",                                    MM_WIRE_BAD_FILE,   "",  "byte 0: the header must begin with {"},
    {" {}",                                 MM_WIRE_BAD_FILE,   "",  "must begin with {"},
    {"\xef\xbb\xbf{}",                      MM_WIRE_BAD_FILE,   "",  "must begin with {"},
    {"[]",                                  MM_WIRE_BAD_FILE,   "",  "must begin with {"},
    {"null",                                MM_WIRE_BAD_FILE,   "",  "must begin with {"},
    {"{",                                   MM_WIRE_BAD_FILE,   "",  "string was expected"},
    {"{}}",                                 MM_WIRE_BAD_FILE,   "",  "byte 2: only spaces"},
    {"{}\n",                                MM_WIRE_BAD_FILE,   "",  "only spaces"},
    {"{} {}",                               MM_WIRE_BAD_FILE,   "",  "only spaces"},
    {"{,}",                                 MM_WIRE_BAD_FILE,   "",  "string was expected"},
    {"{" A ",}",                            MM_WIRE_BAD_FILE,   "",  "string was expected"},
    {"{" A " " B "}",                       MM_WIRE_BAD_FILE,   "",  "comma or a closing bracket"},
    {"{" A,                                 MM_WIRE_BAD_FILE,   "",  "comma or a closing bracket"},
    {"{\"a\"}",                             MM_WIRE_BAD_FILE,   "a", "colon"},
    {"{\"a\":}",                            MM_WIRE_BAD_FILE,   "a", "a tensor must be an object"},
    {"{\"a\":[]}",                          MM_WIRE_BAD_FILE,   "a", "a tensor must be an object"},
    {"{\"a\":{}}",                          MM_WIRE_BAD_FILE,   "a", "lacks dtype, shape or data_offsets"},
    {"{a:1}",                               MM_WIRE_BAD_FILE,   "",  "string was expected"},
    /* names */
    {"{" A "," A "}",                       MM_WIRE_BAD_FILE,   "a", "name appears twice"},
    {"{" A "," T("\\u0061", 4, 8) "}",      MM_WIRE_BAD_FILE,   "a", "name appears twice"},
    {"{" T("a\\u0000", 0, 4) "}",           MM_WIRE_BAD_FILE,   "",  "NUL"},
    {"{" T("a\\ud800", 0, 4) "}",           MM_WIRE_BAD_FILE,   "",  "surrogate"},
    {"{" T("\xff", 0, 4) "}",               MM_WIRE_BAD_FILE,   "",  "UTF-8"},
    {"{" T("a\x01", 0, 4) "}",              MM_WIRE_BAD_FILE,   "",  "control byte"},
    /* metadata */
    {META("null"),                          MM_WIRE_BAD_FILE,   "",  "__metadata__ must be an object"},
    {META("\"x\""),                         MM_WIRE_BAD_FILE,   "",  "__metadata__ must be an object"},
    {META("{\"k\":1}"),                     MM_WIRE_BAD_FILE,   "",  "string was expected"},
    {META("{\"k\":{}}"),                    MM_WIRE_BAD_FILE,   "",  "string was expected"},
    {META("{\"k\":null}"),                  MM_WIRE_BAD_FILE,   "",  "string was expected"},
    {META("{\"k\"}"),                       MM_WIRE_BAD_FILE,   "",  "colon"},
    {META("{\"k\":\"v\",}"),                MM_WIRE_BAD_FILE,   "",  "string was expected"},
    {META("{\"k\":\"\\u0000\"}"),           MM_WIRE_BAD_FILE,   "",  "NUL"},
    {META("{\"k\":\"v\",\"k\":\"v\"}"),     MM_WIRE_BAD_FILE,   "",  "key twice"},
    {META("{\"k\":\"v\",\"l\":\"v\",\"\\u006b\":\"v\"}"), MM_WIRE_BAD_FILE, "", "key twice"},
    {META("{},\"__metadata__\":{}"),        MM_WIRE_BAD_FILE,   "",  "__metadata__ appears twice"},
    /* a tensor's object */
    {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}",     MM_WIRE_BAD_FILE, "a", "key appears twice"},
    {"{\"a\":{\"dtype\":\"U8\",\"d\\u0074ype\":\"U8\"}}", MM_WIRE_BAD_FILE, "a", "key appears twice"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4]}}",        MM_WIRE_BAD_FILE, "a", "lacks"},
    {"{\"a\":{\"dtype\":\"U8\",\"x\":1}}",              MM_WIRE_BAD_FILE, "a", "has only"},
    {"{\"a\":{\"Dtype\":\"U8\"}}",                      MM_WIRE_BAD_FILE, "a", "has only"},
    {"{\"a\":{\"dtype\":8}}",                           MM_WIRE_BAD_FILE, "a", "string was expected"},
    {"{\"a\":{\"dtype\":{\"dtype\":{\"dtype\":0}}}}",   MM_WIRE_BAD_FILE, "a", "string was expected"},
    {SHAPED("U8", "4", 0, 4),               MM_WIRE_BAD_FILE,   "a", "shape must be an array"},
    {SHAPED("U8", "[[4]]", 0, 4),           MM_WIRE_BAD_FILE,   "a", "whole number"},
    {SHAPED("U8", "[4,]", 0, 4),            MM_WIRE_BAD_FILE,   "a", "whole number"},
    {SHAPED("U8", "[-4]", 0, 4),            MM_WIRE_BAD_FILE,   "a", "negative"},
    {SHAPED("U8", "[4.0]", 0, 4),           MM_WIRE_BAD_FILE,   "a", "fraction"},
    {SHAPED("U8", "[4e0]", 0, 4),           MM_WIRE_BAD_FILE,   "a", "exponent"},
    {SHAPED("U8", "[04]", 0, 4),            MM_WIRE_BAD_FILE,   "a", "leading zero"},
    {SHAPED("U8", "[\"4\"]", 0, 4),         MM_WIRE_BAD_FILE,   "a", "whole number"},
    {SHAPED("U8", "[18446744073709551620]", 0, 4), MM_WIRE_BAD_FILE, "a", "64 bits"},
    {SHAPED("U8", "[4]", 0.0, 4),           MM_WIRE_BAD_FILE,   "a", "fraction"},
    {SHAPED("U8", "[4]", 0, -4),            MM_WIRE_BAD_FILE,   "a", "negative"},
    {SHAPED("U8", "[4]", 4, 0),             MM_WIRE_BAD_FILE,   "a", "ends before it begins"},
    {"{\"a\":{\"data_offsets\":[]}}",       MM_WIRE_BAD_FILE,   "a", "whole number"},
    {"{\"a\":{\"data_offsets\":[0]}}",      MM_WIRE_BAD_FILE,   "a", "two numbers"},
    {"{\"a\":{\"data_offsets\":[0,4,4]}}",  MM_WIRE_BAD_FILE,   "a", "two numbers"},
    {"{\"a\":{\"data_offsets\":{}}}",       MM_WIRE_BAD_FILE,   "a", "two numbers"},
    /* sizes */
    {SHAPED("U8", "[4]", 0, 5),             MM_WIRE_BAD_FILE,   "a", "do not enclose"},
    {SHAPED("U8", "[4]", 0, 3),             MM_WIRE_BAD_FILE,   "a", "do not enclose"},
    {SHAPED("U8", "[]", 0, 0),              MM_WIRE_BAD_FILE,   "a", "do not enclose"},
    {SHAPED("F32", "[0]", 0, 4),            MM_WIRE_BAD_FILE,   "a", "do not enclose"},
    {SHAPED("U8", "[4294967296,4294967296]", 0, 0),             MM_WIRE_BAD_FILE, "a", "more elements"},
    {SHAPED("U8", "[4294967297,4294967297]", 0, 8589934593),    MM_WIRE_BAD_FILE, "a", "more elements"},
    {SHAPED("U8", "[0,4294967296,4294967296]", 0, 0),           MM_WIRE_BAD_FILE, "a", "more elements"},
    {SHAPED("U8", "[4294967296,4294967296,0]", 0, 0),           MM_WIRE_BAD_FILE, "a", "more elements"},
    {SHAPED("F64", "[2305843009213693952]", 0, 0),              MM_WIRE_BAD_FILE, "a", "more bytes"},
    {SHAPED("F64", "[2305843009213693953]", 0, 8),              MM_WIRE_BAD_FILE, "a", "more bytes"},
    {SHAPED("F64", "[2305843009213693952,0]", 0, 0),            MM_WIRE_BAD_FILE, "a", "more bytes"},
    /* layout */
    {"{" T("a", 1, 5) "}",                  MM_WIRE_BAD_FILE,   "a", "begins at 1 of the data where the one before it ends at 0; they leave a hole"},
    {"{" A "," T("b", 5, 9) "}",            MM_WIRE_BAD_FILE,   "b", "leave a hole"},
    {"{" A "," T("b", 3, 7) "}",            MM_WIRE_BAD_FILE,   "b", "overlap"},
    {"{" T("b", 3, 7) "," A "}",            MM_WIRE_BAD_FILE,   "b", "overlap"},
    {"{" A "," T("b", 0, 4) "}",            MM_WIRE_BAD_FILE,   "b", "overlap"},
    {"{" A ",\"z\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}}", MM_WIRE_BAD_FILE, "z", "overlap"},
    {"{" A ",\"z\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[5,5]}}", MM_WIRE_BAD_FILE, "z", "hole"},
    /* tensors that make no sense in a sound structure, and which fault comes first */
    {SHAPED("F8_E4M3", "[4]", 0, 4),        MM_WIRE_BAD_TENSOR, "a", "number 1 of the header has dtype F8_E4M3;"},
    {SHAPED("I4", "[8]", 0, 4),             MM_WIRE_BAD_TENSOR, "a", "dtype I4;"},
    {SHAPED("X", "[4]", 0, 4),              MM_WIRE_BAD_TENSOR, "a", "dtype X;"},
    {SHAPED("u8", "[4]", 0, 4),             MM_WIRE_BAD_TENSOR, "a", "dtype u8;"},
    {SHAPED("ABCDEFGH01234567", "[4]", 0, 4), MM_WIRE_BAD_TENSOR, "a", "dtype ABCDEFGH01234567;"},
    {SHAPED("F8_E4M3", "[18446744073709551615]", 0, 4), MM_WIRE_BAD_TENSOR, "a", "dtype F8_E4M3;"},
    {SHAPED("", "[4]", 0, 4),               MM_WIRE_BAD_TENSOR, "a", "an unknown dtype;"},
    {SHAPED("%s<b>", "[4]", 0, 4),          MM_WIRE_BAD_TENSOR, "a", "an unknown dtype;"},
    {SHAPED("U8U8U8U8U8U8U8U8U8", "[4]", 0, 4), MM_WIRE_BAD_TENSOR, "a", "an unknown dtype;"},
    {SHAPED("U8", "[1,1,1,1,2,2]", 0, 4),   MM_WIRE_BAD_TENSOR, "a", "has rank 6; at most 5"},
    {SHAPED("U8", "[1,1,1,1,2,2]", 0, 5),   MM_WIRE_BAD_FILE,   "a", "do not enclose"},
    {SHAPED("I4", "[4294967296,4294967296]", 0, 4), MM_WIRE_BAD_FILE, "a", "more elements"},
    {SHAPED("I4", "[4]", 2, 4),             MM_WIRE_BAD_FILE,   "a", "hole"},
    {"{\"x\":{\"dtype\":\"I4\",\"shape\":[4],\"data_offsets\":[0,4]}," T("b", 5, 9) "}", MM_WIRE_BAD_FILE, "b", "hole"},
    {"{" T("b", 4, 8) ",\"x\":{\"dtype\":\"I4\",\"shape\":[4],\"data_offsets\":[0,4]}}", MM_WIRE_BAD_TENSOR, "x", "number 2 of"},
};
/* clang-format on */

/* The text is copied to a block of its own size, so that reading past it is seen. */
static mm_wire_status parse(mm_header *header, const char *json, size_t size, mm_problem *problem)
{
    const wire_bytes copy = wire_copy(json, size);
    mm_wire_status status = MM_WIRE_NO_MEMORY;

    CU_ASSERT_PTR_NOT_NULL_FATAL(copy.data);
    status = mm_header_parse(header, copy.data, copy.size, problem);
    free(copy.data);
    return status;
}

static void test_sound(void)
{
    for (size_t i = 0; i < COUNT(sound); i++) {
        mm_problem problem = {0};
        mm_header header;

        CU_ASSERT_EQUAL(parse(&header, sound[i].json, strlen(sound[i].json), &problem), MM_WIRE_OK);
        CU_ASSERT_EQUAL(header.count, sound[i].tensors);
        CU_ASSERT_EQUAL(header.meta_count, sound[i].metadata);
        CU_ASSERT_EQUAL(header.data_size, sound[i].data_size);
        CU_ASSERT_STRING_EQUAL(problem.text, "");
        mm_header_free(&header);
    }
}

static void test_broken(void)
{
    for (size_t i = 0; i < COUNT(broken); i++) {
        const size_t size = strlen(broken[i].json);
        mm_problem problem = {0};
        mm_header header;
        mm_wire_status status = parse(&header, broken[i].json, size, &problem);

        CU_ASSERT_EQUAL(status, broken[i].status);
        CU_ASSERT(wire_says(problem.text, broken[i].words));
        CU_ASSERT_STRING_EQUAL(problem.tensor, broken[i].tensor);
        CU_ASSERT_EQUAL(header.count, 0);
        CU_ASSERT_PTR_NULL(header.text);
        CU_ASSERT_EQUAL(parse(&header, broken[i].json, size, NULL), status);
    }
}

/* No front of a sound header is sound. */
static void test_truncated(void)
{
    static const char json[] = "{\"__metadata__\":{\"k\":\"v\"}," A "," B "}";

    for (size_t size = 0; size < strlen(json); size++) {
        mm_problem problem = {0};
        mm_header header;

        CU_ASSERT_EQUAL(parse(&header, json, size, &problem), MM_WIRE_BAD_FILE);
        CU_ASSERT_STRING_NOT_EQUAL(problem.text, "");
    }
}

/* What was read is what was written there. */
static void test_values(void)
{
    static const char json[] = "{\"__metadata__\":{\"a\\n\":\"\\u00e4\\ud83d\\ude00\"},"
                               "\"pred\":{\"dtype\":\"BF16\",\"shape\":[2,3,4],\"data_offsets\":[9,57]},"
                               "\"label\":{\"data_offsets\":[0,9],\"shape\":[9],\"dtype\":\"BOOL\"}}";
    mm_header header;

    CU_ASSERT_EQUAL_FATAL(parse(&header, json, strlen(json), NULL), MM_WIRE_OK);
    CU_ASSERT_EQUAL_FATAL(header.count, 2);
    CU_ASSERT_STRING_EQUAL(header.tensor[0].name, "pred");
    CU_ASSERT_EQUAL(header.tensor[0].dtype, MM_BF16);
    CU_ASSERT_EQUAL(header.tensor[0].rank, 3);
    CU_ASSERT_EQUAL(header.tensor[0].dim[0], 2);
    CU_ASSERT_EQUAL(header.tensor[0].dim[1], 3);
    CU_ASSERT_EQUAL(header.tensor[0].dim[2], 4);
    CU_ASSERT_EQUAL(header.tensor[0].begin, 9);
    CU_ASSERT_EQUAL(header.tensor[0].end, 57);
    CU_ASSERT_STRING_EQUAL(header.tensor[1].name, "label");
    CU_ASSERT_EQUAL(header.tensor[1].dtype, MM_BOOL);
    CU_ASSERT_EQUAL(header.tensor[1].rank, 1);
    CU_ASSERT_EQUAL(header.tensor[1].dim[0], 9);
    CU_ASSERT_EQUAL(header.data_size, 57);
    CU_ASSERT_EQUAL_FATAL(header.meta_count, 1);
    CU_ASSERT_STRING_EQUAL(header.meta[0].key, "a\n");
    CU_ASSERT_STRING_EQUAL(header.meta[0].value, "\xc3\xa4\xf0\x9f\x98\x80");
    mm_header_free(&header);
}

/* A header of `count` tensors of one byte each. */
static size_t many_tensors(char *json, size_t room, unsigned count)
{
    size_t size = 0;

    for (unsigned i = 0; i < count; i++)
        size += (size_t)snprintf(json + size, room - size,
                                 "%c\"t%u\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[%u,%u]}",
                                 i == 0 ? '{' : ',', i, i, i + 1);
    return size + (size_t)snprintf(json + size, room - size, "}");
}

static void test_tensor_limit(void)
{
    static char json[2000000];
    mm_problem problem = {0};
    mm_header header;

    CU_ASSERT_EQUAL(parse(&header, json, many_tensors(json, sizeof json, 64), NULL), MM_WIRE_OK);
    CU_ASSERT_EQUAL(header.count, 64);
    CU_ASSERT_EQUAL(header.data_size, 64);
    mm_header_free(&header);
    CU_ASSERT_EQUAL(parse(&header, json, many_tensors(json, sizeof json, 65), &problem), MM_WIRE_BAD_FILE);
    CU_ASSERT(wire_says(problem.text, "more than 64 tensors"));
    CU_ASSERT_STRING_EQUAL(problem.tensor, "t64");
    CU_ASSERT_EQUAL(parse(&header, json, many_tensors(json, sizeof json, 20000), &problem), MM_WIRE_BAD_FILE);
    CU_ASSERT(wire_says(problem.text, "more than 64 tensors"));
}

/* Names and metadata keys of 256 bytes, not of 257; metadata values of any length. */
static void test_name_limit(void)
{
    static const char *const forms[] = {
        "{\"%.*s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"__metadata__\":{\"%.*s\":\"x\"}}",
        "{\"a\":{\"dtype\":\"%.*s\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"%.*s\":0}}",
    };
    static const mm_wire_status at_limit[] = {MM_WIRE_OK, MM_WIRE_OK, MM_WIRE_BAD_TENSOR, MM_WIRE_BAD_FILE};
    char name[300], json[600];
    mm_header header;

    memset(name, 'n', sizeof name);
    for (size_t i = 0; i < COUNT(forms); i++) {
        mm_problem problem = {0};

        snprintf(json, sizeof json, forms[i], 256, name);
        CU_ASSERT_EQUAL(parse(&header, json, strlen(json), &problem), at_limit[i]);
        CU_ASSERT(!wire_says(problem.text, "long"));
        mm_header_free(&header);
        snprintf(json, sizeof json, forms[i], 257, name);
        CU_ASSERT_EQUAL(parse(&header, json, strlen(json), &problem), MM_WIRE_BAD_FILE);
        CU_ASSERT(wire_says(problem.text, "long"));
    }
    snprintf(json, sizeof json, "{\"__metadata__\":{\"k\":\"%.*s\"}}", 300, name);
    CU_ASSERT_EQUAL(parse(&header, json, strlen(json), NULL), MM_WIRE_OK);
    CU_ASSERT_EQUAL(strlen(header.meta[0].value), 300);
    mm_header_free(&header);
}

static void test_deep(void)
{
    static char json[MM_WIRE_MAX_HEADER];
    mm_header header;

    memset(json, '{', sizeof json);
    CU_ASSERT_EQUAL(parse(&header, json, sizeof json, NULL), MM_WIRE_BAD_FILE);
    memset(json, '[', sizeof json);
    wire_put(json, "{\"a\":{\"shape\":[");
    CU_ASSERT_EQUAL(parse(&header, json, sizeof json, NULL), MM_WIRE_BAD_FILE);
    for (size_t i = 0; i + 5 <= sizeof json; i += 5)
        wire_put(json + i, "{\"a\":");
    CU_ASSERT_EQUAL(parse(&header, json, sizeof json, NULL), MM_WIRE_BAD_FILE);
}

/* A shape of thousands of axes is only a rank too high, and is added up without being kept. */
static void test_long_shape(void)
{
    static char json[MM_WIRE_MAX_HEADER];
    size_t size = (size_t)snprintf(json, sizeof json, "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1],\"shape\":[1");
    mm_problem problem = {0};
    mm_header header;

    for (int i = 1; i < 30000; i++) {
        json[size++] = ',';
        json[size++] = '1';
    }
    wire_put(json + size, "]}}");
    CU_ASSERT_EQUAL(parse(&header, json, size + 3, &problem), MM_WIRE_BAD_TENSOR);
    CU_ASSERT(wire_says(problem.text, "rank 30000"));
}

/* As many short metadata keys as fit; `size` bytes in all. */
static void many_keys(char *json, size_t size)
{
    size_t at = (size_t)snprintf(json, size, "{\"__metadata__\":{");

    for (unsigned key = 0; at + 16 < size; key++)
        at += (size_t)snprintf(json + at, size - at, "%s\"%c%c%c\":\"\"", key > 0 ? "," : "", 'a' + (int)(key * 7 % 25),
                               'a' + (int)(key / 25 % 25), 'a' + (int)(key / 625));
    json[at++] = '}';
    json[at++] = '}';
    memset(json + at, ' ', size - at);
}

/* Processor time of the fastest of a few readings, in ns. */
static double parse_time(const char *json, size_t size)
{
    double best = 1e18;

    for (int i = 0; i < 7; i++) {
        struct timespec begin, end;
        mm_header header;
        double taken;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
        CU_ASSERT_EQUAL(mm_header_parse(&header, (const unsigned char *)json, size, NULL), MM_WIRE_OK);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
        mm_header_free(&header);
        taken = (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
        best = taken < best ? taken : best;
    }
    return best;
}

/* The largest header takes little more per byte than one of a quarter of its size: the time grows by 4 or 5, and would
 * by 16 if keys were compared each with each. */
static void test_time(void)
{
    static char json[MM_WIRE_MAX_HEADER];
    double quarter, whole;

    many_keys(json, sizeof json / 4);
    quarter = parse_time(json, sizeof json / 4);
    many_keys(json, sizeof json);
    whole = parse_time(json, sizeof json);
    CU_ASSERT(whole < 9 * quarter);
}

static void test_duplicate_among_many(void)
{
    static char json[MM_WIRE_MAX_HEADER];
    mm_problem problem = {0};
    mm_header header;

    many_keys(json, sizeof json);
    wire_put(strstr(json, "\"\"}") - 5, "aaa"); /* the last key becomes the first one */
    CU_ASSERT_EQUAL(parse(&header, json, sizeof json, &problem), MM_WIRE_BAD_FILE);
    CU_ASSERT(wire_says(problem.text, "key twice"));
    CU_ASSERT_STRING_EQUAL(problem.param, "aaa");
}

/* Names are shown when they print on one line, cut at a whole character; others are not. */
static void test_shown_names(void)
{
    static const char *const hidden[] = {"a\nb",         "\x1b[2J",      "\x7f",         "\xc2\x85",
                                         "\xe2\x80\xae", "\xe2\x80\xa8", "\xef\xbb\xbf", "\xff"};
    char out[64], name[80];

    mm_fault_name(out, sizeof out,
                  "Gr\xc3\xb6\xc3\x9f"
                  "e \xf0\x9f\x98\x80");
    CU_ASSERT_STRING_EQUAL(out, "Gr\xc3\xb6\xc3\x9f"
                                "e \xf0\x9f\x98\x80");
    for (size_t i = 0; i < COUNT(hidden); i++) {
        mm_fault_name(out, sizeof out, hidden[i]);
        CU_ASSERT_STRING_EQUAL(out, "");
    }
    memset(name, 'n', 62);
    *wire_put(name + 62, "\xc3\xa4") = '\0';
    mm_fault_name(out, sizeof out, name);
    CU_ASSERT_EQUAL(strlen(out), 62);
    *wire_put(name + 62, "x\n") = '\0';
    mm_fault_name(out, sizeof out, name);
    CU_ASSERT_STRING_EQUAL(out, "");
}

static CU_TestInfo tests[] = {
    {"sound headers", test_sound},
    {"every rule broken in turn", test_broken},
    {"cut at every byte", test_truncated},
    {"what was read", test_values},
    {"64 tensors, 65, and 20,000", test_tensor_limit},
    {"names of 256 bytes and 257", test_name_limit},
    {"thousands of levels", test_deep},
    {"thousands of axes", test_long_shape},
    {"time is linear in the size", test_time},
    {"a key twice among thousands", test_duplicate_among_many},
    {"names in problems", test_shown_names},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_header = {"header", tests};
