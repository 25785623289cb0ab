/*
 * admission.c - the memory budget and the pool of body buffers.
 */
#include "server/admission.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE  ((size_t)4096)
#define SPACE ((size_t)2 << 20) /* address space is taken in multiples of it */

struct mm_admission {
    size_t budget;
    pthread_mutex_t lock; /* of all below */
    size_t used;          /* bytes admitted: room of buffers out, reservations */
    size_t idle;          /* bytes touched by idle buffers; used + idle <= budget */
    mm_buffer *buffers;   /* idle ones */
};

mm_status mm_admission_new(mm_admission **out, size_t budget)
{
    mm_admission *admission = calloc(1, sizeof *admission);

    if (admission == NULL)
        return MM_NO_MEMORY;
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
    free(admission);
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

/* Lets go of kept memory until `bytes` more fit, the smallest buffers first: they cost least to touch again. */
static int make_room(mm_admission *admission, size_t bytes)
{
    if (bytes > admission->budget - admission->used)
        return 0;
    while (bytes > admission->budget - admission->used - admission->idle) {
        mm_buffer **least = &admission->buffers;

        for (mm_buffer **link = least; *link != NULL; link = &(*link)->next)
            if ((*link)->touched < (*least)->touched)
                least = link;
        destroy(unlink_idle(admission, least));
    }
    return 1;
}

mm_status mm_admission_reserve(mm_admission *admission, size_t bytes)
{
    int fits;

    pthread_mutex_lock(&admission->lock);
    fits = make_room(admission, bytes);
    if (fits)
        admission->used += bytes;
    pthread_mutex_unlock(&admission->lock);
    return fits ? MM_OK : MM_NO_MEMORY;
}

void mm_admission_release(mm_admission *admission, size_t bytes)
{
    pthread_mutex_lock(&admission->lock);
    admission->used -= bytes;
    pthread_mutex_unlock(&admission->lock);
}

/* ----------------------------------------------------------------- buffers */

static size_t round_up(size_t bytes, size_t unit)
{
    return bytes > SIZE_MAX - unit ? SIZE_MAX / unit * unit : (bytes + unit - 1) / unit * unit;
}

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

/* Admits `room` bytes for a buffer that is charged for `charged` so far. */
static mm_status charge(mm_admission *admission, mm_buffer *buffer, size_t room)
{
    const size_t most = buffer->touched > room ? buffer->touched : room;
    const size_t bytes = round_up(most, buffer->mapped > 0 || room > MM_SMALL_BODY ? PAGE : 1);

    if (bytes <= buffer->charged)
        return MM_OK;
    if (!make_room(admission, bytes - buffer->charged))
        return MM_NO_MEMORY;
    admission->used += bytes - buffer->charged;
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
    return charge(admission, *out, room); /* cannot fail: its room fits, and its idle pages were counted before */
}

mm_status mm_buffer_take(mm_buffer **out, mm_admission *admission, size_t room)
{
    mm_buffer *fresh = calloc(1, sizeof *fresh), *buffer = fresh;
    mm_status status;

    if (fresh == NULL)
        return MM_NO_MEMORY;
    pthread_mutex_lock(&admission->lock);
    status = room > MM_SMALL_BODY ? take_large(&buffer, admission, fresh, room) : charge(admission, fresh, room);
    pthread_mutex_unlock(&admission->lock);
    if (buffer != fresh)
        free(fresh);
    if (status != MM_OK) {
        free(fresh);
        return status;
    }
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
    admission->used -= buffer->charged;
    if (buffer->mapped > 0 && buffer->touched <= admission->budget - admission->used - admission->idle) {
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
    idle = admission->idle;
    pthread_mutex_unlock(&admission->lock);
    return idle;
}

size_t mm_admission_limit(const mm_admission *admission)
{
    return admission->budget;
}
