/*
 * test_request.c - parameters, metadata and tensors of an upload: defaults, precedence, and what each fault names.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/request.h"
#include "tests/wire_tools.h"

#define MAX_CLASSES 4096

/* Parses a query string and reads it. */
static mm_status read_query(mm_request *request, mm_query *query, const char *text, mm_problem *problem)
{
    mm_status status;

    *query = (mm_query){.count = 0};
    *problem = (mm_problem){.has_index = 0};
    status = mm_query_parse(query, text, strlen(text), problem);
    CU_ASSERT_EQUAL_FATAL(status, MM_OK);
    *request = (mm_request){.max_classes = MAX_CLASSES};
    status = mm_request_read(request, query, problem);
    return status == MM_OK ? mm_request_complete(request, problem) : status;
}

static void drop(mm_request *request, mm_query *query)
{
    mm_request_free(request);
    mm_query_free(query);
}

/* -------------------------------------------------------------- parameters */

static void defaults(void)
{
    mm_request request;
    mm_query query;
    mm_problem problem;

    CU_ASSERT_EQUAL(read_query(&request, &query, "", &problem), MM_OK);
    CU_ASSERT_EQUAL(request.input.task, MM_TASK_AUTO);
    CU_ASSERT_EQUAL(request.input.pred_kind, MM_PRED_AUTO);
    CU_ASSERT_EQUAL(request.input.label_kind, MM_LABEL_AUTO);
    CU_ASSERT_EQUAL(request.input.channels_last, 0);
    CU_ASSERT_EQUAL(request.input.has_ignore, 0);
    CU_ASSERT_EQUAL(request.input.threshold, 0.5);
    CU_ASSERT_EQUAL(request.input.max_classes, MAX_CLASSES);
    CU_ASSERT_PTR_NULL(request.weights);
    CU_ASSERT_PTR_NULL(request.run);
    CU_ASSERT_STRING_EQUAL(request.split, "val");
    CU_ASSERT_STRING_EQUAL(request.part, "0");
    CU_ASSERT_EQUAL(request.parts, -1);
    CU_ASSERT_EQUAL(request.include, 0);
    CU_ASSERT_EQUAL(mm_plan_count(request.plan), 8);
    drop(&request, &query);
}

static void everything(void)
{
    mm_request request;
    mm_query query;
    mm_problem problem;

    CU_ASSERT_EQUAL(
        read_query(&request, &query,
                   "scores=dice,d:dice_loss(smooth=1)&task=multilabel&pred_kind=probs_u8&label_kind=onehot&"
                   "layout=channels_last&classes=a,b&num_classes=2&ignore_index=-1&threshold=0.25&weights=1,.5&"
                   "spacing=2,1.5,1&run=r&split=test&step=12&part=p&parts=3&time=2026-01-01T00:00:00Z&"
                   "image_ids=x,y,z&include=confusion,images",
                   &problem),
        MM_OK);
    CU_ASSERT_EQUAL(mm_plan_count(request.plan), 2);
    CU_ASSERT_STRING_EQUAL(mm_plan_name(request.plan, 1), "d");
    CU_ASSERT_EQUAL(request.input.task, MM_MULTILABEL);
    CU_ASSERT_EQUAL(request.input.pred_kind, MM_PROBS_U8);
    CU_ASSERT_EQUAL(request.input.label_kind, MM_ONEHOT);
    CU_ASSERT_EQUAL(request.input.channels_last, 1);
    CU_ASSERT_EQUAL(request.input.classes, 2);
    CU_ASSERT_STRING_EQUAL(request.class_names[1], "b");
    CU_ASSERT_EQUAL(request.input.has_ignore, 1);
    CU_ASSERT_EQUAL(request.input.ignore_index, -1);
    CU_ASSERT_EQUAL(request.input.threshold, 0.25);
    CU_ASSERT_EQUAL(request.weight_count, 2);
    CU_ASSERT_EQUAL(request.weights[1], 0.5);
    CU_ASSERT_EQUAL(request.input.spacing_count, 3);
    CU_ASSERT_EQUAL(request.input.spacing[1], 1.5);
    CU_ASSERT_STRING_EQUAL(request.run, "r");
    CU_ASSERT_STRING_EQUAL(request.split, "test");
    CU_ASSERT_EQUAL(request.step, 12);
    CU_ASSERT_STRING_EQUAL(request.part, "p");
    CU_ASSERT_EQUAL(request.parts, 3);
    CU_ASSERT_EQUAL(request.has_time, 1);
    CU_ASSERT_EQUAL(request.time, INT64_C(1767225600000));
    CU_ASSERT_EQUAL(request.image_count, 3);
    CU_ASSERT_EQUAL(request.include, MM_INCLUDE_IMAGES | MM_INCLUDE_CONFUSION);
    drop(&request, &query);
}

