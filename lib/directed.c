/*
 * directed.c - sums, percentiles and tolerances of distances between surfaces.
 */
#include "lib/directed.h"

#include <math.h>
#include <string.h>

void mm_sizes_rank(mm_sizes *sizes)
{
    for (size_t c = 0; c < MM_SURFEL_CODES; c++) {
        unsigned below = 0, equal = 0; /* equal: among the codes before it */

        for (size_t d = 0; d < MM_SURFEL_CODES; d++) {
            below += sizes->of[d] < sizes->of[c];
            equal += d < c && sizes->of[d] == sizes->of[c];
        }
        sizes->rank[c] = (unsigned char)below;
        sizes->by_size[below + equal] = (unsigned char)c;
    }
}

/* --------------------------------------------------------------------- sums */

static double size_at(const mm_directed *list, const mm_sizes *sizes, size_t i)
{
    return list->code == NULL ? 1.0 : sizes->of[list->code[i]];
}

static size_t chunk_length(const mm_directed *list, size_t first)
{
    return list->count - first < MM_CHUNK ? list->count - first : MM_CHUNK;
}

/* Terms of the elements from `first` on; the rest of the chunk is 0. */
static void fill(double terms[MM_CHUNK], const double *values, const mm_directed *list, const mm_sizes *sizes,
                 size_t first)
{
    const size_t n = chunk_length(list, first);

    for (size_t i = 0; i < n; i++)
        terms[i] = values[i] * size_at(list, sizes, first + i);
    memset(terms + n, 0, (MM_CHUNK - n) * sizeof *terms);
}

static double add_sizes(const mm_directed *list, const mm_sizes *sizes, const mm_kernels *k)
{
    double terms[MM_CHUNK], ones[MM_CHUNK], sum = 0.0;

    if (list->code == NULL)
        return (double)list->count;
    for (size_t i = 0; i < MM_CHUNK; i++)
        ones[i] = 1.0;
    for (size_t first = 0; first < list->count; first += MM_CHUNK) {
        fill(terms, ones, list, sizes, first);
        sum += k->sum(terms, MM_CHUNK);
    }
    return sum;
}

mm_directed_sums mm_directed_add(const mm_directed *list, const mm_sizes *sizes, const mm_kernels *k)
{
    mm_directed_sums sums = {.size = add_sizes(list, sizes, k)};
    double distance[MM_CHUNK], terms[MM_CHUNK];

    for (size_t first = 0; first < list->count; first += MM_CHUNK) {
        k->surfaces->roots(distance, list->squared + first, chunk_length(list, first));
        fill(terms, distance, list, sizes, first);
        sums.distance += k->sum(terms, MM_CHUNK);
        fill(terms, list->squared + first, list, sizes, first);
        sums.square += k->sum(terms, MM_CHUNK);
    }
    return sums;
}

double mm_directed_greatest(const mm_directed *list, const mm_kernels *k)
{
    return sqrt(k->surfaces->greatest(list->squared, list->count));
}

double mm_directed_within(const mm_directed *list, const mm_sizes *sizes, const mm_kernels *k, double tolerance)
{
    const double limit = tolerance * tolerance * (1.0 + 1e-9);
    double inside[MM_CHUNK], terms[MM_CHUNK], sum = 0.0;

    if (list->code == NULL)
        return (double)k->surfaces->count_within(list->squared, limit, list->count);
    for (size_t first = 0; first < list->count; first += MM_CHUNK) {
        for (size_t i = 0; i < chunk_length(list, first); i++)
            inside[i] = list->squared[first + i] <= limit ? 1.0 : 0.0;
        fill(terms, inside, list, sizes, first);
        sum += k->sum(terms, MM_CHUNK);
    }
    return sum;
}

/* ---------------------------------------------------------------- selecting */

#define DIGIT_BITS 11
#define DIGITS     ((size_t)1 << DIGIT_BITS)
#define TOP_SHIFT  52 /* of the first digit: the exponent; numbers are not negative */
#define SORT_TOP   55 /* the same, counting digits from the lowest bit */

/* Bits of a number that is not negative: in the order of the numbers. */
static uint64_t key_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static size_t digit_of(uint64_t key, unsigned shift)
{
    return (size_t)(key >> shift) & (DIGITS - 1);
}

/* Of x[0 .. count) the digit of the place-th smallest; *place becomes its place among those of that digit. */
static size_t digit_at(const double *x, size_t count, unsigned shift, size_t *place)
{
    size_t of[DIGITS] = {0}, digit = 0;

    for (size_t i = 0; i < count; i++)
        of[digit_of(key_of(x[i]), shift)]++;
    while (*place >= of[digit])
        *place -= of[digit++];
    return digit;
}

/* Moves those of the digit to the front and returns their number; *above: at most the least of those beyond. */
static size_t keep_digit(double *x, size_t count, unsigned shift, size_t digit, double *above)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        const double value = x[i];
        const size_t own = digit_of(key_of(value), shift);

        if (own > digit && value < *above)
            *above = value;
        if (own == digit) {
            x[i] = x[kept];
            x[kept++] = value;
        }
    }
    return kept;
}

