/*
 * retention.c - --keep-days: has the history forget what is too old, unless the clock cannot be believed.
 *
 * One item at a time goes to the history's writer and comes back.  The first one of each run removes nothing: it brings
 * back when the newest part came.
 */
#include "server/retention.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server/config.h"
#include "server/history.h"
#include "server/log.h"
#include "server/loop.h"

#define FIRST_MS 1000
#define EVERY_MS (15 * 60 * 1000) /* between looks for what has become too old */
#define DAY_MS   INT64_C(86400000)

struct mm_retention {
    mm_post post; /* first: from the writer's thread to the loop */
    mm_store_expiry expiry;
    mm_timer *timer;
    mm_server *server;
    mm_clock_view view;
    int waiting, asked; /* is the item with the writer; has it been there before? */
    int told;           /* the log knows that nothing is forgotten */
    size_t removed;     /* evaluations, since the log last told */
};

const char *mm_retention_doubt(const mm_clock_view *view)
{
    const int64_t jump = (view->wall_now - view->wall_start) - (view->steady_now - view->steady_start);

    if (view->newest == INT64_MIN)
        return NULL;
    if (jump > DAY_MS || jump < -DAY_MS)
        return "the clock was set by more than a day since the start: nothing is deleted until the next start";
    if (view->newest > view->wall_now + DAY_MS)
        return "the newest part came more than a day after the clock's now: nothing is deleted until the clock is "
               "right";
    if (view->first && view->newest < view->wall_now - view->keep)
        return "by the clock all that is stored is older than keep-days: nothing is deleted until the next start";
    return NULL;
}

static int64_t milliseconds(clockid_t clock)
{
    struct timespec time = {0};

    (void)clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* On the writer's thread. */
static void on_expired(mm_store_expiry *expiry)
{
    mm_retention *r = expiry->context;

    mm_loop_post(r->server->loop, &r->post);
}

static void submit(mm_retention *r, int64_t before)
{
    r->expiry.before = before;
    r->waiting = 1;
    mm_history_expire(r->server->history, &r->expiry);
}

/* May anything go?  The doubts of the first look stay until the next start. */
static int believes(mm_retention *r)
{
    r->view.wall_now = milliseconds(CLOCK_REALTIME);
    r->view.steady_now = milliseconds(CLOCK_BOOTTIME);
    r->view.newest = r->expiry.newest;
    const char *doubt = mm_retention_doubt(&r->view);

    if (doubt == NULL) {
        r->view.first = 0;
        r->told = 0;
        return 1;
    }
    if (!r->told)
        mm_log_text(r->server->log, MM_LOG_WARNING, "retention_held", doubt);
    r->told = 1;
    return 0;
}

static void look(void *context)
{
    mm_retention *r = context;

    if (r->waiting)
        return;
    if (!r->asked)
        submit(r, INT64_MIN);
    else if (believes(r))
        submit(r, r->view.wall_now - r->view.keep);
}

static void after_expiry(mm_post *post)
{
    mm_retention *r = (mm_retention *)(void *)post;
    char text[64];

    r->waiting = 0;
    if (r->expiry.status == MM_STORE_OK) {
        const int first = !r->asked;

        r->asked = 1;
        r->removed += r->expiry.removed;
        if (first || r->expiry.more) {
            look(r);
            return;
        }
    }
    if (r->removed > 0) {
        (void)snprintf(text, sizeof text, "%zu evaluations were older than keep-days", r->removed);
        mm_log_text(r->server->log, MM_LOG_INFO, "expired", text);
        mm_log_flush(r->server->log);
    }
    r->removed = 0;
}

mm_status mm_retention_start(mm_retention **out, mm_server *server)
{
    mm_retention *r;
    mm_status status;

    if (server->config->keep_days == 0)
        return MM_OK;
    r = calloc(1, sizeof *r);
    if (r == NULL)
        return MM_NO_MEMORY;
    *out = r;
    r->server = server;
    r->post.run = after_expiry;
    r->expiry.done = on_expired;
    r->expiry.context = r;
    r->view = (mm_clock_view){.wall_start = milliseconds(CLOCK_REALTIME),
                              .steady_start = milliseconds(CLOCK_BOOTTIME),
                              .keep = server->config->keep_days * DAY_MS,
                              .first = 1};
    status = mm_timer_new(&r->timer, server->loop, look, r);
    if (status == MM_OK)
        mm_timer_start(r->timer, FIRST_MS, EVERY_MS);
    return status;
}

void mm_retention_free(mm_retention *retention)
{
    if (retention == NULL)
        return;
    mm_timer_free(retention->timer);
    free(retention);
}
