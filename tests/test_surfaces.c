/*
 * test_surfaces.c - columns of distances between surfaces, whole evaluations: against all pairs of elements, many
 * classes in many groups, maps of classes and of masks, large images in slabs, any order of tasks.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/image_kinds.h"
#include "lib/record.h"
#include "lib/surfel.h"
#include "tests/image_tools.h"
#include "tests/surface_tools.h"

static void *must(void *memory)
{
    if (memory == NULL)
        CU_FAIL_FATAL("out of memory");
    return memory;
}

/* -------------------------------------------------------- against all pairs */

/* Distances and sizes of one side. */
typedef struct list {
    double distance[2 * MASKS_MOST], size[2 * MASKS_MOST];
    size_t count;
} list;

/* By distance, then size. */
static void sort_list(list *of)
{
    for (size_t i = 1; i < of->count; i++)
        for (size_t j = i; j > 0 && (of->distance[j] < of->distance[j - 1] ||
                                     (of->distance[j] == of->distance[j - 1] && of->size[j] < of->size[j - 1]));
             j--) {
            const double distance = of->distance[j], size = of->size[j];

            of->distance[j] = of->distance[j - 1];
            of->size[j] = of->size[j - 1];
            of->distance[j - 1] = distance;
            of->size[j - 1] = size;
        }
}

static void lists_of(const masks *m, unsigned options, list of[2])
{
    static element elements[2][2 * MASKS_MOST];
    const mm_metric metric = (mm_metric)(options & MM_SURFACE_METRIC);
    double size[MM_SURFEL_CODES] = {[1] = 1.0};

    if (options & MM_SURFACE_SURFELS)
        mm_surfel_sizes(m->rank, m->spacing, size);
    for (size_t side = 0; side < 2; side++)
        of[side].count = masks_elements(m, side == 0 ? m->pred : m->label, options, elements[side]);
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < of[side].count; i++) {
            of[side].distance[i] =
                sqrt(squared_nearest(m, &elements[side][i], elements[1 - side], of[1 - side].count, metric));
            of[side].size[i] = size[elements[side][i].code];
        }
        sort_list(&of[side]);
    }
}

static double percentile_of(const list *of, int surfels, double q)
{
    const double place = (double)(of->count - 1) * q / 100.0;
    const size_t k = (size_t)place;
    double all = 0.0, sum = 0.0;
    size_t i = 0;

    if (!surfels)
        return k + 1 == of->count ? of->distance[k]
                                  : of->distance[k] + (place - (double)k) * (of->distance[k + 1] - of->distance[k]);
    for (size_t j = 0; j < of->count; j++)
        all += of->size[j];
    for (; i + 1 < of->count && (sum += of->size[i]) / all < q / 100.0; i++)
        ;
    return of->distance[i];
}

static double within(const list *of, double tolerance)
{
    double sum = 0.0;

    for (size_t i = 0; i < of->count; i++)
        sum += of->distance[i] * of->distance[i] <= tolerance * tolerance * (1.0 + 1e-9) ? of->size[i] : 0.0;
    return sum;
}

static void join(const list of[2], list *both)
{
    both->count = 0;
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < of[side].count; i++) {
            both->distance[both->count] = of[side].distance[i];
            both->size[both->count++] = of[side].size[i];
        }
    sort_list(both);
}

