/*
 * wasserstein.c - generalized Wasserstein Dice of one image (Fidon et al. 2017).
 */
#include "lib/wasserstein.h"

static double distance_between(const mm_wasserstein *form, size_t label, size_t c)
{
    return form->distance != NULL ? form->distance[label * form->classes + c] : (double)(label != c);
}

static double greatest_distance(const mm_wasserstein *form)
{
    double greatest = 0.0;

    for (size_t label = 0; label < form->classes; label++)
        for (size_t c = 0; c < form->classes; c++)
            if (distance_between(form, label, c) > greatest)
                greatest = distance_between(form, label, c);
    return greatest;
}

mm_value mm_wasserstein_loss(const mm_group *x, size_t count, size_t by_label, const mm_wasserstein *form)
{
    const mm_overlap ratio = {.k = 2.0, .a = 1.0, .n0 = form->smooth_nr, .d0 = form->smooth_dr};
    const double greatest = greatest_distance(form);
    double right = 0.0, wrong = 0.0;
    mm_value score;

    for (size_t j = 0; j < count; j++) {
        const double voxels = (double)x[j].label, by_class = x[j].index == 0 ? 0.0 : 1.0;
        const double alpha = form->by_volume ? 1.0 / (voxels + 1.0) : by_class;
        double cost = 0.0; /* sum of W over the voxels of this label */

        for (size_t c = 0; c < count; c++)
            cost += distance_between(form, x[j].index, x[c].index) * mm_wide(&x[c], by_label, x[j].index);
        cost = greatest > 0.0 ? cost / greatest : 0.0;
        right += alpha * (voxels - cost);
        wrong += form->by_volume ? alpha * cost : cost;
    }
    score = mm_overlap_score(right, wrong, 0.0, &ratio);
    if (score.reason == MM_DEFINED)
        score.value = 1.0 - score.value;
    return score;
}
