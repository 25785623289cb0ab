/*
 * test_cmd_eval.c - `maskmeter eval` and `maskmeter scores` as a user runs them: output, exit codes, complaints.
 */
#include "tests/suites.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/cmd.h"
#include "tests/capture.h"
#include "tests/wire_tools.h"

#define DATA "tests/data/"

typedef int command(int argc, char **argv);

/* Runs with arguments that end with NULL; the exit code.  Free the capture. */
static int run(capture *said, command *what, char *const *arguments)
{
    char *argv[12];
    int argc = 0, code;

    for (; arguments[argc] != NULL && argc < 11; argc++)
        argv[argc] = arguments[argc];
    argv[argc] = NULL;
    capture_begin(said);
    code = what(argc, argv);
    capture_end(said);
    return code;
}

#define RUN(said, what, ...) run(said, what, (char *[]){__VA_ARGS__, NULL})

static double number(const cJSON *object, const char *name)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static double first_value(const capture *said)
{
    cJSON *json = cJSON_Parse(said->out);
    const cJSON *scores = cJSON_GetObjectItemCaseSensitive(json, "scores");
    const double value = number(cJSON_GetArrayItem(scores, 0), "value");

    cJSON_Delete(json);
    return value;
}

/* ------------------------------------------------------------------- tests */

/* The table and the document tell the same. */
static void table_and_json(void)
{
    capture table, json;
    char value[32];

    CU_ASSERT_EQUAL(RUN(&json, mm_cmd_eval, "eval", "--scores=dice", "--json", DATA "demo.safetensors"), MM_EXIT_FINE);
    CU_ASSERT_EQUAL(RUN(&table, mm_cmd_eval, "eval", "--scores", "dice", DATA "demo.safetensors"), MM_EXIT_FINE);
    snprintf(value, sizeof value, "\nvalue         %.4f\n", first_value(&json));
    CU_ASSERT_PTR_NOT_NULL(strstr(table.out, value));
    CU_ASSERT_PTR_NOT_NULL(strstr(table.out, "\nliver "));
    CU_ASSERT_STRING_EQUAL(table.err, "");
    CU_ASSERT_STRING_EQUAL(json.err, "");
    capture_free(&table);
    capture_free(&json);
}

/* Two files are the union of their images, in either order; the values of both orders are equal. */
static void several_files(void)
{
    static char a[] = DATA "dsb2d_labels_519x161.safetensors.zst", b[] = DATA "dsb2d_labels_519x162.safetensors.zst";
    capture ab, ba, one;
    cJSON *json;

    CU_ASSERT_EQUAL(RUN(&ab, mm_cmd_eval, "eval", "--json", "--include=images", a, b), MM_EXIT_FINE);
    CU_ASSERT_EQUAL(RUN(&ba, mm_cmd_eval, "eval", "--json", b, a), MM_EXIT_FINE);
    CU_ASSERT_EQUAL(RUN(&one, mm_cmd_eval, "eval", "--json", a), MM_EXIT_FINE);
    CU_ASSERT_EQUAL(first_value(&ab), first_value(&ba));
    CU_ASSERT_NOT_EQUAL(first_value(&ab), first_value(&one));
    json = cJSON_Parse(ab.out);
    CU_ASSERT_EQUAL(number(json, "images"), 4.0);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "image_ids")), 4);
    cJSON_Delete(json);
    capture_free(&ab);
    capture_free(&ba);
    capture_free(&one);
}

/* The same file twice: its images are the same images, and count once. */
static void the_same_twice(void)
{
    static char a[] = DATA "dsb2d_labels_519x161.safetensors.zst";
    capture once, twice;

    CU_ASSERT_EQUAL(RUN(&once, mm_cmd_eval, "eval", "--json", a), MM_EXIT_FINE);
    CU_ASSERT_EQUAL(RUN(&twice, mm_cmd_eval, "eval", "--json", a, a), MM_EXIT_FINE);
    CU_ASSERT_EQUAL(first_value(&once), first_value(&twice));
    CU_ASSERT_PTR_NOT_NULL(strstr(twice.out, "\"images\":2,"));
    capture_free(&once);
    capture_free(&twice);
}

