/*
 * test_similarity.c - structural similarity of classes and images against windows weighed voxel by voxel.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdlib.h>

#include "tests/score_tools.h"

#define WINDOW 11
#define SCALES 5
#define MOST   (176 * 170) /* voxels of an image */

/* A picture of one class, and its label. */
typedef struct picture {
    size_t rows, columns;
    double p[MOST], g[MOST];
} picture;

static double weight_at(size_t i, size_t j)
{
    const double x = (double)i - 5.0, y = (double)j - 5.0;

    return exp(-(x * x + y * y) / (2.0 * 1.5 * 1.5));
}

typedef struct means {
    double cs, ssim;
} means;

/* The window that begins at row r, column c. */
static means window_of(const picture *of, double range, size_t r, size_t c)
{
    double w = 0.0, x = 0.0, y = 0.0, xx = 0.0, yy = 0.0, xy = 0.0;
    const double c1 = pow(0.01 * range, 2.0), c2 = pow(0.03 * range, 2.0);

    for (size_t i = 0; i < WINDOW; i++)
        for (size_t j = 0; j < WINDOW; j++)
            w += weight_at(i, j);
    for (size_t i = 0; i < WINDOW; i++)
        for (size_t j = 0; j < WINDOW; j++) {
            const size_t v = (r + i) * of->columns + c + j;
            const double own = weight_at(i, j) / w;

            x += own * of->p[v];
            y += own * of->g[v];
            xx += own * of->p[v] * of->p[v];
            yy += own * of->g[v] * of->g[v];
            xy += own * of->p[v] * of->g[v];
        }
    const double cs = (2.0 * (xy - x * y) + c2) / (xx - x * x + yy - y * y + c2);

    return (means){cs, cs * (2.0 * x * y + c1) / (x * x + y * y + c1)};
}

static means means_of(const picture *of, double range)
{
    const size_t rows = of->rows - WINDOW + 1, columns = of->columns - WINDOW + 1;
    means sum = {0.0, 0.0};

    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++) {
            const means at = window_of(of, range, r, c);

            sum.cs += at.cs / (double)(rows * columns);
            sum.ssim += at.ssim / (double)(rows * columns);
        }
    return sum;
}

static void copy(picture *to, const data *d, size_t n, size_t c)
{
    to->rows = d->spatial[0];
    to->columns = d->spatial[1];
    for (size_t v = 0; v < d->voxels; v++) {
        to->p[v] = p_at(d, n, c, v);
        to->g[v] = g_at(d, n, c, v);
    }
}

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Half the size; an odd last row or column is paired with itself. */
static void halve(picture *of)
{
    const size_t rows = (of->rows + 1) / 2, columns = (of->columns + 1) / 2;

    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++) {
            const size_t r1 = lesser(2 * r + 1, of->rows - 1), c1 = lesser(2 * c + 1, of->columns - 1);
            const size_t corner[4] = {2 * r * of->columns + 2 * c, 2 * r * of->columns + c1, r1 * of->columns + 2 * c,
                                      r1 * of->columns + c1};
            double p = 0.0, g = 0.0;

            for (size_t i = 0; i < 4; i++) {
                p += of->p[corner[i]] / 4.0;
                g += of->g[corner[i]] / 4.0;
            }
            of->p[r * columns + c] = p; /* in front of all corners that are still to come */
            of->g[r * columns + c] = g;
        }
    of->rows = rows;
    of->columns = columns;
}

/* Neighbours that are alike, so that something is left at coarse scales. */
static data pictures(size_t images, size_t classes, size_t rows, size_t columns, unsigned seed)
{
    data d = data_random(MM_MULTILABEL, images, classes, rows * columns, seed);

    d.spatial_rank = 2;
    d.spatial[0] = rows;
    d.spatial[1] = columns;
    for (size_t i = 0; i < images * classes * rows * columns; i++) {
        const size_t v = i % d.voxels, tile = v / columns / 12 + v % columns / 17;

        d.g[i] = (tile + i / d.voxels) % 3 == 0;
        d.p[i] = 0.7 * d.g[i] + 0.3 * d.p[i];
    }
    return d;
}

