/*
 * visitors.h - how many connections each address has, and whether it may have one more.
 *
 * An IPv6 client is its network of 64 bits.  Loopback and trusted proxies are let in until every connection is taken:
 * who is behind them is not known yet.
 */
#ifndef MM_VISITORS_H
#define MM_VISITORS_H

#include "server/ip.h"

typedef struct mm_visitors mm_visitors;

/* `trusted` must stay. */
mm_status mm_visitors_new(mm_visitors **out, size_t most, size_t most_per_address, const mm_networks *trusted);
void mm_visitors_free(mm_visitors *visitors); /* NULL is fine */

typedef enum mm_welcome { MM_WELCOME, MM_FULL, MM_FULL_FOR_ADDRESS } mm_welcome;

mm_welcome mm_visitors_ask(mm_visitors *visitors, const mm_ip *ip);
/* A connection has begun.  MM_NO_MEMORY: nothing was counted. */
mm_status mm_visitors_enter(mm_visitors *visitors, const mm_ip *ip);
void mm_visitors_leave(mm_visitors *visitors, const mm_ip *ip); /* one that had entered */

#endif
