/*
 * fuzz_config.c - libFuzzer: any bytes as a configuration file.
 *
 * Errors name the file and the line; what is accepted, printed, reads back to the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/config.h"
#include "tests/fuzz/target.h"

/* Reads a file of these bytes. */
static mm_status read_config(mm_config **config, const void *bytes, size_t size, char *text, size_t room)
{
    static int fd = -1;
    static char path[32], name[] = "maskmeter", flag[] = "--config";
    char *arguments[] = {name, flag, path, NULL}, *environment[] = {NULL};

    if (fd < 0) {
        fd = memfd_create("fuzz", 0);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    demand(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, bytes, size, 0) == (ssize_t)size);
    return mm_config_read(config, 3, arguments, environment, text, room);
}

static void check_again(const mm_config *config)
{
    char *printed = mm_config_print(config), *again = NULL, text[512];
    mm_config *other = NULL;

    demand(printed != NULL && read_config(&other, printed, strlen(printed), text, sizeof text) == MM_OK);
    again = mm_config_print(other);
    demand(again != NULL && strcmp(printed, again) == 0);
    mm_config_free(other);
    free(printed);
    free(again);
}

/* A wrong line is named; what lines mean together is said of the settings. */
static void check_fault(const char *text)
{
    static const char *const settings[] = {"memory ", "max-body ", "backend ", "tls-cert ", "cors-origin "};
    int named = strncmp(text, "/proc/self/fd/", 14) == 0 && strstr(text, " line ") != NULL;

    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        named |= strncmp(text, settings[i], strlen(settings[i])) == 0;
    demand(named && strlen(text) < 511);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[512] = "";
    mm_config *config = NULL;

    if (read_config(&config, data, size, text, sizeof text) == MM_OK)
        check_again(config);
    else
        check_fault(text);
    mm_config_free(config);
    return 0;
}
