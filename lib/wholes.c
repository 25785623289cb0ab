/*
 * wholes.c - one task per field (an image, or all of an upload), column and class.
 */
#include "lib/wholes.h"

#include <stdlib.h>

/* Of one field. */
static size_t tasks_of(const mm_stat *stat, size_t classes)
{
    const mm_image_kind *kind = mm_image_kind_find(stat->kind);

    return kind->compute == NULL ? 0 : kind->joint ? 1 : classes;
}

mm_status mm_wholes_init(mm_wholes *wholes, const mm_shape *shape, const mm_stat *stats, size_t count, int batch)
{
    wholes->count = wholes->tasks_of_field = 0;
    wholes->fields = batch ? 1 : shape->images;
    wholes->images = batch ? shape->images : 1;
    wholes->results = NULL;
    atomic_init(&wholes->no_memory, 0);
    for (size_t i = 0; i < count; i++) {
        if (stats[i].kind < MM_IMAGE_KINDS || ((stats[i].flags & MM_STAT_BATCH) != 0) != batch)
            continue;
        wholes->stats[wholes->count++] = stats[i];
        wholes->tasks_of_field += tasks_of(&stats[i], shape->classes);
    }
    wholes->values = mm_stats_offset(wholes->stats, wholes->count, shape->classes);
    if (wholes->count == 0)
        return MM_OK;
    wholes->results = calloc(wholes->fields, wholes->values * sizeof(double));
    return wholes->results == NULL ? MM_NO_MEMORY : MM_OK;
}

void mm_wholes_clear(mm_wholes *wholes)
{
    free(wholes->results);
    wholes->results = NULL;
}

size_t mm_wholes_task_count(const mm_wholes *wholes)
{
    return wholes->count == 0 ? 0 : wholes->fields * wholes->tasks_of_field;
}

/* One column for one class; its values go to every `classes`-th place, as in a record. */
static void run(mm_wholes *wholes, const mm_field *field, size_t column, size_t c, double *results)
{
    const size_t classes = field->pass->shape.classes, width = mm_stat_width(&wholes->stats[column], classes);
    double *values = calloc(width, sizeof *values);

    if (values == NULL ||
        !mm_image_kind_find(wholes->stats[column].kind)->compute(field, &wholes->stats[column], c, values)) {
        atomic_store(&wholes->no_memory, 1);
    } else {
        double *to = results + mm_stats_offset(wholes->stats, column, classes) + c;

        for (size_t w = 0; w < width; w++)
            to[w * classes] = values[w];
    }
    free(values);
}

void mm_wholes_task(mm_wholes *wholes, mm_pass *pass, size_t task, mm_scratch *scratch)
{
    const size_t field_index = task / wholes->tasks_of_field, classes = pass->shape.classes;
    size_t left = task % wholes->tasks_of_field, column = 0;

    while (left >= tasks_of(&wholes->stats[column], classes))
        left -= tasks_of(&wholes->stats[column++], classes);
    const mm_field field = {.pass = pass,
                            .scratch = scratch,
                            .image = field_index * wholes->images,
                            .images = wholes->images,
                            .voxels = pass->shape.voxels,
                            .form = mm_pass_form(pass, wholes->stats[column].form)};

    run(wholes, &field, column, left, wholes->results + field_index * wholes->values);
}
