/*
 * suites.h - the CUnit suites, one per source file; run.c lists them.
 */
#ifndef MM_SUITES_H
#define MM_SUITES_H

#include <CUnit/CUnit.h>

typedef struct mm_suite {
    const char *name;   /* as given to `run_tests NAME...` */
    CU_TestInfo *tests; /* ends with CU_TEST_INFO_NULL */
} mm_suite;

#endif
