/*
 * hasty_shim.c - a script in virtual time that never yields is ended after five seconds of the
 * computer's clock, and computes for as long; a call in a protocol file that never returns,
 * after three of the processor's. LD_PRELOAD only, in front of the one that gives a spec its
 * clock. Who looks after the script (bindings/backstop_watch.c: a thread that only waits, 50 ms
 * at a time) has a clock that is FASTER times as fast, and one of the script's processor time
 * as well: the same number of looks, and what they come to, in less time. So has what counts a
 * thread's processor time for a signal (bindings/limited.c). Every other thread has the clock
 * that it has without.
 */
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { FASTER = 8, LOOK_MS = 50 };
static const int64_t s_ns = INT64_C(1000000000);

static _Thread_local bool looks;
static _Thread_local int64_t since_ns; // it looks, by the clock that all have

#define REAL(name)                                                                             \
    static __typeof__(name) *real;                                                             \
    if (real == NULL)                                                                          \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

int clock_gettime(clockid_t id, struct timespec *t)
{
    REAL(clock_gettime);
    const int result = real(id, t);
    const bool computed = id < 0; // of a thread
    if (result != 0 || !looks || (id != CLOCK_MONOTONIC && !computed))
        return result;
    const int64_t from_ns = computed ? 0 : since_ns;
    const int64_t ns = from_ns + FASTER * ((int64_t)t->tv_sec * s_ns + t->tv_nsec - from_ns);
    *t = (struct timespec){.tv_sec = (time_t)(ns / s_ns), .tv_nsec = (long)(ns % s_ns)};
    return 0;
}

int poll(struct pollfd *fds, nfds_t count, int ms)
{
    REAL(poll);
    if (fds != NULL || ms < LOOK_MS)
        return real(fds, count, ms);
    struct timespec now;
    if (!looks && clock_gettime(CLOCK_MONOTONIC, &now) == 0) {
        since_ns = (int64_t)now.tv_sec * s_ns + now.tv_nsec;
        looks = true;
    }
    return real(fds, count, ms / FASTER);
}

static _Thread_local timer_t computed; // of a thread's processor time
static _Thread_local bool has_computed;

int timer_create(clockid_t id, struct sigevent *event, timer_t *timer)
{
    REAL(timer_create);
    const int result = real(id, event, timer);
    if (result == 0 && id == CLOCK_THREAD_CPUTIME_ID)
        computed = *timer, has_computed = true;
    return result;
}

int timer_settime(timer_t timer, int flags, const struct itimerspec *at, struct itimerspec *old)
{
    REAL(timer_settime);
    struct itimerspec sooner = *at;
    if (has_computed && timer == computed && flags == 0) {
        const int64_t ns =
            ((int64_t)at->it_value.tv_sec * s_ns + at->it_value.tv_nsec) / FASTER;
        sooner.it_value =
            (struct timespec){.tv_sec = (time_t)(ns / s_ns), .tv_nsec = (long)(ns % s_ns)};
    }
    return real(timer, flags, &sooner, old);
}
