/*
 * test_oracle.c - other libraries' values for the same arrays: every case of tests/oracle/cases.json.
 *
 * tests/oracle/README.md describes the cases and how they are compared.  A function that the registry does not know is
 * counted as not built yet; a peer listed in `complete` must know all of its functions.
 */
#include "tests/suites.h"

#include "lib/maskmeter.h"
#include "proto/wire.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER             "tests/oracle/"
#define MAX_FILES          16
#define MAX_PEERS          16
#define MAX_UNBUILT        192
#define MAX_VALUES         4096
#define MAX_IMAGES         8
#define ABSOLUTE_TOLERANCE 2e-6

/* Peers all of whose functions are built, and the largest error that double precision leaves: less than the tolerance,
 * which allows for peers that computed in float. */
static const struct {
    const char *peer;
    double worst;
} complete[] = {{"seed", 1e-12}, {"survey", 1e-12}, {"smp", 5e-6}, {"torch", 1e-12}};

/* One file of inputs, read and parsed once. */
typedef struct input_file {
    char name[64];
    unsigned char *bytes;
    size_t size;
    mm_wire *wire;
} input_file;

/* A line of the printed table. */
typedef struct peer_line {
    const char *peer;
    size_t cases, passed, unbuilt;
    double worst; /* |value - expected| / max(1, |expected|) over the passed cases */
} peer_line;

/* A peer's answer as a flat list; NAN stands for what JSON cannot say. */
typedef struct flat {
    double value[MAX_VALUES];
    size_t count;
} flat;

typedef struct oracle {
    cJSON *cases;
    input_file files[MAX_FILES];
    size_t file_count;
    peer_line peers[MAX_PEERS];
    size_t peer_count;
    struct {
        const char *peer, *function;
        size_t cases;
    } unbuilt[MAX_UNBUILT];
    size_t unbuilt_count;
    void *scratch;
    flat got, want; /* of the case at hand */
} oracle;

static unsigned char *read_whole(const char *path, size_t *size)
{
    unsigned char *bytes = NULL;
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        long length = ftell(file);
        rewind(file);
        if (length > 0)
            bytes = malloc((size_t)length + 1);
        if (bytes != NULL && fread(bytes, 1, (size_t)length, file) == (size_t)length) {
            bytes[length] = 0;
            *size = (size_t)length;
        } else {
            free(bytes);
            bytes = NULL;
        }
    }
    fclose(file);
    return bytes;
}

static const char *text_of(const cJSON *item, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, key);

    return cJSON_IsString(value) ? value->valuestring : NULL;
}

