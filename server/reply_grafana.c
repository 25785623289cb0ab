/*
 * reply_grafana.c - rows for dashboards: every row has the same keys, numbers are numbers, undefined is null
 */
#include "server/reply_grafana.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/json.h"

#define NAME(json, literal) MM_JSON_NAME(json, literal)

const double mm_percentiles[MM_PERCENTILES] = {0, 5, 25, 50, 75, 95, 100};

static void put_value(mm_json *json, mm_value value)
{
    if (value.reason == MM_DEFINED)
        mm_json_number(json, value.value);
    else
        MM_JSON_RAW(json, "null");
}

static void put_reason(mm_json *json, mm_reason reason)
{
    NAME(json, "reason");
    mm_json_string(json, reason == MM_DEFINED ? NULL : mm_reason_text(reason));
}

static void begin(mm_json *json, size_t room)
{
    mm_json_begin(json, room + 256);
    mm_json_open(json, '{');
    NAME(json, "rows");
    mm_json_open(json, '[');
}

static void begin_meta(mm_json *json)
{
    mm_json_close(json, ']');
    NAME(json, "meta");
    mm_json_open(json, '{');
}

static char *end_meta(mm_json *json, size_t *size)
{
    mm_json_close(json, '}');
    mm_json_close(json, '}');
    return mm_json_end(json, size);
}

static char *end_rows(mm_json *json, size_t *size)
{
    mm_json_close(json, ']');
    mm_json_close(json, '}');
    return mm_json_end(json, size);
}

/* What the axis may call it.  A name that the registry does not know is an alias: then nothing is said. */
static const char *unit_of(const char *score)
{
    static const char *const distances[] = {
        "hd", "hausdorff", "assd", "asd", "average_surface_distance", "mean_surface_distance", "masd"};
    char name[64];
    const size_t length = strcspn(score, "(");
    const mm_score_info *info;

    if (length >= sizeof name)
        return "none";
    memcpy(name, score, length);
    name[length] = '\0';
    info = mm_score_find(name);
    if (info == NULL)
        return "none";
    for (size_t i = 0; i < sizeof distances / sizeof distances[0]; i++)
        if (strncmp(info->name, distances[i], strlen(distances[i])) == 0)
            return "mm";
    if (info->kind == MM_COUNT_KIND)
        return "voxels";
    return info->kind == MM_METRIC && info->better == MM_HIGHER ? "ratio" : "none";
}

static void put_score(mm_json *json, const char *score)
{
    NAME(json, "score");
    mm_json_string(json, score);
    NAME(json, "unit");
    mm_json_string(json, score != NULL ? unit_of(score) : "none");
}

/* ------------------------------------------------------------------- series */

/* A point with its series, to be put in order with those of others. */
typedef struct placed {
    const mm_point *point;
    size_t series, key; /* key: as it came, so that the order is total */
    int64_t x;
} placed;

static int by_x(const void *a, const void *b)
{
    const placed *left = a, *right = b;

    if (left->x != right->x)
        return left->x < right->x ? -1 : 1;
    return (left->key > right->key) - (left->key < right->key);
}

/* All points by x, then in the order of the series. */
static placed *in_order(const mm_series_list *list, int by_step)
{
    placed *all = malloc((list->point_count + 1) * sizeof *all);
    size_t filled = 0;

    if (all == NULL)
        return NULL;
    for (size_t s = 0; s < list->series_count; s++)
        for (size_t i = 0; i < list->series[s].point_count; i++) {
            const mm_point *point = &list->points[list->series[s].first + i];

            all[filled] =
                (placed){.point = point, .series = s, .key = filled, .x = by_step ? point->step : point->time};
            filled++;
        }
    qsort(all, filled, sizeof *all, by_x);
    return all;
}

static void open_row(mm_json *json, const mm_chart *chart, int64_t x)
{
    mm_json_open(json, '{');
    if (chart->by_step)
        NAME(json, "step");
    else
        NAME(json, "Time");
    mm_json_integer(json, x);
}

static void put_place(mm_json *json, const mm_chart *chart, const mm_series *series)
{
    if (chart->show_run) {
        NAME(json, "run");
        mm_json_string(json, series->run);
    }
    if (chart->show_split) {
        NAME(json, "split");
        mm_json_string(json, series->split);
    }
}

