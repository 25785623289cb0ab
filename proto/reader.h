/*
 * reader.h - takes bytes and JSON text apart, one bounded step at a time, with a sticky error.
 *
 * The first broken rule is kept; from then on the reader is at its end and yields zeros and empty strings, so that
 * parsing is straight-line code with one check at the end.  Nothing here allocates or recurses.
 */
#ifndef MM_READER_H
#define MM_READER_H

#include <stddef.h>
#include <stdint.h>

typedef struct mm_reader {
    const unsigned char *data;
    size_t size;
    size_t at;         /* the next byte; equals size after an error */
    const char *error; /* the first rule that was broken, a constant; NULL: none */
    size_t error_at;   /* where */
} mm_reader;

void mm_reader_init(mm_reader *reader, const void *data, size_t size);
/* Keeps `rule` as the error at byte `at`, unless there is one already. */
void mm_reader_fail(mm_reader *reader, const char *rule, size_t at);

uint64_t mm_reader_u64(mm_reader *reader); /* 8 bytes, little endian */

/* The next byte, which stays; 0 at the end. */
unsigned char mm_reader_peek(const mm_reader *reader);
/* 1 when the next byte is `byte`, which is then passed. */
int mm_reader_take(mm_reader *reader, unsigned char byte);
/* Passes `byte` or fails with `rule`. */
void mm_reader_expect(mm_reader *reader, unsigned char byte, const char *rule);
/* Passes what JSON calls white space: space, tab, line feed, carriage return. */
void mm_reader_blanks(mm_reader *reader);

/* A JSON number that is a whole number in 0 .. 2^64 - 1, in its one spelling: digits, no leading zero. */
uint64_t mm_reader_number(mm_reader *reader);
/* A JSON string, escapes resolved, as UTF-8 with a NUL behind it, into out[0 .. room); its length without the NUL.
 * A string never holds a NUL, neither raw nor as an escape.  On an error *out is "". */
size_t mm_reader_string(mm_reader *reader, char *out, size_t room);

/* One character of UTF-8 as Unicode defines it (no overlong form, no surrogate, at most U+10FFFF).
 * Its length 1 .. 4, and the character in *code; 0 when there is none. */
size_t mm_utf8_decode(const void *text, size_t size, uint32_t *code);

#endif
