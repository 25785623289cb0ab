/*
 * pack.c - entity tags made from the content, If-None-Match, gzip.
 *
 * A tag comes from the bytes themselves, not from a counter of changes: a dashboard that asks again while another run
 * is being written still gets 304.
 */
#include "server/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire.h"
#include "server/answer.h"
#include "server/http_check.h"

#define GZIP_MARK "-gzip" /* each coding is a representation with a tag of its own */

/* 64 bits of a text: eight bytes at a time are mixed in by a multiplication. */
static uint64_t digest(const char *bytes, size_t size, uint64_t seed)
{
    uint64_t hash = seed ^ (uint64_t)size;

    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = 0;

        memcpy(&word, bytes + i, size - i < 8 ? size - i : 8);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    hash *= UINT64_C(0xBF58476D1CE4E5B9);
    return hash ^ hash >> 32;
}

static void set_tag(mm_packed *packed, uint64_t first, uint64_t second, int weak, const char *mark)
{
    (void)snprintf(packed->tag, sizeof packed->tag, "%s\"%016llx%08llx%s\"", weak ? "W/" : "",
                   (unsigned long long)first, (unsigned long long)(second >> 32), mark);
}

static int has_it(const mm_call *call, const char *tag)
{
    return call->if_none_match != NULL && mm_tag_listed(call->if_none_match, strchr(tag, '"'));
}

/* Keeps what is smaller. */
static void compress_bytes(mm_packed *packed)
{
    unsigned char *smaller = NULL;
    size_t size = 0;

    if (mm_gzip(&smaller, &size, (const unsigned char *)packed->bytes, packed->size) != MM_WIRE_OK)
        return;
    if (size >= packed->size) {
        free(smaller);
        return;
    }
    free(packed->bytes);
    packed->bytes = (char *)smaller;
    packed->size = size;
    packed->gzip = 1;
}

void mm_pack(mm_packed *packed, const mm_call *call, char *bytes, size_t size, size_t tagged)
{
    uint64_t first, second;
    const int weak = tagged < size;

    *packed = (mm_packed){.bytes = bytes, .size = size};
    if (bytes == NULL)
        return;
    first = digest(bytes, tagged, 0);
    second = digest(bytes, tagged, UINT64_C(0xD1B54A32D192ED03));
    packed->status = 304;
    set_tag(packed, first, second, weak, GZIP_MARK);
    if (!has_it(call, packed->tag)) {
        set_tag(packed, first, second, weak, "");
        packed->status = has_it(call, packed->tag) ? 304 : 200;
    }
    if (packed->status == 304) {
        free(packed->bytes);
        packed->bytes = NULL;
        packed->size = 0;
        return;
    }
    if (call->accepts_gzip && size >= MM_PACK_LEAST)
        compress_bytes(packed);
    if (packed->gzip)
        set_tag(packed, first, second, weak, GZIP_MARK);
}

mm_next mm_answer_packed(mm_call *call, mm_packed *packed, const char *content_type)
{
    if (packed->status == 0)
        return mm_answer_no_memory(call);
    call->answer = (mm_answer){.status = packed->status,
                               .content_type = content_type,
                               .bytes = packed->bytes,
                               .size = packed->size,
                               .gzip = packed->gzip};
    memcpy(call->answer.tag, packed->tag, sizeof packed->tag);
    packed->bytes = NULL;
    return MM_DONE;
}

void mm_packed_free(mm_packed *packed)
{
    free(packed->bytes);
    packed->bytes = NULL;
}
