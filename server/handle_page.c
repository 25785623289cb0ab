/*
 * handle_page.c - the built-in page and its files.
 */
#include "server/answer.h"
#include "server/pack.h"
#include "server/page.h"
#include "server/routes.h"

#include <stdio.h>
#include <string.h>

/* Nothing but what this server sends is loaded, and nobody shows the page inside another.  data: is for the mark that
 * uPlot may draw on its canvas. */
#define POLICY                                                                                                         \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "              \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* clang-format off */
static const char *const document_headers[] = {
    "Cache-Control",           "no-cache", /* asks each time, and is told 304 */
    "Content-Security-Policy", POLICY,
    "X-Content-Type-Options",  "nosniff",
    "Referrer-Policy",         "no-referrer",
    NULL,
};
/* The names of the files change with their contents. */
static const char *const file_headers[] = {
    "Cache-Control",           "public, max-age=31536000, immutable",
    "X-Content-Type-Options",  "nosniff",
    NULL,
};
/* clang-format on */

static mm_next answer(mm_call *call, const mm_page_file *file, const char *const *headers)
{
    mm_packed packed;
    mm_next next;

    mm_pack_constant(&packed, call, file->bytes, file->size, file->packed, file->packed_size);
    next = mm_answer_packed(call, &packed, file->content_type);
    call->answer.headers = headers;
    return next;
}

mm_next mm_get_page(mm_call *call)
{
    return answer(call, &mm_page_files[0], document_headers);
}

mm_next mm_get_page_file(mm_call *call)
{
    mm_problem problem = {.has_index = 0};

    for (size_t i = 1; i < mm_page_file_count; i++)
        if (strcmp(mm_page_files[i].name, call->variable) == 0)
            return answer(call, &mm_page_files[i], file_headers);
    snprintf(problem.text, sizeof problem.text,
             "the page has no such file: it may be of another version; load it again");
    return mm_answer_problem(call, 404, &problem);
}
