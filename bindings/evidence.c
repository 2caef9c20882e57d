/*
 * evidence.c - what a run left, read for who judges it (moonpulse explore): events.tsv and
 * twin.tsv, row by row. Shares nothing with what writes them (engine/events.c) nor with what
 * else reads them (rows.c), on purpose, and is stricter: a line that is not exactly as
 * docs/record.md has it is no row.
 */
#include "bindings/modules.h"

#include <lauxlib.h>

#include <stdint.h>
#include <string.h>

enum { COLUMNS_MAX = 20, DIGITS_MAX = 17, BEHIND_MAX = 9, NUMBER_MAX = 64 };

/* What stands in a column. */
enum kind {
    PASSED,  // anything
    SECONDS, // with nine digits after the point: nanoseconds
    WHOLE,   // digits
    WORD,    // letters and _
    TEXT,
    MICROSECONDS, // nanoseconds; nothing if it is no number
    NUMBER,       // nothing if it is none
    INTEGER       // nothing if it is no whole number
};

struct column {
    const char *key;
    enum kind kind;
};

static const struct column of_row[COLUMNS_MAX] = {
    {"onset", SECONDS},        {"duration", PASSED},   {"condition", TEXT},
    {"index", WHOLE},          {"event", WORD},        {"number", INTEGER},
    {"planned", MICROSECONDS}, {"sent", MICROSECONDS}, {"confirmed", MICROSECONDS},
    {"lateness", PASSED},      {"channel", PASSED},    {"mso", NUMBER},
    {"intensity", PASSED},     {"reference", PASSED},  {"status", TEXT},
    {"reply", TEXT},           {"timed_by", TEXT},     {"proof", PASSED},
    {"trial", INTEGER},        {"block", INTEGER}};
enum { ROW_KEYS = 16 }; // of its columns, and two that are added: a power of two

static const struct column of_simulator[COLUMNS_MAX] = {{"ns", SECONDS},   {"event", WORD},
                                                        {"bytes", TEXT},   {"note", TEXT},
                                                        {"channel", TEXT}, {"mso", NUMBER}};
enum { SIMULATOR_CELLS = 6, IN_EVENT = 1, FROM_CHANNEL = 4, GIVEN_KEYS = 8, LOG_KEYS = 4 };

struct cell {
    const char *text;
    size_t length;
};

/* A table that is read: cells of a line, and for each column the last text and its value on the
 * stack. */
struct reader {
    lua_State *L;
    int keys, values; // where they are on the stack
    struct cell cells[COLUMNS_MAX], last[COLUMNS_MAX];
};

/* Split a line; how many cells it has; COLUMNS_MAX + 1: more than that. */
static int split(struct reader *reader, const char *line, const char *end)
{
    int count = 0;
    while (count < COLUMNS_MAX) {
        const char *to = line;
        while (to < end && *to != '\t')
            to++;
        reader->cells[count++] = (struct cell){.text = line, .length = (size_t)(to - line)};
        if (to == end)
            return count;
        line = to + 1;
    }
    return COLUMNS_MAX + 1;
}

/* Digits, all of them; false: others, or none, or too many. */
static bool digits_of(const char *text, size_t length, lua_Integer *value)
{
    *value = 0;
    if (length == 0 || length > DIGITS_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *value = 10 * *value + (text[i] - '0');
    }
    return true;
}

/* "-12.000000345": nanoseconds; exact: with nine digits after the point. */
static bool nanoseconds_of(const struct cell *cell, lua_Integer *ns)
{
    bool minus = cell->length > 0 && cell->text[0] == '-';
    const char *text = cell->text + (minus ? 1 : 0);
    size_t length = cell->length - (minus ? 1 : 0);
    lua_Integer whole, part;
    if (length < BEHIND_MAX + 2 || length > 2 * BEHIND_MAX + 1 ||
        text[length - BEHIND_MAX - 1] != '.' ||
        !digits_of(text, length - BEHIND_MAX - 1, &whole) ||
        !digits_of(text + length - BEHIND_MAX, BEHIND_MAX, &part))
        return false;
    *ns = 1000000000 * whole + part;
    *ns = minus ? -*ns : *ns;
    return true;
}

