/*
 * admin.c - the socket for the operator of this machine.
 */
#include "server/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "server/log.h"
#include "server/token_work.h"

#define NAME        "admin.sock"
#define MOST_GUESTS 8
#define PATIENCE_MS 5000 /* for the line, and for taking the answer */
#define BACKLOG     16
#define REST_MS     250 /* without a descriptor for who knocks: else the loop would turn for nothing */

/* Somebody at the socket. */
typedef struct guest {
    mm_post stored; /* first: from the writer's thread to the loop */
    struct mm_admin *admin;
    struct guest *next;
    int fd;
    mm_watch *watch;
    mm_timer *timer;
    int waits; /* for the history */
    char line[MM_TOKEN_REQUEST_MAX + 1];
    size_t filled;
    mm_token_work work;
    size_t sent; /* of work.answer */
} guest;

struct mm_admin {
    mm_server *server;
    char *path;
    int fd;
    mm_watch *watch;
    mm_timer *rest;
    guest *guests;
    size_t guest_count;
};

/* ------------------------------------------------------------------ address */

/* A path that is too long for a socket's address is reached through a descriptor of its directory, which is then in
 * *folder, to be closed; else -1. */
static int make_address(struct sockaddr_un *address, const char *directory, int *folder)
{
    int size;

    *folder = -1;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    size = snprintf(address->sun_path, sizeof address->sun_path, "%s/" NAME, directory);
    if (size > 0 && (size_t)size < sizeof address->sun_path)
        return 1;
    *folder = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    (void)snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/" NAME, *folder);
    return *folder >= 0;
}

int mm_admin_connect(const char *directory)
{
    struct sockaddr_un address;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int folder = -1, why = errno;
    const int fine = fd >= 0 && make_address(&address, directory, &folder) &&
                     connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;

    if (!fine)
        why = errno;
    if (folder >= 0)
        (void)close(folder);
    if (fine)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    errno = why;
    return -1;
}

/* ------------------------------------------------------------------- guests */

static void say_goodbye(guest *g)
{
    mm_admin *admin = g->admin;
    guest **link = &admin->guests;

    while (*link != g)
        link = &(*link)->next;
    *link = g->next;
    admin->guest_count--;
    mm_watch_free(g->watch);
    mm_timer_free(g->timer);
    (void)close(g->fd);
    mm_token_work_free(&g->work);
    explicit_bzero(g->line, sizeof g->line);
    free(g);
}

static void send_answer(guest *g)
{
    while (g->sent < g->work.answer_size && g->work.answer != NULL) {
        const ssize_t size = send(g->fd, g->work.answer + g->sent, g->work.answer_size - g->sent, MSG_NOSIGNAL);

        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            mm_watch_for(g->watch, MM_WATCH_WRITE);
            return;
        }
        if (size <= 0)
            break; /* gone */
        g->sent += (size_t)size;
    }
    say_goodbye(g);
}

/* One line per change, without secrets. */
static void log_change(const guest *g)
{
    const mm_token *token = &g->work.store.token;
    char scopes[32];
    const mm_field fields[] = {
        {"token", token->id, 0.0},
        {"project", token->project, 0.0},
        {"scopes", scopes, 0.0},
        {"label", token->label, 0.0},
    };

    mm_scopes_text(token->scopes, scopes);
    mm_log_line(g->admin->server->log, MM_LOG_INFO, g->work.creates ? "token_created" : "token_revoked", fields,
                sizeof fields / sizeof fields[0]);
    mm_log_flush(g->admin->server->log);
}

/* On the loop again. */
static void after_store(mm_post *post)
{
    guest *g = (guest *)(void *)post;

    g->waits = 0;
    mm_token_work_end(&g->work, g->admin->server->tokens);
    if (g->work.store.status == MM_STORE_OK)
        log_change(g);
    mm_timer_start(g->timer, PATIENCE_MS, 0);
    send_answer(g);
}

