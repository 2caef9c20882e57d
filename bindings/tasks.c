#include "bindings/tasks.h"

#include "bindings/armed.h"
#include "bindings/backstop.h"
#include "bindings/modules.h"
#include "bindings/owned.h"
#include "bindings/raise.h"

#include <lualib.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define TASK "moonpulse.task"

static const char tasks_key = 0; // registry table: thread -> task userdata, weak keys

enum task_state { READY, WAITING, TIMED, ENDED };
static void on_alarm(struct mp_alarm *alarm);

/* Memory of a task: its userdata is the handle for Lua, this lives until the task has ended. */
struct task {
    struct mp_alarm alarm; // first: when it goes on
    struct mp_host *host;
    struct task *next, **previous; // of those that have not ended
    lua_State *co;
    int ref; // keeps the coroutine alive while the task has not ended
    enum task_state state;
    int wake_values; // values waiting on the coroutine's stack for its next resume
    bool timed_out;
    bool main;     // core.run returns its results
    lua_Hook hook; // its own, while raise_at_next stands in its place; NULL: none
    int hook_mask, hook_count;
    char place[LUA_IDSIZE + 32]; // where it yielded
    bool yielded;                // it is to hear that it must not
};

/* It goes on at once: in the next turn. */
static void go_on(struct task *task)
{
    struct mp_world *world = &task->host->world;
    mp_world_set(world, &task->alarm, mp_world_now(world));
}

static struct task *task_of(lua_State *co)
{
    if (mp_host_of(co) == NULL) // it has ended, and all tasks
        return NULL;
    lua_rawgetp(co, LUA_REGISTRYINDEX, &tasks_key);
    lua_pushthread(co);
    lua_rawget(co, -2);
    struct task **box = lua_touserdata(co, -1);
    lua_pop(co, 2);
    return box == NULL ? NULL : *box;
}

/* A hook: raise in the task what it is to hear. Takes no memory but for a yield's words. */
static void raise_at_next(lua_State *co, lua_Debug *ar)
{
    struct task *task = task_of(co);
    (void)ar;
    if (task == NULL) // a coroutine that the task made has inherited it
        return;
    // one that yields again and again never comes to a count: the backstop's hook looks at once
    bool counts = task->yielded && (task->hook_mask & LUA_MASKCOUNT) != 0;
    lua_sethook(co, task->hook, task->hook_mask, counts ? 1 : task->hook_count);
    if (task->yielded) {
        task->yielded = false;
        lua_pushstring(co, task->place);
        lua_pushliteral(co,
                        "a task may only wait with moonpulse functions (sleep, wait), not with "
                        "coroutine.yield");
        lua_concat(co, 2);
        (void)lua_error(co);
    }
    if (!task->main || !task->host->failed)
        return;
    task->host->failed = false;
    lua_rawgetp(co, LUA_REGISTRYINDEX, &mp_host_key); // box
    lua_getiuservalue(co, -1, 1);                     // box, error
    lua_pushnil(co);
    lua_setiuservalue(co, -3, 1);
    (void)lua_error(co);
}

/* It waits in coroutine.yield: where was that called? Takes no memory. */
static void note_place(struct task *task)
{
    lua_Debug caller;
    task->place[0] = '\0';
    for (int level = 1; task->place[0] == '\0' && lua_getstack(task->co, level, &caller) != 0;
         level++)
        if (lua_getinfo(task->co, "Sl", &caller) != 0 && caller.currentline > 0)
            (void)snprintf(task->place, sizeof task->place, "%s:%d: ", caller.short_src,
                           caller.currentline);
}

/* Have it raised at the task's next instruction; a task that waits goes on for it. */
static void interrupt_task(struct task *task)
{
    if (lua_gethook(task->co) != raise_at_next) {
        task->hook = lua_gethook(task->co);
        task->hook_mask = lua_gethookmask(task->co);
        task->hook_count = lua_gethookcount(task->co);
    }
    lua_sethook(task->co, raise_at_next, LUA_MASKCOUNT, 1);
    if (task->state != WAITING && task->state != TIMED)
        return;
    task->state = READY;
    task->timed_out = false;
    lua_settop(task->co, 0);
    task->wake_values = 0;
    go_on(task);
}

