/*
 * place.h - one chunk of one image while it is worked on: its labels and its predictions.  Private to lib/.
 */
#ifndef MM_PLACE_H
#define MM_PLACE_H

#include "lib/chunk.h"

/* Where a chunk is: passed down as one. */
typedef struct mm_place {
    mm_pass *pass;
    mm_scratch *s;
    size_t image, chunk, n; /* n voxels of it are in the image */
    double *sums;           /* the values of the chunk */
} mm_place;

const unsigned char *mm_place_at(const mm_place *here, const mm_axes *axes, size_t class_index);

/* place_labels.c: which voxels are scored, and their labels.  Fills scored_count, labels_hard and the planes label,
 * wide_label and scored (the fast way leaves scored alone where all are). */
void mm_place_labels(const mm_place *here);
/* The plane g of a class, checked, 0 where not scored. */
void mm_place_g(const mm_place *here, size_t class_index);

/* place_pred.c: predictions.  A label map as a prediction, into the plane map. */
void mm_place_pred_map(const mm_place *here);
/* What pred holds for a class, as sent (bytes scaled, maps as masks), 0 where not scored. */
void mm_place_pred_plane(const mm_place *here, size_t class_index, double *out);
void mm_place_check_pred(const mm_place *here, const double *plane);
/* Greatest value over the classes from `first` on, its class, and the sum: planes max, best, total. */
void mm_place_maximum(const mm_place *here, size_t first, int check);
/* Everything that mm_place_class() needs; then p, q (and exact_p, exact_q) of a class in that form. */
void mm_place_begin_form(const mm_place *here, unsigned form);
void mm_place_class(const mm_place *here, unsigned form, size_t class_index);
/* place_maps.c: what the maps are to hold of this chunk, where they are asked for. */
void mm_place_map_classes(const mm_place *here);
void mm_place_map_masks(const mm_place *here, size_t class_index, const double *p, double threshold, const double *g);
void mm_place_map_bytes(const mm_place *here, size_t class_index, const unsigned char *p, const unsigned char *g);
void mm_place_map_channels(const mm_place *here);
/* The first class that has a p in that form. */
size_t mm_form_first_class(unsigned form);
int mm_form_is_softmax(unsigned form);

#endif
