/*
 * run_states.c - what the folders of runs are like, without reading them: a number for each
 * that changes with any change of what counts in it. A hundred thousand folders take some
 * tenths of a second.
 */
#include "bindings/modules.h"
#include "bindings/raise.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FOLDER "moonpulse.open_folder"

/* What tells what is listed of a run; "": the folder itself, which changes as files come and
 * go. A look at each takes a microsecond, so what else lies there is not looked at. */
static const char *const parts[] = {"", "/manifest.json", "/events.tsv", "/SHA256SUMS"};

/* What has changed so lately may change again without its time's changing: clocks of file
 * systems tick every few milliseconds, and other hosts' differ. */
static const int64_t settled_ns = INT64_C(2000000000);

static uint64_t add(uint64_t hash, uint64_t value)
{
    // xor, multiply, shift: every bit of the value moves every bit of the result
    hash = (hash ^ value) * UINT64_C(0xFF51AFD7ED558CCD);
    return hash ^ hash >> 32;
}

static int64_t ns_of(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

/*
 * The state of the run's folder name in the folder fd; 0: it cannot be told, for it has just
 * changed, or this account may not look at it. False: it is no folder.
 */
static bool state_of(int fd, const char *name, int64_t now_ns, int64_t *state)
{
    char path[300];
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    int64_t newest_ns = INT64_MIN;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct stat stat_of;
        (void)snprintf(path, sizeof path, "%s%s", name, parts[i]);
        if (fstatat(fd, path, &stat_of, 0) != 0) {
            if (i == 0) {
                *state = 0;
                return errno != ENOENT && errno != ENOTDIR && errno != ELOOP;
            }
            hash = add(hash, (uint64_t)errno);
            continue;
        }
        if (i == 0 && !S_ISDIR(stat_of.st_mode))
            return false;
        // ctime is nobody's to set: it shows also what has kept its length and its time
        int64_t changed_ns = ns_of(&stat_of.st_ctim);
        newest_ns = changed_ns > newest_ns ? changed_ns : newest_ns;
        hash = add(add(hash, (uint64_t)stat_of.st_ino), (uint64_t)changed_ns);
        hash = add(add(hash, (uint64_t)ns_of(&stat_of.st_mtim)), (uint64_t)stat_of.st_size);
        hash = add(add(hash, (uint64_t)stat_of.st_dev), (uint64_t)stat_of.st_mode);
    }
    *state = newest_ns > now_ns - settled_ns ? 0 : (int64_t)(hash | 1);
    return true;
}

static int folder_close(lua_State *L)
{
    DIR **folder = luaL_checkudata(L, 1, FOLDER);
    if (*folder != NULL)
        (void)closedir(*folder);
    *folder = NULL;
    return 0;
}

/*
 * core.run_states(path) -> names, states: of the folders that lie in path, in no order. The
 * state is an integer that changes with the folder, its manifest, events and seal; 0: one of
 * them changed within the last two seconds, or this account may not look at it, so that nobody
 * may rely on it | nil, message, code
 */
static int run_states(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    DIR **folder = lua_newuserdatauv(L, sizeof *folder, 0); // a Lua error closes it
    *folder = NULL;
    luaL_setmetatable(L, FOLDER);
    *folder = opendir(path);
    if (*folder == NULL) {
        struct mp_error err = {0};
        (void)mp_fail_sys(&err, MP_EIO, errno, "%s", path);
        return mp_push_failure(L, &err);
    }
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    lua_newtable(L);
    lua_newtable(L);
    const struct dirent *entry;
    lua_Integer count = 0;
    while ((entry = readdir(*folder)) != NULL) {
        int64_t state = 0;
        bool perhaps =
            entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
        bool own = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        if (own || !perhaps || !state_of(dirfd(*folder), entry->d_name, ns_of(&now), &state))
            continue;
        lua_pushstring(L, entry->d_name);
        lua_rawseti(L, -3, ++count);
        lua_pushinteger(L, state);
        lua_rawseti(L, -2, count);
    }
    (void)closedir(*folder);
    *folder = NULL;
    return 2;
}

void mp_open_run_states(lua_State *L)
{
    static const luaL_Reg functions[] = {{"run_states", run_states}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", folder_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, FOLDER, methods, metamethods);
    lua_pop(L, 1);
}
