/*
 * test_kernels_distance.c - single lines of distance transforms against all pairs of places.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/kernels_distance.h"

enum { MOST = 300, WIDE = 16, PAD = MM_MOST_LANES };

/* Lines side by side, with room before and behind for what lies outside. */
typedef struct lines {
    int32_t whole[PAD + MOST * WIDE + PAD], whole_out[MOST * WIDE + PAD];
    double real[PAD + MOST * WIDE + PAD], real_out[MOST * WIDE + PAD];
    int32_t whole_squares[2 * MOST + PAD];
    double real_squares[2 * MOST + PAD];
    size_t seams[MOST + 2];
} lines;

static const mm_distance_kernels *kernels(void)
{
    return mm_kernels_chosen()->distances;
}

/* One value in `rare` is known: so small a square that none is better from more than 9 steps away. */
static void fill(lines *of, size_t count, int rare)
{
    for (size_t i = 0; i < PAD + MOST * WIDE + PAD; i++) {
        const int known = i >= PAD && i < PAD + count && lrand48() % rare == 0;

        of->whole[i] = known ? (int32_t)(lrand48() % 20) : MM_FAR;
        of->real[i] = known ? (double)of->whole[i] : (double)INFINITY;
    }
}

/* Places x and y of a line, `step` apart: the least of all. */
static int32_t least_whole(const int32_t *in, size_t length, size_t step, size_t x)
{
    int32_t least = INT32_MAX;

    for (size_t y = 0; y < length; y++) {
        const int32_t way = (int32_t)x - (int32_t)y, value = in[y * step] + way * way;

        least = value < least ? value : least;
    }
    return least;
}

static double least_real(const double *in, size_t length, size_t step, size_t x, double squared)
{
    double least = INFINITY;

    for (size_t y = 0; y < length; y++) {
        const double way = (double)x - (double)y;

        least = fmin(least, in[y * step] + squared * (way * way));
    }
    return least;
}

/* Are both outputs of lines across or along what they should be? */
static int right(const lines *of, size_t length, size_t width, int along, double squared)
{
    const size_t count = along ? 1 : width;
    int good = 1;

    for (size_t l = 0; l < count; l++)
        for (size_t x = 0; x < length; x++) {
            good = good && of->whole_out[x * count + l] == least_whole(of->whole + PAD + l, length, count, x) &&
                   of->real_out[x * count + l] == least_real(of->real + PAD + l, length, count, x, squared);
        }
    return good;
}

/* Near sites, then far ones, in lines of every length: where the quick way is taken it is right, and it is taken where
 * every place is a site. */
static void near_and_far(void)
{
    static const size_t widths[] = {1, 4, 16};
    static const int rare[] = {1, 2, 5, 20, 100};
    lines *of = calloc(1, sizeof *of);
    size_t quick = 0, slow = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(of);
    srand48(3);
    for (size_t length = 1; length <= MOST; length += length < 40 ? 1 : 37)
        for (size_t i = 0; i < 15; i++) {
            const size_t width = widths[i % 3];
            const double squared = 0.25 + (double)(i % 2);
            const int along = (int)(length + i) % 2, density = rare[i / 3];

            fill(of, along ? length : length * width, density);
            const int whole = kernels()->near_whole(of->whole_out, of->whole + PAD, length, width, along);
            const int real = kernels()->near_real(of->real_out, of->real + PAD, length, width, along, squared);

            CU_ASSERT(density > 1 || (along && length < width) || (whole && real));
            CU_ASSERT(!(whole && real) || right(of, length, width, along, squared));
            quick += (size_t)(whole && real);
            slow += (size_t)(!whole && !real);
        }
    CU_ASSERT(quick > 0 && slow > 0);
    free(of);
}

/* The way for far sites, of any lines. */
static void far_lines(void)
{
    static const size_t widths[] = {1, 4, 16, 64};
    static const int rare[] = {1, 3, 30, 1000};
    lines *of = calloc(1, sizeof *of);

    CU_ASSERT_PTR_NOT_NULL_FATAL(of);
    srand48(4);
    for (size_t length = 1; length <= MOST; length += length < 70 ? 1 : 23)
        for (size_t i = 0; i < 16; i++) {
            const size_t width = widths[i % 4];
            const double squared = 0.25 + (double)(i % 2);

            fill(of, length, rare[i / 4]);
            for (ptrdiff_t d = 1 - (ptrdiff_t)length; d < (ptrdiff_t)(length + width); d++) {
                of->whole_squares[MOST + d] = (int32_t)(d * d);
                of->real_squares[MOST + d] = squared * (double)(d * d);
            }
            kernels()->far_whole(of->whole_out, of->whole + PAD, length, of->whole_squares + MOST, width, of->seams);
            kernels()->far_real(of->real_out, of->real + PAD, length, of->real_squares + MOST, width, of->seams);
            CU_ASSERT(right(of, length, width, 1, squared));
        }
    free(of);
}

/* Steps of rows, and of one line by the chessboard; then their squares. */
static void steps(void)
{
    enum { WIDTH = 5, LENGTH = 41 };
    unsigned char bytes[LENGTH * WIDTH];
    int32_t marks[LENGTH * WIDTH], rows[LENGTH * WIDTH], line[LENGTH], given[LENGTH], room[2 * LENGTH], squares[LENGTH];
    double reals[LENGTH];

    srand48(5);
    for (int round = 0; round < 60; round++) {
        const int others = round % 2, rare = 1 + round / 2;
        int good = 1;

        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (lrand48() % rare == 0) != others ? 7 : (unsigned char)(lrand48() % 7);
        kernels()->mark(marks, bytes, 7, others, LENGTH * WIDTH);
        memcpy(rows, marks, sizeof rows);
        kernels()->walk(rows, LENGTH, WIDTH);
        for (int i = 0; i < LENGTH * WIDTH; i++) {
            int32_t least = MM_FAR;

            good = good && marks[i] == ((bytes[i] == 7) != others ? 0 : MM_FAR);
            for (int x = 0; x < LENGTH; x++)
                if (marks[x * WIDTH + i % WIDTH] == 0 && abs(i / WIDTH - x) < least)
                    least = abs(i / WIDTH - x);
            good = good && rows[i] == least;
        }
        for (int x = 0; x < LENGTH; x++)
            line[x] = given[x] = lrand48() % rare == 0 ? (int32_t)(lrand48() % 15) : MM_FAR;
        kernels()->chessboard(line, LENGTH, room);
        for (int x = 0; x < LENGTH; x++) {
            int32_t least = MM_FAR;

            for (int y = 0; y < LENGTH; y++) {
                const int32_t greater = abs(x - y) > given[y] ? abs(x - y) : given[y];

                least = greater < least ? greater : least;
            }
            good = good && line[x] == least;
        }
        kernels()->square_whole(squares, line, LENGTH);
        kernels()->square_real(reals, line, 2.25, LENGTH);
        for (int x = 0; x < LENGTH; x++)
            good = good && (line[x] == MM_FAR ? squares[x] == MM_FAR && isinf(reals[x])
                                              : squares[x] == line[x] * line[x] && reals[x] == 2.25 * squares[x]);
        CU_ASSERT(good);
    }
}

static CU_TestInfo tests[] = {
    {"near and far sites", near_and_far},
    {"the way for far sites", far_lines},
    {"steps and their squares", steps},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_kernels_distance = {"kernels_distance", tests};