/* One row per point and class. */
static size_t put_long(mm_json *json, const mm_series_list *list, const mm_chart *chart, const placed *all)
{
    for (size_t i = 0; i < list->point_count; i++)
        for (size_t k = 0; k < all[i].point->value_count; k++) {
            const mm_class_value *value = &list->values[all[i].point->first + k];

            open_row(json, chart, all[i].x);
            put_place(json, chart, &list->series[all[i].series]);
            NAME(json, "class");
            mm_json_string(json, list->classes[value->class_index]);
            NAME(json, "Value");
            put_value(json, value->value);
            mm_json_close(json, '}');
        }
    return list->value_count;
}

/* One row per point: the score's own value. */
static size_t put_values(mm_json *json, const mm_series_list *list, const mm_chart *chart, const placed *all)
{
    mm_chart named = *chart;

    named.show_run = 1;
    for (size_t i = 0; i < list->point_count; i++) {
        open_row(json, chart, all[i].x);
        put_place(json, &named, &list->series[all[i].series]);
        NAME(json, "Value");
        put_value(json, all[i].point->value);
        mm_json_close(json, '}');
    }
    return list->point_count;
}

/* The names of the columns of a wide shape, which must not be that of x. */
static void put_key(mm_json *json, const char *name, const char *taken)
{
    char longer[320];

    if (strcmp(name, taken) == 0) {
        snprintf(longer, sizeof longer, "%.256s (class)", name);
        name = longer;
    }
    mm_json_string(json, name);
    mm_json_colon(json);
}

/* Columns of a wide shape: classes of one series, or runs. */
typedef struct columns {
    size_t count;
    char *const *names;     /* classes; NULL: runs, by series */
    unsigned char *defined; /* has it any value? */
    mm_value *row;          /* under construction */
} columns;

static const char *column_name(const columns *c, const mm_series_list *list, size_t i)
{
    return c->names != NULL ? c->names[i] : list->series[i].run;
}

static int open_columns(columns *c, const mm_series_list *list, const mm_chart *chart)
{
    *c = (columns){.count = list->series_count};
    if (chart->shape == MM_SHAPE_WIDE) {
        c->count = list->class_count;
        c->names = list->classes;
    }
    c->defined = calloc(c->count + 1, sizeof *c->defined);
    c->row = calloc(c->count + 1, sizeof *c->row);
    return c->defined != NULL && c->row != NULL;
}

static void close_columns(columns *c)
{
    free(c->defined);
    free(c->row);
}

static void find_defined(columns *c, const mm_series_list *list)
{
    if (c->names != NULL) {
        for (size_t i = 0; i < list->value_count; i++)
            c->defined[list->values[i].class_index] |= list->values[i].value.reason == MM_DEFINED;
        return;
    }
    for (size_t s = 0; s < list->series_count; s++)
        for (size_t i = 0; i < list->series[s].point_count; i++)
            c->defined[s] |= list->points[list->series[s].first + i].value.reason == MM_DEFINED;
}

/* The cells that a point fills. */
static void fill_row(columns *c, const mm_series_list *list, const placed *from)
{
    if (c->names == NULL) {
        c->row[from->series] = from->point->value;
        return;
    }
    for (size_t k = 0; k < from->point->value_count; k++) {
        const mm_class_value *value = &list->values[from->point->first + k];

        c->row[value->class_index] = value->value;
    }
}

static void put_row(mm_json *json, const columns *c, const mm_series_list *list, const mm_chart *chart, int64_t x)
{
    open_row(json, chart, x);
    for (size_t i = 0; i < c->count; i++)
        if (c->defined[i]) {
            put_key(json, column_name(c, list, i), chart->by_step ? "step" : "Time");
            put_value(json, c->row[i]);
        }
    mm_json_close(json, '}');
}

/* Points of the same x share a row.  Without any column there is nothing to draw, and no row. */
static size_t put_wide(mm_json *json, const mm_series_list *list, const mm_chart *chart, const placed *all,
                       const columns *with)
{
    columns c = *with;
    size_t rows = 0, defined = 0;

    for (size_t k = 0; k < c.count; k++)
        defined += c.defined[k];
    for (size_t i = 0; defined > 0 && i < list->point_count; rows++) {
        const int64_t x = all[i].x;

        for (size_t k = 0; k < c.count; k++)
            c.row[k] = (mm_value){0, MM_NOT_CHOSEN};
        for (; i < list->point_count && all[i].x == x; i++)
            fill_row(&c, list, &all[i]);
        put_row(json, &c, list, chart, x);
    }
    return rows;
}

