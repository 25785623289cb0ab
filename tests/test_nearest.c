/*
 * test_nearest.c - which set is nearest to each place, against all pairs; of several as near the lowest.
 */
#include "tests/suites.h"

#include <math.h>
#include <string.h>

#include "lib/nearest.h"
#include "tests/border_tools.h"

static unsigned draw(unsigned *state, unsigned below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

/* Of the sets as near as the nearest, the lowest; 0: there is none. */
static uint32_t nearest_of(const places *all, const uint32_t *ids, size_t v)
{
    double nearest = INFINITY;
    uint32_t best = 0;

    for (size_t w = 0; w < all->count; w++) {
        const double distance = ids[w] == 0 ? INFINITY : apart(all, MM_EUCLIDEAN, v, w);

        if (distance < nearest || (distance < INFINITY && distance == nearest && ids[w] < best)) {
            nearest = distance;
            best = ids[w];
        }
    }
    return best;
}

/* How far the nearest place of a set is. */
static double distance_to(const places *all, const uint32_t *ids, size_t v, uint32_t id)
{
    double nearest = INFINITY;

    for (size_t w = 0; w < all->count; w++)
        if (ids[w] == id)
            nearest = fmin(nearest, apart(all, MM_EUCLIDEAN, v, w));
    return nearest;
}

static void check(const places *all, unsigned sets, unsigned share, int exact, unsigned *seed)
{
    mm_array array = {.rank = all->rank};
    uint32_t before[MOST_PLACES], after[MOST_PLACES];

    memcpy(array.dim, all->dim, sizeof array.dim);
    memcpy(array.spacing, all->spacing, sizeof array.spacing);
    for (size_t v = 0; v < all->count; v++)
        after[v] = before[v] = draw(seed, 16) < share ? 1 + draw(seed, sets) : 0;
    CU_ASSERT_FATAL(mm_nearest(after, &array));
    for (size_t v = 0; v < all->count; v++) {
        const uint32_t best = nearest_of(all, before, v);

        CU_ASSERT(!exact || after[v] == best);
        CU_ASSERT_EQUAL(after[v] == 0, best == 0);
        if (best != 0)
            CU_ASSERT_DOUBLE_EQUAL(distance_to(all, before, v, after[v]), distance_to(all, before, v, best), 1e-12);
    }
}

static const places arrays[] = {
    {.rank = 1, .dim = {1}, .count = 1},           {.rank = 1, .dim = {40}, .count = 40},
    {.rank = 2, .dim = {13, 9}, .count = 117},     {.rank = 2, .dim = {1, 17}, .count = 17},
    {.rank = 3, .dim = {5, 6, 7}, .count = 210},   {.rank = 3, .dim = {7, 1, 9}, .count = 63},
    {.rank = 4, .dim = {3, 4, 5, 4}, .count = 240}};

/* All spacings 1: whole numbers, so that ties are ties. */
static void test_ties(void)
{
    unsigned seed = 1;

    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        for (unsigned share = 0; share <= 16; share = share < 4 ? share + 1 : 2 * share) {
            places all = arrays[i];

            for (unsigned axis = 0; axis < 4; axis++)
                all.spacing[axis] = 1.0;
            check(&all, 9, share, 1, &seed);
            check(&all, 200, share, 1, &seed);
        }
}

/* One spacing for all axes: the same sets as in voxels.  An axis of one voxel has none to speak of. */
static void test_one_spacing(void)
{
    static const double spacings[] = {0.1, 0.7, 0.58594, 3.3};
    unsigned seed = 3;

    for (size_t k = 0; k < 16; k++) {
        const double of = spacings[k % 4];
        const mm_array flat = {.rank = 3, .dim = {1, 19, 23}, .spacing = {5.0, 1.0, 1.0}};
        mm_array spaced = flat;
        uint32_t voxels[437], ids[437];

        spaced.spacing[1] = spaced.spacing[2] = of;
        for (size_t v = 0; v < 437; v++)
            ids[v] = voxels[v] = draw(&seed, 40) == 0 ? 1 + draw(&seed, 9) : 0;
        CU_ASSERT_FATAL(mm_nearest(voxels, &flat) && mm_nearest(ids, &spaced));
        CU_ASSERT_EQUAL(memcmp(ids, voxels, sizeof ids), 0);
    }
}

/* Any spacing: nothing is nearer. */
static void test_spacing(void)
{
    unsigned seed = 2;

    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        for (unsigned share = 1; share <= 8; share *= 2) {
            places all = arrays[i];

            memcpy(all.spacing, (double[]){3.3, 0.58594, 0.7, 1.1}, sizeof all.spacing);
            check(&all, 9, share, 0, &seed);
        }
}

static CU_TestInfo tests[] = {
    {"as near: the lowest", test_ties},
    {"one spacing: as near as in voxels", test_one_spacing},
    {"spacing", test_spacing},
    CU_TEST_INFO_NULL,
};

extern const mm_suite mm_suite_nearest;
const mm_suite mm_suite_nearest = {"nearest", tests};
