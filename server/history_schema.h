/*
 * history_schema.h - the tables of the SQLite history, as numbered migrations.
 *
 * Append, never edit: a file says in its user_version how many of these it has seen.
 *
 *   runs         1 : n  splits        what the list of runs shows, kept as evaluations come
 *   runs         1 : n  evaluations   what the first part has set
 *   evaluations  1 : n  parts         the image records of one upload, as mm_images_save() writes them
 *   evaluations  1 : n  scores        merged value of each score, in the order asked for
 *   scores       1 : n  class_scores  the same per class; classes that were not chosen have no row
 *
 * Times are ms since 1970.  A value that is not defined is NULL with its mm_reason.
 */
#ifndef MM_HISTORY_SCHEMA_H
#define MM_HISTORY_SCHEMA_H

#define MM_SQLITE_APPLICATION 0x4d4d7472 /* "MMtr": application_id of our files */

static const char *const mm_sqlite_migrations[] = {
    /* 1 */
    "CREATE TABLE runs ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT," /* never used twice: cursors and caches rely on it */
    " project TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " created INTEGER NOT NULL,"
    " updated INTEGER NOT NULL,"
    " UNIQUE (project, name)) STRICT;"
    "CREATE INDEX runs_newest ON runs (project, created, id);"

    "CREATE TABLE splits ("
    " run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,"
    " name TEXT NOT NULL,"
    " evaluations INTEGER NOT NULL,"
    " first_step INTEGER NOT NULL,"
    " last_step INTEGER NOT NULL,"
    " PRIMARY KEY (run, name)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE evaluations ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,"
    " split TEXT NOT NULL,"
    " step INTEGER NOT NULL,"
    " time INTEGER NOT NULL,"
    " classes TEXT NOT NULL,"
    " class_count INTEGER NOT NULL,"
    " task INTEGER NOT NULL,"
    " threshold REAL NOT NULL,"
    " ignore_index INTEGER,"
    " scores TEXT NOT NULL,"
    " weights TEXT NOT NULL,"
    " parts_expected INTEGER,"
    " parts_received INTEGER NOT NULL DEFAULT 0,"
    " images INTEGER NOT NULL DEFAULT 0,"
    " UNIQUE (run, split, step)) STRICT;"
    "CREATE INDEX evaluations_newest ON evaluations (run, time, id);"

    "CREATE TABLE parts ("
    " id INTEGER PRIMARY KEY,"
    " evaluation INTEGER NOT NULL REFERENCES evaluations (id) ON DELETE CASCADE,"
    " name TEXT NOT NULL,"
    " images INTEGER NOT NULL,"
    " received INTEGER NOT NULL,"
    " record BLOB NOT NULL,"
    " UNIQUE (evaluation, name)) STRICT;"

    "CREATE TABLE scores ("
    " evaluation INTEGER NOT NULL REFERENCES evaluations (id) ON DELETE CASCADE,"
    " position INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " value REAL,"
    " reason INTEGER NOT NULL,"
    " PRIMARY KEY (evaluation, position)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE class_scores ("
    " evaluation INTEGER NOT NULL REFERENCES evaluations (id) ON DELETE CASCADE,"
    " position INTEGER NOT NULL,"
    " class INTEGER NOT NULL,"
    " value REAL,"
    " reason INTEGER NOT NULL,"
    " PRIMARY KEY (evaluation, position, class)) STRICT, WITHOUT ROWID;",
};

#define MM_SQLITE_VERSION ((int)(sizeof mm_sqlite_migrations / sizeof mm_sqlite_migrations[0]))

#endif
