/*
 * overlap.c - soft overlap of a group in its four measures, and classes weighted by volume.
 */
#include "lib/overlap.h"

#include <math.h>

/* places in mm_group.sum: P is P2 with squares, PG is A with l1; squared maps keep FP and FN where P and PG are */
enum { SUM_G, SUM_P, SUM_PG, SUM_GG };
enum { MAP_FP = SUM_P, MAP_TP = SUM_PG, MAP_FN = SUM_GG };

size_t mm_soft_stats(mm_overlap_of how, unsigned form, mm_stat *stats)
{
    static const unsigned kinds[][MM_SOFT_STATS] = {
        [MM_BY_PRODUCT] = {MM_SUM_G, MM_SUM_P, MM_SUM_PG, 0},
        [MM_BY_SQUARE] = {MM_SUM_G, MM_SUM_PP, MM_SUM_PG, MM_SUM_GG},
        [MM_BY_L1] = {MM_SUM_G, MM_SUM_P, MM_SUM_AD, 0},
        [MM_BY_SQUARED_MAP] = {MM_SUM_G, MM_SUM_SQUARED_FP, MM_SUM_SQUARED_TP, MM_SUM_SQUARED_FN},
    };
    size_t count = 0;

    for (; count < MM_SOFT_STATS && kinds[how][count] != 0; count++)
        stats[count] = (mm_stat){.kind = kinds[how][count], .form = form};
    return count;
}

mm_soft mm_soft_of(const mm_group *x, mm_overlap_of how)
{
    const double p = x->sum[SUM_P], g = how == MM_BY_SQUARE ? x->sum[SUM_GG] : x->sum[SUM_G];
    const double tp = how == MM_BY_L1 ? (p + g - x->sum[SUM_PG]) / 2.0 : x->sum[SUM_PG];

    if (how == MM_BY_SQUARED_MAP)
        return (mm_soft){.tp = x->sum[MAP_TP], .fp = x->sum[MAP_FP], .fn = x->sum[MAP_FN], .g = x->sum[SUM_G]};
    return (mm_soft){.tp = tp, .fp = p - tp, .fn = g - tp, .g = x->sum[SUM_G]};
}

mm_soft mm_soft_of_counts(const mm_group *x)
{
    return (mm_soft){.tp = (double)x->both,
                     .fp = (double)(x->pred - x->both),
                     .fn = (double)(x->label - x->both),
                     .g = (double)x->label};
}

mm_soft mm_soft_add(mm_soft a, double w, mm_soft b)
{
    return (mm_soft){.tp = a.tp + w * b.tp, .fp = a.fp + w * b.fp, .fn = a.fn + w * b.fn, .g = a.g + w * b.g};
}

mm_value mm_soft_score(const mm_soft *x, const mm_overlap *form)
{
    return mm_overlap_score(x->tp, x->fp, x->fn, form);
}

mm_value mm_one_minus(mm_value score)
{
    return score.reason == MM_DEFINED ? mm_defined(1.0 - score.value) : score;
}

/* Also of a small x, where cosh x - 1 = x^2/2 (1 + x^2/12 (1 + x^2/30 (...))) keeps its digits. */
double mm_log_cosh(double x)
{
    const double square = x * x;
    double series = 1.0;

    if (square > 1.0)
        return fabs(x) + mm_log1p(mm_exp(-2.0 * fabs(x))) - mm_log(2.0);
    for (unsigned n = 20; n > 2; n -= 2)
        series = 1.0 + series * square / (double)(n * (n - 1));
    return mm_log1p(square / 2.0 * series);
}

/* ------------------------------------------------------- weighted by volume */

/* 0 when it would be infinite. */
static double volume_weight(double g, mm_by_volume weight)
{
    const double below = weight == MM_VOLUME_UNIFORM ? 1.0 : weight == MM_VOLUME_SIMPLE ? g : g * g;
    const double w = below > 0.0 ? 1.0 / below : 0.0;

    return isfinite(w) ? w : 0.0;
}

mm_value mm_generalized_score(const mm_group *x, size_t count, mm_by_volume weight, mm_soft (*of)(const mm_group *x),
                              const mm_overlap *form)
{
    double greatest = 0.0;
    mm_soft all = {0};

    for (size_t i = 0; i < count; i++) {
        const double w = volume_weight(of(&x[i]).g, weight);

        greatest = w > greatest ? w : greatest;
    }
    for (size_t i = 0; i < count; i++) {
        const mm_soft own = of(&x[i]);
        const double w = volume_weight(own.g, weight);

        all = mm_soft_add(all, w > 0.0 ? w : greatest, own);
    }
    return mm_soft_score(&all, form);
}
