#include "bindings/backstop.h"

#include "bindings/armed.h"
#include "bindings/modules.h"
#include "bindings/tasks.h"

#include "engine/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Nothing to end; a run without a script of its own, or behind it; a script; what is left is
 * ours.
 */
enum phase { PHASE_NONE, PHASE_RUN, PHASE_SCRIPT, PHASE_CLOSING, PHASE_LAST };
static const char *const phase_names[] = {"none", "run", "script", "closing", NULL};

enum { STREAMS = 2, LOOK_MS = 50, INSTRUCTIONS = 100000, TEXT = 512, STACK_BYTES = 256 * 1024 };
static const int streams[STREAMS] = {STDOUT_FILENO, STDERR_FILENO};
static const int64_t held_ns = 400 * MP_NS_PER_MS;      // output that nobody takes
static const int64_t silent_ns = 300 * MP_NS_PER_MS;    // a loop that does not turn
static const int64_t patience_ns = 1000 * MP_NS_PER_MS; // a script that goes on
static const int64_t last_ns = 1700 * MP_NS_PER_MS;     // the end
static const int64_t close_ns = 500 * MP_NS_PER_MS;     // of the Lua state
static const int64_t safe_ns = 200 * MP_NS_PER_MS;      // to see the safe frame out

static _Atomic int phase;
static _Atomic int stopped; // enum mp_stop: the run ends
static _Atomic int left;    // the same, for a stop after which a script may go on
static _Atomic uint64_t turns;
static _Atomic bool interrupting;
static _Atomic bool muted;
static _Atomic bool unsafe;
static int last_status; // written before PHASE_LAST begins
static pthread_t loop_thread;
static bool started;
static void (*_Atomic tidy_up)(void);
static char folder[TEXT]; // of the run; "" before there is one. Written in PHASE_RUN, once
static _Atomic bool have_folder;
// the loop thread's own
static const char error_key = 0; // registry: what an interrupt raises
static char ours[TEXT];          // how the sources of the library begin
static char where[TEXT];         // the script's line that was interrupted first

bool mp_backstop_on(void)
{
    return atomic_load(&phase) != PHASE_NONE;
}

void mp_backstop_stopped(enum mp_stop reason)
{
    int none = MP_STOP_NONE;
    bool asked_for = reason == MP_STOP_FINISHED || reason == MP_STOP_REQUESTED;
    (void)atomic_compare_exchange_strong(asked_for ? &left : &stopped, &none, (int)reason);
}

/* Has a stop come that ends what goes on in this phase? */
static enum mp_stop ending(enum phase now)
{
    int reason = atomic_load(&stopped);
    if (reason == MP_STOP_NONE && now == PHASE_RUN)
        reason = atomic_load(&left);
    return (enum mp_stop)reason;
}

void mp_backstop_unsafe(void)
{
    atomic_store(&unsafe, true);
}

void mp_backstop_last(int status)
{
    last_status = status;
    atomic_store(&phase, PHASE_LAST);
}

void mp_backstop_turned(void)
{
    (void)atomic_fetch_add(&turns, 1);
}

void mp_backstop_at_end(void (*restore)(void))
{
    atomic_store(&tidy_up, restore);
}

/* ---- in the script ---- */

/*
 * Every coroutine that the script makes has this hook as well: Lua hands it on. It takes no
 * memory, as there may be none.
 */
static void on_count(lua_State *L, lua_Debug *ar)
{
    if (!atomic_load(&interrupting)) {
        if (lua_gethookcount(L) != INSTRUCTIONS)
            lua_sethook(L, on_count, LUA_MASKCOUNT, INSTRUCTIONS);
        return;
    }
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1); // who catches the error must not go on
    if (lua_getinfo(L, "Sl", ar) == 0 || strncmp(ar->source, ours, strlen(ours)) == 0)
        return;
    if (where[0] == '\0')
        (void)snprintf(where, sizeof where, "%s:%d", ar->short_src, ar->currentline);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &error_key);
    (void)lua_error(L);
}

/* Ends a call that waits; what runs is interrupted at once, whatever became of its hook. */
static void on_break(int number)
{
    lua_State *L = mp_signal_runs();
    (void)number;
    if (L != NULL && ours[0] != '\0' &&
        atomic_load(&interrupting)) // setting a hook is safe here
        lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
}

