/*
 * test_eval.c - the pass over the voxels against a plain loop in double, and the same bits whatever the types, the
 * layout, the alignment, the order of tasks and the number of threads.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/record.h"

/* A problem as plain numbers; tensors are made of it. */
typedef struct problem {
    size_t images, classes, spatial[3], voxels;
    unsigned rank;
    double *p;           /* [n][c][v], multiples of 1/1024: exact in every float type but BF16 */
    int *label;          /* [n][v] */
    unsigned char *mask; /* [n][v] */
} problem;

static void make(problem *x, size_t images, size_t classes, unsigned rank, const size_t *spatial, long seed)
{
    *x = (problem){.images = images, .classes = classes, .rank = rank, .voxels = 1};
    for (unsigned i = 0; i < rank; i++) {
        x->spatial[i] = spatial[i];
        x->voxels *= spatial[i];
    }
    const size_t all = images * x->voxels;

    x->p = malloc(all * classes * sizeof *x->p);
    x->label = malloc(all * sizeof *x->label);
    x->mask = malloc(all);
    CU_ASSERT_FATAL(x->p != NULL && x->label != NULL && x->mask != NULL);
    srand48(seed);
    for (size_t i = 0; i < all * classes; i++)
        x->p[i] = floor(drand48() * 1025.0) / 1024.0;
    for (size_t i = 0; i < all; i++) {
        x->label[i] = (int)(drand48() * (double)classes);
        x->mask[i] = drand48() < 0.8;
    }
}

static void drop(problem *x)
{
    free(x->p);
    free(x->label);
    free(x->mask);
}

static uint16_t to_half(double value) /* multiples of 1/1024 in [0,1] */
{
    int exponent;

    if (value == 0.0)
        return 0;
    const double fraction = frexp(value, &exponent);

    return (uint16_t)(((exponent + 14) << 10) | ((int)ldexp(fraction, 11) - 1024));
}

static void store(unsigned char *to, mm_dtype dtype, double value)
{
    const float f = (float)value;
    const uint16_t half = to_half(value >= 0.0 && value <= 1.0 ? value : 0.0);
    const int64_t integer = fabs(value) < 1e18 ? (int64_t)value : 0; /* little endian: low bytes first */

    switch (dtype) {
    case MM_F64:
        memcpy(to, &value, 8);
        break;
    case MM_F32:
        memcpy(to, &f, 4);
        break;
    case MM_F16:
        memcpy(to, &half, 2);
        break;
    default:
        memcpy(to, &integer, mm_dtype_size(dtype));
        break;
    }
}

