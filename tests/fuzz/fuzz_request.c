/*
 * fuzz_request.c - libFuzzer: any text as the query of an upload: parameters each by itself and together.
 *
 * Errors name a parameter that was sent or is known; what is accepted keeps what request.h says of it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/request.h"
#include "tests/fuzz/target.h"

#define MAX_CLASSES 64

static void check_names(char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        demand(mm_name_valid(names[i]));
        for (size_t k = 0; k < i; k++)
            demand(strcmp(names[i], names[k]) != 0);
    }
}

/* Written and read again, a list is the same. */
static void check_numbers(const double *numbers, size_t count, double most)
{
    char *text = mm_join_numbers(numbers, count);
    mm_query query = {.count = 0};
    double *again = NULL;
    size_t again_count = 0;

    demand(text != NULL && mm_query_add(&query, "n", text, NULL) == MM_OK);
    demand(mm_query_numbers(&query, "n", 0.0, most, count, &again, &again_count, NULL) == MM_OK);
    demand(again_count == count && memcmp(again, numbers, count * sizeof *numbers) == 0);
    for (size_t i = 0; i < count; i++)
        demand(isfinite(numbers[i]) && numbers[i] >= 0.0 && numbers[i] <= most);
    mm_query_free(&query);
    free(again);
    free(text);
}

static void check_request(const mm_request *request)
{
    const mm_input *input = &request->input;

    demand(input->threshold >= 0.0 && input->threshold <= 1.0 && input->spacing_count <= 3);
    demand(input->classes <= MAX_CLASSES && request->class_count <= MAX_CLASSES);
    demand(request->run == NULL || (mm_name_valid(request->run) && request->has_step && request->step >= 0));
    demand(mm_name_valid(request->split) && mm_name_valid(request->part));
    demand(request->parts == -1 || request->parts >= 1);
    demand(mm_plan_count(request->plan) >= 1 && (request->include & ~15U) == 0);
    check_names(request->class_names, request->class_count);
    check_names(request->image_ids, request->image_count);
    if (request->weights != NULL)
        check_numbers(request->weights, request->weight_count, 1e300);
    if (request->spacing != NULL)
        check_numbers(request->spacing, input->spacing_count, MM_SPACING_MOST);
}

/* The parameter that a problem names is one of the query, or one that the query must have. */
static void check_problem(mm_status status, const mm_problem *problem, const mm_query *query)
{
    int sent = strcmp(problem->param, "step") == 0;

    demand(status != MM_NO_MEMORY && problem->text[0] != '\0' && fuzz_is_clean(problem->text));
    for (size_t i = 0; i < query->count && !sent; i++)
        sent = strncmp(problem->param, query->pairs[i].name, sizeof problem->param - 1) == 0 ||
               (strlen(problem->param) > 56 && strstr(query->pairs[i].name, problem->param) != NULL);
    demand(sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    mm_query query = {.count = 0};
    mm_request request = {.max_classes = MAX_CLASSES};
    mm_problem problem = {0};
    mm_status status = mm_query_parse(&query, text, strlen(text), &problem);

    if (status == MM_OK) {
        status = mm_query_only(&query, MM_REQUEST_PARAMS, &problem);
        if (status == MM_OK)
            status = mm_request_read(&request, &query, &problem);
        if (status == MM_OK)
            status = mm_request_complete(&request, &problem);
        if (status == MM_OK)
            check_request(&request);
        else
            check_problem(status, &problem, &query);
    }
    mm_request_free(&request);
    mm_query_free(&query);
    free(text);
    return 0;
}
