/*
 * answer.h - how handlers answer: JSON, or a problem with the HTTP status that a failure means.
 */
#ifndef MM_ANSWER_H
#define MM_ANSWER_H

#include "lib/maskmeter.h"
#include "server/history.h"
#include "server/routes.h"

/* All of them set call->answer and return MM_DONE. */

/* Takes over bytes; NULL means that there was no memory for them. */
mm_next mm_answer_json(mm_call *call, int http_status, char *bytes, size_t size);
mm_next mm_answer_problem(mm_call *call, int http_status, const mm_problem *problem);
mm_next mm_answer_failure(mm_call *call, mm_status status, const mm_problem *problem);     /* of lib/ */
mm_next mm_answer_store(mm_call *call, mm_store_status status, const mm_problem *problem); /* of the history */
mm_next mm_answer_no_memory(mm_call *call);

int mm_http_status(mm_status status); /* 400, 422, 409, 503 or 500 */

#endif
