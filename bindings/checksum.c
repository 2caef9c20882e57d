/* checksum.c - checksums for Lua: of a stream of text that is being written, and of a file. */
#include "bindings/checksum.h"

#include "bindings/modules.h"
#include "bindings/raise.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUM "moonpulse.sum"

struct mp_checksum *mp_check_sum(lua_State *L, int arg)
{
    return luaL_checkudata(L, arg, SUM);
}

void mp_push_sum(lua_State *L, const struct mp_checksum *sum)
{
    char digits[17];
    (void)snprintf(digits, sizeof digits, "%016" PRIx64, mp_checksum_value(sum));
    lua_pushstring(L, digits);
}

/* core.sum() -> a sum with nothing in it */
static int sum_new(lua_State *L)
{
    struct mp_checksum *sum = lua_newuserdatauv(L, sizeof *sum, 0);
    mp_checksum_init(sum);
    luaL_setmetatable(L, SUM);
    return 1;
}

/* sum:add(text) */
static int sum_add(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 2, &length);
    mp_checksum_add(mp_check_sum(L, 1), text, length);
    return 0;
}

/* sum:text() -> 16 hexadecimal digits */
static int sum_text(lua_State *L)
{
    mp_push_sum(L, mp_check_sum(L, 1));
    return 1;
}

/*
 * Nearly all of it was never written: reading a terabyte of nothing takes minutes. A file
 * system that compresses may hold a text in far less than its length, but not in so little.
 */
static bool is_hole(int fd)
{
    const off_t large = 256 * 1024 * 1024, least = 64;
    struct stat file;
    return fstat(fd, &file) == 0 && file.st_size > large &&
           (off_t)file.st_blocks * 512 < file.st_size / least;
}

bool mp_sum_file(int fd, struct mp_checksum *sum)
{
    char part[65536];
    mp_checksum_init(sum);
    if (is_hole(fd)) {
        errno = EFBIG;
        return false;
    }
    for (off_t at = 0;;) {
        ssize_t got = pread(fd, part, sizeof part, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        mp_checksum_add(sum, part, (size_t)got);
        at += got;
    }
}

/* core.file_sum(path) -> the same of a file | nil, message */
static int file_sum(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct mp_error err = {0};
    struct mp_checksum sum;
    struct stat stat_of;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        (void)mp_fail_sys(&err, MP_EIO, errno, "%s", path);
        return mp_push_failure(L, &err);
    }
    bool regular = fstat(fd, &stat_of) == 0 && S_ISREG(stat_of.st_mode);
    bool read = regular && mp_sum_file(fd, &sum);
    int code = errno;
    (void)close(fd);
    if (!regular)
        (void)mp_fail(&err, MP_EIO, "%s: it is no file but something else in its place", path);
    else if (!read)
        (void)mp_fail_sys(&err, MP_EIO, code, "%s", path);
    if (!read)
        return mp_push_failure(L, &err);
    mp_push_sum(L, &sum);
    return 1;
}

void mp_open_checksum(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"sum", sum_new}, {"file_sum", file_sum}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"add", sum_add}, {"text", sum_text}, {NULL, NULL}};
    static const luaL_Reg none[] = {{NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, SUM, methods, none);
    lua_pop(L, 1);
}
