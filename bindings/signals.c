/* signals.c - a signal that was caught, told to Lua on the loop. */
#include "bindings/armed.h"
#include "bindings/modules.h"
#include "bindings/tasks.h"

#include <lauxlib.h>
#include <signal.h>

struct received {
    struct mp_host *host;
    struct mp_signal signal;
};

static int tell_signal(lua_State *L)
{
    const struct received *received = lua_touserdata(L, 1);
    if (received->host->on_signal == LUA_NOREF)
        return luaL_error(L, "interrupted by signal %d", received->signal.number);
    lua_rawgeti(L, LUA_REGISTRYINDEX, received->host->on_signal);
    lua_pushinteger(L, received->signal.number);
    bool asked = received->signal.reason == MP_STOP_PROGRAM;
    if (asked)
        lua_pushboolean(L, 1);
    lua_call(L, asked ? 2 : 1, 0);
    return 0;
}

static void on_signal(uv_async_t *async)
{
    struct received received = {.host = async->data, .signal = mp_signal_take()};
    if (received.signal.number != 0)
        (void)mp_host_enter(received.host, tell_signal, &received);
}

/*
 * core.on_signal(function|nil): call function(number) on SIGINT, SIGTERM and SIGHUP
 * instead of ending the process; function(number, true) where moonpulse ctl sent it, which
 * asked in vain before. What is armed is stopped before, without Lua. With nil, one that came
 * and that nobody was told of ends the process.
 */
static int set_on_signal(lua_State *L)
{
    struct mp_host *host = mp_check_host(L);
    lua_settop(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, host->on_signal);
    host->on_signal = LUA_NOREF;
    if (lua_isnil(L, 1)) {
        int untold = mp_signal_pending().number;
        mp_signal_restore();
        if (untold != 0) // it does what it does from now on: it is not swallowed
            (void)raise(untold);
        return 0;
    }
    luaL_checktype(L, 1, LUA_TFUNCTION);
    host->on_signal = luaL_ref(L, LUA_REGISTRYINDEX);
    mp_signal_catch(&host->signal);
    return 0;
}

void mp_host_hears(struct mp_host *host)
{
    host->on_signal = LUA_NOREF;
    (void)uv_async_init(&host->loop, &host->signal, on_signal);
    host->signal.data = host;
    uv_unref((uv_handle_t *)&host->signal);
}

void mp_open_signals(lua_State *L)
{
    static const luaL_Reg functions[] = {{"on_signal", set_on_signal}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
