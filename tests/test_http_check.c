/*
 * test_http_check.c - headers that the parser lets through and that must be refused.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http_check.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Headers as libmicrohttpd 0.9.75 leaves them: name, NUL, blanks, value, NUL, all in one block. */
typedef struct block {
    char bytes[16384];
    mm_header headers[MM_MAX_HEADERS + 2];
    size_t count, filled;
} block;

static void add(block *b, const char *name, const char *blanks, const char *value)
{
    mm_header *h = &b->headers[b->count++];

    h->name = b->bytes + b->filled;
    h->name_size = strlen(name);
    b->filled += (size_t)sprintf(b->bytes + b->filled, "%s", name) + 1;
    b->filled += (size_t)sprintf(b->bytes + b->filled, "%s", blanks);
    h->value = b->bytes + b->filled;
    h->value_size = strlen(value);
    b->filled += (size_t)sprintf(b->bytes + b->filled, "%s", value) + 1;
}

/* "Name: value\nName: value" */
static void fill(block *b, const char *text)
{
    char copy[1024], *rest = copy, *line;

    *b = (block){.count = 0};
    (void)snprintf(copy, sizeof copy, "%s", text);
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *value = strchr(line, ':');

        *value = '\0';
        add(b, line, " ", value + 1);
    }
}

static const mm_head_rules local = {.local_only = 1, .adjacent = 1};

static int check(const char *text, mm_heads *heads, mm_problem *problem)
{
    block b;

    fill(&b, text);
    return mm_check_headers(b.headers, b.count, &local, heads, problem);
}

#define HOST "host:localhost"

static void test_refused(void)
{
    /* clang-format off */
    static const struct {
        const char *headers;
        int         status;
        const char *words; /* of the problem */
    } cases[] = {
        {HOST,                                                                0, NULL},
        {HOST "\ncontent-length:0",                                           0, NULL},
        {HOST "\nCONTENT-Length:9223372036854775807",                         0, NULL},
        {HOST "\naccept:a\naccept:b\nx:1\nx:2",                               0, NULL},
        {HOST "\nexpect:100-Continue",                                        0, NULL},
        {HOST "\nx:tab\tand \xc3\xa9",                                        0, NULL},
        {HOST "\nauthorization:Bearer mm_x",                                  0, NULL},
        {HOST "\nTransfer-encoding:chunked",                                  0, NULL}, /* the method decides */
        {HOST "\ncontent-length:3\ntransfer-encoding:chunked",              400, "exclude"},
        {HOST "\ncontent-length:3\ncontent-length:3",                       400, "content-length is repeated"},
        {HOST "\ntransfer-encoding:a\nTransfer-Encoding:a",                 400, "transfer-encoding is repeated"},
        {HOST "\nHost:localhost",                                           400, "host is repeated"},
        {HOST "\nauthorization:a\nauthorization:b",                         400, "authorization is repeated"},
        {HOST "\nexpect:100-continue\nexpect:100-continue",                 400, "expect is repeated"},
        {HOST "\ncontent-type:a\ncontent-type:a",                           400, "content-type is repeated"},
        {HOST "\ncontent-encoding:gzip\ncontent-encoding:gzip",             400, "content-encoding is repeated"},
        {HOST "\ncontent-length:",                                          400, "content-length"},
        {HOST "\ncontent-length:+3",                                        400, "content-length"},
        {HOST "\ncontent-length:-3",                                        400, "content-length"},
        {HOST "\ncontent-length:3 ",                                        400, "content-length"},
        {HOST "\ncontent-length:3,3",                                       400, "content-length"},
        {HOST "\ncontent-length:0x3",                                       400, "content-length"},
        {HOST "\ncontent-length:9223372036854775808",                       400, "content-length"},
        {HOST "\ncontent-length:18446744073709551615",                      400, "content-length"},
        {HOST "\ncontent-length:00000000000000000003",                      400, "content-length"},
        {HOST "\nContent-Length :3",                                        400, "not a token"},
        {HOST "\nx y:3",                                                    400, "not a token"},
        {HOST "\n:3",                                                       400, "not a token"},
        {HOST "\n(x):3",                                                    400, "not a token"},
        {HOST "\nx(y):3",                                                   400, "not a token"},
        {HOST "\nx\xc3:3",                                                  400, "not a token"},
        {HOST "\nx-09!#$%&'*+-.^_`|~:3",                                       0, NULL},
        {HOST "\nx@y:3",                                                    400, "not a token"},
        {HOST "\nx{y:3",                                                    400, "not a token"},
        {HOST "\nx:a\rb",                                                   400, "control character"},
        {HOST "\nx:a\x01",                                                  400, "control character"},
        {HOST "\nx:\x01 a",                                                 400, "control character"},
        {HOST "\nx:a\x7f",                                                  400, "control character"},
        {HOST "\nexpect:tea",                                               417, "expect"},
        {"x:1",                                                             400, "host is required"},
        {"host:evil.example",                                               403, "localhost"},
        {"host:localhost.evil.example",                                     403, "localhost"},
        {"host:evil.example:80",                                            403, "localhost"},
        {"host:127.0.0.1.evil.example",                                     403, "localhost"},
        {"host:localhost:",                                                   0, NULL},
        {"host:localhost:80a",                                              403, "localhost"},
        {"host:localhost:123456",                                           403, "localhost"},
        {"host:",                                                           403, "localhost"},
        {"host:LocalHost:8080",                                               0, NULL},
        {"host:127.0.0.1",                                                    0, NULL},
        {"host:127.0.0.1:1",                                                  0, NULL},
        {"host:[::1]",                                                        0, NULL},
        {"host:[::1]:65535",                                                  0, NULL},
        {"host:[::2]",                                                      403, "localhost"},
    };
    /* clang-format on */

    for (size_t i = 0; i < COUNT(cases); i++) {
        mm_heads heads;
        mm_problem problem = {.text = ""};

        CU_ASSERT_EQUAL(check(cases[i].headers, &heads, &problem), cases[i].status);
        if (cases[i].words != NULL)
            CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, cases[i].words));
    }
}

