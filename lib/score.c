/*
 * score.c - what every row is built from: groups of counts and sums, the general forms, the common parameters.
 */
#include "lib/score.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ values */

mm_value mm_undefined(mm_reason reason)
{
    return (mm_value){0.0, reason};
}

mm_value mm_defined(double value)
{
    return isfinite(value) ? (mm_value){value, MM_DEFINED} : mm_undefined(MM_ZERO_DENOMINATOR);
}

mm_value mm_ratio(double above, double below, mm_reason when_zero)
{
    return below == 0.0 ? mm_undefined(when_zero) : mm_defined(above / below);
}

/* (k TP + n0) / max(k TP + a FP + b FN + d0, eps) */
mm_value mm_overlap_score(double tp, double fp, double fn, const mm_overlap *form)
{
    const double below = form->k * tp + form->a * fp + form->b * fn + form->d0;

    return mm_ratio(form->k * tp + form->n0, form->eps > 0.0 && below < form->eps ? form->eps : below,
                    MM_ZERO_DENOMINATOR);
}

/* --------------------------------------------------------------- arguments */

double mm_arg_of_class(const mm_arg *arg, size_t c)
{
    return arg->list != NULL ? arg->list[c] : arg->number;
}

int mm_class_chosen(const mm_common *common, size_t c, size_t classes)
{
    if (common->chosen == MM_ALL)
        return 1;
    if (common->chosen == MM_FOREGROUND)
        return c > 0 || classes == 1;
    for (size_t i = 0; i < common->class_count; i++)
        if (common->class_list[i] == (double)c)
            return 1;
    return 0;
}

/* clang-format off */
#define OVER      {.name = "over", .type = MM_WORD, .standard = "image", .choices = "image|pooled", \
                   .meaning = "score each image, then average; or add up the sums of all images first"}
#define CLASSES   {.name = "classes", .type = MM_WORD_OR_LIST, .standard = "all", .choices = "all|foreground", .min = 0, .max = 4095, \
                   .meaning = "which classes to score: all, all but class 0, or a list of indices"}
#define STAT      {.name = "stat", .type = MM_WORD, .standard = "mean", .choices = "mean|min|max|p5|p25|p50|p75|p95", \
                   .meaning = "how the images are summarised (over=image); percentiles are linear"}
#define ABSENT    {.name = "absent", .type = MM_WORD, .standard = "skip", .choices = "skip|0|1", \
                   .meaning = "a class in neither label nor prediction: left out, or this value"}
#define NORMALIZE {.name = "normalize_weights", .type = MM_BOOLEAN, .standard = "true", \
                   .meaning = "divide the weighted sum by the sum of the weights; false: by their number"}
#define AVERAGE   {.name = "average", .type = MM_WORD, .standard = "macro", .choices = "macro|micro|weighted|support", \
                   .meaning = "mean over classes (losses use the request's weights); their sums added first; " \
                              "mean by the request's weights; mean by label voxels"}
/* Of an image as a whole: there are no sums to add up. */
#define IMAGE     {.name = "over", .type = MM_WORD, .standard = "image", .choices = "image", \
                   .meaning = "score each image, then average: the voxels of several images are never seen together"}
#define BY_CLASS  {.name = "average", .type = MM_WORD, .standard = "macro", .choices = "macro|weighted|support", \
                   .meaning = "mean over classes (losses use the request's weights); by the request's weights; " \
                              "by label voxels"}
#define BY_VOXEL  {.name = "average", .type = MM_WORD, .standard = "voxel", .choices = "voxel|macro", \
                   .meaning = "mean over voxels, or mean over classes, both by the request's weights"}

const mm_param mm_common_class[6]   = {OVER, CLASSES, STAT, ABSENT, AVERAGE, NORMALIZE};
const mm_param mm_common_count[5]   = {OVER, CLASSES, STAT, AVERAGE, NORMALIZE};
const mm_param mm_common_joint[4]   = {OVER, CLASSES, STAT, ABSENT};
const mm_param mm_common_whole[3]   = {OVER, CLASSES, STAT};
const mm_param mm_common_entropy[6] = {OVER, CLASSES, STAT, ABSENT, BY_VOXEL, NORMALIZE};
const mm_param mm_common_sum[5]     = {OVER, CLASSES, STAT, ABSENT, NORMALIZE};
const mm_param mm_common_image[6]   = {IMAGE, CLASSES, STAT, ABSENT, BY_CLASS, NORMALIZE};
const mm_param mm_common_image_joint[3] = {IMAGE, CLASSES, STAT};
const mm_param mm_common_image_sum[5]   = {IMAGE, CLASSES, STAT, ABSENT, NORMALIZE};
const mm_param mm_common_image_entropy[6] = {IMAGE, CLASSES, STAT, ABSENT, BY_VOXEL, NORMALIZE};
/* clang-format on */

/* The value of the common parameter `name`; NULL when the row does not have it. */
static const mm_arg *common_value(const mm_score_info *info, const mm_arg *values, const char *name)
{
    for (size_t i = 0; i < info->common_count; i++)
        if (strcmp(info->common[i].name, name) == 0)
            return &values[i];
    return NULL;
}

/* Class indices are whole numbers, each at most once. */
static const char *check_indices(const double *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] != floor(list[i]))
            return "classes takes whole numbers";
        for (size_t j = 0; j < i; j++)
            if (list[i] == list[j])
                return "classes names a class twice";
    }
    return NULL;
}

