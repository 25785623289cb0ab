/*
 * fuzz_record.c - libFuzzer: any bytes as stored image records.
 *
 * No more is allocated than the bytes can hold; what is accepted, saved, loads to the same; records merge with
 * themselves, and scores of them are finite or have a reason.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/maskmeter.h"
#include "tests/fuzz/target.h"

#define CRC_BYTES    4
#define MOST_CLASSES 64 /* of records that are scored */
#define EXPANSION    64 /* bytes in memory that a byte of the file may become */
#define ALLOWANCE    ((size_t)1 << 16)

static void score(const mm_images *images)
{
    mm_shape shape = {.images = mm_images_count(images),
                      .classes = mm_images_classes(images),
                      .spatial_rank = 1,
                      .spatial = {1},
                      .voxels = 1,
                      .task = mm_images_task(images),
                      .pred_kind = MM_PROBS,
                      .label_kind = MM_INDEX,
                      .pred_has_classes = 1};
    mm_plan *plan = NULL;
    mm_results *results = NULL;

    demand(mm_plan_new(&plan, NULL, NULL) == MM_OK && mm_plan_bind(plan, &shape, NULL) == MM_OK);
    demand(mm_images_score(&results, images, plan, NULL, NULL) == MM_OK);
    for (size_t i = 0; i < mm_plan_count(plan); i++) {
        const mm_value *value = &mm_results_at(results, i)->value;

        demand(value->reason != MM_DEFINED || !isnan(value->value));
    }
    mm_results_free(results);
    mm_plan_free(plan);
}

static void check(const mm_images *images)
{
    unsigned char *saved = NULL, *again = NULL;
    size_t size = 0, again_size = 0;
    mm_images *other = NULL;

    demand(mm_images_save(images, &saved, &size) == MM_OK);
    demand(mm_images_load(&other, saved, size) == MM_OK);
    demand(mm_images_save(other, &again, &again_size) == MM_OK);
    demand(size == again_size && memcmp(saved, again, size) == 0);
    demand(mm_images_merge(other, images, NULL) == MM_OK && mm_images_count(other) == mm_images_count(images));
    free(again);
    again = NULL;
    demand(mm_images_save(other, &again, &again_size) == MM_OK);
    demand(size == again_size && memcmp(saved, again, size) == 0);
    if (mm_images_classes(images) <= MOST_CLASSES)
        score(images);
    mm_images_free(other);
    free(again);
    free(saved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mm_images *images = NULL;
    const uint8_t *block = fuzz_block(0, data, &size);
    mm_status status;

    fuzz_count_bytes();
    status = mm_images_load(&images, block, size);
    demand(fuzz_counted_bytes() <= EXPANSION * size + ALLOWANCE);
    if (status == MM_OK)
        check(images);
    else
        demand(status == MM_BAD_RECORD && images == NULL);
    mm_images_free(images);
    return 0;
}

/* Damage is found by the checksum, which lies at the end: mostly it is made right again. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    uint32_t crc = 0xffffffffU;

    if (size < CRC_BYTES || max_size <= CRC_BYTES || seed % 16 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    size = LLVMFuzzerMutate(data, size - CRC_BYTES, max_size - CRC_BYTES);
    for (size_t i = 0; i < size * 8; i++) {
        const uint32_t bit = (crc ^ (uint32_t)data[i / 8] >> i % 8) & 1U;

        crc = crc >> 1 ^ (bit ? 0xedb88320U : 0);
    }
    crc = ~crc;
    for (size_t i = 0; i < CRC_BYTES; i++)
        data[size + i] = (uint8_t)(crc >> 8 * i);
    return size + CRC_BYTES;
}
