/*
 * test_stats.c - counters and histograms: the text that Prometheus reads.
 */
#include "tests/suites.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/stats.h"

static const char *const routes[] = {"/v1/evaluations", "/v1/runs/{run}"};
static const mm_gauges gauges = {.queue_depth = 3,
                                 .store_waiting = 2,
                                 .memory_used = 1024,
                                 .memory_idle = 2048,
                                 .memory_limit = 4096,
                                 .connections = 5,
                                 .cpu = "x86-64-v3",
                                 .threads = 2};

static mm_stats *new_stats(void)
{
    mm_stats *stats = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_stats_new(&stats, routes, 2), MM_OK);
    return stats;
}

static char *text_of(mm_stats *stats)
{
    size_t size = 0;
    char *text = mm_stats_text(stats, &gauges, MM_STATS_PROMETHEUS, &size);

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL(strlen(text), size);
    return text;
}

/* The value of a sample, -1 when it is not there. */
static double sample(const char *text, const char *name)
{
    const size_t size = strlen(name);

    for (const char *line = text; line != NULL; line = strchr(line, '\n') != NULL ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, name, size) == 0 && line[size] == ' ')
            return strtod(line + size + 1, NULL);
    return -1.0;
}

static void test_requests(void)
{
    mm_stats *stats = new_stats();
    char *text;

    mm_stats_request(stats, "POST", 0, 200, 0.02);
    mm_stats_request(stats, "POST", 0, 200, 0.2);
    mm_stats_request(stats, "POST", 0, 422, 20.0);
    mm_stats_request(stats, "GET", 1, 404, 0.001);
    mm_stats_request(stats, "TRACE", 7, 405, 0.001);
    mm_stats_request(stats, "HEAD", 2, 299, 0.001);
    text = text_of(stats);
#define REQUESTS(labels) sample(text, "maskmeter_http_requests_total{" labels "}")
    CU_ASSERT_EQUAL(REQUESTS("method=\"POST\",route=\"/v1/evaluations\",code=\"200\""), 2);
    CU_ASSERT_EQUAL(REQUESTS("method=\"POST\",route=\"/v1/evaluations\",code=\"422\""), 1);
    CU_ASSERT_EQUAL(REQUESTS("method=\"GET\",route=\"/v1/runs/{run}\",code=\"404\""), 1);
    CU_ASSERT_EQUAL(REQUESTS("method=\"other\",route=\"none\",code=\"405\""), 1);
    CU_ASSERT_EQUAL(REQUESTS("method=\"HEAD\",route=\"none\",code=\"other\""), 1);
    CU_ASSERT_EQUAL(REQUESTS("method=\"GET\",route=\"/v1/evaluations\",code=\"200\""), -1);
#undef REQUESTS
    free(text);
    mm_stats_free(stats);
}

static void test_histograms(void)
{
    mm_stats *stats = new_stats();
    char *text;

    mm_stats_request(stats, "POST", 0, 200, 0.005); /* a bound belongs to its bucket */
    mm_stats_request(stats, "POST", 0, 200, 0.0051);
    mm_stats_request(stats, "POST", 0, 200, 100.0);
    text = text_of(stats);
#define SECONDS(what, le)                                                                                              \
    sample(text, "maskmeter_http_request_duration_seconds" what "{method=\"POST\",route=\"/v1/evaluations\"" le "}")
    CU_ASSERT_EQUAL(SECONDS("_bucket", ",le=\"0.005\""), 1);
    CU_ASSERT_EQUAL(SECONDS("_bucket", ",le=\"0.01\""), 2);
    CU_ASSERT_EQUAL(SECONDS("_bucket", ",le=\"10\""), 2);
    CU_ASSERT_EQUAL(SECONDS("_bucket", ",le=\"+Inf\""), 3);
    CU_ASSERT_EQUAL(SECONDS("_count", ""), 3);
    CU_ASSERT_DOUBLE_EQUAL(SECONDS("_sum", ""), 100.0101, 1e-6);
#undef SECONDS
    free(text);
    mm_stats_free(stats);
}

static void test_evaluations(void)
{
    mm_stats *stats = new_stats();
    char *text;

    mm_stats_body(stats, 1000);
    mm_stats_body(stats, (uint64_t)5 << 30);
    mm_stats_voxels(stats, MM_F32, 4096);
    mm_stats_voxels(stats, MM_F32, 4);
    mm_stats_voxels(stats, (mm_dtype)99, 4);
    mm_stats_stage(stats, MM_STAGE_COMPUTE, 0.3);
    mm_stats_turned_away(stats, 0);
    mm_stats_turned_away(stats, 1);
    mm_stats_turned_away(stats, 1);
    mm_stats_rejected(stats, 413);
    mm_stats_rejected(stats, 499);
    mm_stats_store_write(stats, 0.002);
    mm_stats_store_error(stats);
    mm_stats_inflight(stats, 1);
    mm_stats_inflight(stats, 1);
    mm_stats_inflight(stats, -1);
    text = text_of(stats);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_http_request_body_bytes_bucket{le=\"1024\"}"), 1);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_http_request_body_bytes_bucket{le=\"4294967296\"}"), 1);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_http_request_body_bytes_count"), 2);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_http_request_body_bytes_sum"), 5368710120.0);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_eval_voxels_total{dtype=\"F32\"}"), 4100);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_eval_voxels_total{dtype=\"U8\"}"), 0);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_eval_duration_seconds_count{stage=\"compute\"}"), 1);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_eval_rejected_total{reason=\"too_large\"}"), 1);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_eval_rejected_total{reason=\"other\"}"), 1);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_store_write_duration_seconds_bucket{backend=\"sqlite\",le=\"0.0025\"}"), 1);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_store_errors_total{backend=\"sqlite\"}"), 1);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_http_connections_refused_total{limit=\"all\"}"), 1);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_http_connections_refused_total{limit=\"address\"}"), 2);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_http_inflight_requests"), 1);
    free(text);
    mm_stats_free(stats);
}

