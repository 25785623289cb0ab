/*
 * distance.c - exact distance transforms, one axis after the other.
 *
 * Along the first axis steps are counted.  Along each further one a place takes the least of what the places of its
 * line have, with the way to them.  Where sites are near, many lines side by side look at one place after the other,
 * from the nearest on; where they are far a line is done by itself, in a time that is the same however far they are.
 */
#include "lib/distance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/kernels_distance.h"
#include "lib/tensor.h"

#define BLOCK_BYTES  128       /* of numbers side by side */
#define FAR_BLOCKS   2         /* as many make a block of a far line */
#define SHORT_LINE   96        /* lines of the last axis up to this length are turned to lie side by side */
#define COUNT_ROOM   (1 << 16) /* steps that are counted side by side */
#define PIECE_VOXELS (1 << 17) /* done axis after axis while they are in the cache */
#define TASK_VOXELS  (1 << 16)

size_t mm_array_voxels(const mm_array *array)
{
    size_t voxels = 1;

    for (unsigned axis = 0; axis < array->rank; axis++)
        voxels *= array->dim[axis];
    return voxels;
}

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t number_size(const mm_transform *transform)
{
    return transform->whole ? sizeof(int32_t) : sizeof(double);
}

static void *at_number(const mm_transform *transform, void *numbers, size_t i)
{
    return (unsigned char *)numbers + i * number_size(transform);
}

static void fill_far(const mm_transform *transform, void *numbers, size_t n)
{
    int32_t *whole = numbers;
    double *real = numbers;

    for (size_t i = 0; transform->whole && i < n; i++)
        whole[i] = MM_FAR;
    for (size_t i = 0; !transform->whole && i < n; i++)
        real[i] = (double)INFINITY;
}

/* -------------------------------------------------------------------- lines */

/* Lines in scratch memory: in[x][lane], or, along, a single one with a block of nothing but far before and after it.
 * out: the same without those blocks. */
typedef struct lines {
    void *in, *out, *line; /* line: room for three */
    void *squares;         /* the square of the way for 0 steps, those before and after around it */
    size_t *seams;
    size_t length, lanes; /* lanes: from one place of a line to the next, unless along */
    size_t count;         /* lines */
    int along;
} lines;

static void far_line(const mm_transform *transform, const lines *of, void *out, const void *in)
{
    const mm_distance_kernels *k = transform->k;
    const size_t width = FAR_BLOCKS * of->lanes;

    if (transform->whole)
        k->far_whole(out, in, of->length, of->squares, width, of->seams);
    else
        k->far_real(out, in, of->length, of->squares, width, of->seams);
}

/* `step` numbers from one to the next. */
static void copy_line(const mm_transform *transform, void *out, size_t out_step, const void *in, size_t in_step,
                      size_t length)
{
    const int32_t *whole_in = in;
    const double *real_in = in;
    int32_t *whole_out = out;
    double *real_out = out;

    for (size_t x = 0; transform->whole && x < length; x++)
        whole_out[x * out_step] = whole_in[x * in_step];
    for (size_t x = 0; !transform->whole && x < length; x++)
        real_out[x * out_step] = real_in[x * in_step];
}

/* One line after the other. */
static void solve_lines(const mm_transform *transform, const lines *of)
{
    const size_t step = of->along ? 1 : of->lanes;
    int32_t *steps = of->line;
    void *result = of->line;

    for (size_t l = 0; l < of->count; l++) {
        copy_line(transform, of->line, 1, at_number(transform, of->in, l), step, of->length);
        if (transform->metric == MM_CHESSBOARD)
            transform->k->chessboard(steps, of->length, steps + of->length);
        else
            far_line(transform, of, result = at_number(transform, of->line, of->length), of->line);
        copy_line(transform, at_number(transform, of->out, l), step, result, 1, of->length);
    }
}

