/*
 * cmd_eval.c - `maskmeter eval`: scores files without a server.
 */
#include "server/cmd.h"
#include "server/command.h"
#include "server/compute.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/table.h"

#include <stdlib.h>
#include <string.h>

#define NAME          "eval"
#define MAX_CLASSES   4096 /* as a server has it by default */
#define SCRATCH_ALIGN 64

static const char help[] =
    "Usage: maskmeter eval [--name=value ...] [--json] FILE...\n"
    "\n"
    "Scores predictions against labels: safetensors files with the tensors pred, label and, if need be, mask;\n"
    "also compressed with zstd or gzip.  Several files are the parts of one evaluation.\n"
    "\n"
    "  --json             print the document that the server would answer\n"
    "  --scores=LIST      what to compute, as in dice,hd95 or sum(0.5*dice_loss,0.5*cross_entropy);\n"
    "                     'maskmeter scores' lists them\n"
    "  --task=multiclass|multilabel\n"
    "  --pred_kind=probs|logits|labels|masks|probs_u8\n"
    "  --label_kind=index|onehot\n"
    "  --layout=channels_first|channels_last\n"
    "  --classes=NAMES    names in order; or --num_classes=N\n"
    "  --ignore_index=N   label whose voxels are not scored\n"
    "  --threshold=T      a mask is p > T (0.5)\n"
    "  --weights=LIST     one number per class\n"
    "  --spacing=LIST     one number per spatial axis, in mm\n"
    "  --image_ids=LIST   one name per image\n"
    "  --include=LIST     what else to tell: images, confusion, histogram, explain\n"
    "\n"
    "A file's own metadata (maskmeter.NAME) says the same; a flag goes before it.\n";

/* What the files have in common, and their union. */
typedef struct session {
    const mm_command *command;
    mm_request first; /* of the first file: its names, weights and plan are those of the whole */
    mm_images *images;
    mm_plan *plan; /* bound to the whole */
    mm_results *results;
    mm_warning warning;
    mm_query query; /* of the first file, whose strings `first` borrows */
    unsigned threads;
    unsigned char *scratch;
    double receive_ms, compute_ms;
} session;

/* ---------------------------------------------------------------- one file */

static mm_status read_wire(mm_wire **wire, const unsigned char *bytes, size_t size, mm_problem *problem)
{
    mm_wire_status status = mm_wire_new(wire);

    if (status == MM_WIRE_OK)
        status = mm_wire_feed(*wire, bytes, size, problem);
    if (status == MM_WIRE_OK || status == MM_WIRE_MORE)
        status = mm_wire_end(*wire, bytes, size, problem);
    return status == MM_WIRE_OK ? MM_OK : status == MM_WIRE_NO_MEMORY ? MM_NO_MEMORY : MM_BAD_VALUE;
}

/* Flags first, then the file's metadata, then a part named after the place of the file. */
static mm_status read_parameters(const session *all, mm_query *query, mm_request *request, const mm_wire *wire,
                                 size_t index, mm_problem *problem)
{
    const mm_query *flags = &all->command->params;
    char part[24];
    size_t added;
    mm_status status = MM_OK;

    for (size_t i = 0; status == MM_OK && i < flags->count; i++)
        status = mm_query_add(query, flags->pairs[i].name, flags->pairs[i].value, problem);
    if (status == MM_OK)
        status = mm_request_metadata(query, wire, &added, problem);
    snprintf(part, sizeof part, "%zu", index);
    if (status == MM_OK)
        status = mm_query_add(query, "part", part, problem);
    if (status == MM_OK)
        status = mm_request_read(request, query, problem);
    if (status == MM_OK)
        status = mm_request_complete(request, problem);
    return status;
}

static mm_status score_tensors(session *all, const mm_request *request, mm_images **images, mm_problem *problem)
{
    const unsigned keep = mm_request_keep(request);
    mm_eval *eval = NULL;
    mm_warning warning;
    mm_status status = mm_eval_new(&eval, &request->input, request->plan, keep, problem);

    if (status != MM_OK)
        return status;
    mm_eval_run(eval, all->scratch, all->threads);
    status = mm_eval_finish(eval, (const char *const *)request->image_ids, images, problem);
    warning = mm_eval_warning(eval);
    if (all->warning.count == 0)
        all->warning.index = warning.index;
    all->warning.count += warning.count;
    mm_eval_free(eval);
    return status;
}

