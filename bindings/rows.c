/* rows.c - the lines of a tab-separated table: a million of them in a second. */
#include "bindings/cells.h"
#include "bindings/modules.h"
#include "bindings/raise.h"

#include <math.h>
#include <string.h>

#define ROWS "moonpulse.rows"

enum { COLUMNS_MAX = 64, FIELDS = 8 };
enum { IN_TEXT = 1, IN_KEYS, IN_LAST, IN_SCRATCH, VALUES = IN_SCRATCH }; // the user values

struct column {
    bool number;
    bool passed_over;
    bool whole;
    bool only_found; // its number goes into no row
    double most;     // what is beyond counts as missing
};

/* The text and the keys of the columns live in the user values. */
struct rows {
    const char *next, *end;
    const char *newline, *carriage_return; // the next ones, or the end; NULL: not known
    char *scratch; // the cells of a line that are no numbers, and the tabs between them
    size_t room;
    size_t last; // how long the last such text was; it still is in scratch
    bool begun;
    int count;
    struct column columns[COLUMNS_MAX];
};

/* Push what the cell says; false, and nothing pushed: it says nothing that can be. */
static bool push_cell(lua_State *L, const struct cell *cell, const struct column *column)
{
    if (!mp_push_number(L, cell))
        return false;
    double value = lua_tonumber(L, -1);
    int is_whole = 1;
    lua_Integer whole = column->whole ? lua_tointegerx(L, -1, &is_whole) : 0;
    if (isnan(value) || fabs(value) > column->most || is_whole == 0) {
        lua_pop(L, 1);
        return false;
    }
    if (column->whole) {
        lua_pop(L, 1);
        lua_pushinteger(L, whole);
    }
    return true;
}

/* Room for all of a line. */
static void reserve(lua_State *L, struct rows *rows, size_t length)
{
    if (length <= rows->room && rows->scratch != NULL)
        return;
    rows->room = 2 * length + 256;
    rows->scratch = lua_newuserdatauv(L, rows->room, 0);
    (void)lua_setiuservalue(L, lua_upvalueindex(1), IN_SCRATCH);
    rows->begun = false;
}

/* Add to what is in scratch; *same: it is what was there from the last line. */
static void add(struct rows *rows, size_t *length, const char *bytes, size_t count, bool *same)
{
    *same = *same && *length + count <= rows->last &&
            memcmp(rows->scratch + *length, bytes, count) == 0;
    if (!*same)
        memcpy(rows->scratch + *length, bytes, count);
    *length += count;
}

/* Push what is in scratch: the same value again if it is the same text. */
static void push_rest(lua_State *L, struct rows *rows, size_t length, bool same)
{
    if (same) {
        (void)lua_getiuservalue(L, lua_upvalueindex(1), IN_LAST);
        return;
    }
    lua_pushlstring(L, rows->scratch, length);
    lua_pushvalue(L, -1);
    (void)lua_setiuservalue(L, lua_upvalueindex(1), IN_LAST);
    rows->last = length;
    rows->begun = true;
}

/* What a line has beside the cells that are texts, which are in scratch. */
struct found {
    size_t length; // of these
    bool same;     // they are what the line before had
    bool whole;    // it has as many cells as there are columns
    lua_Integer numbers;
};

/*
 * Read a line. For each column that is a number put() is called with what the cell says on top
 * of the stack, if it is one; it takes that away.
 */
static struct found
read_line(lua_State *L, struct rows *rows, const char *line, const char *end,
          void (*put)(lua_State *L, const struct column *column, int i, bool is_there))
{
    struct cell cell;
    bool first = true;
    int i = 0;
    reserve(L, rows, (size_t)(end - line) + 1);
    struct found found = {.same = rows->begun};
    for (; i < rows->count && mp_next_cell(&line, end, &cell); i++) {
        const struct column *column = &rows->columns[i];
        if (column->passed_over)
            continue;
        if (!column->number) {
            if (!first)
                add(rows, &found.length, "\t", 1, &found.same);
            add(rows, &found.length, cell.text, cell.length, &found.same);
            first = false;
            continue;
        }
        bool is_there = push_cell(L, &cell, column);
        found.numbers |= (lua_Integer)((lua_Unsigned)is_there << i);
        put(L, column, i, is_there);
    }
    found.same = found.same && found.length == rows->last;
    found.whole = i == rows->count && line == NULL;
    if (!found.whole)
        rows->begun = found.same;
    return found;
}

/* Into the row at 1, by the key of its column in the table at 2. */
static void put_in_row(lua_State *L, const struct column *column, int i, bool is_there)
{
    if (is_there && !column->only_found) {
        (void)lua_rawgeti(L, 2, i + 1);
        lua_insert(L, -2);
        lua_rawset(L, 1);
    } else {
        lua_pop(L, is_there ? 1 : 0);
    }
}