/* What the column must hold of these lists, reason first. */
static void expected_of(const mm_stat *stat, const list of[2], double *values)
{
    static list both;
    const int surfels = ((unsigned)stat->more[MM_SURFACE_OPTIONS] & MM_SURFACE_SURFELS) != 0;
    const int a = of[0].count > 0, b = of[1].count > 0;

    memset(values, 0, MM_SURFACE_VALUES * sizeof *values);
    values[0] = a && b ? MM_DEFINED : a ? MM_EMPTY_LABEL : b ? MM_EMPTY_PREDICTION : MM_ABSENT_IN_BOTH;
    for (size_t side = 0; side < 2; side++) {
        if (stat->kind == MM_IMAGE_SURFACE)
            values[MM_SURFACE_SIZE_A + side] = within(&of[side], INFINITY);
        for (size_t i = 0; stat->kind == MM_IMAGE_SURFACE && a && b && i < of[side].count; i++) {
            const double distance = of[side].distance[i];

            values[MM_SURFACE_SUM_A + side] += of[side].size[i] * distance;
            values[MM_SURFACE_SQUARES_A + side] += of[side].size[i] * distance * distance;
            values[MM_SURFACE_MOST_A + side] = fmax(values[MM_SURFACE_MOST_A + side], distance);
        }
        if (stat->kind == MM_IMAGE_SURFACE_PERCENTILE && a && b)
            values[MM_SURFACE_PERCENTILE_A + side] = percentile_of(&of[side], surfels, stat->more[MM_SURFACE_Q]);
        if (stat->kind == MM_IMAGE_SURFACE_WITHIN && a && b)
            values[MM_SURFACE_WITHIN_A + side] = within(&of[side], stat->more[MM_SURFACE_TOLERANCE]);
    }
    if (stat->kind == MM_IMAGE_SURFACE_PERCENTILE && a && b && !surfels) {
        join(of, &both);
        values[MM_SURFACE_PERCENTILE] = percentile_of(&both, 0, stat->more[MM_SURFACE_Q]);
    }
}

/* The masks of a class of a scene; channels: of the prediction, each by itself. */
static masks masks_of(const scene *s, const mm_stat *stat, size_t n, size_t c)
{
    const int channels =
        s->pred_kind == MM_MASKS && ((unsigned)stat->more[MM_SURFACE_OPTIONS] & MM_SURFACE_CHANNELS) != 0;
    masks m = {.rank = s->rank, .voxels = s->voxels};

    for (unsigned axis = 0; axis < s->rank; axis++) {
        m.dim[axis] = s->spatial[axis];
        m.spacing[axis] = stat->more[MM_SURFACE_SPACING + axis] > 0.0 ? stat->more[MM_SURFACE_SPACING + axis] : 1.0;
    }
    for (size_t v = 0; v < s->voxels; v++) {
        m.pred[v] = channels ? scene_p(s, n, c, v) > 0.5 : scene_hard(s, n, c, v) == 1;
        m.label[v] = scene_g(s, n, c, v) > 0.5;
    }
    return m;
}

static double diagonal_of(const masks *m, mm_metric metric)
{
    double squares = 0.0, steps = 0.0, most = 0.0;

    for (unsigned axis = 0; axis < m->rank; axis++) {
        const double length = (double)m->dim[axis];

        squares += length * m->spacing[axis] * length * m->spacing[axis];
        steps += length;
        most = fmax(most, length);
    }
    return metric == MM_EUCLIDEAN ? sqrt(squares) : metric == MM_TAXICAB ? steps : most;
}

static void check_column(const scene *s, mm_stat stat)
{
    const size_t width = mm_stat_width(&stat, s->classes);
    const unsigned options = (unsigned)stat.more[MM_SURFACE_OPTIONS];
    double *column = scene_column(s, &stat), expected[MM_SURFACE_VALUES];
    static list lists[2];

    CU_ASSERT_PTR_NOT_NULL_FATAL(column);
    for (size_t n = 0; n < s->images; n++)
        for (size_t c = 0; c < s->classes; c++) {
            const masks m = masks_of(s, &stat, n, c);

            lists_of(&m, options, lists);
            expected_of(&stat, lists, expected);
            if (stat.kind == MM_IMAGE_SURFACE)
                expected[MM_SURFACE_DIAGONAL] = diagonal_of(&m, (mm_metric)(options & MM_SURFACE_METRIC));
            for (size_t w = 0; w < width; w++)
                CU_ASSERT(scene_close(scene_value(s, &stat, column, n, w, c), expected[w]));
        }
    free(column);
}

