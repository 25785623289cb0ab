/*
 * surfaces.c - boxes of all classes, then pairs of masks group by group: what runs when, and in which memory.
 */
#include "lib/surfaces.h"

#include <stdlib.h>
#include <string.h>

#include "lib/surface_columns.h"
#include "lib/tensor.h"

#define GROUP_BYTES  ((size_t)16 << 20) /* of the pairs of a group, unless one alone takes more */
#define GROUP_PAIRS  1024
#define GROUP_LOOKED ((size_t)1 << 14) /* classes of images that are looked at for one: a millisecond or two */
#define LARGE_PLACES ((size_t)1 << 18) /* of a pair from which on it is cut into slabs */
#define SLAB_PLACES  ((size_t)1 << 17) /* a fraction of a millisecond for each step */
#define AGAIN_PLACES ((size_t)1 << 13) /* where each place may take long */
#define SLAB_COLUMNS ((size_t)64)

/* Stages: the boxes, then these for each group.  FAR: for each side the steps of a transform, then its reading. */
enum { BEFORE, BOXES, MASKS, ELEMENTS, STEPS, NEAR, AGAIN, FAR, FAR_STAGES = MM_DISTANCE_AXES + 1 };
enum { REDUCE = FAR + 2 * FAR_STAGES, JOIN };

/* --------------------------------------------------------------------- plan */

/* Are its masks those of mm_maps.masks, or classes? */
static int is_of_masks(const mm_shape *shape, unsigned options)
{
    return shape->task == MM_MULTILABEL || (options & MM_SURFACE_CHANNELS) != 0;
}

/* Options of a column without those that change nothing. */
static unsigned options_of(const mm_shape *shape, const mm_stat *stat)
{
    const unsigned surfels = (unsigned)stat->more[MM_SURFACE_OPTIONS] & MM_SURFACE_SURFELS;
    unsigned options = (unsigned)stat->more[MM_SURFACE_OPTIONS];

    if (shape->task == MM_MULTILABEL || shape->pred_kind != MM_MASKS)
        options &= ~(unsigned)MM_SURFACE_CHANNELS;
    if (surfels || options / MM_SURFACE_CONNECTIVITY == 1)
        options %= MM_SURFACE_CONNECTIVITY;
    return options;
}

/* Room for pairs when each of `pairs` takes so many bytes at most. */
static size_t room_for(size_t pairs, size_t bytes)
{
    const size_t most = bytes > GROUP_BYTES ? bytes : GROUP_BYTES;

    return bytes <= most / pairs ? bytes * pairs : most;
}

/* Of a pair that fills an image; spacings that differ take the most. */
static int bytes_of_image(const mm_shape *shape, unsigned options, size_t *bytes)
{
    static const double spacing[] = {1.0, 1.5, 2.0};
    const size_t most[2] = {shape->voxels, shape->voxels};
    size_t box[MM_SURFACE_AXES];
    mm_geometry geometry;

    mm_geometry_set_shape(&geometry, shape->spatial_rank, spacing, options);
    mm_geometry_axes(&geometry, shape->spatial, box);
    return mm_pair_bytes(&geometry, box, most, bytes);
}

/* Bytes of the maps and boxes of one kind. */
static int bytes_of_maps(const mm_shape *shape, int of_masks, size_t *bytes)
{
    const size_t of_voxel = of_masks ? shape->classes : 2 * sizeof(uint16_t);

    return mm_multiply(shape->images, shape->voxels, bytes) && mm_multiply(*bytes, of_voxel, bytes) &&
           *bytes < SIZE_MAX / 16;
}

int mm_surfaces_bytes(const mm_shape *shape, const mm_stat *stats, size_t count, size_t *bytes)
{
    size_t most = 0, pairs = 0, maps[2] = {0, 0};

    *bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (!mm_is_surface_kind(stats[i].kind))
            continue;
        const unsigned options = options_of(shape, &stats[i]);
        const int of_masks = is_of_masks(shape, options);
        size_t one;

        if (!bytes_of_image(shape, options, &one) || !bytes_of_maps(shape, of_masks, &maps[of_masks]))
            return 0;
        maps[of_masks] += mm_boxes_bytes(shape);
        most = one > most ? one : most;
        pairs += shape->images * shape->classes;
        *bytes += sizeof(mm_geometry);
    }
    if (pairs > 0)
        *bytes += maps[0] + maps[1] + room_for(pairs, most) +
                  (pairs < GROUP_PAIRS ? pairs : GROUP_PAIRS) * sizeof(mm_surface_item);
    return 1;
}

