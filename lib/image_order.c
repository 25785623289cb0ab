/*
 * image_order.c - kinds that need the voxels in order: Lovasz extensions, top-k, AUROC, average precision.
 *
 * Voxels of equal value form one step, and a step knows only how many voxels of the label and how many others it has:
 * no result depends on the order of ties.
 */
#include "lib/image_kinds.h"

#include <math.h>
#include <stdlib.h>

#include "lib/elementary.h"
#include "lib/sort.h"
#include "lib/tensor.h"

/* ------------------------------------------------------------------- order */

/* The values of a list, those of the label's voxels apart from the others: both ascending once sorted. */
typedef struct order {
    uint64_t *keys;       /* `room` of them: the label's from the front, the others' from the back */
    uint64_t *spare;      /* as many, for sorting */
    size_t room, in, out; /* label's, others' */
} order;

/* One value, and how many voxels of the label and others have it. */
typedef struct step {
    double value;
    size_t in, out;
} step;

static int order_new(order *list, size_t lists, size_t voxels)
{
    size_t bytes;

    *list = (order){.keys = NULL};
    if (!mm_multiply(lists, voxels, &list->room) || !mm_multiply(list->room, sizeof *list->keys, &bytes))
        return 0;
    list->keys = malloc(bytes);
    list->spare = malloc(bytes);
    return list->keys != NULL && list->spare != NULL;
}

static void order_free(order *list)
{
    free(list->keys);
    free(list->spare);
}

static void order_add(order *list, double value, int in_label)
{
    if (in_label)
        list->keys[list->in++] = mm_key_of(value);
    else
        list->keys[list->room - ++list->out] = mm_key_of(value);
}

static void order_sort(order *list)
{
    mm_sort_keys(list->keys, list->spare, list->in);
    mm_sort_keys(list->keys + list->room - list->out, list->spare, list->out);
}

/* Takes the greatest value off a sorted list; 0 when nothing is left. */
static int order_take(order *list, step *taken)
{
    const uint64_t *in = list->keys, *out = list->keys + list->room - list->out;
    size_t label = list->in, others = list->out;

    if (label + others == 0)
        return 0;
    const uint64_t key =
        others == 0 || (label > 0 && in[label - 1] >= out[others - 1]) ? in[label - 1] : out[others - 1];

    while (label > 0 && in[label - 1] == key)
        label--;
    while (others > 0 && out[others - 1] == key)
        others--;
    *taken = (step){.value = mm_of_key(key), .in = list->in - label, .out = list->out - others};
    /* The others lie at the back: what is left of them moves there, in that `room` shrinks. */
    list->room -= taken->out;
    list->in = label;
    list->out = others;
    return 1;
}

/* --------------------------------------------------------------- the planes */

/* Planes of one image and class, and the hard label. */
typedef struct planes {
    double *p;
    unsigned char *label; /* 1, 0, or MM_NOT_SCORED */
} planes;

static int planes_new(planes *of, const mm_field *field)
{
    *of = (planes){.p = NULL};
    of->p = malloc(field->voxels * sizeof *of->p);
    of->label = malloc(field->voxels);
    return of->p != NULL && of->label != NULL;
}

static void planes_free(planes *of)
{
    free(of->p);
    free(of->label);
}

/* What a voxel is sorted by. */
typedef double (*sort_value)(double p, int g, const mm_stat *stat);

/* Adds the voxels of one class of all images of the field. */
static int add_class(order *list, const mm_field *field, const mm_stat *stat, size_t class_index, sort_value value_of)
{
    planes of;
    int fine = planes_new(&of, field);

    for (size_t n = 0; fine && n < field->images; n++) {
        mm_field_planes(field, n, class_index, of.p, NULL, NULL);
        fine = mm_field_masks(field, n, class_index, of.label, NULL);
        for (size_t v = 0; fine && v < field->voxels; v++)
            if (of.label[v] != MM_NOT_SCORED)
                order_add(list, value_of(of.p[v], of.label[v], stat), of.label[v]);
    }
    planes_free(&of);
    return fine;
}

