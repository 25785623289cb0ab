/*
 * command.c - flags, complaints and files of the commands.
 */
#include "server/command.h"
#include "proto/wire.h"
#include "server/cmd.h"
#include "server/request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK ((size_t)1 << 20)

/* ------------------------------------------------------------------- flags */

static int usage(const char *name, const char *flag, const char *text)
{
    fprintf(stderr, "maskmeter %s: %s: %s\nTry 'maskmeter %s --help'.\n", name, flag, text, name);
    return MM_EXIT_USAGE;
}

/* One flag with a value; *i moves on when the value is the next argument. */
static int read_flag(mm_command *command, int argc, char **argv, int *i, int takes_url)
{
    const char *flag = argv[*i], *equals = strchr(flag, '='), *value;
    const size_t length = equals != NULL ? (size_t)(equals - flag) : strlen(flag);
    char name[64];
    mm_problem problem = {.has_index = 0};

    if (length < 3 || length - 2 >= sizeof name)
        return usage(argv[0], flag, "no such flag");
    memcpy(name, flag + 2, length - 2);
    name[length - 2] = '\0';
    if (equals != NULL)
        value = equals + 1;
    else if (*i + 1 < argc)
        value = argv[++*i];
    else
        return usage(argv[0], flag, "a value is missing");
    if (takes_url && strcmp(name, "url") == 0) {
        command->url = value;
        return MM_EXIT_FINE;
    }
    if (takes_url && strcmp(name, "token-file") == 0) {
        command->token_file = value;
        return MM_EXIT_FINE;
    }
    if (mm_query_get(&command->params, name) != NULL)
        return usage(argv[0], flag, "is given twice");
    if (mm_query_add(&command->params, name, value, &problem) != MM_OK)
        return usage(argv[0], flag, problem.text);
    return MM_EXIT_FINE;
}

int mm_command_read(mm_command *command, int argc, char **argv, int takes_url)
{
    int flags = 1, code = MM_EXIT_FINE;
    mm_problem problem = {.has_index = 0};

    *command = (mm_command){.files = calloc((size_t)argc, sizeof *command->files)};
    if (command->files == NULL)
        return usage(argv[0], "", mm_status_text(MM_NO_MEMORY));
    for (int i = 1; i < argc && code == MM_EXIT_FINE; i++) {
        if (!flags || argv[i][0] != '-')
            command->files[command->file_count++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            flags = 0;
        else if (strcmp(argv[i], "--json") == 0)
            command->json = 1;
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            command->help = 1;
        else if (argv[i][1] != '-')
            code = usage(argv[0], argv[i], "no such flag");
        else
            code = read_flag(command, argc, argv, &i, takes_url);
    }
    if (code != MM_EXIT_FINE || command->help)
        return code;
    if (mm_query_only(&command->params, MM_REQUEST_PARAMS, &problem) != MM_OK)
        return usage(argv[0], problem.param, problem.text);
    if (command->file_count == 0)
        return usage(argv[0], "FILE", "no file is given");
    return MM_EXIT_FINE;
}

void mm_command_free(mm_command *command)
{
    mm_query_free(&command->params);
    free(command->files);
    command->files = NULL;
}

void mm_command_complain(const char *name, const char *file, const mm_problem *problem)
{
    fprintf(stderr, "maskmeter %s: ", name);
    if (file != NULL)
        fprintf(stderr, "%s: ", file);
    if (problem->tensor[0] != '\0') {
        fprintf(stderr, "tensor %s", problem->tensor);
        if (problem->has_index)
            fprintf(stderr, "[%llu]", (unsigned long long)problem->index);
        fputs(": ", stderr);
    }
    if (problem->param[0] != '\0')
        fprintf(stderr, "%s: ", problem->param);
    fprintf(stderr, "%s\n", problem->text);
}

int mm_command_flush(const char *name)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return MM_EXIT_FINE;
    fprintf(stderr, "maskmeter %s: cannot write the output: %s\n", name, strerror(errno));
    return MM_EXIT_FAILED;
}

