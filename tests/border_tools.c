/*
 * border_tools.c - distances, surfaces, bands and components of small masks, from all pairs of places.
 */
#include "tests/border_tools.h"

#include <math.h>
#include <string.h>

places places_in_voxels(const data *d)
{
    places all = {.rank = d->spatial_rank == 0 ? 1 : d->spatial_rank, .count = d->voxels};

    for (unsigned axis = 0; axis < all.rank; axis++) {
        all.dim[axis] = d->spatial_rank == 0 ? d->voxels : d->spatial[axis];
        all.spacing[axis] = 1.0;
    }
    return all;
}

places places_of(const data *d)
{
    places all = places_in_voxels(d);

    for (unsigned axis = 0; d->spacing[0] > 0.0 && axis < all.rank; axis++)
        all.spacing[axis] = d->spacing[axis];
    return all;
}

data rows_apart(void)
{
    data d = data_random(MM_MULTICLASS, 2, 2, 30, 4);

    d.spatial_rank = 2;
    memcpy(d.spatial, (size_t[]){5, 6, 1}, sizeof d.spatial);
    for (size_t n = 0; n < 2; n++)
        for (size_t v = 0; v < 30; v++) {
            const double p = v / 6 >= 1 && v / 6 < 3, g = v / 6 >= 1 && v / 6 < 4;

            d.p[(n * 2 + 1) * 30 + v] = p;
            d.p[n * 2 * 30 + v] = 1.0 - p;
            d.g[(n * 2 + 1) * 30 + v] = n == 0 ? g : 0.0;
            d.g[n * 2 * 30 + v] = 1.0 - (n == 0 ? g : 0.0);
        }
    return d;
}

void label_mask(const data *d, size_t n, size_t c, unsigned char *mask)
{
    for (size_t v = 0; v < d->voxels; v++)
        mask[v] = hard_g(d, n, c, v) != 0;
}

void pred_mask(const data *d, size_t n, size_t c, unsigned char *mask)
{
    for (size_t v = 0; v < d->voxels; v++)
        mask[v] = hard_p(d, n, c, v) != 0;
}

static double combine(mm_metric metric, double sum, double steps, double spacing)
{
    if (metric == MM_EUCLIDEAN)
        return sum + steps * spacing * (steps * spacing);
    return metric == MM_TAXICAB ? sum + fabs(steps) : fmax(sum, fabs(steps));
}

double apart(const places *all, mm_metric metric, size_t v, size_t w)
{
    double sum = 0.0;

    for (unsigned axis = all->rank; axis-- > 0; v /= all->dim[axis], w /= all->dim[axis])
        sum = combine(metric, sum, (double)(v % all->dim[axis]) - (double)(w % all->dim[axis]), all->spacing[axis]);
    return metric == MM_EUCLIDEAN ? sqrt(sum) : sum;
}

double to_other_side(const places *all, const unsigned char *mask, size_t v)
{
    double nearest = INFINITY;

    for (size_t w = 0; w < all->count; w++)
        if (mask[w] != mask[v])
            nearest = fmin(nearest, apart(all, MM_EUCLIDEAN, v, w));
    return nearest;
}

void nearness_of(const places *all, const unsigned char *mask, double *weight)
{
    double most = 0.0, least = INFINITY;

    for (size_t v = 0; v < all->count; v++)
        if (mask[v]) {
            weight[v] = to_other_side(all, mask, v);
            most = fmax(most, weight[v]);
            least = fmin(least, weight[v]);
        }
    for (size_t v = 0; v < all->count; v++)
        if (mask[v])
            weight[v] = most == least ? 1.0 : 1.0 + (most - weight[v]) / (most - least);
}

/* The place so many steps from v; all->count: outside the array. */
static size_t step_from(const places *all, size_t v, const int step[4])
{
    size_t place = 0, stride = 1;

    for (unsigned axis = all->rank; axis-- > 0; v /= all->dim[axis]) {
        const long at = (long)(v % all->dim[axis]) + step[axis];

        if (at < 0 || at >= (long)all->dim[axis])
            return all->count;
        place += (size_t)at * stride;
        stride *= all->dim[axis];
    }
    return place;
}

/* Steps of -1, 0, 1 along each axis, number `code` of 3^rank; returns along how many axes it goes. */
static unsigned step_of(const places *all, unsigned code, int step[4])
{
    unsigned axes = 0;

    for (unsigned axis = 0; axis < all->rank; axis++, code /= 3) {
        step[axis] = (int)(code % 3) - 1;
        axes += step[axis] != 0;
    }
    return axes;
}

