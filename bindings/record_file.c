/* record_file.c - the files of a run: made for their owner only, read as what anybody may have
 * sent. */
#include "bindings/checksum.h"
#include "bindings/modules.h"
#include "bindings/raise.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK "moonpulse.folder_lock"

static int fail_sys(lua_State *L, const char *path, int code)
{
    struct mp_error err = {0};
    (void)mp_fail_sys(&err, MP_EIO, code, "%s", path);
    return mp_push_failure(L, &err);
}

/* The folder that path lies in. False: its name is too long for any file system. */
static bool folder_of(const char *path, char *folder, size_t size)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (length >= size)
        return false;
    (void)snprintf(folder, size, "%.*s", slash == NULL ? 1 : (int)length,
                   slash == NULL ? "." : path);
    return true;
}

/*
 * What root makes in somebody's folder is theirs, as that folder is: a record that sudo made
 * can be read, recovered and moved without it. fd: of what path names; -1: not open.
 */
static void give_to_owner(int fd, const char *path)
{
    char folder[4096];
    struct stat stat_of;
    if (geteuid() != 0 || !folder_of(path, folder, sizeof folder) ||
        stat(folder, &stat_of) != 0 || stat_of.st_uid == 0)
        return;
    // a file system that has no owners is as it is
    if (fd >= 0 ? fchown(fd, stat_of.st_uid, stat_of.st_gid) != 0
                : lchown(path, stat_of.st_uid, stat_of.st_gid) != 0)
        return;
}

/*
 * core.make_folder(path, group) -> true | nil, message: for its owner only, or if group is
 * true also to be read by its group, whatever the umask. Made by root it belongs to the owner
 * of the folder that it lies in.
 */
static int make_folder(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    mode_t mode = lua_toboolean(L, 2) ? 0750 : 0700;
    struct stat stat_of;
    if (mkdir(path, mode) != 0 || stat(path, &stat_of) != 0)
        return fail_sys(L, path, errno);
    give_to_owner(-1, path);
    // what a folder has from the one it lies in stays; a file system that has no modes is as it
    // is
    (void)chmod(path, mode | (stat_of.st_mode & S_ISGID));
    lua_pushboolean(L, true);
    return 1;
}

/* What a file in this folder may be: readable and writable by those who may enter the folder.
 */
static mode_t mode_beside(const char *path)
{
    char folder[4096];
    struct stat stat_of;
    if (!folder_of(path, folder, sizeof folder) || stat(folder, &stat_of) != 0)
        return 0600;
    mode_t others = stat_of.st_mode & 0011; // who may not enter it sees nothing anyway
    return (stat_of.st_mode & (others << 2 | others << 1)) | 0600;
}

static int close_stream(lua_State *L)
{
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/*
 * core.create_file(path) -> a file as io.open gives it, for writing | nil, message. It is made
 * anew, never written through a link that is there, and as open to others as its folder is,
 * whatever the umask (made by root it belongs to that folder's owner); programs that are
 * started do not have it.
 */
static int create_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
    stream->closef = NULL;
    luaL_setmetatable(L, LUA_FILEHANDLE);
    if (unlink(path) != 0 && errno != ENOENT)
        return fail_sys(L, path, errno);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_sys(L, path, errno);
    give_to_owner(fd, path);
    (void)fchmod(fd, mode_beside(path)); // a file system that has no modes is as it is
    stream->f = fdopen(fd, "w");
    if (stream->f == NULL) {
        int code = errno;
        (void)close(fd);
        return fail_sys(L, path, code);
    }
    stream->closef = close_stream;
    return 1;
}

/* Text at the end of what fd has, in one write; 0 or errno. It begins with a line end, which
 * only a last line without one needs. */
static int append_to(int fd, const char *path, const char *text, size_t bytes)
{
    struct stat stat_of;
    char last = '\n';
    if (fstat(fd, &stat_of) != 0)
        return errno;
    if (!S_ISREG(stat_of.st_mode))
        return EINVAL;
    if (stat_of.st_size == 0) {
        give_to_owner(fd, path);
        (void)fchmod(fd, mode_beside(path)); // a file system that has no modes is as it is
    } else if (pread(fd, &last, sizeof last, stat_of.st_size - 1) != 1) {
        return errno;
    }
    size_t skip = last == '\n' ? 1 : 0;
    ssize_t done = -1;
    do {
        done = write(fd, text + skip, bytes - skip);
    } while (done < 0 && errno == EINTR);
    return done < 0 ? errno : (size_t)done == bytes - skip ? 0 : ENOSPC;
}

