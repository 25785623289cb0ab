/*
 * surfel.h - the size of the surface inside a block of voxels, by which of them are set.  Private to lib/.
 *
 * A block has 2 voxels along each axis (1 to 3 axes).  Its code has one bit per voxel: the one with the lowest index on
 * every axis is the top bit, the last axis is fastest.
 */
#ifndef MM_SURFEL_H
#define MM_SURFEL_H

#define MM_SURFEL_CODES 256

/* size[code], code < 2^(2^rank): the area (3 axes), length (2), or number of ends (1) of the surface that joins the
 * middles of the edges between set and unset voxels. */
void mm_surfel_sizes(unsigned rank, const double *spacing, double size[MM_SURFEL_CODES]);

#endif
