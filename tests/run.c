/*
 * run.c - runs the unit tests: all suites, or those named on the command line.
 *
 * Exit codes: 0 all passed, 1 a test failed, 2 wrong usage, 77 MM_CPU asks for a level that this machine lacks.
 */
#include "tests/suites.h"

#include "lib/maskmeter.h"
#include "tests/history_help.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* clang-format off */
/* X(source): the suite in tests/test_<source>.c. */
#define SUITES(X) \
    X(access) \
    X(address) \
    X(accounts) \
    X(admin) \
    X(admission) \
    X(body) \
    X(chunk) \
    X(client) \
    X(cmd_eval) \
    X(coding) \
    X(columns) \
    X(command) \
    X(compute) \
    X(config) \
    X(connections) \
    X(distance) \
    X(eval) \
    X(explain) \
    X(expression) \
    X(failures) \
    X(header) \
    X(history_merge) \
    X(history_rows) \
    X(history_sqlite) \
    X(history_sqlite_check) \
    X(history_sqlite_choose) \
    X(history_sqlite_read) \
    X(history_sqlite_remove) \
    X(history_sqlite_series) \
    X(history_sqlite_tokens) \
    X(history_sqlite_write) \
    X(history_thread) \
    X(http_check) \
    X(image_border) \
    X(image_components) \
    X(image_order) \
    X(image_skeleton) \
    X(image_window) \
    X(input) \
    X(ip) \
    X(json) \
    X(kernels) \
    X(kernels_distance) \
    X(kernels_surface) \
    X(lines) \
    X(log) \
    X(loop) \
    X(nearest) \
    X(out_of_memory) \
    X(overlap) \
    X(pack) \
    X(paired) \
    X(peer_common) \
    X(peer_distance) \
    X(peer_monai) \
    X(peer_monai_metrics) \
    X(peer_segloss) \
    X(peer_smp) \
    X(peer_survey) \
    X(peer_torch) \
    X(peer_torchmetrics) \
    X(peer_torchmetrics_rank) \
    X(peers) \
    X(plans) \
    X(query) \
    X(reader) \
    X(record) \
    X(record_bytes) \
    X(reduce) \
    X(reply) \
    X(request) \
    X(retention) \
    X(routes) \
    X(sample) \
    X(scene) \
    X(score) \
    X(score_border) \
    X(score_confusion) \
    X(score_distance) \
    X(score_entropy) \
    X(score_agreement) \
    X(score_images) \
    X(score_overlap) \
    X(scores) \
    X(service_manager) \
    X(similarity) \
    X(stats) \
    X(status) \
    X(sums) \
    X(surface) \
    X(surfaces) \
    X(table) \
    X(threads) \
    X(tensor) \
    X(tls) \
    X(token_time) \
    X(token_work) \
    X(tokens) \
    X(visitors) \
    X(wire_read) \
    X(wire_write) \
    X(oracle)
/* clang-format on */

#define X(source) extern const mm_suite mm_suite_##source;
SUITES(X)
#undef X

static const mm_suite *const suites[] = {
#define X(source) &mm_suite_##source,
    SUITES(X)
#undef X
};

enum { SUITE_COUNT = sizeof suites / sizeof suites[0], SKIPPED = 77 };

static const mm_suite *find(const char *name)
{
    for (size_t i = 0; i < SUITE_COUNT; i++)
        if (strcmp(suites[i]->name, name) == 0)
            return suites[i];
    return NULL;
}

static int add(const mm_suite *suite)
{
    CU_SuiteInfo info[] = {{suite->name, NULL, NULL, NULL, NULL, suite->tests}, CU_SUITE_INFO_NULL};

    return CU_register_suites(info) == CUE_SUCCESS;
}

static int unknown(const char *name)
{
    fprintf(stderr, "run_tests: no suite is called '%s'.  There are:", name);
    for (size_t i = 0; i < SUITE_COUNT; i++)
        fprintf(stderr, " %s", suites[i]->name);
    fputc('\n', stderr);
    return 0;
}

/* Registers the named suites, all without names; 0 on failure, which was reported. */
static int choose(size_t count, char **names)
{
    for (size_t i = 0; i < (count > 0 ? count : SUITE_COUNT); i++) {
        const mm_suite *suite = count > 0 ? find(names[i]) : suites[i];

        if (suite == NULL)
            return unknown(names[i]);
        if (!add(suite)) {
            fprintf(stderr, "run_tests: %s: %s\n", suite->name, CU_get_error_msg());
            return 0;
        }
    }
    return 1;
}

int main(int argc, char **argv)
{
    int failed = 1;

    if (argc == 3 && strcmp(argv[1], "--history-writer") == 0) /* started, and killed, by test_history_thread.c */
        return help_writer(argv[2], STDOUT_FILENO);
    if (mm_cpu_refused() != NULL) {
        printf("skipped: this machine lacks the CPU level %s\n", mm_cpu_refused());
        return SKIPPED;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* a run that is cut shows how far it came */
    printf("CPU level %s\n", mm_cpu_level());
    if (CU_initialize_registry() != CUE_SUCCESS) {
        fprintf(stderr, "run_tests: %s\n", CU_get_error_msg());
        return 1;
    }
    if (!choose((size_t)argc - 1, argv + 1)) {
        CU_cleanup_registry();
        return 2;
    }
    CU_basic_set_mode(CU_BRM_NORMAL);
    if (CU_basic_run_tests() == CUE_SUCCESS && CU_get_number_of_tests_run() > 0)
        failed = CU_get_number_of_failure_records() > 0;
    CU_cleanup_registry();
    return failed;
}