/* Whatever the parser calls a name. */
static void test_nul_in_name(void)
{
    const mm_header headers[] = {{"host", "localhost", 4, 9}, {"x\0y", "1", 3, 1}};
    mm_heads heads;
    mm_problem problem = {.text = ""};

    CU_ASSERT_EQUAL(mm_check_headers(headers, 1, &(mm_head_rules){.local_only = 1}, &heads, &problem), 0);
    CU_ASSERT_EQUAL(mm_check_headers(headers, 2, &(mm_head_rules){.local_only = 1}, &heads, &problem), 400);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "not a token"));
}

/* Each of them where it belongs, in another order, and none of them. */
static void test_values(void)
{
    mm_heads heads;
    mm_problem problem;

    CU_ASSERT_EQUAL(check("traceparent:p\nif-none-match:n\naccept-encoding:f\nACCEPT:a\naccept:b\nCONTENT-ENCODING:e\n"
                          "content-type:t\ncontent-length:12\nauthorization:z\norigin:o\n"
                          "access-control-request-method:m\n" HOST,
                          &heads, &problem),
                    0);
    CU_ASSERT_TRUE(heads.has_length);
    CU_ASSERT_EQUAL(heads.length, 12);
    CU_ASSERT_FALSE(heads.has_transfer_encoding);
    CU_ASSERT_EQUAL(check(HOST, &heads, &problem), 0);
    CU_ASSERT_FALSE(heads.has_length);
    CU_ASSERT(heads.content_type == NULL && heads.content_encoding == NULL && heads.accept == NULL);
    CU_ASSERT(heads.accept_encoding == NULL && heads.if_none_match == NULL && heads.traceparent == NULL);
    CU_ASSERT(heads.authorization == NULL && heads.origin == NULL && heads.request_method == NULL);
}

