/*
 * admission.c - the memory budget, who gets how much of it, and the pool of body buffers.
 */
#include "server/admission.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "server/accounts.h"

#define PAGE          ((size_t)4096)
#define SPACE         ((size_t)2 << 20) /* address space is taken in multiples of it */
#define PROMISE_MS    10000             /* room is kept free for so long, */
#define PROMISE_QUIET 4000              /* unless whom it is for stays away for so long */
#define PROMISE_PAUSE 10000             /* after one that was not used */

/* Room that is kept free for a request that did not fit, until it comes again. */
typedef struct promise {
    const mm_account *account; /* NULL: there is none */
    size_t bytes;
    int64_t given; /* ms */
} promise;

struct mm_admission {
    size_t budget;
    pthread_mutex_t lock; /* of all below */
    size_t used;          /* bytes admitted: room of buffers out, reservations */
    size_t idle;          /* bytes touched by idle buffers */
    size_t kept;          /* bytes that the server could do without; used + idle + kept <= budget */
    size_t (*let_go)(void *context, size_t bytes);
    void *keeper;
    mm_buffer *buffers; /* idle ones */
    mm_accounts *accounts;
    promise promise;
    mm_rates rates;
    mm_admission_counts counts;
};

mm_status mm_admission_new(mm_admission **out, size_t budget)
{
    mm_admission *admission = calloc(1, sizeof *admission);

    if (admission == NULL || mm_accounts_new(&admission->accounts) != MM_OK) {
        free(admission);
        return MM_NO_MEMORY;
    }
    admission->budget = budget;
    (void)pthread_mutex_init(&admission->lock, NULL);
    *out = admission;
    return MM_OK;
}

static void destroy(mm_buffer *buffer)
{
    if (buffer->mapped > 0)
        (void)munmap(buffer->data, buffer->mapped);
    else
        free(buffer->data);
    free(buffer);
}

