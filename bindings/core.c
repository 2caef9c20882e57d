/* core.c - require "moonpulse.core": the engine for Lua. scripts/moonpulse makes it pleasant.
 */
#include "bindings/modules.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void on_pipe(int number)
{
    (void)number;
}

/*
 * Writing to a pipe or a lost pty must fail with an error, not end the process. A handler,
 * since what a script starts would keep an ignored signal ignored.
 */
static void survive_lost_pipes(void)
{
    struct sigaction action = {.sa_handler = on_pipe, .sa_flags = SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGPIPE, &action, NULL);
    (void)signal(SIGXFSZ, SIG_IGN); // nor may a file that must not grow end the process
}

/* If a standard stream is closed the next file would take its place, and our words go there.
 */
static void have_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0) // the lowest one that is free: fd itself
            (void)open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY);
}

/* io.open as it was, but children do not inherit the file. Upvalues: the one that was, its
 * name. */
static int open_private(lua_State *L)
{
    int arguments = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    if (lua_pcall(L, arguments, LUA_MULTRET, 0) != LUA_OK) { // its words without our frame
        luaL_where(L, 1);
        luaL_gsub(L, luaL_tolstring(L, 1, NULL), "'?'", lua_tostring(L, lua_upvalueindex(2)));
        lua_remove(L, -2);
        lua_concat(L, 2);
        return lua_error(L);
    }
    luaL_Stream *stream = luaL_testudata(L, 1, LUA_FILEHANDLE);
    if (stream != NULL && stream->closef != NULL)
        (void)fcntl(fileno(stream->f), F_SETFD, FD_CLOEXEC);
    return lua_gettop(L);
}

/* The library and its scripts open their files through io: of those none is a child's. */
static void open_privately(lua_State *L)
{
    static const char *const names[] = {"open", "popen", "tmpfile"};
    static const char *const shown[] = {"'open'", "'popen'", "'tmpfile'"};
    static const char done = 0;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &done) != LUA_TNIL ||
        lua_getglobal(L, "io") != LUA_TTABLE) {
        lua_settop(L, 0);
        return; // wrapped before, or no io
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        lua_getfield(L, -1, names[i]);
        lua_pushstring(L, shown[i]);
        lua_pushcclosure(L, open_private, 2);
        lua_setfield(L, -2, names[i]);
    }
    lua_pushboolean(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &done);
    lua_settop(L, 0);
}

int luaopen_moonpulse_core(lua_State *L)
{
    survive_lost_pipes();
    have_standard_streams();
    open_privately(L);
    lua_newtable(L);
    mp_open_tasks(L); // first: its host outlives what the others make
    mp_open_plan(L);
    mp_open_schedule(L);
    mp_open_lowering(L);
    mp_open_flight(L); // before sessions: a session writes into one until it closes
    mp_open_flight_stretch(L);
    mp_open_record_file(L);
    mp_open_events(L);
    mp_open_rows(L);
    mp_open_compared(L);
    mp_open_same_pulses(L);
    mp_open_longer_rows(L);
    mp_open_missing_rows(L);
    mp_open_sorted(L);
    mp_open_evidence(L);
    mp_open_checksum(L);
    mp_open_threshold(L);
    mp_open_sha256(L);
    mp_open_serial(L);
    mp_open_session(L);
    mp_open_triggers(L);
    mp_open_stops(L);
    mp_open_pty(L);
    mp_open_wire(L);
    mp_open_world(L);
    mp_open_process(L);
    mp_open_input(L);
    mp_open_datagram(L);
    mp_open_feed(L);
    mp_open_feed_join(L);
    mp_open_lsl(L);
    mp_open_editor(L);
    mp_open_latency(L);
    mp_open_system(L);
    mp_open_shut_in(L);
    mp_open_limited(L);
    mp_open_signals(L);
    mp_open_backstop(L);
    mp_open_disk(L);
    mp_open_database(L);
    mp_open_run_states(L);
    mp_open_build(L);
    return 1;
}
