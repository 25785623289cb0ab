/*
 * window.c - separable filters: for each axis, weighted sums of rows that lie a stride apart.
 */
#include "lib/window.h"

#include <math.h>
#include <string.h>

#include "lib/elementary.h"

void mm_window_init(mm_window *window, size_t size, double sigma)
{
    const double middle = ((double)size - 1.0) / 2.0;
    double total = 0.0;

    window->size = size;
    for (size_t i = 0; i < size; i++) {
        const double off = sigma > 0.0 ? ((double)i - middle) / sigma : 0.0;

        window->weight[i] = mm_exp_of(-(off * off) / 2.0);
        total += window->weight[i];
    }
    for (size_t i = 0; i < size; i++)
        window->weight[i] /= total;
}

/* 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x: 2 x / sqrt(pi) exp(-x^2) sum_n (2 x^2)^n / (1 3 5 ...
 * (2n+1)), whose terms are all positive; above 6 it is 1 in double. */
static double error_function(double x)
{
    const double two_over_sqrt_pi = 1.1283791670955126, limit = fabs(x) < 6.0 ? x : 0.0;
    double term = 1.0, sum = 1.0;

    for (unsigned n = 1; term > sum * 1e-17; n++) {
        term *= 2.0 * limit * limit / (2.0 * n + 1.0);
        sum += term;
    }
    if (limit != x)
        return x > 0.0 ? 1.0 : -1.0;
    return two_over_sqrt_pi * x * mm_exp_of(-(x * x)) * sum;
}

void mm_window_integral(mm_window *window, size_t size, double sigma)
{
    const double middle = ((double)size - 1.0) / 2.0, scale = 1.0 / (sigma * sqrt(2.0));

    window->size = size;
    for (size_t i = 0; i < size; i++) {
        const double off = (double)i - middle;

        window->weight[i] = 0.5 * (error_function((off + 0.5) * scale) - error_function((off - 0.5) * scale));
    }
}

mm_grid mm_grid_of(unsigned rank, const size_t *spatial)
{
    mm_grid grid = {.dim = {1, 1, 1}, .stride = {1, 1, 1}, .first = 3 - rank};

    for (unsigned axis = 0; axis < rank; axis++)
        grid.dim[grid.first + axis] = spatial[axis];
    grid.stride[1] = grid.dim[2];
    grid.stride[0] = grid.dim[1] * grid.dim[2];
    grid.voxels = grid.dim[0] * grid.stride[0];
    return grid;
}

int mm_grid_positions(const mm_grid *grid, size_t window, size_t positions[3])
{
    for (unsigned axis = 0; axis < 3; axis++) {
        const size_t size = axis < grid->first ? 1 : window;

        if (grid->dim[axis] < size)
            return 0;
        positions[axis] = grid->dim[axis] - size + 1;
    }
    return 1;
}

/* sum_k weight[k] from[k stride + i] for i of a row */
static void weigh_row(double *to, const double *from, size_t stride, const double *weight, size_t count, size_t length)
{
    for (size_t i = 0; i < length; i++)
        to[i] = 0.0;
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < length; i++)
            to[i] += weight[k] * from[k * stride + i];
}

void mm_window_inside(double *plane, const mm_grid *grid, const mm_window *window, double *row)
{
    size_t left[3] = {grid->dim[0], grid->dim[1], grid->dim[2]}; /* places that still mean something */

    for (unsigned axis = grid->first; axis < 3; axis++) {
        left[axis] -= window->size - 1;
        for (size_t i = 0; i < left[0]; i++)
            for (size_t j = 0; j < left[1]; j++) {
                double *at = plane + i * grid->stride[0] + j * grid->stride[1];

                weigh_row(row, at, grid->stride[axis], window->weight, window->size, left[2]);
                memcpy(at, row, left[2] * sizeof *at);
            }
    }
}

/* The part of a window around index `at` of an axis that lies in it: from window index *first on, `count` long. */
static size_t overlap(size_t at, size_t length, size_t size, size_t *first)
{
    const size_t reach = size / 2, end = at + reach < length ? at + reach + 1 : length;

    *first = at < reach ? reach - at : 0;
    return end - (at + *first - reach);
}

/* One axis of mm_window_around(), the last one voxel by voxel. */
static void around_axis(double *to, const double *from, const mm_grid *grid, unsigned axis, const mm_window *window)
{
    const size_t reach = window->size / 2, stride = grid->stride[axis];
    const size_t length = axis == 2 ? 1 : grid->dim[2];
    size_t at[3];

    for (at[0] = 0; at[0] < grid->dim[0]; at[0]++)
        for (at[1] = 0; at[1] < grid->dim[1]; at[1]++)
            for (at[2] = 0; at[2] < grid->dim[2]; at[2] += length) {
                const size_t here = at[0] * grid->stride[0] + at[1] * grid->stride[1] + at[2];
                size_t first;
                const size_t count = overlap(at[axis], grid->dim[axis], window->size, &first);

                weigh_row(to + here, from + (here - (reach - first) * stride), stride, window->weight + first, count,
                          length);
            }
}

void mm_window_around(double *plane, const mm_grid *grid, const mm_window *window, double *room)
{
    double *from = plane, *to = room;

    for (unsigned axis = grid->first; axis < 3; axis++) {
        double *swap = from;

        around_axis(to, from, grid, axis, window);
        from = to;
        to = swap;
    }
    if (from != plane)
        memcpy(plane, from, grid->voxels * sizeof *plane);
}
