/*
 * main.c - the table of subcommands.
 */
#include <stdio.h>
#include <string.h>

#include "lib/maskmeter.h"
#include "server/cmd.h"

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *meaning;
} command;

static int version(int argc, char **argv);
static int help(int argc, char **argv);

/* clang-format off */
static const command commands[] = {
    {"serve",       mm_cmd_serve,       "run the server"},
    {"eval",        mm_cmd_eval,        "score files without a server"},
    {"push",        mm_cmd_push,        "upload files to a server"},
    {"scores",      mm_cmd_scores,      "list the scores, their formulas and parameters"},
    {"healthcheck", mm_cmd_healthcheck, "exit 0 when the server answers"},
    {"demo",        mm_cmd_demo,        "fill a server with two made-up runs"},
    {"bench",       mm_cmd_bench,       "measure how fast this machine scores"},
    {"token",       mm_cmd_token,       "make, list and revoke tokens"},
    {"backup",      mm_cmd_backup,      "copy the history into one file, while the server works"},
    {"restore",     mm_cmd_restore,     "make such a copy the history of a directory"},
    {"version",     version,            "print the version"},
    {"help",        help,               "print this, or the help of a command"},
};
/* clang-format on */

#define COMMANDS (sizeof commands / sizeof commands[0])

static void usage(FILE *file)
{
    (void)fputs("maskmeter scores predicted segmentations against their labels.\n\n"
                "usage: maskmeter COMMAND [flags]\n\n",
                file);
    for (size_t i = 0; i < COMMANDS; i++)
        (void)fprintf(file, "  %-12s %s\n", commands[i].name, commands[i].meaning);
    (void)fputs("\n`maskmeter COMMAND --help` says more about each.\n", file);
}

static int version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    (void)printf("maskmeter %s (%s)\n", MM_VERSION, mm_cpu_level());
    return MM_EXIT_FINE;
}

static const command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int help(int argc, char **argv)
{
    const command *chosen = argc == 2 ? find(argv[1]) : NULL;
    char flag[] = "--help";
    char *arguments[] = {argv[0], flag, NULL};

    if (chosen == NULL || chosen->run == help || chosen->run == version) {
        usage(stdout);
        return MM_EXIT_FINE;
    }
    arguments[0] = argv[1];
    return chosen->run(2, arguments);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    const command *chosen = find(name);
    const char *refused = mm_cpu_refused();

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        chosen = find("help");
    if (strcmp(name, "--version") == 0)
        chosen = find("version");
    if (chosen == NULL) {
        if (argc > 1)
            (void)fprintf(stderr, "maskmeter: %s is not a command\n\n", name);
        usage(stderr);
        return MM_EXIT_USAGE;
    }
    if (refused != NULL) {
        (void)fprintf(stderr, "maskmeter: MM_CPU=%s is not a level of this machine, which has %s\n", refused,
                      mm_cpu_level());
        return MM_EXIT_USAGE;
    }
    return chosen->run(argc - 1, argv + 1);
}
