#include "bindings/backstop_core.h"

#include "bindings/armed.h"
#include "bindings/awake.h"
#include "bindings/disk.h"
#include "bindings/modules.h"
#include "bindings/outlet.h"
#include "bindings/tasks.h"

#include "engine/guard.h"

#include <lauxlib.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const phase_names[] = {"none", "run", "script", "closing", "closed", NULL};
enum { INSTRUCTIONS = 100000, STACK_BYTES = 256 * 1024 };
struct backstop backstop;
// the loop thread's own
static bool started;
static const char error_key = 0;  // registry: what an interrupt raises
static char ours[BACKSTOP_TEXT];  // how the sources of the library begin
static char where[BACKSTOP_TEXT]; // the script's line that was interrupted first

/*
 * Loop thread: keep these bits of the word, set those. If the process is being ended nothing
 * more is to be done: it waits for that.
 */
static void change(unsigned keep, unsigned set)
{
    unsigned now = atomic_load(&backstop.state);
    do
        while (phase_of(now) == PHASE_ENDING) {
            (void)poll(NULL, 0, BACKSTOP_LOOK_MS);
            now = atomic_load(&backstop.state);
        }
    while (!atomic_compare_exchange_weak(&backstop.state, &now, (now & keep) | set));
}

/* A stop of run number, the first one of it: one of an earlier run is none of this one's. */
static void note_stop(_Atomic unsigned *word, unsigned number, enum mp_stop reason)
{
    unsigned none = number << REASON_BITS;
    (void)atomic_compare_exchange_strong(word, &none, none | (unsigned)reason);
}

bool mp_backstop_on(void)
{
    return phase_of(atomic_load(&backstop.state)) != PHASE_NONE;
}

void backstop_stop_of_run(unsigned number, enum mp_stop reason)
{
    bool asked_for = mp_stop_reason(reason)->asked_for;
    note_stop(asked_for ? &backstop.left : &backstop.stopped, number, reason);
}

void mp_backstop_stopped(enum mp_stop reason)
{
    backstop_stop_of_run(atomic_load(&backstop.run), reason);
}

void mp_backstop_signal(enum mp_stop reason)
{
    (void)atomic_fetch_add(&backstop.caught, 1);
    mp_backstop_stopped(reason);
}

void mp_backstop_armed(void)
{
    atomic_store(&backstop.armed, true);
    atomic_store(&backstop.answer, NOT_ASKED);
}

const char *mp_backstop_folder(void)
{
    return atomic_load(&backstop.have_folder) ? backstop.folder : "";
}

void mp_backstop_unsafe(void)
{
    atomic_store(&backstop.unsafe, true);
}

void mp_backstop_last(int status)
{
    backstop.last_status = status;
    change(0, PHASE_LAST);
}

void mp_backstop_virtual(bool is_virtual)
{
    atomic_store(&backstop.is_virtual, is_virtual);
}

/* Has a stop come that is to be named? */
static bool has_stopped(void)
{
    unsigned words = atomic_load(&backstop.stopped) | atomic_load(&backstop.left);
    return (words & REASON_MASK) != MP_STOP_NONE || mp_armed_reason() != MP_STOP_NONE;
}

void mp_backstop_turned(void)
{
    (void)atomic_fetch_add(&backstop.turns, 1);
    if (mp_disk_hung() && !has_stopped())
        mp_disk_forget();
}

void mp_backstop_at_end(void (*restore)(void))
{
    atomic_store(&backstop.tidy_up, restore);
}

static bool is_interrupting(void)
{
    return (atomic_load(&backstop.state) & INTERRUPTING) != 0;
}

/* ---- in the script ---- */

/*
 * Every coroutine that the script makes has this hook as well: Lua hands it on. It takes no
 * memory, as there may be none.
 */
static void on_count(lua_State *L, lua_Debug *ar)
{
    if (!is_interrupting()) {
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
    backstop_tell_where(ours);
    if (L != NULL && ours[0] != '\0' && is_interrupting()) // setting a hook is safe here
        lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
}

static void waits_for_guard(bool waits)
{
    mp_backstop_turned();
    atomic_store(&backstop.waiting, waits);
}

static void start(lua_State *L)
{
    struct sigaction action = {.sa_handler = on_break}; // without SA_RESTART
    (void)sigemptyset(&action.sa_mask);
    backstop.loop_thread = pthread_self();
    mp_awake_begin();
    mp_guard_on_wait(waits_for_guard);
    (void)sigaction(SIGURG, &action, NULL);
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old); // signals belong to the loop thread
    pthread_t thread;
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&thread, &attr, backstop_watch, NULL);
    (void)pthread_attr_destroy(&attr);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed != 0)
        luaL_error(L, "cannot start a thread: %s", strerror(failed));
    started = true;
}

