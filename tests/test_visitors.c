/*
 * test_visitors.c - who may have one more connection.
 */
#include "tests/suites.h"

#include <string.h>

#include "server/visitors.h"

typedef struct house {
    mm_networks *trusted;
    mm_visitors *visitors;
} house;

static void open_house(house *h, size_t most, size_t most_per_address)
{
    mm_problem problem;

    CU_ASSERT_EQUAL_FATAL(mm_networks_new(&h->trusted, "10.0.0.0/8", &problem), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_visitors_new(&h->visitors, most, most_per_address, h->trusted), MM_OK);
}

static void close_house(house *h)
{
    mm_visitors_free(h->visitors);
    mm_networks_free(h->trusted);
}

static mm_ip ip_of(const char *text)
{
    mm_ip ip = {{0}};

    CU_ASSERT_TRUE(mm_ip_parse(text, strlen(text), &ip));
    return ip;
}

static mm_welcome come(house *h, const char *address)
{
    const mm_ip ip = ip_of(address);
    const mm_welcome welcome = mm_visitors_ask(h->visitors, &ip);

    if (welcome == MM_WELCOME)
        CU_ASSERT_EQUAL(mm_visitors_enter(h->visitors, &ip), MM_OK);
    return welcome;
}

static void leave(house *h, const char *address)
{
    const mm_ip ip = ip_of(address);

    mm_visitors_leave(h->visitors, &ip);
}

/* An address, or an IPv6 network of 64 bits, has its own count. */
static void test_per_address(void)
{
    house h;

    open_house(&h, 100, 2);
    CU_ASSERT_EQUAL(come(&h, "192.0.2.1"), MM_WELCOME);
    CU_ASSERT_EQUAL(come(&h, "192.0.2.1"), MM_WELCOME);
    CU_ASSERT_EQUAL(come(&h, "192.0.2.1"), MM_FULL_FOR_ADDRESS);
    CU_ASSERT_EQUAL(come(&h, "::ffff:192.0.2.1"), MM_FULL_FOR_ADDRESS);
    CU_ASSERT_EQUAL(come(&h, "192.0.2.2"), MM_WELCOME);
    CU_ASSERT_EQUAL(come(&h, "2001:db8:0:1::1"), MM_WELCOME);
    CU_ASSERT_EQUAL(come(&h, "2001:db8:0:1:ffff::"), MM_WELCOME);
    CU_ASSERT_EQUAL(come(&h, "2001:db8:0:1::2"), MM_FULL_FOR_ADDRESS);
    CU_ASSERT_EQUAL(come(&h, "2001:db8:0:2::1"), MM_WELCOME);
    leave(&h, "192.0.2.1");
    CU_ASSERT_EQUAL(come(&h, "192.0.2.1"), MM_WELCOME);
    leave(&h, "2001:db8:0:1::1");
    CU_ASSERT_EQUAL(come(&h, "2001:db8:0:1::2"), MM_WELCOME);
    close_house(&h);
}

/* Loopback and proxies are many clients: only the whole is limited. */
static void test_in_all(void)
{
    static const char *const exempt[] = {"127.0.0.1", "::1", "10.1.2.3", "127.0.0.1", "10.1.2.3"};
    house h;

    open_house(&h, 6, 1);
    for (size_t i = 0; i < sizeof exempt / sizeof exempt[0]; i++)
        CU_ASSERT_EQUAL(come(&h, exempt[i]), MM_WELCOME);
    CU_ASSERT_EQUAL(come(&h, "11.0.0.1"), MM_WELCOME);
    CU_ASSERT_EQUAL(come(&h, "127.0.0.1"), MM_FULL);
    CU_ASSERT_EQUAL(come(&h, "11.0.0.2"), MM_FULL);
    leave(&h, "127.0.0.1");
    CU_ASSERT_EQUAL(come(&h, "11.0.0.1"), MM_FULL_FOR_ADDRESS);
    CU_ASSERT_EQUAL(come(&h, "11.0.0.2"), MM_WELCOME);
    close_house(&h);
}

/* More addresses than buckets, in and out in another order: every count is its own and none stays. */
static void test_many(void)
{
    enum { MANY = 20000 };
    house h;
    size_t wrong = 0;

    open_house(&h, 2 * MANY, 1);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            const mm_ip ip = {.bytes = {0x20, 1, 0, 0, 0, 0, (unsigned char)(i >> 8), (unsigned char)i}};

            wrong += mm_visitors_ask(h.visitors, &ip) != MM_WELCOME || mm_visitors_enter(h.visitors, &ip) != MM_OK;
            wrong += mm_visitors_ask(h.visitors, &ip) != MM_FULL_FOR_ADDRESS;
        }
        for (unsigned k = 0; k < MANY; k++) {
            const unsigned i = k * 7919 % MANY;
            const mm_ip ip = {.bytes = {0x20, 1, 0, 0, 0, 0, (unsigned char)(i >> 8), (unsigned char)i}};

            mm_visitors_leave(h.visitors, &ip);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    close_house(&h);
}

static CU_TestInfo tests[] = {
    {"per address", test_per_address},
    {"in all", test_in_all},
    {"many", test_many},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_visitors = {"visitors", tests};
