/*
 * grafana.c - parameters of dashboards, which fill them in by rules of their own
 *
 * Missing, empty, "*" and "$__all" mean no filter; "{a,b}" is "a,b"; a value that begins with "$" is a macro that
 * nobody has filled in, and counts as missing.  Names of what is not there are fine: they match nothing.
 */
#include "server/grafana.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/answer.h"

#define MOST_POINTS    1000000000
#define MOST_NAMES     4096
#define DEFAULT_POINTS 1000
#define DEFAULT_IMAGES 100
#define MOST_IMAGES    10000

static const char *given(const mm_query *query, const char *name)
{
    const char *text = mm_query_get(query, name);

    return text == NULL || text[0] == '\0' || text[0] == '$' || strcmp(text, "*") == 0 ? NULL : text;
}

/* A word or number that a macro was to give: the parameter is left out when nothing did. */
static mm_status read_integer(const mm_query *query, const char *name, int64_t min, int64_t max, int64_t *out,
                              mm_problem *problem)
{
    return given(query, name) == NULL ? MM_OK : mm_query_integer(query, name, min, max, out, problem);
}

static mm_status read_word(const mm_query *query, const char *name, const char *words, int *out, mm_problem *problem)
{
    return given(query, name) == NULL ? MM_OK : mm_query_word(query, name, words, out, problem);
}

/* "a,b" or "{a,b}": its members that are not empty, in one block.  One that means "all" makes it no filter. */
static mm_status read_list(const mm_query *query, const char *name, char ***out, size_t *count, mm_problem *problem)
{
    const char *text = given(query, name);
    size_t members = 1, size;
    char **list, *rest, *member;

    if (text == NULL)
        return MM_OK;
    size = strlen(text);
    if (text[0] == '{' && text[size - 1] == '}') {
        text++;
        size -= 2;
    }
    for (size_t i = 0; i < size; i++)
        members += text[i] == ',';
    if (members > MOST_NAMES) {
        snprintf(problem->param, sizeof problem->param, "%s", name);
        snprintf(problem->text, sizeof problem->text, "more than %d names", MOST_NAMES);
        return MM_BAD_PARAM;
    }
    list = malloc(members * sizeof *list + size + 1);
    if (list == NULL)
        return MM_NO_MEMORY;
    rest = (char *)(list + members);
    memcpy(rest, text, size);
    rest[size] = '\0';
    *count = 0;
    while ((member = strsep(&rest, ",")) != NULL) {
        if (strcmp(member, "*") == 0 || strcmp(member, "$__all") == 0) {
            *count = 0;
            break;
        }
        if (member[0] != '\0')
            list[(*count)++] = member;
    }
    *out = list;
    return MM_OK;
}

static mm_status read_place(mm_rows *rows, const mm_query *query)
{
    mm_series_query *q = &rows->query;
    mm_evaluation_filter *f = &q->filter;
    mm_problem *problem = &rows->problem;
    int64_t step = -1;
    mm_status status = read_list(query, "run", &rows->runs, &q->run_count, problem);

    if (status == MM_OK)
        status = read_list(query, "class", &rows->classes, &q->class_count, problem);
    q->project = rows->call->project;
    q->runs = rows->runs;
    q->classes = rows->classes;
    q->split = given(query, "split");
    q->score = given(query, "score");
    *f = MM_ALL_EVALUATIONS;
    if (status == MM_OK)
        status = read_integer(query, "from", INT64_MIN, INT64_MAX, &f->from, problem);
    if (status == MM_OK)
        status = read_integer(query, "to", INT64_MIN, INT64_MAX, &f->to, problem);
    if (status == MM_OK)
        status = read_integer(query, "first_step", 0, INT64_MAX, &f->first_step, problem);
    if (status == MM_OK)
        status = read_integer(query, "last_step", 0, INT64_MAX, &f->last_step, problem);
    if (status == MM_OK)
        status = read_integer(query, "step", 0, INT64_MAX, &step, problem);
    if (step >= 0)
        f->first_step = f->last_step = step;
    return status;
}