static void test_gauges(void)
{
    mm_stats *stats = new_stats();
    char *text = text_of(stats);

    CU_ASSERT_EQUAL(sample(text, "maskmeter_eval_queue_depth"), 3);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_store_waiting_writes"), 2);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_memory_used_bytes"), 1024);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_memory_idle_bytes"), 2048);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_memory_limit_bytes"), 4096);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_http_connections"), 5);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "maskmeter_build_info{version=\"" MM_VERSION "\","));
    CU_ASSERT_TRUE(sample(text, "process_resident_memory_bytes") > 1e6);
    CU_ASSERT_TRUE(sample(text, "process_open_fds") >= 3);
    CU_ASSERT_TRUE(sample(text, "process_max_fds") >= sample(text, "process_open_fds"));
    CU_ASSERT_TRUE(sample(text, "process_cpu_seconds_total") >= 0);
    CU_ASSERT_TRUE(sample(text, "process_start_time_seconds") > 1.7e9);
    free(text);
    mm_stats_free(stats);
}

/* Every sample belongs to the family that was announced before it, and no family comes twice. */
static void test_format(void)
{
    mm_stats *stats = new_stats();
    char *text, *rest, *line, family[96] = "", seen[8192] = "";
    int wrong = 0;

    mm_stats_request(stats, "GET", 0, 200, 0.1);
    text = rest = text_of(stats);
    while ((line = strsep(&rest, "\n")) != NULL && line[0] != '\0') {
        if (strncmp(line, "# HELP ", 7) == 0) {
            (void)snprintf(family, sizeof family, " %.*s ", (int)strcspn(line + 7, " "), line + 7);
            wrong += strstr(seen, family) != NULL;
            (void)strncat(seen, family, sizeof seen - strlen(seen) - 1);
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            wrong += strncmp(line + 7, family + 1, strlen(family) - 1) != 0;
        } else {
            wrong += strncmp(line, family + 1, strlen(family) - 2) != 0;
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_TRUE(strlen(seen) > 500);
    free(text);
    mm_stats_free(stats);
}

static void *count_many(void *context)
{
    for (int i = 0; i < 10000; i++) {
        mm_stats_request(context, "GET", 0, 200, 0.01);
        mm_stats_voxels(context, MM_F16, 3);
    }
    return NULL;
}

static void test_threads(void)
{
    mm_stats *stats = new_stats();
    pthread_t threads[4];
    char *text;

    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, count_many, stats), 0);
    for (size_t i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    text = text_of(stats);
    CU_ASSERT_EQUAL(
        sample(text, "maskmeter_http_requests_total{method=\"GET\",route=\"/v1/evaluations\",code=\"200\"}"), 40000);
    CU_ASSERT_EQUAL(sample(text, "maskmeter_eval_voxels_total{dtype=\"F16\"}"), 120000);
    free(text);
    mm_stats_free(stats);
}

static void test_too_many_routes(void)
{
    mm_stats *stats = NULL;

    CU_ASSERT_EQUAL(mm_stats_new(&stats, routes, 1000), MM_BAD_PARAM);
    CU_ASSERT_PTR_NULL(stats);
    mm_stats_free(NULL);
}

/* The same samples in both formats; families of counters lose their ending, units are said, the end is marked. */
static void test_openmetrics(void)
{
    mm_stats *stats = new_stats();
    size_t size = 0, samples = 0, others = 0;
    char *plain, *open;

    mm_stats_request(stats, "POST", 0, 200, 0.02);
    plain = text_of(stats);
    open = mm_stats_text(stats, &gauges, MM_STATS_OPENMETRICS, &size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(open);
    CU_ASSERT_STRING_EQUAL(open + size - 6, "# EOF\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(open, "# TYPE maskmeter_http_requests counter\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(open, "\nmaskmeter_http_requests_total{method=\"POST\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(open, "# TYPE process_cpu_seconds counter\n# UNIT process_cpu_seconds seconds\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(open, "# UNIT maskmeter_memory_used_bytes bytes\n"));
    CU_ASSERT_PTR_NULL(strstr(open, "# UNIT maskmeter_threads"));
    CU_ASSERT_PTR_NULL(strstr(plain, "# UNIT"));
    for (const char *at = plain; at != NULL && *at != '\0'; at = strchr(at, '\n'), at += at != NULL)
        samples += *at != '#';
    for (const char *at = open; at != NULL && *at != '\0'; at = strchr(at, '\n'), at += at != NULL)
        others += *at != '#';
    CU_ASSERT(samples > 10 && samples == others);
    free(plain);
    free(open);
    mm_stats_free(stats);
}

static CU_TestInfo tests[] = {
    {"requests by method, route, code", test_requests},
    {"histograms", test_histograms},
    {"evaluations and store", test_evaluations},
    {"gauges", test_gauges},
    {"families", test_format},
    {"threads", test_threads},
    {"too many routes", test_too_many_routes},
    {"OpenMetrics", test_openmetrics},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_stats = {"stats", tests};
