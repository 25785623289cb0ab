/*
 * access.h - may this request do what it asks for?
 */
#ifndef MM_ACCESS_H
#define MM_ACCESS_H

#include "server/routes.h"

/* Decides at the headers.  authorization: the header's value, or NULL.  *token: where what is known of a token is kept
 * as long as the call.  1: call->project and call->token are set.  0: the answer is, 401, 403 or 429. */
int mm_access(mm_call *call, const char *authorization, mm_token *token);

#endif
