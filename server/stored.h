/*
 * stored.h - an evaluation read back from the history: its parts merged, its scores computed anew.
 */
#ifndef MM_STORED_H
#define MM_STORED_H

#include "server/history.h"
#include "server/routes.h"

/* Zero-initialised is empty. */
typedef struct mm_stored {
    mm_stored_evaluation *evaluation;
    mm_images *images;
    char **class_names; /* one block */
    mm_query texts;     /* of the stored definition, to be read like parameters */
    double *weights;
    size_t weight_count;
    mm_plan *plan;
    mm_results *results;
    mm_store_status found;
    mm_status status;
    mm_problem problem;
} mm_stored;

/* Both on a thread of the pool; they take memory of the call's budget.  0: found, status and problem say what is wrong;
 * a record of which there is no merged whole is MM_BAD_RECORD or MM_CONFLICT. */
int mm_stored_read(mm_stored *stored, mm_call *call, const char *run, const char *split, int64_t step);
/* After mm_stored_read().  scores NULL: what the first part asked for.  weights: of `query` if it has some, else of the
 * first part.  include: of mm_include; MM_INCLUDE_IMAGES keeps the values per image. */
int mm_stored_score(mm_stored *stored, mm_call *call, const char *scores, const mm_query *query, unsigned include);
/* What the definition calls `name`, as an expression with its alias; `name` itself when it calls nothing so.  free();
 * NULL: out of memory. */
char *mm_stored_expression(const mm_definition *definition, const char *name);
/* On the loop: the answer to a failure. */
mm_next mm_stored_answer(mm_call *call, const mm_stored *stored);
void mm_stored_free(mm_stored *stored);

/* Scoring so many images with a bound plan, and the text of what `include` adds: for admission. */
size_t mm_scoring_bytes(mm_plan *plan, size_t images, unsigned include);

#endif
