/*
 * parts.h - a named sum() written out as the expressions that it stands for.  Private to lib/.
 */
#ifndef MM_PARTS_H
#define MM_PARTS_H

#include "lib/plan.h"

/* Is it a sum, written as sum() or named? */
int mm_node_is_sum(const mm_node *node);

/* The terms of a named sum with its own values in place of {name}, {1-name} and {common}.  *out is yours: free(). */
mm_status mm_parts_write(char **out, const mm_node *node);

#endif
