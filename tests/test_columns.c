/*
 * test_columns.c - every kind of sum, of every form, against plain loops: exclusive classes and independent masks, hard
 * and soft labels, indices, ignored and masked voxels, one to three axes.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/record.h"
#include "tests/naive_sums.h"

#define IMAGES 2
#define EPS    1e-3 /* often reached, so that clamping and clipping show */

/* An upload: data, and which voxels are scored. */
typedef struct upload {
    data d;
    unsigned char *mask;   /* [images][voxels] */
    unsigned char *scored; /* the same: neither masked nor ignored */
    double *sent_label;    /* g, 255 in a channel of ignored voxels */
    int32_t *index;        /* the label as indices, 255 where ignored; NULL: a class axis */
} upload;

static double draw(void)
{
    return drand48();
}

/* Soft labels: hard ones mixed with their neighbours', multiples of 1/64. */
static void soften(data *d)
{
    for (size_t n = 0; n < d->images; n++)
        for (size_t v = 0; v < d->voxels; v++)
            for (size_t c = 0; c < d->classes; c++) {
                double *g = &d->g[(n * d->classes + c) * d->voxels + v];
                const double share = floor(draw() * 24.0) / 64.0;

                *g = *g > 0.5 ? 1.0 - share : share;
            }
}

/* Numbers from -3 to 3, in place of probabilities. */
static void make_logits(data *d)
{
    for (size_t i = 0; i < d->images * d->classes * d->voxels; i++)
        d->p[i] = 6.0 * draw() - 3.0;
    d->pred_kind = MM_LOGITS;
}

/* Probabilities 0, 1/2 and 1 now and then. */
static void make_extremes(data *d)
{
    for (size_t i = 0; i < d->images * d->classes * d->voxels; i += 7)
        d->p[i] = (double)(i % 3) / 2.0;
}

static upload upload_new(mm_task task, size_t classes, unsigned rank, const size_t *spatial, int logits, int soft,
                         int indices)
{
    size_t voxels = 1;

    for (unsigned i = 0; i < rank; i++)
        voxels *= spatial[i];
    upload u = {.d = data_random(task, IMAGES, classes, voxels, 7u + rank)};
    const size_t all = IMAGES * voxels;

    srand48(11);
    u.d.spatial_rank = rank;
    memcpy(u.d.spatial, spatial, rank * sizeof *spatial);
    if (soft)
        soften(&u.d);
    if (logits)
        make_logits(&u.d);
    else
        make_extremes(&u.d);
    u.mask = malloc(all);
    u.scored = malloc(all);
    u.sent_label = malloc(all * classes * sizeof *u.sent_label);
    u.index = indices ? calloc(all, sizeof *u.index) : NULL;
    CU_ASSERT_FATAL(u.mask != NULL && u.scored != NULL && u.sent_label != NULL && (u.index != NULL) == indices);
    memcpy(u.sent_label, u.d.g, all * classes * sizeof *u.sent_label);
    for (size_t i = 0; i < all; i++) {
        const size_t n = i / voxels, v = i % voxels;
        const int ignored = draw() < 0.1;

        u.mask[i] = draw() < 0.8;
        u.scored[i] = u.mask[i] && !ignored;
        for (size_t c = 0; indices && c < classes; c++)
            if (hard_g(&u.d, n, c, v))
                u.index[i] = (int32_t)c;
        if (ignored && indices)
            u.index[i] = 255;
        if (ignored)
            u.sent_label[(n * classes + i % classes) * voxels + v] = 255.0;
    }
    return u;
}

static void upload_free(upload *u)
{
    data_free(&u->d);
    free(u->mask);
    free(u->scored);
    free(u->sent_label);
    free(u->index);
}

static mm_tensor tensor_of(const upload *u, const void *values, mm_dtype dtype, int with_classes)
{
    mm_tensor tensor = {.data = values, .dtype = dtype, .rank = 1, .dim = {IMAGES}};

    if (with_classes)
        tensor.dim[tensor.rank++] = u->d.classes;
    for (unsigned i = 0; i < u->d.spatial_rank; i++)
        tensor.dim[tensor.rank++] = u->d.spatial[i];
    return tensor;
}

