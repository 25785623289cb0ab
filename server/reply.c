/*
 * reply.c - the one place where answers become JSON, problems included.
 */
#include "server/reply.h"
#include "server/json.h"
#include "server/tokens.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME(json, literal) MM_JSON_NAME(json, literal)

/* The order of mm_kind, mm_better, mm_type. */
static const char *const kinds[] = {"loss", "metric", "count"};
static const char *const betters[] = {"lower", "higher", "neither"};
static const char *const types[] = {"number",         "word",         "boolean", "list",
                                    "number_or_list", "word_or_list", "numbers", "matrix"};

void mm_format_number(double number, char *text)
{
    mm_number_text(number, text);
}

static void put_value(mm_json *json, const mm_value *value)
{
    if (value->reason == MM_DEFINED)
        mm_json_number(json, value->value);
    else
        MM_JSON_RAW(json, "null");
}

/* -1: not known. */
static void put_expected(mm_json *json, int64_t parts)
{
    if (parts < 0)
        MM_JSON_RAW(json, "null");
    else
        mm_json_integer(json, parts);
}

/* Parts that were never announced are complete at any time. */
static void put_parts(mm_json *json, int64_t received, int64_t expected)
{
    NAME(json, "parts_received");
    mm_json_integer(json, received);
    NAME(json, "parts_expected");
    put_expected(json, expected);
    NAME(json, "complete");
    mm_json_boolean(json, expected < 0 || received >= expected);
}

/* ------------------------------------------------------------------ report */

static void put_evaluation(mm_json *json, const mm_report *report)
{
    NAME(json, "evaluation");
    if (report->run == NULL) {
        MM_JSON_RAW(json, "null");
        return;
    }
    mm_json_open(json, '{');
    NAME(json, "run");
    mm_json_string(json, report->run);
    NAME(json, "split");
    mm_json_string(json, report->split);
    NAME(json, "step");
    mm_json_integer(json, report->step);
    NAME(json, "part");
    mm_json_string(json, report->part);
    put_parts(json, report->parts_received, report->parts_expected);
    mm_json_close(json, '}');
}

static void put_totals(mm_json *json, const mm_report *report)
{
    const uint64_t voxels = mm_images_voxels(report->images);

    NAME(json, "images");
    mm_json_count(json, mm_images_count(report->images));
    NAME(json, "voxels");
    mm_json_count(json, voxels);
    NAME(json, "ignored");
    mm_json_count(json, voxels - mm_images_scored(report->images));
}

static void put_classes(mm_json *json, const mm_report *report)
{
    const size_t count = mm_images_classes(report->images);

    NAME(json, "classes");
    mm_json_open(json, '[');
    for (size_t c = 0; c < count; c++) {
        mm_json_open(json, '{');
        NAME(json, "index");
        mm_json_count(json, c);
        NAME(json, "name");
        mm_json_string(json, report->class_names[c]);
        NAME(json, "label_voxels");
        mm_json_number(json, mm_images_label_voxels(report->images, c));
        NAME(json, "pred_voxels");
        mm_json_number(json, mm_images_pred_voxels(report->images, c));
        mm_json_close(json, '}');
    }
    mm_json_close(json, ']');
}

static void put_image_ids(mm_json *json, const mm_images *images)
{
    const size_t count = mm_images_count(images);

    NAME(json, "image_ids");
    mm_json_open(json, '[');
    for (size_t i = 0; i < count; i++)
        mm_json_string(json, mm_images_id(images, i));
    mm_json_close(json, ']');
}

