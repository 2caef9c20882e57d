#include "engine/clock.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now); // cannot fail for these clocks with a valid pointer
    return (int64_t)now.tv_sec * MP_NS_PER_S + now.tv_nsec;
}

int64_t mp_clock_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t mp_clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

struct timespec mp_clock_timespec(int64_t ns)
{
    if (ns < 0)
        ns = 0;
    return (struct timespec){.tv_sec = (time_t)(ns / MP_NS_PER_S),
                             .tv_nsec = (long)(ns % MP_NS_PER_S)};
}