/* Adds the voxels of all classes. */
static int add_classes(order *list, const mm_field *field, const mm_stat *stat, sort_value value_of)
{
    const size_t classes = field->pass->shape.classes;
    size_t lists;
    int fine = mm_multiply(field->images, classes, &lists) && order_new(list, lists, field->voxels);

    for (size_t c = 0; fine && c < classes; c++)
        fine = add_class(list, field, stat, c, value_of);
    return fine;
}

/* ------------------------------------------------------------------- Lovasz */

/* The size of the error, or with gamma 1 the hinge max(1 - x (2g - 1), 0) of a logit x. */
static double error_of(double p, int g, const mm_stat *stat)
{
    if (stat->gamma == 0.0)
        return fabs((double)g - p);
    const double margin = g ? 1.0 - p : 1.0 + p;

    return margin > 0.0 ? margin : 0.0;
}

/* sum_k e_k (J_k - J_(k-1)), J_k = 1 - (G - tp) / (G + fp), errors e descending; J_0 = 0. */
static double lovasz_of(order *list)
{
    const double label = (double)list->in;
    double loss = 0.0, before = 0.0;
    size_t tp = 0, fp = 0;
    step next;

    order_sort(list);
    while (order_take(list, &next) && next.value > 0.0) {
        tp += next.in;
        fp += next.out;
        const double jaccard = 1.0 - (label - (double)tp) / (label + (double)fp);

        loss += next.value * (jaccard - before);
        before = jaccard;
    }
    return loss;
}

static void set_lovasz(order *list, double *values)
{
    if (list->in + list->out == 0)
        values[0] = MM_NO_VOXELS;
    else
        values[1] = lovasz_of(list);
}

static int lovasz(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    order list;
    const int fine =
        order_new(&list, field->images, field->voxels) && add_class(&list, field, stat, class_index, error_of);

    if (fine)
        set_lovasz(&list, values);
    order_free(&list);
    return fine;
}

static int lovasz_joint(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    order list = {.keys = NULL};
    const int fine = add_classes(&list, field, stat, error_of);

    (void)class_index;
    if (fine)
        set_lovasz(&list, values);
    order_free(&list);
    return fine;
}

/* -------------------------------------------------------------------- top-k */

static int exclusive(const mm_field *field)
{
    return field->pass->shape.task == MM_MULTICLASS;
}

/* Adds the scored voxels' cross-entropy: of an image, or of each class against the rest. */
static int add_entropies(order *list, const mm_field *field, double eps)
{
    const size_t classes = exclusive(field) ? 1 : field->pass->shape.classes;
    double *entropy = malloc(field->voxels * sizeof *entropy), *scored = malloc(field->voxels * sizeof *scored);
    const int fine = entropy != NULL && scored != NULL;

    for (size_t n = 0; fine && n < field->images; n++)
        for (size_t c = 0; c < classes; c++) {
            if (exclusive(field))
                mm_field_cross_entropy(field, n, eps, entropy, scored);
            else
                mm_field_binary_entropy(field, n, c, eps, entropy, scored);
            for (size_t v = 0; v < field->voxels; v++)
                if (scored[v] != 0.0)
                    order_add(list, entropy[v], 1);
        }
    free(entropy);
    free(scored);
    return fine;
}

/* The mean of the floor(V k / 100) greatest, at least one. */
static int topk(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    const size_t classes = exclusive(field) ? 1 : field->pass->shape.classes;
    order list = {.keys = NULL};
    size_t lists;
    const int fine = mm_multiply(field->images, classes, &lists) && order_new(&list, lists, field->voxels) &&
                     add_entropies(&list, field, stat->eps);

    (void)class_index;
    if (fine && list.in == 0) {
        values[0] = MM_NO_VOXELS;
    } else if (fine) {
        const double share = floor((double)list.in * stat->more[0] / 100.0);
        const size_t most = share >= (double)list.in ? list.in : share < 1.0 ? 1 : (size_t)share;
        double sum = 0.0;

        order_sort(&list);
        for (size_t i = 0; i < most; i++)
            sum += mm_of_key(list.keys[list.in - 1 - i]);
        values[1] = sum / (double)most;
    }
    order_free(&list);
    return fine;
}

