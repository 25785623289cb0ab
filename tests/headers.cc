/*
 * headers.cc - the public headers as a C++ program sees them: they compile, and the names link.
 */
#include "lib/maskmeter.h"
#include "proto/wire.h"

#include <cstring>

int main()
{
    return std::strcmp(mm_status_text(MM_OK), "ok") == 0 ? 0 : 1;
}
