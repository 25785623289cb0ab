/*
 * config.c - the settings table, and its readers: flags, environment, file.
 */
#include "server/config.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/query.h"

typedef enum kind { TEXT, INTEGER, SIZE, SWITCH, WORD, ABSENT } kind;
typedef enum source { DEFAULT, FILE_LINE, ENVIRONMENT, FLAG } source;

typedef struct setting {
    const char *name;
    kind kind;
    const char *standard; /* as one would write it */
    int64_t min, max;
    const char *words; /* of a WORD, in the order of its values */
    size_t field;      /* where it lives in mm_config */
    int flag_only;
    const char *meaning;
} setting;

#define FIELD(name) offsetof(mm_config, name)
#define PETA        ((int64_t)1 << 50)

/* clang-format off */
static const setting settings[] = {
    {"listen",        TEXT,    "127.0.0.1:8080", 0, 0, NULL, FIELD(listen), 0,
     "address and port; port 0 takes a free one, which the log names"},
    {"data",          TEXT,    "maskmeter-data", 0, 0, NULL, FIELD(data), 0,
     "directory of the history, made when it is not there"},
    {"threads",       INTEGER, "0", 0, 1024, NULL, FIELD(threads), 0,
     "threads that compute; 0: one per processor"},
    {"memory",        SIZE,    "0", 0, PETA, NULL, FIELD(memory), 0,
     "budget for bodies and scratch; 0: a quarter of the machine's memory"},
    {"max-body",      SIZE,    "0", 0, PETA, NULL, FIELD(max_body), 0,
     "largest decoded body; 0: what the budget can hold"},
    {"max-classes",   INTEGER, "4096", 1, 65536, NULL, FIELD(max_classes), 0,
     "most classes of one upload"},
    {"insecure-open", SWITCH,  "false", 0, 1, NULL, FIELD(insecure_open), 0,
     "listen beyond loopback also while there is no token and nobody is asked for one"},
    {"bootstrap-token-file", TEXT, "", 0, 0, NULL, FIELD(bootstrap_token_file), 0,
     "file of mode 0600 with a token that is taken; made with one of all scopes when it is not there"},
    {"cors-origin",   TEXT,    "", 0, 0, NULL, FIELD(cors_origin), 0,
     "the one origin whose pages in browsers may use this server, like https://lab.example"},
    {"rate-uploads",  INTEGER, "0", 0, 1000000, NULL, FIELD(rate_uploads), 0,
     "uploads a second that one token, or one address, may send; 0: no limit"},
    {"rate-bytes",    SIZE,    "0", 0, PETA, NULL, FIELD(rate_bytes), 0,
     "bytes of bodies a second that one token, or one address, may send; 0: no limit"},
    {"log-level",     WORD,    "info", 0, 0, "debug|info|warning|error", FIELD(log_level), 0,
     "least level of the lines on stderr"},
    {"log-requests",  SWITCH,  "true", 0, 1, NULL, FIELD(log_requests), 0,
     "one line of level info per request"},
    {"drain-delay",   INTEGER, "0", 0, 3600, NULL, FIELD(drain_delay), 0,
     "seconds from SIGTERM, when readiness fails, to the end of accepting"},
    {"drain-timeout", INTEGER, "30", 1, 3600, NULL, FIELD(drain_timeout), 0,
     "seconds that uploads in flight have to end after that"},
    {"config",        TEXT,    "", 0, 0, NULL, FIELD(config), 1,
     "file of `name = value` lines; # begins a comment"},
    {"print-config",  SWITCH,  "false", 0, 1, NULL, FIELD(print_config), 1,
     "print the settings in effect and exit"},
    {"backend",       WORD,    "auto", 0, 0, "auto|cpu|opencl", FIELD(backend), 0,
     "what computes; opencl is not in this version"},
    {"keep-days",     INTEGER, "0", 0, 36500, NULL, FIELD(keep_days), 0,
     "days after its last part when an evaluation is deleted; 0: never"},
    {"store",         ABSENT,  "", 0, 0, NULL, 0, 0, "postgres:// address of a shared history"},
    {"tls-cert",      TEXT,    "", 0, 0, NULL, FIELD(tls_cert), 0,
     "PEM file of the certificate and its chain: the server speaks TLS alone; SIGHUP reads it again"},
    {"tls-key",       TEXT,    "", 0, 0, NULL, FIELD(tls_key), 0,
     "PEM file of the certificate's key"},
    {"trusted-proxies", TEXT,  "", 0, 0, NULL, FIELD(trusted_proxies), 0,
     "addresses and networks, comma separated, whose X-Forwarded-For is believed"},
    {"max-connections", INTEGER, "0", 0, 65536, NULL, FIELD(max_connections), 0,
     "most connections; 0: what descriptors and the budget allow"},
    {"max-connections-per-address", INTEGER, "0", 0, 65536, NULL, FIELD(max_connections_per_address), 0,
     "most of one address but loopback and trusted proxies; 0: a quarter of all"},
};
/* clang-format on */

