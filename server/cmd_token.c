/*
 * cmd_token.c - `maskmeter token`: makes, lists and revokes tokens, of a running server or of its data directory.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "server/admin.h"
#include "server/client.h"
#include "server/cmd.h"
#include "server/command.h"
#include "server/config.h"
#include "server/token_work.h"

#define NAME    "token"
#define SECONDS 30 /* for the server's answer */

extern char **environ;

static const char help[] =
    "Usage: maskmeter token create --scope SCOPES [--project NAME] [--label TEXT] [--expires WHEN]\n"
    "       maskmeter token list [--json]\n"
    "       maskmeter token revoke ID\n"
    "\n"
    "Makes, lists and revokes the tokens of a server on this machine.  It may be running; what changes holds at once.\n"
    "\n"
    "  --scope SCOPES   one or more of ingest,read,admin: upload, read, delete\n"
    "  --project NAME   the name space of runs that the token sees (default); '*': of an operator, for /metrics\n"
    "  --label TEXT     words to know it by\n"
    "  --expires WHEN   30m, 12h, 90d, 8w, or a time like 2030-01-31T12:00:00Z (never)\n"
    "  --data DIR       the server's directory, as for 'maskmeter serve'; also --config FILE, MASKMETER_DATA\n"
    "  --json           print the list as JSON\n"
    "\n"
    "The token is printed alone on stdout, and never again: only a digest of it is kept.\n";

/* What the arguments say. */
typedef struct order {
    const char *verb, *id;
    mm_query query;
    int json;
    int argc; /* of what is for mm_config_read() */
    char **argv;
} order;

/* --------------------------------------------------------------- arguments */

static int wrong(const char *what, const char *text)
{
    fprintf(stderr, "maskmeter %s: %s: %s\nTry 'maskmeter %s --help'.\n", NAME, what, text, NAME);
    return MM_EXIT_USAGE;
}

static int add(order *o, const char *name, const char *value)
{
    mm_problem problem = {.has_index = 0};

    if (mm_query_get(&o->query, name) != NULL)
        return wrong(name, "is given twice");
    return mm_query_add(&o->query, name, value, &problem) == MM_OK ? MM_EXIT_FINE : wrong(name, problem.text);
}

/* --name VALUE or --name=VALUE; *i moves on over a value that is the next argument. */
static int read_flag(order *o, int argc, char **argv, int *i)
{
    static const char *const ours[] = {"scope", "project", "label", "expires"};
    char *flag = argv[*i], *value = strchr(flag, '=');
    const size_t size = value != NULL ? (size_t)(value - flag) - 2 : strlen(flag) - 2;

    if (strcmp(flag, "--json") == 0) {
        o->json = 1;
        return MM_EXIT_FINE;
    }
    if (value != NULL)
        value++;
    else if (*i + 1 < argc)
        value = argv[++*i];
    else
        return wrong(flag, "a value is missing");
    for (size_t k = 0; k < sizeof ours / sizeof ours[0]; k++)
        if (strlen(ours[k]) == size && strncmp(flag + 2, ours[k], size) == 0)
            return strcmp(o->verb, "create") == 0 ? add(o, ours[k], value) : wrong(flag, "is for create only");
    if (!(size == 4 && strncmp(flag + 2, "data", size) == 0) && !(size == 6 && strncmp(flag + 2, "config", size) == 0))
        return wrong(flag, "no such flag");
    o->argv[o->argc++] = flag;
    if (value == argv[*i])
        o->argv[o->argc++] = value;
    return MM_EXIT_FINE;
}

static int read_order(order *o, int argc, char **argv)
{
    int code = MM_EXIT_FINE;

    o->verb = argc > 1 ? argv[1] : "";
    if (strcmp(o->verb, "create") != 0 && strcmp(o->verb, "list") != 0 && strcmp(o->verb, "revoke") != 0)
        return wrong(o->verb[0] != '\0' ? o->verb : "COMMAND", "must be create, list or revoke");
    o->argv[o->argc++] = argv[0];
    for (int i = 2; i < argc && code == MM_EXIT_FINE; i++)
        if (strncmp(argv[i], "--", 2) == 0)
            code = read_flag(o, argc, argv, &i);
        else if (strcmp(o->verb, "revoke") == 0 && o->id == NULL)
            o->id = argv[i];
        else
            return wrong(argv[i], "is too much");
    if (code != MM_EXIT_FINE)
        return code;
    if (strcmp(o->verb, "revoke") == 0)
        return o->id != NULL ? add(o, "id", o->id) : wrong("ID", "which token?");
    if (strcmp(o->verb, "create") == 0 && mm_query_get(&o->query, "scope") == NULL)
        return wrong("--scope", "say what it may do: ingest,read,admin or some of them");
    return MM_EXIT_FINE;
}

