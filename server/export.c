/*
 * export.c - CSV, nnU-Net's summary.json, grand-challenge's metrics.json, MLflow's log-batch as JSON lines
 */
#include "server/export.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/json.h"

#define NAME(json, literal) MM_JSON_NAME(json, literal)

const char *mm_export_scores(mm_export_format format)
{
    return format == MM_EXPORT_NNUNET ? "tp,fp,fn,tn" : NULL;
}

const char *mm_export_type(mm_export_format format)
{
    return format == MM_EXPORT_CSV      ? "text/csv; charset=utf-8; header=present"
           : format == MM_EXPORT_MLFLOW ? "application/jsonl"
                                        : "application/json";
}

static size_t image_count(const mm_exported *what)
{
    return mm_images_count(what->stored->images);
}

static size_t class_count(const mm_exported *what)
{
    return mm_images_classes(what->stored->images);
}

static const mm_result *result_at(const mm_exported *what, size_t index)
{
    return mm_results_at(what->stored->results, index);
}

static mm_value value_at(const mm_result *result, size_t image, size_t column)
{
    return result->per_image[image * result->columns + column];
}

/* The class of a column of per_image; NULL for a joint score. */
static const char *class_of(const mm_exported *what, const mm_result *result, size_t column)
{
    return result->per_class != NULL ? what->stored->class_names[column] : NULL;
}

/* ---------------------------------------------------------------------- CSV */

/* Text that grows; the JSON buffer serves, its commas unused. */
static void put_bytes(mm_json *out, const char *bytes, size_t size)
{
    out->comma = 0;
    mm_json_raw(out, bytes, size);
    out->comma = 0;
}

static void put_text(mm_json *out, const char *text)
{
    put_bytes(out, text, strlen(text));
}

/* A cell of text.  Programs that take a cell beginning with one of = + - @ for a formula are given an apostrophe before
 * it, which makes it text. */
static void put_cell(mm_json *out, const char *text)
{
    const int formula = text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL;

    if (!formula && strpbrk(text, ",\"\r\n") == NULL) {
        put_text(out, text);
        return;
    }
    put_text(out, formula ? "\"'" : "\"");
    for (size_t length; *text != '\0'; text += length) {
        length = strcspn(text, "\"");
        put_bytes(out, text, length);
        if (text[length] == '"') {
            put_text(out, "\"\"");
            length++;
        }
    }
    put_text(out, "\"");
}

static void put_csv_row(mm_json *out, const mm_exported *what, const char *image, const char *class_name,
                        const char *score, mm_value value)
{
    char number[MM_NUMBER_ROOM];

    put_cell(out, what->run);
    put_text(out, ",");
    put_cell(out, what->split);
    snprintf(number, sizeof number, ",%" PRId64 ",", what->step);
    put_text(out, number);
    put_cell(out, image);
    put_text(out, ",");
    put_cell(out, class_name != NULL ? class_name : "");
    put_text(out, ",");
    put_cell(out, score);
    put_text(out, ",");
    if (value.reason == MM_DEFINED)
        put_bytes(out, number, mm_number_text(value.value, number));
    put_text(out, ",");
    put_text(out, value.reason == MM_DEFINED ? "" : mm_reason_text(value.reason));
    put_text(out, "\r\n");
}

/* A score without values per image has one row per class, or one in all, without an image. */
static void put_csv_whole(mm_json *out, const mm_exported *what, const char *score, const mm_result *result)
{
    if (result->per_class == NULL && result->rank == 0)
        put_csv_row(out, what, "", NULL, score, result->value);
    for (size_t c = 0; result->per_class != NULL && c < class_count(what); c++)
        if (result->per_class[c].reason != MM_NOT_CHOSEN)
            put_csv_row(out, what, "", what->stored->class_names[c], score, result->per_class[c]);
}

static char *export_csv(const mm_exported *what, size_t *size)
{
    const mm_plan *plan = what->stored->plan;
    mm_json out;

    mm_json_begin(&out, 4096);
    put_text(&out, "run,split,step,image,class,score,value,reason\r\n");
    for (size_t n = 0; n < image_count(what); n++)
        for (size_t i = 0; i < mm_plan_count(plan); i++) {
            const mm_result *result = result_at(what, i);

            for (size_t c = 0; result->per_image != NULL && c < result->columns; c++)
                if (value_at(result, n, c).reason != MM_NOT_CHOSEN)
                    put_csv_row(&out, what, mm_images_id(what->stored->images, n), class_of(what, result, c),
                                mm_plan_name(plan, i), value_at(result, n, c));
        }
    for (size_t i = 0; i < mm_plan_count(plan); i++)
        if (result_at(what, i)->per_image == NULL)
            put_csv_whole(&out, what, mm_plan_name(plan, i), result_at(what, i));
    return mm_json_end(&out, size);
}

