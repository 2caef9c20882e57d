/*
 * backstop.h - what ends a run that a stop did not end.
 *
 * A stop makes the device safe whatever the script does: that is the dispatcher's thread. The
 * rest of a run's end is the loop thread's: the script returns, the device is asked, the record
 * is closed. A script may keep it from that (an endless loop, a call into C that no hook
 * reaches, a read of something that never comes), and so may a terminal that takes no output.
 * This thread looks at it every 50 ms, from the stop on:
 *
 *   output that nobody takes for 0.4 s   is let go of (outlet.h): the write ends
 *   0.3 s without a turn of the loop,    the script is interrupted: an error at its next
 *   or 1 s of a script that goes on      instruction and at every one after it, until the loop
 *                                        turns again; a read that waits ends with EINTR
 *   0.3 s without a turn outside of a    a read that waits ends with EINTR; a driver that has
 *   script, or while the device is       computed for 0.25 s of it is interrupted likewise. One
 *   being asked                          that was held up is not: it comes to its end
 *   1.7 s of either                      the process is ended, with a message and a status: the
 *                                        flight record has everything, moonpulse recover reads
 *                                        it. What held the loop thread up is told by its
 *                                        processor time, and at which line of the script by
 *                                        itself, in a signal handler (backstop_blame.c)
 *   closing the record and its report    as long as they take; of the signals that come after
 *                                        2 s of it, 0.3 s apart, the third ends the process
 *   0.5 s of closing the Lua state       the process is ended: the record is closed by then
 *
 * The times count while this thread itself gets its turns: not while the process is suspended,
 * and not (for 5 s) while the loop thread waits for a guard's end, which is bounded by itself.
 *
 * One process may have several runs, one after the other. core.phase("run") begins one if
 * none goes on: stops, the folder, what the device said and the line that was interrupted are
 * forgotten then, and output that was let go of is given back. A stop carries the number of its
 * run, so that one which this thread saw in an earlier run ends none.
 *
 * Shared (backstop_core.h): atomics. Phase and interruption are one word, changed by
 * compare-exchange: what this thread decides holds for the phase that it saw, or does not
 * happen, and once it ends the process the loop thread does not go on. Nothing here owns
 * memory; the hook of mp_backstop_at_end must live as long as the process.
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
/* A signal was caught, which stops with this reason (MP_STOP_SIGNAL, or MP_STOP_PROGRAM of
 * moonpulse ctl); while the record is being closed one of the three that may end that. Signal
 * handler. */
void mp_backstop_signal(enum mp_stop reason);
/* Something is armed: what the device said before is no longer so. Loop thread. */
void mp_backstop_armed(void);
/* The folder of the run; "" if it has none yet. Any thread. */
const char *mp_backstop_folder(void);
/* The safe frame of what was armed could not be sent. Loop thread. */
void mp_backstop_unsafe(void);
/* The loop has turned. Loop thread. */
void mp_backstop_turned(void);
/*
 * Time is virtual, or real again. In virtual time there is no dispatcher's thread that would
 * see that a script does not yield: after 5 s, by the real clock, this one stops the run, or
 * where core.goes_on(true) was called interrupts the script alone. Loop
 * thread.
 */
void mp_backstop_virtual(bool is_virtual);
/* Before the process is ended without its atexit handlers: called once, on this thread. */
void mp_backstop_at_end(void (*restore)(void));

/*
 * All that is left is to close the Lua state, which may wait for a child process: for how long
 * is bounded. The process ends with status then. Loop thread.
 */
void mp_backstop_last(int status);

#endif