/* ------------------------------------------------------------ asking a server */

static int complain(const char *text)
{
    fprintf(stderr, "maskmeter %s: %s\n", NAME, text);
    return 0;
}

/* The whole answer as a string, or NULL. */
static char *receive(int fd)
{
    size_t room = 4096, filled = 0;
    char *text = malloc(room + 1), *larger;
    ssize_t size = 1;

    while (text != NULL && size != 0) {
        size = recv(fd, text + filled, room - filled, 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0) {
            free(text);
            return NULL;
        }
        filled += (size_t)size;
        if (filled < room)
            continue;
        room *= 2;
        larger = realloc(text, room + 1);
        if (larger == NULL)
            free(text);
        text = larger;
    }
    if (text != NULL)
        text[filled] = '\0';
    return text;
}

static char *ask_server(int fd, const char *line)
{
    const struct timeval patience = {.tv_sec = SECONDS};
    char *answer = NULL;

    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
        send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line) && send(fd, "\n", 1, MSG_NOSIGNAL) == 1)
        answer = receive(fd);
    if (answer == NULL || answer[0] == '\0') {
        complain("the server does not answer on admin.sock");
        free(answer);
        answer = NULL;
    }
    return answer;
}

/* ---------------------------------------------------------- working alone */

/* Files of the store belong to whom its directory belongs to. */
static int act_as_owner(const char *directory)
{
    struct stat about;

    if (geteuid() != 0 || stat(directory, &about) != 0 || about.st_uid == 0)
        return 1;
    return setresgid(about.st_gid, about.st_gid, about.st_gid) == 0 &&
           setresuid(about.st_uid, about.st_uid, about.st_uid) == 0;
}

