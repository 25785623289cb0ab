/*
 * http_check.c - refuses what the HTTP parser lets through.
 */
#include "server/http_check.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proto/wire.h"

static int refuse(int status, mm_problem *problem, const char *text)
{
    *problem = (mm_problem){0};
    (void)snprintf(problem->text, sizeof problem->text, "%s", text);
    return status;
}

/* ------------------------------------------------------------ single fields */

/* A token of RFC 9110: what a header name may hold. */
static int is_token(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        const int alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        if (!alnum && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return 0;
    }
    return size > 0;
}

static int is_clean_value(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)text[i];

        if ((c < 0x20 && c != '\t') || c == 0x7F)
            return 0;
    }
    return 1;
}

/* A line that begins with a blank is appended to the NAME before it by libmicrohttpd 0.9.75, which moves the name but
 * not its value: a value that does not follow its name after one NUL and blanks was folded. */
static int is_folded(const mm_header *header)
{
    const char *c = header->name + header->name_size + 1;

    while (c < header->value && (*c == ' ' || *c == '\t'))
        c++;
    return c != header->value;
}

static const char *field_fault(const mm_header *header, int adjacent)
{
    if (!is_token(header->name, header->name_size))
        return "a header name is not a token";
    if (!is_clean_value(header->value, header->value_size))
        return "a header value holds a control character";
    if (adjacent && is_folded(header))
        return "a header line is folded";
    return NULL;
}

/* Digits only, at most 19: what fits into 63 bits and cannot mean "unknown" to the parser. */
static int read_length(const char *text, uint64_t *length)
{
    const size_t digits = strspn(text, "0123456789");
    uint64_t value = 0;

    if (digits == 0 || digits > 19 || text[digits] != '\0')
        return 0;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    *length = value;
    return value <= INT64_MAX;
}

/* Host without its port is `name` (any case). */
static int host_is(const char *host, const char *name)
{
    const size_t size = strlen(name);
    size_t digits;

    if (strncasecmp(host, name, size) != 0)
        return 0;
    if (host[size] == '\0')
        return 1;
    digits = strspn(host + size + 1, "0123456789");
    return host[size] == ':' && digits <= 5 && host[size + 1 + digits] == '\0';
}

static int host_is_local(const char *host, const mm_head_rules *rules)
{
    return host_is(host, "localhost") || host_is(host, "127.0.0.1") || host_is(host, "[::1]") ||
           (rules->local_address != NULL && host_is(host, rules->local_address));
}

/* ------------------------------------------------------------------ the list */

/* The fields that we look at, and those that may not be repeated. */
enum field {
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    HOST,
    CONTENT_TYPE,
    CONTENT_ENCODING,
    EXPECT,
    AUTHORIZATION,
    ORIGIN,
    REQUEST_METHOD,
    TRACEPARENT,
    ACCEPT, /* this and those that follow may be repeated; the first counts */
    ACCEPT_ENCODING,
    IF_NONE_MATCH,
    FIELDS
};

static const struct {
    const char *name;
    size_t size;
    int once;
} fields[FIELDS] = {
    [CONTENT_LENGTH] = {"content-length", 14, 1},
    [TRANSFER_ENCODING] = {"transfer-encoding", 17, 1},
    [HOST] = {"host", 4, 1},
    [CONTENT_TYPE] = {"content-type", 12, 1},
    [CONTENT_ENCODING] = {"content-encoding", 16, 1},
    [EXPECT] = {"expect", 6, 1},
    [AUTHORIZATION] = {"authorization", 13, 1},
    [ORIGIN] = {"origin", 6, 1},
    [REQUEST_METHOD] = {"access-control-request-method", 29, 1},
    [TRACEPARENT] = {"traceparent", 11, 0},
    [ACCEPT] = {"accept", 6, 0},
    [ACCEPT_ENCODING] = {"accept-encoding", 15, 0},
    [IF_NONE_MATCH] = {"if-none-match", 13, 0},
};