/* ---------------------------------------------------------------- beginning */

static size_t find_geometry(const mm_surfaces *surfaces, unsigned rank, const double *spacing, unsigned options)
{
    size_t i = 0;

    for (; i < surfaces->geometry_count; i++) {
        const mm_geometry *geometry = &surfaces->geometries[i];
        mm_geometry same;

        mm_geometry_set_shape(&same, rank, spacing, options);
        if (geometry->options == options && memcmp(geometry->spacing, same.spacing, sizeof same.spacing) == 0)
            break;
    }
    return i;
}

/* Which geometry each column is of. */
static int set_geometries(mm_surfaces *surfaces)
{
    const mm_shape *shape = &surfaces->pass->shape;
    const mm_wholes *wholes = surfaces->wholes;
    size_t count = 0;

    for (size_t i = 0; i < wholes->count; i++)
        count += mm_is_surface_kind(wholes->stats[i].kind) != 0;
    if (count > 0 && (surfaces->geometries = calloc(count, sizeof *surfaces->geometries)) == NULL)
        return 0;
    for (size_t i = 0; i < wholes->count; i++) {
        surfaces->geometry_of[i] = MM_MAX_STATS;
        if (!mm_is_surface_kind(wholes->stats[i].kind))
            continue;
        const double *asked = wholes->stats[i].more + MM_SURFACE_SPACING;
        const unsigned options = options_of(shape, &wholes->stats[i]);
        double spacing[MM_SURFACE_AXES];

        for (unsigned axis = 0; axis < shape->spatial_rank; axis++)
            spacing[axis] = asked[axis] > 0.0 ? asked[axis] : surfaces->pass->spacing[axis];
        surfaces->geometry_of[i] = find_geometry(surfaces, shape->spatial_rank, spacing, options);
        if (surfaces->geometry_of[i] == surfaces->geometry_count)
            mm_geometry_set(&surfaces->geometries[surfaces->geometry_count++], shape->spatial_rank, spacing, options);
    }
    return 1;
}

/* The maps and boxes of one kind. */
static int set_maps(mm_surfaces *surfaces, int of_masks)
{
    mm_pass *pass = surfaces->pass;
    size_t dim[MM_SURFACE_AXES], bytes;

    mm_geometry_axes(&surfaces->geometries[0], pass->shape.spatial, dim);
    if (!bytes_of_maps(&pass->shape, of_masks, &bytes) ||
        !mm_boxes_init(&surfaces->boxes[of_masks], pass, of_masks, dim))
        return 0;
    if (of_masks) {
        pass->maps.masks = surfaces->masks = malloc(bytes);
        return surfaces->masks != NULL;
    }
    pass->maps.label = surfaces->classes = malloc(bytes);
    pass->maps.pred = surfaces->classes == NULL ? NULL : surfaces->classes + pass->shape.images * pass->shape.voxels;
    return surfaces->classes != NULL;
}

int mm_surfaces_init(mm_surfaces *surfaces, mm_pass *pass, mm_wholes *wholes)
{
    int used[2] = {0, 0};

    surfaces->pass = pass;
    surfaces->wholes = wholes;
    if (!set_geometries(surfaces))
        return 0;
    for (size_t i = 0; i < surfaces->geometry_count; i++)
        used[is_of_masks(&pass->shape, surfaces->geometries[i].options)] = 1;
    surfaces->all = pass->shape.images * pass->shape.classes * surfaces->geometry_count;
    surfaces->item_most = surfaces->all < GROUP_PAIRS ? surfaces->all : GROUP_PAIRS;
    if (surfaces->all > 0 && (surfaces->items = calloc(surfaces->item_most, sizeof *surfaces->items)) == NULL)
        return 0;
    return (!used[0] || set_maps(surfaces, 0)) && (!used[1] || set_maps(surfaces, 1));
}

