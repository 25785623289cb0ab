/*
 * test_wire_read.c - whole safetensors files, in any chunks: the vectors, limits, truncation, damage.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/wire_tools.h"

#define VECTORS "proto/vectors/"

/* Two tensors and metadata; the data are 26 bytes. */
static const char json[] = "{\"__metadata__\":{\"maskmeter.run\":\"unet\",\"k\":\"\\u00e4\"},"
                           "\"label\":{\"dtype\":\"U8\",\"shape\":[1,2],\"data_offsets\":[24,26]},"
                           "\"pred\":{\"dtype\":\"F32\",\"shape\":[1,3,2],\"data_offsets\":[0,24]}}  ";

#define DATA_SIZE 26

static wire_bytes sound_file(void)
{
    const wire_bytes file = wire_file(json, sizeof json - 1, DATA_SIZE);

    CU_ASSERT_PTR_NOT_NULL_FATAL(file.data);
    return file;
}

/* ----------------------------------------------------------------- vectors */

/* The tensors as index.tsv lists them: pred:F32[1,2,2] label:U8[1,2] */
static void list_tensors(const mm_wire *wire, char *text, size_t room)
{
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = 0; i < mm_wire_count(wire) && at < room; i++) {
        const mm_tensor *tensor = mm_wire_tensor(wire, i);

        at += (size_t)snprintf(text + at, room - at, "%s%s:%s[", i > 0 ? " " : "", mm_wire_name(wire, i),
                               mm_dtype_name(tensor->dtype));
        for (unsigned k = 0; k < tensor->rank && at < room; k++)
            at += (size_t)snprintf(text + at, room - at, "%s%zu", k > 0 ? "," : "", tensor->dim[k]);
        if (at < room)
            at += (size_t)snprintf(text + at, room - at, "]");
    }
}

/* Decodes *file in place when it has a coding. */
static mm_wire_status decode(const char *name, wire_bytes *file, mm_problem *problem)
{
    mm_coding *coding = NULL;
    const size_t room = 4096;
    unsigned char *out = malloc(room);
    size_t used = 0, filled = 0;
    mm_wire_status status;

    if (strcmp(name, "identity") == 0) {
        free(out);
        return MM_WIRE_OK;
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    CU_ASSERT_EQUAL_FATAL(mm_coding_new(&coding, name), MM_WIRE_OK);
    status = mm_coding_feed(coding, file->data, file->size, &used, out, room, &filled, problem);
    if (status == MM_WIRE_OK)
        status = mm_coding_end(coding, problem);
    mm_coding_free(coding);
    free(file->data);
    *file = wire_copy(out, filled);
    free(out);
    return status;
}

/* One line of index.tsv; 0 when it does not come out as it says. */
static int check_vector(char *line)
{
    static const char *const outcomes[] = {[MM_WIRE_OK] = "ok", NULL, "bad_file", "bad_tensor"};
    const char *field[6] = {"", "", "", "", "", ""};
    char path[256], listed[512];
    mm_wire *wire = NULL;
    mm_problem problem = {0};
    wire_bytes file;
    mm_wire_status status;
    int good;

    for (size_t i = 0; i < 6; i++) {
        char *tab = strpbrk(line, "\t\n");

        if (tab == NULL)
            return 0;
        *tab = '\0';
        field[i] = line;
        line = tab + 1;
    }
    snprintf(path, sizeof path, VECTORS "%s", field[0]);
    file = wire_load(path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file.data);
    status = decode(field[1], &file, &problem);
    if (status == MM_WIRE_OK)
        status = wire_read(&wire, file.data, file.size, &problem);
    good = status <= MM_WIRE_BAD_TENSOR && outcomes[status] != NULL && strcmp(outcomes[status], field[2]) == 0;
    if (good && status == MM_WIRE_OK) {
        list_tensors(wire, listed, sizeof listed);
        good = strcmp(listed, field[4]) == 0 && wire_check(wire, file.data, file.size) == NULL;
    } else if (good) {
        good = strstr(problem.text, field[4]) != NULL &&
               strcmp(problem.tensor, strcmp(field[3], "-") == 0 ? "" : field[3]) == 0;
    }
    if (!good)
        printf("\n    %s: status %d, %s [%s]\n", field[0], (int)status, problem.text, problem.tensor);
    mm_wire_free(wire);
    free(file.data);
    return good;
}

static void test_vectors(void)
{
    FILE *index = fopen(VECTORS "index.tsv", "r");
    unsigned count = 0;
    char line[1024];

    CU_ASSERT_PTR_NOT_NULL_FATAL(index);
    CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof line, index)); /* the names of the columns */
    for (; fgets(line, sizeof line, index) != NULL; count++)
        CU_ASSERT(check_vector(line));
    fclose(index);
    CU_ASSERT(count > 100);
}

