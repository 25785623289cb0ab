/*
 * service_manager.h - systemd, or who speaks its two protocols: a socket opened for us, and notices of our state.
 *
 * The protocols are stable and small (sd_listen_fds(3), sd_notify(3)): a few lines here, where libsystemd would load
 * four further libraries into every server.  Everything belongs to the thread of the loop.
 */
#ifndef MM_SERVICE_MANAGER_H
#define MM_SERVICE_MANAGER_H

#include "server/loop.h"

/* *fd: the listening stream socket of IPv4 or IPv6 that was handed over, non-blocking; -1: none was.
 * MM_BAD_PARAM: what was handed over is something else, or more than one. */
mm_status mm_manager_socket(int *fd, mm_problem *problem);

/* Who is told of our state, if anybody is. */
typedef struct mm_manager mm_manager;

mm_status mm_manager_new(mm_manager **out);
void mm_manager_free(mm_manager *manager); /* NULL is fine */
/* Each sends a notice, and never waits.  NULL: tells nobody. */
void mm_manager_ready(const mm_manager *manager, const char *address);
void mm_manager_reloading(const mm_manager *manager);                 /* until the next mm_manager_ready() */
void mm_manager_stopping(const mm_manager *manager, int64_t seconds); /* ... which it may take */
/* From now on the turning loop keeps the watchdog quiet, when there is one. */
mm_status mm_manager_watch(mm_manager *manager, mm_loop *loop);
/* Before mm_loop_free(). */
void mm_manager_unwatch(mm_manager *manager);

#endif