/* A list of rank 1 .. 3 in C order: a bracket opens and closes where an axis begins and ends. */
static void put_list(mm_json *json, const mm_result *result)
{
    size_t length[3] = {1, 1, 1}; /* elements below each axis */
    size_t count = 1;

    for (unsigned axis = result->rank; axis-- > 0;) {
        count *= result->dim[axis];
        length[axis] = count;
    }
    if (count == 0) {
        MM_JSON_RAW(json, "[]");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        for (unsigned axis = 0; axis < result->rank; axis++)
            if (i % length[axis] == 0)
                mm_json_open(json, '[');
        put_value(json, &result->list[i]);
        for (unsigned axis = 0; axis < result->rank; axis++)
            if ((i + 1) % length[axis] == 0)
                mm_json_close(json, ']');
    }
}

static void put_main_value(mm_json *json, const mm_result *result)
{
    NAME(json, "value");
    if (result->rank > 0) {
        put_list(json, result);
        return;
    }
    put_value(json, &result->value);
    if (result->value.reason != MM_DEFINED) {
        NAME(json, "reason");
        mm_json_string(json, mm_reason_text(result->value.reason));
    }
}

/* per_class and why some of it is null; classes that were not chosen need no reason. */
static void put_per_class(mm_json *json, const mm_result *result, size_t classes)
{
    if (result->per_class != NULL) {
        NAME(json, "per_class");
        mm_json_open(json, '[');
        for (size_t c = 0; c < classes; c++)
            put_value(json, &result->per_class[c]);
        mm_json_close(json, ']');
    }
    NAME(json, "undefined");
    mm_json_open(json, '[');
    for (size_t c = 0; result->per_class != NULL && c < classes; c++) {
        const mm_reason reason = result->per_class[c].reason;

        if (reason == MM_DEFINED || reason == MM_NOT_CHOSEN)
            continue;
        mm_json_open(json, '{');
        NAME(json, "class");
        mm_json_count(json, c);
        NAME(json, "reason");
        mm_json_string(json, mm_reason_text(reason));
        mm_json_close(json, '}');
    }
    mm_json_close(json, ']');
}

/* How many entries the means left out, by reason. */
static void put_omitted(mm_json *json, const mm_result *result)
{
    int any = 0;

    for (int reason = 1; reason < MM_REASON_COUNT; reason++) {
        const char *text;

        if (result->omitted[reason] == 0 || reason == MM_NOT_CHOSEN)
            continue;
        if (!any) {
            NAME(json, "omitted");
            mm_json_open(json, '{');
        }
        any = 1;
        text = mm_reason_text((mm_reason)reason);
        mm_json_name(json, text, strlen(text));
        mm_json_count(json, result->omitted[reason]);
    }
    if (any)
        mm_json_close(json, '}');
}

static void put_per_image(mm_json *json, const mm_result *result, size_t images)
{
    const mm_value *value = result->per_image;

    NAME(json, "per_image");
    mm_json_open(json, '[');
    for (size_t i = 0; i < images; i++) {
        mm_json_open(json, '[');
        for (size_t c = 0; c < result->columns; c++)
            put_value(json, value++);
        mm_json_close(json, ']');
    }
    mm_json_close(json, ']');
}

/* width x classes numbers: a list, or with several values per class a list of such lists. */
static void put_table(mm_json *json, const double *values, size_t width, size_t classes)
{
    if (width > 1)
        mm_json_open(json, '[');
    for (size_t w = 0; w < width; w++) {
        mm_json_open(json, '[');
        for (size_t c = 0; c < classes; c++)
            mm_json_number(json, values[w * classes + c]);
        mm_json_close(json, ']');
    }
    if (width > 1)
        mm_json_close(json, ']');
}

static void put_used(mm_json *json, const mm_report *report, const mm_used *used)
{
    const size_t classes = mm_images_classes(report->images), images = mm_images_count(report->images);

    mm_json_open(json, '{');
    NAME(json, "what");
    mm_json_string(json, used->what);
    NAME(json, "per_class");
    put_table(json, used->pooled, used->width, classes);
    if (report->include_images && used->per_image != NULL) {
        NAME(json, "per_image");
        mm_json_open(json, '[');
        for (size_t n = 0; n < images; n++)
            put_table(json, used->per_image + n * used->width * classes, used->width, classes);
        mm_json_close(json, ']');
    }
    mm_json_close(json, '}');
}