static const size_t shapes[][3] = {{1}, {30}, {9, 12}, {1, 11}, {4, 5, 6}};
static const unsigned ranks[] = {1, 1, 2, 2, 3};

/* Sparse, dense, empty and full masks; masked voxels; exclusive classes, and such whose prediction is masks. */
static void test_columns(void)
{
    static const unsigned options[] = {MM_EUCLIDEAN,
                                       MM_SURFACE_SURFELS,
                                       MM_TAXICAB | MM_SURFACE_CHANNELS,
                                       MM_CHESSBOARD | MM_SURFACE_SURFELS | MM_SURFACE_CHANNELS,
                                       2 * MM_SURFACE_CONNECTIVITY,
                                       MM_SURFACE_CHANNELS};

    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned k = 0; k < 12; k++) {
            const double of = (double)options[k % 6], spaced = k % 3 ? 0.0 : 2.0;
            scene s = scene_random(k & 1 ? MM_MULTICLASS : MM_MULTILABEL, k & 2 ? MM_MASKS : MM_PROBS, 2, 3, ranks[i],
                                   shapes[i], (scene_kind){2 * k, k & 2 ? 16 : 15, k & 4 ? 50 : 2}, 5 * i + k);

            check_column(&s, (mm_stat){.kind = MM_IMAGE_SURFACE, .more = {spaced, spaced / 4, spaced, 0.0, of}});
            check_column(
                &s, (mm_stat){.kind = MM_IMAGE_SURFACE_PERCENTILE, .more = {spaced, spaced / 4, spaced, 80.0, of}});
            check_column(&s, (mm_stat){.kind = MM_IMAGE_SURFACE_WITHIN, .more = {spaced, spaced / 4, spaced, 1.0, of}});
            scene_free(&s);
        }
}

/* ------------------------------------------------------- whole evaluations */

/* One image of label maps, and the columns of one of its evaluations. */
typedef struct maps {
    size_t classes, rank, dim[3], voxels;
    uint16_t *pred, *label;
} maps;

static maps maps_new(size_t classes, size_t z, size_t y, size_t x)
{
    const size_t voxels = z * y * x;

    return (maps){.classes = classes,
                  .rank = 3,
                  .dim = {z, y, x},
                  .voxels = voxels,
                  .pred = must(calloc(voxels, sizeof(uint16_t))),
                  .label = must(calloc(voxels, sizeof(uint16_t)))};
}

static void maps_free(maps *of)
{
    free(of->pred);
    free(of->label);
}

static uint64_t state = 5;

static unsigned draw(unsigned below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % below;
}

typedef struct running {
    mm_eval *eval;
    unsigned char *scratch;
    size_t count;
    int backwards;
} running;

static void run_one(void *context, size_t i, unsigned worker)
{
    const running *r = context;

    mm_eval_task(r->eval, r->backwards ? r->count - 1 - i : i, r->scratch + worker * MM_SCRATCH_BYTES);
}

static const char expressions[] = "hd95,assd,hausdorff,surface_dice(tolerance=1),median:hausdorff_percentile(q=50),"
                                  "s95:hd95(surface=surfel),sdice:surface_dice(surface=surfel,tolerance=2),"
                                  "steps:hausdorff(metric=taxicab)";

static mm_input input_of(const maps *of, const double *spacing)
{
    const mm_tensor map = {.dtype = MM_U16, .rank = 4, .dim = {1, of->dim[0], of->dim[1], of->dim[2]}};
    mm_input input = {.pred = map,
                      .label = map,
                      .classes = of->classes,
                      .threshold = 0.5,
                      .spacing = spacing,
                      .spacing_count = spacing == NULL ? 0 : 3};

    input.pred.data = of->pred;
    input.label.data = of->label;
    return input;
}

