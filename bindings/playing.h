/* playing.h - a session's plans, for Lua: played once, or each time that a trigger comes. */
#ifndef MP_BINDINGS_PLAYING_H
#define MP_BINDINGS_PLAYING_H

#include "engine/session.h"

#include <lua.h>

/* The session at arg; raises for a closed one. session.c has it. */
struct mp_session *mp_check_session(lua_State *L, int arg);
/* The session at 1 plays the plan of schedule from now on, which its user value keeps alive;
 * what it played before. session.c has it. */
const struct mp_schedule *mp_plays(lua_State *L, const struct mp_schedule *schedule);

/* Methods of a session. */
int mp_session_plays_once(lua_State *L);
int mp_session_plays_ahead(lua_State *L);
int mp_session_plays_enough(lua_State *L);

#endif