static int find_field(const mm_header *header)
{
    for (int i = 0; i < FIELDS; i++)
        if (fields[i].size == header->name_size && strncasecmp(header->name, fields[i].name, header->name_size) == 0)
            return i;
    return FIELDS;
}

/* Collects the values of the known fields.  What is wrong, or NULL; *repeated: the field that came twice. */
static const char *collect(const mm_header *headers, size_t count, int adjacent, const char *values[FIELDS],
                           int *repeated)
{
    for (size_t i = 0; i < count; i++) {
        const char *fault = field_fault(&headers[i], adjacent);
        const int field = find_field(&headers[i]);

        if (fault != NULL)
            return fault;
        if (field == FIELDS)
            continue;
        if (values[field] == NULL)
            values[field] = headers[i].value;
        else if (fields[field].once)
            *repeated = field;
    }
    return NULL;
}

static int check_host(const char *host, const mm_head_rules *rules, mm_problem *problem)
{
    if (host == NULL)
        return rules->http10 ? 0 : refuse(400, problem, "the header host is required");
    if (rules->local_only && !host_is_local(host, rules))
        return refuse(403, problem, "this server is reached as localhost only; the header host names another");
    return 0;
}

int mm_check_headers(const mm_header *headers, size_t count, const mm_head_rules *rules, mm_heads *heads,
                     mm_problem *problem)
{
    const char *values[FIELDS] = {NULL};
    const char *fault;
    size_t size = 0;
    int repeated = FIELDS;

    *heads = (mm_heads){0};
    for (size_t i = 0; i < count; i++)
        size += headers[i].name_size + headers[i].value_size;
    if (count > MM_MAX_HEADERS || size > MM_MAX_HEADER_BYTES)
        return refuse(431, problem, "more than 100 headers, or more than 64 KiB of them");
    fault = collect(headers, count, rules->adjacent, values, &repeated);
    if (fault != NULL)
        return refuse(400, problem, fault);
    if (repeated != FIELDS) {
        (void)refuse(400, problem, "");
        (void)snprintf(problem->text, sizeof problem->text, "the header %s is repeated", fields[repeated].name);
        return 400;
    }
    heads->has_length = values[CONTENT_LENGTH] != NULL;
    heads->has_transfer_encoding = values[TRANSFER_ENCODING] != NULL;
    if (heads->has_length && !read_length(values[CONTENT_LENGTH], &heads->length))
        return refuse(400, problem, "the header content-length is not a number of bytes");
    if (heads->has_length && heads->has_transfer_encoding)
        return refuse(400, problem, "the headers content-length and transfer-encoding exclude each other");
    if (values[EXPECT] != NULL && strcasecmp(values[EXPECT], "100-continue") != 0)
        return refuse(417, problem, "the header expect may only say 100-continue");
    heads->host = values[HOST];
    heads->content_type = values[CONTENT_TYPE];
    heads->content_encoding = values[CONTENT_ENCODING];
    heads->accept = values[ACCEPT];
    heads->accept_encoding = values[ACCEPT_ENCODING];
    heads->if_none_match = values[IF_NONE_MATCH];
    heads->traceparent = values[TRACEPARENT];
    heads->authorization = values[AUTHORIZATION];
    heads->origin = values[ORIGIN];
    heads->request_method = values[REQUEST_METHOD];
    return check_host(heads->host, rules, problem);
}

/* ------------------------------------------------------------------ the body */

/* "Application/Octet-Stream ; charset=x" is "application/octet-stream". */
static int media_is(const char *value, const char *name)
{
    const size_t size = strcspn(value, "; \t");
    const char after = value[size + strspn(value + size, " \t")];

    return size == strlen(name) && strncasecmp(value, name, size) == 0 && (after == ';' || after == '\0');
}

int mm_check_no_body(const mm_heads *heads, mm_problem *problem)
{
    if (heads->has_transfer_encoding || heads->length > 0)
        return refuse(400, problem, "this request must have no body");
    return 0;
}

