/*
 * scores.h - all rows of all families, and finding one by name.
 */
#ifndef MM_SCORES_H
#define MM_SCORES_H

#include "lib/score.h"

extern const mm_score_family mm_scores_overlap;
extern const mm_score_family mm_scores_joint;
extern const mm_score_family mm_scores_agreement;
extern const mm_score_family mm_scores_entropy;
extern const mm_score_family mm_scores_focal;
extern const mm_score_family mm_scores_compound;
extern const mm_score_family mm_scores_confusion;
extern const mm_score_family mm_scores_table;
extern const mm_score_family mm_scores_calibration;
extern const mm_score_family mm_scores_order;
extern const mm_score_family mm_scores_rank;
extern const mm_score_family mm_scores_window;
extern const mm_score_family mm_scores_skeleton;
extern const mm_score_family mm_scores_components;
extern const mm_score_family mm_scores_distance;
extern const mm_score_family mm_scores_border;

/* The row behind mm_score_at() and mm_score_find(). */
const mm_score *mm_row_at(size_t index);
const mm_score *mm_row_find(const char *name);
/* The name that is fewest edits away, at most `limit`; NULL: none. */
const char *mm_row_nearest(const char *name, size_t limit);

#define MM_ANY_EDITS ((size_t)64) /* a limit that every known name is within */

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b, ignoring case;
 * limit + 1 when there are more than `limit`. */
size_t mm_edit_distance(const char *a, const char *b, size_t limit);
/* How far apart two names may be for one to be offered in place of the other. */
size_t mm_edit_limit(const char *name);

#endif
