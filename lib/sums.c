/*
 * sums.c - columns of sums, exact sums across images, and the elementary functions of formulas.
 */
#include "lib/sums.h"

#include <math.h>
#include <stdio.h>

#include "lib/elementary.h"
#include "lib/image_kinds.h"

int mm_stat_equal(const mm_stat *a, const mm_stat *b)
{
    if (a->kind != b->kind || a->flags != b->flags || a->form != b->form || a->gamma != b->gamma || a->eps != b->eps)
        return 0;
    for (size_t i = 0; i < MM_STAT_MORE; i++)
        if (a->more[i] != b->more[i])
            return 0;
    return 1;
}

size_t mm_stat_find(const mm_stat *list, size_t count, const mm_stat *stat)
{
    size_t i = 0;

    while (i < count && !mm_stat_equal(&list[i], stat))
        i++;
    return i;
}

int mm_stat_needs_probs(const mm_stat *stat)
{
    if ((stat->form >= MM_FORM_SIGMOID && stat->form != MM_FORM_APART) ||
        stat->flags & (MM_STAT_CLIP | MM_STAT_NORMALIZE))
        return 1;
    switch (stat->kind) {
    case MM_SUM_POS:
    case MM_SUM_NEG:
    case MM_SUM_LOGP:
    case MM_SUM_LOGQ:
    case MM_SUM_BCE_IN:
    case MM_SUM_BCE_OUT:
    case MM_SUM_BCE_FACTOR:
    case MM_SUM_LOG_POWER:
    case MM_SUM_LOG_POWER_REST:
    case MM_SUM_SMOOTH_FOCAL:
    case MM_HISTOGRAM_CLASS:
    case MM_HISTOGRAM_TOP:
    case MM_HISTOGRAM_P:
        return 1;
    default:
        return stat->kind >= MM_IMAGE_KINDS && mm_image_kind_find(stat->kind)->needs_probs;
    }
}

static int is_histogram(unsigned kind)
{
    return kind == MM_HISTOGRAM_CLASS || kind == MM_HISTOGRAM_TOP || kind == MM_HISTOGRAM_P;
}

int mm_stat_known(const mm_stat *stat)
{
    if (stat->form >= MM_FORM_COUNT)
        return 0;
    if (is_histogram(stat->kind) && !(stat->more[0] >= 1.0 && stat->more[0] <= MM_MAX_BINS))
        return 0;
    if (stat->kind >= MM_IMAGE_KINDS)
        return mm_image_kind_find(stat->kind) != NULL;
    return stat->kind >= MM_SUM_P && stat->kind <= MM_SUM_LOG_POWER_REST;
}

size_t mm_stat_width(const mm_stat *stat, size_t classes)
{
    switch (stat->kind) {
    case MM_SUM_BY_LABEL:
        return classes;
    case MM_HISTOGRAM_CLASS:
    case MM_HISTOGRAM_TOP:
        return 3 * ((size_t)stat->more[0] + (stat->more[1] != 0.0));
    case MM_HISTOGRAM_P:
        return 2 * (size_t)stat->more[0];
    default:
        return stat->kind < MM_IMAGE_KINDS ? 1 : 1 + mm_image_kind_find(stat->kind)->values;
    }
}

size_t mm_stats_offset(const mm_stat *stats, size_t index, size_t classes)
{
    size_t offset = 0;

    for (size_t i = 0; i < index; i++)
        offset += mm_stat_width(&stats[i], classes) * classes;
    return offset;
}

static const char *words_of(unsigned kind)
{
    static const char *const words[] = {
        [MM_SUM_P] = "p",
        [MM_SUM_PP] = "p^2",
        [MM_SUM_PG] = "p g",
        [MM_SUM_G] = "g",
        [MM_SUM_GG] = "g^2",
        [MM_SUM_AD] = "|p - g|",
        [MM_SUM_POS] = "g (1-q)^gamma (-log q)",
        [MM_SUM_NEG] = "(1-g) q^gamma (-log(1-q))",
        [MM_SUM_LOGP] = "-log q",
        [MM_SUM_LOGQ] = "-log(1-q)",
        [MM_SUM_SQUARED_TP] = "(p g)^2",
        [MM_SUM_SQUARED_FP] = "(p (1-g))^2",
        [MM_SUM_SQUARED_FN] = "((1-p) g)^2",
        [MM_SUM_ERROR_IN] = "(g-p)^2 g",
        [MM_SUM_ERROR_OUT] = "(g-p)^2 (1-g)",
        [MM_SUM_BCE_IN] = "g (1-p_t)^gamma BCE",
        [MM_SUM_BCE_OUT] = "(1-g) (1-p_t)^gamma BCE",
        [MM_SUM_BCE_FACTOR] = "(1-p_t)^gamma",
        [MM_SUM_LOG_POWER] = "g (-log q)^gamma",
        [MM_SUM_LOG_POWER_REST] = "(1-g) (-log(1-q))^gamma",
        [MM_SUM_SMOOTH_FOCAL] = "(1-p_t)^gamma (-log p_t)",
        [MM_SUM_BY_LABEL] = "p by label",
        [MM_HISTOGRAM_CLASS] = "confidence and rightness in bins",
        [MM_HISTOGRAM_TOP] = "greatest confidence and rightness in bins",
        [MM_HISTOGRAM_P] = "voxels in bins of p",
        [MM_SUM_ROUND_PG] = "round(p g)",
        [MM_SUM_ROUND_G] = "round(g)",
        [MM_SUM_ROUND_QN] = "round((1-p)(1-g))",
        [MM_SUM_ROUND_N] = "round(1-g)",
        [MM_SUM_G_ROUND_P] = "g round(p)",
        [MM_SUM_N_ROUND_Q] = "(1-g)(1-round(p))",
        [MM_SUM_ALL_RIGHT] = "voxels right in every class",
        [MM_SUM_OVER] = "voxels over a threshold",
        [MM_SUM_OVER_G] = "g over a threshold",
        [MM_SUM_INDEX] = "voxels labelled by an index",
    };

    return kind < sizeof words / sizeof words[0] && words[kind] != NULL ? words[kind] : "an unknown kind";
}

