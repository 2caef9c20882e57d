/* lowering.c - the frames of a run: filled by a driver, checked, then played. */
#include "bindings/armed.h"
#include "bindings/modules.h"
#include "bindings/raise.h"
#include "bindings/serial.h"

#include "engine/lowering.h"

#include <math.h>
#include <stdlib.h>

#define LOWERING "moonpulse.lowering"

static const char *const violation_names[] = {NULL,   "interval", "across",
                                              "wire", "lead",     "width"};

struct mp_lowering *mp_check_lowering(lua_State *L, int arg)
{
    struct mp_lowering **box = luaL_checkudata(L, arg, LOWERING);
    if (*box == NULL)
        luaL_error(L, "attempt to use a closed lowering");
    return *box;
}

/* The lowering at arg, for what must not be done while the dispatcher draws from it. */
static struct mp_lowering *check_idle(lua_State *L, int arg)
{
    struct mp_lowering *lowering = mp_check_lowering(L, arg);
    if (mp_lowering_busy(lowering))
        luaL_error(L, "the plan is being played: stop it first");
    return lowering;
}

/* core.lowering(plan, seed, serial table, latency seconds [, serial table of the trigger]) */
static int lowering_new(lua_State *L)
{
    struct mp_error err = {0};
    const struct mp_plan *plan = mp_check_plan(L, 1);
    lua_Integer seed = luaL_checkinteger(L, 2);
    struct mp_serial serial = mp_check_serial(L, 3);
    lua_Number latency = mp_check_number(L, 4, 0, 1);
    struct mp_serial trigger = lua_isnoneornil(L, 5) ? serial : mp_check_serial(L, 5);
    struct mp_lowering **box = lua_newuserdatauv(L, sizeof *box, 1); // cleared or nil
    *box = NULL;
    luaL_setmetatable(L, LOWERING);
    struct mp_schedule *schedule = NULL;
    if (mp_schedule_create(&schedule, plan, (uint64_t)seed, &err) != MP_OK ||
        mp_lowering_create(box, schedule, &serial, llround(latency * 1e9), &err) != MP_OK)
        return mp_refuse(L, &err);
    mp_lowering_trigger_serial(*box, &trigger);
    return 1;
}

/*
 * lowering:clear(): the safety gate lets this plan be played (moonpulse.safety.gate), as it is:
 * what changes it takes that back.
 */
static int lowering_clear(lua_State *L)
{
    mp_check_lowering(L, 1);
    lua_pushboolean(L, 1);
    lua_setiuservalue(L, 1, 1);
    return 0;
}

bool mp_lowering_cleared(lua_State *L, int arg)
{
    lua_getiuservalue(L, arg, 1);
    bool cleared = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return cleared;
}

/* lowering:cleared() -> did it pass the gate? */
static int lowering_cleared(lua_State *L)
{
    mp_check_lowering(L, 1);
    lua_pushboolean(L, mp_lowering_cleared(L, 1));
    return 1;
}

/* What the lowering at 1 sends is about to change: the gate has not seen that. */
static void take_back(lua_State *L)
{
    lua_pushnil(L);
    lua_setiuservalue(L, 1, 1);
}

static int lowering_actions(lua_State *L)
{
    mp_push_actions(L, mp_lowering_schedule(mp_check_lowering(L, 1)));
    return 1;
}

/* The table at 3: {bytes=, after=, width=} or {line=, width=}, on_trigger=, delay= */
static struct mp_fire check_fire(lua_State *L)
{
    struct mp_fire fire = {0};
    lua_getfield(L, 3, "on_trigger");
    fire.port = lua_toboolean(L, -1) ? MP_PORT_TRIGGER : MP_PORT_DEVICE;
    fire.line = mp_opt_line(L, 3);
    lua_getfield(L, 3, "width");
    fire.width_ns = lua_isnil(L, -1) ? 0 : llround(mp_check_number(L, -1, 0, 10) * 1e9);
    lua_getfield(L, 3, "delay");
    fire.delay_ns = lua_isnil(L, -1) ? 0 : llround(mp_check_number(L, -1, 0, 10) * 1e9);
    fire.bytes = mp_bytes_field(L, 3, "bytes", &fire.length);
    fire.after = mp_bytes_field(L, 3, "after", &fire.after_length);
    return fire;
}

/* lowering:pulse(action, bytes or a table as encode.pulse returns it, shortest interval in s)
 */
