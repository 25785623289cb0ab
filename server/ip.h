/*
 * ip.h - addresses and networks, and who the client behind trusted proxies is.
 */
#ifndef MM_IP_H
#define MM_IP_H

#include "lib/maskmeter.h"

/* IPv6; an IPv4 address is its mapped form, ::ffff:a.b.c.d. */
typedef struct mm_ip {
    unsigned char bytes[16];
} mm_ip;

#define MM_IP_TEXT 46 /* bytes of the longest text, with its end */

struct sockaddr;

/* An IPv4 or IPv6 address, without zone; 0 when it is none. */
int mm_ip_parse(const char *text, size_t size, mm_ip *ip);
/* 0: the socket is of another family. */
int mm_ip_of(const struct sockaddr *address, mm_ip *ip);
void mm_ip_text(const mm_ip *ip, char text[MM_IP_TEXT]);
int mm_ip_is_loopback(const mm_ip *ip);
/* What one client can be thought to own: an IPv4 address, or an IPv6 network of 64 bits. */
mm_ip mm_ip_place(const mm_ip *ip);

typedef struct mm_networks mm_networks;

/* "10.0.0.0/8, fd00::/8, 192.0.2.7": addresses and networks, comma separated; "" is the empty set.
 * MM_BAD_PARAM: `problem->text` names the first item that is wrong. */
mm_status mm_networks_new(mm_networks **out, const char *list, mm_problem *problem);
void mm_networks_free(mm_networks *networks); /* NULL is fine */
int mm_networks_hold(const mm_networks *networks, const mm_ip *ip);

/* One value of X-Forwarded-For, read from its right end, where the nearest proxy wrote.  *ip is the address that is
 * known so far, at first the peer's; it must be one of `trusted` for the value to mean anything.  1: go on with the
 * value before this one.  0: *ip is final: it is not trusted, or what it passed on is no address.
 * So a client can add to the left of what proxies write, and nothing there is ever looked at. */
int mm_ip_forwarded(mm_ip *ip, const char *value, size_t size, const mm_networks *trusted);

#endif
