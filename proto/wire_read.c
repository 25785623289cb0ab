/*
 * wire_read.c - incremental reader of a safetensors file: length, header, data.
 */
#include "proto/wire.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "proto/fault.h"
#include "proto/header.h"
#include "proto/reader.h"

/* Tensor data are used where they lie, and their offsets are 64-bit numbers. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian hosts only");
_Static_assert(sizeof(size_t) >= sizeof(uint64_t), "64-bit hosts only");

#define LENGTH_BYTES 8 /* the header's length in front of it */

struct mm_wire {
    mm_wire_status status; /* MM_WIRE_MORE, or final: MM_WIRE_OK can still turn bad when more bytes come */
    mm_problem problem;
    size_t size; /* of the whole file; 0: the header is not parsed yet */
    size_t data_at;
    mm_header header;
    mm_tensor tensor[MM_WIRE_MAX_TENSORS];
};

mm_wire_status mm_wire_new(mm_wire **out)
{
    mm_wire *wire = calloc(1, sizeof *wire);

    if (wire == NULL)
        return MM_WIRE_NO_MEMORY;
    wire->status = MM_WIRE_MORE;
    *out = wire;
    return MM_WIRE_OK;
}

void mm_wire_free(mm_wire *wire)
{
    if (wire == NULL)
        return;
    mm_header_free(&wire->header);
    free(wire);
}

static int is_error(mm_wire_status status)
{
    return status != MM_WIRE_OK && status != MM_WIRE_MORE;
}

/* Length and header, once they are whole.  Nothing is allocated before the length is known to be in its limits. */
static mm_wire_status read_front(mm_wire *wire, const unsigned char *data, size_t filled)
{
    mm_problem *problem = &wire->problem;
    mm_wire_status status;
    mm_reader reader;
    uint64_t length;

    if (filled < LENGTH_BYTES)
        return MM_WIRE_MORE;
    mm_reader_init(&reader, data, LENGTH_BYTES);
    length = mm_reader_u64(&reader);
    if (length == 0)
        return mm_fault(MM_WIRE_BAD_FILE, problem, NULL, "safetensors file: the header length is 0");
    if (length > MM_WIRE_MAX_HEADER)
        return mm_fault(MM_WIRE_BAD_FILE, problem, NULL,
                        "safetensors file: the header length is %llu; at most %zu is allowed",
                        (unsigned long long)length, MM_WIRE_MAX_HEADER);
    if (filled - LENGTH_BYTES < length)
        return MM_WIRE_MORE;
    status = mm_header_parse(&wire->header, data + LENGTH_BYTES, (size_t)length, problem);
    if (status != MM_WIRE_OK)
        return status;
    wire->data_at = LENGTH_BYTES + (size_t)length;
    if (wire->header.data_size > PTRDIFF_MAX - wire->data_at) {
        mm_header_free(&wire->header);
        return mm_fault(MM_WIRE_BAD_FILE, problem, NULL, "safetensors header: the tensors end beyond any file's end");
    }
    wire->size = wire->data_at + wire->header.data_size;
    for (size_t i = 0; i < wire->header.count; i++) {
        const mm_header_tensor *from = &wire->header.tensor[i];

        wire->tensor[i] = (mm_tensor){.dtype = from->dtype, .rank = from->rank};
        memcpy(wire->tensor[i].dim, from->dim, sizeof from->dim);
    }
    return MM_WIRE_OK;
}

/* Points the views into `data`; at its front, while their own bytes are not there. */
static void place_views(mm_wire *wire, const unsigned char *data, int whole)
{
    for (size_t i = 0; i < wire->header.count; i++)
        wire->tensor[i].data = whole ? data + wire->data_at + wire->header.tensor[i].begin : data;
}

static mm_wire_status feed(mm_wire *wire, const unsigned char *data, size_t filled)
{
    if (wire->size == 0) {
        const mm_wire_status status = read_front(wire, data, filled);

        if (status != MM_WIRE_OK)
            return status;
    }
    if (filled > wire->size) {
        place_views(wire, data, 0);
        return mm_fault(MM_WIRE_BAD_FILE, &wire->problem, NULL,
                        "safetensors file: its header describes %zu bytes, but more follow", wire->size);
    }
    place_views(wire, data, filled == wire->size);
    return filled == wire->size ? MM_WIRE_OK : MM_WIRE_MORE;
}

static mm_wire_status give(const mm_wire *wire, mm_problem *problem)
{
    if (is_error(wire->status) && problem != NULL)
        *problem = wire->problem;
    return wire->status;
}

mm_wire_status mm_wire_feed(mm_wire *wire, const unsigned char *data, size_t filled, mm_problem *problem)
{
    if (!is_error(wire->status))
        wire->status = feed(wire, data, filled);
    return give(wire, problem);
}

mm_wire_status mm_wire_end(mm_wire *wire, const unsigned char *data, size_t filled, mm_problem *problem)
{
    if (!is_error(wire->status))
        wire->status = feed(wire, data, filled);
    if (wire->status == MM_WIRE_MORE) {
        if (filled == 0)
            wire->status = mm_fault(MM_WIRE_BAD_FILE, &wire->problem, NULL, "safetensors file: it is empty");
        else if (wire->size == 0)
            wire->status = mm_fault(MM_WIRE_BAD_FILE, &wire->problem, NULL,
                                    "safetensors file: it ends inside its header, after %zu bytes", filled);
        else
            wire->status = mm_fault(MM_WIRE_BAD_FILE, &wire->problem, NULL,
                                    "safetensors file: its header describes %zu bytes, but only %zu are there",
                                    wire->size, filled);
    }
    return give(wire, problem);
}

size_t mm_wire_size(const mm_wire *wire)
{
    return wire->size;
}

size_t mm_wire_count(const mm_wire *wire)
{
    return wire->header.count;
}

const char *mm_wire_name(const mm_wire *wire, size_t index)
{
    return index < wire->header.count ? wire->header.tensor[index].name : NULL;
}

const mm_tensor *mm_wire_tensor(const mm_wire *wire, size_t index)
{
    return index < wire->header.count ? &wire->tensor[index] : NULL;
}

const mm_tensor *mm_wire_find(const mm_wire *wire, const char *name)
{
    for (size_t i = 0; i < wire->header.count; i++)
        if (strcmp(wire->header.tensor[i].name, name) == 0)
            return &wire->tensor[i];
    return NULL;
}

size_t mm_wire_meta_count(const mm_wire *wire)
{
    return wire->header.meta_count;
}

const char *mm_wire_meta_key(const mm_wire *wire, size_t index)
{
    return index < wire->header.meta_count ? wire->header.meta[index].key : NULL;
}

const char *mm_wire_meta_value(const mm_wire *wire, size_t index)
{
    return index < wire->header.meta_count ? wire->header.meta[index].value : NULL;
}