/* A tensor [N,C,space] or [N,space,C] whose element (n,c,v) is value(x, n, c, v); starts `skew` bytes into *block. */
static mm_tensor encode(const problem *x, mm_dtype dtype, int with_classes, int last, size_t skew,
                        double (*value)(const problem *, size_t, size_t, size_t), unsigned char **block)
{
    const size_t classes = with_classes ? x->classes : 1, size = mm_dtype_size(dtype);
    mm_tensor tensor = {.dtype = dtype, .rank = x->rank + (with_classes ? 2u : 1u), .dim = {x->images}};
    const size_t first = with_classes && !last ? 2 : 1;

    *block = malloc(skew + x->images * classes * x->voxels * size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(*block);
    tensor.data = *block + skew;
    if (with_classes)
        tensor.dim[last ? tensor.rank - 1 : 1] = classes;
    for (unsigned i = 0; i < x->rank; i++)
        tensor.dim[first + i] = x->spatial[i];
    for (size_t n = 0; n < x->images; n++)
        for (size_t c = 0; c < classes; c++)
            for (size_t v = 0; v < x->voxels; v++) {
                const size_t at = last ? (n * x->voxels + v) * classes + c : (n * classes + c) * x->voxels + v;

                store(*block + skew + at * size, dtype, value(x, n, c, v));
            }
    return tensor;
}

static double prediction(const problem *x, size_t n, size_t c, size_t v)
{
    return x->p[(n * x->classes + c) * x->voxels + v];
}

static double index_label(const problem *x, size_t n, size_t c, size_t v)
{
    (void)c;
    return x->label[n * x->voxels + v];
}

static double onehot_label(const problem *x, size_t n, size_t c, size_t v)
{
    return x->label[n * x->voxels + v] == (int)c ? 1.0 : x->label[n * x->voxels + v] == 255 ? 255.0 : 0.0;
}

static double mask_of(const problem *x, size_t n, size_t c, size_t v)
{
    (void)c;
    return x->mask[n * x->voxels + v];
}

/* ------------------------------------------------------------------ running */

typedef struct work {
    mm_eval *eval;
    void *scratch[4];
    size_t count;
    int backwards;
} work;

static void task(void *context, size_t i, unsigned worker)
{
    work *w = context;

    mm_eval_task(w->eval, w->backwards ? w->count - 1 - i : i, w->scratch[worker]);
}

static const char all_scores[] =
    "dice,iou,accuracy,dice_loss,squared:dice_loss(overlap=square),l1:dice_loss(overlap=l1),"
    "cross_entropy,smooth:cross_entropy(label_smoothing=0.1),binary_cross_entropy,"
    "focal_loss,focal3:focal_loss(gamma=3.5),seed.categorical_crossentropy,"
    "seed.categorical_focal_loss(gamma=2,alpha=[1,1,1])";

/* Scores the input; NULL when it is refused, with *problem filled and *status set. */
static mm_images *run(const mm_input *input, const char *scores, unsigned threads, int backwards, mm_status *status,
                      mm_problem *said)
{
    static const char *const ids[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    mm_plan *plan = NULL;
    mm_images *images = NULL;
    mm_shape shape;
    work w = {.backwards = backwards};

    *status = mm_input_shape(input, &shape, said);
    if (*status == MM_OK)
        *status = mm_plan_new(&plan, scores, said);
    if (*status == MM_OK)
        *status = mm_plan_bind(plan, &shape, said);
    if (*status == MM_OK)
        *status = mm_eval_new(&w.eval, input, plan, 0, said);
    if (*status == MM_OK) {
        for (unsigned i = 0; i < threads; i++)
            w.scratch[i] = aligned_alloc(64, MM_SCRATCH_BYTES);
        while ((w.count = mm_eval_stage(w.eval)) > 0)
            mm_parallel(task, &w, w.count, threads);
        *status = mm_eval_finish(w.eval, ids, &images, said);
        for (unsigned i = 0; i < threads; i++)
            free(w.scratch[i]);
    }
    mm_eval_free(w.eval);
    mm_plan_free(plan);
    return images;
}

/* ------------------------------------------------------- against plain loops */

static double lanes(const double *terms, size_t count)
{
    double total = 0.0;

    for (size_t chunk = 0; chunk < count; chunk += 1024) {
        double lane[16] = {0};

        for (size_t i = chunk; i < count && i < chunk + 1024; i++)
            lane[i % 16] += terms[i];
        for (int half = 8; half > 0; half /= 2)
            for (int l = 0; l < half; l++)
                lane[l] += lane[l + half];
        total += lane[0];
    }
    return total;
}

static double plain_term(const mm_stat *stat, double p, double g, double total)
{
    const int clip = (stat->flags & MM_STAT_CLIP) != 0;
    double q = stat->flags & MM_STAT_NORMALIZE ? p / total : p;

    if (clip)
        q = fmin(fmax(q, stat->eps), 1.0 - stat->eps);
    const double low = clip ? q : fmax(q, stat->eps), high = clip ? 1.0 - q : fmax(1.0 - q, stat->eps);

    switch (stat->kind) {
    case MM_SUM_P:
        return p;
    case MM_SUM_PP:
        return p * p;
    case MM_SUM_PG:
        return p * g;
    case MM_SUM_G:
        return g;
    case MM_SUM_GG:
        return g * g;
    case MM_SUM_AD:
        return fabs(p - g);
    case MM_SUM_POS:
        return g * pow(1.0 - q, stat->gamma) * -log(low);
    case MM_SUM_NEG:
        return (1.0 - g) * pow(q, stat->gamma) * -log(high);
    case MM_SUM_LOGP:
        return -log(low);
    default:
        return -log(high);
    }
}

/* All columns and counts of all records against the problem's plain numbers. */
static void compare(const problem *x, const mm_images *images, int masked)
{
    double *terms = malloc(x->voxels * sizeof *terms);

    CU_ASSERT_PTR_NOT_NULL_FATAL(terms);
    for (size_t n = 0; n < x->images; n++) {
        const mm_record *record = &images->records[n];

        for (size_t c = 0; c < x->classes; c++) {
            uint64_t label = 0, pred = 0, both = 0;

            for (size_t v = 0; v < x->voxels; v++) {
                size_t best = 0;

                for (size_t k = 1; k < x->classes; k++)
                    best = prediction(x, n, k, v) > prediction(x, n, best, v) ? k : best;
                if (x->label[n * x->voxels + v] == 255 || (masked && !x->mask[n * x->voxels + v]))
                    continue;
                label += x->label[n * x->voxels + v] == (int)c;
                pred += best == c;
                both += best == c && x->label[n * x->voxels + v] == (int)c;
            }
            CU_ASSERT_EQUAL(record->label_count[c], label);
            CU_ASSERT_EQUAL(record->pred_count[c], pred);
            CU_ASSERT_EQUAL(record->both_count[c], both);
            for (size_t s = 0; s < record->stat_count; s++) {
                for (size_t v = 0; v < x->voxels; v++) {
                    double total = 0.0;

                    for (size_t k = 0; k < x->classes; k++)
                        total += prediction(x, n, k, v);
                    const int scored = x->label[n * x->voxels + v] != 255 && !(masked && !x->mask[n * x->voxels + v]);

                    terms[v] = scored ? plain_term(&record->stats[s], prediction(x, n, c, v), onehot_label(x, n, c, v),
                                                   total == 0.0 ? 1.0 : total)
                                      : 0.0;
                }
                const double right = lanes(terms, x->voxels), got = record->sums[s * x->classes + c];

                if (record->stats[s].kind <= MM_SUM_AD)
                    CU_ASSERT_EQUAL(got, right); /* bit for bit */
                CU_ASSERT(fabs(got - right) <= 1e-12 * fabs(right) + 1e-12);
            }
        }
    }
    free(terms);
}

static void against_loops(void)
{
    static const size_t shapes[][3] = {{1, 0, 0}, {1023, 0, 0}, {1024, 0, 0}, {1025, 0, 0}, {33, 70, 0}, {5, 7, 61}};
    static const unsigned ranks[] = {1, 1, 1, 1, 2, 3};

    for (size_t i = 0; i < 6; i++)
        for (int masked = 0; masked < 2; masked++) {
            problem x;
            unsigned char *blocks[3] = {NULL};
            mm_status status;
            mm_problem said;

            make(&x, 2, 3, ranks[i], shapes[i], (long)i);
            for (size_t v = 0; masked && v < 2 * x.voxels; v += 11)
                x.label[v] = 255;
            mm_input input = {.pred = encode(&x, MM_F32, 1, 0, 0, prediction, &blocks[0]),
                              .label = encode(&x, MM_U8, 0, 0, 0, index_label, &blocks[1]),
                              .mask = encode(&x, MM_U8, 0, 0, 0, mask_of, &blocks[2]),
                              .has_ignore = 1,
                              .ignore_index = 255,
                              .threshold = 0.5};
            if (!masked)
                input.mask.data = NULL;
            mm_images *images = run(&input, all_scores, 1, 0, &status, &said);

            CU_ASSERT_EQUAL_FATAL(status, MM_OK);
            compare(&x, images, masked);
            mm_images_free(images);
            images = run(&input, NULL, 1, 0, &status, &said); /* the fast way */
            CU_ASSERT_EQUAL_FATAL(status, MM_OK);
            compare(&x, images, masked);
            mm_images_free(images);
            for (size_t b = 0; b < 3; b++)
                free(blocks[b]);
            drop(&x);
        }
}

/* ------------------------------------------------------------- the same bits */

static void same_bytes(mm_images *images, unsigned char **first, size_t *first_size)
{
    unsigned char *bytes = NULL;
    size_t size = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(images);
    CU_ASSERT_EQUAL_FATAL(mm_images_save(images, &bytes, &size), MM_OK);
    mm_images_free(images);
    if (*first == NULL) {
        *first = bytes;
        *first_size = size;
        return;
    }
    CU_ASSERT_EQUAL(size, *first_size);
    CU_ASSERT(size == *first_size && memcmp(bytes, *first, size) == 0);
    free(bytes);
}

/* Types, layouts, alignments, one-hot labels, threads, order of tasks: one list of scores, one record. */
static void one_answer(const char *scores)
{
    static const mm_dtype preds[] = {MM_F32, MM_F16, MM_F64};
    static const mm_dtype labels[] = {MM_U8, MM_I16, MM_U16, MM_I32, MM_U32, MM_I64, MM_U64};
    static const mm_dtype onehots[] = {MM_U8, MM_F32, MM_F64, MM_I16};
    const size_t spatial[3] = {11, 13, 17};
    unsigned char *first = NULL, *a, *b, *m;
    size_t first_size = 0;
    problem x;

    make(&x, 3, 3, 3, spatial, 42);
    for (size_t v = 0; v < 3 * x.voxels; v += 7)
        x.label[v] = 255;
    for (int i = 0; i < 60; i++) {
        const int last = i % 2, onehot = i / 2 % 2;
        mm_status status;
        mm_problem said;
        mm_input input = {.has_ignore = 1, .ignore_index = 255, .threshold = 0.5, .channels_last = last};

        input.pred = encode(&x, preds[i % 3], 1, last, (size_t)(i % 5), prediction, &a);
        input.label = onehot ? encode(&x, onehots[i / 4 % 4], 1, last, (size_t)(i % 3), onehot_label, &b)
                             : encode(&x, labels[i / 4 % 7], 0, last, (size_t)(i % 3), index_label, &b);
        input.mask = encode(&x, MM_BOOL, 0, 0, 1, mask_of, &m);
        same_bytes(run(&input, scores, (unsigned)i % 3 + 1, i % 4 == 3, &status, &said), &first, &first_size);
        free(a);
        free(b);
        free(m);
    }
    free(first);
    drop(&x);
}

static void same_bits(void)
{
    one_answer(NULL);
    one_answer(all_scores);
}

/* Independent masks: each class as a problem of its own gives the sums that all together give. */
static void masks_apart(void)
{
    const size_t spatial[3] = {45, 46, 0};
    problem x, one;
    unsigned char *a, *b;
    mm_status status;
    mm_problem said;
    const char scores[] = "dice,dice_loss,binary_cross_entropy,focal_loss";

    make(&x, 2, 4, 2, spatial, 5);
    mm_input input = {.pred = encode(&x, MM_F32, 1, 0, 0, prediction, &a),
                      .label = encode(&x, MM_BOOL, 1, 0, 0, onehot_label, &b),
                      .task = MM_MULTILABEL,
                      .threshold = 0.25};
    mm_images *all = run(&input, scores, 2, 0, &status, &said);

    CU_ASSERT_PTR_NOT_NULL_FATAL(all);
    free(a);
    free(b);
    for (size_t c = 0; c < 4; c++) {
        make(&one, 2, 1, 2, spatial, 6);
        for (size_t n = 0; n < 2; n++)
            for (size_t v = 0; v < x.voxels; v++) {
                one.p[n * x.voxels + v] = prediction(&x, n, c, v);
                one.label[n * x.voxels + v] = (int)onehot_label(&x, n, c, v);
            }
        mm_input single = {.pred = encode(&one, MM_F64, 1, 0, 3, prediction, &a),
                           .label = encode(&one, MM_U16, 0, 0, 0, index_label, &b),
                           .threshold = 0.25};
        mm_images *images = run(&single, scores, 1, 0, &status, &said);

        CU_ASSERT_PTR_NOT_NULL_FATAL(images);
        for (size_t n = 0; n < 2; n++) {
            const mm_record *r = &all->records[n], *s = &images->records[n];

            CU_ASSERT_EQUAL(r->label_count[c], s->label_count[0]);
            CU_ASSERT_EQUAL(r->pred_count[c], s->pred_count[0]);
            CU_ASSERT_EQUAL(r->both_count[c], s->both_count[0]);
            CU_ASSERT_EQUAL(r->stat_count, s->stat_count);
            for (size_t i = 0; i < s->stat_count; i++)
                CU_ASSERT_EQUAL(r->sums[i * 4 + c], s->sums[i]);
        }
        mm_images_free(images);
        free(a);
        free(b);
        drop(&one);
    }
    mm_images_free(all);
    drop(&x);
}

/* Softmax and sigmoid here give the cross-entropy of long double, also for logits far apart. */
static double logit(const problem *x, size_t n, size_t c, size_t v)
{
    return (prediction(x, n, c, v) - 0.5) * 120.0;
}

static void logits(void)
{
    const size_t spatial[3] = {2100, 0, 0};
    problem x;
    unsigned char *a, *b;
    mm_status status;
    mm_problem said;
    const mm_stat ce = {.kind = MM_SUM_POS, .eps = 1e-7}, bce = {.kind = MM_SUM_NEG, .eps = 1e-7};

    make(&x, 1, 5, 1, spatial, 8);
    mm_input input = {.pred = encode(&x, MM_F32, 1, 0, 0, logit, &a),
                      .label = encode(&x, MM_U8, 0, 0, 0, index_label, &b),
                      .pred_kind = MM_LOGITS,
                      .threshold = 0.5};
    mm_images *images = run(&input, "cross_entropy,binary_cross_entropy", 2, 0, &status, &said);

    CU_ASSERT_PTR_NOT_NULL_FATAL(images);
    const mm_record *record = &images->records[0];
    const size_t ce_at = mm_stat_find(record->stats, record->stat_count, &ce);
    const size_t bce_at = mm_stat_find(record->stats, record->stat_count, &bce);

    CU_ASSERT_FATAL(ce_at < record->stat_count && bce_at < record->stat_count);
    for (size_t c = 0; c < 5; c++) {
        long double right = 0.0L, negative = 0.0L;

        for (size_t v = 0; v < x.voxels; v++) {
            const long double mine = (long double)(float)logit(&x, 0, c, v);
            long double others = 0.0L;

            for (size_t k = 0; k < 5; k++)
                others += k == c ? 0.0L : expl((long double)(float)logit(&x, 0, k, v) - mine);
            if (x.label[v] == (int)c)
                right += log1pl(others);
            else
                negative += log1pl(others) - logl(others);
        }
        CU_ASSERT(fabsl(record->sums[ce_at * 5 + c] - right) <= 1e-12L * right);
        CU_ASSERT(fabsl(record->sums[bce_at * 5 + c] - negative) <= 1e-12L * negative);
    }
    mm_images_free(images);
    free(a);
    free(b);
    drop(&x);
}

/* ------------------------------------------------------------ bad values */

static void refused(const mm_input *input, const char *tensor, uint64_t index, const char *words)
{
    mm_status status;
    mm_problem said = {.text = ""};

    for (unsigned threads = 1; threads <= 2; threads++) {
        mm_images *images = run(input, NULL, threads, threads == 2, &status, &said);

        CU_ASSERT_PTR_NULL(images);
        CU_ASSERT_EQUAL(status, MM_BAD_VALUE);
        CU_ASSERT_STRING_EQUAL(said.tensor, tensor);
        CU_ASSERT(said.has_index);
        CU_ASSERT_EQUAL(said.index, index);
        CU_ASSERT_PTR_NOT_NULL(strstr(said.text, words));
    }
}

static void bad_values(void)
{
    static const double wrong[] = {NAN, INFINITY, -INFINITY, -0.25, 1.5};
    static const char *words[] = {"nan", "inf", "-inf", "-0.25", "1.5"};
    const size_t spatial[3] = {50, 60, 0}, voxels = 3000;
    problem x;
    unsigned char *a, *b, *m;

    make(&x, 2, 3, 2, spatial, 9);
    for (size_t i = 0; i < 5; i++)
        for (int last = 0; last < 2; last++)
            for (int wide = 0; wide < 2; wide++) {
                const double keep = x.p[4 * voxels + 77], later = x.p[5 * voxels + 900];
                mm_status status;
                mm_problem said;

                x.p[4 * voxels + 77] = wrong[i]; /* image 1, class 1, voxel 77 */
                x.p[5 * voxels + 900] = wrong[i];
                x.mask[voxels + 77] = 1;
                mm_input input = {.pred = encode(&x, wide ? MM_F64 : MM_F32, 1, last, 0, prediction, &a),
                                  .label = encode(&x, MM_U8, 0, last, 0, index_label, &b),
                                  .channels_last = last,
                                  .threshold = 0.5};

                refused(&input, "pred", last ? (voxels + 77) * 3 + 1 : 4 * voxels + 77, words[i]);
                x.mask[voxels + 77] = x.mask[voxels + 900] = 0; /* what is masked may hold anything */
                input.mask = encode(&x, MM_U8, 0, 0, 0, mask_of, &m);
                mm_images *images = run(&input, NULL, 2, 0, &status, &said);
                CU_ASSERT_EQUAL(status, MM_OK);
                mm_images_free(images);
                x.p[4 * voxels + 77] = keep;
                x.p[5 * voxels + 900] = later;
                free(a);
                free(b);
                free(m);
            }
    x.label[voxels + 5] = 3;
    x.label[voxels + 2000] = -1;
    mm_input input = {.pred = encode(&x, MM_F32, 1, 0, 0, prediction, &a),
                      .label = encode(&x, MM_I32, 0, 0, 0, index_label, &b),
                      .threshold = 0.5};

    refused(&input, "label", voxels + 5, "is 3: not a class");
    input.has_ignore = 1;
    input.ignore_index = 3;
    refused(&input, "label", voxels + 2000, "is -1: not a class");
    free(a);
    free(b);
    drop(&x);
}

static double label_as_pred(const problem *x, size_t n, size_t c, size_t v)
{
    (void)c;
    return (x->label[n * x->voxels + v] * 7 + (int)v) % (int)x->classes;
}

/* Two label maps of many classes: the counts of a plain loop, the sums of the counts; a value that is no class. */
static void label_maps(void)
{
    const size_t spatial[3] = {70, 80, 0};
    problem x;
    unsigned char *a, *b;
    mm_status status;
    mm_problem said;

    make(&x, 2, 117, 2, spatial, 12);
    mm_input input = {.pred = encode(&x, MM_U8, 0, 0, 0, label_as_pred, &a),
                      .label = encode(&x, MM_U16, 0, 0, 0, index_label, &b),
                      .classes = 117,
                      .threshold = 0.5};
    mm_images *images = run(&input, NULL, 2, 0, &status, &said);

    CU_ASSERT_PTR_NOT_NULL_FATAL(images);
    for (size_t n = 0; n < 2; n++)
        for (int c = 0; c < 117; c++) {
            uint64_t label = 0, pred = 0, both = 0;

            for (size_t v = 0; v < x.voxels; v++) {
                label += (int)index_label(&x, n, 0, v) == c;
                pred += (int)label_as_pred(&x, n, 0, v) == c;
                both += (int)index_label(&x, n, 0, v) == c && (int)label_as_pred(&x, n, 0, v) == c;
            }
            CU_ASSERT_EQUAL(images->records[n].label_count[c], label);
            CU_ASSERT_EQUAL(images->records[n].pred_count[c], pred);
            CU_ASSERT_EQUAL(images->records[n].both_count[c], both);
        }
    mm_images_free(images);
    a[5600 + 9] = 117;
    refused(&input, "pred", 5609, "is 117: not a class");
    free(a);
    free(b);
    drop(&x);
}

static double unnormalised(const problem *x, size_t n, size_t c, size_t v)
{
    (void)x;
    return n == 1 && v == 1500 ? 0.5 : c == 0 ? 1.0 : 0.0;
}

static void warnings(void)
{
    const size_t spatial[3] = {1600, 0, 0};
    problem x;
    unsigned char *a, *b;
    mm_plan *plan = NULL;
    mm_shape shape;
    mm_images *images = NULL;
    void *scratch = aligned_alloc(64, MM_SCRATCH_BYTES);
    const char *ids[] = {"a", "b"};

    make(&x, 2, 3, 1, spatial, 13);
    for (int wide = 0; wide < 2; wide++) {
        mm_eval *eval = NULL;
        mm_input input = {.pred = encode(&x, wide ? MM_F64 : MM_F32, 1, 0, 0, unnormalised, &a),
                          .label = encode(&x, MM_U8, 0, 0, 0, index_label, &b),
                          .threshold = 0.5};

        CU_ASSERT_EQUAL_FATAL(mm_plan_new(&plan, "dice", NULL), MM_OK);
        CU_ASSERT_EQUAL_FATAL(mm_input_shape(&input, &shape, NULL), MM_OK);
        CU_ASSERT_EQUAL_FATAL(mm_plan_bind(plan, &shape, NULL), MM_OK);
        CU_ASSERT_EQUAL_FATAL(mm_eval_new(&eval, &input, plan, 0, NULL), MM_OK);
        mm_eval_run(eval, scratch, 1);
        CU_ASSERT_EQUAL_FATAL(mm_eval_finish(eval, ids, &images, NULL), MM_OK);
        CU_ASSERT_EQUAL(mm_eval_warning(eval).count, 1);
        CU_ASSERT_EQUAL(mm_eval_warning(eval).index, 3 * 1600 + 1500);
        mm_images_free(images);
        mm_eval_free(eval);
        mm_plan_free(plan);
        free(a);
        free(b);
    }
    free(scratch);
    drop(&x);
}

static double mask_value(const problem *x, size_t n, size_t c, size_t v)
{
    return (double)((x->label[n * x->voxels + v] + (int)v * 7) % 3 <= (int)c);
}

static double other_mask_value(const problem *x, size_t n, size_t c, size_t v)
{
    return (double)((x->label[n * x->voxels + v] + (int)v * 5) % 4 > (int)c);
}

/* Records of masks of those types as bytes; *bad: where a 2 stands in pred and says so, or SIZE_MAX. */
static unsigned char *masks_record(const problem *x, mm_dtype pred, mm_dtype label, size_t two, size_t *size,
                                   size_t *bad)
{
    unsigned char *a, *b, *bytes = NULL;
    mm_input input = {.pred = encode(x, pred, 1, 0, 1, mask_value, &a),
                      .label = encode(x, label, 1, 0, 3, other_mask_value, &b),
                      .task = MM_MULTILABEL,
                      .pred_kind = MM_MASKS,
                      .threshold = 0.5};
    mm_problem said = {.text = ""};
    mm_status status;

    if (two != SIZE_MAX)
        ((unsigned char *)a)[1 + two * mm_dtype_size(pred)] = 2;
    mm_images *images = run(&input, "dice,iou,hd95,assd(surface=surfel)", 2, 0, &status, &said);

    *bad = status == MM_BAD_VALUE ? (size_t)said.index : SIZE_MAX;
    if (images != NULL)
        CU_ASSERT_EQUAL(mm_images_save(images, &bytes, size), MM_OK);
    mm_images_free(images);
    free(a);
    free(b);
    return bytes;
}

/* Bytes are counted as they are; floats are added up. */
static void masks_of_bytes(void)
{
    static const size_t spatial[][3] = {{1}, {63}, {64, 5}, {3, 40, 31}};

    for (unsigned i = 0; i < 4; i++) {
        size_t size, other_size = 0, bad;
        problem x;

        make(&x, 2, 3, i < 2 ? 1 : i, spatial[i], 13);
        unsigned char *bytes = masks_record(&x, MM_U8, MM_U8, SIZE_MAX, &size, &bad);
        unsigned char *floats = masks_record(&x, MM_F32, MM_F64, SIZE_MAX, &other_size, &bad);

        CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
        CU_ASSERT(floats != NULL && size == other_size && memcmp(bytes, floats, size) == 0);
        free(floats);
        CU_ASSERT_PTR_NULL(masks_record(&x, MM_U8, MM_U8, 4 * x.voxels, &size, &bad));
        CU_ASSERT_EQUAL(bad, 4 * x.voxels);
        free(bytes);
        drop(&x);
    }
}

static CU_TestInfo tests[] = {
    {"against plain loops", against_loops},
    {"the same bits", same_bits},
    {"masks together and apart", masks_apart},
    {"logits", logits},
    {"values that make no sense", bad_values},
    {"label maps", label_maps},
    {"rows that do not sum to 1", warnings},
    {"masks of bytes", masks_of_bytes},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_eval = {"eval", tests};
