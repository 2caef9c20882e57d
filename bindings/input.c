/* input.c - what arrives on standard input, without ever waiting for it. */
#include "bindings/modules.h"
#include "bindings/raise.h"
#include "bindings/tasks.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define INPUT "moonpulse.input"

struct input_box {
    uv_poll_t *poll;
    struct mp_host *host;
    int on_bytes;
};

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct input_box *box = poll->data;
    char buffer[1024];
    (void)events;
    ssize_t got = status < 0 ? 0 : read(STDIN_FILENO, buffer, sizeof buffer);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        (void)uv_poll_stop(poll);
        lua_pushnil(box->host->L);
    } else {
        lua_pushlstring(box->host->L, buffer, (size_t)got);
    }
    mp_host_call(box->host, box->on_bytes, 1);
}

/* core.input(on_bytes(bytes | nil at the end)) -> input | nil, message, code */
static int input_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    struct input_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (struct input_box){.host = mp_host_of(L), .on_bytes = LUA_NOREF};
    luaL_setmetatable(L, INPUT);
    uv_poll_t *poll = malloc(sizeof *poll);
    int failed = poll == NULL ? UV_ENOMEM : uv_poll_init(&box->host->loop, poll, STDIN_FILENO);
    if (failed != 0) { // a regular file, or nothing at all
        free(poll);
        struct mp_error err = {0};
        mp_fail(&err, MP_EIO, "cannot watch standard input: %s", uv_strerror(failed));
        return mp_push_failure(L, &err);
    }
    box->poll = poll;
    poll->data = box;
    (void)uv_poll_start(poll, UV_READABLE, on_readable);
    lua_pushvalue(L, 1);
    box->on_bytes = luaL_ref(L, LUA_REGISTRYINDEX);
    return 1;
}

static int input_close(lua_State *L)
{
    struct input_box *box = luaL_checkudata(L, 1, INPUT);
    if (box->poll != NULL)
        uv_close((uv_handle_t *)box->poll, free_handle);
    box->poll = NULL;
    luaL_unref(L, LUA_REGISTRYINDEX, box->on_bytes);
    box->on_bytes = LUA_NOREF;
    return 0;
}

void mp_open_input(lua_State *L)
{
    static const luaL_Reg functions[] = {{"input", input_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"close", input_close}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", input_close}, {"__close", input_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, INPUT, methods, metamethods);
    lua_pop(L, 1);
}
