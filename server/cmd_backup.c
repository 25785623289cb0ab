/*
 * cmd_backup.c - `maskmeter backup` and `maskmeter restore`: the history into one file, and back.
 */
#include "server/cmd.h"
#include "server/history_copy.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_ROOM 4096

static const char backup_help[] =
    "Usage: maskmeter backup [--data DIR] [--force] FILE\n"
    "\n"
    "Copies the history into one file, as it is at this moment. A server may be at work on it: it need not stop or "
    "wait.\n"
    "The copy is looked through, has mode 0600, and has its name only once it is whole and on disk.\n"
    "It holds the digests of tokens and everything that was scored: keep it as safe as the history itself.\n"
    "\n"
    "  --data DIR  the directory of the history (MASKMETER_DATA, or maskmeter-data)\n"
    "  --force     replace FILE when it is there\n"
    "\n"
    "Exit code 0: the copy is good. 1: there is none. 2: wrong usage.\n";

static const char restore_help[] =
    "Usage: maskmeter restore [--data DIR] [--force] FILE\n"
    "\n"
    "Makes a file of `maskmeter backup` the history of a directory, once it was looked through. No server may use the "
    "directory.\n"
    "Tokens are those of the copy: one that was revoked since is valid again.\n"
    "\n"
    "  --data DIR  the directory of the history (MASKMETER_DATA, or maskmeter-data)\n"
    "  --force     also where there is a history; it is kept beside the new one\n"
    "\n"
    "Exit code 0: done. 1: nothing was changed. 2: wrong usage.\n";

typedef struct arguments {
    const char *name, *help;
    const char *data, *file;
    int force, helped;
} arguments;

static int wrong(const arguments *a, const char *argument, const char *text)
{
    (void)fprintf(stderr, "maskmeter %s: %s%s%s\nTry 'maskmeter %s --help'.\n", a->name, argument,
                  argument[0] == '\0' ? "" : ": ", text, a->name);
    return MM_EXIT_USAGE;
}

static int read_argument(arguments *a, int argc, char **argv, int *at)
{
    const char *argument = argv[*at];

    if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0)
        a->helped = 1;
    else if (strcmp(argument, "--force") == 0)
        a->force = 1;
    else if (strncmp(argument, "--data=", 7) == 0)
        a->data = argument + 7;
    else if (strcmp(argument, "--data") == 0 && *at + 1 < argc)
        a->data = argv[++*at];
    else if (strcmp(argument, "--data") == 0)
        return wrong(a, argument, "a value is missing");
    else if (argument[0] == '-')
        return wrong(a, argument, "no such flag");
    else if (a->file != NULL)
        return wrong(a, argument, "one file is enough");
    else
        a->file = argument;
    return MM_EXIT_FINE;
}

static int read_arguments(arguments *a, int argc, char **argv)
{
    int code = MM_EXIT_FINE;

    a->data = getenv("MASKMETER_DATA");
    if (a->data == NULL)
        a->data = "maskmeter-data";
    for (int i = 1; i < argc && code == MM_EXIT_FINE; i++)
        code = read_argument(a, argc, argv, &i);
    if (code != MM_EXIT_FINE || a->helped)
        return code;
    if (a->file == NULL || a->file[0] == '\0')
        return wrong(a, "", "a file is needed");
    return a->data[0] == '\0' ? wrong(a, "--data", "is empty") : MM_EXIT_FINE;
}

/* ---------------------------------------------------------------- progress */

/* Signals that end a command wait until the partial file is gone. */
static const int endings[] = {SIGINT, SIGTERM, SIGHUP};

/* But not those that end nothing, as SIGHUP under nohup. */
static void hold_signals(sigset_t *before)
{
    struct sigaction action;
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (sigaction(endings[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&set, endings[i]);
    sigprocmask(SIG_BLOCK, &set, before);
}

static int is_ending(void)
{
    sigset_t waiting;

    sigpending(&waiting);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (sigismember(&waiting, endings[i]))
            return 1;
    return 0;
}

static int show(void *context, int64_t done, int64_t total)
{
    int *percent = context;
    const int now = total > 0 ? (int)(done * 100 / total) : 100;

    if (isatty(STDERR_FILENO) && now != *percent)
        (void)fprintf(stderr, "\r%3d %%%s", now, now == 100 ? "\r     \r" : "");
    *percent = now;
    return !is_ending();
}

static int finish(const arguments *a, mm_store_status status, const mm_copy_facts *facts, const char *kept,
                  const mm_problem *problem)
{
    if (status != MM_STORE_OK) {
        (void)fprintf(stderr, "maskmeter %s: %s\n", a->name, problem->text);
        return MM_EXIT_FAILED;
    }
    (void)printf("%s: %.1f MB, %lld runs, %lld parts, schema %ld, undamaged\n", a->file, (double)facts->bytes / 1e6,
                 (long long)facts->runs, (long long)facts->parts, facts->version);
    if (kept[0] != '\0')
        (void)printf("the history that was there is %s\n", kept);
    return fflush(stdout) == 0 ? MM_EXIT_FINE : MM_EXIT_FAILED;
}

static int run(arguments *a, int argc, char **argv, int restores)
{
    char kept[PATH_ROOM] = "";
    int percent = -1;
    sigset_t before;
    mm_problem problem = {0};
    mm_copy_facts facts = {0};
    mm_store_status status;
    const int code = read_arguments(a, argc, argv);

    if (code != MM_EXIT_FINE || a->helped) {
        if (code == MM_EXIT_FINE)
            (void)fputs(a->help, stdout);
        return code;
    }
    const mm_copy_options options = {
        .directory = a->data, .file = a->file, .force = a->force, .progress = show, .context = &percent};

    hold_signals(&before);
    if (restores)
        status = mm_history_restore(&options, &facts, kept, sizeof kept, &problem);
    else
        status = mm_history_backup(&options, &facts, &problem);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return finish(a, status, &facts, kept, &problem);
}

int mm_cmd_backup(int argc, char **argv)
{
    arguments a = {.name = "backup", .help = backup_help};

    return run(&a, argc, argv, 0);
}

int mm_cmd_restore(int argc, char **argv)
{
    arguments a = {.name = "restore", .help = restore_help};

    return run(&a, argc, argv, 1);
}
