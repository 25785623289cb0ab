/*
 * threads.h - whether as many threads as a server needs can run at once.
 */
#ifndef MM_THREADS_H
#define MM_THREADS_H

/* Starts that many, with stacks of the default size, and ends them.  0, or the error of the first that did not start.
 */
int mm_threads_try(unsigned count);

#endif
