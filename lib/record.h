/*
 * record.h - an image record: everything that is kept of one image.  Private to lib/.
 */
#ifndef MM_RECORD_H
#define MM_RECORD_H

#include "lib/sums.h"

/* One image.  Arrays are owned by the record. */
typedef struct mm_record {
    char *id;
    uint64_t voxels;                                 /* all */
    uint64_t scored;                                 /* not masked, not ignored */
    uint64_t unmasked;                               /* scored or ignored */
    uint64_t *label_count, *pred_count, *both_count; /* hard counts per class: label, prediction, both (TP) */
    uint64_t *confusion; /* classes x classes, row = label, or NULL; multilabel needs none */
    mm_stat *stats;      /* which sums: stat_count */
    size_t stat_count;
    double *sums; /* value w of class c of column i: mm_stats_offset(stats, i, classes) + w * classes + c */
} mm_record;

struct mm_images {
    mm_task task;
    size_t classes;
    size_t count, room;
    mm_record *records; /* in order of arrival */
    mm_record batch;    /* columns with MM_STAT_BATCH: of these images as one upload; nothing after a merge or a load */
    size_t *slots;      /* hash of ids, open addressing: position in records + 1, 0 is free */
    size_t slot_count;  /* a power of two, at least twice room */
};

/* Position of the record with that id, or count. */
size_t mm_images_find(const mm_images *images, const char *id);

/* A new record at the end, its arrays zeroed (confusion only when asked).  NULL: out of memory. */
mm_record *mm_images_append(mm_images *images, const char *id, const mm_stat *stats, size_t stat_count, int confusion);
/* Copies the columns of all images as one upload. */
mm_status mm_images_set_batch(mm_images *images, const mm_stat *stats, size_t count, const double *values);

#endif
