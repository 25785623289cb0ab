/*
 * status.c - words for mm_status and mm_reason.
 */
#include "lib/maskmeter.h"

const char *mm_status_text(mm_status status)
{
    switch (status) {
#define X(name, number, message)                                                                                       \
    case MM_##name:                                                                                                    \
        return message;
        MM_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}

const char *mm_reason_text(mm_reason reason)
{
    switch (reason) {
#define X(name, number, text)                                                                                          \
    case MM_##name:                                                                                                    \
        return text;
        MM_REASON_LIST(X)
#undef X
    }
    return "unknown_reason";
}
