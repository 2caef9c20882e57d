/* world.c - the world that tasks live in, for Lua: real time, or a virtual one. */
#include "bindings/armed.h"
#include "bindings/backstop.h"
#include "bindings/modules.h"
#include "bindings/raise.h"
#include "bindings/tasks.h"

#include "engine/clock.h"

// where virtual time begins: always there, so that what is written of it is the same in every
// run
static const int64_t begin_ns = 1000 * MP_NS_PER_S;

/*
 * core.go_virtual(pace): from now on time is virtual and passes pace times as fast as ours; 0:
 * as fast as can be. Nothing may be armed.
 */
static int go_virtual(lua_State *L)
{
    lua_Number pace = mp_check_number(L, 1, 0, 1e6);
    struct mp_host *host = mp_check_host(L);
    if (host->world.is_virtual)
        return luaL_error(L, "time is virtual already");
    if (mp_armed_any())
        return luaL_error(L, "a stimulator is armed: its time cannot become virtual");
    mp_world_go_virtual(&host->world, begin_ns, pace);
    mp_backstop_virtual(true);
    return 0;
}

/* core.go_real(): back to the monotonic clock */
static int go_real(lua_State *L)
{
    mp_world_go_real(&mp_check_host(L)->world);
    mp_backstop_virtual(false);
    return 0;
}

/* core.is_virtual() -> is time virtual?, how many times as fast as ours it passes (0: as fast
 * as can be) */
static int is_virtual(lua_State *L)
{
    const struct mp_world *world = &mp_check_host(L)->world;
    lua_pushboolean(L, world->is_virtual);
    lua_pushnumber(L, world->pace);
    return 2;
}

/* core.hold(true): virtual time stands still, until core.hold(false): something outside of it
 * is waited for */
static int hold(lua_State *L)
{
    mp_world_hold(&mp_check_host(L)->world, lua_toboolean(L, 1));
    return 0;
}

/* core.turns_here() -> how often somebody went on since virtual time last moved */
static int turns_here(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)mp_world_here(&mp_check_host(L)->world));
    return 1;
}

/*
 * core.be_late(seed, most_ns): until time is real again, the sending thread wakes up to most_ns
 * late, as the seed says; mostly by far less
 */
static int be_late(lua_State *L)
{
    lua_Integer seed = luaL_checkinteger(L, 1);
    int64_t most_ns = mp_check_integer(L, 2, 0, INT64_MAX / 4);
    mp_world_be_late(&mp_check_host(L)->world, (uint64_t)seed, most_ns);
    return 0;
}

/*
 * core.stall("sender" | "loop" | "both", from_ns, until_ns) -> true, or false if there are too
 * many: in virtual time the sending thread, the loop or both get no turn between these
 */
static int stall(lua_State *L)
{
    static const char *const names[] = {"sender", "loop", "both", NULL};
    static const unsigned whom[] = {1U << MP_WHO_SENDER, 1U << MP_WHO_LOOP,
                                    1U << MP_WHO_SENDER | 1U << MP_WHO_LOOP};
    int who = luaL_checkoption(L, 1, NULL, names);
    int64_t from_ns = mp_check_integer(L, 2, 0, INT64_MAX / 4);
    int64_t until_ns = mp_check_integer(L, 3, 0, INT64_MAX / 4);
    lua_pushboolean(L, mp_world_stall(&mp_check_host(L)->world, whom[who], from_ns, until_ns));
    return 1;
}

/*
 * core.missed_ns(since_ns) -> for how long of the time since then the loop did not look at what
 * came from outside: whoever judges that a device took too long does not count that
 */
static int missed_ns(lua_State *L)
{
    int64_t since_ns = mp_check_integer(L, 1, INT64_MIN / 4, INT64_MAX / 4);
    lua_pushinteger(L, mp_world_missed(&mp_check_host(L)->world, since_ns));
    return 1;
}

void mp_open_world(lua_State *L)
{
    static const luaL_Reg functions[] = {{"go_virtual", go_virtual},
                                         {"go_real", go_real},
                                         {"is_virtual", is_virtual},
                                         {"hold", hold},
                                         {"turns_here", turns_here},
                                         {"be_late", be_late},
                                         {"stall", stall},
                                         {"missed_ns", missed_ns},
                                         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
