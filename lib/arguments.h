/*
 * arguments.h - reading tokens and checked parameter values of an expression.  Private to lib/.
 */
#ifndef MM_ARGUMENTS_H
#define MM_ARGUMENTS_H

#include "lib/score.h"

/* A text being read.  Positions are counted from 1 where people see them. */
typedef struct mm_cursor {
    const char *text;
    size_t at;
} mm_cursor;

/* A run of letters, digits and any of '_', '-', '.', '+'. */
typedef struct mm_token {
    const char *start;
    size_t length;
    size_t at; /* byte of the text, from 0 */
} mm_token;

void mm_skip_blanks(mm_cursor *cursor);
char mm_peek(mm_cursor *cursor);             /* the next byte that is not blank; '\0' at the end */
int mm_accept(mm_cursor *cursor, char byte); /* skips it when it is the next one */
mm_token mm_next_token(mm_cursor *cursor);   /* length 0: none */

int mm_token_is(const mm_token *token, const char *word);
int mm_token_is_word(const mm_token *token);                /* letters, digits, '_', '-' */
int mm_token_number(const mm_token *token, double *number); /* as in JSON, also .5 and +1; finite */
/* Copies a token of word characters and dots, cut to `size`; "" when it is anything else. */
const char *mm_token_text(const mm_token *token, char *text, size_t size);

/* Reads one value of `param` into *arg, which then owns a list.  MM_BAD_PARAM: `expected` says what it must be. */
mm_status mm_read_value(mm_cursor *cursor, const mm_param *param, mm_arg *arg, char *expected, size_t size);

#endif
