/* triggers.c - triggers as strings, and sums of them: a million in some milliseconds. */
#include "bindings/triggers.h"

#include "bindings/modules.h"

#include "engine/session.h"

#include <lauxlib.h>

int mp_push_triggers(lua_State *L, const void *triggers)
{
    const struct mp_session_triggers *told = triggers;
    lua_pushlstring(L, (const char *)told->bytes, told->count);
    lua_pushlstring(L, (const char *)told->heard, told->count);
    if (told->at_ns[0] == told->at_ns[told->count - 1])
        lua_pushinteger(L, told->at_ns[0]);
    else
        lua_pushlstring(L, (const char *)told->at_ns, told->count * sizeof *told->at_ns);
    lua_pushinteger(L, (lua_Integer)told->matched);
    return 4;
}

static void push_sum(lua_State *L, size_t byte, size_t heard, lua_Integer count)
{
    lua_createtable(L, 0, 5);
    lua_pushinteger(L, (lua_Integer)byte);
    lua_setfield(L, -2, "byte");
    lua_pushstring(L, mp_heard_name((enum mp_heard)heard));
    lua_setfield(L, -2, "heard");
    lua_pushinteger(L, count);
    lua_setfield(L, -2, "count");
}

int mp_push_untold(lua_State *L, const void *untold)
{
    const struct mp_untold *told = untold;
    lua_Integer length = 0;
    lua_newtable(L);
    for (size_t heard = 0; heard < MP_HEARD_COUNT; heard++)
        for (size_t byte = 0; byte < 256; byte++)
            if (told->counts[heard][byte] > 0) {
                push_sum(L, byte, heard, told->counts[heard][byte]);
                lua_rawseti(L, -2, ++length);
            }
    lua_pushinteger(L, told->from_ns);
    lua_pushinteger(L, told->until_ns);
    return 3;
}

struct sum {
    size_t count, first, last; // count is 0: none
};

/*
 * core.trigger_sums(bytes, heard, from, to) -> list of { byte =, heard =, count =, first =,
 * last = }: how many there are of each byte and each index of core.heard in these places (from
 * 1, both included), but for the "other" ones, in the order of their first ones
 */
static int trigger_sums(lua_State *L)
{
    struct sum sums[MP_HEARD_COUNT][256] = {0};
    uint16_t order[MP_HEARD_COUNT * 256] = {0};
    size_t length, heard_length, found = 0;
    const uint8_t *bytes = (const uint8_t *)luaL_checklstring(L, 1, &length);
    const uint8_t *heard = (const uint8_t *)luaL_checklstring(L, 2, &heard_length);
    const lua_Integer from = luaL_checkinteger(L, 3), to = luaL_checkinteger(L, 4);
    luaL_argcheck(L, heard_length == length, 2, "as long as the bytes");
    luaL_argcheck(L, from >= 1, 3, "counts from 1");
    luaL_argcheck(L, to <= (lua_Integer)length, 4, "beyond the last one");
    for (size_t i = (size_t)from; from <= to && i <= (size_t)to; i++) {
        const size_t what = heard[i - 1], byte = bytes[i - 1];
        if (what == MP_HEARD_OTHER || what >= MP_HEARD_COUNT)
            continue;
        struct sum *sum = &sums[what][byte];
        if (sum->count++ == 0) {
            sum->first = i;
            order[found++] = (uint16_t)(what * 256 + byte);
        }
        sum->last = i;
    }
    lua_createtable(L, (int)found, 0);
    for (size_t i = 0; i < found; i++) {
        const struct sum *sum = &sums[order[i] / 256][order[i] % 256];
        push_sum(L, order[i] % 256, order[i] / 256, (lua_Integer)sum->count);
        lua_pushinteger(L, (lua_Integer)sum->first);
        lua_setfield(L, -2, "first");
        lua_pushinteger(L, (lua_Integer)sum->last);
        lua_setfield(L, -2, "last");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* core.byte_counts(bytes, counts): adds how many bytes there are of each value to the table */
static int byte_counts(lua_State *L)
{
    lua_Integer counts[256] = {0};
    size_t length;
    const uint8_t *bytes = (const uint8_t *)luaL_checklstring(L, 1, &length);
    luaL_checktype(L, 2, LUA_TTABLE);
    for (size_t i = 0; i < length; i++)
        counts[bytes[i]]++;
    for (lua_Integer byte = 0; byte < 256; byte++)
        if (counts[byte] > 0) {
            lua_rawgeti(L, 2, byte);
            lua_pushinteger(L, lua_tointeger(L, -1) + counts[byte]);
            lua_rawseti(L, 2, byte);
            lua_pop(L, 1);
        }
    return 0;
}

void mp_open_triggers(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"trigger_sums", trigger_sums}, {"byte_counts", byte_counts}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    lua_createtable(L, MP_HEARD_COUNT, 1);
    for (int heard = 0; heard < MP_HEARD_COUNT; heard++) {
        lua_pushstring(L, mp_heard_name((enum mp_heard)heard));
        lua_rawseti(L, -2, heard);
    }
    lua_setfield(L, -2, "heard");
}