int mm_check_length(const mm_heads *heads, uint64_t max_body, mm_problem *problem)
{
    if (!heads->has_length)
        return refuse(411, problem,
                      heads->has_transfer_encoding ? "chunked bodies are not taken; send content-length"
                                                   : "the header content-length is required");
    if (heads->length > max_body) {
        (void)refuse(413, problem, "");
        (void)snprintf(problem->text, sizeof problem->text, "the body is larger than the limit of %llu bytes",
                       (unsigned long long)max_body);
        return 413;
    }
    return 0;
}

int mm_check_media(const mm_heads *heads, mm_problem *problem)
{
    if (heads->content_type != NULL && (media_is(heads->content_type, "application/octet-stream") ||
                                        media_is(heads->content_type, "application/x-safetensors")))
        return 0;
    return refuse(415, problem, "the content type must be application/x-safetensors or application/octet-stream");
}

int mm_check_coding(const mm_heads *heads, const char **coding, mm_problem *problem)
{
    const char *value = heads->content_encoding;

    *coding = NULL;
    if (value == NULL || value[0] == '\0' || strcasecmp(value, "identity") == 0)
        return 0;
    if (mm_coding_known(value)) {
        *coding = value;
        return 0;
    }
    (void)refuse(415, problem, "");
    (void)snprintf(problem->text, sizeof problem->text, "the content coding must be one of %s, and only one",
                   mm_coding_names());
    return 415;
}

/* ---------------------------------------------------------- what is answered */

/* Is the weight of "gzip;q=0.5" more than 0?  Without one it is 1. */
static int is_wanted(const char *parameters, size_t size)
{
    for (size_t i = 0; i + 1 < size; i++)
        if ((parameters[i] == 'q' || parameters[i] == 'Q') && parameters[i + 1] == '=') {
            for (i += 2; i < size && strchr("0.", parameters[i]) != NULL; i++)
                continue;
            return i < size && parameters[i] >= '1' && parameters[i] <= '9';
        }
    return 1;
}

/* The coding itself goes before "*". */
int mm_accepts_gzip(const char *accept_encoding)
{
    int any = 0;

    for (const char *at = accept_encoding; at != NULL && *at != '\0';) {
        const size_t blank = strspn(at, " \t,"), size = strcspn(at + blank, ","), name = strcspn(at + blank, "; \t,");

        at += blank;
        if ((name == 4 && strncasecmp(at, "gzip", 4) == 0) || (name == 6 && strncasecmp(at, "x-gzip", 6) == 0))
            return is_wanted(at + name, size - name);
        if (name == 1 && *at == '*')
            any = is_wanted(at + name, size - name);
        at += size;
    }
    return any;
}

int mm_tag_listed(const char *if_none_match, const char *tag)
{
    const size_t length = strlen(tag);

    for (const char *at = if_none_match; at != NULL && *at != '\0';) {
        at += strspn(at, " \t,");
        if (*at == '*')
            return 1;
        if (strncmp(at, "W/", 2) == 0)
            at += 2;
        if (*at != '"')
            return 0; /* not a list of tags */
        const size_t size = strcspn(at + 1, "\"") + 2;

        if (size == length && strncmp(at, tag, size) == 0)
            return 1;
        if (strnlen(at, size) < size)
            return 0;
        at += size;
    }
    return 0;
}

int mm_trace_id(const char *traceparent, char id[33])
{
    static const char digits[] = "0123456789abcdef";

    /* version "-" 32 "-" 16 "-" 2; a later version may append "-" and more */
    if (strspn(traceparent, digits) != 2 || strncmp(traceparent, "ff", 2) == 0 || traceparent[2] != '-' ||
        strspn(traceparent + 3, digits) != 32 || traceparent[35] != '-' || strspn(traceparent + 36, digits) != 16 ||
        traceparent[52] != '-' || strspn(traceparent + 53, digits) != 2)
        return 0;
    if (traceparent[55] != '\0' && (strncmp(traceparent, "00", 2) == 0 || traceparent[55] != '-'))
        return 0;
    if (strspn(traceparent + 3, "0") >= 32 || strspn(traceparent + 36, "0") >= 16)
        return 0;
    memcpy(id, traceparent + 3, 32);
    id[32] = '\0';
    return 1;
}
