/*
 * fuzz_access.c - libFuzzer: any text as a token, scopes, an address, networks, or a value of X-Forwarded-For.
 *
 * The first byte chooses.  What is accepted, written and read again, is the same; whatever looks like a secret is
 * hidden; and who a client is, no text that is not by a trusted proxy decides.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/ip.h"
#include "server/tokens.h"
#include "tests/fuzz/target.h"

/* A text either is the token that it says it is, or none: each byte counts. */
static void check_token(const char *text)
{
    const size_t size = strlen(text);
    mm_token token = {.id = ""}, other = {.id = ""};
    char *changed;

    if (mm_token_read(&token, text, size) != MM_OK)
        return;
    demand(size == MM_TOKEN_SIZE && strncmp(text, token.id, MM_TOKEN_ID_SIZE) == 0);
    changed = fuzz_text((const uint8_t *)text, size);
    for (size_t i = 0; i < size; i++) {
        changed[i] = text[i] == 'a' ? 'b' : 'a';
        demand(mm_token_read(&other, changed, size) == MM_BAD_PARAM);
        changed[i] = text[i];
    }
    mm_token_hide(changed);
    demand(strstr(changed, text + MM_TOKEN_ID_SIZE) == NULL);
    free(changed);
}

/* A real token, put into the text, is never seen there again, and the text does not grow. */
static void check_hiding(const char *text)
{
    static char real[MM_TOKEN_SIZE + 1];
    static mm_token token;
    const size_t size = strlen(text), at = size / 2;
    char *line = malloc(size + MM_TOKEN_SIZE + 1);

    demand(real[0] != '\0' || mm_token_make(&token, real) == MM_OK);
    demand(line != NULL);
    if (strstr(text, real + MM_TOKEN_ID_SIZE) != NULL) { /* libFuzzer has learnt it: without the id it is no token */
        free(line);
        return;
    }
    (void)sprintf(line, "%.*s%s%s", (int)at, text, real, text + at);
    mm_token_hide(line);
    demand(strlen(line) <= size + MM_TOKEN_SIZE && strstr(line, real + MM_TOKEN_ID_SIZE) == NULL);
    free(line);
}

static void check_scopes(const char *text)
{
    const unsigned scopes = mm_scopes_read(text);
    char words[32];

    if (scopes == 0)
        return;
    mm_scopes_text(scopes, words);
    demand((scopes & ~(unsigned)MM_SCOPE_ANY) == 0 && mm_scopes_read(words) == scopes);
}

static void check_address(const char *text)
{
    mm_ip ip, again;
    char written[MM_IP_TEXT];

    if (!mm_ip_parse(text, strlen(text), &ip))
        return;
    mm_ip_text(&ip, written);
    demand(strlen(written) < sizeof written && mm_ip_parse(written, strlen(written), &again));
    demand(memcmp(&ip, &again, sizeof ip) == 0);
}

static void check_networks(const char *text)
{
    mm_networks *networks = NULL;
    mm_problem problem = {0};
    mm_ip ip;

    demand(mm_ip_parse("192.0.2.7", 9, &ip));
    if (mm_networks_new(&networks, text, &problem) == MM_OK)
        (void)mm_networks_hold(networks, &ip);
    else
        demand(problem.text[0] != '\0');
    mm_networks_free(networks);
}

static void check_forwarded(const char *text)
{
    mm_networks *trusted = NULL;
    mm_ip ip = {{0}}, first, stranger = {{0}};
    char *longer;
    int more;

    demand(mm_networks_new(&trusted, "10.0.0.0/8, fd00::/8", NULL) == MM_OK);
    demand(mm_ip_parse("10.1.2.3", 8, &ip) && mm_ip_parse("192.0.2.7", 9, &stranger));
    first = stranger;
    demand(mm_ip_forwarded(&first, text, strlen(text), trusted) == 0);
    demand(memcmp(&first, &stranger, sizeof first) == 0);
    first = ip;
    more = mm_ip_forwarded(&ip, text, strlen(text), trusted);
    if (!more) { /* final: nothing to the left of it is looked at */
        longer = malloc(strlen(text) + 16);
        demand(longer != NULL);
        (void)sprintf(longer, "198.51.100.1, %s", text);
        if (memcmp(&ip, &first, sizeof ip) != 0) {
            stranger = first;
            demand(mm_ip_forwarded(&stranger, longer, strlen(longer), trusted) == 0);
            demand(memcmp(&stranger, &ip, sizeof ip) == 0);
        }
        free(longer);
    }
    mm_networks_free(trusted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const checks[])(const char *text) = {check_token,   check_hiding,   check_scopes,
                                                       check_address, check_networks, check_forwarded};
    char *text = fuzz_text(data + (size > 0), size > 0 ? size - 1 : 0);

    checks[size > 0 ? data[0] % (sizeof checks / sizeof checks[0]) : 0](text);
    free(text);
    return 0;
}
