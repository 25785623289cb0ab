/*
 * test_address.c - addresses: what they mean, listening and connecting.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/address.h"

static void test_spelling(void)
{
    static const char *const good[] = {"127.0.0.1:80", "[::1]:0", "localhost:65535", "0.0.0.0:1"};
    static const char *const bad[] = {
        "",       "80",    ":80",         "localhost",       "localhost:",   "::1:80",
        "[]:80",  "[::1]", "localhost:x", "localhost:65536", "localhost:-1", "localhost:123456",
        "[::1:80"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CU_ASSERT_TRUE(mm_address_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CU_ASSERT_FALSE(mm_address_valid(bad[i]));
}

static void test_local(void)
{
    CU_ASSERT_TRUE(mm_address_is_local("127.0.0.1:80"));
    CU_ASSERT_TRUE(mm_address_is_local("127.3.2.1:80"));
    CU_ASSERT_TRUE(mm_address_is_local("[::1]:80"));
    CU_ASSERT_FALSE(mm_address_is_local("0.0.0.0:80"));
    CU_ASSERT_FALSE(mm_address_is_local("[::]:80"));
    CU_ASSERT_FALSE(mm_address_is_local("192.0.2.1:80"));
    CU_ASSERT_FALSE(mm_address_is_local("128.0.0.1:80"));
    CU_ASSERT_FALSE(mm_address_is_local("nonsense"));
}

/* A listener on a free port is reached, also by the wildcard address. */
static void test_listen_and_connect(void)
{
    mm_problem problem;
    char text[64], wildcard[64];
    const int fd = mm_address_listen("127.0.0.1:0", &problem);
    int client, second;

    CU_ASSERT_TRUE_FATAL(fd >= 0);
    mm_address_text(fd, text);
    CU_ASSERT_EQUAL(strncmp(text, "127.0.0.1:", 10), 0);
    CU_ASSERT_STRING_NOT_EQUAL(text, "127.0.0.1:0");
    client = mm_address_connect(text, 1, &problem);
    CU_ASSERT_TRUE(client >= 0);
    (void)snprintf(wildcard, sizeof wildcard, "0.0.0.0:%s", strrchr(text, ':') + 1);
    second = mm_address_connect(wildcard, 1, &problem);
    CU_ASSERT_TRUE(second >= 0);
    CU_ASSERT_TRUE(mm_address_listen(text, &problem) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "cannot listen on 127.0.0.1:"));
    (void)close(client);
    (void)close(second);
    (void)close(fd);
    CU_ASSERT_TRUE(mm_address_connect(text, 1, &problem) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "cannot connect to 127.0.0.1:"));
}

static void test_version_6(void)
{
    mm_problem problem;
    char text[64], wildcard[64];
    const int fd = mm_address_listen("[::1]:0", &problem);
    int client;

    if (fd < 0) { /* a machine without it says so */
        CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "[::1]:0"));
        return;
    }
    mm_address_text(fd, text);
    CU_ASSERT_EQUAL(strncmp(text, "[::1]:", 6), 0);
    (void)snprintf(wildcard, sizeof wildcard, "[::]:%s", strrchr(text, ':') + 1);
    client = mm_address_connect(wildcard, 1, &problem);
    CU_ASSERT_TRUE(client >= 0);
    (void)close(client);
    (void)close(fd);
}

static void test_refused(void)
{
    mm_problem problem;

    CU_ASSERT_TRUE(mm_address_listen("nonsense", &problem) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "is not an address like"));
    CU_ASSERT_TRUE(mm_address_connect("127.0.0.1", 1, &problem) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "is not an address like"));
    CU_ASSERT_TRUE(mm_address_listen("999.1.1.1:80", &problem) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "999.1.1.1:80: "));
    CU_ASSERT_TRUE(mm_address_listen("192.0.2.1:0", &problem) < 0); /* nobody's own */
}

static CU_TestInfo tests[] = {
    {"spelling", test_spelling},   {"loopback", test_local},  {"listening and connecting", test_listen_and_connect},
    {"version 6", test_version_6}, {"refused", test_refused}, CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_address = {"address", tests};
