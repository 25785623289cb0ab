/*
 * query.h - the target of a request: path, percent decoding, parameters; errors name the parameter.
 */
#ifndef MM_QUERY_H
#define MM_QUERY_H

#include "lib/maskmeter.h"

#define MM_QUERY_MAX 64 /* parameters of one request */

typedef struct mm_pair {
    char *name, *value; /* decoded, NUL-terminated, valid UTF-8, no control characters but in values of no route */
} mm_pair;

/* Decoded parameters, in the order of the request.  Zero-initialised is empty. */
typedef struct mm_query {
    mm_pair pairs[MM_QUERY_MAX];
    size_t count;
} mm_query;

/* The path of a raw target "/path?query" is its first *path_size bytes; *query is what follows the '?', or "".
 * MM_BAD_PARAM (without a name): not an absolute path, an empty, "." or ".." segment, '\\', '#', a blank, a bad escape,
 * a control character, bad UTF-8. */
mm_status mm_target_split(const char *target, size_t *path_size, const char **query, mm_problem *problem);
/* Decodes "a=1&b=2" (form encoding: + is a space).  MM_BAD_PARAM: bad escape, NUL, control character, bad UTF-8,
 * repeated or empty name, too many. */
mm_status mm_query_parse(mm_query *query, const char *text, size_t size, mm_problem *problem);
void mm_query_free(mm_query *query);
const char *mm_query_get(const mm_query *query, const char *name); /* NULL if absent */
/* Adds name=value unless the name is there already (the query wins over the file's metadata). */
mm_status mm_query_add(mm_query *query, const char *name, const char *value, mm_problem *problem);
/* MM_BAD_PARAM naming the first parameter that is not in the '|'-separated list, with the nearest known one. */
mm_status mm_query_only(const mm_query *query, const char *allowed, mm_problem *problem);

/* Checked readers.  Absent: MM_OK, and *out is left alone. */
mm_status mm_query_integer(const mm_query *query, const char *name, int64_t min, int64_t max, int64_t *out,
                           mm_problem *problem);
mm_status mm_query_number(const mm_query *query, const char *name, double min, double max, double *out,
                          mm_problem *problem);
/* One of the '|'-separated words: *out is its position. */
mm_status mm_query_word(const mm_query *query, const char *name, const char *words, int *out, mm_problem *problem);
/* A name of a run, split, part: UTF-8, 1 .. 256 bytes, no comma, no control character. */
mm_status mm_query_name(const mm_query *query, const char *name, const char **out, mm_problem *problem);
/* A comma-separated list of such names; free(*names) (one block, strings included). */
mm_status mm_query_names(const mm_query *query, const char *name, size_t max, char ***names, size_t *count,
                         mm_problem *problem);
/* A comma-separated list of finite numbers; free(*numbers). */
mm_status mm_query_numbers(const mm_query *query, const char *name, double min, double max, size_t max_count,
                           double **numbers, size_t *count, mm_problem *problem);
/* RFC 3339 with a zone, as milliseconds since 1970. */
mm_status mm_query_time(const mm_query *query, const char *name, int64_t *out, mm_problem *problem);

/* One path segment, %2F included: free(*out).  Same rules as mm_query_name. */
mm_status mm_path_decode(const char *segment, size_t size, char **out, mm_problem *problem);
/* 1 when `text` is a name as mm_query_name wants it. */
int mm_name_valid(const char *text);
/* The nearest of the '|'-separated words, for "did you mean"; *size is its length.  NULL when none is close. */
const char *mm_nearest_word(const char *text, const char *words, size_t *size);

#endif
