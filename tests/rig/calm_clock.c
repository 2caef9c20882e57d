/* calm_clock.c - see calm_clock.h */
#include "tests/rig/calm_clock.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int64_t awake_ns = 10 * MS_NS;   // a tick, by which the kernel's count is behind
static const int64_t blocked_ns = 50 * MS_NS; // until somebody looks again
static const int64_t look_ns = MS_NS;         // by the computer's clock, between two looks
static const int64_t longest_ns = 5 * S_NS;   // that the time stands still for one thread

struct calm *calm;
static _Thread_local struct slot *own;

int64_t calm_real_ns(clockid_t id)
{
    static __typeof__(clock_gettime) *real;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    struct timespec t;
    (void)real(id, &t);
    return (int64_t)t.tv_sec * S_NS + t.tv_nsec;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- looking after a thread ---- */

static bool read_of(const struct slot *s, const char *name, char *text, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/%s", s->pid, s->tid, name);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = syscall(SYS_read, fd, text, size - 1);
    (void)syscall(SYS_close, fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* How long it had the processor, and wanted it in vain: the latter is counted once it is over.
 */
static bool times_of(const struct slot *s, int64_t *ran_ns, int64_t *kept_ns)
{
    char text[128], *end = text;
    if (!read_of(s, "schedstat", text, sizeof text))
        return false;
    *ran_ns = strtoll(text, &end, 10);
    *kept_ns = strtoll(end, NULL, 10);
    return true;
}

static bool is_own(const struct slot *s)
{
    return s->tid == (int)syscall(SYS_gettid);
}

/* 'R': it has the processor or wants it; 'S', 'D', ...: it waits for something else; 0: gone.
 */
static char state_of(const struct slot *s)
{
    char text[256];
    if (is_own(s))
        return 'R';
    const char *state = read_of(s, "stat", text, sizeof text) ? strrchr(text, ')') : NULL;
    if (state == NULL || state[1] != ' ' || strchr("ZXx", state[2]) != NULL)
        return 0;
    return state[2];
}

/* Of a thread that has run: how far the time may go on. What it wanted in vain is lost. */
static int64_t after_running(struct slot *s, int64_t t, int64_t kept_ns)
{
    const int64_t lost_ns = calm->lost_ns;
    int64_t owed_ns = kept_ns - s->kept_ns - (lost_ns - s->lost_ns);
    if (owed_ns < 0) { // more was lost, for others
        s->kept_ns = kept_ns;
        s->lost_ns = lost_ns;
        owed_ns = 0;
    }
    return owed_ns > awake_ns / 2 ? t - owed_ns : t + awake_ns - owed_ns;
}

/*
 * t would be later than until_ns, the time of s. What becomes of that: 0: s is nobody's;
 * until_ns: it stays, and so does the time.
 */
static int64_t look_after(struct slot *s, int64_t until_ns, int64_t t, int64_t real_ns)
{
    const int64_t wakes_ns = s->wakes_ns == 0 ? INT64_MAX : s->wakes_ns;
    const char state = state_of(s);
    int64_t ran_ns = 0, kept_ns = 0;
    if (state == 0 || !times_of(s, &ran_ns, &kept_ns))
        return 0;
    const bool has_run = is_own(s) || ran_ns > s->ran_ns, was_blocked = s->blocked;
    s->ran_ns = ran_ns;
    s->blocked = state != 'R';
    if (s->blocked || was_blocked || has_run)
        s->kept_since_ns = real_ns;
    if (state == 'T' || state == 't') // somebody stopped it
        return t + blocked_ns;
    if (t > wakes_ns) // but it is not woken
        return real_ns - s->wakes_real_ns > longest_ns ? 0 : wakes_ns;
    if (state != 'R')
        return least(t + blocked_ns, wakes_ns);
    if (was_blocked && !has_run)
        return least(t + awake_ns, wakes_ns);
    if (!has_run) // a kernel that does not count such times must not stop the clock
        return real_ns - s->kept_since_ns > longest_ns ? 0 : until_ns;
    return least(after_running(s, t, kept_ns), wakes_ns);
}

/* True: what time it may be has changed. */
static bool look(struct slot *s, int64_t until_ns, int64_t t, int64_t real_ns)
{
    int64_t looked_ns = s->looked_ns;
    if (real_ns - looked_ns < look_ns ||
        !atomic_compare_exchange_strong(&s->looked_ns, &looked_ns, real_ns))
        return false;
    const int saved = errno;
    int64_t was_ns = until_ns;
    const int64_t next_ns = look_after(s, until_ns, t, real_ns);
    const bool changed =
        next_ns != until_ns && atomic_compare_exchange_strong(&s->until_ns, &was_ns, next_ns);
    errno = saved;
    return changed || was_ns != until_ns;
}

/* ---- the time ---- */

static struct slot *first_of(int64_t *until_ns)
{
    struct slot *first = NULL;
    *until_ns = INT64_MAX;
    for (int64_t i = 0, n = calm->used; i < n; i++) {
        const int64_t each =
            atomic_load_explicit(&calm->slots[i].until_ns, memory_order_acquire);
        if (each > 0 && each < *until_ns)
            *until_ns = each, first = &calm->slots[i];
    }
    return first;
}

int64_t calm_now_ns(void)
{
    for (;;) {
        int64_t lost_ns = calm->lost_ns, told_ns = calm->told_ns, until_ns;
        const int64_t real_ns = calm_real_ns(CLOCK_MONOTONIC);
        struct slot *first = first_of(&until_ns);
        if (calm->lost_ns != lost_ns)
            continue;
        const int64_t may_ns = until_ns < told_ns ? told_ns : until_ns;
        int64_t t = real_ns - lost_ns;
        if (t > may_ns) {
            if (look(first, until_ns, t, real_ns) ||
                !atomic_compare_exchange_strong(&calm->lost_ns, &lost_ns, real_ns - may_ns))
                continue;
            t = may_ns;
        }
        while (told_ns < t && !atomic_compare_exchange_weak(&calm->told_ns, &told_ns, t))
            continue;
        return told_ns < t ? t : told_ns;
    }
}

/* ---- who is looked after ---- */

static struct slot *take_any(void)
{
    for (int i = 0; i < SLOTS; i++) {
        struct slot *s = &calm->slots[i];
        int64_t is_free = 0;
        if (s->until_ns != 0 || !atomic_compare_exchange_strong(&s->until_ns, &is_free, -1))
            continue;
        for (int64_t used = calm->used; used <= i;)
            (void)atomic_compare_exchange_weak(&calm->used, &used, i + 1);
        return s;
    }
    return NULL;
}

/* This thread's, to be written; NULL: it is being written, or there is none. */
static struct slot *take_own(int pid, int tid)
{
    if (own != NULL && own->pid == pid && own->tid == tid) {
        int64_t until_ns = own->until_ns;
        if (until_ns < 0) // by whoever a signal has interrupted
            return NULL;
        while (until_ns > 0 && own->pid == pid && own->tid == tid)
            if (atomic_compare_exchange_weak(&own->until_ns, &until_ns, -1))
                return own;
    }
    return own = take_any();
}

static void set_own(int64_t until_ns, int64_t wakes_ns)
{
    const int pid = getpid(), tid = (int)syscall(SYS_gettid);
    struct slot *s = take_own(pid, tid);
    if (s == NULL)
        return;
    s->pid = pid;
    s->tid = tid;
    s->wakes_ns = wakes_ns;
    s->wakes_real_ns =
        wakes_ns > INT64_MAX - calm->lost_ns ? wakes_ns : wakes_ns + calm->lost_ns;
    s->blocked = wakes_ns != 0;
    s->looked_ns = 0;
    if (wakes_ns == 0) {
        int64_t ran_ns = 0, kept_ns = 0;
        (void)times_of(s, &ran_ns, &kept_ns);
        s->ran_ns = ran_ns;
        s->kept_since_ns = calm_real_ns(CLOCK_MONOTONIC);
        s->kept_ns = kept_ns;
        s->lost_ns = calm->lost_ns;
    }
    s->until_ns = until_ns;
}

void calm_sleeps(int64_t until_ns, int64_t grant_ns)
{
    const int64_t t = calm_now_ns();
    if (until_ns < t)
        until_ns = t;
    if (until_ns < INT64_MAX - grant_ns)
        until_ns += grant_ns;
    set_own(least(until_ns, t + blocked_ns), until_ns);
}

void calm_woke(void)
{
    const int saved = errno;
    set_own(calm_now_ns() + awake_ns, 0);
    errno = saved;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("MP_CALM");
    if (path == NULL) // system calls: other shims may be loaded
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    (void)syscall(SYS_ftruncate, fd, (off_t)CALM_BYTES); // zeros, where it is new
    void *map = mmap(NULL, CALM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)syscall(SYS_close, fd);
    if (map == MAP_FAILED)
        return;
    calm = map;
    if (strcmp(program_invocation_short_name, "moonpulse") == 0) // from its start
        calm_woke();
}