/* The sums behind a score. */
static void put_explanation(mm_json *json, const mm_report *report, size_t index)
{
    mm_explanation *explanation = NULL;

    if (mm_images_explain(&explanation, report->images, report->plan, index) != MM_OK) {
        json->failed = 1;
        return;
    }
    NAME(json, "explain");
    mm_json_open(json, '[');
    for (size_t i = 0; i < mm_explanation_count(explanation); i++)
        put_used(json, report, mm_explanation_at(explanation, i));
    mm_json_close(json, ']');
    mm_explanation_free(explanation);
}

static void put_score(mm_json *json, const mm_report *report, size_t index)
{
    const mm_plan *plan = report->plan;
    const mm_result *result = mm_results_at(report->results, index);

    mm_json_open(json, '{');
    NAME(json, "name");
    mm_json_string(json, mm_plan_name(plan, index));
    NAME(json, "expression");
    mm_json_string(json, mm_plan_expression(plan, index));
    NAME(json, "kind");
    mm_json_string(json, kinds[mm_plan_kind(plan, index)]);
    NAME(json, "better");
    mm_json_string(json, betters[mm_plan_better(plan, index)]);
    put_main_value(json, result);
    put_per_class(json, result, mm_images_classes(report->images));
    put_omitted(json, result);
    if (report->include_explain)
        put_explanation(json, report, index);
    if (report->include_images && result->per_image != NULL)
        put_per_image(json, result, mm_images_count(report->images));
    if (result->note != NULL) {
        NAME(json, "note");
        mm_json_string(json, result->note);
    }
    mm_json_close(json, '}');
}

/* classes x classes, or classes x 2 x 2 for independent masks; null when an image lacks the counts. */
static void put_confusion(mm_json *json, const mm_images *images)
{
    const size_t classes = mm_images_classes(images);
    const int pairs = mm_images_task(images) == MM_MULTILABEL;
    const size_t row = pairs ? 2 : classes, block = pairs ? 4 : classes * classes;
    const size_t count = pairs ? 4 * classes : classes * classes;
    uint64_t *table = calloc(count, sizeof *table);

    if (table == NULL) {
        json->failed = 1;
        return;
    }
    NAME(json, "confusion");
    if (!mm_images_confusion(images, table)) {
        MM_JSON_RAW(json, "null");
        free(table);
        return;
    }
    if (pairs)
        mm_json_open(json, '[');
    for (size_t i = 0; i < count; i++) {
        if (i % block == 0)
            mm_json_open(json, '[');
        if (i % row == 0)
            mm_json_open(json, '[');
        mm_json_count(json, table[i]);
        if ((i + 1) % row == 0)
            mm_json_close(json, ']');
        if ((i + 1) % block == 0)
            mm_json_close(json, ']');
    }
    if (pairs)
        mm_json_close(json, ']');
    free(table);
}

static void put_warnings(mm_json *json, const mm_warning *warning)
{
    NAME(json, "warnings");
    mm_json_open(json, '[');
    if (warning->count > 0) {
        mm_json_open(json, '{');
        NAME(json, "tensor");
        mm_json_string(json, "pred");
        NAME(json, "index");
        mm_json_count(json, warning->index);
        NAME(json, "count");
        mm_json_count(json, warning->count);
        NAME(json, "text");
        mm_json_string(json, "probabilities do not sum to 1 within 1e-3");
        mm_json_close(json, '}');
    }
    mm_json_close(json, ']');
}

/* Milliseconds are told to the microsecond. */
static double rounded(double milliseconds)
{
    return floor(milliseconds * 1000.0 + 0.5) / 1000.0;
}

