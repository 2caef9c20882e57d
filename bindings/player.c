/* player.c - the frames of a run in virtual time, one by one or a steady stretch at once. */
#include "bindings/checksum.h"
#include "bindings/events.h"
#include "bindings/modules.h"
#include "bindings/raise.h"

#include "engine/clock.h"
#include "engine/steady.h"

#include <math.h>

#define PLAYER "moonpulse.player"

enum { TAIL_MAX = 4096 };

static const lua_Integer longest_ns = INT64_MAX / 4;

/* The lowering and the texts live in the user values. */
struct player {
    struct mp_lowering *lowering;
    struct mp_send send; // the last that was drawn
    bool held;           // it was not played: the next next() gives it again
    bool over;
    struct mp_steady steady;
    struct mp_text text, log;
    struct mp_tail tails[];
};

static struct player *check_player(lua_State *L)
{
    struct player *player = luaL_checkudata(L, 1, PLAYER);
    if (mp_lowering_busy(player->lowering))
        luaL_error(L, "the plan is being played: stop it first");
    if (!mp_lowering_checked(player->lowering)) // a pulse may be without its bytes
        luaL_error(L, "the plan was changed: check it again, and make a new player");
    return player;
}

/* The texts of the actions from the table at 2; a table that keeps them alive is pushed. */
static void keep_tails(lua_State *L, struct player *player, uint32_t actions)
{
    lua_createtable(L, (int)actions, 0); // kept
    for (uint32_t i = 0; i < actions; i++) {
        struct mp_tail *tail = &player->tails[i];
        *tail = (struct mp_tail){0};
        lua_geti(L, 2, (lua_Integer)i + 1); // kept, text
        if (lua_type(L, -1) == LUA_TSTRING)
            tail->bytes = lua_tolstring(L, -1, &tail->length);
        if (tail->length > TAIL_MAX)
            tail->bytes = NULL;
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
}

/*
 * core.player(lowering, tails, start_ns, latency_ns, proof): tails[i] is the text of action i
 * in a row of events.tsv, false for an action that is never played here; proof is its last
 * column. The lowering has been checked and has passed the gate.
 */
static int player_new(lua_State *L)
{
    struct mp_lowering *lowering = mp_check_lowering(L, 1);
    const uint32_t actions = mp_schedule_action_count(mp_lowering_schedule(lowering));
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_Integer start_ns = mp_check_integer(L, 3, 0, longest_ns);
    lua_Integer latency_ns = mp_check_integer(L, 4, 0, MP_NS_PER_S);
    struct mp_tail proof = mp_check_event_text(L, 5);
    luaL_argcheck(L, proof.length <= TAIL_MAX, 5, "the text is too long");
    if (!mp_lowering_checked(lowering) || !mp_lowering_cleared(L, 1))
        return luaL_error(
            L, "the plan was not checked against the safety limits: nothing is played");
    struct player *player =
        lua_newuserdatauv(L, sizeof *player + actions * sizeof player->tails[0], 2);
    *player = (struct player){.lowering = lowering};
    player->steady = (struct mp_steady){.lowering = lowering,
                                        .text = &player->text,
                                        .proof = proof,
                                        .log = &player->log,
                                        .start_ns = start_ns,
                                        .latency_ns = latency_ns,
                                        .tails = player->tails};
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    keep_tails(L, player, actions); // ..., kept
    lua_pushvalue(L, 5);
    lua_seti(L, -2, 0);
    lua_setiuservalue(L, -2, 2);
    luaL_setmetatable(L, PLAYER);
    return 1;
}

/* player:next(): as lowering:next(), but goes on after what play() played. */
static int player_next(lua_State *L)
{
    struct player *player = check_player(L);
    if (player->over)
        return 0;
    if (!player->held && !mp_lowering_next(player->lowering, &player->send)) {
        player->over = true;
        return 0;
    }
    player->held = false;
    return mp_push_send(L, player->lowering, &player->send);
}

static lua_Integer get_integer(lua_State *L, int table, const char *key, lua_Integer low)
{
    int whole = 0;
    lua_getfield(L, table, key);
    lua_Integer value = lua_tointegerx(L, -1, &whole);
    if (whole == 0 || value < low || value > longest_ns)
        luaL_error(L, "steady.%s: a whole number from %I on is needed", key, low);
    lua_pop(L, 1);
    return value;
}

static double get_number(lua_State *L, int table, const char *key)
{
    int number = 0;
    lua_getfield(L, table, key);
    double value = lua_tonumberx(L, -1, &number);
    if (number == 0 || isnan(value))
        luaL_error(L, "steady.%s: a number is needed", key);
    lua_pop(L, 1);
    return value;
}

/* What docs/drivers.md says under "steady"; a stimulator that does not warm has no coil. */
static struct mp_stimulator get_stimulator(lua_State *L, int table)
{
    struct mp_stimulator s = {.reply_ns = get_integer(L, table, "reply_ns", 0),
                              .ready_ns = get_integer(L, table, "ready_ns", 0),
                              .recharge_ns = get_integer(L, table, "recharge_ns", 0),
                              .low_c = -INFINITY,
                              .high_c = INFINITY,
                              .at_ns = -1};
    if (lua_getfield(L, table, "coil") == LUA_TTABLE) {
        int coil = lua_gettop(L);
        s.ambient_c = get_number(L, coil, "ambient_c");
        s.celsius = get_number(L, coil, "celsius");
        s.per_ns = get_number(L, coil, "per_ns");
        s.rise_c = get_number(L, coil, "rise_c");
        s.low_c = get_number(L, coil, "low_c");
        s.high_c = get_number(L, coil, "high_c");
        s.at_ns = get_integer(L, coil, "at_ns", 0);
    }
    lua_pop(L, 1);
    return s;
}

/* How the stimulator is after what was played, for the twin's method passed. */
static void set_stimulator(lua_State *L, int table, const struct mp_steady *steady)
{
    lua_pushinteger(L, steady->stimulator.ready_ns);
    lua_setfield(L, table, "ready_ns");
    lua_pushinteger(L, steady->stimulator.at_ns);
    lua_setfield(L, table, "last_ns");
    if (lua_getfield(L, table, "coil") == LUA_TTABLE) {
        lua_pushnumber(L, steady->stimulator.celsius);
        lua_setfield(L, -2, "celsius");
        lua_pushinteger(L, steady->stimulator.at_ns);
        lua_setfield(L, -2, "at_ns");
    }
    lua_pop(L, 1);
}

static FILE *check_file(lua_State *L, int arg)
{
    luaL_Stream *stream = luaL_checkudata(L, arg, LUA_FILEHANDLE);
    luaL_argcheck(L, stream->closef != NULL, arg, "the file is closed");
    return stream->f;
}

/*
 * player:play(file, index, text, steady, budget, log, tail, sum) -> played, written, onset_ns
 * (of the last row written) | nil, message. Play the pulse that next() gave last, and what
 * follows it, as long as it is like steady, which then says how the stimulator is. Rows go to
 * file, numbered from index + 1, with the reply's text; to log, the twin's own, goes the time
 * and tail of each pulse; the rows are added to sum (core.sum). The last played - written
 * pulses are not confirmed yet: see pending().
 */
static int player_play(lua_State *L)
{
    struct mp_error err = {0};
    struct player *player = check_player(L);
    FILE *file = check_file(L, 2), *log = check_file(L, 7);
    struct mp_steady *steady = &player->steady;
    steady->index = (uint64_t)mp_check_integer(L, 3, 0, longest_ns);
    steady->reply = mp_check_event_text(L, 4);
    luaL_argcheck(L, steady->reply.length <= TAIL_MAX, 4, "the text is too long");
    luaL_checktype(L, 5, LUA_TTABLE);
    lua_Integer budget = mp_check_integer(L, 6, 1, LUA_MAXINTEGER);
    steady->log_tail.bytes = luaL_checklstring(L, 8, &steady->log_tail.length);
    luaL_argcheck(L, steady->log_tail.length <= TAIL_MAX, 8, "the text is too long");
    struct mp_checksum *sum = mp_check_sum(L, 9);
    steady->stimulator = get_stimulator(L, 5);
    luaL_argcheck(L, player->send.kind == MP_SEND_PULSE && !player->held && !player->over, 1,
                  "next() gave no pulse to begin with");
    steady->frame = player->send.frame;
    mp_text_init(&player->text, file);
    player->text.sum = sum;
    mp_text_init(&player->log, log);
    player->over = !mp_steady_play(steady, &player->send, (uint64_t)budget);
    player->held = !player->over && steady->sent > 0;
    if (mp_text_flush(&player->text, &err) != MP_OK ||
        mp_text_flush(&player->log, &err) != MP_OK)
        return mp_push_failure(L, &err);
    if (steady->sent > 0)
        set_stimulator(L, 5, steady);
    lua_pushinteger(L, (lua_Integer)steady->sent);
    lua_pushinteger(L, (lua_Integer)steady->written);
    lua_pushinteger(L, steady->written_ns);
    return 3;
}

/* player:pending() -> number, onset_ns, at_ns, action of the oldest pulse that play() left
 * unconfirmed, and forget it; nil when there is none. */
static int player_pending(lua_State *L)
{
    struct mp_steady *steady = &check_player(L)->steady;
    if (steady->first == steady->end)
        return 0;
    const struct mp_pending *pulse = &steady->pending[steady->first++ % MP_PENDING_MAX];
    lua_pushinteger(L, (lua_Integer)pulse->send.number);
    lua_pushinteger(L, pulse->send.floor_ns + (pulse->send.half ? 1 : 0));
    lua_pushinteger(L, pulse->at_ns);
    lua_pushinteger(L, (lua_Integer)pulse->send.action + 1);
    return 4;
}

void mp_open_player(lua_State *L)
{
    static const luaL_Reg functions[] = {{"player", player_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"next", player_next},
                                       {"play", player_play},
                                       {"pending", player_pending},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, PLAYER, methods, metamethods);
    lua_pop(L, 1);
}
