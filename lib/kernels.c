/*
 * kernels.c - the inner loops, plain C, compiled once per CPU level (MM_LEVEL); kernels.h says what each does.
 *
 * Everything but the table is static, so that no copy built for a newer CPU can become everyone's copy at link time.
 * Loops have a fixed length or plain strides, so that the compiler makes vector code of them.
 */
#include "lib/kernels.h"

#include <string.h>

#include "lib/elementary.h"
#include "lib/kernels_distance.h"
#include "lib/kernels_surface.h"

/* Lanes 8+i onto i, then 4+i, 2+i, 1+i. */
static double fold(double lanes[MM_LANES])
{
    for (size_t half = MM_LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++)
            lanes[l] += lanes[l + half];
    return lanes[0];
}

/* ------------------------------------------------- float planes: the fast way */

/* A bad value shows in one of three ways: a sign, a maximum above 1, or a sum that is not a number. */
static int scan(const float *rows, size_t stride, size_t classes, const float *label, float *arg, float *at_label,
                size_t *off_one, size_t n)
{
    int32_t sign[MM_LANES] = {0}, wrong[MM_LANES] = {0}, off[MM_LANES] = {0}, any = 0;
    size_t count = 0;

    for (size_t i = 0; i < n; i += MM_LANES) {
        float best[MM_LANES], which[MM_LANES] = {0}, all[MM_LANES] = {0}, at[MM_LANES] = {0};

        for (size_t l = 0; l < MM_LANES; l++)
            best[l] = -1.0f;
        for (size_t c = 0; c < classes; c++) {
            const float *row = rows + c * stride + i;
            const float index = (float)c;

            __builtin_prefetch(row + MM_CHUNK);
            for (size_t l = 0; l < MM_LANES; l++) {
                const float v = row[l];
                int32_t bits;

                memcpy(&bits, &v, sizeof bits);
                sign[l] |= bits;
                which[l] = v > best[l] ? index : which[l];
                best[l] = v > best[l] ? v : best[l];
                all[l] += v;
                at[l] = label[i + l] == index ? v : at[l];
            }
        }
        for (size_t l = 0; l < MM_LANES; l++) {
            const float from_one = all[l] - 1.0f;

            wrong[l] |= (int32_t)(!(best[l] <= 1.0f)) | (int32_t)(!(all[l] >= 0.0f));
            off[l] += (label[i + l] >= 0.0f) & ((from_one > MM_SUM_TOLERANCE) | (from_one < -MM_SUM_TOLERANCE));
        }
        memcpy(arg + i, which, sizeof which);
        memcpy(at_label + i, at, sizeof at);
    }
    for (size_t l = 0; l < MM_LANES; l++) {
        any |= wrong[l] | (sign[l] < 0);
        count += (size_t)off[l];
    }
    *off_one = count;
    return any != 0;
}

/* The prefetch reaches into the same row of the next chunk: rows lie far apart, and hardware prefetchers stop at the
 * end of a page, which is where a row of floats ends. */
static void overlap(const float *p, const double *label, double c, double sums[3], size_t n)
{
    double sp[MM_LANES] = {0}, spp[MM_LANES] = {0}, spg[MM_LANES] = {0};

    for (size_t i = 0; i < n; i += MM_LANES) {
        __builtin_prefetch(p + i + MM_CHUNK);
        for (size_t l = 0; l < MM_LANES; l++) {
            const double v = (double)p[i + l];

            sp[l] += v;
            spp[l] += v * v;
            spg[l] += label[i + l] == c ? v : 0.0;
        }
    }
    sums[0] = fold(sp);
    sums[1] = fold(spp);
    sums[2] = fold(spg);
}

static void blank(float *p, const float *label, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = label[i] >= 0.0f ? p[i] : 0.0f;
}

static void widen(double *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (double)in[i];
}

static void narrow(float *out, const double *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)in[i];
}

static void pairs(const float *label, const float *pred, unsigned classes, unsigned *out, size_t n)
{
    const int width = (int)classes, none = width * width;

    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned)(label[i] < 0.0f ? none : (int)label[i] * width + (int)pred[i]);
}

#define COUNT_BLOCK 128 /* byte counters cannot overflow in it */

