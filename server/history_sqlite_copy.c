/*
 * history_sqlite_copy.c - the history copied into one file, and back.
 *
 * A backup is read through a connection like any other reader's: one snapshot, no checkpoint.  What it writes has
 * another name until it is whole, looked through and synced.
 */
#include "server/history_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/history_rows.h"
#include "server/history_sqlite_check.h"

#define STEP_PAGES  1024 /* 4 MiB between looks at whether to go on */
#define BUSY_MS     5000
#define CHUNK_BYTES ((size_t)1 << 20)

/* Everything that a copy holds until its end. */
typedef struct copy {
    const mm_copy_options *options;
    mm_copy_facts *facts;
    mm_problem *problem;
    char *source, *target, *partial; /* the partial one becomes the target */
    int made;                        /* is there a partial file of ours? */
    int lock;
    sqlite3 *from, *to;
} copy;

static mm_store_status failed(copy *c, const char *what, const char *file)
{
    mm_store_explain(c->problem, "", "%s %s: %s", what, file, strerror(errno));
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? MM_STORE_FULL : MM_STORE_FATAL;
}

static mm_store_status broken(copy *c, const char *what, const char *file, int code)
{
    if ((code & 0xFF) == SQLITE_CORRUPT || (code & 0xFF) == SQLITE_NOTADB)
        mm_store_explain(c->problem, "", "%s is damaged, or not a history at all", file);
    else
        mm_store_explain(c->problem, "", "%s %s: %s", what, file, sqlite3_errstr(code));
    return (code & 0xFF) == SQLITE_FULL ? MM_STORE_FULL : MM_STORE_FATAL;
}

static int go_on(const copy *c, int64_t done, int64_t total)
{
    return c->options->progress == NULL || c->options->progress(c->options->context, done, total);
}

static mm_store_status stopped(copy *c)
{
    mm_store_explain(c->problem, "", "stopped");
    return MM_STORE_BUSY;
}

static int is_there(const char *file)
{
    return access(file, F_OK) == 0;
}

/* ------------------------------------------------------------------- files */

static char *joined(const char *a, const char *b)
{
    char *text = NULL;

    return asprintf(&text, "%s%s", a, b) < 0 ? NULL : text;
}

static mm_store_status sync_path(copy *c, const char *path, int flags)
{
    const int descriptor = open(path, flags | O_CLOEXEC);
    const int synced = descriptor >= 0 && fsync(descriptor) == 0;
    mm_store_status status = synced ? MM_STORE_OK : failed(c, "cannot sync", path);

    if (descriptor >= 0)
        close(descriptor);
    return status;
}

static mm_store_status sync_directory_of(copy *c, const char *file)
{
    char *directory = strdup(file);

    if (directory == NULL)
        return failed(c, "cannot sync", file);
    char *slash = strrchr(directory, '/');

    if (slash != NULL)
        slash[slash == directory] = '\0';
    const mm_store_status status = sync_path(c, slash != NULL ? directory : ".", O_RDONLY | O_DIRECTORY);

    free(directory);
    return status;
}

/* An empty file for this user alone, that was not there before. */
static mm_store_status make_partial(copy *c, int *descriptor)
{
    *descriptor = mkostemp(c->partial, O_CLOEXEC);
    if (*descriptor < 0)
        return failed(c, "cannot make", c->partial);
    c->made = 1;
    return MM_STORE_OK;
}

/* The partial file gets its name.  It must not take that of another unless it may, not even of one just made. */
static int take_name(const copy *c, int replace)
{
    if (!replace) {
        if (renameat2(AT_FDCWD, c->partial, AT_FDCWD, c->target, RENAME_NOREPLACE) == 0)
            return 1;
        if (errno != EINVAL && errno != ENOSYS) /* file systems that cannot */
            return 0;
    }
    return rename(c->partial, c->target) == 0;
}

static mm_store_status name_it(copy *c, int replace)
{
    if (!take_name(c, replace))
        return failed(c, "cannot make", c->target);
    c->made = 0;
    return sync_directory_of(c, c->target);
}

/* With what SQLite may have made beside it. */
static void remove_partial(const copy *c)
{
    static const char *const endings[] = {"", "-journal", "-wal", "-shm"};

    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char *path = joined(c->partial, endings[i]);

        if (path != NULL)
            unlink(path);
        free(path);
    }
}

static void end_copy(copy *c)
{
    sqlite3_close(c->from);
    sqlite3_close(c->to);
    if (c->made)
        remove_partial(c);
    if (c->lock >= 0)
        close(c->lock);
    free(c->source);
    free(c->target);
    free(c->partial);
}

