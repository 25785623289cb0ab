/*
 * test_command.c - flags of the commands, and files in every coding.
 */
#include "tests/suites.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/cmd.h"
#include "server/command.h"
#include "tests/capture.h"
#include "tests/wire_tools.h"

/* ------------------------------------------------------------------- flags */

typedef struct line {
    char *arguments[8]; /* argv[0] .. */
} line;

static int count(const line *l)
{
    int n = 0;

    while (n < 8 && l->arguments[n] != NULL)
        n++;
    return n;
}

static void good_flags(void)
{
    line l = {{"push", "--scores=dice", "a.st", "--url", "http://x", "--json", "--", "--b.st"}};
    mm_command command;

    CU_ASSERT_EQUAL(mm_command_read(&command, count(&l), l.arguments, 1), MM_EXIT_FINE);
    CU_ASSERT_STRING_EQUAL(mm_query_get(&command.params, "scores"), "dice");
    CU_ASSERT_STRING_EQUAL(command.url, "http://x");
    CU_ASSERT_EQUAL(command.json, 1);
    CU_ASSERT_EQUAL(command.help, 0);
    CU_ASSERT_EQUAL(command.file_count, 2);
    CU_ASSERT_STRING_EQUAL(command.files[0], "a.st");
    CU_ASSERT_STRING_EQUAL(command.files[1], "--b.st");
    mm_command_free(&command);
}

static void bad_flags(void)
{
    static const struct {
        line l;
        const char *said;
    } cases[] = {
        {{{"eval"}}, "no file"},
        {{{"eval", "--scors=dice", "a"}}, "did you mean scores"},
        {{{"eval", "--url=http://x", "a"}}, "no such parameter"},
        {{{"eval", "--scores=dice", "--scores=iou", "a"}}, "twice"},
        {{{"eval", "a", "--scores"}}, "a value is missing"},
        {{{"eval", "-v", "a"}}, "no such flag"},
        {{{"eval", "--=x", "a"}}, "no such flag"},
        {{{"eval", "--run=a\nb", "a"}}, "control character"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        line l = cases[i].l;
        mm_command command;
        capture said;

        capture_begin(&said);
        CU_ASSERT_EQUAL(mm_command_read(&command, count(&l), l.arguments, 0), MM_EXIT_USAGE);
        capture_end(&said);
        CU_ASSERT_PTR_NOT_NULL(strstr(said.err, cases[i].said));
        capture_free(&said);
        mm_command_free(&command);
    }
}

static void help_needs_nothing_else(void)
{
    line l = {{"eval", "--help"}};
    mm_command command;

    CU_ASSERT_EQUAL(mm_command_read(&command, count(&l), l.arguments, 0), MM_EXIT_FINE);
    CU_ASSERT_EQUAL(command.help, 1);
    mm_command_free(&command);
}

static void complaints(void)
{
    mm_problem problem = {.param = "", .tensor = "pred", .has_index = 1, .index = 7, .text = "is not a number"};
    capture said;

    capture_begin(&said);
    mm_command_complain("eval", "a.st", &problem);
    capture_end(&said);
    CU_ASSERT_STRING_EQUAL(said.err, "maskmeter eval: a.st: tensor pred[7]: is not a number\n");
    capture_free(&said);
}

/* ------------------------------------------------------------------- files */

/* What `tool` (of the system) makes of these bytes, in a new file whose name is left in path. */
static int coded_file(const unsigned char *bytes, size_t size, const char *tool, char path[64])
{
    char command[160];
    FILE *pipe;
    int file;

    snprintf(path, 64, "%s/mm-command-XXXXXX", P_tmpdir);
    file = mkstemp(path);
    CU_ASSERT_FATAL(file >= 0);
    close(file);
    snprintf(command, sizeof command, "%s > %s", tool, path);
    pipe = popen(command, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
    fwrite(bytes, 1, size, pipe);
    return pclose(pipe) == 0;
}

/* Large enough that buffers must grow: it compresses a thousandfold. */
#define FILE_BYTES ((size_t)12 << 20)

static void read_files(void)
{
    static const struct {
        const char *tool, *coding;
    } cases[] = {{"cat", NULL}, {"gzip -c", "gzip"}, {"zstd -qc", "zstd"}};
    unsigned char *bytes = calloc(FILE_BYTES, 1);

    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    for (size_t i = 0; i < 4096; i++)
        bytes[i * (FILE_BYTES / 4096)] = (unsigned char)i;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[64];
        unsigned char *back = NULL;
        size_t size = 0;
        mm_problem problem = {.has_index = 0};

        if (coded_file(bytes, FILE_BYTES, cases[i].tool, path)) { /* zstd may be missing here */
            CU_ASSERT_EQUAL(mm_file_read(path, SIZE_MAX, &back, &size, &problem), 1);
            CU_ASSERT_EQUAL(size, FILE_BYTES);
            CU_ASSERT(back != NULL && size == FILE_BYTES && memcmp(back, bytes, size) == 0);
            free(back);
            back = NULL;
            CU_ASSERT_EQUAL(mm_file_read(path, 1000, &back, &size, &problem), 1); /* a look at its front */
            CU_ASSERT(size > 0 && size <= FILE_BYTES);
            CU_ASSERT(back != NULL && memcmp(back, bytes, size) == 0);
            free(back);
        } else {
            CU_ASSERT_STRING_EQUAL(cases[i].coding, "zstd");
        }
        unlink(path);
    }
    free(bytes);
}

static void broken_files(void)
{
    static const unsigned char cut[] = {0x1F, 0x8B, 0x08, 0, 0, 0, 0, 0, 0, 3};
    char path[64];
    unsigned char *back = NULL;
    size_t size = 0;
    mm_problem problem = {.has_index = 0};

    CU_ASSERT_EQUAL(coded_file(cut, sizeof cut, "cat", path), 1);
    CU_ASSERT_EQUAL(mm_file_read(path, SIZE_MAX, &back, &size, &problem), 0);
    CU_ASSERT_NOT_EQUAL(problem.text[0], '\0');
    unlink(path);
    CU_ASSERT_EQUAL(mm_file_read(path, SIZE_MAX, &back, &size, &problem), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "No such file"));
    CU_ASSERT_EQUAL(mm_file_read("/", SIZE_MAX, &back, &size, &problem), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, "directory"));
    CU_ASSERT_PTR_NULL(back);
}

static void codings(void)
{
    static const unsigned char plain[] = {0x28, 0, 0, 0, 0, 0, 0, 0}, zstd[] = {0x28, 0xB5, 0x2F, 0xFD};

    CU_ASSERT_PTR_NULL(mm_file_coding(plain, sizeof plain));
    CU_ASSERT_PTR_NULL(mm_file_coding(zstd, 3));
    CU_ASSERT_STRING_EQUAL(mm_file_coding(zstd, 4), "zstd");
}

static CU_TestInfo tests[] = {{"flags", good_flags},
                              {"bad flags", bad_flags},
                              {"help", help_needs_nothing_else},
                              {"complaints", complaints},
                              {"files in every coding", read_files},
                              {"broken files", broken_files},
                              {"codings by their first bytes", codings},
                              CU_TEST_INFO_NULL};

const mm_suite mm_suite_command = {"command", tests};
