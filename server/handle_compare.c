/*
 * handle_compare.c - GET /v1/compare: two runs on the images that both have
 *
 * Images are paired by their id and classes by their name.  The images come in the order of their ids, so that the
 * answer has the same bits whatever parts they came in.  Resampling takes 2,000 times as many steps as there are
 * values: more than MOST_VALUES, which take some seconds of a thread, are refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/answer.h"
#include "server/history_query.h"
#include "server/pack.h"
#include "server/reply_compare.h"
#include "server/request.h"
#include "server/stored.h"

#define MOST_VALUES ((size_t)1 << 20)

/* One of the two runs. */
typedef struct side {
    const char *param; /* "base" or "head" */
    const char *run;
    int64_t step; /* -1: the last */
    mm_stored stored;
    char *expression;
    const mm_result *result;
} side;

typedef struct comparison {
    mm_call *call;
    side base, head;
    const char *split, *score;
    int http_status; /* of a problem; 0: none */
    mm_problem problem;
    mm_packed packed;
} comparison;

static void free_side(side *s)
{
    mm_stored_free(&s->stored);
    free(s->expression);
}

static void free_comparison(void *state)
{
    comparison *c = state;

    free_side(&c->base);
    free_side(&c->head);
    mm_packed_free(&c->packed);
    free(c);
}

static int fail(comparison *c, int http_status, const char *param, const char *text)
{
    c->http_status = http_status;
    c->problem = (mm_problem){.has_index = 0};
    snprintf(c->problem.param, sizeof c->problem.param, "%s", param);
    snprintf(c->problem.text, sizeof c->problem.text, "%s", text);
    return 0;
}

/* -------------------------------------------------------------- both sides */

static int fail_store(comparison *c, mm_store_status found, const side *s, const mm_problem *problem)
{
    if (found == MM_STORE_NOT_FOUND)
        return fail(c, 404, s->param,
                    s->step < 0 ? "there is no such run with this split"
                                : "there is no evaluation of this run, split and step");
    return fail(c, found == MM_STORE_BUSY ? 503 : 500, "", problem->text);
}

/* The last step of the run, when none was named. */
static int find_step(comparison *c, side *s)
{
    char *run = strdup(s->run);
    const mm_series_query query = {.project = c->call->project,
                                   .runs = &run,
                                   .run_count = 1,
                                   .split = c->split,
                                   .filter = MM_ALL_EVALUATIONS,
                                   .by_step = 1};
    mm_place place = {0};
    mm_problem problem = {.has_index = 0};
    mm_store_status found = MM_STORE_BUSY;

    if (run != NULL)
        found = mm_history_place(c->call->server->history, &query, &place, &problem);
    free(run);
    if (found == MM_STORE_OK && place.run == NULL)
        found = MM_STORE_NOT_FOUND;
    if (found != MM_STORE_OK)
        return fail_store(c, found, s, &problem);
    s->step = place.step;
    mm_place_free(&place);
    return 1;
}

static int read_side(comparison *c, side *s)
{
    if (s->step < 0 && !find_step(c, s))
        return 0;
    if (!mm_stored_read(&s->stored, c->call, s->run, c->split, s->step)) {
        if (s->stored.found != MM_STORE_OK)
            return fail_store(c, s->stored.found, s, &s->stored.problem);
        return fail(c, mm_http_status(s->stored.status), "", s->stored.problem.text);
    }
    s->expression = mm_stored_expression(&s->stored.evaluation->definition, c->score);
    return s->expression != NULL ? 1 : fail(c, 503, "", "out of memory");
}

/* A name that only one side has stored means there what it means here. */
static int agree_on_expression(comparison *c)
{
    side *base = &c->base, *head = &c->head;
    const int base_has = strcmp(base->expression, c->score) != 0, head_has = strcmp(head->expression, c->score) != 0;

    if (base_has && head_has && strcmp(base->expression, head->expression) != 0)
        return fail(c, 400, "score", "the two runs mean different scores by this name");
    if (base_has != head_has) {
        side *from = base_has ? base : head, *to = base_has ? head : base;
        char *copy = strdup(from->expression);

        if (copy == NULL)
            return fail(c, 503, "", "out of memory");
        free(to->expression);
        to->expression = copy;
    }
    return 1;
}

