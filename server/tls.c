/*
 * tls.c - certificates and the health check's handshake; the one user of GnuTLS but for what libmicrohttpd does.
 */
#include "server/tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#define MOST_CERTIFICATES 16
#define HANDSHAKE_MS      3000

/* A certificate chain and its key. */
typedef struct pair {
    gnutls_pcert_st chain[MOST_CERTIFICATES];
    unsigned count;
    gnutls_privkey_t key;
    int64_t expires;
    size_t holders; /* connections, and the mm_tls whose current pair it is */
} pair;

struct mm_tls {
    char *cert_file, *key_file;
    pair *pair;
    int moved;
};

struct mm_tls_end {
    mm_tls *tls;
    pair *pair;
    gnutls_session_t session;
    int fd;
};

__attribute__((format(printf, 2, 3))) static mm_status fail(mm_problem *problem, const char *format, ...)
{
    va_list arguments;

    *problem = (mm_problem){0};
    va_start(arguments, format);
    (void)vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
    return MM_BAD_PARAM;
}

/* ------------------------------------------------------------------- reading */

static void release(pair *p)
{
    if (p == NULL || --p->holders > 0)
        return;
    for (unsigned i = 0; i < p->count; i++)
        gnutls_pcert_deinit(&p->chain[i]);
    if (p->key != NULL)
        gnutls_privkey_deinit(p->key);
    free(p);
}

/* The certificates of a file, the server's own first. */
typedef struct chain {
    gnutls_x509_crt_t *list;
    unsigned count;
} chain;

static mm_status read_chain(chain *c, const char *file, mm_problem *problem)
{
    gnutls_datum_t text = {NULL, 0};
    int code = gnutls_load_file(file, &text);

    if (code != 0)
        return fail(problem, "tls-cert: cannot read %s", file);
    code = gnutls_x509_crt_list_import2(&c->list, &c->count, &text, GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_SORT);
    gnutls_free(text.data);
    if (code < 0)
        return fail(problem, "tls-cert: %s holds no chain of PEM certificates: %s", file, gnutls_strerror(code));
    if (c->count > MOST_CERTIFICATES)
        return fail(problem, "tls-cert: %s holds more than %d certificates", file, MOST_CERTIFICATES);
    return MM_OK;
}

static void free_chain(chain *c)
{
    for (unsigned i = 0; i < c->count; i++)
        gnutls_x509_crt_deinit(c->list[i]);
    gnutls_free(c->list);
}

static mm_status check_dates(gnutls_x509_crt_t own, const char *file, mm_problem *problem)
{
    const time_t now = time(NULL);

    if (gnutls_x509_crt_get_expiration_time(own) < now)
        return fail(problem, "tls-cert: the certificate in %s has expired", file);
    if (gnutls_x509_crt_get_activation_time(own) > now)
        return fail(problem, "tls-cert: the certificate in %s is not valid yet", file);
    return MM_OK;
}

static mm_status read_key(gnutls_x509_privkey_t key, const char *file, mm_problem *problem)
{
    gnutls_datum_t text = {NULL, 0};
    int code = gnutls_load_file(file, &text);

    if (code != 0)
        return fail(problem, "tls-key: cannot read %s", file);
    code = gnutls_x509_privkey_import2(key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_memset(text.data, 0, text.size);
    gnutls_free(text.data);
    return code == 0 ? MM_OK
                     : fail(problem, "tls-key: %s holds no PEM key that is readable without a password: %s", file,
                            gnutls_strerror(code));
}

/* The digest of the public key, of the certificate and of the private key. */
static int belong_together(gnutls_x509_crt_t own, gnutls_x509_privkey_t key)
{
    unsigned char of_own[32], of_key[32];
    size_t own_size = sizeof of_own, key_size = sizeof of_key;

    return gnutls_x509_crt_get_key_id(own, GNUTLS_KEYID_USE_SHA256, of_own, &own_size) == 0 &&
           gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, of_key, &key_size) == 0 &&
           own_size == key_size && memcmp(of_own, of_key, own_size) == 0;
}

