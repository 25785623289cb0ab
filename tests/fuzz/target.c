/*
 * target.c - what the fuzz targets share: blocks of an exact size, texts, and what happens when a promise is broken.
 */
#include "tests/fuzz/target.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/slow_reader.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/allocator_interface.h>
#include <sanitizer/asan_interface.h>
#define HAS_HOOKS 1
#endif
#endif
#ifndef ASAN_POISON_MEMORY_REGION
#define ASAN_POISON_MEMORY_REGION(at, size)   ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define BLOCK_BYTES ((size_t)1 << 17)

static uint8_t blocks[FUZZ_BLOCKS][BLOCK_BYTES];
static size_t opened[FUZZ_BLOCKS]; /* bytes that may be touched */

/* Only what was open is closed: a whole block would take most of the time. */
static void open_block(unsigned which, size_t size)
{
    static int closed_all = 0;

    if (!closed_all)
        ASAN_POISON_MEMORY_REGION(blocks, sizeof blocks);
    closed_all = 1;
    if (size < opened[which])
        ASAN_POISON_MEMORY_REGION(blocks[which] + size, opened[which] - size);
    ASAN_UNPOISON_MEMORY_REGION(blocks[which], size);
    opened[which] = size;
}

void demand(int holds)
{
    if (!holds)
        abort();
}

const uint8_t *fuzz_block(unsigned which, const uint8_t *data, size_t *size)
{
    uint8_t *block = blocks[which];

    *size = *size < BLOCK_BYTES ? *size : BLOCK_BYTES;
    open_block(which, *size);
    if (*size > 0)
        memcpy(block, data, *size);
    return block;
}

void fuzz_forget(unsigned which)
{
    ASAN_POISON_MEMORY_REGION(blocks[which], opened[which]);
}

char *fuzz_text(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
    const size_t length = end != NULL ? (size_t)(end - data) : size;
    char *text = malloc(length + 1);

    demand(text != NULL);
    if (length > 0)
        memcpy(text, data, length);
    text[length] = '\0';
    return text;
}

int fuzz_is_clean(const char *text)
{
    const uint8_t *s = (const uint8_t *)text, *end = s + strlen(text);

    while (s < end) {
        const size_t size = slow_utf8_size(s, (size_t)(end - s));

        if (size == 0 || s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0))
            return 0;
        s += size;
    }
    return 1;
}

static size_t counted;

#ifdef HAS_HOOKS
static void count_malloc(const volatile void *at, size_t size)
{
    (void)at;
    counted += size;
}

static void count_free(const volatile void *at)
{
    (void)at;
}
#endif

void fuzz_count_bytes(void)
{
#ifdef HAS_HOOKS
    static int hooked = 0;

    if (!hooked)
        demand(__sanitizer_install_malloc_and_free_hooks(count_malloc, count_free) != 0);
    hooked = 1;
#endif
    counted = 0;
}

size_t fuzz_counted_bytes(void)
{
    return counted;
}

uint64_t fuzz_hash(const uint8_t *data, size_t size)
{
    uint64_t hash = size + 1;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * 1099511628211U;
    return hash ^ hash >> 32;
}
