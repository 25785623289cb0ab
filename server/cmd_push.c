/*
 * cmd_push.c - `maskmeter push`: uploads files to a running server and prints its answer.
 */
#include "proto/wire.h"
#include "server/client.h"
#include "server/cmd.h"
#include "server/command.h"
#include "server/table.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME        "push"
#define PATH        "/v1/evaluations"
#define DEFAULT_URL "http://127.0.0.1:8080"
#define ATTEMPTS    6
#define MOST_WAIT   60                  /* seconds that a server may ask us to wait */
#define PEEK        ((size_t)128 << 10) /* holds any header */

static const char help[] =
    "Usage: maskmeter push [--url=URL] [--name=value ...] [--json] FILE...\n"
    "\n"
    "Uploads safetensors files (also compressed with zstd or gzip) to a maskmeter server.\n"
    "\n"
    "  --url=URL          the server (" DEFAULT_URL ")\n"
    "  --token-file=FILE  the token to show, where the server asks for one; else that of MASKMETER_TOKEN\n"
    "  --json             print the server's answer as it is\n"
    "  --run=NAME --step=N [--split=NAME] [--part=NAME] [--parts=N] [--time=RFC3339]\n"
    "                     store it; without --run nothing is stored\n"
    "\n"
    "and the parameters of 'maskmeter eval --help'.  Several files are the parts of one evaluation: they are named\n"
    "0, 1, ... in their order unless a file's metadata names its part, and the merged evaluation is printed.\n"
    "A server that is busy is asked again.\n";

typedef struct session {
    const mm_command *command;
    mm_url url;
} session;

/* --------------------------------------------------------------- one upload */

/* Says what a problem+json answer says. */
static void complain_answer(const char *file, const mm_response *response)
{
    cJSON *answer = cJSON_ParseWithLength(response->body, response->size);
    const char *detail = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "detail"));
    const char *title = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "title"));
    const char *param = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "param"));
    const char *tensor = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "tensor"));
    const cJSON *index = cJSON_GetObjectItemCaseSensitive(answer, "index");
    mm_problem problem = {.has_index = cJSON_IsNumber(index)};

    snprintf(problem.param, sizeof problem.param, "%s", param != NULL ? param : "");
    snprintf(problem.tensor, sizeof problem.tensor, "%s", tensor != NULL ? tensor : "");
    if (problem.has_index)
        problem.index = (uint64_t)cJSON_GetNumberValue(index);
    snprintf(problem.text, sizeof problem.text, "%s (HTTP %d)",
             detail != NULL  ? detail
             : title != NULL ? title
                             : "the server refused it",
             response->status);
    mm_command_complain(NAME, file, &problem);
    cJSON_Delete(answer);
}

/* Asks again while the server says that it is busy. */
static int send_patiently(const session *all, mm_response *response, const char *target, const mm_upload_file *upload,
                          const char *file)
{
    mm_problem problem = {.has_index = 0};

    for (int attempt = 1;; attempt++) {
        unsigned wait;

        if ((upload != NULL && lseek(upload->file, 0, SEEK_SET) != 0) ||
            !mm_client_send(response, &all->url, target, upload, problem.text, sizeof problem.text)) {
            if (problem.text[0] == '\0')
                snprintf(problem.text, sizeof problem.text, "%s", strerror(errno));
            mm_command_complain(NAME, file, &problem);
            return MM_EXIT_FAILED;
        }
        if (response->status == 200)
            return MM_EXIT_FINE;
        if ((response->status != 503 && response->status != 429) || attempt == ATTEMPTS)
            break;
        wait = response->retry_after >= 0 ? (unsigned)response->retry_after : 1;
        sleep(wait < MOST_WAIT ? wait : MOST_WAIT);
        mm_response_free(response);
    }
    complain_answer(file, response);
    mm_response_free(response);
    return MM_EXIT_FAILED;
}

/* Does the file itself say which part it is? */
static int names_its_part(const char *file)
{
    unsigned char *bytes = NULL;
    size_t size = 0;
    mm_wire *wire = NULL;
    mm_problem problem;
    int named = 0;

    if (!mm_file_read(file, PEEK, &bytes, &size, &problem))
        return 0; /* the server will say what is wrong with it */
    if (mm_wire_new(&wire) == MM_WIRE_OK) {
        const mm_wire_status status = mm_wire_feed(wire, bytes, size, &problem);

        if (status == MM_WIRE_OK || status == MM_WIRE_MORE)
            for (size_t i = 0; i < mm_wire_meta_count(wire); i++)
                named = named || strcmp(mm_wire_meta_key(wire, i), "maskmeter.part") == 0;
    }
    mm_wire_free(wire);
    free(bytes);
    return named;
}

static char *target_of(const session *all, size_t index, mm_problem *problem)
{
    const mm_command *command = all->command;
    mm_query query = {.count = 0};
    mm_status status = MM_OK;
    char part[24], *target = NULL;

    for (size_t i = 0; status == MM_OK && i < command->params.count; i++)
        status = mm_query_add(&query, command->params.pairs[i].name, command->params.pairs[i].value, problem);
    snprintf(part, sizeof part, "%zu", index);
    if (status == MM_OK && command->file_count > 1 && !names_its_part(command->files[index]))
        status = mm_query_add(&query, "part", part, problem);
    if (status == MM_OK)
        target = mm_client_target(&all->url, PATH, &query);
    if (target == NULL && problem->text[0] == '\0')
        snprintf(problem->text, sizeof problem->text, "%s", mm_status_text(MM_NO_MEMORY));
    mm_query_free(&query);
    return target;
}

