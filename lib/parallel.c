/*
 * parallel.c - the only file with OpenMP: one team runs independent tasks.
 */
#include <omp.h>

#include "lib/maskmeter.h"

unsigned mm_threads_available(void)
{
    const int count = omp_get_num_procs();

    return count < 1 ? 1 : (unsigned)count;
}

void mm_parallel(void (*task)(void *context, size_t i, unsigned worker), void *context, size_t count, unsigned threads)
{
    if (threads <= 1 || count <= 1) {
        for (size_t i = 0; i < count; i++)
            task(context, i, 0);
        return;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads((int)threads)
    for (size_t i = 0; i < count; i++)
        task(context, i, (unsigned)omp_get_thread_num());
}
