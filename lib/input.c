/*
 * input.c - what pred, label and mask mean: fits shapes, dtypes and parameters together without reading a voxel.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/chunk.h"
#include "lib/tensor.h"

/* Fills the problem and returns status, so that a check is one line. */
__attribute__((format(printf, 5, 6))) static mm_status fail(mm_problem *problem, mm_status status, const char *param,
                                                            const char *tensor, const char *format, ...)
{
    if (problem != NULL) {
        va_list args;

        *problem = (mm_problem){.has_index = 0};
        snprintf(problem->param, sizeof problem->param, "%s", param);
        snprintf(problem->tensor, sizeof problem->tensor, "%s", tensor);
        va_start(args, format);
        vsnprintf(problem->text, sizeof problem->text, format, args);
        va_end(args);
    }
    return status;
}

/* "[2,3,16,16]" */
static const char *shape_text(const mm_tensor *tensor, char text[128])
{
    size_t used = 0;

    text[used++] = '[';
    for (unsigned i = 0; i < tensor->rank; i++)
        used += (size_t)snprintf(text + used, 128 - used, "%s%zu", i == 0 ? "" : ",", tensor->dim[i]);
    snprintf(text + used, 128 - used, "]");
    return text;
}

static mm_status check_tensor(const mm_tensor *tensor, const char *name, mm_problem *problem)
{
    size_t bytes;

    if (tensor->data == NULL)
        return fail(problem, MM_BAD_SHAPE, "", name, "tensor %s is missing", name);
    for (unsigned i = 0; i < tensor->rank; i++)
        if (tensor->dim[i] == 0)
            return fail(problem, MM_BAD_SHAPE, "", name, "axis %u of %s has length 0", i, name);
    if (mm_tensor_bytes(tensor, &bytes) != MM_OK)
        return fail(problem, MM_BAD_SHAPE, "", name, "%s has more elements than memory can hold", name);
    return MM_OK;
}

/* ------------------------------------------------------------- prediction */

/* Do the shapes agree when an axis of length 1 at the class position of `label` is left out? */
static int same_map_shape(const mm_tensor *pred, const mm_tensor *label, int channels_last)
{
    const unsigned at = channels_last ? label->rank - 1 : 1;
    unsigned j = 0;

    if (pred->rank == label->rank)
        return memcmp(pred->dim, label->dim, pred->rank * sizeof pred->dim[0]) == 0;
    if (pred->rank + 1 != label->rank || label->dim[at] != 1)
        return 0;
    for (unsigned i = 0; i < label->rank; i++)
        if (i != at && label->dim[i] != pred->dim[j++])
            return 0;
    return 1;
}

static mm_status default_pred_kind(const mm_input *input, mm_shape *shape, mm_problem *problem)
{
    const mm_tensor *pred = &input->pred;

    if (input->pred_kind != MM_PRED_AUTO)
        shape->pred_kind = input->pred_kind;
    else if (mm_dtype_is_float(pred->dtype))
        shape->pred_kind = MM_PROBS;
    else if (pred->dtype == MM_BOOL)
        shape->pred_kind = MM_MASKS;
    else if (input->label_kind != MM_ONEHOT && same_map_shape(pred, &input->label, input->channels_last))
        shape->pred_kind = MM_LABELS;
    else
        return fail(problem, MM_BAD_PARAM, "pred_kind", "pred",
                    "pred_kind must be given for an integer pred with a class axis: masks or probs_u8");
    return MM_OK;
}

/* May a pred of this kind have that dtype? */
static mm_status check_pred_dtype(const mm_input *input, const mm_shape *shape, mm_problem *problem)
{
    const mm_dtype dtype = input->pred.dtype;
    const char *name = mm_dtype_name(dtype);

    switch (shape->pred_kind) {
    case MM_PROBS:
    case MM_LOGITS:
        if (!mm_dtype_is_float(dtype))
            return fail(problem, MM_BAD_VALUE, "pred_kind", "pred", "pred is %s: probs and logits are floating point",
                        name);
        break;
    case MM_PROBS_U8:
        if (dtype != MM_U8)
            return fail(problem, MM_BAD_VALUE, "pred_kind", "pred", "pred is %s: probs_u8 is U8", name);
        break;
    case MM_LABELS:
        if (mm_dtype_is_float(dtype) || dtype == MM_U64 || dtype == MM_BOOL)
            return fail(problem, MM_BAD_VALUE, "pred_kind", "pred",
                        "pred is %s: a label map is U8, I8, U16, I16, U32, I32 or I64", name);
        break;
    case MM_MASKS:
    case MM_PRED_AUTO:
        if (dtype == MM_U64 || dtype == MM_I8 || (dtype >= MM_U16 && dtype <= MM_I64))
            return fail(problem, MM_BAD_VALUE, "pred_kind", "pred", "pred is %s: masks are BOOL, U8 or floating point",
                        name);
        break;
    }
    return MM_OK;
}

