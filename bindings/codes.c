/* codes.c - event codes for scripts: the box of a session, and how close those of a plan come.
 */
#include "bindings/codes.h"

#include "bindings/modules.h"
#include "bindings/playing.h"
#include "bindings/raise.h"
#include "bindings/serial.h"

#include "engine/schedule.h"

#include <math.h>

int mp_session_takes_codes(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_code_settings box = {.parallel = false};
    luaL_checktype(L, 2, LUA_TTABLE);
    box.line = mp_opt_line(L, 2);
    lua_getfield(L, 2, "parallel");
    box.parallel = lua_toboolean(L, -1);
    lua_getfield(L, 2, "path");
    box.path = luaL_checkstring(L, -1);
    lua_getfield(L, 2, "serial");
    box.serial = mp_check_serial(L, lua_gettop(L));
    lua_getfield(L, 2, "width");
    box.width_ns = llround(mp_check_number(L, -1, 0, 10) * 1e9);
    if (mp_session_codes(mp_check_session(L, 1), &box, &err) != MP_OK)
        return mp_push_failure(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

int mp_session_takes_codes_of(lua_State *L)
{
    struct mp_error err = {0};
    if (mp_session_codes_of(mp_check_session(L, 1), mp_check_session(L, 2), &err) != MP_OK)
        return mp_push_failure(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

int mp_session_gives_code(lua_State *L)
{
    struct mp_error err = {0};
    const uint8_t value = (uint8_t)mp_check_integer(L, 2, 1, MP_CODE_MAX);
    const int64_t at_ns = luaL_checkinteger(L, 3);
    const bool stopped = lua_toboolean(L, 4);
    if (mp_session_code(mp_check_session(L, 1), value, at_ns, stopped, &err) != MP_OK)
        return mp_push_failure(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* What is known of the codes of a plan so far. */
struct spacing {
    uint64_t counts[MP_CODE_MAX + 1];
    uint64_t before; // how many there were
    int64_t last_ns, least_ns;
    uint32_t last_source, first, second; // of the two that come closest
};

static void count_code(struct spacing *spacing, const struct mp_event *event, uint8_t code)
{
    const int64_t at_ns = mp_event_ns(event);
    const int64_t after_ns = at_ns - spacing->last_ns;
    if (spacing->before++ > 0 && after_ns < spacing->least_ns) {
        spacing->least_ns = after_ns;
        spacing->first = spacing->last_source;
        spacing->second = event->source;
    }
    spacing->counts[code]++;
    spacing->last_ns = at_ns;
    spacing->last_source = event->source;
}

static void push_found(lua_State *L, const struct mp_schedule *schedule,
                       const struct spacing *spacing)
{
    lua_newtable(L);
    for (int code = 1; code <= MP_CODE_MAX; code++)
        if (spacing->counts[code] > 0) {
            lua_pushinteger(L, (lua_Integer)spacing->counts[code]);
            lua_rawseti(L, -2, code);
        }
    if (spacing->before < 2)
        return;
    lua_newtable(L);
    lua_pushinteger(L, spacing->least_ns);
    lua_setfield(L, -2, "least_ns");
    const uint32_t sources[] = {spacing->first, spacing->second};
    static const char *const codes[] = {"first", "second"};
    static const char *const lines[] = {"first_line", "second_line"};
    for (int i = 0; i < 2; i++) {
        lua_pushinteger(L, mp_schedule_code(schedule, sources[i]));
        lua_setfield(L, -2, codes[i]);
        lua_pushstring(L, mp_schedule_origin(schedule, sources[i]));
        lua_setfield(L, -2, lines[i]);
    }
}

int mp_schedule_codes(lua_State *L)
{
    enum { EVENTS_A_CALL = 1024 * MP_EVENTS };
    struct mp_schedule *schedule = mp_check_schedule_box(L, 1);
    struct mp_event events[MP_EVENTS];
    struct spacing spacing = {.least_ns = INT64_MAX};
    uint64_t walked = 0;
    uint32_t count;
    mp_schedule_rewind(schedule);
    while ((count = mp_schedule_next_many(schedule, events, MP_EVENTS)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            const uint8_t code = mp_schedule_code(schedule, events[i].source);
            if (code != 0)
                count_code(&spacing, &events[i], code);
        }
        walked += count;
        if (walked % EVENTS_A_CALL == 0 && lua_isfunction(L, 2)) {
            lua_pushvalue(L, 2);
            lua_pushinteger(L, (lua_Integer)walked);
            lua_call(L, 1, 0);
        }
    }
    mp_schedule_rewind(schedule);
    push_found(L, schedule, &spacing);
    return spacing.before < 2 ? 1 : 2;
}
