/*
 * tokens.c - access tokens: made, read, compared, and kept in a table.
 */
#include "server/tokens.h"

#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PREFIX       3  /* "mm_" */
#define SECRET       32 /* bytes */
#define SECRET_TEXT  43
#define SECRET_START MM_TOKEN_ID_SIZE
#define CHECK        6
#define CHECK_START  (SECRET_START + SECRET_TEXT)

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* ------------------------------------------------------------------- form */

static int is_in(const char *alphabet, char c)
{
    return c != '\0' && strchr(alphabet, c) != NULL;
}

/* c - first + digit when c is one of those from first to last, else 0.  Nothing that reads a secret branches, or reads
 * memory, by what that says. */
static unsigned digit_within(unsigned c, unsigned first, unsigned last, unsigned digit)
{
    const unsigned is_within = ((first - 1 - c) & (c - last - 1)) >> 31;

    return -is_within & (c - first + digit);
}

/* What a character stands for, and 1; 0: nothing. */
static unsigned digit_of_64(char c)
{
    const unsigned u = (unsigned char)c;

    return digit_within(u, 'A', 'Z', 1) | digit_within(u, 'a', 'z', 27) | digit_within(u, '0', '9', 53) |
           digit_within(u, '-', '-', 63) | digit_within(u, '_', '_', 64);
}

static unsigned digit_of_62(char c)
{
    const unsigned u = (unsigned char)c;

    return digit_within(u, '0', '9', 1) | digit_within(u, 'A', 'Z', 11) | digit_within(u, 'a', 'z', 37);
}

