/*
 * image_window.c - kinds that look at windows: SSIM and MS-SSIM, NACL, correlation-maximised structural similarity.
 *
 * Windows that touch a voxel which is not scored are left out.
 */
#include "lib/image_kinds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/window.h"

/* ------------------------------------------------------------------- planes */

/* A block of planes of one image. */
typedef struct planes {
    mm_grid grid;
    double *block, *row;
} planes;

static int planes_new(planes *of, const mm_grid *grid, size_t count)
{
    of->grid = *grid;
    of->block = calloc(count, grid->voxels * sizeof *of->block);
    of->row = malloc(grid->dim[2] * sizeof *of->row);
    return of->block != NULL && of->row != NULL;
}

static void planes_free(planes *of)
{
    free(of->block);
    free(of->row);
}

static double *plane(const planes *of, size_t index)
{
    return of->block + index * of->grid.voxels;
}

static mm_grid grid_of(const mm_field *field)
{
    return mm_grid_of(field->pass->shape.spatial_rank, field->pass->shape.spatial);
}

/* Voxels that are not scored are 1 in `scored` afterwards, others 0; returns how many there are. */
static size_t find_missing(double *scored, size_t voxels)
{
    size_t count = 0;

    for (size_t v = 0; v < voxels; v++) {
        scored[v] = scored[v] == 0.0 ? 1.0 : 0.0;
        count += scored[v] != 0.0;
    }
    return count;
}

static void multiply(double *to, const double *a, const double *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = a[i] * b[i];
}

/* A size that the arrays have room for; 0: none. */
static size_t size_of(double number)
{
    return number >= 1.0 && number <= MM_MAX_WINDOW ? (size_t)number : 0;
}

/* --------------------------------------------------------------------- SSIM */

enum { WINDOW, SIGMA, K1, K2, RANGE, KERNEL };   /* places in mm_stat.more */
enum { GAUSSIAN, UNIFORM, GAUSSIAN_PADDED };     /* kernels */
enum { X, Y, MISSING, XX, YY, XY, SSIM_PLANES }; /* planes of one scale */

/* Means over the positions of one scale. */
typedef struct similarity {
    double cs, ssim;
    size_t positions;
} similarity;

/* Adds the position at v; all planes hold window means. */
static void add_position(similarity *sum, const planes *of, const mm_stat *stat, size_t v)
{
    const double c1 = stat->more[K1] * stat->more[RANGE] * (stat->more[K1] * stat->more[RANGE]);
    const double c2 = stat->more[K2] * stat->more[RANGE] * (stat->more[K2] * stat->more[RANGE]);
    const double x = plane(of, X)[v], y = plane(of, Y)[v];
    const double xx = plane(of, XX)[v] - x * x, yy = plane(of, YY)[v] - y * y, xy = plane(of, XY)[v] - x * y;
    const double cs = (2.0 * xy + c2) / (xx + yy + c2);

    sum->cs += cs;
    sum->ssim += (2.0 * x * y + c1) / (x * x + y * y + c1) * cs;
    sum->positions++;
}

/* Means of cs and ssim over the windows of a scale, from its planes X, Y and MISSING, which do not survive. */
static similarity compare(const planes *of, const mm_stat *stat, int some_missing)
{
    const mm_grid *grid = &of->grid;
    similarity sum = {0.0, 0.0, 0};
    mm_window window, any;
    size_t at[3], positions[3];

    if (!mm_grid_positions(grid, (size_t)stat->more[WINDOW], positions))
        return sum;
    mm_window_init(&any, (size_t)stat->more[WINDOW], 0.0);
    mm_window_init(&window, (size_t)stat->more[WINDOW], stat->more[KERNEL] == UNIFORM ? 0.0 : stat->more[SIGMA]);
    multiply(plane(of, XX), plane(of, X), plane(of, X), grid->voxels);
    multiply(plane(of, YY), plane(of, Y), plane(of, Y), grid->voxels);
    multiply(plane(of, XY), plane(of, X), plane(of, Y), grid->voxels);
    for (size_t i = 0; i < SSIM_PLANES; i++)
        if (i != MISSING || some_missing)
            mm_window_inside(plane(of, i), grid, i == MISSING ? &any : &window, of->row);
    for (at[0] = 0; at[0] < positions[0]; at[0]++)
        for (at[1] = 0; at[1] < positions[1]; at[1]++)
            for (at[2] = 0; at[2] < positions[2]; at[2]++) {
                const size_t v = at[0] * grid->stride[0] + at[1] * grid->stride[1] + at[2];

                if (!some_missing || plane(of, MISSING)[v] == 0.0)
                    add_position(&sum, of, stat, v);
            }
    if (sum.positions > 0) {
        sum.cs /= (double)sum.positions;
        sum.ssim /= (double)sum.positions;
    }
    return sum;
}