/* ------------------------------------------------------------------- nnU-Net */

/* The metrics of nnU-Net's evaluation, in its order. */
enum { N_DICE, N_IOU, N_FP, N_TP, N_FN, N_TN, N_PRED, N_REF, N_METRICS };

static const char *const nnunet_names[N_METRICS] = {"Dice", "IoU", "FP", "TP", "FN", "TN", "n_pred", "n_ref"};

/* Of one image and class; NaN: not defined. */
static void nnunet_metrics(const mm_exported *what, size_t image, size_t class_index, double out[N_METRICS])
{
    double counts[4];

    for (size_t i = 0; i < 4; i++) {
        const mm_result *result = result_at(what, i);
        const mm_value value =
            result->per_image != NULL ? value_at(result, image, class_index) : (mm_value){0, MM_NOT_IN_SUMS};

        counts[i] = value.reason == MM_DEFINED ? value.value : (double)NAN;
    }
    const double tp = counts[0], fp = counts[1], fn = counts[2];
    const int empty = tp + fp + fn == 0.0;

    out[N_DICE] = empty ? (double)NAN : 2 * tp / (2 * tp + fp + fn);
    out[N_IOU] = empty ? (double)NAN : tp / (tp + fp + fn);
    out[N_FP] = fp;
    out[N_TP] = tp;
    out[N_FN] = fn;
    out[N_TN] = counts[3];
    out[N_PRED] = fp + tp;
    out[N_REF] = fn + tp;
}

static void put_nnunet_metrics(mm_json *json, const double metrics[N_METRICS])
{
    mm_json_open(json, '{');
    for (size_t m = 0; m < N_METRICS; m++) {
        mm_json_name(json, nnunet_names[m], strlen(nnunet_names[m]));
        mm_json_number(json, metrics[m]);
    }
    mm_json_close(json, '}');
}

static void put_class_key(mm_json *json, size_t class_index)
{
    char key[24];
    const int length = snprintf(key, sizeof key, "%zu", class_index);

    mm_json_name(json, key, (size_t)length);
}

/* A sum and how many it is of: means leave out what is not defined. */
typedef struct mean {
    double sum;
    size_t count;
} mean;

static double mean_of(const mean *m)
{
    return m->count > 0 ? m->sum / (double)m->count : (double)NAN;
}

static void put_nnunet_case(mm_json *json, const mm_exported *what, size_t image, size_t first, mean *means)
{
    mm_json_open(json, '{');
    NAME(json, "metrics");
    mm_json_open(json, '{');
    for (size_t c = first; c < class_count(what); c++) {
        double metrics[N_METRICS];

        nnunet_metrics(what, image, c, metrics);
        put_class_key(json, c);
        put_nnunet_metrics(json, metrics);
        for (size_t m = 0; m < N_METRICS; m++)
            if (isfinite(metrics[m])) {
                means[c * N_METRICS + m].sum += metrics[m];
                means[c * N_METRICS + m].count++;
            }
    }
    mm_json_close(json, '}');
    NAME(json, "prediction_file");
    mm_json_string(json, mm_images_id(what->stored->images, image));
    NAME(json, "reference_file");
    mm_json_string(json, mm_images_id(what->stored->images, image));
    mm_json_close(json, '}');
}

static void put_nnunet_means(mm_json *json, const mm_exported *what, size_t first, const mean *means)
{
    mean all[N_METRICS] = {{0}};
    double metrics[N_METRICS];

    NAME(json, "mean");
    mm_json_open(json, '{');
    for (size_t c = first; c < class_count(what); c++) {
        for (size_t m = 0; m < N_METRICS; m++) {
            metrics[m] = mean_of(&means[c * N_METRICS + m]);
            if (isfinite(metrics[m])) {
                all[m].sum += metrics[m];
                all[m].count++;
            }
        }
        put_class_key(json, c);
        put_nnunet_metrics(json, metrics);
    }
    mm_json_close(json, '}');
    for (size_t m = 0; m < N_METRICS; m++)
        metrics[m] = mean_of(&all[m]);
    NAME(json, "foreground_mean");
    put_nnunet_metrics(json, metrics);
}

