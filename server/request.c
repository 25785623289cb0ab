/*
 * request.c - parameters, metadata and tensors of an upload, checked and put together.
 */
#include "server/request.h"
#include "server/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define META_PREFIX   "maskmeter."
#define MAX_IMAGE_IDS 65536 /* named ones; a query or a header holds fewer */
#define MAX_PARTS     1000000000
#define MAX_TAGS      64
#define NAME_DIGITS   24 /* bytes of "/" and a number, NUL included */

__attribute__((format(printf, 5, 6))) static mm_status fail(mm_problem *problem, mm_status status, const char *param,
                                                            const char *tensor, const char *format, ...)
{
    va_list args;

    *problem = (mm_problem){.has_index = 0};
    snprintf(problem->param, sizeof problem->param, "%s", param);
    snprintf(problem->tensor, sizeof problem->tensor, "%s", tensor);
    va_start(args, format);
    vsnprintf(problem->text, sizeof problem->text, format, args);
    va_end(args);
    return status;
}

/* -------------------------------------------------------------- parameters */

static mm_status read_words(mm_request *request, const mm_query *query, mm_problem *problem)
{
    int task = -1, pred_kind = -1, label_kind = -1; /* -1: not given, which is AUTO */
    mm_status status = mm_query_word(query, "task", "multiclass|multilabel", &task, problem);

    if (status == MM_OK)
        status = mm_query_word(query, "pred_kind", "probs|logits|labels|masks|probs_u8", &pred_kind, problem);
    if (status == MM_OK)
        status = mm_query_word(query, "label_kind", "index|onehot", &label_kind, problem);
    if (status == MM_OK)
        status = mm_query_word(query, "layout", "channels_first|channels_last", &request->input.channels_last, problem);
    request->input.task = (mm_task)(task + 1);
    request->input.pred_kind = (mm_pred_kind)(pred_kind + 1);
    request->input.label_kind = (mm_label_kind)(label_kind + 1);
    return status;
}

static mm_status read_numbers(mm_request *request, const mm_query *query, mm_problem *problem)
{
    mm_input *input = &request->input;
    int64_t num_classes = 0;
    mm_status status = mm_query_integer(query, "num_classes", 1, (int64_t)request->max_classes, &num_classes, problem);

    input->max_classes = request->max_classes;
    input->has_ignore = mm_query_get(query, "ignore_index") != NULL;
    input->threshold = 0.5;
    if (status == MM_OK)
        status = mm_query_integer(query, "ignore_index", INT64_MIN, INT64_MAX, &input->ignore_index, problem);
    if (status == MM_OK)
        status = mm_query_number(query, "threshold", 0.0, 1.0, &input->threshold, problem);
    if (status == MM_OK)
        status = mm_query_numbers(query, "weights", 0.0, 1e300, request->max_classes, &request->weights,
                                  &request->weight_count, problem);
    if (status == MM_OK)
        status = mm_query_numbers(query, "spacing", MM_SPACING_LEAST, MM_SPACING_MOST, 3, &request->spacing,
                                  &input->spacing_count, problem);
    input->spacing = request->spacing;
    request->num_classes = (size_t)num_classes;
    return status;
}

/* The same name twice would make one class or image of two. */
static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* 1 when a name is there twice; -1: out of memory. */
static int has_twins(char *const *names, size_t count)
{
    char **sorted = malloc(count * sizeof *sorted);
    int twins = 0;

    if (sorted == NULL)
        return -1;
    memcpy(sorted, names, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_text);
    for (size_t i = 1; i < count && !twins; i++)
        twins = strcmp(sorted[i - 1], sorted[i]) == 0;
    free(sorted);
    return twins;
}

static mm_status read_names(mm_request *request, const mm_query *query, mm_problem *problem)
{
    mm_status status =
        mm_query_names(query, "classes", request->max_classes, &request->class_names, &request->class_count, problem);
    int twins;

    if (status == MM_OK)
        status = mm_query_names(query, "image_ids", MAX_IMAGE_IDS, &request->image_ids, &request->image_count, problem);
    if (status != MM_OK)
        return status;
    twins = request->class_names != NULL ? has_twins(request->class_names, request->class_count) : 0;
    if (twins != 0)
        return twins < 0 ? MM_NO_MEMORY : fail(problem, MM_BAD_PARAM, "classes", "", "two classes have the same name");
    twins = request->image_ids != NULL ? has_twins(request->image_ids, request->image_count) : 0;
    if (twins != 0)
        return twins < 0 ? MM_NO_MEMORY : fail(problem, MM_BAD_VALUE, "image_ids", "", "two images have the same id");
    return MM_OK;
}

static size_t tag_name_size(const char *tag)
{
    return strcspn(tag, "=");
}