static int same_names(const mm_request *a, const mm_request *b)
{
    for (size_t i = 0; i < a->class_count; i++)
        if (strcmp(a->class_names[i], b->class_names[i]) != 0)
            return 0;
    return 1;
}

/* What belongs to the evaluation must be equal in all its parts. */
static mm_status same_definition(const mm_request *a, const mm_request *b, mm_problem *problem)
{
    const char *param = NULL;

    if (a->class_count != b->class_count || !same_names(a, b))
        param = "classes";
    else if (a->shape.task != b->shape.task)
        param = "task";
    else if (a->input.threshold != b->input.threshold)
        param = "threshold";
    else if (a->input.has_ignore != b->input.has_ignore || a->input.ignore_index != b->input.ignore_index)
        param = "ignore_index";
    if (param == NULL)
        return MM_OK;
    snprintf(problem->param, sizeof problem->param, "%s", param);
    snprintf(problem->text, sizeof problem->text, "differs from that of the first file");
    return MM_CONFLICT;
}

/* Adds the images of a file to the session. */
static mm_status add_images(session *all, mm_query *query, mm_request *request, mm_images *images, mm_problem *problem)
{
    mm_status status;

    if (all->images == NULL) { /* the first file: everything is handed over */
        all->images = images;
        all->first = *request;
        all->query = *query;
        *request = (mm_request){.max_classes = MAX_CLASSES};
        *query = (mm_query){.count = 0};
        return MM_OK;
    }
    status = same_definition(&all->first, request, problem);
    if (status == MM_OK)
        status = mm_images_merge(all->images, images, problem);
    mm_images_free(images);
    return status;
}

static int score_file(session *all, size_t index)
{
    const char *file = all->command->files[index];
    unsigned char *bytes = NULL;
    size_t size = 0;
    mm_wire *wire = NULL;
    mm_query query = {.count = 0};
    mm_request request = {.max_classes = MAX_CLASSES};
    mm_images *images = NULL;
    mm_problem problem = {.has_index = 0};
    mm_status status = MM_OK;
    double start = mm_compute_clock();

    if (!mm_file_read(file, SIZE_MAX, &bytes, &size, &problem)) {
        mm_command_complain(NAME, file, &problem);
        return MM_EXIT_FAILED;
    }
    all->receive_ms += 1e3 * (mm_compute_clock() - start);
    start = mm_compute_clock();
    status = read_wire(&wire, bytes, size, &problem);
    if (status == MM_OK)
        status = read_parameters(all, &query, &request, wire, index, &problem);
    if (status == MM_OK)
        status = mm_request_tensors(&request, wire, &problem);
    if (status == MM_OK)
        status = score_tensors(all, &request, &images, &problem);
    if (status == MM_OK)
        status = add_images(all, &query, &request, images, &problem);
    all->compute_ms += 1e3 * (mm_compute_clock() - start);
    if (status != MM_OK) {
        if (problem.text[0] == '\0')
            snprintf(problem.text, sizeof problem.text, "%s", mm_status_text(status));
        mm_command_complain(NAME, file, &problem);
    }
    mm_request_free(&request);
    mm_query_free(&query);
    mm_wire_free(wire);
    free(bytes);
    return status == MM_OK ? MM_EXIT_FINE : MM_EXIT_FAILED;
}

/* ------------------------------------------------------------------- whole */

static mm_status score_whole(session *all, mm_problem *problem)
{
    mm_shape shape = all->first.shape;
    mm_status status = mm_plan_new(&all->plan, mm_plan_text(all->first.plan), problem);

    shape.images = mm_images_count(all->images);
    if (status == MM_OK)
        status = mm_plan_bind(all->plan, &shape, problem);
    if (status == MM_OK)
        status = mm_images_score(&all->results, all->images, all->plan, all->first.weights, problem);
    return status;
}