static char *ask_store(const char *directory, const char *line)
{
    mm_history *history = NULL;
    mm_tokens *tokens = NULL;
    mm_problem problem = {.has_index = 0};
    mm_token_work work;
    struct timespec now;
    char *answer = NULL;

    (void)umask(077);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (!act_as_owner(directory)) {
        complain("cannot act as the owner of the data directory");
        return NULL;
    }
    if (mm_history_open(&history, directory, &problem) != MM_STORE_OK || !mm_tokens_load(&tokens, history, &problem)) {
        complain(problem.text);
    } else {
        mm_token_work_begin(&work, tokens, line, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
        if (work.stores) {
            mm_token_store_now(history, &work.store);
            mm_token_work_end(&work, tokens);
        }
        answer = work.answer != NULL ? strdup(work.answer) : NULL;
        mm_token_work_free(&work);
        if (answer == NULL)
            complain("out of memory");
    }
    mm_tokens_free(tokens);
    mm_history_close(history);
    return answer;
}

static int is_directory(const char *path)
{
    struct stat about;

    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* The JSON answer, or NULL after saying why there is none. */
static char *ask(const char *directory, const order *o)
{
    static const mm_url nowhere = {.port = ""};
    const int fd = mm_admin_connect(directory);
    char path[16], *line, *answer = NULL;

    if (fd < 0 && errno != ENOENT && errno != ECONNREFUSED) {
        fprintf(stderr, "maskmeter %s: %s/admin.sock: %s\n", NAME, directory, strerror(errno));
        return NULL;
    }
    if (fd < 0 && strcmp(o->verb, "create") != 0 && !is_directory(directory)) {
        fprintf(stderr, "maskmeter %s: there is no directory %s\n", NAME, directory);
        return NULL;
    }
    (void)snprintf(path, sizeof path, "/%s", o->verb);
    line = mm_client_target(&nowhere, path, &o->query);
    if (line == NULL)
        complain("out of memory");
    else if (strlen(line) >= MM_TOKEN_REQUEST_MAX)
        complain("project and label are too long");
    else
        answer = fd >= 0 ? ask_server(fd, line) : ask_store(directory, line);
    free(line);
    if (fd >= 0)
        (void)close(fd);
    return answer;
}

/* ----------------------------------------------------------------- printing */

static const char *member(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

    return text != NULL ? text : "";
}

/* Code points: what most terminals give a place each. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static const struct {
    const char *title, *member;
    const char *none; /* instead of null */
} columns[] = {
    {"ID", "id", ""},           {"SCOPES", "scopes", ""},        {"PROJECT", "project", ""}, {"STATE", "state", ""},
    {"CREATED", "created", ""}, {"EXPIRES", "expires", "never"}, {"USED", "used", "never"},  {"LABEL", "label", ""},
};

#define COLUMNS (sizeof columns / sizeof columns[0])

/* Times to the second. */
static void cell_of(const cJSON *token, size_t column, char cell[MM_TOKEN_NAME + 1])
{
    const char *text = member(token, columns[column].member);
    const char *point = column >= 4 && column <= 6 ? strchr(text, '.') : NULL;
    const int size = (int)(point != NULL ? (size_t)(point - text) : strlen(text));

    (void)snprintf(cell, MM_TOKEN_NAME + 1, "%.*s%s", size, text[0] != '\0' ? text : columns[column].none,
                   point != NULL ? "Z" : "");
    if (text[0] == '\0')
        (void)snprintf(cell, MM_TOKEN_NAME + 1, "%s", columns[column].none);
}

static void print_row(const cJSON *token, const size_t *widths, int colour)
{
    const char *state = token != NULL ? member(token, "state") : "";
    const int dim = token != NULL && strcmp(state, "live") != 0;
    char cell[MM_TOKEN_NAME + 1];

    if (colour && (dim || token == NULL))
        (void)fputs(dim ? "\033[2m" : "\033[1m", stdout);
    for (size_t i = 0; i < COLUMNS; i++) {
        (void)snprintf(cell, sizeof cell, "%s", columns[i].title);
        if (token != NULL)
            cell_of(token, i, cell);
        (void)fputs(cell, stdout);
        if (i + 1 < COLUMNS)
            (void)printf("%*s", (int)(widths[i] - width_of(cell) + 2), "");
    }
    (void)puts(colour && (dim || token == NULL) ? "\033[0m" : "");
}

static void print_list(const cJSON *answer)
{
    const cJSON *tokens = cJSON_GetObjectItemCaseSensitive(answer, "tokens"), *token;
    const int colour = mm_command_colour(stdout);
    char cell[MM_TOKEN_NAME + 1];
    size_t widths[COLUMNS];

    if (cJSON_GetArraySize(tokens) == 0) {
        (void)fputs("There are no tokens: the server is open to whoever reaches it.\n", stderr);
        return;
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        widths[i] = width_of(columns[i].title);
        cJSON_ArrayForEach(token, tokens)
        {
            cell_of(token, i, cell);
            if (width_of(cell) > widths[i])
                widths[i] = width_of(cell);
        }
    }
    print_row(NULL, widths, colour);
    cJSON_ArrayForEach(token, tokens) print_row(token, widths, colour);
}

static void print_created(const cJSON *answer)
{
    const char *expires = member(answer, "expires");

    (void)puts(member(answer, "token"));
    (void)fprintf(stderr, "%s: scopes %s, project %s, expires %s.  The token is shown this once.\n",
                  member(answer, "id"), member(answer, "scopes"), member(answer, "project"),
                  expires[0] != '\0' ? expires : "never");
}

static int show(const order *o, char *text)
{
    cJSON *answer = cJSON_Parse(text);
    const char *error = member(answer, "error");
    int code = MM_EXIT_FINE;

    if (answer == NULL || error[0] != '\0') {
        complain(answer != NULL ? error : "the answer is not JSON");
        code = MM_EXIT_FAILED;
    } else if (strcmp(o->verb, "create") == 0) {
        print_created(answer);
    } else if (strcmp(o->verb, "revoke") == 0) {
        (void)fprintf(stderr, "%s is revoked.\n", member(answer, "id"));
    } else if (o->json) {
        (void)puts(text);
    } else {
        print_list(answer);
    }
    cJSON_Delete(answer);
    return code == MM_EXIT_FINE ? mm_command_flush(NAME) : code;
}

int mm_cmd_token(int argc, char **argv)
{
    order o = {.verb = ""};
    mm_config *config = NULL;
    char text[512], *answer = NULL;
    int code;

    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(help, stdout);
            return mm_command_flush(NAME);
        }
    o.argv = calloc((size_t)argc + 1, sizeof *o.argv);
    code = o.argv != NULL ? read_order(&o, argc, argv) : MM_EXIT_FAILED;
    if (code == MM_EXIT_FINE && mm_config_read(&config, o.argc, o.argv, environ, text, sizeof text) != MM_OK) {
        complain(text);
        code = MM_EXIT_USAGE;
    }
    if (code == MM_EXIT_FINE) {
        answer = ask(config->data, &o);
        code = answer != NULL ? show(&o, answer) : MM_EXIT_FAILED;
    }
    free(answer);
    free(o.argv);
    mm_query_free(&o.query);
    mm_config_free(config);
    return code;
}
