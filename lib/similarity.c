/*
 * similarity.c - structural similarity of a class from the columns of its windows.
 */
#include "lib/similarity.h"

#include "lib/image_kinds.h"

enum { GAUSSIAN, UNIFORM, GAUSSIAN_PAIRED }; /* kernels of image_window.c */

static mm_stat stat_of(unsigned kind, double range, int kernel)
{
    return (mm_stat){.kind = kind, .more = {11.0, 1.5, 0.01, 0.03, range, (double)kernel}};
}

mm_stat mm_similarity_stat(double range)
{
    return stat_of(MM_IMAGE_SSIM, range, GAUSSIAN);
}

mm_stat mm_similarity_scales_stat(double range, mm_halving halving)
{
    return stat_of(MM_IMAGE_MS_SSIM, range, halving == MM_HALVE_PAIR ? GAUSSIAN_PAIRED : GAUSSIAN);
}

mm_value mm_similarity(const mm_group *x, size_t i)
{
    const mm_reason reason = mm_whole_reason(x, i);

    return reason == MM_DEFINED ? mm_defined(mm_wide(x, i, 1)) : mm_undefined(reason);
}

mm_value mm_similarity_of_scales(const mm_group *x, size_t i)
{
    static const double weight[MM_SCALES] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
    const mm_reason reason = mm_whole_reason(x, i);
    double product = 1.0;

    if (reason != MM_DEFINED)
        return mm_undefined(reason);
    for (size_t s = 0; s < MM_SCALES; s++) {
        const double mean = mm_wide(x, i, 1 + s + (s + 1 < MM_SCALES ? 0 : MM_SCALES));

        product *= mean > 0.0 ? mm_pow(mean, weight[s]) : 0.0;
    }
    return mm_defined(product);
}

static mm_value mean_of_image(const mm_cells *cells, size_t image, size_t i,
                              mm_value (*of)(const mm_group *x, size_t i))
{
    double sum = 0.0;

    for (size_t c = 0; c < cells->images->classes; c++) {
        const mm_group x = mm_cell(cells, image, c);
        const mm_value own = of(&x, i);

        if (own.reason != MM_DEFINED)
            return own;
        sum += own.value;
    }
    return mm_defined(sum / (double)cells->images->classes);
}

mm_value mm_similarity_of_image(const mm_cells *cells, size_t image, size_t i)
{
    return mean_of_image(cells, image, i, mm_similarity);
}

mm_value mm_similarity_of_image_scales(const mm_cells *cells, size_t image, size_t i)
{
    return mean_of_image(cells, image, i, mm_similarity_of_scales);
}
