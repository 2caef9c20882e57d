/*
 * armed.h - signals, and the sessions that a signal or an exit must make safe.
 *
 * A signal handler may run while Lua is stuck in a script, so the stop does not pass
 * through Lua: the handler latches the stop of every armed session, then wakes the loop.
 * The first signal leaves the rest to the script, or to the backstop (backstop.h) if there
 * is a run: then further ones change nothing but a closing that takes long. Without a run, one
 * that comes when the loop has not taken the first for a second interrupts the stuck script;
 * after three seconds it ends the process.
 */
#ifndef MP_ARMED_H
#define MP_ARMED_H

#include "engine/session.h"

#include <lua.h>
#include <stdbool.h>
#include <uv.h>

/* Latch a stop of everything that is armed; the dispatchers send their safe frames. */
void mp_armed_stop(enum mp_stop reason);
/* One of several devices that are armed together stops: so do the others, with MP_STOP_PEER.
 * For mp_arming.stops: a dispatcher's thread; in virtual time, where there is none, the loop's.
 */
void mp_armed_peers(void);
/* Why what is armed stops (MP_STOP_NONE: it does not). Any thread. */
enum mp_stop mp_armed_reason(void);
/* Is the safe frame of everything that is armed out? Any thread. */
bool mp_armed_safe(void);
/* Stop everything that is armed and wait until it is safe; nothing is reported. Loop thread. */
void mp_armed_join(void);

/* Is anything armed, or being armed? Loop thread. */
bool mp_armed_any(void);
/* Remember session as one to stop; false when too many are. Loop thread. */
bool mp_armed_add(struct mp_session *session);
/* Forget it. Returns once no other thread or handler looks at it, for which it spins some
 * microseconds: then it may be freed. Loop thread. */
void mp_armed_remove(struct mp_session *session);

/* Catch SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGTSTP (Ctrl-Z would leave the device armed):
 * stop what is armed, then uv_async_send(wake), whose data is the host (tasks.h). A SIGHUP that
 * was ignored stays so: nohup. */
void mp_signal_catch(uv_async_t *wake);
/* Which coroutine a second signal, or the backstop, interrupts: told at every resume; NULL:
 * none. Returns the one before. */
lua_State *mp_signal_running(lua_State *co);
/* The coroutine that runs now, as told last; NULL: none. On the loop thread, also in a handler:
 * only there does it stay so. */
lua_State *mp_signal_runs(void);
/* Back to the default handling, or what it was. */
void mp_signal_restore(void);
/* For the end of the program: if they were caught, a further one must not change its status.
 */
void mp_signal_ignore(void);
/* A signal that came. */
struct mp_signal {
    int number; // 0: none
    /* What it stops with: MP_STOP_SIGNAL, or MP_STOP_PROGRAM where moonpulse ctl sent it
     * (MP_ASKED_TO_STOP goes with it) because the loop did not answer. */
    enum mp_stop reason;
};
enum { MP_ASKED_TO_STOP = 0x6d70 };
/* The first signal that came and was not taken. Whoever arms looks at it once what is armed can
 * be stopped: the handler may have come just before. */
struct mp_signal mp_signal_pending(void);
/* The same, once: the next one is the first then. */
struct mp_signal mp_signal_take(void);

#endif
