#include "engine/wake.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum mp_status mp_wake_init(struct mp_wake *wake, bool input, struct mp_error *err)
{
    atomic_init(&wake->polled, false);
    wake->fd = input ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
    if (input && wake->fd < 0)
        return mp_fail_sys(err, MP_EIO, errno, "cannot make what wakes a timing thread");
    (void)sem_init(&wake->posted, 0, 0);
    return MP_OK;
}

void mp_wake_fini(struct mp_wake *wake)
{
    if (wake->fd >= 0)
        (void)close(wake->fd);
    (void)sem_destroy(&wake->posted);
}

void mp_wake_post(struct mp_wake *wake)
{
    static const uint64_t one = 1;
    const int kept = errno; // a signal handler may call this
    (void)sem_post(&wake->posted);
    // sequentially consistent, as in mp_wait_input: either it sees the post, or we see that it
    // polls
    atomic_thread_fence(memory_order_seq_cst);
    if (wake->fd >= 0 && atomic_load(&wake->polled) &&
        write(wake->fd, &one, sizeof one) < 0) // full: it is readable as it is
        errno = kept;
    errno = kept;
}