static bool is_word(const struct cell *cell)
{
    for (size_t i = 0; i < cell->length; i++) {
        char c = cell->text[i];
        if (c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z'))
            return false;
    }
    return cell->length > 0;
}

/* Push the number that Lua reads there; false, and nothing pushed: it reads none. */
static bool push_number(lua_State *L, const struct cell *cell)
{
    char text[NUMBER_MAX];
    lua_Integer value;
    if (digits_of(cell->text, cell->length, &value)) {
        lua_pushinteger(L, value);
        return true;
    }
    if (cell->length == 0 || cell->length >= sizeof text || cell->text[0] == 'n')
        return false;
    memcpy(text, cell->text, cell->length);
    text[cell->length] = '\0';
    return lua_stringtonumber(L, text) == cell->length + 1;
}

/* Push the nanoseconds of "1234.567" microseconds, to the nearest; false, and nothing pushed:
 * no number, or one of more than 285 years. */
static bool push_microseconds(lua_State *L, const struct cell *cell)
{
    const char *point = memchr(cell->text, '.', cell->length);
    static const lua_Integer most = INT64_C(9000000000000000);
    lua_Integer whole, part;
    if (point != NULL && cell->text + cell->length - point == 4 &&
        digits_of(cell->text, (size_t)(point - cell->text), &whole) && whole < most &&
        digits_of(point + 1, 3, &part)) {
        lua_pushinteger(L, 1000 * whole + part);
        return true;
    }
    if (!push_number(L, cell))
        return false;
    double ns = lua_tonumber(L, -1) * 1000 + 0.5;
    lua_pop(L, 1);
    if (!(ns > -1e3 * (double)most && ns < 1e3 * (double)most)) // NAN too
        return false;
    lua_Integer floor = (lua_Integer)ns;
    lua_pushinteger(L, (double)floor > ns ? floor - 1 : floor);
    return true;
}

static bool push_integer(lua_State *L, const struct cell *cell)
{
    int is_whole;
    if (!push_number(L, cell))
        return false;
    lua_Integer value = lua_tointegerx(L, -1, &is_whole);
    lua_pop(L, 1);
    if (is_whole != 0)
        lua_pushinteger(L, value);
    return is_whole != 0;
}

/* Push a text or number that stands in many rows alike: the value of the line before if it is
 * the same. */
static bool push_shared(struct reader *reader, int column, enum kind kind)
{
    lua_State *L = reader->L;
    const struct cell *cell = &reader->cells[column], *last = &reader->last[column];
    if (last->text != NULL && cell->length == last->length &&
        memcmp(cell->text, last->text, cell->length) == 0) {
        lua_pushvalue(L, reader->values + column);
        return true;
    }
    if (kind == TEXT || kind == WORD)
        lua_pushlstring(L, cell->text, cell->length);
    else if (!(kind == NUMBER ? push_number(L, cell) : push_integer(L, cell)))
        return false;
    lua_pushvalue(L, -1);
    lua_replace(L, reader->values + column);
    reader->last[column] = *cell;
    return true;
}

/* Push what the cell says; false, and nothing pushed: it says nothing, or (odd) what may not
 * stand there. */
static bool push_cell(struct reader *reader, int column, enum kind kind, bool *odd)
{
    const struct cell *cell = &reader->cells[column];
    lua_Integer value;
    switch (kind) {
    case SECONDS:
    case WHOLE:
        *odd = kind == SECONDS ? !nanoseconds_of(cell, &value)
                               : !digits_of(cell->text, cell->length, &value);
        if (!*odd)
            lua_pushinteger(reader->L, value);
        return !*odd;
    case WORD:
        *odd = !is_word(cell);
        return !*odd && push_shared(reader, column, kind);
    case MICROSECONDS:
        return push_microseconds(reader->L, cell);
    case TEXT:
    case NUMBER:
    case INTEGER:
        return push_shared(reader, column, kind);
    case PASSED:
        break;
    }
    return false;
}

/* Put what the cells from one column to before another say into the table on top; false: one is
 * odd. */
static bool fill(struct reader *reader, const struct column *columns, int from, int to)
{
    lua_State *L = reader->L;
    int table = lua_gettop(L);
    for (int i = from; i < to; i++) {
        bool odd = false;
        if (columns[i].kind == PASSED)
            continue;
        lua_pushvalue(L, reader->keys + i);
        if (push_cell(reader, i, columns[i].kind, &odd))
            lua_rawset(L, table);
        else
            lua_settop(L, table);
        if (odd)
            return false;
    }
    return true;
}

/* Push the keys of columns, then room for their last values. */
static void begin(lua_State *L, struct reader *reader, const struct column *columns)
{
    *reader = (struct reader){.L = L};
    luaL_checkstack(L, 3 * COLUMNS_MAX, NULL);
    reader->keys = lua_gettop(L) + 1;
    for (int i = 0; i < COLUMNS_MAX; i++)
        lua_pushstring(L, columns[i].key); // nil: none
    reader->values = lua_gettop(L) + 1;
    lua_settop(L, lua_gettop(L) + COLUMNS_MAX);
}

/*
 * core.left_rows(text) -> rows [, odd]: the lines of events.tsv after the first, each a table
 * { onset, condition, index, event, number, planned, sent, confirmed, mso, status, reply,
 * timed_by, trial, block }, times in nanoseconds, without what is n/a. Lines that are none are
 * left out; odd is the first of them.
 */
static int left_rows(lua_State *L)
{
    struct reader reader;
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    const char *end = text + length, *line = memchr(text, '\n', length);
    lua_Integer count = 0;
    lua_settop(L, 1);
    lua_newtable(L); // text, rows
    lua_pushnil(L);  // text, rows, odd
    begin(L, &reader, of_row);
    line = line == NULL ? end : line + 1;
    while (line < end) {
        const char *to = memchr(line, '\n', (size_t)(end - line));
        if (to == NULL)
            break;
        lua_createtable(L, 0, ROW_KEYS);
        bool whole =
            split(&reader, line, to) == COLUMNS_MAX && fill(&reader, of_row, 0, COLUMNS_MAX);
        if (whole)
            lua_rawseti(L, 2, ++count);
        else
            lua_pop(L, 1);
        if (!whole && lua_isnil(L, 3)) {
            lua_pushlstring(L, line, (size_t)(to - line));
            lua_replace(L, 3);
        }
        line = to + 1;
    }
    if (length > 0 && text[length - 1] != '\n' && lua_isnil(L, 3)) {
        lua_pushliteral(L, "the last line has no end");
        lua_replace(L, 3);
    }
    lua_settop(L, 3);
    return 2;
}

/*
 * core.left_given(text) -> given, log: the lines of twin.tsv: { ns, channel, mso } of each
 * pulse that the simulator gave, { ns, event, bytes, note } of all else. Lines that are none
 * are left out.
 */
static int left_given(lua_State *L)
{
    struct reader reader;
    size_t length;
    const char *line = luaL_checklstring(L, 1, &length), *end = line + length;
    lua_Integer given = 0, logged = 0;
    lua_settop(L, 1);
    lua_newtable(L); // text, given
    lua_newtable(L); // text, given, log
    begin(L, &reader, of_simulator);
    for (const char *to; line < end && (to = memchr(line, '\n', (size_t)(end - line))) != NULL;
         line = to + 1) {
        int cells = split(&reader, line, to);
        const struct cell *event = &reader.cells[IN_EVENT];
        bool pulse =
            cells > IN_EVENT && event->length == 5 && memcmp(event->text, "pulse", 5) == 0;
        lua_createtable(L, 0, pulse ? GIVEN_KEYS : LOG_KEYS);
        if (cells < SIMULATOR_CELLS || !fill(&reader, of_simulator, 0, 1) ||
            !fill(&reader, of_simulator, pulse ? FROM_CHANNEL : IN_EVENT,
                  pulse ? SIMULATOR_CELLS : FROM_CHANNEL))
            lua_pop(L, 1);
        else
            lua_rawseti(L, pulse ? 2 : 3, pulse ? ++given : ++logged);
    }
    lua_settop(L, 3);
    return 2;
}

void mp_open_evidence(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"left_rows", left_rows}, {"left_given", left_given}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