static unsigned steps_around(const places *all)
{
    return all->rank == 1 ? 3 : all->rank == 2 ? 9 : 27;
}

/* Is there a place beside v that is not set, or none? */
static int open_at(const places *all, const unsigned char *mask, unsigned connectivity, size_t v)
{
    int step[4];

    for (unsigned code = 0; code < steps_around(all); code++) {
        if (step_of(all, code, step) > connectivity)
            continue;
        const size_t w = step_from(all, v, step);

        if (w == all->count || mask[w] == 0)
            return 1;
    }
    return 0;
}

void surface_of(const places *all, const unsigned char *mask, unsigned connectivity, unsigned char *surface)
{
    for (size_t v = 0; v < all->count; v++)
        surface[v] = mask[v] && open_at(all, mask, connectivity, v);
}

void erode(const places *all, const unsigned char *mask, unsigned char *left)
{
    for (size_t v = 0; v < all->count; v++)
        left[v] = mask[v] && !open_at(all, mask, all->rank, v);
}

/* How far the nearest place outside the array is, counted along one axis. */
static double to_edge(const places *all, size_t v)
{
    double nearest = INFINITY;

    for (unsigned axis = all->rank; axis-- > 0; v /= all->dim[axis]) {
        const double at = (double)(v % all->dim[axis]);

        nearest = fmin(nearest, fmin(at + 1.0, (double)all->dim[axis] - at));
    }
    return nearest;
}

void band_of(const places *all, const unsigned char *mask, mm_metric metric, double depth, unsigned char *band)
{
    for (size_t v = 0; v < all->count; v++) {
        double nearest = to_edge(all, v);

        for (size_t w = 0; w < all->count; w++)
            if (!mask[w])
                nearest = fmin(nearest, apart(all, metric, v, w));
        band[v] = mask[v] && nearest <= depth;
    }
}

/* Lowers the number of v to the least of those beside it; 1 when it changed. */
static int spread(const places *all, unsigned connectivity, size_t *component, size_t v)
{
    int step[4], changed = 0;

    for (unsigned code = 0; code < steps_around(all); code++) {
        const unsigned axes = step_of(all, code, step);
        const size_t w = step_from(all, v, step);

        if (axes > connectivity || w == all->count || component[w] == 0 || component[w] >= component[v])
            continue;
        component[v] = component[w];
        changed = 1;
    }
    return changed;
}

size_t components_of(const places *all, const unsigned char *mask, unsigned connectivity, size_t *component)
{
    size_t names[MOST_PLACES + 1] = {0}, count = 0;
    int changed = 1;

    for (size_t v = 0; v < all->count; v++)
        component[v] = mask[v] ? v + 1 : 0;
    while (changed) {
        changed = 0;
        for (size_t v = 0; v < all->count; v++)
            changed |= component[v] != 0 && spread(all, connectivity, component, v);
    }
    for (size_t v = 0; v < all->count; v++) {
        if (component[v] == v + 1)
            names[v + 1] = ++count;
        component[v] = names[component[v]];
    }
    return count;
}

/* The component that owns a place: the nearest, of several the first. */
static size_t owner_of(const places *all, const size_t *component, size_t v)
{
    double nearest = INFINITY;
    size_t owner = 0;

    for (size_t w = 0; w < all->count; w++) {
        const double distance = component[w] == 0 ? INFINITY : apart(all, MM_EUCLIDEAN, v, w);

        if (distance < nearest || (distance == nearest && component[w] < owner && distance < INFINITY)) {
            nearest = distance;
            owner = component[w];
        }
    }
    return owner;
}

double dice_of_regions(const places *all, const unsigned char *label, const unsigned char *pred, unsigned connectivity)
{
    size_t component[MOST_PLACES], both[MOST_PLACES + 1] = {0}, either[MOST_PLACES + 1] = {0};
    const size_t count = components_of(all, label, connectivity, component);
    double sum = 0.0;

    for (size_t v = 0; v < all->count; v++) {
        const size_t owner = owner_of(all, component, v);

        both[owner] += label[v] && pred[v];
        either[owner] += (size_t)label[v] + pred[v];
    }
    for (size_t k = 1; k <= count; k++)
        sum += 2.0 * (double)both[k] / (double)either[k];
    return count == 0 ? (double)NAN : sum / (double)count;
}