/* CRC-32 of the first CHECK_START characters. */
static uint32_t sum_of(const char *text)
{
    uint32_t sum = UINT32_MAX;

    for (size_t i = 0; i < CHECK_START; i++) {
        sum ^= (unsigned char)text[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (UINT32_C(0xEDB88320) & -(sum & 1));
    }
    return ~sum;
}

/* The characters that must follow the first CHECK_START. */
static void put_check(char *text)
{
    uint32_t sum = sum_of(text);

    for (size_t i = CHECK; i-- > 0; sum /= 62)
        text[CHECK_START + i] = base62[sum % 62];
}

static int has_check(const char *text)
{
    uint64_t number = 0;
    int strange = 0;

    for (size_t i = 0; i < CHECK; i++) {
        const unsigned digit = digit_of_62(text[CHECK_START + i]);

        strange |= digit == 0;
        number = number * 62 + digit - 1;
    }
    return (number == sum_of(text)) & !strange;
}

/* Six bits at a time, highest first; the last character carries four. */
static void put_secret(char text[SECRET_TEXT], const unsigned char secret[SECRET])
{
    unsigned bits = 0, held = 0;
    size_t at = 0;

    for (size_t i = 0; i < SECRET; i++) {
        bits = bits << 8 | secret[i];
        for (held += 8; held >= 6; held -= 6)
            text[at++] = base64[bits >> (held - 6) & 63];
    }
    text[at] = base64[bits << (6 - held) & 63];
}

/* 0: a character that is none, or bits where the last one must have none. */
static int get_secret(unsigned char secret[SECRET], const char text[SECRET_TEXT])
{
    unsigned bits = 0, held = 0;
    size_t at = 0;
    int strange = 0;

    for (size_t i = 0; i < SECRET_TEXT; i++) {
        const unsigned digit = digit_of_64(text[i]);

        strange |= digit == 0;
        bits = bits << 6 | ((digit - 1) & 63);
        held += 6;
        if (held >= 8) {
            held -= 8;
            secret[at++] = (unsigned char)(bits >> held);
        }
    }
    return ((bits & ((1u << held) - 1)) == 0) & !strange;
}

static int take_random(void *bytes, size_t size)
{
    return getrandom(bytes, size, 0) == (ssize_t)size;
}

/* Bytes from 248 on are drawn again: 62 does not divide 256. */
static int put_id(char text[MM_TOKEN_ID_SIZE])
{
    unsigned char byte;

    memcpy(text, "mm_", PREFIX);
    for (size_t i = PREFIX; i < MM_TOKEN_ID_SIZE; i++) {
        do
            if (!take_random(&byte, 1))
                return 0;
        while (byte >= 248);
        text[i] = base62[byte % 62];
    }
    return 1;
}

static int digest_secret(mm_token *token, unsigned char secret[SECRET])
{
    const int code = gnutls_hash_fast(GNUTLS_DIG_SHA256, secret, SECRET, token->digest);

    gnutls_memset(secret, 0, SECRET);
    return code == 0;
}

mm_status mm_token_make(mm_token *token, char text[MM_TOKEN_SIZE + 1])
{
    unsigned char secret[SECRET];

    if (!put_id(text) || !take_random(secret, sizeof secret))
        return MM_NO_MEMORY;
    put_secret(text + SECRET_START, secret);
    put_check(text);
    text[MM_TOKEN_SIZE] = '\0';
    memcpy(token->id, text, MM_TOKEN_ID_SIZE);
    token->id[MM_TOKEN_ID_SIZE] = '\0';
    return digest_secret(token, secret) ? MM_OK : MM_NO_MEMORY;
}

mm_status mm_token_read(mm_token *token, const char *text, size_t size)
{
    unsigned char secret[SECRET];

    if (size != MM_TOKEN_SIZE || memcmp(text, "mm_", PREFIX) != 0)
        return MM_BAD_PARAM;
    for (size_t i = PREFIX; i < MM_TOKEN_ID_SIZE; i++)
        if (!is_in(base62, text[i]))
            return MM_BAD_PARAM;
    if (!(has_check(text) & get_secret(secret, text + SECRET_START)))
        return MM_BAD_PARAM;
    memcpy(token->id, text, MM_TOKEN_ID_SIZE);
    token->id[MM_TOKEN_ID_SIZE] = '\0';
    return digest_secret(token, secret) ? MM_OK : MM_NO_MEMORY;
}

int mm_token_is_live(const mm_token *token, int64_t now)
{
    return token->revoked == 0 && (token->expires == 0 || now < token->expires);
}

const char *mm_token_project(const mm_token *token)
{
    return strcmp(token->project, MM_OPERATOR_PROJECT) == 0 ? MM_DEFAULT_PROJECT : token->project;
}

void mm_token_hide(char *text)
{
    while ((text = strstr(text, "mm_")) != NULL) {
        size_t id = PREFIX, size;

        while (id < MM_TOKEN_ID_SIZE && is_in(base62, text[id]))
            id++;
        size = id + strspn(text + id, base64);
        if (id == MM_TOKEN_ID_SIZE)
            memset(text + id, '*', size - id);
        text += id == MM_TOKEN_ID_SIZE ? size : PREFIX; /* a token may begin within what is none */
    }
}

/* ----------------------------------------------------------------- scopes */

static const struct {
    const char *name;
    unsigned bit;
} scope_names[] = {{"ingest", MM_SCOPE_INGEST}, {"read", MM_SCOPE_READ}, {"admin", MM_SCOPE_ADMIN}};

#define SCOPES (sizeof scope_names / sizeof scope_names[0])

static unsigned scope_of(const char *word, size_t size)
{
    for (size_t i = 0; i < SCOPES; i++)
        if (strlen(scope_names[i].name) == size && strncmp(scope_names[i].name, word, size) == 0)
            return scope_names[i].bit;
    return 0;
}

unsigned mm_scopes_read(const char *text)
{
    unsigned scopes = 0;

    for (;; text++) {
        const size_t size = strcspn(text, ",");
        const unsigned scope = scope_of(text, size);

        if (scope == 0)
            return 0;
        scopes |= scope;
        text += size;
        if (*text == '\0')
            return scopes;
    }
}

void mm_scopes_text(unsigned scopes, char text[32])
{
    size_t filled = 0;

    text[0] = '\0';
    for (size_t i = 0; i < SCOPES; i++)
        if (scopes & scope_names[i].bit)
            filled += (size_t)snprintf(text + filled, 32 - filled, "%s%s", filled > 0 ? "," : "", scope_names[i].name);
}

/* ------------------------------------------------------------------ table */

#define ADDRESSES 64

/* How a token was used: when that was last to be stored, and from where, each address in the place that it names. */
typedef struct uses {
    int64_t stored;
    uint64_t from[ADDRESSES];
} uses;

/* Place 0 is nobody's: its digest is random, and is compared when an id is unknown.  An id is looked for by its eight
 * characters, all of them at each place, so that the time tells nothing. */
struct mm_tokens {
    size_t count; /* with place 0 */
    uint64_t keys[MM_TOKENS_MAX + 1];
    mm_token rows[MM_TOKENS_MAX + 1];
    uses uses[MM_TOKENS_MAX + 1];
};

static uint64_t key_of(const char id[MM_TOKEN_ID_SIZE])
{
    uint64_t key;

    memcpy(&key, id + PREFIX, sizeof key);
    return key;
}

static size_t place_of(const mm_tokens *tokens, uint64_t key)
{
    size_t place = 0;

    for (size_t i = 1; i < tokens->count; i++)
        place |= i & -(size_t)(tokens->keys[i] == key);
    return place;
}

mm_status mm_tokens_new(mm_tokens **out)
{
    mm_tokens *tokens = calloc(1, sizeof *tokens);

    if (tokens == NULL)
        return MM_NO_MEMORY;
    if (!take_random(tokens->rows[0].digest, sizeof tokens->rows[0].digest)) {
        free(tokens);
        return MM_NO_MEMORY;
    }
    tokens->count = 1;
    *out = tokens;
    return MM_OK;
}

void mm_tokens_free(mm_tokens *tokens)
{
    free(tokens);
}

/* The place of the one that ended first, 0: all are live. */
static size_t find_ended(const mm_tokens *tokens, int64_t now)
{
    size_t found = 0;
    int64_t first = INT64_MAX;

    for (size_t i = 1; i < tokens->count; i++) {
        const mm_token *row = &tokens->rows[i];
        const int64_t ended = row->revoked != 0 ? row->revoked : row->expires;

        if (!mm_token_is_live(row, now) && ended < first) {
            found = i;
            first = ended;
        }
    }
    return found;
}

mm_status mm_tokens_add(mm_tokens *tokens, const mm_token *token, int64_t now, char removed[MM_TOKEN_ID_SIZE + 1])
{
    const uint64_t key = key_of(token->id);
    size_t place = place_of(tokens, key);

    removed[0] = '\0';
    if (place == 0 && tokens->count <= MM_TOKENS_MAX) {
        place = tokens->count++;
    } else if (place == 0) {
        place = find_ended(tokens, now);
        if (place == 0)
            return MM_TOO_LARGE;
        memcpy(removed, tokens->rows[place].id, MM_TOKEN_ID_SIZE + 1);
    }
    tokens->keys[place] = key;
    tokens->rows[place] = *token;
    tokens->uses[place] = (uses){.stored = token->used};
    return MM_OK;
}

void mm_tokens_remove(mm_tokens *tokens, const char *id)
{
    const size_t place = place_of(tokens, key_of(id)), last = tokens->count - 1;

    if (place == 0)
        return;
    tokens->keys[place] = tokens->keys[last];
    tokens->rows[place] = tokens->rows[last];
    tokens->uses[place] = tokens->uses[last];
    tokens->count = last;
}

int mm_tokens_any_live(const mm_tokens *tokens, int64_t now)
{
    for (size_t i = 1; i < tokens->count; i++)
        if (mm_token_is_live(&tokens->rows[i], now))
            return 1;
    return 0;
}

size_t mm_tokens_count(const mm_tokens *tokens)
{
    return tokens != NULL ? tokens->count - 1 : 0;
}

const mm_token *mm_tokens_at(const mm_tokens *tokens, size_t index)
{
    return &tokens->rows[index + 1];
}

mm_token *mm_tokens_find(mm_tokens *tokens, const char *id)
{
    const size_t place = strlen(id) == MM_TOKEN_ID_SIZE ? place_of(tokens, key_of(id)) : 0;

    return place != 0 && memcmp(id, "mm_", PREFIX) == 0 ? &tokens->rows[place] : NULL;
}

mm_status mm_tokens_check(mm_tokens *tokens, const char *text, size_t size, int64_t now, mm_verdict *verdict,
                          mm_token *token)
{
    mm_token sent = {.scopes = 0};
    const mm_status status = mm_token_read(&sent, text, size);
    const mm_token *row;
    size_t place;

    *verdict = MM_TOKEN_MALFORMED;
    if (status != MM_OK)
        return status == MM_BAD_PARAM ? MM_OK : status;
    place = place_of(tokens, key_of(sent.id));
    row = &tokens->rows[place];
    *verdict = MM_TOKEN_UNKNOWN;
    if ((gnutls_memcmp(sent.digest, row->digest, sizeof row->digest) != 0) | (place == 0))
        return MM_OK;
    *verdict = row->revoked != 0 ? MM_TOKEN_REVOKED : mm_token_is_live(row, now) ? MM_TOKEN_GOOD : MM_TOKEN_EXPIRED;
    *token = *row;
    memset(token->digest, 0, sizeof token->digest);
    return MM_OK;
}

int mm_tokens_used(mm_tokens *tokens, const char *id, uint64_t address, int64_t now)
{
    const size_t place = place_of(tokens, key_of(id));
    uses *use = &tokens->uses[place];

    if (place == 0)
        return 0;
    use->from[address % ADDRESSES] = address;
    tokens->rows[place].used = now;
    if (now - use->stored < MM_TOKEN_USED_MS && now >= use->stored)
        return 0;
    use->stored = now;
    return 1;
}

int mm_tokens_came_from(const mm_tokens *tokens, const char *text, size_t size, uint64_t address)
{
    const size_t place = size == MM_TOKEN_SIZE && memcmp(text, "mm_", PREFIX) == 0 ? place_of(tokens, key_of(text)) : 0;

    return place != 0 && tokens->uses[place].from[address % ADDRESSES] == address;
}