static void put_engine(mm_json *json, const mm_report *report)
{
    NAME(json, "engine");
    mm_json_open(json, '{');
    NAME(json, "version");
    mm_json_string(json, MM_VERSION);
    NAME(json, "backend");
    mm_json_string(json, "cpu");
    NAME(json, "threads");
    mm_json_count(json, report->threads);
    if (report->receive_ms >= 0.0) {
        NAME(json, "receive_ms");
        mm_json_number(json, rounded(report->receive_ms));
    }
    if (report->compute_ms >= 0.0) {
        NAME(json, "compute_ms");
        mm_json_number(json, rounded(report->compute_ms));
    }
    mm_json_close(json, '}');
}

/* Per class, how many voxels of the label, and how many others, have their p in each of MM_P_BINS equal bins. */
static void put_histogram(mm_json *json, const mm_images *images)
{
    const size_t classes = mm_images_classes(images);
    double *bins = calloc(classes, 2 * MM_P_BINS * sizeof *bins);

    NAME(json, "histogram");
    if (bins == NULL) {
        json->failed = 1;
    } else if (!mm_images_histogram(images, bins)) {
        MM_JSON_RAW(json, "null");
    } else {
        mm_json_open(json, '[');
        for (size_t c = 0; c < classes; c++) {
            mm_json_open(json, '{');
            NAME(json, "label");
            put_table(json, bins + c * 2 * MM_P_BINS, 1, MM_P_BINS);
            NAME(json, "others");
            put_table(json, bins + (c * 2 + 1) * MM_P_BINS, 1, MM_P_BINS);
            mm_json_close(json, '}');
        }
        mm_json_close(json, ']');
    }
    free(bins);
}

char *mm_reply_report(const mm_report *report, size_t *size)
{
    const size_t scores = mm_plan_count(report->plan), classes = mm_images_classes(report->images);
    mm_json json;

    mm_json_begin(&json, 1024 + 96 * classes + scores * (256 + 24 * classes));
    mm_json_open(&json, '{');
    put_evaluation(&json, report);
    put_totals(&json, report);
    put_classes(&json, report);
    if (report->include_images)
        put_image_ids(&json, report->images);
    NAME(&json, "scores");
    mm_json_open(&json, '[');
    for (size_t i = 0; i < scores; i++)
        put_score(&json, report, i);
    mm_json_close(&json, ']');
    if (report->include_confusion)
        put_confusion(&json, report->images);
    if (report->include_histogram)
        put_histogram(&json, report->images);
    put_warnings(&json, &report->warning);
    put_engine(&json, report);
    mm_json_close(&json, '}');
    return mm_json_end(&json, size);
}

/* ---------------------------------------------------------------- problems */

const char *mm_status_title(int http_status)
{
    static const struct {
        int status;
        const char *title;
    } titles[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        if (titles[i].status == http_status)
            return titles[i].title;
    return "Error";
}

/* The texts of a problem are cut to their room: half a character at the end is left out.  They may name what a client
 * has sent, which may have put its token where a name belongs. */
static void put_cut(mm_json *json, const char *text, size_t room)
{
    char whole[sizeof((mm_problem *)0)->text + 1];
    size_t length = strnlen(text, room), start = length, need = 1;

    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)text[start - 1] >= 0xC0) {
        const unsigned char lead = (unsigned char)text[start - 1];

        need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        if (length - (start - 1) < need)
            length = start - 1;
    }
    memcpy(whole, text, length);
    whole[length] = '\0';
    mm_token_hide(whole);
    mm_json_string(json, whole);
}

