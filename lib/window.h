/*
 * window.h - weighted means over windows of an image, one axis after the other.  Private to lib/.
 *
 * A plane is row-major.  Images of fewer than three axes have axes of length 1 in front, which are never filtered.
 */
#ifndef MM_WINDOW_H
#define MM_WINDOW_H

#include <stddef.h>

#define MM_MAX_WINDOW 101 /* voxels along an axis */

/* Weights along one axis; those of a voxel are their product. */
typedef struct mm_window {
    size_t size;
    double weight[MM_MAX_WINDOW];
} mm_window;

/* exp(-(i - middle)^2 / (2 sigma^2)), or with sigma 0 all equal; they add up to 1. */
void mm_window_init(mm_window *window, size_t size, double sigma);
/* The integral of the Gaussian over each voxel: what lies outside the window is missing, so they add up to less than 1.
 */
void mm_window_integral(mm_window *window, size_t size, double sigma);

typedef struct mm_grid {
    size_t dim[3], stride[3];
    unsigned first; /* of the axes that there are: 3 - their number */
    size_t voxels;
} mm_grid;

mm_grid mm_grid_of(unsigned rank, const size_t *spatial);
/* How many positions of a whole window there are along each axis; 0 when one axis is too short. */
int mm_grid_positions(const mm_grid *grid, size_t window, size_t positions[3]);

/* Whole windows only: the mean of the window that begins at a voxel takes that voxel's place, for the positions of
 * mm_grid_positions(); other places are left with anything.  row: dim[2] numbers of room. */
void mm_window_inside(double *plane, const mm_grid *grid, const mm_window *window, double *row);
/* Windows around every voxel, of odd size; outside the image there is 0.  room: another plane; the result is in plane.
 */
void mm_window_around(double *plane, const mm_grid *grid, const mm_window *window, double *room);

#endif
