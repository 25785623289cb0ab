/*
 * test_kernels.c - every kernel of the chosen CPU level gives the bits of the scalar one, and the scalar ones give what
 * a plain loop gives.  `make test` runs this at every level that the machine has.
 */
#include "tests/suites.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/kernels.h"

enum { CLASSES = 21, FEW = 5 };

/* Random planes with the values that break things among them. */
typedef struct planes {
    double a[MM_CHUNK], b[MM_CHUNK], x[MM_CHUNK], scored[MM_CHUNK];
    float rows[4 * MM_CHUNK], label[MM_CHUNK], arg[MM_CHUNK];
    double wide[MM_CHUNK];
    float few_label[MM_CHUNK], few_pred[MM_CHUNK]; /* of five classes */
    unsigned char bytes[8 * MM_CHUNK * 3 + 1];
} planes;

static void fill(planes *p, long seed)
{
    srand48(seed);
    for (size_t i = 0; i < MM_CHUNK; i++) {
        const double u = drand48();

        p->a[i] = u < 0.1 ? 0.0 : u > 0.9 ? 1.0 : u < 0.2 ? u * 1e-9 : drand48();
        p->b[i] = drand48() < 0.5 ? 0.0 : 1.0;
        p->x[i] = (drand48() - 0.5) * (i % 7 == 0 ? 2000.0 : 20.0);
        p->scored[i] = drand48() < 0.9 ? 1.0 : 0.0;
        p->label[i] = p->scored[i] != 0.0 ? (float)(int)(drand48() * (double)CLASSES) : -1.0f;
        p->wide[i] = (double)p->label[i];
        p->arg[i] = (float)(int)(drand48() * (double)CLASSES);
        p->few_label[i] = p->scored[i] != 0.0 ? (float)(int)(drand48() * (double)FEW) : -1.0f;
        p->few_pred[i] = (float)(int)(drand48() * (double)FEW);
    }
    for (size_t i = 0; i < 4 * MM_CHUNK; i++)
        p->rows[i] = (float)p->a[i % MM_CHUNK] * (float)drand48();
    for (size_t i = 0; i < sizeof p->bytes; i++)
        p->bytes[i] = (unsigned char)(drand48() * 256.0);
}

/* Everything that one level makes of the planes, in one block to compare. */
typedef struct results {
    double d[40][MM_CHUNK];
    float f[12][MM_CHUNK];
    unsigned pair[MM_CHUNK];
    uint32_t few[FEW * FEW];
    double sums[2 + 3 + 2 * CLASSES];
    uint64_t counts[3];
    int flags[16];
} results;

static void run_arithmetic(const mm_kernels *k, const planes *p, results *r)
{
    k->square(r->d[0], p->a, MM_CHUNK);
    k->multiply(r->d[1], p->a, p->b, MM_CHUNK);
    k->distance(r->d[2], p->a, p->b, MM_CHUNK);
    for (int i = 0; i < 5; i++) {
        static const double gammas[] = {0.0, 1.0, 2.0, 0.75, 3.5};

        memcpy(r->d[3 + i], p->x, sizeof r->d[0]);
        k->power(r->d[3 + i], p->a, gammas[i], MM_CHUNK);
    }
    k->complement(r->d[8], p->a, MM_CHUNK);
    k->neglog(r->d[9], p->a, 1e-7, MM_CHUNK);
    k->neglog(r->d[10], p->a, DBL_MIN, MM_CHUNK);
    memcpy(r->d[11], p->a, sizeof r->d[0]);
    k->clip(r->d[11], 1e-5, MM_CHUNK);
    memcpy(r->d[12], p->x, sizeof r->d[0]);
    k->divide(r->d[12], p->a, MM_CHUNK);
    memcpy(r->d[13], p->x, sizeof r->d[0]);
    k->select(r->d[13], p->scored, MM_CHUNK);
    memcpy(r->d[14], p->x, sizeof r->d[0]);
    k->add(r->d[14], p->a, MM_CHUNK);
    memcpy(r->d[15], p->x, sizeof r->d[0]);
    k->pick(r->d[15], p->a, p->label, 3.0f, MM_CHUNK);
    k->equals(r->d[16], p->label, 3.0f, MM_CHUNK);
    memcpy(r->d[17], p->a, sizeof r->d[0]);
    k->scale_bytes(r->d[17], MM_CHUNK);
    r->flags[0] = k->in_range(p->a, MM_CHUNK);
    r->flags[1] = k->in_range(p->x, MM_CHUNK);
    r->flags[2] = k->is_binary(p->b, MM_CHUNK);
    r->flags[3] = k->is_binary(p->a, MM_CHUNK);
    r->flags[4] = k->finite(p->x, MM_CHUNK);
}

