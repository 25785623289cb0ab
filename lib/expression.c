/*
 * expression.c - text to plan: the grammar of expressions, aliases, parameters checked against rows.
 *
 *   list  := [alias ':'] expr { ',' [alias ':'] expr }
 *   expr  := name [ '(' [ arg { ',' arg } ] ')' ]
 *   arg   := key '=' value | [ number '*' ] expr      (the second form only inside sum())
 *
 * sum() is read with a stack of open sums, not by recursion.  Texts of errors count bytes from 1.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/arguments.h"
#include "lib/parts.h"
#include "lib/scores.h"

#define DEFAULT_SCORES "dice,iou,precision,recall,dice_loss,tversky_loss,cross_entropy,focal_loss"
#define ECHO           40 /* bytes of a client's word that an error repeats */

typedef struct parser {
    mm_cursor cursor;
    mm_plan *plan;
    size_t open[MM_MAX_SUM_DEPTH]; /* nodes of the sums being read */
    unsigned depth;
    mm_problem *problem;
} parser;

static mm_status expected(parser *p, const char *what)
{
    const char next = mm_peek(&p->cursor);

    if (next == '\0')
        return mm_plan_fault(p->problem, MM_BAD_EXPRESSION, "the list ends where %s should be", what);
    return mm_plan_fault(p->problem, MM_BAD_EXPRESSION, "byte %zu: %s should be here", p->cursor.at + 1, what);
}

/* ------------------------------------------------------------------- nodes */

static mm_status add_node(parser *p, const mm_score *row, double factor, size_t at)
{
    mm_plan *plan = p->plan;

    if (plan->node_count == MM_MAX_EXPRESSIONS)
        return mm_plan_fault(p->problem, MM_BAD_EXPRESSION,
                             "byte %zu: more than %d expressions, terms of sum() counted", at + 1, MM_MAX_EXPRESSIONS);
    if (plan->node_count == plan->node_room) {
        const size_t room = plan->node_room == 0 ? 8 : 2 * plan->node_room;
        mm_node *grown = realloc(plan->nodes, room * sizeof *grown);

        if (grown == NULL)
            return MM_NO_MEMORY;
        plan->nodes = grown;
        plan->node_room = room;
    }
    plan->nodes[plan->node_count] =
        (mm_node){.row = row, .factor = factor, .depth = p->depth, .end = plan->node_count + 1};
    plan->node_count++;
    return MM_OK;
}

/* -------------------------------------------------------------- parameters */

static const mm_param *param_at(const mm_score_info *info, size_t i)
{
    return i < info->param_count ? &info->params[i] : &info->common[i - info->param_count];
}

/* The words before a name that is offered in place of another, `distance` edits away. */
static const char *offer(const char *name, size_t distance)
{
    return distance <= mm_edit_limit(name) ? "did you mean" : "the nearest is";
}

static mm_status unknown_param(parser *p, const mm_score_info *info, const mm_token *key)
{
    const char *nearest = NULL;
    char name[ECHO];
    size_t best = MM_ANY_EDITS + 1;

    mm_token_text(key, name, sizeof name);
    for (size_t i = 0; i < info->param_count + info->common_count; i++) {
        const size_t distance = mm_edit_distance(name, param_at(info, i)->name, best);

        if (distance < best) {
            best = distance;
            nearest = param_at(info, i)->name;
        }
    }
    if (nearest == NULL)
        return mm_plan_fault(p->problem, MM_BAD_PARAM, "byte %zu: %s has no parameters, so no \"%s\"", key->at + 1,
                             info->name, name);
    return mm_plan_fault(p->problem, MM_BAD_PARAM, "byte %zu: %s has no parameter \"%s\"; %s \"%s\"", key->at + 1,
                         info->name, name, offer(name, best), nearest);
}

/* key '=' value.  `given` has a byte per parameter. */
static mm_status read_arg(parser *p, mm_node *node, unsigned char *given)
{
    const mm_score_info *info = &node->row->info;
    const size_t count = info->param_count + info->common_count;
    const mm_token key = mm_next_token(&p->cursor);
    char wanted[128];
    size_t i = 0;

    if (!mm_token_is_word(&key))
        return expected(p, "a parameter");
    if (mm_peek(&p->cursor) != '=')
        return expected(p, "'='");
    while (i < count && !mm_token_is(&key, param_at(info, i)->name))
        i++;
    if (i == count)
        return unknown_param(p, info, &key);
    if (given[i])
        return mm_plan_fault(p->problem, MM_BAD_PARAM, "byte %zu: parameter \"%s\" is given twice", key.at + 1,
                             param_at(info, i)->name);
    mm_accept(&p->cursor, '=');
    mm_skip_blanks(&p->cursor);
    const size_t at = p->cursor.at;
    const mm_status status = mm_read_value(&p->cursor, param_at(info, i), &node->values[i], wanted, sizeof wanted);

    if (status == MM_BAD_PARAM)
        return mm_plan_fault(p->problem, status, "byte %zu: parameter \"%s\" of %s must be %s", at + 1,
                             param_at(info, i)->name, info->name, wanted);
    given[i] = 1;
    return status;
}

