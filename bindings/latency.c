/* latency.c - what the host grants a timing thread, and how late it wakes one. */
#include "bindings/modules.h"
#include "bindings/raise.h"

#include "engine/clock.h"
#include "engine/latency.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#define LATENCY "moonpulse.latency"

static void set_grants(lua_State *L, const struct mp_realtime *realtime)
{
    const struct {
        const char *key;
        bool value;
    } grants[] = {{"fifo", realtime->fifo},
                  {"spin", realtime->spin},
                  {"locked", realtime->locked},
                  {"dma", realtime->dma}};
    for (size_t i = 0; i < sizeof grants / sizeof grants[0]; i++) {
        lua_pushboolean(L, grants[i].value);
        lua_setfield(L, -2, grants[i].key);
    }
}

/* core.realtime_probe() -> {fifo=, spin=, locked=, dma=, slack_ns=} | nil, message, code */
static int realtime_probe(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_realtime granted;
    int64_t slack_ns = -1;
    if (mp_latency_probe(&granted, &slack_ns, &err) != MP_OK)
        return mp_push_failure(L, &err);
    lua_createtable(L, 0, 5);
    set_grants(L, &granted);
    if (slack_ns >= 0) {
        lua_pushinteger(L, slack_ns);
        lua_setfield(L, -2, "slack_ns");
    }
    return 1;
}

/*
 * core.may_open(path) -> may this process read and write it? Asks without opening, which
 * on a serial port would move its modem lines. nil when there is no such file.
 */
static int may_open(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0)
        lua_pushboolean(L, 1);
    else if (errno == EACCES || errno == EPERM || errno == EROFS)
        lua_pushboolean(L, 0);
    else
        lua_pushnil(L);
    return 1;
}

/* core.latency_test(seconds, period seconds) -> test | nil, message, code */
static int latency_test(lua_State *L)
{
    struct mp_error err = {0};
    const lua_Number seconds = mp_check_number(L, 1, 0, 1e6);
    const lua_Number period = mp_check_number(L, 2, 1e-6, 1e6);
    const lua_Number count = ceil(seconds / period);
    luaL_argcheck(L, count >= 1 && count <= MP_LATENCY_SAMPLES_MAX, 1,
                  "the test would have no wakes or more than 1048576: choose other seconds");
    const struct mp_latency_config config = {.count = (uint64_t)count,
                                             .period_ns = llround(period * 1e9)};
    struct mp_latency **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, LATENCY);
    if (mp_latency_start(box, &config, &err) != MP_OK)
        return mp_push_failure(L, &err);
    return 1;
}

static struct mp_latency *check_test(lua_State *L)
{
    struct mp_latency **box = luaL_checkudata(L, 1, LATENCY);
    if (*box == NULL)
        luaL_error(L, "attempt to use a closed latency test");
    return *box;
}

/* test:progress() -> running, wakes so far, worst latency so far (seconds) */
static int test_progress(lua_State *L)
{
    uint64_t done = 0;
    int64_t worst_ns = 0;
    lua_pushboolean(L, mp_latency_progress(check_test(L), &done, &worst_ns));
    lua_pushinteger(L, (lua_Integer)done);
    lua_pushnumber(L, (lua_Number)worst_ns / (lua_Number)MP_NS_PER_S);
    return 3;
}

static int test_stop(lua_State *L)
{
    mp_latency_stop(check_test(L));
    return 0;
}

static void set_seconds(lua_State *L, const char *key, int64_t ns)
{
    lua_pushnumber(L, (lua_Number)ns / (lua_Number)MP_NS_PER_S);
    lua_setfield(L, -2, key);
}

/*
 * test:result() -> {count=, min=, p50=, p95=, p99=, ["p99.9"]=, max= (seconds), fifo=,
 * spin=, locked=, dma=, buckets={{from=, to= (seconds), count=}, ...}}; waits for the end.
 */
static int test_result(lua_State *L)
{
    struct mp_latency_result result;
    struct mp_latency *test = check_test(L);
    mp_latency_finish(test, &result);
    lua_createtable(L, 0, 12);
    lua_pushinteger(L, (lua_Integer)result.count);
    lua_setfield(L, -2, "count");
    set_seconds(L, "min", result.min_ns);
    set_seconds(L, "p50", result.p50_ns);
    set_seconds(L, "p95", result.p95_ns);
    set_seconds(L, "p99", result.p99_ns);
    set_seconds(L, "p99.9", result.p999_ns);
    set_seconds(L, "max", result.max_ns);
    set_grants(L, mp_latency_realtime(test));
    lua_createtable(L, MP_LATENCY_BUCKETS, 0);
    for (size_t i = 0; i < MP_LATENCY_BUCKETS; i++) {
        lua_createtable(L, 0, 3);
        set_seconds(L, "from", mp_latency_edge(i));
        if (i + 1 < MP_LATENCY_BUCKETS)
            set_seconds(L, "to", mp_latency_edge(i + 1));
        lua_pushinteger(L, (lua_Integer)result.buckets[i]);
        lua_setfield(L, -2, "count");
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "buckets");
    return 1;
}

/* test:later(seconds) -> how many wakes were later; after test:result() */
static int test_later(lua_State *L)
{
    const lua_Number seconds = mp_check_number(L, 2, 0, 1e6);
    lua_pushinteger(L, (lua_Integer)mp_latency_later(check_test(L), llround(seconds * 1e9)));
    return 1;
}

/* test:close(); also __gc and __close: ends the test's thread */
static int test_close(lua_State *L)
{
    struct mp_latency **box = luaL_checkudata(L, 1, LATENCY);
    struct mp_latency *test = *box;
    *box = NULL;
    mp_latency_destroy(test);
    return 0;
}

void mp_open_latency(lua_State *L)
{
    static const luaL_Reg functions[] = {{"realtime_probe", realtime_probe},
                                         {"may_open", may_open},
                                         {"latency_test", latency_test},
                                         {NULL, NULL}};
    static const luaL_Reg methods[] = {{"progress", test_progress}, {"stop", test_stop},
                                       {"result", test_result},     {"later", test_later},
                                       {"close", test_close},       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", test_close}, {"__close", test_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, LATENCY, methods, metamethods);
    lua_pop(L, 1);
}
