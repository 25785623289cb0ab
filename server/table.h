/*
 * table.h - an answer of POST or GET /v1/evaluations as a table for people.
 */
#ifndef MM_TABLE_H
#define MM_TABLE_H

#include <stddef.h>
#include <stdio.h>

/* A row per class and one for the value, a column per score.  width: columns are broken into blocks that fit; 0: never.
 * 0 when the text is not such an answer. */
int mm_table_print(FILE *out, const char *json, size_t size, int colour, size_t width);
/* Columns of the terminal behind the stream, 0 when it is none. */
size_t mm_table_width(FILE *out);

#endif
