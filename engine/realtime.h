/*
 * realtime.h - asks the host for what a timing thread needs, and says what it got.
 *
 * Nothing here is required: everything works for an ordinary user, less exactly.
 *
 * Several may be armed at once (two stimulators, a latency test beside one), so what belongs to
 * the whole process is held until the last of them lets go: locked memory is counted, each has
 * a cpu_dma_latency request of its own, which the system adds up. Priority and timer slack
 * belong to the dispatcher's thread and end with it.
 */
#ifndef MP_REALTIME_H
#define MP_REALTIME_H

#include <stdbool.h>
#include <stddef.h>

struct mp_realtime {
    bool fifo;   // SCHED_FIFO granted to the dispatcher thread
    bool spin;   // the last 200 us before a deadline are spun: only with fifo and two cores
    bool locked; // memory locked
    bool dma;    // cpu_dma_latency held at 0: the processor takes no deep sleeps
    int dma_fd;
};

/* A loop thread, before the dispatcher starts: lock memory, hold cpu_dma_latency. */
void mp_realtime_prepare(struct mp_realtime *realtime);
/* The dispatcher thread calls this first: timer slack 1 ns, SCHED_FIFO if allowed. */
void mp_realtime_enter(struct mp_realtime *realtime);
/* The same for a thread that hurries, and that the dispatcher's must not wait for: it has one
 * priority less. */
void mp_realtime_enter_below(void);
/*
 * A loop thread, after the dispatcher has ended: lets go of what this one holds, and of no
 * more. A second call does nothing.
 */
void mp_realtime_release(struct mp_realtime *realtime);

/* One line for people: what was granted, and how to get what was not. */
void mp_realtime_describe(const struct mp_realtime *realtime, char *text, size_t size);

#endif