static int score_side(comparison *c, side *s)
{
    if (!mm_stored_score(&s->stored, c->call, s->expression, NULL, MM_INCLUDE_IMAGES)) {
        const int http_status = mm_http_status(s->stored.status);

        fail(c, http_status, http_status == 400 ? "score" : "", s->stored.problem.text);
        return 0;
    }
    if (mm_plan_count(s->stored.plan) != 1)
        return fail(c, 400, "score", "compare takes one score");
    s->result = mm_results_at(s->stored.results, 0);
    if (s->result->per_image == NULL)
        return fail(c, 400, "score", "this score has no value per image");
    return 1;
}

/* ------------------------------------------------------------------- pairing */

/* An image that both have: its places on both sides. */
typedef struct pair {
    const char *id;
    size_t base, head;
} pair;

typedef struct named {
    const char *id;
    size_t place;
} named;

static int by_id(const void *a, const void *b)
{
    return strcmp(((const named *)a)->id, ((const named *)b)->id);
}

static named *sorted_images(const mm_images *images)
{
    const size_t count = mm_images_count(images);
    named *list = malloc((count + 1) * sizeof *list);

    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        list[i] = (named){mm_images_id(images, i), i};
    qsort(list, count, sizeof *list, by_id);
    return list;
}

/* In the order of the ids.  NULL: out of memory. */
static pair *pair_images(const comparison *c, size_t *count)
{
    const size_t base_count = mm_images_count(c->base.stored.images);
    const size_t head_count = mm_images_count(c->head.stored.images);
    named *base = sorted_images(c->base.stored.images), *head = sorted_images(c->head.stored.images);
    pair *pairs = malloc((base_count + 1) * sizeof *pairs);

    *count = 0;
    if (base != NULL && head != NULL && pairs != NULL)
        for (size_t b = 0, h = 0; b < base_count && h < head_count;) {
            const int order = strcmp(base[b].id, head[h].id);

            if (order == 0)
                pairs[(*count)++] = (pair){base[b].id, base[b].place, head[h].place};
            b += order <= 0;
            h += order >= 0;
        }
    else {
        free(pairs);
        pairs = NULL;
    }
    free(base);
    free(head);
    return pairs;
}

static int is_joint(const side *s)
{
    return s->result->per_class == NULL;
}

/* The column of head with the class of a column of base; SIZE_MAX when head has none. */
static size_t column_of(const comparison *c, size_t column)
{
    const side *base = &c->base, *head = &c->head;

    if (is_joint(base) || is_joint(head))
        return is_joint(base) == is_joint(head) && column < head->result->columns ? column : SIZE_MAX;
    for (size_t i = 0; i < head->result->columns; i++)
        if (strcmp(head->stored.class_names[i], base->stored.class_names[column]) == 0)
            return i;
    return SIZE_MAX;
}

/* ---------------------------------------------------------------- comparing */

/* Both values of the images where both are defined; 0 when the class is not one that both have chosen. */
static size_t gather(const comparison *c, const pair *pairs, size_t count, size_t base_column, size_t head_column,
                     double *base, double *head)
{
    const mm_result *left = c->base.result, *right = c->head.result;
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        const mm_value b = left->per_image[pairs[i].base * left->columns + base_column];
        const mm_value h = right->per_image[pairs[i].head * right->columns + head_column];

        if (b.reason != MM_DEFINED || h.reason != MM_DEFINED)
            continue;
        base[found] = b.value;
        head[found++] = h.value;
    }
    return found;
}

/* Was the class left out by the expression? */
static int is_chosen(const mm_result *result, size_t column)
{
    return result->per_class == NULL || result->per_class[column].reason != MM_NOT_CHOSEN;
}

static mm_status compare_classes(const comparison *c, const pair *pairs, size_t count, mm_compared_class *rows,
                                 size_t *row_count)
{
    const mm_better better = mm_plan_better(c->base.stored.plan, 0);
    double *base = malloc((2 * count + 1) * sizeof *base), *head = base != NULL ? base + count : NULL;
    mm_status status = base != NULL ? MM_OK : MM_NO_MEMORY;

    *row_count = 0;
    for (size_t column = 0; column < c->base.result->columns && status == MM_OK; column++) {
        const size_t other = column_of(c, column);
        mm_compared_class row = {.name = is_joint(&c->base) ? NULL : c->base.stored.class_names[column]};
        size_t found;

        if (other == SIZE_MAX || !is_chosen(c->base.result, column))
            continue;
        found = gather(c, pairs, count, column, other, base, head);
        if (found > 0)
            status = mm_paired_compare(&row.paired, base, head, found, better);
        rows[(*row_count)++] = row;
    }
    free(base);
    return status;
}

