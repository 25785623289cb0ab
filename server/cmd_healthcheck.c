/*
 * cmd_healthcheck.c - asks the server at the configured address for /healthz: for container images without a shell.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/address.h"
#include "server/cmd.h"
#include "server/config.h"
#include "server/tls.h"

#define SECONDS 3

extern char **environ;

static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/* The beginning of the answer; -1: none came. */
static int ask_plainly(int fd, char *answer, size_t wanted)
{
    size_t filled = 0;
    ssize_t size;

    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1)
        return -1;
    while (filled < wanted) {
        size = recv(fd, answer + filled, wanted - filled, 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return -1;
        filled += (size_t)size;
    }
    return (int)filled;
}

/* 1 when the answer begins with status 200. */
static int ask(int fd, int tls)
{
    static const char good[] = "HTTP/1.1 200 ";
    char answer[sizeof good] = "";
    const int size = tls ? mm_tls_ask(fd, request, answer, sizeof good - 1) : ask_plainly(fd, answer, sizeof good - 1);

    return size > 0 && memcmp(answer, good, sizeof good - 1) == 0;
}

int mm_cmd_healthcheck(int argc, char **argv)
{
    mm_config *config = NULL;
    mm_problem problem;
    char text[512];
    int fd, healthy, tls;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void)puts(
            "maskmeter healthcheck [--listen ADDRESS] [--config FILE]\n"
            "Exit 0 when the server at that address answers /healthz, else 1.  With tls-cert set it asks over TLS; "
            "it sends no secret\nand does not check the certificate, which may have just been replaced.");
        return MM_EXIT_FINE;
    }
    if (mm_config_read(&config, argc, argv, environ, text, sizeof text) != MM_OK) {
        (void)fprintf(stderr, "maskmeter healthcheck: %s\n", text);
        return MM_EXIT_USAGE;
    }
    fd = mm_address_connect(config->listen, SECONDS, &problem);
    tls = config->tls_cert[0] != '\0';
    mm_config_free(config);
    if (fd < 0) {
        (void)fprintf(stderr, "maskmeter healthcheck: %s\n", problem.text);
        return MM_EXIT_FAILED;
    }
    healthy = ask(fd, tls);
    (void)close(fd);
    if (!healthy)
        (void)fputs("maskmeter healthcheck: no healthy answer\n", stderr);
    return healthy ? MM_EXIT_FINE : MM_EXIT_FAILED;
}
