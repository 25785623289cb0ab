/*
 * coding_zstd.c - the content coding zstd: frames one after the other, window at most 8 MiB, no dictionary.
 */
#include "proto/coding.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

/* RFC 8878 asks every decoder for 8 MiB: all levels up to 19, without --long. */
#define WINDOW_LOG 23

/* The window, two blocks of 128 KiB, and the decoder's tables. */
#define MEMORY (((size_t)1 << WINDOW_LOG) + ((size_t)1 << 20))

#define MAGIC_BYTES 4

/* No frame header is longer. */
#define HEADER_BYTES 18

typedef struct zstd_state {
    ZSTD_DCtx *context;
    unsigned char magic[MAGIC_BYTES]; /* first bytes of the next frame, while it is not known to be one */
    size_t magic_have;
    size_t given; /* bytes of this frame that the library has, up to HEADER_BYTES */
    int inside;   /* a frame has begun and not ended */
    int frames;   /* is there a whole one? */
} zstd_state;

static void zstd_close(void *opened)
{
    zstd_state *state = opened;

    ZSTD_freeDCtx(state->context);
    free(state);
}

static void *zstd_open(void)
{
    zstd_state *state = calloc(1, sizeof *state);

    if (state == NULL)
        return NULL;
    state->context = ZSTD_createDCtx();
    if (state->context == NULL ||
        ZSTD_isError(ZSTD_DCtx_setParameter(state->context, ZSTD_d_windowLogMax, WINDOW_LOG))) {
        zstd_close(state);
        return NULL;
    }
    return state;
}

/* Frames of RFC 8878 and its skippable frames.  The library may also know the formats that came before; they are not
 * this coding, and the window's limit does not hold for them. */
static int is_frame(const unsigned char *magic)
{
    static const unsigned char frame[] = {0x28, 0xb5, 0x2f, 0xfd}, skippable[] = {0x2a, 0x4d, 0x18};

    return memcmp(magic, frame, sizeof frame) == 0 ||
           ((magic[0] & 0xf0) == 0x50 && memcmp(magic + 1, skippable, sizeof skippable) == 0);
}

static mm_wire_status fault(mm_coding_step *step, size_t code)
{
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation:
        return MM_WIRE_NO_MEMORY;
    case ZSTD_error_frameParameter_windowTooLarge:
        step->fault = "a frame needs a window of more than 8 MiB (compress at level 19 or less, without --long)";
        break;
    case ZSTD_error_dictionary_wrong:
        step->fault = "a frame needs a dictionary";
        break;
    case ZSTD_error_checksum_wrong:
        step->fault = "the checksum of a frame is wrong";
        break;
    default:
        step->fault = "a frame is damaged";
        break;
    }
    return MM_WIRE_BAD_FILE;
}

/* Gathers the four bytes that open a frame. */
static mm_wire_status open_frame(zstd_state *state, mm_coding_step *step)
{
    ZSTD_inBuffer magic = {state->magic, MAGIC_BYTES, 0};
    ZSTD_outBuffer none = {step->out, 0, 0};
    size_t code;

    while (state->magic_have < MAGIC_BYTES && step->in_used < step->in_size)
        state->magic[state->magic_have++] = step->in[step->in_used++];
    if (state->magic_have < MAGIC_BYTES)
        return MM_WIRE_OK;
    if (!is_frame(state->magic)) {
        step->fault = state->frames ? "bytes follow that are no further frame" : "not a zstd stream";
        return MM_WIRE_BAD_FILE;
    }
    code = ZSTD_decompressStream(state->context, &none, &magic);
    if (ZSTD_isError(code))
        return fault(step, code);
    state->magic_have = 0;
    state->given = MAGIC_BYTES;
    state->inside = 1;
    return MM_WIRE_OK;
}

/* One call of the library; 1 when it took or gave anything.  A frame's header is handed over byte by byte: when the
 * library has a part of it and gets the rest together with more, version 1.5 may take that rest for a frame of its own
 * (it looks for a short cut at the place where its input begins), so that chunks would decide what is accepted. */
static int decompress_some(zstd_state *state, mm_coding_step *step, size_t *code)
{
    const int in_header = state->given < HEADER_BYTES && step->in_used < step->in_size;
    ZSTD_inBuffer in = {step->in, in_header ? step->in_used + 1 : step->in_size, step->in_used};
    ZSTD_outBuffer out = {step->out, step->out_size, step->out_used};
    int progress;

    *code = ZSTD_decompressStream(state->context, &out, &in);
    progress = in.pos > step->in_used || out.pos > step->out_used;
    if (in_header)
        state->given += in.pos - step->in_used;
    step->in_used = in.pos;
    step->out_used = out.pos;
    return progress;
}

static mm_wire_status zstd_decode(void *opened, mm_coding_step *step)
{
    zstd_state *state = opened;
    mm_wire_status status = MM_WIRE_OK;
    int progress = 1;

    while (status == MM_WIRE_OK && progress && step->out_used < step->out_size) {
        size_t code;

        if (!state->inside) {
            if (step->in_used == step->in_size)
                break;
            status = open_frame(state, step);
            continue;
        }
        progress = decompress_some(state, step, &code);
        if (ZSTD_isError(code)) {
            status = fault(step, code);
        } else if (code == 0) {
            state->inside = 0;
            state->frames = 1;
        }
    }
    return status;
}

static int zstd_is_whole(const void *opened)
{
    const zstd_state *state = opened;

    return state->frames && !state->inside && state->magic_have == 0;
}

const mm_coding_row mm_coding_zstd = {
    .name = "zstd",
    .alias = NULL,
    .memory = MEMORY,
    .open = zstd_open,
    .close = zstd_close,
    .decode = zstd_decode,
    .is_whole = zstd_is_whole,
};
