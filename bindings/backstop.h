/*
 * backstop.h - what ends a run that a stop did not end.
 *
 * A stop makes the device safe whatever the script does: that is the dispatcher's thread. The
 * rest of a run's end is the loop thread's: the script returns, the device is asked, the record
 * is closed. A script may keep it from that (an endless loop, a call into C that no hook
 * reaches, a read of something that never comes), and so may a terminal that takes no output.
 * This thread looks at it every 50 ms, from the stop on:
 *
 *   output that nobody takes for 0.4 s   is let go of: it goes to /dev/null, the write ends
 *   0.3 s without a turn of the loop,
 *   or 1 s of a script that goes on      the script is interrupted: an error at its next
 *                                        instruction and at every one after it; a read that
 *                                        waits ends with EINTR
 *   1.7 s of either                      the process is ended, with a message and a status: the
 *                                        flight record has everything, moonpulse recover reads
 * it 0.5 s of closing the Lua state       the process is ended: the record is closed by then
 *
 * The times count while this thread itself gets its turns: not while the process is suspended.
 *
 * Shared: atomics, written by the loop thread (phase, turns, stops), by a signal handler
 * (stops), by this thread (interrupting). The rest is set before the thread starts.
 */
#ifndef MP_BACKSTOP_H
#define MP_BACKSTOP_H

#include "engine/dispatcher.h"

#include <lua.h>
#include <stdbool.h>

/* Is there a run to be ended? Then a signal leaves everything but the stop to this. */
bool mp_backstop_on(void);
/*
 * A stop came, for this reason; the first one counts. After MP_STOP_FINISHED and
 * MP_STOP_REQUESTED a script may go on. Any thread, also a signal handler.
 */
void mp_backstop_stopped(enum mp_stop reason);
/* The safe frame of what was armed could not be sent. Loop thread. */
void mp_backstop_unsafe(void);
/* The loop has turned. Loop thread. */
void mp_backstop_turned(void);
/* Before the process is ended without its atexit handlers: called once, on this thread. */
void mp_backstop_at_end(void (*restore)(void));

/*
 * All that is left is to close the Lua state, which may wait for a child process: for how long
 * is bounded. The process ends with status then. Loop thread.
 */
void mp_backstop_last(int status);

#endif
