/* session_facts.c - what a session's port is, and says. */
#include "bindings/session_facts.h"

#include "bindings/playing.h"
#include "bindings/raise.h"

#include "engine/lsl_in.h"

#include <lauxlib.h>

/* session:backend() -> "serial"|"pty"|"virtual", path; nothing when closed */
int mp_session_backend(lua_State *L)
{
    const struct mp_port *port = mp_session_port(mp_check_session(L, 1));
    if (port == NULL)
        return 0;
    static const char *const kinds[] = {
        [MP_PORT_SERIAL] = "serial", [MP_PORT_PTY] = "pty", [MP_PORT_WIRE] = "virtual"};
    lua_pushstring(L, kinds[mp_port_kind(port)]);
    lua_pushstring(L, mp_port_path(port));
    return 2;
}

/* session:lines() -> cts, dsr | nil, message, code: whether the lines that come in are high */
int mp_session_lines(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_port *port = mp_session_port(mp_check_session(L, 1));
    bool cts = false, dsr = false;
    if (port == NULL)
        (void)mp_fail(&err, MP_ESTATE, "the port is closed");
    if (port == NULL || mp_port_get_lines(port, &cts, &dsr, &err) != MP_OK)
        return mp_push_failure(L, &err);
    lua_pushboolean(L, cts);
    lua_pushboolean(L, dsr);
    return 2;
}

/*
 * session:stream() -> { receives =, name =?, why =?, connections =, samples =, passed_over =,
 * dropped =, first =? } of a port that receives a stream of LSL: as mp_lsl_in_state; nothing:
 * it is no such port, or closed
 */
int mp_session_stream(lua_State *L)
{
    struct mp_lsl_in_state state;
    const struct mp_port *port = mp_session_port(mp_check_session(L, 1));
    if (port == NULL || !mp_port_stream(port, &state))
        return 0;
    lua_createtable(L, 0, 8);
    lua_pushboolean(L, state.receives);
    lua_setfield(L, -2, "receives");
    lua_pushinteger(L, (lua_Integer)state.connections);
    lua_setfield(L, -2, "connections");
    lua_pushinteger(L, (lua_Integer)state.samples);
    lua_setfield(L, -2, "samples");
    lua_pushinteger(L, (lua_Integer)state.passed_over);
    lua_setfield(L, -2, "passed_over");
    lua_pushinteger(L, (lua_Integer)state.dropped);
    lua_setfield(L, -2, "dropped");
    const struct {
        const char *key, *text;
        bool is_there;
    } texts[] = {{"name", state.name, state.name[0] != 0},
                 {"why", state.why, state.why[0] != 0},
                 {"first", state.first, state.passed_over > 0}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].is_there) {
            lua_pushstring(L, texts[i].text);
            lua_setfield(L, -2, texts[i].key);
        }
    return 1;
}
