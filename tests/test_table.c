/*
 * test_table.c - an answer as a table: alignment, dashes, remarks, blocks that fit a terminal, nothing that could steer
 * one.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/table.h"

/* What is printed for this answer; free it. */
static char *print(const char *json, int colour, size_t width, int *fine)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    *fine = mm_table_print(out, json, strlen(json), colour, width);
    fclose(out);
    return text;
}

#define HEAD                                                                                                           \
    "{\"evaluation\":{\"run\":\"unet\",\"split\":\"val\",\"step\":12,\"part\":\"0\",\"parts_received\":1,"             \
    "\"parts_expected\":4,\"complete\":false},\"images\":1,\"voxels\":64,\"ignored\":3,\"classes\":["                  \
    "{\"index\":0,\"name\":\"b\"},{\"index\":1,\"name\":\"\xC3\xA4rm\"}],\"scores\":["
#define TAIL "],\"warnings\":[{\"tensor\":\"pred\",\"index\":5,\"count\":2,\"text\":\"odd\"}]}"

static void layout(void)
{
    static const char json[] =
        HEAD "{\"name\":\"dice\",\"value\":0.5,\"per_class\":[0.25,null],\"undefined\":[{\"class\":1,"
             "\"reason\":\"absent_in_both\"}]},{\"name\":\"fp\",\"value\":131072,\"per_class\":[1e-7,3],"
             "\"undefined\":[]},{\"name\":\"iou\",\"value\":null,\"reason\":\"no_voxels\",\"undefined\":[]}" TAIL;
    static const char expected[] = "unet  val  step 12  part 0  (1 of 4 received)\n"
                                   "1 image, 64 voxels, 3 ignored\n"
                                   "\n"
                                   "class    dice         fp  iou\n"
                                   "b      0.2500  1.000e-07    -\n"
                                   "\xC3\xA4rm         -          3    -\n"
                                   "value  0.5000     131072    -\n"
                                   "\n"
                                   "- \xC3\xA4rm: absent_in_both\n"
                                   "- iou is undefined: no_voxels\n"
                                   "warning: pred[5]: odd (2 times)\n";
    int fine;
    char *text = print(json, 0, 0, &fine);

    CU_ASSERT_EQUAL(fine, 1);
    CU_ASSERT_STRING_EQUAL(text, expected);
    free(text);
}

/* Three columns of 20 in 50: two blocks, each with all classes and the value, no line longer than that. */
static void blocks(void)
{
    static const char json[] = HEAD "{\"name\":\"first_long_score__\",\"value\":1,\"per_class\":[1,0]},"
                                    "{\"name\":\"second_long_score_\",\"value\":1,\"per_class\":[1,0]},"
                                    "{\"name\":\"third_long_score__\",\"value\":1,\"per_class\":[1,0]}" TAIL;
    int fine, lines = 0, values = 0;
    char *text = print(json, 0, 50, &fine), *line, *rest = text;

    while ((line = strsep(&rest, "\n")) != NULL) {
        CU_ASSERT(strlen(line) <= 51); /* one character has two bytes */
        values += strncmp(line, "value", 5) == 0;
        lines++;
    }
    CU_ASSERT_EQUAL(values, 2);
    CU_ASSERT(lines > 10);
    free(text);
}

static void colours(void)
{
    static const char json[] = HEAD "{\"name\":\"dice\",\"value\":0.5,\"per_class\":[0.25,null]}" TAIL;
    int fine;
    char *with = print(json, 1, 0, &fine), *without = print(json, 0, 0, &fine);

    CU_ASSERT_PTR_NOT_NULL(strchr(with, '\x1b'));
    CU_ASSERT_PTR_NULL(strchr(without, '\x1b'));
    free(with);
    free(without);
}

static void lists_and_notes(void)
{
    static const char json[] =
        HEAD "{\"name\":\"peer.f\",\"value\":[[1,2],[3,null]],\"note\":\"the peer is wrong\"}" TAIL;
    int fine;
    char *text = print(json, 0, 0, &fine);

    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\npeer.f = [[1,2],[3,null]]\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\npeer.f: the peer is wrong\n"));
    CU_ASSERT_PTR_NULL(strstr(text, "class"));
    free(text);
}

/* A name from a strange server reaches the terminal without its escape sequence. */
static void no_steering(void)
{
    static const char json[] = HEAD "{\"name\":\"di\\u001b[2Jce\",\"value\":0.5,\"per_class\":[0.25,1]}" TAIL;
    int fine;
    char *text = print(json, 0, 0, &fine);

    CU_ASSERT_PTR_NULL(strchr(text, '\x1b'));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "di?[2Jce"));
    free(text);
}

static void not_an_answer(void)
{
    static const char *const texts[] = {"", "hello", "[]", "{}", "{\"classes\":[],\"scores\":{}}", "{\"classes\":"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int fine = 1;
        char *text = print(texts[i], 0, 0, &fine);

        CU_ASSERT_EQUAL(fine, 0);
        free(text);
    }
}

/* Thousands of classes with several reasons each: a few remarks, and quickly. */
static void many_classes(void)
{
    char *json = NULL, *text;
    size_t size = 0;
    int fine;
    FILE *out = open_memstream(&json, &size);

    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    fputs("{\"classes\":[", out);
    for (int c = 0; c < 4096; c++)
        fprintf(out, "%s{\"name\":\"%d\"}", c > 0 ? "," : "", c);
    fputs("],\"scores\":[", out);
    for (int s = 0; s < 8; s++) {
        fprintf(out, "%s{\"name\":\"s%d\",\"value\":null,\"per_class\":[", s > 0 ? "," : "", s);
        for (int c = 0; c < 4096; c++)
            fputs(c > 0 ? ",null" : "null", out);
        fputs("],\"undefined\":[", out);
        for (int c = 0; c < 4096; c++)
            fprintf(out, "%s{\"class\":%d,\"reason\":\"%s\"}", c > 0 ? "," : "", c, s % 2 ? "absent_in_both" : "other");
        fputs("]}", out);
    }
    fputs("]}", out);
    fclose(out);
    text = print(json, 0, 0, &fine);
    CU_ASSERT_EQUAL(fine, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "- and 8172 more\n"));
    free(text);
    free(json);
}

static CU_TestInfo tests[] = {{"layout", layout},
                              {"blocks that fit", blocks},
                              {"colours", colours},
                              {"lists and notes", lists_and_notes},
                              {"no control characters", no_steering},
                              {"not an answer", not_an_answer},
                              {"many classes", many_classes},
                              CU_TEST_INFO_NULL};

const mm_suite mm_suite_table = {"table", tests};
