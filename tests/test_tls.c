/*
 * test_tls.c - certificates and keys: what is read, what is refused, and how long a pair lives.
 */
#include "tests/suites.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/tls.h"

#define DAY 86400

/* Two files in a folder of their own. */
typedef struct files {
    char folder[32], cert[48], key[48];
} files;

static void open_files(files *f)
{
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/maskmeter-tls-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->folder));
    (void)snprintf(f->cert, sizeof f->cert, "%s/cert", f->folder);
    (void)snprintf(f->key, sizeof f->key, "%s/key", f->folder);
}

static void close_files(files *f)
{
    (void)unlink(f->cert);
    (void)unlink(f->key);
    (void)rmdir(f->folder);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, size, file), size);
    CU_ASSERT_EQUAL(fclose(file), 0);
}

static gnutls_x509_privkey_t make_key(void)
{
    gnutls_x509_privkey_t key;

    CU_ASSERT_EQUAL_FATAL(gnutls_x509_privkey_init(&key), 0);
    CU_ASSERT_EQUAL_FATAL(
        gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), 0);
    return key;
}

/* A certificate for `key`, signed by itself, valid in these seconds from now; and the key, when asked for. */
static void write_pair(const files *f, gnutls_x509_privkey_t key, long from, long until, int with_key)
{
    gnutls_x509_crt_t cert;
    gnutls_datum_t text = {NULL, 0};
    const unsigned char serial = 7;

    CU_ASSERT_EQUAL_FATAL(gnutls_x509_crt_init(&cert), 0);
    CU_ASSERT_EQUAL(gnutls_x509_crt_set_version(cert, 3), 0);
    CU_ASSERT_EQUAL(gnutls_x509_crt_set_serial(cert, &serial, 1), 0);
    CU_ASSERT_EQUAL(gnutls_x509_crt_set_dn(cert, "CN=localhost", NULL), 0);
    CU_ASSERT_EQUAL(gnutls_x509_crt_set_activation_time(cert, time(NULL) + from), 0);
    CU_ASSERT_EQUAL(gnutls_x509_crt_set_expiration_time(cert, time(NULL) + until), 0);
    CU_ASSERT_EQUAL(gnutls_x509_crt_set_key(cert, key), 0);
    CU_ASSERT_EQUAL(gnutls_x509_crt_sign2(cert, cert, key, GNUTLS_DIG_SHA256, 0), 0);
    CU_ASSERT_EQUAL(gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &text), 0);
    write_file(f->cert, text.data, text.size);
    gnutls_free(text.data);
    gnutls_x509_crt_deinit(cert);
    if (!with_key)
        return;
    CU_ASSERT_EQUAL(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &text), 0);
    write_file(f->key, text.data, text.size);
    gnutls_free(text.data);
    CU_ASSERT_EQUAL(chmod(f->key, 0600), 0);
}

static void write_good(const files *f)
{
    gnutls_x509_privkey_t key = make_key();

    write_pair(f, key, -DAY, 30L * DAY, 1);
    gnutls_x509_privkey_deinit(key);
}

static int refused(const files *f, const char *says)
{
    mm_tls *tls = NULL;
    mm_problem problem;
    const mm_status status = mm_tls_new(&tls, f->cert, f->key, &problem);

    mm_tls_free(tls);
    return status == MM_BAD_PARAM && strstr(problem.text, says) != NULL;
}

static void test_read(void)
{
    files f;
    mm_tls *tls = NULL;
    mm_problem problem;

    open_files(&f);
    write_good(&f);
    CU_ASSERT_EQUAL_FATAL(mm_tls_new(&tls, f.cert, f.key, &problem), MM_OK);
    CU_ASSERT_TRUE(llabs((long long)(mm_tls_expires(tls) - time(NULL)) - 30 * DAY) < 60);
    CU_ASSERT_FALSE(mm_tls_key_is_exposed(tls));
    CU_ASSERT_EQUAL(chmod(f.key, 0640), 0);
    CU_ASSERT_FALSE(mm_tls_key_is_exposed(tls));
    CU_ASSERT_EQUAL(chmod(f.key, 0604), 0);
    CU_ASSERT_TRUE(mm_tls_key_is_exposed(tls));
    mm_tls_free(tls);
    close_files(&f);
}

