/*
 * handle_evaluations.c - POST scores an upload and stores it; GET merges and scores what is stored.
 *
 * The life of an upload: admitted at the headers (parameters) -> prepared when the body is whole (tensors, memory) ->
 * scored, on the loop when it is tiny, else by the compute thread -> stored, when it has a run -> answered.
 */
#include "server/answer.h"
#include "server/compute.h"
#include "server/config.h"
#include "server/export.h"
#include "server/pack.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/routes.h"
#include "server/stats.h"
#include "server/stored.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TINY_BODY   ((size_t)64 << 10)  /* up to here handing over costs more than scoring */
#define TINY_MEMORY ((size_t)256 << 10) /* of its records: many images or classes make a small body slow */
#define SHORT_REPLY 20000               /* numbers that are written on the loop, in about 1 ms */

/* -------------------------------------------------------------- both halves */

/* What is written as JSON away from the loop. */
typedef struct work {
    mm_call *call;
    mm_report report;
    char *bytes; /* the finished answer */
    size_t size;
} work;

/* How many numbers the answer holds, about. */
static size_t reply_numbers(const mm_report *report)
{
    const size_t classes = mm_images_classes(report->images), scores = mm_plan_count(report->plan);
    size_t numbers = (scores + 2) * classes;

    if (report->include_images)
        numbers += (scores * classes + 1) * mm_images_count(report->images);
    if (report->include_confusion)
        numbers += classes * classes;
    if (report->include_histogram)
        numbers += classes * 2 * MM_P_BINS;
    if (report->include_explain)
        numbers += mm_explanation_numbers(report->plan) * (mm_images_count(report->images) + 1);
    return numbers;
}

static void write_reply(void *context)
{
    work *item = context;

    item->bytes = mm_reply_report(&item->report, &item->size);
}

static void tell_call(void *context)
{
    work *item = context;

    mm_call_ready(item->call);
}

static mm_next send_reply(work *item)
{
    char *bytes = item->bytes;

    item->bytes = NULL;
    return mm_answer_json(item->call, 200, bytes, item->size);
}

/* ------------------------------------------------------------------ upload */

typedef struct upload {
    work work; /* first: write_reply() and tell_call() get it */
    mm_request request;
    mm_eval *eval;
    mm_images *images;
    mm_results *results;
    mm_job job;
    mm_status status;
    mm_problem problem;
    mm_warning warning;
    double compute_ms;
    mm_store_part part;
    char *classes, *weights; /* texts of the stored definition */
    mm_tag *tags;            /* their strings are the request's */
    double put_at;
} upload;

static void free_upload(void *state)
{
    upload *up = state;

    mm_results_free(up->results);
    mm_images_free(up->images);
    mm_eval_free(up->eval);
    mm_request_free(&up->request);
    free(up->classes);
    free(up->weights);
    free(up->tags);
    free(up->work.bytes);
    free(up);
}

mm_next mm_admit_evaluation(mm_call *call)
{
    mm_problem problem = {.has_index = 0};
    upload *up = calloc(1, sizeof *up);
    mm_status status;

    if (up == NULL)
        return mm_answer_no_memory(call);
    up->work.call = call;
    call->state = up;
    call->state_free = free_upload;
    up->request.max_classes = (size_t)call->server->config->max_classes;
    up->request.plans = call->server->plans;
    status = mm_request_read(&up->request, &call->query, &problem);
    return status == MM_OK ? MM_DONE : mm_answer_failure(call, status, &problem);
}

/* Everything that the tensors and the metadata decide, up to an evaluation that is ready to run.  *bytes: its size. */
static mm_status prepare(upload *up, size_t *bytes, mm_problem *problem)
{
    mm_call *call = up->work.call;
    mm_request *request = &up->request;
    unsigned keep;
    size_t added;
    mm_status status = mm_request_metadata(&call->query, call->wire, &added, problem);

    if (status == MM_OK && added > 0) {
        mm_request_free(request);
        status = mm_request_read(request, &call->query, problem);
    }
    if (status == MM_OK)
        status = mm_request_complete(request, problem);
    if (status == MM_OK)
        status = mm_request_tensors(request, call->wire, problem);
    if (status != MM_OK)
        return status;
    keep = mm_request_keep(request);
    status = mm_eval_size(&request->input, request->plan, keep, bytes, problem);
    if (status == MM_OK)
        *bytes += mm_scoring_bytes(request->ready.plan, request->shape.images, request->include);
    if (status == MM_OK)
        status = mm_call_reserve(call, *bytes, "scoring this beside its body", problem);
    if (status == MM_OK)
        status = mm_eval_new(&up->eval, &request->input, request->plan, keep, problem);
    return status;
}

