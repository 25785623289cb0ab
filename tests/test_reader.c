/*
 * test_reader.c - bytes, numbers and strings of the wire, and the sticky error.
 */
#include "tests/suites.h"

#include <stdlib.h>
#include <string.h>

#include "proto/reader.h"
#include "tests/wire_tools.h"

/* clang-format off */
static const struct {
    const char *text;
    uint64_t    value;
    size_t      used;  /* bytes read */
    const char *error; /* words of it; NULL: fine */
} numbers[] = {
    {"0",                    0,          1,  NULL},
    {"7]",                   7,          1,  NULL},
    {"10,",                  10,         2,  NULL},
    {"4294967296",           4294967296, 10, NULL},
    {"18446744073709551615", UINT64_MAX, 20, NULL},
    {"18446744073709551616", 0,          0,  "64 bits"},
    {"99999999999999999999", 0,          0,  "64 bits"},
    {"100000000000000000000000000000000000000000", 0, 0, "64 bits"},
    {"099999999999999999999", 0,         0,  "64 bits"},
    {"",                     0,          0,  "whole number"},
    {"-1",                   0,          0,  "negative"},
    {"-0",                   0,          0,  "negative"},
    {"+1",                   0,          0,  "whole number"},
    {"00",                   0,          0,  "leading zero"},
    {"01",                   0,          0,  "leading zero"},
    {"1.5",                  0,          0,  "fraction"},
    {"1.",                   0,          0,  "fraction"},
    {"0.0",                  0,          0,  "fraction"},
    {"1e3",                  0,          0,  "exponent"},
    {"1E3",                  0,          0,  "exponent"},
    {".5",                   0,          0,  "whole number"},
    {"x",                    0,          0,  "whole number"},
    {"NaN",                  0,          0,  "whole number"},
};

