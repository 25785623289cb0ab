/*
 * naive_sums.c - the terms of every kind of sum as lib/sums.h defines them, with the C library's functions.
 */
#include "tests/naive_sums.h"

#include <float.h>
#include <math.h>

/* What `form` comes to for these data. */
static unsigned resolved(const data *d, unsigned form)
{
    const int logits = d->pred_kind == MM_LOGITS;

    if (form == MM_FORM_NATURAL)
        form = !logits ? MM_FORM_SENT : d->task == MM_MULTICLASS ? MM_FORM_SOFTMAX : MM_FORM_SIGMOID;
    if (form == MM_FORM_APART)
        form = logits ? MM_FORM_SIGMOID : MM_FORM_SENT;
    return d->classes == 1 && form != MM_FORM_SIGMOID ? MM_FORM_SENT : form;
}

/* The p that the (resolved) form makes of what was sent. */
static double formed(const data *d, unsigned form, size_t n, size_t c, size_t v)
{
    const size_t first = form == MM_FORM_SOFTMAX_REST ? 1 : 0;
    double total = 0.0;

    if (form == MM_FORM_SIGMOID)
        return 1.0 / (1.0 + exp(-p_at(d, n, c, v)));
    if (form == MM_FORM_SENT)
        return p_at(d, n, c, v);
    for (size_t k = first; k < d->classes; k++)
        total += exp(p_at(d, n, k, v));
    return c < first ? 0.0 : exp(p_at(d, n, c, v)) / total;
}

/* Half to even, as the kinds with round() say. */
static double rounded(double x)
{
    return nearbyint(x);
}

static double square(double x)
{
    return x * x;
}

/* The terms that need no logarithm. */
static double plain_term(const mm_stat *stat, double p, double g)
{
    const int over = stat->more[1] != 0.0 ? p > stat->more[0] : p >= stat->more[0];

    switch (stat->kind) {
    case MM_SUM_P:
    case MM_SUM_BY_LABEL:
        return p;
    case MM_SUM_PP:
        return p * p;
    case MM_SUM_PG:
        return p * g;
    case MM_SUM_G:
        return g;
    case MM_SUM_GG:
        return g * g;
    case MM_SUM_AD:
        return fabs(p - g);
    case MM_SUM_SQUARED_TP:
        return square(p * g);
    case MM_SUM_SQUARED_FP:
        return square(p * (1.0 - g));
    case MM_SUM_SQUARED_FN:
        return square((1.0 - p) * g);
    case MM_SUM_ERROR_IN:
        return square(g - p) * g;
    case MM_SUM_ERROR_OUT:
        return square(g - p) * (1.0 - g);
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
    case MM_SUM_N_ROUND_Q:
        return (1.0 - g) * (1.0 - rounded(p));
    case MM_SUM_OVER:
        return over;
    case MM_SUM_INDEX:
        return 0.0;
    default: /* MM_SUM_OVER_G */
        return over ? g : 0.0;
    }
}

/* What logarithms are taken of. */
typedef struct logs {
    double q, log_q, log_rest; /* q, -log q, -log(1-q) */
} logs;

static logs logs_of(const mm_stat *stat, unsigned form, double p, double total)
{
    const int exact = form != MM_FORM_SENT && stat->flags == 0;
    const double least = exact || stat->flags & MM_STAT_CLIP ? DBL_MIN : stat->eps;
    double q = stat->flags & MM_STAT_NORMALIZE ? p / total : p;

    if (stat->flags & MM_STAT_CLIP)
        q = fmin(fmax(q, stat->eps), 1.0 - stat->eps);
    if (stat->flags & MM_STAT_ODDS)
        q = q / (1.0 + q);
    return (logs){q, -log(fmax(q, least)), -log(fmax(1.0 - q, least))};
}

/* One class against the rest: (1-p_t)^gamma, or 1 and ((1-p_t)/t)^gamma. */
static double bce_factor(const mm_stat *stat, const logs *l, double g, double bce)
{
    const double logit = l->log_rest - l->log_q, t = stat->more[0];
    const double p_t = stat->more[1] == 0.0 ? exp(-bce) : 1.0 / (1.0 + exp(-logit * (2.0 * g - 1.0)));

    return t > 0.0 ? (p_t < t ? 1.0 : pow((1.0 - p_t) / t, stat->gamma)) : pow(1.0 - p_t, stat->gamma);
}

