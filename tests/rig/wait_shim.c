/*
 * wait_shim.c - a kernel that is slow. LD_PRELOAD only. The first waitpid(WNOHANG) of the
 * process, a guard's dismissal, takes $WAIT_MS ms longer; locking memory takes $LOCK_MS ms; a
 * thread whose wait for a semaphore is ended by a post goes on $WAKE_MS ms later, from $CALM_MS
 * ms behind the first such post on.
 */
#include <dlfcn.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

static void take_time(const char *variable)
{
    const char *text = getenv(variable);
    long ms = text == NULL ? 0 : strtol(text, NULL, 10);
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0)
        continue; // the time is meant as it stands, whatever signals come
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    static pid_t (*real)(pid_t, int *, int);
    static int done;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "waitpid");
    if (options == WNOHANG && done++ == 0)
        take_time("WAIT_MS");
    return real(pid, status, options);
}

int mlockall(int flags)
{
    int (*real)(int);
    *(void **)&real = dlsym(RTLD_NEXT, "mlockall");
    take_time("LOCK_MS");
    return real(flags);
}

static int is_slow_yet(void)
{
    static long first_ms; // one thread waits so
    const char *text = getenv("CALM_MS");
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    long now_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    first_ms = first_ms == 0 ? now_ms : first_ms;
    return now_ms - first_ms >= (text == NULL ? 0 : strtol(text, NULL, 10));
}

int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until)
{
    static int (*real)(sem_t *, clockid_t, const struct timespec *);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "sem_clockwait");
    int status = real(semaphore, clock, until);
    if (status == 0 && is_slow_yet())
        take_time("WAKE_MS");
    return status;
}