/* One value per image: 1 minus the mean over its classes. */
static void check_losses(const data *d, const char *expression, const double *expected)
{
    scored s = score(d, expression, NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    CU_ASSERT_EQUAL(s.first->rank, 1);
    CU_ASSERT_EQUAL_FATAL(s.first->dim[0], d->images);
    for (size_t n = 0; n < d->images; n++) {
        CU_ASSERT_EQUAL(s.first->list[n].reason, MM_DEFINED);
        CU_ASSERT_DOUBLE_EQUAL(s.first->list[n].value, 1.0 - expected[n], 1e-11);
    }
    scored_free(&s);
}

static void test_one_scale(void)
{
    data d = pictures(2, 3, 19, 16, 71);
    picture *one = malloc(sizeof *one);
    double plain[2] = {0.0, 0.0}, wide[2] = {0.0, 0.0};

    CU_ASSERT_PTR_NOT_NULL_FATAL(one);
    for (size_t n = 0; n < 2; n++)
        for (size_t c = 0; c < 3; c++) {
            copy(one, &d, n, c);
            plain[n] += means_of(one, 1.0).ssim / 3.0;
            wide[n] += means_of(one, 4.0).ssim / 3.0;
        }
    check_losses(&d, "seed.ssim2d_loss", plain);
    check_losses(&d, "seed.ssim2d_loss(max_val=4)", wide);
    check_losses(&d, "survey.ssim_loss", plain);
    free(one);
    data_free(&d);
}

/* 161 voxels are the least: 161, 81, 41, 21, 11. */
static void test_scales(void)
{
    static const double weight[SCALES] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
    data d = pictures(1, 2, 161, 166, 72);
    picture *one = malloc(sizeof *one);
    double expected = 0.0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(one);
    for (size_t c = 0; c < 2; c++) {
        double product = 1.0;

        copy(one, &d, 0, c);
        for (size_t s = 0; s < SCALES; s++) {
            const means at = means_of(one, 1.0);

            product *= pow(fmax(s + 1 < SCALES ? at.cs : at.ssim, 0.0), weight[s]);
            halve(one);
        }
        expected += product / 2.0;
    }
    CU_ASSERT(expected > 0.01 && expected < 0.999);
    check_losses(&d, "seed.multiscalessim2d_loss", &expected);
    free(one);
    data_free(&d);
}

/* The same is 1; a class against the grain counts as 0 at several scales. */
static void test_extremes(void)
{
    data d = pictures(1, 1, 161, 161, 73);
    double one = 1.0, none = 0.0;

    for (size_t v = 0; v < d.voxels; v++)
        d.p[v] = d.g[v];
    check_losses(&d, "seed.multiscalessim2d_loss", &one);
    check_losses(&d, "survey.ssim_loss", &one);
    for (size_t v = 0; v < d.voxels; v++)
        d.p[v] = 1.0 - d.g[v];
    check_losses(&d, "seed.multiscalessim2d_loss", &none);
    data_free(&d);
}

static void check_reason(const data *d, const char *expression, mm_reason reason)
{
    scored s = score(d, expression, NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(s.first);
    CU_ASSERT_EQUAL(s.first->list[0].reason, reason);
    scored_free(&s);
}

static void test_too_small(void)
{
    data small = pictures(1, 1, 10, 30, 74), middling = pictures(1, 1, 160, 161, 75);
    data line = data_random(MM_MULTILABEL, 1, 1, 40, 76);
    mm_problem problem;

    check_reason(&small, "seed.ssim2d_loss", MM_TOO_SMALL);
    check_reason(&small, "survey.unet3p_hybrid_loss", MM_TOO_SMALL);
    check_reason(&middling, "seed.multiscalessim2d_loss", MM_TOO_SMALL);
    check_reason(&middling, "seed.ssim2d_loss", MM_DEFINED);
    CU_ASSERT_EQUAL(refusal_of(&line, "seed.ssim2d_loss", &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(refusal_of(&line, "seed.multiscalessim2d_loss", &problem), MM_BAD_PARAM);
    CU_ASSERT_EQUAL(refusal_of(&line, "survey.ssim_loss", &problem), MM_BAD_PARAM);
    data_free(&small);
    data_free(&middling);
    data_free(&line);
}

static CU_TestInfo tests[] = {
    {"one scale against windows", test_one_scale},
    {"five scales against windows", test_scales},
    {"the same, and the opposite", test_extremes},
    {"too small, or not of two axes", test_too_small},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_similarity = {"similarity", tests};