static int push_line(lua_State *L, struct rows *rows, const char *line, const char *end)
{
    lua_settop(L, 0);
    lua_createtable(L, 0, FIELDS);
    (void)lua_getiuservalue(L, lua_upvalueindex(1), IN_KEYS);
    const struct found found = read_line(L, rows, line, end, put_in_row);
    lua_pop(L, 1);
    if (!found.whole) {
        lua_pushboolean(L, 0);
        return 1;
    }
    push_rest(L, rows, found.length, found.same);
    lua_pushinteger(L, found.numbers);
    return 3;
}

/* The next break of this kind, or the end; *known: where it was found, looked for once only. */
static const char *next_break(const struct rows *rows, const char **known, char kind)
{
    if (*known == NULL || *known < rows->next) {
        const char *found = memchr(rows->next, kind, (size_t)(rows->end - rows->next));
        *known = found != NULL ? found : rows->end;
    }
    return *known;
}

/* Line breaks of every kind end a line, and empty lines are none. False: there is no more. */
static bool next_line(struct rows *rows, const char **line, const char **end)
{
    while (rows->next < rows->end && (*rows->next == '\n' || *rows->next == '\r'))
        rows->next++;
    if (rows->next == rows->end)
        return false;
    *line = rows->next;
    const char *newline = next_break(rows, &rows->newline, '\n');
    const char *other = next_break(rows, &rows->carriage_return, '\r');
    *end = newline < other ? newline : other;
    rows->next = *end;
    return true;
}

static int next_row(lua_State *L)
{
    struct rows *rows = luaL_checkudata(L, lua_upvalueindex(1), ROWS);
    const char *line, *end;
    return next_line(rows, &line, &end) ? push_line(L, rows, line, end) : 0;
}

enum { LISTS = 1, KINDS, RESTS, FOUND, ROW, FIRST_LIST }; // on the stack of all_rows

/* Into the list of its column, at the row's number, which is at ROW. */
static void put_in_list(lua_State *L, const struct column *column, int i, bool is_there)
{
    if (!is_there)
        lua_pushboolean(L, 0);
    if (column->only_found)
        lua_pop(L, 1);
    else
        lua_rawseti(L, FIRST_LIST + i, lua_tointeger(L, ROW));
}

/* The number of the kind of the last line: of those with the same rest and the same numbers. */
static lua_Integer kind_of(lua_State *L, struct rows *rows, const struct found *found)
{
    lua_Integer kind = (lua_Integer)lua_rawlen(L, RESTS) + 1;
    rows->last = found->length;
    rows->begun = true;
    const char *rest = lua_pushlstring(L, rows->scratch, found->length);
    lua_pushfstring(L, "%I\t", found->numbers);
    lua_pushlstring(L, rest, found->length);
    lua_concat(L, 2); // rest, key
    lua_pushvalue(L, -1);
    if (lua_rawget(L, RESTS) != LUA_TNIL) {
        kind = lua_tointeger(L, -1);
        lua_pop(L, 3);
        return kind;
    }
    lua_pop(L, 1); // rest, key
    lua_pushinteger(L, kind);
    lua_rawset(L, RESTS);
    lua_rawseti(L, RESTS, kind);
    lua_pushinteger(L, found->numbers);
    lua_rawseti(L, FOUND, kind);
    return kind;
}

/*
 * About how many rows there are: lists that need not grow are not copied again and again. No
 * more than lines of a sane length have, since what is there may be a table from anywhere.
 */
static int about_rows(const struct rows *rows)
{
    enum { LEAST = 64 };
    size_t bytes = (size_t)(rows->end - rows->next), lines = 1;
    for (const char *at = rows->next; (at = memchr(at, '\n', (size_t)(rows->end - at))) != NULL;
         at++)
        lines++;
    size_t most = bytes / LEAST < INT32_MAX ? bytes / LEAST : INT32_MAX;
    return (int)(lines < most ? lines : most);
}

/* A list for each column that is a number, by its key in the table at LISTS. */
static void make_lists(lua_State *L, const struct rows *rows, int about)
{
    luaL_checkstack(L, rows->count + FIELDS, NULL);
    (void)lua_getiuservalue(L, lua_upvalueindex(1), IN_KEYS);
    int keys = lua_gettop(L);
    lua_settop(L, keys + rows->count); // nil, where there is none
    for (int i = 0; i < rows->count; i++) {
        if (!rows->columns[i].number || rows->columns[i].only_found)
            continue;
        (void)lua_rawgeti(L, keys, i + 1);
        lua_createtable(L, about, 0);
        lua_pushvalue(L, -1);
        lua_replace(L, keys + 1 + i);
        lua_rawset(L, LISTS);
    }
    lua_remove(L, keys);
}

