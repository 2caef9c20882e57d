/*
 * What the process holds while something is armed. The host's answers are made up, so that
 * this is the same for root and for a user who may lock nothing.
 */
#include "engine/realtime.h"

#include "tests/check.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

// ours are called instead of the C library's, also by the engine
int mlockall(int flags);
int munlockall(void);
// a thread sanitizer asks for its stack's limit before it is ready
__attribute__((no_sanitize("thread"))) int getrlimit(__rlimit_resource_t resource,
                                                     struct rlimit *limit);

static bool locked, refuses;
static int unlocked; // how often
static void (*meanwhile)(void);

int mlockall(int flags)
{
    CHECK_INT(flags, MCL_CURRENT | MCL_FUTURE);
    if (refuses) {
        errno = ENOMEM;
        return -1;
    }
    locked = true;
    return 0;
}

int munlockall(void)
{
    void (*call)(void) = meanwhile;
    meanwhile = NULL;
    if (call != NULL)
        call();
    locked = false;
    unlocked++;
    return 0;
}

int getrlimit(__rlimit_resource_t resource, struct rlimit *limit)
{
    if (resource != RLIMIT_MEMLOCK)
        return prlimit(0, resource, NULL, limit);
    limit->rlim_cur = limit->rlim_max = RLIM_INFINITY;
    return 0;
}

static void the_last_to_leave_unlocks_memory(void)
{
    struct mp_realtime one, two;
    unlocked = 0;
    mp_realtime_prepare(&one);
    mp_realtime_prepare(&two);
    CHECK(one.locked && two.locked && locked);
    mp_realtime_release(&one);
    CHECK(locked); // two is still armed
    CHECK(!one.locked && two.locked);
    mp_realtime_release(&one); // lets go of nothing that is not its own
    CHECK(locked);
    mp_realtime_release(&two);
    CHECK(!locked);
    CHECK_INT(unlocked, 1);
    mp_realtime_prepare(&one);
    CHECK(one.locked && locked);
    mp_realtime_release(&one);
    CHECK(!locked);
}

static void who_was_refused_holds_nothing(void)
{
    struct mp_realtime one, two;
    mp_realtime_prepare(&one);
    refuses = true;
    mp_realtime_prepare(&two);
    refuses = false;
    CHECK(!two.locked);
    mp_realtime_release(&two);
    CHECK(locked);
    mp_realtime_release(&one);
    CHECK(!locked);
}

static int noted;

static struct mp_realtime late;

static void arm_late(void)
{
    mp_realtime_prepare(&late);
}

/* Another thread locks after the count was read and before memory is unlocked. */
static void a_lock_in_the_middle_of_an_unlock_holds(void)
{
    struct mp_realtime one;
    mp_realtime_prepare(&one);
    meanwhile = arm_late;
    mp_realtime_release(&one);
    CHECK(late.locked && locked);
    mp_realtime_release(&late);
    CHECK(!locked);
}

/* A request lives as long as its file: each has one, so none ends that of another. */
static void each_has_its_own_request_against_deep_sleep(void)
{
    struct mp_realtime one, two;
    mp_realtime_prepare(&one);
    mp_realtime_prepare(&two);
    CHECK(one.dma_fd < 0 || one.dma_fd != two.dma_fd);
    mp_realtime_release(&one);
    CHECK_INT(one.dma_fd, -1);
    CHECK(!one.dma);
    if (two.dma) // else this host has no such file, or it is not ours to open
        CHECK(two.dma_fd >= 0);
    mp_realtime_release(&two);
    CHECK_INT(two.dma_fd, -1);
}

static void *note_priority(void *enters)
{
    static struct mp_realtime granted;
    struct sched_param own;
    int policy;
    if (enters == NULL)
        mp_realtime_enter_below();
    else
        mp_realtime_enter(&granted);
    CHECK_INT(pthread_getschedparam(pthread_self(), &policy, &own), 0);
    noted = policy == SCHED_FIFO ? own.sched_priority : 0;
    return NULL;
}

static int priority_of(void *enters)
{
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, note_priority, enters), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    return noted;
}

/* Where the host allows none, nobody has one. */
static void who_hurries_beside_the_dispatcher_is_below_it(void)
{
    const int dispatchers = priority_of(&noted);
    CHECK_INT(priority_of(NULL), dispatchers > 0 ? dispatchers - 1 : 0);
}

int main(void)
{
    who_hurries_beside_the_dispatcher_is_below_it();
    the_last_to_leave_unlocks_memory();
    who_was_refused_holds_nothing();
    a_lock_in_the_middle_of_an_unlock_holds();
    each_has_its_own_request_against_deep_sleep();
    return CHECK_DONE("test_realtime");
}
