/*
 * test_image_order.c - Lovasz extensions, top-k, AUROC and average precision against the definitions voxel by voxel.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sort.h"
#include "tests/image_tools.h"

/* ----------------------------------------------------------------- sorting */

static void test_sort(void)
{
    enum { MOST = 3000 };
    static uint64_t keys[MOST], room[MOST];
    const double values[] = {-INFINITY, -1e300, -2.5, -0.0, 0.0, 5e-324, 0.5, 1.0, 1e300, INFINITY};

    for (size_t i = 1; i < sizeof values / sizeof values[0]; i++) {
        CU_ASSERT(mm_key_of(values[i - 1]) <= mm_key_of(values[i]));
        CU_ASSERT_EQUAL(mm_key_of(values[i - 1]) == mm_key_of(values[i]), values[i - 1] == values[i]);
        CU_ASSERT_EQUAL(mm_of_key(mm_key_of(values[i])), values[i]);
    }
    for (size_t count = 0; count <= MOST; count = count * 3 + 1)
        for (unsigned bits = 1; bits <= 64; bits += 21) {
            uint64_t sum = 0, sorted = 0, state = 7;

            for (size_t i = 0; i < count; i++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                keys[i] = state >> (64 - bits);
                sum += keys[i] * keys[i];
            }
            mm_sort_keys(keys, room, count);
            for (size_t i = 0; i < count; i++) {
                CU_ASSERT(i == 0 || keys[i - 1] <= keys[i]);
                sorted += keys[i] * keys[i];
            }
            CU_ASSERT_EQUAL(sum, sorted);
        }
}

/* ---------------------------------------------------------------- by hand */

/* Scored voxels of some images and classes: what they are sorted by, and whether they are in the label. */
typedef struct entry {
    double value;
    int in;
} entry;

typedef struct list {
    entry *entries;
    size_t count;
} list;

static int descending(const void *a, const void *b)
{
    const entry *x = a, *y = b;

    return (x->value < y->value) - (x->value > y->value);
}

typedef double (*value_of)(const scene *s, size_t n, size_t c, size_t v);

/* Images `n` to `n_end` - 1, classes `c` to `c_end` - 1; sorted. */
static list list_of(const scene *s, size_t n, size_t n_end, size_t c, size_t c_end, value_of value)
{
    list all = {malloc(s->images * s->classes * s->voxels * sizeof(entry)), 0};

    CU_ASSERT_PTR_NOT_NULL_FATAL(all.entries);
    for (size_t image = n; image < n_end; image++)
        for (size_t k = c; k < c_end; k++)
            for (size_t v = 0; v < s->voxels; v++)
                if (scene_scored(s, image, v))
                    all.entries[all.count++] = (entry){value(s, image, k, v), scene_g(s, image, k, v) == 1.0};
    qsort(all.entries, all.count, sizeof(entry), descending);
    return all;
}

static double error_of(const scene *s, size_t n, size_t c, size_t v)
{
    return fabs(scene_g(s, n, c, v) - scene_p(s, n, c, v));
}

static double hinge_of(const scene *s, size_t n, size_t c, size_t v)
{
    return fmax(1.0 - scene_sent(s, n, c, v) * (2.0 * scene_g(s, n, c, v) - 1.0), 0.0);
}

/* sum_k e_k (J_k - J_(k-1)), one voxel after the other. */
static double lovasz_of(const list *of)
{
    double label = 0.0, in = 0.0, out = 0.0, before = 0.0, loss = 0.0;

    for (size_t k = 0; k < of->count; k++)
        label += of->entries[k].in;
    for (size_t k = 0; k < of->count; k++) {
        in += of->entries[k].in;
        out += !of->entries[k].in;
        const double jaccard = 1.0 - (label - in) / (label + out);

        loss += of->entries[k].value * (jaccard - before);
        before = jaccard;
    }
    return loss;
}

/* The share of pairs that are in the right order; ties count half. */
static double auroc_of(const list *of)
{
    double right = 0.0, pairs = 0.0;

    for (size_t i = 0; i < of->count; i++)
        for (size_t j = 0; j < of->count; j++)
            if (of->entries[i].in && !of->entries[j].in) {
                const double x = of->entries[i].value, y = of->entries[j].value;

                pairs += 1.0;
                right += x > y ? 1.0 : x == y ? 0.5 : 0.0;
            }
    return right / pairs;
}

/* Each voxel of the label adds the precision at its threshold. */
static double precision_of(const list *of)
{
    double sum = 0.0, label = 0.0;

    for (size_t i = 0; i < of->count; i++) {
        double tp = 0.0, all = 0.0;

        for (size_t j = 0; j < of->count; j++) {
            all += of->entries[j].value >= of->entries[i].value;
            tp += of->entries[j].value >= of->entries[i].value && of->entries[j].in;
        }
        sum += of->entries[i].in ? tp / all : 0.0;
        label += of->entries[i].in;
    }
    return sum / label;
}

