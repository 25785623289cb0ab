/*
 * sort.h - sorting numbers without comparing them: the time does not depend on what they are.  Private to lib/.
 */
#ifndef MM_SORT_H
#define MM_SORT_H

#include <stddef.h>
#include <stdint.h>

/* Ascending.  room: as many keys, left with anything in it. */
void mm_sort_keys(uint64_t *keys, uint64_t *room, size_t count);

/* A number that sorts as x does; 0 and -0 have the same one.  Also NaN has one. */
uint64_t mm_key_of(double x);
double mm_of_key(uint64_t key);

#endif
