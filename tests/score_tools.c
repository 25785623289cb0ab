/*
 * score_tools.c - small images made by hand, their sums added naively with the C library's logarithm and power.
 */
#include "tests/score_tools.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    data d = {task, images, classes, voxels, NULL, NULL};

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

/* Is class c the first greatest, or above one half? */
static int hard(const data *d, const double *values, size_t n, size_t c, size_t v)
{
    const double own = values[place(d, n, c, v)];

    if (d->task == MM_MULTILABEL)
        return own > 0.5;
    for (size_t k = 0; k < d->classes; k++)
        if (values[place(d, n, k, v)] > own || (k < c && values[place(d, n, k, v)] == own))
            return 0;
    return 1;
}

int hard_p(const data *d, size_t n, size_t c, size_t v)
{
    return hard(d, d->p, n, c, v);
}

int hard_g(const data *d, size_t n, size_t c, size_t v)
{
    return hard(d, d->g, n, c, v);
}

/* One term of a sum, as lib/sums.h defines it. */
static double term(const mm_stat *stat, double p, double g, double total)
{
    const double r = stat->flags & MM_STAT_NORMALIZE ? p / total : p;
    const double q = stat->flags & MM_STAT_CLIP ? fmin(fmax(r, stat->eps), 1.0 - stat->eps) : r;
    const double log_q = -log(fmax(q, stat->eps)), log_rest = -log(fmax(1.0 - q, stat->eps));

    switch (stat->kind) {
    case MM_SUM_P:
        return p;
    case MM_SUM_PP:
        return p * p;
    case MM_SUM_PG:
        return p * g;
    case MM_SUM_G:
        return g;
    case MM_SUM_GG:
        return g * g;
    case MM_SUM_AD:
        return fabs(p - g);
    case MM_SUM_POS: /* a term that is 0 for its label stays 0, whatever p */
        return g == 0.0 ? 0.0 : g * pow(1.0 - q, stat->gamma) * log_q;
    case MM_SUM_NEG:
        return g == 1.0 ? 0.0 : (1.0 - g) * pow(q, stat->gamma) * log_rest;
    case MM_SUM_LOGP:
        return log_q;
    default:
        return log_rest;
    }
}

static void fill_record(mm_record *record, const data *d, size_t n)
{
    record->voxels = record->scored = record->unmasked = d->voxels;
    for (size_t v = 0; v < d->voxels; v++) {
        double total = 0.0;

        for (size_t c = 0; c < d->classes; c++)
            total += p_at(d, n, c, v);
        for (size_t c = 0; c < d->classes; c++) {
            const int p = hard_p(d, n, c, v), g = hard_g(d, n, c, v);

            record->label_count[c] += (uint64_t)g;
            record->pred_count[c] += (uint64_t)p;
            record->both_count[c] += (uint64_t)(p && g);
            for (size_t s = 0; s < record->stat_count; s++)
                record->sums[s * d->classes + c] +=
                    term(&record->stats[s], p_at(d, n, c, v), g_at(d, n, c, v), total > 0.0 ? total : 1.0);
        }
    }
}

mm_plan *bound_plan(const data *d, const char *expressions)
{
    const mm_shape shape = {.images = d->images,
                            .classes = d->classes,
                            .spatial_rank = 1,
                            .spatial = {d->voxels},
                            .voxels = d->voxels,
                            .task = d->task,
                            .pred_kind = MM_PROBS,
                            .label_kind = MM_ONEHOT};
    mm_problem problem = {.text = ""};
    mm_plan *plan = NULL;

    if (mm_plan_new(&plan, expressions, &problem) != MM_OK || mm_plan_bind(plan, &shape, &problem) != MM_OK) {
        printf("\n    %s: %s\n", expressions, problem.text);
        mm_plan_free(plan);
        return NULL;
    }
    return plan;
}

mm_images *images_of(const data *d, const mm_plan *plan, size_t from, size_t to)
{
    mm_images *images = NULL;
    mm_stat stats[MM_MAX_STATS];
    const size_t count = mm_plan_stats(plan, stats);

    if (mm_images_new(&images, d->task, d->classes) != MM_OK)
        must(NULL);
    for (size_t n = from; n < to; n++) {
        char id[32];

        snprintf(id, sizeof id, "0/%zu", n);
        mm_record *record = must(mm_images_append(images, id, stats, count, 0));
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

int close_to(double a, double b)
{
    return fabs(a - b) <= 1e-12 + 1e-12 * fabs(b);
}