/* Splits the axes of pred into N, C (where it has one) and space. */
static mm_status split_pred(const mm_input *input, mm_shape *shape, mm_problem *problem)
{
    const mm_tensor *pred = &input->pred;
    char text[128];

    shape->pred_has_classes = shape->pred_kind != MM_LABELS;
    const unsigned extra = shape->pred_has_classes ? 2 : 1;

    if (pred->rank < extra + 1 || pred->rank > extra + 3)
        return fail(problem, MM_BAD_SHAPE, "", "pred", "pred has shape %s: %s with 1 to 3 spatial axes is expected",
                    shape_text(pred, text), shape->pred_has_classes ? "[N,C,...]" : "[N,...]");
    shape->spatial_rank = pred->rank - extra;
    shape->images = pred->dim[0];
    const unsigned first = shape->pred_has_classes && !input->channels_last ? 2 : 1;
    shape->voxels = 1;
    for (unsigned i = 0; i < shape->spatial_rank; i++) {
        shape->spatial[i] = pred->dim[first + i];
        shape->voxels *= pred->dim[first + i]; /* mm_tensor_bytes() has checked the product */
    }
    if (shape->pred_has_classes)
        shape->classes = pred->dim[input->channels_last ? pred->rank - 1 : 1];
    return MM_OK;
}

static mm_status check_classes(const mm_input *input, mm_shape *shape, mm_problem *problem)
{
    const size_t asked = input->max_classes;
    const size_t most = asked == 0 || asked > MM_MAX_CLASSES ? MM_MAX_CLASSES : asked;

    if (!shape->pred_has_classes) {
        if (input->classes == 0)
            return fail(problem, MM_BAD_PARAM, "classes", "pred",
                        "classes or num_classes is required when pred has no class axis");
        shape->classes = input->classes;
    } else if (input->classes != 0 && input->classes != shape->classes) {
        return fail(problem, MM_BAD_PARAM, "classes", "pred", "%zu classes are named but pred has %zu", input->classes,
                    shape->classes);
    }
    if (shape->classes > most)
        return fail(problem, MM_BAD_SHAPE, shape->pred_has_classes ? "" : "num_classes", "pred",
                    "%zu classes: this server takes at most %zu", shape->classes, most);
    return MM_OK;
}

static mm_status decide_task(const mm_input *input, mm_shape *shape, mm_problem *problem)
{
    if (input->task == MM_MULTICLASS && shape->classes == 1)
        return fail(problem, MM_BAD_PARAM, "task", "", "task=multiclass needs at least 2 classes");
    shape->task = input->task;
    if (shape->task == MM_TASK_AUTO)
        shape->task = shape->classes > 1 ? MM_MULTICLASS : MM_MULTILABEL;
    return MM_OK;
}

/* ------------------------------------------------------------------- label */

/* Do the axes of tensor, from `first` on, equal the spatial ones? */
static int is_spatial(const mm_tensor *tensor, unsigned first, const mm_shape *shape)
{
    return memcmp(tensor->dim + first, shape->spatial, shape->spatial_rank * sizeof shape->spatial[0]) == 0;
}

/* Length of the class axis of an [N,C,spatial] or [N,spatial,C] tensor that fits; 0 when it does not. */
static size_t class_axis(const mm_tensor *tensor, const mm_shape *shape, int channels_last)
{
    if (tensor->rank != shape->spatial_rank + 2 || tensor->dim[0] != shape->images)
        return 0;
    if (!is_spatial(tensor, channels_last ? 1 : 2, shape))
        return 0;
    return tensor->dim[channels_last ? tensor->rank - 1 : 1];
}

