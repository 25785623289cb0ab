/*
 * test_retention.c - when the clock is not believed
 */
#include "server/retention.h"
#include "tests/suites.h"

#include <string.h>

#define DAY  INT64_C(86400000)
#define YEAR (365 * DAY)
#define NOW  (56 * YEAR)

/* A server that has been up for an hour, keeps 30 days, and got its last part a minute ago. */
static mm_clock_view good(void)
{
    return (mm_clock_view){.wall_start = NOW - DAY / 24,
                           .wall_now = NOW,
                           .steady_start = 5 * DAY,
                           .steady_now = 5 * DAY + DAY / 24,
                           .newest = NOW - 60000,
                           .keep = 30 * DAY};
}

static void doubted(mm_clock_view view, const char *words)
{
    const char *doubt = mm_retention_doubt(&view);

    CU_ASSERT_PTR_NOT_NULL_FATAL(doubt);
    CU_ASSERT_PTR_NOT_NULL(strstr(doubt, words));
}

static void test_believed(void)
{
    mm_clock_view view = good();

    CU_ASSERT_PTR_NULL(mm_retention_doubt(&view));
    view.first = 1;
    CU_ASSERT_PTR_NULL(mm_retention_doubt(&view));
    view.newest = INT64_MIN; /* nothing is stored */
    CU_ASSERT_PTR_NULL(mm_retention_doubt(&view));
    view = good();
    view.wall_now += DAY - 1000; /* a step within reason */
    CU_ASSERT_PTR_NULL(mm_retention_doubt(&view));
    view = good();
    view.newest = NOW - 40 * DAY; /* a server that ran all the time and got nothing: what is old goes */
    view.wall_start -= 50 * DAY;
    view.steady_now += 50 * DAY;
    CU_ASSERT_PTR_NULL(mm_retention_doubt(&view));
}

static void test_jumps_are_not(void)
{
    mm_clock_view view = good();

    view.wall_now += 2 * DAY;
    doubted(view, "was set");
    view.wall_now = NOW + 12 * YEAR; /* 2038 and more */
    doubted(view, "was set");
    view.wall_now = 0;
    doubted(view, "was set");
    view = good();
    view.steady_now += 3 * DAY; /* the wall clock stood still */
    doubted(view, "was set");
}

static void test_wrong_from_the_start(void)
{
    mm_clock_view view = good();

    view.newest = NOW + 2 * DAY;
    doubted(view, "after the clock's now");
    view.newest = NOW - 31 * DAY;
    view.first = 1;
    doubted(view, "all that is stored");
    view.first = 0;
    CU_ASSERT_PTR_NULL(mm_retention_doubt(&view));
}

static CU_TestInfo tests[] = {
    {"a clock that runs is believed", test_believed},
    {"one that was set is not", test_jumps_are_not},
    {"one that was wrong from the start is not", test_wrong_from_the_start},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_retention;
const mm_suite mm_suite_retention = {"retention", tests};
