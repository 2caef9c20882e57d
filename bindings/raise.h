/*
 * raise.h - between the engine's errors and Lua's, and checks of arguments.
 *
 * A wrong argument (the programmer's fault) raises. What the world did (no device, a
 * limit) comes back as nil, message, code. No function here may be called while C memory,
 * a lock or a file is held that only its caller could release: each may longjmp.
 */
#ifndef MP_RAISE_H
#define MP_RAISE_H

#include "engine/error.h"
#include "engine/ratio.h"

#include <lauxlib.h>
#include <lua.h>

#include <stdbool.h>

/* Push nil, message, code; returns 3. */
int mp_push_failure(lua_State *L, const struct mp_error *err);

/*
 * What a write to a far end returns to Lua: true, or nil, message, code and how many bytes it
 * took, if it failed with status or took fewer than length. err is filled for the second.
 */
int mp_push_written(lua_State *L, enum mp_status status, size_t written, size_t length,
                    struct mp_error *err);
/* Raise err with the position of the running Lua function. Does not return. */
int mp_raise(lua_State *L, const struct mp_error *err);
/* The same without the line that called: what an author is told of a plan is not about ours. */
int mp_refuse(lua_State *L, const struct mp_error *err);
/* A whole number within [low, high]; floats with a whole value are taken. */
lua_Integer mp_check_integer(lua_State *L, int arg, lua_Integer low, lua_Integer high);
/* A finite number within [low, high]; NaN and strings are refused. */
lua_Number mp_check_number(lua_State *L, int arg, lua_Number low, lua_Number high);
/* A number, or text such as "1/6": as an exact fraction. */
struct mp_ratio mp_check_ratio(lua_State *L, int arg);
/* Seconds (number or text) as exact nanoseconds. */
struct mp_ratio mp_check_seconds(lua_State *L, int arg);
/*
 * The bytes in a field of the table at arg (not relative), left on the stack for as long as the
 * pointer is used; NULL, and a length of 0, if there is none.
 */
const char *mp_bytes_field(lua_State *L, int arg, const char *key, size_t *length);
/*
 * Make the metatable name with methods and metamethods; leaves the methods table on the
 * stack. Making it again returns the one that is there.
 */
void mp_new_class(lua_State *L, const char *name, const luaL_Reg *methods,
                  const luaL_Reg *metamethods);

#endif
