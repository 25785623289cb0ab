/*
 * plan.c - a parsed list of expressions: fitting it to an input, and scoring images with it.
 */
#include "lib/parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

mm_status mm_plan_fault(mm_problem *problem, mm_status status, const char *format, ...)
{
    va_list values;

    if (problem == NULL)
        return status;
    *problem = (mm_problem){.param = "scores"};
    va_start(values, format);
    vsnprintf(problem->text, sizeof problem->text, format, values);
    va_end(values);
    return status;
}

/* --------------------------------------------------------------- accessors */

size_t mm_plan_count(const mm_plan *plan)
{
    return plan->item_count;
}

const char *mm_plan_name(const mm_plan *plan, size_t index)
{
    const mm_item *item = &plan->items[index];

    return item->alias != NULL ? item->alias : item->expression;
}

const char *mm_plan_expression(const mm_plan *plan, size_t index)
{
    return plan->items[index].expression;
}

mm_better mm_plan_better(const mm_plan *plan, size_t index)
{
    return plan->items[index].better;
}

/* A sum is what it is good for. */
mm_kind mm_plan_kind(const mm_plan *plan, size_t index)
{
    const mm_better better = plan->items[index].better;
    const mm_score *row = plan->nodes[plan->items[index].node].row;

    if (row != NULL)
        return row->info.kind;
    return better == MM_LOWER ? MM_LOSS : better == MM_HIGHER ? MM_METRIC : MM_COUNT_KIND;
}

const char *mm_plan_text(const mm_plan *plan)
{
    return plan->text;
}

size_t mm_plan_stats(const mm_plan *plan, mm_stat stats[MM_MAX_STATS])
{
    memcpy(stats, plan->stats, plan->stat_count * sizeof *stats);
    return plan->stat_count;
}

static void item_clear(mm_item *item)
{
    free(item->alias);
    free(item->expression);
    *item = (mm_item){0};
}

void mm_plan_free(mm_plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->node_count; i++) {
        const mm_node *node = &plan->nodes[i];

        if (node->values == NULL)
            continue;
        for (size_t k = 0; k < node->row->info.param_count + node->row->info.common_count; k++)
            free(node->values[k].list);
        free(node->values);
    }
    for (size_t i = 0; i < plan->item_count; i++)
        item_clear(&plan->items[i]);
    free(plan->nodes);
    free(plan->items);
    free(plan->text);
    free(plan);
}

/* Copies text to `at`; returns the end of the copy. */
static char *put(char *at, const char *text)
{
    const size_t length = strlen(text);

    memcpy(at, text, length);
    return at + length;
}

mm_status mm_plan_write(mm_plan *plan)
{
    size_t size = 1;
    char *text, *at;

    for (size_t i = 0; i < plan->item_count; i++) {
        const mm_item *item = &plan->items[i];

        size += (item->alias == NULL ? 0 : strlen(item->alias) + 1) + strlen(item->expression) + 1;
    }
    text = at = malloc(size);
    if (text == NULL)
        return MM_NO_MEMORY;
    for (size_t i = 0; i < plan->item_count; i++) {
        const mm_item *item = &plan->items[i];

        at = put(at, i > 0 ? "," : "");
        if (item->alias != NULL)
            at = put(put(at, item->alias), ":");
        at = put(at, item->expression);
    }
    *at = '\0';
    free(plan->text);
    plan->text = text;
    return MM_OK;
}

/* -------------------------------------------------------------------- bind */

