/*
 * history_schema.h - the tables of the SQLite history, as numbered migrations.
 *
 * Append, never edit: a file says in its user_version how many of these it has seen.
 *
 *   runs         1 : n  splits        what the list of runs shows, kept as evaluations come
 *   runs         1 : n  tags          words of the clients about a run
 *   runs         1 : n  class_lists   the lists of class names that its evaluations have
 *   runs         1 : n  series        a score of a split by the name under which it is stored: what a curve shows
 *   runs         1 : n  evaluations   what the first part has set
 *   evaluations  1 : n  parts         the image records of one upload, as mm_images_save() writes them
 *   evaluations  1 : n  scores        merged value of each score; they lie by series and time, as a curve is drawn
 *   scores       1 : n  class_scores  the same per class; classes that were not chosen have no row
 *   evaluations  1 : n  class_voxels  how large each class is, in labels and predictions; none in evaluations that came
 *                                     before schema 2
 *   tokens                            who may do what; of the secrets only their SHA-256.  Their times are 0 for
 * "never"
 *
 * Times are ms since 1970.  A value that is not defined is NULL with its mm_reason.  `better` is an mm_better.
 * mm_better(scores, position) is a function of history_sqlite.c: what the plan says of its expression.
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

    /* 2: curves, the best of a series, retention and tags */
    "CREATE TABLE series ("
    " id INTEGER PRIMARY KEY,"
    " run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,"
    " split TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " better INTEGER NOT NULL,"
    " UNIQUE (run, split, name)) STRICT;"
    "INSERT INTO series (run, split, name, better)"
    " SELECT e.run, e.split, l.name, mm_better(e.scores, s.position)"
    " FROM (SELECT a.run, a.split, b.name, max(a.id) last"
    "       FROM evaluations a JOIN scores b ON b.evaluation = a.id GROUP BY a.run, a.split, b.name) l"
    " JOIN evaluations e ON e.id = l.last JOIN scores s ON s.evaluation = l.last AND s.name = l.name;"

    "ALTER TABLE scores RENAME TO scores_1;"
    "CREATE TABLE scores ("
    " series INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,"
    " time INTEGER NOT NULL," /* of the evaluation, like step */
    " evaluation INTEGER NOT NULL REFERENCES evaluations (id) ON DELETE CASCADE,"
    " step INTEGER NOT NULL,"
    " position INTEGER NOT NULL,"
    " value REAL,"
    " reason INTEGER NOT NULL,"
    " PRIMARY KEY (series, time, evaluation)) STRICT, WITHOUT ROWID;"
    "INSERT INTO scores (series, time, evaluation, step, position, value, reason)"
    " SELECT r.id, e.time, e.id, e.step, s.position, s.value, s.reason"
    " FROM scores_1 s JOIN evaluations e ON e.id = s.evaluation"
    " JOIN series r ON r.run = e.run AND r.split = e.split AND r.name = s.name ORDER BY 1, 2, 3;"
    "DROP TABLE scores_1;"
    "CREATE UNIQUE INDEX scores_of ON scores (evaluation, position);"
    "CREATE INDEX scores_best ON scores (series, value, step);"

    "CREATE TABLE class_lists ("
    " run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,"
    " split TEXT NOT NULL,"
    " classes TEXT NOT NULL,"
    " PRIMARY KEY (run, split, classes)) STRICT, WITHOUT ROWID;"
    "INSERT INTO class_lists SELECT DISTINCT run, split, classes FROM evaluations;"

    "CREATE TABLE class_voxels ("
    " evaluation INTEGER NOT NULL REFERENCES evaluations (id) ON DELETE CASCADE,"
    " class INTEGER NOT NULL,"
    " label REAL NOT NULL,"
    " pred REAL NOT NULL,"
    " PRIMARY KEY (evaluation, class)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE tags ("
    " run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,"
    " name TEXT NOT NULL,"
    " value TEXT NOT NULL,"
    " PRIMARY KEY (run, name)) STRICT, WITHOUT ROWID;"

    "ALTER TABLE evaluations ADD COLUMN updated INTEGER NOT NULL DEFAULT 0;" /* when its last part came */
    "UPDATE evaluations SET updated ="
    " ifnull((SELECT max(p.received) FROM parts p WHERE p.evaluation = evaluations.id), time);"
    "CREATE INDEX evaluations_updated ON evaluations (updated);"
    "CREATE INDEX evaluations_of_split ON evaluations (run, split, time, id);",

    /* 3: tokens */
    "CREATE TABLE tokens ("
    " id TEXT PRIMARY KEY,"
    " digest BLOB NOT NULL,"
    " scopes INTEGER NOT NULL," /* bits of mm_scope */
    " project TEXT NOT NULL,"
    " label TEXT NOT NULL,"
    " created INTEGER NOT NULL,"
    " expires INTEGER NOT NULL,"
    " revoked INTEGER NOT NULL,"
    " used INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
};

#define MM_SQLITE_VERSION ((int)(sizeof mm_sqlite_migrations / sizeof mm_sqlite_migrations[0]))

#endif
