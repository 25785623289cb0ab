/*
 * image_kinds.c - the list of kinds that see an image as a whole, and what they share.
 */
#include "lib/image_kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One line per file that computes some: its rows end with kind 0. */
static const mm_image_kind *const families[] = {
    mm_image_order,   mm_image_window,   mm_image_skeleton, mm_image_components,
    mm_image_erosion, mm_image_distance, mm_image_border,   mm_image_regions,
};

const mm_image_kind *mm_image_kind_find(unsigned kind)
{
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++)
        for (const mm_image_kind *row = families[f]; row->kind != 0; row++)
            if (row->kind == kind)
                return row;
    return NULL;
}

/* ------------------------------------------------------------------- words */

/* "voxels, connectivity 2, taxicab" */
static void describe_surfaces(const mm_stat *stat, char *text, size_t size)
{
    static const char *const metrics[] = {"euclidean", "chessboard", "taxicab", "?"};
    const unsigned options = (unsigned)stat->more[MM_SURFACE_OPTIONS];
    const unsigned connectivity = options / MM_SURFACE_CONNECTIVITY;
    char neighbours[32] = "";

    if (!(options & MM_SURFACE_SURFELS))
        snprintf(neighbours, sizeof neighbours, " of connectivity %u", connectivity == 0 ? 1 : connectivity);
    snprintf(text, size, "%s%s, %s", options & MM_SURFACE_SURFELS ? "surfels" : "voxels", neighbours,
             metrics[options & MM_SURFACE_METRIC]);
}

/* Columns of surfaces say which number they are of, and what their values are. */
static int describe_surface(const mm_stat *stat, char *text, size_t size)
{
    char surfaces[64];

    if (stat->kind < MM_IMAGE_SURFACE || stat->kind > MM_IMAGE_SURFACE_WITHIN)
        return 0;
    describe_surfaces(stat, surfaces, sizeof surfaces);
    if (stat->kind == MM_IMAGE_SURFACE)
        snprintf(
            text, size,
            "distances between surfaces (%s): reason; size, sum, sum of squares and greatest, each from prediction "
            "and from label; diagonal",
            surfaces);
    else if (stat->kind == MM_IMAGE_SURFACE_PERCENTILE)
        snprintf(text, size,
                 "percentile %g of the distances between surfaces (%s): reason; from prediction, from label, of both",
                 stat->more[MM_SURFACE_Q], surfaces);
    else
        snprintf(text, size, "surfaces within %g of each other (%s): reason; size of prediction's, of label's",
                 stat->more[MM_SURFACE_TOLERANCE], surfaces);
    return 1;
}

/* "words (alpha 2, erosions 10): reason; what it holds" */
static void describe_numbers(const mm_image_kind *kind, const mm_stat *stat, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "%s", kind->words);

    for (size_t i = 0; i < 3 && kind->numbers[i] != NULL && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s %g%s", i == 0 ? " (" : ", ", kind->numbers[i],
                                 stat->more[i], i == 2 || kind->numbers[i + 1] == NULL ? ")" : "");
    if (kind->holds != NULL && used < size)
        snprintf(text + used, size - used, ": reason; %s", kind->holds);
}

void mm_image_kind_describe(const mm_stat *stat, char *text, size_t size)
{
    const mm_image_kind *kind = mm_image_kind_find(stat->kind);

    if (kind == NULL)
        snprintf(text, size, "unknown kind");
    else if (!describe_surface(stat, text, size))
        describe_numbers(kind, stat, text, size);
}

/* ------------------------------------------------------------------- masks */

static void compare_classes(const float *classes, size_t voxels, size_t class_index, unsigned char *mask)
{
    for (size_t v = 0; v < voxels; v++)
        mask[v] = classes[v] < 0.0f ? MM_NOT_SCORED : classes[v] == (float)class_index;
}

static int masks_of_classes(const mm_field *field, size_t n, size_t class_index, unsigned char *label,
                            unsigned char *pred)
{
    float *of_label = malloc(field->voxels * sizeof *of_label), *of_pred = malloc(field->voxels * sizeof *of_pred);
    const int fine = of_label != NULL && of_pred != NULL;

    if (fine) {
        mm_field_classes(field, n, of_label, of_pred);
        compare_classes(of_label, field->voxels, class_index, label);
        if (pred != NULL)
            compare_classes(of_pred, field->voxels, class_index, pred);
    }
    free(of_label);
    free(of_pred);
    return fine;
}

static void threshold_plane(const double *plane, const double *scored, size_t voxels, double threshold,
                            unsigned char *mask)
{
    for (size_t v = 0; v < voxels; v++)
        mask[v] = scored[v] == 0.0 ? MM_NOT_SCORED : plane[v] > threshold;
}

static int masks_of_planes(const mm_field *field, size_t n, size_t class_index, unsigned char *label,
                           unsigned char *pred)
{
    const mm_pass *pass = field->pass;
    const int hard = pass->shape.pred_kind == MM_MASKS || pass->shape.pred_kind == MM_LABELS;
    const size_t bytes = field->voxels * sizeof(double);
    double *g = malloc(bytes), *scored = malloc(bytes), *p = pred == NULL ? NULL : malloc(bytes);
    const int fine = g != NULL && scored != NULL && (p != NULL || pred == NULL);
    mm_field natural = *field;

    natural.form = pass->natural;
    if (fine) {
        mm_field_planes(&natural, n, class_index, p, g, scored);
        threshold_plane(g, scored, field->voxels, 0.5, label);
        if (pred != NULL)
            threshold_plane(p, scored, field->voxels, hard ? 0.5 : pass->threshold, pred);
    }
    free(g);
    free(scored);
    free(p);
    return fine;
}

int mm_field_masks(const mm_field *field, size_t n, size_t class_index, unsigned char *label, unsigned char *pred)
{
    const mm_shape *shape = &field->pass->shape;

    /* The label of an index map alone is as well taken from its plane. */
    if (shape->task == MM_MULTICLASS && (pred != NULL || shape->label_kind != MM_INDEX))
        return masks_of_classes(field, n, class_index, label, pred);
    return masks_of_planes(field, n, class_index, label, pred);
}

/* -------------------------------------------------------------------- sums */

double mm_plane_sum(const mm_kernels *k, const double *plane, size_t count)
{
    double last[MM_CHUNK] = {0.0}, sum = 0.0;
    size_t first = 0;

    for (; count - first >= MM_CHUNK; first += MM_CHUNK)
        sum += k->sum(plane + first, MM_CHUNK);
    if (first < count) {
        memcpy(last, plane + first, (count - first) * sizeof *last);
        sum += k->sum(last, mm_plane_length(count - first));
    }
    return sum;
}
