/*
 * bits.c - every score that needs no argument, of seeded images: a line for each, with all its bits in a number.
 *
 * What it prints is the same on every machine, at every CPU level.
 */
#include "lib/maskmeter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 2, CLASSES = 3, DEPTH = 9, HEIGHT = 14, WIDTH = 17, VOXELS = DEPTH * HEIGHT * WIDTH };

typedef struct data {
    float probs[IMAGES][CLASSES][VOXELS], logits[IMAGES][CLASSES][VOXELS], onehot[IMAGES][CLASSES][VOXELS];
    uint8_t label[IMAGES][VOXELS];
    uint64_t state; /* of the generator */
} data;

/* xorshift: [0,1) */
static double number(data *d)
{
    d->state ^= d->state << 13;
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return (double)(d->state >> 11) / 9007199254740992.0;
}

/* A ball, a slab, and the rest. */
static uint8_t class_at(int v)
{
    const int z = v / (HEIGHT * WIDTH) - 4, y = v / WIDTH % HEIGHT - 7, x = v % WIDTH;

    if (z * z + y * y + (x - 8) * (x - 8) < 20)
        return 1;
    return x > 12 ? 2 : 0;
}

/* Predictions that lean to the label. */
static void fill(data *d)
{
    for (int n = 0; n < IMAGES; n++)
        for (int v = 0; v < VOXELS; v++) {
            double part[CLASSES], all = 0.0;

            d->label[n][v] = class_at(v);
            for (int c = 0; c < CLASSES; c++)
                all += part[c] = number(d) + 0.01;
            for (int c = 0; c < CLASSES; c++) {
                const double p = 0.5 * part[c] / all + (c == d->label[n][v] ? 0.5 : 0.0);

                d->probs[n][c][v] = (float)p;
                d->logits[n][c][v] = (float)(8.0 * p - 3.0);
                d->onehot[n][c][v] = c == d->label[n][v] ? 1.0f : 0.0f;
            }
        }
}

/* Probabilities, logits, independent masks, label maps. */
#define INPUTS 4
static void make_inputs(const data *d, mm_input inputs[INPUTS])
{
    static const double spacing[] = {2.5, 0.7, 0.7};
    const mm_tensor label = {d->label, MM_U8, 4, {IMAGES, DEPTH, HEIGHT, WIDTH}};
    const mm_tensor onehot = {d->onehot, MM_F32, 5, {IMAGES, CLASSES, DEPTH, HEIGHT, WIDTH}};
    mm_tensor pred = onehot;

    for (int i = 0; i < INPUTS; i++) {
        pred.data = i == 1 ? d->logits : d->probs;
        inputs[i] = (mm_input){.pred = pred, .label = label, .threshold = 0.5, .spacing = spacing, .spacing_count = 3};
    }
    inputs[1].pred_kind = MM_LOGITS;
    inputs[2].label = onehot;
    inputs[2].task = MM_MULTILABEL;
    inputs[3].pred = label;
    inputs[3].classes = CLASSES;
}

/* ------------------------------------------------------------------ results */

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 1099511628211u;
    return hash ^ hash >> 29;
}

static uint64_t mix_values(uint64_t hash, const mm_value *values, size_t count)
{
    for (size_t i = 0; values != NULL && i < count; i++) {
        uint64_t bits = 0;

        if (values[i].reason == MM_DEFINED)
            memcpy(&bits, &values[i].value, sizeof bits);
        hash = mix(mix(hash, bits), values[i].reason);
    }
    return hash;
}

static uint64_t hash_of(const mm_result *result)
{
    size_t count = 1;
    uint64_t hash = mix_values(14695981039346656037u, &result->value, 1);

    for (unsigned axis = 0; axis < result->rank; axis++)
        count *= result->dim[axis];
    hash = mix_values(hash, result->rank > 0 ? result->list : NULL, count);
    hash = mix_values(hash, result->per_class, CLASSES);
    return mix_values(hash, result->per_image, IMAGES * result->columns);
}

/* 0: something failed. */
static int print_score(const mm_input *input, mm_plan *plan, void *scratch)
{
    static const char *const ids[] = {"a", "b"};
    mm_eval *eval = NULL;
    mm_images *images = NULL;
    mm_results *results = NULL;
    mm_status status = mm_eval_new(&eval, input, plan, 0, NULL);

    if (status == MM_OK) {
        mm_eval_run(eval, scratch, 1);
        status = mm_eval_finish(eval, ids, &images, NULL);
    }
    if (status == MM_OK)
        status = mm_images_score(&results, images, plan, NULL, NULL);
    if (status == MM_OK)
        printf("%s %016" PRIx64 "\n", mm_plan_expression(plan, 0), hash_of(mm_results_at(results, 0)));
    mm_results_free(results);
    mm_images_free(images);
    mm_eval_free(eval);
    return status == MM_OK;
}

/* All scores that this input can give. */
static int print_scores(const mm_input *input, void *scratch)
{
    const mm_score_info *info;
    mm_shape shape;
    int fine = mm_input_shape(input, &shape, NULL) == MM_OK;

    for (size_t i = 0; fine && (info = mm_score_at(i)) != NULL; i++) {
        mm_plan *plan = NULL;

        if (mm_plan_new(&plan, info->name, NULL) == MM_OK && mm_plan_bind(plan, &shape, NULL) == MM_OK)
            fine = print_score(input, plan, scratch);
        mm_plan_free(plan);
    }
    return fine;
}

int main(void)
{
    data *d = calloc(1, sizeof *d);
    void *scratch = aligned_alloc(64, MM_SCRATCH_BYTES);
    mm_input inputs[INPUTS];
    int fine = d != NULL && scratch != NULL;

    if (fine) {
        d->state = 88172645463325252u;
        fill(d);
        make_inputs(d, inputs);
    }
    for (int i = 0; fine && i < INPUTS; i++)
        fine = print_scores(&inputs[i], scratch);
    free(scratch);
    free(d);
    return !fine;
}