/* Returns where the result is: out, or in. */
static void *solve(const mm_transform *transform, unsigned axis, const lines *of)
{
    const mm_distance_kernels *k = transform->k;

    if (transform->metric == MM_TAXICAB) {
        k->walk(of->in, of->length, of->along ? 1 : of->lanes);
        return of->in;
    }
    if (transform->metric == MM_EUCLIDEAN &&
        (transform->whole ? k->near_whole(of->out, of->in, of->length, of->lanes, of->along)
                          : k->near_real(of->out, of->in, of->length, of->lanes, of->along, transform->squared[axis])))
        return of->out;
    if (transform->metric == MM_EUCLIDEAN && of->along)
        far_line(transform, of, of->out, of->in);
    else
        solve_lines(transform, of);
    return of->out;
}

/* ---------------------------------------------------------------------- axes */

static void first_axis(const mm_transform *transform, const mm_sites *sites, void *field, void *scratch, size_t unit)
{
    const mm_distance_kernels *k = transform->k;
    const mm_grouping *of = &transform->grouping[0];
    const size_t start = unit * of->lanes, width = least_of(of->lanes, of->side - start);
    int32_t *steps = scratch;

    for (size_t x = 0; x < of->length; x++)
        k->mark(steps + x * width, sites->bytes + x * of->step + start, sites->value, sites->others, width);
    k->walk(steps, of->length, width);
    for (size_t x = 0; x < of->length; x++) {
        void *out = at_number(transform, field, x * of->step + start);

        if (transform->metric != MM_EUCLIDEAN)
            memcpy(out, steps + x * width, width * sizeof *steps);
        else if (transform->whole)
            k->square_whole(out, steps + x * width, width);
        else
            k->square_real(out, steps + x * width, transform->squared[0], width);
    }
}

/* Where the parts of scratch memory are. */
static lines lines_in(const mm_transform *transform, unsigned axis, void *scratch)
{
    const mm_grouping *of = &transform->grouping[axis];
    unsigned char *bytes = scratch;

    return (lines){
        .in = at_number(transform, bytes + (of->along ? transform->row : transform->in), of->along ? of->lanes : 0),
        .out = bytes + transform->out,
        .line = bytes + transform->line,
        .squares = at_number(transform, bytes + of->squares, of->length - 1),
        .seams = (size_t *)(void *)(bytes + transform->seams),
        .length = of->length,
        .lanes = of->lanes,
        .count = 1,
        .along = of->along};
}

/* Before the tasks of an axis: the squares of 1 - length steps and more, as far_* want them, and, along, what is before
 * and after a line. */
static void prepare(const mm_transform *transform, unsigned axis, void *scratch)
{
    const lines of = lines_in(transform, axis, scratch);
    const ptrdiff_t end = (ptrdiff_t)(of.length + FAR_BLOCKS * of.lanes);
    int32_t *whole = of.squares;
    double *real = of.squares;

    for (ptrdiff_t x = 1 - (ptrdiff_t)of.length; x < end; x++)
        if (transform->whole)
            whole[x] = (int32_t)((uint32_t)x * (uint32_t)x);
        else
            real[x] = transform->squared[axis] * ((double)x * (double)x);
    if (of.along) {
        fill_far(transform, (unsigned char *)of.in - of.lanes * number_size(transform), of.lanes);
        fill_far(transform, at_number(transform, of.in, of.length), of.lanes);
    }
}

/* in[x][lane] of lines that lie in the field, nothing but far in the lanes to spare. */
static void take_lines(const mm_transform *transform, const mm_grouping *of, const lines *to, const void *first)
{
    const size_t size = number_size(transform);
    const unsigned char *from = first;
    unsigned char *in = to->in;

    for (size_t x = 0; of->lane_step == 1 && x < of->length; x++)
        memcpy(in + x * of->lanes * size, from + x * of->step * size, to->count * size);
    for (size_t l = 0; of->lane_step > 1 && l < to->count; l++)
        copy_line(transform, in + l * size, of->lanes, from + l * of->lane_step * size, 1, of->length);
    for (size_t x = 0; to->count < of->lanes && x < of->length; x++)
        fill_far(transform, in + (x * of->lanes + to->count) * size, of->lanes - to->count);
}

