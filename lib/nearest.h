/*
 * nearest.h - which of several sets is nearest to each place of an array.  Private to lib/.
 */
#ifndef MM_NEAREST_H
#define MM_NEAREST_H

#include <stdint.h>

#include "lib/distance.h"

/* ids: above 0 at the places of the sets, 0 elsewhere.  Every place gets the id of the set that is nearest to it
 * (Euclidean, with spacing), of several that are as near the lowest id; exactly when all spacings are the same.
 * 0: out of memory. */
int mm_nearest(uint32_t *ids, const mm_array *array);

#endif
