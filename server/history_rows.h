/*
 * history_rows.h - what every database needs to build the rows that are read: growing lists, order, cursors, problems.
 */
#ifndef MM_HISTORY_ROWS_H
#define MM_HISTORY_ROWS_H

#include "server/history_query.h"

/* Fills problem->param and text; problem NULL is fine.  `text` is a printf format. */
void mm_store_explain(mm_problem *problem, const char *param, const char *text, ...)
    __attribute__((format(printf, 3, 4)));

/* Sets status and problem of whatever the item is. */
void mm_store_item_fail(mm_store_item *item, mm_store_status status, const mm_problem *problem);

/* Makes room for one more element of `size` bytes, zeroed; *list grows by doubling.  NULL: out of memory. */
void *mm_store_grow(void *list, size_t *count, size_t size);

/* Digits alone first, as numbers; then the others by their bytes.  For qsort(). */
int mm_part_order(const void *a, const void *b);

/* The place after a row in a list that is ordered by two numbers; `kind` is a letter, so that the cursor of one list is
 * refused by another. */
typedef struct mm_cursor {
    int64_t first, second;
} mm_cursor;

char *mm_cursor_text(char kind, const mm_cursor *cursor); /* free(); NULL: out of memory */
/* cursor NULL: the place before the first row.  0: not a cursor of this kind; problem says so. */
int mm_cursor_read(const char *text, char kind, mm_cursor *cursor, mm_problem *problem);

#endif
