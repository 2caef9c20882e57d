/* arming.h - what a script arms a session with. */
#ifndef MP_BINDINGS_ARMING_H
#define MP_BINDINGS_ARMING_H

#include "engine/session.h"

#include <lua.h>

/*
 * The table {safe=, safe_line=, tolerance=, late="abort"|"skip", keepalive=, keepalive_period=,
 * stuck=, unconfirmed=, settings=, guard=, line="none"|"cts"|"dsr", flight=} at arg, times in
 * seconds; anything else is an argument error. What it points to is kept alive by values that
 * are left on the stack; the last of them is the flight record, or nil.
 */
struct mp_arming mp_check_arming(lua_State *L, int arg);

#endif