/* What was not given gets its default. */
static mm_status fill_defaults(parser *p, mm_node *node, const unsigned char *given, size_t at)
{
    const mm_score_info *info = &node->row->info;
    const char *wrong;
    char wanted[128];

    for (size_t i = 0; i < info->param_count + info->common_count; i++) {
        const mm_param *param = param_at(info, i);
        mm_cursor standard = {param->standard, 0};

        if (given[i])
            continue;
        if (param->standard == NULL)
            return mm_plan_fault(p->problem, MM_BAD_PARAM, "byte %zu: %s needs the parameter \"%s\"", at + 1,
                                 info->name, param->name);
        const mm_status status = mm_read_value(&standard, param, &node->values[i], wanted, sizeof wanted);
        if (status != MM_OK)
            return status;
    }
    node->args.own = node->values;
    wrong = mm_common_resolve(&node->args.common, info, node->values + info->param_count);
    if (wrong != NULL)
        return mm_plan_fault(p->problem, MM_BAD_PARAM, "byte %zu: %s: %s", at + 1, info->name, wrong);
    return MM_OK;
}

/* [ '(' [ arg { ',' arg } ] ')' ] of a score. */
static mm_status read_args(parser *p, mm_node *node, size_t at)
{
    const size_t count = node->row->info.param_count + node->row->info.common_count;
    unsigned char *given = calloc(count + 1, 1);
    mm_status status = MM_NO_MEMORY;

    node->values = calloc(count + 1, sizeof *node->values);
    if (given == NULL || node->values == NULL)
        goto done;
    if (mm_accept(&p->cursor, '(') && !mm_accept(&p->cursor, ')')) {
        do {
            status = read_arg(p, node, given);
            if (status != MM_OK)
                goto done;
        } while (mm_accept(&p->cursor, ','));
        if (!mm_accept(&p->cursor, ')')) {
            status = expected(p, "',' or ')'");
            goto done;
        }
    }
    status = fill_defaults(p, node, given, at);
done:
    free(given);
    return status;
}

/* ------------------------------------------------------------- expressions */

static mm_status unknown_score(parser *p, const mm_token *token)
{
    char name[ECHO];
    const char *nearest;

    mm_token_text(token, name, sizeof name);
    if (name[0] == '\0')
        return mm_plan_fault(p->problem, MM_UNKNOWN_SCORE, "byte %zu: this is not the name of a score", token->at + 1);
    nearest = mm_row_nearest(name, MM_ANY_EDITS);
    return mm_plan_fault(p->problem, MM_UNKNOWN_SCORE, "byte %zu: there is no score \"%s\"; %s \"%s\"", token->at + 1,
                         name, offer(name, nearest == mm_score_nearest(name) ? 0 : MM_ANY_EDITS), nearest);
}

/* A score with its arguments; those of a named sum are not written out yet. */
static mm_status read_row(parser *p, const mm_token *name, double factor)
{
    char text[64];
    const mm_score *row = name->length < sizeof text ? mm_row_find(mm_token_text(name, text, sizeof text)) : NULL;
    size_t dim[3];
    mm_status status;

    if (row == NULL)
        return unknown_score(p, name);
    status = add_node(p, row, factor, name->at);
    if (status != MM_OK)
        return status;
    mm_node *node = &p->plan->nodes[p->plan->node_count - 1];
    status = read_args(p, node, name->at);
    if (status == MM_OK && p->depth > 0 && row->shape != NULL && row->shape(&node->args, 1, dim) > 0)
        return mm_plan_fault(p->problem, MM_BAD_EXPRESSION, "byte %zu: %s gives a list; sum() adds numbers",
                             name->at + 1, row->info.name);
    return status;
}

