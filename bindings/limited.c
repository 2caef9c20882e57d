/*
 * limited.c - call a Lua function with a limit on instructions, time and memory.
 *
 * A count hook looks every few hundred instructions. Once a limit is passed it raises at every
 * further instruction, so a pcall inside cannot swallow it: whatever returns next is raised
 * upon again.
 */
#include "bindings/modules.h"
#include "bindings/raise.h"

#include "engine/clock.h"
#include "engine/stop.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    STEP = 250,        // instructions between two looks
    HEAP_STEPS = 4000, // looks between two questions to malloc, which may take long
    WHERE_MAX = 160,
    LEVELS_MAX = 1000 // of the stack are searched: each is found from the top again
};

static const lua_Integer megabyte = 1 << 20;

#ifdef __SANITIZE_THREAD__
static const double slower = 10; // what the sanitizer does is not the author's
#else
static const double slower = 1;
#endif

/* One call at a time, on the loop thread only. */
static struct {
    lua_State *thread; // whose allocator and first hook are ours; NULL: no call
    lua_Alloc alloc;
    void *alloc_data;
    lua_Hook hook; // the thread's own, given back at the end
    int hook_mask, hook_count;
    bool watched; // the timer runs
    timer_t timer;
    struct sigaction action; // what SIGXCPU did before
    int64_t instructions, most_instructions;
    int64_t until_cpu_ns;
    size_t bytes, most_bytes, hard_bytes; // Lua's own memory since the call began
    size_t heap;           // all that malloc gave when it was first asked; 0: it was not
    size_t most_heap;      // more than that, for what the library allocates
    const char *library;   // sources that begin so are not the author's
    const char *why;       // what was passed; NULL: nothing yet
    char where[WHERE_MAX]; // the author's line
} limit;

static int64_t cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The innermost line that is not the library's. */
static void find_place(lua_State *L)
{
    lua_Debug info;
    size_t length = strlen(limit.library);
    for (int level = 0; level < LEVELS_MAX && lua_getstack(L, level, &info) != 0; level++) {
        if (lua_getinfo(L, "Sl", &info) == 0 || info.currentline <= 0)
            continue;
        if (length > 0 && strncmp(info.source, limit.library, length) == 0)
            continue;
        (void)snprintf(limit.where, sizeof limit.where, "%s:%d", info.short_src,
                       info.currentline);
        return;
    }
}

/* malloc is asked for the first time when the call has done some work: that takes longer than
 * all that most plans do, and what they took until then is little. */
static bool heap_is_full(void)
{
    size_t taken = mallinfo2().uordblks;
    if (limit.heap == 0)
        limit.heap = taken;
    return taken > limit.heap + limit.most_heap;
}

static void look(lua_State *L, lua_Debug *info)
{
    (void)info;
    if (limit.thread == NULL) { // a coroutine that was made in a call and outlived it
        lua_sethook(L, NULL, 0, 0);
        return;
    }
    if (limit.why == NULL) {
        limit.instructions += STEP;
        if (limit.bytes > limit.most_bytes) // first: taking memory takes time as well
            limit.why = "it takes too much memory";
        else if (limit.instructions > limit.most_instructions)
            limit.why = "it runs too long (is there an endless loop? many pulses are "
                        "part:times(n, { every = s }))";
        else if (cpu_ns() > limit.until_cpu_ns)
            limit.why = "it takes too long (is there an endless loop?)";
        else if (limit.instructions / STEP % HEAP_STEPS == 0 && heap_is_full())
            limit.why =
                "its plan takes too much memory (repeat parts with :times() or * instead of a "
                "loop)";
        if (limit.why == NULL)
            return;
    }
    if (limit.where[0] == '\0')
        find_place(L);
    lua_sethook(L, look, LUA_MASKCOUNT, 1);
    lua_pushfstring(L, "%s: stopped: %s", limit.where, limit.why);
    (void)lua_error(L);
}

/* Counts what Lua takes; what is far over the limit is refused at once. */
static void *counted(void *data, void *block, size_t old_size, size_t new_size)
{
    size_t old = block == NULL ? 0 : old_size;
    (void)data;
    if (new_size > old && limit.bytes + (new_size - old) > limit.hard_bytes) {
        limit.why = limit.why != NULL ? limit.why : "it takes too much memory";
        if (limit.where[0] ==
            '\0') // the stack still stands; it does not when the call has failed
            find_place(limit.thread);
        return NULL;
    }
    void *result = limit.alloc(limit.alloc_data, block, old_size, new_size);
    if (result != NULL || new_size == 0) {
        size_t now = limit.bytes + new_size;
        limit.bytes = now > old ? now - old : 0; // blocks from before the call may be let go
        if (limit.bytes > limit.most_bytes && limit.why == NULL)
            lua_sethook(limit.thread, look, LUA_MASKCOUNT, 1);
    }
    return result;
}

/*
 * Message handler (problem) -> problem: what a C function raises, and a stack overflow, names
 * no line of the author's; here the stack still stands and tells it.
 */