/* The choices of the lists above. */
static mm_average average_of(const mm_score_info *info, int word)
{
    static const mm_average by_class[] = {MM_MACRO, MM_WEIGHTED, MM_SUPPORT}, by_voxel[] = {MM_VOXEL, MM_MACRO};

    if (info->common == mm_common_image)
        return by_class[word];
    return info->common == mm_common_entropy || info->common == mm_common_image_entropy ? by_voxel[word]
                                                                                        : (mm_average)word;
}

const char *mm_common_resolve(mm_common *common, const mm_score_info *info, const mm_arg *values)
{
    const mm_arg *over = common_value(info, values, "over"), *classes = common_value(info, values, "classes");
    const mm_arg *stat = common_value(info, values, "stat"), *absent = common_value(info, values, "absent");
    const mm_arg *average = common_value(info, values, "average");
    const mm_arg *normalize = common_value(info, values, "normalize_weights");

    *common = (mm_common){.absent = -1, .normalize = 1};
    if (over == NULL) /* a peer */
        return NULL;
    common->pooled = over->word == 1;
    common->stat = (mm_stat_of)stat->word;
    common->chosen = classes->list != NULL ? MM_LISTED : (mm_chosen)classes->word;
    common->class_list = classes->list;
    common->class_count = classes->count;
    if (absent != NULL)
        common->absent = absent->word - 1;
    if (average != NULL)
        common->average = average_of(info, average->word);
    if (normalize != NULL)
        common->normalize = normalize->number != 0.0;
    if (common->pooled && common->stat != MM_MEAN)
        return "stat summarises images: it cannot go with over=pooled";
    return check_indices(common->class_list, common->class_count);
}

/* ------------------------------------------------------------------ groups */

double mm_wide(const mm_group *x, size_t i, size_t w)
{
    return x->wide[i][w * x->step];
}

mm_reason mm_whole_reason(const mm_group *x, size_t i)
{
    return (mm_reason)mm_wide(x, i, 0);
}

mm_group mm_cell(const mm_cells *cells, size_t image, size_t c)
{
    const mm_record *record = &cells->images->records[image];
    const size_t *column = cells->column + image * cells->need_count;
    mm_group x = {.scored = record->scored,
                  .ignored = record->unmasked - record->scored,
                  .label = record->label_count[c],
                  .pred = record->pred_count[c],
                  .both = record->both_count[c],
                  .support = (double)record->label_count[c],
                  .step = cells->images->classes,
                  .index = c};

    for (size_t i = 0; i < cells->need_count; i++) {
        x.wide[i] = (cells->batch[i] ? cells->images->batch.sums : record->sums) + column[i] + c;
        x.sum[i] = x.wide[i][0];
    }
    if (cells->support < cells->need_count)
        x.support = x.sum[cells->support];
    if (cells->table != NULL)
        x.row = record->confusion + c * cells->images->classes;
    return x;
}

/* The pairs of label c over all images. */
static const uint64_t *pooled_row(const mm_cells *cells, size_t c)
{
    const size_t classes = cells->images->classes;
    uint64_t *row = cells->table + c * classes;

    memset(row, 0, classes * sizeof *row);
    for (size_t n = 0; n < cells->images->count; n++)
        for (size_t j = 0; j < classes; j++)
            row[j] += cells->images->records[n].confusion[c * classes + j];
    return row;
}

/* The counts of class c over all images. */
static mm_group pooled_counts(const mm_cells *cells, size_t c)
{
    mm_group all = {.index = c, .step = 1};

    for (size_t n = 0; n < cells->images->count; n++) {
        const mm_record *record = &cells->images->records[n];

        all.scored += record->scored;
        all.ignored += record->unmasked - record->scored;
        all.label += record->label_count[c];
        all.pred += record->pred_count[c];
        all.both += record->both_count[c];
    }
    return all;
}

/* Value w of need i for class c, over all images. */
static double pooled_value(const mm_cells *cells, size_t i, size_t w, size_t c)
{
    const size_t classes = cells->images->classes;
    mm_exact exact = {.count = 0};

    for (size_t n = 0; n < cells->images->count; n++)
        mm_exact_add(&exact,
                     cells->images->records[n].sums[cells->column[n * cells->need_count + i] + w * classes + c]);
    return mm_exact_round(&exact);
}

mm_group mm_cell_pooled(const mm_cells *cells, size_t c)
{
    mm_group all = pooled_counts(cells, c);
    double *values = cells->pooled + c * cells->values;

    for (size_t i = 0; i < cells->need_count; i++) {
        for (size_t w = 0; w < cells->width[i]; w++)
            values[w] = cells->batch[i] ? mm_cell(cells, 0, c).wide[i][w * cells->images->classes]
                                        : pooled_value(cells, i, w, c);
        all.wide[i] = values;
        all.sum[i] = values[0];
        values += cells->width[i];
    }
    all.support = cells->support < cells->need_count ? all.sum[cells->support] : (double)all.label;
    if (cells->table != NULL)
        all.row = pooled_row(cells, c);
    return all;
}

const mm_group *mm_cells_of(const mm_cells *cells, size_t image)
{
    for (size_t c = 0; c < cells->images->classes; c++)
        cells->groups[c] = image == MM_ALL_IMAGES ? mm_cell_pooled(cells, c) : mm_cell(cells, image, c);
    return cells->groups;
}
