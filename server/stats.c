/*
 * stats.c - counters and histograms, as Prometheus text 0.0.4 or OpenMetrics 1.0.
 */
#include "server/stats.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#ifndef MM_REVISION
#define MM_REVISION "unknown" /* the build may know the commit */
#endif

#define MAX_ROUTES 64
#define MAX_BOUNDS 12

/* Bounds of a histogram's buckets, ascending; the last bucket, +Inf, has none. */
typedef struct bounds {
    size_t count;
    double bound[MAX_BOUNDS];
} bounds;

static const bounds seconds_bounds = {11, {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}};
static const bounds store_bounds = {10, {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5}};
static const bounds bytes_bounds = {
    9, {1024, 16384, 65536, 1048576, 16777216, 67108864, 268435456, 1073741824, 4294967296}};

typedef struct histogram {
    _Atomic uint64_t bucket[MAX_BOUNDS + 1]; /* not cumulative here */
    _Atomic uint64_t sum;                    /* in whole nanoseconds or bytes */
} histogram;

#define NANO 1e-9

static const char *const methods[] = {"GET", "HEAD", "POST", "DELETE", "other"};
static const int codes[] = {200, 204, 304, 400, 401, 403, 404, 405, 408, 409, 411,
                            413, 414, 415, 417, 422, 429, 431, 500, 503, 507, 0};

#define METHODS (sizeof methods / sizeof methods[0])
#define CODES   (sizeof codes / sizeof codes[0])

static const struct {
    int code;
    const char *reason;
} rejections[] = {
    {400, "malformed"},    {401, "unauthorized"}, {403, "forbidden"},  {409, "conflict"},
    {411, "no_length"},    {413, "too_large"},    {415, "media_type"}, {422, "unprocessable"},
    {429, "rate_limited"}, {503, "overloaded"},   {507, "disk_full"},  {0, "other"},
};

#define REJECTIONS (sizeof rejections / sizeof rejections[0])

struct mm_stats {
    const char *const *route_names;
    size_t route_count;
    time_t started;
    _Atomic int64_t inflight;
    _Atomic uint64_t requests[METHODS][MAX_ROUTES + 1][CODES];
    histogram request_seconds[METHODS][MAX_ROUTES + 1];
    histogram body_bytes;
    _Atomic uint64_t voxels[MM_DTYPE_COUNT];
    histogram stage_seconds[MM_STAGE_COUNT];
    _Atomic uint64_t rejected[REJECTIONS];
    _Atomic uint64_t refused[MM_REFUSAL_COUNT];
    _Atomic uint64_t turned_away[2]; /* at the limit of all, of an address */
    histogram store_seconds;
    _Atomic uint64_t store_errors;
};

/* ----------------------------------------------------------------- counting */

