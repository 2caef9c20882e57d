#include "bindings/armed.h"

#include "bindings/backstop.h"
#include "bindings/tasks.h"

#include "engine/clock.h"

#include <lauxlib.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SESSIONS = 16 };

static struct mp_session *_Atomic armed[SESSIONS];
static _Atomic int looking; // at the sessions, on a thread that does not own them
static uv_async_t *_Atomic wake_async;
static lua_State *_Atomic running;
enum { NUMBER_BITS = 8 };
static _Atomic unsigned pending;   // number | reason << NUMBER_BITS of the first one; 0: none
static _Atomic int64_t unheard_ns; // when the first signal came that the loop has not taken
static const int64_t stuck_ns = MP_NS_PER_S;
static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
enum { CAUGHT = sizeof caught / sizeof caught[0] };
static bool left_alone[CAUGHT]; // ignored from the start

void mp_armed_stop(enum mp_stop reason)
{
    (void)atomic_fetch_add(&looking, 1);
    for (int i = 0; i < SESSIONS; i++) {
        struct mp_session *session = atomic_load(&armed[i]);
        if (session != NULL)
            mp_session_stop_async(session, reason);
    }
    (void)atomic_fetch_sub(&looking, 1);
}

void mp_armed_peers(void)
{
    (void)atomic_fetch_add(&looking, 1);
    for (int i = 0; i < SESSIONS; i++) {
        struct mp_session *session = atomic_load(&armed[i]);
        if (session != NULL) // its own reason stays the one it has
            mp_session_latch(session, MP_STOP_PEER);
    }
    (void)atomic_fetch_sub(&looking, 1);
}

static enum mp_stop look_at_all(bool *safe)
{
    enum mp_stop reason = MP_STOP_NONE;
    *safe = true;
    (void)atomic_fetch_add(&looking, 1);
    for (int i = 0; i < SESSIONS; i++) {
        bool this_safe = true;
        struct mp_session *session = atomic_load(&armed[i]);
        enum mp_stop its =
            session == NULL ? MP_STOP_NONE : mp_session_peek(session, &this_safe);
        if (its != MP_STOP_NONE)
            reason = its;
        *safe = *safe && this_safe;
    }
    (void)atomic_fetch_sub(&looking, 1);
    return reason;
}

enum mp_stop mp_armed_reason(void)
{
    bool safe;
    return look_at_all(&safe);
}

bool mp_armed_safe(void)
{
    bool safe;
    (void)look_at_all(&safe);
    return safe;
}

void mp_armed_join(void)
{
    for (int i = 0; i < SESSIONS; i++) {
        struct mp_session *session = atomic_load(&armed[i]);
        if (session != NULL)
            mp_session_stop_at_exit(session);
    }
}

bool mp_armed_any(void)
{
    for (int i = 0; i < SESSIONS; i++)
        if (atomic_load(&armed[i]) != NULL)
            return true;
    return false;
}

bool mp_armed_add(struct mp_session *session)
{
    static bool registered;
    if (!registered)
        registered = atexit(mp_armed_join) == 0; // exit() without lua_close()
    for (int i = 0; i < SESSIONS; i++) {
        struct mp_session *none = NULL;
        if (atomic_compare_exchange_strong(&armed[i], &none, session))
            return true;
    }
    return false;
}

void mp_armed_remove(struct mp_session *session)
{
    for (int i = 0; i < SESSIONS; i++) {
        struct mp_session *expected = session;
        if (!atomic_compare_exchange_strong(&armed[i], &expected, NULL))
            continue;
        while (atomic_load(&looking) != 0) // for some microseconds
            continue;
        return;
    }
}

static void interrupt(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    lua_sethook(L, NULL, 0, 0);
    luaL_error(L, "interrupted");
}

/* Without a run there is no backstop: does the loop not hear? */
static void insist(int number)
{
    int64_t now = mp_clock_ns(), none = 0;
    (void)atomic_compare_exchange_strong(&unheard_ns, &none, now);
    int64_t waited = now - atomic_load(&unheard_ns);
    lua_State *co = atomic_load(&running);
    if (waited > stuck_ns && co != NULL) // as lua.c does: setting a hook is safe here
        lua_sethook(co, interrupt, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
    if (waited > 3 * stuck_ns) {
        (void)signal(number, SIG_DFL);
        (void)raise(number);
    }
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    bool asked = info->si_code == SI_QUEUE && info->si_value.sival_int == MP_ASKED_TO_STOP;
    enum mp_stop reason = asked ? MP_STOP_PROGRAM : MP_STOP_SIGNAL;
    unsigned none = 0, word = (unsigned)number | (unsigned)reason << NUMBER_BITS;
    // before all else: what is being armed now looks at it (armed.h)
    (void)atomic_compare_exchange_strong(&pending, &none, word);
    mp_armed_stop(reason);
    mp_backstop_signal(reason);
    if (!mp_backstop_on())
        insist(number);
    uv_async_t *async = atomic_load(&wake_async);
    if (async != NULL) {
        struct mp_host *host = async->data;
        mp_world_call(&host->world);
        (void)uv_async_send(async);
    }
    errno = saved;
}

lua_State *mp_signal_running(lua_State *co)
{
    return atomic_exchange(&running, co);
}

lua_State *mp_signal_runs(void)
{
    return atomic_load(&running);
}

void mp_signal_catch(uv_async_t *wake)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_RESTART | SA_SIGINFO};
    struct sigaction before;
    (void)sigemptyset(&action.sa_mask);
    bool first = atomic_exchange(&wake_async, wake) == NULL;
    for (size_t i = 0; first && i < CAUGHT; i++) {
        left_alone[i] = caught[i] == SIGHUP && sigaction(SIGHUP, NULL, &before) == 0 &&
                        before.sa_handler == SIG_IGN;
        if (!left_alone[i])
            (void)sigaction(caught[i], &action, NULL);
    }
}

static void give_back(void (*handler)(int))
{
    if (atomic_exchange(&wake_async, NULL) == NULL)
        return;
    for (size_t i = 0; i < CAUGHT; i++)
        if (!left_alone[i])
            (void)signal(caught[i], handler); // SIG_DFL or SIG_IGN: no mask, no flags
    (void)mp_signal_take();
}

void mp_signal_restore(void)
{
    give_back(SIG_DFL);
}

void mp_signal_ignore(void)
{
    give_back(SIG_IGN);
}

static struct mp_signal signal_of(unsigned word)
{
    return (struct mp_signal){.number = (int)(word & ((1U << NUMBER_BITS) - 1)),
                              .reason = (enum mp_stop)(word >> NUMBER_BITS)};
}

struct mp_signal mp_signal_pending(void)
{
    return signal_of(atomic_load(&pending));
}

struct mp_signal mp_signal_take(void)
{
    atomic_store(&unheard_ns, 0);
    return signal_of(atomic_exchange(&pending, 0));
}