/* The strings are the parser's own: they stay where they are. */
static void test_values_are_borrowed(void)
{
    mm_heads heads;
    mm_problem problem;
    block b;

    fill(&b, HOST "\ncontent-type:t\naccept:a\naccept:b\ncontent-encoding:e\naccept-encoding:f\nif-none-match:n\n"
                  "traceparent:p\nauthorization:z\norigin:o\naccess-control-request-method:m");
    CU_ASSERT_EQUAL(mm_check_headers(b.headers, b.count, &local, &heads, &problem), 0);
    CU_ASSERT_PTR_EQUAL(heads.host, b.headers[0].value);
    CU_ASSERT_PTR_EQUAL(heads.content_type, b.headers[1].value);
    CU_ASSERT_PTR_EQUAL(heads.accept, b.headers[2].value); /* the first */
    CU_ASSERT_PTR_EQUAL(heads.content_encoding, b.headers[4].value);
    CU_ASSERT_PTR_EQUAL(heads.accept_encoding, b.headers[5].value);
    CU_ASSERT_PTR_EQUAL(heads.if_none_match, b.headers[6].value);
    CU_ASSERT_PTR_EQUAL(heads.traceparent, b.headers[7].value);
    CU_ASSERT_PTR_EQUAL(heads.authorization, b.headers[8].value);
    CU_ASSERT_PTR_EQUAL(heads.origin, b.headers[9].value);
    CU_ASSERT_PTR_EQUAL(heads.request_method, b.headers[10].value);
}

static void test_hosts_of_other_bindings(void)
{
    static const mm_head_rules open = {.adjacent = 1};
    static const mm_head_rules old = {.adjacent = 1, .http10 = 1, .local_only = 1};
    static const mm_head_rules bound = {.adjacent = 1, .local_only = 1, .local_address = "127.0.0.2"};
    mm_heads heads;
    mm_problem problem;
    block b;

    fill(&b, "host:scores.example");
    CU_ASSERT_EQUAL(mm_check_headers(b.headers, b.count, &open, &heads, &problem), 0);
    CU_ASSERT_EQUAL(mm_check_headers(b.headers, b.count, &old, &heads, &problem), 403);
    fill(&b, "x:1");
    CU_ASSERT_EQUAL(mm_check_headers(b.headers, b.count, &open, &heads, &problem), 400);
    CU_ASSERT_EQUAL(mm_check_headers(b.headers, b.count, &old, &heads, &problem), 0);
    fill(&b, "host:127.0.0.2:80");
    CU_ASSERT_EQUAL(mm_check_headers(b.headers, b.count, &bound, &heads, &problem), 0);
    CU_ASSERT_EQUAL(mm_check_headers(b.headers, b.count, &local, &heads, &problem), 403);
    fill(&b, "host:127.0.0.3:80");
    CU_ASSERT_EQUAL(mm_check_headers(b.headers, b.count, &bound, &heads, &problem), 403);
}

/* 0.9.75 unfolds "Transfer-: chunked\n Encoding" into the name, which moves it away from its value. */
static void test_folded_lines(void)
{
    static const mm_head_rules any = {.local_only = 1};
    mm_heads heads;
    mm_problem problem;
    block b;

    fill(&b, HOST);
    add(&b, "x", "", "1");
    add(&b, "y", " \t ", "1");
    CU_ASSERT_EQUAL(mm_check_headers(b.headers, b.count, &local, &heads, &problem), 0);
    b.headers[1].name = b.headers[2].name; /* moved behind its value */
    CU_ASSERT_EQUAL(mm_check_headers(b.headers, b.count, &local, &heads, &problem), 400);
    CU_ASSERT_STRING_EQUAL(problem.text, "a header line is folded");
    CU_ASSERT_EQUAL(mm_check_headers(b.headers, b.count, &any, &heads, &problem), 0);

    fill(&b, HOST);
    add(&b, "x", "z ", "1");
    CU_ASSERT_EQUAL(mm_check_headers(b.headers, b.count, &local, &heads, &problem), 400);
    fill(&b, HOST);
    add(&b, "x", "", "1");
    b.headers[1].value = b.bytes; /* before its name */
    b.headers[1].value_size = 4;
    CU_ASSERT_EQUAL(mm_check_headers(b.headers, b.count, &local, &heads, &problem), 400);
}

