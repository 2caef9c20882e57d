#include "bindings/near_cut.h"

#include "bindings/checksum.h"
#include "bindings/events.h"
#include "bindings/outcome.h"
#include "bindings/raise.h"

#include <lauxlib.h>

enum { ANCHOR = 3 }; // the session's user value that keeps the file and the sum

static lua_Integer integer(lua_State *L, const char *key, lua_Integer low)
{
    int whole = 0;
    lua_getfield(L, 2, key);
    lua_Integer value = lua_tointegerx(L, -1, &whole);
    if (whole == 0 || value < low)
        luaL_error(L, "session:near: %s: a whole number from %I on is needed", key, low);
    lua_pop(L, 1);
    return value;
}

/* It stays on the stack. */
static struct mp_tail text(lua_State *L, const char *key)
{
    struct mp_tail tail;
    if (lua_getfield(L, 2, key) != LUA_TSTRING)
        luaL_error(L, "session:near: %s: a text is needed", key);
    tail.bytes = lua_tolstring(L, -1, &tail.length);
    return tail;
}

/* The same, as a row may have it. */
static struct mp_tail clean_text(lua_State *L, const char *key)
{
    (void)text(L, key);
    return mp_check_event_text(L, lua_gettop(L));
}

static struct mp_near_known check_known(lua_State *L)
{
    return (struct mp_near_known){
        .frame = (uint32_t)(integer(L, "frame", 1) - 1),
        .action = (uint32_t)(integer(L, "action", 1) - 1),
        .reply = text(L, "reply"),
        .columns = text(L, "columns"), // of core.event_action
        .words = clean_text(L, "words"),
        .proof = clean_text(L, "proof"),
        .condition = clean_text(L, "condition"),
        .trial = (uint64_t)integer(L, "trial", 0),
        .block = (uint64_t)integer(L, "block", 0),
        .first = (uint64_t)integer(L, "first", 0),
        .last = (uint64_t)integer(L, "last", 0),
        .per = (uint64_t)integer(L, "per", 0),
        .origin_ns = integer(L, "origin_ns", 0),
        .delay_ns = integer(L, "delay_ns", 0),
        .slow_ns = integer(L, "slow_ns", 0),
        .patience_ns = integer(L, "patience_ns", 0),
        .extra = (uint64_t)integer(L, "extra", 0),
        .index = (uint64_t)integer(L, "index", 0),
        .confirmed = (uint64_t)integer(L, "confirmed", 0),
    };
}

/*
 * session:near{frame=, action= (from 1), reply= (the bytes that confirm it), columns=, words=,
 * proof=, condition=, trial=, block=, first=, last=, per= (of its row), origin_ns=, delay_ns=,
 * slow_ns=, patience_ns=, extra=, index=, confirmed= (engine/near_cut.h), file= (of events.tsv:
 * open until near_over), sum=} -> began: pulses that go like this are counted and written by
 * the engine
 */
int mp_near_begin(lua_State *L)
{
    struct mp_error err = {0};
    luaL_checktype(L, 2, LUA_TTABLE);
    const struct mp_near_known known = check_known(L);
    lua_getfield(L, 2, "file");
    luaL_Stream *stream = luaL_checkudata(L, -1, LUA_FILEHANDLE);
    luaL_argcheck(L, stream->closef != NULL, 2, "the file is closed");
    lua_getfield(L, 2, "sum");
    struct mp_checksum *sum = mp_check_sum(L, lua_gettop(L));
    struct mp_near_cut *cut = mp_check_near_cut(L, 1);
    mp_text_init(&cut->text, stream->f);
    cut->text.sum = sum;
    lua_pushboolean(L, mp_near_cut_begin(cut, &known, &err) == MP_OK);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, 1, ANCHOR);
    return 1;
}

/*
 * session:near_over(goes_on) -> goes_on, contact_ns (when something was sent or heard last,
 * monotonic; 0: nothing was), written, and if that is above 0 onset_ns (of the last row),
 * number, returned_ns, told_ns (of its pulse, monotonic), after them nil, or why the rows could
 * not be written. What the engine has written since it was asked last is in the file. It goes
 * on if it is to, and nothing has ended it.
 */
int mp_near_over(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_near_cut *cut = mp_check_near_cut(L, 1);
    cut->on = cut->on && lua_toboolean(L, 2);
    lua_pushboolean(L, cut->on);
    lua_pushinteger(L, cut->contact_ns);
    lua_pushinteger(L, (lua_Integer)cut->written);
    if (cut->written == 0)
        return 3;
    lua_pushinteger(L, cut->onset_ns);
    lua_pushinteger(L, (lua_Integer)cut->number);
    lua_pushinteger(L, cut->returned_ns);
    lua_pushinteger(L, cut->told_ns);
    cut->written = 0;
    if (mp_text_flush(&cut->text, &err) == MP_OK)
        return 7;
    lua_pushstring(L, err.text);
    return 8;
}

/* session:near_pending() -> outcome (as on_outcome has it), told_ns, confirmed_ns (monotonic;
 * nil: not yet) of the oldest pulse that was sent meanwhile and has no row, once each; nothing:
 * there is none. Whose a confirmation was that came while others waited is not known. */
int mp_near_pending_pulse(lua_State *L)
{
    const struct mp_near_pending *pulse = mp_near_cut_pending(mp_check_near_cut(L, 1));
    if (pulse == NULL)
        return 0;
    const struct mp_near_pending told = *pulse;
    mp_push_outcome(L, &told.out, mp_check_schedule(L, 1));
    lua_pushinteger(L, told.told_ns);
    if (told.confirmed_ns == 0)
        return 2;
    lua_pushinteger(L, told.confirmed_ns);
    return 3;
}