/* Adds the terms of a named sum, the last node. */
static mm_status add_parts(parser *p)
{
    const size_t sum = p->plan->node_count - 1;
    char *text = NULL;
    mm_status status = mm_parts_write(&text, &p->plan->nodes[sum]);
    parser inner = {.cursor = {text, 0}, .plan = p->plan, .depth = p->depth + 1, .problem = p->problem};

    if (status != MM_OK)
        return status;
    do {
        mm_token token = mm_next_token(&inner.cursor);
        double factor = 1.0;

        if (mm_accept(&inner.cursor, '*')) {
            mm_token_number(&token, &factor);
            token = mm_next_token(&inner.cursor);
        }
        status = read_row(&inner, &token, factor);
    } while (status == MM_OK && mm_accept(&inner.cursor, ','));
    p->plan->nodes[sum].end = p->plan->node_count;
    free(text);
    return status;
}

static mm_status read_score(parser *p, const mm_token *name, double factor)
{
    const mm_status status = read_row(p, name, factor);

    return status == MM_OK && p->plan->nodes[p->plan->node_count - 1].row->parts != NULL ? add_parts(p) : status;
}

static mm_status open_sum(parser *p, const mm_token *name, double factor)
{
    mm_status status;

    if (!mm_accept(&p->cursor, '('))
        return expected(p, "'('");
    if (p->depth == MM_MAX_SUM_DEPTH)
        return mm_plan_fault(p->problem, MM_BAD_EXPRESSION, "byte %zu: sum() is nested more than %d deep", name->at + 1,
                             MM_MAX_SUM_DEPTH);
    status = add_node(p, NULL, factor, name->at);
    if (status == MM_OK)
        p->open[p->depth++] = p->plan->node_count - 1;
    return status;
}

/* [number '*'] name, then its arguments; a sum() is only opened. */
static mm_status read_term(parser *p, int *opened)
{
    mm_token token = mm_next_token(&p->cursor);
    double factor = 1.0;

    if (mm_accept(&p->cursor, '*')) {
        if (p->depth == 0)
            return mm_plan_fault(p->problem, MM_BAD_EXPRESSION, "byte %zu: factors stand only inside sum()",
                                 token.at + 1);
        if (!mm_token_number(&token, &factor))
            return mm_plan_fault(p->problem, MM_BAD_EXPRESSION, "byte %zu: a number should stand before '*'",
                                 token.at + 1);
        token = mm_next_token(&p->cursor);
    }
    if (token.length == 0)
        return expected(p, "a score");
    if (p->depth > 0 && mm_peek(&p->cursor) == '=')
        return mm_plan_fault(p->problem, MM_BAD_PARAM, "byte %zu: sum() has no parameters, only terms", token.at + 1);
    *opened = mm_token_is(&token, "sum");
    return *opened ? open_sum(p, &token, factor) : read_score(p, &token, factor);
}

/* One expression, sums inside it included. */
static mm_status read_expression(parser *p)
{
    for (;;) {
        int opened = 0;
        const mm_status status = read_term(p, &opened);

        if (status != MM_OK)
            return status;
        if (opened)
            continue;
        while (p->depth > 0 && mm_accept(&p->cursor, ')'))
            p->plan->nodes[p->open[--p->depth]].end = p->plan->node_count;
        if (p->depth == 0)
            return MM_OK;
        if (!mm_accept(&p->cursor, ','))
            return expected(p, "',' or ')'");
    }
}

/* -------------------------------------------------------------------- list */

/* Bytes [from, to) without blanks; NULL: out of memory. */
static char *copy_without_blanks(const char *text, size_t from, size_t to)
{
    char *copy = malloc(to - from + 1);
    size_t length = 0;

    if (copy == NULL)
        return NULL;
    for (size_t i = from; i < to; i++)
        if (strchr(" \t\r\n", text[i]) == NULL)
            copy[length++] = text[i];
    copy[length] = '\0';
    return copy;
}

/* alias ':'; none leaves the cursor where it was. */
static mm_status read_alias(parser *p, mm_item *item)
{
    const mm_cursor before = p->cursor;
    const mm_token token = mm_next_token(&p->cursor);

    if (mm_peek(&p->cursor) != ':') {
        p->cursor = before;
        return MM_OK;
    }
    if (!mm_token_is_word(&token))
        return mm_plan_fault(p->problem, MM_BAD_EXPRESSION,
                             "byte %zu: an alias is made of letters, digits, '_' and '-'", token.at + 1);
    mm_accept(&p->cursor, ':');
    item->alias = copy_without_blanks(token.start, 0, token.length);
    return item->alias == NULL ? MM_NO_MEMORY : MM_OK;
}

static const char *name_of(const mm_item *item)
{
    return item->alias != NULL ? item->alias : item->expression;
}