/*
 * An error that nobody caught is on top of L: what is armed stops, and the main task hears of
 * it. Takes no memory: there may be none.
 */
static void keep_failure(struct mp_host *host, lua_State *L)
{
    mp_armed_stop(MP_STOP_ERROR);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &mp_host_key); // error, box
    lua_insert(L, -2);                               // box, error
    if (host->failed)
        lua_pop(L, 1);
    else
        lua_setiuservalue(L, -2, 1);
    lua_pop(L, 1);
    host->failed = true;
    if (host->main != NULL)
        interrupt_task(host->main);
}

bool mp_host_enter(struct mp_host *host, lua_CFunction body, void *context)
{
    lua_State *L = host->L;
    mp_backstop_turned();
    lua_pushcfunction(L, body); // light: no memory
    lua_pushlightuserdata(L, context);
    lua_State *before = mp_signal_running(L);
    bool ok = lua_pcall(L, 1, 0, 0) == LUA_OK;
    (void)mp_signal_running(before);
    if (!ok)
        keep_failure(host, L);
    return ok;
}

/* Nobody has it any more. */
static void free_task(struct task *task)
{
    *task->previous = task->next;
    if (task->next != NULL)
        task->next->previous = task->previous;
    mp_world_cancel(&task->host->world, &task->alarm);
    free(task);
}

void mp_tasks_free(struct mp_host *host)
{
    while (host->all != NULL)
        free_task(host->all);
}

static void end_task(struct task *task)
{
    if (task->state == ENDED)
        return;
    lua_State *L = task->host->L;
    task->state = ENDED;
    task->host->tasks--;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key); // tasks
    lua_rawgeti(L, LUA_REGISTRYINDEX, task->ref);  // tasks, thread
    lua_pushvalue(L, -1);
    lua_rawget(L, -3); // tasks, thread, box
    struct task **box = lua_touserdata(L, -1);
    if (box != NULL)
        *box = NULL;
    lua_pop(L, 3);
    luaL_unref(L, LUA_REGISTRYINDEX, task->ref);
    if (task->main) {
        task->host->main = NULL;
        mp_world_stop(&task->host->world);
    }
    free_task(task);
}

/* The error value is on top of the coroutine; scripts see the error itself, as after pcall. */
static void fail_task(struct task *task)
{
    if (task->main)
        task->host->main = NULL; // it is the one that raised
    lua_xmove(task->co, task->host->L, 1);
    keep_failure(task->host, task->host->L);
}

/* What the main task returned, on its stack, becomes core.run's: a table in the registry. */
static int keep_results(lua_State *L)
{
    struct task *task = lua_touserdata(L, 1);
    int results = lua_gettop(task->co);
    lua_createtable(L, results, 1); // table
    lua_pushinteger(L, results);
    lua_setfield(L, -2, "n");
    for (int i = results; i > 0; i--) {
        lua_xmove(task->co, L, 1);
        lua_seti(L, -2, i);
    }
    lua_rawsetp(L, LUA_REGISTRYINDEX, task->host);
    return 0;
}

static void resume(struct task *task)
{
    int results = 0, values = task->wake_values;
    task->wake_values = 0;
    task->state = READY;
    struct mp_host *host = task->host;
    if (!task->yielded) // that is no turn of its own making: it is to be interrupted all the
                        // same
        mp_backstop_turned();
    (void)mp_signal_running(task->co);
    int status = lua_resume(task->co, host->L, values, &results);
    (void)mp_signal_running(NULL);
    if (status == LUA_YIELD) {
        lua_pop(task->co, results);
        if (task->state != READY)
            return;
        note_place(task);
        task->yielded = true; // it goes on in the next turn, with an error where it yielded
        task->timed_out = false;
        interrupt_task(task);
        go_on(task);
        return;
    } else if (status != LUA_OK) {
        fail_task(task);
        (void)lua_resetthread(task->co); // closes its pending to-be-closed variables
    } else if (task->main) {
        (void)mp_host_enter(host, keep_results, task);
    }
    end_task(task);
}