/* Lists have one number per class, matrices one per pair of classes. */
static mm_status check_length(const mm_node *node, size_t i, size_t classes, mm_problem *problem)
{
    const mm_score_info *info = &node->row->info;
    const mm_param *param = &info->params[i];
    const size_t count = node->values[i].count;

    if (node->values[i].list == NULL || param->type == MM_NUMBERS)
        return MM_OK;
    if (param->type == MM_MATRIX && count != classes * classes)
        return mm_plan_fault(problem, MM_BAD_PARAM,
                             "parameter \"%s\" of %s has %.0f rows; there are %zu classes, and it takes one for each",
                             param->name, info->name, sqrt((double)count), classes);
    if (param->type != MM_MATRIX && count != classes)
        return mm_plan_fault(problem, MM_BAD_PARAM,
                             "parameter \"%s\" of %s has %zu numbers; there are %zu classes, and it takes one for each",
                             param->name, info->name, count, classes);
    return MM_OK;
}

/* Lists fit; listed classes exist; the row's own check agrees. */
static mm_status check_node(const mm_node *node, const mm_shape *shape, mm_problem *problem)
{
    const mm_score_info *info = &node->row->info;
    const mm_common *common = &node->args.common;
    const char *wrong;

    for (size_t i = 0; i < info->param_count; i++) {
        const mm_status status = check_length(node, i, shape->classes, problem);

        if (status != MM_OK)
            return status;
    }
    for (size_t i = 0; i < common->class_count; i++)
        if (common->class_list[i] >= (double)shape->classes)
            return mm_plan_fault(problem, MM_BAD_PARAM,
                                 "parameter \"classes\" of %s names class %.0f; there are %zu classes, counted from 0",
                                 info->name, common->class_list[i], shape->classes);
    if (node->row->exclusive && shape->task == MM_MULTILABEL)
        return mm_plan_fault(problem, MM_BAD_PARAM, "%s needs exclusive classes; these are independent masks",
                             info->name);
    wrong = node->row->check == NULL ? NULL : node->row->check(&node->args);
    return wrong == NULL ? MM_OK : mm_plan_fault(problem, MM_BAD_PARAM, "%s: %s", info->name, wrong);
}

/* Can the input give the sums of this node?  The terms of a sum are asked one by one. */
static int gives(const mm_node *node, const mm_shape *shape)
{
    const int hard = shape->pred_kind == MM_LABELS || shape->pred_kind == MM_MASKS;
    mm_stat need[MM_ROW_STATS];

    if (!hard || node->row == NULL)
        return 1;
    if (node->row->probs)
        return 0;
    if (node->row->stats == NULL)
        return 1;
    const size_t count = node->row->stats(&node->args, need);
    for (size_t i = 0; i < count; i++)
        if (mm_stat_needs_probs(&need[i]))
            return 0;
    return 1;
}

/* Can it give those of a node and of its terms? */
static int suitable(const mm_plan *plan, size_t node, const mm_shape *shape)
{
    for (size_t i = node; i < plan->nodes[node].end; i++)
        if (!gives(&plan->nodes[i], shape))
            return 0;
    return 1;
}

/* Drops the items of the default set that the input cannot give.  They are single scores: nodes stay where they are. */
static mm_status drop_unsuitable(mm_plan *plan, const mm_shape *shape)
{
    size_t kept = 0;

    for (size_t i = 0; i < plan->item_count; i++) {
        if (!suitable(plan, plan->items[i].node, shape)) {
            item_clear(&plan->items[i]);
            continue;
        }
        const mm_item item = plan->items[i];

        plan->items[i] = (mm_item){0};
        plan->items[kept++] = item;
    }
    plan->item_count = kept;
    return mm_plan_write(plan);
}

/* Adds the sums of one node to those of the plan. */
static mm_status add_stats(mm_plan *plan, const mm_node *node, mm_problem *problem)
{
    mm_stat need[MM_ROW_STATS];
    const size_t count = node->row == NULL || node->row->stats == NULL ? 0 : node->row->stats(&node->args, need);

    for (size_t i = 0; i < count; i++) {
        if (mm_stat_find(plan->stats, plan->stat_count, &need[i]) < plan->stat_count)
            continue;
        if (plan->stat_count == MM_MAX_STATS)
            return mm_plan_fault(problem, MM_BAD_PARAM, "the scores need more than %d different sums", MM_MAX_STATS);
        plan->stats[plan->stat_count++] = need[i];
    }
    return MM_OK;
}

