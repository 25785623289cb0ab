/*
 * tolerances.h - one column for each different tolerance of the classes of a row.  Private to lib/.
 */
#ifndef MM_TOLERANCES_H
#define MM_TOLERANCES_H

#include "lib/score.h"

/* Different ones in a row, whose first column is that of the surfaces' sizes. */
#define MM_MOST_TOLERANCES (MM_ROW_STATS - 1)

/* The tolerance of class c, below 0 when the class is not scored. */
typedef double (*mm_tolerance_of)(const mm_args *args, size_t c);

/* The different tolerances in order of the first class that has each; returns their number, or one more than fit. */
size_t mm_tolerances(const mm_args *args, mm_tolerance_of of, double different[MM_MOST_TOLERANCES]);
/* Which of them is that of class c. */
size_t mm_tolerance_place(const mm_args *args, mm_tolerance_of of, size_t c);

#endif
