/*
 * sink_mhd.c - what a request costs at least: libmicrohttpd alone, discarding the body of a POST.
 *
 * One thread of its own with epoll, as fast as the library goes; the answer is constant.  Prints its port and ends with
 * its standard input.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *piece, size_t *size, void **state)
{
    static int seen;

    (void)url;
    (void)method;
    (void)version;
    (void)piece;
    if (*state == NULL) { /* the headers */
        *state = &seen;
        return MHD_YES;
    }
    if (*size > 0) {
        *size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, context);
}

int main(void)
{
    static char text[] = "{}\n";
    struct MHD_Response *response = MHD_create_response_from_buffer(sizeof text - 1, text, MHD_RESPMEM_PERSISTENT);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, response,
                                                 MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_END);
    const union MHD_DaemonInfo *info = daemon != NULL ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;

    if (response == NULL || info == NULL) {
        fputs("sink_mhd: cannot start\n", stderr);
        return 1;
    }
    printf("%u\n", (unsigned)info->port);
    fflush(stdout);
    (void)getchar();
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    return 0;
}