/* Columns without a value would be taken for text, so they are only named. */
static void put_undefined(mm_json *json, const columns *c, const mm_series_list *list)
{
    NAME(json, "undefined");
    mm_json_open(json, '[');
    for (size_t i = 0; i < c->count; i++)
        if (!c->defined[i])
            mm_json_string(json, column_name(c, list, i));
    mm_json_close(json, ']');
}

static void put_series_meta(mm_json *json, const mm_series_list *list, const mm_chart *chart, size_t rows)
{
    size_t found = 0;

    for (size_t i = 0; i < list->series_count; i++)
        found += list->series[i].found;
    put_score(json, chart->score);
    NAME(json, "x");
    mm_json_string(json, chart->by_step ? "step" : "time");
    NAME(json, "order");
    mm_json_string(json, chart->by_step ? "step" : "time");
    NAME(json, "truncated");
    mm_json_boolean(json, list->truncated);
    NAME(json, "points");
    mm_json_count(json, rows);
    NAME(json, "evaluations");
    mm_json_count(json, list->point_count);
    NAME(json, "evaluations_found");
    mm_json_count(json, found);
}

char *mm_reply_series(const mm_series_list *list, const mm_chart *chart, size_t *size)
{
    const int wide = chart->shape == MM_SHAPE_WIDE || chart->shape == MM_SHAPE_WIDE_RUNS;
    placed *all = in_order(list, chart->by_step);
    columns c = {0};
    mm_json json;
    size_t rows;
    char *text = NULL;

    if (all == NULL || (wide && !open_columns(&c, list, chart)))
        goto done;
    begin(&json, 64 * (list->value_count + list->point_count));
    if (wide) {
        find_defined(&c, list);
        rows = put_wide(&json, list, chart, all, &c);
    } else {
        rows = (chart->shape == MM_SHAPE_LONG ? put_long : put_values)(&json, list, chart, all);
    }
    begin_meta(&json);
    put_series_meta(&json, list, chart, rows);
    if (wide)
        put_undefined(&json, &c, list);
    text = end_meta(&json, size);
done:
    close_columns(&c);
    free(all);
    return text;
}

/* ------------------------------------------------------------------- latest */

static void put_voxels(mm_json *json, int known, double voxels)
{
    if (known)
        mm_json_number(json, voxels);
    else
        MM_JSON_RAW(json, "null");
}

static void put_latest_class(mm_json *json, const mm_series_list *list, const mm_chart *chart, const mm_series *series,
                             const mm_class_value *value)
{
    mm_json_open(json, '{');
    put_place(json, chart, series);
    NAME(json, "class");
    mm_json_string(json, list->classes[value->class_index]);
    NAME(json, "Value");
    put_value(json, value->value);
    NAME(json, "label_voxels");
    put_voxels(json, value->has_voxels, value->label_voxels);
    NAME(json, "pred_voxels");
    put_voxels(json, value->has_voxels, value->pred_voxels);
    put_reason(json, value->value.reason);
    mm_json_close(json, '}');
}

static void put_latest_value(mm_json *json, const mm_series *series, const mm_point *point)
{
    mm_json_open(json, '{');
    NAME(json, "run");
    mm_json_string(json, series->run);
    NAME(json, "split");
    mm_json_string(json, series->split);
    NAME(json, "step");
    mm_json_integer(json, point->step);
    NAME(json, "Time");
    mm_json_integer(json, point->time);
    NAME(json, "Value");
    put_value(json, point->value);
    put_reason(json, point->value.reason);
    mm_json_close(json, '}');
}

char *mm_reply_latest(const mm_series_list *list, const mm_chart *chart, size_t *size)
{
    mm_json json;

    begin(&json, 128 * (list->value_count + list->point_count));
    for (size_t s = 0; s < list->series_count; s++) {
        const mm_series *series = &list->series[s];
        const mm_point *point = &list->points[series->first];

        if (chart->shape == MM_SHAPE_VALUE)
            put_latest_value(&json, series, point);
        else
            for (size_t k = 0; k < point->value_count; k++)
                put_latest_class(&json, list, chart, series, &list->values[point->first + k]);
    }
    begin_meta(&json);
    put_score(&json, chart->score);
    NAME(&json, "truncated");
    mm_json_boolean(&json, list->truncated);
    if (list->series_count == 1) {
        const mm_point *point = &list->points[list->series[0].first];

        NAME(&json, "run");
        mm_json_string(&json, list->series[0].run);
        NAME(&json, "split");
        mm_json_string(&json, list->series[0].split);
        NAME(&json, "step");
        mm_json_integer(&json, point->step);
        NAME(&json, "time");
        mm_json_integer(&json, point->time);
    }
    return end_meta(&json, size);
}