static mm_images *run(const upload *u, const mm_stat *stats, size_t count)
{
    static const char *const ids[] = {"a", "b"};
    const mm_input input = {.pred = tensor_of(u, u->d.p, MM_F64, 1),
                            .label = u->index != NULL ? tensor_of(u, u->index, MM_I32, 0)
                                                      : tensor_of(u, u->sent_label, MM_F64, 1),
                            .mask = tensor_of(u, u->mask, MM_U8, 0),
                            .task = u->d.task,
                            .pred_kind = u->d.pred_kind,
                            .label_kind = u->index != NULL ? MM_INDEX : MM_ONEHOT,
                            .has_ignore = 1,
                            .ignore_index = 255,
                            .threshold = 0.5};
    mm_plan plan = {.classes = u->d.classes, .task = u->d.task, .stat_count = count};
    mm_problem problem = {.text = ""};
    mm_images *images = NULL;
    mm_eval *eval = NULL;
    void *scratch = aligned_alloc(64, MM_SCRATCH_BYTES);

    CU_ASSERT_PTR_NOT_NULL_FATAL(scratch);
    memcpy(plan.stats, stats, count * sizeof *stats);
    mm_status status = mm_eval_new(&eval, &input, &plan, 0, &problem);
    if (status == MM_OK)
        mm_eval_run(eval, scratch, 1);
    if (status == MM_OK)
        status = mm_eval_finish(eval, ids, &images, &problem);
    if (status != MM_OK)
        printf("\n    %s\n", problem.text);
    mm_eval_free(eval);
    free(scratch);
    return images;
}

/* ------------------------------------------------------------------ compare */

/* The sums of a column in the order of sums.h: 16 lanes, chunks of 1024, chunks in order. */
static void naive_column(const upload *u, const mm_stat *stat, size_t n, double *sums)
{
    const size_t width = mm_stat_width(stat, u->d.classes) * u->d.classes;
    double *voxel = malloc((width + 1) * sizeof *voxel), *lane = malloc((16 * width + 1) * sizeof *lane);

    CU_ASSERT_FATAL(voxel != NULL && lane != NULL);
    memset(sums, 0, width * sizeof *sums);
    for (size_t first = 0; first < u->d.voxels; first += 1024) {
        memset(lane, 0, 16 * width * sizeof *lane);
        for (size_t v = first; v < u->d.voxels && v < first + 1024; v++) {
            memset(voxel, 0, width * sizeof *voxel);
            if (u->scored[n * u->d.voxels + v])
                naive_voxel(voxel, stat, &u->d, n, v);
            for (size_t i = 0; i < width; i++)
                lane[v % 16 * width + i] += voxel[i];
        }
        for (size_t half = 8; half > 0; half /= 2)
            for (size_t i = 0; i < half * width; i++)
                lane[i] += lane[half * width + i];
        for (size_t i = 0; i < width; i++)
            sums[i] += lane[i];
    }
    free(voxel);
    free(lane);
}

/* Are its terms made of plain arithmetic alone?  Then the bits must be the same. */
static int is_plain(const mm_stat *stat, mm_pred_kind pred_kind)
{
    const int as_sent = stat->form == MM_FORM_SENT ||
                        (pred_kind != MM_LOGITS && (stat->form == MM_FORM_NATURAL || stat->form == MM_FORM_APART));

    return as_sent && stat->flags == 0 && !(stat->kind >= MM_SUM_POS && stat->kind <= MM_SUM_LOGQ) &&
           !(stat->kind >= MM_SUM_BCE_IN && stat->kind <= MM_SUM_SMOOTH_FOCAL) && stat->kind != MM_SUM_LOG_POWER_REST;
}

static void compare_column(const upload *u, const mm_record *record, size_t column, size_t n)
{
    const mm_stat *stat = &record->stats[column];
    const size_t width = mm_stat_width(stat, u->d.classes) * u->d.classes;
    const double *got = record->sums + mm_stats_offset(record->stats, column, u->d.classes);
    double *right = malloc((width + 1) * sizeof *right);
    char words[128];

    CU_ASSERT_PTR_NOT_NULL_FATAL(right);
    naive_column(u, stat, n, right);
    for (size_t i = 0; i < width; i++) {
        const double off = fabs(got[i] - right[i]);

        if (is_plain(stat, u->d.pred_kind) ? got[i] == right[i] : off <= 1e-12 * fabs(right[i]) + 1e-12)
            continue;
        mm_stat_describe(stat, words, sizeof words);
        printf("\n    %s, flags %u, image %zu, value %zu: %.17g instead of %.17g\n", words, stat->flags, n, i, got[i],
               right[i]);
        CU_FAIL("column");
        break;
    }
    free(right);
}