/* Each fault is told with the name of its parameter. */
static void faults(void)
{
    static const struct {
        const char *query, *param;
        mm_status status;
    } cases[] = {
        {"task=binary", "task", MM_BAD_PARAM},
        {"pred_kind=softmax", "pred_kind", MM_BAD_PARAM},
        {"label_kind=", "label_kind", MM_BAD_PARAM},
        {"layout=nchw", "layout", MM_BAD_PARAM},
        {"num_classes=0", "num_classes", MM_BAD_PARAM},
        {"num_classes=4097", "num_classes", MM_BAD_PARAM},
        {"num_classes=2.0", "num_classes", MM_BAD_PARAM},
        {"num_classes=3&classes=a,b", "num_classes", MM_BAD_PARAM},
        {"classes=a,,b", "classes", MM_BAD_PARAM},
        {"classes=a,b,a", "classes", MM_BAD_PARAM},
        {"ignore_index=x", "ignore_index", MM_BAD_PARAM},
        {"threshold=1.5", "threshold", MM_BAD_PARAM},
        {"threshold=nan", "threshold", MM_BAD_PARAM},
        {"weights=1,-1", "weights", MM_BAD_PARAM},
        {"weights=1,inf", "weights", MM_BAD_PARAM},
        {"spacing=0,1", "spacing", MM_BAD_PARAM},
        {"spacing=1,1,1,1", "spacing", MM_BAD_PARAM},
        {"run=r", "step", MM_BAD_PARAM},
        {"run=&step=1", "run", MM_BAD_PARAM},
        {"run=a,b&step=1", "run", MM_BAD_PARAM},
        {"run=r&step=-1", "step", MM_BAD_PARAM},
        {"run=r&step=9223372036854775808", "step", MM_BAD_PARAM},
        {"parts=0", "parts", MM_BAD_PARAM},
        {"part=", "part", MM_BAD_PARAM},
        {"split=a%2Cb", "split", MM_BAD_PARAM},
        {"time=yesterday", "time", MM_BAD_PARAM},
        {"image_ids=a,b,a", "image_ids", MM_BAD_VALUE},
        {"include=everything", "include", MM_BAD_PARAM},
        {"include=images,bars", "include", MM_BAD_PARAM},
        {"scores=dise", "scores", MM_UNKNOWN_SCORE},
        {"scores=dice(", "scores", MM_BAD_EXPRESSION},
        {"scores=dice(smoth=1)", "scores", MM_BAD_PARAM},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mm_request request;
        mm_query query;
        mm_problem problem;

        CU_ASSERT_EQUAL(read_query(&request, &query, cases[i].query, &problem), cases[i].status);
        CU_ASSERT_STRING_EQUAL(problem.param, cases[i].param);
        CU_ASSERT_NOT_EQUAL(problem.text[0], '\0');
        if (strcmp(problem.param, cases[i].param) != 0)
            printf("%s: %s: %s\n", cases[i].query, problem.param, problem.text);
        drop(&request, &query);
    }
}