/* The values that the stock writer was given: pred = i / 32, label = i, mask = (i mod 3 = 0). */
static void test_stock_values(void)
{
    const wire_bytes file = wire_load(VECTORS "stock_metadata.safetensors");
    mm_problem problem = {0};
    mm_wire *wire;
    const mm_tensor *pred, *label, *mask;

    CU_ASSERT_PTR_NOT_NULL_FATAL(file.data);
    CU_ASSERT_EQUAL_FATAL(wire_read(&wire, file.data, file.size, &problem), MM_WIRE_OK);
    pred = mm_wire_find(wire, "pred");
    label = mm_wire_find(wire, "label");
    mask = mm_wire_find(wire, "mask");
    CU_ASSERT_FATAL(pred != NULL && label != NULL && mask != NULL);
    for (size_t i = 0; i < 24; i++) {
        float value;

        memcpy(&value, (const unsigned char *)pred->data + 4 * i, 4);
        CU_ASSERT_EQUAL(value, (float)i / 32.0F);
    }
    for (size_t i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(((const unsigned char *)label->data)[i], i);
        CU_ASSERT_EQUAL(((const unsigned char *)mask->data)[i], i % 3 == 0);
    }
    CU_ASSERT_EQUAL_FATAL(mm_wire_meta_count(wire), 1);
    CU_ASSERT_STRING_EQUAL(mm_wire_meta_key(wire, 0), "maskmeter.run");
    CU_ASSERT_STRING_EQUAL(mm_wire_meta_value(wire, 0), "\xc3\xbc \"quoted\"\n\x01\xf0\x9f\x98\x80");
    mm_wire_free(wire);
    free(file.data);
}

/* ------------------------------------------------------------ incremental */

static void test_access(void)
{
    const wire_bytes file = sound_file();
    mm_wire *wire;

    CU_ASSERT_EQUAL_FATAL(wire_read(&wire, file.data, file.size, NULL), MM_WIRE_OK);
    CU_ASSERT_EQUAL(mm_wire_size(wire), file.size);
    CU_ASSERT_EQUAL(mm_wire_count(wire), 2);
    CU_ASSERT_STRING_EQUAL(mm_wire_name(wire, 0), "label");
    CU_ASSERT_STRING_EQUAL(mm_wire_name(wire, 1), "pred");
    CU_ASSERT_PTR_NULL(mm_wire_name(wire, 2));
    CU_ASSERT_PTR_NULL(mm_wire_tensor(wire, 2));
    CU_ASSERT_PTR_EQUAL(mm_wire_find(wire, "pred"), mm_wire_tensor(wire, 1));
    CU_ASSERT_PTR_NULL(mm_wire_find(wire, "Pred"));
    CU_ASSERT_PTR_EQUAL(mm_wire_find(wire, "pred")->data, file.data + file.size - 26);
    CU_ASSERT_PTR_EQUAL(mm_wire_find(wire, "label")->data, file.data + file.size - 2);
    CU_ASSERT_EQUAL(mm_wire_meta_count(wire), 2);
    CU_ASSERT_STRING_EQUAL(mm_wire_meta_key(wire, 1), "k");
    CU_ASSERT_STRING_EQUAL(mm_wire_meta_value(wire, 1), "\xc3\xa4");
    CU_ASSERT_PTR_NULL(mm_wire_meta_key(wire, 2));
    CU_ASSERT_PTR_NULL(mm_wire_meta_value(wire, 2));
    CU_ASSERT_PTR_NULL(wire_check(wire, file.data, file.size));
    mm_wire_free(wire);
    mm_wire_free(NULL);
    free(file.data);
}