static void test_limits(void)
{
    mm_heads heads;
    mm_problem problem;
    block *b = malloc(sizeof *b);

    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    fill(b, HOST);
    while (b->count < MM_MAX_HEADERS)
        add(b, "x", "", "1");
    CU_ASSERT_EQUAL(mm_check_headers(b->headers, b->count, &local, &heads, &problem), 0);
    add(b, "x", "", "1");
    CU_ASSERT_EQUAL(mm_check_headers(b->headers, b->count, &local, &heads, &problem), 431);
    b->headers[1].value_size = MM_MAX_HEADER_BYTES; /* is not looked at: too large */
    CU_ASSERT_EQUAL(mm_check_headers(b->headers, 2, &local, &heads, &problem), 431);
    free(b);
}

/* ---------------------------------------------------------------------- body */

static void test_length(void)
{
    mm_heads heads = {.has_length = 1, .length = 100};
    mm_problem problem;

    CU_ASSERT_EQUAL(mm_check_length(&heads, 100, &problem), 0);
    CU_ASSERT_EQUAL(mm_check_length(&heads, 99, &problem), 413);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "99 bytes"));
    heads.has_length = 0;
    CU_ASSERT_EQUAL(mm_check_length(&heads, 100, &problem), 411);
    heads.has_transfer_encoding = 1;
    CU_ASSERT_EQUAL(mm_check_length(&heads, 100, &problem), 411);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "chunked"));
}

static void test_no_body(void)
{
    mm_heads heads = {.has_length = 1};
    mm_problem problem;

    CU_ASSERT_EQUAL(mm_check_no_body(&heads, &problem), 0);
    heads.length = 1;
    CU_ASSERT_EQUAL(mm_check_no_body(&heads, &problem), 400);
    heads = (mm_heads){.has_transfer_encoding = 1};
    CU_ASSERT_EQUAL(mm_check_no_body(&heads, &problem), 400);
}

static void test_media(void)
{
    static const struct {
        const char *type;
        int status;
    } cases[] = {{"application/octet-stream", 0},
                 {"application/x-safetensors", 0},
                 {"Application/X-SafeTensors", 0},
                 {"application/octet-stream;charset=binary", 0},
                 {"application/octet-stream ; charset=binary", 0},
                 {"application/octet-stream ", 0},
                 {"application/octet-stream x", 415},
                 {"application/octet-streams", 415},
                 {"application/octet", 415},
                 {"multipart/form-data; boundary=application/octet-stream", 415},
                 {"text/plain", 415},
                 {"", 415},
                 {NULL, 415}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        const mm_heads heads = {.content_type = cases[i].type};
        mm_problem problem;

        CU_ASSERT_EQUAL(mm_check_media(&heads, &problem), cases[i].status);
    }
}

static void test_codings(void)
{
    static const struct {
        const char *coding;
        int status, identity;
    } cases[] = {{NULL, 0, 1},     {"", 0, 1},     {"Identity", 0, 1},  {"gzip", 0, 0},         {"X-GZIP", 0, 0},
                 {"zstd", 0, 0},   {"br", 415, 1}, {"deflate", 415, 1}, {"gzip, zstd", 415, 1}, {"gzip,gzip", 415, 1},
                 {"zstd ", 415, 1}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        const mm_heads heads = {.content_encoding = cases[i].coding};
        const char *coding = "unset";
        mm_problem problem;

        CU_ASSERT_EQUAL(mm_check_coding(&heads, &coding, &problem), cases[i].status);
        CU_ASSERT_EQUAL(coding == NULL, cases[i].identity);
        if (cases[i].status != 0)
            CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "zstd"));
    }
}

