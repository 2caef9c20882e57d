/*
 * spawn.c - a module for Lua: a program is started without a shell, which costs as much as a
 * short command of ours.
 */
#include <lauxlib.h>
#include <lua.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

enum { MOST = 1000 };

int luaopen_spawn(lua_State *L);

/* The list of texts at index; its end is NULL. They are Lua's, as long as the list is. */
static void texts_of(lua_State *L, int index, const char **texts, size_t used)
{
    const size_t count = (size_t)luaL_len(L, index);
    if (used + count >= MOST)
        luaL_error(L, "too many arguments or variables");
    for (size_t i = 0; i < count; i++) {
        lua_geti(L, index, (lua_Integer)i + 1);
        texts[used + i] = luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
    texts[used + count] = NULL;
}

/* Is a variable of the environment set anew? "NAME=..." both. */
static bool is_among(const char *variable, const char *const *others)
{
    const size_t name = strcspn(variable, "=") + 1;
    for (; *others != NULL; others++)
        if (strncmp(variable, *others, name) == 0)
            return true;
    return false;
}

static int status_of(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* run(words, variables, out, err): exit status, 128 + n where signal n ended it. */
static int run(lua_State *L)
{
    static const char *words[MOST], *variables[MOST], *environment[2 * MOST];
    const char *out = luaL_checkstring(L, 3), *err = luaL_checkstring(L, 4);
    texts_of(L, 1, words, 0);
    texts_of(L, 2, variables, 0);
    size_t count = 0;
    for (char **each = environ; *each != NULL && count < MOST; each++)
        if (!is_among(*each, variables))
            environment[count++] = *each;
    for (const char **each = variables; *each != NULL; each++)
        environment[count++] = *each;
    environment[count] = NULL;
    posix_spawn_file_actions_t files;
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_addopen(&files, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    (void)posix_spawn_file_actions_addopen(&files, 2, err, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    pid_t pid = 0;
    const int failed = posix_spawn(&pid, words[0], &files, NULL, (char *const *)words,
                                   (char *const *)environment);
    (void)posix_spawn_file_actions_destroy(&files);
    if (failed != 0)
        return luaL_error(L, "%s: %s", words[0], strerror(failed));
    lua_pushinteger(L, status_of(pid));
    return 1;
}

/* kill(pid, number): was it sent? */
static int send_signal(lua_State *L)
{
    const lua_Integer pid = luaL_checkinteger(L, 1), number = luaL_checkinteger(L, 2);
    lua_pushboolean(L, pid > 1 && kill((pid_t)pid, (int)number) == 0);
    return 1;
}

int luaopen_spawn(lua_State *L)
{
    static const luaL_Reg functions[] = {{"run", run}, {"kill", send_signal}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
