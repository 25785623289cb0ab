/*
 * surface_columns.h - from the two lists of distances of a pair to the columns of the record.  Private to lib/.
 */
#ifndef MM_SURFACE_COLUMNS_H
#define MM_SURFACE_COLUMNS_H

#include "lib/surface.h"
#include "lib/wholes.h"

int mm_is_surface_kind(unsigned kind);

/* The columns of wholes that come of one pair. */
typedef struct mm_surface_columns {
    const mm_pass *pass;
    mm_wholes *wholes;
    const size_t *geometry_of; /* each column of wholes */
    size_t geometry, image, class_index;
} mm_surface_columns;

/* Of a pair whose distances are there: what comes of each side, by itself; then, since that mixes the lists, what comes
 * of both together.  Change the order of the lists. */
void mm_surface_fill_side(const mm_surface_columns *columns, mm_pair *pair, unsigned side);
void mm_surface_fill_both(const mm_surface_columns *columns, mm_pair *pair);
/* Of a class that is in neither mask. */
void mm_surface_fill_absent(const mm_surface_columns *columns, const mm_geometry *geometry);

#endif