static void run_logits(const mm_kernels *k, const planes *p, results *r)
{
    double *max = r->d[18], *arg = r->d[19], *rest = r->d[20];

    memcpy(max, p->a, sizeof r->d[0]);
    k->track_max(p->x, 1.0, max, arg, MM_CHUNK);
    memcpy(r->d[21], p->x, sizeof r->d[0]);
    k->logit_exp(r->d[21], max, MM_CHUNK);
    k->logit_rest(r->d[21], 1.0, arg, rest, MM_CHUNK);
    k->softmax(r->d[22], r->d[23], r->d[21], 1.0, arg, rest, MM_CHUNK);
    k->log_softmax(r->d[24], p->x, max, rest, MM_CHUNK);
    k->sigmoid(r->d[25], r->d[26], r->d[27], r->d[28], p->x, MM_CHUNK);
}

static void run_sums(const mm_kernels *k, const planes *p, results *r)
{
    double lanes[CLASSES * MM_LANES];
    size_t off;

    r->sums[0] = k->sum(p->a, MM_CHUNK);
    r->sums[1] = k->sum(p->x, MM_CHUNK);
    k->overlap(p->rows, p->wide, 2.0, r->sums + 2, MM_CHUNK);
    k->class_sums(p->x, p->wide, CLASSES, lanes, r->sums + 5, MM_CHUNK);
    k->class_sums(p->x, p->wide, 4, lanes, r->sums + 5 + CLASSES, MM_CHUNK);
    k->count_masks(p->a, 0.5, p->b, p->scored, r->counts, MM_CHUNK);
    k->pairs(p->label, p->arg, CLASSES, r->pair, MM_CHUNK);
    r->flags[5] = k->scan(p->rows, MM_CHUNK, 4, p->label, r->f[0], r->f[2], &off, MM_CHUNK);
    r->flags[6] = (int)off;
    r->flags[10] = (int)k->off_one(p->rows, p->label, 1e-3f, MM_CHUNK);
    k->count_few_pairs(p->few_label, p->few_pred, FEW, r->few, MM_CHUNK);
    memcpy(r->f[3], p->rows, sizeof r->f[0]);
    k->blank(r->f[3], p->label, MM_CHUNK);
    k->widen(r->d[29], p->rows, MM_CHUNK);
    k->narrow(r->f[4], p->x, MM_CHUNK);
    memcpy(r->f[5], p->label, sizeof r->f[0]);
    k->keep_masked(r->f[5], p->bytes, MM_CHUNK - 5);
    r->flags[7] = (int)k->scored_of(r->d[30], p->label, MM_CHUNK);
    r->flags[8] = k->onehot(p->b, 2.0f, r->f[5], r->d[31], MM_CHUNK);
    r->flags[9] = k->onehot(p->a, 2.0f, r->f[5], r->d[31], MM_CHUNK);
}

static void run(const mm_kernels *k, const planes *p, results *r)
{
    memset(r, 0, sizeof *r);
    run_arithmetic(k, p, r);
    run_logits(k, p, r);
    run_sums(k, p, r);
}

static void levels_agree(void)
{
    planes *p = malloc(sizeof *p);
    results *a = malloc(sizeof *a), *b = malloc(sizeof *b);

    CU_ASSERT_FATAL(p != NULL && a != NULL && b != NULL);
    for (long seed = 0; seed < 40; seed++) {
        fill(p, seed);
        run(&mm_kernels_scalar, p, a);
        run(mm_kernels_chosen(), p, b);
        CU_ASSERT_EQUAL(memcmp(a, b, sizeof *a), 0);
    }
    free(p);
    free(a);
    free(b);
}

