/*
 * ip.c - addresses and networks, and who the client behind trusted proxies is.
 */
#include "server/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define V4_BITS 96 /* in front of a mapped IPv4 address */

static const unsigned char v4_prefix[V4_BITS / 8] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

typedef struct network {
    mm_ip base;
    unsigned bits;
} network;

struct mm_networks {
    size_t count;
    network list[];
};

/* ----------------------------------------------------------------- addresses */

static mm_ip mapped(const void *v4)
{
    mm_ip ip;

    memcpy(ip.bytes, v4_prefix, sizeof v4_prefix);
    memcpy(ip.bytes + sizeof v4_prefix, v4, 4);
    return ip;
}

static int is_v4(const mm_ip *ip)
{
    return memcmp(ip->bytes, v4_prefix, sizeof v4_prefix) == 0;
}

int mm_ip_parse(const char *text, size_t size, mm_ip *ip)
{
    char copy[INET6_ADDRSTRLEN];
    struct in_addr v4;

    if (size >= sizeof copy || memchr(text, '\0', size) != NULL)
        return 0;
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (inet_pton(AF_INET6, copy, ip->bytes) == 1)
        return 1;
    if (inet_pton(AF_INET, copy, &v4) != 1)
        return 0;
    *ip = mapped(&v4);
    return 1;
}

int mm_ip_of(const struct sockaddr *address, mm_ip *ip)
{
    if (address->sa_family == AF_INET) {
        *ip = mapped(&((const struct sockaddr_in *)(const void *)address)->sin_addr);
        return 1;
    }
    if (address->sa_family != AF_INET6)
        return 0;
    memcpy(ip->bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, sizeof ip->bytes);
    return 1;
}

void mm_ip_text(const mm_ip *ip, char text[MM_IP_TEXT])
{
    if (is_v4(ip))
        (void)inet_ntop(AF_INET, ip->bytes + sizeof v4_prefix, text, MM_IP_TEXT);
    else
        (void)inet_ntop(AF_INET6, ip->bytes, text, MM_IP_TEXT);
}

int mm_ip_is_loopback(const mm_ip *ip)
{
    static const mm_ip one = {.bytes = {[15] = 1}};

    return is_v4(ip) ? ip->bytes[12] == 127 : memcmp(ip, &one, sizeof one) == 0;
}

mm_ip mm_ip_place(const mm_ip *ip)
{
    mm_ip place = *ip;

    if (!is_v4(ip))
        memset(place.bytes + 8, 0, 8);
    return place;
}

/* ------------------------------------------------------------------ networks */

static int bit(const mm_ip *ip, unsigned i)
{
    return ip->bytes[i / 8] >> (7 - i % 8) & 1;
}

static mm_status refuse(mm_problem *problem, const char *item, size_t size, const char *why)
{
    *problem = (mm_problem){0};
    (void)snprintf(problem->text, sizeof problem->text, "trusted-proxies: %.*s %s", (int)(size < 64 ? size : 64), item,
                   why);
    return MM_BAD_PARAM;
}

/* "/24" is there: 0..32 or 0..128; without one the address alone. */
static int read_bits(const char *text, size_t size, unsigned most, unsigned *bits)
{
    unsigned value = 0;

    if (size == 0 || size > 3 || (text[0] == '0' && size > 1))
        return 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *bits = value;
    return value <= most;
}

static mm_status read_network(network *n, const char *item, size_t size, mm_problem *problem)
{
    const char *slash = memchr(item, '/', size);
    const size_t address_size = slash != NULL ? (size_t)(slash - item) : size;
    const int spelled_v6 = memchr(item, ':', address_size) != NULL;
    unsigned bits = spelled_v6 ? 128 : 32;

    if (!mm_ip_parse(item, address_size, &n->base))
        return refuse(problem, item, size, "is not an address or network like 192.0.2.7, 10.0.0.0/8 or fd00::/8");
    if (slash != NULL && !read_bits(slash + 1, size - address_size - 1, bits, &bits))
        return refuse(problem, item, size, "has a prefix length that is none");
    n->bits = spelled_v6 ? bits : bits + V4_BITS;
    for (unsigned i = n->bits; i < 128; i++)
        if (bit(&n->base, i))
            return refuse(problem, item, size, "has bits of a host behind its prefix");
    return MM_OK;
}

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