char *mm_reply_problem(int status, const char *title, const mm_problem *problem, const char *request_id, size_t *size)
{
    mm_json json;

    mm_json_begin(&json, 1024);
    mm_json_open(&json, '{');
    NAME(&json, "type");
    mm_json_string(&json, "about:blank");
    NAME(&json, "title");
    mm_json_string(&json, title != NULL ? title : mm_status_title(status));
    NAME(&json, "status");
    mm_json_integer(&json, status);
    if (problem != NULL) {
        NAME(&json, "detail");
        put_cut(&json, problem->text, sizeof problem->text);
        if (problem->param[0] != '\0') {
            NAME(&json, "param");
            put_cut(&json, problem->param, sizeof problem->param);
        }
        if (problem->tensor[0] != '\0') {
            NAME(&json, "tensor");
            put_cut(&json, problem->tensor, sizeof problem->tensor);
        }
        if (problem->has_index) {
            NAME(&json, "index");
            mm_json_count(&json, problem->index);
        }
    }
    if (request_id != NULL && request_id[0] != '\0') {
        NAME(&json, "request_id");
        mm_json_string(&json, request_id);
    }
    mm_json_close(&json, '}');
    return mm_json_end(&json, size);
}

/* ---------------------------------------------------------------- registry */

/* "a,b" or "a|b" as a list of strings. */
static void put_words(mm_json *json, const char *words, const char *separators)
{
    char word[256];

    mm_json_open(json, '[');
    while (words != NULL && *words != '\0') {
        const size_t length = strcspn(words, separators);

        snprintf(word, sizeof word, "%.*s", (int)length, words);
        mm_json_string(json, word);
        words += length;
        words += strspn(words, separators);
    }
    mm_json_close(json, ']');
}

/* A default in the type that JSON has for it: 0.5, true, "square". */
static void put_standard(mm_json *json, const mm_param *param)
{
    const char *text = param->standard;
    char *end;
    double number;

    if (text == NULL) {
        MM_JSON_RAW(json, "null");
        return;
    }
    if (param->type == MM_BOOLEAN && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        mm_json_boolean(json, text[0] == 't');
        return;
    }
    number = strtod(text, &end);
    if (end != text && *end == '\0' && isfinite(number))
        mm_json_number(json, number);
    else
        mm_json_string(json, text);
}

static void put_params(mm_json *json, const mm_param *params, size_t count)
{
    mm_json_open(json, '[');
    for (size_t i = 0; i < count; i++) {
        const mm_param *param = &params[i];
        const int numeric = param->type != MM_WORD && param->type != MM_BOOLEAN && param->type != MM_WORD_OR_LIST;

        mm_json_open(json, '{');
        NAME(json, "name");
        mm_json_string(json, param->name);
        NAME(json, "type");
        mm_json_string(json, types[param->type]);
        NAME(json, "required");
        mm_json_boolean(json, param->standard == NULL);
        NAME(json, "default");
        put_standard(json, param);
        if (numeric) {
            NAME(json, "min");
            mm_json_number(json, param->min);
            NAME(json, "max");
            mm_json_number(json, param->max);
        }
        if (param->choices != NULL) {
            NAME(json, "choices");
            put_words(json, param->choices, "|");
        }
        NAME(json, "meaning");
        mm_json_string(json, param->meaning);
        mm_json_close(json, '}');
    }
    mm_json_close(json, ']');
}

static void put_info(mm_json *json, const mm_score_info *info)
{
    mm_json_open(json, '{');
    NAME(json, "name");
    mm_json_string(json, info->name);
    NAME(json, "aliases");
    put_words(json, info->aliases, ", ");
    NAME(json, "kind");
    mm_json_string(json, kinds[info->kind]);
    NAME(json, "better");
    mm_json_string(json, betters[info->better]);
    NAME(json, "summary");
    mm_json_string(json, info->summary);
    NAME(json, "formula");
    mm_json_string(json, info->formula);
    NAME(json, "source");
    mm_json_string(json, info->source);
    NAME(json, "undefined");
    mm_json_string(json, info->undefined);
    NAME(json, "params");
    put_params(json, info->params, info->param_count);
    NAME(json, "common");
    put_params(json, info->common, info->common_count);
    mm_json_close(json, '}');
}

char *mm_reply_score(const mm_score_info *info, size_t *size)
{
    mm_json json;

    mm_json_begin(&json, 4096);
    put_info(&json, info);
    return mm_json_end(&json, size);
}