static double cross_entropy_of(const scene *s, size_t n, size_t c, size_t v)
{
    double sum = 0.0;

    (void)c;
    for (size_t k = 0; k < s->classes; k++)
        if (scene_g(s, n, k, v) == 1.0)
            sum -= log(fmax(scene_p(s, n, k, v), 1e-7));
    return sum;
}

static double binary_entropy_of(const scene *s, size_t n, size_t c, size_t v)
{
    const double p = scene_p(s, n, c, v);

    return -log(fmax(scene_g(s, n, c, v) == 1.0 ? p : 1.0 - p, 1e-7));
}

static double topk_of(const list *of, double k)
{
    const double share = floor((double)of->count * k / 100.0);
    const size_t most = share < 1.0 ? 1 : (size_t)share;
    double sum = 0.0;

    for (size_t i = 0; i < most; i++)
        sum += of->entries[i].value;
    return sum / (double)most;
}

/* ------------------------------------------------------------------ checks */

enum { LOVASZ, HINGE, AUROC, PRECISION, TOPK };

static double expected(const scene *s, int which, size_t n, size_t n_end, size_t c, size_t c_end, mm_reason *reason)
{
    static const value_of values[] = {error_of, hinge_of, scene_p, scene_p};
    const int exclusive = s->task == MM_MULTICLASS;
    list of = which != TOPK ? list_of(s, n, n_end, c, c_end, values[which])
              : exclusive   ? list_of(s, n, n_end, 0, 1, cross_entropy_of)
                            : list_of(s, n, n_end, c, c_end, binary_entropy_of);
    double value = 0.0;
    size_t in = 0;

    for (size_t i = 0; i < of.count; i++)
        in += (size_t)of.entries[i].in;
    *reason = of.count == 0                                       ? MM_NO_VOXELS
              : (which == AUROC || which == PRECISION) && in == 0 ? MM_SINGLE_CLASS
              : which == AUROC && in == of.count                  ? MM_SINGLE_CLASS
                                                                  : MM_DEFINED;
    if (*reason == MM_DEFINED)
        value = which == AUROC       ? auroc_of(&of)
                : which == PRECISION ? precision_of(&of)
                : which == TOPK      ? topk_of(&of, 20.0)
                                     : lovasz_of(&of);
    free(of.entries);
    return value;
}

/* All images and classes of one column; `joint`: all classes as one. */
static void check(const scene *s, mm_stat stat, int which, int joint)
{
    const int batch = (stat.flags & MM_STAT_BATCH) != 0;
    double *column = scene_column(s, &stat);

    for (size_t n = 0; n < (batch ? 1 : s->images); n++)
        for (size_t c = 0; c < (joint ? 1 : s->classes); c++) {
            mm_reason reason;
            const double value =
                expected(s, which, n, batch ? s->images : n + 1, joint ? 0 : c, joint ? s->classes : c + 1, &reason);

            CU_ASSERT_EQUAL(scene_value(s, &stat, column, n, 0, c), (double)reason);
            CU_ASSERT(scene_close(scene_value(s, &stat, column, n, 1, c), value));
        }
    free(column);
}

static void check_all(const scene *s)
{
    for (unsigned flags = 0; flags <= MM_STAT_BATCH; flags += MM_STAT_BATCH) {
        check(s, (mm_stat){.kind = MM_IMAGE_LOVASZ, .flags = flags}, LOVASZ, 0);
        check(s, (mm_stat){.kind = MM_IMAGE_LOVASZ_JOINT, .flags = flags}, LOVASZ, 1);
        if (s->pred_kind != MM_LOGITS || s->task != MM_MULTICLASS) { /* a softmax made otherwise has other ties */
            check(s, (mm_stat){.kind = MM_IMAGE_AUROC, .flags = flags}, AUROC, 0);
            check(s, (mm_stat){.kind = MM_IMAGE_AVERAGE_PRECISION, .flags = flags}, PRECISION, 0);
        }
        check(s, (mm_stat){.kind = MM_IMAGE_TOPK, .flags = flags, .eps = 1e-7, .more = {20.0}}, TOPK, 1);
        if (s->pred_kind != MM_LOGITS)
            continue;
        check(s, (mm_stat){.kind = MM_IMAGE_LOVASZ, .flags = flags, .form = MM_FORM_SENT, .gamma = 1.0}, HINGE, 0);
        check(s, (mm_stat){.kind = MM_IMAGE_LOVASZ_JOINT, .flags = flags, .form = MM_FORM_SENT, .gamma = 1.0}, HINGE,
              1);
    }
}

