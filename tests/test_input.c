/*
 * test_input.c - how shapes, dtypes and parameters fit together: API.md's rules, one case a line.
 */
#include "tests/suites.h"

#include <math.h>
#include <string.h>

#include "lib/maskmeter.h"

typedef struct shape {
    mm_dtype dtype;
    unsigned rank;
    size_t dim[5];
} shape;

static mm_tensor tensor_of(const shape *from)
{
    mm_tensor tensor = {.data = from->rank == 0 ? NULL : "", .dtype = from->dtype, .rank = from->rank};

    memcpy(tensor.dim, from->dim, sizeof tensor.dim);
    return tensor;
}

/* clang-format off */
static const struct {
    shape         pred, label;
    mm_task       task;
    mm_pred_kind  kind;
    mm_label_kind label_kind;
    int           last;
    size_t        classes;
    size_t        images, c, voxels; /* what comes out */
    mm_task       task_out;
    mm_pred_kind  kind_out;
    mm_label_kind label_out;
} good[] = {
    /* probabilities and an index map; the map may have an axis of length 1 */
    {{MM_F32, 4, {2,3,4,5}},   {MM_U8,  3, {2,4,5}},     0, 0, 0, 0, 0,  2, 3, 20, MM_MULTICLASS, MM_PROBS,  MM_INDEX},
    {{MM_F16, 4, {2,3,4,5}},   {MM_I64, 4, {2,1,4,5}},   0, 0, 0, 0, 3,  2, 3, 20, MM_MULTICLASS, MM_PROBS,  MM_INDEX},
    {{MM_F64, 3, {2,3,9}},     {MM_U16, 2, {2,9}},       0, MM_LOGITS, 0, 0, 0,  2, 3, 9, MM_MULTICLASS, MM_LOGITS, MM_INDEX},
    {{MM_F32, 5, {1,2,3,4,5}}, {MM_I32, 4, {1,3,4,5}},   MM_MULTILABEL, 0, 0, 0, 0,  1, 2, 60, MM_MULTILABEL, MM_PROBS, MM_INDEX},
    /* one-hot, channels first and last */
    {{MM_F32, 4, {2,3,4,5}},   {MM_F32, 4, {2,3,4,5}},   0, 0, 0, 0, 0,  2, 3, 20, MM_MULTICLASS, MM_PROBS,  MM_ONEHOT},
    {{MM_F32, 4, {2,4,5,3}},   {MM_BOOL,4, {2,4,5,3}},   0, 0, 0, 1, 0,  2, 3, 20, MM_MULTICLASS, MM_PROBS,  MM_ONEHOT},
    {{MM_F32, 4, {2,4,5,3}},   {MM_U8,  4, {2,4,5,1}},   0, 0, 0, 1, 0,  2, 3, 20, MM_MULTICLASS, MM_PROBS,  MM_INDEX},
    {{MM_F32, 4, {2,4,5,3}},   {MM_U8,  3, {2,4,5}},     0, 0, 0, 1, 0,  2, 3, 20, MM_MULTICLASS, MM_PROBS,  MM_INDEX},
    /* one class: the label is the mask, with or without axis, whatever label_kind says */
    {{MM_F32, 4, {2,1,4,5}},   {MM_U8,  3, {2,4,5}},     0, 0, 0, 0, 0,  2, 1, 20, MM_MULTILABEL, MM_PROBS,  MM_ONEHOT},
    {{MM_F32, 4, {2,1,4,5}},   {MM_F32, 4, {2,1,4,5}},   0, 0, MM_INDEX, 0, 0,  2, 1, 20, MM_MULTILABEL, MM_PROBS, MM_ONEHOT},
    /* hard label maps: an integer pred of the label's shape */
    {{MM_U8,  3, {2,4,5}},     {MM_U8,  3, {2,4,5}},     0, 0, 0, 0, 7,  2, 7, 20, MM_MULTICLASS, MM_LABELS, MM_INDEX},
    {{MM_I16, 3, {2,4,5}},     {MM_U8,  4, {2,1,4,5}},   0, 0, 0, 0, 7,  2, 7, 20, MM_MULTICLASS, MM_LABELS, MM_INDEX},
    {{MM_U8,  4, {2,4,5,6}},   {MM_U8,  4, {2,4,5,6}},   0, 0, 0, 0, 4,  2, 4, 120, MM_MULTICLASS, MM_LABELS, MM_INDEX},
    {{MM_I64, 3, {2,4,5}},     {MM_F32, 4, {2,3,4,5}},   0, MM_LABELS, 0, 0, 3,  2, 3, 20, MM_MULTICLASS, MM_LABELS, MM_ONEHOT},
    /* masks and bytes have a class axis */
    {{MM_BOOL,4, {2,4,5,6}},   {MM_U8,  4, {2,4,5,6}},   0, 0, 0, 0, 0,  2, 4, 30, MM_MULTICLASS, MM_MASKS,  MM_ONEHOT},
    {{MM_U8,  4, {2,4,5,6}},   {MM_U8,  4, {2,4,5,6}},   0, MM_MASKS, 0, 0, 0,  2, 4, 30, MM_MULTICLASS, MM_MASKS, MM_ONEHOT},
    {{MM_U8,  4, {2,4,5,6}},   {MM_U8,  3, {2,5,6}},     0, MM_PROBS_U8, 0, 0, 0,  2, 4, 30, MM_MULTICLASS, MM_PROBS_U8, MM_INDEX},
    {{MM_F32, 4, {2,4,5,6}},   {MM_U8,  3, {2,5,6}},     0, MM_MASKS, 0, 0, 0,  2, 4, 30, MM_MULTICLASS, MM_MASKS, MM_INDEX},
};