/* --------------------------------------------------------------------- rank */

static double prediction(double p, int g, const mm_stat *stat)
{
    (void)g;
    (void)stat;
    return p;
}

/* Trapezoids of tp over fp, counted in halves of a voxel pair, over all pairs. */
static double auroc_of(order *list)
{
    const double pairs = (double)list->in * (double)list->out;
    uint64_t halves = 0, tp = 0;
    step next;

    while (order_take(list, &next)) {
        halves += (uint64_t)next.out * (2 * tp + next.in);
        tp += next.in;
    }
    return (double)halves / (2.0 * pairs);
}

/* sum_k (recall_k - recall_(k-1)) precision_k */
static double average_precision_of(order *list)
{
    const double label = (double)list->in;
    double sum = 0.0;
    size_t tp = 0, fp = 0;
    step next;

    while (order_take(list, &next)) {
        tp += next.in;
        fp += next.out;
        sum += (double)next.in * ((double)tp / (double)(tp + fp));
    }
    return sum / label;
}

/* Undefined without a voxel of the label; auroc also without another. */
static void set_rank(order *list, int area, double *values)
{
    if (list->in + list->out == 0) {
        values[0] = MM_NO_VOXELS;
    } else if (list->in == 0 || (area && list->out == 0)) {
        values[0] = MM_SINGLE_CLASS;
    } else {
        order_sort(list);
        values[1] = area ? auroc_of(list) : average_precision_of(list);
    }
}

static int rank(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    order list;
    const int fine =
        order_new(&list, field->images, field->voxels) && add_class(&list, field, stat, class_index, prediction);

    if (fine)
        set_rank(&list, stat->kind == MM_IMAGE_AUROC, values);
    order_free(&list);
    return fine;
}

static int rank_joint(const mm_field *field, const mm_stat *stat, size_t class_index, double *values)
{
    order list = {.keys = NULL};
    const int fine = add_classes(&list, field, stat, prediction);

    (void)class_index;
    if (fine)
        set_rank(&list, stat->kind == MM_IMAGE_AUROC_JOINT, values);
    order_free(&list);
    return fine;
}

/* -------------------------------------------------------------------- rows */

/* clang-format off */
const mm_image_kind mm_image_order[] = {
    {.kind = MM_IMAGE_LOVASZ, .words = "Lovasz extension of each class' errors", .needs_probs = 1, .values = 1,
     .planes = 6, .compute = lovasz},
    {.kind = MM_IMAGE_LOVASZ_JOINT, .words = "Lovasz extension of all classes' errors together", .joint = 1,
     .needs_probs = 1, .values = 1, .planes = 4, .class_planes = 2, .compute = lovasz_joint},
    {.kind = MM_IMAGE_TOPK, .words = "greatest cross-entropies of the voxels", .joint = 1, .needs_probs = 1,
     .values = 1, .planes = 3, .class_planes = 2, .compute = topk},
    {.kind = MM_IMAGE_AUROC, .words = "area under the receiver operating characteristic", .needs_probs = 1, .values = 1,
     .planes = 6, .compute = rank},
    {.kind = MM_IMAGE_AVERAGE_PRECISION, .words = "area under the precision-recall curve", .needs_probs = 1,
     .values = 1, .planes = 6, .compute = rank},
    {.kind = MM_IMAGE_AUROC_JOINT, .words = "area under the receiver operating characteristic of all classes together",
     .joint = 1, .needs_probs = 1, .values = 1, .planes = 4, .class_planes = 2, .compute = rank_joint},
    {.kind = MM_IMAGE_AVERAGE_PRECISION_JOINT, .words = "area under the precision-recall curve of all classes together",
     .joint = 1, .needs_probs = 1, .values = 1, .planes = 4, .class_planes = 2, .compute = rank_joint},
    {.kind = 0},
};
/* clang-format on */