static void test_against_definitions(void)
{
    static const size_t shapes[][3] = {{1}, {2}, {61}, {9, 7}, {1, 13}, {3, 4, 5}};
    static const unsigned ranks[] = {1, 1, 1, 2, 2, 3};

    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned kind = 0; kind < 4; kind++) {
            const mm_pred_kind pred = kind & 1 ? MM_LOGITS : MM_PROBS;
            const mm_task task = kind & 2 ? MM_MULTICLASS : MM_MULTILABEL;
            scene s = scene_random(task, pred, 3, 2 + kind / 2, ranks[i], shapes[i],
                                   (scene_kind){6, 13, 5 + 40 * (i % 2)}, i * 10 + kind);

            check_all(&s);
            scene_free(&s);
        }
}

/* No voxel of the label, nothing else, and nothing scored. */
static void test_extremes(void)
{
    static const size_t shape[] = {40};
    static const scene_kind kinds[] = {{0, 16, 9}, {16, 16, 9}, {8, 0, 9}, {0, 12, 1}};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        scene s = scene_random(MM_MULTILABEL, MM_PROBS, 2, 2, 1, shape, kinds[i], (unsigned)i);

        check_all(&s);
        scene_free(&s);
    }
}

/* Voxels in another order: the same bits, also among ties. */
static void test_order_of_voxels(void)
{
    static const size_t shape[] = {2500};
    static const unsigned kinds[] = {MM_IMAGE_LOVASZ, MM_IMAGE_LOVASZ_JOINT, MM_IMAGE_TOPK, MM_IMAGE_AUROC,
                                     MM_IMAGE_AVERAGE_PRECISION};
    scene s = scene_random(MM_MULTILABEL, MM_PROBS, 1, 2, 1, shape, (scene_kind){5, 14, 30}, 1);
    scene turned = scene_random(MM_MULTILABEL, MM_PROBS, 1, 2, 1, shape, (scene_kind){5, 14, 30}, 1);

    for (size_t v = 0; v < s.voxels; v++) {
        const size_t other = (v * 7 + 3) % s.voxels;

        for (size_t c = 0; c < 2; c++) {
            turned.p[scene_place(&s, 0, c, other)] = s.p[scene_place(&s, 0, c, v)];
            turned.g[scene_place(&s, 0, c, other)] = s.g[scene_place(&s, 0, c, v)];
        }
        turned.scored[other] = s.scored[v];
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const mm_stat stat = {.kind = kinds[i], .eps = 1e-7, .more = {10.0}};
        double *a = scene_column(&s, &stat), *b = scene_column(&turned, &stat);

        CU_ASSERT_EQUAL(memcmp(a, b, mm_stat_width(&stat, 2) * 2 * sizeof *a), 0);
        free(a);
        free(b);
    }
    scene_free(&s);
    scene_free(&turned);
}

/* Soft labels count as the class of the greatest. */
static void test_soft_labels(void)
{
    static const size_t shape[] = {120};
    static const unsigned kinds[] = {MM_IMAGE_LOVASZ, MM_IMAGE_AUROC, MM_IMAGE_AVERAGE_PRECISION};
    scene s = scene_random(MM_MULTICLASS, MM_PROBS, 2, 3, 1, shape, (scene_kind){8, 15, 30}, 2);

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const mm_stat stat = {.kind = kinds[i]};
        double *hard = scene_column(&s, &stat);

        for (size_t j = 0; j < s.images * s.classes * s.voxels; j++)
            s.g[j] = s.g[j] == 1.0 ? 0.4 : 0.3;
        double *soft = scene_column(&s, &stat);
        CU_ASSERT_EQUAL(memcmp(hard, soft, s.images * s.classes * mm_stat_width(&stat, s.classes) * sizeof *hard), 0);
        for (size_t j = 0; j < s.images * s.classes * s.voxels; j++)
            s.g[j] = s.g[j] == 0.4;
        free(hard);
        free(soft);
    }
    scene_free(&s);
}

/* Values that will be refused are still sorted, and the request ends with the refusal. */
static void test_not_a_number(void)
{
    static const size_t shape[] = {50};
    static const double bad[] = {(double)NAN, (double)INFINITY, -3.0};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        scene s = scene_random(MM_MULTILABEL, MM_PROBS, 1, 1, 1, shape, (scene_kind){8, 16, 9}, 3);

        s.p[7] = s.p[20] = bad[i];
        for (unsigned kind = MM_IMAGE_LOVASZ; kind <= MM_IMAGE_CLDICE_HARD; kind++)
            CU_ASSERT_EQUAL(scene_status(&s, &(mm_stat){.kind = kind, .eps = 1e-7, .more = {3, 1, 0.01, 0.03, 1, 0}}),
                            MM_BAD_VALUE);
        scene_free(&s);
    }
}

static CU_TestInfo tests[] = {
    {"sorting", test_sort},
    {"against the definitions", test_against_definitions},
    {"extremes", test_extremes},
    {"any order of voxels", test_order_of_voxels},
    {"soft labels", test_soft_labels},
    {"values that make no sense", test_not_a_number},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_image_order;
const mm_suite mm_suite_image_order = {"image_order", tests};
