/* flight.c - the flight recorder for scripts: made before a run, read back by recover. */
#include "bindings/flight.h"

#include "bindings/armed.h"
#include "bindings/modules.h"
#include "bindings/raise.h"

#include "engine/clock.h"
#include "engine/code_box.h"

#define FLIGHT "moonpulse.flight"
#define READER "moonpulse.flight_reader"

static const char *const record_names[] = {"empty",   "sent",     "skipped", "mark",  "oneoff",
                                           "confirm", "finished", "stopped", "start", "play",
                                           "left",    "alive",    "code"};
_Static_assert(sizeof record_names / sizeof record_names[0] == MP_FLIGHT_KINDS, "names");

struct mp_flight *mp_check_flight(lua_State *L, int arg)
{
    struct mp_flight **box = luaL_checkudata(L, arg, FLIGHT);
    if (*box == NULL)
        luaL_error(L, "attempt to use a closed flight record");
    return *box;
}

struct mp_flight_reader *mp_check_flight_reader(lua_State *L, int arg)
{
    struct mp_flight_reader **box = luaL_checkudata(L, arg, READER);
    luaL_argcheck(L, *box != NULL, arg, "it is closed");
    return *box;
}

/* core.flight(path, capacity[, virtual]) -> flight | nil, message, code */
static int flight_new(lua_State *L)
{
    struct mp_error err = {0};
    const char *path = luaL_checkstring(L, 1);
    lua_Integer capacity = mp_check_integer(L, 2, 1, MP_FLIGHT_MAX);
    struct mp_flight **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, FLIGHT);
    if (mp_flight_create(box, path, (uint64_t)capacity, &err) != MP_OK)
        return mp_push_failure(L, &err);
    if (!lua_toboolean(L, 3))
        mp_flight_touch(*box);
    return 1;
}

/* flight:start(start_ns) -> stored: the plan's start; the wall clock is stored beside it */
static int flight_start(lua_State *L)
{
    struct mp_flight *flight = mp_check_flight(L, 1);
    lua_Integer start_ns = luaL_checkinteger(L, 2);
    lua_pushboolean(
        L, mp_flight_start(flight, start_ns, mp_clock_wall_ns() + start_ns - mp_clock_ns()));
    return 1;
}

/* flight:play(number, start_ns) -> stored: what follows is of that plan of the run */
static int flight_play(lua_State *L)
{
    struct mp_flight *flight = mp_check_flight(L, 1);
    lua_Integer play = mp_check_integer(L, 2, 1, LUA_MAXINTEGER);
    lua_pushboolean(L, mp_flight_play(flight, (uint64_t)play, luaL_checkinteger(L, 3), 0));
    return 1;
}

/* flight:left(disarmed) -> stored: the device was asked whether it is disarmed */
static int flight_left(lua_State *L)
{
    struct mp_flight *flight = mp_check_flight(L, 1);
    const struct mp_flight_record record = {.kind = MP_FLIGHT_LEFT,
                                            .action = (uint32_t)lua_toboolean(L, 2),
                                            .woken_ns = mp_clock_ns()};
    lua_pushboolean(L, mp_flight_push(flight, &record));
    return 1;
}

/* flight:room() -> records that still fit */
static int flight_room(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)mp_flight_room(mp_check_flight(L, 1)));
    return 1;
}

/* flight:code(code, lost, { planned_ns=, due_ns=, entered_ns=, there_ns= }) -> stored: an event
 * code of no plan that no dispatcher gave to its box, as its outcome has it */
static int flight_code(lua_State *L)
{
    static const char *const keys[] = {"planned_ns", "due_ns", "entered_ns", "there_ns"};
    int64_t times[4];
    struct mp_flight *flight = mp_check_flight(L, 1);
    const lua_Integer code = mp_check_integer(L, 2, 1, MP_CODE_MAX);
    const lua_Integer lost = mp_check_integer(L, 3, 0, MP_CODE_LOST_COUNT - 1);
    luaL_checktype(L, 4, LUA_TTABLE);
    for (int i = 0; i < 4; i++) {
        lua_getfield(L, 4, keys[i]);
        times[i] = luaL_checkinteger(L, -1);
    }
    const struct mp_flight_record record = {.kind = MP_FLIGHT_CODE,
                                            .send_kind = MP_SEND_MARK,
                                            .detail = (uint16_t)lost,
                                            .action = (uint32_t)code,
                                            .planned_ns = times[0],
                                            .due_ns = times[1],
                                            .woken_ns = times[1],
                                            .sent_ns = times[2],
                                            .returned_ns = times[3]};
    lua_pushboolean(L, mp_flight_push(flight, &record));
    return 1;
}

