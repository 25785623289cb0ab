/*
 * steps.c - measures the library one step at a time, so that a driver can let it take turns with something else.
 *
 * usage: steps SHAPE THREADS      SHAPE: DxHxW, four classes, F32
 *
 * Each line of standard input is a step; its answer is a line with the seconds that it took:
 *   read          every byte of pred and label, once
 *   sums          the bare kernels: labels loaded, then p, p^2, p [label = c] of each class, chunk by chunk
 *   score LIST    a whole evaluation of these expressions: plan, checks, counts, sums, records, scores
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/kernels.h"
#include "server/compute.h"
#include "server/sample.h"

#define CLASSES 4
#define BLOCK   64 /* chunks of a task: 1 MiB of pred, as mm_eval has it */

typedef struct pass {
    const mm_sample *sample;
    const mm_kernels *k;
    double *partials; /* [chunk][class][p, pp, pg] */
    size_t chunks;
} pass;

/* Whole chunks only: main() sees to that. */
static void sum_block(void *context, size_t i, unsigned worker)
{
    const pass *p = context;
    const mm_sample *sample = p->sample;
    const float *pred = sample->input.pred.data;
    const unsigned char *label = sample->input.label.data;
    float plane[MM_CHUNK];

    (void)worker;
    for (size_t chunk = i * BLOCK; chunk < (i + 1) * BLOCK && chunk < p->chunks; chunk++) {
        const size_t first = chunk * MM_CHUNK;

        (void)p->k->load_index(plane, label + first, MM_U8, 1, MM_CHUNK, CLASSES, 0, 0);
        for (size_t c = 0; c < CLASSES; c++)
            p->k->overlap(pred + c * sample->voxels + first, plane, (float)c, p->partials + (chunk * CLASSES + c) * 3,
                          MM_CHUNK);
    }
}

/* Adds the chunks in order, as a record has them. */
static double add_chunks(const pass *p)
{
    double sums[3 * CLASSES] = {0.0}, all = 0.0;

    for (size_t chunk = 0; chunk < p->chunks; chunk++)
        for (size_t i = 0; i < 3 * CLASSES; i++)
            sums[i] += p->partials[chunk * 3 * CLASSES + i];
    for (size_t i = 0; i < 3 * CLASSES; i++)
        all += sums[i];
    return all;
}

/* 0: the step is not known, or failed. */
static int take_step(const pass *p, const char *step, unsigned threads)
{
    const size_t tasks = (p->chunks + BLOCK - 1) / BLOCK;
    const double since = mm_compute_clock();
    mm_problem problem = {.has_index = 0};
    mm_value value = {.value = 0.0};

    if (strcmp(step, "read") == 0) {
        (void)mm_sample_read(p->sample, threads);
    } else if (strcmp(step, "sums") == 0) {
        mm_parallel(sum_block, (void *)(uintptr_t)p, tasks, threads);
        value.value = add_chunks(p);
    } else if (strncmp(step, "score ", 6) != 0 ||
               mm_sample_score(p->sample, step + 6, threads, &value, &problem) != MM_OK) {
        fprintf(stderr, "steps: %s: %s\n", step, problem.text);
        return 0;
    }
    printf("%.9f %.17g\n", mm_compute_clock() - since, value.value);
    return fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    mm_sample_form form = {.spatial_rank = 3, .classes = CLASSES, .dtype = MM_F32};
    mm_sample sample = {.voxels = 0};
    pass p = {.k = mm_kernels_chosen()};
    const unsigned threads = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    char step[1024];
    int fine = 0;

    if (threads == 0 || sscanf(argv[1], "%zux%zux%zu", &form.spatial[0], &form.spatial[1], &form.spatial[2]) != 3 ||
        mm_sample_new(&sample, &form, threads) != MM_OK || sample.voxels % MM_CHUNK != 0) {
        fputs("usage: steps DxHxW THREADS, the voxels a multiple of 1024\n", stderr);
        goto done;
    }
    p.sample = &sample;
    p.chunks = sample.voxels / MM_CHUNK;
    p.partials = calloc(p.chunks * 3 * CLASSES, sizeof *p.partials);
    fine = p.partials != NULL;
    if (fine)
        printf("%s\n", mm_cpu_level());
    fflush(stdout);
    while (fine && fgets(step, sizeof step, stdin) != NULL) {
        step[strcspn(step, "\n")] = '\0';
        fine = take_step(&p, step, threads);
    }
done:
    free(p.partials);
    mm_sample_free(&sample);
    return !fine;
}
