/*
 * http_check.h - refuses what the HTTP parser lets through: request smuggling, forged and repeated headers.
 *
 * Pure functions over a list of headers, in the order and bytes of the request.
 */
#ifndef MM_HTTP_CHECK_H
#define MM_HTTP_CHECK_H

#include "lib/maskmeter.h"

#define MM_MAX_HEADERS      100
#define MM_MAX_HEADER_BYTES ((size_t)64 << 10) /* names and values together */
#define MM_MAX_TARGET       ((size_t)64 << 10)

/* One header field.  The pointers are those of the parser's own buffer. */
typedef struct mm_header {
    const char *name, *value;
    size_t name_size, value_size;
} mm_header;

/* What the headers say that matters here.  Strings are the values, or NULL. */
typedef struct mm_heads {
    const char *content_type, *content_encoding, *accept, *accept_encoding, *if_none_match, *traceparent, *host;
    const char *authorization, *origin, *request_method; /* the last: Access-Control-Request-Method */
    int has_length;
    uint64_t length; /* Content-Length */
    int has_transfer_encoding;
} mm_heads;

typedef struct mm_head_rules {
    int http10;     /* the request is HTTP/1.0: Host may be absent */
    int local_only; /* bound to loopback, without tokens: only its names are accepted as Host (DNS rebinding) */
    const char *local_address; /* the bound address as Host spells it ("127.0.0.1", "[::1]"), or NULL */
    int adjacent;              /* the parser leaves a value right behind its name unless a folded line moved it */
} mm_head_rules;

/* 0, or the HTTP status to refuse the request with; `problem` says why and names no bytes of the client. */
int mm_check_headers(const mm_header *headers, size_t count, const mm_head_rules *rules, mm_heads *heads,
                     mm_problem *problem);
/* The rules of a safetensors body.  Each is 0 or the status to refuse with. */
int mm_check_length(const mm_heads *heads, uint64_t max_body, mm_problem *problem); /* 411, 413 */
int mm_check_media(const mm_heads *heads, mm_problem *problem);                     /* 415 */
/* 415.  *coding: NULL for identity, else a name that mm_coding_new() takes. */
int mm_check_coding(const mm_heads *heads, const char **coding, mm_problem *problem);
/* 0, or 400: a request that must have no body. */
int mm_check_no_body(const mm_heads *heads, mm_problem *problem);

/* Does the value of Accept-Encoding (NULL: none) ask for gzip, at whatever weight but 0? */
int mm_accepts_gzip(const char *accept_encoding);
/* Is the quoted tag in the list of If-None-Match, or does that take any?  W/ makes no difference. */
int mm_tag_listed(const char *if_none_match, const char *tag);

/* The trace id of a valid traceparent (version 00 or later, not all zero) as 32 hex digits; 0 when it is none. */
int mm_trace_id(const char *traceparent, char id[33]);

#endif
