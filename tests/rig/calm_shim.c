/*
 * calm_shim.c - a clock that does not judge the computer. LD_PRELOAD only, with $MP_CALM: a
 * file, made if it is not there; without it nothing changes. The time of all programs that
 * share the file goes on as the computer's does, but not past an instant until which one of
 * their threads sleeps (and what it is granted): where the computer lets that thread sleep on,
 * time stands still. And where a thread wants a processor and gets none, as the kernel counts
 * it, time stands still as well. So a stall of the machine is seen by nobody, and a busy one
 * is a slow one. What a program computes (while no other wants a processor in vain), and that
 * somebody stopped or killed it, takes its time as ever. (Why a thread wakes late cannot be
 * known: a program that starves a thread of its own is not found out with this clock.) Who is
 * looked after: moonpulse from its start, others from their first sleep.
 *
 * A dispatcher waits in sem_clockwait and ppoll and is granted 0.3 ms (it wakes 0.2 ms before a
 * pulse and looks at the clock until then); whatever else waits is granted 5 ms: nothing of it
 * is judged by less. The wall clock goes with it: nobody has set it. Files keep the computer's
 * times, which are later than this clock's by what was lost.
 */
#include "tests/rig/calm_clock.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

enum { TIMERS = 32 };

/* Timers in files, which an event loop waits for. Each belongs to the thread of its loop. */
struct timer {
    int fd, loop;        // 0: none
    int64_t due_ns;      // 0: not set
    int64_t set_lost_ns; // what was lost when it was set
};

static const int64_t granted_ns = 5 * MS_NS, dispatcher_granted_ns = 3 * MS_NS / 10;

static _Thread_local struct timer timers[TIMERS];

static void *next_of(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

#define REAL(name)                                                                             \
    static __typeof__(name) *real;                                                             \
    if (real == NULL)                                                                          \
    *(void **)&real = next_of(#name)

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / S_NS), .tv_nsec = (long)(ns % S_NS)};
}

static int64_t ns_of(const struct timespec *t)
{
    return t->tv_sec >= INT64_MAX / S_NS ? INT64_MAX : (int64_t)t->tv_sec * S_NS + t->tv_nsec;
}

/* By the computer's clock. */
static struct timespec real_of(int64_t ns)
{
    const int64_t lost_ns = calm->lost_ns;
    return timespec_of(ns > INT64_MAX - lost_ns ? INT64_MAX : ns + lost_ns);
}

/* ---- clocks ---- */

/* How far that clock is ahead of the monotonic one. */
static int64_t ahead_of(clockid_t id)
{
    int64_t before = 0, then = 0, after = 0;
    for (int tries = 0; tries < 20; tries++) {
        before = calm_real_ns(CLOCK_MONOTONIC);
        then = calm_real_ns(id);
        after = calm_real_ns(CLOCK_MONOTONIC);
        if (after - before < MS_NS / 50)
            break;
    }
    const int64_t by_ns = then - before - (after - before) / 2;
    if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)
        return by_ns;
    int64_t known_ns = calm->ahead_ns; // all are told the same, unless somebody set it
    if (by_ns - known_ns <= MS_NS && known_ns - by_ns <= MS_NS)
        return known_ns;
    return atomic_compare_exchange_strong(&calm->ahead_ns, &known_ns, by_ns) ? by_ns : known_ns;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    REAL(clock_gettime);
    const bool lasts = id == CLOCK_MONOTONIC || id == CLOCK_REALTIME || id == CLOCK_BOOTTIME ||
                       id == CLOCK_MONOTONIC_RAW || id == CLOCK_MONOTONIC_COARSE ||
                       id == CLOCK_REALTIME_COARSE || id == CLOCK_TAI;
    if (calm == NULL || !lasts)
        return real(id, t);
    const int64_t ahead_ns = id == CLOCK_MONOTONIC ? 0 : ahead_of(id);
    *t = timespec_of(calm_now_ns() + ahead_ns);
    return 0;
}