void mm_admission_free(mm_admission *admission)
{
    if (admission == NULL)
        return;
    while (admission->buffers != NULL) {
        mm_buffer *next = admission->buffers->next;

        destroy(admission->buffers);
        admission->buffers = next;
    }
    pthread_mutex_destroy(&admission->lock);
    mm_accounts_free(admission->accounts);
    free(admission);
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static size_t round_up(size_t bytes, size_t unit)
{
    return bytes > SIZE_MAX - unit ? SIZE_MAX / unit * unit : (bytes + unit - 1) / unit * unit;
}

/* ------------------------------------------------------------------- rules */

typedef enum verdict { FITS, NO_ROOM, OVER_SHARE } verdict;

/* What large requests leave to small ones, and, together with that, bodies to scoring. */
static size_t small_part(const mm_admission *a)
{
    return a->budget / 32;
}

static size_t body_limit(const mm_admission *a)
{
    return round_up(a->budget - a->budget / 8, PAGE);
}

static size_t most(const mm_admission *a)
{
    return a->budget - small_part(a);
}

size_t mm_claim_most(const mm_claim *claim)
{
    const mm_admission *a = claim->admission;

    return claim->held == 0 ? body_limit(a) : most(a) > claim->held ? most(a) - claim->held : 0;
}

static int is_within(const mm_admission *a, size_t bytes, size_t limit)
{
    return a->used <= limit && bytes <= limit - a->used;
}

/* A request that stays small. */
static verdict judge_small(const mm_admission *a, const mm_claim *claim, size_t bytes)
{
    if (is_within(a, bytes, most(a)))
        return FITS;
    if (!is_within(a, bytes, a->budget))
        return NO_ROOM;
    return claim->account->small + bytes <= small_part(a) / 2 ? FITS : OVER_SHARE;
}

static int is_promised(const mm_admission *a, int64_t now)
{
    return a->promise.account != NULL && now - a->promise.given < PROMISE_MS &&
           now - a->promise.account->asked < PROMISE_QUIET;
}

/* What is kept free for somebody else. */
static size_t kept_free(const mm_admission *a, const mm_claim *claim, size_t bytes, int64_t now)
{
    return is_promised(a, now) && (claim->account != a->promise.account || bytes < a->promise.bytes) ? a->promise.bytes
                                                                                                     : 0;
}

static int is_over_share(const mm_admission *a, const mm_claim *claim, size_t bytes, int64_t now)
{
    const mm_account *own = claim->account;
    size_t active;

    if (own->large == 0 || is_within(a, bytes, a->budget / 2))
        return 0;
    active = mm_accounts_active(a->accounts, now); /* itself among them: it holds some */
    return active > 1 && (bytes > body_limit(a) / active || own->large > body_limit(a) / active - bytes);
}

/* For the one that needs most of those that come while it lasts. */
static void promise_room(mm_admission *a, mm_claim *claim, size_t bytes, int64_t now)
{
    promise *p = &a->promise;
    const int lasts = is_promised(a, now), may = p->account == NULL || now - p->given >= PROMISE_MS + PROMISE_PAUSE;

    claim->account->asked = now;
    if (bytes <= body_limit(a) && (lasts ? bytes > p->bytes : may))
        *p = (promise){claim->account, bytes, lasts ? p->given : now};
}

/* The first memory of a large request. */
static verdict judge_first(mm_admission *a, mm_claim *claim, size_t bytes, int64_t now)
{
    const int fits = is_within(a, bytes, body_limit(a));

    if (is_over_share(a, claim, bytes, now))
        return OVER_SHARE;
    if (fits && is_within(a, kept_free(a, claim, bytes, now), body_limit(a) - bytes)) {
        if (claim->account == a->promise.account && bytes >= a->promise.bytes)
            a->promise = (promise){.account = NULL};
        return FITS;
    }
    promise_room(a, claim, bytes, now);
    return NO_ROOM;
}

static verdict judge(mm_admission *a, mm_claim *claim, size_t bytes)
{
    if (claim == NULL)
        return is_within(a, bytes, a->budget) ? FITS : NO_ROOM;
    if (bytes <= MM_SMALL_REQUEST && claim->held + bytes <= MM_SMALL_REQUEST)
        return judge_small(a, claim, bytes);
    if (claim->held == 0)
        return judge_first(a, claim, bytes, now_ms());
    return is_within(a, bytes, most(a)) ? FITS : NO_ROOM;
}

static void move_claim(mm_claim *claim, size_t held)
{
    mm_account *account = claim->account;
    size_t *before = claim->held <= MM_SMALL_REQUEST ? &account->small : &account->large;
    size_t *after = held <= MM_SMALL_REQUEST ? &account->small : &account->large;

    *before -= claim->held;
    *after += held;
    claim->held = held;
}

/* The rules have been asked, or do not apply. */
static void hold(mm_admission *a, mm_claim *claim, size_t bytes)
{
    a->used += bytes;
    if (claim != NULL)
        move_claim(claim, claim->held + bytes);
}

static void release(mm_admission *a, mm_claim *claim, size_t bytes)
{
    a->used -= bytes;
    if (claim != NULL)
        move_claim(claim, claim->held - bytes);
}

static int may_take(mm_admission *a, mm_claim *claim, size_t bytes)
{
    const int first = claim != NULL && claim->held == 0;
    const verdict found = judge(a, claim, bytes);

    a->counts.admitted += found == FITS && first;
    a->counts.no_room += found == NO_ROOM;
    a->counts.over_share += found == OVER_SHARE;
    return found == FITS;
}

/* ------------------------------------------------------------------ claims */

void mm_claim_open(mm_claim *claim, mm_admission *admission, const char *identity)
{
    pthread_mutex_lock(&admission->lock);
    *claim = (mm_claim){admission, mm_accounts_open(admission->accounts, identity, now_ms()), 0};
    pthread_mutex_unlock(&admission->lock);
}

void mm_claim_close(mm_claim *claim)
{
    mm_admission *admission = claim->admission;

    if (admission == NULL)
        return;
    pthread_mutex_lock(&admission->lock);
    release(admission, claim, claim->held);
    mm_accounts_close(claim->account);
    pthread_mutex_unlock(&admission->lock);
    *claim = (mm_claim){.admission = NULL};
}

uint64_t *mm_claim_turn(mm_claim *claim)
{
    return &claim->account->turn;
}

mm_line *mm_claim_store_line(mm_claim *claim)
{
    return &claim->account->to_store;
}

mm_line *mm_claim_work_line(mm_claim *claim)
{
    return &claim->account->to_work;
}

void mm_admission_set_rates(mm_admission *admission, const mm_rates *rates)
{
    pthread_mutex_lock(&admission->lock);
    admission->rates = *rates;
    pthread_mutex_unlock(&admission->lock);
}

double mm_claim_wait(mm_claim *claim)
{
    mm_admission *admission = claim->admission;
    double seconds;

    pthread_mutex_lock(&admission->lock);
    seconds = mm_account_wait(claim->account, &admission->rates, now_ms());
    admission->counts.over_rate += seconds > 0.0;
    pthread_mutex_unlock(&admission->lock);
    return seconds;
}

void mm_claim_count(mm_claim *claim, uint64_t bytes)
{
    pthread_mutex_lock(&claim->admission->lock);
    mm_account_count(claim->account, &claim->admission->rates, bytes, now_ms());
    pthread_mutex_unlock(&claim->admission->lock);
}

/* ------------------------------------------------------------------ budget */

/* Takes one idle buffer out of the list. */
static mm_buffer *unlink_idle(mm_admission *admission, mm_buffer **link)
{
    mm_buffer *buffer = *link;

    *link = buffer->next;
    admission->idle -= buffer->touched;
    return buffer;
}

static size_t unclaimed(const mm_admission *a)
{
    return a->budget - a->used - a->idle - a->kept;
}

/* Lets go of kept memory until `bytes` more fit, the smallest buffers first: they cost least to touch again.  0: what
 * was kept is on its way to be used. */
static int make_room(mm_admission *admission, size_t bytes)
{
    if (bytes > admission->budget - admission->used)
        return 0;
    while (bytes > unclaimed(admission) && admission->buffers != NULL) {
        mm_buffer **least = &admission->buffers;

        for (mm_buffer **link = least; *link != NULL; link = &(*link)->next)
            if ((*link)->touched < (*least)->touched)
                least = link;
        destroy(unlink_idle(admission, least));
    }
    if (bytes > unclaimed(admission) && admission->kept > 0)
        admission->kept -= admission->let_go(admission->keeper, bytes - unclaimed(admission));
    return bytes <= unclaimed(admission);
}

void mm_admission_set_keeper(mm_admission *admission, size_t (*let_go)(void *context, size_t bytes), void *context)
{
    pthread_mutex_lock(&admission->lock);
    admission->let_go = let_go;
    admission->keeper = context;
    pthread_mutex_unlock(&admission->lock);
}

void mm_admission_keep(mm_admission *admission, size_t bytes)
{
    pthread_mutex_lock(&admission->lock);
    admission->used -= bytes;
    admission->kept += bytes;
    pthread_mutex_unlock(&admission->lock);
}

void mm_admission_use(mm_admission *admission, size_t bytes)
{
    pthread_mutex_lock(&admission->lock);
    admission->kept -= bytes;
    admission->used += bytes;
    pthread_mutex_unlock(&admission->lock);
}

mm_status mm_admission_reserve(mm_admission *admission, mm_claim *claim, size_t bytes)
{
    int fits;

    pthread_mutex_lock(&admission->lock);
    fits = may_take(admission, claim, bytes) && make_room(admission, bytes);
    if (fits)
        hold(admission, claim, bytes);
    pthread_mutex_unlock(&admission->lock);
    return fits ? MM_OK : MM_NO_MEMORY;
}

void mm_admission_release(mm_admission *admission, mm_claim *claim, size_t bytes)
{
    pthread_mutex_lock(&admission->lock);
    release(admission, claim, bytes);
    pthread_mutex_unlock(&admission->lock);
}

/* ----------------------------------------------------------------- buffers */

/* Gives a large buffer address space for `room` bytes, more than before; its pages go with it. */
static mm_status map(mm_buffer *buffer, size_t room)
{
    const size_t space = round_up(room, SPACE);
    void *data;

    if (buffer->mapped < space) {
        if (buffer->mapped > 0)
            data = mremap(buffer->data, buffer->mapped, space, MREMAP_MAYMOVE);
        else
            data = mmap(NULL, space, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (data == MAP_FAILED)
            return MM_NO_MEMORY;
        buffer->data = data;
        buffer->mapped = space;
    }
    return MM_OK;
}

/* The idle buffer with the fewest pages that suffice, unless they would be wasted on this room; else the one with most.
 * NULL: none. */
static mm_buffer *pick_idle(mm_admission *admission, size_t room)
{
    mm_buffer **best = NULL;

    for (mm_buffer **link = &admission->buffers; *link != NULL; link = &(*link)->next) {
        const size_t touched = (*link)->touched, best_touched = best != NULL ? (*best)->touched : 0;

        if (touched / 4 > room)
            continue;
        if (best == NULL || (best_touched < room ? touched > best_touched : touched >= room && touched < best_touched))
            best = link;
    }
    return best != NULL ? unlink_idle(admission, best) : NULL;
}

/* Charges the buffer for `room` bytes, or for the pages that it brings along. */
static mm_status charge(mm_admission *admission, mm_buffer *buffer, size_t room)
{
    const size_t most = buffer->touched > room ? buffer->touched : room;
    const size_t bytes = round_up(most, buffer->mapped > 0 || room > MM_SMALL_BODY ? PAGE : 1);

    if (bytes <= buffer->charged)
        return MM_OK;
    if (!make_room(admission, bytes - buffer->charged))
        return MM_NO_MEMORY;
    hold(admission, buffer->claim, bytes - buffer->charged);
    buffer->charged = bytes;
    return MM_OK;
}

/* A large buffer from the pool, or an empty one; charged. */
static mm_status take_large(mm_buffer **out, mm_admission *admission, mm_buffer *fresh, size_t room)
{
    mm_buffer *buffer;

    if (round_up(room, PAGE) > admission->budget - admission->used)
        return MM_NO_MEMORY;
    buffer = pick_idle(admission, room);
    *out = buffer != NULL ? buffer : fresh;
    (*out)->claim = fresh->claim;
    return charge(admission, *out, room);
}

mm_status mm_buffer_take(mm_buffer **out, mm_admission *admission, mm_claim *claim, size_t room)
{
    mm_buffer *fresh = calloc(1, sizeof *fresh), *buffer = fresh;
    mm_status status = MM_NO_MEMORY;

    if (fresh == NULL)
        return MM_NO_MEMORY;
    fresh->claim = claim;
    pthread_mutex_lock(&admission->lock);
    if (may_take(admission, claim, room > MM_SMALL_BODY ? round_up(room, PAGE) : room))
        status = room > MM_SMALL_BODY ? take_large(&buffer, admission, fresh, room) : charge(admission, fresh, room);
    pthread_mutex_unlock(&admission->lock);
    if (status != MM_OK && buffer != fresh)
        mm_buffer_give(admission, buffer, 0);
    if (status != MM_OK || buffer != fresh)
        free(fresh);
    if (status != MM_OK)
        return status;
    if (room > MM_SMALL_BODY)
        status = map(buffer, room);
    else
        buffer->data = malloc(room > 0 ? room : 1);
    if (status != MM_OK || buffer->data == NULL) {
        mm_buffer_give(admission, buffer, 0);
        return MM_NO_MEMORY;
    }
    buffer->room = room;
    *out = buffer;
    return MM_OK;
}

/* From malloc to address space of its own. */
static mm_status enlarge_small(mm_buffer *buffer, size_t room)
{
    mm_buffer large = {0};
    unsigned char *data;

    if (room <= MM_SMALL_BODY) {
        data = realloc(buffer->data, room);
        if (data != NULL)
            buffer->data = data;
        return data != NULL ? MM_OK : MM_NO_MEMORY;
    }
    if (map(&large, room) != MM_OK)
        return MM_NO_MEMORY;
    memcpy(large.data, buffer->data, buffer->room);
    free(buffer->data);
    buffer->data = large.data;
    buffer->mapped = large.mapped;
    return MM_OK;
}

mm_status mm_buffer_grow(mm_admission *admission, mm_buffer *buffer, size_t room)
{
    mm_status status;

    if (room <= buffer->room)
        return MM_OK;
    pthread_mutex_lock(&admission->lock);
    if (room > buffer->charged && !may_take(admission, buffer->claim, room - buffer->charged))
        status = MM_NO_MEMORY;
    else
        status = charge(admission, buffer, room);
    pthread_mutex_unlock(&admission->lock);
    if (status != MM_OK)
        return status;
    status = buffer->mapped > 0 ? map(buffer, room) : enlarge_small(buffer, room);
    if (status == MM_OK)
        buffer->room = room;
    return status; /* on failure it stays charged for more, until it is given back */
}

void mm_buffer_give(mm_admission *admission, mm_buffer *buffer, size_t used)
{
    const size_t touched = round_up(used, PAGE);

    if (buffer == NULL)
        return;
    if (touched > buffer->touched)
        buffer->touched = touched;
    pthread_mutex_lock(&admission->lock);
    release(admission, buffer->claim, buffer->charged);
    buffer->claim = NULL;
    if (buffer->mapped > 0 && buffer->touched <= unclaimed(admission)) {
        buffer->charged = buffer->room = 0;
        buffer->next = admission->buffers;
        admission->buffers = buffer;
        admission->idle += buffer->touched;
        buffer = NULL;
    }
    pthread_mutex_unlock(&admission->lock);
    if (buffer != NULL)
        destroy(buffer);
}

/* ------------------------------------------------------------------- figures */

size_t mm_admission_used(mm_admission *admission)
{
    size_t used;

    pthread_mutex_lock(&admission->lock);
    used = admission->used;
    pthread_mutex_unlock(&admission->lock);
    return used;
}

size_t mm_admission_idle(mm_admission *admission)
{
    size_t idle;

    pthread_mutex_lock(&admission->lock);
    idle = admission->idle + admission->kept;
    pthread_mutex_unlock(&admission->lock);
    return idle;
}

size_t mm_admission_limit(const mm_admission *admission)
{
    return admission->budget;
}

mm_admission_counts mm_admission_count(mm_admission *admission)
{
    mm_admission_counts counts;

    pthread_mutex_lock(&admission->lock);
    counts = admission->counts;
    pthread_mutex_unlock(&admission->lock);
    return counts;
}
