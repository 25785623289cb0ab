/*
 * plan.h - what a plan asks of the pass over the voxels.  Private to lib/.
 */
#ifndef MM_PLAN_H
#define MM_PLAN_H

#include "lib/sums.h"

/* The distinct sums that the bound plan needs, at most MM_MAX_STATS of them; returns their number. */
size_t mm_plan_stats(const mm_plan *plan, mm_stat stats[MM_MAX_STATS]);

#endif
