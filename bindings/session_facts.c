/* session_facts.c - what a session's port is, and says. */
#include "bindings/session_facts.h"

#include "bindings/playing.h"
#include "bindings/raise.h"

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