static int lowering_pulse(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_lowering *lowering = mp_check_lowering(L, 1);
    lua_Integer action = mp_check_integer(L, 2, 1, MP_ACTIONS_MAX);
    lua_Number least = mp_check_number(L, 4, 0, 1e6);
    struct mp_fire fire = {0};
    if (lua_istable(L, 3))
        fire = check_fire(L);
    else
        fire.bytes = luaL_checklstring(L, 3, &fire.length);
    take_back(L);
    if (mp_lowering_fire(lowering, (uint32_t)action - 1, &fire, llround(least * 1e9), &err) !=
        MP_OK)
        return mp_raise(L, &err);
    return 0;
}

/* lowering:lasts(action, seconds until the device takes the next[, until it takes settings]) */
static int lowering_lasts(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_lowering *lowering = mp_check_lowering(L, 1);
    lua_Integer action = mp_check_integer(L, 2, 1, MP_ACTIONS_MAX);
    lua_Number lasts = mp_check_number(L, 3, 0, 1e6);
    lua_Number locked = lua_isnoneornil(L, 4) ? 0 : mp_check_number(L, 4, 0, 1e6);
    take_back(L);
    if (mp_lowering_lasts(lowering, (uint32_t)action - 1, llround(lasts * 1e9),
                          llround(locked * 1e9), &err) != MP_OK)
        return mp_raise(L, &err);
    return 0;
}

/*
 * lowering:output(action, output, seconds until a pulse on another one may come, is what it is
 * set to that of all outputs?)
 */
static int lowering_output(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_lowering *lowering = mp_check_lowering(L, 1);
    lua_Integer action = mp_check_integer(L, 2, 1, MP_ACTIONS_MAX);
    lua_Integer output = mp_check_integer(L, 3, 0, MP_OUTPUTS_MAX - 1);
    lua_Number across = mp_check_number(L, 4, 0, 1e6);
    bool whole = lua_toboolean(L, 5);
    take_back(L);
    if (mp_lowering_output(lowering, (uint32_t)action - 1, (uint32_t)output,
                           llround(across * 1e9), whole, &err) != MP_OK)
        return mp_raise(L, &err);
    return 0;
}

/* lowering:leave(action): of several devices that play the plan it is another's */
static int lowering_leave(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_lowering *lowering = mp_check_lowering(L, 1);
    lua_Integer action = mp_check_integer(L, 2, 1, MP_ACTIONS_MAX);
    take_back(L);
    if (mp_lowering_leave(lowering, (uint32_t)action - 1, &err) != MP_OK)
        return mp_raise(L, &err);
    return 0;
}

/* lowering:without_marks(): another device tells them */
static int lowering_without_marks(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_lowering *lowering = mp_check_lowering(L, 1);
    take_back(L);
    if (mp_lowering_without_marks(lowering, &err) != MP_OK)
        return mp_raise(L, &err);
    return 0;
}

/* Changes are gathered in C first: pushing to Lua from the engine's frame could longjmp it. */
struct changes {
    uint32_t (*pair)[2];
    size_t count, capacity;
    bool failed;
};

static void gather(void *context, uint32_t from, uint32_t to)
{
    struct changes *changes = context;
    if (changes->count == changes->capacity) {
        size_t capacity = changes->capacity == 0 ? 16 : 2 * changes->capacity;
        void *grown = realloc(changes->pair, capacity * sizeof *changes->pair);
        if (grown == NULL) {
            changes->failed = true;
            return;
        }
        changes->pair = grown;
        changes->capacity = capacity;
    }
    changes->pair[changes->count][0] = from + 1;
    changes->pair[changes->count][1] = to + 1;
    changes->count++;
}

