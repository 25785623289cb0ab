/*
 * test_lines.c - a queue of lines: turns, order within a line, putting back, and how many of a line are served.
 */
#include "tests/suites.h"

#include <stdint.h>

#include "server/lines.h"

/* A waiter with a name. */
typedef struct guest {
    mm_waiter waiter; /* first */
    int name;
} guest;

#define MANY 1000

static int take(mm_lines *lines)
{
    const mm_waiter *waiter = mm_lines_take(lines, SIZE_MAX);

    return waiter != NULL ? ((const guest *)(const void *)waiter)->name : -1;
}

static void add(mm_lines *lines, mm_line *line, guest *guests, int first, int count)
{
    for (int i = 0; i < count; i++) {
        guests[i].name = first + i;
        mm_lines_add(lines, line, &guests[i].waiter);
    }
}

/* Who comes after a thousand of another waits for one of them; the thousand keep their order. */
static void test_turns(void)
{
    static guest many[MANY], few[2];
    mm_lines lines = {0};
    mm_line a = {0}, b = {0};

    CU_ASSERT_EQUAL(take(&lines), -1);
    add(&lines, &a, many, 0, MANY);
    add(&lines, &b, few, 5000, 2);
    CU_ASSERT_EQUAL(lines.waiting, MANY + 2);
    CU_ASSERT_EQUAL(take(&lines), 0);
    CU_ASSERT_EQUAL(take(&lines), 5000);
    CU_ASSERT_EQUAL(take(&lines), 1);
    CU_ASSERT_EQUAL(take(&lines), 5001);
    for (int i = 2; i < MANY; i++)
        CU_ASSERT_EQUAL(take(&lines), i);
    CU_ASSERT_EQUAL(take(&lines), -1);
    CU_ASSERT_EQUAL(lines.waiting, 0);
}

/* Those of nobody stand in one line. */
static void test_nobodys(void)
{
    guest guests[3], other;
    mm_lines lines = {0};
    mm_line line = {0};

    add(&lines, NULL, guests, 0, 3);
    add(&lines, &line, &other, 10, 1);
    CU_ASSERT_EQUAL(take(&lines), 0);
    CU_ASSERT_EQUAL(take(&lines), 10);
    CU_ASSERT_EQUAL(take(&lines), 1);
    CU_ASSERT_EQUAL(take(&lines), 2);
}

/* What is put back comes again as if it had not been taken: also who would have been next. */
static void test_put_back(void)
{
    guest of_a[3], of_b[2], of_c[1];
    mm_waiter *taken[5];
    mm_lines lines = {0};
    mm_line a = {0}, b = {0}, c = {0};
    static const int order[] = {20, 1, 11, 2};

    add(&lines, &a, of_a, 0, 3);
    add(&lines, &b, of_b, 10, 2);
    add(&lines, &c, of_c, 20, 1);
    for (int i = 0; i < 5; i++)
        taken[i] = mm_lines_take(&lines, SIZE_MAX); /* 0 10 20 1 11 */
    CU_ASSERT(taken[2] == &of_c[0].waiter && taken[4] == &of_b[1].waiter);
    for (int i = 5; i > 2; i--)
        mm_lines_put_back(&lines, taken[i - 1]);
    CU_ASSERT_EQUAL(lines.waiting, 4);
    CU_ASSERT_EQUAL(c.served, 0);
    CU_ASSERT_EQUAL(a.served, 1);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        CU_ASSERT_EQUAL(take(&lines), order[i]);
    CU_ASSERT_EQUAL(take(&lines), -1);
}

/* Of one line no more than so many are served at a time, and that holds up no other. */
static void test_most(void)
{
    guest of_a[4], of_b[1];
    mm_waiter *first;
    mm_lines lines = {0};
    mm_line a = {0}, b = {0};

    add(&lines, &a, of_a, 0, 4);
    first = mm_lines_take(&lines, 2);
    CU_ASSERT_PTR_EQUAL(first, &of_a[0]);
    CU_ASSERT_PTR_EQUAL(mm_lines_take(&lines, 2), &of_a[1]);
    CU_ASSERT_PTR_NULL(mm_lines_take(&lines, 2));
    add(&lines, &b, of_b, 10, 1);
    CU_ASSERT_PTR_EQUAL(mm_lines_take(&lines, 2), &of_b[0]);
    mm_lines_end(first);
    CU_ASSERT_PTR_EQUAL(mm_lines_take(&lines, 2), &of_a[2]);
    CU_ASSERT_PTR_NULL(mm_lines_take(&lines, 2));
}

static CU_TestInfo tests[] = {{"lines are served in turn", test_turns},
                              {"those of nobody keep their order", test_nobodys},
                              {"what is put back comes again", test_put_back},
                              {"so many of a line at a time", test_most},
                              CU_TEST_INFO_NULL};

extern const mm_suite mm_suite_lines;
const mm_suite mm_suite_lines = {"lines", tests};
