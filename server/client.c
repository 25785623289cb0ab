/*
 * client.c - sockets, one request, one answer.
 */
#include "server/client.h"
#include "lib/maskmeter.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXPECT_ABOVE ((uint64_t)1 << 20) /* larger bodies ask first whether they are welcome */
#define CONTINUE_MS  2000                /* then they are sent anyway */
#define QUIET_MS     600000              /* no byte for that long: the server is gone */
#define BLOCK        ((size_t)256 << 10)
#define MOST_ANSWER  ((size_t)1 << 30)

/* --------------------------------------------------------------- addresses */

static int say(char *text, size_t size, const char *what, const char *why)
{
    snprintf(text, size, "%s%s%s", what, why[0] != '\0' ? ": " : "", why);
    return 0;
}

int mm_url_parse(mm_url *url, const char *text_url, char *text, size_t text_size)
{
    const char *at = text_url, *end;
    size_t length;

    *url = (mm_url){.port = "80"};
    if (strncasecmp(at, "https://", 8) == 0)
        return say(text, text_size, text_url, "https is not in this version");
    if (strncasecmp(at, "http://", 7) != 0)
        return say(text, text_size, text_url, "must begin with http://");
    at += 7;
    end = at + strcspn(at, "/?#");
    if (*end == '?' || *end == '#')
        return say(text, text_size, text_url, "must be http://HOST[:PORT][/PREFIX]");
    if (*at == '[') { /* an IPv6 address */
        at++;
        length = strcspn(at, "]");
    } else {
        length = strcspn(at, ":/");
    }
    if (length == 0 || length >= sizeof url->host || at + length > end || (at[-1] == '[' && at[length] != ']'))
        return say(text, text_size, text_url, "has no host");
    memcpy(url->host, at, length);
    at += length + (at[length] == ']');
    if (*at == ':') {
        const size_t digits = strspn(at + 1, "0123456789");

        if (digits == 0 || digits >= sizeof url->port || at + 1 + digits != end)
            return say(text, text_size, text_url, "has a bad port");
        memcpy(url->port, at + 1, digits + 1);
        url->port[digits] = '\0';
        at = end;
    }
    if (at != end || strlen(end) >= sizeof url->prefix || strpbrk(end, "?# ") != NULL)
        return say(text, text_size, text_url, "must be http://HOST[:PORT][/PREFIX]");
    snprintf(url->prefix, sizeof url->prefix, "%s", end);
    length = strlen(url->prefix);
    while (length > 0 && url->prefix[length - 1] == '/')
        url->prefix[--length] = '\0';
    return 1;
}

/* Without the blanks around it. */
static int set_token(mm_url *url, const char *token, const char *where, char *text, size_t text_size)
{
    mm_token ignored;
    size_t size;

    token += strspn(token, " \t\r\n");
    size = strcspn(token, " \t\r\n");
    if (mm_token_read(&ignored, token, size) != MM_OK)
        return say(text, text_size, where, "does not hold a token, or a mistyped one");
    memcpy(url->token, token, size);
    url->token[size] = '\0';
    return 1;
}

int mm_url_token(mm_url *url, const char *path, char *text, size_t text_size)
{
    const char *named = getenv("MASKMETER_TOKEN");
    char line[256] = "";
    FILE *file;

    if (path == NULL)
        return named == NULL || named[0] == '\0' || set_token(url, named, "MASKMETER_TOKEN", text, text_size);
    file = fopen(path, "re");
    if (file == NULL)
        return say(text, text_size, path, strerror(errno));
    if (fgets(line, sizeof line, file) == NULL)
        line[0] = '\0';
    (void)fclose(file);
    return set_token(url, line, path, text, text_size);
}

static char *put_escaped(char *at, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";

    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;
        const int plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

        if (plain || strchr("-._~,()[]:*=", c) != NULL) {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = hex[c >> 4];
            *at++ = hex[c & 15];
        }
    }
    return at;
}

