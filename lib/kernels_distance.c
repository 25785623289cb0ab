/*
 * kernels_distance.c - the inner loops of distance transforms, plain C, compiled once per CPU level (MM_LEVEL).
 */
#include "lib/kernels_distance.h"

#include <math.h>
#include <string.h>

static void mark(int32_t *steps, const unsigned char *bytes, unsigned char value, int others, size_t n)
{
    const int32_t same = others ? MM_FAR : 0, other = MM_FAR - same;

    for (size_t i = 0; i < n; i++)
        steps[i] = bytes[i] == value ? same : other;
}

/* Also where both are far: one more than that is no nearer. */
static void step_from(int32_t *to, const int32_t *from, size_t width)
{
    for (size_t i = 0; i < width; i++)
        to[i] = from[i] + 1 < to[i] ? from[i] + 1 : to[i];
}

static void walk(int32_t *steps, size_t length, size_t width)
{
    for (size_t x = 1; x < length; x++)
        step_from(steps + x * width, steps + (x - 1) * width, width);
    for (size_t x = length; x-- > 1;)
        step_from(steps + (x - 1) * width, steps + x * width, width);
}

/* The squares of what is far are of no use; unsigned, they are no harm either. */
static void square_whole(int32_t *out, const int32_t *steps, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = steps[i] < MM_FAR ? (int32_t)((uint32_t)steps[i] * (uint32_t)steps[i]) : MM_FAR;
}

static void square_real(double *out, const int32_t *steps, double squared, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double x = (double)steps[i];

        out[i] = steps[i] < MM_FAR ? squared * (x * x) : (double)INFINITY;
    }
}

/* -------------------------------------------------------------- near sites */

#define AT_ONCE 4 /* candidates between two looks at something else */
#define SAMPLES 8 /* one block in so many is done first, to see how far the sites are */

/* What follows is wanted for whole and for real numbers.  A block looks at the places one step away, two steps, and so
 * on, until the square of the way alone, added to the least of the line, is no less than what each lane has: rounding
 * is monotone, so that nothing farther away can change a bit.  most_rounds: of AT_ONCE steps per block, on average, up
 * to which this takes no longer than the other way. */
#define NEAR(name, number, most_rounds)                                                                                \
    static int name##_open(const number *best, const number *least, number square, size_t width)                       \
    {                                                                                                                  \
        int open = 0;                                                                                                  \
                                                                                                                       \
        for (size_t l = 0; l < width; l++)                                                                             \
            open |= least[l] + square < best[l];                                                                       \
        return open;                                                                                                   \
    }                                                                                                                  \
                                                                                                                       \
    /* From `first` steps away on; what lies outside the line counts as the place itself. */                           \
    static void name##_steps(number *restrict best, const number *at, size_t step, size_t before, size_t after,        \
                             size_t first, number squared, size_t width)                                               \
    {                                                                                                                  \
        const number *low[AT_ONCE], *high[AT_ONCE];                                                                    \
        number square[AT_ONCE];                                                                                        \
                                                                                                                       \
        for (size_t k = 0; k < AT_ONCE; k++) {                                                                         \
            const size_t d = first + k;                                                                                \
                                                                                                                       \
            low[k] = d <= before ? at - d * step : at;                                                                 \
            high[k] = d <= after ? at + d * step : at;                                                                 \
            square[k] = squared * ((number)d * (number)d);                                                             \
        }                                                                                                              \
        for (size_t l = 0; l < width; l++) {                                                                           \
            number nearest = best[l];                                                                                  \
                                                                                                                       \
            for (size_t k = 0; k < AT_ONCE; k++) {                                                                     \
                const number a = low[k][l], b = high[k][l], next = (a < b ? a : b) + square[k];                        \
                                                                                                                       \
                nearest = next < nearest ? next : nearest;                                                             \
            }                                                                                                          \
            best[l] = nearest;                                                                                         \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* at: a place with so many steps before and after it, `step` numbers each; returns the rounds that are left. */   \
    static size_t name##_block(number *restrict best, const number *at, size_t step, size_t before, size_t after,      \
                               const number *least, number squared, size_t width, size_t rounds)                       \
    {                                                                                                                  \
        const size_t most = before > after ? before : after;                                                           \
                                                                                                                       \
        memcpy(best, at, width * sizeof *best);                                                                        \
        for (size_t d = 1; d <= most && rounds > 0; d += AT_ONCE, rounds--) {                                          \
            if (!name##_open(best, least, squared * ((number)d * (number)d), width))                                   \
                break;                                                                                                 \
            name##_steps(best, at, step, before, after, d, squared, width);                                            \
        }                                                                                                              \
        return rounds;                                                                                                 \
    }                                                                                                                  \
                                                                                                                       \
    static void name##_least(number *restrict least, const number *in, size_t blocks, int along, size_t width)         \
    {                                                                                                                  \
        memcpy(least, in, width * sizeof *least);                                                                      \
        for (size_t b = 1; b < blocks; b++)                                                                            \
            for (size_t l = 0; l < width; l++)                                                                         \
                least[l] = in[b * width + l] < least[l] ? in[b * width + l] : least[l];                                \
        for (size_t l = 1; along && l < width; l++)                                                                    \
            least[0] = least[l] < least[0] ? least[l] : least[0];                                                      \
        for (size_t l = 1; along && l < width; l++)                                                                    \
            least[l] = least[0];                                                                                       \
    }                                                                                                                  \
                                                                                                                       \
    static int name##_near(number *restrict out, const number *in, size_t length, size_t width, int along,             \
                           number squared)                                                                             \
    {                                                                                                                  \
        const size_t step = along ? 1 : width, places = along ? width : 1;                                             \
        const size_t blocks = (length + places - 1) / places, first = blocks < SAMPLES ? 0 : SAMPLES / 2;              \
        size_t rounds = ((blocks - 1 - first) / SAMPLES + 1) * most_rounds;                                            \
        number least[MM_MOST_LANES];                                                                                   \
                                                                                                                       \
        name##_least(least, in, blocks, along, width);                                                                 \
        for (size_t b = first; b < blocks && rounds > 0; b += SAMPLES)                                                 \
            rounds = name##_block(out + b * width, in + b * width, step, b * places + places - 1,                      \
                                  length - 1 - b * places, least, squared, width, rounds);                             \
        if (rounds == 0)                                                                                               \
            return 0;                                                                                                  \
        rounds = 2 * blocks * most_rounds;                                                                             \
        for (size_t b = 0; b < blocks && rounds > 0; b++)                                                              \
            if (b % SAMPLES != first)                                                                                  \
                rounds = name##_block(out + b * width, in + b * width, step, b * places + places - 1,                  \
                                      length - 1 - b * places, least, squared, width, rounds);                         \
        return rounds > 0;                                                                                             \
    }

