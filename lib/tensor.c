/*
 * tensor.c - dtypes, and sizes of tensors with every product checked.
 */
#include "lib/tensor.h"

#include <string.h>

static const struct {
    const char *name; /* as safetensors spells it */
    size_t size;      /* bytes */
} dtypes[MM_DTYPE_COUNT] = {
    [MM_BOOL] = {"BOOL", 1}, [MM_U8] = {"U8", 1},   [MM_I8] = {"I8", 1},   [MM_U16] = {"U16", 2}, [MM_I16] = {"I16", 2},
    [MM_U32] = {"U32", 4},   [MM_I32] = {"I32", 4}, [MM_U64] = {"U64", 8}, [MM_I64] = {"I64", 8}, [MM_F16] = {"F16", 2},
    [MM_BF16] = {"BF16", 2}, [MM_F32] = {"F32", 4}, [MM_F64] = {"F64", 8},
};

size_t mm_dtype_size(mm_dtype dtype)
{
    return dtypes[dtype].size;
}

const char *mm_dtype_name(mm_dtype dtype)
{
    return dtypes[dtype].name;
}

int mm_dtype_find(const char *name, mm_dtype *dtype)
{
    for (unsigned i = 0; i < MM_DTYPE_COUNT; i++)
        if (strcmp(dtypes[i].name, name) == 0) {
            *dtype = (mm_dtype)i;
            return 1;
        }
    return 0;
}

int mm_dtype_is_float(mm_dtype dtype)
{
    return dtype >= MM_F16;
}

int mm_multiply(size_t a, size_t b, size_t *product)
{
    if (b != 0 && a > SIZE_MAX / b)
        return 0;
    *product = a * b;
    return 1;
}

mm_status mm_tensor_bytes(const mm_tensor *tensor, size_t *bytes)
{
    size_t total = mm_dtype_size(tensor->dtype);

    for (unsigned i = 0; i < tensor->rank; i++)
        if (!mm_multiply(total, tensor->dim[i], &total))
            return MM_BAD_SHAPE;
    *bytes = total;
    return MM_OK;
}
