/*
 * components.c - connected components by union and find, each a tree whose root is its first voxel.
 */
#include "lib/components.h"

#include <stddef.h>

/* Neighbours that come before a voxel, as steps along the axes. */
typedef struct before {
    int step[13][3];
    size_t count;
} before;

static before neighbours_before(const mm_grid *grid, unsigned connectivity)
{
    before of = {.count = 0};

    for (int code = 0; code < 13; code++) { /* the steps -1, 0, 1 as digits; 13 is the voxel itself */
        const int step[3] = {code / 9 - 1, code / 3 % 3 - 1, code % 3 - 1};
        unsigned axes = 0;
        int there = 1;

        for (unsigned axis = 0; axis < 3; axis++) {
            axes += step[axis] != 0;
            there = there && (step[axis] == 0 || axis >= grid->first);
        }
        if (!there || axes > connectivity)
            continue;
        for (unsigned axis = 0; axis < 3; axis++)
            of.step[of.count][axis] = step[axis];
        of.count++;
    }
    return of;
}

/* The first voxel of the tree; halves the way to it. */
static uint32_t find(uint32_t *parent, uint32_t v)
{
    while (parent[v] != v) {
        parent[v] = parent[parent[v]];
        v = parent[v];
    }
    return v;
}

static void join(uint32_t *parent, uint32_t a, uint32_t b)
{
    const uint32_t x = find(parent, a), y = find(parent, b);

    if (x < y)
        parent[y] = x;
    else
        parent[x] = y;
}

/* Is the voxel at a step from here in the image?  Its index, or `none`. */
static size_t neighbour(const mm_grid *grid, const size_t at[3], const int step[3], size_t none)
{
    size_t index = 0;

    for (unsigned axis = 0; axis < 3; axis++) {
        if ((step[axis] < 0 && at[axis] == 0) || (step[axis] > 0 && at[axis] + 1 == grid->dim[axis]))
            return none;
        index += (at[axis] + (size_t)(step[axis] + 1) - 1) * grid->stride[axis];
    }
    return index;
}

uint32_t mm_components(const unsigned char *mask, const mm_grid *grid, unsigned connectivity, uint32_t *ids)
{
    const before of = neighbours_before(grid, connectivity);
    size_t at[3], v = 0;
    uint32_t count = 0;

    for (at[0] = 0; at[0] < grid->dim[0]; at[0]++)
        for (at[1] = 0; at[1] < grid->dim[1]; at[1]++)
            for (at[2] = 0; at[2] < grid->dim[2]; at[2]++, v++) {
                ids[v] = (uint32_t)v; /* a tree of its own */
                for (size_t i = 0; mask[v] == 1 && i < of.count; i++) {
                    const size_t other = neighbour(grid, at, of.step[i], v);

                    if (other != v && mask[other] == 1)
                        join(ids, (uint32_t)other, (uint32_t)v);
                }
            }
    /* From trees to numbers: a parent comes before its children and has its number already. */
    for (v = 0; v < grid->voxels; v++) {
        if (mask[v] != 1)
            ids[v] = 0;
        else
            ids[v] = ids[v] == v ? ++count : ids[ids[v]];
    }
    return count;
}
