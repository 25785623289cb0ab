/*
 * image_tools.c - random images of one to three axes, and what the engine computes of each as a whole.
 */
#include "tests/image_tools.h"

#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/record.h"

static void *must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "tests: out of memory\n");
        exit(1);
    }
    return memory;
}

/* ------------------------------------------------------------------ scenes */

static unsigned draw(unsigned *state, unsigned below)
{
    *state = *state * 1664525u + 1013904223u;
    return below == 0 ? 0 : (*state >> 8) % below;
}

size_t scene_place(const scene *s, size_t n, size_t c, size_t v)
{
    return (n * s->classes + c) * s->voxels + v;
}

/* p of one voxel: steps of 1/steps, made to add up to 1 where classes exclude each other. */
static void draw_prediction(scene *s, size_t n, size_t v, unsigned steps, unsigned *seed)
{
    double total = 0.0;

    for (size_t c = 0; c < s->classes; c++) {
        double *p = &s->p[scene_place(s, n, c, v)];

        *p = (double)draw(seed, steps + 1) / (double)steps;
        if (s->pred_kind == MM_LOGITS)
            *p = 6.0 * *p - 3.0;
        if (s->pred_kind == MM_MASKS)
            *p = s->task == MM_MULTICLASS ? 0.0 : floor(*p + 0.5);
        total += *p;
    }
    if (s->task == MM_MULTILABEL || s->pred_kind == MM_LOGITS)
        return;
    for (size_t c = 0; c < s->classes; c++)
        s->p[scene_place(s, n, c, v)] = total > 0.0 ? s->p[scene_place(s, n, c, v)] / total : c == 0;
}

scene scene_random(mm_task task, mm_pred_kind pred_kind, size_t images, size_t classes, unsigned rank,
                   const size_t *spatial, scene_kind kind, unsigned seed)
{
    scene s = {.task = task, .pred_kind = pred_kind, .images = images, .classes = classes, .voxels = 1, .rank = rank};

    for (unsigned axis = 0; axis < rank; axis++) {
        s.spatial[axis] = spatial[axis];
        s.voxels *= spatial[axis];
    }
    s.p = must(calloc(images * classes * s.voxels, sizeof *s.p));
    s.g = must(calloc(images * classes * s.voxels, sizeof *s.g));
    s.scored = must(calloc(images * s.voxels, 1));
    for (size_t n = 0; n < images; n++)
        for (size_t v = 0; v < s.voxels; v++) {
            draw_prediction(&s, n, v, kind.steps, &seed);
            for (size_t c = 0; c < classes; c++)
                s.g[scene_place(&s, n, c, v)] = task == MM_MULTILABEL && draw(&seed, 16) < kind.label;
            if (task == MM_MULTICLASS)
                s.g[scene_place(&s, n, draw(&seed, (unsigned)classes), v)] = 1.0;
            s.scored[n * s.voxels + v] = draw(&seed, 16) < kind.scored;
        }
    return s;
}

void scene_free(scene *s)
{
    free(s->p);
    free(s->g);
    free(s->scored);
    *s = (scene){.p = NULL};
}

int scene_scored(const scene *s, size_t n, size_t v)
{
    return s->scored[n * s->voxels + v] != 0;
}

double scene_sent(const scene *s, size_t n, size_t c, size_t v)
{
    return scene_scored(s, n, v) ? s->p[scene_place(s, n, c, v)] : 0.0;
}

double scene_p(const scene *s, size_t n, size_t c, size_t v)
{
    double total = 0.0;

    if (s->pred_kind != MM_LOGITS || !scene_scored(s, n, v))
        return scene_sent(s, n, c, v);
    if (s->task == MM_MULTILABEL)
        return 1.0 / (1.0 + exp(-scene_sent(s, n, c, v)));
    for (size_t k = 0; k < s->classes; k++)
        total += exp(scene_sent(s, n, k, v));
    return exp(scene_sent(s, n, c, v)) / total;
}

double scene_g(const scene *s, size_t n, size_t c, size_t v)
{
    return scene_scored(s, n, v) ? s->g[scene_place(s, n, c, v)] : 0.0;
}

