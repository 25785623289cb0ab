/*
 * columns.c - the terms of every kind of sum, voxel by voxel; sums.h lists the kinds.
 *
 * What most requests need goes through the kernels.  The terms of rarer kinds are plain loops here: the same
 * arithmetic, so the same bits, only not compiled for the newest CPU.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "lib/chunk.h"
#include "lib/elementary.h"

/* A term of the label's class alone: where labels are hard, one value per voxel serves all classes. */
static int is_at_label(unsigned kind)
{
    return kind == MM_SUM_POS || kind == MM_SUM_LOG_POWER || kind == MM_SUM_SMOOTH_FOCAL;
}

/* At class 0, of all classes together. */
static int is_joint(unsigned kind)
{
    return kind == MM_HISTOGRAM_TOP || kind == MM_SUM_ALL_RIGHT;
}

static int takes_negative_log(unsigned kind)
{
    return kind == MM_SUM_NEG || kind == MM_SUM_LOGQ || kind == MM_SUM_LOG_POWER_REST ||
           (kind >= MM_SUM_BCE_IN && kind <= MM_SUM_BCE_FACTOR);
}

/* Plain sums have a place of their own, so that the fast way finds them. */
static void note_plain(mm_columns *columns, unsigned kind, int place)
{
    switch (kind) {
    case MM_SUM_P:
        columns->p = place;
        break;
    case MM_SUM_PP:
        columns->pp = place;
        break;
    case MM_SUM_PG:
        columns->pg = place;
        break;
    case MM_SUM_G:
        columns->g = place;
        break;
    case MM_SUM_GG:
        columns->gg = place;
        break;
    default:
        break;
    }
}

void mm_columns_sort(mm_columns *columns, const mm_stat *stats, const unsigned *forms, size_t count, size_t classes)
{
    *columns = (mm_columns){.count = count, .p = -1, .pp = -1, .pg = -1, .g = -1, .gg = -1, .fast = 1};
    for (size_t i = 0; i < count; i++) {
        const unsigned kind = stats[i].kind, form = forms[i];

        columns->stats[i] = stats[i];
        columns->form[i] = form;
        columns->form_used[form] = 1;
        columns->offset[i] = mm_stats_offset(stats, i, classes);
        columns->negative |= takes_negative_log(kind);
        columns->joint |= is_joint(kind);
        columns->all_right |= kind == MM_SUM_ALL_RIGHT;
        columns->normalize |= (stats[i].flags & MM_STAT_NORMALIZE) != 0 || kind == MM_SUM_SMOOTH_FOCAL;
        if ((form == MM_FORM_SENT && stats[i].flags == 0) || kind == MM_SUM_G || kind == MM_SUM_GG)
            note_plain(columns, kind, (int)i);
        columns->fast = columns->fast && form == MM_FORM_SENT &&
                        ((kind <= MM_SUM_GG && stats[i].flags == 0) || kind == MM_SUM_POS || kind == MM_SUM_LOG_POWER);
    }
    columns->fast = columns->fast && !columns->normalize;
    columns->values = mm_stats_offset(stats, count, classes);
}

/* ------------------------------------------------------------------- logarithms */

/* What the logarithms of a column are taken of: probabilities, clipped or not, and their negative logarithms. */
typedef struct prepared {
    const double *p, *q, *neglog_p, *neglog_q;
} prepared;

/* p over its sum over the classes, and clipped, as the flags say. */
static void adjust(const mm_pass *pass, mm_scratch *s, const mm_stat *stat)
{
    const mm_kernels *k = pass->k;

    memcpy(s->clipped_p, s->p, s->length * sizeof *s->p);
    if (stat->flags & MM_STAT_NORMALIZE)
        k->divide(s->clipped_p, s->total, s->length);
    if (stat->flags & MM_STAT_CLIP)
        k->clip(s->clipped_p, stat->eps, s->length);
    for (size_t i = 0; stat->flags & MM_STAT_ODDS && i < s->length; i++)
        s->clipped_p[i] = s->clipped_p[i] / (1.0 + s->clipped_p[i]);
    k->complement(s->clipped_q, s->clipped_p, s->length);
}

