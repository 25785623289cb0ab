/*
 * table.c - the JSON of an evaluation, laid out in columns.
 */
#include "server/table.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GAP          2  /* blanks between columns */
#define MOST_REMARKS 20 /* lines about undefined classes */
#define CELL         32

static const char bold[] = "\x1b[1m", dim[] = "\x1b[2m", yellow[] = "\x1b[33m", plain[] = "\x1b[0m";

#define MOST_REASONS 16 /* distinct ones; further ones count as the last */

typedef struct table {
    FILE *out;
    int colour;
    const cJSON *answer, *classes, *scores;
    size_t class_count;
    size_t first_width; /* of the column of names */
} table;

typedef struct column {
    const char *name;
    double value;
    const cJSON *next; /* entry of per_class for the next row */
    size_t width;      /* with the gap before it */
} column;

size_t mm_table_width(FILE *out)
{
    struct winsize window = {0};

    return isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &window) == 0 ? window.ws_col : 0;
}

/* ------------------------------------------------------------------- cells */

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

    return text != NULL ? text : "";
}

static double number_of(const cJSON *object, const char *name)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object, name)); /* NaN when it is none */
}

/* Characters, not bytes. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

/* An answer may come from anywhere: no control character of it reaches the terminal. */
static void put_text(const table *t, const char *text)
{
    for (; *text != '\0'; text++)
        fputc((unsigned char)*text < 0x20 || *text == 0x7F ? '?' : *text, t->out);
}

static void put_style(const table *t, const char *style)
{
    if (t->colour)
        fputs(style, t->out);
}

static void put_blanks(const table *t, size_t count)
{
    fprintf(t->out, "%*s", (int)count, "");
}

/* 0.9250, 1.234e-07, 131072; what is not defined is a dash. */
static void number_text(double number, char text[CELL])
{
    const double size = fabs(number);

    if (!isfinite(number))
        snprintf(text, CELL, "-");
    else if (number == floor(number) && size < 1e15 && size >= 2.0)
        snprintf(text, CELL, "%.0f", number);
    else if (size >= 1e-3 && size < 1e6)
        snprintf(text, CELL, "%.4f", number);
    else if (number == 0.0)
        snprintf(text, CELL, "%.4f", 0.0);
    else
        snprintf(text, CELL, "%.3e", number);
}

static void put_number(const table *t, double number, size_t width)
{
    char text[CELL];

    number_text(number, text);
    put_blanks(t, width - strlen(text));
    if (!isfinite(number))
        put_style(t, dim);
    fputs(text, t->out);
    if (!isfinite(number))
        put_style(t, plain);
}

/* ----------------------------------------------------------------- columns */

/* A peer score may be a list: it has no place in a table. */
static int is_list(const cJSON *score)
{
    return cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(score, "value"));
}

static size_t longer(double number, size_t width)
{
    char text[CELL];

    number_text(number, text);
    return strlen(text) > width ? strlen(text) : width;
}

static column new_column(const cJSON *score)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(score, "per_class"), *item;
    column made = {
        .name = text_of(score, "name"), .value = number_of(score, "value"), .next = list != NULL ? list->child : NULL};

    made.width = longer(made.value, width_of(made.name));
    cJSON_ArrayForEach(item, list) made.width = longer(cJSON_GetNumberValue(item), made.width);
    made.width += GAP;
    return made;
}

static void put_row(const table *t, const char *name, column *first, const column *end, int is_value)
{
    put_style(t, is_value ? bold : "");
    put_text(t, name);
    put_blanks(t, t->first_width - width_of(name));
    for (column *at = first; at < end; at++) {
        put_number(t, is_value ? at->value : cJSON_GetNumberValue(at->next), at->width);
        if (!is_value && at->next != NULL)
            at->next = at->next->next;
    }
    put_style(t, is_value ? plain : "");
    fputc('\n', t->out);
}

/* Prints the columns from `first` on that fit, at least one; returns the one to go on with. */
static column *put_block(const table *t, column *first, const column *last, size_t width)
{
    const cJSON *item;
    size_t used = t->first_width;
    column *end = first;

    do
        used += end++->width;
    while (end < last && (width == 0 || used + end->width <= width));
    put_style(t, bold);
    fputs("class", t->out);
    put_blanks(t, t->first_width - strlen("class"));
    for (const column *at = first; at < end; at++) {
        put_blanks(t, at->width - width_of(at->name));
        put_text(t, at->name);
    }
    put_style(t, plain);
    fputc('\n', t->out);
    cJSON_ArrayForEach(item, t->classes) put_row(t, text_of(item, "name"), first, end, 0);
    put_row(t, "value", first, end, 1);
    fputc('\n', t->out);
    return end;
}

/* 0: out of memory. */
static int put_columns(const table *t, size_t width)
{
    column *columns = calloc((size_t)cJSON_GetArraySize(t->scores) + 1, sizeof *columns), *end = columns;
    const cJSON *score;

    if (columns == NULL)
        return 0;
    cJSON_ArrayForEach(score, t->scores) if (!is_list(score)) *end++ = new_column(score);
    for (column *at = columns; at < end;)
        at = put_block(t, at, end, width);
    free(columns);
    return 1;
}

/* ----------------------------------------------------------------- remarks */

