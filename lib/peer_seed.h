/*
 * peer_seed.h - what the files of the TensorFlow post's functions share.
 */
#ifndef MM_PEER_SEED_H
#define MM_PEER_SEED_H

#include "lib/peer_common.h"

#define MM_SEED_SMOOTH  1e-5
#define MM_SEED_EPSILON 1e-5 /* where logarithms are taken, p is clipped to [epsilon, 1 - epsilon] */

/* clang-format off */
#define MM_SEED_INFO(NAME, SUMMARY, FORMULA, UNDEFINED) \
    .name = "seed." NAME, .summary = SUMMARY, .formula = FORMULA, \
    .source = "A summary of common losses for multi-class semantic segmentation (TensorFlow post, 2021)", \
    .undefined = UNDEFINED
#define MM_SEED_LOSS(NAME, SUMMARY, FORMULA, UNDEFINED) \
    MM_SEED_INFO(NAME, SUMMARY, FORMULA, UNDEFINED), .kind = MM_LOSS, .better = MM_LOWER
#define MM_SEED_LAMDA_PARAM {"lamda", MM_NUMBER, NULL, 0, 1, NULL, "share of the entropy part"}
/* clang-format on */

/* 2 (I + s) / (P + G + s), and (I + s) / (I + beta FP + (1 - beta) FN + s). */
extern const mm_overlap mm_seed_dice;
mm_overlap mm_seed_tversky(double beta);

/* The columns of binary_crossentropy, which come first, and its value. */
size_t mm_seed_entropy_stats(mm_stat stats[MM_ROW_STATS]);
mm_value mm_seed_entropy(const mm_cells *cells, const mm_args *args);

#endif
