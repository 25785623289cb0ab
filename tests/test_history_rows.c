/*
 * test_history_rows.c - order of parts, cursors, messages and growing lists
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/history_rows.h"
#include "tests/suites.h"

static void test_part_order(void)
{
    static const char *const sorted[] = {"0", "00", "1",  "2",  "010",     "11", "18446744073709551616",
                                         "",  "-1", "1a", "a9", "\xc3\xa9"};
    const size_t count = sizeof sorted / sizeof sorted[0];

    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < count; b++) {
            const mm_stored_part left = {.name = (char *)sorted[a]}, right = {.name = (char *)sorted[b]};
            const int order = mm_part_order(&left, &right);

            CU_ASSERT_EQUAL((order > 0) - (order < 0), (a > b) - (a < b));
        }
}

/* What a list has given it takes back; what it has not it refuses. */
static void test_cursors(void)
{
    static const mm_cursor places[] = {{0, 1}, {1700000000123, 42}, {-5, 3}, {INT64_MAX, INT64_MIN}};
    mm_cursor read;
    mm_problem problem = {0};

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char *text = mm_cursor_text('r', &places[i]);

        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        CU_ASSERT_EQUAL(mm_cursor_read(text, 'r', &read, NULL), 1);
        CU_ASSERT_EQUAL(read.first, places[i].first);
        CU_ASSERT_EQUAL(read.second, places[i].second);
        CU_ASSERT_EQUAL(mm_cursor_read(text, 'e', &read, &problem), 0);
        CU_ASSERT_STRING_EQUAL(problem.param, "cursor");
        free(text);
    }
    CU_ASSERT_EQUAL(mm_cursor_read(NULL, 'r', &read, NULL), 1);
    CU_ASSERT_EQUAL(read.first, INT64_MAX);
}

/* A message that is too long ends at a whole character. */
static void test_long_text_is_cut_between_characters(void)
{
    mm_problem problem;
    char text[300];

    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 4 < sizeof text; i += 4)
            memcpy(text + i, "\xf0\x9f\xa7\xa0", 5);
        mm_store_explain(&problem, "part", "%s", text);
        CU_ASSERT_EQUAL((strlen(problem.text) - shift) % 4, 0);
        CU_ASSERT(strlen(problem.text) > 250);
        CU_ASSERT_EQUAL(strncmp(problem.text, text, strlen(problem.text)), 0);
    }
    mm_store_explain(NULL, "part", "nobody listens");
}

/* Elements stay where they are put, new ones are zero, however many. */
static void test_growing(void)
{
    uint64_t *list = NULL;
    size_t count = 0;

    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t *element = mm_store_grow(&list, &count, sizeof *element);

        CU_ASSERT_PTR_NOT_NULL_FATAL(element);
        CU_ASSERT_EQUAL(*element, 0);
        CU_ASSERT_EQUAL(count, i + 1);
        *element = i * i + 1;
    }
    for (uint64_t i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL(list[i], i * i + 1);
    free(list);
    list = NULL;
    count = 2;
    CU_ASSERT_PTR_NULL(mm_store_grow(&list, &count, SIZE_MAX / 3)); /* four are more than can be counted */
    CU_ASSERT_EQUAL(count, 2);
}

static CU_TestInfo tests[] = {
    {"order of part names", test_part_order},
    {"cursors", test_cursors},
    {"long messages", test_long_text_is_cut_between_characters},
    {"lists grow", test_growing},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_history_rows;
const mm_suite mm_suite_history_rows = {"history_rows", tests};
