/*
 * clock.h - the one clock of the engine: int64_t nanoseconds on CLOCK_MONOTONIC.
 *
 * No function here fails, allocates or blocks; any thread may call them.
 */
#ifndef MP_CLOCK_H
#define MP_CLOCK_H

#include <stdint.h>
#include <time.h>

#define MP_NS_PER_S INT64_C(1000000000)
#define MP_NS_PER_MS INT64_C(1000000)
#define MP_NS_PER_US INT64_C(1000)

/* Nanoseconds since an arbitrary fixed point; never goes back. */
int64_t mp_clock_ns(void);

/* Nanoseconds since 1970-01-01 UTC: recorded once beside a run's start, times nothing. */
int64_t mp_clock_wall_ns(void);

/* The same instant as a struct timespec, for calls with an absolute deadline. */
struct timespec mp_clock_timespec(int64_t ns);

/* A clock that is not the monotonic one: a virtual world's, or one that tests turn by hand. */
struct mp_time {
    int64_t (*now)(void *context);
    void *context;
};

#endif
