/*
 * address.c - addresses of the `listen` setting.
 */
#include "server/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

__attribute__((format(printf, 2, 3))) static int fail(mm_problem *problem, const char *format, ...)
{
    va_list arguments;

    *problem = (mm_problem){0};
    va_start(arguments, format);
    (void)vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
    return -1;
}

/* HOST:PORT or [V6]:PORT; 0 when it is neither. */
static int split(const char *address, char host[256], char port[8])
{
    const char *colon = strrchr(address, ':');
    size_t size;

    if (colon == NULL || colon == address)
        return 0;
    size = (size_t)(colon - address);
    if (address[0] == '[') {
        if (size < 3 || address[size - 1] != ']')
            return 0;
        address++;
        size -= 2;
    } else if (memchr(address, ':', size) != NULL) {
        return 0;
    }
    if (size >= 256 || strlen(colon + 1) > 5 || colon[1] == '\0' ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || atoi(colon + 1) > 65535)
        return 0;
    memcpy(host, address, size);
    host[size] = '\0';
    (void)snprintf(port, 8, "%s", colon + 1);
    return 1;
}

static int resolve(const char *address, int flags, struct addrinfo **list, mm_problem *problem)
{
    const struct addrinfo hints = {.ai_flags = flags | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    char host[256], port[8];
    int result;

    if (!split(address, host, port))
        return fail(problem, "%s is not an address like 127.0.0.1:8080 or [::1]:8080", address);
    result = getaddrinfo(host, port, &hints, list);
    return result == 0 ? 0 : fail(problem, "%s: %s", address, gai_strerror(result));
}

int mm_address_listen(const char *address, mm_problem *problem)
{
    struct addrinfo *list = NULL;
    const int on = 1;
    int fd = -1;

    if (resolve(address, AI_PASSIVE, &list, problem) != 0)
        return -1;
    fd = socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, list->ai_addr, list->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
        (void)fail(problem, "cannot listen on %s: %s", address, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    return fd;
}

static int is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;

        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;

        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    }
    return 0;
}

int mm_address_valid(const char *address)
{
    char host[256], port[8];

    return split(address, host, port);
}

int mm_address_is_local(const char *address)
{
    struct addrinfo *list = NULL;
    mm_problem ignored;
    int local = 1;

    if (resolve(address, AI_PASSIVE, &list, &ignored) != 0)
        return 0;
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
        local = local && is_loopback(a->ai_addr);
    freeaddrinfo(list);
    return local;
}

/* 0.0.0.0 and :: mean "every address" when listening; the loopback one is among them. */
static void use_loopback(struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)address;

        if (v4->sin_addr.s_addr == htonl(INADDR_ANY))
            v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)address;

        if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
            v6->sin6_addr = in6addr_loopback;
    }
}

int mm_address_connect(const char *address, int seconds, mm_problem *problem)
{
    const struct timeval patience = {.tv_sec = seconds};
    struct addrinfo *list = NULL;
    int fd;

    if (resolve(address, 0, &list, problem) != 0)
        return -1;
    use_loopback(list->ai_addr);
    fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 ||
        connect(fd, list->ai_addr, list->ai_addrlen) != 0) {
        (void)fail(problem, "cannot connect to %s: %s", address, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    return fd;
}

void mm_address_text(int fd, char text[64])
{
    struct sockaddr_storage storage = {0};
    socklen_t size = sizeof storage;
    char host[48] = "", port[8] = "";

    (void)getsockname(fd, (struct sockaddr *)&storage, &size);
    (void)getnameinfo((struct sockaddr *)&storage, size, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    (void)snprintf(text, 64, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}