time_t time(time_t *t)
{
    struct timespec wall;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    if (t != NULL)
        *t = wall.tv_sec;
    return wall.tv_sec;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    REAL(gettimeofday);
    if (calm == NULL || zone != NULL)
        return real(t, zone);
    struct timespec wall;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    *t = (struct timeval){.tv_sec = wall.tv_sec, .tv_usec = wall.tv_nsec / 1000};
    return 0;
}

/* ---- sleeps ---- */

/* 0, or an error number. */
static int sleep_calmly(int64_t until_ns)
{
    REAL(clock_nanosleep);
    for (int64_t t = calm_now_ns(); t < until_ns; t = calm_now_ns()) {
        struct timespec left = timespec_of(until_ns - t);
        calm_sleeps(until_ns, granted_ns);
        int result = real(CLOCK_MONOTONIC, 0, &left, NULL);
        calm_woke();
        if (result != 0)
            return result;
    }
    return 0;
}

int clock_nanosleep(clockid_t id, int flags, const struct timespec *t, struct timespec *rest)
{
    REAL(clock_nanosleep);
    if (calm == NULL || t->tv_nsec < 0 || t->tv_nsec >= S_NS || t->tv_sec < 0 ||
        (flags != 0 && id != CLOCK_MONOTONIC))
        return real(id, flags, t, rest);
    const int64_t until_ns = flags == 0 ? calm_now_ns() + ns_of(t) : ns_of(t);
    const int result = sleep_calmly(until_ns);
    if (result == EINTR && flags == 0 && rest != NULL) {
        const int64_t left_ns = until_ns - calm_now_ns();
        *rest = timespec_of(left_ns > 0 ? left_ns : 0);
    }
    return result;
}

int nanosleep(const struct timespec *t, struct timespec *rest)
{
    const int result = clock_nanosleep(CLOCK_REALTIME, 0, t, rest);
    if (result == 0)
        return 0;
    errno = result;
    return -1;
}

int sem_clockwait(sem_t *sem, clockid_t id, const struct timespec *t)
{
    REAL(sem_clockwait);
    if (calm == NULL || id != CLOCK_MONOTONIC)
        return real(sem, id, t);
    const int64_t until_ns = ns_of(t);
    for (;;) {
        calm_sleeps(until_ns, dispatcher_granted_ns);
        const struct timespec by = real_of(until_ns);
        const int result = real(sem, id, &by);
        calm_woke();
        if (result == 0 || errno != ETIMEDOUT || calm_now_ns() >= until_ns)
            return result;
    }
}

/* What others wait with, until an instant of this clock: it may come too early, not too late.
 */

int sem_timedwait(sem_t *sem, const struct timespec *t)
{
    REAL(sem_timedwait);
    const struct timespec by = calm == NULL ? *t : real_of(ns_of(t));
    return real(sem, &by);
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                           const struct timespec *t)
{
    REAL(pthread_cond_timedwait);
    const struct timespec by = calm == NULL ? *t : real_of(ns_of(t));
    return real(cond, mutex, &by);
}

int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t id,
                           const struct timespec *t)
{
    REAL(pthread_cond_clockwait);
    const struct timespec by = calm == NULL ? *t : real_of(ns_of(t));
    return real(cond, mutex, id, &by);
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *t, const sigset_t *mask)
{
    REAL(ppoll);
    if (calm == NULL || t == NULL || (t->tv_sec == 0 && t->tv_nsec == 0))
        return real(fds, count, t, mask);
    const int64_t until_ns = calm_now_ns() + ns_of(t);
    for (;;) {
        const int64_t left_ns = until_ns - calm_now_ns();
        const struct timespec left = timespec_of(left_ns > 0 ? left_ns : 0);
        calm_sleeps(until_ns, dispatcher_granted_ns);
        const int result = real(fds, count, &left, mask);
        calm_woke();
        if (result != 0 || calm_now_ns() >= until_ns)
            return result;
    }
}

