/*
 * file_steps.c - scores a file with the library, one step at a time, so that a driver can let it take turns with
 * something else.
 *
 * usage: file_steps FILE THREADS      FILE: safetensors, one image, with its parameters in its metadata
 *
 * Prints the CPU level.  Each line of standard input is a list of expressions; its answer is a line with the seconds
 * that a whole evaluation of them took: plan, checks, counts, distances, records, scores.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/command.h"
#include "server/compute.h"
#include "server/request.h"
#include "server/sample.h"

#define MOST_CLASSES  4096
#define SCRATCH_ALIGN 64

/* A file and what it says of itself. */
typedef struct opened {
    unsigned char *bytes; /* owned */
    size_t size;
    mm_wire *wire;
    mm_query query;
    mm_request request;
} opened;

static int open_file(opened *file, const char *path, mm_problem *problem)
{
    size_t added;

    file->request.max_classes = MOST_CLASSES;
    return mm_file_read(path, SIZE_MAX, &file->bytes, &file->size, problem) && mm_wire_new(&file->wire) == MM_WIRE_OK &&
           mm_wire_feed(file->wire, file->bytes, file->size, problem) <= MM_WIRE_MORE &&
           mm_wire_end(file->wire, file->bytes, file->size, problem) == MM_WIRE_OK &&
           mm_request_metadata(&file->query, file->wire, &added, problem) == MM_OK &&
           mm_request_read(&file->request, &file->query, problem) == MM_OK &&
           mm_request_complete(&file->request, problem) == MM_OK &&
           mm_request_tensors(&file->request, file->wire, problem) == MM_OK;
}

static void close_file(opened *file)
{
    mm_request_free(&file->request);
    mm_query_free(&file->query);
    mm_wire_free(file->wire);
    free(file->bytes);
}

/* 0: not an expression, or it failed. */
static int take_step(const mm_sample *sample, const char *expressions, unsigned threads)
{
    const double since = mm_compute_clock();
    mm_problem problem = {.has_index = 0};
    mm_value value;

    if (mm_sample_score(sample, expressions, threads, &value, &problem) != MM_OK) {
        fprintf(stderr, "file_steps: %s: %s\n", expressions, problem.text);
        return 0;
    }
    printf("%.9f\n", mm_compute_clock() - since);
    return fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    const unsigned threads = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    opened file = {.bytes = NULL};
    mm_sample sample = {.threads = threads};
    mm_problem problem = {.text = "usage: file_steps FILE THREADS"};
    char step[1024];
    int fine = threads > 0 && open_file(&file, argv[1], &problem);

    if (fine) {
        sample.input = file.request.input;
        sample.scratch = aligned_alloc(SCRATCH_ALIGN, (size_t)threads * MM_SCRATCH_BYTES);
        fine = sample.scratch != NULL;
        printf("%s\n", mm_cpu_level());
        fflush(stdout);
    } else {
        fprintf(stderr, "%s\n", problem.text);
    }
    while (fine && fgets(step, sizeof step, stdin) != NULL) {
        step[strcspn(step, "\n")] = '\0';
        fine = take_step(&sample, step, threads);
    }
    free(sample.scratch);
    close_file(&file);
    return !fine;
}