/* Takes the key over when it returns MM_OK. */
static mm_status make_pair(pair **out, chain *c, gnutls_x509_privkey_t key)
{
    pair *p = calloc(1, sizeof *p);
    unsigned count = c->count;

    if (p == NULL)
        return MM_NO_MEMORY;
    p->holders = 1;
    p->expires = (int64_t)gnutls_x509_crt_get_expiration_time(c->list[0]);
    if (gnutls_pcert_import_x509_list(p->chain, c->list, &count, 0) == 0) {
        p->count = count;
        if (gnutls_privkey_init(&p->key) == 0 &&
            gnutls_privkey_import_x509(p->key, key, GNUTLS_PRIVKEY_IMPORT_AUTO_RELEASE) == 0) {
            *out = p;
            return MM_OK;
        }
    }
    release(p);
    return MM_NO_MEMORY;
}

static mm_status read_pair(pair **out, const mm_tls *tls, mm_problem *problem)
{
    chain c = {NULL, 0};
    gnutls_x509_privkey_t key = NULL;
    mm_status status = read_chain(&c, tls->cert_file, problem);

    if (status == MM_OK)
        status = check_dates(c.list[0], tls->cert_file, problem);
    if (status == MM_OK && gnutls_x509_privkey_init(&key) != 0)
        status = MM_NO_MEMORY;
    if (status == MM_OK)
        status = read_key(key, tls->key_file, problem);
    if (status == MM_OK && !belong_together(c.list[0], key))
        status = fail(problem, "tls-key: the key in %s does not belong to the certificate in %s", tls->key_file,
                      tls->cert_file);
    if (status == MM_OK)
        status = make_pair(out, &c, key);
    if (status == MM_OK)
        key = NULL; /* the pair's now */
    if (status == MM_NO_MEMORY)
        (void)fail(problem, "tls: out of memory");
    if (key != NULL)
        gnutls_x509_privkey_deinit(key);
    free_chain(&c);
    return status;
}

mm_status mm_tls_new(mm_tls **out, const char *cert_file, const char *key_file, mm_problem *problem)
{
    mm_tls *tls = calloc(1, sizeof *tls);
    mm_status status = MM_NO_MEMORY;

    if (tls != NULL) {
        tls->cert_file = strdup(cert_file);
        tls->key_file = strdup(key_file);
    }
    if (tls == NULL || tls->cert_file == NULL || tls->key_file == NULL)
        (void)fail(problem, "tls: out of memory");
    else
        status = read_pair(&tls->pair, tls, problem);
    if (status == MM_OK)
        *out = tls;
    else
        mm_tls_free(tls);
    return status;
}

void mm_tls_free(mm_tls *tls)
{
    if (tls == NULL)
        return;
    release(tls->pair);
    free(tls->cert_file);
    free(tls->key_file);
    free(tls);
}

mm_status mm_tls_reload(mm_tls *tls, mm_problem *problem)
{
    pair *fresh = NULL;
    const mm_status status = read_pair(&fresh, tls, problem);

    if (status != MM_OK)
        return status;
    release(tls->pair);
    tls->pair = fresh;
    return MM_OK;
}

int mm_tls_key_is_exposed(const mm_tls *tls)
{
    struct stat about;

    return stat(tls->key_file, &about) == 0 && (about.st_mode & (S_IROTH | S_IWOTH)) != 0;
}

int64_t mm_tls_expires(const mm_tls *tls)
{
    return tls->pair->expires;
}

/* --------------------------------------------------------------- connections */

static ssize_t pull(gnutls_transport_ptr_t context, void *bytes, size_t size)
{
    const mm_tls_end *end = context;
    ssize_t got;

    if (end == NULL) {
        errno = ECONNRESET;
        return -1;
    }
    got = recv(end->fd, bytes, size, 0);
    end->tls->moved |= got >= 0;
    return got;
}