/* ---------------------------------------------------------------- checking */

static int count(sqlite3 *db, const char *sql, int64_t *out)
{
    char answer[32];
    const int code = mm_sqlite_ask(db, sql, answer, sizeof answer);

    *out = strtoll(answer, NULL, 10);
    return code;
}

/* Opens the partial file, which is not in use, looks through it, and leaves it without a log. */
static mm_store_status check_partial(copy *c, const char *name, const char *pragma)
{
    mm_problem reason = {0};
    char mode[16];
    int code =
        sqlite3_open_v2(c->partial, &c->to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    if (code == SQLITE_OK)
        code = mm_sqlite_check_kind(c->to, name, &c->facts->version, &reason);
    if (code == SQLITE_OK && c->facts->version == 0) {
        mm_store_explain(&reason, "", "%s is empty: no history", name);
        code = SQLITE_MISUSE;
    }
    if (code == SQLITE_OK)
        code = mm_sqlite_check_pages(c->to, pragma);
    if (code == SQLITE_OK)
        code = mm_sqlite_ask(c->to, "PRAGMA journal_mode = DELETE", mode, sizeof mode);
    if (code == SQLITE_OK)
        code = count(c->to, "SELECT count(*) FROM runs", &c->facts->runs);
    if (code == SQLITE_OK)
        code = count(c->to, "SELECT count(*) FROM parts", &c->facts->parts);
    sqlite3_close(c->to);
    c->to = NULL;
    c->facts->bytes = mm_sqlite_file_size(c->partial);
    if (code == SQLITE_OK)
        return MM_STORE_OK;
    if (reason.text[0] == '\0')
        return broken(c, "cannot read", name, code);
    if (c->problem != NULL)
        *c->problem = reason;
    return MM_STORE_FATAL;
}

/* ------------------------------------------------------------------ backup */

/* A snapshot of the source: as for every reader, what comes later is not seen. */
static mm_store_status open_source(copy *c)
{
    char answer[16];
    int code =
        sqlite3_open_v2(c->source, &c->from, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(c->from, BUSY_MS);
    if (code == SQLITE_OK)
        code = sqlite3_db_config(c->from, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(c->from, "PRAGMA wal_autocheckpoint = 0; PRAGMA query_only = ON; BEGIN", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = mm_sqlite_ask(c->from, "SELECT count(*) FROM sqlite_schema", answer, sizeof answer);
    return code == SQLITE_OK ? MM_STORE_OK : broken(c, "cannot read", c->source, code);
}

static mm_store_status copy_pages(copy *c)
{
    int code =
        sqlite3_open_v2(c->partial, &c->to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    /* Nobody reads the partial file before it is whole: what was written is synced once, at the end. */
    if (code == SQLITE_OK)
        code = sqlite3_exec(c->to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return broken(c, "cannot write", c->partial, code);
    sqlite3_backup *backup = sqlite3_backup_init(c->to, "main", c->from, "main");

    if (backup == NULL)
        return broken(c, "cannot write", c->partial, sqlite3_extended_errcode(c->to));
    int wanted = 1;

    do {
        code = sqlite3_backup_step(backup, STEP_PAGES);
        const int64_t total = sqlite3_backup_pagecount(backup);

        wanted = go_on(c, total - sqlite3_backup_remaining(backup), total);
    } while (code == SQLITE_OK && wanted);
    sqlite3_backup_finish(backup);
    sqlite3_close(c->to);
    c->to = NULL;
    if (code == SQLITE_DONE)
        return MM_STORE_OK;
    return wanted ? broken(c, "cannot copy to", c->partial, code) : stopped(c);
}

/* Is it the name of a file that a server has in use?  In the directory of the history, that is. */
static int is_in_use(const copy *c)
{
    static const char *const names[] = {"maskmeter.db",         "maskmeter.db-wal", "maskmeter.db-shm",
                                        "maskmeter.db-journal", "maskmeter.lock",   "admin.sock"};
    const char *slash = strrchr(c->target, '/');
    const char *name = slash != NULL ? slash + 1 : c->target;
    char *directory = slash != NULL ? strndup(c->target, (size_t)(name - c->target)) : strdup(".");
    struct stat ours, theirs;
    int same = directory == NULL; /* out of memory: it might be */

    if (directory != NULL && stat(directory, &theirs) == 0 && stat(c->options->directory, &ours) == 0)
        same = ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
    free(directory);
    for (size_t i = 0; same && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return 1;
    return 0;
}

/* A copy takes the place of nothing, or when it may of another file: of no link, device, or part of a history. */
static mm_store_status check_target(copy *c)
{
    struct stat info;

    if (is_in_use(c)) {
        mm_store_explain(c->problem, "", "%s belongs to the history itself: name another file", c->target);
        return MM_STORE_CONFLICT;
    }
    if (lstat(c->target, &info) != 0)
        return errno == ENOENT ? MM_STORE_OK : failed(c, "cannot make", c->target);
    if (!S_ISREG(info.st_mode)) {
        mm_store_explain(c->problem, "", "%s is there already, and is no file: name another", c->target);
        return MM_STORE_CONFLICT;
    }
    if (c->options->force)
        return MM_STORE_OK;
    mm_store_explain(c->problem, "", "%s is there already: say --force to replace it", c->target);
    return MM_STORE_CONFLICT;
}

static mm_store_status back_up(copy *c)
{
    int descriptor = -1;

    if (!is_there(c->source)) {
        if (errno != ENOENT)
            return failed(c, "cannot read", c->source);
        mm_store_explain(c->problem, "", "there is no history at %s", c->source);
        return MM_STORE_NOT_FOUND;
    }
    mm_store_status status = check_target(c);

    if (status == MM_STORE_OK)
        status = make_partial(c, &descriptor);
    if (descriptor >= 0)
        close(descriptor);
    if (status == MM_STORE_OK)
        status = open_source(c);
    if (status == MM_STORE_OK)
        status = copy_pages(c);
    if (status == MM_STORE_OK)
        status = check_partial(c, c->source, "quick_check");
    if (status == MM_STORE_OK)
        status = sync_path(c, c->partial, O_RDONLY);
    return status == MM_STORE_OK ? name_it(c, c->options->force) : status;
}

mm_store_status mm_history_backup(const mm_copy_options *options, mm_copy_facts *facts, mm_problem *problem)
{
    copy c = {.options = options, .facts = facts, .problem = problem, .lock = -1};
    mm_store_status status = MM_STORE_BUSY;

    c.source = joined(options->directory, "/maskmeter.db");
    c.target = strdup(options->file);
    c.partial = joined(options->file, ".partial-XXXXXX");
    if (c.source != NULL && c.target != NULL && c.partial != NULL)
        status = back_up(&c);
    else
        mm_store_explain(problem, "", "out of memory");
    end_copy(&c);
    return status;
}

/* ----------------------------------------------------------------- restore */

static mm_store_status take_lock(copy *c)
{
    char *path = joined(c->options->directory, "/maskmeter.lock");
    mm_store_status status = MM_STORE_OK;

    if (path != NULL)
        c->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (c->lock < 0)
        status = failed(c, "cannot open the lock in", c->options->directory);
    else if (flock(c->lock, LOCK_EX | LOCK_NB) != 0) {
        mm_store_explain(c->problem, "", "a server uses %s: stop it first", c->options->directory);
        status = MM_STORE_CONFLICT;
    }
    free(path);
    return status;
}

static mm_store_status copy_bytes(copy *c, int from, int to, int64_t total)
{
    unsigned char *chunk = malloc(CHUNK_BYTES);
    int64_t done = 0;
    ssize_t size = 0;

    if (chunk == NULL)
        return failed(c, "cannot read", c->source);
    while ((size = read(from, chunk, CHUNK_BYTES)) > 0) {
        for (ssize_t written = 0, n; written < size; written += n) {
            n = write(to, chunk + written, (size_t)(size - written));
            if (n <= 0) {
                free(chunk);
                return failed(c, "cannot write", c->partial);
            }
        }
        done += size;
        if (!go_on(c, done, total)) {
            free(chunk);
            return stopped(c);
        }
    }
    free(chunk);
    return size < 0 ? failed(c, "cannot read", c->source) : MM_STORE_OK;
}

/* As the directory's owner will have it: a restore by root must not lock its server out. */
static int give_to_owner(const copy *c, int descriptor)
{
    struct stat info;

    return geteuid() != 0 ||
           (stat(c->options->directory, &info) == 0 && fchown(descriptor, info.st_uid, info.st_gid) == 0 &&
            fchown(c->lock, info.st_uid, info.st_gid) == 0);
}

/* The bytes into the directory, under another name: what is looked through is what will be used. */
static mm_store_status bring_in(copy *c)
{
    int to = -1;
    mm_store_status status = MM_STORE_OK;
    struct stat info;
    const int from = open(c->source, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe would be waited for */

    if (from < 0 || fstat(from, &info) != 0)
        status = failed(c, "cannot read", c->source);
    else if (!S_ISREG(info.st_mode)) {
        mm_store_explain(c->problem, "", "%s is no file", c->source);
        status = MM_STORE_FATAL;
    }
    if (status == MM_STORE_OK)
        status = make_partial(c, &to);
    if (status == MM_STORE_OK)
        status = copy_bytes(c, from, to, (int64_t)info.st_size);
    if (status == MM_STORE_OK && !give_to_owner(c, to))
        status = failed(c, "cannot give away", c->partial);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return status;
}

/* A second name for the old file and its log, so that nothing of them is lost whenever the machine stops. */
static mm_store_status keep_old(copy *c, const char *log, char *kept, size_t size)
{
    const time_t now = time(NULL);
    struct tm utc;
    char stamp[24] = "";
    mm_store_status status = MM_STORE_OK;

    (void)gmtime_r(&now, &utc);
    (void)strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
    if ((size_t)snprintf(kept, size, "%s.before-%s", c->target, stamp) >= size) {
        errno = ENAMETOOLONG;
        return failed(c, "cannot keep", c->target);
    }
    char *kept_log = joined(kept, "-wal");

    if (kept_log == NULL || link(c->target, kept) != 0 || (is_there(log) && link(log, kept_log) != 0))
        status = failed(c, "cannot keep the old history as", kept);
    free(kept_log);
    return status == MM_STORE_OK ? sync_directory_of(c, c->target) : status;
}

/* The log of the old file must not be taken for that of the new one. */
static mm_store_status put_in_place(copy *c, char *kept, size_t size)
{
    char *log = joined(c->target, "-wal"), *shared = joined(c->target, "-shm");
    mm_store_status status = MM_STORE_OK;

    if (log == NULL || shared == NULL)
        status = failed(c, "cannot replace", c->target);
    else if (mm_sqlite_file_size(c->target) > 0)
        status = keep_old(c, log, kept, size);
    if (status == MM_STORE_OK && ((unlink(log) != 0 && errno != ENOENT) || (unlink(shared) != 0 && errno != ENOENT)))
        status = failed(c, "cannot remove the log of", c->target);
    if (status == MM_STORE_OK)
        status = sync_directory_of(c, c->target);
    if (status == MM_STORE_OK)
        status = name_it(c, 1);
    free(log);
    free(shared);
    return status;
}

static mm_store_status restore(copy *c, char *kept, size_t size)
{
    if (mkdir(c->options->directory, 0700) != 0 && errno != EEXIST)
        return failed(c, "cannot make", c->options->directory);
    mm_store_status status = take_lock(c);

    if (status == MM_STORE_OK && !c->options->force && mm_sqlite_file_size(c->target) > 0) {
        mm_store_explain(c->problem, "", "%s is there already: say --force to replace it and keep it beside",
                         c->target);
        status = MM_STORE_CONFLICT;
    }
    if (status == MM_STORE_OK)
        status = bring_in(c);
    if (status == MM_STORE_OK)
        status = check_partial(c, c->source, "integrity_check");
    if (status == MM_STORE_OK)
        status = sync_path(c, c->partial, O_RDONLY);
    return status == MM_STORE_OK ? put_in_place(c, kept, size) : status;
}

/* The log beside a file that was copied by hand holds the newest of it. */
static int has_log(copy *c)
{
    char *log = joined(c->source, "-wal");
    const int found = log != NULL && mm_sqlite_file_size(log) > 0;

    if (found)
        mm_store_explain(c->problem, "", "%s has a log beside it: make the copy with `maskmeter backup`", c->source);
    free(log);
    return found;
}

mm_store_status mm_history_restore(const mm_copy_options *options, mm_copy_facts *facts, char *kept, size_t size,
                                   mm_problem *problem)
{
    copy c = {.options = options, .facts = facts, .problem = problem, .lock = -1};
    mm_store_status status = MM_STORE_BUSY;

    kept[0] = '\0';
    c.source = strdup(options->file);
    c.target = joined(options->directory, "/maskmeter.db");
    c.partial = joined(options->directory, "/maskmeter.db.partial-XXXXXX");
    if (c.source == NULL || c.target == NULL || c.partial == NULL)
        mm_store_explain(problem, "", "out of memory");
    else
        status = has_log(&c) ? MM_STORE_CONFLICT : restore(&c, kept, size);
    end_copy(&c);
    return status;
}