mm_status mm_plan_bind(mm_plan *plan, const mm_shape *shape, mm_problem *problem)
{
    mm_status status;

    plan->classes = shape->classes;
    plan->task = shape->task;
    plan->stat_count = 0;
    for (size_t i = 0; i < plan->node_count; i++) {
        mm_node *node = &plan->nodes[i];

        node->args.task = shape->task;
        node->args.classes = shape->classes;
        node->args.spatial_rank = shape->spatial_rank;
        node->args.label_kind = shape->label_kind;
        status = node->row == NULL ? MM_OK : check_node(node, shape, problem);
        if (status != MM_OK)
            return status;
        /* What is merged has no spatial axes, and its sums say what they can give. */
        if (node->row != NULL && node->row->logits && shape->spatial_rank > 0 && shape->pred_kind != MM_LOGITS)
            return mm_plan_fault(problem, MM_UNSUITABLE, "%s needs logits: pred_kind=logits", node->row->info.name);
        if (!plan->standard && node->row != NULL && !suitable(plan, i, shape))
            return mm_plan_fault(problem, MM_UNSUITABLE, "%s needs probabilities or logits; pred is hard %s",
                                 node->row->info.name, shape->pred_kind == MM_LABELS ? "labels" : "masks");
    }
    status = plan->standard ? drop_unsuitable(plan, shape) : MM_OK;
    for (size_t i = 0; status == MM_OK && i < plan->item_count; i++)
        for (size_t k = plan->items[i].node; status == MM_OK && k < plan->nodes[plan->items[i].node].end; k++)
            status = add_stats(plan, &plan->nodes[k], problem);
    return status;
}

/* ----------------------------------------------------------------- scoring */

struct mm_results {
    const mm_plan *plan;
    mm_scored *scored; /* one per node of the plan */
    size_t count;
};

/* k times a term onto a total, which stays undefined once it is. */
static void add_value(mm_value *total, double factor, mm_value term)
{
    if (total->reason != MM_DEFINED)
        return;
    if (term.reason != MM_DEFINED)
        *total = term;
    else
        *total = mm_defined(total->value + factor * term.value);
}

/* Adds `count` values of a term; the first term brings its own array.  *total is dropped when a term has none. */
static mm_status add_values(mm_value **total, int first, double factor, const mm_value *term, size_t count)
{
    if (first && term != NULL && (*total = calloc(count == 0 ? 1 : count, sizeof **total)) == NULL)
        return MM_NO_MEMORY;
    if (term == NULL) {
        free(*total);
        *total = NULL;
    }
    for (size_t i = 0; *total != NULL && i < count; i++)
        add_value(&(*total)[i], factor, term[i]);
    return MM_OK;
}

int mm_plan_needs_table(const mm_plan *plan)
{
    for (size_t i = 0; i < plan->node_count; i++)
        if (plan->nodes[i].row != NULL && plan->nodes[i].row->table)
            return 1;
    return 0;
}

/* sum k_i term_i; per class and per image where every term has them. */
static mm_status score_sum(mm_results *results, size_t node, const mm_images *images)
{
    const mm_plan *plan = results->plan;
    mm_scored *out = &results->scored[node];
    mm_status status = MM_OK;
    int first = 1;

    out->result.value = mm_defined(0.0);
    for (size_t i = node + 1; status == MM_OK && i < plan->nodes[node].end; i = plan->nodes[i].end) {
        const mm_result *term = &results->scored[i].result;
        const double factor = plan->nodes[i].factor;
        const int same = first || term->columns == out->result.columns;

        add_value(&out->result.value, factor, term->value);
        status = add_values(&out->per_class, first, factor, term->per_class, images->classes);
        if (status == MM_OK)
            status = add_values(&out->per_image, first, factor, same ? term->per_image : NULL,
                                images->count * term->columns);
        out->result.columns = out->per_image != NULL ? term->columns : 0;
        for (size_t k = 0; k < MM_REASON_COUNT; k++)
            out->result.omitted[k] += term->omitted[k];
        if (out->result.note == NULL)
            out->result.note = term->note;
        first = 0;
    }
    out->result.per_class = out->per_class;
    out->result.per_image = out->per_image;
    return status;
}

