/* pty.c - the far side of a pseudo-terminal, for simulators written in Lua. */
#include "bindings/modules.h"
#include "bindings/owned.h"
#include "bindings/raise.h"

#include "engine/pty.h"

#include <stddef.h>
#include <stdlib.h>

#define PTY "moonpulse.pty"

struct watched {
    struct mp_owned owned;
    struct mp_pty *pty;
    uv_poll_t *poll;
    struct mp_listener listener;
    int on_bytes; // registry reference
};

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

struct arrival {
    int on_bytes;
    const char *bytes;
    size_t length;
    int64_t at_ns;
};

static int tell_bytes(lua_State *L)
{
    const struct arrival *arrival = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, arrival->on_bytes);
    lua_pushlstring(L, arrival->bytes, arrival->length);
    lua_pushinteger(L, arrival->at_ns);
    lua_call(L, 2, 0);
    return 0;
}

/* What is more than the buffer comes in the loop's next turn; Lua may close it. */
static void hear(struct watched *watched)
{
    char buffer[4096];
    struct mp_error err = {0};
    struct arrival arrival = {.on_bytes = watched->on_bytes, .bytes = buffer};
    if (mp_pty_read(watched->pty, buffer, sizeof buffer, &arrival.length, &arrival.at_ns,
                    &err) != MP_OK)
        return;
    if (arrival.length > 0)
        (void)mp_host_enter(watched->owned.host, tell_bytes, &arrival);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    if (status >= 0)
        hear(poll->data);
}

static void on_late(struct mp_listener *listener)
{
    hear((struct watched *)(void *)((char *)listener - offsetof(struct watched, listener)));
}

static void close_watched(struct mp_owned *owned)
{
    struct watched *watched = (struct watched *)owned;
    mp_world_deaf(&owned->host->world, &watched->listener);
    if (watched->poll != NULL)
        uv_close((uv_handle_t *)watched->poll, free_handle);
    mp_pty_close(watched->pty);
    free(watched);
}

/* core.pty(link|nil, on_bytes(bytes, arrival_ns)) -> pty | nil, message, code */
static int pty_new(lua_State *L)
{
    struct mp_error err = {0};
    const char *link = luaL_optstring(L, 1, NULL);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    struct watched *watched = mp_own(L, PTY, sizeof *watched, 0, close_watched);
    watched->on_bytes = LUA_NOREF;
    if (mp_pty_open(&watched->pty, link, &err) != MP_OK)
        return mp_push_failure(L, &err);
    lua_pushvalue(L, 2);
    watched->on_bytes = luaL_ref(L, LUA_REGISTRYINDEX);
    uv_poll_t *poll = malloc(sizeof *poll);
    int failed = poll == NULL
                     ? UV_ENOMEM
                     : uv_poll_init(&watched->owned.host->loop, poll, mp_pty_fd(watched->pty));
    if (failed != 0) {
        free(poll);
        return luaL_error(L, "cannot watch a pseudo-terminal: %s", uv_strerror(failed));
    }
    watched->poll = poll;
    poll->data = watched;
    failed = uv_poll_start(poll, UV_READABLE, on_readable);
    if (failed != 0)
        return luaL_error(L, "cannot watch a pseudo-terminal: %s", uv_strerror(failed));
    watched->listener = (struct mp_listener){.fd = mp_pty_fd(watched->pty), .hear = on_late};
    mp_world_listen(&watched->owned.host->world, &watched->listener);
    return 1;
}

static struct mp_pty *check_pty(lua_State *L)
{
    const struct watched *watched = mp_owned_at(L, 1, PTY);
    if (watched == NULL || watched->pty == NULL)
        luaL_error(L, "attempt to use a closed pseudo-terminal");
    return watched->pty;
}

/* pty:write(bytes) -> true | nil, message, code */
static int pty_write(lua_State *L)
{
    struct mp_error err = {0};
    size_t length, written = 0;
    const char *bytes = luaL_checklstring(L, 2, &length);
    enum mp_status status = mp_pty_write(check_pty(L), bytes, length, &written, &err);
    return mp_push_written(L, status, written, length, &err);
}

/* pty:path() -> "/dev/pts/N" */
static int pty_path(lua_State *L)
{
    lua_pushstring(L, mp_pty_path(check_pty(L)));
    return 1;
}

/* pty:close(); also __gc and __close */
static int pty_close(lua_State *L)
{
    const struct watched *watched = mp_owned_at(L, 1, PTY);
    if (watched == NULL)
        return 0;
    luaL_unref(L, LUA_REGISTRYINDEX, watched->on_bytes);
    mp_owned_close(L, 1, PTY);
    return 0;
}

void mp_open_pty(lua_State *L)
{
    static const luaL_Reg functions[] = {{"pty", pty_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"write", pty_write}, {"path", pty_path}, {"close", pty_close}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", pty_close}, {"__close", pty_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, PTY, methods, metamethods);
    lua_pop(L, 1);
}