/* An axis at half the scale: what is left over is dropped, or paired with itself. */
static size_t half_of(size_t length, int padded)
{
    return (length + (padded ? 1 : 0)) / 2;
}

/* Does the window fit at the last of the scales? */
static int large_enough(const mm_field *field, size_t window, size_t scales, int padded)
{
    for (unsigned axis = 0; axis < field->pass->shape.spatial_rank; axis++) {
        size_t length = field->pass->shape.spatial[axis];

        for (size_t s = 1; s < scales; s++)
            length = half_of(length, padded);
        if (length < window)
            return 0;
    }
    return 1;
}

/* The mean of the two voxels along each axis. */
static double pooled_at(const double *from, const mm_grid *grid, const size_t at[3])
{
    double sum = 0.0;
    size_t low[3], high[3];

    for (unsigned axis = 0; axis < 3; axis++) {
        low[axis] = axis < grid->first ? 0 : 2 * at[axis];
        high[axis] = axis < grid->first ? 0 : low[axis] + 1;
        if (high[axis] >= grid->dim[axis])
            high[axis] = grid->dim[axis] - 1; /* padded */
    }
    for (unsigned corner = 0; corner < 1u << (3 - grid->first); corner++) {
        const size_t i = corner & 4 ? high[0] : low[0], j = corner & 2 ? high[1] : low[1];
        const size_t k = corner & 1 ? high[2] : low[2];

        sum += from[i * grid->stride[0] + j * grid->stride[1] + k];
    }
    return sum / (double)(1u << (3 - grid->first));
}

/* Planes X, Y and MISSING at half the scale; 0: out of memory. */
static int pool(planes *to, const planes *from, int padded)
{
    mm_grid half = from->grid;
    size_t at[3];

    for (unsigned axis = half.first; axis < 3; axis++)
        half.dim[axis] = half_of(half.dim[axis], padded);
    half = mm_grid_of(3 - half.first, half.dim + half.first);
    if (!planes_new(to, &half, SSIM_PLANES))
        return 0;
    for (size_t i = X; i <= MISSING; i++)
        for (at[0] = 0; at[0] < half.dim[0]; at[0]++)
            for (at[1] = 0; at[1] < half.dim[1]; at[1]++)
                for (at[2] = 0; at[2] < half.dim[2]; at[2]++)
                    plane(to, i)[at[0] * half.stride[0] + at[1] * half.stride[1] + at[2]] =
                        pooled_at(plane(from, i), &from->grid, at);
    return 1;
}

/* means[0 .. scales): 0 where no window is left.  0: out of memory. */
static int compare_scales(planes *of, const mm_stat *stat, size_t scales, int some_missing, similarity *means)
{
    int fine = 1;

    for (size_t s = 0; fine && s < scales; s++) {
        planes next = {.block = NULL};

        if (s + 1 < scales)
            fine = pool(&next, of, stat->more[KERNEL] == GAUSSIAN_PADDED);
        if (fine)
            means[s] = compare(of, stat, some_missing);
        planes_free(of);
        *of = next;
    }
    return fine;
}

/* One scale: the mean of ssim; several: the means of cs of each, then those of ssim. */
static int ssim(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    const int multi = stat->kind == MM_IMAGE_MS_SSIM;
    const size_t scales = !multi ? 1 : stat->gamma >= 1.0 && stat->gamma < MM_SCALES ? (size_t)stat->gamma : MM_SCALES;
    const size_t window = size_of(stat->more[WINDOW]);
    const mm_grid grid = grid_of(field);
    similarity means[MM_SCALES] = {{0.0, 0.0, 0}};
    planes of = {.block = NULL};

    if (window == 0 || !large_enough(field, window, scales, stat->more[KERNEL] == GAUSSIAN_PADDED)) {
        values[0] = MM_TOO_SMALL;
        return 1;
    }
    if (!planes_new(&of, &grid, SSIM_PLANES)) {
        planes_free(&of);
        return 0;
    }
    mm_field_planes(field, 0, class_index, plane(&of, X), plane(&of, Y), plane(&of, MISSING));
    const size_t missing = find_missing(plane(&of, MISSING), grid.voxels);
    const int fine = compare_scales(&of, stat, scales, missing > 0, means);

    planes_free(&of);
    if (missing == grid.voxels)
        values[0] = MM_NO_VOXELS;
    for (size_t s = 0; s < scales; s++) {
        if (means[s].positions == 0 && values[0] == MM_DEFINED)
            values[0] = MM_TOO_SMALL;
        if (multi)
            values[1 + s] = means[s].cs;
        values[multi ? 1 + MM_SCALES + s : 1] = means[s].ssim;
    }
    return fine;
}