/* After the last task: the records and the scores. */
static void score(upload *up)
{
    const mm_request *request = &up->request;

    up->status = mm_eval_finish(up->eval, (const char *const *)request->image_ids, &up->images, &up->problem);
    up->warning = mm_eval_warning(up->eval);
    mm_eval_free(up->eval);
    up->eval = NULL;
    if (up->status == MM_OK)
        up->status = mm_images_score(&up->results, up->images, request->plan, request->weights, &up->problem);
    up->compute_ms = 1e3 * (mm_compute_clock() - up->job.started);
}

static void on_computed(mm_job *job)
{
    upload *up = job->context;

    if (!job->abandoned)
        score(up);
    mm_stats_stage(up->work.call->server->stats, MM_STAGE_QUEUE, job->started - job->submitted);
    mm_call_ready(up->work.call);
}

static void fill_report(upload *up)
{
    const mm_call *call = up->work.call;
    const mm_request *request = &up->request;

    up->work.report = (mm_report){
        .images = up->images,
        .plan = request->plan,
        .results = up->results,
        .class_names = (const char *const *)request->class_names,
        .run = request->run,
        .split = request->split,
        .part = request->part,
        .step = request->step,
        .parts_received = up->part.parts_received,
        .parts_expected = up->part.parts_expected,
        .warning = up->warning,
        .include_images = (request->include & MM_INCLUDE_IMAGES) != 0,
        .include_confusion = (request->include & MM_INCLUDE_CONFUSION) != 0,
        .include_explain = (request->include & MM_INCLUDE_EXPLAIN) != 0,
        .include_histogram = (request->include & MM_INCLUDE_HISTOGRAM) != 0,
        .receive_ms = call->receive_ms,
        .compute_ms = up->compute_ms,
        .threads = mm_compute_threads(call->server->compute),
    };
}

static mm_next after_reply(mm_call *call)
{
    return send_reply(call->state);
}

static mm_next answer_upload(upload *up)
{
    mm_call *call = up->work.call;

    fill_report(up);
    if (reply_numbers(&up->work.report) > SHORT_REPLY) {
        call->step = after_reply;
        if (mm_call_work(call, write_reply, tell_call, &up->work) == MM_OK)
            return MM_WAIT;
    }
    write_reply(&up->work);
    return send_reply(&up->work);
}

static void on_stored(mm_store_part *part)
{
    upload *up = part->context;
    mm_stats *stats = up->work.call->server->stats;
    const double seconds = mm_compute_clock() - up->put_at;

    mm_stats_stage(stats, MM_STAGE_STORE, seconds);
    if (part->status == MM_STORE_OK)
        mm_stats_store_write(stats, seconds);
    else if (part->status != MM_STORE_CONFLICT && part->status != MM_STORE_TOO_LARGE)
        mm_stats_store_error(stats);
    mm_call_ready(up->work.call);
}

static mm_next after_store(mm_call *call)
{
    upload *up = call->state;

    if (up->part.status != MM_STORE_OK)
        return mm_answer_store(call, up->part.status, &up->part.problem);
    return answer_upload(up);
}

/* Takes the request's "name=value" apart, where they lie. */
static mm_status read_tags(upload *up)
{
    const mm_request *request = &up->request;

    if (request->tag_count == 0)
        return MM_OK;
    up->tags = calloc(request->tag_count, sizeof *up->tags);
    if (up->tags == NULL)
        return MM_NO_MEMORY;
    for (size_t i = 0; i < request->tag_count; i++) {
        char *equals = strchr(request->tags[i], '=');

        *equals = '\0';
        up->tags[i] = (mm_tag){.name = request->tags[i], .value = equals + 1};
    }
    return MM_OK;
}