static const struct {
    shape         pred, label, mask;
    mm_task       task;
    mm_pred_kind  kind;
    mm_label_kind label_kind;
    size_t        classes;
    mm_status     status;
    const char   *param, *tensor;
} bad[] = {
    {{0},                      {MM_U8,  3, {2,4,5}},     {0}, 0, 0, 0, 0, MM_BAD_SHAPE, "", "pred"},
    {{MM_F32, 4, {2,3,4,5}},   {0},                      {0}, 0, 0, 0, 0, MM_BAD_SHAPE, "", "label"},
    {{MM_F32, 4, {2,3,0,5}},   {MM_U8,  3, {2,0,5}},     {0}, 0, 0, 0, 0, MM_BAD_SHAPE, "", "pred"},
    {{MM_F32, 4, {2,3,4,5}},   {MM_U8,  3, {3,4,5}},     {0}, 0, 0, 0, 0, MM_BAD_SHAPE, "", "label"},
    {{MM_F32, 4, {2,3,4,5}},   {MM_U8,  3, {2,5,4}},     {0}, 0, 0, 0, 0, MM_BAD_SHAPE, "", "label"},
    {{MM_F32, 4, {2,3,4,5}},   {MM_U8,  4, {2,2,4,5}},   {0}, 0, 0, 0, 0, MM_BAD_SHAPE, "", "label"},
    {{MM_F32, 4, {2,3,4,5}},   {MM_U8,  4, {2,3,4,5}},   {0}, 0, 0, MM_INDEX, 0, MM_BAD_SHAPE, "", "label"},
    {{MM_F32, 4, {2,3,4,5}},   {MM_U8,  3, {2,4,5}},     {0}, 0, 0, MM_ONEHOT, 0, MM_BAD_SHAPE, "label_kind", "label"},
    {{MM_F32, 4, {2,3,4,5}},   {MM_F32, 3, {2,4,5}},     {0}, 0, 0, 0, 0, MM_BAD_VALUE, "", "label"},
    {{MM_F32, 2, {2,3}},       {MM_U8,  1, {2}},         {0}, 0, 0, 0, 0, MM_BAD_SHAPE, "", "pred"},
    {{MM_F32, 4, {2,3,4,5}},   {MM_U8,  3, {2,4,5}},     {0}, 0, 0, 0, 4, MM_BAD_PARAM, "classes", "pred"},
    {{MM_F32, 4, {2,1,4,5}},   {MM_U8,  3, {2,4,5}},     {0}, MM_MULTICLASS, 0, 0, 0, MM_BAD_PARAM, "task", ""},
    {{MM_U8,  3, {2,4,5}},     {MM_U8,  3, {2,4,5}},     {0}, 0, 0, 0, 0, MM_BAD_PARAM, "classes", "pred"},
    {{MM_U8,  4, {2,4,5,6}},   {MM_U8,  3, {2,5,6}},     {0}, 0, 0, 0, 0, MM_BAD_PARAM, "pred_kind", "pred"},
    {{MM_U8,  4, {2,4,5,6}},   {MM_U8,  4, {2,4,5,6}},   {0}, 0, 0, MM_ONEHOT, 0, MM_BAD_PARAM, "pred_kind", "pred"},
    {{MM_U16, 4, {2,4,5,6}},   {MM_U8,  3, {2,5,6}},     {0}, 0, MM_MASKS, 0, 0, MM_BAD_VALUE, "pred_kind", "pred"},
    {{MM_U8,  4, {2,4,5,6}},   {MM_U8,  3, {2,5,6}},     {0}, 0, MM_PROBS, 0, 0, MM_BAD_VALUE, "pred_kind", "pred"},
    {{MM_F32, 4, {2,4,5,6}},   {MM_U8,  3, {2,5,6}},     {0}, 0, MM_PROBS_U8, 0, 0, MM_BAD_VALUE, "pred_kind", "pred"},
    {{MM_F32, 3, {2,5,6}},     {MM_U8,  3, {2,5,6}},     {0}, 0, MM_LABELS, 0, 3, MM_BAD_VALUE, "pred_kind", "pred"},
    {{MM_U64, 3, {2,5,6}},     {MM_U8,  3, {2,5,6}},     {0}, 0, MM_LABELS, 0, 3, MM_BAD_VALUE, "pred_kind", "pred"},
    {{MM_F32, 4, {1,5000,1,1}},{MM_U16, 3, {1,1,1}},     {0}, 0, 0, 0, 0, MM_BAD_SHAPE, "", "pred"},
    {{MM_U16, 3, {1,1,1}},     {MM_U16, 3, {1,1,1}},     {0}, 0, 0, 0, 65536, MM_BAD_SHAPE, "num_classes", "pred"},
    {{MM_F32, 4, {2,3,4,5}},   {MM_U8,  3, {2,4,5}},     {MM_U8,  3, {2,4,4}}, 0, 0, 0, 0, MM_BAD_SHAPE, "", "mask"},
    {{MM_F32, 4, {2,3,4,5}},   {MM_U8,  3, {2,4,5}},     {MM_F32, 3, {2,4,5}}, 0, 0, 0, 0, MM_BAD_VALUE, "", "mask"},
    {{MM_F32, 4, {2,3,(size_t)1<<40,(size_t)1<<40}}, {MM_U8, 3, {2,4,5}}, {0}, 0, 0, 0, 0, MM_BAD_SHAPE, "", "pred"},
};
/* clang-format on */