static void count_few_pairs(const float *label, const float *pred, unsigned classes, uint32_t *table, size_t n)
{
    const int width = (int)classes, none = width * width;
    unsigned char pair[MM_CHUNK];
    const size_t padded = (n + COUNT_BLOCK - 1) / COUNT_BLOCK * COUNT_BLOCK;

    for (size_t i = 0; i < n; i++)
        pair[i] = (unsigned char)(label[i] < 0.0f ? none : (int)label[i] * width + (int)pred[i]);
    memset(pair + n, none, padded - n);
    for (int cell = 0; cell < none; cell++)
        for (size_t i = 0; i < padded; i += COUNT_BLOCK) {
            unsigned char count = 0;

            for (size_t l = 0; l < COUNT_BLOCK; l++)
                count = (unsigned char)(count + (pair[i + l] == (unsigned char)cell));
            table[cell] += count;
        }
}

/* ----------------------------------------------------------------- loading */

/* IEEE half to float: shift into place and rescale the exponent by 2^112; all ones stay infinity or NaN. */
static float half_to_float(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t rest = (uint32_t)(half & 0x7fffu) << 13;
    float value;
    uint32_t bits;

    memcpy(&value, &rest, sizeof value);
    value *= 0x1p112f;
    memcpy(&bits, &value, sizeof bits);
    bits |= rest >= 0x0f800000u ? 0x7f800000u : 0u;
    bits |= sign;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float bfloat_to_float(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* One loop per type, with the contiguous case apart so that it becomes vector code. */
#define LOAD_LOOP(type, convert)                                                                                       \
    do {                                                                                                               \
        type value;                                                                                                    \
        if (stride == 1)                                                                                               \
            for (size_t i = 0; i < n; i++) {                                                                           \
                memcpy(&value, in + i * sizeof value, sizeof value);                                                   \
                out[i] = convert(value);                                                                               \
            }                                                                                                          \
        else                                                                                                           \
            for (size_t i = 0; i < n; i++) {                                                                           \
                memcpy(&value, in + i * stride * sizeof value, sizeof value);                                          \
                out[i] = convert(value);                                                                               \
            }                                                                                                          \
    } while (0)

static void load_f32(float *out, const unsigned char *in, mm_dtype dtype, size_t stride, size_t n)
{
    switch (dtype) {
    case MM_F32:
        LOAD_LOOP(float, (float));
        break;
    case MM_F16:
        LOAD_LOOP(uint16_t, half_to_float);
        break;
    case MM_BF16:
        LOAD_LOOP(uint16_t, bfloat_to_float);
        break;
    default:
        LOAD_LOOP(unsigned char, (float));
        break; /* BOOL, U8 */
    }
    for (size_t i = n; i < mm_plane_length(n); i++)
        out[i] = 0;
}

static void load_f64(double *out, const unsigned char *in, mm_dtype dtype, size_t stride, size_t n)
{
    switch (dtype) {
    case MM_BOOL:
    case MM_U8:
        LOAD_LOOP(uint8_t, (double));
        break;
    case MM_I8:
        LOAD_LOOP(int8_t, (double));
        break;
    case MM_U16:
        LOAD_LOOP(uint16_t, (double));
        break;
    case MM_I16:
        LOAD_LOOP(int16_t, (double));
        break;
    case MM_U32:
        LOAD_LOOP(uint32_t, (double));
        break;
    case MM_I32:
        LOAD_LOOP(int32_t, (double));
        break;
    case MM_U64:
        LOAD_LOOP(uint64_t, (double));
        break;
    case MM_I64:
        LOAD_LOOP(int64_t, (double));
        break;
    case MM_F16:
        LOAD_LOOP(uint16_t, (double)half_to_float);
        break;
    case MM_BF16:
        LOAD_LOOP(uint16_t, (double)bfloat_to_float);
        break;
    case MM_F32:
        LOAD_LOOP(float, (double));
        break;
    case MM_F64:
        LOAD_LOOP(double, (double));
        break;
    }
    for (size_t i = n; i < mm_plane_length(n); i++)
        out[i] = 0;
}

/* All bytes are classes: the common case of an index map. */
static int all_classes(const unsigned char *in, size_t n, unsigned classes)
{
    const unsigned most = classes < 256 ? classes - 1 : 255;
    unsigned char wrong = 0;

    for (size_t i = 0; i < n; i++)
        wrong |= in[i] > (unsigned char)most;
    return !wrong;
}

/* A label of `type`, compared in `wide`, which holds all its values; `none` when nothing of the type is ignored. */
#define INDEX_LOOP(type, wide)                                                                                         \
    do {                                                                                                               \
        const wide most = (wide)classes, skip = (wide)ignore;                                                          \
        const int skips = has_ignore && (int64_t)skip == ignore;                                                       \
        wide wrong = 0;                                                                                                \
        for (size_t i = 0; i < n; i++) {                                                                               \
            type value;                                                                                                \
            memcpy(&value, in + i * stride * sizeof value, sizeof value);                                              \
            const wide v = (wide)value;                                                                                \
            const wide ignored = (wide)(skips & (v == skip));                                                          \
            const wide inside = (wide)((v >= 0) & (v < most));                                                         \
            label[i] = (inside & !ignored) ? (float)v : -1.0f;                                                         \
            wrong |= !(inside | ignored);                                                                              \
        }                                                                                                              \
        return wrong != 0;                                                                                             \
    } while (0)

static int load_index(float *label, const unsigned char *in, mm_dtype dtype, size_t stride, size_t n, unsigned classes,
                      int has_ignore, int64_t ignore)
{
    for (size_t i = n; i < mm_plane_length(n); i++)
        label[i] = -1.0f;
    if (dtype == MM_U8 && stride == 1 && !has_ignore && all_classes(in, n, classes)) {
        for (size_t i = 0; i < n; i++)
            label[i] = (float)in[i];
        return 0;
    }
    switch (dtype) {
    case MM_I8:
        INDEX_LOOP(int8_t, int32_t);
    case MM_U16:
        INDEX_LOOP(uint16_t, int32_t);
    case MM_I16:
        INDEX_LOOP(int16_t, int32_t);
    case MM_I32:
        INDEX_LOOP(int32_t, int32_t);
    case MM_U32:
        INDEX_LOOP(uint32_t, int64_t);
    case MM_I64:
        INDEX_LOOP(int64_t, int64_t);
    case MM_U64: /* from 2^63 on it reads as negative: not a class either way, and what is negative is not ignored */
        has_ignore = has_ignore && ignore >= 0;
        INDEX_LOOP(int64_t, int64_t);
    default:
        INDEX_LOOP(uint8_t, int32_t);
    }
}

/* -------------------------------------------------------------------- sums */

static double sum(const double *terms, size_t n)
{
    double lanes[MM_LANES] = {0};

    for (size_t i = 0; i < n; i += MM_LANES)
        for (size_t l = 0; l < MM_LANES; l++)
            lanes[l] += terms[i + l];
    return fold(lanes);
}

#define FEW_CLASSES 16 /* up to here one vector pass per class beats one scalar pass over all */

static double sum_of_class(const double *terms, const double *label, double c, size_t n)
{
    double lanes[MM_LANES] = {0};

    for (size_t i = 0; i < n; i += MM_LANES)
        for (size_t l = 0; l < MM_LANES; l++) {
            const double v = terms[i + l];

            lanes[l] += label[i + l] == c ? v : 0.0;
        }
    return fold(lanes);
}

static void class_sums(const double *terms, const double *label, size_t classes, double *lanes, double *out, size_t n)
{
    if (classes <= FEW_CLASSES) {
        for (size_t c = 0; c < classes; c++)
            out[c] = sum_of_class(terms, label, (double)c, n);
        return;
    }
    memset(lanes, 0, classes * MM_LANES * sizeof *lanes);
    for (size_t i = 0; i < n; i++)
        if (label[i] >= 0.0)
            lanes[(size_t)label[i] * MM_LANES + i % MM_LANES] += terms[i];
    for (size_t c = 0; c < classes; c++)
        out[c] = fold(lanes + c * MM_LANES);
}

/* ------------------------------------------------------------------- labels */

static size_t off_one(const float *total, const float *label, float tolerance, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        const float off = total[i] - 1.0f;

        count += (label[i] >= 0.0f) & ((off > tolerance) | (off < -tolerance));
    }
    return count;
}

static void keep_masked(float *label, const unsigned char *mask, size_t n)
{
    for (size_t i = 0; i < n; i++)
        label[i] = mask[i] != 0 ? label[i] : -1.0f;
}

static size_t scored_of(double *scored, const float *label, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        scored[i] = label[i] >= 0.0f ? 1.0 : 0.0;
        count += label[i] >= 0.0f;
    }
    return count;
}

