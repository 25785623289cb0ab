/*
 * capture.c - redirects the two streams to files without names, and back.
 */
#include "tests/capture.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void capture_begin(capture *c)
{
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        c->saved[i] = dup(1 + i);
        c->file[i] = memfd_create("capture", MFD_CLOEXEC);
        if (c->saved[i] < 0 || c->file[i] < 0 || dup2(c->file[i], 1 + i) < 0)
            CU_FAIL_FATAL("the output cannot be caught");
    }
}

static char *whole(int file)
{
    struct stat about;
    char *text;

    if (fstat(file, &about) != 0 || (text = calloc(1, (size_t)about.st_size + 1)) == NULL)
        return calloc(1, 1);
    if (pread(file, text, (size_t)about.st_size, 0) != about.st_size)
        text[0] = '\0';
    return text;
}

void capture_end(capture *c)
{
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        dup2(c->saved[i], 1 + i);
        close(c->saved[i]);
    }
    c->out = whole(c->file[0]);
    c->err = whole(c->file[1]);
    close(c->file[0]);
    close(c->file[1]);
    if (c->out == NULL || c->err == NULL)
        CU_FAIL_FATAL("out of memory");
}

void capture_free(capture *c)
{
    free(c->out);
    free(c->err);
}
