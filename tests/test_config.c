/*
 * test_config.c - settings by flag, environment and file, their order, and what is refused.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/config.h"
#include "server/log.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static char message[512];

/* Words of a command line; *config is NULL when they are refused. */
static mm_config *read_with(const char *flags, char *const *env)
{
    char copy[1024], *words[32], *rest = copy, *word;
    int count = 1;
    mm_config *config = NULL;
    static char name[] = "serve";

    (void)snprintf(copy, sizeof copy, "%s", flags);
    words[0] = name;
    while ((word = strsep(&rest, " ")) != NULL && count < 31)
        if (word[0] != '\0')
            words[count++] = word;
    words[count] = NULL;
    if (mm_config_read(&config, count, words, env, message, sizeof message) != MM_OK)
        return NULL;
    return config;
}

static mm_config *read_flags(const char *flags)
{
    char *const none[] = {NULL};

    return read_with(flags, none);
}

/* A file with that text; unlink() it. */
static void write_file(char path[64], const char *text)
{
    int fd;

    (void)snprintf(path, 64, "/tmp/maskmeter-config-XXXXXX");
    fd = mkstemp(path);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

static mm_config *read_text(const char *text, const char *flags, char *const *env)
{
    char path[64], line[1024];
    mm_config *config;

    write_file(path, text);
    (void)snprintf(line, sizeof line, "--config %s %s", path, flags);
    config = read_with(line, env);
    (void)unlink(path);
    return config;
}

static void test_defaults(void)
{
    mm_config *config = read_flags("");

    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    CU_ASSERT_STRING_EQUAL(config->listen, "127.0.0.1:8080");
    CU_ASSERT_STRING_EQUAL(config->ignored, "");
    CU_ASSERT_EQUAL(config->max_classes, 4096);
    CU_ASSERT_EQUAL(config->insecure_open, 0);
    CU_ASSERT_EQUAL(config->log_requests, 1);
    CU_ASSERT_EQUAL(config->log_level, MM_LOG_INFO);
    CU_ASSERT_TRUE(config->memory > 0);
    CU_ASSERT_TRUE(config->memory <= (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / 4);
    CU_ASSERT_EQUAL(config->max_body, config->memory - config->memory / 8);
    mm_config_free(config);
    mm_config_free(NULL);
}

static void test_flags(void)
{
    mm_config *config = read_flags("--listen=[::1]:0 --threads 3 --memory 1GiB --max-body=65536 --insecure-open "
                                   "--log-requests=false --log-level error --threads 4 --data=");

    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    CU_ASSERT_STRING_EQUAL(config->listen, "[::1]:0");
    CU_ASSERT_EQUAL(config->threads, 4); /* the last one counts */
    CU_ASSERT_EQUAL(config->memory, (int64_t)1 << 30);
    CU_ASSERT_EQUAL(config->max_body, 65536);
    CU_ASSERT_EQUAL(config->insecure_open, 1);
    CU_ASSERT_EQUAL(config->log_requests, 0);
    CU_ASSERT_EQUAL(config->log_level, MM_LOG_ERROR);
    CU_ASSERT_STRING_EQUAL(config->data, "");
    mm_config_free(config);
}

static void test_precedence(void)
{
    static char threads[] = "MASKMETER_THREADS=5", classes[] = "MASKMETER_MAX_CLASSES=50";
    char *const env[] = {threads, classes, NULL};
    mm_config *config = read_text("threads = 6\nmax-classes = 60\ndata = from file\n", "--threads 4", env);

    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    CU_ASSERT_EQUAL(config->threads, 4);
    CU_ASSERT_EQUAL(config->max_classes, 50);
    CU_ASSERT_STRING_EQUAL(config->data, "from file");
    CU_ASSERT_EQUAL(config->drain_timeout, 30);
    mm_config_free(config);
}

static void test_file(void)
{
    char *const none[] = {NULL};
    mm_config *config = read_text("# a comment\n\n   \t\r\n  data\t=  /a b/c=d  \r\n#threads=x\ninsecure-open=yes\n"
                                  "memory = 512 MiB",
                                  "", none);

    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    CU_ASSERT_STRING_EQUAL(config->data, "/a b/c=d");
    CU_ASSERT_EQUAL(config->insecure_open, 1);
    CU_ASSERT_EQUAL(config->memory, (int64_t)512 << 20);
    mm_config_free(config);
}

static void test_environment(void)
{
    static char known[] = "MASKMETER_LOG_LEVEL=debug", unknown[] = "MASKMETER_NOPE=1",
                flag[] = "MASKMETER_PRINT_CONFIG=1", other[] = "PATH=/bin", bare[] = "MASKMETER_THREADS";
    char *const env[] = {known, unknown, other, flag, bare, NULL};
    mm_config *config = read_with("", env);

    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    CU_ASSERT_EQUAL(config->log_level, MM_LOG_DEBUG);
    CU_ASSERT_EQUAL(config->print_config, 0);
    CU_ASSERT_STRING_EQUAL(config->ignored, "MASKMETER_NOPE,MASKMETER_PRINT_CONFIG");
    mm_config_free(config);
}

static void test_refused_flags(void)
{
    /* clang-format off */
    static const struct {
        const char *flags, *words;
    } cases[] = {
        {"--lisen=x",             "--lisen is not a setting; did you mean --listen?"},
        {"--zzzzzzzz",            "--zzzzzzzz is not a setting"},
        {"-x",                    "-x is not a flag"},
        {"serve",                 "serve is not a flag"},
        {"--threads",             "--threads needs a value"},
        {"--threads=",            "threads must be an integer from 0 to 1024"},
        {"--threads=-1",          "threads must be an integer"},
        {"--threads=1025",        "threads must be an integer"},
        {"--threads=99999999999999999999", "threads must be an integer"},
        {"--max-classes=0",       "max-classes must be an integer from 1 to 65536"},
        {"--memory=6GB",          "memory must be a size such as 512MiB"},
        {"--memory=1025TiB",      "memory must be a size"},
        {"--memory=15MiB",        "memory must be at least 16MiB"},
        {"--memory=16MiB --max-body=15MiB", "max-body must be at most 14680064"},
        {"--insecure-open=maybe", "insecure-open must be true or false"},
        {"--log-level=loud",      "log-level must be one of debug|info|warning|error"},
        {"--store=postgres://x",  "store is not in this version"},
        {"--tls-cert=x",          "tls-cert and tls-key go together"},
        {"--tls-key=x",           "tls-cert and tls-key go together"},
        {"--max-connections=70000", "max-connections must be an integer from 0 to 65536"},
        {"--backend=opencl",      "backend opencl is not in this version"},
        {"--backend=gpu",         "backend must be one of auto|cpu|opencl"},
        {"--config=/nowhere/x",   "cannot read the configuration file /nowhere/x"},
        {"--config=/tmp",         "cannot read the configuration file /tmp"},
    };
    /* clang-format on */

    for (size_t i = 0; i < COUNT(cases); i++) {
        CU_ASSERT_PTR_NULL(read_flags(cases[i].flags));
        CU_ASSERT_PTR_NOT_NULL(strstr(message, cases[i].words));
    }
}

static void test_refused_lines(void)
{
    static const struct {
        const char *text, *words;
    } cases[] = {{"data = x\nthread = 2\n", "line 2: thread is not a setting; did you mean threads?"},
                 {"\n\nnonsense\n", "line 3: not a `name = value` line"},
                 {"= 3\n", "line 1: "},
                 {"config = x\n", "line 1: config is a flag only"},
                 {"print-config = true\n", "line 1: print-config is a flag only"},
                 {"threads = two\n", "line 1: threads must be an integer"},
                 {"store = x\n", "line 1: store is not in this version"}};
    char *const none[] = {NULL};

    for (size_t i = 0; i < COUNT(cases); i++) {
        CU_ASSERT_PTR_NULL(read_text(cases[i].text, "", none));
        CU_ASSERT_PTR_NOT_NULL(strstr(message, cases[i].words));
    }
}

/* A message longer than its place is cut, not written past the end. */
static void test_long_messages(void)
{
    static char name[] = "serve", flag[600];
    char *words[] = {name, flag, NULL}, *const none[] = {NULL};
    char text[16];
    mm_config *config = NULL;

    memset(flag, 'x', sizeof flag - 1);
    memcpy(flag, "--", 2);
    CU_ASSERT_EQUAL(mm_config_read(&config, 2, words, none, text, sizeof text), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(strlen(text), sizeof text - 1);
}

static void test_sizes(void)
{
    static const struct {
        const char *text;
        int64_t bytes; /* -1: refused */
    } cases[] = {{"0", 0},
                 {"65536", 65536},
                 {"65536B", 65536},
                 {"1KiB", 1024},
                 {"6GiB", (int64_t)6 << 30},
                 {"6 GiB", (int64_t)6 << 30},
                 {"1TiB", (int64_t)1 << 40},
                 {"8388607TiB", (int64_t)8388607 << 40},
                 {"8388608TiB", -1},
                 {"99999999999999999", -1},
                 {"", -1},
                 {"GiB", -1},
                 {"-1", -1},
                 {"1.5GiB", -1},
                 {"1gib", -1},
                 {"1GiBx", -1}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t bytes = -1;

        CU_ASSERT_EQUAL(mm_config_size(cases[i].text, &bytes), cases[i].bytes >= 0);
        CU_ASSERT_EQUAL(bytes, cases[i].bytes);
    }
}

/* What --print-config prints is a file that reads back to the same. */
static void test_print(void)
{
    char *const none[] = {NULL};
    mm_config *config =
        read_flags("--listen [::1]:99 --memory 64MiB --max-body 1MiB --insecure-open --log-level warning");
    char *text, *again;

    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    text = mm_config_print(config);
    mm_config_free(config);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "listen = [::1]:99\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "max-body = 1048576\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "insecure-open = true\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "log-level = warning\n"));
    config = read_text(text, "", none);
    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    again = mm_config_print(config);
    CU_ASSERT_STRING_EQUAL(again, text);
    free(again);
    free(text);
    mm_config_free(config);
}

static void test_help(void)
{
    char *text = mm_config_help();

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "--listen"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "(default 127.0.0.1:8080)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "(not in this version)"));
    free(text);
}

static CU_TestInfo tests[] = {
    {"defaults", test_defaults},
    {"flags", test_flags},
    {"flag over environment over file over default", test_precedence},
    {"a file", test_file},
    {"the environment", test_environment},
    {"refused flags", test_refused_flags},
    {"refused lines", test_refused_lines},
    {"long messages", test_long_messages},
    {"sizes", test_sizes},
    {"what is printed reads back", test_print},
    {"help", test_help},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_config = {"config", tests};
