/*
 * fail.c - preloaded into a server: the n-th call for memory, a thread or random bytes fails, once or for ever
 *
 * Whoever starts the server names a file in MM_FAULTS.  It is mapped here and there (fail.py), so that calls can be
 * made to fail, and counted, while the server runs.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

enum { MEMORY = 1, THREAD = 2, RANDOM = 4 };

/* fail.py reads and writes it by these offsets. */
typedef struct faults {
    _Atomic int64_t kinds;   /* what is counted and fails */
    _Atomic int64_t nth;     /* the call that fails, from 1 */
    _Atomic int64_t forever; /* and all after it */
    _Atomic int64_t seen;    /* calls so far */
    _Atomic int64_t live;    /* blocks of memory that were not given back */
} faults;

/* What this process counts where nobody has asked for more. */
static faults nobody;
static faults *state = &nobody;

__attribute__((constructor)) static void join(void)
{
    const char *name = getenv("MM_FAULTS");
    const int file = name != NULL ? open(name, O_RDWR | O_CLOEXEC) : -1;
    void *shared;

    if (file < 0)
        return;
    shared = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shared != MAP_FAILED)
        state = shared;
    (void)close(file);
}

static int fails(int kind)
{
    int64_t at;

    if ((atomic_load(&state->kinds) & kind) == 0)
        return 0;
    at = atomic_fetch_add(&state->seen, 1) + 1;
    return at == state->nth || (state->forever && at > state->nth);
}

typedef void (*function)(void);

/* Of the initial model: the call that other models need is one that sanitizers take over.  Volatile: dlsym() is said to
 * come back into no other file, but asks for memory here. */
static _Thread_local volatile int searching __attribute__((tls_model("initial-exec")));

static function next(const char *name)
{
    union {
        void *object;
        function code;
    } found;

    searching = 1; /* the search itself may ask for memory, and can do without */
    found.object = dlsym(RTLD_NEXT, name);
    searching = 0;
    return found.code;
}

/* real(): the next function of that name, the C library's or a sanitizer's. */
#define REAL(name)                                                                                                     \
    static __typeof__(&name) real;                                                                                     \
    if (real == NULL)                                                                                                  \
    real = (__typeof__(&name))next(#name)

static void *counted(void *block)
{
    if (block != NULL)
        atomic_fetch_add(&state->live, 1);
    return block;
}

static int out_of_memory(void)
{
    if (!searching && !fails(MEMORY))
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    if (out_of_memory())
        return NULL;
    REAL(malloc);
    return counted(real(size));
}

void *calloc(size_t count, size_t size)
{
    if (out_of_memory())
        return NULL;
    REAL(calloc);
    return counted(real(count, size));
}

void *realloc(void *block, size_t size)
{
    void *grown;

    if (size > 0 && out_of_memory())
        return NULL;
    REAL(realloc);
    grown = real(block, size);
    if (block == NULL)
        (void)counted(grown);
    else if (size == 0)
        atomic_fetch_sub(&state->live, 1);
    return grown;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    if (out_of_memory())
        return NULL;
    REAL(aligned_alloc);
    return counted(real(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    int error;

    if (out_of_memory())
        return ENOMEM;
    REAL(posix_memalign);
    error = real(out, alignment, size);
    if (error == 0)
        (void)counted(*out);
    return error;
}

void free(void *block)
{
    if (searching) /* a message that an earlier search had left: the search for free() must not call itself */
        return;
    REAL(free);
    if (block != NULL)
        atomic_fetch_sub(&state->live, 1);
    real(block);
}

/* Only memory; files are mapped as ever. */
void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset)
{
    if ((flags & MAP_ANONYMOUS) != 0 && out_of_memory())
        return MAP_FAILED;
    REAL(mmap);
    return real(at, size, protection, flags, file, offset);
}

int pthread_create(pthread_t *out, const pthread_attr_t *attributes, void *(*run)(void *), void *context)
{
    if (fails(THREAD))
        return EAGAIN;
    REAL(pthread_create);
    return real(out, attributes, run, context);
}

ssize_t getrandom(void *bytes, size_t size, unsigned flags)
{
    if (fails(RANDOM)) {
        errno = ENOSYS;
        return -1;
    }
    REAL(getrandom);
    return real(bytes, size, flags);
}
