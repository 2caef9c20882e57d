/* input.c - what arrives on standard input, without ever waiting for it. */
#include "bindings/modules.h"
#include "bindings/owned.h"
#include "bindings/raise.h"
#include "bindings/terminal.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define INPUT "moonpulse.input"

struct input {
    struct mp_owned owned;
    uv_poll_t *poll;
    int on_bytes; // registry reference
    bool keys;    // the terminal gives single keys: to be set back
};

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

struct arrival {
    int on_bytes;
    const char *bytes; // NULL: the end
    size_t length;
};

static int tell_bytes(lua_State *L)
{
    const struct arrival *arrival = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, arrival->on_bytes);
    if (arrival->bytes == NULL)
        lua_pushnil(L);
    else
        lua_pushlstring(L, arrival->bytes, arrival->length);
    lua_call(L, 1, 0);
    return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct input *input = poll->data;
    char buffer[1024];
    struct arrival arrival = {.on_bytes = input->on_bytes};
    (void)events;
    ssize_t got = status < 0 ? 0 : mp_terminal_read(buffer, sizeof buffer);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        (void)uv_poll_stop(poll);
    } else {
        arrival.bytes = buffer;
        arrival.length = (size_t)got;
    }
    (void)mp_host_enter(input->owned.host, tell_bytes, &arrival);
}

static void close_input(struct mp_owned *owned)
{
    struct input *input = (struct input *)owned;
    if (input->keys)
        mp_terminal_restore();
    if (input->poll != NULL)
        uv_close((uv_handle_t *)input->poll, free_handle);
    free(input);
}

/*
 * core.input(on_bytes(bytes | nil at the end) [, keys]) -> input | nil, message, code. With
 * keys, a terminal gives each key at once and does not show it, until the input is closed (an
 * editor may have set it so already, and leaves it so).
 */
static int input_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 2);
    bool keys = lua_toboolean(L, 2);
    struct input *input = mp_own(L, INPUT, sizeof *input, 0, close_input);
    lua_pushvalue(L, 1);
    input->on_bytes = LUA_NOREF;
    input->on_bytes = luaL_ref(L, LUA_REGISTRYINDEX);
    uv_poll_t *poll = malloc(sizeof *poll);
    int failed =
        poll == NULL ? UV_ENOMEM : uv_poll_init(&input->owned.host->loop, poll, STDIN_FILENO);
    if (failed != 0) { // a regular file, or nothing at all
        free(poll);
        struct mp_error err = {0};
        mp_fail(&err, MP_EIO, "cannot watch standard input: %s", uv_strerror(failed));
        return mp_push_failure(L, &err);
    }
    input->poll = poll;
    poll->data = input;
    (void)uv_poll_start(poll, UV_READABLE, on_readable);
    input->keys = keys && mp_terminal_keys();
    return 1;
}

/* input:close(); also __gc and __close */
static int input_close(lua_State *L)
{
    const struct input *input = mp_owned_at(L, 1, INPUT);
    if (input == NULL)
        return 0;
    luaL_unref(L, LUA_REGISTRYINDEX, input->on_bytes);
    mp_owned_close(L, 1, INPUT);
    return 0;
}

/* core.forget_typed() */
static int forget_typed(lua_State *L)
{
    (void)L;
    mp_terminal_forget();
    return 0;
}

void mp_open_input(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"input", input_new}, {"forget_typed", forget_typed}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"close", input_close}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", input_close}, {"__close", input_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, INPUT, methods, metamethods);
    lua_pop(L, 1);
}
