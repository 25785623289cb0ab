/*
 * lines.h - a queue of lines: everyone who waits stands in the line of who sent them, and the lines are served in turn.
 *
 * So whoever has sent a thousand does not stand before another's first, and what one has sent keeps its order.  Zero is
 * an empty queue, and an empty line.  Not safe for threads; a line stays where it is while anyone stands in it.
 */
#ifndef MM_LINES_H
#define MM_LINES_H

#include <stddef.h>

/* Part of what waits. */
typedef struct mm_waiter {
    struct mm_waiter *next;
    struct mm_line *line;
} mm_waiter;

/* Of one identity, in one queue. */
typedef struct mm_line {
    mm_waiter *first, *last;
    size_t waiting, served;        /* how many; served: taken, and mm_lines_end() is still to come */
    struct mm_line *before, *next; /* of those in which somebody waits, by whose turn it is */
} mm_line;

typedef struct mm_lines {
    mm_line *first, *last;
    mm_line nobodys; /* of those who belong to no identity */
    size_t waiting;
} mm_lines;

void mm_lines_add(mm_lines *lines, mm_line *line, mm_waiter *waiter); /* line NULL: nobody's */
/* The next one, from a line of which fewer than `most` are being served; NULL: there is none. */
mm_waiter *mm_lines_take(mm_lines *lines, size_t most);
/* What was taken last and not put back yet is served no more, and will be the next again. */
void mm_lines_put_back(mm_lines *lines, mm_waiter *waiter);
void mm_lines_end(mm_waiter *waiter); /* it is served no more */

#endif
