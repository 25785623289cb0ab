/*
 * test_query.c - targets and parameters: what is accepted, what is refused and by which name.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/query.h"
#include "tests/failing.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static mm_query parse(const char *text)
{
    mm_query query = {.count = 0};
    mm_problem problem;

    CU_ASSERT_EQUAL(mm_query_parse(&query, text, strlen(text), &problem), MM_OK);
    return query;
}

/* ------------------------------------------------------------------ targets */

/* clang-format off */
static const struct {
    const char *target;
    size_t      path_size; /* 0: refused */
    const char *query;
} targets[] = {
    {"/",                        1, ""},
    {"/a/b",                     4, ""},
    {"/a/b?",                    4, ""},
    {"/a?x=1?y",                 2, "x=1?y"},
    {"/a?/../%zz#",              2, "/../%zz#"}, /* the query has rules of its own */
    {"/a/",                      3, ""},
    {"/%C3%A9/caf\xc3\xa9",      13, ""},
    {"/%c3%aa",                 7,  ""},
    {"/%DF%80",                 7,  ""},
    {"/%E0%A0%80%ED%9F%BF",      19, ""}, /* the ends of what UTF-8 is */
    {"/%EE%80%80%EF%BF%BF",      19, ""},
    {"/%F0%90%80%80",            13, ""},
    {"/%F4%8F%BF%BF",            13, ""},
    {"/a+b%2Fc",                 8, ""},
    {"/...",                     4, ""},
    {"",                         0, NULL},
    {"a",                        0, NULL},
    {"*",                        0, NULL},
    {"http://localhost/a",       0, NULL},
    {"//a",                      0, NULL},
    {"/a//b",                    0, NULL},
    {"/.",                       0, NULL},
    {"/..",                      0, NULL},
    {"/a/./b",                   0, NULL},
    {"/a/../b",                  0, NULL},
    {"/%2e%2E/b",                0, NULL},
    {"/a\\b",                    0, NULL},
    {"/a#b",                     0, NULL},
    {"/a b",                     0, NULL},
    {"/a\x7f",                   0, NULL},
    {"/a\x01",                   0, NULL},
    {"/%",                       0, NULL},
    {"/%4",                      0, NULL},
    {"/%4g",                     0, NULL},
    {"/%g4",                     0, NULL},
    {"/%00",                     0, NULL},
    {"/%0d%0aX:1",               0, NULL},
    {"/%7f",                     0, NULL},
    {"/%C2%80",                  0, NULL},
    {"/%C0%AF",                  0, NULL},
    {"/%ED%A0%80",               0, NULL},
    {"/%F4%90%80%80",            0, NULL},
    {"/%E2%82",                  0, NULL},
    {"/%E0%9F%BF",               0, NULL},
    {"/%ED%BF%BF",               0, NULL},
    {"/%F0%8F%BF%BF",            0, NULL},
    {"/%F8%88%80%80%80",         0, NULL},
    {"/\xff",                    0, NULL},
};
/* clang-format on */

static void test_targets(void)
{
    for (size_t i = 0; i < COUNT(targets); i++) {
        mm_problem problem;
        size_t size = 0;
        const char *query = NULL;
        const mm_status status = mm_target_split(targets[i].target, &size, &query, &problem);

        CU_ASSERT_EQUAL(status == MM_OK, targets[i].path_size > 0);
        CU_ASSERT_EQUAL(size, targets[i].path_size);
        if (status == MM_OK) {
            CU_ASSERT_STRING_EQUAL(query, targets[i].query);
        } else {
            CU_ASSERT_EQUAL(status, MM_BAD_PARAM);
            CU_ASSERT_STRING_EQUAL(problem.param, "");
            CU_ASSERT_NOT_EQUAL(problem.text[0], '\0');
        }
    }
}

