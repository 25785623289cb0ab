/*
 * test_out_of_memory.c - each allocation of each public function of lib/ and proto/ fails, once and for ever.
 *
 * Whatever fails, the answer is "out of memory", all that was taken is given back, and nothing that was there before is
 * another; and without a failure the result is the same as ever.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/maskmeter.h"
#include "proto/wire.h"
#include "tests/failing.h"
#include "tests/wire_tools.h"

#define IMAGES  2
#define CLASSES 3
#define ROWS    7
#define COLUMNS 6
#define VOXELS  (ROWS * COLUMNS)

/* What the functions work on, and what they make; the rest stays NULL. */
typedef struct given {
    const char *text; /* expressions, or a coding */
    float pred[IMAGES * CLASSES * VOXELS];
    unsigned char label[IMAGES * VOXELS];
    mm_input input;
    mm_shape shape;
    void *scratch;
    mm_plan *plan;      /* bound */
    mm_images *images;  /* of the plan */
    wire_bytes records; /* of them */
    wire_bytes expected;

    mm_plan *new_plan;
    mm_images *new_images;
    mm_results *results;
    mm_explanation *explanation;
    mm_paired paired;
    mm_wire *wire;
    mm_coding *coding;
    wire_bytes bytes;
} given;

/* One way through some functions. */
typedef struct trial {
    void (*prepare)(given *g);
    mm_status (*act)(given *g);
    int (*holds)(given *g, mm_status status); /* what should, afterwards */
} trial;

static const char *const ids[IMAGES] = {"0/0", "0/1"}, *const other_ids[IMAGES] = {"1/0", "1/1"};

static mm_status of_wire(mm_wire_status status)
{
    return status == MM_WIRE_OK ? MM_OK : status == MM_WIRE_NO_MEMORY ? MM_NO_MEMORY : MM_BAD_PARAM;
}

/* ------------------------------------------------------------------- trials */

static void clear(given *g)
{
    mm_plan_free(g->new_plan);
    mm_images_free(g->new_images);
    mm_results_free(g->results);
    mm_explanation_free(g->explanation);
    mm_wire_free(g->wire);
    mm_coding_free(g->coding);
    free(g->bytes.data);
    g->new_plan = NULL;
    g->new_images = NULL;
    g->results = NULL;
    g->explanation = NULL;
    g->wire = NULL;
    g->coding = NULL;
    g->bytes = (wire_bytes){NULL, 0};
}

/* How many calls failed.  *fine: everything was as it should. */
static size_t attempt(const trial *t, given *g, size_t skip, int for_ever, int *fine)
{
    const long blocks = fail_blocks();
    mm_status status;
    size_t failed;

    if (t->prepare != NULL)
        t->prepare(g);
    fail_begin(FAIL_MEMORY, skip, for_ever);
    status = t->act(g);
    failed = fail_end();
    *fine = status == (failed > 0 ? MM_NO_MEMORY : MM_OK) && t->holds(g, status);
    clear(g);
    *fine = *fine && fail_blocks() == blocks;
    return failed;
}

/* How many allocations there are, each of which failed. */
static size_t try_all(const char *name, const trial *t, given *g)
{
    size_t skip = 0;

    for (int for_ever = 0; for_ever <= 1; for_ever++) {
        int fine = 1;

        for (skip = 0; fine && attempt(t, g, skip, for_ever, &fine) > 0; skip++)
            continue;
        if (!fine) {
            printf("\n    %s, allocation %zu%s\n", name, skip, for_ever ? " and later ones" : "");
            CU_FAIL("out of memory");
        }
    }
    return skip;
}

/* -------------------------------------------------------------------- given */

static void make_input(given *g)
{
    uint64_t state = 7;

    for (size_t n = 0; n < IMAGES; n++)
        for (size_t v = 0; v < VOXELS; v++) {
            const size_t truth = v % COLUMNS < 3 ? 0 : 1 + (v / COLUMNS + n) / 4 % 2;
            const size_t said = wire_random(&state) % 5 > 0 ? truth : wire_random(&state) % CLASSES;

            g->label[n * VOXELS + v] = (unsigned char)truth;
            for (size_t c = 0; c < CLASSES; c++)
                g->pred[(n * CLASSES + c) * VOXELS + v] = c == said ? 0.5f : 0.25f;
        }
    g->input = (mm_input){
        .pred = {.data = g->pred, .dtype = MM_F32, .rank = 4, .dim = {IMAGES, CLASSES, ROWS, COLUMNS}},
        .label = {.data = g->label, .dtype = MM_U8, .rank = 3, .dim = {IMAGES, ROWS, COLUMNS}},
        .threshold = 0.5,
    };
}