#define SETTINGS (sizeof settings / sizeof settings[0])
#define OPENCL   2

/* What a reading carries along. */
typedef struct reader {
    mm_config *config;
    source from[SETTINGS]; /* who set it; a lesser source does not set it again */
    char *text;            /* the message */
    size_t size;
    const char *place; /* "environment", the file's name, or "" for flags */
    size_t line;       /* of the file, from 1 */
} reader;

/* ---------------------------------------------------------------- messages */

__attribute__((format(printf, 2, 3))) static mm_status fail(reader *r, const char *format, ...)
{
    va_list arguments;
    int used = 0;

    if (r->line > 0)
        used = snprintf(r->text, r->size, "%s line %zu: ", r->place, r->line);
    if (used < 0 || (size_t)used >= r->size)
        return MM_BAD_PARAM;
    va_start(arguments, format);
    (void)vsnprintf(r->text + used, r->size - (size_t)used, format, arguments);
    va_end(arguments);
    return MM_BAD_PARAM;
}

static mm_status fail_unknown(reader *r, const char *name, size_t name_size, const char *dashes)
{
    char words[512] = "", text[64];
    const char *near;
    size_t filled = 0, size = 0;

    (void)snprintf(text, sizeof text, "%.*s", (int)(name_size < sizeof text ? name_size : sizeof text - 1), name);
    for (size_t i = 0; i < SETTINGS; i++)
        filled += (size_t)snprintf(words + filled, sizeof words - filled, "%s%s", i > 0 ? "|" : "", settings[i].name);
    near = mm_nearest_word(text, words, &size);
    if (near != NULL)
        return fail(r, "%s%s is not a setting; did you mean %s%.*s?", dashes, text, dashes, (int)size, near);
    return fail(r, "%s%s is not a setting", dashes, text);
}

/* ------------------------------------------------------------------- values */

int mm_config_size(const char *text, int64_t *bytes)
{
    static const struct {
        const char *unit;
        int shift;
    } units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
    const size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits + strspn(text + digits, " ");
    int64_t value = 0;

    if (digits == 0 || digits > 16)
        return 0;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (text[i] - '0');
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(unit, units[i].unit) == 0 && value <= INT64_MAX >> units[i].shift) {
            *bytes = value << units[i].shift;
            return 1;
        }
    return 0;
}

static int read_integer(const char *text, int64_t *out)
{
    const size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 18 || text[digits] != '\0')
        return 0;
    *out = strtoll(text, NULL, 10);
    return 1;
}

static int read_switch(const char *text, int64_t *out)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = (int64_t)(i % 2);
            return 1;
        }
    return 0;
}

static int read_word(const char *text, const char *words, int64_t *out)
{
    const size_t size = strlen(text);

    for (int64_t i = 0;; i++) {
        const size_t length = strcspn(words, "|");

        if (length == size && strncmp(text, words, size) == 0) {
            *out = i;
            return 1;
        }
        if (words[length] == '\0')
            return 0;
        words += length + 1;
    }
}

static mm_status set_text(char **field, const char *text)
{
    char *copy = strdup(text);

    if (copy == NULL)
        return MM_NO_MEMORY;
    free(*field);
    *field = copy;
    return MM_OK;
}

static mm_status set_number(reader *r, const setting *s, const char *text, int64_t *field)
{
    int64_t value = 0;

    switch (s->kind) {
    case SIZE:
        if (!mm_config_size(text, &value) || value > s->max)
            return fail(r, "%s must be a size such as 512MiB or 6GiB", s->name);
        break;
    case SWITCH:
        if (!read_switch(text, &value))
            return fail(r, "%s must be true or false", s->name);
        break;
    case WORD:
        if (!read_word(text, s->words, &value))
            return fail(r, "%s must be one of %s", s->name, s->words);
        break;
    default:
        if (!read_integer(text, &value) || value < s->min || value > s->max)
            return fail(r, "%s must be an integer from %lld to %lld", s->name, (long long)s->min, (long long)s->max);
    }
    *field = value;
    return MM_OK;
}

/* One setting from one source. */
static mm_status set(reader *r, size_t which, const char *text, source from)
{
    const setting *s = &settings[which];
    char *base = (char *)r->config + s->field;

    if (s->kind == ABSENT)
        return fail(r, "%s is not in this version", s->name);
    if (from < r->from[which])
        return MM_OK;
    r->from[which] = from;
    return s->kind == TEXT ? set_text((char **)(void *)base, text) : set_number(r, s, text, (int64_t *)(void *)base);
}