static int onehot(const double *g, float c, float *label, double *ones, size_t n)
{
    int64_t soft = 0;

    for (size_t i = 0; i < n; i++) {
        label[i] = g[i] == 1.0 ? c : label[i];
        ones[i] += g[i] == 1.0 ? 1.0 : 0.0;
        soft |= (g[i] != 0.0) & (g[i] != 1.0);
    }
    return soft != 0;
}

static void equals(double *out, const float *label, float c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = label[i] == c ? 1.0 : 0.0;
}

/* In groups of 64 bytes whose counts fit into bytes. */
static int count_bytes(const unsigned char *p, const unsigned char *g, uint64_t counts[3], size_t n)
{
    unsigned char label[64] = {0}, pred[64] = {0}, both[64] = {0}, bits[64] = {0}, any = 0;
    size_t i = 0;

    _Static_assert(MM_CHUNK / 64 < 255, "a byte counts one place of each group of a chunk");
    for (; n - i >= 64; i += 64)
        for (size_t l = 0; l < 64; l++) {
            label[l] = (unsigned char)(label[l] + g[i + l]);
            pred[l] = (unsigned char)(pred[l] + p[i + l]);
            both[l] = (unsigned char)(both[l] + (p[i + l] & g[i + l]));
            bits[l] |= p[i + l] | g[i + l];
        }
    for (size_t l = 0; i < n; i++, l++) {
        label[l] = (unsigned char)(label[l] + g[i]);
        pred[l] = (unsigned char)(pred[l] + p[i]);
        both[l] = (unsigned char)(both[l] + (p[i] & g[i]));
        bits[l] |= p[i] | g[i];
    }
    counts[0] = counts[1] = counts[2] = 0;
    for (size_t l = 0; l < 64; l++) {
        counts[0] += label[l];
        counts[1] += pred[l];
        counts[2] += both[l];
        any |= bits[l];
    }
    return any <= 1;
}

