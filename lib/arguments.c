/*
 * arguments.c - tokens of an expression, and values checked against their parameter's row.
 */
#include "lib/arguments.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ tokens */

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '-';
}

static int is_token_char(char c)
{
    return is_word_char(c) || c == '.' || c == '+';
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void mm_skip_blanks(mm_cursor *cursor)
{
    while (is_blank(cursor->text[cursor->at]))
        cursor->at++;
}

char mm_peek(mm_cursor *cursor)
{
    mm_skip_blanks(cursor);
    return cursor->text[cursor->at];
}

int mm_accept(mm_cursor *cursor, char byte)
{
    if (mm_peek(cursor) != byte)
        return 0;
    cursor->at++;
    return 1;
}

mm_token mm_next_token(mm_cursor *cursor)
{
    mm_skip_blanks(cursor);
    mm_token token = {cursor->text + cursor->at, 0, cursor->at};

    while (is_token_char(token.start[token.length]))
        token.length++;
    cursor->at += token.length;
    return token;
}

int mm_token_is(const mm_token *token, const char *word)
{
    return strlen(word) == token->length && memcmp(token->start, word, token->length) == 0;
}

int mm_token_is_word(const mm_token *token)
{
    for (size_t i = 0; i < token->length; i++)
        if (!is_word_char(token->start[i]))
            return 0;
    return token->length > 0;
}

const char *mm_token_text(const mm_token *token, char *text, size_t size)
{
    size_t length = token->length < size ? token->length : size - 1;

    for (size_t i = 0; i < length; i++)
        if (!is_word_char(token->start[i]) && token->start[i] != '.')
            length = 0;
    memcpy(text, token->start, length);
    text[length] = '\0';
    return text;
}

/* [+-] (0 | 1-9 digits) [. digits] [e [+-] digits], or [+-] . digits [...] */
static int follows_number_grammar(const char *text)
{
    size_t i = text[0] == '+' || text[0] == '-';
    size_t whole = 0, fraction = 0, exponent = 0;

    while (is_digit(text[i + whole]))
        whole++;
    if (whole > 1 && text[i] == '0')
        return 0;
    i += whole;
    if (text[i] == '.') {
        i++;
        while (is_digit(text[i + fraction]))
            fraction++;
        if (fraction == 0)
            return 0;
        i += fraction;
    }
    if (whole + fraction == 0)
        return 0;
    if (text[i] == 'e' || text[i] == 'E') {
        i += text[i + 1] == '+' || text[i + 1] == '-' ? 2 : 1;
        while (is_digit(text[i + exponent]))
            exponent++;
        if (exponent == 0)
            return 0;
        i += exponent;
    }
    return text[i] == '\0';
}

int mm_token_number(const mm_token *token, double *number)
{
    char text[64];

    if (token->length == 0 || token->length >= sizeof text)
        return 0;
    memcpy(text, token->start, token->length);
    text[token->length] = '\0';
    if (!follows_number_grammar(text))
        return 0;
    *number = strtod(text, NULL);
    return isfinite(*number);
}

/* ------------------------------------------------------------------ values */

/* Index of the token among choices separated by '|'; -1: none of them. */
static int choice_of(const mm_token *token, const char *choices)
{
    for (int i = 0; choices != NULL; i++) {
        const size_t length = strcspn(choices, "|");

        if (length == token->length && memcmp(choices, token->start, length) == 0)
            return i;
        choices = choices[length] == '|' ? choices + length + 1 : NULL;
    }
    return -1;
}

static int in_range(const mm_param *param, double number)
{
    return number >= param->min && number <= param->max;
}

static int takes_number(mm_type type)
{
    return type == MM_NUMBER || type == MM_NUMBER_OR_LIST || type == MM_NUMBERS;
}

static int takes_list(mm_type type)
{
    return type == MM_LIST || type == MM_NUMBER_OR_LIST || type == MM_WORD_OR_LIST || type == MM_NUMBERS;
}

/* "a number from 0 to 1, a list of such numbers, or one of none" */
static void describe(const mm_param *param, char *text, size_t size)
{
    const char *choices = param->type == MM_BOOLEAN ? "true|false" : param->choices;
    const char *one_of = choices != NULL && strchr(choices, '|') != NULL ? "one of " : "";
    const char *what = takes_number(param->type)  ? "a number"
                       : param->type == MM_MATRIX ? "a square list of lists of numbers"
                                                  : "a list of numbers";
    const char *more = takes_number(param->type) && takes_list(param->type) ? " or a list of such" : "";

    if (param->type == MM_WORD || param->type == MM_BOOLEAN)
        snprintf(text, size, "%s%s", one_of, choices);
    else
        snprintf(text, size, "%s from %g to %g%s%s%s%s", what, param->min, param->max, more,
                 choices != NULL ? ", or " : "", one_of, choices != NULL ? choices : "");
}

/* One number of a list. */
static int read_member(mm_cursor *cursor, const mm_param *param, double *member)
{
    const mm_token token = mm_next_token(cursor);

    return mm_token_number(&token, member) && in_range(param, *member);
}

/* A list that grows; bounded by the length of the text. */
typedef struct numbers {
    double *list;
    size_t count, room;
} numbers;

/* '[' member { ',' member } ']', onto what is there. */
static mm_status read_members(mm_cursor *cursor, const mm_param *param, numbers *to)
{
    if (!mm_accept(cursor, '['))
        return MM_BAD_PARAM;
    do {
        if (to->count == to->room) {
            const size_t room = to->room == 0 ? 8 : to->room * 2;
            double *grown = realloc(to->list, room * sizeof *grown);

            if (grown == NULL)
                return MM_NO_MEMORY;
            to->list = grown;
            to->room = room;
        }
        if (!read_member(cursor, param, &to->list[to->count]))
            return MM_BAD_PARAM;
        to->count++;
    } while (mm_accept(cursor, ','));
    return mm_accept(cursor, ']') ? MM_OK : MM_BAD_PARAM;
}

/* '[' row { ',' row } ']': as many rows as each has numbers. */
static mm_status read_rows(mm_cursor *cursor, const mm_param *param, numbers *to)
{
    size_t rows = 0, width = 0;

    mm_accept(cursor, '[');
    do {
        const size_t before = to->count;
        const mm_status status = read_members(cursor, param, to);

        if (status != MM_OK)
            return status;
        width = rows == 0 ? to->count : width;
        if (to->count - before != width)
            return MM_BAD_PARAM;
        rows++;
    } while (mm_accept(cursor, ','));
    return mm_accept(cursor, ']') && rows == width ? MM_OK : MM_BAD_PARAM;
}

static mm_status read_list(mm_cursor *cursor, const mm_param *param, mm_arg *arg)
{
    numbers all = {NULL, 0, 0};
    const mm_status status =
        param->type == MM_MATRIX ? read_rows(cursor, param, &all) : read_members(cursor, param, &all);

    if (status == MM_OK)
        *arg = (mm_arg){.word = -1, .list = all.list, .count = all.count};
    else
        free(all.list);
    return status;
}

static mm_status read_single(mm_cursor *cursor, const mm_param *param, mm_arg *arg)
{
    const mm_token token = mm_next_token(cursor);
    mm_arg value = {.word = -1};

    if (takes_number(param->type) && mm_token_number(&token, &value.number)) {
        if (!in_range(param, value.number))
            return MM_BAD_PARAM;
    } else if (param->type == MM_BOOLEAN) {
        if (!mm_token_is(&token, "true") && !mm_token_is(&token, "false"))
            return MM_BAD_PARAM;
        value.number = mm_token_is(&token, "true");
    } else if ((value.word = choice_of(&token, param->type == MM_LIST ? NULL : param->choices)) < 0) {
        return MM_BAD_PARAM;
    }
    *arg = value;
    return MM_OK;
}

mm_status mm_read_value(mm_cursor *cursor, const mm_param *param, mm_arg *arg, char *expected, size_t size)
{
    mm_status status = MM_BAD_PARAM;

    if (mm_peek(cursor) != '[')
        status = read_single(cursor, param, arg);
    else if (takes_list(param->type) || param->type == MM_MATRIX)
        status = read_list(cursor, param, arg);
    if (status == MM_BAD_PARAM)
        describe(param, expected, size);
    return status;
}
