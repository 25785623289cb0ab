/*
 * sample.c - makes an input of a given form, reads it, scores it.
 */
#include "server/sample.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PAGE        ((size_t)4096)
#define BLOCK_BYTES ((size_t)1 << 20) /* of pred per task, as mm_eval has it */
#define BLOCK_UNIT  ((size_t)1024)    /* voxels; a block is a multiple of it */
#define BLOCK_MOST  (64 * BLOCK_UNIT)

/* ------------------------------------------------------------------- making */

/* splitmix64: any seed will do, and every machine draws the same numbers. */
static uint64_t draw(uint64_t *state)
{
    uint64_t x = *state += 0x9E3779B97F4A7C15u;

    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static float draw_float(uint64_t *state)
{
    return (float)(draw(state) >> 40) * 0x1p-24f;
}

/* value in [0,1] */
static void put(unsigned char *at, mm_dtype dtype, float value)
{
    const double wide = (double)value;
    uint32_t bits;
    uint16_t half;

    memcpy(&bits, &value, sizeof bits);
    switch (dtype) {
    case MM_F64:
        memcpy(at, &wide, sizeof wide);
        break;
    case MM_F16: /* what a half holds only as a subnormal becomes 0 */
        half = value < 0x1p-14f ? 0 : (uint16_t)((bits - 0x38000000u + 0x1000u) >> 13);
        memcpy(at, &half, sizeof half);
        break;
    case MM_BF16:
        half = (uint16_t)((bits + 0x8000u) >> 16);
        memcpy(at, &half, sizeof half);
        break;
    case MM_U8:
        *at = (unsigned char)(value * 255.0f + 0.5f);
        break;
    default:
        memcpy(at, &value, sizeof value);
        break;
    }
}

/* Probabilities of one voxel: between 0.4 and 1 for the favoured class, the rest shared out at random. */
static void fill_voxel(mm_sample *sample, size_t voxel, size_t favoured, float *row, uint64_t *state)
{
    const size_t classes = sample->form.classes, size = mm_dtype_size(sample->form.dtype);
    const float most = 0.4f + 0.6f * draw_float(state);
    float total = 0.0f;

    for (size_t c = 0; c < classes; c++) {
        row[c] = c == favoured ? 0.0f : draw_float(state) + 1e-3f;
        total += row[c];
    }
    for (size_t c = 0; c < classes; c++)
        put(sample->memory + (c * sample->voxels + voxel) * size, sample->form.dtype,
            c == favoured ? most : row[c] / total * (1.0f - most));
}

static void fill(mm_sample *sample, float *row)
{
    const size_t classes = sample->form.classes;
    unsigned char *label = sample->memory + classes * sample->voxels * mm_dtype_size(sample->form.dtype);
    uint64_t state = 1;
    size_t left = 0, favoured = 0;

    for (size_t voxel = 0; voxel < sample->voxels; voxel++) {
        if (left-- == 0) {
            const uint64_t drawn = draw(&state);

            favoured = (size_t)(drawn >> 32) % classes;
            left = 7 + drawn % 64;
        }
        fill_voxel(sample, voxel, favoured, row, &state);
        /* One voxel in 32 is predicted wrongly. */
        const uint64_t drawn = draw(&state);
        const uint16_t wide = (uint16_t)(drawn % 32 == 0 ? (drawn >> 32) % classes : favoured);

        if (classes <= 256)
            label[voxel] = (unsigned char)wide;
        else
            memcpy(label + 2 * voxel, &wide, sizeof wide);
    }
}

static mm_tensor view(const mm_sample_form *form, const void *data, mm_dtype dtype, size_t classes)
{
    mm_tensor tensor = {.data = data, .dtype = dtype, .dim = {1}};

    tensor.rank = 1;
    if (classes > 0)
        tensor.dim[tensor.rank++] = classes;
    for (unsigned i = 0; i < form->spatial_rank; i++)
        tensor.dim[tensor.rank++] = form->spatial[i];
    return tensor;
}

int mm_sample_takes(mm_dtype dtype)
{
    return dtype == MM_F64 || dtype == MM_F32 || dtype == MM_F16 || dtype == MM_BF16 || dtype == MM_U8;
}

static int form_is_valid(const mm_sample_form *form)
{
    return form->spatial_rank >= 1 && form->spatial_rank <= 3 && form->classes >= 2 && form->classes <= 4096 &&
           mm_sample_takes(form->dtype);
}

mm_status mm_sample_new(mm_sample *out, const mm_sample_form *form, unsigned threads)
{
    const mm_dtype label_type = form->classes <= 256 ? MM_U8 : MM_U16;
    mm_sample sample = {.form = *form, .threads = threads};
    size_t pred_bytes, label_bytes;
    float *row;

    if (!form_is_valid(form))
        return MM_BAD_SHAPE;
    sample.input = (mm_input){.pred = view(form, NULL, form->dtype, form->classes),
                              .label = view(form, NULL, label_type, 0),
                              .pred_kind = form->dtype == MM_U8 ? MM_PROBS_U8 : MM_PRED_AUTO,
                              .threshold = 0.5};
    if (mm_tensor_bytes(&sample.input.pred, &pred_bytes) != MM_OK ||
        mm_tensor_bytes(&sample.input.label, &label_bytes) != MM_OK || pred_bytes == 0 || pred_bytes > SIZE_MAX / 4)
        return MM_BAD_SHAPE;
    sample.voxels = label_bytes / mm_dtype_size(label_type);
    sample.bytes = pred_bytes + label_bytes;
    sample.memory = aligned_alloc(PAGE, (sample.bytes + PAGE - 1) / PAGE * PAGE);
    sample.scratch = aligned_alloc(PAGE, threads * MM_SCRATCH_BYTES);
    row = malloc(form->classes * sizeof *row);
    if (sample.memory == NULL || sample.scratch == NULL || row == NULL) {
        free(row);
        mm_sample_free(&sample);
        return MM_NO_MEMORY;
    }
    fill(&sample, row);
    free(row);
    sample.input.pred.data = sample.memory;
    sample.input.label.data = sample.memory + pred_bytes;
    *out = sample;
    return MM_OK;
}

void mm_sample_free(mm_sample *sample)
{
    free(sample->memory);
    free(sample->scratch);
    *sample = (mm_sample){.voxels = 0};
}

/* ------------------------------------------------------------------ reading */

typedef struct reading {
    const mm_sample *sample;
    size_t block; /* voxels of a task */
    _Atomic uint64_t folded;
} reading;

static uint64_t word_at(const unsigned char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Four chains of plain loads: memory is all there is to wait for.  Takes whole blocks of 128 bytes. */
static uint64_t fold_words(const unsigned char *bytes, size_t size)
{
    uint64_t a = 0, b = 0, c = 0, d = 0;

    for (size_t at = 0; at + 128 <= size; at += 128)
        for (size_t i = at; i < at + 128; i += 32) {
            a ^= word_at(bytes + i);
            b ^= word_at(bytes + i + 8);
            c ^= word_at(bytes + i + 16);
            d ^= word_at(bytes + i + 24);
        }
    return a ^ b ^ c ^ d;
}

#ifdef __x86_64__
typedef uint64_t wide __attribute__((vector_size(32)));

/* The same with the widest loads: a quarter faster where one thread alone does not fill the memory's pipes. */
__attribute__((target("avx2"))) static uint64_t fold_wide(const unsigned char *bytes, size_t size)
{
    wide a = {0}, b = {0}, c = {0}, d = {0}, word;

    for (size_t at = 0; at + 128 <= size; at += 128) {
        memcpy(&word, bytes + at, sizeof word);
        a ^= word;
        memcpy(&word, bytes + at + 32, sizeof word);
        b ^= word;
        memcpy(&word, bytes + at + 64, sizeof word);
        c ^= word;
        memcpy(&word, bytes + at + 96, sizeof word);
        d ^= word;
    }
    a ^= b ^ c ^ d;
    return a[0] ^ a[1] ^ a[2] ^ a[3];
}
#endif

static uint64_t fold(const unsigned char *bytes, size_t size)
{
    const size_t whole = size / 128 * 128;
    uint64_t rest = 0;

    for (size_t at = whole; at < size; at++)
        rest ^= (uint64_t)bytes[at] << at % 8 * 8;
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2"))
        return rest ^ fold_wide(bytes, whole);
#endif
    return rest ^ fold_words(bytes, whole);
}

static void read_block(void *context, size_t i, unsigned worker)
{
    reading *r = context;
    const mm_sample *sample = r->sample;
    const size_t first = i * r->block, left = sample->voxels - first, n = left < r->block ? left : r->block;
    const size_t size = mm_dtype_size(sample->form.dtype), label_size = mm_dtype_size(sample->input.label.dtype);
    const unsigned char *pred = sample->input.pred.data, *label = sample->input.label.data;
    uint64_t folded = fold(label + first * label_size, n * label_size);

    (void)worker;
    for (size_t c = 0; c < sample->form.classes; c++)
        folded ^= fold(pred + (c * sample->voxels + first) * size, n * size);
    atomic_fetch_xor(&r->folded, folded);
}

uint64_t mm_sample_read(const mm_sample *sample, unsigned threads)
{
    const size_t units = BLOCK_BYTES / (BLOCK_UNIT * sample->form.classes * mm_dtype_size(sample->form.dtype));
    reading r = {.sample = sample, .block = units < 1 ? BLOCK_UNIT : units * BLOCK_UNIT};

    if (r.block > BLOCK_MOST)
        r.block = BLOCK_MOST;
    mm_parallel(read_block, &r, (sample->voxels + r.block - 1) / r.block, threads);
    return atomic_load(&r.folded);
}

/* ------------------------------------------------------------------ scoring */

mm_status mm_sample_score(const mm_sample *sample, const char *expressions, unsigned threads, mm_value *value,
                          mm_problem *problem)
{
    const char *const ids[] = {"0"};
    mm_eval *eval = NULL;
    mm_shape shape;
    mm_plan *plan = NULL;
    mm_images *images = NULL;
    mm_results *results = NULL;
    mm_status status = mm_input_shape(&sample->input, &shape, problem);

    if (status == MM_OK)
        status = mm_plan_new(&plan, expressions, problem);
    if (status == MM_OK)
        status = mm_plan_bind(plan, &shape, problem);
    if (status == MM_OK)
        status = mm_eval_new(&eval, &sample->input, plan, 0, problem);
    if (status != MM_OK)
        goto done;
    mm_eval_run(eval, sample->scratch, threads);
    status = mm_eval_finish(eval, ids, &images, problem);
    if (status == MM_OK)
        status = mm_images_score(&results, images, plan, NULL, problem);
    if (status == MM_OK)
        *value = mm_results_at(results, 0)->value;
done:
    mm_results_free(results);
    mm_images_free(images);
    mm_eval_free(eval);
    mm_plan_free(plan);
    return status;
}