/* No two items may share an expression, nor the name under which they are reported. */
static mm_status check_unique(parser *p, size_t at)
{
    const mm_plan *plan = p->plan;
    const mm_item *item = &plan->items[plan->item_count - 1];

    for (size_t i = 0; i + 1 < plan->item_count; i++) {
        if (strcmp(plan->items[i].expression, item->expression) == 0)
            return mm_plan_fault(p->problem, MM_BAD_EXPRESSION, "byte %zu: this expression is in the list twice",
                                 at + 1);
        if (strcmp(name_of(&plan->items[i]), name_of(item)) == 0)
            return mm_plan_fault(p->problem, MM_BAD_EXPRESSION, "byte %zu: this name is in the list twice", at + 1);
    }
    return MM_OK;
}

/* Which way the terms of an expression point, when they all do. */
static mm_better direction(const mm_plan *plan, size_t node)
{
    double sign[MM_MAX_SUM_DEPTH + 1] = {1.0}; /* of the factors around, by depth */
    int lower = 0, higher = 0, neither = 0;

    for (size_t i = node; i < plan->nodes[node].end; i += plan->nodes[i].row == NULL ? 1 : plan->nodes[i].end - i) {
        const mm_node *x = &plan->nodes[i];
        const double s = (x->depth > 0 ? sign[x->depth - 1] : 1.0) * ((x->factor > 0.0) - (x->factor < 0.0));

        if (x->row == NULL)
            sign[x->depth] = s;
        else if (x->row->info.better == MM_NEITHER)
            neither = neither || s != 0.0;
        else if ((x->row->info.better == MM_LOWER) == (s > 0.0))
            lower = lower || s != 0.0;
        else
            higher = higher || s != 0.0;
    }
    return neither || lower == higher ? MM_NEITHER : lower ? MM_LOWER : MM_HIGHER;
}

/* [alias ':'] expr */
static mm_status read_item(parser *p)
{
    mm_plan *plan = p->plan;
    mm_item *item = &plan->items[plan->item_count];
    mm_status status;

    if (plan->item_count == MM_MAX_EXPRESSIONS)
        return mm_plan_fault(p->problem, MM_BAD_EXPRESSION, "more than %d expressions", MM_MAX_EXPRESSIONS);
    *item = (mm_item){.node = plan->node_count};
    plan->item_count++;
    status = read_alias(p, item);
    if (status != MM_OK)
        return status;
    mm_skip_blanks(&p->cursor);
    const size_t at = p->cursor.at;
    status = read_expression(p);
    if (status != MM_OK)
        return status;
    item->expression = copy_without_blanks(p->cursor.text, at, p->cursor.at);
    if (item->expression == NULL)
        return MM_NO_MEMORY;
    item->better = direction(plan, item->node);
    return check_unique(p, at);
}

static mm_status read_list(parser *p)
{
    do {
        const mm_status status = read_item(p);

        if (status != MM_OK)
            return status;
    } while (mm_accept(&p->cursor, ','));
    return mm_peek(&p->cursor) == '\0' ? MM_OK : expected(p, "','");
}

/* No text has more items than this: each starts it, or follows a ','. */
static size_t most_items(const char *text)
{
    size_t count = 1;

    for (text = strchr(text, ','); text != NULL; text = strchr(text + 1, ','))
        count++;
    return count < MM_MAX_EXPRESSIONS ? count : MM_MAX_EXPRESSIONS;
}

mm_status mm_plan_new(mm_plan **out, const char *expressions, mm_problem *problem)
{
    const int standard = expressions == NULL || expressions[0] == '\0';
    parser p = {.cursor = {standard ? DEFAULT_SCORES : expressions, 0}, .problem = problem};
    mm_status status = MM_NO_MEMORY;

    if (strlen(p.cursor.text) > MM_MAX_EXPRESSION_TEXT)
        return mm_plan_fault(problem, MM_BAD_EXPRESSION, "the list is longer than %d bytes", MM_MAX_EXPRESSION_TEXT);
    p.plan = calloc(1, sizeof *p.plan);
    if (p.plan == NULL)
        return MM_NO_MEMORY;
    p.plan->standard = standard;
    p.plan->items = calloc(most_items(p.cursor.text), sizeof *p.plan->items);
    if (p.plan->items != NULL)
        status = read_list(&p);
    if (status == MM_OK)
        status = mm_plan_write(p.plan);
    if (status == MM_OK)
        *out = p.plan;
    else
        mm_plan_free(p.plan);
    return status;
}
