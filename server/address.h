/*
 * address.h - addresses of the `listen` setting: 127.0.0.1:8080, [::1]:8080, localhost:0.
 */
#ifndef MM_ADDRESS_H
#define MM_ADDRESS_H

#include "lib/maskmeter.h"

/* 1 for HOST:PORT or [V6]:PORT, whatever the host means. */
int mm_address_valid(const char *address);
/* A descriptor that listens, non-blocking; -1: `problem->text` says why. */
int mm_address_listen(const char *address, mm_problem *problem);
/* A connected descriptor that gives up after `seconds` of silence; a wildcard address means this machine's loopback. */
int mm_address_connect(const char *address, int seconds, mm_problem *problem);
/* 1 when everything that the address means is on the loopback interface, 0 when not (or not an address). */
int mm_address_is_local(const char *address);
/* What fd is bound to, as "127.0.0.1:8080" or "[::1]:8080". */
void mm_address_text(int fd, char text[64]);

#endif
