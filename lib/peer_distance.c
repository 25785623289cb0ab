/*
 * peer_distance.c - what the peers' files share of distances between surfaces.
 */
#include "lib/peer_distance.h"

#include <math.h>

mm_stat mm_surface_stat(const mm_surface_args *args, unsigned kind, double number)
{
    const mm_arg *spacing = args->spacing;
    const int options = args->metric->word | MM_SURFACE_CHANNELS | (args->surfels ? MM_SURFACE_SURFELS : 0);
    mm_stat stat = {.kind = kind, .form = MM_FORM_SENT, .more = {1.0, 1.0, 1.0, number, (double)options}};

    for (size_t axis = 0; axis < 3 && !mm_is_word(spacing); axis++)
        if (spacing->list == NULL || spacing->count == 1)
            stat.more[axis] = mm_number_of_class(spacing, 0);
        else if (axis < spacing->count)
            stat.more[axis] = spacing->list[axis];
    return stat;
}

const char *mm_check_spacing(const mm_arg *spacing, const mm_args *args)
{
    const size_t count = spacing->list == NULL ? 1 : spacing->count;

    return count == 1 || (args->spatial_rank == 0 && count <= 3) || count == args->spatial_rank
               ? NULL
               : "spacing takes one number, or one for each spatial axis";
}

mm_value mm_surface_greatest(const mm_group *x, size_t column, size_t value, int directed)
{
    const mm_reason reason = mm_whole_reason(x, column);
    const double there = mm_wide(x, column, value), back = mm_wide(x, column, value + 1);

    return reason == MM_DEFINED ? mm_defined(directed ? there : fmax(there, back)) : mm_undefined(reason);
}
