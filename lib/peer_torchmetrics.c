/*
 * peer_torchmetrics.c - what the files of torchmetrics 1.9.0's functions share: hard counts of the three tasks.
 */
#include "lib/peer_torchmetrics.h"

size_t mm_tm_own(mm_tm_task task)
{
    static const size_t own[] = {[MM_TM_BINARY] = MM_TM_BINARY_OWN,
                                 [MM_TM_MULTICLASS] = MM_TM_MULTICLASS_OWN,
                                 [MM_TM_MULTILABEL] = MM_TM_MULTILABEL_OWN};

    return own[task];
}

/* p > threshold, p each class against the rest. */
static size_t threshold_stats(const mm_arg *threshold, mm_stat stats[MM_ROW_STATS])
{
    const size_t count = mm_over_stats(threshold->number, 1, stats);

    for (size_t i = 0; i < count; i++)
        stats[i].form = MM_FORM_APART;
    return count;
}

size_t mm_tm_binary_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return threshold_stats(&args->own[MM_TM_BINARY_THRESHOLD], stats);
}

size_t mm_tm_multilabel_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    return threshold_stats(&args->own[MM_TM_MULTILABEL_THRESHOLD], stats);
}

mm_counts mm_tm_counts(const mm_group *x, mm_tm_task task)
{
    return task == MM_TM_MULTICLASS ? mm_counts_of(x) : mm_counts_over(x);
}

mm_counts mm_tm_total(const mm_group *x, size_t classes, mm_tm_task task)
{
    mm_counts all = {0};

    for (size_t c = 0; c < classes; c++)
        all = mm_counts_add(all, mm_tm_counts(&x[c], task));
    return all;
}

const char *mm_tm_check_num(const mm_args *args)
{
    return mm_check_classes(&args->own[MM_TM_NUM], args);
}