/* The next item of the list, without the blanks around it. */
static const char *next_item(const char **rest, size_t *size)
{
    const char *item = skip_blanks(*rest);
    const size_t length = strcspn(item, ",");

    *size = length;
    while (*size > 0 && (item[*size - 1] == ' ' || item[*size - 1] == '\t'))
        --*size;
    *rest = item[length] == ',' ? item + length + 1 : NULL;
    return item;
}

mm_status mm_networks_new(mm_networks **out, const char *list, mm_problem *problem)
{
    size_t most = 1;
    mm_networks *networks;

    for (const char *comma = strchr(list, ','); comma != NULL; comma = strchr(comma + 1, ','))
        most++;
    networks = calloc(1, sizeof *networks + most * sizeof networks->list[0]);
    if (networks == NULL) {
        (void)refuse(problem, "", 0, "out of memory");
        return MM_NO_MEMORY;
    }
    for (const char *rest = *skip_blanks(list) != '\0' ? list : NULL; rest != NULL;) {
        size_t size;
        const char *item = next_item(&rest, &size);

        if (read_network(&networks->list[networks->count++], item, size, problem) != MM_OK) {
            free(networks);
            return MM_BAD_PARAM;
        }
    }
    *out = networks;
    return MM_OK;
}

void mm_networks_free(mm_networks *networks)
{
    free(networks);
}

/* ::/0 is every IPv6 address and no IPv4 one. */
static int holds(const network *n, const mm_ip *ip)
{
    const unsigned whole = n->bits / 8;

    if (is_v4(ip) && n->bits < V4_BITS)
        return 0;
    if (memcmp(n->base.bytes, ip->bytes, whole) != 0)
        return 0;
    for (unsigned i = whole * 8; i < n->bits; i++)
        if (bit(&n->base, i) != bit(ip, i))
            return 0;
    return 1;
}

int mm_networks_hold(const mm_networks *networks, const mm_ip *ip)
{
    for (size_t i = 0; i < networks->count; i++)
        if (holds(&networks->list[i], ip))
            return 1;
    return 0;
}

/* ------------------------------------------------------------ X-Forwarded-For */

static int is_port(const char *text, size_t size)
{
    unsigned value = 0;

    if (size == 0 || size > 5)
        return 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    return value <= 65535;
}

/* ADDRESS, V4:PORT, [V6] or [V6]:PORT. */
static int read_hop(const char *text, size_t size, mm_ip *ip)
{
    const char *end;

    if (size > 0 && text[0] == '[') {
        end = memchr(text, ']', size);
        if (end == NULL || memchr(text, ':', (size_t)(end - text)) == NULL ||
            !mm_ip_parse(text + 1, (size_t)(end - text) - 1, ip))
            return 0;
        size -= (size_t)(end - text) + 1;
        return size == 0 || (end[1] == ':' && is_port(end + 2, size - 1));
    }
    end = memchr(text, ':', size);
    if (end != NULL && memchr(end + 1, ':', size - (size_t)(end - text) - 1) == NULL)
        return is_port(end + 1, size - (size_t)(end - text) - 1) && mm_ip_parse(text, (size_t)(end - text), ip);
    return mm_ip_parse(text, size, ip);
}

int mm_ip_forwarded(mm_ip *ip, const char *value, size_t size, const mm_networks *trusted)
{
    while (mm_networks_hold(trusted, ip)) {
        size_t begin = size, end = size;
        mm_ip before;

        while (begin > 0 && value[begin - 1] != ',')
            begin--;
        while (end > begin && (value[end - 1] == ' ' || value[end - 1] == '\t'))
            end--;
        size = begin > 0 ? begin - 1 : 0;
        while (begin < end && (value[begin] == ' ' || value[begin] == '\t'))
            begin++;
        if (!read_hop(value + begin, end - begin, &before))
            return 0;
        *ip = before;
        if (size == 0)
            return 1;
    }
    return 0;
}