/* Each is `name=value`, and no name is there twice. */
static mm_status read_tags(mm_request *request, const mm_query *query, mm_problem *problem)
{
    const mm_status status = mm_query_names(query, "tags", MAX_TAGS, &request->tags, &request->tag_count, problem);

    for (size_t i = 0; status == MM_OK && i < request->tag_count; i++) {
        const char *tag = request->tags[i];
        const size_t size = tag_name_size(tag);

        if (size == 0 || tag[size] != '=')
            return fail(problem, MM_BAD_PARAM, "tags", "", "tag %zu must be name=value", i + 1);
        for (size_t k = 0; k < i; k++)
            if (tag_name_size(request->tags[k]) == size && strncmp(request->tags[k], tag, size) == 0)
                return fail(problem, MM_BAD_PARAM, "tags", "", "tag %zu has the name of another", i + 1);
    }
    return status;
}

static mm_status read_place(mm_request *request, const mm_query *query, mm_problem *problem)
{
    mm_status status = mm_query_name(query, "run", &request->run, problem);

    request->split = MM_DEFAULT_SPLIT;
    request->part = MM_DEFAULT_PART;
    request->parts = -1;
    request->has_step = mm_query_get(query, "step") != NULL;
    request->has_time = mm_query_get(query, "time") != NULL;
    if (status == MM_OK)
        status = mm_query_name(query, "split", &request->split, problem);
    if (status == MM_OK)
        status = mm_query_name(query, "part", &request->part, problem);
    if (status == MM_OK)
        status = mm_query_integer(query, "step", 0, INT64_MAX, &request->step, problem);
    if (status == MM_OK)
        status = mm_query_integer(query, "parts", 1, MAX_PARTS, &request->parts, problem);
    if (status == MM_OK)
        status = mm_query_time(query, "time", &request->time, problem);
    if (status == MM_OK)
        status = read_tags(request, query, problem);
    return status;
}

mm_status mm_request_include(unsigned *include, const mm_query *query, mm_problem *problem)
{
    static const struct {
        const char *word;
        unsigned flag;
    } words[] = {{"images", MM_INCLUDE_IMAGES},
                 {"confusion", MM_INCLUDE_CONFUSION},
                 {"histogram", MM_INCLUDE_HISTOGRAM},
                 {"explain", MM_INCLUDE_EXPLAIN}};
    const size_t count = sizeof words / sizeof words[0];
    char **asked = NULL;
    size_t asked_count = 0, w;
    mm_status status = mm_query_names(query, "include", 16, &asked, &asked_count, problem);

    for (size_t i = 0; status == MM_OK && i < asked_count; i++) {
        for (w = 0; w < count && strcmp(words[w].word, asked[i]) != 0; w++)
            continue;
        if (w == count)
            status =
                fail(problem, MM_BAD_PARAM, "include", "", "include knows images, confusion, histogram and explain");
        else
            *include |= words[w].flag;
    }
    free(asked);
    return status;
}

unsigned mm_request_keep(const mm_request *request)
{
    unsigned keep = 0;

    if (request->run != NULL)
        keep |= MM_KEEP_DEFAULTS;
    if (request->include & MM_INCLUDE_CONFUSION)
        keep |= MM_KEEP_CONFUSION;
    if (request->include & MM_INCLUDE_HISTOGRAM)
        keep |= MM_KEEP_HISTOGRAM;
    return keep;
}

mm_status mm_request_read(mm_request *request, const mm_query *query, mm_problem *problem)
{
    const char *scores = mm_query_get(query, "scores");
    mm_status status;

    status = read_words(request, query, problem);
    if (status == MM_OK)
        status = read_numbers(request, query, problem);
    if (status == MM_OK)
        status = read_names(request, query, problem);
    if (status == MM_OK)
        status = read_place(request, query, problem);
    if (status == MM_OK)
        status = mm_request_include(&request->include, query, problem);
    if (status == MM_OK && scores != NULL)
        status = mm_plans_take(&request->ready, request->plans, scores, problem);
    request->plan = request->ready.plan;
    return status;
}

mm_status mm_request_complete(mm_request *request, mm_problem *problem)
{
    mm_status status = MM_OK;

    if (request->run != NULL && !request->has_step)
        return fail(problem, MM_BAD_PARAM, "step", "", "run is given, so step is required");
    if (request->num_classes != 0 && request->class_names != NULL && request->num_classes != request->class_count)
        return fail(problem, MM_BAD_PARAM, "num_classes", "", "num_classes is %zu, but classes has %zu names",
                    request->num_classes, request->class_count);
    request->input.classes = request->class_names != NULL ? request->class_count : request->num_classes;
    if (request->plan == NULL)
        status = mm_plans_take(&request->ready, request->plans, NULL, problem);
    request->plan = request->ready.plan;
    return status;
}

void mm_request_free(mm_request *request)
{
    mm_plans_give(&request->ready, request->plans);
    free(request->weights);
    free(request->spacing);
    free(request->class_names);
    free(request->image_ids);
    free(request->tags);
    *request = (mm_request){.max_classes = request->max_classes, .plans = request->plans};
}

/* ---------------------------------------------------------------- metadata */

