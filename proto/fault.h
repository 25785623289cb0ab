/*
 * fault.h - words for the client about what is wrong with its bytes.
 */
#ifndef MM_FAULT_H
#define MM_FAULT_H

#include "proto/wire.h"

/* Fills *problem (may be NULL): a sentence as of printf, and a name (may be NULL) as far as it is safe to show.
 * The sentence must not be made of what the client sent.  Returns `status`. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
mm_wire_status
mm_fault(mm_wire_status status, mm_problem *problem, const char *tensor, const char *format, ...);

/* Copies a name to out[0 .. room), cut between characters; "" when it is not UTF-8 that one can print on one line. */
void mm_fault_name(char *out, size_t room, const char *name);

#endif
