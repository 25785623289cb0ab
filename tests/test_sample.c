/*
 * test_sample.c - the upload that is made up for measuring is a sound one, and reading it leaves no byte out.
 */
#include "tests/suites.h"

#include <stdlib.h>
#include <string.h>

#include "server/sample.h"

#define CLASSES 5

static const mm_sample_form small = {.spatial = {7, 9, 11}, .spatial_rank = 3, .classes = CLASSES, .dtype = MM_F32};

static void test_contents(void)
{
    mm_sample sample;
    size_t right = 0;

    CU_ASSERT_EQUAL_FATAL(mm_sample_new(&sample, &small, 1), MM_OK);
    CU_ASSERT_EQUAL(sample.voxels, 7 * 9 * 11);
    CU_ASSERT_EQUAL(sample.bytes, sample.voxels * (CLASSES * sizeof(float) + 1));
    const float *pred = sample.input.pred.data;
    const unsigned char *label = sample.input.label.data;

    for (size_t v = 0; v < sample.voxels; v++) {
        float total = 0.0f, best = -1.0f;
        size_t favoured = 0;

        for (size_t c = 0; c < CLASSES; c++) {
            const float p = pred[c * sample.voxels + v];

            CU_ASSERT(p >= 0.0f && p <= 1.0f);
            total += p;
            favoured = p > best ? c : favoured;
            best = p > best ? p : best;
        }
        CU_ASSERT_DOUBLE_EQUAL(total, 1.0, 1e-5);
        CU_ASSERT(label[v] < CLASSES);
        right += label[v] == favoured;
    }
    CU_ASSERT(right > sample.voxels * 8 / 10);
    CU_ASSERT(right < sample.voxels);
    mm_sample_free(&sample);
}

static void test_same_bytes_again(void)
{
    mm_sample one, two;

    CU_ASSERT_EQUAL_FATAL(mm_sample_new(&one, &small, 1), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_sample_new(&two, &small, 2), MM_OK);
    CU_ASSERT_EQUAL(memcmp(one.memory, two.memory, one.bytes), 0);
    mm_sample_free(&one);
    mm_sample_free(&two);
}

/* Every type holds the same numbers, as well as it can; many classes make the label wider. */
static void test_types(void)
{
    static const mm_dtype dtypes[] = {MM_F32, MM_F64, MM_F16, MM_BF16, MM_U8};
    mm_value exact = {.value = 0.0}, value;

    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        mm_sample_form form = small;
        mm_sample sample;
        mm_problem problem;

        form.dtype = dtypes[i];
        CU_ASSERT_EQUAL_FATAL(mm_sample_new(&sample, &form, 2), MM_OK);
        CU_ASSERT_EQUAL(mm_sample_score(&sample, "cross_entropy", 2, &value, &problem), MM_OK);
        exact = i == 0 ? value : exact;
        CU_ASSERT_EQUAL(value.reason, MM_DEFINED);
        CU_ASSERT_DOUBLE_EQUAL(value.value, exact.value, 0.01);
        mm_sample_free(&sample);
    }
}

static void test_many_classes(void)
{
    const mm_sample_form form = {.spatial = {40000}, .spatial_rank = 1, .classes = 300, .dtype = MM_F32};
    mm_sample sample;
    mm_problem problem;
    mm_value value;

    CU_ASSERT_EQUAL_FATAL(mm_sample_new(&sample, &form, 1), MM_OK);
    CU_ASSERT_EQUAL(sample.input.label.dtype, MM_U16);
    CU_ASSERT_EQUAL(mm_sample_score(&sample, "dice", 1, &value, &problem), MM_OK);
    CU_ASSERT(value.value > 0.5);
    CU_ASSERT_EQUAL(mm_sample_score(&sample, "dice(over=nothing)", 1, &value, &problem), MM_BAD_PARAM);
    mm_sample_free(&sample);
}

/* A byte that was not read, or twice, could change without changing the result. */
static void test_reading_takes_every_byte(void)
{
    mm_sample sample;

    CU_ASSERT_EQUAL_FATAL(mm_sample_new(&sample, &small, 2), MM_OK);
    const uint64_t before = mm_sample_read(&sample, 1);

    CU_ASSERT_EQUAL(mm_sample_read(&sample, 2), before);
    for (size_t at = 0; at < sample.bytes; at++) {
        sample.memory[at] ^= 0x10;
        CU_ASSERT_NOT_EQUAL(mm_sample_read(&sample, 1), before);
        sample.memory[at] ^= 0x10;
    }
    CU_ASSERT_EQUAL(mm_sample_read(&sample, 1), before);
    mm_sample_free(&sample);
}

static void test_bad_forms(void)
{
    mm_sample_form forms[] = {small, small, small, small, small, small};
    mm_sample sample;

    forms[0].classes = 1;
    forms[1].classes = 4097;
    forms[2].spatial_rank = 0;
    forms[3].spatial_rank = 4;
    forms[4].dtype = MM_I32;
    forms[5].spatial[0] = forms[5].spatial[1] = SIZE_MAX / 16;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        CU_ASSERT_EQUAL(mm_sample_new(&sample, &forms[i], 1), MM_BAD_SHAPE);
}

static CU_TestInfo tests[] = {
    {"probabilities and labels", test_contents},
    {"the same bytes every time", test_same_bytes_again},
    {"types of pred", test_types},
    {"many classes", test_many_classes},
    {"reading takes every byte once", test_reading_takes_every_byte},
    {"bad forms", test_bad_forms},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_sample = {"sample", tests};
