/*
 * test_threads.c - threads are tried out, and the one that cannot start is noticed
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "server/threads.h"
#include "tests/suites.h"

/* Of this process, as the kernel counts them. */
static int running(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    int count = -1;

    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        (void)sscanf(line, "Threads: %d", &count);
    if (status != NULL)
        (void)fclose(status);
    return count;
}

static void test_threads_start_and_end(void)
{
    const int before = running();

    CU_ASSERT_EQUAL(mm_threads_try(0), 0);
    CU_ASSERT_EQUAL(mm_threads_try(1), 0);
    CU_ASSERT_EQUAL(mm_threads_try(50), 0);
    CU_ASSERT(before > 0 && running() <= before + 1); /* the last may still be leaving */
}

/* No machine has room for a stack of 2^46 bytes. */
static void test_a_thread_without_room(void)
{
    pthread_attr_t before, large;

    CU_ASSERT_EQUAL_FATAL(pthread_getattr_default_np(&before), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_attr_init(&large), 0);
    CU_ASSERT_EQUAL(pthread_attr_setstacksize(&large, (size_t)1 << 46), 0);
    CU_ASSERT_EQUAL(pthread_setattr_default_np(&large), 0);
    CU_ASSERT_EQUAL(mm_threads_try(0), 0);
    CU_ASSERT_EQUAL(mm_threads_try(4), EAGAIN);
    CU_ASSERT_EQUAL(pthread_setattr_default_np(&before), 0);
    CU_ASSERT_EQUAL(mm_threads_try(4), 0);
    pthread_attr_destroy(&large);
    pthread_attr_destroy(&before);
}

static CU_TestInfo tests[] = {
    {"threads start and end", test_threads_start_and_end},
    {"a thread without room", test_a_thread_without_room},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_threads = {"threads", tests};
