#include "bindings/raise.h"

#include "engine/clock.h"

#include <math.h>

int mp_push_failure(lua_State *L, const struct mp_error *err)
{
    lua_pushnil(L);
    lua_pushstring(L, err->text);
    lua_pushstring(L, mp_status_name(err->status));
    return 3;
}

int mp_push_written(lua_State *L, enum mp_status status, size_t written, size_t length,
                    struct mp_error *err)
{
    if (status == MP_OK && written < length)
        status = mp_fail(err, MP_EIO, "nobody reads the other side: %d of %d bytes written",
                         (int)written, (int)length);
    if (status != MP_OK) {
        int pushed = mp_push_failure(L, err);
        lua_pushinteger(L, (lua_Integer)written);
        return pushed + 1;
    }
    lua_pushboolean(L, 1);
    return 1;
}

int mp_raise(lua_State *L, const struct mp_error *err)
{
    return luaL_error(L, "%s", err->text);
}

int mp_refuse(lua_State *L, const struct mp_error *err)
{
    lua_pushstring(L, err->text);
    return lua_error(L);
}

lua_Integer mp_check_integer(lua_State *L, int arg, lua_Integer low, lua_Integer high)
{
    luaL_checktype(L, arg, LUA_TNUMBER);
    int whole = 0;
    lua_Integer value = lua_tointegerx(L, arg, &whole);
    if (!whole)
        return luaL_argerror(L, arg, "whole number expected");
    if (value < low || value > high)
        return luaL_argerror(L, arg,
                             lua_pushfstring(L, "%I is outside %I to %I", value, low, high));
    return value;
}

lua_Number mp_check_number(lua_State *L, int arg, lua_Number low, lua_Number high)
{
    luaL_checktype(L, arg, LUA_TNUMBER);
    lua_Number value = lua_tonumber(L, arg);
    if (!(value >= low && value <= high)) // also refuses NaN
        return luaL_argerror(L, arg,
                             lua_pushfstring(L, "%f is outside %f to %f", value, low, high));
    return value;
}

struct mp_ratio mp_check_ratio(lua_State *L, int arg)
{
    struct mp_error err = {0};
    struct mp_ratio ratio = {0, 1};
    enum mp_status status;
    if (lua_type(L, arg) == LUA_TSTRING)
        status = mp_ratio_from_text(&ratio, lua_tostring(L, arg), &err);
    else
        status = mp_ratio_from_double(&ratio, luaL_checknumber(L, arg), &err);
    if (status != MP_OK)
        mp_raise(L, &err);
    return ratio;
}

struct mp_ratio mp_check_seconds(lua_State *L, int arg)
{
    struct mp_error err = {0};
    struct mp_ratio ns = {0, 1};
    enum mp_status status;
    if (lua_type(L, arg) == LUA_TSTRING) {
        struct mp_ratio seconds = mp_check_ratio(L, arg);
        status = mp_ratio_scale(&ns, seconds, MP_NS_PER_S, 1, &err);
    } else {
        status = mp_ns_from_seconds(&ns, luaL_checknumber(L, arg), &err);
    }
    if (status != MP_OK)
        mp_raise(L, &err);
    return ns;
}

const char *mp_bytes_field(lua_State *L, int arg, const char *key, size_t *length)
{
    lua_getfield(L, arg, key);
    *length = 0;
    return lua_isnil(L, -1) ? NULL : luaL_checklstring(L, -1, length);
}

void mp_new_class(lua_State *L, const char *name, const luaL_Reg *methods,
                  const luaL_Reg *metamethods)
{
    if (luaL_newmetatable(L, name)) { // metatable
        luaL_setfuncs(L, metamethods, 0);
        lua_newtable(L); // metatable, methods
        luaL_setfuncs(L, methods, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "__index");
        lua_pushboolean(L, 0);
        lua_setfield(L, -3, "__metatable");
    } else {
        lua_getfield(L, -1, "__index"); // metatable, methods
    }
    lua_remove(L, -2); // methods
}