static void put_lines(const mm_transform *transform, const mm_grouping *of, const lines *done, const void *result,
                      void *first)
{
    const size_t size = number_size(transform);
    const unsigned char *out = result;
    unsigned char *to = first;

    for (size_t x = 0; of->lane_step == 1 && x < of->length; x++)
        memcpy(to + x * of->step * size, out + x * of->lanes * size, done->count * size);
    for (size_t l = 0; of->lane_step > 1 && l < done->count; l++)
        copy_line(transform, to + l * of->lane_step * size, 1, out + l * size, of->lanes, of->length);
}

static void lines_side_by_side(const mm_transform *transform, void *field, void *scratch, unsigned axis, size_t unit)
{
    const mm_grouping *of = &transform->grouping[axis];
    const size_t start = unit % of->blocks * of->lanes;
    lines here = lines_in(transform, axis, scratch);
    void *first = at_number(transform, field, unit / of->blocks * of->length * of->side + start * of->lane_step);

    here.count = least_of(of->lanes, of->side - start);
    take_lines(transform, of, &here, first);
    put_lines(transform, of, &here, solve(transform, axis, &here), first);
}

static void line_by_line(const mm_transform *transform, void *field, void *scratch, unsigned axis, size_t unit)
{
    const mm_grouping *of = &transform->grouping[axis];
    const size_t bytes = of->length * number_size(transform);
    lines here = lines_in(transform, axis, scratch);
    void *line = at_number(transform, field, unit * of->length), *result;

    if (of->length % (FAR_BLOCKS * of->lanes) == 0) /* whole blocks, whichever way is taken */
        here.out = line;
    memcpy(here.in, line, bytes);
    result = solve(transform, axis, &here);
    if (result != line)
        memcpy(line, result, bytes);
}

/* --------------------------------------------------------------------- plan */

static mm_grouping group(const mm_transform *transform, unsigned axis)
{
    mm_grouping of = {.length = transform->dim[axis], .step = 1, .lanes = BLOCK_BYTES / number_size(transform)};
    const int last = axis > 0 && axis + 1 == transform->rank;

    for (unsigned later = axis + 1; later < transform->rank; later++)
        of.step *= transform->dim[later];
    of.side = last ? transform->dim[axis - 1] : of.step;
    of.lane_step = last ? of.length : 1;
    of.along = last && of.length > SHORT_LINE;
    if (axis == 0) {
        of.lanes = COUNT_ROOM / of.length / 64 * 64;
        of.lanes = least_of(of.lanes < 64 ? 64 : of.lanes, of.side);
    }
    of.blocks = of.along ? of.side : (of.side + of.lanes - 1) / of.lanes;
    of.units = transform->voxels / of.length / of.side * of.blocks;
    return of;
}

/* Room for a * b + c things of a size, after what there is; *at: where it begins.  0: too large. */
static int add_room(size_t *bytes, size_t size, size_t a, size_t b, size_t c, size_t *at)
{
    size_t count;

    *at = *bytes;
    if (!mm_multiply(a, b, &count) || count > SIZE_MAX - c || count + c > (SIZE_MAX - *bytes - 63) / size)
        return 0;
    *bytes += ((count + c) * size + 63) / 64 * 64;
    return 1;
}