static int upload_file(const session *all, size_t index, mm_response *response)
{
    const char *file = all->command->files[index];
    mm_problem problem = {.has_index = 0};
    unsigned char front[8];
    struct stat about;
    mm_upload_file upload = {.file = open(file, O_RDONLY | O_CLOEXEC)};
    char *target = NULL;
    ssize_t got;
    int code = MM_EXIT_FAILED;

    if (upload.file < 0 || fstat(upload.file, &about) != 0) {
        snprintf(problem.text, sizeof problem.text, "%s", strerror(errno));
    } else if (!S_ISREG(about.st_mode)) {
        snprintf(problem.text, sizeof problem.text, "is not a regular file");
    } else if ((got = read(upload.file, front, sizeof front)) < 0) {
        snprintf(problem.text, sizeof problem.text, "%s", strerror(errno));
    } else {
        upload.size = (uint64_t)about.st_size;
        upload.coding = mm_file_coding(front, (size_t)got);
        target = target_of(all, index, &problem);
    }
    if (target != NULL)
        code = send_patiently(all, response, target, &upload, file);
    else
        mm_command_complain(NAME, file, &problem);
    free(target);
    if (upload.file >= 0)
        close(upload.file);
    return code;
}

/* ------------------------------------------------------------------- whole */

static int print_answer(const session *all, const mm_response *response)
{
    if (all->command->json) {
        fprintf(stdout, "%s\n", response->body);
    } else if (!mm_table_print(stdout, response->body, response->size, mm_command_colour(stdout),
                               mm_table_width(stdout))) {
        fprintf(stderr, "maskmeter %s: the answer is not an evaluation: is this a maskmeter server?\n", NAME);
        return MM_EXIT_FAILED;
    }
    return MM_EXIT_FINE;
}

/* Where the part was stored: what GET needs.  0: nowhere. */
static int read_place(mm_query *place, const mm_command *command, const mm_response *response)
{
    cJSON *answer = cJSON_ParseWithLength(response->body, response->size);
    const cJSON *evaluation = cJSON_GetObjectItemCaseSensitive(answer, "evaluation");
    const char *run = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(evaluation, "run"));
    const char *split = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(evaluation, "split"));
    const cJSON *step = cJSON_GetObjectItemCaseSensitive(evaluation, "step");
    const char *include = mm_query_get(&command->params, "include");
    const char *flag = mm_query_get(&command->params, "step"); /* exact, also beyond 2^53 */
    char text[32];
    int fine = run != NULL && split != NULL && cJSON_IsNumber(step);

    if (fine) {
        snprintf(text, sizeof text, "%.0f", cJSON_GetNumberValue(step));
        fine = mm_query_add(place, "run", run, NULL) == MM_OK && mm_query_add(place, "split", split, NULL) == MM_OK &&
               mm_query_add(place, "step", flag != NULL ? flag : text, NULL) == MM_OK &&
               (include == NULL || mm_query_add(place, "include", include, NULL) == MM_OK);
    }
    cJSON_Delete(answer);
    return fine;
}

/* Prints the whole evaluation that `response` is a part of. */
static int print_merged(const session *all, const mm_query *place)
{
    char *target = mm_client_target(&all->url, PATH, place);
    mm_response response = {.status = 0};
    int code = MM_EXIT_FAILED;

    if (target == NULL)
        fprintf(stderr, "maskmeter %s: %s\n", NAME, mm_status_text(MM_NO_MEMORY));
    else
        code = send_patiently(all, &response, target, NULL, NULL);
    if (code == MM_EXIT_FINE)
        code = print_answer(all, &response);
    mm_response_free(&response);
    free(target);
    return code;
}

static int push_files(const session *all)
{
    const size_t count = all->command->file_count;
    int code = MM_EXIT_FINE;

    for (size_t i = 0; i < count && code == MM_EXIT_FINE; i++) {
        mm_response response = {.status = 0};
        mm_query place = {.count = 0};

        code = upload_file(all, i, &response);
        if (code == MM_EXIT_FINE && count > 1 && read_place(&place, all->command, &response)) {
            if (i + 1 == count)
                code = print_merged(all, &place);
        } else if (code == MM_EXIT_FINE) {
            code = print_answer(all, &response);
        }
        mm_query_free(&place);
        mm_response_free(&response);
    }
    return code != MM_EXIT_FINE ? code : mm_command_flush(NAME);
}

int mm_cmd_push(int argc, char **argv)
{
    mm_command command;
    session all = {.command = &command};
    char text[512];
    int code = mm_command_read(&command, argc, argv, 1);

    if (code == MM_EXIT_FINE && command.help) {
        fputs(help, stdout);
        code = mm_command_flush(NAME);
    } else if (code == MM_EXIT_FINE) {
        if (!mm_url_parse(&all.url, command.url != NULL ? command.url : DEFAULT_URL, text, sizeof text)) {
            fprintf(stderr, "maskmeter %s: --url: %s\n", NAME, text);
            code = MM_EXIT_USAGE;
        } else if (!mm_url_token(&all.url, command.token_file, text, sizeof text)) {
            fprintf(stderr, "maskmeter %s: token: %s\n", NAME, text);
            code = MM_EXIT_USAGE;
        } else if (command.file_count > 1 && mm_query_get(&command.params, "part") != NULL) {
            fprintf(stderr, "maskmeter %s: part: several files cannot all be the same part\n", NAME);
            code = MM_EXIT_USAGE;
        } else {
            code = push_files(&all);
        }
    }
    mm_command_free(&command);
    return code;
}