/* Loads of every type, at odd addresses, strides and lengths: the same bits at every level. */
static void loads_agree(void)
{
    planes *p = malloc(sizeof *p);
    double a[MM_CHUNK], b[MM_CHUNK];
    float fa[MM_CHUNK], fb[MM_CHUNK];

    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    fill(p, 7);
    for (unsigned dtype = 0; dtype < MM_DTYPE_COUNT; dtype++)
        for (size_t stride = 1; stride <= 3; stride++)
            for (size_t n = 1; n <= MM_CHUNK; n += 341) {
                const mm_kernels *k = mm_kernels_chosen();
                const size_t length = mm_plane_length(n);

                mm_kernels_scalar.load_f64(a, p->bytes + 1, (mm_dtype)dtype, stride, n);
                k->load_f64(b, p->bytes + 1, (mm_dtype)dtype, stride, n);
                CU_ASSERT_EQUAL(memcmp(a, b, length * sizeof *a), 0);
                CU_ASSERT(n == length || b[n] == 0.0);
                if (dtype >= MM_F16 && dtype <= MM_F32) {
                    mm_kernels_scalar.load_f32(fa, p->bytes + 1, (mm_dtype)dtype, stride, n);
                    k->load_f32(fb, p->bytes + 1, (mm_dtype)dtype, stride, n);
                    CU_ASSERT_EQUAL(memcmp(fa, fb, length * sizeof *fa), 0);
                } else if (dtype != MM_F64) {
                    const int bad = k->load_index(fb, p->bytes + 1, (mm_dtype)dtype, stride, n, 100, 1, 255);

                    CU_ASSERT_EQUAL(
                        mm_kernels_scalar.load_index(fa, p->bytes + 1, (mm_dtype)dtype, stride, n, 100, 1, 255), bad);
                    CU_ASSERT_EQUAL(memcmp(fa, fb, length * sizeof *fa), 0);
                }
            }
    free(p);
}

/* All 65,536 halves and bfloats against their definition: sign, exponent, fraction. */
static void halves(void)
{
    for (unsigned half = 0; half < 65536; half++) {
        const uint16_t bits = (uint16_t)half;
        const int exponent = (int)(half >> 10) & 31, fraction = (int)half & 1023;
        const int wide_exponent = (int)(half >> 7) & 255, wide_fraction = (int)half & 127;
        const double sign = half & 0x8000u ? -1.0 : 1.0;
        const double right = exponent == 31  ? (fraction == 0 ? sign * INFINITY : NAN)
                             : exponent == 0 ? sign * ldexp(fraction, -24)
                                             : sign * ldexp(1024 + fraction, exponent - 25);
        const double wide = wide_exponent == 255 ? (wide_fraction == 0 ? sign * INFINITY : NAN)
                            : wide_exponent == 0 ? sign * ldexp(wide_fraction, -133)
                                                 : sign * ldexp(128 + wide_fraction, wide_exponent - 134);
        double value[MM_CHUNK];

        mm_kernels_scalar.load_f64(value, (const unsigned char *)&bits, MM_F16, 1, 1);
        CU_ASSERT(value[0] == right || (isnan(value[0]) && isnan(right)));
        mm_kernels_scalar.load_f64(value, (const unsigned char *)&bits, MM_BF16, 1, 1);
        CU_ASSERT(value[0] == wide || (isnan(value[0]) && isnan(wide)));
    }
}