/* The first axis has all of it for its steps; the others have blocks of lines, a line with its seams, and squares. */
static int plan_scratch(mm_transform *transform)
{
    const size_t size = number_size(transform), lanes = BLOCK_BYTES / size, far = FAR_BLOCKS * lanes;
    size_t longest = 1, across = 0, bytes = 0, counts = 0, start;
    int fine = add_room(&counts, sizeof(int32_t), transform->dim[0], transform->grouping[0].lanes, 0, &start);

    for (unsigned axis = 1; fine && axis < transform->rank; axis++) {
        longest = longest < transform->dim[axis] ? transform->dim[axis] : longest;
        across = !transform->grouping[axis].along && across < transform->dim[axis] ? transform->dim[axis] : across;
        fine = add_room(&bytes, size, 2, transform->dim[axis], far, &transform->grouping[axis].squares);
    }
    fine = fine && add_room(&bytes, sizeof(size_t), 1, longest / far, 2, &transform->seams) &&
           add_room(&bytes, size, 3, longest, far, &transform->line) &&
           add_room(&bytes, size, longest, 1, 2 * lanes, &transform->row) &&
           add_room(&bytes, size, across, lanes, 0, &transform->in) &&
           add_room(&bytes, size, across, lanes, longest + far, &transform->out);
    transform->scratch_bytes = counts > bytes ? counts : bytes;
    return fine;
}

static void add_step(mm_transform *transform, unsigned first, unsigned last, size_t pieces)
{
    const size_t tasks = (transform->voxels + TASK_VOXELS - 1) / TASK_VOXELS;

    transform->step[transform->steps++] =
        (mm_distance_step){.first = first, .last = last, .pieces = pieces, .tasks = least_of(tasks, pieces)};
}

/* The last axes, as many as fit, in one step. */
static void plan_steps(mm_transform *transform)
{
    const unsigned rank = transform->rank;
    unsigned from = rank - 1;
    size_t piece = transform->dim[from];

    transform->steps = 0;
    add_step(transform, 0, 0, transform->grouping[0].units);
    if (rank == 1)
        return;
    while (from > 1 && transform->dim[from - 1] <= PIECE_VOXELS / piece)
        piece *= transform->dim[--from];
    for (unsigned axis = 1; axis < from; axis++)
        add_step(transform, axis, axis, transform->grouping[axis].units);
    add_step(transform, from, rank - 1, from + 1 < rank ? transform->voxels / piece : transform->grouping[from].units);
}

/* Axes of one voxel do not matter.  0: too large, or empty. */
static int plan_axes(mm_transform *transform, const mm_array *array, double *spacing)
{
    size_t steps = 0;

    transform->rank = 0;
    transform->voxels = 1;
    for (unsigned axis = 0; axis < array->rank; axis++) {
        if (array->dim[axis] == 0 || array->dim[axis] > MM_DISTANCE_LENGTH - steps ||
            !mm_multiply(transform->voxels, array->dim[axis], &transform->voxels))
            return 0;
        steps += array->dim[axis];
        if (array->dim[axis] == 1)
            continue;
        spacing[transform->rank] = array->spacing[axis];
        transform->dim[transform->rank++] = array->dim[axis];
    }
    if (transform->rank == 0)
        transform->dim[transform->rank++] = 1;
    return 1;
}

/* With one spacing for all axes: whole numbers of it, in 32 bits if the diagonal fits.  Else the greatest is brought to
 * between 1 and 2, by a power of two that changes no bit but keeps squares from overflowing. */
static void plan_numbers(mm_transform *transform, const double *spacing)
{
    double greatest = spacing[0], diagonal = 0.0;
    int equal = 1, exponent;

    for (unsigned axis = 0; axis < transform->rank; axis++) {
        const double most = (double)(transform->dim[axis] - 1);

        diagonal += most * most;
        equal = equal && spacing[axis] == spacing[0];
        greatest = fmax(greatest, spacing[axis]);
    }
    (void)frexp(greatest, &exponent);
    transform->whole = transform->metric != MM_EUCLIDEAN || (equal && diagonal < (double)MM_FAR);
    transform->unit = transform->metric != MM_EUCLIDEAN ? 1.0 : equal ? greatest : ldexp(1.0, exponent - 1);
    for (unsigned axis = 0; axis < transform->rank; axis++) {
        const double length = equal ? 1.0 : spacing[axis] / transform->unit;

        transform->squared[axis] = length * length;
    }
}

