/* events.c - rows of events.tsv for the record in Lua: engine/events.h writes them. */
#include "bindings/events.h"

#include "bindings/modules.h"

#include <lauxlib.h>
#include <math.h>

enum { FIELDS = 16 }; // of a row, on the stack

static const int64_t longest_ns = INT64_MAX / 2;

struct mp_tail mp_check_event_text(lua_State *L, int arg)
{
    struct mp_tail text = {0};
    const char *bytes = luaL_tolstring(L, arg, &text.length);
    lua_replace(L, arg);
    if (!mp_event_is_clean(bytes, text.length)) {
        luaL_Buffer buffer;
        char *at = luaL_buffinitsize(L, &buffer, 4 * text.length);
        luaL_pushresultsize(&buffer, (size_t)(mp_event_clean(at, bytes, text.length) - at));
        lua_replace(L, arg);
        bytes = lua_tolstring(L, arg, &text.length);
    }
    text.bytes = bytes;
    return text;
}

/* The field key of the row at 1; it stays on the stack. */
static struct mp_tail text_field(lua_State *L, const char *key)
{
    const struct mp_tail none = {0};
    lua_getfield(L, 1, key);
    return lua_toboolean(L, -1) ? mp_check_event_text(L, lua_gettop(L)) : none;
}

/* A time; what is none, or is longer than any run, is not known: the rest of its row is. */
static int64_t time_field(lua_State *L, const char *key)
{
    int whole = 0;
    lua_getfield(L, 1, key);
    lua_Integer ns = lua_tointegerx(L, -1, &whole);
    if (!whole) {
        lua_Number value = lua_tonumber(L, -1);
        whole = lua_isnumber(L, -1) && fabs(value) < (double)longest_ns;
        ns = whole ? llround(value) : 0;
    }
    lua_pop(L, 1);
    return whole && ns < longest_ns && ns > -longest_ns ? ns : MP_EVENT_NONE;
}

static uint64_t number_field(lua_State *L, const char *key)
{
    lua_getfield(L, 1, key);
    lua_Integer number = luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
    return number > 0 ? (uint64_t)number : 0;
}

/* The four columns of an action were made, and cleaned, by core.event_action. */
static struct mp_tail action_field(lua_State *L)
{
    struct mp_tail action = {0};
    lua_getfield(L, 1, "tail");
    action.bytes = luaL_optlstring(L, -1, NULL, &action.length);
    return action;
}

/*
 * core.event_row{event=, index=, pulse=, planned_ns=, sent_ns=, confirmed_ns=, late_ns=, tail=
 * (of core.event_action), status=, reply=, timed_by=, proof=, condition=, trial=, block=} ->
 * the row with its line end; what is nil is "n/a", a condition the event
 */
static int event_row(lua_State *L)
{
    luaL_Buffer buffer;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkstack(L, FIELDS, NULL);
    const struct mp_event_row row = {
        .event = text_field(L, "event"),
        .index = number_field(L, "index"),
        .pulse = number_field(L, "pulse"),
        .planned_ns = time_field(L, "planned_ns"),
        .sent_ns = time_field(L, "sent_ns"),
        .confirmed_ns = time_field(L, "confirmed_ns"),
        .late_ns = time_field(L, "late_ns"),
        .action = action_field(L),
        .status = text_field(L, "status"),
        .reply = text_field(L, "reply"),
        .timed_by = text_field(L, "timed_by"),
        .proof = text_field(L, "proof"),
        .condition = text_field(L, "condition"),
        .trial = number_field(L, "trial"),
        .block = number_field(L, "block"),
    };
    char *at = luaL_buffinitsize(L, &buffer, mp_event_room(&row));
    luaL_pushresultsize(&buffer, (size_t)(mp_event_put(at, &row) - at));
    return 1;
}

/* core.event_action(channel, mso, intensity, reference) -> four columns, tabs between */
static int event_action(lua_State *L)
{
    luaL_Buffer buffer;
    lua_settop(L, 4);
    const struct mp_event_action action = {.channel = mp_check_event_text(L, 1),
                                           .mso = luaL_checknumber(L, 2),
                                           .intensity = luaL_checknumber(L, 3),
                                           .reference = mp_check_event_text(L, 4)};
    char *at = luaL_buffinitsize(
        L, &buffer, MP_EVENT_ACTION + action.channel.length + action.reference.length);
    luaL_pushresultsize(&buffer, (size_t)(mp_event_put_action(at, &action) - at));
    return 1;
}

void mp_open_events(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"event_row", event_row}, {"event_action", event_action}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    lua_pushstring(L, mp_event_header);
    lua_setfield(L, -2, "event_header");
}
