/*
 * confusion.c - the table of pairs of classes, and agreement computed of it.
 */
#include "lib/confusion.h"

#include <math.h>

void mm_table_add_class(mm_table *table, const mm_group *x)
{
    table->pairs[table->count] = x->row;
    table->index[table->count] = x->index;
    table->count++;
}

void mm_table_add_counts(mm_table *table, double tp, double fp, double fn, double tn)
{
    table->count = 2;
    table->index[1] = 1;
    table->square[0][0] += tn;
    table->square[0][1] += fp;
    table->square[1][0] += fn;
    table->square[1][1] += tp;
}

void mm_table_add_mask(mm_table *table, const mm_group *x)
{
    const uint64_t fp = x->pred - x->both, fn = x->label - x->both;

    mm_table_add_counts(table, (double)x->both, (double)fp, (double)fn, (double)(x->scored - x->both - fp - fn));
}

void mm_table_close(mm_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        for (size_t j = 0; j < table->count; j++) {
            table->row[i] += mm_table_cell(table, i, j);
            table->column[j] += mm_table_cell(table, i, j);
        }
    for (size_t i = 0; i < table->count; i++)
        table->total += table->row[i];
}

double mm_table_cell(const mm_table *table, size_t row, size_t column)
{
    if (table->pairs[row] == NULL)
        return table->square[row][column];
    return (double)table->pairs[row][table->index[column]];
}

double mm_table_share(const mm_table *table, size_t row, size_t column, mm_share_of by)
{
    const double below = by == MM_SHARE_NONE         ? 1.0
                         : by == MM_SHARE_LABEL      ? table->row[row]
                         : by == MM_SHARE_PREDICTION ? table->column[column]
                                                     : table->total;

    return below > 0.0 ? mm_table_cell(table, row, column) / below : 0.0;
}

static double cost_of(size_t i, size_t j, mm_cost cost)
{
    const double steps = i > j ? (double)(i - j) : (double)(j - i);

    return cost == MM_COST_EQUAL ? (double)(i != j) : cost == MM_COST_LINEAR ? steps : steps * steps;
}

mm_value mm_table_kappa(const mm_table *table, mm_cost cost)
{
    double seen = 0.0, expected = 0.0;
    mm_value disagreement;

    for (size_t i = 0; i < table->count; i++)
        for (size_t j = 0; j < table->count; j++) {
            const double w = cost_of(table->index[i], table->index[j], cost);

            seen += w * mm_table_cell(table, i, j);
            expected += w * table->row[i] * table->column[j];
        }
    disagreement = mm_ratio(seen * table->total, expected, MM_ZERO_DENOMINATOR);
    return disagreement.reason == MM_DEFINED ? mm_defined(1.0 - disagreement.value) : disagreement;
}

/* Without differences of large numbers: above, the sum of TP TN - FP FN over the classes; below, sums of p_k (S - p_k)
 * and t_k (S - t_k). */
mm_value mm_table_mcc(const mm_table *table)
{
    double above = 0.0, labels = 0.0, preds = 0.0;

    for (size_t k = 0; k < table->count; k++) {
        const double tp = mm_table_cell(table, k, k), fn = table->row[k] - tp, fp = table->column[k] - tp;

        above += tp * (table->total - tp - fn - fp) - fp * fn;
        labels += table->row[k] * (table->total - table->row[k]);
        preds += table->column[k] * (table->total - table->column[k]);
    }
    return mm_ratio(above, sqrt(labels * preds), MM_ZERO_DENOMINATOR);
}