static mm_next store(upload *up)
{
    mm_call *call = up->work.call;
    const mm_request *request = &up->request;

    up->classes = mm_join_names(request->class_names, request->class_count);
    up->weights = mm_join_numbers(request->weights, request->weight_count);
    if (up->classes == NULL || up->weights == NULL || read_tags(up) != MM_OK)
        return mm_answer_no_memory(call);
    up->part = (mm_store_part){
        .project = call->project,
        .run = request->run,
        .split = request->split,
        .part = request->part,
        .step = request->step,
        .has_time = request->has_time,
        .time = request->time,
        .definition = {.classes = up->classes,
                       .class_count = request->class_count,
                       .task = request->shape.task,
                       .threshold = request->input.threshold,
                       .has_ignore = request->input.has_ignore,
                       .ignore_index = request->input.ignore_index,
                       .parts = request->parts,
                       .scores = mm_plan_text(request->plan),
                       .weights = up->weights},
        .images = up->images,
        .tags = up->tags,
        .tag_count = request->tag_count,
        .line = mm_call_store_line(call),
        .held = mm_call_held(call),
        .done = on_stored,
        .context = up,
    };
    up->put_at = mm_compute_clock();
    call->step = after_store;
    mm_history_put(call->server->history, &up->part);
    return MM_WAIT;
}

static mm_next after_compute(mm_call *call)
{
    upload *up = call->state;
    mm_stats *stats = call->server->stats;

    if (up->status != MM_OK)
        return mm_answer_failure(call, up->status, &up->problem);
    mm_stats_stage(stats, MM_STAGE_COMPUTE, 1e-3 * up->compute_ms);
    mm_stats_voxels(stats, up->request.input.pred.dtype, mm_images_voxels(up->images));
    return up->request.run != NULL ? store(up) : answer_upload(up);
}

mm_next mm_post_evaluation(mm_call *call)
{
    upload *up = call->state;
    mm_problem problem = {.has_index = 0};
    size_t bytes = 0;
    mm_status status;

    mm_stats_stage(call->server->stats, MM_STAGE_RECEIVE, 1e-3 * call->receive_ms);
    status = prepare(up, &bytes, &problem);
    if (status != MM_OK)
        return mm_answer_failure(call, status, &problem);
    if (call->body_size <= TINY_BODY && bytes <= TINY_MEMORY && !mm_eval_is_long(up->eval)) {
        up->job.started = mm_compute_clock();
        mm_eval_run(up->eval, call->server->loop_scratch, 1);
        score(up);
        return after_compute(call);
    }
    up->job = (mm_job){
        .eval = up->eval, .finish = on_computed, .context = up, .turn = mm_call_turn(call), .left = call->left};
    call->step = after_compute;
    mm_compute_submit(call->server->compute, &up->job);
    return MM_WAIT;
}

/* ------------------------------------------------------------------ merged */

typedef struct merged {
    work work; /* first: tell_call() gets it */
    const char *run, *split;
    int64_t step;
    unsigned include;
    int format; /* mm_export_format */
    mm_stored stored;
    mm_packed packed;
} merged;

static void free_merged(void *state)
{
    merged *all = state;

    mm_stored_free(&all->stored);
    mm_packed_free(&all->packed);
    free(all->work.bytes);
    free(all);
}

/* How long it took is no part of what was asked for: the last member of the document. */
static size_t tagged_size(const merged *all)
{
    static const char engine[] = ",\"engine\":{";

    if (all->format != MM_EXPORT_JSON || all->work.bytes == NULL)
        return all->work.size;
    for (size_t at = all->work.size; at >= sizeof engine; at--)
        if (memcmp(all->work.bytes + at - sizeof engine, engine, sizeof engine - 1) == 0)
            return at - sizeof engine;
    return all->work.size;
}

static void pack_reply(merged *all)
{
    char *bytes = all->work.bytes;
    const size_t tagged = tagged_size(all);

    all->work.bytes = NULL;
    mm_pack_within(&all->packed, all->work.call, bytes, all->work.size, tagged);
}

/* Names make the text of an export many times as large as the values, whose memory is reserved. */
static void write_export(merged *all)
{
    mm_stored *stored = &all->stored;
    const mm_export_format format = (mm_export_format)all->format;
    const mm_exported what = {.run = all->run, .split = all->split, .step = all->step, .stored = stored};
    const size_t bytes = mm_export_size(&what, format);

    stored->status = mm_call_reserve(all->work.call, bytes, "the text of this export", &stored->problem);
    if (stored->status != MM_OK)
        return;
    all->work.bytes = mm_export(&what, format, &all->work.size);
    pack_reply(all);
}