/* Fills the planes for the column, unless the last column wanted the same. */
static prepared prepare(const mm_pass *pass, mm_scratch *s, const mm_stat *stat)
{
    if (stat->flags == 0 && s->exact)
        return (prepared){s->p, s->q, s->exact_p, s->exact_q};
    const prepared own = {stat->flags == 0 ? s->p : s->clipped_p, stat->flags == 0 ? s->q : s->clipped_q, s->neglog_p,
                          s->neglog_q};
    if (s->prepared && s->prepared_flags == stat->flags && s->prepared_eps == stat->eps)
        return own;
    const double least = stat->flags & MM_STAT_CLIP ? DBL_MIN : stat->eps;

    if (stat->flags != 0)
        adjust(pass, s, stat);
    pass->k->neglog(s->neglog_p, own.p, least, s->length);
    if (pass->columns.negative)
        pass->k->neglog(s->neglog_q, own.q, least, s->length);
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

/* x^gamma of one number in [0,1] */
static double power_of(double x, double gamma)
{
    if (gamma == 0.0)
        return 1.0;
    if (gamma == 1.0 || x <= 0.0)
        return x <= 0.0 ? 0.0 : x;
    return gamma == 2.0 ? x * x : mm_exp_of(gamma * mm_log_of(x));
}

/* sigmoid(-x (2 g - 1)) of the logit x = log p - log(1-p) */
static double left_of_logit(double neglog_p, double neglog_q, double g)
{
    const double y = (neglog_q - neglog_p) * (2.0 * g - 1.0), z = mm_exp_of(0.0 - fabs(y));

    return (y > 0.0 ? z : 1.0) / (1.0 + z);
}

/* One class against the rest; see MM_SUM_BCE_IN. */
static void bce_term(const mm_pass *pass, mm_scratch *s, const mm_stat *stat)
{
    const prepared from = prepare(pass, s, stat);
    const double t = stat->more[0];

    for (size_t i = 0; i < s->length; i++) {
        const double g = s->g[i], bce = g * from.neglog_p[i] + (1.0 - g) * from.neglog_q[i];
        const double p_t = mm_exp_of(0.0 - bce);
        const double left = stat->more[1] == 0.0 ? 1.0 - p_t : left_of_logit(from.neglog_p[i], from.neglog_q[i], g);
        const double factor = t > 0.0 ? (p_t < t ? 1.0 : power_of(left / t, stat->gamma)) : power_of(left, stat->gamma);
        const double side = stat->kind == MM_SUM_BCE_IN ? g : 1.0 - g;

        s->term[i] = stat->kind == MM_SUM_BCE_FACTOR ? factor : side * (factor * bce);
    }
}

/* (-log q)^gamma, which may exceed 1 */
static void log_power_term(const mm_pass *pass, mm_scratch *s, const mm_stat *stat)
{
    const prepared from = prepare(pass, s, stat);

    for (size_t i = 0; i < s->length; i++)
        s->term[i] = power_of(from.neglog_p[i], stat->gamma);
}

/* (1-g) (-log(1-q))^gamma */
static void log_power_rest_term(const mm_pass *pass, mm_scratch *s, const mm_stat *stat)
{
    const prepared from = prepare(pass, s, stat);

    for (size_t i = 0; i < s->length; i++)
        s->term[i] = (1.0 - s->g[i]) * power_of(from.neglog_q[i], stat->gamma);
}

/* (1-p_t)^gamma (-log p_t), p_t = (1-s) p + s/(C-1) (total - p) + s */
static void smooth_focal_term(const mm_pass *pass, mm_scratch *s, const mm_stat *stat)
{
    const double smooth = stat->eps;
    const double others = pass->shape.classes > 1 ? smooth / (double)(pass->shape.classes - 1) : 0.0;

    for (size_t i = 0; i < s->length; i++) {
        const double p_t = (1.0 - smooth) * s->p[i] + others * (s->total[i] - s->p[i]) + smooth;
        const double left = 1.0 - p_t;

        s->term[i] = power_of(left > 0.0 ? left : 0.0, stat->gamma) * (0.0 - mm_log_of(p_t > DBL_MIN ? p_t : DBL_MIN));
    }
}

static void label_term(const mm_pass *pass, mm_scratch *s, const mm_stat *stat)
{
    switch (stat->kind) {
    case MM_SUM_POS:
        positive_term(pass, s, stat);
        break;
    case MM_SUM_LOG_POWER:
        log_power_term(pass, s, stat);
        break;
    default:
        smooth_focal_term(pass, s, stat);
        break;
    }
}

/* --------------------------------------------------------------- arithmetic */

static double squared(double x)
{
    return x * x;
}

/* Half to even. */
static double rounded(double x)
{
    const double below = floor(x), rest = x - below;

    if (rest != 0.5)
        return rest < 0.5 ? below : below + 1.0;
    return below / 2.0 == floor(below / 2.0) ? below : below + 1.0;
}

static double plain_term(unsigned kind, double p, double g)
{
    switch (kind) {
    case MM_SUM_SQUARED_TP:
        return squared(p * g);
    case MM_SUM_SQUARED_FP:
        return squared(p * (1.0 - g));
    case MM_SUM_SQUARED_FN:
        return squared((1.0 - p) * g);
    case MM_SUM_ERROR_IN:
        return squared(g - p) * g;
    case MM_SUM_ERROR_OUT:
        return squared(g - p) * (1.0 - g);
    case MM_SUM_ROUND_PG:
        return rounded(p * g);
    case MM_SUM_ROUND_G:
        return rounded(g);
    case MM_SUM_ROUND_QN:
        return rounded((1.0 - p) * (1.0 - g));
    case MM_SUM_ROUND_N:
        return rounded(1.0 - g);
    case MM_SUM_G_ROUND_P:
        return g * rounded(p);
    default:
        return (1.0 - g) * (1.0 - rounded(p)); /* MM_SUM_N_ROUND_Q */
    }
}

/* 1 or g where p is over the threshold, else 0 */
static void over_term(mm_scratch *s, const mm_stat *stat)
{
    const int strictly = stat->more[1] != 0.0;

    for (size_t i = 0; i < s->length; i++) {
        const int over = strictly ? s->p[i] > stat->more[0] : s->p[i] >= stat->more[0];

        s->term[i] = !over ? 0.0 : stat->kind == MM_SUM_OVER ? 1.0 : s->g[i];
    }
}

/* The terms of one column for the class whose planes are p, q, g. */
static void fill_term(const mm_pass *pass, mm_scratch *s, const mm_stat *stat)
{
    const mm_kernels *k = pass->k;
    const size_t bytes = s->length * sizeof *s->term;
    const double *p = stat->kind <= MM_SUM_AD && stat->flags != 0 ? prepare(pass, s, stat).p : s->p;

    switch (stat->kind) {
    case MM_SUM_P:
        memcpy(s->term, p, bytes);
        break;
    case MM_SUM_PP:
        k->square(s->term, p, s->length);
        break;
    case MM_SUM_PG:
        k->multiply(s->term, p, s->g, s->length);
        break;
    case MM_SUM_G:
        memcpy(s->term, s->g, bytes);
        break;
    case MM_SUM_GG:
        k->square(s->term, s->g, s->length);
        break;
    case MM_SUM_AD:
        k->distance(s->term, p, s->g, s->length);
        break;
    case MM_SUM_NEG:
        negative_term(pass, s, stat);
        break;
    case MM_SUM_LOGP:
        memcpy(s->term, prepare(pass, s, stat).neglog_p, bytes);
        break;
    case MM_SUM_LOGQ:
        memcpy(s->term, prepare(pass, s, stat).neglog_q, bytes);
        break;
    case MM_SUM_BCE_IN:
    case MM_SUM_BCE_OUT:
    case MM_SUM_BCE_FACTOR:
        bce_term(pass, s, stat);
        break;
    case MM_SUM_LOG_POWER_REST:
        log_power_rest_term(pass, s, stat);
        break;
    case MM_SUM_POS:
    case MM_SUM_LOG_POWER:
    case MM_SUM_SMOOTH_FOCAL:
        label_term(pass, s, stat);
        k->multiply(s->term, s->term, s->g, s->length);
        break;
    case MM_SUM_OVER:
    case MM_SUM_OVER_G:
        over_term(s, stat);
        break;
    case MM_SUM_INDEX:
        for (size_t i = 0; i < s->length; i++)
            s->term[i] = pass->shape.label_kind == MM_INDEX;
        break;
    default:
        for (size_t i = 0; i < s->length; i++)
            s->term[i] = plain_term(stat->kind, s->p[i], s->g[i]);
        break;
    }
    if ((stat->kind >= MM_SUM_POS || stat->flags != 0) && s->scored_count < s->length)
        k->select(s->term, s->scored, s->length);
}

/* --------------------------------------------------------------- histograms */

/* Adds up `terms` by bin (a plane of bin indices, -1: none) into values first, first + 1 ... of class c. */
static void put_bins(const mm_pass *pass, mm_scratch *s, const double *terms, size_t bins, double *values, size_t first,
                     size_t c)
{
    double by_bin[MM_MAX_BINS + 1];

    pass->k->class_sums(terms, s->bin, bins, s->lanes, by_bin, s->length);
    for (size_t b = 0; b < bins; b++)
        values[(first + b) * pass->shape.classes + c] = by_bin[b];
}

/* floor(q bins), q = 1 in the last bin. */
static float equal_bin(double q, size_t bins)
{
    const double at = floor(q * (double)bins);

    return (float)(at < 0.0 ? 0.0 : at >= (double)bins ? (double)(bins - 1) : at);
}

/* torch.linspace(0, 1, bins + 1)[i] in float32: from both ends towards the middle. */
static float linspace_edge(size_t i, size_t bins)
{
    const float step = 1.0f / (float)bins;

    return i < (bins + 1) / 2 ? step * (float)i : 1.0f - step * (float)(bins - i);
}

/* (number of edges <= q) - 1: q = 1 falls in a bin of its own. */
static float edge_bin(float q, size_t bins)
{
    size_t i = (size_t)equal_bin((double)q, bins);

    while (i > 0 && linspace_edge(i, bins) > q)
        i--;
    while (i < bins && linspace_edge(i + 1, bins) <= q)
        i++;
    return (float)i;
}

/* Counts, confidences and rights by bin of confidence `q`, into the values of class c. */
static void put_confidence(const mm_pass *pass, mm_scratch *s, const mm_stat *stat, double *q, const double *right,
                           double *values, size_t c)
{
    const size_t bins = (size_t)stat->more[0], total = bins + (stat->more[1] != 0.0);

    for (size_t i = 0; i < s->length; i++) {
        if (total > bins)
            q[i] = (double)(float)q[i];
        s->bin[i] = s->scored[i] == 0.0 ? -1.0f : total > bins ? edge_bin((float)q[i], bins) : equal_bin(q[i], bins);
    }
    put_bins(pass, s, s->scored, total, values, 0, c);
    put_bins(pass, s, q, total, values, total, c);
    put_bins(pass, s, right, total, values, 2 * total, c);
}

static void put_histogram_p(const mm_pass *pass, mm_scratch *s, const mm_stat *stat, double *values, size_t c)
{
    const size_t bins = (size_t)stat->more[0];

    for (int other = 0; other < 2; other++) {
        for (size_t i = 0; i < s->length; i++)
            s->bin[i] = s->scored[i] != 0.0 && (s->g[i] > 0.5) != other ? equal_bin(s->p[i], bins) : -1.0f;
        put_bins(pass, s, s->scored, bins, values, other ? bins : 0, c);
    }
}

/* Columns of several values of one class. */
static void wide_column(const mm_pass *pass, mm_scratch *s, const mm_stat *stat, double *values, size_t c)
{
    const size_t classes = pass->shape.classes;
    double by_label[MM_MAX_BINS];

    switch (stat->kind) {
    case MM_HISTOGRAM_CLASS:
        memcpy(s->term, s->p, s->length * sizeof *s->term);
        put_confidence(pass, s, stat, s->term, s->g, values, c);
        break;
    case MM_HISTOGRAM_P:
        put_histogram_p(pass, s, stat, values, c);
        break;
    default: /* MM_SUM_BY_LABEL */
        pass->k->class_sums(s->p, s->wide_label, classes, s->lanes, by_label, s->length);
        for (size_t j = 0; j < classes; j++)
            values[j * classes + c] = by_label[j];
        break;
    }
}

static int is_wide(unsigned kind)
{
    return kind == MM_HISTOGRAM_CLASS || kind == MM_HISTOGRAM_P || kind == MM_SUM_BY_LABEL;
}

/* ------------------------------------------------------------------ columns */

void mm_columns_class(const mm_pass *pass, mm_scratch *s, unsigned form, size_t class_index, double *sums)
{
    const mm_columns *columns = &pass->columns;

    s->prepared = 0;
    for (size_t i = 0; i < columns->count; i++) {
        const mm_stat *stat = &columns->stats[i];

        if (columns->form[i] != form || is_joint(stat->kind) || (s->labels_hard && is_at_label(stat->kind)))
            continue;
        if (is_wide(stat->kind)) {
            wide_column(pass, s, stat, sums + columns->offset[i], class_index);
            continue;
        }
        fill_term(pass, s, stat);
        sums[columns->offset[i] + class_index] = pass->k->sum(s->term, s->length);
    }
}

void mm_columns_label(const mm_pass *pass, mm_scratch *s, unsigned form, double *sums)
{
    const mm_columns *columns = &pass->columns;

    s->prepared = 0;
    for (size_t i = 0; i < columns->count; i++) {
        if (columns->form[i] != form || !is_at_label(columns->stats[i].kind))
            continue;
        label_term(pass, s, &columns->stats[i]);
        pass->k->class_sums(s->term, s->wide_label, pass->shape.classes, s->rows, sums + columns->offset[i], s->length);
    }
}

void mm_columns_joint(const mm_pass *pass, mm_scratch *s, unsigned form, double *sums)
{
    const mm_columns *columns = &pass->columns;

    for (size_t i = 0; i < columns->count; i++) {
        if (columns->form[i] != form || !is_joint(columns->stats[i].kind))
            continue;
        if (columns->stats[i].kind == MM_SUM_ALL_RIGHT) {
            sums[columns->offset[i]] = pass->k->sum(s->ones, s->length);
            continue;
        }
        memcpy(s->term, s->p, s->length * sizeof *s->term);
        put_confidence(pass, s, &columns->stats[i], s->term, s->ones, sums + columns->offset[i], 0);
    }
}

int mm_columns_have_label(const mm_columns *columns, unsigned form)
{
    for (size_t i = 0; i < columns->count; i++)
        if (columns->form[i] == form && is_at_label(columns->stats[i].kind))
            return 1;
    return 0;
}
