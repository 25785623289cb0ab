/*
 * export.h - an evaluation in the shapes that other tools read.
 */
#ifndef MM_EXPORT_H
#define MM_EXPORT_H

#include "server/stored.h"

typedef enum mm_export_format {
    MM_EXPORT_JSON, /* not one of these: the answer of reply.h */
    MM_EXPORT_CSV,
    MM_EXPORT_NNUNET,
    MM_EXPORT_GRAND_CHALLENGE,
    MM_EXPORT_MLFLOW
} mm_export_format;

#define MM_EXPORT_WORDS "json|csv|nnunet|grand-challenge|mlflow" /* in the order of mm_export_format */

/* What is exported: read and scored, with the values per image. */
typedef struct mm_exported {
    const char *run, *split;
    int64_t step;
    const mm_stored *stored;
} mm_exported;

/* The scores that a format needs whatever the client asks for; NULL: those that are asked for. */
const char *mm_export_scores(mm_export_format format);
const char *mm_export_type(mm_export_format format); /* media type */
/* About the most bytes of the text, for admission. */
size_t mm_export_size(const mm_exported *what, mm_export_format format);
/* malloc'ed; NULL: out of memory. */
char *mm_export(const mm_exported *what, mm_export_format format, size_t *size);

#endif
