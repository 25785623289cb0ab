/*
 * accounts.h - who asks: a bounded table of identities, what each holds of the memory budget, and its rates.
 *
 * An identity is the id of a token, or the client's address.  Not safe for threads: admission.c holds its lock.
 */
#ifndef MM_ACCOUNTS_H
#define MM_ACCOUNTS_H

#include "lib/maskmeter.h"
#include "server/lines.h"

#define MM_ACCOUNT_NAME 48

/* What an identity may send in a second; 0: no limit.  Two seconds' worth may come at once, and one upload of any size
 * whenever something is left of that: it is paid off afterwards. */
typedef struct mm_rates {
    double uploads, bytes;
} mm_rates;

typedef struct mm_account {
    char name[MM_ACCOUNT_NAME];      /* "": nobody's */
    size_t claims;                   /* requests that are open; while there are any it stays where it is */
    size_t large, small;             /* bytes that its large and its small requests hold */
    int64_t asked;                   /* ms: when it was last refused for want of room; 0: never */
    double uploads_paid, bytes_paid; /* seconds: when what it has sent is within its rates again */
    uint64_t turn;                   /* compute.c's own */
    mm_line to_store, to_work;       /* of the history's queue, of the loop's */
} mm_account;

#define MM_ASKING 5000 /* ms after a refusal in which an identity is expected to come again */

typedef struct mm_accounts mm_accounts;

mm_status mm_accounts_new(mm_accounts **out);
void mm_accounts_free(mm_accounts *accounts); /* NULL is fine */

/* Never fails: those for whom no place is left share one account. */
mm_account *mm_accounts_open(mm_accounts *accounts, const char *name, int64_t now);
void mm_accounts_close(mm_account *account);
/* How many hold memory for large requests, or wait for it. */
size_t mm_accounts_active(const mm_accounts *accounts, int64_t now);

/* Seconds until the next upload is within the rates; 0: it is. */
double mm_account_wait(const mm_account *account, const mm_rates *rates, int64_t now);
/* An upload of so many bytes has begun. */
void mm_account_count(mm_account *account, const mm_rates *rates, uint64_t bytes, int64_t now);

#endif
