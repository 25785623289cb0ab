/*
 * cmd_serve.c - starts everything in the right order, waits for a signal, ends everything in the reverse order.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/accounts.h"
#include "server/address.h"
#include "server/admin.h"
#include "server/admission.h"
#include "server/cmd.h"
#include "server/compute.h"
#include "server/config.h"
#include "server/failures.h"
#include "server/history.h"
#include "server/http.h"
#include "server/ip.h"
#include "server/log.h"
#include "server/plans.h"
#include "server/retention.h"
#include "server/service_manager.h"
#include "server/stats.h"
#include "server/threads.h"
#include "server/tls.h"
#include "server/token_work.h"

#define HEALTH_MS         250 /* between looks at the history's health */
#define STOP_SECONDS      15  /* for what is computed still, and for closing the history */
#define MAX_ROUTES        64
#define SPARE_DESCRIPTORS 64 /* for the store, the log and others, beside connections */
#define OTHER_THREADS     6  /* beside those that compute: libuv's pool of four, compute's own, the history's */
#define MOST_CONNECTIONS  65536
#define LEAST_CONNECTIONS 1024

extern char **environ;

typedef struct service {
    mm_server server;
    mm_config *config;
    mm_http *http;
    mm_tls *tls; /* NULL: plain */
    mm_networks *trusted;
    mm_manager *manager;
    mm_admin *admin;
    mm_timer *health, *drain;
    mm_retention *retention;
    const char *route_names[MAX_ROUTES];
    char local_address[64]; /* without the port, as Host has it */
    int listen_fd;          /* -1 once it is the http part's */
    char address[64];
    int draining; /* a signal was seen */
} service;

/* ------------------------------------------------------------- certificates */

static void log_certificate(const service *s, const char *event)
{
    const mm_field fields[] = {{"days_left", NULL, (double)(mm_tls_expires(s->tls) - (int64_t)time(NULL)) / 86400.0}};

    mm_log_line(s->server.log, MM_LOG_INFO, event, fields, 1);
    if (mm_tls_key_is_exposed(s->tls))
        mm_log_text(s->server.log, MM_LOG_WARNING, "key_exposed",
                    "anybody on this machine may read the file of tls-key");
}

/* ------------------------------------------------------------------ ending */

static void stop_loop(void *context)
{
    service *s = context;

    mm_loop_stop(s->server.loop);
}

static void hurry(void *context)
{
    service *s = context;

    mm_log_text(s->server.log, MM_LOG_WARNING, "drain_timeout", "cutting the connections that are still in flight");
    mm_http_hurry(s->http);
}

static void quiesce(service *s)
{
    mm_http_quiesce(s->http, stop_loop, s);
}

/* The delay between failing readiness and the end of accepting is over. */
static void end_delay(void *context)
{
    service *s = context;

    mm_timer_free(s->drain);
    s->drain = NULL;
    quiesce(s);
    if (mm_timer_new(&s->drain, s->server.loop, hurry, s) == MM_OK)
        mm_timer_start(s->drain, (uint64_t)s->config->drain_timeout * 1000, 0);
}

/* SIGHUP: a certificate that cannot be read changes nothing. */
static void reload(service *s)
{
    mm_problem problem;

    if (s->tls == NULL)
        return;
    if (mm_tls_reload(s->tls, &problem) == MM_OK)
        log_certificate(s, "certificate_reloaded");
    else
        mm_log_text(s->server.log, MM_LOG_ERROR, "certificate_kept", problem.text);
}

/* The first SIGTERM or SIGINT drains, the second ends at once.  SIGHUP reads the certificate again. */
static void on_signal(void *context, int number)
{
    service *s = context;

    if (number == SIGHUP) {
        mm_manager_reloading(s->manager);
        reload(s);
        mm_manager_ready(s->manager, s->address);
        return;
    }
    if (s->draining) {
        mm_log_text(s->server.log, MM_LOG_WARNING, "killed", "a second signal: ending at once");
        _exit(MM_EXIT_FAILED);
    }
    s->draining = 1;
    s->server.draining = 1;
    mm_log_text(s->server.log, MM_LOG_INFO, "draining", "no new evaluations; those in flight will end");
    /* It may take as long as its settings say, whatever the manager's own limit is. */
    mm_manager_stopping(s->manager, s->config->drain_delay + s->config->drain_timeout + STOP_SECONDS);
    if (mm_timer_new(&s->drain, s->server.loop, end_delay, s) == MM_OK)
        mm_timer_start(s->drain, (uint64_t)s->config->drain_delay * 1000, 0);
    else
        quiesce(s);
}

