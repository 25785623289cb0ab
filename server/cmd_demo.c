/*
 * cmd_demo.c - `maskmeter demo`: fills a running server with two made-up runs, from noisy to good.
 */
#include "proto/wire.h"
#include "server/client.h"
#include "server/cmd.h"
#include "server/command.h"
#include "server/scene.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAME        "demo"
#define DEFAULT_URL "http://127.0.0.1:8080"
#define SCORES      "dice,iou,precision,recall,hd95,cross_entropy"
#define STEP        50  /* iterations between evaluations */
#define EVERY       120 /* seconds between evaluations whose time is made up */
#define MOST_STEPS  1000
#define MOST_PAUSE  3600

static const char help[] = "Usage: maskmeter demo [--url=URL] [--token-file=FILE] [--steps=N] [--pause=SECONDS]\n"
                           "\n"
                           "Fills a running server with two made-up runs, demo-small and demo-large, whose predictions "
                           "go from noisy to good.\n"
                           "The same steps are replaced when it is run again.\n"
                           "\n"
                           "  --url=URL        the server (" DEFAULT_URL ")\n"
                           "  --token-file=FILE  the token to show, where the server asks for one; else that of "
                           "MASKMETER_TOKEN\n"
                           "  --steps=N        evaluations of each run (20)\n"
                           "  --pause=SECONDS  wait between evaluations, as a training would, so that the page is seen "
                           "to grow; without it the\n"
                           "                   evaluations are dated back\n";

typedef struct pupil {
    const char *run, *tags;
    double speed, best; /* how fast it learns, and how far it gets */
} pupil;

static const pupil pupils[] = {
    {"demo-small", "network=small,data=made up", 2.4, 0.86},
    {"demo-large", "network=large,data=made up", 3.2, 0.97},
};

#define PUPILS (sizeof pupils / sizeof pupils[0])

typedef struct demo {
    mm_url url;
    const char *text_url, *token_file;
    size_t steps, pause;
    time_t now;
    mm_scene scene;
    mm_problem problem;
} demo;

static int failed(demo *d, const char *text)
{
    if (d->problem.text[0] == '\0')
        snprintf(d->problem.text, sizeof d->problem.text, "%s", text);
    return 0;
}

/* ------------------------------------------------------------------- flags */

static int read_number(const char *text, size_t least, size_t most, size_t *out)
{
    char *end;
    unsigned long number;

    if (text[0] < '0' || text[0] > '9')
        return 0;
    errno = 0;
    number = strtoul(text, &end, 10);
    *out = (size_t)number;
    return errno == 0 && *end == '\0' && number >= least && number <= most;
}

static int wrong(const char *argument, const char *text)
{
    fprintf(stderr, "maskmeter %s: %s: %s\nTry 'maskmeter %s --help'.\n", NAME, argument, text, NAME);
    return MM_EXIT_USAGE;
}

static int read_flag(demo *d, const char *argument, const char *value, size_t length)
{
    if (length == 5 && strncmp(argument, "--url", length) == 0)
        d->text_url = value;
    else if (length == 12 && strncmp(argument, "--token-file", length) == 0)
        d->token_file = value;
    else if (length == 7 && strncmp(argument, "--steps", length) == 0)
        return read_number(value, 1, MOST_STEPS, &d->steps) ? MM_EXIT_FINE : wrong(value, "must be 1 to 1000 steps");
    else if (length == 7 && strncmp(argument, "--pause", length) == 0)
        return read_number(value, 0, MOST_PAUSE, &d->pause) ? MM_EXIT_FINE : wrong(value, "must be 0 to 3600 seconds");
    else
        return wrong(argument, argument[0] == '-' ? "no such flag" : "no file is needed");
    return MM_EXIT_FINE;
}

static int read_flags(demo *d, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i], *equals = strchr(argument, '='), *value = NULL;
        int code;

        if (equals != NULL)
            value = equals + 1;
        else if (i + 1 < argc)
            value = argv[++i];
        if (value == NULL)
            return wrong(argument, argument[0] == '-' ? "a value is missing" : "no file is needed");
        code = read_flag(d, argument, value, equals != NULL ? (size_t)(equals - argument) : strlen(argument));
        if (code != MM_EXIT_FINE)
            return code;
    }
    if (!mm_url_parse(&d->url, d->text_url, d->problem.text, sizeof d->problem.text))
        return wrong("--url", d->problem.text);
    if (!mm_url_token(&d->url, d->token_file, d->problem.text, sizeof d->problem.text))
        return wrong("token", d->problem.text);
    return MM_EXIT_FINE;
}

/* ----------------------------------------------------------------- uploads */

/* Fast at first, then slower: t^2 / (0.3 + t^2) of what it can reach. */
static double skill_of(const pupil *p, size_t step, size_t steps)
{
    const double t = (double)step / (double)steps * p->speed;

    return p->best * t * t / (0.3 + t * t);
}

