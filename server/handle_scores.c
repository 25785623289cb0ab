/*
 * handle_scores.c - GET /v1/scores: the registry.
 */
#include "server/answer.h"
#include "server/reply.h"
#include "server/routes.h"

mm_next mm_get_scores(mm_call *call)
{
    size_t size = 0;
    char *bytes = mm_reply_scores(&size);

    return mm_answer_json(call, 200, bytes, size);
}
