/*
 * accounts.c - a bounded table of identities, and their rates.
 */
#include "server/accounts.h"

#include <stdlib.h>
#include <string.h>

#define SETS  64 /* a name has its place in one set */
#define WAYS  8
#define BURST 2.0 /* seconds */

struct mm_accounts {
    mm_account rows[SETS][WAYS];
    mm_account shared;
};

mm_status mm_accounts_new(mm_accounts **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? MM_OK : MM_NO_MEMORY;
}

void mm_accounts_free(mm_accounts *accounts)
{
    free(accounts);
}

/* ------------------------------------------------------------------- table */

/* FNV-1a. */
static size_t set_of(const char *name)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001B3);
    return (size_t)(hash >> 32) % SETS;
}

static int is_asking(const mm_account *account, int64_t now)
{
    return account->asked != 0 && now - account->asked < MM_ASKING;
}

static double seconds(int64_t ms)
{
    return 1e-3 * (double)ms;
}

/* May another get its place?  Not while its requests are open, or it is expected, or it owes something. */
static int is_forgettable(const mm_account *account, int64_t now)
{
    return account->claims == 0 && !is_asking(account, now) && account->uploads_paid <= seconds(now) &&
           account->bytes_paid <= seconds(now);
}

mm_account *mm_accounts_open(mm_accounts *accounts, const char *name, int64_t now)
{
    mm_account *set = accounts->rows[set_of(name)], *found = NULL;

    for (size_t i = 0; i < WAYS && found == NULL; i++)
        if (strncmp(set[i].name, name, MM_ACCOUNT_NAME - 1) == 0)
            found = &set[i];
    for (size_t i = 0; i < WAYS && found == NULL; i++)
        if (set[i].name[0] == '\0' || is_forgettable(&set[i], now)) {
            found = &set[i];
            *found = (mm_account){.claims = 0};
            strncpy(found->name, name, MM_ACCOUNT_NAME - 1);
        }
    if (found == NULL)
        found = &accounts->shared;
    found->claims++;
    return found;
}

void mm_accounts_close(mm_account *account)
{
    account->claims--;
}

static int is_active(const mm_account *account, int64_t now)
{
    return account->large > 0 || is_asking(account, now);
}

size_t mm_accounts_active(const mm_accounts *accounts, int64_t now)
{
    size_t count = (size_t)is_active(&accounts->shared, now);

    for (size_t s = 0; s < SETS; s++)
        for (size_t i = 0; i < WAYS; i++)
            count += (size_t)is_active(&accounts->rows[s][i], now);
    return count;
}

/* ------------------------------------------------------------------- rates */

/* Seconds until less than a burst is unpaid. */
static double wait(double paid, double rate, double now)
{
    return rate > 0.0 && paid - now >= BURST ? paid - now - BURST + 1e-3 : 0.0;
}

static void owe(double *paid, double rate, double amount, double now)
{
    if (rate > 0.0)
        *paid = (*paid > now ? *paid : now) + amount / rate;
}

double mm_account_wait(const mm_account *account, const mm_rates *rates, int64_t now)
{
    const double uploads = wait(account->uploads_paid, rates->uploads, seconds(now));
    const double bytes = wait(account->bytes_paid, rates->bytes, seconds(now));

    return uploads > bytes ? uploads : bytes;
}

void mm_account_count(mm_account *account, const mm_rates *rates, uint64_t bytes, int64_t now)
{
    owe(&account->uploads_paid, rates->uploads, 1.0, seconds(now));
    owe(&account->bytes_paid, rates->bytes, (double)bytes, seconds(now));
}
