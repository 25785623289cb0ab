/*
 * directed.h - the distances of all elements of one surface from the other, and what they are reduced to.
 * Private to lib/.
 *
 * Sums are added in the order of sums.h: element i, in the order of places, belongs to lane i mod 16 of chunk
 * i div 1024.
 */
#ifndef MM_DIRECTED_H
#define MM_DIRECTED_H

#include "lib/kernels_surface.h"
#include "lib/surfel.h"

/* Sizes of elements by their code. */
typedef struct mm_sizes {
    double of[MM_SURFEL_CODES];
    unsigned char rank[MM_SURFEL_CODES];    /* how many are smaller: equal sizes have one rank */
    unsigned char by_size[MM_SURFEL_CODES]; /* the codes, smallest first */
} mm_sizes;

/* Sets all but the sizes. */
void mm_sizes_rank(mm_sizes *sizes);

typedef struct mm_directed {
    double *squared;     /* distances; INFINITY: the other surface has no elements */
    unsigned char *code; /* NULL: all elements are of size 1 */
    size_t count;
} mm_directed;

/* Sums over the list: of sizes, of sizes times distance, and times its square. */
typedef struct mm_directed_sums {
    double size, distance, square;
} mm_directed_sums;

mm_directed_sums mm_directed_add(const mm_directed *list, const mm_sizes *sizes, const mm_kernels *k);
double mm_directed_greatest(const mm_directed *list, const mm_kernels *k); /* distance */
/* Size of the elements at most `tolerance` away; rounding of distances does not count. */
double mm_directed_within(const mm_directed *list, const mm_sizes *sizes, const mm_kernels *k, double tolerance);

/* Percentiles of lists that are not empty; they change the order of the elements. */
/* Elements of size 1: linear between the distances. */
double mm_directed_percentile(double *squared, size_t count, double q);
/* By size: sorts by distance, then size (room: 9 bytes per element), and gives the first distance at which the share
 * of the sizes up to it reaches q percent. */
void mm_directed_sort(mm_directed *list, const mm_sizes *sizes, void *room);
double mm_directed_quantile(const mm_directed *sorted, const mm_sizes *sizes, double q);

#endif
