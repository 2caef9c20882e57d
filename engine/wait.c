#include "engine/wait.h"

#include "engine/clock.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static const int64_t spin_ns = 200 * MP_NS_PER_US;

bool mp_wait_until(struct mp_wake *wake, const _Atomic int *stop, int64_t deadline_ns,
                   bool spin)
{
    const int64_t sleep_until = spin ? deadline_ns - spin_ns : deadline_ns;
    if (mp_clock_ns() < sleep_until) {
        struct timespec at = mp_clock_timespec(sleep_until);
        if (sem_clockwait(&wake->posted, CLOCK_MONOTONIC, &at) == 0 || errno != ETIMEDOUT)
            return false;
    }
    while (mp_clock_ns() < deadline_ns)
        if (atomic_load_explicit(stop, memory_order_acquire) != 0)
            return false;
    return true;
}

bool mp_wait_input(struct mp_wake *wake, int64_t deadline_ns, int fd)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = wake->fd, .events = POLLIN}};
    atomic_store(&wake->polled, true);
    atomic_thread_fence(memory_order_seq_cst); // as in mp_wake_post
    bool posted = sem_trywait(&wake->posted) == 0;
    const int64_t left_ns = deadline_ns - mp_clock_ns();
    int ready = 0;
    if (!posted && left_ns > 0) {
        const struct timespec left = mp_clock_timespec(left_ns);
        ready = ppoll(fds, 2, &left, NULL);
    }
    atomic_store(&wake->polled, false);
    if (ready > 0 && fds[1].revents != 0) {
        uint64_t posts;
        ssize_t got = read(wake->fd, &posts, sizeof posts);
        // each of these has posted the semaphore too: they have had their turn
        while (got == (ssize_t)sizeof posts && posts-- > 0 && sem_trywait(&wake->posted) == 0)
            continue;
    }
    return !posted && ready == 0 && mp_clock_ns() >= deadline_ns;
}
