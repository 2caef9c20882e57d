/* sorted.c - a list of a million numbers in order: table.sort asks Lua twenty million times. */
#include "bindings/modules.h"
#include "bindings/raise.h"

#include <lauxlib.h>
#include <stdlib.h>

/* A number as Lua has it. */
struct number {
    double value;
    lua_Integer whole;
    bool is_whole;
};

static int compare(const void *one, const void *other)
{
    const struct number *a = one, *b = other;
    if (a->is_whole && b->is_whole)
        return (a->whole > b->whole) - (a->whole < b->whole);
    return (a->value > b->value) - (a->value < b->value);
}

/*
 * core.sort_numbers(list): sort a list of numbers in place, the smallest first. Whole numbers
 * stay whole. An error, and nothing is changed: something in it is no number.
 */
static int sort_numbers(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const size_t count = lua_rawlen(L, 1);
    struct number *numbers = lua_newuserdatauv(L, count * sizeof *numbers, 0);
    for (size_t i = 0; i < count; i++) {
        bool is_number = lua_rawgeti(L, 1, (lua_Integer)i + 1) == LUA_TNUMBER;
        luaL_argcheck(L, is_number, 1, "a list of numbers is expected");
        numbers[i].is_whole = lua_isinteger(L, -1);
        numbers[i].whole = numbers[i].is_whole ? lua_tointeger(L, -1) : 0;
        numbers[i].value = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    qsort(numbers, count, sizeof *numbers, compare);
    for (size_t i = 0; i < count; i++) {
        if (numbers[i].is_whole)
            lua_pushinteger(L, numbers[i].whole);
        else
            lua_pushnumber(L, numbers[i].value);
        lua_rawseti(L, 1, (lua_Integer)i + 1);
    }
    return 0;
}

void mp_open_sorted(lua_State *L)
{
    static const luaL_Reg functions[] = {{"sort_numbers", sort_numbers}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
