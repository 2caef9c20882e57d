/*
 * database.c - SQLite for Lua, as far as the index of runs needs it: open, ask, close. What is
 * in such a file can be had again from the run folders at any time, so nothing here is careful
 * about losing it; what it says must be right, which mp_sum() tells.
 */
#include "bindings/modules.h"
#include "bindings/raise.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define DATABASE "moonpulse.database"

enum { most_wait_ms = 5000 };

struct database {
    sqlite3 *db;
    sqlite3_stmt
        *statement; // that is being read; a Lua error may leave it, the next call ends it
};

static void finish_statement(struct database *box)
{
    (void)sqlite3_finalize(box->statement); // takes NULL; what failed was told already
    box->statement = NULL;
}

/* nil, message, "damaged" if it is no database or a broken one, "busy" if another program holds
 * it, else "io" */
static int push_problem(lua_State *L, struct database *box, int code)
{
    int kind = code & 0xFF;
    lua_pushnil(L);
    lua_pushstring(L, box->db != NULL ? sqlite3_errmsg(box->db) : sqlite3_errstr(code));
    lua_pushstring(L, kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB ? "damaged"
                      : kind == SQLITE_BUSY || kind == SQLITE_LOCKED  ? "busy"
                                                                      : "io");
    finish_statement(box);
    return 3;
}

static uint64_t sum_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001B3);
    return hash;
}

/*
 * mp_sum(...) in SQL: a number that changes with any of the values, each with its type. A row
 * that keeps it of its other columns shows if a bit of the file has changed since.
 */
static void sum_values(sqlite3_context *context, int count, sqlite3_value **values)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (int i = 0; i < count; i++) {
        int type = sqlite3_value_type(values[i]);
        hash = sum_bytes(hash, &type, sizeof type);
        if (type == SQLITE_INTEGER) {
            sqlite3_int64 number = sqlite3_value_int64(values[i]);
            hash = sum_bytes(hash, &number, sizeof number);
        } else if (type != SQLITE_NULL) {
            const void *text = sqlite3_value_text(values[i]);
            int length = sqlite3_value_bytes(values[i]);
            hash = sum_bytes(hash, &length, sizeof length);
            if (text != NULL)
                hash = sum_bytes(hash, text, (size_t)length);
        }
    }
    sqlite3_result_int64(context, (sqlite3_int64)hash);
}

static struct database *check_database(lua_State *L)
{
    struct database *box = luaL_checkudata(L, 1, DATABASE);
    luaL_argcheck(L, box->db != NULL, 1, "it is closed");
    finish_statement(box);
    return box;
}

static int database_close(lua_State *L)
{
    struct database *box = luaL_checkudata(L, 1, DATABASE);
    finish_statement(box);
    (void)sqlite3_close(box->db); // takes NULL
    box->db = NULL;
    return 0;
}

/*
 * core.database(path) -> database | nil, message, code. The file is made if it is not there;
 * ":memory:" is one that nobody else sees. Waits up to 5 s for other programs that write.
 */
static int database_open(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct database *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (struct database){0};
    luaL_setmetatable(L, DATABASE);
    int code =
        sqlite3_open_v2(path, &box->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_create_function_v2(box->db, "mp_sum", -1,
                                          SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, sum_values,
                                          NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        int count = push_problem(L, box, code);
        (void)sqlite3_close(box->db);
        box->db = NULL;
        return count;
    }
    (void)sqlite3_extended_result_codes(box->db, 1);
    (void)sqlite3_busy_timeout(box->db, most_wait_ms);
    return 1;
}

static int bind_value(lua_State *L, sqlite3_stmt *statement, int at, int arg)
{
    size_t length;
    const char *text;
    switch (lua_type(L, arg)) {
    case LUA_TNIL:
        return sqlite3_bind_null(statement, at);
    case LUA_TNUMBER:
        return lua_isinteger(L, arg) ? sqlite3_bind_int64(statement, at, lua_tointeger(L, arg))
                                     : sqlite3_bind_double(statement, at, lua_tonumber(L, arg));
    case LUA_TSTRING:
        text = lua_tolstring(L, arg, &length);
        return sqlite3_bind_text64(statement, at, text, length, SQLITE_TRANSIENT, SQLITE_UTF8);
    default:
        return luaL_argerror(L, arg, "nil, a number or text is expected");
    }
}

static void push_value(lua_State *L, sqlite3_stmt *statement, int column)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        lua_pushinteger(L, sqlite3_column_int64(statement, column));
        break;
    case SQLITE_FLOAT:
        lua_pushnumber(L, sqlite3_column_double(statement, column));
        break;
    case SQLITE_NULL:
        lua_pushboolean(L, false); // a nil would end the row
        break;
    default: {
        const char *text = (const char *)sqlite3_column_text(statement, column);
        size_t length = (size_t)sqlite3_column_bytes(statement, column);
        lua_pushlstring(L, text != NULL ? text : "", text != NULL ? length : 0);
    }
    }
}

/*
 * database:columns(sql, ...) -> a list for each column | nil, message, code. sql is one
 * statement; what follows stands for its question marks. A statement without columns returns
 * nothing but true. Lists of columns and no rows: a hundred thousand small tables would take
 * most of the time.
 */
static int database_columns(lua_State *L)
{
    struct database *box = check_database(L);
    const char *sql = luaL_checkstring(L, 2);
    int last = lua_gettop(L);
    int code = sqlite3_prepare_v2(box->db, sql, -1, &box->statement, NULL);
    for (int arg = 3; arg <= last && code == SQLITE_OK; arg++)
        code = bind_value(L, box->statement, arg - 2, arg);
    if (code != SQLITE_OK)
        return push_problem(L, box, code);
    int columns = sqlite3_column_count(box->statement);
    luaL_checkstack(L, columns + 4, "columns");
    for (int i = 0; i < columns; i++)
        lua_newtable(L);
    lua_Integer row = 0;
    while ((code = sqlite3_step(box->statement)) == SQLITE_ROW) {
        row++;
        for (int i = 0; i < columns; i++) {
            push_value(L, box->statement, i);
            lua_rawseti(L, last + 1 + i, row);
        }
    }
    if (code != SQLITE_DONE) {
        lua_settop(L, last);
        return push_problem(L, box, code);
    }
    finish_statement(box);
    if (columns == 0)
        lua_pushboolean(L, true);
    return columns == 0 ? 1 : columns;
}

void mp_open_database(lua_State *L)
{
    static const luaL_Reg functions[] = {{"database", database_open}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"columns", database_columns}, {"close", database_close}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", database_close}, {"__close", database_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, DATABASE, methods, metamethods);
    lua_pop(L, 1);
}
