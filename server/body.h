/*
 * body.h - the body of one upload: room in the budget, content coding, and the reader of the file, as bytes arrive.
 */
#ifndef MM_BODY_H
#define MM_BODY_H

#include "lib/maskmeter.h"
#include "proto/wire.h"
#include "server/admission.h"

/* Zero-initialised is a body that was not opened.  A fault drops the room at once; the rest is read and ignored. */
typedef struct mm_body {
    mm_admission *admission;
    mm_claim *claim;
    size_t limit; /* decoded bytes */
    mm_wire *wire;
    mm_coding *coding;  /* NULL: identity */
    mm_buffer *buffer;  /* NULL after a fault */
    size_t filled;      /* decoded bytes that are there */
    size_t reserved;    /* for the decoder */
    int fault;          /* HTTP status: 400, 413, 422, 503; 0: fine so far */
    mm_problem problem; /* of the fault */
} mm_body;

/* Makes room for a body of `length` bytes on the wire; coding: as mm_check_coding() has it.
 * MM_NO_MEMORY: over the budget, or over what the claim may have of it; NULL: the server's own.  mm_body_close() in any
 * case. */
mm_status mm_body_open(mm_body *body, mm_admission *admission, mm_claim *claim, size_t limit, uint64_t length,
                       const char *coding);
void mm_body_receive(mm_body *body, const void *bytes, size_t size);
/* All bytes have arrived: `fault` and, when there is none, the whole file in buffer and wire. */
int mm_body_end(mm_body *body);
void mm_body_close(mm_body *body);

#endif
