/*
 * signals.c - a module for Lua: signals.send(number) sends its own process a signal, at once. A
 * program of the shell would take many turns of a busy computer for that, during which the loop
 * of an armed stimulator would be silent, which stops it.
 */
#include <lauxlib.h>
#include <lua.h>

#include <signal.h>
#include <unistd.h>

int luaopen_signals(lua_State *L);

static int send_signal(lua_State *L)
{
    lua_pushboolean(L, kill(getpid(), (int)luaL_checkinteger(L, 1)) == 0);
    return 1;
}

int luaopen_signals(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, send_signal);
    lua_setfield(L, -2, "send");
    return 1;
}
