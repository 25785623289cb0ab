/*
 * tolerances.c - one column for each different tolerance of the classes of a row.
 */
#include "lib/tolerances.h"

static size_t place_among(const double *list, size_t count, double number)
{
    size_t at = 0;

    while (at < count && list[at] != number)
        at++;
    return at;
}

size_t mm_tolerances(const mm_args *args, mm_tolerance_of of, double different[MM_MOST_TOLERANCES])
{
    size_t count = 0;

    for (size_t c = 0; c < args->classes; c++) {
        const double tolerance = of(args, c);

        if (tolerance < 0.0 || place_among(different, count, tolerance) < count)
            continue;
        if (count == MM_MOST_TOLERANCES)
            return MM_MOST_TOLERANCES + 1;
        different[count++] = tolerance;
    }
    return count;
}

size_t mm_tolerance_place(const mm_args *args, mm_tolerance_of of, size_t c)
{
    double different[MM_MOST_TOLERANCES];
    const size_t count = mm_tolerances(args, of, different);

    return place_among(different, count, of(args, c));
}