void mm_surfaces_clear(mm_surfaces *surfaces)
{
    mm_boxes_clear(&surfaces->boxes[0]);
    mm_boxes_clear(&surfaces->boxes[1]);
    free(surfaces->geometries);
    free(surfaces->classes);
    free(surfaces->masks);
    free(surfaces->items);
    free(surfaces->room);
    *surfaces = (mm_surfaces){.pass = NULL};
}

/* -------------------------------------------------------------------- pairs */

/* The pair of that index: image by image, class by class.  0: both masks are empty. */
static int find_pair(const mm_surfaces *surfaces, size_t index, mm_surface_item *item)
{
    const mm_pass *pass = surfaces->pass;

    item->geometry = index % surfaces->geometry_count;
    item->class_index = index / surfaces->geometry_count % pass->shape.classes;
    item->image = index / surfaces->geometry_count / pass->shape.classes;
    return mm_boxes_get(&surfaces->boxes[is_of_masks(&pass->shape, surfaces->geometries[item->geometry].options)],
                        item->image, item->class_index, &item->box);
}

static void size_of_box(const mm_box *box, size_t size[MM_SURFACE_AXES])
{
    for (unsigned axis = 0; axis < MM_SURFACE_AXES; axis++)
        size[axis] = box->high[axis] - box->low[axis];
}

/* Voxels of the prediction's mask and of the label's; channels by themselves are not counted by the pass. */
static void count_voxels(const mm_surfaces *surfaces, const mm_surface_item *item, size_t most[2])
{
    const mm_pass *pass = surfaces->pass;
    const size_t classes = pass->shape.classes, at = 3 * item->image * classes + item->class_index;
    const int channels = (surfaces->geometries[item->geometry].options & MM_SURFACE_CHANNELS) != 0;

    most[0] =
        channels ? pass->shape.voxels : (size_t)atomic_load_explicit(&pass->counts[at + classes], memory_order_relaxed);
    most[1] = channels ? pass->shape.voxels : (size_t)atomic_load_explicit(&pass->counts[at], memory_order_relaxed);
}

static int bytes_of_pair(const mm_surfaces *surfaces, const mm_surface_item *item, size_t *bytes)
{
    size_t size[MM_SURFACE_AXES], most[2];

    size_of_box(&item->box, size);
    count_voxels(surfaces, item, most);
    return mm_pair_bytes(&surfaces->geometries[item->geometry], size, most, bytes);
}

/* The block of memory for a group that takes so many bytes. */
static int make_room(mm_surfaces *surfaces, size_t bytes)
{
    if (bytes <= surfaces->room_bytes)
        return 1;
    free(surfaces->room);
    surfaces->room = aligned_alloc(64, bytes); /* pairs take whole lines of it */
    surfaces->room_bytes = surfaces->room == NULL ? 0 : bytes;
    return surfaces->room != NULL;
}

static mm_surface_columns columns_of(const mm_surfaces *surfaces, const mm_surface_item *item)
{
    return (mm_surface_columns){.pass = surfaces->pass,
                                .wholes = surfaces->wholes,
                                .geometry_of = surfaces->geometry_of,
                                .geometry = item->geometry,
                                .image = item->image,
                                .class_index = item->class_index};
}

static void begin_pair(mm_surfaces *surfaces, mm_surface_item *item, unsigned char *room)
{
    size_t size[MM_SURFACE_AXES], most[2];

    size_of_box(&item->box, size);
    count_voxels(surfaces, item, most);
    mm_pair_begin(&item->pair, &surfaces->geometries[item->geometry], surfaces->pass->k, size, most, room);
    item->large = item->pair.places > LARGE_PLACES;
}

/* Chooses the next pairs, as many as fit, and adds up their bytes; those of classes that are not there are done at
 * once. No task runs meanwhile, so there is an end to looking.  0: one is too large. */
static int choose_group(mm_surfaces *surfaces, size_t *bytes)
{
    const size_t first = surfaces->next;
    size_t count = 0;

    *bytes = 0;
    for (; surfaces->next < surfaces->all && count < surfaces->item_most; surfaces->next++) {
        mm_surface_item *item = &surfaces->items[count];

        if (count > 0 && surfaces->next - first >= GROUP_LOOKED)
            break;
        if (!find_pair(surfaces, surfaces->next, item)) {
            const mm_surface_columns columns = columns_of(surfaces, item);

            mm_surface_fill_absent(&columns, &surfaces->geometries[item->geometry]);
            continue;
        }
        if (!bytes_of_pair(surfaces, item, &item->bytes))
            return 0;
        if (count > 0 && (*bytes > GROUP_BYTES || item->bytes > GROUP_BYTES - *bytes))
            break;
        *bytes += item->bytes;
        count++;
    }
    surfaces->item_count = count;
    return 1;
}