static void add(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

static uint64_t get(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void observe(histogram *h, const bounds *limits, double value, double unit)
{
    size_t i = 0;

    while (i < limits->count && value > limits->bound[i])
        i++;
    add(&h->bucket[i], 1);
    add(&h->sum, value > 0 ? (uint64_t)(value / unit) : 0);
}

mm_status mm_stats_new(mm_stats **out, const char *const *route_names, size_t route_count)
{
    mm_stats *stats;

    if (route_count > MAX_ROUTES)
        return MM_BAD_PARAM;
    stats = calloc(1, sizeof *stats);
    if (stats == NULL)
        return MM_NO_MEMORY;
    stats->route_names = route_names;
    stats->route_count = route_count;
    stats->started = time(NULL);
    *out = stats;
    return MM_OK;
}

void mm_stats_free(mm_stats *stats)
{
    free(stats);
}

void mm_stats_request(mm_stats *stats, const char *method, size_t route, int code, double seconds)
{
    size_t m = 0, c = 0;

    while (m < METHODS - 1 && strcmp(method, methods[m]) != 0)
        m++;
    while (c < CODES - 1 && codes[c] != code)
        c++;
    if (route > stats->route_count)
        route = stats->route_count;
    add(&stats->requests[m][route][c], 1);
    observe(&stats->request_seconds[m][route], &seconds_bounds, seconds, NANO);
}

void mm_stats_body(mm_stats *stats, uint64_t wire_bytes)
{
    observe(&stats->body_bytes, &bytes_bounds, (double)wire_bytes, 1.0);
}

void mm_stats_inflight(mm_stats *stats, int change)
{
    atomic_fetch_add_explicit(&stats->inflight, change, memory_order_relaxed);
}

void mm_stats_turned_away(mm_stats *stats, int at_address_limit)
{
    add(&stats->turned_away[at_address_limit != 0], 1);
}

void mm_stats_rejected(mm_stats *stats, int code)
{
    size_t i = 0;

    while (i < REJECTIONS - 1 && rejections[i].code != code)
        i++;
    add(&stats->rejected[i], 1);
}

void mm_stats_refused(mm_stats *stats, mm_refusal reason)
{
    add(&stats->refused[reason], 1);
}

void mm_stats_voxels(mm_stats *stats, mm_dtype pred, uint64_t voxels)
{
    if ((size_t)pred < MM_DTYPE_COUNT)
        add(&stats->voxels[pred], voxels);
}

void mm_stats_stage(mm_stats *stats, mm_stage stage, double seconds)
{
    observe(&stats->stage_seconds[stage], &seconds_bounds, seconds, NANO);
}

void mm_stats_store_write(mm_stats *stats, double seconds)
{
    observe(&stats->store_seconds, &store_bounds, seconds, NANO);
}

void mm_stats_store_error(mm_stats *stats)
{
    add(&stats->store_errors, 1);
}

/* -------------------------------------------------------------------- text */

/* A text under construction; out of memory sticks. */
typedef struct text {
    char *bytes;
    size_t filled, room;
    int failed;
    mm_stats_format format;
} text;

__attribute__((format(printf, 2, 3))) static void print(text *t, const char *format, ...)
{
    va_list arguments, again;
    int size;

    va_start(arguments, format);
    va_copy(again, arguments);
    size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (!t->failed && t->filled + (size_t)size + 1 > t->room) {
        const size_t room = 2 * t->room + (size_t)size + 1;
        char *bytes = realloc(t->bytes, room);

        t->failed = bytes == NULL;
        if (bytes != NULL) {
            t->bytes = bytes;
            t->room = room;
        }
    }
    if (!t->failed)
        t->filled += (size_t)vsnprintf(t->bytes + t->filled, t->room - t->filled, format, again);
    va_end(again);
}

static void family(text *t, const char *name, const char *type, const char *help)
{
    static const char *const units[] = {"seconds", "bytes"};
    size_t length = strlen(name);

    if (t->format == MM_STATS_PROMETHEUS) {
        print(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
        return;
    }
    /* There a family of counters is named without what their samples end with. */
    if (strcmp(type, "counter") == 0)
        length -= strlen("_total");
    print(t, "# TYPE %.*s %s\n", (int)length, name, type);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        const size_t size = strlen(units[i]);

        if (length > size && strncmp(name + length - size, units[i], size) == 0)
            print(t, "# UNIT %.*s %s\n", (int)length, name, units[i]);
    }
    print(t, "# HELP %.*s %s\n", (int)length, name, help);
}

/* labels: "a=\"b\"," or "". */
static void print_histogram(text *t, const char *name, const char *labels, histogram *h, const bounds *limits,
                            double unit)
{
    const size_t size = strlen(labels);
    uint64_t total = 0;

    for (size_t i = 0; i < limits->count; i++) {
        total += get(&h->bucket[i]);
        print(t, "%s_bucket{%sle=\"%.10g\"} %llu\n", name, labels, limits->bound[i], (unsigned long long)total);
    }
    total += get(&h->bucket[limits->count]);
    print(t, "%s_bucket{%sle=\"+Inf\"} %llu\n", name, labels, (unsigned long long)total);
    if (size > 0) {
        print(t, "%s_sum{%.*s} %.10g\n", name, (int)size - 1, labels, (double)get(&h->sum) * unit);
        print(t, "%s_count{%.*s} %llu\n", name, (int)size - 1, labels, (unsigned long long)total);
    } else {
        print(t, "%s_sum %.10g\n", name, (double)get(&h->sum) * unit);
        print(t, "%s_count %llu\n", name, (unsigned long long)total);
    }
}

static const char *route_name(const mm_stats *stats, size_t route)
{
    return route < stats->route_count ? stats->route_names[route] : "none";
}

/* Routes that share a template (GET and DELETE of a run) never share a method, so that no series comes twice.
 * Series that never counted are left out. */
static void print_requests(text *t, mm_stats *stats)
{
    family(t, "maskmeter_http_requests_total", "counter", "Answered requests.");
    for (size_t m = 0; m < METHODS; m++)
        for (size_t r = 0; r <= stats->route_count; r++)
            for (size_t c = 0; c < CODES; c++) {
                const uint64_t count = get(&stats->requests[m][r][c]);

                if (count > 0 && codes[c] > 0)
                    print(t, "maskmeter_http_requests_total{method=\"%s\",route=\"%s\",code=\"%d\"} %llu\n", methods[m],
                          route_name(stats, r), codes[c], (unsigned long long)count);
                else if (count > 0)
                    print(t, "maskmeter_http_requests_total{method=\"%s\",route=\"%s\",code=\"other\"} %llu\n",
                          methods[m], route_name(stats, r), (unsigned long long)count);
            }
}

static int is_empty(histogram *h)
{
    for (size_t i = 0; i <= MAX_BOUNDS; i++)
        if (get(&h->bucket[i]) > 0)
            return 0;
    return 1;
}

static void print_durations(text *t, mm_stats *stats)
{
    char labels[160];

    family(t, "maskmeter_http_request_duration_seconds", "histogram", "From the request line to the last byte sent.");
    for (size_t m = 0; m < METHODS; m++)
        for (size_t r = 0; r <= stats->route_count; r++) {
            if (is_empty(&stats->request_seconds[m][r]))
                continue;
            (void)snprintf(labels, sizeof labels, "method=\"%s\",route=\"%s\",", methods[m], route_name(stats, r));
            print_histogram(t, "maskmeter_http_request_duration_seconds", labels, &stats->request_seconds[m][r],
                            &seconds_bounds, NANO);
        }
}

static void print_evaluations(text *t, mm_stats *stats)
{
    static const char *const stages[MM_STAGE_COUNT] = {"receive", "queue", "compute", "store"};
    char labels[64];

    family(t, "maskmeter_eval_voxels_total", "counter", "Voxels scored, by the element type of the prediction.");
    for (size_t i = 0; i < MM_DTYPE_COUNT; i++)
        print(t, "maskmeter_eval_voxels_total{dtype=\"%s\"} %llu\n", mm_dtype_name((mm_dtype)i),
              (unsigned long long)get(&stats->voxels[i]));
    family(t, "maskmeter_eval_duration_seconds", "histogram", "Time of an evaluation, by stage.");
    for (size_t i = 0; i < MM_STAGE_COUNT; i++) {
        (void)snprintf(labels, sizeof labels, "stage=\"%s\",", stages[i]);
        print_histogram(t, "maskmeter_eval_duration_seconds", labels, &stats->stage_seconds[i], &seconds_bounds, NANO);
    }
    family(t, "maskmeter_eval_rejected_total", "counter", "Evaluations that were refused or failed, by reason.");
    for (size_t i = 0; i < REJECTIONS; i++)
        print(t, "maskmeter_eval_rejected_total{reason=\"%s\"} %llu\n", rejections[i].reason,
              (unsigned long long)get(&stats->rejected[i]));
}

static void print_refused(text *t, mm_stats *stats)
{
    static const char *const reasons[MM_REFUSAL_COUNT] = {"missing", "malformed", "unknown", "expired",
                                                          "revoked", "scope",     "limited"};

    family(t, "maskmeter_auth_failures_total", "counter", "Requests that were not let in, by what was wrong.");
    for (size_t i = 0; i < MM_REFUSAL_COUNT; i++)
        print(t, "maskmeter_auth_failures_total{reason=\"%s\"} %llu\n", reasons[i],
              (unsigned long long)get(&stats->refused[i]));
}

static void print_turned_away(text *t, mm_stats *stats)
{
    static const char *const limits[] = {"all", "address"};

    family(t, "maskmeter_http_connections_refused_total", "counter", "Connections that were closed at once, by limit.");
    for (size_t i = 0; i < 2; i++)
        print(t, "maskmeter_http_connections_refused_total{limit=\"%s\"} %llu\n", limits[i],
              (unsigned long long)get(&stats->turned_away[i]));
}

static void print_store(text *t, mm_stats *stats)
{
    family(t, "maskmeter_store_write_duration_seconds", "histogram", "From handing a write over until it was durable.");
    print_histogram(t, "maskmeter_store_write_duration_seconds", "backend=\"sqlite\",", &stats->store_seconds,
                    &store_bounds, NANO);
    family(t, "maskmeter_store_errors_total", "counter", "Writes that the store refused.");
    print(t, "maskmeter_store_errors_total{backend=\"sqlite\"} %llu\n", (unsigned long long)get(&stats->store_errors));
}

static void print_admission(text *t, const mm_gauges *gauges)
{
    const struct {
        const char *word;
        uint64_t count;
    } results[] = {
        {"admitted", gauges->admitted},
        {"no_room", gauges->no_room},
        {"over_share", gauges->over_share},
        {"over_rate", gauges->over_rate},
    };

    family(t, "maskmeter_admission_total", "counter", "Requests that asked for memory, by what was decided.");
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        print(t, "maskmeter_admission_total{result=\"%s\"} %llu\n", results[i].word,
              (unsigned long long)results[i].count);
}

static void gauge(text *t, const char *name, const char *help, double value)
{
    family(t, name, "gauge", help);
    print(t, "%s %.10g\n", name, value);
}

static void print_gauges(text *t, mm_stats *stats, const mm_gauges *gauges)
{
    gauge(t, "maskmeter_http_inflight_requests", "Requests that are being received or answered.",
          (double)atomic_load_explicit(&stats->inflight, memory_order_relaxed));
    gauge(t, "maskmeter_http_connections", "Open connections.", (double)gauges->connections);
    gauge(t, "maskmeter_eval_queue_depth", "Evaluations that wait for the compute thread or run on it.",
          (double)gauges->queue_depth);
    gauge(t, "maskmeter_store_waiting_writes", "Writes that wait for the store.", (double)gauges->store_waiting);
    gauge(t, "maskmeter_memory_used_bytes", "Of the budget, held by requests.", (double)gauges->memory_used);
    gauge(t, "maskmeter_memory_idle_bytes", "Of the budget, kept for the next bodies.", (double)gauges->memory_idle);
    gauge(t, "maskmeter_memory_limit_bytes", "The budget for bodies and scratch.", (double)gauges->memory_limit);
    gauge(t, "maskmeter_threads", "Threads that compute.", (double)gauges->threads);
    family(t, "maskmeter_build_info", "gauge", "What this server is built from and runs on.");
    print(t, "maskmeter_build_info{version=\"%s\",revision=\"%s\",openmp=\"yes\",cpu=\"%s\"} 1\n", MM_VERSION,
          MM_REVISION, gauges->cpu);
}

/* ----------------------------------------------------------------- process */

static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;

    if (file == NULL)
        return 0.0;
    if (fscanf(file, "%*u %lu", &pages) != 1)
        pages = 0;
    (void)fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static size_t open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;

    if (folder == NULL)
        return 0;
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count > 3 ? count - 3 : 0; /* without ".", ".." and the folder's own */
}

static void print_process(text *t, const mm_stats *stats)
{
    struct rusage usage = {0};
    struct rlimit limit = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    family(t, "process_cpu_seconds_total", "counter", "User and system time of the process.");
    print(t, "process_cpu_seconds_total %.10g\n",
          (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
              (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6);
    gauge(t, "process_resident_memory_bytes", "Resident memory.", resident_bytes());
    gauge(t, "process_open_fds", "Open descriptors.", (double)open_descriptors());
    gauge(t, "process_max_fds", "Limit of open descriptors.", (double)limit.rlim_cur);
    gauge(t, "process_start_time_seconds", "Start, in seconds since 1970.", (double)stats->started);
}

char *mm_stats_text(mm_stats *stats, const mm_gauges *gauges, mm_stats_format format, size_t *size)
{
    text t = {.format = format};

    print_requests(&t, stats);
    print_durations(&t, stats);
    family(&t, "maskmeter_http_request_body_bytes", "histogram", "Bodies as sent.");
    print_histogram(&t, "maskmeter_http_request_body_bytes", "", &stats->body_bytes, &bytes_bounds, 1.0);
    print_evaluations(&t, stats);
    print_refused(&t, stats);
    print_turned_away(&t, stats);
    print_store(&t, stats);
    print_admission(&t, gauges);
    print_gauges(&t, stats, gauges);
    print_process(&t, stats);
    if (format == MM_STATS_OPENMETRICS)
        print(&t, "# EOF\n");
    if (t.failed) {
        free(t.bytes);
        return NULL;
    }
    *size = t.filled;
    return t.bytes;
}
