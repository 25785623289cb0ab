/*
 * score_tools.c - small images made by hand, records of them, and scores.
 */
#include "tests/score_tools.h"

#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/naive_sums.h"

static void *must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "tests: out of memory\n");
        exit(1);
    }
    return memory;
}

static data data_empty(mm_task task, size_t images, size_t classes, size_t voxels)
{
    data d = {.task = task, .images = images, .classes = classes, .voxels = voxels, .pred_kind = MM_PROBS};

    d.p = must(calloc(images * classes * voxels, sizeof *d.p));
    d.g = must(calloc(images * classes * voxels, sizeof *d.g));
    return d;
}

void data_free(data *d)
{
    free(d->p);
    free(d->g);
    *d = (data){0};
}

data data_given(mm_task task, size_t images, size_t classes, size_t voxels, const double *values)
{
    data d = data_empty(task, images, classes, voxels);
    const size_t count = images * classes * voxels;

    memcpy(d.p, values, count * sizeof *values);
    memcpy(d.g, values + count, count * sizeof *values);
    return d;
}

/* A number in (0, 1): a short generator, the same on every machine. */
static double draw(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return ((*state >> 8) + 0.5) / 16777216.0;
}

static size_t place(const data *d, size_t n, size_t c, size_t v)
{
    return (n * d->classes + c) * d->voxels + v;
}

data data_random(mm_task task, size_t images, size_t classes, size_t voxels, unsigned seed)
{
    data d = data_empty(task, images, classes, voxels);

    for (size_t n = 0; n < images; n++)
        for (size_t v = 0; v < voxels; v++) {
            const size_t label = (size_t)(draw(&seed) * (double)classes);
            double total = 0.0;

            for (size_t c = 0; c < classes; c++) {
                const double bonus = task == MM_MULTICLASS && c == label ? 0.7 : 0.0;

                d.p[place(&d, n, c, v)] = draw(&seed) * (bonus > 0.0 ? 1.0 : 0.8) + bonus;
                d.g[place(&d, n, c, v)] = task == MM_MULTICLASS ? c == label : draw(&seed) < 0.4;
                total += d.p[place(&d, n, c, v)];
            }
            for (size_t c = 0; task == MM_MULTICLASS && c < classes; c++)
                d.p[place(&d, n, c, v)] /= total;
        }
    return d;
}

double p_at(const data *d, size_t n, size_t c, size_t v)
{
    return d->p[place(d, n, c, v)];
}

double g_at(const data *d, size_t n, size_t c, size_t v)
{
    return d->g[place(d, n, c, v)];
}

/* Is class c the first greatest, or above the threshold? */
static int hard(const data *d, const double *values, double threshold, size_t n, size_t c, size_t v)
{
    const double own = values[place(d, n, c, v)];

    if (d->task == MM_MULTILABEL)
        return own > threshold;
    for (size_t k = 0; k < d->classes; k++)
        if (values[place(d, n, k, v)] > own || (k < c && values[place(d, n, k, v)] == own))
            return 0;
    return 1;
}

int hard_p(const data *d, size_t n, size_t c, size_t v)
{
    return hard(d, d->p, d->pred_kind == MM_LOGITS ? 0.0 : 0.5, n, c, v);
}

int hard_g(const data *d, size_t n, size_t c, size_t v)
{
    return hard(d, d->g, 0.5, n, c, v);
}

/* Counts the voxel's label and prediction. */
static void count_pair(mm_record *record, const data *d, size_t n, size_t v)
{
    for (size_t i = 0; i < d->classes; i++)
        for (size_t j = 0; j < d->classes; j++)
            record->confusion[i * d->classes + j] += (uint64_t)(hard_g(d, n, i, v) && hard_p(d, n, j, v));
}

static void fill_record(mm_record *record, const data *d, size_t n)
{
    record->voxels = record->scored = record->unmasked = d->voxels;
    for (size_t v = 0; v < d->voxels; v++) {
        for (size_t c = 0; c < d->classes; c++) {
            const int p = hard_p(d, n, c, v), g = hard_g(d, n, c, v);

            record->label_count[c] += (uint64_t)g;
            record->pred_count[c] += (uint64_t)p;
            record->both_count[c] += (uint64_t)(p && g);
        }
        if (record->confusion != NULL)
            count_pair(record, d, n, v);
        for (size_t s = 0; s < record->stat_count; s++)
            naive_voxel(record->sums + mm_stats_offset(record->stats, s, d->classes), &record->stats[s], d, n, v);
    }
}

