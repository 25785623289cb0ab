/*
 * test_image_window.c - SSIM, MS-SSIM, NACL and correlation-maximised similarity against sums over every window.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdlib.h>

#include "lib/window.h"
#include "tests/image_tools.h"

/* An image of one class, as the windows see it; missing: not scored. */
typedef struct picture {
    unsigned rank;
    size_t dim[3], voxels;
    double *x, *y;
    int *missing;
} picture;

static picture picture_new(unsigned rank, const size_t *dim)
{
    picture of = {.rank = rank, .dim = {1, 1, 1}, .voxels = 1};

    for (unsigned axis = 0; axis < rank; axis++) {
        of.dim[axis] = dim[axis];
        of.voxels *= dim[axis];
    }
    of.x = calloc(of.voxels, sizeof *of.x);
    of.y = calloc(of.voxels, sizeof *of.y);
    of.missing = calloc(of.voxels, sizeof *of.missing);
    CU_ASSERT_FATAL(of.x != NULL && of.y != NULL && of.missing != NULL);
    return of;
}

static void picture_free(picture *of)
{
    free(of->x);
    free(of->y);
    free(of->missing);
}

static picture picture_of(const scene *s, size_t n, size_t c)
{
    picture of = picture_new(s->rank, s->spatial);

    for (size_t v = 0; v < s->voxels; v++) {
        of.x[v] = scene_p(s, n, c, v);
        of.y[v] = scene_g(s, n, c, v);
        of.missing[v] = !scene_scored(s, n, v);
    }
    return of;
}

/* ------------------------------------------------------------------ windows */

/* The voxel `offset` (a number in base `size`) steps into the window that begins `back` before voxel v; SIZE_MAX:
 * outside. */
static size_t window_voxel(const picture *of, size_t v, size_t offset, size_t size, size_t back)
{
    size_t index = 0, stride = 1;

    for (unsigned axis = of->rank; axis-- > 0;) {
        const size_t at = v / stride % of->dim[axis] + offset % size;

        if (at < back || at - back >= of->dim[axis])
            return SIZE_MAX;
        index += (at - back) * stride;
        stride *= of->dim[axis];
        offset /= size;
    }
    return index;
}

/* The weight of that voxel: Gaussian, or with sigma 0 the same for all. */
static double window_weight(const picture *of, size_t offset, size_t size, double sigma)
{
    double total = 0.0, weight = 1.0;

    if (sigma == 0.0)
        return pow(1.0 / (double)size, of->rank);
    for (size_t i = 0; i < size; i++)
        total += exp(-pow(((double)i - ((double)size - 1.0) / 2.0) / sigma, 2.0) / 2.0);
    for (unsigned axis = 0; axis < of->rank; axis++) {
        weight *= exp(-pow(((double)(offset % size) - ((double)size - 1.0) / 2.0) / sigma, 2.0) / 2.0) / total;
        offset /= size;
    }
    return weight;
}

typedef struct moments {
    double x, y, xx, yy, xy;
    int whole; /* in the image, and scored */
} moments;

static moments moments_of(const picture *of, size_t v, size_t size, double sigma, size_t back)
{
    moments m = {.whole = 1};
    size_t count = 1;

    for (unsigned axis = 0; axis < of->rank; axis++)
        count *= size;
    for (size_t offset = 0; offset < count; offset++) {
        const size_t at = window_voxel(of, v, offset, size, back);
        const double w = window_weight(of, offset, size, sigma);

        if (at == SIZE_MAX || of->missing[at]) {
            m.whole = 0;
            return m;
        }
        m.x += w * of->x[at];
        m.y += w * of->y[at];
        m.xx += w * of->x[at] * of->x[at];
        m.yy += w * of->y[at] * of->y[at];
        m.xy += w * of->x[at] * of->y[at];
    }
    m.xx -= m.x * m.x;
    m.yy -= m.y * m.y;
    m.xy -= m.x * m.y;
    return m;
}

/* --------------------------------------------------------------------- SSIM */

enum { WINDOW, SIGMA, K1, K2, RANGE, KERNEL };