void mm_stat_describe(const mm_stat *stat, char *text, size_t size)
{
    static const char *const forms[MM_FORM_COUNT] = {"",
                                                     ", of pred as sent",
                                                     ", of its sigmoid",
                                                     ", of its softmax",
                                                     ", of its softmax without class 0",
                                                     ", of each class against the rest"};
    const char *form = stat->form < MM_FORM_COUNT ? forms[stat->form] : "";

    if (stat->kind >= MM_IMAGE_KINDS) {
        char words[160];

        mm_image_kind_describe(stat, words, sizeof words);
        snprintf(text, size, "the %s%s", words, form);
    } else if (is_histogram(stat->kind)) {
        snprintf(text, size, "the %s (%g bins)%s", words_of(stat->kind), stat->more[0], form);
    } else if (stat->kind == MM_SUM_OVER || stat->kind == MM_SUM_OVER_G) {
        snprintf(text, size, "the sum of %s (p %s %g)%s", words_of(stat->kind),
                 stat->more[1] != 0.0 ? ">" : ">=", stat->more[0], form);
    } else if (mm_stat_needs_probs(stat)) {
        snprintf(text, size, "the sum of %s with gamma %g, eps %g%s%s%s%s", words_of(stat->kind), stat->gamma,
                 stat->eps, stat->flags & MM_STAT_CLIP ? ", p clipped" : "",
                 stat->flags & MM_STAT_NORMALIZE ? ", p over its sum" : "",
                 stat->flags & MM_STAT_ODDS ? ", p as odds" : "", form);
    } else {
        snprintf(text, size, "the sum of %s%s", words_of(stat->kind), form);
    }
}

/* a + b = high + low exactly, |a| >= |b|. */
static double sum_of_two(double a, double b, double *low)
{
    const double high = a + b;

    *low = b - (high - a);
    return high;
}

/* Packs the partials as tightly as doubles go: each is then below a unit in the last place of the next ("compress"). */
static void pack(mm_exact *sum)
{
    double down[MM_EXACT_PARTIALS], high = sum->partial[sum->count - 1], low;
    unsigned bottom = sum->count, kept = 0;

    for (unsigned i = sum->count - 1; i > 0; i--) {
        high = sum_of_two(high, sum->partial[i - 1], &low);
        if (low != 0.0) {
            down[--bottom] = high;
            high = low;
        }
    }
    down[--bottom] = high;
    for (unsigned i = bottom + 1; i < sum->count; i++) {
        high = sum_of_two(down[i], high, &low);
        if (low != 0.0)
            sum->partial[kept++] = low;
    }
    sum->partial[kept++] = high;
    sum->count = kept;
}

/* Each partial takes what it can exactly; what is left over moves on (Shewchuk 1997, "grow expansion"). */
void mm_exact_add(mm_exact *sum, double term)
{
    unsigned kept = 0;

    if (sum->count == MM_EXACT_PARTIALS)
        pack(sum);
    for (unsigned i = 0; i < sum->count; i++) {
        double big = term, small = sum->partial[i];

        if (fabs(big) < fabs(small)) {
            big = sum->partial[i];
            small = term;
        }
        double low;

        term = sum_of_two(big, small, &low);
        if (low != 0.0)
            sum->partial[kept++] = low;
    }
    sum->partial[kept++] = term;
    sum->count = kept;
}

/* Adds from the top; the first partial that does not fit decides the rounding, and when it is exactly half a unit the
 * sign of the next one does. */
double mm_exact_round(const mm_exact *sum)
{
    if (sum->count == 0)
        return 0.0;
    unsigned i = sum->count - 1;
    double high = sum->partial[i], low = 0.0;

    while (i > 0 && low == 0.0) {
        const double before = high, next = sum->partial[--i];

        high = before + next;
        low = next - (high - before);
    }
    if (i > 0 && ((low < 0.0 && sum->partial[i - 1] < 0.0) || (low > 0.0 && sum->partial[i - 1] > 0.0))) {
        const double doubled = low * 2.0, moved = high + doubled;

        if (doubled == moved - high)
            high = moved;
    }
    return high;
}

double mm_exp(double x)
{
    return mm_exp_of(x);
}

double mm_log(double x)
{
    return x > 0.0 ? mm_log_of(x) : -INFINITY;
}

double mm_log1p(double x)
{
    return mm_log1p_of(x);
}

double mm_pow(double x, double y)
{
    if (y == 0.0)
        return 1.0;
    if (y == 1.0 || x == 0.0)
        return x;
    if (y == 2.0)
        return x * x;
    return mm_exp_of(y * mm_log_of(x));
}
