/*
 * history_merge.h - the rules of an evaluation that no database needs to know: definitions, merged images, their
 * scores.
 */
#ifndef MM_HISTORY_MERGE_H
#define MM_HISTORY_MERGE_H

#include <pthread.h>

#include "server/history.h"

/* Does `part` agree with the evaluation it is sent to?  0: no, problem names the parameter. */
int mm_definition_agrees(const mm_definition *evaluation, const mm_definition *part, mm_problem *problem);

/* The merged images of evaluations that are being filled, so that a part need not read all that came before it.
 * Zero-initialised is empty.  Bounded: the longest unused leave first; the last one used stays, however large, until
 * mm_cache_trim().  One thread fills it; any may call mm_cache_let_go(). */
#define MM_CACHE_SLOTS 64
#define MM_CACHE_BYTES ((size_t)64 << 20)

typedef struct mm_cache_slot {
    int64_t run, evaluation; /* row numbers, never used twice */
    mm_images *images;       /* NULL: nothing is kept */
    size_t bytes;            /* taken for them */
    uint64_t used;
} mm_cache_slot;

typedef struct mm_cache {
    mm_cache_slot slots[MM_CACHE_SLOTS];
    size_t bytes;
    uint64_t clock;
    mm_store_memory memory; /* zero: nobody counts */
    pthread_mutex_t guard;  /* of slots and bytes; zero is a mutex */
} mm_cache;

/* What is kept of an evaluation, handed over; the evaluation's number alone when there is nothing. */
mm_cache_slot mm_cache_take(mm_cache *cache, int64_t evaluation);
void mm_cache_keep(mm_cache *cache, mm_cache_slot slot);        /* owns slot.images from here on */
void mm_cache_slot_empty(mm_cache *cache, mm_cache_slot *slot); /* frees the images; the numbers stay */
/* More memory for the images of a slot in hand, or less.  held: see mm_store_memory. */
mm_store_status mm_cache_grow(const mm_cache *cache, mm_cache_slot *slot, size_t bytes, size_t held,
                              mm_problem *problem);
void mm_cache_shrink(const mm_cache *cache, mm_cache_slot *slot, size_t bytes);
void mm_cache_drop_run(mm_cache *cache, int64_t run);
void mm_cache_trim(mm_cache *cache); /* down to MM_CACHE_BYTES */
void mm_cache_clear(mm_cache *cache);
/* Any thread: frees the longest unused until so many bytes are free, or all; returns how many, which are not given back
 * to the memory. */
size_t mm_cache_let_go(mm_cache *cache, size_t bytes);

/* The scores of merged images, as an evaluation's definition asks for them. */
typedef struct mm_scored {
    mm_plan *plan;       /* NULL: the text is not one that this version reads */
    mm_results *results; /* NULL: nothing could be computed */
} mm_scored;

/* definition: class_count, task, scores and weights are read.  MM_NO_MEMORY is the only error: what cannot be computed
 * is a reason. */
mm_status mm_scored_new(mm_scored *out, const mm_definition *definition, const mm_images *images);
size_t mm_scored_count(const mm_scored *scored);
mm_value mm_scored_value(const mm_scored *scored, size_t index);
/* Values per class, NULL where the score has none. */
const mm_value *mm_scored_classes(const mm_scored *scored, size_t index, size_t class_count);
void mm_scored_free(mm_scored *scored);

#endif