static void on_alarm(struct mp_alarm *alarm)
{
    struct task *task = (struct task *)alarm;
    if (task->timed_out && task->state == TIMED) {
        lua_settop(task->co, 0);
        lua_pushboolean(task->co, 0);
        task->wake_values = 1;
    }
    resume(task);
}

static struct task *current_task(lua_State *L)
{
    struct task *task = task_of(L);
    if (task == NULL)
        luaL_error(L,
                   "waiting works only inside a task: start one with core.run or core.spawn");
    if (!lua_isyieldable(L))
        luaL_error(L,
                   "cannot wait here: this function was called from C (sort, gsub, require)");
    return task;
}

/* Make a task of the function and arguments on the stack of L; it starts in the next turn. */
static struct task *new_task(lua_State *L, struct mp_host *host, bool is_main)
{
    int values = lua_gettop(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    struct task **box = lua_newuserdatauv(L, sizeof *box, 0); // ..., box
    *box = NULL;
    luaL_setmetatable(L, TASK);
    lua_State *co = lua_newthread(L); // ..., box, thread
    if (!lua_checkstack(co, values))
        luaL_error(L, "too many arguments for a task");
    struct task *task = calloc(1, sizeof *task);
    if (task == NULL)
        luaL_error(L, "out of memory for a task");
    *task = (struct task){.alarm = {.ring = on_alarm},
                          .host = host,
                          .co = co,
                          .main = is_main,
                          .wake_values = values - 1,
                          .next = host->all,
                          .previous = &host->all};
    if (task->next != NULL)
        task->next->previous = &task->next;
    host->all = task;
    *box = task;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key); // ..., box, thread, tasks
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -4);
    lua_rawset(L, -3);
    lua_pop(L, 1);                              // ..., box, thread
    task->ref = luaL_ref(L, LUA_REGISTRYINDEX); // ..., box
    lua_insert(L, 1);                           // box, function, arguments
    lua_xmove(L, co, values);                   // box
    host->tasks++;
    go_on(task);
    return task;
}

/* core.spawn(function, ...) -> task */
static int spawn(lua_State *L)
{
    new_task(L, mp_check_host(L), false);
    return 1;
}

enum { TURNS_HERE = 1000000 }; // at one instant of virtual time: far beyond what any run needs

/* To the nearest nanosecond, and never none: seconds are above 0. */
static int64_t whole_ns(lua_Number seconds)
{
    int64_t ns = (int64_t)llround(seconds * 1e9);
    return ns > 0 ? ns : 1;
}

/*
 * core.wait([seconds]) -> true, values... when task:wake(values...) came; false when the
 * time was over. Without a time it waits for a wake only.
 */
static int wait(lua_State *L)
{
    lua_Number seconds = lua_isnoneornil(L, 1) ? -1 : mp_check_number(L, 1, 0, 1e9);
    struct task *task = current_task(L);
    if (mp_world_here(&task->host->world) > TURNS_HERE)
        return luaL_error(L, "virtual time stands still: somebody waits 0 s again and again");
    task->timed_out = seconds >= 0;
    task->state = seconds >= 0 ? TIMED : WAITING;
    struct mp_world *world = &task->host->world;
    if (seconds > 0)
        mp_world_set(world, &task->alarm, mp_world_now(world) + whole_ns(seconds));
    else if (task->timed_out)
        mp_world_set(world, &task->alarm, mp_world_soon(world));
    return lua_yield(L, 0);
}

/* core.current() -> the running task */
static int current(lua_State *L)
{
    (void)current_task(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key);
    lua_pushthread(L);
    lua_rawget(L, -2);
    return 1;
}

