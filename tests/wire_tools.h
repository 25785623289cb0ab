/*
 * wire_tools.h - what tests and fuzz targets of the wire share: building files, and a slow check of accepted ones.
 */
#ifndef MM_WIRE_TOOLS_H
#define MM_WIRE_TOOLS_H

#include "proto/wire.h"

typedef struct wire_bytes {
    unsigned char *data; /* free(data) */
    size_t size;
} wire_bytes;

/* Length, header, and data_size bytes 0, 1, 2 … 255, 0 …  The block is exactly as large as the file. */
wire_bytes wire_file(const char *json, size_t json_size, size_t data_size);
/* A copy in a block of exactly `size` bytes, so that a step past its end is seen. */
wire_bytes wire_copy(const void *data, size_t size);
wire_bytes wire_load(const char *path); /* data NULL: cannot be read */

/* Reads a whole file in one step.  *wire is NULL when out of memory. */
mm_wire_status wire_read(mm_wire **wire, const unsigned char *data, size_t size, mm_problem *problem);

/* Checks an accepted file by brute force: each byte behind the header belongs to exactly one tensor, each tensor has
 * the bytes of its shape, names differ, and writing it again and reading that gives equal tensors and metadata.
 * NULL, or what is wrong. */
const char *wire_check(const mm_wire *wire, const unsigned char *data, size_t size);
/* Do both hold the same tensors and metadata, in any order of the data? */
int wire_equal(const mm_wire *left, const mm_wire *right);

/* Does an error's text, which may be NULL, hold these words? */
int wire_says(const char *text, const char *words);
/* Copies text without its NUL to `to`; what follows it there. */
char *wire_put(char *to, const char *text);

/* xorshift64*: the same numbers everywhere. */
uint64_t wire_random(uint64_t *state);

#endif
