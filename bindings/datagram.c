/*
 * datagram.c - UDP datagrams to another program, for scripts: what a run tells over OSC. Never
 * waits, and asks no name server. Loop thread.
 */
#include "bindings/modules.h"
#include "bindings/raise.h"

#include <arpa/inet.h>
#include <errno.h>
#include <lauxlib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM "moonpulse.datagram"

/* A numeric address, of version 4 or 6; its length, or 0. */
static socklen_t read_address(const char *host, lua_Integer port,
                              struct sockaddr_storage *address)
{
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
    *address = (struct sockaddr_storage){.ss_family = AF_UNSPEC};
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        return sizeof *four;
    }
    if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        return sizeof *six;
    }
    return 0;
}

/* core.datagram(host, port) -> datagram | nil, message, code: to a numeric address */
static int datagram_new(lua_State *L)
{
    struct mp_error err = {0};
    struct sockaddr_storage address;
    const char *host = luaL_checkstring(L, 1);
    const lua_Integer port = mp_check_integer(L, 2, 1, 65535);
    const socklen_t length = read_address(host, port, &address);
    int *fd = lua_newuserdatauv(L, sizeof *fd, 0);
    *fd = -1;
    luaL_setmetatable(L, DATAGRAM);
    if (length == 0) {
        (void)mp_fail(&err, MP_EINVAL, "\"%s\" is no numeric address, like 127.0.0.1 or ::1",
                      host);
        return mp_push_failure(L, &err);
    }
    *fd = socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0 || connect(*fd, (const struct sockaddr *)&address, length) != 0) {
        (void)mp_fail_sys(&err, MP_EIO, errno, "cannot send to %s", host);
        return mp_push_failure(L, &err);
    }
    return 1;
}

/*
 * datagram:send(bytes) -> sent: false: the system did not take it. That nobody listens there is
 * no failure: who does may come and go.
 */
static int datagram_send(lua_State *L)
{
    size_t length;
    const int *fd = luaL_checkudata(L, 1, DATAGRAM);
    const char *bytes = luaL_checklstring(L, 2, &length);
    ssize_t sent = send(*fd, bytes, length, MSG_NOSIGNAL);
    if (sent < 0 && errno == ECONNREFUSED) // which tells of the one before; this has not left
        sent = send(*fd, bytes, length, MSG_NOSIGNAL);
    lua_pushboolean(L, sent >= 0 || errno == ECONNREFUSED);
    return 1;
}

/* datagram:close(); also __gc and __close */
static int datagram_close(lua_State *L)
{
    int *fd = luaL_checkudata(L, 1, DATAGRAM);
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    return 0;
}

void mp_open_datagram(lua_State *L)
{
    static const luaL_Reg functions[] = {{"datagram", datagram_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"send", datagram_send}, {"close", datagram_close}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", datagram_close}, {"__close", datagram_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, DATAGRAM, methods, metamethods);
    lua_pop(L, 1);
}
