/*
 * test_chunk.c - chunks of voxels: counts of any number of classes, and the same bits whatever the way they are read
 * and whatever the work space held before.
 */
#include "tests/suites.h"

#include <stdlib.h>
#include <string.h>

#include "lib/record.h"

enum { IMAGES = 2, VOXELS = 2500, MOST = 130, IGNORED = 999 };

/* Labels and predictions as indices, the same as masks, and probabilities; one voxel in ten is not scored. */
typedef struct given {
    size_t classes;
    uint16_t label[IMAGES * VOXELS], pred[IMAGES * VOXELS];
    unsigned char scored[IMAGES * VOXELS];
    unsigned char masks[IMAGES * MOST * VOXELS];
    float p[IMAGES * 7 * VOXELS];
    double last[IMAGES * 7 * VOXELS]; /* the same, class axis last */
} given;

static given *fill(size_t classes)
{
    given *x = calloc(1, sizeof *x);

    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    x->classes = classes;
    srand48((long)classes);
    for (size_t i = 0; i < IMAGES * VOXELS; i++) {
        const size_t n = i / VOXELS, v = i % VOXELS;
        double total = 0.0;

        x->scored[i] = lrand48() % 10 != 0;
        x->label[i] = (uint16_t)((size_t)lrand48() % classes);
        x->pred[i] = (uint16_t)(lrand48() % 2 ? x->label[i] : (size_t)lrand48() % classes);
        x->masks[(n * classes + x->label[i]) * VOXELS + v] = 1;
        for (size_t c = 0; c < classes && classes <= 7; c++)
            total += x->last[i * classes + c] = (double)(1 + lrand48() % 100 + (c == x->pred[i] ? 100 : 0));
        for (size_t c = 0; c < classes && classes <= 7; c++) {
            x->p[(n * classes + c) * VOXELS + v] = (float)(x->last[i * classes + c] / total);
            x->last[i * classes + c] = (double)x->p[(n * classes + c) * VOXELS + v];
        }
    }
    return x;
}

static mm_tensor flat(mm_dtype dtype, const void *data)
{
    return (mm_tensor){.data = data, .dtype = dtype, .rank = 2, .dim = {IMAGES, VOXELS}};
}

static mm_tensor planes(const given *x, mm_dtype dtype, const void *data)
{
    return (mm_tensor){.data = data, .dtype = dtype, .rank = 3, .dim = {IMAGES, x->classes, VOXELS}};
}

/* Scores the input in a work space whose bytes are all `before`. */
static mm_images *run(const mm_input *input, const char *scores, int before, mm_status *status, mm_problem *problem)
{
    static const char *const ids[IMAGES] = {"a", "b"};
    void *scratch = aligned_alloc(64, MM_SCRATCH_BYTES);
    mm_images *images = NULL;
    mm_plan *plan = NULL;
    mm_eval *eval = NULL;
    mm_shape shape;

    CU_ASSERT_PTR_NOT_NULL_FATAL(scratch);
    memset(scratch, before, MM_SCRATCH_BYTES);
    CU_ASSERT_EQUAL_FATAL(mm_input_shape(input, &shape, problem), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_plan_new(&plan, scores, problem), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_plan_bind(plan, &shape, problem), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_eval_new(&eval, input, plan, MM_KEEP_CONFUSION, problem), MM_OK);
    mm_eval_run(eval, scratch, 1);
    *status = mm_eval_finish(eval, ids, &images, problem);
    mm_eval_free(eval);
    mm_plan_free(plan);
    free(scratch);
    return images;
}

static mm_images *fine(const mm_input *input, const char *scores, int before)
{
    mm_problem problem;
    mm_status status;
    mm_images *images = run(input, scores, before, &status, &problem);

    CU_ASSERT_EQUAL_FATAL(status, MM_OK);
    return images;
}

/* --------------------------------------------------------------------- counts */

/* Pairs of the scored voxels of image n, one by one. */
static int counts_are_right(const given *x, const mm_record *record, size_t n)
{
    static uint64_t pairs[MOST * MOST];
    uint64_t scored = 0;
    int right = 1;

    memset(pairs, 0, sizeof pairs);
    for (size_t i = n * VOXELS; i < (n + 1) * VOXELS; i++)
        if (x->scored[i]) {
            pairs[x->label[i] * x->classes + x->pred[i]]++;
            scored++;
        }
    for (size_t c = 0; c < x->classes; c++) {
        uint64_t label = 0, pred = 0;

        for (size_t j = 0; j < x->classes; j++) {
            label += pairs[c * x->classes + j];
            pred += pairs[j * x->classes + c];
            right = right &&
                    (record->confusion == NULL || record->confusion[c * x->classes + j] == pairs[c * x->classes + j]);
        }
        right = right && record->label_count[c] == label && record->pred_count[c] == pred &&
                record->both_count[c] == pairs[c * x->classes + c];
    }
    return right && record->scored == scored;
}