/* Each word of include is known. */
static void include_words(void)
{
    mm_request request;
    mm_query query;
    mm_problem problem;

    CU_ASSERT_EQUAL(read_query(&request, &query, "include=images,confusion,histogram,explain", &problem), MM_OK);
    CU_ASSERT_EQUAL(request.include,
                    MM_INCLUDE_IMAGES | MM_INCLUDE_CONFUSION | MM_INCLUDE_HISTOGRAM | MM_INCLUDE_EXPLAIN);
    drop(&request, &query);
}

/* ----------------------------------------------------------------- tensors */

static const float probs[12] = {.5f, .25f, .75f, 1, .5f, .75f, .25f, 0, .1f, .2f, .3f, .4f};
static const unsigned char labels[4] = {0, 1, 0, 1};

static mm_wire_item pred_item(size_t images, size_t classes)
{
    return (mm_wire_item){"pred", {.data = probs, .dtype = MM_F32, .rank = 3, .dim = {images, classes, 2}}};
}

static mm_wire_item label_item(size_t images)
{
    return (mm_wire_item){"label", {.data = labels, .dtype = MM_U8, .rank = 2, .dim = {images, 2}}};
}

typedef struct upload {
    unsigned char *bytes;
    mm_wire *wire;
    mm_request request;
    mm_query query;
    mm_problem problem;
} upload;

/* A file of these tensors and metadata, read with this query, as the server does it. */
static mm_status make(upload *up, const char *text, const mm_wire_item *items, size_t count, const mm_wire_meta *meta,
                      size_t meta_count)
{
    size_t size = 0, added = 0;
    mm_status status;

    *up = (upload){.request = {.max_classes = MAX_CLASSES}};
    CU_ASSERT_EQUAL_FATAL(mm_wire_write(&up->bytes, &size, items, count, meta, meta_count, &up->problem), MM_WIRE_OK);
    CU_ASSERT_EQUAL_FATAL(wire_read(&up->wire, up->bytes, size, &up->problem), MM_WIRE_OK);
    CU_ASSERT_EQUAL_FATAL(mm_query_parse(&up->query, text, strlen(text), &up->problem), MM_OK);
    status = mm_request_metadata(&up->query, up->wire, &added, &up->problem);
    if (status == MM_OK)
        status = mm_request_read(&up->request, &up->query, &up->problem);
    if (status == MM_OK)
        status = mm_request_complete(&up->request, &up->problem);
    return status == MM_OK ? mm_request_tensors(&up->request, up->wire, &up->problem) : status;
}

static void unmake(upload *up)
{
    mm_request_free(&up->request);
    mm_query_free(&up->query);
    mm_wire_free(up->wire);
    free(up->bytes);
}

static void default_names(void)
{
    const mm_wire_item items[] = {label_item(2), pred_item(2, 2)};
    upload up;
    char *joined;

    CU_ASSERT_EQUAL(make(&up, "part=rank7", items, 2, NULL, 0), MM_OK);
    CU_ASSERT_EQUAL(up.request.shape.images, 2);
    CU_ASSERT_EQUAL(up.request.shape.classes, 2);
    CU_ASSERT_EQUAL(up.request.image_count, 2);
    CU_ASSERT_STRING_EQUAL(up.request.image_ids[0], "rank7/0");
    CU_ASSERT_STRING_EQUAL(up.request.image_ids[1], "rank7/1");
    joined = mm_join_names(up.request.class_names, up.request.class_count);
    CU_ASSERT_STRING_EQUAL(joined, "0,1");
    free(joined);
    unmake(&up);
}

/* The query goes before the metadata; keys of others are left alone. */
static void metadata(void)
{
    static const mm_wire_meta meta[] = {
        {"format", "pt"}, {"maskmeter.scores", "iou"}, {"maskmeter.run", "file"}, {"maskmeter.step", "4"}};
    const mm_wire_item items[] = {pred_item(2, 2), label_item(2)};
    upload up;

    CU_ASSERT_EQUAL(make(&up, "run=query", items, 2, meta, 4), MM_OK);
    CU_ASSERT_STRING_EQUAL(up.request.run, "query");
    CU_ASSERT_EQUAL(up.request.step, 4);
    CU_ASSERT_STRING_EQUAL(mm_plan_text(up.request.plan), "iou");
    unmake(&up);
}

