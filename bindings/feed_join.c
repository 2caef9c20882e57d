/* feed_join.c - another program's side of a feed, for moonpulse ctl: it waits, and nothing else
 * goes on meanwhile. */
#include "bindings/armed.h"
#include "bindings/modules.h"
#include "bindings/raise.h"

#include "engine/clock.h"
#include "engine/feed_socket.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define JOINED "moonpulse.joined"

enum { MOST_LINE = 1 << 21 };

struct joined {
    int fd;
    char *bytes; // of the next lines
    size_t from, length, room;
};

static struct joined *check_joined(lua_State *L)
{
    struct joined *joined = luaL_checkudata(L, 1, JOINED);
    if (joined->fd < 0)
        luaL_error(L, "it is closed");
    return joined;
}

/* core.feed_join(path) -> joined | nil, message, code; "gone": nobody listens there. */
static int join(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct joined *joined = lua_newuserdatauv(L, sizeof *joined, 0);
    *joined = (struct joined){.fd = -1};
    luaL_setmetatable(L, JOINED);
    struct mp_error err = {0};
    joined->fd = mp_feed_socket_join(path, &err);
    return joined->fd < 0 ? mp_push_failure(L, &err) : 1;
}

/* joined:peer() -> the process that listens, is it this user's */
static int joined_peer(lua_State *L)
{
    pid_t process;
    bool own = mp_feed_socket_peer(check_joined(L)->fd, &process);
    lua_pushinteger(L, (lua_Integer)process);
    lua_pushboolean(L, own);
    return 2;
}

/* Does a process run the moonpulse program? Anything may listen at a path. */
static bool is_moonpulse(pid_t process)
{
    static const char name[] = "moonpulse";
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/%ld/exe", (long)process);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return false;
    path[length] = '\0';
    const char *last = strrchr(path, '/');
    return last != NULL && strncmp(last + 1, name, sizeof name - 1) == 0;
}

/* joined:interrupt() -> true; false: that cannot be, or no moonpulse program listens. Stop the
 * run as a signal does, also while its script is busy; it knows that another program asked for
 * it. */
static int joined_interrupt(lua_State *L)
{
    pid_t process;
    const union sigval asked = {.sival_int = MP_ASKED_TO_STOP};
    bool own = mp_feed_socket_peer(check_joined(L)->fd, &process);
    lua_pushboolean(L, own && process > 1 && is_moonpulse(process) &&
                           sigqueue(process, SIGTERM, asked) == 0);
    return 1;
}

/* joined:send(line) -> true; false: the other side is gone. The newline is added. */
static int joined_send(lua_State *L)
{
    const struct joined *joined = check_joined(L);
    size_t length;
    luaL_checkstring(L, 2);
    lua_settop(L, 2);
    lua_pushliteral(L, "\n");
    lua_concat(L, 2);
    const char *bytes = lua_tolstring(L, 2, &length);
    for (size_t at = 0; at < length;) {
        ssize_t sent = send(joined->fd, bytes + at, length - at, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            lua_pushboolean(L, 0);
            return 1;
        }
        at += sent < 0 ? 0 : (size_t)sent;
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* Room for more; false: the line is longer than any, or memory is out. */
static bool make_room(struct joined *joined)
{
    if (joined->from > 0) {
        memmove(joined->bytes, joined->bytes + joined->from, joined->length);
        joined->from = 0;
    }
    if (joined->length < joined->room)
        return true;
    size_t room = joined->room == 0 ? 65536 : 2 * joined->room;
    char *bytes = room > MOST_LINE ? NULL : realloc(joined->bytes, room);
    if (bytes == NULL)
        return false;
    joined->bytes = bytes;
    joined->room = room;
    return true;
}

/* Wait for bytes. NULL: there are some; else why there are none. */
static const char *read_more(struct joined *joined, int64_t end_ns)
{
    if (!make_room(joined))
        return "too long";
    for (;;) {
        int64_t left_ms = (end_ns - mp_clock_ns()) / MP_NS_PER_MS;
        struct pollfd look = {.fd = joined->fd, .events = POLLIN};
        int ready = poll(&look, 1, left_ms < 0 ? 0 : (int)(left_ms < 1000 ? left_ms : 1000));
        if (ready < 0 && errno != EINTR)
            return "ended";
        if (ready > 0) {
            ssize_t got = recv(joined->fd, joined->bytes + joined->length,
                               joined->room - joined->length, 0);
            if (got <= 0)
                return "ended";
            joined->length += (size_t)got;
            return NULL;
        }
        if (mp_clock_ns() >= end_ns)
            return "late";
    }
}

/*
 * joined:line([seconds]) -> the next line, without its newline | nil, why: "ended" (the other
 * side is gone), "late" (none has come within so many seconds), "too long". Without seconds it
 * waits until one comes.
 */
static int joined_line(lua_State *L)
{
    struct joined *joined = check_joined(L);
    double seconds = lua_isnoneornil(L, 2) ? 1e9 : mp_check_number(L, 2, 0, 1e9);
    int64_t end_ns = mp_clock_ns() + (int64_t)(seconds * 1e9);
    for (size_t looked = 0;;) {
        const char *text = joined->bytes + joined->from;
        const char *newline = joined->length == looked
                                  ? NULL
                                  : memchr(text + looked, '\n', joined->length - looked);
        if (newline != NULL) {
            size_t length = (size_t)(newline - text);
            joined->from += length + 1;
            joined->length -= length + 1;
            lua_pushlstring(L, text, length);
            return 1;
        }
        looked = joined->length;
        const char *why = read_more(joined, end_ns);
        if (why != NULL) {
            lua_pushnil(L);
            lua_pushstring(L, why);
            return 2;
        }
    }
}

/* joined:close(); also __gc and __close */
static int joined_close(lua_State *L)
{
    struct joined *joined = luaL_checkudata(L, 1, JOINED);
    if (joined->fd >= 0)
        (void)close(joined->fd);
    free(joined->bytes);
    *joined = (struct joined){.fd = -1};
    return 0;
}

void mp_open_feed_join(lua_State *L)
{
    static const luaL_Reg functions[] = {{"feed_join", join}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"peer", joined_peer},           {"send", joined_send},
                                       {"interrupt", joined_interrupt}, {"line", joined_line},
                                       {"close", joined_close},         {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", joined_close}, {"__close", joined_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, JOINED, methods, metamethods);
    lua_pop(L, 1);
}
