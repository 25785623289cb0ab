/*
 * test_surface.c - surfaces and their distances: areas from geometry, cases by hand, masks of all kinds against all
 * pairs of elements, cut into slabs or not, near or far, at every CPU level.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/image_kinds.h"
#include "lib/surface.h"
#include "tests/surface_tools.h"

/* ------------------------------------------------------------------ surfels */

static void test_areas(void)
{
    static const double unit[] = {1, 1, 1}, doubled[] = {2, 2, 2};
    static const struct {
        unsigned code;
        double area;
    } known[] = {{1, 0.2165},  {3, 0.7071},  {6, 0.4330},  {7, 1.1495},   {15, 1.0},
                 {22, 0.6495}, {23, 1.2990}, {27, 1.5731}, {105, 0.8660}, {255, 0.0}};
    double size[MM_SURFEL_CODES], larger[MM_SURFEL_CODES], sum = 0.0;

    mm_surfel_sizes(3, unit, size);
    mm_surfel_sizes(3, doubled, larger);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        CU_ASSERT_DOUBLE_EQUAL(size[known[i].code], known[i].area, 6e-5);
    for (unsigned code = 0; code < MM_SURFEL_CODES; code++) {
        CU_ASSERT_EQUAL(size[code], size[255 - code]);
        CU_ASSERT_DOUBLE_EQUAL(larger[code], 4.0 * size[code], 1e-14);
        sum += size[code];
    }
    CU_ASSERT_DOUBLE_EQUAL(sum, 241.343139705537, 1e-11);
}

/* A face across each axis has the area of that face; an edge, that of its slope. */
static void test_spacing(void)
{
    static const double spacing[] = {3.0, 0.5, 2.0};
    double size[MM_SURFEL_CODES];

    mm_surfel_sizes(3, spacing, size);
    CU_ASSERT_DOUBLE_EQUAL(size[0xf0], 0.5 * 2.0, 1e-14); /* (0, ., .) set */
    CU_ASSERT_DOUBLE_EQUAL(size[0xcc], 3.0 * 2.0, 1e-14); /* (., 0, .) */
    CU_ASSERT_DOUBLE_EQUAL(size[0xaa], 3.0 * 0.5, 1e-14); /* (., ., 0) */
    CU_ASSERT_DOUBLE_EQUAL(size[0xc0], 0.5 * sqrt(9.0 + 0.25) * 2.0, 1e-14);
    mm_surfel_sizes(2, spacing, size);
    CU_ASSERT_EQUAL(size[3], 0.5);
    CU_ASSERT_EQUAL(size[5], 3.0);
    CU_ASSERT_EQUAL(size[1], 0.5 * sqrt(9.25));
    CU_ASSERT_EQUAL(size[9], sqrt(9.25));
    mm_surfel_sizes(1, spacing, size);
    CU_ASSERT(size[0] == 0.0 && size[1] == 1.0 && size[2] == 1.0 && size[3] == 0.0);
}

/* -------------------------------------------------------------------- pairs */

/* An array: axes, their lengths, spacing. */
typedef struct array {
    unsigned rank;
    size_t dim[3];
    double spacing[3];
} array;

/* A pair that has been worked on, and all it needs. */
typedef struct worked {
    mm_geometry geometry;
    mm_pair pair;
    unsigned char *memory;
} worked;

static void *must(void *memory)
{
    if (memory == NULL)
        CU_FAIL_FATAL("out of memory");
    return memory;
}

/* A pair in a box of the whole array, with its masks; exactly as much memory as it says it needs. */
static worked *begin_with(const array *of, const unsigned char *pred, const unsigned char *label, unsigned options)
{
    worked *w = must(calloc(1, sizeof *w));
    size_t box[3], most[2] = {0, 0}, bytes = 0;

    mm_geometry_set(&w->geometry, of->rank, of->spacing, options);
    mm_geometry_axes(&w->geometry, of->dim, box);
    for (size_t v = 0; v < box[0] * box[1] * box[2]; v++) {
        most[0] += pred[v];
        most[1] += label[v];
    }
    CU_ASSERT_FATAL(mm_pair_bytes(&w->geometry, box, most, &bytes));
    w->memory = must(aligned_alloc(64, (bytes + 63) / 64 * 64));
    memset(w->memory, 0xa5, bytes); /* whatever was there before */
    mm_pair_begin(&w->pair, &w->geometry, mm_kernels_chosen(), box, most, w->memory);
    mm_pair_clear(&w->pair, 0, w->pair.bands);
    for (size_t plane = 0, v = 0; plane < w->pair.dim[0]; plane++)
        for (size_t row = 0; row < w->pair.dim[1]; row++) {
            unsigned char *to = mm_pair_row(&w->pair, plane, row);

            for (size_t x = 0; to != NULL && x < box[2]; x++, v++)
                to[x] = (unsigned char)(pred[v] * MM_PRED_BIT | label[v] * MM_LABEL_BIT);
        }
    return w;
}