int mm_command_colour(FILE *stream)
{
    const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");

    return isatty(fileno(stream)) && (refused == NULL || refused[0] == '\0') &&
           (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

/* ------------------------------------------------------------------- files */

const char *mm_file_coding(const unsigned char *bytes, size_t size)
{
    static const unsigned char zstd[] = {0x28, 0xB5, 0x2F, 0xFD}, gzip[] = {0x1F, 0x8B, 0x08};

    if (size >= sizeof zstd && memcmp(bytes, zstd, sizeof zstd) == 0)
        return "zstd";
    if (size >= sizeof gzip && memcmp(bytes, gzip, sizeof gzip) == 0)
        return "gzip";
    return NULL;
}

static int refuse(mm_problem *problem, const char *text)
{
    *problem = (mm_problem){.has_index = 0};
    snprintf(problem->text, sizeof problem->text, "%s", text);
    return 0;
}

/* Up to `most` bytes as they are on disk. */
static int read_raw(const char *path, size_t most, unsigned char **bytes, size_t *size, mm_problem *problem)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    unsigned char *data = NULL, *larger;
    size_t room = 0, filled = 0;
    ssize_t got = 0;
    int fine = 0;

    if (file < 0 || fstat(file, &about) != 0) {
        refuse(problem, strerror(errno));
        goto done;
    }
    if (S_ISREG(about.st_mode) && about.st_size > 0)
        room = (size_t)about.st_size + 1; /* one more, so that the end is seen without growing */
    do {
        if (data == NULL || filled == room) {
            room = data == NULL ? (room > 0 ? room : BLOCK) : 2 * room;
            room = room < most ? room : most;
            larger = realloc(data, room);
            if (larger == NULL) {
                refuse(problem, mm_status_text(MM_NO_MEMORY));
                goto done;
            }
            data = larger;
        }
        got = read(file, data + filled, room - filled);
        if (got > 0)
            filled += (size_t)got;
    } while (filled < most && (got > 0 || (got < 0 && errno == EINTR)));
    if (got < 0) {
        refuse(problem, strerror(errno));
        goto done;
    }
    *bytes = data;
    *size = filled;
    data = NULL;
    fine = 1;

done:
    free(data);
    if (file >= 0)
        close(file);
    return fine;
}

/* No file may expand beyond the memory of the machine. */
static size_t expansion_limit(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

    return pages > 0 && page > 0 ? (size_t)pages * (size_t)page : SIZE_MAX / 2;
}

/* whole: must the stream end where `in` does?  Else what can be decoded is enough. */
static int decode(const char *coding_name, const unsigned char *in, size_t in_size, int whole, unsigned char **bytes,
                  size_t *size, mm_problem *problem)
{
    const size_t limit = expansion_limit();
    size_t room = 4 * in_size + BLOCK, filled = 0, at = 0;
    unsigned char *out = malloc(room), *larger;
    mm_coding *coding = NULL;
    mm_wire_status status = out != NULL ? mm_coding_new(&coding, coding_name) : MM_WIRE_NO_MEMORY;

    while (status == MM_WIRE_OK) {
        size_t used = 0;

        status = mm_coding_feed(coding, in + at, in_size - at, &used, out, room, &filled, problem);
        at += used;
        if (status != MM_WIRE_TOO_LARGE)
            break;
        if (room >= limit)
            break;
        room = 2 * room < limit ? 2 * room : limit;
        larger = realloc(out, room);
        status = larger != NULL ? MM_WIRE_OK : MM_WIRE_NO_MEMORY;
        out = larger != NULL ? larger : out;
    }
    if (status == MM_WIRE_OK && whole)
        status = mm_coding_end(coding, problem);
    mm_coding_free(coding);
    if (status == MM_WIRE_OK) {
        *bytes = out;
        *size = filled;
        return 1;
    }
    free(out);
    if (status == MM_WIRE_NO_MEMORY)
        refuse(problem, mm_status_text(MM_NO_MEMORY));
    else if (status == MM_WIRE_TOO_LARGE)
        refuse(problem, "expands beyond the memory of this machine");
    return 0;
}

int mm_file_read(const char *path, size_t most, unsigned char **bytes, size_t *size, mm_problem *problem)
{
    unsigned char *raw = NULL;
    size_t raw_size = 0;
    const char *coding;
    int fine = read_raw(path, most, &raw, &raw_size, problem);

    if (!fine)
        return 0;
    coding = mm_file_coding(raw, raw_size);
    if (coding == NULL) {
        *bytes = raw;
        *size = raw_size;
        return 1;
    }
    fine = decode(coding, raw, raw_size, most == SIZE_MAX, bytes, size, problem);
    free(raw);
    return fine;
}
