/*
 * failures.c - bad tokens by address, in sets of a few places.
 */
#include "server/failures.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SETS 1024
#define WAYS 4

typedef struct place {
    uint64_t address; /* 0: free */
    int64_t since;    /* when its window began */
    int count;
} place;

struct mm_failures {
    uint64_t seed; /* so that nobody chooses whose places to take */
    place places[SETS][WAYS];
};

mm_status mm_failures_new(mm_failures **out)
{
    mm_failures *failures = calloc(1, sizeof *failures);

    if (failures == NULL)
        return MM_NO_MEMORY;
    if (getrandom(&failures->seed, sizeof failures->seed, 0) != (ssize_t)sizeof failures->seed) {
        free(failures);
        return MM_NO_MEMORY;
    }
    *out = failures;
    return MM_OK;
}

void mm_failures_free(mm_failures *failures)
{
    free(failures);
}

uint64_t mm_address_key(const char *address)
{
    unsigned char bytes[16];
    uint64_t key = 0;

    if (inet_pton(AF_INET, address, bytes) == 1) {
        for (int i = 0; i < 4; i++)
            key = key << 8 | bytes[i];
        return key | UINT64_C(1) << 32; /* of the IPv6 networks none is ::1:0:0:0:0 */
    }
    if (inet_pton(AF_INET6, address, bytes) == 1)
        for (int i = 0; i < 8; i++)
            key = key << 8 | bytes[i];
    return key != 0 ? key : UINT64_MAX;
}

static size_t set_of(const mm_failures *failures, uint64_t address)
{
    return (size_t)(((address ^ failures->seed) * UINT64_C(0x9E3779B97F4A7C15)) >> 54) % SETS;
}

static int is_over(const place *p, int64_t now)
{
    return now - p->since >= MM_FAILURES_WINDOW;
}

int mm_failures_wait(const mm_failures *failures, uint64_t address, int64_t now)
{
    const place *set = failures->places[set_of(failures, address)];

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].address == address && set[i].count >= MM_FAILURES_MAX && !is_over(&set[i], now))
            return (int)((set[i].since + MM_FAILURES_WINDOW - now + 999) / 1000);
    return 0;
}

/* The address's place, else a free one, else the one whose window began first. */
static place *find(place *set, uint64_t address)
{
    place *found = &set[0];

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].address == address)
            return &set[i];
        if (found->address != 0 && (set[i].address == 0 || set[i].since < found->since))
            found = &set[i];
    }
    return found;
}

void mm_failures_note(mm_failures *failures, uint64_t address, int64_t now)
{
    place *p = find(failures->places[set_of(failures, address)], address);

    if (p->address != address || is_over(p, now))
        *p = (place){.address = address, .since = now};
    p->count++;
}