char *mm_client_target(const mm_url *url, const char *path, const mm_query *query)
{
    size_t size = strlen(url->prefix) + strlen(path) + 1;
    char *target, *at;

    for (size_t i = 0; i < query->count; i++)
        size += 3 * (strlen(query->pairs[i].name) + strlen(query->pairs[i].value)) + 2;
    target = malloc(size);
    if (target == NULL)
        return NULL;
    at = target + sprintf(target, "%s%s", url->prefix, path);
    for (size_t i = 0; i < query->count; i++) {
        *at++ = i == 0 ? '?' : '&';
        at = put_escaped(at, query->pairs[i].name);
        *at++ = '=';
        at = put_escaped(at, query->pairs[i].value);
    }
    *at = '\0';
    return target;
}

static int connect_to(const mm_url *url, char *text, size_t text_size)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    const int failed = getaddrinfo(url->host, url->port, &hints, &list), yes = 1;
    int connection = -1;

    if (failed != 0) {
        say(text, text_size, url->host, gai_strerror(failed));
        return -1;
    }
    for (const struct addrinfo *at = list; at != NULL && connection < 0; at = at->ai_next) {
        connection = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (connection >= 0 && connect(connection, at->ai_addr, at->ai_addrlen) != 0) {
            close(connection);
            connection = -1;
        }
    }
    if (connection < 0)
        snprintf(text, text_size, "%s:%s: %s", url->host, url->port, strerror(errno));
    else
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    freeaddrinfo(list);
    return connection;
}

/* ----------------------------------------------------------------- sending */

static int send_all(int connection, const char *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t sent = send(connection, bytes, size, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return 0;
        bytes += sent;
        size -= (size_t)sent;
    }
    return 1;
}

static int readable(int connection, int milliseconds)
{
    struct pollfd wait = {.fd = connection, .events = POLLIN};

    return poll(&wait, 1, milliseconds) > 0;
}

static int send_head(int connection, const mm_url *url, const char *target, const mm_upload_file *upload)
{
    const int v6 = strchr(url->host, ':') != NULL;
    const size_t room = strlen(target) + strlen(url->host) + 512;
    char *head = malloc(room);
    int size, fine;

    if (head == NULL)
        return 0;
    size = snprintf(head, room,
                    "%s %s HTTP/1.1\r\nHost: %s%s%s:%s\r\nUser-Agent: maskmeter/" MM_VERSION
                    "\r\nAccept: application/json\r\nConnection: close\r\n%s%s%s",
                    upload != NULL ? "POST" : "GET", target, v6 ? "[" : "", url->host, v6 ? "]" : "", url->port,
                    url->token[0] != '\0' ? "Authorization: Bearer " : "", url->token,
                    url->token[0] != '\0' ? "\r\n" : "");
    if (upload != NULL)
        size += snprintf(head + size, room - (size_t)size,
                         "Content-Type: application/x-safetensors\r\nContent-Length: %llu\r\n%s%s%s%s",
                         (unsigned long long)upload->size, upload->coding != NULL ? "Content-Encoding: " : "",
                         upload->coding != NULL ? upload->coding : "", upload->coding != NULL ? "\r\n" : "",
                         upload->size > EXPECT_ABOVE ? "Expect: 100-continue\r\n" : "");
    size += snprintf(head + size, room - (size_t)size, "\r\n");
    fine = send_all(connection, head, (size_t)size);
    free(head);
    return fine;
}

/* Stops early, without a fault, when the server answers before it has everything.  0: the file cannot be read. */
static int send_file(int connection, const mm_upload_file *upload)
{
    char *block = malloc(BLOCK);
    uint64_t left = upload->size;
    int fine = block != NULL;

    while (fine && left > 0 && !readable(connection, 0)) {
        const ssize_t got = read(upload->file, block, left < BLOCK ? (size_t)left : BLOCK);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            fine = 0; /* shorter than it was */
        } else if (!send_all(connection, block, (size_t)got)) {
            break; /* the answer may tell why */
        } else {
            left -= (uint64_t)got;
        }
    }
    free(block);
    return fine;
}

/* --------------------------------------------------------------- receiving */

typedef struct inbox {
    int connection;
    char *bytes; /* NUL-terminated */
    size_t size, room;
} inbox;

