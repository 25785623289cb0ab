/*
 * wire_tools.c - builds files for tests of the wire, and checks accepted files by brute force.
 */
#include "tests/wire_tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

wire_bytes wire_copy(const void *data, size_t size)
{
    wire_bytes copy = {malloc(size > 0 ? size : 1), size};

    if (copy.data != NULL && size > 0)
        memcpy(copy.data, data, size);
    return copy;
}

wire_bytes wire_file(const char *json, size_t json_size, size_t data_size)
{
    wire_bytes file = {malloc(8 + json_size + data_size), 8 + json_size + data_size};

    if (file.data == NULL)
        return file;
    for (unsigned i = 0; i < 8; i++)
        file.data[i] = (unsigned char)((uint64_t)json_size >> (8 * i));
    memcpy(file.data + 8, json, json_size);
    for (size_t i = 0; i < data_size; i++)
        file.data[8 + json_size + i] = (unsigned char)i;
    return file;
}

wire_bytes wire_load(const char *path)
{
    wire_bytes file = {NULL, 0};
    FILE *stream = fopen(path, "rb");
    static char buffer[1 << 16]; /* no vector is larger */

    if (stream == NULL)
        return file;
    file = wire_copy(buffer, fread(buffer, 1, sizeof buffer, stream));
    fclose(stream);
    return file;
}

mm_wire_status wire_read(mm_wire **wire, const unsigned char *data, size_t size, mm_problem *problem)
{
    *wire = NULL;
    if (mm_wire_new(wire) != MM_WIRE_OK)
        return MM_WIRE_NO_MEMORY;
    return mm_wire_end(*wire, data, size, problem);
}

static size_t element_size(mm_dtype dtype)
{
    switch (dtype) {
    case MM_BOOL:
    case MM_U8:
    case MM_I8:
        return 1;
    case MM_U16:
    case MM_I16:
    case MM_F16:
    case MM_BF16:
        return 2;
    case MM_U32:
    case MM_I32:
    case MM_F32:
        return 4;
    default:
        return 8;
    }
}

/* Bytes of a tensor of an accepted file, so nothing can overflow but where a dimension is 0. */
static size_t tensor_size(const mm_tensor *tensor)
{
    size_t size = element_size(tensor->dtype);

    for (unsigned i = 0; i < tensor->rank; i++)
        if (tensor->dim[i] == 0)
            return 0;
    for (unsigned i = 0; i < tensor->rank; i++)
        size *= tensor->dim[i];
    return size;
}

static int equal_tensors(const mm_tensor *left, const mm_tensor *right)
{
    return left->dtype == right->dtype && left->rank == right->rank &&
           memcmp(left->dim, right->dim, left->rank * sizeof left->dim[0]) == 0 &&
           memcmp(left->data, right->data, tensor_size(left)) == 0;
}

int wire_equal(const mm_wire *left, const mm_wire *right)
{
    if (mm_wire_count(left) != mm_wire_count(right) || mm_wire_meta_count(left) != mm_wire_meta_count(right))
        return 0;
    for (size_t i = 0; i < mm_wire_count(left); i++)
        if (strcmp(mm_wire_name(left, i), mm_wire_name(right, i)) != 0 ||
            !equal_tensors(mm_wire_tensor(left, i), mm_wire_tensor(right, i)))
            return 0;
    for (size_t i = 0; i < mm_wire_meta_count(left); i++)
        if (strcmp(mm_wire_meta_key(left, i), mm_wire_meta_key(right, i)) != 0 ||
            strcmp(mm_wire_meta_value(left, i), mm_wire_meta_value(right, i)) != 0)
            return 0;
    return 1;
}

/* Counts how often each byte is covered. */
static const char *check_cover(const mm_wire *wire, const unsigned char *data, size_t size)
{
    const size_t front = 8 + (data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16);
    unsigned char *cover = calloc(size, 1);
    const char *result = cover == NULL ? "out of memory" : NULL;

    for (size_t i = 0; i < mm_wire_count(wire) && result == NULL; i++) {
        const mm_tensor *tensor = mm_wire_tensor(wire, i);
        const size_t bytes = tensor_size(tensor);
        const size_t at = (size_t)((const unsigned char *)tensor->data - data);

        if (at < front || at > size || bytes > size - at)
            result = "a tensor lies outside the data";
        for (size_t k = 0; k < bytes && result == NULL; k++)
            if (cover[at + k]++ > 0)
                result = "two tensors overlap";
    }
    for (size_t k = front; k < size && result == NULL; k++)
        if (cover[k] != 1)
            result = "a byte belongs to no tensor";
    free(cover);
    return result;
}

static const char *check_names(const mm_wire *wire)
{
    for (size_t i = 0; i < mm_wire_count(wire); i++) {
        if (mm_wire_find(wire, mm_wire_name(wire, i)) != mm_wire_tensor(wire, i))
            return "two tensors have the same name";
        if (strcmp(mm_wire_name(wire, i), "__metadata__") == 0)
            return "a tensor is called __metadata__";
    }
    for (size_t i = 0; i < mm_wire_meta_count(wire); i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(mm_wire_meta_key(wire, i), mm_wire_meta_key(wire, k)) == 0)
                return "two metadata keys are the same";
    return NULL;
}

static const char *check_again(const mm_wire *wire)
{
    const size_t count = mm_wire_count(wire);
    const size_t meta_count = mm_wire_meta_count(wire);
    mm_wire_item items[MM_WIRE_MAX_TENSORS];
    mm_wire_meta *meta = calloc(meta_count + 1, sizeof *meta);
    unsigned char *bytes = NULL;
    size_t size = 0;
    mm_wire *again = NULL;
    const char *result = "it cannot be written again";
    mm_wire_status status;

    if (meta == NULL)
        return "out of memory";
    for (size_t i = 0; i < count; i++)
        items[i] = (mm_wire_item){mm_wire_name(wire, i), *mm_wire_tensor(wire, i)};
    for (size_t i = 0; i < meta_count; i++)
        meta[i] = (mm_wire_meta){mm_wire_meta_key(wire, i), mm_wire_meta_value(wire, i)};
    status = mm_wire_write(&bytes, &size, items, count, meta, meta_count, NULL);
    if (status == MM_WIRE_OK) {
        result = wire_read(&again, bytes, size, NULL) == MM_WIRE_OK && wire_equal(wire, again)
                     ? NULL
                     : "it reads differently when written again";
    } else if (status == MM_WIRE_BAD_FILE && meta_count > 0) {
        result = NULL; /* control characters are spelled longer, so the header may become too long */
    }
    mm_wire_free(again);
    free(bytes);
    free(meta);
    return result;
}

const char *wire_check(const mm_wire *wire, const unsigned char *data, size_t size)
{
    const char *result = mm_wire_size(wire) == size ? NULL : "its size is not that of the file";

    if (result == NULL)
        result = check_names(wire);
    if (result == NULL)
        result = check_cover(wire, data, size);
    if (result == NULL)
        result = check_again(wire);
    return result;
}

int wire_says(const char *text, const char *words)
{
    return text != NULL && strstr(text, words) != NULL;
}

char *wire_put(char *to, const char *text)
{
    while (*text != '\0')
        *to++ = *text++;
    return to;
}

uint64_t wire_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1d;
}
