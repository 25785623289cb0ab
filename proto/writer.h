/*
 * writer.h - puts bytes and JSON text together, with a sticky error.
 *
 * After the first error the writer ignores what it is given, so that building is straight-line code with one check at
 * the end.
 */
#ifndef MM_WRITER_H
#define MM_WRITER_H

#include <stddef.h>
#include <stdint.h>

typedef struct mm_writer {
    unsigned char *bytes; /* owned; free(bytes) */
    size_t size, room;
    int no_memory;
    int not_utf8; /* a string was refused */
} mm_writer;

/* Starts empty from {0}.  Makes room for `more` bytes in one step. */
void mm_writer_reserve(mm_writer *writer, size_t more);
void mm_writer_bytes(mm_writer *writer, const void *bytes, size_t size);
void mm_writer_text(mm_writer *writer, const char *text);   /* as it is */
void mm_writer_number(mm_writer *writer, uint64_t value);   /* decimal digits */
void mm_writer_u64(mm_writer *writer, uint64_t value);      /* 8 bytes, little endian */
void mm_writer_string(mm_writer *writer, const char *text); /* a JSON string; UTF-8 or an error */
int mm_writer_failed(const mm_writer *writer);

#endif