/* Parses and binds. */
static mm_status bind(const data *d, const char *expressions, mm_plan **plan, mm_problem *problem)
{
    const mm_shape shape = {.images = d->images,
                            .classes = d->classes,
                            .spatial_rank = d->spatial_rank == 0 ? 1 : d->spatial_rank,
                            .spatial = {d->spatial_rank == 0 ? d->voxels : d->spatial[0], d->spatial[1], d->spatial[2]},
                            .voxels = d->voxels,
                            .task = d->task,
                            .pred_kind = d->pred_kind,
                            .label_kind = MM_ONEHOT};
    const mm_status status = mm_plan_new(plan, expressions, problem);

    return status == MM_OK ? mm_plan_bind(*plan, &shape, problem) : status;
}

mm_plan *bound_plan(const data *d, const char *expressions)
{
    mm_problem problem = {.text = ""};
    mm_plan *plan = NULL;

    if (bind(d, expressions, &plan, &problem) != MM_OK) {
        printf("\n    %s: %s\n", expressions, problem.text);
        mm_plan_free(plan);
        return NULL;
    }
    return plan;
}

mm_status refusal_of(const data *d, const char *expressions, mm_problem *problem)
{
    mm_plan *plan = NULL;
    const mm_status status = bind(d, expressions, &plan, problem);

    mm_plan_free(plan);
    return status;
}

void check_refusals(const data *d, const refusal *bad, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mm_problem problem = {.text = ""};

        CU_ASSERT_NOT_EQUAL(refusal_of(d, bad[i].text, &problem), MM_OK);
        if (strstr(problem.text, bad[i].part) == NULL) {
            printf("\n    %s: %s\n", bad[i].text, problem.text);
            CU_FAIL("message");
        }
    }
}

/* Puts the spatial axes behind the tensor's others. */
static void add_axes(mm_tensor *tensor, const data *d)
{
    if (d->spatial_rank == 0)
        tensor->dim[tensor->rank++] = d->voxels;
    for (unsigned axis = 0; axis < d->spatial_rank; axis++)
        tensor->dim[tensor->rank++] = d->spatial[axis];
}

/* Images `from` to `to` - 1 as a float tensor. */
static mm_tensor tensor_of(const data *d, const double *values, size_t from, size_t to)
{
    mm_tensor tensor = {
        .data = values + place(d, from, 0, 0), .dtype = MM_F64, .rank = 2, .dim = {to - from, d->classes}};

    add_axes(&tensor, d);
    return tensor;
}

/* The same images from the engine itself. */
static mm_images *engine_images(const data *d, const mm_plan *plan, size_t from, size_t to, const mm_tensor *label)
{
    const mm_input input = {.pred = tensor_of(d, d->p, from, to),
                            .label = *label,
                            .task = d->task,
                            .pred_kind = d->pred_kind,
                            .label_kind = label->dtype == MM_F64 ? MM_ONEHOT : MM_INDEX,
                            .threshold = 0.5,
                            .spacing = d->spacing[0] > 0.0 ? d->spacing : NULL,
                            .spacing_count = d->spacing[0] > 0.0 ? d->spatial_rank : 0};
    char(*names)[32] = must(calloc(to - from, sizeof *names));
    const char **ids = must(calloc(to - from, sizeof *ids));
    void *scratch = must(aligned_alloc(64, MM_SCRATCH_BYTES));
    mm_problem problem = {.text = ""};
    mm_images *images = NULL;
    mm_eval *eval = NULL;

    for (size_t i = 0; i < to - from; i++) {
        snprintf(names[i], sizeof names[i], "0/%zu", from + i);
        ids[i] = names[i];
    }
    mm_status status = mm_eval_new(&eval, &input, plan, 0, &problem);
    if (status == MM_OK) {
        mm_eval_run(eval, scratch, 1);
        status = mm_eval_finish(eval, ids, &images, &problem);
    }
    if (status != MM_OK)
        fprintf(stderr, "tests: %s\n", problem.text);
    mm_eval_free(eval);
    free(scratch);
    free(ids);
    free(names);
    return must(images);
}

