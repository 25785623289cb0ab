/*
 * fuzz_target.c - libFuzzer: any text as the target of a request: path, percent decoding, parameters.
 *
 * What is accepted is clean UTF-8, and decoding what it is when encoded again gives the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/query.h"
#include "tests/fuzz/target.h"

/* Every byte as %XX, or as it is where that is allowed: `hash` has a bit for each of 64 bytes. */
static char *encode(const char *text, uint64_t hash)
{
    char *out = malloc(3 * strlen(text) + 1), *at = out;

    demand(out != NULL);
    for (; *text != '\0'; text++) {
        const int plain = (*text >= 'a' && *text <= 'z') || (*text >= '0' && *text <= '9') || *text == '-';

        hash = hash << 1 | hash >> 63;
        if (plain && (hash & 1))
            *at++ = *text;
        else
            at += sprintf(at, hash & 2 ? "%%%02X" : "%%%02x", (unsigned)(unsigned char)*text);
    }
    *at = '\0';
    return out;
}

static void check_problem(mm_status status, const mm_problem *problem)
{
    demand(status == MM_BAD_PARAM && problem->text[0] != '\0');
    demand(fuzz_is_clean(problem->text) && fuzz_is_clean(problem->param));
}

/* Encodes all parameters and parses that: nothing changes. */
static void check_again(const mm_query *query, uint64_t hash)
{
    mm_query again = {.count = 0};
    size_t room = 1, size = 0;
    char *text = calloc(1, room);

    for (size_t i = 0; i < query->count; i++) {
        char *name = encode(query->pairs[i].name, hash), *value = encode(query->pairs[i].value, hash + i);

        room += strlen(name) + strlen(value) + 2;
        text = realloc(text, room);
        demand(text != NULL);
        size += (size_t)sprintf(text + size, "%s%s=%s", i > 0 ? "&" : "", name, value);
        free(name);
        free(value);
    }
    demand(mm_query_parse(&again, text, size, NULL) == MM_OK && again.count == query->count);
    for (size_t i = 0; i < again.count; i++) {
        demand(strcmp(again.pairs[i].name, query->pairs[i].name) == 0);
        demand(strcmp(again.pairs[i].value, query->pairs[i].value) == 0);
        demand(mm_query_get(query, again.pairs[i].name) == query->pairs[i].value);
    }
    mm_query_free(&again);
    free(text);
}

static void check_query(const char *text, uint64_t hash)
{
    mm_query query = {.count = 0};
    mm_problem problem = {0};
    const mm_status status = mm_query_parse(&query, text, strlen(text), &problem);

    demand(query.count <= MM_QUERY_MAX);
    for (size_t i = 0; i < query.count; i++) {
        demand(query.pairs[i].name[0] != '\0');
        demand(fuzz_is_clean(query.pairs[i].name) && fuzz_is_clean(query.pairs[i].value));
    }
    if (status == MM_OK)
        check_again(&query, hash);
    else
        check_problem(status, &problem);
    mm_query_free(&query);
}

static void check_segment(const char *segment, size_t size, uint64_t hash)
{
    mm_problem problem = {0};
    char *name = NULL, *again = NULL, *encoded;
    const mm_status status = mm_path_decode(segment, size, &name, &problem);

    if (status != MM_OK) {
        check_problem(status, &problem);
        return;
    }
    demand(mm_name_valid(name) && fuzz_is_clean(name) && name[0] != '\0' && strchr(name, ',') == NULL);
    encoded = encode(name, hash);
    demand(mm_path_decode(encoded, strlen(encoded), &again, NULL) == MM_OK && strcmp(again, name) == 0);
    free(encoded);
    free(again);
    free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t hash = fuzz_hash(data, size);
    char *text = fuzz_text(data, size);
    const char *query = NULL;
    mm_problem problem = {0};
    size_t path = 0;
    const mm_status status = mm_target_split(text, &path, &query, &problem);

    if (status == MM_OK) {
        demand(text[0] == '/' && path == strcspn(text, "?") && memchr(text, '#', path) == NULL);
        demand(query == text + path + (text[path] == '?'));
        check_query(query, hash);
        for (size_t begin = 1; begin <= path; begin += strcspn(text + begin, "/?") + 1)
            check_segment(text + begin, strcspn(text + begin, "/?"), hash);
    } else {
        check_problem(status, &problem);
        check_query(text, hash);
        check_segment(text, strlen(text), hash);
    }
    free(text);
    return 0;
}
