/*
 * distance_line.c - distances along one line: the lower envelope of parabolas, and the least of maxima.
 */
#include "lib/distance_line.h"

#include <string.h>

static int32_t greater(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* Lowers out[x] to what the sites at i <= x give (direction -1: i >= x).  The queue holds the i whose values rise: one
 * that is farther and no lower than another is of no use.  As x goes on, the steps to the first ones outgrow their
 * values; the best is the last of those, or the next one. */
static void look_back(int32_t *out, const int32_t *in, size_t length, int32_t far, int direction, int32_t *queue)
{
    size_t head = 0, tail = 0;

    for (size_t i = 0; i < length; i++) {
        const int32_t x = (int32_t)(direction > 0 ? i : length - 1 - i);

        while (in[x] < far && tail > head && in[queue[tail - 1]] >= in[x])
            tail--;
        if (in[x] < far)
            queue[tail++] = x;
        while (tail - head > 1 && in[queue[head + 1]] <= (x - queue[head + 1]) * direction)
            head++;
        for (size_t k = head; k < tail && k < head + 2; k++) {
            const int32_t found = greater(in[queue[k]], (x - queue[k]) * direction);

            out[x] = found < out[x] ? found : out[x];
        }
    }
}

void mm_line_chessboard(int32_t *line, size_t length, int32_t far, int32_t *room)
{
    int32_t *in = room, *queue = room + length;

    memcpy(in, line, length * sizeof *line);
    look_back(line, in, length, far, 1, queue);
    look_back(line, in, length, far, -1, queue);
}
