/* flight_stretch.c - the stretches of a flight record, and the rows of their pulses, for
 * recover and verify: engine/flight_stretch.h. */
#include "engine/flight_stretch.h"

#include "bindings/events.h"
#include "bindings/flight.h"
#include "bindings/modules.h"
#include "bindings/raise.h"

#define ROWS "moonpulse.stretch_rows"

enum { MOST_ROWS = 4096 };  // in one text
enum { MOST_VALUES = 256 }; // of a stretch: its device measures nothing that is worth comparing

static void set_integer(lua_State *L, const char *key, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

int mp_flight_reader_stretch(lua_State *L)
{
    struct mp_flight_stretch found;
    if (!mp_flight_stretch(mp_check_flight_reader(L, 1), &found))
        return 0;
    lua_createtable(L, 0, 12);
    lua_pushliteral(L, "stretch");
    lua_setfield(L, -2, "kind");
    set_integer(L, "first", (lua_Integer)found.first);
    set_integer(L, "place", (lua_Integer)found.last);
    set_integer(L, "play", (lua_Integer)found.play);
    set_integer(L, "action", (lua_Integer)found.action + 1);
    set_integer(L, "frame", (lua_Integer)found.frame + 1);
    set_integer(L, "number", (lua_Integer)found.number);
    set_integer(L, "pulses", (lua_Integer)found.pulses);
    set_integer(L, "confirmed", (lua_Integer)found.confirmed);
    set_integer(L, "sent_ns", found.sent_ns);
    set_integer(L, "woken_ns", found.woken_ns);
    set_integer(L, "returned_ns", found.returned_ns);
    return 1;
}

/* The field key of the table at 3: nanoseconds, as long as a run may be. */
static int64_t time_field(lua_State *L, const char *key)
{
    int whole = 0;
    lua_getfield(L, 3, key);
    lua_Integer ns = lua_tointegerx(L, -1, &whole);
    if (!whole || ns <= -MP_STRETCH_TIME || ns >= MP_STRETCH_TIME)
        luaL_error(L, "reader:rows: %s: a whole number of nanoseconds is needed", key);
    lua_pop(L, 1);
    return ns;
}

/* Push the values that the confirmations of these rows bear, each once, in the order in which
 * they came; false: there are too many. */
static bool push_values(lua_State *L, const struct mp_stretch_rows *rows)
{
    struct mp_stretch_rows again = *rows;
    struct mp_event_row row;
    uint32_t value, before = 0;
    lua_Integer count = 0;
    bool first = true;
    lua_newtable(L); // values
    lua_newtable(L); // values, seen
    while (count <= MOST_VALUES && mp_stretch_next(&again, &row, &value)) {
        if (!first && value == before)
            continue;
        first = false;
        before = value;
        if (lua_rawgeti(L, -1, (lua_Integer)value) == LUA_TNIL) {
            lua_pushinteger(L, (lua_Integer)value);
            lua_rawseti(L, -4, ++count);
            lua_pushboolean(L, 1);
            lua_rawseti(L, -3, (lua_Integer)value);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return count <= MOST_VALUES;
}

int mp_flight_reader_rows(lua_State *L)
{
    struct mp_flight_stretch stretch;
    struct mp_flight_reader *reader = mp_check_flight_reader(L, 1);
    lua_Integer first = mp_check_integer(L, 2, 1, MP_FLIGHT_MAX);
    luaL_checktype(L, 3, LUA_TTABLE);
    struct mp_stretch_facts facts = {.run_ns = time_field(L, "run_ns"),
                                     .begin_ns = time_field(L, "begin_ns"),
                                     .delay_ns = time_field(L, "delay_ns")};
    facts.tolerates = lua_getfield(L, 3, "tolerance_ns") != LUA_TNIL;
    lua_pop(L, 1);
    facts.tolerance_ns = facts.tolerates ? time_field(L, "tolerance_ns") : 0;
    struct mp_stretch_rows *rows = lua_newuserdatauv(L, sizeof *rows, 1);
    if (!mp_flight_stretch_at(reader, (uint64_t)first, &stretch) ||
        !mp_stretch_begin(rows, reader, &stretch, &facts))
        return 0;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, ROWS);
    lua_createtable(L, 0, 8);
    set_integer(L, "count", (lua_Integer)rows->count);
    set_integer(L, "first_ns", rows->first_ns);
    set_integer(L, "heard_ns", rows->heard_ns);
    set_integer(L, "rest", (lua_Integer)rows->rest);
    if (!push_values(L, rows))
        return 0;
    lua_setfield(L, -2, "values");
    return 2;
}

/* A whole number of the table at 3, from 0 on. */
static uint64_t count_field(lua_State *L, const char *key)
{
    lua_getfield(L, 3, key);
    lua_Integer count = luaL_checkinteger(L, -1);
    luaL_argcheck(L, count >= 0, 3, key);
    lua_pop(L, 1);
    return (uint64_t)count;
}

/* A text of the table at 3; it stays on the stack. */
static struct mp_tail text_field(lua_State *L, const char *key)
{
    lua_getfield(L, 3, key);
    return mp_check_event_text(L, lua_gettop(L));
}

/* How late a pulse was goes after the others; it, or what is later. */
static int64_t add_onset_error(lua_State *L, int arg, lua_Integer *count, int64_t late_ns,
                               int64_t worst_ns)
{
    if (late_ns == 0)
        return worst_ns;
    lua_pushnumber(L, (lua_Number)late_ns / 1e3);
    lua_rawseti(L, arg, ++*count);
    return late_ns > worst_ns ? late_ns : worst_ns;
}

enum { ONSET_ERRORS = 4, WORDS, REPLY }; // on the stack; REPLY: the last one's words

/* What the rows have in common, of the table at 3; the texts stay on the stack. */
static struct mp_event_row check_known(lua_State *L)
{
    struct mp_event_row row = {.event = {"pulse", 5},
                               .index = count_field(L, "index"),
                               .pulse = count_field(L, "number"),
                               .status = {"delivered", 9},
                               .timed_by = {"host", 4},
                               .trial = count_field(L, "trial"),
                               .block = count_field(L, "block")};
    row.proof = text_field(L, "proof");
    row.condition = text_field(L, "condition");
    lua_getfield(L, 3, "tail");
    row.action.bytes = luaL_checklstring(L, -1, &row.action.length);
    return row;
}

/* The reply that this value is, in words; it stays at REPLY. */
static struct mp_tail words_of(lua_State *L, uint32_t value)
{
    const struct mp_tail none = {0};
    int type = lua_rawgeti(L, WORDS, (lua_Integer)value);
    lua_replace(L, REPLY);
    return type == LUA_TNIL ? none : mp_check_event_text(L, REPLY);
}

/*
 * rows:text(most, known, errors) -> text, count, onset_ns (of the last one), worst_ns (how
 * late one was at most; 0): at most so many further rows. known: {index=, number= (of the pulse
 * of the next row), tail= (of core.event_action), words= (by the value of a confirmation),
 * proof=, condition=, trial=, block=, first=, per=}, as session:near takes them. Each
 * onset error, in us, is added to errors if it is not 0. Nothing: there are no more. Raises
 * once the reader is closed.
 */
static int rows_text(lua_State *L)
{
    luaL_Buffer buffer;
    struct mp_stretch_rows *rows = luaL_checkudata(L, 1, ROWS);
    lua_Integer most = mp_check_integer(L, 2, 1, LUA_MAXINTEGER), count = 0;
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_checktype(L, ONSET_ERRORS, LUA_TTABLE);
    lua_settop(L, ONSET_ERRORS);
    lua_getiuservalue(L, 1, 1);
    rows->reader = mp_check_flight_reader(L, ONSET_ERRORS + 1); // it may be closed by now
    lua_settop(L, ONSET_ERRORS);
    lua_getfield(L, 3, "words");
    luaL_checktype(L, WORDS, LUA_TTABLE);
    lua_pushnil(L);
    struct mp_event_row row = check_known(L);
    const uint64_t per = count_field(L, "per");
    uint64_t changes = per > 0 ? count_field(L, "first") + per : UINT64_MAX;
    lua_Integer late = (lua_Integer)lua_rawlen(L, ONSET_ERRORS);
    int64_t worst_ns = 0;
    uint32_t value, said = 0;
    luaL_buffinit(L, &buffer);
    while (count < most && count < MOST_ROWS && mp_stretch_next(rows, &row, &value)) {
        if (count == 0 || value != said)
            row.reply = words_of(L, value);
        said = value;
        for (; row.pulse >= changes; changes += per)
            row.trial++;
        worst_ns = add_onset_error(L, ONSET_ERRORS, &late, row.late_ns, worst_ns);
        char *at = luaL_prepbuffsize(&buffer, mp_event_room(&row));
        luaL_addsize(&buffer, (size_t)(mp_event_put(at, &row) - at));
        row.index++;
        row.pulse++;
        count++;
    }
    if (count == 0)
        return 0;
    luaL_pushresult(&buffer);
    lua_pushinteger(L, count);
    lua_pushinteger(L, row.sent_ns);
    lua_pushinteger(L, worst_ns);
    return 4;
}

void mp_open_flight_stretch(lua_State *L)
{
    static const luaL_Reg methods[] = {{"text", rows_text}, {NULL, NULL}};
    static const luaL_Reg none[] = {{NULL, NULL}};
    mp_new_class(L, ROWS, methods, none);
    lua_pop(L, 1);
}