static worked *begin(const masks *of, unsigned options)
{
    array a = {.rank = of->rank};

    memcpy(a.dim, of->dim, sizeof a.dim);
    memcpy(a.spacing, of->spacing, sizeof a.spacing);
    return begin_with(&a, of->pred, of->label, options);
}

static void drop(worked *w)
{
    free(w->memory);
    free(w);
}

static worked *work(const masks *of, unsigned options)
{
    void *scratch = must(aligned_alloc(64, MM_SCRATCH_BYTES));
    worked *w = begin(of, options);

    mm_pair_run(&w->pair, scratch);
    free(scratch);
    return w;
}

/* ------------------------------------------------------------ cases by hand */

/* Boxes, half-open; `hole` is taken out of the prediction. */
typedef struct half {
    size_t low[3], high[3];
} half;

typedef struct by_hand {
    array array;
    half pred, hole, label;
    /* distance, directed percentile, pooled percentile, mean of both sides, surface Dice at 1; of voxels, of surfels */
    double voxel[5], surfel[5];
} by_hand;

static int is_in(const array *of, const half *box, size_t v)
{
    int in = 1;

    for (unsigned axis = of->rank; axis-- > 0; v /= of->dim[axis])
        in = in && v % of->dim[axis] >= box->low[axis] && v % of->dim[axis] < box->high[axis];
    return in;
}

/* Percentiles last: they change the order of the lists. */
static void reduce(worked *w, int surfels, double out[5])
{
    mm_directed *lists = w->pair.list;
    const mm_sizes *sizes = &w->geometry.sizes;
    const mm_kernels *k = mm_kernels_chosen();
    const mm_directed_sums a = mm_directed_add(&lists[0], sizes, k), b = mm_directed_add(&lists[1], sizes, k);
    double percentile[2];

    out[0] = fmax(mm_directed_greatest(&lists[0], k), mm_directed_greatest(&lists[1], k));
    out[3] = (a.distance + b.distance) / (a.size + b.size);
    out[4] = (mm_directed_within(&lists[0], sizes, k, 1.0) + mm_directed_within(&lists[1], sizes, k, 1.0)) /
             (a.size + b.size);
    for (size_t side = 0; side < 2; side++) {
        if (surfels)
            mm_directed_sort(&lists[side], sizes, mm_pair_room(&w->pair, (unsigned)side));
        percentile[side] = surfels ? mm_directed_quantile(&lists[side], sizes, 95.0)
                                   : mm_directed_percentile(lists[side].squared, lists[side].count, 95.0);
    }
    out[1] = fmax(percentile[0], percentile[1]);
    out[2] = surfels ? 0.0 : mm_directed_percentile(lists[0].squared, lists[0].count + lists[1].count, 95.0);
}

static void check_by_hand(const by_hand *of, int surfels, const double *expected)
{
    masks m = {.rank = of->array.rank};
    double values[5];

    memcpy(m.dim, of->array.dim, sizeof m.dim);
    memcpy(m.spacing, of->array.spacing, sizeof m.spacing);
    for (size_t v = 0; v < masks_voxels(&m); v++) {
        m.pred[v] = is_in(&of->array, &of->pred, v) && !is_in(&of->array, &of->hole, v);
        m.label[v] = (unsigned char)is_in(&of->array, &of->label, v);
    }
    worked *w = work(&m, surfels ? MM_SURFACE_SURFELS : 0);

    reduce(w, surfels, values);
    for (size_t i = 0; i < 5; i++)
        CU_ASSERT_DOUBLE_EQUAL(values[i], expected[i], 6e-6);
    drop(w);
}

