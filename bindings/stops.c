/* stops.c - the table of reasons to stop (engine/stop.h) for Lua: core.stops. */
#include "bindings/modules.h"

#include "engine/stop.h"

#include <lauxlib.h>

static int refuse(lua_State *L)
{
    return luaL_error(L, "core.stops is read only: the reasons stand in engine/stop.c");
}

static int length(lua_State *L)
{
    lua_pushinteger(L, MP_STOP_COUNT - 1);
    return 1;
}

/* Replace the table on top by an empty one that shows it and takes nothing. count: its length;
 * NULL: it has none. */
static void lock(lua_State *L, lua_CFunction count)
{
    lua_newtable(L);          // table, shown
    lua_createtable(L, 0, 4); // table, shown, metatable
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse);
    lua_setfield(L, -2, "__newindex");
    if (count != NULL) {
        lua_pushcfunction(L, count);
        lua_setfield(L, -2, "__len");
    }
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

static void push_row(lua_State *L, const struct mp_stop_reason *reason)
{
    const struct {
        const char *key, *value;
    } texts[] = {{"name", reason->name},
                 {"words", reason->words},
                 {"blame", mp_blame_name(reason->blame)},
                 {"remedy", reason->remedy},
                 {"scripted_words", reason->scripted_words},
                 {"scripted_remedy", reason->scripted_remedy}};
    lua_createtable(L, 0, 8);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        lua_pushstring(L, texts[i].value); // NULL is nil
        lua_setfield(L, -2, texts[i].key);
    }
    lua_pushinteger(L, reason->status);
    lua_setfield(L, -2, "status");
    lua_pushboolean(L, reason->asked_for);
    lua_setfield(L, -2, "asked_for");
    lock(L, NULL);
}

/*
 * core.stops: the reasons in the order of the enum, from 1, and each by its name:
 * core.stops.late.words. A row is { name =, words =, blame = "nobody"|"operator"|"script"|
 * "device"|"host", status = (the exit status), asked_for =, remedy =, scripted_words =,
 * scripted_remedy = }, as in engine/stop.h. Read only.
 */
void mp_open_stops(lua_State *L)
{
    lua_createtable(L, MP_STOP_COUNT - 1, MP_STOP_COUNT - 1);
    for (int i = MP_STOP_NONE + 1; i < MP_STOP_COUNT; i++) {
        push_row(L, mp_stop_reason((enum mp_stop)i));
        lua_pushvalue(L, -1);
        lua_seti(L, -3, i);
        lua_setfield(L, -2, mp_stop_name((enum mp_stop)i));
    }
    lock(L, length);
    lua_setfield(L, -2, "stops");
}
