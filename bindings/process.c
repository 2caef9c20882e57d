/* process.c - a child process: the simulator of --device sim, or a script's os.execute. */
#include "bindings/modules.h"
#include "bindings/owned.h"
#include "bindings/raise.h"

#include <stdlib.h>
#include <string.h>

#define PROCESS "moonpulse.process"

enum { ARGS_MAX = 256, LINE_MAX_BYTES = 512 };

/* Freed when it is released and its three handles have closed. */
struct process {
    struct mp_owned owned;
    uv_process_t child;
    uv_pipe_t input, output; // the child's
    int open_handles;
    int on_line, on_exit; // registry references
    bool ended;           // or never began
    bool released;        // the host and Lua have let go of it
    size_t used;
    char line[LINE_MAX_BYTES];
};

static void on_closed(uv_handle_t *handle)
{
    struct process *process = handle->data;
    if (--process->open_handles == 0 && process->released)
        free(process);
}

static void close_one(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void provide_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct process *process = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(process->line + process->used,
                          (unsigned)(sizeof process->line - process->used));
}

struct line {
    const struct process *process;
    size_t length;
};

static int tell_line(lua_State *L)
{
    const struct line *line = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, line->process->on_line);
    lua_pushlstring(L, line->process->line, line->length);
    lua_call(L, 1, 0);
    return 0;
}

/* Whole lines go to Lua; a line longer than the buffer is cut there. */
static void on_output(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct process *process = stream->data;
    (void)buffer;
    if (got < 0) {
        close_one((uv_handle_t *)stream);
        return;
    }
    process->used += (size_t)got;
    char *end;
    while ((end = memchr(process->line, '\n', process->used)) != NULL ||
           process->used == sizeof process->line) {
        size_t length = end == NULL ? process->used : (size_t)(end - process->line);
        size_t taken = end == NULL ? length : length + 1;
        struct line line = {.process = process, .length = length};
        if (process->on_line != LUA_NOREF) // else it was closed in an earlier line
            (void)mp_host_enter(process->owned.host, tell_line, &line);
        process->used -= taken; // the process lives until this handle has closed
        memmove(process->line, process->line + taken, process->used);
    }
}

struct ending {
    const struct process *process;
    int64_t status;
    int signal;
};

static int tell_end(lua_State *L)
{
    const struct ending *ending = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ending->process->on_exit);
    lua_pushinteger(L, ending->status);
    lua_pushinteger(L, ending->signal);
    lua_call(L, 2, 0);
    return 0;
}

static void on_exit_status(uv_process_t *child, int64_t status, int signal)
{
    struct process *process = child->data;
    struct ending ending = {.process = process, .status = status, .signal = signal};
    process->ended = true;
    close_one((uv_handle_t *)child);
    close_one((uv_handle_t *)&process->input);
    if (process->on_exit != LUA_NOREF)
        (void)mp_host_enter(process->owned.host, tell_end, &ending);
}

