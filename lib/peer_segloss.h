/*
 * peer_segloss.h - what the files of SegLossOdyssey's functions share: the parameters of soft Dice, and its loss.
 */
#ifndef MM_PEER_SEGLOSS_H
#define MM_PEER_SEGLOSS_H

#include "lib/peer_common.h"

/* The overlap losses and the compounds begin with these; what follows differs. */
enum { MM_SEGLOSS_BATCH_DICE, MM_SEGLOSS_DO_BG, MM_SEGLOSS_SMOOTH, MM_SEGLOSS_SQUARE, MM_SEGLOSS_OWN };

/* clang-format off */
#define MM_SEGLOSS_DICE_PARAMS \
    [MM_SEGLOSS_BATCH_DICE] = {"batch_dice", MM_BOOLEAN, "false", 0, 0, NULL, "add up all images before the score"}, \
    [MM_SEGLOSS_DO_BG]      = {"do_bg", MM_BOOLEAN, "true", 0, 0, NULL, "score class 0, too"}, \
    [MM_SEGLOSS_SMOOTH]     = {"smooth", MM_NUMBER, "1", 0, 1e6, NULL, "added to numerator and denominator"}, \
    [MM_SEGLOSS_SQUARE]     = {"square", MM_BOOLEAN, "false", 0, 0, NULL, "square TP, FP and FN of each voxel"}
#define MM_SEGLOSS_SOFTMAX_PARAM {"softmax", MM_BOOLEAN, "true", 0, 0, NULL, \
    "apply a softmax over the classes to pred as it was sent (the peer's apply_nonlin); not with one class"}
#define MM_SEGLOSS_LOSS(NAME, SUMMARY, FORMULA, UNDEFINED) \
    .name = "segloss." NAME, .summary = SUMMARY, .formula = FORMULA, .source = "SegLossOdyssey (commit d562441)", \
    .undefined = UNDEFINED, .kind = MM_LOSS, .better = MM_LOWER
/* clang-format on */

/* What p is made of, by a parameter MM_SEGLOSS_SOFTMAX_PARAM. */
unsigned mm_segloss_form(const mm_arg *softmax);
/* The columns of SoftDiceLoss, which come first, and minus the mean of its scores over images and classes. */
size_t mm_segloss_dice_stats(const mm_args *args, unsigned form, mm_stat stats[MM_ROW_STATS]);
mm_value mm_segloss_dice(const mm_cells *cells, const mm_args *args);

#endif
