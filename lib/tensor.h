/*
 * tensor.h - what lib/ itself needs to know of dtypes and sizes.  Private to lib/.
 */
#ifndef MM_TENSOR_H
#define MM_TENSOR_H

#include "lib/maskmeter.h"

int mm_dtype_is_float(mm_dtype dtype);
/* 0 when the product overflows; *product is then left alone. */
int mm_multiply(size_t a, size_t b, size_t *product);

#endif
