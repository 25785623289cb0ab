/*
 * score_overlap.h - what the files of overlap losses share: smoothing, and their common parameters.  Private to lib/.
 */
#ifndef MM_SCORE_OVERLAP_H
#define MM_SCORE_OVERLAP_H

#include "lib/overlap.h"
#include "lib/scores.h"

/* Every overlap loss begins with the smoothing; what follows differs. */
enum { MM_SMOOTH, MM_SMOOTH_NR, MM_SMOOTH_DR, MM_AFTER_SMOOTH };

/* clang-format off */
#define MM_SMOOTH_PARAMS \
    [MM_SMOOTH]    = {"smooth",    MM_NUMBER, "0",      0, 1e6, NULL,     "added to numerator and denominator"}, \
    [MM_SMOOTH_NR] = {"smooth_nr", MM_NUMBER, "smooth", 0, 1e6, "smooth", "added to the numerator"}, \
    [MM_SMOOTH_DR] = {"smooth_dr", MM_NUMBER, "smooth", 0, 1e6, "smooth", "added to the denominator"}
#define MM_WEIGHT_PARAM \
    {"weight", MM_WORD, "square", 0, 0, "square|simple|uniform", \
     "class weight: 1/G^2, 1/G or 1, G the label's sum; a class without label takes the greatest of the others"}
/* clang-format on */

/* k, a, b with the row's smoothing. */
mm_overlap mm_smoothed(const mm_args *args, double k, double a, double b);

#endif