/* The order that sums.h promises, written down a second time. */
static double lane_sum(const double *terms)
{
    double lane[16] = {0};

    for (int i = 0; i < 1024; i++)
        lane[i % 16] += terms[i];
    for (int i = 0; i < 8; i++)
        lane[i] += lane[8 + i];
    for (int i = 0; i < 4; i++)
        lane[i] += lane[4 + i];
    return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

static void order_of_sums(void)
{
    planes *p = malloc(sizeof *p);
    const mm_kernels *k = mm_kernels_chosen();
    double terms[MM_CHUNK], sums[CLASSES], lanes[CLASSES * MM_LANES], overlap[3];

    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    fill(p, 11);
    CU_ASSERT_EQUAL(k->sum(p->x, MM_CHUNK), lane_sum(p->x));
    k->class_sums(p->x, p->wide, CLASSES, lanes, sums, MM_CHUNK);
    for (int c = 0; c < CLASSES; c++) {
        for (size_t i = 0; i < MM_CHUNK; i++)
            terms[i] = p->label[i] == (float)c ? p->x[i] : 0.0;
        CU_ASSERT_EQUAL(sums[c], lane_sum(terms));
    }
    k->overlap(p->rows, p->wide, 5.0, overlap, MM_CHUNK);
    for (size_t i = 0; i < MM_CHUNK; i++)
        terms[i] = p->label[i] == 5.0f ? (double)p->rows[i] : 0.0;
    CU_ASSERT_EQUAL(overlap[2], lane_sum(terms));
    free(p);
}

/* Pairs of few classes, in planes of any length, against one by one. */
static void few_pairs(void)
{
    planes *p = malloc(sizeof *p);

    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    fill(p, 13);
    for (size_t n = MM_LANES; n <= MM_CHUNK; n += 7 * MM_LANES) {
        uint32_t table[FEW * FEW] = {0}, right[FEW * FEW] = {0};

        mm_kernels_chosen()->count_few_pairs(p->few_label, p->few_pred, FEW, table, n);
        for (size_t i = 0; i < n; i++)
            if (p->few_label[i] >= 0.0f)
                right[(int)p->few_label[i] * FEW + (int)p->few_pred[i]]++;
        CU_ASSERT_EQUAL(memcmp(table, right, sizeof table), 0);
    }
    free(p);
}

/* Softmax and sigmoid against long double, also where p is all but 0 or 1. */
static void activations(void)
{
    const mm_kernels *k = mm_kernels_chosen();
    double x[MM_CHUNK], p[MM_CHUNK], q[MM_CHUNK], lp[MM_CHUNK], lq[MM_CHUNK], worst = 0.0;

    for (size_t i = 0; i < MM_CHUNK; i++)
        x[i] = ((double)i - 512.0) * 0.1;
    k->sigmoid(p, q, lp, lq, x, MM_CHUNK);
    for (size_t i = 0; i < MM_CHUNK; i++) {
        const long double right = 1.0L / (1.0L + expl(-(long double)x[i]));
        const long double other = 1.0L / (1.0L + expl((long double)x[i]));

        worst = fmax(worst, (double)fabsl(p[i] / right - 1.0L));
        worst = fmax(worst, (double)fabsl(q[i] / other - 1.0L));
        worst = fmax(worst, (double)fabsl(lp[i] / log1pl(expl(-(long double)x[i])) - 1.0L));
        worst = fmax(worst, (double)fabsl(lq[i] / log1pl(expl((long double)x[i])) - 1.0L));
    }
    CU_ASSERT(worst < 1e-14);
}

/* --------------------------------------------------- values, one by one */

/* A number that each type can hold, or not: its sign apart, so that all of I64 and U64 fit. */
typedef struct whole {
    int negative;
    uint64_t size;
} whole;

static const whole wholes[] = {
    {0, 0},          {0, 1},          {0, 98},         {0, 99},        {0, 100},        {0, 101},
    {0, 126},        {0, 127},        {0, 128},        {0, 254},       {0, 255},        {0, 256},
    {0, 257},        {0, 32767},      {0, 32768},      {0, 65535},     {0, 65536},      {0, INT32_MAX},
    {0, 1ull << 31}, {0, UINT32_MAX}, {0, 1ull << 32}, {0, INT64_MAX}, {0, 1ull << 63}, {0, UINT64_MAX},
    {1, 1},          {1, 100},        {1, 128},        {1, 32768},     {1, 1ull << 31}, {1, 1ull << 63},
};

/* 2^bits values, from 0 or from -2^(bits-1) on. */
static int holds(mm_dtype dtype, whole value)
{
    const int is_signed = dtype == MM_I8 || dtype == MM_I16 || dtype == MM_I32 || dtype == MM_I64;
    const unsigned bits = 8 * (unsigned)mm_dtype_size(dtype);
    const uint64_t half = 1ull << (bits - 1);

    if (dtype == MM_BOOL)
        return !value.negative && value.size <= 1;
    if (is_signed)
        return value.size < half || (value.negative && value.size == half);
    return !value.negative && value.size <= half - 1 + half;
}

/* Two's complement, the low bytes of the machine's order. */
static void write_whole(unsigned char *bytes, mm_dtype dtype, whole value)
{
    const uint64_t wide = value.negative ? 0 - value.size : value.size;

    for (size_t i = 0; i < mm_dtype_size(dtype); i++)
        bytes[i] = (unsigned char)(wide >> 8 * i);
}

/* One value among zeros, at `at` of n places `stride` apart, loaded in both ways. */
static void check_whole(mm_dtype dtype, whole value, size_t at, size_t n, size_t stride, unsigned classes,
                        int has_ignore, int64_t ignore)
{
    const mm_kernels *k = mm_kernels_chosen();
    const int ignored = has_ignore && (ignore < 0 ? value.negative && value.size == 0 - (uint64_t)ignore
                                                  : !value.negative && value.size == (uint64_t)ignore);
    const int inside = !value.negative && value.size < classes;
    const float zero = has_ignore && ignore == 0 ? -1.0f : 0.0f;
    unsigned char bytes[8 * 40 * 2 + 1] = {0};
    double plane[48];
    float label[48];

    for (size_t i = 0; i < n * stride; i++)
        write_whole(bytes + 1 + i * mm_dtype_size(dtype), dtype, wholes[i % stride]); /* between them: not read */
    write_whole(bytes + 1 + at * stride * mm_dtype_size(dtype), dtype, value);
    k->load_f64(plane, bytes + 1, dtype, stride, n);
    CU_ASSERT_EQUAL(plane[at], (double)value.size * (value.negative ? -1.0 : 1.0));
    CU_ASSERT(k->load_index(label, bytes + 1, dtype, stride, n, classes, has_ignore, ignore) == !(inside || ignored));
    CU_ASSERT_EQUAL(label[at], inside && !ignored ? (float)value.size : -1.0f);
    for (size_t i = 0; i < mm_plane_length(n); i++) {
        CU_ASSERT(i == at || plane[i] == 0.0);
        CU_ASSERT(i == at || label[i] == (i < n ? zero : -1.0f));
    }
}

/* Each whole number of each type that holds it, first, last and between, as a number and as a class. */
static void wholes_of_every_type(void)
{
    static const mm_dtype dtypes[] = {MM_U8, MM_I8, MM_U16, MM_I16, MM_U32, MM_I32, MM_U64, MM_I64};
    static const int64_t ignores[] = {0, 99, 255, 300, -1, -100, (int64_t)1 << 32, INT64_MIN};

    for (size_t d = 0; d < sizeof dtypes / sizeof dtypes[0]; d++)
        for (size_t i = 0; i < sizeof wholes / sizeof wholes[0]; i++) {
            if (!holds(dtypes[d], wholes[i]))
                continue;
            for (size_t at = 0; at < 37; at += 12)
                for (size_t stride = 1; stride <= 2; stride++) {
                    check_whole(dtypes[d], wholes[i], at, 37, stride, 100, 0, 0);
                    check_whole(dtypes[d], wholes[i], at, 37, stride, 256, 0, 255);
                    check_whole(dtypes[d], wholes[i], at, 37, stride, 1000, 1, ignores[(at / 12 + i) % 8]);
                    check_whole(dtypes[d], wholes[i], at, 37, stride, 100, 1, ignores[(at / 12 + d + i) % 8]);
                }
        }
}

/* Planes that are right but for one value, wherever that stands. */
static void one_wrong_value(void)
{
    static const double outside[] = {-DBL_MIN, 1.0 + DBL_EPSILON, -1.0, 2.0, INFINITY, -INFINITY, NAN};
    static const double between[] = {DBL_MIN, 0.5, 1.0 - DBL_EPSILON, 2.0, -1.0, NAN};
    static const double endless[] = {INFINITY, -INFINITY, NAN, -NAN};
    const mm_kernels *k = mm_kernels_chosen();
    double plane[48];

    for (size_t i = 0; i < 48; i++)
        plane[i] = i % 3 == 0 ? -0.0 : i % 3 == 1 ? 0.0 : 1.0;
    CU_ASSERT(k->in_range(plane, 48) && k->is_binary(plane, 48));
    for (size_t at = 0; at < 48; at++) {
        const double right = plane[at];

        for (size_t i = 0; i < 7; i++) {
            plane[at] = outside[i];
            CU_ASSERT(!k->in_range(plane, 48));
        }
        for (size_t i = 0; i < 6; i++) {
            plane[at] = between[i];
            CU_ASSERT(!k->is_binary(plane, 48));
            CU_ASSERT(k->in_range(plane, 48) == (i < 3));
        }
        for (size_t i = 0; i < 4; i++) {
            plane[at] = endless[i];
            CU_ASSERT(!k->finite(plane, 48));
        }
        plane[at] = at % 2 ? DBL_MAX : -DBL_MAX;
        CU_ASSERT(k->finite(plane, 48));
        plane[at] = right;
    }
}

/* The same of bytes, which are counted meanwhile: 1 of the label from a third of the way on, of p up to two thirds. */
static void bytes_counted(void)
{
    unsigned char p[MM_CHUNK], g[MM_CHUNK];
    uint64_t counts[3];

    for (size_t n = 1; n <= MM_CHUNK; n += 31) {
        for (size_t i = 0; i < n; i++) {
            p[i] = i < n - n / 3;
            g[i] = i >= n / 3;
        }
        CU_ASSERT(mm_kernels_chosen()->count_bytes(p, g, counts, n) == 1);
        CU_ASSERT(counts[0] == n - n / 3 && counts[1] == n - n / 3 && counts[2] == n - 2 * (n / 3));
        for (size_t i = 0; i < n; i += 13) {
            const unsigned char was = p[i];

            p[i] = (unsigned char)(2u << i % 7);
            CU_ASSERT(!mm_kernels_chosen()->count_bytes(p, g, counts, n));
            CU_ASSERT(!mm_kernels_chosen()->count_bytes(g, p, counts, n));
            p[i] = was;
        }
    }
}

/* --------------------------------------------------------------- float rows */

enum { ROWS = 3 };

/* Rows of exact sixteenths, which add up to 1 in any order. */
static void fill_rows(float rows[ROWS][MM_CHUNK], float *label)
{
    srand48(17);
    for (size_t i = 0; i < MM_CHUNK; i++) {
        const int a = (int)(drand48() * 17.0), b = (int)(drand48() * (double)(17 - a));

        rows[0][i] = (float)a / 16.0f;
        rows[1][i] = (float)b / 16.0f;
        rows[2][i] = (float)(16 - a - b) / 16.0f;
        label[i] = (float)((int)(drand48() * 4.0) - 1);
    }
}

/* Class, value at the label, and the count of sums that are off, voxel by voxel. */
static void rows_scanned(void)
{
    static float rows[ROWS][MM_CHUNK], label[MM_CHUNK], arg[MM_CHUNK], at[MM_CHUNK];
    const mm_kernels *k = mm_kernels_chosen();
    static const float nothing[MM_LANES + MM_CHUNK];
    float zero[2 * MM_LANES];
    size_t off, right = 0;

    fill_rows(rows, label);
    for (size_t i = 0; i < MM_CHUNK; i += 5) {
        rows[i % ROWS][i] = i % 2 ? 1.0f : 0.0f;
        right += label[i] >= 0.0f && rows[0][i] + rows[1][i] + rows[2][i] != 1.0f;
    }
    CU_ASSERT_EQUAL(k->scan(rows[0], MM_CHUNK, ROWS, label, arg, at, &off, MM_CHUNK), 0);
    CU_ASSERT_EQUAL(off, right);
    CU_ASSERT_EQUAL(k->scan(nothing, MM_LANES, 1, label, zero, zero + MM_LANES, &off, MM_LANES), 0);
    for (size_t i = 0; i < MM_CHUNK; i++) {
        const int first = rows[0][i] >= rows[1][i] && rows[0][i] >= rows[2][i] ? 0 : rows[1][i] >= rows[2][i] ? 1 : 2;

        CU_ASSERT_EQUAL(arg[i], (float)first);
        CU_ASSERT_EQUAL(at[i], label[i] < 0.0f ? 0.0f : rows[(int)label[i]][i]);
    }
}

/* Each wrong value in each row and lane shows. */
static void wrong_rows(void)
{
    static const float wrong[] = {-FLT_MIN, -1.0f, 1.0f + FLT_EPSILON, INFINITY, -INFINITY, NAN};
    static float rows[ROWS][MM_CHUNK], label[MM_CHUNK], arg[MM_CHUNK], at[MM_CHUNK];
    size_t off;

    fill_rows(rows, label);
    for (size_t c = 0; c < ROWS; c++)
        for (size_t i = 0; i < MM_CHUNK; i += 37)
            for (size_t w = 0; w < 6; w++) {
                const float was = rows[c][i];

                rows[c][i] = wrong[w];
                CU_ASSERT(mm_kernels_chosen()->scan(rows[0], MM_CHUNK, ROWS, label, arg, at, &off, MM_CHUNK));
                rows[c][i] = was;
            }
}

/* What lies on a limit is on its quiet side: thresholds, tolerances, halves. */
static void limits(void)
{
    const mm_kernels *k = mm_kernels_chosen();
    static const double p[16] = {0.25, 0.5, 0.75, 0.5, 0.75, 0.75, 0.75}, g[16] = {1.0, 1.0, 0.5, 0.75, 0.75, 1.0, 0.0};
    static const double scored[16] = {1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0};
    static const float total[16] = {1.25f, 0.75f, 1.3125f, 0.6875f, 1.3125f, 0.6875f, 1.0f};
    static const float label[16] = {0.0f, 3.0f, 0.0f, 1.0f, -1.0f, -1.0f, 0.0f};
    uint64_t counts[3];
    double x[16] = {0.0, 0.125, 0.25, 0.5, 0.75, 0.875, 1.0, 3.0}, by[16] = {2.0, 0.0, -0.25, 1.0};

    k->count_masks(p, 0.5, g, scored, counts, 16);
    CU_ASSERT(counts[0] == 4 - 0 && counts[1] == 3 && counts[2] == 1);
    CU_ASSERT_EQUAL(k->off_one(total, label, 0.25f, 7), 2);
    k->divide(x + 0, by, 4);
    CU_ASSERT(x[0] == 0.0 && x[1] == 0.0 && x[2] == -1.0 && x[3] == 0.5);
    x[2] = 0.25;
    x[1] = 0.125;
    k->clip(x, 0.25, 8);
    CU_ASSERT(x[0] == 0.25 && x[1] == 0.25 && x[2] == 0.25 && x[3] == 0.5);
    CU_ASSERT(x[4] == 0.75 && x[5] == 0.75 && x[6] == 0.75 && x[7] == 0.75);
    k->neglog(x, (double[]){0.0, 0.25, 0.5, 1.0}, 0.25, 4);
    CU_ASSERT_DOUBLE_EQUAL(x[0], log(4.0), 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(x[1], log(4.0), 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(x[2], log(2.0), 1e-15);
    CU_ASSERT_EQUAL(x[3], 0.0);
    x[0] = x[2] = 51.0;
    x[1] = x[3] = 255.0;
    k->scale_bytes(x, 4);
    CU_ASSERT(x[0] == 0.2 && x[1] == 1.0 && x[2] == 0.2 && x[3] == 1.0);
}

/* A label with a class axis: c where g is 1, and how many classes say so. */
static void labels_of_masks(void)
{
    const mm_kernels *k = mm_kernels_chosen();
    float label[4] = {-1.0f, -1.0f, -1.0f, 5.0f};
    double ones[4] = {0.0, 0.0, 1.0, 2.0}, scored[4], same[4];

    CU_ASSERT_EQUAL(k->onehot((double[]){0.0, 1.0, 1.0, 0.0}, 2.0f, label, ones, 4), 0);
    CU_ASSERT(label[0] == -1.0f && label[1] == 2.0f && label[2] == 2.0f && label[3] == 5.0f);
    CU_ASSERT(ones[0] == 0.0 && ones[1] == 1.0 && ones[2] == 2.0 && ones[3] == 2.0);
    for (size_t at = 0; at < 4; at++) {
        double g[4] = {0.0, 1.0, 0.0, 1.0};

        g[at] = 0.5;
        CU_ASSERT_EQUAL(k->onehot(g, 2.0f, (float[4]){0.0f}, (double[4]){0.0}, 4), 1);
    }
    k->keep_masked(label, (const unsigned char[]){1, 0, 255, 128}, 4);
    CU_ASSERT(label[0] == -1.0f && label[1] == -1.0f && label[2] == 2.0f && label[3] == 5.0f);
    label[0] = 0.0f;
    CU_ASSERT_EQUAL(k->scored_of(scored, label, 4), 3);
    CU_ASSERT(scored[0] == 1.0 && scored[1] == 0.0 && scored[2] == 1.0 && scored[3] == 1.0);
    k->equals(same, label, 5.0f, 4);
    CU_ASSERT(same[0] == 0.0 && same[1] == 0.0 && same[2] == 0.0 && same[3] == 1.0);
}

/* Softmax of three classes against long double: p, 1 - p and -log p, also where they are all but 0. */
static void softmax_of_rows(void)
{
    static double x[ROWS][MM_CHUNK], e[ROWS][MM_CHUNK];
    double max[MM_CHUNK], arg[MM_CHUNK] = {0}, rest[MM_CHUNK] = {0}, p[MM_CHUNK], q[MM_CHUNK], lp[MM_CHUNK];
    const mm_kernels *k = mm_kernels_chosen();
    double worst = 0.0;

    srand48(19);
    for (size_t i = 0; i < MM_CHUNK; i++)
        for (size_t c = 0; c < ROWS; c++)
            x[c][i] = i % 16 == c ? 3.0 : (drand48() - 0.5) * 80.0;
    memcpy(max, x[0], sizeof max);
    for (size_t c = 1; c < ROWS; c++)
        k->track_max(x[c], (double)c, max, arg, MM_CHUNK);
    for (size_t c = 0; c < ROWS; c++) {
        memcpy(e[c], x[c], sizeof e[c]);
        k->logit_exp(e[c], max, MM_CHUNK);
        k->logit_rest(e[c], (double)c, arg, rest, MM_CHUNK);
    }
    for (size_t c = 0; c < ROWS; c++) {
        k->softmax(p, q, e[c], (double)c, arg, rest, MM_CHUNK);
        k->log_softmax(lp, x[c], max, rest, MM_CHUNK);
        for (size_t i = 0; i < MM_CHUNK; i++) {
            const long double a = expl(x[(c + 1) % ROWS][i] - x[c][i]), b = expl(x[(c + 2) % ROWS][i] - x[c][i]);

            worst = fmax(worst, (double)fabsl(p[i] * (1.0L + a + b) - 1.0L));
            worst = fmax(worst, (double)fabsl(q[i] / ((a + b) / (1.0L + a + b)) - 1.0L));
            worst = fmax(worst, (double)fabsl(lp[i] / log1pl(a + b) - 1.0L));
        }
    }
    CU_ASSERT(worst < 1e-13);
}

static CU_TestInfo tests[] = {
    {"levels agree bit for bit", levels_agree},
    {"loads agree bit for bit", loads_agree},
    {"halves and bfloats, all of them", halves},
    {"the order of sums", order_of_sums},
    {"pairs of few classes", few_pairs},
    {"activations against long double", activations},
    {"whole numbers of every type", wholes_of_every_type},
    {"one wrong value in a plane", one_wrong_value},
    {"bytes counted", bytes_counted},
    {"float rows against voxels", rows_scanned},
    {"one wrong value in float rows", wrong_rows},
    {"what lies on a limit", limits},
    {"labels of masks", labels_of_masks},
    {"softmax against long double", softmax_of_rows},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_kernels = {"kernels", tests};