/* ---- for Lua ---- */

/* What an earlier run of the process left is none of this one's. */
static void begin_run(void)
{
    unsigned number = atomic_load(&backstop.run) + 1;
    atomic_store(&backstop.run, number);
    atomic_store(&backstop.stopped, number << REASON_BITS);
    atomic_store(&backstop.left, number << REASON_BITS);
    atomic_store(&backstop.armed, false);
    atomic_store(&backstop.unsafe, false);
    atomic_store(&backstop.goes_on, false);
    atomic_store(&backstop.answer, NOT_ASKED);
    atomic_store(&backstop.have_folder, false);
    where[0] = '\0';
    mp_outlet_begin();
    mp_disk_forget();
}

/*
 * core.phase("run" | "script" | "closing" | "closed" | "none" [, folder of the run]): what the
 * loop thread is about. With "script", the running coroutine and those that it makes can be
 * interrupted. "run" begins a run if none goes on; "closed": the record is, its report may
 * not be.
 */
static int set_phase(lua_State *L)
{
    enum phase next = (enum phase)luaL_checkoption(L, 1, NULL, phase_names);
    const char *path = luaL_optstring(L, 2, NULL);
    enum phase now = phase_of(atomic_load(&backstop.state));
    if (!started && next != PHASE_RUN)
        return 0; // there is no run to be ended
    bool going_on = now == PHASE_RUN || now == PHASE_SCRIPT;
    if (next == PHASE_RUN && !going_on)
        begin_run();
    if (path != NULL && !atomic_load(&backstop.have_folder)) {
        (void)snprintf(backstop.folder, sizeof backstop.folder, "%s", path);
        atomic_store(&backstop.have_folder, true);
    }
    if (!started)
        start(L);
    mp_host_turns(mp_check_host(L)); // from now on also a loop that waits is seen to be alive
    mp_backstop_turned();
    if (next == PHASE_CLOSING && now == PHASE_CLOSED)
        return 0; // it stays so
    change(next == PHASE_RUN || next == PHASE_SCRIPT ? ASKING : 0, (unsigned)next);
    return 0;
}

/*
 * core.asks(true): from now on the device is being asked whether it is disarmed; that has times
 * of its own. core.asks(false, disarmed): it says so, or not
 */
static int asks(lua_State *L)
{
    bool begins = lua_toboolean(L, 1);
    mp_backstop_turned();
    if (!begins && lua_toboolean(L, 2)) {
        atomic_store(&backstop.unsafe, false);
        atomic_store(&backstop.answer, SAYS_DISARMED);
    } else if (!begins)
        atomic_store(&backstop.answer, DOES_NOT_SAY);
    change(PHASE_BITS, begins ? ASKING : 0);
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
 * if a stop does not end them. core.interruptible(false): no longer; -> the line that was
 * interrupted first, or nil
 */
static int interruptible(lua_State *L)
{
    if (lua_toboolean(L, 1)) {
        lua_sethook(L, on_count, LUA_MASKCOUNT, INSTRUCTIONS);
        return 0;
    }
    lua_sethook(L, NULL, 0, 0);
    if (atomic_load(&backstop.goes_on))
        change(~(unsigned)INTERRUPTING, 0); // other parts of the script are not
    if (where[0] == '\0')
        return 0;
    lua_pushstring(L, where);
    return 1;
}

/*
 * core.goes_on(true): in virtual time a script that does not yield is interrupted as ever, but
 * the run is not stopped: whoever began that part of it decides what comes of it
 */
static int goes_on(lua_State *L)
{
    atomic_store(&backstop.goes_on, lua_toboolean(L, 1));
    return 0;
}

/* core.stop_began(reason): one that the engine does not know of */
static int stop_began(lua_State *L)
{
    enum mp_stop reason = mp_stop_find(luaL_checkstring(L, 1));
    if (reason == MP_STOP_COUNT)
        reason = MP_STOP_ERROR;
    note_stop(&backstop.stopped, atomic_load(&backstop.run), reason); // also one asked for
    return 0;
}

/* core.muted() -> was output let go of, or a write of it broken off, because nobody took it? */
static int is_muted(lua_State *L)
{
    lua_pushboolean(L, mp_outlet_muted());
    return 1;
}

/* core.last_words(text): where standard error was let go of, text is tried where it went. */
static int last_words(lua_State *L)
{
    mp_outlet_repeat(luaL_checkstring(L, 1));
    return 0;
}

void mp_open_backstop(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"phase", set_phase}, {"interrupts", set_interrupts}, {"interruptible", interruptible},
        {"goes_on", goes_on}, {"stop_began", stop_began},     {"muted", is_muted},
        {"asks", asks},       {"last_words", last_words},     {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
