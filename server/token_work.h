/*
 * token_work.h - what can be asked about tokens: create, list, revoke; of a running server, or of its store alone.
 *
 * A request is one line: a path that names the verb, and parameters as in a URL:
 *
 *   /create?scope=ingest,read&project=liver&label=nightly&expires=90d
 *   /list
 *   /revoke?id=mm_4hLk92Xz
 *
 * The answer is a JSON document: {"token": "mm_…", "id": …} with the only copy of the secret, {"tokens": […]},
 * {"id": …, "revoked": …}, or {"error": …} with a sentence.
 */
#ifndef MM_TOKEN_WORK_H
#define MM_TOKEN_WORK_H

#include "server/history.h"
#include "server/tokens.h"

#define MM_TOKEN_REQUEST_MAX 4096 /* bytes of a line */

typedef struct mm_token_work {
    mm_store_token store; /* to be stored before the answer is true, when `stores` */
    int stores;
    int creates;
    char text[MM_TOKEN_SIZE + 1]; /* of the new token */
    char *answer;                 /* malloc'ed JSON; NULL: out of memory, or not there yet */
    size_t answer_size;
} mm_token_work;

/* Reads the line (without its end) and does what it says in the table.  Then, when work->stores, the caller stores
 * work->store, and tells mm_token_work_end() how that went.  store.done and store.context are the caller's. */
void mm_token_work_begin(mm_token_work *work, mm_tokens *tokens, const char *line, int64_t now);
/* What was created but could not be stored is taken back. */
void mm_token_work_end(mm_token_work *work, mm_tokens *tokens);
/* Forgets the secret. */
void mm_token_work_free(mm_token_work *work);

/* Stores and waits; for the time before the loop runs. */
void mm_token_store_now(mm_history *history, mm_store_token *item);
/* The table of what the history holds.  0: *problem says why not. */
int mm_tokens_load(mm_tokens **out, mm_history *history, mm_problem *problem);

/* The bootstrap file: makes it and its token when it is not there or is empty, else takes its token into the table and
 * the history unless it is known.  0: *problem says why the server must not start. */
int mm_token_bootstrap(const char *path, mm_tokens *tokens, mm_history *history, int64_t now, mm_problem *problem);

#endif
