/*
 * sqlite_shim.c - wraps SQLite's file layer: failing syncs and writes, and disks after a loss of power
 */
#include "tests/sqlite_shim.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES  4
#define SECTOR 512

/* A write (or, with bytes NULL, a truncation) that no sync has made safe yet. */
typedef struct pending {
    unsigned char *bytes;
    size_t size, offset;
    int removal; /* of the whole file */
    struct pending *next;
} pending;

/* What the disk holds of one file. */
typedef struct image {
    char name[64];
    unsigned char *bytes;
    size_t size, room;
    pending *first, **last;
} image;

typedef struct shim_file {
    sqlite3_file base;
    char name[64]; /* without directories */
    sqlite3_file *real;
} shim_file;

static struct {
    pthread_mutex_t guard;
    sqlite3_vfs vfs, *real;
    const char *sync_suffix, *write_suffix;
    int sync_skip, write_skip, syncs;
    void (*hook)(void *context);
    void *hook_context;
    image images[FILES];
} shim = {.guard = PTHREAD_MUTEX_INITIALIZER};

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

/* ------------------------------------------------------------------ images */

static image *find_image(const char *name)
{
    for (size_t i = 0; i < FILES; i++) {
        image *at = &shim.images[i];

        if (at->name[0] == '\0') {
            snprintf(at->name, sizeof at->name, "%s", name);
            at->last = &at->first;
        }
        if (strcmp(at->name, name) == 0)
            return at;
    }
    return must(NULL);
}

static pending *add_pending(const char *name, const void *bytes, size_t size, size_t offset)
{
    image *at = find_image(name);
    pending *write = must(calloc(1, sizeof *write));

    if (bytes != NULL) {
        write->bytes = must(malloc(size));
        memcpy(write->bytes, bytes, size);
    }
    write->size = size;
    write->offset = offset;
    *at->last = write;
    at->last = &write->next;
    return write;
}

static void resize(image *at, size_t size)
{
    if (size >= at->room) {
        at->room = size * 2 + 1;
        at->bytes = must(realloc(at->bytes, at->room));
    }
    if (size > at->size)
        memset(at->bytes + at->size, 0, size - at->size);
    at->size = size;
}

/* The first `size` bytes of a write. */
static void apply(image *at, const pending *write, size_t size)
{
    if (write->bytes == NULL) {
        resize(at, write->offset);
        return;
    }
    if (write->offset + size > at->size)
        resize(at, write->offset + size);
    memcpy(at->bytes + write->offset, write->bytes, size);
}

static void drop_pending(image *at)
{
    for (pending *write = at->first, *next; write != NULL; write = next) {
        next = write->next;
        free(write->bytes);
        free(write);
    }
    at->first = NULL;
    at->last = &at->first;
}

static void make_durable(const char *name)
{
    image *at = find_image(name);

    for (const pending *write = at->first; write != NULL; write = write->next)
        apply(at, write, write->size);
    drop_pending(at);
}

/* The first sync of a new log or journal is one of its directory too: files that were removed before stay so. */
static void make_removals_durable(void)
{
    for (size_t i = 0; i < FILES; i++) {
        image *at = &shim.images[i];
        pending *removal = at->first;

        if (removal == NULL || !removal->removal)
            continue;
        apply(at, removal, 0);
        at->first = removal->next;
        if (at->first == NULL)
            at->last = &at->first;
        free(removal);
    }
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

static void save_torn(const image *at, const char *directory, uint32_t *random)
{
    image torn = {.size = at->size, .room = at->size + 1};
    char path[160];

    torn.bytes = must(malloc(torn.room));
    if (at->size > 0)
        memcpy(torn.bytes, at->bytes, at->size);
    for (const pending *write = at->first; write != NULL; write = write->next) {
        const uint32_t fate = next_random(random) % 3;

        if (fate == 0)
            apply(&torn, write, write->size);
        else if (fate == 1 && write->bytes != NULL && write->size > SECTOR)
            apply(&torn, write, next_random(random) % (write->size / SECTOR) * SECTOR);
    }
    snprintf(path, sizeof path, "%s/%s", directory, at->name);
    FILE *file = must(fopen(path, "wb"));

    if (fwrite(torn.bytes, 1, torn.size, file) != torn.size || fclose(file) != 0)
        abort();
    free(torn.bytes);
}

void shim_power_loss(const char *directory, unsigned seed)
{
    uint32_t random = seed * 2654435761u + 1;

    mkdir(directory, 0700);
    pthread_mutex_lock(&shim.guard);
    for (size_t i = 0; i < FILES; i++)
        if (shim.images[i].name[0] != '\0')
            save_torn(&shim.images[i], directory, &random);
    pthread_mutex_unlock(&shim.guard);
}

/* ------------------------------------------------------------------- files */

static sqlite3_file *real(sqlite3_file *file)
{
    return ((shim_file *)file)->real;
}

static int ends_with(const char *name, const char *suffix)
{
    const size_t n = strlen(name), s = strlen(suffix);

    return n >= s && strcmp(name + n - s, suffix) == 0;
}

/* Is it this one's turn to fail? */
static int fails(const char *name, const char *suffix, int *skip)
{
    return suffix != NULL && ends_with(name, suffix) && (*skip)-- <= 0;
}

static int shim_close(sqlite3_file *file)
{
    shim_file *f = (shim_file *)file;
    const int code = f->real->pMethods->xClose(f->real);

    free(f->real);
    return code;
}

static int shim_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset)
{
    return real(file)->pMethods->xRead(real(file), bytes, size, offset);
}

