/* schedule.c - the stream of events of a plan, for listings and checks in Lua. */
#include "bindings/codes.h"
#include "bindings/modules.h"
#include "bindings/raise.h"

#include "engine/schedule.h"
#include "engine/text.h"

#include <errno.h>
#include <string.h>

#define SCHEDULE "moonpulse.schedule"

static const char *const event_names[] = {"pulse", "mark"};

struct mp_schedule *mp_check_schedule_box(lua_State *L, int arg)
{
    struct mp_schedule **box = luaL_checkudata(L, arg, SCHEDULE);
    return *box;
}

/* core.schedule(plan, seed) */
static int schedule_new(lua_State *L)
{
    struct mp_error err = {0};
    const struct mp_plan *plan = mp_check_plan(L, 1);
    lua_Integer seed = luaL_checkinteger(L, 2);
    struct mp_schedule **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, SCHEDULE);
    if (mp_schedule_create(box, plan, (uint64_t)seed, &err) != MP_OK)
        return mp_refuse(L, &err);
    return 1;
}

/* schedule:next() -> kind, onset_us, number, action (from 1) | mark text, onset_ns, event code
 * (0: none); nil at the end */
static int schedule_next(lua_State *L)
{
    struct mp_schedule *schedule = mp_check_schedule_box(L, 1);
    struct mp_event event;
    if (!mp_schedule_next(schedule, &event))
        return 0;
    lua_pushstring(L, event_names[event.kind]);
    lua_pushinteger(L, mp_event_us(&event));
    lua_pushinteger(L, (lua_Integer)event.number);
    if (event.kind == MP_EVENT_PULSE)
        lua_pushinteger(L, (lua_Integer)event.action + 1);
    else
        lua_pushstring(L, mp_schedule_mark(schedule, event.source));
    lua_pushinteger(L, mp_event_ns(&event));
    lua_pushinteger(L, mp_schedule_code(schedule, event.source));
    return 6;
}

static int schedule_rewind(lua_State *L)
{
    mp_schedule_rewind(mp_check_schedule_box(L, 1));
    return 0;
}