/* A history that cannot sync may have lost what it wrote: only a restart, with recovery, is safe. */
static void look_at_history(void *context)
{
    service *s = context;

    if (mm_history_health(s->server.history) != MM_STORE_FATAL)
        return;
    if (mm_history_check(s->server.history) == MM_CHECK_DAMAGED)
        mm_log_text(s->server.log, MM_LOG_ERROR, "store_damaged",
                    "maskmeter.db is damaged: restore it from a backup, or move it away; ending");
    else
        mm_log_text(s->server.log, MM_LOG_ERROR, "store_failed", "the history can no longer be written safely; ending");
    mm_log_flush(s->server.log);
    _exit(MM_EXIT_FAILED);
}

/* ---------------------------------------------------------------- starting */

static int complain(const char *text)
{
    (void)fprintf(stderr, "maskmeter serve: %s\n", text);
    return MM_EXIT_FAILED;
}

/* libgomp reads OMP_WAIT_POLICY before main(); without "passive" its idle threads spin on the loop's processor. */
static void run_again_passive(int argc, char **argv)
{
    char program[] = "maskmeter";
    char **arguments;

    if (getenv("OMP_WAIT_POLICY") != NULL || setenv("OMP_WAIT_POLICY", "passive", 1) != 0)
        return;
    arguments = calloc((size_t)argc + 2, sizeof *arguments);
    if (arguments == NULL)
        return;
    arguments[0] = program;
    for (int i = 0; i < argc; i++)
        arguments[i + 1] = argv[i];
    (void)execv("/proc/self/exe", arguments); /* on failure: go on, only slower */
    free(arguments);
}

/* Libraries abort, and say nothing, where they find no memory or no thread for their set-up. */
static void explain_abort(int number)
{
    static const char text[] = "maskmeter serve: cannot start: a library ended it, out of memory or threads\n";

    (void)number;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(MM_EXIT_FAILED);
}

/* What it holds is for nobody else's eyes.  RLIMIT_CORE alone would let a crash be piped to a handler of the machine;
 * a process that is not dumpable writes no core at all, and others of its user may not read its memory or trace it. */
static void prepare_process(void)
{
    const struct rlimit no_core = {0, 0};

    (void)umask(077);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is a full disk */
    (void)signal(SIGABRT, explain_abort);
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)prctl(PR_SET_DUMPABLE, 0);
}

/* As many connections as the hard limit of descriptors allows, less a few of our own, and not more than a quarter of
 * the memory budget, or a thousand, could hold, where no other number is set. */
static unsigned most_connections(const mm_config *config)
{
    struct rlimit files = {0};
    const rlim_t room = (rlim_t)config->memory / 4 / MM_CONNECTION_MEMORY, wish = (rlim_t)config->max_connections;
    const rlim_t most = wish > 0 ? wish : room > LEAST_CONNECTIONS ? room : LEAST_CONNECTIONS;
    rlim_t count;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return SPARE_DESCRIPTORS;
    files.rlim_cur = files.rlim_max < MOST_CONNECTIONS ? files.rlim_max : MOST_CONNECTIONS;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        (void)getrlimit(RLIMIT_NOFILE, &files);
    count = files.rlim_cur > 2 * SPARE_DESCRIPTORS ? files.rlim_cur - SPARE_DESCRIPTORS : files.rlim_cur / 2;
    return (unsigned)(count < most ? count : most);
}

static int make_directory(const char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return 1;
    (void)fprintf(stderr, "maskmeter serve: cannot make the directory %s: %s\n", path, strerror(errno));
    return 0;
}