/* ---- its thread ---- */

struct look {
    uint64_t turns;
    int64_t at_ns;      // of the last look
    int64_t silent_ns;  // since the loop turned
    int64_t running_ns; // since the stop, while the script goes on
    int64_t closing_ns; // since only the Lua state was left
    int64_t held_ns[STREAMS];
};

static bool takes_output(int fd)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    return poll(&room, 1, 0) != 0; // an error ends the write as well
}

/* What nobody takes is let go of: the loop thread must not wait for it. */
static void let_go_of_output(struct look *look, int64_t passed_ns)
{
    for (int i = 0; i < STREAMS; i++) {
        look->held_ns[i] = takes_output(streams[i]) ? 0 : look->held_ns[i] + passed_ns;
        if (look->held_ns[i] < held_ns)
            continue;
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (nowhere < 0)
            continue;
        (void)dup2(nowhere, streams[i]);
        (void)close(nowhere);
        atomic_store(&muted, true);
        (void)pthread_kill(loop_thread, SIGURG); // ends the write that waits
    }
}

/* Write what fits and wait for nobody. */
static void say(const char *text)
{
    size_t length = strlen(text);
    int own = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own >= 0) // a terminal or a pipe, in a mode of our own
        (void)!write(own, text, length);
    else if (takes_output(STDERR_FILENO)) // a socket
        (void)!write(STDERR_FILENO, text, length);
}

static bool of_device(enum mp_stop reason)
{
    return reason == MP_STOP_GONE || reason == MP_STOP_BLOCKED || reason == MP_STOP_DEVICE ||
           reason == MP_STOP_SILENT || reason == MP_STOP_SETTING;
}

static void tidy(void)
{
    void (*restore)(void) = atomic_load(&tidy_up);
    if (restore != NULL)
        restore();
}

/* Everything that is armed is safe, or its guard does it when we are gone. */
_Noreturn static void end_process(void)
{
    enum { STATUS_FAULT = 4, STATUS_STOPPED = 5 };
    char text[3 * TEXT];
    enum mp_stop reason = ending(PHASE_RUN);
    mp_armed_stop(reason);
    for (int64_t end = mp_clock_ns() + safe_ns; !mp_armed_safe() && mp_clock_ns() < end;)
        (void)poll(NULL, 0, 1);
    bool safe = mp_armed_safe() && !atomic_load(&unsafe), record = atomic_load(&have_folder);
    (void)snprintf(
        text, sizeof text,
        "\nmoonpulse: %s%s, but the program did not come to its end and was ended; %s%s%s\n",
        safe ? "" : "NOT CONFIRMED SAFE: switch the stimulator off at its panel; ",
        mp_stop_text(reason),
        safe && record ? "the stimulator was told to be safe, but not asked; " : "",
        record ? "the record is not closed: moonpulse recover " : "there is no record",
        record ? folder : "");
    tidy();
    say(text);
    _exit(!safe || of_device(reason) ? STATUS_FAULT : STATUS_STOPPED);
}

/* The record is closed and everything was said; a child that the script left is not waited for.
 */
_Noreturn static void end_quietly(void)
{
    tidy();
    _exit(last_status);
}

/* A stop came: how far has the loop thread come? */
static void press(struct look *look, enum phase now, int64_t passed_ns)
{
    uint64_t seen = atomic_load(&turns);
    look->silent_ns = seen == look->turns ? look->silent_ns + passed_ns : 0;
    look->turns = seen;
    look->running_ns = now == PHASE_SCRIPT ? look->running_ns + passed_ns : 0;
    if (look->silent_ns >= last_ns || look->running_ns >= last_ns)
        end_process();
    if (look->silent_ns < silent_ns && look->running_ns < patience_ns)
        return;
    for (int i = 0; i < STREAMS; i++)
        if (look->held_ns[i] > 0) // it is a write that waits
            atomic_store(&muted, true);
    atomic_store(&interrupting, true);
    (void)pthread_kill(loop_thread, SIGURG);
}