/* The records of an evaluation as bytes; *stages: how many it took. */
static unsigned char *records_of(const mm_input *input, unsigned threads, int backwards, size_t *size, size_t *stages)
{
    const char *const id = "0/0";
    running r = {.backwards = backwards};
    unsigned char *bytes = NULL;
    mm_images *images = NULL;
    mm_plan *plan = NULL;
    mm_shape shape;

    r.scratch = must(aligned_alloc(64, threads * MM_SCRATCH_BYTES));
    CU_ASSERT_EQUAL_FATAL(mm_input_shape(input, &shape, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_plan_new(&plan, expressions, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_plan_bind(plan, &shape, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_eval_new(&r.eval, input, plan, 0, NULL), MM_OK);
    CU_ASSERT(mm_eval_is_long(r.eval));
    for (*stages = 0; (r.count = mm_eval_stage(r.eval)) > 0; (*stages)++)
        mm_parallel(run_one, &r, r.count, threads);
    CU_ASSERT_EQUAL(mm_eval_finish(r.eval, &id, &images, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_images_save(images, &bytes, size), MM_OK);
    mm_images_free(images);
    mm_eval_free(r.eval);
    mm_plan_free(plan);
    free(r.scratch);
    return bytes;
}

/* The same bits by any number of threads and in any order. */
static size_t check_orders(const maps *of, const double *spacing)
{
    const mm_input input = input_of(of, spacing);
    size_t size, stages;
    unsigned char *first = records_of(&input, 1, 0, &size, &stages);

    for (unsigned k = 0; k < 3; k++) {
        size_t other_size, other_stages;
        unsigned char *other = records_of(&input, 1 + k, k != 1, &other_size, &other_stages);

        CU_ASSERT_EQUAL(other_stages, stages);
        CU_ASSERT(other_size == size && memcmp(other, first, size) == 0);
        free(other);
    }
    free(first);
    return stages;
}

/* Blocks of 6 x 7 x 8 voxels of one class, a tenth of the voxels predicted wrongly in a block beside. */
static void test_many_classes(void)
{
    maps of = maps_new(300, 24, 70, 80);

    for (size_t v = 0; v < of.voxels; v++) {
        const size_t x = v % 80, y = v / 80 % 70, z = v / 5600;

        of.label[v] = (uint16_t)((z / 6 * 10 + y / 7) * 10 + x / 8) % 299; /* the last class is not there */
        of.pred[v] = draw(400) == 0 ? (uint16_t)draw(299) : of.label[x < 79 && draw(10) == 0 ? v + 1 : v];
    }
    CU_ASSERT(check_orders(&of, NULL) >= 3);
    maps_free(&of);
}

/* A group of small pairs, and one whose only pair takes more memory than all of those. */
static void test_growing(void)
{
    maps of = maps_new(1100, 60, 80, 90);

    for (size_t v = 0; v < of.voxels; v++) { /* small ones: two voxels side by side */
        const size_t small = v / 400;

        of.label[v] = (uint16_t)(v % 400 == 0 && small < 1030 ? small : 1099);
        of.pred[v] = (uint16_t)(v % 400 == 1 && small < 1030 ? small : 1099);
    }
    CU_ASSERT(check_orders(&of, NULL) > 3);
    maps_free(&of);
}

/* Every class everywhere: boxes of the whole image, more pairs than a group takes. */
static void test_noise(void)
{
    maps of = maps_new(60, 20, 60, 60);

    for (size_t v = 0; v < of.voxels; v++) {
        of.label[v] = (uint16_t)draw(60);
        of.pred[v] = (uint16_t)draw(60);
    }
    CU_ASSERT(check_orders(&of, (double[]){3.3, 0.6, 0.6}) > 10);
    maps_free(&of);
}

/* Large enough for slabs: a ball that is predicted a little off, and with a voxel in a far corner, which takes the
 * transform. */
static void test_large(void)
{
    for (int far = 0; far < 2; far++) {
        maps of = maps_new(2, 70, 80, 90);

        for (size_t v = 0; v < of.voxels; v++) {
            const size_t row = v / 90 % 80, plane = v / 7200;
            const double x = (double)(v % 90) - 45.0, y = (double)row - 40.0, z = (double)plane - 35.0;

            of.label[v] = x * x + y * y + z * z < 900.0;
            of.pred[v] = (x - 1.0) * (x - 1.0) + y * y + (z + 2.0) * (z + 2.0) < (far ? 20.0 : 880.0);
        }
        CU_ASSERT(check_orders(&of, NULL) >= (far ? 9u : 7u));
        CU_ASSERT(check_orders(&of, (double[]){2.0, 0.7, 0.9}) >= (far ? 9u : 7u));
        maps_free(&of);
    }
}

/* One class fills the image, the others are not there: more of them than voxels. */
static void test_few_voxels(void)
{
    maps of = maps_new(1000, 1, 1, 3);

    CU_ASSERT(check_orders(&of, NULL) >= 3);
    maps_free(&of);
}

/* What is not scored is in no mask, whatever the threshold: every probability is above either of two. */
static void test_threshold(void)
{
    enum { VOXELS = 40 * 40 };
    static float pred[VOXELS], label[VOXELS];
    static unsigned char scored[VOXELS];
    const mm_tensor planes = {.dtype = MM_F32, .rank = 4, .dim = {1, 1, 40, 40}};
    mm_input input = {.pred = planes,
                      .label = planes,
                      .mask = {.data = scored, .dtype = MM_U8, .rank = 3, .dim = {1, 40, 40}},
                      .task = MM_MULTILABEL,
                      .pred_kind = MM_PROBS,
                      .label_kind = MM_ONEHOT,
                      .classes = 1,
                      .threshold = 0.25};
    size_t size[2], stages;

    for (size_t v = 0; v < VOXELS; v++) {
        pred[v] = 0.5f;
        scored[v] = v / 40 == 3 && v % 40 < 9;
    }
    label[125] = 1.0f;
    input.pred.data = pred;
    input.label.data = label;
    unsigned char *above = records_of(&input, 1, 0, &size[0], &stages);
    input.threshold = -0.5;
    unsigned char *below = records_of(&input, 1, 0, &size[1], &stages);

    CU_ASSERT(size[0] == size[1] && memcmp(above, below, size[0]) == 0);
    free(above);
    free(below);
}

/* A value that makes no sense ends the evaluation before any distance. */
static void test_bad_value(void)
{
    const char *const id = "0/0";
    maps of = maps_new(3, 4, 5, 6);
    const mm_input input = input_of(&of, NULL);
    void *scratch = must(aligned_alloc(64, MM_SCRATCH_BYTES));
    mm_problem problem = {.text = ""};
    mm_images *images = NULL;
    mm_plan *plan = NULL;
    mm_eval *eval = NULL;
    mm_shape shape;
    size_t count;

    of.pred[7] = 3;
    CU_ASSERT_EQUAL_FATAL(mm_input_shape(&input, &shape, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_plan_new(&plan, "hd95", NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_plan_bind(plan, &shape, NULL), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_eval_new(&eval, &input, plan, 0, NULL), MM_OK);
    count = mm_eval_stage(eval);
    for (size_t task = 0; task < count; task++)
        mm_eval_task(eval, task, scratch);
    CU_ASSERT_EQUAL(mm_eval_stage(eval), 0);
    CU_ASSERT_EQUAL(mm_eval_finish(eval, &id, &images, &problem), MM_BAD_VALUE);
    CU_ASSERT_EQUAL(problem.index, 7);
    mm_eval_free(eval);
    mm_plan_free(plan);
    free(scratch);
    maps_free(&of);
}

static CU_TestInfo tests[] = {
    {"columns against all pairs", test_columns},
    {"many classes", test_many_classes},
    {"noise of many classes", test_noise},
    {"large images", test_large},
    {"more classes than voxels", test_few_voxels},
    {"thresholds below 0", test_threshold},
    {"a value that makes no sense", test_bad_value},
    {"groups that take more and more memory", test_growing},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_surfaces;
const mm_suite mm_suite_surfaces = {"surfaces", tests};
