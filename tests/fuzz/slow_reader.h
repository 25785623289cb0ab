/*
 * slow_reader.h - a second reader of safetensors files, written from FORMAT.md to be compared with the first.
 *
 * It shares no code with proto/, reads the whole file at once, first into tokens and then by the grammar, and compares
 * each with each.
 */
#ifndef MM_SLOW_READER_H
#define MM_SLOW_READER_H

#include <stddef.h>
#include <stdint.h>

#define SLOW_TENSORS 64
#define SLOW_RANK    5

typedef enum slow_verdict { SLOW_SOUND, SLOW_BAD_FILE, SLOW_BAD_TENSOR } slow_verdict;

typedef struct slow_tensor {
    const char *name, *dtype;
    size_t rank;
    uint64_t dim[SLOW_RANK];
    uint64_t begin, end;
} slow_tensor;

typedef struct slow_file {
    slow_tensor tensor[SLOW_TENSORS];
    size_t count;
    const char *const *meta; /* key, value, key, value ... */
    size_t meta_count;       /* pairs */
    size_t data_at;
} slow_file;

/* Bytes of the UTF-8 character at s, of which there are `left`; 0 for none. */
size_t slow_utf8_size(const uint8_t *s, size_t left);

/* Strings stay until the next call. */
slow_verdict slow_read(slow_file *file, const uint8_t *data, size_t size);

#endif
