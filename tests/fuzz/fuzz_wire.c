/*
 * fuzz_wire.c - libFuzzer: any bytes as a safetensors file, whole and in chunks.
 *
 * Both readings must agree in everything, and what is accepted must pass the brute-force check of wire_tools.c.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/wire_tools.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static void demand(int holds)
{
    if (!holds)
        abort();
}

/* Feeds the file in chunks, each time in another block that holds no more than has arrived. */
static mm_wire_status read_in_chunks(mm_wire *wire, const uint8_t *data, size_t size, uint64_t seed, wire_bytes *block,
                                     mm_problem *problem)
{
    size_t filled = 0;

    while (filled < size) {
        const size_t step = 1 + wire_random(&seed) % (wire_random(&seed) % 4 == 0 ? 3 : 200);
        const wire_bytes next = wire_copy(data, filled = step < size - filled ? filled + step : size);

        free(block->data);
        *block = next;
        demand(block->data != NULL);
        mm_wire_feed(wire, block->data, filled, problem);
    }
    return mm_wire_end(wire, block->data, filled, problem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const wire_bytes file = wire_copy(data, size);
    wire_bytes block = {NULL, 0};
    mm_problem problem = {0}, other = {0};
    mm_wire *whole = NULL, *chunked = NULL;
    uint64_t seed = size + 1;
    mm_wire_status status;

    for (size_t i = 0; i < size; i++)
        seed = seed * 1099511628211U + data[i];
    demand(file.data != NULL && mm_wire_new(&chunked) == MM_WIRE_OK);
    status = wire_read(&whole, file.data, file.size, &problem);
    demand(read_in_chunks(chunked, data, size, seed | 1, &block, &other) == status);
    if (status == MM_WIRE_OK) {
        demand(wire_check(whole, file.data, file.size) == NULL);
        demand(wire_equal(whole, chunked));
    } else {
        demand(status == MM_WIRE_BAD_FILE || status == MM_WIRE_BAD_TENSOR);
        demand(problem.text[0] != '\0' && strcmp(problem.text, other.text) == 0);
        demand(strcmp(problem.tensor, other.tensor) == 0 && strcmp(problem.param, other.param) == 0);
    }
    mm_wire_free(whole);
    mm_wire_free(chunked);
    free(block.data);
    free(file.data);
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
