#include "tests/bench/churn.h"

#include "tests/bench/bench.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <stdio.h>
#include <stdlib.h>

static const char script[] =
    "local mb = ...\n"
    "local heap, count = {}, 0\n"
    "while collectgarbage('count') < mb * 1024 do\n"
    "  for _ = 1, 10000 do count = count + 1; heap[count] = { count, tostring(count) } end\n"
    "end\n"
    "local at = 0\n"
    "return function()\n" // a step: 10000 old tables become garbage
    "  for _ = 1, 10000 do at = at % count + 1; heap[at] = { at, tostring(at) } end\n"
    "end\n";

static void *churn_main(void *argument)
{
    struct churn *churn = argument;
    lua_State *L = luaL_newstate();
    bench_must_sys(L != NULL, "memory for Lua");
    luaL_openlibs(L);
    int status = luaL_loadstring(L, script);
    lua_pushinteger(L, churn->heap_mb);
    if (status == LUA_OK)
        status = lua_pcall(L, 1, 1, 0);
    (void)sem_post(&churn->full);
    while (status == LUA_OK && !atomic_load(&churn->stop)) {
        lua_pushvalue(L, -1);
        status = lua_pcall(L, 0, 0, 0);
    }
    if (status != LUA_OK) {
        (void)fprintf(stderr, "bench: %s\n", lua_tostring(L, -1));
        exit(1);
    }
    lua_close(L);
    return NULL;
}

void churn_start(struct churn *churn, int64_t heap_mb)
{
    churn->heap_mb = heap_mb;
    (void)sem_init(&churn->full, 0, 0);
    bench_must_sys(pthread_create(&churn->thread, NULL, churn_main, churn) == 0, "churn");
    while (sem_wait(&churn->full) != 0)
        continue;
}

void churn_stop(struct churn *churn)
{
    atomic_store(&churn->stop, 1);
    (void)pthread_join(churn->thread, NULL);
    (void)sem_destroy(&churn->full);
}
