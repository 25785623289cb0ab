/*
 * cmd_bench.c - `maskmeter bench`: how fast this machine scores, beside how fast it reads the same memory; or how fast
 * a running server answers uploads.
 */
#include "proto/wire.h"
#include "server/client.h"
#include "server/cmd.h"
#include "server/command.h"
#include "server/compute.h"
#include "server/json.h"
#include "server/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME    "bench"
#define MOST    16  /* members of a list */
#define RUNS    999 /* at most */
#define THREADS 1024

typedef struct options {
    mm_sample_form forms[MOST]; /* spatial, spatial_rank */
    size_t form_count;
    mm_dtype dtypes[MOST];
    size_t dtype_count;
    unsigned threads[MOST];
    size_t thread_count;
    size_t classes, runs;
    const char *scores, *url, *save; /* NULL: not given */
    int json;
} options;

/* ------------------------------------------------------------------- flags */

typedef struct flag {
    const char *name, *standard; /* standard NULL: none */
    int (*read)(options *o, const char *text);
    const char *meaning;
} flag;

/* A whole number at the front of *text, which moves on. */
static int read_number(const char **text, size_t least, size_t most, size_t *out)
{
    char *end;
    unsigned long long number;

    if (**text < '0' || **text > '9')
        return 0;
    errno = 0;
    number = strtoull(*text, &end, 10);
    *text = end;
    *out = (size_t)number;
    return errno == 0 && number >= least && number <= most;
}

static int read_one(const char *text, size_t least, size_t most, size_t *out)
{
    return read_number(&text, least, most, out) && *text == '\0';
}

static int read_shapes(options *o, const char *text)
{
    for (o->form_count = 0; o->form_count < MOST; text++) {
        mm_sample_form *form = &o->forms[o->form_count++];

        form->spatial_rank = 0;
        do
            if (form->spatial_rank == 3 || !read_number(&text, 1, 1u << 20, &form->spatial[form->spatial_rank++]))
                return 0;
        while (*text == 'x' && text++ != NULL);
        if (*text == '\0')
            return 1;
        if (*text != ',')
            return 0;
    }
    return 0;
}

static int read_dtypes(options *o, const char *text)
{
    char name[8];

    for (o->dtype_count = 0; o->dtype_count < MOST; text++) {
        const size_t length = strcspn(text, ",");
        mm_dtype *dtype = &o->dtypes[o->dtype_count++];

        if (length == 0 || length >= sizeof name)
            return 0;
        memcpy(name, text, length);
        name[length] = '\0';
        if (!mm_dtype_find(name, dtype) || !mm_sample_takes(*dtype))
            return 0;
        text += length;
        if (*text == '\0')
            return 1;
    }
    return 0;
}

/* "" means one, and all there are. */
static int read_threads(options *o, const char *text)
{
    size_t number;

    o->thread_count = 0;
    if (*text == '\0') {
        o->threads[o->thread_count++] = 1;
        if (mm_threads_available() > 1)
            o->threads[o->thread_count++] = mm_threads_available();
        return 1;
    }
    for (; o->thread_count < MOST; text++) {
        if (!read_number(&text, 1, THREADS, &number))
            return 0;
        o->threads[o->thread_count++] = (unsigned)number;
        if (*text == '\0')
            return 1;
        if (*text != ',')
            return 0;
    }
    return 0;
}

static int read_classes(options *o, const char *text)
{
    return read_one(text, 2, 4096, &o->classes);
}

static int read_runs(options *o, const char *text)
{
    return read_one(text, 1, RUNS, &o->runs);
}

static int read_scores(options *o, const char *text)
{
    o->scores = text;
    return 1; /* the parser of expressions tells more than a flag could */
}

static int read_url(options *o, const char *text)
{
    o->url = text;
    return 1;
}

static int read_save(options *o, const char *text)
{
    o->save = text;
    return *text != '\0';
}

