/* host.c - the host of a Lua state: its loop, its world, and their end with the state. */
#include "bindings/armed.h"
#include "bindings/backstop.h"
#include "bindings/owned.h"
#include "bindings/tasks.h"

#include <lauxlib.h>

#include <stdlib.h>

#define HOST "moonpulse.host"

const char mp_host_key = 0;

struct mp_host *mp_host_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &mp_host_key);
    struct mp_host **box = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return box == NULL ? NULL : *box;
}

struct mp_host *mp_check_host(lua_State *L)
{
    struct mp_host *host = mp_host_of(L);
    if (host == NULL)
        luaL_error(L, "the event loop has ended");
    return host;
}

static void on_turn(uv_timer_t *timer)
{
    (void)timer;
    mp_backstop_turned();
}

void mp_host_turns(struct mp_host *host)
{
    enum { TURN_MS = 100 };
    (void)uv_timer_start(&host->turn, on_turn, TURN_MS, TURN_MS);
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* The host dies with its state: close what is left, let libuv finish, free. */
static int host_gc(lua_State *L)
{
    struct mp_host **box = lua_touserdata(L, 1);
    struct mp_host *host = *box;
    if (host == NULL)
        return 0;
    *box = NULL;
    mp_signal_restore();
    mp_owned_close_all(host); // first: they close their handles themselves
    mp_tasks_free(host);      // those that never ended
    mp_world_close(&host->world);
    uv_walk(&host->loop, close_handle, NULL);
    while (uv_run(&host->loop, UV_RUN_DEFAULT) != 0)
        continue;
    (void)uv_loop_close(&host->loop);
    free(host);
    return 0;
}

void mp_host_new(lua_State *L)
{
    struct mp_host *host = calloc(1, sizeof *host);
    struct mp_host **box = lua_newuserdatauv(L, sizeof *box, 1); // box, with a failure
    *box = NULL;
    if (host == NULL || uv_loop_init(&host->loop) != 0) {
        free(host);
        luaL_error(L, "cannot make an event loop");
        return; // never reached: luaL_error does not return
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    host->L = lua_tothread(L, -1);
    lua_pop(L, 1);
    mp_host_hears(host);
    mp_world_open(&host->world, &host->loop);
    (void)uv_timer_init(&host->loop, &host->turn);
    uv_unref((uv_handle_t *)&host->turn);
    *box = host;
    if (luaL_newmetatable(L, HOST)) {
        lua_pushcfunction(L, host_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &mp_host_key);
}