static void setup(oracle *all)
{
    size_t size = 0;
    unsigned char *bytes = read_whole(FOLDER "cases.json", &size);

    memset(all, 0, sizeof *all);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    all->cases = cJSON_Parse((const char *)bytes);
    free(bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(all->cases);
    all->scratch = aligned_alloc(64, MM_SCRATCH_BYTES);
    CU_ASSERT_PTR_NOT_NULL_FATAL(all->scratch);
}

static void teardown(oracle *all)
{
    for (size_t i = 0; i < all->file_count; i++) {
        mm_wire_free(all->files[i].wire);
        free(all->files[i].bytes);
    }
    cJSON_Delete(all->cases);
    free(all->scratch);
}

/* The parsed file that a case names ("inputs/NAME.npz"); NULL when it cannot be read. */
static const mm_wire *open_inputs(oracle *all, const char *npz)
{
    char path[128];
    mm_problem problem = {0};
    size_t stem = strlen(npz) - strlen(".npz");
    input_file *file = NULL;

    for (size_t i = 0; i < all->file_count; i++) {
        if (strcmp(all->files[i].name, npz) == 0)
            return all->files[i].wire;
    }
    if (all->file_count == MAX_FILES || strlen(npz) >= sizeof file->name)
        return NULL;
    file = &all->files[all->file_count++];
    strcpy(file->name, npz);
    snprintf(path, sizeof path, FOLDER "%.*s.safetensors", (int)stem, npz);
    file->bytes = read_whole(path, &file->size);
    if (file->bytes == NULL || mm_wire_new(&file->wire) != MM_WIRE_OK)
        return NULL;
    if (mm_wire_end(file->wire, file->bytes, file->size, &problem) != MM_WIRE_OK) {
        printf("    %s: %s\n", path, problem.text);
        mm_wire_free(file->wire);
        file->wire = NULL;
    }
    return file->wire;
}

static mm_pred_kind kind_of(const char *array)
{
    if (strcmp(array, "logits") == 0)
        return MM_LOGITS;
    if (strcmp(array, "probs") == 0)
        return MM_PROBS;
    return strcmp(array, "pred_label") == 0 ? MM_LABELS : MM_MASKS;
}

/* [N,1,...] to [N,...]. */
static mm_tensor without_axis_1(const mm_tensor *tensor)
{
    mm_tensor view = *tensor;

    for (unsigned axis = 1; axis + 1 < view.rank; axis++)
        view.dim[axis] = view.dim[axis + 1];
    view.rank--;
    return view;
}

/* The request that a case describes; 0 when an array is missing. */
static int make_input(const mm_wire *wire, const cJSON *item, mm_input *input)
{
    const char *target = text_of(item, "target"), *mask_name = text_of(item, "mask");
    const mm_tensor *pred = mm_wire_find(wire, text_of(item, "pred"));
    const mm_tensor *label = mm_wire_find(wire, target);
    const mm_tensor *onehot = mm_wire_find(wire, "probs"); /* has the class axis in every file */
    const mm_tensor *mask = mask_name != NULL ? mm_wire_find(wire, mask_name) : NULL;
    size_t length = strlen(target);

    memset(input, 0, sizeof *input);
    if (pred == NULL || label == NULL || onehot == NULL || (mask_name != NULL && mask == NULL))
        return 0;
    input->pred = *pred;
    input->label = *label;
    if (mask != NULL)
        input->mask = without_axis_1(mask);
    input->task = text_of(item, "inputs")[strlen("inputs/")] == 'a' ? MM_MULTICLASS : MM_MULTILABEL;
    input->pred_kind = kind_of(text_of(item, "pred"));
    if (input->pred_kind == MM_LABELS)
        input->classes = onehot->dim[1];
    input->has_ignore = length > 4 && strcmp(target + length - 4, "_ign") == 0;
    input->ignore_index = 255;
    input->threshold = 0.5;
    return 1;
}

/* Runs one plan over one input on this thread. */
static mm_status evaluate(const mm_input *input, const mm_plan *plan, void *scratch, mm_results **results,
                          mm_problem *problem)
{
    char names[MAX_IMAGES][8];
    const char *ids[MAX_IMAGES];
    mm_eval *eval = NULL;
    mm_images *images = NULL;
    mm_status status = mm_eval_new(&eval, input, plan, 0, problem);

    if (status != MM_OK)
        return status;
    for (size_t i = 0; i < MAX_IMAGES; i++) {
        snprintf(names[i], sizeof names[i], "0/%zu", i);
        ids[i] = names[i];
    }
    mm_eval_run(eval, scratch, 1);
    status = mm_eval_finish(eval, ids, &images, problem);
    if (status == MM_OK)
        status = mm_images_score(results, images, plan, NULL, problem);
    mm_images_free(images);
    mm_eval_free(eval);
    return status;
}

static void flatten_value(const mm_value *value, flat *out)
{
    if (out->count < MAX_VALUES)
        out->value[out->count++] = value->reason == MM_DEFINED ? value->value : (double)NAN;
}

static void flatten_result(const mm_result *result, flat *out)
{
    size_t count = 1;

    out->count = 0;
    if (result->rank == 0) {
        flatten_value(&result->value, out);
        return;
    }
    for (unsigned axis = 0; axis < result->rank; axis++)
        count *= result->dim[axis];
    for (size_t i = 0; i < count; i++)
        flatten_value(&result->list[i], out);
}

/* Nested lists, numbers, and "nan", "inf", "-inf"; the walk keeps its own stack (the nesting is at most 8). */
static void flatten_json(const cJSON *root, flat *out)
{
    const cJSON *stack[8];
    size_t depth = 0;

    out->count = 0;
    for (const cJSON *item = root; item != NULL;) {
        if (cJSON_IsArray(item) && item->child != NULL && depth < 8) {
            stack[depth++] = item;
            item = item->child;
            continue;
        }
        if (!cJSON_IsArray(item) && out->count < MAX_VALUES)
            out->value[out->count++] = cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
        while (depth > 0 && item->next == NULL)
            item = stack[--depth];
        item = depth > 0 ? item->next : NULL;
    }
}

/* 1 when both lists agree within the case's tolerance; raises *worst to the largest error. */
static int agree(const flat *got, const flat *want, double rtol, double *worst)
{
    if (got->count != want->count)
        return 0;
    for (size_t i = 0; i < got->count; i++) {
        double value = got->value[i], expected = want->value[i];
        double error = fabs(value - expected);

        if (isnan(expected) || isnan(value)) {
            if (!isnan(expected) || !isnan(value))
                return 0;
            continue;
        }
        if (error > ABSOLUTE_TOLERANCE + rtol * fabs(expected))
            return 0;
        *worst = fmax(*worst, error / fmax(1.0, fabs(expected)));
    }
    return 1;
}

static void complain(const cJSON *item, const char *why, const flat *got, const flat *want)
{
    printf("    %s  %s: %s", text_of(item, "id"), text_of(item, "score"), why);
    if (got->count > 0 && want->count > 0)
        printf(" (%zu values, first %.17g, expected %zu, first %.17g)", got->count, got->value[0], want->count,
               want->value[0]);
    printf("\n");
}

/* What the service must answer: the peer's value, or the definition's where the peer is wrong. */
static const cJSON *expectation(const cJSON *item)
{
    const cJSON *definition = cJSON_GetObjectItemCaseSensitive(item, "definition");

    return definition != NULL ? definition : cJSON_GetObjectItemCaseSensitive(item, "expected");
}

/* 1: passed, 0: failed. */
static int run_case(oracle *all, const cJSON *item, mm_plan *plan, double *worst)
{
    mm_input input;
    mm_shape shape;
    mm_problem problem = {0};
    mm_results *results = NULL;
    mm_status status = MM_BAD_SHAPE;
    const mm_wire *wire = open_inputs(all, text_of(item, "inputs"));
    int passed = 0;

    all->got.count = 0;
    flatten_json(expectation(item), &all->want);
    if (wire == NULL || !make_input(wire, item, &input)) {
        complain(item, "the inputs cannot be read", &all->got, &all->want);
        return 0;
    }
    status = mm_input_shape(&input, &shape, &problem);
    if (status == MM_OK)
        status = mm_plan_bind(plan, &shape, &problem);
    if (status == MM_OK)
        status = evaluate(&input, plan, all->scratch, &results, &problem);
    if (status == MM_OK) {
        flatten_result(mm_results_at(results, 0), &all->got);
        passed = agree(&all->got, &all->want, cJSON_GetObjectItemCaseSensitive(item, "rtol")->valuedouble, worst);
    }
    if (!passed)
        complain(item, status == MM_OK ? "differs" : problem.text, &all->got, &all->want);
    mm_results_free(results);
    return passed;
}

static peer_line *line_of(oracle *all, const char *peer)
{
    for (size_t i = 0; i < all->peer_count; i++) {
        if (strcmp(all->peers[i].peer, peer) == 0)
            return &all->peers[i];
    }
    CU_ASSERT_FATAL(all->peer_count < MAX_PEERS);
    all->peers[all->peer_count].peer = peer;
    return &all->peers[all->peer_count++];
}

static void note_unbuilt(oracle *all, const char *peer, const char *function)
{
    for (size_t i = 0; i < all->unbuilt_count; i++) {
        if (strcmp(all->unbuilt[i].peer, peer) == 0 && strcmp(all->unbuilt[i].function, function) == 0) {
            all->unbuilt[i].cases++;
            return;
        }
    }
    CU_ASSERT_FATAL(all->unbuilt_count < MAX_UNBUILT);
    all->unbuilt[all->unbuilt_count].peer = peer;
    all->unbuilt[all->unbuilt_count].function = function;
    all->unbuilt[all->unbuilt_count].cases = 1;
    all->unbuilt_count++;
}

/* May functions of this peer be missing from the registry? */
static int may_lack(const char *peer)
{
    for (size_t i = 0; i < sizeof complete / sizeof complete[0]; i++) {
        if (strcmp(complete[i].peer, peer) == 0)
            return 0;
    }
    return 1;
}

static void count_case(oracle *all, const cJSON *item)
{
    const char *peer = text_of(item, "peer"), *function = text_of(item, "function");
    peer_line *line = line_of(all, peer);
    mm_plan *plan = NULL;
    mm_problem problem = {0};
    mm_status status = mm_plan_new(&plan, text_of(item, "score"), &problem);

    line->cases++;
    if (status == MM_UNKNOWN_SCORE && may_lack(peer)) {
        line->unbuilt++;
        note_unbuilt(all, peer, function);
    } else if (status != MM_OK) {
        printf("    %s  %s: %s\n", text_of(item, "id"), text_of(item, "score"), problem.text);
    } else if (run_case(all, item, plan, &line->worst)) {
        line->passed++;
    }
    mm_plan_free(plan);
}

/* Functions that are not built yet: by name where the peer is built in part. */
static void print_unbuilt(const oracle *all, const peer_line *line)
{
    size_t functions = 0;

    for (size_t i = 0; i < all->unbuilt_count; i++)
        functions += strcmp(all->unbuilt[i].peer, line->peer) == 0;
    if (functions == 0)
        return;
    printf("    not built yet of %s: %zu functions", line->peer, functions);
    for (size_t i = 0; i < all->unbuilt_count && line->unbuilt < line->cases; i++) {
        if (strcmp(all->unbuilt[i].peer, line->peer) == 0)
            printf(" %s(%zu)", all->unbuilt[i].function, all->unbuilt[i].cases);
    }
    printf("\n");
}

static void print_table(const oracle *all)
{
    printf("\n    %-14s %6s %7s %7s %10s  %s\n", "peer", "cases", "passed", "failed", "not built", "worst error");
    for (size_t i = 0; i < all->peer_count; i++) {
        const peer_line *line = &all->peers[i];
        printf("    %-14s %6zu %7zu %7zu %10zu  %.1e\n", line->peer, line->cases, line->passed,
               line->cases - line->passed - line->unbuilt, line->unbuilt, line->worst);
    }
    for (size_t i = 0; i < all->peer_count; i++)
        print_unbuilt(all, &all->peers[i]);
}

/* Every case of every function that is built gives the peer's number, or the definition's where the peer is wrong. */
static void test_cases(void)
{
    oracle all;
    const cJSON *item = NULL;

    setup(&all);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(all.cases), 1862);
    cJSON_ArrayForEach(item, all.cases) count_case(&all, item);
    print_table(&all);
    for (size_t i = 0; i < all.peer_count; i++)
        CU_ASSERT_EQUAL(all.peers[i].passed + all.peers[i].unbuilt, all.peers[i].cases);
    for (size_t i = 0; i < sizeof complete / sizeof complete[0]; i++)
        CU_ASSERT(line_of(&all, complete[i].peer)->worst <= complete[i].worst);
    teardown(&all);
}

static CU_TestInfo tests[] = {
    {"values of other libraries", test_cases},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_oracle;
const mm_suite mm_suite_oracle = {"oracle", tests};
