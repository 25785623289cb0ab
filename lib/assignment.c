/*
 * assignment.c - the assignment problem for few possible pairs: shortest augmenting paths (Jonker and Volgenant 1987).
 *
 * Costs are minus the weights; a row may also stay alone, at cost 0.  Rows are added one by one: the cheapest way to
 * place one more row moves rows along a path, found as Dijkstra does over reduced costs
 * cost - row_price - column_price >= 0, which are 0 for chosen pairs.
 */
#include "lib/assignment.h"

#include <stdlib.h>

/* A column in reach, and what the way there costs. */
typedef struct entry {
    double cost;
    uint32_t column;
} entry;

typedef struct work {
    const mm_pair *pairs;
    size_t *first;                           /* per row, and one more: where its pairs begin */
    size_t *chosen;                          /* per row */
    size_t *owner;                           /* per column: the pair that was chosen, or MM_NO_PAIR */
    size_t *through;                         /* per column: the pair by which it was reached */
    double *row_price, *column_price, *cost; /* cost: of the way to a column */
    unsigned char *state;                    /* per column */
    uint32_t *touched;                       /* columns that are not NEW */
    size_t touched_count;
    entry *heap; /* may hold a column twice: only the cheaper entry counts */
    size_t heap_count;
} work;

enum { NEW, REACHED, DONE }; /* states of a column */

static int before(entry a, entry b)
{
    return a.cost < b.cost || (a.cost == b.cost && a.column < b.column);
}

static void heap_push(work *w, entry x)
{
    size_t i = w->heap_count++;

    for (; i > 0 && before(x, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = x;
}

static entry heap_pop(work *w)
{
    const entry top = w->heap[0], last = w->heap[--w->heap_count];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child + 1 < w->heap_count && before(w->heap[child + 1], w->heap[child]))
            child++;
        if (child >= w->heap_count || !before(w->heap[child], last))
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

/* Columns that the row leads to, when the way to the row costs `cost`. */
static void reach(work *w, size_t row, double cost)
{
    for (size_t i = w->first[row]; i < w->first[row + 1]; i++) {
        const uint32_t column = w->pairs[i].column;
        const double further = cost - w->pairs[i].weight - w->row_price[row] - w->column_price[column];

        if (w->state[column] == DONE || (w->state[column] == REACHED && further >= w->cost[column]))
            continue;
        if (w->state[column] == NEW)
            w->touched[w->touched_count++] = column;
        w->state[column] = REACHED;
        w->cost[column] = further;
        w->through[column] = i;
        heap_push(w, (entry){further, column});
    }
}

/* Where the cheapest way ends: at a free column, or with a row that then stays alone. */
typedef struct way {
    double cost;
    size_t column, row; /* column SIZE_MAX: it is the row */
} way;

static way find_way(work *w, size_t row)
{
    way best = {-w->row_price[row], SIZE_MAX, row};

    w->touched_count = w->heap_count = 0;
    reach(w, row, 0.0);
    while (w->heap_count > 0 && w->heap[0].cost < best.cost) {
        const entry next = heap_pop(w);

        if (w->state[next.column] == DONE || next.cost > w->cost[next.column])
            continue;
        if (w->owner[next.column] == MM_NO_PAIR)
            return (way){next.cost, next.column, 0};
        const size_t moved = w->pairs[w->owner[next.column]].row;

        w->state[next.column] = DONE;
        if (next.cost - w->row_price[moved] < best.cost)
            best = (way){next.cost - w->row_price[moved], SIZE_MAX, moved};
        reach(w, moved, next.cost);
    }
    return best;
}

/* Prices that keep reduced costs from falling below 0, and at 0 along the way. */
static void adjust_prices(work *w, size_t row, double cost)
{
    w->row_price[row] += cost;
    for (size_t i = 0; i < w->touched_count; i++) {
        const uint32_t column = w->touched[i];

        if (w->state[column] == DONE && w->cost[column] < cost) {
            w->row_price[w->pairs[w->owner[column]].row] += cost - w->cost[column];
            w->column_price[column] -= cost - w->cost[column];
        }
        w->state[column] = NEW;
    }
}

/* Moves the rows along the way, from its end back to the row that it began with. */
static void follow(work *w, size_t row, const way *end)
{
    size_t column = end->column;

    if (column == SIZE_MAX) {
        const size_t pair = w->chosen[end->row];

        w->chosen[end->row] = MM_NO_PAIR;
        if (end->row == row)
            return;
        column = w->pairs[pair].column;
    }
    for (;;) {
        const size_t pair = w->through[column], mover = w->pairs[pair].row, left = w->chosen[mover];

        w->owner[column] = w->chosen[mover] = pair;
        if (mover == row)
            return;
        column = w->pairs[left].column;
    }
}

static void assign_rows(work *w, size_t rows)
{
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = w->first[row]; i < w->first[row + 1]; i++)
            if (-w->pairs[i].weight < w->row_price[row])
                w->row_price[row] = -w->pairs[i].weight;
        const way end = find_way(w, row);

        adjust_prices(w, row, end.cost);
        follow(w, row, &end);
    }
}

int mm_assign(const mm_pair *pairs, size_t count, size_t rows, size_t columns, size_t *chosen)
{
    work w = {.pairs = pairs, .chosen = chosen};

    w.first = calloc(rows + 1, sizeof *w.first);
    w.owner = calloc(columns + 1, sizeof *w.owner);
    w.through = calloc(columns + 1, sizeof *w.through);
    w.row_price = calloc(rows + 1, sizeof *w.row_price);
    w.column_price = calloc(columns + 1, sizeof *w.column_price);
    w.cost = calloc(columns + 1, sizeof *w.cost);
    w.state = calloc(columns + 1, sizeof *w.state);
    w.touched = calloc(columns + 1, sizeof *w.touched);
    w.heap = calloc(count + 1, sizeof *w.heap);
    const int fine = w.first != NULL && w.owner != NULL && w.through != NULL && w.row_price != NULL &&
                     w.column_price != NULL && w.cost != NULL && w.state != NULL && w.touched != NULL && w.heap != NULL;

    if (fine) {
        for (size_t i = 0; i < count; i++)
            w.first[pairs[i].row + 1] = i + 1;
        for (size_t row = 0; row < rows; row++)
            if (w.first[row + 1] < w.first[row]) /* a row without pairs */
                w.first[row + 1] = w.first[row];
        for (size_t row = 0; row < rows; row++)
            chosen[row] = MM_NO_PAIR;
        for (size_t column = 0; column < columns; column++)
            w.owner[column] = MM_NO_PAIR;
        assign_rows(&w, rows);
    }
    free(w.first);
    free(w.owner);
    free(w.through);
    free(w.row_price);
    free(w.column_price);
    free(w.cost);
    free(w.state);
    free(w.touched);
    free(w.heap);
    return fine;
}
