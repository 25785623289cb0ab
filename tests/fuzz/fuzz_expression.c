/*
 * fuzz_expression.c - libFuzzer: any text as a list of expressions: read, written, read again, and computed.
 *
 * Errors say something about "scores" and echo nothing unchecked; plans are bounded; a plan's text gives an equal plan;
 * and whatever the parameters are, values are finite or have a reason.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/maskmeter.h"
#include "tests/fuzz/target.h"

#define CLASSES     3
#define SIDE        4
#define VOXELS      (SIDE * SIDE)
#define MOST_SCORED 4 /* expressions of a plan that is computed */

static void check_problem(mm_status status, const mm_problem *problem)
{
    demand(status != MM_NO_MEMORY && problem->text[0] != '\0');
    demand(fuzz_is_clean(problem->text) && fuzz_is_clean(problem->param));
}

static void check_equal(const mm_plan *plan, const mm_plan *other)
{
    demand(mm_plan_count(plan) == mm_plan_count(other) && strcmp(mm_plan_text(plan), mm_plan_text(other)) == 0);
    for (size_t i = 0; i < mm_plan_count(plan); i++) {
        demand(strcmp(mm_plan_name(plan, i), mm_plan_name(other, i)) == 0);
        demand(strcmp(mm_plan_expression(plan, i), mm_plan_expression(other, i)) == 0);
        demand(mm_plan_kind(plan, i) == mm_plan_kind(other, i) && mm_plan_better(plan, i) == mm_plan_better(other, i));
    }
}

static void check_value(const mm_value *value)
{
    demand((unsigned)value->reason < MM_REASON_COUNT);
    demand(value->reason != MM_DEFINED || isfinite(value->value));
}

static void check_results(const mm_results *results, const mm_plan *plan)
{
    for (size_t i = 0; i < mm_plan_count(plan); i++) {
        const mm_result *result = mm_results_at(results, i);
        size_t count = 1;

        for (unsigned k = 0; k < result->rank; k++)
            count *= result->dim[k];
        if (result->rank == 0)
            check_value(&result->value);
        for (size_t k = 0; result->rank > 0 && k < count; k++)
            check_value(&result->list[k]);
        for (size_t c = 0; result->per_class != NULL && c < CLASSES; c++)
            check_value(&result->per_class[c]);
    }
}

/* Scores a small image of which class 2 is nowhere. */
static void compute(mm_plan *plan, const mm_input *input)
{
    static _Alignas(64) unsigned char scratch[MM_SCRATCH_BYTES];
    static const char *const ids[] = {"a"};
    mm_problem problem = {0};
    mm_images *images = NULL;
    mm_results *results = NULL;
    mm_eval *eval = NULL;
    mm_status status = mm_eval_new(&eval, input, plan, 0, &problem);

    if (status == MM_OK) {
        mm_eval_run(eval, scratch, 1);
        status = mm_eval_finish(eval, ids, &images, &problem);
    }
    if (status == MM_OK)
        status = mm_images_score(&results, images, plan, NULL, &problem);
    if (status == MM_OK)
        check_results(results, plan);
    else
        check_problem(status, &problem);
    mm_results_free(results);
    mm_images_free(images);
    mm_eval_free(eval);
}

static void bind_and_compute(mm_plan *plan)
{
    static float pred[CLASSES * VOXELS];
    static unsigned char label[VOXELS];
    const mm_input input = {.pred = {pred, MM_F32, 4, {1, CLASSES, SIDE, SIDE}},
                            .label = {label, MM_U8, 3, {1, SIDE, SIDE}},
                            .threshold = 0.5};
    mm_problem problem = {0};
    mm_shape shape;
    mm_status status;

    for (size_t v = 0; v < VOXELS; v++) {
        label[v] = v % 5 < 2;
        pred[v] = (float)(v % 4) / 4.0F;
        pred[VOXELS + v] = 1.0F - pred[v];
    }
    demand(mm_input_shape(&input, &shape, NULL) == MM_OK);
    status = mm_plan_bind(plan, &shape, &problem);
    if (status != MM_OK)
        check_problem(status, &problem);
    else if (mm_plan_count(plan) <= MOST_SCORED)
        compute(plan, &input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    mm_plan *plan = NULL, *again = NULL;
    mm_problem problem = {0};
    const mm_status status = mm_plan_new(&plan, text, &problem);

    if (status == MM_OK) {
        demand(mm_plan_count(plan) >= 1 && mm_plan_count(plan) <= MM_MAX_EXPRESSIONS);
        demand(mm_plan_new(&again, mm_plan_text(plan), &problem) == MM_OK);
        check_equal(plan, again);
        bind_and_compute(plan);
    } else {
        check_problem(status, &problem);
        demand(strcmp(problem.param, "scores") == 0);
    }
    mm_plan_free(plan);
    mm_plan_free(again);
    free(text);
    return 0;
}
