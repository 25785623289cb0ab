/*
 * surface_columns.c - what columns of surfaces hold: sums, percentiles, and what is within a tolerance.
 */
#include "lib/surface_columns.h"

#include <math.h>

int mm_is_surface_kind(unsigned kind)
{
    return kind == MM_IMAGE_SURFACE || kind == MM_IMAGE_SURFACE_PERCENTILE || kind == MM_IMAGE_SURFACE_WITHIN;
}

/* Is the column one of this pair and kind? */
static int is_of(const mm_surface_columns *columns, size_t column, unsigned kind)
{
    return columns->geometry_of[column] == columns->geometry && columns->wholes->stats[column].kind == kind;
}

/* Value `w` of the column. */
static void put(const mm_surface_columns *columns, size_t column, size_t w, double value)
{
    const mm_wholes *wholes = columns->wholes;
    const size_t classes = columns->pass->shape.classes;
    double *results = wholes->results + columns->image * wholes->values;

    results[mm_stats_offset(wholes->stats, column, classes) + w * classes + columns->class_index] = value;
}

/* From edge to edge, by the metric. */
static double diagonal(const mm_pass *pass, const mm_geometry *geometry)
{
    double squares = 0.0, steps = 0.0, most = 0.0;
    size_t dim[MM_SURFACE_AXES];

    mm_geometry_axes(geometry, pass->shape.spatial, dim);
    for (unsigned axis = 0; axis < MM_SURFACE_AXES; axis++) {
        const double length = geometry->there[axis] ? (double)dim[axis] : 0.0;

        squares += length * geometry->spacing[axis] * (length * geometry->spacing[axis]);
        steps += length;
        most = fmax(most, length);
    }
    return geometry->metric == MM_EUCLIDEAN ? sqrt(squares) : geometry->metric == MM_TAXICAB ? steps : most;
}

/* What columns have of lists of which one may be empty. */
static void fill_reasons(const mm_surface_columns *columns, const mm_geometry *geometry, mm_reason reason)
{
    const double of_image = diagonal(columns->pass, geometry);

    for (size_t i = 0; i < columns->wholes->count; i++) {
        if (columns->geometry_of[i] != columns->geometry)
            continue;
        put(columns, i, MM_SURFACE_REASON, (double)reason);
        if (columns->wholes->stats[i].kind == MM_IMAGE_SURFACE)
            put(columns, i, MM_SURFACE_DIAGONAL, of_image);
    }
}

static int has_kind(const mm_surface_columns *columns, unsigned kind)
{
    size_t i = 0;

    while (i < columns->wholes->count && !is_of(columns, i, kind))
        i++;
    return i < columns->wholes->count;
}

static void fill_sums(const mm_surface_columns *columns, const mm_pair *pair, unsigned side)
{
    const mm_directed *list = &pair->list[side];
    const mm_directed_sums sums = mm_directed_add(list, &pair->geometry->sizes, columns->pass->k);
    const double greatest = mm_directed_greatest(list, columns->pass->k);

    for (size_t i = 0; i < columns->wholes->count; i++) {
        if (!is_of(columns, i, MM_IMAGE_SURFACE))
            continue;
        put(columns, i, MM_SURFACE_SIZE_A + side, sums.size);
        if (!mm_pair_has_both(pair))
            continue;
        put(columns, i, MM_SURFACE_SUM_A + side, sums.distance);
        put(columns, i, MM_SURFACE_SQUARES_A + side, sums.square);
        put(columns, i, MM_SURFACE_MOST_A + side, greatest);
    }
}

static void fill_within(const mm_surface_columns *columns, const mm_pair *pair, unsigned side)
{
    for (size_t i = 0; i < columns->wholes->count; i++)
        if (is_of(columns, i, MM_IMAGE_SURFACE_WITHIN))
            put(columns, i, MM_SURFACE_WITHIN_A + side,
                mm_directed_within(&pair->list[side], &pair->geometry->sizes, columns->pass->k,
                                   columns->wholes->stats[i].more[MM_SURFACE_TOLERANCE]));
}

static void fill_percentiles(const mm_surface_columns *columns, mm_pair *pair, unsigned side)
{
    const mm_sizes *sizes = &pair->geometry->sizes;
    const int surfels = mm_geometry_is_surfels(pair->geometry);
    mm_directed *list = &pair->list[side];

    if (surfels && has_kind(columns, MM_IMAGE_SURFACE_PERCENTILE))
        mm_directed_sort(list, sizes, mm_pair_room(pair, side));
    for (size_t i = 0; i < columns->wholes->count; i++) {
        const double q = columns->wholes->stats[i].more[MM_SURFACE_Q];

        if (is_of(columns, i, MM_IMAGE_SURFACE_PERCENTILE))
            put(columns, i, MM_SURFACE_PERCENTILE_A + side,
                surfels ? mm_directed_quantile(list, sizes, q) : mm_directed_percentile(list->squared, list->count, q));
    }
}

void mm_surface_fill_side(const mm_surface_columns *columns, mm_pair *pair, unsigned side)
{
    if (has_kind(columns, MM_IMAGE_SURFACE))
        fill_sums(columns, pair, side);
    if (!mm_pair_has_both(pair))
        return;
    fill_within(columns, pair, side);
    fill_percentiles(columns, pair, side);
}

void mm_surface_fill_both(const mm_surface_columns *columns, mm_pair *pair)
{
    const mm_directed *a = &pair->list[0], *b = &pair->list[1];

    fill_reasons(columns, pair->geometry,
                 mm_pair_has_both(pair) ? MM_DEFINED
                 : a->count > 0         ? MM_EMPTY_LABEL
                 : b->count > 0         ? MM_EMPTY_PREDICTION
                                        : MM_ABSENT_IN_BOTH);
    for (size_t i = 0; i < columns->wholes->count; i++)
        if (is_of(columns, i, MM_IMAGE_SURFACE_PERCENTILE) && mm_pair_has_both(pair) &&
            !mm_geometry_is_surfels(pair->geometry))
            put(columns, i, MM_SURFACE_PERCENTILE,
                mm_directed_percentile(a->squared, a->count + b->count, columns->wholes->stats[i].more[MM_SURFACE_Q]));
}

void mm_surface_fill_absent(const mm_surface_columns *columns, const mm_geometry *geometry)
{
    fill_reasons(columns, geometry, MM_ABSENT_IN_BOTH);
}
