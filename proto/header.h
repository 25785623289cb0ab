/*
 * header.h - the JSON header of a safetensors file, checked.
 */
#ifndef MM_HEADER_H
#define MM_HEADER_H

#include "proto/wire.h"

typedef struct mm_header_tensor {
    const char *name;
    mm_dtype dtype;
    unsigned rank;
    size_t dim[MM_MAX_RANK];
    size_t begin, end; /* in the data section */
} mm_header_tensor;

typedef struct mm_header {
    char *text;         /* all strings, each with its NUL */
    mm_wire_meta *meta; /* in order of the header, as are the tensors */
    size_t meta_count;
    mm_header_tensor tensor[MM_WIRE_MAX_TENSORS];
    size_t count;
    size_t data_size; /* bytes behind the header */
} mm_header;

/* Reads the header, json[0 .. size), of which nothing is kept.  MM_WIRE_OK: the tensors cover the data section from
 * 0 to data_size, with no hole and no overlap, each with as many bytes as its shape and dtype say.
 * MM_WIRE_BAD_FILE: the structure is broken.  MM_WIRE_BAD_TENSOR: it is sound, but a dtype is unknown or a rank too
 * high.  After an error *header holds nothing. */
mm_wire_status mm_header_parse(mm_header *header, const unsigned char *json, size_t size, mm_problem *problem);
void mm_header_free(mm_header *header);

#endif
