/*
 * sort.c - least significant digit radix sort: eight digits of eight bits.
 */
#include "lib/sort.h"

#include <string.h>

#include "lib/elementary.h"

#define DIGITS 8
#define VALUES 256
#define SIGN   ((uint64_t)1 << 63)

static size_t digit_of(uint64_t key, unsigned digit)
{
    return (size_t)(key >> (8 * digit)) & (VALUES - 1);
}

/* Where each value of a digit begins; 0 when all keys have the same one. */
static int begins(size_t counts[VALUES], size_t count)
{
    size_t next = 0;

    for (size_t value = 0; value < VALUES; value++) {
        const size_t own = counts[value];

        if (own == count)
            return 0;
        counts[value] = next;
        next += own;
    }
    return 1;
}

void mm_sort_keys(uint64_t *keys, uint64_t *room, size_t count)
{
    size_t counts[DIGITS][VALUES];
    uint64_t *from = keys, *to = room;

    memset(counts, 0, sizeof counts);
    for (size_t i = 0; i < count; i++)
        for (unsigned digit = 0; digit < DIGITS; digit++)
            counts[digit][digit_of(keys[i], digit)]++;
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        uint64_t *swap = from;

        if (!begins(counts[digit], count))
            continue;
        for (size_t i = 0; i < count; i++)
            to[counts[digit][digit_of(from[i], digit)]++] = from[i];
        from = to;
        to = swap;
    }
    if (from != keys)
        memcpy(keys, from, count * sizeof *keys);
}

uint64_t mm_key_of(double x)
{
    const uint64_t bits = mm_bits_of(x + 0.0); /* no -0 */

    return bits & SIGN ? ~bits : bits | SIGN;
}

double mm_of_key(uint64_t key)
{
    return mm_of_bits(key & SIGN ? key & ~SIGN : ~key);
}