mm_images *indexed_images_of(const data *d, const mm_plan *plan, size_t from, size_t to)
{
    int32_t *index = must(calloc((to - from) * d->voxels, sizeof *index));
    mm_tensor label = {.data = index, .dtype = MM_I32, .rank = 1, .dim = {to - from}};

    add_axes(&label, d);
    for (size_t n = from; n < to; n++)
        for (size_t c = 0; c < d->classes; c++)
            for (size_t v = 0; v < d->voxels; v++)
                if (hard_g(d, n, c, v))
                    index[(n - from) * d->voxels + v] = (int32_t)c;
    mm_images *images = engine_images(d, plan, from, to, &label);
    free(index);
    return images;
}

/* Do the plan's columns see images as a whole? */
static int sees_wholes(const mm_stat *stats, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (stats[i].kind >= MM_IMAGE_KINDS)
            return 1;
    return 0;
}

mm_images *images_of(const data *d, const mm_plan *plan, size_t from, size_t to)
{
    mm_images *images = NULL;
    mm_stat stats[MM_MAX_STATS];
    const size_t count = mm_plan_stats(plan, stats);

    if (to > from && sees_wholes(stats, count)) {
        const mm_tensor label = tensor_of(d, d->g, from, to);

        return engine_images(d, plan, from, to, &label);
    }
    if (mm_images_new(&images, d->task, d->classes) != MM_OK)
        must(NULL);
    for (size_t n = from; n < to; n++) {
        char id[32];

        snprintf(id, sizeof id, "0/%zu", n);
        mm_record *record = must(mm_images_append(images, id, stats, count, d->task == MM_MULTICLASS));
        fill_record(record, d, n);
    }
    return images;
}

scored score(const data *d, const char *expressions, const double *weights)
{
    scored s = {.plan = bound_plan(d, expressions)};
    mm_problem problem;

    if (s.plan == NULL)
        return s;
    s.images = images_of(d, s.plan, 0, d->images);
    if (mm_images_score(&s.results, s.images, s.plan, weights, &problem) == MM_OK)
        s.first = mm_results_at(s.results, 0);
    return s;
}

void scored_free(scored *s)
{
    mm_results_free(s->results);
    mm_images_free(s->images);
    mm_plan_free(s->plan);
    *s = (scored){0};
}

double value_of(const data *d, const char *expression, const double *weights)
{
    scored s = score(d, expression, weights);
    const double value = s.first != NULL && s.first->value.reason == MM_DEFINED ? s.first->value.value : (double)NAN;

    scored_free(&s);
    return value;
}

mm_reason reason_of(const data *d, const char *expression)
{
    scored s = score(d, expression, NULL);
    const mm_reason reason = s.first != NULL ? s.first->value.reason : MM_DEFINED;

    scored_free(&s);
    return reason;
}

const char *expression_of(char *text, size_t size, const char *name, const char *arguments, const char *more)
{
    snprintf(text, size, "%s(%s%s%s)", name, arguments, arguments[0] != '\0' && more[0] != '\0' ? "," : "", more);
    return text;
}

void check_value(const data *d, const char *expression, const double *weights, double expected)
{
    const double value = value_of(d, expression, weights);

    if (!close_to(value, expected)) {
        printf("\n    %s: %.17g instead of %.17g\n", expression, value, expected);
        CU_FAIL("value");
    }
}

void check_class(const data *d, const char *expression, size_t c, mm_reason reason, double value)
{
    scored s = score(d, expression, NULL);
    const mm_value got =
        s.first != NULL && s.first->per_class != NULL ? s.first->per_class[c] : mm_undefined(MM_NOT_CHOSEN);

    if (got.reason != reason || (reason == MM_DEFINED && !close_to(got.value, value))) {
        printf("\n    %s, class %zu: %.17g (%s) instead of %.17g (%s)\n", expression, c, got.value,
               mm_reason_text(got.reason), value, mm_reason_text(reason));
        CU_FAIL("class");
    }
    scored_free(&s);
}

int close_to(double a, double b)
{
    return fabs(a - b) <= 1e-12 + 1e-12 * fabs(b);
}
