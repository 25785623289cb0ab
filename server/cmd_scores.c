/*
 * cmd_scores.c - `maskmeter scores`: the registry, as a list or one score in detail.
 */
#include "server/cmd.h"
#include "server/command.h"
#include "server/reply.h"

#include <stdlib.h>
#include <string.h>

#define NAME "scores"

static const char help[] = "Usage: maskmeter scores [--json] [NAME]\n"
                           "\n"
                           "Lists every score that can be asked for, or tells all about one of them.\n"
                           "\n"
                           "  --json   the same as JSON, as GET /v1/scores answers\n";

static const char *const kinds[] = {"loss", "metric", "count"};
static const char *const betters[] = {"lower is better", "higher is better", "neither is better"};

static void print_list(void)
{
    const mm_score_info *info;
    size_t width = 0;

    for (size_t i = 0; (info = mm_score_at(i)) != NULL; i++)
        width = strlen(info->name) > width ? strlen(info->name) : width;
    for (size_t i = 0; (info = mm_score_at(i)) != NULL; i++)
        printf("%-*s  %-6s  %s\n", (int)width, info->name, kinds[info->kind], info->summary);
}

static void print_field(const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0')
        printf("  %-10s %s\n", name, text);
}

static void print_params(const char *title, const mm_param *params, size_t count)
{
    size_t width = 0;

    for (size_t i = 0; i < count; i++)
        width = strlen(params[i].name) > width ? strlen(params[i].name) : width;
    if (count > 0)
        printf("\n%s\n", title);
    for (size_t i = 0; i < count; i++) {
        const mm_param *param = &params[i];

        printf("  %-*s  ", (int)width, param->name);
        if (param->standard != NULL)
            printf("(%s) ", param->standard);
        else
            printf("(required) ");
        printf("%s", param->meaning);
        if (param->choices != NULL)
            printf(" [%s]", param->choices);
        else if (param->type != MM_WORD && param->type != MM_BOOLEAN && param->type != MM_WORD_OR_LIST)
            printf(" [%g .. %g]", param->min, param->max);
        printf("\n");
    }
}

static void print_score(const mm_score_info *info)
{
    printf("%s  (%s, %s)\n", info->name, kinds[info->kind], betters[info->better]);
    print_field("", info->summary);
    print_field("formula", info->formula);
    print_field("undefined", info->undefined);
    print_field("source", info->source);
    print_field("aliases", info->aliases);
    print_params("Parameters", info->params, info->param_count);
    print_params("Common parameters", info->common, info->common_count);
}

static int print_json(const mm_score_info *info)
{
    size_t size = 0;
    char *json = info != NULL ? mm_reply_score(info, &size) : mm_reply_scores(&size);

    if (json == NULL) {
        fprintf(stderr, "maskmeter %s: %s\n", NAME, mm_status_text(MM_NO_MEMORY));
        return MM_EXIT_FAILED;
    }
    printf("%s\n", json);
    free(json);
    return MM_EXIT_FINE;
}

static int wrong(const char *argument, const char *text)
{
    fprintf(stderr, "maskmeter %s: %s: %s\nTry 'maskmeter %s --help'.\n", NAME, argument, text, NAME);
    return MM_EXIT_USAGE;
}

static int unknown_score(const char *name)
{
    const char *nearest = mm_score_nearest(name);

    fprintf(stderr, "maskmeter %s: %s: no score has that name", NAME, name);
    if (nearest != NULL)
        fprintf(stderr, "; did you mean %s?", nearest);
    fputc('\n', stderr);
    return MM_EXIT_USAGE;
}

int mm_cmd_scores(int argc, char **argv)
{
    const mm_score_info *info = NULL;
    const char *name = NULL;
    int json = 0, code = MM_EXIT_FINE;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(help, stdout);
            return mm_command_flush(NAME);
        }
        if (strcmp(argv[i], "--json") == 0)
            json = 1;
        else if (argv[i][0] == '-')
            return wrong(argv[i], "no such flag");
        else if (name != NULL)
            return wrong(argv[i], "one score at a time");
        else
            name = argv[i];
    }
    if (name != NULL && (info = mm_score_find(name)) == NULL)
        return unknown_score(name);
    if (json)
        code = print_json(info);
    else if (info != NULL)
        print_score(info);
    else
        print_list();
    return code != MM_EXIT_FINE ? code : mm_command_flush(NAME);
}
