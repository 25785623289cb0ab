/*
 * test_routes.c - which route a path and method lead to.
 */
#include "tests/suites.h"

#include <stdlib.h>
#include <string.h>

#include "server/routes.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* clang-format off */
static const struct {
    const char *method, *path;
    const char *pattern;  /* NULL: none */
    const char *variable; /* NULL: none */
    const char *allow;    /* of a path that is there */
} cases[] = {
    {"POST",   "/v1/evaluations",                 "/v1/evaluations",            NULL,     NULL},
    {"GET",    "/v1/evaluations",                 "/v1/evaluations",            NULL,     NULL},
    {"HEAD",   "/v1/evaluations",                 "/v1/evaluations",            NULL,     NULL},
    {"DELETE", "/v1/evaluations",                 NULL,                         NULL,     "GET, HEAD, POST"},
    {"other",  "/v1/evaluations",                 NULL,                         NULL,     "GET, HEAD, POST"},
    {"GET",    "/v1/runs/unet",                   "/v1/runs/{run}",             "unet",   NULL},
    {"DELETE", "/v1/runs/a%2Fb",                  "/v1/runs/{run}",             "a%2Fb",  NULL},
    {"POST",   "/v1/runs/unet",                   NULL,                         NULL,     "GET, HEAD, DELETE"},
    {"GET",    "/v1/runs/unet/evaluations",       "/v1/runs/{run}/evaluations", "unet",   NULL},
    {"GET",    "/v1/runs/evaluations/evaluations", "/v1/runs/{run}/evaluations", "evaluations", NULL},
    {"DELETE", "/v1/runs/unet/evaluations",       NULL,                         NULL,     "GET, HEAD"},
    {"GET",    "/v1/runs",                        "/v1/runs",                   NULL,     NULL},
    {"GET",    "/v1/runs/",                       NULL,                         NULL,     NULL},
    {"GET",    "/v1/runs/unet/",                  NULL,                         NULL,     NULL},
    {"GET",    "/v1/runs/unet/evaluation",        NULL,                         NULL,     NULL},
    {"GET",    "/v1/runs/unet/evaluations/x",     NULL,                         NULL,     NULL},
    {"GET",    "/v1/run",                         NULL,                         NULL,     NULL},
    {"GET",    "/v1/runsx",                       NULL,                         NULL,     NULL},
    {"GET",    "/V1/runs",                        NULL,                         NULL,     NULL},
    {"GET",    "/",                               "/",                          NULL,     NULL},
    {"POST",   "/",                               NULL,                         NULL,     "GET, HEAD"},
    {"GET",    "/page/page.js",                   "/page/{file}",               "page.js", NULL},
    {"GET",    "/page/",                          NULL,                         NULL,     NULL},
    {"GET",    "/page/uplot/x",                   NULL,                         NULL,     NULL},
    {"GET",    "/v1/compare",                     "/v1/compare",                NULL,     NULL},
    {"GET",    "/v1/grafana",                     NULL,                         NULL,     NULL},
    {"GET",    "/v1/grafana/series",              "/v1/grafana/series",         NULL,     NULL},
    {"DELETE", "/v1/grafana/series",              NULL,                         NULL,     "GET, HEAD"},
    {"GET",    "/v1/grafana/variables/runs",      "/v1/grafana/variables/runs", NULL,     NULL},
    {"GET",    "/v1/grafana/variables/x",         NULL,                         NULL,     NULL},
    {"GET",    "/livez",                          "/livez",                     NULL,     NULL},
    {"PUT",    "/livez",                          NULL,                         NULL,     "GET, HEAD"},
};
/* clang-format on */

static void test_find(void)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *variable = NULL, *allow = NULL;
        size_t size = 0;
        const mm_route *route =
            mm_route_find(cases[i].path, strlen(cases[i].path), cases[i].method, &variable, &size, &allow);

        CU_ASSERT_EQUAL(route == NULL, cases[i].pattern == NULL);
        if (route != NULL && cases[i].pattern != NULL)
            CU_ASSERT_STRING_EQUAL(route->pattern, cases[i].pattern);
        if (cases[i].pattern != NULL) {
            CU_ASSERT_EQUAL(variable == NULL, cases[i].variable == NULL);
            if (variable != NULL && cases[i].variable != NULL)
                CU_ASSERT(size == strlen(cases[i].variable) && strncmp(variable, cases[i].variable, size) == 0);
        }
        CU_ASSERT_EQUAL(allow == NULL, cases[i].allow == NULL);
        if (allow != NULL && cases[i].allow != NULL)
            CU_ASSERT_STRING_EQUAL(allow, cases[i].allow);
    }
}

/* The path need not end with a NUL. */
static void test_path_of_a_target(void)
{
    const char *variable, *allow;
    size_t size;
    const mm_route *route = mm_route_find("/v1/runs?x", 8, "GET", &variable, &size, &allow);

    CU_ASSERT_PTR_NOT_NULL_FATAL(route);
    CU_ASSERT_STRING_EQUAL(route->pattern, "/v1/runs");
}

/* What http.c and the table rely on: bodies come with POST only, every row can be found, no row twice. */
static void test_rows(void)
{
    for (size_t i = 0; i < mm_route_count; i++) {
        const mm_route *row = &mm_routes[i];
        const char *variable, *allow;
        size_t size;

        CU_ASSERT_PTR_NOT_NULL(row->handle);
        CU_ASSERT_EQUAL(row->has_body != 0, strcmp(row->method, "POST") == 0);
        CU_ASSERT_PTR_EQUAL(mm_route_find(row->pattern, strlen(row->pattern), row->method, &variable, &size, &allow),
                            row);
    }
}

static void test_problem(void)
{
    mm_call call = {.request_id = "0123456789abcdef0123456789abcdef"};
    const mm_problem problem = {.param = "task", .text = "must be one of a|b"};

    CU_ASSERT_EQUAL(mm_call_problem(&call, 400, &problem), MM_DONE);
    CU_ASSERT_EQUAL(call.answer.status, 400);
    CU_ASSERT_STRING_EQUAL(call.answer.content_type, "application/problem+json");
    CU_ASSERT_PTR_NOT_NULL_FATAL(call.answer.bytes);
    CU_ASSERT_PTR_NOT_NULL(memmem(call.answer.bytes, call.answer.size, "\"param\":\"task\"", 14));
    CU_ASSERT_PTR_NOT_NULL(memmem(call.answer.bytes, call.answer.size, call.request_id, 32));
    free(call.answer.bytes);
}

static CU_TestInfo tests[] = {
    {"paths and methods", test_find},
    {"a path within a target", test_path_of_a_target},
    {"rows", test_rows},
    {"problems", test_problem},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_routes = {"routes", tests};
