#include "engine/mapped.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct mp_mapped *_Atomic watched[MP_MAPPED_MAX];
static _Atomic int looking; // handlers that look at what is watched
// written once, before anything is watched
static struct sigaction before; // what SIGBUS did
static uintptr_t page_bytes;

/* The system call itself, which is no more than that in a signal's handler; mmap may be
 * another's (a sanitizer's). */
static bool map_page(uintptr_t page)
{
    const int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
#ifdef SYS_mmap
    return syscall(SYS_mmap, page, page_bytes, prot, flags, -1, 0) != -1;
#else
    return mmap((void *)page, page_bytes, prot, flags, -1, 0) != MAP_FAILED;
#endif
}

/* The lost page is not locked any more: so the limit of locked memory holds one more. */
static void unlock_page(uintptr_t page)
{
#ifdef SYS_munlock
    (void)syscall(SYS_munlock, page, page_bytes);
#else
    (void)munlock((void *)page, page_bytes);
#endif
}

/* A page of no file in the place of the one that is gone: the store is done again there. Where
 * two threads come to it at once, what one of them stored may be lost as well. */
static bool mend(struct mp_mapped *mapped, uintptr_t at)
{
    uintptr_t page = at & ~(page_bytes - 1);
    mp_mapped_lose(mapped);
    if (map_page(page))
        return true;
    unlock_page(page);
    return map_page(page);
}

static void on_bus(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    bool mended = false;
    uintptr_t at = (uintptr_t)info->si_addr;
    (void)context;
    (void)atomic_fetch_add(&looking, 1);
    // one that somebody sent (kill) has no address
    for (int i = 0; i < MP_MAPPED_MAX && info->si_code > 0 && !mended; i++) {
        struct mp_mapped *mapped = atomic_load(&watched[i]);
        uintptr_t from = mapped == NULL ? 0 : (uintptr_t)mapped->at;
        if (mapped != NULL && at >= from && at - from < mapped->bytes)
            mended = mend(mapped, at);
    }
    (void)atomic_fetch_sub(&looking, 1);
    if (!mended) { // as without us: the access is tried again, or the signal sent again
        (void)sigaction(number, &before, NULL);
        if (info->si_code <= 0)
            (void)raise(number);
    }
    errno = saved;
}

static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
    (void)sigemptyset(&action.sa_mask);
    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)sigaction(SIGBUS, &action, &before);
}

bool mp_mapped_watch(struct mp_mapped *mapped)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    atomic_store(&mapped->lost, false);
    (void)pthread_once(&once, install); // who comes second waits: its pages may be lost at once
    for (int i = 0; i < MP_MAPPED_MAX; i++) {
        struct mp_mapped *none = NULL;
        if (atomic_compare_exchange_strong(&watched[i], &none, mapped))
            return true;
    }
    return false;
}

void mp_mapped_forget(struct mp_mapped *mapped)
{
    for (int i = 0; i < MP_MAPPED_MAX; i++) {
        struct mp_mapped *expected = mapped;
        if (!atomic_compare_exchange_strong(&watched[i], &expected, NULL))
            continue;
        while (atomic_load(&looking) != 0) // for some microseconds
            continue;
        return;
    }
}

void mp_mapped_mask(sigset_t *set)
{
    (void)sigfillset(set);
    (void)sigdelset(set, SIGBUS);
}
