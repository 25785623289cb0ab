/*
 * failures.h - how often each address has sent a bad token lately.
 *
 * The table is bounded: with very many addresses at once the oldest are forgotten.  An IPv6 client owns the 64 bits at
 * the end of its address, so that all of them count as one.
 */
#ifndef MM_FAILURES_H
#define MM_FAILURES_H

#include "lib/maskmeter.h"

typedef struct mm_failures mm_failures;

#define MM_FAILURES_MAX    20    /* in one minute, from the first on */
#define MM_FAILURES_WINDOW 60000 /* ms */

mm_status mm_failures_new(mm_failures **out);
void mm_failures_free(mm_failures *failures); /* NULL is fine */

/* A number for the network that a client speaks from; never 0. */
uint64_t mm_address_key(const char *address);

/* now: ms of a clock that never goes back.  0: the address may try; else the seconds until it may again. */
int mm_failures_wait(const mm_failures *failures, uint64_t address, int64_t now);
void mm_failures_note(mm_failures *failures, uint64_t address, int64_t now);

#endif
