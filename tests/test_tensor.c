/*
 * test_tensor.c - dtypes by name and size; sizes that overflow are refused.
 */
#include "tests/suites.h"

#include <string.h>

#include "lib/tensor.h"

static void names_and_sizes(void)
{
    static const struct {
        const char *name;
        size_t size;
    } right[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"U16", 2},  {"I16", 2}, {"U32", 4}, {"I32", 4},
                 {"U64", 8},  {"I64", 8}, {"F16", 2}, {"BF16", 2}, {"F32", 4}, {"F64", 8}};
    mm_dtype dtype;

    CU_ASSERT_EQUAL(sizeof right / sizeof right[0], MM_DTYPE_COUNT);
    for (size_t i = 0; i < MM_DTYPE_COUNT; i++) {
        CU_ASSERT(mm_dtype_find(right[i].name, &dtype));
        CU_ASSERT_EQUAL(mm_dtype_size(dtype), right[i].size);
        CU_ASSERT_STRING_EQUAL(mm_dtype_name(dtype), right[i].name);
        CU_ASSERT_EQUAL(mm_dtype_is_float(dtype), strchr(right[i].name, 'F') != NULL);
    }
    CU_ASSERT(!mm_dtype_find("F8_E4M3", &dtype));
    CU_ASSERT(!mm_dtype_find("f32", &dtype));
    CU_ASSERT(!mm_dtype_find("", &dtype));
}

static void bytes_checked(void)
{
    mm_tensor tensor = {.data = "", .dtype = MM_F32, .rank = 5, .dim = {1, 2, 3, 4, 5}};
    size_t bytes = 0;

    CU_ASSERT_EQUAL(mm_tensor_bytes(&tensor, &bytes), MM_OK);
    CU_ASSERT_EQUAL(bytes, 480);
    tensor.dim[4] = SIZE_MAX / 8;
    CU_ASSERT_EQUAL(mm_tensor_bytes(&tensor, &bytes), MM_BAD_SHAPE);
    CU_ASSERT_EQUAL(bytes, 480);
    tensor = (mm_tensor){.data = "", .dtype = MM_F64, .rank = 2, .dim = {(size_t)1 << 32, (size_t)1 << 32}};
    CU_ASSERT_EQUAL(mm_tensor_bytes(&tensor, &bytes), MM_BAD_SHAPE);
    tensor.rank = 0;
    CU_ASSERT_EQUAL(mm_tensor_bytes(&tensor, &bytes), MM_OK);
    CU_ASSERT_EQUAL(bytes, 8);
}

static CU_TestInfo tests[] = {
    {"names and sizes", names_and_sizes},
    {"bytes are checked", bytes_checked},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_tensor = {"tensor", tests};