static mm_status check_weights(const mm_plan *plan, const mm_images *images, const double *weights, mm_problem *problem)
{
    if (plan->classes != images->classes || plan->task != images->task)
        return mm_plan_fault(problem, MM_CONFLICT, "the scores were checked for other classes or another task");
    for (size_t c = 0; weights != NULL && c < images->classes; c++)
        if (!isfinite(weights[c]) || weights[c] < 0.0) {
            if (problem != NULL) {
                *problem = (mm_problem){.param = "weights"};
                snprintf(problem->text, sizeof problem->text, "the weight of class %zu must be a number from 0 up", c);
            }
            return MM_BAD_PARAM;
        }
    return MM_OK;
}

/* One expression.  Backwards: the terms of a sum come before the sum itself. */
static mm_status score_item(mm_results *results, const mm_item *item, const mm_images *images, const double *weights)
{
    const mm_plan *plan = results->plan;
    mm_status status = MM_OK;

    for (size_t i = plan->nodes[item->node].end; status == MM_OK && i-- > item->node;) {
        const mm_node *node = &plan->nodes[i];

        status = mm_node_is_sum(node) ? score_sum(results, i, images)
                                      : mm_score_images(&results->scored[i], node->row, &node->args, images, weights);
    }
    for (size_t i = item->node; i < plan->nodes[item->node].end; i++)
        if (plan->drop_images || i != item->node) {
            free(results->scored[i].per_image);
            results->scored[i].per_image = NULL;
            results->scored[i].result.per_image = NULL;
        }
    return status;
}

void mm_plan_keep_images(mm_plan *plan, int keep)
{
    plan->drop_images = !keep;
}

/* Of each kept matrix, and of the nodes of the largest expression while it is worked on: a matrix, the groups it is
 * made of, and where the records keep their sums. */
size_t mm_results_size(const mm_plan *plan, size_t images)
{
    const size_t matrix = images * (plan->classes + 1) * sizeof(mm_value);
    const size_t work = matrix + images * (MM_ROW_STATS * sizeof(size_t) + sizeof(double));
    size_t most = 0;

    for (size_t i = 0; i < plan->item_count; i++) {
        const size_t nodes = plan->nodes[plan->items[i].node].end - plan->items[i].node;

        most = nodes > most ? nodes : most;
    }
    return most * work + (plan->drop_images ? 0 : plan->item_count * matrix);
}

mm_status mm_images_score(mm_results **out, const mm_images *images, const mm_plan *plan, const double *weights,
                          mm_problem *problem)
{
    mm_results *results;
    mm_status status = check_weights(plan, images, weights, problem);

    if (status != MM_OK)
        return status;
    results = calloc(1, sizeof *results);
    if (results == NULL)
        return MM_NO_MEMORY;
    results->plan = plan;
    results->count = plan->node_count;
    results->scored = calloc(plan->node_count, sizeof *results->scored);
    if (results->scored == NULL)
        status = MM_NO_MEMORY;
    for (size_t i = 0; status == MM_OK && i < plan->item_count; i++)
        status = score_item(results, &plan->items[i], images, weights);
    if (status == MM_OK)
        *out = results;
    else
        mm_results_free(results);
    return status;
}

const mm_result *mm_results_at(const mm_results *results, size_t index)
{
    return &results->scored[results->plan->items[index].node].result;
}

void mm_results_free(mm_results *results)
{
    if (results == NULL)
        return;
    for (size_t i = 0; results->scored != NULL && i < results->count; i++)
        mm_scored_clear(&results->scored[i]);
    free(results->scored);
    free(results);
}
