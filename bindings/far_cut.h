/* far_cut.h - the short cut at the far end of a wire (engine/far_cut.h), for Lua. */
#ifndef MP_BINDINGS_FAR_CUT_H
#define MP_BINDINGS_FAR_CUT_H

#include "engine/far_cut.h"

#include <lua.h>

/*
 * The short cut of the wire at arg, which owns it; it is made if there is none yet. Raises for
 * a closed wire, or if memory is out. wire.c has it.
 */
struct mp_far_cut *mp_check_far_cut(lua_State *L, int arg);

/* Methods of a wire. */
int mp_far_begin(lua_State *L);
int mp_far_passed(lua_State *L);

#endif
