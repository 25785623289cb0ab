/*
 * admin.h - DIR/admin.sock: what the operator of this machine asks of a running server, `maskmeter token` for one.
 *
 * A socket of mode 0600.  Whoever connects must be the server's own user or root, says one line, gets one JSON document
 * (token_work.h) and the end.  Everything here belongs to the thread of the loop.
 */
#ifndef MM_ADMIN_H
#define MM_ADMIN_H

#include "server/routes.h"

typedef struct mm_admin mm_admin;

/* Whoever holds the lock of the history in `directory` may take the place of a socket that is there already. */
mm_status mm_admin_new(mm_admin **out, mm_server *server, const char *directory, mm_problem *problem);
/* Once the history is closed: nothing comes back then.  Removes the socket.  NULL is fine. */
void mm_admin_free(mm_admin *admin);

/* For a client: a connection to the server of that directory, or -1 with errno: ENOENT and ECONNREFUSED when none runs
 * there. */
int mm_admin_connect(const char *directory);

#endif