static const struct {
    const char *text;
    const char *value; /* NULL: an error */
    const char *error;
} strings[] = {
    {"\"\"",                    "",                 NULL},
    {"\"pred\"rest",            "pred",             NULL},
    {"\"\\\"\\\\\\/\"",         "\"\\/",            NULL},
    {"\"\\b\\f\\n\\r\\t\"",     "\b\f\n\r\t",       NULL},
    {"\"\\u0041\\u00e4\"",      "A\xc3\xa4",        NULL},
    {"\"\\u00AF\"",           "\xc2\xaf",          NULL},
    {"\"\\u00E4\\u20aC\"",      "\xc3\xa4\xe2\x82\xac", NULL},
    {"\"\\ud83d\\ude00\"",      "\xf0\x9f\x98\x80", NULL},
    {"\"\\ud800\\udc00\"",      "\xf0\x90\x80\x80", NULL},
    {"\"\\udbff\\udfff\"",      "\xf4\x8f\xbf\xbf", NULL},
    {"\"\\u007f\\u0080\"",      "\x7f\xc2\x80",     NULL},
    {"\"\\u07ff\\u0800\"",      "\xdf\xbf\xe0\xa0\x80", NULL},
    {"\"\\uffff\\u0001\"",      "\xef\xbf\xbf\x01", NULL},
    {"\"\x7f\xc3\xa4\"",        "\x7f\xc3\xa4",     NULL},
    {"pred",                    NULL, "string was expected"},
    {"\"pred",                  NULL, "does not end"},
    {"\"a\x1f\"",               NULL, "control byte"},
    {"\"a\tb\"",                NULL, "control byte"},
    {"\"\\u0000\"",             NULL, "NUL"},
    {"\"\\u000\"",              NULL, "hexadecimal"},
    {"\"\\u00g0\"",             NULL, "hexadecimal"},
    {"\"\\x41\"",               NULL, "unknown escape"},
    {"\"\\U0041\"",             NULL, "unknown escape"},
    {"\"\\",                    NULL, "unknown escape"},
    {"\"\\ud800\"",             NULL, "surrogate"},
    {"\"\\udfff\"",             NULL, "surrogate"},
    {"\"\\ud800\\ud800\"",      NULL, "surrogate"},
    {"\"\\ud800\\uffff\"",      NULL, "surrogate"},
    {"\"\\ud800\\n\"",          NULL, "surrogate"},
    {"\"\\ud800x\"",            NULL, "surrogate"},
    {"\"\\ud83d\\ude0\"",       NULL, "hexadecimal"},
    {"\"\xc0\x80\"",            NULL, "UTF-8"},
    {"\"\xed\xbf\xbf\"",        NULL, "UTF-8"},
    {"\"\xe2\x82\"",            NULL, "UTF-8"},
    {"\"\x80\"",                NULL, "UTF-8"},
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* After an error the reader is at its end, keeps that error, and yields zeros. */
static void check_sticky(mm_reader *reader)
{
    const char *error = reader->error;
    const size_t at = reader->error_at;
    char text[8];

    CU_ASSERT_EQUAL(reader->at, reader->size);
    CU_ASSERT_EQUAL(mm_reader_peek(reader), 0);
    CU_ASSERT_EQUAL(mm_reader_take(reader, 'a'), 0);
    CU_ASSERT_EQUAL(mm_reader_number(reader), 0);
    CU_ASSERT_EQUAL(mm_reader_u64(reader), 0);
    CU_ASSERT_EQUAL(mm_reader_string(reader, text, sizeof text), 0);
    CU_ASSERT_STRING_EQUAL(text, "");
    mm_reader_expect(reader, 'a', "another rule");
    mm_reader_blanks(reader);
    mm_reader_fail(reader, "another rule", 0);
    CU_ASSERT_PTR_EQUAL(reader->error, error);
    CU_ASSERT_EQUAL(reader->error_at, at);
}

static void test_numbers(void)
{
    for (size_t i = 0; i < COUNT(numbers); i++) {
        const wire_bytes text = wire_copy(numbers[i].text, strlen(numbers[i].text));
        mm_reader reader;

        CU_ASSERT_PTR_NOT_NULL_FATAL(text.data);
        mm_reader_init(&reader, text.data, text.size);
        CU_ASSERT_EQUAL(mm_reader_number(&reader), numbers[i].value);
        if (numbers[i].error == NULL) {
            CU_ASSERT_PTR_NULL(reader.error);
            CU_ASSERT_EQUAL(reader.at, numbers[i].used);
        } else {
            CU_ASSERT(wire_says(reader.error, numbers[i].error));
            CU_ASSERT_EQUAL(reader.error_at, 0);
            check_sticky(&reader);
        }
        free(text.data);
    }
}

static void test_strings(void)
{
    for (size_t i = 0; i < COUNT(strings); i++) {
        const wire_bytes text = wire_copy(strings[i].text, strlen(strings[i].text));
        char out[32];
        mm_reader reader;
        size_t length;

        CU_ASSERT_PTR_NOT_NULL_FATAL(text.data);
        mm_reader_init(&reader, text.data, text.size);
        length = mm_reader_string(&reader, out, sizeof out);
        CU_ASSERT_EQUAL(length, strlen(out));
        if (strings[i].value != NULL) {
            CU_ASSERT_PTR_NULL(reader.error);
            CU_ASSERT_STRING_EQUAL(out, strings[i].value);
        } else {
            CU_ASSERT(wire_says(reader.error, strings[i].error));
            check_sticky(&reader);
        }
        free(text.data);
    }
}

/* A string cut anywhere is an error, and nothing behind the cut is read. */
static void test_truncated_string(void)
{
    static const char whole[] = "\"a\\n\\u00e4\\ud83d\\ude00\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"";

    for (size_t size = 0; size < strlen(whole); size++) {
        const wire_bytes text = wire_copy(whole, size);
        char out[64];
        mm_reader reader;

        CU_ASSERT_PTR_NOT_NULL_FATAL(text.data);
        mm_reader_init(&reader, text.data, size);
        CU_ASSERT_EQUAL(mm_reader_string(&reader, out, sizeof out), 0);
        CU_ASSERT_PTR_NOT_NULL(reader.error);
        free(text.data);
    }
}

/* A string of n bytes needs n + 1; with less it is refused and nothing is written behind the room. */
static void test_string_room(void)
{
    static const char text[] = "\"ab\\ud83d\\ude00c\"";
    const size_t needed = 2 + 4 + 1 + 1;
    char out[16];

    for (size_t room = 0; room <= needed; room++) {
        mm_reader reader;

        memset(out, '#', sizeof out);
        mm_reader_init(&reader, text, strlen(text));
        CU_ASSERT_EQUAL(mm_reader_string(&reader, out, room), room == needed ? needed - 1 : 0);
        CU_ASSERT_EQUAL(reader.error == NULL, room == needed);
        for (size_t i = room; i < sizeof out; i++)
            CU_ASSERT_EQUAL(out[i], '#');
    }
}

static void test_bytes(void)
{
    static const unsigned char bytes[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x88, 0xff};
    mm_reader reader;

    mm_reader_init(&reader, bytes, sizeof bytes);
    CU_ASSERT_EQUAL(mm_reader_u64(&reader), 0x8807060504030201);
    CU_ASSERT_EQUAL(mm_reader_u64(&reader), 0);
    CU_ASSERT_PTR_NOT_NULL(reader.error);
    CU_ASSERT_EQUAL(reader.error_at, 8);
    check_sticky(&reader);
}

static void test_steps(void)
{
    mm_reader reader;

    mm_reader_init(&reader, " \t\r\n{\v", 6);
    mm_reader_blanks(&reader);
    CU_ASSERT_EQUAL(mm_reader_peek(&reader), '{');
    CU_ASSERT_EQUAL(mm_reader_take(&reader, '}'), 0);
    CU_ASSERT_EQUAL(mm_reader_take(&reader, '{'), 1);
    mm_reader_blanks(&reader); /* a vertical tab is none */
    CU_ASSERT_EQUAL(reader.at, 5);
    mm_reader_expect(&reader, ':', "a rule");
    CU_ASSERT_STRING_EQUAL(reader.error, "a rule");
    CU_ASSERT_EQUAL(reader.error_at, 5);
    check_sticky(&reader);
}

/* UTF-8 sorts as its code points do.  So going through the byte strings of one length in order must give exactly the
 * code points of that length, each once, ascending.  Behind the first byte all continuation bytes are tried and a few
 * that are none; all 256 would take minutes and say no more. */
static void check_utf8(size_t length, unsigned first, unsigned last, uint32_t from, uint32_t to)
{
    unsigned char later[70] = {0x00, 0x41, 0x7f};
    size_t digit[4] = {first, 0, 0, 0};
    uint32_t next = from;
    int good = 1;

    for (unsigned i = 0; i < 64; i++)
        later[3 + i] = (unsigned char)(0x80 + i);
    later[67] = 0xc0, later[68] = 0xe0, later[69] = 0xff;
    while (digit[0] <= last && good) {
        const unsigned char text[4] = {(unsigned char)digit[0], later[digit[1]], later[digit[2]], later[digit[3]]};
        uint32_t code = 0;
        size_t i = length - 1;

        if (mm_utf8_decode(text, length, &code) == length) {
            good = code == next;
            next = code == 0xd7ff ? 0xe000 : code + 1;
        }
        digit[i]++;
        for (; i > 0 && digit[i] == sizeof later; i--) {
            digit[i] = 0;
            digit[i - 1]++;
        }
    }
    CU_ASSERT(good);
    CU_ASSERT_EQUAL(next, to + 1);
}

static void test_utf8(void)
{
    uint32_t code = 7;

    CU_ASSERT_EQUAL(mm_utf8_decode("a", 0, &code), 0);
    CU_ASSERT_EQUAL(code, 7);
    check_utf8(1, 0, 0xff, 0, 0x7f);
    check_utf8(2, 0, 0xff, 0x80, 0x7ff);
    check_utf8(3, 0, 0xff, 0x800, 0xffff);
    check_utf8(4, 0xef, 0xf9, 0x10000, 0x10ffff);
}

static CU_TestInfo tests[] = {
    {"numbers, and what is none", test_numbers},
    {"strings, and what is none", test_strings},
    {"a string cut at every byte", test_truncated_string},
    {"a string into every room", test_string_room},
    {"little-endian bytes", test_bytes},
    {"single steps", test_steps},
    {"UTF-8, every character", test_utf8},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_reader = {"reader", tests};
