/* triggers.h - triggers of a plan that waits for them, for Lua: many at once, as strings. */
#ifndef MP_TRIGGERS_H
#define MP_TRIGGERS_H

#include <lua.h>

/*
 * What session.h tells of a struct mp_session_triggers: pushes the bytes; as a string of the
 * same length what became of each, an index of core.heard; when they came, one integer for all,
 * or a string of an integer ("j" of string.unpack) for each; and how many matched.
 */
int mp_push_triggers(lua_State *L, const void *triggers);
/* Of a struct mp_untold: pushes a list of { byte =, heard =, count = }, and of the first and
 * the last of them when it came. */
int mp_push_untold(lua_State *L, const void *untold);

#endif
