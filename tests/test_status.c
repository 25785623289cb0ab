/*
 * test_status.c - every status and every reason has its words, and no two share them.
 */
#include "tests/suites.h"

#include <string.h>

#include "lib/maskmeter.h"

static void test_statuses(void)
{
    static const mm_status all[] = {
#define X(name, number, message) MM_##name,
        MM_STATUS_LIST(X)
#undef X
    };
    const size_t count = sizeof all / sizeof all[0];

    CU_ASSERT_STRING_EQUAL(mm_status_text(MM_OK), "ok");
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT(strlen(mm_status_text(all[i])) > 1);
        for (size_t j = 0; j < i; j++) {
            CU_ASSERT(all[i] != all[j]);
            CU_ASSERT_STRING_NOT_EQUAL(mm_status_text(all[i]), mm_status_text(all[j]));
        }
    }
    CU_ASSERT_STRING_EQUAL(mm_status_text((mm_status)9999), "unknown status");
}

/* The names of API.md are part of the contract. */
static void test_reasons(void)
{
    static const char *const names[] = {
        "defined",          "absent_in_both", "absent_in_label",  "absent_in_prediction",
        "empty_prediction", "empty_label",    "zero_denominator", "single_class",
        "no_voxels",        "too_small",      "not_in_sums",      "not_chosen"};

    CU_ASSERT_EQUAL(sizeof names / sizeof names[0], MM_REASON_COUNT);
    for (size_t i = 0; i < MM_REASON_COUNT; i++)
        CU_ASSERT_STRING_EQUAL(mm_reason_text((mm_reason)i), names[i]);
    CU_ASSERT_STRING_EQUAL(mm_reason_text((mm_reason)9999), "unknown_reason");
}

static CU_TestInfo tests[] = {
    {"words of every status", test_statuses},
    {"words of every reason", test_reasons},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_status = {"status", tests};
