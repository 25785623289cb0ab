/*
 * tls.h - certificates: read, checked, replaced while connections live; and a TLS client for the health check.
 *
 * A connection keeps the pair that it began with, so that a handshake never sees two.  Everything belongs to the
 * thread of the loop.
 */
#ifndef MM_TLS_H
#define MM_TLS_H

#include "lib/maskmeter.h"

/* What is offered: TLS 1.2 and 1.3, forward secrecy and authenticated encryption, the server's order.  libmicrohttpd
 * takes it as it is. */
#define MM_TLS_PRIORITIES                                                                                              \
    "SECURE192:+SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-DHE-RSA:-AES-256-CBC:-AES-128-CBC:-SHA1:"          \
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-SECP521R1:%SERVER_PRECEDENCE"

typedef struct mm_tls mm_tls;
typedef struct mm_tls_end mm_tls_end; /* of one connection */

/* Reads both PEM files.  MM_BAD_PARAM: `problem->text` names the file and what is wrong with it. */
mm_status mm_tls_new(mm_tls **out, const char *cert_file, const char *key_file, mm_problem *problem);
void mm_tls_free(mm_tls *tls); /* NULL is fine; pairs that connections hold live on */
/* Reads the files again, for connections to come.  On failure the old pair stays. */
mm_status mm_tls_reload(mm_tls *tls, mm_problem *problem);
int mm_tls_key_is_exposed(const mm_tls *tls); /* anybody on this machine may read or write the key's file */
int64_t mm_tls_expires(const mm_tls *tls);    /* seconds since 1970 */

/* Gives a session (a gnutls_session_t that has not begun, on that non-blocking descriptor) the pair of today.  NULL:
 * out of memory. */
mm_tls_end *mm_tls_attach(mm_tls *tls, void *session, int fd);
void mm_tls_detach(mm_tls_end *end); /* when no more is read or written; NULL is fine */
/* A gnutls_certificate_retrieve_function2 for sessions that are attached. */
void *mm_tls_retrieve(void);
/* Bytes that were decrypted and not yet read: the socket does not show them. */
size_t mm_tls_pending(const mm_tls_end *end);
/* Has any connection read or written a byte since this was last asked? */
int mm_tls_moved(mm_tls *tls);

/* For the health check: a handshake on a connected, blocking descriptor, a request, the beginning of the answer.  The
 * server's certificate is not looked at.  The bytes read, or -1. */
int mm_tls_ask(int fd, const char *request, char *answer, size_t size);

#endif
