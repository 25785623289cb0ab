/*
 * threads.c - starts threads that do nothing: the libraries that start theirs later would end the process without them.
 */
#include "server/threads.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* Until the owner of the lock, who started everyone, lets go of it.  pthread_exit() loads libgcc_s the first time, and
 * the C library aborts when it cannot: libgomp's threads, which end so, must not be the first, when memory is short. */
static void *wait_for_end(void *context)
{
    pthread_mutex_t *lock = context;

    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    pthread_exit(NULL);
}

int mm_threads_try(unsigned count)
{
    pthread_t *threads = calloc(count + 1u, sizeof *threads);
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    unsigned started = 0;
    int error = 0;

    if (threads == NULL)
        return ENOMEM;
    pthread_mutex_lock(&lock);
    while (started < count && (error = pthread_create(&threads[started], NULL, wait_for_end, &lock)) == 0)
        started++;
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return error;
}
