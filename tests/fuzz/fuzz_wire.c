/*
 * fuzz_wire.c - libFuzzer: any bytes as a safetensors file, whole and in chunks.
 *
 * Both readings must agree in everything, and with a second reader that was written from FORMAT.md; and what is
 * accepted must be the same when it is written again.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/slow_reader.h"
#include "tests/fuzz/target.h"
#include "tests/wire_tools.h"

#define WRITE_AGAIN 8 /* one of so many accepted files: it is slow */

/* Feeds the file in chunks, in turn in two blocks that hold no more than has arrived. */
static mm_wire_status read_in_chunks(mm_wire *wire, const uint8_t *data, size_t size, uint64_t seed,
                                     mm_problem *problem)
{
    const uint8_t *block = fuzz_block(1, data, &(size_t){0});
    size_t filled = 0;
    unsigned turn = 0;

    while (filled < size) {
        const size_t step = 1 + wire_random(&seed) % (wire_random(&seed) % 4 == 0 ? 3 : 200);

        filled = step < size - filled ? filled + step : size;
        fuzz_forget(1 + turn);
        turn = !turn;
        block = fuzz_block(1 + turn, data, &filled);
        mm_wire_feed(wire, block, filled, problem);
    }
    return mm_wire_end(wire, block, filled, problem);
}

static void compare_tensors(const mm_wire *wire, const slow_file *file, const uint8_t *data)
{
    demand(mm_wire_count(wire) == file->count);
    for (size_t i = 0; i < file->count; i++) {
        const mm_tensor *tensor = mm_wire_tensor(wire, i);
        const slow_tensor *other = &file->tensor[i];

        demand(strcmp(mm_wire_name(wire, i), other->name) == 0);
        demand(mm_wire_find(wire, other->name) == tensor);
        demand(strcmp(mm_dtype_name(tensor->dtype), other->dtype) == 0 && tensor->rank == other->rank);
        for (size_t k = 0; k < other->rank; k++)
            demand(tensor->dim[k] == other->dim[k]);
        demand((const uint8_t *)tensor->data == data + file->data_at + other->begin);
    }
}

static void compare(const mm_wire *wire, const slow_file *file, const uint8_t *data)
{
    compare_tensors(wire, file, data);
    demand(mm_wire_meta_count(wire) == file->meta_count);
    for (size_t i = 0; i < file->meta_count; i++) {
        demand(strcmp(mm_wire_meta_key(wire, i), file->meta[2 * i]) == 0);
        demand(strcmp(mm_wire_meta_value(wire, i), file->meta[2 * i + 1]) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const mm_wire_status statuses[] = {MM_WIRE_OK, MM_WIRE_BAD_FILE, MM_WIRE_BAD_TENSOR};
    static slow_file file;
    const uint8_t *block = fuzz_block(0, data, &size);
    const uint64_t hash = fuzz_hash(data, size);
    mm_problem problem = {0}, other = {0};
    mm_wire *whole = NULL, *chunked = NULL;
    mm_wire_status status;

    demand(mm_wire_new(&chunked) == MM_WIRE_OK);
    status = wire_read(&whole, block, size, &problem);
    demand(statuses[slow_read(&file, block, size)] == status);
    demand(read_in_chunks(chunked, data, size, hash | 1, &other) == status);
    if (status == MM_WIRE_OK) {
        compare(whole, &file, block);
        demand(wire_equal(whole, chunked));
        if (hash % WRITE_AGAIN == 0)
            demand(wire_check(whole, block, size) == NULL);
    } else {
        demand(problem.text[0] != '\0' && strcmp(problem.text, other.text) == 0);
        demand(strcmp(problem.tensor, other.tensor) == 0 && strcmp(problem.param, other.param) == 0);
    }
    mm_wire_free(whole);
    mm_wire_free(chunked);
    return 0;
}

/* The largest end of any data_offsets in the header, as far as one can tell without reading it properly. */
static size_t largest_end(const uint8_t *header, size_t size)
{
    static const char key[] = "\"data_offsets\":[";
    size_t largest = 0;

    for (size_t i = 0; i + sizeof key - 1 <= size; i++) {
        size_t at = i + sizeof key - 1, end = 0;

        if (memcmp(header + i, key, sizeof key - 1) != 0)
            continue;
        while (at < size && header[at] != ',')
            at++;
        for (at++; at < size && header[at] >= '0' && header[at] <= '9' && end < 100000; at++)
            end = 10 * end + (size_t)(header[at] - '0');
        largest = end > largest ? end : largest;
    }
    return largest;
}

/* Changes the header, then repairs what would hide it: the length, and mostly the size of the data. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    size_t header, tail, wanted;

    if (size < 8 || max_size < 16 || seed % 16 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    header = data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16;
    header = header < size - 8 ? header : size - 8;
    tail = size - 8 - header;
    header = LLVMFuzzerMutate(data + 8, header, max_size - 8 - tail);
    wanted = largest_end(data + 8, header);
    if (seed % 4 != 0)
        tail = wanted;
    tail = tail < max_size - 8 - header ? tail : max_size - 8 - header;
    for (size_t i = 0; i < tail; i++)
        data[8 + header + i] = (uint8_t)i;
    for (unsigned i = 0; i < 8; i++)
        data[i] = (uint8_t)((uint64_t)header >> (8 * i));
    return 8 + header + tail;
}
