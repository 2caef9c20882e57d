/*
 * armed.h - signals, and the sessions that a signal or an exit must make safe.
 *
 * A signal handler may run while Lua is stuck in a script, so the stop does not pass
 * through Lua: the handler latches the stop of every armed session, then wakes the loop.
 * The first signal leaves the rest to the script; a second one, before the loop took the
 * first, interrupts the stuck script; a third one ends the process.
 */
#ifndef MP_ARMED_H
#define MP_ARMED_H

#include "engine/session.h"

#include <lua.h>
#include <stdbool.h>
#include <uv.h>

/* Remember session as one to stop; false when too many are. Loop thread. */
bool mp_armed_add(struct mp_session *session);
void mp_armed_remove(struct mp_session *session);

/* Catch SIGINT, SIGTERM, SIGHUP: stop what is armed, then uv_async_send(wake). */
void mp_signal_catch(uv_async_t *wake);
/* Which coroutine a second signal interrupts: told at every resume. NULL: none. */
void mp_signal_running(lua_State *co);
/* Back to the default handling. */
void mp_signal_restore(void);
/* The number of the signal that came, once; 0 if none. */
int mp_signal_take(void);

#endif
