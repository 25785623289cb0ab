/*
 * test_json.c - numbers that read back to the same double in as few digits as 15, 16, 17 allow; text that any JSON
 * reader takes.
 */
#include "tests/suites.h"

#include <cjson/cJSON.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/json.h"
#include "tests/failing.h"
#include "tests/wire_tools.h"

#define DOUBLES 1000000

/* ---------------------------------------------------------------- numbers */

/* Significant digits of a decimal text. */
static int digits_of(const char *text)
{
    int count = 0, zeros = 0;

    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (count == 0 && *text == '0'))
            continue;
        count++;
        zeros = *text == '0' ? zeros + 1 : 0;
    }
    return count - zeros;
}

/* What the C library needs: 15, 16 or 17 digits, less zeros at the end. */
static int library_digits(double number)
{
    char text[64];

    for (int precision = 14; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, number);
        if (strtod(text, NULL) == number)
            break;
    }
    return digits_of(text);
}

/* Doubles of all kinds: any bits, uniform, short decimals, near powers of two, float32, tiny and large. */
static double some_double(uint64_t *state, int kind)
{
    const uint64_t bits = wire_random(state);
    double number;

    switch (kind) {
    case 0:
        memcpy(&number, &bits, sizeof number);
        return number;
    case 1:
        return (double)(bits >> 11) * 0x1p-53;
    case 2:
        return (double)(bits % 100000) / 1e5;
    case 3:
        return ldexp(1.0, (int)(bits % 2100) - 1074);
    case 4:
        return nextafter(ldexp(1.0, (int)(bits % 140) - 70), bits >> 63 ? 0.0 : HUGE_VAL);
    case 5:
        return (double)((float)(bits >> 40) * 0x1p-24f);
    case 6:
        return -(double)(bits % 1000) / (double)(1 + (bits >> 32) % 1000);
    default:
        return ldexp((double)(bits >> 11), (int)(bits % 120) - 110);
    }
}

static void reads_back(void)
{
    uint64_t state = 1;
    char text[MM_NUMBER_ROOM];
    size_t bad = 0;

    for (int i = 0; i < DOUBLES && bad == 0; i++) {
        const double number = some_double(&state, i % 8);
        size_t length;
        double back;

        if (!isfinite(number))
            continue;
        length = mm_number_text(number, text);
        back = strtod(text, NULL);
        bad += length != strlen(text) || length >= sizeof text || back != number || signbit(back) != signbit(number);
        if (bad != 0)
            printf("%.17g became %s\n", number, text);
    }
    CU_ASSERT_EQUAL(bad, 0);
}

static void as_short_as_the_library(void)
{
    uint64_t state = 2;
    char text[MM_NUMBER_ROOM];
    size_t bad = 0;

    for (int i = 0; i < DOUBLES / 5 && bad == 0; i++) {
        const double number = some_double(&state, i % 8);

        if (!isfinite(number) || (fabs(number) < 0x1p53 && number == floor(number)))
            continue;
        mm_number_text(number, text);
        bad += digits_of(text) != library_digits(number);
        if (bad != 0)
            printf("%.17g became %s\n", number, text);
    }
    CU_ASSERT_EQUAL(bad, 0);
}

