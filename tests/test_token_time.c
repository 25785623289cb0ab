/*
 * test_token_time.c - neither the time that the check of a token takes nor the way that it goes tells of a secret.
 */
#include "tests/suites.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/tokens.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND                0
#define VALGRIND_COUNT_ERRORS              0
#define VALGRIND_MAKE_MEM_UNDEFINED(at, n) ((void)(at), (void)(n))
#endif

#define NOW    INT64_C(1800000000000)
#define SECRET MM_TOKEN_ID_SIZE /* where it begins in the text */

/* A table of one token, which the text is. */
typedef struct scene {
    mm_tokens *tokens;
    mm_token *row;
    unsigned char digest[32]; /* of the text's secret */
    char text[MM_TOKEN_SIZE + 1];
} scene;

static void open_scene(scene *s)
{
    mm_token token = {.scopes = MM_SCOPE_READ, .project = "p"};
    char removed[MM_TOKEN_ID_SIZE + 1];

    CU_ASSERT_EQUAL_FATAL(mm_tokens_new(&s->tokens), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_token_make(&token, s->text), MM_OK);
    CU_ASSERT_EQUAL_FATAL(mm_tokens_add(s->tokens, &token, NOW, removed), MM_OK);
    s->row = mm_tokens_find(s->tokens, token.id);
    memcpy(s->digest, s->row->digest, sizeof s->digest);
}

/* ------------------------------------------------------------------- branches */

static mm_verdict check(const scene *s)
{
    mm_verdict verdict = MM_TOKEN_MALFORMED;
    mm_token token;

    CU_ASSERT_EQUAL(mm_tokens_check(s->tokens, s->text, MM_TOKEN_SIZE, NOW, &verdict, &token), MM_OK);
    return verdict;
}

/* How many branches and addresses depended on the secret that is sent, or on the digest that is kept. */
static unsigned count_looks(const scene *s, mm_verdict expected)
{
    const unsigned before = VALGRIND_COUNT_ERRORS;

    VALGRIND_MAKE_MEM_UNDEFINED(s->text + SECRET, MM_TOKEN_SIZE - SECRET);
    VALGRIND_MAKE_MEM_UNDEFINED(s->row->digest, sizeof s->row->digest);
    return check(s) == expected ? VALGRIND_COUNT_ERRORS - before : 99;
}

/* In a child, where what valgrind complains of is no fault. */
static unsigned looks(const scene *s, mm_verdict expected)
{
    int ends[2], status;
    unsigned count = 99;
    pid_t child;

    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        count = count_looks(s, expected);
        _exit(write(ends[1], &count, sizeof count) != sizeof count);
    }
    CU_ASSERT_TRUE_FATAL(child > 0);
    CU_ASSERT_EQUAL(read(ends[0], &count, sizeof count), sizeof count);
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return count;
}

/* The two things that everybody is told anyway: is it a token, is it a token of this server. */
static void test_no_branch(void)
{
    const unsigned form = RUNNING_ON_VALGRIND ? 1 : 0, both = RUNNING_ON_VALGRIND ? 2 : 0;
    scene s;

    open_scene(&s);
    CU_ASSERT_EQUAL(looks(&s, MM_TOKEN_GOOD), both);
    for (size_t i = 0; i < sizeof s.row->digest; i += sizeof s.row->digest - 1) {
        s.row->digest[i] ^= 1;
        CU_ASSERT_EQUAL(looks(&s, MM_TOKEN_UNKNOWN), both);
        s.row->digest[i] ^= 1;
    }
    for (size_t i = SECRET; i < MM_TOKEN_SIZE; i += 7) {
        const char kept = s.text[i];

        s.text[i] = kept == 'x' ? '?' : 'x';
        CU_ASSERT_EQUAL(looks(&s, MM_TOKEN_MALFORMED), form);
        s.text[i] = kept;
    }
    mm_tokens_free(s.tokens);
}

/* ----------------------------------------------------------------------- time */

#define SAMPLES 1000000 /* of two kinds, mixed */

typedef struct sample_sums {
    double count, sum, squares;
} sample_sums;

