/*
 * history_rows.c - the rows that are read from a store: growing, ordering, paging, releasing
 */
#include "server/history_rows.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends `text` before a UTF-8 sequence that truncation has cut. */
static void trim(char *text)
{
    size_t end = strlen(text), start = end;

    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    const unsigned char lead = (unsigned char)text[start - 1];
    const size_t need = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;

    if (end - start < need)
        text[start - 1] = '\0';
}

void mm_store_explain(mm_problem *problem, const char *param, const char *text, ...)
{
    va_list list;

    if (problem == NULL)
        return;
    memset(problem, 0, sizeof *problem);
    snprintf(problem->param, sizeof problem->param, "%s", param);
    va_start(list, text);
    vsnprintf(problem->text, sizeof problem->text, text, list);
    va_end(list);
    trim(problem->text);
}

void mm_store_item_fail(mm_store_item *item, mm_store_status status, const mm_problem *problem)
{
    if (item->part != NULL) {
        item->part->status = status;
        item->part->problem = *problem;
    } else if (item->removal != NULL) {
        item->removal->status = status;
        item->removal->problem = *problem;
    } else if (item->expiry != NULL) {
        item->expiry->status = status;
        item->expiry->problem = *problem;
    } else {
        item->token->status = status;
        item->token->problem = *problem;
    }
}

void *mm_store_grow(void *list, size_t *count, size_t size)
{
    void **array = list; /* of whatever type: only the pointer itself is read and written */
    void *old, *grown;

    memcpy(&old, array, sizeof old);
    if ((*count & (*count - 1)) == 0) { /* a power of two: full */
        const size_t room = *count == 0 ? 1 : *count * 2;

        if (room < *count || room > SIZE_MAX / size)
            return NULL;
        grown = realloc(old, room * size);
        if (grown == NULL)
            return NULL;
        memcpy(array, &grown, sizeof grown);
        old = grown;
    }
    void *element = (char *)old + *count * size;

    memset(element, 0, size);
    ++*count;
    return element;
}

/* ------------------------------------------------------------------- order */

static int all_digits(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static int number_order(const char *a, const char *b)
{
    a += strspn(a, "0");
    b += strspn(b, "0");
    const size_t na = strlen(a), nb = strlen(b);

    return na != nb ? (na < nb ? -1 : 1) : strcmp(a, b);
}

int mm_part_order(const void *a, const void *b)
{
    const char *left = ((const mm_stored_part *)a)->name, *right = ((const mm_stored_part *)b)->name;
    const int left_digits = all_digits(left), right_digits = all_digits(right);

    if (left_digits != right_digits)
        return left_digits ? -1 : 1;
    const int order = left_digits ? number_order(left, right) : 0;

    return order != 0 ? order : strcmp(left, right);
}

/* ----------------------------------------------------------------- cursors */

/* The letter, then two numbers of 16 hex digits. */
#define CURSOR_LENGTH 33

char *mm_cursor_text(char kind, const mm_cursor *cursor)
{
    char *text = malloc(CURSOR_LENGTH + 1);

    if (text != NULL)
        snprintf(text, CURSOR_LENGTH + 1, "%c%016" PRIx64 "%016" PRIx64, kind, (uint64_t)cursor->first,
                 (uint64_t)cursor->second);
    return text;
}

static int64_t read_hex(const char *digits)
{
    uint64_t number = 0;

    for (int i = 0; i < 16; i++)
        number = number << 4 | (uint64_t)(digits[i] <= '9' ? digits[i] - '0' : digits[i] - 'a' + 10);
    return (int64_t)number;
}

int mm_cursor_read(const char *text, char kind, mm_cursor *cursor, mm_problem *problem)
{
    *cursor = (mm_cursor){INT64_MAX, INT64_MAX};
    if (text == NULL)
        return 1;
    if (text[0] != kind || strlen(text) != CURSOR_LENGTH || strspn(text + 1, "0123456789abcdef") != CURSOR_LENGTH - 1) {
        mm_store_explain(problem, "cursor", "cursor is not one that this list has given");
        return 0;
    }
    *cursor = (mm_cursor){read_hex(text + 1), read_hex(text + 17)};
    return 1;
}

/* ----------------------------------------------------------------- release */

void mm_stored_evaluation_free(mm_stored_evaluation *evaluation)
{
    if (evaluation == NULL)
        return;
    free((char *)evaluation->definition.classes);
    free((char *)evaluation->definition.scores);
    free((char *)evaluation->definition.weights);
    for (size_t i = 0; i < evaluation->part_count; i++) {
        free(evaluation->parts[i].name);
        free(evaluation->parts[i].record);
    }
    free(evaluation->parts);
    free(evaluation);
}

void mm_tags_free(mm_tag *tags, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(tags[i].name);
        free(tags[i].value);
    }
    free(tags);
}

void mm_run_list_free(mm_run_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++) {
        mm_run_row *row = &list->rows[i];

        free(row->run);
        for (size_t k = 0; k < row->split_count; k++)
            free(row->splits[k]);
        free(row->splits);
        mm_tags_free(row->tags, row->tag_count);
    }
    free(list->rows);
    free(list->next);
    free(list);
}

void mm_evaluation_list_free(mm_evaluation_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++) {
        mm_evaluation_row *row = &list->rows[i];

        free(row->split);
        for (size_t k = 0; k < row->score_count; k++)
            free(row->scores[k].name);
        free(row->scores);
    }
    free(list->rows);
    free(list->next);
    free(list);
}

void mm_series_list_free(mm_series_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->series_count; i++) {
        free(list->series[i].run);
        free(list->series[i].split);
        free(list->series[i].score);
    }
    for (size_t i = 0; i < list->class_count; i++)
        free(list->classes[i]);
    free(list->series);
    free(list->points);
    free(list->values);
    free(list->classes);
    free(list);
}

void mm_best_list_free(mm_best_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++) {
        free(list->rows[i].run);
        free(list->rows[i].split);
        free(list->rows[i].score);
    }
    free(list->rows);
    free(list);
}

void mm_name_list_free(mm_name_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++)
        free(list->rows[i].text);
    free(list->rows);
    free(list);
}

void mm_place_free(mm_place *place)
{
    free(place->run);
    free(place->split);
    *place = (mm_place){0};
}
