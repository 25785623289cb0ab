/*
 * peer_monai.c - what the files of MONAI 1.5's functions share: classes, weights, means.
 */
#include "lib/peer_monai.h"

/* --------------------------------------------------------------- arguments */

size_t mm_monai_first(const mm_arg *include_background, const mm_args *args)
{
    return include_background->number == 0.0 && args->classes > 1;
}

unsigned mm_monai_form(const mm_args *args)
{
    if (args->own[MM_MONAI_SIGMOID].number != 0.0)
        return MM_FORM_SIGMOID;
    return args->own[MM_MONAI_SOFTMAX].number != 0.0 ? MM_FORM_SOFTMAX : MM_FORM_SENT;
}

const char *mm_monai_check_onehot(const mm_arg *to_onehot, const mm_args *args)
{
    return to_onehot->number != 0.0 && args->classes > 1 && args->label_kind == MM_ONEHOT
               ? "to_onehot_y=true needs a label of class indices, but the label has a class axis"
               : NULL;
}

const char *mm_monai_check(const mm_args *args)
{
    if (args->own[MM_MONAI_SIGMOID].number != 0.0 && args->own[MM_MONAI_SOFTMAX].number != 0.0)
        return "sigmoid and softmax exclude each other";
    return mm_monai_check_onehot(&args->own[MM_MONAI_ONEHOT], args);
}

const char *mm_monai_check_weight(const mm_arg *weight, size_t first, const mm_args *args)
{
    const size_t scored = args->classes - first;

    return weight->list == NULL || scored == 1 || weight->count == scored
               ? NULL
               : "weight takes one number for each scored class (without class 0 when include_background=false)";
}

/* ------------------------------------------------------------------- losses */

mm_monai_mean mm_monai_mean_of(const mm_args *args, const mm_arg *weight)
{
    return (mm_monai_mean){.first = mm_monai_first(&args->own[MM_MONAI_BACKGROUND], args),
                           .batch = args->own[MM_MONAI_BATCH].number != 0.0,
                           .reduction = args->own[MM_MONAI_REDUCTION].word,
                           .weight = weight};
}

double mm_monai_weight(const mm_monai_mean *mean, size_t c, const mm_args *args)
{
    const mm_arg *weight = mean->weight;

    if (weight == NULL || mm_is_word(weight) || args->classes - mean->first == 1)
        return 1.0;
    if (weight->list == NULL)
        return weight->number;
    return weight->list[weight->count == args->classes ? c : c - mean->first];
}

mm_value mm_monai_reduced(const mm_mean *all, int reduction)
{
    return reduction == MM_MONAI_SUM && all->reason == MM_DEFINED ? mm_mean_sum(all) : mm_mean_complete(all);
}

void mm_monai_losses(const mm_cells *cells, const mm_args *args, const mm_monai_mean *mean, mm_cell_value value,
                     mm_value *list)
{
    const size_t rows = mean->batch ? 1 : cells->images->count, classes = cells->images->classes - mean->first;
    mm_mean all = {.count = 0};

    for (size_t n = 0; n < rows; n++)
        for (size_t c = 0; c < classes; c++) {
            const size_t at = mean->first + c;
            const mm_group x = mean->batch ? mm_cell_pooled(cells, at) : mm_cell(cells, n, at);
            mm_value loss = value(&x, args);

            loss.value *= mm_monai_weight(mean, at, args);
            mm_mean_add(&all, loss, 1.0);
            if (mean->reduction == MM_MONAI_NONE)
                list[n * classes + c] = loss;
        }
    if (mean->reduction != MM_MONAI_NONE)
        *list = mm_monai_reduced(&all, mean->reduction);
}

unsigned mm_monai_shape(const mm_args *args, size_t images, size_t dim[3])
{
    const mm_monai_mean mean = mm_monai_mean_of(args, NULL);
    unsigned rank = 0;

    if (mean.reduction != MM_MONAI_NONE)
        return 0;
    if (!mean.batch)
        dim[rank++] = images;
    dim[rank++] = args->classes - mean.first;
    return rank;
}
