/*
 * Lua runs out of memory at each allocation in turn while libuv and the engine report something
 * to it, with a session armed on a real pseudo-terminal. Whatever was going on: core.run ends
 * with the error, the safe frame is on the wire, and the host can run again. Also where Lua
 * could not call a finalizer, and has freed what it stood for: what the loop calls is the
 * host's.
 */
#include "bindings/modules.h"

#include "engine/clock.h"
#include "engine/pty.h"

#include "tests/check.h"

#include <lauxlib.h>
#include <lualib.h>

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALLOCATIONS_MAX = 2000 };
static const int64_t patience_ns = INT64_C(20) * MP_NS_PER_S;

static struct {
    bool counted;
    size_t left;    // allocations that still succeed
    size_t refused; // how many did not
} memory;
static size_t fail_at;
static struct mp_pty *pty;
static int input;   // the far end of standard input
static pid_t child; // that a scenario has left; 0: none

static void *allocate(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    if (new_size == 0) {
        if (block != NULL)
            memset(block, 0xdb, old_size); // who still uses it is found out
        free(block);
        return NULL;
    }
    bool grows = block == NULL || new_size > old_size; // to shrink never fails
    if (grows && memory.counted) {
        if (memory.left == 0) {
            memory.refused++;
            return NULL;
        }
        memory.left--;
    }
    return realloc(block, new_size);
}

/* ---- what a scenario may do ---- */

static int rig_scarce(lua_State *L)
{
    (void)L;
    memory.counted = true;
    memory.left = fail_at;
    return 0;
}

static int rig_arrive(lua_State *L)
{
    size_t length, written = 0;
    const char *bytes = luaL_checklstring(L, 1, &length);
    CHECK_INT(mp_pty_write(pty, bytes, length, &written, NULL), MP_OK);
    CHECK_INT(written, length);
    return 0;
}

static int rig_type(lua_State *L)
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    CHECK_INT(write(input, bytes, length), (long long)length);
    return 0;
}

static int rig_unplug(lua_State *L)
{
    (void)L;
    mp_pty_close(pty);
    pty = NULL;
    return 0;
}

static int rig_interrupt(lua_State *L)
{
    (void)L;
    (void)raise(SIGINT);
    return 0;
}

static int rig_check(lua_State *L)
{
    CHECK(lua_toboolean(L, 1));
    return 0;
}

static int rig_child(lua_State *L)
{
    child = (pid_t)luaL_checkinteger(L, 1);
    return 0;
}

static const luaL_Reg rig_functions[] = {{"scarce", rig_scarce},       {"arrive", rig_arrive},
                                         {"type", rig_type},           {"unplug", rig_unplug},
                                         {"interrupt", rig_interrupt}, {"check", rig_check},
                                         {"child", rig_child},         {NULL, NULL}};

/* Called when the state closes, after everything that the module has made was finalized. */
static const char last[] =
    "last = setmetatable({}, { __gc = function(self) self.call() end })\n"
    "last.call = print";

/* The session of all scenarios: what comes is kept, and wakes the task called main. */
static const char prelude[] =
    "core, rig, path = ...\n"
    "function last.call() end\n"
    "function uncalled()\n" // as where there is no memory to call a finalizer
    "  for _, class in ipairs { 'session', 'pty', 'input', 'process' } do\n"
    "    local metatable = debug.getregistry()['moonpulse.' .. class]\n"
    "    assert(metatable.__gc) metatable.__gc = nil\n"
    "  end\n"
    "end\n"
    "serial = { baud = 9600, bits = 8, parity = 'none', stop_bits = 1, flow = 'none' }\n"
    "kept = {}\n"
    "function keep(...)\n"
    "  kept[#kept + 1] = table.concat({ tostring(...), 'kept ', #kept })\n"
    "  if main then main:wake(kept[#kept] .. '!') end\n"
    "end\n"
    "session = core.session { on_bytes = keep, on_outcome = keep, on_gone = keep }\n"
    "assert(session:open(path, serial))\n"
    "assert(session:arm { safe = 'XYZ', tolerance = 1 })\n";

struct scenario {
    const char *name;
    const char *body;  // of the main task
    const char *error; // that it ends with in any case; NULL: none
};