/* --------------------------------------------------------------------- NACL */

enum { NACL_SIZE, NACL_KERNEL, NACL_SIGMA };      /* places in mm_stat.more */
enum { NACL_MEAN, NACL_GAUSSIAN, NACL_INTEGRAL }; /* kernels */
enum { LOGIT, LABEL, HOLES, ROOM, NACL_PLANES };

/* sum |u - x|^gamma over the voxels whose window is scored, u the mean of the label around; and their number */
static int nacl(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    const mm_grid grid = grid_of(field);
    const size_t size = size_of(stat->more[NACL_SIZE]);
    mm_window window, any;
    planes of;
    double sum = 0.0;
    size_t count = 0;
    const int fine = planes_new(&of, &grid, NACL_PLANES);

    if (fine && size > 0) {
        mm_field_planes(field, 0, class_index, plane(&of, LOGIT), plane(&of, LABEL), plane(&of, HOLES));
        const size_t missing = find_missing(plane(&of, HOLES), grid.voxels);

        if (stat->more[NACL_KERNEL] == NACL_INTEGRAL)
            mm_window_integral(&window, size, stat->more[NACL_SIGMA]);
        else
            mm_window_init(&window, size, stat->more[NACL_KERNEL] == NACL_MEAN ? 0.0 : stat->more[NACL_SIGMA]);
        mm_window_init(&any, size, 0.0);
        mm_window_around(plane(&of, LABEL), &grid, &window, plane(&of, ROOM));
        if (missing > 0)
            mm_window_around(plane(&of, HOLES), &grid, &any, plane(&of, ROOM));
        for (size_t v = 0; v < grid.voxels; v++) {
            const double off = fabs(plane(&of, LABEL)[v] - plane(&of, LOGIT)[v]);

            if (plane(&of, HOLES)[v] != 0.0)
                continue;
            sum += stat->gamma == 2.0 ? off * off : off;
            count++;
        }
        values[0] = missing == grid.voxels ? MM_NO_VOXELS : count == 0 ? MM_TOO_SMALL : MM_DEFINED;
        values[1] = sum;
        values[2] = (double)count;
    }
    planes_free(&of);
    return fine;
}

/* -------------------------------------------------------------- correlation */

enum { BETA, SMALL, CORRELATION_WINDOW, CORRELATION_SIGMA }; /* places in mm_stat.more */
enum { P, G, ENTROPY, GAPS, MEAN_P, MEAN_G, SQUARE_P, SQUARE_G, CORRELATION_PLANES };

/* |(g - mu_g + c) / (sigma_g + c) - (p - mu_p + c) / (sigma_p + c)|; the windows' planes at v, the middle at m. */
static double difference(const planes *of, double c, size_t v, size_t m)
{
    const double mu_p = plane(of, MEAN_P)[v], mu_g = plane(of, MEAN_G)[v];
    const double var_p = plane(of, SQUARE_P)[v] - mu_p * mu_p, var_g = plane(of, SQUARE_G)[v] - mu_g * mu_g;
    const double sigma_p = sqrt(var_p > 0.0 ? var_p : 0.0), sigma_g = sqrt(var_g > 0.0 ? var_g : 0.0);

    return fabs((plane(of, G)[m] - mu_g + c) / (sigma_g + c) - (plane(of, P)[m] - mu_p + c) / (sigma_p + c));
}

/* Puts the difference of each window into MEAN_P, -1 where the window has a gap; returns the greatest, -1: no window.
 */