/* Returns 0 when there is no memory; else item_count says how many pairs there are. */
static int begin_group(mm_surfaces *surfaces)
{
    size_t bytes, used = 0;

    if (!choose_group(surfaces, &bytes) || !make_room(surfaces, bytes))
        return 0;
    for (size_t i = 0; i < surfaces->item_count; i++) {
        begin_pair(surfaces, &surfaces->items[i], surfaces->room + used);
        used += surfaces->items[i].bytes;
    }
    return 1;
}

/* ------------------------------------------------------------------- stages */

/* Of so many bands or columns, how many a slab has; columns are taken side by side, so not too few. */
static size_t slab(const mm_pair *pair, int phase)
{
    const size_t all = phase == STEPS ? pair->plane : pair->bands, least = phase == STEPS ? SLAB_COLUMNS : 1;
    const size_t places = phase == AGAIN ? AGAIN_PLACES : SLAB_PLACES;
    const size_t slabs = (pair->places + places - 1) / places, length = (all + slabs - 1) / slabs;

    return length > least ? length : least;
}

static size_t slabs(const mm_pair *pair, int phase)
{
    const size_t all = phase == STEPS ? pair->plane : pair->bands, length = slab(pair, phase);

    return (all + length - 1) / length;
}

static size_t tasks_of(const mm_surface_item *item, int phase)
{
    const mm_pair *pair = &item->pair;
    const size_t far = (size_t)(phase - FAR) % FAR_STAGES;

    if (!item->large)
        return phase == MASKS;
    if (phase >= REDUCE)
        return phase == REDUCE ? 2 : 1;
    if (phase == STEPS)
        return pair->geometry->metric == MM_EUCLIDEAN ? slabs(pair, phase) : 0;
    if (phase < FAR)
        return phase == AGAIN && !pair->again ? 0 : slabs(pair, phase);
    if (!mm_pair_wants_far(pair))
        return 0;
    return far < MM_DISTANCE_AXES ? mm_pair_far_tasks(pair, far) : slabs(pair, phase);
}

static size_t count_tasks(mm_surfaces *surfaces)
{
    size_t count = 0;

    for (size_t i = 0; i < surfaces->item_count; i++) {
        mm_surface_item *item = &surfaces->items[i];

        if (surfaces->phase == NEAR && item->large)
            mm_pair_lay(&item->pair);
        if (surfaces->phase == AGAIN && item->large)
            mm_pair_judge(&item->pair);
        item->first_task = count;
        item->tasks = tasks_of(item, surfaces->phase);
        count += item->tasks;
    }
    return count;
}

static size_t box_tasks(const mm_surfaces *surfaces)
{
    size_t count = 0;

    for (size_t i = 0; i < 2; i++)
        count += surfaces->boxes[i].edges == NULL ? 0 : mm_boxes_task_count(&surfaces->boxes[i]);
    return count;
}

size_t mm_surfaces_stage(mm_surfaces *surfaces)
{
    size_t count = 0;

    if (surfaces->geometry_count == 0)
        return 0;
    while (count == 0 && !surfaces->failed) {
        surfaces->phase = surfaces->phase == JOIN ? MASKS : surfaces->phase + 1;
        if (surfaces->phase == BOXES)
            return box_tasks(surfaces);
        if (surfaces->phase == MASKS) {
            surfaces->failed = !begin_group(surfaces);
            if (surfaces->failed || surfaces->item_count == 0) {
                surfaces->phase = JOIN; /* of no pairs: there is nothing more */
                return 0;
            }
        }
        count = count_tasks(surfaces);
    }
    return count;
}

/* -------------------------------------------------------------------- tasks */

