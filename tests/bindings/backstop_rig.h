/* What both tests of the backstop need: a loop thread's Lua, and a case in a process of its
 * own. */
#ifndef MOONPULSE_TESTS_BACKSTOP_RIG_H
#define MOONPULSE_TESTS_BACKSTOP_RIG_H

#include "bindings/modules.h"

#include "tests/check.h"

#include <lauxlib.h>
#include <lualib.h>

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GIVEN_UP = 77 };

/* False: it was interrupted. */
static bool run_as(lua_State *L, const char *name, const char *code)
{
    bool ok = luaL_loadbuffer(L, code, strlen(code), name) == LUA_OK &&
              lua_pcall(L, 0, 0, 0) == LUA_OK;
    if (!ok && strstr(lua_tostring(L, -1), "interrupted") == NULL) {
        (void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
        _exit(GIVEN_UP);
    }
    lua_settop(L, 0);
    return ok;
}

/* Code of the library's, which nothing interrupts. */
static void lua(lua_State *L, const char *code)
{
    (void)run_as(L, "=ours", code);
}

/* Does a script, or a driver, go on now, uninterrupted? */
static bool goes_on(lua_State *L)
{
    return run_as(L, "=script",
                  "core.interruptible(true) local x = 0 for i = 1, 200000 do x = x + i end");
}

/* The process is a case's from now on, and says what it says to that file. */
static lua_State *become_case(int to)
{
    (void)dup2(to, STDERR_FILENO);
    (void)signal(SIGINT, SIG_DFL);
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    luaL_requiref(L, "moonpulse.core", luaopen_moonpulse_core, 0);
    lua_setglobal(L, "core");
    lua(L, "core.interrupts('interrupted!', '=ours')");
    return L;
}

/* Let a child be case i to its end: its status of waitpid, and what it said. */
static int status_of_case(void (*be_case)(size_t, int), size_t i, char *text, size_t size)
{
    int status = -1;
    FILE *said = tmpfile(); // of which nothing may be written over
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        be_case(i, fileno(said));
    CHECK_INT(waitpid(child, &status, 0), child);
    rewind(said);
    text[fread(text, 1, size - 1, said)] = '\0';
    (void)fclose(said);
    return status;
}

#endif
