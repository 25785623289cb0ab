/*
 * test_reply.c - answers as API.md shows them, read back by another JSON reader and compared with what they tell.
 */
#include "tests/suites.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/reply.h"

/* --------------------------------------------------------------- fixtures */

/* Two images of three voxels, three classes; class 2 is in neither label nor prediction of image 0. */
static const unsigned char preds[6] = {0, 1, 1, 0, 2, 2};
static const unsigned char labels[6] = {0, 1, 0, 0, 2, 1};
static const char *const ids[2] = {"a/\"0\"", "a/1"};
static const char *const names[3] = {"background", "liver", "\xC3\xA4rm"};

typedef struct answer {
    mm_plan *plan;
    mm_images *images;
    mm_results *results;
    mm_report report;
    char *text;
    size_t size;
    cJSON *json;
} answer;

static void run_tasks(mm_eval *eval)
{
    void *scratch = aligned_alloc(64, MM_SCRATCH_BYTES);

    CU_ASSERT_PTR_NOT_NULL_FATAL(scratch);
    mm_eval_run(eval, scratch, 1);
    free(scratch);
}

/* Scores `input`; the report is left to the test, which calls tell() then. */
static void score(answer *a, const mm_input *input, const char *scores)
{
    mm_eval *eval = NULL;
    mm_shape shape;
    mm_problem problem;

    *a = (answer){.text = NULL};
    CU_ASSERT_EQUAL_FATAL(mm_input_shape(input, &shape, &problem), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_plan_new(&a->plan, scores, &problem), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_plan_bind(a->plan, &shape, &problem), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_eval_new(&eval, input, a->plan, MM_KEEP_CONFUSION, &problem), MM_OK);
    run_tasks(eval);
    CU_ASSERT_EQUAL_FATAL(mm_eval_finish(eval, ids, &a->images, &problem), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_images_score(&a->results, a->images, a->plan, NULL, &problem), MM_OK);
    a->report = (mm_report){.images = a->images,
                            .plan = a->plan,
                            .results = a->results,
                            .class_names = names,
                            .parts_expected = -1,
                            .warning = mm_eval_warning(eval),
                            .receive_ms = 1.23456,
                            .compute_ms = 2.0,
                            .threads = 2};
    mm_eval_free(eval);
}

static void score_maps(answer *a, const char *scores)
{
    const mm_input input = {
        .pred = {.data = preds, .dtype = MM_U8, .rank = 2, .dim = {2, 3}},
        .label = {.data = labels, .dtype = MM_U8, .rank = 2, .dim = {2, 3}},
        .classes = 3,
        .threshold = 0.5,
    };

    score(a, &input, scores);
}

