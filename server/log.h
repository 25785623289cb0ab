/*
 * log.h - JSON lines on a descriptor: escaped, capped in length, gathered and written once per turn of the loop.
 *
 * Any thread may write a line.  Lines of level warning and error are written at once, the rest by mm_log_flush() or
 * when the buffer is full.  A NULL log swallows everything.
 */
#ifndef MM_LOG_H
#define MM_LOG_H

#include "lib/maskmeter.h"

typedef struct mm_log mm_log;

typedef enum mm_log_level { MM_LOG_DEBUG, MM_LOG_INFO, MM_LOG_WARNING, MM_LOG_ERROR } mm_log_level;

#define MM_LOG_LINE_MAX   2048 /* bytes of one line, the newline included */
#define MM_LOG_STRING_MAX 512  /* bytes of one string, escaped; the rest is cut */

/* A field of a line: text when `text` is not NULL, else a number, shown to three decimals (null from 1e15 on). */
typedef struct mm_field {
    const char *name;
    const char *text;
    double number;
} mm_field;

mm_status mm_log_new(mm_log **out, int fd, mm_log_level level);
void mm_log_free(mm_log *log); /* flushes; NULL is fine */
int mm_log_wants(const mm_log *log, mm_log_level level);
/* {"time":"...","level":"info","event":EVENT, fields} */
void mm_log_line(mm_log *log, mm_log_level level, const char *event, const mm_field *fields, size_t count);
void mm_log_flush(mm_log *log);

/* One line with one text: what most callers need. */
void mm_log_text(mm_log *log, mm_log_level level, const char *event, const char *text);

#endif