static int shim_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
    shim_file *f = (shim_file *)file;

    pthread_mutex_lock(&shim.guard);
    const int full = fails(f->name, shim.write_suffix, &shim.write_skip);

    if (!full)
        add_pending(f->name, bytes, (size_t)size, (size_t)offset);
    pthread_mutex_unlock(&shim.guard);
    return full ? SQLITE_FULL : f->real->pMethods->xWrite(f->real, bytes, size, offset);
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    pthread_mutex_lock(&shim.guard);
    add_pending(((shim_file *)file)->name, NULL, 0, (size_t)size);
    pthread_mutex_unlock(&shim.guard);
    return real(file)->pMethods->xTruncate(real(file), size);
}

static int shim_sync(sqlite3_file *file, int flags)
{
    shim_file *f = (shim_file *)file;

    pthread_mutex_lock(&shim.guard);
    void (*hook)(void *context) = shim.hook;
    void *context = shim.hook_context;

    pthread_mutex_unlock(&shim.guard);
    if (hook != NULL)
        hook(context);
    pthread_mutex_lock(&shim.guard);
    const int broken = fails(f->name, shim.sync_suffix, &shim.sync_skip);

    shim.syncs++;
    if (!broken) {
        make_durable(f->name);
        make_removals_durable();
    }
    pthread_mutex_unlock(&shim.guard);
    return broken ? SQLITE_IOERR_FSYNC : f->real->pMethods->xSync(f->real, flags);
}

static int shim_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real(file)->pMethods->xFileSize(real(file), size);
}

static int shim_lock(sqlite3_file *file, int lock)
{
    return real(file)->pMethods->xLock(real(file), lock);
}

static int shim_unlock(sqlite3_file *file, int lock)
{
    return real(file)->pMethods->xUnlock(real(file), lock);
}

static int shim_check(sqlite3_file *file, int *reserved)
{
    return real(file)->pMethods->xCheckReservedLock(real(file), reserved);
}

static int shim_control(sqlite3_file *file, int operation, void *argument)
{
    return real(file)->pMethods->xFileControl(real(file), operation, argument);
}

static int shim_sector_size(sqlite3_file *file)
{
    return real(file)->pMethods->xSectorSize(real(file));
}

static int shim_device(sqlite3_file *file)
{
    return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

static int shim_map(sqlite3_file *file, int page, int size, int extend, void volatile **memory)
{
    return real(file)->pMethods->xShmMap(real(file), page, size, extend, memory);
}

static int shim_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}

static void shim_barrier(sqlite3_file *file)
{
    real(file)->pMethods->xShmBarrier(real(file));
}

static int shim_unmap(sqlite3_file *file, int remove)
{
    return real(file)->pMethods->xShmUnmap(real(file), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_file_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_check,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector_size,
    .xDeviceCharacteristics = shim_device,
    .xShmMap = shim_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_barrier,
    .xShmUnmap = shim_unmap,
};

/* To the disk a removed file is one that is empty, once a sync has said so: the next one may have the same name. */
static int shim_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    const char *slash = strrchr(name, '/');

    (void)vfs;
    pthread_mutex_lock(&shim.guard);
    add_pending(slash + 1, NULL, 0, 0)->removal = 1;
    if (sync)
        make_durable(slash + 1);
    pthread_mutex_unlock(&shim.guard);
    return shim.real->xDelete(shim.real, name, sync);
}

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    shim_file *f = (shim_file *)file;
    const char *slash = name == NULL ? NULL : strrchr(name, '/');

    (void)vfs;
    memset(f, 0, sizeof *f);
    snprintf(f->name, sizeof f->name, "%s", slash == NULL ? "temporary" : slash + 1);
    f->real = must(calloc(1, (size_t)shim.real->szOsFile));
    const int code = shim.real->xOpen(shim.real, name, f->real, flags, out);

    if (code != SQLITE_OK)
        free(f->real);
    else
        f->base.pMethods = &methods;
    return code;
}

/* ------------------------------------------------------------------ control */

void shim_install(void)
{
    shim.real = must(sqlite3_vfs_find(NULL));
    shim.vfs = *shim.real;
    shim.vfs.zName = "shim";
    shim.vfs.szOsFile = (int)sizeof(shim_file);
    shim.vfs.xOpen = shim_open;
    shim.vfs.xDelete = shim_delete;
    shim.syncs = 0;
    sqlite3_vfs_register(&shim.vfs, 1);
}

void shim_remove(void)
{
    shim_fail_sync(NULL, 0);
    shim_fail_write(NULL, 0);
    shim_on_sync(NULL, NULL);
    sqlite3_vfs_unregister(&shim.vfs);
    sqlite3_vfs_register(shim.real, 1);
    for (size_t i = 0; i < FILES; i++) {
        if (shim.images[i].name[0] != '\0')
            drop_pending(&shim.images[i]);
        free(shim.images[i].bytes);
        shim.images[i] = (image){0};
    }
}

void shim_fail_sync(const char *suffix, int skip)
{
    pthread_mutex_lock(&shim.guard);
    shim.sync_suffix = suffix;
    shim.sync_skip = skip;
    pthread_mutex_unlock(&shim.guard);
}

void shim_fail_write(const char *suffix, int skip)
{
    pthread_mutex_lock(&shim.guard);
    shim.write_suffix = suffix;
    shim.write_skip = skip;
    pthread_mutex_unlock(&shim.guard);
}

int shim_syncs(void)
{
    pthread_mutex_lock(&shim.guard);
    const int syncs = shim.syncs;

    pthread_mutex_unlock(&shim.guard);
    return syncs;
}

void shim_on_sync(void (*hook)(void *context), void *context)
{
    pthread_mutex_lock(&shim.guard);
    shim.hook = hook;
    shim.hook_context = context;
    pthread_mutex_unlock(&shim.guard);
}
