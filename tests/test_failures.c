/*
 * test_failures.c - twenty bad tokens a minute for each address, whatever others do.
 */
#include "tests/suites.h"

#include <stdio.h>

#include "server/failures.h"
#include "tests/failing.h"

static mm_failures *new_failures(void)
{
    mm_failures *failures = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_failures_new(&failures), MM_OK);
    return failures;
}

static void test_window(void)
{
    mm_failures *failures = new_failures();
    const uint64_t here = mm_address_key("192.0.2.1"), there = mm_address_key("192.0.2.2");
    const int64_t start = 1000;

    for (int i = 0; i < MM_FAILURES_MAX; i++) {
        CU_ASSERT_EQUAL(mm_failures_wait(failures, here, start + i), 0);
        mm_failures_note(failures, here, start + i);
    }
    CU_ASSERT_EQUAL(mm_failures_wait(failures, here, start + 500), 60);
    CU_ASSERT_EQUAL(mm_failures_wait(failures, here, start + MM_FAILURES_WINDOW - 1), 1);
    CU_ASSERT_EQUAL(mm_failures_wait(failures, there, start + 500), 0);
    CU_ASSERT_EQUAL(mm_failures_wait(failures, here, start + MM_FAILURES_WINDOW), 0);
    mm_failures_note(failures, here, start + MM_FAILURES_WINDOW);
    CU_ASSERT_EQUAL(mm_failures_wait(failures, here, start + MM_FAILURES_WINDOW + 1), 0); /* it counts anew */
    mm_failures_free(failures);
}

static void test_keys(void)
{
    static const struct {
        const char *a, *b;
        int same;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", 1},
        {"192.0.2.1", "192.0.2.2", 0},
        {"2001:db8:1:2::1", "2001:db8:1:2:ffff::", 1},
        {"2001:db8:1:2::1", "2001:db8:1:3::1", 0},
        {"::1", "0.0.0.1", 0},
        {"::1", "2001:db8::1", 0},
        {"", "nonsense", 1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(mm_address_key(cases[i].a) == mm_address_key(cases[i].b), cases[i].same);
        CU_ASSERT_NOT_EQUAL(mm_address_key(cases[i].a), 0);
    }
}

/* With a hundred thousand addresses at once the table stays as large as it is, and still stops the one that goes on. */
static void test_bounds(void)
{
    mm_failures *failures = new_failures();
    char address[32];

    for (int i = 0; i < 100000; i++) {
        (void)snprintf(address, sizeof address, "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        mm_failures_note(failures, mm_address_key(address), i);
    }
    for (int i = 0; i < MM_FAILURES_MAX; i++)
        mm_failures_note(failures, mm_address_key("192.0.2.1"), 100000 + i);
    CU_ASSERT(mm_failures_wait(failures, mm_address_key("192.0.2.1"), 100100) > 0);
    CU_ASSERT_EQUAL(mm_failures_wait(failures, mm_address_key("192.0.2.2"), 100100), 0);
    mm_failures_free(failures);
}

static void test_nothing_to_be_had(void)
{
    static const unsigned what[] = {FAIL_MEMORY, FAIL_RANDOM};
    const long blocks = fail_blocks();

    for (size_t i = 0; i < 2; i++) {
        mm_failures *failures = NULL;

        fail_begin(what[i], 0, 1);
        CU_ASSERT_EQUAL(mm_failures_new(&failures), MM_NO_MEMORY);
        CU_ASSERT_EQUAL(fail_end(), 1);
        CU_ASSERT_PTR_NULL(failures);
    }
    CU_ASSERT_EQUAL(fail_blocks(), blocks);
}

static CU_TestInfo tests[] = {
    {"twenty in a minute", test_window},
    {"who counts as one", test_keys},
    {"very many addresses", test_bounds},
    {"neither memory nor random bytes", test_nothing_to_be_had},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_failures = {"failures", tests};