/* On the writer's thread. */
static void on_stored(mm_store_token *item)
{
    guest *g = item->context;

    mm_loop_post(g->admin->server->loop, &g->stored);
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void do_line(guest *g)
{
    mm_server *server = g->admin->server;

    mm_token_work_begin(&g->work, server->tokens, g->line, now_ms());
    mm_timer_start(g->timer, PATIENCE_MS, 0);
    mm_watch_for(g->watch, 0);
    if (!g->work.stores) {
        send_answer(g);
        return;
    }
    mm_timer_stop(g->timer);
    g->waits = 1;
    g->stored.run = after_store;
    g->work.store.done = on_stored;
    g->work.store.context = g;
    mm_history_put_token(server->history, &g->work.store);
}

/* More of the line, or room for the answer. */
static void on_ready(void *context)
{
    guest *g = context;
    ssize_t size;
    char *end;

    if (g->work.answer != NULL) {
        send_answer(g);
        return;
    }
    size = recv(g->fd, g->line + g->filled, sizeof g->line - 1 - g->filled, 0);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (size <= 0) {
        say_goodbye(g);
        return;
    }
    g->filled += (size_t)size;
    g->line[g->filled] = '\0';
    end = memchr(g->line, '\n', g->filled);
    if (end != NULL) {
        *end = '\0';
        do_line(g);
    } else if (g->filled == sizeof g->line - 1) {
        say_goodbye(g);
    }
}

static void on_late(void *context)
{
    say_goodbye(context);
}

static int may_enter(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

static void let_in(mm_admin *admin, int fd)
{
    guest *g = calloc(1, sizeof *g);

    if (g == NULL) {
        (void)close(fd);
        return;
    }
    g->admin = admin;
    g->fd = fd;
    g->next = admin->guests;
    admin->guests = g;
    admin->guest_count++;
    if (mm_timer_new(&g->timer, admin->server->loop, on_late, g) != MM_OK ||
        mm_watch_new(&g->watch, admin->server->loop, fd, on_ready, g) != MM_OK) {
        say_goodbye(g);
        return;
    }
    mm_timer_start(g->timer, PATIENCE_MS, 0);
}

static void on_knock(void *context)
{
    mm_admin *admin = context;
    const int fd = accept4(admin->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            mm_watch_for(admin->watch, 0);
            mm_timer_start(admin->rest, REST_MS, 0);
        }
        return;
    }
    if (admin->guest_count < MOST_GUESTS && may_enter(fd))
        let_in(admin, fd);
    else
        (void)close(fd);
}

static void on_rested(void *context)
{
    mm_admin *admin = context;

    mm_watch_for(admin->watch, MM_WATCH_READ);
}

/* ------------------------------------------------------------------ socket */

static int bind_socket(mm_admin *admin, const char *directory)
{
    struct sockaddr_un address;
    int folder, fine;

    if (!make_address(&address, directory, &folder))
        return 0;
    (void)unlink(admin->path); /* of a server that was killed: the lock says that it is gone */
    fine = bind(admin->fd, (const struct sockaddr *)&address, sizeof address) == 0 && chmod(admin->path, 0600) == 0 &&
           listen(admin->fd, BACKLOG) == 0;
    if (folder >= 0)
        (void)close(folder);
    return fine;
}

mm_status mm_admin_new(mm_admin **out, mm_server *server, const char *directory, mm_problem *problem)
{
    mm_admin *admin = calloc(1, sizeof *admin);

    *problem = (mm_problem){.has_index = 0};
    if (admin == NULL)
        return MM_NO_MEMORY;
    admin->server = server;
    admin->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (asprintf(&admin->path, "%s/" NAME, directory) < 0)
        admin->path = NULL;
    if (admin->fd >= 0 && admin->path != NULL && bind_socket(admin, directory) &&
        mm_timer_new(&admin->rest, server->loop, on_rested, admin) == MM_OK &&
        mm_watch_new(&admin->watch, server->loop, admin->fd, on_knock, admin) == MM_OK) {
        *out = admin;
        return MM_OK;
    }
    (void)snprintf(problem->text, sizeof problem->text, "cannot make " NAME ": %s", strerror(errno));
    mm_admin_free(admin);
    return MM_BAD_PARAM;
}

void mm_admin_free(mm_admin *admin)
{
    if (admin == NULL)
        return;
    while (admin->guests != NULL)
        say_goodbye(admin->guests);
    mm_timer_free(admin->rest);
    mm_watch_free(admin->watch);
    if (admin->watch != NULL)
        (void)unlink(admin->path);
    if (admin->fd >= 0)
        (void)close(admin->fd);
    free(admin->path);
    free(admin);
}