static int push_changes(lua_State *L)
{
    const struct changes *changes = lua_touserdata(L, 1);
    lua_createtable(L, (int)changes->count, 0);
    for (size_t i = 0; i < changes->count; i++) {
        lua_createtable(L, 2, 0);
        for (int side = 0; side < 2; side++) {
            lua_pushinteger(L, changes->pair[i][side]);
            lua_seti(L, -2, side + 1);
        }
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* lowering:changes() -> {{from, to}, ...}: each change of action that will happen */
static int lowering_changes(lua_State *L)
{
    struct mp_error err = {0};
    struct changes changes = {0};
    enum mp_status status =
        mp_lowering_changes(mp_check_lowering(L, 1), gather, &changes, &err);
    lua_pushcfunction(L, push_changes);
    lua_pushlightuserdata(L, &changes);
    int failed = lua_pcall(L, 1, 1, 0); // protected: changes.pair must be freed
    free(changes.pair);
    if (status != MP_OK || changes.failed)
        return luaL_error(L, "%s", status != MP_OK ? err.text : "out of memory");
    return failed != LUA_OK ? lua_error(L) : 1;
}

/* lowering:change(from, to, bytes ("" for none), lead in seconds) */
static int lowering_change(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_lowering *lowering = mp_check_lowering(L, 1);
    lua_Integer from = mp_check_integer(L, 2, 1, MP_ACTIONS_MAX);
    lua_Integer to = mp_check_integer(L, 3, 1, MP_ACTIONS_MAX);
    size_t length;
    const char *bytes = luaL_checklstring(L, 4, &length);
    lua_Number lead = mp_check_number(L, 5, 0, 1e6);
    take_back(L);
    if (mp_lowering_change(lowering, (uint32_t)from - 1, (uint32_t)to - 1, bytes, length,
                           llround(lead * 1e9), &err) != MP_OK)
        return mp_raise(L, &err);
    return 0;
}

/* lowering:ask(bytes, seconds that an answer may take): asked before each setting */
static int lowering_ask(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_lowering *lowering = mp_check_lowering(L, 1);
    size_t length;
    const char *bytes = luaL_checklstring(L, 2, &length);
    lua_Number allow = mp_check_number(L, 3, 0, 1e6);
    take_back(L);
    if (mp_lowering_ask(lowering, bytes, length, llround(allow * 1e9), &err) != MP_OK)
        return mp_raise(L, &err);
    return 0;
}

static void push_violation(lua_State *L, const struct mp_lowering *lowering,
                           const struct mp_violation *violation)
{
    const struct mp_schedule *schedule = mp_lowering_schedule(lowering);
    const struct {
        const char *key;
        lua_Integer value;
    } numbers[] = {
        {"first", (lua_Integer)violation->first}, {"second", (lua_Integer)violation->second},
        {"first_us", violation->first_us},        {"second_us", violation->second_us},
        {"interval_ns", violation->interval_ns},  {"least_ns", violation->least_ns}};
    lua_createtable(L, 0, 9);
    lua_pushstring(L, violation_names[violation->kind]);
    lua_setfield(L, -2, "kind");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        lua_pushinteger(L, numbers[i].value);
        lua_setfield(L, -2, numbers[i].key);
    }
    lua_pushstring(L, mp_schedule_origin(schedule, violation->first_source));
    lua_setfield(L, -2, "first_origin");
    lua_pushstring(L, mp_schedule_origin(schedule, violation->second_source));
    lua_setfield(L, -2, "second_origin");
}

/* lowering:check(budget) -> finished [, violation] */
static int lowering_check(lua_State *L)
{
    struct mp_lowering *lowering = check_idle(L, 1);
    lua_Integer budget = mp_check_integer(L, 2, 1, LUA_MAXINTEGER);
    struct mp_violation violation;
    bool more = mp_lowering_check(lowering, (uint64_t)budget, &violation);
    lua_pushboolean(L, !more);
    if (violation.kind == MP_VIOLATION_NONE)
        return 1;
    push_violation(L, lowering, &violation);
    return 2;
}

/* lowering:tight() -> pulses that may not be late at all [, the first pair, as a violation] */
static int lowering_tight(lua_State *L)
{
    const struct mp_lowering *lowering = mp_check_lowering(L, 1);
    struct mp_violation first;
    uint64_t count = mp_lowering_tight(lowering, &first);
    lua_pushinteger(L, (lua_Integer)count);
    if (count == 0)
        return 1;
    push_violation(L, lowering, &first);
    return 2;
}

int mp_push_send(lua_State *L, const struct mp_lowering *lowering, const struct mp_send *send)
{
    lua_pushstring(L, mp_send_kind_name(send->kind));
    lua_pushinteger(L, (lua_Integer)send->number);
    lua_pushinteger(L, send->floor_ns + (send->half ? 1 : 0));
    lua_pushinteger(L, send->send_ns);
    if (send->kind == MP_SEND_MARK) {
        lua_pushstring(L, mp_schedule_mark(mp_lowering_schedule(lowering), send->source));
        return 5;
    }
    lua_pushinteger(L, (lua_Integer)send->action + 1);
    lua_pushinteger(L, (lua_Integer)send->frame + 1);
    return 6;
}

/*
 * lowering:next() -> kind, number, onset_ns, send_ns, action, frame (both from 1) | mark text.
 * For virtual time: the same stream that the dispatcher draws from.
 */
static int lowering_next(lua_State *L)
{
    struct mp_lowering *lowering = check_idle(L, 1);
    struct mp_send send;
    return mp_lowering_next(lowering, &send) ? mp_push_send(L, lowering, &send) : 0;
}

static int lowering_rewind(lua_State *L)
{
    mp_lowering_rewind(check_idle(L, 1));
    return 0;
}

static void push_second(lua_State *L, const struct mp_frame *frame)
{
    lua_pushinteger(L, frame->width_ns);
    lua_setfield(L, -2, "width_ns");
    if (frame->line != MP_TRIGGER_NONE) {
        lua_pushstring(L, mp_line_names[frame->line]);
        lua_setfield(L, -2, "line");
        return;
    }
    lua_pushlstring(L, (const char *)frame->after, frame->after_length);
    lua_setfield(L, -2, "after");
}

/*
 * lowering:frames() -> {{bytes=, wire_ns= [, line=] [, after=] [, width_ns=], on_trigger=},
 * ...}. wire_ns: from its beginning until the device fires, but for the latency that all pulses
 * have.
 */
static int lowering_frames(lua_State *L)
{
    const struct mp_lowering *lowering = mp_check_lowering(L, 1);
    uint32_t count = mp_lowering_frame_count(lowering);
    lua_createtable(L, (int)count, 0);
    for (uint32_t i = 0; i < count; i++) {
        const struct mp_frame *frame = mp_lowering_frame(lowering, i);
        lua_createtable(L, 0, 2);
        lua_pushlstring(L, (const char *)frame->bytes, frame->length);
        lua_setfield(L, -2, "bytes");
        lua_pushinteger(L, frame->wire_ns + frame->delay_ns);
        lua_setfield(L, -2, "wire_ns");
        lua_pushboolean(L, frame->port == MP_PORT_TRIGGER);
        lua_setfield(L, -2, "on_trigger");
        if (frame->width_ns > 0)
            push_second(L, frame);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* lowering:marks() -> the texts of the marks, by the number that the flight record holds */
static int lowering_marks(lua_State *L)
{
    const struct mp_schedule *schedule = mp_lowering_schedule(mp_check_lowering(L, 1));
    uint32_t count = mp_schedule_source_count(schedule);
    lua_createtable(L, (int)count, 0);
    for (uint32_t i = 0; i < count; i++) {
        lua_pushstring(L, mp_schedule_mark(schedule, i));
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* lowering:lead() -> seconds that the first frame may leave before its onset */
static int lowering_lead(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)mp_lowering_lead_ns(mp_check_lowering(L, 1)) / 1e9);
    return 1;
}

static int lowering_gc(lua_State *L)
{
    struct mp_lowering **box = luaL_checkudata(L, 1, LOWERING);
    // at the end of a state finalizers run in any order: the dispatcher may still draw from it
    if (*box != NULL && mp_lowering_busy(*box))
        mp_armed_join();
    mp_lowering_destroy(*box);
    *box = NULL;
    return 0;
}

void mp_open_lowering(lua_State *L)
{
    static const luaL_Reg functions[] = {{"lowering", lowering_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"clear", lowering_clear},
                                       {"cleared", lowering_cleared},
                                       {"actions", lowering_actions},
                                       {"pulse", lowering_pulse},
                                       {"lasts", lowering_lasts},
                                       {"output", lowering_output},
                                       {"leave", lowering_leave},
                                       {"without_marks", lowering_without_marks},
                                       {"ask", lowering_ask},
                                       {"changes", lowering_changes},
                                       {"change", lowering_change},
                                       {"check", lowering_check},
                                       {"next", lowering_next},
                                       {"rewind", lowering_rewind},
                                       {"frames", lowering_frames},
                                       {"lead", lowering_lead},
                                       {"marks", lowering_marks},
                                       {"tight", lowering_tight},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", lowering_gc}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, LOWERING, methods, metamethods);
    lua_pop(L, 1);
}