/*
 * core.append_line(path, line) -> true | nil, message: a line at the end of a file, in one
 * write, so that of several programs at once each adds its own. The file is made if it is not
 * there, as create_file makes it; it is never written through a link, and what is no regular
 * file is not written.
 */
static int append_line(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    size_t bytes = 0;
    (void)lua_pushfstring(L, "\n%s\n", luaL_checkstring(L, 2));
    const char *text = lua_tolstring(L, -1, &bytes);
    int flags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int fd = open(path, flags, 0600);
    if (fd < 0)
        return fail_sys(L, path, errno);
    int code = append_to(fd, path, text, bytes);
    if (close(fd) != 0 && code == 0)
        code = errno;
    if (code != 0)
        return fail_sys(L, path, code);
    lua_pushboolean(L, true);
    return 1;
}

/* How many lines a file has; -1 if part of it is nothing but zeros, as after a truncation.
 */
static lua_Integer lines_of(int fd)
{
    lua_Integer lines = 0;
    char part[65536];
    off_t at = 0;
    for (;;) {
        ssize_t got = pread(fd, part, sizeof part, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return lines;
        if (memchr(part, 0, (size_t)got) != NULL)
            return -1;
        at += got;
        const char *next = part, *end = part + got;
        while ((next = memchr(next, '\n', (size_t)(end - next))) != NULL) {
            lines++;
            next++;
        }
    }
}

/*
 * core.file_state(file, path) -> fd, ours, lines, sum: of a file that create_file made, all of
 * it flushed. ours: is it what path names? lines: as lines_of() has them. sum: as core.sum()
 * has it. If it is no regular file: nothing
 */
static int file_state(lua_State *L)
{
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    const char *path = luaL_checkstring(L, 2);
    luaL_argcheck(L, stream->closef != NULL, 1, "it is closed");
    struct stat own, named;
    int fd = fileno(stream->f);
    if (fstat(fd, &own) != 0 || !S_ISREG(own.st_mode))
        return 0;
    bool ours =
        lstat(path, &named) == 0 && named.st_dev == own.st_dev && named.st_ino == own.st_ino;
    lua_pushinteger(L, fd);
    lua_pushboolean(L, ours);
    lua_pushinteger(L, lines_of(fd));
    struct mp_checksum sum;
    if (!mp_sum_file(fd, &sum))
        return 3;
    mp_push_sum(L, &sum);
    return 4;
}

/* core.as_folder(path): a file that is there becomes as open to others as its folder is, and
 * if root made it, its owner's */
static int as_folder(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    give_to_owner(-1, path);
    (void)chmod(path, mode_beside(path));
    return 0;
}

static bool read_all(luaL_Buffer *buffer, int fd, size_t bytes, int *code)
{
    while (bytes > 0) {
        char part[65536];
        ssize_t got = read(fd, part, bytes < sizeof part ? bytes : sizeof part);
        if (got < 0 && errno == EINTR)
            continue;
        *code = got < 0 ? errno : 0;
        if (got <= 0)
            return got == 0; // it was cut while we read
        luaL_addlstring(buffer, part, (size_t)got);
        bytes -= (size_t)got;
    }
    return true;
}

/*
 * Push the stream of a regular file of at most so many bytes, open for reading, and say how
 * long it is; 0: pushed. What is none is not opened for long enough to wait for it.
 */
static int open_regular(lua_State *L, const char *path, lua_Integer most, size_t *bytes)
{
    struct stat stat_of;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail_sys(L, path, errno);
    bool regular = fstat(fd, &stat_of) == 0 && S_ISREG(stat_of.st_mode);
    if (!regular || stat_of.st_size > most) {
        (void)close(fd);
        lua_pushnil(L);
        if (regular)
            lua_pushfstring(L, "%s: %I bytes, and no more than %I are read", path,
                            (lua_Integer)stat_of.st_size, most);
        else
            lua_pushfstring(L, "%s: it is no file but something else in its place", path);
        return 2;
    }
    // a Lua error closes it as well: the stream owns it from here on
    luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
    stream->closef = NULL;
    luaL_setmetatable(L, LUA_FILEHANDLE);
    stream->f = fdopen(fd, "r");
    if (stream->f == NULL) {
        int code = errno;
        (void)close(fd);
        return fail_sys(L, path, code);
    }
    stream->closef = close_stream;
    *bytes = (size_t)stat_of.st_size;
    return 0;
}

/*
 * core.read_file(path, most) -> its text | nil, message. What is no regular file is not opened
 * for long enough to wait for it, and what is longer than most bytes is not read.
 */
static int read_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    lua_Integer most = mp_check_integer(L, 2, 0, INT32_MAX);
    size_t bytes = 0;
    int code = 0, failed = open_regular(L, path, most, &bytes);
    if (failed != 0)
        return failed;
    luaL_Stream *stream = lua_touserdata(L, -1);
    luaL_Buffer buffer;
    luaL_buffinitsize(L, &buffer, bytes);
    bool whole = read_all(&buffer, fileno(stream->f), bytes, &code);
    luaL_pushresult(&buffer);
    stream->closef = NULL;
    (void)fclose(stream->f);
    return whole ? 1 : fail_sys(L, path, code);
}