/* One term of a sum, as lib/sums.h defines it; a term that is 0 for its label stays 0, whatever p. */
static double term(const mm_stat *stat, unsigned form, double p, double g, double total, size_t classes)
{
    const logs l = logs_of(stat, form, p, total);
    const double bce = (g == 0.0 ? 0.0 : g * l.log_q) + (g == 1.0 ? 0.0 : (1.0 - g) * l.log_rest);
    const double e = stat->eps, others = classes == 1 ? 0.0 : e / (double)(classes - 1) * (total - p);
    const double p_t = (1.0 - e) * p + others + e;

    switch (stat->kind) {
    case MM_SUM_POS:
        return g == 0.0 ? 0.0 : g * pow(1.0 - l.q, stat->gamma) * l.log_q;
    case MM_SUM_NEG:
        return g == 1.0 ? 0.0 : (1.0 - g) * pow(l.q, stat->gamma) * l.log_rest;
    case MM_SUM_LOGP:
        return l.log_q;
    case MM_SUM_LOGQ:
        return l.log_rest;
    case MM_SUM_BCE_IN:
        return g * bce_factor(stat, &l, g, bce) * bce;
    case MM_SUM_BCE_OUT:
        return (1.0 - g) * bce_factor(stat, &l, g, bce) * bce;
    case MM_SUM_BCE_FACTOR:
        return bce_factor(stat, &l, g, bce);
    case MM_SUM_LOG_POWER:
        return g == 0.0 ? 0.0 : g * pow(l.log_q, stat->gamma);
    case MM_SUM_LOG_POWER_REST:
        return g == 1.0 ? 0.0 : (1.0 - g) * pow(l.log_rest, stat->gamma);
    case MM_SUM_SMOOTH_FOCAL:
        return g == 0.0 ? 0.0 : g * pow(fmax(1.0 - p_t, 0.0), stat->gamma) * -log(p_t);
    default:
        return plain_term(stat, stat->flags != 0 ? l.q : p, g);
    }
}

/* The value that a voxel's term is added to: of its label with MM_SUM_BY_LABEL, else the only one. */
static size_t value_of_voxel(const data *d, const mm_stat *stat, size_t n, size_t v)
{
    size_t label = 0;

    while (stat->kind == MM_SUM_BY_LABEL && !hard_g(d, n, label, v))
        label++;
    return label;
}

/* Is every hard mask the label's? */
static int all_right(const data *d, size_t n, size_t v)
{
    int right = 1;

    for (size_t c = 0; c < d->classes; c++)
        right = right && hard_p(d, n, c, v) == hard_g(d, n, c, v);
    return right;
}

/* Edge i of torch.linspace(0, 1, bins + 1) in float32. */
static float edge(size_t i, size_t bins)
{
    const float step = 1.0f / (float)bins;

    return i < (bins + 1) / 2 ? step * (float)i : 1.0f - step * (float)(bins - i);
}

/* The bin of confidence q. */
static size_t bin_of(const mm_stat *stat, double q)
{
    const size_t bins = (size_t)stat->more[0];
    size_t bin = 0;

    for (size_t i = 1; i <= bins; i++)
        bin += stat->more[1] != 0.0 ? edge(i, bins) <= (float)q : q * (double)bins >= (double)i;
    return bin == bins && stat->more[1] == 0.0 ? bins - 1 : bin;
}

/* A voxel of a histogram; values of class c lie `classes` apart. */
static void add_to_bins(double *values, const mm_stat *stat, size_t classes, double q, double right)
{
    const size_t bins = (size_t)stat->more[0] + (stat->more[1] != 0.0), bin = bin_of(stat, q);

    if (stat->kind == MM_HISTOGRAM_P) {
        values[(bin + (right > 0.5 ? 0 : bins)) * classes] += 1.0;
        return;
    }
    values[bin * classes] += 1.0;
    values[(bins + bin) * classes] += stat->more[1] != 0.0 ? (double)(float)q : q;
    values[(2 * bins + bin) * classes] += right;
}

void naive_voxel(double *values, const mm_stat *stat, const data *d, size_t n, size_t v)
{
    const unsigned form = resolved(d, stat->form);
    double total = 0.0, greatest = 0.0;

    for (size_t c = 0; c < d->classes; c++) {
        total += formed(d, form, n, c, v);
        greatest = fmax(greatest, formed(d, form, n, c, v));
    }
    if (stat->kind == MM_SUM_ALL_RIGHT)
        values[0] += all_right(d, n, v);
    if (stat->kind == MM_HISTOGRAM_TOP)
        add_to_bins(values, stat, d->classes, greatest, all_right(d, n, v));
    for (size_t c = form == MM_FORM_SOFTMAX_REST; c < d->classes; c++) {
        const double p = formed(d, form, n, c, v), g = g_at(d, n, c, v);

        if (stat->kind == MM_HISTOGRAM_CLASS || stat->kind == MM_HISTOGRAM_P)
            add_to_bins(values + c, stat, d->classes, p, g);
        else if (stat->kind != MM_HISTOGRAM_TOP && stat->kind != MM_SUM_ALL_RIGHT)
            values[value_of_voxel(d, stat, n, v) * d->classes + c] +=
                term(stat, form, p, g, total > 0.0 ? total : 1.0, d->classes);
    }
}
