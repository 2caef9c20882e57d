/* main.c - the moonpulse command: a Lua host with the engine inside; the rest is Lua. */
#include "bindings/armed.h"
#include "bindings/backstop.h"
#include "bindings/library.h"
#include "bindings/modules.h"

#include "engine/large_block.h"

#include <lauxlib.h>
#include <lualib.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>
#if __has_include(                                                                             \
    <valgrind/valgrind.h>) // where it is installed: one who has no valgrind runs nothing in it
#include <valgrind/valgrind.h>
#endif

#if defined __has_feature
#define MP_HAS_FEATURE(name) __has_feature(name)
#else
#define MP_HAS_FEATURE(name) 0
#endif

enum {
    REFUSED = 3,         // the exit status "limit" (text/refusal.lua)
    START_KB = 16 * 1024 // until then nothing is collected: a start makes no garbage
};

/* Is somebody there who counts what was never freed: a sanitizer, valgrind? */
static bool leaks_are_looked_for(void)
{
#if defined __SANITIZE_ADDRESS__ || MP_HAS_FEATURE(address_sanitizer)
    return true;
#elif defined RUNNING_ON_VALGRIND
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

/* What begins with the program's name is said to the user, and needs no stack. */
static int traceback(lua_State *L)
{
    static const char said[] = "moonpulse: ";
    const char *text = lua_tostring(L, 1);
    if (text == NULL || strncmp(text, said, sizeof said - 1) == 0)
        return 1;
    luaL_traceback(L, L, text, 1);
    return 1;
}

/*
 * The library lies beside the program: ../scripts in the source tree's build folder,
 * ../share/moonpulse/scripts where it was installed. Relative entries go: a module must
 * never come from whatever folder the user is in. use: a function that gets the folder.
 */
static const char find_library[] =
    "local exe, use = ...\n"
    "local folder = exe:match('^(.*)/[^/]*$')\n"
    "local function exists(path) local f = io.open(path) if f then f:close() end return f end\n"
    "local found\n"
    "for _, at in ipairs{'/../scripts', '/../../scripts', '/../share/moonpulse/scripts'} do\n"
    "  if not found and exists(folder .. at .. '/moonpulse/cli/init.lua') then found = folder "
    ".. at "
    "end\n"
    "end\n"
    "if not found then error('moonpulse: no library beside ' .. exe .. "
    "': install it with make install', 0) end\n"
    "local function absolute(path)\n"
    "  local kept = {}\n"
    "  for entry in path:gmatch('[^;]+') do\n"
    "    if entry:sub(1, 1) == '/' then kept[#kept + 1] = entry end\n"
    "  end\n"
    "  return table.concat(kept, ';')\n"
    "end\n"
    "package.path = found .. '/?.lua;' .. found .. '/?/init.lua;' .. absolute(package.path)\n"
    "package.cpath = absolute(package.cpath)\n"
    "use(found)\n"
    "return require 'moonpulse.cli'";

extern const char mp_packed_library[]; // bindings/packed.S

static int use_library(lua_State *L)
{
    mp_library_use(L, luaL_checkstring(L, 1), mp_packed_library);
    return 0;
}

static int run(lua_State *L) /* (argc, argv) -> exit status */
{
    int argc = (int)lua_tointeger(L, 1);
    char **argv = lua_touserdata(L, 2);
    char path[4096];
    size_t size = sizeof path;
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_moonpulse_core);
    lua_setfield(L, -2, "moonpulse.core");
    lua_createtable(L, argc, 1);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_seti(L, -2, i);
    }
    lua_setglobal(L, "arg");
    if (uv_exepath(path, &size) != 0)
        return luaL_error(L, "moonpulse: the system does not say where this program is");
    if (luaL_loadbuffer(L, find_library, strlen(find_library), "=moonpulse") != LUA_OK)
        return lua_error(L);
    lua_pushstring(L, path);
    lua_pushcfunction(L, use_library);
    lua_call(L, 2, 1); // cli
    lua_getfield(L, -1, "main");
    lua_getglobal(L, "arg");
    lua_call(L, 1, 1); // status
    return 1;
}

/* The process ends: what Lua lets go of now, value by value, the system takes back at once.
 * To free it was a tenth of a short command. */
static bool leaving;

/* As luaL_newstate does it, but for texts of many megabytes. */
static void *allocate(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size == 0) {
        if (!leaving)
            free(block);
        return NULL;
    }
    void *result = realloc(block, new_size);
    mp_large_block(result, new_size);
    mp_large_heap_grown();
    return result;
}

/* Without files that may be opened not even a module is found, and libuv aborts: said before.
 */
static bool may_open_files(void)
{
    const rlim_t least = 32;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= least)
        return true;
    (void)fprintf(
        stderr,
        "moonpulse: only %ju files may be open at once here, and it needs %ju: let more be"
        " open (ulimit -n 1024), and start it again\n",
        (uintmax_t)limit.rlim_cur, (uintmax_t)least);
    return false;
}

/* With a small one a run would end with a segmentation fault, its record open: 64 kB were too
 * few, 100 enough. */
static bool has_stack(void)
{
    const rlim_t least_kb = 512;
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur / 1024 >= least_kb)
        return true;
    (void)fprintf(stderr,
                  "moonpulse: the stack may only have %ju kB here, and it needs %ju: let it be "
                  "larger (ulimit -s 8192), and start it again\n",
                  (uintmax_t)(limit.rlim_cur / 1024), (uintmax_t)least_kb);
    return false;
}

int main(int argc, char **argv)
{
    int status = EXIT_FAILURE;
    if (!may_open_files() || !has_stack())
        return REFUSED;
    (void)uv_setup_args(argc, argv);
    lua_State *L = luaL_newstate();
    if (L == NULL) {
        (void)fputs("moonpulse: out of memory\n", stderr);
        return EXIT_FAILURE;
    }
    lua_setallocf(L, allocate, NULL);
    (void)lua_gc(L, LUA_GCSTEP, -START_KB);
    lua_pushcfunction(L, traceback);
    lua_pushcfunction(L, run);
    lua_pushinteger(L, argc);
    lua_pushlightuserdata(L, argv);
    if (lua_pcall(L, 2, 1, 1) == LUA_OK)
        status = (int)lua_tointeger(L, -1);
    else
        (void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
    mp_signal_ignore();
    mp_armed_join(); // whatever the script left behind is made safe first
    (void)fflush(NULL);
    mp_backstop_last(status);
    leaving = !leaks_are_looked_for();
    lua_close(L); // finalizers close files and ports
    return status;
}