static void tell(answer *a)
{
    cJSON_Delete(a->json);
    free(a->text);
    a->text = mm_reply_report(&a->report, &a->size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(a->text);
    CU_ASSERT_EQUAL(a->size, strlen(a->text));
    a->json = cJSON_Parse(a->text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(a->json);
}

static void drop(answer *a)
{
    cJSON_Delete(a->json);
    free(a->text);
    mm_results_free(a->results);
    mm_images_free(a->images);
    mm_plan_free(a->plan);
}

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const cJSON *score_of(const answer *a, int index)
{
    return cJSON_GetArrayItem(member(a->json, "scores"), index);
}

static const char *word(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(member(object, name));

    return text != NULL ? text : "(none)";
}

/* The names of the members, in their order, separated by blanks. */
static void members(const cJSON *object, char text[512])
{
    const cJSON *item;
    size_t used = 0;

    text[0] = '\0';
    cJSON_ArrayForEach(item, object) used +=
        (size_t)snprintf(text + used, 512 - used, "%s%s", used > 0 ? " " : "", item->string);
}

/* ----------------------------------------------------------------- report */

static void shape_of_a_report(void)
{
    answer a;
    char text[512];

    score_maps(&a, "dice,tp,precision");
    tell(&a);
    members(a.json, text);
    CU_ASSERT_STRING_EQUAL(text, "evaluation images voxels ignored classes scores warnings engine");
    CU_ASSERT(cJSON_IsNull(member(a.json, "evaluation")));
    CU_ASSERT_EQUAL(cJSON_GetNumberValue(member(a.json, "images")), 2.0);
    CU_ASSERT_EQUAL(cJSON_GetNumberValue(member(a.json, "voxels")), 6.0);
    CU_ASSERT_EQUAL(cJSON_GetNumberValue(member(a.json, "ignored")), 0.0);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(member(a.json, "warnings")), 0);
    members(score_of(&a, 0), text);
    CU_ASSERT_STRING_EQUAL(text, "name expression kind better value per_class undefined omitted");
    CU_ASSERT_STRING_EQUAL(word(score_of(&a, 0), "kind"), "metric");
    CU_ASSERT_STRING_EQUAL(word(score_of(&a, 0), "better"), "higher");
    CU_ASSERT_STRING_EQUAL(word(score_of(&a, 1), "kind"), "count");
    CU_ASSERT_STRING_EQUAL(word(score_of(&a, 1), "better"), "neither");
    members(member(a.json, "engine"), text);
    CU_ASSERT_STRING_EQUAL(text, "version backend threads receive_ms compute_ms");
    CU_ASSERT_EQUAL(cJSON_GetNumberValue(member(member(a.json, "engine"), "receive_ms")), 1.235);
    drop(&a);
}

static void classes_of_a_report(void)
{
    static const double label_voxels[3] = {3, 2, 1}, pred_voxels[3] = {2, 2, 2};
    answer a;

    score_maps(&a, "dice");
    tell(&a);
    for (int c = 0; c < 3; c++) {
        const cJSON *item = cJSON_GetArrayItem(member(a.json, "classes"), c);

        CU_ASSERT_EQUAL(cJSON_GetNumberValue(member(item, "index")), (double)c);
        CU_ASSERT_STRING_EQUAL(word(item, "name"), names[c]);
        CU_ASSERT_EQUAL(cJSON_GetNumberValue(member(item, "label_voxels")), label_voxels[c]);
        CU_ASSERT_EQUAL(cJSON_GetNumberValue(member(item, "pred_voxels")), pred_voxels[c]);
    }
    drop(&a);
}

/* Every value is the very double of the library. */
static void values_of_a_report(void)
{
    answer a;

    score_maps(&a, "dice,iou(over=pooled),recall(classes=foreground)");
    a.report.include_images = 1;
    tell(&a);
    for (size_t s = 0; s < 3; s++) {
        const mm_result *result = mm_results_at(a.results, s);
        const cJSON *item = score_of(&a, (int)s), *per_class = member(item, "per_class");
        const cJSON *per_image = member(item, "per_image");

        CU_ASSERT_EQUAL(cJSON_GetNumberValue(member(item, "value")), result->value.value);
        CU_ASSERT_EQUAL(cJSON_GetArraySize(per_class), 3);
        for (int c = 0; c < 3; c++) {
            if (result->per_class[c].reason == MM_DEFINED)
                CU_ASSERT_EQUAL(cJSON_GetNumberValue(cJSON_GetArrayItem(per_class, c)), result->per_class[c].value);
            if (result->per_class[c].reason != MM_DEFINED)
                CU_ASSERT(cJSON_IsNull(cJSON_GetArrayItem(per_class, c)));
        }
        CU_ASSERT_EQUAL(per_image != NULL, s != 1); /* pooled sums have no images */
        for (int i = 0; i < cJSON_GetArraySize(per_image); i++)
            for (int c = 0; c < 3; c++) {
                const mm_value *value = &result->per_image[3 * i + c];
                const cJSON *cell = cJSON_GetArrayItem(cJSON_GetArrayItem(per_image, i), c);

                if (value->reason == MM_DEFINED)
                    CU_ASSERT_EQUAL(cJSON_GetNumberValue(cell), value->value);
                if (value->reason != MM_DEFINED)
                    CU_ASSERT(cJSON_IsNull(cell));
            }
    }
    /* class 0 was not chosen: null without a reason */
    CU_ASSERT(cJSON_IsNull(cJSON_GetArrayItem(member(score_of(&a, 2), "per_class"), 0)));
    CU_ASSERT_EQUAL(cJSON_GetArraySize(member(score_of(&a, 2), "undefined")), 0);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(member(a.json, "image_ids")), 2);
    CU_ASSERT_STRING_EQUAL(cJSON_GetStringValue(cJSON_GetArrayItem(member(a.json, "image_ids"), 0)), ids[0]);
    drop(&a);
}

