/*
 * tasks.h - Lua coroutines on the libuv loop, and the one door from libuv into Lua.
 *
 * One host a lua_State. A task is a coroutine that may wait; everything that libuv
 * reports enters Lua through mp_host_call or by resuming a task, so that no Lua error
 * ever crosses a libuv or engine frame.
 */
#ifndef MP_TASKS_H
#define MP_TASKS_H

#include <lua.h>
#include <uv.h>

struct mp_host {
    lua_State *L; // the main thread, never the L of the call that armed a callback
    uv_loop_t loop;
    int failure; // registry reference of the first error that a callback raised, or LUA_NOREF
    int depth;   // runs in progress
    uv_async_t signal;
    int on_signal; // registry reference of a function, or LUA_NOREF
    int tasks;     // tasks that have not ended
};

/* The host of this state; made on first use. */
struct mp_host *mp_host_of(lua_State *L);

/*
 * Call the function at the registry reference with the nargs values on top of L (the
 * main thread), protected. An error is kept in host->failure and ends core.run.
 */
void mp_host_call(struct mp_host *host, int function_ref, int nargs);

#endif