int scene_hard(const scene *s, size_t n, size_t c, size_t v)
{
    if (!scene_scored(s, n, v))
        return 0;
    if (s->task == MM_MULTILABEL)
        return scene_p(s, n, c, v) > 0.5;
    for (size_t k = 0; k < s->classes; k++)
        if (scene_sent(s, n, k, v) > scene_sent(s, n, c, v) ||
            (k < c && scene_sent(s, n, k, v) == scene_sent(s, n, c, v)))
            return 0;
    return 1;
}

size_t scene_step(const scene *s, size_t v, const int step[3])
{
    size_t index = 0, stride = 1;

    for (unsigned axis = s->rank; axis-- > 0;) {
        const long at = (long)(v / stride % s->spatial[axis]) + step[axis];

        if (at < 0 || at >= (long)s->spatial[axis])
            return SIZE_MAX;
        index += (size_t)at * stride;
        stride *= s->spatial[axis];
    }
    return index;
}

/* ----------------------------------------------------------------- columns */

/* A tensor [N,C,space] or [N,space,C] of images `from` to `from + count` - 1. */
static mm_tensor tensor_of(const scene *s, const double *values, size_t from, size_t count, int last, double **room)
{
    mm_tensor tensor = {.dtype = MM_F64, .rank = s->rank + 2, .dim = {count}};

    *room = must(malloc(count * s->classes * s->voxels * sizeof **room));
    tensor.data = *room;
    tensor.dim[last ? s->rank + 1 : 1] = s->classes;
    for (unsigned axis = 0; axis < s->rank; axis++)
        tensor.dim[axis + (last ? 1 : 2)] = s->spatial[axis];
    for (size_t n = 0; n < count; n++)
        for (size_t c = 0; c < s->classes; c++)
            for (size_t v = 0; v < s->voxels; v++)
                (*room)[last ? (n * s->voxels + v) * s->classes + c : scene_place(s, n, c, v)] =
                    values[scene_place(s, from + n, c, v)];
    return tensor;
}

/* A plan of that column alone. */
static mm_plan *plan_of(const mm_input *input, const mm_stat *stat)
{
    mm_plan *plan = NULL;
    mm_shape shape;

    if (mm_input_shape(input, &shape, NULL) != MM_OK || mm_plan_new(&plan, "tp", NULL) != MM_OK ||
        mm_plan_bind(plan, &shape, NULL) != MM_OK)
        CU_FAIL_FATAL("the plan");
    plan->stats[0] = *stat;
    plan->stat_count = 1;
    return plan;
}

static mm_status evaluate(const mm_input *input, const mm_plan *plan, unsigned threads, size_t from, mm_images **images)
{
    static const char *const ids[] = {"0/0", "0/1", "0/2", "0/3", "0/4", "0/5"};
    void *scratch = must(aligned_alloc(64, threads * MM_SCRATCH_BYTES));
    mm_eval *eval = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_eval_new(&eval, input, plan, 0, NULL), MM_OK);
    mm_eval_run(eval, scratch, threads);
    const mm_status status = mm_eval_finish(eval, ids + from, images, NULL);
    free(scratch);
    mm_eval_free(eval);
    return status;
}

/* Tensors of some images of a scene. */
typedef struct upload {
    double *pred, *label;
    mm_input input;
} upload;

/* Images `from` to `from + count` - 1. */
static upload upload_of(const scene *s, size_t from, size_t count, int last)
{
    upload up = {.pred = NULL};

    up.input =
        (mm_input){.pred = tensor_of(s, s->p, from, count, last, &up.pred),
                   .label = tensor_of(s, s->g, from, count, last, &up.label),
                   .mask = {.data = s->scored + from * s->voxels, .dtype = MM_U8, .rank = s->rank + 1, .dim = {count}},
                   .task = s->task,
                   .pred_kind = s->pred_kind,
                   .label_kind = MM_ONEHOT,
                   .channels_last = last,
                   .threshold = 0.5};
    for (unsigned axis = 0; axis < s->rank; axis++)
        up.input.mask.dim[axis + 1] = s->spatial[axis];
    return up;
}

