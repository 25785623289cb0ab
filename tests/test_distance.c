/*
 * test_distance.c - distance transforms against the nearest of all sites, one by one.
 */
#include "tests/suites.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/distance.h"
#include "lib/kernels_distance.h"
#include "lib/maskmeter.h"

enum { PAIRS = 20000 }; /* of a site and a voxel that a check looks at, about */

static uint64_t state = 1;

static unsigned draw(unsigned below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % below;
}

/* --------------------------------------------------------------- brute force */

/* Are all axes that have a length of the same spacing?  *of: that, or 1. */
static int equal_spacing(const mm_array *array, double *of)
{
    int equal = 1, found = 0;

    *of = 1.0;
    for (unsigned axis = 0; axis < array->rank; axis++)
        if (array->dim[axis] > 1) {
            equal = equal && (!found || array->spacing[axis] == *of);
            *of = array->spacing[axis];
            found = 1;
        }
    return equal;
}

/* As distance.h writes it: terms of the first axis first; steps squared, for one spacing. */
static double between(const mm_array *array, size_t v, size_t w, mm_metric metric)
{
    double spacing, all = 0.0;
    const int equal = equal_spacing(array, &spacing);
    size_t inner = mm_array_voxels(array);

    for (unsigned axis = 0; axis < array->rank; axis++) {
        inner /= array->dim[axis];
        const double steps = fabs((double)(v / inner % array->dim[axis]) - (double)(w / inner % array->dim[axis]));
        const double length = array->spacing[axis];

        if (metric == MM_EUCLIDEAN)
            all += equal ? steps * steps : length * length * (steps * steps);
        else
            all = metric == MM_TAXICAB ? all + steps : fmax(all, steps);
    }
    return metric == MM_EUCLIDEAN && equal ? spacing * all * spacing : all;
}

/* A site is a byte of 7. */
typedef struct mask {
    const mm_array *array;
    unsigned char *bytes;
    size_t *sites, count, voxels;
} mask;

static mask mask_new(const mm_array *array)
{
    mask of = {.array = array, .voxels = mm_array_voxels(array)};

    of.bytes = calloc(of.voxels, 1);
    of.sites = calloc(of.voxels, sizeof *of.sites);
    CU_ASSERT_FATAL(of.bytes != NULL && of.sites != NULL);
    return of;
}

static void mask_free(mask *of)
{
    free(of->bytes);
    free(of->sites);
}

static void mask_clear(mask *of)
{
    memset(of->bytes, 0, of->voxels);
    of->count = 0;
}

static void mask_set(mask *of, size_t v)
{
    if (of->bytes[v] != 7)
        of->sites[of->count++] = v;
    of->bytes[v] = 7;
}

static double nearest(const mask *of, size_t v, mm_metric metric)
{
    double least = INFINITY;

    for (size_t i = 0; i < of->count; i++)
        least = fmin(least, between(of->array, v, of->sites[i], metric));
    return least;
}

/* -------------------------------------------------------------- running them */

/* A plan and exactly the memory that it asks for. */
typedef struct job {
    mm_transform transform;
    const mm_sites *sites;
    void *field;
    unsigned char *scratch[2];
    size_t step;
} job;