static void fits(void)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const mm_input input = {.pred = tensor_of(&good[i].pred),
                                .label = tensor_of(&good[i].label),
                                .task = good[i].task,
                                .pred_kind = good[i].kind,
                                .label_kind = good[i].label_kind,
                                .channels_last = good[i].last,
                                .classes = good[i].classes,
                                .threshold = 0.5};
        mm_shape out;
        mm_problem problem;

        CU_ASSERT_EQUAL_FATAL(mm_input_shape(&input, &out, &problem), MM_OK);
        CU_ASSERT_EQUAL(out.images, good[i].images);
        CU_ASSERT_EQUAL(out.classes, good[i].c);
        CU_ASSERT_EQUAL(out.voxels, good[i].voxels);
        CU_ASSERT_EQUAL(out.task, good[i].task_out);
        CU_ASSERT_EQUAL(out.pred_kind, good[i].kind_out);
        CU_ASSERT_EQUAL(out.label_kind, good[i].label_out);
    }
}

static void does_not_fit(void)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const mm_input input = {.pred = tensor_of(&bad[i].pred),
                                .label = tensor_of(&bad[i].label),
                                .mask = tensor_of(&bad[i].mask),
                                .task = bad[i].task,
                                .pred_kind = bad[i].kind,
                                .label_kind = bad[i].label_kind,
                                .classes = bad[i].classes,
                                .threshold = 0.5};
        mm_shape out = {.images = 99};
        mm_problem problem = {.text = ""};

        CU_ASSERT_EQUAL(mm_input_shape(&input, &out, &problem), bad[i].status);
        CU_ASSERT_STRING_EQUAL(problem.param, bad[i].param);
        CU_ASSERT_STRING_EQUAL(problem.tensor, bad[i].tensor);
        CU_ASSERT(problem.text[0] != '\0');
        CU_ASSERT_EQUAL(out.images, 99);
        CU_ASSERT_EQUAL(mm_input_shape(&input, &out, NULL), bad[i].status);
    }
}

static void numbers(void)
{
    const double spacing[3] = {1.0, 2.0, 3.0}, zero[2] = {1.0, 0.0}, nan[2] = {NAN, 1.0};
    const double tiny[2] = {1.0, 1e-7}, huge[2] = {1e7, 1.0};
    mm_input input = {.pred = {"", MM_F32, 4, {2, 3, 4, 5}}, .label = {"", MM_U8, 3, {2, 4, 5}}, .threshold = 0.5};
    mm_shape out;
    mm_problem problem;

    input.spacing = spacing;
    input.spacing_count = 2;
    CU_ASSERT_EQUAL(mm_input_shape(&input, &out, &problem), MM_OK);
    input.spacing_count = 3;
    CU_ASSERT_EQUAL(mm_input_shape(&input, &out, &problem), MM_BAD_PARAM);
    CU_ASSERT_STRING_EQUAL(problem.param, "spacing");
    input.spacing_count = 2;
    input.spacing = zero;
    CU_ASSERT_EQUAL(mm_input_shape(&input, &out, &problem), MM_BAD_PARAM);
    input.spacing = nan;
    CU_ASSERT_EQUAL(mm_input_shape(&input, &out, &problem), MM_BAD_PARAM);
    input.spacing = tiny;
    CU_ASSERT_EQUAL(mm_input_shape(&input, &out, &problem), MM_BAD_PARAM);
    input.spacing = huge;
    CU_ASSERT_EQUAL(mm_input_shape(&input, &out, &problem), MM_BAD_PARAM);
    input.spacing = NULL;
    input.threshold = NAN;
    CU_ASSERT_EQUAL(mm_input_shape(&input, &out, &problem), MM_BAD_PARAM);
    CU_ASSERT_STRING_EQUAL(problem.param, "threshold");
    input.threshold = 0.5;
    input.max_classes = 2;
    CU_ASSERT_EQUAL(mm_input_shape(&input, &out, &problem), MM_BAD_SHAPE);
}

static CU_TestInfo tests[] = {
    {"what fits", fits},
    {"what does not", does_not_fit},
    {"spacing, threshold, limits", numbers},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_input = {"input", tests};
