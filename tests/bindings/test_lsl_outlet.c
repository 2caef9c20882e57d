/* test_lsl_outlet.c - a stream whose sockets the loop takes only in part: it is told, and
 * closed. */
#include "bindings/modules.h"

#include "tests/check.h"

#include <lauxlib.h>
#include <lualib.h>
#include <uv.h>

#include <dlfcn.h>

static int left; // so many polls the loop still takes

/* In the place of libuv's. */
int uv_poll_init(uv_loop_t *loop, uv_poll_t *handle, int fd)
{
    int (*real)(uv_loop_t *, uv_poll_t *, int) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "uv_poll_init");
    return left-- > 0 ? real(loop, handle, fd) : UV_ENOSPC;
}

static void a_stream_is_closed_whatever_the_loop_took(void)
{
    for (int taken = 0; taken <= 3; taken++) {
        lua_State *L = luaL_newstate();
        luaL_openlibs(L);
        luaL_requiref(L, "moonpulse.core", luaopen_moonpulse_core, 0);
        lua_setglobal(L, "core");
        left = 100;
        int failed = luaL_dostring(L, "core.run(function() core.wait(0) end)"
                                      "outlet = assert(core.lsl(false))");
        CHECK(!failed);
        left = taken;
        failed = luaL_dostring(L, "local uid, why = outlet:serve('a name', 'a run', '1')"
                                  "outlet:close()"
                                  "return uid and 'it serves' or why");
        CHECK(!failed);
        CHECK_STR(lua_tostring(L, -1),
                  taken == 3 ? "it serves" : "the loop takes no more sockets");
        left = 100;
        failed = luaL_dostring(L, "core.run(function() core.wait(0.001) end)");
        CHECK(!failed);
        lua_close(L);
    }
}

int main(void)
{
    a_stream_is_closed_whatever_the_loop_took();
    return CHECK_DONE("test_lsl_outlet");
}