static void known_numbers(void)
{
    static const struct {
        double number;
        const char *text;
    } known[] = {
        {0.0, "0"},
        {-0.0, "-0.0"},
        {1.0, "1"},
        {-17.0, "-17"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3.0, "0.3333333333333333"},
        {0.5, "0.5"},
        {12.5, "12.5"},
        {1e-5, "0.00001"},
        {1e-6, "1e-06"},
        {1.5e-7, "1.5e-07"},
        {4503599627370495.5, "4503599627370495.5"},
        {9007199254740991.0, "9007199254740991"},
        {9007199254740992.0, "9007199254740992"},
        {1e15, "1000000000000000"},
        {1e16, "1e+16"},
        {1e23, "1e+23"},
        {DBL_MAX, "1.79769313486232e+308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {4.9406564584124654e-324, "4.94065645841247e-324"},
        {NAN, "null"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
    };
    char text[MM_NUMBER_ROOM];

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        /* 15 digits of the largest double would round up to infinity */
        const char *expected = known[i].number == DBL_MAX ? "1.7976931348623157e+308" : known[i].text;

        CU_ASSERT_EQUAL(mm_number_text(known[i].number, text), strlen(expected));
        CU_ASSERT_STRING_EQUAL(text, expected);
    }
}

/* ------------------------------------------------------------------- text */

static void structure(void)
{
    static const char expected[] = "{\"a\":[],\"b\":{},\"c\":[1,[2,-3],null,0.25],\"d\":\"x\",\"e\":true,\"f\":null}";
    mm_json json;
    size_t size = 0;
    char *text;

    mm_json_begin(&json, 1); /* grows many times */
    mm_json_open(&json, '{');
    MM_JSON_NAME(&json, "a");
    mm_json_open(&json, '[');
    mm_json_close(&json, ']');
    MM_JSON_NAME(&json, "b");
    mm_json_open(&json, '{');
    mm_json_close(&json, '}');
    mm_json_string(&json, "c"); /* a name that is only known now */
    mm_json_colon(&json);
    mm_json_open(&json, '[');
    mm_json_count(&json, 1);
    mm_json_open(&json, '[');
    mm_json_count(&json, 2);
    mm_json_integer(&json, -3);
    mm_json_close(&json, ']');
    mm_json_string(&json, NULL);
    mm_json_number(&json, 0.25);
    mm_json_close(&json, ']');
    MM_JSON_NAME(&json, "d");
    mm_json_string(&json, "x");
    MM_JSON_NAME(&json, "e");
    MM_JSON_RAW(&json, "true");
    MM_JSON_NAME(&json, "f");
    mm_json_number(&json, NAN);
    mm_json_close(&json, '}');
    text = mm_json_end(&json, &size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL(size, sizeof expected - 1);
    CU_ASSERT_STRING_EQUAL(text, expected);
    free(text);
}

/* Every byte from 1 to 127, and UTF-8 of two to four bytes, come back from another reader. */
static void strings(void)
{
    static const char tail[] = "\xC3\xA4\xE2\x82\xAC\xF0\x9F\xA7\xA0";
    char all[127 + sizeof tail];
    mm_json json;
    size_t size = 0;
    char *text;
    cJSON *read;

    for (int c = 1; c < 128; c++)
        all[c - 1] = (char)c;
    memcpy(all + 127, tail, sizeof tail);
    mm_json_begin(&json, 16);
    mm_json_string(&json, all);
    text = mm_json_end(&json, &size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    for (size_t i = 0; i < size; i++) {
        CU_ASSERT((unsigned char)text[i] >= 0x20);
        CU_ASSERT(text[i] != 0x7F);
    }
    read = cJSON_Parse(text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(read);
    CU_ASSERT_STRING_EQUAL(cJSON_GetStringValue(read), all);
    cJSON_Delete(read);
    free(text);
}

static void integers(void)
{
    mm_json json;
    size_t size = 0;
    char *text;

    mm_json_begin(&json, 8);
    mm_json_open(&json, '[');
    mm_json_integer(&json, INT64_MIN);
    mm_json_integer(&json, INT64_MAX);
    mm_json_count(&json, UINT64_MAX);
    mm_json_count(&json, 0);
    for (uint64_t power = 1; power < UINT64_C(10000000000000000000); power *= 10) {
        mm_json_count(&json, power - 1);
        mm_json_count(&json, power);
    }
    mm_json_close(&json, ']');
    text = mm_json_end(&json, &size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL(
        strncmp(text, "[-9223372036854775808,9223372036854775807,18446744073709551615,0,0,1,9,10,99,100,", 81), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, ",999999999999999999,1000000000000000000]"));
    free(text);
}

static void times(void)
{
    static const struct {
        int64_t time;
        const char *text;
    } cases[] = {
        {0, "\"1970-01-01T00:00:00.000Z\""},
        {1767225600250, "\"2026-01-01T00:00:00.250Z\""},
        {-1, "\"1969-12-31T23:59:59.999Z\""},
        {-1000, "\"1969-12-31T23:59:59.000Z\""},
        {-62135596800000, "\"0001-01-01T00:00:00.000Z\""},
        {253402300799999, "\"9999-12-31T23:59:59.999Z\""},
        {INT64_MAX, "\"292278994-08-17T07:12:55.807Z\""},
        {INT64_MIN, "\"-292275055-05-16T16:47:04.192Z\""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mm_json json;
        size_t size = 0;
        char *text;

        mm_json_begin(&json, 8);
        mm_json_time(&json, cases[i].time);
        text = mm_json_end(&json, &size);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        CU_ASSERT_STRING_EQUAL(text, cases[i].text);
        free(text);
    }
}

/* A list of everything that can be written. */
static char *everything(size_t room, size_t *size)
{
    mm_json json;

    mm_json_begin(&json, room);
    mm_json_open(&json, '[');
    mm_json_open(&json, '{');
    MM_JSON_NAME(&json, "a name that is longer than the room there is");
    mm_json_boolean(&json, 1);
    mm_json_string(&json, "another one that is longer than the room there was");
    mm_json_colon(&json);
    mm_json_boolean(&json, 0);
    mm_json_close(&json, '}');
    mm_json_count(&json, UINT64_MAX);
    mm_json_integer(&json, INT64_MIN);
    mm_json_number(&json, -0.1);
    mm_json_time(&json, 0);
    mm_json_string(&json, NULL);
    mm_json_close(&json, ']');
    return mm_json_end(&json, size);
}

/* Each of them finds the memory gone: in rooms of all sizes, the first that does not fit. */
static void every_allocation_fails(void)
{
    static const char expected[] = "[{\"a name that is longer than the room there is\":true,"
                                   "\"another one that is longer than the room there was\":false},"
                                   "18446744073709551615,-9223372036854775808,-0.1,\"1970-01-01T00:00:00.000Z\",null]";
    const long blocks = fail_blocks();
    size_t size = 7, failed;
    char *text;

    for (size_t room = 1; room < 1000; room++) {
        size_t skip = 0;

        do {
            size = 7;
            fail_begin(FAIL_MEMORY, skip, room % 2 == 0);
            text = everything(room, &size);
            failed = fail_end();
            CU_ASSERT_EQUAL(text == NULL, failed > 0);
            CU_ASSERT_EQUAL(size, failed > 0 ? 7 : sizeof expected - 1);
            CU_ASSERT(failed > 0 || strcmp(text, expected) == 0);
            free(text);
            skip++;
        } while (failed > 0);
    }
    CU_ASSERT_EQUAL(fail_blocks(), blocks);
}

/* The first failure stays: nothing is written any more, and the end says so. */
static void out_of_memory(void)
{
    mm_json json;
    size_t size = 7;

    mm_json_begin(&json, 16);
    mm_json_open(&json, '[');
    mm_json_raw(&json, "", SIZE_MAX / 2); /* more than there can be: not one byte of it is read */
    mm_json_string(&json, "x");
    mm_json_number(&json, 0.5);
    mm_json_close(&json, ']');
    CU_ASSERT_PTR_NULL(mm_json_end(&json, &size));
    CU_ASSERT_EQUAL(size, 7);
    mm_json_string(&json, "after the end");
    CU_ASSERT_PTR_NULL(mm_json_end(&json, &size));
}

static CU_TestInfo tests[] = {{"numbers read back", reads_back},
                              {"numbers are as short as the C library's", as_short_as_the_library},
                              {"known numbers", known_numbers},
                              {"structure", structure},
                              {"strings", strings},
                              {"integers", integers},
                              {"times", times},
                              {"out of memory", out_of_memory},
                              {"every allocation fails", every_allocation_fails},
                              CU_TEST_INFO_NULL};

const mm_suite mm_suite_json = {"json", tests};