/* clang-format off */
static const flag flags[] = {
    {"shape",   "64x64x64,256x256x256", read_shapes,  "spatial shapes of pred and label"},
    {"classes", "4",                    read_classes, "length of the class axis"},
    {"dtype",   "F32,F16,U8",           read_dtypes,  "types of pred: F64, F32, F16, BF16, U8"},
    {"threads", "",                     read_threads, "how many score; without it: one, and one per processor"},
    {"scores",  NULL,                   read_scores,  "expressions; without it: the default scores"},
    {"runs",    "7",                    read_runs,    "repetitions, of which the median is shown; one more warms up"},
    {"url",     NULL,                   read_url,     "upload to this server instead, and time its answers"},
    {"save",    NULL,                   read_save,    "write the upload of the first shape and type to this file instead"},
};
/* clang-format on */

#define FLAGS (sizeof flags / sizeof flags[0])

static void print_help(void)
{
    puts("Usage: maskmeter bench [flags]\n"
         "\n"
         "Scores made-up uploads in this process and says how fast, beside how fast the same threads merely read the\n"
         "same memory; the two take turns.  Lists are comma separated; every combination gets a line.\n");
    for (size_t i = 0; i < FLAGS; i++) {
        const char *standard = flags[i].standard;
        const int named = standard != NULL && standard[0] != '\0';

        printf("  --%-9s%s%s%s%s\n", flags[i].name, flags[i].meaning, named ? " (" : "", named ? standard : "",
               named ? ")" : "");
    }
    puts("  --json     the same as JSON, with every single time\n"
         "\n"
         "MM_CPU=scalar, x86-64-v3 or x86-64-v4 in the environment lowers the level of the CPU that is used.");
}

static int wrong(const char *argument, const char *text)
{
    fprintf(stderr, "maskmeter %s: %s: %s\nTry 'maskmeter %s --help'.\n", NAME, argument, text, NAME);
    return MM_EXIT_USAGE;
}

static const flag *find_flag(const char *argument, size_t length)
{
    for (size_t i = 0; i < FLAGS; i++)
        if (strlen(flags[i].name) + 2 == length && strncmp(argument, "--", 2) == 0 &&
            strncmp(argument + 2, flags[i].name, length - 2) == 0)
            return &flags[i];
    return NULL;
}

/* What flags cannot tell one by one. */
static int check_options(const options *o)
{
    mm_problem problem = {.has_index = 0};
    mm_plan *plan = NULL;
    mm_url url;

    if (mm_plan_new(&plan, o->scores, &problem) != MM_OK)
        return wrong("--scores", problem.text);
    mm_plan_free(plan);
    if (o->url != NULL && o->save != NULL)
        return wrong("--save", "cannot be had together with --url");
    if (o->url != NULL && !mm_url_parse(&url, o->url, problem.text, sizeof problem.text))
        return wrong("--url", problem.text);
    return MM_EXIT_FINE;
}

static int read_options(options *o, int argc, char **argv)
{
    for (size_t i = 0; i < FLAGS; i++)
        if (flags[i].standard != NULL)
            (void)flags[i].read(o, flags[i].standard);
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i], *equals = strchr(argument, '='), *value = NULL;
        const flag *found = find_flag(argument, equals != NULL ? (size_t)(equals - argument) : strlen(argument));

        if (strcmp(argument, "--json") == 0) {
            o->json = 1;
            continue;
        }
        if (found == NULL)
            return wrong(argument, argument[0] == '-' ? "no such flag" : "no file is needed");
        if (equals != NULL)
            value = equals + 1;
        else if (i + 1 < argc)
            value = argv[++i];
        if (value == NULL)
            return wrong(argument, "a value is missing");
        if (!found->read(o, value))
            return wrong(value, found->meaning);
    }
    return check_options(o);
}

/* ------------------------------------------------------------------- times */

/* Seconds of each run, in their order, and what is shown of them. */
typedef struct times {
    double run[RUNS];
    size_t count;
} times;