NEAR(whole, int32_t, 8)
NEAR(real, double, 4)

static int near_whole(int32_t *out, const int32_t *in, size_t length, size_t width, int along)
{
    return whole_near(out, in, length, width, along, 1);
}

/* --------------------------------------------------------------- far sites */

/* The nearest of two places are in the order of the places (parabolas of one width cross once).  So those of the places
 * between two seams lie between those of the seams: each place of a line is a candidate for one or two blocks only.
 *
 * Rounding does no harm: one step beyond a seam, what lies on its other side is worse than the nearest of the seam by 2
 * squared or more.  Only where values are 2^49 times as large as that can it vanish, and then it is within a few units
 * in their last place. */
#define FAR(name, number)                                                                                              \
    /* The first of `count` places with the least value. */                                                            \
    static size_t name##_first(const number *in, const number *squares, size_t count, size_t width)                    \
    {                                                                                                                  \
        number best[MM_MOST_LANES], least = in[0] + squares[0];                                                        \
        size_t i = 0;                                                                                                  \
        int here = 0;                                                                                                  \
                                                                                                                       \
        for (size_t l = 0; l < width; l++)                                                                             \
            best[l] = least;                                                                                           \
        for (; i + width <= count; i += width)                                                                         \
            for (size_t l = 0; l < width; l++) {                                                                       \
                const number value = in[i + l] + squares[i + l];                                                       \
                                                                                                                       \
                best[l] = value < best[l] ? value : best[l];                                                           \
            }                                                                                                          \
        for (size_t l = 0; l < width; l++)                                                                             \
            least = best[l] < least ? best[l] : least;                                                                 \
        for (; i < count; i++)                                                                                         \
            least = in[i] + squares[i] < least ? in[i] + squares[i] : least;                                           \
        for (i = 0; i + width <= count && !here; i += here ? 0 : width)                                                \
            for (size_t l = 0; l < width; l++)                                                                         \
                here |= in[i + l] + squares[i + l] <= least;                                                           \
        while (in[i] + squares[i] > least)                                                                             \
            i++;                                                                                                       \
        return i;                                                                                                      \
    }                                                                                                                  \
                                                                                                                       \
    static size_t name##_seam(const number *in, size_t x, const number *squares, size_t low, size_t high,              \
                              size_t width)                                                                            \
    {                                                                                                                  \
        return low + name##_first(in + low, squares + (ptrdiff_t)low - (ptrdiff_t)x, high - low + 1, width);           \
    }                                                                                                                  \
                                                                                                                       \
    /* Places x .. x + width - 1, of candidates low .. high. */                                                        \
    static void name##_between(number *restrict best, const number *in, size_t x, const number *squares, size_t low,   \
                               size_t high, size_t width)                                                              \
    {                                                                                                                  \
        for (size_t l = 0; l < width; l++)                                                                             \
            best[l] = in[low] + squares[(ptrdiff_t)(x + l) - (ptrdiff_t)low];                                          \
        for (size_t i = low + 1; i <= high; i += AT_ONCE) {                                                            \
            const number *square[AT_ONCE];                                                                             \
            number value[AT_ONCE];                                                                                     \
                                                                                                                       \
            for (size_t k = 0; k < AT_ONCE; k++) {                                                                     \
                const size_t at = i + k <= high ? i + k : high;                                                        \
                                                                                                                       \
                value[k] = in[at];                                                                                     \
                square[k] = squares + (ptrdiff_t)x - (ptrdiff_t)at;                                                    \
            }                                                                                                          \
            for (size_t l = 0; l < width; l++) {                                                                       \
                number nearest = best[l];                                                                              \
                                                                                                                       \
                for (size_t k = 0; k < AT_ONCE; k++) {                                                                 \
                    const number next = value[k] + square[k][l];                                                       \
                                                                                                                       \
                    nearest = next < nearest ? next : nearest;                                                         \
                }                                                                                                      \
                best[l] = nearest;                                                                                     \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static void name##_far(number *restrict out, const number *in, size_t length, const number *squares, size_t width, \
                           size_t *seams)                                                                              \
    {                                                                                                                  \
        const size_t blocks = (length + width - 1) / width;                                                            \
        size_t stride = 1;                                                                                             \
                                                                                                                       \
        while (stride < blocks)                                                                                        \
            stride *= 2;                                                                                               \
        seams[0] = name##_seam(in, 0, squares, 0, length - 1, width);                                                  \
        seams[blocks] = name##_seam(in, length - 1, squares, seams[0], length - 1, width);                             \
        for (; stride > 0; stride /= 2)                                                                                \
            for (size_t s = stride; s < blocks; s += 2 * stride)                                                       \
                seams[s] = name##_seam(in, s * width, squares, seams[s - stride],                                      \
                                       seams[s + stride < blocks ? s + stride : blocks], width);                       \
        for (size_t b = 0; b < blocks; b++)                                                                            \
            name##_between(out + b * width, in, b * width, squares, seams[b], seams[b + 1], width);                    \
    }

FAR(whole, int32_t)
FAR(real, double)

/* --------------------------------------------------------------- chessboard */

static int32_t greater(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* Lowers out[x] to what the sites at i <= x give (direction -1: i >= x).  The queue holds the i whose values rise: one
 * that is farther and no lower than another is of no use.  As x goes on, the steps to the first ones outgrow their
 * values; the best is the last of those, or the next one. */
static void look_back(int32_t *out, const int32_t *in, size_t length, int direction, int32_t *queue)
{
    size_t head = 0, tail = 0;

    for (size_t i = 0; i < length; i++) {
        const int32_t x = (int32_t)(direction > 0 ? i : length - 1 - i);

        while (in[x] < MM_FAR && tail > head && in[queue[tail - 1]] >= in[x])
            tail--;
        if (in[x] < MM_FAR)
            queue[tail++] = x;
        while (tail - head > 1 && in[queue[head + 1]] <= (x - queue[head + 1]) * direction)
            head++;
        for (size_t k = head; k < tail && k < head + 2; k++) {
            const int32_t found = greater(in[queue[k]], (x - queue[k]) * direction);

            out[x] = found < out[x] ? found : out[x];
        }
    }
}

static void chessboard(int32_t *line, size_t length, int32_t *room)
{
    int32_t *in = room, *queue = room + length;

    memcpy(in, line, length * sizeof *line);
    look_back(line, in, length, 1, queue);
    look_back(line, in, length, -1, queue);
}

const mm_distance_kernels MM_THIS_LEVEL(mm_distance_kernels) = {
    .mark = mark,
    .walk = walk,
    .square_whole = square_whole,
    .square_real = square_real,
    .chessboard = chessboard,
    .near_whole = near_whole,
    .near_real = real_near,
    .far_whole = whole_far,
    .far_real = real_far,
};