/* --------------------------------------------------------------------- best */

char *mm_reply_best(const mm_best_list *list, size_t *size)
{
    mm_json json;

    begin(&json, 192 * list->count);
    for (size_t i = 0; i < list->count; i++) {
        const mm_best *best = &list->rows[i];

        mm_json_open(&json, '{');
        NAME(&json, "run");
        mm_json_string(&json, best->run);
        NAME(&json, "split");
        mm_json_string(&json, best->split);
        NAME(&json, "score");
        mm_json_string(&json, best->score);
        NAME(&json, "better");
        mm_json_string(&json, best->better == MM_LOWER ? "lower" : "higher");
        NAME(&json, "step");
        mm_json_integer(&json, best->step);
        NAME(&json, "Time");
        mm_json_integer(&json, best->time);
        NAME(&json, "Value");
        mm_json_number(&json, best->value);
        NAME(&json, "next");
        put_value(&json, best->next);
        mm_json_close(&json, '}');
    }
    begin_meta(&json);
    NAME(&json, "truncated");
    mm_json_boolean(&json, list->truncated);
    return end_meta(&json, size);
}

/* "step 1200: dice 0.871 (+0.004)": how far it is ahead of the next best, in the direction of the value. */
static void put_annotation_text(mm_json *json, const mm_best *best, const mm_chart *chart)
{
    char text[1024], ahead[48] = "";

    if (best->next.reason == MM_DEFINED)
        snprintf(ahead, sizeof ahead, " (%+.2g)", best->value - best->next.value);
    snprintf(text, sizeof text, "%.256s%sstep %" PRId64 ": %.512s %.4g%s", chart->show_run ? best->run : "",
             chart->show_run ? ", " : "", best->step, best->score, best->value, ahead);
    mm_json_string(json, text);
}

static void put_annotation(mm_json *json, const mm_best *best, const mm_chart *chart)
{
    char text[1024];

    mm_json_open(json, '{');
    NAME(json, "time");
    mm_json_integer(json, best->time);
    NAME(json, "timeEnd");
    mm_json_integer(json, best->time);
    NAME(json, "title");
    snprintf(text, sizeof text, "best %.256s/%.512s", best->split, best->score);
    mm_json_string(json, text);
    NAME(json, "text");
    put_annotation_text(json, best, chart);
    NAME(json, "tags");
    snprintf(text, sizeof text, "best,%.256s", best->split);
    mm_json_string(json, text);
    mm_json_close(json, '}');
}

static int by_time(const void *a, const void *b)
{
    const mm_best *left = *(const mm_best *const *)a, *right = *(const mm_best *const *)b;

    if (left->time != right->time)
        return left->time < right->time ? -1 : 1;
    return (left > right) - (left < right);
}

char *mm_reply_annotations(const mm_best_list *list, const mm_chart *chart, int64_t from, int64_t to, size_t *size)
{
    const mm_best **sorted = malloc((list->count + 1) * sizeof(const mm_best *));
    size_t count = 0;
    mm_json json;

    if (sorted == NULL)
        return NULL;
    for (size_t i = 0; i < list->count; i++)
        if (list->rows[i].time >= from && list->rows[i].time <= to)
            sorted[count++] = &list->rows[i];
    qsort(sorted, count, sizeof(const mm_best *), by_time);
    begin(&json, 256 * count);
    for (size_t i = 0; i < count; i++)
        put_annotation(&json, sorted[i], chart);
    free(sorted);
    return end_rows(&json, size);
}

/* -------------------------------------------------------------------- names */

char *mm_reply_names(const mm_name_list *list, int with_day, size_t *size)
{
    char text[320], day[32];
    mm_json json;

    begin(&json, 96 * list->count);
    for (size_t i = 0; i < list->count; i++) {
        const mm_name *name = &list->rows[i];
        const time_t seconds = (time_t)(name->updated / 1000);
        struct tm utc;

        mm_json_open(&json, '{');
        NAME(&json, "__text");
        if (with_day && gmtime_r(&seconds, &utc) != NULL && strftime(day, sizeof day, "%Y-%m-%d", &utc) > 0) {
            snprintf(text, sizeof text, "%.256s (%s)", name->text, day);
            mm_json_string(&json, text);
        } else {
            mm_json_string(&json, name->text);
        }
        NAME(&json, "__value");
        mm_json_string(&json, name->text);
        mm_json_close(&json, '}');
    }
    return end_rows(&json, size);
}

