/* longer_rows.c - the rows of a table that are taken over as they are, each with one more cell.
 */
#include "bindings/cells.h"
#include "bindings/modules.h"
#include "bindings/raise.h"

#include <math.h>
#include <string.h>

/*
 * Is there a cell in each place of each line up to end, and no carriage return? Sixty-four
 * bytes at a time, which the compiler looks at side by side; before: is what is before the text
 * an end?
 */
static bool is_whole(const char *text, const char *end)
{
    enum { BLOCK = 64 };
    unsigned char bad = 0;
    bool before = true;
    for (; end - text > BLOCK; text += BLOCK) {
        unsigned char here[BLOCK + 1];
        memcpy(here, text, sizeof here);
        for (int i = 0; i < BLOCK; i++) {
            bool parts = here[i] == '\t' || here[i] == '\n';
            bool next = here[i + 1] == '\t' || here[i + 1] == '\n';
            bad |= (unsigned char)((parts & next) | (here[i] == '\r'));
        }
        bad |= before && (here[0] == '\t' || here[0] == '\n');
        before = false; // the pair of the last byte and the next was looked at
    }
    for (; text < end && bad == 0; text++) {
        bool parts = *text == '\t' || *text == '\n';
        bad |= (parts && before) || *text == '\r';
        before = parts;
    }
    return bad == 0;
}

/* The number that the line begins with; NAN: it is none. */
static double first_number(lua_State *L, const char *line, const char *end)
{
    struct cell cell;
    (void)mp_next_cell(&line, end, &cell);
    if (!mp_push_number(L, &cell))
        return NAN;
    double value = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

/*
 * core.plain_rows(text, at) -> boolean: can the lines of text from byte at on be taken over as
 * they are? No: a line has no end, an empty cell, a carriage return, no number at its
 * beginning, or a smaller one than the line before.
 */
static int plain_rows(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    lua_Integer at = mp_check_integer(L, 2, 1, (lua_Integer)length + 1);
    const char *line = text + at - 1, *end = text + length;
    double before = -INFINITY;
    bool plain = (line == end || end[-1] == '\n') && is_whole(line, end);
    while (plain && line < end) {
        const char *to = memchr(line, '\n', (size_t)(end - line));
        double first = first_number(L, line, to);
        plain = first >= before; // not of NAN
        before = first;
        line = to + 1;
    }
    lua_pushboolean(L, plain);
    return 1;
}

/* The line with one more cell, after what is at into; where it ends. */
static char *put_line(char *into, const char *line, const char *to, const char *cell,
                      size_t length)
{
    memcpy(into, line, (size_t)(to - line));
    into += to - line;
    *into++ = '\t';
    memcpy(into, cell, length);
    into += length;
    *into++ = '\n';
    return into;
}

/*
 * core.with_cell(text, at, cell) -> lines, next: some of the lines of text from byte at on,
 * some 64 KiB, each with one more cell after a tab, and the byte to go on at. nil: there is no
 * whole line there. All at once would be twice the memory of a text that is large by itself.
 */
static int with_cell(lua_State *L)
{
    enum { PART = 65536 };
    size_t length, cell_length;
    const char *text = luaL_checklstring(L, 1, &length);
    lua_Integer at = mp_check_integer(L, 2, 1, (lua_Integer)length + 1);
    const char *cell = luaL_checklstring(L, 3, &cell_length);
    const char *line = text + at - 1, *end = text + length, *to = line;
    luaL_Buffer buffer;
    luaL_buffinitsize(L, &buffer, PART);
    while (luaL_bufflen(&buffer) < PART && line < end &&
           (to = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        size_t size = (size_t)(to - line) + cell_length + 2;
        (void)put_line(luaL_prepbuffsize(&buffer, size), line, to, cell, cell_length);
        luaL_addsize(&buffer, size);
        line = to + 1;
    }
    if (line == text + at - 1)
        return 0;
    luaL_pushresult(&buffer);
    lua_pushinteger(L, line - text + 1);
    return 2;
}

void mp_open_longer_rows(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"plain_rows", plain_rows}, {"with_cell", with_cell}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
