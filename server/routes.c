/*
 * routes.c - the table of routes.
 */
#include "server/routes.h"

#include <string.h>

#include "server/reply.h"
#include "server/request.h"

/* Which evaluations a dashboard asks about. */
#define ROWS "run|split|from|to|"

/* Who may: see mm_route.scopes. */
#define OPEN   0
#define ANY    MM_SCOPE_ANY
#define INGEST MM_SCOPE_INGEST
#define READ   MM_SCOPE_READ
#define ADMIN  MM_SCOPE_ADMIN

/* clang-format off */
const mm_route mm_routes[] = {
    {"POST",   "/v1/evaluations",            INGEST, MM_REQUEST_PARAMS, 1, mm_admit_evaluation, mm_post_evaluation},
    {"GET",    "/v1/evaluations",            READ,   MM_REQUEST_GET_PARAMS, 0, NULL, mm_get_evaluation},
    {"GET",    "/v1/scores",                 ANY,    "",                0, NULL, mm_get_scores},
    {"GET",    "/v1/runs",                   READ,   "cursor|limit",    0, NULL, mm_get_runs},
    {"GET",    "/v1/runs/{run}",             READ,   "",                0, NULL, mm_get_run},
    {"DELETE", "/v1/runs/{run}",             ADMIN,  "",                0, NULL, mm_delete_run},
    {"GET",    "/v1/runs/{run}/evaluations", READ,   "cursor|limit|split|first_step|last_step|from|to", 0, NULL, mm_get_run_evaluations},
    {"GET",    "/v1/compare",                   READ,   "base|head|split|score|base_step|head_step", 0, NULL, mm_get_compare},
    {"GET",    "/v1/grafana/series",            READ,   ROWS "score|class|first_step|last_step|interval_ms|max_points|shape|x", 0, NULL, mm_get_grafana_series},
    {"GET",    "/v1/grafana/latest",            READ,   ROWS "score|class|shape",            0, NULL, mm_get_grafana_latest},
    {"GET",    "/v1/grafana/best",              READ,   "run|split|score",                   0, NULL, mm_get_grafana_best},
    {"GET",    "/v1/grafana/annotations",       READ,   ROWS "score",                        0, NULL, mm_get_grafana_annotations},
    {"GET",    "/v1/grafana/confusion",         READ,   ROWS "step",                         0, NULL, mm_get_grafana_confusion},
    {"GET",    "/v1/grafana/images",            READ,   ROWS "step|score|class|order|limit", 0, NULL, mm_get_grafana_images},
    {"GET",    "/v1/grafana/percentiles",       READ,   ROWS "step|score|class",             0, NULL, mm_get_grafana_percentiles},
    {"GET",    "/v1/grafana/variables/runs",    READ,   "",                                  0, NULL, mm_get_grafana_runs},
    {"GET",    "/v1/grafana/variables/splits",  READ,   "run",                               0, NULL, mm_get_grafana_splits},
    {"GET",    "/v1/grafana/variables/classes", READ,   "run",                               0, NULL, mm_get_grafana_classes},
    {"GET",    "/v1/grafana/variables/scores",  READ,   "run",                               0, NULL, mm_get_grafana_scores},
    {"GET",    "/healthz",                   OPEN,   "",                0, NULL, mm_get_healthz},
    {"GET",    "/livez",                     OPEN,   "",                0, NULL, mm_get_healthz},
    {"GET",    "/readyz",                    OPEN,   "",                0, NULL, mm_get_readyz},
    {"GET",    "/metrics",                   READ,   "",                0, NULL, mm_get_metrics},
    {"GET",    "/version",                   ANY,    "",                0, NULL, mm_get_version},
    {"GET",    "/openapi.json",              ANY,    "",                0, NULL, mm_get_openapi},
    {"GET",    "/",                          OPEN,   "",                0, NULL, mm_get_page},
    {"GET",    "/page/{file}",               OPEN,   "",                0, NULL, mm_get_page_file},
};
/* clang-format on */

const size_t mm_route_count = sizeof mm_routes / sizeof mm_routes[0];

/* Segment by segment; a {word} of the pattern takes any one segment that is not empty. */
static int matches(const char *pattern, const char *path, size_t path_size, const char **variable, size_t *size)
{
    const char *end = path + path_size;

    while (*pattern != '\0') {
        size_t length;

        if (*pattern != '{') {
            if (path == end || *path++ != *pattern++)
                return 0;
            continue;
        }
        length = 0;
        while (path + length < end && path[length] != '/')
            length++;
        if (length == 0)
            return 0;
        *variable = path;
        *size = length;
        path += length;
        pattern = strchr(pattern, '}') + 1;
    }
    return path == end;
}

enum { GET = 1, POST = 2, DELETE = 4 };

static unsigned method_bit(const char *method)
{
    return strcmp(method, "GET") == 0 ? GET : strcmp(method, "POST") == 0 ? POST : DELETE;
}

static const char *allow_header(unsigned methods)
{
    static const char *const texts[8] = {
        NULL,     "GET, HEAD",         "POST",         "GET, HEAD, POST",
        "DELETE", "GET, HEAD, DELETE", "POST, DELETE", "GET, HEAD, POST, DELETE",
    };

    return texts[methods];
}

const mm_route *mm_route_find(const char *path, size_t path_size, const char *method, const char **variable,
                              size_t *size, const char **allow)
{
    unsigned methods = 0;

    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    *variable = NULL;
    for (size_t i = 0; i < mm_route_count; i++) {
        if (!matches(mm_routes[i].pattern, path, path_size, variable, size))
            continue;
        if (strcmp(mm_routes[i].method, method) == 0)
            return &mm_routes[i];
        methods |= method_bit(mm_routes[i].method);
    }
    *allow = allow_header(methods);
    return NULL;
}

mm_next mm_call_problem(mm_call *call, int status, const mm_problem *problem)
{
    call->answer.status = status;
    call->answer.content_type = "application/problem+json";
    call->answer.bytes = mm_reply_problem(status, NULL, problem, call->request_id, &call->answer.size);
    if (call->answer.bytes == NULL)
        call->answer.size = 0; /* out of memory: the status alone must do */
    return MM_DONE;
}