typedef struct spread {
    double median, least, most;
} spread;

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static spread spread_of(const times *t)
{
    times sorted = *t;

    qsort(sorted.run, sorted.count, sizeof sorted.run[0], compare);
    return (spread){.median = 0.5 * (sorted.run[sorted.count / 2] + sorted.run[(sorted.count - 1) / 2]),
                    .least = sorted.run[0],
                    .most = sorted.run[sorted.count - 1]};
}

/* The first run warms up and is forgotten. */
static void note(times *t, size_t run, double since)
{
    if (run > 0)
        t->run[t->count++] = mm_compute_clock() - since;
}

/* ------------------------------------------------------------------ output */

/* One line of the result. */
typedef struct line {
    const mm_sample *sample;
    size_t bytes;
    unsigned threads;  /* 0: the server's own affair */
    const times *read; /* NULL when uploading */
    const times *work;
} line;

static void shape_text(const mm_sample_form *form, char *text, size_t size)
{
    size_t used = 0;

    for (unsigned i = 0; i < form->spatial_rank; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%zu", i > 0 ? "x" : "", form->spatial[i]);
}

static void print_titles(const options *o)
{
    const char *scores = o->scores != NULL && o->scores[0] != '\0' ? o->scores : "the default scores";

    printf("maskmeter %s, CPU level %s, %u processors; %s\n", MM_VERSION, mm_cpu_level(), mm_threads_available(),
           scores);
    if (o->url != NULL)
        printf("uploads to %s; median of %zu runs\n\n%-16s %7s  %-5s %9s %10s %10s %10s %8s\n", o->url, o->runs,
               "shape", "classes", "dtype", "MiB", "answer ms", "least", "most", "GB/s");
    else
        printf("median of %zu runs\n\n%-16s %7s  %-5s %7s %9s %10s %10s %10s %10s %8s %7s\n", o->runs, "shape",
               "classes", "dtype", "threads", "MiB", "read ms", "score ms", "least", "most", "GB/s", "of read");
}

static void print_line(const line *l)
{
    const spread work = spread_of(l->work);
    char shape[64] = "";

    shape_text(&l->sample->form, shape, sizeof shape);
    printf("%-16s %7zu  %-5s", shape, l->sample->form.classes, mm_dtype_name(l->sample->form.dtype));
    if (l->read != NULL)
        printf(" %7u", l->threads);
    printf(" %9.2f", (double)l->bytes * 0x1p-20);
    if (l->read != NULL)
        printf(" %10.3f", 1e3 * spread_of(l->read).median);
    printf(" %10.3f %10.3f %10.3f %8.2f", 1e3 * work.median, 1e3 * work.least, 1e3 * work.most,
           1e-9 * (double)l->bytes / work.median);
    if (l->read != NULL)
        printf(" %7.2f", spread_of(l->read).median / work.median);
    putchar('\n');
    fflush(stdout);
}

static void write_times(mm_json *json, const times *t)
{
    mm_json_open(json, '[');
    for (size_t i = 0; i < t->count; i++)
        mm_json_number(json, t->run[i]);
    mm_json_close(json, ']');
}

static void write_line(mm_json *json, const line *l)
{
    char shape[64] = "";

    shape_text(&l->sample->form, shape, sizeof shape);
    mm_json_open(json, '{');
    MM_JSON_NAME(json, "shape");
    mm_json_string(json, shape);
    MM_JSON_NAME(json, "classes");
    mm_json_count(json, l->sample->form.classes);
    MM_JSON_NAME(json, "dtype");
    mm_json_string(json, mm_dtype_name(l->sample->form.dtype));
    MM_JSON_NAME(json, "bytes");
    mm_json_count(json, l->bytes);
    if (l->read != NULL) {
        MM_JSON_NAME(json, "threads");
        mm_json_count(json, l->threads);
        MM_JSON_NAME(json, "read_seconds");
        write_times(json, l->read);
    }
    MM_JSON_NAME(json, "seconds");
    write_times(json, l->work);
    mm_json_close(json, '}');
}

static void begin_json(mm_json *json, const options *o)
{
    mm_json_begin(json, 4096);
    mm_json_open(json, '{');
    MM_JSON_NAME(json, "version");
    mm_json_string(json, MM_VERSION);
    MM_JSON_NAME(json, "cpu_level");
    mm_json_string(json, mm_cpu_level());
    MM_JSON_NAME(json, "processors");
    mm_json_count(json, mm_threads_available());
    MM_JSON_NAME(json, "scores");
    mm_json_string(json, o->scores);
    MM_JSON_NAME(json, "url");
    mm_json_string(json, o->url);
    MM_JSON_NAME(json, "lines");
    mm_json_open(json, '[');
}

/* Prints what was measured, all of it or none.  0: out of memory. */
static int end_json(mm_json *json, int print)
{
    size_t size;
    char *text;

    mm_json_close(json, ']');
    mm_json_close(json, '}');
    text = mm_json_end(json, &size);
    if (text != NULL && print)
        puts(text);
    free(text);
    return text != NULL;
}

/* --------------------------------------------------------------- measuring */

typedef struct bench {
    options o;
    mm_json json;
    mm_problem problem;
} bench;

static int failed(bench *b, const char *text)
{
    if (b->problem.text[0] == '\0')
        snprintf(b->problem.text, sizeof b->problem.text, "%s", text);
    return 0;
}

static void give(bench *b, const line *l)
{
    if (b->o.json)
        write_line(&b->json, l);
    else
        print_line(l);
}

static int score_here(bench *b, const mm_sample *sample)
{
    for (size_t t = 0; t < b->o.thread_count; t++) {
        const unsigned threads = b->o.threads[t];
        times read = {.count = 0}, work = {.count = 0};
        mm_value value;

        for (size_t run = 0; run <= b->o.runs; run++) {
            double since = mm_compute_clock();

            (void)mm_sample_read(sample, threads);
            note(&read, run, since);
            since = mm_compute_clock();
            if (mm_sample_score(sample, b->o.scores, threads, &value, &b->problem) != MM_OK)
                return failed(b, "cannot be scored");
            note(&work, run, since);
        }
        give(b, &(line){.sample = sample, .bytes = sample->bytes, .threads = threads, .read = &read, .work = &work});
    }
    return 1;
}

/* The upload, as bytes: free(*bytes). */
static int make_body(bench *b, const mm_sample *sample, unsigned char **bytes, size_t *size)
{
    const mm_wire_item items[] = {{"pred", sample->input.pred}, {"label", sample->input.label}};
    const mm_wire_meta meta[] = {{"maskmeter.pred_kind", "probs_u8"}};
    const size_t meta_count = sample->form.dtype == MM_U8;

    return mm_wire_write(bytes, size, items, 2, meta, meta_count, &b->problem) == MM_WIRE_OK ||
           failed(b, "cannot be written");
}

static int upload_once(bench *b, const mm_url *url, const char *target, int file, size_t size)
{
    const mm_upload_file upload = {.file = file, .size = size};
    mm_response response = {.status = 0};
    int fine;

    if (lseek(file, 0, SEEK_SET) != 0)
        return failed(b, strerror(errno));
    if (!mm_client_send(&response, url, target, &upload, b->problem.text, sizeof b->problem.text))
        return failed(b, "no answer");
    fine = response.status == 200;
    if (!fine)
        snprintf(b->problem.text, sizeof b->problem.text, "the server answered %d: %.200s", response.status,
                 response.body != NULL ? response.body : "");
    mm_response_free(&response);
    return fine;
}

static int upload_all(bench *b, const mm_sample *sample, const mm_url *url, const char *target)
{
    unsigned char *bytes = NULL;
    size_t size = 0;
    times work = {.count = 0};
    int file = -1, fine = 0;

    if (!make_body(b, sample, &bytes, &size))
        goto done;
    file = mm_client_memory(bytes, size);
    if (file < 0) {
        (void)failed(b, strerror(errno));
        goto done;
    }
    for (size_t run = 0; run <= b->o.runs; run++) {
        const double since = mm_compute_clock();

        if (!upload_once(b, url, target, file, size))
            goto done;
        note(&work, run, since);
    }
    give(b, &(line){.sample = sample, .bytes = size, .work = &work});
    fine = 1;
done:
    free(bytes);
    if (file >= 0)
        close(file);
    return fine;
}

static int score_there(bench *b, const mm_sample *sample)
{
    mm_query query = {.count = 0};
    mm_url url;
    char *target = NULL;
    int fine = mm_url_parse(&url, b->o.url, b->problem.text, sizeof b->problem.text) &&
               mm_url_token(&url, NULL, b->problem.text, sizeof b->problem.text);

    if (fine && b->o.scores != NULL)
        fine = mm_query_add(&query, "scores", b->o.scores, &b->problem) == MM_OK;
    if (fine) {
        target = mm_client_target(&url, "/v1/evaluations", &query);
        fine = target != NULL ? upload_all(b, sample, &url, target) : failed(b, mm_status_text(MM_NO_MEMORY));
    }
    mm_query_free(&query);
    free(target);
    return fine;
}

static int save(bench *b, const mm_sample *sample)
{
    unsigned char *bytes = NULL;
    size_t size;
    FILE *file;
    int fine;

    if (!make_body(b, sample, &bytes, &size))
        return 0;
    file = fopen(b->o.save, "wb");
    fine = file != NULL && fwrite(bytes, 1, size, file) == size;
    if (file != NULL)
        fine = fclose(file) == 0 && fine;
    free(bytes);
    return fine || failed(b, strerror(errno));
}

static int measure(bench *b, const mm_sample_form *form, unsigned threads)
{
    mm_sample sample;
    const mm_status status = mm_sample_new(&sample, form, threads);
    int fine;

    if (status != MM_OK)
        return failed(b, mm_status_text(status));
    if (b->o.save != NULL)
        fine = save(b, &sample);
    else
        fine = b->o.url != NULL ? score_there(b, &sample) : score_here(b, &sample);
    mm_sample_free(&sample);
    return fine;
}

static int measure_all(bench *b)
{
    const int only_first = b->o.save != NULL;
    unsigned threads = 1;

    for (size_t t = 0; t < b->o.thread_count; t++)
        threads = b->o.threads[t] > threads ? b->o.threads[t] : threads;
    for (size_t i = 0; i < (only_first ? 1 : b->o.form_count); i++)
        for (size_t k = 0; k < (only_first ? 1 : b->o.dtype_count); k++) {
            mm_sample_form form = b->o.forms[i];

            form.classes = b->o.classes;
            form.dtype = b->o.dtypes[k];
            if (!measure(b, &form, threads))
                return 0;
        }
    return 1;
}

int mm_cmd_bench(int argc, char **argv)
{
    bench b = {.o = {.form_count = 0}};
    int code, fine;

    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return mm_command_flush(NAME);
        }
    code = read_options(&b.o, argc, argv);
    if (code != MM_EXIT_FINE)
        return code;
    if (b.o.save != NULL)
        b.o.json = 0; /* there is nothing to say */
    else if (b.o.json)
        begin_json(&b.json, &b.o);
    else
        print_titles(&b.o);
    fine = measure_all(&b);
    if (b.o.json && !end_json(&b.json, fine))
        fine = failed(&b, mm_status_text(MM_NO_MEMORY));
    if (!fine) {
        mm_command_complain(NAME, NULL, &b.problem);
        return MM_EXIT_FAILED;
    }
    return mm_command_flush(NAME);
}
