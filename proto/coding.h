/*
 * coding.h - what a content coding provides: one row each.
 */
#ifndef MM_CODING_H
#define MM_CODING_H

#include "proto/wire.h"

/* One step of a decoder: input that it takes, output that it gives. */
typedef struct mm_coding_step {
    const unsigned char *in;
    size_t in_size, in_used;
    unsigned char *out;
    size_t out_size, out_used;
    const char *fault; /* after MM_WIRE_BAD_FILE: what is wrong, a constant */
} mm_coding_step;

typedef struct mm_coding_row {
    const char *name;
    const char *alias;   /* another name, or NULL */
    size_t memory;       /* bytes that one decoder takes at most */
    void *(*open)(void); /* NULL: out of memory */
    void (*close)(void *state);
    /* Goes on until all input is taken or the output is full.  MM_WIRE_OK, MM_WIRE_BAD_FILE or MM_WIRE_NO_MEMORY. */
    mm_wire_status (*decode)(void *state, mm_coding_step *step);
    /* 1 behind a whole member or frame, of which there must be one. */
    int (*is_whole)(const void *state);
} mm_coding_row;

extern const mm_coding_row mm_coding_gzip;
extern const mm_coding_row mm_coding_zstd;

#endif