/* task:wake(...) -> true if it was waiting; its core.wait returns true, ... in the next turn */
static int task_wake(lua_State *L)
{
    struct task **box = luaL_checkudata(L, 1, TASK);
    struct task *task = mp_host_of(L) == NULL ? NULL : *box;
    if (task == NULL || (task->state != WAITING && task->state != TIMED)) {
        lua_pushboolean(L, 0);
        return 1;
    }
    int values = lua_gettop(L) - 1;
    task->state = READY;
    task->timed_out = false;
    lua_settop(task->co, 0);
    luaL_checkstack(L, 2, NULL);
    if (!lua_checkstack(task->co, values + 1))
        return luaL_error(L, "too many values to wake a task with");
    lua_pushboolean(task->co, 1);
    lua_xmove(L, task->co, values);
    task->wake_values = values + 1;
    go_on(task);
    lua_pushboolean(L, 1);
    return 1;
}

/* core.tasks() -> how many tasks have not ended */
static int tasks(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)mp_check_host(L)->tasks);
    return 1;
}

/* Raise what a callback or task raised, if anything. */
static void raise_failure(lua_State *L, struct mp_host *host)
{
    if (!host->failed)
        return;
    host->failed = false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &mp_host_key); // box
    lua_getiuservalue(L, -1, 1);                     // box, error
    lua_pushnil(L);
    lua_setiuservalue(L, -3, 1);
    lua_error(L);
}

/*
 * core.run(function, ...) -> its results. Runs function as a task and the loop until it
 * ends; raises its error, or the first error that a callback or another task raised.
 */
static int run(lua_State *L)
{
    struct mp_host *host = mp_check_host(L);
    if (host->depth > 0)
        return luaL_error(L, "core.run is already running: start more work with core.spawn");
    struct task *task = new_task(L, host, true);
    struct task **box = lua_touserdata(L, 1); // emptied when the task ends
    host->depth++;
    host->main = task;
    while (*box != NULL && mp_world_turn(&host->world))
        continue; // until nothing is left that could wake it
    host->depth--;
    if (*box != NULL) {
        // its pending to-be-closed variables close now; waiting in one of them fails
        lua_State *co = (*box)->co;
        lua_rawgeti(L, LUA_REGISTRYINDEX, (*box)->ref); // alive until it is closed
        end_task(*box);
        (void)lua_resetthread(co);
        lua_pop(L, 1);
    }
    raise_failure(L, host);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, host) != LUA_TTABLE) // results
        return luaL_error(L, "the script waits for something that can never come");
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, host);
    lua_getfield(L, -1, "n");
    int results = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    luaL_checkstack(L, results, NULL);
    for (int i = 1; i <= results; i++)
        lua_geti(L, 2, i);
    return results;
}

/*
 * coroutine.close and coroutine.resume, of anything but a task: what closes a run is on its
 * main task's stack, and only the loop knows when one goes on. Upvalues: Lua's own, its name.
 */
static int not_of_tasks(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    if (co != NULL && task_of(co) != NULL)
        return luaL_error(
            L,
            "coroutine.%s: this coroutine is the script's own, or one of run:spawn, "
            "which nothing else may resume or close: it ends when its function "
            "returns",
            lua_tostring(L, lua_upvalueindex(2)));
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* Once for a state: the library's functions are Lua's own until then. */
static void keep_tasks_whole(lua_State *L)
{
    static const char *const names[] = {"close", "resume"};
    if (lua_getglobal(L, LUA_COLIBNAME) == LUA_TTABLE)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            lua_getfield(L, -1, names[i]);
            lua_pushstring(L, names[i]);
            lua_pushcclosure(L, not_of_tasks, 2);
            lua_setfield(L, -2, names[i]);
        }
    lua_pop(L, 1);
}

void mp_open_tasks(lua_State *L)
{
    static const luaL_Reg functions[] = {{"run", run},         {"spawn", spawn}, {"wait", wait},
                                         {"current", current}, {"tasks", tasks}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"wake", task_wake}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{NULL, NULL}};
    if (mp_host_of(L) == NULL) {
        mp_host_new(L);
        keep_tasks_whole(L);
    }
    lua_newtable(L); // tasks, with weak keys
    lua_newtable(L);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &tasks_key);
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, TASK, methods, metamethods);
    lua_pop(L, 1);
}