/* Means of cs and ssim; returns the number of windows. */
static size_t compare(const picture *of, const mm_stat *stat, double *cs, double *ssim)
{
    const double c1 = pow(stat->more[K1] * stat->more[RANGE], 2.0), c2 = pow(stat->more[K2] * stat->more[RANGE], 2.0);
    const double sigma = stat->more[KERNEL] == 1.0 ? 0.0 : stat->more[SIGMA];
    size_t count = 0;

    *cs = *ssim = 0.0;
    for (size_t v = 0; v < of->voxels; v++) {
        const moments m = moments_of(of, v, (size_t)stat->more[WINDOW], sigma, 0);

        if (!m.whole)
            continue;
        const double similar = (2.0 * m.xy + c2) / (m.xx + m.yy + c2);

        *cs += similar;
        *ssim += (2.0 * m.x * m.y + c1) / (m.x * m.x + m.y * m.y + c1) * similar;
        count++;
    }
    *cs /= count > 0 ? (double)count : 1.0;
    *ssim /= count > 0 ? (double)count : 1.0;
    return count;
}

/* Half the scale: every voxel is the mean of two along each axis. */
static picture halved(const picture *from, int paired)
{
    size_t dim[3];

    for (unsigned axis = 0; axis < from->rank; axis++)
        dim[axis] = (from->dim[axis] + (paired ? 1 : 0)) / 2;
    picture to = picture_new(from->rank, dim);
    for (size_t v = 0; v < to.voxels; v++)
        for (size_t corner = 0; corner < (size_t)1 << from->rank; corner++) {
            size_t index = 0, to_stride = 1, stride = 1;

            for (unsigned axis = from->rank; axis-- > 0;) {
                size_t at = 2 * (v / to_stride % dim[axis]) + (corner >> axis & 1);

                at = at < from->dim[axis] ? at : from->dim[axis] - 1;
                index += at * stride;
                stride *= from->dim[axis];
                to_stride *= dim[axis];
            }
            to.x[v] += from->x[index] / pow(2.0, from->rank);
            to.y[v] += from->y[index] / pow(2.0, from->rank);
            to.missing[v] |= from->missing[index];
        }
    return to;
}

static void check_ssim(const scene *s, const mm_stat *stat)
{
    double *column = scene_column(s, stat);

    for (size_t n = 0; n < s->images; n++)
        for (size_t c = 0; c < s->classes; c++) {
            picture of = picture_of(s, n, c);
            double cs, ssim;
            const size_t windows = compare(&of, stat, &cs, &ssim);
            const double reason = scene_value(s, stat, column, n, 0, c);

            CU_ASSERT(windows == 0 ? reason == MM_TOO_SMALL || reason == MM_NO_VOXELS : reason == MM_DEFINED);
            CU_ASSERT(windows == 0 || scene_close(scene_value(s, stat, column, n, 1, c), ssim));
            picture_free(&of);
        }
    free(column);
}

static void test_ssim(void)
{
    static const size_t shapes[][3] = {{30}, {13, 9}, {9, 14}, {6, 7, 5}, {1, 9}};
    static const unsigned ranks[] = {1, 2, 2, 3, 2};
    static const double kinds[][6] = {
        {5, 1.5, 0.01, 0.03, 1, 0}, {4, 0.7, 0.02, 0.1, 2, 1}, {1, 1.5, 0.01, 0.03, 1, 0}, {3, 0.01, 0.01, 0.03, 1, 0}};

    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned k = 0; k < 8; k++) {
            const scene_kind kind = {6, k < 4 ? 16 : 15, 60};
            scene s =
                scene_random(k % 2 ? MM_MULTICLASS : MM_MULTILABEL, MM_PROBS, 2, 2, ranks[i], shapes[i], kind, i + k);
            mm_stat stat = {.kind = MM_IMAGE_SSIM};

            for (size_t m = 0; m < 6; m++)
                stat.more[m] = kinds[k % 4][m];
            check_ssim(&s, &stat);
            scene_free(&s);
        }
}

