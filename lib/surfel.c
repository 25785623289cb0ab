/*
 * surfel.c - areas and lengths of surface elements, from geometry: closed loops of mid-edge points, fanned.
 */
#include "lib/surfel.h"

#include <math.h>
#include <string.h>

/* A corner of the block is a number 4 i + 2 j + k; a point is the middle of an edge: the edge's corner with the lower
 * number, and its axis. */
#define CORNERS 8
#define POINTS  (CORNERS * 3)

static int is_set(unsigned code, unsigned corner)
{
    return code >> (CORNERS - 1 - corner) & 1;
}

static unsigned bit_of_axis(unsigned axis)
{
    return 4u >> axis;
}

static unsigned middle_of(unsigned a, unsigned b)
{
    const unsigned low = a < b ? a : b, differ = a ^ b;

    return low * 3 + (differ == 4 ? 0 : differ == 2 ? 1 : 2);
}

/* The set corner of the point's edge. */
static unsigned owner_of(unsigned code, unsigned point)
{
    const unsigned low = point / 3;

    return is_set(code, low) ? low : low | bit_of_axis(point % 3);
}

/* Every point is in two faces, which join it to one other point each. */
typedef struct links {
    unsigned char to[POINTS][2], count[POINTS];
} links;

static void join(links *all, unsigned a, unsigned b)
{
    all->to[a][all->count[a]++] = (unsigned char)b;
    all->to[b][all->count[b]++] = (unsigned char)a;
}

/* Each run of set corners around the face is cut off by one segment. */
static void join_face(links *all, unsigned code, const unsigned ring[4])
{
    for (unsigned i = 0; i < 4; i++) {
        unsigned end = i;

        if (!is_set(code, ring[i]) || is_set(code, ring[(i + 3) % 4]))
            continue;
        while (is_set(code, ring[(end + 1) % 4]))
            end++;
        join(all, middle_of(ring[(i + 3) % 4], ring[i]), middle_of(ring[end % 4], ring[(end + 1) % 4]));
    }
}

static void join_faces(links *all, unsigned code)
{
    memset(all, 0, sizeof *all);
    for (unsigned axis = 0; axis < 3; axis++)
        for (unsigned side = 0; side < 2; side++) {
            const unsigned at = side * bit_of_axis(axis);
            const unsigned u = bit_of_axis((axis + 1) % 3), v = bit_of_axis((axis + 2) % 3);

            join_face(all, code, (const unsigned[4]){at, at | v, at | u | v, at | u});
        }
}

typedef struct loop {
    unsigned point[POINTS], owner[POINTS], count;
} loop;

/* Walks around from `start`, and takes the links of the points away. */
static void walk(links *all, unsigned code, unsigned start, loop *out)
{
    unsigned before = all->to[start][1], here = start;

    out->count = 0;
    do {
        const unsigned next = all->to[here][0] == before ? all->to[here][1] : all->to[here][0];

        out->point[out->count] = here;
        out->owner[out->count++] = owner_of(code, here);
        all->count[here] = 0;
        before = here;
        here = next;
    } while (here != start);
}

static unsigned points_of(const loop *of, unsigned owner)
{
    unsigned count = 0;

    for (unsigned i = 0; i < of->count; i++)
        count += of->owner[i] == owner;
    return count;
}

/* From which point to fan: it matters for the two loops that are not flat, a pentagon (three corners in an L) and the
 * hexagon of a bent path of four corners.  The apex is a point of a corner that owns two, next to a point of one that
 * owns one; of the hexagon, one that is not beside it on the block. */
static unsigned apex_of(const loop *of)
{
    for (unsigned i = 0; of->count >= 5 && i < of->count; i++)
        for (unsigned side = 1; side < of->count; side += of->count - 2) { /* the next, and the one before */
            const unsigned other = of->owner[(i + side) % of->count], differ = other ^ of->owner[i];
            const int beside = differ == 1 || differ == 2 || differ == 4;

            if (points_of(of, of->owner[i]) == 2 && points_of(of, other) == 1 && (of->count == 5 || !beside))
                return i;
        }
    return 0;
}

static void place(unsigned point, const double *spacing, double at[3])
{
    for (unsigned axis = 0; axis < 3; axis++) {
        const double corner = point / 3 & bit_of_axis(axis) ? 1.0 : 0.0;

        at[axis] = spacing[axis] * (axis == point % 3 ? 0.5 : corner);
    }
}

static double triangle(const double a[3], const double b[3], const double c[3])
{
    const double u[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]}, v[3] = {c[0] - a[0], c[1] - a[1], c[2] - a[2]};
    const double x = u[1] * v[2] - u[2] * v[1], y = u[2] * v[0] - u[0] * v[2], z = u[0] * v[1] - u[1] * v[0];

    return 0.5 * sqrt(x * x + y * y + z * z);
}

static double loop_area(const loop *of, const double *spacing)
{
    const unsigned apex = apex_of(of);
    double from[3], b[3], c[3], area = 0.0;

    place(of->point[apex], spacing, from);
    for (unsigned k = 1; k + 1 < of->count; k++) {
        place(of->point[(apex + k) % of->count], spacing, b);
        place(of->point[(apex + k + 1) % of->count], spacing, c);
        area += triangle(from, b, c);
    }
    return area;
}

static unsigned corners_of(unsigned code)
{
    unsigned count = 0;

    for (; code != 0; code &= code - 1)
        count++;
    return count;
}

/* The fewer corners, set or unset, are the ones cut off. */
static double area_of(unsigned code, const double *spacing)
{
    const unsigned cut = corners_of(code) > CORNERS / 2 ? code ^ (MM_SURFEL_CODES - 1) : code;
    double area = 0.0;
    links all;
    loop one;

    join_faces(&all, cut);
    for (unsigned point = 0; point < POINTS; point++)
        if (all.count[point] > 0) {
            walk(&all, cut, point, &one);
            area += loop_area(&one, spacing);
        }
    return area;
}

/* Two on a diagonal: two separate corners. */
static double length_of(unsigned code, const double *spacing)
{
    const double diagonal = sqrt(spacing[0] * spacing[0] + spacing[1] * spacing[1]);

    if (code == 0 || code == 15)
        return 0.0;
    if (code == 3 || code == 12)
        return spacing[1];
    if (code == 5 || code == 10)
        return spacing[0];
    return code == 6 || code == 9 ? diagonal : 0.5 * diagonal;
}

void mm_surfel_sizes(unsigned rank, const double *spacing, double size[MM_SURFEL_CODES])
{
    for (unsigned code = 0; code < 1u << (1u << rank); code++)
        size[code] = rank == 3   ? area_of(code, spacing)
                     : rank == 2 ? length_of(code, spacing)
                                 : (code == 1 || code == 2 ? 1.0 : 0.0);
}