static size_t find(const char *name, size_t size)
{
    size_t i = 0;

    while (i < SETTINGS && (strlen(settings[i].name) != size || strncmp(settings[i].name, name, size) != 0))
        i++;
    return i;
}

/* ------------------------------------------------------------------ sources */

/* --name VALUE, --name=VALUE; a switch may stand alone. */
static mm_status read_flags(reader *r, int argc, char **argv)
{
    mm_status status = MM_OK;

    for (int i = 1; i < argc && status == MM_OK; i++) {
        const char *name = argv[i] + 2, *value = NULL;
        size_t size, which;

        if (strncmp(argv[i], "--", 2) != 0)
            return fail(r, "%s is not a flag", argv[i]);
        size = strcspn(name, "=");
        which = find(name, size);
        if (which == SETTINGS)
            return fail_unknown(r, name, size, "--");
        if (name[size] == '=')
            value = name + size + 1;
        else if (settings[which].kind == SWITCH)
            value = "true";
        else if (settings[which].kind == ABSENT)
            value = "";
        else if (++i < argc)
            value = argv[i];
        else
            return fail(r, "--%s needs a value", name);
        status = set(r, which, value, FLAG);
    }
    return status;
}

static mm_status note_unknown(mm_config *config, const char *name, size_t size)
{
    const size_t old = strlen(config->ignored);
    char *names = malloc(old + size + 2);

    if (names == NULL)
        return MM_NO_MEMORY;
    (void)snprintf(names, old + size + 2, "%s%s%.*s", config->ignored, old > 0 ? "," : "", (int)size, name);
    free(config->ignored);
    config->ignored = names;
    return MM_OK;
}

/* MASKMETER_MAX_BODY is max-body. */
static mm_status read_environment(reader *r, char *const *env)
{
    static const char prefix[] = "MASKMETER_";
    mm_status status = MM_OK;

    for (; *env != NULL && status == MM_OK; env++) {
        const size_t size = strcspn(*env, "=");
        char name[64];
        size_t filled = 0, which;

        if (strncmp(*env, prefix, sizeof prefix - 1) != 0 || (*env)[size] != '=')
            continue;
        for (size_t i = sizeof prefix - 1; i < size && filled < sizeof name - 1; i++)
            name[filled++] = (char)((*env)[i] == '_' ? '-' : tolower((unsigned char)(*env)[i]));
        which = find(name, filled);
        if (which == SETTINGS || strcmp(settings[which].name, "print-config") == 0)
            status = note_unknown(r->config, *env, size);
        else
            status = set(r, which, *env + size + 1, ENVIRONMENT);
    }
    return status;
}

static char *strip(char *text)
{
    char *end;

    text += strspn(text, " \t\r\n");
    end = text + strlen(text);
    while (end > text && strchr(" \t\r\n", end[-1]) != NULL)
        end--;
    *end = '\0';
    return text;
}

static mm_status read_line(reader *r, char *line)
{
    char *name = strip(line), *equals = strchr(name, '=');
    size_t which;

    if (name[0] == '\0' || name[0] == '#')
        return MM_OK;
    if (equals == NULL)
        return fail(r, "not a `name = value` line");
    *equals = '\0';
    name = strip(name);
    which = find(name, strlen(name));
    if (which == SETTINGS)
        return fail_unknown(r, name, strlen(name), "");
    if (settings[which].flag_only)
        return fail(r, "%s is a flag only", name);
    return set(r, which, strip(equals + 1), FILE_LINE);
}

static mm_status read_file(reader *r)
{
    FILE *file = fopen(r->config->config, "re");
    mm_status status = MM_OK;
    char *line = NULL;
    size_t room = 0;

    if (file == NULL)
        return fail(r, "cannot read the configuration file %s", r->config->config);
    r->place = r->config->config;
    while (status == MM_OK && getline(&line, &room, file) >= 0) {
        r->line++;
        status = read_line(r, line);
    }
    if (status == MM_OK && ferror(file)) {
        r->line = 0;
        status = fail(r, "cannot read the configuration file %s", r->config->config);
    }
    r->line = 0;
    free(line);
    (void)fclose(file);
    return status;
}

/* ------------------------------------------------------------ what is derived */

/* Of the machine, or of the control group that the process lives in. */
static int64_t machine_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    int64_t bytes = pages > 0 && size > 0 ? (int64_t)pages * size : (int64_t)1 << 30;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    long long limit;

    if (file != NULL) {
        if (fscanf(file, "%lld", &limit) == 1 && limit > 0 && limit < bytes)
            bytes = limit;
        (void)fclose(file);
    }
    return bytes;
}

#define LEAST_MEMORY ((int64_t)16 << 20)

