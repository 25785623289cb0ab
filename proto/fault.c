/*
 * fault.c - fills mm_problem, and decides which names may be shown.
 */
#include "proto/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/reader.h"

/* Control characters, line separators, marks that reverse the writing direction, and non-characters can make a log
 * line or a page say something else than it does. */
static int is_printable(uint32_t code)
{
    if (code < 0x20 || (code >= 0x7f && code < 0xa0))
        return 0;
    if (code == 0x061c || (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
        (code >= 0x2060 && code <= 0x206f))
        return 0;
    return code != 0xfeff && (code < 0xfff0 || code > 0xffff) && (code < 0xe0000 || code > 0xe0fff);
}

void mm_fault_name(char *out, size_t room, const char *name)
{
    const size_t size = strlen(name);
    size_t at = 0;
    size_t kept = 0; /* whole characters that fit */

    while (at < size) {
        uint32_t code = 0;
        const size_t length = mm_utf8_decode(name + at, size - at, &code);

        if (length == 0 || !is_printable(code)) {
            kept = 0;
            break;
        }
        at += length;
        if (at < room)
            kept = at;
    }
    memcpy(out, name, kept);
    out[kept] = '\0';
}

mm_wire_status mm_fault(mm_wire_status status, mm_problem *problem, const char *tensor, const char *format, ...)
{
    va_list list;

    if (problem == NULL)
        return status;
    memset(problem, 0, sizeof *problem);
    if (tensor != NULL)
        mm_fault_name(problem->tensor, sizeof problem->tensor, tensor);
    va_start(list, format);
    vsnprintf(problem->text, sizeof problem->text, format, list);
    va_end(list);
    return status;
}