/* Milliseconds until then, not too few. */
static int ms_until(int64_t until_ns)
{
    const int64_t left_ms = (until_ns - calm_now_ns() + MS_NS - 1) / MS_NS;
    return left_ms < 0 ? 0 : left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

int poll(struct pollfd *fds, nfds_t count, int ms)
{
    REAL(poll);
    if (calm == NULL || ms <= 0)
        return real(fds, count, ms);
    const int64_t until_ns = calm_now_ns() + ms * MS_NS;
    for (;;) {
        calm_sleeps(until_ns, granted_ns);
        const int result = real(fds, count, ms_until(until_ns));
        calm_woke();
        if (result != 0 || calm_now_ns() >= until_ns)
            return result;
    }
}

/* ---- event loops ---- */

int timerfd_settime(int fd, int flags, const struct itimerspec *t, struct itimerspec *old)
{
    REAL(timerfd_settime);
    if (calm == NULL || flags != TFD_TIMER_ABSTIME || t->it_interval.tv_sec != 0 ||
        t->it_interval.tv_nsec != 0)
        return real(fd, flags, t, old);
    const int64_t due_ns = ns_of(&t->it_value);
    (void)calm_now_ns();
    const int64_t lost_ns = calm->lost_ns;
    const struct itimerspec by = {.it_value = timespec_of(due_ns == 0 ? 0 : due_ns + lost_ns)};
    for (int i = 0; i < TIMERS; i++)
        if (timers[i].fd == fd)
            timers[i].due_ns = due_ns, timers[i].set_lost_ns = lost_ns;
    return real(fd, flags, &by, old);
}

int epoll_ctl(int loop, int operation, int fd, struct epoll_event *event)
{
    REAL(epoll_ctl);
    const int result = real(loop, operation, fd, event);
    if (calm == NULL || result != 0 || operation == EPOLL_CTL_MOD)
        return result;
    for (int i = 0; i < TIMERS; i++)
        if (timers[i].fd == fd && operation == EPOLL_CTL_ADD)
            timers[i].loop = loop;
        else if (timers[i].fd == fd)
            timers[i].loop = 0, timers[i].due_ns = 0;
    return result;
}

int timerfd_create(int id, int flags)
{
    REAL(timerfd_create);
    const int fd = real(id, flags);
    int at = -1;
    for (int i = TIMERS - 1; i >= 0; i--)
        if (timers[i].fd == fd || (timers[i].loop == 0 && (at < 0 || timers[at].fd != fd)))
            at = i;
    if (fd >= 0 && at >= 0 && id == CLOCK_MONOTONIC)
        timers[at] = (struct timer){.fd = fd};
    return fd;
}

/* Until when the loop waits: INT64_MAX: for ever. Its timers are set by what was lost since. */
static int64_t loop_until(int loop, int ms)
{
    int64_t until_ns = ms < 0 ? INT64_MAX : calm_now_ns() + ms * MS_NS;
    for (int i = 0; i < TIMERS; i++) {
        struct timer *t = &timers[i];
        if (t->loop != loop || t->fd == 0 || t->due_ns == 0)
            continue;
        if (t->set_lost_ns != calm->lost_ns) {
            const struct itimerspec due = {.it_value = timespec_of(t->due_ns)};
            (void)timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &due, NULL);
        }
        if (t->due_ns < until_ns)
            until_ns = t->due_ns;
    }
    return until_ns;
}

int epoll_pwait(int loop, struct epoll_event *events, int room, int ms, const sigset_t *mask)
{
    REAL(epoll_pwait);
    if (calm == NULL || ms == 0)
        return real(loop, events, room, ms, mask);
    const int64_t until_ns = loop_until(loop, ms);
    calm_sleeps(until_ns, granted_ns);
    const int result = real(loop, events, room, ms, mask);
    calm_woke();
    return result;
}

int epoll_wait(int loop, struct epoll_event *events, int room, int ms)
{
    return epoll_pwait(loop, events, room, ms, NULL);
}
