/*
 * admission.h - one memory budget for bodies and scratch, and a pool of body buffers that keeps touched memory.
 *
 * Fresh memory is slow to touch (DESIGN.md), so a large buffer goes back to the pool with its pages and the next body
 * gets it.  Pages that are kept count against the budget until somebody else needs the room.  Any thread may call.
 */
#ifndef MM_ADMISSION_H
#define MM_ADMISSION_H

#include "lib/maskmeter.h"

typedef struct mm_admission mm_admission;

/* The room of one body.  data may move when the buffer grows. */
typedef struct mm_buffer {
    unsigned char *data;
    size_t room; /* bytes that may be written */
    /* admission.c's own: */
    size_t charged;         /* bytes of the budget that it holds */
    size_t mapped;          /* bytes of address space; 0: small, from malloc */
    size_t touched;         /* bytes from the front that may hold pages */
    struct mm_buffer *next; /* of the idle ones */
} mm_buffer;

#define MM_SMALL_BODY ((size_t)64 << 10) /* up to here a buffer is plain malloc */

mm_status mm_admission_new(mm_admission **out, size_t budget);
void mm_admission_free(mm_admission *admission); /* every buffer is back; NULL is fine */

/* MM_NO_MEMORY: over the budget (or the system has none). */
mm_status mm_buffer_take(mm_buffer **out, mm_admission *admission, size_t room);
/* More room, what lies in the buffer is kept.  On failure it is as it was. */
mm_status mm_buffer_grow(mm_admission *admission, mm_buffer *buffer, size_t room);
/* used: how many bytes from the front were written. */
void mm_buffer_give(mm_admission *admission, mm_buffer *buffer, size_t used);

/* Memory of other kinds within the same budget. */
mm_status mm_admission_reserve(mm_admission *admission, size_t bytes);
void mm_admission_release(mm_admission *admission, size_t bytes);

size_t mm_admission_used(mm_admission *admission); /* admitted, without what is idle */
size_t mm_admission_idle(mm_admission *admission); /* bytes kept for reuse */
size_t mm_admission_limit(const mm_admission *admission);

#endif
