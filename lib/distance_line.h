/*
 * distance_line.h - distances along one line, in time that does not depend on how far they are.  Private to lib/.
 */
#ifndef MM_DISTANCE_LINE_H
#define MM_DISTANCE_LINE_H

#include <stddef.h>
#include <stdint.h>

/* line[x] = least over i of max(line[i], |x - i|), where line[i] < far.  room: for twice the length. */
void mm_line_chessboard(int32_t *line, size_t length, int32_t far, int32_t *room);

#endif
