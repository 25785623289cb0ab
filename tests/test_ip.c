/*
 * test_ip.c - addresses, networks at their edges, and which client trusted proxies name.
 */
#include "tests/suites.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "server/ip.h"
#include "tests/failing.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static mm_ip ip_of(const char *text)
{
    mm_ip ip = {{0}};

    CU_ASSERT_TRUE(mm_ip_parse(text, strlen(text), &ip));
    return ip;
}

static mm_networks *networks_of(const char *list)
{
    mm_networks *networks = NULL;
    mm_problem problem;

    CU_ASSERT_EQUAL_FATAL(mm_networks_new(&networks, list, &problem), MM_OK);
    return networks;
}

/* Read and written again; a mapped address is the IPv4 one. */
static void test_addresses(void)
{
    static const char *const good[][2] = {
        {"192.0.2.7", "192.0.2.7"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"2001:db8::1", "2001:db8::1"},
        {"2001:DB8:0:0::1", "2001:db8::1"},
        {"::", "::"},
        {"::ffff:192.0.2.7", "192.0.2.7"},
        {"::ffff:c000:207", "192.0.2.7"},
        {"::1", "::1"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    static const char *const bad[] = {
        "",         "1",          "1.2.3",   "1.2.3.4.5",  "1.2.3.256", "01.2.3.4",    "1.2.3.4 ",
        " 1.2.3.4", "0x7f.0.0.1", ":",       ":::",        "1::2::3",   "fe80::1%1",   "[::1]",
        "12345::",  "localhost",  "unknown", "1.2.3.4:80", "1.2.3.-4",  "::1.2.3.400", "2001:db8::1/64"};
    char text[MM_IP_TEXT];
    mm_ip ip;

    for (size_t i = 0; i < COUNT(good); i++) {
        ip = ip_of(good[i][0]);
        mm_ip_text(&ip, text);
        CU_ASSERT_STRING_EQUAL(text, good[i][1]);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        CU_ASSERT_FALSE(mm_ip_parse(bad[i], strlen(bad[i]), &ip));
    CU_ASSERT_FALSE(mm_ip_parse("1.2.3.4\0x", 9, &ip));
    CU_ASSERT_FALSE(mm_ip_parse("0000:0000:0000:0000:0000:0000:255.255.255.2555", 46, &ip));
    CU_ASSERT_TRUE(mm_ip_parse("1.2.3.45", 7, &ip)); /* the size counts, not the text's end */
    mm_ip_text(&ip, text);
    CU_ASSERT_STRING_EQUAL(text, "1.2.3.4");
}

static void test_sockets(void)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    const struct sockaddr_un local = {.sun_family = AF_UNIX};
    char text[MM_IP_TEXT];
    mm_ip ip;

    v4.sin_addr.s_addr = htonl(0xc0000207);
    CU_ASSERT_TRUE(mm_ip_of((struct sockaddr *)&v4, &ip));
    mm_ip_text(&ip, text);
    CU_ASSERT_STRING_EQUAL(text, "192.0.2.7");
    CU_ASSERT_EQUAL(inet_pton(AF_INET6, "fd00::12", &v6.sin6_addr), 1);
    CU_ASSERT_TRUE(mm_ip_of((struct sockaddr *)&v6, &ip));
    mm_ip_text(&ip, text);
    CU_ASSERT_STRING_EQUAL(text, "fd00::12");
    CU_ASSERT_FALSE(mm_ip_of((const struct sockaddr *)&local, &ip));
}

static void test_kinds(void)
{
    static const char *const local[] = {"127.0.0.1", "127.255.1.2", "::1", "::ffff:127.0.0.1"};
    static const char *const others[] = {"126.0.0.1", "128.0.0.1", "::2", "::", "::127.0.0.1", "fe80::1"};
    static const char *const places[][2] = {{"192.0.2.7", "192.0.2.7"},
                                            {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
                                            {"2001:db8:1:2:ffff::", "2001:db8:1:2::"},
                                            {"::1", "::"}};
    char text[MM_IP_TEXT];

    for (size_t i = 0; i < COUNT(local); i++) {
        const mm_ip ip = ip_of(local[i]);

        CU_ASSERT_TRUE(mm_ip_is_loopback(&ip));
    }
    for (size_t i = 0; i < COUNT(others); i++) {
        const mm_ip ip = ip_of(others[i]);

        CU_ASSERT_FALSE(mm_ip_is_loopback(&ip));
    }
    for (size_t i = 0; i < COUNT(places); i++) {
        const mm_ip ip = ip_of(places[i][0]), place = mm_ip_place(&ip);

        mm_ip_text(&place, text);
        CU_ASSERT_STRING_EQUAL(text, places[i][1]);
    }
}

/* The first and last address of a network, and their neighbours outside. */
static void test_networks(void)
{
    static const struct {
        const char *list, *address;
        int held;
    } cases[] = {
        {"", "127.0.0.1", 0},
        {"  ", "::1", 0},
        {"10.0.0.0/8", "9.255.255.255", 0},
        {"10.0.0.0/8", "10.0.0.0", 1},
        {"10.0.0.0/8", "10.255.255.255", 1},
        {"10.0.0.0/8", "11.0.0.0", 0},
        {"10.0.0.0/8", "::ffff:10.1.2.3", 1},
        {"172.16.0.0/12", "172.15.255.255", 0},
        {"172.16.0.0/12", "172.31.255.255", 1},
        {"172.16.0.0/12", "172.32.0.0", 0},
        {"192.0.2.6/31", "192.0.2.5", 0},
        {"192.0.2.6/31", "192.0.2.7", 1},
        {"192.0.2.6/31", "192.0.2.8", 0},
        {"192.0.2.7/32", "192.0.2.7", 1},
        {"192.0.2.7", "192.0.2.6", 0},
        {"0.0.0.0/0", "203.0.113.9", 1},
        {"0.0.0.0/0", "2001:db8::1", 0},
        {"::/0", "2001:db8::1", 1},
        {"::/0", "203.0.113.9", 0},
        {"::ffff:10.0.0.0/104", "10.255.0.1", 1},
        {"::ffff:10.0.0.0/104", "11.0.0.1", 0},
        {"fd00::/8", "fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0},
        {"fd00::/8", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1},
        {"fd00::/8", "fe00::", 0},
        {"2001:db8::/65", "2001:db8::7fff:ffff:ffff:ffff", 1},
        {"2001:db8::/65", "2001:db8::8000:0:0:0", 0},
        {"::1/128", "::1", 1},
        {" 192.0.2.1 ,\t10.0.0.0/8 , ::1 ", "10.9.8.7", 1},
        {" 192.0.2.1 ,\t10.0.0.0/8 , ::1\t", "::1", 1},
        {" 192.0.2.1 ,\t10.0.0.0/8 , ::1 ", "192.0.2.2", 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        mm_networks *networks = networks_of(cases[i].list);
        const mm_ip ip = ip_of(cases[i].address);

        if (mm_networks_hold(networks, &ip) != cases[i].held)
            CU_FAIL(cases[i].address);
        mm_networks_free(networks);
    }
}

static void test_bad_networks(void)
{
    static const char *const bad[][2] = {
        {"10.0.0.0/33", "has a prefix length that is none"},
        {"fd00::/129", "has a prefix length that is none"},
        {"10.0.0.0/", "has a prefix length that is none"},
        {"10.0.0.0/08", "has a prefix length that is none"},
        {"10.0.0.0/-1", "has a prefix length that is none"},
        {"10.0.0.0/a", "has a prefix length that is none"},
        {"10.0.0.0/8/8", "has a prefix length that is none"},
        {"10.0.0.0/4294967304", "has a prefix length that is none"},
        {"10.0.0.1/8", "has bits of a host behind its prefix"},
        {"0.0.0.1/0", "has bits of a host behind its prefix"},
        {"2001:db8::1/64", "has bits of a host behind its prefix"},
        {"proxy.example", "is not an address or network"},
        {"10.0.0.0/8,", "is not an address or network"},
        {",", "is not an address or network"},
        {"10.0.0.0/8 fd00::/8", "has a prefix length that is none"},
        {"[::1]", "is not an address or network"},
        {"a-very-long-name-of-a-proxy-that-nobody-will-ever-resolve.proxies.example.org",
         "resolve.proxie is not an address or network"}, /* 64 bytes of it */
        {"192.0.2.7:80", "is not an address or network"},
    };

    for (size_t i = 0; i < COUNT(bad); i++) {
        mm_networks *networks = NULL;
        mm_problem problem;

        CU_ASSERT_EQUAL(mm_networks_new(&networks, bad[i][0], &problem), MM_BAD_PARAM);
        CU_ASSERT_PTR_NULL(networks);
        if (strncmp(problem.text, "trusted-proxies: ", 17) != 0 || strstr(problem.text, bad[i][1]) == NULL)
            CU_FAIL(problem.text);
    }
}

/* What a client wrote stands left of what proxies did, and is not looked at. */
static void test_forwarded(void)
{
    static const struct {
        const char *peer, *value, *client;
        int more;
    } cases[] = {
        {"192.0.2.1", "203.0.113.9", "192.0.2.1", 0}, /* the peer is nobody's proxy */
        {"10.0.0.1", "203.0.113.9", "203.0.113.9", 1},
        {"10.0.0.1", "  203.0.113.9\t", "203.0.113.9", 1},
        {"10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9", 0},
        {"10.0.0.1", "nonsense, 203.0.113.9", "203.0.113.9", 0},
        {"10.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.2", "203.0.113.9", 0},
        {"10.0.0.1", "203.0.113.9,10.0.0.3,10.0.0.2", "203.0.113.9", 1},
        {"10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3", 1},
        {"10.0.0.1", "203.0.113.9:4711", "203.0.113.9", 1},
        {"10.0.0.1", "[2001:db8::9]:4711", "2001:db8::9", 1},
        {"10.0.0.1", "[2001:db8::9]", "2001:db8::9", 1},
        {"10.0.0.1", "2001:db8::9", "2001:db8::9", 1},
        {"::1", "2001:db8::9", "2001:db8::9", 1},
        {"10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9", 1},
        /* What a trusted proxy passed on is no address: that proxy is all that is known. */
        {"10.0.0.1", "", "10.0.0.1", 0},
        {"10.0.0.1", "203.0.113.9,", "10.0.0.1", 0},
        {"10.0.0.1", "203.0.113.9, unknown", "10.0.0.1", 0},
        {"10.0.0.1", "203.0.113.9, , 10.0.0.2", "10.0.0.2", 0},
        {"10.0.0.1", "203.0.113.9:", "10.0.0.1", 0},
        {"10.0.0.1", "203.0.113.9:65536", "10.0.0.1", 0},
        {"10.0.0.1", "203.0.113.9:065535", "10.0.0.1", 0},
        {"10.0.0.1", "203.0.113.9:8.", "10.0.0.1", 0},
        {"10.0.0.1", "203.0.113:80", "10.0.0.1", 0},
        {"10.0.0.1", "[2001:db8::g]", "10.0.0.1", 0},
        {"10.0.0.1", "\t203.0.113.9", "203.0.113.9", 1},
        {"10.0.0.1", "203.0.113.9:80x", "10.0.0.1", 0},
        {"10.0.0.1", "[203.0.113.9]", "10.0.0.1", 0},
        {"10.0.0.1", "[203.0.113.9]:80", "10.0.0.1", 0},
        {"10.0.0.1", "[2001:db8::9", "10.0.0.1", 0},
        {"10.0.0.1", "[2001:db8::9]80", "10.0.0.1", 0},
        {"10.0.0.1", "[2001:db8::9]:", "10.0.0.1", 0},
        {"10.0.0.1", "[]", "10.0.0.1", 0},
        {"10.0.0.1", "[", "10.0.0.1", 0},
        {"10.0.0.1", ":", "10.0.0.1", 0},
        {"10.0.0.1", "203.0.113.9 10.0.0.2", "10.0.0.1", 0},
    };
    mm_networks *trusted = networks_of("10.0.0.0/8, ::1");
    char text[MM_IP_TEXT];

    for (size_t i = 0; i < COUNT(cases); i++) {
        mm_ip ip = ip_of(cases[i].peer);

        if (mm_ip_forwarded(&ip, cases[i].value, strlen(cases[i].value), trusted) != cases[i].more)
            CU_FAIL(cases[i].value);
        mm_ip_text(&ip, text);
        if (strcmp(text, cases[i].client) != 0)
            CU_FAIL(cases[i].value);
    }
    mm_networks_free(trusted);
}

static void test_out_of_memory(void)
{
    mm_networks *networks = NULL;
    mm_problem problem = {.text = ""};

    fail_begin(FAIL_MEMORY, 0, 0);
    CU_ASSERT_EQUAL(mm_networks_new(&networks, "10.0.0.0/8", &problem), MM_NO_MEMORY);
    CU_ASSERT_EQUAL(fail_end(), 1);
    CU_ASSERT_PTR_NULL(networks);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "out of memory"));
}

static CU_TestInfo tests[] = {
    {"addresses", test_addresses},
    {"of sockets", test_sockets},
    {"kinds", test_kinds},
    {"networks", test_networks},
    {"bad networks", test_bad_networks},
    {"forwarded", test_forwarded},
    {"out of memory", test_out_of_memory},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_ip = {"ip", tests};
