/*
 * cpu.c - picks the kernels for this machine; the only file that knows CPU names.
 *
 * MM_CPU=scalar|x86-64-v3|x86-64-v4 lowers the level, for tests: all levels give the same bits.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/kernels.h"

typedef struct level {
    const char *name; /* as MM_CPU spells it */
    const mm_kernels *kernels;
    int (*here)(void);
} level;

static int always(void)
{
    return 1;
}

#ifdef __x86_64__
/* What else the levels hold (lzcnt, movbe, f16c) came to market with these. */
static int has_v3(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

static int has_v4(void)
{
    return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#endif

/* From the lowest up. */
static const level levels[] = {
    {"scalar", &mm_kernels_scalar, always},
#ifdef __x86_64__
    {"x86-64-v3", &mm_kernels_v3, has_v3},
    {"x86-64-v4", &mm_kernels_v4, has_v4},
#endif
};

#define LEVELS (sizeof levels / sizeof levels[0])

/* The highest level that this machine has and MM_CPU allows.  An MM_CPU that is not to be had changes nothing;
 * mm_cpu_refused() tells. */
static const level *choose(void)
{
    const char *wanted = getenv("MM_CPU");
    const level *best = &levels[0];

    for (size_t i = 0; i < LEVELS; i++) {
        if (!levels[i].here())
            break;
        best = &levels[i];
        if (wanted != NULL && strcmp(wanted, best->name) == 0)
            break;
    }
    return best;
}

const mm_kernels *mm_kernels_chosen(void)
{
    return choose()->kernels;
}

const char *mm_cpu_level(void)
{
    return choose()->name;
}

const char *mm_cpu_refused(void)
{
    const char *wanted = getenv("MM_CPU");

    return wanted == NULL || *wanted == '\0' || strcmp(wanted, choose()->name) == 0 ? NULL : wanted;
}