static void bad_metadata(void)
{
    static const struct {
        mm_wire_meta meta;
        const char *param;
    } cases[] = {
        {{"maskmeter.scors", "dice"}, "scors"},
        {{"maskmeter.step", "four"}, "step"},
        {{"maskmeter.run", "a\nb"}, "run"},
    };
    const mm_wire_item items[] = {pred_item(2, 2), label_item(2)};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        upload up;

        CU_ASSERT_EQUAL(make(&up, "", items, 2, &cases[i].meta, 1), MM_BAD_PARAM);
        CU_ASSERT_STRING_EQUAL(up.problem.param, cases[i].param);
        unmake(&up);
    }
}

static void bad_tensors(void)
{
    const mm_wire_item pred = pred_item(2, 2), label = label_item(2);
    const mm_wire_item preds = {"preds", pred.tensor};
    const mm_wire_item unknown[] = {pred, label, preds}, no_label[] = {pred}, no_pred[] = {label};
    upload up;

    CU_ASSERT_EQUAL(make(&up, "", unknown, 3, NULL, 0), MM_BAD_SHAPE);
    CU_ASSERT_STRING_EQUAL(up.problem.tensor, "preds");
    unmake(&up);
    CU_ASSERT_EQUAL(make(&up, "", no_label, 1, NULL, 0), MM_BAD_SHAPE);
    CU_ASSERT_STRING_EQUAL(up.problem.tensor, "label");
    unmake(&up);
    CU_ASSERT_EQUAL(make(&up, "", no_pred, 1, NULL, 0), MM_BAD_SHAPE);
    CU_ASSERT_STRING_EQUAL(up.problem.tensor, "pred");
    unmake(&up);
}

/* Lists that must have one entry per class or image. */
static void wrong_lengths(void)
{
    static const struct {
        const char *query, *param;
        mm_status status;
    } cases[] = {
        {"weights=1,2,3", "weights", MM_BAD_PARAM},
        {"classes=a,b,c", "classes", MM_BAD_PARAM},
        {"num_classes=3", "num_classes", MM_BAD_PARAM},
        {"image_ids=a", "image_ids", MM_BAD_PARAM},
        {"spacing=1,1", "spacing", MM_BAD_PARAM},
        {"scores=dice(classes=[2])", "scores", MM_BAD_PARAM},
        {"task=multiclass&pred_kind=labels", "", MM_BAD_VALUE},
    };
    const mm_wire_item items[] = {pred_item(2, 2), label_item(2)};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        upload up;
        const mm_status status = make(&up, cases[i].query, items, 2, NULL, 0);

        CU_ASSERT_EQUAL(status, cases[i].status);
        if (cases[i].param[0] != '\0')
            CU_ASSERT_STRING_EQUAL(up.problem.param, cases[i].param);
        unmake(&up);
    }
}

static void joined_numbers(void)
{
    static const double numbers[] = {1.0, 0.1, 2.5e-9};
    char *text = mm_join_numbers(numbers, 3), *none = mm_join_numbers(NULL, 0);

    CU_ASSERT_STRING_EQUAL(text, "1,0.1,2.5e-09");
    CU_ASSERT_STRING_EQUAL(none, "");
    free(text);
    free(none);
}

static CU_TestInfo tests[] = {{"defaults", defaults},
                              {"every parameter", everything},
                              {"faults name the parameter", faults},
                              {"words of include", include_words},
                              {"default names of classes and images", default_names},
                              {"the query goes before the metadata", metadata},
                              {"bad metadata", bad_metadata},
                              {"missing and unknown tensors", bad_tensors},
                              {"lists of a wrong length", wrong_lengths},
                              {"numbers as text", joined_numbers},
                              CU_TEST_INFO_NULL};

const mm_suite mm_suite_request = {"request", tests};