/* As browsers write it: scheme and host, perhaps a port, and nothing after that. */
static int is_origin(const char *text)
{
    const char *host = strncmp(text, "https://", 8) == 0 ? text + 8 : strncmp(text, "http://", 7) == 0 ? text + 7 : "";

    return host[0] != '\0' && strpbrk(host, "/?#@*, \t\\\"") == NULL;
}

/* Beside the largest body its evaluation must fit into the budget: an eighth of it is left for that. */
static mm_status derive(reader *r)
{
    mm_config *config = r->config;
    int64_t most;

    if (config->backend == OPENCL)
        return fail(r, "backend opencl is not in this version");
    if ((config->tls_cert[0] != '\0') != (config->tls_key[0] != '\0'))
        return fail(r, "tls-cert and tls-key go together");
    if (config->cors_origin[0] != '\0' && !is_origin(config->cors_origin))
        return fail(r, "cors-origin must be one origin like https://lab.example or http://10.0.0.7:3000");
    if (config->memory == 0)
        config->memory = machine_memory() / 4;
    if (config->memory < LEAST_MEMORY)
        return fail(r, "memory must be at least %lldMiB", (long long)(LEAST_MEMORY >> 20));
    most = config->memory - config->memory / 8;
    if (config->max_body > most)
        return fail(r, "max-body must be at most %lld, seven eighths of memory", (long long)most);
    if (config->max_body == 0)
        config->max_body = most;
    return MM_OK;
}

/* ------------------------------------------------------------------- public */

void mm_config_free(mm_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < SETTINGS; i++)
        if (settings[i].kind == TEXT)
            free(*(char **)(void *)((char *)config + settings[i].field));
    free(config->ignored);
    free(config);
}

mm_status mm_config_read(mm_config **out, int argc, char **argv, char *const *env, char *text, size_t size)
{
    reader r = {.text = text, .size = size, .place = "", .config = calloc(1, sizeof(mm_config))};
    mm_status status = MM_NO_MEMORY;

    text[0] = '\0';
    if (r.config == NULL)
        goto done;
    r.config->ignored = strdup("");
    if (r.config->ignored == NULL)
        goto done;
    status = MM_OK;
    for (size_t i = 0; i < SETTINGS && status == MM_OK; i++)
        if (settings[i].kind != ABSENT)
            status = set(&r, i, settings[i].standard, DEFAULT);
    if (status == MM_OK)
        status = read_flags(&r, argc, argv);
    if (status == MM_OK)
        status = read_environment(&r, env);
    if (status == MM_OK && r.config->config[0] != '\0')
        status = read_file(&r);
    if (status == MM_OK)
        status = derive(&r);
done:
    if (status == MM_NO_MEMORY)
        (void)snprintf(text, size, "out of memory");
    if (status == MM_OK)
        *out = r.config;
    else
        mm_config_free(r.config);
    return status;
}

static void print_value(FILE *file, const mm_config *config, const setting *s)
{
    const char *base = (const char *)config + s->field;
    const int64_t number = s->kind == TEXT ? 0 : *(const int64_t *)(const void *)base;
    const char *word = s->words;

    switch (s->kind) {
    case TEXT:
        (void)fprintf(file, "%s", *(char *const *)(const void *)base);
        break;
    case SWITCH:
        (void)fprintf(file, "%s", number ? "true" : "false");
        break;
    case WORD:
        for (int64_t i = 0; i < number; i++)
            word += strcspn(word, "|") + 1;
        (void)fprintf(file, "%.*s", (int)strcspn(word, "|"), word);
        break;
    default:
        (void)fprintf(file, "%lld", (long long)number);
    }
}

/* NULL when the stream failed. */
static char *close_text(FILE *file, char **text)
{
    const int failed = ferror(file);

    if (fclose(file) == 0 && !failed)
        return *text;
    free(*text);
    return NULL;
}

char *mm_config_print(const mm_config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    if (file == NULL)
        return NULL;
    for (size_t i = 0; i < SETTINGS; i++) {
        if (settings[i].flag_only || settings[i].kind == ABSENT)
            continue;
        (void)fprintf(file, "%s = ", settings[i].name);
        print_value(file, config, &settings[i]);
        (void)fputc('\n', file);
    }
    return close_text(file, &text);
}

char *mm_config_help(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    if (file == NULL)
        return NULL;
    for (size_t i = 0; i < SETTINGS; i++) {
        const setting *s = &settings[i];

        (void)fprintf(file, "  --%-20s %s", s->name, s->meaning);
        if (s->kind == ABSENT)
            (void)fprintf(file, " (not in this version)");
        else if (s->kind == WORD)
            (void)fprintf(file, " (%s; default %s)", s->words, s->standard);
        else if (s->kind != SWITCH && s->standard[0] != '\0' && strcmp(s->standard, "0") != 0)
            (void)fprintf(file, " (default %s)", s->standard);
        (void)fputc('\n', file);
    }
    return close_text(file, &text);
}
