/* pty.c - the far side of a pseudo-terminal, for simulators written in Lua. */
#include "bindings/modules.h"
#include "bindings/owned.h"
#include "bindings/raise.h"

#include "engine/clock.h"
#include "engine/pty.h"

#include <stddef.h>
#include <stdlib.h>

#define PTY "moonpulse.pty"

enum {
    BUFFER = 4096,
    LOOK_MS = 2 // a pty that is watched: less than a tenth of what most simulators recharge for
};

struct watched {
    struct mp_owned owned;
    struct mp_pty *pty;
    uv_poll_t *poll;
    uv_timer_t *look; // NULL: it is not watched
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
    int64_t at_ns, since_ns; // it came between these
};

static int tell_bytes(lua_State *L)
{
    const struct arrival *arrival = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, arrival->on_bytes);
    lua_pushlstring(L, arrival->bytes, arrival->length);
    lua_pushinteger(L, arrival->at_ns);
    lua_pushinteger(L, arrival->since_ns);
    lua_call(L, 3, 0);
    return 0;
}

/* What is more than the buffer comes in the loop's next turn; Lua may close it. */
static void hear(struct watched *watched)
{
    char buffer[BUFFER];
    struct mp_error err = {0};
    struct arrival arrival = {.on_bytes = watched->on_bytes, .bytes = buffer};
    if (mp_pty_read(watched->pty, buffer, sizeof buffer, &arrival.length, &arrival.at_ns,
                    &err) != MP_OK)
        return;
    arrival.since_ns = mp_pty_empty_ns(watched->pty);
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

static void on_look(uv_timer_t *timer)
{
    hear(timer->data);
}

static void close_watched(struct mp_owned *owned)
{
    struct watched *watched = (struct watched *)owned;
    mp_world_deaf(&owned->host->world, &watched->listener);
    if (watched->poll != NULL)
        uv_close((uv_handle_t *)watched->poll, free_handle);
    if (watched->look != NULL)
        uv_close((uv_handle_t *)watched->look, free_handle);
    mp_pty_close(watched->pty);
    free(watched);
}

/*
 * core.pty(link|nil, on_bytes(bytes, arrival_ns, since_ns)) -> pty | nil, message, code: the
 * bytes came between since_ns, when the port was found empty, and arrival_ns, when they were
 * read
 */
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

static struct watched *check_watched(lua_State *L)
{
    struct watched *watched = mp_owned_at(L, 1, PTY);
    if (watched == NULL || watched->pty == NULL)
        luaL_error(L, "attempt to use a closed pseudo-terminal");
    return watched;
}

static struct mp_pty *check_pty(lua_State *L)
{
    return check_watched(L)->pty;
}

/*
 * pty:look() -> bytes, arrival_ns, since_ns, as on_bytes gets them; or nil, empty_ns: what
 * comes now was not written before
 */
static int pty_look(lua_State *L)
{
    char buffer[BUFFER];
    size_t length = 0;
    int64_t at_ns = 0;
    struct mp_pty *pty = check_pty(L);
    bool read = mp_pty_read(pty, buffer, sizeof buffer, &length, &at_ns, NULL) == MP_OK;
    if (length > 0) {
        lua_pushlstring(L, buffer, length);
        lua_pushinteger(L, at_ns);
        lua_pushinteger(L, mp_pty_empty_ns(pty));
        return 3;
    }
    lua_pushnil(L);
    lua_pushinteger(L, read ? mp_pty_empty_ns(pty) : mp_clock_ns());
    return 2;
}

/* pty:watch(): from now on it is looked at every few milliseconds too, so that when bytes came
 * is known to these */
static int pty_watch(lua_State *L)
{
    struct watched *watched = check_watched(L);
    if (watched->look != NULL)
        return 0;
    uv_timer_t *timer = malloc(sizeof *timer);
    if (timer == NULL)
        return luaL_error(L, "not enough memory");
    (void)uv_timer_init(&watched->owned.host->loop, timer); // cannot fail
    timer->data = watched;
    watched->look = timer;
    (void)uv_timer_start(timer, on_look, LOOK_MS, LOOK_MS);
    uv_unref((uv_handle_t *)timer); // the poll keeps the loop, where something does
    return 0;
}

/* pty:write(bytes) -> true | nil, message, code, written */
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
    static const luaL_Reg methods[] = {{"write", pty_write}, {"look", pty_look},
                                       {"watch", pty_watch}, {"path", pty_path},
                                       {"close", pty_close}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", pty_close}, {"__close", pty_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, PTY, methods, metamethods);
    lua_pop(L, 1);
}
