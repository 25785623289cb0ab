/*
 * command.h - arguments of the commands that score files, and the files themselves.
 */
#ifndef MM_COMMAND_H
#define MM_COMMAND_H

#include "lib/maskmeter.h"
#include "server/query.h"

#include <stdio.h>

/* `--name=value` or `--name value`, in any order with the files; `--` ends the flags. */
typedef struct mm_command {
    mm_query params; /* what the server would get in the query */
    const char *url, *token_file;
    int json, help;
    char **files; /* owned list of borrowed strings */
    size_t file_count;
} mm_command;

/* Returns an exit code of cmd.h, after saying on stderr what is wrong.  takes_url: are there --url and --token-file?
 * Free it in any case. */
int mm_command_read(mm_command *command, int argc, char **argv, int takes_url);
void mm_command_free(mm_command *command);

/* "maskmeter eval: FILE: …" on stderr, with what the problem names. */
void mm_command_complain(const char *name, const char *file, const mm_problem *problem);
/* MM_EXIT_FAILED, with a complaint, when stdout did not take everything. */
int mm_command_flush(const char *name);
/* May escape sequences go to this stream?  Only to a terminal, and not with NO_COLOR set. */
int mm_command_colour(FILE *stream);

/* The content coding that the first bytes of a file show: "zstd", "gzip" or NULL.  A safetensors file begins with a
 * length below 2^16, so it cannot be mistaken. */
const char *mm_file_coding(const unsigned char *bytes, size_t size);
/* A whole file, decoded: free(*bytes).  most: take no more than that many bytes from its front (then a coded stream
 * may end early); SIZE_MAX: all of it.  0: problem->text says why not. */
int mm_file_read(const char *path, size_t most, unsigned char **bytes, size_t *size, mm_problem *problem);

#endif
