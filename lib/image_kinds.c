/*
 * image_kinds.c - the list of kinds that see an image as a whole.
 */
#include "lib/image_kinds.h"

#include <stddef.h>

/* One line per file that computes some: its rows end with kind 0. */
static const mm_image_kind *const families[] = {
    NULL, /* the end */
};

const mm_image_kind *mm_image_kind_find(unsigned kind)
{
    for (size_t f = 0; families[f] != NULL; f++)
        for (const mm_image_kind *row = families[f]; row->kind != 0; row++)
            if (row->kind == kind)
                return row;
    return NULL;
}