static const struct scenario scenarios[] = {
    {.name = "bytes", .body = "rig.scarce() rig.arrive('ready') core.wait()"},
    {.name = "an outcome", .body = "rig.scarce() session:write('k') core.wait()"},
    {.name = "a stop", .body = "rig.scarce() session:stop() core.wait(0)"},
    {.name = "a lost port", .body = "rig.scarce() rig.unplug() core.wait()"},
    {.name = "tasks",
     .body =
         "core.spawn(function(own) core.wait(0.001) own:wake({}, ('x'):rep(60)) end, main)\n"
         "rig.scarce()\n"
         "local _, _, text = core.wait()\n"
         "return text .. '?', {}, text .. '!'"},
    {.name = "a foreign yield",
     .body = "rig.scarce() core.spawn(function() coroutine.yield({}) end) core.wait()",
     .error = "not with coroutine.yield"},
    {.name = "a signal",
     .body = "core.on_signal(keep) rig.scarce() rig.interrupt() core.wait()"},
    {.name = "a simulator",
     .body = "local simulator <close> = core.pty(nil, keep)\n"
             "local other <close> = core.session { on_bytes = keep, on_outcome = keep, "
             "on_gone = keep }\n"
             "assert(other:open(simulator:path(), serial))\n"
             "rig.scarce() other:write('hello') core.wait()"},
    {.name = "a forgotten session, collected in its own callbacks",
     .body =
         "local simulator = core.pty(nil, keep)\n"
         "local function collect() collectgarbage() collectgarbage() end\n"
         "do\n"
         "  local other = core.session { on_bytes = collect, on_outcome = collect,\n"
         "    on_gone = function(...) collect() keep(...) end }\n"
         "  assert(other:open(simulator:path(), serial))\n"
         "  assert(other:arm { safe = 'XYZ', tolerance = 1 })\n"
         "end\n"
         "collect() rig.scarce() simulator:write('bytes') core.wait(0.002) simulator:close() "
         "core.wait()"},
    {.name = "standard input",
     .body = "local keys <close> = core.input(keep) rig.scarce() rig.type('q') core.wait()"},
    {.name = "a process",
     .body = "local ended\n"
             "local child <close> = core.process { args = { '/bin/echo', 'one two' }, "
             "on_line = keep, on_exit = function(...) ended = true keep(...) end }\n"
             "rig.scarce() while not ended do core.wait() end"},
    {.name = "what Lua has freed without its finalizers",
     .body = "uncalled()\n"
             "local simulator, heard = core.pty(nil, keep), {}\n"
             "local function hear(what)\n"
             "  return function(...) heard[what] = true keep(...) end\n"
             "end\n"
             "do\n"
             "  local other = core.session { on_bytes = hear 'bytes', on_outcome = keep, "
             "on_gone = keep }\n"
             "  assert(other:open(simulator:path(), serial))\n"
             "  assert(core.pty(nil, keep) and core.input(hear 'key'))\n"
             "  assert(core.process { args = { '/bin/sh', '-c', 'echo $$; exec sleep 100' },\n"
             "    on_line = function(pid) rig.child(tonumber(pid)) heard.line = true keep(pid) "
             "end,\n"
             "    on_exit = keep })\n"
             "end\n"
             "collectgarbage() collectgarbage() rig.scarce() rig.type('q') "
             "simulator:write('bytes')\n"
             "while not (heard.bytes and heard.key and heard.line) do core.wait() end"},
    {.name = "a feed, and a program that reads it and asks",
     .body = "local at = os.tmpname() os.remove(at)\n"
             "local feed <close> = assert(core.feed(at))\n"
             "feed:serve(function(...) keep(...) return 'answer' end, '{}')\n"
             "local joined <close> = assert(core.feed_join(at))\n"
             "local lines = { 'one', 'two', 'three', 'four' }\n"
             "rig.scarce() for _, line in ipairs(lines) do\n"
             "  feed:tell(line) joined:send('asked') core.wait(0.001) joined:line(1)\n"
             "end"},
    {.name = "a stream over LSL",
     .body = "local stream <close> = assert(core.lsl(false))\n"
             "rig.scarce() assert(stream:serve('name', 'run', '1'))\n"
             "for i = 1, 3 do stream:push(i, 'text ' .. i) core.wait(0.001) end\n"
             "rig.check(select(3, stream:counts()) == 3) stream:finish(0, 0)"},
    {.name = "what is used when the host has ended",
     .body = "uncalled()\n"
             "local simulator = core.pty(nil, keep)\n"
             "local child = core.process { args = { '/bin/echo' }, on_line = keep, "
             "on_exit = keep }\n"
             "local main = core.current()\n"
             "function last.call()\n"
             "  rig.check(session:state() == 'closed')\n"
             "  rig.check(not pcall(session.write, session, 'x'))\n"
             "  rig.check(not pcall(session.open, session, path, serial))\n"
             "  rig.check(not pcall(simulator.write, simulator, 'x'))\n"
             "  session:close() simulator:close() child:finish() child:close()\n"
             "  rig.check(not main:wake())\n"
             "  rig.check(not pcall(core.pty, nil, keep))\n"
             "  rig.check(not pcall(core.spawn, print) and not pcall(core.run, print))\n"
             "  rig.check(not pcall(core.on_signal, print))\n"
             "end\n"
             "rig.scarce() simulator:write('bytes') core.wait(0.001)"},
    {.name = "a session that its own last outcome closes",
     .body = "local simulator <close> = core.pty(nil, keep)\n"
             "local other\n"
             "other = core.session { on_bytes = keep, on_gone = keep,\n"
             "  on_outcome = function(...) other:close() collectgarbage() keep(...) end }\n"
             "assert(other:open(simulator:path(), serial))\n"
             "assert(other:arm { safe = 'XYZ', tolerance = 1 })\n"
             "rig.scarce() other:close() rig.check(other:state() == 'closed') core.wait(0)"},
};