/* Each scale: means of cs and ssim. */
static void check_scales(const scene *s, const mm_stat *stat)
{
    const size_t scales = stat->gamma > 0.0 ? (size_t)stat->gamma : MM_SCALES;
    double *column = scene_column(s, stat);

    for (size_t c = 0; c < s->classes; c++) {
        picture of = picture_of(s, 0, c);
        size_t least = SIZE_MAX;

        for (size_t k = 0; k < scales; k++) {
            double cs, ssim;
            const size_t windows = compare(&of, stat, &cs, &ssim);
            picture half = halved(&of, stat->more[KERNEL] == 2.0);

            least = windows < least ? windows : least;
            if (windows > 0) {
                CU_ASSERT(scene_close(scene_value(s, stat, column, 0, 1 + k, c), cs));
                CU_ASSERT(scene_close(scene_value(s, stat, column, 0, 1 + MM_SCALES + k, c), ssim));
            }
            picture_free(&of);
            of = half;
        }
        CU_ASSERT_EQUAL(scene_value(s, stat, column, 0, 0, c), least > 0 ? (double)MM_DEFINED : (double)MM_TOO_SMALL);
        picture_free(&of);
    }
    free(column);
}

static void test_ms_ssim(void)
{
    static const size_t shapes[][3] = {{81}, {35, 48}, {17, 33}, {16, 17, 18}, {33, 34}};
    static const unsigned ranks[] = {1, 2, 2, 3, 2};

    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned kernel = 0; kernel < 3; kernel++) {
            const size_t window = ranks[i] == 3 ? 1 : 2;
            scene s = scene_random(MM_MULTILABEL, MM_PROBS, 1, 2, ranks[i], shapes[i], (scene_kind){6, 16, 60}, i);
            mm_stat stat = {.kind = MM_IMAGE_MS_SSIM, .more = {(double)window, 1.5, 0.01, 0.03, 1, kernel}};

            s.scored[3] = i != 3;                                   /* in one of the images */
            if (shapes[i][0] >= 32 || ranks[i] != 2 || kernel == 2) /* else one axis has a voxel at the last scale */
                check_scales(&s, &stat);
            stat.gamma = 2.0;
            check_scales(&s, &stat);
            scene_free(&s);
        }
}

/* An image that is one voxel too short along one axis, at the only or at the last scale. */
static void test_too_small(void)
{
    static const struct {
        unsigned kind;
        size_t shape[2];
        double kernel;
        mm_reason reason;
    } cases[] = {{MM_IMAGE_SSIM, {4, 9}, 0, MM_TOO_SMALL},      {MM_IMAGE_SSIM, {5, 5}, 0, MM_DEFINED},
                 {MM_IMAGE_MS_SSIM, {80, 79}, 0, MM_TOO_SMALL}, {MM_IMAGE_MS_SSIM, {80, 80}, 0, MM_DEFINED},
                 {MM_IMAGE_MS_SSIM, {65, 65}, 2, MM_DEFINED},   {MM_IMAGE_MS_SSIM, {65, 64}, 2, MM_TOO_SMALL}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scene s = scene_random(MM_MULTILABEL, MM_PROBS, 1, 1, 2, cases[i].shape, (scene_kind){6, 16, 60}, 1);
        const mm_stat stat = {.kind = cases[i].kind, .more = {5, 1.5, 0.01, 0.03, 1, cases[i].kernel}};
        double *column = scene_column(&s, &stat);

        CU_ASSERT_EQUAL(column[0], (double)cases[i].reason);
        free(column);
        scene_free(&s);
    }
}

/* --------------------------------------------------------------------- NACL */

static void check_nacl(const scene *s, const mm_stat *stat)
{
    const size_t size = (size_t)stat->more[0];
    double *column = scene_column(s, stat);

    for (size_t n = 0; n < s->images; n++)
        for (size_t c = 0; c < s->classes; c++) {
            picture of = picture_of(s, n, c);
            double sum = 0.0, count = 0.0;
            size_t places = 1;

            for (unsigned axis = 0; axis < s->rank; axis++)
                places *= size;
            for (size_t v = 0; v < s->voxels; v++) {
                double mean = 0.0;
                int whole = 1;

                for (size_t offset = 0; offset < places; offset++) {
                    const size_t at = window_voxel(&of, v, offset, size, size / 2);

                    if (at != SIZE_MAX)
                        mean += of.y[at] * window_weight(&of, offset, size, stat->more[1] == 0.0 ? 0.0 : stat->more[2]);
                    whole = whole && (at == SIZE_MAX || !of.missing[at]);
                }
                if (!whole)
                    continue;
                sum += pow(fabs(mean - scene_sent(s, n, c, v)), stat->gamma);
                count += 1.0;
            }
            CU_ASSERT(scene_close(scene_value(s, stat, column, n, 1, c), sum));
            CU_ASSERT_EQUAL(scene_value(s, stat, column, n, 2, c), count);
            picture_free(&of);
        }
    free(column);
}

