/*
 * kernels_surface.c - inner loops over maps, masks and surface elements, plain C, compiled once per CPU level.
 *
 * Everything but the table is static (kernels.c says why).  Bytes are worked on in blocks of a fixed length, which
 * become vectors; the rest of a row goes through a block of its own.
 */
#include "lib/kernels_surface.h"

#include <math.h>
#include <string.h>

#define BLOCK 64 /* bytes */

/* --------------------------------------------------------------------- maps */

static void map_classes(uint16_t *restrict label_map, uint16_t *restrict pred_map, const float *restrict label,
                        const float *restrict pred, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint16_t none = label[i] < 0.0f ? MM_NO_CLASS : 0;

        label_map[i] = (uint16_t)((uint16_t)(int32_t)label[i] | none);
        pred_map[i] = (uint16_t)((uint16_t)(int32_t)pred[i] | none);
    }
}

static void map_masks(unsigned char *restrict mask, const double *restrict p, double threshold,
                      const double *restrict g, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mask[i] = (unsigned char)((p[i] > threshold ? MM_PRED_BIT : 0) | (g[i] > 0.5 ? MM_LABEL_BIT : 0));
}

static void mask_of_bytes(unsigned char *restrict mask, const unsigned char *restrict p,
                          const unsigned char *restrict g, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mask[i] = (unsigned char)(p[i] | g[i] << 1);
}

static void mask_of_class(unsigned char *restrict mask, const uint16_t *restrict label, const uint16_t *restrict pred,
                          unsigned c, size_t n)
{
    const uint16_t wanted = (uint16_t)c;

    for (size_t i = 0; i < n; i++) {
        const uint16_t p = pred[i] == wanted ? MM_PRED_BIT : 0, g = label[i] == wanted ? MM_LABEL_BIT : 0;

        mask[i] = (unsigned char)(p | g);
    }
}

/* ----------------------------------------------------------------- elements */

/* Whole blocks as such: a length that is known makes a few moves of it. */
static void copy(unsigned char *to, const unsigned char *from, size_t length)
{
    if (length == BLOCK)
        memcpy(to, from, BLOCK);
    else
        memcpy(to, from, length);
}

/* Bits that are set here and not in all neighbours. */
static void find_open(unsigned char open[BLOCK], const unsigned char *mask, const mm_rows_around *around)
{
    unsigned char all[BLOCK];

    memset(all, MM_PRED_BIT | MM_LABEL_BIT, sizeof all);
    for (size_t k = 0; k < around->wide_count; k++) {
        const unsigned char *row = mask + around->wide[k];

        for (size_t i = 0; i < BLOCK; i++)
            all[i] = (unsigned char)(all[i] & row[(ptrdiff_t)i - 1] & row[i] & row[i + 1]);
    }
    for (size_t k = 0; k < around->narrow_count; k++) {
        const unsigned char *row = mask + around->narrow[k];

        for (size_t i = 0; i < BLOCK; i++)
            all[i] = (unsigned char)(all[i] & row[i]);
    }
    for (size_t i = 0; i < BLOCK; i++)
        open[i] = (unsigned char)(mask[i] & ~all[i]);
}

static void voxel_elements(unsigned char *pred, unsigned char *label, const unsigned char *mask,
                           const mm_rows_around *around, size_t n)
{
    for (size_t first = 0; first < n; first += BLOCK) {
        const size_t length = n - first < BLOCK ? n - first : BLOCK;
        unsigned char open[BLOCK], a[BLOCK], b[BLOCK];

        find_open(open, mask + first, around);
        for (size_t i = 0; i < BLOCK; i++) {
            a[i] = open[i] & MM_PRED_BIT;
            b[i] = (open[i] & MM_LABEL_BIT) >> 1;
        }
        copy(pred + first, a, length);
        copy(label + first, b, length);
    }
}

static void surfel_elements(unsigned char *pred, unsigned char *label, const unsigned char *mask, const ptrdiff_t *rows,
                            size_t count, size_t n)
{
    const unsigned char all = (unsigned char)((1u << (2 * count)) - 1);

    for (size_t first = 0; first < n; first += BLOCK) {
        const size_t length = n - first < BLOCK ? n - first : BLOCK;
        unsigned char a[BLOCK] = {0}, b[BLOCK] = {0};

        for (size_t k = 0; k < count; k++) {
            const unsigned char *row = mask + first + rows[k];

            for (size_t i = 0; i < BLOCK; i++) {
                a[i] = (unsigned char)(a[i] << 2 | (row[i] & 1) << 1 | (row[i + 1] & 1));
                b[i] = (unsigned char)(b[i] << 2 | (row[i] & 2) | (row[i + 1] & 2) >> 1);
            }
        }
        for (size_t i = 0; i < BLOCK; i++) {
            a[i] = a[i] == all ? 0 : a[i];
            b[i] = b[i] == all ? 0 : b[i];
        }
        copy(pred + first, a, length);
        copy(label + first, b, length);
    }
}

