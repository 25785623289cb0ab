/*
 * kernels_distance.h - the inner loops of distance transforms: one table per CPU level, the same bits.
 *
 * Numbers are whole (int32_t, MM_FAR where no site is known) or real (double, INFINITY there).  Lines lie across, each
 * going through one lane of rows of `width` numbers, or a single one along the memory, done in blocks of `width`.
 */
#ifndef MM_KERNELS_DISTANCE_H
#define MM_KERNELS_DISTANCE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/kernels.h"

#define MM_FAR        0x3fffffff /* the sum of two of them is still an int32_t */
#define MM_MOST_LANES 64         /* of any width */

typedef struct mm_distance_kernels {
    /* steps[i] = 0 where (bytes[i] == value) != others, else MM_FAR. */
    void (*mark)(int32_t *steps, const unsigned char *bytes, unsigned char value, int others, size_t n);
    /* steps[x][lane] = least over x' of steps[x'][lane] + |x - x'|, in rows of `width`. */
    void (*walk)(int32_t *steps, size_t length, size_t width);
    /* line[x] = least over x' of max(line[x'], |x - x'|).  room: for twice the length. */
    void (*chessboard)(int32_t *line, size_t length, int32_t *room);
    /* Steps to their squares; `squared` is that of the spacing. */
    void (*square_whole)(int32_t *out, const int32_t *steps, size_t n);
    void (*square_real)(double *out, const int32_t *steps, double squared, size_t n);

    /* out[x] = least over x' of in[x'] + squared (x - x')^2 on lines of `length`.  Across: in[x][lane].  Along: one
     * line, with `width` far numbers before and after it; out has room for whole blocks.
     * 0: the sites are too far for this to be quick, and out is not filled: far_* takes less time. */
    int (*near_whole)(int32_t *out, const int32_t *in, size_t length, size_t width, int along);
    int (*near_real)(double *out, const double *in, size_t length, size_t width, int along, double squared);

    /* The same, along one line, in a time that does not depend on how far the sites are.  out has room for whole
     * blocks.  squares[i]: squared i^2, for i from 1 - length to length + width - 1.  seams: room for
     * length / width + 2. */
    void (*far_whole)(int32_t *out, const int32_t *in, size_t length, const int32_t *squares, size_t width,
                      size_t *seams);
    void (*far_real)(double *out, const double *in, size_t length, const double *squares, size_t width, size_t *seams);
} mm_distance_kernels;

MM_AT_EACH_LEVEL(mm_distance_kernels);

#endif