static ssize_t push(gnutls_transport_ptr_t context, const void *bytes, size_t size)
{
    const mm_tls_end *end = context;
    ssize_t sent;

    if (end == NULL) {
        errno = ECONNRESET;
        return -1;
    }
    sent = send(end->fd, bytes, size, MSG_NOSIGNAL);
    end->tls->moved |= sent >= 0;
    return sent;
}

mm_tls_end *mm_tls_attach(mm_tls *tls, void *session, int fd)
{
    mm_tls_end *end = calloc(1, sizeof *end);

    gnutls_session_set_ptr(session, end);
    gnutls_transport_set_ptr(session, end);
    gnutls_transport_set_pull_function(session, pull);
    gnutls_transport_set_push_function(session, push);
    if (end == NULL)
        return NULL;
    *end = (mm_tls_end){tls, tls->pair, session, fd};
    end->pair->holders++;
    return end;
}

void mm_tls_detach(mm_tls_end *end)
{
    if (end == NULL)
        return;
    gnutls_session_set_ptr(end->session, NULL);
    gnutls_transport_set_ptr(end->session, NULL);
    release(end->pair);
    free(end);
}

static int retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                    const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **certificates,
                    unsigned *count, gnutls_privkey_t *key)
{
    const mm_tls_end *end = gnutls_session_get_ptr(session);

    (void)authorities;
    (void)authority_count;
    (void)algorithms;
    (void)algorithm_count;
    if (end == NULL)
        return -1;
    *certificates = end->pair->chain;
    *count = end->pair->count;
    *key = end->pair->key;
    return 0;
}

void *mm_tls_retrieve(void)
{
    gnutls_certificate_retrieve_function2 *function = retrieve;

    return *(void **)(void *)&function;
}

size_t mm_tls_pending(const mm_tls_end *end)
{
    return gnutls_record_check_pending(end->session);
}

int mm_tls_moved(mm_tls *tls)
{
    const int moved = tls->moved;

    tls->moved = 0;
    return moved;
}

/* -------------------------------------------------------------------- asking */

static int send_text(gnutls_session_t session, const char *text)
{
    const ssize_t size = (ssize_t)strlen(text);
    ssize_t sent;

    do
        sent = gnutls_record_send(session, text, (size_t)size);
    while (sent == GNUTLS_E_INTERRUPTED);
    return sent == size;
}

static int receive(gnutls_session_t session, char *answer, size_t size)
{
    size_t filled = 0;
    ssize_t got;

    while (filled < size) {
        got = gnutls_record_recv(session, answer + filled, size - filled);
        if (got <= 0 && (got == 0 || gnutls_error_is_fatal((int)got) || got == GNUTLS_E_AGAIN))
            return -1;
        filled += got > 0 ? (size_t)got : 0;
    }
    return (int)filled;
}

static int shake_hands(gnutls_session_t session)
{
    int code;

    gnutls_handshake_set_timeout(session, HANDSHAKE_MS);
    do
        code = gnutls_handshake(session);
    while (code < 0 && code != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(code));
    return code == 0;
}

int mm_tls_ask(int fd, const char *request, char *answer, size_t size)
{
    gnutls_session_t session = NULL;
    gnutls_certificate_credentials_t none = NULL;
    int result = -1;

    if (size > INT_MAX || gnutls_certificate_allocate_credentials(&none) != 0 ||
        gnutls_init(&session, GNUTLS_CLIENT) != 0 ||
        gnutls_priority_set_direct(session, MM_TLS_PRIORITIES, NULL) != 0 ||
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, none) != 0)
        goto done;
    gnutls_transport_set_int(session, fd);
    if (shake_hands(session) && send_text(session, request))
        result = receive(session, answer, size);
done:
    if (session != NULL)
        gnutls_deinit(session);
    if (none != NULL)
        gnutls_certificate_free_credentials(none);
    return result;
}
