/*
 * parts.c - a named sum() written out as the expressions that it stands for.
 */
#include "lib/parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int mm_node_is_sum(const mm_node *node)
{
    return node->row == NULL || node->row->parts != NULL;
}

/* Text in the making; once memory is short it stays as it is. */
typedef struct text {
    char *bytes;
    size_t length, room;
    int failed;
} text;

static void put_bytes(text *to, const char *bytes, size_t count)
{
    if (to->failed)
        return;
    if (count >= to->room - to->length) {
        const size_t room = 2 * to->room + count + 64; /* bounded by templates and the text of the client */
        char *grown = realloc(to->bytes, room);

        if (grown == NULL) {
            to->failed = 1;
            return;
        }
        to->bytes = grown;
        to->room = room;
    }
    memcpy(to->bytes + to->length, bytes, count);
    to->length += count;
    to->bytes[to->length] = '\0';
}

static void put(text *to, const char *words)
{
    put_bytes(to, words, strlen(words));
}

/* Digits that read back to the same double. */
static void put_number(text *to, double number)
{
    char digits[32];

    snprintf(digits, sizeof digits, "%.17g", number);
    put(to, digits);
}

/* The `which`-th of the choices. */
static void put_choice(text *to, const char *choices, size_t which)
{
    for (; which > 0; which--)
        choices += strcspn(choices, "|") + 1;
    put_bytes(to, choices, strcspn(choices, "|"));
}

/* [a,b], or [[a,b],[c,d]] */
static void put_list(text *to, const mm_param *param, const mm_arg *arg)
{
    const int matrix = param->type == MM_MATRIX;
    const size_t width = matrix ? (size_t)sqrt((double)arg->count) : arg->count;

    put(to, matrix ? "[[" : "[");
    for (size_t i = 0; i < arg->count; i++) {
        if (i > 0)
            put(to, matrix && i % width == 0 ? "],[" : ",");
        put_number(to, arg->list[i]);
    }
    put(to, matrix ? "]]" : "]");
}

/* A value as one would write it. */
static void put_value(text *to, const mm_param *param, const mm_arg *arg)
{
    if (arg->list != NULL)
        put_list(to, param, arg);
    else if (param->type == MM_BOOLEAN)
        put(to, arg->number != 0.0 ? "true" : "false");
    else if (arg->word >= 0)
        put_choice(to, param->choices, (size_t)arg->word);
    else
        put_number(to, arg->number);
}

/* over=image,classes=all,... */
static void put_common(text *to, const mm_node *node)
{
    const mm_score_info *info = &node->row->info;

    for (size_t i = 0; i < info->common_count; i++) {
        put(to, i > 0 ? "," : "");
        put(to, info->common[i].name);
        put(to, "=");
        put_value(to, &info->common[i], &node->values[info->param_count + i]);
    }
}

/* What stands between braces. */
static void put_place(text *to, const mm_node *node, const char *name, size_t length)
{
    const mm_score_info *info = &node->row->info;
    const int one_minus = length > 2 && strncmp(name, "1-", 2) == 0;

    if (length == strlen("common") && strncmp(name, "common", length) == 0) {
        put_common(to, node);
        return;
    }
    name += one_minus ? 2 : 0;
    length -= one_minus ? 2 : 0;
    for (size_t i = 0; i < info->param_count; i++) {
        const mm_param *param = &info->params[i];

        if (strlen(param->name) != length || strncmp(param->name, name, length) != 0)
            continue;
        if (one_minus)
            put_number(to, 1.0 - node->values[i].number);
        else
            put_value(to, param, &node->values[i]);
    }
}

mm_status mm_parts_write(char **out, const mm_node *node)
{
    const char *at = node->row->parts;
    text to = {NULL, 0, 0, 0};

    put(&to, "");
    while (*at != '\0') {
        const size_t plain = strcspn(at, "{"), place = at[plain] == '\0' ? 0 : strcspn(at + plain, "}");

        put_bytes(&to, at, plain);
        at += plain;
        if (place == 0)
            break;
        put_place(&to, node, at + 1, place - 1);
        at += place + 1;
    }
    if (to.failed) {
        free(to.bytes);
        return MM_NO_MEMORY;
    }
    *out = to.bytes;
    return MM_OK;
}
