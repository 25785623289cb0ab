/*
 * handle_health.c - liveness, readiness, metrics, version, and the description of the API.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/admission.h"
#include "server/compute.h"
#include "server/history.h"
#include "server/routes.h"
#include "server/stats.h"

/* Hands over a copy of the text. */
static mm_next answer(mm_call *call, int status, const char *content_type, const char *text, size_t size)
{
    char *copy = malloc(size);

    if (copy == NULL)
        return mm_call_problem(call, 503, NULL);
    memcpy(copy, text, size);
    call->answer.status = status;
    call->answer.content_type = content_type;
    call->answer.bytes = copy;
    call->answer.size = size;
    return MM_DONE;
}

/* Touches nothing: it says that the loop turns. */
mm_next mm_get_healthz(mm_call *call)
{
    static const char text[] = "{\"status\":\"ok\"}";

    return answer(call, 200, "application/json", text, sizeof text - 1);
}

static const char *store_word(mm_store_status status)
{
    switch (status) {
    case MM_STORE_OK:
        return "ok";
    case MM_STORE_FULL:
        return "full";
    case MM_STORE_TOO_LARGE:
    case MM_STORE_BUSY:
        return "busy";
    default:
        return "failed";
    }
}

/* A large file is looked through while the server works. */
static const char *file_word(mm_store_check check)
{
    switch (check) {
    case MM_CHECK_ENDED:
        return "checked";
    case MM_CHECK_RUNNING:
        return "checking";
    default:
        return "damaged";
    }
}

mm_next mm_get_readyz(mm_call *call)
{
    const mm_store_status store = mm_history_health(call->server->history);
    const int ready = store == MM_STORE_OK && !call->server->draining;
    const mm_store_check file = mm_history_check(call->server->history);
    const int low = mm_history_disk_is_low(call->server->history); /* a warning: there is room still */
    char text[160];
    const int size = snprintf(
        text, sizeof text,
        "{\"status\":\"%s\",\"checks\":{\"store\":\"%s\",\"disk\":\"%s\",\"file\":\"%s\",\"draining\":\"%s\"}}",
        ready ? "ok" : "unavailable", store_word(store), low ? "low" : "ok", file_word(file),
        call->server->draining ? "yes" : "no");

    call->answer.retry_after = ready ? 0 : 5;
    return answer(call, ready ? 200 : 503, "application/json", text, (size_t)size);
}

/* Prometheus names it first; others get the text that everything reads. */
static mm_stats_format format_for(const char *accept)
{
    static const char type[] = "application/openmetrics-text";
    const char *found = strstr(accept, type);

    for (; found != NULL; found = strstr(found + 1, type)) {
        const size_t size = strcspn(found, ",");
        const char *version = memmem(found, size, "version=", 8);

        if (version == NULL || strncmp(version + 8, "1.0.0", 5) == 0)
            return MM_STATS_OPENMETRICS;
    }
    return MM_STATS_PROMETHEUS;
}

mm_next mm_get_metrics(mm_call *call)
{
    mm_server *server = call->server;
    const mm_stats_format format = format_for(call->accept);
    const mm_admission_counts counts = mm_admission_count(server->admission);
    const mm_gauges gauges = {
        .queue_depth = mm_compute_waiting(server->compute),
        .store_waiting = mm_history_waiting(server->history),
        .memory_used = mm_admission_used(server->admission),
        .memory_idle = mm_admission_idle(server->admission),
        .memory_limit = mm_admission_limit(server->admission),
        .admitted = counts.admitted,
        .no_room = counts.no_room,
        .over_share = counts.over_share,
        .over_rate = counts.over_rate,
        .connections = server->connections,
        .cpu = mm_cpu_level(),
        .threads = mm_compute_threads(server->compute),
    };

    call->answer.bytes = mm_stats_text(server->stats, &gauges, format, &call->answer.size);
    if (call->answer.bytes == NULL)
        return mm_call_problem(call, 503, NULL);
    call->answer.status = 200;
    call->answer.content_type = format == MM_STATS_OPENMETRICS
                                    ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                    : "text/plain; version=0.0.4; charset=utf-8";
    return MM_DONE;
}

mm_next mm_get_version(mm_call *call)
{
    char text[256];
    const int size =
        snprintf(text, sizeof text, "{\"version\":\"%s\",\"backend\":\"cpu\",\"cpu\":\"%s\",\"threads\":%u}",
                 MM_VERSION, mm_cpu_level(), mm_compute_threads(call->server->compute));

    return answer(call, 200, "application/json", text, (size_t)size);
}

mm_next mm_get_openapi(mm_call *call)
{
    call->answer = (mm_answer){.status = 200,
                               .content_type = "application/json",
                               .bytes = (char *)(uintptr_t)mm_openapi_json,
                               .size = mm_openapi_json_size,
                               .constant = 1};
    return MM_DONE;
}
