/*
 * service_manager.c - systemd's protocols of sockets handed over and of notices.
 */
#include "server/service_manager.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FIRST_FD 3 /* by convention */

struct mm_manager {
    int fd; /* connected to NOTIFY_SOCKET, kept open: a watchdog must not fail for want of descriptors; -1: none */
    mm_timer *watchdog;
};

/* A variable that is a number and nothing else; -1 otherwise. */
static long long number_of(const char *name)
{
    const char *text = getenv(name);
    const size_t digits = text != NULL ? strspn(text, "0123456789") : 0;

    return digits > 0 && digits < 19 && text[digits] == '\0' ? strtoll(text, NULL, 10) : -1;
}

/* ------------------------------------------------------------ a socket for us */

static int option_of(int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof value;

    return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

static mm_status refuse(mm_problem *problem, const char *text)
{
    *problem = (mm_problem){0};
    (void)snprintf(problem->text, sizeof problem->text, "%s", text);
    return MM_BAD_PARAM;
}

mm_status mm_manager_socket(int *fd, mm_problem *problem)
{
    const long long count = number_of("LISTEN_FDS");
    int domain, flags;

    *fd = -1;
    /* What was meant for another process may have come down to us through the environment. */
    if (number_of("LISTEN_PID") != (long long)getpid() || count <= 0)
        return MM_OK;
    if (count > 1)
        return refuse(problem, "more than one socket was handed over; one is served");
    domain = option_of(FIRST_FD, SO_DOMAIN);
    flags = fcntl(FIRST_FD, F_GETFL);
    if (domain < 0)
        return refuse(problem, "what was handed over is not a socket");
    if ((domain != AF_INET && domain != AF_INET6) || option_of(FIRST_FD, SO_TYPE) != SOCK_STREAM)
        return refuse(problem, "the socket that was handed over is not one of TCP");
    if (option_of(FIRST_FD, SO_ACCEPTCONN) != 1)
        return refuse(problem, "the socket that was handed over does not listen");
    if (flags < 0 || fcntl(FIRST_FD, F_SETFL, flags | O_NONBLOCK) != 0)
        return refuse(problem, "the socket that was handed over cannot be used without waiting");
    *fd = FIRST_FD;
    return MM_OK;
}

/* ------------------------------------------------------------- notices of ours */

/* A path, or "@NAME" of the abstract name space.  -1: there is no such socket, and nobody to tell. */
static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t size = strlen(name);
    int fd;

    if ((name[0] != '/' && name[0] != '@') || size >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, name, size);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address,
                           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)) != 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

mm_status mm_manager_new(mm_manager **out)
{
    const char *name = getenv("NOTIFY_SOCKET");
    mm_manager *manager = calloc(1, sizeof *manager);

    if (manager == NULL)
        return MM_NO_MEMORY;
    manager->fd = name != NULL ? connect_to(name) : -1;
    *out = manager;
    return MM_OK;
}

static void tell(const mm_manager *manager, const char *lines)
{
    if (manager != NULL && manager->fd >= 0)
        (void)send(manager->fd, lines, strlen(lines), MSG_NOSIGNAL); /* a manager that does not listen misses it */
}

void mm_manager_ready(const mm_manager *manager, const char *address)
{
    char lines[128];

    (void)snprintf(lines, sizeof lines, "READY=1\nSTATUS=serving on %s", address);
    tell(manager, lines);
}

void mm_manager_reloading(const mm_manager *manager)
{
    struct timespec now;
    char lines[64];

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    tell(manager, lines);
}

void mm_manager_stopping(const mm_manager *manager, int64_t seconds)
{
    char lines[128];

    (void)snprintf(lines, sizeof lines, "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=%lld",
                   (long long)seconds * 1000000);
    tell(manager, lines);
}

static void ping(void *context)
{
    tell(context, "WATCHDOG=1");
}

mm_status mm_manager_watch(mm_manager *manager, mm_loop *loop)
{
    const long long limit = number_of("WATCHDOG_USEC"), pid = number_of("WATCHDOG_PID");
    const uint64_t half = limit > 0 ? (uint64_t)limit / 2000 : 0; /* ms */
    mm_status status;

    if (manager->fd < 0 || half == 0 || (pid >= 0 && pid != (long long)getpid()))
        return MM_OK;
    status = mm_timer_new(&manager->watchdog, loop, ping, manager);
    if (status == MM_OK)
        mm_timer_start(manager->watchdog, 0, half);
    return status;
}

void mm_manager_unwatch(mm_manager *manager)
{
    if (manager == NULL)
        return;
    mm_timer_free(manager->watchdog);
    manager->watchdog = NULL;
}

void mm_manager_free(mm_manager *manager)
{
    if (manager == NULL)
        return;
    if (manager->fd >= 0)
        (void)close(manager->fd);
    free(manager);
}