static void test_path_names(void)
{
    static const struct {
        const char *segment, *name; /* NULL: refused */
    } cases[] = {{"unet", "unet"},
                 {"a%2Fb", "a/b"},
                 {"a+b", "a+b"},
                 {"a%20b", "a b"},
                 {"%F0%9F%98%80", "\xf0\x9f\x98\x80"},
                 {"a%2Cb", NULL},
                 {"a%zz", NULL},
                 {"%00", NULL},
                 {"%0A", NULL},
                 {"%C0%80", NULL},
                 {"\xe2\x82", NULL},
                 {"%E2%80%AE", "\xe2\x80\xae"}};
    char long_name[300];

    for (size_t i = 0; i < COUNT(cases); i++) {
        char *name = NULL;
        mm_problem problem;

        CU_ASSERT_EQUAL(mm_path_decode(cases[i].segment, strlen(cases[i].segment), &name, &problem),
                        cases[i].name != NULL ? MM_OK : MM_BAD_PARAM);
        if (cases[i].name != NULL && name != NULL)
            CU_ASSERT_STRING_EQUAL(name, cases[i].name);
        free(name);
    }
    memset(long_name, 'a', sizeof long_name);
    for (size_t size = 256; size <= 257; size++) {
        char *name = NULL;

        CU_ASSERT_EQUAL(mm_path_decode(long_name, size, &name, NULL), size == 256 ? MM_OK : MM_BAD_PARAM);
        free(name);
    }
    CU_ASSERT_FALSE(mm_name_valid(""));
    CU_ASSERT_FALSE(mm_name_valid("a\x01"));
    CU_ASSERT_TRUE(mm_name_valid("a\xc2\xa0"));
}

/* --------------------------------------------------------------- parameters */

static void test_form_encoding(void)
{
    mm_query query = parse("a=1&b=x+y%2Bz&c&d=&e=a%3Db=c&%66=%C3%A9&g=1,2");

    CU_ASSERT_EQUAL(query.count, 7);
    CU_ASSERT_STRING_EQUAL(mm_query_get(&query, "a"), "1");
    CU_ASSERT_STRING_EQUAL(mm_query_get(&query, "b"), "x y+z");
    CU_ASSERT_STRING_EQUAL(mm_query_get(&query, "c"), "");
    CU_ASSERT_STRING_EQUAL(mm_query_get(&query, "d"), "");
    CU_ASSERT_STRING_EQUAL(mm_query_get(&query, "e"), "a=b=c");
    CU_ASSERT_STRING_EQUAL(mm_query_get(&query, "f"), "\xc3\xa9");
    CU_ASSERT_PTR_NULL(mm_query_get(&query, "A"));
    CU_ASSERT_EQUAL(mm_query_add(&query, "a", "2", NULL), MM_OK); /* the query wins */
    CU_ASSERT_STRING_EQUAL(mm_query_get(&query, "a"), "1");
    CU_ASSERT_EQUAL(mm_query_add(&query, "h", "new", NULL), MM_OK);
    CU_ASSERT_STRING_EQUAL(mm_query_get(&query, "h"), "new");
    mm_query_free(&query);
    CU_ASSERT_EQUAL(query.count, 0);
    query = parse("");
    CU_ASSERT_EQUAL(query.count, 0);
}

static void test_bad_queries(void)
{
    static const struct {
        const char *text, *param;
    } cases[] = {{"a=1&a=2", "a"},  {"a=1&%61=2", "a"}, {"=1", ""},    {"a=1&&b=2", ""}, {"a=1&", ""},
                 {"&", ""},         {"a=%", "a"},       {"a=%0", "a"}, {"a=%00", "a"},   {"a=%0a", "a"},
                 {"a=%C0%80", "a"}, {"a=\x80", "a"},    {"a b=1", ""}, {"%ff=1", ""},    {"a=b c", "a"},
                 {"a=#", "a"},      {"a=\\", "a"},      {"%0d=1", ""}, {"a=%C2%9F", "a"}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        mm_query query = {.count = 0};
        mm_problem problem = {.param = "?"};

        CU_ASSERT_EQUAL(mm_query_parse(&query, cases[i].text, strlen(cases[i].text), &problem), MM_BAD_PARAM);
        CU_ASSERT_STRING_EQUAL(problem.param, cases[i].param);
        mm_query_free(&query);
    }
}