/* ---- one run ---- */

static int run_scenario(lua_State *L) /* (scenario) */
{
    const struct scenario *scenario = lua_touserdata(L, 1);
    luaL_openlibs(L);
    if (luaL_dostring(L, last) != LUA_OK || luaL_loadstring(L, prelude) != LUA_OK)
        return lua_error(L);
    luaL_requiref(L, "moonpulse.core", luaopen_moonpulse_core, 0);
    luaL_newlib(L, rig_functions);
    lua_pushstring(L, mp_pty_path(pty));
    lua_call(L, 3, 0);
    (void)lua_pushfstring(L, "return core.run(function() main = core.current() %s end)",
                          scenario->body);
    if (luaL_loadstring(L, lua_tostring(L, -1)) != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, 0);
    return 0;
}

/* The safe frame comes, and is the last on the wire. */
static bool safe_frame_comes(void)
{
    char wire[256];
    size_t length = 0, got = 0;
    int64_t at_ns;
    struct pollfd state = {.fd = mp_pty_fd(pty), .events = POLLIN};
    for (int64_t until = mp_clock_ns() + patience_ns; mp_clock_ns() < until;) {
        if (length >= 3 && memcmp(wire + length - 3, "XYZ", 3) == 0)
            return true;
        if (poll(&state, 1, 100) == 1 &&
            mp_pty_read(pty, wire + length, sizeof wire - length, &got, &at_ns, NULL) == MP_OK)
            length += got;
    }
    return false;
}

static void check_text(lua_State *L, const char *code, const char *expected)
{
    int failed = luaL_dostring(L, code);
    CHECK(!failed);
    CHECK_STR(lua_tostring(L, -1), expected);
    lua_settop(L, 0);
}

/* How it ended: with an error everything is safe before anybody asks for it. */
static void check_end(lua_State *L, const struct scenario *scenario, bool failed)
{
    const char *text = failed ? lua_tostring(L, -1) : NULL;
    if (failed && memory.refused > 0 &&
        (scenario->error == NULL || strstr(text, scenario->error) == NULL))
        CHECK_HAS(text, "not enough memory");
    else if (failed && scenario->error != NULL)
        CHECK_HAS(text, scenario->error);
    else // a refusal that Lua can do without is none
        CHECK_STR(failed ? text : "fine", scenario->error == NULL ? "fine" : scenario->error);
    lua_settop(L, 0);
    if (failed && pty != NULL)
        CHECK(safe_frame_comes());
    if (failed && pty != NULL) { // a lost port is closed once the loop has seen it
        CHECK_INT(luaL_dostring(L, "main = nil session:stop()"), LUA_OK);
        check_text(L, "return session:state()", "connected");
    }
    check_text(L, "return core.run(function() core.wait(0.001) return 'again' end)", "again");
}

/* The host has ended the child that was left to it. */
static void check_child(void)
{
    int status = 0;
    if (child == 0)
        return;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    child = 0;
}

/* Returns whether an allocation was refused. */
static bool run_once(const struct scenario *scenario)
{
    struct mp_error err = {0};
    CHECK_INT(mp_pty_open(&pty, NULL, &err), MP_OK);
    lua_State *L = lua_newstate(allocate, NULL);
    memory.refused = 0;
    lua_pushcfunction(L, run_scenario);
    lua_pushlightuserdata(L, (void *)(uintptr_t)scenario);
    bool failed = lua_pcall(L, 1, 0, 0) != LUA_OK;
    memory.counted = false;
    check_end(L, scenario, failed);
    lua_close(L);
    check_child();
    mp_pty_close(pty);
    pty = NULL;
    return memory.refused > 0;
}

int main(void)
{
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    CHECK_INT(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    input = ends[1];
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        int before = check_failed;
        for (fail_at = 0; run_once(&scenarios[i]) && check_failed == before;)
            if (++fail_at == ALLOCATIONS_MAX)
                CHECK_NEVER("it comes to an end");
        CHECK(fail_at > 0);
        if (check_failed != before)
            (void)fprintf(stderr, "out of memory at allocation %zu: %s\n", fail_at,
                          scenarios[i].name);
    }
    return CHECK_DONE("test_memory");
}