/* Undefined classes have a reason, means say how many entries they left out, an undefined value has one too. */
static void undefined(void)
{
    static const unsigned char zeros[3] = {0, 0, 0};
    const mm_input input = {
        .pred = {.data = zeros, .dtype = MM_U8, .rank = 2, .dim = {1, 3}},
        .label = {.data = zeros, .dtype = MM_U8, .rank = 2, .dim = {1, 3}},
        .classes = 3,
        .threshold = 0.5,
    };
    answer a;
    const cJSON *list;

    score(&a, &input, "dice,dice(classes=[2])");
    tell(&a);
    list = member(score_of(&a, 0), "undefined");
    CU_ASSERT_EQUAL(cJSON_GetArraySize(list), 2);
    CU_ASSERT_EQUAL(cJSON_GetNumberValue(member(cJSON_GetArrayItem(list, 0), "class")), 1.0);
    CU_ASSERT_STRING_EQUAL(word(cJSON_GetArrayItem(list, 0), "reason"), "absent_in_both");
    CU_ASSERT(cJSON_GetNumberValue(member(member(score_of(&a, 0), "omitted"), "absent_in_both")) >= 2.0);
    CU_ASSERT_PTR_NULL(member(score_of(&a, 0), "reason"));
    CU_ASSERT(cJSON_IsNull(member(score_of(&a, 1), "value")));
    CU_ASSERT_STRING_EQUAL(word(score_of(&a, 1), "reason"), "absent_in_both");
    drop(&a);
}

static void stored_evaluation(void)
{
    answer a;
    char text[512];
    const cJSON *evaluation;

    score_maps(&a, "dice");
    a.report.run = "unet";
    a.report.split = "val";
    a.report.part = "0";
    a.report.step = INT64_MAX;
    a.report.parts_received = 2;
    a.report.parts_expected = 3;
    a.report.receive_ms = -1.0;
    tell(&a);
    evaluation = member(a.json, "evaluation");
    members(evaluation, text);
    CU_ASSERT_STRING_EQUAL(text, "run split step part parts_received parts_expected complete");
    CU_ASSERT_STRING_EQUAL(word(evaluation, "run"), "unet");
    CU_ASSERT_PTR_NOT_NULL(strstr(a.text, "\"step\":9223372036854775807,"));
    CU_ASSERT(cJSON_IsFalse(member(evaluation, "complete")));
    CU_ASSERT_PTR_NULL(member(member(a.json, "engine"), "receive_ms"));
    a.report.part = NULL;
    a.report.parts_expected = -1;
    tell(&a);
    evaluation = member(a.json, "evaluation");
    CU_ASSERT(cJSON_IsNull(member(evaluation, "part")));
    CU_ASSERT(cJSON_IsNull(member(evaluation, "parts_expected")));
    CU_ASSERT(cJSON_IsTrue(member(evaluation, "complete")));
    drop(&a);
}

static double cell(const cJSON *table, int row, int column)
{
    return cJSON_GetNumberValue(cJSON_GetArrayItem(cJSON_GetArrayItem(table, row), column));
}

static void confusion(void)
{
    double counted[3][3] = {{0}};
    answer a;
    const cJSON *table;

    for (size_t v = 0; v < 6; v++)
        counted[labels[v]][preds[v]] += 1.0;
    score_maps(&a, "dice");
    a.report.include_confusion = 1;
    tell(&a);
    table = member(a.json, "confusion");
    CU_ASSERT_EQUAL(cJSON_GetArraySize(table), 3);
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 3; column++)
            CU_ASSERT_EQUAL(cell(table, row, column), counted[row][column]);
    drop(&a);
}

/* Independent masks: one 2 x 2 table for each. */
static void confusion_of_masks(void)
{
    static const unsigned char p[8] = {1, 1, 0, 0, /* class 1 */ 1, 0, 0, 0};
    static const unsigned char g[8] = {1, 0, 1, 0, /* class 1 */ 1, 1, 1, 0};
    const mm_input input = {
        .pred = {.data = p, .dtype = MM_BOOL, .rank = 3, .dim = {1, 2, 4}},
        .label = {.data = g, .dtype = MM_BOOL, .rank = 3, .dim = {1, 2, 4}},
        .task = MM_MULTILABEL,
        .threshold = 0.5,
    };
    answer a;
    const cJSON *table;

    score(&a, &input, "dice");
    a.report.include_confusion = 1;
    tell(&a);
    for (int c = 0; c < 2; c++) {
        double counted[2][2] = {{0}};

        for (int v = 0; v < 4; v++)
            counted[g[4 * c + v]][p[4 * c + v]] += 1.0;
        table = cJSON_GetArrayItem(member(a.json, "confusion"), c);
        for (int row = 0; row < 2; row++)
            for (int column = 0; column < 2; column++)
                CU_ASSERT_EQUAL(cell(table, row, column), counted[row][column]);
    }
    drop(&a);
}

