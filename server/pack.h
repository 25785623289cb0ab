/*
 * pack.h - the last step of an answer that clients keep: its tag, 304 when they have it already, gzip when they take
 * it.
 */
#ifndef MM_PACK_H
#define MM_PACK_H

#include "server/routes.h"

#define MM_PACK_LEAST ((size_t)1 << 10) /* smaller bodies are not compressed */

/* An answer of 200 or 304 on its way from a thread of the pool to the loop.  Zero-initialised is empty. */
typedef struct mm_packed {
    char *bytes; /* NULL: out of memory, or nothing to send with 304 */
    size_t size;
    int status;         /* 0: out of memory */
    mm_problem problem; /* of an answer that is larger than may be; 413 is its status */
    int gzip;
    int constant; /* bytes are nobody's to free */
    char tag[48];
} mm_packed;

/* Any thread.  Takes over bytes; NULL: out of memory.  `tagged` bytes of them make the tag: the rest (how long it took)
 * is not what the client asked for; less than `size` makes the tag weak. */
void mm_pack(mm_packed *packed, const mm_call *call, char *bytes, size_t size, size_t tagged);
/* Likewise, when the call may hold so much until it is sent: what its connection is slow to take is memory too.  Else
 * the answer is 413, or it is as if there were no memory. */
void mm_pack_within(mm_packed *packed, mm_call *call, char *bytes, size_t size, size_t tagged);
/* Likewise of constant bytes, and of the same as gzip. */
void mm_pack_constant(mm_packed *packed, const mm_call *call, const unsigned char *bytes, size_t size,
                      const unsigned char *gzip, size_t gzip_size);
/* On the loop: sets call->answer, which takes over the bytes.  content_type is static. */
mm_next mm_answer_packed(mm_call *call, mm_packed *packed, const char *content_type);
void mm_packed_free(mm_packed *packed);

#endif
