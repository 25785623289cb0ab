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

static void write_tag(char *tag, size_t size, uint64_t first, uint64_t second, int weak, const char *mark)
{
    (void)snprintf(tag, size, "%s\"%016llx%08llx%s\"", weak ? "W/" : "", (unsigned long long)first,
                   (unsigned long long)(second >> 32), mark);
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

/* What the bytes are called, and whether the client has them: then 304 needs none. */
typedef struct tags {
    char plain[48], gzip[48];
    int known;
} tags;

static tags make_tags(const mm_call *call, const char *bytes, size_t size, size_t tagged)
{
    const uint64_t first = digest(bytes, tagged, 0), second = digest(bytes, tagged, UINT64_C(0xD1B54A32D192ED03));
    const int weak = tagged < size;
    tags made;

    write_tag(made.plain, sizeof made.plain, first, second, weak, "");
    write_tag(made.gzip, sizeof made.gzip, first, second, weak, GZIP_MARK);
    made.known = has_it(call, made.gzip) || has_it(call, made.plain);
    return made;
}

static void set_tag(mm_packed *packed, const mm_call *call, const tags *made)
{
    const int gzip = packed->gzip || (made->known && has_it(call, made->gzip));

    memcpy(packed->tag, gzip ? made->gzip : made->plain, sizeof packed->tag);
}

void mm_pack(mm_packed *packed, const mm_call *call, char *bytes, size_t size, size_t tagged)
{
    tags made;

    *packed = (mm_packed){.bytes = bytes, .size = size};
    if (bytes == NULL)
        return;
    made = make_tags(call, bytes, size, tagged);
    packed->status = made.known ? 304 : 200;
    if (made.known) {
        free(packed->bytes);
        packed->bytes = NULL;
        packed->size = 0;
    } else if (call->accepts_gzip && size >= MM_PACK_LEAST) {
        compress_bytes(packed);
    }
    set_tag(packed, call, &made);
}

void mm_pack_within(mm_packed *packed, mm_call *call, char *bytes, size_t size, size_t tagged)
{
    mm_problem problem = {.has_index = 0};
    mm_status status = MM_OK;

    if (bytes != NULL)
        status = mm_call_reserve(call, size, "this answer", &problem);
    if (status != MM_OK) {
        free(bytes);
        bytes = NULL;
    }
    mm_pack(packed, call, bytes, size, tagged);
    if (status == MM_TOO_LARGE) {
        packed->status = 413;
        packed->problem = problem;
    }
}

void mm_pack_constant(mm_packed *packed, const mm_call *call, const unsigned char *bytes, size_t size,
                      const unsigned char *gzip, size_t gzip_size)
{
    const tags made = make_tags(call, (const char *)bytes, size, size);

    *packed = (mm_packed){.status = made.known ? 304 : 200, .constant = 1};
    if (!made.known) {
        packed->gzip = call->accepts_gzip && size >= MM_PACK_LEAST && gzip_size < size;
        packed->bytes = (char *)(uintptr_t)(packed->gzip ? gzip : bytes);
        packed->size = packed->gzip ? gzip_size : size;
    }
    set_tag(packed, call, &made);
}

mm_next mm_answer_packed(mm_call *call, mm_packed *packed, const char *content_type)
{
    if (packed->status == 0)
        return mm_answer_no_memory(call);
    if (packed->status == 413)
        return mm_answer_problem(call, 413, &packed->problem);
    call->answer = (mm_answer){.status = packed->status,
                               .content_type = content_type,
                               .bytes = packed->bytes,
                               .size = packed->size,
                               .constant = packed->constant,
                               .gzip = packed->gzip};
    memcpy(call->answer.tag, packed->tag, sizeof packed->tag);
    packed->bytes = NULL;
    return MM_DONE;
}

void mm_packed_free(mm_packed *packed)
{
    if (!packed->constant)
        free(packed->bytes);
    packed->bytes = NULL;
}
