#include "bindings/far_cut.h"

#include "bindings/raise.h"

#include <lauxlib.h>
#include <math.h>

enum { ANCHOR = 1 }; // the wire's user value that keeps the log

static const lua_Integer longest_ns = INT64_MAX / 4;

static lua_Integer integer(lua_State *L, int table, const char *key, lua_Integer low)
{
    int whole = 0;
    lua_getfield(L, table, key);
    lua_Integer value = lua_tointegerx(L, -1, &whole);
    if (whole == 0 || value < low || value > longest_ns)
        luaL_error(L, "steady.%s: a whole number from %I on is needed", key, low);
    lua_pop(L, 1);
    return value;
}

static double number(lua_State *L, int table, const char *key)
{
    int is_number = 0;
    lua_getfield(L, table, key);
    double value = lua_tonumberx(L, -1, &is_number);
    if (is_number == 0 || isnan(value))
        luaL_error(L, "steady.%s: a number is needed", key);
    lua_pop(L, 1);
    return value;
}

/* It stays on the stack. */
static struct mp_tail text(lua_State *L, int table, const char *key)
{
    struct mp_tail tail;
    if (lua_getfield(L, table, key) != LUA_TSTRING)
        luaL_error(L, "steady.%s: a text is needed", key);
    tail.bytes = lua_tolstring(L, -1, &tail.length);
    return tail;
}

/* What docs/drivers.md says under "steady"; a stimulator that does not warm has no coil. */
static struct mp_stimulator check_stimulator(lua_State *L, int table)
{
    struct mp_stimulator s = {.reply_ns = integer(L, table, "reply_ns", 0),
                              .ready_ns = integer(L, table, "ready_ns", 0),
                              .recharge_ns = integer(L, table, "recharge_ns", 0),
                              .low_c = -INFINITY,
                              .high_c = INFINITY,
                              .at_ns = -1};
    if (lua_getfield(L, table, "coil") == LUA_TTABLE) {
        int coil = lua_gettop(L);
        s.ambient_c = number(L, coil, "ambient_c");
        s.celsius = number(L, coil, "celsius");
        s.per_ns = number(L, coil, "per_ns");
        s.rise_c = number(L, coil, "rise_c");
        s.low_c = number(L, coil, "low_c");
        s.high_c = number(L, coil, "high_c");
        s.at_ns = integer(L, coil, "at_ns", 0);
    }
    lua_pop(L, 1);
    return s;
}

/* How the stimulator is after what was given, for the simulator's method passed. */
static void set_stimulator(lua_State *L, int table, const struct mp_far_cut *cut)
{
    const struct mp_stimulator *s = &cut->steady.stimulator;
    lua_pushinteger(L, s->ready_ns);
    lua_setfield(L, table, "ready_ns");
    lua_pushinteger(L, s->at_ns);
    lua_setfield(L, table, "last_ns");
    if (lua_getfield(L, table, "coil") == LUA_TTABLE) {
        lua_pushnumber(L, s->celsius);
        lua_setfield(L, -2, "celsius");
        lua_pushinteger(L, s->at_ns);
        lua_setfield(L, -2, "at_ns");
    }
    lua_pop(L, 1);
}

/*
 * wire:steady(steady, frame, {wire_ns=, free_ns=, on_ns= (engine/far_cut.h), tail=, log=}) ->
 * began: from now on each frame does what steady (docs/drivers.md) says; its line goes to the
 * file log, the time before tail, which is open until passed()
 */
int mp_far_begin(lua_State *L)
{
    struct mp_error err = {0};
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 4, LUA_TTABLE);
    struct mp_far_steady steady = {.stimulator = check_stimulator(L, 2),
                                   .reply = text(L, 2, "reply"),
                                   .log = text(L, 4, "tail"),
                                   .wire_ns = integer(L, 4, "wire_ns", 0),
                                   .free_ns = integer(L, 4, "free_ns", 0),
                                   .on_ns = integer(L, 4, "on_ns", 0)};
    steady.frame.bytes = luaL_checklstring(L, 3, &steady.frame.length);
    lua_getfield(L, 4, "log");
    luaL_Stream *stream = luaL_checkudata(L, -1, LUA_FILEHANDLE);
    luaL_argcheck(L, stream->closef != NULL, 4, "the log is closed");
    lua_setiuservalue(L, 1, ANCHOR);
    struct mp_far_cut *cut = mp_check_far_cut(L, 1);
    mp_text_init(&cut->log, stream->f);
    lua_pushboolean(L, mp_far_cut_begin(cut, &steady, &err) == MP_OK);
    return 1;
}

/*
 * wire:passed(steady, ends) -> given, last_ns: so many pulses were given since it was asked
 * last, the last of them then (virtual time); the table of steady() says how the stimulator is.
 * ends: frames go the long way from here on, and the lines of all that were given are in the
 * log
 */
int mp_far_passed(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    struct mp_far_cut *cut = mp_check_far_cut(L, 1);
    if (lua_toboolean(L, 3)) {
        mp_far_cut_end(cut);
        (void)mp_text_flush(&cut->log, NULL); // as file:write: seen once the log is closed
    }
    lua_pushinteger(L, (lua_Integer)cut->given);
    lua_pushinteger(L, cut->last_ns);
    if (cut->given > 0) {
        cut->given = 0;
        set_stimulator(L, 2, cut);
    }
    return 2;
}