static int add_time(demo *d, mm_query *query, size_t pupil_index, size_t step)
{
    const size_t later = (PUPILS - pupil_index) * d->steps - step;
    const time_t when = d->now - (time_t)(later * EVERY);
    struct tm parts;
    char text[32];

    if (gmtime_r(&when, &parts) == NULL || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        return failed(d, "the time cannot be told");
    return mm_query_add(query, "time", text, &d->problem) == MM_OK;
}

static char *target_of(demo *d, size_t pupil_index, size_t step)
{
    /* clang-format off */
    const struct { const char *name, *value; } fixed[] = {
        {"run",       pupils[pupil_index].run},
        {"tags",      pupils[pupil_index].tags},
        {"classes",   MM_SCENE_NAMES},
        {"scores",    SCORES},
        {"pred_kind", "logits"},
    };
    /* clang-format on */
    mm_query query = {.count = 0};
    char number[24], ids[16 * MM_SCENE_IMAGES], *target = NULL;
    size_t used = 0;
    int fine = 1;

    for (size_t i = 0; i < MM_SCENE_IMAGES; i++)
        used += (size_t)snprintf(ids + used, sizeof ids - used, "%sscan-%02zu", i > 0 ? "," : "", i + 1);
    snprintf(number, sizeof number, "%zu", step * STEP);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        fine = fine && mm_query_add(&query, fixed[i].name, fixed[i].value, &d->problem) == MM_OK;
    fine = fine && mm_query_add(&query, "step", number, &d->problem) == MM_OK &&
           mm_query_add(&query, "image_ids", ids, &d->problem) == MM_OK;
    if (fine && d->pause == 0)
        fine = add_time(d, &query, pupil_index, step);
    if (fine)
        target = mm_client_target(&d->url, "/v1/evaluations", &query);
    mm_query_free(&query);
    return target;
}

static int send(demo *d, const char *target, const unsigned char *bytes, size_t size)
{
    mm_upload_file upload = {.file = mm_client_memory(bytes, size), .size = size};
    mm_response response = {.status = 0};
    int fine;

    if (upload.file < 0)
        return failed(d, strerror(errno));
    fine = mm_client_send(&response, &d->url, target, &upload, d->problem.text, sizeof d->problem.text);
    if (fine && response.status != 200) {
        snprintf(d->problem.text, sizeof d->problem.text, "the server answered %d: %.200s", response.status,
                 response.body);
        fine = 0;
    }
    mm_response_free(&response);
    close(upload.file);
    return fine;
}

static int evaluate(demo *d, size_t pupil_index, size_t step)
{
    const pupil *p = &pupils[pupil_index];
    const mm_wire_item items[] = {{"pred", mm_scene_pred(&d->scene)}, {"label", mm_scene_label(&d->scene)}};
    unsigned char *bytes = NULL;
    size_t size = 0;
    char *target = NULL;
    int fine;

    mm_scene_predict(&d->scene, skill_of(p, step, d->steps), 1000 * (pupil_index + 1) + step);
    fine = mm_wire_write(&bytes, &size, items, 2, NULL, 0, &d->problem) == MM_WIRE_OK;
    if (fine) {
        target = target_of(d, pupil_index, step);
        fine = target != NULL && send(d, target, bytes, size);
    }
    free(target);
    free(bytes);
    return fine || failed(d, mm_status_text(MM_NO_MEMORY));
}

/* One run after the other when they are dated back, side by side when somebody watches. */
static int fill_server(demo *d)
{
    const size_t count = PUPILS * d->steps;

    for (size_t i = 0; i < count; i++) {
        const size_t pupil_index = d->pause > 0 ? i % PUPILS : i / d->steps;
        const size_t step = 1 + (d->pause > 0 ? i / PUPILS : i % d->steps);

        if (!evaluate(d, pupil_index, step))
            return 0;
        if (d->pause > 0 && pupil_index + 1 == PUPILS && step < d->steps)
            sleep((unsigned)d->pause);
    }
    return 1;
}

int mm_cmd_demo(int argc, char **argv)
{
    demo d = {.text_url = DEFAULT_URL, .steps = 20, .now = time(NULL)};
    int code;

    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(help, stdout);
            return mm_command_flush(NAME);
        }
    code = read_flags(&d, argc, argv);
    if (code != MM_EXIT_FINE)
        return code;
    if (mm_scene_new(&d.scene) != MM_OK || !fill_server(&d)) {
        (void)failed(&d, mm_status_text(MM_NO_MEMORY));
        mm_command_complain(NAME, NULL, &d.problem);
        code = MM_EXIT_FAILED;
    } else {
        printf("Two runs of %zu evaluations are at %s/\n", d.steps, d.text_url);
        code = mm_command_flush(NAME);
    }
    mm_scene_free(&d.scene);
    return code;
}