static void wrong_usage(void)
{
    static const struct {
        const char *flag, *said;
    } cases[] = {
        {"--scores=dise", "dice"},      {"--scors=dice", "did you mean scores"},
        {"--weights=a", "weights"},     {"--include=bars", "include knows"},
        {"--threshold=2", "threshold"}, {"--pred_kind=x", "probs|logits"},
        {"--classes=a,a", "classes"},   {"--time=now", "time"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        capture said;
        char flag[64];

        snprintf(flag, sizeof flag, "%s", cases[i].flag);
        CU_ASSERT_EQUAL(RUN(&said, mm_cmd_eval, "eval", flag, DATA "demo.safetensors"), MM_EXIT_USAGE);
        CU_ASSERT_PTR_NOT_NULL(strstr(said.err, cases[i].said));
        CU_ASSERT_STRING_EQUAL(said.out, "");
        capture_free(&said);
    }
}

static void failures(void)
{
    static const struct {
        const char *flag, *file, *said;
    } cases[] = {
        {"--json", "no/such/file", "no/such/file: No such file"},
        {"--json", DATA "LICENSES.md", "LICENSES.md: "},
        {"--weights=1,2", DATA "demo.safetensors", "weights has 2 numbers"},
        {"--classes=a,b", DATA "demo.safetensors", "pred has 4"},
        {"--label_kind=onehot", DATA "demo.safetensors", "tensor label"},
        {"--image_ids=a,b", DATA "demo.safetensors", "image_ids"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        capture said;
        char flag[64], file[64];

        snprintf(flag, sizeof flag, "%s", cases[i].flag);
        snprintf(file, sizeof file, "%s", cases[i].file);
        CU_ASSERT_EQUAL(RUN(&said, mm_cmd_eval, "eval", flag, file), MM_EXIT_FAILED);
        CU_ASSERT_PTR_NOT_NULL(strstr(said.err, cases[i].said));
        CU_ASSERT_STRING_EQUAL(said.out, "");
        capture_free(&said);
    }
}

/* Files that do not belong together: other classes. */
static void other_classes(void)
{
    capture said;

    CU_ASSERT_EQUAL(
        RUN(&said, mm_cmd_eval, "eval", DATA "demo.safetensors", DATA "dsb2d_labels_519x161.safetensors.zst"),
        MM_EXIT_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(said.err, "dsb2d_labels_519x161.safetensors.zst: classes: differs"));
    CU_ASSERT_STRING_EQUAL(said.out, "");
    capture_free(&said);
}

static void helps(void)
{
    capture said;

    CU_ASSERT_EQUAL(RUN(&said, mm_cmd_eval, "eval", "--help"), MM_EXIT_FINE);
    CU_ASSERT_EQUAL(strncmp(said.out, "Usage: maskmeter eval", 21), 0);
    capture_free(&said);
    CU_ASSERT_EQUAL(RUN(&said, mm_cmd_push, "push", "--help"), MM_EXIT_FINE);
    CU_ASSERT_EQUAL(strncmp(said.out, "Usage: maskmeter push", 21), 0);
    capture_free(&said);
    CU_ASSERT_EQUAL(RUN(&said, mm_cmd_scores, "scores", "--help"), MM_EXIT_FINE);
    CU_ASSERT_EQUAL(strncmp(said.out, "Usage: maskmeter scores", 23), 0);
    capture_free(&said);
}

/* ------------------------------------------------------------------ scores */

static void list_of_scores(void)
{
    capture said;
    size_t lines = 0, count = 0;

    CU_ASSERT_EQUAL(RUN(&said, mm_cmd_scores, "scores"), MM_EXIT_FINE);
    for (const char *c = said.out; *c != '\0'; c++)
        lines += *c == '\n';
    while (mm_score_at(count) != NULL)
        count++;
    CU_ASSERT_EQUAL(lines, count);
    CU_ASSERT_EQUAL(strncmp(said.out, mm_score_at(0)->name, strlen(mm_score_at(0)->name)), 0);
    capture_free(&said);
}

static void one_of_the_scores(void)
{
    capture said;

    CU_ASSERT_EQUAL(RUN(&said, mm_cmd_scores, "scores", "f1"), MM_EXIT_FINE); /* an alias */
    CU_ASSERT_EQUAL(strncmp(said.out, "dice ", 5), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(said.out, "formula"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said.out, "absent"));
    capture_free(&said);
    CU_ASSERT_EQUAL(RUN(&said, mm_cmd_scores, "scores", "--json", "dice"), MM_EXIT_FINE);
    CU_ASSERT_EQUAL(strncmp(said.out, "{\"name\":\"dice\",", 15), 0);
    capture_free(&said);
    CU_ASSERT_EQUAL(RUN(&said, mm_cmd_scores, "scores", "dise"), MM_EXIT_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(said.err, "did you mean dice?"));
    capture_free(&said);
    CU_ASSERT_EQUAL(RUN(&said, mm_cmd_scores, "scores", "dice", "iou"), MM_EXIT_USAGE);
    capture_free(&said);
    CU_ASSERT_EQUAL(RUN(&said, mm_cmd_scores, "scores", "--all"), MM_EXIT_USAGE);
    capture_free(&said);
}

static CU_TestInfo tests[] = {{"the table and the document agree", table_and_json},
                              {"several files", several_files},
                              {"the same file twice", the_same_twice},
                              {"wrong usage", wrong_usage},
                              {"failures", failures},
                              {"files of other classes", other_classes},
                              {"help", helps},
                              {"the list of scores", list_of_scores},
                              {"one score", one_of_the_scores},
                              CU_TEST_INFO_NULL};

const mm_suite mm_suite_cmd_eval = {"cmd_eval", tests};