/* Byte by byte, each time in another block that holds no more than has arrived. */
static void test_byte_by_byte(void)
{
    const wire_bytes file = sound_file();
    const size_t front = file.size - DATA_SIZE;
    wire_bytes part = {NULL, 0};
    mm_wire *wire = NULL;

    CU_ASSERT_EQUAL_FATAL(mm_wire_new(&wire), MM_WIRE_OK);
    CU_ASSERT_EQUAL(mm_wire_feed(wire, NULL, 0, NULL), MM_WIRE_MORE);
    for (size_t filled = 0; filled <= file.size; filled++) {
        const wire_bytes next = wire_copy(file.data, filled);

        CU_ASSERT_PTR_NOT_NULL_FATAL(next.data);
        free(part.data);
        part = next;
        CU_ASSERT_EQUAL(mm_wire_feed(wire, part.data, filled, NULL), filled < file.size ? MM_WIRE_MORE : MM_WIRE_OK);
        CU_ASSERT_EQUAL(mm_wire_size(wire), filled < front ? 0 : file.size);
        CU_ASSERT_EQUAL(mm_wire_count(wire), filled < front ? 0 : 2);
        if (filled >= front)
            CU_ASSERT_PTR_NOT_NULL(mm_wire_find(wire, "pred")->data); /* NULL would say that there is none */
    }
    CU_ASSERT_PTR_NULL(wire_check(wire, part.data, part.size));
    /* The buffer moves between the last feed and the end. */
    CU_ASSERT_EQUAL(mm_wire_end(wire, file.data, file.size, NULL), MM_WIRE_OK);
    CU_ASSERT_PTR_NULL(wire_check(wire, file.data, file.size));
    mm_wire_free(wire);
    free(part.data);
    free(file.data);
}

static void test_truncated(void)
{
    const wire_bytes file = sound_file();

    for (size_t size = 0; size < file.size; size++) {
        const wire_bytes part = wire_copy(file.data, size);
        mm_problem problem = {0}, again = {0};
        mm_wire *wire;

        CU_ASSERT_PTR_NOT_NULL_FATAL(part.data);
        CU_ASSERT_EQUAL(wire_read(&wire, part.data, size, &problem), MM_WIRE_BAD_FILE);
        CU_ASSERT_STRING_NOT_EQUAL(problem.text, "");
        CU_ASSERT_EQUAL(mm_wire_end(wire, part.data, size, &again), MM_WIRE_BAD_FILE); /* an error is final */
        CU_ASSERT_STRING_EQUAL(again.text, problem.text);
        mm_wire_free(wire);
        free(part.data);
    }
    free(file.data);
}

static void test_tail(void)
{
    wire_bytes file = wire_file(json, sizeof json - 1, DATA_SIZE + 1);
    mm_problem problem = {0};
    mm_wire *wire = NULL;

    CU_ASSERT_PTR_NOT_NULL_FATAL(file.data);
    CU_ASSERT_EQUAL(wire_read(&wire, file.data, file.size, &problem), MM_WIRE_BAD_FILE);
    CU_ASSERT(wire_says(problem.text, "more follow"));
    mm_wire_free(wire);
    CU_ASSERT_EQUAL_FATAL(mm_wire_new(&wire), MM_WIRE_OK);
    CU_ASSERT_EQUAL(mm_wire_feed(wire, file.data, file.size - 1, NULL), MM_WIRE_OK);
    CU_ASSERT_EQUAL(mm_wire_feed(wire, file.data, file.size, &problem), MM_WIRE_BAD_FILE);
    CU_ASSERT_EQUAL(mm_wire_feed(wire, file.data, file.size - 1, &problem), MM_WIRE_BAD_FILE);
    mm_wire_free(wire);
    free(file.data);
}

/* A wrong length is refused as soon as its 8 bytes are there. */
static void test_length(void)
{
    static const uint64_t wrong[] = {0, MM_WIRE_MAX_HEADER + 1, (uint64_t)1 << 32, (uint64_t)1 << 63, UINT64_MAX};
    unsigned char bytes[9];

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        mm_problem problem = {0};
        mm_wire *wire = NULL;

        for (unsigned k = 0; k < 8; k++)
            bytes[k] = (unsigned char)(wrong[i] >> (8 * k));
        CU_ASSERT_EQUAL_FATAL(mm_wire_new(&wire), MM_WIRE_OK);
        CU_ASSERT_EQUAL(mm_wire_feed(wire, bytes, 7, &problem), MM_WIRE_MORE);
        CU_ASSERT_EQUAL(mm_wire_feed(wire, bytes, 8, &problem), MM_WIRE_BAD_FILE);
        CU_ASSERT(wire_says(problem.text, "header length"));
        mm_wire_free(wire);
    }
}

