/*
 * body.c - the body of one upload, as its bytes arrive.
 */
#include "server/body.h"

#include <stdio.h>
#include <string.h>

static mm_status open_coding(mm_body *body, const char *coding)
{
    const size_t memory = mm_coding_memory(coding);

    if (mm_admission_reserve(body->admission, body->claim, memory) != MM_OK)
        return MM_NO_MEMORY;
    body->reserved = memory;
    return mm_coding_new(&body->coding, coding) == MM_WIRE_OK ? MM_OK : MM_NO_MEMORY;
}

/* Room for the body: all of it, or for a coded one a first guess. */
mm_status mm_body_open(mm_body *body, mm_admission *admission, mm_claim *claim, size_t limit, uint64_t length,
                       const char *coding)
{
    size_t room = (size_t)length;
    mm_status status;

    body->admission = admission;
    body->claim = claim;
    body->limit = limit;
    if (mm_wire_new(&body->wire) != MM_WIRE_OK)
        return MM_NO_MEMORY;
    if (coding != NULL) {
        room = room > MM_SMALL_BODY ? room : MM_SMALL_BODY;
        room = room < limit ? room : limit;
    }
    status = mm_buffer_take(&body->buffer, admission, claim, room);
    return status == MM_OK && coding != NULL ? open_coding(body, coding) : status;
}

static void drop(mm_body *body)
{
    mm_buffer_give(body->admission, body->buffer, body->filled);
    body->buffer = NULL;
}

void mm_body_close(mm_body *body)
{
    if (body->admission == NULL)
        return;
    drop(body);
    mm_wire_free(body->wire);
    mm_coding_free(body->coding);
    mm_admission_release(body->admission, body->claim, body->reserved);
    *body = (mm_body){0};
}

/* ------------------------------------------------------------------- faults */

static int is_fault(mm_wire_status status)
{
    return status != MM_WIRE_OK && status != MM_WIRE_MORE;
}

static void set_fault(mm_body *body, mm_wire_status status)
{
    static const int http[] = {
        [MM_WIRE_BAD_FILE] = 400, [MM_WIRE_BAD_TENSOR] = 422, [MM_WIRE_TOO_LARGE] = 413, [MM_WIRE_NO_MEMORY] = 503};

    body->fault = http[status];
    if (status == MM_WIRE_NO_MEMORY)
        (void)snprintf(body->problem.text, sizeof body->problem.text, "no memory is left for this body; try again");
    drop(body);
}

static mm_wire_status too_large(mm_body *body)
{
    (void)snprintf(body->problem.text, sizeof body->problem.text,
                   "the decoded body is larger than the limit of %zu bytes", body->limit);
    return MM_WIRE_TOO_LARGE;
}

/* ------------------------------------------------------------------ arrival */

static void feed(mm_body *body)
{
    const mm_wire_status status = mm_wire_feed(body->wire, body->buffer->data, body->filled, &body->problem);

    if (is_fault(status))
        set_fault(body, status);
}

/* The decoder has filled the buffer: twice the room, or as much as the file's own header says.  What a header says is
 * no reason to take more than twice what has arrived. */
static mm_wire_status enlarge(mm_body *body)
{
    const size_t room = body->buffer->room, whole = mm_wire_size(body->wire);
    size_t next = room > body->limit / 2 ? body->limit : 2 * room;

    if (room >= body->limit || whole > body->limit)
        return too_large(body);
    if (whole > room && whole < next)
        next = whole;
    return mm_buffer_grow(body->admission, body->buffer, next) == MM_OK ? MM_WIRE_OK : MM_WIRE_NO_MEMORY;
}

static void decode(mm_body *body, const unsigned char *bytes, size_t size)
{
    mm_wire_status status;
    size_t used;

    do {
        status = mm_coding_feed(body->coding, bytes, size, &used, body->buffer->data, body->buffer->room, &body->filled,
                                &body->problem);
        bytes += used;
        size -= used;
        if (status == MM_WIRE_OK || status == MM_WIRE_TOO_LARGE)
            feed(body); /* what is there shows early whether the rest is wanted */
        if (body->fault != 0)
            return;
        if (status != MM_WIRE_TOO_LARGE)
            break;
        status = enlarge(body);
    } while (status == MM_WIRE_OK);
    if (is_fault(status))
        set_fault(body, status);
}

void mm_body_receive(mm_body *body, const void *bytes, size_t size)
{
    if (body->fault != 0)
        return;
    if (body->coding != NULL) {
        decode(body, bytes, size);
    } else if (size > body->buffer->room - body->filled) { /* the parser lets no more through than it announced */
        (void)too_large(body);
        set_fault(body, MM_WIRE_TOO_LARGE);
    } else {
        memcpy(body->buffer->data + body->filled, bytes, size);
        body->filled += size;
        feed(body);
    }
}

int mm_body_end(mm_body *body)
{
    mm_wire_status status = MM_WIRE_OK;

    if (body->fault != 0)
        return body->fault;
    if (body->coding != NULL)
        status = mm_coding_end(body->coding, &body->problem);
    if (status == MM_WIRE_OK)
        status = mm_wire_end(body->wire, body->buffer->data, body->filled, &body->problem);
    if (status != MM_WIRE_OK)
        set_fault(body, status);
    return body->fault;
}
