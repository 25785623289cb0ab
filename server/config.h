/*
 * config.h - the settings of `serve`: one table, read from flags, environment and file.
 *
 * Precedence: flag, then MASKMETER_NAME in the environment, then the file, then the default.
 */
#ifndef MM_CONFIG_H
#define MM_CONFIG_H

#include "lib/maskmeter.h"

typedef struct mm_config {
    char *listen; /* HOST:PORT or [V6]:PORT */
    char *data;   /* the directory of the history */
    char *config; /* the file that was read, or "" */
    int64_t threads;
    int64_t memory;   /* bytes of the budget for bodies and scratch */
    int64_t max_body; /* bytes of one decoded body */
    int64_t max_classes;
    int64_t rate_uploads, rate_bytes; /* a second, of one identity; 0: no limit */
    int64_t insecure_open;
    char *bootstrap_token_file; /* or "" */
    char *cors_origin;          /* or "" */
    int64_t log_level;          /* mm_log_level */
    int64_t log_requests;
    int64_t drain_delay;                 /* seconds between SIGTERM and the end of accepting */
    int64_t drain_timeout;               /* seconds for what is in flight then */
    int64_t backend;                     /* 0 auto, 1 cpu: the same in this version */
    int64_t keep_days;                   /* 0: for ever */
    int64_t max_connections;             /* 0: what descriptors and memory allow */
    int64_t max_connections_per_address; /* 0: a quarter of that */
    char *trusted_proxies;               /* addresses and networks, comma separated, or "" */
    char *tls_cert, *tls_key;            /* files, or "" */
    int64_t print_config;
    char *ignored; /* unknown MASKMETER_* names, comma separated, or "" */
} mm_config;

/* Reads everything.  env: "NAME=VALUE" strings, NULL at the end.  On failure `text` (of `size` bytes) says what is
 * wrong and where; the exit code is then 2. */
mm_status mm_config_read(mm_config **out, int argc, char **argv, char *const *env, char *text, size_t size);
void mm_config_free(mm_config *config); /* NULL is fine */

/* malloc'ed "name = value" lines, as a file that reads back to the same; NULL: out of memory. */
char *mm_config_print(const mm_config *config);
/* malloc'ed help: every setting with its default and sentence. */
char *mm_config_help(void);

/* "6GiB", "512MiB", "65536": bytes; 0 when it is not a size. */
int mm_config_size(const char *text, int64_t *bytes);

#endif
