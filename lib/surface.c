/*
 * surface.c - two masks of one box: their surface elements, and how far each is from the nearest of the other mask.
 *
 * Surfaces of masks that agree lie close together, so distances are searched for around each element: steps along the
 * first axis are known everywhere, and the rows and places of its plane are tried from near to far until none beyond
 * can be nearer.  Where that takes more steps than a transform of the whole grid would, the transform is made; a few
 * parts far from all others (a speck predicted elsewhere) get more patience than that.
 */
#include "lib/surface.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "lib/image_kinds.h"
#include "lib/tensor.h"

#define ALIGNMENT    64
#define BAND_PLACES  ((size_t)4096)
#define STEPS_OF_ALL 32 /* of a search per place of a band: about what the transform of it costs */
#define PATIENCE     16 /* so many times that for one in as many bands */

/* ----------------------------------------------------------------- geometry */

int mm_geometry_is_surfels(const mm_geometry *geometry)
{
    return (geometry->options & MM_SURFACE_SURFELS) != 0;
}

/* The axis of the array that is axis `axis` of the grid, or `rank`. */
static unsigned array_axis(unsigned rank, unsigned axis)
{
    if (axis + 1 == MM_SURFACE_AXES)
        return rank - 1;
    return axis + 1 < rank ? axis : rank;
}

void mm_geometry_axes(const mm_geometry *geometry, const size_t *array, size_t grid[MM_SURFACE_AXES])
{
    for (unsigned axis = 0; axis < MM_SURFACE_AXES; axis++)
        grid[axis] = geometry->there[axis] ? *array++ : 1;
}

void mm_geometry_set_shape(mm_geometry *geometry, unsigned rank, const double *spacing, unsigned options)
{
    geometry->options = options;
    geometry->metric = (mm_metric)(options & MM_SURFACE_METRIC);
    for (unsigned axis = 0; axis < MM_SURFACE_AXES; axis++) {
        const unsigned from = array_axis(rank, axis);

        geometry->there[axis] = from < rank;
        geometry->spacing[axis] = from < rank ? spacing[from] : 1.0;
    }
}

/* Squares are whole numbers where one unit serves all axes. */
static void set_squares(mm_geometry *geometry, unsigned rank, const double *spacing)
{
    int equal = 1;

    for (unsigned axis = 1; axis < rank; axis++)
        equal = equal && spacing[axis] == spacing[0];
    geometry->unit = equal ? spacing[0] : 1.0;
    for (unsigned axis = 0; axis < MM_SURFACE_AXES; axis++) {
        const double step = equal ? 1.0 : geometry->spacing[axis];

        for (size_t k = 0; k <= MM_FAR_STEPS; k++)
            geometry->square[axis][k] = step * step * (double)(k * k);
        geometry->reach[axis] = geometry->square[axis][MM_FAR_STEPS];
    }
    geometry->square[0][MM_FAR_STEPS] = INFINITY; /* steps of a column without an element */
}

void mm_geometry_set(mm_geometry *geometry, unsigned rank, const double *spacing, unsigned options)
{
    mm_geometry_set_shape(geometry, rank, spacing, options);
    set_squares(geometry, rank, spacing);
    memset(geometry->sizes.of, 0, sizeof geometry->sizes.of);
    geometry->sizes.of[1] = 1.0;
    if (mm_geometry_is_surfels(geometry))
        mm_surfel_sizes(rank, spacing, geometry->sizes.of);
    mm_sizes_rank(&geometry->sizes);
}

/* ------------------------------------------------------------------- memory */

