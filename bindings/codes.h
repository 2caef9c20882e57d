/* codes.h - event codes for scripts: methods of sessions and schedules. */
#ifndef MP_BINDINGS_CODES_H
#define MP_BINDINGS_CODES_H

#include "engine/schedule.h"

#include <lua.h>

/* The schedule at arg, or an argument error (bindings/schedule.c). */
struct mp_schedule *mp_check_schedule_box(lua_State *L, int arg);

/* session:codes{path=, serial=, width= (seconds), line=, parallel=} -> true | nil, message,
 * code: see mp_session_codes */
int mp_session_takes_codes(lua_State *L);
/* session:codes_of(other) -> true | nil, message, code: see mp_session_codes_of */
int mp_session_takes_codes_of(lua_State *L);

/* session:code(value, at_ns, stopped) -> true | nil, message, code: see mp_session_code */
int mp_session_gives_code(lua_State *L);

/*
 * schedule:codes([progress]) -> {[code] = how many}, {least_ns=, first=, second=, first_line=,
 * second_line=}: the codes of its pulses and marks, and the two that come closest, with the
 * lines that made them; nil where there are fewer than two. Walks it all.
 */
int mp_schedule_codes(lua_State *L);

#endif