static void test_by_hand(void)
{
    static const by_hand cases[] = {
        {{2, {10, 10}, {1, 1}}, {{2, 2}, {6, 6}}, {{0}, {0}}, {{2, 3}, {6, 7}}, {1, 1, 1, 0.5, 1}, {1, 1, 0, 0.5, 1}},
        {{2, {10, 10}, {2, 0.5}},
         {{2, 2}, {6, 6}},
         {{0}, {0}},
         {{2, 3}, {6, 7}},
         {0.5, 0.5, 0.5, 0.25, 1},
         {0.5, 0.5, 0, 0.367659, 1}},
        {{2, {12, 12}, {1, 1}},
         {{2, 2}, {9, 9}},
         {{4, 4}, {7, 7}},
         {{2, 2}, {9, 9}},
         {1, 1, 1, 0.2, 1},
         {2, 2, 0, 0.335842, 0.832079}},
        {{2, {6, 8}, {1, 1}},
         {{0, 0}, {6, 8}},
         {{0}, {0}},
         {{1, 1}, {5, 7}},
         {1.414214, 1.414214, 1.414214, 1.041421, 0.9},
         {1.414214, 1.414214, 0, 1.02566, 0.938050}},
        {{2, {8, 8}, {1, 1}},
         {{2, 2}, {4, 6}},
         {{0}, {0}},
         {{4, 2}, {6, 6}},
         {2, 2, 2, 1.5, 0.5},
         {2, 2, 0, 1, 0.592350}},
        {{3, {8, 10, 10}, {3, 1, 1}},
         {{2, 2, 2}, {5, 6, 6}},
         {{0}, {0}},
         {{3, 2, 2}, {6, 6, 6}},
         {3, 3, 3, 1.181818, 0.636364},
         {3, 3, 0, 0.672974, 0.791306}},
        {{3, {5, 6, 7}, {1, 1, 1}},
         {{1, 2, 2}, {2, 3, 3}},
         {{0}, {0}},
         {{2, 3, 4}, {3, 4, 5}},
         {2.449490, 2.449490, 2.449490, 2.449490, 0},
         {2.449490, 2.449490, 0, 1.81026, 0.125}},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_by_hand(&cases[i], 0, cases[i].voxel);
        check_by_hand(&cases[i], 1, cases[i].surfel);
    }
}

/* ---------------------------------------------------------------- all pairs */

static uint64_t state = 3;

static unsigned draw(unsigned below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % below;
}

static int has_unit_spacing(const masks *of)
{
    return of->spacing[0] == 1.0 && (of->rank < 2 || of->spacing[1] == 1.0) && (of->rank < 3 || of->spacing[2] == 1.0);
}