static mm_status evaluate(given *g, const char *const *names, mm_images **out)
{
    mm_eval *eval = NULL;
    mm_status status = mm_eval_new(&eval, &g->input, g->plan, MM_KEEP_CONFUSION | MM_KEEP_HISTOGRAM, NULL);

    if (status != MM_OK)
        return status;
    mm_eval_run(eval, g->scratch, 1);
    status = mm_eval_finish(eval, names, out, NULL);
    mm_eval_free(eval);
    return status;
}

/* 0: the score is not to be had without parameters, or not of this input. */
static int give(given *g, const char *text)
{
    *g = (given){.text = text};
    make_input(g);
    g->scratch = aligned_alloc(64, MM_SCRATCH_BYTES);
    CU_ASSERT_EQUAL_FATAL(mm_input_shape(&g->input, &g->shape, NULL), MM_OK);
    if (mm_plan_new(&g->plan, text, NULL) != MM_OK || mm_plan_bind(g->plan, &g->shape, NULL) != MM_OK)
        return 0;
    CU_ASSERT_EQUAL_FATAL(evaluate(g, ids, &g->images), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_images_save(g->images, &g->records.data, &g->records.size), MM_OK);
    return 1;
}

static void take_back(given *g)
{
    mm_plan_free(g->plan);
    mm_images_free(g->images);
    free(g->records.data);
    free(g->expected.data);
    free(g->scratch);
}

static int are_records(const mm_images *images, const wire_bytes *expected)
{
    wire_bytes bytes = {NULL, 0};
    const int same = mm_images_save(images, &bytes.data, &bytes.size) == MM_OK && bytes.size == expected->size &&
                     memcmp(bytes.data, expected->data, bytes.size) == 0;

    free(bytes.data);
    return same;
}

/* -------------------------------------------------------------------- plans */

static mm_status make_plan(given *g)
{
    const mm_status status = mm_plan_new(&g->new_plan, g->text, NULL);

    return status == MM_OK ? mm_plan_bind(g->new_plan, &g->shape, NULL) : status;
}

/* A plan that is not bound may be there: that is the second step. */
static int is_plan(given *g, mm_status status)
{
    return status != MM_OK || strcmp(mm_plan_text(g->new_plan), mm_plan_text(g->plan)) == 0;
}

static const trial plans = {NULL, make_plan, is_plan};

static void test_plans(void)
{
    static const char *const texts[] = {
        "",
        "a:dice,b:iou,c:sum(0.5*dice_loss,sum(cross_entropy,-2*dice))",
        "dice(classes=[0,2],over=pooled),tversky_loss(alpha=0.3,beta=0.7),dice_ce_loss,generalized_dice_focal_loss",
        "cross_entropy,monai.DiceLoss,smp.TverskyLoss(mode=multiclass,alpha=0.3),generalized_wasserstein_dice_loss("
        "matrix="
        "[[0,1,1],[1,0,1],[1,1,0]])",
        "dice,iou,precision,recall,fbeta,accuracy,specificity,hd95,assd,nsd",
    };
    size_t tried = 0;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        given g;
        const int suits = give(&g, texts[i]);

        CU_ASSERT(suits);
        if (suits)
            CU_ASSERT(try_all(texts[i], &plans, &g) > 5);
        tried += (size_t)suits;
        take_back(&g);
    }
    CU_ASSERT_EQUAL(tried, sizeof texts / sizeof texts[0]);
}

static mm_status parse(given *g)
{
    return mm_plan_new(&g->new_plan, g->text, NULL);
}

static int is_parsed(given *g, mm_status status)
{
    return status == MM_OK ? strcmp(mm_plan_text(g->new_plan), g->text) == 0 : g->new_plan == NULL;
}

/* -------------------------------------------------------------- every score */

static mm_status evaluate_again(given *g)
{
    return evaluate(g, ids, &g->new_images);
}

static int are_same_images(given *g, mm_status status)
{
    return status == MM_OK ? are_records(g->new_images, &g->records) : g->new_images == NULL;
}

