/*
 * answer.c - the answers of handlers, and which HTTP status a failure is.
 */
#include "server/answer.h"
#include "server/reply.h"

#include <stdio.h>

#define RETRY_SOON 1  /* seconds: a moment's load */
#define RETRY_LATE 30 /* seconds: somebody must make room */

int mm_http_status(mm_status status)
{
    switch (status) {
    case MM_BAD_EXPRESSION:
    case MM_UNKNOWN_SCORE:
    case MM_BAD_PARAM:
        return 400;
    case MM_BAD_SHAPE:
    case MM_BAD_VALUE:
    case MM_UNSUITABLE:
        return 422;
    case MM_CONFLICT:
        return 409;
    case MM_NO_MEMORY:
        return 503;
    case MM_TOO_LARGE:
        return 413;
    case MM_OK:
    case MM_NO_BACKEND:
    case MM_BAD_RECORD:
        break;
    }
    return 500;
}

static int store_http_status(mm_store_status status)
{
    switch (status) {
    case MM_STORE_NOT_FOUND:
        return 404;
    case MM_STORE_CONFLICT:
        return 409;
    case MM_STORE_BAD_CURSOR:
        return 400;
    case MM_STORE_FULL:
        return 507;
    case MM_STORE_BUSY:
        return 503;
    case MM_STORE_TOO_LARGE:
        return 413;
    case MM_STORE_OK:
    case MM_STORE_FATAL:
        break;
    }
    return 500;
}

mm_next mm_answer_json(mm_call *call, int http_status, char *bytes, size_t size)
{
    if (bytes == NULL)
        return mm_answer_no_memory(call);
    call->answer = (mm_answer){.status = http_status, .content_type = "application/json", .bytes = bytes, .size = size};
    return MM_DONE;
}

/* When there is no memory even for the words, the status alone goes out. */
mm_next mm_answer_problem(mm_call *call, int http_status, const mm_problem *problem)
{
    size_t size = 0;
    char *bytes = mm_reply_problem(http_status, NULL, problem, call->request_id, &size);

    call->answer = (mm_answer){
        .status = http_status,
        .content_type = bytes != NULL ? "application/problem+json" : NULL,
        .bytes = bytes,
        .size = size,
        .retry_after = http_status == 503   ? RETRY_SOON
                       : http_status == 507 ? RETRY_LATE
                                            : 0,
    };
    return MM_DONE;
}

/* Says something even where the library had nothing to add. */
static mm_next answer_with_text(mm_call *call, int http_status, const mm_problem *problem, const char *text)
{
    mm_problem words = *problem;

    if (words.text[0] == '\0')
        snprintf(words.text, sizeof words.text, "%s", text);
    return mm_answer_problem(call, http_status, &words);
}

mm_next mm_answer_failure(mm_call *call, mm_status status, const mm_problem *problem)
{
    return answer_with_text(call, mm_http_status(status), problem, mm_status_text(status));
}

mm_next mm_answer_store(mm_call *call, mm_store_status status, const mm_problem *problem)
{
    mm_problem words = *problem;

    if (status == MM_STORE_NOT_FOUND)
        words.param[0] = '\0'; /* the address is wrong, not a parameter */
    return answer_with_text(call, store_http_status(status), &words,
                            status == MM_STORE_NOT_FOUND ? "nothing is stored under that name"
                                                         : "the history cannot do that now");
}

mm_next mm_answer_no_memory(mm_call *call)
{
    return mm_answer_failure(call, MM_NO_MEMORY, &(mm_problem){.has_index = 0});
}
