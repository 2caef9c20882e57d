/*
 * wait.h - the one way a timing thread waits for an instant on the monotonic clock, and for
 * bytes beside it.
 *
 * Used by the dispatcher and by the latency test, so that what the test measures is what
 * a pulse gets. Allocates nothing and takes no lock; for the thread that entered
 * mp_realtime_enter.
 */
#ifndef MP_WAIT_H
#define MP_WAIT_H

#include "engine/wake.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Sleep until deadline_ns. A post of wake ends the sleep at once; so does a signal. With
 * spin the last 200 us are spun, which only a SCHED_FIFO thread that leaves another core
 * free may do; a nonzero *stop ends the spinning.
 * True when the deadline has come; false: look why, then wait again.
 */
bool mp_wait_until(struct mp_wake *wake, const _Atomic int *stop, int64_t deadline_ns,
                   bool spin);

/*
 * Sleep until deadline_ns, or until fd has something to read or is lost. wake must have been
 * made for input; a post ends the sleep. True when the deadline has come; false: look why.
 */
bool mp_wait_input(struct mp_wake *wake, int64_t deadline_ns, int fd);

#endif