/* Whole squares are equal to the last bit. */
static void check_list(const masks *of, const mm_directed *list, const element *from, size_t from_count,
                       const element *to, size_t to_count, mm_metric metric)
{
    size_t wrong = 0;

    CU_ASSERT_EQUAL_FATAL(list->count, from_count);
    for (size_t i = 0; i < from_count; i++) {
        const double expected = squared_nearest(of, &from[i], to, to_count, metric);

        if (list->code != NULL)
            wrong += list->code[i] != from[i].code;
        if (expected == INFINITY || has_unit_spacing(of) || metric != MM_EUCLIDEAN)
            wrong += list->squared[i] != expected;
        else
            wrong += !(fabs(list->squared[i] - expected) <= 1e-14 * expected);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void check_pair(const masks *of, unsigned options)
{
    const mm_metric metric = (mm_metric)(options & MM_SURFACE_METRIC);
    element *lists = must(calloc(4 * MASKS_MOST, sizeof *lists));
    const size_t a = masks_elements(of, of->pred, options, lists);
    const size_t b = masks_elements(of, of->label, options, lists + 2 * MASKS_MOST);
    worked *w = work(of, options);

    check_list(of, &w->pair.list[0], lists, a, lists + 2 * MASKS_MOST, b, metric);
    check_list(of, &w->pair.list[1], lists + 2 * MASKS_MOST, b, lists, a, metric);
    drop(w);
    free(lists);
}

static const array arrays[] = {{1, {30}, {0.5}},
                               {1, {1}, {1}},
                               {2, {9, 12}, {1, 1}},
                               {2, {10, 7}, {0.5, 2}},
                               {2, {1, 40}, {1, 1}},
                               {3, {5, 6, 7}, {1, 1, 1}},
                               {3, {6, 5, 4}, {2.5, 0.8, 1.2}},
                               {3, {1, 9, 9}, {1, 1, 1}},
                               {3, {9, 1, 9}, {0.3, 0.3, 0.3}},
                               {3, {9, 9, 1}, {1, 1, 1}},
                               {3, {3, 4, 80}, {1e6, 1e-6, 1}},
                               {3, {7, 8, 9}, {1e-6, 1e-6, 1e-6}}};

static masks masks_of(const array *of)
{
    masks m = {.rank = of->rank};

    memcpy(m.dim, of->dim, sizeof m.dim);
    memcpy(m.spacing, of->spacing, sizeof m.spacing);
    m.voxels = masks_voxels(&m);
    return m;
}

/* None, few, many or all voxels of either mask. */
static void test_noise(void)
{
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        for (unsigned k = 0; k < 25; k++) {
            masks m = masks_of(&arrays[i]);

            for (size_t v = 0; v < m.voxels; v++) {
                m.pred[v] = draw(4) < k % 5;
                m.label[v] = draw(4) < k / 5;
            }
            check_pair(&m, k % 3);
            check_pair(&m, (1 + k % 3) * MM_SURFACE_CONNECTIVITY);
            check_pair(&m, MM_SURFACE_SURFELS | (k % 4 == 3 ? MM_TAXICAB : MM_EUCLIDEAN));
        }
}

/* A box, hollow, solid or thin, somewhere in the array, also at its edges. */
static void add_box(const masks *m, unsigned char *mask)
{
    size_t low[3], high[3];
    const unsigned hollow = draw(2);

    for (unsigned axis = 0; axis < m->rank; axis++) {
        low[axis] = draw((unsigned)m->dim[axis]);
        high[axis] = low[axis] + 1 + draw((unsigned)(m->dim[axis] - low[axis]));
    }
    for (size_t v = 0; v < m->voxels; v++) {
        int in = 1, deep = 1;

        for (size_t axis = m->rank, left = v; axis-- > 0; left /= m->dim[axis]) {
            const size_t at = left % m->dim[axis];

            in = in && at >= low[axis] && at < high[axis];
            deep = deep && at > low[axis] && at + 1 < high[axis];
        }
        if (in)
            mask[v] = !(deep && hollow);
    }
}

/* Boxes with holes, thin walls, touching one another; the label often the prediction but for a few voxels. */
static void test_shapes(void)
{
    static const array large[] = {
        {3, {12, 15, 20}, {1, 1, 1}}, {2, {60, 50}, {1, 1}}, {3, {9, 20, 20}, {3.3, 0.7, 0.7}}};

    for (unsigned k = 0; k < 24; k++) {
        masks m = masks_of(&large[k % 3]);

        for (unsigned boxes = 0; boxes < 1 + k % 4; boxes++)
            add_box(&m, m.pred);
        if (k % 2)
            memcpy(m.label, m.pred, sizeof m.label);
        else
            add_box(&m, m.label);
        for (unsigned i = 0; i < k % 5; i++)
            m.label[draw((unsigned)m.voxels)] ^= 1;
        check_pair(&m, 0);
        check_pair(&m, MM_SURFACE_SURFELS);
        check_pair(&m, (2 + k / 3 % 2) * MM_SURFACE_CONNECTIVITY);
    }
}

/* Farther apart than a search goes, and along axes longer than steps are counted. */
static void test_far(void)
{
    static const array longs[] = {{1, {3000}, {1}},
                                  {2, {900, 3}, {1, 1}},
                                  {2, {3, 900}, {2, 1}},
                                  {3, {600, 2, 2}, {1, 1, 1}},
                                  {3, {2, 600, 2}, {0.5, 1, 1}},
                                  {3, {2, 2, 600}, {1, 3, 1}}};

    for (size_t i = 0; i < sizeof longs / sizeof longs[0]; i++)
        for (unsigned k = 0; k < 4; k++) {
            masks m = masks_of(&longs[i]);

            m.pred[k < 2 ? 0 : draw((unsigned)m.voxels)] = 1;
            m.label[k == 0 ? m.voxels - 1 : draw((unsigned)m.voxels)] = 1;
            m.label[draw((unsigned)m.voxels)] = (unsigned char)(k % 2);
            check_pair(&m, 0);
            check_pair(&m, MM_SURFACE_SURFELS);
        }
}

/* ---------------------------------------------------------------- the same bits */

static void check_same(const worked *a, const worked *b)
{
    for (size_t side = 0; side < 2; side++) {
        const mm_directed *x = &a->pair.list[side], *y = &b->pair.list[side];

        CU_ASSERT_EQUAL_FATAL(x->count, y->count);
        CU_ASSERT_EQUAL(memcmp(x->squared, y->squared, x->count * sizeof *x->squared), 0);
        CU_ASSERT(x->code == NULL || memcmp(x->code, y->code, x->count) == 0);
    }
}

/* Step by step in slabs of one band or column, the last ones first. */
static void work_backwards(worked *w, void *scratch)
{
    mm_pair *pair = &w->pair;

    for (size_t band = pair->bands; band-- > 0;)
        mm_pair_elements(pair, band, band + 1);
    mm_pair_lay(pair);
    for (size_t column = pair->plane; column-- > 0;)
        mm_pair_steps(pair, column, column + 1);
    for (size_t band = pair->bands; band-- > 0;)
        mm_pair_near(pair, band, band + 1);
    mm_pair_judge(pair);
    for (size_t band = pair->bands; band-- > 0 && pair->again;)
        mm_pair_near_again(pair, band, band + 1);
    for (unsigned side = 2; side-- > 0 && mm_pair_wants_far(pair);) {
        for (size_t step = 0; step < pair->transform.steps; step++)
            for (size_t task = mm_pair_far_tasks(pair, step); task-- > 0;)
                mm_pair_far_task(pair, side, step, task, scratch);
        for (size_t band = pair->bands; band-- > 0;)
            mm_pair_read_far(pair, side, band, band + 1);
    }
}

static void test_slabs(void)
{
    static const unsigned options[] = {0, MM_SURFACE_SURFELS, MM_TAXICAB, 3 * MM_SURFACE_CONNECTIVITY};
    void *scratch = must(aligned_alloc(64, MM_SCRATCH_BYTES));

    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        for (unsigned k = 0; k < 8; k++) {
            masks m = masks_of(&arrays[i]);

            add_box(&m, m.pred);
            add_box(&m, m.label);
            worked *all = work(&m, options[k % 4]), *cut = begin(&m, options[k % 4]);

            work_backwards(cut, scratch);
            check_same(all, cut);
            drop(all);
            drop(cut);
        }
    free(scratch);
}

static void fill_box(const array *of, unsigned char *mask, const half *box)
{
    for (size_t v = 0; v < of->dim[0] * of->dim[1] * of->dim[2]; v++)
        mask[v] = mask[v] || is_in(of, box, v);
}

/* A slab that is predicted far from all else: what it takes more patience to find is what the transform gives. */
static void test_patience(void)
{
    static const array of[] = {{3, {50, 60, 60}, {1, 1, 1}}, {3, {50, 60, 60}, {0.9, 1.1, 1}}};
    static const half both = {{30, 40, 40}, {48, 58, 58}}, speck = {{1, 1, 1}, {3, 13, 13}};
    unsigned char *pred = must(calloc(180000, 1)), *label = must(calloc(180000, 1));
    void *scratch = must(aligned_alloc(64, MM_SCRATCH_BYTES));

    fill_box(&of[0], pred, &both);
    fill_box(&of[0], pred, &speck);
    fill_box(&of[0], label, &both);
    for (unsigned k = 0; k < 4; k++) {
        const unsigned options = k % 2 ? MM_SURFACE_SURFELS : 0;
        worked *near = begin_with(&of[k / 2], pred, label, options),
               *far = begin_with(&of[k / 2], pred, label, options);

        mm_pair_run(&near->pair, scratch);
        CU_ASSERT(near->pair.again && !mm_pair_wants_far(&near->pair));
        atomic_store(&far->pair.far, 1);
        mm_pair_run(&far->pair, scratch);
        check_same(near, far);
        drop(near);
        drop(far);
    }
    free(pred);
    free(label);
    free(scratch);
}

/* The transform gives what the search gives. */
static void test_near_and_far(void)
{
    void *scratch = must(aligned_alloc(64, MM_SCRATCH_BYTES));

    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        for (unsigned k = 0; k < 4; k++) {
            masks m = masks_of(&arrays[i]);

            add_box(&m, m.pred);
            add_box(&m, m.label);
            worked *near = work(&m, k % 2 ? MM_SURFACE_SURFELS : 0), *far = begin(&m, k % 2 ? MM_SURFACE_SURFELS : 0);

            atomic_store(&far->pair.far, 1);
            mm_pair_run(&far->pair, scratch);
            check_same(near, far);
            drop(near);
            drop(far);
        }
    free(scratch);
}

static CU_TestInfo tests[] = {
    {"areas of surfels", test_areas},
    {"spacing of surfels", test_spacing},
    {"cases by hand", test_by_hand},
    {"random masks against all pairs", test_noise},
    {"shapes against all pairs", test_shapes},
    {"far apart, along long axes", test_far},
    {"in slabs, in another order", test_slabs},
    {"searched or transformed", test_near_and_far},
    {"searched with patience", test_patience},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_surface;
const mm_suite mm_suite_surface = {"surface", tests};
