#include "engine/realtime.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FIFO_PRIORITY = 80 };

static _Atomic int locks; // how many hold memory locked; munlockall() undoes every mlockall()

/* Is CAP_IPC_LOCK effective? Root has it, a program with setcap too. */
static bool may_lock_anything(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data) != 0)
        return false;
    return (data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK)) != 0;
}

/* The highest priority, up to ours, that the host allows; 0: none. */
static int allowed_priority(void)
{
    struct rlimit limit;
    const struct sched_param wanted = {.sched_priority = FIFO_PRIORITY};
    if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &wanted) == 0)
        return FIFO_PRIORITY;
    if (getrlimit(RLIMIT_RTPRIO, &limit) != 0 || limit.rlim_cur == 0)
        return 0;
    const struct sched_param granted = {.sched_priority = (int)limit.rlim_cur};
    return pthread_setschedparam(pthread_self(), SCHED_FIFO, &granted) == 0
               ? granted.sched_priority
               : 0;
}

/* The last one unlocks. Whoever locks on another thread meanwhile gets its lock again. */
static void unlock_memory(void)
{
    if (atomic_fetch_sub(&locks, 1) > 1)
        return;
    do
        (void)munlockall();
    while (atomic_load(&locks) > 0 && mlockall(MCL_CURRENT | MCL_FUTURE) == 0 &&
           atomic_load(&locks) == 0);
}

/* In a user namespace root has the capability and the limit holds all the same: then the next
 * allocation would fail. PROT_NONE counts and takes nothing. */
static bool has_room(void)
{
    enum { ROOM_BYTES = 256 * 1024 * 1024 };
    void *room = mmap(NULL, ROOM_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return false;
    (void)munmap(room, ROOM_BYTES);
    return true;
}

static bool lock_memory(void)
{
    (void)atomic_fetch_add(&locks, 1);
    if (mlockall(MCL_CURRENT | MCL_FUTURE) == 0 && has_room())
        return true;
    unlock_memory();
    return false;
}

void mp_realtime_prepare(struct mp_realtime *realtime)
{
    *realtime = (struct mp_realtime){.dma_fd = -1};
    struct rlimit limit;
    // without an unlimited grant, locking the future would make later allocations fail
    if (may_lock_anything() ||
        (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY))
        realtime->locked = lock_memory();
    realtime->dma_fd = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);
    if (realtime->dma_fd >= 0) {
        const int32_t none_us = 0; // a request of this open file alone, until it is closed
        realtime->dma = write(realtime->dma_fd, &none_us, sizeof none_us) == sizeof none_us;
    }
}

void mp_realtime_enter(struct mp_realtime *realtime)
{
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    realtime->fifo = allowed_priority() > 0;
    cpu_set_t cpus;
    bool several = sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) > 1;
    realtime->spin = realtime->fifo && several;
}

void mp_realtime_enter_below(void)
{
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    const struct sched_param below = {.sched_priority = allowed_priority() - 1};
    const struct sched_param none = {.sched_priority = 0};
    if (below.sched_priority < 0)
        return;
    if (below.sched_priority == 0)
        (void)pthread_setschedparam(pthread_self(), SCHED_OTHER, &none);
    else
        (void)pthread_setschedparam(pthread_self(), SCHED_FIFO, &below);
}

void mp_realtime_release(struct mp_realtime *realtime)
{
    if (realtime->dma_fd >= 0)
        (void)close(realtime->dma_fd);
    realtime->dma_fd = -1;
    if (realtime->locked)
        unlock_memory();
    realtime->locked = realtime->dma = false;
}

void mp_realtime_describe(const struct mp_realtime *r, char *text, size_t size)
{
    (void)snprintf(text, size, "%s%s, memory %s, processor sleep %s%s",
                   r->fifo ? "SCHED_FIFO" : "normal priority", r->spin ? " with spin" : "",
                   r->locked ? "locked" : "not locked", r->dma ? "held off" : "allowed",
                   r->fifo && r->locked && r->dma ? ""
                                                  : " (moonpulse doctor says how to get more)");
}
