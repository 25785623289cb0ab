/*
 * admission.h - one memory budget for bodies, scratch and queues, shared fairly, and a pool of body buffers that keeps
 * touched memory.
 *
 * Who may have how much of the budget:
 * 1. The first memory that a request takes (its body) may fill seven eighths.  The rest is for scoring what was let in:
 *    a body that is refused only when it has arrived has cost its transfer.
 * 2. The last thirty-second is for small requests (MM_SMALL_REQUEST), each identity up to half of that, so that they go
 *    through while large ones fill everything else.
 * 3. While less than half is taken, an identity may take what it wants.  Beyond, its large requests together may hold
 *    one share: the seven eighths by the number of identities that hold some or were refused within five seconds.  So
 *    one job with a hundred ranks has all of it while it is alone, and half of it as soon as another asks.  An
 *    identity that holds nothing may have more than its share when that is free.
 * 4. For one request at a time, the largest that did not fit, what it needs is kept free for when it comes again, for
 *    at most ten seconds and not when it has stayed away for four.  Else a large body would never find room between
 *    small ones.  When nobody has used it there is a pause before the next, so that wishes cannot hold up everybody.
 *
 * Fresh memory is slow to touch, so a large buffer goes back to the pool with its pages and the next body gets it.
 * Pages that are kept count against the budget until somebody else needs the room.  Any thread may call.
 */
#ifndef MM_ADMISSION_H
#define MM_ADMISSION_H

#include "lib/maskmeter.h"

typedef struct mm_admission mm_admission;
struct mm_account;
struct mm_rates;

/* What one request holds, and for whom.  Zero is nothing, of nobody. */
typedef struct mm_claim {
    mm_admission *admission;
    struct mm_account *account;
    size_t held;
} mm_claim;

#define MM_SMALL_REQUEST ((size_t)320 << 10) /* holds no more than this: a body of 64 KiB and its scratch */

/* The room of one body.  data may move when the buffer grows. */
typedef struct mm_buffer {
    unsigned char *data;
    size_t room; /* bytes that may be written */
    /* admission.c's own: */
    mm_claim *claim;        /* of the request that has it; NULL: of nobody */
    size_t charged;         /* bytes of the budget that it holds */
    size_t mapped;          /* bytes of address space; 0: small, from malloc */
    size_t touched;         /* bytes from the front that may hold pages */
    struct mm_buffer *next; /* of the idle ones */
} mm_buffer;

#define MM_SMALL_BODY ((size_t)64 << 10) /* up to here a buffer is plain malloc */

mm_status mm_admission_new(mm_admission **out, size_t budget);
void mm_admission_free(mm_admission *admission); /* every buffer is back; NULL is fine */

/* identity: the id of a token, or an address. */
void mm_claim_open(mm_claim *claim, mm_admission *admission, const char *identity);
void mm_claim_close(mm_claim *claim); /* releases what it holds but buffers, which are back; zero is fine */

/* For mm_job, the history's queue, the loop's: one for all claims of the identity. */
uint64_t *mm_claim_turn(mm_claim *claim);
struct mm_line *mm_claim_store_line(mm_claim *claim);
struct mm_line *mm_claim_work_line(mm_claim *claim);

/* MM_NO_MEMORY: over the budget or its rules.  claim: whose request it is for; NULL: the server's own, which only the
 * budget bounds. */
mm_status mm_admission_reserve(mm_admission *admission, mm_claim *claim, size_t bytes);
void mm_admission_release(mm_admission *admission, mm_claim *claim, size_t bytes);

/* What the server has reserved for itself and could do without is kept: it counts like idle pages.  When somebody needs
 * the room, let_go() frees so much, or what there is, and tells how much.  It is called under a lock, from any thread,
 * and must not come back here.  use: what was kept is reserved again. */
void mm_admission_keep(mm_admission *admission, size_t bytes);
void mm_admission_use(mm_admission *admission, size_t bytes);
void mm_admission_set_keeper(mm_admission *admission, size_t (*let_go)(void *context, size_t bytes), void *context);

/* Like mm_admission_reserve(), or the system has none. */
mm_status mm_buffer_take(mm_buffer **out, mm_admission *admission, mm_claim *claim, size_t room);
/* More room, what lies in the buffer is kept.  On failure it is as it was. */
mm_status mm_buffer_grow(mm_admission *admission, mm_buffer *buffer, size_t room);
/* used: how many bytes from the front were written. */
void mm_buffer_give(mm_admission *admission, mm_buffer *buffer, size_t used);

/* Uploads and bytes in a second of one identity; zero, the default, is no limit. */
void mm_admission_set_rates(mm_admission *admission, const struct mm_rates *rates);
/* Seconds until the claim's next upload is within them, or 0. */
double mm_claim_wait(mm_claim *claim);
void mm_claim_count(mm_claim *claim, uint64_t bytes); /* an upload of so many was let in */

/* For metrics: what was let in, and why others were not. */
typedef struct mm_admission_counts {
    uint64_t admitted, no_room, over_share, over_rate;
} mm_admission_counts;
mm_admission_counts mm_admission_count(mm_admission *admission);

size_t mm_admission_used(mm_admission *admission); /* admitted, without what is idle */
size_t mm_admission_idle(mm_admission *admission); /* bytes kept for reuse */
size_t mm_admission_limit(const mm_admission *admission);
size_t mm_claim_most(const mm_claim *claim); /* the most that it can ever get beside what it holds */

#endif
