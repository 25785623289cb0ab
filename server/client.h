/*
 * client.h - a small HTTP/1.1 client: one request per connection, bodies sent straight from a file.
 */
#ifndef MM_CLIENT_H
#define MM_CLIENT_H

#include "server/query.h"
#include "server/tokens.h"

#include <stddef.h>
#include <stdint.h>

/* http://HOST[:PORT][/PREFIX] */
typedef struct mm_url {
    char host[256], port[8], prefix[256];
    char token[MM_TOKEN_SIZE + 1]; /* sent with each request; "": none */
} mm_url;

typedef struct mm_response {
    int status;
    int retry_after; /* seconds, -1 when the server does not say */
    char *body;      /* malloc'ed, NUL-terminated */
    size_t size;
} mm_response;

typedef struct mm_upload_file {
    int file;           /* descriptor of a regular file; NULL-body requests pass none */
    uint64_t size;      /* bytes in it */
    const char *coding; /* Content-Encoding, or NULL */
} mm_upload_file;

/* 0: `text` (of text_size bytes) says what is wrong. */
int mm_url_parse(mm_url *url, const char *text_url, char *text, size_t text_size);
/* After mm_url_parse(): the token of that file, or when it is NULL that of MASKMETER_TOKEN in the environment, if there
 * is one.  (An argument would show in the list of processes.)  0: `text` says what is wrong. */
int mm_url_token(mm_url *url, const char *file, char *text, size_t text_size);
/* "/v1/evaluations?a=b&…" with everything escaped that must be: free it.  NULL: out of memory. */
char *mm_client_target(const mm_url *url, const char *path, const mm_query *query);
/* A file of these bytes that lives in memory, at its beginning: close() it.  -1: errno says why. */
int mm_client_memory(const unsigned char *bytes, size_t size);
/* Sends and waits for the answer.  upload NULL: a GET.  0: no answer, `text` says why. */
int mm_client_send(mm_response *response, const mm_url *url, const char *target, const mm_upload_file *upload,
                   char *text, size_t text_size);
void mm_response_free(mm_response *response);

#endif