/* The longest header is read; the file's size may not reach beyond 63 bits. */
static void test_limits(void)
{
    static char longest[MM_WIRE_MAX_HEADER + 1];
    static char huge[] =
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775807],\"data_offsets\":[0,9223372036854775807]}}";
    wire_bytes file = {NULL, 0};
    mm_problem problem = {0};
    mm_wire *wire;

    memset(longest, ' ', sizeof longest);
    memcpy(longest, json, sizeof json - 1);
    file = wire_file(longest, MM_WIRE_MAX_HEADER, DATA_SIZE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file.data);
    CU_ASSERT_EQUAL(wire_read(&wire, file.data, file.size, NULL), MM_WIRE_OK);
    mm_wire_free(wire);
    free(file.data);
    file = wire_file(huge, sizeof huge - 1, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file.data);
    CU_ASSERT_EQUAL(wire_read(&wire, file.data, file.size, &problem), MM_WIRE_BAD_FILE);
    CU_ASSERT(wire_says(problem.text, "any file's end"));
    CU_ASSERT_EQUAL(mm_wire_count(wire), 0);
    mm_wire_free(wire);
    free(file.data);
}

/* ------------------------------------------------------------------ damage */

/* Any chunks: the same status, problem and tensors. */
static int same_in_chunks(const mm_wire *whole, mm_wire_status status, const mm_problem *problem,
                          const wire_bytes *file, uint64_t *random)
{
    mm_wire *wire = NULL;
    mm_problem other = {0};
    size_t filled = 0;
    int is_same = 0;

    if (mm_wire_new(&wire) != MM_WIRE_OK)
        return 0;
    while (filled < file->size) {
        const size_t step = 1 + wire_random(random) % 64;

        filled = step < file->size - filled ? filled + step : file->size;
        mm_wire_feed(wire, file->data, filled, &other);
    }
    is_same = mm_wire_end(wire, file->data, filled, &other) == status;
    if (status == MM_WIRE_OK)
        is_same = is_same && wire_equal(whole, wire);
    else
        is_same = is_same && strcmp(other.text, problem->text) == 0 && strcmp(other.tensor, problem->tensor) == 0;
    mm_wire_free(wire);
    return is_same;
}

/* Changes one to four things of the header: a byte, a digit, a piece left out, a piece said again. */
static wire_bytes mutate(uint64_t *random)
{
    static const char pool[] = "{}[]:,\"\\0123456789-.eu \t\nUF8\x80\xc3\xff";
    char text[4 * sizeof json];
    size_t size = sizeof json - 1;

    memcpy(text, json, size);
    for (uint64_t left = 1 + wire_random(random) % 4; left > 0; left--) {
        const size_t at = wire_random(random) % size;
        const size_t rest = size - at;
        const size_t span = 1 + wire_random(random) % (rest < 12 ? rest : 12);

        switch (wire_random(random) % 4) {
        case 0:
            text[at] = (char)wire_random(random);
            break;
        case 1:
            text[at] = pool[wire_random(random) % (sizeof pool - 1)];
            break;
        case 2:
            if (span < size) {
                memmove(text + at, text + at + span, rest - span);
                size -= span;
            }
            break;
        default:
            if (size + span <= sizeof text) {
                memmove(text + at + span, text + at, rest);
                size += span;
            }
            break;
        }
    }
    return wire_file(text, size, DATA_SIZE);
}

/* Whatever is accepted passes the brute-force check, and chunks change nothing. */
static void test_mutations(void)
{
    uint64_t random = 1;
    unsigned accepted = 0;

    for (int i = 0; i < 40000; i++) {
        const wire_bytes file = mutate(&random);
        mm_problem problem = {0};
        mm_wire *wire;
        mm_wire_status status;

        CU_ASSERT_PTR_NOT_NULL_FATAL(file.data);
        status = wire_read(&wire, file.data, file.size, &problem);
        if (status == MM_WIRE_OK) {
            accepted++;
            CU_ASSERT_PTR_NULL(wire_check(wire, file.data, file.size));
        } else {
            CU_ASSERT(status == MM_WIRE_BAD_FILE || status == MM_WIRE_BAD_TENSOR);
            CU_ASSERT_STRING_NOT_EQUAL(problem.text, "");
        }
        CU_ASSERT(same_in_chunks(wire, status, &problem, &file, &random));
        mm_wire_free(wire);
        free(file.data);
    }
    CU_ASSERT(accepted > 400 && accepted < 20000); /* else the mutations test nothing */
}

static CU_TestInfo tests[] = {
    {"the vectors", test_vectors},
    {"the stock writer's values", test_stock_values},
    {"tensors and metadata", test_access},
    {"byte by byte, in a moving buffer", test_byte_by_byte},
    {"truncated at every byte", test_truncated},
    {"bytes behind the end", test_tail},
    {"wrong lengths", test_length},
    {"limits", test_limits},
    {"random damage, random chunks", test_mutations},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_wire_read = {"wire_read", tests};
