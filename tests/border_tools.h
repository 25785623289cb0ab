/*
 * border_tools.h - distances, surfaces, bands and components of small masks, from all pairs of places.
 */
#ifndef MM_BORDER_TOOLS_H
#define MM_BORDER_TOOLS_H

#include "lib/distance.h"
#include "tests/score_tools.h"

#define MOST_PLACES 400

/* Places in a row-major array. */
typedef struct places {
    unsigned rank;
    size_t dim[4], count;
    double spacing[4];
} places;

/* Those of an image: spacing as the data has it, or 1 in voxels. */
places places_of(const data *d);
places places_in_voxels(const data *d);
/* Two images of 5 x 6 voxels, two exclusive classes: rows 1 and 2 of the prediction are of class 1, rows 1 to 3 of the
 * first label; none of the second. */
data rows_apart(void);

/* The hard masks of one (image, class): of the label, of the prediction. */
void label_mask(const data *d, size_t n, size_t c, unsigned char *mask);
void pred_mask(const data *d, size_t n, size_t c, unsigned char *mask);

/* From place v to place w; chessboard and taxicab count places. */
double apart(const places *all, mm_metric metric, size_t v, size_t w);
/* To the nearest place whose mask differs (Euclidean); INFINITY: there is none. */
double to_other_side(const places *all, const unsigned char *mask, size_t v);
/* 1 + (max d - d) / max (max d - d) at the set places, d = to_other_side(); 1 where all are as far. */
void nearness_of(const places *all, const unsigned char *mask, double *weight);

/* Set places with a place beside them that is not, or is outside the array; beside: one step along at most
 * `connectivity` axes. */
void surface_of(const places *all, const unsigned char *mask, unsigned connectivity, unsigned char *surface);
/* Set places at most `depth` from a place that is not set or outside the array. */
void band_of(const places *all, const unsigned char *mask, mm_metric metric, double depth, unsigned char *band);
/* What is left of a mask when it is eroded by a cube of 3 places along each axis, with nothing set outside. */
void erode(const places *all, const unsigned char *mask, unsigned char *left);
/* Numbers of the components in order of their first place, from 1; 0 outside.  Returns how many there are. */
size_t components_of(const places *all, const unsigned char *mask, unsigned connectivity, size_t *component);
/* The mean Dice around each component of the label; NAN: it has none. */
double dice_of_regions(const places *all, const unsigned char *label, const unsigned char *pred, unsigned connectivity);

#endif
