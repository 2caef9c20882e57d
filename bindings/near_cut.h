/* near_cut.h - the short cut of a session (engine/near_cut.h), for Lua. */
#ifndef MP_BINDINGS_NEAR_CUT_H
#define MP_BINDINGS_NEAR_CUT_H

#include "engine/near_cut.h"

#include <lua.h>

/*
 * The short cut of the session at arg, which owns it; it is made if there is none yet. Raises
 * for a closed session, in real time, or if memory is out. session.c has it.
 */
struct mp_near_cut *mp_check_near_cut(lua_State *L, int arg);
/* The plan that the session at arg plays, or has played; NULL: none. session.c has it. */
const struct mp_schedule *mp_check_schedule(lua_State *L, int arg);

/* Methods of a session. */
int mp_near_begin(lua_State *L);
int mp_near_over(lua_State *L);
int mp_near_pending_pulse(lua_State *L);

#endif