static void test_added_metadata_is_checked(void)
{
    mm_query query = {.count = 0};
    mm_problem problem;

    CU_ASSERT_EQUAL(mm_query_add(&query, "a\x01", "1", &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(mm_query_add(&query, "a", "\xff", &problem), MM_BAD_PARAM);
    CU_ASSERT_STRING_EQUAL(problem.param, "a");
    CU_ASSERT_EQUAL(mm_query_add(&query, "", "1", &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(query.count, 0);
}

static void test_most_parameters(void)
{
    mm_query query = {.count = 0};
    mm_problem problem;
    char text[8 * (MM_QUERY_MAX + 1)] = "";

    for (int i = 0; i <= MM_QUERY_MAX; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%sp%d", i > 0 ? "&" : "", i);
    CU_ASSERT_EQUAL(mm_query_parse(&query, text, strlen(text), &problem), MM_BAD_PARAM);
    CU_ASSERT_STRING_EQUAL(problem.param, "p64");
    CU_ASSERT_EQUAL(query.count, MM_QUERY_MAX);
    mm_query_free(&query);
}

/* A long name is cut between characters, so that the problem stays UTF-8. */
static void test_long_names_in_problems(void)
{
    mm_query query = {.count = 0};
    mm_problem problem;
    char name[200] = "a";

    for (size_t i = 1; i < 99; i += 2)
        memcpy(name + i, "\xc3\xa9", 3);
    CU_ASSERT_EQUAL(mm_query_add(&query, name, "1", &problem), MM_OK);
    CU_ASSERT_EQUAL(mm_query_only(&query, "scores|task", &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(strlen(problem.param), 63);
    CU_ASSERT_EQUAL(strncmp(problem.param, name, 63), 0);
    mm_query_free(&query);
    memmove(name, name + 1, strlen(name));
    CU_ASSERT_EQUAL(mm_query_add(&query, name, "1", &problem), MM_OK);
    CU_ASSERT_EQUAL(mm_query_only(&query, "scores|task", &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(strlen(problem.param), 62);
    mm_query_free(&query);
}

static void test_allowed_names(void)
{
    mm_query query = parse("task=1&scores=2"); /* "task" also begins a longer word */
    mm_problem problem;

    CU_ASSERT_EQUAL(mm_query_only(&query, "scores|task", &problem), MM_OK);
    CU_ASSERT_EQUAL(mm_query_only(&query, "scores|tasks", &problem), MM_BAD_PARAM);
    CU_ASSERT_STRING_EQUAL(problem.param, "task");
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "did you mean tasks?"));
    CU_ASSERT_EQUAL(mm_query_only(&query, "", &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NULL(strstr(problem.text, "did you mean"));
    mm_query_free(&query);
    query = parse("tasks=1");
    CU_ASSERT_EQUAL(mm_query_only(&query, "scores|task", &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "did you mean task?"));
    mm_query_free(&query);
}

/* Against the textbook table of Levenshtein's distance, on words of two letters. */
static size_t distance(const char *a, const char *b)
{
    size_t table[8][8];

    for (size_t i = 0; i <= strlen(a); i++)
        for (size_t j = 0; j <= strlen(b); j++) {
            size_t best = i == 0 ? j : table[i - 1][j] + 1;

            if (i == 0 || j == 0) {
                table[i][j] = i + j;
                continue;
            }
            if (table[i][j - 1] + 1 < best)
                best = table[i][j - 1] + 1;
            if (table[i - 1][j - 1] + (a[i - 1] != b[j - 1]) < best)
                best = table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            table[i][j] = best;
        }
    return table[strlen(a)][strlen(b)];
}

static void test_nearest_word(void)
{
    static const char *const words[] = {"abab", "bbaa", "aaaa"};
    size_t size = 0;

    for (unsigned bits = 0; bits < 32; bits++) {
        char text[6] = "";
        size_t least = 5 / 3 + 2; /* what mm_nearest_word() calls near */
        const char *expected = NULL, *found;

        for (unsigned i = 0; i < 5; i++)
            text[i] = bits >> i & 1 ? 'a' : 'b';
        for (size_t i = 0; i < 3; i++)
            if (distance(text, words[i]) < least) {
                least = distance(text, words[i]);
                expected = words[i];
            }
        found = mm_nearest_word(text, "abab|bbaa|aaaa", &size);
        CU_ASSERT_EQUAL(found == NULL, expected == NULL);
        if (found != NULL && expected != NULL)
            CU_ASSERT_EQUAL(strncmp(found, expected, size), 0);
    }
    CU_ASSERT_PTR_NULL(mm_nearest_word("zzzzzz", "abab|bbaa", &size));
    CU_ASSERT_PTR_NULL(
        mm_nearest_word("abc", "0123456789012345678901234567890123456789012345678901234567890123456789", &size));
    CU_ASSERT_PTR_NULL(
        mm_nearest_word("0123456789012345678901234567890123456789012345678901234567890123456789", "a|b", &size));
}

/* ------------------------------------------------------------------ readers */

static void test_integers(void)
{
    static const struct {
        const char *text;
        int fine;
        int64_t value;
    } cases[] = {{"0", 1, 0},
                 {"-7", 1, -7},
                 {"007", 1, 7},
                 {"9223372036854775807", 1, INT64_MAX},
                 {"-9223372036854775807", 1, -INT64_MAX},
                 {"-0", 1, 0},
                 {"-9223372036854775808", 1, INT64_MIN},
                 {"-9223372036854775809", 0, 0},
                 {"9223372036854775808", 0, 0},
                 {"18446744073709551616", 0, 0},
                 {"10000000000000000000", 0, 0},
                 {"", 0, 0},
                 {"-", 0, 0},
                 {"+1", 0, 0},
                 {"1.0", 0, 0},
                 {"1e3", 0, 0},
                 {" 1", 0, 0},
                 {"0x10", 0, 0}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        mm_query query = {.count = 0};
        mm_problem problem;
        int64_t value = 42;

        CU_ASSERT_EQUAL(mm_query_add(&query, "n", cases[i].text, &problem), MM_OK);
        CU_ASSERT_EQUAL(mm_query_integer(&query, "n", INT64_MIN, INT64_MAX, &value, &problem),
                        cases[i].fine ? MM_OK : MM_BAD_PARAM);
        CU_ASSERT_EQUAL(value, cases[i].fine ? cases[i].value : 42);
        mm_query_free(&query);
    }
}

static void test_integer_ranges(void)
{
    mm_query query = parse("n=5");
    mm_problem problem;
    int64_t value = 0;

    CU_ASSERT_EQUAL(mm_query_integer(&query, "n", 5, 5, &value, &problem), MM_OK);
    CU_ASSERT_EQUAL(mm_query_integer(&query, "n", 6, 9, &value, &problem), MM_BAD_PARAM);
    CU_ASSERT_STRING_EQUAL(problem.param, "n");
    CU_ASSERT_STRING_EQUAL(problem.text, "must be an integer from 6 to 9");
    CU_ASSERT_EQUAL(mm_query_integer(&query, "n", 0, 4, &value, &problem), MM_BAD_PARAM);
    value = 42;
    CU_ASSERT_EQUAL(mm_query_integer(&query, "absent", 0, 4, &value, &problem), MM_OK);
    CU_ASSERT_EQUAL(value, 42);
    mm_query_free(&query);
}

static const char *const numbers[] = {
    "0", "-1.5", "1e3", "1E-3", ".5", "5.", "+1", "-.5e+2", "0.1", "1e-400", "123456789.123456789", "4.9e-324"};
static const char *const no_numbers[] = {"",      "-",   ".",  "e5", "1e", "1e+", "0x10", "inf",      "nan",
                                         "1e400", "1,5", "1 ", " 1", "1f", "--1", "1..2", "infinity", "1e5.5"};

static void test_numbers(void)
{
    for (size_t i = 0; i < COUNT(numbers); i++) {
        mm_query query = {.count = 0};
        double value = 42.0;

        CU_ASSERT_EQUAL(mm_query_add(&query, "x", numbers[i], NULL), MM_OK);
        CU_ASSERT_EQUAL(mm_query_number(&query, "x", -1e300, 1e300, &value, NULL), MM_OK);
        CU_ASSERT_EQUAL(value, strtod(numbers[i], NULL));
        mm_query_free(&query);
    }
    for (size_t i = 0; i < COUNT(no_numbers); i++) {
        mm_query query = {.count = 0};
        mm_problem problem;
        double value = 42.0;

        CU_ASSERT_EQUAL(mm_query_add(&query, "x", no_numbers[i], NULL), MM_OK);
        CU_ASSERT_EQUAL(mm_query_number(&query, "x", -1e300, 1e300, &value, &problem), MM_BAD_PARAM);
        CU_ASSERT_EQUAL(value, 42.0);
        CU_ASSERT_STRING_EQUAL(problem.param, "x");
        mm_query_free(&query);
    }
}

static void test_number_ranges(void)
{
    mm_query query = parse("x=0.5");
    double value = 0.0;

    CU_ASSERT_EQUAL(mm_query_number(&query, "x", 0.5, 0.5, &value, NULL), MM_OK);
    CU_ASSERT_EQUAL(mm_query_number(&query, "x", 0.6, 1.0, &value, NULL), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(mm_query_number(&query, "x", 0.0, 0.4, &value, NULL), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(mm_query_number(&query, "absent", 0.0, 0.4, &value, NULL), MM_OK);
    CU_ASSERT_EQUAL(value, 0.5);
    mm_query_free(&query);
}

static void test_number_lists(void)
{
    mm_query query = parse("w=1,.5,2e0&one=7&bad=1,x,3&comma=1,,2&tail=1,&range=1,9");
    mm_problem problem;
    double *list = NULL;
    size_t count = 0;

    CU_ASSERT_EQUAL(mm_query_numbers(&query, "w", 0, 5, 3, &list, &count, &problem), MM_OK);
    CU_ASSERT_EQUAL(count, 3);
    if (list != NULL)
        CU_ASSERT(list[0] == 1.0 && list[1] == 0.5 && list[2] == 2.0);
    free(list);
    list = NULL;
    CU_ASSERT_EQUAL(mm_query_numbers(&query, "w", 0, 5, 2, &list, &count, &problem), MM_BAD_PARAM);
    CU_ASSERT_STRING_EQUAL(problem.text, "more than 2 numbers");
    CU_ASSERT_EQUAL(mm_query_numbers(&query, "bad", 0, 5, 9, &list, &count, &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "number 2 "));
    CU_ASSERT_EQUAL(mm_query_numbers(&query, "comma", 0, 5, 9, &list, &count, &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(mm_query_numbers(&query, "tail", 0, 5, 9, &list, &count, &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "number 2 "));
    CU_ASSERT_EQUAL(mm_query_numbers(&query, "range", 0, 5, 9, &list, &count, &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(mm_query_numbers(&query, "absent", 0, 5, 9, &list, &count, &problem), MM_OK);
    CU_ASSERT_PTR_NULL(list);
    mm_query_free(&query);
}

static void test_words(void)
{
    mm_query query = parse("task=multilabel&short=multi");
    mm_problem problem;
    int which = -1;

    CU_ASSERT_EQUAL(mm_query_word(&query, "task", "multiclass|multilabel", &which, &problem), MM_OK);
    CU_ASSERT_EQUAL(which, 1);
    CU_ASSERT_EQUAL(mm_query_word(&query, "short", "multiclass|multilabel", &which, &problem), MM_BAD_PARAM);
    CU_ASSERT_STRING_EQUAL(problem.param, "short");
    CU_ASSERT_STRING_EQUAL(problem.text, "must be one of multiclass|multilabel");
    CU_ASSERT_EQUAL(mm_query_word(&query, "absent", "a", &which, &problem), MM_OK);
    CU_ASSERT_EQUAL(which, 1);
    mm_query_free(&query);
}

static void test_names(void)
{
    mm_query query = parse("run=unet+1&bad=a,b&empty=&classes=liver,%C3%A9,x&gap=a,,b");
    const char *name = NULL;
    mm_problem problem;
    char **names = NULL;
    size_t count = 0;

    CU_ASSERT_EQUAL(mm_query_name(&query, "run", &name, &problem), MM_OK);
    CU_ASSERT_STRING_EQUAL(name, "unet 1");
    CU_ASSERT_EQUAL(mm_query_name(&query, "bad", &name, &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(mm_query_name(&query, "empty", &name, &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(mm_query_name(&query, "absent", &name, &problem), MM_OK);
    CU_ASSERT_STRING_EQUAL(name, "unet 1");
    CU_ASSERT_EQUAL(mm_query_names(&query, "classes", 3, &names, &count, &problem), MM_OK);
    CU_ASSERT_EQUAL(count, 3);
    if (names != NULL) {
        CU_ASSERT_STRING_EQUAL(names[0], "liver");
        CU_ASSERT_STRING_EQUAL(names[1], "\xc3\xa9");
        CU_ASSERT_STRING_EQUAL(names[2], "x");
    }
    free(names);
    names = NULL;
    CU_ASSERT_EQUAL(mm_query_names(&query, "classes", 2, &names, &count, &problem), MM_BAD_PARAM);
    CU_ASSERT_STRING_EQUAL(problem.text, "more than 2 names");
    CU_ASSERT_EQUAL(mm_query_names(&query, "gap", 9, &names, &count, &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "name 2 "));
    CU_ASSERT_EQUAL(mm_query_names(&query, "absent", 9, &names, &count, &problem), MM_OK);
    CU_ASSERT_PTR_NULL(names);
    mm_query_free(&query);
}

/* ---------------------------------------------------------------------- time */

/* Every day of 800 years, against the C library's calendar. */
static void test_days(void)
{
    int wrong = 0;

    for (int64_t day = -200000; day < 100000; day += 7) {
        const time_t seconds = (time_t)(day * 86400 + 3661);
        struct tm parts;
        char text[40];
        mm_query query = {.count = 0};
        int64_t value = 0;

        if (gmtime_r(&seconds, &parts) == NULL)
            continue;
        (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900, parts.tm_mon + 1,
                       parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
        if (mm_query_add(&query, "time", text, NULL) != MM_OK || mm_query_time(&query, "time", &value, NULL) != MM_OK ||
            value != (int64_t)seconds * 1000)
            wrong++;
        mm_query_free(&query);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* The last days of months, and those after them: the C library takes the 31st of November for another day. */
static void test_month_ends(void)
{
    for (int year = 2023; year <= 2024; year++)
        for (int month = 1; month <= 12; month++)
            for (int day = 27; day <= 32; day++) {
                struct tm parts = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
                mm_query query = {.count = 0};
                int64_t value = 0;
                char text[64];

                (void)snprintf(text, sizeof text, "%d-%02d-%02dT00:00:00Z", year, month, day);
                CU_ASSERT_EQUAL(mm_query_add(&query, "time", text, NULL), MM_OK);
                (void)timegm(&parts);
                CU_ASSERT_EQUAL(mm_query_time(&query, "time", &value, NULL) == MM_OK, parts.tm_mday == day);
                mm_query_free(&query);
            }
}

static void test_times(void)
{
    /* clang-format off */
    static const struct {
        const char *text;
        int         fine;
        int64_t     value;
    } cases[] = {
        {"1970-01-01T00:00:00Z",           1, 0},
        {"1970-01-01t00:00:01z",           1, 1000},
        {"1970-01-01 00:00:01.5Z",         1, 1500},
        {"1970-01-01T00:00:01.0009Z",      1, 1000},
        {"1970-01-01T01:00:00+01:00",      1, 0},
        {"1970-01-01T01:00:00 01:00",      1, 0}, /* a '+' that was not escaped */
        {"1969-12-31T23:30:00-00:30",      1, 0},
        {"1969-12-31T23:59:59.999Z",       1, -1},
        {"1970-01-01T00:59:00+00:59",      1, 0},
        {"2016-12-31T23:59:60Z",           1, 1483228800000},
        {"2024-02-29T00:00:00Z",           1, 1709164800000},
        {"2000-02-29T00:00:00Z",           1, 951782400000},
        {"2023-02-29T00:00:00Z",           0, 0},
        {"1900-02-29T00:00:00Z",           0, 0},
        {"2024-04-31T00:00:00Z",           0, 0},
        {"2024-13-01T00:00:00Z",           0, 0},
        {"2024-00-01T00:00:00Z",           0, 0},
        {"2024-01-00T00:00:00Z",           0, 0},
        {"2024-01-01T24:00:00Z",           0, 0},
        {"2024-01-01T00:60:00Z",           0, 0},
        {"2024-01-01T00:00:61Z",           0, 0},
        {"2024-01-01T00:00:00",            0, 0},
        {"2024-01-01T00:00:00.Z",          0, 0},
        {"2024-01-01T00:00:00Zx",          0, 0},
        {"2024-01-01T00:00:00+24:00",      0, 0},
        {"2024-01-01T00:00:00+01:60",      0, 0},
        {"2024-01-01T00:00:00+0100",       0, 0},
        {"2024-01-01T00:00:00+01-00",      0, 0},
        {"2024-01-01T00:00:00*01:00",      0, 0},
        {"2024/01/01T00:00:00Z",           0, 0},
        {"2024-01-01X00:00:00Z",           0, 0},
        {"2024-01-01T00.00:00Z",           0, 0},
        {"2024-01-01T00:00.00Z",           0, 0},
        {"2024-01/01T00:00:00Z",           0, 0},
        {"0001-01-01T00:00:00Z",           1, -62135596800000},
        {"9999-12-31T23:59:59Z",           1, 253402300799000},
        {"0000-01-01T00:00:00Z",           0, 0},
        {"x024-01-01T00:00:00Z",           0, 0},
        {"now",                            0, 0},
        {"2024-0/-01T00:00:00Z",           0, 0},
        {"2024-0:-01T00:00:00Z",           0, 0},
        {"",                               0, 0},
    };
    /* clang-format on */

    for (size_t i = 0; i < COUNT(cases); i++) {
        mm_query query = {.count = 0};
        int64_t value = 42;

        CU_ASSERT_EQUAL(mm_query_add(&query, "time", cases[i].text, NULL), MM_OK);
        CU_ASSERT_EQUAL(mm_query_time(&query, "time", &value, NULL), cases[i].fine ? MM_OK : MM_BAD_PARAM);
        CU_ASSERT_EQUAL(value, cases[i].fine ? cases[i].value : 42);
        mm_query_free(&query);
    }
}

/* -------------------------------------------------------------------- random */

/* Whatever is accepted is UTF-8 without control characters, and comes back when it is encoded and parsed again. */
static void test_random_queries(void)
{
    unsigned seed = 1;

    for (int round = 0; round < 20000; round++) {
        static const char alphabet[] = "a%%%0123456789abcdefACF=&+\xc3\xa9\xe2\x82\xac\x80";
        mm_query query = {.count = 0}, again = {.count = 0};
        char text[24], encoded[512] = "a=";
        const size_t size = (size_t)(rand_r(&seed) % 20);

        for (size_t i = 0; i < size; i++)
            text[i] = alphabet[(size_t)rand_r(&seed) % (sizeof alphabet - 1)];
        if (mm_query_parse(&query, text, size, NULL) == MM_OK && query.count > 0) {
            const unsigned char *value = (const unsigned char *)query.pairs[0].value;

            for (size_t i = 0; value[i] != '\0'; i++)
                (void)snprintf(encoded + strlen(encoded), 4, "%%%02X", value[i]);
            CU_ASSERT_EQUAL(mm_query_parse(&again, encoded, strlen(encoded), NULL), MM_OK);
            CU_ASSERT_STRING_EQUAL(mm_query_get(&again, "a"), query.pairs[0].value);
            mm_query_free(&again);
        }
        mm_query_free(&query);
    }
}

/* ------------------------------------------------------------ out of memory */

/* What the readers make of one query; the lists stay NULL when they cannot be had. */
typedef struct readings {
    mm_query query;
    const char *rest;
    size_t path_size, count;
    char *segment, **names;
    double *numbers;
} readings;

static mm_status read_all(readings *r)
{
    static const char text[] = "a=1,2,3&b=x,y&c";
    mm_status status = mm_target_split("/v1/runs/a?b", &r->path_size, &r->rest, NULL);

    if (status == MM_OK)
        status = mm_path_decode("a%2Fb", 5, &r->segment, NULL);
    if (status == MM_OK)
        status = mm_query_parse(&r->query, text, sizeof text - 1, NULL);
    if (status == MM_OK)
        status = mm_query_add(&r->query, "d", "4", NULL);
    if (status == MM_OK)
        status = mm_query_numbers(&r->query, "a", 0.0, 9.0, 9, &r->numbers, &r->count, NULL);
    if (status == MM_OK)
        status = mm_query_names(&r->query, "b", 9, &r->names, &r->count, NULL);
    return status;
}

/* Each allocation fails in turn: that is said, what was read before stays, and all is given back. */
static void test_out_of_memory(void)
{
    const long blocks = fail_blocks();
    size_t skip = 0, failed;

    do {
        readings r = {.query = {.count = 0}};
        mm_status status;

        fail_begin(FAIL_MEMORY, skip, skip % 2 == 0);
        status = read_all(&r);
        failed = fail_end();
        CU_ASSERT_EQUAL(status, failed > 0 ? MM_NO_MEMORY : MM_OK);
        CU_ASSERT_EQUAL(r.path_size, skip > 0 ? 10 : 0);
        CU_ASSERT_EQUAL(r.segment != NULL, skip > 1);
        CU_ASSERT_EQUAL(r.query.count, skip < 2 ? 0 : skip < 6 ? skip - 2 : 4);
        CU_ASSERT_EQUAL(r.numbers != NULL, skip > 6);
        CU_ASSERT_EQUAL(r.names != NULL, skip > 7);
        mm_query_free(&r.query);
        free(r.segment);
        free(r.numbers);
        free(r.names);
        skip++;
    } while (failed > 0);
    CU_ASSERT_EQUAL(skip, 9);
    CU_ASSERT_EQUAL(fail_blocks(), blocks);
}

static CU_TestInfo tests[] = {
    {"targets", test_targets},
    {"names in paths", test_path_names},
    {"form encoding", test_form_encoding},
    {"bad queries name the parameter", test_bad_queries},
    {"added metadata is checked", test_added_metadata_is_checked},
    {"64 parameters, and 65", test_most_parameters},
    {"long names in problems", test_long_names_in_problems},
    {"allowed names", test_allowed_names},
    {"the nearest word", test_nearest_word},
    {"integers", test_integers},
    {"ranges of integers", test_integer_ranges},
    {"numbers", test_numbers},
    {"ranges of numbers", test_number_ranges},
    {"lists of numbers", test_number_lists},
    {"words", test_words},
    {"names", test_names},
    {"days against the C library", test_days},
    {"the ends of months", test_month_ends},
    {"times", test_times},
    {"random queries", test_random_queries},
    {"out of memory", test_out_of_memory},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_query = {"query", tests};