static void compare_counts(const upload *u, const mm_record *record, size_t n)
{
    const size_t classes = u->d.classes;

    for (size_t c = 0; c < classes; c++) {
        uint64_t label = 0, pred = 0, both = 0, all = 0;

        for (size_t v = 0; v < u->d.voxels; v++) {
            const int in = u->scored[n * u->d.voxels + v], p = hard_p(&u->d, n, c, v), g = hard_g(&u->d, n, c, v);

            all += (uint64_t)in;
            label += (uint64_t)(in && g);
            pred += (uint64_t)(in && p);
            both += (uint64_t)(in && p && g);
        }
        CU_ASSERT_EQUAL(record->scored, all);
        CU_ASSERT_EQUAL(record->label_count[c], label);
        CU_ASSERT_EQUAL(record->pred_count[c], pred);
        CU_ASSERT_EQUAL(record->both_count[c], both);
    }
    for (size_t i = 0; record->confusion != NULL && i < classes * classes; i++) {
        uint64_t pairs = 0;

        for (size_t v = 0; v < u->d.voxels; v++)
            pairs += (uint64_t)(u->scored[n * u->d.voxels + v] && hard_g(&u->d, n, i / classes, v) &&
                                hard_p(&u->d, n, i % classes, v));
        CU_ASSERT_EQUAL(record->confusion[i], pairs);
    }
}

/* -------------------------------------------------------------------- kinds */

/* All kinds, with the numbers that make them differ; of one form. */
static size_t all_kinds(unsigned form, mm_task task, mm_stat *stats)
{
    static const double gammas[] = {0.0, 1.0, 2.0, 1.5};
    size_t count = 0;

    for (unsigned kind = MM_SUM_P; kind <= MM_SUM_LOG_POWER_REST; kind++) {
        mm_stat stat = {.kind = kind, .form = form};

        if (kind == MM_SUM_INDEX || (kind == MM_SUM_BY_LABEL && task == MM_MULTILABEL))
            continue; /* of the label's type; of exclusive classes */
        if (kind >= MM_HISTOGRAM_CLASS && kind <= MM_HISTOGRAM_P)
            stat.more[0] = 15.0;
        if (kind == MM_SUM_OVER || kind == MM_SUM_OVER_G)
            stat.more[0] = 0.5;
        if (mm_stat_needs_probs(&(mm_stat){.kind = kind}))
            stat.eps = EPS;
        stats[count++] = stat;
    }
    for (size_t i = 0; i < sizeof gammas / sizeof gammas[0]; i++) {
        stats[count++] = (mm_stat){.kind = MM_SUM_POS, .form = form, .gamma = gammas[i], .eps = EPS / 2.0};
        stats[count++] = (mm_stat){.kind = MM_SUM_BCE_OUT, .form = form, .gamma = gammas[i], .eps = EPS / 2.0};
        stats[count++] = (mm_stat){.kind = MM_SUM_SMOOTH_FOCAL, .form = form, .gamma = gammas[i], .eps = EPS / 2.0};
    }
    stats[count++] = (mm_stat){.kind = MM_SUM_NEG, .form = form, .gamma = 2.0, .eps = EPS};
    stats[count++] = (mm_stat){.kind = MM_SUM_LOG_POWER, .form = form, .gamma = 0.3, .eps = EPS};
    stats[count++] = (mm_stat){.kind = MM_SUM_LOG_POWER_REST, .form = form, .gamma = 0.3, .eps = EPS};
    stats[count++] = (mm_stat){.kind = MM_SUM_BCE_IN, .form = form, .gamma = 2.0, .eps = EPS, .more = {0.5}};
    stats[count++] = (mm_stat){.kind = MM_SUM_BCE_FACTOR, .form = form, .gamma = 2.0, .eps = EPS, .more = {0.5}};
    stats[count++] = (mm_stat){.kind = MM_SUM_BCE_IN, .form = form, .gamma = 1.5, .eps = EPS, .more = {0.0, 1.0}};
    stats[count++] = (mm_stat){.kind = MM_SUM_BCE_OUT, .form = form, .gamma = 2.0, .eps = EPS, .more = {0.0, 1.0}};
    stats[count++] = (mm_stat){.kind = MM_HISTOGRAM_CLASS, .form = form, .more = {10.0, 1.0}};
    stats[count++] = (mm_stat){.kind = MM_HISTOGRAM_TOP, .form = form, .more = {10.0, 1.0}};
    return count;
}

