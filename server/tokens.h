/*
 * tokens.h - access tokens: their form, their check, and the table of those that this server knows.
 *
 *   mm_ 4hLk92Xz Jp3…43 characters…Qw 0aZ91k
 *   │   │        │                    └ CRC-32 of all before it, base62, highest digit first: for scanners of secrets
 *   │   │        └ 32 random bytes, base64url without padding
 *   │   └ random base62: with the prefix it is the token's id, which is no secret
 *   └ so that people and scanners know what they see
 *
 * (without the blanks: 60 characters).  Of the 32 bytes only their SHA-256 is kept: they are random, so that no slow
 * hash is needed.  Checking a token does the same work whether its id is known or not, and compares in constant time.
 * Everything about the table belongs to the thread of the loop.
 */
#ifndef MM_TOKENS_H
#define MM_TOKENS_H

#include "lib/maskmeter.h"

/* What a token may do.  None of them implies another. */
enum mm_scope {
    MM_SCOPE_INGEST = 1, /* upload */
    MM_SCOPE_READ = 2,
    MM_SCOPE_ADMIN = 4, /* delete */
    MM_SCOPE_ANY = 7    /* of a route: whoever has one of them */
};

#define MM_TOKEN_ID_SIZE 11 /* "mm_" and 8 characters */
#define MM_TOKEN_SIZE    60
#define MM_TOKEN_NAME    256 /* most bytes of a project or a label */
#define MM_TOKENS_MAX    4096

#define MM_DEFAULT_PROJECT  "default"
#define MM_OPERATOR_PROJECT "*" /* of tokens for those who watch the server: they belong to no project */

typedef struct mm_token {
    char id[MM_TOKEN_ID_SIZE + 1];
    unsigned char digest[32]; /* SHA-256 of the secret's bytes */
    unsigned scopes;          /* bits of mm_scope */
    char project[MM_TOKEN_NAME + 1];
    char label[MM_TOKEN_NAME + 1];
    int64_t created;
    int64_t expires; /* ms since 1970, like the others; 0: never */
    int64_t revoked; /* 0: not */
    int64_t used;    /* last; 0: never */
} mm_token;

/* ------------------------------------------------------------------- form */

/* Fills id and digest with a new secret, and `text` with the only copy of it.  MM_NO_MEMORY: no random bytes. */
mm_status mm_token_make(mm_token *token, char text[MM_TOKEN_SIZE + 1]);
/* Fills id and digest from a token's text.  MM_BAD_PARAM: it is none. */
mm_status mm_token_read(mm_token *token, const char *text, size_t size);
/* 1 when it is neither revoked nor expired. */
int mm_token_is_live(const mm_token *token, int64_t now);
/* The name space of its calls. */
const char *mm_token_project(const mm_token *token);
/* Overwrites the secrets of whatever in the text looks like a token, whole or cut: their ids stay. */
void mm_token_hide(char *text);

/* "ingest,read" in any order: bits, or 0 when a word is unknown or there is none. */
unsigned mm_scopes_read(const char *text);
/* In the order ingest, read, admin. */
void mm_scopes_text(unsigned scopes, char text[32]);

/* ------------------------------------------------------------------ table */

typedef struct mm_tokens mm_tokens;

typedef enum mm_verdict {
    MM_TOKEN_GOOD,
    MM_TOKEN_MALFORMED, /* no token at all */
    MM_TOKEN_UNKNOWN,   /* no such id, or another secret */
    MM_TOKEN_EXPIRED,
    MM_TOKEN_REVOKED
} mm_verdict;

mm_status mm_tokens_new(mm_tokens **out);
void mm_tokens_free(mm_tokens *tokens); /* NULL is fine */
/* Adds it, or replaces the one with its id.  When the table is full it takes the place of one that is no longer live,
 * whose id is then in `removed` (else ""); MM_TOO_LARGE when all are. */
mm_status mm_tokens_add(mm_tokens *tokens, const mm_token *token, int64_t now, char removed[MM_TOKEN_ID_SIZE + 1]);
/* Takes one out again that was added last. */
void mm_tokens_remove(mm_tokens *tokens, const char *id);
/* How many there are, whatever became of them: with none the server is open.  NULL: none. */
size_t mm_tokens_count(const mm_tokens *tokens);
/* By number, in the order of their coming. */
const mm_token *mm_tokens_at(const mm_tokens *tokens, size_t index);
/* Is one of them live? */
int mm_tokens_any_live(const mm_tokens *tokens, int64_t now);
/* By id; NULL: there is none. */
mm_token *mm_tokens_find(mm_tokens *tokens, const char *id);

/* What a client has sent.  *token: a copy of what is known of it, but for the digest, also when it has expired or was
 * revoked: then the secret was right.  MM_NO_MEMORY stands for a fault of the cryptographic library. */
mm_status mm_tokens_check(mm_tokens *tokens, const char *text, size_t size, int64_t now, mm_verdict *verdict,
                          mm_token *token);
/* Notes that a token was used, from an address (failures.h).  1 when that should be stored: once in MM_TOKEN_USED_MS.
 */
#define MM_TOKEN_USED_MS (5 * 60 * 1000)
int mm_tokens_used(mm_tokens *tokens, const char *id, uint64_t address, int64_t now);
/* Was the token whose id this text claims used from that address, not too long ago?  Its secret is not looked at. */
int mm_tokens_came_from(const mm_tokens *tokens, const char *text, size_t size, uint64_t address);

#endif