mm_status mm_request_metadata(mm_query *query, const mm_wire *wire, size_t *added, mm_problem *problem)
{
    const size_t prefix = sizeof META_PREFIX - 1, count = mm_wire_meta_count(wire);
    mm_status status = MM_OK;

    *added = 0;
    for (size_t i = 0; status == MM_OK && i < count; i++) {
        const char *key = mm_wire_meta_key(wire, i);

        if (strncmp(key, META_PREFIX, prefix) != 0)
            continue;
        status = mm_query_add(query, key + prefix, mm_wire_meta_value(wire, i), problem);
        ++*added;
    }
    if (status == MM_OK && *added > 0)
        status = mm_query_only(query, MM_REQUEST_PARAMS, problem);
    return status;
}

/* ----------------------------------------------------------------- tensors */

/* Only pred, label and mask: a typing mistake is never ignored. */
static mm_status find_tensors(mm_input *input, const mm_wire *wire, mm_problem *problem)
{
    static const char *const names[] = {"pred", "label", "mask"};
    mm_tensor *const places[] = {&input->pred, &input->label, &input->mask};
    const size_t count = mm_wire_count(wire);
    size_t n;

    for (size_t i = 0; i < count; i++) {
        for (n = 0; n < 3 && strcmp(mm_wire_name(wire, i), names[n]) != 0; n++)
            continue;
        if (n == 3)
            return fail(problem, MM_BAD_SHAPE, "", mm_wire_name(wire, i),
                        "no such tensor is known: pred, label and mask are");
        *places[n] = *mm_wire_tensor(wire, i);
    }
    for (n = 0; n < 2; n++)
        if (mm_wire_find(wire, names[n]) == NULL)
            return fail(problem, MM_BAD_SHAPE, "", names[n], "the tensor %s is missing", names[n]);
    return MM_OK;
}

/* `count` names of `prefix` and a number, in one block. */
static char **numbered(const char *prefix, size_t count)
{
    const size_t length = strlen(prefix), each = sizeof(char *) + length + NAME_DIGITS;
    char **names, *text;

    if (count > SIZE_MAX / each || (names = malloc(count * each)) == NULL)
        return NULL;
    text = (char *)(names + count);
    for (size_t i = 0; i < count; i++) {
        names[i] = text;
        memcpy(text, prefix, length);
        text += length;
        text += mm_number_text((double)i, text) + 1;
    }
    return names;
}

mm_status mm_default_class_names(char ***names, size_t count)
{
    char **made = numbered("", count);

    if (made == NULL)
        return MM_NO_MEMORY;
    *names = made;
    return MM_OK;
}

static mm_status name_images(mm_request *request, mm_problem *problem)
{
    char prefix[260];

    if (request->image_ids != NULL) {
        if (request->image_count == request->shape.images)
            return MM_OK;
        return fail(problem, MM_BAD_PARAM, "image_ids", "pred", "image_ids has %zu names, pred has %zu images",
                    request->image_count, request->shape.images);
    }
    snprintf(prefix, sizeof prefix, "%s/", request->part);
    request->image_ids = numbered(prefix, request->shape.images);
    request->image_count = request->shape.images;
    return request->image_ids != NULL ? MM_OK : MM_NO_MEMORY;
}

static mm_status name_classes(mm_request *request)
{
    if (request->class_names != NULL)
        return MM_OK;
    request->class_count = request->shape.classes;
    return mm_default_class_names(&request->class_names, request->class_count);
}

mm_status mm_request_tensors(mm_request *request, const mm_wire *wire, mm_problem *problem)
{
    mm_status status = find_tensors(&request->input, wire, problem);

    if (status == MM_OK)
        status = mm_input_shape(&request->input, &request->shape, problem);
    if (status != MM_OK) {
        /* The library has one word for the number of classes, the client two. */
        if (strcmp(problem->param, "classes") == 0 && request->class_names == NULL && request->num_classes != 0)
            snprintf(problem->param, sizeof problem->param, "num_classes");
        return status;
    }
    if (request->weights != NULL && request->weight_count != request->shape.classes)
        return fail(problem, MM_BAD_PARAM, "weights", "", "weights has %zu numbers, there are %zu classes",
                    request->weight_count, request->shape.classes);
    status = name_images(request, problem);
    if (status == MM_OK)
        status = name_classes(request);
    if (status == MM_OK)
        status = mm_plans_bind(&request->ready, &request->shape, problem);
    request->plan = request->ready.plan;
    return status;
}

/* ------------------------------------------------------------------- texts */

char *mm_join_names(char *const *names, size_t count)
{
    size_t size = 1;
    char *text, *at;

    for (size_t i = 0; i < count; i++)
        size += strlen(names[i]) + 1;
    text = at = malloc(size);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const size_t length = strlen(names[i]);

        if (i > 0)
            *at++ = ',';
        memcpy(at, names[i], length);
        at += length;
    }
    *at = '\0';
    return text;
}

char *mm_join_numbers(const double *numbers, size_t count)
{
    char *text = malloc(count * MM_NUMBER_ROOM + 1), *at = text;

    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *at++ = ',';
        at += mm_number_text(numbers[i], at);
    }
    *at = '\0';
    return text;
}