static const lua_Integer most_play = (1 << MP_FLIGHT_PLAY_BITS) - 1;

/* flight:confirm(pulse number, arrival_ns[, value[, said[, play]]]): the device's reply, as a
 * number; said: "given" (if nothing is said), "otherwise", "going", "some", "external" or
 * "external_otherwise", see engine/flight.h; play: the plan of the pulse, if not nil or 0: the
 * one that goes on */
static int flight_confirm(lua_State *L)
{
    static const char *const said[] = {"given",    "otherwise",          "going", "some",
                                       "external", "external_otherwise", NULL};
    _Static_assert(sizeof said / sizeof said[0] == MP_FLIGHT_SAID_COUNT + 1, "words");
    struct mp_flight *flight = mp_check_flight(L, 1);
    const struct mp_flight_record record = {
        .kind = MP_FLIGHT_CONFIRM,
        .number = (uint64_t)luaL_checkinteger(L, 2),
        .woken_ns = luaL_checkinteger(L, 3),
        .action = (uint32_t)luaL_optinteger(L, 4, 0),
        .detail = (uint16_t)luaL_checkoption(L, 5, "given", said),
    };
    lua_Integer play = lua_isnoneornil(L, 6) ? 0 : mp_check_integer(L, 6, 0, most_play);
    lua_pushboolean(L, mp_flight_push_of(flight, &record, (uint64_t)play));
    return 1;
}

/* flight:close() -> true | nil, message, code; raises while a session that writes into it is
 * armed */
static int flight_close(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_flight **box = luaL_checkudata(L, 1, FLIGHT);
    if (*box != NULL && mp_flight_busy(*box))
        return luaL_error(L, "an armed session writes into this flight record: stop it first");
    enum mp_status status = mp_flight_close(*box, &err);
    *box = NULL;
    if (status != MP_OK)
        return mp_push_failure(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

static int flight_gc(lua_State *L)
{
    struct mp_flight **box = luaL_checkudata(L, 1, FLIGHT);
    if (*box != NULL && mp_flight_busy(*box))
        mp_armed_join();
    return flight_close(L);
}

/* core.flight_read(path) -> reader, start_ns, wall_ns | nil, message, code */
static int reader_new(lua_State *L)
{
    struct mp_error err = {0};
    const char *path = luaL_checkstring(L, 1);
    struct mp_flight_reader **box = lua_newuserdatauv(L, sizeof *box, 1); // 1: torn so far
    *box = NULL;
    luaL_setmetatable(L, READER);
    if (mp_flight_open(box, path, &err) != MP_OK)
        return mp_push_failure(L, &err);
    lua_pushinteger(L, mp_flight_start_ns(*box));
    lua_pushinteger(L, mp_flight_wall_ns(*box));
    return 3;
}

/*
 * Push {kind=, send=, detail=, stop= (the name of detail), action=, frame=, number=, play= (its
 * plan, from 1; 0: none), place= (in the file, from 1), planned_ns=, due_ns=, woken_ns=,
 * sent_ns=, returned_ns=}. Action and frame count from 1, as everywhere in Lua.
 */
static void push_record(lua_State *L, const struct mp_flight_record *record, uint64_t play,
                        uint64_t place)
{
    const struct {
        const char *key;
        lua_Integer value;
    } numbers[] = {{"detail", record->detail},
                   {"action", (lua_Integer)record->action + 1},
                   {"frame", (lua_Integer)record->frame + 1},
                   {"number", (lua_Integer)record->number},
                   {"play", (lua_Integer)play},
                   {"place", (lua_Integer)place},
                   {"planned_ns", record->planned_ns},
                   {"due_ns", record->due_ns},
                   {"woken_ns", record->woken_ns},
                   {"sent_ns", record->sent_ns},
                   {"returned_ns", record->returned_ns}};
    lua_createtable(L, 0, 14);
    lua_pushstring(L, mp_stop_name((enum mp_stop)record->detail));
    lua_setfield(L, -2, "stop");
    lua_pushstring(L, record->kind < MP_FLIGHT_KINDS ? record_names[record->kind] : "unknown");
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, mp_send_kind_name((enum mp_send_kind)record->send_kind));
    lua_setfield(L, -2, "send");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        lua_pushinteger(L, numbers[i].value);
        lua_setfield(L, -2, numbers[i].key);
    }
}

