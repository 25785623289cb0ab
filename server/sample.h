/*
 * sample.h - an upload made up for measuring: how fast it is scored, and how fast its memory is merely read.
 */
#ifndef MM_SAMPLE_H
#define MM_SAMPLE_H

#include "lib/maskmeter.h"

typedef struct mm_sample_form {
    size_t spatial[3];
    unsigned spatial_rank; /* 1 .. 3 */
    size_t classes;        /* 2 .. 4096 */
    mm_dtype dtype;        /* of pred: F64, F32, F16, BF16, or U8 (probabilities in 255ths) */
} mm_sample_form;

int mm_sample_takes(mm_dtype dtype); /* is it one of those? */

/* One image: probabilities that add up to 1 and favour the label's class, and a U8 or U16 label of short runs of one
 * class.  The same form gives the same bytes everywhere. */
typedef struct mm_sample {
    mm_sample_form form;
    mm_input input; /* views into `memory` */
    size_t voxels, bytes;
    unsigned char *memory;  /* owned: pred, then label */
    unsigned threads;       /* at most, for what follows */
    unsigned char *scratch; /* owned: MM_SCRATCH_BYTES per thread */
} mm_sample;

/* MM_BAD_SHAPE: more bytes than memory can hold, or a form outside the ranges above. */
mm_status mm_sample_new(mm_sample *out, const mm_sample_form *form, unsigned threads);
void mm_sample_free(mm_sample *sample); /* a zero one is fine */

/* Every byte of both tensors once, in the blocks that scoring takes: what scoring cannot beat.  Gives the exclusive or
 * of the 64-bit words of each block. */
uint64_t mm_sample_read(const mm_sample *sample, unsigned threads);
/* The whole of an evaluation but its JSON: plan, pass, records, scores.  *value: the first score. */
mm_status mm_sample_score(const mm_sample *sample, const char *expressions, unsigned threads, mm_value *value,
                          mm_problem *problem);

#endif