/* How the two kinds differ.  All is written each time, so that nothing else does. */
typedef void set_kind(scene *s, unsigned kind);

/* The digest that is kept differs from the sent one in its first byte, or in its last. */
static void set_digest(scene *s, unsigned kind)
{
    s->row->digest[0] = (unsigned char)(s->digest[0] ^ (kind ^ 1));
    s->row->digest[sizeof s->digest - 1] = (unsigned char)(s->digest[sizeof s->digest - 1] ^ kind);
}

/* The id is known, with another digest, or it is not. */
static void set_id(scene *s, unsigned kind)
{
    mm_token token = *s->row;
    char removed[MM_TOKEN_ID_SIZE + 1];

    mm_tokens_remove(s->tokens, token.id);
    token.id[MM_TOKEN_ID_SIZE - 1] = (char)(s->text[MM_TOKEN_ID_SIZE - 1] ^ (char)kind);
    token.digest[0] = s->digest[0] ^ 1;
    (void)mm_tokens_add(s->tokens, &token, NOW, removed);
}

/* Nanoseconds that a check takes. */
static double take_sample(scene *s, set_kind *set, unsigned kind)
{
    struct timespec begin, end;
    mm_verdict verdict;
    mm_token token;

    set(s, kind);
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    (void)mm_tokens_check(s->tokens, s->text, MM_TOKEN_SIZE, NOW, &verdict, &token);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    CU_ASSERT_EQUAL(verdict, MM_TOKEN_UNKNOWN);
    return (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* What nine of ten samples stay below; the others were interrupted. */
static double usual_time(scene *s, set_kind *set)
{
    static double times[10000];
    const size_t count = sizeof times / sizeof times[0];

    for (size_t i = 0; i < count; i++)
        times[i] = take_sample(s, set, i & 1);
    qsort(times, count, sizeof times[0], by_size);
    return times[count * 9 / 10];
}

/* Welch's t of the times of the two kinds, which take turns at random. */
static double welch(scene *s, set_kind *set, const char *name)
{
    const double limit = usual_time(s, set);
    sample_sums kinds[2] = {{0.0, 0.0, 0.0}, {0.0, 0.0, 0.0}};
    double mean[2], error = 0.0;
    uint32_t state = (uint32_t)time(NULL);

    for (int i = 0; i < SAMPLES; i++) {
        state = state * 1664525u + 1013904223u;
        sample_sums *kind = &kinds[state >> 31];
        const double time = take_sample(s, set, state >> 31);

        if (time > limit)
            continue;
        kind->count += 1.0;
        kind->sum += time;
        kind->squares += time * time;
    }
    for (int k = 0; k < 2; k++) {
        mean[k] = kinds[k].sum / kinds[k].count;
        error += (kinds[k].squares / kinds[k].count - mean[k] * mean[k]) / kinds[k].count;
    }
    (void)printf("    %s: of %d checks, the means are %.1f and %.1f ns, t = %.2f\n", name, SAMPLES, mean[0], mean[1],
                 (mean[0] - mean[1]) / sqrt(error));
    return (mean[0] - mean[1]) / sqrt(error);
}

/* A secret of the same beginning takes as long as any other, so that nobody can guess byte by byte; and so does an id
 * that nobody has. */
static void test_time_tells_nothing(void)
{
    const char *shortened = getenv("MASKMETER_TEST_SHORT"), *slowness = getenv("MASKMETER_TEST_SLOWNESS");
    scene s;

    if ((shortened != NULL && shortened[0] != '\0') || slowness != NULL)
        return;
    open_scene(&s);
    CU_ASSERT(fabs(welch(&s, set_digest, "first or last byte")) < 4.5);
    CU_ASSERT(fabs(welch(&s, set_id, "known or unknown id")) < 4.5);
    mm_tokens_free(s.tokens);
}

static CU_TestInfo tests[] = {
    {"no branch depends on a secret (under valgrind)", test_no_branch},
    {"time tells nothing (long form)", test_time_tells_nothing},
    CU_TEST_INFO_NULL,
};

const mm_suite mm_suite_token_time = {"token_time", tests};