static void upload_free(upload *up)
{
    free(up->pred);
    free(up->label);
}

static mm_status run(const scene *s, const mm_stat *stat, size_t from, size_t count, int last, unsigned threads,
                     mm_images **images)
{
    upload up = upload_of(s, from, count, last);
    mm_plan *plan = plan_of(&up.input, stat);
    const mm_status status = evaluate(&up.input, plan, threads, 0, images);

    mm_plan_free(plan);
    upload_free(&up);
    return status;
}

/* The column of images `from` to `from + count` - 1, written to `out`. */
static void gather(const scene *s, const mm_stat *stat, size_t from, size_t count, int last, unsigned threads,
                   double *out)
{
    const size_t values = mm_stat_width(stat, s->classes) * s->classes;
    mm_images *images = NULL;

    CU_ASSERT_EQUAL_FATAL(run(s, stat, from, count, last, threads, &images), MM_OK);
    for (size_t n = 0; n < (stat->flags & MM_STAT_BATCH ? 1 : count); n++) {
        const mm_record *record = stat->flags & MM_STAT_BATCH ? &images->batch : &images->records[n];
        const size_t at = mm_stat_find(record->stats, record->stat_count, stat);

        memcpy(out + n * values, record->sums + mm_stats_offset(record->stats, at, s->classes), values * sizeof *out);
    }
    mm_images_free(images);
}

mm_status scene_status(const scene *s, const mm_stat *stat)
{
    mm_images *images = NULL;
    const mm_status status = run(s, stat, 0, s->images, 0, 1, &images);

    mm_images_free(images);
    return status;
}

double *scene_column(const scene *s, const mm_stat *stat)
{
    const size_t values = mm_stat_width(stat, s->classes) * s->classes;
    const size_t all = (stat->flags & MM_STAT_BATCH ? 1 : s->images) * values;
    double *column = must(calloc(all, sizeof *column)), *again = must(calloc(all, sizeof *again));

    gather(s, stat, 0, s->images, 0, 1, column);
    gather(s, stat, 0, s->images, 1, 2, again);
    CU_ASSERT_EQUAL(memcmp(column, again, all * sizeof *column), 0);
    for (size_t n = 0; !(stat->flags & MM_STAT_BATCH) && n < s->images; n++)
        gather(s, stat, n, 1, 0, 1, again + n * values);
    CU_ASSERT_EQUAL(memcmp(column, again, all * sizeof *column), 0);
    free(again);
    return column;
}

double scene_value(const scene *s, const mm_stat *stat, const double *column, size_t n, size_t w, size_t c)
{
    return column[(n * mm_stat_width(stat, s->classes) + w) * s->classes + c];
}

scene_scores scene_score(const scene *s, const char *expressions, const double *weights, size_t from, size_t count)
{
    scene_scores out = {.plan = NULL};
    upload up = upload_of(s, from, count, 0);
    mm_shape shape;

    out.status = mm_input_shape(&up.input, &shape, &out.problem);
    if (out.status == MM_OK)
        out.status = mm_plan_new(&out.plan, expressions, &out.problem);
    if (out.status == MM_OK)
        out.status = mm_plan_bind(out.plan, &shape, &out.problem);
    if (out.status == MM_OK)
        out.status = evaluate(&up.input, out.plan, 1, from, &out.images);
    if (out.status == MM_OK)
        out.status = mm_images_score(&out.results, out.images, out.plan, weights, &out.problem);
    if (out.status == MM_OK)
        out.first = mm_results_at(out.results, 0);
    upload_free(&up);
    return out;
}

void scene_drop(scene_scores *scores)
{
    mm_results_free(scores->results);
    mm_images_free(scores->images);
    mm_plan_free(scores->plan);
    *scores = (scene_scores){.plan = NULL};
}

int scene_close(double a, double b)
{
    return fabs(a - b) <= 1e-11 + 1e-11 * fabs(b);
}
