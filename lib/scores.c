/*
 * scores.c - joins the families: rows by index and by name, and the nearest name.
 */
#include "lib/scores.h"

#include <string.h>

#include "lib/peer.h"

static const mm_score_family *const natural[] = {
    &mm_scores_overlap,     &mm_scores_joint,      &mm_scores_agreement, &mm_scores_entropy,
    &mm_scores_focal,       &mm_scores_compound,   &mm_scores_confusion, &mm_scores_table,
    &mm_scores_calibration, &mm_scores_order,      &mm_scores_rank,      &mm_scores_window,
    &mm_scores_skeleton,    &mm_scores_components, &mm_scores_distance,  &mm_scores_border,
};

/* Row `index` of the families in `list`; *index is lowered by their rows when they do not reach it. */
static const mm_score *row_of(const mm_score_family *const *list, size_t count, size_t *index)
{
    for (size_t f = 0; f < count; f++) {
        if (*index < list[f]->count)
            return &list[f]->rows[*index];
        *index -= list[f]->count;
    }
    return NULL;
}

const mm_score *mm_row_at(size_t index)
{
    const mm_score *row = row_of(natural, MM_COUNT(natural), &index);

    return row != NULL ? row : row_of(mm_peers, mm_peer_count, &index);
}

/* Copies the next name of a comma separated list into `name`; returns what follows it, NULL at the end. */
static const char *next_alias(const char *list, char name[64])
{
    size_t length = strcspn(list, ",");
    const char *after = list + length;

    if (length > 63)
        length = 63;
    memcpy(name, list, length);
    name[length] = '\0';
    return *after == ',' ? after + 1 : NULL;
}

static int has_alias(const mm_score_info *info, const char *name)
{
    const char *list = info->aliases;
    char alias[64];

    while (list != NULL) {
        list = next_alias(list, alias);
        if (strcmp(alias, name) == 0)
            return 1;
    }
    return 0;
}

const mm_score *mm_row_find(const char *name)
{
    const mm_score *row;

    for (size_t i = 0; (row = mm_row_at(i)) != NULL; i++)
        if (strcmp(row->info.name, name) == 0 || has_alias(&row->info, name))
            return row;
    return NULL;
}

const mm_score_info *mm_score_at(size_t index)
{
    const mm_score *row = mm_row_at(index);

    return row == NULL ? NULL : &row->info;
}

const mm_score_info *mm_score_find(const char *name)
{
    const mm_score *row = mm_row_find(name);

    return row == NULL ? NULL : &row->info;
}

/* ------------------------------------------------------------ nearest name */

#define LONGEST 64 /* names that take part in a comparison */

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: three rows of the table are enough. */
size_t mm_edit_distance(const char *a, const char *b, size_t limit)
{
    const size_t m = strlen(a), n = strlen(b);
    size_t rows[3][LONGEST + 1];

    if (m > LONGEST || n > LONGEST || (m > n ? m - n : n - m) > limit)
        return limit + 1;
    for (size_t j = 0; j <= n; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t *now = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= n; j++) {
            const char x = lower(a[i - 1]), y = lower(b[j - 1]);

            now[j] = least(least(above[j], now[j - 1]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]))
                now[j] = least(now[j], before[j - 2] + 1);
        }
    }
    return least(rows[m % 3][n], limit + 1);
}

size_t mm_edit_limit(const char *name)
{
    const size_t half = strlen(name) / 2;

    return half < 1 ? 1 : half;
}

/* Lowers *best to the distance of the nearest of a row's names; 1 when it did. */
static int nearer(const mm_score_info *info, const char *name, size_t *best)
{
    const char *list = info->aliases;
    char alias[64];
    size_t distance = mm_edit_distance(name, info->name, *best);

    while (list != NULL) {
        list = next_alias(list, alias);
        distance = least(distance, mm_edit_distance(name, alias, *best));
    }
    if (distance >= *best)
        return 0;
    *best = distance;
    return 1;
}

const char *mm_row_nearest(const char *name, size_t limit)
{
    const char *nearest = NULL;
    const mm_score *row;
    size_t best = limit + 1;

    for (size_t i = 0; (row = mm_row_at(i)) != NULL; i++)
        if (nearer(&row->info, name, &best))
            nearest = row->info.name;
    return nearest;
}

const char *mm_score_nearest(const char *name)
{
    return mm_row_nearest(name, mm_edit_limit(name));
}