static double find_differences(const planes *of, const mm_stat *stat, const size_t positions[3], size_t middle)
{
    const mm_grid *grid = &of->grid;
    double greatest = -1.0;
    size_t at[3];

    for (at[0] = 0; at[0] < positions[0]; at[0]++)
        for (at[1] = 0; at[1] < positions[1]; at[1]++)
            for (at[2] = 0; at[2] < positions[2]; at[2]++) {
                const size_t v = at[0] * grid->stride[0] + at[1] * grid->stride[1] + at[2];
                const double e = plane(of, GAPS)[v] != 0.0 ? -1.0 : difference(of, stat->more[SMALL], v, v + middle);

                plane(of, MEAN_P)[v] = e;
                greatest = e > greatest ? e : greatest;
            }
    return greatest;
}

/* sum e f BCE and sum f, f = 1 where e > beta max e */
static void sum_differences(const planes *of, double limit, const size_t positions[3], size_t middle, double *values)
{
    const mm_grid *grid = &of->grid;
    size_t at[3];

    for (at[0] = 0; at[0] < positions[0]; at[0]++)
        for (at[1] = 0; at[1] < positions[1]; at[1]++)
            for (at[2] = 0; at[2] < positions[2]; at[2]++) {
                const size_t v = at[0] * grid->stride[0] + at[1] * grid->stride[1] + at[2];
                const double e = plane(of, MEAN_P)[v];

                if (e > limit && e >= 0.0) {
                    values[1] += e * plane(of, ENTROPY)[v + middle];
                    values[2] += 1.0;
                }
            }
}

static void correlate(const mm_field *field, const mm_stat *stat, size_t class_index, const planes *of,
                      const size_t positions[3], double *values)
{
    const mm_grid *grid = &of->grid;
    const size_t bytes = grid->voxels * sizeof(double), reach = (size_t)stat->more[CORRELATION_WINDOW] / 2;
    mm_window window, any;
    size_t middle = 0;

    for (unsigned axis = grid->first; axis < 3; axis++)
        middle += reach * grid->stride[axis];
    mm_field_planes(field, 0, class_index, plane(of, P), plane(of, G), NULL);
    mm_field_binary_entropy(field, 0, class_index, stat->eps, plane(of, ENTROPY), plane(of, GAPS));
    const size_t missing = find_missing(plane(of, GAPS), grid->voxels);

    memcpy(plane(of, MEAN_P), plane(of, P), bytes);
    memcpy(plane(of, MEAN_G), plane(of, G), bytes);
    multiply(plane(of, SQUARE_P), plane(of, P), plane(of, P), grid->voxels);
    multiply(plane(of, SQUARE_G), plane(of, G), plane(of, G), grid->voxels);
    mm_window_init(&window, 2 * reach + 1, stat->more[CORRELATION_SIGMA]);
    mm_window_init(&any, 2 * reach + 1, 0.0);
    for (size_t i = GAPS; i < CORRELATION_PLANES; i++)
        if (i != GAPS || missing > 0)
            mm_window_inside(plane(of, i), grid, i == GAPS ? &any : &window, of->row);
    const double greatest = find_differences(of, stat, positions, middle);

    values[0] = missing == grid->voxels ? MM_NO_VOXELS : greatest < 0.0 ? MM_TOO_SMALL : MM_DEFINED;
    sum_differences(of, stat->more[BETA] * greatest, positions, middle, values);
}

static int correlation(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    const mm_grid grid = grid_of(field);
    const size_t size = size_of(stat->more[CORRELATION_WINDOW]);
    size_t positions[3];
    planes of;

    if (size == 0 || !mm_grid_positions(&grid, size, positions)) {
        values[0] = MM_TOO_SMALL;
        return 1;
    }
    const int fine = planes_new(&of, &grid, CORRELATION_PLANES);

    if (fine)
        correlate(field, stat, class_index, &of, positions, values);
    planes_free(&of);
    return fine;
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
const mm_image_kind mm_image_window[] = {
    {.kind = MM_IMAGE_SSIM, .words = "structural similarity of windows", .needs_probs = 1, .values = 1,
     .planes = 7, .compute = ssim},
    {.kind = MM_IMAGE_MS_SSIM, .words = "structural similarity of windows at several scales", .needs_probs = 1,
     .values = 2 * MM_SCALES, .planes = 10, .compute = ssim},
    {.kind = MM_IMAGE_NACL, .words = "distance of the logits from the label's mean around", .needs_probs = 1, .values = 2,
     .planes = 5, .compute = nacl},
    {.kind = MM_IMAGE_CORRELATION, .words = "cross-entropy where local structure differs", .needs_probs = 1, .values = 2,
     .planes = 9, .compute = correlation},
    {.kind = 0},
};
/* clang-format on */