static void warning(void)
{
    static const float p[6] = {.5f, .5f, .9f, .5f, .5f, .9f}; /* voxel 2 sums to 1.8 */
    const mm_input input = {
        .pred = {.data = p, .dtype = MM_F32, .rank = 3, .dim = {1, 2, 3}},
        .label = {.data = labels, .dtype = MM_U8, .rank = 2, .dim = {1, 3}},
        .threshold = 0.5,
    };
    answer a;
    const cJSON *item;

    score(&a, &input, "dice_loss");
    tell(&a);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(member(a.json, "warnings")), 1);
    item = cJSON_GetArrayItem(member(a.json, "warnings"), 0);
    CU_ASSERT_STRING_EQUAL(word(item, "tensor"), "pred");
    CU_ASSERT_EQUAL(cJSON_GetNumberValue(member(item, "index")), 2.0);
    CU_ASSERT_EQUAL(cJSON_GetNumberValue(member(item, "count")), 1.0);
    CU_ASSERT_STRING_EQUAL(word(item, "text"), "probabilities do not sum to 1 within 1e-3");
    drop(&a);
}

/* --------------------------------------------------------------- problems */

static void problem(void)
{
    mm_problem what = {.param = "scores", .tensor = "pred", .has_index = 1, .index = UINT64_MAX, .text = "too \"bad\""};
    size_t size = 0;
    char *text = mm_reply_problem(422, NULL, &what, "abc", &size);

    CU_ASSERT_STRING_EQUAL(text, "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\",\"status\":422,"
                                 "\"detail\":\"too \\\"bad\\\"\",\"param\":\"scores\",\"tensor\":\"pred\","
                                 "\"index\":18446744073709551615,\"request_id\":\"abc\"}");
    CU_ASSERT_EQUAL(size, strlen(text));
    free(text);
    text = mm_reply_problem(404, "Gone fishing", NULL, NULL, &size);
    CU_ASSERT_STRING_EQUAL(text, "{\"type\":\"about:blank\",\"title\":\"Gone fishing\",\"status\":404}");
    free(text);
}

/* A name that was cut in the middle of a character stays valid UTF-8. */
static void cut_names(void)
{
    static const char *const euro = "\xE2\x82\xAC";

    for (size_t left = 0; left <= 3; left++) {
        mm_problem what = {.text = "x"};
        size_t size = 0;
        char *text;
        cJSON *json;

        memset(what.param, 'a', 20);
        memcpy(what.param + 20, euro, left);
        text = mm_reply_problem(400, NULL, &what, NULL, &size);
        json = cJSON_Parse(text);
        CU_ASSERT_EQUAL(strlen(word(json, "param")), left == 3 ? 23 : 20);
        cJSON_Delete(json);
        free(text);
    }
}

static void titles(void)
{
    static const int used[] = {400, 401, 403, 404, 405, 408, 409, 411, 413,
                               414, 415, 417, 422, 429, 431, 500, 503, 507};

    for (size_t i = 0; i < sizeof used / sizeof used[0]; i++)
        CU_ASSERT_STRING_NOT_EQUAL(mm_status_title(used[i]), "Error");
    CU_ASSERT_STRING_EQUAL(mm_status_title(599), "Error");
}

/* --------------------------------------------------------------- registry */

static void registry(void)
{
    size_t size = 0, count = 0;
    char *text = mm_reply_scores(&size), fields[512];
    cJSON *json = cJSON_Parse(text);
    const cJSON *item;

    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    cJSON_ArrayForEach(item, member(json, "scores"))
    {
        const mm_score_info *info = mm_score_at(count++);

        CU_ASSERT_PTR_NOT_NULL_FATAL(info);
        members(item, fields);
        CU_ASSERT_STRING_EQUAL(fields, "name aliases kind better summary formula source undefined params common");
        CU_ASSERT_STRING_EQUAL(word(item, "name"), info->name);
        CU_ASSERT_STRING_EQUAL(word(item, "summary"), info->summary);
        CU_ASSERT_EQUAL((size_t)cJSON_GetArraySize(member(item, "params")), info->param_count);
        CU_ASSERT_EQUAL((size_t)cJSON_GetArraySize(member(item, "common")), info->common_count);
    }
    CU_ASSERT(count > 0);
    CU_ASSERT_PTR_NULL(mm_score_at(count));
    cJSON_Delete(json);
    free(text);
}

