/*
 * columns.c - the terms of every kind of sum, voxel by voxel; sums.h lists the kinds.
 */
#include <float.h>
#include <string.h>

#include "lib/chunk.h"

void mm_columns_sort(mm_columns *columns, const mm_stat *stats, size_t count)
{
    *columns = (mm_columns){.count = count, .p = -1, .pp = -1, .pg = -1, .g = -1, .gg = -1};
    memcpy(columns->stats, stats, count * sizeof *stats);
    for (size_t i = 0; i < count; i++) {
        columns->negative |= stats[i].kind == MM_SUM_NEG || stats[i].kind == MM_SUM_LOGQ;
        columns->normalize |= (stats[i].flags & MM_STAT_NORMALIZE) != 0;
        switch ((mm_stat_kind)stats[i].kind) {
        case MM_SUM_P:
            columns->p = (int)i;
            break;
        case MM_SUM_PP:
            columns->pp = (int)i;
            break;
        case MM_SUM_PG:
            columns->pg = (int)i;
            break;
        case MM_SUM_G:
            columns->g = (int)i;
            break;
        case MM_SUM_GG:
            columns->gg = (int)i;
            break;
        case MM_SUM_POS:
            columns->at_label[columns->at_label_count++] = i;
            break;
        case MM_SUM_AD:
        case MM_SUM_NEG:
        case MM_SUM_LOGP:
        case MM_SUM_LOGQ:
            columns->per_class[columns->per_class_count++] = i;
            break;
        }
    }
}

/* What the logarithms of a column are taken of: probabilities, clipped or not, and their negative logarithms. */
typedef struct prepared {
    const double *p, *q, *neglog_p, *neglog_q;
} prepared;

/* Fills the planes for the column, unless the last column wanted the same. */
static prepared prepare(const mm_pass *pass, mm_scratch *s, const mm_stat *stat)
{
    const mm_kernels *k = pass->k;
    const int logits = pass->shape.pred_kind == MM_LOGITS;

    if (stat->flags == 0 && logits)
        return (prepared){s->p, s->q, s->exact_p, s->exact_q};
    const prepared own = {stat->flags == 0 ? s->p : s->clipped_p, stat->flags == 0 ? s->q : s->clipped_q, s->neglog_p,
                          s->neglog_q};
    if (s->prepared && s->prepared_flags == stat->flags && s->prepared_eps == stat->eps)
        return own;
    const double least = stat->flags & MM_STAT_CLIP ? DBL_MIN : stat->eps;

    if (stat->flags != 0) {
        memcpy(s->clipped_p, s->p, s->length * sizeof *s->p);
        const int sums_to_one = logits && pass->shape.task == MM_MULTICLASS; /* softmax */

        if ((stat->flags & MM_STAT_NORMALIZE) && !sums_to_one)
            k->divide(s->clipped_p, s->total, s->length);
        if (stat->flags & MM_STAT_CLIP)
            k->clip(s->clipped_p, stat->eps, s->length);
        k->complement(s->clipped_q, s->clipped_p, s->length);
    }
    k->neglog(s->neglog_p, own.p, least, s->length);
    if (pass->columns.negative)
        k->neglog(s->neglog_q, own.q, least, s->length);
    s->prepared = 1;
    s->prepared_flags = stat->flags;
    s->prepared_eps = stat->eps;
    return own;
}

/* (1-q)^gamma (-log q) */
static void positive_term(const mm_pass *pass, mm_scratch *s, const mm_stat *stat)
{
    const prepared from = prepare(pass, s, stat);

    memcpy(s->term, from.neglog_p, s->length * sizeof *s->term);
    pass->k->power(s->term, from.q, stat->gamma, s->length);
}

/* (1-g) q^gamma (-log(1-q)) */
static void negative_term(const mm_pass *pass, mm_scratch *s, const mm_stat *stat)
{
    const prepared from = prepare(pass, s, stat);

    memcpy(s->term, from.neglog_q, s->length * sizeof *s->term);
    pass->k->power(s->term, from.p, stat->gamma, s->length);
    pass->k->complement(s->x, s->g, s->length);
    pass->k->multiply(s->term, s->term, s->x, s->length);
}

/* The terms of one column for the class whose planes are p, q, g. */
static void fill_term(const mm_pass *pass, mm_scratch *s, const mm_stat *stat)
{
    const mm_kernels *k = pass->k;

    switch ((mm_stat_kind)stat->kind) {
    case MM_SUM_P:
        memcpy(s->term, s->p, s->length * sizeof *s->term);
        break;
    case MM_SUM_PP:
        k->square(s->term, s->p, s->length);
        break;
    case MM_SUM_PG:
        k->multiply(s->term, s->p, s->g, s->length);
        break;
    case MM_SUM_G:
        memcpy(s->term, s->g, s->length * sizeof *s->term);
        break;
    case MM_SUM_GG:
        k->square(s->term, s->g, s->length);
        break;
    case MM_SUM_AD:
        k->distance(s->term, s->p, s->g, s->length);
        break;
    case MM_SUM_POS:
        positive_term(pass, s, stat);
        k->multiply(s->term, s->term, s->g, s->length);
        break;
    case MM_SUM_NEG:
        negative_term(pass, s, stat);
        break;
    case MM_SUM_LOGP:
        memcpy(s->term, prepare(pass, s, stat).neglog_p, s->length * sizeof *s->term);
        break;
    case MM_SUM_LOGQ:
        memcpy(s->term, prepare(pass, s, stat).neglog_q, s->length * sizeof *s->term);
        break;
    }
    if (stat->kind >= MM_SUM_POS && s->scored_count < s->length)
        k->select(s->term, s->scored, s->length);
}

void mm_columns_class(const mm_pass *pass, mm_scratch *s, size_t class_index, double *sums)
{
    const size_t classes = pass->shape.classes;

    s->prepared = 0;
    for (size_t i = 0; i < pass->columns.count; i++) {
        const mm_stat *stat = &pass->columns.stats[i];

        if (s->labels_hard && stat->kind == MM_SUM_POS)
            continue; /* mm_columns_label() does all classes at once */
        fill_term(pass, s, stat);
        sums[i * classes + class_index] = pass->k->sum(s->term, s->length);
    }
}

void mm_columns_label(const mm_pass *pass, mm_scratch *s, double *sums)
{
    const size_t classes = pass->shape.classes;

    s->prepared = 0;
    for (size_t i = 0; i < pass->columns.at_label_count; i++) {
        const size_t column = pass->columns.at_label[i];

        positive_term(pass, s, &pass->columns.stats[column]);
        pass->k->class_sums(s->term, s->wide_label, classes, s->rows, sums + column * classes, s->length);
    }
}