/* Each message names the setting and the file. */
static void test_refused(void)
{
    files f;
    gnutls_x509_privkey_t key = make_key();

    open_files(&f);
    CU_ASSERT_TRUE(refused(&f, "tls-cert: cannot read "));
    write_file(f.cert, "nonsense", 8);
    CU_ASSERT_TRUE(refused(&f, "holds no chain of PEM certificates"));
    write_pair(&f, key, -DAY, DAY, 0);
    CU_ASSERT_TRUE(refused(&f, "tls-key: cannot read "));
    write_file(f.key, "nonsense", 8);
    CU_ASSERT_TRUE(refused(&f, "holds no PEM key"));
    write_pair(&f, key, -DAY, DAY, 1);
    CU_ASSERT_FALSE(refused(&f, ""));
    write_pair(&f, key, -2L * DAY, -DAY, 1);
    CU_ASSERT_TRUE(refused(&f, "has expired"));
    write_pair(&f, key, DAY, 2L * DAY, 1);
    CU_ASSERT_TRUE(refused(&f, "is not valid yet"));
    gnutls_x509_privkey_deinit(key);
    key = make_key();
    write_pair(&f, key, -DAY, DAY, 0);
    CU_ASSERT_TRUE(refused(&f, "does not belong to the certificate in "));
    gnutls_x509_privkey_deinit(key);
    close_files(&f);
}

/* What the certificate callback gives a session: its first certificate and the key. */
static gnutls_privkey_t key_of(gnutls_session_t session)
{
    gnutls_certificate_retrieve_function2 *retrieve;
    void *function = mm_tls_retrieve();
    gnutls_pcert_st *chain = NULL;
    gnutls_privkey_t key = NULL;
    unsigned count = 0;

    memcpy(&retrieve, &function, sizeof retrieve);
    if (retrieve(session, NULL, 0, NULL, 0, &chain, &count, &key) != 0)
        return NULL;
    CU_ASSERT_EQUAL(count, 1);
    return key;
}

/* A connection keeps its pair, whatever is loaded or freed meanwhile; what cannot be read changes nothing. */
static void test_reload(void)
{
    files f;
    gnutls_session_t first, second;
    mm_tls_end *of_first, *of_second;
    gnutls_privkey_t first_key;
    mm_tls *tls = NULL;
    mm_problem problem;
    gnutls_x509_privkey_t key = make_key();

    open_files(&f);
    write_pair(&f, key, -DAY, 30L * DAY, 1);
    CU_ASSERT_EQUAL_FATAL(mm_tls_new(&tls, f.cert, f.key, &problem), MM_OK);
    CU_ASSERT_EQUAL_FATAL(gnutls_init(&first, GNUTLS_SERVER), 0);
    CU_ASSERT_EQUAL_FATAL(gnutls_init(&second, GNUTLS_SERVER), 0);
    CU_ASSERT_PTR_NULL(key_of(first));
    of_first = mm_tls_attach(tls, first, -1);
    first_key = key_of(first);
    CU_ASSERT_PTR_NOT_NULL(first_key);
    write_file(f.key, "nonsense", 8);
    CU_ASSERT_EQUAL(mm_tls_reload(tls, &problem), MM_BAD_PARAM);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "tls-key: "));
    CU_ASSERT_TRUE(mm_tls_expires(tls) > time(NULL) + 29 * DAY);
    write_pair(&f, key, -DAY, 3L * DAY, 1);
    CU_ASSERT_EQUAL(mm_tls_reload(tls, &problem), MM_OK);
    CU_ASSERT_TRUE(mm_tls_expires(tls) < time(NULL) + 4 * DAY);
    of_second = mm_tls_attach(tls, second, -1);
    CU_ASSERT_PTR_NOT_EQUAL(key_of(second), first_key);
    CU_ASSERT_PTR_EQUAL(key_of(first), first_key);
    CU_ASSERT_EQUAL(mm_tls_pending(of_first), 0);
    CU_ASSERT_FALSE(mm_tls_moved(tls));
    mm_tls_free(tls);
    CU_ASSERT_EQUAL(gnutls_privkey_get_pk_algorithm(first_key, NULL), GNUTLS_PK_ECDSA);
    mm_tls_detach(of_first);
    mm_tls_detach(of_second);
    mm_tls_detach(NULL);
    CU_ASSERT_PTR_NULL(key_of(first));
    gnutls_deinit(first);
    gnutls_deinit(second);
    gnutls_x509_privkey_deinit(key);
    close_files(&f);
}

/* libmicrohttpd does not say what is wrong with priorities. */
static void test_priorities(void)
{
    gnutls_priority_t priorities;
    const char *where = NULL;
    const unsigned *versions;
    int count;

    CU_ASSERT_EQUAL_FATAL(gnutls_priority_init(&priorities, MM_TLS_PRIORITIES, &where), 0);
    count = gnutls_priority_protocol_list(priorities, &versions);
    CU_ASSERT_EQUAL_FATAL(count, 2);
    CU_ASSERT_EQUAL(versions[0], GNUTLS_TLS1_3);
    CU_ASSERT_EQUAL(versions[1], GNUTLS_TLS1_2);
    gnutls_priority_deinit(priorities);
}

static CU_TestInfo tests[] = {
    {"read", test_read}, {"refused", test_refused}, {"reload", test_reload}, {"priorities", test_priorities},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_tls = {"tls", tests};
