/*
 * sqlite_shim.h - a file layer for SQLite that fails, and loses power, on demand.
 *
 * Between shim_install() and shim_remove() every new connection uses it.  One test at a time.
 */
#ifndef MM_SQLITE_SHIM_H
#define MM_SQLITE_SHIM_H

void shim_install(void);
void shim_remove(void);

/* After `skip` more of them, each sync (write) of a file whose name ends with `suffix` fails: a sync as broken, a write
 * for lack of space.  suffix NULL: none fails any more. */
void shim_fail_sync(const char *suffix, int skip);
void shim_fail_write(const char *suffix, int skip);
int shim_syncs(void); /* since shim_install(), those that failed too */

/* hook(context) before a sync takes effect: a moment when the power may go.  NULL: none. */
void shim_on_sync(void (*hook)(void *context), void *context);
/* Writes to `directory`, which it makes, what a disk may hold if the power goes now: all that was synced, and of each
 * later write all, nothing, or its first sectors, as `seed` has it. */
void shim_power_loss(const char *directory, unsigned seed);

#endif