/* The values of all classes, and the memory for pairing them. */
static int is_bounded(comparison *c)
{
    const mm_result *result = c->base.result;
    const size_t base = mm_images_count(c->base.stored.images);
    const size_t head = mm_images_count(c->head.stored.images), images = base < head ? base : head;
    size_t columns = 0;
    char text[160];

    for (size_t i = 0; i < result->columns; i++)
        columns += (size_t)is_chosen(result, i);
    if (columns > 0 && images > MOST_VALUES / columns) {
        (void)snprintf(
            text, sizeof text,
            "%zu images of %zu classes are more than the %zu values that are compared at once; choose classes", images,
            columns, MOST_VALUES);
        return fail(c, 413, "score", text);
    }
    const size_t bytes = (base + head) * (sizeof(named) + sizeof(pair) + 4 * sizeof(double));
    mm_problem problem = {.has_index = 0};
    const mm_status status = mm_call_reserve(c->call, bytes, "comparing so many images", &problem);

    return status == MM_OK || fail(c, mm_http_status(status), "", problem.text);
}

static void compare(comparison *c)
{
    size_t count = 0, row_count = 0, size = 0;
    pair *pairs = pair_images(c, &count);
    mm_compared_class *rows = calloc(c->base.result->columns + 1, sizeof *rows);
    char *text = NULL;

    if (pairs != NULL && rows != NULL && compare_classes(c, pairs, count, rows, &row_count) == MM_OK) {
        const mm_comparison reply = {.base = c->base.run,
                                     .head = c->head.run,
                                     .split = c->split,
                                     .score = c->score,
                                     .base_step = c->base.step,
                                     .head_step = c->head.step,
                                     .better = mm_plan_better(c->base.stored.plan, 0),
                                     .images = count,
                                     .classes = rows,
                                     .class_count = row_count};

        text = mm_reply_comparison(&reply, &size);
    }
    mm_pack_within(&c->packed, c->call, text, size, size);
    free(pairs);
    free(rows);
}

/* On a thread of the pool. */
static void work(void *context)
{
    comparison *c = context;

    if (!mm_call_left(c->call) && read_side(c, &c->base) && read_side(c, &c->head) && agree_on_expression(c) &&
        score_side(c, &c->base) && score_side(c, &c->head) && is_bounded(c))
        compare(c);
}

/* ------------------------------------------------------------- a request's life */

static void tell_call(void *context)
{
    comparison *c = context;

    mm_call_ready(c->call);
}

static mm_next after_work(mm_call *call)
{
    comparison *c = call->state;

    if (c->http_status != 0)
        return mm_answer_problem(call, c->http_status, &c->problem);
    return mm_answer_packed(call, &c->packed, "application/json");
}

static mm_status missing(const char *param, mm_problem *problem)
{
    snprintf(problem->param, sizeof problem->param, "%s", param);
    snprintf(problem->text, sizeof problem->text, "%s is required", param);
    return MM_BAD_PARAM;
}

static mm_status read_params(comparison *c, const mm_query *query, mm_problem *problem)
{
    mm_status status = mm_query_name(query, "base", &c->base.run, problem);

    if (status == MM_OK)
        status = mm_query_name(query, "head", &c->head.run, problem);
    c->split = MM_DEFAULT_SPLIT;
    if (status == MM_OK)
        status = mm_query_name(query, "split", &c->split, problem);
    c->score = mm_query_get(query, "score");
    c->base.step = c->head.step = -1;
    if (status == MM_OK)
        status = mm_query_integer(query, "base_step", 0, INT64_MAX, &c->base.step, problem);
    if (status == MM_OK)
        status = mm_query_integer(query, "head_step", 0, INT64_MAX, &c->head.step, problem);
    if (status != MM_OK)
        return status;
    return c->base.run == NULL   ? missing("base", problem)
           : c->head.run == NULL ? missing("head", problem)
           : c->score == NULL    ? missing("score", problem)
                                 : MM_OK;
}

mm_next mm_get_compare(mm_call *call)
{
    mm_problem problem = {.has_index = 0};
    comparison *c = calloc(1, sizeof *c);
    mm_status status;

    if (c == NULL)
        return mm_answer_no_memory(call);
    c->call = call;
    c->base.param = "base";
    c->head.param = "head";
    call->state = c;
    call->state_free = free_comparison;
    status = read_params(c, &call->query, &problem);
    if (status == MM_OK)
        status = mm_call_work(call, work, tell_call, c);
    if (status != MM_OK)
        return mm_answer_failure(call, status, &problem);
    call->step = after_work;
    return MM_WAIT;
}