/* The number of a reason in the order in which they turn up. */
static unsigned reason_number(const char *reasons[MOST_REASONS], const char *reason)
{
    unsigned i = 0;

    while (i < MOST_REASONS - 1 && reasons[i] != NULL && strcmp(reasons[i], reason) != 0)
        i++;
    reasons[i] = reason;
    return i;
}

/* Why there are dashes: one line per class and reason, whatever the number of scores. */
static void put_undefined(const table *t)
{
    const char *reasons[MOST_REASONS] = {NULL};
    unsigned *seen = calloc(t->class_count + 1, sizeof *seen);
    const cJSON *score, *item;
    size_t lines = 0;

    cJSON_ArrayForEach(score, t->scores)
    {
        if (text_of(score, "reason")[0] != '\0') {
            fputs("- ", t->out);
            put_text(t, text_of(score, "name"));
            fputs(" is undefined: ", t->out);
            put_text(t, text_of(score, "reason"));
            fputc('\n', t->out);
        }
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(score, "undefined"))
        {
            const double class_index = number_of(item, "class");
            const unsigned bit = 1u << reason_number(reasons, text_of(item, "reason"));

            if (seen == NULL || !(class_index >= 0.0 && class_index < (double)t->class_count) ||
                (seen[(size_t)class_index] & bit) != 0)
                continue;
            seen[(size_t)class_index] |= bit;
            if (++lines > MOST_REMARKS)
                continue;
            fputs("- ", t->out);
            put_text(t, text_of(cJSON_GetArrayItem(t->classes, (int)class_index), "name"));
            fputs(": ", t->out);
            put_text(t, text_of(item, "reason"));
            fputc('\n', t->out);
        }
    }
    if (lines > MOST_REMARKS)
        fprintf(t->out, "- and %zu more\n", lines - MOST_REMARKS);
    free(seen);
}

static void put_lists_and_notes(const table *t)
{
    const cJSON *score;

    cJSON_ArrayForEach(score, t->scores)
    {
        if (is_list(score)) {
            char *text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(score, "value"));

            put_text(t, text_of(score, "name"));
            fprintf(t->out, " = %s\n", text != NULL ? text : "(out of memory)");
            cJSON_free(text);
        }
        if (text_of(score, "note")[0] != '\0') {
            put_text(t, text_of(score, "name"));
            fputs(": ", t->out);
            put_text(t, text_of(score, "note"));
            fputc('\n', t->out);
        }
    }
}

static void put_warnings(const table *t)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(t->answer, "warnings"))
    {
        put_style(t, yellow);
        fputs("warning: ", t->out);
        put_style(t, plain);
        put_text(t, text_of(item, "tensor"));
        fprintf(t->out, "[%.0f]: ", number_of(item, "index"));
        put_text(t, text_of(item, "text"));
        fprintf(t->out, " (%.0f times)\n", number_of(item, "count"));
    }
}

/* ------------------------------------------------------------------- whole */

static void put_place(const table *t)
{
    const cJSON *evaluation = cJSON_GetObjectItemCaseSensitive(t->answer, "evaluation");
    const double expected = number_of(evaluation, "parts_expected");

    if (!cJSON_IsObject(evaluation))
        return;
    put_style(t, bold);
    put_text(t, text_of(evaluation, "run"));
    put_style(t, plain);
    fputs("  ", t->out);
    put_text(t, text_of(evaluation, "split"));
    fprintf(t->out, "  step %.0f", number_of(evaluation, "step"));
    if (text_of(evaluation, "part")[0] != '\0') {
        fputs("  part ", t->out);
        put_text(t, text_of(evaluation, "part"));
    }
    fprintf(t->out, "  (%.0f", number_of(evaluation, "parts_received"));
    if (isfinite(expected))
        fprintf(t->out, " of %.0f", expected);
    fputs(" received)\n", t->out);
}

static void put_totals(const table *t)
{
    const double images = number_of(t->answer, "images"), ignored = number_of(t->answer, "ignored");

    fprintf(t->out, "%.0f %s, %.0f voxels", images, images == 1.0 ? "image" : "images", number_of(t->answer, "voxels"));
    if (ignored > 0.0)
        fprintf(t->out, ", %.0f ignored", ignored);
    fputs("\n\n", t->out);
}

int mm_table_print(FILE *out, const char *json, size_t size, int colour, size_t width)
{
    cJSON *answer = cJSON_ParseWithLength(json, size);
    table t = {.out = out, .colour = colour, .answer = answer, .first_width = strlen("class")};
    const cJSON *item;
    int fine;

    t.classes = cJSON_GetObjectItemCaseSensitive(answer, "classes");
    t.scores = cJSON_GetObjectItemCaseSensitive(answer, "scores");
    if (!cJSON_IsArray(t.classes) || !cJSON_IsArray(t.scores)) {
        cJSON_Delete(answer);
        return 0;
    }
    cJSON_ArrayForEach(item, t.classes)
    {
        const size_t name_width = width_of(text_of(item, "name"));

        t.first_width = name_width > t.first_width ? name_width : t.first_width;
        t.class_count++;
    }
    put_place(&t);
    put_totals(&t);
    fine = put_columns(&t, width);
    put_lists_and_notes(&t);
    put_undefined(&t);
    put_warnings(&t);
    cJSON_Delete(answer);
    return fine;
}
