/*
 * reply_compare.h - the answer of GET /v1/compare as JSON.
 */
#ifndef MM_REPLY_COMPARE_H
#define MM_REPLY_COMPARE_H

#include "lib/maskmeter.h"

typedef struct mm_compared_class {
    const char *name; /* NULL: the score is a joint one */
    mm_paired paired; /* pairs 0: the rest is not set */
} mm_compared_class;

typedef struct mm_comparison {
    const char *base, *head, *split, *score;
    int64_t base_step, head_step;
    mm_better better;
    size_t images; /* that both have */
    const mm_compared_class *classes;
    size_t class_count;
} mm_comparison;

/* malloc'ed; NULL: out of memory. */
char *mm_reply_comparison(const mm_comparison *comparison, size_t *size);

#endif
