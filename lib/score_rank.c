/*
 * score_rank.c - how well the prediction ranks the voxels of a class before all others.
 */
#include "lib/scores.h"

#include "lib/image_kinds.h"

static size_t auroc_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = (mm_stat){.kind = MM_IMAGE_AUROC};
    return 1;
}

static size_t average_precision_stats(const mm_args *args, mm_stat stats[MM_ROW_STATS])
{
    (void)args;
    stats[0] = (mm_stat){.kind = MM_IMAGE_AVERAGE_PRECISION};
    return 1;
}

/* Both need voxels of the class and others. */
static mm_value rank_score(const mm_group *x, const mm_args *args)
{
    const mm_reason reason = mm_whole_reason(x, 0);

    (void)args;
    if (reason == MM_DEFINED && x->label == x->scored)
        return mm_undefined(MM_SINGLE_CLASS);
    return reason == MM_DEFINED ? mm_defined(mm_wide(x, 0, 1)) : mm_undefined(reason);
}

/* -------------------------------------------------------------------- rows */

#define UNDEFINED "all voxels are of the class, or none is"

static const mm_score rows[] = {
    {
        .info = {.name = "auroc",
                 .summary = "Area under the receiver operating characteristic of each class against the rest.",
                 .formula = "trapezoids of recall over fall-out while the threshold falls, from the exact order of p; "
                            "voxels of equal p are one step",
                 .source = "Hanley and McNeil 1982",
                 .undefined = UNDEFINED,
                 .kind = MM_METRIC,
                 .better = MM_HIGHER,
                 .common = mm_common_image,
                 .common_count = MM_COUNT(mm_common_image)},
        .stats = auroc_stats,
        .per_class = rank_score,
        .witness = 0.875, /* of the four pairs one is tied */
    },
    {
        .info = {.name = "average_precision",
                 .summary = "Precision averaged over the recall of each class against the rest.",
                 .formula =
                     "sum_k (recall_k - recall_(k-1)) precision_k while the threshold falls, from the exact order "
                     "of p; voxels of equal p are one step",
                 .source = "Buckley and Voorhees 2000",
                 .undefined = UNDEFINED,
                 .kind = MM_METRIC,
                 .better = MM_HIGHER,
                 .common = mm_common_image,
                 .common_count = MM_COUNT(mm_common_image)},
        .stats = average_precision_stats,
        .per_class = rank_score,
        .witness = 5.0 / 6.0, /* 1/2 at precision 1, 1/2 at 2/3 */
    },
};

const mm_score_family mm_scores_rank = {rows, MM_COUNT(rows)};
