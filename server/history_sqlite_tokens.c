/*
 * history_sqlite_tokens.c - the tokens of the SQLite history
 */
#include "server/history_sqlite.h"

#include <stdlib.h>
#include <string.h>

#include "server/history_rows.h"

int mm_sqlite_put_token(mm_connection *writer, const mm_store_token *item)
{
    const mm_token *token = &item->token;
    int code = SQLITE_OK;

    if (item->removed[0] != '\0')
        code = mm_sql_run(writer, "DELETE FROM tokens WHERE id = ?", "t", item->removed);
    if (code == SQLITE_OK)
        code = mm_sql_run(writer,
                          "INSERT OR REPLACE INTO tokens"
                          " (id, digest, scopes, project, label, created, expires, revoked, used)"
                          " VALUES (?,?,?,?,?,?,?,?,?)",
                          "tbittiiii", token->id, (const void *)token->digest, sizeof token->digest,
                          (int64_t)token->scopes, token->project, token->label, token->created, token->expires,
                          token->revoked, token->used);
    return code;
}

/* 0: longer than what can have been stored. */
static int copy_text(char *out, size_t room, sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    const size_t size = (size_t)sqlite3_column_bytes(statement, column);

    if (text == NULL || size >= room)
        return 0;
    memcpy(out, text, size + 1);
    return 1;
}

static int read_token(sqlite3_stmt *statement, mm_token *token)
{
    const void *digest = sqlite3_column_blob(statement, 1);

    if (digest == NULL || sqlite3_column_bytes(statement, 1) != (int)sizeof token->digest ||
        !copy_text(token->id, sizeof token->id, statement, 0) || strlen(token->id) != MM_TOKEN_ID_SIZE ||
        !copy_text(token->project, sizeof token->project, statement, 3) ||
        !copy_text(token->label, sizeof token->label, statement, 4))
        return SQLITE_CORRUPT;
    memcpy(token->digest, digest, sizeof token->digest);
    token->scopes = (unsigned)sqlite3_column_int(statement, 2);
    token->created = sqlite3_column_int64(statement, 5);
    token->expires = sqlite3_column_int64(statement, 6);
    token->revoked = sqlite3_column_int64(statement, 7);
    token->used = sqlite3_column_int64(statement, 8);
    return SQLITE_OK;
}

static int read_tokens(mm_connection *reader, mm_token **out, size_t *count)
{
    sqlite3_stmt *statement = mm_sql(reader,
                                     "SELECT id, digest, scopes, project, label, created, expires, revoked, used"
                                     " FROM tokens ORDER BY created, id",
                                     "");
    int code;

    while ((code = mm_sql_step(reader, statement)) == SQLITE_ROW) {
        mm_token *token = mm_store_grow(out, count, sizeof *token);

        code = token == NULL ? SQLITE_NOMEM : read_token(statement, token);
        if (code != SQLITE_OK) {
            sqlite3_reset(statement);
            return code;
        }
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

mm_store_status mm_sqlite_tokens(mm_store *store, mm_token **out, size_t *count, mm_problem *problem)
{
    mm_connection *reader = NULL;
    mm_token *tokens = NULL;
    mm_store_status status = mm_store_reader_take(store, &reader, problem);

    *count = 0;
    if (status != MM_STORE_OK)
        return status;
    status = mm_sql_status(reader, read_tokens(reader, &tokens, count), problem);
    mm_reader_return(store, reader);
    if (status == MM_STORE_OK)
        *out = tokens;
    else
        free(tokens);
    return status;
}
