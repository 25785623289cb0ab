/*
 * log.c - JSON lines: escaped, capped, gathered and written once per turn of the loop.
 */
#include "server/log.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUFFER ((size_t)32 << 10)

struct mm_log {
    int fd;
    mm_log_level level;
    pthread_mutex_t lock; /* of all below */
    size_t filled;
    time_t second; /* that `stamp` shows */
    char stamp[24];
    char buffer[BUFFER];
};

/* A line under construction.  What does not fit sets `full`; room for the closing "}\n" is kept. */
struct line {
    char *text;
    size_t filled;
    int full;
};

static void put(struct line *line, const char *text, size_t size)
{
    if (size > MM_LOG_LINE_MAX - 2 - line->filled) {
        line->full = 1;
        return;
    }
    memcpy(line->text + line->filled, text, size);
    line->filled += size;
}

/* One byte of a string, as JSON has it.  Bytes from 0x80 on pass: texts are UTF-8 or our own. */
static size_t escape(unsigned char c, char out[8])
{
    static const char hex[] = "0123456789abcdef";

    if (c == '"' || c == '\\') {
        out[0] = '\\';
        out[1] = (char)c;
        return 2;
    }
    if (c < 0x20 || c == 0x7F) {
        memcpy(out, "\\u00", 4);
        out[4] = hex[c >> 4];
        out[5] = hex[c & 15];
        return 6;
    }
    out[0] = (char)c;
    return 1;
}

static int is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

/* At most MM_LOG_STRING_MAX bytes as escaped, cut between characters. */
static void put_string(struct line *line, const char *text)
{
    char out[MM_LOG_STRING_MAX + 8];
    size_t filled = 0, whole = 0, plain = 0; /* up to `whole` the characters are complete */

    while (plain < MM_LOG_STRING_MAX && is_plain((unsigned char)text[plain]))
        plain++;
    put(line, "\"", 1);
    if (text[plain] == '\0') { /* most are short and plain */
        put(line, text, plain);
        put(line, "\"", 1);
        return;
    }
    while (*text != '\0' && filled <= MM_LOG_STRING_MAX) {
        if (((unsigned char)*text & 0xC0) != 0x80)
            whole = filled;
        filled += escape((unsigned char)*text++, out + filled);
    }
    put(line, out, filled <= MM_LOG_STRING_MAX ? filled : whole);
    put(line, "\"", 1);
}

/* Decimal digits of a whole number, at least `least` of them. */
static void put_whole(struct line *line, uint64_t number, int least)
{
    char text[24];
    size_t at = sizeof text;

    for (; number > 0 || least > 0; number /= 10, least--)
        text[--at] = (char)('0' + number % 10);
    put(line, text + at, sizeof text - at);
}

/* Three decimals are enough for a log: numbers are counts, bytes and milliseconds.  printf() would take most of the
 * time that a line costs. */
static void put_number(struct line *line, double number)
{
    const double size = fabs(number);
    uint64_t thousandths;

    if (!(size < 1e15)) {
        put(line, "null", 4);
        return;
    }
    thousandths = (uint64_t)(size * 1000.0 + 0.5);
    if (number < 0)
        put(line, "-", 1);
    put_whole(line, thousandths / 1000, 1);
    if (thousandths % 1000 == 0)
        return;
    put(line, ".", 1);
    put_whole(line, thousandths % 1000, 3);
}

static const char *level_name(mm_log_level level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};

    return names[level];
}

/* The stamp of a second is made once. */
static void put_time(mm_log *log, struct line *line)
{
    static const char name[] = "{\"time\":\"";
    struct timespec now;
    struct tm parts;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != log->second && gmtime_r(&now.tv_sec, &parts) != NULL) {
        (void)strftime(log->stamp, sizeof log->stamp, "%Y-%m-%dT%H:%M:%S", &parts);
        log->second = now.tv_sec;
    }
    put(line, name, sizeof name - 1);
    put(line, log->stamp, strlen(log->stamp));
    put(line, ".", 1);
    put_whole(line, (uint64_t)now.tv_nsec / 1000000, 3);
    put(line, "Z\"", 2);
}

static void flush(mm_log *log)
{
    size_t written = 0;

    while (written < log->filled) {
        const ssize_t size = write(log->fd, log->buffer + written, log->filled - written);

        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            break; /* nobody to tell: the lines are lost */
        written += (size_t)size;
    }
    log->filled = 0;
}

mm_status mm_log_new(mm_log **out, int fd, mm_log_level level)
{
    mm_log *log = calloc(1, sizeof *log);

    if (log == NULL)
        return MM_NO_MEMORY;
    log->fd = fd;
    log->level = level;
    log->second = -1;
    (void)pthread_mutex_init(&log->lock, NULL);
    *out = log;
    return MM_OK;
}

void mm_log_free(mm_log *log)
{
    if (log == NULL)
        return;
    mm_log_flush(log);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

int mm_log_wants(const mm_log *log, mm_log_level level)
{
    return log != NULL && level >= log->level;
}

/* A field that does not fit is left out whole. */
static void put_field(struct line *line, const char *name, const char *text, double number)
{
    const size_t start = line->filled;

    put(line, ",", 1);
    put_string(line, name);
    put(line, ":", 1);
    if (text != NULL)
        put_string(line, text);
    else
        put_number(line, number);
    if (line->full)
        line->filled = start;
    line->full = 0;
}

void mm_log_line(mm_log *log, mm_log_level level, const char *event, const mm_field *fields, size_t count)
{
    struct line line;

    if (!mm_log_wants(log, level))
        return;
    pthread_mutex_lock(&log->lock);
    if (log->filled + MM_LOG_LINE_MAX > BUFFER)
        flush(log);
    line = (struct line){log->buffer + log->filled, 0, 0};
    put_time(log, &line);
    put_field(&line, "level", level_name(level), 0.0);
    put_field(&line, "event", event, 0.0);
    for (size_t i = 0; i < count; i++)
        put_field(&line, fields[i].name, fields[i].text, fields[i].number);
    memcpy(line.text + line.filled, "}\n", 2);
    log->filled += line.filled + 2;
    if (level >= MM_LOG_WARNING)
        flush(log);
    pthread_mutex_unlock(&log->lock);
}

void mm_log_flush(mm_log *log)
{
    if (log == NULL)
        return;
    pthread_mutex_lock(&log->lock);
    flush(log);
    pthread_mutex_unlock(&log->lock);
}

void mm_log_text(mm_log *log, mm_log_level level, const char *event, const char *text)
{
    const mm_field field = {"text", text, 0.0};

    mm_log_line(log, level, event, &field, 1);
}
