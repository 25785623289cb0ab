/*
 * transform_steps.c - measures distance transforms one step at a time, so that a driver can let them take turns with
 * something else.
 *
 * usage: transform_steps FILE SHAPE SPACING OBJECTS THREADS      SHAPE: DxHxW; SPACING: a,b,c
 *
 * Makes a mask of so many ellipsoids with noisy borders and saves it to FILE, a byte per voxel; prints the CPU level.
 * Each line of standard input is a step; its answer is a line with the seconds that it took, memory included, and the
 * sum of all distances:
 *   outside    how far each voxel is from the nearest one of the objects
 *   inside     how far each voxel is from the nearest one that is not of them
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/distance.h"
#include "lib/maskmeter.h"
#include "server/compute.h"

/* ---------------------------------------------------------------------- mask */

static uint64_t state = 1;

static double draw(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-53;
}

/* A single one fills the array; several are anywhere in it. */
static void add_object(unsigned char *mask, const mm_array *array, int single)
{
    double middle[3], radius[3];
    size_t v = 0;

    for (unsigned axis = 0; axis < 3; axis++) {
        const double length = (double)array->dim[axis];

        middle[axis] = length * (single ? 0.5 : 0.2 + 0.6 * draw());
        radius[axis] = length * (single ? 0.47 : 0.08 + 0.15 * draw());
    }
    for (size_t i = 0; i < array->dim[0]; i++)
        for (size_t j = 0; j < array->dim[1]; j++)
            for (size_t k = 0; k < array->dim[2]; k++, v++) {
                const double x = ((double)i - middle[0]) / radius[0], y = ((double)j - middle[1]) / radius[1];
                const double z = ((double)k - middle[2]) / radius[2];

                if (x * x + y * y + z * z < 0.85 + 0.3 * draw())
                    mask[v] = 1;
            }
}

static int save(const char *path, const unsigned char *mask, size_t voxels)
{
    FILE *file = fopen(path, "wb");
    int fine = file != NULL && fwrite(mask, 1, voxels, file) == voxels;

    return (file == NULL || fclose(file) == 0) && fine;
}

/* ----------------------------------------------------------------- transform */

typedef struct job {
    const mm_transform *transform;
    mm_sites sites;
    void *field;
    unsigned char *scratch;
    size_t step;
} job;

static void run_task(void *context, size_t i, unsigned worker)
{
    const job *of = context;

    mm_transform_task(of->transform, &of->sites, of->field, of->scratch + worker * of->transform->scratch_bytes,
                      of->step, i);
}

static double sum_of(const mm_transform *transform, const void *field)
{
    double sum = 0.0;

    for (size_t v = 0; v < transform->voxels; v++)
        sum += mm_transform_distance(transform, field, v);
    return sum;
}

/* 0: the step is not known, or out of memory. */
static int take_step(const unsigned char *mask, const mm_array *array, const char *step, unsigned threads)
{
    const double since = mm_compute_clock();
    double seconds;
    mm_transform transform;
    job of = {.transform = &transform, .sites = {.bytes = mask, .value = strcmp(step, "outside") == 0}};
    int fine = (strcmp(step, "outside") == 0 || strcmp(step, "inside") == 0) &&
               mm_transform_plan(&transform, array, MM_EUCLIDEAN);

    if (fine) {
        of.field = malloc(transform.field_bytes);
        of.scratch = malloc(transform.scratch_bytes * threads);
        fine = of.field != NULL && of.scratch != NULL;
    }
    for (; fine && of.step < transform.steps; of.step++)
        mm_parallel(run_task, &of, mm_transform_tasks(&transform, of.step), threads);
    seconds = mm_compute_clock() - since;
    if (fine)
        printf("%.9f %.17g\n", seconds, sum_of(&transform, of.field));
    free(of.field);
    free(of.scratch);
    return fine && fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    mm_array array = {.rank = 3};
    const unsigned threads = argc == 6 ? (unsigned)strtoul(argv[5], NULL, 10) : 0;
    const long objects = argc == 6 ? strtol(argv[4], NULL, 10) : 0;
    unsigned char *mask = NULL;
    char step[64];
    int fine = 0;

    if (threads == 0 || sscanf(argv[2], "%zux%zux%zu", &array.dim[0], &array.dim[1], &array.dim[2]) != 3 ||
        sscanf(argv[3], "%lf,%lf,%lf", &array.spacing[0], &array.spacing[1], &array.spacing[2]) != 3) {
        fputs("usage: transform_steps FILE DxHxW a,b,c OBJECTS THREADS\n", stderr);
        return 1;
    }
    mask = calloc(mm_array_voxels(&array), 1);
    for (long i = 0; mask != NULL && i < objects; i++)
        add_object(mask, &array, objects == 1);
    fine = mask != NULL && save(argv[1], mask, mm_array_voxels(&array));
    if (fine)
        printf("%s\n", mm_cpu_level());
    fflush(stdout);
    while (fine && fgets(step, sizeof step, stdin) != NULL) {
        step[strcspn(step, "\n")] = '\0';
        fine = take_step(mask, &array, step, threads);
    }
    free(mask);
    return !fine;
}