static int all_rows(lua_State *L)
{
    struct rows *rows = luaL_checkudata(L, lua_upvalueindex(1), ROWS);
    const char *line, *end;
    lua_Integer count = 0, bad = 0, kind = 0, numbers = 0;
    const int about = about_rows(rows);
    lua_settop(L, 0);
    for (int i = LISTS; i <= FOUND; i++)
        lua_createtable(L, i == KINDS ? about : 0, 0);
    lua_pushinteger(L, 1); // at ROW
    make_lists(L, rows, about);
    while (next_line(rows, &line, &end)) {
        const struct found found = read_line(L, rows, line, end, put_in_list);
        if (!found.whole) {
            bad++;
            continue;
        }
        if (kind == 0 || !found.same || found.numbers != numbers)
            kind = kind_of(L, rows, &found);
        numbers = found.numbers;
        lua_pushinteger(L, kind);
        lua_rawseti(L, KINDS, ++count);
        lua_pushinteger(L, count + 1);
        lua_replace(L, ROW);
    }
    lua_settop(L, FOUND);
    lua_pushinteger(L, bad);
    return 5;
}

/* What the table on top says of a column; its key goes into the table below it. */
static void read_column(lua_State *L, struct rows *rows, int i)
{
    struct column *column = &rows->columns[i];
    *column = (struct column){.number = lua_istable(L, -1),
                              .passed_over = lua_isboolean(L, -1) && lua_toboolean(L, -1)};
    if (!column->number)
        return;
    lua_getfield(L, -1, "most");
    column->most = lua_tonumber(L, -1);
    lua_getfield(L, -2, "whole");
    column->whole = lua_toboolean(L, -1);
    lua_getfield(L, -3, "only_found");
    column->only_found = lua_toboolean(L, -1);
    lua_pop(L, 3);
    lua_getfield(L, -1, "key");
    luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 3, "a column has no key");
    lua_rawseti(L, -3, i + 1);
}

/* Push the function, which has the rows that the arguments of core.rows say. */
static void push_rows(lua_State *L, lua_CFunction function)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    lua_Integer at = mp_check_integer(L, 2, 1, (lua_Integer)length + 1);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    lua_Integer count = luaL_len(L, 3);
    luaL_argcheck(L, count >= 1 && count <= COLUMNS_MAX, 3, "1 to 64 columns are needed");
    struct rows *rows = lua_newuserdatauv(L, sizeof *rows, VALUES);
    *rows = (struct rows){.next = text + at - 1, .end = text + length, .count = (int)count};
    luaL_setmetatable(L, ROWS);
    lua_pushvalue(L, 1);
    (void)lua_setiuservalue(L, -2, IN_TEXT);
    lua_createtable(L, (int)count, 0); // rows, keys
    for (int i = 0; i < rows->count; i++) {
        (void)lua_geti(L, 3, i + 1);
        read_column(L, rows, i);
        lua_settop(L, 5);
    }
    (void)lua_setiuservalue(L, -2, IN_KEYS);
    lua_pushcclosure(L, function, 1);
}

/*
 * core.rows(text, at, columns) -> an iterator over the lines of text from byte at on, whose
 * cells are separated by tabs. columns[i] is { key =, most =, whole =, only_found = } for a
 * column that is a number (most: a larger magnitude counts as missing; whole: as a whole
 * number, or missing; only_found: it is in found, and not in row), true for one that is passed
 * over, false for any other. For each line: row, rest, found. row: a table with the numbers by
 * their keys. rest: the other cells, with the tabs between them; the very same string if it is
 * that of the line before. found: bit i - 1 is set if column i has its number. Of a line with
 * more or fewer cells than columns: false.
 */
static int rows_new(lua_State *L)
{
    push_rows(L, next_row);
    return 1;
}

/*
 * core.row_lists(text, at, columns) -> lists, kinds, rests, found, bad: the same of all lines
 * at once, for a million rows. lists: by the keys of the columns that are numbers, and go into
 * rows, a list of them, with false where a line has none; kinds: a number for each line;
 * rests[kind], found[kind]: what lines of that kind have, as core.rows gives it; bad: how many
 * lines have more or fewer cells than columns. rests has other keys, too.
 */
static int row_lists(lua_State *L)
{
    push_rows(L, all_rows);
    lua_call(L, 0, 5);
    return 5;
}

void mp_open_rows(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"rows", rows_new}, {"row_lists", row_lists}, {NULL, NULL}};
    static const luaL_Reg none[] = {{NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, ROWS, none, none);
    lua_pop(L, 1);
}
