/*
 * capture.h - what a command writes to stdout and stderr, caught by tests.
 */
#ifndef MM_CAPTURE_H
#define MM_CAPTURE_H

typedef struct capture {
    char *out, *err; /* NUL-terminated, after capture_end(); never NULL then */
    int saved[2], file[2];
} capture;

/* From here on both streams go to files.  A failure ends the test. */
void capture_begin(capture *c);
void capture_end(capture *c);
void capture_free(capture *c);

#endif