/* 1: some bytes came; 0: the end; -1: an error. */
static int receive(inbox *in)
{
    ssize_t got;

    if (in->size + 1 >= in->room) {
        const size_t room = in->room == 0 ? 16384 : 2 * in->room;
        char *larger = room <= MOST_ANSWER ? realloc(in->bytes, room) : NULL;

        if (larger == NULL) {
            errno = ENOMEM;
            return -1;
        }
        in->bytes = larger;
        in->room = room;
    }
    if (!readable(in->connection, QUIET_MS)) {
        errno = ETIMEDOUT;
        return -1;
    }
    do
        got = recv(in->connection, in->bytes + in->size, in->room - in->size - 1, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -1;
    in->size += (size_t)got;
    in->bytes[in->size] = '\0';
    return got > 0;
}

/* The head of an answer, its blank line included; 0: none came. */
static size_t receive_head(inbox *in)
{
    for (;;) {
        const char *end = in->size > 0 ? strstr(in->bytes, "\r\n\r\n") : NULL;

        if (end != NULL)
            return (size_t)(end - in->bytes) + 4;
        if (receive(in) <= 0)
            return 0;
    }
}

/* The value of a header, or NULL; the head ends with a blank line. */
static const char *header(const char *head, const char *name)
{
    const size_t length = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line != NULL && line[2] != '\r'; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':')
            return line + 3 + length + strspn(line + 3 + length, " \t");
    return NULL;
}

static int status_of(const char *head)
{
    return strncmp(head, "HTTP/1.", 7) == 0 && strlen(head) > 12 ? atoi(head + 9) : 0;
}

static void drop(inbox *in, size_t size)
{
    memmove(in->bytes, in->bytes + size, in->size - size + 1);
    in->size -= size;
}

/* The final answer; interim ones (100) are passed over. */
static int receive_answer(inbox *in, mm_response *response)
{
    const char *value;
    size_t head, length = SIZE_MAX;
    int got = 1;

    do {
        head = receive_head(in);
        response->status = head > 0 ? status_of(in->bytes) : 0;
        if (response->status >= 100 && response->status < 200)
            drop(in, head);
    } while (response->status >= 100 && response->status < 200);
    if (response->status == 0)
        return 0;
    value = header(in->bytes, "Retry-After");
    response->retry_after = value != NULL && *value >= '0' && *value <= '9' ? atoi(value) : -1;
    value = header(in->bytes, "Content-Length");
    if (value != NULL)
        length = (size_t)strtoull(value, NULL, 10);
    drop(in, head);
    while (in->size < length && got > 0)
        got = receive(in);
    if (got < 0 || (length != SIZE_MAX && in->size < length))
        return 0;
    response->size = in->size < length ? in->size : length;
    in->bytes[response->size] = '\0';
    response->body = in->bytes;
    in->bytes = NULL;
    return 1;
}

int mm_client_memory(const unsigned char *bytes, size_t size)
{
    const int file = memfd_create("upload", MFD_CLOEXEC);
    size_t written = 0;

    while (file >= 0 && written < size) {
        const ssize_t put = write(file, bytes + written, size - written);

        if (put <= 0) {
            close(file);
            return -1;
        }
        written += (size_t)put;
    }
    if (file >= 0)
        (void)lseek(file, 0, SEEK_SET);
    return file;
}

int mm_client_send(mm_response *response, const mm_url *url, const char *target, const mm_upload_file *upload,
                   char *text, size_t text_size)
{
    inbox in = {.connection = connect_to(url, text, text_size)};
    int fine = 0;

    *response = (mm_response){.status = 0};
    if (in.connection < 0)
        return 0;
    errno = 0;
    if (!send_head(in.connection, url, target, upload)) {
        say(text, text_size, "the request could not be sent", errno != 0 ? strerror(errno) : "");
        goto done;
    }
    if (upload != NULL && upload->size > EXPECT_ABOVE && readable(in.connection, CONTINUE_MS)) {
        const size_t head = receive_head(&in);

        if (head == 0 || status_of(in.bytes) != 100)
            upload = NULL; /* an answer before the body: there is no need for it */
        else
            drop(&in, head);
    }
    if (upload != NULL && !send_file(in.connection, upload)) {
        say(text, text_size, "the file changed while it was sent", "");
        goto done;
    }
    errno = 0;
    fine = receive_answer(&in, response);
    if (!fine)
        say(text, text_size, "no answer", errno != 0 ? strerror(errno) : "the connection was closed");

done:
    free(in.bytes);
    close(in.connection);
    return fine;
}

void mm_response_free(mm_response *response)
{
    free(response->body);
    *response = (mm_response){.status = 0};
}