void mp_push_actions(lua_State *L, const struct mp_schedule *schedule)
{
    uint32_t count = mp_schedule_action_count(schedule);
    lua_createtable(L, (int)count, 0);
    for (uint32_t i = 0; i < count; i++) {
        const struct mp_action *action = mp_schedule_action(schedule, i);
        lua_createtable(L, 0, 3);
        lua_pushstring(L, mp_schedule_channel(schedule, action->channel));
        lua_setfield(L, -2, "channel");
        lua_pushnumber(L, action->pulse.intensity_mpct / 1000.0);
        lua_setfield(L, -2, "intensity");
        lua_pushstring(L, mp_reference_names[action->pulse.reference]);
        lua_setfield(L, -2, "reference");
        lua_pushinteger(L, action->pulse.program);
        lua_setfield(L, -2, "program");
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
}

/* schedule:actions() -> {{channel=, intensity=, reference=}, ...} */
static int schedule_actions(lua_State *L)
{
    mp_push_actions(L, mp_check_schedule_box(L, 1));
    return 1;
}

/* Say how far a walk is: function at index 2, if there is one, is called with the events so
 * far.
 */
static void tell_progress(lua_State *L, uint64_t walked)
{
    if (lua_isnoneornil(L, 2))
        return;
    lua_pushvalue(L, 2);
    lua_pushinteger(L, (lua_Integer)walked);
    lua_call(L, 1, 0);
}

/*
 * schedule:measure([progress]) -> pulses, first_us, last_us, end_ns. Walks it all: for random
 * rests, whose sum has no closed form. progress(walked) is called now and then.
 */
static int schedule_measure(lua_State *L)
{
    enum { EVENTS_A_CALL = 1024 * MP_EVENTS };
    struct mp_schedule *schedule = mp_check_schedule_box(L, 1);
    struct mp_event events[MP_EVENTS];
    int64_t first = -1, last = -1;
    uint64_t pulses = 0, walked = 0;
    uint32_t count;
    mp_schedule_rewind(schedule);
    while ((count = mp_schedule_next_many(schedule, events, MP_EVENTS)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            if (events[i].kind != MP_EVENT_PULSE)
                continue;
            last = mp_event_us(&events[i]);
            if (pulses++ == 0)
                first = last;
        }
        walked += count;
        if (walked % EVENTS_A_CALL == 0)
            tell_progress(L, walked);
    }
    lua_pushinteger(L, (lua_Integer)pulses);
    lua_pushinteger(L, first);
    lua_pushinteger(L, last);
    lua_pushinteger(L, mp_schedule_end_ns(schedule));
    mp_schedule_rewind(schedule);
    return 4;
}

/* Of which condition, trial and block the pulses up to last are; 0: none. */
struct place {
    char condition[MP_NAME_MAX];
    size_t length;
    uint64_t trial, block, last;
    uint64_t per, changes; // so many pulses a trial; the pulse that begins the next one
};

/* What schedule:write() needs, in a userdata: it may raise while it fills it. */
struct listing {
    struct mp_text text;
    struct place place;
    bool coded;             // there is a column of codes
    struct mp_tail tails[]; // alive in the table of tails
};

enum { TAIL_MAX = 4096, LINE_MAX_BYTES = 5 * MP_DIGITS_MAX + 2 * MP_NAME_MAX + TAIL_MAX + 48 };

static uint64_t number_at(lua_State *L, int at)
{
    lua_Integer number = luaL_optinteger(L, at, 0);
    return number > 0 ? (uint64_t)number : 0;
}

/* Ask the function at index 4 where pulse number is. */
static void find_place(lua_State *L, struct place *place, uint64_t number)
{
    lua_pushvalue(L, 4);
    lua_pushinteger(L, (lua_Integer)number);
    lua_call(L, 1, 5);
    const char *condition = luaL_checklstring(L, -5, &place->length);
    if (place->length >= sizeof place->condition)
        luaL_error(L, "schedule:write: a condition is too long");
    memcpy(place->condition, condition, place->length);
    place->trial = number_at(L, -4);
    place->block = number_at(L, -3);
    place->last = number_at(L, -2);
    place->per = number_at(L, -1);
    place->changes = place->per == 0 ? UINT64_MAX : number + place->per;
    lua_pop(L, 5);
}

static char *put_from_1(char *at, uint64_t number)
{
    return number == 0 ? mp_put_bytes(at, "n/a", 3) : mp_put_integer(at, number);
}

/* The columns trial_type, trial and block of pulse number, with a tab before them. */
static char *put_place(char *at, struct place *place, uint64_t number)
{
    for (; number >= place->changes; place->changes += place->per)
        place->trial++;
    *at++ = '\t';
    at = mp_put_bytes(at, place->condition, place->length);
    *at++ = '\t';
    at = put_from_1(at, place->trial);
    *at++ = '\t';
    return put_from_1(at, place->block);
}

static void write_event(struct listing *listing, const struct mp_schedule *schedule,
                        const struct mp_event *event, const struct mp_tail *tail,
                        uint64_t index)
{
    char *at = mp_text_room(&listing->text, LINE_MAX_BYTES);
    at = mp_put_integer(at, index);
    *at++ = '\t';
    at = mp_put_integer(at, (uint64_t)mp_event_us(event));
    if (event->kind == MP_EVENT_PULSE) {
        at = mp_put_bytes(at, "\tpulse\t", 7);
        at = mp_put_bytes(at, tail->bytes, tail->length);
        *at++ = '\t';
        at = mp_put_integer(at, event->number);
        at = mp_put_bytes(at, "\tn/a", 4);
        at = put_place(at, &listing->place, event->number);
    } else {
        const char *mark = mp_schedule_mark(schedule, event->source);
        at = mp_put_bytes(at, "\tmark\t", 6);
        at = mp_put_bytes(at, tail->bytes, tail->length);
        at = mp_put_bytes(at, "\tn/a\t", 5);
        at = mp_put_bytes(at, mark, strlen(mark));
        at = mp_put_bytes(at, "\tmark\tn/a\tn/a", 13);
    }
    if (listing->coded) {
        *at++ = '\t';
        at = put_from_1(at, mp_schedule_code(schedule, event->source));
    }
    *at++ = '\n';
    mp_text_end(&listing->text, at);
}

/*
 * schedule:write(file, tails, place[, coded]) -> true | nil, message, code. One line an event:
 * index, onset_us, event, tail, pulse number, mark text, condition, trial, block, and if coded
 * the event code. tails[i] is the text of action i; tails.mark that of marks. place(number) ->
 * condition, trial, block (nil: none), last, per: of pulse number, which is the first of its
 * trial; up to pulse last the same holds, with per (nil: all) pulses a trial. code is "closed"
 * when the reader went away.
 */
static int schedule_write(lua_State *L)
{
    struct mp_schedule *schedule = mp_check_schedule_box(L, 1);
    luaL_Stream *stream = luaL_checkudata(L, 2, LUA_FILEHANDLE);
    luaL_argcheck(L, stream->closef != NULL, 2, "the file is closed");
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_checktype(L, 4, LUA_TFUNCTION);
    uint32_t actions = mp_schedule_action_count(schedule);
    struct listing *listing =
        lua_newuserdatauv(L, sizeof *listing + (actions + 1) * sizeof listing->tails[0], 0);
    for (uint32_t i = 0; i <= actions; i++) {
        if (i == actions)
            lua_getfield(L, 3, "mark");
        else
            lua_geti(L, 3, (lua_Integer)i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 3, "texts expected");
        listing->tails[i].bytes = lua_tolstring(L, -1, &listing->tails[i].length);
        luaL_argcheck(L, listing->tails[i].length <= TAIL_MAX, 3, "a text is too long");
        lua_pop(L, 1);
    }
    struct mp_error err = {0};
    struct mp_event events[MP_EVENTS];
    uint64_t index = 0;
    uint32_t count;
    mp_text_init(&listing->text, stream->f);
    listing->place = (struct place){0};
    listing->coded = lua_toboolean(L, 5);
    mp_schedule_rewind(schedule);
    while (listing->text.failed == 0 &&
           (count = mp_schedule_next_many(schedule, events, MP_EVENTS)) > 0)
        for (uint32_t i = 0; i < count; i++) {
            bool pulse = events[i].kind == MP_EVENT_PULSE;
            if (pulse && events[i].number > listing->place.last)
                find_place(L, &listing->place, events[i].number);
            write_event(listing, schedule, &events[i],
                        &listing->tails[pulse ? events[i].action : actions], ++index);
        }
    if (mp_text_flush(&listing->text, &err) != MP_OK) {
        mp_push_failure(L, &err);
        if (listing->text.failed == EPIPE) {
            lua_pushliteral(L, "closed");
            lua_replace(L, -2);
        }
        return 3;
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int schedule_gc(lua_State *L)
{
    struct mp_schedule **box = luaL_checkudata(L, 1, SCHEDULE);
    mp_schedule_destroy(*box);
    *box = NULL;
    return 0;
}

void mp_open_schedule(lua_State *L)
{
    static const luaL_Reg functions[] = {{"schedule", schedule_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"next", schedule_next},
                                       {"rewind", schedule_rewind},
                                       {"actions", schedule_actions},
                                       {"measure", schedule_measure},
                                       {"write", schedule_write},
                                       {"codes", mp_schedule_codes},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", schedule_gc}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, SCHEDULE, methods, metamethods);
    lua_pop(L, 1);
}
