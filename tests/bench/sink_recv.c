/*
 * sink_recv.c - what an upload costs at least: a plain recv() of its bytes into memory that is warm.
 *
 * usage: sink_recv BYTES
 *
 * Prints its port, then takes one connection at a time: reads the head of a POST, receives the body with recv() calls
 * as large as what is left into a buffer that was touched before, and answers 200.  Ends with its standard input.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_ROOM 8192

/* One request.  0: the client has left, or sent what this is not for. */
static int take(int connection, char *buffer, size_t room)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    char head[HEAD_ROOM + 1];
    const char *end = NULL, *length;
    size_t filled = 0, size;
    ssize_t got;

    while (end == NULL) {
        got = recv(connection, head + filled, HEAD_ROOM - filled, 0);
        if (got <= 0)
            return 0;
        filled += (size_t)got;
        head[filled] = '\0';
        end = strstr(head, "\r\n\r\n");
    }
    length = strstr(head, "Content-Length: ");
    size = length != NULL && length < end ? strtoul(length + 16, NULL, 10) : 0;
    filled -= (size_t)(end + 4 - head);
    if (size > room || filled > size)
        return 0;
    memcpy(buffer, end + 4, filled);
    while (filled < size) {
        got = recv(connection, buffer + filled, size - filled, 0);
        if (got <= 0)
            return 0;
        filled += (size_t)got;
    }
    return send(connection, answer, sizeof answer - 1, MSG_NOSIGNAL) > 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const size_t room = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    struct pollfd wait[] = {{.fd = listener, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    char *buffer = room > 0 ? malloc(room) : NULL;

    if (buffer == NULL || listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 ||
        listen(listener, 8) != 0 || getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        fputs("usage: sink_recv BYTES\n", stderr);
        return 1;
    }
    memset(buffer, 1, room);
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    while (poll(wait, 2, -1) > 0 && wait[1].revents == 0) {
        const int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (connection < 0)
            continue;
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        while (take(connection, buffer, room))
            ;
        close(connection);
    }
    free(buffer);
    close(listener);
    return 0;
}
