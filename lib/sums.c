/*
 * sums.c - columns of sums, exact sums across images, and the elementary functions of formulas.
 */
#include "lib/sums.h"

#include <math.h>

#include "lib/elementary.h"

int mm_stat_equal(const mm_stat *a, const mm_stat *b)
{
    return a->kind == b->kind && a->flags == b->flags && a->gamma == b->gamma && a->eps == b->eps;
}

size_t mm_stat_find(const mm_stat *list, size_t count, const mm_stat *stat)
{
    size_t i = 0;

    while (i < count && !mm_stat_equal(&list[i], stat))
        i++;
    return i;
}

int mm_stat_needs_probs(const mm_stat *stat)
{
    return stat->kind >= MM_SUM_POS;
}

/* a + b = high + low exactly, |a| >= |b|. */
static double sum_of_two(double a, double b, double *low)
{
    const double high = a + b;

    *low = b - (high - a);
    return high;
}

/* Packs the partials as tightly as doubles go: each is then below a unit in the last place of the next ("compress"). */
static void pack(mm_exact *sum)
{
    double   down[MM_EXACT_PARTIALS], high = sum->partial[sum->count - 1], low;
    unsigned bottom = sum->count, kept = 0;

    for (unsigned i = sum->count - 1; i > 0; i--) {
        high = sum_of_two(high, sum->partial[i - 1], &low);
        if (low != 0.0) {
            down[--bottom] = high;
            high = low;
        }
    }
    down[--bottom] = high;
    for (unsigned i = bottom + 1; i < sum->count; i++) {
        high = sum_of_two(down[i], high, &low);
        if (low != 0.0)
            sum->partial[kept++] = low;
    }
    sum->partial[kept++] = high;
    sum->count = kept;
}

/* Each partial takes what it can exactly; what is left over moves on (Shewchuk 1997, "grow expansion"). */
void mm_exact_add(mm_exact *sum, double term)
{
    unsigned kept = 0;

    if (sum->count == MM_EXACT_PARTIALS)
        pack(sum);
    for (unsigned i = 0; i < sum->count; i++) {
        double big = term, small = sum->partial[i];

        if (fabs(big) < fabs(small)) {
            big = sum->partial[i];
            small = term;
        }
        double low;

        term = sum_of_two(big, small, &low);
        if (low != 0.0)
            sum->partial[kept++] = low;
    }
    sum->partial[kept++] = term;
    sum->count = kept;
}

/* Adds from the top; the first partial that does not fit decides the rounding, and when it is exactly half a unit the
 * sign of the next one does. */
double mm_exact_round(const mm_exact *sum)
{
    if (sum->count == 0)
        return 0.0;
    unsigned i = sum->count - 1;
    double high = sum->partial[i], low = 0.0;

    while (i > 0 && low == 0.0) {
        const double before = high, next = sum->partial[--i];

        high = before + next;
        low = next - (high - before);
    }
    if (i > 0 && ((low < 0.0 && sum->partial[i - 1] < 0.0) || (low > 0.0 && sum->partial[i - 1] > 0.0))) {
        const double doubled = low * 2.0, moved = high + doubled;

        if (doubled == moved - high)
            high = moved;
    }
    return high;
}

double mm_exp(double x)
{
    return mm_exp_of(x);
}

double mm_log(double x)
{
    return x > 0.0 ? mm_log_of(x) : -INFINITY;
}

double mm_log1p(double x)
{
    return mm_log1p_of(x);
}

double mm_pow(double x, double y)
{
    if (y == 0.0)
        return 1.0;
    if (y == 1.0 || x == 0.0)
        return x;
    if (y == 2.0)
        return x * x;
    return mm_exp_of(y * mm_log_of(x));
}