static size_t round_up(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Else the tasks of a step are done one after the other, in scratch of the pair's own. */
static int is_worker_enough(const mm_transform *transform)
{
    return transform->scratch_bytes <= MM_SCRATCH_BYTES;
}

/* The grid of a box, and the transform of it.  0: too large. */
static int lay_grid(const mm_geometry *geometry, const size_t box[MM_SURFACE_AXES], mm_array *grid,
                    mm_transform *transform)
{
    *grid = (mm_array){.rank = MM_SURFACE_AXES};
    for (unsigned axis = 0; axis < MM_SURFACE_AXES; axis++) {
        grid->dim[axis] = box[axis] + (geometry->there[axis] ? 2 : 0);
        grid->spacing[axis] = geometry->spacing[axis];
    }
    return mm_transform_plan(transform, grid, geometry->metric) && transform->voxels < SIZE_MAX / 64 &&
           transform->scratch_bytes < SIZE_MAX / 64;
}

/* Bytes before and after a mask that the kernels may read: a neighbour of the first or last place, and a block more. */
static size_t slack_of(const mm_geometry *geometry, const size_t *dim)
{
    return (geometry->there[0] ? dim[1] * dim[2] : 0) + (geometry->there[1] ? dim[2] : 0) + 1 + 2 * ALIGNMENT;
}

static size_t rows_of_band(const size_t *dim)
{
    return dim[2] < BAND_PLACES ? BAND_PLACES / dim[2] : 1;
}

static size_t bands_of(const size_t *dim)
{
    return (dim[0] * dim[1] + rows_of_band(dim) - 1) / rows_of_band(dim);
}

/* Where the parts of a pair begin, in bytes. */
typedef struct parts {
    size_t element[2], mask, steps[2], field, scratch, first[2], open[2], list, code, end;
} parts;

/* Of elements of one side. */
static size_t most_elements(const mm_geometry *geometry, size_t places, size_t voxels)
{
    const size_t of_voxel = mm_geometry_is_surfels(geometry) ? 8 : 1; /* corners of a voxel */

    return voxels < places / of_voxel ? voxels * of_voxel : places;
}

static size_t greater(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Bytes for sorting a list. */
static size_t sorting_bytes(const mm_geometry *geometry, size_t elements)
{
    return mm_geometry_is_surfels(geometry) ? round_up(elements * (sizeof(double) + 1)) : 0;
}

static parts lay_parts(const mm_geometry *geometry, const size_t *dim, const mm_transform *transform,
                       const size_t most[2])
{
    const size_t places = transform->voxels, bytes = round_up(places), slack = round_up(slack_of(geometry, dim));
    const size_t firsts = round_up(bands_of(dim) * sizeof(size_t));
    const size_t a = most_elements(geometry, places, most[0]), b = most_elements(geometry, places, most[1]);
    const size_t sorting = sorting_bytes(geometry, a) + sorting_bytes(geometry, b);
    parts p = {.element = {0, bytes}, .mask = 2 * bytes + slack, .field = 2 * bytes};

    p.steps[0] = p.mask + bytes + slack;
    p.steps[1] = p.steps[0] + bytes;
    p.scratch = greater(greater(p.steps[1] + bytes, p.field + round_up(transform->field_bytes)), sorting);
    p.first[0] = p.scratch + (is_worker_enough(transform) ? 0 : round_up(transform->scratch_bytes));
    p.first[1] = p.first[0] + firsts;
    p.open[0] = p.first[1] + firsts;
    p.open[1] = p.open[0] + round_up(bands_of(dim));
    p.list = p.open[1] + round_up(bands_of(dim));
    p.code = p.list + round_up((a + b) * sizeof(double));
    p.end = p.code + (mm_geometry_is_surfels(geometry) ? round_up(a + b) : 0);
    return p;
}

int mm_pair_bytes(const mm_geometry *geometry, const size_t box[MM_SURFACE_AXES], const size_t most[2], size_t *bytes)
{
    mm_transform transform;
    mm_array grid;

    if (!lay_grid(geometry, box, &grid, &transform))
        return 0;
    *bytes = lay_parts(geometry, grid.dim, &transform, most).end;
    return 1;
}

void mm_pair_begin(mm_pair *pair, const mm_geometry *geometry, const mm_kernels *k, const size_t box[MM_SURFACE_AXES],
                   const size_t most[2], unsigned char *memory)
{
    mm_array grid;

    *pair = (mm_pair){.geometry = geometry, .k = k->surfaces};
    (void)lay_grid(geometry, box, &grid, &pair->transform);
    const parts p = lay_parts(geometry, grid.dim, &pair->transform, most);

    memcpy(pair->box, box, sizeof pair->box);
    memcpy(pair->dim, grid.dim, sizeof pair->dim);
    pair->plane = pair->dim[1] * pair->dim[2];
    pair->places = pair->transform.voxels;
    pair->band_rows = rows_of_band(grid.dim);
    pair->bands = bands_of(grid.dim);
    pair->mask = memory + p.mask;
    pair->field = memory + p.field;
    pair->scratch = is_worker_enough(&pair->transform) ? NULL : memory + p.scratch;
    pair->list[0].squared = (double *)(void *)(memory + p.list);
    pair->list[0].code = mm_geometry_is_surfels(geometry) ? memory + p.code : NULL;
    for (size_t side = 0; side < 2; side++) {
        pair->element[side] = memory + p.element[side];
        pair->steps[side] = memory + p.steps[side];
        pair->first[side] = (size_t *)(void *)(memory + p.first[side]);
        pair->open[side] = memory + p.open[side];
    }
}

void *mm_pair_room(const mm_pair *pair, unsigned side)
{
    return pair->element[0] + (side == 0 ? 0 : sorting_bytes(pair->geometry, pair->list[0].count)); /* lay_parts() */
}

/* -------------------------------------------------------------------- masks */

/* As a place; of the band after the last: the end. */
static size_t first_of_band(const mm_pair *pair, size_t band)
{
    const size_t first = band * pair->band_rows * pair->dim[2];

    return first < pair->places ? first : pair->places;
}

void mm_pair_clear(mm_pair *pair, size_t first_band, size_t end_band)
{
    const size_t first = first_of_band(pair, first_band), end = first_of_band(pair, end_band);

    memset(pair->mask + first, 0, end - first);
    if (end == pair->places)
        memset(pair->mask + end, 0, slack_of(pair->geometry, pair->dim));
}

/* The place of the grid where the box begins. */
static size_t border(const mm_pair *pair, unsigned axis)
{
    return pair->geometry->there[axis] ? 1 : 0;
}

static int is_in_box(const mm_pair *pair, unsigned axis, size_t at)
{
    return at >= border(pair, axis) && at < border(pair, axis) + pair->box[axis];
}

unsigned char *mm_pair_row(const mm_pair *pair, size_t plane, size_t row)
{
    if (!is_in_box(pair, 0, plane) || !is_in_box(pair, 1, row))
        return NULL;
    return pair->mask + plane * pair->plane + row * pair->dim[2] + 1;
}

/* ----------------------------------------------------------------- elements */

/* Which neighbours of a voxel must be set too: of those along one axis, up to two, or up to three. */
static mm_rows_around rows_around(const mm_pair *pair)
{
    const int asked = (int)(pair->geometry->options / MM_SURFACE_CONNECTIVITY), connectivity = asked == 0 ? 1 : asked;
    const ptrdiff_t plane = pair->geometry->there[0] ? 1 : 0, row = pair->geometry->there[1] ? 1 : 0;
    mm_rows_around around = {.wide_count = 0};

    for (ptrdiff_t z = -plane; z <= plane; z++)
        for (ptrdiff_t y = -row; y <= row; y++) {
            const int axes = (z != 0) + (y != 0);
            const ptrdiff_t at = z * (ptrdiff_t)pair->plane + y * (ptrdiff_t)pair->dim[2];

            if (axes < connectivity)
                around.wide[around.wide_count++] = at;
            else if (axes == connectivity)
                around.narrow[around.narrow_count++] = at;
        }
    return around;
}

/* Of the block that begins at a place. */
static size_t rows_of_block(const mm_pair *pair, ptrdiff_t rows[4])
{
    size_t count = 0;

    for (int z = 0; z <= pair->geometry->there[0]; z++)
        for (int y = 0; y <= pair->geometry->there[1]; y++)
            rows[count++] = z * (ptrdiff_t)pair->plane + y * (ptrdiff_t)pair->dim[2];
    return count;
}

static void band_elements(mm_pair *pair, size_t band)
{
    const size_t first = first_of_band(pair, band), n = first_of_band(pair, band + 1) - first;
    unsigned char *pred = pair->element[0] + first, *label = pair->element[1] + first;

    if (mm_geometry_is_surfels(pair->geometry)) {
        ptrdiff_t rows[4];
        const size_t count = rows_of_block(pair, rows);

        pair->k->surfel_elements(pred, label, pair->mask + first, rows, count, n);
    } else {
        const mm_rows_around around = rows_around(pair);

        pair->k->voxel_elements(pred, label, pair->mask + first, &around, n);
    }
    pair->first[0][band] = pair->k->count(pred, n);
    pair->first[1][band] = pair->k->count(label, n);
}

void mm_pair_elements(mm_pair *pair, size_t first_band, size_t end_band)
{
    for (size_t band = first_band; band < end_band; band++)
        band_elements(pair, band);
}

void mm_pair_lay(mm_pair *pair)
{
    for (size_t side = 0; side < 2; side++) {
        size_t place = 0;

        for (size_t band = 0; band < pair->bands; band++) {
            const size_t count = pair->first[side][band];

            pair->first[side][band] = place;
            place += count;
        }
        pair->list[side].count = place;
    }
    pair->list[1].squared = pair->list[0].squared + pair->list[0].count;
    pair->list[1].code = pair->list[0].code == NULL ? NULL : pair->list[0].code + pair->list[0].count;
}

/* ----------------------------------------------------------- near distances */

void mm_pair_steps(mm_pair *pair, size_t first_column, size_t end_column)
{
    for (size_t side = 0; side < 2; side++)
        pair->k->steps(pair->steps[side] + first_column, pair->element[side] + first_column, pair->dim[0], pair->plane,
                       end_column - first_column);
}

/* A search for the nearest element in one plane of the grid. */
typedef struct search {
    const double (*square)[MM_FAR_STEPS + 1]; /* of the geometry */
    const unsigned char *steps;               /* of the plane */
    size_t rows, length;
    size_t tried; /* places */
} search;

static double lesser(double a, double b)
{
    return b < a ? b : a;
}

/* The nearest through one row, `across` its squared distance from the element: `best`, or less. */
static double try_row(search *s, size_t y, size_t x, double across, double best)
{
    const unsigned char *row = s->steps + y * s->length;
    const double *along = s->square[2], *first = s->square[0];
    const size_t right = s->length - x, longer = x + 1 > right ? x + 1 : right;
    const size_t most = longer < MM_FAR_STEPS ? longer : MM_FAR_STEPS;
    size_t dx = 0;

    for (; dx < most && across + along[dx] < best; dx++) {
        if (dx <= x)
            best = lesser(best, first[row[x - dx]] + across + along[dx]);
        if (dx < right)
            best = lesser(best, first[row[x + dx]] + across + along[dx]);
    }
    s->tried += dx + 1;
    return best;
}

/* The squared distance, if that is less than MM_FAR_STEPS along any axis. */
static double nearest(search *s, size_t y, size_t x)
{
    double best = INFINITY;

    for (size_t dy = 0; dy < s->rows && dy < MM_FAR_STEPS && s->square[1][dy] < best; dy++) {
        if (dy <= y)
            best = try_row(s, y - dy, x, s->square[1][dy], best);
        if (dy > 0 && y + dy < s->rows)
            best = try_row(s, y + dy, x, s->square[1][dy], best);
    }
    return best;
}

/* Up to where distances that were found are the least: no place beyond the squares is nearer. */
static double reach_of(const mm_pair *pair)
{
    double reach = INFINITY;

    for (unsigned axis = 0; axis < MM_SURFACE_AXES; axis++)
        if (pair->dim[axis] > MM_FAR_STEPS)
            reach = lesser(reach, pair->geometry->reach[axis]);
    return reach;
}

/* The first element of a row from x on, or `length`. */
size_t mm_next_element(const unsigned char *row, size_t x, size_t length)
{
    uint64_t eight;

    for (; x + sizeof eight <= length; x += sizeof eight) {
        memcpy(&eight, row + x, sizeof eight);
        if (eight != 0)
            break;
    }
    while (x < length && row[x] == 0)
        x++;
    return x;
}

/* Where the list has the elements of a band; of the band after the last: the end. */
static size_t list_place(const mm_pair *pair, unsigned side, size_t band)
{
    return band < pair->bands ? pair->first[side][band] : pair->list[side].count;
}

/* The codes of a band. */
static void note_codes(const mm_pair *pair, unsigned side, size_t band, unsigned char *code)
{
    const size_t end = first_of_band(pair, band + 1);

    for (size_t i = first_of_band(pair, band); (i = mm_next_element(pair->element[side], i, end)) < end; i++)
        *code++ = pair->element[side][i];
}

/* There is nothing on the other side. */
static void fill_none(double *to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = INFINITY;
}

/* 0: too far, or too much work. */
static int search_row(const mm_pair *pair, unsigned side, search *s, size_t row, size_t limit, double **to)
{
    const size_t y = row % s->rows, length = s->length;
    const unsigned char *element = pair->element[side] + row * length;
    const double reach = reach_of(pair);

    s->steps = pair->steps[1 - side] + (row - y) * length;
    for (size_t x = 0; (x = mm_next_element(element, x, length)) < length; x++) {
        const double best = s->steps[y * length + x] == 0 ? 0.0 : nearest(s, y, x);

        if (!(best < reach) || s->tried > limit)
            return 0;
        *(*to)++ = pair->geometry->unit * best * pair->geometry->unit;
    }
    return 1;
}

static int search_band(const mm_pair *pair, unsigned side, size_t band, size_t steps_of_all)
{
    const size_t first = first_of_band(pair, band), end = first_of_band(pair, band + 1), length = pair->dim[2];
    double *to = pair->list[side].squared + list_place(pair, side, band);
    search s = {.square = pair->geometry->square, .rows = pair->dim[1], .length = length};

    for (size_t row = first / length; row < end / length; row++)
        if (!search_row(pair, side, &s, row, steps_of_all * (end - first), &to))
            return 0;
    return 1;
}

int mm_pair_has_both(const mm_pair *pair)
{
    return pair->list[0].count > 0 && pair->list[1].count > 0;
}

void mm_pair_near(mm_pair *pair, size_t first_band, size_t end_band)
{
    const int search_them = mm_pair_has_both(pair) && pair->geometry->metric == MM_EUCLIDEAN;

    for (unsigned side = 0; side < 2; side++)
        for (size_t band = first_band; band < end_band; band++) {
            const size_t at = list_place(pair, side, band), count = list_place(pair, side, band + 1) - at;

            if (pair->list[side].code != NULL)
                note_codes(pair, side, band, pair->list[side].code + at);
            if (!mm_pair_has_both(pair))
                fill_none(pair->list[side].squared + at, count);
            pair->open[side][band] = search_them && count > 0 && !search_band(pair, side, band, STEPS_OF_ALL);
        }
}

void mm_pair_judge(mm_pair *pair)
{
    size_t open = 0;

    for (size_t side = 0; side < 2; side++)
        open += pair->k->count(pair->open[side], pair->bands);
    pair->again = open > 0 && open <= 2 * pair->bands / PATIENCE;
    if (open > 0 && !pair->again)
        atomic_store_explicit(&pair->far, 1, memory_order_relaxed);
}

void mm_pair_near_again(mm_pair *pair, size_t first_band, size_t end_band)
{
    for (unsigned side = 0; side < 2; side++)
        for (size_t band = first_band; band < end_band; band++)
            if (pair->open[side][band] && !search_band(pair, side, band, PATIENCE * STEPS_OF_ALL))
                atomic_store_explicit(&pair->far, 1, memory_order_relaxed);
}

/* ------------------------------------------------------------ far distances */

int mm_pair_wants_far(const mm_pair *pair)
{
    return mm_pair_has_both(pair) &&
           (pair->geometry->metric != MM_EUCLIDEAN || atomic_load_explicit(&pair->far, memory_order_relaxed));
}

size_t mm_pair_far_tasks(const mm_pair *pair, size_t step)
{
    if (step >= pair->transform.steps)
        return 0;
    return pair->scratch == NULL ? mm_transform_tasks(&pair->transform, step) : 1;
}

void mm_pair_far_task(mm_pair *pair, unsigned side, size_t step, size_t task, void *scratch)
{
    const mm_sites elements = {.bytes = pair->element[1 - side], .value = 0, .others = 1};

    if (pair->scratch == NULL) {
        mm_transform_task(&pair->transform, &elements, pair->field, scratch, step, task);
        return;
    }
    for (size_t each = 0; each < mm_transform_tasks(&pair->transform, step); each++)
        mm_transform_task(&pair->transform, &elements, pair->field, pair->scratch, step, each);
}

void mm_pair_read_far(mm_pair *pair, unsigned side, size_t first_band, size_t end_band)
{
    const size_t end = first_of_band(pair, end_band);
    double *to = pair->list[side].squared + list_place(pair, side, first_band);

    for (size_t i = first_of_band(pair, first_band); (i = mm_next_element(pair->element[side], i, end)) < end; i++) {
        const double value = mm_transform_square(&pair->transform, pair->field, i);

        *to++ = pair->geometry->metric == MM_EUCLIDEAN ? value : value * value;
    }
}

void mm_pair_run(mm_pair *pair, void *scratch)
{
    mm_pair_elements(pair, 0, pair->bands);
    mm_pair_lay(pair);
    if (pair->geometry->metric == MM_EUCLIDEAN)
        mm_pair_steps(pair, 0, pair->plane);
    mm_pair_near(pair, 0, pair->bands);
    mm_pair_judge(pair);
    if (pair->again)
        mm_pair_near_again(pair, 0, pair->bands);
    for (unsigned side = 0; side < 2 && mm_pair_wants_far(pair); side++) {
        for (size_t step = 0; step < pair->transform.steps; step++)
            for (size_t task = 0; task < mm_pair_far_tasks(pair, step); task++)
                mm_pair_far_task(pair, side, step, task, scratch);
        mm_pair_read_far(pair, side, 0, pair->bands);
    }
}
