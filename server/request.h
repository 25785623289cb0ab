/*
 * request.h - from parameters and tensors to something that the library can score.
 *
 * The server and `maskmeter eval` read the same parameters: the query (or the flags), then the file's metadata under
 * maskmeter.NAME where the query says nothing.
 */
#ifndef MM_REQUEST_H
#define MM_REQUEST_H

#include "lib/maskmeter.h"
#include "proto/wire.h"
#include "server/plans.h"
#include "server/query.h"

/* Parameters of POST /v1/evaluations. */
#define MM_REQUEST_PARAMS                                                                                              \
    "scores|task|pred_kind|label_kind|layout|classes|num_classes|ignore_index|threshold|weights|spacing|run|split|"    \
    "step|part|parts|time|tags|image_ids|include"
/* Parameters of GET /v1/evaluations. */
#define MM_REQUEST_GET_PARAMS "run|split|step|scores|weights|include|format"

#define MM_DEFAULT_SPLIT "val"
#define MM_DEFAULT_PART  "0"

enum mm_include { MM_INCLUDE_IMAGES = 1, MM_INCLUDE_CONFUSION = 2, MM_INCLUDE_EXPLAIN = 4, MM_INCLUDE_HISTOGRAM = 8 };

/* Strings that are not owned lie in the query, which must live as long. */
typedef struct mm_request {
    /* set by the caller before mm_request_read() */
    size_t max_classes; /* of this server */
    mm_plans *plans;    /* where plans are kept for reuse, or NULL */

    /* what was asked for */
    mm_ready ready;      /* owns the plan */
    const mm_plan *plan; /* of `ready`; NULL until complete when no scores were given */
    mm_input input;      /* without tensors until mm_request_tensors() */
    size_t num_classes;  /* 0: not given */
    double *weights;     /* owned, or NULL */
    size_t weight_count;
    double *spacing;  /* owned, or NULL */
    unsigned include; /* of mm_include */
    const char *run;  /* NULL: nothing is stored */
    const char *split, *part;
    int has_step;
    int64_t step;
    int64_t parts; /* -1: not announced */
    int has_time;
    int64_t time; /* ms since 1970 */
    char **tags;  /* "name=value", of the run; one owned block */
    size_t tag_count;

    /* names: as given, or by default once the tensors are known */
    char **class_names; /* one owned block */
    size_t class_count;
    char **image_ids; /* one owned block */
    size_t image_count;

    mm_shape shape; /* after mm_request_tensors() */
} mm_request;

/* Reads and checks each parameter by itself.  *request is zero or freed before, but for what the caller sets; free it
 * also after a failure. */
mm_status mm_request_read(mm_request *request, const mm_query *query, mm_problem *problem);
/* When nothing more can come: the rules that hold between parameters, and the default scores. */
mm_status mm_request_complete(mm_request *request, mm_problem *problem);
void mm_request_free(mm_request *request); /* what the caller has set stays */

/* Adds the file's maskmeter.NAME metadata to the query; *added tells how many.  Unknown names are MM_BAD_PARAM. */
mm_status mm_request_metadata(mm_query *query, const mm_wire *wire, size_t *added, mm_problem *problem);

/* The tensors of a whole file, which must stay where they are while input is used: finds and fits them together, names
 * classes and images, checks weights, binds the plan.  Tensors that are missing or unknown are MM_BAD_SHAPE. */
mm_status mm_request_tensors(mm_request *request, const mm_wire *wire, mm_problem *problem);

/* "a,b,c" and "1,0.5,2", malloc'ed; weights NULL: "".  NULL: out of memory. */
char *mm_join_names(char *const *names, size_t count);
char *mm_join_numbers(const double *numbers, size_t count);
/* "0","1",… in one block; free(*names). */
mm_status mm_default_class_names(char ***names, size_t count);

/* What of mm_keep the request makes necessary. */
unsigned mm_request_keep(const mm_request *request);
/* Reads only `include`, for GET. */
mm_status mm_request_include(unsigned *include, const mm_query *query, mm_problem *problem);

#endif
