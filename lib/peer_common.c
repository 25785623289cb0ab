/*
 * peer_common.c - what the peers' files share: hard counts and rates, means, checks of arguments.
 */
#include "lib/peer_common.h"

#include <math.h>

/* ------------------------------------------------------------- hard counts */

mm_counts mm_counts_of(const mm_group *x)
{
    const double tp = (double)x->both, fp = (double)(x->pred - x->both), fn = (double)(x->label - x->both);

    return (mm_counts){.tp = tp, .fp = fp, .fn = fn, .tn = (double)x->scored - tp - fp - fn};
}

mm_counts mm_counts_add(mm_counts a, mm_counts b)
{
    return (mm_counts){.tp = a.tp + b.tp, .fp = a.fp + b.fp, .fn = a.fn + b.fn, .tn = a.tn + b.tn};
}

size_t mm_over_stats(double threshold, int strictly, mm_stat *stats)
{
    stats[0] = (mm_stat){.kind = MM_SUM_OVER, .more = {threshold, strictly ? 1.0 : 0.0}};
    stats[1] = (mm_stat){.kind = MM_SUM_OVER_G, .more = {threshold, strictly ? 1.0 : 0.0}};
    return MM_OVER_STATS;
}

mm_counts mm_counts_over(const mm_group *x)
{
    const double tp = x->sum[1], fp = x->sum[0] - tp, fn = (double)x->label - tp;

    return (mm_counts){.tp = tp, .fp = fp, .fn = fn, .tn = (double)x->scored - tp - fp - fn};
}

mm_counts mm_counts_of_image(const mm_cells *cells, size_t image)
{
    mm_counts all = {0};

    for (size_t c = 0; c < cells->images->classes; c++) {
        const mm_group x = mm_cell(cells, image, c);

        all = mm_counts_add(all, mm_counts_of(&x));
    }
    return all;
}

/* (sqrt(tpr fpr) - fpr) / (tpr - fpr) */
static double prevalence_threshold(double tpr, double fpr)
{
    return (sqrt(tpr * fpr) - fpr) / (tpr - fpr);
}

static double mcc_of(const mm_counts *x)
{
    return (x->tp * x->tn - x->fp * x->fn) /
           sqrt((x->tp + x->fp) * (x->tp + x->fn) * (x->tn + x->fp) * (x->tn + x->fn));
}

double mm_rate_of(mm_rate rate, const mm_counts *x, double beta)
{
    const double tpr = x->tp / (x->tp + x->fn), tnr = x->tn / (x->tn + x->fp);
    const double ppv = x->tp / (x->tp + x->fp), npv = x->tn / (x->tn + x->fn), fpr = x->fp / (x->tn + x->fp);
    const double above = (1.0 + beta * beta) * x->tp;

    switch (rate) {
    case MM_RATE_SENSITIVITY:
        return tpr;
    case MM_RATE_SPECIFICITY:
        return tnr;
    case MM_RATE_PRECISION:
        return ppv;
    case MM_RATE_NPV:
        return npv;
    case MM_RATE_MISS:
        return x->fn / (x->tp + x->fn);
    case MM_RATE_FALL_OUT:
        return fpr;
    case MM_RATE_FALSE_DISCOVERY:
        return x->fp / (x->tp + x->fp);
    case MM_RATE_FALSE_OMISSION:
        return x->fn / (x->tn + x->fn);
    case MM_RATE_PREVALENCE_THRESHOLD:
        return prevalence_threshold(tpr, fpr);
    case MM_RATE_IOU:
        return x->tp / (x->tp + x->fp + x->fn);
    case MM_RATE_ACCURACY:
        return (x->tp + x->tn) / (x->tp + x->fp + x->fn + x->tn);
    case MM_RATE_BALANCED_ACCURACY:
        return (tpr + tnr) / 2.0;
    case MM_RATE_FBETA:
        return above / (above + beta * beta * x->fn + x->fp);
    case MM_RATE_MCC:
        return mcc_of(x);
    case MM_RATE_FOWLKES_MALLOWS:
        return sqrt(ppv * tpr);
    case MM_RATE_INFORMEDNESS:
        return tpr + tnr - 1.0;
    case MM_RATE_MARKEDNESS:
        return ppv + npv - 1.0;
    case MM_RATE_POSITIVE_LIKELIHOOD:
        return tpr / fpr;
    default:
        return x->fn / (x->tp + x->fn) / tnr; /* MM_RATE_NEGATIVE_LIKELIHOOD */
    }
}

/* -------------------------------------------------------------------- means */

void mm_mean_add(mm_mean *mean, mm_value x, double weight)
{
    if (x.reason == MM_DEFINED) {
        mm_exact_add(&mean->above, weight * x.value);
        mm_exact_add(&mean->below, weight);
        mean->count++;
    } else if (mean->reason == MM_DEFINED || x.reason < mean->reason) {
        mean->reason = x.reason;
    }
}

static mm_value nothing(const mm_mean *mean)
{
    return mm_undefined(mean->reason == MM_DEFINED ? MM_NO_VOXELS : mean->reason);
}

mm_value mm_mean_value(const mm_mean *mean)
{
    if (mean->count == 0)
        return nothing(mean);
    return mm_ratio(mm_exact_round(&mean->above), mm_exact_round(&mean->below), MM_ZERO_DENOMINATOR);
}

mm_value mm_mean_sum(const mm_mean *mean)
{
    return mean->count == 0 ? nothing(mean) : mm_defined(mm_exact_round(&mean->above));
}

mm_value mm_mean_complete(const mm_mean *mean)
{
    return mean->reason == MM_DEFINED ? mm_mean_value(mean) : mm_undefined(mean->reason);
}

mm_value mm_mix(double a, mm_value x, double b, mm_value y)
{
    if (x.reason != MM_DEFINED || y.reason != MM_DEFINED)
        return x.reason != MM_DEFINED ? x : y;
    return mm_defined(a * x.value + b * y.value);
}

void mm_list_pooled(const mm_cells *cells, const mm_args *args, mm_cell_value value, mm_value *list)
{
    for (size_t c = 0; c < cells->images->classes; c++) {
        const mm_group x = mm_cell_pooled(cells, c);

        list[c] = value(&x, args);
    }
}

unsigned mm_shape_images_classes(const mm_args *args, size_t images, size_t dim[3])
{
    dim[0] = images;
    dim[1] = args->classes;
    return 2;
}

unsigned mm_shape_images(const mm_args *args, size_t images, size_t dim[3])
{
    (void)args;
    dim[0] = images;
    return 1;
}

unsigned mm_shape_classes(const mm_args *args, size_t images, size_t dim[3])
{
    (void)images;
    dim[0] = args->classes;
    return 1;
}

/* --------------------------------------------------------------- arguments */

int mm_is_word(const mm_arg *arg)
{
    return arg->word >= 0;
}

double mm_number_of_class(const mm_arg *arg, size_t c)
{
    return arg->list == NULL ? arg->number : arg->list[arg->count == 1 ? 0 : c];
}

double mm_weight_of_class(const mm_arg *arg, size_t c)
{
    return mm_is_word(arg) ? 1.0 : mm_number_of_class(arg, c);
}

const char *mm_check_classes(const mm_arg *arg, const mm_args *args)
{
    return mm_is_word(arg) || arg->number == (double)args->classes
               ? NULL
               : "parameter \"num_classes\" (\"num_labels\") must be the number of classes of the data";
}

const char *mm_check_per_class(const mm_arg *arg, const mm_args *args)
{
    return arg->list == NULL || arg->count == 1 || arg->count == args->classes
               ? NULL
               : "a list takes one number, or one for each class";
}