int mm_transform_plan(mm_transform *transform, const mm_array *array, mm_metric metric)
{
    double spacing[MM_DISTANCE_AXES] = {1.0};

    transform->k = mm_kernels_chosen()->distances;
    transform->metric = metric;
    if (!plan_axes(transform, array, spacing))
        return 0;
    plan_numbers(transform, spacing);
    for (unsigned axis = 0; axis < transform->rank; axis++)
        transform->grouping[axis] = group(transform, axis);
    plan_steps(transform);
    return mm_multiply(transform->voxels, number_size(transform), &transform->field_bytes) && plan_scratch(transform);
}

/* -------------------------------------------------------------------- tasks */

size_t mm_transform_tasks(const mm_transform *transform, size_t step)
{
    return transform->step[step].tasks;
}

static void run_axis(const mm_transform *transform, const mm_sites *sites, void *field, void *scratch, unsigned axis,
                     size_t unit)
{
    if (axis == 0)
        first_axis(transform, sites, field, scratch, unit);
    else if (transform->grouping[axis].along)
        line_by_line(transform, field, scratch, axis, unit);
    else
        lines_side_by_side(transform, field, scratch, axis, unit);
}

void mm_transform_task(const mm_transform *transform, const mm_sites *sites, void *field, void *scratch, size_t step,
                       size_t task)
{
    const mm_distance_step *of = &transform->step[step];
    const size_t each = of->pieces / of->tasks, more = of->pieces % of->tasks;
    const size_t first = task * each + least_of(task, more), end = first + each + (task < more);

    for (unsigned axis = of->first; axis <= of->last; axis++)
        if (axis > 0)
            prepare(transform, axis, scratch);
    for (size_t i = first; i < end; i++)
        for (unsigned axis = of->first; axis <= of->last; axis++) {
            const size_t units = transform->grouping[axis].units / of->pieces;

            for (size_t unit = i * units; unit < (i + 1) * units; unit++)
                run_axis(transform, sites, field, scratch, axis, unit);
        }
}

void mm_transform_run(const mm_transform *transform, const mm_sites *sites, void *field, void *scratch)
{
    for (size_t step = 0; step < transform->steps; step++)
        for (size_t task = 0; task < transform->step[step].tasks; task++)
            mm_transform_task(transform, sites, field, scratch, step, task);
}

/* ------------------------------------------------------------------- values */

/* What the field holds. */
static double value_at(const mm_transform *transform, const void *field, size_t v)
{
    const int32_t *whole = field;
    const double *real = field;

    if (!transform->whole)
        return real[v];
    return whole[v] < MM_FAR ? (double)whole[v] : (double)INFINITY;
}

double mm_transform_square(const mm_transform *transform, const void *field, size_t v)
{
    return transform->unit * value_at(transform, field, v) * transform->unit;
}

double mm_transform_distance(const mm_transform *transform, const void *field, size_t v)
{
    const double value = value_at(transform, field, v);

    return transform->metric == MM_EUCLIDEAN ? transform->unit * sqrt(value) : value;
}

/* ----------------------------------------------------------------- in doubles */

/* A field of doubles is worked on in place. */
int mm_distance_of_mask(const unsigned char *mask, unsigned char inside, const mm_array *array, mm_metric metric,
                        double *field)
{
    const mm_sites others = {.bytes = mask, .value = inside, .others = 1};
    mm_transform transform;
    void *scratch = NULL, *whole = NULL;
    int fine = mm_transform_plan(&transform, array, metric);

    if (fine) {
        scratch = malloc(transform.scratch_bytes);
        whole = transform.whole ? malloc(transform.field_bytes) : NULL;
        fine = scratch != NULL && (whole != NULL || !transform.whole);
    }
    if (fine)
        mm_transform_run(&transform, &others, transform.whole ? whole : field, scratch);
    for (size_t v = 0; fine && v < transform.voxels; v++)
        field[v] = mm_transform_square(&transform, transform.whole ? whole : field, v);
    free(scratch);
    free(whole);
    return fine;
}
