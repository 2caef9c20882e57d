/* compared.c - two tables of a million rows, but for one column. */
#include "bindings/modules.h"
#include "bindings/raise.h"

#include <string.h>

struct text {
    const char *at, *end;
};

/* The line that begins at text->at, without its end, and *last: the text ends with it. */
static struct text take_line(struct text *text, bool *last)
{
    struct text line = {text->at, text->end};
    const char *newline = memchr(text->at, '\n', (size_t)(text->end - text->at));
    *last = newline == NULL;
    if (newline != NULL)
        line.end = newline;
    text->at = newline != NULL ? newline + 1 : text->end;
    return line;
}

/* What is before the cell at place, from 1, and what is behind it; false: there is none. */
static bool cut_out(struct text line, lua_Integer place, struct text *before,
                    struct text *behind)
{
    const char *cell = line.at;
    for (lua_Integer i = 1; i < place; i++) {
        const char *tab = memchr(cell, '\t', (size_t)(line.end - cell));
        if (tab == NULL)
            return false;
        cell = tab + 1;
    }
    const char *tab = memchr(cell, '\t', (size_t)(line.end - cell));
    *before = (struct text){line.at, cell};
    *behind = (struct text){tab != NULL ? tab : line.end, line.end};
    return true;
}

static bool is_same(struct text a, struct text b)
{
    const size_t length = (size_t)(a.end - a.at);
    return length == (size_t)(b.end - b.at) && memcmp(a.at, b.at, length) == 0;
}

static bool is_same_line(struct text a, struct text b, lua_Integer place)
{
    struct text before[2], behind[2];
    if (is_same(a, b))
        return true;
    return cut_out(a, place, &before[0], &behind[0]) &&
           cut_out(b, place, &before[1], &behind[1]) && is_same(before[0], before[1]) &&
           is_same(behind[0], behind[1]);
}

/*
 * core.same_but(text, other, place) -> are these the same lines, of cells with tabs between,
 * but for the cell at place (from 1) of each?
 */
static int same_but(lua_State *L)
{
    size_t length, others;
    struct text text = {.at = luaL_checklstring(L, 1, &length)};
    struct text other = {.at = luaL_checklstring(L, 2, &others)};
    lua_Integer place = mp_check_integer(L, 3, 1, LUA_MAXINTEGER);
    text.end = text.at + length;
    other.end = other.at + others;
    bool same = true, last = false, other_last = false;
    while (same && !last && !other_last) {
        struct text line = take_line(&text, &last);
        struct text against = take_line(&other, &other_last);
        same = last == other_last && is_same_line(line, against, place);
    }
    lua_pushboolean(L, same);
    return 1;
}

void mp_open_compared(lua_State *L)
{
    static const luaL_Reg functions[] = {{"same_but", same_but}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
