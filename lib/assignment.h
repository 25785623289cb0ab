/*
 * assignment.h - pairs of greatest total weight.  Private to lib/.
 */
#ifndef MM_ASSIGNMENT_H
#define MM_ASSIGNMENT_H

#include <stddef.h>
#include <stdint.h>

/* A pair that may be chosen, and what it is worth: more than 0. */
typedef struct mm_pair {
    uint32_t row, column;
    double weight;
} mm_pair;

#define MM_NO_PAIR SIZE_MAX

/* Chooses pairs, at most one in each row and each column, so that their weights add up to the most.  pairs: by rows in
 * ascending order.  chosen[row] becomes the index of its pair, or MM_NO_PAIR.  0: out of memory. */
int mm_assign(const mm_pair *pairs, size_t count, size_t rows, size_t columns, size_t *chosen);

#endif