/* --------------------------------------------------------- one evaluation's images */

static void put_evaluation_meta(mm_json *json, const mm_place *place)
{
    if (place->run == NULL)
        return;
    NAME(json, "run");
    mm_json_string(json, place->run);
    NAME(json, "split");
    mm_json_string(json, place->split);
    NAME(json, "step");
    mm_json_integer(json, place->step);
    NAME(json, "time");
    mm_json_integer(json, place->time);
}

/* Row = label, column = prediction. */
static void put_confusion_row(mm_json *json, const uint64_t *counts, char *const *names, size_t classes, size_t row)
{
    mm_json_open(json, '{');
    NAME(json, "reference");
    mm_json_string(json, names[row]);
    for (size_t c = 0; c < classes; c++) {
        put_key(json, names[c], "reference");
        mm_json_count(json, counts[row * classes + c]);
    }
    mm_json_close(json, '}');
}

/* Independent masks: each class has a table of its own. */
static void put_mask_row(mm_json *json, const uint64_t *counts, char *const *names, size_t row)
{
    mm_json_open(json, '{');
    NAME(json, "reference");
    mm_json_string(json, names[row]);
    NAME(json, "tn");
    mm_json_count(json, counts[4 * row]);
    NAME(json, "fp");
    mm_json_count(json, counts[4 * row + 1]);
    NAME(json, "fn");
    mm_json_count(json, counts[4 * row + 2]);
    NAME(json, "tp");
    mm_json_count(json, counts[4 * row + 3]);
    mm_json_close(json, '}');
}

char *mm_reply_confusion(const mm_images *images, char *const *class_names, const mm_place *place, size_t *size)
{
    const size_t classes = images != NULL ? mm_images_classes(images) : 0;
    const int masks = images != NULL && mm_images_task(images) == MM_MULTILABEL;
    uint64_t *counts = calloc(classes * (masks ? 4 : classes) + 1, sizeof *counts);
    mm_json json;

    if (counts == NULL)
        return NULL;
    begin(&json, classes * (masks ? 4 : classes) * 24);
    const size_t rows = images != NULL && mm_images_confusion(images, counts) ? classes : 0;

    for (size_t row = 0; row < rows; row++)
        if (masks)
            put_mask_row(&json, counts, class_names, row);
        else
            put_confusion_row(&json, counts, class_names, classes, row);
    free(counts);
    begin_meta(&json);
    put_evaluation_meta(&json, place);
    return end_meta(&json, size);
}

char *mm_reply_worst(const mm_image_value *values, size_t count, size_t found, const char *score, const mm_place *place,
                     size_t *size)
{
    mm_json json;

    begin(&json, 96 * count);
    for (size_t i = 0; i < count; i++) {
        mm_json_open(&json, '{');
        NAME(&json, "image");
        mm_json_string(&json, values[i].image);
        NAME(&json, "class");
        mm_json_string(&json, values[i].class_name);
        NAME(&json, "Value");
        put_value(&json, values[i].value);
        put_reason(&json, values[i].value.reason);
        mm_json_close(&json, '}');
    }
    begin_meta(&json);
    put_score(&json, score);
    put_evaluation_meta(&json, place);
    NAME(&json, "truncated");
    mm_json_boolean(&json, found > count);
    NAME(&json, "found");
    mm_json_count(&json, found);
    return end_meta(&json, size);
}

static void put_distribution(mm_json *json, const mm_distribution *row)
{
    char key[16];

    mm_json_open(json, '{');
    NAME(json, "class");
    mm_json_string(json, row->class_name);
    NAME(json, "images");
    mm_json_count(json, row->images);
    NAME(json, "mean");
    put_voxels(json, row->images > 0, row->mean);
    for (size_t i = 0; i < MM_PERCENTILES; i++) {
        const int length = snprintf(key, sizeof key, "p%g", mm_percentiles[i]);

        mm_json_name(json, key, (size_t)length);
        put_voxels(json, row->images > 0, row->at[i]);
    }
    mm_json_close(json, '}');
}

char *mm_reply_distributions(const mm_distribution *rows, size_t count, const char *score, const mm_place *place,
                             size_t *size)
{
    mm_json json;

    begin(&json, 192 * count);
    for (size_t i = 0; i < count; i++)
        put_distribution(&json, &rows[i]);
    begin_meta(&json);
    put_score(&json, score);
    put_evaluation_meta(&json, place);
    return end_meta(&json, size);
}
