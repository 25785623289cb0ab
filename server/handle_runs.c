/*
 * handle_runs.c - runs and their evaluations: lists, one run, deletion.
 */
#include "server/answer.h"
#include "server/pack.h"
#include "server/reply.h"
#include "server/routes.h"

#include <stdlib.h>

#define MOST_ROWS    1000
#define DEFAULT_ROWS 100

/* ----------------------------------------------------------------- reading */

/* A read that runs on a thread of the pool and leaves the finished answer. */
typedef struct reading {
    mm_call *call;
    const char *cursor; /* NULL: from the start */
    size_t limit;
    mm_evaluation_filter filter;
    mm_store_status status;
    mm_problem problem;
    mm_packed packed;
} reading;

static void free_reading(void *state)
{
    reading *read = state;

    mm_packed_free(&read->packed);
    free(read);
}

static void tell_call(void *context)
{
    reading *read = context;

    mm_call_ready(read->call);
}

static mm_next after_reading(mm_call *call)
{
    reading *read = call->state;

    if (read->status != MM_STORE_OK)
        return mm_answer_store(call, read->status, &read->problem);
    return mm_answer_packed(call, &read->packed, "application/json");
}

static mm_status read_filter(mm_evaluation_filter *filter, const mm_query *query, mm_problem *problem)
{
    mm_status status;

    *filter = MM_ALL_EVALUATIONS;
    status = mm_query_name(query, "split", &filter->split, problem);
    if (status == MM_OK)
        status = mm_query_integer(query, "first_step", 0, INT64_MAX, &filter->first_step, problem);
    if (status == MM_OK)
        status = mm_query_integer(query, "last_step", 0, INT64_MAX, &filter->last_step, problem);
    if (status == MM_OK)
        status = mm_query_time(query, "from", &filter->from, problem);
    if (status == MM_OK)
        status = mm_query_time(query, "to", &filter->to, problem);
    return status;
}

static mm_next start_reading(mm_call *call, void (*work)(void *context))
{
    mm_problem problem = {.has_index = 0};
    int64_t limit = DEFAULT_ROWS;
    reading *read = calloc(1, sizeof *read);
    mm_status status;

    if (read == NULL)
        return mm_answer_no_memory(call);
    call->state = read;
    call->state_free = free_reading;
    status = mm_query_integer(&call->query, "limit", 1, MOST_ROWS, &limit, &problem);
    read->call = call;
    read->cursor = mm_query_get(&call->query, "cursor");
    read->limit = (size_t)limit;
    if (status == MM_OK)
        status = read_filter(&read->filter, &call->query, &problem);
    if (status == MM_OK)
        status = mm_call_work(call, work, tell_call, read);
    if (status != MM_OK)
        return mm_answer_failure(call, status, &problem);
    call->step = after_reading;
    return MM_WAIT;
}

static void pack(reading *read, char *bytes, size_t size)
{
    mm_pack_within(&read->packed, read->call, bytes, size, size);
}

static void work_runs(void *context)
{
    reading *read = context;
    mm_run_list *list = NULL;
    size_t size = 0;

    read->status = mm_history_runs(read->call->server->history, read->call->project, read->cursor, read->limit, &list,
                                   &read->problem);
    if (read->status == MM_STORE_OK) {
        char *bytes = mm_reply_runs(list, &size);

        pack(read, bytes, size);
    }
    mm_run_list_free(list);
}

static void work_run(void *context)
{
    reading *read = context;
    mm_run_list *list = NULL;
    size_t size = 0;

    read->status = mm_history_run_row(read->call->server->history, read->call->project, read->call->variable, &list,
                                      &read->problem);
    if (read->status == MM_STORE_OK) {
        char *bytes = mm_reply_run(&list->rows[0], &size);

        pack(read, bytes, size);
    }
    mm_run_list_free(list);
}

static void work_evaluations(void *context)
{
    reading *read = context;
    mm_call *call = read->call;
    mm_evaluation_list *list = NULL;
    size_t size = 0;

    read->status = mm_history_evaluations(call->server->history, call->project, call->variable, &read->filter,
                                          read->cursor, read->limit, &list, &read->problem);
    if (read->status == MM_STORE_OK) {
        char *bytes = mm_reply_run_evaluations(call->variable, list, &size);

        pack(read, bytes, size);
    }
    mm_evaluation_list_free(list);
}

mm_next mm_get_runs(mm_call *call)
{
    return start_reading(call, work_runs);
}

mm_next mm_get_run(mm_call *call)
{
    return start_reading(call, work_run);
}

mm_next mm_get_run_evaluations(mm_call *call)
{
    return start_reading(call, work_evaluations);
}

/* ---------------------------------------------------------------- deletion */

static void on_deleted(mm_store_delete *removal)
{
    mm_call_ready(removal->context);
}

static mm_next after_deletion(mm_call *call)
{
    const mm_store_delete *removal = call->state;

    if (removal->status != MM_STORE_OK)
        return mm_answer_store(call, removal->status, &removal->problem);
    call->answer = (mm_answer){.status = 204};
    return MM_DONE;
}

mm_next mm_delete_run(mm_call *call)
{
    mm_store_delete *removal = calloc(1, sizeof *removal);

    if (removal == NULL)
        return mm_answer_no_memory(call);
    call->state = removal;
    call->state_free = free;
    call->step = after_deletion;
    removal->project = call->project;
    removal->run = call->variable;
    removal->line = mm_call_store_line(call);
    removal->done = on_deleted;
    removal->context = call;
    mm_history_delete(call->server->history, removal);
    return MM_WAIT;
}
