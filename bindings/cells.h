/*
 * cells.h - the cells of a line of a tab-separated table, and the numbers that they are.
 */
#ifndef MP_CELLS_H
#define MP_CELLS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* A part of the line: it lives as long as that. */
struct cell {
    const char *text;
    size_t length;
};

/* The next cell of the line from *at to end; false: there was none left. */
static inline bool mp_next_cell(const char **at, const char *end, struct cell *cell)
{
    if (*at == NULL)
        return false;
    const char *tab = memchr(*at, '\t', (size_t)(end - *at));
    cell->text = *at;
    cell->length = (size_t)((tab == NULL ? end : tab) - *at);
    *at = tab == NULL ? NULL : tab + 1;
    return true;
}

/* Push the number that a cell is, as Lua reads it; false, and nothing pushed: it is none. */
bool mp_push_number(lua_State *L, const struct cell *cell);

#endif
