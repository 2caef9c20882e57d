/*
 * wake.h - ends the wait of a timing thread: from any thread, also from a signal handler.
 *
 * A semaphore; and, for a thread that waits for bytes as well (mp_wait_input), a descriptor
 * that becomes readable. The descriptor is written only while somebody polls it, so that a
 * thread that waits for an instant alone is woken by one system call, as ever.
 *
 * Shared: the semaphore, the descriptor's counter, and the atomic polled, which the waiting
 * thread writes and whoever posts reads.
 */
#ifndef MP_WAKE_H
#define MP_WAKE_H

#include "engine/error.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

struct mp_wake {
    sem_t posted;
    int fd;              // an eventfd; -1: nobody will wait for bytes
    _Atomic bool polled; // the thread is about to poll it, or does
};

/* With input: mp_wait_input will be used. MP_EIO when the system has no descriptor left. */
enum mp_status mp_wake_init(struct mp_wake *wake, bool input, struct mp_error *err);
/* Once no thread waits and nobody posts any more. */
void mp_wake_fini(struct mp_wake *wake);
/* End the wait that goes on, or the next one. */
void mp_wake_post(struct mp_wake *wake);

#endif
