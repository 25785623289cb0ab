/*
 * test_log.c - log lines: one JSON object each, escaped, capped, in order, from any thread.
 */
#include "tests/suites.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/log.h"

#define FILE_BYTES ((size_t)4 << 20)

/* A log that writes into a file of its own. */
typedef struct sink {
    FILE *file;
    mm_log *log;
    char *text;
} sink;

static void open_sink(sink *s, mm_log_level level)
{
    *s = (sink){.file = tmpfile(), .text = malloc(FILE_BYTES)};
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->text);
    CU_ASSERT_EQUAL_FATAL(mm_log_new(&s->log, fileno(s->file), level), MM_OK);
}

/* What was written so far. */
static const char *written(sink *s)
{
    const ssize_t size = pread(fileno(s->file), s->text, FILE_BYTES - 1, 0);

    s->text[size > 0 ? size : 0] = '\0';
    return s->text;
}

static void close_sink(sink *s)
{
    mm_log_free(s->log);
    (void)fclose(s->file);
    free(s->text);
}

static cJSON *first_line(sink *s)
{
    mm_log_flush(s->log);
    return cJSON_Parse(written(s));
}

static const char *text_of(const cJSON *line, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, name));

    return text != NULL ? text : "";
}

static void test_line(void)
{
    const mm_field fields[] = {{"a", "b\"\\\n\x01\x7f\xc3\xa9", 0.0}, {"n", NULL, 1234567.25}, {"nan", NULL, NAN}};
    unsigned year, month, day, hour, minute, second, ms;
    sink s;
    cJSON *line;

    open_sink(&s, MM_LOG_INFO);
    mm_log_line(s.log, MM_LOG_INFO, "hello", fields, 3);
    line = first_line(&s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    CU_ASSERT_STRING_EQUAL(text_of(line, "level"), "info");
    CU_ASSERT_STRING_EQUAL(text_of(line, "event"), "hello");
    CU_ASSERT_STRING_EQUAL(text_of(line, "a"), "b\"\\\n\x01\x7f\xc3\xa9");
    CU_ASSERT_EQUAL(cJSON_GetNumberValue(cJSON_GetObjectItem(line, "n")), 1234567.25);
    CU_ASSERT_TRUE(cJSON_IsNull(cJSON_GetObjectItem(line, "nan")));
    CU_ASSERT_EQUAL(sscanf(text_of(line, "time"), "%4u-%2u-%2uT%2u:%2u:%2u.%3uZ", &year, &month, &day, &hour, &minute,
                           &second, &ms),
                    7);
    CU_ASSERT_EQUAL(strchr(s.text, '\n'), s.text + strlen(s.text) - 1);
    cJSON_Delete(line);
    close_sink(&s);
}

static void test_levels(void)
{
    sink s;

    open_sink(&s, MM_LOG_WARNING);
    CU_ASSERT_FALSE(mm_log_wants(s.log, MM_LOG_INFO));
    CU_ASSERT_TRUE(mm_log_wants(s.log, MM_LOG_WARNING));
    CU_ASSERT_FALSE(mm_log_wants(NULL, MM_LOG_ERROR));
    mm_log_text(s.log, MM_LOG_INFO, "no", "x");
    mm_log_flush(s.log);
    CU_ASSERT_STRING_EQUAL(written(&s), "");
    mm_log_text(s.log, MM_LOG_ERROR, "yes", "x");
    CU_ASSERT_PTR_NOT_NULL(strstr(written(&s), "\"level\":\"error\",\"event\":\"yes\",\"text\":\"x\"}\n"));
    mm_log_text(NULL, MM_LOG_ERROR, "nobody", "x");
    mm_log_flush(NULL);
    mm_log_free(NULL);
    close_sink(&s);
}

/* Lines of level info wait for the flush, a warning takes them along; nothing is lost when the buffer fills up. */
static void test_gathering(void)
{
    sink s;
    int lines = 0;

    open_sink(&s, MM_LOG_INFO);
    mm_log_text(s.log, MM_LOG_INFO, "first", "x");
    CU_ASSERT_STRING_EQUAL(written(&s), "");
    mm_log_text(s.log, MM_LOG_WARNING, "second", "x");
    CU_ASSERT_TRUE(strstr(written(&s), "first") < strstr(s.text, "second"));
    for (int i = 0; i < 5000; i++)
        mm_log_text(s.log, MM_LOG_INFO, "many", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    mm_log_flush(s.log);
    for (const char *c = written(&s); (c = strchr(c, '\n')) != NULL; c++)
        lines++;
    CU_ASSERT_EQUAL(lines, 5002);
    close_sink(&s);
}

/* A string is cut between characters; fields that do not fit are left out whole; the line stays JSON. */
static void test_caps(void)
{
    static char accents[1201], quotes[1001];
    mm_field fields[12];
    sink s;
    cJSON *line;

    for (size_t i = 0; i + 2 < sizeof accents; i += 2)
        memcpy(accents + i, "\xc3\xa9", 3);
    memset(quotes, '"', sizeof quotes - 1);
    for (size_t i = 0; i < 12; i++)
        fields[i] = (mm_field){"f", i % 2 ? quotes : accents + (i == 0), 0.0};
    fields[11] = (mm_field){"last", NULL, 7.0};
    open_sink(&s, MM_LOG_INFO);
    mm_log_line(s.log, MM_LOG_INFO, "long", fields, 12);
    line = first_line(&s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    CU_ASSERT_TRUE(strlen(s.text) <= MM_LOG_LINE_MAX);
    CU_ASSERT_EQUAL(cJSON_GetNumberValue(cJSON_GetObjectItem(line, "last")), 7.0);
    cJSON_Delete(line);

    fields[0] = (mm_field){"odd", accents, 0.0};
    fields[1] = (mm_field){"quotes", quotes, 0.0};
    close_sink(&s);
    open_sink(&s, MM_LOG_INFO);
    mm_log_line(s.log, MM_LOG_INFO, "long", fields, 2);
    line = first_line(&s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    CU_ASSERT_EQUAL(strlen(text_of(line, "odd")), MM_LOG_STRING_MAX);
    CU_ASSERT_EQUAL(strlen(text_of(line, "quotes")), MM_LOG_STRING_MAX / 2);
    cJSON_Delete(line);
    close_sink(&s);
}

/* 512 is even: one byte in front makes the limit fall into a character. */
static void test_cut_between_characters(void)
{
    static char text[700] = "a";
    const mm_field field = {"x", text, 0.0};
    sink s;
    cJSON *line;

    for (size_t i = 1; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 3);
    open_sink(&s, MM_LOG_INFO);
    mm_log_line(s.log, MM_LOG_INFO, "cut", &field, 1);
    line = first_line(&s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    CU_ASSERT_EQUAL(strlen(text_of(line, "x")), MM_LOG_STRING_MAX - 1);
    CU_ASSERT_EQUAL(strncmp(text_of(line, "x"), text, MM_LOG_STRING_MAX - 1), 0);
    cJSON_Delete(line);
    close_sink(&s);
}

static void *write_many(void *context)
{
    for (int i = 0; i < 1000; i++)
        mm_log_text(context, MM_LOG_INFO, "thread", "line");
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[4];
    sink s;
    int whole = 0;
    char *rest, *line;

    open_sink(&s, MM_LOG_INFO);
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, write_many, s.log), 0);
    for (size_t i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    mm_log_flush(s.log);
    (void)written(&s);
    rest = s.text;
    while ((line = strsep(&rest, "\n")) != NULL)
        whole += line[0] == '{' && strstr(line, "\"event\":\"thread\",\"text\":\"line\"}") != NULL;
    CU_ASSERT_EQUAL(whole, 4000);
    close_sink(&s);
}

/* Nobody reads: the lines are lost, the server goes on. */
static void test_closed_descriptor(void)
{
    mm_log *log = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_log_new(&log, -1, MM_LOG_DEBUG), MM_OK);
    for (int i = 0; i < 1000; i++)
        mm_log_text(log, MM_LOG_ERROR, "lost", "x");
    mm_log_free(log);
}

static CU_TestInfo tests[] = {
    {"a line", test_line},
    {"levels", test_levels},
    {"gathering", test_gathering},
    {"caps", test_caps},
    {"cut between characters", test_cut_between_characters},
    {"threads", test_threads},
    {"a closed descriptor", test_closed_descriptor},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_log = {"log", tests};