static void one_score(void)
{
    const mm_score_info *info = mm_score_find("tversky_loss");
    size_t size = 0;
    char *text;
    cJSON *json;
    const cJSON *item;
    int found = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(info);
    text = mm_reply_score(info, &size);
    json = cJSON_Parse(text);
    cJSON_ArrayForEach(item, member(json, "params")) if (strcmp(word(item, "name"), "alpha") == 0)
    {
        found = 1;
        CU_ASSERT_STRING_EQUAL(word(item, "type"), "number");
        CU_ASSERT_EQUAL(cJSON_GetNumberValue(member(item, "default")), 0.3);
        CU_ASSERT_EQUAL(cJSON_GetNumberValue(member(item, "min")), 0.0);
        CU_ASSERT(cJSON_IsFalse(member(item, "required")));
    }
    CU_ASSERT(found);
    cJSON_Delete(json);
    free(text);
}

/* ---------------------------------------------------------------- history */

static void runs(void)
{
    char *splits[] = {"train", "val"};
    mm_run_row rows[] = {{.run = "a",
                          .created = 0,
                          .updated = -1,
                          .splits = splits,
                          .split_count = 2,
                          .evaluations = 3,
                          .first_step = 1,
                          .last_step = 9},
                         {.run = "b", .created = 1767225600250, .updated = -62135596800000}};
    mm_run_list list = {.rows = rows, .count = 2, .next = "c"};
    size_t size = 0;
    char *text = mm_reply_runs(&list, &size);

    CU_ASSERT_STRING_EQUAL(
        text,
        "{\"runs\":[{\"run\":\"a\",\"created\":\"1970-01-01T00:00:00.000Z\",\"updated\":\"1969-12-31T23:59:59.999Z\","
        "\"splits\":[\"train\",\"val\"],\"evaluations\":3,\"first_step\":1,\"last_step\":9,\"tags\":{}},"
        "{\"run\":\"b\",\"created\":\"2026-01-01T00:00:00.250Z\",\"updated\":\"0001-01-01T00:00:00.000Z\","
        "\"splits\":[],\"evaluations\":0,\"first_step\":0,\"last_step\":0,\"tags\":{}}],\"next\":\"c\"}");
    free(text);
    text = mm_reply_run(&rows[0], &size);
    CU_ASSERT_EQUAL(strncmp(text, "{\"run\":\"a\",", 11), 0);
    free(text);
    list = (mm_run_list){.count = 0};
    text = mm_reply_runs(&list, &size);
    CU_ASSERT_STRING_EQUAL(text, "{\"runs\":[],\"next\":null}");
    free(text);
}

static void run_evaluations(void)
{
    mm_score_row scores[] = {{"dice", {0.5, MM_DEFINED}}, {"a\"b", {0.0, MM_NO_VOXELS}}};
    mm_evaluation_row row = {.split = "val",
                             .step = 7,
                             .time = 1767225600000,
                             .images = 40,
                             .parts_received = 8,
                             .parts_expected = 8,
                             .scores = scores,
                             .score_count = 2};
    mm_evaluation_list list = {.rows = &row, .count = 1};
    size_t size = 0;
    char *text = mm_reply_run_evaluations("unet", &list, &size);

    CU_ASSERT_STRING_EQUAL(text, "{\"run\":\"unet\",\"evaluations\":[{\"split\":\"val\",\"step\":7,"
                                 "\"time\":\"2026-01-01T00:00:00.000Z\",\"images\":40,\"parts_received\":8,"
                                 "\"parts_expected\":8,\"complete\":true,\"scores\":{\"dice\":0.5,\"a\\\"b\":null}}],"
                                 "\"next\":null}");
    CU_ASSERT_EQUAL(size, strlen(text));
    free(text);
}

static CU_TestInfo tests[] = {{"members of a report", shape_of_a_report},
                              {"classes of a report", classes_of_a_report},
                              {"values of a report", values_of_a_report},
                              {"undefined values", undefined},
                              {"a stored evaluation", stored_evaluation},
                              {"confusion of exclusive classes", confusion},
                              {"confusion of masks", confusion_of_masks},
                              {"a warning", warning},
                              {"problems", problem},
                              {"names that were cut", cut_names},
                              {"titles", titles},
                              {"the registry", registry},
                              {"one score", one_score},
                              {"runs", runs},
                              {"evaluations of a run", run_evaluations},
                              CU_TEST_INFO_NULL};

const mm_suite mm_suite_reply = {"reply", tests};