/* Class 0 of exclusive classes is the background, which nnU-Net does not list. */
static char *export_nnunet(const mm_exported *what, size_t *size)
{
    const size_t first = mm_images_task(what->stored->images) == MM_MULTICLASS ? 1 : 0;
    mean *means = calloc(class_count(what) * N_METRICS + 1, sizeof *means);
    mm_json json;

    if (means == NULL)
        return NULL;
    mm_json_begin(&json, 4096);
    mm_json_open(&json, '{');
    NAME(&json, "metric_per_case");
    mm_json_open(&json, '[');
    for (size_t n = 0; n < image_count(what); n++)
        put_nnunet_case(&json, what, n, first, means);
    mm_json_close(&json, ']');
    put_nnunet_means(&json, what, first, means);
    mm_json_close(&json, '}');
    free(means);
    return mm_json_end(&json, size);
}

/* ----------------------------------------------------------- grand-challenge */

/* "dice/liver", or "dice". */
static void put_column_key(mm_json *json, const mm_exported *what, size_t index, const mm_result *result, size_t column)
{
    const char *class_name = class_of(what, result, column), *score = mm_plan_name(what->stored->plan, index);
    const size_t room = strlen(score) + (class_name != NULL ? strlen(class_name) : 0) + 2;
    char *key = malloc(room);

    if (key == NULL) {
        json->failed = 1;
        return;
    }
    snprintf(key, room, "%s%s%s", score, class_name != NULL ? "/" : "", class_name != NULL ? class_name : "");
    mm_json_string(json, key);
    mm_json_colon(json);
    free(key);
}

static void put_or_null(mm_json *json, mm_value value)
{
    if (value.reason == MM_DEFINED)
        mm_json_number(json, value.value);
    else
        MM_JSON_RAW(json, "null");
}

static void put_case_column(mm_json *json, const mm_exported *what, const mm_result *result, size_t column)
{
    mm_json_open(json, '{');
    for (size_t n = 0; n < image_count(what); n++) {
        put_class_key(json, n);
        put_or_null(json, value_at(result, n, column));
    }
    mm_json_close(json, '}');
}