static mm_status split_label(const mm_input *input, mm_shape *shape, mm_problem *problem)
{
    const mm_tensor *label = &input->label;
    const int plain =
        label->rank == shape->spatial_rank + 1 && label->dim[0] == shape->images && is_spatial(label, 1, shape);
    const size_t axis = class_axis(label, shape, input->channels_last);
    char text[2][128];

    shape->label_has_classes = !plain;
    if (shape->classes == 1 && (plain || axis == 1))
        shape->label_kind = MM_ONEHOT; /* the mask itself, whatever label_kind says */
    else if (plain || (axis == 1 && input->label_kind != MM_ONEHOT))
        shape->label_kind = MM_INDEX;
    else if (axis == shape->classes && input->label_kind != MM_INDEX)
        shape->label_kind = MM_ONEHOT;
    else
        return fail(problem, MM_BAD_SHAPE, "", "label", "label has shape %s, which does not fit pred %s with %zu %s",
                    shape_text(label, text[0]), shape_text(&input->pred, text[1]), shape->classes,
                    shape->classes == 1 ? "class" : "classes");
    if (shape->classes > 1 && shape->label_kind == MM_INDEX && input->label_kind == MM_ONEHOT)
        return fail(problem, MM_BAD_SHAPE, "label_kind", "label",
                    "label has shape %s: onehot needs a class axis of %zu", shape_text(label, text[0]), shape->classes);
    if (shape->label_kind == MM_INDEX && mm_dtype_is_float(label->dtype))
        return fail(problem, MM_BAD_VALUE, "", "label", "label is %s: an index map has an integer type",
                    mm_dtype_name(label->dtype));
    return MM_OK;
}

/* -------------------------------------------------------------------- rest */

static mm_status check_mask(const mm_input *input, const mm_shape *shape, mm_problem *problem)
{
    const mm_tensor *mask = &input->mask;
    char text[2][128];

    if (mask->data == NULL)
        return MM_OK;
    mm_status status = check_tensor(mask, "mask", problem);
    if (status != MM_OK)
        return status;
    if (mask->dtype != MM_BOOL && mask->dtype != MM_U8)
        return fail(problem, MM_BAD_VALUE, "", "mask", "mask is %s: BOOL or U8 is expected",
                    mm_dtype_name(mask->dtype));
    if (mask->rank != shape->spatial_rank + 1 || mask->dim[0] != shape->images || !is_spatial(mask, 1, shape))
        return fail(problem, MM_BAD_SHAPE, "", "mask", "mask has shape %s, which does not fit pred %s",
                    shape_text(mask, text[0]), shape_text(&input->pred, text[1]));
    return MM_OK;
}

static mm_status check_numbers(const mm_input *input, const mm_shape *shape, mm_problem *problem)
{
    if (!isfinite(input->threshold))
        return fail(problem, MM_BAD_PARAM, "threshold", "", "threshold must be a finite number");
    if (input->spacing == NULL)
        return MM_OK;
    if (input->spacing_count != shape->spatial_rank)
        return fail(problem, MM_BAD_PARAM, "spacing", "", "spacing has %zu numbers, the images have %u spatial axes",
                    input->spacing_count, shape->spatial_rank);
    for (size_t i = 0; i < input->spacing_count; i++)
        if (!(input->spacing[i] >= MM_SPACING_LEAST && input->spacing[i] <= MM_SPACING_MOST))
            return fail(problem, MM_BAD_PARAM, "spacing", "", "spacing must be from %g to %g", MM_SPACING_LEAST,
                        MM_SPACING_MOST);
    return MM_OK;
}

mm_status mm_input_shape(const mm_input *input, mm_shape *out, mm_problem *problem)
{
    mm_shape shape = {.images = 0};
    mm_status status = check_tensor(&input->pred, "pred", problem);

    if (status == MM_OK)
        status = check_tensor(&input->label, "label", problem);
    if (status == MM_OK)
        status = default_pred_kind(input, &shape, problem);
    if (status == MM_OK)
        status = check_pred_dtype(input, &shape, problem);
    if (status == MM_OK)
        status = split_pred(input, &shape, problem);
    if (status == MM_OK)
        status = check_classes(input, &shape, problem);
    if (status == MM_OK)
        status = decide_task(input, &shape, problem);
    if (status == MM_OK)
        status = split_label(input, &shape, problem);
    if (status == MM_OK)
        status = check_mask(input, &shape, problem);
    if (status == MM_OK)
        status = check_numbers(input, &shape, problem);
    if (status == MM_OK)
        *out = shape;
    return status;
}