static size_t count_elements(const unsigned char *elements, size_t n)
{
    size_t sum = 0, i = 0;

    while (n - i >= BLOCK) {
        unsigned char lane[BLOCK] = {0}; /* holds up to 255 */

        for (size_t k = 0; k < 255 && n - i >= BLOCK; k++, i += BLOCK)
            for (size_t l = 0; l < BLOCK; l++)
                lane[l] = (unsigned char)(lane[l] + (elements[i + l] != 0));
        for (size_t l = 0; l < BLOCK; l++)
            sum += lane[l];
    }
    for (; i < n; i++)
        sum += elements[i] != 0;
    return sum;
}

/* ---------------------------------------------------------------- distances */

/* One step more than in `run`, but 0 at an element, and MM_FAR_STEPS at most. */
static void step_up(unsigned char run[BLOCK], const unsigned char element[BLOCK])
{
    for (size_t i = 0; i < BLOCK; i++) {
        const unsigned char more = (unsigned char)(run[i] + (run[i] != MM_FAR_STEPS));

        run[i] = element[i] != 0 ? 0 : more;
    }
}

/* The lesser of that and what the way up gave. */
static void step_down(unsigned char run[BLOCK], const unsigned char up[BLOCK])
{
    for (size_t i = 0; i < BLOCK; i++) {
        const unsigned char more = (unsigned char)(run[i] + (run[i] != MM_FAR_STEPS));

        run[i] = more < up[i] ? more : up[i];
    }
}

/* n <= BLOCK columns: up along them, then back. */
static void block_steps(unsigned char *restrict steps, const unsigned char *restrict elements, size_t length,
                        size_t stride, size_t n)
{
    unsigned char run[BLOCK], here[BLOCK] = {0};

    memset(run, MM_FAR_STEPS, sizeof run);
    for (size_t z = 0; z < length; z++) {
        copy(here, elements + z * stride, n);
        step_up(run, here);
        copy(steps + z * stride, run, n);
    }
    for (size_t z = length - 1; z-- > 0;) {
        copy(here, steps + z * stride, n);
        step_down(run, here);
        copy(steps + z * stride, run, n);
    }
}

static void column_steps(unsigned char *steps, const unsigned char *elements, size_t length, size_t stride, size_t n)
{
    for (size_t i = 0; i < n; i += BLOCK)
        block_steps(steps + i, elements + i, length, stride, n - i < BLOCK ? n - i : BLOCK);
}

static void roots(double *restrict out, const double *restrict squared, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = sqrt(squared[i]);
}

static double greatest(const double *squared, size_t n)
{
    double lane[MM_LANES] = {0.0}, most = 0.0;
    size_t i = 0;

    for (; n - i >= MM_LANES; i += MM_LANES)
        for (size_t l = 0; l < MM_LANES; l++)
            lane[l] = squared[i + l] > lane[l] ? squared[i + l] : lane[l];
    for (; i < n; i++)
        lane[0] = squared[i] > lane[0] ? squared[i] : lane[0];
    for (size_t l = 0; l < MM_LANES; l++)
        most = lane[l] > most ? lane[l] : most;
    return most;
}

static size_t count_within(const double *squared, double limit, size_t n)
{
    int64_t lane[MM_LANES] = {0};
    size_t count = 0, i = 0;

    for (; n - i >= MM_LANES; i += MM_LANES)
        for (size_t l = 0; l < MM_LANES; l++)
            lane[l] += squared[i + l] <= limit;
    for (; i < n; i++)
        count += squared[i] <= limit;
    for (size_t l = 0; l < MM_LANES; l++)
        count += (size_t)lane[l];
    return count;
}

const mm_surface_kernels MM_THIS_LEVEL(mm_surface_kernels) = {
    .map_classes = map_classes,
    .map_masks = map_masks,
    .mask_of_bytes = mask_of_bytes,
    .mask_of_class = mask_of_class,
    .voxel_elements = voxel_elements,
    .surfel_elements = surfel_elements,
    .count = count_elements,
    .steps = column_steps,
    .roots = roots,
    .greatest = greatest,
    .count_within = count_within,
};
