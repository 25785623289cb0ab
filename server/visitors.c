/*
 * visitors.c - how many connections each address has.
 */
#include "server/visitors.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS 4096

typedef struct visitor {
    struct visitor *next;
    mm_ip place;
    size_t count;
} visitor;

struct mm_visitors {
    const mm_networks *trusted;
    size_t most, most_per_address, count;
    uint64_t seed; /* no client can choose addresses that meet in one bucket */
    visitor *buckets[BUCKETS];
};

mm_status mm_visitors_new(mm_visitors **out, size_t most, size_t most_per_address, const mm_networks *trusted)
{
    mm_visitors *visitors = calloc(1, sizeof *visitors);

    if (visitors == NULL)
        return MM_NO_MEMORY;
    visitors->trusted = trusted;
    visitors->most = most;
    visitors->most_per_address = most_per_address;
    (void)!getrandom(&visitors->seed, sizeof visitors->seed, 0); /* without it: a hash that could be guessed */
    *out = visitors;
    return MM_OK;
}

void mm_visitors_free(mm_visitors *visitors)
{
    if (visitors == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (visitors->buckets[i] != NULL) {
            visitor *next = visitors->buckets[i]->next;

            free(visitors->buckets[i]);
            visitors->buckets[i] = next;
        }
    free(visitors);
}

/* The multiply and shift of splitmix64. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Where the visitor hangs, or would. */
static visitor **find(mm_visitors *visitors, const mm_ip *place)
{
    uint64_t half[2];
    visitor **at;

    memcpy(half, place->bytes, sizeof half);
    at = &visitors->buckets[mix(mix(half[0] ^ visitors->seed) ^ half[1]) % BUCKETS];
    while (*at != NULL && memcmp(&(*at)->place, place, sizeof *place) != 0)
        at = &(*at)->next;
    return at;
}

mm_welcome mm_visitors_ask(mm_visitors *visitors, const mm_ip *ip)
{
    const mm_ip place = mm_ip_place(ip);
    const visitor *known;

    if (visitors->count >= visitors->most)
        return MM_FULL;
    if (mm_ip_is_loopback(ip) || mm_networks_hold(visitors->trusted, ip))
        return MM_WELCOME;
    known = *find(visitors, &place);
    return known != NULL && known->count >= visitors->most_per_address ? MM_FULL_FOR_ADDRESS : MM_WELCOME;
}

mm_status mm_visitors_enter(mm_visitors *visitors, const mm_ip *ip)
{
    const mm_ip place = mm_ip_place(ip);
    visitor **at = find(visitors, &place);

    if (*at == NULL) {
        *at = calloc(1, sizeof **at);
        if (*at == NULL)
            return MM_NO_MEMORY;
        (*at)->place = place;
    }
    (*at)->count++;
    visitors->count++;
    return MM_OK;
}

void mm_visitors_leave(mm_visitors *visitors, const mm_ip *ip)
{
    const mm_ip place = mm_ip_place(ip);
    visitor **at = find(visitors, &place);
    visitor *known = *at;

    visitors->count--;
    if (--known->count > 0)
        return;
    *at = known->next;
    free(known);
}
