/* playing.c - see playing.h. */
#include "bindings/playing.h"

#include "bindings/modules.h"
#include "bindings/raise.h"

#include <lauxlib.h>

static struct mp_lowering *check_cleared(lua_State *L)
{
    struct mp_lowering *lowering = mp_check_lowering(L, 2);
    if (!mp_lowering_cleared(L, 2))
        luaL_error(L, "the plan was not checked against the safety limits: nothing is sent");
    return lowering;
}

/* It plays, and borrows the lowering at 2; or it does not, and has what it had before. */
static int begun(lua_State *L, enum mp_status status, const struct mp_schedule *before,
                 const struct mp_error *err)
{
    if (status != MP_OK) {
        (void)mp_plays(L, before);
        return mp_push_failure(L, err);
    }
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, 1, 1);
    lua_pushboolean(L, 1);
    return 1;
}

/* session:play(lowering, start_ns) -> true | nil, message, code; the lowering has passed the
 * gate */
int mp_session_plays_once(lua_State *L)
{
    struct mp_error err = {0};
    lua_Integer start_ns = mp_check_integer(L, 3, 0, INT64_MAX / 4); // sums never overflow
    struct mp_lowering *lowering = check_cleared(L);
    struct mp_session *session = mp_check_session(L, 1);
    // before the first outcome can come
    const struct mp_schedule *before = mp_plays(L, mp_lowering_schedule(lowering));
    return begun(L, mp_session_play(session, lowering, start_ns, &err), before, &err);
}

static lua_Integer field(lua_State *L, const char *name, lua_Integer missing, lua_Integer least,
                         lua_Integer most)
{
    lua_Integer value = missing;
    if (lua_getfield(L, 3, name) != LUA_TNIL)
        value = mp_check_integer(L, lua_gettop(L), least, most);
    lua_pop(L, 1);
    return value;
}

/* The field gate of the rule at 3: a line that comes in; none without it. */
static enum mp_input_line gate_of(lua_State *L)
{
    static const char *const names[] = {"none", "cts", "dsr", "ri", "cd", NULL};
    lua_getfield(L, 3, "gate");
    int line = luaL_checkoption(L, -1, "none", names);
    lua_pop(L, 1);
    return (enum mp_input_line)line;
}

/*
 * session:ahead(lowering, {from = session, most =, play =, byte =, every =, delay_ns =,
 * from_ns =, until_ns =, least_ns =, most_ns =, gate =, refractory_ns =}) -> true | nil,
 * message, code: the lowering, which has passed the gate, is played each time that a trigger
 * comes on the port of from, as struct mp_ahead_rule says
 */
int mp_session_plays_ahead(lua_State *L)
{
    static const lua_Integer longest = INT64_MAX / 4; // sums never overflow
    struct mp_error err = {0};
    struct mp_lowering *lowering = check_cleared(L);
    luaL_checktype(L, 3, LUA_TTABLE);
    const struct mp_ahead_rule rule = {
        .byte = (int16_t)field(L, "byte", -1, 0, 255),
        .every = (uint32_t)field(L, "every", 1, 1, UINT32_MAX),
        .from_ns = field(L, "from_ns", INT64_MIN, 0, longest),
        .until_ns = field(L, "until_ns", INT64_MAX, 0, longest),
        .least_ns = field(L, "least_ns", 0, 0, longest),
        .most_ns = field(L, "most_ns", 0, 0, longest),
        .gate = gate_of(L),
        .delay_ns = field(L, "delay_ns", 0, 0, longest),
        .refractory_ns = field(L, "refractory_ns", 0, 0, longest),
        .most = (uint64_t)field(L, "most", 1, 1, INT32_MAX),
    };
    uint64_t play = (uint64_t)field(L, "play", 1, 1, INT32_MAX);
    struct mp_session *session = mp_check_session(L, 1);
    lua_getfield(L, 3, "from");
    struct mp_session *from = mp_check_session(L, lua_gettop(L));
    const struct mp_schedule *before = mp_plays(L, mp_lowering_schedule(lowering));
    return begun(L, mp_session_ahead(session, lowering, &rule, from, play, &err), before, &err);
}

/* session:enough(): no trigger starts the plan any more; what has been started goes on */
int mp_session_plays_enough(lua_State *L)
{
    mp_session_enough(mp_check_session(L, 1));
    return 0;
}