static mm_status score_images(given *g)
{
    return mm_images_score(&g->results, g->images, g->plan, NULL, NULL);
}

static int is_scored(given *g, mm_status status)
{
    return status == MM_OK ? g->results != NULL : g->results == NULL;
}

static mm_status explain_images(given *g)
{
    return mm_images_explain(&g->explanation, g->images, g->plan, 0);
}

static int is_explained(given *g, mm_status status)
{
    return status == MM_OK ? g->explanation != NULL : g->explanation == NULL;
}

static const trial evaluations = {NULL, evaluate_again, are_same_images}, scores = {NULL, score_images, is_scored},
                   explanations = {NULL, explain_images, is_explained}, names = {NULL, parse, is_parsed};

static void test_every_score(void)
{
    size_t tried = 0;

    for (size_t i = 0; mm_score_at(i) != NULL; i++) {
        const char *name = mm_score_at(i)->name;
        given g;

        const int suits = give(&g, name);

        if (g.plan != NULL)
            CU_ASSERT(try_all(name, &names, &g) > 5);
        if (suits) {
            CU_ASSERT(try_all(name, &evaluations, &g) > 5);
            CU_ASSERT(try_all(name, &scores, &g) > 0);
            CU_ASSERT(try_all(name, &explanations, &g) > 0);
            tried++;
        }
        take_back(&g);
    }
    CU_ASSERT(tried > 200);
}

/* ------------------------------------------------------------------ records */

static mm_status load_images(given *g)
{
    return mm_images_load(&g->new_images, g->records.data, g->records.size);
}

static mm_status save_images(given *g)
{
    return mm_images_save(g->images, &g->bytes.data, &g->bytes.size);
}

static int are_same_bytes(given *g, mm_status status)
{
    if (status != MM_OK)
        return g->bytes.data == NULL && g->bytes.size == 0;
    return g->bytes.size == g->records.size && memcmp(g->bytes.data, g->records.data, g->bytes.size) == 0;
}

/* Two images, to which the other two are added. */
static void load_into(given *g)
{
    CU_ASSERT_EQUAL_FATAL(mm_images_load(&g->new_images, g->records.data, g->records.size), MM_OK);
}

static mm_status merge_images(given *g)
{
    return mm_images_merge(g->new_images, g->images, NULL);
}

static int are_merged(given *g, mm_status status)
{
    return are_records(g->new_images, status == MM_OK ? &g->expected : &g->records);
}

static mm_status new_images(given *g)
{
    return mm_images_new(&g->new_images, MM_MULTICLASS, CLASSES);
}

static int are_no_images(given *g, mm_status status)
{
    return status == MM_OK ? mm_images_count(g->new_images) == 0 : g->new_images == NULL;
}

static const trial loads = {NULL, load_images, are_same_images}, saves = {NULL, save_images, are_same_bytes},
                   merges = {load_into, merge_images, are_merged}, empties = {NULL, new_images, are_no_images};

static void test_records(void)
{
    given g;

    CU_ASSERT_FATAL(give(&g, "dice_loss,cross_entropy,auroc,hd95,lovasz_softmax_loss"));
    CU_ASSERT_EQUAL(try_all("empty set", &empties, &g), 1);
    CU_ASSERT(try_all("load", &loads, &g) > 5);
    CU_ASSERT(try_all("save", &saves, &g) > 2);
    mm_images_free(g.images);
    g.images = NULL;
    CU_ASSERT_EQUAL_FATAL(evaluate(&g, other_ids, &g.images), MM_OK);
    load_into(&g);
    CU_ASSERT_EQUAL_FATAL(merge_images(&g), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_images_save(g.new_images, &g.expected.data, &g.expected.size), MM_OK);
    clear(&g);
    CU_ASSERT(try_all("merge", &merges, &g) > 5);
    take_back(&g);
}

/* -------------------------------------------------------------------- pairs */

static mm_status compare(given *g)
{
    static const double base[] = {0.5, 0.7, 0.2}, head[] = {0.6, 0.7, 0.1};

    g->paired = (mm_paired){.pairs = 77};
    return mm_paired_compare(&g->paired, base, head, 3, MM_HIGHER);
}

static int is_compared(given *g, mm_status status)
{
    return g->paired.pairs == (status == MM_OK ? 3u : 77u);
}