static void count_masks(const double *p, double threshold, const double *g, const double *scored, uint64_t counts[3],
                        size_t n)
{
    uint64_t label = 0, pred = 0, both = 0;

    for (size_t i = 0; i < n; i++) {
        const uint64_t in = scored[i] != 0.0, a = in & (p[i] > threshold), b = in & (g[i] > 0.5);

        label += b;
        pred += a;
        both += a & b;
    }
    counts[0] = label;
    counts[1] = pred;
    counts[2] = both;
}

/* -------------------------------------------------------------------- terms */

static void term_square(double *out, const double *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] * a[i];
}

static void term_product(double *out, const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] * b[i];
}

static void term_distance(double *out, const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double d = a[i] - b[i];

        out[i] = d < 0.0 ? 0.0 - d : d;
    }
}

static void power_any(double *inout, const double *base, double gamma, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double x = base[i] > 0.0 ? base[i] : 1.0;
        const double power = mm_exp_of(gamma * mm_log_of(x));

        inout[i] = base[i] > 0.0 ? inout[i] * power : 0.0;
    }
}

static void term_power(double *inout, const double *base, double gamma, size_t n)
{
    if (gamma == 0.0)
        return;
    if (gamma == 1.0) {
        for (size_t i = 0; i < n; i++)
            inout[i] *= base[i];
    } else if (gamma == 2.0) {
        for (size_t i = 0; i < n; i++)
            inout[i] *= base[i] * base[i];
    } else {
        power_any(inout, base, gamma, n);
    }
}

static void complement(double *out, const double *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = 1.0 - a[i];
}

static void neglog(double *out, const double *a, double least, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = 0.0 - mm_log_of(a[i] > least ? a[i] : least);
}

static void clip(double *inout, double least, size_t n)
{
    const double most = 1.0 - least;

    for (size_t i = 0; i < n; i++) {
        const double low = inout[i] > least ? inout[i] : least;

        inout[i] = low < most ? low : most;
    }
}

static void divide(double *inout, const double *by, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double d = by[i] != 0.0 ? by[i] : 1.0;

        inout[i] = by[i] != 0.0 ? inout[i] / d : 0.0;
    }
}

static void select_scored(double *inout, const double *scored, size_t n)
{
    for (size_t i = 0; i < n; i++)
        inout[i] = scored[i] != 0.0 ? inout[i] : 0.0;
}