/* Tables of few, of some and of many classes are filled in different ways: masked voxels and ignored ones left out. */
static void counts(void)
{
    static const size_t classes[] = {2, 3, 5, 6, 7, 8, 20, 63, 64, 65, 66, MOST};

    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        given *x = fill(classes[i]);
        mm_input input = {.pred = flat(MM_U16, x->pred),
                          .label = flat(MM_U16, x->label),
                          .mask = flat(MM_U8, x->scored),
                          .classes = x->classes,
                          .threshold = 0.5};
        mm_images *masked = fine(&input, "dice", 0xff);

        input.mask = (mm_tensor){0};
        input.has_ignore = 1;
        input.ignore_index = IGNORED;
        for (size_t v = 0; v < IMAGES * VOXELS; v++)
            x->label[v] = x->scored[v] ? x->label[v] : IGNORED;
        mm_images *ignored = fine(&input, "dice", 0xff);

        for (size_t n = 0; n < IMAGES; n++) {
            CU_ASSERT(counts_are_right(x, &masked->records[n], n));
            CU_ASSERT(counts_are_right(x, &ignored->records[n], n));
            CU_ASSERT_PTR_NOT_NULL(masked->records[n].confusion);
            CU_ASSERT_EQUAL(masked->records[n].unmasked, masked->records[n].scored);
            CU_ASSERT_EQUAL(ignored->records[n].unmasked, VOXELS);
        }
        mm_images_free(masked);
        mm_images_free(ignored);
        free(x);
    }
}

/* An index map as the prediction of independent masks. */
static void map_against_masks(void)
{
    given *x = fill(4);
    const mm_input input = {.pred = flat(MM_U16, x->pred),
                            .label = planes(x, MM_U8, x->masks),
                            .task = MM_MULTILABEL,
                            .pred_kind = MM_LABELS,
                            .classes = 4,
                            .threshold = 0.5};
    mm_images *images;

    memset(x->scored, 1, sizeof x->scored);
    images = fine(&input, "dice,dice_loss", 0xff);
    for (size_t n = 0; n < IMAGES; n++)
        CU_ASSERT(counts_are_right(x, &images->records[n], n));
    mm_images_free(images);
    free(x);
}

/* A byte that is neither 0 nor 1 is found in any class and image, of either side. */
static void wrong_bytes(void)
{
    given *x = fill(3);
    unsigned char *masks[2] = {malloc(sizeof x->masks), malloc(sizeof x->masks)};
    mm_input input = {.task = MM_MULTILABEL, .pred_kind = MM_MASKS, .threshold = 0.5};

    CU_ASSERT_FATAL(masks[0] != NULL && masks[1] != NULL);
    for (int side = 0; side < 2; side++)
        for (size_t at = 100; at < IMAGES * 3 * VOXELS; at += VOXELS) {
            mm_problem problem = {.tensor = ""};
            mm_status status;

            memcpy(masks[0], x->masks, sizeof x->masks);
            memcpy(masks[1], x->masks, sizeof x->masks);
            masks[side][at] = 2;
            input.pred = planes(x, MM_U8, masks[0]);
            input.label = planes(x, MM_U8, masks[1]);
            CU_ASSERT_PTR_NULL(run(&input, "dice,dice_loss", 0, &status, &problem));
            CU_ASSERT_EQUAL(status, MM_BAD_VALUE);
            CU_ASSERT_STRING_EQUAL(problem.tensor, side == 0 ? "pred" : "label");
            CU_ASSERT_EQUAL(problem.index, at);
        }
    free(masks[0]);
    free(masks[1]);
    free(x);
}

/* ----------------------------------------------------------------------- bits */

static int same_records(mm_images *a, mm_images *b)
{
    unsigned char *bytes[2] = {NULL, NULL};
    size_t size[2] = {0, 1};
    const int saved =
        mm_images_save(a, &bytes[0], &size[0]) == MM_OK && mm_images_save(b, &bytes[1], &size[1]) == MM_OK;
    const int same = saved && size[0] == size[1] && memcmp(bytes[0], bytes[1], size[0]) == 0;

    free(bytes[0]);
    free(bytes[1]);
    mm_images_free(a);
    mm_images_free(b);
    return same;
}

/* Sums of each kind that the quick way gives, each alone, as it and the general way give them; and each once more in a
 * work space that holds what others left. */
static void ways_agree(void)
{
    static const char *const scores[] = {
        "dice_loss",           "dice_loss(overlap=square)", "cross_entropy",
        "focal_loss(gamma=2)", "exp_log_cross_entropy",     "dice_loss,cross_entropy,exp_log_cross_entropy"};
    given *x = fill(7);

    for (size_t i = 0; i < sizeof scores / sizeof scores[0]; i++) {
        mm_input quick = {.pred = planes(x, MM_F32, x->p), .label = flat(MM_U16, x->label), .threshold = 0.5};
        mm_input general = {.pred = {.data = x->last, .dtype = MM_F64, .rank = 3, .dim = {IMAGES, VOXELS, 7}},
                            .label = flat(MM_U16, x->label),
                            .channels_last = 1,
                            .threshold = 0.5};

        CU_ASSERT(same_records(fine(&quick, scores[i], 0), fine(&general, scores[i], 0)));
        quick.mask = general.mask = flat(MM_U8, x->scored);
        CU_ASSERT(same_records(fine(&quick, scores[i], 0), fine(&general, scores[i], 0)));
        CU_ASSERT(same_records(fine(&quick, scores[i], 0), fine(&quick, scores[i], 0x3f)));
        CU_ASSERT(same_records(fine(&general, scores[i], 0), fine(&general, scores[i], 0x3f)));
        quick.pred_kind = MM_LOGITS;
        CU_ASSERT(same_records(fine(&quick, scores[i], 0), fine(&quick, scores[i], 0x3f)));
    }
    free(x);
}

static CU_TestInfo tests[] = {
    {"counts of any number of classes", counts},
    {"an index map against masks", map_against_masks},
    {"bytes that are neither 0 nor 1", wrong_bytes},
    {"the ways of reading agree", ways_agree},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_chunk = {"chunk", tests};
