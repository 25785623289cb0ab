/*
 * paired.c - two predictions of the same images: mean difference, its bootstrap interval, wins and losses; quantiles
 *
 * Interval.  Each of MM_RESAMPLES resamples draws `count` of the differences with replacement; the interval goes from
 * the 2.5th to the 97.5th percentile of their means.  Draws come from splitmix64 (Steele, Lea and Flood 2014), two to a
 * number: the upper and the lower 32 bits, each times count, shifted right by 32.  One resample after the other is
 * drawn from one stream, which starts at SEED.
 */
#include "lib/maskmeter.h"

#include <stdlib.h>

#define SEED UINT64_C(20240229)

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

double mm_quantile(const double *sorted, size_t count, double q)
{
    const double place = q * (double)(count - 1);
    const size_t below = (size_t)place;
    const double part = place - (double)below;

    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (sorted[below + 1] - sorted[below]) * part;
}

static int ascending(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* The sum of `count` draws, in the order of drawing. */
static double resample(const double *values, size_t count, uint64_t *state)
{
    double sum = 0.0;

    for (size_t i = 0; i < count; i += 2) {
        const uint64_t drawn = splitmix64(state);

        sum += values[(drawn >> 32) * count >> 32];
        if (i + 1 < count)
            sum += values[(drawn & UINT32_MAX) * count >> 32];
    }
    return sum;
}

/* Images where head is better and where base is; equal ones count for neither. */
static void count_wins(mm_paired *out, const double *difference, size_t count, mm_better better)
{
    const double sign = better == MM_LOWER ? -1.0 : 1.0;

    for (size_t i = 0; i < count; i++) {
        out->wins += sign * difference[i] > 0.0;
        out->losses += sign * difference[i] < 0.0;
    }
}

mm_status mm_paired_compare(mm_paired *out, const double *base, const double *head, size_t count, mm_better better)
{
    double *difference, *means;
    mm_paired paired = {.pairs = count};
    uint64_t state = SEED;

    if (count == 0 || count > UINT32_MAX)
        return MM_BAD_PARAM;
    difference = malloc((count + MM_RESAMPLES) * sizeof *difference);
    if (difference == NULL)
        return MM_NO_MEMORY;
    means = difference + count;
    for (size_t i = 0; i < count; i++) {
        difference[i] = head[i] - base[i];
        paired.base += base[i];
        paired.head += head[i];
        paired.difference += difference[i];
    }
    paired.base /= (double)count;
    paired.head /= (double)count;
    paired.difference /= (double)count;
    for (size_t i = 0; i < MM_RESAMPLES; i++)
        means[i] = resample(difference, count, &state) / (double)count;
    qsort(means, MM_RESAMPLES, sizeof *means, ascending);
    paired.low = mm_quantile(means, MM_RESAMPLES, 0.025);
    paired.high = mm_quantile(means, MM_RESAMPLES, 0.975);
    count_wins(&paired, difference, count, better);
    free(difference);
    *out = paired;
    return MM_OK;
}
