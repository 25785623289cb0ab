/*
 * calibration.c - how far confidence is from the share of right voxels, bin by bin.
 */
#include "lib/calibration.h"

#include <math.h>

void mm_gaps_add(mm_gaps *gaps, double voxels, double confidence, double right)
{
    if (voxels == 0.0)
        return;
    const double off = fabs(right - confidence), gap = off / voxels;

    gaps->voxels += voxels;
    gaps->sum += off;
    gaps->squares += off * gap;
    gaps->greatest = fmax(gaps->greatest, gap);
}

mm_value mm_gaps_mean(const mm_gaps *gaps)
{
    return mm_ratio(gaps->sum, gaps->voxels, MM_NO_VOXELS);
}

mm_value mm_gaps_root(const mm_gaps *gaps)
{
    mm_value mean = mm_ratio(gaps->squares, gaps->voxels, MM_NO_VOXELS);

    mean.value = sqrt(mean.value);
    return mean;
}

mm_value mm_gaps_greatest(const mm_gaps *gaps)
{
    return gaps->voxels > 0.0 ? mm_defined(gaps->greatest) : mm_undefined(MM_NO_VOXELS);
}
