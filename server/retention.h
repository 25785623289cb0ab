/*
 * retention.h - --keep-days: has the history forget what is too old, unless the clock cannot be believed.
 */
#ifndef MM_RETENTION_H
#define MM_RETENTION_H

#include "server/routes.h"

typedef struct mm_retention mm_retention;

/* On the loop, once the history is open.  *out NULL when everything is kept for ever. */
mm_status mm_retention_start(mm_retention **out, mm_server *server);
/* After the history is closed.  NULL is fine. */
void mm_retention_free(mm_retention *retention);

/* What speaks for or against the clock.  All are ms. */
typedef struct mm_clock_view {
    int64_t wall_start, wall_now;     /* since 1970 */
    int64_t steady_start, steady_now; /* of a clock that nobody sets, and that counts while the machine sleeps */
    int64_t newest;                   /* since 1970: when the last part came; INT64_MIN: there is none */
    int64_t keep;                     /* how long */
    int first;                        /* is this the first look since the start? */
} mm_clock_view;

/* Why nothing may be forgotten now, or NULL.  A clock that is wrong by years would have everything forgotten, and what
 * is forgotten does not come back. */
const char *mm_retention_doubt(const mm_clock_view *view);

#endif
