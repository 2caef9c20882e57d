#include "engine/wait.h"

#include "engine/clock.h"

#include <errno.h>

static const int64_t spin_ns = 200 * MP_NS_PER_US;

bool mp_wait_until(sem_t *wake, const _Atomic int *stop, int64_t deadline_ns, bool spin)
{
    const int64_t sleep_until = spin ? deadline_ns - spin_ns : deadline_ns;
    if (mp_clock_ns() < sleep_until) {
        struct timespec at = mp_clock_timespec(sleep_until);
        if (sem_clockwait(wake, CLOCK_MONOTONIC, &at) == 0 || errno != ETIMEDOUT)
            return false;
    }
    while (mp_clock_ns() < deadline_ns)
        if (atomic_load_explicit(stop, memory_order_acquire) != 0)
            return false;
    return true;
}