/* The place-th smallest and the one after it (INFINITY: none), digit by digit. */
static double select_place(double *x, size_t count, size_t place, double *above)
{
    unsigned shift = TOP_SHIFT;

    *above = INFINITY;
    for (;;) {
        count = keep_digit(x, count, shift, digit_at(x, count, shift, &place), above);
        if (count == 1 || shift == 0)
            break;
        shift = shift > DIGIT_BITS ? shift - DIGIT_BITS : 0;
    }
    if (place + 1 < count) /* all that are left are equal */
        *above = x[0];
    return x[0];
}

/* Moves zeros, often most of all, to the end; returns the number of the others. */
static size_t move_zeros(double *x, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        const double value = x[i];

        x[kept] = value;
        kept += value != 0.0;
    }
    for (size_t i = kept; i < count; i++)
        x[i] = 0.0;
    return kept;
}

double mm_directed_percentile(double *squared, size_t count, double q)
{
    const double place = (double)(count - 1) * q / 100.0;
    const size_t below = (size_t)place, others = move_zeros(squared, count), zeros = count - others;
    double low = 0.0, above = 0.0, next;

    if (below >= zeros)
        low = select_place(squared, others, below - zeros, &above);
    else if (below + 1 == zeros && others > 0)
        above = select_place(squared, others, 0, &next);
    low = sqrt(low);
    above = sqrt(above);
    return below + 1 >= count || low == above ? low : low + (place - (double)below) * (above - low);
}

/* ------------------------------------------------------------------ sorting */

/* One pass of a radix sort: stable, by the digit at `shift`, or by size where that is NULL.  0: they are all of one
 * digit, and nothing was moved. */
static int sort_pass(const mm_directed *from, const mm_directed *to, const unsigned char *rank, unsigned shift)
{
    size_t at[DIGITS] = {0}, sum = 0;

    for (size_t i = 0; i < from->count; i++)
        at[rank != NULL ? rank[from->code[i]] : digit_of(key_of(from->squared[i]), shift)]++;
    for (size_t d = 0; d < DIGITS; d++) {
        const size_t count = at[d];

        if (count == from->count)
            return 0;
        at[d] = sum;
        sum += count;
    }
    for (size_t i = 0; i < from->count; i++) {
        const size_t d = rank != NULL ? rank[from->code[i]] : digit_of(key_of(from->squared[i]), shift);

        to->squared[at[d]] = from->squared[i];
        to->code[at[d]++] = from->code[i];
    }
    return 1;
}

static void swap(mm_directed *a, mm_directed *b)
{
    const mm_directed other = *a;

    *a = *b;
    *b = other;
}

/* The codes of `count` elements that are equally far, by size. */
static void write_codes(unsigned char *code, const size_t count[MM_SURFEL_CODES], const mm_sizes *sizes)
{
    for (size_t i = 0; i < MM_SURFEL_CODES; i++) {
        const unsigned char c = sizes->by_size[i];

        memset(code, c, count[c]);
        code += count[c];
    }
}

/* Copies the list, zeros first and in order; returns their number. */
static size_t copy_zeros_first(const mm_directed *from, const mm_directed *to, const mm_sizes *sizes)
{
    size_t of_code[MM_SURFEL_CODES] = {0}, zeros = 0, at;

    for (size_t i = 0; i < from->count; i++)
        zeros += from->squared[i] == 0.0;
    at = zeros;
    for (size_t i = 0; i < from->count; i++)
        if (from->squared[i] == 0.0) {
            of_code[from->code[i]]++;
        } else {
            to->squared[at] = from->squared[i];
            to->code[at++] = from->code[i];
        }
    for (size_t i = 0; i < zeros; i++)
        to->squared[i] = 0.0;
    write_codes(to->code, of_code, sizes);
    return zeros;
}

/* The elements from `first` on. */
static mm_directed rest_of(const mm_directed *list, size_t first)
{
    return (mm_directed){.squared = list->squared + first, .code = list->code + first, .count = list->count - first};
}

void mm_directed_sort(mm_directed *list, const mm_sizes *sizes, void *room)
{
    mm_directed copy = {
        .squared = room, .code = (unsigned char *)room + list->count * sizeof(double), .count = list->count};
    const size_t zeros = copy_zeros_first(list, &copy, sizes);
    mm_directed from = rest_of(&copy, zeros), to = rest_of(list, zeros);

    if (sort_pass(&from, &to, sizes->rank, 0))
        swap(&from, &to);
    for (unsigned shift = 0; shift <= SORT_TOP; shift += DIGIT_BITS)
        if (sort_pass(&from, &to, NULL, shift))
            swap(&from, &to);
    memcpy(list->squared, copy.squared, zeros * sizeof *list->squared);
    memcpy(list->code, copy.code, zeros);
    if (from.squared != list->squared + zeros) {
        memcpy(to.squared, from.squared, from.count * sizeof *to.squared);
        memcpy(to.code, from.code, from.count);
    }
}

double mm_directed_quantile(const mm_directed *sorted, const mm_sizes *sizes, double q)
{
    double all = 0.0, sum = 0.0;
    size_t i = 0;

    for (size_t j = 0; j < sorted->count; j++)
        all += sizes->of[sorted->code[j]];
    for (; i + 1 < sorted->count; i++) {
        sum += sizes->of[sorted->code[i]];
        if (sum / all >= q / 100.0)
            break;
    }
    return sqrt(sorted->squared[i]);
}