static int is_address(const mm_config *config)
{
    if (mm_address_valid(config->listen))
        return 1;
    (void)fprintf(stderr, "maskmeter serve: listen: %s is not an address like 127.0.0.1:8080 or [::1]:8080\n",
                  config->listen);
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Beyond this machine only with a token that lets somebody in, or when it is said that anyone may. */
static int may_listen(const service *s)
{
    const mm_config *config = s->config;

    if (mm_address_is_local(config->listen) || config->insecure_open || mm_tokens_any_live(s->server.tokens, now_ms()))
        return 1;
    (void)fprintf(stderr,
                  "maskmeter serve: %s is not a loopback address, and without a token anyone who reaches it could read "
                  "and write.\nMake one first:\n\n    maskmeter token create --data %s --scope admin,ingest,read\n\n"
                  "or name a --bootstrap-token-file, or say --insecure-open.\n",
                  config->listen, config->data);
    return 0;
}

static int read_proxies(service *s)
{
    mm_problem problem;

    if (mm_networks_new(&s->trusted, s->config->trusted_proxies, &problem) == MM_OK)
        return 1;
    (void)complain(problem.text);
    return 0;
}

/* A socket that was handed over is what we listen on, whatever `listen` says; the same rules hold for its address. */
static int take_socket(service *s)
{
    mm_problem problem;
    char *address = NULL;

    if (mm_manager_socket(&s->listen_fd, &problem) != MM_OK) {
        (void)complain(problem.text);
        return 0;
    }
    if (s->listen_fd < 0)
        return 1;
    mm_address_text(s->listen_fd, s->address);
    address = strdup(s->address);
    if (address == NULL) {
        (void)complain("out of memory");
        return 0;
    }
    free(s->config->listen);
    s->config->listen = address;
    return 1;
}

static unsigned compute_threads(const service *s)
{
    return s->config->threads > 0 ? (unsigned)s->config->threads : mm_threads_available();
}

static int try_threads(const service *s)
{
    const unsigned count = compute_threads(s) - 1 + OTHER_THREADS; /* compute's own is one of the team */
    const int error = mm_threads_try(count);

    if (error != 0)
        (void)fprintf(stderr, "maskmeter serve: cannot start %u threads: %s\n", count, strerror(error));
    return error == 0;
}

static int start_listening(service *s)
{
    mm_problem problem;
    char *colon;

    if (s->listen_fd < 0)
        s->listen_fd = mm_address_listen(s->config->listen, &problem);
    if (s->listen_fd < 0) {
        (void)complain(problem.text);
        return 0;
    }
    (void)fcntl(s->listen_fd, F_SETFD, FD_CLOEXEC);
    mm_address_text(s->listen_fd, s->address);
    memcpy(s->local_address, s->address, sizeof s->address);
    colon = strrchr(s->local_address, ':');
    if (colon != NULL)
        *colon = '\0';
    return 1;
}

static int start_history(service *s)
{
    mm_problem problem = {0};

    if (!make_directory(s->config->data))
        return 0;
    if (mm_history_open(&s->server.history, s->config->data, &problem) == MM_STORE_OK)
        return 1;
    (void)complain(problem.text);
    return 0;
}

static int start_tls(service *s)
{
    mm_problem problem;

    if (s->config->tls_cert[0] == '\0' ||
        mm_tls_new(&s->tls, s->config->tls_cert, s->config->tls_key, &problem) == MM_OK)
        return 1;
    (void)complain(problem.text);
    return 0;
}

static int load_tokens(service *s)
{
    const char *bootstrap = s->config->bootstrap_token_file;
    mm_problem problem = {0};
    int fine = mm_tokens_load(&s->server.tokens, s->server.history, &problem);

    if (fine && bootstrap[0] != '\0')
        fine = mm_token_bootstrap(bootstrap, s->server.tokens, s->server.history, now_ms(), &problem);
    if (!fine)
        (void)complain(problem.text);
    return fine;
}

/* Without its socket the server works, but its tokens change only with a restart. */
static void start_admin(service *s)
{
    mm_problem problem = {0};

    if (mm_admin_new(&s->admin, &s->server, s->config->data, &problem) != MM_OK)
        mm_log_text(s->server.log, MM_LOG_WARNING, "no_admin_socket", problem.text);
}

static mm_store_status take_memory(void *context, size_t bytes, size_t held, mm_problem *problem)
{
    mm_admission *admission = context;
    const size_t limit = mm_admission_limit(admission), most = limit > held ? limit - held : 0;

    problem->param[0] = '\0';
    if (bytes > most) {
        (void)snprintf(problem->text, sizeof problem->text,
                       "merging this evaluation takes %zu bytes, of which the server's whole budget leaves %zu", bytes,
                       most);
        return MM_STORE_TOO_LARGE;
    }
    if (mm_admission_reserve(admission, NULL, bytes) == MM_OK)
        return MM_STORE_OK;
    (void)snprintf(problem->text, sizeof problem->text,
                   "merging this evaluation takes %zu bytes, which are not free at the moment", bytes);
    return MM_STORE_BUSY;
}

static void give_memory(void *context, size_t bytes)
{
    mm_admission_release(context, NULL, bytes);
}

static void keep_memory(void *context, size_t bytes)
{
    mm_admission_keep(context, bytes);
}

static void use_memory(void *context, size_t bytes)
{
    mm_admission_use(context, bytes);
}

static size_t let_go(void *context, size_t bytes)
{
    return mm_history_let_go(context, bytes);
}

/* The history's writer works within the one budget. */
static void share_memory(const mm_server *server)
{
    const mm_store_memory memory = {take_memory, give_memory, keep_memory, use_memory, server->admission};

    mm_admission_set_keeper(server->admission, let_go, server->history);
    mm_history_set_memory(server->history, &memory);
}

static mm_status start_parts(service *s, unsigned max_connections)
{
    mm_server *server = &s->server;
    const mm_rates rates = {(double)s->config->rate_uploads, (double)s->config->rate_bytes};
    const int64_t per_address = s->config->max_connections_per_address;
    const mm_http_options options = {
        .listen_fd = s->listen_fd,
        .local_address = mm_address_is_local(s->config->listen) ? s->local_address : NULL,
        .max_connections = max_connections,
        .max_per_address = per_address > 0 ? (unsigned)per_address : (max_connections + 3) / 4,
        .trusted = s->trusted,
        .tls = s->tls,
    };

    for (size_t i = 0; i < mm_route_count && i < MAX_ROUTES; i++)
        s->route_names[i] = mm_routes[i].pattern;
    server->loop_scratch = aligned_alloc(64, MM_SCRATCH_BYTES);
    server->plans = mm_plans_new();
    if (server->loop_scratch == NULL || server->plans == NULL ||
        mm_stats_new(&server->stats, s->route_names, mm_route_count) != MM_OK ||
        mm_failures_new(&server->failures) != MM_OK ||
        mm_admission_new(&server->admission, (size_t)s->config->memory) != MM_OK ||
        mm_compute_start(&server->compute, compute_threads(s)) != MM_OK)
        return MM_NO_MEMORY;
    mm_admission_set_rates(server->admission, &rates);
    share_memory(server);
    if (mm_loop_signals(server->loop, on_signal, s) != MM_OK ||
        mm_timer_new(&s->health, server->loop, look_at_history, s) != MM_OK ||
        mm_retention_start(&s->retention, server) != MM_OK)
        return MM_NO_MEMORY;
    if (mm_manager_watch(s->manager, server->loop) != MM_OK)
        return MM_NO_MEMORY;
    mm_timer_start(s->health, HEALTH_MS, HEALTH_MS);
    s->listen_fd = -1;
    return mm_http_new(&s->http, server, &options);
}

static void announce(const service *s)
{
    const mm_field fields[] = {
        {"address", s->address, 0.0},
        {"version", MM_VERSION, 0.0},
        {"cpu", mm_cpu_level(), 0.0},
        {"threads", NULL, (double)mm_compute_threads(s->server.compute)},
        {"memory", NULL, (double)s->config->memory},
        {"max_body", NULL, (double)s->config->max_body},
        {"data", s->config->data, 0.0},
    };

    if (s->tls != NULL)
        log_certificate(s, "certificate");
    if (s->config->ignored[0] != '\0')
        mm_log_text(s->server.log, MM_LOG_WARNING, "ignored_environment", s->config->ignored);
    mm_log_line(s->server.log, MM_LOG_INFO, "listening", fields, sizeof fields / sizeof fields[0]);
    mm_log_flush(s->server.log);
    mm_manager_ready(s->manager, s->address);
}

/* In reverse: nobody is left who could call into what is freed. */
static void end_parts(service *s)
{
    mm_server *server = &s->server;

    mm_compute_stop(server->compute);
    mm_http_free(s->http);
    mm_history_close(server->history);
    mm_admin_free(s->admin);
    mm_timer_free(s->health);
    mm_timer_free(s->drain);
    mm_retention_free(s->retention);
    mm_manager_unwatch(s->manager);
    mm_loop_free(server->loop);
    mm_admission_free(server->admission);
    mm_stats_free(server->stats);
    mm_plans_free(server->plans);
    mm_tokens_free(server->tokens);
    mm_tls_free(s->tls);
    mm_failures_free(server->failures);
    free(server->loop_scratch);
    if (s->listen_fd >= 0)
        (void)close(s->listen_fd);
}

/* What must be there before anybody may connect.  Returns the exit code. */
static int prepare(service *s)
{
    if (!start_tls(s) || !start_history(s) || !load_tokens(s))
        return MM_EXIT_FAILED;
    if (!may_listen(s))
        return MM_EXIT_USAGE;
    return start_listening(s) ? MM_EXIT_FINE : MM_EXIT_FAILED;
}

static int run_service(service *s, unsigned max_connections)
{
    int code = MM_EXIT_FAILED;

    s->server.config = s->config;
    if (!try_threads(s))
        return code;
    if (mm_manager_new(&s->manager) != MM_OK ||
        mm_log_new(&s->server.log, STDERR_FILENO, (mm_log_level)s->config->log_level) != MM_OK ||
        mm_loop_new(&s->server.loop) != MM_OK)
        (void)complain("out of memory");
    else
        code = prepare(s);
    if (code == MM_EXIT_FINE && start_parts(s, max_connections) != MM_OK)
        code = complain("cannot start: out of memory, threads or descriptors");
    if (code == MM_EXIT_FINE) {
        start_admin(s);
        (void)signal(SIGABRT, SIG_DFL); /* from here on it would be a fault */
        announce(s);
        mm_loop_run(s->server.loop);
    }
    end_parts(s);
    if (code == MM_EXIT_FINE)
        mm_log_text(s->server.log, MM_LOG_INFO, "stopped", "everything that was acknowledged is stored");
    mm_log_free(s->server.log);
    mm_manager_free(s->manager);
    return code;
}

static int print_and_free(char *text)
{
    if (text == NULL)
        return complain("out of memory");
    (void)fputs(text, stdout);
    free(text);
    return MM_EXIT_FINE;
}

static int is_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return 1;
    return 0;
}

int mm_cmd_serve(int argc, char **argv)
{
    service s = {.listen_fd = -1};
    char text[512];
    int code;

    if (is_help(argc, argv)) {
        (void)puts("maskmeter serve [flags]\n\nEach flag may also be MASKMETER_NAME in the environment, or a line "
                   "`name = value` of the file.\n");
        return print_and_free(mm_config_help());
    }
    if (mm_config_read(&s.config, argc, argv, environ, text, sizeof text) != MM_OK) {
        (void)complain(text);
        return MM_EXIT_USAGE;
    }
    if (s.config->print_config)
        code = print_and_free(mm_config_print(s.config));
    else if (!take_socket(&s) || !is_address(s.config) || !read_proxies(&s))
        code = MM_EXIT_USAGE;
    else {
        run_again_passive(argc, argv);
        prepare_process();
        code = run_service(&s, most_connections(s.config));
    }
    mm_networks_free(s.trusted);
    mm_config_free(s.config);
    return code;
}
