#include "bindings/arming.h"

#include "bindings/armed.h"
#include "bindings/flight.h"
#include "bindings/playing.h"
#include "bindings/raise.h"

#include <math.h>

static const char *const late_names[] = {"abort", "skip", NULL};
static const char *const line_names[] = {"none", "cts", "dsr", NULL};

static int64_t seconds_field(lua_State *L, int arg, const char *key)
{
    lua_getfield(L, arg, key);
    int64_t ns = lua_isnil(L, -1) ? 0 : llround(mp_check_number(L, -1, 0, 86400) * 1e9);
    lua_pop(L, 1);
    return ns;
}

static int option_field(lua_State *L, int arg, const char *key, const char *const names[])
{
    lua_getfield(L, arg, key);
    int index = luaL_checkoption(L, -1, names[0], names);
    lua_pop(L, 1);
    return index;
}

static bool flag_field(lua_State *L, int arg, const char *key)
{
    lua_getfield(L, arg, key);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

struct mp_arming mp_check_arming(lua_State *L, int arg)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    struct mp_arming arming = {
        .tolerance_ns = seconds_field(L, arg, "tolerance"),
        .late = (enum mp_late)option_field(L, arg, "late", late_names),
        .keepalive_ns = seconds_field(L, arg, "keepalive_period"),
        .stuck_ns = seconds_field(L, arg, "stuck"),
        .unconfirmed_ns = seconds_field(L, arg, "unconfirmed"),
        .line = (enum mp_stop_line)option_field(L, arg, "line", line_names),
        .guard = flag_field(L, arg, "guard"),
        .settings = flag_field(L, arg, "settings"),
        .safe_line = flag_field(L, arg, "safe_line"),
        .stops = flag_field(L, arg, "together") ? mp_armed_peers : NULL,
    };
    arming.safe = mp_bytes_field(L, arg, "safe", &arming.safe_length);
    arming.keepalive = mp_bytes_field(L, arg, "keepalive", &arming.keepalive_length);
    lua_getfield(L, arg, "flight");
    if (!lua_isnil(L, -1))
        arming.flight = mp_check_flight(L, -1);
    lua_getfield(L, arg, "line_from");
    if (!lua_isnil(L, -1))
        arming.line_from = mp_check_session(L, -1);
    return arming;
}