/* On a thread of the pool: reads, merges, scores, writes the answer. */
static void work_merged(void *context)
{
    merged *all = context;
    mm_call *call = all->work.call;
    mm_stored *stored = &all->stored;
    const double start = mm_compute_clock();
    const mm_export_format format = (mm_export_format)all->format;
    const char *scores = mm_query_get(&call->query, "scores");
    unsigned include = all->include;

    if (format != MM_EXPORT_JSON)
        include |= MM_INCLUDE_IMAGES;
    if (mm_export_scores(format) != NULL)
        scores = mm_export_scores(format);
    if (mm_call_left(call) || !mm_stored_read(stored, call, all->run, all->split, all->step) ||
        !mm_stored_score(stored, call, scores, &call->query, include))
        return;
    if (format != MM_EXPORT_JSON) {
        write_export(all);
        return;
    }
    all->work.report = (mm_report){
        .images = stored->images,
        .plan = stored->plan,
        .results = stored->results,
        .class_names = (const char *const *)stored->class_names,
        .run = all->run,
        .split = all->split,
        .step = all->step,
        .parts_received = (int64_t)stored->evaluation->part_count,
        .parts_expected = stored->evaluation->definition.parts,
        .include_images = (all->include & MM_INCLUDE_IMAGES) != 0,
        .include_confusion = (all->include & MM_INCLUDE_CONFUSION) != 0,
        .include_explain = (all->include & MM_INCLUDE_EXPLAIN) != 0,
        .include_histogram = (all->include & MM_INCLUDE_HISTOGRAM) != 0,
        .receive_ms = -1.0,
        .compute_ms = 1e3 * (mm_compute_clock() - start),
        .threads = mm_compute_threads(call->server->compute),
    };
    write_reply(&all->work);
    pack_reply(all);
}

static mm_next after_merged(mm_call *call)
{
    merged *all = call->state;

    if (all->stored.found != MM_STORE_OK || all->stored.status != MM_OK)
        return mm_stored_answer(call, &all->stored);
    return mm_answer_packed(call, &all->packed, mm_export_type((mm_export_format)all->format));
}

static mm_status read_address(merged *all, const mm_query *query, mm_problem *problem)
{
    mm_status status = mm_query_name(query, "run", &all->run, problem);

    all->split = MM_DEFAULT_SPLIT;
    all->step = -1;
    if (status == MM_OK)
        status = mm_query_name(query, "split", &all->split, problem);
    if (status == MM_OK)
        status = mm_query_integer(query, "step", 0, INT64_MAX, &all->step, problem);
    if (status == MM_OK)
        status = mm_request_include(&all->include, query, problem);
    if (status == MM_OK)
        status = mm_query_word(query, "format", MM_EXPORT_WORDS, &all->format, problem);
    if (status == MM_OK && all->format != MM_EXPORT_JSON) {
        const char *unused = all->include != 0 ? "include" : all->format == MM_EXPORT_NNUNET ? "scores" : NULL;

        if (unused != NULL && mm_query_get(query, unused) != NULL) {
            snprintf(problem->param, sizeof problem->param, "%s", unused);
            snprintf(problem->text, sizeof problem->text, "this format holds what it holds: %s does not apply", unused);
            status = MM_BAD_PARAM;
        }
    }
    if (status == MM_OK && (all->run == NULL || all->step < 0)) {
        const char *missing = all->run == NULL ? "run" : "step";

        snprintf(problem->param, sizeof problem->param, "%s", missing);
        snprintf(problem->text, sizeof problem->text, "%s is required", missing);
        status = MM_BAD_PARAM;
    }
    return status;
}

mm_next mm_get_evaluation(mm_call *call)
{
    mm_problem problem = {.has_index = 0};
    merged *all = calloc(1, sizeof *all);
    mm_status status;

    if (all == NULL)
        return mm_answer_no_memory(call);
    all->work.call = call;
    call->state = all;
    call->state_free = free_merged;
    status = read_address(all, &call->query, &problem);
    if (status == MM_OK)
        status = mm_call_work(call, work_merged, tell_call, &all->work);
    if (status != MM_OK)
        return mm_answer_failure(call, status, &problem);
    call->step = after_merged;
    return MM_WAIT;
}
