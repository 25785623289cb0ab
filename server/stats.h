/*
 * stats.h - counters and histograms of the server, as Prometheus text 0.0.4 or OpenMetrics 1.0.
 *
 * Everything may be called from any thread; nothing here waits or allocates but mm_stats_text().
 */
#ifndef MM_STATS_H
#define MM_STATS_H

#include "lib/maskmeter.h"

typedef struct mm_stats mm_stats;

/* Where the time of an evaluation goes. */
typedef enum mm_stage {
    MM_STAGE_RECEIVE, /* first to last byte of the body */
    MM_STAGE_QUEUE,   /* waiting for the compute thread */
    MM_STAGE_COMPUTE, /* tasks, finish and scores */
    MM_STAGE_STORE,   /* handed to the history until it was durable */
    MM_STAGE_COUNT
} mm_stage;

/* What the text shows that others know at this moment. */
typedef struct mm_gauges {
    size_t queue_depth; /* evaluations waiting or running */
    size_t store_waiting;
    size_t memory_used, memory_idle, memory_limit;     /* of the admission budget: taken, kept for reuse, all */
    uint64_t admitted, no_room, over_share, over_rate; /* decisions of admission */
    size_t connections;
    const char *cpu; /* mm_cpu_level() */
    unsigned threads;
} mm_gauges;

/* route_count routes are known by number, in the order of `names` (the path templates), which must stay. */
mm_status mm_stats_new(mm_stats **out, const char *const *route_names, size_t route_count);
void mm_stats_free(mm_stats *stats); /* NULL is fine */

/* A request was answered.  route >= route_count: none matched. */
void mm_stats_request(mm_stats *stats, const char *method, size_t route, int code, double seconds);
void mm_stats_body(mm_stats *stats, uint64_t wire_bytes);         /* a body was received */
void mm_stats_inflight(mm_stats *stats, int change);              /* +1, -1 */
void mm_stats_turned_away(mm_stats *stats, int at_address_limit); /* a connection, before anything was read */
/* An evaluation was refused or failed with this HTTP status. */
void mm_stats_rejected(mm_stats *stats, int code);

/* Why a request was not let in. */
typedef enum mm_refusal {
    MM_REFUSED_MISSING, /* no token */
    MM_REFUSED_MALFORMED,
    MM_REFUSED_UNKNOWN,
    MM_REFUSED_EXPIRED,
    MM_REFUSED_REVOKED,
    MM_REFUSED_SCOPE,   /* a good token that may not do this */
    MM_REFUSED_LIMITED, /* not looked at: its address has sent too many bad ones */
    MM_REFUSAL_COUNT
} mm_refusal;
void mm_stats_refused(mm_stats *stats, mm_refusal reason);

void mm_stats_voxels(mm_stats *stats, mm_dtype pred, uint64_t voxels); /* of an evaluation that was scored */
void mm_stats_stage(mm_stats *stats, mm_stage stage, double seconds);
void mm_stats_store_write(mm_stats *stats, double seconds); /* one write, until durable */
void mm_stats_store_error(mm_stats *stats);

typedef enum mm_stats_format { MM_STATS_PROMETHEUS, MM_STATS_OPENMETRICS } mm_stats_format;

/* malloc'ed text; NULL: out of memory. */
char *mm_stats_text(mm_stats *stats, const mm_gauges *gauges, mm_stats_format format, size_t *size);

#endif