static void fill_masks(const mm_surfaces *surfaces, mm_surface_item *item, size_t first, size_t end)
{
    const mm_pass *pass = surfaces->pass;
    mm_pair *pair = &item->pair;
    const int of_masks = is_of_masks(&pass->shape, pair->geometry->options);
    const size_t image = of_masks ? item->image * pass->shape.classes + item->class_index : item->image;
    size_t dim[MM_SURFACE_AXES];

    mm_geometry_axes(pair->geometry, pass->shape.spatial, dim);
    mm_pair_clear(pair, first, end);
    for (size_t i = first * pair->band_rows; i < end * pair->band_rows && i < pair->dim[0] * pair->dim[1]; i++) {
        const size_t plane = i / pair->dim[1], row = i % pair->dim[1];
        unsigned char *to = mm_pair_row(pair, plane, row);

        if (to == NULL)
            continue;
        const size_t z = item->box.low[0] + plane - (size_t)pair->geometry->there[0];
        const size_t y = item->box.low[1] + row - (size_t)pair->geometry->there[1];
        const size_t at = image * pass->shape.voxels + (z * dim[1] + y) * dim[2] + item->box.low[2];

        if (of_masks)
            memcpy(to, pass->maps.masks + at, pair->box[2]);
        else
            pass->k->surfaces->mask_of_class(to, pass->maps.label + at, pass->maps.pred + at,
                                             (unsigned)item->class_index, pair->box[2]);
    }
}

/* Bands of a large pair, or what else the stage is cut into. */
static void run_slab(const mm_surfaces *surfaces, mm_surface_item *item, size_t slab_index, mm_scratch *scratch)
{
    mm_pair *pair = &item->pair;
    const size_t all = surfaces->phase == STEPS ? pair->plane : pair->bands, length = slab(pair, surfaces->phase);
    const size_t first = slab_index * length, end = all - first < length ? all : first + length;
    const size_t far = (size_t)(surfaces->phase - FAR);
    const unsigned side = far / FAR_STAGES == 1;

    const mm_surface_columns columns = columns_of(surfaces, item);

    if (surfaces->phase == REDUCE)
        mm_surface_fill_side(&columns, pair, (unsigned)slab_index);
    else if (surfaces->phase == JOIN)
        mm_surface_fill_both(&columns, pair);
    else if (surfaces->phase == MASKS)
        fill_masks(surfaces, item, first, end);
    else if (surfaces->phase == ELEMENTS)
        mm_pair_elements(pair, first, end);
    else if (surfaces->phase == STEPS)
        mm_pair_steps(pair, first, end);
    else if (surfaces->phase == NEAR)
        mm_pair_near(pair, first, end);
    else if (surfaces->phase == AGAIN)
        mm_pair_near_again(pair, first, end);
    else if (far % FAR_STAGES < MM_DISTANCE_AXES)
        mm_pair_far_task(pair, side, far % FAR_STAGES, slab_index, scratch);
    else
        mm_pair_read_far(pair, side, first, end);
}

static void run_pair(const mm_surfaces *surfaces, mm_surface_item *item, mm_scratch *scratch)
{
    const mm_surface_columns columns = columns_of(surfaces, item);

    fill_masks(surfaces, item, 0, item->pair.bands);
    mm_pair_run(&item->pair, scratch);
    mm_surface_fill_side(&columns, &item->pair, 0);
    mm_surface_fill_side(&columns, &item->pair, 1);
    mm_surface_fill_both(&columns, &item->pair);
}

static void box_task(mm_surfaces *surfaces, size_t task, mm_scratch *scratch)
{
    const size_t first = surfaces->boxes[0].edges == NULL ? 0 : mm_boxes_task_count(&surfaces->boxes[0]);

    if (task < first)
        mm_boxes_task(&surfaces->boxes[0], task, scratch);
    else
        mm_boxes_task(&surfaces->boxes[1], task - first, scratch);
}

void mm_surfaces_task(mm_surfaces *surfaces, size_t task, mm_scratch *scratch)
{
    mm_surface_item *item = surfaces->items;

    if (surfaces->phase == BOXES) {
        box_task(surfaces, task, scratch);
        return;
    }
    while (task >= item->first_task + item->tasks)
        item++;
    if (!item->large)
        run_pair(surfaces, item, scratch);
    else
        run_slab(surfaces, item, task - item->first_task, scratch);
}