static void test_pairs(void)
{
    static const trial pairs = {NULL, compare, is_compared};
    given g = {.text = NULL};

    CU_ASSERT_EQUAL(try_all("compare", &pairs, &g), 1);
}

/* --------------------------------------------------------------------- wire */

static mm_status read_wire(given *g)
{
    mm_problem problem = {.text = ""};
    mm_wire_status status = mm_wire_new(&g->wire);

    if (status != MM_WIRE_OK)
        return of_wire(status);
    status = mm_wire_end(g->wire, g->records.data, g->records.size, &problem);
    if (status == MM_WIRE_NO_MEMORY) { /* final, and said */
        if (strcmp(problem.text, "out of memory") != 0 || mm_wire_count(g->wire) != 0 || mm_wire_size(g->wire) != 0)
            return MM_BAD_PARAM;
        status = mm_wire_end(g->wire, g->records.data, g->records.size, NULL);
    }
    return of_wire(status);
}

static int is_read(given *g, mm_status status)
{
    return status != MM_OK || (mm_wire_meta_count(g->wire) == 40 && mm_wire_count(g->wire) == 1);
}

/* 40 keys: the list grows twice, and is sorted. */
static wire_bytes file_with_metadata(void)
{
    char json[2048];
    size_t size = (size_t)snprintf(json, sizeof json, "{\"__metadata__\":{");

    for (int i = 0; i < 40; i++)
        size += (size_t)snprintf(json + size, sizeof json - size, "%s\"key%d\":\"value\"", i > 0 ? "," : "", i);
    size += (size_t)snprintf(json + size, sizeof json - size,
                             "},\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}");
    return wire_file(json, size, 4);
}

static mm_status write_wire(given *g)
{
    static const unsigned char data[4] = {1, 2, 3, 4};
    static const mm_wire_item item = {"a", {.data = data, .dtype = MM_U8, .rank = 1, .dim = {4}}};
    static char value[5000];
    const mm_wire_meta meta = {"key", value};

    memset(value, 'v', sizeof value - 1);
    return of_wire(mm_wire_write(&g->bytes.data, &g->bytes.size, &item, 1, &meta, 1, NULL));
}

static int is_written(given *g, mm_status status)
{
    return status == MM_OK ? g->bytes.size > 5000 : g->bytes.data == NULL && g->bytes.size == 0;
}

static void test_wire(void)
{
    static const trial reads = {NULL, read_wire, is_read}, writes = {NULL, write_wire, is_written};
    given g = {.records = file_with_metadata()};

    CU_ASSERT_PTR_NOT_NULL_FATAL(g.records.data);
    CU_ASSERT_EQUAL(try_all("read", &reads, &g), 6); /* itself, strings, 16, 32, 64 keys, the sorted ones */
    CU_ASSERT(try_all("write", &writes, &g) > 1);
    take_back(&g);
}

/* ------------------------------------------------------------------ codings */

static mm_status open_coding(given *g)
{
    return of_wire(mm_coding_new(&g->coding, g->text));
}

static int is_open(given *g, mm_status status)
{
    return status == MM_OK ? g->coding != NULL : g->coding == NULL;
}

static mm_status pack(given *g)
{
    return of_wire(mm_gzip(&g->bytes.data, &g->bytes.size, (const unsigned char *)"maskmeter", 9));
}

static int is_packed(given *g, mm_status status)
{
    return status == MM_OK ? g->bytes.size > 0 : g->bytes.data == NULL && g->bytes.size == 0;
}

static void test_codings(void)
{
    static const trial opens = {NULL, open_coding, is_open}, packs = {NULL, pack, is_packed};
    given gzip = {.text = "gzip"}, zstd = {.text = "zstd"};

    CU_ASSERT_EQUAL(try_all("gzip", &opens, &gzip), 2);
    CU_ASSERT_EQUAL(try_all("zstd", &opens, &zstd), 2);
    CU_ASSERT_EQUAL(try_all("an answer", &packs, &gzip), 1);
}

static CU_TestInfo tests[] = {
    {"plans", test_plans},
    {"every score: evaluated, scored, explained", test_every_score},
    {"records: loaded, saved, merged", test_records},
    {"pairs", test_pairs},
    {"the wire: read, written", test_wire},
    {"codings", test_codings},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_out_of_memory = {"out_of_memory", tests};