static void test_nacl(void)
{
    static const size_t shapes[][3] = {{1}, {17}, {8, 5}, {2, 9}, {4, 3, 5}};
    static const unsigned ranks[] = {1, 1, 2, 2, 3};

    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned k = 0; k < 8; k++) {
            scene s = scene_random(k & 1 ? MM_MULTICLASS : MM_MULTILABEL, MM_LOGITS, 2, 2, ranks[i], shapes[i],
                                   (scene_kind){6, k & 2 ? 16 : 15, 60}, i + k);

            check_nacl(&s, &(mm_stat){.kind = MM_IMAGE_NACL,
                                      .form = MM_FORM_SENT,
                                      .gamma = k & 4 ? 2.0 : 1.0,
                                      .more = {k & 2 ? 5.0 : 3.0, k & 1, 0.8}});
            scene_free(&s);
        }
}

/* -------------------------------------------------------------- correlation */

static void check_correlation(const scene *s, const mm_stat *stat)
{
    const size_t size = (size_t)stat->more[2];
    const double small = stat->more[1];
    double *column = scene_column(s, stat), *e = malloc(s->voxels * sizeof *e);

    CU_ASSERT_PTR_NOT_NULL_FATAL(e);
    for (size_t n = 0; n < s->images; n++)
        for (size_t c = 0; c < s->classes; c++) {
            picture of = picture_of(s, n, c);
            double greatest = -1.0, above = 0.0, below = 0.0;

            for (size_t v = 0; v < s->voxels; v++) {
                const moments m = moments_of(&of, v, size, stat->more[3], size / 2);

                e[v] = !m.whole ? -1.0
                                : fabs((of.y[v] - m.y + small) / (sqrt(fmax(m.yy, 0.0)) + small) -
                                       (of.x[v] - m.x + small) / (sqrt(fmax(m.xx, 0.0)) + small));
                greatest = fmax(greatest, e[v]);
            }
            for (size_t v = 0; v < s->voxels; v++)
                if (e[v] >= 0.0 && e[v] > stat->more[0] * greatest) {
                    above -= e[v] * (of.y[v] == 1.0 ? log(fmax(of.x[v], 1e-7)) : log(fmax(1.0 - of.x[v], 1e-7)));
                    below += 1.0;
                }
            const double reason = scene_value(s, stat, column, n, 0, c);
            CU_ASSERT(greatest < 0.0 ? reason == MM_TOO_SMALL || reason == MM_NO_VOXELS : reason == MM_DEFINED);
            CU_ASSERT(fabs(scene_value(s, stat, column, n, 1, c) - above) <= 1e-6 * (1.0 + above));
            CU_ASSERT_EQUAL(scene_value(s, stat, column, n, 2, c), below);
            picture_free(&of);
        }
    free(e);
    free(column);
}

static void test_correlation(void)
{
    static const size_t shapes[][3] = {{2}, {25}, {8, 7}, {4, 5, 5}};
    static const unsigned ranks[] = {1, 1, 2, 3};

    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        for (unsigned k = 0; k < 6; k++) {
            scene s = scene_random(k & 1 ? MM_MULTICLASS : MM_MULTILABEL, k < 4 ? MM_PROBS : MM_LOGITS, 2, 2, ranks[i],
                                   shapes[i], (scene_kind){6, k & 2 ? 16 : 15, 61}, i + k);

            check_correlation(&s, &(mm_stat){.kind = MM_IMAGE_CORRELATION, .eps = 1e-7, .more = {0.37, 0.01, 3, 1.5}});
            scene_free(&s);
        }
}

static CU_TestInfo tests[] = {
    {"SSIM", test_ssim}, {"MS-SSIM", test_ms_ssim},         {"too small", test_too_small},
    {"NACL", test_nacl}, {"correlation", test_correlation}, CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_image_window;
const mm_suite mm_suite_image_window = {"image_window", tests};
