/*
 * stored.c - an evaluation read back: parts merged, definition read, scores computed anew
 */
#include "server/stored.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/answer.h"
#include "server/request.h"

/* Scoring, and with include=images the values per image as text: some 24 bytes for each of 16.  One explanation exists
 * at a time, but the text of all. */
size_t mm_scoring_bytes(mm_plan *plan, size_t images, unsigned include)
{
    const int wanted = (include & MM_INCLUDE_IMAGES) != 0;
    size_t bytes;

    mm_plan_keep_images(plan, wanted);
    bytes = mm_results_size(plan, images) * (wanted ? 3 : 1);
    if (include & MM_INCLUDE_EXPLAIN)
        bytes += mm_explanation_size(plan, images) + 24 * mm_explanation_numbers(plan) * (wanted ? images + 1 : 1);
    return bytes;
}

/* ------------------------------------------------------------------ reading */

/* Whose memory it is that an evaluation is read into. */
typedef struct reader {
    mm_call *call;
    mm_status status;
    mm_problem problem;
} reader;

static int reserve_records(void *context, size_t bytes)
{
    reader *r = context;

    r->status = mm_call_reserve(r->call, bytes, "reading this evaluation", &r->problem);
    return r->status == MM_OK;
}

/* The union of the parts, in their order. */
static mm_status merge_parts(mm_stored *stored)
{
    const mm_stored_evaluation *e = stored->evaluation;
    mm_status status = mm_images_new(&stored->images, e->definition.task, e->definition.class_count);

    for (size_t i = 0; status == MM_OK && i < e->part_count; i++) {
        mm_images *part = NULL;

        status = mm_images_load(&part, e->parts[i].record, e->parts[i].size);
        if (status == MM_OK)
            status = mm_images_merge(stored->images, part, &stored->problem);
        mm_images_free(part);
    }
    return status;
}

static mm_status read_texts(mm_stored *stored)
{
    const mm_definition *definition = &stored->evaluation->definition;
    mm_problem *problem = &stored->problem;
    size_t count = 0;
    mm_status status = mm_query_add(&stored->texts, "classes", definition->classes, problem);

    if (status == MM_OK && definition->weights[0] != '\0')
        status = mm_query_add(&stored->texts, "weights", definition->weights, problem);
    if (status == MM_OK)
        status =
            mm_query_names(&stored->texts, "classes", definition->class_count, &stored->class_names, &count, problem);
    return status;
}

int mm_stored_read(mm_stored *stored, mm_call *call, const char *run, const char *split, int64_t step)
{
    reader r = {.call = call, .status = MM_OK};
    const mm_room room = {reserve_records, &r};

    stored->found = mm_history_evaluation_within(call->server->history, call->project, run, split, step, &room,
                                                 &stored->evaluation, &stored->problem);
    if (r.status != MM_OK) {
        stored->found = MM_STORE_OK;
        stored->status = r.status;
        stored->problem = r.problem;
        return 0;
    }
    if (stored->found != MM_STORE_OK)
        return 0;
    stored->status = read_texts(stored);
    if (stored->status == MM_OK)
        stored->status = merge_parts(stored);
    return stored->status == MM_OK;
}

/* ------------------------------------------------------------------ scoring */

/* What the request says goes before what the first part said. */
static mm_status read_weights(mm_stored *stored, const mm_query *query)
{
    const size_t classes = stored->evaluation->definition.class_count;
    const int asked = query != NULL && mm_query_get(query, "weights") != NULL;
    mm_problem *problem = &stored->problem;
    const mm_status status = mm_query_numbers(asked ? query : &stored->texts, "weights", 0.0, 1e300, classes,
                                              &stored->weights, &stored->weight_count, problem);

    if (status != MM_OK || stored->weights == NULL || stored->weight_count == classes)
        return status;
    snprintf(problem->param, sizeof problem->param, "weights");
    snprintf(problem->text, sizeof problem->text, "weights has %zu numbers, there are %zu classes",
             stored->weight_count, classes);
    return MM_BAD_PARAM;
}

static mm_status bind_plan(mm_stored *stored)
{
    const mm_shape shape = {
        .images = mm_images_count(stored->images),
        .classes = mm_images_classes(stored->images),
        .task = mm_images_task(stored->images),
        .pred_kind = MM_PROBS,
        .label_kind = MM_LABEL_AUTO,
        .pred_has_classes = 1,
        .label_has_classes = 1,
    };

    return mm_plan_bind(stored->plan, &shape, &stored->problem);
}

int mm_stored_score(mm_stored *stored, mm_call *call, const char *scores, const mm_query *query, unsigned include)
{
    mm_problem *problem = &stored->problem;
    mm_status status = read_weights(stored, query);

    if (status == MM_OK)
        status = mm_plan_new(&stored->plan, scores != NULL ? scores : stored->evaluation->definition.scores, problem);
    if (status == MM_OK)
        status = bind_plan(stored);
    if (status == MM_OK)
        status = mm_call_reserve(call, mm_scoring_bytes(stored->plan, mm_images_count(stored->images), include),
                                 "scoring so many images", problem);
    if (status == MM_OK)
        status = mm_images_score(&stored->results, stored->images, stored->plan, stored->weights, problem);
    stored->status = status;
    return status == MM_OK;
}

char *mm_stored_expression(const mm_definition *definition, const char *name)
{
    mm_plan *plan = NULL;
    char *text = NULL;
    size_t i = 0, count = 0;

    if (mm_plan_new(&plan, definition->scores, NULL) == MM_OK)
        count = mm_plan_count(plan);
    while (i < count && strcmp(mm_plan_name(plan, i), name) != 0)
        i++;
    if (i == count || strcmp(mm_plan_expression(plan, i), name) == 0)
        text = strdup(name);
    else if (asprintf(&text, "%s:%s", name, mm_plan_expression(plan, i)) < 0)
        text = NULL;
    mm_plan_free(plan);
    return text;
}

mm_next mm_stored_answer(mm_call *call, const mm_stored *stored)
{
    if (stored->found != MM_STORE_OK)
        return mm_answer_store(call, stored->found, &stored->problem);
    return mm_answer_failure(call, stored->status, &stored->problem);
}

void mm_stored_free(mm_stored *stored)
{
    mm_results_free(stored->results);
    mm_plan_free(stored->plan);
    mm_images_free(stored->images);
    mm_stored_evaluation_free(stored->evaluation);
    mm_query_free(&stored->texts);
    free(stored->class_names);
    free(stored->weights);
    *stored = (mm_stored){0};
}
