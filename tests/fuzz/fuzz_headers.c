/*
 * fuzz_headers.c - libFuzzer: lines `name:value` as the header fields of a request.
 *
 * The first byte chooses the rules.  What is accepted is judged once more, by simple means.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/http_check.h"
#include "tests/fuzz/target.h"

#define MOST_FIELDS 128

/* As the parser leaves them: NUL behind a name, blanks, the value, NUL. */
static size_t split(char *text, mm_header *headers)
{
    size_t count = 0;

    for (char *line = strtok(text, "\n"); line != NULL && count < MOST_FIELDS; line = strtok(NULL, "\n")) {
        char *colon = strchr(line, ':'), *value = colon != NULL ? colon + 1 : line + strlen(line);

        if (colon != NULL)
            *colon = '\0';
        value += strspn(value, " \t");
        headers[count++] = (mm_header){line, value, strlen(line), strlen(value)};
    }
    return count;
}

static size_t times(const mm_header *headers, size_t count, const char *name)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += strcasecmp(headers[i].name, name) == 0;
    return found;
}

static void check_accepted(const mm_header *headers, size_t count, const mm_head_rules *rules, const mm_heads *heads)
{
    static const char *const once[] = {"content-length", "transfer-encoding", "content-type", "content-encoding",
                                       "expect",         "authorization",     "host"};

    demand(count <= MM_MAX_HEADERS);
    for (size_t i = 0; i < sizeof once / sizeof once[0]; i++)
        demand(times(headers, count, once[i]) <= 1);
    demand(rules->http10 || heads->host != NULL);
    demand(!heads->has_length || !heads->has_transfer_encoding);
    demand(heads->has_length == (times(headers, count, "content-length") == 1));
    demand(heads->length <= INT64_MAX);
    for (size_t i = 0; i < count; i++) {
        demand(headers[i].name_size > 0 &&
               strcspn(headers[i].name, " \t()<>@,;:\\\"/[]?={}\r") == headers[i].name_size);
        demand(strcspn(headers[i].value, "\r\x01\x1f\x7f") == headers[i].value_size);
    }
}

/* What is asked of the fields later on.  The answers of two are checked against the text. */
static void check_rest(const mm_heads *heads)
{
    mm_problem problem = {0};
    const char *coding = NULL;
    char id[33] = "";
    int status = mm_check_length(heads, 1000, &problem);

    demand(status == 0 ? heads->has_length && heads->length <= 1000 : status == 411 || status == 413);
    status = mm_check_media(heads, &problem);
    demand(status == 0 ? heads->content_type != NULL : status == 415);
    status = mm_check_coding(heads, &coding, &problem);
    demand(status == 0 || (status == 415 && coding == NULL));
    status = mm_check_no_body(heads, &problem);
    demand(status == (heads->has_transfer_encoding || heads->length > 0 ? 400 : 0));
    if (mm_accepts_gzip(heads->accept_encoding))
        demand(strcasestr(heads->accept_encoding, "gzip") != NULL || strchr(heads->accept_encoding, '*') != NULL);
    if (mm_tag_listed(heads->if_none_match, "\"abc\""))
        demand(strstr(heads->if_none_match, "\"abc\"") != NULL || strchr(heads->if_none_match, '*') != NULL);
    if (heads->traceparent != NULL && mm_trace_id(heads->traceparent, id)) {
        demand(strspn(id, "0123456789abcdef") == 32 && strspn(id, "0") < 32);
        demand(strncmp(heads->traceparent + 3, id, 32) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static mm_header headers[MOST_FIELDS];
    const int choice = size > 0 ? data[0] : 0;
    const mm_head_rules rules = {.http10 = choice & 1,
                                 .local_only = (choice & 2) != 0,
                                 .local_address = choice & 4 ? "127.0.0.9" : NULL,
                                 .adjacent = (choice & 8) != 0};
    char *text = size > 0 ? fuzz_text(data + 1, size - 1) : fuzz_text(data, 0);
    const size_t count = split(text, headers);
    mm_problem problem = {0};
    mm_heads heads;
    const int status = mm_check_headers(headers, count, &rules, &heads, &problem);

    if (status == 0) {
        check_accepted(headers, count, &rules, &heads);
        check_rest(&heads);
    } else {
        demand(status == 400 || status == 403 || status == 417 || status == 431);
        demand(problem.text[0] != '\0' && fuzz_is_clean(problem.text));
    }
    free(text);
    return 0;
}
