/*
 * failing.h - allocations, and other calls of the code under test, that fail on demand.
 *
 * run_tests is linked so that they pass through here (Makefile); those that libraries make of their own do not.  Only
 * the calls of the thread that asks are concerned.
 */
#ifndef MM_FAILING_H
#define MM_FAILING_H

#include <stddef.h>

enum failing {
    FAIL_MEMORY = 1, /* malloc, calloc, realloc, aligned_alloc: NULL */
    FAIL_RANDOM = 2, /* getrandom: EINTR */
    FAIL_DIGEST = 4  /* gnutls_hash_fast */
};

/* After `skip` more of them, one call fails; with `for_ever` all later ones as well. */
void fail_begin(unsigned what, size_t skip, int for_ever);
/* From now on none does.  How many did. */
size_t fail_end(void);

/* Blocks of memory that this thread took and has not given back. */
long fail_blocks(void);

#endif
