/*
 * wholes.h - the tasks that compute columns of whole images (image_kinds.h).  Private to lib/.
 */
#ifndef MM_WHOLES_H
#define MM_WHOLES_H

#include "lib/image_kinds.h"

/* Columns of each image, or (MM_STAT_BATCH) of all images as one. */
typedef struct mm_wholes {
    mm_stat stats[MM_MAX_STATS];
    size_t count;
    size_t fields;                 /* images, or 1 */
    size_t images;                 /* of a field: 1, or all */
    size_t tasks_of_field, values; /* of one field */
    double *results;               /* [field][value]: as the sums of a record with these columns */
    atomic_int no_memory;
} mm_wholes;

/* Picks the columns of whole images, with or without MM_STAT_BATCH, out of `stats`.  Release with mm_wholes_clear(). */
mm_status mm_wholes_init(mm_wholes *wholes, const mm_shape *shape, const mm_stat *stats, size_t count, int batch);
void mm_wholes_clear(mm_wholes *wholes);
size_t mm_wholes_task_count(const mm_wholes *wholes);
void mm_wholes_task(mm_wholes *wholes, mm_pass *pass, size_t task, mm_scratch *scratch);

#endif