static job job_new(const mm_array *array, mm_metric metric)
{
    job of = {.sites = NULL};

    CU_ASSERT_FATAL(mm_transform_plan(&of.transform, array, metric));
    of.field = malloc(of.transform.field_bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(of.field);
    for (size_t i = 0; i < 2; i++) {
        of.scratch[i] = malloc(of.transform.scratch_bytes);
        CU_ASSERT_PTR_NOT_NULL_FATAL(of.scratch[i]);
        memset(of.scratch[i], 0x55, of.transform.scratch_bytes); /* what is in it does not matter */
    }
    return of;
}

static void job_free(job *of)
{
    free(of->field);
    free(of->scratch[0]);
    free(of->scratch[1]);
}

/* All voxels, or evenly spread ones, against all sites: the same bits. */
static void check(const mask *of, mm_metric metric)
{
    const mm_sites sites = {.bytes = of->bytes, .value = 7};
    const size_t stride = of->voxels * of->count / PAIRS + 1;
    job run = job_new(of->array, metric);
    size_t wrong = 0;

    mm_transform_run(&run.transform, &sites, run.field, run.scratch[0]);
    for (size_t v = stride > 1 ? draw((unsigned)stride) : 0; v < of->voxels; v += stride) {
        const double right = nearest(of, v, metric), found = mm_transform_square(&run.transform, run.field, v);

        wrong += found != right;
        wrong += metric != MM_EUCLIDEAN && mm_transform_distance(&run.transform, run.field, v) != right;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    job_free(&run);
}

static const mm_array arrays[] = {
    {1, {1}, {1}},
    {1, {17}, {1}},
    {1, {40}, {0.7}},
    {2, {1, 1}, {1, 1}},
    {2, {9, 13}, {1, 1}},
    {2, {1, 30}, {1, 1}},
    {2, {30, 1}, {2, 1}},
    {2, {12, 7}, {0.5, 2.25}},
    {2, {31, 65}, {1, 1}},
    {2, {65, 31}, {0.3, 1.7}},
    {2, {33, 64}, {0.1, 0.1}},
    {2, {3, 300}, {1, 1}},
    {2, {300, 3}, {1, 3}},
    {3, {5, 6, 7}, {1, 1, 1}},
    {3, {7, 9, 6}, {3, 0.8, 1.2}},
    {3, {2, 1, 21}, {1, 10, 0.1}},
    {3, {2, 150, 3}, {1, 1, 1}},
    {3, {3, 63, 33}, {2.5, 0.75, 0.75}},
    {3, {20, 32, 40}, {1, 1, 1}},
    {3, {9, 40, 129}, {5, 0.3, 0.4}},
    {4, {3, 4, 5, 6}, {1, 1, 1, 1}},
    {4, {2, 5, 3, 4}, {0.3, 1, 2, 5}},
    {4, {4, 33, 2, 35}, {1, 1, 1, 1}},
    {4, {3, 34, 20, 3}, {1, 0.2, 1.5, 1}},
};

#define ARRAYS (sizeof arrays / sizeof arrays[0])

static void check_all(const mask *of)
{
    for (unsigned metric = MM_EUCLIDEAN; metric <= MM_TAXICAB; metric++)
        check(of, (mm_metric)metric);
}

/* From no site, a single one, few, to all voxels. */
static void test_random(void)
{
    static const unsigned of_10000[] = {0, 1, 20, 100, 500, 5000, 9500, 10000};

    for (size_t i = 0; i < ARRAYS; i++) {
        mask of = mask_new(&arrays[i]);

        for (size_t k = 0; k < sizeof of_10000 / sizeof of_10000[0]; k++) {
            mask_clear(&of);
            for (size_t v = 0; v < of.voxels; v++)
                if (draw(10000) < of_10000[k])
                    mask_set(&of, v);
            if (of_10000[k] == 1)
                mask_set(&of, draw((unsigned)of.voxels));
            check_all(&of);
        }
        mask_free(&of);
    }
}

/* What sites of one form do: 1 where the voxel at these places is one. */
typedef int form(const mm_array *array, const size_t *at);

static int first_corner(const mm_array *array, const size_t *at)
{
    (void)array;
    return at[0] + at[1] + at[2] + at[3] == 0;
}

static int last_corner(const mm_array *array, const size_t *at)
{
    int last = 1;

    for (unsigned axis = 0; axis < array->rank; axis++)
        last = last && at[axis] + 1 == array->dim[axis];
    return last;
}

static int diagonal(const mm_array *array, const size_t *at)
{
    (void)array;
    return at[1] == at[0] && at[2] == at[0] && at[3] == at[0];
}

static int chequered(const mm_array *array, const size_t *at)
{
    (void)array;
    return (at[0] + at[1] + at[2] + at[3]) % 2 == 1;
}

static int edges(const mm_array *array, const size_t *at)
{
    return at[array->rank - 1] == 0 || at[array->rank - 1] + 1 == array->dim[array->rank - 1];
}

static int slope(const mm_array *array, const size_t *at)
{
    return at[array->rank - 1] == at[0] * 3 % array->dim[array->rank - 1];
}

static void test_forms(void)
{
    static form *const forms[] = {first_corner, last_corner, diagonal, chequered, edges, slope};

    for (size_t i = 0; i < ARRAYS; i++) {
        mask of = mask_new(&arrays[i]);

        for (size_t k = 0; k < sizeof forms / sizeof forms[0]; k++) {
            mask_clear(&of);
            for (size_t v = 0; v < of.voxels; v++) {
                size_t at[MM_DISTANCE_AXES] = {0}, left = v;

                for (unsigned axis = arrays[i].rank; axis-- > 0; left /= arrays[i].dim[axis])
                    at[axis] = left % arrays[i].dim[axis];
                if (forms[k](&arrays[i], at))
                    mask_set(&of, v);
            }
            check_all(&of);
        }
        mask_free(&of);
    }
}

/* -------------------------------------------------------------- long and odd */

/* Few sites in arrays whose squares, or whose lines, do not fit anywhere near. */
static void test_long(void)
{
    static const mm_array longs[] = {
        {1, {70000}, {1}},       {2, {1, 16384}, {1, 1}},       {2, {3, 70000}, {1, 1}},
        {2, {70000, 3}, {1, 1}}, {2, {2, 16384}, {1, 3}},       {2, {33000, 2}, {1, 1}},
        {2, {2, 32768}, {1, 1}}, {3, {2, 16384, 5}, {1, 1, 1}}, {3, {2, 16384, 5}, {0.7, 0.4, 1}},
    };

    for (size_t i = 0; i < sizeof longs / sizeof longs[0]; i++) {
        mask of = mask_new(&longs[i]);

        for (size_t sites = 1; sites <= 4; sites += 3) {
            mask_clear(&of);
            mask_set(&of, of.voxels - 1);
            for (size_t k = 1; k < sites; k++)
                mask_set(&of, draw((unsigned)of.voxels));
            check_all(&of);
        }
        mask_free(&of);
    }
}

/* Squares beyond 2^32, one by one. */
static void test_exact(void)
{
    const mm_array array = {2, {3, 100000}, {1, 1}};
    const size_t voxels = mm_array_voxels(&array);
    unsigned char *sites = calloc(voxels, 1);
    double *field = malloc(voxels * sizeof *field);

    CU_ASSERT_FATAL(sites != NULL && field != NULL);
    sites[0] = 1;
    CU_ASSERT(mm_distance_of_mask(sites, 0, &array, MM_EUCLIDEAN, field));
    CU_ASSERT_EQUAL(field[voxels - 1], 99999.0 * 99999.0 + 4.0);
    CU_ASSERT_EQUAL(field[99998], 99998.0 * 99998.0);
    free(sites);
    free(field);
}

/* A million voxels with next to no sites: done in time that grows with the voxels alone. */
static void test_hostile(void)
{
    static const mm_array large[] = {{2, {64, 16384}, {1, 1}},       {2, {16384, 64}, {1, 2}},
                                     {3, {2, 16384, 32}, {1, 1, 1}}, {3, {2, 16384, 32}, {1, 2, 3}},
                                     {2, {1000, 1000}, {1, 1}},      {3, {1, 1000, 1000}, {3, 1, 2}}};

    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        mask of = mask_new(&large[i]);

        mask_set(&of, 0);
        check(&of, MM_EUCLIDEAN);
        for (size_t v = 0; v < of.voxels; v += large[i].dim[large[i].rank - 1] + 1)
            mask_set(&of, v);
        check(&of, MM_EUCLIDEAN);
        mask_free(&of);
    }
}

/* Any spacing: no NaN, sites are at 0, all else is not below, and what a double can hold is right. */
static void test_extreme_spacing(void)
{
    static const double lengths[] = {1e-300, 1e-160, 1e-20, 1.0, 1e20, 1e160, 1e300, DBL_MIN / 4.0, DBL_MAX};
    enum { LENGTHS = sizeof lengths / sizeof lengths[0] };

    for (size_t i = 0; i < (size_t)LENGTHS * LENGTHS; i++) {
        const mm_array array = {3, {3, 70, 40}, {lengths[i % LENGTHS], lengths[i / LENGTHS], lengths[i % 7]}};
        job run = job_new(&array, MM_EUCLIDEAN);
        mask of = mask_new(&array);
        const mm_sites sites = {.bytes = of.bytes, .value = 7};
        size_t wrong = 0;

        mask_set(&of, 40 * 30 + 20);
        mask_set(&of, of.voxels - 1);
        mm_transform_run(&run.transform, &sites, run.field, run.scratch[0]);
        for (size_t v = 0; v < of.voxels; v++) {
            const double distance = mm_transform_distance(&run.transform, run.field, v);
            const double square = mm_transform_square(&run.transform, run.field, v),
                         right = nearest(&of, v, MM_EUCLIDEAN);

            wrong += !(distance >= 0.0 && square >= 0.0 && (of.bytes[v] != 7 || (distance == 0.0 && square == 0.0)));
            wrong += isfinite(right) && right > 1e-250 && !(fabs(square - right) <= 1e-15 * right);
        }
        CU_ASSERT_EQUAL(wrong, 0);
        mask_free(&of);
        job_free(&run);
    }
}

/* The square of the distance, in long double. */
static long double true_square(const mm_array *array, size_t v, size_t w)
{
    long double all = 0.0L;

    for (unsigned axis = array->rank; axis-- > 0; v /= array->dim[axis], w /= array->dim[axis]) {
        const long double steps = (long double)(v % array->dim[axis]) - (long double)(w % array->dim[axis]);

        all += steps * steps * array->spacing[axis] * array->spacing[axis];
    }
    return all;
}

/* No farther from the true minimum than 1e-15. */
static void test_accuracy(void)
{
    for (size_t i = 0; i < 12; i++) {
        const mm_array array = {3, {6, 40, 50}, {0.1 + draw(1000) / 99.0, 0.1 + draw(1000) / 999.0, 1.0 / 3.0}};
        job run = job_new(&array, MM_EUCLIDEAN);
        mask of = mask_new(&array);
        const mm_sites sites = {.bytes = of.bytes, .value = 7};
        size_t wrong = 0;

        for (size_t k = 0; k < 10; k++)
            mask_set(&of, draw((unsigned)of.voxels));
        mm_transform_run(&run.transform, &sites, run.field, run.scratch[0]);
        for (size_t v = 0; v < of.voxels; v++) {
            long double least = INFINITY;

            for (size_t k = 0; k < of.count; k++)
                least = fminl(least, true_square(&array, v, of.sites[k]));
            wrong += fabsl(mm_transform_square(&run.transform, run.field, v) - least) > 1e-15L * least;
        }
        CU_ASSERT_EQUAL(wrong, 0);
        mask_free(&of);
        job_free(&run);
    }
}

/* ------------------------------------------------------------ the same bits */

static void one_task(void *context, size_t i, unsigned worker)
{
    job *of = context;

    mm_transform_task(&of->transform, of->sites, of->field, of->scratch[worker], of->step, i);
}

static void run_steps(job *of, unsigned threads)
{
    for (of->step = 0; of->step < of->transform.steps; of->step++)
        mm_parallel(one_task, of, mm_transform_tasks(&of->transform, of->step), threads);
}

/* Two threads, tasks from the last to the first, and the scalar kernels give the bits of one thread. */
static void compare(const mask *of, mm_metric metric)
{
    const mm_sites sites = {.bytes = of->bytes, .value = 7};
    job serial = job_new(of->array, metric), other = job_new(of->array, metric);
    const size_t bytes = serial.transform.field_bytes;

    serial.sites = other.sites = &sites;
    run_steps(&serial, 1);
    run_steps(&other, 2);
    CU_ASSERT_EQUAL(memcmp(serial.field, other.field, bytes), 0);
    memset(other.field, 0x55, bytes);
    for (other.step = 0; other.step < other.transform.steps; other.step++)
        for (size_t i = mm_transform_tasks(&other.transform, other.step); i-- > 0;)
            one_task(&other, i, 1);
    CU_ASSERT_EQUAL(memcmp(serial.field, other.field, bytes), 0);
    memset(other.field, 0x55, bytes);
    other.transform.k = mm_kernels_scalar.distances;
    run_steps(&other, 1);
    CU_ASSERT_EQUAL(memcmp(serial.field, other.field, bytes), 0);
    job_free(&serial);
    job_free(&other);
}

static void test_same_bits(void)
{
    static const mm_array more[] = {{3, {30, 90, 100}, {1, 1, 1}},
                                    {3, {30, 90, 100}, {3, 0.8, 0.9}},
                                    {3, {4, 400, 400}, {2, 1, 1}},
                                    {2, {600, 700}, {1, 1}},
                                    {4, {5, 20, 60, 40}, {1, 2, 1, 2}}};

    for (size_t i = 0; i < ARRAYS + sizeof more / sizeof more[0]; i++) {
        mask of = mask_new(i < ARRAYS ? &arrays[i] : &more[i - ARRAYS]);

        for (size_t few = 20; few <= 2000; few *= 100) {
            mask_clear(&of);
            for (size_t v = 0; v < of.voxels; v++)
                if (draw((unsigned)few) == 0)
                    mask_set(&of, v);
            for (unsigned metric = MM_EUCLIDEAN; metric <= MM_TAXICAB; metric++)
                compare(&of, (mm_metric)metric);
        }
        mask_free(&of);
    }
}

/* Both ways along a line, near and far, give the same bits, whatever the numbers on it. */
static void test_ways(void)
{
    enum { LENGTH = 200, WIDTH = 16, ROOM = LENGTH + 4 * WIDTH };
    const mm_distance_kernels *k = mm_kernels_chosen()->distances;
    static double real[ROOM], near_out[ROOM], far_out[ROOM], squares[2 * ROOM];
    size_t seams[LENGTH / WIDTH + 2], compared = 0;

    for (unsigned round = 0; round < 300; round++) {
        const double squared = 0.01 + draw(1000) / 300.0;
        const size_t length = 1 + draw(LENGTH);

        for (size_t x = 0; x < ROOM; x++)
            real[x] = x < WIDTH || x >= WIDTH + length || draw(3) == 0 ? (double)INFINITY : draw(1000) / 7.0;
        for (size_t x = 0; x < 2 * ROOM; x++)
            squares[x] = squared * (((double)x - ROOM) * ((double)x - ROOM));
        k->far_real(far_out, real + WIDTH, length, squares + ROOM, WIDTH, seams);
        if (!k->near_real(near_out, real + WIDTH, length, WIDTH, 1, squared))
            continue;
        compared++;
        CU_ASSERT_EQUAL(memcmp(near_out, far_out, length * sizeof *far_out), 0);
    }
    CU_ASSERT(compared > 50);
}

/* ------------------------------------------------------------------- plans */

static void test_sizes(void)
{
    const mm_array axis = {1, {(size_t)MM_DISTANCE_LENGTH + 1}, {1}},
                   sum = {2, {(size_t)1 << 29, (size_t)1 << 29}, {1, 1}};
    const mm_array longest = {1, {MM_DISTANCE_LENGTH}, {1}};
    const mm_array voxels = {4, {1 << 20, 1 << 20, 1 << 20, 1 << 20}, {1, 1, 1, 1}};
    const mm_array bytes = {4, {1 << 20, 1 << 20, 1 << 20, 4}, {1, 2, 1, 1}}, one = {3, {1, 1, 1}, {2, 2, 2}};
    mm_transform transform;

    CU_ASSERT(!mm_transform_plan(&transform, &axis, MM_EUCLIDEAN));
    CU_ASSERT(!mm_transform_plan(&transform, &sum, MM_TAXICAB));
    CU_ASSERT(!mm_transform_plan(&transform, &voxels, MM_EUCLIDEAN));
    CU_ASSERT(!mm_transform_plan(&transform, &bytes, MM_EUCLIDEAN));
    CU_ASSERT_FATAL(mm_transform_plan(&transform, &longest, MM_EUCLIDEAN));
    CU_ASSERT_EQUAL(transform.field_bytes, MM_DISTANCE_LENGTH * sizeof(double));
    CU_ASSERT_FATAL(mm_transform_plan(&transform, &one, MM_EUCLIDEAN));
    CU_ASSERT_EQUAL(transform.steps, 1);
}

static void test_mask(void)
{
    static const unsigned char bytes[] = {0, 1, 1, 1, 0, 0, 1, 2}, full[] = {1, 1, 1};
    static const double inside[] = {0, 1, 4, 1, 0, 0, 1, 0}, outside[] = {1, 0, 0, 0, 1, 1, 0, 0};
    const mm_array array = {1, {8}, {1}}, small = {1, {3}, {1}};
    double field[8];

    CU_ASSERT(mm_distance_of_mask(bytes, 1, &array, MM_EUCLIDEAN, field));
    for (size_t v = 0; v < 8; v++)
        CU_ASSERT_EQUAL(field[v], inside[v]);
    CU_ASSERT(mm_distance_of_mask(bytes, 0, &array, MM_TAXICAB, field));
    for (size_t v = 0; v < 8; v++)
        CU_ASSERT_EQUAL(field[v], outside[v]);
    CU_ASSERT(mm_distance_of_mask(full, 1, &small, MM_EUCLIDEAN, field));
    CU_ASSERT_EQUAL(field[2], INFINITY);
}

static CU_TestInfo tests[] = {
    {"random sites, all metrics, one to four axes", test_random},
    {"corners, diagonals, chequers, edges", test_forms},
    {"long axes", test_long},
    {"squares beyond 32 bits", test_exact},
    {"hostile shapes end", test_hostile},
    {"extreme spacings", test_extreme_spacing},
    {"accuracy against long double", test_accuracy},
    {"threads, order and CPU level change no bit", test_same_bits},
    {"near and far ways agree", test_ways},
    {"sizes that are too large", test_sizes},
    {"masks", test_mask},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_distance;
const mm_suite mm_suite_distance = {"distance", tests};
