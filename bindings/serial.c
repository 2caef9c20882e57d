#include "bindings/serial.h"

#include "bindings/raise.h"

#include <string.h>

static lua_Integer field(lua_State *L, int arg, const char *key, lua_Integer low,
                         lua_Integer high)
{
    int whole = 0;
    lua_getfield(L, arg, key);
    lua_Integer value = lua_tointegerx(L, -1, &whole);
    if (!whole || value < low || value > high)
        luaL_argerror(
            L, arg,
            lua_pushfstring(L, "%s must be a whole number from %I to %I", key, low, high));
    lua_pop(L, 1);
    return value;
}

static int option(lua_State *L, int arg, const char *key, const char *const names[])
{
    lua_getfield(L, arg, key);
    const char *text = lua_tostring(L, -1);
    for (int i = 0; text != NULL && names[i] != NULL; i++)
        if (strcmp(text, names[i]) == 0) {
            lua_pop(L, 1);
            return i;
        }
    return luaL_argerror(L, arg, lua_pushfstring(L, "%s is missing or unknown", key));
}

struct mp_serial mp_check_serial(lua_State *L, int arg)
{
    static const char *const parities[] = {"none", "odd", "even", NULL};
    static const char *const flows[] = {"none", "rtscts", NULL};
    luaL_checktype(L, arg, LUA_TTABLE);
    return (struct mp_serial){
        .baud = (uint32_t)field(L, arg, "baud", 50, 20000000),
        .bits = (uint8_t)field(L, arg, "bits", 7, 8),
        .stop_bits = (uint8_t)field(L, arg, "stop_bits", 1, 2),
        .parity = (enum mp_parity)option(L, arg, "parity", parities),
        .flow = (enum mp_flow)option(L, arg, "flow", flows),
    };
}

const char *const mp_line_names[] = {"none", "rts", "dtr", "break", NULL};

enum mp_trigger_line mp_opt_line(lua_State *L, int arg)
{
    lua_getfield(L, arg, "line");
    int line = lua_isnil(L, -1) ? 0 : luaL_checkoption(L, -1, NULL, mp_line_names);
    lua_pop(L, 1);
    return (enum mp_trigger_line)line;
}
