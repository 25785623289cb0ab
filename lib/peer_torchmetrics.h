/*
 * peer_torchmetrics.h - what the files of torchmetrics 1.9.0's functions share.  Private to the peer's files.
 */
#ifndef MM_PEER_TORCHMETRICS_H
#define MM_PEER_TORCHMETRICS_H

#include "lib/peer_common.h"

/* binary_, multiclass_ and multilabel_ functions.  The binary ones see the whole array as one list of voxels, the
 * multilabel ones each class by itself; both compare p > threshold, whatever the request's task. */
typedef enum mm_tm_task { MM_TM_BINARY, MM_TM_MULTICLASS, MM_TM_MULTILABEL } mm_tm_task;

/* Functions of hard masks begin with these parameters; then, as far as they have them, the number of classes, the
 * threshold, and what mm_tm_own() says. */
enum { MM_TM_IGNORE_INDEX, MM_TM_VALIDATE, MM_TM_OWN };
enum { MM_TM_NUM = MM_TM_OWN };                                                          /* not of binary functions */
enum { MM_TM_BINARY_THRESHOLD = MM_TM_OWN, MM_TM_MULTILABEL_THRESHOLD = MM_TM_NUM + 1 }; /* not of multiclass ones */
enum {
    MM_TM_BINARY_OWN = MM_TM_BINARY_THRESHOLD + 1,
    MM_TM_MULTICLASS_OWN = MM_TM_NUM + 1,
    MM_TM_MULTILABEL_OWN = MM_TM_MULTILABEL_THRESHOLD + 1
};

/* The first parameter after those. */
size_t mm_tm_own(mm_tm_task task);
/* Columns for a threshold of one's own; none for exclusive classes. */
size_t mm_tm_binary_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS]);
size_t mm_tm_multilabel_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS]);
mm_counts mm_tm_counts(const mm_group *x, mm_tm_task task);
/* All classes added up. */
mm_counts mm_tm_total(const mm_group *x, size_t classes, mm_tm_task task);
/* num_classes or num_labels agrees with the data. */
const char *mm_tm_check_num(const mm_args *args);

enum { MM_TM_MICRO, MM_TM_MACRO, MM_TM_WEIGHTED, MM_TM_NONE }; /* choices of `average` */

/* clang-format off */
#define MM_TM_IGNORE_PARAM   MM_PARAM_IGNORE_INDEX("none")
#define MM_TM_VALIDATE_PARAM {"validate_args", MM_BOOLEAN, "true", 0, 0, NULL, "accepted; arguments are always checked"}
#define MM_TM_LABELS_PARAM   {"num_labels", MM_NUMBER, "none", 1, 4096, "none", \
                              "accepted when it is the number of classes of the data"}
#define MM_TM_THRESHOLD_PARAM {"threshold", MM_NUMBER, "0.5", 0, 1, NULL, \
                               "a mask is p > threshold, whatever the request's threshold"}
#define MM_TM_AVERAGE_PARAM {"average", MM_WORD, "macro", 0, 0, "micro|macro|weighted|none", \
    "counts of all classes added; mean over classes; mean weighted by label voxels; a value for each class"}
#define MM_TM_BINARY_PARAMS \
    [MM_TM_IGNORE_INDEX]     = MM_TM_IGNORE_PARAM, \
    [MM_TM_VALIDATE]         = MM_TM_VALIDATE_PARAM, \
    [MM_TM_BINARY_THRESHOLD] = MM_TM_THRESHOLD_PARAM
#define MM_TM_MULTICLASS_PARAMS \
    [MM_TM_IGNORE_INDEX] = MM_TM_IGNORE_PARAM, \
    [MM_TM_VALIDATE]     = MM_TM_VALIDATE_PARAM, \
    [MM_TM_NUM]          = MM_PARAM_NUM_CLASSES
#define MM_TM_MULTILABEL_PARAMS \
    [MM_TM_IGNORE_INDEX]         = MM_TM_IGNORE_PARAM, \
    [MM_TM_VALIDATE]             = MM_TM_VALIDATE_PARAM, \
    [MM_TM_NUM]                  = MM_TM_LABELS_PARAM, \
    [MM_TM_MULTILABEL_THRESHOLD] = MM_TM_THRESHOLD_PARAM

#define MM_TM_INFO(NAME, SUMMARY, FORMULA, UNDEFINED, KIND, BETTER) \
    .name = "torchmetrics." NAME, .summary = SUMMARY, .formula = FORMULA, .source = "torchmetrics 1.9.0", \
    .undefined = UNDEFINED, .kind = KIND, .better = BETTER
#define MM_TM_PARAMS(LIST) .params = LIST, .param_count = MM_COUNT(LIST)
/* clang-format on */

#endif