/* The kinds that flags change. */
static size_t all_flags(unsigned form, mm_stat *stats)
{
    static const unsigned kinds[] = {MM_SUM_P,   MM_SUM_PP,   MM_SUM_PG,   MM_SUM_AD,    MM_SUM_POS,
                                     MM_SUM_NEG, MM_SUM_LOGP, MM_SUM_LOGQ, MM_SUM_BCE_IN};
    static const unsigned flags[] = {MM_STAT_CLIP, MM_STAT_CLIP | MM_STAT_NORMALIZE, MM_STAT_CLIP | MM_STAT_ODDS};
    size_t count = 0;

    for (size_t f = 0; f < sizeof flags / sizeof flags[0]; f++)
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
            stats[count++] = (mm_stat){
                .kind = kinds[k], .flags = flags[f], .form = form, .gamma = 1.5, .eps = EPS * (double)(k % 2 + 1)};
    return count;
}

static void check_upload(const upload *u, const mm_stat *stats, size_t count)
{
    mm_images *images = run(u, stats, count);

    CU_ASSERT_PTR_NOT_NULL_FATAL(images);
    for (size_t n = 0; n < IMAGES; n++) {
        const mm_record *record = &images->records[n];

        compare_counts(u, record, n);
        for (size_t i = 0; i < count; i++) {
            const size_t column = mm_stat_find(record->stats, record->stat_count, &stats[i]);

            CU_ASSERT_FATAL(column < record->stat_count);
            compare_column(u, record, column, n);
        }
    }
    mm_images_free(images);
}

/* Every kind and every form that the input can have. */
static void check_forms(const upload *u)
{
    mm_stat stats[MM_MAX_STATS];

    for (unsigned form = 0; form < MM_FORM_COUNT; form++) {
        const int softmax = form == MM_FORM_SOFTMAX || form == MM_FORM_SOFTMAX_REST;

        if (u->d.pred_kind == MM_LOGITS && (form == MM_FORM_SENT || (softmax && u->d.classes == 1)))
            continue; /* logits as sent are no probabilities */
        check_upload(u, stats, all_kinds(form, u->d.task, stats));
        check_upload(u, stats, all_flags(form, stats));
    }
}

static const size_t shapes[][3] = {{1061, 0, 0}, {33, 32, 0}, {9, 11, 11}};

static void run_all(mm_task task, size_t classes, int soft, int indices)
{
    for (int logits = 0; logits < 2; logits++) {
        const unsigned rank = (unsigned)(classes + (size_t)logits) % 3 + 1;
        upload u = upload_new(task, classes, rank, shapes[rank - 1], logits, soft, indices);

        check_forms(&u);
        upload_free(&u);
    }
}

static void test_exclusive(void)
{
    run_all(MM_MULTICLASS, 3, 0, 1);
    run_all(MM_MULTICLASS, 4, 0, 0);
}

static void test_exclusive_soft(void)
{
    run_all(MM_MULTICLASS, 3, 1, 0);
}

static void test_masks(void)
{
    run_all(MM_MULTILABEL, 2, 0, 0);
    run_all(MM_MULTILABEL, 1, 0, 0);
}

static void test_masks_soft(void)
{
    run_all(MM_MULTILABEL, 3, 1, 0);
}

static CU_TestInfo tests[] = {
    {"exclusive classes", test_exclusive},
    {"exclusive classes, soft labels", test_exclusive_soft},
    {"independent masks", test_masks},
    {"independent masks, soft labels", test_masks_soft},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_columns = {"columns", tests};