char *mm_reply_scores(size_t *size)
{
    const mm_score_info *info;
    mm_json json;

    mm_json_begin(&json, (size_t)64 << 10);
    mm_json_open(&json, '{');
    NAME(&json, "scores");
    mm_json_open(&json, '[');
    for (size_t i = 0; (info = mm_score_at(i)) != NULL; i++)
        put_info(&json, info);
    mm_json_close(&json, ']');
    mm_json_close(&json, '}');
    return mm_json_end(&json, size);
}

/* ----------------------------------------------------------------- history */

static void put_run(mm_json *json, const mm_run_row *row)
{
    mm_json_open(json, '{');
    NAME(json, "run");
    mm_json_string(json, row->run);
    NAME(json, "created");
    mm_json_time(json, row->created);
    NAME(json, "updated");
    mm_json_time(json, row->updated);
    NAME(json, "splits");
    mm_json_open(json, '[');
    for (size_t i = 0; i < row->split_count; i++)
        mm_json_string(json, row->splits[i]);
    mm_json_close(json, ']');
    NAME(json, "evaluations");
    mm_json_integer(json, row->evaluations);
    NAME(json, "first_step");
    mm_json_integer(json, row->first_step);
    NAME(json, "last_step");
    mm_json_integer(json, row->last_step);
    NAME(json, "tags");
    mm_json_open(json, '{');
    for (size_t i = 0; i < row->tag_count; i++) {
        mm_json_string(json, row->tags[i].name);
        mm_json_colon(json);
        mm_json_string(json, row->tags[i].value);
    }
    mm_json_close(json, '}');
    mm_json_close(json, '}');
}

char *mm_reply_run(const mm_run_row *row, size_t *size)
{
    mm_json json;

    mm_json_begin(&json, 512);
    put_run(&json, row);
    return mm_json_end(&json, size);
}

char *mm_reply_runs(const mm_run_list *list, size_t *size)
{
    mm_json json;

    mm_json_begin(&json, 64 + 256 * list->count);
    mm_json_open(&json, '{');
    NAME(&json, "runs");
    mm_json_open(&json, '[');
    for (size_t i = 0; i < list->count; i++)
        put_run(&json, &list->rows[i]);
    mm_json_close(&json, ']');
    NAME(&json, "next");
    mm_json_string(&json, list->next);
    mm_json_close(&json, '}');
    return mm_json_end(&json, size);
}

static void put_run_evaluation(mm_json *json, const mm_evaluation_row *row)
{
    mm_json_open(json, '{');
    NAME(json, "split");
    mm_json_string(json, row->split);
    NAME(json, "step");
    mm_json_integer(json, row->step);
    NAME(json, "time");
    mm_json_time(json, row->time);
    NAME(json, "images");
    mm_json_integer(json, row->images);
    put_parts(json, row->parts_received, row->parts_expected);
    NAME(json, "scores");
    mm_json_open(json, '{');
    for (size_t i = 0; i < row->score_count; i++) {
        mm_json_string(json, row->scores[i].name);
        mm_json_colon(json);
        put_value(json, &row->scores[i].value);
    }
    mm_json_close(json, '}');
    mm_json_close(json, '}');
}

char *mm_reply_run_evaluations(const char *run, const mm_evaluation_list *list, size_t *size)
{
    mm_json json;

    mm_json_begin(&json, 64 + 512 * list->count);
    mm_json_open(&json, '{');
    NAME(&json, "run");
    mm_json_string(&json, run);
    NAME(&json, "evaluations");
    mm_json_open(&json, '[');
    for (size_t i = 0; i < list->count; i++)
        put_run_evaluation(&json, &list->rows[i]);
    mm_json_close(&json, ']');
    NAME(&json, "next");
    mm_json_string(&json, list->next);
    mm_json_close(&json, '}');
    return mm_json_end(&json, size);
}