static int option_function(lua_State *L, const char *key)
{
    lua_getfield(L, 1, key);
    luaL_argcheck(L, lua_isfunction(L, -1), 1, "on_line and on_exit must be functions");
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* A stop ends the child and what it started: they are a session of their own, whose group is
 * killed. Ctrl-C at the terminal comes to us alone, and from us to them. inherit: the child has
 * our standard streams; a terminal there it can read as before, since it is not the one that
 * controls its session. */
static int start(struct process *process, const char *const *args, bool inherit)
{
    const uv_stdio_container_t ours[3] = {{.flags = UV_INHERIT_FD, .data.fd = 0},
                                          {.flags = UV_INHERIT_FD, .data.fd = 1},
                                          {.flags = UV_INHERIT_FD, .data.fd = 2}};
    uv_stdio_container_t stdio[3] = {{.flags = UV_CREATE_PIPE | UV_READABLE_PIPE,
                                      .data.stream = (uv_stream_t *)&process->input},
                                     {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
                                      .data.stream = (uv_stream_t *)&process->output},
                                     {.flags = UV_INHERIT_FD, .data.fd = 2}};
    uv_process_options_t options = {
        .file = args[0],
        .args = (char **)(uintptr_t)args, // libuv does not write to it
        .exit_cb = on_exit_status,
        .stdio = stdio,
        .stdio_count = 3,
        .flags = UV_PROCESS_DETACHED,
    };
    (void)uv_pipe_init(&process->owned.host->loop, &process->input, 0);
    (void)uv_pipe_init(&process->owned.host->loop, &process->output, 0);
    process->input.data = process->output.data = process->child.data = process;
    process->open_handles = 3;
    if (inherit)
        memcpy(stdio, ours, sizeof stdio);
    int failed = uv_spawn(&process->owned.host->loop, &process->child, &options);
    process->ended = failed != 0;
    if (failed == 0 && !inherit)
        failed = uv_read_start((uv_stream_t *)&process->output, provide_buffer, on_output);
    return failed;
}

/* One that was stopped (SIGSTOP) hears SIGTERM only when it goes on. */
static void end_group(const struct process *process)
{
    int group = -(int)uv_process_get_pid(&process->child);
    if (uv_kill(group, SIGTERM) == 0)
        (void)uv_kill(group, SIGCONT);
}

static void release(struct mp_owned *owned)
{
    struct process *process = (struct process *)owned;
    process->on_line = process->on_exit = LUA_NOREF;
    if (!process->ended)
        end_group(process);
    process->released = true;
    if (process->open_handles == 0) { // it never began; or it ended and all has closed
        free(process);
        return;
    }
    close_one((uv_handle_t *)&process->input);
    close_one((uv_handle_t *)&process->output);
    close_one((uv_handle_t *)&process->child);
}

static void let_go(lua_State *L, int arg)
{
    const struct process *process = mp_owned_at(L, arg, PROCESS);
    if (process == NULL)
        return;
    luaL_unref(L, LUA_REGISTRYINDEX, process->on_line);
    luaL_unref(L, LUA_REGISTRYINDEX, process->on_exit);
    mp_owned_close(L, arg, PROCESS);
}

/* core.process{args={path, ...}, on_line=, on_exit=, inherit=} -> process | nil, message, code;
 * inherit: on_line is never called, the child reads and writes where we do */
static int process_new(lua_State *L)
{
    const char *args[ARGS_MAX + 1] = {NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_getfield(L, 1, "args");
    luaL_argcheck(L, lua_istable(L, -1), 1, "args must be a list");
    lua_Integer count = luaL_len(L, -1);
    luaL_argcheck(L, count >= 1 && count <= ARGS_MAX, 1, "1 to 256 args expected");
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, -1, i);
        args[i - 1] = luaL_checkstring(L, -1); // the table keeps it alive
        lua_pop(L, 1);
    }
    struct process *process = mp_own(L, PROCESS, sizeof *process, 0, release);
    process->ended = true;
    process->on_line = process->on_exit = LUA_NOREF;
    process->on_line = option_function(L, "on_line");
    process->on_exit = option_function(L, "on_exit");
    lua_getfield(L, 1, "inherit");
    bool inherit = lua_toboolean(L, -1);
    lua_pop(L, 1);
    int failed = start(process, args, inherit);
    if (failed == 0)
        return 1;
    struct mp_error err = {0};
    mp_fail(&err, MP_EIO, "cannot start %s: %s", args[0], uv_strerror(failed));
    let_go(L, lua_gettop(L));
    return mp_push_failure(L, &err);
}

/* process:finish(): closes its standard input, which a simulator takes as the end */
static int process_finish(lua_State *L)
{
    struct process *process = mp_owned_at(L, 1, PROCESS);
    if (process != NULL && !process->ended)
        close_one((uv_handle_t *)&process->input);
    return 0;
}

/* process:kill(): ends the child with all that it started at once, whatever they do; on_exit
 * tells when */
static int process_kill(lua_State *L)
{
    const struct process *process = mp_owned_at(L, 1, PROCESS);
    if (process != NULL && !process->ended)
        (void)uv_kill(-(int)uv_process_get_pid(&process->child), SIGKILL);
    return 0;
}

/* process:close(); also __gc: ends the child with all that it started, and lets go of it */
static int process_close(lua_State *L)
{
    let_go(L, 1);
    return 0;
}

void mp_open_process(lua_State *L)
{
    static const luaL_Reg functions[] = {{"process", process_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"finish", process_finish},
                                       {"kill", process_kill},
                                       {"close", process_close},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", process_close}, {"__close", process_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, PROCESS, methods, metamethods);
    lua_pop(L, 1);
}