static int ascending(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* Of the defined values: how many, mean, standard deviation of a sample, quartiles. */
static void put_aggregate(mm_json *json, const mm_exported *what, const mm_result *result, size_t column,
                          double *values)
{
    size_t count = 0;
    double sum = 0.0, squares = 0.0;

    for (size_t n = 0; n < image_count(what); n++)
        if (value_at(result, n, column).reason == MM_DEFINED)
            values[count++] = value_at(result, n, column).value;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    const double average = count > 0 ? sum / (double)count : (double)NAN;

    for (size_t i = 0; i < count; i++)
        squares += (values[i] - average) * (values[i] - average);
    qsort(values, count, sizeof *values, ascending);
    mm_json_open(json, '{');
    NAME(json, "count");
    mm_json_count(json, count);
    NAME(json, "mean");
    mm_json_number(json, average);
    NAME(json, "std");
    mm_json_number(json, count > 1 ? sqrt(squares / (double)(count - 1)) : (double)NAN);
    NAME(json, "min");
    mm_json_number(json, count > 0 ? values[0] : (double)NAN);
    NAME(json, "25%");
    mm_json_number(json, count > 0 ? mm_quantile(values, count, 0.25) : (double)NAN);
    NAME(json, "50%");
    mm_json_number(json, count > 0 ? mm_quantile(values, count, 0.5) : (double)NAN);
    NAME(json, "75%");
    mm_json_number(json, count > 0 ? mm_quantile(values, count, 0.75) : (double)NAN);
    NAME(json, "max");
    mm_json_number(json, count > 0 ? values[count - 1] : (double)NAN);
    mm_json_close(json, '}');
}

/* Calls for every column of a score that has values per image; the aggregates also hold the others' values. */
static void put_columns(mm_json *json, const mm_exported *what, double *values)
{
    const mm_plan *plan = what->stored->plan;

    for (size_t i = 0; i < mm_plan_count(plan); i++) {
        const mm_result *result = result_at(what, i);

        for (size_t c = 0; result->per_image != NULL && c < result->columns; c++) {
            if (result->per_class != NULL && result->per_class[c].reason == MM_NOT_CHOSEN)
                continue;
            put_column_key(json, what, i, result, c);
            if (values == NULL)
                put_case_column(json, what, result, c);
            else
                put_aggregate(json, what, result, c, values);
        }
        if (values != NULL && result->per_image == NULL && result->rank == 0) {
            mm_json_string(json, mm_plan_name(plan, i));
            mm_json_colon(json);
            put_or_null(json, result->value);
        }
    }
}

static char *export_grand_challenge(const mm_exported *what, size_t *size)
{
    double *values = calloc(image_count(what) + 1, sizeof *values);
    mm_json json;

    if (values == NULL)
        return NULL;
    mm_json_begin(&json, 4096);
    mm_json_open(&json, '{');
    NAME(&json, "case");
    mm_json_open(&json, '{');
    NAME(&json, "image");
    mm_json_open(&json, '{');
    for (size_t n = 0; n < image_count(what); n++) {
        put_class_key(&json, n);
        mm_json_string(&json, mm_images_id(what->stored->images, n));
    }
    mm_json_close(&json, '}');
    put_columns(&json, what, NULL);
    mm_json_close(&json, '}');
    NAME(&json, "aggregates");
    mm_json_open(&json, '{');
    put_columns(&json, what, values);
    mm_json_close(&json, '}');
    mm_json_close(&json, '}');
    free(values);
    return mm_json_end(&json, size);
}

/* --------------------------------------------------------------------- MLflow */

#define BATCH_METRICS 1000   /* MLflow takes no more at once, */
#define BATCH_BYTES   900000 /* nor more than 1 MB */
#define KEY_BYTES     250    /* of a metric's name */

static int is_alphanumeric(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* One segment of a name as MLflow takes it: letters, digits, "_", "-", "." and blanks; anything else, and a segment of
 * dots, becomes the code of the character in "_", so that two names never become one. */
static size_t put_segment(char *out, size_t room, const char *text)
{
    const int dots = strcmp(text, ".") == 0 || strcmp(text, "..") == 0;
    size_t filled = 0;

    for (const unsigned char *c = (const unsigned char *)text; *c != '\0' && filled + 8 < room;) {
        const int plain = *c < 0x80 && strchr("_-. ", *c) != NULL;
        unsigned long code = *c;
        int more = *c >= 0xF0 ? 3 : *c >= 0xE0 ? 2 : *c >= 0xC0 ? 1 : 0;

        if (is_alphanumeric(*c) || (plain && !(dots && *c == '.'))) {
            out[filled++] = (char)*c++;
            continue;
        }
        if (more > 0)
            code &= 0x3FUL >> more;
        for (c++; more > 0 && (*c & 0xC0) == 0x80; c++, more--)
            code = code << 6 | (*c & 0x3FUL);
        filled += (size_t)snprintf(out + filled, room - filled, "_%lx_", code);
    }
    out[filled] = '\0';
    return filled;
}

/* The lines that are being written: each a batch of its own. */
typedef struct batches {
    mm_json json;
    const mm_exported *what;
    size_t metrics, began; /* of the open line */
} batches;

static void open_batch(batches *b)
{
    b->began = b->json.size;
    b->metrics = 0;
    b->json.comma = 0;
    mm_json_open(&b->json, '{');
    NAME(&b->json, "run_id");
    mm_json_string(&b->json, b->what->run);
    NAME(&b->json, "metrics");
    mm_json_open(&b->json, '[');
}

static void close_batch(batches *b)
{
    mm_json_close(&b->json, ']');
    mm_json_close(&b->json, '}');
    put_text(&b->json, "\n");
}

/* What is not defined is left out: MLflow has no word for it. */
static void put_metric(batches *b, const char *score, const char *class_name, mm_value value)
{
    char key[KEY_BYTES + 1];
    size_t filled;

    if (value.reason != MM_DEFINED)
        return;
    if (b->metrics == BATCH_METRICS || b->json.size - b->began > BATCH_BYTES) {
        close_batch(b);
        open_batch(b);
    }
    filled = put_segment(key, sizeof key - 2, b->what->split);
    key[filled++] = '/';
    filled += put_segment(key + filled, sizeof key - filled, score);
    if (class_name != NULL && filled + 1 < sizeof key) {
        key[filled++] = '/';
        (void)put_segment(key + filled, sizeof key - filled, class_name);
    }
    mm_json_open(&b->json, '{');
    NAME(&b->json, "key");
    mm_json_string(&b->json, key);
    NAME(&b->json, "value");
    mm_json_number(&b->json, value.value);
    NAME(&b->json, "timestamp");
    mm_json_integer(&b->json, b->what->stored->evaluation->time);
    NAME(&b->json, "step");
    mm_json_integer(&b->json, b->what->step);
    mm_json_close(&b->json, '}');
    b->metrics++;
}

static char *export_mlflow(const mm_exported *what, size_t *size)
{
    const mm_plan *plan = what->stored->plan;
    batches b = {.what = what};

    mm_json_begin(&b.json, 4096);
    open_batch(&b);
    for (size_t i = 0; i < mm_plan_count(plan); i++) {
        const mm_result *result = result_at(what, i);

        if (result->rank == 0)
            put_metric(&b, mm_plan_name(plan, i), NULL, result->value);
        for (size_t c = 0; result->per_class != NULL && c < class_count(what); c++)
            put_metric(&b, mm_plan_name(plan, i), what->stored->class_names[c], result->per_class[c]);
    }
    close_batch(&b);
    return mm_json_end(&b.json, size);
}

/* ------------------------------------------------------------------------ size */

#define CSV_ROW      100 /* bytes beside the names: step, value, reason, commas, quotes */
#define NNUNET_CLASS 360 /* eight names and numbers */
#define CASE_VALUE   48  /* its key and a number */
#define AGGREGATE    320
#define METRIC       400 /* its key is cut */

/* All names of images, and of classes. */
static size_t ids_size(const mm_exported *what)
{
    size_t size = 0;

    for (size_t n = 0; n < image_count(what); n++)
        size += strlen(mm_images_id(what->stored->images, n));
    return size;
}

static size_t names_size(const mm_exported *what)
{
    size_t size = 0;

    for (size_t c = 0; c < class_count(what); c++)
        size += strlen(what->stored->class_names[c]);
    return size;
}

/* Every class of every image has a row for each score. */
static size_t csv_size(const mm_exported *what)
{
    const mm_plan *plan = what->stored->plan;
    const size_t fixed = strlen(what->run) + strlen(what->split) + CSV_ROW, images = image_count(what) + 1;
    const size_t names = class_count(what) * ids_size(what) + images * names_size(what);
    size_t size = 0;

    for (size_t i = 0; i < mm_plan_count(plan); i++)
        size += images * class_count(what) * (fixed + strlen(mm_plan_name(plan, i))) + names;
    return size;
}

static size_t grand_challenge_size(const mm_exported *what)
{
    const mm_plan *plan = what->stored->plan;
    size_t size = ids_size(what) + image_count(what) * CASE_VALUE;

    for (size_t i = 0; i < mm_plan_count(plan); i++)
        size += class_count(what) * (image_count(what) * CASE_VALUE + AGGREGATE + 2 * strlen(mm_plan_name(plan, i))) +
                2 * names_size(what);
    return size;
}

size_t mm_export_size(const mm_exported *what, mm_export_format format)
{
    switch (format) {
    case MM_EXPORT_CSV:
        return csv_size(what);
    case MM_EXPORT_NNUNET:
        return (image_count(what) + 2) * class_count(what) * NNUNET_CLASS + 2 * ids_size(what);
    case MM_EXPORT_GRAND_CHALLENGE:
        return grand_challenge_size(what);
    case MM_EXPORT_MLFLOW:
        return mm_plan_count(what->stored->plan) * (class_count(what) + 1) * METRIC;
    case MM_EXPORT_JSON:
        break;
    }
    return 0;
}

char *mm_export(const mm_exported *what, mm_export_format format, size_t *size)
{
    switch (format) {
    case MM_EXPORT_CSV:
        return export_csv(what, size);
    case MM_EXPORT_NNUNET:
        return export_nnunet(what, size);
    case MM_EXPORT_GRAND_CHALLENGE:
        return export_grand_challenge(what, size);
    case MM_EXPORT_MLFLOW:
        return export_mlflow(what, size);
    case MM_EXPORT_JSON:
        break;
    }
    return NULL;
}