static int print_whole(session *all)
{
    const mm_report report = {
        .images = all->images,
        .plan = all->plan,
        .results = all->results,
        .class_names = (const char *const *)all->first.class_names,
        .warning = all->warning,
        .include_images = (all->first.include & MM_INCLUDE_IMAGES) != 0,
        .include_confusion = (all->first.include & MM_INCLUDE_CONFUSION) != 0,
        .include_explain = (all->first.include & MM_INCLUDE_EXPLAIN) != 0,
        .include_histogram = (all->first.include & MM_INCLUDE_HISTOGRAM) != 0,
        .receive_ms = all->receive_ms,
        .compute_ms = all->compute_ms,
        .threads = all->threads,
    };
    size_t size = 0;
    char *json = mm_reply_report(&report, &size);
    int fine = json != NULL;

    if (fine && all->command->json)
        fprintf(stdout, "%s\n", json);
    else if (fine)
        fine = mm_table_print(stdout, json, size, mm_command_colour(stdout), mm_table_width(stdout));
    free(json);
    if (fine)
        return mm_command_flush(NAME);
    fprintf(stderr, "maskmeter %s: %s\n", NAME, mm_status_text(MM_NO_MEMORY));
    return MM_EXIT_FAILED;
}

/* Flags that make no sense are wrong usage, before any file is read. */
static int check_flags(const mm_command *command)
{
    mm_request request = {.max_classes = MAX_CLASSES};
    mm_problem problem = {.has_index = 0};
    mm_status status = mm_request_read(&request, &command->params, &problem);

    if (status == MM_OK && command->file_count > 1 && mm_query_get(&command->params, "part") != NULL) {
        snprintf(problem.param, sizeof problem.param, "part");
        snprintf(problem.text, sizeof problem.text, "several files cannot all be the same part");
        status = MM_BAD_PARAM;
    }
    mm_request_free(&request);
    if (status == MM_OK)
        return MM_EXIT_FINE;
    mm_command_complain(NAME, NULL, &problem);
    return MM_EXIT_USAGE;
}

static int score_files(const mm_command *command)
{
    session all = {.command = command, .threads = mm_threads_available()};
    mm_problem problem = {.has_index = 0};
    mm_status status;
    double start;
    int code = check_flags(command);

    all.scratch = aligned_alloc(SCRATCH_ALIGN, (size_t)all.threads * MM_SCRATCH_BYTES);
    if (code == MM_EXIT_FINE && all.scratch == NULL) {
        fprintf(stderr, "maskmeter %s: %s\n", NAME, mm_status_text(MM_NO_MEMORY));
        code = MM_EXIT_FAILED;
    }
    for (size_t i = 0; i < command->file_count && code == MM_EXIT_FINE; i++)
        code = score_file(&all, i);
    if (code == MM_EXIT_FINE) {
        start = mm_compute_clock();
        status = score_whole(&all, &problem);
        all.compute_ms += 1e3 * (mm_compute_clock() - start);
        if (status == MM_OK) {
            code = print_whole(&all);
        } else {
            mm_command_complain(NAME, NULL, &problem);
            code = MM_EXIT_FAILED;
        }
    }
    mm_results_free(all.results);
    mm_plan_free(all.plan);
    mm_images_free(all.images);
    mm_request_free(&all.first);
    mm_query_free(&all.query);
    free(all.scratch);
    return code;
}

int mm_cmd_eval(int argc, char **argv)
{
    mm_command command;
    int code = mm_command_read(&command, argc, argv, 0);

    if (code == MM_EXIT_FINE && command.help) {
        fputs(help, stdout);
        code = mm_command_flush(NAME);
    } else if (code == MM_EXIT_FINE && mm_cpu_refused() != NULL) {
        fprintf(stderr, "maskmeter %s: MM_CPU=%s: this machine cannot do that\n", NAME, mm_cpu_refused());
        code = MM_EXIT_FAILED;
    } else if (code == MM_EXIT_FINE) {
        code = score_files(&command);
    }
    mm_command_free(&command);
    return code;
}
