/*
 * fuzz_coding.c - libFuzzer: any bytes as a gzip or zstd body, decoded in one step and in small ones.
 *
 * The first byte chooses the coding and the steps.  Both readings must accept the same bodies and give the same bytes,
 * and neither may touch more than its blocks, which the address sanitizer watches.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/target.h"
#include "tests/wire_tools.h"

#define LIMIT ((size_t)1 << 16)

/* Decodes up to LIMIT bytes.  seed 0: in one step; else in pieces and rooms of any size. */
static mm_wire_status decode(const char *name, const uint8_t *data, size_t size, uint64_t seed, wire_bytes *out)
{
    mm_coding *coding = NULL;
    mm_problem problem = {0};
    size_t used = 0, room = seed == 0 ? LIMIT : 0;
    mm_wire_status status = MM_WIRE_OK;

    *out = (wire_bytes){malloc(room > 0 ? room : 1), 0};
    demand(out->data != NULL && mm_coding_new(&coding, name) == MM_WIRE_OK);
    while (status == MM_WIRE_TOO_LARGE || (status == MM_WIRE_OK && used < size)) {
        const size_t left = size - used;
        const size_t step = seed == 0 ? left : 1 + wire_random(&seed) % 40;
        const wire_bytes piece = wire_copy(data + used, step < left ? step : left);
        size_t taken = 0;

        demand(piece.data != NULL);
        if (status == MM_WIRE_TOO_LARGE && room < LIMIT) {
            room += 1 + wire_random(&seed) % (room + 100);
            room = room < LIMIT ? room : LIMIT;
            out->data = realloc(out->data, room);
            demand(out->data != NULL);
        } else if (status == MM_WIRE_TOO_LARGE) {
            free(piece.data);
            break;
        }
        status = mm_coding_feed(coding, piece.data, piece.size, &taken, out->data, room, &out->size, &problem);
        demand(taken <= piece.size && out->size <= room);
        demand(status != MM_WIRE_OK || taken == piece.size);
        demand(status != MM_WIRE_TOO_LARGE || out->size == room);
        demand(status != MM_WIRE_BAD_FILE || problem.text[0] != '\0');
        used += taken;
        free(piece.data);
    }
    if (status == MM_WIRE_OK)
        status = mm_coding_end(coding, &problem);
    mm_coding_free(coding);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *name = size > 0 && data[0] & 1 ? "zstd" : "gzip";
    wire_bytes whole, pieces;
    mm_wire_status status;

    if (size == 0)
        return 0;
    status = decode(name, data + 1, size - 1, 0, &whole);
    /* A damaged body may be too large as well; which of the two is seen first depends on the steps. */
    demand((decode(name, data + 1, size - 1, data[0] + 1U, &pieces) == MM_WIRE_OK) == (status == MM_WIRE_OK));
    demand(status != MM_WIRE_OK || (whole.size == pieces.size && memcmp(whole.data, pieces.data, whole.size) == 0));
    free(whole.data);
    free(pieces.data);
    return 0;
}