static mm_status read_chart(mm_rows *rows, const mm_query *query)
{
    mm_series_query *q = &rows->query;
    mm_problem *problem = &rows->problem;
    int shape = MM_SHAPE_LONG, order = 0;
    int64_t points = DEFAULT_POINTS;
    mm_status status = read_word(query, "shape", "long|value|wide|wide_runs", &shape, problem);

    if (status == MM_OK)
        status = read_word(query, "x", "time|step", &q->by_step, problem);
    if (status == MM_OK)
        status = read_integer(query, "interval_ms", 0, INT64_MAX, &q->interval, problem);
    if (status == MM_OK)
        status = read_integer(query, "max_points", 1, MOST_POINTS, &points, problem);
    if (status == MM_OK)
        status = read_word(query, "order", "worst|best", &order, problem);
    rows->limit = DEFAULT_IMAGES;
    if (status == MM_OK)
        status = read_integer(query, "limit", 1, MOST_IMAGES, &rows->limit, problem);
    if (q->by_step)
        q->interval = 0; /* a macro of the time axis */
    q->max_points = points < 2 ? 2 : points > MM_CHART_VALUES ? MM_CHART_VALUES : (size_t)points;
    q->max_values = MM_CHART_VALUES;
    q->most_runs = MM_CHART_RUNS;
    rows->order = order ? "best" : "worst";
    rows->chart = (mm_chart){.score = q->score,
                             .shape = (mm_chart_shape)shape,
                             .by_step = q->by_step,
                             .show_run = q->run_count != 1,
                             .show_split = q->split == NULL};
    q->per_class = rows->chart.shape == MM_SHAPE_LONG || rows->chart.shape == MM_SHAPE_WIDE;
    rows->nothing = q->filter.from > q->filter.to || q->filter.first_step > q->filter.last_step;
    return status;
}

/* ------------------------------------------------------------- a request's life */

static void free_rows(void *state)
{
    mm_rows *rows = state;

    free(rows->runs);
    free(rows->classes);
    mm_packed_free(&rows->packed);
    free(rows);
}

void mm_rows_give(mm_rows *rows, char *text, size_t size)
{
    mm_pack_within(&rows->packed, rows->call, text, size, size);
}

static void tell_call(void *context)
{
    mm_rows *rows = context;

    mm_call_ready(rows->call);
}

static mm_next after_work(mm_call *call)
{
    mm_rows *rows = call->state;

    if (rows->found != MM_STORE_OK)
        return mm_answer_store(call, rows->found, &rows->problem);
    if (rows->status != MM_OK)
        return mm_answer_failure(call, rows->status, &rows->problem);
    return mm_answer_packed(call, &rows->packed, "application/json");
}

/* What mm_loop_work() calls: the request, and what is to be done for it. */
typedef struct job {
    mm_rows rows; /* first: free_rows() and tell_call() get it */
    void (*work)(mm_rows *rows);
} job;

static void do_job(void *context)
{
    job *j = context;

    if (!mm_call_left(j->rows.call))
        j->work(&j->rows);
}

mm_next mm_rows_start(mm_call *call, void (*work)(mm_rows *rows))
{
    job *j = calloc(1, sizeof *j);
    mm_status status;

    if (j == NULL)
        return mm_answer_no_memory(call);
    call->state = j;
    call->state_free = free_rows;
    j->work = work;
    j->rows.call = call;
    status = read_place(&j->rows, &call->query);
    if (status == MM_OK)
        status = read_chart(&j->rows, &call->query);
    if (status == MM_OK)
        status = mm_call_work(call, do_job, tell_call, j);
    if (status != MM_OK)
        return mm_answer_failure(call, status, &j->rows.problem);
    call->step = after_work;
    return MM_WAIT;
}