/* reader:next() -> the next whole record, as push_record has it, or nil and the number of torn
 * records. */
static int reader_next(lua_State *L)
{
    struct mp_flight_reader **box = luaL_checkudata(L, 1, READER);
    struct mp_flight_record record;
    uint64_t torn = 0;
    lua_getiuservalue(L, 1, 1);
    lua_Integer before = lua_tointeger(L, -1);
    bool found = *box != NULL && mp_flight_next(*box, &record, &torn);
    lua_pushinteger(L, before + (lua_Integer)torn);
    lua_setiuservalue(L, 1, 1);
    if (found) {
        push_record(L, &record, mp_flight_play_of(*box), mp_flight_place_of(*box));
        return 1;
    }
    lua_pushnil(L);
    lua_pushinteger(L, before + (lua_Integer)torn);
    return 2;
}

/* reader:at(place) -> the record there, the same; nil: there is none that is whole. Its plan is
 * the one that it names itself. */
static int reader_at(lua_State *L)
{
    const struct mp_flight_reader *reader = mp_check_flight_reader(L, 1);
    lua_Integer place = luaL_checkinteger(L, 2);
    struct mp_flight_record record;
    uint64_t play;
    if (place < 1 || !mp_flight_at(reader, (uint64_t)place, &record, &play))
        return 0;
    push_record(L, &record, play, (uint64_t)place);
    return 1;
}

/*
 * reader:losses() -> {version=, stored=, torn=, empty=, missing=, header= (it is damaged),
 * first=, last= (places of what is lost; 0: nothing is)}
 */
static int reader_losses(lua_State *L)
{
    struct mp_flight_reader **box = luaL_checkudata(L, 1, READER);
    luaL_argcheck(L, *box != NULL, 1, "it is closed");
    const struct mp_flight_losses losses = mp_flight_losses(*box);
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"version", losses.version}, {"stored", losses.stored},
                   {"torn", losses.torn},       {"empty", losses.empty},
                   {"missing", losses.missing}, {"first", losses.first},
                   {"last", losses.last}};
    lua_createtable(L, 0, 8);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        lua_pushinteger(L, (lua_Integer)numbers[i].value);
        lua_setfield(L, -2, numbers[i].key);
    }
    lua_pushboolean(L, losses.header);
    lua_setfield(L, -2, "header");
    return 1;
}

static int reader_close(lua_State *L)
{
    struct mp_flight_reader **box = luaL_checkudata(L, 1, READER);
    mp_flight_reader_close(*box);
    *box = NULL;
    return 0;
}

void mp_open_flight(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"flight", flight_new}, {"flight_read", reader_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"start", flight_start}, {"confirm", flight_confirm},
                                       {"play", flight_play},   {"left", flight_left},
                                       {"code", flight_code},   {"room", flight_room},
                                       {"close", flight_close}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", flight_gc}, {"__close", flight_close}, {NULL, NULL}};
    static const luaL_Reg reader_methods[] = {{"next", reader_next},
                                              {"at", reader_at},
                                              {"stretch", mp_flight_reader_stretch},
                                              {"rows", mp_flight_reader_rows},
                                              {"losses", reader_losses},
                                              {"close", reader_close},
                                              {NULL, NULL}};
    static const luaL_Reg reader_metamethods[] = {
        {"__gc", reader_close}, {"__close", reader_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    lua_pushinteger(L, MP_FLIGHT_SPARE);
    lua_setfield(L, -2, "flight_spare");
    lua_pushinteger(L, MP_FLIGHT_MAX);
    lua_setfield(L, -2, "flight_most");
    mp_new_class(L, FLIGHT, methods, metamethods);
    lua_pop(L, 1);
    mp_new_class(L, READER, reader_methods, reader_metamethods);
    lua_pop(L, 1);
}
