/*
 * tasks.h - Lua coroutines in a world (engine/world.h), and the one door from libuv into Lua.
 *
 * One host a lua_State. A task is a coroutine that may wait; everything that libuv or the
 * engine reports enters Lua through mp_host_enter or by resuming a task, so that no Lua error
 * ever crosses a libuv or engine frame. Out of memory is such an error, and most of what Lua's
 * interface offers may raise it: in a callback, Lua is touched in the body alone. Nor may the
 * loop depend on a finalizer, which needs memory to be called: see owned.h for who owns what.
 */
#ifndef MP_TASKS_H
#define MP_TASKS_H

#include "engine/world.h"

#include <lua.h>
#include <stdbool.h>
#include <uv.h>

struct mp_host {
    lua_State *L; // the main thread, never the L of the call that armed a callback
    uv_loop_t loop;
    struct mp_world world; // of the loop
    bool failed; // a callback or task raised; the first error waits in the host's user value
    struct task *main; // of core.run; NULL: none
    int depth;         // runs in progress
    uv_async_t signal;
    int on_signal;          // registry reference of a function, or LUA_NOREF
    int tasks;              // tasks that have not ended
    struct task *all;       // they are in this list
    uv_timer_t turn;        // shows that a loop which waits is alive
    struct mp_owned *owned; // what is not closed yet (owned.h)
};

/* The host of this state: made with the module, NULL when the state closes and it has ended. */
struct mp_host *mp_host_of(lua_State *L);
/* The same; raises if there is none. */
struct mp_host *mp_check_host(lua_State *L);

/*
 * Call body(L) on the main thread, protected, with context (light userdata) as its argument at
 * 1; its results are dropped. Takes no memory outside of the protection. False when it raised:
 * then everything that is armed is being stopped, and the error (the first one) is raised in
 * the main task, at its next instruction. What must happen in any case, the caller does
 * afterwards, without Lua.
 */
bool mp_host_enter(struct mp_host *host, lua_CFunction body, void *context);

/* Its loop hears of signals (signals.c): when it is made. */
void mp_host_hears(struct mp_host *host);

/* Between host.c and tasks.c: the registry's key of the host's userdata; make it; at its end
 * free the tasks that never ended. */
extern const char mp_host_key;
void mp_host_new(lua_State *L);
void mp_tasks_free(struct mp_host *host);

/* From now on the loop tells the backstop that it turns, also while it waits. */
void mp_host_turns(struct mp_host *host);

#endif