static void *watch(void *unused)
{
    struct look look = {.at_ns = mp_clock_ns()};
    (void)unused;
    for (;;) {
        (void)poll(NULL, 0, LOOK_MS);
        int64_t now_ns = mp_clock_ns(), passed_ns = now_ns - look.at_ns;
        look.at_ns = now_ns;
        if (passed_ns > 2 * LOOK_MS * MP_NS_PER_MS) // suspended, or very busy
            passed_ns = 2 * LOOK_MS * MP_NS_PER_MS;
        enum phase now = (enum phase)atomic_load(&phase);
        mp_backstop_stopped(mp_armed_reason());
        if (now >= PHASE_CLOSING || ending(now) != MP_STOP_NONE)
            let_go_of_output(&look, passed_ns);
        if ((now == PHASE_RUN || now == PHASE_SCRIPT) && ending(now) != MP_STOP_NONE)
            press(&look, now, passed_ns);
        look.closing_ns += now == PHASE_LAST ? passed_ns : 0;
        if (look.closing_ns >= close_ns)
            end_quietly();
    }
    return NULL;
}

static void start(lua_State *L)
{
    struct sigaction action = {.sa_handler = on_break}; // without SA_RESTART
    (void)sigemptyset(&action.sa_mask);
    loop_thread = pthread_self();
    (void)sigaction(SIGURG, &action, NULL);
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old); // signals belong to the loop thread
    pthread_t thread;
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&thread, &attr, watch, NULL);
    (void)pthread_attr_destroy(&attr);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed != 0)
        luaL_error(L, "cannot start a thread: %s", strerror(failed));
    started = true;
}

/* ---- for Lua ---- */

/*
 * core.phase("run" | "script" | "closing" | "none" [, folder of the run]): what the loop thread
 * is about. With "script", the running coroutine and those that it makes can be interrupted.
 */
static int set_phase(lua_State *L)
{
    enum phase next = (enum phase)luaL_checkoption(L, 1, NULL, phase_names);
    const char *path = luaL_optstring(L, 2, NULL);
    if (path != NULL && !atomic_load(&have_folder)) {
        (void)snprintf(folder, sizeof folder, "%s", path);
        atomic_store(&have_folder, true);
    }
    if (!started && next != PHASE_RUN)
        return 0; // there is no run to be ended
    if (!started)
        start(L);
    mp_host_turns(mp_check_host(L)); // from now on also a loop that waits is seen to be alive
    atomic_store(&phase, next);
    if (next == PHASE_CLOSING)
        atomic_store(&interrupting, false);
    return 0;
}

/*
 * core.interrupts(error, ours): what an interrupt raises, at an instruction whose source does
 * not begin with ours
 */
static int set_interrupts(lua_State *L)
{
    lua_settop(L, 2);
    (void)snprintf(ours, sizeof ours, "%s", luaL_checkstring(L, 2));
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &error_key);
    return 0;
}

/*
 * core.interruptible(true): the running coroutine, and those that it makes, are interrupted
 * where a stop does not end them. core.interruptible(false): no longer; -> the line that was
 * interrupted first, or nil
 */
static int interruptible(lua_State *L)
{
    if (lua_toboolean(L, 1)) {
        lua_sethook(L, on_count, LUA_MASKCOUNT, INSTRUCTIONS);
        return 0;
    }
    lua_sethook(L, NULL, 0, 0);
    if (where[0] == '\0')
        return 0;
    lua_pushstring(L, where);
    return 1;
}

/* core.stop_began(reason): one that the engine does not know of */
static int stop_began(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    int reason = MP_STOP_NONE;
    while (reason < MP_STOP_COUNT && strcmp(mp_stop_name((enum mp_stop)reason), name) != 0)
        reason++;
    int none = MP_STOP_NONE;
    if (reason == MP_STOP_COUNT)
        reason = MP_STOP_ERROR;
    (void)atomic_compare_exchange_strong(&stopped, &none,
                                         reason); // also one that was asked for
    return 0;
}

/* core.muted() -> was output let go of, or a write of it broken off, because nobody took it? */
static int is_muted(lua_State *L)
{
    lua_pushboolean(L, atomic_load(&muted));
    return 1;
}

void mp_open_backstop(lua_State *L)
{
    static const luaL_Reg functions[] = {{"phase", set_phase},
                                         {"interrupts", set_interrupts},
                                         {"interruptible", interruptible},
                                         {"stop_began", stop_began},
                                         {"muted", is_muted},
                                         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