/* core.open_file(path, most) -> the same file, open for who reads it part by part | nil,
 * message */
static int open_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    lua_Integer most = mp_check_integer(L, 2, 0, INT32_MAX);
    size_t bytes;
    int failed = open_regular(L, path, most, &bytes);
    return failed != 0 ? failed : 1;
}

static int lock_close(lua_State *L)
{
    int *fd = luaL_checkudata(L, 1, LOCK);
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    return 0;
}

/*
 * core.lock_folder(path[, shared]) -> lock, to be closed | false if somebody has it | nil,
 * message. Many may have it who share it, all of them. On a file system that has no such locks
 * everybody gets one.
 */
static int lock_folder(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    const int how = lua_toboolean(L, 2) ? LOCK_SH : LOCK_EX;
    int *fd = lua_newuserdatauv(L, sizeof *fd, 0);
    *fd = -1;
    luaL_setmetatable(L, LOCK);
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0)
        return fail_sys(L, path, errno);
    if (flock(*fd, how | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        lua_pushboolean(L, false);
        return 1;
    }
    return 1;
}

/* core.checksum(text) -> 16 hexadecimal digits that change with the text: against damage, not
 * against people */
static int checksum(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001B3);
    char digits[17];
    (void)snprintf(digits, sizeof digits, "%016" PRIx64, hash);
    lua_pushstring(L, digits);
    return 1;
}

/*
 * core.most_file(bytes|nil): from now on no file of this process grows beyond so many bytes, as
 * on a disk that is full: a write is cut short, the next one fails; nil: as far as the disk
 * goes
 */
static int most_file(lua_State *L)
{
    struct rlimit limit;
    lua_Integer bytes = lua_isnoneornil(L, 1) ? -1 : mp_check_integer(L, 1, 0, LUA_MAXINTEGER);
    (void)signal(SIGXFSZ, SIG_IGN); // the write fails instead
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
        return luaL_error(L, "the system does not say how long a file may be");
    limit.rlim_cur =
        bytes < 0 || (rlim_t)bytes > limit.rlim_max ? limit.rlim_max : (rlim_t)bytes;
    lua_pushboolean(L, setrlimit(RLIMIT_FSIZE, &limit) == 0);
    return 1;
}

void mp_open_record_file(lua_State *L)
{
    static const luaL_Reg functions[] = {{"make_folder", make_folder},
                                         {"create_file", create_file},
                                         {"append_line", append_line},
                                         {"file_state", file_state},
                                         {"as_folder", as_folder},
                                         {"read_file", read_file},
                                         {"open_file", open_file},
                                         {"lock_folder", lock_folder},
                                         {"checksum", checksum},
                                         {"most_file", most_file},
                                         {NULL, NULL}};
    static const luaL_Reg methods[] = {{"close", lock_close}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", lock_close}, {"__close", lock_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, LOCK, methods, metamethods);
    lua_pop(L, 1);
}