/* The examples of the W3C recommendation, and each of its rules broken. */
static void test_trace_ids(void)
{
    static const char good[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    static const char *const bad[] = {
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47361-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
    };
    char id[33] = "";

    CU_ASSERT_TRUE(mm_trace_id(good, id));
    CU_ASSERT_STRING_EQUAL(id, "4bf92f3577b34da6a3ce929d0e0e4736");
    CU_ASSERT_TRUE(mm_trace_id("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later", id));
    CU_ASSERT_TRUE(mm_trace_id("fe-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", id));
    CU_ASSERT_TRUE(mm_trace_id("00-00000000000000000000000000000001-0000000000000001-00", id));
    for (size_t i = 0; i < COUNT(bad); i++)
        CU_ASSERT_FALSE(mm_trace_id(bad[i], id));
}

static void test_accepts_gzip(void)
{
    static const struct {
        const char *value;
        int takes;
    } cases[] = {
        {NULL, 0},           {"", 0},
        {"gzip", 1},         {"GZIP", 1},
        {"x-gzip", 1},       {"deflate", 0},
        {"gzipped", 0},      {"br, gzip;q=0.5", 1},
        {"gzip;q=0", 0},     {"gzip; q=0.000", 0},
        {"gzip;Q=0.001", 1}, {"*", 1},
        {"*;q=0", 0},        {"*;q=0, gzip", 1},
        {"*, gzip;q=0", 0},  {"identity", 0},
        {" ,, gzip ,", 1},   {";q=1", 0},
        {"gzip;q=", 0},      {"deflate, gzip;q=1.0, *;q=0.5", 1},
        {"gzip;q=-1", 0},    {"gzip;q=x", 0},
        {"gzip;qv=0", 1},    {"zstd, snappy, x", 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        CU_ASSERT_EQUAL(mm_accepts_gzip(cases[i].value), cases[i].takes);
}

static void test_tags(void)
{
    static const struct {
        const char *list;
        int listed;
    } cases[] = {
        {"\"a1\"", 1},
        {"W/\"a1\"", 1},
        {"*", 1},
        {"\"b\", \"a1\"", 1},
        {"\"b\" ,W/\"a1\"", 1},
        {"\"a\"", 0},
        {"\"a12\"", 0},
        {"a1", 0},
        {"", 0},
        {"\"a1", 0},
        {"\"b\" x \"a1\"", 0},
        {"W/a1", 0},
        {"\"", 0},
        {"\"b,\", \"a1\"", 1},
        {",", 0},
    };

    CU_ASSERT_FALSE(mm_tag_listed(NULL, "\"a1\""));
    for (size_t i = 0; i < COUNT(cases); i++)
        CU_ASSERT_EQUAL(mm_tag_listed(cases[i].list, "\"a1\""), cases[i].listed);
}

static CU_TestInfo tests[] = {
    {"what is refused, and why", test_refused},
    {"NUL in a name", test_nul_in_name},
    {"what the headers say", test_values},
    {"values are borrowed", test_values_are_borrowed},
    {"hosts when bound elsewhere", test_hosts_of_other_bindings},
    {"folded lines", test_folded_lines},
    {"limits of number and size", test_limits},
    {"length of a body", test_length},
    {"requests without a body", test_no_body},
    {"media types", test_media},
    {"content codings", test_codings},
    {"trace ids", test_trace_ids},
    {"who takes gzip", test_accepts_gzip},
    {"lists of tags", test_tags},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_http_check = {"http_check", tests};