static int with_place(lua_State *L)
{
    const char *text = lua_tostring(L, 1);
    char where[WHERE_MAX];
    if (lua_type(L, 1) != LUA_TSTRING || limit.why != NULL || limit.library[0] == '\0')
        return 1;
    find_place(L);
    (void)snprintf(where, sizeof where, "%s", limit.where);
    limit.where[0] = '\0';
    char *line = strrchr(where, ':');
    if (line == NULL)
        return 1;
    *line = '\0';
    if (strstr(text, where) != NULL)
        return 1;
    lua_pushfstring(L, "%s:%s: %s", where, line + 1, text);
    return 1;
}

/* In a signal's handler: reads the stack of a thread that is inside a C function, then ends. */
static void give_up(int number)
{
    (void)number;
    static const char text[] = ": stopped: one call takes too long (a text pattern with many "
                               "* + - ?, or a very long text or table)\n";
    if (limit.thread == NULL)
        return;
    find_place(limit.thread);
    (void)!write(STDERR_FILENO, "moonpulse: ", 11);
    (void)!write(STDERR_FILENO, limit.where, strlen(limit.where));
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(MP_EXIT_USAGE);
}

/* Set the timer that ends a call which no hook can; false if the system has none. */
static bool watch(double seconds)
{
    struct sigaction action = {.sa_handler = give_up};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGXCPU};
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    if (sigaction(SIGXCPU, &action, &limit.action) != 0)
        return false;
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &limit.timer) != 0) {
        (void)sigaction(SIGXCPU, &limit.action, NULL);
        return false;
    }
    struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)seconds,
                     .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)}};
    (void)timer_settime(limit.timer, 0, &at, NULL);
    return true;
}

/* Takes the options at 1 and leaves the library's name there: limit.library points into it. */
static void begin(lua_State *L)
{
    lua_getfield(L, 1, "instructions");
    limit.most_instructions = luaL_checkinteger(L, -1);
    lua_getfield(L, 1, "seconds");
    double seconds = slower * mp_check_number(L, -1, 0, 1e6);
    limit.until_cpu_ns = cpu_ns() + (int64_t)(seconds * 1e9);
    lua_getfield(L, 1, "megabytes");
    limit.most_bytes = (size_t)(mp_check_integer(L, -1, 1, megabyte) * megabyte);
    limit.hard_bytes = 3 * limit.most_bytes;
    limit.most_heap = 8 * limit.most_bytes;
    lua_getfield(L, 1, "library");
    limit.library = luaL_optstring(L, -1, "");
    lua_replace(L, 1);
    lua_pop(L, 3);
    limit.thread = L;
    limit.instructions = 0;
    limit.bytes = 0;
    limit.heap = 0;
    limit.why = NULL;
    limit.where[0] = '\0';
    limit.hook = lua_gethook(L);
    limit.hook_mask = lua_gethookmask(L);
    limit.hook_count = lua_gethookcount(L);
    limit.alloc = lua_getallocf(L, &limit.alloc_data);
    lua_setallocf(L, counted, NULL);
    lua_sethook(L, look, LUA_MASKCOUNT, STEP);
    limit.watched = watch(1.5 * seconds);
}

static void end(lua_State *L)
{
    if (limit.watched) {
        (void)timer_delete(limit.timer);
        (void)sigaction(SIGXCPU, &limit.action, NULL);
    }
    lua_sethook(L, limit.hook, limit.hook_mask, limit.hook_count);
    lua_setallocf(L, limit.alloc, limit.alloc_data);
    limit.thread = NULL;
}

/*
 * core.limited({instructions=, seconds=, megabytes=, library=}, f, ...) -> true, results |
 * false, problem, limited. limited: true if a limit was passed. Calls within the call share
 * its limits.
 */
static int call_limited(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    bool outer = limit.thread == NULL;
    if (outer)
        begin(L);
    lua_pushcfunction(L, with_place);
    lua_insert(L, 2);
    int status = lua_pcall(L, lua_gettop(L) - 3, LUA_MULTRET, 2);
    lua_remove(L, 2);
    if (outer)
        end(L);
    if (status == LUA_OK && (!outer || limit.why == NULL)) {
        lua_pushboolean(L, 1);
        lua_replace(L, 1);
        return lua_gettop(L);
    }
    lua_settop(L, status == LUA_OK ? 1 : 2);
    if (limit.why != NULL) { // a script that swallowed it has not got away with it
        lua_settop(L, 1);
        if (limit.where[0] != '\0')
            lua_pushfstring(L, "%s: stopped: %s", limit.where, limit.why);
        else
            lua_pushfstring(L, "stopped: %s", limit.why);
    }
    lua_pushboolean(L, 0);
    lua_replace(L, 1);
    lua_pushboolean(L, limit.why != NULL);
    return 3;
}

void mp_open_limited(lua_State *L)
{
    static const luaL_Reg functions[] = {{"limited", call_limited}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
