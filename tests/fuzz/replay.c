/*
 * replay.c - runs a fuzz target on files and on every file of folders, without libFuzzer.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/fuzz/target.h"

#define FILE_BYTES ((size_t)1 << 20) /* larger files are cut */

/* Custom mutators ask for it; nobody calls them here. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
    (void)data;
    return size < max_size ? size : max_size;
}

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(FILE_BYTES), *exact;
    size_t size = 0;

    if (file != NULL && bytes != NULL)
        size = fread(bytes, 1, FILE_BYTES, file);
    exact = bytes != NULL ? realloc(bytes, size > 0 ? size : 1) : NULL;
    if (file == NULL || exact == NULL) {
        (void)fprintf(stderr, "cannot read %s\n", path);
        return 0;
    }
    (void)fclose(file);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 1;
}

static size_t replay_folder(const char *path)
{
    DIR *folder = opendir(path);
    size_t count = 0;

    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char name[4096];

        if (entry->d_name[0] != '.' && snprintf(name, sizeof name, "%s/%s", path, entry->d_name) < (int)sizeof name)
            count += (size_t)replay_file(name);
    }
    if (folder != NULL)
        (void)closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    size_t count = 0;

    for (int i = 1; i < argc; i++) {
        struct stat status;

        if (stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode))
            count += replay_folder(argv[i]);
        else
            count += (size_t)replay_file(argv[i]);
    }
    (void)printf("%zu inputs\n", count);
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
