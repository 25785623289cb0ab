/*
 * reply.h - the one place where answers become JSON, problems included.
 */
#ifndef MM_REPLY_H
#define MM_REPLY_H

#include "lib/maskmeter.h"
#include "server/history.h"

typedef struct mm_json mm_json; /* a JSON value under construction; errors are sticky */

/* Everything that an evaluation's answer shows (API.md section 5). */
typedef struct mm_report {
    const mm_images *images;
    const mm_plan *plan;
    const mm_results *results;
    const char *const *class_names; /* mm_images_classes() of them */
    /* evaluation: run NULL when nothing is stored */
    const char *run, *split, *part;               /* part NULL for a merged evaluation */
    int64_t step, parts_received, parts_expected; /* expected -1: null */
    mm_warning warning;
    int include_images, include_confusion, include_explain, include_histogram;
    double receive_ms, compute_ms; /* < 0: left out */
    unsigned threads;
} mm_report;

/* All of these return malloc'ed JSON text and its size; NULL: out of memory. */
char *mm_reply_report(const mm_report *report, size_t *size);
/* RFC 9457.  title NULL: the status' own words.  problem may be NULL. */
char *mm_reply_problem(int status, const char *title, const mm_problem *problem, const char *request_id, size_t *size);
char *mm_reply_scores(size_t *size);                           /* the registry */
char *mm_reply_score(const mm_score_info *info, size_t *size); /* one score of it */
char *mm_reply_runs(const mm_run_list *list, size_t *size);
char *mm_reply_run(const mm_run_row *row, size_t *size);
char *mm_reply_run_evaluations(const char *run, const mm_evaluation_list *list, size_t *size);

/* The shortest of 15, 16, 17 digits that reads back to the same double; "null" for what JSON cannot say.
 * text holds at least 32 bytes. */
void mm_format_number(double number, char *text);
const char *mm_status_title(int http_status);

#endif