static int in_range(const double *p, size_t n)
{
    int64_t wrong = 0;

    for (size_t i = 0; i < n; i++)
        wrong |= (int64_t)(!(p[i] >= 0.0)) | (int64_t)(!(p[i] <= 1.0));
    return wrong == 0;
}

static int is_binary(const double *p, size_t n)
{
    int64_t wrong = 0;

    for (size_t i = 0; i < n; i++)
        wrong |= (p[i] != 0.0) & (p[i] != 1.0);
    return wrong == 0;
}

static void scale_bytes(double *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = p[i] / 255.0;
}

static void add(double *inout, const double *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        inout[i] += a[i];
}

static void pick(double *inout, const double *a, const float *label, float c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        inout[i] = label[i] == c ? a[i] : inout[i];
}

/* ------------------------------------------------------------------- logits */

static void track_max(const double *x, double c, double *max, double *arg, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        arg[i] = x[i] > max[i] ? c : arg[i];
        max[i] = x[i] > max[i] ? x[i] : max[i];
    }
}

static void logit_exp(double *inout, const double *max, size_t n)
{
    for (size_t i = 0; i < n; i++)
        inout[i] = mm_exp_of(inout[i] - max[i]);
}

static void logit_rest(const double *e, double c, const double *arg, double *rest, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rest[i] += arg[i] == c ? 0.0 : e[i];
}

/* p = e / S with S = 1 + rest; 1 - p without cancellation: rest / S for the maximum, (S - e) / S for others. */
static void softmax(double *p, double *complement_p, const double *e, double c, const double *arg, const double *rest,
                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double s = 1.0 + rest[i];

        p[i] = e[i] / s;
        complement_p[i] = (arg[i] == c ? rest[i] : s - e[i]) / s;
    }
}

static void log_softmax(double *out, const double *x, const double *max, const double *rest, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = mm_log1p_of(rest[i]) - (x[i] - max[i]);
}

/* With e = exp(-|x|): p = 1/(1+e) for x >= 0, e/(1+e) below; -log p = max(-x, 0) + log1p(e), and the mirror image. */
static void sigmoid(double *p, double *complement_p, double *neglog_p, double *neglog_complement, const double *x,
                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double size = x[i] < 0.0 ? 0.0 - x[i] : x[i];
        const double e = mm_exp_of(0.0 - size);
        const double big = 1.0 / (1.0 + e), small = e / (1.0 + e);
        const double tail = mm_log1p_of(e);

        p[i] = x[i] >= 0.0 ? big : small;
        complement_p[i] = x[i] >= 0.0 ? small : big;
        neglog_p[i] = (x[i] >= 0.0 ? 0.0 : size) + tail;
        neglog_complement[i] = (x[i] >= 0.0 ? size : 0.0) + tail;
    }
}

static int finite(const double *x, size_t n)
{
    uint64_t wrong = 0;

    for (size_t i = 0; i < n; i++)
        wrong |= (mm_bits_of(x[i]) & 0x7ff0000000000000u) == 0x7ff0000000000000u;
    return wrong == 0;
}

/* clang-format off */
const mm_kernels MM_THIS_LEVEL(mm_kernels) = {
    .level = MM_LEVEL_NAME,
    .load_f32 = load_f32, .load_f64 = load_f64, .load_index = load_index,
    .keep_masked = keep_masked, .scored_of = scored_of, .onehot = onehot, .equals = equals,
    .scan = scan, .overlap = overlap, .blank = blank, .widen = widen, .narrow = narrow, .pairs = pairs,
    .count_few_pairs = count_few_pairs,
    .off_one = off_one, .sum = sum, .class_sums = class_sums, .count_masks = count_masks, .count_bytes = count_bytes,
    .in_range = in_range, .is_binary = is_binary, .finite = finite,
    .scale_bytes = scale_bytes, .select = select_scored, .add = add, .pick = pick, .track_max = track_max,
    .square = term_square, .multiply = term_product, .distance = term_distance, .power = term_power,
    .complement = complement, .neglog = neglog, .clip = clip, .divide = divide,
    .logit_exp = logit_exp, .logit_rest = logit_rest, .softmax = softmax, .log_softmax = log_softmax,
    .sigmoid = sigmoid,
    .distances = &MM_THIS_LEVEL(mm_distance_kernels), .surfaces = &MM_THIS_LEVEL(mm_surface_kernels),
};
/* clang-format on */
