/*
 * page.h - the files of the built-in page, made from the folder page/ when the server is built.
 */
#ifndef MM_PAGE_H
#define MM_PAGE_H

#include <stddef.h>

typedef struct mm_page_file {
    const char *name; /* below /page/; "" is the document, which is the first */
    const char *content_type;
    const unsigned char *bytes;
    size_t size;
    const unsigned char *packed; /* the same as gzip */
    size_t packed_size;
} mm_page_file;

extern const mm_page_file mm_page_files[];
extern const size_t mm_page_file_count;

#endif
