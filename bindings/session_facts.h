/* session_facts.h - what a session's port is, and says, for Lua. */
#ifndef MP_BINDINGS_SESSION_FACTS_H
#define MP_BINDINGS_SESSION_FACTS_H

#include <lua.h>

/* Methods of a session. */
int mp_session_backend(lua_State *L);
int mp_session_lines(lua_State *L);
int mp_session_stream(lua_State *L);

#endif
