/*
 * failing.c - stands between the code under test and the C library: counts what is allocated, and fails when told to.
 */
#include "tests/failing.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <sys/random.h>

/* The linker's names: a call of malloc() comes to the first, the second is what it would have been. */
void *__wrap_malloc(size_t size);
void *__real_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *block);
void __real_free(void *block);
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags);
ssize_t __real_getrandom(void *bytes, size_t size, unsigned flags);
int __wrap_gnutls_hash_fast(gnutls_digest_algorithm_t algorithm, const void *bytes, size_t size, void *digest);
int __real_gnutls_hash_fast(gnutls_digest_algorithm_t algorithm, const void *bytes, size_t size, void *digest);

static _Thread_local struct {
    unsigned what;
    size_t skip, failed;
    int for_ever;
    long blocks;
} state;

void fail_begin(unsigned what, size_t skip, int for_ever)
{
    state.what = what;
    state.skip = skip;
    state.failed = 0;
    state.for_ever = for_ever;
}

size_t fail_end(void)
{
    state.what = 0;
    return state.failed;
}

long fail_blocks(void)
{
    return state.blocks;
}

/* Is it this call's turn? */
static int fails(unsigned what)
{
    if (!(state.what & what) || (state.failed > 0 && !state.for_ever))
        return 0;
    if (state.skip > 0) {
        state.skip--;
        return 0;
    }
    state.failed++;
    return 1;
}

static void *counted(void *block)
{
    state.blocks += block != NULL;
    return block;
}

void *__wrap_malloc(size_t size)
{
    return fails(FAIL_MEMORY) ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(FAIL_MEMORY) ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *block, size_t size)
{
    void *grown = fails(FAIL_MEMORY) ? NULL : __real_realloc(block, size);

    return block == NULL ? counted(grown) : grown;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails(FAIL_MEMORY) ? NULL : counted(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *block)
{
    state.blocks -= block != NULL;
    __real_free(block);
}

ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags)
{
    if (!fails(FAIL_RANDOM))
        return __real_getrandom(bytes, size, flags);
    errno = EINTR;
    return -1;
}

int __wrap_gnutls_hash_fast(gnutls_digest_algorithm_t algorithm, const void *bytes, size_t size, void *digest)
{
    return fails(FAIL_DIGEST) ? GNUTLS_E_MEMORY_ERROR : __real_gnutls_hash_fast(algorithm, bytes, size, digest);
}
